package psapitest_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"cartiger/psapi/psapitest"
)

func act(t *testing.T, s *psapitest.Shop, a psapitest.Action) psapitest.Acted {
	t.Helper()
	acted, err := s.Act(a)
	if err != nil {
		t.Fatal(err)
	}
	return acted
}

// TestAnyOrderAddsUp places orders of all kinds and holds their totals against the identity that every order of the
// shop kept (wire/prestashop.md 6), also after lines were cancelled.
func TestAnyOrderAddsUp(t *testing.T) {
	s := newShop(t, psapitest.Options{})
	rapid.Check(t, func(t *rapid.T) {
		customers := []int64{24, 920, 41, 16}
		action := psapitest.Action{
			Do: "order", Customer: rapid.SampledFrom(customers).Draw(t, "customer"),
			Currency: rapid.SampledFrom([]int64{0, 1, 2, 3, 4, 5}).Draw(t, "currency"), State: 10,
		}
		s.Set("customers", action.Customer, "id_default_group", rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "group"))
		acted, err := s.Act(action)
		if err != nil {
			t.Fatal(err)
		}
		addsUp(t, s, acted.Order)
		if len(acted.Lines) > 1 {
			if _, err := s.Act(psapitest.Action{Do: "cancel", Order: acted.Order, Line: acted.Lines[0], Quantity: 1}); err != nil {
				t.Fatal(err)
			}
			addsUp(t, s, acted.Order)
		}
	})
}

func addsUp(t *rapid.T, s *psapitest.Shop, order int64) {
	o, ok := s.Record("orders", order)
	if !ok {
		t.Fatalf("order %d is gone", order)
	}
	read := func(name string) decimal.Decimal { return decimal.RequireFromString(o[name]) }
	want := read("total_products_wt").Sub(read("total_discounts")).Add(read("total_shipping")).Add(read("total_wrapping"))
	if want = decimal.Max(want, decimal.Zero); !want.Equal(read("total_paid")) {
		t.Fatalf("order %d: total_paid %s, the parts give %s", order, o["total_paid"], want)
	}
	if !read("total_products_wt").IsPositive() {
		t.Fatalf("order %d: total_products_wt is %s", order, o["total_products_wt"])
	}
}

// TestATemplateKeepsItsMoney copies an order for its own customer: the copy costs what the original did.
func TestATemplateKeepsItsMoney(t *testing.T) {
	s := newShop(t, psapitest.Options{})
	for _, template := range []int64{2, 5, 29, 1296} {
		o, _ := s.Record("orders", template)
		var customer int64
		if _, err := fmt.Sscan(o["id_customer"], &customer); err != nil {
			t.Fatal(err)
		}
		acted := act(t, s, psapitest.Action{Do: "order", Customer: customer, Template: template})
		copied, _ := s.Record("orders", acted.Order)
		for _, name := range []string{
			"id_currency", "conversion_rate", "total_discounts", "total_paid", "total_products", "total_products_wt",
			"total_shipping", "total_wrapping", "carrier_tax_rate", "module",
		} {
			if copied[name] != o[name] {
				t.Errorf("copy of order %d: %s is %s, was %s", template, name, copied[name], o[name])
			}
		}
	}
}

// TestTheShopsClock runs through the night in which Paris sets its clocks back: the same stamps come twice.
func TestTheShopsClock(t *testing.T) {
	at := time.Date(2026, 10, 24, 23, 30, 0, 0, time.UTC)
	s := newShop(t, psapitest.Options{Now: func() time.Time { return at }})
	var stamps []string
	for range 4 {
		stamps = append(stamps, act(t, s, psapitest.Action{Do: "login", Customer: 24}).At)
		if access := get(t, s, "/api/carts?limit=1").header.Get("Access-Time"); access != strconv.FormatInt(at.Unix(), 10) {
			t.Errorf("Access-Time is %s at %s", access, at)
		}
		at = at.Add(30 * time.Minute)
	}
	want := []string{"2026-10-25 01:30:00", "2026-10-25 02:00:00", "2026-10-25 02:30:00", "2026-10-25 02:00:00"}
	if diff := cmp.Diff(want, stamps); diff != "" {
		t.Errorf("stamps (-want +got):\n%s", diff)
	}
}
