package vtigerws_test

import (
	"math/big"
	"strings"
	"testing"

	"cartiger/vtigerws"
)

func TestAmountsAsTheCRMPrintsThem(t *testing.T) {
	for text, want := range map[string]string{"12.50000000": "12.5", " 7 ": "7", "-0.010": "-0.01", "1.0E+25": "10000000000000000000000000", ".5": "0.5", "+3": "3"} {
		if got, err := vtigerws.Amount(text); err != nil || got.String() != want {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-", ".", "e5", "1e999999999", "1e-999999999", "1e100", "1,5", "0x10", "1 2", "NaN", "Inf", strings.Repeat("9", 21), "1\n2"} {
		if got, err := vtigerws.Amount(text); err == nil {
			t.Errorf("%.30q is %s", text, got)
		}
	}
}

// Whatever a server prints: what is taken for an amount has its value, and costs nothing to add up and to show.
func FuzzAmount(f *testing.F) {
	for _, seed := range []string{"12.50000000", "-0.01", "1.0E+25", "1e999999999", "1e-99", "", ".", "١٢", "1_000", "0x1p-2", strings.Repeat("1", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := vtigerws.Amount(text)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(strings.TrimSpace(text))
		if !ok || want.Cmp(got.Rat()) != 0 {
			t.Fatalf("%q is read as %s", text, got)
		}
		if shown := got.Add(got).Round(2).String(); len(shown) > 130 {
			t.Fatalf("%q grows to %d characters", text, len(shown))
		}
	})
}
