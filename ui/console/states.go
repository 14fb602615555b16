package console

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
)

var stateColumns = []column{{w: 28}, {w: 17}, {w: 17}, {from: 70}}

// stateID is the id of a state's row; its second list has "/invoice" behind it.
func stateID(s engine.StateRow) string { return "state:" + strconv.FormatInt(s.ShopState, 10) }

// mapped is a state's mapping as it stands on the screen.
func (c *configuration) mapped(a *app, s engine.StateRow) engine.StateRow {
	if ch, changed := a.draft.of(stateID(s)); changed {
		// Two statuses in one edit, parted by what no status can hold: they are saved and undone as one.
		s.SOStatus, s.InvoiceStatus, _ = strings.Cut(ch.value, "\x00")
	}
	return s
}

func (c *configuration) stateRows(a *app, w int) []row {
	if !c.known {
		return nil
	}
	rows := []row{{line: columns(w-1, stateColumns, span{"Order states", strong}, span{" sales order", faint}, span{" invoice", faint}, span{})}}
	// The table can still be edited, so it says that it has no effect.
	if a.value(engine.StatusNames) == "shop" {
		rows = append(rows, row{line: toned(faint, "Status names is 'shop': the CRM gets the shop's own names, not this table.")})
	}
	for _, s := range c.states {
		id := stateID(s)
		m := c.mapped(a, s)
		invoice := span{m.InvoiceStatus, plain}
		by := span{"", faint}
		if s.By == "hand" {
			by.text = "by hand"
		}
		if _, changed := a.draft.of(id); changed {
			by = span{"changed *", warn}
		}
		name := span{padLeft(strconv.FormatInt(s.ShopState, 10), 2) + " " + s.Name, plain}
		if a.ed != nil && (a.ed.row == id || a.ed.row == id+"/invoice") {
			l := columns(28, stateColumns[:1], name).and(span{"  ", plain})
			indent := 30
			if a.ed.row == id {
				l = l.and(a.ed.field(&a.th, 17)...).and(span{"  " + m.InvoiceStatus, plain})
			} else {
				l = l.and(span{pad(clean(m.SOStatus), 17) + "  ", plain}).and(a.ed.field(&a.th, 17)...)
				indent += 19
			}
			rows = append(rows, row{id: id, line: l})
			rows = append(rows, a.ed.list(indent)...)
			continue
		}
		rows = append(rows, row{id: id, line: columns(w-2, stateColumns, name, span{m.SOStatus, plain}, invoice, by)})
	}
	return rows
}

// state is the order state under the cursor.
func (c *configuration) state() (engine.StateRow, bool) {
	i := slices.IndexFunc(c.states, func(s engine.StateRow) bool { return stateID(s) == c.grid.cursor })
	if i < 0 {
		return engine.StateRow{}, false
	}
	return c.states[i], true
}

// editState opens the list of order statuses, and then that of invoice statuses.
func (c *configuration) editState(a *app, s engine.StateRow) string {
	m := c.mapped(a, s)
	if len(c.orders) == 0 {
		return "The CRM told no list of order statuses: r asks again."
	}
	ed := choosing(stateID(s), m.SOStatus, plainChoices(c.orders))
	ed.hint = "Status of the SalesOrder when the shop's order enters this state; the invoice's comes next."
	ed.done = func(a *app, order, _ string) tea.Cmd {
		c.putState(a, s, order, m.InvoiceStatus)
		if len(c.invoice) == 0 {
			return nil
		}
		next := choosing(stateID(s)+"/invoice", m.InvoiceStatus, plainChoices(c.invoice))
		next.hint = "Status of the Invoice, where the order has one."
		next.done = func(a *app, invoice, _ string) tea.Cmd {
			c.putState(a, s, order, invoice)
			return nil
		}
		a.ed = next
		return nil
	}
	a.ed = ed
	return ""
}

func plainChoices(values []string) []choice {
	list := make([]choice, len(values))
	for i, v := range values {
		list[i] = choice{v, v, ""}
	}
	return list
}

// putState takes a mapping into the draft, after the first list already: esc in the second keeps what the first has
// chosen.
func (c *configuration) putState(a *app, s engine.StateRow, order, invoice string) {
	if order == s.SOStatus && invoice == s.InvoiceStatus {
		a.draft.drop(stateID(s))
		return
	}
	to := s
	to.SOStatus, to.InvoiceStatus = order, invoice
	a.draft.put(change{
		row: stateID(s), on: onConfiguration, label: fmt.Sprintf("State %d %s", s.ShopState, s.Name),
		from: s.SOStatus + ", " + s.InvoiceStatus, to: order + ", " + invoice, value: order + "\x00" + invoice,
		apply: func(ctx context.Context, e Engine) error { return e.SetState(ctx, to) },
	})
}

// resetState undoes what is unsaved first; only a mapping that was saved by hand has a default to go back to. Which
// one that is depends on the state's flags, and the engine knows them (rules.md 4).
func (c *configuration) resetState(a *app, s engine.StateRow) string {
	if _, changed := a.draft.of(stateID(s)); changed {
		a.draft.drop(stateID(s))
		return ""
	}
	if s.By != "hand" {
		return "This state has its default already."
	}
	a.draft.put(change{
		row: stateID(s), on: onConfiguration, label: fmt.Sprintf("State %d %s", s.ShopState, s.Name),
		from: s.SOStatus + ", " + s.InvoiceStatus, to: "the default", value: "default\x00default",
		apply: func(ctx context.Context, e Engine) error { return e.ResetState(ctx, s.ShopState) },
	})
	return ""
}

// statePane is all about an order state.
func (c *configuration) statePane(a *app, s engine.StateRow) []row {
	m := c.mapped(a, s)
	rows := append([]row{heading(fmt.Sprintf("State %d %s", s.ShopState, s.Name)), {}}, facts(
		"sales order", m.SOStatus, "invoice", m.InvoiceStatus, "set by", map[string]string{"hand": "hand"}[s.By])...)
	rows = append(rows, row{})
	if s.Invoice {
		rows = append(rows, prose(plain, "An order that enters this state gets its invoice."))
	}
	return append(rows, prose(faint, "enter chooses both statuses, x gives the defaults back."))
}
