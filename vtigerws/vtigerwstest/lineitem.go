package vtigerwstest

import (
	"maps"
	"strconv"

	"github.com/shopspring/decimal"

	"cartiger/fault"
)

// From 6.0 on the lines of an order travel inside its element, and the server computes the totals, with the habits of
// its code (wire/vtiger.md 3b).

// lineItems are the lines of an element.
func lineItems(e element) []element {
	list, _ := e["LineItems"].([]any)
	items := make([]element, 0, len(list))
	for _, v := range list {
		if item, ok := v.(element); ok {
			items = append(items, item)
		}
	}
	return items
}

// createInventory stores lines and totals of a new 6.x order and answers it with its totals as JSON numbers.
func (c *CRM) createInventory(t *table, r *row, e element) (any, error) {
	c.storeHeader(t, r, e)
	if _, dies := c.faults.Hit("create", t.m.name, fault.HalfOrder); dies {
		return nil, errFatal
	}
	return c.storeItems(t, r, e)
}

// updateInventory changes a 6.x order. Without LineItems even an update changes only the given fields; what becomes of
// the lines then differs: see keepLines.
func (c *CRM) updateInventory(u *user, t *table, r *row, e element, request form, kept func(*field) bool, op string) (any, error) {
	given := len(lineItems(e)) > 0
	if !given {
		kept = func(*field) bool { return true }
	}
	c.fill(u, t.m, r, e, kept)
	t.set(r, "modifiedtime", c.stamp())
	if !given {
		return c.keepLines(t, r, e, request)
	}
	c.storeHeader(t, r, e)
	if _, dies := c.faults.Hit(op, t.m.name, fault.HalfOrder); dies {
		r.lines = nil
		return nil, errFatal
	}
	return c.storeItems(t, r, e)
}

// keepLines is an update without LineItems. On 6.4 a SalesOrder loses its lines and totals unless ajxaction=DETAILVIEW
// came along, an Invoice keeps them. 6.0 writes the lines again that it finds: once more beside themselves with
// DETAILVIEW, else in their place and without shipping and adjustment.
func (c *CRM) keepLines(t *table, r *row, e element, request form) (any, error) {
	keeps := c.keepsLines(t.m.name, request)
	if !c.release.doublesLines() {
		if t.m.name == "SalesOrder" && !keeps {
			c.wipe(t, r)
			return c.print(t.m, r, nil)
		}
		return c.shownRecord(t.m, r)
	}
	lines := make([]*line, len(r.lines))
	for i, l := range r.lines {
		again := *l
		again.taken, again.taxes = false, maps.Clone(l.taxes)
		c.numberLine(&again)
		lines[i] = &again
	}
	if keeps {
		return c.total(t, r, append(r.lines, lines...), nil)
	}
	c.storeHeader(t, r, e)
	return c.total(t, r, lines, r.lines)
}

// wipe is what a revise without lines leaves of a SalesOrder (capture 091 of 6.4.0).
func (c *CRM) wipe(t *table, r *row) {
	r.lines, r.shipping = nil, nil
	for _, name := range []string{"hdnGrandTotal", "hdnS_H_Amount", "txtAdjustment"} {
		t.set(r, name, "0.00000000")
	}
	for _, name := range []string{"hdnSubTotal", "hdnTaxType"} {
		t.null(r, name)
	}
	if r.values["hdnDiscountPercent"] == "" {
		t.set(r, "hdnDiscountPercent", "0.000")
	}
}

// storeHeader is what the server makes of the order's own amounts before it looks at the lines.
func (c *CRM) storeHeader(t *table, r *row, e element) {
	amount := func(name string) (string, bool) {
		v, _ := e.text(name)
		return v, v != "" && v != "0" // PHP's empty()
	}
	_, given := amount("hdnDiscountAmount")
	_, percent := amount("hdnDiscountPercent")
	switch {
	case given && c.release.clearsPercent():
		t.null(r, "hdnDiscountPercent")
	case !given && percent && c.release.clearsPercent():
		t.null(r, "hdnDiscountAmount")
	case r.values["hdnDiscountPercent"] == "":
		t.set(r, "hdnDiscountPercent", "0.000")
	}
	if _, given := e.text("hdnS_H_Amount"); !given {
		t.set(r, "hdnS_H_Amount", "0.00000000")
	}
	t.set(r, "txtAdjustment", "0.00000000")
	if v, ok := amount("txtAdjustment"); ok {
		n := leadingNumber(v)
		// The sign is that of the integer part, so it is lost between -1 and 0.
		if n.IsNegative() && n.IntPart() == 0 {
			n = n.Neg()
		}
		t.set(r, "txtAdjustment", n.StringFixed(8))
	}
	r.shipping = make(map[string]decimal.Decimal)
	sum := decimal.Zero
	for _, sh := range shippingTaxes {
		rate := sh.rate // a tax that is not sent adds the CRM's default
		if v, ok := e.text(sh.name + "_sh_percent"); ok {
			rate = leadingNumber(v).Round(3)
		}
		r.shipping[sh.name] = rate
		sum = sum.Add(rate)
	}
	t.set(r, "hdnS_H_Percent", sum.Round(0).String())
}

// storeItems replaces the lines by the given ones.
func (c *CRM) storeItems(t *table, r *row, e element) (any, error) {
	gone := r.lines
	for _, l := range gone {
		delete(c.lineRows, l.number)
	}
	r.lines = nil
	for _, item := range lineItems(e) {
		l := c.readItem(item)
		r.lines = append(r.lines, l)
		c.numberLine(l)
		c.strayTaxes(r, l)
	}
	return c.total(t, r, r.lines, gone)
}

// total gives an order its lines, computes its totals and moves the stock of an Invoice.
func (c *CRM) total(t *table, r *row, lines, gone []*line) (any, error) {
	r.lines = lines
	totals := c.compute(r)
	for _, total := range totals {
		t.set(r, total.key, decimal.NewFromFloat(float64(total.value.(number))).StringFixed(8))
	}
	if t.m.name == "Invoice" {
		c.moveStock(r, gone)
	}
	o, err := c.print(t.m, r, nil)
	if err != nil {
		return nil, err
	}
	for _, total := range totals {
		o = o.set(total.key, total.value)
	}
	return append(o, pair{"LineItems", c.lineItemList(t.m, r)}), nil
}

// lineNumbers is where the numbers of lines begin, far from those of records.
const lineNumbers = 1_000_000

// LinesFrom sets the number of the next line, which 6.x takes from the lines there are. By default lines have numbers
// that no record has; on a CRM where they meet, a new order changes the taxes of the line that has its number.
func (c *CRM) LinesFrom(number int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastLine = number - 1
}

// numberLine gives a line the next number.
func (c *CRM) numberLine(l *line) {
	if c.lineRows == nil {
		c.lineRows = make(map[int]*line)
	}
	c.lastLine++
	l.number = c.lastLine
	c.lineRows[l.number] = l
}

// strayTaxes: the server writes the taxes of each new line a second time, to the line whose number is that of the order
// (6.4.0 VtigerLineItemOperation::updateTaxes: WHERE lineitem_id = the order's number). Mostly there is none.
func (c *CRM) strayTaxes(r *row, l *line) {
	hit := c.lineRows[r.id]
	if hit == nil {
		return
	}
	own := c.taxesOf(l.product)
	for name, rate := range l.taxes {
		assigned, has := own[name]
		switch {
		case !rate.IsZero() && (has || r.values["hdnTaxType"] != "individual"):
			hit.taxes[name] = rate
		case has && r.values["hdnTaxType"] == "individual":
			hit.taxes[name] = assigned // a 0 counts as not given
		}
	}
}

// readItem stores one of LineItems. A price that is empty is the product's own.
func (c *CRM) readItem(item element) *line {
	read := func(name string, scale int32) decimal.Decimal {
		v, _ := item.text(name)
		return leadingNumber(v).Round(scale)
	}
	amount, percent := read("discount_amount", 8), read("discount_percent", 3)
	l := &line{quantity: read("quantity", 3), listprice: read("listprice", 8), amount: &amount, percent: &percent, taxes: make(map[string]decimal.Decimal)}
	id, _ := item.text("productid")
	_, l.product, _ = c.entityOfID(id)
	if v, _ := item.text("listprice"); v == "" || v == "0" {
		if r := c.tables["Products"].rows[l.product]; r != nil {
			l.listprice = leadingNumber(r.values["unit_price"])
		}
	}
	sequence, _ := item.text("sequence_no")
	l.sequence = int(leadingNumber(sequence).IntPart())
	comment, _ := item.text("comment")
	description, _ := item.text("description")
	l.comment, l.description = cut(plain(comment), 250), plain(description)
	for _, t := range goodsTaxes {
		l.taxes[t.name] = read(t.name, 3)
	}
	return l
}

// compute adds up an order as PHP does, in floating point: the noise is part of the answer ("43.038399999999996",
// capture 089 of 6.4.0). The database rounds it to eight decimals.
func (c *CRM) compute(r *row) []pair {
	float := func(name string) float64 { return leadingNumber(r.values[name]).InexactFloat64() }
	individual := r.values["hdnTaxType"] == "individual"
	subtotal := 0.0
	for _, l := range r.lines {
		total := l.listprice.InexactFloat64() * l.quantity.InexactFloat64()
		switch {
		case !l.amount.IsZero():
			total -= l.amount.InexactFloat64()
		case !l.percent.IsZero():
			total -= l.percent.InexactFloat64() / 100 * total
		}
		subtotal += total
		if !individual {
			continue
		}
		assigned := c.taxesOf(l.product)
		for _, t := range goodsTaxes {
			if _, ok := assigned[t.name]; ok {
				subtotal += l.taxes[t.name].InexactFloat64() / 100 * total
			}
		}
	}
	shipping := float("hdnS_H_Amount")
	discount := 0.0
	switch percent := r.values["hdnDiscountPercent"]; {
	case float("hdnDiscountAmount") > 0:
		discount = float("hdnDiscountAmount")
	case percent != "":
		discount = float("hdnDiscountPercent") / 100 * subtotal
	case len(r.lines) > 0: // nothing resets the variable that held the last line's discount
		last := r.lines[len(r.lines)-1]
		discount = last.quantity.Mul(last.listprice).Sub(last.net()).InexactFloat64()
	}
	preTax := subtotal - discount + shipping
	taxed := subtotal - discount
	if c.release.taxesShipping() {
		taxed = preTax
	}
	tax := 0.0
	if !individual && len(r.lines) > 0 {
		last := r.lines[len(r.lines)-1] // its rates stand for all lines
		for _, t := range goodsTaxes {
			tax += last.taxes[t.name].InexactFloat64() / 100 * taxed
		}
	}
	for _, sh := range shippingTaxes {
		tax += r.shipping[sh.name].InexactFloat64() / 100 * shipping
	}
	return []pair{
		{"hdnGrandTotal", number(preTax + tax + float("txtAdjustment"))},
		{"hdnSubTotal", number(subtotal)},
		{"pre_tax_total", number(preTax)},
	}
}

// lineItemList prints the lines. Their id is wrong on the server too: it carries the order's number.
func (c *CRM) lineItemList(m *module, r *row) []object {
	list := make([]object, 0, len(r.lines))
	for _, l := range r.lines {
		taken := "0"
		if l.taken {
			taken = "1"
		}
		o := object{
			{"parent_id", m.id(r.id)},
			{"productid", c.productID(l.product)},
			{"sequence_no", strconv.Itoa(l.sequence)},
			{"quantity", l.quantity.StringFixed(3)},
			{"listprice", l.listprice.StringFixed(8)},
			{"discount_percent", l.percent.StringFixed(3)},
			{"discount_amount", l.amount.StringFixed(8)},
			{"comment", shown(l.comment)},
			{"description", shown(l.description)},
			{"incrementondel", taken},
		}
		for _, t := range goodsTaxes {
			o = append(o, pair{t.name, l.taxes[t.name].StringFixed(3)})
		}
		list = append(list, append(o, pair{"id", strconv.Itoa(lineItemPrefix) + "x" + strconv.Itoa(r.id)}))
	}
	return list
}

// lineItemPrefix is the number of the entity LineItem in 6.4.0 (capture 089).
const lineItemPrefix = 33
