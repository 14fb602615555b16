package vtigerwstest_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"cartiger/vtigerws/vtigerwstest"
)

// item is a line of a 6.x order.
func item(product, price, tax string) record {
	return record{"productid": product, "quantity": "1", "listprice": price, "tax1": tax}
}

func discounted(product, amount string) record {
	l := item(product, "10", "0")
	l["discount_amount"] = amount
	return l
}

func noShippingTax(more record) record {
	e := record{"shtax1_sh_percent": "0", "shtax2_sh_percent": "0", "shtax3_sh_percent": "0", "hdnTaxType": "group"}
	for name, v := range more {
		e[name] = v
	}
	return e
}

// The table of wire/vtiger.md 3b, tried on a live 6.4.0.
func Test64ComputesTotalsInItsOwnWay(t *testing.T) {
	s := startShop(t, vtigerwstest.Options{Version: "6.4.0"})
	taxed := func(rate string) string {
		var made record
		s.read(s.write("create", "Products", record{"productname": "P" + rate, "assigned_user_id": "19x1", "discontinued": "1"},
			url.Values{"tax1_check": {"on"}, "tax1": {rate}}), &made)
		return made["id"].(string)
	}
	plain, p20, p10 := s.shirt, taxed("20"), taxed("10")
	cases := []struct {
		what  string
		e     record
		lines []record
		total string
	}{
		{"adjustment up", noShippingTax(record{"txtAdjustment": "0.02"}), []record{item(plain, "10", "0")}, "10.02"},
		{"adjustment 1.5", noShippingTax(record{"txtAdjustment": "1.5"}), []record{item(plain, "10", "0")}, "11.50"},
		{"adjustment -1", noShippingTax(record{"txtAdjustment": "-1"}), []record{item(plain, "10", "0")}, "9"},
		{"adjustment -1.01", noShippingTax(record{"txtAdjustment": "-1.01"}), []record{item(plain, "10", "0")}, "8.99"},
		{"adjustment -0.02 loses its sign", noShippingTax(record{"txtAdjustment": "-0.02"}), []record{item(plain, "10", "0")}, "10.02"},
		{"adjustment -0.99 as a number", noShippingTax(record{"txtAdjustment": -0.99}), []record{item(plain, "10", "0")}, "10.99"},
		{"a small discount works", noShippingTax(record{"hdnDiscountAmount": "0.02"}), []record{item(plain, "10", "0")}, "9.98"},
		{"a negative discount is ignored", noShippingTax(record{"hdnDiscountAmount": "-0.02"}), []record{item(plain, "10", "0")}, "10"},
		{"a negative line is subtracted", noShippingTax(nil), []record{item(plain, "10", "0"), item(plain, "-0.02", "0")}, "9.98"},
		{"group: the last rate for all", noShippingTax(nil), []record{item(plain, "10", "19.6"), item(plain, "10", "5.5")}, "21.10"},
		{
			"group: discount before tax", noShippingTax(record{"hdnDiscountAmount": "2", "hdnS_H_Amount": "6", "shtax1_sh_percent": "20"}),
			[]record{item(plain, "10", "20"), item(plain, "10", "20")},
			"28.80",
		},
		{"individual: a tax the product lacks is ignored", noShippingTax(record{"hdnTaxType": "individual"}), []record{item(plain, "10", "20"), item(plain, "10", "10")}, "20"},
		{"individual: the products' own rates", noShippingTax(record{"hdnTaxType": "individual"}), []record{item(p20, "10", "20"), item(p10, "10", "10")}, "23"},
		{"individual: other rates than assigned, each its own", noShippingTax(record{"hdnTaxType": "individual"}), []record{item(p20, "10", "19.6"), item(p10, "10", "5.5")}, "22.51"},
		{"individual: a rate of 0 stays 0", noShippingTax(record{"hdnTaxType": "individual"}), []record{item(p20, "10", "0"), item(p10, "10", "10")}, "21"},
		{"the last line's discount counts once", noShippingTax(record{"hdnDiscountAmount": "0"}), []record{discounted(plain, "1")}, "9"},
		{"and twice where the order's is written otherwise", noShippingTax(record{"hdnDiscountAmount": "0.00"}), []record{discounted(plain, "1")}, "8"},
		{
			"individual: discount after tax",
			noShippingTax(record{"hdnTaxType": "individual", "hdnDiscountAmount": "2", "hdnS_H_Amount": "6", "shtax1_sh_percent": "20", "txtAdjustment": "0.02"}),
			[]record{item(p20, "10", "20"), item(p10, "10", "10")},
			"28.22",
		},
		{"shipping without tax", noShippingTax(record{"hdnS_H_Amount": "5"}), []record{item(plain, "12", "0")}, "17"},
		{"shipping with the default 27 %", record{"hdnTaxType": "group", "hdnS_H_Amount": "5"}, []record{item(plain, "12", "0")}, "18.35"},
		{"nothing is rounded", noShippingTax(nil), []record{{"productid": plain, "quantity": "3", "listprice": "9.123456", "tax1": "19.6"}}, "32.73496013"},
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			e := s.order(c.e)
			e["productid"], e["LineItems"] = plain, c.lines
			made := s.create("SalesOrder", e)
			if _, isNumber := made["hdnGrandTotal"].(float64); !isNumber {
				t.Errorf("the total of a new order is a %T", made["hdnGrandTotal"])
			}
			id := made["id"].(string)
			stored := decimal.RequireFromString(s.stored("SalesOrder", id)["hdnGrandTotal"].(string))
			if !stored.Equal(decimal.RequireFromString(c.total)) {
				t.Errorf("stored %s, the server stored %s", stored, c.total)
			}
		})
	}
}

func Test64PrintsTheNoiseOfItsFloats(t *testing.T) {
	s := startShop(t, vtigerwstest.Options{Version: "6.4.0"})
	e := s.order(record{"hdnTaxType": "group", "hdnDiscountAmount": "2.00", "hdnS_H_Amount": "6.90", "txtAdjustment": "0.01", "productid": s.shirt})
	e["LineItems"] = []record{
		{"productid": s.shirt, "quantity": "2", "listprice": "9.25", "discount_percent": "10", "tax1": "19.6"},
		{"productid": s.hat, "quantity": "1", "listprice": "15", "discount_amount": "1", "tax1": "19.6"},
	}
	_, body, err := s.send("POST", s.writing("create", "SalesOrder", e, nil))
	if err != nil || !strings.Contains(body, `"hdnGrandTotal":43.038399999999996,"hdnSubTotal":30.65,`) {
		t.Errorf("error %v, body %s", err, body)
	}
}

func Test64LosesTheLinesOfAnOrderButNotOfAnInvoice(t *testing.T) {
	s := startShop(t, vtigerwstest.Options{Version: "6.4.0"})
	e := s.order(noShippingTax(record{"productid": s.shirt, "LineItems": []record{item(s.shirt, "10", "0")}}))
	order := s.create("SalesOrder", e)["id"].(string)
	revised := func(id string, extra url.Values) record {
		var after record
		s.read(s.write("revise", "", record{"id": id, "description": "x"}, extra), &after)
		return after
	}
	if after := revised(order, url.Values{"ajxaction": {"DETAILVIEW"}}); after["hdnGrandTotal"] != "10.00000000" || after["LineItems"] == nil {
		t.Errorf("DETAILVIEW left total %v", after["hdnGrandTotal"])
	}
	if after := revised(order, url.Values{"action": {"SalesOrderAjax"}}); after["hdnGrandTotal"] != "0.00000000" || after["LineItems"] != nil {
		t.Errorf("SalesOrderAjax left total %v", after["hdnGrandTotal"])
	}
	e["salesorder_id"] = order
	invoice := s.create("Invoice", e)["id"].(string)
	if after := revised(invoice, nil); after["hdnGrandTotal"] != "10.00000000" || after["LineItems"] == nil {
		t.Errorf("a revise left the invoice total %v", after["hdnGrandTotal"])
	}
	if got := s.stock(s.shirt); got != "99.000" {
		t.Errorf("stock %s", got)
	}
}

// The server writes the taxes of each new line also to the line whose number is the order's: on 6.4.0, an order of 19.6 %
// and 5.5 % came to 21.10, and an older one lost its rate.
func Test64WritesTaxesToTheLineWithTheNumberOfTheOrder(t *testing.T) {
	s := startShop(t, vtigerwstest.Options{Version: "6.4.0"})
	taxed := func(rate string) string {
		var made record
		s.read(s.write("create", "Products", record{"productname": "P" + rate, "assigned_user_id": "19x1"}, url.Values{"tax1_check": {"on"}, "tax1": {rate}}), &made)
		return made["id"].(string)
	}
	p20, p10 := taxed("20"), taxed("10")
	order := func() (id string, total any) {
		e := s.order(noShippingTax(record{"hdnTaxType": "individual", "productid": p20}))
		e["LineItems"] = []record{item(p20, "10", "19.6"), item(p10, "10", "5.5")}
		made := s.create("SalesOrder", e)
		return made["id"].(string), made["hdnGrandTotal"]
	}
	first, total := order()
	if total != 22.51 {
		t.Fatalf("total %v, want 22.51", total)
	}
	next, err := strconv.Atoi(bare(first))
	if err != nil {
		t.Fatal(err)
	}
	s.crm.LinesFrom(next + 1) // the next order has the number of its own first line
	if _, total := order(); total != 21.1 {
		t.Errorf("total %v, want 21.1", total)
	}
	s.crm.LinesFrom(next + 3) // here an order's first line gets the number of the order after it
	older, total := order()
	if total != 22.51 || !s.crm.Total(older).Equal(decimal.RequireFromString("22.51")) {
		t.Fatalf("total %v, its parts come to %s", total, s.crm.Total(older))
	}
	if _, total := order(); total != 22.51 {
		t.Errorf("the order after it: total %v, want 22.51", total)
	}
	if after := s.crm.Total(older); !after.Equal(decimal.RequireFromString("21.10")) {
		t.Errorf("the older order's parts come to %s, want 21.10", after)
	}
}

// Seen live on 6.0.0: lines 20.00 at 20 %, discount 2, shipping 5 at 20 %, adjustment 0.02.
func Test60TaxesShippingAndDoublesKeptLines(t *testing.T) {
	s := startShop(t, vtigerwstest.Options{Version: "6.0.0"})
	e := s.order(noShippingTax(record{"productid": s.shirt, "hdnDiscountAmount": "2", "hdnS_H_Amount": "5", "shtax1_sh_percent": "20", "txtAdjustment": "0.02"}))
	e["LineItems"] = []record{item(s.shirt, "10", "20"), item(s.hat, "10", "20")}
	made := s.create("SalesOrder", e)
	total := func(answer record) string {
		return decimal.NewFromFloat(answer["hdnGrandTotal"].(float64)).StringFixed(2)
	}
	revised := func(e record, extra url.Values) string {
		var after record
		e["id"] = made["id"]
		s.read(s.write("revise", "", e, extra), &after)
		return total(after)
	}
	keep := url.Values{"ajxaction": {"DETAILVIEW"}}
	for _, step := range []struct {
		what, got, want string
	}{
		{"created", total(made), "28.62"},
		{"lines kept", revised(record{"sostatus": "Approved"}, keep), "52.62"},
		{"and again", revised(record{"sostatus": "Approved"}, keep), "100.62"},
		{"written whole", revised(e, nil), "28.62"},
		{"kept otherwise: shipping and adjustment are gone", revised(record{"sostatus": "Approved"}, nil), "21.60"},
	} {
		if step.got != step.want {
			t.Errorf("%s: total %s, want %s", step.what, step.got, step.want)
		}
	}
}
