package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/shopspring/decimal"

	"cartiger/store"
	"cartiger/vtigerws"
)

// stockFields are what vtiger 5.1.0 compares a line's quantity with.
var stockFields = []string{"qtyinstock", "reorderlevel"}

// wouldCrash says whether vtiger 5.1.0 dies on a document with so many pieces of a product: it wants to send a mail when
// stock falls under the reorder level, and cannot (wire/vtiger.md 3a). An order and its invoice both count.
func wouldCrash(product vtigerws.Record, pieces int64) bool {
	stock, errStock := vtigerws.Amount(firstOf(product["qtyinstock"], "0"))
	level, errLevel := vtigerws.Amount(firstOf(product["reorderlevel"], "0"))
	if errStock != nil || errLevel != nil {
		return true
	}
	return stock.Sub(level).LessThan(decimal.NewFromInt(2 * pieces))
}

// relieve takes the reorder level away from products that would make 5.1.0 die on one of the orders. Products that we
// made have none from the start.
func (w *work) relieve(ctx context.Context, orders []ShopOrder, found map[int64]DocumentProduct, carry carrier) error {
	if !w.draft.Dialect.StockCrash {
		return nil
	}
	pieces := map[string]int64{}
	owner := map[string]int64{}
	stocks := map[string]vtigerws.Record{}
	for _, o := range orders {
		for _, d := range o.Details {
			if p, ok := found[productID(d)]; ok && p.Product != "" {
				pieces[p.Product] += d.Quantity
				owner[p.Product] = productID(d)
				if p.stock != nil {
					stocks[p.Product] = p.stock
				}
			}
		}
	}
	if w.out == nil {
		return nil
	}
	var unasked []string
	for id := range pieces {
		if stocks[id] == nil {
			unasked = append(unasked, id)
		}
	}
	if slices.Sort(unasked); len(unasked) > 0 {
		records, err := w.crm.Find(ctx, Products, "id", unasked, stockFields...)
		if err != nil {
			return err
		}
		for _, r := range records {
			stocks[r.ID()] = r
		}
	}
	var chains []Chain
	for _, id := range slices.Sorted(maps.Keys(stocks)) {
		r := stocks[id]
		if r["reorderlevel"] == noReorder || !wouldCrash(r, pieces[r.ID()]) {
			continue
		}
		chains = append(chains, Chain{
			Entity: store.Product, ShopID: owner[r.ID()], Label: r.ID(), Quiet: true, State: store.Updated,
			Warnings: []string{"product " + r.ID() + ": its reorder level was taken away, because vtiger 5.1.0 dies on an order that falls below it"},
			Writes: []PlannedWrite{{
				Name:  "product",
				Write: vtigerws.Write{Op: vtigerws.OpUpdate, Module: Products, ID: r.ID(), Fields: vtigerws.Record{"reorderlevel": noReorder}},
			}},
		})
	}
	_, err := carry(ctx, chains)
	return err
}
