package console

import (
	"strings"

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
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
