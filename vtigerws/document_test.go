package vtigerws

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"cartiger/problem"
)

func dec(text string) decimal.Decimal { return decimal.RequireFromString(text) }

var (
	v510 = decide("5.1.0", nil)
	v521 = decide("5.2.1", nil)
	v540 = decide("5.4.0", nil)
	v530 = decide("5.3.0", nil)
	v600 = decide("6.0.0", []string{"LineItem"})
	v640 = decide("6.4.0", []string{"LineItem"})
)

// The recorded order of 5.2.1 (capture 089), its percentage discount written as an amount.
var order = Document{
	Lines: []Line{
		{Product: "6x18", Quantity: dec("2"), ListPrice: dec("9.25"), Discount: dec("1.85"), Description: "Shirt, L", Comment: "Size: L"},
		{Product: "6x19", Quantity: dec("1"), ListPrice: dec("15"), Discount: dec("1"), Description: "Hat"},
	},
	TaxType: TaxGroup, GroupTaxes: map[string]decimal.Decimal{"tax1": dec("19.6")},
	Discount: dec("2"), Shipping: dec("6.9"), ShippingTaxes: map[string]decimal.Decimal{"shtax1": dec("19.6")},
	Adjustment: dec("0.01"), SubTotal: dec("30.65"), Total: dec("42.53"),
}

func composed(t *testing.T, w Write, d Dialect) call {
	t.Helper()
	q, err := compose(w, Facts{UserID: "19x1", Dialect: d})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func params(q call) map[string]string {
	all := map[string]string{}
	for _, p := range q.params {
		all[p.name] = p.value
	}
	return all
}

func element(t *testing.T, q call) map[string]any {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal([]byte(params(q)["element"]), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestLinesTravelAsTheFormFieldsThatWereRecorded(t *testing.T) {
	q := composed(t, Write{Op: OpCreate, Module: "SalesOrder", Fields: Record{"subject": "PS-1000"}, Document: &order}, v521)
	got, want := params(q), recorded(t, "521", "089").params
	delete(got, "elementType")
	delete(got, "element")
	for _, name := range []string{"operation", "sessionName", "elementType", "element"} {
		delete(want, name)
	}
	// Amounts instead of a percentage, and decimals without needless zeros; the rest to the letter.
	delete(want, "discount_percentage1")
	want["discount_type1"], want["discount_amount1"], want["discount_amount2"] = "amount", "1.85", "1"
	want["discount_amount_final"], want["shipping_handling_charge"] = "2", "6.9"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// What a limit of PHP cuts off stands at the end: never the element or the totals.
	var names []string
	for _, p := range q.params {
		names = append(names, p.name)
	}
	if want := []string{"elementType", "element", "totalProductCount", "subtotal", "total"}; !slices.Equal(names[:5], want) {
		t.Errorf("first %v, want %v", names[:5], want)
	}
	if first := slices.Index(names, "hdnProductId1"); first < slices.Index(names, "adjustment") {
		t.Error("a line stands before the totals")
	}
}

func TestIndividualTaxesTravelPerLine(t *testing.T) {
	d := order
	d.TaxType, d.GroupTaxes = TaxIndividual, nil
	d.Lines = slices.Clone(order.Lines)
	d.Lines[0].Taxes = map[string]decimal.Decimal{"tax1": dec("19.6")}
	d.Lines[1].Taxes = map[string]decimal.Decimal{"tax2": dec("5.5")}
	got := params(composed(t, Write{Op: OpCreate, Module: "Invoice", Document: &d}, v540))
	for name, want := range map[string]string{
		"taxtype": "individual", "tax1_percentage1": "19.6", "tax2_percentage1": "0", "tax3_percentage1": "0",
		"tax1_percentage2": "0", "tax2_percentage2": "5.5", "tax3_percentage2": "0",
	} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
	if _, sent := got["tax1_group_percentage"]; sent {
		t.Error("a group rate in an order of individual rates")
	}
}

func TestANegativeAdjustmentTravelsAsSignAndAmount(t *testing.T) {
	d := order
	d.Adjustment, d.Discount = dec("-0.02"), decimal.Zero
	got := params(composed(t, Write{Op: OpCreate, Module: "SalesOrder", Document: &d}, v521))
	if got["adjustmentType"] != "-" || got["adjustment"] != "0.02" {
		t.Errorf("%q %q", got["adjustmentType"], got["adjustment"])
	}
}

func TestNoDiscountIsSentToo(t *testing.T) {
	d := order
	d.Discount = decimal.Zero
	got := params(composed(t, Write{Op: OpUpdate, Module: "SalesOrder", ID: "15x7", Document: &d}, v521))
	if got["discount_type_final"] != "amount" || got["discount_amount_final"] != "0" {
		t.Errorf("%q %q: the discount of the lines before would stay", got["discount_type_final"], got["discount_amount_final"])
	}
}

// Any other form of zero makes 6.4 take the last line's discount off once more.
func TestNoDiscountIsAPlainZeroOnSix(t *testing.T) {
	d := order
	d.Discount = dec("0.00")
	for _, w := range []Write{{Op: OpCreate, Module: "SalesOrder", Document: &d}, {Op: OpUpdate, Module: "Invoice", ID: "7x3", Document: &d}} {
		if got := element(t, composed(t, w, v640))["hdnDiscountAmount"]; got != "0" {
			t.Errorf("%s: %q", w.Op, got)
		}
	}
}

func TestLinesTravelInsideTheElementOnSix(t *testing.T) {
	d := order
	d.Lines = append(slices.Clone(order.Lines), Line{Product: "14x30", Quantity: dec("1"), ListPrice: decimal.Zero})
	q := composed(t, Write{Op: OpCreate, Module: "SalesOrder", Fields: Record{"subject": "PS-1000"}, Document: &d}, v640)
	if names := slices.Sorted(maps.Keys(params(q))); !slices.Equal(names, []string{"element", "elementType"}) {
		t.Errorf("form fields %v", names)
	}
	want := map[string]any{
		"subject": "PS-1000", "productid": "6x18", "hdnTaxType": "group", "hdnDiscountAmount": "2", "hdnS_H_Amount": "6.9",
		"txtAdjustment": "0.01", "shtax1_sh_percent": "19.6", "shtax2_sh_percent": "0", "shtax3_sh_percent": "0",
		"LineItems": []any{
			map[string]any{
				"sequence_no": "1", "productid": "6x18", "quantity": "2", "listprice": "9.25", "discount_amount": "1.85", "comment": "Size: L",
				"description": "Shirt, L", "tax1": "19.6", "tax2": "0", "tax3": "0",
			},
			map[string]any{
				"sequence_no": "2", "productid": "6x19", "quantity": "1", "listprice": "15", "discount_amount": "1", "comment": "", "description": "Hat",
				"tax1": "19.6", "tax2": "0", "tax3": "0",
			},
			map[string]any{
				// A price of "0" would be replaced by the product's own.
				"sequence_no": "3", "productid": "14x30", "quantity": "1", "listprice": "0.00", "comment": "", "description": "",
				"tax1": "19.6", "tax2": "0", "tax3": "0",
			},
		},
	}
	if diff := cmp.Diff(want, element(t, q)); diff != "" {
		t.Error(diff)
	}
}

// Each of these would be taken, and the total or the stock be wrong without a word.
func TestWritesThatWouldDoHarmAreRefused(t *testing.T) {
	small, negative, empty, loose, unknown := order, order, order, order, order
	small.Adjustment = dec("-0.02")
	negative.Discount = dec("-1")
	empty.Lines = nil
	loose.Lines = []Line{{Product: "18", Quantity: dec("1")}}
	unknown.GroupTaxes = map[string]decimal.Decimal{"vat": dec("20")}
	untyped := order
	untyped.TaxType = ""
	cases := []struct {
		name string
		w    Write
		d    Dialect
		kind problem.Kind
	}{
		{"6.x: an adjustment between -1 and 0", Write{Op: OpCreate, Module: "SalesOrder", Document: &small}, v640, problem.Internal},
		{"6.x: a negative discount", Write{Op: OpCreate, Module: "SalesOrder", Document: &negative}, v640, problem.Internal},
		{"6.x: no lines", Write{Op: OpCreate, Module: "SalesOrder", Document: &empty}, v640, problem.Invalid},
		{"a line without product", Write{Op: OpCreate, Module: "SalesOrder", Document: &loose}, v521, problem.Invalid},
		{"an unknown tax", Write{Op: OpCreate, Module: "SalesOrder", Document: &unknown}, v521, problem.Internal},
		{"an unknown tax", Write{Op: OpCreate, Module: "SalesOrder", Document: &unknown}, v640, problem.Internal},
		{"no tax type", Write{Op: OpCreate, Module: "SalesOrder", Document: &untyped}, v521, problem.Internal},
		{"an Invoice without its lines", Write{Op: OpUpdate, Module: "Invoice", ID: "16x3", Fields: Record{"invoicestatus": "Paid"}}, v521, problem.Internal},
		{"an Invoice without its lines", Write{Op: OpUpdate, Module: "Invoice", ID: "7x3", Fields: Record{"invoicestatus": "Paid"}}, v640, problem.Internal},
		{"6.0: a SalesOrder without its lines", Write{Op: OpUpdate, Module: "SalesOrder", ID: "6x3", Fields: Record{"sostatus": "Approved"}}, v600, problem.Internal},
		{"a new order without lines", Write{Op: OpCreate, Module: "SalesOrder"}, v521, problem.Internal},
		{"lines of a Lead", Write{Op: OpCreate, Module: "Leads", Document: &order}, v521, problem.Internal},
		{"a currency's end", Write{Op: OpDelete, Module: "Currency", ID: "21x2"}, v521, problem.Internal},
		{"convertlead where it cannot work", Write{Op: OpConvert, Module: "Leads", ID: "10x2", AccountName: "A"}, v540, problem.Internal},
		{"convertlead without a name", Write{Op: OpConvert, Module: "Leads", ID: "2x2"}, v521, problem.Invalid},
		{"a malformed owner", Write{Op: OpCreate, Module: "Leads", Fields: Record{"assigned_user_id": "1"}}, v540, problem.Invalid},
		{"a malformed id", Write{Op: OpUpdate, Module: "Leads", ID: "12"}, v521, problem.Invalid},
		{"no module", Write{Op: OpCreate}, v521, problem.Internal},
		{"an unknown operation", Write{Op: "merge", Module: "Leads", ID: "2x1"}, v521, problem.Internal},
		{"an unknown product tax", Write{Op: OpCreate, Module: "Products", ProductTaxes: map[string]decimal.Decimal{"vat": dec("20")}}, v521, problem.Internal},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			_, err := compose(k.w, Facts{UserID: "19x1", Dialect: k.d})
			trouble(t, err, k.kind)
		})
	}
}

func TestAnAdjustmentOfMinusOneOrLessIsFineOnSix(t *testing.T) {
	for _, adjustment := range []string{"-1", "-1.01", "0", "0.02"} {
		d := order
		d.Adjustment = dec(adjustment)
		q := composed(t, Write{Op: OpCreate, Module: "SalesOrder", Document: &d}, v640)
		if got := element(t, q)["txtAdjustment"]; got != adjustment {
			t.Errorf("%s became %v", adjustment, got)
		}
	}
}

func TestMoreLinesThanPHPTakesAreRefusedNotCut(t *testing.T) {
	many := func(n int, taxType TaxType) Document {
		d := order
		d.TaxType = taxType
		d.Lines = nil
		for i := range n {
			d.Lines = append(d.Lines, Line{Product: "6x" + strconv.Itoa(i+1), Quantity: dec("1"), ListPrice: dec("1"), Discount: dec("0.1")})
		}
		return d
	}
	cases := []struct {
		n       int
		taxType TaxType
		d       Dialect
		fits    bool
	}{
		{100, TaxGroup, v521, true},
		{101, TaxGroup, v521, false},
		{80, TaxIndividual, v521, true},
		{100, TaxIndividual, v521, false}, // ten fields a line
		{150, TaxIndividual, v640, true},  // one field carries them all
	}
	for _, k := range cases {
		d := many(k.n, k.taxType)
		q, err := compose(Write{Op: OpCreate, Module: "SalesOrder", Document: &d}, Facts{Dialect: k.d})
		if (err == nil) != k.fits {
			t.Errorf("%d lines, %s: %v", k.n, k.taxType, err)
		}
		if err != nil {
			if p := trouble(t, err, problem.Invalid); !strings.Contains(p.Message, "max_input_vars") || p.Cure == "" {
				t.Errorf("%v does not name the rule", p)
			}
		} else if len(q.params)+2 > maxVariables {
			t.Errorf("%d lines make %d variables", k.n, len(q.params)+2)
		}
	}
}

func TestAnUpdateKeepsWhatItDoesNotName(t *testing.T) {
	taxes := map[string]decimal.Decimal{"tax1": dec("19.6")}
	cases := []struct {
		name string
		w    Write
		d    Dialect
		op   string
		form map[string]string // beside element
	}{
		{"a SalesOrder keeps its lines", Write{Module: "SalesOrder", ID: "15x3"}, v530, "revise", map[string]string{"ajxaction": "DETAILVIEW"}},
		{"on 5.2 its text too", Write{Module: "SalesOrder", ID: "15x3"}, v521, "revise", map[string]string{"ajxaction": "DETAILVIEW", "submode": "1"}},
		{"on 6.x too", Write{Module: "SalesOrder", ID: "6x3"}, v640, "revise", map[string]string{"ajxaction": "DETAILVIEW"}},
		{"on 5.1.0 too", Write{Module: "SalesOrder", ID: "15x3"}, v510, "update", map[string]string{"ajxaction": "DETAILVIEW"}},
		{"a product keeps its taxes", Write{Module: "Products", ID: "6x3"}, v521, "revise", map[string]string{"ajxaction": "DETAILVIEW", "submode": "1"}},
		{"unless they are given", Write{Module: "Products", ID: "6x3", ProductTaxes: taxes}, v640, "revise", map[string]string{"tax1_check": "on", "tax1": "19.6"}},
		{"a Contact of 5.2 keeps its text", Write{Module: "Contacts", ID: "4x3"}, v521, "revise", map[string]string{"submode": "1"}},
		{"elsewhere it does anyway", Write{Module: "Contacts", ID: "4x3"}, v530, "revise", map[string]string{}},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			k.w.Op, k.w.Fields = OpUpdate, Record{"description": "x"}
			q := composed(t, k.w, k.d)
			got := params(q)
			if diff := cmp.Diff(map[string]any{"id": k.w.ID, "description": "x"}, element(t, q)); diff != "" {
				t.Error(diff)
			}
			delete(got, "element")
			if diff := cmp.Diff(k.form, got); diff != "" || q.op != k.op {
				t.Errorf("%s %s", q.op, diff)
			}
		})
	}
	// New lines replace the stored ones: keeping those at the same time would double them.
	for _, d := range []Dialect{v510, v521, v640} {
		q := composed(t, Write{Op: OpUpdate, Module: "SalesOrder", ID: "15x3", Document: &order}, d)
		if _, kept := params(q)["ajxaction"]; kept {
			t.Error("kept and sent at once")
		}
	}
}

func TestTheRecordedProductWithATax(t *testing.T) {
	q := composed(t, Write{
		Op: OpCreate, Module: "Products", Fields: Record{"productname": "Priced in EUR"},
		ProductTaxes: map[string]decimal.Decimal{"tax1": dec("19.6")},
	}, v521)
	got, want := params(q), recorded(t, "521", "236").params
	for _, name := range []string{"elementType", "tax1_check", "tax1"} {
		if got[name] != want[name] {
			t.Errorf("%s = %q, want %q", name, got[name], want[name])
		}
	}
}

func TestValuesAreCleanedOnTheirWay(t *testing.T) {
	d := order
	d.Lines = []Line{{Product: "6x1", Quantity: dec("1"), Description: "a\x00b", Comment: "c😀d"}}
	q := composed(t, Write{Op: OpCreate, Module: "SalesOrder", Fields: Record{"subject": "x\x00\xff😀<&>\\"}, Document: &d}, v521)
	if got := element(t, q)["subject"]; got != "x\ufffd<&>\\" {
		t.Errorf("subject %q", got)
	}
	if p := params(q); p["productDescription1"] != "ab" || p["comment1"] != "cd" {
		t.Errorf("%q %q", p["productDescription1"], p["comment1"])
	}
	if text := params(q)["element"]; !strings.Contains(text, "<&>") {
		t.Errorf("needless escapes: %s", text)
	}
}

func TestAConversionIsSentAsRecorded(t *testing.T) {
	q := composed(t, Write{Op: OpConvert, Module: "Leads", ID: "2x105", AccountName: "ConvCo"}, v521)
	want := recorded(t, "521", "209").params
	delete(want, "operation")
	delete(want, "sessionName")
	want["avoidPotential"] = "1"
	if diff := cmp.Diff(want, params(q)); diff != "" {
		t.Error(diff)
	}
	raw, _, err := weigh(q, recorded(t, "521", "209").answer, "")
	if err != nil {
		t.Fatal(err)
	}
	made, err := readWritten(Write{Op: OpConvert}, q, raw)
	if err != nil || made["contactId"] != "4x107" || made["accountId"] != "3x106" {
		t.Errorf("%v, %v", made, err)
	}
}

func ExampleFit() {
	d := Dialect{ProductNameLen: 50}
	name, cut := Fit("Products", "productcode", strings.Repeat("é", 41), d)
	fmt.Println(len([]rune(name)), cut)
	name, cut = Fit("Leads", "lastname", "Roe", d)
	fmt.Println(name, cut)
	// Output:
	// 40 true
	// Roe false
}
