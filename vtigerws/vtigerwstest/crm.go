package vtigerwstest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"cartiger/fault"
)

// Options says which CRM to simulate. The zero value is a 5.2.1 with the administrator "admin", access key
// "TestAccessKey", and the euro as its one currency.
type Options struct {
	Version      string           // one of Versions; default "5.2.1"
	User         string           // login name of the administrator; default "admin"
	AccessKey    string           // default "TestAccessKey"
	BaseCurrency string           // ISO 4217 code of currency 21x1; default "EUR"
	Base         string           // path of the CRM on its host: "/crm" answers /crm/webservice.php
	Noisy        bool             // display_errors=On: PHP warnings as HTML before the JSON, fatals as HTTP 200
	Addon        bool             // the CRM-side module is installed: entity Prestashop, operation prestashop.batch
	Latency      time.Duration    // what every request takes, with the session locked
	Now          func() time.Time // the server's clock; default time.Now
}

// CRM is a simulated vtiger CRM. It is safe for concurrent use.
type CRM struct {
	release     release
	base        string
	noisy       bool
	addon       bool
	latency     time.Duration
	now         func() time.Time
	zone        *time.Location
	faults      fault.Set
	stats       counters
	types       []entityType
	entityNames []string       // in the order of their numbers
	prefixes    map[int]string // number → module

	sessionsMu sync.Mutex
	sessions   map[string]*session

	mu         sync.Mutex // guards everything below
	modules    map[string]*module
	tables     map[string]*table
	rights     map[string]Rights
	users      []*user
	challenges map[*user]challenge
	lastID     int            // of all modules together: vtiger_crmentity_seq
	lastLine   int            // lineitem_id of the newest line
	lineRows   map[int]*line  // by lineitem_id
	lastActor  map[string]int // of Currency, which counts by itself
	lastNumber map[string]int // record numbers by module
	customs    int            // custom fields made by Require
}

// New makes a CRM; the error names the option that is wrong.
func New(o Options) (*CRM, error) {
	if o.Version == "" {
		o.Version = "5.2.1"
	}
	if o.User == "" {
		o.User = "admin"
	}
	if o.AccessKey == "" {
		o.AccessKey = "TestAccessKey"
	}
	if o.BaseCurrency == "" {
		o.BaseCurrency = "EUR"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r, ok := releases[o.Version]
	if !ok {
		return nil, fmt.Errorf("version %q: cannot be simulated; known are %s", o.Version, strings.Join(Versions(), ", "))
	}
	if len(o.BaseCurrency) != 3 {
		return nil, fmt.Errorf("base currency %q: must be an ISO 4217 code such as EUR", o.BaseCurrency)
	}
	modules, types, err := loadModules(r, o.Addon)
	if err != nil {
		return nil, err
	}
	c := &CRM{
		release: r, base: strings.TrimSuffix(o.Base, "/"), noisy: o.Noisy, addon: o.Addon, latency: o.Latency, now: o.Now,
		zone: r.zone(), types: types, entityNames: r.entities(), prefixes: make(map[int]string),
		sessions: make(map[string]*session), modules: modules, tables: make(map[string]*table),
		rights: make(map[string]Rights), challenges: make(map[*user]challenge), lastID: 1,
		lastLine: lineNumbers, lastActor: make(map[string]int), lastNumber: make(map[string]int),
	}
	for i, name := range c.entityNames {
		c.prefixes[i+1] = name
	}
	if o.Addon {
		m := modules["Prestashop"]
		c.entityNames = append(c.entityNames, m.name)
		c.prefixes[m.prefix] = m.name
	}
	for name, m := range modules {
		c.tables[name] = newTable(m)
	}
	c.addUser(o.User, o.AccessKey, true, "")
	c.addBaseCurrency(o.BaseCurrency)
	return c, nil
}

// Faults is the set of faults in force; rules added to it strike from the next request on.
func (c *CRM) Faults() *fault.Set { return &c.faults }

// ServeHTTP answers Base+"/webservice.php" and the control endpoints (control.go).
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/__") {
		c.control(w, r)
		return
	}
	if r.URL.Path != c.base+"/webservice.php" {
		http.NotFound(w, r)
		return
	}
	q := readRequest(r)
	q.module = c.identify(q)
	c.stats.count(q.operation)
	identify := func(*http.Request) (string, string) { return q.operation, q.module }
	answer := func(w http.ResponseWriter, r *http.Request) { c.answer(w, r, q) }
	fault.Handler(&c.faults, identify, http.HandlerFunc(answer)).ServeHTTP(w, r)
}
