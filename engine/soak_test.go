package engine_test

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"cartiger/engine"
	"cartiger/fault"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws/vtigerwstest"
)

var (
	soakChanges = flag.Int("soak.changes", 100, "how many changes each soak test makes in the shop")
	soakKills   = flag.Int("soak.kills", 25, "how often each test of killed watches kills one")
	soakSeed    = flag.Uint64("soak.seed", 1, "what the changes and faults of the soak tests are drawn from")
)

// life is a shop in which things happen.
type life struct {
	*town
	random    *rand.Rand
	customers []int64
	orders    []int64
	done      map[string]int
	refused   int
}

// happen lets one change happen, drawn at random; what the shop does not allow is drawn again.
func (l *life) happen(t *testing.T) {
	t.Helper()
	for range 50 {
		a := l.draw()
		made, err := l.shop.Act(a)
		if err != nil {
			l.refused++ // such as a refund of an order that was never paid
			continue
		}
		l.done[a.Do]++
		if made.Customer != 0 && !slices.Contains(l.customers, made.Customer) {
			l.customers = append(l.customers, made.Customer)
		}
		if made.Order != 0 && !slices.Contains(l.orders, made.Order) {
			l.orders = append(l.orders, made.Order)
		}
		return
	}
	t.Fatal("the shop refuses everything")
}

func (l *life) draw() psapitest.Action {
	n := len(l.customers) + 1
	name := fmt.Sprintf("Person%d", l.random.IntN(1<<30))
	dice := l.random.IntN(100)
	pick := func(ids []int64) int64 {
		if len(ids) == 0 {
			return 0
		}
		return ids[l.random.IntN(len(ids))]
	}
	order := pick(l.orders)
	switch {
	case dice < 15:
		a := psapitest.Action{Do: "register", Email: fmt.Sprintf("%s.%d@example.test", name, n), FirstName: "Ada", LastName: name}
		if dice < 5 {
			a.Company = fmt.Sprintf("Company %d", l.random.IntN(20))
		}
		return a
	case dice < 25:
		return psapitest.Action{Do: "login", Customer: pick(l.customers)}
	case dice < 45 || order == 0:
		return psapitest.Action{Do: "order", Customer: pick(l.customers), State: []int64{1, 2, 10, 11}[l.random.IntN(4)]}
	case dice < 50:
		return psapitest.Action{Do: "order", Guest: true, Email: fmt.Sprintf("guest%d@example.test", l.random.IntN(30)), FirstName: "Gus", LastName: "Guest", State: 1}
	case dice < 75:
		return psapitest.Action{Do: "state", Order: order, State: 1 + l.random.Int64N(11)}
	case dice < 85:
		return psapitest.Action{Do: "cancel", Order: order, Line: l.lineOf(order), Quantity: l.random.Int64N(2)}
	case dice < 90:
		return psapitest.Action{Do: "refund", Order: order, Line: l.lineOf(order), Quantity: 1}
	case dice < 93:
		return psapitest.Action{Do: "return", Order: order, Line: l.lineOf(order), Quantity: 1, Restock: true}
	}
	return psapitest.Action{Do: "product", Reference: fmt.Sprintf("NEW-%d", l.random.IntN(1<<20)), Name: name}
}

func (l *life) lineOf(order int64) int64 {
	var own []int64
	for _, d := range l.shop.Records("order_details") {
		if d["id_order"] == fmt.Sprint(order) {
			own = append(own, number(d["id"]))
		}
	}
	if len(own) == 0 {
		return 0
	}
	return own[l.random.IntN(len(own))]
}

func number(text string) int64 {
	var n int64
	_, _ = fmt.Sscan(text, &n)
	return n
}

// picture is what a CRM says of orders, by the shop's key, in words that do not depend on ids and moments.
func picture(w *world, keys map[string]bool) map[string]map[string]any {
	names := map[string]string{}
	for module, field := range map[string]string{"Accounts": "accountname", "Contacts": "email", "Products": "productcode", "Potentials": "potentialname", "SalesOrder": "subject", "Currency": "currency_code"} {
		for _, r := range w.crm.Records(module) {
			names[r["id"].(string)] = fmt.Sprint(r[field])
		}
	}
	clean := func(r vtigerwstest.Record) vtigerwstest.Record {
		out := vtigerwstest.Record{}
		for name, v := range r {
			switch text, isText := v.(string); {
			case name == "id" || name == "salesorder_no" || name == "invoice_no" || strings.HasSuffix(name, "time"):
			case isText && names[text] != "":
				out[name] = names[text]
			default:
				out[name] = v
			}
		}
		var lines []vtigerwstest.Record
		for _, line := range r["lines"].([]vtigerwstest.Record) {
			copied := maps.Clone(line)
			for name, v := range copied {
				if text, isText := v.(string); isText && names[text] != "" {
					copied[name] = names[text]
				}
			}
			lines = append(lines, copied)
		}
		out["lines"] = lines
		return out
	}
	out := map[string]map[string]any{}
	for _, module := range []string{"SalesOrder", "Invoice"} {
		for _, r := range w.crm.Records(module) {
			key := fmt.Sprint(r["customerno"])
			if !keys[key] {
				continue
			}
			if out[key] == nil {
				out[key] = map[string]any{}
			}
			if _, twice := out[key][module]; twice {
				out[key][module+" again"] = clean(r)
			}
			out[key][module] = clean(r)
		}
	}
	for _, r := range w.crm.Records("Potentials") {
		for key, one := range out {
			if "Commande boutique no"+strings.TrimPrefix(key, "presta-") == r["potentialname"] {
				one["Potential"] = []any{r["amount"], r["sales_stage"], names[fmt.Sprint(r["related_to"])]}
			}
		}
	}
	return out
}

// onlyOnce fails when a key stands on several records of a module.
func onlyOnce(t *testing.T, w *world, module, field string) {
	t.Helper()
	seen := map[string][]string{}
	for _, r := range w.crm.Records(module) {
		key := strings.ToLower(fmt.Sprint(r[field]))
		seen[key] = append(seen[key], fmt.Sprint(r["id"]))
	}
	for key, ids := range seen {
		if len(ids) > 1 && key != "" {
			t.Errorf("%s %s is there %d times: %v", module, key, len(ids), ids)
		}
	}
}

// complete fails unless the CRM holds each order of the shop since the start once and as an export of the shop as it
// is now would write it, each new customer once, and each new product once.
func (l *life) complete(t *testing.T, version string, since time.Time, after map[string]int64) {
	t.Helper()
	for module, field := range map[string]string{
		"SalesOrder": "customerno", "Invoice": "customerno", "Potentials": "potentialname", "Contacts": "email",
		"Leads": "email", "Products": "productcode",
	} {
		onlyOnce(t, l.world, module, field)
	}
	people := map[string]string{}
	for _, module := range []string{"Leads", "Contacts"} {
		for _, r := range l.crm.Records(module) {
			people[strings.ToLower(fmt.Sprint(r["email"]))] += " " + module
		}
	}
	for _, c := range l.shop.Records("customers") {
		if number(c["id"]) > after["customers"] && people[strings.ToLower(c["email"])] == "" {
			t.Errorf("customer %s (%s) is not in the CRM", c["id"], c["email"])
		}
	}
	codes := map[string]bool{}
	for _, r := range l.crm.Records("Products") {
		codes[fmt.Sprint(r["productcode"])] = true
	}
	for _, p := range l.shop.Records("products") {
		if number(p["id"]) > after["products"] && !codes[p["reference"]] {
			t.Errorf("product %s (%s) is not in the CRM", p["id"], p["reference"])
		}
	}
	keys := map[string]bool{}
	for _, id := range l.orders {
		keys[engine.OrderKey(id)] = true
	}
	fresh := townOf(t, l.shop, vtigerwstest.Options{Version: version})
	summary := fresh.export(t, "orders", engine.ExportOptions{Since: since})
	if int(summary.Created) != len(l.orders) {
		t.Errorf("a fresh export makes %d orders of %d: %+v", summary.Created, len(l.orders), summary)
	}
	want, got := picture(fresh.world, keys), picture(l.world, keys)
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if diff := gocmp.Diff(want[key], got[key]); diff != "" {
			t.Errorf("%s: a fresh export (-) and watch (+) differ:\n%s", key, diff)
		}
	}
	for key := range got {
		if want[key] == nil {
			t.Errorf("%s is in the CRM, not in the shop", key)
		}
	}
}

func newLife(t *testing.T, version string) (*life, map[string]int64) {
	t.Helper()
	l := &life{town: newTown(t, psapitest.Options{}, vtigerwstest.Options{Version: version}), random: rand.New(rand.NewPCG(*soakSeed, 7)), done: map[string]int{}}
	newest := map[string]int64{}
	for _, c := range l.shop.Records("customers") {
		if c["deleted"] == "0" {
			l.customers = append(l.customers, number(c["id"]))
		}
	}
	for _, resource := range []string{"customers", "products"} {
		for _, r := range l.shop.Records(resource) {
			newest[resource] = max(newest[resource], number(r["id"]))
		}
	}
	return l, newest
}

// settle waits until watch has come through a pass after the last change, with all the faults in force.
func (l *life) settle(t *testing.T) {
	t.Helper()
	last := l.act(t, psapitest.Action{Do: "register", Email: "the.last@example.test", FirstName: "The", LastName: "Last"})
	for began := time.Now(); time.Since(began) < time.Hour; time.Sleep(10 * time.Second) {
		outcome, carried, err := l.store.Outcome(t.Context(), store.Customer, last.Customer)
		if err != nil {
			t.Fatal(err)
		}
		if carried && outcome.State == store.Created {
			time.Sleep(time.Minute)
			return
		}
	}
	t.Error("watch does not come through any more")
}

// report tells what is held or failed: nothing may be.
func (l *life) report(t *testing.T) {
	t.Helper()
	left, err := l.Records(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range left {
		t.Errorf("%s is %s (%s): %s", o.Label, o.State, o.Reason, o.Detail)
	}
	open, err := l.store.OpenIntents(t.Context())
	if err != nil || len(open) > 0 {
		t.Errorf("%d writes are open: %v", len(open), err)
	}
	kinds := slices.SortedFunc(maps.Keys(l.done), func(a, b string) int { return cmp.Compare(l.done[b], l.done[a]) })
	var text []string
	for _, k := range kinds {
		text = append(text, fmt.Sprintf("%d %s", l.done[k], k))
	}
	t.Logf("%s; shop requests %d, CRM requests %v", strings.Join(text, ", "), l.shop.Stats().Total, l.crm.Stats())
}

// shopFaults and crmFaults are what can go wrong on the way, besides being away.
var (
	shopFaults = []string{"sql-empty", "lost", "reset", "empty500", "empty200", "html", "truncate", "bom", "notice", "503", "429", "sha1"}
	crmFaults  = []string{"lost", "reset", "empty500", "empty200", "html", "truncate", "bom", "notice", "503", "429", "no-session", "token"}
)

// spoil makes one answer in ten go wrong, by each kind of fault in turn.
func spoil(t *testing.T, set *fault.Set, kinds []string, seed uint64) {
	t.Helper()
	share := 0.12 / float64(len(kinds)) // some kinds strike only where they can
	for i, kind := range kinds {
		rule, err := fault.ParseRule(fmt.Sprintf("%s:p=%.4f,seed=%d", kind, share, seed+uint64(i)))
		if err != nil {
			t.Fatal(err)
		}
		set.Add(rule)
	}
}

func TestMixedChangesEndAsAFreshExportWouldWriteThem(t *testing.T) {
	for _, c := range []struct {
		version string
		faulty  bool
	}{{"5.2.1", false}, {"5.1.0", true}, {"6.4.0", true}} {
		t.Run(fmt.Sprintf("%s faulty=%v", c.version, c.faulty), func(t *testing.T) {
			clocked(t, today, func(t *testing.T) {
				l, newest := newLife(t, c.version)
				l.pass(t)
				if c.faulty {
					spoil(t, l.shop.Faults(), shopFaults, *soakSeed*100)
					spoil(t, l.crm.Faults(), crmFaults, *soakSeed*100+50)
				}
				began := time.Now()
				stop := l.follow(t, engine.WatchOptions{Interval: time.Second})
				for range *soakChanges {
					l.happen(t)
					time.Sleep(time.Duration(l.random.Int64N(int64(2 * time.Second))))
				}
				l.settle(t)
				stop()
				t.Logf("settled %s after the first change", time.Since(began).Round(time.Second))
				l.shop.Faults().Clear()
				l.crm.Faults().Clear()
				l.report(t)
				l.complete(t, c.version, began, newest)
			})
		})
	}
}

// grave ends a process at one of its steps: a request that leaves or is answered, a transaction before, in or after its
// commit. From then on nothing it does has an effect.
type grave struct {
	mu   sync.Mutex
	left int // steps until the end; 0 = lives for ever
	dead bool
	at   string
}

var errKilled = errors.New("the process was killed")

func (g *grave) step(name string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left > 0 {
		if g.left--; g.left == 0 {
			g.dead, g.at = true, name
		}
	}
	return g.dead
}

// dies lets the town's next process die after so many steps; 0 lets it live. It takes over the lease of the one before.
func (w *town) dies(t *testing.T, after int) *grave {
	t.Helper()
	time.Sleep(time.Minute) // the lease of a dead process runs out
	g := &grave{left: after}
	for name, way := range map[string]*shortcut{"shop": w.toShop, "CRM": w.toCRM} {
		way.cut(func(r *http.Request, answered bool) bool {
			if name == "shop" && answered {
				return g.step("shop answered")
			}
			return g.step(fmt.Sprintf("%s %s answered=%v", name, r.Method, answered))
		})
	}
	w.open(t, w.path, store.WithFault(func(op string) error {
		if g.step(op) {
			return errKilled
		}
		return nil
	}))
	return g
}

func TestAWatchThatIsKilledAnywhereLeavesNoTrace(t *testing.T) {
	for _, version := range []string{"5.1.0", "5.2.1", "6.4.0"} {
		t.Run(version, func(t *testing.T) {
			clocked(t, today, func(t *testing.T) {
				l, newest := newLife(t, version)
				l.pass(t)
				began := time.Now()
				deaths := map[string]int{}
				for range *soakKills {
					for range 3 {
						l.happen(t)
						time.Sleep(time.Second)
					}
					g := l.dies(t, 1+l.random.IntN(120))
					err := l.Watch(t.Context(), engine.WatchOptions{Once: true})
					if g.dead && err == nil {
						t.Errorf("a watch that was killed at %s ended well", g.at)
					}
					if !g.dead && err != nil {
						t.Fatal(err)
					}
					deaths[g.at]++
				}
				l.dies(t, 0)
				l.pass(t)
				l.passing(t, 12*time.Minute)
				t.Logf("killed at %v", deaths)
				l.report(t)
				l.complete(t, version, began, newest)
			})
		})
	}
}
