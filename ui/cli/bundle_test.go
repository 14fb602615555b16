package cli

import (
	"archive/zip"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cartiger/psapi/psapitest"
)

// Whatever the shop, the CRM and the settings hold: none of it may be in the bundle, the structure has to be.
func TestTheSupportBundleHoldsNoKeysAndNoPersonalData(t *testing.T) {
	b := newBench(t, "5.2.1")
	b.env["CARTIGER_SHARED_ACCOUNT"] = "Zwiebelhaus"
	_, err := b.shop.Act(psapitest.Action{
		Do: "register", Email: "quirina@secretive.example.test", FirstName: "Quirina", LastName: "Zwölfnagel",
		Address: &psapitest.Address{Company: "Geheimfabrik", Address1: "Verborgene Gasse 17", Postcode: "98765", City: "Heimlichstadt", Phone: "+49 111 222333"},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.must("connect")
	b.must("currencies", "unlink", "USD")
	b.must("export", "customers")
	if code, _, stderr := b.run("export", "orders"); code != exitTroubled {
		t.Fatalf("the orders in dollars should be held: %d %s", code, stderr)
	}
	// A run that breaks off, with an address and a URL in its message.
	b.env["CARTIGER_CRM_KEY"] = "AnotherSecretKey"
	if code, _, _ := b.run("export", "products"); code != exitConnect {
		t.Fatalf("exit code %d", code)
	}
	b.run("status")
	path := filepath.Join(t.TempDir(), "bundle.zip")
	b.must("support-bundle", path)

	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the bundle's mode is %v, %v", info.Mode(), err)
	}
	content := unzip(t, path)
	all := strings.Join(slices.Collect(maps.Values(content)), "\n")
	secrets := []string{
		psapitest.DefaultKey, "TestAccessKey", "AnotherSecretKey", b.env["CARTIGER_SHOP_URL"], b.env["CARTIGER_CRM_URL"],
		strings.TrimPrefix(b.env["CARTIGER_SHOP_URL"], "http://"), b.env["CARTIGER_STATE"], "Zwiebelhaus",
		"Quirina", "Zwölfnagel", "Geheimfabrik", "Verborgene Gasse", "98765", "Heimlichstadt", "222333",
	}
	for _, c := range b.shop.Records("customers") {
		secrets = append(secrets, c["email"])
	}
	for _, a := range b.shop.Records("addresses") {
		secrets = append(secrets, a["phone"], a["phone_mobile"], a["address1"], a["company"], a["vat_number"])
	}
	folded := strings.ToLower(all)
	for _, secret := range secrets {
		if len(secret) > 3 && strings.Contains(folded, strings.ToLower(secret)) {
			t.Errorf("the bundle holds %q", secret)
		}
	}
	for name, want := range map[string][]string{
		"about.json":       {`"go": "go1.`},
		"settings.json":    {`"name": "crm.key"`, `"set": true`, `"value": "create"`},
		"status.json":      {`"id": "following"`, `"held": 6`},
		"runs.json":        {`"Kind": "customers"`, `"State": "finished"`},
		"records.json":     {`"reason": "currency"`},
		"open-writes.json": {`[]`},
		"log.json":         {`"state": "created"`},
	} {
		for _, w := range want {
			if !strings.Contains(content[name], w) {
				t.Errorf("%s does not say %s:\n%.2000s", name, w, content[name])
			}
		}
	}
	if code, _, stderr := b.run("support-bundle", path); code != exitUsage || !strings.Contains(stderr, "exists already") {
		t.Errorf("a second bundle: %d %s", code, stderr)
	}
}

func unzip(t *testing.T, path string) map[string]string {
	t.Helper()
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = archive.Close() }()
	content := map[string]string{}
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		content[f.Name] = string(data)
	}
	return content
}

// A write is told by its shape: what it is and which fields it has, never what they hold.
func TestTheShapeOfAWriteHasNoValues(t *testing.T) {
	got := shapeOf([]byte(`{"op":"create","module":"Leads","fields":{"lastname":"Doe","email":"doe@example.test"},"document":{"x":"y"}}`))
	if got == nil || got.Op != "create" || got.Module != "Leads" || !slices.Equal(got.Fields, []string{"email", "lastname"}) {
		t.Errorf("got %+v", got)
	}
	if got := shapeOf([]byte("Doe")); got != nil {
		t.Errorf("no JSON has the shape %+v", got)
	}
}
