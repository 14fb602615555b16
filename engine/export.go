package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"cartiger/problem"
	"cartiger/psapi"
	"cartiger/store"
	"cartiger/vtigerws"
)

// batch is how many records are matched by one query and intended by one transaction. The CRM answers 100 rows at most:
// one less in the list, and a full answer that needs a second query means duplicates.
const batch = 99

// exports are the kinds of export and the entity each one counts.
var exports = map[string]store.Entity{"products": store.Product, "customers": store.Customer, "orders": store.Order}

// Export writes all products, all customers or the orders of the past into the CRM (rules.md 7). It takes the lease,
// goes on with an unfinished export of its kind, and stops cleanly when the context ends.
func (e *Engine) Export(ctx context.Context, kind string, o ExportOptions) (Summary, error) {
	entity, known := exports[kind]
	if !known {
		return Summary{}, &problem.Error{Kind: problem.Invalid, Where: "export", Field: "kind", Message: "nothing is called " + kind, Cure: "Export products, customers or orders."}
	}
	unfinished, found, err := e.Unfinished(ctx, kind)
	if err != nil {
		return Summary{}, err
	}
	if o.Resume && !found {
		return Summary{}, &problem.Error{Kind: problem.NotFound, Where: "export", Code: "finished", Message: "no export of " + kind + " is unfinished", Cure: "Start it without --resume."}
	}
	if kind == "customers" && !o.Reopen && !o.DryRun && !found {
		if closed, err := e.Closed(ctx, kind); err != nil || closed {
			return Summary{}, firstErr(err, errOnceOnly)
		}
	}
	if found {
		// What an unfinished export was started with goes on holding.
		var was ExportOptions
		if json.Unmarshal([]byte(unfinished.Options), &was) == nil && o.Since.IsZero() {
			o.Since = was.Since
		}
	}
	if o.DryRun {
		return e.preview(ctx, kind, o, unfinished)
	}
	unfinished.Options = asJSON(o)
	w, runCtx, err := e.begin(ctx, kind, unfinished)
	if err != nil {
		return Summary{Entity: entity}, err
	}
	if err = w.markExport(runCtx); err == nil {
		err = w.exporting(runCtx, kind, o)
	}
	if err == nil && kind == "customers" && o.Limit == 0 {
		w.closes = true // the sampler owns the run's row until the end
	}
	err = w.end(ctx, err)
	return w.summary(entity), err
}

// exportedCursor is the named cursor that holds when the first export began.
const exportedCursor = "exported"

// markExport keeps when the first export began: what happens in the shop from then on, no export may meet.
func (w *work) markExport(ctx context.Context) error {
	began, err := w.firstExport(ctx)
	if err != nil || !began.IsZero() {
		return err
	}
	return w.store.SetCursor(ctx, exportedCursor, w.opts.Now().Format(time.RFC3339Nano))
}

// firstExport is when the first export began; zero if there was none.
func (w *work) firstExport(ctx context.Context) (time.Time, error) {
	text, err := w.store.Cursor(ctx, exportedCursor)
	if err != nil || text == "" {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, text)
}

// exporting exports until it is done. Servers that go away under way are waited for, about a minute each time: somebody
// restarts one while an export of an hour runs. What the run has settled it does not look at again. A server that has
// not answered at all is told at once.
func (w *work) exporting(ctx context.Context, kind string, o ExportOptions) error {
	answered := false
	for failures, most := 0, int64(0); ; {
		err := w.settleOpen(ctx)
		if err == nil {
			w.count.restart()
			err = w.export(ctx, kind, o, w.out.carry)
		}
		if _, clock := w.shop.Clock(); clock {
			answered = true
		}
		if p, _ := problem.Of(err); err == nil || ctx.Err() != nil || !answered || !survivable(err) || p.Code == codeAway {
			return err
		}
		if n := w.count.counts().Sum(); n > most {
			failures, most = 0, n
		}
		if failures++; failures > patience {
			return err
		}
		w.setBack(ctx, err)
		if sleepUntil(ctx, backoff(failures), nil) != nil {
			return context.Cause(ctx)
		}
	}
}

// errOnceOnly is the rule that customers are exported once (rules.md 7).
var errOnceOnly = &problem.Error{
	Kind: problem.Invalid, Where: "export", Code: "once-only",
	Message: "customers can be exported only once, and that export has completed",
	Cure:    "New customers arrive through watch. To export all again, use --reopen: those already in the CRM stay unchanged.",
}

// carrier is what takes finished chains: the outbox, or the list of a preview.
type carrier func(ctx context.Context, chains []Chain) ([]carried, error)

func (w *work) export(ctx context.Context, kind string, o ExportOptions, carry carrier) error {
	switch kind {
	case "products":
		return w.exportProducts(ctx, o, carry)
	case "customers":
		return w.exportCustomers(ctx, o, carry)
	}
	return w.exportOrders(ctx, o, carry)
}

// Unfinished gives the export of a kind that was interrupted, stopped or broken off.
func (e *Engine) Unfinished(ctx context.Context, kind string) (store.Run, bool, error) {
	run, found, err := e.store.OpenRun(ctx, kind)
	return run, found, err
}

// Closed says whether an export that may happen once has completed.
func (e *Engine) Closed(ctx context.Context, kind string) (bool, error) {
	return e.store.ClosedRun(ctx, kind)
}

// settled are the records that the unfinished run has accounted for already.
func (w *work) settled(ctx context.Context, entity store.Entity) (map[int64]bool, error) {
	done := map[int64]bool{}
	if w.run.ID == 0 {
		return done, nil
	}
	states, err := w.store.RunStates(ctx, w.run.ID, entity)
	for id, state := range states {
		// A held or failed record gets another chance when its export goes on.
		if state != store.Held && state != store.Failed {
			done[id] = true
			w.count.add(state)
		}
	}
	return done, err
}

// preview plans an export without lease, run or write: reading both servers is all it does.
func (e *Engine) preview(ctx context.Context, kind string, o ExportOptions, unfinished store.Run) (Summary, error) {
	settings, err := e.Settings(ctx)
	if err != nil {
		return Summary{}, err
	}
	if missing := settings.Missing(); len(missing) > 0 {
		return Summary{}, missingSettings(missing)
	}
	w, err := e.reading(ctx, settings, unfinished)
	if err != nil {
		return Summary{}, err
	}
	began := e.opts.Now()
	var planned []Planned
	if err := w.export(ctx, kind, o, listing(&planned)); err != nil {
		return Summary{}, err
	}
	counts := w.count.counts() // what an unfinished export has settled already
	s := Summary{Entity: exports[kind], State: "preview", Total: w.count.total.Load(), Planned: planned, Took: e.opts.Now().Sub(began), ShopRequests: w.shop.Requests(), CRMRequests: w.crm.Requests()}
	s.Created, s.Updated, s.Unchanged, s.Held, s.Failed = counts.Created, counts.Updated, counts.Unchanged, counts.Held, counts.Failed
	for _, p := range planned {
		if p.Entity == s.Entity { // an export of orders also makes customers and products
			s.count(p.State)
		}
	}
	return s, nil
}

// listing takes chains without writing them: it lists what they would do.
func listing(planned *[]Planned) carrier {
	return func(_ context.Context, chains []Chain) ([]carried, error) {
		made := make([]carried, len(chains))
		for i, c := range chains {
			made[i] = carried{ids: pretended(c), state: c.State, why: c.Detail}
			*planned = append(*planned, c.planned()...)
		}
		return made, nil
	}
}

func (s *Summary) count(state store.State) {
	switch state {
	case store.Created:
		s.Created++
	case store.Updated:
		s.Updated++
	case store.Unchanged:
		s.Unchanged++
	case store.Held:
		s.Held++
	case store.Failed:
		s.Failed++
	}
}

// pretended stands for the ids that the writes of a preview would get.
func pretended(c Chain) refs {
	ids := refs{}
	for _, w := range c.Writes {
		ids[w.Name] = Ref(w.Name)
	}
	return ids
}

// planned tells a chain to people: one line per shop record.
func (c Chain) planned() []Planned {
	if c.Quiet {
		return nil
	}
	line := Planned{Entity: c.Entity, ShopID: c.ShopID, Label: c.Label, State: c.State, Detail: c.Detail}
	for _, w := range c.Writes {
		line.Writes = append(line.Writes, string(w.Write.Op)+" "+w.Write.Module)
	}
	lines := []Planned{line}
	for _, id := range c.Followers {
		lines = append(lines, Planned{Entity: c.Entity, ShopID: id, Label: c.Label, State: store.Unchanged, Detail: fmt.Sprintf("is the same as %s %d", c.Entity, c.ShopID)})
	}
	return lines
}

// exportProducts writes every product, active or not, whose code the CRM lacks.
func (w *work) exportProducts(ctx context.Context, o ExportOptions, carry carrier) error {
	if err := w.describes(ctx, Products); err != nil {
		return err
	}
	factor, err := w.priceFactor(ctx)
	if err != nil {
		return err
	}
	done, err := w.settled(ctx, store.Product)
	if err != nil {
		return err
	}
	products, err := readAll(ctx, w, counted(w, w.shop.Products), psapi.Query{})
	if err != nil {
		return err
	}
	if o.Limit > 0 && len(products) > o.Limit {
		products = products[:o.Limit]
	}
	all := articles(products)
	var todo []Article
	total := int64(0)
	for _, a := range all {
		total += int64(len(a.Products))
		if !done[a.Products[0].ID] {
			todo = append(todo, a)
		}
	}
	w.count.total.Store(total)
	for group := range chunks(todo, batch) {
		if err := w.pausing(ctx); err != nil {
			return err
		}
		found, err := w.findProducts(ctx, group)
		if err != nil {
			return err
		}
		chains := make([]Chain, len(group))
		for i, art := range group {
			chains[i] = planProduct(art, found[Fold(art.Code)], factor, w.draft)
		}
		if _, err := carry(ctx, chains); err != nil {
			return err
		}
	}
	return nil
}

// findProducts looks a hundred articles up by code, and those that have a link but another code in the CRM by their id.
func (w *work) findProducts(ctx context.Context, group []Article) (map[string][]vtigerws.Record, error) {
	codes := make([]string, len(group))
	var ids []int64
	for i, a := range group {
		codes[i] = a.Code
		ids = append(ids, a.Products[0].ID)
	}
	fields := []string{"productcode", "productname", "unit_price", "discontinued", "description"}
	records, err := w.crm.Find(ctx, Products, "productcode", codes, fields...)
	if err != nil {
		return nil, err
	}
	byCode, byID := map[string][]vtigerws.Record{}, map[string]vtigerws.Record{}
	for _, r := range records {
		byCode[Fold(r["productcode"])] = append(byCode[Fold(r["productcode"])], r)
		byID[r.ID()] = r
	}
	links, err := w.store.Links(ctx, store.Product, ids...)
	if err != nil {
		return nil, err
	}
	linked := map[int64]string{}
	var lost []string
	for _, l := range links {
		linked[l.ShopID] = l.CRMID
		if byID[l.CRMID] == nil {
			lost = append(lost, l.CRMID)
		}
	}
	if len(lost) > 0 {
		renamed, err := w.crm.Find(ctx, Products, "id", lost, fields...)
		if err != nil {
			return nil, err
		}
		for _, r := range renamed {
			byID[r.ID()] = r
		}
	}
	for _, a := range group {
		// The link comes before the code (rules.md 1): a person may have given the product another code in the CRM.
		if r := byID[linked[a.Products[0].ID]]; r != nil {
			byCode[Fold(a.Code)] = []vtigerws.Record{r}
		}
	}
	return byCode, w.findSharers(ctx, group, byCode, linked)
}

// findSharers names, for articles that are new to us, the other products of the shop that are the CRM's product already.
func (w *work) findSharers(ctx context.Context, group []Article, byCode map[string][]vtigerws.Record, linked map[int64]string) error {
	article := map[string]int{}
	for i, a := range group {
		if records := byCode[Fold(a.Code)]; len(records) > 0 && linked[a.Products[0].ID] == "" {
			article[records[0].ID()] = i
		}
	}
	links, err := w.store.LinksByCRM(ctx, slices.Collect(maps.Keys(article))...)
	for _, l := range links {
		a := &group[article[l.CRMID]]
		if l.Entity == store.Product && !slices.ContainsFunc(a.Products, func(p psapi.Product) bool { return p.ID == l.ShopID }) {
			a.Others = append(a.Others, l.ShopID)
		}
	}
	return err
}

// exportCustomers writes everybody who is not deleted in the shop and whose e-mail the CRM lacks.
func (w *work) exportCustomers(ctx context.Context, o ExportOptions, carry carrier) error {
	if err := w.describes(ctx, Leads, Contacts, Accounts); err != nil {
		return err
	}
	people, err := w.readPeople(ctx)
	if err != nil {
		return err
	}
	if o.Limit > 0 {
		people = firstCustomers(people, o.Limit)
	}
	done, err := w.settled(ctx, store.Customer)
	if err != nil {
		return err
	}
	total := int64(0)
	var todo []Person
	for _, p := range people {
		total += int64(len(p.Customers))
		if !done[p.Main().ID] {
			todo = append(todo, p)
		}
	}
	w.count.total.Store(total)
	for group := range chunks(todo, batch) {
		if err := w.pausing(ctx); err != nil {
			return err
		}
		matches, err := w.matchPeople(ctx, group)
		if err != nil {
			return err
		}
		accounts, err := w.companies.ensure(ctx, group, matches, carry)
		if err != nil {
			return err
		}
		chains := make([]Chain, len(group))
		for i, p := range group {
			chains[i] = planExported(p, matches[i], accounts[Fold(p.Company)], w.draft)
		}
		if _, err := carry(ctx, chains); err != nil {
			return err
		}
	}
	return nil
}

// matchPeople finds whom the CRM knows: one query per hundred and module, only for those not found yet (rules.md 1).
func (w *work) matchPeople(ctx context.Context, people []Person) ([]PersonMatch, error) {
	var ids []int64
	for _, p := range people {
		ids = append(ids, p.ids()...)
	}
	links, err := w.store.Links(ctx, store.Customer, ids...)
	if err != nil {
		return nil, err
	}
	linkedTo := map[int64]map[string]string{}
	for _, l := range links {
		if linkedTo[l.ShopID] == nil {
			linkedTo[l.ShopID] = map[string]string{}
		}
		linkedTo[l.ShopID][l.Module] = l.CRMID
	}
	found := make([]map[string][]vtigerws.Record, len(people))
	linked := make([]map[string]string, len(people))
	for i, p := range people {
		found[i], linked[i] = map[string][]vtigerws.Record{}, map[string]string{}
		for _, c := range p.Customers {
			for module, id := range linkedTo[c.ID] {
				linked[i][module] = id
			}
		}
	}
	for _, m := range personModules {
		var emails []string
		var ids []string
		for i, p := range people {
			if matchPerson(linked[i], found[i]).Found() {
				continue
			}
			if _, held := nobody(Chain{}, p); held {
				continue
			}
			emails = append(emails, p.Email)
			if id := linked[i][m.Module]; id != "" {
				ids = append(ids, id)
			}
		}
		if len(emails) == 0 {
			continue
		}
		fields := w.readable(m.Module)
		records, err := w.crm.Find(ctx, m.Module, m.EmailField, emails, fields...)
		if err != nil {
			return nil, err
		}
		if len(ids) > 0 {
			// The link comes before the e-mail: a person may have changed the address in the CRM.
			seen := map[string]bool{}
			for _, r := range records {
				seen[r.ID()] = true
			}
			var other []string
			for _, id := range ids {
				if !seen[id] {
					other = append(other, id)
				}
			}
			if len(other) > 0 {
				more, err := w.crm.Find(ctx, m.Module, "id", other, append(fields, m.EmailField)...)
				if err != nil {
					return nil, err
				}
				records = append(records, more...)
			}
		}
		for i, p := range people {
			for _, r := range records {
				if Fold(r[m.EmailField]) == Fold(p.Email) || r.ID() == linked[i][m.Module] {
					found[i][m.Module] = append(found[i][m.Module], r)
				}
			}
		}
	}
	out := make([]PersonMatch, len(people))
	for i := range people {
		out[i] = matchPerson(linked[i], found[i])
	}
	return out, nil
}

// everybody has a value everywhere: it makes personFields name all the fields that the shop owns.
var everybody = Person{
	Email: "x", Customers: []psapi.Customer{{LastName: "x", FirstName: "x", Birthday: "x"}}, Company: "x", Country: "x", State: "x",
	Address: &psapi.Address{Address1: "x", Address2: "x", Postcode: "x", City: "x", Phone: "x", PhoneMobile: "x"},
}

// readable are the fields of a person that a query may name: a hidden one would make the CRM refuse it (wire/vtiger.md 2).
func (w *work) readable(module string) []string {
	fields := sortedFields(personFields(module, everybody))
	switch module {
	case Contacts:
		fields = append(fields, "account_id")
	case Leads:
		fields = slices.AppendSeq(fields, maps.Keys(leadToContact))
	}
	described := w.draft.Modules[module]
	slices.Sort(fields)
	return slices.DeleteFunc(slices.Compact(fields), func(name string) bool {
		_, visible := described.Field(name)
		return !visible
	})
}

// readPeople reads the shop's customers with their addresses and who has ordered, and gathers them by e-mail.
func (w *work) readPeople(ctx context.Context) ([]Person, error) {
	// All are asked for and the deleted ones left out here: an empty answer to a filter could be an SQL error that the
	// shop swallowed, while that of a whole table is not believed (wire/prestashop.md 3).
	kept := func(ctx context.Context, q psapi.Query) (psapi.Page[psapi.Customer], error) {
		page, err := w.shop.Customers(ctx, q)
		page.Items = slices.DeleteFunc(page.Items, func(c psapi.Customer) bool { return c.Deleted })
		return page, err
	}
	var all crowd
	if err := eachRow(ctx, w, counted(w, kept), psapi.Query{Fields: customerFields}, all.add); err != nil {
		return nil, err
	}
	latest := addressBook{}
	if err := eachRow(ctx, w, w.shop.Addresses, psapi.Query{Fields: addressFields}, latest.add); err != nil {
		return nil, err
	}
	ordered := map[int64]bool{}
	err := eachRow(ctx, w, w.shop.Orders, psapi.Query{Fields: []string{"id_customer"}, Limit: 250}, func(o psapi.Order) { ordered[o.Customer] = true })
	if err != nil {
		return nil, err
	}
	shop, err := w.keptAtlas(ctx)
	if err != nil {
		return nil, err
	}
	return all.known(latest, ordered, shop), nil
}

// What is asked for of people: there may be hundreds of thousands, and all of them are held together by their e-mails.
var (
	customerFields = []string{"lastname", "firstname", "email", "company", "birthday", "active", "is_guest", "deleted"}
	addressFields  = []string{"id_customer", "id_country", "id_state", "company", "address1", "address2", "postcode", "city", "phone", "phone_mobile", "deleted"}
)

// addressBook is the latest address of each customer that is not deleted.
type addressBook map[int64]*psapi.Address

func (b addressBook) add(a psapi.Address) {
	if a.Customer > 0 && !a.Deleted {
		b[a.Customer] = &a
	}
}

// crowd gathers customers into people: one per e-mail, in the order of their first customer.
type crowd struct {
	people []Person
	at     map[string]int // by e-mail
}

func (c *crowd) add(r psapi.Customer) {
	if c.at == nil {
		c.at = map[string]int{}
	}
	email := Email(r.Email)
	i, seen := c.at[Fold(email)]
	if !seen || email == "" {
		i = len(c.people)
		c.at[Fold(email)] = i
		c.people = append(c.people, Person{Email: email})
	}
	c.people[i].Customers = append(c.people[i].Customers, r)
}

// known gives the people with what is known of them: their addresses, and who has ordered.
func (c *crowd) known(latest addressBook, ordered map[int64]bool, where shopAtlas) []Person {
	people := c.people
	for i := range people {
		p := &people[i]
		for _, r := range p.Customers {
			if ordered[r.ID] {
				p.Ordered, p.Buyers = true, append(p.Buyers, r.ID)
			}
		}
		// The main customer's latest address speaks; without one, the latest of the others.
		a := latest[p.Main().ID]
		for _, c := range p.Customers {
			if a == nil {
				a = latest[c.ID]
			}
		}
		if a != nil {
			p.Address = a
			p.Country, p.State = where.Countries[a.Country], where.Provinces[a.State]
			p.Company = a.Company
		}
		p.Company = companyName(p.Company, p.Main().Company)
	}
	return people
}

// readAll reads a resource as a whole.
func readAll[T any](ctx context.Context, w *work, read func(context.Context, psapi.Query) (psapi.Page[T], error), q psapi.Query) ([]T, error) {
	var all []T
	err := eachRow(ctx, w, read, q, func(row T) { all = append(all, row) })
	return all, err
}

// eachRow reads a resource page by page. What nobody can read is reported as failed, never taken as missing.
func eachRow[T any](ctx context.Context, w *work, read func(context.Context, psapi.Query) (psapi.Page[T], error), q psapi.Query, do func(T)) error {
	for {
		page, err := read(ctx, q)
		if err != nil {
			return ctxErr(ctx, err)
		}
		for _, row := range page.Items {
			do(row)
		}
		if err := w.reportBad(ctx, page.Bad); err != nil || !page.More {
			return err
		}
		q.After = page.Last
	}
}

// counted lets the total grow while a resource is read, so that a person sees the run at work.
func counted[T any](w *work, read func(context.Context, psapi.Query) (psapi.Page[T], error)) func(context.Context, psapi.Query) (psapi.Page[T], error) {
	w.count.total.Store(0)
	return func(ctx context.Context, q psapi.Query) (psapi.Page[T], error) {
		page, err := read(ctx, q)
		w.count.total.Add(int64(len(page.Items)))
		return page, err
	}
}

// firstCustomers keeps the first people until they are so many customers.
func firstCustomers(people []Person, limit int) []Person {
	for i, p := range people {
		if limit -= len(p.Customers); limit <= 0 {
			return people[:i+1]
		}
	}
	return people
}

// unreadableEntities are the resources whose rows are records of their own.
var unreadableEntities = map[string]store.Entity{"customers": store.Customer, "products": store.Product, "orders": store.Order}

// reportBad lists the shop's unreadable records as failed, so that a person sees them.
func (w *work) reportBad(ctx context.Context, bad []psapi.BadRecord) error {
	var done store.Completion
	for _, b := range bad {
		text := unreadableWords(b)
		done.Entries = append(done.Entries, store.Entry{Level: "warning", Run: w.run.ID, Message: text})
		if entity, ok := unreadableEntities[b.Resource]; ok && b.ID > 0 {
			done.Outcomes = append(done.Outcomes, store.Outcome{Entity: entity, ShopID: b.ID, State: store.Failed, Reason: "unreadable", Detail: text, Label: fmt.Sprintf("%s %d", entity, b.ID), Run: w.run.ID})
		}
	}
	if w.out == nil {
		return nil // a preview writes nothing
	}
	w.out.tally(done)
	return w.store.Complete(ctx, done)
}
