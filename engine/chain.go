package engine

import (
	"strings"

	"cartiger/store"
	"cartiger/vtigerws"
)

// Chain is what one shop record does to the CRM: its writes in order, or the reason why there are none.
// Planning makes chains without IO; the outbox carries them out.
type Chain struct {
	Entity store.Entity
	ShopID int64
	Label  string // how people know the record: e-mail, code, "order 812"
	// Keys of what the chain touches ("email:a@b", "code:SKU", "account:Name"): chains that share one never run side by side.
	Keys []string
	// Links that hold without any write: the record was matched.
	Links  []store.Link
	Writes []PlannedWrite
	// State and Reason for a chain without writes (unchanged, held), and how it counts when all its writes succeed.
	State    store.State
	Reason   string
	Detail   string
	Warnings []string
}

// PlannedWrite is one create or update of a chain.
type PlannedWrite struct {
	Name  string         `json:"name"`  // later writes of the chain refer to its record as "@name"
	Write vtigerws.Write `json:"write"` // values and line products may be such references
	Link  store.Link     `json:"link"`  // the link the write makes, without CRMID; Entity "" = none
	// Lookup finds the record of a create whose answer was lost.
	Lookup Lookup `json:"lookup"`
}

// Lookup is the key that finds a created record again.
type Lookup struct {
	Module string            `json:"module,omitempty"`
	Field  string            `json:"field,omitempty"`
	Value  string            `json:"value,omitempty"`
	And    map[string]string `json:"and,omitempty"` // further fields that must be equal, compared by us
}

// Ref is a reference to the record that an earlier write of the chain makes.
func Ref(name string) string { return "@" + name }

// resolve replaces the references of a write by the ids that earlier writes got.
func resolve(w vtigerws.Write, ids map[string]string) vtigerws.Write {
	replace := func(v string) string {
		if name, ok := strings.CutPrefix(v, "@"); ok {
			if id, known := ids[name]; known {
				return id
			}
		}
		return v
	}
	out := w
	out.ID = replace(w.ID)
	out.Fields = make(vtigerws.Record, len(w.Fields))
	for name, v := range w.Fields {
		if strings.HasSuffix(name, "id") || name == "related_to" {
			v = replace(v)
		}
		out.Fields[name] = v
	}
	if w.Document != nil {
		doc := *w.Document
		doc.Lines = append([]vtigerws.Line(nil), w.Document.Lines...)
		for i := range doc.Lines {
			doc.Lines[i].Product = replace(doc.Lines[i].Product)
		}
		out.Document = &doc
	}
	return out
}
