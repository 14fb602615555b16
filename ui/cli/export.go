package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/store"
	"cartiger/ui/text"
)

func (p *Program) exportCommand() *cobra.Command {
	var o engine.ExportOptions
	var since string
	var verbose bool
	c := &cobra.Command{
		Use:   "export products|customers|orders",
		Short: "Write all products, all customers or the orders of the past into the CRM",
		Long: `Write all products, all customers or the orders of the past into the CRM.

What the CRM has already stays as it is. An export that was stopped, killed or broken off goes on where it was when
it is started again. Customers are exported once; new ones arrive through watch. Orders bring the customers and
products that they need, and their invoices.`,
		Example: `  cartiger export products --dry-run
  cartiger export products
  cartiger export customers --json
  cartiger export orders --since 2026-01-01`,
		ValidArgs: []string{"products", "customers", "orders"},
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			// A flag that would do nothing is refused: who gave it believes that it did.
			if o.Since, err = parseDate("since", since); err != nil {
				return err
			}
			if since != "" && args[0] != "orders" {
				return wrong(cmd, "since", "--since is for orders, not for %s", args[0])
			}
			if o.Reopen && args[0] != "customers" {
				return wrong(cmd, "reopen", "--reopen is for customers: %s can be exported at any time", args[0])
			}
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				if o.DryRun {
					return p.preview(ctx, e, args[0], o, verbose)
				}
				summaries, err := p.export(ctx, e, args[0], o, verbose)
				for _, s := range summaries {
					if tellErr := p.tellSummary(s); err == nil {
						err = tellErr
					}
				}
				for _, s := range summaries {
					if tellErr := p.explain(ctx, e, s); err == nil {
						err = tellErr
					}
				}
				if err != nil {
					return err
				}
				return stoppedOr(ctx, summaries, args[0])
			})
		},
	}
	f := c.Flags()
	f.BoolVar(&o.DryRun, "dry-run", false, "show what would be written, write nothing")
	f.IntVar(&o.Limit, "limit", 0, "at most `N` records; 0 = all")
	f.StringVar(&since, "since", "", "orders placed since `DATE`, such as 2026-01-31 or 2026-01-31T09:00:00Z")
	f.BoolVar(&o.Resume, "resume", false, "only go on with an unfinished export")
	f.BoolVar(&o.Reopen, "reopen", false, "customers: export again although that has been done; those in the CRM stay as they are")
	f.BoolVarP(&verbose, "verbose", "v", false, verboseUsage)
	return c
}

// parseDate reads a date (its beginning, by this computer's clock) or an exact time. Who writes a day means his own, so
// nothing is UTC that does not say so.
func parseDate(flag, value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.DateTime, "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, value, time.Local); err == nil {
			return t, nil
		}
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return t, misuse{&problem.Error{
			Kind: problem.Invalid, Where: "--" + flag, Field: flag, Message: value + " is not a date",
			Cure: "Write it as 2026-01-31, \"2026-01-31 09:00:00\" or 2026-01-31T09:00:00Z.", Cause: err,
		}}
	}
	return t, nil
}

// export carries out one export and gives a summary per entity that it wrote. With an error the summaries say how far
// it came: what is written stays written, and the next start goes on from there.
func (p *Program) export(ctx context.Context, e *engine.Engine, kind string, o engine.ExportOptions, verbose bool) ([]summaryLine, error) {
	before, err := invoices(ctx, e)
	if err != nil {
		return nil, err
	}
	var s engine.Summary
	err = p.follow(ctx, e, kind, p.perRecord(verbose), func(ctx context.Context) (err error) {
		s, err = e.Export(ctx, kind, o)
		return err
	})
	if s.Run == 0 {
		return nil, err // it never began
	}
	main := lineOf(s)
	summaries := []summaryLine{main}
	if kind != "orders" {
		return summaries, err
	}
	after, countErr := invoices(ctx, e)
	if err == nil {
		err = countErr
	}
	if made := after - before; made > 0 {
		// Without requests: those of the run are the orders', and may be added up.
		summaries = append(summaries, summaryLine{Type: "summary", Entity: store.Invoice, Total: made, Created: made, State: main.State, Run: main.Run})
	}
	return summaries, err
}

const verboseUsage = "one line per record"

// perRecord tells of each record of a run of many: programs always hear of it, people when they want to.
func (p *Program) perRecord(verbose bool) func(store.Entry) error {
	if p.json || verbose {
		return p.entry
	}
	return nil
}

// invoices is how many invoices the connector has made. They have no outcome of their own: they share their order's.
func invoices(ctx context.Context, e *engine.Engine) (int64, error) {
	links, err := e.Store().CountLinks(context.WithoutCancel(ctx))
	return links[store.Invoice][engine.Invoice], err
}

// stoppedOr is how a run ended that met no error: stopped by a signal, stopped by another process, or with its verdict.
// To the engine both stops are the same; a script must tell the signal that it sent itself from somebody's `run stop`.
func stoppedOr(ctx context.Context, summaries []summaryLine, kind string) error {
	for _, s := range summaries {
		if s.State != string(store.Stopped) {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &problem.Error{
			Kind: problem.Conflict, Where: kind, Code: "stopped", Message: "stopped because somebody asked for it",
			Cure: "Start it again: it goes on where it stopped.",
		}
	}
	return verdict(summaries...)
}

// plannedLine is one record of a preview, a JSON line.
type plannedLine struct {
	Type string `json:"type"` // "planned"
	engine.Planned
}

// preview shows what an export would write. For people the lines that would change nothing are left out. It takes no
// lease and leaves no run, so it works beside a run of another process.
func (p *Program) preview(ctx context.Context, e *engine.Engine, kind string, o engine.ExportOptions, verbose bool) error {
	s, err := e.Export(ctx, kind, o)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, planned := range s.Planned {
		if p.json {
			if err := p.line(plannedLine{"planned", planned}); err != nil {
				return err
			}
		} else if verbose || planned.State != store.Unchanged {
			rows = append(rows, []string{planned.Label, string(planned.State), strings.Join(planned.Writes, ", "), planned.Detail})
		}
	}
	if len(rows) > 0 {
		p.table([]column{"RECORD", "WOULD BE", "WRITES", "WHY"}, rows)
	}
	line := lineOf(s)
	if err := p.tellSummary(line); err != nil {
		return err
	}
	for _, w := range line.Warnings {
		p.note("Warning: %s", text.Clean(w))
	}
	return verdict(line)
}
