package engine

import (
	"slices"
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
	// Followers are further shop records of the same entity that are this same CRM record (one e-mail, one code):
	// they share its fate and count as unchanged when it went well.
	Followers []int64
	// Quiet chains prepare others and leave no outcome of their own unless they fail.
	Quiet bool
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
	Links []store.Link   `json:"links"` // the links the write makes; a CRMID that is not set comes with the answer
	// Lookup finds the record of a create whose answer was lost.
	Lookup Lookup `json:"lookup"`
	// Beside is an update that the rest of the chain does not need: when a person has deleted its record in the CRM, the
	// rest goes on, and the chain ends failed all the same.
	Beside bool `json:"beside,omitempty"`
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

// refs remembers what the records of a chain's earlier writes are: by "name" their id, by "name.field" a field's value.
type refs map[string]string

func (r refs) add(name string, record vtigerws.Record) {
	r[name] = record.ID()
	for field, v := range record {
		r[name+"."+field] = v
	}
}

// value replaces a reference by what it stands for; anything else stays as it is.
func (r refs) value(v string) string {
	if name, ok := strings.CutPrefix(v, "@"); ok {
		if known, ok := r[name]; ok {
			return known
		}
	}
	return v
}

// resolve replaces the references of a write. Only fields that hold ids are looked at: a customer called "@order" stays so.
func (r refs) resolve(w vtigerws.Write) vtigerws.Write {
	w.ID = r.value(w.ID)
	fields := make(vtigerws.Record, len(w.Fields))
	for name, v := range w.Fields {
		if strings.HasSuffix(name, "_id") || name == "related_to" || name == "crm_ref" {
			v = r.value(v)
		}
		fields[name] = v
	}
	w.Fields = fields
	if w.Document != nil {
		doc := *w.Document
		doc.Lines = slices.Clone(doc.Lines)
		for i := range doc.Lines {
			doc.Lines[i].Product = r.value(doc.Lines[i].Product)
		}
		w.Document = &doc
	}
	return w
}
