package console

import (
	"context"
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
)

// connection is tab 2: where shop and CRM are, the test of both, and defaults for the fields the CRM insists on.
type connection struct {
	grid grid

	steps   []engine.Step
	testing bool
	// The test is kept apart from saving: values may be tried as often as one likes, and saved untested where a
	// server is down today.
	tested map[string]string // the values of the last test that went well
	result string            // how the last test ended
	failed bool

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

func (c *connection) list() *grid { return &c.grid }

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

func (c *connection) rows(a *app, w int) []row {
	var rows []row
	group := ""
	for _, r := range connectionRows {
		if r.group != group {
			group = r.group
			rows = append(rows, heading(group))
		}
		rows = append(rows, a.settingRow(r.setting, r.title, r.help, w)...)
	}
	rows = append(rows, c.testRows(a, w)...)
	rows = append(rows, row{})
	rows = append(rows, c.fieldRows(a, w)...)
	rows = append(rows, row{}, heading("Seldom needed"))
	for _, s := range seldomRows {
		rows = append(rows, a.settingRow(s, title(s), "", w)...)
	}
	return rows
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
		// The cursor goes along: in a small window the module would change out of sight.
		c.module = (c.module + map[action]int{nextModule: 1, prevModule: n - 1}[act]) % n
		i := slices.IndexFunc(c.fields, func(f engine.MandatoryField) bool { return f.Module == c.modules()[c.module] })
		c.grid.cursor, c.grid.moved = fieldRow(c.fields[i]), true
	case unlink:
		f, ok := c.field()
		if !ok || f.Default == "" {
			return nil, "x takes the default of a mandatory field away; this line has none."
		}
		a.draft.put(noDefault(f))
	case refresh:
		c.stale = true
		if cmd := c.show(a); cmd != nil || c.loading {
			return cmd, ""
		}
		return nil, "Nothing to read yet: " + missingWords(a) + "."
	}
	return nil, ""
}

func (c *connection) pane(a *app) []row {
	if name, ok := strings.CutPrefix(c.grid.cursor, "setting:"); ok {
		return a.settingPane(name)
	}
	if f, ok := c.field(); ok {
		return c.fieldPane(a, f)
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

func (c *connection) hint(a *app) note {
	switch {
	case !a.ready:
	case len(a.settings.Missing()) == 5 && len(a.draft.changes) == 0:
		return hintOf(plain, "Nothing is set up yet: type URL, user and keys (enter edits), t tests, s saves.")
	case len(a.settings.Missing()) > 0 && strings.Contains(missingWords(a), "empty"):
		return hintOf(plain, "Still to fill in: "+missingWords(a)+".")
	case len(a.settings.Missing()) > 0:
		return hintOf(plain, "All filled in: t tests, s saves.")
	}
	if f, ok := c.field(); ok {
		return fieldHint(f)
	}
	return meaning(c.grid.cursor)
}
