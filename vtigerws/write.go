package vtigerws

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"cartiger/problem"
)

// Modules whose records have lines or that need care when written.
const (
	moduleSalesOrder = "SalesOrder"
	moduleInvoice    = "Invoice"
	moduleProducts   = "Products"
	moduleCurrency   = "Currency"
)

// keepLines is the form field that makes vtiger's save leave lines, totals, product taxes and prices alone; without it
// a plain update deletes them (wire/vtiger.md 3a, 3d).
var keepLines = pair{"ajxaction", "DETAILVIEW"}

// keepText is the form field with which a revise of 5.2.x leaves the text that it does not name as it is; any value will
// do. Without it `O'Neil é` is stored as `O&#039;Neil &eacute;` and encoded again by every further one (5.2.1
// include/utils/utils.php to_html).
var keepText = pair{"submode", "1"}

// Do sends one write and gives what the CRM answers: the whole record for create and update, {"id"} for delete, and
// leadId, accountId, contactId, potentialId for convertlead.
//
// An error of kind problem.Unknown means that the write may have run: look the record up before anything else. Every
// other error means that it had no effect. A record to change that is gone is problem.NotFound; a mandatory field
// without value is problem.Invalid with the field's name.
//
// An update changes only the given fields. 5.1.0 has no operation for that: the record is retrieved, merged and updated
// whole, so that what another user changes within those milliseconds is lost there.
func (c *Client) Do(ctx context.Context, w Write) (Record, error) {
	facts, err := c.ready(ctx)
	if err != nil {
		return nil, err
	}
	if w.refersBack() {
		return nil, rule("only a write of a batch can name an earlier one")
	}
	if err := c.checkOwner(ctx, w, facts); err != nil {
		return nil, err
	}
	if w.Op == OpUpdate && !facts.Dialect.Revise {
		if err := checkID("id", w.ID); err != nil {
			return nil, err
		}
		stored, err := c.retrieve(ctx, w.ID)
		if err != nil {
			return nil, c.goneOr(ctx, w.Module, w.ID, err)
		}
		w.Fields = merge(stored, w.Fields)
	}
	q, err := compose(w, facts)
	if err != nil {
		return nil, err
	}
	raw, err := c.inSession(ctx, q)
	if err != nil {
		if w.ID != "" {
			err = c.goneOr(ctx, w.Module, w.ID, err)
		}
		return nil, err
	}
	return readWritten(w, q, raw)
}

// refersBack says that the write names the record of an earlier write of its batch.
func (w Write) refersBack() bool {
	if reference.MatchString(w.ID) {
		return true
	}
	return w.Document != nil && slices.ContainsFunc(w.Document.Lines, func(l Line) bool { return reference.MatchString(l.Product) })
}

// merge lays the given fields over a stored record.
func merge(stored, given Record) Record {
	whole := maps.Clone(stored)
	maps.Copy(whole, given)
	return whole
}

// compose makes the request of a write, as the dialect wants it. It is pure: everything that needs asking was asked.
func compose(w Write, facts Facts) (call, error) {
	q := call{op: string(w.Op), module: w.Module, post: true, write: true}
	if !moduleName.MatchString(w.Module) {
		return q, rule("a write without a module name")
	}
	if w.Op != OpCreate && !reference.MatchString(w.ID) {
		if err := checkID("id", w.ID); err != nil {
			return q, err
		}
	}
	switch w.Op {
	case OpCreate, OpUpdate:
		return composeSave(q, w, facts.Dialect)
	case OpDelete:
		if w.Module == moduleCurrency {
			return q, rule("deleting a currency removes its row for good: set it inactive instead")
		}
		q.params = form{{"id", w.ID}}
		return q, nil
	case OpConvert:
		return composeConvert(q, w, facts)
	}
	return q, rule("unknown operation " + plain(string(w.Op), 40))
}

// composeSave makes create, revise or (5.1.0) update.
func composeSave(q call, w Write, d Dialect) (call, error) {
	if w.Op == OpUpdate && d.Revise {
		q.op = "revise"
	}
	if owner, given := w.Fields[ownerField]; given && owner != "" {
		if err := checkID(ownerField, owner); err != nil {
			return q, err // 5.4 answers a web page and stores a damaged record
		}
	}
	element := make(map[string]any, len(w.Fields)+16)
	for name, value := range w.Fields {
		if name != "id" && name != "LineItems" {
			element[name] = Clean(value)
		}
	}
	if w.Op == OpUpdate {
		element["id"] = w.ID
	}
	var further form
	switch {
	case w.Module == moduleSalesOrder || w.Module == moduleInvoice:
		switch {
		case w.Document == nil && w.Op == OpCreate:
			return q, rule("a " + w.Module + " is created with its lines")
		case w.Document == nil && w.Module == moduleInvoice:
			return q, rule("an Invoice is updated with all its lines, or its stock moves twice")
		case w.Document == nil && d.WholeUpdates:
			return q, rule("a SalesOrder of vtiger 6.0 is updated with all its lines, or they double")
		case w.Document == nil:
			further = form{keepLines}
		case d.LineItems:
			if err := w.Document.intoElement(element); err != nil {
				return q, err
			}
		default:
			var err error
			if further, err = w.Document.formFields(); err != nil {
				return q, err
			}
		}
	case w.Document != nil:
		return q, rule("only SalesOrder and Invoice have lines, not " + w.Module)
	case w.Module == moduleProducts && (w.ProductTaxes != nil || w.Op == OpCreate):
		var err error
		if further, err = taxFields(w.ProductTaxes); err != nil {
			return q, err
		}
	case w.Module == moduleProducts:
		further = form{keepLines}
	}
	if w.Op == OpUpdate && d.EncodesText {
		further = append(form{keepText}, further...)
	}
	text, err := encode(element)
	if err != nil {
		return q, rule("the record cannot be written as JSON: " + plain(err.Error(), 160))
	}
	if w.Op == OpCreate {
		q.params = form{{"elementType", w.Module}}
	}
	q.params = append(q.params, pair{"element", text})
	q.params = append(q.params, further...)
	return q, nil
}

// composeConvert makes convertlead as 5.2.0 and 5.2.1 take it (capture 209 of 5.2.1). An Account that has the name
// already is taken, whoever it belongs to: name a company, or make sure that there is none.
func composeConvert(q call, w Write, facts Facts) (call, error) {
	if !facts.Dialect.ConvertLead {
		return q, rule("converting a Lead works on vtiger 5.2 only")
	}
	name := strings.TrimSpace(Clean(w.AccountName))
	if name == "" {
		return q, worthless("accountname", "a Lead cannot be converted without an Account name", "Give the Lead a company or a last name.")
	}
	owner := w.Fields[ownerField]
	if owner == "" {
		owner = facts.UserID
	}
	if err := checkID(ownerField, owner); err != nil {
		return q, err
	}
	q.params = form{{"leadId", w.ID}, {"assignedTo", owner}, {"accountName", name}, {"avoidPotential", "1"}, {"potential", "{}"}}
	return q, nil
}

// encode writes an element as JSON, its keys in order, without HTML escapes that nobody needs.
func encode(value any) (string, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// readWritten reads the answer of a write.
func readWritten(w Write, q call, raw json.RawMessage) (Record, error) {
	switch w.Op {
	case OpDelete:
		return Record{"id": w.ID}, nil
	case OpConvert:
		var made Record
		if json.Unmarshal(raw, &made) != nil || !recordID.MatchString(made["contactId"]) {
			return nil, misshapen(q)
		}
		return made, nil
	}
	return readRecord(q, raw)
}

// owners remembers which owners were seen in the CRM.
type owners struct {
	mu    sync.Mutex
	known map[string]bool
}

// checkOwner asks once per owner whether it exists, on 5.4 and later, where a create with an unknown owner stores a
// record that breaks every "select *" and only then fails (wire/vtiger.md 1, VTQL). Users that may not see Users cannot
// be asked about; the write then goes out as it is.
func (c *Client) checkOwner(ctx context.Context, w Write, facts Facts) error {
	owner := w.Fields[ownerField]
	if w.Op != OpCreate && w.Op != OpUpdate || !facts.Dialect.RefusesBlank || owner == "" || owner == facts.UserID || !recordID.MatchString(owner) {
		return nil
	}
	c.owners.mu.Lock()
	known := c.owners.known[owner]
	c.owners.mu.Unlock()
	if known {
		return nil
	}
	module := "Users"
	if prefix, _, _ := strings.Cut(facts.UserID, "x"); !strings.HasPrefix(owner, prefix+"x") {
		module = "Groups"
	}
	rows, err := c.query(ctx, selection{module: module, columns: []string{"id"}, field: "id", values: []string{owner}})
	if problem.KindOf(err) == problem.Unauthorised {
		err = nil
	} else if err == nil && len(rows) == 0 {
		return worthless(ownerField, "the owner "+owner+" does not exist in the CRM", "Choose an active CRM user or a group as owner.")
	}
	if err != nil {
		return err
	}
	c.owners.mu.Lock()
	defer c.owners.mu.Unlock()
	if c.owners.known == nil {
		c.owners.known = map[string]bool{}
	}
	c.owners.known[owner] = true
	return nil
}

// rule is the problem of a write that must not be sent: a defect of the program.
func rule(message string) error {
	return &problem.Error{Kind: problem.Internal, Where: where, Code: codeRule, Message: message}
}
