package psapitest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// refusal is one error of the shop's <errors> list.
type refusal struct {
	status  int
	code    int
	message string
}

// selection is what a list request asks for, once it was understood.
type selection struct {
	schema    string // "blank" or "synopsis"
	match     []func(*row) bool
	compare   []func(a, b *row) int
	limited   bool
	offset    int
	count     int
	broken    bool                // the SQL does not run; the shop swallows that and lists nothing (MySQL.php:148)
	warnings  int                 // times the range pattern did not compile (wire/prestashop.md 3)
	indexed   func(a, b *row) int // the database found the rows by this index and left them so (captures 098, 104)
	display   display
	languages []int64
}

// display says which fields are printed.
type display struct {
	minimum bool
	full    bool
	fields  map[string]bool
	inside  map[string][]string // association: its fields
}

func (d display) shows(name string) bool { return d.full || d.fields[name] }

// selectRows understands the query of a list in the order in which the shop does: schema, filters, display, sort,
// limit. The first thing wrong decides the error. (The shop then still loads every row; that is not imitated.)
func (s *spec) selectRows(q query, languages []int64) (selection, *refusal) {
	sel := selection{languages: languages, display: display{minimum: true}}
	with := q.plain["date"] != "" && q.plain["date"] != "0"
	filters, translated := s.filterable(with)
	if schema, asked := q.plain["schema"]; asked {
		if schema != "blank" && schema != "synopsis" {
			return sel, &refusal{400, 28, "Please select a schema of type 'synopsis' to get the whole schema informations (which fields are required, which kind of content...) or 'blank' to get an empty schema to fill before using POST request"}
		}
		sel.schema = schema
		return sel, nil
	}
	joins := 0
	for _, p := range q.filter {
		if p.key == "sort" || p.key == "limit" {
			continue
		}
		if r := s.filterBy(&sel, p, filters, translated, &joins); r != nil {
			return sel, r
		}
	}
	sel.broken = sel.broken || joins > 1 // the same table alias twice
	if shown, asked := q.plain["display"]; asked {
		d, r := s.parseDisplay(shown, s.displayable(with), q.price)
		if r != nil {
			return sel, r
		}
		sel.display = d
	}
	if r := s.sortBy(&sel, q, filters, translated); r != nil {
		return sel, r
	}
	return sel, limitBy(&sel, q)
}

// filterable lists the fields that filters and sorts accept: plain ones and translated ones.
func (s *spec) filterable(dates bool) (plain, translated []string) {
	for _, f := range s.fields {
		switch {
		case f.hidden, f.name == "date_add", f.name == "date_upd":
		case f.i18n:
			translated = append(translated, f.name)
		default:
			plain = append(plain, f.name)
		}
	}
	if dates { // on every resource, whether its table has the columns or not
		plain = append(plain, "date_add", "date_upd")
	}
	return plain, translated
}

// displayable lists the fields that display=[…] accepts, in the order in which errors name them. The dates are among
// them only with date=1, though display=full prints them always.
func (s *spec) displayable(dates bool) []string {
	var names []string
	for _, f := range s.fields {
		if !f.hidden && f.name != "date_add" && f.name != "date_upd" {
			names = append(names, f.name)
		}
	}
	if dates {
		names = append(names, "date_add", "date_upd")
	}
	return names
}

// filterBy adds one filter[NAME]=VALUE. joins counts the filters on translated fields: each joins the table of
// translations under one and the same alias.
func (s *spec) filterBy(sel *selection, p parameter, filters, translated []string, joins *int) *refusal {
	switch {
	case slices.Contains(filters, p.key):
		if p.sub != nil { // PHP writes "Array" into the SQL
			sel.broken = true
			return nil
		}
		if p.value == "" {
			return &refusal{400, 33, fmt.Sprintf("The filter %q is malformed.", p.key)}
		}
		f, ok := s.field(p.key)
		if ok && f.dynamic {
			return &refusal{400, 34, fmt.Sprintf("The field %q is dynamic. It is not possible to filter GET query with this field.", p.key)}
		}
		if !ok { // date_add or date_upd of a table without it
			sel.broken = true
			return nil
		}
		test := sel.condition(p.value, s.stored(f).kind)
		if test == nil {
			return nil
		}
		if s.resource == "configurations" && p.key == "name" {
			sel.indexed = s.order(f, false)
		}
		at, zero, null := s.stored(f).at, strings.HasPrefix(f.name, "id_"), f.nullable
		sel.match = append(sel.match, func(r *row) bool {
			v := r.values[at]
			if v == "" {
				if null {
					return false
				}
				if zero {
					v = "0"
				}
			}
			return test(v)
		})
	case p.value != "" && slices.Contains(translated, p.key), p.sub != nil && slices.Contains(translated, p.key):
		values := []string{p.value}
		if p.sub != nil {
			values = values[:0]
			for _, k := range p.order {
				values = append(values, p.sub[k])
			}
		}
		f, _ := s.field(p.key)
		*joins++
		if s.resource == "products" && p.key == "name" {
			sel.indexed = s.order(f, false)
		}
		for _, v := range values {
			test := sel.condition(v, f.kind)
			if len(sel.languages) == 1 { // "[1]" goes through the range pattern, "[1|2]" does not
				sel.warnings++
			}
			if test == nil {
				continue
			}
			sel.match = append(sel.match, func(r *row) bool {
				return slices.ContainsFunc(r.texts[f.at], func(t translation) bool {
					return !t.null && slices.Contains(sel.languages, t.language) && test(t.value)
				})
			})
		}
	case p.sub != nil:
		return &refusal{400, 31, "There is no existing linked table for this resource"}
	default:
		return &refusal{400, 32, didYouMean("This filter does not exist", p.key, filters)}
	}
	return nil
}

// stored is the column behind a field: filters and sorts see the stored price, not the printed one.
func (s *spec) stored(f field) field {
	if s.resource == "products" && f.name == "price" {
		f, _ = s.field("net")
	}
	return f
}

var bracketed = regexp.MustCompile(`^(.*)\[(.*)\](.*)$`)

// condition reads one filter value; nil matches everything.
func (sel *selection) condition(value string, k kind) func(string) bool {
	m := bracketed.FindStringSubmatch(value)
	if m == nil {
		if looksNumeric(value) {
			return like(strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(value))
		}
		compare := k.comparer(value)
		return func(v string) bool { return compare(v) == 0 }
	}
	before, inside, after := m[1], m[2], m[3]
	switch {
	case before == "%" || after == "%":
		return like(before + inside + after)
	case before == "" && after == "":
		if strings.Index(inside, "|") > 0 {
			var tests []func(string) int
			for one := range strings.SplitSeq(inside, "|") {
				tests = append(tests, k.comparer(one))
			}
			if k == number {
				return oneOf(inside)
			}
			return func(v string) bool {
				return slices.ContainsFunc(tests, func(t func(string) int) bool { return t(v) == 0 })
			}
		}
		// The range pattern of the shop does not compile: it warns, and what should be a range is an equality.
		sel.warnings++
		compare := k.comparer(inside)
		return func(v string) bool { return compare(v) == 0 }
	case before == ">" && after == "":
		compare := k.comparer(inside)
		return func(v string) bool { return compare(v) > 0 }
	case before == "<" && after == "":
		compare := k.comparer(inside)
		return func(v string) bool { return compare(v) < 0 }
	case before == "!" && after == "":
		compare := k.comparer(inside)
		return func(v string) bool { return compare(v) != 0 }
	}
	return nil // ">=" and the like: silently dropped (capture 092)
}

// oneOf tests numbers against a long list in one look.
func oneOf(list string) func(string) bool {
	whole := map[int64]bool{}
	var exact []amount
	for one := range strings.SplitSeq(list, "|") {
		a := amountOf(one)
		if a.exact == nil {
			whole[a.whole] = true
		}
		exact = append(exact, a)
	}
	return func(v string) bool {
		a := amountOf(v)
		if a.exact == nil && whole[a.whole] {
			return true
		}
		return len(whole) < len(exact) && slices.ContainsFunc(exact, func(b amount) bool { return a.compare(b) == 0 })
	}
}

// looksNumeric is PrestaShop's isFloat: such a literal is compared with LIKE, as text.
func looksNumeric(s string) bool {
	m := numeric.FindString(s)
	return m != "" && m == s
}

var list = regexp.MustCompile(`^\[(.*?)\]$`)

// parseDisplay understands full, minimum and [field,association[field,field]].
func (s *spec) parseDisplay(shown string, available []string, price []parameter) (display, *refusal) {
	switch shown {
	case "full":
		return display{full: true}, nil
	case "minimum":
		return display{minimum: true}, nil
	}
	m := list.FindStringSubmatch(shown)
	if m == nil {
		return display{}, &refusal{400, 36, "The 'display' syntax is wrong. You can set 'full' or '[field_1,field_2,field_3,...]'. These are available: " + strings.Join(available, ", ")}
	}
	d := display{fields: map[string]bool{}, inside: map[string][]string{}}
	for _, part := range splitOutside(m[1]) {
		name, sub, nested := strings.Cut(part, "[")
		name = strings.TrimSpace(name)
		unable := func(details string) *refusal {
			return &refusal{400, 35, fmt.Sprintf("Unable to display this field %s. However, these are available: %s", `"`+name+details+`"`, strings.Join(available, ", "))}
		}
		if !nested {
			virtual := slices.ContainsFunc(price, func(p parameter) bool { return p.key == name })
			if !slices.Contains(available, name) && !virtual {
				return display{}, unable("")
			}
			d.fields[name] = true
			continue
		}
		wanted := strings.Split(strings.TrimSuffix(sub, "]"), ",")
		a, ok := s.association(name)
		for _, w := range wanted {
			ok = ok && (w == "id" || slices.ContainsFunc(a.fields, func(f field) bool { return f.name == w }))
		}
		if !ok {
			var details strings.Builder
			details.WriteString(" (details : array (\n")
			for i, w := range wanted {
				fmt.Fprintf(&details, "  %d => '%s',\n", i, w)
			}
			details.WriteString("))")
			return display{}, unable(details.String())
		}
		d.inside[name] = append(d.inside[name], wanted...)
	}
	return d, nil
}

// splitOutside cuts at the commas that stand outside of brackets.
func splitOutside(s string) []string {
	var parts []string
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '[':
			depth++
		case ']':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, s[from:i])
				from = i + 1
			}
		}
	}
	if from < len(s) {
		parts = append(parts, s[from:])
	}
	return parts
}

// sortBy reads sort=FIELD_ASC or sort=[FIELD_ASC,FIELD_DESC].
func (s *spec) sortBy(sel *selection, q query, filters, translated []string) *refusal {
	asked, ok := q.plain["sort"]
	if !ok {
		return nil
	}
	keys := []string{asked}
	if m := list.FindStringSubmatch(asked); m != nil {
		keys = strings.Split(m[1], ",")
	}
	for _, key := range keys {
		cut := strings.LastIndexByte(key, '_')
		direction := ""
		if cut >= 0 {
			direction = strings.ToUpper(key[cut+1:])
		}
		if direction != "ASC" && direction != "DESC" {
			return &refusal{400, 37, `The "sort" value has to be formed as this example: "field_ASC" or '[field_1_DESC,field_2_ASC,field_3_ASC,...]' ("field" has to be an available field)`}
		}
		name := key[:cut]
		if !slices.Contains(filters, name) && !slices.Contains(translated, name) {
			return &refusal{400, 38, "Unable to filter by this field. However, these are available: " + strings.Join(filters, ", ") + ", for i18n fields:" + strings.Join(translated, ", ")}
		}
		f, ok := s.field(name)
		if !ok || f.dynamic { // no such column
			sel.broken = true
			continue
		}
		sel.compare = append(sel.compare, s.order(f, direction == "DESC"))
	}
	return nil
}

// order compares two rows by a field; translated ones by their first language.
func (s *spec) order(f field, descending bool) func(a, b *row) int {
	f = s.stored(f)
	if f.name == "id" {
		return func(a, b *row) int {
			if descending {
				a, b = b, a
			}
			return cmp.Compare(a.id, b.id)
		}
	}
	value := func(r *row) string { return r.values[f.at] }
	if f.i18n {
		value = func(r *row) string {
			if len(r.texts[f.at]) == 0 {
				return ""
			}
			return r.texts[f.at][0].value
		}
	}
	return func(a, b *row) int {
		var c int
		switch f.kind {
		case number:
			c = amountOf(value(a)).compare(amountOf(value(b)))
		case date:
			c = strings.Compare(value(a), value(b))
		default:
			c = strings.Compare(padded(value(a)), padded(value(b)))
		}
		if descending {
			return -c
		}
		return c
	}
}

// limitBy reads limit=COUNT or limit=OFFSET,COUNT. What is no number is 0: an empty list, not an error.
func limitBy(sel *selection, q query) *refusal {
	asked, ok := q.plain["limit"]
	if !ok {
		return nil
	}
	parts := strings.Split(asked, ",")
	if len(parts) > 2 {
		return &refusal{400, 39, `The "limit" value has to be formed as this example: "5,25" or "10"`}
	}
	sel.limited = true
	sel.count = castInt(parts[0])
	if len(parts) == 2 {
		sel.offset, sel.count = sel.count, castInt(parts[1])
	}
	if sel.offset < 0 || sel.count < 0 { // LIMIT -1 is no SQL
		sel.broken = true
	}
	return nil
}

var leadingInt = regexp.MustCompile(`^\s*[-+]?\d{1,18}`)

// castInt is PHP's (int) of a string.
func castInt(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(leadingInt.FindString(s)))
	if err != nil {
		return 0
	}
	return n
}

// run applies a selection to a table.
func (sel *selection) run(t *table) []*row {
	if sel.broken {
		return nil
	}
	enough := -1 // rows after which the scan may stop
	if sel.limited && len(sel.compare) == 0 && sel.indexed == nil {
		enough = sel.offset + sel.count
	}
	var found []*row
	for _, r := range t.rows {
		if len(found) == enough {
			break
		}
		if !slices.ContainsFunc(sel.match, func(test func(*row) bool) bool { return !test(r) }) {
			found = append(found, r)
		}
	}
	if sel.indexed != nil {
		slices.SortStableFunc(found, sel.indexed)
	}
	if len(sel.compare) > 0 {
		slices.SortStableFunc(found, func(a, b *row) int {
			for _, compare := range sel.compare {
				if c := compare(a, b); c != 0 {
					return c
				}
			}
			return 0
		})
	}
	if sel.limited {
		from := min(sel.offset, len(found))
		found = found[from:min(from+sel.count, len(found))]
	}
	return found
}

// didYouMean proposes the nearest word, the last of equally near ones.
func didYouMean(label, value string, words []string) string {
	nearest, shortest := "", -1
	for _, w := range words {
		if d := levenshtein(value, w); d <= shortest || shortest < 0 {
			nearest, shortest = w, d
			if d == 0 {
				break
			}
		}
	}
	message := fmt.Sprintf(`%s. Did you mean: "%s"?`, label, nearest)
	if len(words) > 1 {
		message += ` The full list is: "` + strings.Join(words, `", "`) + `"`
	}
	return message
}

// levenshtein counts bytes, and gives up (-1) on more than 255 of them, as PHP 5 does.
func levenshtein(a, b string) int {
	if len(a) > 255 || len(b) > 255 {
		return -1
	}
	before := make([]int, len(b)+1)
	for j := range before {
		before[j] = j
	}
	for i := range len(a) {
		now := make([]int, len(b)+1)
		now[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			now[j+1] = min(before[j]+cost, before[j+1]+1, now[j]+1)
		}
		before = now
	}
	return before[len(b)]
}
