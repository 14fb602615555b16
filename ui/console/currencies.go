package console

import (
	"context"
	"slices"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
	"cartiger/store"
)

// currencyColumns are: CRM currency, arrow, shop currency, rate, state.
func currencyColumns(w, rate int) []column {
	if w < fullWidth {
		return []column{{w: 19}, {w: 2}, {w: 18}, {w: rate, from: fullWidth}, {}}
	}
	return []column{{w: 26}, {w: 2}, {w: 20}, {w: rate, right: true}, {}}
}

// aligned are numbers padded so that their points stand below each other.
func aligned(numbers []string) []string {
	behind := func(s string) int {
		if _, decimals, ok := strings.Cut(s, "."); ok {
			return 1 + len(decimals)
		}
		return 0
	}
	most := 0
	for _, s := range numbers {
		most = max(most, behind(s))
	}
	out := make([]string, len(numbers))
	for i, s := range numbers {
		out[i] = s + strings.Repeat(" ", most-behind(s))
	}
	return out
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

// linkRow is the id of a currency's row. Links belong to CRM currencies, because an order is written in one; a shop
// currency that no CRM currency has gets a row of another kind, which holds no link.
func linkRow(r engine.CurrencyRow) string {
	if r.CRMID == "" {
		return "currency:" + strconv.FormatInt(r.ShopID, 10)
	}
	return "link:" + r.CRMID
}

// currencyName has the code too: names are free text in both, and the code is what automatic linking goes by.
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
			why = "! " + describe(c.err) + " r asks again."
		}
		return paragraph(line{{"Currencies and order states  ", strong}, {why, faint}}, w)
	}
	// The column is as wide as its widest rate: a rate that is cut off is another rate.
	rates, widest := c.rates(a)
	cols, heads := currencyColumns(w, widest), []string{"Currencies from CRM", "Currencies from shop"}
	if w < fullWidth {
		heads = []string{"Currencies of CRM", "of shop"}
	}
	head := columns(w-1, cols, span{heads[0], strong}, span{}, span{heads[1], strong}, span{"rate", faint}, span{"state", faint})
	rows := []row{{line: line{{"", plain}}.and(head...)}}
	// Red, because product prices depend on it (rules.md 5).
	if !c.table.BasesAgree {
		words := "! The CRM's base is " + c.table.CRMBase + ", the shop's " + c.table.ShopBase
		if c.table.RateOfCRMBase != "" {
			words += ": prices are converted at " + c.table.RateOfCRMBase
		} else {
			words += ", and the shop has no rate for it: exports refuse"
		}
		rows = append(rows, paragraph(toned(bad, words), w)...)
	}
	for i, r := range c.table.Rows {
		if _, taken := c.linkedTo(a, r.ShopID); r.CRMID == "" && taken {
			continue // the draft links it: it stands in its CRM currency's row
		}
		rows = append(rows, c.currencyRow(a, r, cols, rates[i], w))
		if a.ed != nil && a.ed.row == linkRow(r) {
			rows = append(rows, a.ed.list(cols[0].w+2+2+2)...)
		}
	}
	return rows
}

// rates are the rates as they stand in the rows of the table, and the width of the widest.
func (c *configuration) rates(a *app) (rates []string, widest int) {
	for _, r := range c.table.Rows {
		rate := r.Rate
		if r.CRMID != "" {
			s, _ := c.shop(c.link(a, r))
			rate = s.Rate
		}
		rates = append(rates, rate)
	}
	rates = aligned(rates)
	for _, s := range rates {
		widest = max(widest, len(s))
	}
	return rates, widest
}

// lacking says that orders of an active shop currency wait for the link that this row lacks.
func (c *configuration) lacking(r engine.CurrencyRow) bool {
	code := r.ShopCode
	if r.CRMID != "" {
		code = r.CRMCode
	}
	return r.State != "linked" && slices.Contains(c.table.UnlinkedShopActive, code)
}

// currencyRow is a currency with its link, or the list of the shop's in its place while that is open.
func (c *configuration) currencyRow(a *app, r engine.CurrencyRow, cols []column, rate string, w int) row {
	id := linkRow(r)
	shopName := currencyName(r.ShopName, r.ShopCode)
	if r.CRMID != "" {
		s, _ := c.shop(c.link(a, r))
		shopName = currencyName(s.ShopName, s.ShopCode)
	}
	state := span{r.State, faint}
	switch {
	case r.State == "linked" && r.By == "hand":
		state = span{"by hand", good}
	case r.State == "linked":
		state.tone = good
	case c.lacking(r):
		state = span{"! not linked", bad}
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

// currency is the row of the table under the cursor.
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
		i := slices.IndexFunc(c.table.Rows, func(x engine.CurrencyRow) bool { return x.CRMID != "" && x.CRMCode == r.ShopCode })
		switch {
		case r.State == "deleted":
			return clean(r.ShopCode) + " is deleted in the shop: choose it in the line of the CRM's currency that its orders are to have."
		case !r.ShopActive:
			return clean(r.ShopCode) + " is inactive in the shop: no order comes in it. Activate it there, then l links it."
		case i < 0:
			return "The CRM has no " + clean(r.ShopCode) + ": l creates it there and links it."
		case c.link(a, c.table.Rows[i]) != 0:
			return "The CRM's " + clean(r.ShopCode) + " is linked to another currency: its own line changes that."
		}
		// The link stands in the CRM currency's line.
		r = c.table.Rows[i]
		c.grid.cursor = linkRow(r)
	}
	if !r.CRMActive {
		return clean(r.CRMName) + " is inactive in the CRM: activate it there (Settings, Currencies), or l does it."
	}
	list := []choice{{"0", "(none)", ""}}
	for _, s := range c.table.Rows {
		// One shop currency, one choice, in whatever rows it stands.
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
		// As a change of its own in the draft: it is shown before it is saved, and can be undone.
		if other, ok := c.linkedTo(a, shopID); ok && other.CRMID != r.CRMID {
			c.putLink(a, other, 0)
		}
	}
	saved := int64(0)
	from := "(none)"
	if r.State == "linked" {
		saved, from = r.ShopID, currencyName(r.ShopName, r.ShopCode)
	}
	// Back to what is saved is no change.
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
		// Allowed, since people write what they like into the CRM's list, but never unsaid: no amount is converted.
		if s.ShopCode != r.CRMCode {
			ch.effect = "! " + r.CRMCode + " and " + s.ShopCode + " are different currencies: amounts will be taken as they are."
		} else if n := a.heldFor(s.ShopCode); n > 0 {
			ch.effect = waiting(n) + " for a link of " + s.ShopCode + " and will go."
		}
		ch.apply = func(ctx context.Context, e Engine) error { return e.SetCurrencyLink(ctx, r.CRMID, shopID) }
	}
	a.draft.put(ch)
	// What is unlinked must be saved before what takes its place.
	slices.SortStableFunc(a.draft.changes, func(x, y change) int { return boolRank(y) - boolRank(x) })
}

// heldFor counts the held orders that wait for the link of a currency, or of any ("").
func (a *app) heldFor(code string) int {
	n := 0
	for _, o := range a.live.troubles {
		if o.State == store.Held && o.Reason == "currency" && (code == "" || strings.Contains(o.Detail, "currency "+code+" ")) {
			n++
		}
	}
	if a.live.trouble > int64(len(a.live.troubles)) { // not all are listed
		n = max(n, a.configuration.table.HeldByLinks)
	}
	return n
}

// waiting says how many held orders wait.
func waiting(n int) string {
	if n == 1 {
		return "1 held order waits"
	}
	return plural(int64(n), "held order") + " wait"
}

// currencyPane is all about the currency of a row.
func (c *configuration) currencyPane(a *app, r engine.CurrencyRow) []row {
	shop, base, inCRM := r, "", currencyName(r.CRMName, r.CRMCode)
	if r.CRMID != "" {
		shop, _ = c.shop(c.link(a, r))
	}
	if r.CRMBase {
		base = "the CRM's base currency"
	}
	rows := append([]row{heading("Currency"), {}}, facts(
		"in the CRM", inCRM, "", base, "in the shop", currencyName(shop.ShopName, shop.ShopCode), "rate", shop.Rate,
		"state", r.State, "linked by", map[string]string{"auto": "its code", "hand": "hand"}[r.By])...)
	switch ch, changed := a.draft.of(linkRow(r)); {
	case changed:
		return append(rows, row{}, prose(warn, "Unsaved: "+ch.from+" -> "+ch.to), row{}, prose(plain, ch.effect))
	case r.State == "linked":
		rows = append(rows, row{}, prose(faint, "Orders in "+shop.ShopCode+" are written in this currency, at the rate they were placed with."))
	case c.lacking(r):
		rows = append(rows, row{}, prose(plain, "Orders in this currency are held until it is linked: enter chooses, l links by code."))
	case r.State == "deleted":
		rows = append(rows, row{}, prose(plain, "The shop has deleted it; orders that were placed in it wait until it is linked, in the line of a CRM currency."))
	case r.State == "inactive":
		rows = append(rows, row{}, prose(faint, "No order comes in it as long as it is inactive."))
	default:
		rows = append(rows, row{}, prose(faint, "The shop sells nothing in it: no link is needed."))
	}
	return rows
}

// boolRank puts unlinking first.
func boolRank(c change) int {
	if strings.HasPrefix(c.row, "link:") && c.value == "0" {
		return 1
	}
	return 0
}
