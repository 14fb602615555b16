package psapi

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cartiger/problem"
)

func TestTheShopURLIsReadAsPeopleTypeIt(t *testing.T) {
	for text, want := range map[string]string{
		"https://shop.example.com/":                                  "https://shop.example.com/",
		"https://shop.example.com":                                   "https://shop.example.com/",
		"  HTTPS://shop.example.com  ":                               "https://shop.example.com/",
		"http://example.com/shop":                                    "http://example.com/shop/",
		"http://example.com/shop/api":                                "http://example.com/shop/",
		"http://example.com/shop/api/":                               "http://example.com/shop/",
		"http://example.com/myapi/":                                  "http://example.com/myapi/",
		"http://example.com/shop/index.php":                          "http://example.com/shop/",
		"http://127.0.0.1:8014/":                                     "http://127.0.0.1:8014/",
		"http://[::1]:8014/":                                         "http://[::1]:8014/",
		"http://example.com/shop/webservice/dispatcher.php":          "http://example.com/shop/",
		"http://example.com/webservice/dispatcher.php?url=customers": "http://example.com/",
	} {
		u, dispatcher, err := ParseURL(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if u.String() != want || dispatcher != strings.Contains(text, "dispatcher") {
			t.Errorf("%q = %s (dispatcher %v), want %s", text, u, dispatcher, want)
		}
	}
}

func TestAWrongShopURLIsRefusedWithItsCure(t *testing.T) {
	for text, word := range map[string]string{
		"":                                       "for example https://",
		"shop.example.com":                       "https://shop.example.com",
		"https:/shop.example.com/":               "https://shop.example.com/",
		"http//shop.example.com/":                "https://shop.example.com/",
		"ftp://shop.example.com/":                "https:// and http://",
		"https://":                               "for example https://",
		"https://https://shop.example/":          "for example https://",
		"https://a..b/":                          "for example https://",
		"https://shop.example.com:99999/":        "from 1 to 65535",
		"https://SECRETSECRET@shop.example.com/": "field of its own",
		"https://shop.example.com/api/?ws_key=SECRETSECRET":           "field of its own",
		"https://shop.example.com/index.php?id_product=1":             "Leave out",
		"https://shop.example.com/#top":                               "Leave out",
		"https://shop.example.com/a b":                                "for example https://",
		"https://shop.example.com/\x1b[31m":                           "for example https://",
		"https://shop.example.com/" + strings.Repeat("x", 2000):       "for example https://",
		"https://shop.example.com/webservice/dispatcher.php?ws_key=S": "field of its own",
	} {
		_, _, err := ParseURL(text)
		p, ok := problem.Of(err)
		if !ok || p.Kind != problem.Invalid || p.Field != "shop URL" || !strings.Contains(p.Cure, word) {
			t.Errorf("%q: %v, cure %q, want one with %q", text, err, p.Cure, word)
			continue
		}
		if strings.Contains(p.Message+p.Cure, "SECRETSECRET") {
			t.Errorf("%q: the secret is shown: %s %s", text, p.Message, p.Cure)
		}
	}
}

func TestAKeysetPageIsWrittenAsCaptured(t *testing.T) {
	got := Query{After: 2300}.list(customers.shape, nil, 3, 0).encode()
	// Capture 082, all of it percent-encoded.
	if want := "filter%5Bid%5D=%3E%5B2300%5D&sort=%5Bid_ASC%5D&limit=3"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestADateQueryAsksForDates(t *testing.T) {
	q := Query{Since: "2026-11-01 00:00:00", ByDate: true, Offset: 200}
	got := q.list(orders.shape, []string{"id", "date_upd"}, 100, 0).encode()
	want := "display=%5Bid%2Cdate_upd%5D&filter%5Bdate_upd%5D=%3E%5B2026-11-01%2000%3A00%3A00%5D&date=1&sort=%5Bdate_upd_ASC%2Cid_ASC%5D&limit=200%2C100"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestOnlyFilterFormsThatEveryPCREKnowsAreSent(t *testing.T) {
	for want, f := range map[string]Filter{
		"[5|5]":     {"id_order", OneOf, []string{"5"}},
		"[5|6]":     {"id_order", OneOf, []string{"5", "6"}},
		"5":         {"id_order", Equal, []string{"5"}},
		">[5]":      {"id_order", Greater, []string{"5"}},
		"<[5]":      {"id_order", Less, []string{"5"}},
		"a b@c.com": {"name", Equal, []string{"a b@c.com"}},
	} {
		if got := f.expression(); got != want {
			t.Errorf("%v is written %q, want %q", f, got, want)
		}
	}
}

func TestQueriesThatTheShopWouldAnswerWronglyAreRefused(t *testing.T) {
	since := Stamp("2026-11-01 00:00:00")
	for name, c := range map[string]struct {
		s     shape
		q     Query
		field string
	}{
		"date of a table without one":     {orderDetails.shape, Query{Since: since}, "date_upd"},
		"sort by a date that is not":      {currencies.shape, Query{ByDate: true}, "date_upd"},
		"dates of groups are not vouched": {groups.shape, Query{Since: since}, "date_upd"},
		"a date that is none":             {orders.shape, Query{Since: "yesterday"}, "date_upd"},
		"a day without its time":          {orders.shape, Query{Since: "2026-11-01"}, "date_upd"},
		"too long a page":                 {orders.shape, Query{Limit: maxLimit + 1}, "limit"},
		"limit below 0":                   {orders.shape, Query{Limit: -1}, "limit"},
		"offset below 0":                  {orders.shape, Query{Offset: -1}, "limit"},
		"two filters on id":               {orders.shape, Query{After: 1, IDs: []int64{2}}, "id"},
		"two filters on one field":        {orders.shape, Query{Since: since, Where: []Filter{{"date_upd", Less, []string{"x"}}}}, "date_upd"},
		"id 0":                            {orders.shape, Query{IDs: []int64{0}}, "id"},
		"secret field":                    {customers.shape, Query{Fields: []string{"passwd"}}, "passwd"},
		"filter by a secret":              {customers.shape, Query{Where: []Filter{{"secure_key", Equal, []string{"x"}}}}, "secure_key"},
		"computed field":                  {orders.shape, Query{Where: []Filter{{"current_state", Equal, []string{"2"}}}}, "current_state"},
		"virtual field":                   {products.shape, Query{Where: []Filter{{"net", Greater, []string{"2"}}}}, "net"},
		"operator that is dropped":        {orders.shape, Query{Where: []Filter{{"id_cart", ">=", []string{"2"}}}}, "id_cart"},
		"empty value":                     {orders.shape, Query{Where: []Filter{{"id_cart", Equal, []string{""}}}}, "id_cart"},
		"no value":                        {orders.shape, Query{Where: []Filter{{"id_cart", OneOf, nil}}}, "id_cart"},
		"two values":                      {orders.shape, Query{Where: []Filter{{"id_cart", Greater, []string{"1", "2"}}}}, "id_cart"},
		"value that is an expression":     {customers.shape, Query{Where: []Filter{{"email", Equal, []string{"![x]"}}}}, "email"},
		"value that ends the list":        {customers.shape, Query{Where: []Filter{{"email", OneOf, []string{"a|b"}}}}, "email"},
		"value that matches anything":     {customers.shape, Query{Where: []Filter{{"email", Equal, []string{"%"}}}}, "email"},
	} {
		p, ok := problem.Of(c.q.check(c.s))
		if !ok || p.Kind != problem.Invalid || p.Field != c.field {
			t.Errorf("%s: %v, want an invalid %s", name, p, c.field)
		}
	}
	for name, q := range map[string]Query{
		"one second": {Where: []Filter{{"date_upd", Equal, []string{string(since)}}}, After: 7},
		"window":     {Since: since, ByDate: true, Offset: 500},
		"added":      {Since: since, ByDate: true, DateAdds: true},
		"chosen":     {Fields: []string{"id_customer", "date_upd"}, Limit: 250},
		"invoices":   {Where: []Filter{{"invoice_number", Greater, []string{"0"}}}},
	} {
		if err := q.check(orders.shape); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAnswerIsComparedWithTheQuestion(t *testing.T) {
	at := func(id int64, fields ...string) row {
		r := row{id: id, fields: map[string]string{}}
		for i := 0; i < len(fields); i += 2 {
			r.fields[fields[i]] = fields[i+1]
		}
		return r
	}
	for name, c := range map[string]struct {
		q    Query
		size int
		rows []row
		want string
	}{
		"good":              {Query{After: 5}, 3, []row{at(6), at(9)}, ""},
		"below the cursor":  {Query{After: 5}, 3, []row{at(5)}, "above 5"},
		"too many":          {Query{}, 1, []row{at(1), at(2)}, "at most 1"},
		"twice":             {Query{}, 3, []row{at(1), at(1)}, "twice"},
		"out of order":      {Query{}, 3, []row{at(2), at(1)}, "behind"},
		"by date any order": {Query{ByDate: true}, 3, []row{at(2), at(1)}, ""},
		"another id":        {Query{IDs: []int64{1, 2}}, 2, []row{at(3)}, "not asked for"},
		"filter dropped":    {Query{Where: []Filter{{"id_cart", OneOf, []string{"4", "5"}}}}, 9, []row{at(1, "id_cart", "6")}, "id_cart"},
		"filter kept":       {Query{Where: []Filter{{"id_cart", OneOf, []string{"4", "5"}}}}, 9, []row{at(1, "id_cart", "5")}, ""},
		"empty id is 0":     {Query{Where: []Filter{{"id_cart", Greater, []string{"0"}}}}, 9, []row{at(1, "id_cart", "")}, "id_cart"},
		"too old":           {Query{Since: "2026-11-01 00:00:00"}, 9, []row{at(1, "date_upd", "2026-11-01 00:00:00")}, "later than"},
		"new enough":        {Query{Since: "2026-11-01 00:00:00"}, 9, []row{at(1, "date_upd", "2026-11-01 00:00:01")}, ""},
		"other second":      {Query{Where: []Filter{{"date_upd", Equal, []string{"2026-11-01 00:00:00"}}}}, 9, []row{at(1, "date_upd", "2026-11-01 00:00:01")}, "date_upd"},
		"collation decides": {Query{Where: []Filter{{"module", Equal, []string{"muller"}}}}, 9, []row{at(1, "module", "Müller")}, ""},
	} {
		got := c.q.unasked(orders.shape, c.rows, c.size)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "soon": 0, "-3": 0, "Mon, 23 Nov 2026 10:02:00 GMT": 2 * time.Minute,
		"Mon, 23 Nov 2026 09:00:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("Retry-After %q = %s, want %s", text, got, want)
		}
	}
}

func TestPausesDoubleAndObeyTheServer(t *testing.T) {
	var got []time.Duration
	for n := 1; n <= 6; n++ {
		got = append(got, backoff(n, 0, 0))
	}
	want := []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, longestPause, longestPause}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := backoff(2, 0, 1); got != 250*time.Millisecond {
		t.Errorf("full jitter leaves %s", got)
	}
	if got := backoff(5, 3*time.Second, 1); got != 3*time.Second {
		t.Errorf("the server asked for 3s, we wait %s", got)
	}
}

func TestThePolicyKnowsWhatHelps(t *testing.T) {
	with := func(f failure) *failure {
		f.problem = &problem.Error{}
		return &f
	}
	for name, c := range map[string]struct {
		f                 *failure
		answered, patient bool
		sent              int
		want              bool
	}{
		"broken connection":            {with(failure{again: true}), false, false, 2, true},
		"wrong page at first":          {with(failure{later: true}), false, false, 2, false},
		"wrong page of a good shop":    {with(failure{later: true}), true, false, 2, true},
		"broken without a word":        {with(failure{broken: true}), true, false, 1, true},
		"broken without a word again":  {with(failure{broken: true}), true, false, 2, false},
		"PHP died of one object":       {&failure{broken: true, problem: &problem.Error{Code: CodeFatal}}, true, true, 1, true},
		"PHP died of it again":         {&failure{broken: true, problem: &problem.Error{Code: CodeFatal}}, true, true, 2, false},
		"PHP died of a page":           {&failure{broken: true, problem: &problem.Error{Code: CodeFatal}}, true, false, 1, false},
		"page too large":               {with(failure{load: true}), true, false, 2, false},
		"one object too large":         {with(failure{load: true}), true, true, 2, true},
		"wrong key":                    {with(failure{}), true, true, 2, false},
		"asked to come back in a hour": {&failure{again: true, problem: &problem.Error{RetryAfter: time.Hour}}, true, true, 2, false},
	} {
		if got := retriable(c.f, c.answered, c.patient, c.sent); got != c.want {
			t.Errorf("%s: retried %v, want %v", name, got, c.want)
		}
	}
}
