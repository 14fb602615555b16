package engine

import (
	"fmt"
	"sort"
	"strings"

	"cartiger/problem"
	"cartiger/store"
	"cartiger/vtigerws"
)

// Drafter turns values of the shop into writes that the CRM accepts: the CRM's lengths, its mandatory fields with
// their defaults, its owner rule. It is pure; what it knows of the CRM was asked before.
type Drafter struct {
	Dialect  vtigerws.Dialect
	Modules  map[string]vtigerws.Module // describe by module
	Defaults map[string]string          // "SalesOrder.bill_street" → value
	Owner    string                     // id of the owner of new records
}

// None is the default that text fields have at first (rules.md 6).
const None = "--None--"

// fit cuts the values to what the CRM stores, so that what we compare later is what it has.
func (d Drafter) fit(module string, fields vtigerws.Record) vtigerws.Record {
	out := make(vtigerws.Record, len(fields))
	for name, v := range fields {
		out[name], _ = vtigerws.Fit(module, name, v, d.Dialect)
	}
	return out
}

// complete adds the owner and the defaults of mandatory fields that are empty, and names the ones nothing fills.
func (d Drafter) complete(module string, fields vtigerws.Record) (missing []string) {
	described, known := d.Modules[module]
	if !known {
		return nil
	}
	for _, f := range described.Fields {
		if f.Name == "assigned_user_id" {
			// Products up to 5.3 refer to Users, which a plain user may not see: the CRM fills that one itself (wire/vtiger.md 2).
			if f.Type == "owner" && fields[f.Name] == "" {
				fields[f.Name] = d.Owner
			}
			continue
		}
		if !f.Mandatory || fields[f.Name] != "" {
			continue
		}
		if v := d.Default(module, f); v != "" {
			fields[f.Name] = v
		} else {
			missing = append(missing, f.Name)
		}
	}
	sort.Strings(missing)
	return missing
}

// Default is the value that fills an empty mandatory field: what a person set, else --None-- for text, else nothing.
func (d Drafter) Default(module string, f vtigerws.Field) string {
	if v, set := d.Defaults[module+"."+f.Name]; set {
		return v
	}
	if fieldKind(f.Type) == "text" {
		return None
	}
	return ""
}

// creates plans the create of a person in a module and finishes the chain, or holds it with the field's name.
func (d Drafter) creates(chain Chain, p Person, module string) Chain {
	fields := d.fit(module, personFields(module, p))
	if described, ok := d.Modules[module]; ok {
		if _, has := described.Field("leadsource"); has {
			fields["leadsource"] = Source
		}
	}
	lookup := Lookup{Module: module, Field: "email", Value: p.Email}
	if module == Accounts {
		// Two private customers of one name never share an Account: the name alone does not find it again.
		lookup = Lookup{Module: module, Field: "email1", Value: p.Email, And: map[string]string{"accountname": fields["accountname"]}}
	}
	return d.create(chain, strings.ToLower(module), module, fields, lookup, personLinks(p, module))
}

// create appends a create to a chain. A mandatory field that nothing fills holds the whole chain.
func (d Drafter) create(chain Chain, name, module string, fields vtigerws.Record, lookup Lookup, links []store.Link) Chain {
	if chain.State == store.Held {
		return chain // an earlier write of the chain is not possible
	}
	if described, asked := d.Modules[module]; asked && len(described.Fields) == 0 {
		return hold(chain, "rights", "the CRM lets the user not into the module "+module+": switch it on, or give the user the right to it")
	}
	if missing := d.complete(module, fields); len(missing) > 0 {
		return hold(chain, "mandatory", fmt.Sprintf("the CRM demands %s in %s and nothing fills it: set a default in Connection, Mandatory fields", strings.Join(missing, ", "), module))
	}
	chain.State = store.Created
	chain.Writes = append(chain.Writes, PlannedWrite{
		Name:   name,
		Write:  vtigerws.Write{Op: vtigerws.OpCreate, Module: module, Fields: fields},
		Lookup: lookup, Links: links,
	})
	return chain
}

// denied says that the CRM refuses the user a whole module: it is switched off, or not for him.
func denied(err error) bool {
	p, ok := problem.Of(err)
	return ok && p.Kind == problem.Unauthorised && p.Code == string(vtigerws.AccessDenied)
}

// hold ends a chain without any write: it goes by itself once the reason is gone.
func hold(chain Chain, reason, detail string) Chain {
	chain.State, chain.Reason, chain.Detail = store.Held, reason, detail
	chain.Writes, chain.Links, chain.Quiet = nil, nil, false
	return chain
}
