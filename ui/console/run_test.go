package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/store"
	"cartiger/ui/term"
	"cartiger/ui/term/termtest"
)

// underTest is the program that the tests below run in a real terminal: the console over the fake.
func underTest() int {
	f := newFake()
	if os.Getenv("CONSOLE_UNDER_TEST") == "empty" {
		f = emptyFake()
	}
	f.now = time.Now
	ctx, cancel := context.WithCancelCause(context.Background())
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
	go func() { cancel(Signalled{<-heard}) }()
	err := Run(ctx, f, Options{State: f, Who: me})
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.done {
		if !strings.HasPrefix(d, "save") {
			fmt.Println("did:", d)
		}
	}
	var signalled Signalled
	switch {
	case errors.As(err, &signalled):
		fmt.Println(err)
		return 128 + int(signalled.Signal.(syscall.Signal))
	case err != nil:
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

func spawn(t *testing.T, cols, rows int, kind string, env ...string) *termtest.Terminal {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "CONSOLE_UNDER_TEST="+kind, "LANG=C.UTF-8"), env...)
	return termtest.Start(t, cols, rows, cmd)
}

// figures are how far an export is, beside its bar.
var figures = regexp.MustCompile(` [0-9,]+ / 1,607`)

// The way of a person from the first start to a running export, in a real terminal of three sizes, with and without colours.
func TestFromTheFirstStartToARunningExport(t *testing.T) {
	for _, c := range []struct {
		name       string
		cols, rows int
		env        []string
	}{
		{"80x24", 80, 24, nil}, {"120x40", 120, 40, nil}, {"60x16", 60, 16, nil}, {"no colour", 80, 24, []string{"NO_COLOR=1"}}, {"vt100", 80, 24, []string{"TERM=vt100"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := spawn(t, c.cols, c.rows, "empty", c.env...)
			x.See("Nothing is set up yet")
			x.Press("enter").Type("https://crm.example.test/").Press("enter").SeeLine("URL", "https://crm.example.test/", "*")
			x.Press("down", "enter").Type("admin").Press("enter", "down", "enter").Type("TestAccessKey").See("[*************_").Press("enter")
			x.Press("down", "enter").Type("https://shop.example.test/").Press("enter", "down", "enter").Type("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345").Press("enter").See("5 unsaved changes *")
			x.Press("t").See("1 CRM login ok").See("3 shop ok").See("Test ok")
			x.Press("s").See("Save 5 changes?").Press("y").See("Link automatically").Press("n")
			x.Press("3").See("Swiss Franc").Press("/").Type("swiss").Press("enter").See("> Swiss Franc").Press("enter").See("v]").Press("enter").SeeLine("Swiss Franc", "Franc suisse").Press("s").See("Save 1 change?").Press("y").See("by hand")
			x.Press("4").See("Products").Press("e").See("Export products into the CRM?").Press("y").SeeLine("Products", "running").See("/ 1,607", "SKU_")
			x.Gone(figures.FindString(x.Screen())) // the bar moves
			x.Press("q").See("Quit?").Press("y")
			if code := x.Ends(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			raw := x.Raw()
			if !strings.Contains(raw, "did: link 21x3=4") || !strings.Contains(raw, "did: products stopped") {
				t.Errorf("the engine was not asked for what was done:\n%s", x.Screen())
			}
			if strings.Contains(raw, "TestAccessKey") || strings.Contains(raw, "ABCDEFGH") {
				t.Error("a key was written to the terminal")
			}
			if colored := strings.Contains(raw, "\x1b[1;36m"); colored != (c.env == nil) {
				t.Errorf("colours: %v", colored)
			}
		})
	}
}

// A terminal that cannot move its cursor gets lines.
func TestADumbTerminalGetsLines(t *testing.T) {
	x := spawn(t, 120, 60, "empty", "TERM=dumb")
	x.See("Nothing is set up yet", "key:")
	x.Type("enter 1\n").See("value (enter alone: (none)").Type("https://crm.example.test/\n").SeeLine("URL", "crm.example.test/ *")
	x.Type("enter 2\n").Type("admin\n").SeeLine("User name", "admin *")
	x.Type("enter 3\n").See("value, not shown").Type("TestAccessKey\n").SeeLine("Access key", "************* *")
	x.Type("enter 4\n").Type("https://shop.example.test/\n").SeeLine("URL", "shop.example.test/ *")
	x.Type("enter 5\n").SeeLine("key: enter 5").SeeTimes(2, "value, not shown").Type("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345\n").SeeLine("Key", "******************************** *")
	x.Type("t\n").See("1 CRM login ok", "3 shop ok", "Test ok")
	x.Type("s\n").See("y or n:").Type("y\n").See("Link automatically").Type("n\n")
	x.Type("3\n").See("Swiss Franc").Type("/swiss\n").Type("enter 1\n").See("4 Franc suisse").Type("4\n").See("changed *").Type("s\n").See("Save 1 change?").Type("y\n").See("Saved: 1 change.")
	x.Type("4\n").See("Products").Type("e 1\n").See("Export products into the CRM?").Type("y\n").See("SKU_3 created Products 6x1003")
	x.Type("x\n").See("is stopped").Type("q\n")
	if code := x.Ends(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	raw := x.Raw()
	if strings.Contains(raw, "\x1b") {
		t.Error("a dumb terminal got escapes")
	}
	if strings.Contains(raw, "TestAccessKey") || strings.Contains(raw, "ABCDEFGH") {
		t.Error("a key was echoed")
	}
}

func TestWhoAsksForAnAccessibleConsoleGetsLines(t *testing.T) {
	x := spawn(t, 80, 24, "1", "ACCESSIBLE=1")
	x.See("1 Set-up", "key:").Type("q\n")
	if code := x.Ends(); code != 0 || strings.Contains(x.Raw(), "\x1b") {
		t.Errorf("exit code %d:\n%q", code, x.Raw())
	}
}

// A signal, or the loss of the terminal, stops what runs; records in flight end first.
func TestSignalsStopARunningExportCleanly(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(x *termtest.Terminal)
		code int
	}{
		{"SIGTERM", func(x *termtest.Terminal) { x.Signal(syscall.SIGTERM) }, 143},
		{"SIGHUP", func(x *termtest.Terminal) { x.Signal(syscall.SIGHUP) }, 129},
		{"SIGINT", func(x *termtest.Terminal) { x.Signal(syscall.SIGINT) }, 130},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := spawn(t, 80, 24, "1")
			x.See("checked").Press("4", "e").See("Export products into the CRM?").Press("y").See("SKU_")
			c.end(x)
			if code := x.Ends(); code != c.code {
				t.Errorf("exit code %d, want %d:\n%s", code, c.code, x.Screen())
			}
			if !strings.Contains(x.Raw(), "did: products stopped") {
				t.Errorf("the export was not stopped:\n%s", x.Screen())
			}
			if !strings.Contains(x.Raw(), "\x1b[?1049l") {
				t.Error("the screen was not given back")
			}
		})
	}
}

func TestALostTerminalEndsTheConsole(t *testing.T) {
	x := spawn(t, 80, 24, "1")
	x.See("checked").Press("4", "e").See("Export products into the CRM?").Press("y").See("SKU_").HangUp()
	if code := x.Ends(); code != 129 {
		t.Errorf("exit code %d, want 129", code)
	}
}

func TestTheWindowIsResized(t *testing.T) {
	x := spawn(t, 80, 24, "1")
	x.See("checked").Resize(120, 40).See("2 warnings: enter").Press("3").See("In scripts: cartiger config set")
	x.Resize(52, 14).See("cartiger needs 60x16, this is 52x14. q quits.").Resize(60, 16).See("[3 Config]").Press("q")
	if code := x.Ends(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// onLine runs the whole console, with a renderer, on a line whose bytes are counted; time is the test's own.
func onLine(t *testing.T, f *fake, cols, rows int, script func(keys func(string), written func() int64)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f.now = time.Now
		in, typed := io.Pipe()
		out := &counter{}
		o := Options{In: in, Out: out, State: f, Who: me, Environ: func(string) string { return "" }}.complete(f)
		jobs := newJobs(t.Context())
		a := newApp(f, o, jobs, term.Facts{UTF8: true, Color: true, Terminal: true})
		program := a.program(o)
		ended := make(chan error, 1)
		go func() {
			_, err := program.Run()
			ended <- err
		}()
		program.Send(tea.WindowSizeMsg{Width: cols, Height: rows})
		script(func(k string) {
			_, _ = io.WriteString(typed, k)
			time.Sleep(time.Second)
		}, out.n.Load)
		program.Quit()
		_ = typed.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		jobs.close()
	})
}

type counter struct{ n atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

func TestALineIsNotFloodedWhileAnExportRuns(t *testing.T) {
	for _, c := range []struct{ cols, rows, perSecond int }{{80, 24, 86}, {120, 40, 40}, {250, 70, 86}, {80, 24, 3}} {
		f := newFake()
		f.perSecond = c.perSecond
		totals["orders"] = 1 << 30
		onLine(t, f, c.cols, c.rows, func(keys func(string), written func() int64) {
			for _, k := range []string{"4", "\x1b[B", "\x1b[B", "e", "\x15", "1999-01-01", "\r", "y"} {
				keys(k)
			}
			time.Sleep(10 * time.Second) // the first screens are drawn, the burst is used up
			const seconds = 30
			for _, screen := range []string{"4", "a"} {
				keys(screen)
				before := written()
				time.Sleep(seconds * time.Second)
				perSecond := (written() - before) / seconds
				t.Logf("%dx%d at %d/s, screen %s: %d bytes a second", c.cols, c.rows, c.perSecond, screen, perSecond)
				if perSecond > 1500 {
					t.Errorf("%dx%d at %d/s, screen %s: %d bytes a second", c.cols, c.rows, c.perSecond, screen, perSecond)
				}
				if screen == "4" && perSecond < 100 {
					t.Errorf("only %d bytes a second: progress is not shown", perSecond)
				}
			}
		})
	}
}

func TestAnIdleConsoleIsSilent(t *testing.T) {
	onLine(t, newFake(), 120, 40, func(keys func(string), written func() int64) {
		for _, screen := range []string{"1", "2", "3", "4", "a"} {
			keys(screen)
			before := written()
			time.Sleep(60 * time.Second)
			if n := written() - before; n > 120 {
				t.Errorf("screen %s: %d bytes in a minute", screen, n)
			}
		}
	})
}

// Such as a value in the environment that is not allowed: the line mode waited for the settings without a word.
func TestSettingsThatCannotBeReadEndTheConsoleWithTheReason(t *testing.T) {
	for _, plain := range []bool{true, false} {
		f := newFake()
		f.fail["Settings"] = errGone
		synctest.Test(t, func(t *testing.T) {
			f.now = time.Now
			in, typed := io.Pipe()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := Run(ctx, f, Options{In: in, Out: &counter{}, State: f, Who: me, Plain: plain, Environ: func(string) string { return "" }})
			if !errors.Is(err, errGone) {
				t.Errorf("plain %v: ended with %v", plain, err)
			}
			_ = typed.Close()
		})
	}
}

// stuck is a terminal that takes no output, as one stopped by ctrl+s.
type stuck struct{ released chan struct{} }

func (s stuck) Write(p []byte) (int, error) {
	<-s.released
	return len(p), nil
}

func TestATerminalThatTakesNoOutputDoesNotKeepTheRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.now = time.Now
		ctx, cancel := context.WithCancelCause(t.Context())
		out := stuck{make(chan struct{})}
		in, typed := io.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- Run(ctx, f, Options{In: in, Out: out, State: f, Who: me, Environ: func(string) string { return "" }})
		}()
		time.Sleep(time.Second)
		began := time.Now()
		cancel(Signalled{syscall.SIGTERM})
		if err := <-done; !errors.Is(err, Signalled{syscall.SIGTERM}) {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the console waited %s for the terminal", took)
		}
		close(out.released)
		_ = typed.Close()
		time.Sleep(time.Minute) // the program's goroutines end now that they can
	})
}

// inLines runs the line mode and gives what it has written.
func inLines(t *testing.T, f *fake, script func(line func(string) string, cancel context.CancelCauseFunc)) (string, error) {
	t.Helper()
	var out safeBuffer
	var err error
	synctest.Test(t, func(t *testing.T) {
		f.now = time.Now
		ctx, cancel := context.WithCancelCause(t.Context())
		in, typed := io.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- Run(ctx, f, Options{In: in, Out: &out, State: f, Who: me, Plain: true, Environ: func(string) string { return "" }})
		}()
		time.Sleep(time.Second)
		script(func(s string) string {
			before := len(out.String())
			_, _ = io.WriteString(typed, s+"\n")
			time.Sleep(time.Second)
			return out.String()[before:]
		}, cancel)
		_ = typed.Close()
		err = <-done
		cancel(nil)
	})
	return out.String(), err
}

type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestLinesDoWhatKeysDo(t *testing.T) {
	f := newFake()
	expect := func(got string, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if !strings.Contains(got, text) {
				t.Errorf("no %q in:\n%s", text, got)
			}
		}
	}
	all, err := inLines(t, f, func(line func(string) string, _ context.CancelCauseFunc) {
		expect(line("?"), "Everywhere", "3 Configuration", "key: ")
		expect(line("zz"), `No key is called "zz"`)
		expect(line("j"), "Lines have numbers here")
		expect(line("enter 99"), "Lines are numbered from 1 to 16 here.")
		expect(line("enter 5"), "What to do", "Lead Source: add the value")
		expect(line("3"), "[3 Configuration]", "  1 [x] Create Account")
		expect(line("space 1"), "[ ] Create Account   *  off: orders hang")
		expect(line("enter 3"), "value (enter alone: Bon de commande no; - makes it empty): ")
		expect(line("é"), "Not allowed here. Letters a-z A-Z without accents")
		expect(line("-"), "Sales order prefix", "now: 1")
		expect(line("/swiss"), "  1 Swiss Franc - CHF")
		expect(line("enter 1"), "  4 Franc suisse - CHF", "number (enter alone: Franc suisse - CHF): ")
		expect(line("9"), "A number from 1 to 6.")
		expect(line(""), "key: ")
		expect(line("4"), "[4 Export]")
		expect(line("e 1"), "Export products into the CRM?", "y or n: ")
		expect(line(""), "y does it, esc leaves")
		expect(line("n"), "key: ")
		expect(line("d 1"), "Preview of products", "SKU_4")
		expect(line("2"), "module < Products >")
		expect(line("enter 7"), "name to search")
		expect(line("dup"), "  1 Atelier Dupont", "number, or another name")
		expect(line("2"), "Dupuis & fils *")
		expect(line("s"), "Save 4 changes?")
		expect(line("y"), "Saved: 4 changes.")
		expect(line("a"), "Show  < log >")
		expect(line("q"), "")
	})
	if err != nil {
		t.Error(err)
	}
	if strings.Contains(all, "\x1b") {
		t.Error("escapes were written")
	}
}

func TestThePromptComesAgainWhenARunHasEnded(t *testing.T) {
	f := newFake()
	f.perSecond = 1000
	_, err := inLines(t, f, func(line func(string) string, _ context.CancelCauseFunc) {
		line("4")
		line("e 1")
		got := line("y") + line("")
		if strings.Count(got, " created Products ") < 1000 {
			t.Errorf("the records are not told:\n%s", got)
		}
		if !strings.Contains(got, "The export of products is done") || !strings.HasSuffix(got, "key: ") {
			t.Errorf("it ends with %q", got[max(0, len(got)-200):])
		}
		line("q")
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNoLineOfAFastRunIsLeftOut(t *testing.T) {
	f := newFake()
	_, err := inLines(t, f, func(line func(string) string, _ context.CancelCauseFunc) {
		line("4")
		f.mu.Lock()
		for i := range 1200 {
			f.log(store.Entry{At: clock, Level: "info", Label: fmt.Sprintf("SKU_%d", i), State: store.Unchanged})
		}
		f.mu.Unlock()
		if n := strings.Count(line("")+line("")+line("")+line(""), " unchanged"); n < 1200 {
			t.Errorf("%d lines of 1200 are told", n)
		}
		line("q")
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTheEndOfTheInputStopsWhatRuns(t *testing.T) {
	f := newFake()
	out, err := inLines(t, f, func(line func(string) string, _ context.CancelCauseFunc) {
		line("4")
		line("e 1")
		line("y")
	})
	if err != nil || !strings.Contains(out, "SKU_20 created Products 6x1020") || f.runs[0].State != "stopped" {
		t.Errorf("error %v, run %v", err, f.runs[0].State)
	}
}

func TestASignalEndsTheLineMode(t *testing.T) {
	f := newFake()
	_, err := inLines(t, f, func(line func(string) string, cancel context.CancelCauseFunc) {
		line("4")
		line("e 1")
		line("y")
		cancel(Signalled{syscall.SIGHUP})
		time.Sleep(time.Second)
	})
	if !errors.Is(err, Signalled{syscall.SIGHUP}) || f.runs[0].State != "stopped" {
		t.Errorf("error %v, run %v", err, f.runs[0].State)
	}
}
