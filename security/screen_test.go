package security_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"cartiger/engine"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/ui/term/termtest"
)

// attacks are what a text can do to the terminal that shows it.
var attacks = map[string]string{
	"clear the screen":         "\x1b[2J\x1b[H",
	"write the clipboard":      "\x1b]52;c;cm0gLXJm\x07",
	"set the title":            "\x1b]0;title\x1b\\",
	"a link to elsewhere":      "\x1b]8;;http://evil.test/\x1b\\",
	"ask for an answer":        "\x1b[6n\x1b[c\x05",
	"a device string":          "\x1bP$qm\x1b\\",
	"an application command":   "\x1b_Gi=1\x1b\\",
	"eight bit CSI":            "\u009b31m",
	"eight bit OSC":            "\u009d52;c;cm0=\u009c",
	"eight bit CSI, raw byte":  "\x9b31m",
	"eight bit OSC, raw byte":  "\x9d0;t\x9c",
	"another character set":    "\x0e\x1b(0",
	"overwrite the line":       "\rok\b\b\b\x7f",
	"another line":             "\n2026-01-01 all is well\v\f\u0085\u2028\u2029",
	"NUL":                      "\x00",
	"the bell":                 "\a",
	"turn the direction":       "\u202egnp.exe\u202c\u2066\u2069\u200f\u061c",
	"hide text":                "\u200b\u200d\u2060\ufeff\u00ad",
	"invisible tags":           "\U000e0041\U000e0042",
	"a tower of accents":       "e" + strings.Repeat("\u0301", 300),
	"an unfinished sequence":   "\x1b[",
	"an unfinished OSC at end": "\x1b]52;c;",
}

// hostile is a name with all the attacks in it.
var hostile = func() string {
	var b strings.Builder
	b.WriteString("Anna")
	for _, name := range slices.Sorted(maps.Keys(attacks)) {
		b.WriteString(attacks[name] + "#")
	}
	return b.String()
}()

// legible is hostile as far as it is Unicode, for places that take nothing else.
var legible = strings.ToValidUTF8(hostile, "")

// harm names the first thing in an output that a terminal could obey or that runs into other lines, "" when it is
// plain text in lines.
func harm(out string) string {
	if what := obeyed(out); what != "" {
		return what
	}
	marks := 0
	for i, r := range out {
		if !unicode.Is(unicode.Mn, r) {
			marks = 0
		} else if marks++; marks > 8 {
			return fmt.Sprintf("a tower of accents: …%q…", out[max(0, i-60):i])
		}
	}
	return ""
}

// obeyed is harm for what programs read, JSON and the log, where every accent has to stay.
func obeyed(out string) string {
	for i, r := range out {
		around := func(what string) string {
			return fmt.Sprintf("%s: …%q…", what, out[max(0, i-60):min(len(out), i+40)])
		}
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(out[i:], "\uFFFD"):
			return around("a byte that is no UTF-8")
		case r == '\n':
		case unicode.IsControl(r):
			return around(fmt.Sprintf("the control character %U", r))
		case !unicode.IsGraphic(r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return around(fmt.Sprintf("the invisible character %U", r))
		}
	}
	return ""
}

// harmOf judges what a command printed.
func harmOf(r result, args []string) string {
	if slices.Contains(args, "--json") {
		return obeyed(r.all())
	}
	return harm(r.out) + obeyed(r.err) // the log, on stderr, is for programs too
}

// A checker that finds nothing proves nothing.
func TestTheCheckerKnowsEveryAttack(t *testing.T) {
	for name, attack := range attacks {
		if name == "another line" {
			attack = strings.TrimPrefix(attack, "\n")
		}
		if harm("before "+attack+" after") == "" {
			t.Errorf("%s is not noticed", name)
		}
	}
	if what := harm("Zoë 東京 ½ ‘x’\n\uFFFD ok"); what != "" {
		t.Errorf("harmless text is refused: %s", what)
	}
}

// queries are the commands that show what is in the state file. 99 is any exit code.
var queries = [][]string{
	{"status", "--offline"},
	{"records", "list"},
	{"records", "list", "--only", "created"},
	{"log"},
	{"run", "show"},
	{"records", "show", "customer", "1"},
	{"records", "show", "order", "2"},
	{"records", "show", "product", "3"},
	{"config", "list"},
	{"config", "get", "order.shared-account"},
	{"states", "list"},
}

// Everything that a server has ever said may lie in the state file, also in one that an older version wrote.
func TestWhatTheStateFileHoldsIsShownHarmlessly(t *testing.T) {
	t.Parallel()
	p := install(t)
	fillState(t, p.state)
	for _, query := range queries {
		for _, args := range [][]string{query, append(slices.Clone(query), "--json")} {
			r := p.run(args...)
			if what := harmOf(r, args); what != "" {
				t.Errorf("cartiger %s: %s", strings.Join(args, " "), what)
			}
			if slices.Contains(args, "--json") && r.code == 0 && !json.Valid([]byte(r.out)) {
				t.Errorf("cartiger %s: this is not JSON: %.200q", strings.Join(args, " "), r.out)
			}
		}
	}
	if r := p.run("records", "list"); !strings.Contains(r.out, "Anna") {
		t.Errorf("the names are not shown at all:\n%s", r.all())
	}
}

// fillState puts the attacks into every text of a state file.
func fillState(t testing.TB, path string) {
	t.Helper()
	ctx := t.Context()
	s := must[*store.Store](t)(store.Open(ctx, path))
	run := must[store.Run](t)(s.StartRun(ctx, store.Run{Kind: "customers", Who: hostile, Message: hostile, Options: "{}"}))
	run.State, run.Message, run.Ended = store.Broken, hostile, time.Now()
	check(t, s.SaveRun(ctx, run))
	sent := `{"op":"create","module":"Leads","fields":{"lastname":"` + "A\x9b31m\u009b31m\u202e\x7f" + `"}}`
	c := store.Completion{}
	for id, entity := range map[int64]store.Entity{1: store.Customer, 2: store.Order, 3: store.Product} {
		for i, state := range []store.State{store.Held, store.Created} {
			c.Outcomes = append(c.Outcomes, store.Outcome{
				Entity: entity, ShopID: id + int64(10*i), State: state, Reason: "lines", Detail: hostile, Label: hostile, CRM: hostile, Sent: sent, Answer: hostile, Run: run.ID,
			})
		}
		c.Links = append(c.Links, store.Link{Entity: entity, ShopID: id, Module: "Leads", CRMID: "2x1" + legible, Key: hostile, Mirrored: hostile})
		c.Entries = append(c.Entries, store.Entry{Level: "warning", Run: run.ID, Entity: entity, ShopID: id, Label: hostile, Message: hostile})
	}
	c.Entries = append(c.Entries, store.Entry{Level: "error", Run: run.ID, Message: hostile})
	check(t, s.Complete(ctx, c))
	ids := must[[][]int64](t)(s.Intend(ctx, [][]store.Intent{{{
		Entity: store.Order, ShopID: 2, Step: 1, Name: hostile, Body: []byte(sent), LookupField: "email", LookupValue: hostile, LinkKey: hostile,
	}}}))
	check(t, s.Attempted(ctx, ids[0][0], hostile))
	check(t, s.SaveSettings(ctx, map[string]string{engine.SharedAccount: hostile, engine.CRMUser: hostile}, nil))
	check(t, s.SetDefault(ctx, store.Default{Module: "Leads", Field: "city", Value: hostile, Label: hostile}))
	check(t, s.SaveCurrencyLinks(ctx, []store.CurrencyLink{{CRMID: "21x1", ShopID: 1, Code: hostile, By: "auto"}}, nil))
	check(t, s.SaveStateMaps(ctx, []store.StateMap{{ShopState: 1, SOStatus: hostile, InvoiceStatus: hostile}}))
	check(t, s.SetCursor(ctx, "status", string(must[[]byte](t)(json.Marshal(engine.Status{
		At:     time.Now(),
		Checks: []engine.Check{{ID: "crm", Title: hostile, Level: engine.Failure, Text: hostile, Meaning: hostile, Details: []string{hostile}, Cure: hostile, Asked: hostile}},
	})))))
	check(t, s.Close())
}

// escapes that the console itself writes: colours, cursor, clearing, the alternate screen, bracketed paste.
var ours = regexp.MustCompile(`\x1b\[[?]?[0-9;]*[A-HJKSTdfhlmnpqrsu]|\x1b[=>78]|\x1b\(B`)

func TestTheConsoleShowsTheStateFileHarmlessly(t *testing.T) {
	t.Parallel()
	p := install(t)
	fillState(t, p.state)
	cmd := p.command()
	x := termtest.Start(t, 120, 40, cmd)
	x.See("[2 Connection]", "Anna").Press("3").See("[3 Configuration]").Press("4").See("[4 Export]")
	x.Press("1").See("[1 Details]", "What to do")
	x.Press("a").See("[a Activity]", "Anna")
	x.Signal(syscall.SIGTERM).Ends()
	raw := x.Raw()
	if len(raw) < 2000 {
		t.Errorf("the console drew only %d bytes", len(raw))
	}
	rest := strings.NewReplacer("\r", "", "\t", " ").Replace(ours.ReplaceAllString(raw, ""))
	if what := harm(rest); what != "" {
		t.Error(what)
	}
	for _, sign := range []string{"\x1b]52", "\x1b]0;title", "\x1b]8;;http://evil", "\x1b[6n\x1b[c"} {
		if strings.Contains(raw, sign) {
			t.Errorf("%q reached the terminal", sign)
		}
	}
}

// values are the elements of the shop's XML that carry text of its customers and owner.
var values = regexp.MustCompile(`(?s)(<(?:firstname|lastname|name|payment|module|company|address1|reference|meta_title|value|sign)>(?:<language[^>]*>)?<!\[CDATA\[)(.*?)(\]\]>)`)

// rewritten serves another's answers, changed.
func rewritten(h http.Handler, change func(r *http.Request, header http.Header, body []byte) []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		maps.Copy(w.Header(), rec.Header())
		w.Header().Del("Content-Length")
		w.Header().Del("Content-Sha1")
		body := change(r, w.Header(), rec.Body.Bytes())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(body) // a reader that has gone is its own business
	})
}

// hostileShop is a shop with attacks in every text and header, and before its XML.
func hostileShop(shop http.Handler) http.Handler {
	return rewritten(shop, func(r *http.Request, header http.Header, body []byte) []byte {
		header.Set("PSWS-Version", "1.4.11.1"+strings.Map(headerSafe, hostile))
		if strings.Contains(r.URL.Path, "configurations") {
			return body // PS_TIMEZONE and the like
		}
		body = values.ReplaceAllFunc(body, func(m []byte) []byte {
			parts := values.FindSubmatch(m)
			return bytes.Join([][]byte{parts[1], parts[2], []byte(strings.ReplaceAll(hostile, "]]>", "")), parts[3]}, nil)
		})
		return append([]byte("<b>Notice</b>: "+hostile+" in f.php\n"), body...)
	})
}

// headerSafe drops what net/http refuses in a header before we see it.
func headerSafe(r rune) rune {
	if r < ' ' || r == 0x7f || r == utf8.RuneError {
		return -1
	}
	return r
}

// told are the members of the CRM's JSON whose text people get to see.
var told = map[string]bool{
	"label": true, "message": true, "vtigerVersion": true, "currency_name": true, "lastname": true, "firstname": true, "accountname": true,
	"productname": true, "subject": true, "description": true,
}

func hostileCRM(crm http.Handler) http.Handler {
	return rewritten(crm, func(r *http.Request, _ http.Header, body []byte) []byte {
		var doc any
		if json.Unmarshal(body, &doc) != nil {
			return body
		}
		var poison func(v any)
		poison = func(v any) {
			switch v := v.(type) {
			case map[string]any:
				for name, member := range v {
					if text, ok := member.(string); ok && told[name] {
						v[name] = text + legible
					} else {
						poison(member)
					}
				}
			case []any:
				for _, member := range v {
					poison(member)
				}
			}
		}
		poison(doc)
		envelope, _ := doc.(map[string]any)
		name, rest := "result", envelope["result"]
		if rest == nil {
			name, rest = "error", envelope["error"]
		}
		inner, err := json.Marshal(rest)
		if err != nil {
			return body
		}
		out := fmt.Appendf(nil, `{"success":%v,%q:%s}`, envelope["success"], name, inner)
		return append([]byte("<br />\n<b>Warning</b>: "+hostile+" on line 7<br />\n"), out...)
	})
}

func TestPromise8WhatServersSayIsShownHarmlessly(t *testing.T) {
	t.Parallel()
	shop, crm := newShop(t), newCRM(t, "5.2.1")
	p := connected(t, serve(t, hostileShop(shop)), serve(t, hostileCRM(crm)))
	harmless := func(args ...string) result {
		t.Helper()
		r := p.run(args...)
		if what := harmOf(r, args); what != "" {
			t.Errorf("cartiger %s: %s", strings.Join(args, " "), what)
		}
		return r
	}
	if r := harmless("connect", "--no-input"); r.code != 0 {
		t.Fatalf("connect: %d\n%s", r.code, r.all())
	}
	harmless("test", "--log", "debug")
	harmless("status", "--json")
	harmless("currencies", "list")
	harmless("states", "list")
	harmless("defaults", "list")
	crm.Insert("Accounts", map[string]string{"accountname": "Acme"})
	if r := harmless("defaults", "set", "Invoice.account_id", "--search", "Acme"); !strings.Contains(r.err, "Acme") {
		t.Errorf("the account that was found is not named:\n%s", r.all())
	}
	harmless("watch", "--once")

	at := must[psapitest.Acted](t)(shop.Act(psapitest.Action{Do: "order", Guest: true, Email: "anna@example.com", FirstName: "Anna", LastName: "Roe", Template: 31}))
	must[psapitest.Acted](t)(shop.Act(psapitest.Action{Do: "register", Email: "bob@example.com", FirstName: "Bob", LastName: "Poe"}))
	crm.Insert("Leads", map[string]string{"lastname": legible, "company": "c", "email": "bob@example.com"})
	r := harmless("watch", "--once", "--log", "debug")
	if r.code != 0 && r.code != 3 {
		t.Fatalf("watch: %d\n%s", r.code, r.all())
	}
	harmless("export", "products", "--limit", "3", "--dry-run", "-v")
	harmless("export", "products", "--limit", "3", "--json")
	harmless("records", "list", "--only", "created,held,failed,updated,unchanged")
	harmless("records", "show", "order", fmt.Sprint(at.Order))
	harmless("records", "show", "order", fmt.Sprint(at.Order), "--json")
	harmless("log")
	harmless("log", "--json")
	harmless("status")
	if len(crm.Records("SalesOrder")) != 1 {
		t.Errorf("the order did not arrive: the attacks were not carried far\n%s", p.run("records", "list").out)
	}
}

// refusals are answers with which a server refuses, each with attacks in what it says.
var refusals = map[string]http.HandlerFunc{
	"an error page": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		fmt.Fprintf(w, "<title>%s</title>%[1]s", hostile)
	},
	"no JSON, no XML": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, hostile) },
	"a PHP death":     func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "<b>Fatal error</b>: %s", hostile) },
	"a password": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="`+strings.Map(headerSafe, hostile)+`"`)
		w.WriteHeader(401)
	},
	"a redirect": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://evil.test/"+strings.Map(headerSafe, hostile)+"/api/")
		w.WriteHeader(302)
	},
	"the CRM's error": func(w http.ResponseWriter, _ *http.Request) {
		text := must[[]byte](nil)(json.Marshal(legible))
		fmt.Fprintf(w, `{"success":false,"error":{"code":%s,"message":%[1]s}}`, text)
	},
	"the shop's error": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(400)
		fmt.Fprintf(w, "<prestashop><errors><error><code><![CDATA[%s]]></code><message><![CDATA[%[1]s]]></message></error></errors></prestashop>", hostile)
	},
	"a forbidden page": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(403)
		fmt.Fprintf(w, "<title>%s</title>", hostile)
	},
	"maintenance": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(503)
		fmt.Fprint(w, "<title>"+hostile)
	},
}

func TestWhatRefusingServersSayIsShownHarmlessly(t *testing.T) {
	t.Parallel()
	for name, refuse := range refusals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := serve(t, refuse)
			p := connected(t, address, address)
			for _, args := range [][]string{{"test", "--log", "debug"}, {"connect", "--no-input", "--json"}} {
				r := p.run(args...)
				if what := harmOf(r, args); what != "" {
					t.Errorf("cartiger %s: %s", strings.Join(args, " "), what)
				}
				if r.code == 0 {
					t.Errorf("cartiger %s takes that for a success:\n%s", strings.Join(args, " "), r.all())
				}
				holdsNone(t, strings.Join(args, " "), r.all(), shopKey, crmKey)
			}
		})
	}
}
