package engine_test

import (
	"testing"
	"time"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/psapi/psapitest"
	"cartiger/vtigerws/vtigerwstest"
)

func TestProductsAreExportedOnceAndLeftAloneTheSecondTime(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{}, vtigerwstest.Options{Version: version})
			s := w.export(t, "products", engine.ExportOptions{})
			pages := (s.Total + 99) / 100
			t.Logf("%+v, shop %v, CRM %v", s, w.shop.Stats(), w.crm.Stats())
			if s.Held+s.Failed != 0 {
				t.Errorf("held or failed: %+v", s)
			}
			if got, most := int64(w.crm.Stats().Total), s.Created+pages+10; got > most {
				t.Errorf("%d CRM requests, at most %d", got, most)
			}
			if got, most := int64(w.shop.Stats().Total), pages+10; got > most {
				t.Errorf("%d shop requests, at most %d", got, most)
			}
			w.crm.ResetStats()
			again := w.export(t, "products", engine.ExportOptions{})
			if again.Unchanged != again.Total {
				t.Errorf("the second export changed something: %+v", again)
			}
			if got, most := int64(w.crm.Stats().Total), pages+10; got > most {
				t.Errorf("second export: %d CRM requests, at most %d: %v", got, most, w.crm.Stats())
			}
		})
	}
}

func TestCustomersAreExportedOnce(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, psapitest.Options{}, vtigerwstest.Options{Version: version})
			s := w.export(t, "customers", engine.ExportOptions{})
			t.Logf("%+v, shop %v, CRM %v", s, w.shop.Stats(), w.crm.Stats())
			if s.Held+s.Failed != 0 {
				t.Errorf("held or failed: %+v", s)
			}
			created := int64(w.crm.Stats().Requests["create"])
			if got, most := int64(w.crm.Stats().Total), created+3*((s.Total+99)/100)+15; got > most {
				t.Errorf("%d CRM requests, at most %d: %v", got, most, w.crm.Stats())
			}
			if _, err := w.Export(t.Context(), "customers", engine.ExportOptions{}); problem.KindOf(err) != problem.Invalid {
				t.Errorf("a second export of customers was not refused: %v", err)
			}
		})
	}
}

// A server that goes away for half a minute under an export is waited for, whatever was under way, and nothing is there
// twice. Who does not come back ends the export, and the next one goes on.
func TestAnExportWaitsForAServerThatIsRestarted(t *testing.T) {
	for _, kind := range []string{"products", "orders"} {
		// Under the first records that are written, and between two pages of the shop.
		for name, nth := range map[string]int{"CRM": 14, "shop": 3} {
			t.Run(kind+", the "+name, func(t *testing.T) {
				clocked(t, today, func(t *testing.T) {
					w := newTown(t, psapitest.Options{}, vtigerwstest.Options{Version: "5.4.0"})
					if _, err := w.LinkCurrencies(t.Context()); err != nil {
						t.Fatal(err)
					}
					line := map[string]*shortcut{"CRM": w.toCRM, "shop": w.toShop}[name]
					const few = 12
					down := line.goesAway(nth, 24*time.Hour)
					if _, err := w.Export(t.Context(), kind, engine.ExportOptions{Limit: few}); problem.KindOf(err) == "" || !down() {
						t.Fatalf("a server that stays away ended nothing: %v", err)
					}
					down = line.goesAway(nth, 30*time.Second)
					s := w.export(t, kind, engine.ExportOptions{Limit: few})
					if !down() || s.Held+s.Failed > 0 {
						t.Errorf("went away: %v; %+v", down(), s)
					}
					codes := map[any]int{}
					for _, p := range w.crm.Records("Products") {
						codes[p["productcode"]]++
					}
					for _, o := range w.crm.Records("SalesOrder") {
						codes[o["subject"]]++
					}
					if n := len(codes); n < few {
						t.Errorf("%d records, want at least %d", n, few)
					}
					for code, n := range codes {
						if n != 1 {
							t.Errorf("%v is there %d times", code, n)
						}
					}
				})
			})
		}
	}
}

// Wherever an export of customers is killed, it ends as one that is left alone: with a Contact for everybody who has ordered.
func TestAnExportOfCustomersThatIsKilledAnywhereMakesWhatItWouldHaveMade(t *testing.T) {
	whole := newWorld(t, psapitest.Options{Data: tinyShop()}, vtigerwstest.Options{})
	whole.export(t, "customers", engine.ExportOptions{})
	steps := 0
	for killed := true; killed; {
		steps++
		clocked(t, today, func(t *testing.T) {
			w := newTown(t, psapitest.Options{Data: tinyShop()}, vtigerwstest.Options{})
			g := w.dies(t, steps)
			if _, err := w.Export(t.Context(), "customers", engine.ExportOptions{}); err == nil {
				killed = false
				return
			}
			w.dies(t, 0)
			if closed, err := w.Closed(t.Context(), "customers"); err != nil || !closed {
				w.export(t, "customers", engine.ExportOptions{})
			}
			for _, module := range []string{"Leads", "Contacts", "Accounts"} {
				if want, got := len(whole.crm.Records(module)), len(w.crm.Records(module)); want != got {
					t.Errorf("killed at step %d (%s): %d %s, want %d", steps, g.at, got, module, want)
				}
			}
		})
	}
	t.Logf("%d kills", steps-1)
}
