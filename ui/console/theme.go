package console

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"cartiger/ui/term"
)

// tone is what a piece of text is for; the theme decides how it looks. No tone carries a meaning of its own: state is
// always a word or a mark as well, for NO_COLOR, vt100, colour-blind eyes and screen readers.
type tone uint8

const (
	plain  tone = iota
	faint       // explanations, units, what is less important
	strong      // headings, the row under the cursor
	good        // ok
	warn        // a warning, an unsaved change
	bad         // trouble
	accent      // keys, marks, the active tab
	bar         // the done part of a bar
	under       // the character under the text cursor
	tones
)

// theme turns tones into what this terminal shows. Only the sixteen colours that a person has chosen for their
// terminal are used, so it looks right on dark and light ground alike.
type theme struct {
	color  bool
	utf8   bool
	styles [tones]lipgloss.Style
}

func newTheme(facts term.Facts) theme {
	// The renderer gets its colours told: asking the environment again would make CI or a pipe decide.
	profile := termenv.Ascii
	if facts.Color {
		profile = termenv.ANSI
	}
	r := lipgloss.NewRenderer(discard{}, termenv.WithProfile(profile))
	r.SetColorProfile(profile)
	style := func() lipgloss.Style { return r.NewStyle().Inline(true) }
	th := theme{color: facts.Color, utf8: facts.UTF8}
	th.styles = [tones]lipgloss.Style{
		plain:  style(),
		faint:  style().Faint(true),
		strong: style().Bold(true),
		good:   style().Foreground(lipgloss.ANSIColor(2)),
		warn:   style().Foreground(lipgloss.ANSIColor(3)),
		bad:    style().Foreground(lipgloss.ANSIColor(1)).Bold(true),
		accent: style().Foreground(lipgloss.ANSIColor(6)).Bold(true),
		bar:    style().Foreground(lipgloss.ANSIColor(6)),
		under:  style().Reverse(true),
	}
	return th
}

// discard stands where a renderer wants an output: it is never written to, only the strings are used.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// paint colours a text. Blanks are left alone: their colour is not seen, but its escapes would cost bytes.
func (th *theme) paint(t tone, text string) string {
	if !th.color || t == plain || t != under && strings.TrimLeft(text, " ") == "" {
		return text
	}
	return th.styles[t].Render(text)
}

// rule is a horizontal line of w cells; the note stands near its right end.
func (th *theme) rule(w int, note string) string {
	dash := "-"
	if th.utf8 {
		dash = "─"
	}
	if note == "" || width(note)+6 > w {
		return th.paint(faint, strings.Repeat(dash, w))
	}
	left := w - width(note) - 4
	return th.paint(faint, strings.Repeat(dash, left)+" "+note+" "+strings.Repeat(dash, 2))
}

// bar shows done of total in w cells.
func (th *theme) bar(w int, done, total int64) line {
	filled := 0
	if total > 0 {
		filled = int(min(max(done, 0), total) * int64(w) / total)
	}
	return line{{"[", faint}, {strings.Repeat("#", filled), bar}, {strings.Repeat(".", w-filled), faint}, {"]", faint}}
}

// spark draws values as a row of levels, the highest at full height. Nothing is nothing: a zero is a blank's neighbour.
func (th *theme) spark(values []int64) string {
	levels := []rune("_.-:=+*#")
	if th.utf8 {
		levels = []rune("▁▂▃▄▅▆▇█")
	}
	top := int64(1)
	for _, v := range values {
		top = max(top, v)
	}
	var b strings.Builder
	for _, v := range values {
		b.WriteRune(levels[int(v*int64(len(levels)-1)/top)])
	}
	return b.String()
}

// span is a piece of text of one tone. Its text may come from anywhere: it is cleaned when it is drawn, so nothing
// that shop or CRM send reaches the terminal as anything but letters.
type span struct {
	text string
	tone tone
}

// line is one row of the screen.
type line []span

func toned(t tone, s string) line { return line{{s, t}} }

// and copies before it appends (the full slice expression): rows share their beginnings, and an append into a shared
// array would change a row that is already laid out.
func (l line) and(more ...span) line { return append(l[:len(l):len(l)], more...) }

// String is the line's text, cleaned, without any styling.
func (l line) String() string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(clean(s.text))
	}
	return b.String()
}

// draw renders the line in at most w cells. Blanks at the end are not drawn: they would cost bytes on a slow line.
func (l line) draw(th *theme, w int) string {
	var b strings.Builder
	last := len(l) - 1
	for last >= 0 && l[last].tone != under && strings.TrimRight(l[last].text, " ") == "" {
		last--
	}
	for i, s := range l[:last+1] {
		if w <= 0 {
			break
		}
		t := clean(s.text)
		if i == last && s.tone != under {
			t = strings.TrimRight(t, " ")
		}
		t = cut(t, w)
		w -= width(t)
		b.WriteString(th.paint(s.tone, t))
	}
	return b.String()
}

// column says how one cell of a row is laid out.
type column struct {
	w     int  // cells; 0 = takes what the others leave
	right bool // numbers stand right
	from  int  // shown only where the list has at least so many columns
}

// columns lays cells out side by side in w cells, two blanks between them.
func columns(w int, cols []column, cells ...span) line {
	shown := func(c column) bool { return c.from <= w }
	// Cells, not bytes or runes: a name in Chinese takes twice its letters, and accents none of their own.
	rest, gaps := w, -2
	for _, c := range cols {
		if shown(c) {
			rest -= c.w
			gaps += 2
		}
	}
	rest -= gaps
	var l line
	for i, c := range cols {
		if !shown(c) || i >= len(cells) {
			continue
		}
		if len(l) > 0 {
			l = append(l, span{"  ", plain})
		}
		cw := c.w
		if cw == 0 {
			cw = max(0, rest)
		}
		fill := pad
		if c.right {
			fill = padLeft
		}
		l = append(l, span{fill(clean(cells[i].text), cw), cells[i].tone})
	}
	return l
}
