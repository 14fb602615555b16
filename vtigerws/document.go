package vtigerws

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"cartiger/problem"
)

const (
	maxLines     = 100 // lines of one document that are safe to send as form fields
	maxVariables = 900 // form fields of one request; PHP's max_input_vars is 1000 and cuts silently
	ownVariables = 5   // operation, sessionName, elementType, element, submode
)

// The tax names of stock vtiger. All are sent always: where one is missing, the CRM puts its default rate in
// (wire/vtiger.md 3a, 3b).
var (
	stockTaxes         = []string{"tax1", "tax2", "tax3"}
	stockShippingTaxes = []string{"shtax1", "shtax2", "shtax3"}
)

var (
	taxName         = regexp.MustCompile(`^tax[0-9]+$`)
	shippingTaxName = regexp.MustCompile(`^shtax[0-9]+$`)
)

// rates gives every rate that has to be sent, in order of names: the given ones, and 0 for the other stock names.
func rates(given map[string]decimal.Decimal, stock []string, valid *regexp.Regexp) ([]pair, error) {
	all := make(map[string]decimal.Decimal, len(given)+len(stock))
	for _, name := range stock {
		all[name] = decimal.Zero
	}
	for name, rate := range given {
		if !valid.MatchString(name) {
			return nil, rule("there is no tax named " + plain(name, 40))
		}
		all[name] = rate
	}
	sent := make([]pair, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		sent = append(sent, pair{name, all[name].String()})
	}
	return sent, nil
}

// check refuses what no dialect can take.
func (d Document) check() error {
	if d.TaxType != TaxGroup && d.TaxType != TaxIndividual {
		return rule("the tax type must be group or individual, not " + strconv.Quote(plain(string(d.TaxType), 40)))
	}
	for i, line := range d.Lines {
		if !recordID.MatchString(line.Product) && !reference.MatchString(line.Product) {
			return worthless("productid", fmt.Sprintf("line %d has no product: %q", i+1, plain(line.Product, 40)), "Link the line to a product of the CRM.")
		}
	}
	return nil
}

// formFields gives the lines and totals as 5.x reads them from the form: totals first, so that what a limit cuts off is
// noticed; every tax, description and comment always, because a missing one is filled with a default or with the
// previous line's (wire/vtiger.md 3a).
func (d Document) formFields() (form, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	groupTaxes, err := rates(d.GroupTaxes, stockTaxes, taxName)
	if err != nil {
		return nil, err
	}
	shippingTaxes, err := rates(d.ShippingTaxes, stockShippingTaxes, shippingTaxName)
	if err != nil {
		return nil, err
	}
	f := form{
		{"totalProductCount", strconv.Itoa(len(d.Lines))},
		{"subtotal", d.SubTotal.String()},
		{"total", d.Total.String()},
		{"taxtype", string(d.TaxType)},
	}
	// Also where there is none: with "zero" the save leaves the column alone, and an update would keep the discount of
	// the lines before.
	f = append(f, pair{"discount_type_final", "amount"}, pair{"discount_amount_final", d.Discount.String()})
	if d.TaxType == TaxGroup {
		for _, tax := range groupTaxes {
			f = append(f, pair{tax.name + "_group_percentage", tax.value})
		}
	}
	f = append(f, pair{"shipping_handling_charge", d.Shipping.String()})
	for _, tax := range shippingTaxes {
		f = append(f, pair{tax.name + "_sh_percent", tax.value})
	}
	sign := "+"
	if d.Adjustment.IsNegative() {
		sign = "-"
	}
	f = append(f, pair{"adjustmentType", sign}, pair{"adjustment", d.Adjustment.Abs().String()})
	for i, line := range d.Lines {
		if f, err = line.formFields(f, strconv.Itoa(i+1), d.TaxType); err != nil {
			return nil, err
		}
	}
	if len(d.Lines) > maxLines || len(f)+ownVariables > maxVariables {
		return nil, &problem.Error{
			Kind: problem.Invalid, Where: where, Code: codeLines, Field: "lines",
			Message: fmt.Sprintf("%d lines make %d form fields; at most %d lines and %d fields are safe, PHP's max_input_vars cuts off the rest without a word",
				len(d.Lines), len(f)+ownVariables, maxLines, maxVariables),
			Cure: "Enter this order by hand, or let the shop split it.",
		}
	}
	return f, nil
}

// formFields appends the fields of the n-th line.
func (l Line) formFields(f form, n string, taxType TaxType) (form, error) {
	f = append(f,
		pair{"hdnProductId" + n, bareNumber(l.Product)},
		pair{"qty" + n, l.Quantity.String()},
		pair{"listPrice" + n, l.ListPrice.String()},
		pair{"productDescription" + n, Clean(l.Description)},
		pair{"comment" + n, Clean(l.Comment)},
	)
	if !l.Discount.IsZero() {
		f = append(f, pair{"discount_type" + n, "amount"}, pair{"discount_amount" + n, l.Discount.String()})
	}
	if taxType == TaxIndividual {
		taxes, err := rates(l.Taxes, stockTaxes, taxName)
		if err != nil {
			return nil, err
		}
		for _, tax := range taxes {
			f = append(f, pair{tax.name + "_percentage" + n, tax.value})
		}
	}
	return f, nil
}

// bareNumber is the number of an id: "18" of "6x18", and "@2.num" of a batch's "@2.id".
func bareNumber(id string) string {
	if reference.MatchString(id) {
		return strings.TrimSuffix(id, "id") + "num"
	}
	_, digits, _ := strings.Cut(id, "x")
	return digits
}

var (
	minusOne   = decimal.NewFromInt(-1)
	freeOfCost = "0.00" // "0" counts as empty there, and an empty price becomes the product's own
)

// intoElement puts lines and totals into the element as 6.x reads them. The server computes the totals itself
// (wire/vtiger.md 3b), and three of its habits are kept away from: it takes an adjustment between -1 and 0 for a positive
// one, it ignores a negative order discount, and a price of "0" is replaced by the product's.
func (d Document) intoElement(element map[string]any) error {
	if err := d.check(); err != nil {
		return err
	}
	switch {
	case len(d.Lines) == 0:
		return &problem.Error{
			Kind: problem.Invalid, Where: where, Code: codeLines, Field: "lines",
			Message: "vtiger 6 takes no order without lines", Cure: "Enter this order by hand.",
		}
	case d.Adjustment.IsNegative() && d.Adjustment.GreaterThan(minusOne):
		return rule("vtiger 6 loses the sign of the adjustment " + d.Adjustment.String() + ": it must not lie between -1 and 0")
	case d.Discount.IsNegative():
		return rule("vtiger 6 ignores the negative discount " + d.Discount.String())
	}
	groupTaxes, err := rates(d.GroupTaxes, stockTaxes, taxName)
	if err != nil {
		return err
	}
	shippingTaxes, err := rates(d.ShippingTaxes, stockShippingTaxes, shippingTaxName)
	if err != nil {
		return err
	}
	lines := make([]map[string]string, 0, len(d.Lines))
	for i, l := range d.Lines {
		line := map[string]string{
			// The server numbers no line by itself: without it the order of the lines is the database's choice.
			"sequence_no": strconv.Itoa(i + 1), "productid": l.Product, "quantity": l.Quantity.String(), "listprice": l.ListPrice.String(),
			"comment": Clean(l.Comment), "description": Clean(l.Description),
		}
		if l.ListPrice.IsZero() {
			line["listprice"] = freeOfCost
		}
		if !l.Discount.IsZero() {
			line["discount_amount"] = l.Discount.String()
		}
		taxes := groupTaxes // the last line's rates count for the whole order, so every line carries them
		if d.TaxType == TaxIndividual {
			if taxes, err = rates(l.Taxes, stockTaxes, taxName); err != nil {
				return err
			}
		}
		for _, tax := range taxes {
			line[tax.name] = tax.value
		}
		lines = append(lines, line)
	}
	element["LineItems"] = lines
	element["productid"] = d.Lines[0].Product
	element["hdnTaxType"] = string(d.TaxType)
	element["hdnDiscountAmount"] = d.Discount.String()
	element["hdnS_H_Amount"] = d.Shipping.String()
	element["txtAdjustment"] = d.Adjustment.String()
	for _, tax := range shippingTaxes {
		element[tax.name+"_sh_percent"] = tax.value
	}
	return nil
}

// taxFields assigns taxes to a product, by the form fields that the product's own save reads on every version
// (capture 236 of 5.2.1).
func taxFields(taxes map[string]decimal.Decimal) (form, error) {
	var f form
	for _, name := range slices.Sorted(maps.Keys(taxes)) {
		if !taxName.MatchString(name) {
			return nil, rule("there is no tax named " + plain(name, 40))
		}
		f = append(f, pair{name + "_check", "on"}, pair{name, taxes[name].String()})
	}
	return f, nil
}
