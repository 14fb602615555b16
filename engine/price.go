package engine

import (
	"github.com/shopspring/decimal"

	"cartiger/psapi"
)

// PricedLine is an order line with the amounts the shop charged for it, in the order's currency.
type PricedLine struct {
	Detail   psapi.OrderDetail
	Quantity decimal.Decimal
	Rate     decimal.Decimal // per cent
	UnitExcl decimal.Decimal // one piece without tax, six decimals
	UnitIncl decimal.Decimal // one piece with tax, six decimals
	Excl     decimal.Decimal // the line without tax, to the cent
	Incl     decimal.Decimal // the line with tax, to the cent
}

// Priced is what the shop computed for the lines of an order.
type Priced struct {
	Lines []PricedLine
	// TaxExcluded is the method that was used: prices rounded without tax, as for groups with price_display_method 1.
	TaxExcluded bool
	Excl        decimal.Decimal // sum of the lines without tax
	Incl        decimal.Decimal // sum of the lines with tax
	// FitsWT says that Incl is the order's total_products_wt.
	FitsWT bool
	// FitsNet says that Excl is the order's total_products. Where only FitsWT holds, a line was cancelled:
	// the shop then takes too little off total_products (wire/prestashop.md 6 trap c), and the lines are right.
	FitsNet bool
}

// PriceOrder computes the lines of an order as the shop did (wire/prestashop.md 6). taxExcluded is the method of the
// customer's default group of today; where the sum does not fit total_products_wt the other method is tried, because
// the customer may have been in another group when the order was placed. roundMode is PS_PRICE_ROUND_MODE.
func PriceOrder(o psapi.Order, details []psapi.OrderDetail, taxExcluded bool, roundMode int) Priced {
	priced := priceLines(o, details, taxExcluded, cents(roundMode))
	if !priced.FitsWT {
		if other := priceLines(o, details, !taxExcluded, cents(roundMode)); other.FitsWT {
			return other
		}
	}
	return priced
}

func priceLines(o psapi.Order, details []psapi.OrderDetail, taxExcluded bool, round rounding) Priced {
	p := Priced{TaxExcluded: taxExcluded}
	for _, d := range details {
		var l PricedLine
		switch {
		case !d.TotalPriceTaxIncl.IsZero() || !d.TotalPriceTaxExcl.IsZero():
			l = storedLine(d)
		case taxExcluded:
			l = taxExcludedLine(d, o.ConversionRate, round)
		default:
			l = taxIncludedLine(d, round)
		}
		p.Lines = append(p.Lines, l)
		p.Excl = p.Excl.Add(l.Excl)
		p.Incl = p.Incl.Add(l.Incl)
	}
	p.FitsWT = p.Incl.Equal(o.TotalProductsWT)
	p.FitsNet = p.Excl.Equal(o.TotalProducts)
	return p
}

// taxIncludedLine rounds the price of one piece with tax and takes the tax out of the line.
func taxIncludedLine(d psapi.OrderDetail, round rounding) PricedLine {
	qty, tax := decimal.NewFromInt(d.Quantity), factor(d.TaxRate)
	unit := round(d.Price.Mul(tax))
	if d.ReductionPercent.IsPositive() {
		unit = reduced(unit, d.ReductionPercent)
	} else {
		unit = unit.Sub(round(d.ReductionAmount))
	}
	unit = round(reduced(unit, d.GroupReduction).Add(d.Ecotax.Mul(factor(d.EcotaxTaxRate))))
	line := unit.Mul(qty)
	return PricedLine{
		Detail: d, Quantity: qty, Rate: d.TaxRate,
		UnitIncl: unit, UnitExcl: unit.DivRound(tax, 6),
		Incl: line, Excl: round(line.Div(tax)),
	}
}

// taxExcludedLine rounds the price of one piece without tax and adds the tax to the line. The ecotax has a rate of its
// own, and the shop forgets to convert it into the order's currency at that place (rate is units per default currency).
func taxExcludedLine(d psapi.OrderDetail, rate decimal.Decimal, round rounding) PricedLine {
	qty, tax := decimal.NewFromInt(d.Quantity), factor(d.TaxRate)
	unit := round(d.Price)
	if d.ReductionPercent.IsPositive() {
		unit = reduced(unit, d.ReductionPercent)
	} else {
		unit = unit.Sub(round(d.ReductionAmount.Div(tax)))
	}
	unit = round(reduced(unit, d.GroupReduction).Add(d.Ecotax))
	line := unit.Mul(qty)
	ecotax := qty.Mul(d.Ecotax)
	if rate.IsPositive() {
		ecotax = ecotax.Div(rate)
	}
	incl := round(line.Sub(ecotax).Mul(tax).Add(ecotax.Mul(factor(d.EcotaxTaxRate))))
	return PricedLine{
		Detail: d, Quantity: qty, Rate: d.TaxRate,
		UnitExcl: unit, UnitIncl: perPiece(incl, qty),
		Excl: line, Incl: incl,
	}
}

// storedLine is a line of 1.5 and later, which keeps its totals. Those shops hide tax_rate (wire/prestashop.md 8), so
// the rate comes from the unit prices; two decimals hold every rate in use and hide the rounding of the prices.
func storedLine(d psapi.OrderDetail) PricedLine {
	qty := decimal.NewFromInt(d.Quantity)
	l := PricedLine{
		Detail: d, Quantity: qty, Rate: d.TaxRate,
		UnitExcl: d.UnitPriceTaxExcl, UnitIncl: d.UnitPriceTaxIncl,
		Excl: d.TotalPriceTaxExcl.Round(2), Incl: d.TotalPriceTaxIncl.Round(2),
	}
	if l.Rate.IsZero() && l.UnitExcl.IsPositive() {
		l.Rate = l.UnitIncl.DivRound(l.UnitExcl, 16).Sub(one).Mul(hundred).Round(2)
	}
	return l
}

var (
	one     = decimal.NewFromInt(1)
	hundred = decimal.NewFromInt(100)
	cent    = decimal.New(1, -2)
)

// factor is 1 + rate/100. A rate under zero is nonsense and counts as none, so that a factor can always divide.
func factor(rate decimal.Decimal) decimal.Decimal {
	if rate.IsNegative() {
		return one
	}
	return one.Add(rate.Shift(-2))
}

// reduced takes per cent off an amount.
func reduced(amount, percent decimal.Decimal) decimal.Decimal {
	return amount.Sub(amount.Mul(percent).Shift(-2))
}

// perPiece divides a line among its pieces.
func perPiece(line, qty decimal.Decimal) decimal.Decimal {
	if qty.IsZero() {
		return decimal.Zero
	}
	return line.DivRound(qty, 6)
}

// rounding brings an amount to cents.
type rounding func(decimal.Decimal) decimal.Decimal

// cents is the rounding of a PS_PRICE_ROUND_MODE: 0 up, 1 down, all else half up.
func cents(mode int) rounding {
	switch mode {
	case 0:
		return func(d decimal.Decimal) decimal.Decimal { return d.RoundCeil(2) }
	case 1:
		return func(d decimal.Decimal) decimal.Decimal { return d.RoundFloor(2) }
	default:
		return func(d decimal.Decimal) decimal.Decimal { return d.Round(2) }
	}
}
