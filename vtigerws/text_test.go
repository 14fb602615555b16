package vtigerws

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestServerWordsCannotDriveATerminal(t *testing.T) {
	cases := map[string]string{
		"\x1b[31mred\x1b[0m\x07":        "red",
		"\x1b]0;title\x07x":             "x",
		"a\r\nb\tc":                     "a b c",
		"abc\u202edef\u200b":            "abcdef",
		"\u009b31mx":                    "31mx",
		"\xff\xfeok":                    "ok",
		"Permission to write is denied": "Permission to write is denied",
		strings.Repeat("x", 400):        strings.Repeat("x", 299) + "…",
	}
	for in, want := range cases {
		if got := plain(in, 300); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		got := plain(rapid.String().Draw(t, "text"), 50)
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Fatalf("%q", got)
			}
		}
		if utf8.RuneCountInString(got) > 50 {
			t.Fatalf("%q is too long", got)
		}
	})
}

func TestAPageIsQuotedByItsWords(t *testing.T) {
	const html = "<!DOCTYPE html><html><head><style>b{x}</style><title>Welcome</title></head><body><h1>It works!</h1><script>alert(1)</script></body></html>"
	if got := page([]byte(html), 60); got != "Welcome It works!" {
		t.Errorf("%q", got)
	}
}

func TestKeysIgnoreCaseAndOuterBlanksButNotAccents(t *testing.T) {
	same := [][2]string{{" Anna@Example.com\n", "anna@example.COM"}, {"ÉLÉONORE", "éléonore"}, {"a😀b", "ab"}, {"ΣΑΣ", "σας"}}
	for _, pair := range same {
		if Key(pair[0]) != Key(pair[1]) {
			t.Errorf("%q and %q differ", pair[0], pair[1])
		}
	}
	for _, pair := range [][2]string{{"eleonore", "éléonore"}, {"a b", "ab"}, {"müller", "muller"}} {
		if Key(pair[0]) == Key(pair[1]) {
			t.Errorf("%q and %q are the same", pair[0], pair[1])
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		ca, cb := strings.TrimSpace(Clean(a)), strings.TrimSpace(Clean(b))
		if (Key(a) == Key(b)) != strings.EqualFold(ca, cb) {
			t.Fatalf("%q and %q", a, b)
		}
	})
}

func TestAFittedValueStaysWhatItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value")
		d := decide(rapid.SampledFrom([]string{"5.1.0", "5.4.0", "6.4.0"}).Draw(t, "version"), nil)
		once, cut := Fit("Products", "productname", value, d)
		if utf8.RuneCountInString(once) > d.ProductNameLen || cut != (once != value) {
			t.Fatalf("%q, %v", once, cut)
		}
		if twice, again := Fit("Products", "productname", once, d); twice != once || again {
			t.Fatalf("fitting %q twice gives %q", value, twice)
		}
	})
	if name, cut := Fit("Products", "productname", strings.Repeat("x", 60), v640); cut || len(name) != 60 {
		t.Error("6.x keeps 100 characters of a product's name")
	}
	if name, cut := Fit("Leads", "firstname", "Ada 🎉", v521); !cut || name != "Ada" {
		t.Errorf("the blank before a dropped emoji stays: %q", name)
	}
	if text, cut := Fit("Leads", "description", strings.Repeat("x", 6000), v521); cut || len(text) != 6000 {
		t.Error("a text is not cut")
	}
}
