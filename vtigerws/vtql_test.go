package vtigerws

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cartiger/problem"
)

func TestAQueryAsVtigerTakesIt(t *testing.T) {
	cases := []struct {
		s    selection
		want string
	}{
		{selection{module: "Leads", columns: []string{"id"}}, "select id from Leads order by id limit 100;"},
		{selection{module: "Leads", columns: []string{"count(*)"}}, "select count(*) from Leads;"},
		{selection{module: "Currency", columns: []string{"*"}}, "select * from Currency;"},
		{selection{module: "Leads", columns: []string{"id", "email"}, after: "2x9"}, "select id,email from Leads where id > '2x9' order by id limit 100;"},
		{
			// IN stands last: 5.1.0 takes nothing behind it.
			selection{module: "Leads", columns: []string{"id"}, after: "2x9", field: "lastname", values: []string{"O'Brien", `a\b`, "x;y"}},
			`select id from Leads where id > '2x9' and lastname in ('O''Brien','a\\b','x;y') order by id limit 100;`,
		},
		{selection{module: "Accounts", columns: []string{"id"}, field: "accountname", part: "O'B"}, "select id from Accounts where accountname like '%O''B%' order by id limit 20;"},
	}
	for _, k := range cases {
		got, err := k.s.text()
		if err != nil || got != k.want {
			t.Errorf("%s, %v\nwant %s", got, err, k.want)
		}
	}
}

func TestWhatCannotStandInAQueryIsRefused(t *testing.T) {
	in := func(value string) selection {
		return selection{module: "Leads", columns: []string{"id"}, field: "email", values: []string{value}}
	}
	cases := []struct {
		name string
		s    selection
		kind problem.Kind
	}{
		{"an empty value", in(""), problem.Invalid},
		{"NUL", in("a\x00b"), problem.Invalid},
		{"bytes that are no UTF-8", in("a\xffb"), problem.Invalid},
		{"a module that is none", selection{module: "Leads;", columns: []string{"id"}}, problem.Internal},
		{"a column that is none", selection{module: "Leads", columns: []string{"id from Users"}}, problem.Internal},
		{"a field that is none", selection{module: "Leads", columns: []string{"id"}, field: "a=1 or b", values: []string{"x"}}, problem.Internal},
		{"an id that is none", selection{module: "Leads", columns: []string{"id"}, after: "9' or '1"}, problem.Internal},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) { trouble(t, second(k.s.text()), k.kind) })
	}
}

// unquote reads a VTQL string as the server does, and says how much of the text it took.
func unquote(text string) (value string, length int, ok bool) {
	if !strings.HasPrefix(text, "'") {
		return "", 0, false
	}
	var b strings.Builder
	for i := 1; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], "''"), strings.HasPrefix(text[i:], `\\`):
			b.WriteByte(text[i])
			i += 2
		case text[i] == '\'':
			return b.String(), i + 1, true
		case text[i] == '\\':
			return "", 0, false // escapes what follows
		default:
			b.WriteByte(text[i])
			i++
		}
	}
	return "", 0, false
}

// Any text is one string that ends where it should and reads back as itself: nothing in it can become query.
func FuzzVTQL(f *testing.F) {
	for _, seed := range []string{"a", "'", `\`, `\'`, `''`, `\\'`, "x' or id > '2x0", "');--", "é", "a\nb;", "😀", "\x00", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		quoted, err := quote(value)
		if err != nil {
			if value != "" && utf8.ValidString(value) && !strings.Contains(value, "\x00") {
				t.Fatalf("refused %q: %v", value, err)
			}
			return
		}
		back, length, ok := unquote(quoted)
		if !ok || back != value || length != len(quoted) {
			t.Fatalf("%q was quoted as %s, which reads as %q", value, quoted, back)
		}
		cleaned := strings.TrimSpace(Clean(value))
		if cleaned == "" {
			return
		}
		s := selection{module: "Leads", columns: []string{"id"}, field: "email", values: []string{cleaned, "z"}}
		text, err := s.text()
		if err != nil {
			t.Fatalf("what Clean gives must be searchable: %v", err)
		}
		rest := strings.TrimPrefix(text, "select id from Leads where email in (")
		first, n, ok := unquote(rest)
		if !ok || first != cleaned || rest[n:] != ",'z') order by id limit 100;" {
			t.Fatalf("%q made %s", cleaned, text)
		}
	})
}

// However long the values are, every list stays within the URL limit, none is empty, and nothing is lost or reordered.
func TestListsAreSplitToFitTheURL(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.StringMatching(`[a-zé'\\ ]{1,120}`), 1, 300).Draw(t, "values")
		s := selection{module: "Contacts", columns: []string{"id", "email"}, field: "email", values: values}
		prefix := rapid.IntRange(40, 400).Draw(t, "prefix")
		lists, err := s.split(prefix)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, list := range lists {
			if len(list) == 0 || len(list) > maxValues {
				t.Fatalf("a list of %d", len(list))
			}
			all = append(all, list...)
			q := s
			q.values, q.after = list, "12x4294967295"
			text, err := q.text()
			if err != nil {
				t.Fatal(err)
			}
			if length := prefix + len(url.QueryEscape(text)); length > maxURL {
				t.Fatalf("%d bytes", length)
			}
		}
		if diff := cmp.Diff(values, all); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAHundredShortEMailsTravelInOneQuery(t *testing.T) {
	s := selection{module: "Contacts", columns: []string{"id", "email"}, field: "email"}
	for i := range 100 {
		s.values = append(s.values, fmt.Sprintf("customer%04d@shop-example.com", i))
	}
	lists, err := s.split(150)
	if err != nil || len(lists) != 1 {
		t.Errorf("%d lists, %v", len(lists), err)
	}
}

func TestAValueLongerThanTheURLIsRefused(t *testing.T) {
	s := selection{module: "Leads", columns: []string{"id"}, field: "description", values: []string{strings.Repeat("é", 2000)}}
	_, err := s.split(100)
	if p := trouble(t, err, problem.Invalid); p.Field != "description" || p.Cure == "" {
		t.Errorf("%+v", p)
	}
}

// rows answers a query on numbered records as the server does: by id, at most limit rows.
func rows(total, limit int) func(string, url.Values, http.ResponseWriter) {
	return func(_ string, form url.Values, w http.ResponseWriter) {
		after := 0
		if _, rest, ok := strings.Cut(form.Get("query"), "id > '2x"); ok {
			after, _ = strconv.Atoi(rest[:strings.IndexByte(rest, '\'')])
		}
		var b strings.Builder
		for i := after + 1; i <= total && i <= after+limit; i++ {
			fmt.Fprintf(&b, `,{"id":"2x%d","lastname":"Roe"}`, i)
		}
		fmt.Fprintf(w, `{"success":true,"result":[%s]}`, strings.TrimPrefix(b.String(), ","))
	}
}

// vtiger cuts every answer at 100 rows, and some versions of it at 101.
func TestAnswersOfManyRowsAreComplete(t *testing.T) {
	for _, total := range []int{0, 1, 99, 100, 101, 200, 250} {
		for _, limit := range []int{100, 101} {
			crm := serve(t, "5.2.1", rows(total, limit))
			found, err := crm.client(t).Find(t.Context(), "Leads", "lastname", []string{"roe"})
			if err != nil || len(found) != total {
				t.Errorf("%d rows in pages of %d: %d found, %v", total, limit, len(found), err)
			}
			for i, record := range found {
				if record.ID() != "2x"+strconv.Itoa(i+1) {
					t.Fatalf("record %d is %s", i+1, record.ID())
				}
			}
		}
	}
}

func TestAListIsOnePageOldestFirst(t *testing.T) {
	crm := serve(t, "5.2.1", rows(150, 101))
	c := crm.client(t)
	first, err := c.List(t.Context(), "Leads", "", "lastname")
	if err != nil || len(first) != 100 || first[99].ID() != "2x100" {
		t.Fatalf("%d, %v", len(first), err)
	}
	next, err := c.List(t.Context(), "Leads", "2x100", "lastname")
	if err != nil || len(next) != 50 || next[49].ID() != "2x150" {
		t.Errorf("%d, %v", len(next), err)
	}
}

func TestPagesThatDoNotGoOnAreAProblem(t *testing.T) {
	crm := serve(t, "5.2.1", func(op string, _ url.Values, w http.ResponseWriter) {
		rows(100, 100)(op, url.Values{}, w) // the same page for ever
	})
	p := trouble(t, second(crm.client(t).Find(t.Context(), "Leads", "lastname", []string{"Roe"})), problem.Unavailable)
	if p.Code != codePaging {
		t.Errorf("%v", p)
	}
}

// The CRM compares without accents; a person named Éléonore is not eleonore.
func TestFoundRecordsAreComparedAgain(t *testing.T) {
	stored := []string{"eleonore@example.com", "Éléonore@example.com", "ÉLÉONORE@EXAMPLE.COM ", "other@example.com"}
	crm := serve(t, "5.2.1", func(_ string, _ url.Values, w http.ResponseWriter) {
		var all []string
		for i, email := range stored {
			all = append(all, fmt.Sprintf(`{"id":"2x%d","email":%q}`, 10-i, email))
		}
		fmt.Fprintf(w, `{"success":true,"result":[%s]}`, strings.Join(all, ","))
	})
	c := crm.client(t)
	found, err := c.Find(t.Context(), "Leads", "email", []string{" éléonore@Example.com"})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, record := range found {
		ids = append(ids, record.ID())
	}
	if diff := cmp.Diff([]string{"2x8", "2x9"}, ids); diff != "" {
		t.Error(diff)
	}
	trouble(t, second(c.Find(t.Context(), "Leads", "email", []string{"a@example.com", " "})), problem.Invalid)
	crm.ops()
	if found, err := c.Find(t.Context(), "Leads", "email", nil); err != nil || len(found) != 0 || len(crm.ops()) != 0 {
		t.Errorf("nothing to look for: %v, %v", found, err)
	}
}

func TestARecordThatIsGoneIsToldFromOneThatIsForbidden(t *testing.T) {
	visible := `[]`
	crm := serve(t, "5.2.1", func(op string, _ url.Values, w http.ResponseWriter) {
		switch op {
		case "describe":
			_, _ = w.Write(recorded(t, "521", "030").answer.body)
		case "query":
			fmt.Fprintf(w, `{"success":true,"result":%s}`, visible)
		default:
			fmt.Fprint(w, `{"success":false,"error":{"code":"ACCESS_DENIED","message":"Permission to perform the operation is denied"}}`)
		}
	})
	c := crm.client(t)
	// Nobody has said yet which module 2x is.
	trouble(t, second(c.Retrieve(t.Context(), "2x7")), problem.Unauthorised)
	if _, err := c.Describe(t.Context(), "Leads"); err != nil {
		t.Fatal(err)
	}
	change := Write{Op: OpUpdate, Module: "Leads", ID: "2x7", Fields: Record{"phone": "1"}}
	trouble(t, second(c.Retrieve(t.Context(), "2x7")), problem.NotFound)
	trouble(t, second(c.Do(t.Context(), change)), problem.NotFound)
	trouble(t, second(c.Do(t.Context(), Write{Op: OpDelete, Module: "Leads", ID: "2x7"})), problem.NotFound)
	visible = `[{"id":"2x7"}]`
	trouble(t, second(c.Retrieve(t.Context(), "2x7")), problem.Unauthorised)
	trouble(t, second(c.Do(t.Context(), change)), problem.Unauthorised)
}

func TestCounting(t *testing.T) {
	crm := serve(t, "5.2.1", func(_ string, _ url.Values, w http.ResponseWriter) {
		_, _ = w.Write(recorded(t, "521", "155").answer.body)
	})
	if n, err := crm.client(t).Count(t.Context(), "Accounts"); n != 9 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
