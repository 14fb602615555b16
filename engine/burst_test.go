package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cartiger/engine"
	"cartiger/fault"
	"cartiger/psapi/psapitest"
	"cartiger/vtigerws/vtigerwstest"
)

// placed fails unless each order is in the CRM exactly once.
func (w *town) placed(t *testing.T, ids []int64) {
	t.Helper()
	onlyOnce(t, w.world, "SalesOrder", "customerno")
	there := map[string]bool{}
	for _, r := range w.crm.Records("SalesOrder") {
		there[fmt.Sprint(r["customerno"])] = true
	}
	missing := 0
	for _, id := range ids {
		if !there[engine.OrderKey(id)] {
			if missing++; missing < 10 {
				t.Errorf("order %d is not in the CRM", id)
			}
		}
	}
	if len(there) != len(ids) || missing > 0 {
		t.Errorf("%d of %d orders are missing; %d are in the CRM", missing, len(ids), len(there))
	}
}

// crowd places orders of one line each that all bear one date.
func (w *town) crowd(t *testing.T, n int, at string) []int64 {
	t.Helper()
	ids := make([]int64, n)
	order := w.usual(1)
	order.At, order.Lines = at, []psapitest.Line{{Product: number(w.shop.Records("products")[0]["id"])}}
	for i := range ids {
		ids[i] = w.act(t, order).Order
	}
	return ids
}

// stamp is a moment on the clock of the data's shop.
func stamp(at time.Time) string {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err)
	}
	return at.In(zone).Format("2006-01-02 15:04:05")
}

func TestTwoThousandFiveHundredOrdersOfOneSecondAllArriveOnce(t *testing.T) {
	clocked(t, today, func(t *testing.T) {
		w := newTown(t, psapitest.Options{}, vtigerwstest.Options{})
		if err := w.Save(t.Context(), map[string]string{engine.CreatePotential: "off"}); err != nil {
			t.Fatal(err)
		}
		w.follow(t, engine.WatchOptions{Interval: interval})
		time.Sleep(time.Second)
		ids := w.crowd(t, 2500, stamp(time.Now().Add(30*time.Second)))
		shop, crm := w.spend(t, func() {})
		time.Sleep(interval / 2) // it asks again where it doubts
		w.placed(t, ids)
		t.Logf("shop %v, CRM %v", shop, crm)
		for range 3 {
			shop, crm = w.spend(t, func() {})
		}
		if shop.Total > 8 || crm.Total > 0 {
			t.Errorf("later passes still cost: shop %v, CRM %v", shop, crm)
		}
	})
}

func TestABurstAlsoArrivesThroughItsDatesAlone(t *testing.T) {
	for _, n := range []int{249, 250, 251, 500, 750} { // around the rows of a page
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			clocked(t, today, func(t *testing.T) {
				w := newTown(t, psapitest.Options{}, vtigerwstest.Options{})
				w.follow(t, engine.WatchOptions{Interval: interval})
				time.Sleep(time.Second)
				w.shop.Faults().Add(fault.Rule{Kind: fault.SQLEmpty, Op: "order_histories"})
				w.shop.Faults().Add(fault.Rule{Kind: fault.SQLEmpty, Op: "stock_movements"})
				ids := w.crowd(t, n, stamp(time.Now().Add(30*time.Second)))
				w.spend(t, func() {})
				time.Sleep(interval / 2) // it asks again where it doubts
				w.placed(t, ids)
				w.spend(t, func() {})
				if shop, _ := w.spend(t, func() {}); shop.Total > 8 {
					t.Errorf("an idle pass after the burst costs %v", shop)
				}
			})
		})
	}
}

func TestOrdersThatChangeWhileThePagesAreReadAreNotSkipped(t *testing.T) {
	for _, version := range []string{"5.2.1", "5.4.0"} {
		t.Run(version, func(t *testing.T) {
			clocked(t, today, func(t *testing.T) {
				w := newTown(t, psapitest.Options{}, vtigerwstest.Options{Version: version})
				w.follow(t, engine.WatchOptions{Interval: interval})
				time.Sleep(time.Second)
				ids := w.crowd(t, 600, stamp(time.Now().Add(20*time.Second)))
				// Whenever a page of orders has been read, three orders change: one read already, one not yet, the last.
				pages := 0
				w.toShop.watch(func(r *http.Request, answered bool) {
					if !answered || !strings.HasPrefix(r.URL.Path, "/api/orders") || pages > 12 {
						return
					}
					for _, i := range []int{pages, 300 + 10*pages, len(ids) - 1} {
						w.act(t, psapitest.Action{Do: "state", Order: ids[i], State: 3})
					}
					pages++
				})
				w.spend(t, func() {})
				w.toShop.cut(nil)
				w.spend(t, func() {})
				w.placed(t, ids)
				status := map[string]string{}
				for _, r := range w.crm.Records("SalesOrder") {
					status[fmt.Sprint(r["customerno"])] = fmt.Sprint(r["sostatus"])
				}
				for i := range pages {
					for _, at := range []int{i, 300 + 10*i, len(ids) - 1} {
						if got := status[engine.OrderKey(ids[at])]; got != "Approved" {
							t.Errorf("order %d is %s", ids[at], got)
						}
					}
				}
				if pages < 3 {
					t.Errorf("only %d pages were read", pages)
				}
			})
		})
	}
}
