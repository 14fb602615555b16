package psapi

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Repetitions of one read. Reads have no effect in the shop, so the only question is whether they help.
const (
	attempts     = 4                      // requests in all
	firstPause   = 250 * time.Millisecond // doubled each time
	longestPause = 4 * time.Second
	// longestWait is how long a Retry-After is sat out here; a longer one goes to the caller, whose pace it concerns.
	longestWait = 20 * time.Second
)

// retriable is the policy: whether the same request may be sent again now. answered says that this shop has
// answered well before: then a wrong page or a refused connection is likely to pass, else it is a wrong setting.
// patient says that the request cannot be made any smaller. What broke the shop without a word is sent once more before
// its objects are suspected; what PHP said that it died of it mostly dies of again.
func retriable(f *failure, answered, patient bool, sent int) bool {
	switch {
	case f.problem.RetryAfter > longestWait:
		return false
	case f.broken && f.problem.Code == CodeFatal:
		return patient && sent == 1
	case f.broken && sent == 1:
		return true
	}
	return f.again || f.later && answered || patient && (f.load || f.broken)
}

// backoff is the pause before the next repetition: what the server asked for, else doubling with a jitter from 0
// to 1 that takes up to half away, so that two clients do not meet again.
func backoff(repetition int, asked time.Duration, jitter float64) time.Duration {
	if asked > 0 {
		return asked
	}
	pause := min(firstPause<<min(repetition-1, 10), longestPause)
	return pause - time.Duration(float64(pause)*jitter/2)
}

// pause waits, or gives up when the context ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryAfter reads the header, seconds or a date, as a time from now; 0 when it says nothing.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// get sends one read until it succeeds, cannot succeed, or has been repeated often enough.
func (c *Client) get(ctx context.Context, resource string, p params, patient bool) (reply, error) {
	for n := 1; ; n++ {
		r, f := c.exchange(ctx, resource, p)
		if f == nil {
			return r, nil
		}
		f.redact(c.key)
		c.log.Debug("shop request failed", "resource", resource, "attempt", n, "problem", f.problem.Code)
		switch {
		case ctx.Err() != nil:
			return reply{}, f
		case f.stripped && c.switchToURL():
			n--
			continue
		case n >= attempts || !retriable(f, c.answered(), patient, n):
			return reply{}, f
		}
		if err := c.wait(ctx, backoff(n, f.problem.RetryAfter, rand.Float64())); err != nil {
			return reply{}, cancelled(ctx.Err())
		}
	}
}
