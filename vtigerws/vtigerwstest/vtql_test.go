package vtigerwstest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cartiger/vtigerws/vtigerwstest"
)

func (c *client) refusal(q string) string {
	c.t.Helper()
	a := c.call(http.MethodGet, url.Values{"operation": {"query"}, "query": {q}})
	if a.Success {
		return fmt.Sprint("answered ", string(a.Result))
	}
	return a.Error.Code
}

func names(rows []record) []string {
	list := []string{}
	for _, r := range rows {
		list = append(list, r["accountname"].(string))
	}
	return list
}

func TestQueriesFindWhatMySQLFinds(t *testing.T) {
	c := start(t, vtigerwstest.Options{})
	for i, name := range []string{"Éléonore", "eleonore", "Łódź", "Strasse", "Pad", "O'Brien", `a\b`, "100% sure", "1000 sure"} {
		c.crm.Insert("Accounts", map[string]string{"accountname": name, "employees": fmt.Sprint(i)})
	}
	cases := []struct {
		where string
		want  []string
	}{
		{"accountname='ELEONORE'", []string{"Éléonore", "eleonore"}},
		{"accountname='łodz'", []string{"Łódź"}},
		{"accountname='lodz'", []string{}},
		{"accountname='straße'", []string{}}, // ß is one letter, like a single S
		{"accountname='Pad   '", []string{"Pad"}},
		{"accountname='O''Brien'", []string{"O'Brien"}},
		{`accountname='a\\b'`, []string{`a\b`}},
		{"accountname like 'elé%'", []string{"Éléonore", "eleonore"}},
		{`accountname like '100\%%'`, []string{"100% sure"}},
		{"accountname like '_ad'", []string{"Pad"}},
		{"employees>=7", []string{"100% sure", "1000 sure"}},
		{"employees in (0,'2')", []string{"Éléonore", "Łódź"}},
		{"accountname='Pad' or accountname='Strasse' and employees=99", []string{"Pad"}},
		{"accountname in ('pad','nobody','STRASSE') and employees<4", []string{"Strasse"}},
		{"id > '3x2' and id < '3x4'", []string{"eleonore"}},
		{"employees!=0 and accountname like '%eonore'", []string{"eleonore"}},
	}
	for _, k := range cases {
		got := names(c.query("select accountname from Accounts where " + k.where + ";"))
		if diff := cmp.Diff(k.want, got); diff != "" {
			t.Errorf("%s:\n%s", k.where, diff)
		}
	}
}

func TestTheDialectOf510IsPoor(t *testing.T) {
	queries := map[string]string{
		"select id from Accounts where accountname!='a';":                          "INTERNAL_SERVER_ERROR",
		"select id from Accounts where id>='3x1';":                                 "QUERY_SYNTAX_ERROR",
		"select id from Accounts where email1 in ('a','b') and accountname='c';":   "QUERY_SYNTAX_ERROR",
		"select id from Accounts where accountname='c' and email1 in ('a','b');":   "answered []",
		"select * from Currency;":                                                  "OPERATION_NOT_SUPPORTED",
		"select * from Groups;":                                                    "OPERATION_NOT_SUPPORTED",
		"select id from Accounts where id > '3x1' order by id limit 100;":          "answered []",
		"select id from Accounts where accountname='c' order by nothing limit 10;": "DATABASE_QUERY_ERROR",
	}
	c := start(t, vtigerwstest.Options{Version: "5.1.0"})
	for q, want := range queries {
		if got := c.refusal(q); got != want {
			t.Errorf("%s: %s, want %s", q, got, want)
		}
	}
}

func TestAHundredRowsAtMost(t *testing.T) {
	c := start(t, vtigerwstest.Options{})
	for range 150 {
		c.crm.Insert("Accounts", map[string]string{"accountname": "a"})
	}
	for limit, want := range map[string]int{"": 100, "limit 500": 100, "limit 100,500": 50, "limit 0,120": 100, "limit 3": 3, "limit 0": 0} {
		if got := len(c.query("select id from Accounts " + limit + ";")); got != want {
			t.Errorf("%q: %d rows, want %d", limit, got, want)
		}
	}
	last := "3x0"
	pages := 0
	for seen := 0; seen < 150; pages++ {
		page := c.query("select id from Accounts where id > '" + last + "' order by id limit 100;")
		if len(page) == 0 {
			t.Fatalf("paging stops at %s after %d rows", last, seen)
		}
		seen += len(page)
		last = page[len(page)-1]["id"].(string)
	}
	if pages != 2 {
		t.Errorf("%d pages", pages)
	}
	if count := c.query("select count(*) from Accounts where id > '3x2';"); count[0]["count"] != "149" {
		t.Errorf("count %v", count)
	}
}

var doubled = strings.NewReplacer(`'`, `''`, `\`, `\\`)

// Whatever a value holds: with quotes and backslashes doubled it finds itself and never breaks out of its quotes.
func TestAnyValueFindsItself(t *testing.T) {
	c := start(t, vtigerwstest.Options{})
	c.create("Contacts", record{"lastname": "bystander", "assigned_user_id": "19x1"})
	rapid.Check(t, func(r *rapid.T) {
		value := rapid.StringMatching(`[a-zé'\\;() %_"ß=,]{1,20}`).Draw(r, "value")
		made := c.create("Contacts", record{"lastname": value, "firstname": "x", "assigned_user_id": "19x1"})
		if strings.Contains(value, `"`) && made["lastname"] != value && !strings.Contains(value, "script") {
			r.Fatalf("stored %q as %q", value, made["lastname"])
		}
		found := false
		for _, hit := range c.query("select lastname from Contacts where lastname='" + doubled.Replace(value) + "' and id >= '" + made["id"].(string) + "';") {
			found = found || hit["id"] == made["id"]
			if hit["lastname"] == "bystander" {
				r.Fatalf("%q finds the bystander", value)
			}
		}
		if !found {
			r.Fatalf("%q does not find itself", value)
		}
	})
}
