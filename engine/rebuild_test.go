package engine_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws/vtigerwstest"
)

// links are all links of a state file, without what may differ: when they were made, and the tax of a product, which
// nobody can read back from every CRM.
func (w *world) links(t *testing.T) []store.Link {
	t.Helper()
	var all []store.Link
	for _, entity := range []store.Entity{store.Customer, store.Product, store.Order, store.Invoice} {
		var links []store.Link
		for _, module := range []string{"Accounts", "Contacts", "Invoice", "Leads", "Potentials", "Prestashop", "Products", "SalesOrder"} {
			some, err := w.store.EachLink(t.Context(), entity, module, math.MinInt64, 0)
			if err != nil {
				t.Fatal(err)
			}
			links = append(links, some...)
		}
		slices.SortStableFunc(links, func(a, b store.Link) int { return int(a.ShopID - b.ShopID) })
		for _, l := range links {
			if l.Entity == store.Product {
				l.Mirrored = ""
			}
			all = append(all, l)
		}
	}
	return all
}

var sameLink = cmp.Options{cmpopts.IgnoreFields(store.Link{}, "At")}

func TestALostStateFileIsRebuiltAndNothingIsWrittenTwice(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{Data: partShop()}, vtigerwstest.Options{Version: version, Addon: version == "5.2.1"})
			for _, kind := range []string{"products", "customers", "orders"} {
				w.export(t, kind, engine.ExportOptions{})
			}
			before := w.links(t)
			currencies, _ := w.store.CurrencyLinks(t.Context())

			lost := newWorldOver(t, w)
			unwritten := w.unwritten(t, "rebuild and what came after")
			s, err := lost.Rebuild(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v, shop %v, CRM %v", s, w.shop.Stats(), w.crm.Stats())
			if s.Unchanged != s.Total || s.Total == 0 || len(s.Warnings) > 0 {
				t.Errorf("not everything was found: %+v", s)
			}
			if diff := cmp.Diff(before, lost.links(t), sameLink); diff != "" {
				t.Errorf("links before the loss (-) and rebuilt (+):\n%s", diff)
			}
			if rebuilt, _ := lost.store.CurrencyLinks(t.Context()); !cmp.Equal(currencies, rebuilt) {
				t.Errorf("currencies: %v, rebuilt %v", currencies, rebuilt)
			}

			for _, kind := range []string{"products", "orders"} {
				if again := lost.export(t, kind, engine.ExportOptions{}); again.Unchanged != again.Total {
					t.Errorf("an export of %s afterwards wrote something: %+v", kind, again)
				}
			}
			if _, err := lost.Export(t.Context(), "customers", engine.ExportOptions{}); problem.KindOf(err) != problem.Invalid {
				t.Errorf("customers can be exported once more: %v", err)
			}
			if all := lost.export(t, "customers", engine.ExportOptions{Reopen: true}); all.Unchanged != all.Total {
				t.Errorf("an export of customers afterwards wrote something: %+v", all)
			}
			lost.pass(t)
			lost.pass(t)
			unwritten()
			if found, err := lost.Verify(t.Context(), false); err != nil || len(found) > 0 {
				t.Errorf("verify after the rebuild: %v %+v", err, found)
			}
		})
	}
}

func TestARebuildSaysWhatTheCRMLacks(t *testing.T) {
	w := newWorld(t, psapitest.Options{Data: partShop()}, vtigerwstest.Options{})
	w.export(t, "orders", engine.ExportOptions{Limit: 40})
	lost := newWorldOver(t, w)
	s, err := lost.Rebuild(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(s.Warnings, "\n")
	for _, want := range []string{"products of the shop are not in the CRM", "customers of the shop are not in the CRM", "79 orders (441 to 1299) are newer"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in:\n%s", want, said)
		}
	}
	if closed, err := lost.Closed(t.Context(), "customers"); err != nil || closed {
		t.Errorf("the export of customers is closed although some are missing: %v", err)
	}
	if all := lost.export(t, "customers", engine.ExportOptions{}); all.Created == 0 || all.Unchanged == 0 {
		t.Errorf("the export of customers afterwards: %+v", all)
	}
}

func TestARebuildGoesOnWhereItWasStopped(t *testing.T) {
	w := newWorld(t, psapitest.Options{Data: partShop()}, vtigerwstest.Options{})
	for _, kind := range []string{"products", "orders"} {
		w.export(t, kind, engine.ExportOptions{})
	}
	before := w.links(t)
	lost := newWorldOver(t, w)
	rights := map[string][]string{}
	for _, resource := range []string{
		"configurations", "countries", "states", "order_states", "groups", "currencies", "products", "customers", "addresses", "orders", "order_discounts",
	} {
		rights[resource] = []string{"GET", "HEAD"}
	}
	w.shop.Grant(psapitest.DefaultKey, rights)
	if _, err := lost.Rebuild(t.Context()); problem.KindOf(err) != problem.Unauthorised {
		t.Fatalf("a rebuild without the lines of the orders: %v", err)
	}
	if halfway := lost.links(t); len(halfway) == 0 || len(halfway) >= len(before) {
		t.Fatalf("%d of %d links half-way", len(halfway), len(before))
	}
	w.shop.Grant(psapitest.DefaultKey, nil)
	s, err := lost.Rebuild(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", s)
	if diff := cmp.Diff(before, lost.links(t), sameLink); diff != "" {
		t.Errorf("links before the loss (-) and rebuilt (+):\n%s", diff)
	}
}

func TestARebuildWritesAgainWhatWasNotWhole(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{Data: partShop()}, vtigerwstest.Options{Version: version})
			w.export(t, "orders", engine.ExportOptions{Limit: 3})
			orders := w.crm.Records("SalesOrder")
			want := orders[1]["hdnGrandTotal"]
			w.crm.Set(orders[1]["id"].(string), "hdnGrandTotal", "")
			lost := newWorldOver(t, w)
			if _, err := lost.Rebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
			again := lost.export(t, "orders", engine.ExportOptions{Limit: 3})
			if again.Updated != 1 || again.Unchanged != 2 {
				t.Errorf("after the rebuild: %+v", again)
			}
			if got := w.crm.Records("SalesOrder")[1]["hdnGrandTotal"]; got != want {
				t.Errorf("total %v, want %v", got, want)
			}
		})
	}
}
