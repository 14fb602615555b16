package cli

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"cartiger/psapi/psapitest"
	"cartiger/ui/term/termtest"
	"cartiger/vtigerws/vtigerwstest"
)

// terminal starts the program in a pseudo-terminal, with nothing but the given environment.
func terminal(t *testing.T, cols, rows int, env []string, args ...string) *termtest.Terminal {
	t.Helper()
	cmd := exec.Command("cartiger", args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LANG=C.UTF-8", "CARTIGER_STATE=" + filepath.Join(t.TempDir(), "state", "state.db")}, env...)
	return termtest.Start(t, cols, rows, cmd)
}

// figures are how far an export is, beside its bar.
var figures = regexp.MustCompile(` [0-9,]+ / 246`)

// site is a simulator with its address.
type site[T any] struct {
	sim T
	URL string
}

// slowServers are a shop and a CRM whose answers take long enough for an export to be watched.
func slowServers(t *testing.T, data string) (site[*psapitest.Shop], site[*vtigerwstest.CRM]) {
	t.Helper()
	shop, err := psapitest.New(psapitest.Options{Data: os.DirFS(data)})
	if err != nil {
		t.Fatal(err)
	}
	crm, err := vtigerwstest.New(vtigerwstest.Options{Version: "5.2.1", Latency: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	shopServer, crmServer := httptest.NewServer(shop), httptest.NewServer(crm)
	t.Cleanup(shopServer.Close)
	t.Cleanup(crmServer.Close)
	return site[*psapitest.Shop]{shop, shopServer.URL}, site[*vtigerwstest.CRM]{crm, crmServer.URL}
}

// The way of a person from the first start to a running export, in a real terminal, over the real engine.
func TestFromTheFirstStartToARunningExport(t *testing.T) {
	data := smallShop(t)
	for _, c := range []struct {
		name       string
		cols, rows int
		env        []string
	}{
		{"80x24", 80, 24, nil}, {"120x40", 120, 40, nil}, {"60x16", 60, 16, nil}, {"no colour", 80, 24, []string{"NO_COLOR=1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			shop, crm := slowServers(t, data)
			x := terminal(t, c.cols, c.rows, c.env)
			x.See("Nothing is set up yet")
			x.Press("enter").Type(crm.URL).Press("enter").SeeLine("URL", crm.URL, "*")
			x.Press("down", "enter").Type("admin").Press("enter", "down", "enter").Type("TestAccessKey").Press("enter")
			x.Press("down", "enter").Type(shop.URL).Press("enter", "down", "enter").Type(psapitest.DefaultKey).Press("enter").See("5 unsaved changes *")
			x.Press("t").See("Test ok")
			x.Press("s").See("Save 5 changes?").Press("y").See("Link automatically").Press("y")
			x.Press("3").See("Dollar")
			x.See("4 steps of automatic linking")

			// A link is taken away, and made again by hand.
			x.Press("/").Type("dollar").Press("enter").SeeLine("> Dollar", "linked")
			x.Press("enter", "up", "up").See("> (none)").Press("enter").See("unlinked *").Press("s").See("Save 1 change?").Press("y").SeeLine("Dollar", "not linked")
			x.Press("enter").See("[Dollar - USD").Press("enter").See("1 unsaved change").Press("s").See("Save 1 change?").Press("y").See("by hand")

			x.Press("4").See("Products").Press("e").See("Export products into the CRM?").Press("y").SeeLine("Products", "running").See("/ 246")
			x.Gone(figures.FindString(x.Screen())) // the bar moves
			x.See("The export of products is done: created 246.")
			x.Press("q")
			if code := x.Ends(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if n := len(crm.sim.Records("Products")); n != 246 {
				t.Errorf("the CRM has %d products, want 246", n)
			}
			if raw := x.Raw(); strings.Contains(raw, "TestAccessKey") || strings.Contains(raw, psapitest.DefaultKey) {
				t.Error("a key was written to the terminal")
			}
		})
	}
}

// A terminal that cannot move its cursor gets the same in lines.
func TestADumbTerminalGetsLines(t *testing.T) {
	shop, crm := slowServers(t, smallShop(t))
	x := terminal(t, 120, 60, []string{"TERM=dumb"})
	x.See("Nothing is set up yet", "key:")
	x.Type("enter 1\n").See("value (enter alone: (none)").Type(crm.URL+"\n").SeeLine("URL", crm.URL+" *")
	x.Type("enter 2\n").Type("admin\n").SeeLine("User name", "admin *")
	x.Type("enter 3\n").See("value, not shown").Type("TestAccessKey\n").SeeLine("Access key", "* *")
	x.Type("enter 4\n").Type(shop.URL+"\n").SeeLine("URL", shop.URL+" *")
	x.Type("enter 5\n").SeeTimes(2, "value, not shown").Type(psapitest.DefaultKey+"\n").SeeLine("Key", "** *")
	x.Type("t\n").See("Test ok")
	x.Type("s\n").See("Save 5 changes?").Type("y\n").See("Link automatically").Type("y\n").See("4 steps of automatic linking")
	x.Type("4\n").See("Products").Type("e 1\n").See("Export products into the CRM?").Type("y\n").See("The export of products is done: created 246.")
	x.Type("q\n")
	if code := x.Ends(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	raw := x.Raw()
	if strings.Contains(raw, "\x1b") {
		t.Error("a dumb terminal got escapes")
	}
	if strings.Contains(raw, "TestAccessKey") || strings.Contains(raw, psapitest.DefaultKey) {
		t.Error("a key was echoed")
	}
}

// The demo opens the console over its own shop and CRM; losing the terminal stops a run cleanly, and nothing is left.
func TestTheDemoOpensTheConsole(t *testing.T) {
	folder := t.TempDir()
	x := terminal(t, 80, 24, []string{"TMPDIR=" + folder, "CARTIGER_CRM_URL=http://real.example.test/"}, "demo", "--latency", "5ms")
	x.See("[1 Details]", "vtiger CRM", "127.0.0.1").Gone("real.example.test")
	x.Press("4").See("Products").Press("e").See("Export products into the CRM?").Press("y").See("/ 1,607")
	x.Signal(syscall.SIGHUP)
	if code := x.Ends(); code != 129 {
		t.Errorf("exit code %d, want 129:\n%s", code, x.Screen())
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// Nobody answers the questions that a terminal can be asked: nothing may wait for an answer. The fastest of some starts
// counts: a busy machine makes one slow, a wait for the terminal makes every one slow.
func TestVersionStartsAtOnceInASilentTerminal(t *testing.T) {
	fastest := time.Hour
	for range 5 {
		began := time.Now()
		x := terminal(t, 80, 24, nil, "version")
		if code := x.Ends(); code != 0 {
			t.Fatalf("exit code %d:\n%s", code, x.Screen())
		}
		fastest = min(fastest, time.Since(began))
		if raw := x.Raw(); strings.Contains(raw, "\x1b") || !strings.HasPrefix(raw, "cartiger ") {
			t.Errorf("the terminal got %q", raw)
		}
	}
	if fastest > 500*time.Millisecond {
		t.Errorf("took %s, want under 0.5 s", fastest)
	}
}

// connect on a terminal asks for what it does not know; keys are not shown, wrong values are asked for again.
func TestConnectAsksOnATerminal(t *testing.T) {
	b := newBench(t, "5.2.1")
	x := terminal(t, 100, 30, nil, "connect")
	x.See("URL of vtiger CRM:").Type("ftp://nowhere\r").See("does not start with http")
	x.Type(b.env["CARTIGER_CRM_URL"] + "\r").See("CRM user name:").Type("admin\r")
	x.See("CRM access key").Type("TestAccessKey\r")
	x.See("URL of the shop:").Type(b.env["CARTIGER_SHOP_URL"] + "\r")
	x.See("Shop web service key").Type("short\r").See("has 5 characters").Type(psapitest.DefaultKey + "\r")
	x.See("Connected and saved")
	if code := x.Ends(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if raw := x.Raw(); strings.Contains(raw, "TestAccessKey") || strings.Contains(raw, psapitest.DefaultKey) {
		t.Errorf("a key was echoed:\n%s", raw)
	}
}

// A signal at a hidden prompt gives the terminal its echo back.
func TestASignalAtAHiddenPromptRestoresTheTerminal(t *testing.T) {
	x := terminal(t, 80, 24, []string{"CARTIGER_CRM_URL=http://127.0.0.1:1/", "CARTIGER_CRM_USER=admin"}, "connect")
	x.See("CRM access key").Press("ctrl+c")
	if code := x.Ends(); code != 130 {
		t.Errorf("exit code %d, want 130:\n%s", code, x.Screen())
	}
}

// An export on a terminal shows how far it is in one line, which is gone in the end.
func TestAnExportShowsItsProgressOnATerminal(t *testing.T) {
	shop, crm := slowServers(t, smallShop(t))
	env := []string{
		"CARTIGER_SHOP_URL=" + shop.URL, "CARTIGER_SHOP_KEY=" + psapitest.DefaultKey,
		"CARTIGER_CRM_URL=" + crm.URL, "CARTIGER_CRM_USER=admin", "CARTIGER_CRM_KEY=TestAccessKey",
	}
	x := terminal(t, 80, 24, env, "export", "products")
	x.SeeLine("products", "/ 246", "created", "/s", "left")
	x.See("products: 246 total, 246 created").Gone("left")
	if code := x.Ends(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
