package cli

import (
	"testing"

	"cartiger/store"
)

func TestProgressInOneLine(t *testing.T) {
	for _, c := range []struct {
		run   store.Run
		speed float64
		want  string
	}{
		{store.Run{Kind: "products"}, 0, "products 0 / ?"},
		{
			store.Run{Kind: "products", Total: 1607, Counts: store.Counts{Created: 1102, Unchanged: 46}},
			86,
			"products 1,148 / 1,607  created 1,102  unchanged 46  86/s  5s left",
		},
		{
			store.Run{Kind: "orders", Total: 10, State: store.Paused, Counts: store.Counts{Created: 1, Held: 2, Failed: 3}},
			5,
			"orders 6 / 10  created 1  held 2  failed 3  paused",
		},
		{
			store.Run{Kind: "customers", Total: 10, Counts: store.Counts{Created: 10}, Message: "CRM asks to \x1b[31mslow down"},
			1,
			"customers 10 / 10  created 10  1/s  CRM asks to slow down",
		},
	} {
		if got := progressText(c.run, c.speed); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}
