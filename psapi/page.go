package psapi

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"

	"cartiger/problem"
)

const (
	maxShrinks = 3  // halvings of one page because of time-outs: each costs a whole Timeout
	maxBadRow  = 25 // unreadable objects in a row; more is a broken shop, not broken objects
	growAfter  = 3  // good pages of the allowed size before it grows by a quarter
)

// window is a stretch of a list.
type window struct {
	rows []row
	bad  []BadRecord
	more bool  // it was full
	last int64 // highest id looked at
}

func (w *window) add(part window) {
	w.rows = append(w.rows, part.rows...)
	w.bad = append(w.bad, part.bad...)
	w.more = part.more
	w.last = max(w.last, part.last)
	for _, r := range part.rows {
		w.last = max(w.last, r.id)
	}
	for _, b := range part.bad {
		w.last = max(w.last, b.ID)
	}
}

// page answers one query with typed records. An object whose values make no sense is reported, not guessed.
func page[T any](ctx context.Context, c *Client, k kind[T], q Query) (Page[T], error) {
	if err := q.check(k.shape); err != nil {
		return Page[T]{}, err
	}
	found, err := c.read(ctx, k.shape, q)
	if err == nil {
		err = c.nameNameless(ctx, k.shape, found.rows)
	}
	if err != nil {
		return Page[T]{}, plain(err)
	}
	out := Page[T]{Items: make([]T, 0, len(found.rows)), Bad: found.bad, More: found.more, Last: found.last}
	for _, r := range found.rows {
		reading := &reader{row: r}
		item := k.read(reading)
		if reading.fault != "" {
			out.Bad = append(out.Bad, BadRecord{Resource: k.name, ID: r.id, Reason: reading.fault})
			continue
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}

// nameNameless gives the objects that have no name in the shop's default language, as one imported in another, the texts
// of the first language that has some.
func (c *Client) nameNameless(ctx context.Context, s shape, rows []row) error {
	var ids []int64
	for _, r := range rows {
		if name, asked := r.fields["name"]; asked && name == "" && s.translated {
			ids = append(ids, r.id)
		}
	}
	s.translated = false // all languages come
	display, inRow := []string{"id", "name"}, 0
	for list := range slices.Chunk(ids, maxIDs) {
		found, err := c.byIDs(ctx, s, Query{}, display, list, false, &inRow)
		if err != nil {
			return err
		}
		for _, named := range found.rows {
			i := slices.IndexFunc(rows, func(r row) bool { return r.id == named.id })
			rows[i].fields["name"] = named.fields["name"]
		}
	}
	return nil
}

// read fills a page. By id it goes on until the page is as long as asked, in several requests where the shop cannot
// print as much at once. By date it stops at the first good rows: rows move while we read, and only the caller's
// cursor knows where to go on.
func (c *Client) read(ctx context.Context, s shape, q Query) (window, error) {
	display, err := c.display(ctx, s, q)
	if err != nil {
		return window{}, err
	}
	w := window{last: q.After}
	if len(q.IDs) > 0 {
		for ids := range slices.Chunk(q.IDs, maxIDs) {
			inRow := 0
			part, err := c.byIDs(ctx, s, q, display, ids, len(ids) < len(q.IDs), &inRow)
			if err != nil {
				return window{}, err
			}
			w.add(part)
		}
		return w, nil
	}
	limit := q.Limit
	if limit == 0 {
		limit = s.page
	}
	for {
		part, err := c.part(ctx, s, q, display, limit-len(w.rows)-len(w.bad))
		if err != nil {
			return window{}, err
		}
		w.add(part)
		if q.ByDate && part.more && len(w.rows) == 0 && len(part.bad) > 0 {
			q.Offset += len(part.bad) // nothing here has a date to go on from
			continue
		}
		if !part.more || q.ByDate || len(w.rows)+len(w.bad) >= limit {
			return w, nil
		}
		q.After, q.Offset = w.last, 0
	}
}

// part reads up to want rows with one good request, making the page smaller until the shop can print it.
func (c *Client) part(ctx context.Context, s shape, q Query, display []string, want int) (window, error) {
	size := c.pageSize(s.name, want)
	for shrinks := 0; ; {
		rows, err := c.listing(ctx, s, q, display, size)
		if err == nil {
			c.grow(s.name, size)
			return window{rows: rows, more: len(rows) == size}, nil
		}
		var f *failure
		if !errors.As(err, &f) {
			return window{}, err
		}
		if better, changed := c.suspect(ctx, s, q, display, f); changed {
			display = better
			continue
		}
		switch {
		case f.broken:
			return c.isolate(ctx, s, q, display, size)
		case f.load && size > 1 && shrinks < maxShrinks:
			shrinks++
			size = c.shrink(s.name, size)
		default:
			if f.load || f.again {
				c.shrink(s.name, size)
			}
			return window{}, err
		}
	}
}

// isolate reads a page that the shop cannot print as a whole: first only its ids, then by ids, halving what fails
// until the object at fault stands alone.
func (c *Client) isolate(ctx context.Context, s shape, q Query, display []string, size int) (window, error) {
	q.Limit = size
	index, err := c.index(ctx, s, q)
	if err != nil {
		return window{}, err
	}
	ids := make([]int64, len(index.rows))
	for i, entry := range index.rows {
		ids[i] = entry.id
	}
	inRow := 0
	var found window
	for list := range slices.Chunk(ids, max(1, (len(ids)+1)/2)) {
		part, err := c.byIDs(ctx, s, Query{Fields: q.Fields}, display, list, true, &inRow)
		if err != nil {
			return window{}, err
		}
		found.add(part)
	}
	if len(found.bad)+len(index.bad) == 0 {
		c.shrink(s.name, size) // nothing is wrong with the objects: they were too many
	}
	w := window{more: index.more, bad: slices.Concat(index.bad, found.bad), last: max(index.last, found.last)}
	column := q.dated(s)
	for _, entry := range index.rows {
		i := slices.IndexFunc(found.rows, func(r row) bool { return r.id == entry.id })
		// A row that changed since the index was read stands elsewhere in the list now, and comes from there.
		if i >= 0 && (column == "" || found.rows[i].fields[column] == entry.fields[column]) && q.unasked(s, found.rows[i:i+1], 1) == "" {
			w.rows = append(w.rows, found.rows[i])
		}
	}
	return w, nil
}

// byIDs reads objects by their ids, halving the list until those that cannot be printed stand alone. inRow counts
// them as long as no good one comes between. hole says that the ids are some of a longer list: nobody would notice the
// hole that an SQL error leaves in the whole.
func (c *Client) byIDs(ctx context.Context, s shape, q Query, display []string, ids []int64, hole bool, inRow *int) (window, error) {
	tries := 1
	if hole {
		tries = attempts
	}
	rows, err := c.insist(ctx, s, Query{IDs: ids, Where: q.Where}, display, len(ids), len(ids) == 1, tries)
	if err == nil {
		*inRow = 0
		return window{rows: rows}, nil
	}
	var f *failure
	if !errors.As(err, &f) {
		return window{}, err
	}
	if better, changed := c.suspect(ctx, s, q, display, f); changed {
		return c.byIDs(ctx, s, q, better, ids, hole, inRow)
	}
	if !f.broken && !f.load || f.load && len(ids) == 1 {
		return window{}, err
	}
	if len(ids) == 1 {
		there, proven := c.printsOthers(ctx, s, ids[0])
		if *inRow++; !proven || *inRow > maxBadRow {
			return window{}, err
		}
		if !there {
			return window{}, nil // deleted meanwhile
		}
		// A shop that fails now and then has failed often in a row: the last word is had while it is known to work.
		if rows, err := c.ask(ctx, s, Query{IDs: ids, Where: q.Where}, display, 1, false); err == nil && len(rows) > 0 {
			*inRow = 0
			return window{rows: rows}, nil
		}
		return window{bad: []BadRecord{{Resource: s.name, ID: ids[0], Reason: f.problem.Message}}}, nil
	}
	var w window
	for list := range slices.Chunk(ids, (len(ids)+1)/2) {
		part, err := c.byIDs(ctx, s, q, display, list, true, inRow)
		if err != nil {
			return window{}, err
		}
		w.add(part)
	}
	return w, nil
}

// printsOthers tells an object that cannot be printed from a shop that fails altogether: a minimal list, of this
// object or else of the first one, must work right now. there says whether the object still exists.
func (c *Client) printsOthers(ctx context.Context, s shape, id int64) (there, proven bool) {
	rows, err := c.insist(ctx, s, Query{IDs: []int64{id}}, nil, 1, true, attempts)
	if err == nil {
		return len(rows) > 0, true
	}
	rows, err = c.ask(ctx, s, Query{}, nil, 1, true)
	return true, err == nil && len(rows) > 0
}

// index lists the ids of a window, and the date it goes by. An object that the shop cannot even list is stepped
// over and reported.
func (c *Client) index(ctx context.Context, s shape, q Query) (window, error) {
	var display []string
	if column := q.dated(s); column != "" {
		display = []string{"id", column}
	}
	name := s.name + " ids"
	size := c.pageSize(name, q.Limit)
	for shrinks := 0; ; {
		rows, err := c.listing(ctx, s, q, display, size)
		if err == nil {
			c.grow(name, size)
			w := window{last: q.After}
			w.add(window{rows: rows, more: len(rows) == size})
			return w, nil
		}
		var f *failure
		switch {
		case !errors.As(err, &f):
			return window{}, err
		case f.broken && size > 1:
			size = (size + 1) / 2
		case f.broken:
			return c.stepOver(ctx, s, q, display, f)
		case f.load && size > 1 && shrinks < maxShrinks:
			shrinks++
			size = c.shrink(name, size)
		default:
			return window{}, err
		}
	}
}

// stepOver reports the first object of a window, which cannot be listed, and takes the second.
func (c *Client) stepOver(ctx context.Context, s shape, q Query, display []string, f *failure) (window, error) {
	q.Offset++
	rows, err := c.ask(ctx, s, q, display, 1, true)
	if err != nil {
		return window{}, f // the shop lists nothing at all: that is no bad object
	}
	bad := BadRecord{Resource: s.name, Reason: fmt.Sprintf("an object after id %d cannot even be listed: %s", q.After, f.problem.Message)}
	w := window{last: q.After, bad: []BadRecord{bad}}
	if len(rows) > 0 {
		w.bad[0].Reason = fmt.Sprintf("an object after id %d and before id %d cannot even be listed: %s", q.After, rows[0].id, f.problem.Message)
		if q.Offset == 1 && !q.ByDate && rows[0].id == q.After+2 {
			w.bad[0].ID = q.After + 1
		}
		w.add(window{rows: rows, bad: nil, more: true})
	}
	return w, nil
}

// listing asks for a page and does not believe an empty one where rows were to be expected.
func (c *Client) listing(ctx context.Context, s shape, q Query, display []string, size int) ([]row, error) {
	key := s.name + "?" + Query{Where: q.Where, Since: q.Since, DateAdds: q.DateAdds}.list(s, nil, 0, 0).encode()
	rows, err := c.insist(ctx, s, q, display, size, size == 1, c.tries(key, q))
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.full, key)
		if len(rows) == size {
			c.full[key] = rows[len(rows)-1].id
		}
	}
	return rows, err
}

// tries is how often a list is asked for before it is believed to be empty: odd where the page before it was full, a
// little odd where the whole resource is asked for.
func (c *Client) tries(key string, q Query) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, full := c.full[key]
	switch {
	case full && last == q.After:
		return attempts
	case q.After == 0 && q.Offset == 0 && len(q.Where) == 0 && q.Since == "":
		return 2
	}
	return 1
}

// insist asks so many times before it believes that there are no rows: the shop answers an SQL error with an empty list
// (wire/prestashop.md 3).
func (c *Client) insist(ctx context.Context, s shape, q Query, display []string, size int, patient bool, tries int) ([]row, error) {
	for n := 1; ; n++ {
		rows, err := c.ask(ctx, s, q, display, size, patient)
		if err != nil || len(rows) > 0 || n >= tries {
			return rows, err
		}
		if n == 1 {
			continue // most empty lists are true, and a second look is cheap
		}
		if err := c.wait(ctx, backoff(n-1, 0, rand.Float64())); err != nil {
			return nil, cancelled(ctx.Err())
		}
	}
}

// ask sends one list request and checks that what comes is what was asked for; if not it asks once more.
// patient repeats failures that a smaller page could avoid, too.
func (c *Client) ask(ctx context.Context, s shape, q Query, display []string, size int, patient bool) ([]row, error) {
	var language int64
	if s.translated {
		var err error
		if language, err = c.tongue(ctx); err != nil {
			return nil, err
		}
	}
	p := q.list(s, display, size, language)
	if n := len(p.encode()); n > maxParams {
		return nil, s.invalid("id", "the list of values makes a URL of %d characters, a web server takes %d: ask in smaller lists", n, maxParams)
	}
	for n := 1; ; n++ {
		r, err := c.get(ctx, s.name, p, patient)
		if err != nil {
			return nil, err
		}
		rows, err := rowsOf(r.root, s.name, language)
		var f *failure
		if err != nil {
			f = unavailable(CodeMalformed, err.Error(), "")
			f.broken = true
		} else if fault := q.unasked(s, rows, size); fault != "" {
			f = unavailable(CodeUnasked, "the list of "+s.name+" holds what was not asked for: "+fault, "A cache or module in front of the web service may answer; exempt api/ from it.")
		} else {
			return rows, nil
		}
		f.redact(c.key)
		if n == 2 {
			return nil, f
		}
		if err := c.wait(ctx, backoff(n, 0, rand.Float64())); err != nil {
			return nil, cancelled(ctx.Err())
		}
	}
}

// display lists the fields to ask for. What 1.4.11 has is asked for at once; once the synopsis is known, only what
// it shows. Shops from 1.5 on differ so much that their synopsis comes first.
func (c *Client) display(ctx context.Context, s shape, q Query) ([]string, error) {
	modern := c.since15()
	if modern && !c.learned(s.name) {
		if err := c.learn(ctx, s); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	synopsis, noDates := c.known[s.name], c.noDates
	c.mu.Unlock()
	column := q.dated(s)
	if noDates && column != "" {
		return nil, s.invalid(column, "this shop is older than 1.4.4 and cannot filter by date")
	}
	fields := []string{"id"}
	for _, field := range slices.Concat(s.fields, s.later, []string{"date_add", "date_upd"}) {
		wanted := len(q.Fields) == 0 || slices.Contains(q.Fields, field) || field == column
		later := slices.Contains(s.later, field) && !slices.Contains(s.fields, field)
		switch {
		case virtual(field) && modern:
			if wanted && field == "net" && synopsis["price"] {
				fields = append(fields, "price")
			}
			continue
		case field == "price", slices.Contains(fields, field):
			continue
		case isDate(field):
			wanted = wanted && s.hasDate(field) && !noDates // the synopsis never shows them (capture 026)
		case virtual(field): // in no synopsis
		case synopsis != nil:
			wanted = wanted && synopsis[field]
		case later:
			wanted = false
		}
		if wanted {
			fields = append(fields, field)
		}
	}
	return fields, nil
}

func (c *Client) learned(resource string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[resource] != nil
}

// learn reads which fields the shop has (captures 024 to 032).
func (c *Client) learn(ctx context.Context, s shape) error {
	r, err := c.get(ctx, s.name, params{{"schema", "synopsis"}}, true)
	if err != nil {
		return err
	}
	if len(r.root.kids) == 0 || len(r.root.kids[0].kids) == 0 {
		return unavailable(CodeMalformed, "the synopsis of "+s.name+" shows no fields", "")
	}
	fields := fieldSet{}
	for _, field := range r.root.kids[0].kids {
		fields[field.name] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[s.name] = fields
	return nil
}

// suspect looks for a field that the shop does not know behind a failure. Often the shop says so (400, codes 32 to
// 38), with display_errors off it does not say what, and on a large table it dies before it can say anything.
func (c *Client) suspect(ctx context.Context, s shape, q Query, display []string, f *failure) ([]string, bool) {
	refused := f.status == http.StatusBadRequest && f.problem.Kind == problem.Invalid
	if !refused && !f.broken || s.name == configurations.name {
		return nil, false
	}
	if !c.learned(s.name) {
		if c.learn(ctx, s) != nil {
			return nil, false
		}
		if better, err := c.display(ctx, s, q); err != nil || !slices.Equal(better, display) {
			return better, err == nil
		}
	}
	// All fields are known, so it may be date=1 that is not: it came with 1.4.4 or so.
	c.mu.Lock()
	old := !c.noDates && slices.ContainsFunc(display, isDate) &&
		(refused && !atLeast(c.version, 1, 5) || c.version != "" && !atLeast(c.version, 1, 4, 4))
	c.noDates = c.noDates || old
	c.mu.Unlock()
	if !old {
		return nil, false
	}
	better, err := c.display(ctx, s, q)
	if p, ok := problem.Of(err); ok {
		f.problem = p // the query itself needs dates: a better reason than the shop's
	}
	return better, err == nil
}

// pageSize is how many rows the shop is asked for at most; it adapts to what the shop manages.
type pageSize struct {
	allowed int
	streak  int
}

func (c *Client) pageSize(name string, want int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.pages[name]; p != nil {
		return max(1, min(want, p.allowed))
	}
	return max(1, want)
}

// shrink halves the allowed size after a page of used rows failed.
func (c *Client) shrink(name string, used int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &pageSize{allowed: max(1, used/2)}
	c.pages[name] = p
	return p.allowed
}

// grow lets the size creep back after good pages.
func (c *Client) grow(name string, used int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pages[name]
	if p == nil || used < p.allowed {
		return
	}
	if p.streak++; p.streak < growAfter {
		return
	}
	p.streak = 0
	if p.allowed += max(1, p.allowed/4); p.allowed >= maxLimit {
		delete(c.pages, name)
	}
}
