package matrix

import (
	"fmt"
	"io"
	"log"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"cartiger/engine"
)

var quiet = log.New(io.Discard, "", 0)

// account is what a comparison of shop and CRM found.
type account struct {
	records    int
	duplicates []string
	lost       []string
	wrong      []string
}

func (a account) clean() bool { return len(a.duplicates)+len(a.lost)+len(a.wrong) == 0 }

func (a account) String() string {
	return fmt.Sprintf("%d records, %d duplicates %v, %d lost %v, %d wrong %v", a.records, len(a.duplicates), a.duplicates, len(a.lost), a.lost, len(a.wrong), a.wrong)
}

// count says how often something is there: it should be once.
func (a *account) count(what string, n, want int) {
	a.records++
	switch {
	case n > want:
		a.duplicates = append(a.duplicates, fmt.Sprintf("%s %d times", what, n))
	case n < want:
		a.lost = append(a.lost, what)
	}
}

func text(r map[string]any, field string) string {
	s, _ := r[field].(string)
	return s
}

// audit compares the shop with the CRM, knowing nothing of links or state files: each e-mail once per kind and at
// least once, each code once, each order once with all its lines, its Potential and its Invoice, to the cent.
func (w *world) audit() account {
	var a account
	people := map[string]map[string]int{}
	for module, field := range map[string]string{"Leads": "email", "Contacts": "email", "Accounts": "email1"} {
		people[module] = map[string]int{}
		for _, r := range w.crm.Records(module) {
			if email := engine.Fold(text(r, field)); email != "" {
				people[module][email]++
			}
		}
	}
	met := map[string]bool{}
	for _, c := range w.shop.Records("customers") {
		email := engine.Fold(engine.Email(c["email"]))
		if c["deleted"] == "1" || met[email] || email == "" {
			continue
		}
		met[email] = true
		for module, found := range people {
			if found[email] > 1 {
				a.duplicates = append(a.duplicates, fmt.Sprintf("%s in %s %d times", email, module, found[email]))
			}
		}
		a.count("customer "+email, min(people["Leads"][email]+people["Contacts"][email]+people["Accounts"][email], 1), 1)
	}
	codes := tally(w.crm.Records("Products"), "productcode")
	seen := map[string]bool{}
	for _, p := range w.shop.Records("products") {
		code := engine.Fold(engine.ProductCode(p["reference"], number(p["id"])))
		if !seen[code] {
			seen[code] = true
			a.count("product "+code, codes[code], 1)
		}
	}
	iso := tally(w.crm.Records("Currency"), "currency_code")
	for _, c := range w.shop.Records("currencies") {
		if c["active"] == "1" && c["deleted"] == "0" {
			a.count("currency "+c["iso_code"], iso[engine.Fold(c["iso_code"])], 1)
		}
	}
	w.auditOrders(&a)
	return a
}

func (w *world) auditOrders(a *account) {
	potentials := tally(w.crm.Records("Potentials"), "potentialname")
	details := map[string]int{}
	for _, d := range w.shop.Records("order_details") {
		if number(d["product_quantity"])-number(d["product_quantity_refunded"])-number(d["product_quantity_return"]) > 0 {
			details[d["id_order"]]++
		}
	}
	byKey := map[string]map[string][]map[string]any{"SalesOrder": {}, "Invoice": {}}
	for module, found := range byKey {
		for _, r := range w.crm.Records(module) {
			found[text(r, "customerno")] = append(found[text(r, "customerno")], r)
		}
	}
	for _, o := range w.shop.Records("orders") {
		id := number(o["id"])
		a.count(fmt.Sprintf("potential of order %d", id), potentials[engine.Fold("Commande boutique no"+o["id"])], 1)
		for module, want := range map[string]int{"SalesOrder": 1, "Invoice": min(int(number(o["invoice_number"])), 1)} {
			found := byKey[module][engine.OrderKey(id)]
			what := fmt.Sprintf("%s of order %d", module, id)
			a.count(what, len(found), want)
			for _, r := range found {
				w.auditMoney(a, what, r, o, details[o["id"]])
			}
		}
	}
}

func (w *world) auditMoney(a *account, what string, r map[string]any, o map[string]string, lines int) {
	paid, err := decimal.NewFromString(o["total_paid"])
	if err != nil {
		a.wrong = append(a.wrong, what+": the shop's total is "+o["total_paid"])
	}
	stored, err := decimal.NewFromString(text(r, "hdnGrandTotal"))
	if err != nil || !stored.Round(2).Equal(paid.Round(2)) {
		a.wrong = append(a.wrong, fmt.Sprintf("%s: total %s instead of %s", what, text(r, "hdnGrandTotal"), paid))
	}
	if computed := w.crm.Total(text(r, "id")).Round(2); !computed.Equal(paid.Round(2)) {
		a.wrong = append(a.wrong, fmt.Sprintf("%s: its lines make %s, not %s", what, computed, paid))
	}
	if got, _ := r["lines"].([]map[string]any); len(got) < lines {
		a.wrong = append(a.wrong, fmt.Sprintf("%s: %d lines of %d", what, len(got), lines))
	}
}

func tally(records []map[string]any, field string) map[string]int {
	n := map[string]int{}
	for _, r := range records {
		n[engine.Fold(text(r, field))]++
	}
	return n
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// natural is what a record of a module is known by.
var natural = map[string]string{
	"Currency": "currency_code", "Leads": "email", "Contacts": "email", "Accounts": "accountname", "Products": "productcode",
	"Potentials": "potentialname", "SalesOrder": "subject", "Invoice": "subject", "Prestashop": "ps_label",
}

// accidental are fields that say when or in which order something was written, not what.
var accidental = map[string]bool{
	"id": true, "createdtime": true, "modifiedtime": true, "modifiedby": true, "account_no": true, "contact_no": true, "lead_no": true,
	"product_no": true, "potential_no": true, "salesorder_no": true, "invoice_no": true,
}

// picture is the whole content of the CRM: by record, what stands in each field. Ids are replaced by what they mean. Two
// worlds in which the same has happened have the same picture, whatever was killed or spoilt on the way.
type picture map[string]map[string]string

func (w *world) picture() picture {
	names := map[string]string{}
	for _, module := range modules {
		for _, r := range w.crm.Records(module) {
			names[text(r, "id")] = module + " " + text(r, natural[module])
		}
	}
	today := time.Now().Format(time.DateOnly)
	yesterday := time.Now().AddDate(0, 0, -1).Format(time.DateOnly)
	all := picture{}
	var flatten func(into map[string]string, name string, v any)
	flatten = func(into map[string]string, name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, inner := range v {
				if !accidental[k] {
					flatten(into, strings.TrimPrefix(name+"."+k, "."), inner)
				}
			}
		case []map[string]any:
			for i := range v {
				flatten(into, fmt.Sprintf("%s[%d]", name, i), v[i])
			}
		default:
			value := fmt.Sprint(v)
			if known, ok := names[value]; ok {
				value = known
			}
			if value == today || value == yesterday {
				value = "today"
			}
			into[name] = value
		}
	}
	for _, module := range modules {
		for _, r := range w.crm.Records(module) {
			key := names[text(r, "id")]
			for all[key] != nil {
				key += " again"
			}
			all[key] = map[string]string{}
			flatten(all[key], "", r)
		}
	}
	return all
}

// same demands that the world looks like its undisturbed twin, and that shop and CRM agree.
func (w *world) same(t testing.TB, twin picture) account {
	t.Helper()
	a := w.audit()
	if !a.clean() {
		t.Errorf("shop and CRM disagree: %s", a)
	}
	if diff := cmp.Diff(twin, w.picture()); diff != "" {
		t.Errorf("differs from the undisturbed twin (-twin +this):\n%s", shorten(diff, 4000))
	}
	return a
}

func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "\n…"
}
