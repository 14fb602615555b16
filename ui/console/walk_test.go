package console

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"cartiger/ui/term/termtest"
)

// Keys of the simulators, unless told otherwise.
const (
	simulatedShopKey = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	simulatedCRMKey  = "TestAccessKey"
)

// program builds the real program, once.
var program = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "cartiger-console-test")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(folder, "cartiger")
	if out, err := exec.Command("go", "build", "-o", binary, "cartiger").CombinedOutput(); err != nil {
		return binary, fmt.Errorf("build: %w\n%s", err, out)
	}
	return binary, nil
})

func buildProgram(t *testing.T) string {
	t.Helper()
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	builtProgram = filepath.Dir(binary)
	return binary
}

// builtProgram is the folder to remove when all tests are done.
var builtProgram string

// simulate starts a simulator in a process of its own and gives its address.
func simulate(t *testing.T, binary string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, append([]string{"simulate"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	first, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(first), "listening on ")
	if !ok {
		t.Fatalf("the simulator said %q: %v", first, err)
	}
	return url
}

// clear is an environment in which nothing is set up.
func clear(home string, more ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "CARTIGER_") && name != "NO_COLOR" && name != "ACCESSIBLE" && name != "TERM" {
			env = append(env, v)
		}
	}
	return append(append(env, "HOME="+home, "XDG_STATE_HOME="+home, "LANG=C.UTF-8"), more...)
}

// The whole way over the real program, its state file and both simulators: first start, connection typed in, test,
// currency linked anew by keyboard, products exported while the bar moves, quit.
func TestARealInstallationIsSetUpAndExportsItsProducts(t *testing.T) {
	binary := buildProgram(t)
	figures := regexp.MustCompile(` [0-9,]+ / [0-9,]+`)
	for _, c := range []struct {
		name       string
		cols, rows int
		env        []string
	}{
		{"80x24", 80, 24, nil}, {"120x40", 120, 40, nil}, {"60x16", 60, 16, nil}, {"NO_COLOR", 80, 24, []string{"NO_COLOR=1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			shop := simulate(t, binary, "shop", "--listen", "127.0.0.1:0")
			crm := simulate(t, binary, "crm", "--version", "5.2.1", "--listen", "127.0.0.1:0", "--latency", "2ms")
			cmd := exec.Command(binary)
			cmd.Env = clear(t.TempDir(), append(c.env, "TERM=xterm-256color")...)
			x := termtest.Start(t, c.cols, c.rows, cmd)

			x.See("[2 Conn", "Nothing is set up yet")
			for i, v := range []string{crm, "admin", simulatedCRMKey, shop, simulatedShopKey} {
				if i > 0 {
					x.Press("down")
				}
				x.Press("enter").See("enter take").Type(v).Press("enter").Gone("enter take")
			}
			x.See("5 unsaved changes *").Press("t").See("Test ok: shop and CRM answer.")
			x.Press("s").See("Save 5 changes?").Press("y").See("Link automatically, by ISO 4217 code?", "create    USD").Press("y").See("Done: 4 steps of automatic linking.")

			x.Press("3").See("When an order is placed").Press("/").Type("dollar").Press("enter").SeeLine("> Dollar - USD", "linked")
			x.Press("enter").See("enter take").Press("g", "enter").SeeLine("> Dollar - USD", "(none)", "unlinked *").Press("s").See("Save 1 change?").Press("y").SeeLine("> Dollar - USD", "not linked")
			x.Press("enter").See("[Dollar - USD").Press("enter").SeeLine("changed *").Press("s").See("Save 1 change?").Press("y").SeeLine("> Dollar - USD", "by hand")

			x.Press("4").See("[4 Export]", "Products").Press("e").See("Export products into the CRM?").Press("y").SeeLine("> Products", "running").See("###")
			x.Gone(figures.FindString(x.Screen())) // the bar moves
			x.See("The export of products is done: created 1,6").SeeLine("> Products", "ready")
			x.Press("q")
			if code := x.Ends(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if raw := x.Raw(); strings.Contains(raw, simulatedCRMKey) || strings.Contains(raw, simulatedShopKey) {
				t.Error("a key was written to the terminal")
			}
		})
	}
}

// The same way where the terminal can only take lines.
func TestARealInstallationIsSetUpOnADumbTerminal(t *testing.T) {
	binary := buildProgram(t)
	shop := simulate(t, binary, "shop", "--listen", "127.0.0.1:0")
	crm := simulate(t, binary, "crm", "--version", "5.4.0", "--listen", "127.0.0.1:0")
	cmd := exec.Command(binary)
	cmd.Env = clear(t.TempDir(), "TERM=dumb")
	x := termtest.Start(t, 120, 80, cmd)
	x.See("Nothing is set up yet", "key:")
	x.Type("enter 1\n").See("value (enter alone").Type(crm+"\n").SeeLine("URL", crm+" *")
	x.Type("enter 2\n").SeeTimes(2, "value (enter alone").Type("admin\n").SeeLine("User name", "admin *")
	x.Type("enter 3\n").See("value, not shown").Type(simulatedCRMKey+"\n").SeeLine("Access key", "** *")
	x.Type("enter 4\n").SeeTimes(3, "value (enter alone").Type(shop+"\n").SeeLine("URL", shop+" *")
	x.Type("enter 5\n").SeeTimes(2, "value, not shown").Type(simulatedShopKey+"\n").SeeLine("Key  ", "** *")
	x.Type("t\n").See("Test ok: shop and CRM answer.").Type("s\n").See("Save 5 changes?", "y or n:").Type("y\n").See("Link automatically", "create    USD").Type("y\n").See("Done: 4 steps")
	x.Type("3\n").See("When an order is placed").Type("/dollar\n").SeeTimes(2, "Dollar - USD").Type("enter 1\n").See("1 (none)").Type("1\n").See("unlinked *").Type("s\n").See("Save 1 change?").Type("y\n").See("Saved: 1 change.")
	x.Type("enter 1\n").SeeTimes(2, "1 (none)").Type("\n").See("changed *").Type("s\n").SeeTimes(2, "Save 1 change?").Type("y\n").SeeTimes(2, "Saved: 1 change.")
	x.Type("4\n").See("Following the shop").Type("e 1\n").See("Export products into the CRM?").Type("y\n").See(" created Products ").See("The export of products is done: created 1,6")
	x.Type("q\n")
	if code := x.Ends(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if raw := x.Raw(); strings.Contains(raw, simulatedCRMKey) || strings.Contains(raw, simulatedShopKey) || strings.Contains(raw, "\x1b") {
		t.Error("a key or an escape was written to the terminal")
	}
}

// Bubble Tea asks the terminal for its background before main begins, and waits five seconds where nobody answers;
// package term prevents it.
func TestTheProgramAsksTheTerminalNothing(t *testing.T) {
	binary := buildProgram(t)
	cmd := exec.Command(binary, "version")
	cmd.Env = clear(t.TempDir(), "TERM=xterm-256color")
	x := termtest.Start(t, 80, 24, cmd)
	if code := x.Ends(); code != 0 || strings.Contains(x.Raw(), "\x1b") {
		t.Errorf("exit code %d, the terminal got %q", code, x.Raw())
	}
}
