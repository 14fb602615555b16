package engine_test

import (
	"testing"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/psapi/psapitest"
	"cartiger/vtigerws/vtigerwstest"
)

func TestProductsAreExportedOnceAndLeftAloneTheSecondTime(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{}, vtigerwstest.Options{Version: version})
			s := w.export(t, "products", engine.ExportOptions{})
			pages := (s.Total + 99) / 100
			t.Logf("%+v, shop %v, CRM %v", s, w.shop.Stats(), w.crm.Stats())
			if s.Held+s.Failed != 0 {
				t.Errorf("held or failed: %+v", s)
			}
			if got, most := int64(w.crm.Stats().Total), s.Created+pages+10; got > most {
				t.Errorf("%d CRM requests, at most %d", got, most)
			}
			if got, most := int64(w.shop.Stats().Total), pages+10; got > most {
				t.Errorf("%d shop requests, at most %d", got, most)
			}
			w.crm.ResetStats()
			again := w.export(t, "products", engine.ExportOptions{})
			if again.Unchanged != again.Total {
				t.Errorf("the second export changed something: %+v", again)
			}
			if got, most := int64(w.crm.Stats().Total), pages+10; got > most {
				t.Errorf("second export: %d CRM requests, at most %d: %v", got, most, w.crm.Stats())
			}
		})
	}
}

func TestCustomersAreExportedOnce(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{}, vtigerwstest.Options{Version: version})
			s := w.export(t, "customers", engine.ExportOptions{})
			t.Logf("%+v, shop %v, CRM %v", s, w.shop.Stats(), w.crm.Stats())
			if s.Held+s.Failed != 0 {
				t.Errorf("held or failed: %+v", s)
			}
			created := int64(w.crm.Stats().Requests["create"])
			if got, most := int64(w.crm.Stats().Total), created+3*((s.Total+99)/100)+15; got > most {
				t.Errorf("%d CRM requests, at most %d: %v", got, most, w.crm.Stats())
			}
			if _, err := w.Export(t.Context(), "customers", engine.ExportOptions{}); problem.KindOf(err) != problem.Invalid {
				t.Errorf("a second export of customers was not refused: %v", err)
			}
		})
	}
}
