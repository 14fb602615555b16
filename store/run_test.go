package store_test

import (
	"testing"
	"time"

	"cartiger/problem"
	"cartiger/store"
)

func TestARunIsSeenByEveryProcess(t *testing.T) {
	path, clock := file(t), newClock()
	s, other := open(t, path, store.WithClock(clock.now)), open(t, path)
	r := must[store.Run](t)(s.StartRun(t.Context(), store.Run{Kind: "products", Who: "alice", Options: "{}"}))
	if r.ID == 0 || r.State != store.Running || !r.Started.Equal(clock.at) || !r.Beat.Equal(clock.at) {
		t.Errorf("the new run is %+v", r)
	}
	r.Total, r.Counts, r.Cursor, r.Message, r.Workers, r.ShopRequests, r.CRMRequests = 500, store.Counts{Created: 3, Updated: 1, Unchanged: 4, Held: 1, Failed: 5}, 14, "slow", 2, 7, 8
	r.Beat = clock.at.Add(time.Second)
	check(t, s.SaveRun(t.Context(), r))
	got, found, err := other.OpenRun(t.Context(), "products")
	check(t, err)
	if !found {
		t.Fatal("the run is not found")
	}
	same(t, got, r)

	r.State, r.Ended, r.Closed = store.Finished, clock.at.Add(time.Hour), true
	check(t, s.SaveRun(t.Context(), r))
	if _, found, err := other.OpenRun(t.Context(), "products"); found || err != nil {
		t.Errorf("a finished run is still open, %v", err)
	}
	got, _, err = other.LastRun(t.Context(), "products")
	check(t, err)
	same(t, got, r)
	if _, found, err := other.LastRun(t.Context(), "customers"); found || err != nil {
		t.Errorf("found a run of another kind, %v", err)
	}
	r.ID = 4711
	wantProblem(t, s.SaveRun(t.Context(), r), problem.NotFound, "run", "4711")
}

func TestAnUnfinishedRunGoesOnUnderItsId(t *testing.T) {
	for _, state := range []store.RunState{store.Paused, store.Stopped, store.Interrupted, store.Broken} {
		s := open(t, file(t))
		r := must[store.Run](t)(s.StartRun(t.Context(), store.Run{Kind: "customers", Total: 9}))
		r.State, r.Cursor = state, 5
		check(t, s.SaveRun(t.Context(), r))
		left, found, err := s.OpenRun(t.Context(), "customers")
		if err != nil || !found {
			t.Fatalf("a run that is %s is not found: %v", state, err)
		}
		left.State, left.Who = store.Running, "bob"
		resumed := must[store.Run](t)(s.StartRun(t.Context(), left))
		if resumed.ID != r.ID || resumed.Cursor != 5 || resumed.Total != 9 || !resumed.Started.Equal(left.Started) {
			t.Errorf("resumed as %+v", resumed)
		}
		if runs := must[[]store.Run](t)(s.Runs(t.Context(), 0)); len(runs) != 1 || runs[0].State != store.Running || runs[0].Who != "bob" {
			t.Errorf("runs %+v", runs)
		}
	}
}

func TestRunsAreListedNewestFirst(t *testing.T) {
	s := open(t, file(t))
	for _, kind := range []string{"products", "customers", "watch"} {
		must[store.Run](t)(s.StartRun(t.Context(), store.Run{Kind: kind}))
	}
	done := must[store.Run](t)(s.StartRun(t.Context(), store.Run{Kind: "customers", Closed: true}))
	if !must[bool](t)(s.ClosedRun(t.Context(), "customers")) || must[bool](t)(s.ClosedRun(t.Context(), "products")) {
		t.Error("the customers alone are closed")
	}
	done.Kind, done.Closed = "watch", false
	check(t, s.SaveRun(t.Context(), done))
	runs := must[[]store.Run](t)(s.Runs(t.Context(), 3))[1:]
	if len(runs) != 2 || runs[0].Kind != "watch" || runs[1].Kind != "customers" {
		t.Errorf("%+v", runs)
	}
}

func TestCursorsAreKeptByName(t *testing.T) {
	path := file(t)
	s := open(t, path)
	if got := must[string](t)(s.Cursor(t.Context(), "orders")); got != "" {
		t.Errorf("a cursor that was never set is %q", got)
	}
	check(t, s.SetCursor(t.Context(), "orders", "2026-03-29 01:59:59/812"))
	check(t, s.SetCursor(t.Context(), "carts", "7"))
	check(t, s.SetCursor(t.Context(), "carts", "8"))
	other := open(t, path)
	if a, b := must[string](t)(other.Cursor(t.Context(), "orders")), must[string](t)(other.Cursor(t.Context(), "carts")); a != "2026-03-29 01:59:59/812" || b != "8" {
		t.Errorf("cursors %q, %q", a, b)
	}
}

func TestAFeedKnowsWhatItHasCarried(t *testing.T) {
	s, ctx, clock := open(t, file(t)), t.Context(), newClock()
	check(t, s.Remember(ctx, "orders", []string{"1", "2"}, clock.at))
	check(t, s.Remember(ctx, "carts", []string{"3"}, clock.at))
	check(t, s.Remember(ctx, "orders", []string{"2"}, clock.at.Add(time.Hour)))
	same(t, must[map[string]bool](t)(s.Known(ctx, "orders", []string{"1", "2", "3"})), map[string]bool{"1": true, "2": true})
	check(t, s.ForgetSeen(ctx, clock.at.Add(time.Minute)))
	same(t, must[map[string]bool](t)(s.Known(ctx, "orders", []string{"1", "2"})), map[string]bool{"2": true})
}
