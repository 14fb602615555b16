package psapitest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"
)

// The order states with a meaning of their own in the code of the shop.
const (
	statePaid      = 2
	stateShipped   = 4
	stateCanceled  = 6
	stateBackorder = 9
)

// order is a checkout: a cart, the order, its lines, vouchers, stock movements and first states. customers and
// products keep their date_upd.
func (s *Shop) order(a Action, acted *Acted) error {
	excluded, err := s.seesNet(a)
	if err != nil {
		return err
	}
	template, err := s.templateFor(a, excluded)
	if err != nil {
		return err
	}
	// Everything that can be refused is looked at before the first row is written.
	orders, details, discounts, currencies := s.table("orders"), s.table("order_details"), s.table("order_discounts"), s.table("currencies")
	currency := cmp.Or(a.Currency, castID(orders.value(template, "id_currency")))
	if _, err := s.existing("currencies", "currency", currency); err != nil {
		return err
	}
	rate := amountOf(currencies.value(currencies.get(currency), "conversion_rate")).decimal()
	before := amountOf(orders.value(template, "conversion_rate")).decimal()
	if !rate.IsPositive() || !before.IsPositive() {
		return fmt.Errorf("currency %d: its rate %s and that of the template, %s, must be above 0", currency, rate, before)
	}
	exchange := rate.Div(before)
	lines, err := s.lines(a, template, rate, exchange, excluded)
	if err != nil {
		return err
	}
	states, err := s.firstStates(a, template)
	if err != nil {
		return err
	}
	if err := s.buyer(a, acted, template); err != nil {
		return err
	}

	shipping, wrapping := decimal.Zero, decimal.Zero
	if len(a.Lines) == 0 {
		shipping = amountOf(orders.value(template, "total_shipping")).decimal().Mul(exchange).Round(2)
		wrapping = amountOf(orders.value(template, "total_wrapping")).decimal().Mul(exchange).Round(2)
	}
	if a.Shipping != nil {
		shipping = a.Shipping.Round(2)
	}
	if a.Wrapping != nil {
		wrapping = a.Wrapping.Round(2)
	}
	address := id(acted.Address)
	head := map[string]string{
		"id_address_delivery": address, "id_address_invoice": address, "id_currency": id(currency),
		"id_customer": id(acted.Customer), "date_add": a.At, "date_upd": a.At,
	}
	for _, name := range []string{"id_lang", "id_carrier", "recyclable", "gift", "gift_message"} {
		head[name] = orders.value(template, name)
	}
	carts := s.table("carts")
	acted.Cart = s.insert(carts, head)
	head["id_cart"] = id(acted.Cart)
	for _, name := range []string{"module", "payment", "carrier_tax_rate"} {
		head[name] = orders.value(template, name)
	}
	acted.Order = s.insert(orders, head)

	cart := carts.get(acted.Cart).copy()
	for _, line := range lines {
		line["id_order"] = id(acted.Order)
		acted.Lines = append(acted.Lines, s.insert(details, line))
		product, combination, quantity := castID(line["product_id"]), castID(line["product_attribute_id"]), castID(line["product_quantity"])
		acted.Movements = append(acted.Movements, s.move(product, combination, acted.Order, 0, -quantity, a.At))
		cart.assocs["cart_rows"] = append(cart.assocs["cart_rows"], row{values: []string{id(product), id(combination), id(quantity)}, texts: make([][]translation, 3)})
	}
	carts.put(cart)
	discount := decimal.Zero
	for _, voucher := range s.vouchers(a, template, exchange) {
		discount = discount.Add(amountOf(voucher["value"]).decimal())
		voucher["id_order"] = id(acted.Order)
		acted.Discounts = append(acted.Discounts, s.insert(discounts, voucher))
	}
	included, net := s.lineTotals(id(acted.Order), excluded, rate)
	paid := decimal.Max(decimal.Zero, included.Sub(discount).Add(shipping).Add(wrapping))
	s.set(orders, acted.Order, map[string]string{
		"secure_key": secret, "conversion_rate": long(rate), "total_discounts": cents(discount), "total_paid": cents(paid),
		"total_paid_real": cents(paid), "total_products": cents(net), "total_products_wt": cents(included),
		"total_shipping": cents(shipping), "total_wrapping": cents(wrapping),
	})
	for _, one := range states {
		acted.Histories = append(acted.Histories, s.enter(acted.Order, one, 0, a.At))
	}
	acted.Invoice = castID(orders.value(orders.get(acted.Order), "invoice_number"))
	return nil
}

// seesNet says whether the customer of an order, known or new, sees prices without tax.
func (s *Shop) seesNet(a Action) (bool, error) {
	if a.Customer != 0 {
		_, err := s.existing("customers", "customer", a.Customer)
		return s.taxExcluded(id(a.Customer)), err
	}
	if a.Email == "" {
		return false, errors.New("customer is missing: give the id of one, or the email of a new one")
	}
	group, err := s.existing("groups", "group", cmp.Or(a.Group, 1))
	if err != nil {
		return false, err
	}
	return s.table("groups").value(group, "price_display_method") == "1", nil
}

// templateFor is the order to copy: the one asked for, or the next of the data that suits: in the currency asked for,
// if there is one, and of a customer who sees prices in the same way.
func (s *Shop) templateFor(a Action, excluded bool) (*row, error) {
	if a.Template != 0 {
		return s.existing("orders", "template", a.Template)
	}
	orders := s.table("orders")
	fits := func(r *row, currency bool) bool {
		details := s.table("order_details").where("id_order", id(r.id))
		return len(details) > 0 && s.taxExcluded(orders.value(r, "id_customer")) == excluded &&
			(!currency || a.Currency == 0 || orders.value(r, "id_currency") == id(a.Currency))
	}
	base, err := s.data.rows["orders"]()
	if err != nil {
		return nil, err
	}
	for _, currency := range []bool{true, false} {
		for i := range base {
			r := base[(s.placed+i)%len(base)]
			if live := orders.get(r.id); live != nil && fits(live, currency) {
				s.placed += i + 1
				return live, nil
			}
		}
	}
	if len(a.Lines) == 0 {
		return nil, errors.New("template is missing: no order of the data suits this customer; give lines")
	}
	plain := &row{values: make([]string, orders.values), texts: make([][]translation, orders.texts)}
	s.assign(orders, plain, map[string]string{
		"id_currency": s.configuration("PS_CURRENCY_DEFAULT"), "id_lang": s.configuration("PS_LANG_DEFAULT"),
		"module": "bankwire", "payment": "Bank wire", "conversion_rate": "1.000000", "carrier_tax_rate": "0.000",
		"recyclable": "0", "gift": "0",
	})
	return plain, nil
}

// buyer finds the customer and the address of an order, and makes what is missing.
func (s *Shop) buyer(a Action, acted *Acted, template *row) error {
	if a.Customer == 0 {
		if err := s.register(a, acted); err != nil {
			return err
		}
	} else {
		acted.Customer = a.Customer
		if a.Company != "" || a.Address != nil {
			acted.Address = s.addAddress(a, a.Customer)
		}
	}
	if acted.Address == 0 {
		acted.Address = s.addressOf(acted.Customer)
	}
	if acted.Address != 0 {
		return nil
	}
	// A checkout needs an address: the place is the one that the copied order was sent to.
	orders, addresses := s.table("orders"), s.table("addresses")
	if r := addresses.get(castID(orders.value(template, "id_address_delivery"))); r != nil {
		a.Address = &Address{
			Country: castID(addresses.value(r, "id_country")), Address1: addresses.value(r, "address1"),
			Postcode: addresses.value(r, "postcode"), City: addresses.value(r, "city"), Phone: addresses.value(r, "phone"),
		}
	}
	acted.Address = s.addAddress(a, acted.Customer)
	return nil
}

// lines are the rows of order_details to insert, without their order.
func (s *Shop) lines(a Action, template *row, rate, exchange decimal.Decimal, excluded bool) ([]map[string]string, error) {
	places := int32(6)
	if excluded { // such customers' prices are rounded before they are stored
		places = 2
	}
	var lines []map[string]string
	for i, l := range a.Lines {
		line, err := s.explicit(l, rate, places, s.table("orders").value(template, "id_lang"))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		lines = append(lines, line)
	}
	if len(lines) > 0 {
		return lines, nil
	}
	details := s.table("order_details")
	for _, d := range details.where("id_order", id(template.id)) {
		line := map[string]string{}
		for _, f := range details.fields[1:] {
			line[f.name] = d.values[f.at]
		}
		for _, name := range []string{"product_quantity_return", "product_quantity_refunded", "product_quantity_reinjected"} {
			line[name] = "0"
		}
		for name, places := range map[string]int32{"product_price": places, "reduction_amount": 6, "ecotax": 6} {
			line[name] = long(amountOf(line[name]).decimal().Mul(exchange).Round(places))
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("template %d has no lines: give lines, or another template", template.id)
	}
	return lines, nil
}

// explicit makes a line from what the action gives and the product for the rest. The name is in the order's language.
func (s *Shop) explicit(l Line, rate decimal.Decimal, places int32, language string) (map[string]string, error) {
	products := s.table("products")
	p := products.get(l.Product)
	if p == nil && (l.Name == "" || l.Price == nil) {
		return nil, fmt.Errorf("product %d does not exist: give name and price too", l.Product)
	}
	if l.Quantity < 0 {
		return nil, fmt.Errorf("quantity %d must be at least 1", l.Quantity)
	}
	l.Quantity = cmp.Or(l.Quantity, 1)
	line := map[string]string{
		"product_id": id(l.Product), "product_attribute_id": id(l.Combination), "product_quantity": id(l.Quantity),
		"product_quantity_in_stock": id(l.Quantity), "reduction_percent": cents(l.ReductionPercent),
		"reduction_amount": long(l.ReductionAmount), "group_reduction": cents(l.GroupReduction), "ecotax": long(l.Ecotax),
		"ecotax_tax_rate": l.EcotaxTaxRate.StringFixed(3), "product_quantity_discount": "0.000000", "tax_name": "",
		"product_name": l.Name, "product_reference": l.Reference,
	}
	tax := decimal.Zero
	price := decimal.Zero
	if p != nil {
		tax = s.taxRate(products.value(p, "id_tax_rules_group"))
		price = amountOf(products.value(p, "net")).decimal().Mul(rate)
		line["product_ean13"], line["product_supplier_reference"] = products.value(p, "ean13"), products.value(p, "supplier_reference")
		line["product_weight"] = products.value(p, "weight")
		line["product_reference"] = cmp.Or(l.Reference, products.value(p, "reference"))
		names := p.texts[products.fields[products.places["name"]].at]
		if i := slices.IndexFunc(names, func(t translation) bool { return id(t.language) == language }); i >= 0 {
			line["product_name"] = cmp.Or(l.Name, names[i].value)
		}
	}
	if l.TaxRate != nil {
		tax = *l.TaxRate
	}
	if l.Price != nil {
		price = *l.Price
	}
	line["tax_rate"], line["product_price"] = tax.StringFixed(3), long(price.Round(places))
	if !tax.IsZero() {
		line["tax_name"] = "TVA FR " + tax.String() + "%"
	}
	return line, nil
}

// vouchers are the rows of order_discounts to insert, without their order.
func (s *Shop) vouchers(a Action, template *row, exchange decimal.Decimal) []map[string]string {
	if a.Discount != nil {
		if a.Discount.IsZero() {
			return nil
		}
		return []map[string]string{{"name": "VOUCHER", "value": cents(*a.Discount)}}
	}
	if len(a.Lines) > 0 {
		return nil
	}
	discounts := s.table("order_discounts")
	var values []map[string]string
	for _, d := range discounts.where("id_order", id(template.id)) {
		values = append(values, map[string]string{
			"name":  discounts.value(d, "name"),
			"value": cents(amountOf(discounts.value(d, "value")).decimal().Mul(exchange)),
		})
	}
	return values
}

// firstStates are the states an order begins with: the one asked for, or the template's, which are two when its goods
// were out of stock.
func (s *Shop) firstStates(a Action, template *row) ([]int64, error) {
	if a.State != 0 {
		_, err := s.existing("order_states", "state", a.State)
		return []int64{a.State}, err
	}
	histories := s.table("order_histories")
	var states []int64
	for _, h := range histories.where("id_order", id(template.id)) {
		states = append(states, castID(histories.value(h, "id_order_state")))
	}
	switch {
	case len(states) == 0:
		return []int64{1}, nil
	case states[0] == stateBackorder && len(states) > 1:
		return states[:2], nil
	}
	return states[:1], nil
}

// state is a change of state in the back office.
func (s *Shop) state(a Action, acted *Acted) error {
	if _, err := s.existing("orders", "order", a.Order); err != nil {
		return err
	}
	if _, err := s.existing("order_states", "state", a.State); err != nil {
		return err
	}
	acted.Order = a.Order
	acted.Histories = []int64{s.enter(a.Order, a.State, employee, a.At)}
	orders := s.table("orders")
	acted.Invoice = castID(orders.value(orders.get(a.Order), "invoice_number"))
	return nil
}

// employee is the id of the person in the back office.
const employee = 1

// enter puts an order into a state (OrderHistory.php:72): valid follows it, the first state with invoice=1 gives the
// next invoice number, a state with delivery=1 the delivery number once and the delivery date each time.
func (s *Shop) enter(order, state, employee int64, at string) int64 {
	orders, states := s.table("orders"), s.table("order_states")
	o, st := orders.get(order), states.get(state)
	values := map[string]string{"valid": states.value(st, "logable"), "date_upd": at}
	if states.value(st, "invoice") == "1" && castID(orders.value(o, "invoice_number")) == 0 {
		last := int64(0)
		for _, r := range orders.rows {
			last = max(last, castID(orders.value(r, "invoice_number")))
		}
		values["invoice_number"], values["invoice_date"] = id(last+1), at
	}
	if states.value(st, "delivery") == "1" {
		values["delivery_date"] = at
		if castID(orders.value(o, "delivery_number")) == 0 {
			values["delivery_number"] = s.nextDelivery(at)
		}
	}
	s.set(orders, order, values)
	return s.insert(s.table("order_histories"), map[string]string{
		"id_order_state": id(state), "id_order": id(order), "id_employee": positive(employee), "date_add": at,
	})
}

// nextDelivery takes the number from PS_DELIVERY_NUMBER and moves that on.
func (s *Shop) nextDelivery(at string) string {
	t := s.table("configurations")
	for _, r := range t.where("name", "PS_DELIVERY_NUMBER") {
		number := t.value(r, "value")
		s.set(t, r.id, map[string]string{"value": id(castID(number) + 1), "date_upd": at})
		return number
	}
	return "1"
}
