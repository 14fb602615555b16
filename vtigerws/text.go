package vtigerws

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean gives a text as vtiger can keep it: NUL and characters outside the Basic Multilingual Plane are dropped
// (the CRM's three-byte utf8 turns an emoji into ????), bytes that are no UTF-8 become U+FFFD because one of them makes
// the CRM reject the whole record (wire/vtiger.md 5).
func Clean(text string) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	return strings.Map(func(r rune) rune {
		if r == 0 || r > 0xFFFF {
			return -1
		}
		return r
	}, text)
}

// Key is what makes two values the same to Find: as stored, without outer blanks, without case. Accents count,
// although the CRM's own comparison ignores them.
func Key(value string) string {
	return strings.Map(lowestFold, strings.TrimSpace(Clean(value)))
}

// lowestFold picks one letter for all that differ only in case.
func lowestFold(r rune) rune {
	lowest := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		lowest = min(lowest, f)
	}
	return lowest
}

var (
	escapes = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])`)
	inline  = regexp.MustCompile(`</?(?:a|b|em|font|i|span|strong)\b[^>]*>`)
	tags    = regexp.MustCompile(`(?s)<(?:script|style)\b.*?</(?:script|style)\s*>|<[^>]*>`)
)

// plain makes a server's words safe for a message: no terminal escapes, no control or direction characters, one line,
// at most limit characters.
func plain(text string, limit int) string {
	// A byte a character is the least; what is far behind the limit need not be looked at.
	if most := limit * 16; len(text) > most {
		text = text[:most]
	}
	text = escapes.ReplaceAllString(strings.ToValidUTF8(text, ""), " ")
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit-1]) + "…"
	}
	return text
}

// page gives the words of a web page, of its first 64 kB.
func page(html []byte, limit int) string {
	html = html[:min(len(html), 1<<16)]
	return plain(string(tags.ReplaceAll(inline.ReplaceAll(html, nil), []byte(" "))), limit)
}
