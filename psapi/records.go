package psapi

import (
	"time"

	"github.com/shopspring/decimal"
)

// Stamp is a moment of the shop's wall clock, "2006-01-02 15:04:05" in the shop's PS_TIMEZONE and without
// an offset (wire/prestashop.md 3). Stamps of one shop compare as strings except across the autumn clock change.
// The zero dates that PrestaShop prints ("0000-00-00 00:00:00") are read as the empty Stamp.
type Stamp string

// StampLayout is the layout of a Stamp for package time.
const StampLayout = "2006-01-02 15:04:05"

// In places the stamp in the shop's time zone. The empty stamp gives the zero time.
func (s Stamp) In(zone *time.Location) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.ParseInLocation(StampLayout, string(s), zone)
}

// Customer is a row of customers. passwd and secure_key are never asked for (wire/prestashop.md 2).
// Several customers may share one e-mail: guest checkouts and re-registrations.
type Customer struct {
	ID           int64
	DefaultGroup int64 // id_default_group: decides how the shop rounded this customer's prices
	LastName     string
	FirstName    string
	Email        string
	Company      string // only 1.5 and later; 1.4 keeps companies in addresses
	Gender       int    // 1 Mr, 2 Mrs/Ms, 9 unknown
	Birthday     string // yyyy-mm-dd, empty when unknown
	Newsletter   bool
	OptIn        bool
	Active       bool
	Guest        bool
	Deleted      bool
	DateAdd      Stamp
	DateUpd      Stamp
}

// Address is a row of addresses. A deleted address may still be the one an order was billed to.
type Address struct {
	ID          int64
	Customer    int64
	Country     int64
	State       int64
	Company     string
	LastName    string
	FirstName   string
	Address1    string
	Address2    string
	Postcode    string
	City        string
	Other       string
	Phone       string
	PhoneMobile string
	VATNumber   string
	Deleted     bool
	DateAdd     Stamp
	DateUpd     Stamp
}

// Cart is a row of carts: with a customer it says "this customer was active" (wire/prestashop.md 5).
type Cart struct {
	ID       int64
	Customer int64
	Guest    int64
	DateAdd  Stamp
	DateUpd  Stamp
}

// Product is a row of products. Net is the tax-excluded list price in the shop's default currency, six decimals,
// read through the virtual field `net` because `price` is tax-included and reduced (wire/prestashop.md 4).
type Product struct {
	ID               int64
	Reference        string
	Name             string // in the shop's default language
	DescriptionShort string // in the shop's default language, HTML removed
	EAN13            string
	SupplierRef      string
	Manufacturer     string
	Net              decimal.Decimal
	TaxRate          decimal.Decimal // per cent in the shop's default country, from a second virtual field with tax; zero = none
	Quantity         int64
	Active           bool
	DateAdd          Stamp
	DateUpd          Stamp
}

// Order is a row of orders, read by plain fields only (wire/prestashop.md 7). Amounts are in the order's currency;
// ConversionRate is units of that currency per unit of the shop's default currency when the order was placed.
type Order struct {
	ID              int64
	AddressDelivery int64
	AddressInvoice  int64
	Cart            int64
	Currency        int64
	Customer        int64
	Carrier         int64
	Reference       string // 1.5 and later
	Module          string
	Payment         string
	Valid           bool
	InvoiceNumber   int64 // 0 = no invoice yet
	InvoiceDate     Stamp
	DeliveryNumber  int64
	DeliveryDate    Stamp
	CurrentState    int64
	GiftMessage     string
	ShippingNumber  string
	TotalDiscounts  decimal.Decimal // positive, tax included
	TotalPaid       decimal.Decimal
	TotalPaidReal   decimal.Decimal
	TotalProducts   decimal.Decimal // tax excluded; wrong after a cancelled line (wire/prestashop.md 6 trap c)
	TotalProductsWT decimal.Decimal // tax included
	TotalShipping   decimal.Decimal // tax included
	CarrierTaxRate  decimal.Decimal // per cent
	TotalWrapping   decimal.Decimal // tax included
	ConversionRate  decimal.Decimal
	DateAdd         Stamp
	DateUpd         Stamp
}

// OrderDetail is a line of an order. See wire/prestashop.md 6 for how the amounts combine.
type OrderDetail struct {
	ID                int64
	Order             int64
	Product           int64 // may name a product that no longer exists
	ProductAttribute  int64
	Name              string // with the combination's name behind " - "
	Reference         string
	EAN13             string
	Quantity          int64
	QuantityRefunded  int64
	QuantityReturn    int64
	Price             decimal.Decimal // unit, tax excluded, before any reduction, without ecotax
	ReductionPercent  decimal.Decimal
	ReductionAmount   decimal.Decimal // per unit, tax included
	GroupReduction    decimal.Decimal // per cent
	TaxName           string          // of the shop's default country: may contradict TaxRate
	TaxRate           decimal.Decimal // per cent
	Ecotax            decimal.Decimal // per unit, tax excluded
	EcotaxTaxRate     decimal.Decimal // per cent
	UnitPriceTaxIncl  decimal.Decimal // 1.5 and later, else zero
	UnitPriceTaxExcl  decimal.Decimal // 1.5 and later, else zero
	TotalPriceTaxIncl decimal.Decimal // 1.5 and later, else zero
	TotalPriceTaxExcl decimal.Decimal // 1.5 and later, else zero
}

// OrderHistory is one change of an order's state.
type OrderHistory struct {
	ID      int64
	State   int64
	Order   int64
	DateAdd Stamp
}

// OrderState is one of the shop's order states; Name is in the shop's default language.
type OrderState struct {
	ID       int64
	Name     string
	Invoice  bool // an order that enters this state gets an invoice
	Delivery bool
	Logable  bool // counts as paid
	Hidden   bool
}

// OrderDiscount is a voucher used in an order: Value is positive, tax included, in the order's currency.
type OrderDiscount struct {
	ID    int64
	Order int64
	Name  string
	Value decimal.Decimal
}

// Currency is one of the shop's currencies. Rate is units of it per unit of the shop's default currency.
type Currency struct {
	ID      int64
	Name    string
	ISOCode string
	Sign    string
	Rate    decimal.Decimal
	Active  bool
	Deleted bool
}

// Country is a row of countries; Name is in the shop's default language.
type Country struct {
	ID      int64
	ISOCode string
	Name    string
}

// State is a province of a country.
type State struct {
	ID      int64
	Country int64
	ISOCode string
	Name    string
}

// Group is a customer group. TaxExcluded is price_display_method 1: prices were rounded without tax.
type Group struct {
	ID          int64
	Name        string
	Reduction   decimal.Decimal // per cent
	TaxExcluded bool
}

// StockMovement is a row of stock_movements: the only trace of a refunded line of a paid order (wire/prestashop.md 5).
type StockMovement struct {
	ID       int64
	Product  int64
	Order    int64
	Employee int64
	Reason   int64
	Quantity int64
	DateAdd  Stamp
	DateUpd  Stamp
}

// Query selects a page of one resource. Only filter forms that work on every PCRE are expressible
// (wire/prestashop.md 3: equality, one-of, strictly greater, strictly less).
type Query struct {
	After    int64    // keyset: id > After
	IDs      []int64  // id is one of these
	Where    []Filter // all must hold; one filter per field
	Since    Stamp    // date_upd > Since (date_add for order_histories)
	ByDate   bool     // sort by (date_upd, id) instead of id
	Offset   int      // only inside a window that one second fills
	Limit    int      // rows; 0 = the resource's default page
	DateAdds bool     // Since and ByDate mean date_add on resources that have both
	// Fields are the only fields to ask for and to fill, by the server's names (id always comes); empty = all of the
	// record. Fewer fields make larger pages cheap: orders with id_customer alone cost half of whole ones.
	Fields []string
}

// Op is a filter operator of the web service.
type Op string

// The filter forms that work on every server (wire/prestashop.md 3).
const (
	Equal   Op = "="
	OneOf   Op = "|"
	Greater Op = ">"
	Less    Op = "<"
)

// Filter is one condition of a Query on a field of the resource.
type Filter struct {
	Field  string
	Op     Op
	Values []string
}

// Page is what one Query answered.
type Page[T any] struct {
	Items []T
	// Bad are objects that could not be read even alone: each is reported once, none is taken as deleted.
	Bad []BadRecord
	// More says that the page was full, so another may follow. It is what to go by: a page may hold fewer items
	// than asked for although More is true, when the shop could not print more at once.
	More bool
	// Last is the highest id that was looked at, of Items and of Bad: the next Query.After.
	Last int64
}

// BadRecord is one object that the shop prints in a form nobody can read.
type BadRecord struct {
	Resource string
	ID       int64 // 0 when the shop cannot even list it; Reason then says between which ids it lies
	Reason   string
}

// Facts is what one look at the shop tells: who answers, with which rights, in which zone and currency.
type Facts struct {
	ShopName        string
	Version         string // of PSWS-Version, e.g. "1.4.11.1"
	Zone            string // PS_TIMEZONE
	DefaultCurrency int64
	DefaultLanguage int64
	RoundMode       int // PS_PRICE_ROUND_MODE: 0 up, 1 down, 2 half up
	// Rights lists, per granted resource, the verbs the key may use ("get", "put", …).
	Rights map[string][]string
	// Skew is the shop's clock minus ours, from the Access-Time header.
	Skew time.Duration
	// Latency is how long the root document took.
	Latency time.Duration
	// URL is the shop's folder as the client understood it, with the last slash.
	URL string
	// Dispatcher says that the rewrite rule of api/ does not work and webservice/dispatcher.php is used instead.
	Dispatcher bool
	// Insecure says that any certificate is accepted: whoever sits on the line can read the key.
	Insecure bool
	// KeyInURL says that the server drops the Authorization header and ws_key was used instead.
	KeyInURL bool
	// Noise describes what had to be cut off before the XML (BOM, PHP notice), empty when clean.
	Noise string
}
