package vtigerwstest

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"

	"cartiger/fault"
)

// tokenLife is how long a challenge can be answered (wire/vtiger.md 1).
const tokenLife = 300 * time.Second

// session is a PHP session: its file is locked for the whole request, so requests of one session run one after another.
type session struct {
	turn chan struct{} // holds one token while a request runs
	name string
	user *user
}

func newSession(name string, u *user) *session {
	return &session{turn: make(chan struct{}, 1), name: name, user: u}
}

// lock waits for the session file. PHP waits on when its client has gone, and so does this.
func (s *session) lock()   { s.turn <- struct{}{} }
func (s *session) unlock() { <-s.turn }

type challenge struct {
	token   string
	expires time.Time
}

// newToken imitates PHP's uniqid.
func newToken() string { return fmt.Sprintf("%08x%05x", rand.Uint32(), rand.Uint32()&0xfffff) }

func newSessionName() string { return fmt.Sprintf("%08x", rand.Uint32()) + newToken() }

// getChallenge gives a token to anyone. One token per user is alive: the next one replaces it, and two clients of one
// user that log in at once disturb each other.
func (c *CRM) getChallenge(_ *session, q *request) (any, error) {
	now := c.now()
	token := challenge{newToken(), now.Add(tokenLife)}
	if u := c.userByName(q.get["username"]); u != nil {
		c.challenges[u] = token
	}
	return object{
		{"token", token.token},
		{"serverTime", now.Unix()},
		{"expireTime", token.expires.Unix()},
	}, nil
}

// login compares md5(token + access key) in lower-case hex; the same token serves as often as it is alive.
func (c *CRM) login(_ *session, q *request) (any, error) {
	u := c.userByName(q.post["username"])
	if u == nil {
		return nil, errToken
	}
	if _, taken := c.faults.Hit("login", "", fault.TokenTaken); taken {
		c.challenges[u] = challenge{newToken(), c.now().Add(tokenLife)}
		return nil, errCredentials
	}
	token, ok := c.challenges[u]
	if !ok || c.now().After(token.expires) {
		return nil, errToken
	}
	sum := md5.Sum([]byte(token.token + u.accessKey))
	if hex.EncodeToString(sum[:]) != q.post["accessKey"] {
		return nil, errCredentials
	}
	s := newSession(newSessionName(), u)
	c.sessionsMu.Lock()
	c.sessions[s.name] = s
	c.sessionsMu.Unlock()
	return object{
		{"sessionName", s.name},
		{"userId", c.modules["Users"].id(u.id)},
		{"version", c.release.api()},
		{"vtigerVersion", c.release.String()},
	}, nil
}

// extendSession only adopts a browser's session, and there is no browser here.
func (c *CRM) extendSession(*session, *request) (any, error) { return nil, errExtend }

// logout ends the session; its next call answers INVALID_SESSIONID (capture 026).
func (c *CRM) logout(s *session, _ *request) (any, error) {
	c.dropSession(s)
	return object{{"message", "successfull"}}, nil
}

func (c *CRM) dropSession(s *session) {
	c.sessionsMu.Lock()
	delete(c.sessions, s.name)
	c.sessionsMu.Unlock()
}

// DropSessions ends every session, as a server restart or PHP's garbage collection does: the next call of each answers
// INVALID_SESSIONID.
func (c *CRM) DropSessions() {
	c.sessionsMu.Lock()
	defer c.sessionsMu.Unlock()
	clear(c.sessions)
}

// open finds the session that a request names.
func (c *CRM) open(q *request) (*session, error) {
	if q.session == "" || q.session == "null" {
		return nil, errAuthentication
	}
	c.sessionsMu.Lock()
	s := c.sessions[q.session]
	c.sessionsMu.Unlock()
	if s == nil {
		return nil, errSession
	}
	if _, gone := c.faults.Hit(q.operation, q.module, fault.NoSession); gone {
		c.dropSession(s)
		return nil, errSession
	}
	return s, nil
}

// delay is the time a request takes on the server. What it does is done even if its client has stopped waiting.
func (c *CRM) delay(ctx context.Context) {
	if c.latency <= 0 {
		return
	}
	timer := time.NewTimer(c.latency)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
