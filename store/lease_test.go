package store_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cartiger/problem"
	"cartiger/store"
)

const ttl = 30 * time.Second

func TestOneProcessAtATimeMayWrite(t *testing.T) {
	path, clock := file(t), newClock()
	a, b := open(t, path, store.WithClock(clock.now)), open(t, path, store.WithClock(clock.now))
	if l, ok, err := b.Holder(t.Context()); ok || l.Who != "" || err != nil {
		t.Errorf("nobody holds the lease, got %+v %v %v", l, ok, err)
	}
	check(t, a.Acquire(t.Context(), "alice@shop (pid 1)", ttl))
	clock.at = clock.at.Add(7 * time.Second)
	wantProblem(t, b.Acquire(t.Context(), "bob@shop (pid 2)", ttl), problem.Conflict, "lease", "alice@shop (pid 1)", "7s ago", "30s")
	_, err := b.Beat(t.Context(), "bob@shop (pid 2)", 0)
	wantProblem(t, err, problem.Conflict, "lease", "alice")
	check(t, b.Release(t.Context(), "bob@shop (pid 2)")) // not his: nothing happens

	wantProblem(t, a.Acquire(t.Context(), "alice@shop (pid 1)", ttl), problem.Conflict, "lease", "alice") // a process does one thing at a time
	check(t, a.Holding(t.Context()))
	check(t, b.Holding(t.Context())) // who never took it is not asked
	run := must[store.Run](t)(a.StartRun(t.Context(), store.Run{Kind: "products"}))
	clock.at = clock.at.Add(time.Second)
	must[string](t)(a.Beat(t.Context(), "alice@shop (pid 1)", run.ID))
	l, ok, err := b.Holder(t.Context())
	check(t, err)
	if !ok {
		t.Error("the holder is alive")
	}
	same(t, l, store.Lease{Who: "alice@shop (pid 1)", Run: run.ID, Beat: clock.at})
	if r, _, err := b.LastRun(t.Context(), "products"); err != nil || !r.Beat.Equal(clock.at) {
		t.Errorf("the run's beat is %v, want the lease's, %v", r.Beat, err)
	}

	clock.at = clock.at.Add(31 * time.Second)
	check(t, b.Acquire(t.Context(), "bob@shop (pid 2)", ttl))
	wantProblem(t, a.Holding(t.Context()), problem.Conflict, "lease", "bob")
	check(t, b.Release(t.Context(), "bob@shop (pid 2)"))
	wantProblem(t, a.Holding(t.Context()), problem.Conflict, "lease")
}

func TestNobodyWinsARaceForTheLeaseTwice(t *testing.T) {
	path := file(t)
	var holders atomic.Int64
	var done sync.WaitGroup
	for _, who := range []string{"alice", "bob"} {
		s := open(t, path)
		done.Go(func() {
			for won := 0; won < 20; {
				err := s.Acquire(t.Context(), who, time.Hour)
				if p, _ := problem.Of(err); p != nil && p.Kind == problem.Conflict && p.Code == "lease" {
					continue
				}
				if err != nil || holders.Add(1) != 1 {
					t.Errorf("%s holds the lease beside another, or: %v", who, err)
					return
				}
				won++
				holders.Add(-1)
				if err := s.Release(t.Context(), who); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done.Wait()
}

func TestASilentHolderIsTakenOverAndMayNotGoOn(t *testing.T) {
	path, clock := file(t), newClock()
	a, b := open(t, path, store.WithClock(clock.now)), open(t, path, store.WithClock(clock.now))
	check(t, a.Acquire(t.Context(), "alice", ttl))
	run := must[store.Run](t)(a.StartRun(t.Context(), store.Run{Kind: "products"}))
	must[[][]int64](t)(a.Intend(t.Context(), [][]store.Intent{chain(store.Product, 1)}))

	clock.at = clock.at.Add(ttl)
	wantProblem(t, b.Acquire(t.Context(), "bob", time.Second), problem.Conflict, "lease", "alice") // its own ttl counts
	clock.at = clock.at.Add(time.Millisecond)
	if l, ok, err := b.Holder(t.Context()); ok || l.Who != "alice" || err != nil {
		t.Errorf("the dead holder is shown as %+v %v %v", l, ok, err)
	}
	check(t, b.Acquire(t.Context(), "bob", ttl))
	if r, _, err := b.LastRun(t.Context(), "products"); err != nil || r.State != store.Interrupted {
		t.Errorf("the former holder's run is %s, %v", r.State, err)
	}

	// The first was only asleep. It hears of it at its next beat and can start nothing beside its successor.
	_, err := a.Beat(t.Context(), "alice", run.ID)
	wantProblem(t, err, problem.Conflict, "lease", "bob")
	_, err = a.Intend(t.Context(), [][]store.Intent{chain(store.Product, 2)})
	wantProblem(t, err, problem.Conflict, "lease", "bob")
	wantProblem(t, a.SaveRun(t.Context(), run), problem.Conflict, "lease", "bob")
	check(t, a.Release(t.Context(), "alice"))
	if l, ok, err := b.Holder(t.Context()); !ok || l.Who != "bob" || err != nil {
		t.Errorf("the successor lost the lease: %+v %v %v", l, ok, err)
	}
	must[[][]int64](t)(b.Intend(t.Context(), [][]store.Intent{chain(store.Product, 2)}))
}

func TestAClockSetBackLocksNobodyOut(t *testing.T) {
	path, clock := file(t), newClock()
	a, b := open(t, path, store.WithClock(clock.now)), open(t, path, store.WithClock(clock.now))
	check(t, a.Acquire(t.Context(), "alice", ttl))
	clock.at = clock.at.Add(-time.Hour)
	check(t, b.Acquire(t.Context(), "bob", ttl))
}

func TestAKilledHolderIsTakenOverAtOnce(t *testing.T) {
	path := file(t)
	other := leaseHolder(t, path)
	s := open(t, path)
	wantProblem(t, s.Acquire(t.Context(), "second", time.Hour), problem.Conflict, "lease", "first")
	if _, ok, err := s.Holder(t.Context()); !ok || err != nil {
		t.Errorf("the holder is alive, %v", err)
	}
	if r, found, err := s.OpenRun(t.Context(), "products"); !found || r.State != store.Running || err != nil {
		t.Errorf("the other process's run is %+v, %v", r, err)
	}
	check(t, other.Process.Kill())
	if err := other.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatal(err)
	}
	if l, ok, err := s.Holder(t.Context()); ok || l.Who != "first" || err != nil {
		t.Errorf("the killed holder is shown as %+v %v %v", l, ok, err)
	}
	check(t, s.Acquire(t.Context(), "second", time.Hour)) // an hour's ttl, yet no wait: its process is gone
	if r, found, err := s.OpenRun(t.Context(), "products"); !found || r.State != store.Interrupted || err != nil {
		t.Errorf("its run is %+v, %v", r, err)
	}
}

func TestAnotherProcessAsksTheHolder(t *testing.T) {
	path := file(t)
	a, b := open(t, path), open(t, path)
	wantProblem(t, b.Ask(t.Context(), store.AskPause), problem.NotFound, "lease")
	check(t, a.Acquire(t.Context(), "alice", ttl))
	wantProblem(t, b.Ask(t.Context(), "explode"), problem.Invalid, "request", "explode")
	hears := func(want string) {
		t.Helper()
		if got := must[string](t)(a.Beat(t.Context(), "alice", 0)); got != want {
			t.Errorf("the holder hears %q, want %q", got, want)
		}
	}
	hears("")
	check(t, b.Ask(t.Context(), store.AskPause))
	if l, _, err := b.Holder(t.Context()); l.Request != store.AskPause || err != nil {
		t.Errorf("the request is not shown: %+v %v", l, err)
	}
	hears(store.AskPause)
	hears("") // each request once
	check(t, b.Ask(t.Context(), store.AskPause))
	check(t, b.Ask(t.Context(), store.AskStop))
	hears(store.AskStop) // the latest counts
	check(t, b.Ask(t.Context(), store.AskStop))
	check(t, a.Release(t.Context(), "alice"))
	check(t, a.Acquire(t.Context(), "alice", ttl))
	hears("") // what the last holder was asked is not the next one's business
}

func TestWhoNamesTheProcess(t *testing.T) {
	if who := store.Who(); !strings.Contains(who, "@") || !strings.Contains(who, "(pid ") {
		t.Error(who)
	}
}
