package cli

import (
	"context"
	"fmt"
	"time"

	"cartiger/engine"
	"cartiger/store"
	"cartiger/ui/text"
)

// summaryLine is how a run ended for one entity, the last JSON lines of a run. Fields are only ever added.
type summaryLine struct {
	Type   string       `json:"type"` // "summary"
	Entity store.Entity `json:"entity"`
	// Total is the sum of the five outcomes once the run has finished: nothing is dropped (rules.md 9.2).
	Total     int64 `json:"total"`
	Created   int64 `json:"created"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Held      int64 `json:"held"`
	Failed    int64 `json:"failed"`
	// The requests of a run stand in one of its summaries only, so that they may be added up.
	ShopRequests int64    `json:"shop_requests"`
	CRMRequests  int64    `json:"crm_requests"`
	Seconds      float64  `json:"seconds"`
	State        string   `json:"state"`
	Run          int64    `json:"run,omitempty"` // a preview is no run
	Warnings     []string `json:"warnings,omitempty"`
	Totals       *totals  `json:"totals,omitempty"`
}

// totals says how many documents of the CRM were compared with the shop's total_paid, and how many differ by half a
// cent or more.
type totals struct {
	Compared  int      `json:"compared"`
	Different int      `json:"different"`
	Examples  []string `json:"examples,omitempty"`
}

func lineOf(s engine.Summary) summaryLine {
	return summaryLine{
		Type: "summary", Entity: s.Entity, Total: s.Total, Created: s.Created, Updated: s.Updated, Unchanged: s.Unchanged, Held: s.Held, Failed: s.Failed,
		ShopRequests: s.ShopRequests, CRMRequests: s.CRMRequests, Seconds: seconds(s.Took), State: s.State, Run: s.Run, Warnings: s.Warnings,
	}
}

// seconds with milliseconds are what people and programs read.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// tellSummary writes a summary in the form that was asked for. It is a result: it goes to stdout, behind the records.
func (p *Program) tellSummary(s summaryLine) error {
	if p.json {
		return p.line(s)
	}
	line := fmt.Sprintf("%s: %d total, %d created, %d updated, %d unchanged, %d held, %d failed",
		plural(s.Entity), s.Total, s.Created, s.Updated, s.Unchanged, s.Held, s.Failed)
	if s.ShopRequests+s.CRMRequests > 0 {
		line += fmt.Sprintf("; %d shop and %d CRM requests in %.1f s", s.ShopRequests, s.CRMRequests, s.Seconds)
	}
	// That it finished goes without saying.
	if s.State != string(store.Finished) {
		line += "; " + s.State
	}
	if s.Totals != nil {
		line += "; " + s.Totals.words()
	}
	p.say("%s", line)
	return nil
}

// plural names the records of an entity; "all" is several entities together.
func plural(e store.Entity) string {
	if e == "all" {
		return "all"
	}
	return string(e) + "s"
}

func (t totals) words() string {
	if t.Different == 0 {
		return fmt.Sprintf("all %d totals equal the shop's to the cent", t.Compared)
	}
	return fmt.Sprintf("%d of %d totals differ from the shop's", t.Different, t.Compared)
}

// explain tells people why records are held or failed, each reason once, and where to look.
func (p *Program) explain(ctx context.Context, e *engine.Engine, s summaryLine) error {
	if p.json {
		return nil
	}
	for _, w := range s.Warnings {
		p.note("Warning: %s", text.Clean(w))
	}
	if err := p.countWarnings(ctx, e, s); err != nil || s.Held+s.Failed == 0 {
		return err
	}
	// Also after Ctrl-C, and also what earlier runs left: it is the list of what a person still has to do.
	outcomes, err := e.Records(context.WithoutCancel(ctx), store.Filter{Entity: s.Entity})
	if err != nil {
		return err
	}
	type reason struct {
		state store.State
		text  string
	}
	count := map[reason]int{}
	var order []reason
	for _, o := range outcomes {
		r := reason{o.State, o.Detail}
		if count[r]++; count[r] == 1 {
			order = append(order, r)
		}
	}
	// Where every record has a reason of its own, the list must not push the summary off the screen.
	const shown = 10
	for i, r := range order {
		if i == shown {
			p.note("  and %d other reasons", len(order)-shown)
			break
		}
		p.note("  %d %s: %s", count[r], r.state, text.Clean(r.text))
	}
	p.note("  `cartiger records list --entity %s` names them.", s.Entity)
	return nil
}

// countWarnings says how much was said about the records of a run that are written all the same.
func (p *Program) countWarnings(ctx context.Context, e *engine.Engine, s summaryLine) error {
	entries, err := e.Store().Entries(context.WithoutCancel(ctx), store.Filter{Run: s.Run, Entity: s.Entity, Level: "warning"})
	n := 0
	for _, entry := range entries {
		// A line with a state is an outcome, which explain has counted by its reason.
		if entry.State == "" {
			n++
		}
	}
	if n > 0 {
		p.note("  Warnings: %d. `cartiger log --level warning --entity %s --run %d` tells them.", n, s.Entity, s.Run)
	}
	return err
}

// verdict is the exit code of runs that ended without an error. Held records are no failure of the run, but a timer that
// looks at nothing else must hear of them: 3, not 0 and not 1.
func verdict(summaries ...summaryLine) error {
	for _, s := range summaries {
		if s.Held+s.Failed > 0 {
			return ended(exitTroubled)
		}
	}
	return nil
}
