package vtigerwstest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// grown is a CRM of 11,000 contacts with an open session "s".
func grown(b *testing.B) *CRM {
	b.Helper()
	c, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	c.sessions["s"] = newSession("s", c.users[0])
	for i := range 11000 {
		c.Insert("Contacts", map[string]string{"lastname": fmt.Sprint("L", i), "email": fmt.Sprintf("e%d@example.com", i)})
	}
	return c
}

func BenchmarkCreate(b *testing.B) {
	c := grown(b)
	body := url.Values{"operation": {"create"}, "sessionName": {"s"}, "elementType": {"Contacts"}, "element": {
		`{"lastname":"Doe","firstname":"Jane","email":"jane@example.com","mailingstreet":"1 rue A","mailingcity":"Paris","assigned_user_id":"19x1"}`,
	}}.Encode()
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "/webservice.php", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		c.ServeHTTP(httptest.NewRecorder(), req)
	}
}

func benchmarkQuery(b *testing.B, query string) {
	c := grown(b)
	target := "/webservice.php?" + url.Values{"operation": {"query"}, "sessionName": {"s"}, "query": {query}}.Encode()
	for b.Loop() {
		rec := httptest.NewRecorder()
		c.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, target, nil))
		if !strings.Contains(rec.Body.String(), `"id"`) {
			b.Fatal(rec.Body.String())
		}
	}
}

func BenchmarkQueryByEmail(b *testing.B) {
	benchmarkQuery(b, "select id,email from Contacts where email='E7000@Example.com';")
}

func BenchmarkQueryIn100(b *testing.B) {
	var list []string
	for i := range 100 {
		list = append(list, fmt.Sprintf("'e%d@example.com'", i*100))
	}
	benchmarkQuery(b, "select id,email from Contacts where email in ("+strings.Join(list, ",")+") order by id;")
}

func BenchmarkPage(b *testing.B) {
	benchmarkQuery(b, "select id,email from Contacts where id > '4x9000' order by id limit 100;")
}
