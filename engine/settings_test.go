package engine_test

import (
	"path/filepath"
	"strings"
	"testing"

	"cartiger/engine"
	"cartiger/store"
)

// The rule at the key and the rule for the whole say the same, and what they let through needs no escaping anywhere.
func FuzzPrefix(f *testing.F) {
	for _, seed := range []string{"Bon de commande no", "#[]_-", " no", "", "é", "a\n", "a\x00", "x'", "no１", strings.Repeat("a", 80), strings.Repeat("a", 81), "\xff"} {
		f.Add(seed)
	}
	setting, _ := engine.FindSetting(engine.OrderPrefix)
	f.Fuzz(func(t *testing.T, prefix string) {
		typed := len(prefix) <= 80
		for i, r := range prefix {
			typed = typed && engine.PrefixRune(r, i == 0)
		}
		err := setting.Check(prefix)
		if (err == nil) != typed {
			t.Fatalf("%q: at the key %v, as a whole %v", prefix, typed, err)
		}
		if err == nil && (strings.ContainsFunc(prefix, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`'"\%;&<>`, r) }) || strings.HasPrefix(prefix, " ")) {
			t.Fatalf("%q is let through", prefix)
		}
	})
}

func TestAnAddressHoldsNoBlank(t *testing.T) {
	setting, _ := engine.FindSetting(engine.ShopURL)
	for address, good := range map[string]bool{
		"https://shop.example.test/": true, "http://shop.example.test/sub/folder": true,
		"https://shop.example.test/ admin": false, "https://shop.example.test/\tx": false, "https://shop example.test/": false,
	} {
		if err := setting.Check(address); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// Who set a variable may never have seen the setting's name; the value of a key is not repeated.
func TestABadValueFromTheEnvironmentNamesItsVariable(t *testing.T) {
	state, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := state.Close(); err != nil {
			t.Error(err)
		}
	})
	for variable, c := range map[string]struct{ value, want string }{
		"CARTIGER_SHOP_URL":    {"ftp://shop.example.test/", "shop.url (CARTIGER_SHOP_URL): does not start with http"},
		"CARTIGER_CRM_WORKERS": {"99", "crm.workers (CARTIGER_CRM_WORKERS): is not a number"},
		"CARTIGER_SHOP_KEY":    {"tooshort", "shop.key (CARTIGER_SHOP_KEY or its file): has 8 characters"},
	} {
		e := engine.New(state, engine.Options{Environ: func(name string) string {
			if name == variable {
				return c.value
			}
			return ""
		}})
		_, err := e.Settings(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "tooshort") {
			t.Errorf("%s: %v, not %q", variable, err, c.want)
		}
	}
}
