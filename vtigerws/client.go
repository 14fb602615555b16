package vtigerws

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"

	"cartiger/problem"
)

// Defaults of Config.
const (
	DefaultTimeout  = 60 * time.Second // for one request with its answer
	DefaultMaxBytes = 16 << 20         // of one answer; 100 whole records are about 80 kB
	DefaultWorkers  = 2                // more gains nothing beyond the CRM's cores (wire/vtiger.md 6)
)

// Config says which CRM, as whom, and within which bounds.
type Config struct {
	URL       string            // the CRM's folder, with or without webservice.php: https://host/crm/
	User      string            // login name
	AccessKey string            // vtiger: My Preferences, User Advanced Options
	CAFile    string            // PEM file with further certificate authorities, "" = the system's only
	Insecure  bool              // accept any certificate
	Timeout   time.Duration     // of one request with its answer; 0 = DefaultTimeout
	MaxBytes  int64             // of one answer; 0 = DefaultMaxBytes
	UserAgent string            // "" = Cartiger
	Workers   int               // sessions at once; 0 = DefaultWorkers
	Transport http.RoundTripper // nil = TCP and TLS as configured here
	Log       *slog.Logger      // nil = none
	// Opened is told each new session before it is used, so that a later process can Fence what this one leaves
	// behind; an error keeps the session from being used.
	Opened func(session string) error
}

// Client talks to one vtiger CRM as one user. It is safe for concurrent use: each running call has a session of its own.
//
// All errors are *problem.Error. A write whose answer did not arrive is of kind problem.Unknown; every other error of a
// write means that it had no effect. Reads are repeated here a few times, writes never, except after a lost session.
type Client struct {
	cfg      Config
	url      string // of webservice.php
	http     *resty.Client
	log      *slog.Logger
	requests atomic.Int64
	sessions *pool
	entrance chan struct{} // held while logging in
	starting chan struct{} // held while facts are being gathered
	facts    atomic.Pointer[Facts]
	noise    atomic.Pointer[string]
	modules  catalogue
	owners   owners
	sleep    func(context.Context, time.Duration) error // replaced in tests
}

// New checks the configuration and makes a client; nothing is sent yet. Errors name the setting and the cure.
func New(cfg Config) (*Client, error) {
	address, err := address(cfg.URL)
	if err != nil {
		return nil, err
	}
	cfg.User, cfg.AccessKey = strings.TrimSpace(cfg.User), strings.TrimSpace(cfg.AccessKey)
	if cfg.User == "" {
		return nil, setting("user name", "the user name is empty", "Give the login name of a CRM user.")
	}
	if cfg.AccessKey == "" {
		return nil, setting("access key", "the access key is empty", "Copy it from vtiger: My Preferences, User Advanced Options. It is not the password.")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.Workers <= 0 {
		cfg.Workers = DefaultWorkers
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "Cartiger"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	transport := cfg.Transport
	if transport == nil {
		roots, err := authorities(cfg.CAFile)
		if err != nil {
			return nil, err
		}
		transport = newTransport(cfg, roots)
	}
	return &Client{
		cfg:      cfg,
		url:      address,
		http:     newHTTP(cfg, transport),
		log:      cfg.Log,
		sessions: newPool(cfg.Workers),
		entrance: make(chan struct{}, 1),
		starting: make(chan struct{}, 1),
		modules:  catalogue{turn: make(chan struct{}, 1)},
		sleep:    sleep,
	}, nil
}

// address makes the URL of webservice.php from what a person typed.
func address(text string) (string, error) {
	const example = "https://crm.example.com/"
	text = strings.TrimSpace(text)
	if text == "" {
		return "", setting("URL", "the URL is empty", "Type the address of the CRM, such as "+example+".")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", setting("URL", "the URL cannot be read", "Type it as in "+example+".")
	case u.User != nil:
		return "", setting("URL", "the URL holds a name or password", "Leave out what stands before the @.")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", setting("URL", "the URL does not start with https:// or http://", "Type it as in "+example+".")
	case u.Hostname() == "":
		return "", setting("URL", "the URL has no host name", "Type it as in "+example+".")
	}
	folder := u.Path
	if i := strings.LastIndexByte(folder, '/'); strings.HasSuffix(folder, ".php") {
		folder = folder[:i+1] // webservice.php, or index.php as copied from the browser
	}
	u.Path, u.RawPath = strings.TrimRight(folder, "/")+"/"+webservice, ""
	u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = "", false, "", ""
	return u.String(), nil
}

// authorities adds the file's certificates to the system's.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := readSmall(file)
	if err != nil {
		return nil, setting("CA file", fmt.Sprintf("the CA file cannot be read: %v", err), "Name a readable PEM file.")
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, setting("CA file", "the CA file holds no certificate", "Name a PEM file with BEGIN CERTIFICATE in it.")
	}
	return roots, nil
}

// readSmall reads a file of at most 1 MB: a mistyped name may be a device or a disk image.
func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, 1<<20))
}

func setting(field, message, cure string) error {
	return &problem.Error{Kind: problem.Invalid, Where: where, Code: codeSetting, Field: field, Message: message, Cure: cure}
}

// The steps of logging in, as Steps reports them.
const (
	StepChallenge = "challenge"   // getchallenge answers: the URL is that of a vtiger CRM
	StepLogin     = "login"       // user name and access key are right
	StepModules   = "module list" // the session works
	StepRights    = "rights"      // the modules are active and allow create, update, delete and retrieve
)

// Login takes a challenge, logs in, reads the module list and decides the dialect: three requests, one more where the
// CRM-side module is installed and one more on 5.4 (the user's currency). It may be called again to test the connection.
func (c *Client) Login(ctx context.Context) (Facts, error) {
	return c.Steps(ctx, nil, func(string, time.Duration, error) {})
}

// Steps logs in like Login and reports each step as it ends, with its duration and its error. The first error ends it.
// With modules named, the last step describes them anew and fails at the first one that lacks a right.
func (c *Client) Steps(ctx context.Context, modules []string, report func(step string, took time.Duration, err error)) (Facts, error) {
	c.noise.Store(nil)
	e, err := c.enter(ctx)
	if !e.asked {
		report(StepChallenge, e.challenge, err)
		return Facts{}, err
	}
	report(StepChallenge, e.challenge, nil)
	report(StepLogin, e.login, err)
	if err != nil {
		return Facts{}, err
	}
	c.sessions.adopt(e.session)

	begin := time.Now()
	facts, err := c.survey(ctx, e)
	report(StepModules, time.Since(begin), err)
	if err != nil {
		return Facts{}, err
	}
	c.facts.Store(&facts)
	if len(modules) == 0 {
		return facts, nil
	}

	begin = time.Now()
	c.Forget()
	for _, name := range modules {
		if err = c.rights(ctx, name); err != nil {
			break
		}
	}
	report(StepRights, time.Since(begin), err)
	return facts, err
}

// survey gathers the facts that follow a login.
func (c *Client) survey(ctx context.Context, e entry) (Facts, error) {
	begin := time.Now()
	listtypes := call{op: "listtypes"}
	raw, err := c.inSession(ctx, listtypes)
	if err != nil {
		return Facts{}, err
	}
	latency := time.Since(begin)
	var types struct {
		Types list[scalar] `json:"types"`
	}
	if json.Unmarshal(raw, &types) != nil || len(types.Types) == 0 {
		return Facts{}, misshapen(listtypes)
	}
	facts := Facts{Version: e.version, UserID: e.user, User: c.cfg.User, Latency: latency, Skew: e.skew}
	for _, name := range types.Types {
		facts.Modules = append(facts.Modules, plain(string(name), 80))
	}
	facts.Dialect = decide(facts.Version, facts.Modules)
	if facts.Dialect.Batch {
		facts.Dialect.Batch = c.hasBatch(ctx)
	}
	if facts.Dialect.UserCurrency {
		facts.UserCurr = c.currencyOf(ctx, facts.UserID)
	}
	if noise := c.noise.Load(); noise != nil {
		facts.Noise = *noise
	}
	return facts, nil
}

// currencyOf asks for the user's own currency; "" when the user may not see Users.
func (c *Client) currencyOf(ctx context.Context, user string) string {
	rows, err := c.query(ctx, selection{module: "Users", columns: columns([]string{"currency_id"}), field: "id", values: []string{user}})
	if err != nil || len(rows) == 0 {
		return ""
	}
	return rows[0]["currency_id"]
}

// ready gives the facts, logging in if nobody has yet.
func (c *Client) ready(ctx context.Context) (Facts, error) {
	if facts := c.facts.Load(); facts != nil {
		return *facts, nil
	}
	select {
	case c.starting <- struct{}{}:
	case <-ctx.Done():
		return Facts{}, missing(call{op: "login"}, false, ctx.Err())
	}
	defer func() { <-c.starting }()
	if facts := c.facts.Load(); facts != nil {
		return *facts, nil
	}
	return c.Login(ctx)
}

// meet compares a new session with what is known: after an upgrade of the CRM everything is asked anew.
func (c *Client) meet(e entry) {
	if known := c.facts.Load(); known != nil && (known.Version != e.version || known.UserID != e.user) {
		c.facts.CompareAndSwap(known, nil)
		c.Forget()
	}
}

// SetWorkers bounds how many sessions, and so how many requests, run at once; at least one.
func (c *Client) SetWorkers(n int) { c.sessions.resize(max(n, 1)) }

// Requests counts the HTTP requests sent since the client was made.
func (c *Client) Requests() int64 { return c.requests.Load() }

// URL is the address of webservice.php that the client uses.
func (c *Client) URL() string { return c.url }

// Logout ends the sessions that idle, one request each; the client stays usable and logs in again when needed.
func (c *Client) Logout(ctx context.Context) error { return c.endSessions(ctx) }

// Close gives the connections back without a request; the CRM ends the sessions by itself after some idle minutes.
func (c *Client) Close() { c.http.GetClient().CloseIdleConnections() }
