package matrix

import (
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"cartiger/engine"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws/vtigerwstest"
)

// some are the versions that a case is tried on: all in the long form, else one of them.
func some(t *testing.T) []string {
	if *all {
		return versions
	}
	return versions[len(t.Name())%len(versions):][:1]
}

// each runs a case with everything exported, then followed.
func each(t *testing.T, do func(t *testing.T, w *world)) {
	for _, version := range some(t) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{version: version})
			w.follow(t)
			do(t, w)
			if a := w.audit(); !a.clean() {
				t.Errorf("%s", a)
			}
		})
	}
}

func (w *world) line(quantity int64) []psapitest.Line {
	rate := decimal.RequireFromString("19.6")
	return []psapitest.Line{{Product: number(w.shop.Records("products")[0]["id"]), Quantity: quantity, TaxRate: &rate}}
}

// held gives the held and failed records.
func (w *world) held(t testing.TB) []store.Outcome {
	t.Helper()
	list, err := w.here(t).Records(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestOnePersonWithManyCustomersStaysOne(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for range 2 {
			w.act(t, psapitest.Action{Do: "order", Guest: true, Email: "twice@example.test", FirstName: "Gast", LastName: "Zwei", Lines: w.line(1), State: 2})
			w.finish(t, "watch")
		}
		who := w.act(t, psapitest.Action{Do: "register", Email: "Twice@Example.test ", FirstName: "Now", LastName: "Registered"})
		w.finish(t, "watch")
		w.act(t, psapitest.Action{Do: "edit-customer", Customer: who.Customer, Email: "other@example.test"})
		w.act(t, psapitest.Action{Do: "order", Customer: who.Customer, Lines: w.line(2), State: 1})
		w.finish(t, "watch")
		contacts := 0
		for _, r := range w.crm.Records("Contacts") {
			if mail := text(r, "email"); strings.EqualFold(mail, "twice@example.test") || strings.EqualFold(mail, "other@example.test") {
				contacts++
			}
		}
		if contacts != 1 {
			t.Errorf("one person is %d Contacts", contacts)
		}
		// The audit goes by today's addresses: the person is known by the first one.
		for _, r := range w.crm.Records("Contacts") {
			if strings.EqualFold(text(r, "email"), "twice@example.test") {
				w.crm.Set(text(r, "id"), "email", "other@example.test")
			}
		}
		for _, c := range w.shop.Records("customers") {
			if strings.EqualFold(strings.TrimSpace(c["email"]), "twice@example.test") {
				w.shop.Set("customers", number(c["id"]), "email", "other@example.test")
			}
		}
	})
}

func TestPeopleAreToldApartByTheirAddressAlone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, email := range []string{"jose@example.test", "JOSE@example.test", " jose@example.test ", "josé@example.test", "jose2@example.test"} {
			w.act(t, psapitest.Action{Do: "register", Email: email, FirstName: "José", LastName: "Same"})
		}
		w.finish(t, "watch")
		var mails []string
		for _, r := range w.crm.Records("Leads") {
			if text(r, "lastname") == "Same" {
				mails = append(mails, strings.ToLower(text(r, "email")))
			}
		}
		slices.Sort(mails)
		if want := []string{"jose2@example.test", "jose@example.test", "josé@example.test"}; !slices.Equal(mails, want) {
			t.Errorf("Leads %q, want %q", mails, want)
		}
	})
}

func TestAnOrderOfADeletedCustomerIsWritten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i, physical := range []bool{true, false} {
			who := w.act(t, psapitest.Action{Do: "register", Email: []string{"gone@example.test", "marked@example.test"}[i], FirstName: "Soon", LastName: "Gone"})
			w.act(t, psapitest.Action{Do: "order", Customer: who.Customer, Lines: w.line(1), State: 2})
			w.act(t, psapitest.Action{Do: "delete-customer", Customer: who.Customer, Physical: physical})
		}
		w.finish(t, "watch")
	})
}

func TestProductCodesStayStable(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		price := decimal.RequireFromString("5.5")
		first := w.act(t, psapitest.Action{Do: "product", Reference: "same", Name: "One", Price: &price})
		w.act(t, psapitest.Action{Do: "product", Reference: "SAME ", Name: "Other", Price: &price})
		w.act(t, psapitest.Action{Do: "product", Name: "Without reference", Price: &price})
		w.finish(t, "watch")
		before := len(w.crm.Records("Products"))
		w.act(t, psapitest.Action{Do: "edit-product", Product: first.Product, Reference: "renamed"})
		rate := decimal.Zero
		w.act(t, psapitest.Action{Do: "order", Customer: number(theOthers[0]), State: 1, Lines: []psapitest.Line{{Product: first.Product, TaxRate: &rate}}})
		w.finish(t, "watch")
		if after := len(w.crm.Records("Products")); after != before {
			t.Errorf("%d products became %d because a reference changed", before, after)
		}
		w.shop.Set("products", first.Product, "reference", "same") // the audit goes by today's references
	})
}

func TestAnOrderInAStrangeCurrencyWaitsAndThenGoes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		on := true
		w.act(t, psapitest.Action{Do: "currency", Currency: 5, Active: &on}) // JPY, which nobody has linked
		made := w.act(t, psapitest.Action{Do: "order", Customer: number(theOthers[0]), Currency: 5, State: 2, Lines: w.line(1)})
		l := w.run(t, "watch", "", nil, nil)
		if l.err != nil || len(l.Troubled) != 1 || !strings.Contains(l.Troubled[0], "currency JPY is not linked") {
			t.Fatalf("order %d: %v %v", made.Order, l.err, l.Troubled)
		}
		// A second currency of the same code in the CRM must not confuse the linking.
		w.crm.Insert("Currency", map[string]string{"currency_name": "Yen again", "currency_code": "JPY", "currency_symbol": "Y", "conversion_rate": "129.5", "currency_status": "Inactive", "defaultid": "0", "deleted": "0"})
		if _, err := w.here(t).LinkCurrencies(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.finish(t, "watch")
	})
}

func TestAnOrderTooLongForTheCRMIsHeldAndOthersGo(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var many []psapitest.Line
		for range 150 {
			many = append(many, w.line(1)...)
		}
		long := w.act(t, psapitest.Action{Do: "order", Customer: number(theOthers[0]), State: 1, Lines: many})
		w.act(t, psapitest.Action{Do: "order", Customer: number(theOthers[1]), State: 1, Lines: w.line(1)})
		if l := w.run(t, "watch", "", nil, nil); l.err != nil {
			t.Fatal(l.err, l.Error)
		}
		for _, r := range w.crm.Records("SalesOrder") {
			if text(r, "customerno") != engine.OrderKey(long.Order) {
				continue
			}
			if lines, _ := r["lines"].([]vtigerwstest.Record); len(lines) != 150 {
				t.Errorf("%d lines of 150 were written", len(lines))
			}
			return
		}
		held := w.held(t)
		if !slices.ContainsFunc(held, func(o store.Outcome) bool { return o.Entity == store.Order && o.ShopID == long.Order && o.Detail != "" }) {
			t.Errorf("the order is neither written nor held: %v", held)
		}
		w.shop.Delete("orders", long.Order) // what is held is not there, as the audit would rightly say
	})
}

// TestAShopThatHidesItsErrors is PrestaShop with display_errors off, where orders with their rows are HTTP 500.
func TestAShopThatHidesItsErrors(t *testing.T) {
	for _, version := range some(t) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := setup{version: version}
			s.shop.HideErrors = true
			w := newWorld(t, s)
			w.prepare(t, "watch")
			w.finish(t, "watch")
			w.same(t, twinOf(t, version, "watch").picture)
		})
	}
}
