package engine

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"cartiger/problem"
	"cartiger/psapi"
	"cartiger/vtigerws"
	"cartiger/vtigerws/vtigerwstest"
)

// crmTaxes is the CRM's side of the products: the rate of tax1 that each has assigned.
type crmTaxes map[string]decimal.Decimal

func (c crmTaxes) product(d psapi.OrderDetail) DocumentProduct {
	id := fmt.Sprintf("6x%d", d.Product)
	if d.Reference != "" {
		id = "6x" + d.Reference // products with one code are one product
	}
	return DocumentProduct{Product: id, Assigned: c.assigned(id)}
}

func (c crmTaxes) wrapping() DocumentProduct {
	return DocumentProduct{Product: "6xW", Assigned: c.assigned("6xW")}
}

func (c crmTaxes) assigned(product string) bool {
	_, ok := c[product]
	return ok
}

func (c crmTaxes) input(o soldOrder, d vtigerws.Dialect) DocumentInput {
	return DocumentInput{
		Order: o.Order, Details: o.Details, Discounts: o.Discounts, TaxExcluded: o.TaxExcluded, RoundMode: o.RoundMode, Dialect: d,
		Product: c.product, Wrapping: c.wrapping(), Remains: DocumentProduct{Product: "6xR"},
	}
}

// write is what the CRM does: the taxes that the document asks for are assigned, then its total is computed.
func (c crmTaxes) write(r DocumentResult, d vtigerws.Dialect) decimal.Decimal {
	maps.Copy(c, r.ProductTaxes)
	return CRMTotal(r.Document, d, c.assigned)
}

var halfCent = dec("0.005")

// faults says what is wrong with a document for an order of this total.
func faults(r DocumentResult, total, paid decimal.Decimal, d vtigerws.Dialect) []string {
	var wrong []string
	say := func(format string, values ...any) { wrong = append(wrong, fmt.Sprintf(format, values...)) }
	doc := r.Document
	if !doc.Total.Equal(paid) {
		say("the total sent is %s", doc.Total)
	}
	if off := total.Sub(paid); off.Abs().GreaterThanOrEqual(halfCent) {
		say("the CRM comes to %s", total)
	}
	if d.LineItems && !total.Round(6).Equal(paid) {
		say("the CRM would store %s", total)
	}
	if d.LineItems && losesSign(doc.Adjustment) {
		say("adjustment %s", doc.Adjustment)
	}
	if doc.Discount.IsNegative() || doc.Shipping.IsNegative() {
		say("discount %s, shipping %s", doc.Discount, doc.Shipping)
	}
	digits := places(d)
	for _, l := range doc.Lines {
		if l.Discount.IsNegative() || d.LineItems && l.ListPrice.IsZero() {
			say("%q: price %s, discount %s", l.Description, l.ListPrice, l.Discount)
		}
		if !l.ListPrice.Equal(l.ListPrice.Round(2)) || !l.Discount.Equal(l.Discount.Round(digits)) {
			say("%q: price %s, discount %s have more decimals than the CRM keeps", l.Description, l.ListPrice, l.Discount)
		}
	}
	for _, amount := range []decimal.Decimal{doc.Discount, doc.Shipping, doc.Adjustment} {
		if !amount.Equal(amount.Round(digits)) {
			say("%s has more decimals than the CRM keeps", amount)
		}
	}
	return wrong
}

func dialects() map[string]vtigerws.Dialect {
	return map[string]vtigerws.Dialect{"5.x": formFields, "6.x": lineItems}
}

// withNought are the dialects with that of 6.0, which shows an order with shipping differently.
func withNought() map[string]vtigerws.Dialect {
	all := dialects()
	all["6.0"] = shippingTaxed
	return all
}

// Each of the 1,300 orders, in turn, in one CRM: the total is the shop's, the stored parts give that total, and a
// person who opens and saves the document keeps it. The lines are the shop's own net amounts.
func TestEveryOrderToTheCent(t *testing.T) {
	orders := soldOrders(t)
	for name, d := range withNought() {
		t.Run(name, func(t *testing.T) {
			crm := crmTaxes{}
			exact, assigned, warned := 0, 0, 0
			rests := map[string]int{}
			farthest := decimal.Zero
			for _, o := range orders {
				r, err := BuildDocument(crm.input(o, d))
				if err != nil {
					t.Errorf("order %d: %v", o.ID, err)
					continue
				}
				wrong := faults(r, crm.write(r, d), o.TotalPaid, d)
				if got := PageTotal(r.Document, d); !got.Equal(o.TotalPaid) {
					wrong = append(wrong, "the page comes to "+got.String())
				}
				if got := PageTotal(asStored(r.Document, d), lineItems); !got.Equal(o.TotalPaid) {
					wrong = append(wrong, "the page of 5.4, which loads cents like that of 6.x, comes to "+got.String())
				}
				if len(wrong) > 0 {
					t.Errorf("order %d of %s: %s", o.ID, o.TotalPaid, strings.Join(wrong, "; "))
					continue
				}
				exact++
				farthest = decimal.Max(farthest, CRMTotal(r.Document, d, nil).Sub(o.TotalPaid).Abs())
				rests[r.Rest.StringFixed(2)]++
				assigned += len(r.ProductTaxes)
				if len(r.Warnings) > 0 {
					warned++
				}
				if p := PriceOrder(o.Order, o.Details, o.TaxExcluded, o.RoundMode); p.FitsNet {
					var net decimal.Decimal
					for _, l := range r.Document.Lines[:len(p.Lines)] {
						net = net.Add(lineNet(l).Round(2))
					}
					if !net.Equal(o.TotalProducts) {
						t.Errorf("order %d: lines come to %s without tax, the shop says %s", o.ID, net, o.TotalProducts)
					}
				}
			}
			t.Logf("%d of %d exact, the parts within %s; %d taxes assigned; %d warned; rests %v", exact, len(orders), farthest, assigned, warned, rests)
			// Warned: 14 and 27, which lost lines, and tax-excluded orders whose ecotax has another rate than the product.
			if exact != 1300 || warned != 5 {
				t.Errorf("%d orders are exact and %d warned about, want 1300 and 5", exact, warned)
			}
		})
	}
}

// The same through the client and a simulated CRM, which knows nothing of our sums: what it stores, and what its stored
// parts come to.
func TestEveryOrderThroughTheCRM(t *testing.T) {
	orders := soldOrders(t)
	for _, version := range []string{"5.2.1", "6.0.0", "6.4.0"} {
		t.Run(version, func(t *testing.T) {
			crm, err := vtigerwstest.New(vtigerwstest.Options{Version: version})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(crm)
			defer server.Close()
			client, err := vtigerws.New(vtigerws.Config{URL: server.URL, User: "admin", AccessKey: "TestAccessKey"})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			facts, err := client.Login(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			do := func(w vtigerws.Write) vtigerws.Record {
				t.Helper()
				r, err := client.Do(t.Context(), w)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			account := do(vtigerws.Write{Op: vtigerws.OpCreate, Module: "Accounts", Fields: vtigerws.Record{
				"accountname": "Buyer", "assigned_user_id": facts.UserID,
			}}).ID()
			ids := map[string]string{} // of the CRM's products, by our test's
			taxes := crmTaxes{}
			existing := func(p DocumentProduct) DocumentProduct {
				if ids[p.Product] == "" {
					ids[p.Product] = do(vtigerws.Write{Op: vtigerws.OpCreate, Module: "Products", Fields: vtigerws.Record{
						"productname": p.Product, "reorderlevel": noReorder, "unit_price": "7.77", "assigned_user_id": facts.UserID,
					}}).ID()
				}
				p.Product = ids[p.Product]
				p.Assigned = taxes.assigned(p.Product)
				return p
			}
			for _, o := range orders {
				in := taxes.input(o, facts.Dialect)
				in.Product = func(d psapi.OrderDetail) DocumentProduct { return existing(taxes.product(d)) }
				in.Wrapping, in.Remains = existing(in.Wrapping), existing(in.Remains)
				r, err := BuildDocument(in)
				if err != nil {
					t.Fatalf("order %d: %v", o.ID, err)
				}
				for id, rate := range r.ProductTaxes {
					do(vtigerws.Write{Op: vtigerws.OpUpdate, Module: "Products", ID: id, ProductTaxes: rates(productTax, rate.String())})
					taxes[id] = rate
				}
				written := do(vtigerws.Write{Op: vtigerws.OpCreate, Module: "SalesOrder", Document: &r.Document, Fields: vtigerws.Record{
					"subject": "Order", "sostatus": "Created", "account_id": account, "bill_street": "1 rue A", "ship_street": "1 rue A",
					"invoicestatus": "Created", "currency_id": "21x1", "conversion_rate": "1", "assigned_user_id": facts.UserID,
				}})
				stored, parts := dec(written["hdnGrandTotal"]), crm.Total(written.ID())
				if !stored.Round(2).Equal(o.TotalPaid) || parts.Sub(stored).Abs().GreaterThanOrEqual(halfCent) {
					t.Errorf("order %d of %s: stored %s, its parts come to %s", o.ID, o.TotalPaid, stored, parts)
				}
			}
		})
	}
}

func soldIn(t *testing.T, id int64) soldOrder {
	t.Helper()
	orders := soldOrders(t)
	i := slices.IndexFunc(orders, func(o soldOrder) bool { return o.ID == id })
	if i < 0 {
		t.Fatalf("no order %d", id)
	}
	return orders[i]
}

// within builds a document that must be possible and right.
func within(t *testing.T, crm crmTaxes, o soldOrder, d vtigerws.Dialect) DocumentResult {
	t.Helper()
	r, err := BuildDocument(crm.input(o, d))
	if err != nil {
		t.Fatal(err)
	}
	if wrong := faults(r, crm.write(r, d), o.TotalPaid, d); len(wrong) > 0 {
		t.Fatalf("total %s: %s", o.TotalPaid, strings.Join(wrong, "; "))
	}
	return r
}

// detail is a line without reductions.
func detail(id, qty int64, price, rate string) psapi.OrderDetail {
	return psapi.OrderDetail{ID: id, Product: id, Name: fmt.Sprintf("Product %d", id), Quantity: qty, Price: dec(price), TaxRate: dec(rate)}
}

// sell makes an order with the totals that the shop would compute for it.
func sell(discount, shipping, carrierRate, wrapping string, details ...psapi.OrderDetail) soldOrder {
	o := soldOrder{Details: details, RoundMode: 2, Order: psapi.Order{
		ID: 1, ConversionRate: one, TotalDiscounts: dec(discount), TotalShipping: dec(shipping),
		CarrierTaxRate: dec(carrierRate), TotalWrapping: dec(wrapping),
	}}
	o.total()
	return o
}

// total computes the totals of an order by the shop's formula (wire/prestashop.md 6).
func (o *soldOrder) total() {
	p := PriceOrder(o.Order, o.Details, o.TaxExcluded, o.RoundMode)
	o.TotalProducts, o.TotalProductsWT = p.Excl, p.Incl
	o.TotalPaid = decimal.Max(decimal.Zero, p.Incl.Sub(o.TotalDiscounts).Add(o.TotalShipping).Add(o.TotalWrapping))
}

func TestDocumentGroupTax(t *testing.T) {
	reduced := detail(2, 3, "10", "19.6")
	reduced.ReductionPercent = dec("10")
	o := sell("11.96", "8.37", "19.6", "2.99", detail(1, 6, "41.806020", "19.6"), reduced)
	o.GiftMessage = "Happy birthday"
	for name, d := range dialects() {
		t.Run(name, func(t *testing.T) {
			r := within(t, crmTaxes{}, o, d)
			want := vtigerws.Document{
				Lines: []vtigerws.Line{
					{Product: "6x1", Quantity: dec("6"), ListPrice: dec("41.81"), Discount: dec("0.02"), Description: "Product 1"},
					{Product: "6x2", Quantity: dec("3"), ListPrice: dec("10"), Discount: dec("3.01"), Description: "Product 2"},
					{Product: "6xW", Quantity: dec("1"), ListPrice: dec("2.5"), Description: "Gift wrapping", Comment: "Happy birthday"},
				},
				TaxType: vtigerws.TaxGroup, GroupTaxes: rates("tax1", "19.6"),
				Discount: dec("10"), Shipping: dec("7"), ShippingTaxes: rates("shtax1", "19.6"),
				SubTotal: dec("280.33"), Total: dec("331.68"),
			}
			got := inCents(r.Document)
			if diff := cmp.Diff(want, got, decimals); diff != "" {
				t.Error(diff)
			}
			if len(r.ProductTaxes) != 0 || len(r.Warnings) != 0 {
				t.Errorf("taxes to assign %v, warnings %q: want none", r.ProductTaxes, r.Warnings)
			}
		})
	}
}

// 6.0 would put a group tax on the shipping, which its edit page does not: one rate is written line by line there.
func TestDocumentOfOneRateWhereShippingIsTaxed(t *testing.T) {
	shipped, fetched := sell("0", "7", "20", "0", detail(1, 1, "100", "19.6")), sell("0", "0", "0", "0", detail(1, 1, "100", "19.6"))
	r := within(t, crmTaxes{}, shipped, shippingTaxed)
	if r.Document.TaxType != vtigerws.TaxIndividual || !PageTotal(r.Document, shippingTaxed).Equal(dec("126.6")) || len(r.ProductTaxes) != 1 {
		t.Errorf("%s, taxes to assign %v", r.Document.TaxType, r.ProductTaxes)
	}
	if r := within(t, crmTaxes{}, fetched, shippingTaxed); r.Document.TaxType != vtigerws.TaxGroup {
		t.Errorf("without shipping: %s", r.Document.TaxType)
	}
}

func TestDocumentIndividualTax(t *testing.T) {
	o := sell("5", "7", "20", "3.50", detail(1, 1, "100", "19.6"), detail(2, 2, "10", "5.5"), detail(3, 1, "8", "0"))
	tests := []struct {
		name string
		crm  crmTaxes
		d    vtigerws.Dialect
		want map[string]decimal.Decimal
	}{
		{"5.x: any rate will do, and none for 0 %", crmTaxes{"6x1": dec("20")}, formFields, map[string]decimal.Decimal{"6x2": dec("5.5")}},
		{"6.x likewise", crmTaxes{"6x1": dec("20")}, lineItems, map[string]decimal.Decimal{"6x2": dec("5.5")}},
		{"a line at 0 % of a taxed product", crmTaxes{"6x1": dec("19.6"), "6x2": dec("5.5"), "6x3": dec("19.6")}, lineItems, map[string]decimal.Decimal{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := within(t, tt.crm, o, tt.d)
			if diff := cmp.Diff(tt.want, r.ProductTaxes, decimals); diff != "" {
				t.Errorf("taxes to assign: %s", diff)
			}
			want := vtigerws.Document{
				Lines: []vtigerws.Line{
					{Product: "6x1", Quantity: dec("1"), ListPrice: dec("100"), Description: "Product 1", Taxes: rates("tax1", "19.6")},
					{Product: "6x2", Quantity: dec("2"), ListPrice: dec("10"), Description: "Product 2", Taxes: rates("tax1", "5.5")},
					{Product: "6x3", Quantity: dec("1"), ListPrice: dec("8"), Description: "Product 3", Taxes: rates("tax1", "0")},
					{Product: "6xW", Quantity: dec("1"), ListPrice: dec("3.5"), Description: "Gift wrapping", Taxes: rates("tax1", "0")},
				},
				TaxType: vtigerws.TaxIndividual, Discount: dec("5"),
				Shipping: dec("5.83"), ShippingTaxes: rates("shtax1", "20"),
				SubTotal: dec("152.2"), Total: dec("154.2"),
			}
			if diff := cmp.Diff(want, inCents(r.Document), decimals); diff != "" {
				t.Error(diff)
			}
		})
	}
}

var decimals = cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) })

// inCents is a document as the edit page shows it.
func inCents(doc vtigerws.Document) vtigerws.Document {
	doc.Lines = slices.Clone(doc.Lines)
	for i := range doc.Lines {
		doc.Lines[i].Discount = doc.Lines[i].Discount.Round(2)
	}
	doc.Discount = doc.Discount.Round(2)
	doc.Adjustment = doc.Adjustment.Round(2)
	return doc
}

// Failure case 6: whatever the shop's total is beyond the sum, the CRM's total is the shop's.
func TestDocumentRests(t *testing.T) {
	for _, rest := range []string{"-0.02", "0.02", "-0.99", "-1.00", "-1.01", "0.99", "-0.01", "-37.12", "250"} {
		for name, d := range dialects() {
			t.Run(rest+" on "+name, func(t *testing.T) {
				o := sell("0", "5", "0", "0", detail(1, 1, "100", "20"), detail(2, 1, "10", "20"))
				o.TotalPaid = o.TotalPaid.Add(dec(rest))
				r := within(t, crmTaxes{}, o, d)
				if !r.Rest.Equal(dec(rest)) {
					t.Errorf("rest %s", r.Rest)
				}
				warned := slices.ContainsFunc(r.Warnings, func(w string) bool {
					return strings.Contains(w, "137.00") && strings.Contains(w, o.TotalPaid.StringFixed(2))
				})
				if want := dec(rest).Abs().GreaterThan(dec("0.10")); warned != want {
					t.Errorf("warned about both sums: %t, want %t: %q", warned, want, r.Warnings)
				}
				if got := PageTotal(r.Document, d); !got.Equal(o.TotalPaid) {
					t.Errorf("the page comes to %s", got)
				}
			})
		}
	}
}

func TestDocumentVouchers(t *testing.T) {
	goods := []psapi.OrderDetail{detail(1, 1, "100", "19.6"), detail(2, 3, "3.333333", "19.6")}
	mixed := []psapi.OrderDetail{detail(1, 1, "100", "19.6"), detail(2, 3, "3.333333", "5.5")}
	tests := []struct {
		name               string
		order              soldOrder
		discount, shipping string // as the page shows them
		paid               string
	}{
		{"an amount with tax comes off before the tax", sell("5", "0", "0", "0", goods...), "4.18", "0", "126.57"},
		{"under individual tax after it", sell("5", "0", "0", "0", mixed...), "5", "0", "125.16"},
		{"free shipping", sell("0", "0", "19.6", "0", goods...), "0", "0", "131.57"},
		{"more than the goods: the shipping pays", sell("135", "8.37", "19.6", "0", goods...), "110.01", "4.13", "4.94"},
		{"more than everything: free", sell("500", "8.37", "19.6", "0", goods...), "110.01", "0", "0"},
		{"free to the last rounding", sell("3", "0", "0", "0", detail(1, 1, "0.833333", "20"), detail(2, 1, "0.833333", "20"), detail(3, 1, "0.833333", "20")), "2.49", "0", "0"},
		{"all of it, several rates", sell("500", "8.37", "19.6", "2", mixed...), "132.16", "0", "0"},
	}
	for _, tt := range tests {
		for name, d := range dialects() {
			t.Run(tt.name+" on "+name, func(t *testing.T) {
				r := within(t, crmTaxes{}, tt.order, d)
				doc := inCents(r.Document)
				got := []string{doc.Discount.String(), doc.Shipping.String(), doc.Total.String()}
				if diff := cmp.Diff([]string{tt.discount, tt.shipping, tt.paid}, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// The vouchers' own list explains the total where total_discounts does not.
func TestDocumentVoucherList(t *testing.T) {
	o := sell("0", "0", "0", "0", detail(1, 1, "100", "20"))
	o.TotalPaid = dec("90")
	o.Discounts = []psapi.OrderDiscount{{Value: dec("20")}, {Value: dec("10")}}
	r := within(t, crmTaxes{}, o, formFields)
	if !r.Document.Discount.Equal(dec("25")) || !r.Rest.IsZero() {
		t.Errorf("discount %s, rest %s", r.Document.Discount, r.Rest)
	}
}

// Order 27 of the data set: one of two lines was cancelled; the shop's total_products is wrong, its lines are right.
func TestDocumentAfterACancelledLine(t *testing.T) {
	o := soldIn(t, 27)
	for name, d := range dialects() {
		t.Run(name, func(t *testing.T) {
			r := within(t, crmTaxes{}, o, d)
			if len(r.Document.Lines) != 1 || !lineNet(r.Document.Lines[0]).Round(2).Equal(dec("250.84")) {
				t.Errorf("lines %+v", r.Document.Lines)
			}
			if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "435.48") || !strings.Contains(r.Warnings[0], "250.84") {
				t.Errorf("warnings %q", r.Warnings)
			}
		})
	}
}

// Order 14 of the data set: every line was cancelled, the totals stayed.
func TestDocumentWithoutLines(t *testing.T) {
	o := soldIn(t, 14)
	for name, d := range dialects() {
		t.Run(name, func(t *testing.T) {
			r := within(t, crmTaxes{}, o, d)
			if len(r.Document.Lines) != 1 || r.Document.Lines[0].Product != "6xR" || len(r.Warnings) != 1 {
				t.Errorf("lines %+v, warnings %q", r.Document.Lines, r.Warnings)
			}
			in := crmTaxes{}.input(o, d)
			in.Remains = DocumentProduct{}
			_, err := BuildDocument(in)
			expectInvalid(t, err, "order_details", "no lines")

			in.Order.TotalWrapping = dec("3.5")
			wrapped, err := BuildDocument(in)
			if err != nil || len(wrapped.Document.Lines) != 1 || wrapped.Document.Lines[0].Product != "6xW" {
				t.Errorf("with wrapping only: %+v, %v", wrapped.Document.Lines, err)
			}
		})
	}
}

func expectInvalid(t *testing.T, err error, field, says string) {
	t.Helper()
	p, ok := problem.Of(err)
	if !ok || p.Kind != problem.Invalid || p.Field != field || !strings.Contains(p.Message, says) || p.Cure == "" {
		t.Errorf("error %+v, want an invalid %s that says %q with a cure", p, field, says)
	}
}

func TestDocumentRefusals(t *testing.T) {
	var long []psapi.OrderDetail
	for id := range int64(150) {
		long = append(long, detail(id+1, 1, "1.23", "19.6"))
	}
	_, err := BuildDocument(crmTaxes{}.input(sell("0", "0", "0", "0", long...), formFields))
	expectInvalid(t, err, "order_details", "150 lines")
	_, err = BuildDocument(crmTaxes{}.input(sell("0", "0", "0", "1", long[:100]...), formFields))
	expectInvalid(t, err, "order_details", "101 lines")
	if r := within(t, crmTaxes{}, sell("0", "0", "0", "0", long[:100]...), formFields); len(r.Document.Lines) != 100 {
		t.Errorf("%d lines of 100", len(r.Document.Lines))
	}
	long[0].TaxRate = dec("5.5")
	_, err = BuildDocument(crmTaxes{}.input(sell("0", "0", "0", "0", long[:89]...), formFields))
	expectInvalid(t, err, "order_details", "the 88 that")
	within(t, crmTaxes{}, sell("0", "0", "0", "0", long[:88]...), formFields)
	// LineItems travel in one field, which no server cuts.
	if r := within(t, crmTaxes{}, sell("0", "0", "0", "0", long...), lineItems); len(r.Document.Lines) != 150 {
		t.Errorf("%d lines of 150", len(r.Document.Lines))
	}

	in := crmTaxes{}.input(sell("0", "0", "0", "1", long[0]), formFields)
	in.Wrapping = DocumentProduct{}
	_, err = BuildDocument(in)
	expectInvalid(t, err, "order_details.product_id", "Gift wrapping")

	_, err = BuildDocument(crmTaxes{}.input(sell("0", "0", "0", "0", detail(1, 1, "1", "-100")), formFields))
	expectInvalid(t, err, "order_details.tax_rate", "-100")
}

// 1.00 at 5.5 %, 80 times: each line rounds by half a cent, more than three decimals hide. The stored parts come first.
func TestDocumentRoundingsThatAddUp(t *testing.T) {
	var details []psapi.OrderDetail
	for id := range int64(80) {
		details = append(details, detail(id+1, 1, "1", "5.5"))
	}
	details = append(details, detail(81, 1, "1", "19.6"))
	for _, d := range dialects() {
		within(t, crmTaxes{}, sell("0", "0", "0", "0", details...), d)
	}
}

// Two shop products of one code are one product of the CRM, which keeps one rate for it.
func TestDocumentOneProductTwoRates(t *testing.T) {
	a, b := detail(1, 1, "100", "19.6"), detail(2, 1, "10", "5.5")
	a.Reference, b.Reference = "BOOK", "BOOK"
	o := sell("0", "0", "0", "0", a, b)
	for name, d := range dialects() {
		t.Run(name, func(t *testing.T) {
			r := within(t, crmTaxes{}, o, d)
			if r.Document.TaxType != vtigerws.TaxGroup || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "5.5 %") {
				t.Errorf("%s, warnings %q", r.Document.TaxType, r.Warnings)
			}
			if net := r.Document.Lines[1]; !lineNet(net).Round(2).Equal(dec("8.82")) { // 10.55 with tax
				t.Errorf("second line %+v", net)
			}
		})
	}
}

// Lines of quantity 0 are what some cancellations leave; free lines have a price on 6.x, which reads "0" as unknown.
func TestDocumentZeroLines(t *testing.T) {
	free := detail(3, 4, "0", "20")
	o := sell("0", "0", "0", "0", detail(1, 1, "10", "20"), detail(2, 0, "10", "20"), free)
	for name, d := range dialects() {
		t.Run(name, func(t *testing.T) {
			r := within(t, crmTaxes{}, o, d)
			if len(r.Document.Lines) != 2 {
				t.Fatalf("%d lines, want 2", len(r.Document.Lines))
			}
			if net := lineNet(r.Document.Lines[1]).Round(2); !net.IsZero() {
				t.Errorf("the free line comes to %s", net)
			}
		})
	}
}

// A currency without decimals: whole amounts, whole total.
func TestDocumentCurrencyWithoutDecimals(t *testing.T) {
	o := sell("0", "500", "8", "0", detail(1, 3, "1110.185185", "8"), detail(2, 1, "462.962963", "8"))
	if !o.TotalPaid.Equal(dec("4597")) {
		t.Fatalf("paid %s", o.TotalPaid)
	}
	for _, d := range dialects() {
		within(t, crmTaxes{}, o, d)
	}
}

// shopOrder draws an order and computes its totals as the shop does.
func shopOrder(t *rapid.T) soldOrder {
	amount := func(label string, cents int64) decimal.Decimal {
		return decimal.New(rapid.Int64Range(0, cents).Draw(t, label), -2)
	}
	rate := func(label string) decimal.Decimal {
		return dec(rapid.SampledFrom([]string{"0", "2.1", "5.5", "7", "19", "19.6", "20", "27", "8.875"}).Draw(t, label))
	}
	maybe := func(label string) bool { return rapid.IntRange(0, 3).Draw(t, label) == 0 }

	o := soldOrder{TaxExcluded: rapid.Bool().Draw(t, "tax-excluded group")}
	o.ID = 1
	o.ConversionRate = dec(rapid.SampledFrom([]string{"1", "1.324717", "0.853641", "129.5"}).Draw(t, "conversion_rate"))
	common := rate("tax_rate")
	several := rapid.Bool().Draw(t, "several rates")
	for i := range rapid.IntRange(1, 12).Draw(t, "lines") {
		d := psapi.OrderDetail{
			ID: int64(i + 1), Product: int64(rapid.IntRange(1, 8).Draw(t, "product_id")), Name: "line",
			Quantity: rapid.Int64Range(1, 25).Draw(t, "product_quantity"),
			Price:    decimal.New(rapid.Int64Range(0, 2_000_000_000).Draw(t, "product_price"), -6),
			TaxRate:  common,
		}
		if several {
			d.TaxRate = rate("tax_rate")
		}
		switch rapid.IntRange(0, 3).Draw(t, "reduction") {
		case 1:
			d.ReductionPercent = decimal.New(rapid.Int64Range(1, 10000).Draw(t, "reduction_percent"), -2)
		case 2:
			d.ReductionAmount = amount("reduction_amount", 500)
		}
		if maybe("group") {
			d.GroupReduction = dec("2.5")
		}
		if maybe("eco") {
			d.Ecotax, d.EcotaxTaxRate = decimal.New(rapid.Int64Range(1, 2_000_000).Draw(t, "ecotax"), -6), rate("ecotax_tax_rate")
		}
		o.Details = append(o.Details, d)
	}
	if maybe("voucher") {
		o.TotalDiscounts = amount("total_discounts", 300000)
	}
	if maybe("wrapped") {
		o.TotalWrapping = amount("total_wrapping", 500)
	}
	o.TotalShipping, o.CarrierTaxRate = amount("total_shipping", 3000), rate("carrier_tax_rate")
	o.RoundMode = rapid.IntRange(0, 2).Draw(t, "PS_PRICE_ROUND_MODE")
	o.total()
	if maybe("recomputed") { // after a cancelled line total_paid comes from the catalogue of that day
		o.TotalPaid = decimal.Max(decimal.Zero, o.TotalPaid.Add(amount("more", 200)).Sub(amount("less", 200)))
	}
	return o
}

// However an order is made up, every CRM's total is the shop's.
func TestAnyOrderToTheCent(t *testing.T) {
	for name, d := range dialects() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				o := shopOrder(t)
				crm := crmTaxes{}
				for id := range 8 {
					if rapid.Bool().Draw(t, "assigned") {
						crm[fmt.Sprintf("6x%d", id+1)] = dec(rapid.SampledFrom([]string{"0", "5.5", "19.6"}).Draw(t, "assigned rate"))
					}
				}
				r, err := BuildDocument(crm.input(o, d))
				if err != nil {
					t.Fatal(err)
				}
				if wrong := faults(r, crm.write(r, d), o.TotalPaid, d); len(wrong) > 0 {
					t.Fatalf("total %s: %s", o.TotalPaid, strings.Join(wrong, "; "))
				}
				// Three decimals hide the roundings of a few lines for certain, eight those of any number.
				if d.LineItems || len(r.Document.Lines) <= 3 {
					if got := PageTotal(r.Document, d); !got.Equal(o.TotalPaid) {
						t.Fatalf("the page comes to %s, the shop's total is %s", got, o.TotalPaid)
					}
				}
			})
		})
	}
}
