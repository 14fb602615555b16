package engine_test

import (
	"strings"
	"testing"
	"time"

	"cartiger/engine"
	"cartiger/psapi/psapitest"
	"cartiger/vtigerws/vtigerwstest"
)

// order gives the number of the only SalesOrder whose subject ends so.
func (w *world) ordered(t *testing.T, key string) vtigerwstest.Record {
	t.Helper()
	for _, r := range w.crm.Records("SalesOrder") {
		if r["customerno"] == key {
			return r
		}
	}
	t.Fatalf("no order %s in the CRM", key)
	return nil
}

func TestAnAccountThatIsDeletedWhileWatchRunsIsNotUsedAgain(t *testing.T) {
	for _, create := range []string{"on", "off"} {
		t.Run("create account "+create, func(t *testing.T) {
			clocked(t, today, func(t *testing.T) {
				w := newTown(t, psapitest.Options{}, vtigerwstest.Options{})
				if err := w.Save(t.Context(), map[string]string{engine.CreateAccount: create}); err != nil {
					t.Fatal(err)
				}
				w.follow(t, engine.WatchOptions{Interval: interval})
				time.Sleep(time.Second)
				order := func(email string) string {
					done := psapitest.Acted{}
					w.spend(t, func() {
						a := w.usual(1)
						a.Customer, a.Guest, a.Email, a.FirstName, a.LastName, a.Company = 0, true, email, "An", "Other", "Acme"
						done = w.act(t, a)
					})
					return engine.OrderKey(done.Order)
				}
				first := w.ordered(t, order("one@example.test"))["account_id"].(string)
				w.crm.Delete(first)
				second := w.ordered(t, order("two@example.test"))
				if second["account_id"] == first || second["account_id"] == "" {
					t.Errorf("the order hangs on %q, an Account that is deleted", second["account_id"])
				}
			})
		})
	}
}

func TestAnOrderFollowsThoughItsInvoiceWasDeletedInTheCRM(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{Data: tinyShop()}, vtigerwstest.Options{Version: version})
			w.pass(t)
			o := w.shop.Records("orders")[0]
			done := w.act(t, psapitest.Action{Do: "order", Customer: number(o["id_customer"]), Template: number(o["id"]), State: 2})
			w.pass(t)
			w.crm.Delete(w.crm.Records("Invoice")[0]["id"].(string))
			w.act(t, psapitest.Action{Do: "state", Order: done.Order, State: 6})
			w.pass(t)
			if got := w.ordered(t, engine.OrderKey(done.Order))["sostatus"]; got != "Cancelled" {
				t.Errorf("the order is %v", got)
			}
			if n := len(w.crm.Records("Invoice")); n > 0 {
				t.Errorf("%d Invoices were made behind the back of who deleted it", n)
			}
			view, err := w.Record(t.Context(), "order", done.Order)
			if err != nil || view.Outcome.State != "failed" || view.Outcome.Reason != "gone" || !strings.Contains(view.Outcome.Detail, "Invoice") {
				t.Errorf("%+v %v", view.Outcome, err)
			}
		})
	}
}

func TestALeadThatIsGoneAlreadyCountsAsRecycled(t *testing.T) {
	clocked(t, today, func(t *testing.T) {
		w := newTown(t, psapitest.Options{}, vtigerwstest.Options{Version: "5.4.0"})
		if err := w.Save(t.Context(), map[string]string{engine.PromotedLead: "recycle"}); err != nil {
			t.Fatal(err)
		}
		w.follow(t, engine.WatchOptions{Interval: interval})
		time.Sleep(time.Second)
		who := w.strangers(t, 1)[0]
		w.spend(t, func() { w.act(t, psapitest.Action{Do: "login", Customer: number(who["id"])}) })
		w.crm.Faults().Add(rule("lost:op=delete,nth=1"))
		order := w.usual(1)
		order.Customer = number(who["id"])
		w.spend(t, func() { w.act(t, order) })
		w.nothingHeld(t)
		if orders, leads := len(w.crm.Records("SalesOrder")), len(w.crm.Records("Leads")); orders != 1 || leads != 0 {
			t.Errorf("%d orders, %d Leads", orders, leads)
		}
	})
}

// The customer is gone from the shop, and what he was in the CRM from there.
func TestAnOrderOfNobodyHangsOnTheSharedAccount(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{Data: bareShop()}, vtigerwstest.Options{Version: version})
			w.act(t, psapitest.Action{Do: "register", Email: "else@example.test", LastName: "Else"})
			w.pass(t)
			lamp := w.act(t, psapitest.Action{Do: "product", Reference: "LAMP", Name: "Lamp"})
			lines := []psapitest.Line{{Product: lamp.Product}}
			anna := w.act(t, psapitest.Action{Do: "order", Email: "anna@example.test", LastName: "Lind", State: 1, Lines: lines})
			w.pass(t)
			own := w.crm.Records("Accounts")[0]["id"].(string)
			w.crm.Delete(own)
			second := w.act(t, psapitest.Action{Do: "order", Customer: anna.Customer, State: 1, Lines: lines})
			w.act(t, psapitest.Action{Do: "delete-customer", Customer: anna.Customer, Physical: true})
			w.pass(t)
			order := w.ordered(t, engine.OrderKey(second.Order))
			if len(w.crm.Records("Accounts")) != 1 || order["account_id"] != w.crm.Records("Accounts")[0]["id"] || order["contact_id"] == "" {
				t.Errorf("the order hangs on Account %q and Contact %q; there are %v", order["account_id"], order["contact_id"], w.crm.Records("Accounts"))
			}
		})
	}
}
