package text

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestCleanTextIsHarmless(t *testing.T) {
	for _, c := range []struct{ given, want string }{
		{"plain", "plain"},
		{"Zoé Müller 漢字", "Zoé Müller 漢字"},
		{"\x1b[31mred\x1b[0m \x1b]0;title\ax", "red x"},
		{"a\u009b31mb", "a31mb"},
		{"one\ntwo\tthree\u2028four\u00a0five", "one two three four five"},
		{"\u202eevil\u2066", "evil"},
		{"a\u200bb\ufeffc\u00add", "abcd"},
		{"e\u0301\u0301\u0301\u0301\u0301", "e\u0301\u0301\u0301"},
		{"\u2764\ufe0f", "\u2764"},
		{"\xff\xfe", "\ufffd"},
	} {
		if got := Clean(c.given); got != c.want {
			t.Errorf("%q is %q, want %q", c.given, got, c.want)
		}
	}
}

func TestWhateverIsCleanedHoldsOnlyWhatIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		clean := Clean(given)
		if !utf8.ValidString(clean) {
			t.Fatalf("%q is no UTF-8", clean)
		}
		for _, r := range clean {
			if r != ' ' && !unicode.IsGraphic(r) || unicode.IsControl(r) {
				t.Fatalf("%q holds %U", clean, r)
			}
		}
		if again := Clean(clean); again != clean {
			t.Fatalf("cleaning %q again gives %q", clean, again)
		}
		w := rapid.IntRange(1, 40).Draw(t, "width")
		if got := Width(Pad(clean, w)); got != w {
			t.Fatalf("padded to %d cells it takes %d", w, got)
		}
		if got := Width(PadLeft(clean, w)); got != w {
			t.Fatalf("padded on the left to %d cells it takes %d", w, got)
		}
	})
}

func TestWrappedLinesFit(t *testing.T) {
	got := strings.Join(Wrap("one two three\nfour \x1b[1mfive", 7), "|")
	if want := "one two|three|four|five"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
