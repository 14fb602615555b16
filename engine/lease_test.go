package engine_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws/vtigerwstest"
)

// A process that was asleep for longer than its lease wakes up in the middle of its writes: somebody else sends them by then.
func TestAProcessThatHasLostItsLeaseSendsNothingMore(t *testing.T) {
	clocked(t, today, func(t *testing.T) {
		w := newTown(t, psapitest.Options{}, vtigerwstest.Options{})
		var once sync.Once
		var lost, since atomic.Int64
		take := func() {
			later, err := store.Open(t.Context(), w.path, store.WithClock(func() time.Time { return time.Now().Add(time.Minute) }))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = later.Close() }()
			if err := later.Acquire(t.Context(), "successor", time.Minute); err != nil {
				t.Error(err)
			}
			lost.Store(1)
		}
		w.toCRM.watch(func(r *http.Request, answered bool) {
			if r.Method == http.MethodPost && !answered {
				if since.Add(lost.Load()); w.crm.Stats().Requests["create"] == 3 {
					once.Do(take)
				}
			}
		})
		_, err := w.Export(t.Context(), "products", engine.ExportOptions{})
		if p, ok := problem.Of(err); !ok || p.Kind != problem.Conflict || p.Code != "lease" {
			t.Errorf("the export ended with %v", err)
		}
		if n := since.Load(); lost.Load() == 0 || n > 2 { // of the other worker, who may log in first
			t.Errorf("%d requests were sent after the lease was lost", n)
		}
		failed, err := w.Records(t.Context(), store.Filter{})
		if err != nil || len(failed) > 0 {
			t.Errorf("%+v %v", failed, err)
		}
	})
}

func TestOneProcessRunsOneThingAtATime(t *testing.T) {
	clocked(t, today, func(t *testing.T) {
		w := newTown(t, psapitest.Options{Data: tinyShop()}, vtigerwstest.Options{})
		stop := w.follow(t, engine.WatchOptions{Interval: interval})
		time.Sleep(time.Second)
		_, err := w.Export(t.Context(), "products", engine.ExportOptions{})
		if p, ok := problem.Of(err); !ok || p.Kind != problem.Conflict || p.Code != "lease" {
			t.Errorf("an export beside watch in one process: %v", err)
		}
		time.Sleep(interval)
		stop()
		w.export(t, "products", engine.ExportOptions{})
	})
}
