package cli

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"cartiger/psapi/psapitest"
)

// The small shop: a part of the embedded one that hangs together. Tests that start many processes use it.
const (
	smallOrders    = 24
	smallCustomers = 150 // those of the orders and the first ones by id
	smallProducts  = 230
)

// smallShop writes the small shop into a folder for `simulate shop --data`.
func smallShop(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	orders := elements(t, "orders", func(e element) bool { return e.number("id") <= smallOrders })
	details := elements(t, "order_details", func(e element) bool { return orders.has(e.number("id_order")) })
	bought := numbers(details, "product_id")
	buyers := numbers(orders, "id_customer")
	customers := elements(t, "customers", func(e element) bool { return e.number("id") <= smallCustomers || buyers[e.number("id")] })
	ofOrder := func(e element) bool { return orders.has(e.number("id_order")) }
	product := func(e element) bool { return e.number("id") <= smallProducts || bought[e.number("id")] }
	for name, kept := range map[string]document{
		"orders": orders, "order_details": details, "customers": customers,
		"order_histories": elements(t, "order_histories", ofOrder),
		"order_discounts": elements(t, "order_discounts", ofOrder),
		"products":        elements(t, "products", product),
		"products-net":    elements(t, "products-net", product),
		"addresses": elements(t, "addresses", func(e element) bool {
			return customers.has(e.number("id_customer")) || e.number("id_customer") == 0
		}),
		"carts": elements(t, "carts", func(e element) bool { return customers.has(e.number("id_customer")) }),
	} {
		kept.write(t, filepath.Join(dir, name+".xml"))
	}
	for _, name := range []string{"carriers", "configurations", "countries", "currencies", "groups", "languages", "order_states", "states", "taxes"} {
		elements(t, name, func(element) bool { return true }).write(t, filepath.Join(dir, name+".xml"))
	}
	return dir
}

// element is one object of a document of the data set.
type element string

// text is the value of a field; every field stands on a line of its own.
func (e element) text(field string) string {
	start := regexp.MustCompile(`\n\t<` + field + `( [^>]*)?>`).FindStringIndex(string(e)) // id_order is not id_order_state
	if start == nil {
		return ""
	}
	rest := string(e)[start[1]:]
	value, _, _ := strings.Cut(rest, "</"+field+">")
	return strings.TrimSuffix(strings.TrimPrefix(value, "<![CDATA["), "]]>")
}

func (e element) number(field string) int64 {
	n, err := strconv.ParseInt(e.text(field), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// document is a part of a document: what stands around the objects, and the objects that are kept.
type document struct {
	before, after string
	kept          []element
	ids           map[int64]bool
}

func (d document) has(id int64) bool { return d.ids[id] }

func (d document) write(t testing.TB, path string) {
	t.Helper()
	var b strings.Builder
	b.WriteString(d.before)
	for _, e := range d.kept {
		b.WriteString(string(e))
	}
	b.WriteString(d.after)
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// listStart is what a document begins with: <prestashop>, the list, its first object.
var listStart = regexp.MustCompile(`<prestashop[^>]*>\n<\w+>(<(\w+)>)`)

// elements cuts a document of the embedded data set into its objects and keeps some.
func elements(t testing.TB, resource string, keep func(element) bool) document {
	t.Helper()
	f, err := psapitest.Data.Open(resource + ".xml.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	head := string(all[:min(len(all), 4<<10)])
	at := listStart.FindStringSubmatchIndex(head)
	if at == nil {
		t.Fatalf("%s.xml.gz has another form", resource)
	}
	name := head[at[4]:at[5]]
	d := document{before: head[:at[2]], ids: map[int64]bool{}}
	start, end := "<"+name+">", "\n</"+name+">\n"
	rest := string(all[at[2]:])
	for strings.HasPrefix(rest, start) {
		at := strings.Index(rest, end)
		if at < 0 {
			t.Fatalf("%s.xml.gz: an object does not end", resource)
		}
		e := element(rest[:at+len(end)])
		rest = rest[at+len(end):]
		if keep(e) {
			d.kept = append(d.kept, e)
			d.ids[e.number("id")] = true
		}
	}
	d.after = rest
	return d
}

func numbers(d document, field string) map[int64]bool {
	out := map[int64]bool{}
	for _, e := range d.kept {
		out[e.number(field)] = true
	}
	return out
}
