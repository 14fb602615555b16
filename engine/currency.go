package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
	"golang.org/x/text/currency"

	"cartiger/problem"
	"cartiger/psapi"
	"cartiger/store"
	"cartiger/vtigerws"
)

// money is both currency lists side by side with the links between them.
type money struct {
	shop     []psapi.Currency // also deleted ones, which are not active: orders of the past are in them
	crm      []vtigerws.Currency
	links    []store.CurrencyLink
	shopBase int64 // PS_CURRENCY_DEFAULT
}

func (m money) shopByID(id int64) (psapi.Currency, bool) {
	for _, c := range m.shop {
		if c.ID == id {
			return c, true
		}
	}
	return psapi.Currency{}, false
}

func (m money) crmBase() (vtigerws.Currency, bool) {
	for _, c := range m.crm {
		if c.Base {
			return c, true
		}
	}
	return vtigerws.Currency{}, false
}

// linked finds the active CRM currency that a shop currency is linked to, or that of its code where it is deleted: who
// deletes a currency of the shop and adds it again gives it another id, and the orders of before keep the old one.
func (m money) linked(shopID int64) (vtigerws.Currency, bool) {
	if c, ok := m.linkedByID(shopID); ok {
		return c, true
	}
	own, _ := m.shopByID(shopID)
	for _, other := range m.shop {
		if own.Deleted && other.ID != shopID && strings.EqualFold(other.ISOCode, own.ISOCode) {
			if c, ok := m.linkedByID(other.ID); ok {
				return c, true
			}
		}
	}
	return vtigerws.Currency{}, false
}

func (m money) linkedByID(shopID int64) (vtigerws.Currency, bool) {
	for _, l := range m.links {
		if l.ShopID != shopID {
			continue
		}
		for _, c := range m.crm {
			if c.ID == l.CRMID && c.Active {
				return c, true
			}
		}
	}
	return vtigerws.Currency{}, false
}

// retired marks the deleted currencies of a shop as inactive, which the shop does not.
func retired(currencies []psapi.Currency) []psapi.Currency {
	for i, c := range currencies {
		currencies[i].Active = c.Active && !c.Deleted
	}
	return currencies
}

// factor is units of the CRM's base currency per unit of the shop's default currency, from the shop's own rates.
// Without such a rate no price can be converted (rules.md 5).
func (m money) factor() (decimal.Decimal, error) {
	base, ok := m.crmBase()
	if !ok {
		return decimal.Zero, &problem.Error{Kind: problem.Invalid, Where: "vtiger", Code: "base-currency", Message: "the CRM names no base currency", Cure: "Give the CRM user the right to see Currencies."}
	}
	own, _ := m.shopByID(m.shopBase)
	if own.ISOCode == base.Code {
		return decimal.NewFromInt(1), nil
	}
	for _, c := range m.shop {
		if c.ISOCode == base.Code && !c.Deleted && c.Rate.IsPositive() {
			return c.Rate, nil
		}
	}
	return decimal.Zero, &problem.Error{
		Kind: problem.Invalid, Where: "currencies", Code: "base-currency",
		Message: fmt.Sprintf("the shop counts in %s, the CRM in %s, and the shop has no rate for %s", own.ISOCode, base.Code, base.Code),
		Cure:    fmt.Sprintf("Add %s to the shop's currencies with its rate (it may stay inactive), or give both the same base currency.", base.Code),
	}
}

func (e *Engine) readMoney(ctx context.Context, shop Shop, crm CRM) (money, error) {
	var m money
	page, err := shop.Currencies(ctx, psapi.Query{})
	if err != nil {
		return m, err
	}
	m.shop = retired(page.Items)
	names, err := shop.Configuration(ctx, "PS_CURRENCY_DEFAULT")
	if err != nil {
		return m, err
	}
	m.shopBase = parseID(names["PS_CURRENCY_DEFAULT"])
	if m.crm, err = crm.Currencies(ctx); err != nil {
		return m, err
	}
	m.links, err = e.store.CurrencyLinks(ctx)
	return m, err
}

// priceFactor is the factor of product prices. It asks the CRM for its base currency alone.
func (w *work) priceFactor(ctx context.Context) (decimal.Decimal, error) {
	shop, err := w.keptAtlas(ctx)
	if err != nil {
		return decimal.Zero, err
	}
	base, err := w.crm.BaseCurrency(ctx)
	if err != nil {
		return decimal.Zero, err
	}
	factor, err := money{shop: shop.Currencies, shopBase: shop.Base, crm: []vtigerws.Currency{base}}.factor()
	if err != nil {
		if stale, forgetErr := w.forgetAtlas(ctx, shop); stale {
			return w.priceFactor(ctx)
		} else if forgetErr != nil {
			return factor, forgetErr
		}
	}
	return factor, err
}

// proposeLinks is automatic linking without doing it: by ISO 4217 code; hand links survive; what the CRM lacks is
// created, what is inactive is activated, nothing is ever created twice (rules.md 5).
func proposeLinks(m money) []CurrencyStep {
	var steps []CurrencyStep
	for _, c := range m.shop {
		if !c.Active {
			continue
		}
		code := strings.ToUpper(strings.TrimSpace(c.ISOCode))
		if _, err := currency.ParseISO(code); err != nil {
			continue
		}
		target, found := pickCRMCurrency(m, c)
		switch {
		case !found && slices.ContainsFunc(m.crm, func(v vtigerws.Currency) bool { return strings.EqualFold(v.Code, code) }):
			continue // linked to another currency of the shop: a person has to say what is meant
		case !found:
			steps = append(steps, CurrencyStep{Action: "create", Code: code, ShopID: c.ID, Text: fmt.Sprintf("create %s - %s in the CRM and link it", c.Name, code)})
			continue
		case !target.Active:
			steps = append(steps, CurrencyStep{Action: "activate", Code: code, CRMID: target.ID, ShopID: c.ID, Text: fmt.Sprintf("activate %s - %s in the CRM", target.Name, target.Code)})
		}
		if !slices.ContainsFunc(m.links, func(l store.CurrencyLink) bool { return l.CRMID == target.ID && l.ShopID == c.ID }) {
			steps = append(steps, CurrencyStep{Action: "link", Code: code, CRMID: target.ID, ShopID: c.ID, Text: fmt.Sprintf("link %s - %s => %s - %s", target.Name, target.Code, c.Name, code)})
		}
	}
	return steps
}

// pretend links as automatic linking would, without telling anybody. What it would create is known by its code.
func (m *money) pretend() {
	m.crm = slices.Clone(m.crm)
	for _, s := range proposeLinks(*m) {
		if s.Action == "create" {
			s.CRMID = Ref(s.Code)
			m.crm = append(m.crm, vtigerws.Currency{ID: s.CRMID, Code: s.Code, Active: true})
		}
		if i := slices.IndexFunc(m.crm, func(c vtigerws.Currency) bool { return c.ID == s.CRMID }); i >= 0 {
			m.crm[i].Active = true
		}
		m.links = append(m.links, store.CurrencyLink{CRMID: s.CRMID, ShopID: s.ShopID, Code: s.Code, By: "auto"})
	}
}

// pickCRMCurrency is the CRM currency for a shop currency: the linked one, else by code; of two with one code the
// active one, then the older one (failure-cases 21).
func pickCRMCurrency(m money, c psapi.Currency) (vtigerws.Currency, bool) {
	for _, l := range m.links {
		if l.ShopID != c.ID {
			continue
		}
		if i := slices.IndexFunc(m.crm, func(v vtigerws.Currency) bool { return v.ID == l.CRMID }); i >= 0 {
			return m.crm[i], true
		}
	}
	var best vtigerws.Currency
	found := false
	for _, v := range m.crm {
		if strings.EqualFold(v.Code, c.ISOCode) && (!found || v.Active && !best.Active) && !m.taken(v.ID) {
			best, found = v, true
		}
	}
	return best, found
}

// taken says that a CRM currency is linked by hand, or to another currency that the shop still has.
func (m money) taken(crmID string) bool {
	return slices.ContainsFunc(m.links, func(l store.CurrencyLink) bool {
		own, known := m.shopByID(l.ShopID)
		return l.CRMID == crmID && (l.By == "hand" || known && !own.Deleted)
	})
}

// ProposeCurrencies shows what automatic linking would do.
func (e *Engine) ProposeCurrencies(ctx context.Context) ([]CurrencyStep, error) {
	m, _, err := e.bothMoney(ctx)
	if err != nil {
		return nil, err
	}
	return proposeLinks(m), nil
}

// LinkCurrencies links automatically. It takes the lease, because two processes would create a currency twice, and
// waits for what a killed one left running before it reads the CRM's list.
func (e *Engine) LinkCurrencies(ctx context.Context) ([]CurrencyStep, error) {
	w, runCtx, err := e.begin(ctx, "currencies", store.Run{})
	if err != nil {
		return nil, err
	}
	m, err := e.readMoney(runCtx, w.shop, w.crm)
	var steps []CurrencyStep
	if err == nil {
		steps, err = e.linkCurrencies(runCtx, m, w.crm)
	}
	if err == nil {
		err = e.forgetShop(runCtx)
	}
	return steps, w.end(ctx, err)
}

// currencyCursor says that a currency is being created: its intent.
const currencyCursor = "currency.creating"

func (e *Engine) linkCurrencies(ctx context.Context, m money, crm CRM) ([]CurrencyStep, error) {
	steps := proposeLinks(m)
	for i := range steps {
		s := &steps[i]
		own, _ := m.shopByID(s.ShopID)
		switch s.Action {
		case "create":
			if err := e.store.SetCursor(ctx, currencyCursor, s.Code); err != nil {
				return steps[:i], err
			}
			made, err := e.createCurrency(ctx, crm, m, own)
			if err != nil {
				return steps[:i], err
			}
			s.CRMID = made.ID
		case "activate":
			at := slices.IndexFunc(m.crm, func(c vtigerws.Currency) bool { return c.ID == s.CRMID })
			c := m.crm[at]
			c.Active = true
			if err := crm.UpdateCurrency(ctx, c); err != nil {
				return steps[:i], err
			}
			continue
		}
		link := store.CurrencyLink{CRMID: s.CRMID, ShopID: s.ShopID, Code: s.Code, By: "auto"}
		if err := e.store.SaveCurrencyLinks(ctx, []store.CurrencyLink{link}, nil); err != nil {
			return steps[:i], err
		}
	}
	return steps, e.store.SetCursor(ctx, currencyCursor, "")
}

// createCurrency makes a currency in the CRM once: when the answer is lost the list is read again before a retry.
func (e *Engine) createCurrency(ctx context.Context, crm CRM, m money, own psapi.Currency) (vtigerws.Currency, error) {
	rate, err := m.rateInCRM(own)
	if err != nil {
		return vtigerws.Currency{}, err
	}
	want := vtigerws.Currency{Name: own.Name, Code: strings.ToUpper(own.ISOCode), Symbol: own.Sign, Rate: rate, Active: true}
	for attempt := 1; ; attempt++ {
		if err := e.store.Holding(ctx); err != nil {
			return vtigerws.Currency{}, err
		}
		made, err := crm.CreateCurrency(ctx, want)
		if err == nil {
			return made, nil
		}
		unknown := problem.KindOf(err) == problem.Unknown
		if attempt >= patience || !unknown && !problem.Temporary(err) {
			return made, err
		}
		if err := sleepUntil(ctx, backoff(attempt), nil); err != nil {
			return made, err
		}
		if !unknown {
			continue
		}
		list, err := crm.Currencies(ctx)
		if err != nil {
			return made, err
		}
		if i := slices.IndexFunc(list, func(c vtigerws.Currency) bool { return c.Code == want.Code }); i >= 0 {
			return list[i], nil
		}
	}
}

// rateInCRM is units of a shop currency per unit of the CRM's base currency.
func (m money) rateInCRM(c psapi.Currency) (decimal.Decimal, error) {
	factor, err := m.factor()
	if err != nil {
		return decimal.Zero, err
	}
	return c.Rate.DivRound(factor, 6), nil
}

// bothMoney dials both servers and reads their currencies.
func (e *Engine) bothMoney(ctx context.Context) (money, CRM, error) {
	shop, crm, err := e.dialBoth(ctx)
	if err != nil {
		return money{}, nil, err
	}
	m, err := e.readMoney(ctx, shop, crm)
	return m, crm, err
}

func (e *Engine) dialBoth(ctx context.Context) (Shop, CRM, error) {
	settings, err := e.Settings(ctx)
	if err != nil {
		return nil, nil, err
	}
	if missing := settings.Missing(); len(missing) > 0 {
		return nil, nil, missingSettings(missing)
	}
	shop, err := e.opts.DialShop(settings)
	if err != nil {
		return nil, nil, err
	}
	crm, err := e.opts.DialCRM(settings, unwatched)
	if err != nil {
		return nil, nil, err
	}
	if _, err := crm.Login(ctx); err != nil {
		return nil, nil, err
	}
	return shop, crm, nil
}

// Currencies is the table of Configuration: every CRM currency with the shop currency it is linked to, then the
// shop's currencies that no CRM currency is linked to.
func (e *Engine) Currencies(ctx context.Context) (CurrencyTable, error) {
	m, _, err := e.bothMoney(ctx)
	if err != nil {
		return CurrencyTable{}, err
	}
	held, err := e.store.Outcomes(ctx, store.Filter{Entity: store.Order, States: []store.State{store.Held}, Reason: "currency"})
	table := tabulate(m, len(held) > 0)
	table.HeldByLinks = len(held)
	return table, err
}

// tabulate makes the table. A currency that the shop has deleted is in it where it is linked, and where orders wait,
// which may be in it.
func tabulate(m money, waiting bool) CurrencyTable {
	var t CurrencyTable
	own, _ := m.shopByID(m.shopBase)
	t.ShopBase = own.ISOCode
	if base, ok := m.crmBase(); ok {
		t.CRMBase = base.Code
	}
	t.BasesAgree = t.ShopBase == t.CRMBase
	for _, c := range m.shop {
		if c.ISOCode == t.CRMBase && !c.Deleted {
			t.RateOfCRMBase = c.Rate.String()
		}
	}
	seen := map[int64]bool{}
	for _, c := range m.crm {
		row := CurrencyRow{CRMID: c.ID, CRMName: c.Name, CRMCode: c.Code, CRMActive: c.Active, CRMBase: c.Base, State: "not linked"}
		for _, l := range m.links {
			if s, ok := m.shopByID(l.ShopID); ok && l.CRMID == c.ID {
				row.fill(s, m.shopBase)
				row.By, row.State = l.By, "linked"
				seen[s.ID] = true
			}
		}
		if !c.Active {
			row.State = "inactive"
		}
		t.Rows = append(t.Rows, row)
	}
	for _, s := range m.shop {
		_, linked := m.linked(s.ID)
		if seen[s.ID] || s.Deleted && (linked || !waiting) {
			continue
		}
		row := CurrencyRow{State: "not linked"}
		row.fill(s, m.shopBase)
		switch {
		case s.Deleted:
			row.State = "deleted"
		case !s.Active:
			row.State = "inactive"
		default:
			t.UnlinkedShopActive = append(t.UnlinkedShopActive, s.ISOCode)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (r *CurrencyRow) fill(s psapi.Currency, base int64) {
	r.ShopID, r.ShopName, r.ShopCode, r.ShopActive = s.ID, s.Name, s.ISOCode, s.Active
	r.ShopDefault, r.Rate = s.ID == base, s.Rate.String()
}

// SetCurrencyLink links by hand: such a link survives automatic linking. The codes may differ, because people write
// what they like into the CRM's list; the amounts are the shop's in any case.
func (e *Engine) SetCurrencyLink(ctx context.Context, crmID string, shopID int64) error {
	m, _, err := e.bothMoney(ctx)
	if err != nil {
		return err
	}
	s, ok := m.shopByID(shopID)
	if !ok {
		return &problem.Error{Kind: problem.NotFound, Where: "currencies", Field: "shop currency", Message: fmt.Sprintf("the shop has no currency %d", shopID), Cure: "`cartiger currencies list` shows them."}
	}
	at := slices.IndexFunc(m.crm, func(c vtigerws.Currency) bool { return c.ID == crmID })
	if at < 0 {
		return &problem.Error{Kind: problem.NotFound, Where: "currencies", Field: "CRM currency", Message: "the CRM has no currency " + crmID, Cure: "`cartiger currencies list` shows them."}
	}
	if !m.crm[at].Active {
		return &problem.Error{Kind: problem.Invalid, Where: "currencies", Field: "CRM currency", Message: m.crm[at].Name + " is inactive in the CRM", Cure: "Activate it there, or link automatically."}
	}
	// One shop currency has one CRM currency: its former link goes.
	var gone []string
	for _, l := range m.links {
		if l.ShopID == shopID && l.CRMID != crmID {
			gone = append(gone, l.CRMID)
		}
	}
	if err := e.store.SaveCurrencyLinks(ctx, []store.CurrencyLink{{CRMID: crmID, ShopID: shopID, Code: s.ISOCode, By: "hand"}}, gone); err != nil {
		return err
	}
	return e.forgetShop(ctx)
}

// forgetShop has the shop's tables read anew: who links a currency may have added or deleted one a moment ago.
func (e *Engine) forgetShop(ctx context.Context) error {
	return e.store.SetCursor(ctx, atlasCursor, "")
}

// RemoveCurrencyLink unlinks a CRM currency; orders in the shop's currency are held from then on.
func (e *Engine) RemoveCurrencyLink(ctx context.Context, crmID string) error {
	return e.store.SaveCurrencyLinks(ctx, nil, []string{crmID})
}
