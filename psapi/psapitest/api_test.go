package psapitest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cartiger/psapi/psapitest"
)

// reply is what came back for one request.
type reply struct {
	status int
	header http.Header
	body   string
}

func send(t *testing.T, s *psapitest.Shop, method, target, key, body string) reply {
	t.Helper()
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	var raw string
	r.URL.Path, raw, _ = strings.Cut(target, "?")
	r.URL.RawQuery = raw
	if key != "" {
		r.SetBasicAuth(key, "")
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return reply{status: w.Code, header: w.Result().Header, body: w.Body.String()}
}

func get(t *testing.T, s *psapitest.Shop, target string) reply {
	t.Helper()
	return send(t, s, http.MethodGet, target, psapitest.DefaultKey, "")
}

var (
	idTag   = regexp.MustCompile(`\n\t<id><!\[CDATA\[(\d+)\]\]></id>\n|<\w+ id="(\d+)" xlink`)
	codeTag = regexp.MustCompile(`<code><!\[CDATA\[(\d+)\]\]></code>`)
)

// tell sums a reply up: "200: 1 10", "400 code 33".
func (r reply) tell() string {
	var found []string
	for _, m := range idTag.FindAllStringSubmatch(r.body, -1) {
		found = append(found, m[1]+m[2])
	}
	if len(found) > 0 {
		return fmt.Sprintf("%d: %s", r.status, strings.Join(found, " "))
	}
	for _, m := range codeTag.FindAllStringSubmatch(r.body, -1) {
		found = append(found, "code "+m[1])
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", r.status, strings.Join(found, " ")))
}

// TestLists holds what wire/prestashop.md 3 says about filters, sorts and limits and no capture shows.
func TestLists(t *testing.T) {
	s := newShop(t, psapitest.Options{})
	tests := []struct{ query, want string }{
		{"customers?filter[lastname]=muller&limit=2", "200: 11 102"},
		{"customers?filter[lastname]=[MÜLLER]&limit=2", "200: 11 102"},
		{"customers?filter[id]=20&filter[id]=21", "200: 21"},
		{"customers?filter[id]=[21|20]", "200: 20 21"},
		{"customers?filter[id]=20.0", "200"}, // compared as text, with LIKE
		{"customers?filter[id]=[20.0]", "200: 20"},
		{"customers?filter[id]=[20abc]", "200: 20"},
		{"customers?filter[email]=", "400 code 33"},
		{"customers?filter[passwd][x]=1", "200"},
		{"customers?filter[foo][x]=1", "400 code 31"},
		{"customers?filter[id]=%3C[12]&sort=[id_DESC]", "200: 11 10 1"},
		{"customers?filter[id]=%3C[12]&sort=id_desc", "200: 11 10 1"},
		{"customers?limit=abc", "200"},
		{"customers?limit=0", "200"},
		{"customers?limit=2,3&sort=[id_ASC]", "200: 11 12 13"},
		{"customers?limit=2,-3", "200"},
		{"customers?limit=99999999999999999,5", "200"},
		{"customers?display=[id,groups]&limit=1", "400 code 35"},
		{"customers?display=[id,groups[id]]&limit=1", "200: 1 1"},
		{"customers?display=[id,groups[name]]&limit=1", "400 code 35"},
		{"customers?display=[]&limit=1", "200"},
		{"customers?display=minimum&limit=1", "200: 1"},
		{"customers?display=[id,date_upd]&limit=1", "400 code 35"},
		{"customers?display=[id,date_upd]&limit=1&date=0", "400 code 35"},
		{"order_details?filter[date_upd]=%3E[2020-01-01]&date=1&limit=1", "200"},
		{"order_histories?filter[date_upd]=%3E[2020-01-01]&date=1&limit=1", "200"},
		{"order_histories?filter[date_add]=%3E[2020-01-01]&date=1&limit=1", "200: 1"},
		{"currencies?sort=[date_upd_DESC]&date=1", "200"},
		{"orders?sort=[current_state_ASC]&limit=1", "200"},
		{"orders?filter[invoice_number]=%3E[1118]&sort=[invoice_number_ASC]", "200: 1299 9"},
		{"orders?filter[date_add]=2026-11-14%2008:00:00&date=1", "200: 1296"},
		{"orders?filter[total_paid]=[625.980]&display=[id]", "200: 1"},
		{"orders?filter[total_paid]=625.980&display=[id]", "200"},
		{"products?filter[price]=[0.644705]&display=[id]", "200: 1619"}, // the stored price, not the printed one
		{"products?filter[name][1]=[Tom]%25&language=1&limit=2&display=[id]", "200: 133 1418"},
		{"products?filter[name]=[Tom]%25&filter[link_rewrite]=[p]%25&language=1", "200"},
		{"products?language=99&limit=1", "400 code 81"},
		{"products?language=[1|x]&limit=1", "400 code 80"},
		{"products?language=x&limit=1", "400 code 79"},
		{"carts?filter[id_customer]=0&limit=1", "200"},
		{"addresses?filter[id_customer]=0&limit=2", "200: 1"},
		{"zones", "200"},
		{"zones/1", "404"},
		{"Customers", "400 code 27"},
		{"customers/24abc?display=full", "200: 24"},
	}
	for _, test := range tests {
		if got := get(t, s, "/api/"+test.query).tell(); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.query, got, test.want)
		}
	}
}

func TestVirtualPrices(t *testing.T) {
	s := newShop(t, psapitest.Options{})
	r := get(t, s, "/api/products?filter[id]=1619&display=[id,price,net,Gross]&price[net][use_tax]=0&price[net][use_reduction]=0&price[net][decimals]=6&price[Gross][use_reduction]=0")
	want := "<product>\n\t<id><![CDATA[1619]]></id>\n\t<price><![CDATA[0.660000]]></price>\n\t<net><![CDATA[0.644705]]></net>\n\t<gross><![CDATA[0.660000]]></gross>\n</product>\n"
	if !strings.Contains(r.body, want) {
		t.Errorf("got %s\nwant %s", r.body, want)
	}
}

func TestWhoMayCome(t *testing.T) {
	const other = "OTHERKEYAAAAAAAAAAAAAAAAAAAAAAAA"
	s := newShop(t, psapitest.Options{})
	s.Grant(other, map[string][]string{"customers": {"get"}})
	tests := []struct{ method, target, key, want string }{
		{"GET", "/api/customers?limit=1", strings.ToLower(psapitest.DefaultKey), "200: 1"},
		{"GET", "/api/customers?limit=1&ws_key=" + psapitest.DefaultKey, other, "200: 1"},
		{"GET", "/api/orders?limit=1&ws_key=" + psapitest.DefaultKey, other, "401 code 26"}, // Basic wins
		{"HEAD", "/api/customers", other, "405"},
		{"PATCH", "/api/customers", psapitest.DefaultKey, "405 code 23"},
		{"PUT", "/api/stock_movements", psapitest.DefaultKey, "405 code 101"},
		{"GET", "/api/customers/10?ps_method=DELETE", psapitest.DefaultKey, "200"},
		{"GET", "/api/customers/10", psapitest.DefaultKey, "404"},
		{"GET", "/api", psapitest.DefaultKey, "200"},
		{"GET", "/webservice/dispatcher.php?url=customers/24&display=full", psapitest.DefaultKey, "200: 24"},
		{"GET", "/", "", "200"},
		{"GET", "/shop/api/", "", "404"},
	}
	for _, test := range tests {
		if got := send(t, s, test.method, test.target, test.key, "").tell(); got != test.want {
			t.Errorf("%s %s: got %s, want %s", test.method, test.target, got, test.want)
		}
	}
	s.Deactivate(other)
	if got := send(t, s, "GET", "/api/", other, "").tell(); got != "401 code 20 code 21" {
		t.Errorf("inactive key: %s", got)
	}
}

func TestAShopInAFolder(t *testing.T) {
	s := newShop(t, psapitest.Options{Base: "/shop/", Key: "KEYOFTHESHOPAAAAAAAAAAAAAAAAAAAA", Version: "1.4.10.0"})
	r := send(t, s, "GET", "/shop/api/customers?limit=1", "KEYOFTHESHOPAAAAAAAAAAAAAAAAAAAA", "")
	if !strings.Contains(r.body, `xlink:href="http://example.com/shop/api/customers/1"`) || r.header.Get("PSWS-Version") != "1.4.10.0" {
		t.Errorf("got %s\n%v", r.body, r.header)
	}
	if got := send(t, s, "GET", "/api/customers", "KEYOFTHESHOPAAAAAAAAAAAAAAAAAAAA", "").status; got != http.StatusNotFound {
		t.Errorf("outside of the folder: %d", got)
	}
	if _, err := psapitest.New(psapitest.Options{Base: "shop"}); err == nil {
		t.Error("a base without a slash was accepted")
	}
}

// TestHiddenErrors holds what display_errors=off does beyond the captures (wire/prestashop.md 3 and 7).
func TestHiddenErrors(t *testing.T) {
	s := newShop(t, psapitest.Options{HideErrors: true})
	tests := []struct{ query, want string }{
		{"orders?display=full&limit=1", "500"},
		{"orders?display=[id,order_rows[id]]&limit=1", "500"},
		{"orders?display=[id,current_state]&limit=1", "200: 1"},
		{"orders/14", "200: 14"}, // has no lines
		{"customers?filter[id]=[20]", "500"},
		{"customers?filter[id]=[20,23]", "500"},
		{"customers?filter[id]=20", "200: 20"},
		{"customers?filter[id]=[20|20]", "200: 20"},
		{"customers?filter[id]=!%5B1%5D&limit=1", "200: 10"},
		{"products?filter[name]=[Tom]%25&language=1&limit=1", "500"}, // the language goes through the same pattern
		{"products?filter[name]=[Tom]%25&language=[1|2]&limit=1", "200: 118"},
		{"carts/2301", "200: 2301"},
	}
	for _, test := range tests {
		r := get(t, s, "/api/"+test.query)
		if got := r.tell(); got != test.want {
			t.Errorf("%s: got %s, want %s", test.query, got, test.want)
		}
		if r.status == http.StatusInternalServerError && !strings.Contains(r.body, "Internal error. To see this error") {
			t.Errorf("%s: %s", test.query, r.body)
		}
	}
}

func TestFaultsOfTheShop(t *testing.T) {
	s := newShop(t, psapitest.Options{})
	spoil(t, s, "sql-empty:op=orders,times=1")
	if got := get(t, s, "/api/customers?limit=1").tell(); got != "200: 1" {
		t.Errorf("customers: %s", got)
	}
	if got := get(t, s, "/api/orders?limit=1").tell(); got != "200" {
		t.Errorf("orders, SQL failing: %s", got)
	}
	if got := get(t, s, "/api/orders?limit=1").tell(); got != "200: 1" {
		t.Errorf("orders afterwards: %s", got)
	}
	s.Faults().Clear()
	spoil(t, s, "401")
	r := get(t, s, "/api/orders?limit=1")
	if r.status != http.StatusUnauthorized || r.header.Get("PSWS-Version") != "" || r.body != "" {
		t.Errorf("without the Authorization header: %d %v", r.status, r.header)
	}
	if got := get(t, s, "/api/orders?limit=1&ws_key="+psapitest.DefaultKey).tell(); got != "200: 1" {
		t.Errorf("with ws_key: %s", got)
	}
}

func TestTheControlEndpoints(t *testing.T) {
	s := newShop(t, psapitest.Options{Now: clock(t, "2026-12-01 10:00:00")})
	get(t, s, "/api/")
	get(t, s, "/api/customers?limit=1")
	get(t, s, "/api/customers/24")
	get(t, s, "/api/custmers")
	if got := send(t, s, "GET", "/__stats", "", "").body; got != `{"total":4,"requests":{"api":1,"customers":2,"unknown":1}}`+"\n" {
		t.Errorf("stats: %s", got)
	}
	if got := send(t, s, "POST", "/__stats/reset", "", "").body; got != `{"total":0,"requests":{}}`+"\n" {
		t.Errorf("stats after reset: %s", got)
	}

	r := send(t, s, "POST", "/__act", "", `{"do":"order","customer":24,"currency":2,"state":1,"lines":[{"product":31,"quantity":2,"price":"10.00","tax_rate":20}]}`)
	var acted psapitest.Acted
	if err := json.Unmarshal([]byte(r.body), &acted); err != nil || r.status != http.StatusOK {
		t.Fatalf("act: %d %s (%v)", r.status, r.body, err)
	}
	want := psapitest.Acted{At: "2026-12-01 10:00:00", Customer: 24, Address: 126, Cart: 2302, Order: 1301, Lines: []int64{3311}, Histories: []int64{4146}, Movements: []int64{3151}}
	if diff := cmp.Diff(want, acted); diff != "" {
		t.Errorf("acted (-want +got):\n%s", diff)
	}
	if got := get(t, s, "/api/orders?filter[date_upd]=%3E[2026-12-01%2009:59:59]&date=1&display=[id,total_paid,current_state]").body; !strings.Contains(got, "<id><![CDATA[1301]]></id>") ||
		!strings.Contains(got, "<total_paid><![CDATA[24.00]]>") || !strings.Contains(got, `not_filterable="true"><![CDATA[1]]></current_state>`) {
		t.Errorf("the order that was placed: %s", got)
	}
	for _, wrong := range []string{`{"do":"order","colour":"red"}`, `{"do":"login","customer":99999}`, `nonsense`} {
		if r := send(t, s, "POST", "/__act", "", wrong); r.status != http.StatusBadRequest || !strings.Contains(r.body, `"error":"action`) {
			t.Errorf("act %s: %d %s", wrong, r.status, r.body)
		}
	}

	var records []map[string]string
	if err := json.Unmarshal([]byte(send(t, s, "GET", "/__records/currencies", "", "").body), &records); err != nil || len(records) != 6 || records[1]["iso_code"] != "USD" {
		t.Errorf("records: %v %v", records, err)
	}
	if got := send(t, s, "GET", "/__records/nothing", "", "").status; got != http.StatusNotFound {
		t.Errorf("records of nothing: %d", got)
	}

	for _, rules := range []string{"503:op=customers\n\n", `{"rules":["503:op=customers"]}`} {
		send(t, s, "POST", "/__fault", "", rules)
		if got := get(t, s, "/api/customers?limit=1").status; got != http.StatusServiceUnavailable {
			t.Errorf("with the rule of %q: %d", rules, got)
		}
		send(t, s, "POST", "/__fault", "", "")
		if got := get(t, s, "/api/customers?limit=1").status; got != http.StatusOK {
			t.Errorf("after clearing: %d", got)
		}
	}
	if got := send(t, s, "POST", "/__fault", "", "burn"); got.status != http.StatusBadRequest || !strings.Contains(got.body, "unknown kind") {
		t.Errorf("a wrong rule: %d %s", got.status, got.body)
	}
}

// Somebody who tries the shop by hand need not look for ids first: what is left out is the newest that fits.
func TestActionsByHandNeedNoIDs(t *testing.T) {
	s := newShop(t, psapitest.Options{})
	act := func(do string) psapitest.Acted {
		t.Helper()
		var acted psapitest.Acted
		r := send(t, s, "POST", "/__act", "", `{"do":"`+do+`"}`)
		if err := json.Unmarshal([]byte(r.body), &acted); err != nil || r.status != http.StatusOK {
			t.Fatalf("%s: %d %s (%v)", do, r.status, r.body, err)
		}
		return acted
	}
	who := act("register").Customer
	if got := act("login").Customer; got != who {
		t.Errorf("customer %d logs in, not %d who has just registered", got, who)
	}
	order := act("order")
	if order.Customer != who {
		t.Errorf("customer %d orders, not %d", order.Customer, who)
	}
	if paid := act("state"); paid.Order != order.Order || paid.Invoice == 0 {
		t.Errorf("the next state of order %d: %+v", order.Order, paid)
	}
	if back := act("refund"); back.Order != order.Order || back.Lines[0] != order.Lines[0] {
		t.Errorf("refund: %+v", back)
	}
	if shipped := act("state"); shipped.Order != order.Order {
		t.Errorf("shipped: %+v", shipped)
	}
	for _, do := range []string{"cancel", "return", "product"} {
		act(do)
	}
}

func TestRecordsCanBeSet(t *testing.T) {
	s := newShop(t, psapitest.Options{})
	s.Set("products", 31, "name", "Tasse")
	p, ok := s.Record("products", 31)
	if !ok || p["name"] != "Tasse" || p["name[4]"] != "Tasse" || p["date_upd"] != "2025-06-11 05:25:00" || p["net"] != "8.361204" {
		t.Errorf("product 31: %v", p)
	}
	id := s.Insert("customers", map[string]string{"email": "a@example.com", "lastname": "]]>"})
	if id != 2312 || !strings.Contains(get(t, s, "/api/customers/2312").body, "<lastname><![CDATA[]]>]]></lastname>") {
		t.Errorf("inserted %d", id)
	}
	if !s.Delete("customers", id) || s.Delete("customers", id) {
		t.Error("a customer was not deleted once")
	}
	if _, ok := s.Record("customers", id); ok {
		t.Error("the deleted customer is still there")
	}
	if other, _ := newShop(t, psapitest.Options{}).Record("products", 31); other["name"] == "Tasse" {
		t.Error("one shop's change shows in another")
	}
}

// TestManyAtOnce lets readers and actors meet; the race detector watches.
func TestManyAtOnce(t *testing.T) {
	s := newShop(t, psapitest.Options{})
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		ids   []int64
	)
	for range 4 {
		group.Go(func() {
			for range 10 {
				acted, err := s.Act(psapitest.Action{Do: "order", Customer: 24})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				ids = append(ids, acted.Order)
				mu.Unlock()
				get(t, s, "/api/orders?display=full&limit=5&sort=[id_DESC]")
			}
		})
	}
	group.Wait()
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 40 || ids[39] != 1340 {
		t.Errorf("40 orders got the ids %v", ids)
	}
}

// FuzzQuery throws query strings at every resource: the shop always answers, and never with a server error.
func FuzzQuery(f *testing.F) {
	s, err := psapitest.New(psapitest.Options{})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"filter[id]=[1|2]&sort=[id_ASC]&limit=3", "display=[id,order_rows[id]]&date=1&filter[date_upd]=%3E[2026-01-01]",
		"schema=blank", "price[net][use_tax]=0&display=[net]", "language=[1|2]&filter[name]=%25[a]%25", "filter[id]=%3E%3D[1]&limit=1,2",
	} {
		f.Add("orders", seed)
		f.Add("products", seed)
	}
	f.Fuzz(func(t *testing.T, resource, query string) {
		if strings.Contains(query, "ps_method") {
			return // it would change the shop that all runs share
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path, r.URL.RawQuery = "/api/"+resource, query+"&limit=2"
		r.SetBasicAuth(psapitest.DefaultKey, "")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if body, _ := io.ReadAll(w.Body); w.Code >= 500 || w.Code == 200 && len(body) == 0 {
			t.Errorf("%s?%s: %d %q", resource, query, w.Code, body)
		}
	})
}

// TestLatencyEndsWithTheClient: a request whose client has gone does not wait.
func TestLatencyEndsWithTheClient(t *testing.T) {
	s := newShop(t, psapitest.Options{Latency: time.Hour})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(gone, http.MethodGet, "/api/", nil))
	if w.Body.Len() != 0 || w.Header().Get("PSWS-Version") != "" {
		t.Errorf("got %v %s", w.Header(), w.Body)
	}
}

// TestBlankSchemas shows what capture 033 does not: languages, lists with references, fields that nobody may set.
func TestBlankSchemas(t *testing.T) {
	s := newShop(t, psapitest.Options{})
	body := get(t, s, "/api/products?schema=blank&language=2").body
	for _, want := range []string{
		"<product>\n\t<id></id>\n\t<id_manufacturer></id_manufacturer>\n", `<name><language id="2"></language></name>`,
		"<categories>\n\t<category>\n\t<id></id>\n\t</category>\n</categories>\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in %s", want, body)
		}
	}
	for _, alien := range []string{"manufacturer_name", "xlink:href", "format=", "required=", `id="1"`} {
		if strings.Contains(body, alien) {
			t.Errorf("%q is in %s", alien, body)
		}
	}
}
