package console

import (
	"context"
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
)

// titles are the words for the settings where their name alone would say too little.
var titles = map[string]string{
	engine.CRMURL:          "vtiger CRM URL",
	engine.CRMUser:         "CRM user name",
	engine.CRMKey:          "CRM access key",
	engine.ShopURL:         "PrestaShop URL",
	engine.ShopKey:         "PrestaShop key",
	engine.CRMCA:           "CRM's CA file",
	engine.ShopCA:          "Shop's CA file",
	engine.ShopPlainKey:    "Key in the URL",
	engine.CRMOwner:        "Owner of records",
	engine.CRMWorkers:      "Workers",
	engine.CreateAccount:   "Create Account",
	engine.CreatePotential: "Create Potential",
	engine.OrderPrefix:     "Sales order prefix",
	engine.PotentialPrefix: "Potentials prefix",
	engine.SharedAccount:   "Shared account",
	engine.OrderKeyField:   "Order key field",
	engine.MissingProduct:  "Missing product",
	engine.PromotedLead:    "Promoted Lead",
	engine.StatusNames:     "Status names",
	engine.ProductEdits:    "Product edits",
	engine.CustomerEdits:   "Customer edits",
	engine.AddressEdits:    "Address edits",
	engine.WatchInterval:   "Watch interval",
}

// title is how a setting is called on every screen.
func title(setting string) string {
	if t := titles[setting]; t != "" {
		return t
	}
	return setting
}

// fromEnvironment names the variable that fixes a setting: what is typed here would not count.
func (a *app) fromEnvironment(setting string) string {
	s, _ := engine.FindSetting(setting)
	if s.Env == "" {
		return ""
	}
	for _, name := range []string{s.Env, s.Env + "_FILE"} {
		// Only keys may come from a file.
		if (name == s.Env || s.Secret) && a.opt.Environ(name) != "" {
			return name
		}
	}
	return ""
}

// settingValue is the value cell of a setting's row: the value, or the editor while it is edited.
func (a *app) settingValue(name string, w int) line {
	id := "setting:" + name
	s, _ := engine.FindSetting(name)
	if a.ed != nil && a.ed.row == id {
		return a.ed.field(&a.th, min(w-2, 60))
	}
	v := a.value(name)
	_, changed := a.draft.of(id)
	switch {
	case s.Secret && changed:
		return line{{strings.Repeat("*", min(len([]rune(v)), w)), plain}}
	// Always so many stars: the length of a key says something about it.
	case s.Secret && v != "":
		return line{{"************ (set)", plain}}
	case v == "":
		return line{{"(empty)", faint}}
	}
	return line{{cut(clean(v), w), plain}}
}

const helpColumn = 41 // a word of help beside short values

// settingRow is a setting: title, value or editor, mark, and a word of help where there is room.
func (a *app) settingRow(setting, name, help string, w int) []row {
	id := "setting:" + setting
	l := line{{pad(name, 18) + "  ", plain}}
	value := a.settingValue(setting, w-2-20-2)
	l = l.and(value...).and(a.draft.star(id))
	if env := a.fromEnvironment(setting); env != "" {
		help = "from " + env
	}
	if at := max(width(l.String())+2, helpColumn); help != "" && at+width(help) <= w-2 {
		l = l.and(span{strings.Repeat(" ", at-width(l.String())) + help, faint})
	}
	rows := []row{{id: id, line: l}}
	if a.ed != nil && a.ed.row == id {
		rows = append(rows, a.ed.list(20)...)
	}
	return rows
}

// editSetting opens the editor of a setting, or switches it where it has two values.
func (a *app) editSetting(name string, on place, act action) (tea.Cmd, string) {
	s, ok := engine.FindSetting(name)
	if !ok {
		return nil, ""
	}
	if env := a.fromEnvironment(name); env != "" {
		// The environment wins over the state file: an edit would be saved and change nothing.
		return nil, title(name) + " comes from the environment (" + env + "), which wins over what is saved: change it there."
	}
	id := "setting:" + name
	if slices.Equal(s.Choices, []string{"on", "off"}) {
		a.putSetting(s, on, map[string]string{"on": "off", "off": "on"}[a.value(name)])
		return nil, ""
	}
	if act == toggle {
		return nil, "space switches check boxes; enter edits this line."
	}
	var ed *editor
	if s.Choices != nil {
		var list []choice
		for _, v := range s.Choices {
			list = append(list, choice{v, v, ""})
		}
		ed = choosing(id, a.value(name), list)
	} else {
		ed = typing(id, a.value(name), s.Secret)
		// What is pasted often has a blank at its end, and no value but a prefix can mean one.
		ed.check = func(v string) error { return s.Check(strings.TrimSpace(v)) }
		ed.hint = sentence(s.Meaning)
		ed.rule = s.Rule
		switch {
		case s.Secret:
			ed.hint = sentence(s.Meaning) + " What is typed is not shown."
		// The CRM can be searched only once it can be reached; before that an id is typed.
		case name == engine.CRMOwner && len(a.settings.Missing()) == 0:
			ed.searching(a, ownerModules)
			ed.optional = true
		}
		if name == engine.OrderPrefix || name == engine.PotentialPrefix {
			ed.allow = engine.PrefixRune
			ed.check = s.Check
			ed.hint = sentence("allowed: " + engine.PrefixRule)
		}
	}
	ed.done = func(a *app, value, _ string) tea.Cmd {
		if name != engine.OrderPrefix && name != engine.PotentialPrefix {
			value = strings.TrimSpace(value)
		}
		// A secret begins empty, so enter alone must not mean that the saved one is to go.
		if s.Secret && value == "" {
			a.say(plain, "Nothing typed: the key stays as it is.")
			return nil
		}
		a.putSetting(s, on, value)
		return nil
	}
	a.ed = ed
	return nil, ""
}

// putSetting takes a value into the draft; the saved value takes it out again.
func (a *app) putSetting(s engine.Setting, on place, value string) {
	id := "setting:" + s.Name
	saved := a.settings.Get(s.Name)
	// A secret typed again is a change even where it is the same: the saved value is not here to compare.
	if !s.Secret && value == saved {
		a.draft.drop(id)
		return
	}
	c := change{row: id, on: on, label: title(s.Name), from: orNone(saved), to: orNone(value), setting: s.Name, value: value}
	if s.Secret {
		c.to = "a new value, not shown"
		if saved != "" {
			c.from = "set"
		}
	}
	a.draft.put(c)
}

// settingPane explains a setting.
func (a *app) settingPane(name string) []row {
	s, ok := engine.FindSetting(name)
	if !ok {
		return nil
	}
	now := a.settings.Get(name)
	if s.Secret && now != "" {
		now = "set, not shown"
	}
	rows := []row{heading(title(name)), {}, prose(plain, sentence(s.Meaning)), {}}
	rows = append(rows, facts("now", orNone(now), "allowed", s.Rule, "one of", strings.Join(s.Choices, ", "), "default", s.Default)...)
	if c, changed := a.draft.of("setting:" + name); changed {
		rows = append(rows, row{}, prose(warn, "Unsaved: "+c.from+" -> "+c.to))
	}
	return append(rows, row{}, prose(faint, "In scripts: cartiger config set "+s.Name+", or "+s.Env))
}

// meaning says what the setting of a row is for.
func meaning(row string) note {
	name, _ := strings.CutPrefix(row, "setting:")
	s, ok := engine.FindSetting(name)
	if !ok {
		return note{}
	}
	return hintOf(faint, sentence(s.Meaning))
}

// missingWords says which settings are still needed, with the draft counted.
func missingWords(a *app) string {
	var names []string
	for _, name := range a.settings.Missing() {
		if a.value(name) == "" {
			names = append(names, title(name))
		}
	}
	switch n := len(names); {
	case n == 0:
		return "save the connection first"
	case n == 1:
		return names[0] + " is still empty"
	case n > 2:
		return fmt.Sprintf("%s, %s and %d more are still empty", names[0], names[1], n-2)
	}
	return names[0] + " and " + names[1] + " are still empty"
}

// orNone gives nothing a word: a blank after "->" would look like a fault of the screen.
func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// settingsEvent brings the settings, the secrets already taken out.
type settingsEvent struct {
	settings engine.Settings
	err      error
	then     func(a *app) tea.Cmd
}

// isSet stands for the value of a secret: the console never needs the value itself.
const isSet = "set"

func (a *app) readSettings() tea.Cmd { return a.readSettingsThen((*app).open) }

func (a *app) readSettingsThen(then func(a *app) tea.Cmd) tea.Cmd {
	return a.jobs.do(func(ctx context.Context) event {
		all, err := a.eng.Settings(ctx)
		// In the command, so that not even the event holds a secret.
		shown := make(engine.Settings, len(all))
		for name, v := range all {
			if s, _ := engine.FindSetting(name); s.Secret && v != "" {
				v = isSet
			}
			shown[name] = v
		}
		return settingsEvent{shown, err, then}
	})
}

func (e settingsEvent) apply(a *app) tea.Cmd {
	switch {
	case e.err != nil && !a.ready:
		// Nothing can be shown or set up without them, and nothing here can mend what stands in their way: a value of
		// the environment that is not allowed, or a state file that cannot be read.
		a.unread, a.quitting = e.err, true
		return tea.Quit
	case e.err != nil:
		a.saving = false
		a.fail("read the settings", e.err)
		return nil
	}
	a.settings, a.ready = e.settings, true
	return e.then(a)
}

// value is a setting as it stands on the screen: the draft before what is saved.
func (a *app) value(name string) string {
	if c, ok := a.draft.of("setting:" + name); ok {
		return c.value
	}
	return a.settings.Get(name)
}
