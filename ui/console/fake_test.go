package console

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/store"
)

// clock is the moment every test starts at: the one testing/synctest starts its clock with.
var clock = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

const me = "anna@shop1 (pid 4121)"

// fake is an engine and its state file in memory: enough of their behaviour for the screens, none of their rules.
type fake struct {
	mu        sync.Mutex
	now       func() time.Time
	saved     map[string]string
	checks    []engine.Check
	entities  []engine.EntityStatus
	fields    []engine.MandatoryField
	table     engine.CurrencyTable
	states    []engine.StateRow
	people    []engine.Choice
	holder    store.Lease
	held      bool
	runs      []store.Run
	counts    map[store.Entity]store.Counts
	entries   []store.Entry
	outcomes  []store.Outcome
	testSteps []engine.Step
	fail      map[string]error // method -> what it answers
	done      []string         // what was asked of it, in order
	requests  []string         // pause, resume, stop
	perSecond int
	retried   store.Outcome // what Retry makes of the record; zero: it is gone from the list
	slowTable time.Duration // how long Currencies takes to answer with what it saw
}

func (f *fake) did(format string, args ...any) {
	f.done = append(f.done, fmt.Sprintf(format, args...))
}

func (f *fake) locked(method string) func() {
	f.mu.Lock()
	return f.mu.Unlock
}

func (f *fake) Settings(context.Context) (engine.Settings, error) {
	defer f.locked("Settings")()
	return maps.Clone(f.saved), f.fail["Settings"]
}

func (f *fake) Save(_ context.Context, set map[string]string) error {
	defer f.locked("Save")()
	if err := f.fail["Save"]; err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		s, _ := engine.FindSetting(name)
		if err := s.Check(set[name]); err != nil {
			return err
		}
		f.did("save %s=%s", name, set[name])
	}
	maps.Copy(f.saved, set)
	return nil
}

func (f *fake) TestConnection(ctx context.Context, draft map[string]string, tell func(engine.Step)) (engine.Status, error) {
	f.mu.Lock()
	f.did("test with %v", slices.Sorted(maps.Keys(draft)))
	steps, err := f.testSteps, f.fail["TestConnection"]
	f.mu.Unlock()
	for _, s := range steps {
		if !sleep(ctx, s.Took) {
			return engine.Status{}, ctx.Err()
		}
		tell(s)
	}
	return engine.Status{}, err
}

// sleep waits, unless the context ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *fake) Status(ctx context.Context) (engine.Status, error) {
	if !sleep(ctx, 300*time.Millisecond) {
		return engine.Status{}, ctx.Err()
	}
	defer f.locked("Status")()
	if missing := engine.Settings(f.saved).Missing(); len(missing) > 0 {
		return engine.Status{At: f.now(), Entities: f.entities, Checks: []engine.Check{{
			ID: "setup", Title: "Set-up", Level: engine.Failure, Text: "not set: " + strings.Join(missing, ", "),
			Cure: "Type them in Connection and press t, or run `cartiger connect`.",
		}}}, nil
	}
	return engine.Status{Checks: f.checks, Entities: f.entities, At: f.now()}, f.fail["Status"]
}

func (f *fake) StoredStatus(context.Context) (engine.Status, error) {
	defer f.locked("StoredStatus")()
	return engine.Status{Entities: f.entities}, f.fail["StoredStatus"]
}

func (f *fake) Mandatory(context.Context) ([]engine.MandatoryField, error) {
	defer f.locked("Mandatory")()
	return slices.Clone(f.fields), f.fail["Mandatory"]
}

func (f *fake) SetDefault(_ context.Context, module, field, value, label string) error {
	defer f.locked("SetDefault")()
	f.did("default %s.%s=%s (%s)", module, field, value, label)
	for i := range f.fields {
		if f.fields[i].Module == module && f.fields[i].Field == field {
			f.fields[i].Default, f.fields[i].DefaultFor, f.fields[i].Needed = value, label, false
		}
	}
	return f.fail["SetDefault"]
}

func (f *fake) UnsetDefault(_ context.Context, module, field string) error {
	defer f.locked("UnsetDefault")()
	f.did("no default %s.%s", module, field)
	return nil
}

func (f *fake) SearchReference(_ context.Context, module, text string) ([]engine.Choice, error) {
	defer f.locked("SearchReference")()
	f.did("search %s %q", module, text)
	var found []engine.Choice
	for _, c := range f.people {
		if strings.Contains(strings.ToLower(c.Label), strings.ToLower(text)) {
			found = append(found, c)
		}
	}
	return found, f.fail["SearchReference"]
}

func (f *fake) Currencies(context.Context) (engine.CurrencyTable, error) {
	unlock := f.locked("Currencies")
	t, err := f.table, f.fail["Currencies"]
	t.Rows = slices.Clone(t.Rows)
	unlock()
	time.Sleep(f.slowTable)
	return t, err
}

func (f *fake) ProposeCurrencies(context.Context) ([]engine.CurrencyStep, error) {
	defer f.locked("ProposeCurrencies")()
	return f.steps(), f.fail["ProposeCurrencies"]
}

func (f *fake) steps() []engine.CurrencyStep {
	var steps []engine.CurrencyStep
	for _, r := range f.table.Rows {
		switch {
		case r.State == "not linked":
			steps = append(steps, engine.CurrencyStep{Action: "link", Code: r.CRMCode, Text: "link " + r.CRMName + " - " + r.CRMCode, CRMID: r.CRMID, ShopID: r.ShopID})
		case r.State == "missing" && r.ShopActive:
			steps = append(steps, engine.CurrencyStep{Action: "create", Code: r.ShopCode, Text: "create " + r.ShopName + " - " + r.ShopCode + " in the CRM and link it", ShopID: r.ShopID})
		}
	}
	return steps
}

func (f *fake) LinkCurrencies(context.Context) ([]engine.CurrencyStep, error) {
	defer f.locked("LinkCurrencies")()
	steps := f.steps()
	f.did("link currencies")
	for i := range f.table.Rows {
		r := &f.table.Rows[i]
		if r.State == "not linked" || r.State == "missing" {
			r.State, r.By = "linked", "auto"
			if r.CRMID == "" {
				r.CRMID, r.CRMName, r.CRMCode = fmt.Sprintf("21x%d", 10+i), r.ShopName, r.ShopCode
			}
		}
	}
	return steps, nil
}

func (f *fake) SetCurrencyLink(_ context.Context, crmID string, shopID int64) error {
	defer f.locked("SetCurrencyLink")()
	f.did("link %s=%d", crmID, shopID)
	for i := range f.table.Rows {
		if r := &f.table.Rows[i]; r.CRMID == crmID {
			r.State, r.By = "linked", "hand"
			f.table.HeldByLinks = 0
		}
	}
	return f.fail["SetCurrencyLink"]
}

func (f *fake) RemoveCurrencyLink(_ context.Context, crmID string) error {
	defer f.locked("RemoveCurrencyLink")()
	f.did("unlink %s", crmID)
	return nil
}

func (f *fake) States(context.Context) ([]engine.StateRow, error) {
	defer f.locked("States")()
	return slices.Clone(f.states), f.fail["States"]
}

func (f *fake) SetState(_ context.Context, row engine.StateRow) error {
	defer f.locked("SetState")()
	f.did("state %d=%s, %s", row.ShopState, row.SOStatus, row.InvoiceStatus)
	return nil
}

func (f *fake) ResetState(_ context.Context, id int64) error {
	defer f.locked("ResetState")()
	f.did("state %d=default", id)
	return nil
}

func (f *fake) StateChoices(context.Context) (so, invoice []string, err error) {
	return []string{"Created", "Approved", "Delivered", "Cancelled"}, []string{"AutoCreated", "Created", "Approved", "Sent", "Credit Invoice", "Paid", "Cancel"}, nil
}

var totals = map[string]int64{"products": 1607, "customers": 2303, "orders": 1300}

// Export writes one record at a time, perSecond of them, and puts its progress where the console looks for it.
func (f *fake) Export(ctx context.Context, kind string, o engine.ExportOptions) (engine.Summary, error) {
	f.mu.Lock()
	f.did("export %s dry=%v resume=%v since=%s", kind, o.DryRun, o.Resume, o.Since.Format(time.DateOnly))
	if err := f.fail["Export"]; err != nil {
		f.mu.Unlock()
		return engine.Summary{}, err
	}
	total := totals[kind]
	if o.DryRun {
		defer f.mu.Unlock()
		return engine.Summary{Total: total, Created: 2, Unchanged: total - 3, Held: 1, Planned: []engine.Planned{
			{Entity: store.Product, ShopID: 3, Label: "SKU_3", State: store.Unchanged, Detail: "already in the CRM by its code"},
			{Entity: store.Product, ShopID: 1, Label: "SKU_1", State: store.Created, Writes: []string{"create Products"}},
			{Entity: store.Product, ShopID: 2, Label: "#presta_2", State: store.Created, Writes: []string{"create Products"}},
			{Entity: store.Product, ShopID: 4, Label: "SKU_4", State: store.Held, Detail: "mandatory field vendor_id has no default"},
		}}, nil
	}
	at := f.begin(kind, me)
	f.mu.Unlock()
	pause := time.Second / time.Duration(f.perSecond)
	for {
		if !sleep(ctx, pause) {
			time.Sleep(200 * time.Millisecond) // records in flight end
			return f.end(at, store.Stopped), nil
		}
		f.mu.Lock()
		r := &f.runs[at]
		request := f.holder.Request
		f.holder.Request, f.holder.Beat = "", f.now()
		switch request {
		case "pause":
			r.State = store.Paused
		case "resume":
			r.State = store.Running
		}
		if r.State == store.Running {
			f.carry(r)
		}
		finished := r.Sum() >= r.Total
		f.mu.Unlock()
		if finished {
			return f.end(at, store.Finished), nil
		}
	}
}

func (f *fake) begin(kind, who string) int {
	run := store.Run{ID: int64(len(f.runs) + 1), Kind: kind, State: store.Running, Who: who, Started: f.now(), Beat: f.now(), Total: totals[kind], Workers: 2}
	for i, r := range f.runs {
		if r.Kind == kind && (r.State == store.Interrupted || r.State == store.Stopped) {
			f.runs[i].State, f.runs[i].Who = store.Running, who
			f.held, f.holder = true, store.Lease{Who: who, Run: r.ID, Beat: f.now()}
			return i
		}
	}
	f.runs = append(f.runs, run)
	f.held, f.holder = true, store.Lease{Who: who, Run: run.ID, Beat: f.now()}
	return len(f.runs) - 1
}

func (f *fake) carry(r *store.Run) {
	n := r.Sum() + 1
	e := store.Entry{At: f.now(), Level: "info", Run: r.ID, Entity: entityOf(r.Kind), ShopID: n, Label: fmt.Sprintf("SKU_%d", n), State: store.Created, Message: fmt.Sprintf("Products 6x%d", 1000+n)}
	if n%29 == 0 {
		e.State, e.Message = store.Unchanged, "already in the CRM by its code"
		e.Label = fmt.Sprintf("A.%d-É", n)
		r.Unchanged++
	} else {
		r.Created++
	}
	f.log(e)
}

func (f *fake) log(e store.Entry) {
	e.ID = int64(len(f.entries) + 1)
	f.entries = append(f.entries, e)
}

func (f *fake) end(at int, state store.RunState) engine.Summary {
	defer f.locked("end")()
	r := &f.runs[at]
	r.State, r.Ended, r.Closed = state, f.now(), r.Kind == "customers" && state == store.Finished
	f.held = false
	f.did("%s %s", r.Kind, state)
	return engine.Summary{Run: r.ID, State: string(state), Total: r.Total, Created: r.Created, Unchanged: r.Unchanged, Held: r.Held, Failed: r.Failed}
}

func (f *fake) Unfinished(_ context.Context, kind string) (store.Run, bool, error) {
	defer f.locked("Unfinished")()
	for _, r := range f.runs {
		if r.Kind == kind && (r.State == store.Interrupted || r.State == store.Stopped) {
			return r, true, nil
		}
	}
	return store.Run{}, false, nil
}

func (f *fake) Closed(_ context.Context, kind string) (bool, error) {
	defer f.locked("Closed")()
	return slices.ContainsFunc(f.runs, func(r store.Run) bool { return r.Kind == kind && r.Closed }), nil
}

func (f *fake) Watch(ctx context.Context, o engine.WatchOptions) error {
	f.mu.Lock()
	f.did("watch every %s", o.Interval)
	at := f.begin("watch", me)
	f.runs[at].Total = 0
	f.mu.Unlock()
	<-ctx.Done()
	f.end(at, store.Stopped)
	return ctx.Err()
}

func (f *fake) Ask(_ context.Context, request string) error {
	defer f.locked("Ask")()
	f.requests = append(f.requests, request)
	f.holder.Request = request
	return f.fail["Ask"]
}

func (f *fake) Records(_ context.Context, filter store.Filter) ([]store.Outcome, error) {
	defer f.locked("Records")()
	return slices.Clone(f.outcomes), f.fail["Records"]
}

func (f *fake) Record(_ context.Context, entity store.Entity, id int64) (engine.RecordView, error) {
	defer f.locked("Record")()
	for _, o := range f.outcomes {
		if o.Entity == entity && o.ShopID == id {
			return engine.RecordView{
				Outcome: o,
				Links:   []store.Link{{Module: "Contacts", CRMID: "4x12", Key: "jean@example.test"}},
			}, nil
		}
	}
	return engine.RecordView{}, &problem.Error{Kind: problem.NotFound, Where: "records", Message: fmt.Sprintf("nothing is known of %s %d", entity, id)}
}

func (f *fake) Would(ctx context.Context, entity store.Entity, id int64) (engine.Planned, error) {
	if !sleep(ctx, 5*time.Millisecond) {
		return engine.Planned{}, ctx.Err()
	}
	defer f.locked("Would")()
	return engine.Planned{Entity: entity, ShopID: id, State: store.Held, Writes: []string{"create Contacts for jean@example.test"}, Detail: "currency CHF is not linked"}, f.fail["Would"]
}

func (f *fake) Retry(ctx context.Context, filter store.Filter) (engine.Summary, error) {
	f.mu.Lock()
	f.did("retry %s %d", filter.Entity, filter.ShopID)
	f.mu.Unlock()
	if !sleep(ctx, time.Second) {
		return engine.Summary{}, ctx.Err()
	}
	defer f.locked("Retry")()
	n := int64(len(f.outcomes))
	f.outcomes, f.counts = nil, map[store.Entity]store.Counts{}
	if f.retried.State != "" {
		f.outcomes = []store.Outcome{f.retried}
	}
	return engine.Summary{State: "finished", Total: n, Created: n}, nil
}

func (f *fake) LastRun(_ context.Context, kind string) (store.Run, bool, error) {
	defer f.locked("LastRun")()
	for _, r := range slices.Backward(f.runs) {
		if r.Kind == kind {
			return r, true, f.fail["LastRun"]
		}
	}
	return store.Run{}, false, f.fail["LastRun"]
}

func (f *fake) Runs(context.Context, int) ([]store.Run, error) {
	defer f.locked("Runs")()
	runs := slices.Clone(f.runs)
	slices.Reverse(runs)
	return runs, nil
}

func (f *fake) Holder(context.Context) (store.Lease, bool, error) {
	defer f.locked("Holder")()
	return f.holder, f.held, nil
}

func (f *fake) Entries(_ context.Context, filter store.Filter) ([]store.Entry, error) {
	defer f.locked("Entries")()
	var found []store.Entry
	for _, e := range f.entries {
		if e.ID > filter.After {
			found = append(found, e)
		}
	}
	if filter.After == 0 {
		slices.Reverse(found)
	}
	return found[:min(len(found), filter.Limit)], nil
}

func (f *fake) CountOutcomes(context.Context) (map[store.Entity]store.Counts, error) {
	defer f.locked("CountOutcomes")()
	return maps.Clone(f.counts), nil
}

var errGone = errors.New("database is locked")

// newFake is an installation that has been at work for a while.
func newFake() *fake {
	f := &fake{now: func() time.Time { return clock }, fail: map[string]error{}, counts: map[store.Entity]store.Counts{}, perSecond: 86}
	f.saved = map[string]string{
		engine.CRMURL: "https://crm.example.test/", engine.CRMUser: "admin", engine.CRMKey: "s3cr3tAccessKey",
		engine.ShopURL: "https://shop.example.test/", engine.ShopKey: strings.Repeat("K", 32),
	}
	ok := func(id, title, text string) engine.Check {
		return engine.Check{ID: id, Title: title, Level: engine.OK, Text: text, Meaning: "This is how it should be."}
	}
	f.checks = []engine.Check{
		ok("setup", "Set-up", "complete"),
		ok("crm", "vtiger CRM", "5.2.1, 84 ms, logged in as admin"),
		ok("shop", "PrestaShop", "1.4.11.1, 132 ms, Europe/Paris"),
		ok("module", "Module Prestashop", "not installed: orders are registered in the state file only"),
		{
			ID: "origin", Title: "Origin value", Level: engine.Warning, Text: "'Prestashop' is not in the Lead Source list of Leads",
			Meaning: "New Leads and Contacts carry Prestashop as their origin (leadsource).", Asked: "Leads.leadsource has: --None--, Cold Call, Web Site",
			Cure: "In vtiger: Settings, Picklist Editor, Lead Source: add the value Prestashop (capital P). Records are written all the same.",
		},
		ok("modules", "Modules", "7 of 7 active, create update delete retrieve"),
		ok("mandatory", "Mandatory fields", "4 without source value, all have defaults"),
		ok("shop-rights", "Shop key", "15 of 15 resources readable"),
		{
			ID: "currencies", Title: "Currencies", Level: engine.Warning, Text: "1 of 4 shop currencies not linked (CHF)",
			Meaning: "An order is written in its own currency; its currency must be linked.",
			Cure:    "Configuration, l links automatically (`cartiger currencies auto`). Orders in an unlinked currency are held.",
		},
		ok("clock", "Clocks", "shop +2 s, CRM +0 s"),
		ok("state", "State file", "/home/anna/.local/state/cartiger/state.db"),
		ok("following", "Following shop", "stopped"),
	}
	f.entities = []engine.EntityStatus{
		{Entity: store.Product, InShop: 1607, Linked: 1607, LastRun: "today 06:00"},
		{Entity: store.Customer, InShop: 2303, Linked: 2303, LastRun: "12 Nov 14:20, closed"},
		{Entity: store.Order, InShop: 1300, Linked: 1226, Held: 74, LastRun: "never"},
		{Entity: store.Invoice, InShop: -1, Linked: 1120, LastRun: "never"},
	}
	f.fields = []engine.MandatoryField{
		{Module: "Leads", Field: "lastname", Label: "Last Name", Type: "text", Source: "from the customer"},
		{Module: "SalesOrder", Field: "subject", Label: "Subject", Type: "text", Source: "from the order"},
		{Module: "SalesOrder", Field: "bill_street", Label: "Billing Address", Type: "text", Default: "--None--"},
		{Module: "SalesOrder", Field: "ship_street", Label: "Shipping Address", Type: "text", Default: "--None--"},
		{Module: "SalesOrder", Field: "sostatus", Label: "Status", Type: "picklist", Values: []string{"Created", "Approved", "Delivered", "Cancelled"}, Source: "from the order"},
		{Module: "SalesOrder", Field: "account_id", Label: "Account Name", Type: "reference", RefersTo: []string{"Accounts"}, Source: "from the order"},
		{Module: "Products", Field: "vendor_id", Label: "Vendor Name", Type: "reference", RefersTo: []string{"Vendors"}, Needed: true},
		{Module: "Products", Field: "start_date", Label: "Sales Start Date", Type: "date", Needed: true},
		{Module: "Products", Field: "commissionrate", Label: "Commission Rate", Type: "number", Needed: true},
		{Module: "Products", Field: "discontinued", Label: "Product Active", Type: "boolean", Default: "1"},
		{Module: "Products", Field: "handler", Label: "Handler", Type: "owner", Needed: true},
	}
	f.people = []engine.Choice{{ID: "2x7", Label: "Atelier Dupont"}, {ID: "2x9", Label: "Dupuis & fils"}}
	row := func(id, name, code string, shop int64, shopName, rate, state string) engine.CurrencyRow {
		return engine.CurrencyRow{CRMID: id, CRMName: name, CRMCode: code, CRMActive: true, ShopID: shop, ShopName: shopName, ShopCode: code, ShopActive: true, Rate: rate, State: state, By: map[bool]string{true: "auto"}[state == "linked"]}
	}
	f.table = engine.CurrencyTable{
		ShopBase: "EUR", CRMBase: "EUR", BasesAgree: true, HeldByLinks: 74, UnlinkedShopActive: []string{"CHF"},
		Rows: []engine.CurrencyRow{
			row("21x1", "Euro", "EUR", 1, "Euro", "1.000", "linked"),
			row("21x2", "USA, Dollars", "USD", 2, "Dollar", "1.325", "linked"),
			row("21x3", "Swiss Franc", "CHF", 4, "Franc suisse", "1.204", "not linked"),
			row("21x4", "Great Britain Pounds", "GBP", 3, "Pound", "0.862", "linked"),
			{ShopID: 5, ShopName: "Yen", ShopCode: "JPY", Rate: "129.1", State: "inactive"},
		},
	}
	for i, name := range []string{"Awaiting cheque payment", "Payment accepted", "Preparation in progress", "Shipped", "Delivered", "Canceled", "Refund"} {
		so := []string{"Created", "Approved", "Approved", "Delivered", "Delivered", "Cancelled", "Cancelled"}[i]
		inv := []string{"Created", "Paid", "Paid", "Paid", "Paid", "Cancel", "Cancel"}[i]
		f.states = append(f.states, engine.StateRow{ShopState: int64(i + 1), Name: name, SOStatus: so, InvoiceStatus: inv, Invoice: i == 1, By: "default"})
	}
	f.testSteps = []engine.Step{{Name: "CRM login", Took: 84 * time.Millisecond}, {Name: "CRM modules and rights", Took: 310 * time.Millisecond}, {Name: "shop", Took: 132 * time.Millisecond}}
	f.outcomes = []store.Outcome{{
		Entity: store.Order, ShopID: 812, State: store.Held, Reason: "currency", Detail: "currency CHF is not linked", Label: "order 812",
		Sent: `{"op":"create","module":"SalesOrder","fields":{"subject":"Bon de commande no812"}}`, Answer: "", Attempts: 1, Since: clock.Add(-2 * time.Hour), At: clock,
	}}
	f.counts[store.Order] = store.Counts{Created: 1226, Held: 1}
	return f
}

// emptyFake is an installation nobody has set up yet.
func emptyFake() *fake {
	f := newFake()
	f.saved = map[string]string{}
	f.outcomes, f.counts = nil, map[store.Entity]store.Counts{}
	for i := range f.entities {
		f.entities[i] = engine.EntityStatus{Entity: f.entities[i].Entity, InShop: -1, LastRun: "never"}
	}
	return f
}

// busyFake has an export that another process runs.
func (f *fake) runElsewhere(kind, who string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.begin(kind, who)
	f.runs[at].Created = 300
}

// interrupted leaves an export behind whose process died.
func (f *fake) interrupted(kind string, done int64) {
	f.runs = append(f.runs, store.Run{ID: int64(len(f.runs) + 1), Kind: kind, State: store.Interrupted, Who: me, Started: clock, Total: totals[kind], Counts: store.Counts{Created: done}})
}
