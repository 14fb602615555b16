package engine_test

import (
	"strings"
	"testing"

	"cartiger/engine"
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
