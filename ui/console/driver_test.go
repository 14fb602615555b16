package console

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cartiger/store"
	"cartiger/ui/term"
)

var update = flag.Bool("update", false, "write the golden screens anew")

// person drives the console as somebody at the keyboard would. Time is the test's own (testing/synctest): waiting a
// minute costs nothing, and every goroutine must have ended when the test does.
type person struct {
	t     *testing.T
	app   *app
	fake  *fake
	inbox chan tea.Msg
	quit  bool
}

type setup struct {
	cols, rows int
	color      bool
	env        map[string]string
}

// sit puts a person before a console of a size, runs the script, and closes the console.
func sit(t *testing.T, f *fake, cols, rows int, script func(p *person)) {
	t.Helper()
	sitWith(t, f, setup{cols: cols, rows: rows}, script)
}

func sitWith(t *testing.T, f *fake, s setup, script func(p *person)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f.now = time.Now
		jobs := newJobs(t.Context())
		defer jobs.close() // also when the script fails
		o := Options{State: f, Who: me, Now: time.Now, Environ: func(name string) string { return s.env[name] }}.complete(f)
		p := &person{t: t, fake: f, inbox: make(chan tea.Msg, 4096)}
		p.app = newApp(f, o, jobs, term.Facts{UTF8: true, Color: s.color, Terminal: true})
		p.update(tea.WindowSizeMsg{Width: s.cols, Height: s.rows})
		p.start(p.app.Init())
		p.wait(time.Second)
		script(p)
	})
}

// start runs a command as Bubble Tea would, in a goroutine of its own.
func (p *person) start(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	go func() {
		switch msg := cmd().(type) {
		case nil:
		case tea.BatchMsg:
			for _, c := range msg {
				p.start(c)
			}
		default:
			p.inbox <- msg
		}
	}()
}

func (p *person) update(msg tea.Msg) {
	if _, ok := msg.(tea.QuitMsg); ok {
		p.quit = true
		return
	}
	_, cmd := p.app.Update(msg)
	p.start(cmd)
}

// settle lets everything happen that can happen without time passing.
func (p *person) settle() {
	for {
		synctest.Wait()
		select {
		case msg := <-p.inbox:
			p.update(msg)
		default:
			return
		}
	}
}

// wait lets time pass.
func (p *person) wait(d time.Duration) *person {
	for end := time.Now().Add(d); time.Now().Before(end); {
		p.settle()
		time.Sleep(10 * time.Millisecond)
	}
	p.settle()
	return p
}

var specialKeys = map[string]tea.KeyMsg{
	"enter": {Type: tea.KeyEnter}, "esc": {Type: tea.KeyEsc}, "tab": {Type: tea.KeyTab}, "shift+tab": {Type: tea.KeyShiftTab},
	"up": {Type: tea.KeyUp}, "down": {Type: tea.KeyDown}, "left": {Type: tea.KeyLeft}, "right": {Type: tea.KeyRight},
	"home": {Type: tea.KeyHome}, "end": {Type: tea.KeyEnd}, "pgup": {Type: tea.KeyPgUp}, "pgdown": {Type: tea.KeyPgDown},
	"f1": {Type: tea.KeyF1}, "backspace": {Type: tea.KeyBackspace}, "ctrl+c": {Type: tea.KeyCtrlC}, "ctrl+u": {Type: tea.KeyCtrlU},
	"space": {Type: tea.KeySpace, Runes: []rune{' '}},
}

// press presses keys by name.
func (p *person) press(names ...string) *person {
	p.t.Helper()
	for _, name := range names {
		msg, special := specialKeys[name]
		if !special {
			msg = tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(name)}
		}
		p.update(msg)
		p.settle()
	}
	return p
}

// typed types text, one key after the other.
func (p *person) typed(text string) *person {
	p.t.Helper()
	for _, r := range text {
		if r == ' ' {
			p.press("space")
		} else {
			p.press(string(r))
		}
	}
	return p
}

// pasted pastes text in one piece.
func (p *person) pasted(text string) *person {
	p.update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(text), Paste: true})
	p.settle()
	return p
}

// to moves the cursor down to the line that holds a text.
func (p *person) to(text string) *person {
	p.t.Helper()
	p.press("g")
	for range 200 {
		if strings.Contains(p.cursorLine(), text) {
			return p
		}
		before := p.app.screen().list().cursor
		p.press("down")
		if p.app.screen().list().cursor == before {
			break
		}
	}
	p.t.Fatalf("no line with %q to go to:\n%s", text, p.screen())
	return p
}

func (p *person) cursorLine() string {
	for l := range strings.SplitSeq(p.screen(), "\n") {
		if strings.HasPrefix(l, "> ") {
			return l
		}
	}
	return ""
}

// screen is what the person sees, without colours.
func (p *person) screen() string { return ansi.Strip(p.app.View()) }

// see fails unless the screen shows all the texts.
func (p *person) see(texts ...string) *person {
	p.t.Helper()
	screen := p.screen()
	for _, text := range texts {
		if !strings.Contains(screen, text) {
			p.t.Fatalf("not on the screen: %q\n%s", text, screen)
		}
	}
	return p
}

// read is see for sentences, which may be broken into several lines.
func (p *person) read(sentences ...string) *person {
	p.t.Helper()
	screen := strings.Join(strings.Fields(p.screen()), " ")
	for _, s := range sentences {
		if !strings.Contains(screen, s) {
			p.t.Fatalf("not to be read: %q\n%s", s, p.screen())
		}
	}
	return p
}

// seeLine fails unless one line holds all the texts.
func (p *person) seeLine(texts ...string) *person {
	p.t.Helper()
	for l := range strings.SplitSeq(p.screen(), "\n") {
		all := true
		for _, text := range texts {
			all = all && strings.Contains(l, text)
		}
		if all {
			return p
		}
	}
	p.t.Fatalf("no line with %q\n%s", texts, p.screen())
	return p
}

// lineWith is the first line that holds a text.
func (p *person) lineWith(text string) string {
	for l := range strings.SplitSeq(p.screen(), "\n") {
		if strings.Contains(l, text) {
			return l
		}
	}
	return ""
}

// dontSee fails if the screen shows one of the texts.
func (p *person) dontSee(texts ...string) *person {
	p.t.Helper()
	screen := p.screen()
	for _, text := range texts {
		if strings.Contains(screen, text) {
			p.t.Fatalf("on the screen: %q\n%s", text, screen)
		}
	}
	return p
}

// did fails unless the engine was asked for something, and forgets what it was asked until then.
func (p *person) did(what string) *person {
	p.t.Helper()
	p.fake.mu.Lock()
	defer p.fake.mu.Unlock()
	for i, d := range p.fake.done {
		if d == what {
			p.fake.done = p.fake.done[i+1:]
			return p
		}
	}
	p.t.Fatalf("the engine was not asked to %q but to %q", what, p.fake.done)
	return p
}

// didNothing fails if the engine was asked to do anything that changes something.
func (p *person) didNothing() *person {
	p.t.Helper()
	p.fake.mu.Lock()
	defer p.fake.mu.Unlock()
	if len(p.fake.done) > 0 {
		p.t.Fatalf("the engine was asked to %q", p.fake.done)
	}
	return p
}

// golden compares the screen with the one kept under a name.
func (p *person) golden(name string) *person {
	p.t.Helper()
	golden(p.t, name, p.screen()+"\n")
	return p
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "screens", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test ./ui/console -update writes it)", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("screen %s (-want +got):\n%s", name, diff)
	}
}

func TestMain(m *testing.M) {
	// Times on the screens are local ones: one zone for every machine.
	time.Local = time.UTC
	if os.Getenv("CONSOLE_UNDER_TEST") != "" {
		os.Exit(underTest())
	}
	// The runtime's signal goroutine must not start inside a test's bubble.
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGUSR2)
	signal.Stop(ch)
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(builtProgram) // "" = it was not built
		os.Exit(code)
	}))
}

// counting counts how often the state file is read.
type counting struct {
	State
	n int
}

func (c *counting) CountOutcomes(ctx context.Context) (map[store.Entity]store.Counts, error) {
	c.n++
	return c.State.CountOutcomes(ctx)
}
