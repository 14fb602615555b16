package vtigerwstest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

// No query may do anything but answer rows or a refusal.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{
		"select * from Leads;", "select id,email from Leads where email='a''b' and id in (2x1,2x2) or company like '%x' order by id desc limit 1,2;",
		"select count(*) from Leads where a", "select from", `select id from Leads where email='\';`, "select id from Leads where id in (",
		"select id from Leads where id = '2x' or id > 'x' or id < '';", "select id from Leads where annualrevenue in (1,2) limit 0;",
	} {
		f.Add(q)
	}
	var crms []*CRM
	for _, version := range []string{"5.1.0", "6.4.0"} {
		crm, err := New(Options{Version: version})
		if err != nil {
			f.Fatal(err)
		}
		crm.Insert("Leads", map[string]string{"lastname": "x", "company": "y", "email": "a@b"})
		crms = append(crms, crm)
	}
	f.Fuzz(func(t *testing.T, q string) {
		for _, crm := range crms {
			result, err := crm.queryText(crm.users[0], q)
			if _, refused := err.(*wsError); err != nil && !refused {
				t.Errorf("%q: %v", q, err)
			}
			if err == nil && !utf8.Valid(appendJSON(nil, result)) {
				t.Errorf("%q: the answer is not UTF-8", q)
			}
		}
	})
}

// Whatever is posted, the server answers: it never panics, and what it says is an envelope, a page or nothing.
func FuzzCreate(f *testing.F) {
	for _, body := range []string{
		"element=%7B%22lastname%22%3A%22x%22%2C%22company%22%3A%22y%22%2C%22assigned_user_id%22%3A%2219x1%22%7D&elementType=Leads",
		"elementType=SalesOrder&element={\"subject\":[1,{}]}&totalProductCount=1e9&hdnProductId1=x", "elementType=Currency&element=[]",
		"elementType=Products&element={\"productname\":1.50}&tax1_check=on&tax1=%zz",
	} {
		f.Add(body)
	}
	crm, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		crm.sessions["s"] = newSession("s", crm.users[0])
		req := httptest.NewRequest(http.MethodPost, "/webservice.php", strings.NewReader("operation=create&sessionName=s&"+body))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		crm.ServeHTTP(rec, req)
		if answer := rec.Body.String(); answer != "" && !strings.HasPrefix(answer, "<") && envelope(answer) == nil {
			t.Errorf("%q: status %d, body %q", body, rec.Code, answer)
		}
	})
}
