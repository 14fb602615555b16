package engine

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"cartiger/problem"
)

// Pace decides how many writes travel at once and when the next may start. It starts with two workers, tries one more
// where that pays, and backs off when the CRM says so (wire/vtiger.md 6: more sessions than CRM cores gain nothing).
type pace struct {
	mu        sync.Mutex
	changed   chan struct{} // closed and replaced whenever a waiting worker should look again
	limit     int
	max       int
	active    int
	notBefore time.Time
	resize    func(int) // tells the client how many sessions it may hold

	window     int // writes since the limit last changed
	windowFrom time.Time
	lastRate   float64 // writes per second at the previous limit
	settled    bool
	reason     string // why we are slow, "" when we are not
	now        func() time.Time
}

const (
	firstWorkers = 2
	mostWorkers  = 6
	// tryMoreAfter writes at one limit tell its rate; a further session costs two requests, so it is tried rarely.
	tryMoreAfter = 4000
	paysFrom     = 1.1
)

func newPace(fixed int, resize func(int), now func() time.Time) *pace {
	p := &pace{limit: firstWorkers, max: mostWorkers, changed: make(chan struct{}), resize: resize, now: now, windowFrom: now()}
	if fixed > 0 {
		p.limit, p.max, p.settled = fixed, fixed, true
	}
	resize(p.limit)
	return p
}

// acquire waits for a place; the caller releases it.
func (p *pace) acquire(ctx context.Context) error {
	for {
		p.mu.Lock()
		wait := p.notBefore.Sub(p.now())
		if p.active < p.limit && wait <= 0 {
			p.active++
			p.mu.Unlock()
			return nil
		}
		changed := p.changed
		p.mu.Unlock()
		if wait <= 0 {
			wait = time.Hour
		}
		if err := sleepUntil(ctx, wait, changed); err != nil {
			return err
		}
	}
}

func (p *pace) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	p.wake()
}

// succeeded counts a write; at the end of a window it tries one worker more, or takes back one that did not pay.
func (p *pace) succeeded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reason = ""
	p.window++
	if p.settled || p.window < tryMoreAfter {
		return
	}
	rate := float64(p.window) / max(p.now().Sub(p.windowFrom).Seconds(), 0.001)
	if p.lastRate > 0 && rate < p.lastRate*paysFrom {
		p.set(max(p.limit-1, firstWorkers))
		p.settled = true
		return
	}
	p.lastRate = rate
	if p.limit == p.max {
		p.settled = true
		return
	}
	p.set(p.limit + 1)
}

// struggled slows down after a temporary problem: half the workers, and nobody starts before the server's Retry-After.
func (p *pace) struggled(err error, attempt int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := backoff(attempt)
	if trouble, ok := problem.Of(err); ok {
		wait = max(wait, trouble.RetryAfter)
	}
	if until := p.now().Add(wait); until.After(p.notBefore) {
		p.notBefore = until
	}
	p.reason = err.Error()
	p.settled = true
	p.set(max(p.limit/2, 1))
}

func (p *pace) set(limit int) {
	if limit != p.limit {
		p.limit = limit
		p.resize(limit)
	}
	p.window, p.windowFrom = 0, p.now()
	p.wake()
}

func (p *pace) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// tell sets why we are slow, until the next write has succeeded.
func (p *pace) tell(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reason = reason
}

// state tells the workers in use and why it is slow.
func (p *pace) state() (workers int, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit, p.reason
}

// backoff doubles from half a second to half a minute, with jitter so that workers do not come back together.
func backoff(attempt int) time.Duration {
	d := min(500*time.Millisecond<<min(attempt-1, 6), 30*time.Second)
	return d/2 + rand.N(d/2)
}

func sleepUntil(ctx context.Context, d time.Duration, changed <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
	case <-timer.C:
	}
	return nil
}
