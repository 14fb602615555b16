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
			w := newWorld(t, psapitest.Options{}, vtigerwstest.Options{Version: version})
			first := w.export(t, "orders", engine.ExportOptions{Limit: 30})
			other := newWorldOver(t, w)
			again := other.export(t, "orders", engine.ExportOptions{Limit: 30})
			if again.Created != 0 || again.Held+again.Failed != 0 {
				t.Errorf("first %+v, then with an empty state file %+v", first, again)
			}
			for _, module := range []string{"SalesOrder", "Invoice", "Potentials"} {
				seen := map[any]bool{}
				for _, r := range w.crm.Records(module) {
					name := r["subject"]
					if module == "Potentials" {
						name = r["potentialname"]
					}
					if seen[name] {
						t.Errorf("%s %v twice", module, name)
					}
					seen[name] = true
				}
			}
		})
	}
}
