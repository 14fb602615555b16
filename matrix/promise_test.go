package matrix

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"cartiger/fault"
	"cartiger/psapi/psapitest"
	"cartiger/store"
)

// The promises of rules.md 9, one short story each; the rest of this folder tells them at full length. The seventh and
// the eighth, about keys and about what servers send, are in the folder security.

func TestPromise1OneShopRecordNeverBecomesTwo(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{version: version})
			if !w.die(t, "exports", at("create Contacts", 1, string(unheard))) { // killed
				t.Fatal("never met")
			}
			w.crm.Faults().Add(fault.Rule{Kind: fault.Lost, Op: "create", Type: "SalesOrder", Nth: 1}) // cut off
			w.when("create Products", func() { w.beside(t, "cartiger export orders") })                // run twice at once
			w.finish(t, "exports")
			w.finish(t, "exports") // repeated
			w.same(t, twinOf(t, version, "exports").picture)
		})
	}
}

func TestPromise2NothingIsDropped(t *testing.T) {
	w := newWorld(t, setup{version: versions[1]})
	w.crm.Faults().Add(fault.Rule{Kind: fault.Denied, Op: "create", Type: "Leads"})
	w.crm.Faults().Add(fault.Rule{Kind: fault.Denied, Op: "create", Type: "Invoice"})
	w.run(t, "exports", "", nil, nil)
	e := w.here(t)
	counts, err := e.Store().CountOutcomes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for entity, rows := range map[store.Entity][]map[string]string{
		store.Product: w.shop.Records("products"), store.Order: w.shop.Records("orders"),
		store.Customer: slices.DeleteFunc(w.shop.Records("customers"), func(c map[string]string) bool { return c["deleted"] == "1" }),
	} {
		if got := counts[entity].Sum(); got < int64(len(rows)) {
			t.Errorf("%d of %d %ss are accounted for", got, len(rows), entity)
		}
	}
	listed, err := e.Records(t.Context(), store.Filter{})
	if err != nil || len(listed) == 0 {
		t.Fatalf("nothing is listed although the CRM refused: %v", err)
	}
	for _, o := range listed {
		if o.Reason == "" || o.Detail == "" {
			t.Errorf("%s is %s without a reason", o.Label, o.State)
		}
	}
	w.mend()
	if _, err := e.Retry(t.Context(), store.Filter{}); err != nil {
		t.Fatal(err)
	}
	if a := w.audit(); !a.clean() {
		t.Errorf("after the retry: %s", a)
	}
}

func TestPromise3ACreateIsSentOnlyAfterItsIntentIsOnDisk(t *testing.T) {
	w := newWorld(t, setup{version: versions[1]})
	w.workers = "1" // one write after the other: what follows a lost answer stands behind it in the journal
	disk := w.here(t).Store()
	var mu sync.Mutex
	var creates int
	w.crmGate.tell(func(name string, done bool) {
		module, isCreate := strings.CutPrefix(name, "create ")
		if done || !isCreate || module == "Currency" { // a currency's intent is a cursor
			return
		}
		mu.Lock()
		defer mu.Unlock()
		creates++
		open, err := disk.OpenIntents(t.Context())
		if err != nil || !slices.ContainsFunc(open, func(in store.Intent) bool {
			return strings.Contains(string(in.Body), fmt.Sprintf(`"op":"create","module":%q`, module))
		}) {
			t.Errorf("%s is sent, and no intent is on disk: %v", name, err)
		}
	})
	w.crm.Faults().Add(fault.Rule{Kind: fault.Lost, Op: "create", Type: "Products", Nth: 1})
	w.finish(t, "exports")
	w.crmGate.tell(nil)
	names := w.journal.take()
	first := slices.Index(names, "create Products")
	after := names[first+1:]
	if next := slices.Index(after, "create Products"); creates == 0 || next < 0 || !slices.Contains(after[:next], "query products") {
		t.Errorf("behind the create whose answer was lost comes %v", after[:max(next, 0)])
	}
}

func TestPromise4TheLinkAndTheEndOfItsIntentAreOneTransaction(t *testing.T) {
	for _, moment := range []string{"complete.begin", "complete.commit", "complete.committed"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{version: versions[1]})
			w.prepare(t, "watch")
			cursor := func() string {
				st, err := store.Open(t.Context(), w.state)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = st.Close() }()
				open, err := st.OpenIntents(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, in := range open {
					if in.State == store.Pending && in.Step == 0 && strings.Contains(string(in.Body), `"op":"create"`) {
						links, err := st.Links(t.Context(), in.Entity, in.ShopID)
						if err != nil || len(links) > 0 {
							t.Errorf("%s %d is linked while its intent is open: %v %v", in.Entity, in.ShopID, links, err)
						}
					}
				}
				text, err := st.Cursor(t.Context(), "feed")
				if err != nil {
					t.Fatal(err)
				}
				return text
			}
			before := cursor()
			if !w.die(t, "watch", at("create Leads", 1, moment)) {
				t.Fatal("never met")
			}
			if cursor() != before {
				t.Error("the cursor has moved past what is not on disk")
			}
			w.finish(t, "watch")
			if cursor() == before {
				t.Error("the cursor stays although all is on disk")
			}
			w.same(t, twinOf(t, versions[1], "watch").picture)
		})
	}
}

func TestPromise5NothingIsBlankedNoLineIsLostStockMovesOnce(t *testing.T) {
	for _, version := range versions[:2] { // 6.x itself takes the stock of an Invoice's lines several times (wire/vtiger.md 3b)
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{version: version})
			w.follow(t)
			contact := w.crm.Insert("Contacts", map[string]string{"lastname": "Lind", "email": "anna@example.test", "mobile": "0602030405"})
			lamp := w.act(t, psapitest.Action{Do: "product", Name: "Lamp", Reference: "LAMP", Quantity: 100})
			w.finish(t, "watch")
			w.act(t, psapitest.Action{Do: "register", Email: "anna@example.test", FirstName: "Anna", LastName: "Lind"})
			customers := w.shop.Records("customers")
			order := w.act(t, psapitest.Action{
				Do: "order", Customer: number(customers[len(customers)-1]["id"]), State: 2, Lines: []psapitest.Line{{Product: lamp.Product, Quantity: 3}},
			})
			w.finish(t, "watch")
			for _, state := range []int64{3, 4, 5} {
				w.act(t, psapitest.Action{Do: "state", Order: order.Order, State: state})
				w.finish(t, "watch")
			}
			for _, r := range w.crm.Records("Contacts") {
				if r["id"] == contact && r["mobile"] != "0602030405" {
					t.Errorf("the mobile phone is %q", r["mobile"])
				}
			}
			for _, r := range w.crm.Records("Products") {
				if r["productcode"] == "LAMP" && !strings.HasPrefix(fmt.Sprint(r["qtyinstock"]), "97") {
					t.Errorf("%v lamps are left of 100, after 3 were sold", r["qtyinstock"])
				}
			}
			if a := w.audit(); !a.clean() { // lines and totals
				t.Error(a)
			}
		})
	}
}

func TestPromise6TheCRMsTotalIsTheShops(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{version: version})
			w.finish(t, "exports")
			a := account{}
			w.auditOrders(&a)
			if !a.clean() || a.records < 2*len(theOrders) {
				t.Error(a)
			}
		})
	}
}
