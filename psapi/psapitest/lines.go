package psapitest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"
)

// had says whether the order was ever in a state with this flag.
func (s *Shop) had(order int64, flag string) bool {
	histories, states := s.table("order_histories"), s.table("order_states")
	return slices.ContainsFunc(histories.where("id_order", id(order)), func(h *row) bool {
		st := states.get(castID(histories.value(h, "id_order_state")))
		return st != nil && states.value(st, flag) == "1"
	})
}

// line finds the line of an action and how much of it is meant.
func (s *Shop) line(a Action) (order, line *row, quantity int64, err error) {
	if order, err = s.existing("orders", "order", a.Order); err != nil {
		return nil, nil, 0, err
	}
	if line, err = s.existing("order_details", "line", a.Line); err != nil {
		return nil, nil, 0, err
	}
	details := s.table("order_details")
	if details.value(line, "id_order") != id(a.Order) {
		return nil, nil, 0, fmt.Errorf("line %d is of order %s, not of order %d", a.Line, details.value(line, "id_order"), a.Order)
	}
	left := s.left(line)
	quantity = cmp.Or(a.Quantity, left)
	if quantity < 1 || quantity > left {
		return nil, nil, 0, fmt.Errorf("quantity %d: %d of line %d are left", quantity, left, a.Line)
	}
	return order, line, quantity, nil
}

// left is how much of a line neither went back nor was refunded.
func (s *Shop) left(line *row) int64 {
	details := s.table("order_details")
	return castID(details.value(line, "product_quantity")) - castID(details.value(line, "product_quantity_refunded")) -
		castID(details.value(line, "product_quantity_return"))
}

// back books the goods of a line in again; the line counts what came back.
func (s *Shop) back(a Action, acted *Acted, line *row, quantity int64) {
	details := s.table("order_details")
	acted.Movements = append(acted.Movements, s.move(castID(details.value(line, "product_id")),
		castID(details.value(line, "product_attribute_id")), a.Order, employee, quantity, a.At))
	s.count(line.id, "product_quantity_reinjected", quantity)
}

// count adds to one of a line's counters.
func (s *Shop) count(line int64, name string, quantity int64) {
	details := s.table("order_details")
	s.set(details, line, map[string]string{name: id(castID(details.value(details.get(line), name)) + quantity)})
}

// cancel takes units of a line out of an order that was never paid (Order.php:247-337, captures 112-114).
func (s *Shop) cancel(a Action, acted *Acted) error {
	order, line, quantity, err := s.line(a)
	switch {
	case err != nil:
		return err
	case s.had(a.Order, "delivery"):
		return errors.New("the order was delivered: use return")
	case s.had(a.Order, "logable"):
		return errors.New("the order was paid: use refund")
	}
	acted.Order, acted.Lines = a.Order, []int64{a.Line}
	orders, details := s.table("orders"), s.table("order_details")
	before := pricedOf(details, line)
	s.back(a, acted, line, quantity)
	acted.Cart = s.uncart(order, line, quantity, a.At)
	left := castID(details.value(line, "product_quantity")) - quantity
	if left > 0 {
		s.set(details, a.Line, map[string]string{"product_quantity": id(left)})
	} else {
		details.remove(a.Line)
	}
	read := func(name string) decimal.Decimal { return amountOf(orders.value(order, name)).decimal() }
	floor := func(d decimal.Decimal) string { return cents(decimal.Max(decimal.Zero, d)) }
	included, _ := s.lineTotals(id(a.Order), s.taxExcluded(orders.value(order, "id_customer")), read("conversion_rate"))
	paid := included.Sub(read("total_discounts")).Add(read("total_shipping")).Add(read("total_wrapping"))
	unitNet, unit := before.cancelled()
	taken := unit.Mul(decimal.NewFromInt(quantity)).Round(2)
	shipping := read("total_shipping")
	if len(details.where("id_order", id(a.Order))) == 0 {
		// The last line: state Canceled, by nobody. Of an empty cart only the wrapping is left to pay. Where the sum of the
		// products would go below zero, as roundings have it, saving fails and all totals stay.
		acted.Histories = []int64{s.enter(a.Order, stateCanceled, 0, a.At)}
		included = read("total_products_wt").Sub(taken)
		if included.IsNegative() {
			return nil
		}
		taken, shipping, paid = taken.Add(shipping), decimal.Zero, read("total_wrapping")
	}
	s.set(orders, a.Order, map[string]string{
		"total_products":    floor(read("total_products").Sub(unitNet)), // one unit, whatever the quantity
		"total_products_wt": cents(included),
		"total_shipping":    cents(shipping),
		"total_paid":        floor(paid),
		"total_paid_real":   floor(read("total_paid_real").Sub(taken)),
		"date_upd":          a.At,
	})
	return nil
}

// uncart takes the units out of the order's cart too, which looks as if the customer had been there (capture 109).
func (s *Shop) uncart(order, line *row, quantity int64, at string) int64 {
	carts, details := s.table("carts"), s.table("order_details")
	cart := carts.get(castID(s.table("orders").value(order, "id_cart")))
	if cart == nil {
		return 0
	}
	changed := cart.copy()
	s.assign(carts, changed, map[string]string{"date_upd": at})
	var rows []row
	for _, r := range changed.assocs["cart_rows"] {
		if r.values[0] == details.value(line, "product_id") && r.values[1] == details.value(line, "product_attribute_id") {
			r.values = slices.Clone(r.values)
			left := castID(r.values[2]) - quantity
			if r.values[2] = id(left); left < 1 {
				continue
			}
		}
		rows = append(rows, r)
	}
	changed.assocs["cart_rows"] = rows
	carts.put(changed)
	return cart.id
}

// refund gives the money of a paid line back: the order's totals and date_upd do not change, only a stock movement
// tells (wire/prestashop.md 5).
func (s *Shop) refund(a Action, acted *Acted) error {
	_, line, quantity, err := s.line(a)
	switch {
	case err != nil:
		return err
	case s.had(a.Order, "delivery"):
		return errors.New("the order was delivered: use return")
	case !s.had(a.Order, "logable"):
		return errors.New("the order was never paid: use cancel")
	}
	acted.Order, acted.Lines = a.Order, []int64{a.Line}
	s.back(a, acted, line, quantity)
	s.count(a.Line, "product_quantity_refunded", quantity)
	return nil
}

// giveBack takes goods of a delivered order back; they go into stock only if that was ticked.
func (s *Shop) giveBack(a Action, acted *Acted) error {
	_, line, quantity, err := s.line(a)
	switch {
	case err != nil:
		return err
	case !s.had(a.Order, "delivery"):
		return errors.New("the order was not delivered: use refund or cancel")
	}
	acted.Order, acted.Lines = a.Order, []int64{a.Line}
	if a.Restock {
		s.back(a, acted, line, quantity)
	}
	s.count(a.Line, "product_quantity_return", quantity)
	return nil
}
