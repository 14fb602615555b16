package psapitest

import (
	"github.com/shopspring/decimal"
)

// priced is what a line's amounts are computed from; all per unit, in the order's currency.
type priced struct {
	quantity         decimal.Decimal
	price            decimal.Decimal // tax excluded
	reductionPercent decimal.Decimal
	reductionAmount  decimal.Decimal // tax included
	groupReduction   decimal.Decimal
	taxRate          decimal.Decimal
	ecotax           decimal.Decimal // tax excluded
	ecotaxRate       decimal.Decimal
}

// factor turns a percentage into what to multiply with: 19.6 -> 1.196.
func factor(percent decimal.Decimal) decimal.Decimal {
	return decimal.NewFromInt(1).Add(percent.Shift(-2))
}

// totals are the line's amounts as the cart computes them, for customers who see prices with or without tax; rate is
// the order's conversion_rate (wire/prestashop.md 6).
func (p priced) totals(excluded bool, rate decimal.Decimal) (included, net decimal.Decimal) {
	tax := factor(p.taxRate)
	ecotaxed := p.ecotax.Mul(factor(p.ecotaxRate))
	unit := p.price.Round(2)
	amount := p.reductionAmount.Div(tax)
	if !excluded {
		unit = p.price.Mul(tax).Round(2)
		amount = p.reductionAmount
	}
	if !p.reductionPercent.IsZero() {
		unit = unit.Sub(unit.Mul(p.reductionPercent).Shift(-2))
	} else if !p.reductionAmount.IsZero() {
		unit = unit.Sub(amount.Round(2))
	}
	unit = unit.Mul(factor(p.groupReduction.Neg()))
	if !excluded {
		included = unit.Add(ecotaxed).Round(2).Mul(p.quantity)
		return included, included.Div(tax).Round(2)
	}
	net = unit.Add(p.ecotax).Round(2).Mul(p.quantity)
	ecotax := p.quantity.Mul(p.ecotax)
	if rate.IsPositive() { // the shop forgets to convert the ecotax here
		ecotax = ecotax.Div(rate)
	}
	return net.Sub(ecotax).Mul(tax).Add(ecotax.Mul(factor(p.ecotaxRate))).Round(2), net
}

// cancelled is what the back office subtracts for one unit of a cancelled line: from total_products without tax and
// from the paid amount with it (Order.php:247-263).
func (p priced) cancelled() (net, included decimal.Decimal) {
	tax := factor(p.taxRate)
	included = p.price.Mul(tax)
	reduction := p.reductionAmount.Round(2)
	if !p.reductionPercent.IsZero() {
		reduction = included.Mul(p.reductionPercent).Shift(-2)
	}
	if !reduction.IsZero() {
		included = included.Sub(reduction).Round(2)
	}
	net = included.Div(tax).Round(2)
	return net, included.Add(p.ecotax.Mul(factor(p.ecotaxRate)).Round(2))
}

// pricedOf reads a line of order_details.
func pricedOf(t *table, r *row) priced {
	read := func(name string) decimal.Decimal { return amountOf(t.value(r, name)).decimal() }
	return priced{
		quantity: read("product_quantity"), price: read("product_price"),
		reductionPercent: read("reduction_percent"), reductionAmount: read("reduction_amount"),
		groupReduction: read("group_reduction"), taxRate: read("tax_rate"),
		ecotax: read("ecotax"), ecotaxRate: read("ecotax_tax_rate"),
	}
}

// lineTotals are the sums over the lines of an order.
func (s *Shop) lineTotals(order string, excluded bool, rate decimal.Decimal) (included, net decimal.Decimal) {
	details := s.table("order_details")
	for _, d := range details.where("id_order", order) {
		i, n := pricedOf(details, d).totals(excluded, rate)
		included, net = included.Add(i), net.Add(n)
	}
	return included, net
}

// cents prints an amount of an order, long one of a line or a product.
func cents(d decimal.Decimal) string { return d.StringFixed(2) }
func long(d decimal.Decimal) string  { return d.StringFixed(6) }
