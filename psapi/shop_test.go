package psapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"cartiger/fault"
	"cartiger/psapi"
	"cartiger/psapi/psapitest"
)

// bench is a simulated shop behind a real connection, and a client of it that never sleeps.
type bench struct {
	*psapitest.Shop
	client *psapi.Client
	url    string
	waited []time.Duration
}

func open(t *testing.T, o psapitest.Options, change ...func(*psapi.Config)) *bench {
	t.Helper()
	shop, err := psapitest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Shop: shop}
	b.client, b.url = dial(t, shop, o.Base, &b.waited, change...)
	return b
}

// dial serves a handler on a loopback port and makes a client of it.
func dial(t *testing.T, h http.Handler, base string, waited *[]time.Duration, change ...func(*psapi.Config)) (*psapi.Client, string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	cfg := psapi.Config{
		URL: server.URL + base + "/", Key: psapitest.DefaultKey, Parallel: 1, Timeout: 10 * time.Second,
		Wait: func(ctx context.Context, d time.Duration) error {
			if waited != nil {
				*waited = append(*waited, d)
			}
			return ctx.Err()
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	client, err := psapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client, server.URL
}

func (b *bench) spoil(t *testing.T, rules ...string) {
	t.Helper()
	for _, text := range rules {
		rule, err := fault.ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		b.Faults().Add(rule)
	}
}

// every reads a resource from its start to its end, page by page.
func every[T any](t *testing.T, read func(context.Context, psapi.Query) (psapi.Page[T], error), q psapi.Query) (items []T, bad []psapi.BadRecord) {
	t.Helper()
	for {
		page, err := read(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		items, bad = append(items, page.Items...), append(bad, page.Bad...)
		if !page.More {
			return items, bad
		}
		if page.Last <= q.After {
			t.Fatalf("page after %d is full but ends at %d", q.After, page.Last)
		}
		q.After = page.Last
	}
}

func TestAProbeTellsWhoAnswersInTwoRequests(t *testing.T) {
	b := open(t, psapitest.Options{Base: "/boutique"})
	facts, err := b.client.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", facts)
	if facts.Version != "1.4.11.1" || facts.Zone != "Europe/Paris" || facts.DefaultCurrency != 1 || facts.DefaultLanguage != 1 || facts.RoundMode != 2 {
		t.Errorf("facts %+v", facts)
	}
	if n := b.client.Requests(); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestAllResourcesAreReadCompletely(t *testing.T) {
	for name, hidden := range map[string]bool{"display_errors on": false, "display_errors off": true} {
		t.Run(name, func(t *testing.T) {
			b := open(t, psapitest.Options{HideErrors: hidden})
			c := b.client
			check := func(resource string, got int, bad []psapi.BadRecord) {
				t.Helper()
				if want := len(b.Records(resource)); got != want || len(bad) > 0 {
					t.Errorf("%s: read %d of %d, bad %v", resource, got, want, bad)
				}
			}
			count(t, check, "customers", c.Customers)
			count(t, check, "addresses", c.Addresses)
			count(t, check, "carts", c.Carts)
			count(t, check, "products", c.Products)
			count(t, check, "orders", c.Orders)
			count(t, check, "order_details", c.OrderDetails)
			count(t, check, "order_histories", c.OrderHistories)
			count(t, check, "order_states", c.OrderStates)
			count(t, check, "order_discounts", c.OrderDiscounts)
			count(t, check, "currencies", c.Currencies)
			count(t, check, "countries", c.Countries)
			count(t, check, "states", c.States)
			count(t, check, "groups", c.Groups)
			count(t, check, "stock_movements", c.StockMovements)
		})
	}
}

func count[T any](t *testing.T, check func(string, int, []psapi.BadRecord), resource string, read func(context.Context, psapi.Query) (psapi.Page[T], error)) {
	t.Helper()
	items, bad := every(t, read, psapi.Query{})
	check(resource, len(items), bad)
}
