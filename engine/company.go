package engine

import (
	"context"
	"fmt"

	"cartiger/store"
	"cartiger/vtigerws"
)

// companies knows the Accounts of companies by name: one that exists is shared, one that is missing is made once.
type companies struct {
	w      *work
	known  map[string]string // folded name → id
	shared string            // id of the Account for orders without one
	denied string            // why there is none, "" = nobody has needed it
}

// forget makes the next use look again: people delete, merge and rename Accounts.
func (c *companies) forget() { c.known, c.shared, c.denied = map[string]string{}, "", "" }

// ensure finds or makes the Accounts that the new Contacts of a group hang on.
func (c *companies) ensure(ctx context.Context, group []Person, matches []PersonMatch, carry carrier) (map[string]string, error) {
	if err := c.resume(ctx, group, matches); err != nil {
		return nil, err
	}
	var names []string
	first := map[string]Person{}
	for i, p := range group {
		key := Fold(p.Company)
		if matches[i].Found() || !p.Ordered || key == "" || c.known[key] != "" {
			continue
		}
		if _, seen := first[key]; !seen {
			first[key] = p
			names = append(names, p.Company)
		}
	}
	if len(names) == 0 {
		return c.known, nil
	}
	return c.known, c.make(ctx, names, first, carry)
}

// resume takes up people whose company's Account an export has made before it was cut off, or the CRM refused their
// Contact: that Account carries their e-mail address, but it is not yet all that they are to become.
func (c *companies) resume(ctx context.Context, group []Person, matches []PersonMatch) error {
	for i, p := range group {
		m := matches[i]
		if !p.Ordered || !m.Linked || m.Module != Accounts || Fold(m.Record["accountname"]) != Fold(p.Company) {
			continue
		}
		outcome, settled, err := c.w.store.Outcome(ctx, store.Customer, p.Main().ID)
		if err != nil {
			return err
		}
		if !settled || outcome.State == store.Held || outcome.State == store.Failed {
			c.known[Fold(p.Company)] = m.Record.ID()
			matches[i] = PersonMatch{}
		}
	}
	return nil
}

// make looks the names up and creates the Accounts of the companies among them that are missing.
func (c *companies) make(ctx context.Context, names []string, companies map[string]Person, carry carrier) error {
	records, err := c.w.crm.Find(ctx, Accounts, "accountname", names, "accountname")
	if err != nil {
		return err
	}
	for _, r := range records {
		if key := Fold(r["accountname"]); c.known[key] == "" {
			c.known[key] = r.ID()
		}
	}
	var chains []Chain
	var missing []string
	for _, name := range names {
		key := Fold(name)
		if p, isCompany := companies[key]; isCompany && c.known[key] == "" {
			chains = append(chains, planCompany(p, c.w.draft))
			missing = append(missing, key)
		}
	}
	made, err := carry(ctx, chains)
	if err != nil {
		return err
	}
	for i, key := range missing {
		if id := made[i].ids["accounts"]; id != "" {
			c.known[key] = id
		}
	}
	return nil
}

// makeShared finds or creates the one Account for orders without another (rules.md 3.2). Where the CRM refuses it, denied
// says why: the orders that need it wait.
func (c *companies) makeShared(ctx context.Context, carry carrier) error {
	if c.shared != "" || c.denied != "" {
		return nil
	}
	name := c.w.settings.Get(SharedAccount)
	records, err := c.w.crm.Find(ctx, Accounts, "accountname", []string{name}, "accountname")
	if err != nil {
		return err
	}
	if len(records) > 0 {
		c.shared = records[0].ID()
		return nil
	}
	chain := Chain{Entity: store.Customer, ShopID: sharedAccountID, Label: name, Quiet: true}
	chain = c.w.draft.create(chain, "accounts", Accounts, vtigerws.Record{"accountname": name},
		Lookup{Module: Accounts, Field: "accountname", Value: name}, []store.Link{{Entity: store.Customer, ShopID: sharedAccountID, Module: Accounts, Key: name}})
	made, err := carry(ctx, []Chain{chain})
	if err != nil {
		return err
	}
	if c.shared = made[0].ids["accounts"]; c.shared == "" {
		c.denied = fmt.Sprintf("the shared Account %s could not be created: %s. Or create it in the CRM by hand, or switch Create Account on", name, made[0].why)
	}
	return nil
}

// sharedAccountID stands for no customer in particular.
const sharedAccountID = -1
