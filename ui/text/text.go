// Package text prepares text from outside for a terminal: it makes it harmless and measures it in cells.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Clean makes text from outside harmless: terminal escapes, control characters and marks that reorder or hide text
// are removed, every kind of blank is one space, broken UTF-8 is shown as such (rules.md 9.8).
func Clean(s string) string {
	if plainASCII(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	marks := 0
	for _, r := range ansi.Strip(strings.ToValidUTF8(s, "\uFFFD")) {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r):
			b.WriteByte(' ')
		case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r):
			// A letter may carry a few accents; towers of them would run into other lines.
			if marks++; marks <= 3 && !variation(r) {
				b.WriteRune(r)
			}
			continue
		case !unicode.IsGraphic(r):
			// Cc, Cf (bidirectional marks, zero width joiners, tags), Co, Cs and unassigned ones.
		default:
			b.WriteRune(r)
		}
		marks = 0
	}
	return b.String()
}

// variation selectors change how wide a character is, and terminals disagree by how much.
func variation(r rune) bool { return r >= 0xFE00 && r <= 0xFE0F || r >= 0xE0100 && r <= 0xE01EF }

func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= utf8.RuneSelf || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// Width is how many cells clean text takes.
func Width(s string) int { return ansi.StringWidth(s) }

// Cut shortens clean text to w cells; what was cut is shown by an ellipsis.
func Cut(s string, w int) string {
	if w <= 0 {
		return ""
	}
	if Width(s) <= w {
		return s
	}
	return ansi.Truncate(s, w, "…")
}

// Pad cuts and fills clean text to exactly w cells.
func Pad(s string, w int) string {
	s = Cut(s, w)
	return s + strings.Repeat(" ", max(0, w-Width(s)))
}

// PadLeft is Pad with the text at the right, for numbers.
func PadLeft(s string, w int) string {
	s = Cut(s, w)
	return strings.Repeat(" ", max(0, w-Width(s))) + s
}

// Wrap breaks text from outside into clean lines of at most w cells, at blanks where there are any. Its line breaks
// are kept.
func Wrap(s string, w int) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(s, "\n") {
		whole := ansi.Wrap(strings.TrimRight(Clean(paragraph), " "), max(1, w), "")
		for l := range strings.SplitSeq(whole, "\n") {
			lines = append(lines, strings.TrimRight(l, " "))
		}
	}
	return lines
}
