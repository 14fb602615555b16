package console

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"cartiger/ui/text"
)

// Short names for what stands in nearly every row of the screens.
var (
	clean   = text.Clean
	width   = text.Width
	cut     = text.Cut
	pad     = text.Pad
	padLeft = text.PadLeft
	wrap    = text.Wrap
)

// plural gives "1 order", "2 orders".
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

// sentence makes a rule readable as one.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	if !strings.HasPrefix(s, "vtiger") { // a name that is written so
		first, n := utf8.DecodeRuneInString(s)
		s = string(unicode.ToUpper(first)) + s[n:]
	}
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
