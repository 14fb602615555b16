package store_test

import (
	"fmt"
	"testing"
	"time"

	"cartiger/store"
)

func TestLinksAreFoundFromEitherSide(t *testing.T) {
	s, ctx, at := open(t, file(t)), t.Context(), time.Date(2026, 10, 25, 0, 30, 0, 5e6, time.UTC)
	link := func(id int64, module, crm, key string) store.Link {
		return store.Link{Entity: store.Customer, ShopID: id, Module: module, CRMID: crm, Key: key, At: at}
	}
	// A guest who came twice and registered: three shop customers, one person.
	a, b, c := link(1, "Contacts", "4x12", "ann@example.com"), link(5, "Contacts", "4x12", "ann@example.com"), link(9, "Contacts", "4x12", "Ann@example.com")
	acc, other := link(1, "Accounts", "3x4", "ann@example.com"), link(7, "Leads", "2x3", "ann@exàmple.com")
	product := store.Link{Entity: store.Product, ShopID: 1, Module: "Products", CRMID: "6x1", Key: "#presta_1", Mirrored: `{"price":"9.90"}`, At: at}
	check(t, s.SaveLinks(ctx, []store.Link{c, b, a, acc, other, product}))

	links := must[[]store.Link](t)
	same(t, links(s.AllLinks(ctx, store.Customer)), []store.Link{acc, a, b, other, c})
	same(t, links(s.Links(ctx, store.Customer, 9, 1, 4711)), []store.Link{acc, a, c})
	same(t, links(s.Links(ctx, store.Customer)), nil)
	same(t, links(s.LinksByCRM(ctx, "4x12", "9x9")), []store.Link{a, b, c})
	same(t, links(s.LinksByCRM(ctx)), nil)
	same(t, links(s.EachLink(ctx, store.Customer, "Contacts", 0, 2)), []store.Link{a, b})
	same(t, links(s.EachLink(ctx, store.Customer, "Contacts", 5, 2)), []store.Link{c})
	same(t, links(s.EachLink(ctx, store.Customer, "Contacts", 0, 0)), []store.Link{a, b, c})
	same(t, must[map[store.Entity]map[string]int64](t)(s.CountLinks(ctx)), map[store.Entity]map[string]int64{
		store.Customer: {"Contacts": 3, "Accounts": 1, "Leads": 1}, store.Product: {"Products": 1},
	})
	got, found, err := s.Link(ctx, store.Product, 1, "Products")
	check(t, err)
	if !found {
		t.Error("the product's link is not found")
	}
	same(t, got, product)
	if _, found, err := s.Link(ctx, store.Product, 2, "Products"); found || err != nil {
		t.Errorf("found a link that is not there, %v", err)
	}

	// One link per shop record and module: saving again replaces, removing names the same key.
	a.CRMID, a.Mirrored = "4x13", "{}"
	check(t, s.SaveLinks(ctx, []store.Link{a}))
	check(t, s.RemoveLinks(ctx, []store.Link{b, acc, {Entity: store.Customer, ShopID: 4711, Module: "Leads"}}))
	same(t, links(s.AllLinks(ctx, store.Customer)), []store.Link{a, other, c})
}

func TestASavedLinkKeepsWhatTheCallerLeavesOpen(t *testing.T) {
	s, ctx, at := open(t, file(t)), t.Context(), newClock().at
	order := store.Link{Entity: store.Order, ShopID: 812, Module: "SalesOrder", CRMID: "11x5", Key: "PS-812", Mirrored: `{"total":"9.90"}`, At: at}
	check(t, s.SaveLinks(ctx, []store.Link{order}))
	check(t, s.SaveLinks(ctx, []store.Link{{Entity: store.Order, ShopID: 812, Module: "SalesOrder", CRMID: "11x5", At: at}}))
	same(t, must[[]store.Link](t)(s.AllLinks(ctx, store.Order)), []store.Link{order})
	// What was written to one CRM record says nothing about another.
	check(t, s.SaveLinks(ctx, []store.Link{{Entity: store.Order, ShopID: 812, Module: "SalesOrder", CRMID: "11x6", At: at}}))
	order.CRMID, order.Mirrored = "11x6", ""
	same(t, must[[]store.Link](t)(s.AllLinks(ctx, store.Order)), []store.Link{order})
}

func TestLongListsAreReadWhole(t *testing.T) {
	s, ctx := open(t, file(t)), t.Context()
	const n = 1203
	var links []store.Link
	var ids []int64
	var keys []string
	for i := range int64(n) {
		links = append(links, store.Link{Entity: store.Order, ShopID: i, Module: "SalesOrder", CRMID: fmt.Sprint("11x", i), Key: fmt.Sprint("PS-", i)})
		ids, keys = append(ids, i), append(keys, fmt.Sprint("PS-", i))
	}
	check(t, s.SaveLinks(ctx, links))
	if got := must[[]store.Link](t)(s.Links(ctx, store.Order, ids...)); len(got) != n {
		t.Errorf("%d links by shop id, want %d", len(got), n)
	}
	check(t, s.Remember(ctx, "orders", keys[:1000], time.Time{}))
	if got := must[map[string]bool](t)(s.Known(ctx, "orders", keys)); len(got) != 1000 || !got["PS-999"] || got["PS-1000"] {
		t.Errorf("%d keys are known, want 1000", len(got))
	}
}
