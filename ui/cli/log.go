package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/store"
)

// logCommand reads the state file alone: what a watch without a terminal has said is there for everybody who may read
// it.
func (p *Program) logCommand() *cobra.Command {
	var f store.Filter
	var entity string
	var follow bool
	c := &cobra.Command{
		Use:     "log",
		Short:   "Print what has happened, the newest last",
		Example: "  cartiger log\n  cartiger log --level warning --limit 0\n  cartiger log --follow --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if entity != "" {
				if f.Entity, err = parseEntity(entity); err != nil {
					return err
				}
			}
			if f.Level != "" && !slices.Contains([]string{"info", "warning", "error"}, f.Level) {
				return misuse{&problem.Error{Kind: problem.Invalid, Where: "--level", Field: "level", Message: "no level is called " + f.Level, Cure: "Use info, warning or error."}}
			}
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error { return p.showLog(ctx, e, f, follow) })
		},
	}
	flags := c.Flags()
	flags.IntVar(&f.Limit, "limit", 100, "at most `N` lines; 0 = all")
	flags.StringVar(&entity, "entity", "", "only `ENTITY`: customer, product or order")
	flags.StringVar(&f.Level, "level", "", "this `LEVEL` and worse: info, warning, error")
	flags.StringVar(&f.Text, "text", "", "only with `TEXT` in it")
	flags.Int64Var(&f.Run, "run", 0, "only of this `RUN`")
	flags.BoolVarP(&follow, "follow", "f", false, "go on with what happens from now on")
	return c
}

// entryDocument is a line of `log --json`.
type entryDocument struct {
	At      time.Time    `json:"at"`
	Level   string       `json:"level"`
	Run     int64        `json:"run,omitempty"`
	Entity  store.Entity `json:"entity,omitempty"`
	ShopID  int64        `json:"shop_id,omitempty"`
	Label   string       `json:"label,omitempty"`
	State   store.State  `json:"state,omitempty"`
	Message string       `json:"message"`
}

func (p *Program) showLog(ctx context.Context, e *engine.Engine, f store.Filter, follow bool) error {
	entries, err := e.Store().Entries(ctx, f)
	if err != nil {
		return err
	}
	slices.Reverse(entries)
	// Following has no end and so is no document: it prints lines, as a run does.
	if p.json && !follow {
		lines := make([]entryDocument, len(entries))
		for i, entry := range entries {
			lines[i] = entryDocument{entry.At.UTC(), entry.Level, entry.Run, entry.Entity, entry.ShopID, entry.Label, entry.State, entry.Message}
		}
		return p.document(map[string]any{"entries": lines})
	}
	print := func(entries []store.Entry) error {
		for _, entry := range entries {
			if err := p.datedEntry(entry); err != nil {
				return err
			}
		}
		// A stdout that cannot be written ends it: else it would follow for nobody.
		return p.Out.err
	}
	if err := print(entries); err != nil || !follow {
		return err
	}
	// The filter may hide the newest entry: following goes on from it all the same.
	newest, err := e.Store().Entries(ctx, store.Filter{Limit: 1})
	if err != nil {
		return err
	}
	f.After, f.Limit = -1, pollEntries
	if len(newest) > 0 {
		f.After = newest[0].ID
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			// A signal is how following ends.
			return context.Cause(ctx)
		case <-tick.C:
		}
		entries, err := e.Store().Entries(ctx, f)
		if err != nil {
			return err
		}
		if err := print(entries); err != nil {
			return err
		}
		if len(entries) > 0 {
			f.After = entries[len(entries)-1].ID
		}
	}
}

// datedEntry is entry with the day: the log is older than today.
func (p *Program) datedEntry(e store.Entry) error {
	if p.json {
		return p.entryLine(e)
	}
	p.say("%s  %s", e.At.Local().Format(time.DateTime), entryWords(e))
	return nil
}
