package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"cartiger/engine"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws"
	"cartiger/vtigerws/vtigerwstest"
)

// verify compares shop and CRM and expects that to work.
func (w *world) verify(t *testing.T, repair bool) []engine.Difference {
	t.Helper()
	found, err := w.Verify(t.Context(), repair)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	for _, d := range found {
		if d.Text == "" {
			t.Errorf("a difference without a word: %+v", d)
		}
		if !repair && d.Done {
			t.Errorf("repaired without being asked: %+v", d)
		}
	}
	return found
}

// only checks that exactly these differences were found, each written "entity id what".
func only(t *testing.T, found []engine.Difference, want ...string) {
	t.Helper()
	var got []string
	for _, d := range found {
		if d.What != "sum" {
			got = append(got, strings.Join([]string{string(d.Entity), decimalOf(d.ShopID), d.What}, " "))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q:\n%s", got, want, told(found))
	}
}

func told(found []engine.Difference) string {
	var b strings.Builder
	for _, d := range found {
		b.WriteString(d.Text + " [" + d.Repair + "]\n")
	}
	return b.String()
}

// exported is a world in which the products and orders of a tiny shop are in the CRM.
func exported(t *testing.T, version string) *world {
	t.Helper()
	w := newWorld(t, psapitest.Options{Data: tinyShop()}, vtigerwstest.Options{Version: version})
	w.export(t, "products", engine.ExportOptions{})
	w.export(t, "orders", engine.ExportOptions{})
	only(t, w.verify(t, false))
	return w
}

// link is a link of a shop record; it must be there.
func (w *world) link(t *testing.T, entity store.Entity, id int64, module string) store.Link {
	t.Helper()
	l, found, err := w.store.Link(t.Context(), entity, id, module)
	if err != nil || !found {
		t.Fatalf("no link of %s %d in %s: %v", entity, id, module, err)
	}
	return l
}

// record is a CRM record as it is now.
func (w *world) record(module, id string) vtigerwstest.Record {
	for _, r := range w.crm.Records(module) {
		if r["id"] == id {
			return r
		}
	}
	return nil
}

func TestVerifyFindsEachDifferenceAndRepairsWhatIsSafe(t *testing.T) {
	cases := []struct {
		name    string
		spoil   func(t *testing.T, w *world)
		finds   []string
		says    string // in one of the texts
		remains []string
		writes  bool // the repair writes an order: each version has its own way
	}{
		{
			name: "an order deleted in the CRM and typed in again by hand, without lines",
			spoil: func(t *testing.T, w *world) {
				id := w.link(t, store.Order, 1, "SalesOrder").CRMID
				w.crm.Insert("SalesOrder", map[string]string{
					"subject": "Bon de commande no1", "customerno": "presta-1", "sostatus": "Created", "account_id": w.record("SalesOrder", id)["account_id"].(string),
				})
				w.crm.Delete(id)
			},
			finds: []string{"order 1 link", "order 1 total"}, says: "no longer in the CRM; ", writes: true,
		},
		{
			name: "another total in the CRM",
			spoil: func(t *testing.T, w *world) {
				w.crm.Set(w.link(t, store.Order, 1, "SalesOrder").CRMID, "hdnGrandTotal", "1.00")
			},
			finds: []string{"order 1 total"}, says: "625.98 EUR", writes: true,
		},
		{
			name: "another status in the CRM",
			spoil: func(t *testing.T, w *world) {
				w.crm.Set(w.link(t, store.Order, 1, "SalesOrder").CRMID, "sostatus", "Cancelled")
			},
			finds: []string{"order 1 status"}, says: "is Cancelled", writes: true,
		},
		{
			name: "an invoice with another total and status",
			spoil: func(t *testing.T, w *world) {
				id := w.link(t, store.Invoice, 12, "Invoice").CRMID
				w.crm.Set(id, "hdnGrandTotal", "1.00")
				w.crm.Set(id, "invoicestatus", "Sent")
			},
			finds: []string{"invoice 12 total", "invoice 12 status"}, writes: true,
		},
		{
			name: "a state that changed behind the feed's back",
			spoil: func(_ *testing.T, w *world) {
				w.shop.Insert("order_histories", map[string]string{"id_order": "1", "id_order_state": "2", "date_add": "2030-01-01 00:00:00"})
			},
			finds: []string{"order 1 status"}, says: "means Approved",
		},
		{
			name: "a line that changed without a trace",
			spoil: func(_ *testing.T, w *world) {
				w.shop.Set("order_details", 1, "product_quantity", "3")
			},
			finds: []string{"order 1 lines"}, says: "changed in the shop", writes: true,
		},
		{
			name: "a total that changed without a trace",
			spoil: func(_ *testing.T, w *world) {
				w.shop.Set("orders", 1, "total_paid", "600.00")
			},
			finds: []string{"order 1 total"}, says: "600.00 EUR",
		},
		{
			name: "an invoice that only the shop has",
			spoil: func(_ *testing.T, w *world) {
				w.shop.Set("orders", 1, "invoice_number", "4711")
			},
			finds: []string{"invoice 1 missing"}, says: "invoice 4711", writes: true,
		},
		{
			name: "a link that was lost",
			spoil: func(t *testing.T, w *world) {
				if err := w.store.RemoveLinks(t.Context(), []store.Link{w.link(t, store.Order, 1, "SalesOrder"), w.link(t, store.Invoice, 12, "Invoice")}); err != nil {
					t.Fatal(err)
				}
			},
			finds: []string{"order 1 link", "invoice 12 link"}, says: "no link leads to it",
		},
		{
			name: "a link to the order of somebody else",
			spoil: func(t *testing.T, w *world) {
				l := w.link(t, store.Order, 1, "SalesOrder")
				l.CRMID = w.link(t, store.Order, 12, "SalesOrder").CRMID
				if err := w.store.SaveLinks(t.Context(), []store.Link{l}); err != nil {
					t.Fatal(err)
				}
			},
			finds: []string{"order 1 link"}, says: `carries the key "presta-12"`,
		},
		{
			name: "an order deleted in the CRM stays a person's decision",
			spoil: func(t *testing.T, w *world) {
				w.crm.Delete(w.link(t, store.Order, 1, "SalesOrder").CRMID)
			},
			finds: []string{"order 1 link"}, says: "recycle bin", remains: []string{"order 1 link"},
		},
		{
			name: "a Potential deleted in the CRM",
			spoil: func(t *testing.T, w *world) {
				w.crm.Delete(w.link(t, store.Order, 1, "Potentials").CRMID)
			},
			finds: []string{"order 1 link"}, says: "Potential", remains: []string{"order 1 link"},
		},
		{
			name: "an order that is in the CRM twice is never merged",
			spoil: func(_ *testing.T, w *world) {
				w.crm.Insert("SalesOrder", map[string]string{"subject": "Bon de commande no1", "customerno": "presta-1", "hdnGrandTotal": "625.98", "sostatus": "Created"})
			},
			finds: []string{"order 1 twice"}, says: "2 times", remains: []string{"order 1 twice"},
		},
		{
			name: "an order that has lost its key",
			spoil: func(t *testing.T, w *world) {
				w.crm.Set(w.link(t, store.Order, 1, "SalesOrder").CRMID, "customerno", "")
			},
			finds: []string{"order 1 link"}, says: "customerno", remains: []string{"order 1 link"},
		},
		{
			name: "an order that is gone from the shop",
			spoil: func(_ *testing.T, w *world) {
				w.shop.Delete("orders", 1)
			},
			finds: []string{"order 1 missing"}, says: "gone from the shop", remains: []string{"order 1 missing"},
		},
		{
			name: "an order in another currency",
			spoil: func(t *testing.T, w *world) {
				w.crm.Set(w.link(t, store.Order, 1, "SalesOrder").CRMID, "currency_id", "21x2")
			},
			finds: []string{"order 1 currency"}, says: "another currency", remains: []string{"order 1 currency"},
		},
		{
			name: "a Contact merged into another with the same e-mail",
			spoil: func(t *testing.T, w *world) {
				l := w.link(t, store.Customer, 1, "Contacts")
				w.crm.Delete(l.CRMID)
				w.crm.Insert("Contacts", map[string]string{"lastname": "DOE", "email": strings.ToUpper(l.Key)})
			},
			finds: []string{"customer 1 link"}, says: "no longer there",
		},
		{
			name: "a Contact that is gone",
			spoil: func(t *testing.T, w *world) {
				w.crm.Delete(w.link(t, store.Customer, 1, "Contacts").CRMID)
			},
			finds: []string{"customer 1 link"}, says: "next order", remains: []string{"customer 1 link"},
		},
		{
			name: "one e-mail on two Contacts",
			spoil: func(t *testing.T, w *world) {
				w.crm.Insert("Contacts", map[string]string{"lastname": "Twin", "email": w.link(t, store.Customer, 1, "Contacts").Key})
			},
			finds: []string{"customer 1 twice"}, says: "merge them", remains: []string{"customer 1 twice"},
		},
		{
			name: "a product made anew in the CRM",
			spoil: func(t *testing.T, w *world) {
				l := w.link(t, store.Product, 7, "Products")
				w.crm.Delete(l.CRMID)
				w.crm.Insert("Products", map[string]string{"productname": "again", "productcode": l.Key})
			},
			finds: []string{"product 7 link"}, says: "no longer there",
		},
		{
			name: "a product deleted, another with a code twice",
			spoil: func(t *testing.T, w *world) {
				w.crm.Delete(w.link(t, store.Product, 7, "Products").CRMID)
				w.crm.Insert("Products", map[string]string{"productname": "again", "productcode": w.link(t, store.Product, 9, "Products").Key})
			},
			finds: []string{"product 7 link", "product 9 twice"}, remains: []string{"product 7 link", "product 9 twice"},
		},
		{
			name: "a currency that was switched off in the CRM",
			spoil: func(t *testing.T, w *world) {
				w.crm.Set(currencyLink(t, w, "USD").CRMID, "currency_status", "Inactive")
			},
			finds: []string{"currency 2 currency"}, says: "inactive",
		},
		{
			name: "a currency that is gone from the CRM",
			spoil: func(t *testing.T, w *world) {
				w.crm.Delete(currencyLink(t, w, "USD").CRMID)
			},
			finds: []string{"currency 2 currency"}, says: "gone from the CRM",
		},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for j, version := range versions {
				if !c.writes && j != i%len(versions) {
					continue
				}
				t.Run(version, func(t *testing.T) {
					t.Parallel()
					w := exported(t, version)
					c.spoil(t, w)
					unwritten := w.unwritten(t, "a look")
					found := w.verify(t, false)
					only(t, found, c.finds...)
					if len(found) > 0 && !strings.Contains(told(found), c.says) {
						t.Errorf("%q is not said:\n%s", c.says, told(found))
					}
					unwritten()
					repaired := w.verify(t, true)
					only(t, repaired, c.finds...)
					for _, d := range repaired {
						if d.Done != (d.Repair != "") && d.What != "sum" {
							t.Errorf("done %t: %+v", d.Done, d)
						}
					}
					only(t, w.verify(t, false), c.remains...)
					if n := w.crm.Stats().Requests["delete"]; n > 0 {
						t.Errorf("a repair deleted something")
					}
				})
			}
		})
	}
}

func TestARepairSetsTheTaxThatSomebodyChangedInTheCRM(t *testing.T) {
	w := exported(t, "6.4.0")
	somebody, err := vtigerws.New(vtigerws.Config{URL: w.crmURL, User: "admin", AccessKey: "TestAccessKey"})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range w.shop.Records("order_details") {
		if d["id_order"] != "12" {
			continue
		}
		id := w.link(t, store.Product, numeral(d["product_id"]), "Products").CRMID
		change := vtigerws.Write{Op: vtigerws.OpUpdate, Module: "Products", ID: id, ProductTaxes: map[string]decimal.Decimal{"tax1": decimal.NewFromInt(7)}}
		if _, err := somebody.Do(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	w.crm.Set(w.link(t, store.Order, 12, "SalesOrder").CRMID, "hdnGrandTotal", "1.00")
	only(t, w.verify(t, true), "order 12 total")
	only(t, w.verify(t, false))
}

func currencyLink(t *testing.T, w *world, code string) store.CurrencyLink {
	t.Helper()
	links, err := w.store.CurrencyLinks(t.Context())
	i := slices.IndexFunc(links, func(l store.CurrencyLink) bool { return l.Code == code })
	if err != nil || i < 0 {
		t.Fatalf("%s is not linked: %v %v", code, err, links)
	}
	return links[i]
}

func TestVerifyExpectsTheOrdersSinceWatchBegan(t *testing.T) {
	w := newWorld(t, psapitest.Options{Data: tinyShop()}, vtigerwstest.Options{})
	w.pass(t)
	bought := w.act(t, psapitest.Action{Do: "order", Email: "new@example.test", LastName: "New", Template: 1, State: 2})
	found := w.verify(t, false)
	only(t, found, "order "+decimalOf(bought.Order)+" missing")
	if last := found[len(found)-1]; last.What != "sum" || !strings.HasPrefix(last.Text, "EUR: 1 orders of the shop come to 625.98, their 0 SalesOrders") {
		t.Errorf("the sums: %+v", last)
	}
	repaired := w.verify(t, true)
	if len(repaired) == 0 || !repaired[0].Done {
		t.Errorf("not written: %s", told(repaired))
	}
	if n := len(w.crm.Records("SalesOrder")); n != 1 || len(w.crm.Records("Invoice")) != 1 {
		t.Errorf("%d orders", n)
	}
	only(t, w.verify(t, false))
	w.pass(t)
	if n := len(w.crm.Records("SalesOrder")); n != 1 {
		t.Errorf("%d orders after the next pass", n)
	}
}

func TestVerifySaysWhyAnOrderIsHeld(t *testing.T) {
	w := newWorld(t, psapitest.Options{Data: tinyShop()}, vtigerwstest.Options{})
	w.pass(t)
	w.act(t, psapitest.Action{Do: "order", Email: "new@example.test", LastName: "New", Template: 1, Currency: 2})
	w.pass(t)
	only(t, w.verify(t, false))
	if err := w.RemoveCurrencyLink(t.Context(), currencyLink(t, w, "USD").CRMID); err != nil {
		t.Fatal(err)
	}
	bought := w.act(t, psapitest.Action{Do: "order", Email: "other@example.test", LastName: "Other", Template: 1, Currency: 2})
	w.pass(t)
	for _, repair := range []bool{false, true} {
		found := w.verify(t, repair)
		only(t, found, "order "+decimalOf(bought.Order)+" missing")
		if !strings.Contains(told(found), "currency USD is not linked") || found[0].Done {
			t.Errorf("repair %t: %s", repair, told(found))
		}
	}
}

func TestVerifyLooksWhileSomebodyElseWorks(t *testing.T) {
	w := newWorld(t, psapitest.Options{Data: tinyShop()}, vtigerwstest.Options{})
	w.export(t, "orders", engine.ExportOptions{Limit: 3})
	if err := w.store.SetCursor(t.Context(), "crm.sessions", `["theirs"]`); err != nil {
		t.Fatal(err)
	}
	only(t, w.verify(t, false))
	if kept, err := w.store.Cursor(t.Context(), "crm.sessions"); err != nil || kept != `["theirs"]` {
		t.Errorf("a look took over the session names of a run: %q %v", kept, err)
	}
	if runs, err := w.store.Runs(t.Context(), 0); err != nil || slices.ContainsFunc(runs, func(r store.Run) bool { return r.Kind == "verify" }) {
		t.Errorf("a look made a run: %v %v", runs, err)
	}
}
