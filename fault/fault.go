// Package fault makes a server misbehave on purpose: the rules that both simulators obey.
//
// A rule is one word and its options, "lost:op=create,type=SalesOrder,nth=2" or "429:p=0.1,seed=7,retry-after=1".
// Rules combine; each keeps its own counter and its own random source, so a seed repeats a run exactly.
package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kind is what goes wrong.
type Kind string

// Kinds that Handler plays by itself, whatever the server is.
const (
	Reset      Kind = "reset"      // connection cut before the request is handled
	Lost       Kind = "lost"       // handled, then the connection is cut: the answer never arrives
	Empty500   Kind = "empty500"   // handled, then HTTP 500 with an empty body
	Empty200   Kind = "empty200"   // handled, then HTTP 200 with an empty body
	Truncated  Kind = "truncate"   // handled, then only half of the body
	HTML       Kind = "html"       // not handled: 200 with an HTML page
	Down       Kind = "503"        // not handled: 503 maintenance page in HTML
	TooMany    Kind = "429"        // not handled: 429, with Retry-After when retry-after=N is given
	Redirect   Kind = "301"        // not handled: 301 to the URL in to=
	Stripped   Kind = "401"        // handled as if the Authorization header had been dropped on the way
	BOM        Kind = "bom"        // handled, a byte order mark and a blank line before the body
	Notice     Kind = "notice"     // handled, a PHP notice before the body
	Slow       Kind = "slow"       // handled, answered delay= later
	WrongSha1  Kind = "sha1"       // handled, Content-Sha1 of something else
	SQLEmpty   Kind = "sql-empty"  // shop: an SQL error swallowed, 200 with an empty list
	NoSession  Kind = "no-session" // CRM: INVALID_SESSIONID, the session is gone
	TokenTaken Kind = "token"      // CRM: another login replaced the challenge
	HalfOrder  Kind = "half-order" // CRM: the save dies between header and lines, HTTP 500
	Denied     Kind = "denied"     // CRM: ACCESS_DENIED although describe allows it
	RowsOver   Kind = "101-rows"   // CRM: a full page answers one row more than asked
)

var kinds = []Kind{
	Reset, Lost, Empty500, Empty200, Truncated, HTML, Down, TooMany, Redirect, Stripped, BOM, Notice, Slow, WrongSha1,
	SQLEmpty, NoSession, TokenTaken, HalfOrder, Denied, RowsOver,
}

// Kinds are the kinds by name.
func Kinds() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return names
}

// Rule says which requests a fault hits.
type Rule struct {
	Kind       Kind
	Op         string        // op=: operation (CRM) or resource (shop); "" any
	Type       string        // type=: module; "" any
	Nth        int           // nth=: only the nth matching request, from 1
	Times      int           // times=: at most so often; 0 = no bound
	P          float64       // p=: share of the matching requests; 0 = all
	Seed       uint64        // seed=: of the random source
	Delay      time.Duration // delay=: for slow
	RetryAfter int           // retry-after=: seconds, for 429 and 503; -1 = header absent
	To         string        // to=: for 301
}

// ParseRule reads a rule from its text; the error names the part that is wrong.
func ParseRule(text string) (Rule, error) {
	name, options, _ := strings.Cut(strings.TrimSpace(text), ":")
	r := Rule{Kind: Kind(name), RetryAfter: -1, Delay: time.Second}
	if !slices.Contains(kinds, r.Kind) {
		return Rule{}, fmt.Errorf("fault %q: unknown kind; known are %s", name, strings.Join(Kinds(), ", "))
	}
	for option := range strings.SplitSeq(options, ",") {
		if option == "" {
			continue
		}
		key, value, _ := strings.Cut(option, "=")
		var err error
		switch key {
		case "op":
			r.Op = value
		case "type":
			r.Type = value
		case "nth":
			r.Nth, err = strconv.Atoi(value)
		case "times":
			r.Times, err = strconv.Atoi(value)
		case "p":
			r.P, err = strconv.ParseFloat(value, 64)
		case "seed":
			r.Seed, err = strconv.ParseUint(value, 10, 64)
		case "delay":
			r.Delay, err = time.ParseDuration(value)
		case "retry-after":
			r.RetryAfter, err = strconv.Atoi(value)
		case "to":
			r.To = value
		default:
			err = fmt.Errorf("unknown option; known are op, type, nth, times, p, seed, delay, retry-after, to")
		}
		if err == nil && value != "" && (r.Nth < 0 || r.Times < 0 || r.P < 0 || r.P > 1 || r.Delay < 0 || r.RetryAfter < -1) {
			err = errors.New("must not be negative, and p at most 1")
		}
		if err != nil {
			return Rule{}, fmt.Errorf("fault %q: option %q: %w", name, option, err)
		}
	}
	return r, nil
}

// ParseRules reads the body of a POST /__fault: one rule per line, or JSON {"rules":[…]}. An empty one has no rules.
func ParseRules(body io.Reader) ([]Rule, error) {
	data, err := io.ReadAll(io.LimitReader(body, maxRules))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(data), "\n")
	if strings.HasPrefix(strings.TrimSpace(string(data)), "{") {
		var list struct {
			Rules []string `json:"rules"`
		}
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, fmt.Errorf("fault rules: %w", err)
		}
		lines = list.Rules
	}
	var rules []Rule
	for _, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		rule, err := ParseRule(line)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// maxRules bounds the text of rules.
const maxRules = 1 << 20

// Set is the rules in force. The zero Set breaks nothing. It is safe for concurrent use.
type Set struct {
	mu    sync.Mutex
	rules []*counted
}

type counted struct {
	Rule
	seen, hit int
	random    *rand.Rand
}

// Add puts a rule in force behind the ones already there.
func (s *Set) Add(r Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, &counted{Rule: r, random: rand.New(rand.NewPCG(r.Seed, 0x9e3779b97f4a7c15))})
}

// Replace puts rules in the place of those in force.
func (s *Set) Replace(rules []Rule) {
	s.Clear()
	for _, r := range rules {
		s.Add(r)
	}
}

// Clear takes all rules away.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

// Hit says whether a rule of one of the kinds strikes this request, and which. Asking counts: ask once per request and kind.
func (s *Set) Hit(op, module string, wanted ...Kind) (Rule, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.rules {
		if !slices.Contains(wanted, c.Kind) || c.Op != "" && !strings.EqualFold(c.Op, op) || c.Type != "" && c.Type != module {
			continue
		}
		c.seen++
		switch {
		case c.Nth > 0 && c.seen != c.Nth,
			c.Times > 0 && c.hit >= c.Times,
			c.P > 0 && c.random.Float64() >= c.P:
			continue
		}
		c.hit++
		return c.Rule, true
	}
	return Rule{}, false
}
