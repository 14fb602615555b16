package console

import (
	"context"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
)

// configuration is tab 3: what an order makes, what it is called, currencies, order states, and the other settings.
type configuration struct {
	grid    grid
	table   engine.CurrencyTable
	states  []engine.StateRow
	orders  []string // the CRM's list of order statuses
	invoice []string // and of invoice statuses
	// known and stale are two things: a table that is being read again stays in view, and its edits in the draft.
	known   bool
	loading bool
	stale   bool
	err     error
	linking bool
}

// otherRows are the settings that no other place shows.
var otherRows = []string{
	engine.SharedAccount, engine.MissingProduct, engine.PromotedLead, engine.StatusNames, engine.OrderKeyField, engine.CRMOwner, engine.CRMWorkers,
	engine.WatchInterval, engine.ProductEdits, engine.CustomerEdits, engine.AddressEdits,
}

func (c *configuration) list() *grid { return &c.grid }

// tablesEvent brings currencies and order states.
type tablesEvent struct {
	table           engine.CurrencyTable
	states          []engine.StateRow
	orders, invoice []string
	err             error
}

func (c *configuration) show(a *app) tea.Cmd {
	if c.loading || c.known && !c.stale || !a.ready || len(a.settings.Missing()) > 0 {
		return nil
	}
	// One read at a time; what makes it stale meanwhile is seen when it has come.
	c.loading, c.stale = true, false
	return a.jobs.do(func(ctx context.Context) event {
		var e tablesEvent
		if e.table, e.err = a.eng.Currencies(ctx); e.err != nil {
			return e
		}
		if e.states, e.err = a.eng.States(ctx); e.err != nil {
			return e
		}
		e.orders, e.invoice, e.err = a.eng.StateChoices(ctx)
		return e
	})
}

func (e tablesEvent) apply(a *app) tea.Cmd {
	c := &a.configuration
	c.loading, c.err = false, e.err
	if e.err == nil {
		c.table, c.states, c.orders, c.invoice, c.known = e.table, e.states, e.orders, e.invoice, true
	}
	if c.stale { // something was linked while this was read
		return c.show(a)
	}
	return nil
}

func (c *configuration) rows(a *app, w int) []row {
	rows := []row{heading("When an order is placed")}
	rows = append(rows, c.box(a, engine.CreateAccount, c.accountWords(a)), c.box(a, engine.CreatePotential, c.potentialWords(a)))
	rows = append(rows, heading("Names"))
	rows = append(rows, c.prefix(a, engine.OrderPrefix, w)...)
	rows = append(rows, c.prefix(a, engine.PotentialPrefix, w)...)
	rows = append(rows, row{})
	rows = append(rows, c.currencyRows(a, w)...)
	rows = append(rows, row{})
	rows = append(rows, c.stateRows(a, w)...)
	rows = append(rows, row{}, heading("Other settings"))
	for _, s := range otherRows {
		rows = append(rows, a.settingRow(s, title(s), "", w)...)
	}
	return rows
}

// accountWords say what an order brings with the box as it stands (rules.md 3.2): every order hangs on some Account.
func (c *configuration) accountWords(a *app) string {
	if a.value(engine.CreateAccount) == "on" {
		return "an Account for each customer, named after the company"
	}
	return "off: orders hang on the account '" + a.value(engine.SharedAccount) + "'"
}

// potentialWords say what a Potential hangs on, which the other box decides (rules.md 3.5).
func (c *configuration) potentialWords(a *app) string {
	switch {
	case a.value(engine.CreatePotential) != "on":
		return "off: an order makes no Potential"
	case a.value(engine.CreateAccount) == "on":
		return "linked to the Account, since both are on"
	}
	return "linked to the Contact"
}

// box is a check box.
func (c *configuration) box(a *app, name, words string) row {
	id := "setting:" + name
	mark := "[ ]"
	if a.value(name) == "on" {
		mark = "[x]"
	}
	if env := a.fromEnvironment(name); env != "" {
		words += ", from " + env
	}
	l := line{{mark + " " + pad(title(name), 16), plain}}.and(a.draft.star(id))
	return row{id: id, line: l.and(span{strings.Repeat(" ", 24-width(l.String())), plain}, span{words, faint})}
}

// prefix is a name's prefix with the example that follows while typing.
func (c *configuration) prefix(a *app, name string, w int) []row {
	id := "setting:" + name
	const vw = 26
	l := line{{pad(title(name), 20), plain}}
	now := a.value(name)
	if a.ed != nil && a.ed.row == id {
		// The example is made of what is typed, before it is taken (rules.md 6).
		now = a.ed.value()
		l = l.and(a.ed.field(&a.th, vw)...)
	} else {
		l = l.and(span{"[" + cut(clean(now), vw-2) + "]", plain}).and(a.draft.star(id))
	}
	example := line{{"now: ", faint}, {now + "1", plain}}
	if w < fullWidth {
		return []row{{id: id, line: l}, {kids: true, line: line{{strings.Repeat(" ", 20), plain}}.and(example...)}}
	}
	gap := max(2, 20+vw+3-width(l.String()))
	return []row{{id: id, line: l.and(span{strings.Repeat(" ", gap), plain}).and(example...)}}
}

func (c *configuration) act(a *app, act action) (tea.Cmd, string) {
	switch act {
	case open, toggle:
		if name, ok := strings.CutPrefix(c.grid.cursor, "setting:"); ok {
			return a.editSetting(name, onConfiguration, act)
		}
		if act == toggle {
			return nil, "space switches check boxes; enter edits this line."
		}
		if r, ok := c.currency(); ok {
			return nil, c.editLink(a, r)
		}
		if s, ok := c.state(); ok {
			return nil, c.editState(a, s)
		}
	case autoLink:
		return c.propose(a)
	case unlink:
		if r, ok := c.currency(); ok {
			if c.link(a, r) == 0 {
				return nil, "This currency is not linked."
			}
			// Into the draft like any edit: unlinking holds orders, so it is read before it is saved.
			c.putLink(a, r, 0)
			return nil, ""
		}
		if s, ok := c.state(); ok {
			return nil, c.resetState(a, s)
		}
		return nil, "x unlinks the currency, or resets the order state, under the cursor."
	case refresh:
		c.stale = true
		// Already loading is an answer too: the row says so.
		if cmd := c.show(a); cmd != nil || c.loading {
			return cmd, ""
		}
		return nil, "Nothing to read yet: " + missingWords(a) + "."
	}
	return nil, ""
}

func (c *configuration) pane(a *app) []row {
	if name, ok := strings.CutPrefix(c.grid.cursor, "setting:"); ok {
		return a.settingPane(name)
	}
	if r, ok := c.currency(); ok {
		return c.currencyPane(a, r)
	}
	if s, ok := c.state(); ok {
		return c.statePane(a, s)
	}
	return nil
}

func (c *configuration) hint(a *app) note {
	var links []string
	for _, ch := range a.draft.changes {
		if ch.effect != "" && strings.HasPrefix(ch.row, "link:") {
			links = append(links, ch.effect)
		}
	}
	switch {
	// What a link brings is said where it is chosen and not only in the question at s, where it is one of many.
	case len(links) > 0:
		return hintOf(plain, links[len(links)-1])
	case a.draft.count(onConfiguration) > 0:
		return hintOf(plain, "s saves after showing what will change, u undoes.")
	case a.heldFor("") > 0 && !strings.HasPrefix(c.grid.cursor, "setting:"):
		return hintOf(plain, waiting(a.heldFor(""))+" for a currency: enter chooses it, l links by code.")
	}
	return meaning(c.grid.cursor)
}
