package vtigerws

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoggingInDescribingFindingAndCreatingCostsOneRequestEach(t *testing.T) {
	crm := serve(t, "5.2.1", func(op string, form url.Values, w http.ResponseWriter) {
		switch op {
		case "describe":
			_, _ = w.Write(recorded(t, "521", "030").answer.body)
		case "query":
			fmt.Fprint(w, `{"success":true,"result":[{"email":"anna@example.com","id":"2x9"}]}`)
		case "create":
			fmt.Fprint(w, `{"success":true,"result":{"lastname":"Roe","id":"2x10"}}`)
		}
	})
	c := crm.client(t)
	ctx := t.Context()
	facts, err := c.Login(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if facts.Version != "5.2.1" || facts.UserID != "19x1" || !facts.Dialect.Revise {
		t.Errorf("facts: %+v", facts)
	}
	for range 2 {
		m, err := c.Describe(ctx, "Leads")
		if err != nil {
			t.Fatal(err)
		}
		if company, ok := m.Field("company"); m.IDPrefix != "2" || !ok || !company.Mandatory {
			t.Errorf("Leads: prefix %q, company %+v", m.IDPrefix, company)
		}
	}
	found, err := c.Find(ctx, "Leads", "email", []string{" Anna@Example.com ", "bob@example.com"})
	if err != nil || len(found) != 1 || found[0].ID() != "2x9" {
		t.Errorf("found %v, %v", found, err)
	}
	made, err := c.Do(ctx, Write{Op: OpCreate, Module: "Leads", Fields: Record{"lastname": "Roe", "company": "Roe", "assigned_user_id": "19x1"}})
	if err != nil || made.ID() != "2x10" {
		t.Errorf("made %v, %v", made, err)
	}
	want := []string{"getchallenge", "login", "listtypes", "describe", "query", "create"}
	if diff := cmp.Diff(want, crm.ops()); diff != "" {
		t.Error(diff)
	}
	if c.Requests() != int64(len(want)) {
		t.Errorf("counted %d requests, want %d", c.Requests(), len(want))
	}
}
