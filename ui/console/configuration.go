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

// configuration is tab 3: what an order makes, what it is called, currencies, order states, and the other settings.
type configuration struct {
	grid    grid
	table   engine.CurrencyTable
	states  []engine.StateRow
	orders  []string // the CRM's list of order statuses
	invoice []string // and of invoice statuses
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
	rows := []row{a.head("When an order is placed", onConfiguration, w)}
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

func (c *configuration) accountWords(a *app) string {
	if a.value(engine.CreateAccount) == "on" {
		return "an Account for each customer, named after the company"
	}
	return "off: orders hang on the account '" + a.value(engine.SharedAccount) + "'"
}

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

// currencyColumns are: CRM currency, arrow, shop currency, rate, state.
func currencyColumns(w int) []column {
	if w < fullWidth {
		return []column{{w: 19}, {w: 2}, {w: 18}, {w: 8, from: fullWidth}, {}}
	}
	return []column{{w: 26}, {w: 2}, {w: 22}, {w: 8, right: true}, {}}
}

// link is the shop currency of a CRM currency as it stands on the screen; 0 = none.
func (c *configuration) link(a *app, r engine.CurrencyRow) int64 {
	if ch, changed := a.draft.of(linkRow(r)); changed {
		id, _ := strconv.ParseInt(ch.value, 10, 64)
		return id
	}
	if r.State == "linked" {
		return r.ShopID
	}
	return 0
}

func linkRow(r engine.CurrencyRow) string {
	if r.CRMID == "" {
		return "currency:" + strconv.FormatInt(r.ShopID, 10)
	}
	return "link:" + r.CRMID
}

func currencyName(name, code string) string {
	if name == "" && code == "" {
		return "(none)"
	}
	return name + " - " + code
}

// shop finds a shop currency's row.
func (c *configuration) shop(id int64) (engine.CurrencyRow, bool) {
	i := slices.IndexFunc(c.table.Rows, func(r engine.CurrencyRow) bool { return r.ShopID == id && id != 0 })
	if i < 0 {
		return engine.CurrencyRow{}, false
	}
	return c.table.Rows[i], true
}

func (c *configuration) currencyRows(a *app, w int) []row {
	if !c.known {
		why := "read from shop and CRM once they are connected"
		switch {
		case c.loading:
			why = "asking shop and CRM ..."
		case c.err != nil:
			why = "! " + describe(c.err)
		}
		return []row{{line: line{{"Currencies and order states  ", strong}, {why, faint}}}}
	}
	cols, heads := currencyColumns(w), []string{"Currencies from CRM", "Currencies from shop"}
	if w < fullWidth {
		heads = []string{"Currencies of CRM", "of shop"}
	}
	head := columns(w-1, cols, span{heads[0], strong}, span{}, span{heads[1], strong}, span{"rate", faint}, span{"state", faint})
	rows := []row{{line: line{{"", plain}}.and(head...)}}
	if !c.table.BasesAgree {
		words := "! The CRM's base is " + c.table.CRMBase + ", the shop's " + c.table.ShopBase
		if c.table.RateOfCRMBase != "" {
			words += ": prices are converted at " + c.table.RateOfCRMBase
		} else {
			words += ", and the shop has no rate for it: exports refuse"
		}
		rows = append(rows, row{line: toned(bad, words)})
	}
	for _, r := range c.table.Rows {
		if _, taken := c.linkedTo(a, r.ShopID); r.CRMID == "" && taken {
			continue // the draft links it: it stands in its CRM currency's row
		}
		rows = append(rows, c.currencyRow(a, r, w))
		if a.ed != nil && a.ed.row == linkRow(r) {
			rows = append(rows, a.ed.list(cols[0].w+2+2+2)...)
		}
	}
	return rows
}

func (c *configuration) currencyRow(a *app, r engine.CurrencyRow, w int) row {
	id, cols := linkRow(r), currencyColumns(w)
	shopName, rate := currencyName(r.ShopName, r.ShopCode), r.Rate
	state := span{r.State, plain}
	if r.CRMID != "" {
		s, found := c.shop(c.link(a, r))
		if found {
			shopName, rate = currencyName(s.ShopName, s.ShopCode), s.Rate
		} else {
			shopName, rate = "(none)", ""
		}
	}
	switch r.State {
	case "linked":
		state.tone = good
		if r.By == "hand" {
			state.text = "by hand"
		}
	case "not linked", "missing":
		state = span{"! " + r.State, bad}
	default:
		state.tone = faint
	}
	if ch, changed := a.draft.of(id); changed {
		state = span{"changed *", warn}
		if ch.value == "0" {
			state.text = "unlinked *"
		}
	}
	crm := span{currencyName(r.CRMName, r.CRMCode), plain}
	if r.CRMID == "" {
		crm.tone = faint
	}
	if a.ed != nil && a.ed.row == id {
		l := columns(w-2, cols[:2], crm, span{"=>", faint})
		l = l.and(span{"  ", plain}).and(a.ed.field(&a.th, cols[2].w+2)...)
		return row{id: id, line: l}
	}
	return row{id: id, line: columns(w-2, cols, crm, span{"=>", faint}, span{shopName, plain}, span{rate, faint}, state)}
}

var stateColumns = []column{{w: 28}, {w: 17}, {w: 17}, {from: 70}}

func stateID(s engine.StateRow) string { return "state:" + strconv.FormatInt(s.ShopState, 10) }

// mapped is a state's mapping as it stands on the screen.
func (c *configuration) mapped(a *app, s engine.StateRow) engine.StateRow {
	if ch, changed := a.draft.of(stateID(s)); changed {
		s.SOStatus, s.InvoiceStatus, _ = strings.Cut(ch.value, "\x00")
	}
	return s
}

func (c *configuration) stateRows(a *app, w int) []row {
	if !c.known {
		return nil
	}
	rows := []row{{line: columns(w-1, stateColumns, span{"Order states", strong}, span{" sales order", faint}, span{" invoice", faint}, span{})}}
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

func (c *configuration) currency() (engine.CurrencyRow, bool) {
	i := slices.IndexFunc(c.table.Rows, func(r engine.CurrencyRow) bool { return linkRow(r) == c.grid.cursor })
	if i < 0 {
		return engine.CurrencyRow{}, false
	}
	return c.table.Rows[i], true
}

func (c *configuration) state() (engine.StateRow, bool) {
	i := slices.IndexFunc(c.states, func(s engine.StateRow) bool { return stateID(s) == c.grid.cursor })
	if i < 0 {
		return engine.StateRow{}, false
	}
	return c.states[i], true
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
			c.putLink(a, r, 0)
			return nil, ""
		}
		if s, ok := c.state(); ok {
			return nil, c.resetState(a, s)
		}
		return nil, "x unlinks the currency, or resets the order state, under the cursor."
	case refresh:
		c.stale = true
		if cmd := c.show(a); cmd != nil || c.loading {
			return cmd, ""
		}
		return nil, "Nothing to read yet: " + missingWords(a) + "."
	}
	return nil, ""
}

// editLink opens the list of shop currencies in the row.
func (c *configuration) editLink(a *app, r engine.CurrencyRow) string {
	if r.CRMID == "" {
		return "The CRM has no " + clean(r.ShopCode) + ": l creates it there and links it."
	}
	list := []choice{{"0", "(none)", ""}}
	for _, s := range c.table.Rows {
		if s.ShopID == 0 || slices.ContainsFunc(list, func(have choice) bool { return have.value == strconv.FormatInt(s.ShopID, 10) }) {
			continue
		}
		ch := choice{strconv.FormatInt(s.ShopID, 10), currencyName(s.ShopName, s.ShopCode), ""}
		if other, ok := c.linkedTo(a, s.ShopID); ok && other.CRMID != r.CRMID {
			ch.note = "now linked to " + other.CRMName
		}
		list = append(list, ch)
	}
	ed := choosing(linkRow(r), strconv.FormatInt(c.link(a, r), 10), list)
	// Without a link the currency of the same code is the likely choice.
	if c.link(a, r) == 0 {
		for i, ch := range list {
			id, _ := strconv.ParseInt(ch.value, 10, 64)
			if s, ok := c.shop(id); ok && s.ShopCode == r.CRMCode {
				ed.at = i
			}
		}
	}
	ed.hint = "The shop currency that " + r.CRMCode + " of the CRM stands for."
	ed.done = func(a *app, value, _ string) tea.Cmd {
		id, _ := strconv.ParseInt(value, 10, 64)
		// The table may have been read again while the list was open.
		for _, now := range c.table.Rows {
			if linkRow(now) == linkRow(r) {
				c.putLink(a, now, id)
			}
		}
		return nil
	}
	a.ed = ed
	return ""
}

// linkedTo finds the CRM currency that a shop currency is linked to on the screen.
func (c *configuration) linkedTo(a *app, shopID int64) (engine.CurrencyRow, bool) {
	for _, r := range c.table.Rows {
		if r.CRMID != "" && c.link(a, r) == shopID {
			return r, true
		}
	}
	return engine.CurrencyRow{}, false
}

// putLink takes a link into the draft. A shop currency has one CRM currency: another one that had it loses it.
func (c *configuration) putLink(a *app, r engine.CurrencyRow, shopID int64) {
	if shopID != 0 {
		if other, ok := c.linkedTo(a, shopID); ok && other.CRMID != r.CRMID {
			c.putLink(a, other, 0)
		}
	}
	saved := int64(0)
	from := "(none)"
	if r.State == "linked" {
		saved, from = r.ShopID, currencyName(r.ShopName, r.ShopCode)
	}
	if shopID == saved {
		a.draft.drop(linkRow(r))
		return
	}
	ch := change{
		row: linkRow(r), on: onConfiguration, label: "Currency " + r.CRMName + " - " + r.CRMCode,
		from: from, to: "(none)", value: strconv.FormatInt(shopID, 10),
	}
	if shopID == 0 {
		ch.effect = "Orders in an unlinked currency are held until it is linked again."
		ch.apply = func(ctx context.Context, e Engine) error { return e.RemoveCurrencyLink(ctx, r.CRMID) }
	} else {
		s, _ := c.shop(shopID)
		ch.to = currencyName(s.ShopName, s.ShopCode)
		if s.ShopCode != r.CRMCode {
			ch.effect = "! " + r.CRMCode + " and " + s.ShopCode + " are different currencies: amounts will be taken as they are."
		} else if c.table.HeldByLinks > 0 {
			ch.effect = plural(int64(c.table.HeldByLinks), "held order") + " wait for a currency link: those in " + s.ShopCode + " will go."
		}
		ch.apply = func(ctx context.Context, e Engine) error { return e.SetCurrencyLink(ctx, r.CRMID, shopID) }
	}
	a.draft.put(ch)
	// What is unlinked must be saved before what takes its place.
	slices.SortStableFunc(a.draft.changes, func(x, y change) int { return boolRank(y) - boolRank(x) })
}

func boolRank(c change) int {
	if strings.HasPrefix(c.row, "link:") && c.value == "0" {
		return 1
	}
	return 0
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

// proposedEvent brings what automatic linking would do.
type proposedEvent struct {
	steps []engine.CurrencyStep
	asked bool // the person has asked for it
	err   error
}

// propose asks what automatic linking would do; it is shown before it is done.
func (c *configuration) propose(a *app) (tea.Cmd, string) {
	switch {
	case len(a.settings.Missing()) > 0:
		return nil, "Currencies are linked once shop and CRM are connected: " + missingWords(a) + "."
	case c.linking:
		return nil, "Shop and CRM are being asked already."
	case slices.ContainsFunc(a.draft.changes, func(ch change) bool { return strings.HasPrefix(ch.row, "link:") }):
		return nil, "Currency links are unsaved: s saves them or u undoes them first."
	}
	a.say(faint, "comparing the currencies of shop and CRM ...")
	return c.proposal(a, true), ""
}

func (c *configuration) proposal(a *app, asked bool) tea.Cmd {
	c.linking = true
	return a.jobs.do(func(ctx context.Context) event {
		steps, err := a.eng.ProposeCurrencies(ctx)
		return proposedEvent{steps, asked, err}
	})
}

func stepRows(steps []engine.CurrencyStep) []row {
	var rows []row
	for _, s := range steps {
		rows = append(rows, row{line: line{{"  " + pad(clean(s.Action), 9), accent}, {" " + pad(clean(s.Code), 4), strong}, {" " + s.Text, plain}}})
	}
	return rows
}

func (e proposedEvent) apply(a *app) tea.Cmd {
	a.configuration.linking = false
	switch {
	case !e.asked && (e.err != nil || len(e.steps) == 0) || !a.free():
		return nil // Details shows it, and l asks again
	case e.err != nil:
		a.fail("compare the currencies", e.err)
		return nil
	case len(e.steps) == 0:
		a.say(good, "Nothing to do: every currency of the shop is in the CRM and linked.")
		return nil
	}
	rows := append(stepRows(e.steps), row{}, prose(faint, "Links made by hand stay as they are. Nothing is created twice."))
	a.ask(question{
		title: "Link automatically, by ISO 4217 code?",
		rows:  rows,
		run: func(a *app) tea.Cmd {
			a.configuration.linking = true
			a.say(faint, "linking ...")
			return a.jobs.do(func(ctx context.Context) event {
				steps, err := a.eng.LinkCurrencies(ctx)
				return linkedEvent{steps, err}
			})
		},
	})
	return nil
}

// linkedEvent says what automatic linking did.
type linkedEvent struct {
	steps []engine.CurrencyStep
	err   error
}

func (e linkedEvent) apply(a *app) tea.Cmd {
	c := &a.configuration
	c.linking, c.stale = false, true
	if e.err != nil {
		a.fail("link the currencies", e.err)
	} else {
		a.say(good, "Done: "+plural(int64(len(e.steps)), "step")+" of automatic linking.")
	}
	return tea.Batch(c.show(a), a.details.read(a))
}

func (c *configuration) pane(a *app) []row {
	if name, ok := strings.CutPrefix(c.grid.cursor, "setting:"); ok {
		return a.settingPane(name)
	}
	if r, ok := c.currency(); ok {
		rows := []row{heading("Currency"), {}}
		fact := func(name, v string) {
			if v != "" {
				rows = append(rows, row{line: line{{pad(name, 12), faint}, {v, plain}}})
			}
		}
		fact("in the CRM", currencyName(r.CRMName, r.CRMCode))
		if r.CRMBase {
			fact("", "the CRM's base currency")
		}
		if s, found := c.shop(c.link(a, r)); found {
			fact("in the shop", currencyName(s.ShopName, s.ShopCode))
			fact("rate", s.Rate)
		} else {
			fact("in the shop", "(none)")
			fact("same code", currencyName(r.ShopName, r.ShopCode))
		}
		fact("state", r.State)
		fact("linked by", map[string]string{"auto": "its code", "hand": "hand"}[r.By])
		if ch, changed := a.draft.of(linkRow(r)); changed {
			rows = append(rows, row{}, prose(warn, "Unsaved: "+ch.from+" -> "+ch.to))
			if ch.effect != "" {
				rows = append(rows, row{}, prose(plain, ch.effect))
			}
		}
		return rows
	}
	if s, ok := c.state(); ok {
		m := c.mapped(a, s)
		rows := []row{
			heading(fmt.Sprintf("State %d %s", s.ShopState, s.Name)),
			{},
			{line: line{{pad("sales order", 12), faint}, {m.SOStatus, plain}}},
			{line: line{{pad("invoice", 12), faint}, {m.InvoiceStatus, plain}}},
			{},
		}
		if s.Invoice {
			rows = append(rows, prose(plain, "An order that enters this state gets its invoice."))
		}
		return append(rows, prose(faint, "x gives the default back."))
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
	case len(links) > 0:
		return note{plain, links[len(links)-1]}
	case a.draft.count(onConfiguration) > 0:
		return note{plain, "s saves after showing what will change, u undoes."}
	case c.table.HeldByLinks > 0 && !strings.HasPrefix(c.grid.cursor, "setting:"):
		return note{plain, plural(int64(c.table.HeldByLinks), "held order") + " wait for a currency to be linked."}
	}
	return meaning(c.grid.cursor)
}
