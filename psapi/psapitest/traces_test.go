package psapitest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
)

const moment = "2026-12-01 10:00:00"

func plainShop(t *testing.T) *Shop {
	t.Helper()
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// snapshot is the rows of each resource. Rows never change, so a changed one is another row.
type snapshot map[string][]*row

func take(s *Shop) snapshot {
	all := snapshot{}
	for resource := range s.data.rows {
		all[resource] = slices.Clone(s.table(resource).rows)
	}
	return all
}

// traces says what changed since: "carts +2302", "orders 5 date_upd=…", "order_details -60".
func (before snapshot) traces(s *Shop) []string {
	var found []string
	for resource, rows := range before {
		old := newTable(s.table(resource).spec, rows)
		for _, now := range s.table(resource).rows {
			was := old.get(now.id)
			switch {
			case was == nil:
				found = append(found, fmt.Sprintf("%s +%d", resource, now.id))
			case was != now:
				before, after := s.record(old, was), s.record(s.table(resource), now)
				for name, value := range after {
					if before[name] != value && name != "current_state" {
						found = append(found, fmt.Sprintf("%s %d %s=%s", resource, now.id, name, value))
					}
				}
			}
		}
		for _, was := range rows {
			if s.table(resource).get(was.id) == nil {
				found = append(found, fmt.Sprintf("%s -%d", resource, was.id))
			}
		}
	}
	slices.Sort(found)
	return found
}

func net(s string) *decimal.Decimal {
	d := decimal.RequireFromString(s)
	return &d
}

// TestTheTracesOfAnAction holds every action against wire/prestashop.md 5: what it touches, and all that it does not.
// Order 27 is unpaid with one line (60, six units of product 1142), order 29 is paid, order 5 is delivered.
func TestTheTracesOfAnAction(t *testing.T) {
	off := false
	tests := []struct {
		name   string
		action Action
		want   []string
	}{
		{"register", Action{Do: "register", Email: "a@example.com"}, []string{"customers +2312", "guests +3082"}},
		{
			"register with a company",
			Action{Do: "register", Email: "a@example.com", Company: "ACME"},
			[]string{"addresses +3268", "customers +2312", "guests +3082"},
		},
		{"login", Action{Do: "login", Customer: 24}, []string{"carts +2302"}},
		{
			"login with a visitor's cart",
			Action{Do: "login", Customer: 24, Cart: 2300},
			[]string{"carts 2300 date_upd=" + moment, "carts 2300 id_customer=24"},
		},
		{
			"order",
			Action{Do: "order", Customer: 24, State: 10, Lines: []Line{{Product: 31, Quantity: 2}}},
			[]string{
				"carts +2302", "order_details +3311", "order_histories +4146", "orders +1301",
				"products 31 quantity=495", "stock_movements +3151",
			},
		},
		{
			"order of a guest with a voucher",
			Action{
				Do: "order", Email: "g@example.com", Guest: true, State: 2, Discount: net("1"), Lines: []Line{{Product: 31}},
			},
			[]string{
				"addresses +3268", "carts +2302", "customers +2312", "guests +3082", "order_details +3311", "order_discounts +322",
				"order_histories +4146", "orders +1301", "products 31 quantity=496", "stock_movements +3151",
			},
		},
		{
			"the first state with an invoice",
			Action{Do: "state", Order: 27, State: 2},
			[]string{
				"order_histories +4146", "orders 27 date_upd=" + moment, "orders 27 invoice_date=" + moment,
				"orders 27 invoice_number=1121", "orders 27 valid=1",
			},
		},
		{
			"a state with a delivery slip",
			Action{Do: "state", Order: 29, State: 4},
			[]string{
				"configurations 39 date_upd=" + moment, "configurations 39 value=347", "order_histories +4146",
				"orders 29 date_upd=" + moment, "orders 29 delivery_date=" + moment, "orders 29 delivery_number=346",
			},
		},
		{
			"cancel three of six units",
			Action{Do: "cancel", Order: 27, Line: 60, Quantity: 3},
			[]string{
				"carts 1026 date_upd=" + moment, "order_details 60 product_quantity=3", "order_details 60 product_quantity_reinjected=4",
				"orders 27 date_upd=" + moment, "orders 27 total_paid=158.37", "orders 27 total_paid_real=158.37",
				"orders 27 total_products=393.67", "orders 27 total_products_wt=150.00", "products 1142 quantity=147", "stock_movements +3151",
			},
		},
		{
			"cancel the last line",
			Action{Do: "cancel", Order: 27, Line: 60},
			[]string{
				"carts 1026 date_upd=" + moment, "order_details -60", "order_histories +4146",
				"orders 27 date_upd=" + moment, "orders 27 total_paid=0.00", "orders 27 total_paid_real=0.00",
				"orders 27 total_products=393.67", "orders 27 total_products_wt=0.00", "orders 27 total_shipping=0.00",
				"products 1142 quantity=150", "stock_movements +3151",
			},
		},
		{
			"refund",
			Action{Do: "refund", Order: 29, Line: 65, Quantity: 1},
			[]string{
				"order_details 65 product_quantity_refunded=1", "order_details 65 product_quantity_reinjected=1",
				"products 910 quantity=162", "stock_movements +3151",
			},
		},
		{
			"return",
			Action{Do: "return", Order: 5, Line: 11, Quantity: 1},
			[]string{"order_details 11 product_quantity_return=1"},
		},
		{
			"return into stock",
			Action{Do: "return", Order: 5, Line: 11, Quantity: 1, Restock: true},
			[]string{
				"order_details 11 product_quantity_reinjected=1", "order_details 11 product_quantity_return=1",
				"products 670 quantity=474", "stock_movements +3151",
			},
		},
		{"product", Action{Do: "product", Name: "Cup", Reference: "CUP", Price: net("10")}, []string{"products +1620"}},
		{
			"edit-product",
			Action{Do: "edit-product", Product: 31, Price: net("10"), Active: &off},
			[]string{"products 31 active=0", "products 31 date_upd=" + moment, "products 31 net=10.000000", "products 31 price=11.960000"},
		},
		{"stock", Action{Do: "stock", Product: 31, Quantity: 3}, []string{"products 31 quantity=500", "stock_movements +3151"}},
		{
			"edit-customer",
			Action{Do: "edit-customer", Customer: 24, Email: "new@example.com"},
			[]string{"customers 24 date_upd=" + moment, "customers 24 email=new@example.com"},
		},
		{
			"edit-address in the back office",
			Action{Do: "edit-address", Address: &Address{ID: 1346, City: "Lyon"}},
			[]string{"addresses 1346 city=Lyon", "addresses 1346 date_upd=" + moment},
		},
		{
			"edit-address that an order uses, in the shop",
			Action{
				Do: "edit-address", Front: true, Address: &Address{ID: 1346, City: "Lyon"},
			},
			[]string{"addresses +3268", "addresses 1346 date_upd=" + moment, "addresses 1346 deleted=1"},
		},
		{
			"delete-customer",
			Action{Do: "delete-customer", Customer: 24},
			[]string{"customers 24 date_upd=" + moment, "customers 24 deleted=1"},
		},
		{
			"delete-customer with orders, physically",
			Action{Do: "delete-customer", Customer: 920, Physical: true},
			[]string{
				"addresses 1346 date_upd=" + moment, "addresses 1346 deleted=1", "addresses 1348 date_upd=" + moment,
				"addresses 1348 deleted=1", "addresses -1347", "customers -920",
			},
		},
		{"a new currency", Action{Do: "currency", Code: "SEK", Price: net("11.2")}, []string{"currencies +7"}},
		{
			"currency switched off",
			Action{Do: "currency", Currency: 4, Active: &off, Price: net("1.1")},
			[]string{"currencies 4 active=0", "currencies 4 conversion_rate=1.100000"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := plainShop(t)
			before := take(s)
			test.action.At = moment
			if _, err := s.Act(test.action); err != nil {
				t.Fatal(err)
			}
			slices.Sort(test.want)
			if diff := cmp.Diff(test.want, before.traces(s)); diff != "" {
				t.Errorf("traces (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAWrongActionSaysWhatIsWrong(t *testing.T) {
	tests := []struct {
		action Action
		want   string
	}{
		{Action{Do: "dance"}, `action "dance" is unknown; known are cancel, currency,`},
		{Action{Do: "login", Customer: 24, At: "yesterday"}, `at "yesterday" must look like`},
		{Action{Do: "register"}, "email is missing"},
		{Action{Do: "login"}, "customer is missing"},
		{Action{Do: "login", Customer: 999999}, "customer 999999 does not exist in customers"},
		{Action{Do: "order"}, "customer is missing"},
		{Action{Do: "order", Customer: 24, Currency: 99}, "currency 99 does not exist"},
		{Action{Do: "order", Customer: 24, Template: 14}, "template 14 has no lines"},
		{Action{Do: "order", Customer: 24, Lines: []Line{{Product: 999999}}}, "line 1: product 999999 does not exist"},
		{Action{Do: "state", Order: 27, State: 99}, "state 99 does not exist"},
		{Action{Do: "cancel", Order: 27, Line: 60, Quantity: 7}, "quantity 7: 6 of line 60 are left"},
		{Action{Do: "cancel", Order: 27, Line: 63}, "line 63 is of order 29"},
		{Action{Do: "cancel", Order: 29, Line: 65}, "was paid: use refund"},
		{Action{Do: "refund", Order: 27, Line: 60}, "was never paid: use cancel"},
		{Action{Do: "refund", Order: 5, Line: 11}, "was delivered: use return"},
		{Action{Do: "return", Order: 27, Line: 60}, "was not delivered"},
		{Action{Do: "currency", Code: "SEK"}, "code and price are missing"},
		{Action{Do: "product"}, "name is missing"},
	}
	for _, test := range tests {
		s := plainShop(t)
		before := take(s)
		_, err := s.Act(test.action)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.action.Do, err, test.want)
		}
		if got := before.traces(s); got != nil {
			t.Errorf("%s: a refused action left traces: %v", test.action.Do, got)
		}
	}
}
