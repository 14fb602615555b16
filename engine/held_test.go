package engine_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"cartiger/engine"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws/vtigerwstest"
)

var heldAll = flag.Bool("held.all", false, "refuse each module of the CRM in each way")

// held gives the only record that is held.
func (w *town) held(t *testing.T) store.Outcome {
	t.Helper()
	list, err := w.Records(t.Context(), store.Filter{})
	if err != nil || len(list) != 1 || list[0].State != store.Held {
		t.Fatalf("held: %+v %v", list, err)
	}
	return list[0]
}

// nothingHeld fails when a record is held or failed.
func (w *town) nothingHeld(t *testing.T) {
	t.Helper()
	list, err := w.Records(t.Context(), store.Filter{})
	if err != nil || len(list) > 0 {
		t.Errorf("still held: %+v %v", list, err)
	}
}

func TestAnOrderWaitsForItsCurrencyAndGoesByItself(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			clocked(t, today, func(t *testing.T) {
				w := newTown(t, psapitest.Options{}, vtigerwstest.Options{Version: version})
				stop := w.follow(t, engine.WatchOptions{Interval: interval})
				time.Sleep(time.Second)
				w.spend(t, func() { w.act(t, w.usual(1)) })
				links, err := w.store.CurrencyLinks(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var dollar store.CurrencyLink
				for _, l := range links {
					if l.Code == "USD" {
						dollar = l
					}
				}
				if err := w.store.SaveCurrencyLinks(t.Context(), nil, []string{dollar.CRMID}); err != nil {
					t.Fatal(err)
				}
				w.spend(t, func() {
					w.act(t, psapitest.Action{Do: "order", Customer: w.usual(1).Customer, Currency: dollar.ShopID, State: 1})
					w.act(t, w.usual(1))
				})
				if o := w.held(t); o.Reason != "currency" || !strings.Contains(o.Detail, "USD") {
					t.Errorf("%s: %s", o.Reason, o.Detail)
				}
				if n := len(w.crm.Records("SalesOrder")); n != 2 {
					t.Errorf("%d orders: the others do not go on", n)
				}
				would := func() string {
					t.Helper()
					w.crm.ResetStats()
					p, err := w.Would(t.Context(), store.Order, w.held(t).ShopID)
					if err != nil {
						t.Fatal(err)
					}
					if n := w.crm.Stats().Requests["create"]; n > 0 {
						t.Errorf("asking what would be sent has sent %d creates", n)
					}
					return fmt.Sprint(p.State, p.Writes)
				}
				if got := would(); got != "held[]" {
					t.Errorf("without a link would be sent: %s", got)
				}
				if err := w.store.SaveCurrencyLinks(t.Context(), []store.CurrencyLink{dollar}, nil); err != nil {
					t.Fatal(err)
				}
				if got := would(); !strings.HasPrefix(got, "created[") || !strings.Contains(got, "create SalesOrder") {
					t.Errorf("with the link would be sent: %s", got)
				}
				w.spend(t, func() {})
				stop()
				w.nothingHeld(t)
				onlyOnce(t, w.world, "SalesOrder", "customerno")
				if n := len(w.crm.Records("SalesOrder")); n != 3 {
					t.Errorf("%d orders after the link", n)
				}
			})
		})
	}
}

func TestAFieldThatBecomesMandatoryHoldsItsKindUntilADefaultIsSet(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			clocked(t, today, func(t *testing.T) {
				w := newTown(t, psapitest.Options{}, vtigerwstest.Options{Version: version})
				stop := w.follow(t, engine.WatchOptions{Interval: interval})
				time.Sleep(time.Second)
				register := func(name string) func() {
					return func() {
						w.act(t, psapitest.Action{Do: "register", Email: name + "@example.test", FirstName: "A", LastName: name})
					}
				}
				w.spend(t, register("before"))
				w.crm.SetPicklist("Leads", "rating", []string{"Hot", "Cold"})
				w.crm.Require("Leads", "rating", true)
				w.spend(t, register("during"))
				if o := w.held(t); o.Reason != "mandatory" || !strings.Contains(o.Detail, "rating") {
					t.Errorf("%s: %s", o.Reason, o.Detail)
				}
				w.crm.ResetStats()
				_, crm := w.spend(t, func() {
					register("too")()
					w.act(t, w.usual(1))
				})
				if n := len(w.crm.Records("SalesOrder")); n != 1 {
					t.Errorf("%d orders: the others do not go on (%v)", n, crm)
				}
				if n := len(w.crm.Records("Leads")); n != 1 {
					t.Errorf("%d Leads", n)
				}
				if err := w.SetDefault(t.Context(), "Leads", "rating", "Cold", ""); err != nil {
					t.Fatal(err)
				}
				w.spend(t, func() {})
				stop()
				w.nothingHeld(t)
				leads := w.crm.Records("Leads")
				if len(leads) != 3 {
					t.Errorf("%d Leads after the default", len(leads))
				}
				for _, l := range leads[1:] {
					if l["rating"] != "Cold" {
						t.Errorf("%v has rating %v", l["email"], l["rating"])
					}
				}
			})
		})
	}
}

func TestWhatTheCRMNoLongerRefusesGoesByItself(t *testing.T) {
	type change struct {
		name         string
		refuse, heal func(t *testing.T, w *town)
	}
	noCreate := vtigerwstest.AllRights
	noCreate.Create = false
	off := vtigerwstest.AllRights
	off.Off = true
	var changes []change
	for i, module := range []string{"Leads", "Contacts", "Accounts", "Products", "Potentials", "SalesOrder", "Invoice"} {
		choose := func(_ *testing.T, w *town) {
			w.crm.SetPicklist(module, "cf_701", []string{"one", "two"})
			w.crm.Require(module, "cf_701", true)
		}
		chosen := func(t *testing.T, w *town) {
			if err := w.SetDefault(t.Context(), module, "cf_701", "two", ""); err != nil {
				t.Error(err)
			}
		}
		kinds := []change{
			{"picklist in " + module, choose, chosen},
			{"create " + module, func(_ *testing.T, w *town) { w.crm.SetRights(module, noCreate) }, func(_ *testing.T, w *town) { w.crm.SetRights(module, vtigerwstest.AllRights) }},
			{"module " + module, func(_ *testing.T, w *town) { w.crm.SetRights(module, off) }, func(_ *testing.T, w *town) { w.crm.SetRights(module, vtigerwstest.AllRights) }},
			{"text field in " + module, func(_ *testing.T, w *town) { w.crm.Require(module, "cf_700", true) }, func(*testing.T, *town) {}},
		}
		if !*heldAll { // each module refused in one way, each way with some module
			kinds = kinds[i%len(kinds):][:1]
		}
		changes = append(changes, kinds...)
	}
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			clocked(t, today, func(t *testing.T) {
				w := newTown(t, psapitest.Options{}, vtigerwstest.Options{Version: "5.2.1"})
				stop := w.follow(t, engine.WatchOptions{Interval: interval})
				time.Sleep(time.Second)
				goods := w.shop.Records("products")
				everything := func(i int) func() {
					return func() {
						w.act(t, psapitest.Action{Do: "register", Email: fmt.Sprintf("r%d@example.test", i), FirstName: "A", LastName: "Registered"})
						w.act(t, psapitest.Action{Do: "order", Guest: true, Email: fmt.Sprintf("o%d@example.test", i), FirstName: "An", LastName: "Orderer", State: 2, Lines: []psapitest.Line{{Product: number(goods[i]["id"])}}})
						w.act(t, psapitest.Action{Do: "product", Reference: fmt.Sprintf("P-%d", i), Name: "Product"})
					}
				}
				w.spend(t, everything(1))
				c.refuse(t, w)
				for i := range 3 {
					w.spend(t, everything(2+i))
				}
				time.Sleep(8 * time.Minute) // beyond the first look whether it goes again
				c.heal(t, w)
				time.Sleep(11 * time.Minute)
				stop()
				w.nothingHeld(t)
				for module, field := range map[string]string{"Leads": "email", "Contacts": "email", "Accounts": "accountname", "Potentials": "potentialname", "SalesOrder": "customerno", "Invoice": "customerno"} {
					if field != "accountname" {
						onlyOnce(t, w.world, module, field)
					}
					if n := len(w.crm.Records(module)); n != 4 {
						t.Errorf("%d %s of 4", n, module)
					}
				}
				if n := len(w.crm.Records("Products")); n != 8 {
					t.Errorf("%d products of 8", n)
				}
			})
		})
	}
}

// An export holds people whom the CRM refuses; once it does not, they become what the export would have made of them.
func TestHeldCustomersOfAnExportBecomeWhatItWouldHaveMadeOfThem(t *testing.T) {
	w := newWorld(t, psapitest.Options{Data: tinyShop()}, vtigerwstest.Options{Version: "5.2.1"})
	ordered := map[string]bool{}
	for _, o := range w.shop.Records("orders") {
		ordered[o["id_customer"]] = true
	}
	denied := vtigerwstest.AllRights
	denied.Create = false
	w.crm.SetRights("Contacts", denied)
	if s := w.export(t, "customers", engine.ExportOptions{}); int(s.Held) != len(ordered) {
		t.Fatalf("%+v", s)
	}
	w.crm.SetRights("Contacts", vtigerwstest.AllRights)
	w.pass(t)
	if left, err := w.Records(t.Context(), store.Filter{}); err != nil || len(left) > 0 {
		t.Errorf("still held: %+v %v", left, err)
	}
	for _, c := range w.shop.Records("customers") {
		if !ordered[c["id"]] {
			continue
		}
		for module, want := range map[string]int{"Contacts": 1, "Leads": 0} {
			n := 0
			for _, r := range w.crm.Records(module) {
				if engine.Fold(r["email"].(string)) == engine.Fold(c["email"]) {
					n++
				}
			}
			if n != want {
				t.Errorf("%s is %d times in %s, want %d", c["email"], n, module, want)
			}
		}
	}
}

func TestACustomerWhoIsDeletedWhileHeldIsNotTriedForEver(t *testing.T) {
	w := newWorld(t, psapitest.Options{Data: bareShop()}, vtigerwstest.Options{})
	w.pass(t)
	w.crm.SetPicklist("Leads", "rating", []string{"Hot", "Cold"})
	w.crm.Require("Leads", "rating", true)
	anna := w.act(t, psapitest.Action{Do: "register", Email: "anna@example.test", FirstName: "Anna", LastName: "Lind"})
	w.pass(t)
	w.act(t, psapitest.Action{Do: "delete-customer", Customer: anna.Customer})
	w.pass(t)
	list, err := w.Records(t.Context(), store.Filter{})
	if err != nil || len(list) != 1 || list[0].State != store.Failed || list[0].Reason != "gone" {
		t.Errorf("%+v %v", list, err)
	}
}

// What is mandatory and typed as an e-mail address, a phone number or a link is text too: it has a default from the start.
func TestEveryMandatoryTextHasADefault(t *testing.T) {
	for _, field := range []string{"homephone", "yahooid"} {
		t.Run(field, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{Data: bareShop()}, vtigerwstest.Options{})
			w.pass(t)
			w.crm.Require("Contacts", field, true)
			lamp := w.act(t, psapitest.Action{Do: "product", Reference: "LAMP", Name: "Lamp"})
			w.act(t, psapitest.Action{Do: "order", Email: "anna@example.test", LastName: "Lind", State: 1, Lines: []psapitest.Line{{Product: lamp.Product}}})
			w.pass(t)
			fields, err := w.Mandatory(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range fields {
				if f.Module != "Contacts" || f.Field != field {
					continue
				}
				contacts := w.crm.Records("Contacts")
				if f.Needed || len(contacts) != 1 || contacts[0][field] != f.Default {
					t.Errorf("%+v, Contacts %v", f, contacts)
				}
			}
		})
	}
}

// Without Create Account every order needs the shared Account: what the CRM demands for it holds orders, and ends no watch.
func TestOrdersWaitForTheSharedAccount(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{Data: bareShop()}, vtigerwstest.Options{Version: version})
			w.save(t, engine.CreateAccount, "off")
			w.pass(t)
			w.crm.SetPicklist("Accounts", "industry", []string{"Shop", "Farm"})
			w.crm.Require("Accounts", "industry", true)
			lamp := w.act(t, psapitest.Action{Do: "product", Reference: "LAMP", Name: "Lamp"})
			lines := []psapitest.Line{{Product: lamp.Product}}
			gone := w.act(t, psapitest.Action{Do: "order", Email: "gone@example.test", LastName: "Gone", State: 1, Lines: lines})
			w.act(t, psapitest.Action{Do: "delete-customer", Customer: gone.Customer, Physical: true})
			w.act(t, psapitest.Action{Do: "order", Email: "anna@example.test", LastName: "Lind", State: 1, Lines: lines})
			w.act(t, psapitest.Action{Do: "register", Email: "else@example.test", FirstName: "Somebody", LastName: "Else"})
			w.pass(t)
			waiting := 0
			list, err := w.Records(t.Context(), store.Filter{Entity: store.Order})
			for _, o := range list {
				if o.State == store.Held && strings.Contains(o.Detail, "industry") {
					waiting++
				}
			}
			if err != nil || waiting != 2 || len(w.crm.Records("Leads")) != 1 {
				t.Errorf("%d of 2 orders wait, %d Leads: %+v %v", waiting, len(w.crm.Records("Leads")), list, err)
			}
			if err := w.SetDefault(t.Context(), "Accounts", "industry", "Farm", ""); err != nil {
				t.Fatal(err)
			}
			w.pass(t)
			if list, err = w.Records(t.Context(), store.Filter{}); err != nil || len(list) > 0 || len(w.crm.Records("SalesOrder")) != 2 {
				t.Errorf("still held: %+v %v, %d orders", list, err, len(w.crm.Records("SalesOrder")))
			}
		})
	}
}
