package psapitest

import (
	"errors"

	"github.com/shopspring/decimal"
)

// createProduct makes a product with the same name in every language, in the standard tax rules group.
func (s *Shop) createProduct(a Action, acted *Acted) error {
	if a.Name == "" {
		return errors.New("name is missing: a product needs one")
	}
	products := s.table("products")
	values := map[string]string{
		"name": a.Name, "reference": a.Reference, "active": flag(a.Active == nil || *a.Active), "quantity": id(a.Quantity),
		"id_category_default": "1", "id_tax_rules_group": "1", "out_of_stock": "2", "minimal_quantity": "1", "new": "",
		"available_for_order": "1", "show_price": "1", "condition": "new", "link_rewrite": "product-" + id(products.last+1),
		"additional_shipping_cost": "0.00", "wholesale_price": "0.000000", "ecotax": "0.000000", "unit_price": "",
		"id_color_default": "", "position_in_category": "", "date_add": a.At, "date_upd": a.At,
	}
	price := decimal.Zero
	if a.Price != nil {
		price = *a.Price
	}
	s.priceTag(values, price, values["id_tax_rules_group"])
	acted.Product = s.insert(products, values)
	return nil
}

// priceTag sets the stored price and the final one that follows from it.
func (s *Shop) priceTag(values map[string]string, net decimal.Decimal, taxGroup string) {
	values["net"] = long(net)
	values["price"] = long(net.Mul(factor(s.taxRate(taxGroup))).Round(2))
}

// editProduct saves the product form: date_upd moves even when nothing else does.
func (s *Shop) editProduct(a Action, acted *Acted) error {
	p, err := s.existing("products", "product", a.Product)
	if err != nil {
		return err
	}
	products := s.table("products")
	values := map[string]string{"date_upd": a.At}
	given(values, map[string]string{"name": a.Name, "reference": a.Reference})
	if a.Active != nil {
		values["active"] = flag(*a.Active)
	}
	if a.Price != nil {
		s.priceTag(values, *a.Price, products.value(p, "id_tax_rules_group"))
	}
	s.set(products, p.id, values)
	acted.Product = p.id
	return nil
}

// moveStock is a stock movement by hand.
func (s *Shop) moveStock(a Action, acted *Acted) error {
	p, err := s.existing("products", "product", a.Product)
	if err != nil {
		return err
	}
	if a.Quantity == 0 {
		return errors.New("quantity is missing: how much comes in (or, negative, goes out)")
	}
	acted.Product = p.id
	acted.Movements = []int64{s.move(p.id, 0, 0, 1, a.Quantity, a.At)}
	return nil
}

// reasonOrder is the stock movement reason of orders and of what comes back from them.
const reasonOrder = "3"

// move books goods in (or, negative, out): a stock_movements row and the quantity of the product and its combination.
// Their date_upd is not touched (Product.php:3103). Products deleted since leave only the row.
func (s *Shop) move(product, combination, order, employee, quantity int64, at string) int64 {
	for resource, n := range map[string]int64{"products": product, "combinations": combination} {
		t := s.table(resource)
		if r := t.get(n); r != nil {
			s.set(t, n, map[string]string{"quantity": id(castID(t.value(r, "quantity")) + quantity)})
		}
	}
	return s.insert(s.table("stock_movements"), map[string]string{
		"id_product": id(product), "id_product_attribute": positive(combination), "id_order": positive(order),
		"id_employee": positive(employee), "id_stock_mvt_reason": reasonOrder, "quantity": id(quantity),
		"date_add": at, "date_upd": at,
	})
}
