package engine

import (
	"fmt"
	"strings"

	"github.com/shopspring/decimal"

	"cartiger/problem"
	"cartiger/psapi"
	"cartiger/vtigerws"
)

// How many lines a document has room for where lines travel as form fields: PHP silently drops the fields beyond
// max_input_vars, 1000 by default (wire/vtiger.md 3a), and a line with taxes of its own takes ten of the 900 that are
// safe. LineItems are one field, whatever their number.
const (
	maxFormLines      = 100
	maxTaxedFormLines = 88
)

// DocumentProduct is what carries a line in the CRM.
type DocumentProduct struct {
	// Product is its CRM id, or a reference to a write of the same chain such as "@product:12".
	Product string
	// Assigned says that tax1 is known to be assigned to it, at whatever rate; false = it is not, or nobody knows.
	Assigned bool
	// stock is what the CRM said of its stock when it was found, with stockFields on 5.1.0; nil = not asked.
	stock vtigerws.Record
}

// DocumentInput is an order of the shop with what the CRM has for its products.
type DocumentInput struct {
	Order     psapi.Order
	Details   []psapi.OrderDetail
	Discounts []psapi.OrderDiscount
	// TaxExcluded is groups.price_display_method of the customer's default group.
	TaxExcluded bool
	// RoundMode is PS_PRICE_ROUND_MODE.
	RoundMode int
	Dialect   vtigerws.Dialect
	// Product finds the product of a line.
	Product func(d psapi.OrderDetail) DocumentProduct
	// Wrapping stands for gift wrapping. It is needed only where Order.TotalWrapping is not zero.
	Wrapping DocumentProduct
	// Remains stands for the amount that an order keeps after all its lines were cancelled. Without it such an order
	// is an error, because the CRM has no document without lines.
	Remains DocumentProduct
}

// DocumentResult is the document and what there is to say about it.
type DocumentResult struct {
	Document vtigerws.Document
	// Rest is what the shop's total has beyond lines, discount and shipping, to the cent, in the order's currency.
	// It is in the document's adjustment (6.x: where that would be between -1 and 0, in its discount).
	Rest decimal.Decimal
	// Warnings tell a person where CRM and shop describe the same total differently.
	Warnings []string
	// ProductTaxes are the rates of tax1 to assign before the document is written to products that may have none, by
	// DocumentProduct.Product: the CRM taxes a line individually only by a tax of its product.
	ProductTaxes map[string]decimal.Decimal
}

// item is a line on its way into the document.
type item struct {
	carrier           DocumentProduct
	qty, rate         decimal.Decimal
	excl, incl        decimal.Decimal // of the line
	list              decimal.Decimal // of one piece before reductions, without tax; zero where nothing was reduced
	description, note string
}

// BuildDocument turns an order into the document whose total in the CRM is the shop's total_paid to the cent (rules.md
// 3.4). Two sums are kept equal: CRMTotal, which the CRM computes or which its parts give, and PageTotal, which a
// person gets who opens the document and saves it. That works by writing every part in whole cents and putting
// what the page's roundings make of it, less than half a cent, where the page does not see it (see settle).
//
//   - Lines: the net amount of a line is the shop's own, to the cent. A reduced line shows the list price and the
//     discount; any other its net price, with a discount of some cents where the pieces do not share the amount evenly.
//   - One tax rate among the lines: group tax on tax1. Several: individual tax on tax1 of each line. Individual too where
//     the CRM would put the group tax on the shipping: its edit page does not.
//   - Vouchers, which the shop counts with tax, are the order's discount: without their tax under group tax, which the
//     CRM applies after the discount; with it under individual tax. What exceeds the goods lowers the shipping.
//   - Shipping without tax, and carrier_tax_rate on shtax1.
//   - Gift wrapping is a line. Its tax is not exposed by the shop: it gets the order's rate, under individual tax none.
//   - The lines of one CRM product have one rate, because the CRM's edit page shows that of the first for all of them; a
//     line of another rate keeps its amount with tax.
func BuildDocument(in DocumentInput) (DocumentResult, error) {
	var out DocumentResult
	priced := PriceOrder(in.Order, in.Details, in.TaxExcluded, in.RoundMode)
	items, err := documentItems(in, priced, &out)
	if err != nil {
		return DocumentResult{}, err
	}
	doc := vtigerws.Document{TaxType: vtigerws.TaxIndividual}
	rate, group := oneRate(items)
	if in.Dialect.TaxesShipping && in.Order.TotalShipping.IsPositive() {
		rate, group = decimal.Zero, false
	}
	if group {
		doc.TaxType = vtigerws.TaxGroup
		doc.GroupTaxes = map[string]decimal.Decimal{productTax: rate}
	}
	if w, ok := wrappingItem(in, rate); ok {
		items = append(items, w)
	}
	if err := checkItems(in, items, group); err != nil {
		return DocumentResult{}, err
	}
	for _, it := range items {
		doc.Lines = append(doc.Lines, documentLine(it, group, in.Dialect))
	}
	addDiscountAndShipping(&doc, in, items, rate)

	paid := in.Order.TotalPaid.Round(2)
	sums := PageTotal(doc, in.Dialect)
	out.Rest = paid.Sub(sums)
	settle(&doc, paid, in.Dialect)
	doc.SubTotal = pageSubtotal(doc, in.Dialect)
	doc.Total = paid
	out.Document = doc
	if !group {
		out.ProductTaxes = neededTaxes(items)
	}
	if limit := cent.Mul(decimal.NewFromInt(int64(5 * len(items)))); out.Rest.Abs().GreaterThan(limit) {
		out.Warnings = append(out.Warnings, fmt.Sprintf(
			"order %d: its lines, discount and shipping come to %s, the shop's total is %s; the adjustment makes up for %s",
			in.Order.ID, sums.StringFixed(2), paid.StringFixed(2), out.Rest.StringFixed(2)))
	}
	return out, nil
}

// documentItems are the lines of the order, or what remains of an order without any.
func documentItems(in DocumentInput, priced Priced, out *DocumentResult) ([]item, error) {
	o := in.Order
	var items []item
	first := map[string]decimal.Decimal{} // rate by CRM product
	for _, l := range priced.Lines {
		if l.Quantity.IsZero() {
			continue // a cancelled line that the shop kept; the CRM's page refuses a quantity of 0
		}
		it := item{
			carrier: in.Product(l.Detail), qty: l.Quantity, rate: l.Rate.Round(3),
			excl: l.Excl, incl: l.Incl, list: listPrice(l.Detail), description: l.Detail.Name, note: takenBack(l.Detail),
		}
		if it.rate.IsNegative() {
			return nil, invalid("order_details.tax_rate", fmt.Sprintf("line %d of order %d has the tax rate %s", l.Detail.ID, o.ID, l.Rate),
				"Correct the line in the shop: a tax rate is zero or more.")
		}
		if rate, seen := first[it.carrier.Product]; !seen {
			first[it.carrier.Product] = it.rate
		} else if !rate.Equal(it.rate) {
			out.Warnings = append(out.Warnings, fmt.Sprintf("order %d sells one product at %s %% and %s %% tax, the CRM shows one rate per product and order: %q is written at %s %%",
				o.ID, rate, it.rate, l.Detail.Name, rate))
			it.rate = rate
			it.excl = it.incl.DivRound(factor(rate), 2)
		}
		items = append(items, it)
	}
	if kept := o.TotalProductsWT; len(items) == 0 && in.Remains.Product != "" && (!kept.IsZero() || o.TotalWrapping.IsZero()) {
		out.Warnings = append(out.Warnings, fmt.Sprintf("order %d has no lines any more; the %s that the shop still counts for them are written as one line",
			o.ID, kept.StringFixed(2)))
		return []item{{carrier: in.Remains, qty: one, excl: kept, incl: kept, description: "Cancelled lines"}}, nil
	}
	if !priced.FitsWT || !priced.FitsNet {
		out.Warnings = append(out.Warnings, fmt.Sprintf("order %d: its lines come to %s without and %s with tax, the shop's totals of the products are %s and %s (a line was cancelled or changed); the lines are written",
			o.ID, priced.Excl.StringFixed(2), priced.Incl.StringFixed(2), o.TotalProducts.StringFixed(2), o.TotalProductsWT.StringFixed(2)))
	}
	return items, nil
}

// listPrice is the price of one piece before reductions, without tax and with ecotax; zero where nothing was reduced.
func listPrice(d psapi.OrderDetail) decimal.Decimal {
	if d.ReductionPercent.IsZero() && d.ReductionAmount.IsZero() && d.GroupReduction.IsZero() {
		return decimal.Zero
	}
	return d.Price.Add(d.Ecotax).Round(2)
}

// takenBack says what the shop took back of a line that was paid. That leaves the line's quantity and the order's totals
// as they are (wire/prestashop.md 5), so words are all that a person in the CRM can see of it.
func takenBack(d psapi.OrderDetail) string {
	var words []string
	for _, back := range []struct {
		quantity int64
		how      string
	}{{d.QuantityRefunded, "refunded"}, {d.QuantityReturn, "returned"}} {
		if back.quantity > 0 {
			words = append(words, fmt.Sprintf("%d of %d %s", back.quantity, d.Quantity, back.how))
		}
	}
	return strings.Join(words, ", ")
}

// oneRate is the rate that all items share.
func oneRate(items []item) (rate decimal.Decimal, single bool) {
	for i, it := range items {
		if i > 0 && !it.rate.Equal(rate) {
			return decimal.Zero, false
		}
		rate = it.rate
	}
	return rate, true
}

func wrappingItem(in DocumentInput, rate decimal.Decimal) (item, bool) {
	incl := in.Order.TotalWrapping.Round(2)
	return item{
		carrier: in.Wrapping, qty: one, rate: rate, excl: incl.DivRound(factor(rate), 2), incl: incl,
		description: "Gift wrapping", note: in.Order.GiftMessage,
	}, !incl.IsZero()
}

func checkItems(in DocumentInput, items []item, group bool) error {
	id, room := in.Order.ID, maxFormLines
	if !group {
		room = maxTaxedFormLines
	}
	if len(items) == 0 {
		return invalid("order_details", fmt.Sprintf("order %d has no lines, and the CRM has no order without lines", id),
			"Nothing to do if all its lines were cancelled; otherwise add a line in the shop.")
	}
	if !in.Dialect.LineItems && len(items) > room {
		return invalid("order_details", fmt.Sprintf("order %d has %d lines, more than the %d that this CRM takes without losing some", id, len(items), room),
			"Split the order in the shop, or enter it in the CRM by hand.")
	}
	for _, it := range items {
		if it.carrier.Product == "" {
			return invalid("order_details.product_id", fmt.Sprintf("order %d: %q has no product in the CRM", id, it.description),
				"Export the products, or allow orders to create missing ones.")
		}
	}
	return nil
}

func invalid(field, message, cure string) error {
	return &problem.Error{Kind: problem.Invalid, Where: "PrestaShop", Field: field, Message: message, Cure: cure}
}

// documentLine writes an item in whole cents: quantity x list price - discount is exactly its net amount.
func documentLine(it item, group bool, d vtigerws.Dialect) vtigerws.Line {
	l := vtigerws.Line{
		Product: it.carrier.Product, Quantity: it.qty, ListPrice: it.list,
		Description: it.description, Comment: it.note,
	}
	if it.list.IsZero() || it.qty.Mul(it.list).LessThan(it.excl) {
		l.ListPrice = it.excl.Div(it.qty).RoundCeil(2)
	}
	if d.LineItems && !l.ListPrice.IsPositive() {
		// A price of "0" counts as not given there, and the CRM would take the product's own
		// (6.4.0 VtigerLineItemOperation::create).
		l.ListPrice = cent
	}
	l.Discount = l.Quantity.Mul(l.ListPrice).Sub(it.excl)
	if !group {
		l.Taxes = map[string]decimal.Decimal{productTax: it.rate}
	}
	return l
}

// addDiscountAndShipping writes what the order adds to its lines and takes off them. Amounts under zero make no sense
// there and are left to the adjustment.
func addDiscountAndShipping(doc *vtigerws.Document, in DocumentInput, items []item, rate decimal.Decimal) {
	voucher := decimal.Max(decimal.Zero, vouchers(in).Round(2))
	shipping := decimal.Max(decimal.Zero, in.Order.TotalShipping.Round(2))
	var goods, net decimal.Decimal
	for _, it := range items {
		goods, net = goods.Add(it.incl), net.Add(it.excl)
	}
	goods = decimal.Max(decimal.Zero, goods)
	if over := voucher.Sub(goods); over.IsPositive() {
		voucher = goods
		shipping = decimal.Max(decimal.Zero, shipping.Sub(over))
	}
	switch {
	case doc.TaxType == vtigerws.TaxIndividual || voucher.IsZero():
		doc.Discount = voucher
	case voucher.Equal(goods):
		doc.Discount = net // nothing is left to tax, not even by a rounding
	default:
		doc.Discount = voucher.DivRound(factor(rate), 2)
	}
	tax := decimal.Max(decimal.Zero, in.Order.CarrierTaxRate.Round(3))
	doc.Shipping = shipping.DivRound(factor(tax), 2)
	doc.ShippingTaxes = map[string]decimal.Decimal{shippingTax: tax}
}

// vouchers is what vouchers took off, with tax: total_discounts, or the vouchers themselves where only they explain
// the total that was paid.
func vouchers(in DocumentInput) decimal.Decimal {
	o := in.Order
	before := o.TotalProductsWT.Add(o.TotalShipping).Add(o.TotalWrapping)
	var listed decimal.Decimal
	for _, v := range in.Discounts {
		listed = listed.Add(v.Value)
	}
	if !before.Sub(o.TotalDiscounts).Equal(o.TotalPaid) && before.Sub(listed).Equal(o.TotalPaid) {
		return listed
	}
	return o.TotalDiscounts
}

// neededTaxes are the products that must get the tax before an individually taxed document is written: those of taxed
// lines that are not known to have it. Its rate there does not matter, on any version: the line's own counts.
func neededTaxes(items []item) map[string]decimal.Decimal {
	need := map[string]decimal.Decimal{}
	for _, it := range items {
		if !it.carrier.Assigned && !it.rate.IsZero() {
			need[it.carrier.Product] = it.rate
		}
	}
	return need
}

// settle makes both totals of a document the one that was paid. The adjustment takes the whole cents. The two totals
// then differ by the page's roundings of the taxes, up to half a cent each: that much goes, in parts of less than half
// a cent, into amounts that the page rounds away, the adjustment first, then the discounts of the order and the lines.
func settle(doc *vtigerws.Document, paid decimal.Decimal, d vtigerws.Dialect) {
	tax := one // what the CRM multiplies the order's discount with
	if doc.TaxType == vtigerws.TaxGroup {
		tax = factor(rateSum(doc.GroupTaxes))
	}
	adjustment := paid.Sub(PageTotal(*doc, d))
	for d.LineItems && losesSign(adjustment) {
		doc.Discount = doc.Discount.Add(adjustment.Abs().Div(tax).RoundCeil(2))
		adjustment = paid.Sub(PageTotal(*doc, d))
	}
	doc.Adjustment = adjustment

	rest := paid.Sub(CRMTotal(*doc, d, nil))
	step := unseen(rest, one, d)
	if !d.LineItems || !losesSign(adjustment.Add(step)) {
		doc.Adjustment = adjustment.Add(step)
		rest = rest.Sub(step)
	}
	// 5.x stores the total it is given, so a rest may stay there; 6.x stores what it computes.
	slack := decimal.New(2, -3)
	if d.LineItems {
		slack = decimal.Zero
	}
	if step = unseen(rest, tax, d); rest.Abs().GreaterThan(slack) && (step.IsNegative() || doc.Discount.GreaterThanOrEqual(cent)) {
		doc.Discount = doc.Discount.Sub(step)
		rest = rest.Sub(step.Mul(tax))
	}
	for i := 0; i < len(doc.Lines) && rest.Abs().GreaterThan(slack); i++ {
		l := &doc.Lines[i]
		lineTax := tax.Mul(factor(rateSum(l.Taxes)))
		step = unseen(rest, lineTax, d)
		if step.IsPositive() && l.Discount.LessThan(cent) {
			l.ListPrice = l.ListPrice.Add(cent)
			l.Discount = l.Discount.Add(l.Quantity.Mul(cent))
		}
		l.Discount = l.Discount.Sub(step)
		rest = rest.Sub(step.Mul(lineTax))
	}
	if rest.Abs().GreaterThan(decimal.New(45, -4)) {
		// A long run of lines that all round the same way can have more than fits: the CRM's own sum comes first.
		doc.Adjustment = doc.Adjustment.Add(rest.Round(places(d)))
	}
}

// unseen is how much of an amount fits where the page rounds it away, counted before the tax that multiplies it there.
func unseen(amount, tax decimal.Decimal, d vtigerws.Dialect) decimal.Decimal {
	limit := decimal.New(4, -3) // with three decimals; 0.005 would show
	if d.LineItems {
		limit = decimal.New(49, -4)
	}
	return decimal.Max(limit.Neg(), decimal.Min(limit, amount.DivRound(tax, places(d))))
}
