package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"cartiger/problem"
	"cartiger/psapi"
	"cartiger/store"
	"cartiger/vtigerws"
)

const (
	// lookAgainAfter is how long held records wait before they are tried again although nothing in the settings changed:
	// somebody may have removed the reason in the CRM.
	lookAgainAfter = 10 * time.Minute
	// longestBreak bounds the pause between passes while a server is away.
	longestBreak = 2 * time.Minute
)

// Watch follows the shop and carries every change into the CRM until the context ends or somebody asks it to stop. It
// survives servers that are away; only a wrong setting or a lost lease ends it. With Once it makes one pass.
func (e *Engine) Watch(ctx context.Context, o WatchOptions) error {
	w, runCtx, err := e.begin(ctx, "watch", store.Run{})
	if err != nil {
		return err
	}
	if o.Interval <= 0 {
		o.Interval, err = time.ParseDuration(w.settings.Get(WatchInterval))
		if err != nil {
			return w.end(ctx, err)
		}
	}
	return w.end(ctx, w.watch(runCtx, o))
}

func (w *work) watch(ctx context.Context, o WatchOptions) error {
	for failures := 0; ; {
		err := w.pass(ctx, o)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			failures = 0
			w.pace.tell("")
		case o.Once, !survivable(err):
			return err
		default:
			failures++
			w.setBack(ctx, err)
		}
		if o.Once {
			return nil
		}
		rest := o.Interval
		if failures > 0 {
			rest = min(max(rest, backoff(failures)), longestBreak)
		}
		if err := sleepUntil(ctx, rest, nil); err != nil {
			return context.Cause(ctx)
		}
		if err := w.pausing(ctx); err != nil {
			return context.Cause(ctx)
		}
	}
}

// survivable says that a later pass may go better: a server is away, slow or out of order. Wrong settings and a state
// file in trouble are a person's business.
func survivable(err error) bool {
	p, ok := problem.Of(err)
	if !ok {
		return false
	}
	switch p.Kind {
	case problem.Unavailable, problem.RateLimited, problem.Unknown:
		return p.Where != "state file"
	}
	return connection(err)
}

// setBack says, in the log and in the run's row until it is over, that a server is away and will be asked again.
func (w *work) setBack(ctx context.Context, err error) {
	words := "will try again: " + err.Error()
	w.pace.tell(words)
	w.note(ctx, "warning", words)
}

func (w *work) note(ctx context.Context, level, message string) {
	if err := w.store.Log(context.WithoutCancel(ctx), store.Entry{Level: level, Run: w.run.ID, Message: message}); err != nil {
		w.opts.Log.Warn("not logged", "message", message, "error", err)
	}
}

// pass takes one look at the shop and carries what it finds. The cursors move at its end, when all is on disk.
func (w *work) pass(ctx context.Context, o WatchOptions) error {
	if err := w.settleOpen(ctx); err != nil {
		return err
	}
	f, cursors, err := w.feed(ctx, o)
	if err != nil {
		return err
	}
	changes, next, err := f.read(ctx, cursors)
	if err != nil {
		return err
	}
	again, fingerprint, err := w.waiting(ctx)
	if err != nil {
		return err
	}
	if !changes.Empty() || len(again) > 0 {
		w.companies.forget()
		linked, err := w.ready(ctx)
		if err != nil {
			return err
		}
		if linked {
			// Our own links are in the atlas already: they are no reason to ask the CRM everything anew.
			if fingerprint, err = w.settingsPrint(ctx); err != nil {
				return err
			}
		}
		if err := w.carryChanges(ctx, changes, &next); err != nil {
			return err
		}
		if err := w.carryAgain(ctx, again); err != nil {
			return err
		}
	}
	w.fingerprint = fingerprint
	done := store.Completion{Seen: changes.Seen, Cursor: &store.CursorMove{Name: feedCursor, Value: asJSON(next)}}
	if err := w.store.Complete(ctx, done); err != nil {
		return err
	}
	return w.store.ForgetSeen(ctx, w.opts.Now().Add(-rememberFor))
}

// settleOpen asks about writes whose outcome an earlier pass could not learn.
func (w *work) settleOpen(ctx context.Context) error {
	open, err := w.store.OpenIntents(ctx)
	if err != nil || len(open) == 0 {
		return err
	}
	if err := w.sessions.fence(ctx, w.crm); err != nil {
		return err
	}
	return w.out.recover(ctx)
}

// feed is the reader of the shop's changes, with the cursors it goes on from.
func (w *work) feed(ctx context.Context, o WatchOptions) (feed, Cursors, error) {
	f := feed{shop: w.shop, seen: w.store, now: w.opts.Now, edits: map[string]bool{
		"customers": w.settings.On(CustomerEdits), "products": w.settings.On(ProductEdits), "addresses": w.settings.On(AddressEdits),
	}}
	var err error
	if f.zone, err = w.zone(ctx); err != nil {
		return f, Cursors{}, err
	}
	text, err := w.store.Cursor(ctx, feedCursor)
	if err != nil {
		return f, Cursors{}, err
	}
	c, known := readCursors(text)
	if known && (o.CatchUpFrom.IsZero() || w.caughtUp) {
		return f, c, nil
	}
	exported, err := w.firstExport(ctx)
	if err != nil {
		return f, c, err
	}
	if c, err = f.start(ctx, o.CatchUpFrom, exported); err != nil {
		return f, c, err
	}
	w.caughtUp = true
	return f, c, w.store.SetCursor(ctx, feedCursor, asJSON(c))
}

// ready logs in and asks what the CRM demands, once: an idle watch never speaks to the CRM. It says whether it linked
// the currencies, which happens at the first connection.
func (w *work) ready(ctx context.Context) (linked bool, err error) {
	if w.facts.UserID == "" {
		if err := w.login(ctx); err != nil {
			return false, err
		}
	}
	if len(w.draft.Modules) > 0 {
		return false, nil
	}
	if err := w.describeAll(ctx); err != nil {
		return false, err
	}
	return w.linkMissingCurrencies(ctx)
}

// describeAll asks what the CRM demands of everything there is. A module that is switched off holds what needs it; the
// others go on.
func (w *work) describeAll(ctx context.Context) error {
	for _, name := range w.orderModuleNames() {
		if err := w.describes(ctx, name); denied(err) {
			w.draft.Modules[name] = vtigerws.Module{}
		} else if err != nil {
			return err
		}
	}
	return nil
}

// waiting lists the held records that may go now: after a change of settings, links or defaults, and every ten minutes.
func (w *work) waiting(ctx context.Context) (held []store.Outcome, fingerprint string, err error) {
	fingerprint, err = w.settingsPrint(ctx)
	if err != nil {
		return nil, "", err
	}
	changed := w.fingerprint != "" && fingerprint != w.fingerprint
	if w.fingerprint != "" && !changed && w.opts.Now().Sub(w.lookedAgain) < lookAgainAfter {
		return nil, fingerprint, nil
	}
	held, err = w.store.Outcomes(ctx, store.Filter{States: []store.State{store.Held}, Brief: true})
	if err != nil {
		return nil, "", err
	}
	w.lookedAgain = w.opts.Now()
	if changed {
		return held, fingerprint, w.renew(ctx)
	}
	if len(held) > 0 {
		// What the CRM demanded when they were held may have changed there.
		w.forget()
	}
	return held, fingerprint, nil
}

// renew takes up changed settings and forgets what was known of the CRM.
func (w *work) renew(ctx context.Context) error {
	settings, err := w.Settings(ctx)
	if err != nil {
		return err
	}
	w.settings = settings
	w.forget()
	return w.readDefaults(ctx)
}

// forget makes the next use ask the CRM anew what it demands: a refused kind may be allowed by now.
func (w *work) forget() {
	w.crm.Forget()
	w.atlas = nil
	w.draft.Modules = map[string]vtigerws.Module{}
	w.companies.forget()
	w.out.unblock()
}

// settingsPrint changes whenever a person changes something that may let held records go.
func (w *work) settingsPrint(ctx context.Context) (string, error) {
	settings, err := w.Settings(ctx)
	if err != nil {
		return "", err
	}
	defaults, err := w.store.Defaults(ctx)
	if err != nil {
		return "", err
	}
	links, err := w.store.CurrencyLinks(ctx)
	if err != nil {
		return "", err
	}
	states, err := w.store.StateMaps(ctx)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(asJSON([]any{settings, defaults, links, states})))
	return hex.EncodeToString(sum[:]), nil
}

// carryChanges carries one pass's changes: customers first, because orders hang on them.
func (w *work) carryChanges(ctx context.Context, c Changes, next *Cursors) error {
	if err := w.reportBad(ctx, c.Bad); err != nil {
		return err
	}
	if err := w.carryProducts(ctx, c.Products, false); err != nil {
		return err
	}
	if err := w.carryProducts(ctx, c.Revised, true); err != nil {
		return err
	}
	orders, err := w.changedOrders(ctx, c, *next)
	if err != nil {
		return err
	}
	if err := w.carryPeople(ctx, c, orders, next); err != nil {
		return err
	}
	return w.carryOrders(ctx, orders, w.carry)
}

// changedOrders are the orders to carry: new ones, and changes of registered ones. Rows named only by a new state or a
// stock movement are read; orders from before following began that nobody registered are nobody's business.
func (w *work) changedOrders(ctx context.Context, c Changes, cursors Cursors) ([]psapi.Order, error) {
	rows := map[int64]psapi.Order{}
	for _, o := range c.Orders {
		rows[o.ID] = o
	}
	ids := slices.Concat(c.OrderIDs, slices.Collect(maps.Keys(rows)))
	links, err := w.store.Links(ctx, store.Order, distinct(ids)...)
	if err != nil {
		return nil, err
	}
	registered := map[int64]bool{}
	for _, l := range links {
		registered[l.ShopID] = registered[l.ShopID] || l.Module == SalesOrder
	}
	var unread []int64
	for _, id := range distinct(c.OrderIDs) {
		if _, read := rows[id]; !read && (registered[id] || id > cursors.FirstOrder) {
			unread = append(unread, id)
		}
	}
	var bad []psapi.BadRecord
	more, err := byID(ctx, w, "orders", noting(&bad, w.shop.Orders), unread, func(o psapi.Order) int64 { return o.ID })
	if err != nil {
		return nil, err
	}
	unread = slices.DeleteFunc(unread, func(id int64) bool {
		return slices.ContainsFunc(bad, func(b psapi.BadRecord) bool { return b.ID == id })
	})
	if err := w.holdMissing(ctx, unread, more); err != nil {
		return nil, err
	}
	maps.Copy(rows, more)
	maps.DeleteFunc(rows, func(id int64, _ psapi.Order) bool { return !registered[id] && id <= cursors.FirstOrder })
	return slices.SortedFunc(maps.Values(rows), func(a, b psapi.Order) int { return int(a.ID - b.ID) }), nil
}

// holdMissing holds the orders that a change names and the shop does not show. It is asked for them again with all
// that is held; if they stay away, they are gone.
func (w *work) holdMissing(ctx context.Context, named []int64, shown map[int64]psapi.Order) error {
	var chains []Chain
	for _, id := range named {
		if _, there := shown[id]; !there {
			chain := Chain{Entity: store.Order, ShopID: id, Label: orderLabel(id)}
			chains = append(chains, hold(chain, "missing", "the shop names this order in a change but does not show it; it will be asked for again"))
		}
	}
	_, err := w.carry(ctx, chains)
	return err
}

// carryPeople carries registrations, edits, first addresses and logins. A stranger who has just ordered is left to the
// order, which makes a Contact of the same person; who is linked already has logged in before.
func (w *work) carryPeople(ctx context.Context, c Changes, orders []psapi.Order, next *Cursors) error {
	ordering := map[int64]bool{}
	for _, o := range orders {
		ordering[o.Customer] = true
		delete(next.Awaited, o.Customer)
	}
	registered := map[int64]bool{}
	for _, r := range slices.Concat(c.Customers, c.Edited) {
		registered[r.ID] = true
	}
	var visitors []int64
	for _, id := range distinct(c.Visitors) {
		if !registered[id] && !ordering[id] {
			visitors = append(visitors, id)
		}
	}
	var owners []int64
	for _, a := range c.Addresses {
		if !a.Deleted && !registered[a.Customer] {
			owners = append(owners, a.Customer)
		}
	}
	owners = distinct(owners)
	strangers, err := w.unlinked(ctx, visitors)
	if err != nil {
		return err
	}
	fresh := slices.Concat(c.Customers, c.Edited)
	read, err := byID(ctx, w, "customers", w.shop.Customers, slices.Concat(owners, strangers), func(r psapi.Customer) int64 { return r.ID })
	if err != nil {
		return err
	}
	for _, id := range owners {
		if r, exists := read[id]; exists {
			fresh = append(fresh, r)
		}
	}
	people, err := w.carryPersons(ctx, fresh, nil, w.registering(ordering))
	if err != nil {
		return err
	}
	for _, p := range people {
		if p.Address != nil {
			for _, id := range p.ids() {
				delete(next.Awaited, id)
			}
		}
	}
	var logins []psapi.Customer
	for _, id := range strangers {
		if r, exists := read[id]; exists && !slices.Contains(owners, id) {
			logins = append(logins, r)
		}
	}
	_, err = w.carryPersons(ctx, logins, nil, loggingIn)
	return err
}

// registering is the rule of registrations. Strangers among those who are ordering are left to their order; who has
// ordered before, and waits since an export, becomes what the export would have made of him.
func (w *work) registering(ordering map[int64]bool) personRule {
	return func(p Person, m PersonMatch, d Drafter) (Chain, bool) {
		switch {
		case m.Found():
			return planRegistered(p, m, d), true
		case slices.ContainsFunc(p.ids(), func(id int64) bool { return ordering[id] }):
			return Chain{}, false
		case p.Ordered:
			return planExported(p, m, w.companies.known[Fold(p.Company)], d), true
		}
		return planRegistered(p, m, d), true
	}
}

func loggingIn(p Person, m PersonMatch, d Drafter) (Chain, bool) { return planLogin(p, m, d), true }

// unlinked are the customers that no link ties to the CRM yet.
func (w *work) unlinked(ctx context.Context, ids []int64) ([]int64, error) {
	links, err := w.store.Links(ctx, store.Customer, ids...)
	if err != nil {
		return nil, err
	}
	linked := map[int64]bool{}
	for _, l := range links {
		linked[l.ShopID] = true
	}
	return slices.DeleteFunc(ids, func(id int64) bool { return linked[id] }), nil
}

// personRule is what a change does to a person, and whether it is this change's business at all.
type personRule func(Person, PersonMatch, Drafter) (Chain, bool)

// carryPersons gathers customers into people with their addresses and carries them by a rule; ordered are those who
// have ordered, as far as that matters.
func (w *work) carryPersons(ctx context.Context, customers []psapi.Customer, ordered map[int64]bool, rule personRule) ([]Person, error) {
	customers = slices.DeleteFunc(customers, func(c psapi.Customer) bool { return c.Deleted })
	if len(customers) == 0 {
		return nil, nil
	}
	people, err := w.peopleOf(ctx, customers, ordered)
	if err != nil {
		return nil, err
	}
	for group := range chunks(people, batch) {
		matches, err := w.matchPeople(ctx, group)
		if err != nil && !denied(err) {
			return nil, err
		}
		if err == nil {
			_, err = w.companies.ensure(ctx, group, matches, w.carry)
		}
		if err != nil && !denied(err) {
			return nil, err
		}
		var chains []Chain
		for i, p := range group {
			if err != nil {
				chains = append(chains, hold(personChain(p), "rights", reason(err)))
			} else if chain, ours := rule(p, matches[i], w.draft); ours {
				chains = append(chains, chain)
			}
		}
		if _, err := w.carry(ctx, chains); err != nil {
			return nil, err
		}
	}
	return people, nil
}

// peopleOf reads the addresses of customers and gathers them into people.
func (w *work) peopleOf(ctx context.Context, customers []psapi.Customer, ordered map[int64]bool) ([]Person, error) {
	shop, err := w.keptAtlas(ctx)
	if err != nil {
		return nil, err
	}
	latest := addressBook{}
	for list := range chunks(customers, perList) {
		ids := make([]int64, len(list))
		for i, c := range list {
			ids[i] = c.ID
		}
		q := psapi.Query{Where: []psapi.Filter{{Field: "id_customer", Op: psapi.OneOf, Values: texts(ids)}}}
		if err := eachRow(ctx, w, w.shop.Addresses, q, latest.add); err != nil {
			return nil, err
		}
	}
	var all crowd
	for _, r := range customers {
		all.add(r)
	}
	return all.known(latest, ordered, shop), nil
}

// carryProducts carries new products by the export's rule, or edits of linked ones.
func (w *work) carryProducts(ctx context.Context, products []psapi.Product, edited bool) error {
	if len(products) == 0 {
		return nil
	}
	a, err := w.readAtlas(ctx)
	if err != nil {
		return err
	}
	for group := range chunks(articles(products), batch) {
		found, err := w.findProducts(ctx, group)
		if err != nil && !denied(err) {
			return err
		}
		var chains []Chain
		for _, art := range group {
			records := found[Fold(art.Code)]
			if err != nil {
				chains = append(chains, hold(articleChain(art), "rights", reason(err)))
			} else if edited && len(records) > 0 {
				chains = append(chains, planProductEdit(art, records[0], a.factor, w.draft))
			} else {
				chains = append(chains, planProduct(art, records, a.factor, w.draft))
			}
		}
		if _, err := w.carry(ctx, chains); err != nil {
			return err
		}
	}
	return nil
}

// carryAgain tries records once more: their shop rows are read anew and go their normal way.
func (w *work) carryAgain(ctx context.Context, outcomes []store.Outcome) error {
	ids := map[store.Entity][]int64{}
	for _, o := range outcomes {
		ids[o.Entity] = append(ids[o.Entity], o.ShopID)
	}
	var bad []psapi.BadRecord
	products, err := byID(ctx, w, "", noting(&bad, w.shop.Products), ids[store.Product], func(p psapi.Product) int64 { return p.ID })
	if err != nil {
		return err
	}
	if err := w.carryProducts(ctx, byShopID(products), w.settings.On(ProductEdits)); err != nil {
		return err
	}
	customers, err := byID(ctx, w, "customers", noting(&bad, w.shop.Customers), ids[store.Customer], func(c psapi.Customer) int64 { return c.ID })
	if err != nil {
		return err
	}
	orders, err := byID(ctx, w, "orders", noting(&bad, w.shop.Orders), ids[store.Order], func(o psapi.Order) int64 { return o.ID })
	if err != nil {
		return err
	}
	// Who waits together with an order is left to it: the order makes a Contact, not a Lead.
	ordering := map[int64]bool{}
	for _, o := range orders {
		ordering[o.Customer] = true
	}
	ordered, err := w.haveOrdered(ctx, slices.Collect(maps.Keys(customers)))
	if err != nil {
		return err
	}
	if _, err := w.carryPersons(ctx, byShopID(customers), ordered, w.registering(ordering)); err != nil {
		return err
	}
	if err := w.carryOrders(ctx, byShopID(orders), w.carry); err != nil {
		return err
	}
	return w.reportGone(ctx, outcomes, func(o store.Outcome) bool {
		_, product := products[o.ShopID]
		c, customer := customers[o.ShopID]
		customer = customer && (!c.Deleted || ordering[o.ShopID])
		_, order := orders[o.ShopID]
		return o.Entity == store.Product && product || o.Entity == store.Customer && customer || o.Entity == store.Order && order ||
			slices.ContainsFunc(bad, func(b psapi.BadRecord) bool { return unreadableEntities[b.Resource] == o.Entity && b.ID == o.ShopID })
	})
}

// haveOrdered says which customers have an order in the shop.
func (w *work) haveOrdered(ctx context.Context, customers []int64) (map[int64]bool, error) {
	ordered := map[int64]bool{}
	for list := range chunks(distinct(customers), perList) {
		q := psapi.Query{Where: []psapi.Filter{{Field: "id_customer", Op: psapi.OneOf, Values: texts(list)}}, Fields: []string{"id_customer"}, Limit: newRowsLimit}
		if err := eachRow(ctx, w, w.shop.Orders, q, func(o psapi.Order) { ordered[o.Customer] = true }); err != nil {
			return nil, err
		}
	}
	return ordered, nil
}

func byShopID[T any](rows map[int64]T) []T {
	var out []T
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		out = append(out, rows[id])
	}
	return out
}

// reportGone fails the records that the shop no longer has: trying again would go on for ever.
func (w *work) reportGone(ctx context.Context, outcomes []store.Outcome, exists func(store.Outcome) bool) error {
	if w.out == nil {
		return nil // only planned
	}
	var done store.Completion
	for _, o := range outcomes {
		if o.ShopID <= 0 || exists(o) {
			continue
		}
		o.State, o.Reason, o.Run = store.Failed, "gone", w.run.ID
		o.Detail = fmt.Sprintf("%s %d is no longer in the shop; nothing is left to do", o.Entity, o.ShopID)
		done.Outcomes = append(done.Outcomes, o)
	}
	w.out.tally(done)
	return w.store.Complete(ctx, done)
}

// Retry tries held and failed records again, all or those that the filter names.
func (e *Engine) Retry(ctx context.Context, f store.Filter) (Summary, error) {
	f.Brief = true
	outcomes, err := e.Records(ctx, f)
	if err != nil || len(outcomes) == 0 {
		return Summary{State: string(store.Finished)}, err
	}
	w, runCtx, err := e.begin(ctx, "retry", store.Run{})
	if err != nil {
		return Summary{}, err
	}
	w.count.total.Store(int64(len(outcomes)))
	if _, err = w.ready(runCtx); err == nil {
		err = w.carryAgain(runCtx, outcomes)
	}
	err = w.end(ctx, err)
	return w.summary(""), err
}
