package engine_test

import (
	"net/http/httptest"
	"path/filepath"
	"testing"

	"cartiger/engine"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws/vtigerwstest"
)

// world is a shop and a CRM on loopback with an engine between them.
type world struct {
	*engine.Engine
	shop  *psapitest.Shop
	crm   *vtigerwstest.CRM
	store *store.Store

	shopURL, crmURL string
}

func newWorld(t *testing.T, shopOptions psapitest.Options, crmOptions vtigerwstest.Options) *world {
	t.Helper()
	shop, err := psapitest.New(shopOptions)
	if err != nil {
		t.Fatal(err)
	}
	crm, err := vtigerwstest.New(crmOptions)
	if err != nil {
		t.Fatal(err)
	}
	shopServer, crmServer := httptest.NewServer(shop), httptest.NewServer(crm)
	t.Cleanup(shopServer.Close)
	t.Cleanup(crmServer.Close)
	return stateOver(t, &world{shop: shop, crm: crm, shopURL: shopServer.URL, crmURL: crmServer.URL})
}

// newWorldOver is the same shop and CRM with an empty state file.
func newWorldOver(t *testing.T, w *world) *world {
	t.Helper()
	return stateOver(t, &world{shop: w.shop, crm: w.crm, shopURL: w.shopURL, crmURL: w.crmURL})
}

func stateOver(t *testing.T, w *world) *world {
	t.Helper()
	st, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "cartiger", "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	e := engine.New(st, engine.Options{Who: "test"})
	err = e.Save(t.Context(), map[string]string{
		engine.ShopURL: w.shopURL, engine.ShopKey: psapitest.DefaultKey,
		engine.CRMURL: w.crmURL, engine.CRMUser: "admin", engine.CRMKey: "TestAccessKey",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Engine, w.store = e, st
	return w
}

// export runs an export and expects everything to be accounted for.
func (w *world) export(t *testing.T, kind string, o engine.ExportOptions) engine.Summary {
	t.Helper()
	s, err := w.Export(t.Context(), kind, o)
	if err != nil {
		t.Fatalf("export of %s: %v", kind, err)
	}
	if sum := s.Created + s.Updated + s.Unchanged + s.Held + s.Failed; sum != s.Total {
		t.Errorf("%s: %d of %d accounted for: %+v", kind, sum, s.Total, s)
	}
	return s
}
