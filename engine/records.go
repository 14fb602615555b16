package engine

import (
	"context"
	"fmt"
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
	return view, nil
}

// patienceForView bounds how long a person waits for what a record would do now.
const patienceForView = 20 * time.Second

// Would plans a record as a retry would, with what it brings along, whose writes name what they are for. It asks both
// servers and writes nothing.
func (e *Engine) Would(ctx context.Context, entity store.Entity, shopID int64) (Planned, error) {
	ctx, done := context.WithTimeout(ctx, patienceForView)
	defer done()
	settings, err := e.Settings(ctx)
	if err != nil {
		return Planned{}, err
	}
	if missing := settings.Missing(); len(missing) > 0 {
		return Planned{}, missingSettings(missing)
	}
	w, err := e.reading(ctx, settings, store.Run{})
	if err != nil {
		return Planned{}, err
	}
	var all []Planned
	w.carry = listing(&all)
	if err := w.describeAll(ctx); err != nil {
		return Planned{}, err
	}
	if err := w.carryAgain(ctx, []store.Outcome{{Entity: entity, ShopID: shopID}}); err != nil {
		return Planned{}, err
	}
	would := Planned{Entity: entity, ShopID: shopID, State: store.Unchanged, Detail: "nothing is left to do"}
	var before []string
	for _, p := range all {
		if p.Entity == entity && p.ShopID == shopID {
			would = p
			continue
		}
		for _, write := range p.Writes {
			before = append(before, write+" for "+p.Label)
		}
	}
	would.Writes = append(before, would.Writes...)
	return would, nil
}
