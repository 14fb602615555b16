package store_test

import (
	"context"
	"errors"
	"testing"

	"cartiger/problem"
	"cartiger/store"
)

// chain is an order's: its contact, then the order that refers to it.
func chain(entity store.Entity, id int64) []store.Intent {
	return []store.Intent{
		{
			Entity: entity, ShopID: id, Step: 1, Name: "contact", Body: []byte(`{"lastname":"Éléonore"}`), LinkEntity: store.Customer, LinkShopID: 17,
			LinkModule: "Contacts", LinkKey: "e@example.com", LookupField: "email", LookupValue: "e@example.com",
		},
		{Entity: entity, ShopID: id, Step: 2, Name: "order", Body: []byte(`{"contact_id":"@contact"}`), LookupField: "customerno", LookupValue: "PS-812"},
	}
}

func TestAnIntentIsOnDiskBeforeItsWriteIsSent(t *testing.T) {
	path, clock := file(t), newClock()
	s := open(t, path, store.WithClock(clock.now))
	page := [][]store.Intent{chain(store.Order, 812), {{Entity: store.Customer, ShopID: 3, Run: 9, Name: "lead"}}}
	ids := must[[][]int64](t)(s.Intend(t.Context(), page))
	if len(ids) != 2 || len(ids[0]) != 2 || len(ids[1]) != 1 {
		t.Fatalf("ids %v", ids)
	}
	// Another connection (another process) sees them as soon as Intend returns.
	got := must[[]store.Intent](t)(open(t, path).OpenIntents(t.Context()))
	want := append(chain(store.Order, 812), store.Intent{Entity: store.Customer, ShopID: 3, Run: 9, Name: "lead", Step: 1, Body: []byte{}})
	for i, id := range append(ids[0], ids[1]...) {
		want[i].ID, want[i].State, want[i].Created = id, store.Pending, clock.at
		want[i].Chain = got[0].Chain
	}
	want[2].Chain = got[2].Chain
	if got[2].Chain == got[0].Chain {
		t.Error("two chains look like one")
	}
	same(t, got, want)
}

func TestIntentsWaitForTheDiskAndCompletionsDoNot(t *testing.T) {
	s := open(t, file(t))
	ids := must[[][]int64](t)(s.Intend(t.Context(), [][]store.Intent{chain(store.Order, 1)}))
	if level := must[int](t)(s.Synchronous()); level != 2 {
		t.Errorf("synchronous is %d for an intent, want 2 (FULL): it must survive power loss", level)
	}
	check(t, s.Complete(t.Context(), store.Completion{Done: []store.DoneIntent{{ID: ids[0][0], CRMID: "4x1"}}}))
	if level := must[int](t)(s.Synchronous()); level != 1 {
		t.Errorf("synchronous is %d for a completion, want 1 (NORMAL)", level)
	}
	must[[][]int64](t)(s.Intend(t.Context(), [][]store.Intent{chain(store.Order, 2)}))
	if level := must[int](t)(s.Synchronous()); level != 2 {
		t.Errorf("synchronous is %d for the next intent, want 2 (FULL)", level)
	}
}

func TestOneShopRecordNeverHasTwoOpenChains(t *testing.T) {
	path := file(t)
	s, other := open(t, path), open(t, path)
	ids := must[[][]int64](t)(s.Intend(t.Context(), [][]store.Intent{chain(store.Order, 812)}))

	_, err := other.Intend(t.Context(), [][]store.Intent{chain(store.Order, 5), chain(store.Order, 812)})
	wantProblem(t, err, problem.Conflict, "chain", "order 812")
	_, err = s.Intend(t.Context(), [][]store.Intent{chain(store.Order, 7), chain(store.Order, 7)})
	wantProblem(t, err, problem.Conflict, "chain", "order 7")
	if in := must[[]store.Intent](t)(s.OpenIntents(t.Context())); len(in) != 2 {
		t.Errorf("a refused page left %d intents, want the 2 of order 812", len(in))
	}

	// The same number of another kind is another record; and a finished chain makes room for the next.
	must[[][]int64](t)(other.Intend(t.Context(), [][]store.Intent{chain(store.Customer, 812)}))
	check(t, s.Complete(t.Context(), store.Completion{Done: []store.DoneIntent{{ID: ids[0][0], CRMID: "4x1"}}, Dropped: ids[0][1:]}))
	next := must[[][]int64](t)(other.Intend(t.Context(), [][]store.Intent{chain(store.Order, 812)}))
	if next[0][0] <= ids[0][1] {
		t.Errorf("intent id %d is used again after %d: a late answer could end the wrong write", next[0][0], ids[0][1])
	}
	wantProblem(t, s.Complete(t.Context(), store.Completion{Done: []store.DoneIntent{{ID: ids[0][0], CRMID: "4x1"}}}), problem.NotFound, "intent")
}

func TestAnUnfinishedChainKeepsItsDoneSteps(t *testing.T) {
	s := open(t, file(t))
	ids := must[[][]int64](t)(s.Intend(t.Context(), [][]store.Intent{chain(store.Order, 812)}))
	done := store.Completion{Done: []store.DoneIntent{{ID: ids[0][0], CRMID: "4x77"}}}
	check(t, s.Complete(t.Context(), done))
	check(t, s.Complete(t.Context(), done)) // said twice is no harm
	wantProblem(t, s.Complete(t.Context(), store.Completion{Done: []store.DoneIntent{{ID: ids[0][0], CRMID: "4x78"}}}), problem.NotFound, "intent")
	check(t, s.Attempted(t.Context(), ids[0][1], "timed out"))
	check(t, s.Attempted(t.Context(), ids[0][1], "reset"))
	wantProblem(t, s.Attempted(t.Context(), ids[0][0], "late"), problem.NotFound, "intent")

	in := must[[]store.Intent](t)(s.OpenIntents(t.Context()))
	if len(in) != 2 || in[0].State != store.Done || in[0].CRMID != "4x77" {
		t.Errorf("the done step is %+v", in)
	}
	if in[1].State != store.Pending || in[1].Attempts != 2 || in[1].LastError != "reset" {
		t.Errorf("the open step is %+v", in[1])
	}
	check(t, s.Complete(t.Context(), store.Completion{Dropped: ids[0][1:]}))
	if in := must[[]store.Intent](t)(s.OpenIntents(t.Context())); len(in) != 0 {
		t.Errorf("a finished chain stays in the outbox: %+v", in)
	}
}

func TestAChainIsOfOneRecordAndInOrder(t *testing.T) {
	s := open(t, file(t))
	for name, bad := range map[string][]store.Intent{
		"no intent":   {},
		"two records": {{Entity: store.Order, ShopID: 1}, {Entity: store.Order, ShopID: 2}},
		"two runs":    {{Entity: store.Order, ShopID: 1, Run: 1}, {Entity: store.Order, ShopID: 1, Run: 2}},
		"backwards":   {{Entity: store.Order, ShopID: 1, Step: 2}, {Entity: store.Order, ShopID: 1, Step: 1}},
		"one step":    {{Entity: store.Order, ShopID: 1, Step: 2}, {Entity: store.Order, ShopID: 1, Step: 2}},
	} {
		if _, err := s.Intend(t.Context(), [][]store.Intent{bad}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestAKilledIntendLeavesNothingOrEverything(t *testing.T) {
	for point, want := range map[string]int{"intend.begin": 0, "intend.commit": 0, "intend.committed": 2} {
		path := file(t)
		killed(t, "intend", path, point)
		if in := must[[]store.Intent](t)(open(t, path).OpenIntents(t.Context())); len(in) != want {
			t.Errorf("killed at %s: %d intents, want %d", point, len(in), want)
		}
	}
}

func TestNoIntentAfterTheCallerHasGone(t *testing.T) {
	s := open(t, file(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Intend(ctx, [][]store.Intent{chain(store.Order, 1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's end", err)
	}
	if in := must[[]store.Intent](t)(s.OpenIntents(t.Context())); len(in) != 0 {
		t.Errorf("%d intents", len(in))
	}
}

func TestAWriteThatHasBegunIsFinished(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := open(t, file(t), store.WithFault(func(op string) error {
		if op == "intend.commit" {
			cancel()
		}
		return nil
	}))
	must[[][]int64](t)(s.Intend(ctx, [][]store.Intent{chain(store.Order, 1)}))
	if in := must[[]store.Intent](t)(s.OpenIntents(t.Context())); len(in) != 2 {
		t.Errorf("%d intents, want 2", len(in))
	}
}
