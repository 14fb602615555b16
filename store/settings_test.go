package store_test

import (
	"errors"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"cartiger/store"
)

func TestSettingsAreSavedWholeOrNotAtAll(t *testing.T) {
	path, broken := file(t), errors.New("broken")
	var fault error
	s := open(t, path, store.WithFault(func(op string) error {
		if op == "settings.commit" {
			return fault
		}
		return nil
	}))
	check(t, s.SaveSettings(t.Context(), map[string]string{"shop_url": "http://shop.test/", "shop_key": "K"}, nil))
	fault = broken
	if err := s.SaveSettings(t.Context(), map[string]string{"shop_url": "http://other.test/"}, []string{"shop_key"}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	same(t, must[map[string]string](t)(open(t, path).Settings(t.Context())), map[string]string{"shop_url": "http://shop.test/", "shop_key": "K"})
	fault = nil
	check(t, s.SaveSettings(t.Context(), map[string]string{"shop_url": "http://other.test/"}, []string{"shop_key", "never set"}))
	same(t, must[map[string]string](t)(open(t, path).Settings(t.Context())), map[string]string{"shop_url": "http://other.test/"})
}

func TestAnyTextIsKeptAsItIs(t *testing.T) {
	s := open(t, file(t))
	var all map[string]string
	rapid.Check(t, func(rt *rapid.T) {
		set := rapid.MapOf(rapid.String(), rapid.String()).Draw(rt, "settings")
		set["hostile"] = "'); DROP TABLE settings;-- \x00\x1b[31m\xff\u202e"
		check(rt, s.SaveSettings(t.Context(), set, nil))
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, set)
		if got := must[map[string]string](rt)(s.Settings(t.Context())); !maps.Equal(got, all) {
			rt.Fatalf("got %q, want %q", got, all)
		}
	})
}

func TestDefaultsAreSetAndUnset(t *testing.T) {
	s := open(t, file(t))
	owner := store.Default{Module: "Leads", Field: "assigned_user_id", Value: "19x1", Label: "admin"}
	for _, d := range []store.Default{{Module: "Leads", Field: "company", Value: "--None--"}, owner, {Module: "Leads", Field: "company", Value: "unknown"}} {
		check(t, s.SetDefault(t.Context(), d))
	}
	same(t, must[[]store.Default](t)(s.Defaults(t.Context())), []store.Default{owner, {Module: "Leads", Field: "company", Value: "unknown"}})
	check(t, s.UnsetDefault(t.Context(), "Leads", "company"))
	same(t, must[[]store.Default](t)(s.Defaults(t.Context())), []store.Default{owner})
}

func TestAHandMadeCurrencyLinkSurvivesAutomaticLinking(t *testing.T) {
	s := open(t, file(t))
	hand := store.CurrencyLink{CRMID: "21x2", ShopID: 3, Code: "CHF", By: "hand"}
	auto := store.CurrencyLink{CRMID: "21x1", ShopID: 1, Code: "EUR", By: "auto"}
	check(t, s.SaveCurrencyLinks(t.Context(), []store.CurrencyLink{hand, {CRMID: "21x1", ShopID: 9, Code: "USD", By: "auto"}}, nil))
	check(t, s.SaveCurrencyLinks(t.Context(), []store.CurrencyLink{auto, {CRMID: "21x2", ShopID: 1, Code: "EUR", By: "auto"}}, nil))
	same(t, must[[]store.CurrencyLink](t)(s.CurrencyLinks(t.Context())), []store.CurrencyLink{auto, hand})

	hand.ShopID = 4 // another choice by hand
	check(t, s.SaveCurrencyLinks(t.Context(), []store.CurrencyLink{hand}, []string{"21x1"}))
	same(t, must[[]store.CurrencyLink](t)(s.CurrencyLinks(t.Context())), []store.CurrencyLink{hand})

	hand.By = "auto" // given back to automatic linking: removed and set in one go
	check(t, s.SaveCurrencyLinks(t.Context(), []store.CurrencyLink{hand}, []string{"21x2"}))
	same(t, must[[]store.CurrencyLink](t)(s.CurrencyLinks(t.Context())), []store.CurrencyLink{hand})
}

func TestAnEmptyStateMapIsTheBuiltInDefaultAgain(t *testing.T) {
	s := open(t, file(t))
	check(t, s.SaveStateMaps(t.Context(), []store.StateMap{{ShopState: 4, SOStatus: "Delivered"}, {ShopState: 12, InvoiceStatus: "Paid"}}))
	check(t, s.SaveStateMaps(t.Context(), []store.StateMap{{ShopState: 4, SOStatus: "Approved", InvoiceStatus: "Sent"}, {ShopState: 12}}))
	same(t, must[[]store.StateMap](t)(s.StateMaps(t.Context())), []store.StateMap{{ShopState: 4, SOStatus: "Approved", InvoiceStatus: "Sent"}})
}
