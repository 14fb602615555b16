package vtigerws

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"cartiger/problem"
)

// scripted is a CRM that knows sessions and leaves the rest to the test.
type scripted struct {
	*httptest.Server
	version string
	types   string // the array that listtypes answers

	mu       sync.Mutex
	token    int
	sessions map[string]bool
	locks    map[string]*sync.Mutex // PHP's session files: one request of a session at a time
	log      []string               // operations in order
	arrived  func(op string)        // told of each request before it waits for its session
	answer   func(op string, form url.Values, w http.ResponseWriter)
	over     context.Context // ends with the test
}

// ctx ends when the test does, for answers that never come.
func (s *scripted) ctx() context.Context { return s.over }

const key = "TestAccessKey"

func serve(t *testing.T, version string, answer func(op string, form url.Values, w http.ResponseWriter)) *scripted {
	t.Helper()
	s := &scripted{
		version: version, answer: answer, sessions: map[string]bool{}, locks: map[string]*sync.Mutex{},
		arrived: func(string) {},
		types:   `["Leads","Accounts","Contacts","Products","SalesOrder","Invoice","Users","Groups","Currency"]`,
	}
	if version[0] >= '6' {
		s.types = `["Leads","Accounts","Contacts","Products","SalesOrder","Invoice","Users","Groups","Currency","LineItem","Tax","ProductTaxes"]`
	}
	over, end := context.WithCancel(context.Background())
	s.over = over
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() { end(); s.Close() })
	return s
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.URL.Path != "/crm/webservice.php" {
		http.NotFound(w, r)
		return
	}
	op := r.Form.Get("operation")
	s.mu.Lock()
	s.log = append(s.log, op)
	s.mu.Unlock()
	s.arrived(op)
	switch op {
	case "getchallenge":
		s.mu.Lock()
		s.token++
		fmt.Fprintf(w, `{"success":true,"result":{"token":"t%d","serverTime":%d,"expireTime":%d}}`, s.token, time.Now().Unix(), time.Now().Unix()+300)
		s.mu.Unlock()
		return
	case "login":
		s.mu.Lock()
		defer s.mu.Unlock()
		sum := md5.Sum(fmt.Appendf(nil, "t%d%s", s.token, key))
		if r.PostForm.Get("accessKey") != hex.EncodeToString(sum[:]) {
			fmt.Fprint(w, `{"success":false,"error":{"code":"INVALID_USER_CREDENTIALS","message":"Invalid username or password"}}`)
			return
		}
		session := fmt.Sprintf("s%d", len(s.sessions)+1)
		s.sessions[session] = true
		fmt.Fprintf(w, `{"success":true,"result":{"sessionName":"%s","userId":"19x1","version":"0.22","vtigerVersion":"%s"}}`, session, s.version)
		return
	}
	s.mu.Lock()
	session := r.Form.Get("sessionName")
	known := s.sessions[session]
	lock := s.locks[session]
	if lock == nil {
		lock = &sync.Mutex{}
		s.locks[session] = lock
	}
	s.mu.Unlock()
	lock.Lock()
	defer lock.Unlock()
	switch {
	case !known:
		fmt.Fprint(w, `{"success":false,"error":{"code":"INVALID_SESSIONID","message":"Session Identifier provided is Invalid"}}`)
	case op == "listtypes":
		fmt.Fprintf(w, `{"success":true,"result":{"types":%s}}`, s.types)
	case op == "logout":
		fmt.Fprint(w, `{"success":true,"result":{"message":"successfull"}}`)
	default:
		s.answer(op, r.Form, w)
	}
}

// ops gives the operations asked for since the last call.
func (s *scripted) ops() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = nil
	return log
}

func (s *scripted) dropSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
	s.sessions["gone"] = false
}

// client makes a client of the scripted CRM that does not wait between tries.
func (s *scripted) client(t *testing.T, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{URL: s.URL + "/crm/", User: "admin", AccessKey: key}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	t.Cleanup(c.Close)
	return c
}

// trouble fails the test unless err is a problem of the kind, and gives it.
func trouble(t *testing.T, err error, kind problem.Kind) *problem.Error {
	t.Helper()
	p, ok := problem.Of(err)
	if !ok {
		t.Fatalf("want a problem of kind %q, got %v", kind, err)
	}
	if p.Kind != kind {
		t.Fatalf("want kind %q, got %q: %v", kind, p.Kind, p)
	}
	return p
}
