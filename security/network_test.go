package security_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder keeps everything that a server gets, byte by byte as far as net/http lets it through.
type recorder struct {
	next http.Handler // nil: an empty answer

	mu       sync.Mutex
	requests []string
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(body))
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\nHost: %s\n", req.Method, req.RequestURI, req.Host)
	_ = req.Header.Write(&b)
	b.WriteString("\n" + string(body))
	r.mu.Lock()
	r.requests = append(r.requests, b.String())
	r.mu.Unlock()
	if r.next != nil {
		r.next.ServeHTTP(w, req)
	}
}

func (r *recorder) got() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.requests, "\n----\n")
}

// basicKey is the shop's key as it travels in the Authorization header.
var basicKey = base64.StdEncoding.EncodeToString([]byte(shopKey + ":"))

// authority is a certificate authority of the test's own.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return authority{must[*x509.Certificate](t)(x509.ParseCertificate(der)), key}
}

// file writes the authority's certificate as people save it.
func (a authority) file(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	check(t, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o644))
	return name
}

// certify makes a server certificate.
func (a authority) certify(t testing.TB, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	change(template)
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serveTLS serves a handler with a certificate.
func serveTLS(t testing.TB, h http.Handler, certificate tls.Certificate, change func(*tls.Config)) string {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = quiet
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	if change != nil {
		change(server.TLS)
	}
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

func TestACertificateThatIsNotRightKeepsTheKeysAtHome(t *testing.T) {
	t.Parallel()
	known, stranger := newAuthority(t), newAuthority(t)
	plain := func(*x509.Certificate) {}
	for name, trouble := range map[string]struct {
		certificate tls.Certificate
		change      func(*tls.Config)
		crm, shop   string // what the diagnosis says
	}{
		"by a stranger": {stranger.certify(t, plain), nil, "not signed by a known authority", "nobody this machine trusts"},
		"by itself":     {tls.Certificate{Certificate: [][]byte{stranger.cert.Raw}, PrivateKey: stranger.key}, nil, "certificate", "certificate"},
		"expired": {
			known.certify(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), nil, "certificate is not valid", "is not valid now",
		},
		"not yet valid": {
			known.certify(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) }), nil, "certificate is not valid", "is not valid now",
		},
		"for another host": {
			known.certify(t, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"shop.example.test"} }), nil, "another host name", "is for another name",
		},
		"not for servers": {
			known.certify(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), nil, "certificate", "encrypted connection",
		},
		"TLS 1.1": {
			known.certify(t, plain), func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, "TLS 1.2 or later", "TLS 1.2 or newer",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			heard := &recorder{}
			address := serveTLS(t, heard, trouble.certificate, trouble.change)
			p := connected(t, address, address)
			p.env = append(p.env, "CARTIGER_CRM_CA_FILE="+known.file(t), "CARTIGER_SHOP_CA_FILE="+known.file(t))
			r := p.must([]int{5}, "connect", "--no-input")
			for _, words := range []string{trouble.crm, trouble.shop} {
				if !strings.Contains(r.err, words) {
					t.Errorf("the diagnosis does not say %q:\n%s", words, r.err)
				}
			}
			if got := heard.got(); got != "" {
				t.Errorf("it was asked all the same:\n%s", got)
			}
			if r := p.run("config", "get", "crm.user", "--json"); !strings.Contains(r.out, "environment") {
				t.Errorf("something was saved: %s", r.all())
			}
		})
	}
}

func TestTheOwnAuthorityIsTrustedBesidesTheSystems(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	certificate := ca.certify(t, func(*x509.Certificate) {})
	shop, crm := serveTLS(t, newShop(t), certificate, nil), serveTLS(t, newCRM(t, "5.2.1"), certificate, nil)
	p := connected(t, shop, crm)
	p.must([]int{5}, "connect", "--no-input")
	p.env = append(p.env, "CARTIGER_CRM_CA_FILE="+ca.file(t), "CARTIGER_SHOP_CA_FILE="+ca.file(t))
	p.must(done, "connect", "--no-input")
	for name, content := range map[string]string{"no certificate": "nonsense", "a device": ""} {
		file := filepath.Join(p.dir, "bad.pem")
		check(t, os.WriteFile(file, []byte(content), 0o600))
		if content == "" {
			file = "/dev/zero"
		}
		p.env = append(p.env, "CARTIGER_CRM_CA_FILE="+file, "CARTIGER_SHOP_CA_FILE="+file)
		if r := p.run("test"); r.code == 0 || !strings.Contains(r.all(), "CA file") || r.rss > maxMemory {
			t.Errorf("%s as CA file: exit code %d, %d MB\n%s", name, r.code, r.rss>>20, r.all())
		}
	}
}

func TestRedirectsNeverCarryCredentials(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	certificate := ca.certify(t, func(*x509.Certificate) {})
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, way := range []string{"https to http", "another host", "another port", "the same host"} {
			if way != "another host" && status != 302 && status != 308 {
				continue
			}
			t.Run(fmt.Sprintf("%d %s", status, way), func(t *testing.T) {
				t.Parallel()
				stranger := &recorder{}
				target := must[*url.URL](t)(url.Parse(serve(t, stranger)))
				if way == "another host" {
					target.Host = "localhost:" + target.Port()
				}
				front := &recorder{}
				front.next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					to := *r.URL
					if to.Scheme, to.Host = target.Scheme, target.Host; way == "the same host" {
						to.Scheme, to.Host, to.Path = "", "", "/elsewhere"+to.Path
					}
					w.Header().Set("Location", to.String())
					w.WriteHeader(status)
				})
				address := ""
				if way == "https to http" {
					address = serveTLS(t, front, certificate, nil)
				} else {
					address = serve(t, front)
				}
				p := connected(t, address, address)
				p.env = append(p.env, "CARTIGER_CRM_CA_FILE="+ca.file(t), "CARTIGER_SHOP_CA_FILE="+ca.file(t))
				r := p.must([]int{5}, "connect", "--no-input")
				if got := stranger.got(); got != "" {
					t.Errorf("the redirect was followed:\n%s", got)
				}
				if !strings.Contains(front.got(), basicKey) || strings.Contains(front.got(), "/elsewhere") {
					t.Errorf("the shop itself was asked:\n%s", front.got())
				}
				if !strings.Contains(r.err, "Type "+target.Scheme) && way != "the same host" {
					t.Errorf("nobody is told where the server is:\n%s", r.err)
				}
				holdsNone(t, "the diagnosis", r.all(), shopKey, crmKey, basicKey)
			})
		}
	}
}

// The access key of the CRM never travels; the key of the shop travels in the header.
func TestKeysTravelOnlyAsTheyMust(t *testing.T) {
	t.Parallel()
	shop, crm := &recorder{next: newShop(t)}, &recorder{next: newCRM(t, "5.2.1")}
	p := connected(t, serve(t, shop), serve(t, crm))
	p.must(done, "connect", "--no-input")
	p.must(done, "watch", "--once")
	if !strings.Contains(shop.got(), basicKey) || !strings.Contains(crm.got(), "operation=login") {
		t.Fatal("nothing was recorded")
	}
	holdsNone(t, "what the shop got", shop.got(), "ws_key", shopKey, crmKey)
	holdsNone(t, "what the CRM got", crm.got(), crmKey, shopKey, basicKey)
	for request := range strings.SplitSeq(crm.got(), "\n----\n") {
		if line, _, _ := strings.Cut(request, "\n"); strings.Contains(line, "accessKey") {
			t.Errorf("the login's answer to the challenge stands in a URL: %s", line)
		}
	}
}

// A web server that drops the Authorization header makes the key travel in the URL, where log files keep it.
func TestTheKeyStandsInAURLOnlyWithConsentOrTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	certificate := ca.certify(t, func(*x509.Certificate) {})
	for name, c := range map[string]struct {
		tls     bool
		consent string
		inURL   bool
	}{
		"plain HTTP":              {false, "", false},
		"plain HTTP, refused":     {false, "off", false},
		"plain HTTP with consent": {false, "on", true},
		"TLS":                     {true, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			front := &recorder{next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusUnauthorized) // as the dispatcher of capture 001: no key arrived
			})}
			crm := newCRM(t, "5.2.1")
			p := connected(t, serve(t, front), serve(t, crm))
			if c.tls {
				p = connected(t, serveTLS(t, front, certificate, nil), serve(t, crm))
				p.env = append(p.env, "CARTIGER_SHOP_CA_FILE="+ca.file(t))
			}
			if c.consent != "" {
				p.env = append(p.env, "CARTIGER_SHOP_KEY_IN_URL="+c.consent)
			}
			r := p.must([]int{5}, "connect", "--no-input", "--log", "debug")
			if got := strings.Contains(front.got(), "ws_key="+shopKey); got != c.inURL {
				t.Errorf("key in the URL: %v\n%s", got, front.got())
			}
			holdsNone(t, "the diagnosis", r.all(), shopKey, basicKey, crmKey)
		})
	}
}

func TestAConnectionWithoutEncryptionIsWarnedAbout(t *testing.T) {
	t.Parallel()
	shop, crm := newShop(t), newCRM(t, "5.2.1")
	proxy := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "shop.example.test" {
			shop.ServeHTTP(w, r)
			return
		}
		crm.ServeHTTP(w, r)
	}))
	far := connected(t, "http://shop.example.test", "http://crm.example.test")
	far.env = append(far.env, "HTTP_PROXY="+proxy)
	if r := far.must([]int{0, 1}, "status"); strings.Count(r.out, ", not encrypted") != 2 || !strings.Contains(r.out, "Use https://") {
		t.Errorf("nobody is warned:\n%s", r.all())
	}
	near := connected(t, serve(t, shop), serve(t, crm))
	if r := near.must([]int{0, 1}, "status"); strings.Contains(r.out, "not encrypted") {
		t.Errorf("a warning about this machine itself:\n%s", r.all())
	}
}
