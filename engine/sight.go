package engine

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/shopspring/decimal"

	"cartiger/store"
	"cartiger/vtigerws"
)

// orderKey is what OrderKey makes: a record with such a key is an order of the shop, not a person's note.
var orderKey = regexp.MustCompile(`(?i)^presta-[0-9]+$`)

// sight is an order with what the CRM shows of it.
type sight struct {
	ShopOrder
	links         map[string]store.Link
	order, bill   document
	deal          bool // the linked Potential is there
	currency      vtigerws.Currency
	status        string // that the shop's state means
	invoiceStatus string
}

// document is what the CRM shows of an order's SalesOrder or Invoice.
type document struct {
	module  string
	keyed   []vtigerws.Record // live records that carry the order's key, the oldest first
	target  vtigerws.Record   // the live record that the link leads to; nil = gone, or no link
	foreign vtigerws.Record   // what the link leads to when that carries another order's key
}

// record is the one that counts: the linked one, or the oldest with the key.
func (d document) record() vtigerws.Record {
	if d.target != nil || len(d.keyed) == 0 {
		return d.target
	}
	return d.keyed[0]
}

// totalOf is the total of a SalesOrder or Invoice to the cent; a half-written one has none.
func totalOf(r vtigerws.Record) (decimal.Decimal, bool) {
	total, err := vtigerws.Amount(r["hdnGrandTotal"])
	return total.Round(2), err == nil
}

// finding is a difference with the links that its repair starts from.
type finding struct {
	Difference
	links []store.Link
}

// judge compares one order with what the CRM shows of it; orders up to since are expected in the CRM only if they are
// linked. It decides only; the repair is the normal plan of the order after the links say what the CRM really has.
func (s sight) judge(keyField string, since int64) []finding {
	var out []finding
	placed := s.compare(s.order, store.Order, keyField)
	switch {
	case placed == nil && s.order.record() != nil:
		// In the CRM and linked: go on.
	case placed != nil:
		out = append(out, placed...)
	case s.ID > since:
		out = append(out, finding{Difference: Difference{
			Entity: store.Order, ShopID: s.ID, What: diffMissing, Repair: "write it into the CRM",
			Text: fmt.Sprintf("order %d (%s %s) is not in the CRM", s.ID, s.TotalPaid.StringFixed(2), s.Code),
		}})
		return out
	default:
		return nil // placed before following began, and never exported
	}
	if s.order.record() == nil {
		return out
	}
	out = append(out, s.content(s.order, store.Order)...)
	if l, ok := s.links[Potentials]; ok && !s.deal {
		out = append(out, finding{Difference: Difference{
			Entity: store.Order, ShopID: s.ID, CRMID: l.CRMID, What: diffLink,
			Text: fmt.Sprintf("the Potential %s of order %d is no longer in the CRM (deleted, merged, or hidden from the CRM user)", l.CRMID, s.ID),
		}})
	}
	return append(out, s.judgeBill(keyField)...)
}

// judgeBill compares the order's Invoice.
func (s sight) judgeBill(keyField string) []finding {
	_, linked := s.links[Invoice]
	switch {
	case s.InvoiceNumber > 0 && !linked && len(s.bill.keyed) == 0:
		return []finding{{Difference: Difference{
			Entity: store.Invoice, ShopID: s.ID, What: diffMissing, Repair: "create the Invoice from the order",
			Text: fmt.Sprintf("order %d has invoice %d in the shop and no Invoice in the CRM", s.ID, s.InvoiceNumber),
		}}}
	case s.InvoiceNumber == 0 && !linked && len(s.bill.keyed) > 0:
		return []finding{{Difference: Difference{
			Entity: store.Invoice, ShopID: s.ID, CRMID: s.bill.keyed[0].ID(), What: diffMissing,
			Text: fmt.Sprintf("order %d has no invoice in the shop, the CRM has Invoice %s for it", s.ID, idList(s.bill.keyed)),
		}}}
	}
	out := s.compare(s.bill, store.Invoice, keyField)
	if s.bill.record() != nil {
		out = append(out, s.content(s.bill, store.Invoice)...)
	}
	return out
}

// compare says where link and key of a document do not lead to one and the same live record; nil where they do, and
// where there is neither.
func (s sight) compare(d document, entity store.Entity, keyField string) []finding {
	var out []finding
	l, linked := s.links[d.module]
	about := Difference{Entity: entity, ShopID: s.ID, CRMID: l.CRMID, What: diffLink}
	report := func(text, repair string, links ...store.Link) {
		about.Text, about.Repair = text, repair
		out = append(out, finding{about, links})
	}
	relink := func(text string) {
		first := d.keyed[0]
		if len(d.keyed) > 1 {
			report(text, "")
			return
		}
		report(text, fmt.Sprintf("link %s %s, which carries the order's key", d.module, first.ID()), s.linkFor(d, entity, first))
	}
	switch {
	case !linked && len(d.keyed) == 0:
		return nil
	case !linked:
		about.CRMID = d.keyed[0].ID()
		relink(fmt.Sprintf("%s %s carries the key of order %d, and no link leads to it", d.module, idList(d.keyed), s.ID))
	case d.foreign != nil && len(d.keyed) > 0:
		relink(fmt.Sprintf("the link of order %d leads to %s %s, which carries the key %q; %s carries the order's", s.ID, d.module, l.CRMID, d.foreign[keyField], idList(d.keyed)))
	case d.foreign != nil:
		report(fmt.Sprintf("the link of order %d leads to %s %s, which carries the key %q; none carries the order's own", s.ID, d.module, l.CRMID, d.foreign[keyField]), "")
	case d.target == nil && len(d.keyed) > 0:
		relink(fmt.Sprintf("the link of order %d leads to %s %s, which is no longer in the CRM; %s carries its key", s.ID, d.module, l.CRMID, idList(d.keyed)))
	case d.target == nil:
		report(fmt.Sprintf("order %d was %s %s, which is no longer in the CRM (deleted, merged, or hidden from the CRM user); restore it from the CRM's recycle bin", s.ID, d.module, l.CRMID), "")
	case slices.ContainsFunc(d.keyed, func(r vtigerws.Record) bool { return r.ID() == l.CRMID }):
	case len(d.keyed) > 0:
		about.What = diffTwice
		report(fmt.Sprintf("order %d is linked to %s %s, which has lost its key, and %s carries the key: keep one of them", s.ID, d.module, l.CRMID, idList(d.keyed)), "")
	default:
		report(fmt.Sprintf("%s %s of order %d has %q in %s instead of %s: a lost state file could not find it again", d.module, l.CRMID, s.ID, d.target[keyField], keyField, OrderKey(s.ID)), "")
	}
	if len(d.keyed) > 1 {
		about.What, about.CRMID = diffTwice, d.record().ID()
		report(fmt.Sprintf("order %d is in the CRM %d times: %s %s; %s is the one that counts, delete the others in the CRM", s.ID, len(d.keyed), d.module, idList(d.keyed), d.record().ID()), "")
	}
	return out
}

// linkFor ties the order to a record and remembers what that record shows.
func (s sight) linkFor(d document, entity store.Entity, r vtigerws.Record) store.Link {
	l := s.linkTo(d.module, r.ID(), s.shown(d.module, r, s.digest()))
	l.Entity = entity
	return l
}

// shown is what the CRM has of an order in its SalesOrder or Invoice. The digest of what was written holds only as
// long as the total does.
func (o ShopOrder) shown(module string, r vtigerws.Record, digest string) MirroredOrder {
	m := MirroredOrder{State: o.CurrentState, Status: r[statusField[module]], Total: o.TotalPaid, Digest: digest}
	if total, whole := totalOf(r); !whole || !total.Equal(o.TotalPaid.Round(2)) {
		m.Digest, m.Total = "", total
	}
	return m
}

// statusField is where a document keeps the status that follows the shop's state.
var statusField = map[string]string{SalesOrder: "sostatus", Invoice: "invoicestatus"}

// content compares total, lines, status and currency of a document.
func (s sight) content(d document, entity store.Entity) []finding {
	var out []finding
	r := d.record()
	l, linked := s.links[d.module]
	linked = linked && l.CRMID == r.ID()
	was := mirroredOrder(l)
	// A repair starts from what the CRM really shows, so that the plan of an update sees every difference.
	now := s.shown(d.module, r, was.Digest)
	report := func(what, repair, text string) {
		f := finding{Difference: Difference{Entity: entity, ShopID: s.ID, CRMID: r.ID(), What: what, Text: text, Repair: repair}}
		if linked {
			f.links = []store.Link{{Entity: entity, ShopID: s.ID, Module: d.module, CRMID: r.ID(), Key: OrderKey(s.ID), Mirrored: asJSON(now)}}
		}
		out = append(out, f)
	}
	total, whole := totalOf(r)
	switch {
	case !whole:
		report(diffLines, "write all lines and the total again", fmt.Sprintf("%s %s of order %d has no total: it was written only in part", d.module, r.ID(), s.ID))
	case !total.Equal(s.TotalPaid.Round(2)):
		report(diffTotal, "write lines and total again", fmt.Sprintf("order %d: the shop's total is %s %s, that of %s %s is %s",
			s.ID, s.TotalPaid.StringFixed(2), s.Code, d.module, r.ID(), total.StringFixed(2)))
	case linked && was.Digest != s.digest():
		report(diffLines, "write lines and total again", fmt.Sprintf("order %d: its lines or amounts have changed in the shop since they were written to %s %s, or it is not known that they were written whole", s.ID, d.module, r.ID()))
	}
	want := s.status
	if d.module == Invoice {
		want = s.invoiceStatus
	}
	if have := r[statusField[d.module]]; have != want {
		report(diffStatus, "set the status", fmt.Sprintf("order %d: state %q of the shop means %s, %s %s is %s", s.ID, s.State.Name, want, d.module, r.ID(), firstOf(have, "without a status")))
	}
	if have := r["currency_id"]; have != "" && s.currency.ID != "" && have != s.currency.ID {
		report(diffCurrency, "", fmt.Sprintf("order %d is in %s, %s %s is in another currency (%s instead of %s): correct it in the CRM", s.ID, s.Code, d.module, r.ID(), have, s.currency.ID))
	}
	return out
}
