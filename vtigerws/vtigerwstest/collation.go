package vtigerwstest

import (
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// weights maps each character of the Basic Multilingual Plane to the one it compares as in MySQL's utf8_general_ci:
// capital, without accents, never more than one character long. Letters that are no accented letters, such as Ł, stay
// themselves; ß is S.
var weights = sync.OnceValue(func() *[0x10000]uint16 {
	var table [0x10000]uint16
	for r := range rune(0x10000) {
		table[r] = uint16(weight(r))
	}
	return &table
})

// weight is the entry of one character.
func weight(r rune) rune {
	switch {
	case r < 0x80, r >= 0xac00 && r <= 0xd7a3, r >= 0xd800 && r <= 0xdfff:
		return unicode.ToUpper(r) // Hangul decomposes into letters, which general_ci does not do
	case r == 'ß':
		return 'S'
	}
	first := r
	for i, part := range norm.NFD.String(string(r)) {
		if i == 0 {
			first = part
		} else if !unicode.Is(unicode.Mn, part) {
			first = r // not a letter with marks
			break
		}
	}
	if upper := unicode.ToUpper(first); upper <= 0xffff {
		return upper
	}
	return first
}

// fold turns a text into what utf8_general_ci compares: case, accents and trailing blanks gone.
func fold(s string) string { return foldAll(strings.TrimRight(s, " ")) }

// foldAll folds without touching blanks: LIKE counts them.
func foldAll(s string) string {
	plainASCII := true
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			plainASCII = false
			break
		}
	}
	if plainASCII {
		return strings.ToUpper(s)
	}
	table := weights()
	return strings.Map(func(r rune) rune {
		if r > 0xffff {
			return unicode.ReplacementChar
		}
		return rune(table[r])
	}, s)
}

// like matches a folded text against a folded pattern with % and _; a backslash takes the next sign as it is.
func like(text, pattern []rune) bool {
	for len(pattern) > 0 {
		switch p := pattern[0]; {
		case p == '%':
			for len(pattern) > 0 && pattern[0] == '%' {
				pattern = pattern[1:]
			}
			if len(pattern) == 0 {
				return true
			}
			for i := range len(text) + 1 {
				if like(text[i:], pattern) {
					return true
				}
			}
			return false
		case len(text) == 0:
			return false
		case p == '_':
		case p == '\\' && len(pattern) > 1:
			pattern = pattern[1:]
			if text[0] != pattern[0] {
				return false
			}
		case text[0] != p:
			return false
		}
		text, pattern = text[1:], pattern[1:]
	}
	return len(text) == 0
}
