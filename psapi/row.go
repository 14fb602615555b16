package psapi

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"golang.org/x/net/html"
)

// row is one object of a list, its fields still as text.
type row struct {
	id     int64
	fields map[string]string
	fault  string // why the object cannot be trusted, "" when it can
}

// rowsOf reads the objects of a list. An empty list always has its root element (wire/prestashop.md 2), so a
// document without it is no empty list. The names of the items are not checked: those of tax_rule_groups are
// called tax_rules_group.
func rowsOf(root *node, resource string, language int64) ([]row, error) {
	list := root.child(resource)
	if list == nil {
		return nil, fmt.Errorf("the answer holds no <%s> element", resource)
	}
	rows := make([]row, 0, len(list.kids))
	for _, object := range list.kids {
		r := row{fields: make(map[string]string, len(object.kids))}
		for _, field := range object.kids {
			if field.name == "associations" {
				continue
			}
			if _, twice := r.fields[field.name]; twice {
				r.fault = fmt.Sprintf("field %s is printed twice", field.name)
			}
			value := field
			if tongue := inLanguage(field, language); tongue != nil {
				value = tongue
			}
			if value.over {
				r.fault = fmt.Sprintf("field %s is longer than %d kB", field.name, maxText>>10)
			}
			r.fields[field.name] = printable(value.text)
		}
		id := object.attr["id"]
		if shown, ok := r.fields["id"]; ok {
			id = shown
		}
		var err error
		if r.id, err = strconv.ParseInt(id, 10, 64); err != nil || r.id <= 0 {
			return nil, fmt.Errorf("an object of %s has the id %q", resource, excerpt(id))
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// inLanguage picks the value of a translated field: the wanted language, else the first that has a text.
func inLanguage(field *node, language int64) *node {
	var first *node
	wanted := strconv.FormatInt(language, 10)
	for _, kid := range field.kids {
		if kid.name != "language" {
			continue
		}
		if kid.attr["id"] == wanted && kid.text != "" {
			return kid
		}
		if first == nil || first.text == "" {
			first = kid
		}
	}
	return first
}

// reader turns the fields of a row into typed values and keeps the first fault.
type reader struct {
	row
}

func (r *reader) wrong(field, rule string) {
	if r.fault == "" {
		r.fault = fmt.Sprintf("field %s is %q, which is no %s", field, excerpt(r.fields[field]), rule)
	}
}

func (r *reader) text(field string) string { return strings.TrimSpace(r.fields[field]) }

// number reads an integer; ids that are 0 are printed empty (wire/prestashop.md 2).
func (r *reader) number(field string) int64 {
	text := r.text(field)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.wrong(field, "whole number")
	}
	return n
}

func (r *reader) flag(field string) bool { return r.number(field) != 0 }

// An amount is at most 20 digits on either side: an exponent like 1e999999999 would be accepted by the decimal
// package and eat the memory of the first addition.
var amountForm = regexp.MustCompile(`^[+-]?\d{0,20}([.,]\d{0,20})?([eE][+-]?\d{1,2})?$`)

// amount reads a decimal. PHP prints floats with the comma of its locale and small ones with an exponent.
func (r *reader) amount(field string) decimal.Decimal {
	text := r.text(field)
	if text == "" {
		return decimal.Zero
	}
	d, err := decimal.NewFromString(strings.Replace(text, ",", ".", 1))
	if err != nil || !amountForm.MatchString(text) {
		r.wrong(field, "number")
		return decimal.Zero
	}
	return d
}

// stamp reads a moment; the zero dates of MySQL are none.
func (r *reader) stamp(field string) Stamp {
	text, _, _ := strings.Cut(r.text(field), ".")
	if zeroDate(text) {
		return ""
	}
	if len(text) == len(time.DateOnly) {
		text += " 00:00:00"
	}
	if _, err := time.Parse(StampLayout, text); err != nil {
		r.wrong(field, "date and time")
		return ""
	}
	return Stamp(text)
}

// date reads a day. A day that no calendar has says no more than an empty one.
func (r *reader) date(field string) string {
	text := r.text(field)
	if _, err := time.Parse(time.DateOnly, text); zeroDate(text) || err != nil {
		return ""
	}
	return text
}

// zeroDate says that a date is empty or has no year, month or day.
func zeroDate(text string) bool {
	day, _, _ := strings.Cut(text, " ")
	return text == "" || slices.ContainsFunc(strings.Split(day, "-"), func(part string) bool {
		return strings.Trim(part, "0") == ""
	})
}

// plainText removes markup from what a shop owner wrote as HTML: tags go, entities become characters, the end of
// a block becomes a line break.
func plainText(markup string) string {
	if !strings.ContainsAny(markup, "<&") {
		return strings.TrimSpace(markup)
	}
	var out strings.Builder
	tokens := html.NewTokenizer(strings.NewReader(markup))
	hidden := "" // inside this element nothing is text
	for {
		kind := tokens.Next()
		if kind == html.ErrorToken {
			break
		}
		token := tokens.Token()
		switch kind {
		case html.TextToken:
			if hidden == "" {
				out.WriteString(token.Data)
			}
		case html.StartTagToken:
			if token.Data == "script" || token.Data == "style" {
				hidden = token.Data
			}
			if token.Data == "br" {
				out.WriteByte('\n')
			}
		case html.SelfClosingTagToken:
			if token.Data == "br" {
				out.WriteByte('\n')
			}
		case html.EndTagToken:
			switch token.Data {
			case hidden:
				hidden = ""
			case "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6":
				out.WriteByte('\n')
			}
		}
	}
	// An entity can name a control character, so the text is made harmless once more.
	lines := strings.Split(printable(strings.ReplaceAll(out.String(), "\u00a0", " ")), "\n")
	kept := lines[:0]
	for _, line := range lines {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}
