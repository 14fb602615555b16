package psapi

import (
	"math/big"
	"strings"
	"testing"
)

// Whatever the shop prints as an amount: it is read with its value or the record is not trusted, and what was read
// costs nothing to add up, to multiply and to show.
func FuzzMoney(f *testing.F) {
	for _, seed := range []string{"12.500000", "-3,20", "1.0E-5", "1e999999999", "1e-99", "", " ", ".", ",", "1,2,3", "١٢", "1_000", "0x1p-2", strings.Repeat("9", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := reader{row{fields: map[string]string{"price": text}}}
		got := r.amount("price")
		trimmed := strings.Replace(strings.TrimSpace(text), ",", ".", 1)
		switch {
		case trimmed == "":
			if !got.IsZero() || r.fault != "" {
				t.Fatalf("no amount is read as %s, fault %q", got, r.fault)
			}
			return
		case r.fault != "":
			if !got.IsZero() || !strings.Contains(r.fault, "price") {
				t.Fatalf("%q: %s, fault %q", text, got, r.fault)
			}
			return
		}
		want, ok := new(big.Rat).SetString(trimmed)
		if !ok || want.Cmp(got.Rat()) != 0 {
			t.Fatalf("%q is read as %s", text, got)
		}
		if shown := got.Mul(got).Add(got).Round(2).String(); len(shown) > 260 {
			t.Fatalf("%q grows to %d characters", text, len(shown))
		}
	})
}
