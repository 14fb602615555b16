package vtigerws

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"

	"cartiger/problem"
)

// pool hands out sessions, one per running request, because vtiger's session file is locked for a whole request:
// two requests of one session run one after another (wire/vtiger.md 1, session lock).
type pool struct {
	mu    sync.Mutex
	limit int
	busy  int
	idle  []string      // session names, the last used at the end
	freed chan struct{} // closed when a place becomes free
}

func newPool(limit int) *pool {
	return &pool{limit: limit, freed: make(chan struct{})}
}

// take waits for a place and gives an idle session, "" when a new one is to be opened.
func (p *pool) take(ctx context.Context) (string, error) {
	for {
		p.mu.Lock()
		if p.busy < p.limit {
			p.busy++
			session := ""
			if last := len(p.idle) - 1; last >= 0 {
				session, p.idle = p.idle[last], p.idle[:last]
			}
			p.mu.Unlock()
			return session, nil
		}
		freed := p.freed
		p.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// give returns a place, and the session unless it is "".
func (p *pool) give(session string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	if session != "" {
		p.idle = append(p.idle, session)
	}
	p.wake()
}

// adopt takes in a session that was opened without a place.
func (p *pool) adopt(session string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, session)
}

// resize bounds how many places there are.
func (p *pool) resize(limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = limit
	p.wake()
}

// drain takes all idle sessions out.
func (p *pool) drain() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.idle
	p.idle = nil
	return idle
}

func (p *pool) wake() {
	close(p.freed)
	p.freed = make(chan struct{})
}

// entry is a new session and what opening it told.
type entry struct {
	session   string
	user      string // "19x1"
	version   string // vtigerVersion
	skew      time.Duration
	challenge time.Duration // how long getchallenge took
	login     time.Duration // how long login took
	asked     bool          // the challenge was answered: what failed is the login
}

// loginTries is how often a login is tried that another login of the same user may have spoilt.
const loginTries = 4

// enter opens a session: challenge and login, strictly one at a time in this client, because a second challenge
// invalidates the first (wire/vtiger.md 1, getchallenge). Another program of the same user can still come in between;
// then a new challenge is taken.
func (c *Client) enter(ctx context.Context) (entry, error) {
	select {
	case c.entrance <- struct{}{}:
	case <-ctx.Done():
		return entry{}, missing(call{op: "login"}, false, ctx.Err())
	}
	defer func() { <-c.entrance }()
	for tried := 1; ; tried++ {
		e, err := c.knock(ctx)
		if err == nil && c.cfg.Opened != nil {
			err = c.cfg.Opened(e.session)
		}
		if err == nil || tried == loginTries || !stolen(err) {
			return e, err
		}
		c.log.DebugContext(ctx, "login spoilt by another login, taking a new challenge", "try", tried)
		if err := c.sleep(ctx, scatter(pause/4)); err != nil {
			return e, missing(call{op: "login"}, false, err)
		}
	}
}

// stolen says that a login failed in a way that another login of the same user can cause. A wrong key looks the same.
func stolen(err error) bool {
	p, ok := problem.Of(err)
	return ok && (p.Code == string(InvalidUserCredentials) || p.Code == string(InvalidAuthToken))
}

func (c *Client) knock(ctx context.Context) (e entry, err error) {
	begin := time.Now()
	raw, err := c.persist(ctx, call{op: "getchallenge", params: form{{"username", c.cfg.User}}})
	e.challenge = time.Since(begin)
	if err != nil {
		return e, err
	}
	challenge := call{op: "getchallenge"}
	var answer Record
	if json.Unmarshal(raw, &answer) != nil || answer["token"] == "" {
		return e, misshapen(challenge)
	}
	e.asked = true
	if seconds, err := strconv.ParseInt(answer["serverTime"], 10, 64); err == nil {
		// serverTime is cut to the second: on average it is half a second old.
		served := time.Unix(seconds, 0).Add(time.Second / 2)
		e.skew = served.Sub(begin.Add(e.challenge / 2)).Round(time.Second / 2)
	}

	sum := md5.Sum([]byte(answer["token"] + c.cfg.AccessKey))
	begin = time.Now()
	raw, err = c.persist(ctx, call{op: "login", post: true, params: form{
		{"username", c.cfg.User},
		{"accessKey", hex.EncodeToString(sum[:])},
	}})
	e.login = time.Since(begin)
	if err != nil {
		return e, err
	}
	answer = nil
	if json.Unmarshal(raw, &answer) != nil || answer["sessionName"] == "" || !recordID.MatchString(answer["userId"]) {
		return e, misshapen(call{op: "login"})
	}
	e.session, e.user, e.version = answer["sessionName"], answer["userId"], plain(answer["vtigerVersion"], 40)
	return e, nil
}

// misshapen is the problem of JSON that is not what the operation answers.
func misshapen(q call) error {
	return &problem.Error{
		Kind: q.doubt(), Where: where, Code: codeShape, Message: q.name() + ": the answer lacks what it must hold",
		Cure: "Check that the URL is that of a vtiger CRM 5.1 or later.",
	}
}

// renewals is how often one call logs in again because its session is gone.
const renewals = 2

// inSession sends a call in a session of its own. A lost session means that the operation did not run, so that any call,
// also a write, is repeated after a new login; otherwise only reads are.
func (c *Client) inSession(ctx context.Context, q call) (json.RawMessage, error) {
	session, err := c.sessions.take(ctx)
	if err != nil {
		return nil, missing(q, false, err)
	}
	defer func() { c.sessions.give(session) }()
	tried, renewed := 1, 0
	for {
		if session == "" {
			e, err := c.enter(ctx)
			if err != nil {
				return nil, err
			}
			c.meet(e)
			session = e.session
		}
		raw, err := c.once(ctx, q, session)
		p, failed := problem.Of(err)
		if !failed {
			return raw, err
		}
		if q.write && p.Kind == problem.Unknown {
			if !c.settled(ctx, session, p) {
				session = "" // its file may be locked for long
			}
			return nil, err
		}
		switch {
		case Code(p.Code).sessionLost():
			session = ""
			if renewed++; renewed <= renewals {
				continue
			}
			p.Kind = problem.Unavailable
			p.Cure = "The CRM forgets its sessions at once: look at PHP's session.save_path, and turn display_errors off."
			return nil, p
		case p.Code == codeTimeout || p.Code == codeCancelled:
			session = "" // its file is locked for as long as the lost request runs
		}
		if q.write || !c.wait(ctx, q, err, tried) {
			return nil, err
		}
		tried++
	}
}

// persist sends a call outside any session, several times if need be.
func (c *Client) persist(ctx context.Context, q call) (json.RawMessage, error) {
	for tried := 1; ; tried++ {
		raw, err := c.once(ctx, q, "")
		if err == nil || !c.wait(ctx, q, err, tried) {
			return raw, err
		}
	}
}

// wait sleeps before another try; false = do not try again.
func (c *Client) wait(ctx context.Context, q call, err error, tried int) bool {
	if !again(err, tried) {
		return false
	}
	nap := backoff(err, tried)
	c.log.DebugContext(ctx, "will try again", "operation", q.name(), "after", nap, "because", err)
	return c.sleep(ctx, nap) == nil
}

// once sends a call a single time.
func (c *Client) once(ctx context.Context, q call, session string) (json.RawMessage, error) {
	begin := time.Now()
	a, sent, err := c.fetch(ctx, q, session)
	if err != nil {
		err = missing(q, sent, err)
		c.log.DebugContext(ctx, "no answer", "operation", q.name(), "took", time.Since(begin), "error", err)
		return nil, err
	}
	raw, noise, err := weigh(q, a, c.url)
	if noise != "" {
		c.noise.CompareAndSwap(nil, &noise)
	}
	c.log.DebugContext(ctx, "answer", "operation", q.name(), "took", time.Since(begin), "status", a.status, "bytes", len(a.body), "error", err)
	return raw, err
}

// endSessions logs the idle sessions out.
func (c *Client) endSessions(ctx context.Context) error {
	var first error
	for _, session := range slices.Backward(c.sessions.drain()) {
		_, err := c.once(ctx, call{op: "logout", post: true}, session)
		if p, ok := problem.Of(err); ok && Code(p.Code).sessionLost() {
			err = nil // it had ended by itself
		}
		if first == nil {
			first = err
		}
	}
	return first
}
