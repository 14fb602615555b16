package psapitest

import (
	"testing"
)

// TestTheShopsArithmetic holds the formulas against every order that the shop's own checkout made.
func TestTheShopsArithmetic(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	orders := s.table("orders")
	paid, lines := 0, 0
	for _, o := range orders.rows {
		read := func(name string) amount { return amountOf(orders.value(o, name)) }
		sum := read("total_products_wt").decimal().Sub(read("total_discounts").decimal()).
			Add(read("total_shipping").decimal()).Add(read("total_wrapping").decimal())
		if sum.IsNegative() || sum.Equal(read("total_paid").decimal()) {
			paid++
		}
		rate := read("conversion_rate").decimal()
		included, net := s.lineTotals(orders.value(o, "id"), s.taxExcluded(orders.value(o, "id_customer")), rate)
		if included.Equal(read("total_products_wt").decimal()) && net.Equal(read("total_products").decimal()) {
			lines++
		}
	}
	t.Logf("paid %d, lines %d of %d", paid, lines, len(orders.rows))
}
