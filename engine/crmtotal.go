package engine

import (
	"github.com/shopspring/decimal"

	"cartiger/vtigerws"
)

// productTax and shippingTax are the taxes of the CRM that carry the shop's rates: the first of each kind, which
// every vtiger has. Their rate is set per document, so their name in the CRM does not matter.
const (
	productTax  = "tax1"
	shippingTax = "shtax1"
)

// places is how many decimals the CRM keeps of prices, discounts and adjustment: 3 in 5.x, 8 from 6.0 on.
// Quantities and rates have 3 everywhere (wire/vtiger.md 5, captures vtiger640 089 and 090).
func places(d vtigerws.Dialect) int32 {
	if d.LineItems {
		return 8
	}
	return 3
}

// CRMTotal is what the CRM makes of a document, not rounded: the parts as it stores them, put through its own formula.
// 6.x computes and stores this total itself; 5.x stores the total it is given, and this is the sum of the parts it is
// given with it. assigned tells whether a product has tax1 in the CRM; nil = each has.
//
// The formula (wire/vtiger.md 3a, 3b): with group tax (lines - discount) x tax, with individual tax the taxed lines
// - discount; then shipping with its own tax and the adjustment. An individual tax counts only where the product has it,
// at the rate of the line, whatever the product's own. Dialects with LineItems lose the sign of an adjustment between -1
// and 0; those with TaxesShipping apply the group tax to the shipping as well.
func CRMTotal(doc vtigerws.Document, d vtigerws.Dialect, assigned func(product string) bool) decimal.Decimal {
	doc = asStored(doc, d)
	var net, taxes decimal.Decimal
	for _, l := range doc.Lines {
		line := lineNet(l)
		net = net.Add(line)
		if doc.TaxType == vtigerws.TaxIndividual && (assigned == nil || assigned(l.Product)) {
			taxes = taxes.Add(percentOf(line, rateSum(l.Taxes)))
		}
	}
	net = net.Sub(doc.Discount)
	if doc.TaxType == vtigerws.TaxGroup {
		taxed := net
		if d.TaxesShipping {
			taxed = taxed.Add(doc.Shipping)
		}
		taxes = percentOf(taxed, rateSum(doc.GroupTaxes))
	}
	shipping := doc.Shipping.Mul(factor(rateSum(doc.ShippingTaxes)))
	adjustment := doc.Adjustment
	if d.LineItems && losesSign(adjustment) {
		adjustment = adjustment.Neg()
	}
	return net.Add(taxes).Add(shipping).Add(adjustment)
}

// PageTotal is what the CRM's edit page computes when a person opens a document and saves it: it rounds each line,
// each tax and the discounts to cents, and from 5.4 on it loads the prices with two decimals
// (include/js/Inventory.js of 5.1.0 to 5.4.0, Inventory/resources/Edit.js and EditViewUtils.php of 6.4.0).
func PageTotal(doc vtigerws.Document, d vtigerws.Dialect) decimal.Decimal {
	doc = asStored(doc, d)
	net := pageSubtotal(doc, d)
	total := net.Sub(doc.Discount.Round(2))
	if doc.TaxType == vtigerws.TaxGroup {
		total = total.Add(percentOf(total, rateSum(doc.GroupTaxes)).Round(2))
	}
	total = total.Add(doc.Shipping).Add(percentOf(doc.Shipping, rateSum(doc.ShippingTaxes)).Round(2))
	return total.Add(doc.Adjustment).Round(2)
}

// pageSubtotal is the sum of the lines as the edit page shows it: with their tax when it is individual.
func pageSubtotal(doc vtigerws.Document, d vtigerws.Dialect) decimal.Decimal {
	var subtotal decimal.Decimal
	for _, l := range doc.Lines {
		l.Discount = l.Discount.Round(2)
		if d.LineItems {
			l.ListPrice = l.ListPrice.Round(2)
		}
		line := lineNet(l)
		if doc.TaxType == vtigerws.TaxIndividual {
			line = line.Add(percentOf(line.Round(2), rateSum(l.Taxes)).Round(2))
		}
		subtotal = subtotal.Add(line.Round(2))
	}
	return subtotal
}

// asStored rounds the parts of a document as the CRM's columns do.
func asStored(doc vtigerws.Document, d vtigerws.Dialect) vtigerws.Document {
	digits := places(d)
	lines := make([]vtigerws.Line, len(doc.Lines))
	for i, l := range doc.Lines {
		l.Quantity = l.Quantity.Round(3)
		l.ListPrice = l.ListPrice.Round(digits)
		l.Discount = l.Discount.Round(digits)
		l.Taxes = storedRates(l.Taxes)
		lines[i] = l
	}
	doc.Lines = lines
	doc.GroupTaxes = storedRates(doc.GroupTaxes)
	doc.ShippingTaxes = storedRates(doc.ShippingTaxes)
	doc.Discount = doc.Discount.Round(digits)
	doc.Shipping = doc.Shipping.Round(digits)
	doc.Adjustment = doc.Adjustment.Round(digits)
	return doc
}

func storedRates(rates map[string]decimal.Decimal) map[string]decimal.Decimal {
	if rates == nil {
		return nil
	}
	out := make(map[string]decimal.Decimal, len(rates))
	for name, rate := range rates {
		out[name] = rate.Round(3)
	}
	return out
}

// losesSign says that 6.x would store the adjustment with the wrong sign: it looks at the whole number only.
func losesSign(adjustment decimal.Decimal) bool {
	return adjustment.IsNegative() && adjustment.GreaterThan(one.Neg())
}

func lineNet(l vtigerws.Line) decimal.Decimal { return l.Quantity.Mul(l.ListPrice).Sub(l.Discount) }

func percentOf(amount, rate decimal.Decimal) decimal.Decimal { return amount.Mul(rate).Shift(-2) }

func rateSum(rates map[string]decimal.Decimal) decimal.Decimal {
	var total decimal.Decimal
	for _, rate := range rates {
		total = total.Add(rate)
	}
	return total
}
