package console

import (
	"strings"
	"testing"
	"time"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"cartiger/store"
)

func TestATooSmallWindowSaysWhatIsNeededAndQuits(t *testing.T) {
	sit(t, newFake(), 52, 14, func(p *person) {
		if got, want := p.screen(), "cartiger needs 60x16, this is 52x14. q quits."; got != want {
			t.Errorf("screen %q, want %q", got, want)
		}
		p.press("4", "e").update(tea.WindowSizeMsg{Width: 80, Height: 24})
		p.see("[1 Details]") // keys that cannot be seen do nothing
		p.update(tea.WindowSizeMsg{Width: 20, Height: 5})
		p.press("q")
		if !p.quit {
			t.Error("q does not quit")
		}
	})
}

func TestEveryScreenFillsTheWindowExactly(t *testing.T) {
	for _, size := range [][2]int{{60, 16}, {61, 17}, {79, 24}, {80, 24}, {109, 30}, {110, 30}, {140, 50}, {250, 80}} {
		sit(t, newFake(), size[0], size[1], func(p *person) {
			for _, key := range []string{"1", "2", "3", "4", "a", "?"} {
				lines := strings.Split(p.press(key).screen(), "\n")
				if len(lines) != size[1] {
					t.Errorf("%dx%d, %s: %d rows", size[0], size[1], key, len(lines))
				}
				for _, l := range lines {
					if width(l) > size[0] {
						t.Errorf("%dx%d, %s: %d columns in %q", size[0], size[1], key, width(l), l)
					}
				}
			}
		})
	}
}

func TestTabsAreReachedByNumberTabAndShiftTab(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("tab").see("[2 Connection]").press("tab").see("[3 Configuration]").press("shift+tab", "shift+tab", "shift+tab").see("[a Activity]").press("tab").see("[1 Details]")
		p.press("4").see("[4 Export]").press("a").see("[a Activity]").press("esc").see("[4 Export]")
	})
}

func TestKeysTypedFastArriveAsOneMessageAndAllCount(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("3jjje")})
		p.see("[3 Configuration]", "[Commande boutique no_")
		p.update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("xyz")})
		p.see("now: Commande boutique noxyz1")
	})
}

func TestAKeyThatCannotActSaysWhy(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("l").see("On 3 Configuration, l does this: link currencies")
		p.press("s").see("On 2 Connection and 3 Configuration, s does this: save")
		p.press("3", "s").see("Nothing is unsaved.").press("x").see("x unlinks the currency")
		p.press("4").to("order 812").press("e").see("put the cursor on one of them").press("d").see("put the cursor on products")
	})
}

// Every key of the table is on the page of keys, and what the bar shows is in the table.
func TestThePageOfKeysComesFromTheTable(t *testing.T) {
	page := ""
	for _, r := range keyPage() {
		page += r.line.String() + "\n"
	}
	seen := map[string]bool{}
	for _, b := range bindings {
		if b.long != "" && !strings.Contains(page, b.long) {
			t.Errorf("not on the page: %s %s", b.key.Help().Key, b.long)
		}
		for _, k := range b.key.Keys() {
			for at := onDetails; at <= inFilter; at <<= 1 {
				if b.on&at == 0 {
					continue
				}
				name := k + " " + string(rune('0'+at))
				if seen[name] {
					t.Errorf("key %s is bound twice at place %b", k, at)
				}
				seen[name] = true
			}
		}
	}
	for at := onDetails; at <= onActivity; at <<= 1 {
		for _, w := range []int{60, 80, 120} {
			l := keyBar(at, w)
			if width(l.String()) > w || !strings.HasSuffix(l.String(), "? keys  q quit") {
				t.Errorf("bar at %b in %d columns: %q", at, w, l.String())
			}
		}
	}
}

func TestTheFilterShowsOnlyMatchingLines(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("3", "/").see("find:").typed("franc").seeLine("Swiss Franc").dontSee("USA, Dollars", "Create Account").press("enter").see(`lines with "franc"`)
		p.press("enter").see("[Franc suisse - CHF").press("esc", "esc").see("USA, Dollars")
		p.press("/").typed("zzz").dontSee("Swiss").press("esc").see("Swiss Franc")
	})
}

func TestQuittingAsksWhileSomethingIsUnsaved(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("3", "space", "q").see("Quit?", "Not saved: 1 change").press("enter").see("Quit?").press("esc").see("1 unsaved change *", "3 Configuration*")
		p.press("q", "y")
		if !p.quit {
			t.Error("y does not quit")
		}
	})
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("3", "space", "down", "enter", "ctrl+c").see("Quit?").press("ctrl+c")
		if !p.quit {
			t.Error("a second ctrl+c does not quit")
		}
	})
	sit(t, newFake(), 80, 24, func(p *person) {
		if p.press("q"); !p.quit {
			t.Error("q does not quit when nothing is lost")
		}
	})
}

func TestWithoutColoursEverythingIsStillSaid(t *testing.T) {
	steps := []string{"1", "2", "3", "space", "4", "a", "?"}
	var colored, plainly []string
	record := func(into *[]string, view func(p *person) string) func(p *person) {
		return func(p *person) {
			for _, key := range steps {
				*into = append(*into, view(p.press(key)))
			}
		}
	}
	sitWith(t, newFake(), setup{cols: 80, rows: 24, color: true}, record(&colored, (*person).screen))
	sitWith(t, newFake(), setup{cols: 80, rows: 24}, record(&plainly, func(p *person) string { return p.app.View() }))
	for i := range steps {
		if colored[i] != plainly[i] {
			t.Errorf("after %s the screen without colours differs:\n%s\n%s", steps[i], colored[i], plainly[i])
		}
		if strings.Contains(plainly[i], "\x1b") {
			t.Errorf("after %s the screen without colours has escapes", steps[i])
		}
	}
}

func TestTheStateFileIsReadFourTimesASecondWhileSomethingRuns(t *testing.T) {
	for _, c := range []struct {
		name      string
		busy      bool
		low, high int
	}{{"idle", false, 9, 11}, {"running", true, 38, 42}} {
		f := newFake()
		if c.busy {
			f.runElsewhere("products", "bert@shop2 (pid 77)")
		}
		sit(t, f, 80, 24, func(p *person) {
			reads := &counting{State: f}
			p.app.opt.State = reads
			p.wait(10 * time.Second)
			if reads.n < c.low || reads.n > c.high {
				t.Errorf("%s: read %d times in 10 s, want %d to %d", c.name, reads.n, c.low, c.high)
			}
		})
	}
}

func TestHostileTextIsShownAsHarmlessText(t *testing.T) {
	f := newFake()
	evil := "\x1b[2J\x1b]0;owned\x07\u202eevil\u2066\r\nnext\tline\x00\u200b e\u0301\u0301\u0301\u0301\u0301 \xff\xfe 日本"
	f.log(store.Entry{At: clock, Level: "info", Entity: store.Customer, ShopID: 9, Label: evil, State: store.Created, Message: evil})
	f.outcomes[0].Label, f.outcomes[0].Detail, f.outcomes[0].Sent, f.outcomes[0].Answer = evil, evil, `{"a\u001b[1m":"b\u001b[2J\u202e"}`, evil
	f.checks[4].Text, f.checks[4].Cure, f.checks[4].Asked = evil, evil, evil
	f.table.Rows[2].CRMName, f.table.Rows[2].ShopName = evil, evil
	f.states[1].Name, f.fields[6].Label, f.people[0].Label = evil, evil, evil
	f.runElsewhere("products", evil)
	sit(t, f, 120, 40, func(p *person) {
		look := func() {
			t.Helper()
			for l := range strings.SplitSeq(p.app.View(), "\n") {
				for _, r := range l {
					if r < ' ' || unicode.Is(unicode.Cf, r) || r == 0x7f {
						t.Fatalf("%U on the screen: %q", r, l)
					}
				}
				if width(l) > 120 {
					t.Fatalf("%d columns: %q", width(l), l)
				}
			}
		}
		for _, key := range []string{"1", "2", "3", "4", "a"} {
			p.press(key)
			for range 12 {
				p.press("down")
				look()
				p.press("enter")
				p.wait(10 * time.Millisecond)
				look()
				p.press("esc")
			}
		}
	})
}

func TestCleanTextHasNothingButLettersAndBlanks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.String().Draw(t, "text")
		w := rapid.IntRange(0, 40).Draw(t, "width")
		out := clean(in)
		for _, r := range out {
			if !unicode.IsGraphic(r) || unicode.IsSpace(r) && r != ' ' {
				t.Fatalf("%q became %q with %U", in, out, r)
			}
		}
		if again := clean(out); again != out {
			t.Fatalf("cleaning twice changes %q to %q", out, again)
		}
		if got := width(cut(out, w)); got > w {
			t.Fatalf("%q cut to %d takes %d cells", out, w, got)
		}
		if got := width(pad(out, w)); got != w {
			t.Fatalf("%q padded to %d takes %d cells", out, w, got)
		}
		if ansi.StringWidth(out) != width(ansi.Strip(out)) {
			t.Fatalf("%q still has escapes", out)
		}
	})
}
