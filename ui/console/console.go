// Package console is the full-screen console: four tabs and the activity view over one engine and its state file.
//
// Three rules keep it honest. Update does no IO: whatever asks the engine or the state file is a command that answers
// with an event. State changes only in Update, in one goroutine; the screens are plain structs without any of their
// own. And the engine never waits for a screen: progress is read from the state file, four times a second while
// something runs and once a second otherwise, whoever runs it.
package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
	"cartiger/store"
	"cartiger/ui/term"
)

// Engine is what the console needs of the engine; *engine.Engine is one.
type Engine interface {
	Settings(ctx context.Context) (engine.Settings, error)
	Save(ctx context.Context, set map[string]string) error
	TestConnection(ctx context.Context, draft map[string]string, tell func(engine.Step)) (engine.Status, error)
	Status(ctx context.Context) (engine.Status, error)
	StoredStatus(ctx context.Context) (engine.Status, error)

	Mandatory(ctx context.Context) ([]engine.MandatoryField, error)
	SetDefault(ctx context.Context, module, field, value, label string) error
	UnsetDefault(ctx context.Context, module, field string) error
	SearchReference(ctx context.Context, module, text string) ([]engine.Choice, error)

	Currencies(ctx context.Context) (engine.CurrencyTable, error)
	ProposeCurrencies(ctx context.Context) ([]engine.CurrencyStep, error)
	LinkCurrencies(ctx context.Context) ([]engine.CurrencyStep, error)
	SetCurrencyLink(ctx context.Context, crmID string, shopID int64) error
	RemoveCurrencyLink(ctx context.Context, crmID string) error

	States(ctx context.Context) ([]engine.StateRow, error)
	SetState(ctx context.Context, row engine.StateRow) error
	ResetState(ctx context.Context, shopState int64) error
	StateChoices(ctx context.Context) (salesOrder, invoice []string, err error)

	Export(ctx context.Context, kind string, o engine.ExportOptions) (engine.Summary, error)
	Unfinished(ctx context.Context, kind string) (store.Run, bool, error)
	Closed(ctx context.Context, kind string) (bool, error)
	Watch(ctx context.Context, o engine.WatchOptions) error
	Ask(ctx context.Context, request string) error

	Records(ctx context.Context, f store.Filter) ([]store.Outcome, error)
	Record(ctx context.Context, entity store.Entity, shopID int64) (engine.RecordView, error)
	Would(ctx context.Context, entity store.Entity, shopID int64) (engine.Planned, error)
	Retry(ctx context.Context, f store.Filter) (engine.Summary, error)
}

// State is what the console reads of the state file to follow what runs, here or in another process;
// *store.Store is one.
type State interface {
	LastRun(ctx context.Context, kind string) (store.Run, bool, error)
	Runs(ctx context.Context, limit int) ([]store.Run, error)
	Holder(ctx context.Context) (store.Lease, bool, error)
	Entries(ctx context.Context, f store.Filter) ([]store.Entry, error)
	CountOutcomes(ctx context.Context) (map[store.Entity]store.Counts, error)
}

// Options are what the surroundings decide.
type Options struct {
	In      io.Reader           // default os.Stdin
	Out     io.Writer           // default os.Stdout
	Environ func(string) string // default os.Getenv
	Who     string              // the same as the engine's: tells our runs from those of others
	State   State               // default: the engine's own Store()
	Plain   bool                // line prompts and one line per change; also chosen by ACCESSIBLE=1 and a dumb terminal
	NoColor bool
	Width   int // columns and rows where Out is no terminal, or one that does not know them; default 80x24
	Height  int
	Now     func() time.Time // default time.Now
}

// Signalled is the reason of a context that a signal has ended, and the error of a console whose terminal is gone.
type Signalled struct{ Signal os.Signal }

// Error names the signal.
func (s Signalled) Error() string { return "ended by a signal: " + s.Signal.String() }

// Run shows the console until the person quits or the context ends. It returns nil when the person quit, the context's
// cause when that ended (the command line ends it on a signal), and Signalled with SIGHUP when the terminal is gone. In
// each case the runs that it started have ended before it returns: records in flight are finished, the rest goes on
// next time.
func Run(ctx context.Context, e Engine, o Options) error {
	o = o.complete(e)
	facts := o.facts()
	jobs := newJobs(ctx)
	defer jobs.close()
	a := newApp(e, o, jobs, facts)

	if o.Plain || o.Environ("ACCESSIBLE") == "1" || facts.Terminal && facts.Dumb {
		return runPlain(ctx, a, o, facts.Width)
	}

	program := a.program(o)
	// Bubble Tea puts the terminal back itself; this is for the end that it never comes to, see patience.
	restore := term.Keep(o.In)
	ended := make(chan error, 1)
	go func() {
		_, err := program.Run()
		ended <- err
	}()
	// Nobody else tells the size where Out is no terminal, and nothing is drawn before it is known. Send waits until
	// the program takes messages, so it has a goroutine of its own, here and below.
	if !facts.Terminal {
		go program.Send(tea.WindowSizeMsg{Width: o.Width, Height: o.Height})
	}
	select {
	case err := <-ended:
		return endOf(err, a)
	case <-ctx.Done():
	}
	// The runs end first, with the screen saying so; a terminal that takes no more output must not keep them.
	go program.Send(stoppingEvent{})
	jobs.close()
	go program.Quit()
	select {
	case <-ended:
	case <-time.After(patience):
		restore() // the terminal is frozen: at least its settings are as they were
	}
	return context.Cause(ctx)
}

func (a *app) program(o Options) *tea.Program {
	// Signals are the command line's, which ends the context: Bubble Tea's own handler would quit at once, with
	// records in flight.
	return tea.NewProgram(a,
		tea.WithInput(o.In), tea.WithOutput(meterOf(o.Out, a.traffic)), tea.WithAltScreen(),
		tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond))
}

const (
	framesPerSecond = 20              // enough for typing to feel immediate
	patience        = 2 * time.Second // how long a terminal that does not take output is waited for
)

// endOf says why a program ended by itself: the person quit, the settings cannot be read, the terminal is gone, or a
// defect.
func endOf(err error, a *app) error {
	switch {
	case err == nil:
		return a.unread
	// Before quitting: a panic is a defect also while one quits.
	case errors.Is(err, tea.ErrProgramPanic):
		return err
	case a.quitting:
		return nil
	case errors.Is(err, syscall.EIO), errors.Is(err, io.EOF), errors.Is(err, os.ErrClosed):
		return Signalled{syscall.SIGHUP}
	}
	return fmt.Errorf("console: %w", err)
}

// complete fills in what the caller left to the surroundings.
func (o Options) complete(e Engine) Options {
	if o.In == nil {
		o.In = os.Stdin
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Environ == nil {
		o.Environ = os.Getenv
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Width == 0 || o.Height == 0 {
		o.Width, o.Height = 80, 24
	}
	if o.State == nil {
		if has, ok := e.(interface{ Store() *store.Store }); ok {
			o.State = has.Store()
		}
	}
	return o
}

// facts are the terminal's. An Out that is no file belongs to a test: it takes every letter, and its size is told.
func (o Options) facts() term.Facts {
	facts := term.Facts{UTF8: true, Width: o.Width, Height: o.Height}
	if f, ok := o.Out.(*os.File); ok {
		facts = term.Of(f, o.Environ)
	}
	if o.NoColor {
		facts.Color = false
	}
	return facts
}

// event is the answer of a command: it changes the app's state, and may ask for more.
type event interface {
	apply(a *app) tea.Cmd
}

// jobs runs the commands that do IO. Closing it cancels them and waits for them, so that nothing uses the engine or
// the state file after Run has returned.
type jobs struct {
	ctx    context.Context
	cancel context.CancelFunc
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

func newJobs(ctx context.Context) *jobs {
	j := &jobs{}
	// Bubble Tea commands take no context: this struct is the loop that owns it.
	j.ctx, j.cancel = context.WithCancel(ctx)
	return j
}

// do makes a command of something that takes time.
func (j *jobs) do(work func(ctx context.Context) event) tea.Cmd {
	return func() tea.Msg {
		j.mu.Lock()
		if j.closed {
			j.mu.Unlock()
			return nil
		}
		// Under the lock: a WaitGroup must not be added to once close waits for it.
		j.wg.Add(1)
		j.mu.Unlock()
		defer j.wg.Done()
		return work(j.ctx)
	}
}

// after makes a command that answers later, unless the console ends before.
func (j *jobs) after(d time.Duration, e event) tea.Cmd {
	return j.do(func(ctx context.Context) event {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return e
		case <-ctx.Done():
			return nil
		}
	})
}

// stream runs work that tells several events, in their order.
func (j *jobs) stream(work func(ctx context.Context, tell func(event))) tea.Cmd {
	// Without a buffer: the work goes no further than the screen has come, and a console that ends lets go of it.
	events := make(chan event)
	run := j.do(func(ctx context.Context) event {
		defer close(events)
		work(ctx, func(e event) {
			select {
			case events <- e:
			case <-ctx.Done():
			}
		})
		return nil
	})
	return tea.Batch(run, j.next(events))
}

func (j *jobs) next(events chan event) tea.Cmd {
	return j.do(func(ctx context.Context) event {
		select {
		case e, ok := <-events:
			if ok {
				return streamed{e, events}
			}
		case <-ctx.Done():
		}
		return nil
	})
}

// streamed is one event of a stream; applying it waits for the next.
type streamed struct {
	event event
	rest  chan event
}

func (s streamed) apply(a *app) tea.Cmd {
	return tea.Batch(s.event.apply(a), a.jobs.next(s.rest))
}

// close ends all commands and waits for them.
func (j *jobs) close() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.cancel()
	j.wg.Wait()
}
