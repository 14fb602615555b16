package engine_test

import (
	"strings"
	"testing"

	"cartiger/engine"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws/vtigerwstest"
)

// warnings are the texts of the log that warn.
func (w *world) warnings(t *testing.T) []string {
	t.Helper()
	entries, err := w.store.Entries(t.Context(), store.Filter{After: -1, Level: "warning"})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, e := range entries {
		texts = append(texts, e.Message)
	}
	return texts
}

func TestASecondProductOfACodeIsWarnedAboutOnce(t *testing.T) {
	w := newWorld(t, psapitest.Options{Data: bareShop()}, vtigerwstest.Options{})
	w.save(t, engine.ProductEdits, "on")
	w.pass(t)
	w.act(t, psapitest.Action{Do: "product", Reference: "LAMP", Name: "Lamp"})
	w.pass(t)
	if got := w.warnings(t); len(got) > 0 {
		t.Errorf("one product alone: %q", got)
	}
	second := w.act(t, psapitest.Action{Do: "product", Reference: "lamp ", Name: "Lamp again"})
	w.pass(t)
	w.act(t, psapitest.Action{Do: "edit-product", Product: second.Product, Name: "Lamp once more"})
	w.pass(t)
	if got := w.warnings(t); len(got) != 1 || !strings.Contains(got[0], "2 products of the shop") {
		t.Errorf("warnings %q", got)
	}
	if n := len(w.crm.Records("Products")); n != 1 {
		t.Errorf("%d products", n)
	}
}

// What the CRM refused an edit goes when it no longer does.
func TestAHeldEditOfAProductGoesByItself(t *testing.T) {
	w := newWorld(t, psapitest.Options{Data: bareShop()}, vtigerwstest.Options{})
	w.save(t, engine.ProductEdits, "on")
	w.pass(t)
	lamp := w.act(t, psapitest.Action{Do: "product", Reference: "LAMP", Name: "Lamp"})
	w.pass(t)
	denied := vtigerwstest.AllRights
	denied.Update = false
	w.crm.SetRights("Products", denied)
	w.act(t, psapitest.Action{Do: "edit-product", Product: lamp.Product, Name: "Lantern"})
	w.pass(t)
	if list, err := w.Records(t.Context(), store.Filter{}); err != nil || len(list) != 1 || list[0].State != store.Held {
		t.Fatalf("%+v %v", list, err)
	}
	w.crm.SetRights("Products", vtigerwstest.AllRights)
	w.pass(t)
	if got := w.crm.Records("Products")[0]["productname"]; got != "Lantern" {
		t.Errorf("the product is called %v", got)
	}
}
