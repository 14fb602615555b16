package engine_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cartiger/engine"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws/vtigerwstest"
)

// unprintable is a shop that dies wherever it has to print one row.
type unprintable struct {
	http.Handler
	row atomic.Pointer[string] // as it begins, "<address>\n\t<id><![CDATA[7]]>"; nil = prints everything
}

func (u *unprintable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	printed := httptest.NewRecorder()
	u.Handler.ServeHTTP(printed, r)
	if row := u.row.Load(); row != nil && strings.Contains(printed.Body.String(), *row) {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	for name, values := range printed.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(printed.Code)
	_, _ = w.Write(printed.Body.Bytes())
}

// What an order needs and the shop cannot print is neither deleted nor left out: the order waits, others go, and it goes
// whole once the shop prints it again.
func TestAnOrderWaitsForWhatTheShopCannotPrint(t *testing.T) {
	for _, kind := range []string{"order_detail", "address", "customer"} {
		t.Run(kind, func(t *testing.T) {
			clocked(t, today, func(t *testing.T) {
				w := newTown(t, psapitest.Options{}, vtigerwstest.Options{Version: "5.2.1"})
				shop := &unprintable{Handler: w.shop}
				w.toShop.server = shop
				w.pass(t)
				made := w.act(t, psapitest.Action{
					Do: "order", Guest: true, Email: "una@example.test", FirstName: "Una", LastName: "Printable", State: 1,
					Address: &psapitest.Address{Address1: "1 Odd Street", City: "Paris"},
					Lines:   []psapitest.Line{{Product: number(w.shop.Records("products")[0]["id"])}, {Product: number(w.shop.Records("products")[1]["id"])}},
				})
				w.act(t, w.usual(1))
				row := fmt.Sprintf("<%s>\n\t<id><![CDATA[%d]]>", kind, map[string]int64{"order_detail": made.Lines[1], "address": made.Address, "customer": made.Customer}[kind])
				shop.row.Store(&row)
				w.pass(t)
				var held store.Outcome
				list, err := w.Records(t.Context(), store.Filter{})
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range list {
					if o.Entity == store.Order {
						held = o
					}
				}
				if held.ShopID != made.Order || held.State != store.Held || held.Reason != "unreadable" || !strings.Contains(held.Detail, kind) {
					t.Errorf("held: %+v", list)
				}
				if n := len(w.crm.Records("SalesOrder")); n != 1 {
					t.Errorf("%d orders, want the other one alone", n)
				}
				shop.row.Store(nil)
				if _, err := w.Retry(t.Context(), store.Filter{}); err != nil {
					t.Fatal(err)
				}
				w.nothingHeld(t)
				for _, r := range w.crm.Records("SalesOrder") {
					if r["customerno"] == engine.OrderKey(made.Order) && (r["bill_city"] != "Paris" || len(r["lines"].([]vtigerwstest.Record)) != 2 || r["contact_id"] == "") {
						t.Errorf("the order is not whole: %v", r)
					}
				}
				if n := len(w.crm.Records("SalesOrder")); n != 2 {
					t.Errorf("%d orders, want 2", n)
				}
			})
		})
	}
}

// An order that cannot be printed is told, and costs an idle watch nothing more.
func TestWhatTheShopCannotPrintIsToldOnce(t *testing.T) {
	clocked(t, today, func(t *testing.T) {
		w := newTown(t, psapitest.Options{}, vtigerwstest.Options{})
		shop := &unprintable{Handler: w.shop}
		w.toShop.server = shop
		w.follow(t, engine.WatchOptions{Interval: interval})
		time.Sleep(time.Second)
		made := w.act(t, w.usual(1))
		row := fmt.Sprintf("<order>\n\t<id><![CDATA[%d]]>", made.Order)
		shop.row.Store(&row)
		for n := range 8 {
			shopSpent, _ := w.spend(t, func() {})
			if n > 1 && shopSpent.Total > 8 {
				t.Errorf("pass %d: %v", n, shopSpent)
			}
		}
		entries, err := w.store.Entries(t.Context(), store.Filter{After: -1, Level: "warning"})
		if err != nil || len(entries) == 0 || len(entries) > 2 { // once without, once with its number
			t.Errorf("told %d times: %+v %v", len(entries), entries, err)
		}
		list, err := w.Records(t.Context(), store.Filter{})
		if err != nil || len(list) != 1 || list[0].ShopID != made.Order || list[0].Reason != "unreadable" {
			t.Errorf("%+v %v", list, err)
		}
	})
}
