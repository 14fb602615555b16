package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"cartiger/psapi"
	"cartiger/store"
)

// feed reads what has changed in the shop since the last pass. Its cursors come only from what the shop said: ids of
// rows it returned, and its own clock (Access-Time) as it was before a read began.
type feed struct {
	shop Shop
	zone *time.Location
	seen interface {
		Known(ctx context.Context, feed string, keys []string) (map[string]bool, error)
	}
	edits map[string]bool // resources whose edits are followed, off by default
	now   func() time.Time
}

// Cursors say up to where the shop has been read. They move only when everything before them is on disk.
type Cursors struct {
	Histories, Movements, Customers, Products int64 // highest id seen
	// Awaited are customers that registered without an address, and when: the address comes a moment later as a row
	// of its own (wire/prestashop.md 5).
	Awaited map[int64]time.Time
	// FirstOrder is the highest order id when following began: older orders are not new.
	FirstOrder int64
	// Shop and Ours are the shop's clock and ours when the last pass began to read.
	Shop, Ours time.Time
}

// feedCursor is the named cursor that holds the Cursors.
const feedCursor = "feed"

// Changes are what one pass found. Orders are whole rows; the others are ids, because their rows say too little.
type Changes struct {
	Orders    []psapi.Order
	OrderIDs  []int64 // orders named by a new state or a stock movement
	Customers []psapi.Customer
	Edited    []psapi.Customer
	Visitors  []int64 // customers whose cart was touched: they were logged in
	Products  []psapi.Product
	Revised   []psapi.Product
	Addresses []psapi.Address
	Seen      []store.Seen
	Bad       []psapi.BadRecord
}

// Empty says that nothing has happened.
func (c Changes) Empty() bool {
	return len(c.Orders)+len(c.OrderIDs)+len(c.Customers)+len(c.Edited)+len(c.Visitors)+len(c.Products)+len(c.Revised)+len(c.Addresses)+len(c.Bad) == 0
}

const (
	// overlap is how far back of the last pass rows are read again: the shop's clock counts whole seconds, and a row
	// is written a moment after its date was taken.
	overlap = 10 * time.Second
	// addressFollows is how long after a registration its first address is waited for.
	addressFollows = 15 * time.Minute
	// rememberFor is how long a row that was read is remembered, so that an overlap does not carry it twice;
	// longer than the hour that an autumn night repeats.
	rememberFor = 6 * time.Hour
)

// start makes the first cursors: from now on, or from a date in the past.
func (f feed) start(ctx context.Context, from time.Time) (Cursors, error) {
	var c Cursors
	var err error
	for resource, at := range map[string]*int64{
		"order_histories": &c.Histories, "stock_movements": &c.Movements, "customers": &c.Customers,
		"products": &c.Products, "orders": &c.FirstOrder,
	} {
		if *at, err = f.shop.Newest(ctx, resource); err != nil {
			return c, err
		}
	}
	skew, _ := f.shop.Clock()
	// The overlap of the first pass would reach behind the beginning.
	c.Ours = f.now().Add(overlap)
	c.Shop = c.Ours.Add(skew)
	if from.IsZero() {
		return c, nil
	}
	// Catching up: orders and customers since the date are new.
	c.Shop = from.Add(overlap)
	since := psapi.Stamp(from.In(f.zone).Add(-time.Second).Format(psapi.StampLayout))
	if c.FirstOrder, err = before(ctx, f.shop.Orders, since, c.FirstOrder, func(o psapi.Order) int64 { return o.ID }); err != nil {
		return c, err
	}
	if c.Customers, err = before(ctx, f.shop.Customers, since, c.Customers, func(r psapi.Customer) int64 { return r.ID }); err != nil {
		return c, err
	}
	if c.Products, err = before(ctx, f.shop.Products, since, c.Products, func(p psapi.Product) int64 { return p.ID }); err != nil {
		return c, err
	}
	c.Histories, err = before(ctx, f.shop.OrderHistories, since, c.Histories, func(h psapi.OrderHistory) int64 { return h.ID })
	return c, err
}

// before is the id below the first row that was added after a moment, or the newest id when there is none.
func before[T any](ctx context.Context, read func(context.Context, psapi.Query) (psapi.Page[T], error), since psapi.Stamp, newest int64, id func(T) int64) (int64, error) {
	page, err := read(ctx, psapi.Query{Since: since, DateAdds: true, Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return newest, err
	}
	return id(page.Items[0]) - 1, nil
}

// read takes one look at the shop. The cursors it gives are for after everything it found is on disk.
func (f feed) read(ctx context.Context, c Cursors) (Changes, Cursors, error) {
	var out Changes
	next := c
	histories, err := newRows(ctx, f.shop.OrderHistories, &next.Histories, &out)
	if err != nil {
		return out, c, err
	}
	for _, h := range histories {
		out.OrderIDs = append(out.OrderIDs, h.Order)
	}
	// The answers so far have shown the shop's clock; from here on rows are asked for by it.
	skew, _ := f.shop.Clock()
	next.Ours = f.now()
	next.Shop = next.Ours.Add(skew)
	since := f.since(c, next)

	movements, err := newRows(ctx, f.shop.StockMovements, &next.Movements, &out)
	if err != nil {
		return out, c, err
	}
	for _, m := range movements {
		if m.Order > 0 {
			out.OrderIDs = append(out.OrderIDs, m.Order)
		}
	}
	if out.Orders, err = changedRows(ctx, f, "orders", f.shop.Orders, since, psapi.Query{}, func(o psapi.Order) (int64, psapi.Stamp) { return o.ID, o.DateUpd }, &out); err != nil {
		return out, c, err
	}
	carts, err := changedRows(ctx, f, "carts", f.shop.Carts, since, psapi.Query{Where: []psapi.Filter{{Field: "id_customer", Op: psapi.Greater, Values: []string{"0"}}}}, func(r psapi.Cart) (int64, psapi.Stamp) { return r.ID, r.DateUpd }, &out)
	if err != nil {
		return out, c, err
	}
	for _, r := range carts {
		out.Visitors = append(out.Visitors, r.Customer)
	}
	if out.Customers, err = newRows(ctx, f.shop.Customers, &next.Customers, &out); err != nil {
		return out, c, err
	}
	if out.Products, err = newRows(ctx, f.shop.Products, &next.Products, &out); err != nil {
		return out, c, err
	}
	if err := f.readAwaited(ctx, c, &next, &out); err != nil {
		return out, c, err
	}
	return out, next, f.readEdits(ctx, since, &out)
}

// readAwaited reads the first addresses of those who registered lately, and awaits those of the new ones.
func (f feed) readAwaited(ctx context.Context, c Cursors, next *Cursors, out *Changes) error {
	next.Awaited = map[int64]time.Time{}
	var ids []int64
	for id, since := range c.Awaited {
		ids = append(ids, id)
		if f.now().Sub(since) < addressFollows {
			next.Awaited[id] = since
		}
	}
	for list := range chunks(distinct(ids), perList) {
		page, err := f.shop.Addresses(ctx, psapi.Query{Where: []psapi.Filter{{Field: "id_customer", Op: psapi.OneOf, Values: texts(list)}}})
		if err != nil {
			return err
		}
		for _, a := range page.Items {
			delete(next.Awaited, a.Customer)
		}
		out.Addresses = append(out.Addresses, page.Items...)
	}
	for _, r := range out.Customers {
		next.Awaited[r.ID] = f.now()
	}
	return nil
}

// readEdits reads what is followed beyond the manual.
func (f feed) readEdits(ctx context.Context, since psapi.Stamp, out *Changes) (err error) {
	if f.edits["customers"] {
		if out.Edited, err = changedRows(ctx, f, "customers", f.shop.Customers, since, psapi.Query{}, func(r psapi.Customer) (int64, psapi.Stamp) { return r.ID, r.DateUpd }, out); err != nil {
			return err
		}
	}
	if f.edits["products"] {
		if out.Revised, err = changedRows(ctx, f, "products", f.shop.Products, since, psapi.Query{}, func(r psapi.Product) (int64, psapi.Stamp) { return r.ID, r.DateUpd }, out); err != nil {
			return err
		}
	}
	if f.edits["addresses"] {
		edited, err := changedRows(ctx, f, "addresses", f.shop.Addresses, since, psapi.Query{}, func(r psapi.Address) (int64, psapi.Stamp) { return r.ID, r.DateUpd }, out)
		if err != nil {
			return err
		}
		out.Addresses = append(out.Addresses, edited...)
	}
	return nil
}

// since is the stamp after which rows are read: an overlap before the last pass. In the night when the clock goes
// back, stamps of the hour before are written a second time, so reading starts where that hour began; and when
// somebody has set the shop's clock back, as many seconds before its new time as have passed.
func (f feed) since(last, now Cursors) psapi.Stamp {
	from := last.Shop
	if set := last.Ours.Add(now.Shop.Sub(now.Ours)); set.Before(from) {
		from = set
	}
	from = from.Add(-overlap)
	stamp := from.In(f.zone).Format(psapi.StampLayout)
	// Wall clocks run backwards only at such a change: look at every offset between the two moments.
	for at := from; at.Before(now.Shop); at = at.Add(15 * time.Minute) {
		if wall := at.In(f.zone).Format(psapi.StampLayout); wall < stamp {
			stamp = wall
		}
	}
	if _, end := from.In(f.zone).ZoneBounds(); !end.IsZero() && end.Before(now.Shop) {
		if wall := end.In(f.zone).Format(psapi.StampLayout); wall < stamp {
			stamp = wall
		}
	}
	// Strictly greater: the second itself must be among the answers.
	t, err := time.Parse(psapi.StampLayout, stamp)
	if err != nil {
		return psapi.Stamp(stamp)
	}
	return psapi.Stamp(t.Add(-time.Second).Format(psapi.StampLayout))
}

// newRows reads the rows behind a cursor by id and moves it.
func newRows[T any](ctx context.Context, read func(context.Context, psapi.Query) (psapi.Page[T], error), after *int64, out *Changes) ([]T, error) {
	var all []T
	for {
		// A cursor of 0 would ask for the whole table, whose emptiness proves nothing: new ids start at 1 anyway.
		page, err := read(ctx, psapi.Query{After: *after})
		if err != nil {
			return nil, ctxErr(ctx, err)
		}
		all = append(all, page.Items...)
		out.Bad = append(out.Bad, page.Bad...)
		*after = max(*after, page.Last)
		if !page.More {
			return all, nil
		}
	}
}

// changedRows reads the rows of a date window by (date, id): a page by date, then the rest of its last second by id.
// A row that changes meanwhile moves to the end and is met there; none is skipped. Rows met before are left out.
func changedRows[T any](ctx context.Context, f feed, name string, read func(context.Context, psapi.Query) (psapi.Page[T], error), since psapi.Stamp, q psapi.Query, key func(T) (int64, psapi.Stamp), out *Changes) ([]T, error) {
	var fresh []T
	met := map[string]bool{}
	take := func(rows []T) error {
		keys := make([]string, len(rows))
		for i, r := range rows {
			id, at := key(r)
			keys[i] = rowKey(id, at, r)
		}
		known, err := f.seen.Known(ctx, name, keys)
		if err != nil {
			return err
		}
		for i, r := range rows {
			if !known[keys[i]] && !met[keys[i]] {
				met[keys[i]] = true
				fresh = append(fresh, r)
				out.Seen = append(out.Seen, store.Seen{Feed: name, Key: keys[i], At: f.now()})
			}
		}
		return nil
	}
	for {
		window := q
		window.Since, window.ByDate = since, true
		page, err := read(ctx, window)
		if err != nil {
			return nil, ctxErr(ctx, err)
		}
		out.Bad = append(out.Bad, page.Bad...)
		if err := take(page.Items); err != nil {
			return nil, err
		}
		if !page.More || len(page.Items) == 0 {
			return fresh, nil
		}
		_, second := key(page.Items[len(page.Items)-1])
		if second == since {
			return nil, fmt.Errorf("the shop's %s do not go on after %s", name, since)
		}
		var last int64
		for _, r := range page.Items {
			if id, at := key(r); at == second {
				last = max(last, id)
			}
		}
		for more := true; more; {
			same := q
			same.After = last
			same.Where = append(slices.Clone(q.Where), psapi.Filter{Field: "date_upd", Op: psapi.Equal, Values: []string{string(second)}})
			page, err := read(ctx, same)
			if err != nil {
				return nil, ctxErr(ctx, err)
			}
			out.Bad = append(out.Bad, page.Bad...)
			if err := take(page.Items); err != nil {
				return nil, err
			}
			last, more = max(last, page.Last), page.More
		}
		since = second
	}
}

// rowKey is a row as it was read: id, date and content. The same row with other content is a new change, also within
// one second.
func rowKey(id int64, at psapi.Stamp, row any) string {
	sum := sha256.Sum256([]byte(asJSON(row)))
	return strconv.FormatInt(id, 10) + " " + string(at) + " " + hex.EncodeToString(sum[:6])
}

func readCursors(text string) (Cursors, bool) {
	var c Cursors
	if text == "" || json.Unmarshal([]byte(text), &c) != nil {
		return Cursors{}, false
	}
	return c, true
}
