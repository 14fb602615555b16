package vtigerws

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"

	"cartiger/problem"
)

// where names this server in problems.
const where = "vtiger"

// webservice is the one script that all operations go through.
const webservice = "webservice.php"

// idleTimeout is shorter than Apache's KeepAliveTimeout of 5 s: a write must not go out on a connection that the server
// is closing at that moment, its outcome would be unknown for nothing.
const idleTimeout = 3 * time.Second

// pair is one request parameter; a form keeps its order, because PHP cuts at max_input_vars and what comes first
// survives (wire/vtiger.md 3a).
type pair struct{ name, value string }

type form []pair

func (f form) encode() string {
	var b strings.Builder
	for i, p := range f {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.name))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p.value))
	}
	return b.String()
}

// call is one operation to send. A GET operation reads its parameters only from the URL, a POST operation only from
// the form (wire/vtiger.md 1).
type call struct {
	op     string
	module string // for messages
	params form
	post   bool
	write  bool // changes the CRM: never repeated unless it certainly did not run
}

// name is the call in messages.
func (q call) name() string {
	if q.module == "" {
		return q.op
	}
	return q.op + " " + q.module
}

// doubt is the kind of a call whose answer did not arrive: a read can be repeated, a write may have run.
func (q call) doubt() problem.Kind {
	if q.write {
		return problem.Unknown
	}
	return problem.Unavailable
}

// answer is one HTTP answer, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// newHTTP builds the HTTP client: no redirects, no cookies, no retries, no debug output (it would log bodies).
func newHTTP(cfg Config, transport http.RoundTripper) *resty.Client {
	client := resty.NewWithClient(&http.Client{Transport: transport})
	client.SetTimeout(cfg.Timeout)
	client.SetResponseBodyLimit(int(cfg.MaxBytes))
	client.SetRetryCount(0)
	client.SetDebug(false)
	client.SetLogger(silence{})
	client.SetHeader("User-Agent", cfg.UserAgent)
	client.SetRedirectPolicy(resty.RedirectPolicyFunc(func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the session would travel along, and a POST would become a GET
	}))
	return client
}

// silence swallows what the HTTP library wants to log.
type silence struct{}

func (silence) Errorf(string, ...any) {}
func (silence) Warnf(string, ...any)  {}
func (silence) Debugf(string, ...any) {}

// newTransport builds the connections: verified TLS unless the configuration says otherwise.
func newTransport(cfg Config, roots *x509.CertPool) *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, InsecureSkipVerify: cfg.Insecure}
	transport.IdleConnTimeout = idleTimeout
	transport.MaxIdleConnsPerHost = 16
	return transport
}

// fetch sends a call once. sent is false only if the request certainly did not leave.
func (c *Client) fetch(ctx context.Context, q call, session string) (a answer, sent bool, err error) {
	if err := ctx.Err(); err != nil {
		return answer{}, false, err
	}
	c.requests.Add(1)
	params := form{{"operation", q.op}}
	if session != "" {
		params = append(params, pair{"sessionName", session})
	}
	params = append(params, q.params...)

	var d departure
	request := c.http.R().SetContext(httptrace.WithClientTrace(ctx, d.trace()))
	var response *resty.Response
	if q.post {
		request.SetHeader("Content-Type", "application/x-www-form-urlencoded").SetBody(params.encode())
		response, err = request.Post(c.url)
	} else {
		response, err = request.Get(c.url + "?" + params.encode())
	}
	if err != nil {
		// url.Error prints the URL, and with it the session.
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return answer{}, d.sent(err), err
	}
	return answer{status: response.StatusCode(), header: response.Header(), body: response.Body()}, true, nil
}

// departure watches whether a request got a connection to leave on. A transport that tells nothing counts as sent.
type departure struct{ asked, connected atomic.Bool }

func (d *departure) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { d.connected.Store(false); d.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { d.connected.Store(true) },
	}
}

func (d *departure) sent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	if errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial" {
		return false
	}
	return !d.asked.Load() || d.connected.Load()
}

// missing judges a call that got no answer.
func missing(q call, sent bool, err error) error {
	p := &problem.Error{Kind: problem.Unavailable, Where: where, Cause: err}
	if sent {
		p.Kind = q.doubt()
	}
	var (
		dns       *net.DNSError
		op        *net.OpError
		unknownCA x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		timeout   interface{ Timeout() bool }
	)
	switch {
	case errors.Is(err, context.Canceled):
		p.Code, p.Message = codeCancelled, q.name()+" was cancelled"
	case errors.Is(err, resty.ErrResponseBodyTooLarge):
		p.Code, p.Message = codeTooLarge, q.name()+": the answer is too large"
		p.Cure = "Check that the URL is the CRM's own; a real answer is far smaller."
	case errors.As(err, &unknownCA):
		p.Code, p.Message = codeTLS, "the certificate is not signed by a known authority"
		p.Cure = "Name the CRM's own certificate authority in the CA file setting, or install a public certificate."
	case errors.As(err, &hostname):
		p.Code, p.Message = codeTLS, "the certificate is for another host name"
		p.Cure = "Type the URL with the host name that the certificate carries."
	case errors.As(err, &invalid):
		p.Code, p.Message = codeTLS, "the certificate is not valid: "+plain(invalid.Error(), 160)
		p.Cure = "Renew the CRM's certificate, and check this machine's clock."
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		p.Code, p.Message = codeTLS, "the server does not speak TLS on this port"
		p.Cure = "Type http:// instead of https://, or the right port."
	case errors.As(err, &alert), !sent && strings.Contains(err.Error(), "tls: "):
		p.Code, p.Message = codeTLS, "no secure connection: "+plain(err.Error(), 160)
		p.Cure = "The server must offer TLS 1.2 or later."
	case errors.As(err, &dns):
		p.Code, p.Message = codeDNS, "the host "+plain(dns.Name, 120)+" was not found"
		p.Cure = "Check the host name in the URL, and this machine's name service."
	case !sent && errors.As(err, &timeout) && timeout.Timeout():
		p.Code, p.Message = codeConnect, "no connection in time"
		p.Cure = "Check that the server is up and that no firewall stands between."
	case errors.As(err, &op) && op.Op == "dial":
		p.Code, p.Message = codeConnect, "no connection: "+plain(op.Err.Error(), 160)
		p.Cure = "Check the host and port in the URL, and that the web server runs."
	case errors.As(err, &timeout) && timeout.Timeout():
		p.Code, p.Message = codeTimeout, q.name()+": no answer in time"
		p.Cure = "The CRM is slow or stuck: look at its load, or raise the time-out."
	case !sent:
		p.Code, p.Message = codeConnect, "no connection: "+plain(err.Error(), 160)
	default:
		p.Code, p.Message = codeCut, q.name()+": the connection ended before the answer: "+plain(err.Error(), 160)
	}
	return p
}

// weigh judges an answer: the result, and what noise surrounded it, or a problem.
func weigh(q call, a answer, base string) (json.RawMessage, string, error) {
	switch {
	case a.status/100 == 2:
		return open(q, a)
	case a.status/100 == 3:
		return nil, "", redirected(q, a, base)
	case a.status == http.StatusTooManyRequests:
		return nil, "", &problem.Error{
			Kind: problem.RateLimited, Where: where, Code: codeHTTP, RetryAfter: retryAfter(a.header, time.Now()),
			Message: q.name() + ": HTTP 429, too many requests",
		}
	case a.status == http.StatusServiceUnavailable:
		return nil, "", closed(q, a)
	case a.status == http.StatusRequestTimeout:
		return nil, "", &problem.Error{Kind: problem.Unavailable, Where: where, Code: codeHTTP, Message: q.name() + ": HTTP 408, the server did not wait for the request"}
	case a.status/100 == 4:
		return nil, "", refusedByServer(q, a)
	}
	// PHP answers 500 with an empty body when it dies, whether before or after the record was stored.
	return nil, "", &problem.Error{
		Kind: q.doubt(), Where: where, Code: codeHTTP, Message: fmt.Sprintf("%s: HTTP %d%s", q.name(), a.status, said(a.body)),
		Cure: "Look at the PHP error log of the CRM.",
	}
}

// closed judges a 503. A maintenance page or a limiter sends it instead of the request; a proxy sends it, with an empty
// body or its stock words, also when PHP died in the middle.
func closed(q call, a answer) error {
	p := &problem.Error{
		Kind: problem.Unavailable, Where: where, Code: codeHTTP, RetryAfter: retryAfter(a.header, time.Now()),
		Message: q.name() + ": HTTP 503, the CRM is closed at the moment" + said(a.body),
		Cure:    "Wait for the end of the maintenance.",
	}
	stock := bytes.Contains(a.body, []byte("maintenance downtime or capacity problems"))
	if a.header.Get("Retry-After") == "" && (len(a.body) == 0 || stock) {
		p.Kind = q.doubt()
	}
	return p
}

func refusedByServer(q call, a answer) error {
	p := &problem.Error{
		Kind: problem.Invalid, Where: where, Code: codeHTTP,
		Message: fmt.Sprintf("%s: HTTP %d%s", q.name(), a.status, said(a.body)),
		Cure:    "Check the URL: it must be the CRM's folder, the one that holds webservice.php.",
	}
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		p.Kind = problem.Unauthorised
		p.Cure = "The web server itself refuses webservice.php: exempt it from password protection, IP filter or firewall."
	case http.StatusRequestURITooLong, http.StatusRequestEntityTooLarge:
		p.Cure = "Raise the web server's limit for the size of a request."
	}
	return p
}

// redirected tells the URL that should have been typed. It is never followed: the session would go with it.
func redirected(q call, a answer, base string) error {
	p := &problem.Error{
		Kind: problem.Invalid, Where: where, Code: codeRedirect, Field: "URL",
		Message: fmt.Sprintf("%s: HTTP %d, the CRM is at another URL", q.name(), a.status),
		Cure:    "Type the URL that the browser shows on the CRM's login page.",
	}
	from, err := url.Parse(base)
	if err != nil {
		return p
	}
	to, err := from.Parse(a.header.Get("Location"))
	if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return p
	}
	to.User, to.RawQuery, to.Fragment = nil, "", ""
	if i := strings.LastIndexByte(to.Path, '/'); strings.HasSuffix(to.Path, ".php") && i >= 0 {
		to.Path, to.RawPath = to.Path[:i+1], ""
	}
	p.Cure = "Type " + plain(to.String(), 200) + " as the URL."
	return p
}

// said quotes the words of a page, for the message.
func said(body []byte) string {
	if words := page(body, 120); words != "" {
		return ": " + strconv.Quote(words)
	}
	return ""
}

// failsWithoutError is all that vtiger says when PHP has printed more than its output buffer holds before the session
// could start (wire/vtiger.md 1).
var failsWithoutError = []byte(`{"success":false,"error":null}`)

// open takes the result out of a body that should hold an envelope.
func open(q call, a answer) (json.RawMessage, string, error) {
	e, noise, err := dig(a.body)
	if err == nil {
		quiet := page(noise, 160)
		switch {
		case crowded(e.Result):
			return nil, quiet, &problem.Error{
				Kind: q.doubt(), Where: where, Code: codeTooLarge, Message: fmt.Sprintf("%s: the answer holds more than %d values", q.name(), maxParts),
				Cure: "Check that the URL is the CRM's own; a real answer is far smaller.",
			}
		case *e.Success:
			return e.Result, quiet, nil
		}
		return nil, quiet, denied(q, *e.Error)
	}
	p := &problem.Error{Kind: q.doubt(), Where: where}
	switch {
	case len(a.body) == 0:
		p.Code, p.Message = codeEmpty, q.name()+": empty answer"
		p.Cure = "Look at the PHP error log of the CRM."
	case bytes.Contains(a.body, failsWithoutError):
		p.Code, p.Message = codeNoSession, q.name()+": the CRM starts no session, because its PHP prints warnings first"+said(a.body)
		p.Cure = "Set display_errors = Off in the CRM's php.ini."
	case bytes.IndexByte(a.body[:min(len(a.body), 4096)], '<') >= 0:
		p.Code, p.Message = codeHTML, q.name()+": a web page instead of JSON"+said(a.body)
		p.Cure = "If this is not the CRM's error page, correct the URL: it must be the folder that holds webservice.php."
	default:
		p.Code, p.Message = codeNotJSON, q.name()+": the answer is not JSON"+said(a.body)
		p.Cure = "Check the URL: it must be the folder that holds webservice.php."
	}
	return nil, "", p
}

// longest is the longest Retry-After that is believed.
const longest = time.Hour

// retryAfter reads the header, in seconds or as a date; 0 = absent or nonsense.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return clamp(time.Duration(seconds) * time.Second)
	}
	if date, err := http.ParseTime(text); err == nil {
		return clamp(date.Sub(now))
	}
	return 0
}

func clamp(d time.Duration) time.Duration { return min(max(d, 0), longest) }
