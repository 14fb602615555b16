package security_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shopspring/decimal"

	"cartiger/psapi/psapitest"
	"cartiger/store"
)

// Customers whose every word is known, so that each can be looked for. ann's orders bring a company.
var (
	ann = person{"ann.zyxwora@mailhost-ann.test", "Annzyx", "Zyxwora", "Zyxcompany", "Zyxstreet 7741", "Zyxville", "9077417741", "FRZYX7741"}
	bob = person{"bob.qvukle@mailhost-bob.test", "Bobqvu", "Qvukle", "Qvucompany", "Qvustreet 8852", "Qvuville", "9088528852", "FRQVU8852"}
)

type person struct{ email, first, last, company, street, city, phone, vat string }

// words are what must not be found of a person.
func (p person) words() []string {
	return []string{p.email, p.first, p.last, p.company, p.street, p.city, p.phone, p.vat}
}

func (p person) address() *psapitest.Address {
	return &psapitest.Address{Company: p.company, FirstName: p.first, LastName: p.last, Address1: p.street, City: p.city, Postcode: "77410", Phone: p.phone, VATNumber: p.vat}
}

// history is a program that has carried what two customers did: registrations, orders, an invoice, a held order and
// refused records, with a CRM that quotes what it was sent.
func history(t *testing.T, version string) (*program, *psapitest.Shop) {
	t.Helper()
	shop, crm := newShop(t), newCRM(t, version)
	var refusing atomic.Bool
	quoting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if refusing.Load() && bytes.Contains(body, []byte("operation=create")) && bytes.Contains(body, []byte(ann.last)) {
			fmt.Fprintf(w, `{"success":false,"error":{"code":"REFERENCE_INVALID","message":"Duplicate entry %s of %s %s, %s in %s"}}`, ann.email, ann.first, ann.last, ann.phone, ann.city)
			return
		}
		crm.ServeHTTP(w, r)
	})
	p := connected(t, serve(t, shop), serve(t, quoting))
	p.must(done, "connect", "--no-input")
	p.must(done, "watch", "--once")
	act := func(a psapitest.Action) psapitest.Acted { return must[psapitest.Acted](t)(shop.Act(a)) }
	for _, who := range []person{ann, bob} {
		c := act(psapitest.Action{Do: "register", Email: who.email, FirstName: who.first, LastName: who.last, Company: who.company, Address: who.address()})
		o := act(psapitest.Action{Do: "order", Customer: c.Customer, Template: 31})
		act(psapitest.Action{Do: "state", Order: o.Order, State: 2})
		act(psapitest.Action{Do: "order", Guest: true, Email: strings.ToUpper(who.email[:1]) + who.email[1:], FirstName: who.first, LastName: who.last, Company: who.company, Address: who.address(), Template: 91})
	}
	p.must([]int{0, 3}, "watch", "--once")
	refusing.Store(true)
	money := act(psapitest.Action{Do: "currency", Code: "CHF", Name: "Franc", Sign: "Fr", Price: ptr(decimal.New(11, -1)), Active: ptr(true)})
	for _, who := range []person{ann, bob} {
		act(psapitest.Action{Do: "order", Guest: true, Email: who.email, FirstName: who.first, LastName: who.last, Address: who.address(), Template: 31, Currency: money.Currency})
		act(psapitest.Action{Do: "order", Guest: true, Email: who.email, FirstName: who.first, LastName: who.last, Company: who.company, Address: who.address(), Template: 91})
		act(psapitest.Action{Do: "register", Email: "second." + who.email, FirstName: who.first, LastName: who.last, Company: who.company, Address: who.address()})
	}
	p.must([]int{0, 3}, "watch", "--once")
	r := p.must(done, "records", "list")
	if !strings.Contains(r.out, "held") || !strings.Contains(r.out, "failed") {
		t.Fatalf("nothing is held or failed: the state file holds too little\n%s%s", r.out, p.run("log").out)
	}
	return p, shop
}

func ptr[T any](v T) *T { return &v }

func TestASupportBundleHoldsNoKeyAndNobody(t *testing.T) {
	t.Parallel()
	p, _ := history(t, "5.2.1")
	p.must(done, "config", "set", "order.shared-account=Secretaccount", "order.prefix=Secretprefix no")
	p.must(done, "config", "set", "crm.user=admin")
	p.must([]int{0, 1}, "status")
	quoteInMessages(t, p.state)
	raw := folder(t, filepath.Dir(p.state))
	for _, word := range append(ann.words(), bob.words()...) {
		if word != ann.vat && word != bob.vat && !strings.Contains(raw, word) && !strings.Contains(raw, strings.ToLower(word)) {
			t.Errorf("%q is not even in the state file: looking for it in the bundle shows nothing", word)
		}
	}
	p.must(done, "support-bundle", "bundle.zip")
	content := unzipped(t, filepath.Join(p.dir, "bundle.zip"))
	t.Logf("%d bytes", len(content))
	if !strings.Contains(content, "held") || !strings.Contains(content, `"version"`) || !strings.Contains(content, "DATABASE_QUERY_ERROR") {
		t.Errorf("the bundle tells nothing:\n%.2000s", content)
	}
	host := must[string](t)(os.Hostname())
	for _, private := range [][]string{secrets, ann.words(), bob.words(), {"mailhost", "secretaccount", "secretprefix", "127.0.0.1", p.dir, p.state, host, "second."}} {
		holdsNone(t, "the bundle", content, private...)
	}
}

// quoteInMessages puts messages into the state file as they come from servers that quote what they were sent.
func quoteInMessages(t *testing.T, path string) {
	t.Helper()
	s := must[*store.Store](t)(store.Open(t.Context(), path))
	for _, message := range []string{
		"vtiger: gave up after 5 tries: vtiger: create Leads: Duplicate entry of " + ann.first + " " + ann.last + " (DATABASE_QUERY_ERROR)",
		`will try again: vtiger: create Leads: HTTP 500: "Fatal: \"` + ann.last + `\" at ` + ann.street + `" (http)`,
		"PrestaShop: the shop failed to list the customers: row of " + bob.last + ", " + bob.phone + " (27)",
		"two customers share " + bob.email + ".",
		"started by " + store.Who(),
	} {
		run := must[store.Run](t)(s.StartRun(t.Context(), store.Run{Kind: "customers", Who: store.Who()}))
		run.State, run.Message = store.Broken, message
		check(t, s.SaveRun(t.Context(), run))
		check(t, s.Log(t.Context(), store.Entry{Level: "warning", Run: run.ID, Message: message}))
	}
	check(t, s.Close())
}

// unzipped is the content of a zip, file names included.
func unzipped(t testing.TB, path string) string {
	t.Helper()
	z := must[*zip.ReadCloser](t)(zip.OpenReader(path))
	defer func() { check(t, z.Close()) }()
	var b strings.Builder
	for _, f := range z.File {
		r := must[io.ReadCloser](t)(f.Open())
		b.WriteString(f.Name + "\n" + f.Comment)
		b.Write(must[[]byte](t)(io.ReadAll(r)))
		check(t, r.Close())
	}
	return b.String()
}

func TestAForgottenCustomerIsNoLongerInTheFile(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"5.2.1", "6.4.0"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			p, _ := history(t, version)
			for _, email := range []string{ann.email, "second." + ann.email} {
				p.must(done, "forget", email, "--yes")
			}
			raw := folder(t, filepath.Dir(p.state))
			holdsNone(t, "the state file", raw, ann.words()...)
			for _, word := range []string{bob.email, bob.last} {
				if !strings.Contains(raw, word) {
					t.Errorf("%q of another customer is gone too", word)
				}
			}
			// The orders are still known: nothing is written twice.
			before := p.must(done, "records", "list", "--entity", "order", "--only", "created,updated,unchanged", "--json").out
			if !strings.Contains(before, `"entity": "order"`) {
				t.Errorf("the orders are gone:\n%s", before)
			}
		})
	}
}
