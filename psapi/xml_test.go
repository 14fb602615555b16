package psapi

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

// captured is a recorded answer of a real shop.
func captured(t testing.TB, name string) answer {
	t.Helper()
	const folder = "psapitest/testdata/captures"
	files, err := filepath.Glob(filepath.Join(folder, name+"*.http"))
	if err != nil || len(files) != 1 {
		t.Fatalf("capture %s: %v %v", name, files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	_, response, found := bytes.Cut(data, []byte("\r\n\r\n"))
	for found && !bytes.HasPrefix(response, []byte("HTTP/")) { // the request had a body
		i := bytes.Index(response, []byte("HTTP/1.1 "))
		if i < 0 {
			t.Fatalf("capture %s holds no response", name)
		}
		response = response[i:]
	}
	head, body, _ := bytes.Cut(response, []byte("\r\n\r\n"))
	// The body's length is that of the file: some were neutralised after they were recorded.
	head = append(bytes.Clone(head), "\r\n\r\n"...)
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		t.Fatalf("capture %s: %v", name, err)
	}
	return answer{status: r.StatusCode, header: r.Header, body: body}
}

func read(t *testing.T, body []byte) *node {
	t.Helper()
	doc, err := cut(body)
	if err != nil {
		t.Fatal(err)
	}
	root, err := parse(doc.xml)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestBrokenCDATAIsRejoined(t *testing.T) {
	product := read(t, captured(t, "127").body).child("product")
	if got, want := inLanguage(product.child("description"), 1).text, "before ]]> after <b>x</b>"; got != want {
		t.Errorf("description %q, want %q", got, want)
	}
	if got := product.child("date_upd").text; got != "2026-11-20 12:00:00" {
		t.Errorf("the field behind it reads %q", got)
	}
}

func TestControlCharactersAreDropped(t *testing.T) {
	product := read(t, captured(t, "128").body).child("product")
	if got, want := inLanguage(product.child("description"), 1).text, "tab\t vt end"; got != want {
		t.Errorf("description %q, want %q", got, want)
	}
}

func TestNoiseBeforeTheXMLIsCutAndNamed(t *testing.T) {
	for name, want := range map[string]string{
		"129": "a byte order mark",
		"126": "Notice: Undefined index: content_sha1",
		"043": "",
	} {
		a := captured(t, name)
		doc, err := cut(a.body)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(doc.noise, want) || (want == "") != (doc.noise == "") {
			t.Errorf("capture %s: noise %q, want %q", name, doc.noise, want)
		}
		if !doc.printed(a.header.Get("Content-Sha1")) {
			t.Errorf("capture %s: the checksum does not fit", name)
		}
		if doc.printed(strings.Repeat("0", 40)) {
			t.Errorf("capture %s: any checksum fits", name)
		}
		if code := read(t, a.body).child("currency").child("iso_code").text; len(code) != 3 {
			t.Errorf("capture %s: iso_code %q", name, code)
		}
	}
}

// A module may print anything before the XML, also what looks like its beginning.
func TestNoiseThatSpeaksOfTheRootElementIsCutToo(t *testing.T) {
	a := captured(t, "043")
	for _, noise := range []string{
		"<!-- <prestashop> 1.4 -->\n",
		`<script>var x = '<?xml version="1.0"?><prestashop>';</script>`,
	} {
		doc, err := cut(append([]byte(noise), a.body...))
		if err != nil {
			t.Fatal(err)
		}
		if !doc.whole || !doc.printed(a.header.Get("Content-Sha1")) {
			t.Errorf("%s: the checksum does not fit, whole %v", noise, doc.whole)
		}
	}
}

func TestEntitiesOfHTMLAreUnderstood(t *testing.T) {
	api := read(t, captured(t, "017").body).child("api")
	if got, want := api.attr["shop_name"], `Test & "Shop" é`; got != want {
		t.Errorf("shop name %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"get", "head"}, rights(api)["customers"]); diff != "" {
		t.Error(diff)
	}
}

func TestCapturedListsAreRead(t *testing.T) {
	for name, want := range map[string]struct {
		resource string
		ids      []int64
	}{
		"064": {"customers", []int64{1, 10, 11}}, // minimal: ids are attributes; without sort by id their order is the index's
		"070": {"customers", nil},
		"085": {"customers", []int64{20, 21}},
		"105": {"currencies", []int64{1, 2, 3, 4}},
		"116": {"orders", []int64{1, 2}},
		"098": {"products", []int64{133, 1418}},
	} {
		rows, err := rowsOf(read(t, captured(t, name).body), want.resource, 1)
		if err != nil {
			t.Fatalf("capture %s: %v", name, err)
		}
		var ids []int64
		for _, r := range rows {
			ids = append(ids, r.id)
		}
		if diff := cmp.Diff(want.ids, ids); diff != "" {
			t.Errorf("capture %s: %s", name, diff)
		}
	}
}

func TestAListWithoutItsElementIsNoEmptyList(t *testing.T) {
	if _, err := rowsOf(read(t, []byte("<prestashop></prestashop>")), "orders", 1); err == nil {
		t.Error("a document without <orders> was taken for an empty list")
	}
}

func TestAnOrderIsReadToTheCent(t *testing.T) {
	rows, err := rowsOf(read(t, captured(t, "116").body), "orders", 1)
	if err != nil {
		t.Fatal(err)
	}
	reading := &reader{row: rows[1]}
	got := orders.read(reading)
	want := Order{
		ID: 2, Currency: 2, Customer: 274, Module: "bankwire", Payment: "Virement bancaire", CurrentState: 6,
		TotalDiscounts: decimal.RequireFromString("971.56"), TotalPaid: decimal.RequireFromString("8759.75"),
		TotalProducts: decimal.RequireFromString("8164.40"), TotalProductsWT: decimal.RequireFromString("9715.64"),
		TotalShipping: decimal.RequireFromString("11.03"), TotalWrapping: decimal.RequireFromString("4.64"),
		ConversionRate: decimal.RequireFromString("1.324717"),
		DateAdd:        "2025-06-02 03:40:00", DateUpd: "2025-06-02 14:46:00",
	}
	if diff := cmp.Diff(want, got); diff != "" || reading.fault != "" {
		t.Errorf("fault %q\n%s", reading.fault, diff)
	}
}

func field(name, value string) *reader {
	return &reader{row: row{id: 1, fields: map[string]string{name: value}}}
}

func TestValuesAreReadAsThePHPOfTheShopPrintsThem(t *testing.T) {
	for text, want := range map[string]string{
		"": "0", "103.380000": "103.38", "-2.50": "-2.5", "8.0E-6": "0.000008", "86,438127": "86.438127", " 7 ": "7", ".5": "0.5",
	} {
		r := field("price", text)
		if got := r.amount("price"); !got.Equal(decimal.RequireFromString(want)) || r.fault != "" {
			t.Errorf("amount %q = %s, want %s (%s)", text, got, want, r.fault)
		}
	}
	for _, text := range []string{"1e999999999", "1.2.3", "1,000.50", "free", "NaN", "0x1F", strings.Repeat("9", 60), "-", "."} {
		r := field("price", text)
		if got := r.amount("price"); r.fault == "" || !got.IsZero() {
			t.Errorf("amount %q was read as %s", text, got)
		}
	}
	for text, want := range map[string]Stamp{
		"": "", "0000-00-00 00:00:00": "", "2011-00-00 00:00:00": "", "2026-11-23 10:00:01": "2026-11-23 10:00:01",
		"2026-11-23": "2026-11-23 00:00:00", "2026-11-23 10:00:01.000000": "2026-11-23 10:00:01",
	} {
		r := field("date_upd", text)
		if got := r.stamp("date_upd"); got != want || r.fault != "" {
			t.Errorf("stamp %q = %q, want %q (%s)", text, got, want, r.fault)
		}
	}
	r := field("date_upd", "2026-02-30 10:00:00")
	if r.stamp("date_upd"); r.fault == "" {
		t.Error("the 30th of February was accepted")
	}
	r = field("quantity", "12; DROP")
	if r.number("quantity"); !strings.Contains(r.fault, "quantity") {
		t.Errorf("fault %q does not name the field", r.fault)
	}
	if got := field("id_state", "").number("id_state"); got != 0 {
		t.Errorf("an empty id is %d", got)
	}
	if got := field("birthday", "0000-00-00").date("birthday"); got != "" {
		t.Errorf("birthday %q", got)
	}
}

func TestAStampIsPlacedInTheShopsZone(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	at, err := Stamp("2026-07-01 12:00:00").In(paris)
	if want := time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC); err != nil || !at.Equal(want) {
		t.Errorf("%s %v, want %s", at, err, want)
	}
	if at, err = Stamp("").In(paris); err != nil || !at.IsZero() {
		t.Errorf("%s %v", at, err)
	}
}

func TestTheWantedLanguageIsChosen(t *testing.T) {
	const doc = `<prestashop><order_states><order_state><id><![CDATA[1]]></id><name>
		<language id="1"><![CDATA[Paid]]></language><language id="2"><![CDATA[Payé]]></language><language id="3"></language></name></order_state></order_states></prestashop>`
	for language, want := range map[int64]string{1: "Paid", 2: "Payé", 3: "Paid", 9: "Paid", 0: "Paid"} {
		rows, err := rowsOf(read(t, []byte(doc)), "order_states", language)
		if err != nil {
			t.Fatal(err)
		}
		if got := rows[0].fields["name"]; got != want {
			t.Errorf("language %d: %q, want %q", language, got, want)
		}
	}
}

func TestMarkupBecomesPlainText(t *testing.T) {
	for markup, want := range map[string]string{
		"<p>Short Tom &amp; Jerry's Book</p>": "Short Tom & Jerry's Book",
		"plain":                               "plain",
		"a<br/>b<br>c":                        "a\nb\nc",
		"<ul><li>one</li><li>two&nbsp;&eacute;</li></ul>":       "one\ntwo é",
		"<script>alert('x < y')</script>text<style>p{}</style>": "text",
		"5 < 6 &amp; 7 > 6": "5 < 6 & 7 > 6",
		"evil &#27;[31mred": "evil [31mred",
		"<p onclick=\"x()\">a\r\n\r\n   b</p><!-- hidden --><p/>": "a\nb",
	} {
		if got := plainText(markup); got != want {
			t.Errorf("plainText(%q) = %q, want %q", markup, got, want)
		}
	}
}

func TestTerminalEscapesBecomeHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"\x1b[31mRed\x1b[0m\x07":     "[31mRed[0m",
		"line\r\nnext\ttab\rreturn":  "line\nnext\ttab\nreturn",
		"\u009b2J clear":             "2J clear",
		"abc\u202egnp.exe":           "abcgnp.exe",
		"Zoë 😀 اسم\u200f":            "Zoë 😀 اسم\u200f",
		"nul\x00byte del\x7f \ufffe": "nulbyte del ",
		"latin \xe9":                 "latin \ufffd",
	} {
		if got := printable(text); got != want {
			t.Errorf("printable(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestADocumentHasBounds(t *testing.T) {
	deep := "<prestashop>" + strings.Repeat("<a>", 40) + strings.Repeat("</a>", 40) + "</prestashop>"
	many := "<prestashop>" + strings.Repeat("<a/>", maxElements+1) + "</prestashop>"
	bomb := `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><prestashop>&b;</prestashop>`
	tag := "<prestashop><a" + strings.Repeat(" b='c'", maxTag/5) + "/></prestashop>"
	attributes := "<prestashop>" + strings.Repeat("<a b='' c='' d=''/>", maxElements/4+1) + "</prestashop>"
	for name, doc := range map[string]string{"deep": deep, "many": many, "bomb": bomb, "tag": tag, "attributes": attributes} {
		if _, err := parse([]byte(doc)); !errors.Is(err, errBounds) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Text may be as long as it likes; only a tag may not.
	for _, doc := range []string{"<a><![CDATA[<" + strings.Repeat("x", 2*maxTag) + "]]></a>", "<a><!-- <" + strings.Repeat("x", 2*maxTag) + " --></a>"} {
		if longTag([]byte(doc)) {
			t.Errorf("%.20s… is taken for a long tag", doc)
		}
	}
	faults := strings.Repeat("]]>&", maxGrowth/16+1)
	if got := repair([]byte(faults)); string(got) != faults {
		t.Errorf("faults without end have grown from %d to %d bytes", len(faults), len(got))
	}
	long := "<prestashop><orders><order><id>7</id><payment><![CDATA[" + strings.Repeat("x", maxText+1) + "]]></payment></order></orders></prestashop>"
	rows, err := rowsOf(read(t, []byte(long)), "orders", 0)
	if err != nil || !strings.Contains(rows[0].fault, "payment") {
		t.Errorf("a field of %d bytes: fault %q, error %v", maxText+1, rows[0].fault, err)
	}
}

func TestAFieldPrintedTwiceIsNotTrusted(t *testing.T) {
	// What a value like `x]]></firstname><email><![CDATA[other@example.com` makes of a record.
	const doc = `<prestashop><customers><customer><id><![CDATA[5]]></id><email><![CDATA[a@example.com]]></email><email><![CDATA[b@example.com]]></email></customer></customers></prestashop>`
	rows, err := rowsOf(read(t, []byte(doc)), "customers", 0)
	if err != nil || !strings.Contains(rows[0].fault, "email") {
		t.Errorf("fault %q, error %v", rows[0].fault, err)
	}
}

// printed is what the web service makes of values: CDATA without any escaping [OX:104].
func printed(values []string) []byte {
	var out bytes.Buffer
	out.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n<prestashop xmlns:xlink=\"http://www.w3.org/1999/xlink\">\n<customers>\n")
	for i, value := range values {
		fmt.Fprintf(&out, "<customer>\n\t<id><![CDATA[%d]]></id>\n\t<lastname><![CDATA[%s]]></lastname>\n</customer>\n", i+1, value)
	}
	out.WriteString("</customers>\n</prestashop>\n")
	return out.Bytes()
}

func TestAnyValueComesBackAsItIsInTheShop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SampledFrom([]string{"]]>", "]]", "<![CDATA[", "&", "<b>", "</b>", "é", "\x0b", "😀", "a", "]]></i>", "<!--", "-->", "&amp;", " ", "\x1b[2J"})
		values := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return "v" + strings.Join(rapid.SliceOf(pieces).Draw(t, "pieces"), "")
		}), 1, 5).Draw(t, "values")
		doc, err := cut(printed(values))
		if err != nil {
			t.Fatal(err)
		}
		root, err := parse(doc.xml)
		if err != nil {
			t.Fatalf("%q: %v", values, err)
		}
		rows, err := rowsOf(root, "customers", 0)
		if err != nil || len(rows) != len(values) {
			t.Fatalf("%q: %d rows, %v", values, len(rows), err)
		}
		for i, value := range values {
			// A split that was in the value already cannot be told from one that escapes: "]]><![CDATA[" vanishes.
			want := strings.ReplaceAll(printable(value), "]]><![CDATA[", "")
			if got := rows[i].fields["lastname"]; got != want {
				t.Fatalf("value %q came back as %q", value, got)
			}
		}
	})
}

func wellFormed(doc []byte) bool {
	decoder := xml.NewDecoder(bytes.NewReader(doc))
	decoder.Entity = xml.HTMLEntity
	for {
		if _, err := decoder.Token(); err != nil {
			return err == io.EOF
		}
	}
}

func FuzzRepair(f *testing.F) {
	for _, seed := range []string{
		"<prestashop><a><![CDATA[x]]></a></prestashop>",
		"<a><![CDATA[before ]]> after]]></a>",
		"<a>&eacute; & &#11; &unknown; &#x41;</a>",
		"<!-- <x><![CDATA[ --><y><![CDATA[v]]></y><x><![CDATA[w]]></x>",
		"<a><![CDATA[]]]]><![CDATA[>]]></a>",
		"<?x <a><![CDATA[?><a b='>'/>",
		"<a><![CDATA[open",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		fixed := repair(doc)
		if len(fixed) > 8*len(doc)+64 {
			t.Errorf("%d bytes became %d", len(doc), len(fixed))
		}
		if wellFormed(doc) && !wellFormed(fixed) {
			t.Errorf("valid %q was repaired into invalid %q", doc, fixed)
		}
		if again := repair(fixed); wellFormed(fixed) && !wellFormed(again) {
			t.Errorf("repairing twice broke %q", fixed)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"020", "043", "064", "070", "098", "126", "129"} {
		f.Add(captured(f, name).body)
	}
	f.Add(printed([]string{"]]>", "\x00", "&"}))
	f.Add([]byte(`<prestashop><orders><order id="1"><name><language id="1">x</language></name><total_paid>1e9</total_paid><date_upd>0000-00-00</date_upd></order></orders></prestashop>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		doc, err := cut(body)
		if err != nil {
			return
		}
		root, err := parse(doc.xml)
		if err != nil {
			return
		}
		for _, list := range root.kids {
			rows, err := rowsOf(root, list.name, 1)
			if err != nil {
				continue
			}
			for _, r := range rows {
				if r.id <= 0 {
					t.Errorf("row with id %d", r.id)
				}
				reading := &reader{row: r}
				for name, value := range r.fields {
					if strings.IndexFunc(value, acts) >= 0 {
						t.Errorf("field %s keeps a control character: %q", name, value)
					}
					reading.amount(name)
					reading.stamp(name)
					if _, err := strconv.Atoi(value); err == nil {
						reading.number(name)
					}
				}
				customers.read(reading)
				orders.read(reading)
				products.read(reading)
			}
		}
	})
}
