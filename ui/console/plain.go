package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/ui/term"
)

// lines is the console without a screen: the same app, told by lines and telling by lines. What a key does on the
// screen, its name does here: "3", "l", "enter 5" for the line with the number 5. Each change is one new line, so it
// suits screen readers, terminals that cannot move their cursor, and logs.
type lines struct {
	a     *app
	out   io.Writer
	inbox chan tea.Msg

	prompt  string // on the screen, with nothing behind it yet
	asked   bool   // a line was asked for and has not come
	shown   place
	dlg     *dialog
	ed      *editor
	listed  int // choices of the editor that have been printed
	note    note
	steps   int
	entry   int64 // last line of the log that was printed
	started bool
}

// The line mode has no edges: the width of the terminal, but below that of the detail pane, and rows without end.
const (
	lineWidth  = paneWidth - 1
	lineHeight = 1 << 16
)

// typedLine is a line a person has typed, or the end of the input.
type typedLine struct {
	text string
	err  error
}

func runPlain(ctx context.Context, a *app, o Options, cols int) error {
	u := &lines{a: a, out: o.Out, inbox: make(chan tea.Msg)}
	a.th.color = false
	a.w, a.h = lineWidth, lineHeight
	if cols > 0 {
		a.w = min(max(cols, minWidth), lineWidth)
	}
	restore := term.Keep(o.In)
	defer restore() // the end may come while a key is being typed
	wanted, typed := make(chan struct{}), make(chan typedLine)
	defer close(wanted)
	// This goroutine outlives the console while it waits for a line: a read of a terminal cannot be taken back.
	go func() {
		for range wanted {
			text, err := readLine(o.In)
			select {
			case typed <- typedLine{text, err}:
			case <-a.jobs.ctx.Done():
				return
			}
		}
	}()
	u.say("cartiger, line by line. Type a key and enter; ? lists the keys, enter alone shows the screen again.")
	u.start(a.Init())
	for {
		u.tell()
		if a.quitting {
			return a.unread
		}
		// Words that came meanwhile have ended the prompt's line; while a run goes on telling, each would bring it
		// again.
		if u.asked && u.prompt == "" && u.idle() {
			u.ask() // again, below what was told meanwhile
		}
		if !u.asked && !u.busy() {
			if a.ed != nil && a.ed.secret {
				term.Hush(o.In) // before the prompt: who types fast must not see the key either
			}
			u.ask()
			u.asked = true
			wanted <- struct{}{}
		}
		select {
		case msg := <-u.inbox:
			u.update(msg)
		case l := <-typed:
			restore()
			u.asked, u.prompt = false, ""
			// The end of the input is a hang-up: what runs ends cleanly, then the loop ends by quitting.
			if l.err != nil {
				u.start(a.leave())
				u.update(nil)
				continue
			}
			u.typed(strings.TrimSpace(l.text))
		case <-ctx.Done():
			u.say("Stopping: records in flight are being finished ...")
			a.jobs.close()
			return context.Cause(ctx)
		}
	}
}

// readLine reads a line byte by byte: what was typed ahead stays in the terminal, for a prompt that hides it.
func readLine(r io.Reader) (string, error) {
	var b []byte
	one := make([]byte, 1)
	for len(b) < 1<<16 {
		n, err := r.Read(one)
		if n == 1 && one[0] == '\n' {
			break
		}
		b = append(b, one[:n]...)
		if err != nil {
			if errors.Is(err, io.EOF) && len(b) > 0 {
				break
			}
			return "", err
		}
	}
	return strings.TrimRight(string(b), "\r"), nil
}

// start runs a command as Bubble Tea does.
func (u *lines) start(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	go func() {
		switch msg := cmd().(type) {
		case nil:
		case tea.BatchMsg:
			for _, c := range msg {
				u.start(c)
			}
		default:
			select {
			case u.inbox <- msg:
			case <-u.a.jobs.ctx.Done():
			}
		}
	}()
}

// update gives a message to the same Update as the screen's, so that there is one set of rules for keys.
func (u *lines) update(msg tea.Msg) {
	if _, ok := msg.(tea.QuitMsg); ok {
		u.a.quitting = true
		return
	}
	_, cmd := u.a.Update(msg)
	u.start(cmd)
}

// press is a key of the screen that a line stands for.
func (u *lines) press(key tea.KeyType, runes ...rune) {
	u.update(tea.KeyMsg{Type: key, Runes: runes})
}

// busy says that an answer is on its way that the next question depends on.
func (u *lines) busy() bool {
	a := u.a
	return !a.ready || a.saving || a.details.asking || a.connection.testing || a.connection.loading || a.configuration.loading || a.configuration.linking ||
		a.export.checking || a.dlg != nil && a.dlg.busy || a.ed != nil && a.ed.busy || a.leaving
}

// idle says that nothing runs that would tell more at once.
func (u *lines) idle() bool {
	_, active := u.a.live.running()
	return !active && len(u.a.own) == 0 && !u.busy()
}

// say prints one line.
func (u *lines) say(s string) {
	if u.prompt != "" {
		u.prompt = ""
		_, _ = fmt.Fprintln(u.out)
	}
	_, _ = fmt.Fprintln(u.out, s)
}

// tell prints what has changed since the last time.
func (u *lines) tell() {
	a := u.a
	if !a.ready {
		return
	}
	if a.note != u.note && a.note.text != "" {
		u.say(clean(a.note.text))
	}
	u.note = a.note
	for ; u.steps < len(a.connection.steps); u.steps++ {
		s := a.connection.steps[u.steps]
		if s.Err != nil {
			u.say(clean(fmt.Sprintf("%d %s FAILED: %s", u.steps+1, s.Name, describe(s.Err))))
		} else {
			u.say(clean(fmt.Sprintf("%d %s ok %s", u.steps+1, s.Name, took(s.Took))))
		}
	}
	u.steps = len(a.connection.steps)
	if a.live.read && !u.started {
		u.started, u.entry = true, a.live.lastID
	}
	// Not from recent, which skips: a line mode that leaves lines out tells a wrong story.
	for _, e := range a.live.entries {
		if u.started && e.ID > u.entry {
			u.say(strings.Join(strings.Fields(entryLine(e, e.At.Local().Format(time.TimeOnly), 1<<12).String()), " "))
			u.entry = e.ID
		}
	}
	switch {
	case a.dlg != nil && a.dlg != u.dlg && !a.dlg.busy:
		u.dlg = a.dlg
		u.say(clean(a.dlg.title))
		for _, r := range layout(a.dlg.rows, a.w) {
			u.say(r.line.String())
		}
		// A page that is printed has been shown; nobody has to leave it.
		if a.dlg.at == inPage {
			u.press(tea.KeyEsc)
		}
	case a.at != u.shown && !u.busy() && a.dlg == nil:
		u.show()
	}
}

// rows are the lines of the screen in view. Nothing is left out of them in a narrow terminal, which breaks them itself.
func (u *lines) rows() []row {
	s := u.a.screen()
	return s.list().matching(s.rows(u.a, max(u.a.w-2, fullWidth))) // a number stands before each
}

// show prints the screen in view, its lines numbered.
func (u *lines) show() {
	a := u.a
	u.shown = a.at
	s := a.screen()
	u.say(strings.TrimSpace(a.tabs()))
	if words := a.standing(); words != "" {
		u.say(words)
	}
	n := 0
	for _, r := range u.rows() {
		number := "    "
		if r.id != "" {
			n++
			number = padLeft(strconv.Itoa(n), 3) + " "
		}
		u.say(strings.TrimRight(number+r.line.String(), " "))
	}
	if h := s.hint(a); h.text != "" {
		u.say(clean(h.text))
	}
}

// ask prints what is wanted now.
func (u *lines) ask() {
	a := u.a
	prompt := "key: "
	switch ed := a.ed; {
	case a.dlg != nil:
		prompt = "y or n: "
	case ed != nil && len(ed.choices) > 0:
		if u.ed != ed || u.listed != len(ed.choices) {
			u.ed, u.listed = ed, len(ed.choices)
			for i, c := range ed.choices {
				u.say(strings.TrimRight(fmt.Sprintf("%3d %s  %s", i+1, clean(c.label), clean(c.note)), " "))
			}
		}
		prompt = fmt.Sprintf("number (enter alone: %s): ", clean(ed.choices[ed.at].label))
		if ed.search != nil {
			prompt = "number, or another name to search: "
		}
	case ed != nil && ed.search != nil:
		prompt = "name to search (enter alone leaves): "
	case ed != nil && ed.secret:
		prompt = "value, not shown (enter alone leaves it): "
	case ed != nil:
		prompt = "value (enter alone: " + orNone(clean(ed.value())) + "; - makes it empty): "
	}
	_, _ = fmt.Fprint(u.out, prompt)
	u.prompt = prompt
}

// typed does what a line says.
func (u *lines) typed(text string) {
	a := u.a
	a.clear()
	u.note = note{}
	switch ed := a.ed; {
	case a.dlg != nil:
		u.answer(text)
	case ed != nil && ed.search != nil:
		u.changing(func() { u.search(ed, text) })
	case ed != nil && ed.listed:
		if i, ok := numbered(text, len(ed.choices)); ok {
			ed.at = i
		} else if text != "" {
			u.say("A number from 1 to " + strconv.Itoa(len(ed.choices)) + ".")
			return
		}
		u.changing(func() { u.press(tea.KeyEnter) })
	case ed != nil:
		u.changing(func() { u.value(ed, text) })
	case text == "":
		u.show()
	case strings.HasPrefix(text, "/"):
		a.screen().list().filter = strings.TrimSpace(text[1:])
		u.show()
	default:
		u.command(text)
	}
}

// answer gives a line to the question. One that is no answer leaves the question open; it is not printed again.
func (u *lines) answer(text string) {
	msg, ok := keyNamed(text)
	if !ok {
		msg = tea.KeyMsg{Type: tea.KeyEnter} // which says what y and n do
	}
	u.update(msg)
	if u.a.dlg == u.dlg && u.a.dlg != nil {
		return
	}
	u.dlg = nil
}

// value takes a typed value as a whole, or says why it is not allowed.
func (u *lines) value(ed *editor, text string) {
	switch {
	// Enter alone leaves things as they are, as the prompt says; emptying a value needs its own sign.
	case text == "" && !ed.secret && ed.value() != "":
		u.press(tea.KeyEnter) // as it was
		return
	case text == "":
		u.press(tea.KeyEsc)
		return
	case text == "-" && !ed.secret:
		text = ""
	}
	if _, refused := ed.allowed(tea.KeyMsg{Runes: []rune(text)}); refused {
		u.say("Not allowed here. " + sentence(ed.rule))
		return
	}
	ed.input.SetValue(text)
	u.press(tea.KeyEnter)
}

// search takes a number for a choice and anything else for another name.
func (u *lines) search(ed *editor, text string) {
	if text == "" {
		u.press(tea.KeyEsc)
		return
	}
	if i, ok := numbered(text, len(ed.choices)); ok {
		ed.at = i
	} else {
		ed.input.SetValue(text)
		ed.choices = nil
	}
	u.press(tea.KeyEnter)
}

// numbered reads a number of a printed list, which begins at 1, as an index.
func numbered(text string, n int) (int, bool) {
	i, err := strconv.Atoi(text)
	return i - 1, err == nil && i >= 1 && i <= n
}

// command is a key's name, and for keys that act on a line its number.
func (u *lines) command(text string) {
	a := u.a
	name, rest, _ := strings.Cut(text, " ")
	msg, ok := keyNamed(name)
	if !ok || actionOf(msg, anyScreen) == noAction {
		u.say("No key is called " + strconv.Quote(clean(name)) + ". ? lists them.")
		return
	}
	if rest != "" {
		s := a.screen()
		ids := stops(u.rows())
		i, ok := numbered(strings.TrimSpace(rest), len(ids))
		if !ok {
			u.say("Lines are numbered from 1 to " + strconv.Itoa(len(ids)) + " here.")
			return
		}
		s.list().cursor, s.list().moved = ids[i], true
	}
	// Their effect is only seen on a screen.
	if slices.Contains([]action{up, down, top, bottom, pageUp, pageDown, filter}, actionOf(msg, a.at)) {
		u.say("Lines have numbers here: type a key and the number, such as enter 3. /text shows only the lines that hold a text.")
		return
	}
	before := a.at
	u.changing(func() { u.update(msg) })
	if a.at != before {
		u.shown = 0
	}
}

// changing does something and then prints the line under the cursor, if that made or dropped an unsaved change of it.
func (u *lines) changing(do func()) {
	s := u.a.screen()
	was, had := u.a.draft.of(s.list().cursor)
	do()
	is, has := u.a.draft.of(s.list().cursor)
	if u.a.screen() != s || had == has && was.value == is.value && was.to == is.to {
		return
	}
	for _, r := range u.rows() {
		if r.id == s.list().cursor {
			u.say(strings.TrimSpace(r.line.String()))
		}
	}
}

// keyNamed is the key that a word names.
func keyNamed(name string) (tea.KeyMsg, bool) {
	if r := []rune(name); len(r) == 1 {
		return tea.KeyMsg{Type: tea.KeyRunes, Runes: r}, true
	}
	types := map[string]tea.KeyMsg{
		"enter": {Type: tea.KeyEnter}, "esc": {Type: tea.KeyEsc}, "tab": {Type: tea.KeyTab}, "shift+tab": {Type: tea.KeyShiftTab},
		"space": {Type: tea.KeySpace, Runes: []rune{' '}}, "left": {Type: tea.KeyLeft}, "right": {Type: tea.KeyRight},
		"yes": {Type: tea.KeyRunes, Runes: []rune{'y'}}, "no": {Type: tea.KeyRunes, Runes: []rune{'n'}},
	}
	msg, ok := types[strings.ToLower(name)]
	return msg, ok
}
