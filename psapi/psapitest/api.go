package psapitest

import (
	"crypto/sha1" // Content-Sha1 is what the server sends
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"cartiger/fault"
)

const (
	realm  = `Basic realm="Welcome to PrestaShop Webservice, please enter the authentication key as the login. No password required."`
	hidden = "Internal error. To see this error please display the PHP errors."
	fatal  = "\nFatal error: Class 'WebserviceOutputJSON' not found in /var/www/prestashop/classes/WebserviceRequest.php on line 210\n"
	notice = "\nNotice: Undefined index: content_sha1 in /var/www/prestashop/webservice/dispatcher.php on line "
)

// call is one request to the API.
type call struct {
	method   string
	segments []string // of the path behind /api/; at least one, maybe empty
	query    query
	key      string
	url      string
	xml      string // of a PUT or a form
}

// answer is what the shop makes of a call.
type answer struct {
	status   int
	body     string
	refusals []refusal
	silent   bool // no body and no content type: 404 of an object (captures 057, 058), DELETE (134)
	unknown  bool // WWW-Authenticate is asked for
}

func (a *answer) refuse(r refusal) {
	a.status = r.status
	a.refusals = append(a.refusals, r)
}

// path finds the part behind /api/ or the dispatcher's url parameter.
func (s *Shop) path(r *http.Request) (rest, raw string, ok bool) {
	raw = r.URL.RawQuery
	behind, inside := strings.CutPrefix(r.URL.Path, s.options.Base+"/")
	if !inside {
		return "", raw, false
	}
	if behind == "webservice/dispatcher.php" {
		var others []string
		for part := range strings.SplitSeq(raw, "&") {
			if url, is := strings.CutPrefix(part, "url="); is {
				rest = unescape(url)
			} else {
				others = append(others, part)
			}
		}
		return strings.TrimPrefix(rest, "/"), strings.Join(others, "&"), true
	}
	if behind == "api" {
		return "", raw, true
	}
	rest, ok = strings.CutPrefix(behind, "api/")
	return rest, raw, ok
}

// resourceOf names a request for the statistics and the faults.
func (s *Shop) resourceOf(r *http.Request) string {
	rest, _, ok := s.path(r)
	name, _, _ := strings.Cut(rest, "/")
	switch {
	case !ok:
		return ""
	case name == "":
		return "api"
	case s.data.knows(name):
		return name
	}
	return "unknown"
}

func (d *dataset) knows(name string) bool {
	return slices.ContainsFunc(d.resources, func(r resource) bool { return r.name == name })
}

// api answers the requests of the web service.
func (s *Shop) api(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	if s.options.Latency > 0 {
		select {
		case <-time.After(s.options.Latency):
		case <-r.Context().Done():
			return
		}
	}
	rest, raw, _ := s.path(r)
	c := call{method: r.Method, segments: strings.Split(rest, "/"), query: parseQuery(raw), url: "http://" + r.Host + s.options.Base + "/api/"}
	if override, ok := c.query.plain["ps_method"]; ok { // of the image forms, and a trap: a GET can delete
		c.method = override
	}
	user, _, basic := r.BasicAuth()
	if !basic {
		user, basic = c.query.plain["ws_key"], c.query.has("ws_key")
	}
	header := w.Header()
	if !basic { // the dispatcher answers before the shop is there
		header.Set("X-Powered-By", "PHP/5.6.40")
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("WWW-Authenticate", realm)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	c.key = strings.TrimSpace(user)
	if c.query.plain["output_format"] == "JSON" {
		header.Set("X-Powered-By", "PHP/5.6.40")
		header.Set("Content-Type", "text/html; charset=utf-8")
		if s.options.HideErrors {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(fatal))
		return
	}
	var err error
	if c.xml, err = requestXML(w, r); err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}

	a := s.answer(c)
	if a.unknown {
		header.Set("WWW-Authenticate", realm)
	}
	header.Set("Access-Time", strconv.FormatInt(s.options.Now().Unix(), 10))
	header.Set("X-Powered-By", "PrestaShop Webservice")
	header.Set("PSWS-Version", s.options.Version)
	header.Set("Execution-Time", strconv.FormatFloat(time.Since(started).Seconds(), 'f', 3, 64))
	body := a.body
	if a.body != "" {
		sum := sha1.Sum([]byte(a.body))
		digest := hex.EncodeToString(sum[:])
		header.Set("Content-Sha1", digest)
		// Local-Content-Sha1 is compared with a key that does not exist: notices instead of a 304 (capture 126).
		if r.Header.Get("Local-Content-Sha1") != "" && !s.options.HideErrors {
			body = notice + "100\n" + notice + "108\n" + body
		}
	}
	if len(a.refusals) > 0 {
		body = s.errorDocument(a.refusals)
	}
	header.Set("Content-Type", "text/xml;charset=utf-8")
	if a.silent && len(a.refusals) == 0 {
		header["Content-Type"] = nil
		body = ""
		header.Del("Content-Sha1")
	}
	if r.Method == http.MethodHead { // costs the shop as much as a GET, Content-Sha1 included (capture 062)
		body = ""
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(body))
}

func (q query) has(name string) bool {
	_, ok := q.plain[name]
	return ok
}

// errorDocument prints errors; display_errors off hides their texts and leaves the codes out (captures 122, 124).
func (s *Shop) errorDocument(refusals []refusal) string {
	var b strings.Builder
	b.WriteString(prolog + "<errors>\n")
	for _, r := range refusals {
		b.WriteString("<error>\n")
		if s.options.HideErrors {
			r.message = hidden
		} else {
			b.WriteString("<code><![CDATA[" + strconv.Itoa(r.code) + "]]></code>\n")
		}
		b.WriteString("<message><![CDATA[" + r.message + "]]></message>\n</error>\n")
	}
	b.WriteString("</errors>\n" + epilog)
	return b.String()
}

// answer goes the way of the shop: is it on, who asks, which languages, which resource, which verb, then the data.
func (s *Shop) answer(c call) (a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.status = http.StatusOK
	k := s.authenticate(&a, c.key)
	if len(a.refusals) > 0 {
		return a
	}
	languages := s.languages(&a, c.query)
	if len(a.refusals) > 0 {
		return a
	}
	name := c.segments[0]
	if name != "" && !s.allowed(&a, k, name, c.method) {
		return a
	}
	p := &page{Shop: s, url: c.url, languages: languages, virtual: c.query.price}
	switch {
	case name == "":
		p.root(k)
		a.body = p.b.String()
	case c.method == http.MethodPut, c.method == http.MethodPost, c.method == http.MethodDelete:
		s.change(&a, p, c)
	case len(c.segments) > 1 && c.segments[1] != "":
		s.single(&a, p, name, c)
	default:
		s.list(&a, p, name, c)
	}
	// With display_errors off the shop makes an error of each PHP notice.
	if s.options.HideErrors {
		for range p.notices {
			a.refuse(refusal{status: http.StatusInternalServerError, code: 5})
		}
	}
	return a
}

// authenticate finds the key. The name of the user is the key; a password is not looked at.
func (s *Shop) authenticate(a *answer, accessKey string) key {
	if s.off {
		a.refuse(refusal{503, 22, "The PrestaShop webservice is disabled. Please activate it in the PrestaShop Back Office"})
		return key{}
	}
	k, exists := s.keys[strings.ToUpper(accessKey)]
	switch {
	case accessKey == "":
		a.refuse(refusal{401, 17, "Authentication key is empty"})
	case len(accessKey) != 32:
		a.refuse(refusal{401, 18, "Invalid authentication key format"})
	default:
		permitted := exists && !k.inactive && (k.rights == nil || len(k.rights) > 0)
		switch {
		case !exists:
			a.refuse(refusal{401, 19, "Authentification key does not exist"})
		case k.inactive:
			a.refuse(refusal{401, 20, "Authentification key is not active"})
		}
		if !permitted {
			a.refuse(refusal{401, 21, "No permission for this authentication key"})
		}
	}
	a.unknown = len(a.refusals) > 0
	return k
}

// languages reads language=1 or [1|2] or [1,3]; without it all active ones are shown.
func (s *Shop) languages(a *answer, q query) []int64 {
	t := s.table("languages")
	asked, ok := q.plain["language"]
	if !ok {
		var all []int64
		for _, r := range t.rows {
			if t.value(r, "active") == "1" {
				all = append(all, r.id)
			}
		}
		return all
	}
	inside, bracket := strings.CutPrefix(asked, "[")
	inside, end := strings.CutSuffix(inside, "]")
	var ids []string
	switch {
	case looksNumeric(asked):
		ids = []string{asked}
	case !bracket || !end:
		a.refuse(refusal{400, 79, "language value is wrong"})
		return nil
	case strings.Contains(inside, "|"):
		ids = strings.Split(inside, "|")
	case strings.Contains(inside, ","):
		from, to, _ := strings.Cut(inside, ",")
		if strings.Contains(to, ",") {
			a.refuse(refusal{400, 78, "A range value for a language must contains only 2 values"})
			return nil
		}
		for _, r := range t.rows {
			if r.id >= castID(from) && r.id <= castID(to) {
				ids = append(ids, strconv.FormatInt(r.id, 10))
			}
		}
	default:
		ids = []string{inside}
	}
	var found []int64
	for _, id := range ids {
		if !looksNumeric(id) {
			a.refuse(refusal{400, 80, "Language ID must be numeric"})
			return nil
		}
		if t.get(castID(id)) != nil {
			found = append(found, castID(id))
		}
	}
	if len(found) == 0 {
		a.refuse(refusal{400, 81, "language is not available"})
	}
	return found
}

// allowed checks the resource, then the verb. A resource the key lacks is 401, a verb it lacks 405 (captures 010, 011).
func (s *Shop) allowed(a *answer, k key, name, method string) bool {
	switch {
	case !s.data.knows(name):
		names := make([]string, len(s.data.resources))
		for i, r := range s.data.resources {
			names[i] = r.name
		}
		a.refuse(refusal{400, 27, didYouMean(`Resource of type "`+name+`" does not exists`, name, names)})
	case !k.knows(name):
		a.refuse(refusal{401, 26, `Resource of type "` + name + `" is not allowed with this authentication key`})
	case !slices.Contains([]string{"GET", "POST", "PUT", "DELETE", "HEAD"}, method):
		a.refuse(refusal{405, 23, "Method " + method + " is not valid"})
	case name == "stock_movements" && method == "PUT", name == "search" && method != "GET" && method != "HEAD":
		a.refuse(refusal{405, 101, "Method " + method + " is not allowed for the resource " + name})
	case !k.may(name, method):
		a.refuse(refusal{405, 25, "Method " + method + " is not allowed for the resource " + name + " with this authentication key"})
	default:
		return true
	}
	return false
}

// single answers RESOURCE/ID. Whatever display says makes the object minimal (captures 059, 060).
func (s *Shop) single(a *answer, p *page, name string, c call) {
	t := s.table(name)
	var r *row
	if t != nil {
		r = t.get(castID(c.segments[1]))
	}
	if r == nil {
		a.status, a.silent = http.StatusNotFound, true
		return
	}
	p.display = display{full: !c.query.has("display"), minimum: c.query.has("display")}
	p.write(prolog)
	p.object(t, r)
	p.write(epilog)
	a.body = p.b.String()
}

// list answers RESOURCE with its filters, or its schema.
func (s *Shop) list(a *answer, p *page, name string, c call) {
	t := s.table(name)
	if t == nil { // a resource of the shop that the data set does not hold
		a.body = prolog + "<" + name + ">\n</" + name + ">\n" + epilog
		return
	}
	sel, wrong := t.selectRows(c.query, p.languages)
	if s.options.HideErrors {
		for range sel.warnings {
			a.refuse(refusal{status: http.StatusInternalServerError, code: 3})
		}
	}
	if wrong != nil {
		a.refuse(*wrong)
	}
	if len(a.refusals) > 0 {
		return
	}
	if sel.schema != "" {
		p.schema(t.spec, sel.schema)
		a.body = p.b.String()
		return
	}
	if _, hit := s.faults.Hit(name, "", fault.SQLEmpty); hit {
		sel.broken = true
	}
	p.display = sel.display
	p.write(prolog, "<", name, ">\n")
	for _, r := range sel.run(t) {
		p.object(t, r)
	}
	p.write("</", name, ">\n", epilog)
	a.body = p.b.String()
}
