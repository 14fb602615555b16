package console

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/problem"
)

// dialog is a page over the screen: something to read, or a question. It takes the keys first.
type dialog struct {
	title string
	rows  []row
	top   int
	at    place
	busy  bool                 // a page that is still being made
	run   func(a *app) tea.Cmd // what y does
	left  func(a *app) tea.Cmd // what leaving the question without y does; nil = nothing
	also  map[action]func(a *app) tea.Cmd
	under *dialog // what the page of all keys lies over
}

// question is a dialog that only y answers with yes: enter never does what cannot be undone.
type question struct {
	title string
	rows  []row
	run   func(a *app) tea.Cmd
	left  func(a *app) tea.Cmd
	also  map[action]func(a *app) tea.Cmd
}

// ask opens a question. What was said before belongs to the screen below it.
func (a *app) ask(q question) {
	a.dlg = &dialog{title: q.title, rows: q.rows, at: inConfirm, run: q.run, left: q.left, also: q.also}
	a.clear()
}

// page opens something to read; enter leaves it too, because nothing on it is decided.
func (a *app) page(title string, rows []row) {
	a.dlg = &dialog{title: title, rows: rows, at: inPage}
	a.clear()
}

// help shows all keys over whatever is in view.
func (a *app) help() {
	// A page of keys over itself would need as many esc as it was asked for.
	if a.dlg != nil && a.dlg.title == keysTitle {
		return
	}
	a.dlg = &dialog{title: keysTitle, rows: keyPage(a.place()), at: inPage, under: a.dlg}
	a.clear()
}

const keysTitle = "All keys"

// key handles a key of the dialog.
func (d *dialog) key(a *app, act action) tea.Cmd {
	// Closed before, here and on y: what follows may open a dialog of its own.
	if do := d.also[act]; do != nil {
		a.dlg = nil
		return do(a)
	}
	switch act {
	case yes:
		a.dlg = nil
		return d.run(a)
	case help:
		a.help()
	case no, back:
		a.dlg = d.under
		a.clear()
		if d.left != nil {
			return d.left(a)
		}
	case open:
		a.say(plain, "y does it, esc leaves things as they are.")
	case up, down, pageUp, pageDown, top, bottom:
		h := a.bodyHeight() - 2
		by := map[action]int{up: -1, down: 1, pageUp: -h, pageDown: h, top: -1 << 20, bottom: 1 << 20}[act]
		// Bounded by the rows as laid out in this width: a page never scrolls past its last row.
		most := max(0, len(layout(d.rows, a.w-2))-h)
		d.top = min(max(d.top+by, 0), most)
	case retry:
		a.say(plain, "There is nothing to retry on this page.")
	}
	return nil
}

// view draws the dialog in place of the body.
func (d *dialog) view(a *app, h int) (lines []string, above, below int) {
	lines = append(lines, line{{" ", plain}, {d.title, strong}}.draw(&a.th, a.w), "")
	rows := layout(d.rows, a.w-2)
	// A wider window has fewer rows than the one it was scrolled in.
	start := min(d.top, max(0, len(rows)-1))
	end := min(len(rows), start+h-2)
	for _, r := range rows[start:end] {
		lines = append(lines, line{{" ", plain}}.and(r.line...).draw(&a.th, a.w))
	}
	return lines, start, len(rows) - end
}

// note is the message row.
type note struct {
	tone tone
	text string
	life life
}

// hintOf is a note for when there is nothing else to say.
func hintOf(t tone, text string) note { return note{tone: t, text: text} }

// life is what makes a note untrue, apart from the next key, which takes every note away.
type life uint8

const (
	lasting  life = iota
	tillRun       // the next run begins
	tillTurn      // a run begins, ends, pauses or goes on
)

// say puts a sentence into the message row; the next key takes it away.
func (a *app) say(t tone, text string) { a.note = note{tone: t, text: text} }

// sayOf is say for what a run does, or is asked to do.
func (a *app) sayOf(l life, t tone, text string) { a.note = note{t, text, l} }

// turned takes away what a run's turn has made untrue.
func (a *app) turned(begun bool) {
	if a.note.life == tillTurn || begun && a.note.life == tillRun {
		a.clear()
	}
}

func (a *app) clear() { a.note = note{} }

// describe says an error and its cure in words.
func describe(err error) string {
	if p, ok := problem.Of(err); ok {
		text := sentence(p.Words())
		if p.Cure != "" {
			text += " " + sentence(p.Cure)
		}
		return text
	}
	return sentence(err.Error())
}

// fail tells what went wrong: in the message row where it fits, on a page where it needs more room.
func (a *app) fail(doing string, errs ...error) {
	text := "! " + describe(errs[0])
	if len(errs) == 1 && width(clean(text)) < a.w && !strings.Contains(text, "\n") || !a.free() {
		a.say(bad, text)
		return
	}
	var rows []row
	for i, err := range errs {
		if i > 0 {
			rows = append(rows, row{})
		}
		p, ok := problem.Of(err)
		if !ok {
			rows = append(rows, prose(bad, "! "+describe(err)))
			continue
		}
		rows = append(rows, prose(bad, "! "+sentence(p.Error())))
		if p.Cure != "" {
			rows = append(rows, row{}, heading("What to do"), prose(plain, "  "+sentence(p.Cure)))
		}
	}
	a.page("Could not "+doing, rows)
}
