package psapitest_test

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cartiger/fault"
	"cartiger/psapi/psapitest"
)

const (
	readOnlyKey  = "READONLYAAAAAAAAAAAAAAAAAAAAAAAA"
	powerlessKey = "NOPERMSAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// recorded is one exchange of testdata/captures.
type recorded struct {
	request *http.Request
	status  int
	header  http.Header
	body    string
}

func readCapture(t *testing.T, file string) recorded {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(raw, []byte("HTTP/1.1 ")) // a request line has no blank behind its version
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw[:at])))
	if err != nil {
		t.Fatal(err)
	}
	head, body, ok := bytes.Cut(raw[at:], []byte("\r\n\r\n"))
	if !ok {
		t.Fatalf("%s: the response has no head", file)
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(append(head, "\r\n\r\n"...))), request)
	if err != nil {
		t.Fatal(err)
	}
	return recorded{request: request, status: response.StatusCode, header: response.Header, body: string(body)}
}

// settings are what differed at the recorded server when it answered.
var settings = map[string]func(*testing.T, *psapitest.Shop){
	"014-disabled.http":    func(_ *testing.T, s *psapitest.Shop) { s.SetActive(false) },
	"129-leading-bom.http": func(t *testing.T, s *psapitest.Shop) { spoil(t, s, "bom") },
	// Capture 135 deletes what 134 deleted, which 133 had created.
	"134-delete.http": func(_ *testing.T, s *psapitest.Shop) { s.Insert("customers", map[string]string{"id": "2313"}) },
	"127-broken-cdata.http": func(_ *testing.T, s *psapitest.Shop) {
		s.Set("products", 1600, "description", "before ]]> after <b>x</b>")
	},
	"128-broken-control-char.http": func(_ *testing.T, s *psapitest.Shop) {
		s.Set("products", 1601, "description", "tab\t vt\v end")
	},
	// The auto-increment counter of the recorded server stood higher than its highest id.
	"133-post-form.http": func(_ *testing.T, s *psapitest.Shop) {
		s.Insert("customers", map[string]string{"id": "2312"})
		s.Delete("customers", 2312)
	},
}

// hidden names the captures of the server with display_errors off.
var hidden = regexp.MustCompile(`^(021|115|116|118|119|120|121|122|124|129)-`)

// noisy names the captures with something in front of the document that Content-Sha1 is of.
var noisy = regexp.MustCompile(`^(020|126|129)-`)

// masked are values that the data set does not hold: secrets are "x" there, long product texts are empty.
var masked = regexp.MustCompile(`(?s)(<(?:passwd|secure_key)(?: readonly="true")?>)<!\[CDATA\[\w+\]\]>`)

var longText = regexp.MustCompile(`(?s)<description>.*?</description>`)

func mask(body string, product bool) string {
	body = masked.ReplaceAllString(body, "$1<![CDATA[x]]>")
	if product {
		body = longText.ReplaceAllString(body, "<description/>")
	}
	return body
}

// TestTheRecordedExchanges sends every recorded request again and wants the recorded answer, byte for byte.
func TestTheRecordedExchanges(t *testing.T) {
	files, err := filepath.Glob("testdata/captures/*.http")
	if err != nil || len(files) < 100 {
		t.Fatalf("found %d captures (%v)", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".http"), func(t *testing.T) {
			want := readCapture(t, file)
			shop := newShop(t, psapitest.Options{HideErrors: hidden.MatchString(name), Now: clock(t, "2026-11-23 10:42:23")})
			shop.Grant(readOnlyKey, readOnlyRights())
			shop.Grant(powerlessKey, map[string][]string{})
			if set := settings[name]; set != nil {
				set(t, shop)
			}
			recorder := httptest.NewRecorder()
			shop.ServeHTTP(recorder, want.request)
			got := recorder.Result()
			gotBody, err := io.ReadAll(got.Body)
			if err != nil {
				t.Fatal(err)
			}

			if got.StatusCode != want.status {
				t.Errorf("status %d, recorded %d", got.StatusCode, want.status)
			}
			for _, h := range []string{"Content-Type", "PSWS-Version", "WWW-Authenticate", "X-Powered-By"} {
				if diff := cmp.Diff(want.header.Values(h), got.Header.Values(h)); diff != "" {
					t.Errorf("header %s (-recorded +got):\n%s", h, diff)
				}
			}
			for _, h := range []string{"Access-Time", "Execution-Time", "Content-Sha1"} {
				if (want.header.Get(h) != "") != (got.Header.Get(h) != "") {
					t.Errorf("header %s is %q, recorded %q", h, got.Header.Get(h), want.header.Get(h))
				}
			}
			product := strings.HasPrefix(want.request.URL.Path, "/api/products/31")
			if diff := cmp.Diff(lines(mask(want.body, product)), lines(mask(string(gotBody), product))); diff != "" {
				t.Errorf("body (-recorded +got):\n%s", diff)
			}
			sum := sha1.Sum(gotBody)
			if mask(want.body, product) == want.body && got.StatusCode == http.StatusOK && len(gotBody) > 0 && !noisy.MatchString(name) {
				if got.Header.Get("Content-Sha1") != want.header.Get("Content-Sha1") || want.header.Get("Content-Sha1") != hex.EncodeToString(sum[:]) {
					t.Errorf("Content-Sha1 %s, recorded %s", got.Header.Get("Content-Sha1"), want.header.Get("Content-Sha1"))
				}
			}
		})
	}
}

func lines(s string) []string { return strings.Split(s, "\n") }

func readOnlyRights() map[string][]string {
	rights := map[string][]string{}
	for _, r := range []string{
		"addresses", "carriers", "configurations", "countries", "currencies", "customers", "guests", "languages",
		"order_details", "order_histories", "order_states", "orders", "products",
	} {
		rights[r] = []string{"GET", "HEAD"}
	}
	return rights
}

func spoil(t *testing.T, s *psapitest.Shop, rule string) {
	t.Helper()
	r, err := fault.ParseRule(rule)
	if err != nil {
		t.Fatal(err)
	}
	s.Faults().Add(r)
}
