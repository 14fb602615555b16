package vtigerws

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"cartiger/problem"
)

// sessionRoom is what the session and the other parameters may take of a query's URL.
const sessionRoom = len("GET ?operation=query&sessionName=&query= HTTP/1.1") + 64

// Find returns every record of a module whose field equals one of the values, the oldest (lowest number) first, with
// id, the field and the other fields named. Values are compared as Key does: the CRM also ignores accents, which are
// compared again here. The list is split to keep the URL short, and long answers are paged by id. Deleted records and
// converted Leads are never found. An empty value is problem.Invalid.
func (c *Client) Find(ctx context.Context, module, field string, values []string, fields ...string) ([]Record, error) {
	if _, err := c.ready(ctx); err != nil {
		return nil, err
	}
	wanted := make(map[string]bool, len(values))
	s := selection{module: module, columns: columns(append([]string{field}, fields...)), field: field}
	for _, value := range values {
		key := Key(value)
		if key == "" {
			return nil, worthless(field, "an empty "+plain(field, 60)+" cannot be searched for", "Leave records without "+plain(field, 60)+" out of the search.")
		}
		if !wanted[key] {
			wanted[key] = true
			s.values = append(s.values, strings.TrimSpace(Clean(value)))
		}
	}
	if field == "id" {
		s.columns = columns(fields)
	}
	lists, err := s.split(len(c.path()) + sessionRoom)
	if err != nil {
		return nil, err
	}
	found := map[string]Record{}
	for _, list := range lists {
		s.values = list
		rows, err := c.pages(ctx, s)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if wanted[Key(row[field])] {
				found[row.ID()] = row
			}
		}
	}
	records := make([]Record, 0, len(found))
	for _, record := range found {
		records = append(records, record)
	}
	slices.SortFunc(records, byNumber)
	return records, nil
}

// List pages through a module by id: records after the given id ("" = from the first), oldest first, at most 100 and
// with id and the fields named. Fewer than 100 are the end.
func (c *Client) List(ctx context.Context, module, after string, fields ...string) ([]Record, error) {
	if _, err := c.ready(ctx); err != nil {
		return nil, err
	}
	rows, err := c.query(ctx, selection{module: module, columns: columns(fields), after: after})
	if err != nil {
		return nil, err
	}
	return rows[:min(len(rows), pageRows)], nil
}

// Search gives up to 20 records whose field contains the text, the oldest first, for a person to choose from. It compares
// as MySQL does, without case and accents; % and _ in the text stand for anything.
func (c *Client) Search(ctx context.Context, module, field, text string, fields ...string) ([]Record, error) {
	if _, err := c.ready(ctx); err != nil {
		return nil, err
	}
	text = strings.TrimSpace(Clean(text))
	s := selection{module: module, columns: columns(append([]string{field}, fields...)), field: field, part: text}
	if text == "" {
		s.field = ""
	}
	rows, err := c.query(ctx, s)
	if err != nil {
		return nil, err
	}
	return rows[:min(len(rows), choices)], nil
}

// Count counts the records of a module that are neither deleted nor converted.
func (c *Client) Count(ctx context.Context, module string) (int64, error) {
	if _, err := c.ready(ctx); err != nil {
		return 0, err
	}
	s := selection{module: module, columns: []string{"count(*)"}}
	rows, err := c.query(ctx, s)
	if err != nil {
		return 0, err
	}
	if len(rows) == 1 {
		if n, err := strconv.ParseInt(rows[0]["count"], 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, misshapen(call{op: "query", module: module})
}

// Retrieve reads a whole record; LineItems of 6.x come as their JSON text. A record that is gone is problem.NotFound
// where its module is known from an earlier Describe; else the CRM's catch-all ACCESS_DENIED stands,
// problem.Unauthorised.
func (c *Client) Retrieve(ctx context.Context, id string) (Record, error) {
	if _, err := c.ready(ctx); err != nil {
		return nil, err
	}
	record, err := c.retrieve(ctx, id)
	if module, known := c.modules.byPrefix(id); known {
		err = c.goneOr(ctx, module, id, err)
	}
	return record, err
}

func (c *Client) retrieve(ctx context.Context, id string) (Record, error) {
	if err := checkID("id", id); err != nil {
		return nil, err
	}
	q := call{op: "retrieve", params: form{{"id", id}}}
	raw, err := c.inSession(ctx, q)
	if err != nil {
		return nil, err
	}
	return readRecord(q, raw)
}

// goneOr looks behind an ACCESS_DENIED: a record that no query finds is gone (wire/vtiger.md 1, error codes).
func (c *Client) goneOr(ctx context.Context, module, id string, err error) error {
	p, ok := problem.Of(err)
	if !ok || Code(p.Code) != AccessDenied || p.Kind != problem.Unauthorised || !recordID.MatchString(id) || id == "" {
		return err
	}
	rows, asked := c.query(ctx, selection{module: module, columns: []string{"id"}, field: "id", values: []string{id}})
	if asked != nil || len(rows) > 0 {
		return err
	}
	return &problem.Error{
		Kind: problem.NotFound, Where: where, Code: p.Code, Message: "the record " + id + " of " + module + " is not there (any more)",
		Cure: "It was deleted or merged in the CRM, or the user may not see it.", Cause: err,
	}
}

// pages reads all rows of a selection.
func (c *Client) pages(ctx context.Context, s selection) ([]Record, error) {
	var all []Record
	for {
		rows, err := c.query(ctx, s)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if len(rows) < pageRows {
			return all, nil
		}
		last := rows[len(rows)-1].ID()
		if number(last) <= number(s.after) {
			return nil, &problem.Error{
				Kind: problem.Unavailable, Where: where, Code: codePaging, Message: "query " + s.module + ": the pages do not go on",
				Cure: "A CRM-side change breaks paging by id.",
			}
		}
		s.after = last
	}
}

// query sends one selection and gives its rows by rising number.
func (c *Client) query(ctx context.Context, s selection) ([]Record, error) {
	text, err := s.text()
	if err != nil {
		return nil, err
	}
	q := call{op: "query", module: s.module, params: form{{"query", text}}}
	raw, err := c.inSession(ctx, q)
	if err != nil {
		return nil, err
	}
	var rows list[Record]
	if json.Unmarshal(raw, &rows) != nil {
		return nil, misshapen(q)
	}
	if s.columns[0] == "count(*)" {
		return rows, nil
	}
	for _, row := range rows {
		if !recordID.MatchString(row.ID()) {
			return nil, misshapen(q)
		}
	}
	slices.SortFunc(rows, byNumber)
	return rows, nil
}

// columns is id and the fields, each once; never all, because one record with a broken owner makes "*" fail on 5.4
// and later (wire/vtiger.md 1, VTQL).
func columns(fields []string) []string {
	all := []string{"id"}
	for _, field := range fields {
		if !slices.Contains(all, field) {
			all = append(all, field)
		}
	}
	return all
}

// path is the part of the URL that stands in the request line.
func (c *Client) path() string {
	u, err := url.Parse(c.url)
	if err != nil {
		return c.url
	}
	return u.EscapedPath()
}

// byNumber sorts records by the number in their ids: "4x9" before "4x10".
func byNumber(a, b Record) int { return cmp.Compare(number(a.ID()), number(b.ID())) }

// number is the bare number of an id, -1 for what is none.
func number(id string) int64 {
	_, digits, _ := strings.Cut(id, "x")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func checkID(field, id string) error {
	if recordID.MatchString(id) {
		return nil
	}
	return worthless(field, plain(field, 60)+" must be an id such as 4x12, not "+strconv.Quote(plain(id, 40)), "Choose the record anew.")
}

func readRecord(q call, raw json.RawMessage) (Record, error) {
	var record Record
	if json.Unmarshal(raw, &record) != nil || !recordID.MatchString(record.ID()) {
		return nil, misshapen(q)
	}
	return record, nil
}
