package engine_test

import (
	"io"
	"net/http"
	"net/url"
	"testing"

	"cartiger/psapi/psapitest"
	"cartiger/vtigerws/vtigerwstest"
)

// sent gives the parameters of a request to the CRM, which stays as it is.
func sent(t *testing.T, r *http.Request) url.Values {
	t.Helper()
	if r.Method == http.MethodGet {
		return r.URL.Query()
	}
	body, err := r.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return form
}

// A process was killed while the CRM was creating a currency: its successor waits for the end of that before it looks which
// currencies there are.
func TestLinkingWaitsForACurrencyThatADeadProcessWasCreating(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			clocked(t, today, func(t *testing.T) {
				w := newTown(t, psapitest.Options{Data: bareShop()}, vtigerwstest.Options{Version: version})
				killed := ""
				g := w.dies(t, 0)
				w.toCRM.cut(func(r *http.Request, answered bool) bool {
					if form := sent(t, r); !answered && form.Get("elementType") == "Currency" && form.Get("operation") == "create" {
						killed = form.Get("sessionName")
						g.mu.Lock()
						g.dead = true
						g.mu.Unlock()
					}
					return g.step("CRM")
				})
				if _, err := w.LinkCurrencies(t.Context()); err == nil || killed == "" {
					t.Fatalf("the process went on: %v, session %q", err, killed)
				}
				w.dies(t, 0)
				var asked []string
				w.toCRM.watch(func(r *http.Request, answered bool) {
					if !answered {
						asked = append(asked, sent(t, r).Get("operation")+" "+sent(t, r).Get("sessionName"))
					}
				})
				if _, err := w.LinkCurrencies(t.Context()); err != nil {
					t.Fatal(err)
				}
				if len(asked) == 0 || asked[0] != "listtypes "+killed {
					t.Errorf("it did not wait for session %s first: %q", killed, asked)
				}
				onlyOnce(t, w.world, "Currency", "currency_code")
			})
		})
	}
}
