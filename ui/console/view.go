package console

import (
	"fmt"
	"strings"
)

// fits says whether the window is large enough.
func (a *app) fits() bool { return a.w >= minWidth && a.h >= minHeight }

// free says that nothing lies over the screen: what a person waits for may open then. A question that opens over
// something being typed could take a letter for its answer.
func (a *app) free() bool { return a.dlg == nil && a.ed == nil && a.find == nil }

// bodyHeight is what tabs, rules, message and keys leave.
// An answer of several rows takes them from the body: the keys stay in the last row of the window.
func (a *app) bodyHeight() int { return max(1, a.h-fixedRows+1-max(1, len(a.said()))) }

// listWidth is the width of the list: all of it, or what the detail pane leaves.
func (a *app) listWidth() int {
	if a.w < paneWidth {
		return a.w
	}
	return max(fullWidth, a.w*55/100)
}

// View draws the screen: tabs, rule, body, rule, message, keys, always in the same rows.
func (a *app) View() string {
	// The size comes as the first message; a guess until then would be drawn and then drawn over.
	if a.w == 0 {
		return ""
	}
	if !a.fits() {
		words := fmt.Sprintf("cartiger needs %dx%d, this is %dx%d. q quits.", minWidth, minHeight, a.w, a.h)
		lines := wrap(words, a.w)
		return strings.Join(lines[:min(len(lines), a.h)], "\n")
	}
	h := a.bodyHeight()
	body, above, below := a.body(h)
	// A body that is too short is filled up, or the rows below would jump with every change of what is listed.
	for len(body) < h {
		body = append(body, "")
	}
	lines := append([]string{a.tabs(), a.th.rule(a.w, joined(a.standing(), more(above, "above")))}, body[:h]...)
	lines = append(lines, a.th.rule(a.w, more(below, "below")))
	lines = append(lines, a.message()...)
	lines = append(lines, keyBar(a.place(), a.w).draw(&a.th, a.w))
	return strings.Join(lines, "\n")
}

// standing is what must not be forgotten while it is so: what is unsaved, and that not all lines are shown.
func (a *app) standing() string {
	if a.dlg != nil {
		return ""
	}
	unsaved, only := "", ""
	if n := a.draft.count(a.at); n > 0 {
		unsaved = plural(int64(n), "unsaved change") + " *"
	}
	if f := a.screen().list().filter; f != "" {
		only = "only lines with \"" + cut(clean(f), 20) + "\""
	}
	return joined(unsaved, only)
}

// joined puts two remarks side by side, either of which may be missing.
func joined(s, t string) string {
	if s == "" || t == "" {
		return s + t
	}
	return s + ", " + t
}

// more says how many rows the window leaves out: a list that ends at the edge looks complete without it.
func more(n int, where string) string {
	if n == 0 {
		return ""
	}
	return number(int64(n)) + " more " + where
}

// body is the dialog, or the list with its pane beside it. The pane only adds: whatever it says is also reached with
// enter or in the message row, since most windows are 80 columns wide.
func (a *app) body(h int) (lines []string, above, below int) {
	if a.dlg != nil {
		return a.dlg.view(a, h)
	}
	s := a.screen()
	lw := a.listWidth()
	lines, above, below = s.list().view(&a.th, s.rows(a, lw), lw, h)
	if a.w < paneWidth {
		return lines, above, below
	}
	const gap = 3
	pw := a.w - lw - gap
	side := layout(s.pane(a), pw+1) // no margin at the edge
	if len(side) > h {
		side = append(side[:h-1], row{line: toned(faint, "...")})
	}
	for i, r := range side {
		for len(lines) <= i {
			lines = append(lines, "")
		}
		fill := strings.Repeat(" ", max(0, lw+gap-width(lines[i])))
		if side := r.line.draw(&a.th, pw); side != "" {
			lines[i] += fill + side
		}
	}
	return lines, above, below
}

// tabs is the first row. The tab in view stands in brackets; one with unsaved changes has a star.
func (a *app) tabs() string {
	names := []struct {
		on          place
		full, short string
	}{
		{onDetails, "1 Details", "1 Details"},
		{onConnection, "2 Connection", "2 Connect"},
		{onConfiguration, "3 Configuration", "3 Config"},
		{onExport, "4 Export", "4 Export"},
		{onActivity, "a Activity", "a Activity"},
	}
	l := line{{" ", plain}}
	if a.w >= fullWidth {
		l = line{{" cartiger ", strong}}
	}
	for _, n := range names {
		// The star has its blank beforehand, so that the tabs stay where they are when a change is made.
		name := n.full
		if a.w < fullWidth {
			name = n.short
		}
		star := " "
		if n.on != onActivity && a.draft.count(n.on) > 0 {
			star = "*"
		}
		switch {
		case n.on == a.at:
			l = l.and(span{"[" + name, accent}, span{strings.TrimSpace(star), warn}, span{"]", accent}, span{strings.Repeat(" ", 1-len(strings.TrimSpace(star))), plain})
		default:
			l = l.and(span{" " + name, plain}, span{star, warn}, span{" ", plain})
		}
	}
	return l.draw(&a.th, a.w)
}

const maxMessage = 3 // rows

// said is an answer to the last key, or what the editor asks for, broken into the rows that it needs: it can be read to
// its end in a narrow window too.
func (a *app) said() []string {
	n := a.note
	if n.text == "" && a.dlg == nil && a.ed != nil {
		n.text = a.ed.hint
	}
	if n.text == "" {
		return nil
	}
	lines := wrap(n.text, a.w-1)
	// The rest goes into the last row, which cuts it with an ellipsis: what is missing is seen to be missing.
	if len(lines) > maxMessage {
		lines = append(lines[:maxMessage-1], strings.Join(lines[maxMessage-1:], " "))
	}
	return lines
}

// message is what stands above the keys: what is said, else the filter being typed, else a hint in one row.
func (a *app) message() []string {
	said := a.said()
	for i, l := range said {
		said[i] = line{{" ", plain}, {l, a.note.tone}}.draw(&a.th, a.w)
	}
	switch {
	case said != nil:
		return said
	case a.dlg != nil:
		return []string{""}
	case a.find != nil:
		return []string{line{{" find: ", plain}}.and(a.find.field(&a.th, 30)...).and(span{"  enter keeps it, esc drops it", faint}).draw(&a.th, a.w)}
	}
	n := a.screen().hint(a)
	return []string{line{{" ", plain}, {n.text, n.tone}}.draw(&a.th, a.w)}
}
