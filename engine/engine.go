package engine

import (
	"context"
	"log/slog"
	"time"

	"cartiger/store"
)

// Engine carries a shop's records into a CRM. Its state is the store; everything a screen shows is read from there,
// so a screen never slows it and every process that has the file open sees the same.
type Engine struct {
	store *store.Store
	opts  Options
}

// Options are what the surroundings decide.
type Options struct {
	Who     string           // user, host and pid, shown to others that have the file open
	Now     func() time.Time // the one clock; default time.Now
	Environ func(string) string
	Log     *slog.Logger
	// Dial makes the clients from the settings; default: psapi.New and vtigerws.New. Tests put their own here.
	DialShop func(Settings) (Shop, error)
	// DialCRM's client calls opened with the name of each session before it uses it.
	DialCRM func(s Settings, opened func(session string) error) (CRM, error)
	// Careless switches a safeguard off. Only tests set it, to prove that the crash matrix would notice.
	Careless Careless
}

// New makes an engine over an open state file.
func New(st *store.Store, opts Options) *Engine {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{store: st, opts: opts}
	if e.opts.DialShop == nil {
		e.opts.DialShop = e.dialShop
	}
	if e.opts.DialCRM == nil {
		e.opts.DialCRM = e.dialCRM
	}
	return e
}

// Store gives the state file, for screens that follow it.
func (e *Engine) Store() *store.Store { return e.store }

// Level is how a check ended.
type Level string

// The three marks of a check.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Failure Level = "failed"
)

// Check is one line of Details (rules.md 8).
type Check struct {
	ID      string   `json:"id"`      // stable: setup, crm, shop, module, origin, modules, mandatory, currencies, clock, shop-rights, state, following
	Title   string   `json:"title"`   // "vtiger CRM"
	Level   Level    `json:"level"`   //
	Text    string   `json:"text"`    // short, one line
	Meaning string   `json:"meaning"` // what it means
	Asked   string   `json:"asked"`   // what was asked and answered
	Cure    string   `json:"cure"`    // what to do, "" when ok
	Details []string `json:"details,omitempty"`
}

// EntityStatus is a line of the table in Details.
type EntityStatus struct {
	Entity  store.Entity `json:"entity"`
	InShop  int64        `json:"in_shop"` // -1 = not known without asking the shop
	Linked  int64        `json:"linked"`
	Pending int64        `json:"pending"`
	Held    int64        `json:"held"`
	Failed  int64        `json:"failed"`
	LastRun string       `json:"last_run"` // "today 06:00", "12 Nov, closed", "never"
}

// Status is the whole of Details.
type Status struct {
	Checks   []Check        `json:"checks"`
	Entities []EntityStatus `json:"entities"`
	At       time.Time      `json:"at"`
}

// Worst is the level that an exit code speaks of.
func (s Status) Worst() Level {
	worst := OK
	for _, c := range s.Checks {
		if c.Level == Failure || c.Level == Warning && worst == OK {
			worst = c.Level
		}
	}
	return worst
}

// Step is one step of Validate and test, told as it happens.
type Step struct {
	Name string        `json:"name"` // "challenge", "login", "module list", "rights", "shop"
	Took time.Duration `json:"took"`
	Err  error         `json:"-"`
}

// MandatoryField is a field the CRM refuses to leave empty (rules.md 6).
type MandatoryField struct {
	Module     string
	Field      string
	Label      string
	Type       string   // text, date, number, boolean, picklist, owner, reference
	Values     []string // of a picklist
	RefersTo   []string // of a reference
	Source     string   // what fills it: "from the order", "" = only the default
	Default    string   // value in force, "--None--" at first for text; "" = none set
	DefaultFor string   // label of a chosen reference
	Needed     bool     // no source always fills it and no default is set
}

// Choice is a record a person can choose as a default of a reference field.
type Choice struct{ ID, Label string }

// CurrencyRow is a line of the currency table (rules.md 5): a CRM currency, a shop currency, or both.
type CurrencyRow struct {
	CRMID, CRMName, CRMCode string
	CRMActive, CRMBase      bool
	ShopID                  int64
	ShopName, ShopCode      string
	ShopActive, ShopDefault bool
	Rate                    string // units per shop default unit, "" unknown
	State                   string // linked, not linked, missing, inactive
	By                      string // auto, hand, ""
}

// CurrencyTable is the table with the two bases.
type CurrencyTable struct {
	Rows               []CurrencyRow
	ShopBase, CRMBase  string // ISO codes
	BasesAgree         bool
	RateOfCRMBase      string // the shop's rate for the CRM's base currency, "" when it has none
	HeldByLinks        int    // orders that wait for a link
	UnlinkedShopActive []string
}

// CurrencyStep is one thing that automatic linking proposes or did.
type CurrencyStep struct {
	Action string `json:"action"` // link, create, activate
	Code   string `json:"code"`
	Text   string `json:"text"`
	CRMID  string `json:"crm_id,omitempty"`
	ShopID int64  `json:"shop_id,omitempty"`
}

// StateRow is a line of the order state mapping.
type StateRow struct {
	ShopState     int64  `json:"shop_state"`
	Name          string `json:"name"`
	SOStatus      string `json:"sostatus"`
	InvoiceStatus string `json:"invoicestatus"`
	Invoice       bool   `json:"invoice"` // the state allows an invoice
	By            string `json:"by"`      // "default" or "hand"
}

// ExportOptions narrow an export.
type ExportOptions struct {
	DryRun bool      // plan only: what would be written
	Limit  int       // at most so many records
	Since  time.Time // orders: placed since
	Resume bool      // only go on with an unfinished export
	Reopen bool      // customers: export again although it completed
}

// Planned is one record of a preview: what would be written and why.
type Planned struct {
	Entity store.Entity `json:"entity"`
	ShopID int64        `json:"shop_id"`
	Label  string       `json:"label"`
	State  store.State  `json:"state"` // created, updated, unchanged, held
	Writes []string     `json:"writes,omitempty"`
	Detail string       `json:"detail,omitempty"`
}

// Summary is how a run ended.
type Summary struct {
	Entity       store.Entity  `json:"entity"`
	Run          int64         `json:"run"`
	State        string        `json:"state"`
	Total        int64         `json:"total"`
	Created      int64         `json:"created"`
	Updated      int64         `json:"updated"`
	Unchanged    int64         `json:"unchanged"`
	Held         int64         `json:"held"`
	Failed       int64         `json:"failed"`
	ShopRequests int64         `json:"shop_requests"`
	CRMRequests  int64         `json:"crm_requests"`
	Took         time.Duration `json:"-"`
	Planned      []Planned     `json:"-"` // dry run
	Warnings     []string      `json:"warnings,omitempty"`
}

// WatchOptions steer watch.
type WatchOptions struct {
	Once        bool
	Interval    time.Duration
	CatchUpFrom time.Time
}

// RecordView is everything known of one shop record: `records show`.
type RecordView struct {
	Outcome  store.Outcome
	Links    []store.Link
	Open     []store.Intent // writes not finished
	Mirrored string
}

// Difference is one thing in which shop and CRM disagree.
type Difference struct {
	Entity store.Entity `json:"entity"`
	ShopID int64        `json:"shop_id"`
	CRMID  string       `json:"crm_id,omitempty"`
	What   string       `json:"what"` // missing, total, status, twice, link, lines, currency
	Text   string       `json:"text"`
	Repair string       `json:"repair,omitempty"` // what --repair did or would do; "" = a person's decision
	Done   bool         `json:"done,omitempty"`
}

// ctxErr keeps the order of reasons: why a context ended explains every error after it.
func ctxErr(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
