package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"cartiger/problem"
	"cartiger/psapi"
	"cartiger/store"
	"cartiger/vtigerws"
)

// ShopOrder is an order with everything that the shop says about it.
type ShopOrder struct {
	psapi.Order
	Details           []psapi.OrderDetail
	Discounts         []psapi.OrderDiscount
	Billing, Shipping Place
	Buyer             psapi.Customer // ID 0 when the customer is gone from the shop
	TaxExcluded       bool           // how the shop rounded for the buyer's group
	State             psapi.OrderState
	Code              string // ISO 4217
	// Unreadable says which line, customer or address of the order the shop cannot print; "" = none. Such an order waits.
	Unreadable string
}

// Place is an address with the names of its country and province. A physically deleted address is empty.
type Place struct {
	psapi.Address
	CountryName, StateName string
}

// OrderTerms is what the CRM and the settings say about an order before it is planned.
type OrderTerms struct {
	Settings  Settings
	Maps      []store.StateMap
	Currency  vtigerws.Currency // the linked CRM currency; ID "" = none
	Factor    decimal.Decimal   // CRM base units per shop default unit
	RoundMode int
	Party     party
	Products  map[int64]DocumentProduct // by productID
	Wrapping  DocumentProduct
	Remains   DocumentProduct
	Links     map[string]store.Link // what the order has already, by module
	Addon     bool                  // the CRM-side module is installed
	Held      string                // why the order cannot be written now: "customer" or "product", with Why
	Why       string
}

// party is whom an order hangs on.
type party struct{ contact, account string }

// MirroredOrder is what the links of an order remember of the last write; the next change is compared with it.
type MirroredOrder struct {
	State  int64  `json:"state"`
	Status string `json:"status"`
	// Digest of lines and totals; "" = not known to be whole, so everything is written again.
	Digest string          `json:"digest"`
	Total  decimal.Decimal `json:"total"`
}

func mirroredOrder(l store.Link) MirroredOrder {
	var m MirroredOrder
	if json.Unmarshal([]byte(l.Mirrored), &m) != nil {
		return MirroredOrder{}
	}
	return m
}

// digest tells whether the money of an order has changed: lines, quantities, refunds, discounts, totals.
func (o ShopOrder) digest() string {
	type line struct {
		ID, Product, Quantity, Refunded, Returned int64
		Price, Rate, Percent, Amount              decimal.Decimal
	}
	var lines []line
	for _, d := range o.Details {
		lines = append(lines, line{d.ID, d.Product, d.Quantity, d.QuantityRefunded, d.QuantityReturn, d.Price, d.TaxRate, d.ReductionPercent, d.ReductionAmount})
	}
	sum := sha256.Sum256([]byte(asJSON([]any{lines, o.TotalPaid, o.TotalShipping, o.TotalWrapping, o.TotalDiscounts, o.CarrierTaxRate, o.Currency})))
	return hex.EncodeToString(sum[:8])
}

// placing says that the shop is not done with a new order. It writes an order's row first, its lines after the stock of
// every product, and its first state last (PaymentModule.php:60-440); that state's row names the order again.
func (o ShopOrder) placing() bool { return len(o.Details) == 0 && o.CurrentState == 0 }

// orderLabel is how people know an order.
func orderLabel(id int64) string { return fmt.Sprintf("order %d", id) }

func (o ShopOrder) label() string { return orderLabel(o.ID) }

// subject is prefix and number: "Bon de commande no1".
func subject(prefix string, id int64) string { return prefix + strconv.FormatInt(id, 10) }

// status is what the shop's state means in the CRM; the invoice's is one that the CRM's list has.
func (o ShopOrder) status(t OrderTerms, d Drafter) (order, invoice string) {
	order, invoice = statusOf(o.State, t.Maps, t.Settings.Get(StatusNames))
	return order, listed(d.Modules[Invoice], invoice)
}

// substitutes are the values that stand in where a CRM's list of invoice statuses lacks the one we mean:
// 5.x has no Cancel, which came with 6.0.
var substitutes = map[string]string{"Cancel": "Credit Invoice", "Paid": "Approved"}

func listed(m vtigerws.Module, value string) string {
	f, known := m.Field("invoicestatus")
	if other := substitutes[value]; known && !slices.Contains(f.Values, value) && slices.Contains(f.Values, other) {
		return other
	}
	return value
}

// planOrder is what a placed order does (rules.md 3): Potential, SalesOrder, registration, and the Invoice where the
// shop has one. What an interrupted attempt has made already stays.
func planOrder(o ShopOrder, t OrderTerms, d Drafter) Chain {
	chain := Chain{Entity: store.Order, ShopID: o.ID, Label: o.label()}
	switch {
	case t.Held != "":
		return hold(chain, t.Held, t.Why)
	case o.placing():
		return hold(chain, "placing", o.label()+" has no lines and no state yet: the shop is still placing it. It goes by itself when the shop is done; if its checkout broke off, give it a state in the shop")
	case t.Currency.ID == "" && o.Code == "":
		return hold(chain, "currency", fmt.Sprintf("the shop no longer has currency %d, which the order is in; enter the order in the CRM by hand", o.Currency))
	case t.Currency.ID == "":
		return hold(chain, "currency", fmt.Sprintf("currency %s is not linked: link it in Configuration, the order goes by itself then", o.Code))
	}
	made, err := o.document(t, d)
	if err != nil {
		return hold(chain, "lines", reason(err))
	}
	chain.Warnings = made.Warnings
	chain.State = store.Created
	chain = assignTaxes(chain, made, t)

	deal := t.Links[Potentials].CRMID
	if t.Settings.On(CreatePotential) && deal == "" {
		chain = d.create(chain, "potential", Potentials, o.potential(t, d), Lookup{Module: Potentials, Field: "potentialname", Value: subject(t.Settings.Get(PotentialPrefix), o.ID)},
			[]store.Link{o.link(Potentials, MirroredOrder{Total: o.TotalPaid})})
		deal = Ref("potential")
	}
	order, _ := o.status(t, d)
	fields := o.fields(t, d)
	if deal != "" {
		fields["potential_id"] = deal
	}
	chain = o.createDocument(chain, "order", SalesOrder, fields, made, t, d, MirroredOrder{State: o.CurrentState, Status: order, Digest: o.digest(), Total: o.TotalPaid})
	chain = o.register(chain, Ref("order"), t, d)
	return o.invoiced(chain, Ref("order"), made, t, d)
}

// planOrderUpdate is what a change of a registered order does (rules.md 4): lines and totals are rewritten when they
// changed, the Invoice comes with the first state that allows one, the status follows, and no line is ever lost.
func planOrderUpdate(o ShopOrder, t OrderTerms, d Drafter) Chain {
	chain := Chain{Entity: store.Order, ShopID: o.ID, Label: o.label(), State: store.Updated}
	link := t.Links[SalesOrder]
	was := mirroredOrder(link)
	order, invoice := o.status(t, d)
	now := MirroredOrder{State: o.CurrentState, Status: order, Digest: o.digest(), Total: o.TotalPaid}
	billed := t.Links[Invoice]
	lines, invoiceLines, newInvoice := o.due(t, d)
	if !lines && !invoiceLines && !newInvoice && was.Status == order {
		chain.State, chain.Detail = store.Unchanged, "nothing that the CRM keeps has changed"
		return chain
	}
	var made DocumentResult
	if o.needsLines(t, d) {
		switch {
		case t.Held != "":
			return hold(chain, t.Held, t.Why)
		case t.Currency.ID == "":
			return hold(chain, "currency", "currency "+o.Code+" is not linked any more: link it in Configuration")
		}
		var err error
		if made, err = o.document(t, d); err != nil {
			return hold(chain, "lines", reason(err))
		}
		chain.Warnings = made.Warnings
		chain = assignTaxes(chain, made, t)
	}
	if deal, ok := t.Links[Potentials]; ok && !was.Total.Equal(o.TotalPaid) {
		chain.Writes = append(chain.Writes, PlannedWrite{
			Name: "potential", Beside: true,
			Write: vtigerws.Write{Op: vtigerws.OpUpdate, Module: Potentials, ID: deal.CRMID, Fields: vtigerws.Record{"amount": o.amount(t)}},
			Links: []store.Link{o.link(Potentials, MirroredOrder{Total: o.TotalPaid})},
		})
	}
	if state := chain.State; t.Addon {
		chain = o.register(chain, link.CRMID, t, d)
		if chain.State == store.Held {
			return chain
		}
		chain.State = state
	}
	written := was.Status // the status that the order has in the CRM after each write
	if lines {
		chain.Writes = append(chain.Writes, PlannedWrite{
			Name:  "order",
			Write: vtigerws.Write{Op: vtigerws.OpUpdate, Module: SalesOrder, ID: link.CRMID, Fields: o.statusFields(t, d), Document: &made.Document},
			Links: []store.Link{o.link(SalesOrder, now)},
		})
		written = order
	}
	switch {
	case invoiceLines:
		// All lines again, also for a status alone: an update that keeps the lines takes the stock a second time
		// (wire/vtiger.md 3a).
		written = afterInvoice(d, written)
		chain.Writes = append(chain.Writes, PlannedWrite{
			Name: "invoice", Beside: true,
			Write: vtigerws.Write{Op: vtigerws.OpUpdate, Module: Invoice, ID: billed.CRMID, Fields: vtigerws.Record{"invoicestatus": invoice}, Document: &made.Document},
			Links: []store.Link{o.invoiceLink(invoice), o.statusLink(link.CRMID, written)},
		})
	case newInvoice:
		written = afterInvoice(d, written)
		chain = o.createInvoice(chain, link.CRMID, written, made, t, d)
	}
	if written != order {
		chain.Writes = append(chain.Writes, o.setStatus(link.CRMID, made, t, d, now))
	} else if !lines {
		chain.Links = append(chain.Links, o.linkTo(SalesOrder, link.CRMID, now))
	}
	return chain
}

// due says what of a registered order's documents is to be written: the lines of the SalesOrder, those of the Invoice, a
// new Invoice.
func (o ShopOrder) due(t OrderTerms, d Drafter) (lines, invoiceLines, newInvoice bool) {
	_, invoice := o.status(t, d)
	digest := o.digest()
	billed, hasInvoice := t.Links[Invoice]
	was := mirroredOrder(billed)
	return mirroredOrder(t.Links[SalesOrder]).Digest != digest, hasInvoice && (was.Digest != digest || was.Status != invoice), !hasInvoice && o.InvoiceNumber > 0
}

// needsLines says whether the plan of an order needs its lines, and so their products: a status alone does not.
func (o ShopOrder) needsLines(t OrderTerms, d Drafter) bool {
	_, registered := t.Links[SalesOrder]
	lines, invoiceLines, newInvoice := o.due(t, d)
	return !registered || lines || invoiceLines || newInvoice || d.Dialect.WholeUpdates
}

// afterInvoice is the status of an order after its Invoice was saved: up to 5.4 that is Approved, whatever it was
// (Invoice.php, wire/vtiger.md 3a).
func afterInvoice(d Drafter, before string) string {
	if d.Dialect.ApprovesOrders {
		return "Approved"
	}
	return before
}

// document is the order in the CRM's terms.
func (o ShopOrder) document(t OrderTerms, d Drafter) (DocumentResult, error) {
	return BuildDocument(DocumentInput{
		Order: o.Order, Details: o.Details, Discounts: o.Discounts, TaxExcluded: o.TaxExcluded, RoundMode: t.RoundMode, Dialect: d.Dialect,
		Product:  func(line psapi.OrderDetail) DocumentProduct { return t.Products[productID(line)] },
		Wrapping: t.Wrapping, Remains: t.Remains,
	})
}

// assignTaxes puts the updates of products first whose tax an individually taxed document needs.
func assignTaxes(chain Chain, made DocumentResult, t OrderTerms) Chain {
	for _, id := range slices.Sorted(maps.Keys(made.ProductTaxes)) {
		rate := made.ProductTaxes[id]
		chain.Writes = append(chain.Writes, PlannedWrite{
			Name:  "tax:" + id,
			Write: vtigerws.Write{Op: vtigerws.OpUpdate, Module: Products, ID: id, ProductTaxes: map[string]decimal.Decimal{productTax: rate}},
			Links: taxLinks(t, id, rate),
		})
	}
	return chain
}

// taxLinks remember the rate that a product carries from now on.
func taxLinks(t OrderTerms, id string, rate decimal.Decimal) []store.Link {
	var links []store.Link
	for shopID, p := range t.Products {
		if p.Product == id {
			links = append(links, store.Link{Entity: store.Product, ShopID: shopID, Module: Products, Mirrored: asJSON(MirroredProduct{Tax: &rate})})
		}
	}
	return links
}

// invoiced adds the Invoice where the shop has one, and puts the mapped status back, which creating it overwrites.
func (o ShopOrder) invoiced(chain Chain, orderID string, made DocumentResult, t OrderTerms, d Drafter) Chain {
	_, has := t.Links[Invoice]
	if o.InvoiceNumber == 0 || has || chain.State == store.Held {
		return chain
	}
	order, _ := o.status(t, d)
	written := afterInvoice(d, order)
	chain = o.createInvoice(chain, orderID, written, made, t, d)
	if order != written && chain.State != store.Held {
		chain.Writes = append(chain.Writes, o.setStatus(orderID, made, t, d, MirroredOrder{State: o.CurrentState, Status: order, Digest: o.digest(), Total: o.TotalPaid}))
	}
	return chain
}

// createInvoice plans the Invoice of an order, which then has the given status.
func (o ShopOrder) createInvoice(chain Chain, orderID, written string, made DocumentResult, t OrderTerms, d Drafter) Chain {
	_, invoice := o.status(t, d)
	fields := o.fields(t, d)
	delete(fields, "sostatus")
	fields["salesorder_id"] = orderID
	fields["invoicestatus"] = invoice
	if o.InvoiceDate != "" {
		fields["invoicedate"] = string(o.InvoiceDate)[:10]
	}
	fields["description"] = strings.TrimSpace(fmt.Sprintf("Invoice %d of the shop\n%s", o.InvoiceNumber, fields["description"]))
	state := chain.State
	chain = o.createDocument(chain, "invoice", Invoice, fields, made, t, d, MirroredOrder{State: o.CurrentState, Status: invoice, Digest: o.digest(), Total: o.TotalPaid})
	if chain.State == store.Held {
		return chain
	}
	write := &chain.Writes[len(chain.Writes)-1]
	write.Links = append(write.Links, o.statusLink(orderID, written))
	if chain.State == store.Created {
		chain.State = state // an update that makes an Invoice stays an update
	}
	return chain
}

// statusLink is the order as the save of its Invoice leaves it. It is on disk with the Invoice, so that a process that
// dies before it has put the mapped status back knows that this is still to be done.
func (o ShopOrder) statusLink(orderID, status string) store.Link {
	return o.linkTo(SalesOrder, orderID, MirroredOrder{State: o.CurrentState, Status: status, Digest: o.digest(), Total: o.TotalPaid})
}

// createDocument plans the create of a SalesOrder or Invoice with its lines.
func (o ShopOrder) createDocument(chain Chain, name, module string, fields vtigerws.Record, made DocumentResult, t OrderTerms, d Drafter, mirrored MirroredOrder) Chain {
	keyField := t.Settings.Get(OrderKeyField)
	entity := store.Order
	if module == Invoice {
		entity = store.Invoice
	}
	// 6.x takes the product that the lines need for a mandatory field of the order; the client sends it with the lines.
	fields["productid"] = made.Document.Lines[0].Product
	link := o.link(module, mirrored)
	link.Entity = entity
	chain = d.create(chain, name, module, fields, Lookup{Module: module, Field: keyField, Value: OrderKey(o.ID)}, []store.Link{link})
	if chain.State != store.Held {
		last := &chain.Writes[len(chain.Writes)-1]
		delete(last.Write.Fields, "productid")
		last.Write.Document = &made.Document
	}
	return chain
}

// setStatus writes the status alone; its lines stay, where need be by sending them again.
func (o ShopOrder) setStatus(orderID string, made DocumentResult, t OrderTerms, d Drafter, mirrored MirroredOrder) PlannedWrite {
	w := PlannedWrite{
		Name:  "status",
		Write: vtigerws.Write{Op: vtigerws.OpUpdate, Module: SalesOrder, ID: orderID, Fields: o.statusFields(t, d)},
		Links: []store.Link{o.link(SalesOrder, mirrored)},
	}
	if d.Dialect.WholeUpdates {
		w.Write.Document = &made.Document
	}
	return w
}

// statusFields carry the status; invoicestatus is mandatory on a SalesOrder but reads back empty, so it is always sent
// along (wire/vtiger.md 3a).
func (o ShopOrder) statusFields(t OrderTerms, d Drafter) vtigerws.Record {
	order, invoice := o.status(t, d)
	return vtigerws.Record{"sostatus": order, "invoicestatus": invoice}
}

// register adds the order to the CRM's own Prestashop module (rules.md 3.6).
func (o ShopOrder) register(chain Chain, orderID string, t OrderTerms, d Drafter) Chain {
	if _, done := t.Links[AddonModule]; !t.Addon || done || chain.State == store.Held {
		return chain
	}
	fields := vtigerws.Record{"ps_label": o.label(), "ps_type": "order", "ps_id": strconv.FormatInt(o.ID, 10), "crm_ref": orderID, "ps_hash": o.digest()}
	return d.create(chain, "registration", AddonModule, fields, Lookup{Module: AddonModule, Field: "ps_label", Value: o.label()},
		[]store.Link{{Entity: store.Order, ShopID: o.ID, Module: AddonModule, Key: OrderKey(o.ID)}})
}

// fields are the head of a SalesOrder or Invoice.
func (o ShopOrder) fields(t OrderTerms, d Drafter) vtigerws.Record {
	order, invoice := o.status(t, d)
	f := vtigerws.Record{
		"subject":                     subject(t.Settings.Get(OrderPrefix), o.ID),
		t.Settings.Get(OrderKeyField): OrderKey(o.ID),
		"sostatus":                    order, "invoicestatus": invoice,
		"account_id": t.Party.account, "contact_id": t.Party.contact,
		"currency_id": t.Currency.ID, "conversion_rate": o.rate(t).String(),
		"description": strings.TrimSpace(strings.Join([]string{o.Payment, o.GiftMessage}, "\n")),
	}
	if o.DateAdd != "" {
		f["duedate"] = string(o.DateAdd)[:10]
	}
	for prefix, a := range map[string]Place{"bill_": o.Billing, "ship_": o.Shipping} {
		who := firstOf(a.Company, FullName(a.LastName, a.FirstName))
		f[prefix+"street"] = strings.TrimSpace(strings.Join(nonEmpty(who, a.Address1, a.Address2), "\n"))
		f[prefix+"city"], f[prefix+"code"] = a.City, a.Postcode
		f[prefix+"state"], f[prefix+"country"] = a.StateName, a.CountryName
	}
	for name, v := range f {
		if v == "" {
			delete(f, name)
		}
	}
	return d.fit(SalesOrder, f)
}

func nonEmpty(texts ...string) []string {
	return slices.DeleteFunc(texts, func(t string) bool { return strings.TrimSpace(t) == "" })
}

// rate is units of the order's currency per unit of the CRM's base, from the order's own rate (rules.md 3.4).
func (o ShopOrder) rate(t OrderTerms) decimal.Decimal {
	if t.Currency.Base || !o.ConversionRate.IsPositive() {
		return decimal.NewFromInt(1)
	}
	return o.ConversionRate.DivRound(t.Factor, 6)
}

// amount is the order's total in the CRM's base currency: rounded once, not by way of the rate that the order carries.
func (o ShopOrder) amount(t OrderTerms) string {
	if t.Currency.Base || !o.ConversionRate.IsPositive() {
		return o.TotalPaid.StringFixed(2)
	}
	return o.TotalPaid.Mul(t.Factor).DivRound(o.ConversionRate, 2).StringFixed(2)
}

// potential is the order as a Potential. With Create Account it hangs on the Account, else on the Contact;
// 6.x takes Accounts only there and has a field for the Contact (rules.md 3.5).
func (o ShopOrder) potential(t OrderTerms, d Drafter) vtigerws.Record {
	f := vtigerws.Record{
		"potentialname": subject(t.Settings.Get(PotentialPrefix), o.ID), "amount": o.amount(t), "sales_stage": "Closed Won",
		"leadsource": Source, "related_to": t.Party.account,
	}
	if o.DateAdd != "" {
		f["closingdate"] = string(o.DateAdd)[:10]
	}
	switch {
	case d.Dialect.PotentialToAcc:
		f["contact_id"] = t.Party.contact
	case !t.Settings.On(CreateAccount) && t.Party.contact != "":
		f["related_to"] = t.Party.contact
	}
	if f["contact_id"] == "" {
		delete(f, "contact_id")
	}
	return d.fit(Potentials, f)
}

func (o ShopOrder) link(module string, m MirroredOrder) store.Link {
	return store.Link{Entity: store.Order, ShopID: o.ID, Module: module, Key: OrderKey(o.ID), Mirrored: asJSON(m)}
}

func (o ShopOrder) linkTo(module, id string, m MirroredOrder) store.Link {
	l := o.link(module, m)
	l.CRMID = id
	return l
}

func (o ShopOrder) invoiceLink(status string) store.Link {
	l := o.link(Invoice, MirroredOrder{State: o.CurrentState, Status: status, Digest: o.digest(), Total: o.TotalPaid})
	l.Entity = store.Invoice
	return l
}

// reason is a problem's text with its cure.
func reason(err error) string {
	var p *problem.Error
	if errors.As(err, &p) && p.Cure != "" {
		return p.Message + ". " + p.Cure
	}
	return err.Error()
}
