package vtigerws

import (
	"context"
	"math/rand/v2"
	"time"

	"cartiger/problem"
)

const (
	tries   = 3                // how often a read is sent at most
	pause   = time.Second / 4  // before the second try; twice as long before each further one
	longNap = 30 * time.Second // a longer wait is the caller's decision
)

// again decides whether a read that failed is worth another try here and now; tried counts those made.
func again(err error, tried int) bool {
	p, ok := problem.Of(err)
	if !ok || !problem.Temporary(err) || tried >= tries || p.RetryAfter > longNap {
		return false
	}
	switch p.Code {
	case codeTLS, codeTooLarge, codeCancelled, codePaging, codeShape:
		return false // will be the same
	}
	return true
}

// backoff says how long to wait before the next try: what the server asks for, else growing with some scatter.
func backoff(err error, tried int) time.Duration {
	if p, ok := problem.Of(err); ok && p.RetryAfter > 0 {
		return p.RetryAfter
	}
	return scatter(pause << (tried - 1))
}

// scatter spreads waits by half, so that two programs do not meet again.
func scatter(d time.Duration) time.Duration {
	return d/2 + rand.N(d)
}

// sleep waits, or ends early with the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
