package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cartiger/problem"
	"cartiger/psapi/psapitest"
	"cartiger/ui/console"
	"cartiger/vtigerws/vtigerwstest"
)

// bench is a shop, a CRM and a state file for commands run in this process.
type bench struct {
	t    *testing.T
	shop *psapitest.Shop
	crm  *vtigerwstest.CRM
	env  map[string]string
}

func newBench(t *testing.T, version string) *bench {
	t.Helper()
	shop, err := psapitest.New(psapitest.Options{Data: os.DirFS(smallShop(t))})
	if err != nil {
		t.Fatal(err)
	}
	crm, err := vtigerwstest.New(vtigerwstest.Options{Version: version})
	if err != nil {
		t.Fatal(err)
	}
	shopServer, crmServer := httptest.NewServer(shop), httptest.NewServer(crm)
	t.Cleanup(shopServer.Close)
	t.Cleanup(crmServer.Close)
	return &bench{t: t, shop: shop, crm: crm, env: map[string]string{
		"CARTIGER_STATE":    filepath.Join(t.TempDir(), "cartiger", "state.db"),
		"CARTIGER_SHOP_URL": shopServer.URL, "CARTIGER_SHOP_KEY": psapitest.DefaultKey,
		"CARTIGER_CRM_URL": crmServer.URL, "CARTIGER_CRM_USER": "admin", "CARTIGER_CRM_KEY": "TestAccessKey",
	}}
}

// run runs a command and gives its exit code and what it printed.
func (b *bench) run(args ...string) (code int, stdout, stderr string) {
	b.t.Helper()
	var out, err bytes.Buffer
	p := &Program{In: strings.NewReader(""), Out: &output{w: &out}, Err: &err, Environ: func(name string) string { return b.env[name] }}
	code = p.run(b.t.Context(), args)
	return code, out.String(), err.String()
}

// must runs a command that has to succeed.
func (b *bench) must(args ...string) string {
	b.t.Helper()
	code, stdout, stderr := b.run(args...)
	if code != 0 {
		b.t.Fatalf("cartiger %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("anything"), 1},
		{misuse{errors.New("no such flag")}, 2},
		{ended(3), 3},
		{&problem.Error{Kind: problem.Invalid, Code: "incomplete"}, 4},
		{typed(&problem.Error{Kind: problem.Invalid, Code: "incomplete"}), 4},
		{typed(&problem.Error{Kind: problem.Invalid}), 2},
		{typed(&problem.Error{Kind: problem.Unavailable}), 5},
		{&problem.Error{Kind: problem.Invalid, Code: "setting"}, 2},
		{&problem.Error{Kind: problem.Invalid, Code: "once-only"}, 1},
		{&problem.Error{Kind: problem.Unauthorised}, 5},
		{&problem.Error{Kind: problem.Unavailable}, 5},
		{&problem.Error{Kind: problem.RateLimited}, 5},
		{fmt.Errorf("wrapped: %w", &problem.Error{Kind: problem.Unavailable}), 5},
		{&problem.Error{Kind: problem.Conflict, Code: "lease"}, 11},
		{&problem.Error{Kind: problem.Conflict, Code: "chain"}, 1},
		{&problem.Error{Kind: problem.Unknown}, 1},
		{&problem.Error{Kind: problem.Internal}, 1},
		{console.Signalled{Signal: syscall.SIGHUP}, 129},
		{console.Signalled{Signal: syscall.SIGINT}, 130},
		{console.Signalled{Signal: syscall.SIGTERM}, 143},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
	}
}

// A flag with the name of a global one would silently take its place.
func TestNoFlagHidesAGlobalOne(t *testing.T) {
	root := (&Program{}).root()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if root.PersistentFlags().Lookup(f.Name) != nil {
				t.Errorf("%s has a flag --%s of its own", c.CommandPath(), f.Name)
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// Every command says what it does and shows how; the example names the command itself.
func TestEveryCommandExplainsItself(t *testing.T) {
	root := (&Program{}).root()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() != "help" && c.Name() != "completion" && c.Parent().Name() != "completion" {
			if c.Short == "" || strings.HasSuffix(c.Short, ".") {
				t.Errorf("%s: Short is %q", c.CommandPath(), c.Short)
			}
			if !strings.Contains(c.Example, c.CommandPath()) {
				t.Errorf("%s has no example of itself", c.CommandPath())
			}
			for line := range strings.Lines(c.Long) {
				if n := len(strings.TrimSpace(line)); n > 200 {
					t.Errorf("%s: a line of Long has %d characters", c.CommandPath(), n)
				}
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	for _, c := range root.Commands() {
		walk(c)
	}
}

func TestJSONHoldsNothingThatATerminalObeys(t *testing.T) {
	var out bytes.Buffer
	p := &Program{Out: &output{w: &out}}
	nasty := "\x1b]0;owned\a \u009b31m \u202eevil\u2066 \x7f \U000e0001 \u200b é 漢 <&>"
	if err := p.line(map[string]string{"name": nasty}); err != nil {
		t.Fatal(err)
	}
	want := `{"name":"\u001b]0;owned\u0007 \u009b31m \u202eevil\u2066 \u007f \udb40\udc01 \u200b é 漢 <&>"}` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestTablesAlignByCellsAndCleanWhatTheyShow(t *testing.T) {
	var out bytes.Buffer
	p := &Program{Out: &output{w: &out}}
	p.table([]column{"NAME", ">N", "WHY"}, [][]string{
		{"漢字", "7", "two cells each"},
		{"e\u0301t\u00e9 \x1b[31mred\x1b[0m", "1200", "accents take none\u202e"},
	})
	want := "NAME        N  WHY\n" +
		"漢字        7  two cells each\n" +
		"e\u0301t\u00e9 red  1200  accents take none\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// A full disk behind stdout must not look like success.
func TestUnwritableOutputIsAFailure(t *testing.T) {
	var stderr bytes.Buffer
	p := &Program{In: strings.NewReader(""), Out: &output{w: broken{}}, Err: &stderr, Environ: func(string) string { return "" }}
	if code := p.run(t.Context(), []string{"version"}); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	if !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("stderr says %q", stderr.String())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestDates(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{"2026-01-31", "2026-01-31T00:00:00"},
		{"2026-01-31 09:30:00", "2026-01-31T09:30:00"},
		{"2026-01-31T09:30:00", "2026-01-31T09:30:00"},
		{"2026-01-31T09:30:00+02:00", "2026-01-31T09:30:00"},
	} {
		got, err := parseDate("since", c.value)
		if err != nil {
			t.Errorf("%s: %v", c.value, err)
		}
		if got := got.Format("2006-01-02T15:04:05"); got != c.want {
			t.Errorf("%s is %s, want %s", c.value, got, c.want)
		}
	}
	for _, value := range []string{"31.01.2026", "2026-02-30", "now", " "} {
		if _, err := parseDate("since", value); exitCode(err) != exitUsage {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestTheManualEscapesWhatManWouldObey(t *testing.T) {
	if diff := cmp.Diff(`\&.so x`+"\n.PP\n"+`a\-b \e n`, roff(".so x\n\na-b \\ n")); diff != "" {
		t.Error(diff)
	}
	root := (&Program{}).root()
	var page bytes.Buffer
	writeManual(&page, root)
	for _, want := range []string{".SS cartiger export products|customers|orders [flags]", `\-\-dry\-run`, ".SS cartiger simulate COMMAND", `POST /__fault`, "(default 5.2.1)", "state.db", ".SH ENVIRONMENT AND EXIT CODES", "CARTIGER_CRM_KEY_FILE"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// Trouble that only a person inside the CRM can make.
func TestStatusTellsOfRightsAndModules(t *testing.T) {
	for _, c := range []struct {
		name   string
		make   func(*bench)
		wants  []string
		export string
	}{
		{
			name:   "a module is switched off",
			make:   func(b *bench) { r := vtigerwstest.AllRights; r.Off = true; b.crm.SetRights("Products", r) },
			wants:  []string{"Modules             FAILED   6 of 7 usable; Products: not active for this user", "Module Manager: activate the module"},
			export: "products",
		},
		{
			name: "the user may not create Leads, and describe says so",
			make: func(b *bench) {
				b.crm.SetRights("Leads", vtigerwstest.Rights{Retrieve: true, Update: true, Admits: true})
			},
			wants:  []string{"Leads: create refused", "give the user's\n"},
			export: "customers",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, "5.2.1")
			b.must("connect")
			c.make(b)
			code, stdout, _ := b.run("status")
			if code != exitFailed {
				t.Errorf("status ends with %d, want %d", code, exitFailed)
			}
			for _, want := range c.wants {
				if !strings.Contains(stdout, want) {
					t.Errorf("status does not say %q:\n%s", want, stdout)
				}
			}
			code, stdout, stderr := b.run("export", c.export)
			if code == exitDone {
				t.Errorf("the export ends with %d:\n%s%s", code, stdout, stderr)
			}
		})
	}
}

// The keys of a signal's context: the exit code is the signal's, whatever went wrong after it.
func TestASignalExplainsWhatFollows(t *testing.T) {
	b := newBench(t, "5.2.1")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(console.Signalled{Signal: syscall.SIGTERM})
	var out, stderr bytes.Buffer
	p := &Program{In: strings.NewReader(""), Out: &output{w: &out}, Err: &stderr, Environ: func(name string) string { return b.env[name] }}
	if code := p.run(ctx, []string{"status"}); code != 143 {
		t.Errorf("exit code %d, want 143: %s", code, stderr.String())
	}
}
