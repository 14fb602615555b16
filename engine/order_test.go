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
