package vtigerwstest

import (
	"slices"
	"strconv"

	"github.com/shopspring/decimal"

	"cartiger/fault"
)

// tax is a row of vtiger_inventorytaxinfo or vtiger_shippingtaxinfo as installed.
type tax struct {
	name string
	rate decimal.Decimal
}

// The installer's taxes: VAT, Sales and Service, on goods and on shipping (wire/vtiger.md 3a).
var (
	goodsTaxes = []tax{
		{"tax1", decimal.RequireFromString("4.5")},
		{"tax2", decimal.RequireFromString("10")},
		{"tax3", decimal.RequireFromString("12.5")},
	}
	shippingTaxes = []tax{
		{"shtax1", decimal.RequireFromString("4.5")},
		{"shtax2", decimal.RequireFromString("10")},
		{"shtax3", decimal.RequireFromString("12.5")},
	}
)

// line is a row of vtiger_inventoryproductrel. A nil decimal is NULL.
type line struct {
	number      int // lineitem_id
	sequence    int // 6.x: as sent, else 0
	product     int // number of a Product or Service; nothing checks it
	quantity    decimal.Decimal
	listprice   decimal.Decimal
	amount      *decimal.Decimal // discount_amount
	percent     *decimal.Decimal // discount_percent
	comment     string
	description string
	taxes       map[string]decimal.Decimal // an absent tax is NULL
	taken       bool                       // incrementondel: the stock has been lowered by this line
}

// isInventory: the modules with lines.
func isInventory(module string) bool { return module == "SalesOrder" || module == "Invoice" }

// blankRecurring: invoicestatus and its neighbours live in the table of recurring invoices, which a plain order does not
// have, so they read back empty.
func (c *CRM) blankRecurring(t *table, r *row) {
	if t.m.name != "SalesOrder" || r.values["enable_recurring"] == "1" {
		return
	}
	for _, name := range []string{"recurring_frequency", "start_period", "end_period", "payment_duration", "invoicestatus"} {
		t.null(r, name)
	}
}

// keepsLines: fields of a browser's in-place edit, with which the save leaves lines and totals alone.
func (c *CRM) keepsLines(module string, request form) bool {
	return request.text("ajxaction") == "DETAILVIEW" || c.release.ajaxActions() && request.text("action") == module+"Ajax"
}

// saveInventory is the module's own save after the plain columns: lines and totals come from further form fields.
func (c *CRM) saveInventory(t *table, r *row, e element, request form, op string) (any, error) {
	if c.release.approvesOrders() && t.m.name == "Invoice" {
		c.approve(r)
	}
	if c.release.lineItems() {
		return c.createInventory(t, r, e)
	}
	var gone []*line
	if !c.keepsLines(t.m.name, request) {
		gone, r.lines, r.shipping = r.lines, nil, nil
		if op == "create" { // a save that dies among the lines leaves an order without totals
			for _, name := range []string{"hdnSubTotal", "hdnTaxType", "hdnS_H_Amount", "hdnGrandTotal"} {
				t.null(r, name)
			}
		}
		if err := c.readLines(t, r, request, op); err != nil {
			return nil, err
		}
		c.readTotals(t, r, request)
	}
	if t.m.name == "Invoice" {
		c.moveStock(r, gone)
	}
	return c.print(t.m, r, nil)
}

// approve: up to 5.4 an invoice with salesorder_id sets that order to Approved (5.2.1 Invoice.php:119).
func (c *CRM) approve(invoice *row) {
	if t, order := c.rowOf(invoice.values["salesorder_id"]); order != nil {
		t.set(order, "sostatus", "Approved")
	}
}

// readLines stores the lines of the form as they are given. On 5.1.0 a line that takes the stock under the reorder level
// is the end: the mail about it calls a function that does not exist.
func (c *CRM) readLines(t *table, r *row, request form, op string) error {
	count := int(leadingNumber(request.text("totalProductCount")).IntPart())
	group := request.text("taxtype") == "group"
	_, dies := c.faults.Hit(op, t.m.name, fault.HalfOrder)
	description := ""
	for i := 1; i <= count && i <= maxInputVars; i++ {
		n := strconv.Itoa(i)
		if request.text("deleted"+n) == "1" {
			continue
		}
		if d, ok := request("productDescription" + n); ok {
			description = d // a missing one inherits the line's before
		}
		l := &line{
			product:     int(leadingNumber(request.text("hdnProductId" + n)).IntPart()),
			quantity:    leadingNumber(request.text("qty" + n)).Round(3),
			listprice:   leadingNumber(request.text("listPrice" + n)).Round(3),
			comment:     cut(plain(request.text("comment"+n)), 250),
			description: plain(description),
			taxes:       make(map[string]decimal.Decimal),
		}
		r.lines = append(r.lines, l)
		if dies || c.release.crashesOnStock() && c.underReorderLevel(l) {
			return errFatal
		}
		switch request.text("discount_type" + n) {
		case "percentage":
			l.percent = rounded(request.text("discount_percentage" + n))
		case "amount":
			l.amount = rounded(request.text("discount_amount" + n))
		}
		if group {
			readGroupTaxes(l, request)
			continue
		}
		for name := range c.taxesOf(l.product) {
			if rate, ok := request(name + "_percentage" + n); ok {
				l.taxes[name] = leadingNumber(rate).Round(3)
			}
		}
	}
	if dies {
		return errFatal
	}
	return nil
}

// rounded reads an amount of a line, with the three decimals of its column.
func rounded(s string) *decimal.Decimal {
	d := leadingNumber(s).Round(3)
	return &d
}

// readGroupTaxes: a tax that is not sent gets the CRM's default rate, not 0.
func readGroupTaxes(l *line, request form) {
	for _, t := range goodsTaxes {
		l.taxes[t.name] = t.rate
		if rate, ok := request(t.name + "_group_percentage"); ok {
			l.taxes[t.name] = leadingNumber(rate).Round(3)
		}
	}
}

// readTotals stores subtotal and total as given: the server computes nothing. What is not sent is NULL.
func (c *CRM) readTotals(t *table, r *row, request form) {
	store := func(name, variable string) {
		col := column{kind: decimals, scale: 3} // an Invoice of 5.x has a shipping column without a field
		if f := t.m.byName[name]; f != nil {
			col = f.column
		}
		if v, ok := request(variable); ok {
			t.set(r, name, col.store(v))
		} else {
			t.null(r, name)
		}
	}
	store("hdnSubTotal", "subtotal")
	store("hdnTaxType", "taxtype")
	store("hdnS_H_Amount", "shipping_handling_charge")
	store("hdnGrandTotal", "total")
	switch request.text("discount_type_final") {
	case "percentage":
		store("hdnDiscountPercent", "discount_percentage_final")
	case "amount":
		store("hdnDiscountAmount", "discount_amount_final")
	}
	adjustment := request.text("adjustment")
	if request.text("adjustmentType") == "-" {
		adjustment = "-" + adjustment
	}
	t.set(r, "txtAdjustment", t.m.byName["txtAdjustment"].column.store(adjustment))
	r.shipping = make(map[string]decimal.Decimal)
	for _, sh := range shippingTaxes {
		if rate := request.text(sh.name + "_sh_percent"); rate != "" {
			r.shipping[sh.name] = leadingNumber(rate).Round(3)
		}
	}
}

// taxesOf are the taxes assigned to a product or service.
func (c *CRM) taxesOf(number int) map[string]decimal.Decimal {
	for _, name := range []string{"Products", "Services"} {
		if r := c.tables[name].rows[number]; r != nil {
			return r.taxes
		}
	}
	return nil
}

// saveProductTaxes reads the form fields of a product: tax1_check and tax1 assign a tax, cur_2_check and curname2 a price
// in a currency. Without ajxaction=DETAILVIEW every save replaces these rows, so a plain one deletes them.
func (c *CRM) saveProductTaxes(t *table, r *row, request form) {
	if request.text("ajxaction") == "DETAILVIEW" {
		return
	}
	r.taxes, r.prices = make(map[string]decimal.Decimal), make(map[string]decimal.Decimal)
	for _, tax := range goodsTaxes {
		if checked(request.text(tax.name + "_check")) {
			r.taxes[tax.name] = leadingNumber(request.text(tax.name)).Round(3)
		}
	}
	currencies := c.tables["Currency"]
	for _, id := range currencies.ids {
		n := strconv.Itoa(id)
		if checked(request.text("cur_" + n + "_check")) {
			r.prices[currencies.m.id(id)] = leadingNumber(request.text("curname" + n)).Round(2)
		}
	}
}

// checked: a ticked box of a form.
func checked(v string) bool { return v == "on" || v == "1" }

// lineRecords is what Records shows of the lines: decimals as stored, nil for NULL.
func (c *CRM) lineRecords(r *row) []Record {
	scale := int32(3)
	if c.release.lineItems() {
		scale = 8
	}
	records := make([]Record, 0, len(r.lines))
	for _, l := range r.lines {
		rec := Record{
			"product":          c.productID(l.product),
			"quantity":         l.quantity.StringFixed(3),
			"listprice":        l.listprice.StringFixed(scale),
			"discount_amount":  fixed(l.amount, scale),
			"discount_percent": fixed(l.percent, 3),
			"comment":          l.comment,
			"description":      l.description,
		}
		for _, t := range goodsTaxes {
			rec[t.name] = nil
			if rate, ok := l.taxes[t.name]; ok {
				rec[t.name] = rate.StringFixed(3)
			}
		}
		records = append(records, rec)
	}
	return records
}

// fixed prints a decimal that may be NULL.
func fixed(d *decimal.Decimal, scale int32) any {
	if d == nil {
		return nil
	}
	return d.StringFixed(scale)
}

// productID is the id of the Product or Service with a number; an unknown number shows as a Product.
func (c *CRM) productID(number int) string {
	if c.tables["Services"].rows[number] != nil {
		return c.modules["Services"].id(number)
	}
	return c.modules["Products"].id(number)
}

// Total is what the CRM's own screen makes of the stored parts of an order or invoice: lines with their discounts and
// taxes, the order's discount, shipping with its taxes, the adjustment. It should agree with the stored total; where it
// does not, a person who opens and saves the record changes it. Nothing is rounded.
func (c *CRM) Total(id string) decimal.Decimal {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, r := c.rowOf(id)
	if r == nil {
		return decimal.Zero
	}
	group := r.values["hdnTaxType"] == "group"
	sum := decimal.Zero
	for _, l := range r.lines {
		net := l.net()
		sum = sum.Add(net)
		if !group {
			sum = sum.Add(percentOf(net, c.assignedOf(l)))
		}
	}
	discount := leadingNumber(r.values["hdnDiscountAmount"])
	if discount.IsZero() {
		discount = share(sum, leadingNumber(r.values["hdnDiscountPercent"]))
	}
	sum = sum.Sub(discount)
	if group && len(r.lines) > 0 {
		sum = sum.Add(percentOf(sum, r.lines[0].taxes))
	}
	shipping := leadingNumber(r.values["hdnS_H_Amount"])
	sum = sum.Add(shipping).Add(percentOf(shipping, r.shipping))
	return sum.Add(leadingNumber(r.values["txtAdjustment"]))
}

// assignedOf are the rates of a line that count in an individual order: the screen offers only the product's own taxes.
func (c *CRM) assignedOf(l *line) map[string]decimal.Decimal {
	rates := make(map[string]decimal.Decimal)
	for name := range c.taxesOf(l.product) {
		if rate, ok := l.taxes[name]; ok {
			rates[name] = rate
		}
	}
	return rates
}

// net is quantity times price less the line's discount.
func (l *line) net() decimal.Decimal {
	total := l.quantity.Mul(l.listprice)
	switch {
	case l.amount != nil && !l.amount.IsZero():
		return total.Sub(*l.amount)
	case l.percent != nil:
		return total.Sub(share(total, *l.percent))
	}
	return total
}

// share is so many per cent of an amount.
func share(of, percent decimal.Decimal) decimal.Decimal { return of.Mul(percent).Shift(-2) }

// percentOf is the sum of several rates of an amount.
func percentOf(of decimal.Decimal, rates map[string]decimal.Decimal) decimal.Decimal {
	sum := decimal.Zero
	for _, rate := range rates {
		sum = sum.Add(share(of, rate))
	}
	return sum
}

var lineFields = []string{"productid", "quantity", "listprice", "comment", "discount_amount", "discount_percent", "tax1", "tax2", "tax3"}

// isLineField: the fields that 6.x adds to orders for their lines; empty in answers, absent from retrieve.
func isLineField(name string) bool { return slices.Contains(lineFields, name) }
