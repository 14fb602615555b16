package psapi

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cartiger/problem"
)

// Bounds of one request.
const (
	maxLimit  = 1000 // rows of one page
	maxIDs    = 250  // ids of one list in a URL
	maxParams = 6000 // bytes of the query string; Apache refuses request lines over 8,190
)

// params are the parameters of one request, in the order they are sent.
type params []param

type param struct{ name, value string }

// encode writes everything percent-encoded: a raw space in the request line is a 400 from the server (capture 082).
func (p params) encode() string {
	parts := make([]string, len(p))
	for i, q := range p {
		parts[i] = escape(q.name) + "=" + escape(q.value)
	}
	return strings.Join(parts, "&")
}

func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// dated is the date column that a query filters or sorts by, "" when it uses none.
func (q Query) dated(s shape) string {
	switch {
	case q.Since == "" && !q.ByDate:
		return ""
	case q.DateAdds, s.dates == "date_add":
		return "date_add"
	}
	return s.dates
}

// check refuses what the web service would refuse, ignore or answer with an empty list. A wrong filter is worse
// than an error: the shop loads every row before it answers 400 (wire/prestashop.md 1).
func (q Query) check(s shape) error {
	switch {
	case q.Limit < 0 || q.Limit > maxLimit:
		return s.invalid("limit", "a page has 1 to %d rows, not %d", maxLimit, q.Limit)
	case q.Offset < 0 || q.After < 0:
		return s.invalid("limit", "an offset or id below 0 makes the shop answer an empty list")
	case len(q.IDs) > 0 && (q.After != 0 || q.Offset != 0 || q.Since != "" || q.ByDate):
		return s.invalid("id", "ids are asked for alone: only one filter per field holds")
	case q.DateAdds && s.dates == "", (q.Since != "" || q.ByDate) && s.dates == "":
		return s.invalid("date_upd", "the table has no such column; the shop would answer an empty list, which proves nothing")
	}
	if slices.ContainsFunc(q.IDs, func(id int64) bool { return id <= 0 }) {
		return s.invalid("id", "ids are above 0")
	}
	if q.Since != "" {
		if _, err := time.Parse(StampLayout, string(q.Since)); err != nil {
			return s.invalid(q.dated(s), "%q is not a date and time like %s", q.Since, StampLayout)
		}
	}
	for _, field := range q.Fields {
		if !s.has(field) {
			return s.invalid(field, "the field is none of those that Cartiger reads")
		}
	}
	used := map[string]bool{"id": q.After > 0 || len(q.IDs) > 0}
	if q.Since != "" {
		used[q.dated(s)] = true
	}
	for _, f := range q.Where {
		if used[f.Field] {
			return s.invalid(f.Field, "two filters on one field: the shop keeps only the last")
		}
		used[f.Field] = true
		if err := f.check(s); err != nil {
			return err
		}
	}
	return nil
}

func (f Filter) check(s shape) error {
	// Computed fields cannot be filtered (wire/prestashop.md 3: 400 code 34).
	if !s.has(f.Field) || slices.Contains([]string{"current_state", "manufacturer_name", "net", "gross"}, f.Field) {
		return s.invalid(f.Field, "the shop cannot filter by this field")
	}
	switch f.Op {
	case OneOf:
		if len(f.Values) == 0 {
			return s.invalid(f.Field, "a one-of filter needs a value")
		}
	case Equal, Greater, Less:
		if len(f.Values) != 1 {
			return s.invalid(f.Field, "the filter %q needs exactly one value, not %d", f.Op, len(f.Values))
		}
	default:
		return s.invalid(f.Field, "the filter %q does not work on every shop; use =, |, > or <", f.Op)
	}
	for _, value := range f.Values {
		if value == "" || strings.ContainsAny(value, "[]|\n\t") || strings.ContainsAny(value[:1], "%<>!") || strings.HasSuffix(value, "%") || printable(value) != value {
			return s.invalid(f.Field, "the value %q cannot be written as a filter: it is empty, holds [ ] | or a control character, begins with %% < > ! or ends with %%", excerpt(value))
		}
	}
	return nil
}

// expression is the filter in the web service's words. Only forms that every PCRE understands: a bracketed single
// value and [a,b] are a 500 or a wrong answer on newer ones (captures 086, 118), so one value is listed twice.
func (f Filter) expression() string {
	switch f.Op {
	case Greater, Less:
		return string(f.Op) + "[" + f.Values[0] + "]"
	case OneOf:
		values := f.Values
		if len(values) == 1 {
			values = []string{values[0], values[0]}
		}
		return "[" + strings.Join(values, "|") + "]"
	}
	return f.Values[0]
}

// list builds the parameters of one list request. It is never sent without sort (the order would be that of the
// storage) nor without limit.
func (q Query) list(s shape, display []string, size int, language int64) params {
	column := q.dated(s)
	var p params
	if len(display) > 0 {
		p = append(p, param{"display", "[" + strings.Join(display, ",") + "]"})
	}
	filters := slices.Clone(q.Where)
	if q.After > 0 {
		filters = append(filters, Filter{"id", Greater, []string{strconv.FormatInt(q.After, 10)}})
	}
	if len(q.IDs) > 0 {
		filters = append(filters, Filter{"id", OneOf, texts(q.IDs)})
	}
	if q.Since != "" {
		filters = append(filters, Filter{column, Greater, []string{string(q.Since)}})
	}
	dates := isDate(column) || slices.ContainsFunc(display, isDate)
	for _, f := range filters {
		p = append(p, param{"filter[" + f.Field + "]", f.expression()})
		dates = dates || isDate(f.Field)
	}
	if dates {
		p = append(p, param{"date", "1"})
	}
	sort := "[id_ASC]"
	if q.ByDate {
		sort = "[" + column + "_ASC,id_ASC]"
	}
	limit := strconv.Itoa(size)
	if q.Offset > 0 {
		limit = strconv.Itoa(q.Offset) + "," + limit
	}
	p = append(p, param{"sort", sort}, param{"limit", limit})
	for _, price := range virtualPrices {
		if slices.Contains(display, price.field) {
			// The stored price is nowhere; this computes it, without reductions (wire/prestashop.md 4).
			name := "price[" + price.field + "]"
			p = append(p, param{name + "[use_tax]", price.useTax}, param{name + "[use_reduction]", "0"}, param{name + "[decimals]", "6"})
		}
	}
	if s.translated && language > 0 {
		p = append(p, param{"language", strconv.FormatInt(language, 10)})
	}
	return p
}

// virtualPrices are the prices that 1.4 computes on request: the list price without tax, and with the tax of the shop's
// default country, which gives the product's rate.
var virtualPrices = []struct{ field, useTax string }{{"net", "0"}, {"gross", "1"}}

func virtual(field string) bool {
	return slices.ContainsFunc(virtualPrices, func(p struct{ field, useTax string }) bool { return p.field == field })
}

func isDate(field string) bool { return field == "date_add" || field == "date_upd" }

func texts(ids []int64) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = strconv.FormatInt(id, 10)
	}
	return out
}

// unasked says what in an answer was not asked for, "" when all was. A filter that the shop drops silently
// would otherwise look like a good answer.
func (q Query) unasked(s shape, rows []row, size int) string {
	if len(rows) > size {
		return fmt.Sprintf("%d rows, asked for at most %d", len(rows), size)
	}
	seen := make(map[int64]bool, len(rows))
	column := q.dated(s)
	last := q.After
	for _, r := range rows {
		switch {
		case seen[r.id]:
			return fmt.Sprintf("id %d twice", r.id)
		case r.id <= q.After:
			return fmt.Sprintf("id %d, asked for ids above %d", r.id, q.After)
		case !q.ByDate && r.id < last:
			return fmt.Sprintf("id %d behind %d, asked for ascending ids", r.id, last)
		case len(q.IDs) > 0 && !slices.Contains(q.IDs, r.id):
			return fmt.Sprintf("id %d, which was not asked for", r.id)
		}
		seen[r.id], last = true, r.id
		if day, shown := r.fields[column]; shown && q.Since != "" && day <= string(q.Since) {
			return fmt.Sprintf("id %d of %s, asked for later than %s", r.id, excerpt(day), q.Since)
		}
		for _, f := range q.Where {
			if value, shown := r.fields[f.Field]; shown && !f.admits(value) {
				return fmt.Sprintf("id %d with %s %q", r.id, f.Field, excerpt(value))
			}
		}
	}
	return ""
}

// admits says whether a value may be in the answer. Texts are not judged: the shop's collation decides them.
func (f Filter) admits(value string) bool {
	if isDate(f.Field) {
		switch f.Op {
		case Greater:
			return value > f.Values[0]
		case Less:
			return value < f.Values[0]
		}
		return slices.Contains(f.Values, value)
	}
	if value == "" {
		value = "0"
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return true
	}
	matches := false
	for _, wanted := range f.Values {
		m, err := strconv.ParseInt(wanted, 10, 64)
		if err != nil {
			return true
		}
		switch f.Op {
		case Greater:
			return n > m
		case Less:
			return n < m
		}
		matches = matches || n == m
	}
	return matches
}

// ParseURL reads the address of a shop as people type it: with or without the last slash, with or without api/,
// in a sub-folder or not. The second result says that it names webservice/dispatcher.php, the way in without
// mod_rewrite (wire/prestashop.md 7).
func ParseURL(text string) (*url.URL, bool, error) {
	refuse := func(rule, cure string) (*url.URL, bool, error) {
		return nil, false, &problem.Error{Kind: problem.Invalid, Where: where, Code: CodeURL, Field: "shop URL", Message: "the shop URL " + rule, Cure: cure}
	}
	const example = "Type the address of the shop's first page, for example https://shop.example.com/ or https://example.com/shop/."
	text = strings.TrimSpace(text)
	if text == "" {
		return refuse("is empty", example)
	}
	if len(text) > 1000 || printable(text) != text || strings.ContainsAny(text, " \t\n\\\"<>") {
		return refuse("holds characters that no URL has", example)
	}
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		host := text
		for _, half := range []string{"https:/", "http:/", "https//", "http//"} {
			if strings.HasPrefix(strings.ToLower(text), half) {
				host = text[len(half):]
				break
			}
		}
		return refuse("does not begin with https:// or http://", "Type https://"+strings.TrimLeft(host, "/")+" instead, or http:// where the shop has no certificate.")
	}
	scheme = strings.ToLower(scheme)
	if scheme != "http" && scheme != "https" {
		return refuse(fmt.Sprintf("begins with %s://", excerpt(scheme)), "Only https:// and http:// lead to a shop. "+example)
	}
	u, err := url.Parse(scheme + "://" + rest)
	if err != nil {
		return refuse("cannot be read", example)
	}
	if u.User != nil {
		return refuse("holds a user name or key in front of @", "Leave out everything up to the @; the key has a field of its own.")
	}
	host := u.Hostname()
	if host == "" || strings.Contains(host, "..") || strings.HasPrefix(host, ".") || strings.HasSuffix(u.Host, ":") {
		return refuse("names no host", example)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return refuse("has the port "+port, "A port is a number from 1 to 65535; leave it out for the usual one.")
		}
	}
	if u.Query().Has("ws_key") {
		return refuse("holds the key", "Leave out everything from the question mark on; the key has a field of its own.")
	}
	path := u.Path
	if !strings.HasSuffix(path, "/") {
		path += "/"
	}
	path = strings.TrimSuffix(path, "index.php/")
	dispatcher := false
	if before, _, ok := strings.Cut(path, "/webservice/dispatcher.php"); ok {
		path, dispatcher = before+"/", true
	} else {
		path = strings.TrimSuffix(path, "api/")
		if !strings.HasSuffix(path, "/") { // a folder whose name ends in api
			path += "api/"
		}
	}
	if u.RawQuery != "" && !dispatcher || u.Fragment != "" {
		return refuse("holds a ? or #", "Leave out everything from there on. "+example)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: path}, dispatcher, nil
}
