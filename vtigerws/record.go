package vtigerws

import (
	"sort"
	"time"

	"github.com/shopspring/decimal"
)

// Record is one CRM record as the web service prints it: every scalar a string, the key "id" its id ("4x12"),
// empty and NULL alike "" (wire/vtiger.md 1).
type Record map[string]string

// ID is the record's web service id, such as "4x12".
func (r Record) ID() string { return r["id"] }

// Names returns the record's field names in order, so that requests are reproducible.
func (r Record) Names() []string {
	names := make([]string, 0, len(r))
	for name := range r {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Op is what a Write does.
type Op string

// The writes a client sends. Update changes only the given fields on every version: revise where the server has it,
// retrieve, merge and update on 5.1.0 (wire/vtiger.md 5).
const (
	OpCreate  Op = "create"
	OpUpdate  Op = "update"
	OpDelete  Op = "delete"
	OpConvert Op = "convertlead"
)

// Write is one change of the CRM.
type Write struct {
	Op     Op     `json:"op"`
	Module string `json:"module"`
	ID     string `json:"id,omitempty"` // update, delete and convertlead
	Fields Record `json:"fields,omitempty"`
	// Document carries the lines of a SalesOrder or an Invoice. An update without it keeps the stored lines
	// (ajxaction=DETAILVIEW); never do that to an Invoice: the stock would move twice (wire/vtiger.md 3a).
	Document *Document `json:"document,omitempty"`
	// ProductTaxes assigns tax rates (by tax name, per cent) to a product, and unassigns those not named; nil leaves the
	// assigned ones alone. Giving them on an update drops the product's prices in further currencies (wire/vtiger.md 3d).
	ProductTaxes map[string]decimal.Decimal `json:"product_taxes,omitempty"`
	// AccountName is the Account that convertlead makes or takes.
	AccountName string `json:"account_name,omitempty"`
}

// TaxType says whether one rate set applies to the order or each line has its own.
type TaxType string

// vtiger's two tax types.
const (
	TaxGroup      TaxType = "group"
	TaxIndividual TaxType = "individual"
)

// Document is the inventory half of a SalesOrder or Invoice. Amounts are in the document's currency.
// 5.x stores SubTotal and Total as given; 6.x computes its own (wire/vtiger.md 3a, 3b).
type Document struct {
	Lines         []Line                     `json:"lines"`
	TaxType       TaxType                    `json:"taxtype"`
	GroupTaxes    map[string]decimal.Decimal `json:"group_taxes,omitempty"` // tax1 → per cent; unnamed ones are sent as 0
	Discount      decimal.Decimal            `json:"discount"`              // amount taken off the order
	Shipping      decimal.Decimal            `json:"shipping"`
	ShippingTaxes map[string]decimal.Decimal `json:"shipping_taxes,omitempty"` // shtax1 → per cent; unnamed ones are sent as 0
	Adjustment    decimal.Decimal            `json:"adjustment"`               // signed
	SubTotal      decimal.Decimal            `json:"subtotal"`
	Total         decimal.Decimal            `json:"total"`
}

// Line is one line of a Document.
type Line struct {
	Product     string                     `json:"product"` // id of a Product or Service, "6x18"
	Quantity    decimal.Decimal            `json:"quantity"`
	ListPrice   decimal.Decimal            `json:"listprice"`
	Discount    decimal.Decimal            `json:"discount"` // amount taken off the line
	Description string                     `json:"description,omitempty"`
	Comment     string                     `json:"comment,omitempty"`
	Taxes       map[string]decimal.Decimal `json:"taxes,omitempty"` // individual: tax1 → per cent
}

// Module is what describe says of a module: rights, fields and the prefix of its ids.
type Module struct {
	Name         string
	Label        string
	IDPrefix     string
	Createable   bool
	Updateable   bool
	Deleteable   bool
	Retrieveable bool
	Fields       []Field
}

// Field finds a field of the module by its name.
func (m Module) Field(name string) (Field, bool) {
	for _, f := range m.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// Field is one field of a module.
type Field struct {
	Name      string
	Label     string
	Mandatory bool
	Nullable  bool
	Editable  bool
	Type      string   // string, text, integer, double, boolean, date, datetime, picklist, reference, owner, …
	Default   string   // "" where the CRM names none
	Values    []string // of a picklist
	RefersTo  []string // modules of a reference
}

// Facts is what logging in tells about the CRM.
type Facts struct {
	Version  string // vtigerVersion, e.g. "5.2.1"
	UserID   string // "19x1"
	User     string // login name
	Latency  time.Duration
	Skew     time.Duration // the CRM's clock minus ours, from getchallenge
	Dialect  Dialect
	Modules  []string // what listtypes names
	UserCurr string   // id of the user's own currency, "" when the user may not see Users
	Noise    string   // what had to be cut off before the JSON, "" when clean
}

// Dialect is what differs between CRM versions, decided once after login from facts
// (vtigerVersion, listtypes, describe) and used everywhere else instead of version numbers.
type Dialect struct {
	Revise         bool // 5.2.0 and later
	CurrencyQuery  bool // 5.2.0 and later; 5.1.0 retrieves 21x1, 21x2, …
	ConvertLead    bool // works on 5.2.0 and 5.2.1 only
	LineItems      bool // 6.0 and later: lines inside the element, totals computed by the server
	InLast         bool // 5.1.0: IN must be the last condition
	GroupOwner     bool // groups may own records; 5.1.0 refuses them
	StockCrash     bool // 5.1.0 dies when stock falls under reorderlevel
	UserCurrency   bool // 5.4: Potentials.amount is converted from the user's currency
	RefusesBlank   bool // 5.4 and later refuse to blank a mandatory field on revise
	ApprovesOrders bool // up to 5.4 saving an Invoice sets its SalesOrder to Approved
	EncodesText    bool // 5.2.x: a plain revise stores the text that it does not name HTML-encoded, again each time
	TaxesShipping  bool // 6.0.x counts a group tax on the shipping too
	WholeUpdates   bool // 6.0.x doubles the lines that an update keeps: orders are updated with their Document there
	Batch          bool // the CRM-side module's prestashop.batch is there
	PotentialToAcc bool // 6.x: Potentials.related_to takes Accounts only, Contacts go to contact_id
	ProductNameLen int  // 50, 6.x 100
}

// Currency is a row of the CRM's currency list. Rate is units of it per unit of the base currency.
type Currency struct {
	ID     string
	Name   string
	Code   string
	Symbol string
	Rate   decimal.Decimal
	Active bool
	Base   bool
}
