package vtigerws

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cartiger/problem"
)

const leadMade = `{"success":true,"result":{"lastname":"Roe","id":"2x10"}}`

var lead = Write{Op: OpCreate, Module: "Leads", Fields: Record{"lastname": "Roe", "company": "Roe", "assigned_user_id": "19x1"}}

// answerWith answers with a status, headers and a body.
func answerWith(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// A CRM whose PHP prints so much that no session starts fails without an error: the cure is php.ini, not the URL.
func TestWarningsThatKeepTheSessionFromStartingHaveTheirOwnCure(t *testing.T) {
	noise := strings.Repeat("<br />\n<b>Deprecated</b>:  Non-static method HTTP_Session::start() should not be called statically in <b>Session.php</b><br />\n", 50)
	_, _, err := open(call{op: "getchallenge"}, answer{body: []byte(noise + `{"success":false,"error":null}`)})
	p := trouble(t, err, problem.Unavailable)
	if p.Code != codeNoSession || !strings.Contains(p.Message, "Deprecated") || !strings.Contains(p.Cure, "display_errors") {
		t.Errorf("%+v", p)
	}
}

// What happened to a write decides whether it may be sent again: everything that can stand before or behind the moment
// of storing is unknown, everything that certainly stands before it had no effect.
func TestTheOutcomeOfAWriteIsUnknownUnlessItCertainlyDidNotRun(t *testing.T) {
	cases := []struct {
		name        string
		happens     http.HandlerFunc
		write, read problem.Kind
	}{
		{"the connection is cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, problem.Unknown, problem.Unavailable},
		{"no answer in time", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, problem.Unknown, problem.Unavailable},
		{"500 with an empty body", answerWith(500, ""), problem.Unknown, problem.Unavailable},
		{"502", answerWith(502, "<h1>Bad Gateway</h1>"), problem.Unknown, problem.Unavailable},
		{"504", answerWith(504, "<h1>Gateway Timeout</h1>"), problem.Unknown, problem.Unavailable},
		{"200 with an empty body", answerWith(200, ""), problem.Unknown, problem.Unavailable},
		{"a web page", answerWith(200, "<html><title>Fatal</title><b>Fatal error</b>: out of memory</html>"), problem.Unknown, problem.Unavailable},
		{"a word", answerWith(200, "Sorry! Attempt to access restricted file."), problem.Unknown, problem.Unavailable},
		{"half of the body", answerWith(200, leadMade[:len(leadMade)/2]), problem.Unknown, problem.Unavailable},
		{"fewer bytes than announced", answerWith(200, leadMade, "Content-Length", "4000"), problem.Unknown, problem.Unavailable},
		{"a record without id", answerWith(200, `{"success":true,"result":{"lastname":"Roe"}}`), problem.Unknown, problem.Unavailable},
		{"an answer too large", answerWith(200, leadMade+strings.Repeat(" ", 1<<16)), problem.Unknown, problem.Unavailable},
		{"SQL failed", answerWith(200, `{"success":false,"error":{"code":"DATABASE_QUERY_ERROR","message":"Database error"}}`), problem.Unknown, problem.Unavailable},
		{"an add-on's own code", answerWith(200, `{"success":false,"error":{"code":"MY_CODE","message":"no"}}`), problem.Unknown, problem.Invalid},
		{"a dead PHP behind a proxy", answerWith(503, "The server is temporarily unable to service your request due to maintenance downtime or capacity problems."), problem.Unknown, problem.Unavailable},
		{"503 with an empty body", answerWith(503, ""), problem.Unknown, problem.Unavailable},

		{"a maintenance page", answerWith(503, "<h1>Down for maintenance</h1>"), problem.Unavailable, problem.Unavailable},
		{"503 with Retry-After", answerWith(503, "", "Retry-After", "7"), problem.Unavailable, problem.Unavailable},
		{"too many requests", answerWith(429, "", "Retry-After", "7"), problem.RateLimited, problem.RateLimited},
		{"a password is asked for", answerWith(401, "<h1>Unauthorized</h1>"), problem.Unauthorised, problem.Unauthorised},
		{"the firewall forbids", answerWith(403, "<h1>Forbidden</h1>"), problem.Unauthorised, problem.Unauthorised},
		{"not found", answerWith(404, "<h1>Not Found</h1>"), problem.Invalid, problem.Invalid},
		{"moved", answerWith(301, "", "Location", "https://www.example.com/crm/webservice.php?x=1"), problem.Invalid, problem.Invalid},
		{"not allowed", answerWith(200, `{"success":false,"error":{"code":"ACCESS_DENIED","message":"Permission to write is denied"}}`), problem.Unauthorised, problem.Unauthorised},
		{"a mandatory field is missing", answerWith(200, `{"success":false,"error":{"code":"MANDATORY_FIELDS_MISSING","message":"company does not have a value"}}`), problem.Invalid, problem.Invalid},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			var crm *scripted
			crm = serve(t, "5.2.1", func(_ string, form url.Values, w http.ResponseWriter) {
				r, _ := http.NewRequestWithContext(crm.ctx(), http.MethodGet, "/", nil)
				k.happens(w, r)
			})
			c := crm.client(t, func(cfg *Config) { cfg.MaxBytes = 1 << 15 })
			if _, err := c.Login(t.Context()); err != nil {
				t.Fatal(err)
			}
			if k.name == "no answer in time" {
				c.http.SetTimeout(20 * time.Millisecond)
			}
			crm.ops()
			_, err := c.Do(t.Context(), lead)
			trouble(t, err, k.write)
			if sent := count(crm.ops(), "create"); sent != 1 {
				t.Errorf("the write was sent %d times", sent)
			}
			_, err = c.Retrieve(t.Context(), "2x10")
			trouble(t, err, k.read)
		})
	}
}

func count(ops []string, op string) int {
	n := 0
	for _, o := range ops {
		if o == op {
			n++
		}
	}
	return n
}

func TestAWriteThatNeverLeftHadNoEffect(t *testing.T) {
	logged := func(t *testing.T, change ...func(*Config)) (*scripted, *Client) {
		crm := serve(t, "5.2.1", func(_ string, _ url.Values, w http.ResponseWriter) { fmt.Fprint(w, leadMade) })
		c := crm.client(t, change...)
		if _, err := c.Login(t.Context()); err != nil {
			t.Fatal(err)
		}
		return crm, c
	}
	t.Run("connection refused", func(t *testing.T) {
		crm, c := logged(t)
		crm.Server.Close()
		c.Close() // an idle connection would only tell that it ended, not before what
		_, err := c.Do(t.Context(), lead)
		trouble(t, err, problem.Unavailable)
	})
	t.Run("host not found", func(t *testing.T) {
		_, c := logged(t)
		c.Close()
		c.url = "http://nowhere.invalid/crm/webservice.php"
		p := trouble(t, second(c.Do(t.Context(), lead)), problem.Unavailable)
		if p.Code != codeDNS && p.Code != codeConnect {
			t.Errorf("code %q", p.Code)
		}
	})
	t.Run("cancelled before", func(t *testing.T) {
		_, c := logged(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.Do(ctx, lead)
		trouble(t, err, problem.Unavailable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the cancellation is lost: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// secure is a server with a certificate that nobody knows.
func secure(t *testing.T) *httptest.Server {
	t.Helper()
	crm := httptest.NewUnstartedServer(http.NotFoundHandler())
	crm.Config.ErrorLog = log.New(io.Discard, "", 0) // of refused handshakes
	crm.StartTLS()
	t.Cleanup(crm.Close)
	return crm
}

func TestTLSTroubleIsToldApart(t *testing.T) {
	crm := secure(t)
	plainHTTP := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plainHTTP.Close)

	c, err := New(Config{URL: crm.URL, User: "admin", AccessKey: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p := trouble(t, second(c.Login(t.Context())), problem.Unavailable)
	if p.Code != codeTLS || !strings.Contains(p.Cure, "CA file") {
		t.Errorf("self-signed: %v; cure %q", p, p.Cure)
	}
	if c.Requests() != 1 {
		t.Errorf("a wrong certificate was tried %d times", c.Requests())
	}

	c, err = New(Config{URL: crm.URL, User: "admin", AccessKey: key, Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p = trouble(t, second(c.Login(t.Context())), problem.Invalid)
	if p.Code != codeHTTP {
		t.Errorf("accepted certificate: %v", p)
	}

	c, err = New(Config{URL: strings.Replace(plainHTTP.URL, "http:", "https:", 1), User: "admin", AccessKey: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p = trouble(t, second(c.Login(t.Context())), problem.Unavailable)
	if p.Code != codeTLS || !strings.Contains(p.Cure, "http://") {
		t.Errorf("no TLS on the port: %v; cure %q", p, p.Cure)
	}
}

func TestACertificateOfTheOwnAuthorityIsAccepted(t *testing.T) {
	crm := secure(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: crm.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{URL: crm.URL, User: "admin", AccessKey: key, CAFile: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if p := trouble(t, second(c.Login(t.Context())), problem.Invalid); p.Code != codeHTTP {
		t.Errorf("%v", p)
	}
	// The certificate is for 127.0.0.1 and example.com, not for this name of the same machine.
	c, err = New(Config{URL: strings.Replace(crm.URL, "127.0.0.1", "localhost", 1), User: "admin", AccessKey: key, CAFile: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if p := trouble(t, second(c.Login(t.Context())), problem.Unavailable); p.Code != codeTLS || !strings.Contains(p.Cure, "host name") {
		t.Errorf("%v; %s", p, p.Cure)
	}
}

func TestARefusalWithoutWordsSaysWhatItsCodeMeans(t *testing.T) {
	for code, meaning := range meanings {
		err := denied(call{op: "create", module: "Leads", write: true}, wireError{Code: code})
		if p, _ := problem.Of(err); !strings.HasSuffix(p.Message, meaning) || p.Code != string(code) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestARedirectIsNotFollowedButNamesTheURLToType(t *testing.T) {
	reached := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(elsewhere.Close)
	crm := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/vt/webservice.php?operation=x", http.StatusMovedPermanently))
	t.Cleanup(crm.Close)
	c, err := New(Config{URL: crm.URL, User: "admin", AccessKey: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p := trouble(t, second(c.Login(t.Context())), problem.Invalid)
	if reached {
		t.Error("the redirect was followed")
	}
	if want := "Type " + elsewhere.URL + "/vt/ as the URL."; p.Cure != want {
		t.Errorf("cure %q, want %q", p.Cure, want)
	}
}

func TestReadsAreRepeatedAFewTimesAndHonourRetryAfter(t *testing.T) {
	failures := 2
	crm := serve(t, "5.2.1", func(_ string, _ url.Values, w http.ResponseWriter) {
		if failures--; failures >= 0 {
			answerWith(429, "", "Retry-After", "5")(w, nil)
			return
		}
		fmt.Fprint(w, `{"success":true,"result":{"id":"2x10"}}`)
	})
	c := crm.client(t)
	var naps []time.Duration
	c.sleep = func(_ context.Context, d time.Duration) error { naps = append(naps, d); return nil }
	if _, err := c.Retrieve(t.Context(), "2x10"); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{5 * time.Second, 5 * time.Second}; !slices.Equal(naps, want) {
		t.Errorf("waited %v, want %v", naps, want)
	}
	failures = 100
	crm.ops()
	p := trouble(t, second(c.Retrieve(t.Context(), "2x10")), problem.RateLimited)
	if p.RetryAfter != 5*time.Second {
		t.Errorf("retry after %v", p.RetryAfter)
	}
	if n := count(crm.ops(), "retrieve"); n != tries {
		t.Errorf("sent %d times, want %d", n, tries)
	}
}

func TestALongRetryAfterIsLeftToTheCaller(t *testing.T) {
	p := &problem.Error{Kind: problem.RateLimited, RetryAfter: 10 * time.Minute}
	if again(p, 1) {
		t.Error("would sleep for ten minutes")
	}
	header := http.Header{"Retry-After": {"86400"}}
	if got := retryAfter(header, time.Now()); got != longest {
		t.Errorf("a day became %v", got)
	}
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	header.Set("Retry-After", now.Add(30*time.Second).Format(http.TimeFormat))
	if got := retryAfter(header, now); got != 30*time.Second {
		t.Errorf("a date became %v", got)
	}
	header.Set("Retry-After", "soon")
	if got := retryAfter(header, now); got != 0 {
		t.Errorf("nonsense became %v", got)
	}
}

func TestBackoffGrows(t *testing.T) {
	p := &problem.Error{Kind: problem.Unavailable}
	for tried := 1; tried <= 3; tried++ {
		most := 3 * (pause << (tried - 1)) / 2
		if d := backoff(p, tried); d < pause<<(tried-1)/2 || d > most {
			t.Errorf("after try %d: %v, at most %v", tried, d, most)
		}
	}
}

func TestAConnectionIsAnUnsentRequestOnlyWhileItIsBeingMade(t *testing.T) {
	var d departure
	if !d.sent(errors.New("a transport that tells nothing")) {
		t.Error("a silent transport must count as sent")
	}
	trace := d.trace()
	trace.GetConn("host:80")
	if d.sent(errors.New("handshake")) {
		t.Error("no connection yet")
	}
	trace.GotConn(struct {
		Conn     net.Conn
		Reused   bool
		WasIdle  bool
		IdleTime time.Duration
	}{})
	if !d.sent(errors.New("EOF")) {
		t.Error("on a connection it may have left")
	}
}
