package psapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cartiger/problem"
)

const testKey = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

// connect makes a client that never sleeps.
func connect(t *testing.T, url string, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{URL: url, Key: testKey, Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, h http.HandlerFunc, change ...func(*Config)) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return connect(t, server.URL, change...)
}

func (a answer) write(w http.ResponseWriter) {
	for name, values := range a.header {
		if name != "Content-Length" && name != "Connection" && name != "Date" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

func page200(body string) answer {
	return answer{status: 200, header: http.Header{"Content-Type": {"text/html"}}, body: []byte(body)}
}

func status(code int, body string, header ...string) answer {
	a := answer{status: code, header: http.Header{"Content-Type": {"text/html"}}, body: []byte(body)}
	for i := 0; i < len(header); i += 2 {
		a.header.Set(header[i], header[i+1])
	}
	return a
}

func TestEachTroubleHasItsOwnDiagnosis(t *testing.T) {
	good := captured(t, "064")
	half := good
	half.body = good.body[:len(good.body)/2]
	half.header = good.header.Clone()
	wrongSum := good
	wrongSum.header = good.header.Clone()
	wrongSum.header.Set("Content-Sha1", strings.Repeat("1", 40))
	for name, c := range map[string]struct {
		a    answer
		kind problem.Kind
		code string
		cure string // a word of it
	}{
		"no key arrived":          {captured(t, "001"), problem.Unauthorised, CodeStripped, "RewriteRule"},
		"empty key":               {captured(t, "002"), problem.Unauthorised, "17", "Web service"},
		"key of another length":   {captured(t, "003"), problem.Unauthorised, "18", "the key is the same"},
		"unknown key":             {captured(t, "004"), problem.Unauthorised, "19", "the key is the same"},
		"key without permissions": {captured(t, "006"), problem.Unauthorised, "21", "View (GET)"},
		"unknown key, no texts":   {captured(t, "124"), problem.Unauthorised, "401", "View (GET) for customers"},
		"verb not granted":        {captured(t, "010"), problem.Unauthorised, "25", "View (GET) for customers"},
		"resource not granted": {
			status(401, `<prestashop><errors><error><code><![CDATA[26]]></code><message><![CDATA[Resource of type "customers" is not allowed with this authentication key]]></message></error></errors></prestashop>`, "PSWS-Version", "1.4.11.1"),
			problem.Unauthorised, "26", "View (GET) for customers",
		},
		"unknown resource":       {captured(t, "011"), problem.NotFound, "27", "lack some resources"},
		"web service off":        {captured(t, "014"), problem.Unavailable, "22", "Enable PrestaShop Web Service"},
		"unknown field":          {captured(t, "068"), problem.Invalid, "35", ""},
		"unknown filter":         {captured(t, "093"), problem.Invalid, "32", ""},
		"bad query, no texts":    {captured(t, "122"), problem.Invalid, "400", ""},
		"notices became errors":  {captured(t, "115"), problem.Unavailable, "500", "error log"},
		"fatal, shown":           {captured(t, "020"), problem.Unavailable, CodeFatal, "error log"},
		"fatal, hidden":          {captured(t, "021"), problem.Unavailable, "500", "error log"},
		"out of memory":          {page200("<br />\n<b>Fatal error</b>:  Allowed memory size of 67108864 bytes exhausted (tried to allocate 71 bytes)"), problem.Unavailable, CodeFatal, "memory_limit"},
		"a page":                 {page200("<!DOCTYPE html><html><head><title>Welcome &amp; hello</title></head></html>"), problem.Unavailable, CodeHTML, "rewrite rule"},
		"an XHTML page":          {page200("<?xml version=\"1.0\"?><html xmlns=\"http://www.w3.org/1999/xhtml\"><body/></html>"), problem.Unavailable, CodeHTML, "rewrite rule"},
		"nothing":                {page200(""), problem.Unavailable, CodeEmpty, "error log"},
		"a byte order mark":      {page200("\ufeff\n"), problem.Unavailable, CodeEmpty, "error log"},
		"half of it":             {half, problem.Unavailable, CodeTruncated, ""},
		"wrong checksum":         {wrongSum, problem.Unavailable, CodeChecksum, "proxy"},
		"no list element":        {page200("<prestashop></prestashop>"), problem.Unavailable, CodeMalformed, ""},
		"broken XML":             {page200("<prestashop><customers><customer></customers></prestashop>"), problem.Unavailable, CodeMalformed, ""},
		"no such page":           {status(404, "<html><title>404 Not Found</title></html>"), problem.Unavailable, CodeNotThere, "mod_rewrite"},
		"firewall":               {status(403, "<html><title>Forbidden</title></html>"), problem.Unauthorised, CodeForbidden, "mod_security"},
		"password of the server": {status(401, "", "WWW-Authenticate", `Basic realm="Members only"`), problem.Unauthorised, CodeWebPassword, "Exempt"},
		"maintenance":            {status(503, "<html><title>Back soon</title></html>"), problem.Unavailable, CodeMaintenance, "Open the shop"},
		"too many":               {status(429, ""), problem.RateLimited, CodeTooMany, ""},
		"proxy":                  {status(504, "<title>Gateway Timeout</title>"), problem.Unavailable, CodeGateway, ""},
		"plain on a TLS port":    {status(400, "You're speaking plain HTTP to an SSL-enabled server port. Instead use the HTTPS scheme"), problem.Unavailable, CodeNeedsTLS, "https://"},
		"moved to www":           {status(301, "", "Location", "https://www.shop.example/boutique/api/customers?x=1"), problem.Unavailable, CodeRedirect, "Type https://www.shop.example/boutique/ as"},
		"moved to TLS":           {status(302, "", "Location", "https://shop.example/api/"), problem.Unavailable, CodeRedirect, "Type https://shop.example/ as"},
		"sent to a page":         {status(302, "", "Location", "/maintenance.html"), problem.Unavailable, CodeRedirect, "maintenance"},
		"sent nowhere":           {status(301, ""), problem.Unavailable, CodeRedirect, ""},
		"teapot":                 {status(418, "short and stout"), problem.Invalid, "418", ""},
		"key in the message": {
			page200("<br/><b>Fatal error</b>: Uncaught exception with " + testKey + " and " + basic(testKey)), problem.Unavailable, CodeFatal, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := serve(t, func(w http.ResponseWriter, _ *http.Request) { c.a.write(w) })
			_, err := client.Customers(t.Context(), Query{IDs: []int64{1}})
			p, ok := err.(*problem.Error)
			if !ok {
				t.Fatalf("error %T %v, want a problem", err, err)
			}
			if p.Kind != c.kind || p.Code != c.code || !strings.Contains(p.Cure, c.cure) {
				t.Errorf("%s %s, want %s %s\nmessage: %s\ncure: %s (want %q in it)", p.Kind, p.Code, c.kind, c.code, p.Message, p.Cure, c.cure)
			}
			if text := fmt.Sprintf("%s %s %+v", p, p.Cure, p.Cause); strings.Contains(text, testKey) || strings.Contains(text, basic(testKey)) {
				t.Errorf("the key is shown: %s", text)
			}
			if strings.ContainsAny(p.Message+p.Cure, "\x1b\x07") {
				t.Errorf("%q can act on a terminal", p.Message)
			}
		})
	}
}

func TestTheKeyIsSentOnlyWhereItBelongs(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != testKey || password != "" {
			t.Errorf("Authorization %q", r.Header.Get("Authorization"))
		}
		for _, header := range []string{"Expect", "Cookie", "Local-Content-Sha1", "Output-Format", "Io-Format"} {
			if r.Header.Get(header) != "" {
				t.Errorf("header %s is sent", header)
			}
		}
		if strings.Contains(r.URL.RawQuery, testKey) {
			t.Error("the key is in the URL")
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		http.Redirect(w, r, other.URL+r.URL.RequestURI(), http.StatusMovedPermanently)
	})
	_, err := client.Probe(t.Context())
	if p, _ := problem.Of(err); p == nil || p.Code != CodeRedirect || !strings.Contains(p.Cure, other.URL+"/") {
		t.Errorf("error %v", err)
	}
	if _, err = client.Probe(t.Context()); err == nil {
		t.Error("no error")
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went to another host", n)
	}
}

// settings is the list of configurations that a probe asks for.
func settings() answer {
	var body strings.Builder
	for i, pair := range [][2]string{{confLanguage, "1"}, {confCurrency, "1"}, {confZone, "Europe/Paris"}, {confRoundMode, "2"}, {confShopName, "Shop"}} {
		fmt.Fprintf(&body, "<configuration><id><![CDATA[%d]]></id><name><![CDATA[%s]]></name><value><![CDATA[%s]]></value></configuration>", i+1, pair[0], pair[1])
	}
	return page200("<prestashop><configurations>" + body.String() + "</configurations></prestashop>")
}

// php is a server behind CGI: the Authorization header never reaches the shop.
func php(t *testing.T, withKeyInURL bool) http.HandlerFunc {
	root, lost := captured(t, "017"), captured(t, "001")
	conf := settings()
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !withKeyInURL || r.URL.Query().Get("ws_key") != testKey:
			lost.write(w)
		case strings.HasSuffix(r.URL.Path, "/configurations"):
			conf.write(w)
		default:
			root.write(w)
		}
	}
}

func TestAStrippedHeaderIsReplacedByTheKeyInTheURL(t *testing.T) {
	t.Run("with consent", func(t *testing.T) {
		client := serve(t, php(t, true), func(cfg *Config) { cfg.AllowPlainKey = true })
		facts, err := client.Probe(t.Context())
		if err != nil || !facts.KeyInURL || facts.Zone != "Europe/Paris" {
			t.Fatalf("%+v, %v", facts, err)
		}
		if n := client.Requests(); n != 3 {
			t.Errorf("%d requests, want 3: the lost one, the root, the configuration", n)
		}
	})
	t.Run("over TLS without consent", func(t *testing.T) {
		server := httptest.NewTLSServer(php(t, true))
		defer server.Close()
		client := connect(t, server.URL, func(cfg *Config) { cfg.Insecure = true })
		if facts, err := client.Probe(t.Context()); err != nil || !facts.KeyInURL || !facts.Insecure {
			t.Errorf("%+v, %v", facts, err)
		}
	})
	t.Run("not in the clear", func(t *testing.T) {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.String(), testKey) {
				t.Error("the key is in the URL")
			}
			php(t, true)(w, r)
		})
		_, err := client.Probe(t.Context())
		if p, _ := problem.Of(err); p == nil || p.Code != CodeStripped || !strings.Contains(p.Cure, "https://") || client.Requests() != 1 {
			t.Errorf("%v after %d requests", err, client.Requests())
		}
	})
	t.Run("not understood by the shop", func(t *testing.T) {
		client := serve(t, php(t, false), func(cfg *Config) { cfg.AllowPlainKey = true })
		for range 2 {
			_, err := client.Probe(t.Context())
			if p, _ := problem.Of(err); p == nil || p.Code != CodeStripped {
				t.Errorf("%v", err)
			}
		}
		if n := client.Requests(); n != 4 {
			t.Errorf("%d requests, want 2 per probe", n)
		}
	})
}

func TestAShopWithoutRewritingIsReadThroughItsDispatcher(t *testing.T) {
	root, conf, list := captured(t, "017"), settings(), captured(t, "064")
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/shop/webservice/dispatcher.php":
			http.NotFound(w, r)
		case r.URL.Query().Get("url") == "":
			root.write(w)
		case r.URL.Query().Get("url") == "configurations":
			conf.write(w)
		default:
			list.write(w)
		}
	}, func(cfg *Config) { cfg.URL += "/shop" })
	facts, err := client.Probe(t.Context())
	if err != nil || !facts.Dispatcher {
		t.Fatalf("%+v, %v", facts, err)
	}
	if n := client.Requests(); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
	if ids, _, err := client.IDs(t.Context(), "customers", 0); err != nil || len(ids) != 3 {
		t.Errorf("%v %v", ids, err)
	}
	nowhere := serve(t, func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	_, err = nowhere.Probe(t.Context())
	if p, _ := problem.Of(err); p == nil || p.Code != CodeNotThere || !strings.Contains(p.Message, "/api/") {
		t.Errorf("%v", err)
	}
}

func TestUnreachableShopsAreToldApart(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	selfSigned := httptest.NewUnstartedServer(php(t, true))
	selfSigned.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	selfSigned.StartTLS()
	defer selfSigned.Close()
	byName := func(host string) string {
		return "https://" + host + selfSigned.URL[strings.LastIndex(selfSigned.URL, ":"):]
	}
	expired := certified(t, time.Now().AddDate(-2, 0, 0), time.Now().AddDate(-1, 0, 0))
	for name, c := range map[string]struct {
		url, ca, code, cure string
	}{
		"refused":      {closed.URL, "", CodeConnect, "host and port"},
		"unknown name": {"http://shop.invalid/", "", CodeResolve, "spelling"},
		"self-signed":  {selfSigned.URL, "", CodeUntrusted, "CA file"},
		"wrong host":   {byName("localhost"), caFile(t, selfSigned.Certificate()), CodeWrongHost, "right certificate"},
		"expired":      {expired.URL, caFile(t, expired.Certificate()), CodeExpired, "renew"},
		"no TLS":       {strings.Replace(plain.URL, "http://", "https://", 1), "", CodeNeedsTLS, "http:// instead"},
	} {
		t.Run(name, func(t *testing.T) {
			client := connect(t, c.url, func(cfg *Config) { cfg.CAFile = c.ca })
			_, err := client.Probe(t.Context())
			p, _ := problem.Of(err)
			if p == nil || p.Kind != problem.Unavailable || p.Code != c.code || !strings.Contains(p.Cure, c.cure) {
				t.Fatalf("%v %+v, want %s", err, p, c.code)
			}
			if n := client.Requests(); n != 1 {
				t.Errorf("%d requests to a shop that was never there", n)
			}
		})
	}
	trusting := connect(t, selfSigned.URL, func(cfg *Config) { cfg.CAFile = caFile(t, selfSigned.Certificate()) })
	if facts, err := trusting.Probe(t.Context()); err != nil || facts.Insecure {
		t.Errorf("with its certificate as CA file: %v", err)
	}
}

// certified is a TLS server with a certificate of its own making.
func certified(t *testing.T, from, until time.Time) *httptest.Server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "shop"}, NotBefore: from, NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func caFile(t *testing.T, cert *x509.Certificate) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestSettingsAreCheckedBeforeAnythingIsSent(t *testing.T) {
	noPEM := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(noPEM, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg   Config
		field string
	}{
		"no URL":           {Config{Key: testKey}, "shop URL"},
		"no key":           {Config{URL: "https://shop.example/"}, "shop key"},
		"a key of words":   {Config{URL: "https://shop.example/", Key: "two words"}, "shop key"},
		"user:password":    {Config{URL: "https://shop.example/", Key: "key:secret"}, "shop key"},
		"CA file missing":  {Config{URL: "https://shop.example/", Key: testKey, CAFile: noPEM + "x"}, "CA file"},
		"CA file is notes": {Config{URL: "https://shop.example/", Key: testKey, CAFile: noPEM}, "CA file"},
	} {
		_, err := New(c.cfg)
		p, _ := problem.Of(err)
		if p == nil || p.Kind != problem.Invalid || p.Field != c.field || p.Cure == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg := Config{URL: "https://shop.example/", Key: testKey}
	if text := fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg); strings.Contains(text, testKey) {
		t.Errorf("printing the settings shows the key: %s", text)
	}
}

func TestTransientTroubleIsSatOut(t *testing.T) {
	good := captured(t, "064")
	truncated := good
	truncated.body = good.body[:100]
	empty := page200("")
	for name, bad := range map[string]answer{
		"truncated": truncated, "empty": empty, "503": status(503, "<html>"), "429": status(429, "", "Retry-After", "3"), "502": status(502, ""),
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			var waited []time.Duration
			client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if asked.Add(1) <= 2 {
					bad.write(w)
					return
				}
				good.write(w)
			}, func(cfg *Config) {
				cfg.Wait = func(_ context.Context, d time.Duration) error {
					waited = append(waited, d)
					return nil
				}
			})
			ids, _, err := client.IDs(t.Context(), "customers", 0)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]int64{1, 10, 11}, ids); diff != "" || client.Requests() != 3 {
				t.Errorf("%d requests: %s", client.Requests(), diff)
			}
			if name == "429" && (len(waited) != 2 || waited[0] != 3*time.Second) {
				t.Errorf("waited %v, the server asked for 3s", waited)
			}
		})
	}
}

func TestALongRetryAfterIsHandedOn(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		status(429, "", "Retry-After", "120").write(w)
	})
	_, _, err := client.IDs(t.Context(), "customers", 0)
	if p, _ := problem.Of(err); p == nil || p.Kind != problem.RateLimited || p.RetryAfter != 2*time.Minute || client.Requests() != 1 {
		t.Errorf("%v after %d requests", err, client.Requests())
	}
}

func TestATroubleThatStaysEnds(t *testing.T) {
	client := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, _, err := client.IDs(t.Context(), "customers", 0)
	if p, _ := problem.Of(err); p == nil || p.Code != CodeReset || client.Requests() != attempts {
		t.Errorf("%v after %d requests", err, client.Requests())
	}
}

func TestACancelledReadStopsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := client.Orders(ctx, Query{})
	if p, _ := problem.Of(err); p == nil || p.Code != CodeCancelled || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err = client.Orders(ctx, Query{}); !errors.Is(err, context.Canceled) || client.Requests() != 1 {
		t.Errorf("%v after %d requests", err, client.Requests())
	}
}

func TestASlowShopIsAskedForLess(t *testing.T) {
	var mu sync.Mutex
	var limits []string
	client := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		limits = append(limits, r.URL.Query().Get("limit"))
		mu.Unlock()
		<-r.Context().Done()
	}, func(cfg *Config) { cfg.Timeout = 50 * time.Millisecond })
	_, err := client.Customers(t.Context(), Query{})
	if p, _ := problem.Of(err); p == nil || p.Kind != problem.Unavailable || p.Code != CodeTimeout {
		t.Errorf("%v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]string{"250", "125", "62", "31"}, limits); diff != "" {
		t.Error(diff)
	}
}

func TestObjectsThatWereNotAskedForAreNoAnswer(t *testing.T) {
	stale := captured(t, "064") // customers 1, 10, 11
	empty := captured(t, "070")
	var asked atomic.Int64
	once := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			stale.write(w)
			return
		}
		empty.write(w)
	})
	if ids, _, err := once.IDs(t.Context(), "customers", 10); err != nil || len(ids) > 0 || once.Requests() != 2 {
		t.Errorf("%v %v after %d requests", ids, err, once.Requests())
	}
	always := serve(t, func(w http.ResponseWriter, _ *http.Request) { stale.write(w) })
	_, _, err := always.IDs(t.Context(), "customers", 10)
	if p, _ := problem.Of(err); p == nil || p.Code != CodeUnasked || !strings.Contains(p.Message, "above 10") {
		t.Errorf("%v", err)
	}
}

func TestPausesEndWithTheContext(t *testing.T) {
	if err := pause(t.Context(), time.Nanosecond); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := pause(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestAHugeAnswerIsNotSwallowed(t *testing.T) {
	var bomb bytes.Buffer
	packer := gzip.NewWriter(&bomb)
	if _, err := io.Copy(packer, io.LimitReader(zeros{}, 20<<20)); err != nil {
		t.Fatal(err)
	}
	if err := packer.Close(); err != nil {
		t.Fatal(err)
	}
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	}, func(cfg *Config) { cfg.MaxBytes = 1 << 20 })
	_, err := client.Probe(t.Context())
	if p, _ := problem.Of(err); p == nil || p.Code != CodeTooLarge {
		t.Errorf("%v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestGzipIsUnpacked(t *testing.T) {
	good := captured(t, "064")
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("gzip is not accepted")
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Sha1", good.header.Get("Content-Sha1"))
		packer := gzip.NewWriter(w)
		_, _ = packer.Write(good.body)
		_ = packer.Close()
	})
	if ids, _, err := client.IDs(t.Context(), "customers", 0); err != nil || len(ids) != 3 {
		t.Errorf("%v %v", ids, err)
	}
}

func TestNothingSecretIsLogged(t *testing.T) {
	var log bytes.Buffer
	client := serve(t, php(t, true), func(cfg *Config) {
		cfg.AllowPlainKey = true
		cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	if _, err := client.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "status=200") || strings.Contains(log.String(), testKey) || strings.Contains(log.String(), basic(testKey)) {
		t.Errorf("log:\n%s", log.String())
	}
}

func TestTheClockDifferenceIsMeasured(t *testing.T) {
	list := captured(t, "064")
	at := time.Unix(1795426933, 0) // Access-Time of the capture
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) { list.write(w) }, func(cfg *Config) {
		cfg.Now = func() time.Time { return at.Add(-7*time.Minute + 300*time.Millisecond) }
	})
	if _, known := client.Clock(); known {
		t.Error("the clock is known before any answer")
	}
	if _, _, err := client.IDs(t.Context(), "customers", 0); err != nil {
		t.Fatal(err)
	}
	if skew, known := client.Clock(); !known || skew != 7*time.Minute {
		t.Errorf("skew %s, want 7m", skew)
	}
}
