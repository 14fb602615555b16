package vtigerwstest

import "github.com/shopspring/decimal"

// moveStock lowers qtyinstock by the lines of an invoice and gives back what the lines before had taken. Lines that the
// save kept are taken a second time, and deleting the invoice gives nothing back (wire/vtiger.md 3a).
func (c *CRM) moveStock(r *row, gone []*line) {
	for _, l := range gone {
		if l.taken {
			c.addStock(l.product, l.quantity)
		}
	}
	for _, l := range r.lines {
		c.addStock(l.product, l.quantity.Neg())
		l.taken = true
	}
}

// addStock changes qtyinstock; services and unknown numbers have none.
func (c *CRM) addStock(number int, quantity decimal.Decimal) {
	t := c.tables["Products"]
	r := t.rows[number]
	if r == nil {
		return // a service, or nothing
	}
	t.set(r, "qtyinstock", leadingNumber(r.values["qtyinstock"]).Add(quantity).StringFixed(3))
}

// underReorderLevel: the rest of the stock would be less than the product's reorder level. Services have neither.
func (c *CRM) underReorderLevel(l *line) bool {
	r := c.tables["Products"].rows[l.product]
	if r == nil {
		return false
	}
	rest := leadingNumber(r.values["qtyinstock"]).Sub(l.quantity)
	return rest.LessThan(leadingNumber(r.values["reorderlevel"]))
}
