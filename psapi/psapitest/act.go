package psapitest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

const stampLayout = "2006-01-02 15:04:05"

// Action is one thing that happens in the shop. Do says what; the fields an action reads are named with it.
//
//	register         email, firstname, lastname, company, address, guest, group; an address is made when there is
//	                 a company or an address
//	login            customer; cart: the visitor's own cart, without it an empty one is made
//	order            customer, or a new guest (guest, email, …); currency, template or lines, discount, shipping,
//	                 wrapping, state
//	state            order, state
//	cancel           order, line, quantity (0 = all): only of an order that was never paid
//	refund           order, line, quantity (0 = all): only of an order that was paid and not delivered
//	return           order, line, quantity (0 = all), restock: only of an order that was delivered
//	product          reference, name, price, active, quantity
//	edit-product     product; reference, name, price, active as far as given
//	stock            product, quantity (to add, may be negative)
//	edit-customer    customer; email, firstname, lastname, active, group as far as given
//	edit-address     address.id; the other fields of address as far as given; front: by the customer, in the shop
//	delete-customer  customer; physical: the row goes, else it is marked
//	currency         currency (0 = a new one); code, name, sign, price (the rate), active as far as given
type Action struct {
	Do string `json:"do"`
	// At is the moment on the shop's wall clock, "2006-01-02 15:04:05"; "" is now.
	At string `json:"at,omitempty"`

	Customer int64 `json:"customer,omitempty"` // id
	Order    int64 `json:"order,omitempty"`    // id
	Product  int64 `json:"product,omitempty"`  // id
	Currency int64 `json:"currency,omitempty"` // id
	Cart     int64 `json:"cart,omitempty"`     // id
	State    int64 `json:"state,omitempty"`    // id of an order state
	Line     int64 `json:"line,omitempty"`     // id of an order_detail
	Quantity int64 `json:"quantity,omitempty"`
	Group    int64 `json:"group,omitempty"` // id of the customer's default group; 0 = 1

	Email     string   `json:"email,omitempty"`
	FirstName string   `json:"firstname,omitempty"`
	LastName  string   `json:"lastname,omitempty"`
	Company   string   `json:"company,omitempty"` // of the address
	Address   *Address `json:"address,omitempty"`
	Guest     bool     `json:"guest,omitempty"` // a guest checkout: is_guest=1

	// Template is the id of the order to copy lines and amounts from; 0 takes the orders of the data in turn.
	Template int64 `json:"template,omitempty"`
	// Lines replace those of the template; its shipping, wrapping and vouchers are not taken then.
	Lines    []Line           `json:"lines,omitempty"`
	Discount *decimal.Decimal `json:"discount,omitempty"` // tax included, order currency
	Shipping *decimal.Decimal `json:"shipping,omitempty"` // tax included, order currency
	Wrapping *decimal.Decimal `json:"wrapping,omitempty"` // tax included, order currency

	Reference string           `json:"reference,omitempty"`
	Name      string           `json:"name,omitempty"`
	Code      string           `json:"code,omitempty"` // ISO 4217
	Sign      string           `json:"sign,omitempty"`
	Price     *decimal.Decimal `json:"price,omitempty"` // of a product: net, default currency; of a currency: its rate
	Active    *bool            `json:"active,omitempty"`

	Front    bool `json:"front,omitempty"`
	Physical bool `json:"physical,omitempty"`
	Restock  bool `json:"restock,omitempty"`
}

// Address is an address of a customer; ID only where an action edits one.
type Address struct {
	ID          int64  `json:"id,omitempty"`
	Country     int64  `json:"country,omitempty"` // id; 0 = PS_COUNTRY_DEFAULT
	Company     string `json:"company,omitempty"`
	FirstName   string `json:"firstname,omitempty"`
	LastName    string `json:"lastname,omitempty"`
	Address1    string `json:"address1,omitempty"`
	Address2    string `json:"address2,omitempty"`
	Postcode    string `json:"postcode,omitempty"`
	City        string `json:"city,omitempty"`
	Phone       string `json:"phone,omitempty"`
	PhoneMobile string `json:"phone_mobile,omitempty"`
	VATNumber   string `json:"vat_number,omitempty"`
}

// Line is a line of an order. What is not given comes from the product: name, reference, net price (in the order's
// currency) and tax rate.
type Line struct {
	Product          int64            `json:"product"`
	Combination      int64            `json:"combination,omitempty"`
	Quantity         int64            `json:"quantity,omitempty"` // 0 = 1
	Name             string           `json:"name,omitempty"`
	Reference        string           `json:"reference,omitempty"`
	Price            *decimal.Decimal `json:"price,omitempty"`    // unit, tax excluded
	TaxRate          *decimal.Decimal `json:"tax_rate,omitempty"` // per cent
	ReductionPercent decimal.Decimal  `json:"reduction_percent,omitzero"`
	ReductionAmount  decimal.Decimal  `json:"reduction_amount,omitzero"` // per unit, tax included
	GroupReduction   decimal.Decimal  `json:"group_reduction,omitzero"`  // per cent
	Ecotax           decimal.Decimal  `json:"ecotax,omitzero"`           // per unit, tax excluded
	EcotaxTaxRate    decimal.Decimal  `json:"ecotax_tax_rate,omitzero"`  // per cent
}

// Acted tells what an action made or touched; ids that it did not are 0.
type Acted struct {
	At        string  `json:"at"`
	Customer  int64   `json:"customer,omitempty"`
	Address   int64   `json:"address,omitempty"`
	Guest     int64   `json:"guest,omitempty"` // of guests
	Cart      int64   `json:"cart,omitempty"`
	Order     int64   `json:"order,omitempty"`
	Lines     []int64 `json:"lines,omitempty"`
	Discounts []int64 `json:"discounts,omitempty"`
	Histories []int64 `json:"histories,omitempty"`
	Movements []int64 `json:"movements,omitempty"`
	Invoice   int64   `json:"invoice,omitempty"` // number
	Product   int64   `json:"product,omitempty"`
	Currency  int64   `json:"currency,omitempty"`
}

// Act plays an action with the traces it leaves in the real shop, and only those (wire/prestashop.md 5).
func (s *Shop) Act(a Action) (Acted, error) {
	acts := map[string]func(Action, *Acted) error{
		"register": s.register, "login": s.login, "order": s.order, "state": s.state,
		"cancel": s.cancel, "refund": s.refund, "return": s.giveBack,
		"product": s.createProduct, "edit-product": s.editProduct, "stock": s.moveStock,
		"edit-customer": s.editCustomer, "edit-address": s.editAddress, "delete-customer": s.deleteCustomer,
		"currency": s.changeCurrency,
	}
	act, ok := acts[a.Do]
	if !ok {
		return Acted{}, fmt.Errorf("action %q is unknown; known are %s", a.Do, strings.Join(slices.Sorted(maps.Keys(acts)), ", "))
	}
	if _, err := time.Parse(stampLayout, a.At); a.At != "" && err != nil {
		return Acted{}, fmt.Errorf("action %s: at %q must look like %q", a.Do, a.At, stampLayout)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a.At = s.now(a.At)
	acted := Acted{At: a.At}
	if err := act(a, &acted); err != nil {
		return Acted{}, fmt.Errorf("action %s: %w", a.Do, err)
	}
	return acted, nil
}

// invented fills in what somebody who tries an action by hand has left out: the newest customer, or the newest order that
// allows the action and its first line; the next state; a name. Act itself invents no record to act on.
func (s *Shop) invented(a Action) Action {
	s.mu.Lock()
	defer s.mu.Unlock()
	customers, products := s.table("customers"), s.table("products")
	switch {
	case a.Do == "register" && a.Email == "":
		a.Email = fmt.Sprintf("customer%d@example.com", customers.last+1)
	case a.Do == "product" && a.Name == "":
		a.Name = fmt.Sprintf("Product %d", products.last+1)
	case (a.Do == "login" || a.Do == "order" && a.Email == "") && a.Customer == 0:
		for _, r := range slices.Backward(customers.rows) {
			if customers.value(r, "deleted") != "1" {
				a.Customer = r.id
				break
			}
		}
	case slices.Contains([]string{"state", "cancel", "refund", "return"}, a.Do) && a.Order == 0:
		for _, r := range slices.Backward(s.table("orders").rows) {
			if s.allows(a.Do, r.id) && (a.Do == "state" || s.firstLine(r.id) != 0) {
				a.Order = r.id
				break
			}
		}
	}
	if a.Do == "state" && a.State == 0 {
		a.State = statePaid
		if s.had(a.Order, "logable") {
			a.State = stateShipped
		}
	}
	if a.Line == 0 {
		a.Line = s.firstLine(a.Order)
	}
	return a
}

// firstLine is the first line of an order of which something is left, 0 for none.
func (s *Shop) firstLine(order int64) int64 {
	for _, line := range s.table("order_details").where("id_order", id(order)) {
		if s.left(line) > 0 {
			return line.id
		}
	}
	return 0
}

// allows says whether an action can be done to an order as far as its states tell.
func (s *Shop) allows(do string, order int64) bool {
	switch do {
	case "cancel":
		return !s.had(order, "logable") && !s.had(order, "delivery")
	case "refund":
		return s.had(order, "logable") && !s.had(order, "delivery")
	case "return":
		return s.had(order, "delivery")
	}
	return true
}

// existing is the row an action names, or an error that says which field is wrong.
func (s *Shop) existing(resource, field string, id int64) (*row, error) {
	if id == 0 {
		return nil, fmt.Errorf("%s is missing: give the id of one of %s", field, resource)
	}
	if r := s.table(resource).get(id); r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("%s %d does not exist in %s", field, id, resource)
}

// secret stands for passwords and keys, as in the data set.
const secret = "x"

// newCustomer are the values that the shop gives a customer by itself (capture 133).
func newCustomer(now string) map[string]string {
	generated := now
	if at, err := time.Parse(stampLayout, now); err == nil {
		generated = at.Add(-6 * time.Hour).Format(stampLayout) // so that it may be changed at once
	}
	return map[string]string{"id_default_group": "1", "secure_key": secret, "passwd": secret, "last_passwd_gen": generated}
}
