package psapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"cartiger/problem"
)

// dialect is a shop whose resources have other fields than those of 1.4.11.
type dialect struct {
	version string
	fields  map[string][]string // by resource: what the synopsis shows and display accepts
	noDates bool                // before 1.4.4
	fatal   bool                // a large table: an unknown field ends in a fatal error instead of a 400

	mu    sync.Mutex
	asked []string
}

func (d *dialect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	resource := strings.TrimPrefix(r.URL.Path, "/api/")
	d.mu.Lock()
	d.asked = append(d.asked, resource+" "+q.Get("schema")+q.Get("display"))
	d.mu.Unlock()
	w.Header().Set("PSWS-Version", d.version)
	answer := func(status int, inner string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "<prestashop>%s</prestashop>", inner)
	}
	if resource == "configurations" {
		settings().write(w)
		return
	}
	known, ok := d.fields[resource]
	if !ok {
		answer(http.StatusBadRequest, "<errors><error><code>27</code><message>no such resource</message></error></errors>")
		return
	}
	if q.Get("schema") == "synopsis" {
		answer(http.StatusOK, "<object><"+strings.Join(known, "/><")+"/></object>")
		return
	}
	var values strings.Builder
	for field := range strings.SplitSeq(strings.Trim(q.Get("display"), "[]"), ",") {
		virtual := field == "net" && q.Get("price[net][use_tax]") == "0" && strings.HasPrefix(d.version, "1.4")
		date := isDate(field) && q.Get("date") == "1" && !d.noDates
		if field != "id" && !virtual && !date && !slices.Contains(known, field) {
			if d.fatal {
				fmt.Fprint(w, "<b>Fatal error</b>: Allowed memory size of 1 bytes exhausted")
				return
			}
			answer(http.StatusBadRequest, "<errors><error><message>Internal error. To see this error please display the PHP errors.</message></error></errors>")
			return
		}
		value := "7"
		if isDate(field) {
			value = "2012-01-01 00:00:00"
		}
		fmt.Fprintf(&values, "<%s><![CDATA[%s]]></%s>", field, value, field)
	}
	answer(http.StatusOK, fmt.Sprintf("<%s><object>%s</object></%s>", resource, values.String(), resource))
}

var modern = map[string][]string{
	"products":         {"reference", "name", "description_short", "ean13", "supplier_reference", "manufacturer_name", "price", "active"},
	"order_details":    {"id_order", "product_id", "product_name", "product_quantity", "product_price", "unit_price_tax_incl", "unit_price_tax_excl"},
	"order_cart_rules": {"id_order", "name", "value"},
	"customers":        {"lastname", "firstname", "email", "company", "passwd", "secure_key"},
}

func TestALaterShopIsReadByItsSynopsis(t *testing.T) {
	shop := &dialect{version: "1.6.1.24", fields: modern}
	client := serve(t, shop.ServeHTTP)
	if _, err := client.Configuration(t.Context(), confLanguage); err != nil { // teaches the version, as a probe does
		t.Fatal(err)
	}
	products, err := client.Products(t.Context(), Query{})
	if err != nil || !products.Items[0].Net.Equal(decimal.NewFromInt(7)) {
		t.Fatalf("the net price is price there: %+v %v", products, err)
	}
	details, err := client.OrderDetails(t.Context(), Query{})
	if err != nil || details.Items[0].UnitPriceTaxIncl.IsZero() || !details.Items[0].TaxRate.IsZero() {
		t.Errorf("%+v %v", details, err)
	}
	people, err := client.Customers(t.Context(), Query{})
	if err != nil || people.Items[0].Company != "7" {
		t.Errorf("%+v %v", people, err)
	}
	discounts, err := client.OrderDiscounts(t.Context(), Query{})
	if err != nil || discounts.Items[0].Order != 7 {
		t.Errorf("%+v %v", discounts, err)
	}
	before := client.Requests()
	if _, err = client.Products(t.Context(), Query{}); err != nil || client.Requests() != before+1 {
		t.Errorf("the synopsis is read more than once: %d requests, %v", client.Requests()-before, err)
	}
	for _, line := range shop.asked {
		if strings.Contains(line, "passwd") || strings.Contains(line, "secure_key") || strings.Contains(line, "net") {
			t.Errorf("asked for %s", line)
		}
	}
}

func TestALaterShopIsUnderstoodWithoutAProbe(t *testing.T) {
	client := serve(t, (&dialect{version: "1.6.1.24", fields: modern}).ServeHTTP)
	products, err := client.Products(t.Context(), Query{})
	if err != nil || !products.Items[0].Net.Equal(decimal.NewFromInt(7)) || products.Items[0].Name != "7" {
		t.Errorf("%+v %v", products, err)
	}
}

func TestAFieldThatAnEarlierShopLacksIsLeftOut(t *testing.T) {
	fields := slices.DeleteFunc(slices.Clone(orderDetails.fields), func(f string) bool { return f == "group_reduction" || f == "ecotax_tax_rate" })
	for name, fatal := range map[string]bool{"refused with 400": false, "dies on a large table": true} {
		t.Run(name, func(t *testing.T) {
			shop := &dialect{version: "1.4.0.17", fields: map[string][]string{"order_details": fields}, fatal: fatal}
			client := serve(t, shop.ServeHTTP)
			page, err := client.OrderDetails(t.Context(), Query{})
			if err != nil || len(page.Bad) > 0 || !page.Items[0].TaxRate.Equal(decimal.NewFromInt(7)) || !page.Items[0].GroupReduction.IsZero() {
				t.Fatalf("%+v %v", page, err)
			}
			if n := client.Requests(); n != 3 {
				t.Errorf("%d requests, want 3: refused, synopsis, good\n%s", n, strings.Join(shop.asked, "\n"))
			}
			byID, err := client.OrderDetails(t.Context(), Query{IDs: []int64{7}})
			if diff := cmp.Diff(page.Items, byID.Items); diff != "" || err != nil {
				t.Errorf("%s %v", diff, err)
			}
		})
	}
}

func TestAShopWithoutDatesIsReadWithoutThem(t *testing.T) {
	client := serve(t, (&dialect{version: "1.4.2.5", fields: map[string][]string{"customers": customers.fields}, noDates: true}).ServeHTTP)
	page, err := client.Customers(t.Context(), Query{})
	if err != nil || page.Items[0].Email != "7" || page.Items[0].DateUpd != "" {
		t.Errorf("%+v %v", page, err)
	}
	_, err = client.Customers(t.Context(), Query{Since: "2012-01-01 00:00:00"})
	if p, _ := problem.Of(err); p == nil || p.Kind != problem.Invalid || !strings.Contains(p.Message, "1.4.4") {
		t.Errorf("%v", err)
	}
}

func TestAResourceThatTheShopLacksIsNotFound(t *testing.T) {
	client := serve(t, (&dialect{version: "1.4.2.5"}).ServeHTTP)
	_, err := client.StockMovements(t.Context(), Query{})
	if p, _ := problem.Of(err); p == nil || p.Kind != problem.NotFound || p.Field != "stock_movements" {
		t.Errorf("%v", err)
	}
}
