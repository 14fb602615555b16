package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cartiger/problem"
	"cartiger/store"
)

// Records lists what became of the shop's records: by default the held and failed ones.
func (e *Engine) Records(ctx context.Context, f store.Filter) ([]store.Outcome, error) {
	if len(f.States) == 0 {
		f.States = []store.State{store.Held, store.Failed}
	}
	return e.store.Outcomes(ctx, f)
}

// Record tells everything known of one shop record: its outcome, its links, what is still open.
func (e *Engine) Record(ctx context.Context, entity store.Entity, shopID int64) (RecordView, error) {
	var view RecordView
	outcome, found, err := e.store.Outcome(ctx, entity, shopID)
	if err != nil {
		return view, err
	}
	view.Outcome = outcome
	if view.Links, err = e.store.Links(ctx, entity, shopID); err != nil {
		return view, err
	}
	open, err := e.store.OpenIntents(ctx)
	if err != nil {
		return view, err
	}
	for _, in := range open {
		if in.Entity == entity && in.ShopID == shopID {
			view.Open = append(view.Open, in)
		}
	}
	if !found && len(view.Links) == 0 && len(view.Open) == 0 {
		return view, &problem.Error{Kind: problem.NotFound, Where: "records", Message: fmt.Sprintf("nothing is known of %s %d", entity, shopID), Cure: "`cartiger records list` shows the held and failed ones."}
	}
	if outcome.State == store.Held || outcome.State == store.Failed {
		view.WouldDo = e.would(ctx, outcome)
	}
	return view, nil
}

// patienceForView bounds how long a person waits for what a record would do now.
const patienceForView = 20 * time.Second

// would plans a record as a retry would, with what it brings along. It asks both servers and writes nothing; where they
// cannot tell, it is the zero Planned.
func (e *Engine) would(ctx context.Context, o store.Outcome) Planned {
	ctx, done := context.WithTimeout(ctx, patienceForView)
	defer done()
	settings, err := e.Settings(ctx)
	if err != nil || len(settings.Missing()) > 0 {
		return Planned{}
	}
	w, err := e.reading(ctx, settings, store.Run{})
	if err != nil {
		return Planned{}
	}
	var all []Planned
	w.carry = listing(&all)
	if w.describeAll(ctx) != nil || w.carryAgain(ctx, []store.Outcome{o}) != nil {
		return Planned{}
	}
	i := slices.IndexFunc(all, func(p Planned) bool { return p.Entity == o.Entity && p.ShopID == o.ShopID })
	if i < 0 {
		return Planned{}
	}
	plan := all[i]
	plan.Writes = nil
	for _, p := range all {
		plan.Writes = append(plan.Writes, p.Writes...)
	}
	return plan
}
