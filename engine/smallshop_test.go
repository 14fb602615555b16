package engine_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"testing/fstest"

	"cartiger/psapi/psapitest"
)

// partShop is a shop with one order in eleven of the embedded one, 119 of them in four currencies, the people behind
// them and their goods, and one in forty of the other people and goods.
var partShop = sync.OnceValue(func() fs.FS {
	return part(func(order int64) bool { return order%11 == 1 }, func(other int64) bool { return other%40 == 3 })
})

// tinyShop has two orders, 1 without and 12 with an invoice.
var tinyShop = sync.OnceValue(func() fs.FS {
	return part(func(order int64) bool { return order == 1 || order == 12 }, func(int64) bool { return false })
})

// part is the embedded shop with some of its orders, the people and goods of these, and some other people and goods.
func part(order, other func(id int64) bool) fs.FS {
	customers, products, kept := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, o := range objects("orders") {
		if order(numeral(o.get("id"))) {
			kept[o.get("id")] = true
			customers[o.get("id_customer")] = true
		}
	}
	for _, d := range objects("order_details") {
		if kept[d.get("id_order")] {
			products[d.get("product_id")] = true
		}
	}
	some := func(known map[string]bool, id string) bool { return known[id] || other(numeral(id)) }
	return cut(map[string]func(object) bool{
		"orders":          func(o object) bool { return kept[o.get("id")] },
		"order_details":   func(o object) bool { return kept[o.get("id_order")] },
		"order_discounts": func(o object) bool { return kept[o.get("id_order")] },
		"order_histories": func(o object) bool { return kept[o.get("id_order")] },
		"customers":       func(o object) bool { return some(customers, o.get("id")) },
		"addresses":       func(o object) bool { return some(customers, o.get("id_customer")) },
		"products":        func(o object) bool { return some(products, o.get("id")) },
		"products-net":    func(o object) bool { return some(products, o.get("id")) },
	})
}

// bareShop has the embedded shop's settings, currencies and order states, one country, and neither people nor goods nor
// orders.
var bareShop = sync.OnceValue(func() fs.FS {
	return cut(map[string]func(object) bool{"countries": func(o object) bool { return o.get("iso_code") == "FR" }})
})

// personal are the resources that a cut leaves empty unless it names them.
var personal = []string{
	"orders", "order_details", "order_discounts", "order_histories", "customers", "addresses", "carts", "guests", "products",
	"products-net", "stock_movements", "combinations", "countries", "states",
}

// cut is the embedded shop with only some objects of some resources.
func cut(keep map[string]func(object) bool) fs.FS {
	out := fstest.MapFS{}
	entries, err := fs.ReadDir(psapitest.Data, ".")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		raw, err := fs.ReadFile(psapitest.Data, e.Name())
		if err != nil {
			panic(err)
		}
		out[e.Name()] = &fstest.MapFile{Data: raw}
	}
	for _, name := range personal {
		if keep[name] == nil && (name == "countries" || name == "states") && keep["orders"] != nil {
			continue // addresses name them
		}
		delete(out, name+".xml.gz")
		if keep[name] == nil {
			continue
		}
		var doc strings.Builder
		list := strings.TrimSuffix(name, "-net")
		doc.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<prestashop xmlns:xlink=\"http://www.w3.org/1999/xlink\">\n<" + list + ">")
		for _, o := range objects(name) {
			if keep[name](o) {
				doc.WriteString(string(o) + "\n")
			}
		}
		doc.WriteString("</" + list + ">\n</prestashop>\n")
		out[name+".xml"] = &fstest.MapFile{Data: []byte(doc.String())}
	}
	return out
}

// object is one object of a document, as it stands there.
type object string

func (o object) get(field string) string {
	_, rest, plain := strings.Cut(string(o), "\n\t<"+field+">")
	if !plain { // a reference has an address behind its name
		_, rest, _ = strings.Cut(string(o), "\n\t<"+field+" ")
	}
	element, _, _ := strings.Cut(rest, "</"+field+">")
	_, value, _ := strings.Cut(element, "<![CDATA[")
	value, _, _ = strings.Cut(value, "]]>")
	return value
}

// objects are those of one resource of the embedded shop.
func objects(resource string) []object {
	packed, err := fs.ReadFile(psapitest.Data, resource+".xml.gz")
	if err != nil {
		panic(err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic(err)
	}
	raw, err := io.ReadAll(unpacked)
	if err != nil {
		panic(err)
	}
	doc := string(raw)
	list := "<" + strings.TrimSuffix(resource, "-net") + ">"
	doc = doc[strings.Index(doc, list)+len(list):]
	name := doc[1:strings.IndexByte(doc, '>')]
	var out []object
	for part := range strings.SplitSeq(doc, "</"+name+">\n") {
		if strings.HasPrefix(part, "<"+name+">") {
			out = append(out, object(part+"</"+name+">"))
		}
	}
	return out
}

func numeral(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

func decimalOf(n int64) string { return strconv.FormatInt(n, 10) }
