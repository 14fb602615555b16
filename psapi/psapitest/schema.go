package psapitest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// kind says how the shop's database compares the values of a field.
type kind int

const (
	text   kind = iota // utf8_general_ci: blind to case, accents and trailing blanks
	number             // as numbers, whatever the form of the literal
	date               // as "yyyy-mm-dd hh:mm:ss"
)

// field is one field of a resource, as its synopsis describes it.
type field struct {
	name     string
	link     string // what xlink:href points at; "" = nothing
	i18n     bool
	required bool
	readonly bool
	dynamic  bool // computed (not_filterable): not in the table
	hidden   bool // in the table, but not a field of the web service
	nullable bool // an empty value is NULL, which matches nothing
	kind     kind
	at       int // place in row.values, or in row.texts when i18n
}

// association is a list inside an object; fields[0] is not always the id (cart_rows has none).
type association struct {
	name    string
	node    string
	virtual bool
	fields  []field
}

// spec is one resource. Fields stand in the order in which the shop prints them, id first.
type spec struct {
	resource string
	node     string
	synopsis string // the recorded document
	fields   []field
	places   map[string]int
	values   int // how many places row.values needs
	texts    int // how many places row.texts needs
	assocs   []association
}

// origin is the host in the recorded data, replaced by the request's own when printed.
const origin = "http://shop.example.test/api/"

// links are the xlink_resource settings of the classes, which no schema shows.
var links = map[string]map[string]string{
	"addresses": {
		"id_customer": "customers", "id_manufacturer": "manufacturers", "id_supplier": "suppliers",
		"id_country": "countries", "id_state": "states",
	},
	"carts": {
		"id_address_delivery": "addresses", "id_address_invoice": "addresses", "id_currency": "currencies",
		"id_customer": "customers", "id_guest": "guests", "id_lang": "languages", "id_carrier": "carriers",
	},
	"cart_rows":       {"id_product": "products", "id_product_attribute": "combinations"},
	"combinations":    {"id_product": "products"},
	"countries":       {"id_zone": "zones", "id_currency": "currencies"},
	"customers":       {"id_default_group": "groups"},
	"guests":          {"id_customer": "customers"},
	"order_details":   {"id_order": "orders", "product_id": "products", "product_attribute_id": "combinations"},
	"order_discounts": {"id_order": "orders"},
	"order_histories": {"id_order_state": "order_states", "id_order": "orders"},
	"orders": {
		"id_address_delivery": "addresses", "id_address_invoice": "addresses", "id_cart": "carts",
		"id_currency": "currencies", "id_lang": "languages", "id_customer": "customers", "id_carrier": "carriers",
		"current_state": "order_states",
	},
	"products": {
		"id_manufacturer": "manufacturers", "id_supplier": "suppliers", "id_category_default": "categories",
		"id_default_image": "images/products", "id_default_combination": "combinations",
	},
	"product_features": {"id_feature_value": "product_feature_values"},
	"states":           {"id_zone": "zones", "id_country": "countries"},
	// stock_movements names the wrong resource for its combination; so does the shop.
	"stock_movements": {
		"id_product": "products", "id_product_attribute": "product_option_values", "id_order": "orders",
		"id_employee": "employees", "id_stock_mvt_reason": "stock_movement_reasons",
	},
}

// dated are the tables with date columns. All others swallow an SQL error when asked for one (wire/prestashop.md 3).
var dated = map[string][]string{
	"addresses": {"date_add", "date_upd"}, "carts": {"date_add", "date_upd"},
	"configurations": {"date_add", "date_upd"}, "customers": {"date_add", "date_upd"},
	"groups": {"date_add", "date_upd"}, "order_histories": {"date_add"}, "orders": {"date_add", "date_upd"},
	"products": {"date_add", "date_upd"}, "stock_movements": {"date_add", "date_upd"},
}

var (
	numberFormats = []string{
		"isUnsignedId", "isNullOrUnsignedId", "isInt", "isUnsignedInt", "isBool", "isPrice", "isNegativePrice",
		"isFloat", "isUnsignedFloat", "isPriceDisplayMethod",
	}
	// numberNames are the numeric columns that no validator guards.
	numberNames = []string{
		"id", "deleted", "invoice_number", "delivery_number", "valid", "is_module", "unremovable", "delivery", "hidden",
		"quantity", "reduction", "active", "rate", "discount_quantity_applied", "cache_default_attribute", "new", "price",
	}
	dateNames = []string{
		"date_add", "date_upd", "invoice_date", "delivery_date", "newsletter_date_add", "last_passwd_gen", "birthday",
		"download_deadline",
	}
	fieldLine = regexp.MustCompile(`^\t<(\w+)([^>]*)>`)
	assocLine = regexp.MustCompile(`^<(\w+)((?: virtual_entity="true")?) node_type="(\w+)">`)
	format    = regexp.MustCompile(` format="(\w+)"`)
)

// parseSpec reads a synopsis document.
func parseSpec(resource, synopsis string) (*spec, error) {
	s := &spec{resource: resource, synopsis: synopsis, places: map[string]int{}}
	s.add(field{name: "id", kind: number})
	var open *association
	for line := range strings.Lines(synopsis) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case s.node == "":
			if strings.HasPrefix(line, "<") && !strings.HasPrefix(line, "<?") && !strings.HasPrefix(line, "<prestashop") {
				s.node = strings.Trim(line, "<>")
			}
		case assocLine.MatchString(line):
			m := assocLine.FindStringSubmatch(line)
			s.assocs = append(s.assocs, association{name: m[1], virtual: m[2] != "", node: m[3]})
			open = &s.assocs[len(s.assocs)-1]
		case open != nil && line == "\t<"+open.node+">", strings.HasPrefix(line, "<"), strings.HasPrefix(line, "\t</"):
		default:
			m := fieldLine.FindStringSubmatch(line)
			if m == nil {
				return nil, fmt.Errorf("schema of %s: line %q is neither a field nor an association", resource, line)
			}
			f := field{
				name: m[1], i18n: strings.Contains(line, "><language "),
				required: strings.Contains(m[2], ` required="true"`),
				readonly: strings.Contains(m[2], ` readonly="true"`),
				dynamic:  strings.Contains(m[2], ` not_filterable="true"`),
			}
			if open != nil {
				f.link, f.at = links[open.name][f.name], len(open.fields)
				open.fields = append(open.fields, f)
				continue
			}
			f.link = links[resource][f.name]
			f.kind = kindOf(f.name, m[2])
			f.nullable = f.kind != text && !strings.HasPrefix(f.name, "id_") || f.name == "company"
			s.add(f)
		}
	}
	if s.node == "" {
		return nil, fmt.Errorf("schema of %s: no node found", resource)
	}
	for _, name := range dated[resource] {
		s.add(field{name: name, kind: date, readonly: true, nullable: true})
	}
	if resource == "products" {
		s.add(field{name: "net", kind: number, hidden: true})
	}
	return s, nil
}

// add appends a field and gives it its place in the rows.
func (s *spec) add(f field) {
	if f.i18n {
		f.at, s.texts = s.texts, s.texts+1
	} else {
		f.at, s.values = s.values, s.values+1
	}
	s.places[f.name] = len(s.fields)
	s.fields = append(s.fields, f)
}

func (s *spec) field(name string) (field, bool) {
	i, ok := s.places[name]
	if !ok {
		return field{}, false
	}
	return s.fields[i], true
}

func (s *spec) association(name string) (association, bool) {
	i := slices.IndexFunc(s.assocs, func(a association) bool { return a.name == name })
	if i < 0 {
		return association{}, false
	}
	return s.assocs[i], true
}

// kindOf guesses the type of a column; no schema tells it.
func kindOf(name, attributes string) kind {
	if slices.Contains(dateNames, name) {
		return date
	}
	if strings.HasPrefix(name, "id_") || slices.Contains(numberNames, name) {
		return number
	}
	if m := format.FindStringSubmatch(attributes); m != nil && slices.Contains(numberFormats, m[1]) {
		return number
	}
	return text
}

var (
	openTag  = regexp.MustCompile(`<(\w+)( [^>]*)>`)
	language = regexp.MustCompile(`<language id="(\d+)"[^>]*></language>`)
	node     = regexp.MustCompile(`^<\w+>\n$`)
)

// blank is the schema to fill in before a POST: the synopsis without its attributes, with the id, without what can
// never be set (capture 033).
func (s *spec) blank() string {
	var b strings.Builder
	named := false
	for line := range strings.Lines(s.synopsis) {
		m := fieldLine.FindStringSubmatch(line)
		switch {
		case strings.HasPrefix(line, "<?"), strings.HasPrefix(line, "<prestashop"):
			b.WriteString(line)
			continue
		case m != nil && (m[1] == "position_in_category" || m[1] == "manufacturer_name"):
			continue
		}
		line = openTag.ReplaceAllStringFunc(line, func(tag string) string {
			m := openTag.FindStringSubmatch(tag)
			if m[1] == "language" { // keeps its id
				id, _, _ := strings.Cut(m[2], " xlink")
				return "<language" + id + ">"
			}
			return "<" + m[1] + ">"
		})
		b.WriteString(line)
		if !named && node.MatchString(line) {
			named = true
			b.WriteString("\t<id></id>\n")
		}
	}
	return b.String()
}
