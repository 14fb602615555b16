package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cartiger/engine"
	"cartiger/fault"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws/vtigerwstest"
)

// line finds a check of a status.
func line(t *testing.T, s engine.Status, id string) engine.Check {
	t.Helper()
	for _, c := range s.Checks {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("no check %q among %+v", id, s.Checks)
	return engine.Check{}
}

func TestEachTroubleHasItsOwnDiagnosisAndCure(t *testing.T) {
	cases := []struct {
		name    string
		trouble func(t *testing.T, w *world)
		check   string
		level   engine.Level
		says    string
	}{
		{"nothing wrong", func(*testing.T, *world) {}, "crm", engine.OK, "5.2.1"},
		{"web service off", func(_ *testing.T, w *world) { w.shop.SetActive(false) }, "shop", engine.Failure, "web service"},
		{"wrong shop key", func(t *testing.T, w *world) {
			w.save(t, engine.ShopKey, strings.Repeat("X", 32))
		}, "shop", engine.Failure, "key"},
		{"wrong CRM key", func(t *testing.T, w *world) { w.save(t, engine.CRMKey, "nonsense") }, "crm", engine.Failure, "access key"},
		{"nobody at the address", func(t *testing.T, w *world) { w.save(t, engine.CRMURL, "http://127.0.0.1:1/") }, "crm", engine.Failure, "connect"},
		{"HTML instead of XML", func(_ *testing.T, w *world) { w.shop.Faults().Add(rule("html")) }, "shop", engine.Failure, ""},
		{"HTML instead of JSON", func(_ *testing.T, w *world) { w.crm.Faults().Add(rule("html")) }, "crm", engine.Failure, ""},
		{"a key that may not read orders", func(_ *testing.T, w *world) {
			w.shop.Grant(psapitest.DefaultKey, map[string][]string{"customers": {"GET"}, "configurations": {"GET"}, "currencies": {"GET"}})
		}, "shop-rights", engine.Failure, "orders"},
		{"CRM module inactive", func(_ *testing.T, w *world) { w.crm.SetRights("Invoice", vtigerwstest.Rights{Off: true}) }, "modules", engine.Failure, "Invoice"},
		{"CRM user without rights", func(_ *testing.T, w *world) {
			w.crm.SetRights("SalesOrder", vtigerwstest.Rights{Retrieve: true, Admits: true})
		}, "modules", engine.Failure, "SalesOrder"},
		{"a key field hidden from the CRM user", func(_ *testing.T, w *world) {
			w.crm.SetRights("SalesOrder", vtigerwstest.Rights{Create: true, Update: true, Delete: true, Retrieve: true, Hidden: []string{"customerno"}})
		}, "modules", engine.Failure, "SalesOrder: hidden from this user: customerno"},
		{"origin missing", func(*testing.T, *world) {}, "origin", engine.Warning, "of Leads, Contacts, Potentials"},
		{"currencies not linked", func(*testing.T, *world) {}, "currencies", engine.Warning, "EUR"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{}, vtigerwstest.Options{})
			c.trouble(t, w)
			s, err := w.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := line(t, s, c.check)
			t.Logf("%s: %s | %s", got.Title, got.Text, got.Cure)
			if got.Level != c.level || !strings.Contains(strings.ToLower(got.Text+" "+got.Cure), strings.ToLower(c.says)) {
				t.Errorf("%+v", got)
			}
			if got.Level != engine.OK && got.Cure == "" {
				t.Error("no cure")
			}
			if text := got.Text + got.Cure + got.Asked + got.Meaning; strings.Contains(text, psapitest.DefaultKey) || strings.Contains(text, "TestAccessKey") {
				t.Error("a key is shown")
			}
		})
	}
}

func (w *world) save(t *testing.T, name, value string) {
	t.Helper()
	if err := w.Save(t.Context(), map[string]string{name: value}); err != nil {
		t.Fatal(err)
	}
}

func rule(text string) fault.Rule {
	r, err := fault.ParseRule(text)
	if err != nil {
		panic(err)
	}
	return r
}

func TestARestoredCopySaysSoUntilItIsVerified(t *testing.T) {
	w := newTown(t, psapitest.Options{Data: tinyShop()}, vtigerwstest.Options{})
	w.path = filepath.Join(t.TempDir(), "copy.db")
	if err := w.store.Backup(t.Context(), w.path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(w.path), 0o700); err != nil {
		t.Fatal(err)
	}
	w.open(t, w.path)
	state := func() engine.Check {
		s, err := w.StoredStatus(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return line(t, s, "state")
	}
	if c := state(); c.Level != engine.Warning || !strings.Contains(c.Cure, "verify --repair") {
		t.Errorf("%+v", c)
	}
	w.verify(t, true)
	if c := state(); c.Level != engine.OK {
		t.Errorf("verified, and still %+v", c)
	}
}

func TestInvoicesWereLastCarriedWithTheOrders(t *testing.T) {
	clocked(t, today, func(t *testing.T) {
		w := newTown(t, psapitest.Options{}, vtigerwstest.Options{})
		w.export(t, "orders", engine.ExportOptions{Limit: 3})
		st, err := w.StoredStatus(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range st.Entities {
			if e.Entity == store.Invoice && (!strings.HasPrefix(e.LastRun, "today ") || e.InShop != -1) {
				t.Errorf("invoices: last run %q, %d in the shop", e.LastRun, e.InShop)
			}
		}
	})
}
