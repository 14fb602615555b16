package console

import (
	"strings"
	"testing"
	"time"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"cartiger/engine"
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
		p.read("cartiger needs 60x16, this is 20x5. q quits.")
		p.press("q")
		if !p.quit {
			t.Error("q does not quit")
		}
	})
}

// A serial line does not know its size, and Bubble Tea hands that on.
func TestAWindowOfUnknownSizeIsTakenForOneOf80x24(t *testing.T) {
	sit(t, newFake(), 0, 0, func(p *person) {
		p.see("[1 Details]", "q quit")
		if rows := strings.Count(p.screen(), "\n") + 1; rows != 24 {
			t.Errorf("%d rows", rows)
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
		p.press("z").see("Nothing is on the key z: ? lists them all.")
		p.press("l").see("On 3 Configuration, l does this: link currencies")
		p.press("s").see("On 2 Connection and 3 Configuration, s does this: save")
		p.press("3", "s").see("Nothing is unsaved.").press("x").see("x unlinks the currency")
		p.press("4").to("order 812").press("e").see("put the cursor on one of them").press("d").see("put the cursor on products")
	})
}

// Every key of the table is on the page of keys, and what the bar shows is in the table.
func TestThePageOfKeysComesFromTheTable(t *testing.T) {
	page := ""
	for _, r := range layout(keyPage(onDetails), 200) {
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

func TestAFilterThatMatchesNothingSaysSo(t *testing.T) {
	for _, screen := range []string{"1", "2", "3", "4", "a"} {
		sit(t, newFake(), 80, 24, func(p *person) {
			p.press(screen, "/").typed("zzz").see(`No line here holds "zzz". esc shows all.`).press("enter", "down", "enter").see(`only lines with "zzz"`)
			p.press("esc").dontSee("zzz")
		})
	}
}

func TestAFilteredListSaysSoAsLongAsItIsOneAndKeepsTheHeadingsOfWhatItShows(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("3", "/").typed("fr").press("down").press("enter").see("Swiss Franc", "Currencies from CRM", `only lines with "fr"`)
		p.dontSee("When an order is placed", "Order states", "Other settings", "Names")
		p.press("down", "down").see(`only lines with "fr"`).press("esc").dontSee("only lines").see("Order states")
	})
}

func TestAnAnswerTooLongForOneRowIsReadToItsEnd(t *testing.T) {
	sit(t, newFake(), 60, 16, func(p *person) {
		p.press("t").read("validate and test the connection with the values as they stand here; saves nothing.")
		if n := strings.Count(p.screen(), "\n"); n != 15 {
			t.Errorf("the screen has %d rows", n+1)
		}
		p.press("down").dontSee("validate").see("> vtiger CRM") // the list has its rows back
	})
}

func TestAllKeysAreToldFromEverywhereAndThenOneIsWhereOneWas(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		where := func(heading string) {
			t.Helper()
			p.see("All keys").press("?").see("All keys") // there is no page of keys over the page of keys
			if first := strings.Split(p.screen(), "\n")[4]; first != " "+heading {
				t.Errorf("the page begins with %q, not %q", first, heading)
			}
			p.press("esc").dontSee("All keys")
		}
		p.press("3", "?")
		where("3 Configuration")
		p.press("l").wait(10 * time.Millisecond).see("Link automatically").press("?")
		where("A page or a question")
		p.see("Link automatically").press("esc").to("Sales order prefix").press("enter").typed("?").see("Not allowed here").press("f1")
		where("Typing and choosing")
		p.typed("X").see("now: Bon de commande noX1").press("esc").to("Missing product").press("enter", "?")
		where("Typing and choosing")
		p.see("> create").press("esc", "/", "f1")
		where("Typing and choosing")
		p.see("find:")
	})
}

// Over a slow line esc and the key after it arrive in one read, which Bubble Tea takes for alt and that key.
func TestEscAndTheNextKeyInOneReadAreTwoKeys(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("a").update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("j"), Alt: true})
		p.see("[1 Details]", "> vtiger CRM")
	})
}

func TestTextPastedWhereNothingIsTypedPressesNoKeys(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("4").pasted("ey2").see("[4 Export]", "Nothing is being typed: enter opens the line under the cursor, then paste.").didNothing()
		p.press("e").wait(time.Second).pasted("y").see("Export products into the CRM?").didNothing()
	})
}

func TestPastedTextBringsNoLineEndsAndNoEscapes(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("2").to("User name").press("enter", "ctrl+u").pasted("\t\x1b[31madmin\x1b[0m\x07\r\n").press("enter").seeLine("User name", "admin").dontSee("unsaved", "31m")
		p.press("3").to("Shared account").press("enter", "ctrl+u").pasted("two\nlines").see("[two lines_")
	})
}

func TestALetterGoesToTheChoiceThatBeginsWithIt(t *testing.T) {
	f := newFake()
	for i := range 300 {
		f.table.Rows = append(f.table.Rows, engine.CurrencyRow{ShopID: int64(10 + i), ShopName: "Coin " + strings.Repeat("i", i%7), ShopCode: "X", ShopActive: true, State: "not linked"})
	}
	sit(t, f, 80, 24, func(p *person) {
		p.press("3").to("Swiss Franc").press("enter").press("c").see("> Coin  - X").press("p").see("> Pound - GBP").press("d").see("> Dollar").press("z").read("a letter goes to what begins with it.", "> Dollar")
		p.press("pgdown").see("11 of 306").press("pgup", "G").see("306 of 306").press("esc")
	})
}

func TestQuittingAsksWhileARetryRuns(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("4").to("order 812").press("r", "q").see("Quit?", "The retry runs in this window.").press("y").wait(2 * time.Second)
		if !p.quit {
			t.Error("the console did not quit")
		}
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
