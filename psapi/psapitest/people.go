package psapitest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

func id(n int64) string { return strconv.FormatInt(n, 10) }

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// register makes a customer, the address if there is one, and the visitor's row of guests.
func (s *Shop) register(a Action, acted *Acted) error {
	if a.Email == "" {
		return errors.New("email is missing: a customer needs one")
	}
	if a.Group == 0 {
		a.Group = 1
	}
	if _, err := s.existing("groups", "group", a.Group); err != nil {
		return err
	}
	values := newCustomer(a.At)
	for name, value := range map[string]string{
		"id_default_group": id(a.Group), "email": a.Email, "active": flag(a.Active == nil || *a.Active), "is_guest": flag(a.Guest),
		"firstname": cmp.Or(a.FirstName, "New"), "lastname": cmp.Or(a.LastName, "Customer"), "date_add": a.At, "date_upd": a.At,
		"id_gender": "9",
	} {
		values[name] = value
	}
	acted.Customer = s.insert(s.table("customers"), values)
	if a.Company != "" || a.Address != nil {
		acted.Address = s.addAddress(a, acted.Customer)
	}
	acted.Guest = s.visitor(acted.Customer)
	return nil
}

// addAddress gives a customer the address of an action; what it leaves out is invented.
func (s *Shop) addAddress(a Action, customer int64) int64 {
	given := Address{}
	if a.Address != nil {
		given = *a.Address
	}
	customers := s.table("customers")
	c := customers.get(customer)
	return s.insert(s.table("addresses"), map[string]string{
		"id_customer": id(customer), "alias": "My address", "date_add": a.At, "date_upd": a.At,
		"id_country": cmp.Or(positive(given.Country), s.configuration("PS_COUNTRY_DEFAULT")),
		"company":    cmp.Or(given.Company, a.Company),
		"firstname":  cmp.Or(given.FirstName, customers.value(c, "firstname")),
		"lastname":   cmp.Or(given.LastName, customers.value(c, "lastname")),
		"address1":   cmp.Or(given.Address1, "1 rue de la Paix"), "address2": given.Address2,
		"postcode": cmp.Or(given.Postcode, "75002"), "city": cmp.Or(given.City, "Paris"),
		"phone": given.Phone, "phone_mobile": given.PhoneMobile, "vat_number": given.VATNumber,
	})
}

func positive(n int64) string {
	if n == 0 {
		return ""
	}
	return id(n)
}

// visitor ties a row of guests to a customer who has none yet; it has no dates (module statsdata).
func (s *Shop) visitor(customer int64) int64 {
	guests := s.table("guests")
	if known := guests.where("id_customer", id(customer)); len(known) > 0 {
		return known[0].id
	}
	return s.insert(guests, map[string]string{
		"id_customer": id(customer), "accept_language": "fr", "id_operating_system": "1", "id_web_browser": "1", "javascript": "1",
	})
}

// addressOf is the customer's first address that is not deleted.
func (s *Shop) addressOf(customer int64) int64 {
	addresses := s.table("addresses")
	for _, r := range addresses.where("id_customer", id(customer)) {
		if addresses.value(r, "deleted") == "0" {
			return r.id
		}
	}
	return 0
}

// login touches no customer: it saves a cart (capture 108).
func (s *Shop) login(a Action, acted *Acted) error {
	if _, err := s.existing("customers", "customer", a.Customer); err != nil {
		return err
	}
	carts := s.table("carts")
	if a.Cart != 0 {
		if _, err := s.existing("carts", "cart", a.Cart); err != nil {
			return err
		}
		s.set(carts, a.Cart, map[string]string{"id_customer": id(a.Customer), "date_upd": a.At})
		acted.Cart = a.Cart
	} else {
		address := id(s.addressOf(a.Customer))
		acted.Cart = s.insert(carts, map[string]string{
			"id_address_delivery": address, "id_address_invoice": address, "id_customer": id(a.Customer),
			"id_currency": s.configuration("PS_CURRENCY_DEFAULT"), "id_lang": s.configuration("PS_LANG_DEFAULT"),
			"recyclable": "1", "date_add": a.At, "date_upd": a.At,
		})
	}
	acted.Customer, acted.Guest = a.Customer, s.visitor(a.Customer)
	return nil
}

// editCustomer changes personal data, in the back office or by the customer: both touch date_upd.
func (s *Shop) editCustomer(a Action, acted *Acted) error {
	c, err := s.existing("customers", "customer", a.Customer)
	if err != nil {
		return err
	}
	values := map[string]string{"date_upd": a.At}
	given(values, map[string]string{"email": a.Email, "firstname": a.FirstName, "lastname": a.LastName, "id_default_group": positive(a.Group)})
	if a.Active != nil {
		values["active"] = flag(*a.Active)
	}
	s.set(s.table("customers"), c.id, values)
	acted.Customer = c.id
	return nil
}

// given adds the values that are not empty.
func given(values, more map[string]string) {
	for name, value := range more {
		if value != "" {
			values[name] = value
		}
	}
}

// editAddress changes an address in the back office, or (front) as its owner: one that an order uses is then marked
// deleted and comes back under a new id (AddressController.php:131).
func (s *Shop) editAddress(a Action, acted *Acted) error {
	if a.Address == nil {
		return errors.New("address is missing: give it with the id of the one to edit")
	}
	old, err := s.existing("addresses", "address.id", a.Address.ID)
	if err != nil {
		return err
	}
	addresses := s.table("addresses")
	values := map[string]string{"date_upd": a.At}
	given(values, map[string]string{
		"id_country": positive(a.Address.Country), "company": a.Address.Company, "firstname": a.Address.FirstName,
		"lastname": a.Address.LastName, "address1": a.Address.Address1, "address2": a.Address.Address2,
		"postcode": a.Address.Postcode, "city": a.Address.City, "phone": a.Address.Phone,
		"phone_mobile": a.Address.PhoneMobile, "vat_number": a.Address.VATNumber,
	})
	acted.Customer = castID(addresses.value(old, "id_customer"))
	acted.Address = old.id
	if !a.Front || !s.used(old.id) {
		s.set(addresses, old.id, values)
		return nil
	}
	values["date_add"] = a.At
	renewed := old.copy()
	renewed.id = 0
	s.assign(addresses, renewed, values)
	s.set(addresses, old.id, map[string]string{"deleted": "1", "date_upd": a.At})
	acted.Address = addresses.put(renewed)
	return nil
}

// used says whether an order names the address.
func (s *Shop) used(address int64) bool {
	orders := s.table("orders")
	return len(orders.where("id_address_delivery", id(address))) > 0 || len(orders.where("id_address_invoice", id(address))) > 0
}

// deleteCustomer marks a customer, or takes the row away with the addresses that no order uses.
func (s *Shop) deleteCustomer(a Action, acted *Acted) error {
	c, err := s.existing("customers", "customer", a.Customer)
	if err != nil {
		return err
	}
	acted.Customer = c.id
	customers, addresses := s.table("customers"), s.table("addresses")
	if !a.Physical {
		s.set(customers, c.id, map[string]string{"deleted": "1", "date_upd": a.At})
		return nil
	}
	for _, r := range slices.Clone(addresses.where("id_customer", id(c.id))) {
		if s.used(r.id) {
			s.set(addresses, r.id, map[string]string{"deleted": "1", "date_upd": a.At})
		} else {
			addresses.remove(r.id)
		}
	}
	customers.remove(c.id)
	return nil
}

// changeCurrency adds or changes a currency; currencies have no dates, so nothing but the values tells.
func (s *Shop) changeCurrency(a Action, acted *Acted) error {
	currencies := s.table("currencies")
	values := map[string]string{}
	given(values, map[string]string{"iso_code": a.Code, "name": a.Name, "sign": a.Sign})
	if a.Price != nil {
		if !a.Price.IsPositive() {
			return fmt.Errorf("price %s: the rate of a currency is above 0", a.Price)
		}
		values["conversion_rate"] = long(*a.Price)
	}
	if a.Active != nil {
		values["active"] = flag(*a.Active)
	}
	if a.Currency != 0 {
		c, err := s.existing("currencies", "currency", a.Currency)
		if err != nil {
			return err
		}
		s.set(currencies, c.id, values)
		acted.Currency = c.id
		return nil
	}
	if a.Code == "" || a.Price == nil {
		return errors.New("code and price are missing: a new currency needs its ISO code and its rate")
	}
	for name, value := range map[string]string{"name": a.Code, "sign": a.Code, "active": "1", "blank": "1", "format": "1", "decimals": "1"} {
		if _, has := values[name]; !has {
			values[name] = value
		}
	}
	acted.Currency = s.insert(currencies, values)
	return nil
}
