package engine

import (
	"strconv"
	"strings"

	"cartiger/psapi"
	"cartiger/vtigerws"
)

// Source is the value of leadsource and of nothing else: it says where a record came from (rules.md 2).
const Source = "Prestashop"

// Email is the identity of a customer: trimmed and without case. Accents count (rules.md 1).
func Email(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// Fold compares e-mails, codes and names: without case and outer blanks, but with accents, which the CRM ignores.
func Fold(text string) string { return vtigerws.Key(text) }

// ProductCode is the identity of a product: its reference, or #presta_<id> when it has none (rules.md 1).
// It is fitted to the CRM's field: a longer or unprintable one would not be found again.
func ProductCode(reference string, id int64) string {
	code, _ := vtigerws.Fit(Products, "productcode", reference, vtigerws.Dialect{})
	if code = strings.TrimSpace(code); code != "" {
		return code
	}
	return "#presta_" + strconv.FormatInt(id, 10)
}

// OrderKey is the shop's own key of an order, kept in a searchable field of the CRM: a lost answer or
// a lost state file is looked up by it (rules.md 1).
func OrderKey(id int64) string { return "presta-" + strconv.FormatInt(id, 10) }

// longestEmail is what the CRM keeps of an e-mail address (wire/vtiger.md 5). A longer one would be cut without a word
// and two people could become one.
const longestEmail = 100

// Person is everybody in the shop with one e-mail address: guest checkouts and re-registrations together.
type Person struct {
	Email     string
	Customers []psapi.Customer // by id; never empty
	Address   *psapi.Address   // the one that speaks for the person
	Company   string
	Country   string // name of the address's country
	State     string
	Ordered   bool
	Buyers    []int64 // which of the customers have ordered, where all were asked about
}

// Main is the customer that speaks for the person: a registered one before a guest, an active one before an
// inactive one, then the latest.
func (p Person) Main() psapi.Customer {
	best := p.Customers[0]
	for _, c := range p.Customers[1:] {
		if rank(c) >= rank(best) {
			best = c
		}
	}
	return best
}

func rank(c psapi.Customer) int {
	r := 0
	if !c.Guest {
		r += 2
	}
	if c.Active {
		r++
	}
	return r
}

// companyName is the first company that is named, as the CRM keeps it; "" = none.
func companyName(names ...string) string {
	name, _ := vtigerws.Fit(Accounts, "accountname", firstOf(names...), vtigerws.Dialect{})
	return strings.TrimSpace(name)
}

// FullName is "Lastname Firstname", the name of an Account without a company (rules.md 2).
func FullName(last, first string) string {
	return strings.TrimSpace(strings.TrimSpace(last) + " " + strings.TrimSpace(first))
}

// ids lists the shop ids of the person's customers.
func (p Person) ids() []int64 {
	out := make([]int64, len(p.Customers))
	for i, c := range p.Customers {
		out[i] = c.ID
	}
	return out
}
