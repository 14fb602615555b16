package matrix

import (
	"testing"

	"github.com/shopspring/decimal"

	"cartiger/psapi/psapitest"
)

// follow prepares a world for watch: everything is exported and the shop's newest ids are known.
func (w *world) follow(t testing.TB) {
	t.Helper()
	w.finish(t, "exports")
	w.finish(t, "watch")
	w.journal.take()
}

// change lets in the shop happen what makes watch do every kind of write: a stranger registers, somebody known
// registers again, a Lead orders, a guest orders with everything an order can have, an order is paid, a line is
// refunded, a state changes, a product appears.
func (w *world) change(t testing.TB) {
	t.Helper()
	amount := func(s string) *decimal.Decimal {
		d := decimal.RequireFromString(s)
		return &d
	}
	rate := func(s string) *decimal.Decimal { return amount(s) }
	w.act(t, psapitest.Action{Do: "register", Email: "neo@example.test", FirstName: "Neo", LastName: "Anders", Company: "Neo & Söhne"})
	known, _ := w.shop.Record("customers", number(theOthers[0]))
	w.act(t, psapitest.Action{Do: "register", Email: " " + known["email"], FirstName: "Again", LastName: "Registered", Address: &psapitest.Address{Phone: "0123", City: "Köln"}})
	products := w.shop.Records("products")
	first, second := number(products[0]["id"]), number(products[1]["id"])
	w.act(t, psapitest.Action{Do: "order", Customer: number(theOthers[1]), State: 1, Lines: []psapitest.Line{{Product: first, Quantity: 2, TaxRate: rate("19.6")}}, Shipping: amount("7.18")})
	w.act(t, psapitest.Action{
		Do: "order", Guest: true, Email: "guest@example.test", FirstName: "Gast", LastName: "Eins", Currency: 2, State: 2,
		Lines:    []psapitest.Line{{Product: first, TaxRate: rate("19.6")}, {Product: second, Quantity: 3, TaxRate: rate("5.5")}},
		Discount: amount("1.99"), Shipping: amount("7.18"), Wrapping: amount("2.39"),
	})
	w.act(t, psapitest.Action{Do: "state", Order: 145, State: 2})
	for _, d := range w.shop.Records("order_details") {
		if d["id_order"] == "96" {
			w.act(t, psapitest.Action{Do: "refund", Order: 96, Line: number(d["id"]), Quantity: 1})
			break
		}
	}
	w.act(t, psapitest.Action{Do: "state", Order: 31, State: 7})
	w.act(t, psapitest.Action{Do: "product", Reference: "neu-1", Name: "Neues Produkt", Price: amount("12.34"), Quantity: 5})
}
