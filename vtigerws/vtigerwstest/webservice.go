package vtigerwstest

import (
	"errors"
	"net/http"
)

// operation is a row of the table vtiger_ws_operation: the verb decides where its parameters are read.
type operation struct {
	verb     string
	prelogin bool
	run      func(*CRM, *session, *request) (any, error)
}

// operations are those of every version; which versions lack one is decided in find.
var operations = map[string]operation{
	"getchallenge":     {http.MethodGet, true, (*CRM).getChallenge},
	"login":            {http.MethodPost, true, (*CRM).login},
	"extendsession":    {http.MethodPost, true, (*CRM).extendSession},
	"logout":           {http.MethodPost, false, (*CRM).logout},
	"listtypes":        {http.MethodGet, false, (*CRM).listTypes},
	"describe":         {http.MethodGet, false, (*CRM).describe},
	"query":            {http.MethodGet, false, (*CRM).query},
	"retrieve":         {http.MethodGet, false, (*CRM).retrieve},
	"create":           {http.MethodPost, false, (*CRM).create},
	"update":           {http.MethodPost, false, (*CRM).update},
	"revise":           {http.MethodPost, false, (*CRM).revise},
	"delete":           {http.MethodPost, false, (*CRM).remove},
	"convertlead":      {http.MethodPost, false, (*CRM).convertLead},
	"prestashop.batch": {http.MethodPost, false, (*CRM).batch},
}

// find looks the operation up; where a version lacks it the server dies before it reads anything else.
func (c *CRM) find(name string) (operation, bool) {
	switch {
	case name == "revise" && !c.release.hasRevise(),
		name == "convertlead" && (c.release == v510 || c.release == v530), // 5.3.0: HTTP 500 [L530]
		name == "prestashop.batch" && !c.addon:
		return operation{}, false
	}
	op, ok := operations[name]
	return op, ok
}

// answer runs a call and writes its envelope.
func (c *CRM) answer(w http.ResponseWriter, r *http.Request, q *request) {
	result, err := c.run(r, q)
	header := w.Header()
	header.Set("X-Powered-By", "PHP/5.2.17")
	header.Set("Expires", "Thu, 19 Nov 1981 08:52:00 GMT")
	header.Set("Cache-Control", "no-store, no-cache, must-revalidate")
	header.Set("Pragma", "no-cache")
	header.Set("Content-Type", "text/html; charset=UTF-8")
	var (
		page    pageError
		refusal *wsError
		body    []byte
	)
	if c.noisy {
		body = append(body, noise(q.operation)...)
	}
	switch {
	case err == nil:
		header.Set("Content-Type", c.release.contentType())
		body = appendJSON(body, object{{"success", true}, {"result", result}})
	case errors.As(err, &refusal):
		header.Set("Content-Type", c.release.contentType())
		body = appendJSON(body, object{{"success", false}, {"error", c.release.worded(refusal).object()}})
	case errors.As(err, &page):
		body = append(body, page...)
	case errors.Is(err, errFormat):
		header.Set("Content-Type", c.release.contentType())
	case c.noisy:
		body = append(body, fatalNoise...)
	default:
		w.WriteHeader(http.StatusInternalServerError)
	}
	_, _ = w.Write(body)
}

// errFormat is any format but JSON: HTTP 200 and nothing else (capture 023-format-xml).
var errFormat = errors.New("format is not json")

// run holds the session's lock for the whole request, the latency included.
func (c *CRM) run(r *http.Request, q *request) (any, error) {
	op, ok := c.find(q.operation)
	if !ok {
		return nil, errFatal
	}
	if q.format != "" && q.format != "json" {
		return nil, errFormat
	}
	var s *session
	if !op.prelogin {
		var err error
		if s, err = c.open(q); err != nil {
			return nil, err
		}
		s.lock()
		defer s.unlock()
	}
	c.delay(r.Context())
	c.mu.Lock()
	defer c.mu.Unlock()
	return op.run(c, s, q)
}

// listed says whether listtypes names the module for this user; where it does not, everything is ACCESS_DENIED.
func (c *CRM) listed(u *user, module string) bool {
	if c.rightsIn(module).Off || !u.sees(module) {
		return false
	}
	for _, t := range c.types {
		if t.name == module {
			return true
		}
	}
	return false
}

// listTypes names what the user may see, in the recorded order.
func (c *CRM) listTypes(s *session, _ *request) (any, error) {
	var (
		names       []string
		information object
	)
	for _, t := range c.types {
		if !c.listed(s.user, t.name) {
			continue
		}
		names = append(names, t.name)
		information = append(information, pair{t.name, object{
			{"isEntity", t.isEntity}, {"label", t.label}, {"singular", t.singular},
		}})
	}
	return object{{"types", names}, {"information", information}}, nil
}

// describe insists on the exact case of the module, whatever MySQL thought of it.
func (c *CRM) describe(s *session, q *request) (any, error) {
	name := q.get["elementType"]
	m, err := c.entityByName(name)
	if err != nil {
		return nil, err
	}
	if m == nil || m.name != name || !c.listed(s.user, name) {
		return nil, denied("")
	}
	return m.describe(c.rightsIn(name)), nil
}
