package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cartiger/problem"
	"cartiger/store"
)

func TestAForgottenCustomerIsNowhereInTheFile(t *testing.T) {
	path, ctx := file(t), t.Context()
	s := open(t, path)
	const email = "ann.o'neill&co@example.com"
	sent := `{"email":"ann.o'neill\u0026co@example.com","lastname":"Zzyzx","contact_id":"4x12"}`
	long := strings.Repeat("Zzyzx and again ", 1000) // spills over into pages of its own
	check(t, s.Complete(ctx, store.Completion{
		Links: []store.Link{
			{Entity: store.Customer, ShopID: 1, Module: "Contacts", CRMID: "4x12", Key: email, Mirrored: sent},
			{Entity: store.Customer, ShopID: 1, Module: "Accounts", CRMID: "3x4", Key: email},
			{Entity: store.Customer, ShopID: 5, Module: "Contacts", CRMID: "4x12", Key: " Ann.O'Neill&Co@Example.com"},
			{Entity: store.Customer, ShopID: 6, Module: "Contacts", CRMID: "4x13", Key: "joann.o'neill&co@example.com"},
			{Entity: store.Order, ShopID: 812, Module: "SalesOrder", CRMID: "11x5", Key: "PS-812"},
		},
		Outcomes: []store.Outcome{
			{Entity: store.Customer, ShopID: 1, State: store.Created, Label: email, Sent: sent, Answer: long},
			{Entity: store.Customer, ShopID: 5, State: store.Unchanged, Label: "Zzyzx"},
			{Entity: store.Customer, ShopID: 6, State: store.Created, Label: "joann.o'neill&co@example.com", Sent: "hers"},
			{Entity: store.Order, ShopID: 812, State: store.Held, Reason: "lines", Detail: "order of " + email, Label: "order 812", Sent: `{"contact_id":"4x12","bill_street":"Zzyzx"}`},
			{Entity: store.Order, ShopID: 813, State: store.Created, Label: "order 813", Sent: `{"contact_id":"4x120","bill_street":"hers"}`},
		},
		Entries: []store.Entry{
			{Entity: store.Customer, ShopID: 5, Message: "Zzyzx was there"},
			{Entity: store.Customer, ShopID: 6, Message: "her own entry"},
			{Message: "two Contacts have <" + email + ">."},
		},
		Seen: []store.Seen{{Feed: "customers", Key: "1/" + email}},
	}))
	run := must[store.Run](t)(s.StartRun(ctx, store.Run{Kind: "customers", Message: "stopped at " + email}))

	gone := must[store.Forgotten](t)(s.Forget(ctx, "  ANN.O'Neill&co@example.COM "))
	same(t, gone, store.Forgotten{Links: 3, Outcomes: 3, Entries: 2})

	// What must not be written again is still known, and nobody else is touched.
	if links := must[[]store.Link](t)(s.AllLinks(ctx, store.Order)); len(links) != 1 {
		t.Errorf("the order's link is gone: %+v", links)
	}
	if o, found, err := s.Outcome(ctx, store.Order, 812); !found || err != nil || o.State != store.Held || o.Reason != "lines" || o.Label != "order 812" || o.Sent != "" || o.Detail != "" {
		t.Errorf("the order's outcome is %+v, %v, %v", o, found, err)
	}
	if o, _, err := s.Outcome(ctx, store.Order, 813); err != nil || !strings.Contains(o.Sent, "hers") {
		t.Errorf("another's order is %+v, %v", o, err)
	}
	if o, _, err := s.Outcome(ctx, store.Customer, 6); err != nil || o.Sent != "hers" {
		t.Errorf("another customer is %+v, %v", o, err)
	}
	same(t, messages(t, s, store.Filter{}), []string{"her own entry"})
	if r, _, err := s.LastRun(ctx, "customers"); err != nil || r.ID != run.ID || r.Message != "" {
		t.Errorf("run %+v, %v", r, err)
	}
	same(t, must[store.Forgotten](t)(s.Forget(ctx, email)), store.Forgotten{})

	for _, name := range must[[]string](t)(filepath.Glob(path + "*")) {
		data := bytes.ToLower(must[[]byte](t)(os.ReadFile(name)))
		data = bytes.ReplaceAll(data, []byte("joann.o'neill"), nil)
		for _, trace := range []string{"ann.o'neill", "zzyzx"} {
			if bytes.Contains(data, []byte(trace)) {
				t.Errorf("%q still stands in %s", trace, filepath.Base(name))
			}
		}
	}
}

func TestACustomerWhoseWriteIsUnderWayIsNotForgottenYet(t *testing.T) {
	s, ctx := open(t, file(t)), t.Context()
	check(t, s.SaveLinks(ctx, []store.Link{{Entity: store.Customer, ShopID: 4, Module: "Leads", CRMID: "2x1", Key: "d@example.com"}}))
	byText := must[[][]int64](t)(s.Intend(ctx, [][]store.Intent{chain(store.Order, 812)}))[0]
	byID := must[[][]int64](t)(s.Intend(ctx, [][]store.Intent{{{Entity: store.Customer, ShopID: 4, Name: "contact"}}}))[0]
	for _, email := range []string{"e@example.com", "d@example.com"} {
		_, err := s.Forget(ctx, email)
		wantProblem(t, err, problem.Conflict, "chain")
	}
	if links := must[[]store.Link](t)(s.AllLinks(ctx, store.Customer)); len(links) != 1 {
		t.Errorf("links %+v", links)
	}
	check(t, s.Complete(ctx, store.Completion{Dropped: append(byText, byID...)}))
	same(t, must[store.Forgotten](t)(s.Forget(ctx, "d@example.com")), store.Forgotten{Links: 1})
	_, err := s.Forget(ctx, "  ")
	wantProblem(t, err, problem.Invalid, "email")
}

func TestAnAddressIsNotTakenForAnother(t *testing.T) {
	const email = "a@b.fr"
	for text, want := range map[string]bool{
		"a@b.fr": true, "A@B.FR": true, "<a@b.fr>": true, "to a@b.fr.": true, "a@b.fr, c": true, "mailto:a@b.fr": true, `{"e":"x\na@b.fr"}`: true,
		`"\u003ca@b.fr\u003e"`: true, "aa@b.fr a@b.fr": true, "'a@b.fr'": true, "a@b.fr\n": true, "": false,
		"aa@b.fr": false, "x.a@b.fr": false, "x+a@b.fr": false, "x_a@b.fr": false, "éa@b.fr": false, "a@b.fr.com": false, "a@b.frankfurt": false, "a@b": false, "a@b.fr-x.com": false,
	} {
		if got := store.Mentions(text, email); got != want {
			t.Errorf("%q mentions %s: %v, want %v", text, email, got, want)
		}
	}
}

func FuzzMentionsFindsAnAddressBetweenBlanks(f *testing.F) {
	f.Add("to ", "a@b.fr", " and others")
	f.Add("000", "0 0", "") // begins within what is no address
	f.Fuzz(func(t *testing.T, before, email, after string) {
		email = strings.ToLower(strings.TrimSpace(email))
		if email == "" {
			return
		}
		if !store.Mentions(fmt.Sprint(before, " ", email, " ", after), email) {
			t.Errorf("%q is not found between %q and %q", email, before, after)
		}
	})
}
