package engine

import (
	"context"
	"fmt"

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
	return view, nil
}
