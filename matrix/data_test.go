package matrix

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing/fstest"

	"cartiger/psapi/psapitest"
)

// theOrders are picked for what they hold: several tax rates, three currencies, gift wrapping, vouchers, companies,
// invoices and none.
var theOrders = []string{"31", "91", "96", "145", "319", "401"}

// theOthers are customers who never ordered.
var theOthers = []string{"10", "11", "13"}

// small is a cut of the embedded shop, so that one life of a process takes a fraction of a second: the six orders with
// all they refer to, three more customers, and every small table.
var small = sync.OnceValues(func() (fs.FS, error) {
	out := fstest.MapFS{}
	cut := func(resource, singular string, keep func(row string) bool) error {
		doc, err := unzip(resource)
		if err != nil {
			return err
		}
		out[resource+".xml"] = &fstest.MapFile{Data: cutRows(doc, singular, keep)}
		return nil
	}
	for _, whole := range []string{"configurations", "currencies", "countries", "states", "groups", "languages", "order_states", "carriers", "taxes", "tax_rule_groups", "products-net"} {
		doc, err := unzip(whole)
		if err != nil {
			return nil, err
		}
		out[whole+".xml"] = &fstest.MapFile{Data: doc}
	}
	var customers, products []string
	err := cut("orders", "order", func(row string) bool {
		if !slices.Contains(theOrders, value(row, "id")) {
			return false
		}
		customers = append(customers, value(row, "id_customer"))
		return true
	})
	if err == nil {
		err = cut("order_details", "order_detail", func(row string) bool {
			if !slices.Contains(theOrders, value(row, "id_order")) {
				return false
			}
			products = append(products, value(row, "product_id"))
			return true
		})
	}
	customers = append(customers, theOthers...)
	inOrder := func(row string) bool { return slices.Contains(theOrders, value(row, "id_order")) }
	for _, c := range []struct {
		resource, singular string
		keep               func(string) bool
	}{
		{"order_histories", "order_history", inOrder},
		{"order_discounts", "order_discount", inOrder},
		{"customers", "customer", func(row string) bool { return slices.Contains(customers, value(row, "id")) }},
		{"addresses", "address", func(row string) bool { return slices.Contains(customers, value(row, "id_customer")) }},
		{"products", "product", func(row string) bool { return slices.Contains(products, value(row, "id")) }},
	} {
		if err == nil {
			err = cut(c.resource, c.singular, c.keep)
		}
	}
	return out, err
})

func unzip(resource string) ([]byte, error) {
	file, err := psapitest.Data.Open(resource + ".xml.gz")
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(plain)
}

// cutRows keeps the rows of a document that keep wants. Rows begin and end at the start of a line.
func cutRows(doc []byte, singular string, keep func(string) bool) []byte {
	open, end := []byte("<"+singular+">\n"), []byte("\n</"+singular+">")
	start := bytes.Index(doc, open)
	if start < 0 {
		return doc
	}
	out := bytes.NewBuffer(bytes.Clone(doc[:start]))
	rest := doc[start:]
	for bytes.HasPrefix(rest, open) {
		stop := bytes.Index(rest, end) + len(end)
		if row := rest[:stop]; keep(string(row)) {
			out.Write(row)
			out.WriteByte('\n')
		}
		rest = bytes.TrimLeft(rest[stop:], "\n")
	}
	out.Write(rest)
	return out.Bytes()
}

// value is the text of a row's field.
func value(row, field string) string {
	shape := regexp.MustCompile(fmt.Sprintf(`<%s(?: [^>]*)?>(?:<!\[CDATA\[)?([^\]<]*)`, field))
	if m := shape.FindStringSubmatch(row); m != nil {
		return strings.TrimSpace(m[1])
	}
	return ""
}
