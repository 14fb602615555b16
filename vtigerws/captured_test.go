package vtigerws

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cartiger/problem"
)

// What recorded servers said must be understood as what it meant.
func TestRecordedRefusalsAreUnderstood(t *testing.T) {
	write, read := true, false
	cases := []struct {
		version, capture string
		write            bool
		kind             problem.Kind
		code, field      string
	}{
		{"521", "005", read, problem.Unauthorised, "INVALID_USER_CREDENTIALS", ""},
		{"521", "010", read, problem.Unauthorised, "INVALID_AUTH_TOKEN", ""},
		{"521", "013", write, problem.Unknown, codeHTTP, ""},
		{"521", "014", read, problem.Unavailable, codeHTTP, ""},
		{"521", "016", write, problem.Unauthorised, "INVALID_SESSIONID", ""},
		{"521", "041", read, problem.Unauthorised, "ACCESS_DENIED", ""},
		{"521", "055", write, problem.Invalid, "MANDATORY_FIELDS_MISSING", "company"},
		{"510", "055", write, problem.Invalid, "MANDATORY_FIELDS_MISSING", "company"},
		{"640", "061", write, problem.Unknown, "INVALID_ID_ATTRIBUTE", "assigned_user_id"},
		{"540", "061", write, problem.Unknown, "INVALID_ID_ATTRIBUTE", "assigned_user_id"},
		{"521", "061", write, problem.Invalid, "ACCESS_DENIED", "assigned_user_id"},
		{"510", "063", write, problem.Invalid, "ACCESS_DENIED", "assigned_user_id"},
		{"540", "062", write, problem.Unknown, codeNotJSON, ""},
		{"521", "069", write, problem.Unknown, codeHTML, ""},
		{"640", "077", write, problem.Invalid, "REFERENCE_INVALID", ""},
		{"521", "138", read, problem.Invalid, "INVALID_ID_ATTRIBUTE", ""},
		{"521", "158", read, problem.Unavailable, "INTERNAL_SERVER_ERROR", ""},
		{"521", "160", read, problem.Unauthorised, "ACCESS_DENIED", "nosuch"},
		{"510", "160", read, problem.Unauthorised, "ACCESS_DENIED", "nosuch"},
		{"540", "160", read, problem.Unauthorised, "ACCESS_DENIED", "nosuch"},
		{"521", "170", read, problem.Internal, "QUERY_SYNTAX_ERROR", ""},
		{"510", "171", read, problem.Unavailable, "DATABASE_QUERY_ERROR", ""},
		{"521", "202", write, problem.Unauthorised, "ACCESS_DENIED", ""},
		{"521", "213", write, problem.Conflict, "LEAD_ALREADY_CONVERTED", ""},
		{"521", "219", write, problem.Unauthorised, "ACCESS_DENIED", ""},
		{"510", "197", write, problem.Unknown, codeHTTP, ""},
	}
	for _, k := range cases {
		t.Run(k.version+"/"+k.capture, func(t *testing.T) {
			c := recorded(t, k.version, k.capture)
			q := call{op: c.params["operation"], module: c.params["elementType"], write: k.write}
			_, _, err := weigh(q, c.answer, "http://127.0.0.1/webservice.php")
			p := trouble(t, err, k.kind)
			if p.Code != k.code || p.Field != k.field {
				t.Errorf("code %q field %q, want %q %q (%v)", p.Code, p.Field, k.code, k.field, p)
			}
			if p.Where != "vtiger" || p.Message == "" {
				t.Errorf("incomplete: %+v", p)
			}
		})
	}
}

// Every recorded answer behind PHP warnings is read, and the warning is told.
func TestRecordedNoiseIsCutOff(t *testing.T) {
	for _, name := range []string{"226", "227", "228", "229", "230"} {
		c := recorded(t, "521", name)
		raw, noise, err := weigh(call{op: c.params["operation"]}, c.answer, "")
		if err != nil || !json.Valid(raw) {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.HasPrefix(noise, "Warning: ") || strings.ContainsAny(noise, "<>\n") {
			t.Errorf("%s: noise %q", name, noise)
		}
	}
}

// A module is read the same whatever the version: rights, prefix, mandatory fields.
func TestRecordedModulesAreRead(t *testing.T) {
	cases := []struct {
		version, capture, module, prefix, mandatory string
	}{
		{"510", "030", "Leads", "2", "company lastname assigned_user_id"},
		{"521", "030", "Leads", "2", "lastname company assigned_user_id"},
		{"640", "030", "Leads", "10", "lastname assigned_user_id"},
		{"521", "034", "Products", "6", "productname"},
		{"521", "035", "SalesOrder", "15", "subject sostatus account_id assigned_user_id bill_street ship_street invoicestatus"},
		{"540", "035", "SalesOrder", "6", "subject sostatus account_id assigned_user_id bill_street ship_street invoicestatus"},
		{"640", "035", "SalesOrder", "6", "subject sostatus account_id assigned_user_id bill_street ship_street invoicestatus productid"},
		{"510", "038", "Currency", "21", "defaultid deleted"},
	}
	for _, k := range cases {
		raw, _, err := weigh(call{op: "describe"}, recorded(t, k.version, k.capture).answer, "")
		if err != nil {
			t.Fatal(err)
		}
		m, ok := readModule(raw)
		if !ok || m.Name != k.module || m.IDPrefix != k.prefix || !m.Createable || !m.Updateable || !m.Deleteable || !m.Retrieveable {
			t.Errorf("%s %s: %v %+v", k.version, k.module, ok, m)
		}
		var mandatory []string
		for _, f := range m.Fields {
			if f.Mandatory {
				mandatory = append(mandatory, f.Name)
			}
		}
		if diff := cmp.Diff(k.mandatory, strings.Join(mandatory, " ")); diff != "" {
			t.Errorf("%s %s:\n%s", k.version, k.module, diff)
		}
	}
	raw, _, err := weigh(call{op: "describe"}, recorded(t, "521", "218").answer, "")
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := readModule(raw); !ok || m.Updateable || m.Deleteable {
		t.Errorf("restricted Leads: %v %+v", ok, m)
	}
	raw, _, _ = weigh(call{op: "describe"}, recorded(t, "640", "035").answer, "")
	m, _ := readModule(raw)
	status, _ := m.Field("sostatus")
	if diff := cmp.Diff([]string{"Created", "Approved", "Delivered", "Cancelled"}, status.Values); diff != "" {
		t.Error(diff)
	}
	account, _ := m.Field("account_id")
	if diff := cmp.Diff([]string{"Accounts"}, account.RefersTo); diff != "" {
		t.Error(diff)
	}
}

// 6.x prints the totals of a new order as JSON numbers; they are not rounded on the way.
func TestNumbersAndLinesOfARecordedOrderSurvive(t *testing.T) {
	raw, _, err := weigh(call{op: "create"}, recorded(t, "640", "089").answer, "")
	if err != nil {
		t.Fatal(err)
	}
	order, err := readRecord(call{op: "create"}, raw)
	if err != nil {
		t.Fatal(err)
	}
	if order["hdnGrandTotal"] != "43.038399999999996" || order.ID() != "6x28" || order["potential_id"] != "" {
		t.Errorf("order: %v", order)
	}
	var lines []Record
	if err := json.Unmarshal([]byte(order["LineItems"]), &lines); err != nil || len(lines) != 2 || lines[1]["listprice"] != "15.00000000" {
		t.Errorf("lines: %v, %v", lines, err)
	}
}

func TestTheDialectOfEachVersion(t *testing.T) {
	stock := []string{"Leads", "Accounts"}
	later := append([]string{"LineItem", "Tax", "ProductTaxes"}, stock...)
	base := Dialect{Revise: true, CurrencyQuery: true, GroupOwner: true, ApprovesOrders: true, ProductNameLen: 50}
	with := func(change func(*Dialect)) Dialect { d := base; change(&d); return d }
	six := with(func(d *Dialect) {
		d.LineItems, d.RefusesBlank, d.PotentialToAcc, d.ProductNameLen = true, true, true, 100
		d.ApprovesOrders = false
	})
	sixNought := six
	sixNought.TaxesShipping, sixNought.WholeUpdates = true, true
	cases := []struct {
		version string
		modules []string
		want    Dialect
	}{
		{"5.1.0", stock, Dialect{InLast: true, StockCrash: true, ApprovesOrders: true, ProductNameLen: 50}},
		{"5.2.0", stock, with(func(d *Dialect) { d.ConvertLead, d.EncodesText = true, true })},
		{"5.2.1", stock, with(func(d *Dialect) { d.ConvertLead, d.EncodesText = true, true })},
		{"5.3.0", stock, base},
		{"5.4.0", stock, with(func(d *Dialect) { d.UserCurrency, d.RefusesBlank = true, true })},
		{"6.0.0", later, sixNought},
		{"6.1.0", later, six},
		{"6.4.0", later, six},
		{"7.5.0", later, six},
		{"6.4.0", append([]string{AddOn}, later...), func() Dialect { d := six; d.Batch = true; return d }()},
		{"?", later, sixNought}, // the more careful of the two
		{"?", stock, with(func(d *Dialect) { d.UserCurrency, d.RefusesBlank = true, true })},
	}
	for _, k := range cases {
		if diff := cmp.Diff(k.want, decide(k.version, k.modules)); diff != "" {
			t.Errorf("%s:\n%s", k.version, diff)
		}
	}
}
