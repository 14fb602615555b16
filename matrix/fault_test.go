package matrix

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cartiger/engine"
	"cartiger/fault"
	"cartiger/store"
	"cartiger/vtigerws"
	"cartiger/vtigerws/vtigerwstest"
)

var all = flag.Bool("matrix.all", false, "long form of everything that is not drawn at random: every fault against the exports and against watch, every case on every version, two boundaries per kind of write")

// creates are the modules whose create is spoilt.
var creates = []string{"Products", "Accounts", "Leads", "Contacts", "Potentials", "SalesOrder", "Invoice", "Currency"}

// onWrites is one rule per kind of write: each strikes the first create of its module, and the first updates.
func onWrites(rule string) []string {
	var all []string
	for _, m := range creates {
		all = append(all, fmt.Sprintf("%s:op=create,type=%s,nth=1", rule, m))
	}
	for _, op := range []string{"revise", "update", "convertlead"} {
		all = append(all, fmt.Sprintf("%s:op=%s,nth=1", rule, op), fmt.Sprintf("%s:op=%s,nth=2", rule, op))
	}
	return all
}

// onReads is one rule per operation that only reads.
func onReads(rule string) []string {
	var all []string
	for _, op := range []string{"getchallenge", "login", "describe", "query", "retrieve", "listtypes"} {
		all = append(all, fmt.Sprintf("%s:op=%s,nth=1", rule, op))
	}
	return all
}

// onShop is one rule per resource.
func onShop(rule string) []string {
	var all []string
	for _, resource := range []string{"products", "customers", "addresses", "orders", "order_details", "order_histories", "carts", "currencies"} {
		all = append(all, fmt.Sprintf("%s:op=%s,nth=1", rule, resource))
	}
	return all
}

// with adds options to rules.
func with(option string, rules []string) []string {
	for i := range rules {
		rules[i] += "," + option
	}
	return rules
}

// faults is the fault matrix: each kind of fault at each operation, alone, and some pairs.
var faults = []struct {
	name      string
	crm, shop []string
}{
	{name: "answer lost after commit", crm: onWrites("lost")},
	{name: "reset before commit", crm: onWrites("reset")},
	{name: "500 with an empty body after commit", crm: onWrites("empty500")},
	{name: "empty 200 after commit", crm: onWrites("empty200")},
	{name: "half of the answer", crm: onWrites("truncate")},
	{name: "HTML page", crm: onWrites("html")},
	{name: "503", crm: onWrites("503")},
	{name: "429 without Retry-After", crm: onWrites("429")},
	{name: "429 with Retry-After", crm: with("retry-after=1", onWrites("429"))},
	{name: "PHP notice", crm: append(onWrites("notice"), onReads("notice")...), shop: onShop("notice")},
	{name: "byte order mark", crm: append(onWrites("bom"), onReads("bom")...), shop: onShop("bom")},
	{name: "redirect", crm: []string{"301:op=create,type=SalesOrder,nth=2,to=http://127.0.0.1:1"}, shop: []string{"301:op=orders,nth=1,to=http://127.0.0.1:1"}},
	{name: "reads spoilt", crm: slices.Concat(onReads("lost"), onReads("empty200")[3:4], onReads("html")[4:5])},
	{name: "reads cut", crm: slices.Concat(onReads("reset"), onReads("truncate")[3:4])},
	{name: "session lost", crm: onWrites("no-session")},
	{name: "challenge taken by another login", crm: []string{"token:op=login,nth=1", "token:op=login,nth=2", "token:op=login,nth=5"}},
	{name: "half-written order", crm: []string{"half-order:op=create,type=SalesOrder,nth=1", "half-order:op=create,type=Invoice,nth=1"}},
	{name: "denied although describe allows it", crm: []string{"denied:op=create,type=Leads,nth=1", "denied:op=create,type=SalesOrder,nth=2"}},
	{name: "101 rows", crm: []string{"101-rows:op=query"}},
	{name: "shop reset", shop: onShop("reset")},
	{name: "shop 500", shop: onShop("empty500")},
	{name: "shop empty", shop: onShop("empty200")},
	{name: "shop cut", shop: onShop("truncate")},
	{name: "shop HTML", shop: onShop("html")},
	{name: "shop 503 and 429", shop: slices.Concat(onShop("503")[:4], with("retry-after=1", onShop("429")[4:]))},
	{name: "shop without Authorization header", shop: []string{"401:op=products,nth=1", "401:op=orders,nth=1", "401:op=order_histories,nth=1"}},
	{name: "shop wrong Content-Sha1", shop: onShop("sha1")},
	{name: "SQL error as an empty 200", shop: []string{"sql-empty:op=orders,nth=1", "sql-empty:op=carts,nth=1", "sql-empty:op=customers,nth=1"}},
	{name: "slow", crm: with("delay=150ms", onWrites("slow")[:4]), shop: with("delay=150ms", onShop("slow")[:4])},
	{name: "lost, then the look-up too", crm: append(onWrites("lost"), "reset:op=query,p=0.3,seed=3,times=6", "lost:op=listtypes,p=0.5,seed=4,times=3")},
	{name: "session lost and answers lost", crm: append(onWrites("lost"), "no-session:p=0.1,seed=5,times=12", "token:op=login,p=0.3,seed=6,times=4")},
	{name: "a tenth of everything", crm: []string{"lost:p=0.04,seed=7,times=9", "reset:p=0.03,seed=8,times=9", "notice:p=0.03,seed=9"}, shop: []string{"reset:p=0.05,seed=10,times=5", "notice:p=0.1,seed=11"}},
}

// TestEveryFaultAtEveryOperation spoils the exports and watch, lets the trouble pass, runs again, and wants a CRM that
// looks as if nothing had happened.
func TestEveryFaultAtEveryOperation(t *testing.T) {
	used := map[fault.Kind]bool{}
	for i, f := range faults {
		for j, job := range []string{"exports", "watch"} {
			version := versions[(i+j)%len(versions)]
			if i%2 == j && !*all {
				continue
			}
			for _, rule := range slices.Concat(f.crm, f.shop) {
				r, err := fault.ParseRule(rule)
				if err != nil {
					t.Fatal(err)
				}
				used[r.Kind] = true
			}
			t.Run(f.name+", "+job+" on "+version, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, setup{version: version})
				w.prepare(t, job)
				w.spoil(t, f.crm, f.shop)
				e := w.here(t)
				_, err := carry(t.Context(), e, job)
				t.Logf("in trouble: %v", err)
				w.mend()
				w.settle(t, e, job)
				w.same(t, twinOf(t, version, job).picture)
			})
		}
	}
	for _, k := range []fault.Kind{
		fault.Reset, fault.Lost, fault.Empty500, fault.Empty200, fault.Truncated, fault.HTML, fault.Down, fault.TooMany, fault.Redirect, fault.Stripped, fault.BOM, fault.Notice,
		fault.Slow, fault.WrongSha1, fault.SQLEmpty, fault.NoSession, fault.TokenTaken, fault.HalfOrder, fault.Denied, fault.RowsOver,
	} {
		if !used[k] {
			t.Errorf("the matrix does without %s", k)
		}
	}
}

func (w *world) spoil(t testing.TB, crm, shop []string) {
	t.Helper()
	for set, rules := range map[*fault.Set][]string{w.crm.Faults(): crm, w.shop.Faults(): shop} {
		for _, text := range rules {
			rule, err := fault.ParseRule(text)
			if err != nil {
				t.Fatal(err)
			}
			set.Add(rule)
		}
	}
}

func (w *world) mend() {
	w.crm.Faults().Clear()
	w.shop.Faults().Clear()
}

// settle runs a job after the trouble: once more, then what was held or failed again.
func (w *world) settle(t testing.TB, e *engine.Engine, job string) {
	t.Helper()
	if _, err := carry(t.Context(), e, job); err != nil {
		t.Fatalf("after the trouble: %v", err)
	}
	if _, err := e.Retry(t.Context(), store.Filter{}); err != nil {
		t.Fatalf("retry: %v", err)
	}
	left, err := e.Records(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range left {
		t.Errorf("%s %d stays %s: %s", o.Entity, o.ShopID, o.State, o.Detail)
	}
	open, err := e.Store().OpenIntents(t.Context())
	if err != nil || len(open) > 0 {
		t.Errorf("%d writes stay open, %v", len(open), err)
	}
}

// TestAnAnswerSlowerThanTheTimeOut has the CRM at work on each kind of write for longer than anybody waits.
func TestAnAnswerSlowerThanTheTimeOut(t *testing.T) {
	for i, name := range []string{"create Leads", "create SalesOrder", "create Invoice", "create Products"} {
		version := versions[i%len(versions)]
		t.Run(name+" on "+version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{version: version, slow: true})
			st, err := store.Open(t.Context(), w.state)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = st.Close() })
			e := engine.New(st, engine.Options{Who: "test", Environ: w.environ, DialCRM: func(s engine.Settings, opened func(string) error) (engine.CRM, error) {
				return vtigerws.New(vtigerws.Config{URL: s.Get(engine.CRMURL), User: s.Get(engine.CRMUser), AccessKey: s.Get(engine.CRMKey), Timeout: 400 * time.Millisecond, Opened: opened})
			}})
			w.crmGate.mu.Lock()
			w.crmGate.stuck = map[string]time.Duration{name: 1500 * time.Millisecond}
			w.crmGate.mu.Unlock()
			_, err = carry(t.Context(), e, "exports")
			t.Logf("in trouble: %v", err)
			for tries := 0; err != nil && tries < 20; tries++ {
				_, err = carry(t.Context(), e, "exports")
			}
			w.settle(t, e, "exports")
			w.same(t, twinOf(t, version, "exports").picture)
		})
	}
}

// when does something once, at the first request of a name.
func (w *world) when(name string, do func()) {
	var once sync.Once
	w.crmGate.tell(func(seen string, done bool) {
		if seen == name && done {
			once.Do(do)
		}
	})
}

// TestSomethingChangesInTheCRMMidRun takes a right, a module, a field or a picklist value away or makes a field
// mandatory while the exports run: what needs it is held with its reason, the rest goes on; given back, all is right.
func TestSomethingChangesInTheCRMMidRun(t *testing.T) {
	denied := vtigerwstest.AllRights
	denied.Create = false
	off := vtigerwstest.AllRights
	off.Off = true
	hidden := vtigerwstest.AllRights
	hidden.Hidden = []string{"mobile", "phone"}
	for i, c := range []struct {
		name, at   string
		take, give func(*vtigerwstest.CRM)
		held       bool // somebody is told
	}{
		{"right to create Leads", "create Products", func(c *vtigerwstest.CRM) { c.SetRights("Leads", denied) }, func(c *vtigerwstest.CRM) { c.SetRights("Leads", vtigerwstest.AllRights) }, true},
		{"right to create Invoices", "create SalesOrder", func(c *vtigerwstest.CRM) { c.SetRights("Invoice", denied) }, func(c *vtigerwstest.CRM) { c.SetRights("Invoice", vtigerwstest.AllRights) }, true},
		{"module Potentials", "create Currency", func(c *vtigerwstest.CRM) { c.SetRights("Potentials", off) }, func(c *vtigerwstest.CRM) { c.SetRights("Potentials", vtigerwstest.AllRights) }, true},
		// 5.x takes and drops a value for a hidden field without a word; a text field that has become mandatory is filled
		// with "--None--" as soon as it has been described (rules.md 6).
		{"fields of Contacts", "create Accounts", func(c *vtigerwstest.CRM) { c.SetRights("Contacts", hidden) }, func(c *vtigerwstest.CRM) { c.SetRights("Contacts", vtigerwstest.AllRights) }, false},
		{"a field of Contacts becomes mandatory", "create Accounts", func(c *vtigerwstest.CRM) { c.Require("Contacts", "cf_777", true) }, func(c *vtigerwstest.CRM) { c.Require("Contacts", "cf_777", false) }, false},
		{"a field of SalesOrder becomes mandatory", "create Potentials", func(c *vtigerwstest.CRM) { c.Require("SalesOrder", "carrier", true) }, func(c *vtigerwstest.CRM) { c.Require("SalesOrder", "carrier", false) }, true},
	} {
		version := versions[i%len(versions)]
		t.Run(c.name+" on "+version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{version: version})
			w.when(c.at, func() { c.take(w.crm) })
			e := w.here(t)
			_, err := carry(t.Context(), e, "exports")
			held, listErr := e.Records(t.Context(), store.Filter{})
			if listErr != nil {
				t.Fatal(listErr)
			}
			for _, o := range held {
				t.Logf("%s %d %s: %s", o.Entity, o.ShopID, o.State, o.Detail)
			}
			t.Logf("in trouble: %v, %d held or failed", err, len(held))
			if c.held && err == nil && len(held) == 0 {
				t.Error("nobody was told")
			}
			w.crmGate.tell(nil)
			c.give(w.crm)
			w.settle(t, e, "exports")
			if a := w.audit(); !a.clean() {
				t.Errorf("given back: %s", a)
			}
		})
	}
}

// TestSomebodyDeletesOrMergesInTheCRM has a user take records away that we have written; nothing comes twice, and what
// cannot be written is told with its record.
func TestSomebodyDeletesOrMergesInTheCRM(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{version: version})
			w.follow(t)
			w.change(t)
			gone := map[string]string{}
			for module, wanted := range map[string]string{"SalesOrder": "presta-145", "Products": ""} {
				for _, r := range w.crm.Records(module) {
					if wanted == "" || text(r, "customerno") == wanted {
						gone[module] = text(r, "id")
						w.crm.Delete(text(r, "id"))
						break
					}
				}
			}
			// Merging two records in the CRM's screens: one goes, another carries the address. This one has just ordered.
			known, _ := w.shop.Record("customers", number(theOthers[1]))
			for _, r := range w.crm.Records("Leads") {
				if engine.Fold(text(r, "email")) == engine.Fold(known["email"]) {
					w.crm.Insert("Leads", map[string]string{"lastname": "Merged", "company": "Merged", "email": text(r, "email")})
					w.crm.Delete(text(r, "id"))
				}
			}
			e := w.here(t)
			if _, err := carry(t.Context(), e, "watch"); err != nil {
				t.Fatal(err)
			}
			failed, err := e.Records(t.Context(), store.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			for _, o := range failed {
				told = append(told, fmt.Sprintf("%s %d %s %s: %s", o.Entity, o.ShopID, o.State, o.Reason, o.Detail))
			}
			t.Log(strings.Join(told, "\n"))
			if !slices.ContainsFunc(failed, func(o store.Outcome) bool { return o.Entity == store.Order && o.ShopID == 145 }) {
				t.Errorf("nobody was told that order 145 is gone from the CRM: %v", told)
			}
			if a := w.audit(); len(a.duplicates)+len(a.wrong) > 0 {
				t.Errorf("%s", a)
			}
		})
	}
}

// TestTheShopsClockJumps follows a shop whose clock is set wrong and right again between the changes.
func TestTheShopsClockJumps(t *testing.T) {
	for i, jump := range []time.Duration{7 * time.Minute, -7 * time.Minute, 2 * time.Hour, -2 * time.Hour} {
		version := versions[i%len(versions)]
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var offset time.Duration
			now := func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return time.Now().Add(offset)
			}
			s := setup{version: version}
			s.shop.Now = now
			w := newWorld(t, s)
			w.follow(t)
			e := w.here(t)
			mu.Lock()
			offset = jump
			mu.Unlock()
			w.change(t)
			if _, err := carry(t.Context(), e, "watch"); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			offset = 0
			mu.Unlock()
			for range 2 {
				if _, err := carry(t.Context(), e, "watch"); err != nil {
					t.Fatal(err)
				}
			}
			if a := w.audit(); !a.clean() {
				t.Errorf("%s", a)
			}
		})
	}
}
