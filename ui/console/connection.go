package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
)

// connection is tab 2: where shop and CRM are, the test of both, and defaults for the fields the CRM insists on.
type connection struct {
	grid grid

	steps   []engine.Step
	testing bool
	tested  map[string]string // the values of the last test that went well
	result  string            // how the last test ended
	failed  bool

	fields  []engine.MandatoryField
	known   bool
	loading bool
	stale   bool
	err     error
	module  int // index in modules()
}

// connectionRows are the settings of this tab, in two groups.
var connectionRows = []struct {
	group, title, help string
	setting            string
}{
	{"vtiger CRM", "URL", "", engine.CRMURL},
	{"vtiger CRM", "User name", "its rights are the connector's", engine.CRMUser},
	{"vtiger CRM", "Access key", "My Preferences, User Advanced Options", engine.CRMKey},
	{"PrestaShop", "URL", "", engine.ShopURL},
	{"PrestaShop", "Key", "Tools, Web service", engine.ShopKey},
}

// seldomRows stand at the end: most installations never need them.
var seldomRows = []string{engine.CRMCA, engine.ShopCA, engine.ShopPlainKey}

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

func title(setting string) string {
	if t := titles[setting]; t != "" {
		return t
	}
	return setting
}

func (c *connection) list() *grid { return &c.grid }

// fieldsEvent brings the mandatory fields.
type fieldsEvent struct {
	fields []engine.MandatoryField
	err    error
}

func (c *connection) show(a *app) tea.Cmd {
	if c.loading || c.known && !c.stale || !a.ready || len(a.settings.Missing()) > 0 {
		return nil
	}
	c.loading, c.stale = true, false
	return a.jobs.do(func(ctx context.Context) event {
		fields, err := a.eng.Mandatory(ctx)
		return fieldsEvent{fields, err}
	})
}

func (e fieldsEvent) apply(a *app) tea.Cmd {
	c := &a.connection
	c.loading, c.err = false, e.err
	if e.err == nil {
		c.fields, c.known = e.fields, true
		// The first module with a field that waits for a default is where a person has something to do.
		if i := slices.IndexFunc(c.modules(), func(m string) bool {
			return slices.ContainsFunc(c.fields, func(f engine.MandatoryField) bool { return f.Module == m && f.Needed })
		}); i >= 0 && c.module == 0 {
			c.module = i
		}
	}
	if c.stale { // something was saved while this was read
		return c.show(a)
	}
	return nil
}

// modules are those with mandatory fields, in rules.md's order and then as they come.
func (c *connection) modules() []string {
	order := []string{"Potentials", "Accounts", "Contacts", "Leads", "Products", "SalesOrder", "Invoice"}
	var found []string
	for _, f := range c.fields {
		if !slices.Contains(found, f.Module) {
			found = append(found, f.Module)
		}
	}
	slices.SortStableFunc(found, func(a, b string) int { return rank(order, a) - rank(order, b) })
	return found
}

func rank(order []string, s string) int {
	if i := slices.Index(order, s); i >= 0 {
		return i
	}
	return len(order)
}

// fromEnvironment names the variable that fixes a setting: what is typed here would not count.
func (a *app) fromEnvironment(setting string) string {
	s, _ := engine.FindSetting(setting)
	if s.Env == "" {
		return ""
	}
	for _, name := range []string{s.Env, s.Env + "_FILE"} {
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
		return a.ed.field(&a.th, w)
	}
	v := a.value(name)
	_, changed := a.draft.of(id)
	switch {
	case s.Secret && changed:
		return line{{strings.Repeat("*", min(len([]rune(v)), w)), plain}}
	case s.Secret && v != "":
		return line{{"************ (set)", plain}}
	case v == "":
		return line{{"(empty)", faint}}
	}
	return line{{cut(clean(v), w), plain}}
}

const (
	valueWidth = 40 // of a field being edited
	helpColumn = 41 // a word of help beside short values
)

// settingRow is a setting: title, value or editor, mark, and a word of help where there is room.
func (a *app) settingRow(setting, name, help string, w int) []row {
	id := "setting:" + setting
	vw := min(valueWidth, w-2-20-3)
	l := line{{pad(name, 18) + "  ", plain}}
	value := a.settingValue(setting, vw)
	l = l.and(value...).and(a.draft.star(id))
	if env := a.fromEnvironment(setting); env != "" {
		help = "from " + env
	}
	if at := max(width(l.String())+2, helpColumn); help != "" && at+width(help) <= w-2 {
		l = l.and(span{strings.Repeat(" ", at-width(l.String())) + help, faint})
	}
	rows := []row{{id: id, line: l}}
	if a.ed != nil && a.ed.row == id && a.ed.listed {
		rows = append(rows, a.ed.list(20)...)
	}
	return rows
}

// head is a group's heading; the first one carries the number of unsaved changes.
func (a *app) head(title string, on place, w int) row {
	right := ""
	if n := a.draft.count(on); n > 0 {
		right = plural(int64(n), "unsaved change") + " *"
	}
	l := spread(toned(strong, title), right, w-2)
	if right != "" {
		l[len(l)-1].tone = warn
	}
	return row{line: l}
}

func (c *connection) rows(a *app, w int) []row {
	var rows []row
	group := ""
	for _, r := range connectionRows {
		if r.group != group {
			group = r.group
			if len(rows) == 0 {
				rows = append(rows, a.head(group, onConnection, w))
			} else {
				rows = append(rows, heading(group))
			}
		}
		rows = append(rows, a.settingRow(r.setting, r.title, r.help, w)...)
	}
	rows = append(rows, c.testRows(w)...)
	rows = append(rows, row{})
	rows = append(rows, c.fieldRows(a, w)...)
	rows = append(rows, row{}, heading("Seldom needed"))
	for _, s := range seldomRows {
		rows = append(rows, a.settingRow(s, title(s), "", w)...)
	}
	return rows
}

// testRows show the steps of Validate and test as they come, with their times.
func (c *connection) testRows(w int) []row {
	const indent = 20
	words := make([]span, 0, len(c.steps)+1)
	for i, s := range c.steps {
		sp := span{fmt.Sprintf("%d %s ok %s", i+1, s.Name, took(s.Took)), good}
		if s.Err != nil {
			sp = span{fmt.Sprintf("%d %s FAILED", i+1, s.Name), bad}
		}
		words = append(words, sp)
	}
	switch {
	case c.testing:
		words = append(words, span{"...", faint})
	case c.result != "" && c.failed:
		words = append(words, span{c.result, bad})
	case c.result != "":
		words = append(words, span{c.result, good})
	case len(words) == 0:
		words = append(words, span{"t asks shop and CRM with the values above; saves nothing", faint})
	}
	rows := []row{}
	l := line{{pad("Validate and test", indent), plain}}
	used := indent
	for _, s := range words {
		n := width(clean(s.text))
		if used+n > w-2 && used > indent {
			rows = append(rows, testRow(rows, l))
			l, used = line{{strings.Repeat(" ", indent), plain}}, indent
		}
		if used > indent {
			l = l.and(span{"   ", plain})
			used += 3
		}
		l = l.and(s)
		used += n
	}
	return append(rows, testRow(rows, l))
}

func testRow(before []row, l line) row {
	if len(before) == 0 {
		return row{id: "test", line: l}
	}
	return row{line: l, kids: true}
}

func took(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

var fieldColumns = []column{{w: 22}, {w: 20, from: 70}, {w: 10}}

func (c *connection) fieldRows(a *app, w int) []row {
	modules := c.modules()
	if len(modules) == 0 {
		why := "read from the CRM once it is connected"
		switch {
		case c.loading:
			why = "asking the CRM ..."
		case c.err != nil:
			why = "! " + describe(c.err)
		case c.known:
			why = "none: every mandatory field is filled from the shop"
		}
		return []row{{line: line{{"Mandatory fields  ", strong}, {why, faint}}}}
	}
	c.module = min(c.module, len(modules)-1)
	module := modules[c.module]
	rows := []row{{line: line{{"Mandatory fields   ", strong}, {"module < ", faint}, {module, accent}, {" >", faint}, {fmt.Sprintf("  %d of %d", c.module+1, len(modules)), faint}}}}
	for _, f := range c.fields {
		if f.Module != module {
			continue
		}
		id := fieldRow(f)
		rows = append(rows, row{id: id, line: columns(w-2, fieldColumns, span{f.Label, plain}, span{f.Field, faint}, span{typeWord(f), faint}).and(span{"  ", plain}).and(c.fieldValue(a, f, w)...)})
		if a.ed != nil && a.ed.row == id && (a.ed.listed || a.ed.search != nil) {
			rows = append(rows, a.ed.list(fieldIndent(w))...)
		}
	}
	return rows
}

func fieldIndent(w int) int {
	if w-2 >= 70 {
		return 22 + 2 + 20 + 2 + 10 + 2
	}
	return 22 + 2 + 10 + 2
}

func fieldRow(f engine.MandatoryField) string { return "field:" + f.Module + "." + f.Field }

func typeWord(f engine.MandatoryField) string {
	switch f.Type {
	case "picklist":
		return "list"
	case "boolean":
		return "yes or no"
	case "reference":
		return "CRM record"
	}
	return f.Type
}

func (c *connection) fieldValue(a *app, f engine.MandatoryField, w int) line {
	id := fieldRow(f)
	if a.ed != nil && a.ed.row == id {
		return a.ed.field(&a.th, max(12, w-4-fieldIndent(w)))
	}
	if ch, changed := a.draft.of(id); changed {
		return line{{ch.to, plain}, {" *", warn}}
	}
	switch v := shownDefault(f); {
	case f.Needed:
		return line{{"! no default", bad}}
	case v != "" && f.Source != "":
		return line{{v, plain}, {" when not " + f.Source, faint}}
	case v != "":
		return toned(plain, v)
	case f.Source != "":
		return toned(faint, f.Source)
	}
	return toned(faint, "(none)")
}

// shownDefault is the default in force as people read it.
func shownDefault(f engine.MandatoryField) string {
	switch {
	case f.DefaultFor != "":
		return f.DefaultFor
	case f.Type == "boolean" && f.Default == "1":
		return "yes"
	case f.Type == "boolean" && f.Default == "0":
		return "no"
	}
	return f.Default
}

// field is the mandatory field under the cursor.
func (c *connection) field() (engine.MandatoryField, bool) {
	i := slices.IndexFunc(c.fields, func(f engine.MandatoryField) bool { return fieldRow(f) == c.grid.cursor })
	if i < 0 {
		return engine.MandatoryField{}, false
	}
	return c.fields[i], true
}

func (c *connection) act(a *app, act action) (tea.Cmd, string) {
	id := c.grid.cursor
	switch act {
	case open, toggle:
		if id == "test" {
			return c.test(a)
		}
		if name, ok := strings.CutPrefix(id, "setting:"); ok {
			return a.editSetting(name, onConnection, act)
		}
		if f, ok := c.field(); ok {
			c.edit(a, f)
		}
	case runTest:
		return c.test(a)
	case nextModule, prevModule:
		n := len(c.modules())
		if n == 0 {
			return nil, "The CRM's mandatory fields are not known yet: connect first."
		}
		c.module = (c.module + map[action]int{nextModule: 1, prevModule: n - 1}[act]) % n
		if strings.HasPrefix(id, "field:") {
			// Stay among the fields: the first one of the module.
			for _, f := range c.fields {
				if f.Module == c.modules()[c.module] {
					c.grid.cursor = fieldRow(f)
					break
				}
			}
		}
	case unlink:
		f, ok := c.field()
		if !ok || f.Default == "" {
			return nil, "x takes the default of a mandatory field away; this line has none."
		}
		a.draft.put(change{
			row: id, on: onConnection, label: f.Module + " " + f.Label, from: shownDefault(f), to: "no default",
			apply: func(ctx context.Context, e Engine) error { return e.UnsetDefault(ctx, f.Module, f.Field) },
		})
	case refresh:
		c.stale = true
		if cmd := c.show(a); cmd != nil || c.loading {
			return cmd, ""
		}
		return nil, "Nothing to read yet: " + missingWords(a) + "."
	}
	return nil, ""
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

// edit opens the editor of a mandatory field's default, by its type.
func (c *connection) edit(a *app, f engine.MandatoryField) {
	id := fieldRow(f)
	value := f.Default
	if ch, changed := a.draft.of(id); changed {
		value = ch.value
	}
	ed := typedField(id, value, f)
	switch f.Type {
	case "owner", "reference":
		modules := f.RefersTo
		if len(modules) == 0 && f.Type == "owner" {
			modules = []string{"Users", "Groups"}
		}
		ed.input.SetValue("")
		ed.hint = "Type a part of the name in " + strings.Join(modules, " or ") + "; enter searches the CRM."
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
	case "text":
		ed.hint = "Used whenever the shop has no value for it."
	}
	ed.done = func(a *app, value, label string) tea.Cmd {
		to := value
		if label != "" {
			to = label
		}
		if value == f.Default {
			a.draft.drop(id)
			return nil
		}
		a.draft.put(change{
			row: id, on: onConnection, label: f.Module + " " + f.Label, from: orNone(shownDefault(f)), to: to, value: value, shown: label,
			apply: func(ctx context.Context, e Engine) error { return e.SetDefault(ctx, f.Module, f.Field, value, label) },
		})
		return nil
	}
	a.ed = ed
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// editSetting opens the editor of a setting, or switches it where it has two values.
func (a *app) editSetting(name string, on place, act action) (tea.Cmd, string) {
	s, ok := engine.FindSetting(name)
	if !ok {
		return nil, ""
	}
	if env := a.fromEnvironment(name); env != "" {
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
		ed.check = func(v string) error { return s.Check(strings.TrimSpace(v)) }
		ed.hint = sentence(s.Meaning)
		ed.rule = s.Rule
		if s.Secret {
			ed.hint = sentence(s.Meaning) + " What is typed is not shown."
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

// test runs Validate and test on the values as they stand on the screen.
func (c *connection) test(a *app) (tea.Cmd, string) {
	if c.testing {
		return nil, "The test is running."
	}
	for _, name := range a.settings.Missing() {
		if a.value(name) == "" {
			return nil, "Cannot test yet: " + missingWords(a) + "."
		}
	}
	draft := map[string]string{}
	for name, v := range a.draft.settings() {
		if isConnection(name) {
			draft[name] = v
		}
	}
	c.steps, c.testing, c.result, c.failed = nil, true, "", false
	return a.jobs.stream(func(ctx context.Context, tell func(event)) {
		_, err := a.eng.TestConnection(ctx, draft, func(s engine.Step) { tell(stepEvent{s}) })
		tell(testedEvent{draft, err})
	}), ""
}

// stepEvent is one step of the test.
type stepEvent struct{ step engine.Step }

func (e stepEvent) apply(a *app) tea.Cmd {
	a.connection.steps = append(a.connection.steps, e.step)
	return nil
}

// testedEvent ends the test.
type testedEvent struct {
	draft map[string]string
	err   error
}

func (e testedEvent) apply(a *app) tea.Cmd {
	c := &a.connection
	c.testing = false
	if e.err == nil {
		for _, s := range c.steps {
			if s.Err != nil {
				e.err = s.Err
				break
			}
		}
	}
	if e.err != nil {
		c.failed, c.result = true, "FAILED"
		if len(c.steps) > 0 && c.steps[len(c.steps)-1].Err != nil {
			c.result = ""
		}
		a.fail("connect", e.err)
		return nil
	}
	c.result, c.tested = "test ok", e.draft
	if len(e.draft) > 0 {
		a.say(good, "Test ok: shop and CRM answer. s saves the connection.")
	} else {
		a.say(good, "Test ok: shop and CRM answer.")
	}
	return nil
}

// untested says whether connection values of a draft were changed after the last good test.
func (c *connection) untested(d *draft) bool {
	for name, v := range d.settings() {
		if tested, ok := c.tested[name]; isConnection(name) && (!ok || tested != v) {
			return true
		}
	}
	return false
}

func isConnection(setting string) bool {
	return slices.Contains(seldomRows, setting) || slices.ContainsFunc(connectionRows, func(r struct{ group, title, help, setting string }) bool { return r.setting == setting })
}

func (c *connection) pane(a *app) []row {
	if name, ok := strings.CutPrefix(c.grid.cursor, "setting:"); ok {
		return a.settingPane(name)
	}
	if f, ok := c.field(); ok {
		rows := []row{
			heading(f.Module + " " + f.Label),
			{},
			prose(plain, "The CRM refuses a record of "+f.Module+" in which "+f.Field+" is empty. The default is used whenever the shop has no value for it."),
			{},
		}
		if f.Source != "" {
			rows = append(rows, prose(plain, "Filled "+f.Source+"."))
		}
		if f.Needed {
			rows = append(rows, prose(bad, "! Nothing fills it for certain: without a default such records are held."))
		}
		if len(f.RefersTo) > 0 {
			rows = append(rows, prose(plain, "A record of "+strings.Join(f.RefersTo, " or ")+"."))
		}
		return append(rows, row{}, prose(plain, "Default: "+orNone(shownDefault(f))))
	}
	rows := []row{heading("Validate and test"), {}}
	for i, s := range c.steps {
		rows = append(rows, row{line: line{{fmt.Sprintf("%d %s", i+1, pad(clean(s.Name), 16)), plain}, {took(s.Took), faint}}})
		if s.Err != nil {
			rows = append(rows, prose(bad, "  "+describe(s.Err)))
		}
	}
	return append(rows, row{}, prose(faint, "t asks shop and CRM with the values as they stand here. Nothing is saved by it."))
}

// settingPane explains a setting.
func (a *app) settingPane(name string) []row {
	s, ok := engine.FindSetting(name)
	if !ok {
		return nil
	}
	rows := []row{heading(title(name)), {}, prose(plain, sentence(s.Meaning))}
	if s.Rule != "" {
		rows = append(rows, row{}, prose(faint, "Allowed: "+s.Rule))
	}
	if s.Choices != nil {
		rows = append(rows, row{}, prose(faint, "One of: "+strings.Join(s.Choices, ", ")))
	}
	if s.Default != "" {
		rows = append(rows, row{}, prose(faint, "Default: "+s.Default))
	}
	rows = append(rows, row{}, prose(faint, "In scripts: cartiger config set "+s.Name+", or "+s.Env))
	if c, changed := a.draft.of("setting:" + name); changed {
		rows = append(rows, row{}, prose(warn, "Unsaved: "+c.from+" -> "+c.to))
	}
	return rows
}

func (c *connection) hint(a *app) note {
	switch {
	case !a.ready:
	case len(a.settings.Missing()) == 5 && len(a.draft.changes) == 0:
		return note{plain, "Nothing is set up yet: type URL, user and keys (enter edits), t tests, s saves."}
	case len(a.settings.Missing()) > 0 && strings.Contains(missingWords(a), "empty"):
		return note{plain, "Still to fill in: " + missingWords(a) + "."}
	case len(a.settings.Missing()) > 0:
		return note{plain, "All filled in: t tests, s saves."}
	case strings.HasPrefix(c.grid.cursor, "field:"):
		return note{plain, "Without a value for these fields vtiger refuses the record: give each a default."}
	}
	return meaning(c.grid.cursor)
}

// meaning says what the setting of a row is for.
func meaning(row string) note {
	name, _ := strings.CutPrefix(row, "setting:")
	s, ok := engine.FindSetting(name)
	if !ok {
		return note{}
	}
	return note{faint, sentence(s.Meaning)}
}
