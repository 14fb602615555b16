package store_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cartiger/store"
)

func TestSinceMovesOnlyWhenStateOrReasonChange(t *testing.T) {
	clock := newClock()
	s := open(t, file(t), store.WithClock(clock.now))
	start := clock.at
	for i, step := range []struct {
		state         store.State
		reason, since string
	}{
		{store.Held, "currency", "0s"},
		{store.Held, "currency", "0s"},
		{store.Held, "mandatory", "2m0s"},
		{store.Held, "mandatory", "2m0s"},
		{store.Created, "", "4m0s"},
		{store.Held, "mandatory", "5m0s"},
	} {
		o := store.Outcome{Entity: store.Order, ShopID: 812, State: step.state, Reason: step.reason, Detail: "because", Attempts: i + 1}
		check(t, s.Complete(t.Context(), store.Completion{Outcomes: []store.Outcome{o}}))
		got, found, err := s.Outcome(t.Context(), store.Order, 812)
		check(t, err)
		if !found || got.Since.Sub(start).String() != step.since || !got.At.Equal(clock.at) || got.Attempts != i+1 {
			t.Errorf("step %d: %+v, want since %s", i, got, step.since)
		}
		clock.at = clock.at.Add(time.Minute)
	}
}

func TestHeldAndFailedRecordsCanBeListed(t *testing.T) {
	s, ctx, at := open(t, file(t)), t.Context(), newClock().at
	put := []store.Outcome{
		{Entity: store.Customer, ShopID: 1, State: store.Created, Label: "Élodie <e@example.com>", CRM: "Contacts 4x12", Sent: "{}", Answer: "ok", Run: 1},
		{Entity: store.Customer, ShopID: 2, State: store.Unchanged, Label: "b@example.com", Run: 1},
		{Entity: store.Order, ShopID: 812, State: store.Held, Reason: "currency", Detail: "currency CHF is not linked", Label: "order 812", Run: 2},
		{Entity: store.Order, ShopID: 813, State: store.Failed, Reason: "lines", Detail: "100 % of _it_", Label: "order 813", Run: 2},
		{Entity: store.Order, ShopID: 814, State: store.Updated, Label: "order 814", Run: 2},
	}
	for i := range put {
		put[i].Since, put[i].At = at, at
	}
	check(t, s.Complete(ctx, store.Completion{Outcomes: put}))
	brief := put[0]
	brief.Sent, brief.Answer = "", ""
	for name, c := range map[string]struct {
		filter store.Filter
		want   []store.Outcome
	}{
		"all":              {store.Filter{}, put},
		"held and failed":  {store.Filter{States: []store.State{store.Held, store.Failed}}, put[2:4]},
		"of an entity":     {store.Filter{Entity: store.Customer}, put[:2]},
		"one":              {store.Filter{Entity: store.Order, ShopID: 812}, put[2:3]},
		"by reason":        {store.Filter{Reason: "currency"}, put[2:3]},
		"by run":           {store.Filter{Run: 2}, put[2:]},
		"text in label":    {store.Filter{Text: "éLODIE"}, put[:1]},
		"text in detail":   {store.Filter{Text: "chf"}, put[2:3]},
		"wildcards match":  {store.Filter{Text: "% of _"}, put[3:4]},
		"nothing but them": {store.Filter{Text: "_"}, put[3:4]},
		"second page":      {store.Filter{Limit: 2, Offset: 2}, put[2:4]},
		"from the third":   {store.Filter{Offset: 2}, put[2:]},
		"all at once":      {store.Filter{Entity: store.Order, States: []store.State{store.Failed}, Run: 2, Text: "813", Limit: 1}, put[3:4]},
		"none":             {store.Filter{Text: "no such text"}, nil},
		"in brief":         {store.Filter{ShopID: 1, Brief: true}, []store.Outcome{brief}},
	} {
		t.Run(name, func(t *testing.T) { same(t, must[[]store.Outcome](t)(s.Outcomes(ctx, c.filter)), c.want) })
	}
	same(t, must[map[store.Entity]store.Counts](t)(s.CountOutcomes(ctx)), map[store.Entity]store.Counts{
		store.Customer: {Created: 1, Unchanged: 1}, store.Order: {Held: 1, Failed: 1, Updated: 1},
	})
	same(t, must[map[int64]store.State](t)(s.RunStates(ctx, 2, store.Order)), map[int64]store.State{put[2].ShopID: put[2].State, put[3].ShopID: put[3].State, put[4].ShopID: put[4].State})
	same(t, must[map[store.Entity]store.Counts](t)(s.CountRun(ctx, 1)), map[store.Entity]store.Counts{store.Customer: {Created: 1, Unchanged: 1}})
}

func TestAHugeAnswerDoesNotFillTheDisk(t *testing.T) {
	s, ctx := open(t, file(t)), t.Context()
	page := strings.Repeat("<p>é</p>", 1<<17)
	ids := must[[][]int64](t)(s.Intend(ctx, [][]store.Intent{chain(store.Order, 1)}))
	check(t, s.Attempted(ctx, ids[0][0], page))
	run := must[store.Run](t)(s.StartRun(ctx, store.Run{Kind: "orders", Message: page}))
	check(t, s.Complete(ctx, store.Completion{
		Outcomes: []store.Outcome{{Entity: store.Order, ShopID: 1, State: store.Failed, Answer: page, Detail: page, Label: page}},
		Entries:  []store.Entry{{Message: page, Label: page}},
	}))
	o, _, err := s.Outcome(ctx, store.Order, 1)
	check(t, err)
	e := must[[]store.Entry](t)(s.Entries(ctx, store.Filter{}))[0]
	r, _, err := s.LastRun(ctx, run.Kind)
	check(t, err)
	in := must[[]store.Intent](t)(s.OpenIntents(ctx))[0]
	for name, text := range map[string]string{
		"answer": o.Answer, "detail": o.Detail, "label": o.Label, "message": e.Message, "entry's label": e.Label, "run's message": r.Message, "last error": in.LastError,
	} {
		if len(text) > 16<<10 || len(text) < 16<<10-8 || !utf8.ValidString(text) || !strings.HasSuffix(text, "…") {
			t.Errorf("the %s is kept with %d bytes", name, len(text))
		}
	}
}
