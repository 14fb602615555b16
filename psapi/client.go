package psapi

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"

	"cartiger/problem"
)

// Config says which shop to read and how. Only URL and Key are needed.
type Config struct {
	// URL is the shop's folder, with or without api/ (ParseURL).
	URL string
	// Key is the web service key of 32 characters. It travels as the user name of Basic authentication.
	Key string
	// AllowPlainKey is the consent to put the key into the URL without TLS, where it ends up in log files, on
	// servers that drop the Authorization header. Over TLS that needs no consent.
	AllowPlainKey bool
	// CAFile is a PEM file of certificates to trust besides those of the system.
	CAFile string
	// Insecure accepts any certificate. Facts.Insecure says so.
	Insecure bool
	// Timeout is for one request, 60 s when 0.
	Timeout time.Duration
	// MaxBytes bounds one answer, unpacked; 32 MB when 0.
	MaxBytes int64
	// UserAgent is how the requests name themselves; "Cartiger" when empty.
	UserAgent string
	// Parallel is how many requests run at once, 2 when 0: more than the shop has cores gains nothing.
	Parallel int
	// Transport replaces the network; CAFile and Insecure then have no effect.
	Transport http.RoundTripper
	// Wait replaces the pauses between repetitions, so that tests need not sleep.
	Wait func(context.Context, time.Duration) error
	// Now replaces the clock.
	Now func() time.Time
	// Log gets one debug line per request, without any content; nothing when nil.
	Log *slog.Logger
}

// String leaves the key out.
func (cfg Config) String() string { return fmt.Sprintf("shop %s", excerpt(cfg.URL)) }

// GoString leaves the key out.
func (cfg Config) GoString() string { return cfg.String() }

// Client reads one shop. It is safe for concurrent use.
type Client struct {
	base     *url.URL // the shop's folder, with the last slash
	key      string
	consent  bool // to the key in the URL without TLS
	insecure bool

	http     *resty.Client
	slots    chan struct{} // one per request under way
	requests atomic.Int64
	wait     func(context.Context, time.Duration) error
	now      func() time.Time
	log      *slog.Logger

	// What the shop's answers have taught, under mu.
	mu         sync.Mutex
	good       bool                // some request succeeded
	basicWorks bool                // some request succeeded with the Authorization header
	keyInURL   bool                // the header is dropped: use ws_key
	triedURL   bool                // that was tried
	dispatcher bool                // api/ does not work: use webservice/dispatcher.php
	version    string              // PSWS-Version
	skew       time.Duration       // the shop's clock minus ours
	skewKnown  bool                //
	language   int64               // PS_LANG_DEFAULT; 0 not asked yet, -1 not to be had
	noisy      bool                // its noise was logged
	noDates    bool                // older than date=1 (1.4.4)
	known      map[string]fieldSet // by resource: what its synopsis shows
	pages      map[string]*pageSize
	full       map[string]int64 // by resource: last id of a page that was full
}

type fieldSet map[string]bool

// New makes a client; it sends nothing. The errors name what is wrong with the settings.
func New(cfg Config) (*Client, error) {
	base, dispatcher, err := ParseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	key := strings.TrimSpace(cfg.Key)
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) {
		rule := "is empty"
		if key != "" {
			rule = "holds a character that no key has"
		}
		return nil, &problem.Error{
			Kind: problem.Invalid, Where: where, Code: CodeKey, Field: "shop key", Message: "the shop key " + rule,
			Cure: "Copy the 32 letters and digits of the key from the back office (Tools > Web service).",
		}
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 32 << 20
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "Cartiger"
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = 2
	}
	way, err := cfg.transport()
	if err != nil {
		return nil, err
	}
	c := &Client{
		base: base, key: key, consent: cfg.AllowPlainKey, insecure: cfg.Insecure, dispatcher: dispatcher,
		http: cfg.engine(way), slots: make(chan struct{}, cfg.Parallel), wait: cfg.Wait, now: cfg.Now, log: cfg.Log,
		known: map[string]fieldSet{}, pages: map[string]*pageSize{}, full: map[string]int64{},
	}
	if c.wait == nil {
		c.wait = pause
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// Requests counts what was sent since the client was made.
func (c *Client) Requests() int64 { return c.requests.Load() }

// Close lets go of idle connections; the client stays usable.
func (c *Client) Close() { c.http.GetClient().CloseIdleConnections() }

// Clock is the shop's clock minus ours as the last answer showed it (Access-Time, a whole second), and whether
// any answer has.
func (c *Client) Clock() (skew time.Duration, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew, c.skewKnown
}

// address is the URL of a request, and whether it holds the key.
func (c *Client) address(resource string, p params) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	way := c.base.String() + "api/" + resource
	if c.dispatcher {
		way = c.base.String() + "webservice/dispatcher.php"
		p = append(params{{"url", resource}}, p...)
	}
	if c.keyInURL {
		p = append(p[:len(p):len(p)], param{"ws_key", c.key})
	}
	if len(p) > 0 {
		way += "?" + p.encode()
	}
	return way, c.keyInURL
}

// notice keeps what an answer teaches about the shop, whether it was a good one or not.
func (c *Client) notice(a answer, inURL bool, f *failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if version := a.header.Get("PSWS-Version"); version != "" {
		c.version = excerpt(version)
	}
	if at, err := strconv.ParseInt(a.header.Get("Access-Time"), 10, 64); err == nil {
		// The shop cut its clock to the second somewhere between our sending and the answer.
		c.skew = time.Unix(at, 0).Add(500 * time.Millisecond).Sub(a.sent.Add(a.took / 2)).Round(time.Second)
		c.skewKnown = true
	}
	if f == nil {
		c.good = true
		c.basicWorks = c.basicWorks || !inURL
	}
	if f != nil && f.stripped {
		// Once the header has arrived, its loss is an accident and not the way of this server.
		f.again = c.basicWorks
		if inURL && !c.good {
			c.keyInURL = false // older than 1.4.3: ws_key is unknown there
		}
	}
}

// hear logs once that the shop prints something around its XML.
func (c *Client) hear(noise string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if noise == "" || c.noisy {
		return
	}
	c.noisy = true
	c.log.Warn("the shop prints something around its XML; it is cut off", "noise", noise)
}

// switchToURL puts the key into the URL from now on where that is allowed.
func (c *Client) switchToURL() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keyInURL || c.triedURL || c.basicWorks || c.base.Scheme != "https" && !c.consent {
		return false
	}
	c.keyInURL, c.triedURL = true, true
	c.log.Warn("the web server drops the Authorization header; the key travels in the URL")
	return true
}

func (c *Client) answered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.good
}

// since15 says that the shop is known to be 1.5 or later.
func (c *Client) since15() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return atLeast(c.version, 1, 5)
}

// atLeast compares the first numbers of a version; an unknown version is at least nothing.
func atLeast(version string, wanted ...int) bool {
	parts := strings.Split(version, ".")
	for i, want := range wanted {
		if i >= len(parts) {
			return false
		}
		n, err := strconv.Atoi(parts[i])
		if err != nil || n != want {
			return err == nil && n > want
		}
	}
	return true
}

// readSmall reads a file of at most 1 MB: a mistyped name may be a device or a disk image.
func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}
