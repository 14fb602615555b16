package psapi_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"golang.org/x/sync/errgroup"

	"cartiger/fault"
	"cartiger/problem"
	"cartiger/psapi"
	"cartiger/psapi/psapitest"
)

// bench is a simulated shop behind a real connection, and a client of it that never sleeps.
type bench struct {
	*psapitest.Shop
	client *psapi.Client
}

func open(t *testing.T, o psapitest.Options, change ...func(*psapi.Config)) *bench {
	t.Helper()
	shop, err := psapitest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{Shop: shop, client: dial(t, shop, o.Base, change...)}
}

// dial serves a handler on a loopback port and makes a client of it.
func dial(t *testing.T, h http.Handler, base string, change ...func(*psapi.Config)) *psapi.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	cfg := psapi.Config{
		URL: server.URL + base + "/", Key: psapitest.DefaultKey, Parallel: 1,
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	for _, f := range change {
		f(&cfg)
	}
	client, err := psapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func (b *bench) spoil(t *testing.T, rules ...string) {
	t.Helper()
	for _, text := range rules {
		rule, err := fault.ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		b.Faults().Add(rule)
	}
}

// every reads a resource from its start to its end, page by page.
func every[T any](t *testing.T, read func(context.Context, psapi.Query) (psapi.Page[T], error), q psapi.Query) (items []T, bad []psapi.BadRecord) {
	t.Helper()
	for {
		page, err := read(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		items, bad = append(items, page.Items...), append(bad, page.Bad...)
		if !page.More {
			return items, bad
		}
		if page.Last <= q.After {
			t.Fatalf("page after %d is full but ends at %d", q.After, page.Last)
		}
		q.After = page.Last
	}
}

func TestAProbeTellsWhoAnswersInTwoRequests(t *testing.T) {
	b := open(t, psapitest.Options{Base: "/boutique"})
	facts, err := b.client.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", facts)
	if facts.Version != "1.4.11.1" || facts.Zone != "Europe/Paris" || facts.DefaultCurrency != 1 || facts.DefaultLanguage != 1 || facts.RoundMode != 2 {
		t.Errorf("facts %+v", facts)
	}
	if n := b.client.Requests(); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestAllResourcesAreReadCompletely(t *testing.T) {
	// Every row of a shop that hides its errors, the stricter one; a first page of one that shows them.
	for name, hidden := range map[string]bool{"display_errors on": false, "display_errors off": true} {
		t.Run(name, func(t *testing.T) {
			b := open(t, psapitest.Options{HideErrors: hidden})
			c := b.client
			count(t, b, hidden, "customers", c.Customers)
			count(t, b, hidden, "addresses", c.Addresses)
			count(t, b, hidden, "carts", c.Carts)
			count(t, b, hidden, "products", c.Products)
			count(t, b, hidden, "orders", c.Orders)
			count(t, b, hidden, "order_details", c.OrderDetails)
			count(t, b, hidden, "order_histories", c.OrderHistories)
			count(t, b, hidden, "order_states", c.OrderStates)
			count(t, b, hidden, "order_discounts", c.OrderDiscounts)
			count(t, b, hidden, "currencies", c.Currencies)
			count(t, b, hidden, "countries", c.Countries)
			count(t, b, hidden, "states", c.States)
			count(t, b, hidden, "groups", c.Groups)
			count(t, b, hidden, "stock_movements", c.StockMovements)
		})
	}
}

func count[T any](t *testing.T, b *bench, whole bool, resource string, read func(context.Context, psapi.Query) (psapi.Page[T], error)) {
	t.Helper()
	want := len(b.Records(resource))
	if !whole {
		page, err := read(t.Context(), psapi.Query{Limit: 20})
		if err != nil || len(page.Items) != min(20, want) || len(page.Bad) > 0 || page.More != (want >= 20) {
			t.Errorf("%s: %d items, bad %v, more %v, %v", resource, len(page.Items), page.Bad, page.More, err)
		}
		return
	}
	if items, bad := every(t, read, psapi.Query{}); len(items) != want || len(bad) > 0 {
		t.Errorf("%s: read %d of %d, bad %v", resource, len(items), want, bad)
	}
}

func TestAnExportOfProductsStaysInItsBudget(t *testing.T) {
	b := open(t, psapitest.Options{HideErrors: true})
	if _, err := b.client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	items, _ := every(t, b.client.Products, psapi.Query{})
	if limit := (len(items)+99)/100 + 10; b.Stats().Total > limit {
		t.Errorf("%d requests for %d products, allowed %d", b.Stats().Total, len(items), limit)
	}
	rates := map[string]bool{}
	for _, p := range items {
		rates[p.TaxRate.String()] = true
		want, _ := b.Record("products", p.ID)
		if p.Net.String() != decimal.RequireFromString(want["net"]).Round(6).String() || p.Name != want["name"] || p.Reference != want["reference"] {
			t.Fatalf("product %d is %+v, the shop has %s %s %s", p.ID, p, want["net"], want["name"], want["reference"])
		}
	}
	if diff := cmp.Diff([]string{"0", "19.6", "2.1", "5.5"}, slices.Sorted(maps.Keys(rates))); diff != "" {
		t.Errorf("tax rates of the default country: %s", diff)
	}
}

func TestAnExportOfCustomersStaysInItsBudget(t *testing.T) {
	b := open(t, psapitest.Options{HideErrors: true})
	c := b.client
	if _, err := c.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	people, _ := every(t, c.Customers, psapi.Query{})
	places, _ := every(t, c.Addresses, psapi.Query{})
	bought, _ := every(t, c.Orders, psapi.Query{Limit: 250, Fields: []string{"id_customer"}})
	pages := func(n int) int { return (n + 249) / 250 }
	if limit := pages(len(people)) + pages(len(places)) + pages(len(bought)) + 15; b.Stats().Total > limit {
		t.Errorf("%d requests, allowed %d", b.Stats().Total, limit)
	}
	if bought[7].Customer == 0 || !bought[7].TotalPaid.IsZero() || bought[7].DateUpd != "" {
		t.Errorf("only id_customer was asked for: %+v", bought[7])
	}
	if people[0].Email == "" || places[0].Country == 0 {
		t.Errorf("%+v %+v", people[0], places[0])
	}
}

func TestSecretsOfCustomersAreNeverAskedFor(t *testing.T) {
	shop, err := psapitest.New(psapitest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var asked []string
	client := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.RawQuery)
		mu.Unlock()
		shop.ServeHTTP(w, r)
	}), "")
	every(t, client.Customers, psapi.Query{})
	every(t, client.Orders, psapi.Query{Limit: 500})
	for _, query := range asked {
		display, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if d := display.Get("display"); !strings.HasPrefix(d, "[id,") || strings.Contains(d, "passwd") || strings.Contains(d, "secure_key") || strings.Contains(d, "order_rows") {
			t.Errorf("asked for %s", d)
		}
		if !display.Has("limit") || !display.Has("sort") || strings.ContainsAny(query, "[]<> |") {
			t.Errorf("sent %s", query)
		}
	}
}

func TestChangesAreReadByDate(t *testing.T) {
	b := open(t, psapitest.Options{HideErrors: true})
	for i, id := range []int64{40, 7, 300} {
		b.Set("orders", id, "date_upd", fmt.Sprintf("2027-03-01 12:00:0%d", i))
	}
	page, err := b.client.Orders(t.Context(), psapi.Query{Since: "2027-03-01 12:00:00", ByDate: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{7, 300}, idsOf(page.Items)); diff != "" {
		t.Errorf("strictly later, the oldest change first: %s", diff)
	}
	if page.Items[0].DateUpd != "2027-03-01 12:00:01" || page.More {
		t.Errorf("%+v", page)
	}
	histories, err := b.client.OrderHistories(t.Context(), psapi.Query{Since: "2000-01-01 00:00:00", ByDate: true, Limit: 5})
	if err != nil || len(histories.Items) != 5 || !histories.More {
		t.Errorf("%+v %v", histories, err)
	}
}

func idsOf(orders []psapi.Order) (ids []int64) {
	for _, o := range orders {
		ids = append(ids, o.ID)
	}
	return ids
}

func TestOneSecondMayHoldMoreThanAPage(t *testing.T) {
	b := open(t, psapitest.Options{HideErrors: true})
	const second = "2027-03-01 12:00:00"
	for _, o := range b.Records("orders") {
		id, _ := strconv.ParseInt(o["id"], 10, 64)
		b.Set("orders", id, "date_upd", second)
	}
	total := len(b.Records("orders"))
	t.Run("by offset inside the window", func(t *testing.T) {
		seen := map[int64]bool{}
		for offset := 0; ; {
			page, err := b.client.Orders(t.Context(), psapi.Query{Since: "2027-03-01 11:59:59", ByDate: true, Offset: offset})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Items {
				if seen[o.ID] {
					t.Errorf("order %d twice", o.ID)
				}
				seen[o.ID] = true
			}
			if offset += len(page.Items); !page.More {
				break
			}
		}
		if len(seen) != total {
			t.Errorf("%d of %d orders", len(seen), total)
		}
	})
	t.Run("by id inside the second", func(t *testing.T) {
		q := psapi.Query{Where: []psapi.Filter{{Field: "date_upd", Op: psapi.Equal, Values: []string{second}}}}
		if items, _ := every(t, b.client.Orders, q); len(items) != total {
			t.Errorf("%d of %d orders", len(items), total)
		}
	})
}

func TestLinesOfChosenOrdersAreRead(t *testing.T) {
	b := open(t, psapitest.Options{HideErrors: true})
	for _, orders := range [][]string{{"5"}, {"5", "6", "27"}} {
		lines, _ := every(t, b.client.OrderDetails, psapi.Query{Where: []psapi.Filter{{Field: "id_order", Op: psapi.OneOf, Values: orders}}})
		want := 0
		for _, d := range b.Records("order_details") {
			if slices.Contains(orders, d["id_order"]) {
				want++
			}
		}
		if len(lines) != want || want == 0 {
			t.Errorf("orders %v: %d lines, want %d", orders, len(lines), want)
		}
	}
}

func TestManyIDsAreAskedForInSeveralLists(t *testing.T) {
	b := open(t, psapitest.Options{HideErrors: true})
	var ids []int64
	for id := int64(1); id <= 600; id++ {
		ids = append(ids, id)
	}
	page, err := b.client.Orders(t.Context(), psapi.Query{IDs: ids})
	if err != nil || len(page.Items) != 600 || page.More || b.client.Requests() != 3 {
		t.Errorf("%d orders in %d requests, %v", len(page.Items), b.client.Requests(), err)
	}
	missing, err := b.client.Orders(t.Context(), psapi.Query{IDs: []int64{3, 999999}})
	if err != nil || len(missing.Items) != 1 || len(missing.Bad) != 0 {
		t.Errorf("an order that is gone is neither an error nor bad: %+v %v", missing, err)
	}
}

func TestIDsAreListedForSweeps(t *testing.T) {
	b := open(t, psapitest.Options{HideErrors: true})
	for _, resource := range []string{"customers", "products", "order_histories"} {
		var all []int64
		for after := int64(0); ; {
			ids, more, err := b.client.IDs(t.Context(), resource, after)
			if err != nil {
				t.Fatal(err)
			}
			if all = append(all, ids...); !more {
				break
			}
			after = ids[len(ids)-1]
		}
		if len(all) != len(b.Records(resource)) || !slices.IsSorted(all) {
			t.Errorf("%s: %d ids of %d", resource, len(all), len(b.Records(resource)))
		}
	}
	if _, _, err := b.client.IDs(t.Context(), "employees", 0); problem.KindOf(err) != problem.Invalid {
		t.Errorf("employees: %v", err)
	}
}

// poisoned is a shop that fails wherever an object has to be printed (or, listed, even named).
type poisoned struct {
	*psapitest.Shop
	ids    []int64
	listed bool
	fail   http.HandlerFunc
}

func (p poisoned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	p.Shop.ServeHTTP(rec, r)
	body := rec.Body.String()
	for _, id := range p.ids {
		whole := strings.Contains(body, fmt.Sprintf("<product>\n\t<id><![CDATA[%d]]></id>", id)) && strings.Count(body, "<reference>") > 0
		if whole || p.listed && strings.Contains(body, fmt.Sprintf(`<product id="%d"`, id)) {
			p.fail(w, r)
			return
		}
	}
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func TestOneBadObjectIsIsolatedAndReported(t *testing.T) {
	fatal := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<br />\n<b>Fatal error</b>:  Call to a member function on a non-object in <b>/var/www/p.php</b>")
	}
	empty := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
	unclosed := func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<prestashop><products><product><id>1</id><name></product></products></prestashop>")
	}
	for name, c := range map[string]struct {
		fail    http.HandlerFunc
		ids     []int64
		listed  bool
		wantBad []int64
	}{
		"500":                      {empty, []int64{150}, false, []int64{150}},
		"fatal as 200":             {fatal, []int64{1, 300}, false, []int64{1, 300}},
		"XML beyond repair":        {unclosed, []int64{130, 131, 160}, false, []int64{130, 131, 160}},
		"500 even in the id list":  {empty, []int64{150}, true, []int64{150}},
		"first of all, unlistable": {empty, []int64{1}, true, []int64{1}},
	} {
		t.Run(name, func(t *testing.T) {
			shop, err := psapitest.New(psapitest.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for id := int64(301); id <= 1619; id++ { // three pages are enough
				shop.Delete("products", id)
			}
			client := dial(t, poisoned{shop, c.ids, c.listed, c.fail}, "")
			items, bad := every(t, client.Products, psapi.Query{})
			var badIDs []int64
			for _, b := range bad {
				badIDs = append(badIDs, b.ID)
				if b.Resource != "products" || b.Reason == "" {
					t.Errorf("%+v", b)
				}
			}
			if diff := cmp.Diff(c.wantBad, badIDs); diff != "" {
				t.Errorf("bad objects: %s", diff)
			}
			if want := len(shop.Records("products")) - len(c.ids); len(items) != want {
				t.Errorf("%d good objects, want %d", len(items), want)
			}
			if n := client.Requests(); n > 100 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestABadObjectAmongChangesIsIsolatedByDate(t *testing.T) {
	shop, err := psapitest.New(psapitest.Options{HideErrors: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []int64{90, 120, 55, 700} {
		shop.Set("products", id, "date_upd", fmt.Sprintf("2027-03-01 12:00:0%d", i))
	}
	moved := false
	p := poisoned{shop, []int64{120}, false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }}
	client := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Query().Get("filter[id]"), "|") && !moved {
			// Between the list of ids and the reading of the objects one of them changes again.
			moved = true
			shop.Set("products", 55, "date_upd", "2027-03-01 13:00:00")
		}
		p.ServeHTTP(w, r)
	}), "")
	q := psapi.Query{Since: "2027-03-01 11:00:00", ByDate: true}
	page, err := client.Products(t.Context(), q)
	if err != nil || len(page.Bad) != 1 || page.Bad[0].ID != 120 || len(page.Items) != 2 || page.Items[0].ID != 90 || page.Items[1].ID != 700 {
		t.Fatalf("90 and 700 keep their place, 55 comes later, 120 is bad: %+v %v", page, err)
	}
	// A page of nothing but bad objects would leave a reader without a date to go on from.
	first, err := client.Products(t.Context(), psapi.Query{Since: "2027-03-01 12:00:00", ByDate: true, Limit: 1})
	if err != nil || len(first.Bad) != 1 || len(first.Items) != 1 || first.Items[0].ID != 700 {
		t.Errorf("behind the bad one: %+v %v", first, err)
	}
	q.Since = page.Items[1].DateUpd
	if page, err = client.Products(t.Context(), q); err != nil || len(page.Items) != 1 || page.Items[0].ID != 55 {
		t.Errorf("55 where it stands now: %+v %v", page, err)
	}
}

// A shop that dies in every third request has no bad objects, however often one of them met it.
func TestAShopThatFailsNowAndThenHasNoBadObjects(t *testing.T) {
	for seed := range 5 {
		b := open(t, psapitest.Options{HideErrors: true})
		b.spoil(t, fmt.Sprintf("empty500:p=0.33,seed=%d", seed+1))
		items, bad := every(t, b.client.Products, psapi.Query{})
		if want := len(b.Records("products")); len(items) != want || len(bad) > 0 {
			t.Errorf("seed %d: %d of %d objects, bad: %v", seed+1, len(items), want, bad)
		}
		if n := b.client.Requests(); n > 400 {
			t.Errorf("seed %d: %d requests for 17 pages", seed+1, n)
		}
	}
}

func TestABrokenShopIsNoListOfBadObjects(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"everything fails": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"every object fails, ids do not": func(w http.ResponseWriter, r *http.Request) {
			shop, err := psapitest.New(psapitest.Options{})
			if err != nil {
				panic(err)
			}
			if r.URL.Query().Has("display") && strings.HasSuffix(r.URL.Path, "customers") {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			shop.ServeHTTP(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := dial(t, handler, "")
			for _, q := range []psapi.Query{{}, {IDs: []int64{24}}} {
				page, err := client.Customers(t.Context(), q)
				if len(q.IDs) > 0 && name != "everything fails" {
					if err != nil || len(page.Bad) != 1 {
						t.Errorf("%+v: %+v, %v", q, page, err)
					}
					continue
				}
				if problem.KindOf(err) != problem.Unavailable || len(page.Bad) > 0 {
					t.Errorf("%+v: %+v, %v", q, page, err)
				}
			}
		})
	}
}

func TestPagesShrinkUntilTheShopManagesAndGrowAgain(t *testing.T) {
	shop, err := psapitest.New(psapitest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	most, sizes := 60, []int{}
	client := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		if r.URL.Query().Has("display") && strings.HasSuffix(r.URL.Path, "customers") {
			mu.Lock()
			sizes = append(sizes, n)
			tooMany := n > most
			mu.Unlock()
			if tooMany {
				w.WriteHeader(http.StatusGatewayTimeout)
				return
			}
		}
		shop.ServeHTTP(w, r)
	}), "")
	items, bad := every(t, client.Customers, psapi.Query{})
	if len(items) != len(shop.Records("customers")) || len(bad) > 0 {
		t.Fatalf("%d customers, bad %v", len(items), bad)
	}
	if !slices.Equal(sizes[:3], []int{250, 125, 62}) {
		t.Errorf("sizes %v, want halves", sizes[:3])
	}
	mu.Lock()
	most, sizes = 10000, nil
	mu.Unlock()
	every(t, client.Customers, psapi.Query{})
	every(t, client.Customers, psapi.Query{})
	if last := slices.Max(sizes); last <= 60 {
		t.Errorf("the pages stay at %d", last)
	}
}

func TestAnEmptyListIsNotBelievedWhereRowsWereToBeExpected(t *testing.T) {
	b := open(t, psapitest.Options{HideErrors: true})
	first, err := b.client.Customers(t.Context(), psapi.Query{})
	if err != nil || !first.More {
		t.Fatal(first, err)
	}
	b.spoil(t, "sql-empty:op=customers,times=1")
	second, err := b.client.Customers(t.Context(), psapi.Query{After: first.Last})
	if err != nil || len(second.Items) != 250 {
		t.Errorf("behind a full page: %d customers, %v", len(second.Items), err)
	}
	b.spoil(t, "sql-empty:op=orders,times=1")
	ids, _, err := b.client.IDs(t.Context(), "orders", 0)
	if err != nil || len(ids) == 0 {
		t.Errorf("of the whole table: %d orders, %v", len(ids), err)
	}
	before := b.client.Requests()
	idle, err := b.client.OrderHistories(t.Context(), psapi.Query{After: 1 << 40})
	if err != nil || len(idle.Items) != 0 || b.client.Requests() != before+1 {
		t.Errorf("an idle look costs %d requests, want 1: %v", b.client.Requests()-before, err)
	}
}

// A page that cannot be read at once is read in halves. What an SQL error swallows of one half is not taken for deleted.
func TestAHalfOfAListIsNotBelievedToBeGone(t *testing.T) {
	b := open(t, psapitest.Options{})
	b.spoil(t, "empty500:op=addresses,nth=1", "empty500:op=addresses,nth=2", "sql-empty:op=addresses,nth=3", "sql-empty:op=addresses,nth=4")
	var ids []int64
	for _, row := range b.Records("addresses")[:2] {
		id, _ := strconv.ParseInt(row["id"], 10, 64)
		ids = append(ids, id)
	}
	page, err := b.client.Addresses(t.Context(), psapi.Query{IDs: ids})
	if err != nil || len(page.Items) != 2 || len(page.Bad) != 0 {
		t.Errorf("got %d addresses, %d bad, %v", len(page.Items), len(page.Bad), err)
	}
}

// A product that was imported in another language has no name in the shop's default language.
func TestANameInAnotherLanguageIsBetterThanNone(t *testing.T) {
	b := open(t, psapitest.Options{HideErrors: true})
	b.Set("products", 20, "name", "")
	b.Set("products", 20, "name[2]", "Lampe")
	b.Set("products", 21, "name", "")
	page, err := b.client.Products(t.Context(), psapi.Query{IDs: []int64{20, 21, 22}})
	if err != nil || len(page.Items) != 3 {
		t.Fatalf("%d products, %v", len(page.Items), err)
	}
	if page.Items[0].Name != "Lampe" || page.Items[1].Name != "" || page.Items[2].Name == "" {
		t.Errorf("names %q, %q, %q", page.Items[0].Name, page.Items[1].Name, page.Items[2].Name)
	}
}

func TestTheNewestIDIsTheMarkToStartFrom(t *testing.T) {
	b := open(t, psapitest.Options{HideErrors: true})
	b.spoil(t, "sql-empty:op=orders,times=1")
	for resource, want := range map[string]int64{"orders": 1300, "customers": 2311} {
		if id, err := b.client.Newest(t.Context(), resource); err != nil || id != want {
			t.Errorf("%s: %d %v, want %d", resource, id, err, want)
		}
	}
	if _, err := b.client.Newest(t.Context(), "employees"); problem.KindOf(err) != problem.Invalid {
		t.Errorf("employees: %v", err)
	}
}

func TestNoFaultOnTheWayLosesOrDoublesARow(t *testing.T) {
	for _, rule := range []string{
		"reset:p=0.2,seed=1", "lost:p=0.2,seed=2", "empty500:p=0.2,seed=3", "empty200:p=0.2,seed=4", "truncate:p=0.2,seed=5",
		"html:p=0.2,seed=6", "503:p=0.2,seed=7", "429:p=0.2,seed=8,retry-after=1", "301:p=0.2,seed=9,to=http://127.0.0.1:1",
		"401:p=0.2,seed=10", "bom:p=0.2,seed=11", "notice:p=0.2,seed=12", "sha1:p=0.2,seed=13",
	} {
		t.Run(rule, func(t *testing.T) {
			b := open(t, psapitest.Options{HideErrors: true})
			if _, err := b.client.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.spoil(t, rule)
			var ids []int64
			for q := (psapi.Query{Limit: 60}); ; {
				page, err := b.client.Orders(t.Context(), q)
				if problem.Temporary(err) || problem.KindOf(err) == problem.Unauthorised {
					continue // what the engine does, at its own pace
				}
				if err != nil || len(page.Bad) > 0 {
					t.Fatal(err, page.Bad)
				}
				ids = append(ids, idsOf(page.Items)...)
				if q.After = page.Last; !page.More {
					break
				}
			}
			want := len(b.Records("orders"))
			if slices.Sort(ids); len(slices.Compact(ids)) != want || len(ids) != want {
				t.Errorf("%d orders, want %d", len(ids), want)
			}
		})
	}
}

func TestNoiseIsReportedByTheProbe(t *testing.T) {
	b := open(t, psapitest.Options{})
	b.spoil(t, "notice:op=api")
	facts, err := b.client.Probe(t.Context())
	if err != nil || !strings.Contains(facts.Noise, "Undefined index") {
		t.Errorf("noise %q, %v", facts.Noise, err)
	}
}

func TestAKeyWithoutConfigurationsStillShowsItsRights(t *testing.T) {
	b := open(t, psapitest.Options{Rights: map[string][]string{"customers": {"GET"}, "products": {"GET", "PUT"}}})
	facts, err := b.client.Probe(t.Context())
	if err != nil || facts.Zone != "" || !slices.Equal(facts.Rights["products"], []string{"get", "put"}) {
		t.Errorf("%+v %v", facts, err)
	}
	if _, err = b.client.Orders(t.Context(), psapi.Query{}); problem.KindOf(err) != problem.Unauthorised {
		t.Errorf("orders: %v", err)
	}
	page, err := b.client.Products(t.Context(), psapi.Query{Limit: 2})
	if err != nil || page.Items[0].Name == "" {
		t.Errorf("without knowing the language: %+v %v", page, err)
	}
}

func TestASwitchedOffShopAndAWrongKeyAreDiagnosed(t *testing.T) {
	b := open(t, psapitest.Options{})
	b.SetActive(false)
	_, err := b.client.Probe(t.Context())
	if p, _ := problem.Of(err); p == nil || p.Code != "22" {
		t.Errorf("off: %v", err)
	}
	b.SetActive(true)
	b.Deactivate(psapitest.DefaultKey)
	_, err = b.client.Probe(t.Context())
	if p, _ := problem.Of(err); p == nil || p.Code != "20" {
		t.Errorf("inactive key: %v", err)
	}
	wrong := open(t, psapitest.Options{}, func(cfg *psapi.Config) { cfg.Key = strings.Repeat("X", 32) })
	_, err = wrong.client.Probe(t.Context())
	if p, _ := problem.Of(err); p == nil || p.Code != "19" {
		t.Errorf("unknown key: %v", err)
	}
}

func TestConfigurationIsReadByName(t *testing.T) {
	b := open(t, psapitest.Options{HideErrors: true})
	values, err := b.client.Configuration(t.Context(), "PS_TIMEZONE", "NO_SUCH_NAME")
	if diff := cmp.Diff(map[string]string{"PS_TIMEZONE": "Europe/Paris"}, values); diff != "" || err != nil {
		t.Errorf("%s %v", diff, err)
	}
	if values, err = b.client.Configuration(t.Context(), "PS_CURRENCY_DEFAULT"); err != nil || values["PS_CURRENCY_DEFAULT"] != "1" {
		t.Errorf("%v %v", values, err)
	}
}

func TestTheClientIsSafeForSeveralReaders(t *testing.T) {
	b := open(t, psapitest.Options{}, func(cfg *psapi.Config) { cfg.Parallel = 3 })
	b.spoil(t, "empty500:p=0.2,seed=1")
	var group errgroup.Group
	for range 4 {
		group.Go(func() error {
			_, err := b.client.Products(t.Context(), psapi.Query{Limit: 40})
			return err
		})
		group.Go(func() error {
			_, err := b.client.Customers(t.Context(), psapi.Query{Limit: 40})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}
