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
	// Mark is when the last pass began to read.
	Mark
	// Windows are the marks of what is read by date, by resource. An empty answer moves none: the shop answers an SQL
	// error with an empty list, and nobody can tell that from nothing new (wire/prestashop.md 3).
	Windows map[string]Mark
}

// Mark is one moment on the shop's clock and on ours.
type Mark struct{ Shop, Ours time.Time }

// on is the mark as the shop's clock would show it now: somebody may have set that clock back since.
func (m Mark) on(now Mark) Mark {
	if set := m.Ours.Add(now.Shop.Sub(now.Ours)); set.Before(m.Shop) {
		m.Shop = set
	}
	return m
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
	// windowRows and newRowsLimit are the rows of a page: a hundred orders with all they leave come in one of each. A shop
	// that cannot print so many is asked for less by the client.
	windowRows, newRowsLimit = 250, 500
	// rememberFor is how long a row that was read is remembered, so that an overlap does not carry it twice;
	// longer than the hour that an autumn night repeats.
	rememberFor = 6 * time.Hour
)

// start makes the first cursors: from a date in the past, else from the first export on, else from now on. Both may be
// zero; the date is on the shop's clock, the export on ours.
func (f feed) start(ctx context.Context, from, exported time.Time) (Cursors, error) {
	var c Cursors
	var err error
	// The overlap of the first pass would reach behind the beginning.
	ours := f.now().Add(overlap)
	for resource, at := range map[string]*int64{
		"order_histories": &c.Histories, "stock_movements": &c.Movements, "customers": &c.Customers,
		"products": &c.Products, "orders": &c.FirstOrder,
	} {
		if *at, err = f.shop.Newest(ctx, resource); err != nil {
			return c, err
		}
	}
	skew, _ := f.shop.Clock()
	c.Mark = Mark{Shop: ours.Add(skew - doubt), Ours: ours.Add(-doubt)}
	if from.IsZero() && !exported.IsZero() {
		from = exported.Add(skew - doubt)
	}
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
	page, err := expected(ctx, read, psapi.Query{Since: since, DateAdds: true, Limit: 1})
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
	ours := f.now()
	next.Mark = Mark{Shop: ours.Add(skew), Ours: ours}
	next.Windows = map[string]Mark{}
	w := windows{feed: f, last: c, next: &next, out: &out}

	movements, err := newRows(ctx, f.shop.StockMovements, &next.Movements, &out)
	if err != nil {
		return out, c, err
	}
	for _, m := range movements {
		if m.Order > 0 {
			out.OrderIDs = append(out.OrderIDs, m.Order)
		}
	}
	if out.Orders, err = changedRows(ctx, w, "orders", f.shop.Orders, nil, func(o psapi.Order) (int64, psapi.Stamp) { return o.ID, o.DateUpd }); err != nil {
		return out, c, err
	}
	ofCustomers := []psapi.Filter{{Field: "id_customer", Op: psapi.Greater, Values: []string{"0"}}}
	carts, err := changedRows(ctx, w, "carts", f.shop.Carts, ofCustomers, func(r psapi.Cart) (int64, psapi.Stamp) { return r.ID, r.DateUpd })
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
	err = w.readEdits(ctx) // it adds to both
	return out, next, err
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

// windows reads what has a date.
type windows struct {
	feed
	last Cursors
	next *Cursors
	out  *Changes
}

// readEdits reads what is followed beyond the manual.
func (w windows) readEdits(ctx context.Context) (err error) {
	if w.edits["customers"] {
		if w.out.Edited, err = changedRows(ctx, w, "customers", w.shop.Customers, nil, func(r psapi.Customer) (int64, psapi.Stamp) { return r.ID, r.DateUpd }); err != nil {
			return err
		}
	}
	if w.edits["products"] {
		if w.out.Revised, err = changedRows(ctx, w, "products", w.shop.Products, nil, func(r psapi.Product) (int64, psapi.Stamp) { return r.ID, r.DateUpd }); err != nil {
			return err
		}
	}
	if w.edits["addresses"] {
		edited, err := changedRows(ctx, w, "addresses", w.shop.Addresses, nil, func(r psapi.Address) (int64, psapi.Stamp) { return r.ID, r.DateUpd })
		if err != nil {
			return err
		}
		w.out.Addresses = append(w.out.Addresses, edited...)
	}
	return nil
}

// since is the stamp after which rows are read: an overlap before the mark. In the night when the clock goes back,
// stamps of the hour before are written a second time, so reading starts where that hour began.
func (f feed) since(last, now Mark) psapi.Stamp {
	from := last.on(now).Shop.Add(-overlap)
	stamp := from.In(f.zone).Format(psapi.StampLayout)
	// Wall clocks run backwards only at a change of the zone's offset.
	for at := from; ; {
		_, end := at.In(f.zone).ZoneBounds()
		if end.IsZero() || !end.Before(now.Shop) {
			break
		}
		stamp = min(stamp, end.In(f.zone).Format(psapi.StampLayout))
		at = end
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
		page, err := read(ctx, psapi.Query{After: *after, Limit: newRowsLimit})
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
func changedRows[T any](ctx context.Context, w windows, name string, read func(context.Context, psapi.Query) (psapi.Page[T], error), where []psapi.Filter, key func(T) (int64, psapi.Stamp)) ([]T, error) {
	var fresh []T
	met := map[string]bool{}
	take := func(page psapi.Page[T]) error {
		w.out.Bad = append(w.out.Bad, page.Bad...)
		keys := make([]string, len(page.Items))
		for i, r := range page.Items {
			id, at := key(r)
			keys[i] = rowKey(id, at, r)
		}
		known, err := w.seen.Known(ctx, name, keys)
		if err != nil {
			return err
		}
		for i, r := range page.Items {
			if !known[keys[i]] && !met[keys[i]] {
				met[keys[i]] = true
				fresh = append(fresh, r)
				w.out.Seen = append(w.out.Seen, store.Seen{Feed: name, Key: keys[i], At: w.now()})
			}
		}
		return nil
	}
	mark, known := w.last.Windows[name]
	if !known {
		mark = w.last.Mark
	}
	w.next.Windows[name] = mark.on(w.next.Mark)
	window := psapi.Query{Since: w.since(mark, w.next.Mark), ByDate: true, Where: where, Limit: windowRows}
	page, err := read(ctx, window)
	for ; ; page, err = expected(ctx, read, window) {
		if err == nil {
			err = take(page)
		}
		if err != nil {
			return nil, ctxErr(ctx, err)
		}
		if len(page.Items)+len(page.Bad) > 0 {
			w.next.Windows[name] = w.next.Mark // what cannot be printed is told, and named again by any other change
		}
		if !page.More || len(page.Items) == 0 {
			return fresh, nil
		}
		_, second := key(page.Items[len(page.Items)-1])
		if second == window.Since {
			return nil, fmt.Errorf("the shop's %s do not go on after %s", name, second)
		}
		var last int64
		for _, r := range page.Items {
			if id, at := key(r); at == second {
				last = max(last, id)
			}
		}
		// The last row once more: without it the answer is no answer.
		same := psapi.Query{After: last - 1, Limit: windowRows, Where: append(slices.Clone(where), psapi.Filter{Field: "date_upd", Op: psapi.Equal, Values: []string{string(second)}})}
		for more := true; more; {
			page, err := expected(ctx, read, same)
			if err == nil {
				err = take(page)
			}
			if err != nil {
				return nil, ctxErr(ctx, err)
			}
			same.After, more = max(last, page.Last), page.More
		}
		window.Since = second
	}
}

// asks is how often an empty answer is asked for where rows were to be expected: the shop answers an SQL error with an
// empty list (wire/prestashop.md 3).
const asks = 4

// expected reads a page that should not be empty.
func expected[T any](ctx context.Context, read func(context.Context, psapi.Query) (psapi.Page[T], error), q psapi.Query) (psapi.Page[T], error) {
	for n := 1; ; n++ {
		page, err := read(ctx, q)
		if err != nil || len(page.Items) > 0 || len(page.Bad) > 0 || n == asks {
			return page, err
		}
		if err := sleepUntil(ctx, time.Duration(n)*100*time.Millisecond, nil); err != nil {
			return page, err
		}
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
