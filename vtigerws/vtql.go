package vtigerws

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cartiger/problem"
)

const (
	pageRows  = 100  // rows that vtiger answers at most, whatever limit says
	maxValues = 100  // values in one IN list
	choices   = 20   // records that a person is offered to choose from
	maxURL    = 7500 // bytes of an encoded request line; Apache's default limit is 8190
)

var (
	fieldName  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	moduleName = fieldName
	recordID   = regexp.MustCompile(`^[0-9]+x[0-9]+$`)
)

// selection is one VTQL query: columns of a module's records after an id whose field has one of the values.
type selection struct {
	module  string
	columns []string // "count(*)" counts; "*" is for Currency, whose few rows need no order
	after   string   // "" = from the first
	field   string   // "" = all
	values  []string
	part    string // instead of values: text that the field contains, "" = not asked
}

// text renders the query. The IN list stands last, because 5.1.0 takes nothing behind it, and id is compared with >,
// because 5.1.0 has no >= (wire/vtiger.md 1, VTQL).
func (s selection) text() (string, error) {
	if !moduleName.MatchString(s.module) {
		return "", unquerable("the module name " + plain(s.module, 60) + " cannot stand in a query")
	}
	for _, column := range s.columns {
		if !fieldName.MatchString(column) && column != "*" && column != "count(*)" {
			return "", unquerable("the field name " + plain(column, 60) + " cannot stand in a query")
		}
	}
	var b strings.Builder
	b.WriteString("select " + strings.Join(s.columns, ",") + " from " + s.module)
	joint := " where "
	if s.after != "" {
		if !recordID.MatchString(s.after) {
			return "", unquerable("the id " + plain(s.after, 60) + " is not of the form 4x12")
		}
		b.WriteString(joint + "id > '" + s.after + "'")
		joint = " and "
	}
	if s.field != "" {
		if !fieldName.MatchString(s.field) {
			return "", unquerable("the field name " + plain(s.field, 60) + " cannot stand in a query")
		}
		if s.part != "" {
			quoted, err := quote("%" + s.part + "%")
			if err != nil {
				return "", err
			}
			return b.String() + joint + s.field + " like " + quoted + " order by id limit " + strconv.Itoa(choices) + ";", nil
		}
		b.WriteString(joint + s.field + " in (")
		for i, value := range s.values {
			quoted, err := quote(value)
			if err != nil {
				return "", err
			}
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quoted)
		}
		b.WriteByte(')')
	}
	if !slices.Contains(s.columns, "count(*)") && !slices.Contains(s.columns, "*") {
		b.WriteString(" order by id limit 100")
	}
	b.WriteByte(';')
	return b.String(), nil
}

// quote makes a VTQL string of a value: ' and \ are doubled, nothing else needs escaping (wire/vtiger.md 1, VTQL).
func quote(value string) (string, error) {
	switch {
	case value == "":
		return "", worthless("", "an empty value cannot be searched for", "Leave the record without a value out of the search.")
	case strings.ContainsRune(value, 0):
		return "", worthless("", "a value with a NUL character cannot be searched for", "Remove the NUL character.")
	case !utf8.ValidString(value):
		return "", worthless("", "a value that is not UTF-8 cannot be searched for", "Correct the value's encoding.")
	}
	return "'" + doubled.Replace(value) + "'", nil
}

var doubled = strings.NewReplacer(`'`, `''`, `\`, `\\`)

// split cuts a selection's values into lists that keep the encoded URL short and each list within maxValues.
// prefix is how many bytes of the request line stand before the query.
func (s selection) split(prefix int) ([][]string, error) {
	bare := s
	bare.after, bare.values = "999x9999999999", nil
	skeleton, err := bare.text()
	if err != nil {
		return nil, err
	}
	room := maxURL - prefix - len(url.QueryEscape(skeleton))
	var lists [][]string
	var list []string
	used := 0
	for _, value := range s.values {
		quoted, err := quote(value)
		if err != nil {
			return nil, err
		}
		need := len(url.QueryEscape(quoted + ","))
		if need > room {
			return nil, worthless(s.field, "a value is too long to be searched for: "+plain(value, 40), "Shorten the value; the CRM's own fields are far shorter.")
		}
		if used+need > room || len(list) == maxValues {
			lists = append(lists, list)
			list, used = nil, 0
		}
		list = append(list, value)
		used += need
	}
	if len(list) > 0 {
		lists = append(lists, list)
	}
	return lists, nil
}

func unquerable(message string) error {
	return &problem.Error{Kind: problem.Internal, Where: where, Code: codeValue, Message: message}
}

func worthless(field, message, cure string) error {
	return &problem.Error{Kind: problem.Invalid, Where: where, Code: codeValue, Field: field, Message: message, Cure: cure}
}
