package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cartiger/engine"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws/vtigerwstest"
)

// pass makes one pass of watch.
func (w *world) pass(t *testing.T) {
	t.Helper()
	if err := w.Watch(t.Context(), engine.WatchOptions{Once: true}); err != nil {
		t.Fatalf("watch: %v", err)
	}
}

// act lets something happen in the shop.
func (w *world) act(t *testing.T, a psapitest.Action) psapitest.Acted {
	t.Helper()
	done, err := w.shop.Act(a)
	if err != nil {
		t.Fatalf("%s: %v", a.Do, err)
	}
	return done
}

func TestAnIdlePassAsksTheShopLittleAndTheCRMNothing(t *testing.T) {
	w := newWorld(t, psapitest.Options{}, vtigerwstest.Options{})
	w.pass(t)
	w.shop.ResetStats()
	w.crm.ResetStats()
	w.pass(t)
	if got := w.shop.Stats().Total; got > 8 {
		t.Errorf("%d shop requests: %v", got, w.shop.Stats())
	}
	if got := w.crm.Stats().Total; got != 0 {
		t.Errorf("%d CRM requests: %v", got, w.crm.Stats())
	}
}

func TestWhatHappensBetweenTheExportAndTheFirstPassIsCarried(t *testing.T) {
	w := newWorld(t, psapitest.Options{}, vtigerwstest.Options{})
	w.export(t, "customers", engine.ExportOptions{Limit: 5})
	someone := w.act(t, psapitest.Action{Do: "register", Email: "ada@example.test", FirstName: "Ada", LastName: "Byron"})
	w.act(t, psapitest.Action{Do: "order", Customer: someone.Customer})
	w.pass(t)
	orders := w.crm.Records("SalesOrder")
	if len(orders) != 1 || !strings.HasSuffix(fmt.Sprint(orders[0]["subject"]), "1301") {
		t.Errorf("orders after the first pass: %v", orders)
	}
	if got := len(w.crm.Records("Potentials")); got != 1 {
		t.Errorf("%d potentials: older orders must stay where they are", got)
	}
}

func TestChangesOfTheShopReachTheCRM(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{}, vtigerwstest.Options{Version: version})
			w.pass(t)
			someone := w.act(t, psapitest.Action{Do: "register", Email: "ada@example.test", FirstName: "Ada", LastName: "Byron"})
			w.pass(t)
			if leads := w.crm.Records("Leads"); len(leads) != 1 || leads[0]["email"] != "ada@example.test" {
				t.Fatalf("leads after a registration: %v", leads)
			}
			bought := w.act(t, psapitest.Action{Do: "order", Customer: someone.Customer, State: 1})
			w.pass(t)
			orders := w.crm.Records("SalesOrder")
			if len(orders) != 1 || len(w.crm.Records("Contacts")) != 1 || len(w.crm.Records("Invoice")) != 0 {
				t.Fatalf("after an order: %v", orders)
			}
			if orders[0]["sostatus"] != "Created" {
				t.Errorf("status %v", orders[0]["sostatus"])
			}
			w.act(t, psapitest.Action{Do: "state", Order: bought.Order, State: 2})
			w.pass(t)
			invoices := w.crm.Records("Invoice")
			entries, _ := w.store.Entries(t.Context(), store.Filter{Limit: 20})
			for _, e := range entries {
				t.Log(e.Level, e.Label, e.State, e.Message)
			}
			if len(invoices) != 1 || w.crm.Records("SalesOrder")[0]["sostatus"] != "Approved" {
				t.Fatalf("after the payment: %v %v", invoices, w.crm.Records("SalesOrder"))
			}
			w.act(t, psapitest.Action{Do: "state", Order: bought.Order, State: 4})
			w.pass(t)
			if got := w.crm.Records("SalesOrder")[0]; got["sostatus"] != "Delivered" || len(got["lines"].([]vtigerwstest.Record)) == 0 {
				t.Errorf("after the delivery: %v", got)
			}
			w.crm.ResetStats()
			w.pass(t)
			if got := w.crm.Stats().Total; got != 0 {
				t.Errorf("an idle pass asks the CRM %d times: %v", got, w.crm.Stats())
			}
		})
	}
}

// A person who looks at a run must not take an outage for a quiet shop.
func TestARunSaysThatAServerIsAwayAndNoLongerThanThat(t *testing.T) {
	clocked(t, today, func(t *testing.T) {
		w := newTown(t, psapitest.Options{}, vtigerwstest.Options{})
		stop := w.follow(t, engine.WatchOptions{Interval: 10 * time.Second})
		defer stop()
		message := func() string {
			run, _, err := w.store.LastRun(t.Context(), "watch")
			if err != nil {
				t.Fatal(err)
			}
			return run.Message
		}
		time.Sleep(30 * time.Second)
		if m := message(); m != "" {
			t.Errorf("all is well, and the run says %q", m)
		}
		w.toShop.goesAway(1, 5*time.Minute)
		time.Sleep(time.Minute)
		if m := message(); !strings.HasPrefix(m, "will try again: ") {
			t.Errorf("the shop is away, and the run says %q", m)
		}
		time.Sleep(10 * time.Minute)
		if m := message(); m != "" {
			t.Errorf("the shop is back, and the run says %q", m)
		}
	})
}
