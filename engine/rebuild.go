package engine

import (
	"context"
	"fmt"
	"slices"

	"cartiger/psapi"
	"cartiger/store"
	"cartiger/vtigerws"
)

// Rebuild makes the links of a lost state file anew: customers by e-mail, products by code, orders with their Invoices
// and Potentials by key, currencies by code. It writes nothing into the CRM and never changes a link that is there, so
// it can be interrupted and repeated.
//
// Customers and products go through the plans of the exports, and only what such a plan finds in the CRM is taken: the
// links are those that the lost file had, and what the CRM lacks is left to the next export or watch. An order whose
// total agrees counts as written whole; any other is written again by its next change, or by Verify.
func (e *Engine) Rebuild(ctx context.Context) (Summary, error) {
	unfinished, _, err := e.store.OpenRun(ctx, "rebuild")
	if err != nil {
		return Summary{}, err
	}
	w, runCtx, err := e.begin(ctx, "rebuild", unfinished)
	if err != nil {
		return Summary{}, err
	}
	r := &rebuilding{work: w, absent: map[store.Entity]int64{}}
	if err = r.all(runCtx); err == nil {
		err = w.store.Verified(runCtx)
	}
	err = w.end(ctx, err)
	s := w.summary("")
	s.Warnings = r.warnings
	return s, err
}

// rebuilding is one rebuild under way.
type rebuilding struct {
	*work
	absent   map[store.Entity]int64 // shop records that the CRM lacks
	late     stretch                // of them the orders after the latest one that the CRM has
	warnings []string
}

// stretch is a run of orders.
type stretch struct{ first, last, count int64 }

func (r *rebuilding) all(ctx context.Context) error {
	if err := r.orderModules(ctx); err != nil {
		return err
	}
	if err := r.currencies(ctx); err != nil {
		return err
	}
	if err := r.exportProducts(ctx, ExportOptions{}, r.take); err != nil {
		return err
	}
	if err := r.customers(ctx); err != nil {
		return err
	}
	q := psapi.Query{Limit: batch}
	for {
		if err := r.pausing(ctx); err != nil {
			return err
		}
		page, err := r.shop.Orders(ctx, q)
		if err != nil {
			return ctxErr(ctx, err)
		}
		if err := r.reportBad(ctx, page.Bad); err != nil {
			return err
		}
		if err := r.orders(ctx, page.Items); err != nil {
			return err
		}
		if !page.More {
			break
		}
		q.After = page.Last
	}
	r.conclude()
	return nil
}

// conclude tells what the CRM lacks and what brings it there.
func (r *rebuilding) conclude() {
	say := func(format string, args ...any) { r.warnings = append(r.warnings, fmt.Sprintf(format, args...)) }
	if n := r.absent[store.Product]; n > 0 {
		say("%d products of the shop are not in the CRM: an export of products writes them", n)
	}
	if n := r.absent[store.Customer]; n > 0 {
		say("%d customers of the shop are not in the CRM: an export of customers writes them", n)
	}
	if n := r.absent[store.Order]; n > 0 {
		say("%d orders of the shop are not in the CRM, older ones than the latest that is: an export of orders since a date writes them", n)
	}
	if r.late.count > 0 {
		say("%d orders (%d to %d) are newer than the latest one in the CRM: watch with a date to catch up from carries them", r.late.count, r.late.first, r.late.last)
	}
}

// take is the carrier of a rebuild: it settles the chains whose record the CRM has, and passes over those that would
// have to write.
func (r *rebuilding) take(ctx context.Context, chains []Chain) ([]carried, error) {
	made := make([]carried, len(chains))
	var known []Chain
	for i, c := range chains {
		made[i].state = c.State
		if len(c.Writes) > 0 || c.State == store.Held {
			made[i].state = store.Held
			if c.ShopID > 0 && !c.Quiet {
				r.absent[c.Entity] += int64(1 + len(c.Followers))
			}
			continue
		}
		known = append(known, c)
	}
	_, err := r.out.carry(ctx, known)
	return made, err
}

// currencies links by code what both sides have. Creating and activating is for automatic linking.
func (r *rebuilding) currencies(ctx context.Context) error {
	a, err := r.readAtlas(ctx)
	if err != nil {
		return err
	}
	var links []store.CurrencyLink
	for _, s := range proposeLinks(a.money) {
		switch s.Action {
		case "link":
			links = append(links, store.CurrencyLink{CRMID: s.CRMID, ShopID: s.ShopID, Code: s.Code, By: "auto"})
		default:
			r.warnings = append(r.warnings, "currencies, link automatically: "+s.Text)
		}
	}
	r.atlas = nil
	return r.store.SaveCurrencyLinks(ctx, links, nil)
}

// customers links everybody whose e-mail the CRM has. When that is everybody, the export of customers has been done
// before, and is closed again (rules.md 7).
func (r *rebuilding) customers(ctx context.Context) error {
	before := r.count.total.Load() // reading shows its own progress
	people, err := r.readPeople(ctx)
	if err != nil {
		return err
	}
	r.count.total.Store(before)
	for _, p := range people {
		r.count.total.Add(int64(len(p.Customers)))
	}
	linked := int64(0)
	for group := range chunks(people, batch) {
		if err := r.pausing(ctx); err != nil {
			return err
		}
		found, absent, err := r.people(ctx, group)
		if err != nil {
			return err
		}
		linked += found
		r.absent[store.Customer] += absent
	}
	if err := r.sharedAccount(ctx); err != nil {
		return err
	}
	closed, err := r.Closed(ctx, "customers")
	if err != nil || closed || linked == 0 || r.absent[store.Customer] > 0 {
		return err
	}
	now := r.opts.Now()
	_, err = r.store.StartRun(ctx, store.Run{
		Kind: "customers", State: store.Finished, Who: r.opts.Who, Started: now, Ended: now, Closed: true,
		Total: linked, Counts: store.Counts{Unchanged: linked}, Message: "found complete by rebuild",
	})
	return err
}

// sharedAccount links the Account of orders that have no other, where there is one.
func (r *rebuilding) sharedAccount(ctx context.Context) error {
	name := r.settings.Get(SharedAccount)
	records, err := r.crm.Find(ctx, Accounts, "accountname", []string{name})
	if err != nil || len(records) == 0 {
		return err
	}
	return r.store.SaveLinks(ctx, []store.Link{{Entity: store.Customer, ShopID: sharedAccountID, Module: Accounts, CRMID: records[0].ID(), Key: name}})
}

// people links a group of people, and says how many customers of the shop the CRM has and lacks. A Lead that we made
// stays linked beside the Contact that it became (rules.md 3.1).
func (r *rebuilding) people(ctx context.Context, group []Person) (found, absent int64, err error) {
	matches, err := r.matchPeople(ctx, group)
	if err != nil {
		return 0, 0, err
	}
	leads, err := r.promotedLeads(ctx, group, matches)
	if err != nil {
		return 0, 0, err
	}
	var chains []Chain
	for i, p := range group {
		chain, held := nobody(personChain(p), p)
		if held {
			continue // no e-mail address, no identity: no export can write it either
		}
		if !matches[i].Found() {
			absent += int64(len(p.Customers))
			continue
		}
		chain = matched(chain, p, matches[i])
		if account := matches[i].Record["account_id"]; matches[i].Module == Contacts && account != "" {
			chain.Links = append(chain.Links, linkAll(accountOwners(p), Accounts, account)...)
		}
		if lead := leads[Fold(p.Email)]; lead != "" {
			chain.Links = append(chain.Links, linkAll(p, Leads, lead)...)
		}
		found += int64(len(p.Customers))
		chains = append(chains, chain)
	}
	_, err = r.out.carry(ctx, chains)
	return found, absent, err
}

// accountOwners are the customers of a person whom an export or an order has tied to the Contact's Account: all of them
// where there is a company, else those who have ordered.
func accountOwners(p Person) Person {
	if p.Ordered && p.Company != "" {
		return p
	}
	p.Customers = slices.DeleteFunc(slices.Clone(p.Customers), func(c psapi.Customer) bool { return !slices.Contains(p.Buyers, c.ID) })
	return p
}

// promotedLeads finds the Leads of people who are Contacts or Accounts by now, if Cartiger made them. Converted Leads
// cannot be found, and match nobody any more.
func (r *rebuilding) promotedLeads(ctx context.Context, group []Person, matches []PersonMatch) (map[string]string, error) {
	leads := map[string]string{}
	if _, visible := r.draft.Modules[Leads].Field("leadsource"); !visible {
		return leads, nil
	}
	var emails []string
	for i, p := range group {
		if matches[i].Found() && matches[i].Module != Leads {
			emails = append(emails, p.Email)
		}
	}
	if len(emails) == 0 {
		return leads, nil
	}
	records, err := r.crm.Find(ctx, Leads, "email", emails, "leadsource")
	for _, lead := range records {
		if key := Fold(lead["email"]); leads[key] == "" && lead["leadsource"] == Source {
			leads[key] = lead.ID()
		}
	}
	return leads, err
}

// orders links the orders of a page that the CRM has, with what hangs on them.
func (r *rebuilding) orders(ctx context.Context, page []psapi.Order) error {
	if len(page) == 0 {
		return nil
	}
	r.count.total.Add(int64(len(page)))
	linked, err := r.linked(ctx, page)
	if err != nil {
		return err
	}
	fresh := slices.DeleteFunc(slices.Clone(page), func(o psapi.Order) bool { return linked[o.ID] })
	keyField := r.settings.Get(OrderKeyField)
	orders, err := r.carrying(ctx, SalesOrder, keyField, fresh, OrderKey, "hdnGrandTotal", "sostatus", "potential_id")
	if err != nil {
		return err
	}
	for _, o := range page {
		if linked[o.ID] {
			r.count.add(store.Unchanged)
		}
		r.note(o.ID, linked[o.ID] || len(orders[o.ID]) > 0)
	}
	found := slices.DeleteFunc(fresh, func(o psapi.Order) bool { return len(orders[o.ID]) == 0 })
	if len(found) == 0 {
		return nil
	}
	papers := papers{orders: orders}
	if papers.invoices, err = r.carrying(ctx, Invoice, keyField, found, OrderKey, "hdnGrandTotal", "invoicestatus"); err != nil {
		return err
	}
	dealName := func(id int64) string { return subject(r.settings.Get(PotentialPrefix), id) }
	if papers.deals, err = r.carrying(ctx, Potentials, "potentialname", found, dealName); err != nil {
		return err
	}
	if r.draft.Modules[AddonModule].Name != "" {
		if papers.registrations, err = r.carrying(ctx, AddonModule, "ps_label", found, orderLabel); err != nil {
			return err
		}
	}
	return r.linkOrders(ctx, found, papers)
}

// linkOrders links orders, and the customers and products that only orders lead to.
func (r *rebuilding) linkOrders(ctx context.Context, found []psapi.Order, p papers) error {
	a, err := r.atlasFor(ctx, found)
	if err != nil {
		return err
	}
	whole, err := r.completeOrders(ctx, found, a)
	if err != nil {
		return err
	}
	if err := r.buyersOf(ctx, whole); err != nil {
		return err
	}
	// Products that are gone from the shop, gift wrapping: no export of products names them.
	_, _, err = r.orderProducts(ctx, whole, a, func(ctx context.Context, chains []Chain) ([]carried, error) {
		for _, c := range chains {
			if len(c.Writes) == 0 && c.State != store.Held {
				r.count.total.Add(int64(1 + len(c.Followers)))
			}
		}
		return r.take(ctx, chains)
	})
	if err != nil {
		return err
	}
	chains := make([]Chain, len(whole))
	for i, o := range whole {
		chains[i] = p.chain(o)
	}
	_, err = r.out.carry(ctx, chains)
	return err
}

// linked says which orders have their link already: from an interrupted rebuild, or a watch before it.
func (r *rebuilding) linked(ctx context.Context, page []psapi.Order) (map[int64]bool, error) {
	ids := make([]int64, len(page))
	for i, o := range page {
		ids[i] = o.ID
	}
	links, err := r.store.Links(ctx, store.Order, ids...)
	linked := map[int64]bool{}
	for _, l := range links {
		linked[l.ShopID] = linked[l.ShopID] || l.Module == SalesOrder
	}
	return linked, err
}

// note counts the orders that the CRM lacks, by rising id, and tells those of the past from those after the latest one
// that it has.
func (r *rebuilding) note(id int64, known bool) {
	switch {
	case known:
		r.absent[store.Order] += r.late.count
		r.late = stretch{}
	case r.late.count == 0:
		r.late = stretch{id, id, 1}
	default:
		r.late.last = id
		r.late.count++
	}
}

// carrying finds the records of a module that carry the keys of orders, the oldest first, with the fields of the
// module that are visible.
func (r *rebuilding) carrying(ctx context.Context, module, field string, orders []psapi.Order, key func(int64) string, fields ...string) (map[int64][]vtigerws.Record, error) {
	out := map[int64][]vtigerws.Record{}
	if len(orders) == 0 {
		return out, nil
	}
	byKey := map[string]int64{}
	keys := make([]string, len(orders))
	for i, o := range orders {
		keys[i] = key(o.ID)
		byKey[Fold(keys[i])] = o.ID
	}
	fields = slices.DeleteFunc(fields, func(name string) bool {
		_, visible := r.draft.Modules[module].Field(name)
		return !visible
	})
	records, err := r.crm.Find(ctx, module, field, keys, fields...)
	for _, record := range records {
		id := byKey[Fold(record[field])]
		out[id] = append(out[id], record)
	}
	return out, err
}

// buyersOf links the customers behind orders that the pass over all customers left out: those deleted in the shop.
func (r *rebuilding) buyersOf(ctx context.Context, whole []ShopOrder) error {
	people := buyers(whole)
	var ids []int64
	for i := range people {
		people[i].Buyers = people[i].ids()
		ids = append(ids, people[i].Buyers...)
	}
	links, err := r.store.Links(ctx, store.Customer, ids...)
	if err != nil {
		return err
	}
	linked := map[int64]bool{}
	for _, l := range links {
		linked[l.ShopID] = true
	}
	people = slices.DeleteFunc(people, func(p Person) bool {
		return !slices.ContainsFunc(p.ids(), func(id int64) bool { return !linked[id] })
	})
	if len(people) == 0 {
		return nil
	}
	found, _, err := r.people(ctx, people)
	r.count.total.Add(found)
	return err
}

// papers are what the CRM has of some orders, by order.
type papers struct{ orders, invoices, deals, registrations map[int64][]vtigerws.Record }

// chain links one order with all that carries its key.
func (p papers) chain(o ShopOrder) Chain {
	chain := Chain{Entity: store.Order, ShopID: o.ID, Label: o.label(), State: store.Unchanged, Detail: "already in the CRM by its key"}
	link := func(module string, entity store.Entity, records []vtigerws.Record, mirrored func(vtigerws.Record) string) {
		if len(records) == 0 {
			return
		}
		chain.Links = append(chain.Links, store.Link{Entity: entity, ShopID: o.ID, Module: module, CRMID: records[0].ID(), Key: OrderKey(o.ID), Mirrored: mirrored(records[0])})
		if len(records) > 1 {
			chain.Warnings = append(chain.Warnings, fmt.Sprintf("order %d is in the CRM %d times: %s %s is linked, delete the others (%s) there",
				o.ID, len(records), module, records[0].ID(), idList(records[1:])))
		}
	}
	shown := func(module string) func(vtigerws.Record) string {
		return func(r vtigerws.Record) string { return asJSON(o.shown(module, r, o.digest())) }
	}
	order, deals := p.orders[o.ID], p.deals[o.ID]
	// Of several Potentials with the name, the one that the order points at is its own.
	if i := slices.IndexFunc(deals, func(d vtigerws.Record) bool { return d.ID() == order[0]["potential_id"] }); i >= 0 {
		deals = deals[i : i+1]
	}
	link(SalesOrder, store.Order, order, shown(SalesOrder))
	link(Invoice, store.Invoice, p.invoices[o.ID], shown(Invoice))
	link(Potentials, store.Order, deals, func(vtigerws.Record) string { return asJSON(MirroredOrder{Total: o.TotalPaid}) })
	link(AddonModule, store.Order, p.registrations[o.ID], func(vtigerws.Record) string { return "" })
	return chain
}
