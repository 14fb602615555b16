package vtigerwstest_test

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"cartiger/vtigerws/vtigerwstest"
)

// client talks to a simulated CRM as a program would.
type client struct {
	t       *testing.T
	crm     *vtigerwstest.CRM
	server  *httptest.Server
	session string
}

func start(t *testing.T, o vtigerwstest.Options) *client {
	t.Helper()
	crm, err := vtigerwstest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	c := serve(t, crm)
	c.session = c.login("admin", "TestAccessKey")
	return c
}

// serve puts a CRM on a loopback port, without a session yet.
func serve(t *testing.T, crm *vtigerwstest.CRM) *client {
	t.Helper()
	server := httptest.NewServer(crm)
	t.Cleanup(server.Close)
	return &client{t: t, crm: crm, server: server}
}

type answer struct {
	Success bool
	Result  json.RawMessage
	Error   struct{ Code, Message string }
}

func (c *client) login(user, key string) string {
	c.t.Helper()
	var token struct{ Token string }
	c.read(c.call(http.MethodGet, url.Values{"operation": {"getchallenge"}, "username": {user}}), &token)
	sum := md5.Sum([]byte(token.Token + key))
	var session struct{ SessionName string }
	c.read(c.call(http.MethodPost, url.Values{"operation": {"login"}, "username": {user}, "accessKey": {hex.EncodeToString(sum[:])}}), &session)
	return session.SessionName
}

// send makes one request and returns the whole answer.
func (c *client) send(verb string, values url.Values) (int, string, error) {
	c.t.Helper()
	if c.session != "" && !values.Has("sessionName") {
		values.Set("sessionName", c.session)
	}
	target, body := c.server.URL+"/webservice.php", io.Reader(nil)
	if verb == http.MethodGet {
		target += "?" + values.Encode()
	} else {
		body = strings.NewReader(values.Encode())
	}
	req, err := http.NewRequest(verb, target, body)
	if err != nil {
		c.t.Fatal(err)
	}
	if verb == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.server.Client().Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return res.StatusCode, string(data), err
}

// call makes one request and decodes its envelope.
func (c *client) call(verb string, values url.Values) answer {
	c.t.Helper()
	status, body, err := c.send(verb, values)
	if err != nil {
		c.t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		c.t.Fatalf("%s: status %d, body %q: %v", values.Get("operation"), status, body, err)
	}
	return a
}

func (c *client) read(a answer, into any) {
	c.t.Helper()
	if !a.Success {
		c.t.Fatalf("refused: %s %s", a.Error.Code, a.Error.Message)
	}
	if err := json.Unmarshal(a.Result, into); err != nil {
		c.t.Fatalf("result %s: %v", a.Result, err)
	}
}

type record = map[string]any

func encode(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// write creates, updates or revises; extra are further form fields.
func (c *client) write(op, module string, e record, extra url.Values) answer {
	c.t.Helper()
	return c.call(http.MethodPost, c.writing(op, module, e, extra))
}

func (c *client) writing(op, module string, e record, extra url.Values) url.Values {
	c.t.Helper()
	values := url.Values{"operation": {op}, "element": {encode(c.t, e)}}
	if module != "" {
		values.Set("elementType", module)
	}
	for name, v := range extra {
		values[name] = v
	}
	return values
}

func (c *client) create(module string, e record) record {
	c.t.Helper()
	var made record
	c.read(c.write("create", module, e, nil), &made)
	return made
}

func (c *client) query(q string) []record {
	c.t.Helper()
	var found []record
	c.read(c.call(http.MethodGet, url.Values{"operation": {"query"}, "query": {q}}), &found)
	return found
}

func TestEveryVersionTakesALead(t *testing.T) {
	for _, version := range vtigerwstest.Versions() {
		t.Run(version, func(t *testing.T) {
			c := start(t, vtigerwstest.Options{Version: version})
			made := c.create("Leads", record{"lastname": "Dœ", "company": "Acme", "email": "jane@example.com", "assigned_user_id": "19x1"})
			found := c.query("select id,lastname from Leads where email='JANE@example.com';")
			if len(found) != 1 || found[0]["id"] != made["id"] || found[0]["lastname"] != "Dœ" {
				t.Errorf("created %v, found %v", made["id"], found)
			}
			if stats := c.crm.Stats(); stats.Requests["create"] != 1 || stats.Total != 4 {
				t.Errorf("stats %+v", stats)
			}
		})
	}
}
