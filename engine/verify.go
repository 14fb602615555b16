package engine

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"cartiger/problem"
	"cartiger/psapi"
	"cartiger/store"
	"cartiger/vtigerws"
)

// The kinds of Difference.What.
const (
	diffMissing  = "missing"  // the CRM has no such record
	diffTwice    = "twice"    // the CRM has several
	diffLink     = "link"     // the link leads to nothing or to another record
	diffLines    = "lines"    // lines or amounts changed in the shop, or were not written whole
	diffTotal    = "total"    // the totals differ
	diffStatus   = "status"   // the statuses differ
	diffCurrency = "currency" // a currency link leads nowhere, or an order is in another currency
	diffSum      = "sum"      // count or sum of a currency's orders differ
)

// Verify compares what shop and CRM hold of the same records: links, counts, sums, totals and statuses; also what
// changed in the shop without a trace that watch could follow. It reads in pages and keeps only the differences.
//
// With repair it takes the lease and does what is safe: a link is set to the record that carries the key, an order that
// differs is written again by the rules of an update, one that is missing by the rules of a new one. It deletes and
// merges nothing, and what a person has deleted in the CRM (which looks just like what its user may not see) stays away.
func (e *Engine) Verify(ctx context.Context, repair bool) ([]Difference, error) {
	if repair {
		w, runCtx, err := e.begin(ctx, "verify", store.Run{})
		if err != nil {
			return nil, err
		}
		v := &verification{work: w, repair: true}
		w.out.counts = store.Order
		if err = v.run(runCtx); err == nil {
			err = w.store.Verified(runCtx)
		}
		// Stopped half-way it has not compared everything, and says so.
		return v.found, firstErr(w.end(ctx, err), err)
	}
	settings, err := e.Settings(ctx)
	if err != nil {
		return nil, err
	}
	if missing := settings.Missing(); len(missing) > 0 {
		return nil, missingSettings(missing)
	}
	w, err := e.reading(ctx, settings, store.Run{})
	if err != nil {
		return nil, err
	}
	v := &verification{work: w}
	err = v.run(ctx)
	return v.found, err
}

// verification is one comparison under way.
type verification struct {
	*work
	repair bool
	found  []Difference
	named  map[string]bool // what was reported once for several shop records: an e-mail, a code
	sums   map[string]*balance
	since  int64 // orders above it must be in the CRM; others only when they are linked
}

// balance is what one currency's orders come to on both sides.
type balance struct {
	shopCount, crmCount int
	shop, crm           decimal.Decimal
}

func (v *verification) run(ctx context.Context) error {
	v.named, v.sums, v.since = map[string]bool{}, map[string]*balance{}, math.MaxInt64
	text, err := v.store.Cursor(ctx, feedCursor)
	if err != nil {
		return err
	}
	if c, known := readCursors(text); known {
		v.since = c.FirstOrder
	}
	if err := v.orderModules(ctx); err != nil {
		return err
	}
	if _, err := v.linkMissingCurrencies(ctx); err != nil {
		return err
	}
	if err := v.currencies(ctx); err != nil {
		return err
	}
	if err := v.products(ctx); err != nil {
		return err
	}
	for _, m := range personModules {
		if err := v.people(ctx, m.Module, m.EmailField); err != nil {
			return err
		}
	}
	if err := v.orders(ctx); err != nil {
		return err
	}
	v.balances()
	return nil
}

// currencies compares the currency table: orders go through its links.
func (v *verification) currencies(ctx context.Context) error {
	a, err := v.readAtlas(ctx)
	if err != nil {
		return err
	}
	active := map[int64]bool{} // shop currencies whose link can be repaired
	var fixable []int
	for _, l := range a.money.links {
		d := Difference{Entity: store.Currency, ShopID: l.ShopID, CRMID: l.CRMID, What: diffCurrency}
		at := slices.IndexFunc(a.money.crm, func(c vtigerws.Currency) bool { return c.ID == l.CRMID })
		_, inShop := a.money.shopByID(l.ShopID)
		switch {
		case !inShop:
			d.Text = fmt.Sprintf("%s is linked to currency %d of the shop, which is gone: unlink it in Configuration", l.Code, l.ShopID)
		case at >= 0 && a.money.crm[at].Active:
			continue
		case at >= 0:
			d.Text = fmt.Sprintf("%s is linked to %s, which is inactive in the CRM; orders in %s are held", l.Code, a.money.crm[at].Name, l.Code)
			d.Repair = "activate it in the CRM"
		case l.By == "hand":
			d.Text = fmt.Sprintf("%s is linked by hand to %s, which is gone from the CRM; orders in %s are held until it is linked to another one", l.Code, l.CRMID, l.Code)
		default:
			d.Text = fmt.Sprintf("%s is linked to %s, which is gone from the CRM; orders in %s are held", l.Code, l.CRMID, l.Code)
			d.Repair = "link it by its code, and create it in the CRM if it is missing there"
		}
		if d.Repair != "" {
			active[l.ShopID] = true
			fixable = append(fixable, len(v.found))
		}
		v.found = append(v.found, d)
	}
	if !v.repair || len(fixable) == 0 {
		return nil
	}
	m := a.money
	m.shop = slices.Clone(m.shop)
	for i := range m.shop {
		m.shop[i].Active = active[m.shop[i].ID]
	}
	if err := v.dropDeadCurrencyLinks(ctx, &m); err != nil {
		return err
	}
	_, err = v.linkCurrencies(ctx, m, v.crm)
	if problem.Temporary(err) || problem.KindOf(err) == problem.Unknown {
		return err
	}
	for _, i := range fixable {
		if v.found[i].Done = err == nil; err != nil {
			v.found[i].Text += "; the repair was refused: " + err.Error()
		}
	}
	v.atlas = nil
	return nil
}

// dropDeadCurrencyLinks takes away the automatic links to CRM currencies that are gone, so that linking starts anew.
func (v *verification) dropDeadCurrencyLinks(ctx context.Context, m *money) error {
	var dead []string
	m.links = slices.DeleteFunc(slices.Clone(m.links), func(l store.CurrencyLink) bool {
		gone := l.By != "hand" && !slices.ContainsFunc(m.crm, func(c vtigerws.Currency) bool { return c.ID == l.CRMID })
		if gone {
			dead = append(dead, l.CRMID)
		}
		return gone
	})
	return v.store.SaveCurrencyLinks(ctx, nil, dead)
}

// eachLink gives the links of one entity and module in groups that one query can look up.
func (v *verification) eachLink(ctx context.Context, entity store.Entity, module string, do func([]store.Link) error) error {
	for after := int64(math.MinInt64); ; {
		if err := v.pausing(ctx); err != nil {
			return err
		}
		links, err := v.store.EachLink(ctx, entity, module, after, batch)
		if err != nil || len(links) == 0 {
			return err
		}
		after = links[len(links)-1].ShopID
		if err := do(links); err != nil {
			return err
		}
	}
}

// targets looks up where links lead: what carries their keys, and what they point at.
func (v *verification) targets(ctx context.Context, module, field string, links []store.Link) (byKey map[string][]vtigerws.Record, alive map[string]bool, err error) {
	byKey, alive = map[string][]vtigerws.Record{}, map[string]bool{}
	var keys []string
	for _, l := range links {
		if Fold(l.Key) != "" {
			keys = append(keys, l.Key)
		}
	}
	var records []vtigerws.Record
	if len(keys) > 0 {
		if records, err = v.crm.Find(ctx, module, field, keys); err != nil {
			return nil, nil, err
		}
	}
	for _, r := range records {
		byKey[Fold(r[field])] = append(byKey[Fold(r[field])], r)
		alive[r.ID()] = true
	}
	var others []string
	for _, l := range links {
		if !alive[l.CRMID] {
			others = append(others, l.CRMID)
		}
	}
	if len(others) == 0 {
		return byKey, alive, nil
	}
	records, err = v.crm.Find(ctx, module, "id", others)
	for _, r := range records {
		alive[r.ID()] = true
	}
	return byKey, alive, err
}

// products compares the links of products: each leads to a live record, and each code stands on one.
func (v *verification) products(ctx context.Context) error {
	return v.eachLink(ctx, store.Product, Products, func(links []store.Link) error {
		byCode, alive, err := v.targets(ctx, Products, "productcode", links)
		if err != nil {
			return err
		}
		for _, l := range links {
			same := byCode[Fold(l.Key)]
			v.twice(l, same, "code")
			if alive[l.CRMID] {
				continue
			}
			d := Difference{
				Entity: store.Product, ShopID: l.ShopID, CRMID: l.CRMID, What: diffLink,
				Text: fmt.Sprintf("product %s was %s in the CRM, which is no longer there (deleted, merged, or hidden from the CRM user)", l.Key, l.CRMID),
			}
			if len(same) == 0 {
				d.Text += "; the next order that needs it, or an export of products, creates it again"
			}
			if err := v.relinked(ctx, d, l, same, "code"); err != nil {
				return err
			}
		}
		return nil
	})
}

// people compares the links of customers in one module: each leads to a live record, and each e-mail stands on one.
func (v *verification) people(ctx context.Context, module, emailField string) error {
	return v.eachLink(ctx, store.Customer, module, func(links []store.Link) error {
		// Accounts that stand for no customer are found by their name, and have no e-mail address.
		links = slices.DeleteFunc(links, func(l store.Link) bool { return l.ShopID <= 0 })
		if len(links) == 0 {
			return nil
		}
		byEmail, alive, err := v.targets(ctx, module, emailField, links)
		if err != nil {
			return err
		}
		promoted, err := v.promoted(ctx, module, links, alive)
		if err != nil {
			return err
		}
		for _, l := range links {
			same := byEmail[Fold(l.Key)]
			v.twice(l, same, "e-mail address")
			if alive[l.CRMID] || promoted[Fold(l.Key)] {
				continue
			}
			d := Difference{
				Entity: store.Customer, ShopID: l.ShopID, CRMID: l.CRMID, What: diffLink,
				Text: fmt.Sprintf("%s was %s %s in the CRM, which is no longer there (deleted, merged, or hidden from the CRM user)", l.Key, module, l.CRMID),
			}
			if len(same) == 0 {
				d.Text += "; the customer's next order finds or makes the right record by the e-mail address"
			}
			if err := v.relinked(ctx, d, l, same, "e-mail address"); err != nil {
				return err
			}
		}
		return nil
	})
}

// promoted are the e-mails of Leads that are gone because they became Contacts: converted, or put into the recycle bin
// on purpose.
func (v *verification) promoted(ctx context.Context, module string, links []store.Link, alive map[string]bool) (map[string]bool, error) {
	out := map[string]bool{}
	var emails []string
	for _, l := range links {
		if module == Leads && !alive[l.CRMID] && Fold(l.Key) != "" {
			emails = append(emails, l.Key)
		}
	}
	if len(emails) == 0 {
		return out, nil
	}
	records, err := v.crm.Find(ctx, Contacts, "email", emails)
	for _, r := range records {
		out[Fold(r["email"])] = true
	}
	return out, err
}

// twice reports several CRM records with one key, once for all shop records that have it.
func (v *verification) twice(l store.Link, same []vtigerws.Record, key string) {
	name := l.Module + " " + Fold(l.Key)
	if len(same) < 2 || v.named[name] {
		return
	}
	v.named[name] = true
	v.found = append(v.found, Difference{
		Entity: l.Entity, ShopID: l.ShopID, CRMID: l.CRMID, What: diffTwice,
		Text: fmt.Sprintf("the CRM has %d %s with the %s %s: %s. %s is the linked one; merge them in the CRM", len(same), l.Module, key, l.Key, idList(same), l.CRMID),
	})
}

func idList(records []vtigerws.Record) string {
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = r.ID()
	}
	return strings.Join(ids, ", ")
}

// relinked reports a link that leads nowhere, and sets it to the one record that carries the key.
func (v *verification) relinked(ctx context.Context, d Difference, l store.Link, same []vtigerws.Record, key string) error {
	if len(same) > 0 {
		d.Repair = fmt.Sprintf("link %s %s, the oldest that has the %s", l.Module, same[0].ID(), key)
		if v.repair {
			l.CRMID = same[0].ID()
			if l.Entity == store.Product {
				l.Mirrored = asJSON(MirroredProduct{}) // the tax of the former one says nothing about this one
			}
			if err := v.store.SaveLinks(ctx, []store.Link{l}); err != nil {
				return err
			}
			d.Done = true
		}
	}
	v.found = append(v.found, d)
	return nil
}

// orders compares all orders of the shop with what the CRM has under their keys and links.
func (v *verification) orders(ctx context.Context) error {
	q := psapi.Query{Limit: batch}
	for {
		if err := v.pausing(ctx); err != nil {
			return err
		}
		page, err := v.shop.Orders(ctx, q)
		if err != nil {
			return ctxErr(ctx, err)
		}
		if err := v.reportBad(ctx, page.Bad); err != nil {
			return err
		}
		upTo := page.Last
		if !page.More {
			upTo = math.MaxInt64
		}
		if err := v.goneFromShop(ctx, page, q.After, upTo); err != nil {
			return err
		}
		if err := v.orderPage(ctx, page.Items); err != nil {
			return err
		}
		if !page.More {
			return nil
		}
		q.After = page.Last
	}
}

// goneFromShop reports linked orders that the shop no longer lists.
func (v *verification) goneFromShop(ctx context.Context, page psapi.Page[psapi.Order], after, upTo int64) error {
	listed := map[int64]bool{}
	for _, o := range page.Items {
		listed[o.ID] = true
	}
	for _, b := range page.Bad {
		listed[b.ID] = true
	}
	for {
		links, err := v.store.EachLink(ctx, store.Order, SalesOrder, after, batch)
		if err != nil {
			return err
		}
		for _, l := range links {
			if l.ShopID > upTo {
				return nil
			}
			if after = l.ShopID; !listed[l.ShopID] {
				v.found = append(v.found, Difference{
					Entity: store.Order, ShopID: l.ShopID, CRMID: l.CRMID, What: diffMissing,
					Text: fmt.Sprintf("order %d is gone from the shop; the CRM still has SalesOrder %s", l.ShopID, l.CRMID),
				})
			}
		}
		if len(links) < batch {
			return nil
		}
	}
}

// orderPage compares one page of orders, and repairs what it may.
func (v *verification) orderPage(ctx context.Context, orders []psapi.Order) error {
	a, err := v.atlasFor(ctx, orders)
	if err != nil || len(orders) == 0 {
		return err
	}
	sights, err := v.look(ctx, orders, a)
	if err != nil {
		return err
	}
	v.count.total.Add(int64(len(orders)))
	var again []psapi.Order // orders that a repair writes or relinks
	var goods []int64       // what they are about
	var links []store.Link
	at := map[int64][]int{} // their differences
	for _, s := range sights {
		v.weigh(s)
		fixable := false
		for _, f := range s.judge(v.settings.Get(OrderKeyField), v.since) {
			if f.Repair != "" {
				at[s.ID] = append(at[s.ID], len(v.found))
				fixable = true
			}
			if f.What == diffMissing && f.Repair != "" {
				if err := v.explain(ctx, &f.Difference); err != nil {
					return err
				}
			}
			v.found = append(v.found, f.Difference)
			links = append(links, f.links...)
		}
		if fixable {
			again = append(again, s.Order)
			for _, d := range s.Details {
				goods = append(goods, productID(d))
			}
		} else {
			v.count.add(store.Unchanged)
		}
	}
	if !v.repair || len(again) == 0 {
		return nil
	}
	if err := v.store.SaveLinks(ctx, links); err != nil {
		return err
	}
	if err := v.forgetTaxes(ctx, goods); err != nil {
		return err
	}
	if err := v.carryOrders(ctx, again, v.out.carry); err != nil {
		return err
	}
	return v.settleRepairs(ctx, again, at)
}

// forgetTaxes makes the plan of an order set the taxes of its products again: a person may have changed them in the
// CRM, where totals depend on them.
func (v *verification) forgetTaxes(ctx context.Context, products []int64) error {
	links, err := v.store.Links(ctx, store.Product, products...)
	if err != nil {
		return err
	}
	var records []string
	for _, l := range links {
		records = append(records, l.CRMID)
	}
	// Products that share a code share the CRM's, and the memory of its tax.
	if links, err = v.store.LinksByCRM(ctx, records...); err != nil {
		return err
	}
	for i := range links {
		if links[i].Entity == store.Product {
			links[i].Mirrored = asJSON(MirroredProduct{})
		}
	}
	return v.store.SaveLinks(ctx, links)
}

// explain adds why a missing record was not written, where that is known.
func (v *verification) explain(ctx context.Context, d *Difference) error {
	outcome, known, err := v.store.Outcome(ctx, store.Order, d.ShopID)
	if known && (outcome.State == store.Held || outcome.State == store.Failed) {
		d.Text += fmt.Sprintf("; it is %s: %s", outcome.State, outcome.Detail)
	}
	return err
}

// settleRepairs says of each repair whether it went well, by what became of the order.
func (v *verification) settleRepairs(ctx context.Context, orders []psapi.Order, at map[int64][]int) error {
	for _, o := range orders {
		outcome, _, err := v.store.Outcome(ctx, store.Order, o.ID)
		if err != nil {
			return err
		}
		for _, i := range at[o.ID] {
			d := &v.found[i]
			if d.Done = outcome.State != store.Held && outcome.State != store.Failed; !d.Done {
				d.Text += fmt.Sprintf("; not repaired, it is %s: %s", outcome.State, outcome.Detail)
			}
		}
	}
	return nil
}

// look reads what a page of orders needs for the comparison, of both sides.
func (v *verification) look(ctx context.Context, orders []psapi.Order, a *atlas) ([]sight, error) {
	ids := make([]int64, len(orders))
	whole := make([]ShopOrder, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
		currency, _ := a.money.shopByID(o.Currency)
		whole[i] = ShopOrder{Order: o, State: a.state(o.CurrentState), Code: currency.ISOCode}
	}
	details, err := v.linesOf(ctx, orders, v.shop.OrderDetails)
	if err != nil {
		return nil, err
	}
	linked, err := v.orderLinks(ctx, whole)
	if err != nil {
		return nil, err
	}
	ordered, err := v.documents(ctx, SalesOrder, ids, linked)
	if err != nil {
		return nil, err
	}
	billed, err := v.documents(ctx, Invoice, ids, linked)
	if err != nil {
		return nil, err
	}
	deals, err := v.deals(ctx, linked)
	if err != nil {
		return nil, err
	}
	sights := make([]sight, len(whole))
	for i, o := range whole {
		o.Details = details[o.ID]
		s := sight{ShopOrder: o, links: linked[o.ID], order: ordered[o.ID], bill: billed[o.ID]}
		s.currency, _ = a.money.linked(o.Currency)
		s.status, s.invoiceStatus = o.status(OrderTerms{Settings: v.settings, Maps: a.maps}, v.draft)
		s.deal = deals[s.links[Potentials].CRMID]
		sights[i] = s
	}
	return sights, nil
}

// documents finds the SalesOrders or Invoices of orders by their keys and by their links.
func (v *verification) documents(ctx context.Context, module string, ids []int64, linked map[int64]map[string]store.Link) (map[int64]document, error) {
	keyField := v.settings.Get(OrderKeyField)
	fields := []string{keyField, "hdnGrandTotal"}
	for _, name := range []string{"sostatus", "invoicestatus", "currency_id"} {
		if _, visible := v.draft.Modules[module].Field(name); visible {
			fields = append(fields, name)
		}
	}
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = OrderKey(id)
	}
	records, err := v.crm.Find(ctx, module, keyField, keys, fields...)
	if err != nil {
		return nil, err
	}
	byKey, byID := map[string][]vtigerws.Record{}, map[string]vtigerws.Record{}
	for _, r := range records {
		byKey[Fold(r[keyField])] = append(byKey[Fold(r[keyField])], r)
		byID[r.ID()] = r
	}
	var others []string
	for _, links := range linked {
		if l, ok := links[module]; ok && byID[l.CRMID] == nil {
			others = append(others, l.CRMID)
		}
	}
	if len(others) > 0 {
		if records, err = v.crm.Find(ctx, module, "id", others, fields...); err != nil {
			return nil, err
		}
		for _, r := range records {
			byID[r.ID()] = r
		}
	}
	out := map[int64]document{}
	for _, id := range ids {
		d := document{module: module, keyed: byKey[Fold(OrderKey(id))], target: byID[linked[id][module].CRMID]}
		if other := strings.TrimSpace(d.target[keyField]); Fold(other) != Fold(OrderKey(id)) && orderKey.MatchString(other) {
			d.target, d.foreign = nil, d.target
		}
		out[id] = d
	}
	return out, nil
}

// deals says which linked Potentials are there.
func (v *verification) deals(ctx context.Context, linked map[int64]map[string]store.Link) (map[string]bool, error) {
	var ids []string
	for _, links := range linked {
		if l, ok := links[Potentials]; ok {
			ids = append(ids, l.CRMID)
		}
	}
	alive := map[string]bool{}
	if len(ids) == 0 {
		return alive, nil
	}
	records, err := v.crm.Find(ctx, Potentials, "id", ids)
	for _, r := range records {
		alive[r.ID()] = true
	}
	return alive, err
}

// weigh adds an order to the sums of its currency.
func (v *verification) weigh(s sight) {
	_, linked := s.links[SalesOrder]
	if !linked && len(s.order.keyed) == 0 && s.ID <= v.since {
		return
	}
	b := v.sums[s.Code]
	if b == nil {
		b = &balance{}
		v.sums[s.Code] = b
	}
	b.shopCount++
	b.shop = b.shop.Add(s.TotalPaid.Round(2))
	records := s.order.keyed
	if s.order.target != nil && !slices.ContainsFunc(records, func(r vtigerws.Record) bool { return r.ID() == s.order.target.ID() }) {
		records = append(slices.Clone(records), s.order.target)
	}
	for _, r := range records {
		b.crmCount++
		if total, ok := totalOf(r); ok {
			b.crm = b.crm.Add(total)
		}
	}
}

// balances reports the currencies whose orders do not come to the same on both sides.
func (v *verification) balances() {
	repaired := v.repair && !slices.ContainsFunc(v.found, func(d Difference) bool { return !d.Done })
	for _, code := range slices.Sorted(maps.Keys(v.sums)) {
		b := v.sums[code]
		if b.shopCount == b.crmCount && b.shop.Equal(b.crm) {
			continue
		}
		v.found = append(v.found, Difference{
			Entity: store.Order, What: diffSum, Done: repaired,
			Text: fmt.Sprintf("%s: %d orders of the shop come to %s, their %d SalesOrders in the CRM to %s; the differences of single orders say why",
				firstOf(code, "unknown currency"), b.shopCount, b.shop.StringFixed(2), b.crmCount, b.crm.StringFixed(2)),
		})
	}
}
