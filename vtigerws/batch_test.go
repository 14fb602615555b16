package vtigerws

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cartiger/problem"
)

// The recorded batch (capture 235 of 5.2.1), with references to what earlier writes made.
func TestABatchIsPackedAndReadAsRecorded(t *testing.T) {
	d := order
	d.Lines = slices.Clone(order.Lines)
	d.Lines[0].Product, d.Lines[1].Product = "@2.id", "@3.id"
	own := Record{"assigned_user_id": "19x1"}
	writes := []Write{
		{Op: OpCreate, Module: "Accounts", Fields: merge(own, Record{"accountname": "Batch SA"})},
		{Op: OpCreate, Module: "Contacts", Fields: merge(own, Record{"lastname": "Batch", "account_id": "@0.id"})},
		{Op: OpCreate, Module: "Products", Fields: merge(own, Record{"productname": "B1"})},
		{Op: OpCreate, Module: "Products", Fields: merge(own, Record{"productname": "B2"})},
		{Op: OpCreate, Module: "SalesOrder", Fields: merge(own, Record{"subject": "PS-B1", "account_id": "@0.id"}), Document: &d},
		{Op: OpCreate, Module: "Leads", Fields: Record{"lastname": "x"}},
		{Op: OpCreate, Module: "Leads", Fields: Record{"lastname": "y"}},
	}
	q, single, err := composeBatch(writes, Facts{UserID: "19x1", Dialect: v521})
	if err != nil {
		t.Fatal(err)
	}
	type packed struct {
		Op          string            `json:"op"`
		ElementType string            `json:"elementType"`
		Element     map[string]any    `json:"element"`
		Form        map[string]string `json:"form"`
	}
	var sent, want []packed
	if err := json.Unmarshal([]byte(params(q)["calls"]), &sent); err != nil {
		t.Fatal(err)
	}
	capture := recorded(t, "521", "235")
	if err := json.Unmarshal([]byte(capture.params["calls"]), &want); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if sent[i].Op != want[i].Op || sent[i].ElementType != want[i].ElementType {
			t.Errorf("call %d: %+v", i, sent[i])
		}
	}
	if sent[1].Element["account_id"] != "@0.id" || sent[4].Form["hdnProductId1"] != "@2.num" || sent[4].Form["hdnProductId2"] != "@3.num" {
		t.Errorf("references: %+v", sent[4])
	}

	raw, _, err := weigh(q, capture.answer, "")
	if err != nil {
		t.Fatal(err)
	}
	results, err := readBatch(writes[:6], q, single[:6], raw)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"3x3", "4x4", "6x5", "6x6", "15x7"} {
		if results[i].Err != nil || results[i].Record.ID() != id {
			t.Errorf("write %d: %v, %v", i, results[i].Record.ID(), results[i].Err)
		}
	}
	if p := trouble(t, results[5].Err, problem.Invalid); p.Field != "company" {
		t.Errorf("%+v", p)
	}
	// An answer that is too short leaves the rest unknown.
	results, err = readBatch(append(slices.Clone(writes), writes[6]), q, append(slices.Clone(single), single[6]), raw)
	if err != nil {
		t.Fatal(err)
	}
	trouble(t, results[7].Err, problem.Unknown)
}

func TestBatchesNeedTheAddOnAndStayInBounds(t *testing.T) {
	plainCRM := serve(t, "5.2.1", echo)
	trouble(t, second(plainCRM.client(t).Batch(t.Context(), []Write{lead})), problem.Internal)

	crm := serve(t, "5.2.1", func(_ string, form url.Values, w http.ResponseWriter) {
		if form.Get("calls") == "[]" {
			fmt.Fprint(w, `{"success":true,"result":[]}`)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	})
	crm.types = `["Leads","Prestashop"]`
	c := crm.client(t)
	facts, err := c.Login(t.Context())
	if err != nil || !facts.Dialect.Batch {
		t.Fatalf("%+v, %v", facts, err)
	}
	if results, err := c.Batch(t.Context(), nil); results != nil || err != nil {
		t.Errorf("%v, %v", results, err)
	}
	trouble(t, second(c.Batch(t.Context(), make([]Write, MaxBatch+1))), problem.Internal)
	trouble(t, second(c.Batch(t.Context(), []Write{{Op: OpConvert, Module: "Leads", ID: "2x1", AccountName: "A"}})), problem.Internal)
	trouble(t, second(c.Batch(t.Context(), []Write{lead})), problem.Unknown)
	trouble(t, second(c.Do(t.Context(), Write{Op: OpUpdate, Module: "Leads", ID: "@0.id"})), problem.Internal)
}

// Another vendor's module of the same name does not bring the operation; the CRM dies on it.
func TestAModuleOfThatNameWithoutTheOperationTakesNoBatches(t *testing.T) {
	crm := serve(t, "5.2.1", func(_ string, _ url.Values, w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) })
	crm.types = `["Leads","Prestashop"]`
	facts, err := crm.client(t).Login(t.Context())
	if err != nil || facts.Dialect.Batch {
		t.Errorf("%+v, %v", facts, err)
	}
	if diff := cmp.Diff([]string{"Leads", "Prestashop"}, facts.Modules); diff != "" {
		t.Error(diff)
	}
}

// 5.4 and later store a record with an unknown owner before they complain: the client asks first, once per owner.
func TestAnUnknownOwnerIsNoticedBeforeTheWrite(t *testing.T) {
	answer := `[]`
	crm := serve(t, "5.4.0", func(op string, form url.Values, w http.ResponseWriter) {
		if op == "query" {
			fmt.Fprintf(w, `{"success":true,"result":%s}`, answer)
			return
		}
		fmt.Fprint(w, leadMade)
	})
	c := crm.client(t)
	if _, err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	crm.ops()
	owned := lead
	owned.Fields = merge(lead.Fields, Record{"assigned_user_id": "19x999"})
	if p := trouble(t, second(c.Do(t.Context(), owned)), problem.Invalid); p.Field != "assigned_user_id" {
		t.Errorf("%+v", p)
	}
	answer = `[{"id":"19x999"}]`
	for range 2 {
		if _, err := c.Do(t.Context(), owned); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Do(t.Context(), lead); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"query", "query", "create", "create", "create"}, crm.ops()); diff != "" {
		t.Error(diff)
	}
}
