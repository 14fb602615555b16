package vtigerwstest

import (
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

const (
	maxInputVars = 1000    // PHP's max_input_vars: what comes later is dropped without a word
	postMaxSize  = 8 << 20 // PHP's post_max_size: a larger body leaves no field at all
)

// request is one call as PHP sees it: $_GET and $_POST apart, and what is read from either.
type request struct {
	verb      string
	get, post map[string]string
	operation string // lower case
	format    string
	session   string
	module    string // for fault rules; "" where the call names none
}

// readRequest reads what PHP would: $_GET always, $_POST only of a POST.
func readRequest(r *http.Request) *request {
	q := &request{verb: r.Method, get: parseVars(r.URL.RawQuery)}
	if r.Method == http.MethodPost {
		q.post = readBody(r)
	}
	q.operation = strings.ToLower(form(q.either).text("operation"))
	q.format = form(q.either).text("format")
	q.session = form(q.either).text("sessionName")
	return q
}

// either reads a parameter as $_REQUEST does: the form wins over the URL.
func (q *request) either(name string) (string, bool) {
	if v, ok := q.post[name]; ok {
		return v, true
	}
	v, ok := q.get[name]
	return v, ok
}

// form is $_REQUEST for the further form fields that a save reads.
type form func(name string) (string, bool)

func (f form) text(name string) string {
	v, _ := f(name)
	return v
}

// readBody reads a form of either encoding; a body over post_max_size leaves nothing, not even the operation.
func readBody(r *http.Request) map[string]string {
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/x-www-form-urlencoded":
		body, err := io.ReadAll(io.LimitReader(r.Body, postMaxSize+1))
		if err != nil || len(body) > postMaxSize {
			return nil
		}
		return parseVars(string(body))
	case "multipart/form-data":
		return readParts(multipart.NewReader(io.LimitReader(r.Body, postMaxSize), params["boundary"]))
	}
	return nil // PHP reads no other body, JSON neither (capture create-json-content-type)
}

// readParts reads multipart/form-data, which the server takes as well as a form (captures create-multipart).
func readParts(parts *multipart.Reader) map[string]string {
	vars := make(map[string]string)
	for len(vars) < maxInputVars {
		part, err := parts.NextRawPart()
		if err != nil {
			break
		}
		if part.FileName() != "" {
			continue // a product image; nothing to keep
		}
		value, err := io.ReadAll(part)
		if err != nil {
			break
		}
		vars[part.FormName()] = string(value)
	}
	return vars
}

// parseVars reads a query string or form in order, because the order decides what max_input_vars cuts.
func parseVars(s string) map[string]string {
	if s == "" {
		return nil
	}
	vars := make(map[string]string, min(strings.Count(s, "&")+1, maxInputVars))
	count := 0
	for part := range strings.SplitSeq(s, "&") {
		if part == "" {
			continue
		}
		if count++; count > maxInputVars {
			break
		}
		name, value, _ := strings.Cut(part, "=")
		vars[unescape(name)] = unescape(value)
	}
	return vars
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s // PHP leaves a broken escape as it is
}

// element is a decoded record: a value is nil, a string, or something nested.
type element map[string]any

// text is the scalar value of a field; null and nested values read as absent.
func (e element) text(name string) (string, bool) {
	s, ok := e[name].(string)
	return s, ok
}

// nested finds a value that is no scalar, apart from the lines of 6.x.
func (e element) nested() bool {
	for name, v := range e {
		if name == "LineItems" {
			continue
		}
		switch v.(type) {
		case nil, string:
		default:
			return true
		}
	}
	return false
}

// decodeElement reads JSON as PHP does. Invalid JSON, invalid UTF-8 and anything that is no object give no fields at all.
func decodeElement(s string) element {
	if !validText(s) {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var raw map[string]any
	if err := d.Decode(&raw); err != nil {
		return nil
	}
	if _, err := d.Token(); err != io.EOF {
		return nil
	}
	return asElement(raw)
}

// asElement turns a decoded JSON object into an element, its lines included.
func asElement(raw map[string]any) element {
	e := make(element, len(raw))
	for name, v := range raw {
		e[name] = scalar(v)
	}
	return e
}

// scalar turns JSON's true, false and numbers into PHP strings, also inside lists and objects.
func scalar(v any) any {
	switch v := v.(type) {
	case bool:
		if v {
			return "1"
		}
		return ""
	case json.Number:
		return phpNumber(v.String())
	case []any:
		for i := range v {
			v[i] = scalar(v[i])
		}
		return v
	case map[string]any:
		return asElement(v)
	}
	return v
}

var fromClause = regexp.MustCompile(`(?i:from)\s+([^\s;]+)`)

// identify names the module of a call, for fault rules.
func (c *CRM) identify(q *request) string {
	id := ""
	switch q.operation {
	case "create":
		return q.post["elementType"]
	case "describe":
		return q.get["elementType"]
	case "query":
		if m := fromClause.FindStringSubmatch(q.get["query"]); m != nil {
			return m[1]
		}
	case "convertlead":
		return "Leads"
	case "retrieve":
		id = q.get["id"]
	case "delete":
		id = q.post["id"]
	case "update", "revise":
		if m := elementID.FindStringSubmatch(q.post["element"]); m != nil {
			id = m[1]
		}
	}
	if id == "" {
		return ""
	}
	module, _, _ := c.entityOfID(id)
	return module
}

var elementID = regexp.MustCompile(`"id"\s*:\s*"(\d+x\d+)"`)
