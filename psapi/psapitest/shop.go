package psapitest

import (
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // PS_TIMEZONE must be found on every machine

	"github.com/shopspring/decimal"

	"cartiger/fault"
)

// DefaultKey is the access key of a simulated shop unless Options say otherwise.
const DefaultKey = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

// Options of a simulated shop. The zero value is a shop with the embedded data, the default key and all rights.
type Options struct {
	// Key is the access key, 32 characters; "" is DefaultKey.
	Key string
	// HideErrors is PHP's display_errors off: error texts are hidden, <code> is gone, orders with lines and
	// bracketed single filter values are 500 (wire/prestashop.md 1, 3, 7).
	HideErrors bool
	// Base is the folder the shop lives in, "/shop"; "" is the root of the host.
	Base string
	// Data is a folder in the form of the embedded one: RESOURCE.xml or RESOURCE.xml.gz, schema-RESOURCE, root,
	// products-net. Schemas and root may be left out, a resource without a document is empty. nil is Data.
	Data fs.FS
	// Latency is how long every answer of the API takes.
	Latency time.Duration
	// Now is the clock; nil is time.Now. The shop shows it in the PS_TIMEZONE of its data.
	Now func() time.Time
	// Version is what PSWS-Version says; "" is 1.4.11.1.
	Version string
	// Rights are the verbs granted to Key per resource ("customers": {"GET", "HEAD"}); nil grants everything.
	Rights map[string][]string
}

// Shop is a simulated shop. It is safe for concurrent use.
type Shop struct {
	options Options
	faults  fault.Set
	handler http.Handler

	mu     sync.Mutex
	data   *dataset
	tables map[string]*table
	keys   map[string]key // by upper-case key: the shop finds them without case
	off    bool
	stats  map[string]int
	placed int      // orders placed by Act so far, to vary their templates
	rates  sync.Map // tax rules group → decimal.Decimal, derived once
}

// key is an access key. rights nil grants everything.
type key struct {
	inactive bool
	rights   map[string][]string
}

func (k key) knows(resource string) bool {
	_, ok := k.rights[resource]
	return k.rights == nil || ok
}

func (k key) may(resource, verb string) bool {
	return k.rights == nil || slices.ContainsFunc(k.rights[resource], func(v string) bool { return strings.EqualFold(v, verb) })
}

// New makes a shop. It fails when the data cannot be read or names an unknown time zone.
func New(o Options) (*Shop, error) {
	if o.Key == "" {
		o.Key = DefaultKey
	}
	if o.Version == "" {
		o.Version = "1.4.11.1"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Base = strings.TrimRight(o.Base, "/")
	if o.Base != "" && !strings.HasPrefix(o.Base, "/") {
		return nil, fmt.Errorf("base %q: must start with a slash, like /shop", o.Base)
	}
	data, err := standard()
	if err == nil && o.Data != nil && o.Data != Data {
		data, err = open(o.Data, data)
		for _, rows := range data.loaders(err) {
			if _, err = rows(); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, err
	}
	s := &Shop{
		options: o, data: data, tables: map[string]*table{}, stats: map[string]int{},
		keys: map[string]key{strings.ToUpper(o.Key): {rights: o.Rights}},
	}
	if _, err := time.LoadLocation(s.configuration("PS_TIMEZONE")); err != nil {
		return nil, fmt.Errorf("shop data: configuration PS_TIMEZONE: %w", err)
	}
	s.handler = s.routes()
	return s, nil
}

// loaders are the readers of all documents, none after an error.
func (d *dataset) loaders(err error) []func() ([]*row, error) {
	if err != nil {
		return nil
	}
	return slices.Collect(maps.Values(d.rows))
}

// Faults are the rules in force; what they mean is said in package fault. Op is the resource, "api" for the root.
func (s *Shop) Faults() *fault.Set { return &s.faults }

// SetActive switches the web service on or off; off, everything is 503 with error 22 (capture 014).
func (s *Shop) SetActive(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off = !on
}

// Grant adds an access key, or changes the rights of one. nil grants everything, an empty map nothing (error 21).
func (s *Shop) Grant(accessKey string, rights map[string][]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[strings.ToUpper(accessKey)] = key{rights: rights}
}

// Deactivate switches an access key off (error 20).
func (s *Shop) Deactivate(accessKey string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[strings.ToUpper(accessKey)]
	k.inactive = true
	s.keys[strings.ToUpper(accessKey)] = k
}

// table is the table of a resource, nil when there is none. s.mu is held, except in New.
func (s *Shop) table(resource string) *table {
	if t, ok := s.tables[resource]; ok {
		return t
	}
	load := s.data.rows[resource]
	if load == nil {
		return nil
	}
	rows, err := load()
	if err != nil {
		panic(err) // New has read a foreign folder already, and the embedded one is tested
	}
	t := newTable(s.data.specs[resource], rows)
	s.tables[resource] = t
	return t
}

// configuration is a value of the configurations.
func (s *Shop) configuration(name string) string {
	t := s.table("configurations")
	for _, r := range t.where("name", name) {
		return t.value(r, "value")
	}
	return ""
}

// zone is PS_TIMEZONE.
func (s *Shop) zone() *time.Location {
	zone, err := time.LoadLocation(s.configuration("PS_TIMEZONE"))
	if err != nil {
		return time.UTC // a test has put a wrong name there
	}
	return zone
}

// currentState is the state of the latest order_history.
func (s *Shop) currentState(order int64) string {
	t := s.table("order_histories")
	state, latest := "", ""
	for _, h := range t.where("id_order", fmt.Sprint(order)) {
		if added := t.value(h, "date_add"); added >= latest {
			state, latest = t.value(h, "id_order_state"), added
		}
	}
	return state
}

// taxExcluded is the price display method of a customer's current default group (wire/prestashop.md 6).
func (s *Shop) taxExcluded(customer string) bool {
	customers, groups := s.table("customers"), s.table("groups")
	group := "1"
	if c := customers.get(castID(customer)); c != nil {
		group = customers.value(c, "id_default_group")
	}
	if g := groups.get(castID(group)); g != nil {
		return groups.value(g, "price_display_method") == "1"
	}
	return false
}

// taxRate is the rate of a tax rules group in the shop's own country. No resource of 1.4 tells it: it is the tax that
// leads from the stored to the final price of most products of the group.
func (s *Shop) taxRate(group string) decimal.Decimal {
	if known, ok := s.rates.Load(group); ok {
		return known.(decimal.Decimal)
	}
	rate := s.deriveRate(group)
	s.rates.Store(group, rate)
	return rate
}

func (s *Shop) deriveRate(group string) decimal.Decimal {
	taxes, products := s.table("taxes"), s.table("products")
	best, most := decimal.Zero, 0
	if castID(group) == 0 {
		return best
	}
	sample := products.where("id_tax_rules_group", group)
	sample = sample[:min(len(sample), 50)]
	for _, t := range taxes.rows {
		rate := amountOf(taxes.value(t, "rate")).decimal()
		tax, fits := factor(rate), 0
		for _, p := range sample {
			net, final := amountOf(products.value(p, "net")).decimal(), amountOf(products.value(p, "price")).decimal()
			if net.Mul(tax).Round(2).Equal(final) {
				fits++
			}
		}
		if fits > most {
			best, most = rate, fits
		}
	}
	return best
}
