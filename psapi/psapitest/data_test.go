package psapitest

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestTheDataIsComplete loads every document and holds it against counts.tsv.
func TestTheDataIsComplete(t *testing.T) {
	s := plainShop(t)
	raw, err := fs.ReadFile(Data, "counts.tsv")
	if err != nil {
		t.Fatal(err)
	}
	resources := 0
	for line := range strings.Lines(string(raw)) {
		var (
			name        string
			count, last int64
		)
		if _, err := fmt.Sscan(line, &name, &count, &last); err != nil {
			continue // the heading
		}
		resources++
		table := s.table(name)
		if table == nil {
			t.Errorf("%s: there is no table", name)
			continue
		}
		if int64(len(table.rows)) != count || table.last != last {
			t.Errorf("%s: %d rows up to id %d, want %d up to %d", name, len(table.rows), table.last, count, last)
		}
	}
	if resources != len(s.data.specs) {
		t.Errorf("counts.tsv names %d resources, the data has %d", resources, len(s.data.specs))
	}
	if n := len(s.data.resources); n != 43 {
		t.Errorf("the root names %d resources, want 43", n)
	}
	products := s.table("products")
	if net := products.value(products.get(1619), "net"); net != "0.644705" {
		t.Errorf("stored price of product 1619 is %s", net)
	}
}

// TestTheOrderRows makes the order_rows of every recorded order out of its lines: they are what the shop printed.
func TestTheOrderRows(t *testing.T) {
	s := plainShop(t)
	orders := s.table("orders")
	a, _ := orders.association("order_rows")
	rows := 0
	for _, o := range orders.rows {
		p := page{Shop: s}
		var got, want [][]string
		for _, r := range p.orderRows(a, o) {
			got = append(got, r.values)
		}
		for _, r := range o.assocs["order_rows"] {
			want = append(want, r.values)
		}
		rows += len(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("order %d (-recorded +got):\n%s", o.id, diff)
		}
	}
	if rows != len(s.table("order_details").rows) {
		t.Errorf("compared %d rows of %d lines", rows, len(s.table("order_details").rows))
	}
}

// TestADocumentPrintsItself prints each recorded resource and gets the recorded document back.
func TestADocumentPrintsItself(t *testing.T) {
	s := plainShop(t)
	for name := range s.data.specs {
		recorded, err := document(Data, name)
		if err != nil {
			t.Fatal(err)
		}
		p := &page{Shop: s, url: origin, display: display{full: true}, languages: []int64{1, 2, 3, 4, 5}}
		p.write(prolog, "<", name, ">\n")
		for _, r := range s.table(name).rows {
			p.object(s.table(name), r)
		}
		p.write("</", name, ">\n", epilog)
		want, got := strings.Split(unbroken(recorded), "\n"), strings.Split(unbroken(p.b.String()), "\n")
		for i := range want {
			if i >= len(got) || want[i] != got[i] {
				t.Errorf("%s: line %d differs: recorded %q, got %q", name, i+1, want[i], append(got, "nothing")[min(i, len(got))])
				break
			}
		}
	}
}

// unbroken removes the line break behind the plural node, which some of the joined documents lack.
func unbroken(doc string) string {
	doc, _ = strings.CutPrefix(doc, prolog)
	node, rest, _ := strings.Cut(doc, ">")
	return node + ">" + strings.TrimPrefix(rest, "\n")
}

func TestADataSetOfOnesOwn(t *testing.T) {
	folder := fstest.MapFS{
		"configurations.xml": {Data: []byte(prolog + "<configurations>\n<configuration>\n\t<id><![CDATA[57]]></id>\n" +
			"\t<value><![CDATA[America/New_York]]></value>\n\t<name><![CDATA[PS_TIMEZONE]]></name>\n</configuration>\n</configurations>\n" + epilog)},
	}
	s, err := New(Options{Data: folder})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Records("customers")); n != 0 {
		t.Errorf("%d customers in a data set without any", n)
	}
	if zone := s.zone().String(); zone != "America/New_York" {
		t.Errorf("zone is %s", zone)
	}
	folder["orders.xml"] = &fstest.MapFile{Data: []byte("<order>\n\t<id><![CDATA[1\n")}
	if _, err := New(Options{Data: folder}); err == nil || !strings.Contains(err.Error(), "orders") {
		t.Errorf("a broken document gave %v", err)
	}
	folder = fstest.MapFS{"configurations.xml": {Data: []byte(strings.ReplaceAll(string(folder["configurations.xml"].Data), "America", "Atlantis"))}}
	if _, err := New(Options{Data: folder}); err == nil || !strings.Contains(err.Error(), "PS_TIMEZONE") {
		t.Errorf("an unknown zone gave %v", err)
	}
}

// FuzzParseRows feeds damaged documents to the reader; it may refuse them, nothing else.
func FuzzParseRows(f *testing.F) {
	base, err := standard()
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"carriers", "combinations", "currencies", "groups"} {
		doc, err := document(Data, name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name, doc[:min(len(doc), 3000)])
	}
	f.Fuzz(func(t *testing.T, name, doc string) {
		if s := base.specs[name]; s != nil {
			rows, err := parseRows(s, doc)
			for _, r := range rows {
				if err == nil && (len(r.values) != s.values || len(r.texts) != s.texts) {
					t.Errorf("row %d has %d values", r.id, len(r.values))
				}
			}
		}
	})
}
