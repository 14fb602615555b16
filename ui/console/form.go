package console

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
)

// choice is one value of a list.
type choice struct {
	value, label string
	note         string // shown beside the label, not part of the value
}

// editor is a value being edited in place, in the row with its id. It holds what is typed; only taking it (enter)
// tells the screen, through done.
type editor struct {
	row     string
	hint    string // shown in the message row while editing
	input   textinput.Model
	secret  bool
	allow   func(r rune, first bool) bool // characters refused at the key; nil = all
	rule    string                        // said when one is refused
	check   func(value string) error      // said when the value is taken
	step    func(value string, by int) string
	listed  bool // a list of choices instead of typing
	choices []choice
	at      int
	// search asks the CRM for records that the typed text names; they become the choices.
	search   func(ctx context.Context, text string) ([]engine.Choice, error)
	searched string // the text the choices answer
	optional bool   // an empty value is one
	busy     bool
	done     func(a *app, value, label string) tea.Cmd
}

const maxTyped = 250 // characters; no setting or CRM field that is typed here is longer

func newInput(value string) textinput.Model {
	in := textinput.New()
	in.CharLimit = maxTyped
	in.SetValue(value)
	in.CursorEnd()
	// Focus switches the keys on; its command would make the cursor blink, which costs bytes all day long.
	_ = in.Focus()
	in.KeyMap.Paste = key.NewBinding() // the clipboard of the machine the console runs on is nobody's business; the terminal pastes
	return in
}

// typing edits text. A secret starts empty and is never drawn.
func typing(row, value string, secret bool) *editor {
	// The console has only a mark in place of a saved secret, and must not offer that for editing.
	if secret {
		value = ""
	}
	return &editor{row: row, input: newInput(value), secret: secret}
}

// choosing edits a value by choosing from a list.
func choosing(row, value string, choices []choice) *editor {
	// A value that is not in the list (a picklist that has lost it) leaves the cursor on the first choice.
	at := slices.IndexFunc(choices, func(c choice) bool { return c.value == value })
	return &editor{row: row, listed: true, choices: choices, at: max(at, 0)}
}

var numberShape = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// typedField is the editor for a mandatory field's default, by the field's type (rules.md 6).
func typedField(row, value string, f engine.MandatoryField) *editor {
	switch f.Type {
	case "boolean":
		return choosing(row, value, []choice{{"1", "yes", ""}, {"0", "no", ""}})
	case "picklist":
		var list []choice
		for _, v := range f.Values {
			list = append(list, choice{v, v, ""})
		}
		return choosing(row, value, list)
	case "date":
		return dateEditor(row, value)
	case "number":
		ed := typing(row, strings.TrimPrefix(value, "--None--"), false)
		ed.allow = func(r rune, first bool) bool { return r >= '0' && r <= '9' || r == '.' || r == '-' && first }
		ed.rule = "A number: digits, with a point before decimals, such as 12 or -3.50."
		ed.hint = ed.rule
		ed.check = func(v string) error {
			if !numberShape.MatchString(v) {
				return fmt.Errorf("%q is not a number. %s", v, ed.rule)
			}
			return nil
		}
		return ed
	}
	return typing(row, value, false)
}

// dateEditor edits a day as the CRM and the command line write it.
func dateEditor(row, value string) *editor {
	// What is no date yet ("--None--") would have to be deleted letter by letter.
	if _, err := time.Parse(time.DateOnly, value); err != nil {
		value = ""
	}
	ed := typing(row, value, false)
	ed.input.CharLimit = len(time.DateOnly)
	ed.rule = "A date is written year-month-day, such as 2026-01-31."
	ed.hint = ed.rule + " Up and down change it by a day."
	ed.allow = func(r rune, _ bool) bool { return r >= '0' && r <= '9' || r == '-' }
	ed.check = func(v string) error {
		if _, err := time.Parse(time.DateOnly, v); err != nil {
			return fmt.Errorf("%q is no date. %s", v, ed.rule)
		}
		return nil
	}
	ed.step = func(v string, by int) string {
		day, err := time.Parse(time.DateOnly, v)
		if err != nil {
			return v
		}
		return day.AddDate(0, 0, by).Format(time.DateOnly)
	}
	return ed
}

// searching makes the value a record of the CRM: found by a part of its name, or given by its id.
func (ed *editor) searching(a *app, modules []string) {
	ed.hint = "Type a part of the name in " + strings.Join(modules, " or ") + "; enter searches the CRM. An id such as 3x14 is taken as it is."
	eng := a.eng
	ed.search = func(ctx context.Context, words string) ([]engine.Choice, error) {
		var all []engine.Choice
		for _, m := range modules {
			found, err := eng.SearchReference(ctx, m, words)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
		return all, nil
	}
}

var idShape = regexp.MustCompile(`^[0-9]+x[0-9]+$`)

// place says who gets the keys.
func (ed *editor) place() place {
	if ed.listed {
		return inChoice
	}
	return inText
}

// value is what stands in the editor now.
func (ed *editor) value() string {
	if ed.listed {
		if ed.at < len(ed.choices) {
			return ed.choices[ed.at].value
		}
		return ""
	}
	return ed.input.Value()
}

// key handles a key. The message is for the message row; closed ends the editing, and the command comes from done.
func (ed *editor) key(a *app, msg tea.KeyMsg) (cmd tea.Cmd, message string, closed bool) {
	act := actionOf(msg, ed.place())
	switch act {
	case back:
		return nil, "", true
	case open:
		return ed.take(a)
	case help:
		a.help()
		return nil, "", false
	case up, down, pageUp, pageDown, top, bottom:
		by := map[action]int{up: -1, down: 1, pageUp: -maxListed, pageDown: maxListed, top: -len(ed.choices), bottom: len(ed.choices)}[act]
		if ed.step != nil {
			// Up is a later day: a list goes down with up, a figure goes up.
			ed.input.SetValue(ed.step(ed.input.Value(), -by))
			ed.input.CursorEnd()
			return nil, "", false
		}
		if len(ed.choices) == 0 {
			return nil, "enter takes what is typed, esc leaves it as it was.", false
		}
		ed.at = min(max(ed.at+by, 0), len(ed.choices)-1)
		return nil, "", false
	}
	if ed.listed {
		return nil, ed.jump(msg), false
	}
	if msg.Type == tea.KeyRunes || msg.Type == tea.KeySpace {
		var refused bool
		// At the key (rules.md 6): what was refused at the end would have to be found in what was typed.
		msg, refused = ed.allowed(msg)
		if refused {
			message = "Not allowed here. " + sentence(ed.rule)
		}
		if len(msg.Runes) == 0 {
			return nil, message, false
		}
	}
	ed.input, _ = ed.input.Update(msg)
	return nil, message, false
}

// jump goes to the next choice that begins with a letter, and says when there is none.
func (ed *editor) jump(msg tea.KeyMsg) string {
	want := strings.ToLower(string(msg.Runes))
	for i := range ed.choices {
		at := (ed.at + 1 + i) % len(ed.choices)
		if want != "" && strings.HasPrefix(strings.ToLower(clean(ed.choices[at].label)), want) {
			ed.at = at
			return ""
		}
	}
	return "Up and down choose, enter takes, esc leaves it as it was; a letter goes to what begins with it."
}

// allowed drops the characters that the rule forbids, from a key or from pasted text.
func (ed *editor) allowed(msg tea.KeyMsg) (tea.KeyMsg, bool) {
	if ed.allow == nil {
		return msg, false
	}
	var kept []rune
	first := ed.input.Position() == 0
	for _, r := range msg.Runes {
		if ed.allow(r, first) {
			kept = append(kept, r)
			first = false
		}
	}
	refused := len(kept) < len(msg.Runes)
	msg.Runes = kept
	return msg, refused
}

// take is enter: it gives the value to the screen if it may be one. In a search enter has two steps, first to search
// and then to take the choice; an edited text begins with the first again, or enter would take a record that the text
// does not name.
func (ed *editor) take(a *app) (tea.Cmd, string, bool) {
	value, label := ed.value(), ""
	switch {
	case ed.search != nil && (idShape.MatchString(strings.TrimSpace(value)) || value == "" && ed.optional):
		value = strings.TrimSpace(value)
	case ed.search != nil && (ed.searched != ed.input.Value() || len(ed.choices) == 0):
		return ed.find(a), "", false
	case ed.search != nil:
		value, label = ed.choices[ed.at].value, ed.choices[ed.at].label
	case ed.listed && len(ed.choices) == 0:
		return nil, "The list is empty.", true
	case ed.listed:
		label = ed.choices[ed.at].label
	case ed.check != nil:
		if err := ed.check(value); err != nil {
			return nil, describe(err), false
		}
	}
	return ed.done(a, value, label), "", true
}

// foundEvent brings the records a search found.
type foundEvent struct {
	ed      *editor
	text    string
	choices []engine.Choice
	err     error
}

// find asks the CRM, with enter and not while typing: each question is a request to a server that others use as well.
func (ed *editor) find(a *app) tea.Cmd {
	words := strings.TrimSpace(ed.input.Value())
	if words == "" {
		a.say(warn, "Type a part of the record's name; enter searches the CRM.")
		return nil
	}
	ed.busy = true
	typed := ed.input.Value()
	return a.jobs.do(func(ctx context.Context) event {
		found, err := ed.search(ctx, words)
		return foundEvent{ed, typed, found, err}
	})
}

func (e foundEvent) apply(a *app) tea.Cmd {
	if a.ed != e.ed {
		return nil // the person has left the field
	}
	e.ed.busy = false
	if e.err != nil {
		a.fail("search the CRM", e.err)
		return nil
	}
	e.ed.choices, e.ed.at, e.ed.searched = nil, 0, e.text
	for _, c := range e.choices {
		e.ed.choices = append(e.ed.choices, choice{c.ID, c.Label, c.ID})
	}
	if len(e.ed.choices) == 0 {
		a.say(warn, "The CRM has no record by that name.")
	} else {
		a.say(plain, "Up and down choose, enter takes it.")
	}
	return nil
}

// field draws the value in w cells: "[Bon de commande no___]". A list shows its choice and a mark that it opens.
func (ed *editor) field(th *theme, w int) line {
	w = max(w-2, 4)
	if ed.listed {
		label := "(nothing)"
		if ed.at < len(ed.choices) {
			label = ed.choices[ed.at].label
		}
		return line{{"[", accent}, {pad(clean(label), w-2), strong}, {" v", accent}, {"]", accent}}
	}
	runes := []rune(ed.input.Value())
	if ed.secret {
		runes = []rune(strings.Repeat("*", len(runes)))
	}
	pos := ed.input.Position()
	// The text scrolls inside the field so that the cursor, one cell wide, is always seen.
	start := 0
	for start < pos && width(string(runes[start:pos])) > w-1 {
		start++
	}
	before := string(runes[start:pos])
	rest := runes[pos:]
	at, after := "_", ""
	if len(rest) > 0 {
		at, after = string(rest[0]), string(rest[1:])
	}
	tail := w - width(before) - width(at)
	// Without colours there is no reverse video either: a bar stands before the character under the cursor.
	if !th.color && len(rest) > 0 {
		at = "|" + at
		tail--
	}
	after = ansiCutHard(after, tail)
	l := line{{"[", accent}, {before, strong}, {at, under}, {after, strong}}
	return l.and(span{strings.Repeat("_", max(0, tail-width(after))), faint}, span{"]", accent})
}

// ansiCutHard cuts without an ellipsis: inside a field one would look like a typed character.
func ansiCutHard(s string, w int) string {
	for width(s) > max(w, 0) {
		r := []rune(s)
		s = string(r[:len(r)-1])
	}
	return s
}

const maxListed = 8 // rows of an open list

// list draws the open list under its row, at most maxListed rows around the choice.
func (ed *editor) list(indent int) []row {
	if ed.busy {
		return []row{{kids: true, line: line{{strings.Repeat(" ", indent) + "searching the CRM ...", faint}}}}
	}
	if len(ed.choices) == 0 {
		return nil
	}
	start := min(max(0, ed.at-maxListed/2), max(0, len(ed.choices)-maxListed))
	end := min(len(ed.choices), start+maxListed)
	var rows []row
	for i := start; i < end; i++ {
		c := ed.choices[i]
		mark, t := "  ", plain
		if i == ed.at {
			mark, t = "> ", accent
		}
		l := line{{strings.Repeat(" ", indent) + mark, accent}, {c.label, t}}
		if c.note != "" {
			l = l.and(span{"  " + c.note, faint})
		}
		if i == end-1 && len(ed.choices) > maxListed {
			l = l.and(span{fmt.Sprintf("   %d of %d", ed.at+1, len(ed.choices)), faint})
		}
		rows = append(rows, row{kids: true, line: l})
	}
	return rows
}
