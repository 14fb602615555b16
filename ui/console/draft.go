package console

import (
	"context"
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
)

// change is one unsaved edit.
type change struct {
	// One row has one edit at most, whose id is the row's: so a second edit of a value replaces the first, and the
	// star finds its row.
	row      string // id of the row it belongs to
	on       place  // the screen of that row
	label    string // "Access key"
	from, to string // for people; of a secret never the value
	effect   string // what saving it brings, "" = nothing to say
	setting  string // name of the setting it changes, "" = none
	value    string // what the row shows: the new value
	shown    string // and its label, where that differs
	// apply saves a change that is no setting.
	apply func(ctx context.Context, e Engine) error
}

// draft is the unsaved edits of all screens, in the order they were made. They are saved together: a person sees
// all that will change before it does.
type draft struct{ changes []change }

// put adds an edit, or replaces the one of the same row.
func (d *draft) put(c change) {
	d.drop(c.row)
	d.changes = append(d.changes, c)
}

// drop takes the edit of a row away and says whether there was one.
func (d *draft) drop(row string) bool {
	n := len(d.changes)
	d.changes = slices.DeleteFunc(d.changes, func(c change) bool { return c.row == row })
	return len(d.changes) < n
}

// of finds the edit of a row.
func (d *draft) of(row string) (change, bool) {
	i := slices.IndexFunc(d.changes, func(c change) bool { return c.row == row })
	if i < 0 {
		return change{}, false
	}
	return d.changes[i], true
}

// count is how many edits a screen has.
func (d *draft) count(on place) int {
	n := 0
	for _, c := range d.changes {
		if c.on&on != 0 {
			n++
		}
	}
	return n
}

// settings are the edited settings alone.
func (d *draft) settings() map[string]string {
	set := map[string]string{}
	for _, c := range d.changes {
		if c.setting != "" {
			set[c.setting] = c.value
		}
	}
	return set
}

// star marks a row that differs from what is saved.
func (d *draft) star(row string) span {
	if _, changed := d.of(row); changed {
		return span{" *", warn}
	}
	return span{"", plain}
}

// savedEvent says which edits are saved; the others stay a draft.
type savedEvent struct {
	saved []change
	errs  []error
}

// ask shows what will change and saves it on y.
func (d *draft) ask(a *app) {
	rows := []row{}
	var effects []string
	for _, c := range d.changes {
		rows = append(rows, fact("  "+clean(c.label), 31, c.from+" -> "+c.to))
		if c.effect != "" && !slices.Contains(effects, c.effect) {
			effects = append(effects, c.effect)
		}
	}
	if len(effects) > 0 {
		rows = append(rows, row{})
		for _, e := range effects {
			rows = append(rows, prose(plain, e))
		}
	}
	if a.connection.untested(d) {
		rows = append(rows, row{}, prose(warn, "! The connection was not tested with these values: esc, then t, tests them first."))
	}
	a.ask(question{
		title: "Save " + plural(int64(len(d.changes)), "change") + "?",
		rows:  rows,
		run:   func(a *app) tea.Cmd { return a.draft.save(a) },
	})
}

func (d *draft) save(a *app) tea.Cmd {
	// The command runs beside Update, where the draft may change meanwhile: it gets its own.
	changes := slices.Clone(d.changes)
	set := d.settings()
	a.saving = true
	a.say(faint, "saving ...")
	return a.jobs.do(func(ctx context.Context) event {
		var e savedEvent
		var refused error
		// The settings go first: what follows may need the connection that they describe. Each of the others is saved
		// by itself, so that one refusal does not cost the rest.
		if len(set) > 0 {
			if refused = a.eng.Save(ctx, set); refused != nil {
				e.errs = append(e.errs, refused)
			}
		}
		for _, c := range changes {
			err := refused // the settings are saved all or none
			if c.setting == "" {
				if err = c.apply(ctx, a.eng); err != nil {
					e.errs = append(e.errs, err)
				}
			}
			if err == nil {
				e.saved = append(e.saved, c)
			}
		}
		return e
	})
}

// draftKey saves or undoes. All three work from any tab with a form, on the edits of all: two drafts with two saves
// would be easy to half forget.
func (a *app) draftKey(act action) tea.Cmd {
	n := len(a.draft.changes)
	if n == 0 {
		a.say(plain, "Nothing is unsaved.")
		return nil
	}
	switch act {
	case save:
		a.draft.ask(a)
	case undo:
		// No question for one change: it is easily made again. All of them at once are asked about.
		last := a.draft.changes[n-1]
		a.draft.drop(last.row)
		a.say(plain, fmt.Sprintf("%s is as it was saved. Unsaved changes left: %d.", last.label, n-1))
	case undoAll:
		a.ask(question{
			title: "Drop " + plural(int64(n), "unsaved change") + "?",
			rows:  []row{prose(plain, "What was typed is gone then; what is saved stays as it is.")},
			run: func(a *app) tea.Cmd {
				a.draft.changes = nil
				a.say(plain, "All unsaved changes are dropped.")
				return nil
			},
		})
	}
	return nil
}

func (e savedEvent) apply(a *app) tea.Cmd {
	// first is read before the settings are: afterwards nothing is missing any more.
	reconnect, linked, first := false, false, len(a.settings.Missing()) > 0
	for _, c := range e.saved {
		reconnect = reconnect || c.on == onConnection && c.setting != ""
		linked = linked || strings.HasPrefix(c.row, "link:") && c.value != "0"
		if now, ok := a.draft.of(c.row); ok && now.value == c.value && now.to == c.to {
			a.draft.drop(c.row) // unless it was edited again meanwhile
		}
	}
	words := "Saved: " + plural(int64(len(e.saved)), "change") + "."
	switch {
	case len(e.errs) > 0:
		a.fail("save everything", e.errs...)
	case linked && a.heldFor("") > 0:
		a.say(good, words+" Held orders go by themselves while the shop is followed; R on 4 Export retries them now.")
	default:
		a.say(good, words)
	}
	// Other settings can mean another CRM, with other fields, currencies and statuses.
	a.connection.stale, a.configuration.stale = true, true
	// What the screens show depends on the settings: they are read first.
	return a.readSettingsThen(func(a *app) tea.Cmd {
		a.saving = false
		cmds := []tea.Cmd{a.screen().show(a)}
		if !reconnect {
			cmds = append(cmds, a.details.outdated(a))
		} else {
			cmds = append(cmds, a.details.askThen(a, func(a *app) tea.Cmd {
				if !first || len(a.settings.Missing()) > 0 || a.details.broken() {
					return nil
				}
				// At the first connection the currencies are linked (rules.md 5), after showing how.
				return a.configuration.proposal(a, false)
			}))
		}
		return tea.Batch(cmds...)
	})
}
