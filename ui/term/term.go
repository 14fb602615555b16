// Package term knows the terminal: whether there is one, how large it is, and what it can show.
//
// It must stay importable before Bubble Tea. Bubble Tea v1 asks the terminal for its background colour in a package
// init and waits five seconds where nobody answers (a serial line, a pseudo-terminal of a script). Lip Gloss asks
// only if nobody has told it, so this package tells it in an init of its own. Go initialises packages in the order of
// their paths as soon as what they import is ready: "cartiger/ui/term" comes before "github.com/charmbracelet/bubbletea"
// as long as this package imports nothing that Lip Gloss does not import as well.
package term

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/term"
)

func init() {
	lipgloss.SetHasDarkBackground(darkBackground(os.Getenv("COLORFGBG")))
}

// darkBackground reads COLORFGBG ("15;0"), the only word about the background that needs no question. Nothing said
// means dark, as Lip Gloss itself assumes.
func darkBackground(colorfgbg string) bool {
	parts := strings.Split(colorfgbg, ";")
	back, err := strconv.Atoi(parts[len(parts)-1])
	return err != nil || back < 7 || back == 8
}

// Facts is what a terminal can do.
type Facts struct {
	Terminal bool // false: a pipe, a file, /dev/null
	Dumb     bool // cannot move its cursor: only lines can be written to it
	Color    bool // false under NO_COLOR, on TERM=dumb, on vt100 and its like, and where there is no terminal
	UTF8     bool // the locale's character set is UTF-8
	Width    int  // columns, 0 unknown
	Height   int  // rows, 0 unknown
}

// Of looks at a file and at the environment; it asks the terminal nothing.
func Of(f *os.File, environ func(string) string) Facts {
	facts := Facts{Terminal: term.IsTerminal(f.Fd()), UTF8: utf8Locale(environ)}
	name := environ("TERM")
	facts.Dumb = name == "" || name == "dumb" || name == "unknown"
	facts.Color = facts.Terminal && !facts.Dumb && environ("NO_COLOR") == "" && !strings.HasPrefix(name, "vt1") && !strings.HasPrefix(name, "vt2")
	if facts.Terminal {
		// A terminal that does not know its size (serial line) gives 0x0 or an error: both mean unknown.
		facts.Width, facts.Height, _ = term.GetSize(f.Fd())
	}
	return facts
}

// Keep remembers the settings of the terminal that a reader or writer is, if it is one; calling what it returns puts
// them back.
func Keep(file any) (restore func()) {
	f, ok := file.(*os.File)
	if !ok {
		return func() {}
	}
	state, err := term.GetState(f.Fd())
	if err != nil {
		return func() {} // no terminal
	}
	return func() { _ = term.Restore(f.Fd(), state) }
}

// Hush stops a terminal from showing what is typed, except the end of a line; calling what it returns lets it again.
// Where there is no terminal nothing happens.
func Hush(file any) (restore func()) {
	restore = Keep(file)
	if f, ok := file.(*os.File); ok {
		if state, err := term.GetState(f.Fd()); err == nil {
			state.Lflag = state.Lflag&^syscall.ECHO | syscall.ECHONL
			_ = term.SetState(f.Fd(), state)
		}
	}
	return restore
}

// utf8Locale follows POSIX: LC_ALL wins over LC_CTYPE, that over LANG.
func utf8Locale(environ func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := environ(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
