package console

import (
	"context"
	"slices"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
)

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

func (c *configuration) currency() (engine.CurrencyRow, bool) {
	i := slices.IndexFunc(c.table.Rows, func(r engine.CurrencyRow) bool { return linkRow(r) == c.grid.cursor })
	if i < 0 {
		return engine.CurrencyRow{}, false
	}
	return c.table.Rows[i], true
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
