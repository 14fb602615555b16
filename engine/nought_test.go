package engine_test

import (
	"fmt"
	"testing"

	"github.com/shopspring/decimal"

	"cartiger/psapi/psapitest"
	"cartiger/vtigerws/vtigerwstest"
)

// 6.0 doubles the lines that an update keeps: an order's status goes out with all its lines there.
func TestTheStatusOfAnOrderLeavesItsLinesOn60(t *testing.T) {
	w := newWorld(t, psapitest.Options{}, vtigerwstest.Options{Version: "6.0.0"})
	w.pass(t)
	someone := w.act(t, psapitest.Action{Do: "register", Email: "ada@example.test", FirstName: "Ada", LastName: "Byron"})
	bought := w.act(t, psapitest.Action{Do: "order", Customer: someone.Customer, State: 1})
	w.pass(t)
	look := func() (status any, lines int, total string) {
		t.Helper()
		orders := w.crm.Records("SalesOrder")
		if len(orders) != 1 {
			t.Fatalf("orders: %v", orders)
		}
		total = decimal.RequireFromString(fmt.Sprint(orders[0]["hdnGrandTotal"])).StringFixed(2)
		return orders[0]["sostatus"], len(orders[0]["lines"].([]vtigerwstest.Record)), total
	}
	_, lines, total := look()
	for _, step := range []struct {
		state  int64
		status string
	}{{2, "Approved"}, {4, "Delivered"}} {
		w.act(t, psapitest.Action{Do: "state", Order: bought.Order, State: step.state})
		w.pass(t)
		if status, n, sum := look(); status != step.status || n != lines || sum != total {
			t.Errorf("state %d: %v with %d lines of %s, want %s with %d of %s", step.state, status, n, sum, step.status, lines, total)
		}
	}
}
