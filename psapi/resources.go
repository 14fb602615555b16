package psapi

import (
	"context"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"

	"cartiger/problem"
)

// shape is what the client knows of a resource before it asks the shop.
type shape struct {
	name   string
	fields []string // of 1.4.11; older shops may lack some
	later  []string // of 1.5 and later, asked for only where the synopsis shows them
	// dates is the column that Since means: "date_upd" (the table then has date_add too), "date_add", or "".
	// An empty answer to a date query proves something only where the column exists (wire/prestashop.md 3).
	dates      string
	page       int  // rows of a page unless the query says otherwise (wire/prestashop.md 3, cost)
	translated bool // some field has a text per language
}

// kind ties a resource to its record.
type kind[T any] struct {
	shape
	read func(*reader) T
}

func (s shape) has(field string) bool {
	return field == "id" || slices.Contains(s.fields, field) || slices.Contains(s.later, field) || s.hasDate(field)
}

func (s shape) hasDate(field string) bool {
	return s.dates == "date_upd" && isDate(field) || s.dates == "date_add" && field == "date_add"
}

func (s shape) invalid(field, format string, values ...any) *problem.Error {
	return &problem.Error{
		Kind: problem.Invalid, Where: where, Code: CodeQuery, Field: field,
		Message: fmt.Sprintf("query of %s, field %s: ", s.name, field) + fmt.Sprintf(format, values...),
	}
}

var customers = kind[Customer]{
	shape{
		name: "customers",
		// Never passwd (an MD5) nor secure_key (wire/prestashop.md 2).
		fields: []string{"id_default_group", "lastname", "firstname", "email", "id_gender", "birthday", "newsletter", "optin", "active", "is_guest", "deleted"},
		later:  []string{"company"},
		dates:  "date_upd", page: 250,
	},
	func(r *reader) Customer {
		return Customer{
			ID: r.id, DefaultGroup: r.number("id_default_group"),
			LastName: r.text("lastname"), FirstName: r.text("firstname"), Email: r.text("email"), Company: r.text("company"),
			Gender: int(r.number("id_gender")), Birthday: r.date("birthday"),
			Newsletter: r.flag("newsletter"), OptIn: r.flag("optin"), Active: r.flag("active"),
			Guest: r.flag("is_guest"), Deleted: r.flag("deleted"),
			DateAdd: r.stamp("date_add"), DateUpd: r.stamp("date_upd"),
		}
	},
}

var addresses = kind[Address]{
	shape{
		name: "addresses",
		fields: []string{
			"id_customer", "id_country", "id_state", "company", "lastname", "firstname", "address1", "address2",
			"postcode", "city", "other", "phone", "phone_mobile", "vat_number", "deleted",
		},
		dates: "date_upd", page: 250,
	},
	func(r *reader) Address {
		return Address{
			ID: r.id, Customer: r.number("id_customer"), Country: r.number("id_country"), State: r.number("id_state"),
			Company: r.text("company"), LastName: r.text("lastname"), FirstName: r.text("firstname"),
			Address1: r.text("address1"), Address2: r.text("address2"), Postcode: r.text("postcode"), City: r.text("city"),
			Other: r.text("other"), Phone: r.text("phone"), PhoneMobile: r.text("phone_mobile"), VATNumber: r.text("vat_number"),
			Deleted: r.flag("deleted"), DateAdd: r.stamp("date_add"), DateUpd: r.stamp("date_upd"),
		}
	},
}

var carts = kind[Cart]{
	shape{name: "carts", fields: []string{"id_customer", "id_guest"}, dates: "date_upd", page: 250},
	func(r *reader) Cart {
		return Cart{
			ID: r.id, Customer: r.number("id_customer"), Guest: r.number("id_guest"),
			DateAdd: r.stamp("date_add"), DateUpd: r.stamp("date_upd"),
		}
	},
}

var products = kind[Product]{
	shape{
		name: "products",
		// net is computed on request up to 1.4; later shops print the net price as price (wire/prestashop.md 8).
		fields: []string{"reference", "name", "description_short", "ean13", "supplier_reference", "manufacturer_name", "net", "gross", "quantity", "active"},
		later:  []string{"price"},
		dates:  "date_upd", page: 100, translated: true,
	},
	func(r *reader) Product {
		price := "net"
		if _, raw := r.fields["price"]; raw {
			price = "price"
		}
		ean := r.text("ean13")
		if ean == "0" {
			ean = "" // the default of the column, printed for every product without a code
		}
		return Product{
			ID: r.id, Reference: r.text("reference"), Name: r.text("name"), DescriptionShort: plainText(r.text("description_short")),
			EAN13: ean, SupplierRef: r.text("supplier_reference"), Manufacturer: r.text("manufacturer_name"),
			Net: r.amount(price), TaxRate: taxRate(r.amount(price), r.amount("gross")), Quantity: r.number("quantity"), Active: r.flag("active"),
			DateAdd: r.stamp("date_add"), DateUpd: r.stamp("date_upd"),
		}
	},
}

// taxRate is the rate, per cent, between a price without and one with tax. Of prices under a cent nothing can be told.
func taxRate(net, gross decimal.Decimal) decimal.Decimal {
	if net.LessThan(decimal.New(1, -2)) || !gross.GreaterThan(net) {
		return decimal.Zero
	}
	return gross.Div(net).Sub(decimal.NewFromInt(1)).Shift(2).Round(2)
}

var orders = kind[Order]{
	shape{
		name: "orders",
		// Plain fields, never order_rows: those are a 500 on 1.4.11 with display_errors off (capture 115).
		fields: []string{
			"id_address_delivery", "id_address_invoice", "id_cart", "id_currency", "id_customer", "id_carrier", "module", "payment",
			"valid", "invoice_number", "invoice_date", "delivery_number", "delivery_date", "current_state", "gift_message",
			"shipping_number", "total_discounts", "total_paid", "total_paid_real", "total_products", "total_products_wt",
			"total_shipping", "carrier_tax_rate", "total_wrapping", "conversion_rate",
		},
		later: []string{"reference"},
		dates: "date_upd", page: 100,
	},
	func(r *reader) Order {
		return Order{
			ID: r.id, AddressDelivery: r.number("id_address_delivery"), AddressInvoice: r.number("id_address_invoice"),
			Cart: r.number("id_cart"), Currency: r.number("id_currency"), Customer: r.number("id_customer"), Carrier: r.number("id_carrier"),
			Reference: r.text("reference"), Module: r.text("module"), Payment: r.text("payment"), Valid: r.flag("valid"),
			InvoiceNumber: r.number("invoice_number"), InvoiceDate: r.stamp("invoice_date"),
			DeliveryNumber: r.number("delivery_number"), DeliveryDate: r.stamp("delivery_date"),
			CurrentState: r.number("current_state"), GiftMessage: r.text("gift_message"), ShippingNumber: r.text("shipping_number"),
			TotalDiscounts: r.amount("total_discounts"), TotalPaid: r.amount("total_paid"), TotalPaidReal: r.amount("total_paid_real"),
			TotalProducts: r.amount("total_products"), TotalProductsWT: r.amount("total_products_wt"),
			TotalShipping: r.amount("total_shipping"), CarrierTaxRate: r.amount("carrier_tax_rate"),
			TotalWrapping: r.amount("total_wrapping"), ConversionRate: r.amount("conversion_rate"),
			DateAdd: r.stamp("date_add"), DateUpd: r.stamp("date_upd"),
		}
	},
}

var orderDetails = kind[OrderDetail]{
	shape{
		name: "order_details",
		fields: []string{
			"id_order", "product_id", "product_attribute_id", "product_name", "product_reference", "product_ean13",
			"product_quantity", "product_quantity_refunded", "product_quantity_return", "product_price",
			"reduction_percent", "reduction_amount", "group_reduction", "tax_name", "tax_rate", "ecotax", "ecotax_tax_rate",
		},
		later: []string{"unit_price_tax_incl", "unit_price_tax_excl", "total_price_tax_incl", "total_price_tax_excl"},
		page:  250,
	},
	func(r *reader) OrderDetail {
		return OrderDetail{
			ID: r.id, Order: r.number("id_order"), Product: r.number("product_id"), ProductAttribute: r.number("product_attribute_id"),
			Name: r.text("product_name"), Reference: r.text("product_reference"), EAN13: r.text("product_ean13"),
			Quantity: r.number("product_quantity"), QuantityRefunded: r.number("product_quantity_refunded"),
			QuantityReturn: r.number("product_quantity_return"), Price: r.amount("product_price"),
			ReductionPercent: r.amount("reduction_percent"), ReductionAmount: r.amount("reduction_amount"),
			GroupReduction: r.amount("group_reduction"), TaxName: r.text("tax_name"), TaxRate: r.amount("tax_rate"),
			Ecotax: r.amount("ecotax"), EcotaxTaxRate: r.amount("ecotax_tax_rate"),
			UnitPriceTaxIncl: r.amount("unit_price_tax_incl"), UnitPriceTaxExcl: r.amount("unit_price_tax_excl"),
			TotalPriceTaxIncl: r.amount("total_price_tax_incl"), TotalPriceTaxExcl: r.amount("total_price_tax_excl"),
		}
	},
}

var orderHistories = kind[OrderHistory]{
	shape{name: "order_histories", fields: []string{"id_order_state", "id_order"}, dates: "date_add", page: 250},
	func(r *reader) OrderHistory {
		return OrderHistory{ID: r.id, State: r.number("id_order_state"), Order: r.number("id_order"), DateAdd: r.stamp("date_add")}
	},
}

var orderStates = kind[OrderState]{
	shape{name: "order_states", fields: []string{"name", "invoice", "delivery", "logable", "hidden"}, page: 500, translated: true},
	func(r *reader) OrderState {
		return OrderState{
			ID: r.id, Name: r.text("name"), Invoice: r.flag("invoice"), Delivery: r.flag("delivery"),
			Logable: r.flag("logable"), Hidden: r.flag("hidden"),
		}
	},
}

var orderDiscounts = kind[OrderDiscount]{
	shape{name: "order_discounts", fields: []string{"id_order", "name", "value"}, page: 250},
	readOrderDiscount,
}

// From 1.5 on the vouchers of an order are order_cart_rules, whose value is tax included too (wire/prestashop.md 8).
var orderCartRules = kind[OrderDiscount]{
	shape{name: "order_cart_rules", fields: []string{"id_order", "name", "value"}, page: 250},
	readOrderDiscount,
}

func readOrderDiscount(r *reader) OrderDiscount {
	return OrderDiscount{ID: r.id, Order: r.number("id_order"), Name: r.text("name"), Value: r.amount("value")}
}

var currencies = kind[Currency]{
	shape{name: "currencies", fields: []string{"name", "iso_code", "sign", "conversion_rate", "active", "deleted"}, page: 500},
	func(r *reader) Currency {
		return Currency{
			ID: r.id, Name: r.text("name"), ISOCode: r.text("iso_code"), Sign: r.text("sign"), Rate: r.amount("conversion_rate"),
			Active: r.flag("active"), Deleted: r.flag("deleted"),
		}
	},
}

var countries = kind[Country]{
	shape{name: "countries", fields: []string{"iso_code", "name"}, page: 500, translated: true},
	func(r *reader) Country {
		return Country{ID: r.id, ISOCode: r.text("iso_code"), Name: r.text("name")}
	},
}

var states = kind[State]{
	shape{name: "states", fields: []string{"id_country", "iso_code", "name"}, page: 500},
	func(r *reader) State {
		return State{ID: r.id, Country: r.number("id_country"), ISOCode: r.text("iso_code"), Name: r.text("name")}
	},
}

var groups = kind[Group]{
	shape{name: "groups", fields: []string{"name", "reduction", "price_display_method"}, page: 500, translated: true},
	func(r *reader) Group {
		return Group{
			ID: r.id, Name: r.text("name"), Reduction: r.amount("reduction"),
			TaxExcluded: r.number("price_display_method") == 1,
		}
	},
}

var stockMovements = kind[StockMovement]{
	shape{
		name:   "stock_movements",
		fields: []string{"id_product", "id_order", "id_employee", "id_stock_mvt_reason", "quantity"},
		dates:  "date_upd", page: 250,
	},
	func(r *reader) StockMovement {
		return StockMovement{
			ID: r.id, Product: r.number("id_product"), Order: r.number("id_order"), Employee: r.number("id_employee"),
			Reason: r.number("id_stock_mvt_reason"), Quantity: r.number("quantity"),
			DateAdd: r.stamp("date_add"), DateUpd: r.stamp("date_upd"),
		}
	},
}

// shapes are all resources that lists of ids can be asked of.
var shapes = map[string]shape{
	"customers": customers.shape, "addresses": addresses.shape, "carts": carts.shape, "products": products.shape,
	"orders": orders.shape, "order_details": orderDetails.shape, "order_histories": orderHistories.shape,
	"order_states": orderStates.shape, "order_discounts": orderDiscounts.shape, "order_cart_rules": orderCartRules.shape,
	"currencies": currencies.shape, "countries": countries.shape, "states": states.shape, "groups": groups.shape,
	"stock_movements": stockMovements.shape,
}

// Customers reads a page of customers.
func (c *Client) Customers(ctx context.Context, q Query) (Page[Customer], error) {
	return page(ctx, c, customers, q)
}

// Addresses reads a page of addresses, deleted ones too.
func (c *Client) Addresses(ctx context.Context, q Query) (Page[Address], error) {
	return page(ctx, c, addresses, q)
}

// Carts reads a page of carts.
func (c *Client) Carts(ctx context.Context, q Query) (Page[Cart], error) {
	return page(ctx, c, carts, q)
}

// Products reads a page of products, active and inactive, in the shop's default language.
func (c *Client) Products(ctx context.Context, q Query) (Page[Product], error) {
	return page(ctx, c, products, q)
}

// Orders reads a page of orders without their lines.
func (c *Client) Orders(ctx context.Context, q Query) (Page[Order], error) {
	return page(ctx, c, orders, q)
}

// OrderDetails reads a page of order lines; Where with id_order selects those of some orders.
func (c *Client) OrderDetails(ctx context.Context, q Query) (Page[OrderDetail], error) {
	return page(ctx, c, orderDetails, q)
}

// OrderHistories reads a page of order state changes.
func (c *Client) OrderHistories(ctx context.Context, q Query) (Page[OrderHistory], error) {
	return page(ctx, c, orderHistories, q)
}

// OrderStates reads the order states.
func (c *Client) OrderStates(ctx context.Context, q Query) (Page[OrderState], error) {
	return page(ctx, c, orderStates, q)
}

// OrderDiscounts reads a page of vouchers used in orders.
func (c *Client) OrderDiscounts(ctx context.Context, q Query) (Page[OrderDiscount], error) {
	if c.since15() {
		return page(ctx, c, orderCartRules, q)
	}
	return page(ctx, c, orderDiscounts, q)
}

// Currencies reads the shop's currencies, deleted and inactive ones too.
func (c *Client) Currencies(ctx context.Context, q Query) (Page[Currency], error) {
	return page(ctx, c, currencies, q)
}

// Countries reads the shop's countries.
func (c *Client) Countries(ctx context.Context, q Query) (Page[Country], error) {
	return page(ctx, c, countries, q)
}

// States reads the provinces.
func (c *Client) States(ctx context.Context, q Query) (Page[State], error) {
	return page(ctx, c, states, q)
}

// Groups reads the customer groups.
func (c *Client) Groups(ctx context.Context, q Query) (Page[Group], error) {
	return page(ctx, c, groups, q)
}

// StockMovements reads a page of stock movements.
func (c *Client) StockMovements(ctx context.Context, q Query) (Page[StockMovement], error) {
	return page(ctx, c, stockMovements, q)
}

// IDs lists only the ids of a resource that are above after, the lowest first.
func (c *Client) IDs(ctx context.Context, resource string, after int64) (ids []int64, more bool, err error) {
	s, ok := shapes[resource]
	if !ok {
		return nil, false, shape{name: resource}.invalid("id", "Cartiger does not read this resource")
	}
	if resource == orderDiscounts.name && c.since15() {
		s = orderCartRules.shape
	}
	// A minimal list is cheap to send and nearly as dear to make as a whole one (wire/prestashop.md 3): four pages in one.
	index, err := c.index(ctx, s, Query{After: after, Limit: min(4*s.page, maxLimit)})
	if err != nil {
		return nil, false, plain(err)
	}
	for _, entry := range index.rows {
		ids = append(ids, entry.id)
	}
	return ids, index.more, nil
}
