package engine_test

import (
	"testing"

	"cartiger/engine"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws/vtigerwstest"
)

func TestEveryOrderOfThePastReachesTheCRM(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{}, vtigerwstest.Options{Version: version})
			s := w.export(t, "orders", engine.ExportOptions{})
			t.Logf("%+v, shop %v, CRM %v", s, w.shop.Stats(), w.crm.Stats())
			if s.Created != s.Total {
				list, _ := w.Records(t.Context(), store.Filter{})
				for i, o := range list {
					if i < 10 {
						t.Logf("%s %s %s: %s", o.Label, o.State, o.Reason, o.Detail)
					}
				}
				t.Errorf("not all orders were created: %+v", s)
			}
		})
	}
}

func TestAnOldCopyOfTheStateFileMakesNothingTwice(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{}, vtigerwstest.Options{Version: version, Addon: true})
			first := w.export(t, "orders", engine.ExportOptions{Limit: 30})
			other := newWorldOver(t, w)
			again := other.export(t, "orders", engine.ExportOptions{Limit: 30})
			if again.Created != 0 || again.Held+again.Failed != 0 {
				t.Errorf("first %+v, then with an empty state file %+v", first, again)
			}
			for module, field := range map[string]string{"SalesOrder": "subject", "Invoice": "subject", "Potentials": "potentialname", engine.AddonModule: "ps_label"} {
				seen := map[any]bool{}
				for _, r := range w.crm.Records(module) {
					name := r[field]
					if seen[name] {
						t.Errorf("%s %v twice", module, name)
					}
					seen[name] = true
				}
			}
		})
	}
}

// The 5.1.0 save dies when an order takes more than stock and reorder level allow, and leaves a half-written order.
func TestAnOrderBelowTheReorderLevelIsWrittenWholeOn510(t *testing.T) {
	w := newWorld(t, psapitest.Options{}, vtigerwstest.Options{Version: "5.1.0"})
	w.crm.Insert("Products", map[string]string{"productname": "made by hand", "productcode": "#presta_7", "qtyinstock": "1", "reorderlevel": "0", "discontinued": "1"})
	s := w.export(t, "orders", engine.ExportOptions{Limit: 1})
	if s.Created != 1 {
		t.Fatalf("%+v", s)
	}
	order := w.crm.Records("SalesOrder")[0]
	if order["hdnGrandTotal"] != "625.980" || len(order["lines"].([]vtigerwstest.Record)) != 2 {
		t.Errorf("%v", order)
	}
}

func TestAHalfWrittenOrderIsMadeWhole(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{}, vtigerwstest.Options{Version: version})
			w.crm.Faults().Add(rule("half-order:type=SalesOrder,times=1"))
			w.crm.Faults().Add(rule("half-order:type=Invoice,times=1"))
			w.export(t, "orders", engine.ExportOptions{Limit: 8})
			for _, module := range []string{"SalesOrder", "Invoice"} {
				for _, r := range w.crm.Records(module) {
					id := r["id"].(string)
					if r["hdnGrandTotal"] == "" || len(r["lines"].([]vtigerwstest.Record)) == 0 {
						t.Errorf("%s %v is half written: %v", module, r["subject"], r)
					}
					if got := w.crm.Total(id); got.IsZero() {
						t.Errorf("%s %s comes to nothing", module, id)
					}
				}
			}
			if n := len(w.crm.Records("SalesOrder")); n != 8 {
				t.Errorf("%d orders", n)
			}
		})
	}
}

// A preview on a new state file counts on the links that the run itself would make first.
func TestAPreviewOfOrdersLinksCurrenciesAsTheRunWould(t *testing.T) {
	for _, base := range []string{"EUR", "USD"} {
		t.Run(base, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{Data: partShop()}, vtigerwstest.Options{BaseCurrency: base})
			preview := w.export(t, "orders", engine.ExportOptions{DryRun: true})
			if links, err := w.store.CurrencyLinks(t.Context()); err != nil || len(links) > 0 || len(w.crm.Records("Currency")) != 1 {
				t.Errorf("the preview wrote: %v %v", links, err)
			}
			run := w.export(t, "orders", engine.ExportOptions{})
			if preview.Created != run.Created || preview.Held != run.Held {
				t.Errorf("preview %+v, run %+v", preview, run)
			}
		})
	}
}
