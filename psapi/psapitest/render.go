package psapitest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

const (
	prolog = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<prestashop xmlns:xlink="http://www.w3.org/1999/xlink">` + "\n"
	epilog = "</prestashop>\n"
)

// page prints one answer. notices counts the PHP notices that printing raised on the way.
type page struct {
	*Shop
	b         strings.Builder
	url       string // of the API, ending with a slash; built from the request's Host header
	display   display
	languages []int64
	virtual   []parameter
	notices   int
}

func (p *page) write(parts ...string) {
	for _, s := range parts {
		p.b.WriteString(s)
	}
}

// minimum prints the one-line form of an object.
func (p *page) minimum(s *spec, r *row) {
	p.write("<", s.node, ` id="`, r.values[0], `" xlink:href="`, p.url, s.resource, "/", r.values[0], `"/>`, "\n")
}

// object prints an object in the form that display asks for: fields in the order of the schema, then virtual prices,
// then associations.
func (p *page) object(t *table, r *row) {
	if p.display.minimum {
		p.minimum(t.spec, r)
		return
	}
	p.write("<", t.node, ">\n")
	for _, f := range t.fields {
		if f.hidden || !p.display.shows(f.name) {
			continue
		}
		if f.i18n {
			p.translated(f, r.texts[f.at])
			continue
		}
		v := r.values[f.at]
		if f.dynamic && t.resource == "orders" {
			v = p.currentState(r.id)
		}
		p.plain(f, v, r.values[0])
	}
	if len(p.virtual) > 0 && (t.resource == "products" || t.resource == "combinations") {
		p.prices(t, r)
	}
	if len(t.assocs) > 0 && (p.display.full || len(p.display.inside) > 0) {
		p.associations(t, r)
	}
	p.write("</", t.node, ">\n")
}

// plain prints a field; owner is the id of its object.
func (p *page) plain(f field, value, owner string) {
	p.write("\t<", f.name)
	absent := strings.HasPrefix(f.name, "id_") && (value == "" || amountOf(value).decimal().IsZero())
	switch {
	case absent:
		value = "" // "don't display informations for a not existant id" (capture 036)
	case f.link == "images/products":
		p.write(` xlink:href="`, p.url, f.link, "/", owner, "/", value, `"`)
	case f.link != "":
		p.write(` xlink:href="`, p.url, f.link, "/", value, `"`)
	}
	p.flags(f)
	p.value(value, f.name)
}

// flags prints the attributes not_filterable and readonly.
func (p *page) flags(f field) {
	if f.dynamic {
		p.write(` not_filterable="true"`)
	}
	if f.readonly {
		p.write(` readonly="true"`)
	}
}

// value closes a field. The shop does not escape "]]>" and lets control characters pass (captures 127, 128).
func (p *page) value(value, name string) {
	if value == "" {
		p.write("></", name, ">\n")
		return
	}
	p.write("><![CDATA[", value, "]]></", name, ">\n")
}

// translated prints a field in the languages asked for.
func (p *page) translated(f field, texts []translation) {
	p.write("\t<", f.name, ">")
	for _, language := range p.languages {
		id := strconv.FormatInt(language, 10)
		p.write(`<language id="`, id, `" xlink:href="`, p.url, "languages/", id, `">`)
		for _, t := range texts {
			if t.language == language && !t.null {
				p.write("<![CDATA[", t.value, "]]>")
			}
		}
		p.write("</language>")
	}
	p.write("</", f.name, ">\n")
}

// prices prints the virtual fields that price[NAME][…] asks for (wire/prestashop.md 4).
func (p *page) prices(t *table, r *row) {
	product := r
	if t.resource == "combinations" {
		if product = p.table("products").get(castID(t.value(r, "id_product"))); product == nil {
			return
		}
	}
	for _, v := range p.virtual {
		if p.display.shows(v.key) {
			p.write("\t<", strings.ToLower(v.key))
			p.value(p.price(product, v.sub), strings.ToLower(v.key))
		}
	}
}

// price is the shop's price calculation as far as the data tells it: tax and reduction on or off, rounded. The final
// price is the one the data shows; what lies between it and the stored price is taken for the reduction.
func (s *Shop) price(product *row, options map[string]string) string {
	products := s.table("products")
	number := func(name, otherwise string) decimal.Decimal {
		if v, ok := options[name]; ok {
			return amountOf(v).decimal()
		}
		return amountOf(otherwise).decimal()
	}
	taxed := !number("use_tax", "1").IsZero()
	reduced := !number("use_reduction", "1").IsZero()
	decimals := number("decimals", s.configuration("PS_PRICE_ROUND_MODE")).IntPart()
	tax := func() decimal.Decimal { return factor(s.taxRate(products.value(product, "id_tax_rules_group"))) }
	v := amountOf(products.value(product, "net")).decimal()
	switch final := amountOf(products.value(product, "price")).decimal(); {
	case reduced && taxed:
		v = final
	case reduced:
		v = final.DivRound(tax(), 9)
	case taxed:
		v = v.Mul(tax())
	}
	return v.Round(int32(min(max(decimals, 0), 9))).StringFixed(6)
}

// associations prints the lists of an object. Items of a list that is a resource too refer to it; virtual ones do not.
func (p *page) associations(t *table, r *row) {
	p.write("<associations>\n")
	for _, a := range t.assocs {
		only, chosen := p.display.inside[a.name]
		if !p.display.full && !chosen {
			continue
		}
		items := r.assocs[a.name]
		if a.name == "order_rows" {
			items = p.orderRows(a, r)
		}
		p.write("<", a.name)
		if a.virtual {
			p.write(` virtual_entity="true"`)
		}
		p.write(` node_type="`, a.node, `"`)
		if len(items) == 0 {
			p.write("/>\n")
			continue
		}
		p.write(">\n")
		for _, item := range items {
			p.write("\t<", a.node)
			switch {
			case a.virtual:
			case a.name == "images":
				p.write(` xlink:href="`, p.url, "images/", t.resource, "/", r.values[0], "/", item.values[0], `"`)
			default:
				p.write(` xlink:href="`, p.url, a.name, "/", item.values[0], `"`)
			}
			p.write(">\n")
			for _, f := range a.fields {
				switch {
				case !p.display.full && !slices.Contains(only, f.name):
				case f.i18n:
					p.translated(f, item.texts[f.at])
				default:
					p.write("\t<", f.name)
					if f.link != "" {
						p.write(` xlink:href="`, p.url, f.link, "/", item.values[f.at], `"`)
					}
					p.flags(f)
					p.value(item.values[f.at], f.name)
				}
			}
			p.write("\t</", a.node, ">\n")
		}
		p.write("</", a.name, ">\n")
	}
	p.write("</associations>\n")
}

// orderRows makes the order_rows of an order out of its order_details, with the defect of 1.4.11: an amount
// reduction is subtracted with its tax and the group's reduction is forgotten (wire/prestashop.md 6 trap b), because
// the query leaves out the columns. Each column missed is a PHP notice (capture 115).
func (p *page) orderRows(a association, order *row) []row {
	details := p.table("order_details")
	excluded := p.taxExcluded(p.table("orders").value(order, "id_customer"))
	var items []row
	for _, d := range details.where("id_order", order.values[0]) {
		value := func(name string) string { return details.value(d, name) }
		original := value("product_price")
		price := amountOf(original).decimal()
		percent, reduction := amountOf(value("reduction_percent")).decimal(), amountOf(value("reduction_amount")).decimal()
		printed := original
		if excluded {
			price = price.Round(2)
		}
		if !percent.IsZero() {
			price = price.Sub(price.Mul(percent).Shift(-2))
		}
		if !reduction.IsZero() {
			price = price.Sub(reduction)
			p.notices++
		}
		switch {
		case excluded:
			printed = price.Round(2).String()
			if p.notices++; !percent.IsZero() {
				p.notices++
			}
		case !percent.IsZero() || !reduction.IsZero():
			printed = float(price)
		}
		p.notices += 5
		item := row{values: make([]string, len(a.fields)), texts: make([][]translation, len(a.fields))}
		for i, f := range a.fields {
			switch f.name {
			case "product_price":
				item.values[i] = printed
			case "original_price":
				item.values[i] = original
			default:
				item.values[i] = value(f.name)
			}
		}
		items = append(items, item)
	}
	return items
}

// float prints a decimal as PHP prints a float: 14 significant digits.
func float(d decimal.Decimal) string {
	if whole := d.Abs().Truncate(0).NumDigits(); !d.Truncate(0).IsZero() {
		return d.Round(int32(14 - whole)).String()
	}
	return d.Round(14).String()
}

// schema prints a synopsis or a blank document.
func (p *page) schema(s *spec, which string) {
	doc := s.synopsis
	if which == "blank" {
		doc = s.blank()
	}
	doc = language.ReplaceAllStringFunc(doc, func(tag string) string {
		m := language.FindStringSubmatch(tag)
		if slices.Contains(p.languages, castID(m[1])) {
			return tag
		}
		return ""
	})
	p.write(strings.ReplaceAll(doc, origin, p.url))
}

// root prints GET /api/: what the key may use.
func (p *page) root(k key) {
	var name strings.Builder
	for _, c := range p.configuration("PS_SHOP_NAME") {
		if entity, ok := entities()[string(c)]; ok {
			name.WriteString(entity)
		} else {
			name.WriteRune(c)
		}
	}
	p.write(prolog, `<api shop_name="`, name.String(), `">`, "\n")
	for _, r := range p.data.resources {
		if !k.knows(r.name) {
			continue
		}
		flags := ` xlink:href="` + p.url + r.name + `"`
		for _, verb := range []string{"GET", "PUT", "POST", "DELETE", "HEAD"} {
			flags += " " + strings.ToLower(verb) + `="` + strconv.FormatBool(k.may(r.name, verb)) + `"`
		}
		p.write("<", r.name, flags, ">\n<description", flags, ">\n", r.description, "</description>\n")
		if r.schema {
			for _, which := range []string{"blank", "synopsis"} {
				p.write(`<schema xlink:href="`, p.url, r.name, "?schema=", which, `" type="`, which, `"/>`, "\n")
			}
		}
		p.write("</", r.name, ">\n")
	}
	p.write("</api>\n", epilog)
}

// castID is the id at the start of a text, 0 when there is none.
func castID(s string) int64 { return int64(castInt(s)) }
