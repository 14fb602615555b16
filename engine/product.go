package engine

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/shopspring/decimal"

	"cartiger/psapi"
	"cartiger/store"
	"cartiger/vtigerws"
)

// Article is everything in the shop with one product code; the first one by id speaks for it.
type Article struct {
	Code     string
	Products []psapi.Product // by id; never empty
	Others   []int64         // products of the shop that became the CRM's product with this code before
}

// MirroredProduct is what the link of a product remembers of the last write.
type MirroredProduct struct {
	// Tax is the rate (tax1, per cent) that is assigned to the product in the CRM; nil = none.
	Tax *decimal.Decimal `json:"tax,omitempty"`
}

// noReorder keeps vtiger 5.1.0 alive: it dies when stock falls under the reorder level (wire/vtiger.md 3a).
const noReorder = "-1000000"

// productFields are a product's values in the CRM. factor converts the shop's default currency into the CRM's base.
func productFields(a Article, factor decimal.Decimal, d Drafter) vtigerws.Record {
	p := a.Products[0]
	f := vtigerws.Record{
		"productname":  firstOf(p.Name, a.Code),
		"productcode":  a.Code,
		"unit_price":   p.Net.Mul(factor).StringFixed(priceScale(d.Dialect)),
		"discontinued": flag(p.Active),
		"qtyinstock":   fmt.Sprint(p.Quantity),
	}
	for name, v := range map[string]string{"description": p.DescriptionShort, "mfr_part_no": p.SupplierRef} {
		if v = strings.TrimSpace(v); v != "" {
			f[name] = v
		}
	}
	if d.Dialect.StockCrash {
		f["reorderlevel"] = noReorder
	}
	return d.fit(Products, f)
}

// priceScale is how many decimals the CRM keeps of a unit price (wire/vtiger.md 5).
func priceScale(d vtigerws.Dialect) int32 {
	if d.LineItems {
		return 6
	}
	return 2
}

// flag is vtiger's boolean; "discontinued" means active in spite of its name (wire/vtiger.md 5).
func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

// planProduct is what the export does with a product and watch with a new one: an existing code is left alone.
func planProduct(a Article, found []vtigerws.Record, factor decimal.Decimal, d Drafter) Chain {
	chain := articleChain(a)
	if len(found) > 0 {
		chain.State = store.Unchanged
		chain.Detail = "already in the CRM by its code"
		chain.Links = productLinks(a, found[0].ID(), "")
		if len(found) > 1 {
			chain.Warnings = append(chain.Warnings, fmt.Sprintf("code %s is in the CRM %d times; the oldest, %s, is used", a.Code, len(found), found[0].ID()))
		}
		return chain
	}
	fields := productFields(a, factor, d)
	p := a.Products[0]
	var mirrored MirroredProduct
	if p.TaxRate.IsPositive() {
		rate := p.TaxRate
		mirrored.Tax = &rate
	}
	chain = d.create(chain, "product", Products, fields,
		Lookup{Module: Products, Field: "productcode", Value: a.Code}, productLinks(a, "", asJSON(mirrored)))
	if mirrored.Tax != nil && len(chain.Writes) > 0 {
		chain.Writes[0].Write.ProductTaxes = map[string]decimal.Decimal{"tax1": *mirrored.Tax}
	}
	return chain
}

// planProductEdit carries an edit of the shop into the CRM: name, price, active, description (rules.md 2).
func planProductEdit(a Article, have vtigerws.Record, factor decimal.Decimal, d Drafter) Chain {
	chain := articleChain(a)
	chain.Links = productLinks(a, have.ID(), "")
	want := productFields(a, factor, d)
	changed := vtigerws.Record{}
	for _, name := range []string{"productname", "unit_price", "discontinued", "description"} {
		v, ok := want[name]
		if name == "productname" && a.Products[0].Name == "" {
			continue // the code stands in for it in a new product only
		}
		if ok && !sameValue(have[name], v) {
			changed[name] = v
		}
	}
	if len(changed) == 0 {
		chain.State = store.Unchanged
		return chain
	}
	chain.State = store.Updated
	chain.Writes = []PlannedWrite{{
		Name:  "product",
		Write: vtigerws.Write{Op: vtigerws.OpUpdate, Module: Products, ID: have.ID(), Fields: changed},
		Links: productLinks(a, "", ""),
	}}
	return chain
}

// sameValue compares numbers as numbers: the CRM prints "12.50" as "12.500000".
func sameValue(a, b string) bool {
	if strings.TrimSpace(a) == strings.TrimSpace(b) {
		return true
	}
	x, errX := vtigerws.Amount(a)
	y, errY := vtigerws.Amount(b)
	return errX == nil && errY == nil && x.Equal(y)
}

func articleChain(a Article) Chain {
	chain := Chain{Entity: store.Product, ShopID: a.Products[0].ID, Label: a.Code}
	for _, p := range a.Products[1:] {
		chain.Followers = append(chain.Followers, p.ID)
	}
	if n := len(a.Products) + len(a.Others); n > 1 {
		chain.Warnings = []string{fmt.Sprintf("code %s stands on %d products of the shop; they share one product in the CRM", a.Code, n)}
	}
	return chain
}

func productLinks(a Article, id, mirrored string) []store.Link {
	links := make([]store.Link, len(a.Products))
	for i, p := range a.Products {
		links[i] = store.Link{Entity: store.Product, ShopID: p.ID, Module: Products, CRMID: id, Key: a.Code, Mirrored: mirrored}
	}
	return links
}

// articles groups products by code, in the order of their first id.
func articles(products []psapi.Product) []Article {
	var out []Article
	at := map[string]int{}
	for _, p := range products {
		code := ProductCode(p.Reference, p.ID)
		i, seen := at[Fold(code)]
		if !seen {
			i = len(out)
			at[Fold(code)] = i
			out = append(out, Article{Code: code})
		}
		out[i].Products = append(out[i].Products, p)
	}
	return out
}

// asJSON is for our own values, which always have a JSON form.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
