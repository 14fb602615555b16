package console

import (
	"context"
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
)

// fieldsEvent brings the mandatory fields.
type fieldsEvent struct {
	fields []engine.MandatoryField
	err    error
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

// rank puts what the order does not know behind all that it does.
func rank(order []string, s string) int {
	if i := slices.Index(order, s); i >= 0 {
		return i
	}
	return len(order)
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
			why = "! " + describe(c.err) + " r asks again."
		case c.known:
			why = "none: every mandatory field is filled from the shop"
		}
		return paragraph(line{{"Mandatory fields  ", strong}, {why, faint}}, w)
	}
	c.module = min(c.module, len(modules)-1)
	module := modules[c.module]
	head := line{{"Mandatory fields   ", strong}, {"module < ", faint}, {module, accent}, {" >", faint}, {fmt.Sprintf("  %d of %d", c.module+1, len(modules)), faint}}
	// Named beside the module in view: the others are out of sight, and any of them holds records.
	if lack := c.lacking(a); len(lack) > 0 {
		words := "   ! no default: " + strings.Join(lack, ", ")
		if width(head.String()+words) > w-2 {
			words = "   ! no default"
		}
		head = head.and(span{words, bad})
	}
	rows := []row{{line: head}}
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

// lacking are the modules with a field that nothing fills for certain.
func (c *connection) lacking(a *app) []string {
	var modules []string
	for _, f := range c.fields {
		if _, changed := a.draft.of(fieldRow(f)); f.Needed && !changed && !slices.Contains(modules, f.Module) {
			modules = append(modules, f.Module)
		}
	}
	return modules
}

// fieldIndent is where the value stands: an open list hangs below it.
func fieldIndent(w int) int {
	if w-2 >= 70 {
		return 22 + 2 + 20 + 2 + 10 + 2
	}
	return 22 + 2 + 10 + 2
}

func fieldRow(f engine.MandatoryField) string { return "field:" + f.Module + "." + f.Field }

// typeWord is the type as people say it; the others are words already.
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

// fieldValue is what fills a field, by what stands first: the editor, the draft, a lack, a default.
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
	// Both, because the default is only used where the shop has no value.
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

// fieldHint says what becomes of a record whose field has no value in the shop.
func fieldHint(f engine.MandatoryField) note {
	switch {
	case f.Needed:
		return hintOf(warn, "! Nothing fills it for certain: give it a default, or such records are held.")
	case f.Default != "":
		return hintOf(plain, "The default is used whenever the shop has no value for it.")
	}
	return hintOf(plain, "Filled "+f.Source+"; a default is used when that has no value.")
}

// fieldPane is all about a mandatory field.
func (c *connection) fieldPane(a *app, f engine.MandatoryField) []row {
	rows := []row{
		heading(f.Module + " " + f.Label),
		{},
		prose(plain, "The CRM refuses a record of "+f.Module+" in which "+f.Field+" is empty. The default is used whenever the shop has no value for it."),
		{},
	}
	rows = append(rows, facts("filled", f.Source, "default", orNone(shownDefault(f)), "a record of", strings.Join(f.RefersTo, " or "), "one of", strings.Join(f.Values, ", "))...)
	ch, changed := a.draft.of(fieldRow(f))
	switch {
	case changed:
		rows = append(rows, row{}, prose(warn, "Unsaved: "+ch.from+" -> "+ch.to))
	case f.Needed:
		rows = append(rows, row{}, prose(bad, "! Nothing fills it for certain: without a default such records are held."))
	}
	return rows
}

// noDefault takes the default of a field away.
func noDefault(f engine.MandatoryField) change {
	return change{
		row: fieldRow(f), on: onConnection, label: f.Module + " " + f.Label, from: shownDefault(f), to: "no default",
		apply: func(ctx context.Context, e Engine) error { return e.UnsetDefault(ctx, f.Module, f.Field) },
	}
}

// ownerModules hold those that can own a record.
var ownerModules = []string{"Users", "Groups"}

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
			modules = ownerModules
		}
		// The value is an id, which nobody types on; a name is searched for.
		ed.input.SetValue("")
		ed.searching(a, modules)
	case "text":
		ed.hint = "Used whenever the shop has no value for it."
	}
	ed.done = func(a *app, value, label string) tea.Cmd {
		to := value
		if label != "" {
			to = label
		}
		switch value {
		case f.Default:
			a.draft.drop(id)
			return nil
		case "":
			a.draft.put(noDefault(f))
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
