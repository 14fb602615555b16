package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/store"
)

// watchCommand is made to run under a service manager: it outlives servers that are away, ends cleanly at a signal, and
// can be killed at any time, because every write is on disk before it is sent (rules.md 9.3).
func (p *Program) watchCommand() *cobra.Command {
	var o engine.WatchOptions
	var from string
	c := &cobra.Command{
		Use:   "watch",
		Short: "Follow the shop and carry every change into the CRM until stopped",
		Long: `Follow the shop and carry every change into the CRM: registrations, logins, orders, states, invoices, cancelled
lines, new products. One line per change. It survives hours without the shop or the CRM, and stops cleanly with
Ctrl-C, a signal or "cartiger run stop". Held records are tried again by themselves.

The first start begins where the first export began, without one now, unless --catch-up-from is given.`,
		Example: `  cartiger watch
  cartiger watch --once --json
  cartiger watch --interval 30s --catch-up-from 2026-01-01`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.CatchUpFrom, err = parseDate("catch-up-from", from); err != nil {
				return err
			}
			// The setting's own bounds. Without the flag 0 means that setting.
			if cmd.Flags().Changed("interval") && (o.Interval < time.Second || o.Interval > 24*time.Hour) {
				return misuse{&problem.Error{Kind: problem.Invalid, Where: "--interval", Field: "interval", Message: o.Interval.String() + " is not from 1s to 24h", Cure: "Write 10s or 5m."}}
			}
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error { return p.watch(ctx, e, o) })
		},
	}
	f := c.Flags()
	f.BoolVar(&o.Once, "once", false, "one look at the shop")
	f.DurationVar(&o.Interval, "interval", 0, "pause of this `DURATION` between two looks (default: the setting watch.interval)")
	f.StringVar(&from, "catch-up-from", "", "carry what has happened since `DATE` first")
	return c
}

func (p *Program) watch(ctx context.Context, e *engine.Engine, o engine.WatchOptions) error {
	run, summaries, err := p.mixed(ctx, e, "watch", p.entry, func(ctx context.Context) error { return e.Watch(ctx, o) })
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil && run.State == store.Stopped: // a --once that was through before the signal has its verdict
		return context.Cause(ctx)
	case o.Once:
		return verdict(summaries...)
	}
	return nil // stopping is how a watch ends
}

// mixed carries out a run that is about every entity, and writes a summary for each of them, then one of all together.
// The run has no id when it never began.
func (p *Program) mixed(ctx context.Context, e *engine.Engine, kind string, each func(store.Entry) error, do func(context.Context) error) (store.Run, []summaryLine, error) {
	quiet := context.WithoutCancel(ctx)
	before, _, err := e.Store().LastRun(quiet, kind)
	if err != nil {
		return store.Run{}, nil, err
	}
	began := time.Now()
	err = p.follow(ctx, e, kind, each, do)
	run, found, lookErr := e.Store().LastRun(quiet, kind)
	// A rebuild goes on with its old run, so the same id may be ours: then it has ended since we began. A run that has not
	// ended and was there before is another process's.
	if lookErr != nil || !found || run.ID == before.ID && run.Ended.Before(began.Truncate(time.Millisecond)) {
		return store.Run{}, nil, firstOf(err, lookErr)
	}
	// Counted from the outcomes on disk, where a record that the run met twice is one.
	counts, lookErr := e.Store().CountRun(quiet, run.ID)
	if lookErr != nil {
		return run, nil, firstOf(err, lookErr)
	}
	summaries := summarise(run, counts)
	for _, s := range summaries {
		if tellErr := p.tellSummary(s); err == nil {
			err = tellErr
		}
	}
	return run, summaries, err
}

// summarise makes a summary of each entity that a run was about, then one of all together, which has the requests.
func summarise(run store.Run, counts map[store.Entity]store.Counts) []summaryLine {
	if run.Ended.IsZero() { // not even its end could be written
		run.Ended, run.State = time.Now(), store.Broken
	}
	line := func(entity store.Entity, c store.Counts) summaryLine {
		return summaryLine{
			Type: "summary", Entity: entity, Total: c.Sum(), Created: c.Created, Updated: c.Updated, Unchanged: c.Unchanged, Held: c.Held, Failed: c.Failed,
			Seconds: seconds(run.Ended.Sub(run.Started)), State: string(run.State), Run: run.ID,
		}
	}
	// What a run did not touch has no line, but the sum is always there: a program knows by it that the run is over.
	var summaries []summaryLine
	var sum store.Counts
	for _, entity := range entities {
		c := counts[entity]
		if c.Sum() == 0 {
			continue
		}
		summaries = append(summaries, line(entity, c))
		sum.Created += c.Created
		sum.Updated += c.Updated
		sum.Unchanged += c.Unchanged
		sum.Held += c.Held
		sum.Failed += c.Failed
	}
	all := line("all", sum)
	all.ShopRequests, all.CRMRequests = run.ShopRequests, run.CRMRequests
	return append(summaries, all)
}

// entry writes a log entry in the form that was asked for.
func (p *Program) entry(e store.Entry) error {
	if p.json {
		return p.entryLine(e)
	}
	return p.entryText(e)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// runCommand speaks with a run in whichever process through the state file, and so needs no port, no pid file and no
// right to send it signals. The run hears of it with its next sign of life.
func (p *Program) runCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "run",
		Short:   "See, pause, resume or stop what another process is running",
		Long:    "See, pause, resume or stop the export or watch that holds the run, in whichever process: it hears of it through the state file.",
		Example: "  cartiger run show\n  cartiger run pause\n  cartiger run stop",
	}
	for _, ask := range []struct{ name, short string }{
		{store.AskPause, "Let it finish what is under way, then wait"},
		{store.AskResume, "Let it go on"},
		{store.AskStop, "Let it finish what is under way, then end; it can go on later"},
	} {
		c.AddCommand(&cobra.Command{
			Use: ask.name, Short: ask.short, Example: "  cartiger run " + ask.name,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
					if err := e.Ask(ctx, ask.name); err != nil {
						return err
					}
					p.note("Asked to %s.", ask.name)
					return nil
				})
			},
		})
	}
	show := &cobra.Command{
		Use: "show", Short: "Print who runs what, and the latest runs", Example: "  cartiger run show\n  cartiger run show --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), p.showRuns)
		},
	}
	c.AddCommand(show)
	return c
}

// runLine is a run of `run show --json`.
type runLine struct {
	Run          int64          `json:"run"`
	Kind         string         `json:"kind"`
	State        store.RunState `json:"state"`
	Who          string         `json:"who"`
	Started      time.Time      `json:"started"`
	Ended        *time.Time     `json:"ended"` // null while it runs, and where its process died
	Total        int64          `json:"total"`
	Created      int64          `json:"created"`
	Updated      int64          `json:"updated"`
	Unchanged    int64          `json:"unchanged"`
	Held         int64          `json:"held"`
	Failed       int64          `json:"failed"`
	ShopRequests int64          `json:"shop_requests"`
	CRMRequests  int64          `json:"crm_requests"`
	Message      string         `json:"message,omitempty"`
	Closed       bool           `json:"closed,omitempty"` // customers: exported once and for all (rules.md 7)
}

// holderLine is who holds the run, in `run show --json`. A beat that is old is how a process that hangs is seen.
type holderLine struct {
	Who  string    `json:"who"`
	Run  int64     `json:"run"`
	Beat time.Time `json:"beat"`
}

// shownRuns is how many runs `run show` prints.
const shownRuns = 20

func (p *Program) showRuns(ctx context.Context, e *engine.Engine) error {
	holder, alive, err := e.Store().Holder(ctx)
	if err != nil {
		return err
	}
	runs, err := e.Store().Runs(ctx, shownRuns)
	if err != nil {
		return err
	}
	lines := make([]runLine, len(runs))
	rows := make([][]string, len(runs))
	for i, r := range runs {
		lines[i] = runLine{
			Run: r.ID, Kind: r.Kind, State: r.State, Who: r.Who, Started: r.Started.UTC(), Total: r.Total, Created: r.Created, Updated: r.Updated, Unchanged: r.Unchanged,
			Held: r.Held, Failed: r.Failed, ShopRequests: r.ShopRequests, CRMRequests: r.CRMRequests, Message: r.Message, Closed: r.Closed,
		}
		if !r.Ended.IsZero() {
			ended := r.Ended.UTC()
			lines[i].Ended = &ended
		}
		rows[i] = []string{
			fmt.Sprint(r.ID), r.Kind, string(r.State), r.Started.Local().Format(time.DateTime), fmt.Sprintf("%d/%d", r.Sum(), r.Total),
			fmt.Sprint(r.Held), fmt.Sprint(r.Failed), r.Who, r.Message,
		}
	}
	if p.json {
		// A holder that has died is none: the next run takes its place.
		var held *holderLine
		if alive {
			held = &holderLine{holder.Who, holder.Run, holder.Beat.UTC()}
		}
		return p.document(map[string]any{"holder": held, "runs": lines})
	}
	if alive {
		p.tableTo(p.Out, []column{"RUNNING", "LAST SIGN OF LIFE"}, [][]string{{holder.Who, holder.Beat.Local().Format(time.DateTime)}})
	} else {
		p.say("Nothing is running.")
	}
	if len(rows) > 0 {
		p.say("")
		p.table([]column{">RUN", "KIND", "STATE", "STARTED", ">DONE", ">HELD", ">FAILED", "WHO", "MESSAGE"}, rows)
	}
	return nil
}
