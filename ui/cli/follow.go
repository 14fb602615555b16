package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"cartiger/engine"
	"cartiger/store"
	"cartiger/ui/text"
)

const (
	pollEvery    = 250 * time.Millisecond // as often as the engine writes its counters
	pollEntries  = 1000                   // bounds what one look holds in memory
	showEvery    = time.Second            // a progress line on a terminal
	showRarely   = 10 * time.Second       // and where it cannot be overwritten
	speedMeasure = 10 * time.Second       // steady, and still follows a CRM that slows down
)

// recordLine is what became of one shop record, a JSON line of a run. It is read back from the state file, so
// that no line runs ahead of what is kept there.
type recordLine struct {
	Type    string       `json:"type"` // "record"
	At      time.Time    `json:"at"`
	Entity  store.Entity `json:"entity"`
	ShopID  int64        `json:"shop_id"`
	Label   string       `json:"label"`
	State   store.State  `json:"state"`
	Message string       `json:"message"`
}

// messageLine is a line of the log that is no record's outcome.
type messageLine struct {
	Type    string       `json:"type"` // "message"
	At      time.Time    `json:"at"`
	Level   string       `json:"level"`
	Entity  store.Entity `json:"entity,omitempty"`
	ShopID  int64        `json:"shop_id,omitempty"`
	Label   string       `json:"label,omitempty"`
	Message string       `json:"message"`
}

// follower tells of a run while it goes on. It only reads the state file: the engine never waits for it, and it sees
// the same as every other process that has the file open.
type follower struct {
	p     *Program
	state *store.Store
	kind  string
	began time.Time
	// each tells of one log entry; nil keeps silent.
	each func(store.Entry) error

	run  int64         // ours, 0 = not known yet
	last int64         // log entry
	told map[told]bool // outcomes that had a log entry
	bar  progress
}

// told is an outcome that was told of.
type told struct {
	entity store.Entity
	id     int64
}

// follow carries out a run and tells of it meanwhile.
func (p *Program) follow(ctx context.Context, e *engine.Engine, kind string, each func(store.Entry) error, run func(context.Context) error) error {
	quiet := context.WithoutCancel(ctx) // what a stopping run still finishes is told of
	f := &follower{p: p, state: e.Store(), kind: kind, began: time.Now(), each: each, last: -1, told: map[told]bool{}, bar: progress{p: p}}
	// The log is everybody's: ours begins after what is there now. -1 is its beginning, 0 would ask for the newest first.
	newest, err := f.state.Entries(quiet, store.Filter{Limit: 1})
	if err != nil {
		return err
	}
	if len(newest) > 0 {
		f.last = newest[0].ID
	}
	// The engine is told that its context ended, not why: a signal is a stop like any other.
	running, stop := context.WithCancel(quiet)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	ended := make(chan error, 1)
	go func() { ended <- run(running) }()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	stopping := ctx.Done()
	for {
		select {
		case err := <-ended:
			f.bar.clear()
			if lookErr := f.finish(quiet); err == nil {
				err = lookErr
			}
			return err
		case <-stopping:
			// A closed channel is always ready, a nil one never: this is said once.
			stopping = nil
			f.bar.clear()
			if !p.json {
				p.note("Stopping: what is under way ends first.")
			}
		case <-tick.C:
			if err := f.look(quiet); err != nil {
				// A run that cannot be watched goes on all the same.
				p.note("cartiger: progress cannot be read: %s", text.Clean(err.Error()))
			}
		}
	}
}

// look tells what is new. Until our run is seen nothing is: somebody else's may still be going on.
func (f *follower) look(ctx context.Context) error {
	// Who names the process, so a lease of that name is ours.
	if f.run == 0 {
		holder, alive, err := f.state.Holder(ctx)
		if err != nil || !alive || holder.Who != store.Who() {
			return err
		}
		// Still 0 until the run has its row.
		f.run = holder.Run
		if f.run == 0 {
			return nil
		}
	}
	if err := f.tell(ctx); err != nil {
		return err
	}
	run, found, err := f.state.LastRun(ctx, f.kind)
	// A line per record says more than a line every ten seconds, in which a journal would drown.
	if err == nil && found && run.ID == f.run && (f.each == nil || f.bar.live()) {
		f.bar.show(run)
	}
	return err
}

// tell passes on the log entries of our run since the last look.
func (f *follower) tell(ctx context.Context) error {
	for {
		entries, err := f.state.Entries(ctx, store.Filter{Run: f.run, After: f.last, Limit: pollEntries})
		if err != nil {
			return err
		}
		for _, entry := range entries {
			f.last = entry.ID
			if entry.State != "" {
				f.told[told{entry.Entity, entry.ShopID}] = true
			}
			if f.each != nil {
				f.bar.clear()
				if err := f.each(entry); err != nil {
					return err
				}
			}
		}
		if len(entries) < pollEntries {
			return nil
		}
	}
}

// finish tells the rest: entries since the last look, and outcomes without an entry of their own, such as a second
// shop customer with the same e-mail address.
func (f *follower) finish(ctx context.Context) error {
	if f.run == 0 {
		// It was over before the first look.
		run, found, err := f.state.LastRun(ctx, f.kind)
		if err != nil || !found || run.Who != store.Who() || run.Ended.Before(f.began.Truncate(time.Millisecond)) {
			return err
		}
		f.run = run.ID
	}
	// With nobody to tell of single records the counters in the summary are enough.
	if err := f.tell(ctx); err != nil || f.each == nil {
		return err
	}
	outcomes, err := f.state.Outcomes(ctx, store.Filter{Run: f.run})
	if err != nil {
		return err
	}
	for _, o := range outcomes {
		// An export that goes on keeps its id: what it did in an earlier life was told then. The file counts in milliseconds.
		if f.told[told{o.Entity, o.ShopID}] || o.At.Before(f.began.Truncate(time.Millisecond)) {
			continue
		}
		message := o.Detail
		if message == "" {
			message = o.CRM
		}
		if err := f.each(store.Entry{At: o.At, Level: "info", Run: o.Run, Entity: o.Entity, ShopID: o.ShopID, Label: o.Label, State: o.State, Message: message}); err != nil {
			return err
		}
	}
	return nil
}

// entryLine writes a log entry as JSON.
func (p *Program) entryLine(e store.Entry) error {
	if e.State != "" {
		return p.line(recordLine{Type: "record", At: e.At.UTC(), Entity: e.Entity, ShopID: e.ShopID, Label: e.Label, State: e.State, Message: e.Message})
	}
	return p.line(messageLine{Type: "message", At: e.At.UTC(), Level: e.Level, Entity: e.Entity, ShopID: e.ShopID, Label: e.Label, Message: e.Message})
}

// entryText writes a log entry for people, one line: outcomes are results, what else is said goes to stderr.
func (p *Program) entryText(e store.Entry) error {
	if e.State == "" {
		p.note("%s  %s", e.At.Local().Format(time.TimeOnly), entryWords(e))
	} else {
		p.say("%s  %s", e.At.Local().Format(time.TimeOnly), entryWords(e))
	}
	return nil
}

func entryWords(e store.Entry) string {
	what := string(e.State)
	if what == "" {
		what = e.Level
	}
	return fmt.Sprintf("%-9s  %-9s  %s  %s", text.Clean(string(e.Entity)), text.Clean(what), text.Clean(e.Label), text.Clean(e.Message))
}

// progress is the one line that says how far a run is, drawn once a second at most: a terminal far away is slow, and a
// log file keeps every line for ever.
type progress struct {
	p       *Program
	drawn   bool
	at      time.Time
	samples []sample
}

// sample is how far a run was at a moment.
type sample struct {
	at   time.Time
	done int64
}

func (b *progress) show(run store.Run) {
	// Programs have a line for every record.
	if b.p.json {
		return
	}
	now := time.Now()
	b.samples = append(b.samples, sample{now, run.Sum()})
	b.samples = slices.DeleteFunc(b.samples, func(s sample) bool { return now.Sub(s.at) > speedMeasure })
	live := b.live()
	pause := showRarely
	if live {
		pause = showEvery
	}
	if b.at.IsZero() {
		// The first line comes after a pause: a run that is over by then has its summary.
		b.at = now
	}
	if now.Sub(b.at) < pause {
		return
	}
	b.at = now
	line := progressText(run, b.speed())
	if !live {
		b.p.note("%s", line)
		return
	}
	// 78 fit into the usual 80 columns: a line that wraps cannot be overwritten.
	_, _ = fmt.Fprintf(b.p.Err, "\r%s\x1b[K", text.Cut(line, 78))
	b.drawn = true
}

// live says that the line can be overwritten.
func (b *progress) live() bool { return b.p.isTerminal(b.p.Err) && b.p.Environ("TERM") != "dumb" }

// speed is records per second over the last seconds.
func (b *progress) speed() float64 {
	first, last := b.samples[0], b.samples[len(b.samples)-1]
	took := last.at.Sub(first.at).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(last.done-first.done) / took
}

// clear takes the line away, so that a message can stand in its place.
func (b *progress) clear() {
	if b.drawn {
		_, _ = fmt.Fprint(b.p.Err, "\r\x1b[K")
		b.drawn = false
	}
}

// progressText is a run in one line: "products 1,148 / 1,607  created 1,102 …  86/s  6s left".
func progressText(run store.Run, speed float64) string {
	line := run.Kind + " " + humanize.Comma(run.Sum())
	switch {
	case run.Total > 0:
		line += " / " + humanize.Comma(run.Total)
	case run.Kind != "watch": // which has no end
		line += " / ?"
	}
	for _, c := range []struct {
		name string
		n    int64
	}{{"created", run.Created}, {"updated", run.Updated}, {"unchanged", run.Unchanged}, {"held", run.Held}, {"failed", run.Failed}} {
		if c.n > 0 {
			line += fmt.Sprintf("  %s %s", c.name, humanize.Comma(c.n))
		}
	}
	if run.State == store.Paused {
		return line + "  paused"
	}
	if speed >= 0.1 {
		line += fmt.Sprintf("  %.0f/s", speed)
		if left := run.Total - run.Sum(); left > 0 {
			line += fmt.Sprintf("  %s left", time.Duration(float64(left)/speed*float64(time.Second)).Round(time.Second))
		}
	}
	if run.Message != "" {
		line += "  " + text.Clean(run.Message)
	}
	return line
}
