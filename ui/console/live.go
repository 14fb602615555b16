package console

import (
	"context"
	"maps"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/store"
)

// kinds are the runs there are, in the order of the Export screen.
var kinds = []string{"products", "customers", "orders", "watch"}

// otherKinds run as well, and are shown while they do.
var otherKinds = []string{retryKind, "verify"}

const (
	fastPoll    = 250 * time.Millisecond // while something runs
	slowPoll    = time.Second
	slowCounts  = 2 * time.Second // the table of Details: its sums cost more than a run's row
	keptEntries = 500
	keptSeconds = 60  // of the rate, for the row of levels
	maxTroubles = 300 // held and failed records shown; the filter and the command line reach the others
)

// live is what the last look at the state file showed. It is the same whether this process runs or another one.
type live struct {
	read     bool
	at       time.Time
	holder   store.Lease
	held     bool // somebody alive holds the run
	runs     map[string]store.Run
	counts   map[store.Entity]store.Counts
	entries  []store.Entry   // newest last
	troubles []store.Outcome // held and failed
	lastID   int64
	trouble  int64 // held + failed when the troubles were read
	err      error

	// The rate is kept for each second that passes, seen or not; what is drawn of it (recent, levels) is a copy of
	// once a second: rows that shift all the time cannot be read, and cost most of a slow line.
	rate    [keptSeconds]int64 // records finished in each of the last seconds, the newest last
	rateAt  time.Time          // the second of the last element
	done    int64
	doneRun int64
	samples []sample
	drawn   time.Time // when the parts that change only once a second were last renewed
	recent  []store.Entry
	levels  []int64

	// A pass of watch that finds nothing leaves nothing in the log. That its count of requests has grown is the sign
	// that it still looks.
	looked   time.Time // when watch last asked the shop something; zero = not seen yet
	asked    int64     // its shop requests then
	watching int64     // the run that they are of
}

// sample is how far a run was at a moment, for its speed.
type sample struct {
	at   time.Time
	done int64
}

func (l *live) init() { l.runs = map[string]store.Run{} }

// running is the run that goes on now, wherever.
func (l *live) running() (store.Run, bool) {
	// The row of a run whose process was killed says running for ever: only a living holder makes it true. Where
	// several rows say so, the holder's own is meant.
	if !l.held {
		return store.Run{}, false
	}
	var found store.Run
	for _, r := range l.runs {
		active := r.State == store.Running || r.State == store.Paused
		if active && (found.ID == 0 || r.ID == l.holder.Run || r.Started.After(found.Started) && found.ID != l.holder.Run) {
			found = r
		}
	}
	return found, found.ID != 0
}

// speed is records per second over the last ten seconds.
func (l *live) speed() float64 {
	if len(l.samples) < 2 {
		return 0
	}
	first, last := l.samples[0], l.samples[len(l.samples)-1]
	took := last.at.Sub(first.at).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(last.done-first.done) / took
}

// pollEvent is one look at the state file.
type pollEvent struct {
	live     live
	entries  []store.Entry
	troubles []store.Outcome
	fresh    bool // troubles were read
	err      error
}

// poll looks at the state file once.
func (a *app) poll() tea.Cmd {
	// What the command needs is taken here, in Update: it runs beside it, and must not read the app.
	lastID, trouble, read := a.live.lastID, a.live.trouble, a.live.read
	st, now := a.opt.State, a.opt.Now
	return a.jobs.do(func(ctx context.Context) event {
		e := pollEvent{}
		l := &e.live
		l.runs = map[string]store.Run{}
		// The steps are one look: after an error the rest would mix what is new with what was.
		look := func(step func() error) {
			if e.err == nil {
				e.err = step()
			}
		}
		look(func() (err error) { l.holder, l.held, err = st.Holder(ctx); return err })
		// Kind by kind and not the latest few of all: a watch that has run for months is older than fifty retries.
		for _, kind := range slices.Concat(kinds, otherKinds) {
			look(func() error {
				run, ok, err := st.LastRun(ctx, kind)
				if ok {
					l.runs[kind] = run
				}
				return err
			})
		}
		look(func() (err error) { l.counts, err = st.CountOutcomes(ctx); return err })
		look(func() (err error) {
			f := store.Filter{After: lastID, Limit: keptEntries}
			if read && lastID == 0 {
				f.After = -1 // what comes into an empty log is followed from its beginning
			}
			e.entries, err = st.Entries(ctx, f)
			if f.After == 0 {
				slices.Reverse(e.entries) // without After the newest come first
			}
			return err
		})
		for _, c := range l.counts {
			l.trouble += c.Held + c.Failed
		}
		// Their number alone would miss a record that is held for another reason than before, or one that fails
		// while another goes.
		if !read || l.trouble != trouble || slices.ContainsFunc(e.entries, inTrouble) {
			look(func() (err error) {
				e.troubles, err = a.eng.Records(ctx, store.Filter{States: []store.State{store.Held, store.Failed}, Limit: maxTroubles})
				e.fresh = err == nil
				return err
			})
		}
		l.at = now()
		return e
	})
}

func inTrouble(e store.Entry) bool { return e.State == store.Held || e.State == store.Failed }

// tickEvent is the time for the next look. One that is not the latest any more does nothing: looks follow each other.
type tickEvent struct{ number int }

func (e tickEvent) apply(a *app) tea.Cmd {
	if e.number != a.ticks {
		return nil
	}
	return a.poll()
}

// tick plans the next look, instead of the one that was planned.
func (a *app) tick(d time.Duration) tea.Cmd {
	a.ticks++
	return a.jobs.after(d, tickEvent{a.ticks})
}

func (e pollEvent) apply(a *app) tea.Cmd {
	l := &a.live
	// The next look is planned when this one has come, so a slow disk makes them rarer and never piles them up. A run
	// that was started here counts before its row is there.
	next := slowPoll
	if _, active := l.running(); active || len(a.own) > 0 {
		next = fastPoll
	}
	tick := a.tick(next)
	if e.err != nil {
		// Told once, not once a second; what was last seen stays in view, and the looks go on.
		if l.err == nil || l.err.Error() != e.err.Error() {
			a.fail("read the state file", e.err)
		}
		l.err = e.err
		return tick
	}
	was, wasRunning := l.running()
	l.err = nil
	// At the first look nothing has begun or ended: what runs did so before.
	wasRead := l.read
	l.read = true
	l.at, l.holder, l.held, l.counts = e.live.at, e.live.holder, e.live.held, e.live.counts
	if e.fresh {
		l.troubles, l.trouble = e.troubles, e.live.trouble
	}
	// Entries never wait: the line mode tells each of them.
	if n := len(e.entries); n > 0 {
		l.entries = append(l.entries, e.entries...)
		l.lastID = e.entries[n-1].ID
		l.entries = l.entries[max(0, len(l.entries)-keptEntries):]
	}
	l.measure(e.live.runs)
	if run, active := e.live.running(); active && run.Kind == "watch" {
		if run.ID == l.watching && run.ShopRequests != l.asked {
			l.looked = e.live.at
		}
		if run.ID != l.watching {
			l.looked = time.Time{}
		}
		l.watching, l.asked = run.ID, run.ShopRequests
	}
	// Figures of a running export wait while the terminal has had its share; its end never waits.
	now, isRunning := e.live.running()
	if !wasRead || wasRunning != isRunning || was.ID != now.ID || was.State != now.State || a.traffic.allow(e.live.at) {
		l.runs = e.live.runs
		if !isRunning || e.live.at.Sub(l.drawn) >= time.Second {
			l.drawn = e.live.at
			l.recent = slices.Clone(l.entries)
			l.levels = slices.Clone(l.rate[:])
		}
	}
	var cmds []tea.Cmd
	ended := wasRead && wasRunning && !isRunning
	begun := isRunning && (!wasRunning || was.ID != now.ID)
	// "is asked to pause" and its like are only true until the run has turned.
	if begun || ended || was.State != now.State {
		a.turned(begun)
	}
	if a.at == onActivity && (begun || ended) {
		cmds = append(cmds, a.activity.show(a)) // its list of runs has one more, or the end of one
	}
	if ended {
		// An end decides whether an export is unfinished or closed, whoever ran it.
		cmds = append(cmds, a.export.look(a))
	}
	if ended || a.at == onDetails && !maps.Equal(a.details.counts, l.counts) && l.at.Sub(a.details.countedAt) >= slowCounts {
		a.details.counts, a.details.countedAt = l.counts, l.at
		cmds = append(cmds, a.details.read(a))
	}
	return tea.Batch(append(cmds, tick)...)
}

// measure keeps the rate: how many records were finished in each second.
func (l *live) measure(runs map[string]store.Run) {
	// By the runs as they are, not as they are drawn: those may be waiting for their share of the line.
	fresh := live{runs: runs, holder: l.holder, held: l.held, at: l.at}
	run, active := fresh.running()
	second := l.at.Truncate(time.Second)
	// Bounded: after a night asleep, and at the first look, all seconds are empty after keptSeconds steps.
	for steps := 0; l.rateAt.Before(second) && steps < keptSeconds; steps++ {
		copy(l.rate[:], l.rate[1:])
		l.rate[keptSeconds-1] = 0
		l.rateAt = l.rateAt.Add(time.Second)
	}
	l.rateAt = second
	if !active || run.State == store.Paused {
		// A pause is no slowness: what comes after it is measured anew.
		l.samples, l.doneRun = nil, 0
		return
	}
	done := run.Sum()
	// What a run had done before it was first seen was not done in this second.
	if run.ID == l.doneRun {
		l.rate[keptSeconds-1] += max(0, done-l.done)
	}
	l.done, l.doneRun = done, run.ID
	l.samples = append(l.samples, sample{l.at, done})
	for len(l.samples) > 2 && l.at.Sub(l.samples[0].at) > 10*time.Second {
		l.samples = l.samples[1:]
	}
}
