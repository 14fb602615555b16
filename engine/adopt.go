package engine

import (
	"context"
	"time"

	"cartiger/store"
)

// doubt is how far off we may be about the shop's clock when asking whether something happened before this run began:
// it is known to the second.
const doubt = 2 * time.Second

// adopt finds what the CRM already has of orders that our links do not know: written by a state file that was lost or
// has been replaced by an older copy. Only what was placed before this run began can have been written by anybody
// else, because the lease lets one process write; so a running watch never asks.
func (w *work) adopt(ctx context.Context, orders []ShopOrder, a *atlas, linked map[int64]map[string]store.Link) error {
	skew, _ := w.shop.Clock()
	began := w.began.Add(skew + doubt)
	var unknown, unbilled []int64
	for _, o := range orders {
		if placed, err := o.DateAdd.In(a.zone); err == nil && placed.Before(began) {
			if _, ok := linked[o.ID][SalesOrder]; !ok {
				unknown = append(unknown, o.ID)
			}
		}
		if billed, err := o.InvoiceDate.In(a.zone); err == nil && o.InvoiceNumber > 0 && billed.Before(began) {
			if _, ok := linked[o.ID][Invoice]; !ok {
				unbilled = append(unbilled, o.ID)
			}
		}
	}
	keyField := w.settings.Get(OrderKeyField)
	byKey := func(id int64) string { return OrderKey(id) }
	if err := w.adoptFrom(ctx, SalesOrder, keyField, store.Order, unknown, byKey, linked); err != nil {
		return err
	}
	if err := w.adoptFrom(ctx, Invoice, keyField, store.Invoice, unbilled, byKey, linked); err != nil {
		return err
	}
	if w.draft.Modules[AddonModule].Createable {
		if err := w.adoptFrom(ctx, AddonModule, "ps_label", store.Order, unknown, orderLabel, linked); err != nil {
			return err
		}
	}
	if !w.settings.On(CreatePotential) {
		return nil
	}
	byName := func(id int64) string { return subject(w.settings.Get(PotentialPrefix), id) }
	return w.adoptFrom(ctx, Potentials, "potentialname", store.Order, unknown, byName, linked)
}

// adoptFrom links the records of one module that carry the key of an order. Whether such a record is whole is not
// known, so the order is written again with all it has.
func (w *work) adoptFrom(ctx context.Context, module, field string, entity store.Entity, ids []int64, key func(int64) string, linked map[int64]map[string]store.Link) error {
	for group := range chunks(ids, batch) {
		finds := make([]Lookup, len(group))
		for i, id := range group {
			finds[i] = Lookup{Module: module, Field: field, Value: key(id)}
		}
		found, err := look(ctx, w.crm, module, field, finds)
		if err != nil {
			return err
		}
		var links []store.Link
		for i, id := range group {
			if found[i] == nil {
				continue
			}
			l := store.Link{Entity: entity, ShopID: id, Module: module, CRMID: found[i].ID(), Key: OrderKey(id)}
			linked[id][module] = l
			links = append(links, l)
		}
		if len(links) == 0 || w.out == nil {
			continue
		}
		if err := w.store.SaveLinks(ctx, links); err != nil {
			return err
		}
	}
	return nil
}
