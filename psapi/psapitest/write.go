package psapitest

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// requestXML is what the shop reads of a body: all of a PUT, the field xml of a form; a raw POST body is not read
// (capture 131).
func requestXML(w http.ResponseWriter, r *http.Request) (string, error) {
	if r.Method != http.MethodPut && r.Method != http.MethodPost {
		return "", nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil || r.Method == http.MethodPut {
		return string(body), err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", nil
	}
	return form.Get("xml"), nil
}

// change answers PUT, POST and DELETE.
// change answers PUT, POST and DELETE as far as the captures go (130-135). A PUT replaces: what it omits becomes empty.
func (s *Shop) change(a *answer, p *page, c call) {
	t := s.table(c.segments[0])
	if t == nil {
		a.refuse(refusal{http.StatusInternalServerError, 46, "Unable to save resource"})
		return
	}
	id := int64(0)
	if len(c.segments) > 1 {
		id = castID(c.segments[1])
	}
	if c.method == http.MethodDelete {
		if !t.remove(id) {
			a.refuse(refusal{http.StatusNotFound, 87, fmt.Sprintf("Id(s) not exists: %d", id)})
		}
		a.silent = true
		return
	}
	given, err := parseEntity(c.xml)
	if err != nil {
		a.refuse(refusal{http.StatusInternalServerError, 127, fmt.Sprintf("XML error : String could not be parsed as XML\nXML length : %d\nOriginal XML : %s", len(c.xml), c.xml)})
		return
	}
	put := c.method == http.MethodPut
	switch _, has := given["id"]; {
	case put && !has:
		a.refuse(refusal{http.StatusBadRequest, 90, "id is required when modifying a resource"})
	case !put && has:
		a.refuse(refusal{http.StatusBadRequest, 91, "id is forbidden when adding a new resource"})
	case put && t.get(castID(given["id"])) == nil:
		a.refuse(refusal{http.StatusNotFound, 92, "Invalid ID"})
	}
	if len(a.refusals) > 0 {
		return
	}
	values := map[string]string{}
	for _, f := range t.fields {
		v, has := given[f.name]
		switch {
		case f.name == "id", f.hidden, f.dynamic, f.i18n, f.name == "date_add", f.name == "date_upd":
		case has && f.readonly:
			a.refuse(refusal{http.StatusBadRequest, 93, `parameter "` + f.name + `" not writable. Please remove this attribute of this XML`})
			return
		case !has && f.required:
			a.refuse(refusal{http.StatusBadRequest, 41, `parameter "` + f.name + `" required`})
			return
		default:
			values[f.name] = v // an omitted optional field becomes empty
		}
	}
	now := s.now("")
	for _, name := range dated[t.resource] {
		if name == "date_upd" || !put {
			values[name] = now
		}
	}
	var r *row
	if put {
		r = s.set(t, castID(given["id"]), values)
	} else {
		a.status = http.StatusCreated
		if t.resource == "customers" {
			for name, value := range newCustomer(now) {
				values[name] = value
			}
		}
		r = t.get(s.insert(t, values))
	}
	p.display = display{full: true}
	p.write(prolog)
	p.object(t, r)
	p.write(epilog)
	a.body = p.b.String()
}

// parseEntity reads the plain fields of the one entity in a <prestashop> document.
func parseEntity(doc string) (map[string]string, error) {
	var root struct {
		Entities []struct {
			Fields []struct {
				XMLName xml.Name
				Text    string `xml:",chardata"`
			} `xml:",any"`
		} `xml:",any"`
	}
	if err := xml.Unmarshal([]byte(doc), &root); err != nil {
		return nil, err
	}
	given := map[string]string{}
	for _, e := range root.Entities {
		for _, f := range e.Fields {
			if !slices.Contains([]string{"associations"}, f.XMLName.Local) {
				given[f.XMLName.Local] = strings.TrimSpace(f.Text)
			}
		}
	}
	return given, nil
}
