package engine

import (
	"context"
	"slices"

	"cartiger/store"
	"cartiger/vtigerws"
)

// PartyTerms is what the CRM and the settings say about the person behind an order.
type PartyTerms struct {
	Match         PersonMatch
	CreateAccount bool
	Account       string // id of the company's Account, or of the shared one with Create Account off; "" = none yet
	NameTaken     bool   // some Account has the name that a conversion would take, or is about to get it
	Recycle       bool   // a Lead that cannot be converted goes to the recycle bin
}

// planParty makes the person behind an order a Contact with an Account (rules.md 3.1, 3.2). Its last write, or the
// match, is the Contact.
func planParty(p Person, t PartyTerms, d Drafter) Chain {
	chain, held := nobody(personChain(p), p)
	if held {
		return chain
	}
	chain.Warnings = severalWarning(p, t.Match)
	m := t.Match
	switch m.Module {
	case Contacts:
		return planContact(chain, p, t, d)
	case Accounts:
		return d.contact(chain, p, nil, m.Record.ID())
	case Leads:
		if d.Dialect.ConvertLead && t.CreateAccount && (p.Company != "" || !t.NameTaken) {
			return convert(chain, p, m, d)
		}
	}
	account := t.Account
	if account == "" && t.CreateAccount {
		chain = d.creates(chain, p, Accounts)
		account = Ref("accounts")
	}
	if chain.State == store.Held {
		return chain
	}
	chain = d.contact(chain, p, m.Record, account)
	if m.Module == Leads && t.Recycle && chain.State != store.Held {
		chain.Writes = append(chain.Writes, PlannedWrite{Name: "lead", Write: vtigerws.Write{Op: vtigerws.OpDelete, Module: Leads, ID: m.Record.ID()}})
	}
	return chain
}

// planContact leaves a known Contact alone, but gives it an Account where it has none and should.
func planContact(chain Chain, p Person, t PartyTerms, d Drafter) Chain {
	id, account := t.Match.Record.ID(), t.Match.Record["account_id"]
	if account != "" || !t.CreateAccount {
		chain = matched(chain, p, t.Match)
		if account != "" {
			chain.Links = append(chain.Links, linkAll(p, Accounts, account)...)
		}
		return chain
	}
	account = t.Account
	if account == "" {
		chain = d.creates(chain, p, Accounts)
		account = Ref("accounts")
	}
	if chain.State == store.Held {
		return chain
	}
	chain.State = store.Updated
	if t.Account != "" {
		chain.Links = linkAll(p, Accounts, t.Account)
	}
	chain.Writes = append(chain.Writes, PlannedWrite{
		Name:  "contacts",
		Write: vtigerws.Write{Op: vtigerws.OpUpdate, Module: Contacts, ID: id, Fields: vtigerws.Record{"account_id": account}},
		Links: personLinks(p, Contacts),
	})
	return chain
}

// contact plans a Contact with the shop's values, and a Lead's where the shop has none.
func (d Drafter) contact(chain Chain, p Person, lead vtigerws.Record, account string) Chain {
	chain = d.creates(chain, p, Contacts)
	if chain.State == store.Held {
		return chain
	}
	fields := chain.Writes[len(chain.Writes)-1].Write.Fields
	for from, to := range leadToContact {
		if v := lead[from]; v != "" && fields[to] == "" {
			fields[to] = v
		}
	}
	if account != "" {
		fields["account_id"] = account
		chain.Links = append(chain.Links, linkAll(p, Accounts, account)...)
	}
	return chain
}

// leadToContact is where a Lead's values go, as vtiger's own conversion does it.
var leadToContact = map[string]string{
	"phone": "phone", "mobile": "mobile", "lane": "mailingstreet", "city": "mailingcity", "state": "mailingstate",
	"code": "mailingzip", "country": "mailingcountry", "fax": "fax", "designation": "title", "description": "description",
	"salutationtype": "salutationtype",
}

// convert uses the CRM's own conversion, which makes Contact and Account and hides the Lead.
func convert(chain Chain, p Person, m PersonMatch, d Drafter) Chain {
	chain.State = store.Updated
	links := append(personLinks(p, Contacts), personLinks(p, Accounts)...)
	chain.Writes = append(chain.Writes, PlannedWrite{
		Name:   "contacts",
		Write:  vtigerws.Write{Op: vtigerws.OpConvert, Module: Leads, ID: m.Record.ID(), AccountName: accountName(p), Fields: vtigerws.Record{"assigned_user_id": d.Owner}},
		Links:  links,
		Lookup: Lookup{Module: Contacts, Field: "email", Value: firstOf(m.Record["email"], p.Email)},
	})
	return chain
}

// parties finds or makes the Contact and Account of each person. A person who cannot be written has no entry; why
// stands in held.
func (w *work) parties(ctx context.Context, people []Person, carry carrier) (out map[string]party, held map[string]string, err error) {
	out, held = map[string]party{}, map[string]string{}
	for group := range chunks(people, batch) {
		err := w.partyGroup(ctx, group, carry, out, held)
		if denied(err) {
			for _, p := range group {
				held[Fold(p.Email)] = reason(err)
			}
			continue
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return out, held, nil
}

func (w *work) partyGroup(ctx context.Context, people []Person, carry carrier, out map[string]party, held map[string]string) error {
	matches, err := w.matchPeople(ctx, people)
	if err != nil {
		return err
	}
	create := w.settings.On(CreateAccount)
	accounts, err := w.accounts(ctx, people, matches, carry)
	if err != nil {
		return err
	}
	namesakes := map[string]int{}
	for _, p := range people {
		namesakes[Fold(accountName(p))]++
	}
	chains := make([]Chain, len(people))
	for i, p := range people {
		t := PartyTerms{Match: matches[i], CreateAccount: create, Recycle: w.settings.Get(PromotedLead) == "recycle"}
		switch {
		case !create:
			t.Account = accounts.shared
		case p.Company != "":
			t.Account = accounts.byName[Fold(p.Company)]
		default:
			t.Account = accounts.own[Fold(p.Email)]
			name := Fold(accountName(p))
			t.NameTaken = accounts.byName[name] != "" || namesakes[name] > 1
		}
		chains[i] = planParty(p, t, w.draft)
	}
	made, err := carry(ctx, chains)
	if err != nil {
		return err
	}
	for i, p := range people {
		key := Fold(p.Email)
		if made[i].state == store.Held || made[i].state == store.Failed {
			held[key] = firstOf(made[i].why, "its customer "+p.Email+" could not be written: see `cartiger records show customer`")
			continue
		}
		who := party{contact: made[i].ids["contacts"], account: firstOf(made[i].ids["accounts"], made[i].ids["contacts.account_id"])}
		if matches[i].Module == Contacts {
			who.contact = matches[i].Record.ID()
			who.account = firstOf(who.account, matches[i].Record["account_id"])
		}
		if matches[i].Module == Accounts {
			who.account = matches[i].Record.ID()
		}
		if create {
			who.account = firstOf(who.account, accounts.byName[Fold(p.Company)])
		}
		who.account = firstOf(who.account, accounts.shared)
		if who.account == "" && w.companies.denied != "" {
			held[key] = w.companies.denied
			continue
		}
		out[key] = who
	}
	return nil
}

// accountBook is what the CRM has of Accounts by name.
type accountBook struct {
	byName map[string]string
	shared string // the one for everybody without an Account of their own
	// own are the Accounts, by e-mail, of people whose Contact hangs on none: an interrupted attempt made it and died
	// before the Contact was told.
	own map[string]string
}

// accounts looks up the Accounts that new parties may hang on, and makes those that several may share before their
// Contacts are planned: companies, and the shared one where it is needed.
func (w *work) accounts(ctx context.Context, people []Person, matches []PersonMatch, carry carrier) (accountBook, error) {
	book := accountBook{byName: w.companies.known, shared: w.companies.shared, own: map[string]string{}}
	create := w.settings.On(CreateAccount)
	var names, loose []string
	asked, first := map[string]bool{}, map[string]Person{}
	needShared := false
	for i, p := range people {
		if _, bad := nobody(Chain{}, p); bad {
			continue
		}
		hasAccount := matches[i].Module == Accounts || matches[i].Module == Contacts && matches[i].Record["account_id"] != ""
		switch {
		case hasAccount:
			continue
		case !create:
			needShared = true
			continue
		case p.Company == "" && matches[i].Module == Contacts:
			loose = append(loose, p.Email)
			continue
		case p.Company == "" && !(matches[i].Module == Leads && w.draft.Dialect.ConvertLead):
			continue // a private customer's Account is its own, whatever others are called
		}
		name := accountName(p)
		key := Fold(name)
		if w.companies.known[key] == "" && !asked[key] {
			asked[key] = true
			names = append(names, name)
		}
		if _, seen := first[key]; p.Company != "" && !seen {
			first[key] = p
		}
	}
	if needShared {
		if err := w.companies.makeShared(ctx, carry); err != nil {
			return book, err
		}
		book.shared = w.companies.shared
	}
	if len(loose) > 0 {
		records, err := w.crm.Find(ctx, Accounts, "email1", loose, "email1")
		if err != nil {
			return book, err
		}
		for _, r := range slices.Backward(records) { // the oldest wins
			book.own[Fold(r["email1"])] = r.ID()
		}
	}
	if len(names) > 0 {
		if err := w.companies.make(ctx, names, first, carry); err != nil {
			return book, err
		}
	}
	return book, nil
}
