package vtigerws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"cartiger/fault"
	"cartiger/problem"
	"cartiger/vtigerws"
	"cartiger/vtigerws/vtigerwstest"
)

// versions are the CRMs that every scenario here runs on.
var versions = []string{"5.1.0", "5.2.1", "5.4.0", "6.4.0"}

// crm is a simulated CRM and a client of it.
type crm struct {
	*vtigerwstest.CRM
	*vtigerws.Client
	url string
}

func start(t testing.TB, o vtigerwstest.Options, change ...func(*vtigerws.Config)) crm {
	t.Helper()
	o.Base = "/vt"
	simulated, err := vtigerwstest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(simulated)
	t.Cleanup(server.Close)
	s := crm{CRM: simulated, url: server.URL + "/vt/"}
	s.Client = s.another(t, change...)
	return s
}

// another is a further client of the same CRM: another program.
func (s crm) another(t testing.TB, change ...func(*vtigerws.Config)) *vtigerws.Client {
	t.Helper()
	cfg := vtigerws.Config{URL: s.url, User: "admin", AccessKey: "TestAccessKey"}
	for _, f := range change {
		f(&cfg)
	}
	c, err := vtigerws.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (s crm) fault(t testing.TB, text string) {
	t.Helper()
	rule, err := fault.ParseRule(text)
	if err != nil {
		t.Fatal(err)
	}
	s.Faults().Add(rule)
}

// onEach runs a scenario on every version.
func onEach(t *testing.T, o vtigerwstest.Options, scenario func(t *testing.T, s crm)) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			o.Version = version
			scenario(t, start(t, o))
		})
	}
}

func dec(text string) decimal.Decimal { return decimal.RequireFromString(text) }

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func lead(email string) vtigerws.Write {
	return vtigerws.Write{Op: vtigerws.OpCreate, Module: "Leads", Fields: vtigerws.Record{
		"lastname": "Roe", "company": "Roe", "email": email, "assigned_user_id": "19x1",
	}}
}

func kindIs(t *testing.T, err error, kind problem.Kind) *problem.Error {
	t.Helper()
	p, ok := problem.Of(err)
	if !ok || p.Kind != kind {
		t.Fatalf("want a problem of kind %q, got %v (%q)", kind, err, problem.KindOf(err))
	}
	return p
}

func TestARecordIsMadeFoundChangedReadAndDeletedOnEachVersion(t *testing.T) {
	onEach(t, vtigerwstest.Options{}, func(t *testing.T, s crm) {
		ctx := t.Context()
		facts := must[vtigerws.Facts](t)(s.Login(ctx))
		if n := s.Requests(); n != 3 && !(facts.Dialect.UserCurrency && n == 4) {
			t.Errorf("logging in cost %d requests", n)
		}
		if facts.Skew > time.Second || facts.Skew < -time.Second || facts.Noise != "" || facts.Latency <= 0 {
			t.Errorf("%+v", facts)
		}
		leads := must[vtigerws.Module](t)(s.Describe(ctx, "Leads"))
		made := must[vtigerws.Record](t)(s.Do(ctx, lead("anna@example.com")))
		if !strings.HasPrefix(made.ID(), leads.IDPrefix+"x") || made["email"] != "anna@example.com" {
			t.Errorf("made %v", made)
		}
		found := must[[]vtigerws.Record](t)(s.Find(ctx, "Leads", "email", []string{"ANNA@example.com", "bob@example.com"}, "lastname"))
		if diff := cmp.Diff([]vtigerws.Record{{"id": made.ID(), "email": "anna@example.com", "lastname": "Roe"}}, found); diff != "" {
			t.Error(diff)
		}
		changed := must[vtigerws.Record](t)(s.Do(ctx, vtigerws.Write{Op: vtigerws.OpUpdate, Module: "Leads", ID: made.ID(), Fields: vtigerws.Record{"phone": "123"}}))
		if changed["phone"] != "123" || changed["email"] != "anna@example.com" || changed["company"] != "Roe" {
			t.Errorf("changed %v", changed)
		}
		read := must[vtigerws.Record](t)(s.Retrieve(ctx, made.ID()))
		if read["phone"] != "123" || read["email"] != "anna@example.com" {
			t.Errorf("read %v", read)
		}
		if n := must[int64](t)(s.Count(ctx, "Leads")); n != 1 {
			t.Errorf("%d leads", n)
		}
		must[vtigerws.Record](t)(s.Do(ctx, vtigerws.Write{Op: vtigerws.OpDelete, Module: "Leads", ID: made.ID()}))
		if left := must[[]vtigerws.Record](t)(s.Find(ctx, "Leads", "email", []string{"anna@example.com"})); len(left) != 0 {
			t.Errorf("still there: %v", left)
		}
		for _, err := range []error{
			second(s.Retrieve(ctx, made.ID())),
			second(s.Do(ctx, vtigerws.Write{Op: vtigerws.OpUpdate, Module: "Leads", ID: made.ID(), Fields: vtigerws.Record{"phone": "1"}})),
			second(s.Do(ctx, vtigerws.Write{Op: vtigerws.OpDelete, Module: "Leads", ID: made.ID()})),
		} {
			kindIs(t, err, problem.NotFound)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestAMissingMandatoryFieldIsNamed(t *testing.T) {
	onEach(t, vtigerwstest.Options{}, func(t *testing.T, s crm) {
		nameless := lead("a@example.com")
		nameless.Fields = vtigerws.Record{"company": "Roe", "assigned_user_id": "19x1"}
		if p := kindIs(t, second(s.Do(t.Context(), nameless)), problem.Invalid); p.Field != "lastname" || p.Code != "MANDATORY_FIELDS_MISSING" {
			t.Errorf("%+v", p)
		}
		s.Require("Leads", "cf_701", true)
		p := kindIs(t, second(s.Do(t.Context(), lead("b@example.com"))), problem.Invalid)
		if p.Field != "cf_701" {
			t.Errorf("a field that became mandatory later: %+v", p)
		}
		if n := len(s.Records("Leads")); n != 0 {
			t.Errorf("%d stored all the same", n)
		}
	})
}

// The whole point of the builder: whatever a value holds, it finds the record that has it and no other.
func TestAnyStoredValueFindsExactlyItself(t *testing.T) {
	onEach(t, vtigerwstest.Options{}, func(t *testing.T, s crm) {
		ctx := t.Context()
		must[vtigerws.Facts](t)(s.Login(ctx))
		prefix := must[vtigerws.Module](t)(s.Describe(ctx, "Contacts")).IDPrefix
		for _, decoy := range []string{"a", "x' or id > '" + prefix + "x0", `\`, "O'Brien", "%", "_", "100"} {
			s.Insert("Contacts", map[string]string{"lastname": decoy})
		}
		rapid.Check(t, func(r *rapid.T) {
			raw := rapid.OneOf(
				rapid.String(),
				rapid.StringMatching(`[a-z'\\;(), "%_\n-]{1,20}`),
				rapid.SampledFrom([]string{"x' or id > '4x0", `\'`, `''`, "and", "a') and (b", "like '%'", "Éléonore", "\\"}),
			).Draw(r, "value")
			value, _ := vtigerws.Fit("Contacts", "lastname", strings.TrimSpace(raw), vtigerws.Dialect{})
			value = strings.TrimSpace(value)
			if value == "" {
				return
			}
			id := s.Insert("Contacts", map[string]string{"lastname": value})
			found, err := s.Find(ctx, "Contacts", "lastname", []string{value})
			if err != nil {
				r.Fatalf("%q: %v", value, err)
			}
			itself := false
			for _, record := range found {
				itself = itself || record.ID() == id
				if vtigerws.Key(record["lastname"]) != vtigerws.Key(value) {
					r.Fatalf("%q found %q", value, record["lastname"])
				}
			}
			if !itself {
				r.Fatalf("%q did not find itself among %d", value, len(found))
			}
		})
	})
}

// Values that hold whatever, written through the service, are read back as they were cleaned.
func TestAnyTextSurvivesTheWayThereAndBack(t *testing.T) {
	onEach(t, vtigerwstest.Options{}, func(t *testing.T, s crm) {
		ctx := t.Context()
		rapid.Check(t, func(r *rapid.T) {
			text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"a&b &amp; <b>", `"\'`, "é Ł 東京", "1\n2\t3", "a\x00b", "\xff", "😀", "+%20 $x"})).Draw(r, "text")
			w := lead("text@example.com")
			w.Fields["description"] = text
			made, err := s.Do(ctx, w)
			if err != nil {
				r.Fatalf("%q: %v", text, err)
			}
			if want := vtigerws.Clean(text); made["description"] != want && !strings.Contains(strings.ToLower(text), "script") {
				r.Fatalf("%q came back as %q, want %q", text, made["description"], want)
			}
		})
	})
}

// On 5.2.0 and 5.2.1 it takes a form field of its own.
func TestAnUpdateLeavesTheOtherTextAsItIs(t *testing.T) {
	const name = `O'Neil é & <b>Łódź</b> "5 €"`
	for _, version := range vtigerwstest.Versions() {
		t.Run(version, func(t *testing.T) {
			ctx := t.Context()
			s := start(t, vtigerwstest.Options{Version: version})
			account, document := sale(t, s)
			order := orderFields(account)
			order["bill_street"] = name
			creates := []vtigerws.Write{
				{Module: "Contacts", Fields: vtigerws.Record{"lastname": name, "assigned_user_id": "19x1"}},
				{Module: "SalesOrder", Fields: order, Document: &document},
				{Module: "Products", Fields: vtigerws.Record{"productname": name, "assigned_user_id": "19x1"}},
			}
			changes := []vtigerws.Write{
				{Fields: vtigerws.Record{"phone": "1"}},
				{Fields: vtigerws.Record{"sostatus": "Approved", "invoicestatus": "Created"}, Document: &document},
				{ProductTaxes: map[string]decimal.Decimal{"tax1": dec("5.5")}},
			}
			for i, w := range creates {
				w.Op = vtigerws.OpCreate
				made := must[vtigerws.Record](t)(s.Do(ctx, w))
				w.Op, w.ID, w.Fields, w.Document, w.ProductTaxes = vtigerws.OpUpdate, made.ID(), changes[i].Fields, changes[i].Document, changes[i].ProductTaxes
				for range 2 {
					must[vtigerws.Record](t)(s.Do(ctx, w))
				}
				var kept any
				for _, r := range s.Records(w.Module) {
					if r["id"] == made.ID() {
						kept = firstText(r, "lastname", "bill_street", "productname")
					}
				}
				if kept != name {
					t.Errorf("%s: %v", w.Module, kept)
				}
			}
		})
	}
}

func firstText(r vtigerwstest.Record, names ...string) any {
	for _, name := range names {
		if v, ok := r[name]; ok {
			return v
		}
	}
	return nil
}

func TestLongAnswersAreComplete(t *testing.T) {
	onEach(t, vtigerwstest.Options{}, func(t *testing.T, s crm) {
		ctx := t.Context()
		stored := 0
		for _, total := range []int{100, 101, 250} {
			for ; stored < total; stored++ {
				s.Insert("Contacts", map[string]string{"lastname": "Roe", "email": fmt.Sprintf("c%03d@example.com", stored)})
			}
			for _, faulty := range []bool{false, true} {
				if faulty {
					s.fault(t, "101-rows")
				}
				found := must[[]vtigerws.Record](t)(s.Find(ctx, "Contacts", "lastname", []string{"roe", "doe"}))
				if len(found) != total {
					t.Errorf("%d of %d found (101 rows: %v)", len(found), total, faulty)
				}
				if !slices.IsSortedFunc(found, func(a, b vtigerws.Record) int { return number(a.ID()) - number(b.ID()) }) {
					t.Error("not the oldest first")
				}
				listed, after := 0, ""
				for {
					page := must[[]vtigerws.Record](t)(s.List(ctx, "Contacts", after, "email"))
					listed += len(page)
					if len(page) < 100 {
						break
					}
					after = page[len(page)-1].ID()
				}
				if listed != total {
					t.Errorf("%d of %d listed (101 rows: %v)", listed, total, faulty)
				}
				s.Faults().Clear()
			}
		}
		// A list over the URL limit is split, and finds all.
		var emails []string
		for i := range 250 {
			emails = append(emails, fmt.Sprintf("c%03d@example.com", i), fmt.Sprintf("nobody-with-a-rather-long-address-%03d@example.com", i))
		}
		if found := must[[]vtigerws.Record](t)(s.Find(ctx, "Contacts", "email", emails)); len(found) != 250 {
			t.Errorf("%d found", len(found))
		}
	})
}

func number(id string) int {
	_, digits, _ := strings.Cut(id, "x")
	n, _ := strconv.Atoi(digits)
	return n
}

// sale is an Account with two products and an order of them, in the first currency.
func sale(t *testing.T, s crm) (account string, document vtigerws.Document) {
	t.Helper()
	ctx := t.Context()
	create := func(module string, fields vtigerws.Record) string {
		return must[vtigerws.Record](t)(s.Do(ctx, vtigerws.Write{Op: vtigerws.OpCreate, Module: module, Fields: fields})).ID()
	}
	account = create("Accounts", vtigerws.Record{"accountname": "Acme", "assigned_user_id": "19x1"})
	shirt := create("Products", vtigerws.Record{"productname": "Shirt", "unit_price": "9.25", "reorderlevel": "-1000000", "assigned_user_id": "19x1"})
	hat := create("Products", vtigerws.Record{"productname": "Hat", "unit_price": "15", "reorderlevel": "-1000000", "assigned_user_id": "19x1"})
	return account, vtigerws.Document{
		Lines: []vtigerws.Line{
			{Product: shirt, Quantity: dec("2"), ListPrice: dec("9.25"), Discount: dec("1.85"), Description: "Shirt, L", Comment: "Size: L"},
			{Product: hat, Quantity: dec("1"), ListPrice: dec("15"), Discount: dec("1")},
		},
		TaxType: vtigerws.TaxGroup, GroupTaxes: map[string]decimal.Decimal{"tax1": dec("19.6")},
		Discount: dec("2"), Shipping: dec("6.9"), ShippingTaxes: map[string]decimal.Decimal{"shtax1": dec("19.6")},
		Adjustment: dec("0.01"), SubTotal: dec("30.65"), Total: dec("42.53"),
	}
}

func orderFields(account string) vtigerws.Record {
	return vtigerws.Record{
		"subject": "PS-1000", "sostatus": "Created", "account_id": account, "assigned_user_id": "19x1", "bill_street": "1 rue A",
		"ship_street": "2 rue B", "invoicestatus": "Created", "currency_id": "21x1", "conversion_rate": "1",
	}
}

func TestAnOrderWithItsLinesIsWrittenChangedAndKept(t *testing.T) {
	onEach(t, vtigerwstest.Options{}, func(t *testing.T, s crm) {
		ctx := t.Context()
		account, document := sale(t, s)
		made := must[vtigerws.Record](t)(s.Do(ctx, vtigerws.Write{Op: vtigerws.OpCreate, Module: "SalesOrder", Fields: orderFields(account), Document: &document}))
		stored := func(subject string, lines int, total string) {
			t.Helper()
			orders := s.Records("SalesOrder")
			if len(orders) != 1 || orders[0]["subject"] != subject {
				t.Fatalf("orders: %v", orders)
			}
			got := must[decimal.Decimal](t)(decimal.NewFromString(fmt.Sprint(orders[0]["hdnGrandTotal"])))
			if got.Round(2).String() != total {
				t.Errorf("total %s, want %s", got, total)
			}
			if n := len(linesOf(t, orders[0])); n != lines {
				t.Errorf("%d lines, want %d", n, lines)
			}
		}
		stored("PS-1000", 2, "42.53")

		must[vtigerws.Record](t)(s.Do(ctx, vtigerws.Write{Op: vtigerws.OpUpdate, Module: "SalesOrder", ID: made.ID(), Fields: vtigerws.Record{"subject": "PS-1000b", "sostatus": "Approved"}}))
		stored("PS-1000b", 2, "42.53")

		// One line cancelled: 2 x 9.25 - 1.85 - 2 = 14.65, taxed and shipped.
		document.Lines = document.Lines[:1]
		document.SubTotal, document.Total = dec("16.65"), dec("25.78")
		must[vtigerws.Record](t)(s.Do(ctx, vtigerws.Write{Op: vtigerws.OpUpdate, Module: "SalesOrder", ID: made.ID(), Fields: orderFields(account), Document: &document}))
		stored("PS-1000", 1, "25.78")
	})
}

func linesOf(t *testing.T, order vtigerwstest.Record) []any {
	t.Helper()
	switch lines := order["lines"].(type) {
	case []any:
		return lines
	case []vtigerwstest.Record:
		all := make([]any, len(lines))
		for i := range lines {
			all[i] = lines[i]
		}
		return all
	}
	t.Fatalf("lines are %T", order["lines"])
	return nil
}

func TestAnInvoiceMovesTheStockOnce(t *testing.T) {
	onEach(t, vtigerwstest.Options{}, func(t *testing.T, s crm) {
		ctx := t.Context()
		account, document := sale(t, s)
		shirt := document.Lines[0].Product
		s.Set(shirt, "qtyinstock", "100")
		fields := orderFields(account)
		delete(fields, "sostatus")
		made := must[vtigerws.Record](t)(s.Do(ctx, vtigerws.Write{Op: vtigerws.OpCreate, Module: "Invoice", Fields: fields, Document: &document}))
		fields["invoicestatus"] = "Paid"
		must[vtigerws.Record](t)(s.Do(ctx, vtigerws.Write{Op: vtigerws.OpUpdate, Module: "Invoice", ID: made.ID(), Fields: fields, Document: &document}))
		for _, product := range s.Records("Products") {
			if product["id"] == shirt && !dec(fmt.Sprint(product["qtyinstock"])).Equal(dec("98")) {
				t.Errorf("stock %v, want 98", product["qtyinstock"])
			}
		}
		err := second(s.Do(ctx, vtigerws.Write{Op: vtigerws.OpUpdate, Module: "Invoice", ID: made.ID(), Fields: vtigerws.Record{"invoicestatus": "Sent"}}))
		kindIs(t, err, problem.Internal)
	})
}

func TestAProductKeepsItsTaxes(t *testing.T) {
	onEach(t, vtigerwstest.Options{}, func(t *testing.T, s crm) {
		ctx := t.Context()
		made := must[vtigerws.Record](t)(s.Do(ctx, vtigerws.Write{
			Op: vtigerws.OpCreate, Module: "Products", Fields: vtigerws.Record{"productname": "Shirt", "assigned_user_id": "19x1"},
			ProductTaxes: map[string]decimal.Decimal{"tax1": dec("19.6"), "tax2": dec("5.5")},
		}))
		taxes := func(want map[string]string) {
			t.Helper()
			if diff := cmp.Diff(want, s.Records("Products")[0]["taxes"]); diff != "" {
				t.Error(diff)
			}
		}
		taxes(map[string]string{"tax1": "19.600", "tax2": "5.500"})
		change := vtigerws.Write{Op: vtigerws.OpUpdate, Module: "Products", ID: made.ID(), Fields: vtigerws.Record{"productname": "Shirt L"}}
		must[vtigerws.Record](t)(s.Do(ctx, change))
		taxes(map[string]string{"tax1": "19.600", "tax2": "5.500"})
		change.ProductTaxes = map[string]decimal.Decimal{"tax1": dec("20")}
		must[vtigerws.Record](t)(s.Do(ctx, change))
		taxes(map[string]string{"tax1": "20.000"})
	})
}

func TestCurrenciesOnEachVersion(t *testing.T) {
	onEach(t, vtigerwstest.Options{BaseCurrency: "USD"}, func(t *testing.T, s crm) {
		ctx := t.Context()
		made := must[vtigerws.Currency](t)(s.CreateCurrency(ctx, vtigerws.Currency{Name: "Euro", Code: "EUR", Symbol: "€", Rate: dec("0.75")}))
		made.Active, made.Rate = true, dec("0.8")
		if err := s.UpdateCurrency(ctx, made); err != nil {
			t.Fatal(err)
		}
		all := must[[]vtigerws.Currency](t)(s.Currencies(ctx))
		if len(all) != 2 || !all[0].Base || all[0].Code != "USD" || all[0].ID != "21x1" {
			t.Fatalf("%+v", all)
		}
		if got := all[1]; got.ID != made.ID || got.Code != "EUR" || got.Name != "Euro" || !got.Active || got.Base || !got.Rate.Equal(dec("0.8")) {
			t.Errorf("%+v", got)
		}
	})
}

func TestALeadIsConvertedWhereThatWorks(t *testing.T) {
	s := start(t, vtigerwstest.Options{Version: "5.2.1"})
	ctx := t.Context()
	made := must[vtigerws.Record](t)(s.Do(ctx, lead("anna@example.com")))
	convert := vtigerws.Write{Op: vtigerws.OpConvert, Module: "Leads", ID: made.ID(), AccountName: "Roe Ltd"}
	got := must[vtigerws.Record](t)(s.Do(ctx, convert))
	contacts := must[[]vtigerws.Record](t)(s.Find(ctx, "Contacts", "email", []string{"anna@example.com"}, "account_id"))
	if len(contacts) != 1 || contacts[0].ID() != got["contactId"] || contacts[0]["account_id"] != got["accountId"] {
		t.Errorf("%v, %v", got, contacts)
	}
	if leads := must[[]vtigerws.Record](t)(s.Find(ctx, "Leads", "email", []string{"anna@example.com"})); len(leads) != 0 {
		t.Errorf("a converted Lead is found: %v", leads)
	}
	kindIs(t, second(s.Do(ctx, convert)), problem.Conflict)
}

// Whatever befalls the answer of a create: unknown means that it may be stored, anything else that it is not. And the
// look-up after an unknown outcome tells which, so that nothing is ever there twice.
func TestTheKindOfAFailedCreateAgreesWithWhatIsStored(t *testing.T) {
	onEach(t, vtigerwstest.Options{}, func(t *testing.T, s crm) {
		ctx := t.Context()
		must[vtigerws.Facts](t)(s.Login(ctx))
		for i, k := range []struct {
			rule   string
			kind   problem.Kind
			stored int
		}{
			{"lost:op=create", problem.Unknown, 1},
			{"empty500:op=create", problem.Unknown, 1},
			{"empty200:op=create", problem.Unknown, 1},
			{"truncate:op=create", problem.Unknown, 1},
			{"reset:op=create", problem.Unknown, 0},
			{"html:op=create", problem.Unknown, 0},
			{"503:op=create", problem.Unavailable, 0},
			{"429:op=create,retry-after=1", problem.RateLimited, 0},
			{"301:op=create,to=https://www.example.com", problem.Invalid, 0},
			{"denied:op=create", problem.Unauthorised, 0},
			{"bom:op=create", "", 1},
			{"notice:op=create", "", 1},
			{"no-session:op=create,times=1", "", 1},
			{"no-session:op=create", problem.Unavailable, 0},
		} {
			s.fault(t, k.rule)
			email := fmt.Sprintf("f%d@example.com", i)
			_, err := s.Do(ctx, lead(email))
			if problem.KindOf(err) != k.kind {
				t.Errorf("%s: kind %q, want %q: %v", k.rule, problem.KindOf(err), k.kind, err)
			}
			s.Faults().Clear()
			found := must[[]vtigerws.Record](t)(s.Find(ctx, "Leads", "email", []string{email}))
			if len(found) != k.stored {
				t.Errorf("%s: %d stored, want %d", k.rule, len(found), k.stored)
			}
		}
	})
}

func TestReadsOutlastPassingTrouble(t *testing.T) {
	s := start(t, vtigerwstest.Options{})
	ctx := t.Context()
	id := s.Insert("Leads", map[string]string{"lastname": "Roe", "email": "anna@example.com"})
	for _, rule := range []string{"reset:op=query,times=1", "empty500:op=query,times=1", "html:op=query,times=1", "503:op=query,times=1,retry-after=0", "no-session:op=query,times=1", "token:op=login,times=2"} {
		s.fault(t, rule)
		s.DropSessions()
		found, err := s.Find(ctx, "Leads", "email", []string{"anna@example.com"})
		if err != nil || len(found) != 1 || found[0].ID() != id {
			t.Errorf("%s: %v, %v", rule, found, err)
		}
		s.Faults().Clear()
	}
}

// Several workers of two programs, logging in as one user while their sessions vanish again and again.
func TestTwoProgramsOfOneUserLoseNothing(t *testing.T) {
	s := start(t, vtigerwstest.Options{Version: "5.4.0"})
	ctx := t.Context()
	clients := []*vtigerws.Client{s.Client, s.another(t)}
	const each, workers = 20, 3
	var all sync.WaitGroup
	for n, c := range clients {
		c.SetWorkers(workers)
		for w := range workers {
			all.Go(func() {
				for i := range each {
					email := fmt.Sprintf("p%d-w%d-%d@example.com", n, w, i)
					err := second(c.Do(ctx, lead(email)))
					for problem.Temporary(err) { // sessions vanished thrice in a row: it had no effect
						err = second(c.Do(ctx, lead(email)))
					}
					if err != nil {
						t.Errorf("%s: %v", email, err)
					}
					if w == 0 && i%5 == 4 {
						s.DropSessions()
					}
				}
			})
		}
	}
	all.Wait()
	seen := map[any]int{}
	for _, record := range s.Records("Leads") {
		seen[record["email"]]++
	}
	for email, n := range seen {
		if n != 1 {
			t.Errorf("%v is there %d times", email, n)
		}
	}
	if want := len(clients) * workers * each; len(seen) != want {
		t.Errorf("%d of %d there", len(seen), want)
	}
}

func TestNoiseIsToldAndHarmless(t *testing.T) {
	onEach(t, vtigerwstest.Options{Noisy: true}, func(t *testing.T, s crm) {
		facts := must[vtigerws.Facts](t)(s.Login(t.Context()))
		if facts.Noise == "" || strings.ContainsAny(facts.Noise, "<>\x1b") {
			t.Errorf("noise %q", facts.Noise)
		}
		made := must[vtigerws.Record](t)(s.Do(t.Context(), lead("noisy@example.com")))
		if found := must[[]vtigerws.Record](t)(s.Find(t.Context(), "Leads", "email", []string{"noisy@example.com"})); len(found) != 1 || found[0].ID() != made.ID() {
			t.Errorf("%v", found)
		}
	})
}

func TestABatchMakesAWholeOrderInOneRequest(t *testing.T) {
	onEach(t, vtigerwstest.Options{Addon: true}, func(t *testing.T, s crm) {
		ctx := t.Context()
		facts := must[vtigerws.Facts](t)(s.Login(ctx))
		if !facts.Dialect.Batch {
			t.Fatal("no batch")
		}
		_, document := sale(t, s)
		document.Lines[0].Product, document.Lines[1].Product = "@1.id", "@2.id"
		fields := orderFields("@0.id")
		own := func(fields vtigerws.Record) vtigerws.Record { fields["assigned_user_id"] = "19x1"; return fields }
		before := s.Requests()
		results, err := s.Batch(ctx, []vtigerws.Write{
			{Op: vtigerws.OpCreate, Module: "Accounts", Fields: own(vtigerws.Record{"accountname": "Batch SA"})},
			{Op: vtigerws.OpCreate, Module: "Products", Fields: own(vtigerws.Record{"productname": "B1", "reorderlevel": "-1000000"})},
			{Op: vtigerws.OpCreate, Module: "Products", Fields: own(vtigerws.Record{"productname": "B2", "reorderlevel": "-1000000"})},
			{Op: vtigerws.OpCreate, Module: "SalesOrder", Fields: fields, Document: &document},
			{Op: vtigerws.OpCreate, Module: "Leads", Fields: own(vtigerws.Record{"company": "no last name"})},
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := s.Requests() - before; n != 1 {
			t.Errorf("%d requests", n)
		}
		for i, r := range results[:4] {
			if r.Err != nil {
				t.Errorf("write %d: %v", i, r.Err)
			}
		}
		if p := kindIs(t, results[4].Err, problem.Invalid); p.Field != "lastname" {
			t.Errorf("%+v", p)
		}
		orders := s.Records("SalesOrder")
		if len(orders) != 1 || orders[0]["account_id"] != results[0].Record.ID() || len(linesOf(t, orders[0])) != 2 {
			t.Errorf("%v", orders)
		}
	})
}

func TestRightsTakenAwayAreNamed(t *testing.T) {
	onEach(t, vtigerwstest.Options{}, func(t *testing.T, s crm) {
		ctx := t.Context()
		must[vtigerws.Facts](t)(s.Login(ctx))
		rights := vtigerwstest.AllRights
		rights.Delete = false
		s.SetRights("Leads", rights)
		var failed string
		_, err := s.Steps(ctx, []string{"Contacts", "Leads"}, func(step string, _ time.Duration, err error) {
			if err != nil {
				failed = step
			}
		})
		p := kindIs(t, err, problem.Unauthorised)
		if failed != vtigerws.StepRights || p.Field != "Leads" || !strings.Contains(p.Message, "delete") {
			t.Errorf("%s: %+v", failed, p)
		}
	})
}

func TestAHiddenFieldAndAModuleSwitchedOffAreNamed(t *testing.T) {
	onEach(t, vtigerwstest.Options{}, func(t *testing.T, s crm) {
		ctx := t.Context()
		rights := vtigerwstest.AllRights
		rights.Hidden = []string{"mobile"}
		s.SetRights("Leads", rights)
		err := second(s.Find(ctx, "Leads", "email", []string{"a@example.com"}, "mobile"))
		if p := kindIs(t, err, problem.Unauthorised); p.Field != "mobile" || !strings.Contains(p.Cure, "mobile") {
			t.Errorf("%+v", p)
		}
		if _, there := must[vtigerws.Module](t)(s.Describe(ctx, "Leads")).Field("mobile"); there {
			t.Error("a hidden field is described")
		}
		s.SetRights("Invoice", vtigerwstest.Rights{Off: true})
		if p := kindIs(t, second(s.Describe(ctx, "Invoice")), problem.Unauthorised); !strings.Contains(p.Cure, "Invoice") {
			t.Errorf("%+v", p)
		}
		facts := must[vtigerws.Facts](t)(s.Login(ctx))
		if slices.Contains(facts.Modules, "Invoice") {
			t.Error("a module that is off is listed")
		}
	})
}

// On 5.4 amounts are in the user's own currency: an administrator's is told, others cannot see it.
func TestTheUsersOwnCurrencyIsTold(t *testing.T) {
	for _, k := range []struct {
		version string
		admin   bool
		want    string
	}{{"5.4.0", true, "21x2"}, {"5.4.0", false, ""}, {"5.2.1", true, ""}} {
		s := start(t, vtigerwstest.Options{Version: k.version})
		s.Insert("Currency", map[string]string{"currency_name": "Euro", "currency_code": "EUR", "conversion_rate": "0.75", "currency_status": "Active"})
		s.AddUser("shop", "ShopKey", k.admin, "21x2")
		c := s.another(t, func(cfg *vtigerws.Config) { cfg.User, cfg.AccessKey = "shop", "ShopKey" })
		facts := must[vtigerws.Facts](t)(c.Login(t.Context()))
		if facts.UserCurr != k.want || facts.User != "shop" {
			t.Errorf("%+v: %q", k, facts.UserCurr)
		}
	}
}

func TestAPersonCanSearchByAPartOfAName(t *testing.T) {
	onEach(t, vtigerwstest.Options{}, func(t *testing.T, s crm) {
		for _, name := range []string{"Acme SARL", "O'Acme", "Other"} {
			s.Insert("Accounts", map[string]string{"accountname": name})
		}
		names := func(text string) (names []string) {
			for _, r := range must[[]vtigerws.Record](t)(s.Search(t.Context(), "Accounts", "accountname", text)) {
				names = append(names, r["accountname"])
			}
			return names
		}
		for text, want := range map[string][]string{"acme": {"Acme SARL", "O'Acme"}, "o'": {"O'Acme"}, "": {"Acme SARL", "O'Acme", "Other"}, "nobody": nil} {
			if diff := cmp.Diff(want, names(text)); diff != "" {
				t.Errorf("%q: %s", text, diff)
			}
		}
		for i := range 30 {
			s.Insert("Accounts", map[string]string{"accountname": fmt.Sprintf("Many %d", i)})
		}
		if n := len(names("many")); n != 20 {
			t.Errorf("%d offered", n)
		}
	})
}

func TestAStopIsASafeEnd(t *testing.T) {
	s := start(t, vtigerwstest.Options{Latency: 50 * time.Millisecond})
	must[vtigerws.Facts](t)(s.Login(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := s.Find(ctx, "Leads", "email", []string{"a@example.com"})
	kindIs(t, err, problem.Unavailable)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the cause is lost: %v", err)
	}
}
