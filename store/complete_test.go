package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"cartiger/problem"
	"cartiger/store"
)

// completeOrder opens a chain, ends it and keeps everything that belongs to it.
func completeOrder(ctx context.Context, s *store.Store) error {
	ids, err := s.Intend(ctx, [][]store.Intent{chain(store.Order, 812)})
	if err != nil {
		return err
	}
	return s.Complete(ctx, orderDone(ids[0]))
}

func orderDone(ids []int64) store.Completion {
	return store.Completion{
		Done:     []store.DoneIntent{{ID: ids[0], CRMID: "4x77"}, {ID: ids[1], CRMID: "11x5"}},
		Links:    []store.Link{{Entity: store.Order, ShopID: 812, Module: "SalesOrder", CRMID: "11x5", Key: "PS-812"}},
		Outcomes: []store.Outcome{{Entity: store.Order, ShopID: 812, State: store.Created, Label: "order 812"}},
		Entries:  []store.Entry{{Level: "info", Entity: store.Order, ShopID: 812, Message: "created"}},
		Seen:     []store.Seen{{Feed: "orders", Key: "812"}},
		Cursor:   &store.CursorMove{Name: "orders", Value: "812"},
	}
}

// kept tells which parts of orderDone are on disk.
func kept(t testing.TB, s *store.Store) (parts []string) {
	t.Helper()
	ctx := t.Context()
	if in := must[[]store.Intent](t)(s.OpenIntents(ctx)); len(in) == 0 {
		parts = append(parts, "intents")
	}
	if links := must[[]store.Link](t)(s.AllLinks(ctx, store.Order)); len(links) == 1 {
		parts = append(parts, "link")
	}
	if found := must[[]store.Outcome](t)(s.Outcomes(ctx, store.Filter{})); len(found) == 1 {
		parts = append(parts, "outcome")
	}
	if found := must[[]store.Entry](t)(s.Entries(ctx, store.Filter{})); len(found) == 1 {
		parts = append(parts, "entry")
	}
	if must[map[string]bool](t)(s.Known(ctx, "orders", []string{"812"}))["812"] {
		parts = append(parts, "seen")
	}
	if must[string](t)(s.Cursor(ctx, "orders")) == "812" {
		parts = append(parts, "cursor")
	}
	return parts
}

var everything = []string{"intents", "link", "outcome", "entry", "seen", "cursor"}

func TestTheLinkAndTheEndOfItsIntentAreOneTransaction(t *testing.T) {
	for point, want := range map[string][]string{"complete.begin": nil, "complete.commit": nil, "complete.committed": everything} {
		t.Run("killed at "+point, func(t *testing.T) {
			path := file(t)
			killed(t, "complete", path, point)
			same(t, kept(t, open(t, path)), want)
		})
		t.Run("error at "+point, func(t *testing.T) {
			broken := errors.New("broken")
			s := open(t, file(t), store.WithFault(func(op string) error {
				if op == point {
					return broken
				}
				return nil
			}))
			if err := completeOrder(t.Context(), s); !errors.Is(err, broken) {
				t.Errorf("got %v, want the error", err)
			}
			same(t, kept(t, s), want)
		})
	}
}

func TestACompletionIsWholeOrNothing(t *testing.T) {
	s := open(t, file(t))
	ids := must[[][]int64](t)(s.Intend(t.Context(), [][]store.Intent{chain(store.Order, 812)}))
	for name, spoil := range map[string]func(*store.Completion){
		"unknown intent": func(c *store.Completion) { c.Dropped = []int64{4711} },
		"unknown state":  func(c *store.Completion) { c.Outcomes[0].State = "splendid" },
		"bad cursor":     func(c *store.Completion) { c.Cursor = &store.CursorMove{Run: 1, Value: "next week"} },
	} {
		c := orderDone(ids[0])
		spoil(&c)
		if err := s.Complete(t.Context(), c); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if parts := kept(t, s); parts != nil {
			t.Errorf("%s: %v is kept", name, parts)
		}
	}
	check(t, s.Complete(t.Context(), orderDone(ids[0])))
	same(t, kept(t, s), everything)
}

// gathered holds the first shared transaction back until n more Completes wait behind it.
type gathered struct {
	entered, open chan struct{}
	once          sync.Once
	transactions  atomic.Int64
}

func newGathered() *gathered {
	return &gathered{entered: make(chan struct{}), open: make(chan struct{})}
}

func (g *gathered) fault(op string) error {
	if op != "complete.begin" {
		return nil
	}
	g.transactions.Add(1)
	g.once.Do(func() {
		close(g.entered)
		<-g.open
	})
	return nil
}

// behind starts one Complete, then the others behind it, lets them go together and gives their errors in order.
func (g *gathered) behind(t testing.TB, s *store.Store, first store.Completion, others ...store.Completion) []error {
	t.Helper()
	errs := make([]error, 1+len(others))
	var done sync.WaitGroup
	done.Go(func() { errs[0] = s.Complete(t.Context(), first) })
	<-g.entered
	for i, c := range others {
		done.Go(func() { errs[i+1] = s.Complete(t.Context(), c) })
		for s.Waiting() <= i { // keeps the order of the queue certain
			runtime.Gosched()
		}
	}
	close(g.open)
	done.Wait()
	return errs
}

func outcome(id int64) store.Completion {
	return store.Completion{Outcomes: []store.Outcome{{Entity: store.Product, ShopID: id, State: store.Created}}}
}

func TestWorkersShareATransaction(t *testing.T) {
	g := newGathered()
	s := open(t, file(t), store.WithFault(g.fault))
	var others []store.Completion
	for id := range int64(30) {
		others = append(others, outcome(id+2))
	}
	for _, err := range g.behind(t, s, outcome(1), others...) {
		check(t, err)
	}
	if n := g.transactions.Load(); n != 2 {
		t.Errorf("31 completions took %d transactions, want 2", n)
	}
	if c := must[map[store.Entity]store.Counts](t)(s.CountOutcomes(t.Context()))[store.Product]; c.Created != 31 {
		t.Errorf("%d outcomes, want 31", c.Created)
	}
}

func TestOneBadCompletionDoesNotHarmItsNeighbours(t *testing.T) {
	g := newGathered()
	s := open(t, file(t), store.WithFault(g.fault))
	errs := g.behind(t, s, outcome(1), outcome(2), store.Completion{Dropped: []int64{4711}, Outcomes: outcome(9).Outcomes}, outcome(3))
	for i, err := range errs {
		if i == 2 {
			wantProblem(t, err, problem.NotFound, "intent", "4711")
		} else {
			check(t, err)
		}
	}
	if c := must[map[store.Entity]store.Counts](t)(s.CountOutcomes(t.Context()))[store.Product]; c.Created != 3 {
		t.Errorf("%d outcomes, want 3", c.Created)
	}
}

func TestAFullDiskReachesEveryCallerOfTheTransaction(t *testing.T) {
	g := newGathered()
	s := open(t, file(t), store.WithFault(g.fault))
	check(t, s.Exec("PRAGMA max_page_count = 1")) // clipped to the present size: the file cannot grow
	big := outcome(2)
	big.Outcomes[0].Sent = strings.Repeat("x", 1<<20)
	errs := g.behind(t, s, outcome(1), big, outcome(3), outcome(4))
	check(t, errs[0])
	for _, err := range errs[1:] {
		wantProblem(t, err, problem.Unavailable, "disk-full")
	}
	if n := g.transactions.Load(); n != 2 {
		t.Errorf("a full disk was tried %d times, want once for the group", n-1)
	}
	if c := must[map[store.Entity]store.Counts](t)(s.CountOutcomes(t.Context()))[store.Product]; c.Created != 1 {
		t.Errorf("%d outcomes, want the one whose caller heard so", c.Created)
	}
}

func TestEightWorkersLoseNothing(t *testing.T) {
	path := file(t)
	s := open(t, path)
	run := must[store.Run](t)(s.StartRun(t.Context(), store.Run{Kind: "products"}))
	const workers, each = 8, 40
	var done sync.WaitGroup
	for w := range int64(workers) {
		done.Go(func() {
			for i := range int64(each) {
				id := w*each + i + 1
				ids, err := s.Intend(t.Context(), [][]store.Intent{{{Entity: store.Product, ShopID: id, Run: run.ID, Name: "product"}}})
				if err != nil {
					t.Error(err)
					return
				}
				crm := fmt.Sprint("6x", id)
				if err := s.Complete(t.Context(), store.Completion{
					Done:     []store.DoneIntent{{ID: ids[0][0], CRMID: crm}},
					Links:    []store.Link{{Entity: store.Product, ShopID: id, Module: "Products", CRMID: crm, Key: fmt.Sprint("#presta_", id)}},
					Outcomes: []store.Outcome{{Entity: store.Product, ShopID: id, Run: run.ID, State: store.Created}},
					Cursor:   &store.CursorMove{Run: run.ID, Value: fmt.Sprint(id)},
				}); err != nil {
					t.Error(err)
				}
				if _, _, err := s.Link(t.Context(), store.Product, id, "Products"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	check(t, s.Close())
	s = open(t, path)
	if in := must[[]store.Intent](t)(s.OpenIntents(t.Context())); len(in) != 0 {
		t.Errorf("%d intents are open", len(in))
	}
	if n := must[map[store.Entity]map[string]int64](t)(s.CountLinks(t.Context()))[store.Product]["Products"]; n != workers*each {
		t.Errorf("%d links, want %d", n, workers*each)
	}
	if c := must[map[store.Entity]store.Counts](t)(s.CountRun(t.Context(), run.ID))[store.Product]; c.Sum() != workers*each {
		t.Errorf("%d outcomes, want %d", c.Sum(), workers*each)
	}
	last, _, err := s.LastRun(t.Context(), "products")
	check(t, err)
	if last.Cursor != workers*each {
		t.Errorf("the run's cursor is %d, want %d: it never goes back", last.Cursor, workers*each)
	}
}

func TestCloseWaitsForWhatWasTakenUp(t *testing.T) {
	g, path := newGathered(), file(t)
	s := must[*store.Store](t)(store.Open(t.Context(), path, store.WithFault(g.fault)))
	errs := make([]error, 20)
	var done sync.WaitGroup
	for i := range errs {
		done.Go(func() { errs[i] = s.Complete(t.Context(), outcome(int64(i+1))) })
		if i == 0 {
			<-g.entered // it is being committed; the others queue up behind it
		}
	}
	for s.Waiting() < len(errs)-1 {
		runtime.Gosched()
	}
	var closing error
	done.Go(func() { closing = s.Close() })
	close(g.open)
	done.Wait()
	for _, err := range append(errs, closing) {
		check(t, err)
	}
	if c := must[map[store.Entity]store.Counts](t)(open(t, path).CountOutcomes(t.Context()))[store.Product]; c.Created != 20 {
		t.Errorf("%d outcomes are on disk, want 20", c.Created)
	}
}

func TestWhatTheCRMDidIsKeptAlthoughTheCallerGoes(t *testing.T) {
	g := newGathered()
	s := open(t, file(t), store.WithFault(g.fault))
	ctx, cancel := context.WithCancel(t.Context())
	var err error
	var done sync.WaitGroup
	done.Go(func() { err = s.Complete(ctx, outcome(1)) })
	<-g.entered
	cancel()
	close(g.open)
	done.Wait()
	check(t, err)
	if _, found, err := s.Outcome(t.Context(), store.Product, 1); err != nil || !found {
		t.Errorf("the outcome is lost: %v", err)
	}
}

func TestACursorOfARunNeverGoesBack(t *testing.T) {
	s := open(t, file(t))
	run := must[store.Run](t)(s.StartRun(t.Context(), store.Run{Kind: "customers"}))
	for _, value := range []string{"250", "100"} {
		check(t, s.Complete(t.Context(), store.Completion{Cursor: &store.CursorMove{Run: run.ID, Value: value}}))
	}
	run.Cursor = 50
	check(t, s.SaveRun(t.Context(), run))
	if last, _, err := s.LastRun(t.Context(), "customers"); err != nil || last.Cursor != 250 {
		t.Errorf("cursor %d, %v, want 250", last.Cursor, err)
	}
}

// The outbox against a model: whatever is intended and ended in whatever order, a chain is listed exactly while one of
// its intents is open, and a shop record has at most one.
func TestTheOutboxHoldsExactlyTheUnfinishedChains(t *testing.T) {
	s, ctx := open(t, file(t)), t.Context()
	rapid.Check(t, func(rt *rapid.T) {
		type step struct {
			id   int64
			open bool
		}
		model := map[int64][]step{} // by shop id
		defer func() {
			var rest store.Completion // an empty outbox for the next history
			for _, in := range must[[]store.Intent](rt)(s.OpenIntents(ctx)) {
				if in.State == store.Pending {
					rest.Dropped = append(rest.Dropped, in.ID)
				}
			}
			check(rt, s.Complete(ctx, rest))
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"intend": func(rt *rapid.T) {
				id := rapid.Int64Range(1, 4).Draw(rt, "shop id")
				c := make([]store.Intent, rapid.IntRange(1, 3).Draw(rt, "steps"))
				for i := range c {
					c[i] = store.Intent{Entity: store.Order, ShopID: id}
				}
				ids, err := s.Intend(ctx, [][]store.Intent{c})
				if _, busy := model[id]; busy {
					if problem.KindOf(err) != problem.Conflict {
						rt.Fatalf("second chain of %d: %v", id, err)
					}
					return
				}
				check(rt, err)
				for _, in := range ids[0] {
					model[id] = append(model[id], step{in, true})
				}
			},
			"end": func(rt *rapid.T) {
				id := rapid.Int64Range(1, 4).Draw(rt, "shop id")
				var c store.Completion
				open := 0
				for i, st := range model[id] {
					if st.open && rapid.Bool().Draw(rt, "end it") {
						if rapid.Bool().Draw(rt, "done") {
							c.Done = append(c.Done, store.DoneIntent{ID: st.id, CRMID: fmt.Sprint("11x", st.id)})
						} else {
							c.Dropped = append(c.Dropped, st.id)
						}
						model[id][i].open = false
					}
					if model[id][i].open {
						open++
					}
				}
				check(rt, s.Complete(ctx, c))
				if open == 0 {
					delete(model, id)
				}
			},
			"": func(rt *rapid.T) {
				got := map[int64][]step{}
				for _, in := range must[[]store.Intent](rt)(s.OpenIntents(ctx)) {
					got[in.ShopID] = append(got[in.ShopID], step{in.ID, in.State == store.Pending})
				}
				if fmt.Sprint(got) != fmt.Sprint(model) {
					rt.Fatalf("outbox %v, want %v", got, model)
				}
			},
		})
	})
}
