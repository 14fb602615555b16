package psapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-resty/resty/v2"

	"cartiger/problem"
)

const where = "PrestaShop"

// Codes of problems that have none of the web service's own (17 to 39, wire/prestashop.md 1).
const (
	CodeURL         = "url"          // the shop URL is not one
	CodeKey         = "key"          // the key cannot be one
	CodeCA          = "ca-file"      // the CA file cannot be used
	CodeQuery       = "query"        // a query that the shop cannot answer rightly
	CodeCancelled   = "cancelled"    // we stopped waiting
	CodeResolve     = "resolve"      // the host name is unknown
	CodeConnect     = "connect"      // nobody answers at that address
	CodeTimeout     = "timeout"      // the answer took too long
	CodeReset       = "reset"        // the connection broke
	CodeUntrusted   = "tls-unknown"  // self-signed, or by an unknown authority
	CodeExpired     = "tls-expired"  // the certificate has expired or is not valid yet
	CodeWrongHost   = "tls-host"     // the certificate is for another name
	CodeTLS         = "tls"          // no encrypted connection for another reason
	CodeNeedsTLS    = "tls-missing"  // http:// typed, https:// wanted, or the other way round
	CodeRedirect    = "redirect"     // the shop lives at another address
	CodeStripped    = "stripped"     // the web server drops the Authorization header
	CodeWebPassword = "web-password" // the web server asks for a password of its own
	CodeForbidden   = "403"          // a firewall in front of the shop
	CodeNotThere    = "404"          // no web service at this address
	CodeHTML        = "html"         // a web page instead of XML
	CodeFatal       = "php-fatal"    // PHP died
	CodeEmpty       = "empty"        // 200 without a body
	CodeTruncated   = "truncated"    // the end is missing
	CodeChecksum    = "sha1"         // not what the web service printed
	CodeTooLarge    = "too-large"    // above MaxBytes
	CodeMalformed   = "malformed"    // XML that cannot be repaired
	CodeUnasked     = "unasked"      // objects that were not asked for
	CodeMaintenance = "maintenance"  // 503 with a web page
	CodeTooMany     = "429"          // too many requests
	CodeGateway     = "gateway"      // 502 or 504 of a proxy
)

// Codes of the web service that decide what to do (wire/prestashop.md 1).
const (
	codeOff         = "22" // the web service is switched off
	codeNotGranted  = "26" // the key has no right to the resource
	codeNoResource  = "27" // the shop does not know the resource
	noSuchShop      = "Check the shop URL: it is the folder of the shop's first page. Then switch the web service on in the back office (Tools > Web service) and save, which writes the rewrite rule for api/ into .htaccess; the web server needs mod_rewrite and AllowOverride."
	rewriteRule     = "RewriteRule . - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]"
	hiddenMessage   = "To see this error please display the PHP errors"
	maxErrorMessage = 300
)

// failure is a problem with what it allows the client to try.
type failure struct {
	problem  *problem.Error
	again    bool // the same request may succeed in a moment
	later    bool // the same, but only on a shop that has answered well before
	load     bool // the page may be too large
	broken   bool // one object of the page may be the reason
	stripped bool // the key did not arrive
	status   int
}

func (f *failure) Error() string { return f.problem.Error() }
func (f *failure) Unwrap() error { return f.problem }

// plain gives the problem without what only the client needs to know.
func plain(err error) error {
	var f *failure
	if errors.As(err, &f) {
		return f.problem
	}
	return err
}

// redact takes the key out of what is shown.
func (f *failure) redact(key string) {
	f.problem.Message, f.problem.Cure = redacted(f.problem.Message, key), redacted(f.problem.Cure, key)
}

// redacted takes the key out of a text, in each form in which it travels.
func redacted(text, key string) string {
	if len(key) < 8 {
		return text // no real key, and most texts would hold it by chance
	}
	return strings.NewReplacer(basic(key), "…", url.QueryEscape(key), "…", key, "…").Replace(text)
}

func basic(key string) string { return base64.StdEncoding.EncodeToString([]byte(key + ":")) }

// answer is what came back for one request.
type answer struct {
	status int
	header http.Header
	body   []byte
	sent   time.Time
	took   time.Duration
}

// reply is a good answer.
type reply struct {
	answer
	root  *node
	noise string
}

// transport is the way to the shop. It follows no redirect, sends no Expect header and keeps no cookies.
func (cfg Config) transport() (http.RoundTripper, error) {
	if cfg.Transport != nil {
		return cfg.Transport, nil
	}
	settings := &tls.Config{InsecureSkipVerify: cfg.Insecure, MinVersion: tls.VersionTLS12} // only when asked for, and Facts says so
	if cfg.CAFile != "" {
		pool, err := authorities(cfg.CAFile)
		if err != nil {
			return nil, err
		}
		settings.RootCAs = pool
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       settings,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: cfg.Timeout,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   cfg.Parallel,
		IdleConnTimeout:       30 * time.Second,
	}, nil
}

func authorities(file string) (*x509.CertPool, error) {
	refuse := func(rule string, cause error) error {
		return &problem.Error{
			Kind: problem.Invalid, Where: where, Code: CodeCA, Field: "CA file", Message: "the CA file " + rule,
			Cure: "Give a PEM file with the certificate of the shop or of the authority that signed it.", Cause: cause,
		}
	}
	pem, err := readSmall(file)
	if err != nil {
		return nil, refuse("cannot be read: "+excerpt(err.Error()), err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, refuse("holds no certificate in PEM form", nil)
	}
	return pool, nil
}

// engine sets up resty: its retries stay off (it cuts Retry-After to 2 s), its debug stays off (it logs bodies and
// credentials), and redirects come back as they are.
func (cfg Config) engine(way http.RoundTripper) *resty.Client {
	r := resty.NewWithClient(&http.Client{Transport: way})
	r.SetLogger(silent{})
	r.SetTimeout(cfg.Timeout)
	r.SetRetryCount(0)
	r.SetDebug(false)
	r.SetResponseBodyLimit(int(cfg.MaxBytes))
	r.SetRedirectPolicy(resty.RedirectPolicyFunc(func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }))
	r.SetHeader("User-Agent", cfg.UserAgent)
	r.SetHeader("Accept", "text/xml, application/xml")
	return r
}

// silent drops resty's own messages: they go to stderr and can hold URLs.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}

// exchange sends one request and judges the answer.
func (c *Client) exchange(ctx context.Context, resource string, p params) (reply, *failure) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return reply{}, cancelled(ctx.Err())
	}
	if err := ctx.Err(); err != nil {
		return reply{}, cancelled(err)
	}
	address, inURL := c.address(resource, p)
	request := c.http.R().SetContext(ctx)
	if !inURL {
		request.SetHeader("Authorization", "Basic "+basic(c.key))
	}
	c.requests.Add(1)
	a := answer{sent: c.now()}
	response, err := request.Get(address)
	a.took = c.now().Sub(a.sent)
	if err != nil {
		if ctx.Err() != nil {
			return reply{}, cancelled(ctx.Err())
		}
		return reply{}, unreachable(err, c.base)
	}
	a.status, a.header, a.body = response.StatusCode(), response.Header(), response.Body()
	c.log.Debug("shop answered", "resource", resource, "status", a.status, "bytes", len(a.body), "took", a.took)
	root, noise, f := diagnose(a, resource, c.base)
	if f != nil {
		f.status = a.status
		c.notice(a, inURL, f)
		return reply{}, f
	}
	c.notice(a, inURL, nil)
	noise = redacted(noise, c.key)
	c.hear(noise)
	return reply{answer: a, root: root, noise: noise}, nil
}

func cancelled(cause error) *failure {
	return &failure{problem: &problem.Error{Kind: problem.Unavailable, Where: where, Code: CodeCancelled, Message: "stopped waiting for the shop", Cause: cause}}
}

func unavailable(code, message, cure string) *failure {
	return &failure{problem: &problem.Error{Kind: problem.Unavailable, Where: where, Code: code, Message: message, Cure: cure}}
}

func unauthorised(code, message, cure string) *failure {
	f := unavailable(code, message, cure)
	f.problem.Kind = problem.Unauthorised
	return f
}

// unreachable says why no answer came. The URL that net/http puts into its errors may hold the key, so only what
// lies under it is kept.
func unreachable(err error, base *url.URL) *failure {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	f := because(err, base)
	f.problem.Cause = err
	return f
}

func because(err error, base *url.URL) *failure {
	const ca = "Save the certificate of the shop (or of the authority that signed it) as a PEM file and set it as the CA file, or have the host install a certificate of a public authority."
	host := base.Host
	var (
		unknown  x509.UnknownAuthorityError
		name     x509.HostnameError
		invalid  x509.CertificateInvalidError
		record   tls.RecordHeaderError
		alert    tls.AlertError
		verify   *tls.CertificateVerificationError
		dns      *net.DNSError
		timeout  net.Error
		issuedBy string
	)
	switch {
	case errors.Is(err, resty.ErrResponseBodyTooLarge):
		f := unavailable(CodeTooLarge, "the answer is larger than allowed", "Something other than the web service may answer; open the shop URL with api/ in a browser.")
		f.load = true
		return f
	case errors.As(err, &unknown):
		if cert := unknown.Cert; cert != nil {
			issuedBy = fmt.Sprintf(" (signed by %q)", excerpt(cert.Issuer.String()))
			if slices.Equal(cert.RawIssuer, cert.RawSubject) {
				issuedBy = " (it is signed by itself)"
			}
		}
		return unavailable(CodeUntrusted, "the certificate of "+host+" is by nobody this machine trusts"+issuedBy, ca)
	case errors.As(err, &name):
		names := "none"
		if name.Certificate != nil && len(name.Certificate.DNSNames) > 0 {
			names = excerpt(strings.Join(name.Certificate.DNSNames, ", "))
		}
		return unavailable(CodeWrongHost, "the certificate of "+host+" is for another name; it is for: "+names, "Type the shop URL with a name the certificate is for, or have the host install the right certificate.")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		span := ""
		if invalid.Cert != nil {
			span = fmt.Sprintf("; it is valid from %s to %s", invalid.Cert.NotBefore.Format(time.DateOnly), invalid.Cert.NotAfter.Format(time.DateOnly))
		}
		return unavailable(CodeExpired, "the certificate of "+host+" is not valid now"+span, "Have the host renew the certificate, and check the clock of this machine. "+ca)
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return unavailable(CodeNeedsTLS, host+" does not speak TLS on this port", "Type http:// instead of https:// if the shop has no certificate, or the right port.")
	case errors.As(err, &invalid), errors.As(err, &alert), errors.As(err, &verify), strings.Contains(err.Error(), "tls: "):
		return unavailable(CodeTLS, "no encrypted connection to "+host+": "+excerpt(err.Error()), "The web server must offer TLS 1.2 or newer with a valid certificate.")
	case errors.As(err, &dns):
		f := unavailable(CodeResolve, "the name "+base.Hostname()+" cannot be resolved", "Check the spelling of the shop URL, and that this machine can resolve names.")
		f.later = true
		return f
	case errors.As(err, &timeout) && timeout.Timeout():
		if dialling(err) {
			break
		}
		f := unavailable(CodeTimeout, "the shop did not answer in time", "The shop may be overloaded; smaller pages are tried by themselves. If it stays, look at the shop's server.")
		f.load = true
		return f
	case errors.Is(err, syscall.ECONNREFUSED), dialling(err):
	case errors.Is(err, io.ErrUnexpectedEOF):
		f := unavailable(CodeTruncated, "the answer broke off before its end", "")
		f.again = true
		return f
	default:
		f := unavailable(CodeReset, "the connection to "+host+" broke: "+excerpt(err.Error()), "If it stays, look at the shop's web server and at proxies on the way.")
		f.again = true
		return f
	}
	f := unavailable(CodeConnect, "cannot connect to "+host+": "+excerpt(err.Error()), "Check the host and port of the shop URL, that the web server runs, and that no firewall stands between.")
	f.later = true
	return f
}

func dialling(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// diagnose judges an answer. Success is 2xx and a <prestashop> element without <errors> (wire/prestashop.md 7);
// everything else gets the name of its cause.
func diagnose(a answer, resource string, base *url.URL) (*node, string, *failure) {
	if a.status >= 300 && a.status < 400 {
		return nil, "", redirected(a, base)
	}
	doc, err := cut(a.body)
	if err != nil {
		return nil, "", foreign(a, base)
	}
	root, err := parse(doc.xml)
	if err == nil && root.child("errors") != nil {
		return nil, "", refused(a, root.child("errors"), resource)
	}
	sum := strings.ToLower(a.header.Get("Content-Sha1"))
	switch {
	case a.status < 200 || a.status > 299:
		return nil, "", foreign(a, base)
	case !doc.whole:
		f := unavailable(CodeTruncated, "the answer broke off before its end", "")
		f.again = true
		return nil, "", f
	case len(sum) == 40 && !doc.printed(sum):
		f := unavailable(CodeChecksum, "the answer is not what the web service printed: its checksum differs", "A proxy or module changes the answers on the way; exempt api/ from it.")
		f.again = true
		return nil, "", f
	case err != nil:
		f := unavailable(CodeMalformed, "the answer is broken XML: "+excerpt(err.Error()), "")
		f.broken = true
		return nil, "", f
	}
	return root, doc.noise, nil
}

// redirected reports a redirect with the URL to type. None is followed: the key would go where nobody decided it
// should.
func redirected(a answer, base *url.URL) *failure {
	target, err := base.Parse(a.header.Get("Location"))
	if err != nil || target.Host == "" {
		f := unavailable(CodeRedirect, fmt.Sprintf("the shop answers %d without saying where it has moved", a.status), noSuchShop)
		f.later = true
		return f
	}
	shop := url.URL{Scheme: target.Scheme, Host: target.Host, Path: "/"}
	for _, way := range []string{"api/", "webservice/dispatcher.php", "api"} {
		if before, _, ok := strings.Cut(target.Path, "/"+way); ok {
			shop.Path = before + "/"
			f := unavailable(CodeRedirect, fmt.Sprintf("the shop redirects to %s (%d); the key is not sent there", excerpt(shop.String()), a.status), "Type "+excerpt(shop.String())+" as the shop URL.")
			f.problem.Field = "shop URL"
			f.later = true
			return f
		}
	}
	shop.Path = target.Path
	f := unavailable(CodeRedirect, fmt.Sprintf("the shop redirects the web service to a page, %s (%d)", excerpt(shop.String()), a.status), "The shop may be closed for maintenance, or nothing answers at api/. "+noSuchShop)
	f.problem.Field = "shop URL"
	f.later = true
	return f
}

// refused is an answer of the web service itself.
func refused(a answer, errs *node, resource string) *failure {
	code, message := "", ""
	for _, e := range errs.kids {
		if n := e.child("code"); n != nil && code == "" {
			code = excerpt(n.text)
		}
		if n := e.child("message"); n != nil && len(message) < maxErrorMessage {
			message = strings.TrimSpace(message + " " + excerpt(n.text))
		}
	}
	hidden := strings.Contains(message, hiddenMessage)
	if hidden || message == "" {
		message = "no reason given: the shop hides its errors (display_errors is off)"
	}
	shown := code
	if shown == "" {
		shown = strconv.Itoa(a.status)
	}
	named := "the " + resource
	if resource == "" {
		named = "the list of resources"
	}
	const keys = "In the back office under Tools > Web service, "
	switch {
	case a.status == http.StatusUnauthorized && code == codeNotGranted:
		f := unauthorised(code, "the key has no right to read "+named, keys+"edit the key and tick View (GET) for "+resource+".")
		f.problem.Field = resource
		return f
	case a.status == http.StatusUnauthorized:
		reason := map[string]string{
			"17": "the key arrived empty", "18": "the key does not have 32 characters", "19": "the shop does not know the key",
			"20": "the key is switched off", "21": "the key has no permissions",
		}[code]
		cure := keys + "check that the key is the same, active, and has View (GET) for the resources."
		if reason == "" {
			reason = "the shop refuses the key: " + message
			if resource != "" {
				cure = keys + "check that the key is active and has View (GET) for " + resource + "."
			}
		}
		return unauthorised(shown, reason, cure)
	case a.status == http.StatusMethodNotAllowed:
		f := unauthorised(shown, "the key may not read "+named+": "+message, keys+"edit the key and tick View (GET) for "+resource+".")
		f.problem.Field = resource
		return f
	case a.status == http.StatusServiceUnavailable, code == codeOff:
		if code == "" {
			shown = codeOff
		}
		f := unavailable(shown, "the shop's web service is switched off", "In the back office under Tools > Web service set \"Enable PrestaShop Web Service\" to yes and save.")
		f.problem.RetryAfter = retryAfter(a.header, a.sent)
		return f
	case a.status == http.StatusTooManyRequests:
		return tooMany(a)
	case code == codeNoResource:
		f := unavailable(code, "the shop does not know the resource "+resource, "Shops before 1.4.11 lack some resources, later ones have replaced some.")
		f.problem.Kind, f.problem.Field = problem.NotFound, resource
		return f
	case a.status == http.StatusNotFound:
		f := unavailable(shown, named+": "+message, "")
		f.problem.Kind = problem.NotFound
		return f
	case a.status == http.StatusBadRequest:
		f := unavailable(shown, "the shop refuses the query of "+named+": "+message, "")
		f.problem.Kind = problem.Invalid
		return f
	}
	f := unavailable(shown, "the shop failed to list "+named+": "+message, "Look into the error log of the shop's web server.")
	f.broken = true
	return f
}

func tooMany(a answer) *failure {
	f := unavailable(CodeTooMany, "the shop asks for fewer requests", "")
	f.problem.Kind, f.problem.RetryAfter, f.again = problem.RateLimited, retryAfter(a.header, a.sent), true
	return f
}

var titleForm = regexp.MustCompile(`(?is)<title[^>]*>(.{0,500}?)</title>`)

// foreign is an answer that the web service did not print.
func foreign(a answer, base *url.URL) *failure {
	text := string(a.body[:min(len(a.body), 64<<10)])
	title := ""
	if m := titleForm.FindStringSubmatch(text); m != nil {
		title = fmt.Sprintf(" (%q)", excerpt(m[1]))
	}
	fatal := ""
	for _, line := range strings.Split(plainText(text), "\n") {
		if strings.Contains(line, "Fatal error") || strings.Contains(line, "Parse error") {
			fatal = excerpt(line)
			break
		}
	}
	blank := strings.TrimSpace(strings.TrimPrefix(text, "\ufeff")) == ""
	switch a.status {
	case http.StatusUnauthorized:
		// The dispatcher answers before the shop, without PSWS-Version, when no key arrived (capture 001).
		realm := a.header.Get("WWW-Authenticate")
		if realm != "" && !strings.Contains(strings.ToLower(realm), "webservice") {
			return unauthorised(CodeWebPassword, "the web server in front of the shop asks for a password of its own: "+excerpt(realm), "Exempt the folders api/ and webservice/ from that password: one request cannot carry two.")
		}
		f := unauthorised(CodeStripped, "the key did not reach the shop: the web server drops the Authorization header",
			"Put \""+rewriteRule+"\" into the shop's .htaccess, or (1.4.7 and later) switch on the CGI mode under Tools > Web service, or use https:// so that the key can travel in the URL.")
		f.stripped = true
		return f
	case http.StatusForbidden, http.StatusNotAcceptable:
		f := unauthorised(CodeForbidden, fmt.Sprintf("the web server forbids the request (%d)%s", a.status, title), "A firewall or a rule of the web server (mod_security) stops it; exempt api/ from it.")
		f.later = true
		return f
	case http.StatusNotFound:
		f := unavailable(CodeNotThere, "no web service at "+base.String()+"api/"+title, noSuchShop)
		f.problem.Field, f.later = "shop URL", true
		return f
	case http.StatusBadRequest:
		if strings.Contains(text, "plain HTTP") && strings.Contains(text, "HTTPS") {
			return unavailable(CodeNeedsTLS, base.Host+" wants an encrypted connection on this port", "Type https:// instead of http://.")
		}
	case http.StatusTooManyRequests:
		return tooMany(a)
	case http.StatusRequestTimeout, http.StatusGatewayTimeout, http.StatusBadGateway:
		f := unavailable(CodeGateway, fmt.Sprintf("a proxy in front of the shop gave up (%d)%s", a.status, title), "")
		f.load, f.again = true, a.status == http.StatusBadGateway
		return f
	case http.StatusServiceUnavailable:
		f := unavailable(CodeMaintenance, "the shop is closed for maintenance"+title, "Open the shop again in the back office under Preferences, or wait until its host has finished.")
		f.problem.RetryAfter, f.again = retryAfter(a.header, a.sent), true
		return f
	case http.StatusInternalServerError:
		if fatal == "" {
			f := unavailable("500", "the shop failed without saying why"+title, "Look into the error log of the shop's web server; often PHP's memory_limit is too low.")
			f.broken = true
			return f
		}
	}
	switch {
	case fatal != "":
		cure := "Look into the error log of the shop's web server."
		if strings.Contains(fatal, "memory") {
			cure = "Raise PHP's memory_limit on the shop's server."
		}
		f := unavailable(CodeFatal, "PHP failed in the shop: "+fatal, cure)
		f.broken = true
		return f
	case a.status >= 200 && a.status < 300 && blank:
		f := unavailable(CodeEmpty, "the shop answered nothing at all", "Look into the error log of the shop's web server.")
		f.again = true
		return f
	case a.status >= 200 && a.status < 300:
		f := unavailable(CodeHTML, "a web page instead of the web service answers at "+base.String()+"api/"+title, noSuchShop)
		f.problem.Field, f.later = "shop URL", true
		return f
	}
	f := unavailable(strconv.Itoa(a.status), fmt.Sprintf("the web server answers %d %s%s", a.status, http.StatusText(a.status), title), "")
	if a.status < 500 {
		f.problem.Kind = problem.Invalid
	}
	f.later = true
	return f
}
