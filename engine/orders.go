package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"cartiger/problem"
	"cartiger/psapi"
	"cartiger/store"
	"cartiger/vtigerws"
)

// Shop ids of products that are no products of the shop: gift wrapping, and what an order keeps that has lost all its
// lines. Both get a product of their own in the CRM, because every line needs one.
const (
	wrappingID = -1
	remainsID  = -2
)

// stateCanceled is the order state that cancelling the last line gives (PS_OS_CANCELED).
const stateCanceled = 6

// exportOrders writes the orders of the past that the CRM lacks (rules.md 7).
func (w *work) exportOrders(ctx context.Context, o ExportOptions, carry carrier) error {
	if err := w.orderModules(ctx); err != nil {
		return err
	}
	if _, err := w.linkMissingCurrencies(ctx); err != nil {
		return err
	}
	a, err := w.readAtlas(ctx)
	if err != nil {
		return err
	}
	q := psapi.Query{Limit: 250}
	if !o.Since.IsZero() {
		// The shop's clock: strictly greater, so one second earlier.
		q.Since = psapi.Stamp(o.Since.In(a.zone).Add(-time.Second).Format(psapi.StampLayout))
		q.DateAdds = true
	}
	orders, err := readAll(ctx, w, counted(w, w.shop.Orders), q)
	if err != nil {
		return err
	}
	if o.Limit > 0 && len(orders) > o.Limit {
		orders = orders[:o.Limit]
	}
	done, err := w.settled(ctx, store.Order)
	if err != nil {
		return err
	}
	w.count.total.Store(int64(len(orders)))
	orders = slices.DeleteFunc(orders, func(o psapi.Order) bool { return done[o.ID] })
	for group := range chunks(orders, batch) {
		if err := w.pausing(ctx); err != nil {
			return err
		}
		if err := w.carryOrders(ctx, group, carry); err != nil {
			return err
		}
	}
	return nil
}

// orderModules asks what the CRM demands of everything an order may need.
func (w *work) orderModules(ctx context.Context) error {
	return w.describes(ctx, w.orderModuleNames()...)
}

func (w *work) orderModuleNames() []string {
	modules := slices.Clone(needed)
	if !w.settings.On(CreatePotential) {
		modules = slices.DeleteFunc(modules, func(m string) bool { return m == Potentials })
	}
	if slices.Contains(w.facts.Modules, AddonModule) {
		modules = append(modules, AddonModule)
	}
	return modules
}

// carryOrders writes orders, new ones and changes of registered ones alike.
func (w *work) carryOrders(ctx context.Context, orders []psapi.Order, carry carrier) error {
	for page := range chunks(orders, perList) {
		a, err := w.atlasFor(ctx, page)
		if err != nil {
			return err
		}
		whole, err := w.completeOrders(ctx, page, a)
		if err != nil {
			return err
		}
		for group := range chunks(whole, batch) {
			if err := w.carryGroup(ctx, group, a, carry); err != nil {
				return err
			}
		}
	}
	return nil
}

// carryGroup writes a group of orders with what they need: first their customers, then missing products, then the
// orders themselves.
func (w *work) carryGroup(ctx context.Context, whole []ShopOrder, a *atlas, carry carrier) error {
	linked, err := w.orderLinks(ctx, whole)
	if err != nil {
		return err
	}
	shut := "" // why the CRM shows nothing of what orders need
	if err := w.adopt(ctx, whole, a, linked); denied(err) {
		shut = reason(err)
	} else if err != nil {
		return err
	}
	var chains []Chain
	whole = slices.DeleteFunc(whole, func(o ShopOrder) bool {
		if o.Unreadable != "" {
			chains = append(chains, hold(Chain{Entity: store.Order, ShopID: o.ID, Label: o.label()}, "unreadable", o.Unreadable))
		}
		return o.Unreadable != ""
	})
	fresh := make([]ShopOrder, 0, len(whole))
	for _, o := range whole {
		if _, registered := linked[o.ID][SalesOrder]; !registered {
			fresh = append(fresh, o)
		}
	}
	parties, heldParties, err := w.parties(ctx, buyers(fresh), carry)
	if err != nil {
		return err
	}
	terms := map[int64]OrderTerms{}
	var stocked []ShopOrder // whose products matter
	for _, o := range whole {
		t := OrderTerms{
			Settings: w.settings, Maps: a.maps, Factor: a.factor, RoundMode: a.shop.RoundMode,
			Links: linked[o.ID], Addon: w.draft.Modules[AddonModule].Createable,
		}
		t.Currency, _ = a.money.linked(o.Currency)
		if terms[o.ID] = t; o.needsLines(t, w.draft) {
			stocked = append(stocked, o)
		}
	}
	products, heldProducts, err := w.orderProducts(ctx, stocked, a, carry)
	if err != nil {
		return err
	}
	if err := w.relieve(ctx, stocked, products, carry); err != nil {
		return err
	}
	var alone []plannable
	for _, o := range whole {
		t := terms[o.ID]
		t.Products = products
		for _, id := range o.carriers() {
			if why := heldProducts[id]; why != "" {
				t.Held, t.Why = "product", why
			}
		}
		if order, registered := linked[o.ID][SalesOrder]; registered {
			var gone string
			if t.Party, gone, err = w.partyOfRegistered(ctx, o, order, linked[o.ID]); err != nil {
				return err
			}
			if gone != "" {
				t.Held, t.Why = "gone", gone
			}
		} else {
			if t.Party, err = w.partyOf(ctx, o, parties, carry); denied(err) {
				shut = reason(err)
			} else if err != nil {
				return err
			}
			switch why := heldParties[Fold(o.Buyer.Email)]; {
			case why != "" && o.Buyer.ID != 0:
				t.Held, t.Why = "customer", why
			case t.Party.account == "" && w.companies.denied != "":
				t.Held, t.Why = "customer", w.companies.denied
			}
		}
		if shut != "" {
			t.Held, t.Why = "rights", shut
		}
		p := plannable{o, t}
		if chain := p.plan(w.draft); setsTaxes(chain) {
			alone = append(alone, p)
		} else {
			chains = append(chains, chain)
		}
	}
	if _, err := carry(ctx, chains); err != nil {
		return err
	}
	// Orders that set the tax of products go one by one, each planned when the one before is written: two of them may
	// want different rates for one product.
	for _, p := range alone {
		if err := w.readRates(ctx, p.order, products); err != nil {
			return err
		}
		if _, err := carry(ctx, []Chain{p.plan(w.draft)}); err != nil {
			return err
		}
	}
	return nil
}

// plannable is an order with all that its plan depends on.
type plannable struct {
	order ShopOrder
	terms OrderTerms
}

// plan makes the chain of an order as its products are now.
func (p plannable) plan(d Drafter) Chain {
	p.terms.Wrapping, p.terms.Remains = p.terms.Products[wrappingID], p.terms.Products[remainsID]
	if _, registered := p.terms.Links[SalesOrder]; registered {
		return planOrderUpdate(p.order, p.terms, d)
	}
	return planOrder(p.order, p.terms, d)
}

func setsTaxes(c Chain) bool {
	return slices.ContainsFunc(c.Writes, func(w PlannedWrite) bool { return len(w.Write.ProductTaxes) > 0 })
}

// readRates takes up the tax rates that the products of an order have by now.
func (w *work) readRates(ctx context.Context, o ShopOrder, products map[int64]DocumentProduct) error {
	ids := o.carriers()
	var records []string
	for _, id := range ids {
		if p, known := products[id]; known {
			records = append(records, p.Product)
		}
	}
	rates, err := w.assignedRates(ctx, records)
	for _, id := range ids {
		if p, known := products[id]; known && rates[p.Product] != nil {
			p.Assigned = true
			products[id] = p
		}
	}
	return err
}

// assignedRates are the tax rates that we gave CRM products. Several products of the shop may share one in the CRM:
// the last word counts, whoever's order spoke it.
func (w *work) assignedRates(ctx context.Context, records []string) (map[string]*decimal.Decimal, error) {
	links, err := w.store.LinksByCRM(ctx, records...)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(links, func(a, b store.Link) int { return a.At.Compare(b.At) })
	rates := map[string]*decimal.Decimal{}
	for _, l := range links {
		if tax := mirroredProduct(l).Tax; l.Entity == store.Product && tax != nil {
			rates[l.CRMID] = tax
		}
	}
	return rates, nil
}

// partyOf is whom an order hangs on; an order whose customer is gone from the shop hangs on the shared Account.
func (w *work) partyOf(ctx context.Context, o ShopOrder, parties map[string]party, carry carrier) (party, error) {
	if o.Buyer.ID != 0 {
		return parties[Fold(o.Buyer.Email)], nil
	}
	links, err := w.store.Links(ctx, store.Customer, o.Customer)
	if err != nil {
		return party{}, err
	}
	var who party
	for _, l := range links {
		if l.Module != Contacts && l.Module != Accounts {
			continue
		}
		// The CRM takes the id of a deleted record without a word.
		alive, err := w.crm.Find(ctx, l.Module, "id", []string{l.CRMID})
		switch {
		case err != nil:
			return party{}, err
		case len(alive) == 0:
		case l.Module == Contacts:
			who.contact = l.CRMID
		default:
			who.account = l.CRMID
		}
	}
	if who.account == "" {
		if err := w.companies.makeShared(ctx, carry); err != nil {
			return who, err
		}
		who.account = w.companies.shared
	}
	return who, nil
}

// partyOfRegistered is whom a registered order hangs on by now, where its Invoice is about to be made: a person may
// have moved the order to another Account in the CRM, or deleted it: gone then says so.
func (w *work) partyOfRegistered(ctx context.Context, o ShopOrder, order store.Link, linked map[string]store.Link) (who party, gone string, err error) {
	if _, billed := linked[Invoice]; billed || o.InvoiceNumber == 0 {
		return party{}, "", nil
	}
	record, err := w.crm.Retrieve(ctx, order.CRMID)
	switch problem.KindOf(err) {
	case "":
		return party{contact: record["contact_id"], account: record["account_id"]}, "", nil
	case problem.NotFound, problem.Unauthorised:
		return party{}, fmt.Sprintf("SalesOrder %s of %s, which its Invoice needs, is no longer in the CRM (deleted, merged, or hidden from the CRM user): restore it from the CRM's recycle bin", order.CRMID, o.label()), nil
	}
	return party{}, "", err
}

// completeOrders reads what orders refer to: one request per kind and page.
func (w *work) completeOrders(ctx context.Context, orders []psapi.Order, a *atlas) ([]ShopOrder, error) {
	var customerIDs, addressIDs []int64
	for _, o := range orders {
		customerIDs = append(customerIDs, o.Customer)
		addressIDs = append(addressIDs, o.AddressInvoice, o.AddressDelivery)
	}
	var bad []psapi.BadRecord
	readDetails := noting(&bad, w.shop.OrderDetails)
	details, err := w.linesOf(ctx, orders, readDetails)
	if err != nil {
		return nil, err
	}
	unreadable := map[int64]string{} // by order
	if len(bad) > 0 {
		// Nobody can read whose line it is: the orders are asked for it one by one.
		for i, o := range orders {
			bad = nil
			if _, err := w.linesOf(ctx, orders[i:i+1], readDetails); err != nil {
				return nil, err
			}
			if len(bad) > 0 {
				unreadable[o.ID] = unreadableWords(bad[0])
			}
		}
	}
	bad = nil
	discounted := idsOf(orders, func(o psapi.Order) bool { return !o.TotalDiscounts.IsZero() })
	discounts, err := byOwner(ctx, w, "", w.shop.OrderDiscounts, discounted, func(d psapi.OrderDiscount) int64 { return d.Order })
	if err != nil {
		return nil, err
	}
	customers, err := byID(ctx, w, "customers", noting(&bad, w.shop.Customers), customerIDs, func(c psapi.Customer) int64 { return c.ID })
	if err != nil {
		return nil, err
	}
	addresses, err := byID(ctx, w, "addresses", noting(&bad, w.shop.Addresses), addressIDs, func(a psapi.Address) int64 { return a.ID })
	if err != nil {
		return nil, err
	}
	for _, b := range bad {
		for _, o := range orders {
			if b.Resource == "customers" && b.ID == o.Customer || b.Resource == "addresses" && (b.ID == o.AddressInvoice || b.ID == o.AddressDelivery) {
				unreadable[o.ID] = unreadableWords(b)
			}
		}
	}
	place := func(id int64) Place {
		at := addresses[id]
		return Place{at, a.shop.Countries[at.Country], a.shop.Provinces[at.State]}
	}
	out := make([]ShopOrder, len(orders))
	for i, o := range orders {
		currency, _ := a.money.shopByID(o.Currency)
		buyer := customers[o.Customer]
		out[i] = ShopOrder{
			Order: o, Details: details[o.ID], Discounts: discounts[o.ID], Buyer: buyer, TaxExcluded: a.shop.Excluded[buyer.DefaultGroup],
			State: a.state(o.CurrentState), Code: currency.ISOCode, Unreadable: unreadable[o.ID],
			Billing: place(o.AddressInvoice), Shipping: place(firstID(o.AddressDelivery, o.AddressInvoice)),
		}
	}
	return out, nil
}

func firstID(ids ...int64) int64 {
	i := slices.IndexFunc(ids, func(id int64) bool { return id != 0 })
	if i < 0 {
		return 0
	}
	return ids[i]
}

func idsOf(orders []psapi.Order, want func(psapi.Order) bool) []int64 {
	var ids []int64
	for _, o := range orders {
		if want(o) {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// perList is how many ids one request asks for.
const perList = 200

// linesOf reads the lines of orders. A shop of nothing but cancelled orders and such as are being placed has none at all.
func (w *work) linesOf(ctx context.Context, orders []psapi.Order, read func(context.Context, psapi.Query) (psapi.Page[psapi.OrderDetail], error)) (map[int64][]psapi.OrderDetail, error) {
	table := ""
	if slices.ContainsFunc(orders, func(o psapi.Order) bool { return o.CurrentState > 0 && o.CurrentState != stateCanceled }) {
		table = "order_details"
	}
	ids := idsOf(orders, func(psapi.Order) bool { return true })
	return byOwner(ctx, w, table, read, ids, func(d psapi.OrderDetail) int64 { return d.Order })
}

// byOwner reads the rows that belong to orders; table is as for doubting.
func byOwner[T any](ctx context.Context, w *work, table string, read func(context.Context, psapi.Query) (psapi.Page[T], error), owners []int64, owner func(T) int64) (map[int64][]T, error) {
	out := map[int64][]T{}
	for list := range chunks(distinct(owners), perList) {
		q := psapi.Query{Where: []psapi.Filter{{Field: "id_order", Op: psapi.OneOf, Values: texts(list)}}, Limit: 500}
		rows, err := readAll(ctx, w, doubting(w, table, read), q)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			out[owner(r)] = append(out[owner(r)], r)
		}
	}
	return out, nil
}

// doubting asks for an empty first page again: what an order names is rarely gone as a whole, and the shop answers an
// SQL error with an empty list. table is a resource that no shop with orders has empty: when it shows no row at all, it
// is broken, and nothing may be concluded from its answers. "" where such a resource may be empty.
func doubting[T any](w *work, table string, read func(context.Context, psapi.Query) (psapi.Page[T], error)) func(context.Context, psapi.Query) (psapi.Page[T], error) {
	return func(ctx context.Context, q psapi.Query) (psapi.Page[T], error) {
		if q.After > 0 {
			return read(ctx, q)
		}
		page, err := expected(ctx, read, q)
		if err != nil || len(page.Items)+len(page.Bad) > 0 || table == "" {
			return page, err
		}
		newest, err := w.shop.Newest(ctx, table)
		if err == nil && newest == 0 {
			err = noRows(table)
		}
		return page, err
	}
}

// noting collects what the shop cannot print besides what is read: it is there, and must not be taken for gone.
func noting[T any](bad *[]psapi.BadRecord, read func(context.Context, psapi.Query) (psapi.Page[T], error)) func(context.Context, psapi.Query) (psapi.Page[T], error) {
	return func(ctx context.Context, q psapi.Query) (psapi.Page[T], error) {
		page, err := read(ctx, q)
		*bad = append(*bad, page.Bad...)
		return page, err
	}
}

// unreadableWords say what the shop cannot print and what to do.
func unreadableWords(b psapi.BadRecord) string {
	return fmt.Sprintf("the shop prints %s %d in a form nobody can read: %s. Correct it in the shop, then retry", b.Resource, b.ID, b.Reason)
}

// byID reads rows by their ids; those that are gone from the shop are missing from the answer. table is as
// for doubting.
func byID[T any](ctx context.Context, w *work, table string, read func(context.Context, psapi.Query) (psapi.Page[T], error), ids []int64, id func(T) int64) (map[int64]T, error) {
	out := map[int64]T{}
	for list := range chunks(distinct(ids), perList) {
		rows, err := readAll(ctx, w, doubting(w, table, read), psapi.Query{IDs: list})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			out[id(r)] = r
		}
	}
	return out, nil
}

func distinct(ids []int64) []int64 {
	seen := map[int64]bool{}
	for _, id := range ids {
		if id > 0 {
			seen[id] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func texts(ids []int64) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = strconv.FormatInt(id, 10)
	}
	return out
}

// orderLinks are the links of orders and of their invoices, by order and module.
func (w *work) orderLinks(ctx context.Context, orders []ShopOrder) (map[int64]map[string]store.Link, error) {
	out := map[int64]map[string]store.Link{}
	ids := make([]int64, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
		out[o.ID] = map[string]store.Link{}
	}
	for _, entity := range []store.Entity{store.Order, store.Invoice} {
		links, err := w.store.Links(ctx, entity, ids...)
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			out[l.ShopID][l.Module] = l
		}
	}
	return out, nil
}

// buyers gathers the people behind orders, one per e-mail; the latest order's address speaks for the person.
func buyers(orders []ShopOrder) []Person {
	var people []Person
	at := map[string]int{}
	for _, o := range orders {
		if o.Buyer.ID == 0 {
			continue
		}
		email := Email(o.Buyer.Email)
		i, seen := at[Fold(email)]
		if !seen {
			i = len(people)
			at[Fold(email)] = i
			people = append(people, Person{Email: email, Ordered: true})
		}
		p := &people[i]
		if !slices.ContainsFunc(p.Customers, func(c psapi.Customer) bool { return c.ID == o.Buyer.ID }) {
			p.Customers = append(p.Customers, o.Buyer)
		}
		if o.Billing.ID != 0 {
			address := o.Billing.Address
			p.Address, p.Country, p.State = &address, o.Billing.CountryName, o.Billing.StateName
			p.Company = companyName(address.Company, o.Buyer.Company)
		}
	}
	return people
}

// productID names the product of a line: its id in the shop, or an id of its own where it has none.
func productID(d psapi.OrderDetail) int64 {
	if d.Product > 0 {
		return d.Product
	}
	return -1000 - d.ID
}

// carriers are the products that the lines of an order hang on.
func (o ShopOrder) carriers() []int64 {
	var ids []int64
	for _, d := range o.Details {
		ids = append(ids, productID(d))
	}
	if !o.TotalWrapping.IsZero() {
		ids = append(ids, wrappingID)
	}
	if len(o.Details) == 0 && !o.placing() {
		ids = append(ids, remainsID)
	}
	return ids
}

// orderProducts finds the CRM's products for the lines of orders, by link, then by code, and makes the missing ones
// (rules.md 3.3). Combinations are not products: their lines hang on the product.
func (w *work) orderProducts(ctx context.Context, orders []ShopOrder, a *atlas, carry carrier) (found map[int64]DocumentProduct, held map[int64]string, err error) {
	found, held = map[int64]DocumentProduct{}, map[int64]string{}
	wanted, missing, err := w.linkedProducts(ctx, orders, found)
	if denied(err) {
		for id := range wanted {
			held[id] = reason(err)
		}
		return found, held, nil
	}
	if err != nil || len(missing) == 0 {
		return found, held, err
	}
	shop, err := byID(ctx, w, "", w.shop.Products, missing, func(p psapi.Product) int64 { return p.ID })
	if err != nil {
		return nil, nil, err
	}
	for _, id := range missing {
		if _, exists := shop[id]; !exists {
			shop[id] = wanted[id].product(id, a)
		}
	}
	list := slices.SortedFunc(maps.Values(shop), func(x, y psapi.Product) int { return int(x.ID - y.ID) })
	for group := range chunks(articles(list), batch) {
		records, err := w.findProducts(ctx, group)
		if denied(err) {
			for _, art := range group {
				for _, p := range art.Products {
					held[p.ID] = reason(err)
				}
			}
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		chains := make([]Chain, len(group))
		for i, art := range group {
			chains[i] = planProduct(art, records[Fold(art.Code)], a.factor, w.draft)
			if len(chains[i].Writes) > 0 && w.settings.Get(MissingProduct) == "hold" {
				chains[i] = hold(chains[i], "product", "the CRM has no product "+art.Code+" and missing ones are not to be created: export the products, or set "+MissingProduct+" to create")
			}
		}
		made, err := carry(ctx, chains)
		if err != nil {
			return nil, nil, err
		}
		for i, art := range group {
			for _, p := range art.Products {
				switch {
				case made[i].state == store.Held || made[i].state == store.Failed:
					held[p.ID] = firstOf(made[i].why, "product "+art.Code+" could not be written")
				case len(records[Fold(art.Code)]) > 0:
					found[p.ID] = DocumentProduct{Product: records[Fold(art.Code)][0].ID()}
				default:
					found[p.ID] = DocumentProduct{
						Product: made[i].ids["product"], Assigned: p.TaxRate.IsPositive(),
						stock: vtigerws.Record{"id": made[i].ids["product"], "reorderlevel": noReorder},
					}
				}
			}
		}
	}
	return found, held, nil
}

// wantedProduct is what a line says about its product, for products that the shop no longer has.
type wantedProduct struct {
	line  psapi.OrderDetail
	order psapi.Order
	name  string
}

// product makes a product of a line (rules.md 2: created using order data). Amounts come back to the default currency.
func (n wantedProduct) product(id int64, a *atlas) psapi.Product {
	p := psapi.Product{ID: id, Reference: n.line.Reference, Name: firstOf(n.line.Name, n.name), TaxRate: n.line.TaxRate, Net: n.line.Price, Active: id > 0}
	if n.order.ConversionRate.IsPositive() {
		p.Net = p.Net.DivRound(n.order.ConversionRate, 6)
	}
	if n.name != "" {
		p.Reference = "#presta_" + n.name
		p.Name = specialNames[n.name]
	}
	return p
}

var specialNames = map[string]string{"wrapping": "Gift wrapping", "remains": "Rest of a cancelled order"}

// linkedProducts fills in the products whose links hold, and names the shop ids of the others.
func (w *work) linkedProducts(ctx context.Context, orders []ShopOrder, found map[int64]DocumentProduct) (wanted map[int64]wantedProduct, missing []int64, err error) {
	wanted = map[int64]wantedProduct{}
	for _, o := range orders {
		for _, d := range o.Details {
			id := productID(d)
			if _, seen := wanted[id]; !seen {
				wanted[id] = wantedProduct{line: d, order: o.Order}
			}
		}
		if !o.TotalWrapping.IsZero() {
			wanted[wrappingID] = wantedProduct{name: "wrapping"}
		}
		if len(o.Details) == 0 && !o.placing() {
			wanted[remainsID] = wantedProduct{name: "remains"}
		}
	}
	ids := slices.Sorted(maps.Keys(wanted))
	links, err := w.store.Links(ctx, store.Product, ids...)
	if err != nil {
		return nil, nil, err
	}
	byCRM := map[string]bool{}
	var crmIDs []string
	for _, l := range links {
		if !byCRM[l.CRMID] {
			byCRM[l.CRMID] = true
			crmIDs = append(crmIDs, l.CRMID)
		}
	}
	alive := map[string]vtigerws.Record{}
	if len(crmIDs) > 0 {
		fields := []string{"productcode"}
		if w.draft.Dialect.StockCrash {
			fields = append(fields, stockFields...)
		}
		records, err := w.crm.Find(ctx, Products, "id", crmIDs, fields...)
		if err != nil {
			return wanted, nil, err
		}
		for _, r := range records {
			alive[r.ID()] = r
		}
	}
	rates, err := w.assignedRates(ctx, crmIDs)
	if err != nil {
		return nil, nil, err
	}
	for _, l := range links {
		record, there := alive[l.CRMID]
		if !there {
			continue
		}
		found[l.ShopID] = DocumentProduct{Product: l.CRMID, stock: record, Assigned: rates[l.CRMID] != nil}
	}
	for _, id := range ids {
		if _, ok := found[id]; !ok {
			missing = append(missing, id)
		}
	}
	return wanted, missing, nil
}

func mirroredProduct(l store.Link) MirroredProduct {
	var m MirroredProduct
	if json.Unmarshal([]byte(l.Mirrored), &m) != nil {
		return MirroredProduct{}
	}
	return m
}
