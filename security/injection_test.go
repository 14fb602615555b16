package security_test

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws"
)

// injections end a VTQL or SQL string, open a list, or match more than themselves where they are taken for code.
var injections = []string{
	`x' or id > '2x0`, `x') or (id > '2x0`, `' or '1'='1`, `'; select * from Users; --`, `\`, `\'`, `\\'`, `'`, `''`, `"`, `%`, `_`, `%%`, `a%`,
	`x' union select 1`, `and`, `in ('a')`, `order by id`, `limit 1`, `;`, `--`, `/*`, `@lead`, `{"a":1}`, `<b>`, `&amp;`, `$x`, `+`, "100", "0x41",
}

// What customers type is looked for in the CRM by e-mail, product code, company and order. Whatever it holds, it finds
// itself and nothing else: a second connector that knows nothing makes no second record and takes nobody's.
// That any value finds exactly itself in one query is shown by vtigerws (TestAnyStoredValueFindsExactlyItself, FuzzVTQL).
func TestWhatPeopleTypeNeverBecomesPartOfAQuery(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"5.1.0", "5.2.1", "6.4.0"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(r *rapid.T) { lookUp(t, r, version) })
		})
	}
}

// typed draws texts that differ also for a CRM that ignores case and blanks at the ends.
func typed(r *rapid.T, label string) []string {
	piece := rapid.OneOf(rapid.SampledFrom(injections), rapid.StringMatching(`[a-z'\\;(),"%_ -]{1,12}`))
	return rapid.SliceOfNDistinct(
		rapid.Map(rapid.SliceOfN(piece, 1, 2), func(parts []string) string { return strings.Join(strings.Fields(strings.Join(parts, "")), " ") }).
			Filter(func(s string) bool { return s != "" && len(s) < 40 }),
		10, 14, func(s string) string { return vtigerws.Key(s) },
	).Draw(r, label)
}

func lookUp(t *testing.T, r *rapid.T, version string) {
	shop, crm := newShop(t), newCRM(t, version)
	p := connected(t, serve(t, shop), serve(t, crm))
	p.must(done, "connect", "--no-input")
	p.must(done, "watch", "--once")
	act := func(a psapitest.Action) psapitest.Acted {
		acted, err := shop.Act(a)
		if err != nil {
			r.Fatalf("%+v: %v", a, err)
		}
		return acted
	}
	emails, codes, companies := typed(r, "e-mails"), typed(r, "codes"), typed(r, "companies")
	for i, email := range emails {
		email += "@x.test"
		// Somebody else in the CRM, whom a wrong query would find.
		crm.Insert("Leads", map[string]string{"lastname": "Decoy", "company": "Decoy", "email": fmt.Sprintf("decoy%d@x.test", i)})
		act(psapitest.Action{Do: "register", Email: email, FirstName: "Ann", LastName: "Roe"})
	}
	for _, code := range codes {
		act(psapitest.Action{Do: "product", Reference: code, Name: "Thing"})
	}
	for i, company := range companies[:4] {
		act(psapitest.Action{
			Do: "order", Guest: true, Email: fmt.Sprintf("guest%d@x.test", i), FirstName: "Bob", LastName: "Poe", Company: company,
			Address: &psapitest.Address{Company: company, Address1: "1 Street", City: "Town"}, Template: 31,
		})
	}
	p.must(done, "watch", "--once")

	amount := map[string]int{}
	for _, module := range []string{"Leads", "Contacts", "Accounts", "Products", "SalesOrder", "Potentials", "Invoice"} {
		amount[module] = len(crm.Records(module))
	}
	if amount["Leads"] != 2*len(emails) || amount["Contacts"] != 4 || amount["Accounts"] != 4 || amount["SalesOrder"] != 4 || amount["Products"] < len(codes) {
		r.Fatalf("%d customers, %d products, 4 orders became %v", len(emails), len(codes), amount)
	}
	first := linked(t, p.state)
	for _, lead := range crm.Records("Leads") {
		if email := fmt.Sprint(lead["email"]); strings.HasPrefix(email, "decoy") && lead["lastname"] != "Decoy" {
			r.Fatalf("somebody else was changed: %v", lead)
		}
	}

	// Another connector with an empty state file looks everything up.
	p.env = append(p.env, "CARTIGER_STATE="+filepath.Join(p.dir, "second", "state.db"))
	p.must(done, "connect", "--no-input")
	p.must(done, "watch", "--once", "--catch-up-from", time.Now().Add(-time.Hour).Format(time.RFC3339))
	second := linked(t, filepath.Join(p.dir, "second", "state.db"))
	for module, n := range amount {
		if now := len(crm.Records(module)); now != n {
			r.Fatalf("%s: %d records became %d", module, n, now)
		}
	}
	found := 0
	for what, id := range second {
		if before, known := first[what]; known && before != id {
			r.Fatalf("%s is %s, then %s", what, before, id)
		}
		found++
	}
	if found < len(emails)+len(codes) {
		r.Fatalf("only %d of %d records were looked up", found, len(first))
	}
}

// linked is what a state file says about which record is which.
func linked(t *testing.T, path string) map[string]string {
	t.Helper()
	s := must[*store.Store](t)(store.Open(t.Context(), path))
	defer func() { check(t, s.Close()) }()
	links := map[string]string{}
	for _, entity := range []store.Entity{store.Customer, store.Product, store.Order} {
		for _, module := range []string{"Accounts", "Contacts", "Leads", "Potentials", "Products", "SalesOrder"} {
			for _, l := range must[[]store.Link](t)(s.EachLink(t.Context(), entity, module, math.MinInt64, 0)) {
				links[fmt.Sprintf("%s %d %s", entity, l.ShopID, l.Module)] = l.CRMID
			}
		}
	}
	return links
}
