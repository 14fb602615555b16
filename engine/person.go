package engine

import (
	"fmt"
	"strings"

	"cartiger/psapi"
	"cartiger/store"
	"cartiger/vtigerws"
)

// CRM modules that a person may be in, in match order (rules.md 1).
const (
	Leads      = "Leads"
	Contacts   = "Contacts"
	Accounts   = "Accounts"
	Products   = "Products"
	Potentials = "Potentials"
	SalesOrder = "SalesOrder"
	Invoice    = "Invoice"
	CurrencyMo = "Currency"
)

// personModules is the order in which an e-mail is looked for, with the field that holds it.
var personModules = []struct{ Module, EmailField string }{
	{Contacts, "email"}, {Accounts, "email1"}, {Leads, "email"},
}

// PersonMatch is the CRM record that a person is, and what else carries the e-mail.
type PersonMatch struct {
	Module string // "" = nobody
	Record vtigerws.Record
	Linked bool     // found by the link, not by the e-mail alone
	Others []string // further records with the same e-mail, for the warning
}

// Found says whether the person is in the CRM.
func (m PersonMatch) Found() bool { return m.Module != "" }

// matchPerson picks among the CRM records with the person's e-mail: a linked one, then Contact, Account, Lead;
// of several of one kind the oldest wins and the others are named (rules.md 1).
func matchPerson(linked map[string]string, found map[string][]vtigerws.Record) PersonMatch {
	var match PersonMatch
	for _, m := range personModules {
		for _, r := range found[m.Module] {
			if linked[m.Module] == r.ID() && match.Module == "" {
				match.Module, match.Record, match.Linked = m.Module, r, true
			}
		}
	}
	for _, m := range personModules {
		for _, r := range found[m.Module] {
			switch {
			case match.Module == "":
				match.Module, match.Record = m.Module, r
			case match.Module == m.Module && r.ID() != match.Record.ID():
				match.Others = append(match.Others, m.Module+" "+r.ID())
			}
		}
	}
	return match
}

// personFields are the fields of one module that the shop owns of a person. Empty ones are left out: a CRM value is
// never blanked by an empty shop value (rules.md 9.5).
func personFields(module string, p Person) vtigerws.Record {
	c := p.Main()
	var a psapi.Address
	if p.Address != nil {
		a = *p.Address
	}
	street := strings.TrimSpace(a.Address1 + "\n" + a.Address2)
	var f vtigerws.Record
	switch module {
	case Leads:
		company := p.Company
		if company == "" {
			company = FullName(c.LastName, c.FirstName)
		}
		f = vtigerws.Record{
			"firstname": c.FirstName, "lastname": c.LastName, "company": company, "email": p.Email,
			"phone": a.Phone, "mobile": a.PhoneMobile, "lane": street, "city": a.City, "code": a.Postcode,
			"state": p.State, "country": p.Country,
		}
	case Contacts:
		f = vtigerws.Record{
			"firstname": c.FirstName, "lastname": c.LastName, "email": p.Email, "phone": a.Phone, "mobile": a.PhoneMobile,
			"birthday": c.Birthday, "mailingstreet": street, "mailingcity": a.City, "mailingzip": a.Postcode,
			"mailingstate": p.State, "mailingcountry": p.Country,
		}
	case Accounts:
		f = vtigerws.Record{
			"accountname": accountName(p), "email1": p.Email, "phone": firstOf(a.Phone, a.PhoneMobile),
			"bill_street": street, "bill_city": a.City, "bill_code": a.Postcode, "bill_state": p.State, "bill_country": p.Country,
			"ship_street": street, "ship_city": a.City, "ship_code": a.Postcode, "ship_state": p.State, "ship_country": p.Country,
		}
	}
	for name, v := range f {
		if v = strings.TrimSpace(v); v == "" {
			delete(f, name)
		} else {
			f[name] = v
		}
	}
	return f
}

// accountName is the name of the person's Account: the company, else "Lastname Firstname" (rules.md 3.2).
func accountName(p Person) string {
	c := p.Main()
	return firstOf(p.Company, FullName(c.LastName, c.FirstName), p.Email)
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" {
			return t
		}
	}
	return ""
}

// nobody holds a customer whose e-mail address cannot identify anybody.
func nobody(chain Chain, p Person) (Chain, bool) {
	switch {
	case Fold(p.Email) == "":
		return hold(chain, "e-mail", "the customer has no e-mail address, which is its identity: give it one in the shop"), true
	case len([]rune(p.Email)) > longestEmail:
		return hold(chain, "e-mail", fmt.Sprintf("the e-mail address is longer than the %d characters that the CRM keeps", longestEmail)), true
	}
	return chain, false
}

// planRegistered is what a new registration does: the matched record is updated, a stranger becomes a Lead (rules.md 2).
func planRegistered(p Person, m PersonMatch, d Drafter) Chain {
	chain, held := nobody(personChain(p), p)
	if held {
		return chain
	}
	if !m.Found() {
		return d.creates(chain, p, Leads)
	}
	chain.Warnings = severalWarning(p, m)
	changed := changedFields(m.Record, d.fit(m.Module, personFields(m.Module, p)))
	// The CRM's own name for a company or a person is a person's work: an Account's name decides whose orders share it.
	delete(changed, "accountname")
	if p.Company == "" && m.Record["company"] != FullName(m.Record["lastname"], m.Record["firstname"]) {
		delete(changed, "company") // ours is made of the name: the shop has no value for it
	}
	if len(changed) == 0 {
		return matched(chain, p, m)
	}
	w := PlannedWrite{
		Name:  strings.ToLower(m.Module),
		Write: vtigerws.Write{Op: vtigerws.OpUpdate, Module: m.Module, ID: m.Record.ID(), Fields: changed},
		Links: personLinks(p, m.Module),
	}
	chain.State, chain.Writes = store.Updated, []PlannedWrite{w}
	return chain
}

// planLogin is what a login does: only a stranger is written (rules.md 2).
func planLogin(p Person, m PersonMatch, d Drafter) Chain {
	chain, held := nobody(personChain(p), p)
	switch {
	case held:
		return chain
	case m.Found():
		return matched(chain, p, m)
	}
	return d.creates(chain, p, Leads)
}

// planExported is what the export of customers does with a person: present ones stay as they are; others become a
// Lead, or with an order a Contact, and an Account besides when there is a company (rules.md 7).
// account is the company's Account where it is known, an id or a reference.
func planExported(p Person, m PersonMatch, account string, d Drafter) Chain {
	chain, held := nobody(personChain(p), p)
	switch {
	case held:
		return chain
	case m.Found():
		return matched(chain, p, m)
	case !p.Ordered:
		return d.creates(chain, p, Leads)
	}
	chain = d.creates(chain, p, Contacts)
	if account != "" && len(chain.Writes) > 0 {
		w := &chain.Writes[len(chain.Writes)-1]
		w.Write.Fields["account_id"] = account
		chain.Links = append(chain.Links, linkAll(p, Accounts, account)...)
	}
	return chain
}

// planCompany makes the Account of a company that several customers may share.
func planCompany(p Person, d Drafter) Chain {
	chain := personChain(p)
	chain.Quiet = true
	chain = d.creates(chain, p, Accounts)
	for i := range chain.Writes {
		// A company is found by its name: its first customer's e-mail need not be the company's.
		chain.Writes[i].Lookup = Lookup{Module: Accounts, Field: "accountname", Value: chain.Writes[i].Write.Fields["accountname"]}
	}
	return chain
}

func personChain(p Person) Chain {
	c := p.Main()
	chain := Chain{Entity: store.Customer, ShopID: c.ID, Label: p.Email}
	for _, other := range p.Customers {
		if other.ID != c.ID {
			chain.Followers = append(chain.Followers, other.ID)
		}
	}
	return chain
}

func matched(chain Chain, p Person, m PersonMatch) Chain {
	chain.State = store.Unchanged
	chain.Detail = "already in the CRM by the e-mail address"
	chain.Links = linkAll(p, m.Module, m.Record.ID())
	chain.Warnings = severalWarning(p, m)
	return chain
}

func severalWarning(p Person, m PersonMatch) []string {
	if len(m.Others) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s is in the CRM several times: %s %s is used, %s carry it too", p.Email, m.Module, m.Record.ID(), strings.Join(m.Others, ", "))}
}

// personLinks are the links that one write makes for every customer of the person; the id comes with the answer.
func personLinks(p Person, module string) []store.Link { return linkAll(p, module, "") }

func linkAll(p Person, module, id string) []store.Link {
	links := make([]store.Link, len(p.Customers))
	for i, c := range p.Customers {
		links[i] = store.Link{Entity: store.Customer, ShopID: c.ID, Module: module, CRMID: id, Key: p.Email}
	}
	return links
}

// changedFields keeps the values that differ from what the CRM holds.
func changedFields(have, want vtigerws.Record) vtigerws.Record {
	changed := vtigerws.Record{}
	for name, v := range want {
		if strings.TrimSpace(have[name]) != v {
			changed[name] = v
		}
	}
	return changed
}
