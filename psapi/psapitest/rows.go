package psapitest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// translation is a value in one of the shop's languages.
type translation struct {
	language int64
	value    string
	null     bool // printed without CDATA, and matched by nothing
}

// row is one object. Rows never change once they are in a table: a changed one is a copy put in its place, so that
// all shops of a process can share the embedded data.
type row struct {
	id     int64
	values []string
	texts  [][]translation
	assocs map[string][]row
}

func (r *row) copy() *row {
	texts := make([][]translation, len(r.texts))
	for i, t := range r.texts {
		texts[i] = slices.Clone(t)
	}
	assocs := maps.Clone(r.assocs)
	if assocs == nil {
		assocs = map[string][]row{}
	}
	return &row{id: r.id, values: slices.Clone(r.values), texts: texts, assocs: assocs}
}

// table holds the rows of one resource in id order.
type table struct {
	*spec
	rows   []*row
	last   int64 // highest id ever given
	shared bool  // rows is the base data's own slice
	index  map[string]map[string][]int64
}

func newTable(s *spec, rows []*row) *table {
	t := &table{spec: s, rows: rows, shared: true, index: map[string]map[string][]int64{}}
	if len(rows) > 0 {
		t.last = rows[len(rows)-1].id
	}
	return t
}

func (t *table) find(id int64) (int, bool) {
	return slices.BinarySearchFunc(t.rows, id, func(r *row, id int64) int { return cmp.Compare(r.id, id) })
}

func (t *table) get(id int64) *row {
	if i, ok := t.find(id); ok {
		return t.rows[i]
	}
	return nil
}

// value is the stored text of a plain field; an id_* field that the shop prints empty is 0 in the table.
func (t *table) value(r *row, name string) string {
	f := t.fields[t.places[name]]
	v := r.values[f.at]
	if v == "" && strings.HasPrefix(name, "id_") {
		return "0"
	}
	return v
}

// where lists, by id, the rows whose plain field has this value. It keeps an index per field asked for.
func (t *table) where(name, value string) []*row {
	index, ok := t.index[name]
	if !ok {
		index = map[string][]int64{}
		for _, r := range t.rows {
			v := t.value(r, name)
			index[v] = append(index[v], r.id)
		}
		t.index[name] = index
	}
	found := make([]*row, 0, len(index[value]))
	for _, id := range index[value] {
		found = append(found, t.get(id))
	}
	return found
}

// own takes the rows away from the data set that all shops share, before the first change.
func (t *table) own() {
	if t.shared {
		t.rows, t.shared = slices.Clone(t.rows), false
	}
}

// put stores a row under its id; id 0 takes the next one.
func (t *table) put(r *row) int64 {
	t.own()
	if r.id == 0 {
		r.id = t.last + 1
	}
	r.values[0] = strconv.FormatInt(r.id, 10)
	t.last = max(t.last, r.id)
	i, exists := t.find(r.id)
	if exists {
		for name := range t.index {
			if t.value(t.rows[i], name) != t.value(r, name) {
				delete(t.index, name)
			}
		}
		t.rows[i] = r
		return r.id
	}
	appended := i == len(t.rows)
	t.rows = slices.Insert(t.rows, i, r)
	for name, index := range t.index {
		if !appended {
			delete(t.index, name)
			continue
		}
		v := t.value(r, name)
		index[v] = append(index[v], r.id)
	}
	return r.id
}

// remove takes a row out; its id is never given again.
func (t *table) remove(id int64) bool {
	i, ok := t.find(id)
	if !ok {
		return false
	}
	t.own()
	t.rows = slices.Delete(t.rows, i, i+1)
	clear(t.index)
	return true
}

// parseRows reads a document of the web service. It does not use an XML parser: the shop's output is not always XML
// (a "]]>" inside a value, control characters), but its lines have one fixed form.
func parseRows(s *spec, doc string) ([]*row, error) {
	var rows []*row
	open, end := "<"+s.node+">\n", "</"+s.node+">\n"
	for {
		at := strings.Index(doc, open)
		if at < 0 {
			break
		}
		doc = doc[at+len(open):]
		r := &row{values: make([]string, s.values), texts: make([][]translation, s.texts)}
		rest, err := s.parseFields(doc, func(name, value string, texts []translation) {
			f, ok := s.field(name)
			switch {
			case !ok:
			case f.i18n:
				r.texts[f.at] = texts
			default:
				r.values[f.at] = value
			}
		})
		if err != nil {
			return nil, err
		}
		if after, ok := strings.CutPrefix(rest, "<associations>\n"); ok {
			if r.assocs, rest, err = s.parseAssociations(after); err != nil {
				return nil, err
			}
		}
		if !strings.HasPrefix(rest, end) {
			return nil, fmt.Errorf("%s %s: %q where %q was expected", s.resource, r.values[0], head(rest), end)
		}
		if r.id, err = strconv.ParseInt(r.values[0], 10, 64); err != nil {
			return nil, fmt.Errorf("%s: id %q is not a number", s.resource, r.values[0])
		}
		rows = append(rows, r)
		doc = rest[len(end):]
	}
	if !slices.IsSortedFunc(rows, func(a, b *row) int { return cmp.Compare(a.id, b.id) }) {
		slices.SortFunc(rows, func(a, b *row) int { return cmp.Compare(a.id, b.id) })
	}
	return rows, nil
}

// parseFields reads lines of the form "\t<name attributes>value</name>" and returns what follows them.
func (s *spec) parseFields(doc string, set func(name, value string, texts []translation)) (string, error) {
	for strings.HasPrefix(doc, "\t<") && !strings.HasPrefix(doc, "\t</") {
		close := strings.IndexByte(doc, '>')
		if close < 0 {
			return doc, fmt.Errorf("%s: %q is cut off", s.resource, head(doc))
		}
		name, _, _ := strings.Cut(doc[2:close], " ")
		doc = doc[close+1:]
		var (
			value string
			texts []translation
			err   error
		)
		end := "</" + name + ">\n"
		if strings.HasPrefix(doc, "<language ") {
			for strings.HasPrefix(doc, "<language ") {
				var t translation
				if t, doc, err = s.parseLanguage(doc); err != nil {
					return doc, err
				}
				texts = append(texts, t)
			}
			end = "</" + name + ">\n"
			if !strings.HasPrefix(doc, end) {
				return doc, fmt.Errorf("%s: field %s: %q where %q was expected", s.resource, name, head(doc), end)
			}
			doc = doc[len(end):]
		} else if value, doc, err = s.parseValue(doc, end); err != nil {
			return doc, fmt.Errorf("field %s: %w", name, err)
		}
		set(name, value, texts)
	}
	return doc, nil
}

// parseLanguage reads one <language id="N">value</language> of a translated field.
func (s *spec) parseLanguage(doc string) (translation, string, error) {
	close := strings.IndexByte(doc, '>')
	if close < 0 {
		return translation{}, doc, fmt.Errorf("%s: %q is cut off", s.resource, head(doc))
	}
	tag, _ := strings.CutPrefix(doc[:close], `<language id="`)
	digits, _, _ := strings.Cut(tag, `"`)
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return translation{}, doc, fmt.Errorf("%s: language %q is not a number", s.resource, digits)
	}
	null := strings.HasPrefix(doc[close+1:], "</language>")
	value, rest, err := s.parseValue(doc[close+1:], "</language>")
	return translation{language: id, value: value, null: null}, rest, err
}

// parseValue reads a value up to the end of its element; the element's end tells where it stops, not the first "]]>".
func (s *spec) parseValue(doc, end string) (value, rest string, err error) {
	const open, shut = "<![CDATA[", "]]>"
	if strings.HasPrefix(doc, open) {
		if at := strings.Index(doc, shut+end); at >= 0 {
			return doc[len(open):at], doc[at+len(shut)+len(end):], nil
		}
	} else if strings.HasPrefix(doc, end) {
		return "", doc[len(end):], nil
	}
	return "", doc, fmt.Errorf("%s: no value ends before %q", s.resource, head(doc))
}

// parseAssociations reads what stands behind <associations>; references are dropped, page.associations makes them anew.
func (s *spec) parseAssociations(doc string) (map[string][]row, string, error) {
	found := map[string][]row{}
	for !strings.HasPrefix(doc, "</associations>\n") {
		line, rest, ok := strings.Cut(doc, "\n")
		name, _, _ := strings.Cut(strings.Trim(line, "<>/"), " ")
		a, known := s.association(name)
		if !ok || !known {
			return nil, doc, fmt.Errorf("%s: association %q is not in the schema", s.resource, head(line))
		}
		doc = rest
		if strings.HasSuffix(line, "/>") {
			continue
		}
		for strings.HasPrefix(doc, "\t<"+a.node) {
			_, doc, _ = strings.Cut(doc, "\n")
			item := row{values: make([]string, len(a.fields)), texts: make([][]translation, len(a.fields))}
			var err error
			doc, err = s.parseFields(doc, func(name, value string, texts []translation) {
				if i := slices.IndexFunc(a.fields, func(f field) bool { return f.name == name }); i >= 0 {
					item.values[i], item.texts[i] = value, texts
				}
			})
			if err != nil {
				return nil, doc, err
			}
			found[name] = append(found[name], item)
			if doc, ok = strings.CutPrefix(doc, "\t</"+a.node+">\n"); !ok {
				return nil, doc, fmt.Errorf("%s: item of %s does not end at %q", s.resource, name, head(doc))
			}
		}
		if doc, ok = strings.CutPrefix(doc, "</"+name+">\n"); !ok {
			return nil, doc, fmt.Errorf("%s: association %s does not end at %q", s.resource, name, head(doc))
		}
	}
	return found, doc[len("</associations>\n"):], nil
}

// head is the start of a text, for errors.
func head(s string) string { return s[:min(len(s), 60)] }
