package vtigerwstest_test

import (
	"strings"
	"testing"
	"time"

	"cartiger/vtigerws/vtigerwstest"
)

func TestValuesAreStoredAsMySQLStoresThem(t *testing.T) {
	type kase struct{ module, field, sent, stored string }
	long := strings.Repeat("é", 300)
	everywhere := []kase{
		{"Leads", "lastname", long, long[:160]},
		{"Leads", "firstname", long, long[:80]},
		{"Leads", "city", long, long[:60]},
		{"Leads", "lane", long, long[:500]},
		{"Leads", "description", long, long},
		{"Leads", "lastname", "smile 😀", "smile ????"},
		{"Leads", "lastname", "  blanks  ", "  blanks  "},
		{"Leads", "lastname", `<script>x</script>"`, "&lt;script&gt;x&lt;/script&gt;&quot;"},
		{"Leads", "lastname", "<b>&amp;", "<b>&amp;"},
		{"Contacts", "mailingcity", long, long[:80]},
		{"Contacts", "emailoptout", "true", "0"},
		{"Contacts", "emailoptout", "on", "1"},
		{"Products", "productcode", long, long[:80]},
		{"Products", "qtyinstock", "1e2", "100.000"},
		{"Products", "reorderlevel", "-1000000", "-1000000"},
	}
	byVersion := map[string][]kase{
		"5.1.0": {{"Contacts", "birthday", "29/02/1980", "0000-00-00"}, {"Products", "productname", long, long[:100]}},
		"5.2.1": {
			{"Contacts", "birthday", "29/02/1980", "0000-00-00"},
			{"Contacts", "birthday", "1980-02-29", "1980-02-29"},
			{"Products", "productname", long, long[:100]},
			{"Products", "unit_price", "12,5", "12.00"},
			{"Products", "unit_price", "1,234.56", "1.00"},
			{"Products", "unit_price", "-5", "-5.00"},
			{"Products", "unit_price", "abc", "0.00"},
		},
		"5.4.0": {
			{"Contacts", "birthday", "29/02/1980", ""},
			{"Products", "unit_price", "12,5", "125.00"},
			{"Products", "unit_price", "1,234.56", "1234.56"},
			{"Products", "unit_price", "-5", "0.00"},
		},
		"6.4.0": {{"Contacts", "birthday", "29/02/1980", ""}, {"Products", "productname", long, long[:200]}, {"Products", "unit_price", "12.345", "12.34500000"}},
	}
	needed := map[string]record{
		"Leads": {"lastname": "x", "company": "y"}, "Contacts": {"lastname": "x"}, "Products": {"productname": "x"},
	}
	for version, cases := range byVersion {
		t.Run(version, func(t *testing.T) {
			c := start(t, vtigerwstest.Options{Version: version})
			for _, k := range append(cases, everywhere...) {
				e := record{"assigned_user_id": "19x1"}
				for name, v := range needed[k.module] {
					e[name] = v
				}
				e[k.field] = k.sent
				if got := c.create(k.module, e)[k.field]; got != k.stored {
					t.Errorf("%s.%s %.20q: stored %.40q, want %.40q", k.module, k.field, k.sent, got, k.stored)
				}
			}
		})
	}
}

func TestAnUpdateWipesWhatItDoesNotName(t *testing.T) {
	for _, version := range vtigerwstest.Versions() {
		t.Run(version, func(t *testing.T) {
			c := start(t, vtigerwstest.Options{Version: version})
			account := c.crm.Insert("Accounts", map[string]string{"accountname": "Acme"})
			made := c.create("Contacts", record{"lastname": "Doe", "phone": "1", "account_id": account, "assigned_user_id": "19x1"})
			var after record
			c.read(c.write("update", "", record{"id": made["id"], "lastname": "Doe2", "assigned_user_id": "19x1"}, nil), &after)
			if after["phone"] != "" || after["account_id"] != "" || after["contact_no"] != made["contact_no"] || after["createdtime"] != made["createdtime"] {
				t.Errorf("after the update: %v", after)
			}
			if version == "5.1.0" {
				return
			}
			c.read(c.write("revise", "", record{"id": made["id"], "phone": "2"}, nil), &after)
			if after["phone"] != "2" || after["lastname"] != "Doe2" {
				t.Errorf("after the revise: %v", after)
			}
		})
	}
}

func TestTimesAreTheServers(t *testing.T) {
	for version, want := range map[string]string{"5.2.1": "2026-07-01 13:00:00", "5.4.0": "2026-07-01 12:00:00"} {
		c := start(t, vtigerwstest.Options{Version: version, Now: summer})
		made := c.create("Contacts", record{"lastname": "Doe", "createdtime": "2001-01-01 00:00:00", "assigned_user_id": "19x1"})
		if made["createdtime"] != want || made["modifiedtime"] != want {
			t.Errorf("%s: created %v, want %s", version, made["createdtime"], want)
		}
	}
}

func TestCurrencies(t *testing.T) {
	usd := record{"currency_name": "USA, Dollars", "currency_code": "USD", "currency_symbol": "$", "conversion_rate": "1.123456789", "currency_status": "Active", "defaultid": "0", "deleted": "0"}
	for _, version := range vtigerwstest.Versions() {
		t.Run(version, func(t *testing.T) {
			c := start(t, vtigerwstest.Options{Version: version})
			base := c.crm.Records("Currency")
			if len(base) != 1 || base[0]["currency_code"] != "EUR" || base[0]["defaultid"] != "-11" || base[0]["id"] != "21x1" {
				t.Fatalf("base currency: %v", base)
			}
			c.create("Currency", usd)
			twin := c.create("Currency", usd)
			rate := "1.123"
			if strings.HasPrefix(version, "6.") {
				rate = "1.12346"
			}
			if twin["id"] != "21x3" || twin["conversion_rate"] != rate {
				t.Errorf("a second dollar: %v", twin)
			}
			var after record
			c.read(c.write("update", "", record{"id": "21x3", "conversion_rate": "2", "defaultid": "0", "deleted": "0"}, nil), &after)
			if kept := after["currency_code"] == "USD"; kept != (version == "5.1.0") {
				t.Errorf("an update leaves %v", after)
			}
			if a := c.write("create", "Currency", record{"currency_code": "CHF"}, nil); a.Success != (version == "5.1.0") {
				t.Errorf("without defaultid and deleted: %+v", a)
			}
		})
	}
}

// summer is an instant at which London is an hour ahead of UTC.
func summer() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC) }
