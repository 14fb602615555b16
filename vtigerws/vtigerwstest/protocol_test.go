package vtigerwstest_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"cartiger/fault"
	"cartiger/vtigerws/vtigerwstest"
)

func key(token, accessKey string) string {
	sum := md5.Sum([]byte(token + accessKey))
	return hex.EncodeToString(sum[:])
}

func (c *client) challenge(user string) string {
	c.t.Helper()
	var token struct{ Token string }
	c.read(c.call(http.MethodGet, url.Values{"operation": {"getchallenge"}, "username": {user}}), &token)
	return token.Token
}

func (c *client) tryLogin(user, accessKey string) string {
	c.t.Helper()
	return c.call(http.MethodPost, url.Values{"operation": {"login"}, "username": {user}, "accessKey": {accessKey}}).Error.Code
}

func TestASecondChallengeTakesTheFirst(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := start(t, vtigerwstest.Options{Now: func() time.Time { return now }})
	first := c.challenge("ADMIN")
	second := c.challenge("admin")
	if code := c.tryLogin("admin", key(first, "TestAccessKey")); code != "INVALID_USER_CREDENTIALS" {
		t.Errorf("replaced token: %q", code)
	}
	for range 2 {
		if code := c.tryLogin("Admin", key(second, "TestAccessKey")); code != "" {
			t.Errorf("live token: %q", code)
		}
	}
	now = now.Add(301 * time.Second)
	if code := c.tryLogin("admin", key(second, "TestAccessKey")); code != "INVALID_AUTH_TOKEN" {
		t.Errorf("token after 301 s: %q", code)
	}
}

func TestOneSessionDoesOneThingAtATime(t *testing.T) {
	const latency = time.Second
	synctest.Test(t, func(t *testing.T) {
		crm, err := vtigerwstest.New(vtigerwstest.Options{Latency: latency})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(verb string, values url.Values) answer {
			var req *http.Request
			if verb == http.MethodGet {
				req = httptest.NewRequest(verb, "/webservice.php?"+values.Encode(), nil)
			} else {
				req = httptest.NewRequest(verb, "/webservice.php", strings.NewReader(values.Encode()))
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			rec := httptest.NewRecorder()
			crm.ServeHTTP(rec, req)
			var a answer
			if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
				t.Error(err)
			}
			return a
		}
		login := func() string {
			var made struct{ Token, SessionName string }
			_ = json.Unmarshal(ask(http.MethodGet, url.Values{"operation": {"getchallenge"}, "username": {"admin"}}).Result, &made)
			_ = json.Unmarshal(ask(http.MethodPost, url.Values{"operation": {"login"}, "username": {"admin"}, "accessKey": {key(made.Token, "TestAccessKey")}}).Result, &made)
			return made.SessionName
		}
		one, other := login(), login()
		both := func(sessions ...string) time.Duration {
			var wg sync.WaitGroup
			began := time.Now()
			for _, s := range sessions {
				wg.Go(func() {
					if a := ask(http.MethodGet, url.Values{"operation": {"listtypes"}, "sessionName": {s}}); !a.Success {
						t.Errorf("refused: %+v", a.Error)
					}
				})
			}
			wg.Wait()
			return time.Since(began)
		}
		if took := both(one, one); took != 2*latency {
			t.Errorf("two requests of one session took %v, want %v", took, 2*latency)
		}
		if took := both(one, other); took != latency {
			t.Errorf("two requests of two sessions took %v, want %v", took, latency)
		}
	})
}

func TestSessionsEnd(t *testing.T) {
	c := start(t, vtigerwstest.Options{})
	c.crm.DropSessions()
	if code := c.call(http.MethodGet, url.Values{"operation": {"listtypes"}}).Error.Code; code != "INVALID_SESSIONID" {
		t.Errorf("after the sessions were dropped: %q", code)
	}
}

func TestNoiseComesBeforeTheJSON(t *testing.T) {
	crm, err := vtigerwstest.New(vtigerwstest.Options{Noisy: true, Base: "/crm/"})
	if err != nil {
		t.Fatal(err)
	}
	c := serve(t, crm)
	get := func(path string) (int, string) {
		res, err := c.server.Client().Get(c.server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	status, body := get("/crm/webservice.php?operation=getchallenge&username=admin")
	if status != 200 || !strings.HasPrefix(body, "<br />\n<b>Warning</b>") || !strings.Contains(body, `{"success":true`) {
		t.Errorf("status %d, body %.200q", status, body)
	}
	if status, body = get("/crm/webservice.php?operation=frobnicate"); status != 200 || !strings.Contains(body, "Fatal error") {
		t.Errorf("unknown operation: status %d, body %.200q", status, body)
	}
	if status, _ = get("/webservice.php?operation=getchallenge"); status != 404 {
		t.Errorf("outside its base the CRM answers %d", status)
	}
}

func TestWrongOptionsAreNamed(t *testing.T) {
	for _, o := range []vtigerwstest.Options{{Version: "7.0.0"}, {BaseCurrency: "EURO"}} {
		if _, err := vtigerwstest.New(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestRightsAreMetWhereTheyAreMissing(t *testing.T) {
	c := start(t, vtigerwstest.Options{})
	lead := record{"lastname": "x", "company": "y", "assigned_user_id": "19x1"}
	made := c.create("Leads", lead)
	rights := vtigerwstest.AllRights
	rights.Create = false
	c.crm.SetRights("Leads", rights)
	var described struct{ Createable bool }
	c.read(c.call(http.MethodGet, url.Values{"operation": {"describe"}, "elementType": {"Leads"}}), &described)
	if a := c.write("create", "Leads", lead, nil); !described.Createable || a.Error.Code != "ACCESS_DENIED" {
		t.Errorf("createable %v, create answers %+v", described.Createable, a.Error)
	}
	rights.Admits = true
	c.crm.SetRights("Leads", rights)
	c.read(c.call(http.MethodGet, url.Values{"operation": {"describe"}, "elementType": {"Leads"}}), &described)
	if described.Createable {
		t.Error("describe does not admit the missing right")
	}
	c.crm.SetRights("Leads", vtigerwstest.Rights{Off: true})
	for _, a := range []answer{
		c.call(http.MethodGet, url.Values{"operation": {"describe"}, "elementType": {"Leads"}}),
		c.call(http.MethodGet, url.Values{"operation": {"query"}, "query": {"select * from Leads;"}}),
		c.call(http.MethodGet, url.Values{"operation": {"retrieve"}, "id": {made["id"].(string)}}),
		c.write("update", "", record{"id": made["id"], "lastname": "z"}, nil),
		c.call(http.MethodPost, url.Values{"operation": {"delete"}, "id": {made["id"].(string)}}),
	} {
		if a.Error.Code != "ACCESS_DENIED" {
			t.Errorf("a module that is off answers %+v", a)
		}
	}
	var types struct{ Types []string }
	c.read(c.call(http.MethodGet, url.Values{"operation": {"listtypes"}}), &types)
	if strings.Contains(strings.Join(types.Types, " "), "Leads") {
		t.Error("listtypes names a module that is off")
	}
}

func TestANonAdminDoesNotSeeUsers(t *testing.T) {
	c := start(t, vtigerwstest.Options{})
	c.crm.AddUser("shop", "ShopKey", false, "")
	c.session = c.login("shop", "ShopKey")
	a := c.write("create", "Products", record{"productname": "x", "assigned_user_id": "19x5"}, nil)
	if a.Error.Message != "Permission to access reference type is deniedUsers" {
		t.Errorf("a product with a handler: %+v", a.Error)
	}
	c.create("Products", record{"productname": "x"})
}

func TestAFieldBecomesMandatory(t *testing.T) {
	for _, version := range []string{"5.2.1", "6.4.0"} {
		c := start(t, vtigerwstest.Options{Version: version})
		c.crm.Require("Leads", "cf_900", true)
		c.crm.SetPicklist("Leads", "cf_901", []string{"a", "b"})
		lead := record{"lastname": "x", "company": "y", "assigned_user_id": "19x1"}
		if a := c.write("create", "Leads", lead, nil); a.Error.Message != "cf_900 does not have a value" {
			t.Errorf("%s: %+v", version, a)
		}
		lead["cf_900"], lead["cf_901"] = "given", "b"
		if made := c.create("Leads", lead); made["cf_900"] != "given" || made["cf_901"] != "b" {
			t.Errorf("%s: %v", version, made)
		}
		if found := c.query("select id from Leads where cf_900='GIVEN';"); len(found) != 1 {
			t.Errorf("%s: a custom field is not searchable: %v", version, found)
		}
	}
}

func Test54ConvertsAmountsFromTheUsersCurrency(t *testing.T) {
	for version, want := range map[string]string{"5.2.1": "100.00", "5.4.0": "133.33"} {
		c := start(t, vtigerwstest.Options{Version: version, BaseCurrency: "USD"})
		id := c.crm.Insert("Currency", map[string]string{"currency_name": "Euro", "currency_code": "EUR", "conversion_rate": "0.75", "currency_status": "Active"})
		c.crm.AddUser("shop", "ShopKey", true, id)
		c.session = c.login("shop", "ShopKey")
		account := c.crm.Insert("Accounts", map[string]string{"accountname": "Acme"})
		made := c.create("Potentials", record{
			"potentialname": "p", "related_to": account, "closingdate": "2012-03-04", "sales_stage": "Prospecting", "amount": "100", "assigned_user_id": "19x1",
		})
		if made["amount"] != want {
			t.Errorf("%s: amount %v, want %s", version, made["amount"], want)
		}
	}
}

func TestABadOwnerSpoilsEveryList(t *testing.T) {
	lead := record{"lastname": "x", "company": "y", "assigned_user_id": "19x77"}
	for version, stored := range map[string]int{"5.2.1": 0, "5.4.0": 1, "6.4.0": 1} {
		c := start(t, vtigerwstest.Options{Version: version})
		if a := c.write("create", "Leads", lead, nil); a.Success {
			t.Errorf("%s: created", version)
		}
		if n := len(c.query("select lastname from Leads;")); n != stored {
			t.Errorf("%s: %d records are stored, want %d", version, n, stored)
		}
		a := c.call(http.MethodGet, url.Values{"operation": {"query"}, "query": {"select * from Leads;"}})
		if a.Success != (stored == 0) {
			t.Errorf("%s: select * answers %+v", version, a)
		}
	}
}

func TestConvertedAndDeletedRecordsHide(t *testing.T) {
	c := start(t, vtigerwstest.Options{})
	lead := c.create("Leads", record{"lastname": "Smith", "firstname": "John", "company": "Smith John", "email": "j@example.com", "assigned_user_id": "19x1"})
	stranger := c.crm.Insert("Accounts", map[string]string{"accountname": "SMITH john"})
	var made record
	c.read(c.call(http.MethodPost, url.Values{
		"operation": {"convertlead"}, "leadId": {lead["id"].(string)}, "assignedTo": {"19x1"}, "accountName": {"Smith John"}, "avoidPotential": {"1"}, "potential": {"{}"},
	}), &made)
	if made["accountId"] != stranger {
		t.Errorf("account %v, the one of that name is %v", made["accountId"], stranger)
	}
	if contact := c.query("select email,account_id from Contacts;"); len(contact) != 1 || contact[0]["email"] != "j@example.com" || contact[0]["account_id"] != stranger {
		t.Errorf("contact %v", contact)
	}
	if n := len(c.query("select id from Leads;")); n != 0 || len(c.crm.Records("Leads")) != 0 {
		t.Errorf("%d converted leads are found", n)
	}
	c.read(c.call(http.MethodGet, url.Values{"operation": {"retrieve"}, "id": {lead["id"].(string)}}), &record{})
	c.crm.Delete(stranger)
	if contact := c.query("select account_id from Contacts;"); contact[0]["account_id"] != "" {
		t.Errorf("a reference to a deleted record reads %v", contact)
	}
}

func TestFaultsOfTheServerItself(t *testing.T) {
	cases := []struct {
		rule string
		run  func(*shop) string
		want string
	}{
		{"no-session:op=query,nth=1", func(s *shop) string {
			return s.call(http.MethodGet, url.Values{"operation": {"query"}, "query": {"select id from Leads;"}}).Error.Code
		}, "INVALID_SESSIONID"},
		{"token", func(s *shop) string {
			return s.tryLogin("admin", key(s.challenge("admin"), "TestAccessKey"))
		}, "INVALID_USER_CREDENTIALS"},
		{"denied:op=create,type=Leads", func(s *shop) string {
			return s.write("create", "Leads", record{"lastname": "x", "company": "y", "assigned_user_id": "19x1"}, nil).Error.Code
		}, "ACCESS_DENIED"},
		{"half-order", func(s *shop) string {
			status, body, _ := s.send(http.MethodPost, s.writing("create", "SalesOrder", s.order(nil), s.lines(nil)))
			orders := s.crm.Records("SalesOrder")
			return fmt.Sprintf("%d %q, %d order, total %q, %d line", status, body, len(orders), orders[0]["hdnGrandTotal"], len(orders[0]["lines"].([]record)))
		}, `500 "", 1 order, total "", 1 line`},
		{"101-rows:type=Accounts", func(s *shop) string {
			for range 100 {
				s.crm.Insert("Accounts", map[string]string{"accountname": "a"})
			}
			return fmt.Sprint(len(s.query("select id from Accounts limit 100;")), len(s.query("select id from Accounts where accountname='Acme';")))
		}, "101 1"},
		{"lost:op=create", func(s *shop) string {
			_, _, err := s.send(http.MethodPost, s.writing("create", "Leads", record{"lastname": "x", "company": "y", "assigned_user_id": "19x1"}, nil))
			return fmt.Sprint(err != nil, len(s.crm.Records("Leads")))
		}, "true 1"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			s := startShop(t, vtigerwstest.Options{})
			rule, err := fault.ParseRule(c.rule)
			if err != nil {
				t.Fatal(err)
			}
			s.crm.Faults().Add(rule)
			if got := c.run(s); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestTheControlEndpoints(t *testing.T) {
	s := startShop(t, vtigerwstest.Options{})
	get := func(path string, into any) {
		t.Helper()
		res, err := s.server.Client().Get(s.server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	post := func(path, body string) int {
		t.Helper()
		res, err := s.server.Client().Post(s.server.URL+path, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	var orders []record
	id := s.placed(s.lines(nil))
	get("/__records/SalesOrder", &orders)
	if len(orders) != 1 || orders[0]["id"] != id || orders[0]["lines"].([]any)[0].(record)["quantity"] != "2.000" {
		t.Errorf("records: %v", orders)
	}
	for _, module := range []string{"Currency", "Prestashop", "Leads"} {
		get("/__records/"+module, &orders)
	}
	var stats vtigerwstest.Stats
	get("/__stats", &stats)
	if diff := cmp.Diff(vtigerwstest.Stats{Total: 3, Requests: map[string]int{"getchallenge": 1, "login": 1, "create": 1}}, stats); diff != "" {
		t.Errorf("stats:\n%s", diff)
	}
	if status := post("/__stats/reset", ""); status != http.StatusOK {
		t.Errorf("the reset: %d", status)
	}
	if get("/__stats", &stats); stats.Total != 0 {
		t.Errorf("after the reset: %+v", stats)
	}
	if status := post("/__fault", "burn"); status != http.StatusBadRequest {
		t.Errorf("a wrong rule: %d", status)
	}
	for _, body := range []string{"503:op=query\n\n429:op=create,retry-after=3", `{"rules":["503:op=query","429:op=create"]}`} {
		post("/__fault", body)
		if status, _, _ := s.send(http.MethodGet, url.Values{"operation": {"query"}, "query": {"select id from Leads;"}}); status != 503 {
			t.Errorf("%q: query answers %d", body, status)
		}
		if status, _, _ := s.send(http.MethodPost, s.writing("create", "Leads", record{}, nil)); status != 429 {
			t.Errorf("%q: create answers %d", body, status)
		}
	}
	post("/__fault", "")
	s.query("select id from Leads;")
}

func TestABatchRefersBack(t *testing.T) {
	c := start(t, vtigerwstest.Options{Addon: true})
	calls := []record{
		{"op": "create", "elementType": "Accounts", "element": record{"accountname": "Batch SA", "assigned_user_id": "19x1"}},
		{"op": "create", "elementType": "Contacts", "element": record{"lastname": "Batch", "account_id": "@0.id", "assigned_user_id": "19x1"}},
		{"op": "create", "elementType": "Contacts", "element": record{"assigned_user_id": "19x1"}},
		{"op": "create", "elementType": "Contacts", "element": record{"lastname": "Lost", "account_id": "@2.id", "assigned_user_id": "19x1"}},
		{"op": "revise", "element": record{"id": "@1.id", "phone": "1"}},
	}
	var answers []answer
	c.read(c.call(http.MethodPost, url.Values{"operation": {"prestashop.batch"}, "calls": {encode(t, calls)}}), &answers)
	var ok []bool
	for _, a := range answers {
		ok = append(ok, a.Success)
	}
	if diff := cmp.Diff([]bool{true, true, false, false, true}, ok); diff != "" {
		t.Errorf("answers: %s", diff)
	}
	if found := c.query("select account_id,phone from Contacts;"); len(found) != 1 || found[0]["account_id"] == "" || found[0]["phone"] != "1" {
		t.Errorf("contacts %v", found)
	}
	if n := c.crm.Stats().Requests["prestashop.batch"]; n != 1 {
		t.Errorf("a batch counts %d", n)
	}
	without := start(t, vtigerwstest.Options{})
	if status, _, _ := without.send(http.MethodPost, url.Values{"operation": {"prestashop.batch"}, "calls": {"[]"}}); status != 500 {
		t.Errorf("without the module a batch answers %d", status)
	}
}

func TestManyAtOnce(t *testing.T) {
	c := start(t, vtigerwstest.Options{})
	var wg sync.WaitGroup
	for worker := range 8 {
		session := c.login("admin", "TestAccessKey")
		wg.Go(func() {
			for i := range 20 {
				body := url.Values{
					"operation": {"create"}, "sessionName": {session}, "elementType": {"Leads"},
					"element": {fmt.Sprintf(`{"lastname":"L%d-%d","company":"c","email":"e%d@example.com","assigned_user_id":"19x1"}`, worker, i, i)},
				}
				res, err := c.server.Client().Post(c.server.URL+"/webservice.php", "application/x-www-form-urlencoded", bytes.NewReader([]byte(body.Encode())))
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				c.crm.Records("Leads")
			}
		})
	}
	wg.Wait()
	if n := len(c.query("select id from Leads where email='E7@EXAMPLE.COM';")); n != 8 {
		t.Errorf("%d leads of one address, want 8", n)
	}
	seen := make(map[any]bool)
	for _, r := range c.crm.Records("Leads") {
		seen[r["id"]] = true
	}
	if len(seen) != 160 {
		t.Errorf("%d leads, want 160", len(seen))
	}
}
