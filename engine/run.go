package engine

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"cartiger/problem"
	"cartiger/store"
	"cartiger/vtigerws"
)

// counter is the live count of a run. Workers add, one goroutine samples: the engine never waits for a screen.
type counter struct {
	total, created, updated, unchanged, held, failed atomic.Int64
}

func (c *counter) add(state store.State) {
	switch state {
	case store.Created:
		c.created.Add(1)
	case store.Updated:
		c.updated.Add(1)
	case store.Unchanged:
		c.unchanged.Add(1)
	case store.Held:
		c.held.Add(1)
	case store.Failed:
		c.failed.Add(1)
	}
}

// restart forgets the outcomes counted, not the total.
func (c *counter) restart() {
	for _, n := range []*atomic.Int64{&c.created, &c.updated, &c.unchanged, &c.held, &c.failed} {
		n.Store(0)
	}
}

func (c *counter) counts() store.Counts {
	return store.Counts{Created: c.created.Load(), Updated: c.updated.Load(), Unchanged: c.unchanged.Load(), Held: c.held.Load(), Failed: c.failed.Load()}
}

// The lease is beaten with every sample that shows something new, else once a second; it is free for others when its
// holder has been silent for leaseTTL.
const (
	sampleEvery = 250 * time.Millisecond
	leaseTTL    = 15 * time.Second
)

// work is one run under way: it holds the lease, the two servers and what is known of them.
type work struct {
	*Engine
	settings Settings
	shop     Shop
	crm      CRM
	facts    vtigerws.Facts
	draft    Drafter
	count    *counter
	pace     *pace
	out      *outbox // nil where nothing is written
	carry    carrier
	// companies are the Accounts by name that the run has met.
	companies *companies
	atlas     *atlas
	sessions  *sessionLog

	// What watch remembers from pass to pass.
	caughtUp    bool   // the date to catch up from has been used
	fingerprint string // of the settings that the last pass went by
	lookedAgain time.Time

	began   time.Time // when this process took the lease
	run     store.Run // owned by the sampler once it runs
	closes  bool      // the export that may happen once has completed
	cursor  atomic.Int64
	cancel  context.CancelCauseFunc
	sampler sync.WaitGroup
	quit    chan struct{}
	paused  *gate
}

var (
	errStopped = errors.New("stopped")
	errLease   = errors.New("the lease was lost")
)

// begin takes the lease, reaches the servers, settles what a dead process left open and starts (or goes on with) a run.
// The returned context ends when somebody asks the run to stop.
func (e *Engine) begin(ctx context.Context, kind string, resume store.Run) (*work, context.Context, error) {
	settings, err := e.Settings(ctx)
	if err != nil {
		return nil, ctx, err
	}
	if missing := settings.Missing(); len(missing) > 0 {
		return nil, ctx, missingSettings(missing)
	}
	if err := e.store.Acquire(ctx, e.opts.Who, leaseTTL); err != nil {
		return nil, ctx, err
	}
	w := &work{Engine: e, settings: settings, count: &counter{}, quit: make(chan struct{}), paused: &gate{}, began: e.opts.Now()}
	// From here on the lease must go back, whatever happens.
	if err := w.reach(ctx); err != nil {
		return nil, ctx, errors.Join(err, e.store.Release(context.WithoutCancel(ctx), e.opts.Who))
	}
	runCtx, cancel := context.WithCancelCause(ctx)
	w.cancel = cancel
	if resume.ID == 0 {
		resume = store.Run{Kind: kind, Started: e.opts.Now()}
	}
	resume.State, resume.Who, resume.Ended, resume.Message = store.Running, e.opts.Who, time.Time{}, ""
	if w.run, err = e.store.StartRun(ctx, resume); err != nil {
		cancel(nil)
		return nil, ctx, errors.Join(err, e.store.Release(context.WithoutCancel(ctx), e.opts.Who))
	}
	w.count.total.Store(resume.Total)
	w.out = &outbox{store: e.store, crm: w.crm, pace: w.pace, count: w.count, run: w.run.ID, counts: exports[kind], careless: e.opts.Careless, blocked: map[string]*problem.Error{}}
	w.carry = w.out.carry
	w.sampler.Add(1)
	go w.sample(runCtx)
	// Watch speaks to the CRM only when there is something to write; it settles open writes in each pass.
	if kind != "watch" {
		err := w.login(runCtx)
		if err == nil {
			err = w.out.recover(runCtx)
		}
		if err != nil {
			// A run that was stopped ends without an error, but there is nothing to go on with.
			return nil, ctx, firstErr(w.end(ctx, err), err)
		}
	}
	return w, runCtx, nil
}

// reading reaches both servers to look only: without lease and run, and beside a run of another process.
func (e *Engine) reading(ctx context.Context, settings Settings, run store.Run) (*work, error) {
	w := &work{Engine: e, settings: settings, count: &counter{}, paused: &gate{}, run: run, began: e.opts.Now(), sessions: &sessionLog{}}
	if err := w.reach(ctx); err != nil {
		return nil, err
	}
	return w, w.login(ctx)
}

// reach makes the clients of both servers; nothing is sent yet.
func (w *work) reach(ctx context.Context) error {
	var err error
	if w.shop, err = w.opts.DialShop(w.settings); err != nil {
		return err
	}
	if w.sessions == nil {
		w.sessions = &sessionLog{store: w.store}
	}
	if w.crm, err = w.opts.DialCRM(w.settings, w.sessions.opened); err != nil {
		return err
	}
	w.pace = newPace(w.settings.Int(CRMWorkers), w.crm.SetWorkers, w.opts.Now)
	w.companies = &companies{w: w}
	w.companies.forget()
	w.draft = Drafter{Modules: map[string]vtigerws.Module{}}
	return w.readDefaults(ctx)
}

// login waits for what a dead process left running in the CRM, then logs in.
func (w *work) login(ctx context.Context) error {
	if err := w.sessions.fence(ctx, w.crm); err != nil {
		return err
	}
	var err error
	if w.facts, err = w.crm.Login(ctx); err != nil {
		return err
	}
	w.draft.Dialect = w.facts.Dialect
	w.draft.Owner = firstOf(w.settings.Get(CRMOwner), w.facts.UserID)
	return nil
}

func (w *work) readDefaults(ctx context.Context) error {
	defaults, err := w.store.Defaults(ctx)
	if err != nil {
		return err
	}
	w.draft.Defaults = map[string]string{}
	for _, d := range defaults {
		w.draft.Defaults[d.Module+"."+d.Field] = d.Value
	}
	return nil
}

// describes reads what the CRM demands of modules before anything is planned for them.
func (w *work) describes(ctx context.Context, modules ...string) error {
	for _, name := range modules {
		m, err := w.crm.Describe(ctx, name)
		if err != nil {
			return err
		}
		w.draft.Modules[name] = m
	}
	return nil
}

// sample writes the progress four times a second, keeps the lease and passes on what others ask.
func (w *work) sample(ctx context.Context) {
	defer w.sampler.Done()
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	var saved store.Run
	for still := 1; ; still++ {
		select {
		case <-w.quit:
			return
		case <-tick.C:
		}
		quiet := context.WithoutCancel(ctx)
		w.paused.report(&w.run)
		w.snapshot()
		// A beat alone says that nothing has changed, and once a second is enough for that: watch rests most of the time.
		now := w.run
		if now.Beat = saved.Beat; now != saved {
			saved, still = now, 0
			if err := w.store.SaveRun(quiet, w.run); err != nil {
				w.opts.Log.Warn("progress not saved", "error", err)
			}
		}
		if still%4 != 0 {
			continue
		}
		request, err := w.store.Beat(quiet, w.opts.Who, w.run.ID)
		if leaseLost(err) {
			w.cancel(errLease)
			continue
		}
		switch request {
		case "pause":
			w.paused.close()
		case "resume":
			w.paused.open()
		case "stop":
			w.cancel(errStopped)
		}
	}
}

// snapshot copies the live counts into the run's row.
func (w *work) snapshot() {
	w.run.Beat = w.opts.Now()
	w.run.Counts = w.count.counts()
	w.run.Total = w.count.total.Load()
	w.run.Cursor = w.cursor.Load()
	w.run.Workers, w.run.Message = w.pace.state()
	if w.shop != nil {
		w.run.ShopRequests = w.shop.Requests()
	}
	w.run.CRMRequests = w.crm.Requests()
}

// end writes the run's last row and gives the lease back. It returns err, or why the run was stopped.
func (w *work) end(ctx context.Context, err error) error {
	close(w.quit)
	w.sampler.Wait()
	w.snapshot()
	w.run.Closed = w.run.Closed || w.closes
	quiet := context.WithoutCancel(ctx)
	w.run.Ended = w.opts.Now()
	switch {
	case err == nil:
		w.run.State, w.run.Message = store.Finished, ""
	case errors.Is(err, context.Canceled), errors.Is(err, errStopped):
		w.run.State, w.run.Message = store.Stopped, ""
		err = nil
	default:
		w.run.State, w.run.Message = store.Broken, err.Error()
	}
	w.cancel(nil)
	if saveErr := w.store.SaveRun(quiet, w.run); err == nil {
		err = saveErr
	}
	if freeErr := w.store.Release(quiet, w.opts.Who); err == nil {
		err = freeErr
	}
	return err
}

// summary is the run in figures.
func (w *work) summary(entity store.Entity) Summary {
	c := w.run.Counts
	return Summary{
		Entity: entity, Run: w.run.ID, State: string(w.run.State), Total: w.run.Total,
		Created: c.Created, Updated: c.Updated, Unchanged: c.Unchanged, Held: c.Held, Failed: c.Failed,
		ShopRequests: w.run.ShopRequests, CRMRequests: w.run.CRMRequests, Took: w.run.Ended.Sub(w.run.Started),
	}
}

// pausing waits while somebody has paused the run, and ends when the run is to stop.
func (w *work) pausing(ctx context.Context) error { return w.paused.wait(ctx) }

// Ask passes a request to whoever holds the lease: "pause", "resume" or "stop".
func (e *Engine) Ask(ctx context.Context, request string) error {
	holder, busy, err := e.store.Holder(ctx)
	switch {
	case err != nil:
		return err
	case !busy:
		return &problem.Error{Kind: problem.NotFound, Where: "run", Code: "idle", Message: "nothing is running", Cure: "Start an export or watch first."}
	case request != "pause" && request != "resume" && request != "stop":
		return &problem.Error{Kind: problem.Invalid, Where: "run", Field: "request", Message: "unknown request " + request, Cure: "Ask for pause, resume or stop."}
	}
	e.opts.Log.Info("asked", "request", request, "holder", holder.Who)
	return e.store.Ask(ctx, request)
}

func missingSettings(names []string) error {
	p := &problem.Error{Kind: problem.Invalid, Where: "settings", Code: "incomplete", Field: names[0], Message: "not set: " + joined(names)}
	p.Cure = "Type them in Connection, or run `cartiger connect`."
	return p
}

// sessionLog keeps the names of the CRM sessions that a run writes with, so that the next one can wait for what a
// killed process left running in the CRM before it looks whether it arrived.
type sessionLog struct {
	store *store.Store
	mu    sync.Mutex
	names []string
}

const sessionsCursor = "crm.sessions"

func (s *sessionLog) opened(name string) error {
	if s.store == nil {
		return nil // a look only: nothing of it has to be waited for, and a run's names must stay
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(s.names, name)
	return s.store.SetCursor(context.Background(), sessionsCursor, asJSON(s.names))
}

// fence waits for the writes of a run that died. Only open intents, or a currency that was being created, make it
// worth a request.
func (s *sessionLog) fence(ctx context.Context, crm CRM) error {
	if s.store == nil {
		return nil
	}
	open, err := s.store.OpenIntents(ctx)
	if err != nil {
		return err
	}
	creating, err := s.store.Cursor(ctx, currencyCursor)
	if err != nil || len(open) == 0 && creating == "" {
		return err
	}
	text, err := s.store.Cursor(ctx, sessionsCursor)
	if err != nil || text == "" {
		return err
	}
	var names []string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		return err
	}
	return crm.Fence(ctx, names)
}

// gate holds workers back while a run is paused.
type gate struct {
	mu     sync.Mutex
	closed chan struct{} // nil = open
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == nil {
		g.closed = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed != nil {
		close(g.closed)
		g.closed = nil
	}
}

func (g *gate) wait(ctx context.Context) error {
	for {
		g.mu.Lock()
		closed := g.closed
		g.mu.Unlock()
		if closed == nil {
			return context.Cause(ctx)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-closed:
		}
	}
}

func (g *gate) report(run *store.Run) {
	g.mu.Lock()
	defer g.mu.Unlock()
	run.State = store.Running
	if g.closed != nil {
		run.State = store.Paused
	}
}
