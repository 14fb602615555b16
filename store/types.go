package store

import "time"

// Entity is a kind of shop record.
type Entity string

// The entities the connector carries.
const (
	Customer Entity = "customer"
	Product  Entity = "product"
	Order    Entity = "order"
	Invoice  Entity = "invoice"
	Currency Entity = "currency"
)

// Link says "this shop record is that CRM record". One shop record has at most one link per module.
type Link struct {
	Entity Entity
	ShopID int64
	Module string // CRM module: Leads, Contacts, Accounts, Products, SalesOrder, Potentials, Invoice
	CRMID  string // web service id, "4x12"
	Key    string // what finds it again: e-mail, product code, order key
	// Mirrored is a JSON document of what was last written and matters later
	// (order: state, lines, totals; product: name, price, assigned tax).
	Mirrored string
	At       time.Time
}

// IntentState is how far one write has come.
type IntentState string

// An intent is open (Pending) from before it is sent until its answer is on disk. An open intent of a dead process may have
// reached the CRM: its record is looked up by its key before anything is sent again.
const (
	Pending IntentState = "open"
	Done    IntentState = "done"
	Dropped IntentState = "dropped" // known to have had no effect, and given up (record held or failed)
)

// Intent is one write that is about to be sent, the outbox's row. The intents of one record form a chain in Step order.
type Intent struct {
	ID          int64
	Chain       int64 // which intents belong together, set by Intend
	Run         int64
	Entity      Entity
	ShopID      int64
	Step        int
	Name        string // the step's name inside its chain; later steps refer to it as "@name"
	Body        []byte // the write as JSON, references unresolved
	State       IntentState
	CRMID       string // known once done
	Attempts    int
	LastError   string
	Created     time.Time
	LinkEntity  Entity // the link that completes this intent, "" for a write that makes none
	LinkShopID  int64
	LinkModule  string
	LinkKey     string
	LookupField string // field that finds the record when the answer was lost
	LookupValue string
}

// State is what became of a shop record.
type State string

// Each shop record ends as one of these (rules.md 9.2).
const (
	Created   State = "created"
	Updated   State = "updated"
	Unchanged State = "unchanged"
	Held      State = "held"   // goes by itself once the reason is gone
	Failed    State = "failed" // needs a person and `records retry`
)

// Outcome is the last thing known of a shop record.
type Outcome struct {
	Entity   Entity
	ShopID   int64
	State    State
	Reason   string // stable word: "currency", "mandatory", "rights", "product", "lines", …; "" when it went well
	Detail   string // a sentence for people, with the cure
	Label    string // how people know the record: code, e-mail, "order 812"
	CRM      string // "Products 6x1293", "Contacts 4x12, Accounts 3x4"
	Sent     string // the last write as JSON, for `records show`
	Answer   string // the last answer's text
	Attempts int
	Run      int64
	Since    time.Time // when this state began
	At       time.Time // last look
}

// Counts are the outcomes of one entity.
type Counts struct {
	Created, Updated, Unchanged, Held, Failed int64
}

// Sum is how many records are accounted for.
func (c Counts) Sum() int64 { return c.Created + c.Updated + c.Unchanged + c.Held + c.Failed }

// RunState is the life of a run.
type RunState string

// Interrupted is a run whose process died: it goes on where it stopped.
const (
	Running     RunState = "running"
	Paused      RunState = "paused"
	Stopped     RunState = "stopped"
	Finished    RunState = "finished"
	Interrupted RunState = "interrupted"
	Broken      RunState = "broken" // ended by an error, resumable
)

// Run is one export or one life of watch. Its row is the progress that every screen shows.
type Run struct {
	ID      int64
	Kind    string // products, customers, orders, watch
	State   RunState
	Who     string // user, host and pid
	Started time.Time
	Beat    time.Time // last sign of life
	Ended   time.Time
	Total   int64 // records to look at; 0 = not known yet
	Counts
	Cursor       int64  // all shop ids up to here are on disk
	Options      string // JSON of what it was started with
	Message      string // "CRM asks to slow down", the error it ended with
	Workers      int
	ShopRequests int64
	CRMRequests  int64
	Closed       bool // customers: the once-only export has completed
}

// Lease says who may write. Only its holder runs exports and watch.
type Lease struct {
	Who     string
	Run     int64
	Beat    time.Time
	Request string // what another process asks of the holder: "pause", "resume", "stop", ""
}

// Entry is one line of the log.
type Entry struct {
	ID      int64
	At      time.Time
	Level   string // info, warning, error
	Run     int64
	Entity  Entity
	ShopID  int64
	Label   string
	State   State // outcome of the record, "" for other lines
	Message string
}

// CurrencyLink ties a CRM currency to a shop currency. By says who made it: "auto" or "hand"; hand links survive auto-linking.
type CurrencyLink struct {
	CRMID  string
	ShopID int64
	Code   string
	By     string
}

// StateMap maps a shop's order state to the CRM's picklist values; empty values mean the built-in default.
type StateMap struct {
	ShopState     int64
	SOStatus      string
	InvoiceStatus string
}

// Default is the value for a mandatory CRM field that the shop leaves empty.
type Default struct {
	Module string
	Field  string
	Value  string
	Label  string // of a reference: what a person chose by
}

// Filter narrows Outcomes and Entries. Zero fields do not narrow.
type Filter struct {
	Entity Entity
	States []State
	ShopID int64
	Run    int64
	Reason string
	Text   string // in label or detail
	After  int64  // log: entries with a higher id, oldest first; -1 from the beginning
	Level  string // log: this level and worse
	Limit  int
	Offset int
	Brief  bool // outcomes: without what was sent and answered, for many at once
}
