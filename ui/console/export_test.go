package console

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/store"
)

func TestAnExportIsAskedAboutAndThenFollowedLive(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("4", "e").see("checking shop and CRM before the export").wait(time.Second)
		p.see("Export products into the CRM?", "1,607 products", "Origin value", "WARNING").press("enter").didNothing()
		p.press("y").wait(2 * time.Second).did("export products dry=false resume=false since=0001-01-01")
		p.seeLine("> Products", "running", "by anna@shop1 (pid 4121)").seeLine("/ 1,607").seeLine("created", "/s, 2 workers", "ETA").see("last 60 s", "SKU_1")
		before := p.screen()
		p.wait(500 * time.Millisecond)
		if p.screen() == before {
			t.Error("nothing moves")
		}
		p.press("e").see("The export of products runs already: x stops it, p pauses it.")
		p.wait(20*time.Second).did("products finished").see("The export of products is done: created 1,552, unchanged 55.").seeLine("Products", "ready", "today 00:00: created 1,552, unchanged 55")
	})
}

func TestAnExportIsPausedGoesOnAndIsStopped(t *testing.T) {
	f := newFake()
	sit(t, f, 80, 24, func(p *person) {
		p.press("4", "e").wait(time.Second).press("y").wait(2 * time.Second)
		p.press("p").wait(10*time.Millisecond).see("asked to pause").wait(time.Second).seeLine("Products", "paused").see("Paused: p lets it go on, x stops it.")
		at := p.lineWith("/ 1,607")
		p.wait(3 * time.Second)
		if now := p.lineWith("/ 1,607"); now != at {
			t.Errorf("the bar moves while the export is paused: %q, %q", at, now)
		}
		p.press("p").wait(time.Second).seeLine("Products", "running")
		p.press("x").see("is stopping: records in flight are being finished").wait(time.Second).did("products stopped")
		p.seeLine("Products", "unfinished", " of 1,607").see("The previous export isn't finished yet:", "Nothing is lost: e goes on where it stopped.")
		p.press("x").see("Nothing runs that could be stopped.").press("p").see("Nothing runs that could be paused.")
	})
}

func TestAnUnfinishedExportGoesOnWithoutAQuestion(t *testing.T) {
	f := newFake()
	f.interrupted("products", 1148)
	sit(t, f, 80, 24, func(p *person) {
		p.press("4").see("The previous export isn't finished yet: 1,148 of 1,607. e goes on, d shows", "what is left.").golden("80x24/export-unfinished")
		p.press("e").wait(time.Second).did("export products dry=false resume=true since=0001-01-01").seeLine("Products", "running").press("x").wait(time.Second)
	})
}

func TestCustomersAreExportedOnce(t *testing.T) {
	f := newFake()
	f.runs = append(f.runs, store.Run{ID: 1, Kind: "customers", State: store.Finished, Closed: true, Ended: clock.AddDate(0, 0, -7)})
	sit(t, f, 80, 24, func(p *person) {
		p.press("4").seeLine("Customers", "closed", "exported Dec 1999; that can be done once")
		p.press("down", "e").see("Customers can be exported once, and were.").didNothing()
	})
}

func TestThePreviewShowsWhatWouldBeWrittenAndWritesNothing(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("4", "d").wait(10 * time.Millisecond).did("export products dry=true resume=false since=0001-01-01")
		p.see("Preview of products", "created 2, unchanged 1,604, held 1", "Nothing was written.").seeLine("SKU_1", "created", "create Products").seeLine("SKU_4", "held", "mandatory field vendor_id has no default")
		p.golden("80x24/export-preview").press("esc")
		p.press("e").wait(time.Second).press("d").wait(10 * time.Millisecond).see("Preview of products") // also from the question
	})
}

func TestOrdersOfThePastNeedADate(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("4").to("Orders of the past").seeLine("Orders of the past", "off", "enter sets the date since when")
		p.press("e").see("[2000-01-01").press("ctrl+u").typed("1999-06-01").press("enter").wait(time.Second)
		p.see("Orders placed since 1999-06-01").press("y").wait(time.Second).did("export orders dry=false resume=false since=1999-06-01").seeLine("Orders of the past", "running").press("x").wait(time.Second)
	})
}

func TestWhatAnotherProcessRunsIsShownWithItsName(t *testing.T) {
	f := newFake()
	f.runElsewhere("products", "bert@shop2 (pid 77)")
	sit(t, f, 80, 24, func(p *person) {
		p.press("4").seeLine("Products", "running", "by bert@shop2 (pid 77)").see("300 / 1,607", "Run by bert@shop2 (pid 77): p asks it to pause, x to stop.")
		p.press("e").see("bert@shop2 (pid 77) runs products since 00:00:00: p asks to pause, x to stop.")
		p.press("p").wait(10*time.Millisecond).press("x").see("Stop what another process runs?").press("enter", "y").wait(10 * time.Millisecond)
		if got := strings.Join(f.requests, " "); got != "pause stop" {
			t.Errorf("asked for %q", got)
		}
		p.press("q").dontSee("Quit?") // nothing of ours runs
	})
}

func TestHeldAndFailedRecordsTellTheirReasonAndAreRetried(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("4", "r").see("put the cursor on one").to("order 812").seeLine("order 812", "held", "currency CHF is not linked")
		p.press("enter").wait(10*time.Millisecond).see("What was sent", "fields.subject", "Bon de commande no812", "What would be sent now", "create Contacts for jean@example.test", "held  currency CHF is not linked", "Contacts").golden("80x24/record")
		p.press("r").wait(2*time.Second).did("retry order 812").see("The retry is done", "Held and failed  none")
	})
}

func TestARetriedRecordIsToldByItself(t *testing.T) {
	for words, o := range map[string]store.Outcome{
		"Order 812 is created: SalesOrder 15x7.":               {State: store.Created, CRM: "SalesOrder 15x7"},
		"Order 812 is still held: currency CHF is not linked.": {State: store.Held, Detail: "currency CHF is not linked"},
	} {
		f := newFake()
		o.Entity, o.ShopID, o.Label = store.Order, 812, "order 812"
		f.retried = o
		sit(t, f, 80, 24, func(p *person) {
			p.press("4").to("order 812").press("r").wait(2 * time.Second).read(words)
		})
	}
}

// The number of held records is the same before and after, the reason is not.
func TestARecordThatIsHeldForAnotherReasonIsListedWithIt(t *testing.T) {
	f := newFake()
	sit(t, f, 80, 24, func(p *person) {
		p.press("4").seeLine("order 812", "held", "currency CHF is not linked")
		f.outcomes[0].Detail = "product ABC is missing"
		f.log(store.Entry{At: time.Now(), Level: "info", Entity: store.Order, ShopID: 812, Label: "order 812", State: store.Held, Message: "product ABC is missing"})
		p.wait(2*time.Second).to("> order 812").seeLine("> order 812", "held", "product ABC is missing").dontSee("currency CHF is not linked")
	})
}

func TestRetryAllAsksFirst(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("4", "R").see("Retry 1 record?").press("n").didNothing().press("R", "y").wait(2 * time.Second).did("retry  0")
		p.press("R").see("No record is held or failed.")
	})
}

func TestTheShopIsFollowedUntilToldOtherwise(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("4", "w").wait(time.Second).did("watch every 10s").seeLine("Following the shop", "running", "by anna")
		p.press("e").see("Following the shop runs already: w stops it.")
		p.press("a").see("Following the shop  running").press("esc", "w").wait(time.Second).did("watch stopped").see("Following the shop is stopped.")
	})
}

func TestNothingIsExportedWhereAServerDoesNotAnswer(t *testing.T) {
	f := newFake()
	f.checks[1] = engine.Check{ID: "crm", Title: "vtiger CRM", Level: engine.Failure, Text: "wrong access key", Cure: "Copy it again."}
	sit(t, f, 80, 24, func(p *person) {
		p.press("4", "e").wait(time.Second).see("Products cannot be exported now", "wrong access key", "Copy it again.").press("y").didNothing()
	})
}

func TestAnExportThatBreaksOffSaysWhy(t *testing.T) {
	f := newFake()
	f.fail["Export"] = &problem.Error{Kind: problem.Conflict, Where: "state file", Code: "lease", Message: "bert@shop2 is at work here", Cure: "Wait or stop it."}
	sit(t, f, 80, 24, func(p *person) {
		p.press("4", "e").wait(time.Second).press("y").wait(time.Second).see("bert@shop2 is at work here. Wait or stop it.")
	})
}

func TestQuittingAsksWhileAnExportRunsAndStopsItCleanly(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("4", "e").wait(time.Second).press("y").wait(time.Second)
		p.press("q").see("Quit?", "The export of products runs in this window").press("esc").press("q", "y").see("Stopping: records in flight are being finished")
		p.wait(time.Second).did("products stopped")
		if !p.quit {
			t.Error("the console did not quit")
		}
	})
}

func TestTheActivityViewShowsChangesTroublesAndRuns(t *testing.T) {
	f := newFake()
	f.log(store.Entry{At: clock, Level: "info", Entity: store.Order, ShopID: 812, Label: "order 812", State: store.Held, Message: "currency CHF is not linked"})
	f.log(store.Entry{At: clock, Level: "warning", Message: "CRM asks to slow down"})
	f.interrupted("customers", 12)
	sit(t, f, 80, 24, func(p *person) {
		p.press("3", "a").see("Show  < log >").seeLine("warning", "CRM asks to slow down").seeLine("order 812", "held")
		p.to("order 812").press("enter").wait(10 * time.Millisecond).see("What was sent").press("esc")
		p.press("m").see("< held and failed >").seeLine("order 812", "held", "currency CHF is not linked")
		p.press("m").see("< runs >").seeLine("Customers", "interrupted", "created 12").see("The export of customers: created 12, by anna@shop1 (pid 4121).").press("enter").see("12 of 2,303").press("esc")
		p.press("esc").see("[3 Configuration")
	})
}

func TestTheListOfRunsHasOneMoreWhenARunBegins(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("a", "m", "m").see("Nothing has run yet.").press("w").wait(2*time.Second).seeLine("Following the shop", "2000-01-01", "running")
		p.press("w").wait(2*time.Second).seeLine("Following the shop", "2000-01-01", "stopped")
	})
}

func TestAQuestionNeverOpensOverSomethingBeingTyped(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("4", "e", "3").to("Sales order prefix").press("enter").wait(time.Second).typed("y").see("now: Bon de commande noy1").press("esc").didNothing()
	})
}

func TestWhatWasSaidOfARunGoesWhenItIsNotTrueAnyMore(t *testing.T) {
	f := newFake()
	f.runElsewhere("products", "bert@shop2 (pid 77)")
	sit(t, f, 80, 24, func(p *person) {
		p.press("4", "x", "y").wait(10 * time.Millisecond).see("The export of products is asked to stop.")
		f.end(0, store.Stopped)
		p.wait(2 * time.Second).dontSee("is asked to stop").press("e").wait(time.Second).press("x").see("is stopping").wait(time.Second).see("e goes on where it stopped.")
		f.runElsewhere("products", "bert@shop2 (pid 77)")
		p.wait(2 * time.Second).see("Run by bert").dontSee("is stopped")
		f.end(0, store.Stopped)
	})
}

func TestWhatIsLeftOfUnfinishedOrdersIsShownWithoutADate(t *testing.T) {
	f := newFake()
	f.interrupted("orders", 608)
	sit(t, f, 80, 24, func(p *person) {
		p.press("4").to("Orders of the past").press("d").wait(10*time.Millisecond).did("export orders dry=true resume=true since=0001-01-01").see("Preview of orders of the past").press("esc", "enter").see("608 of 1,300").dontSee("[2000-01-01")
	})
}

func TestWhatComesBeforeTheFirstOrderIsTold(t *testing.T) {
	f := newFake()
	f.begin("orders", me)
	sit(t, f, 80, 24, func(p *person) {
		p.press("4").see("0 / 1,300", "what the orders need comes first: products and customers")
		p.to("Orders of the past").press("enter", "esc")
	})
}

func TestTheLastRecordsUseTheRoomThereIs(t *testing.T) {
	f := newFake()
	for i := range 40 {
		f.log(store.Entry{At: clock, Level: "info", Label: "SKU_" + strings.Repeat("x", i%5), State: store.Created})
	}
	f.outcomes, f.counts = nil, nil
	sit(t, f, 80, 24, func(p *person) {
		if n := strings.Count(p.press("4").screen(), "created"); n != 10 {
			t.Errorf("%d records in an empty screen", n)
		}
	})
	sit(t, f, 60, 16, func(p *person) {
		if n := strings.Count(p.press("4").screen(), "created"); n != 4 {
			t.Errorf("%d records in a small screen", n)
		}
		p.see("Held and failed  none")
	})
}

func TestWatchTellsWhenItLastLooked(t *testing.T) {
	f := newFake()
	sit(t, f, 80, 24, func(p *person) {
		p.press("4", "w").wait(5 * time.Second)
		f.mu.Lock()
		f.runs[0].ShopRequests = 8
		f.mu.Unlock()
		p.wait(3*time.Second).seeLine("no change yet; last look 00:00:0", "8 shop requests").press("1").to("Following shop").see("running by anna@shop1 (pid 4121); no change yet; last look 00:00:0")
		p.press("4", "w").wait(time.Second)
	})
}

func TestTheEndOfALongLogSaysWhereTheRestIs(t *testing.T) {
	f := newFake()
	for i := range 800 {
		f.log(store.Entry{At: clock, Level: "info", Label: fmt.Sprintf("SKU_%d", i), State: store.Created})
	}
	sit(t, f, 80, 24, func(p *person) {
		p.press("a").see("SKU_799").press("G").see("SKU_300 ", "Older lines are printed by `cartiger log`.")
	})
}

func TestLinesOfOtherDaysSayWhichDayTheyAreOf(t *testing.T) {
	f := newFake()
	f.log(store.Entry{At: clock.AddDate(0, 0, -1), Level: "info", Entity: store.Product, ShopID: 1, Label: "SKU_1", State: store.Created})
	f.log(store.Entry{At: clock, Level: "info", Entity: store.Product, ShopID: 2, Label: "SKU_2", State: store.Created})
	sit(t, f, 80, 24, func(p *person) {
		p.press("4").seeLine("31 Dec", "SKU_1").seeLine("00:00:00", "SKU_2").press("a").see("Friday, 31 December 1999")
	})
}

func TestALineThatIsCutOffIsReadInTheMessageRow(t *testing.T) {
	f := newFake()
	long := "currency CHF is not linked: link it in Configuration, the order goes by itself then"
	f.outcomes[0].Detail = long
	f.log(store.Entry{At: clock, Level: "info", Entity: store.Order, ShopID: 9, Label: "order 9", State: store.Unchanged, Message: "nothing that the CRM keeps has changed in it"})
	sit(t, f, 90, 24, func(p *person) {
		p.press("4").to("order 812").see("C" + long[1:] + ".").press("w").wait(time.Second).see("C" + long[1:] + ".").press("w").wait(time.Second).press("a").to("order 9").see("nothing that the CRM keeps has changed in it").press("m").to("order 812").see("C" + long[1:] + ".")
	})
}

func TestAnAnswerOfThePreviewWaitsUnderThePageOfKeys(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("4")
		p.update(specialKeys["esc"])
		p.update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("d")})
		p.update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("?")})
		p.settle()
		p.see("All keys").press("esc").see("Preview of products", "created 2, unchanged 1,604, held 1")
	})
}

func TestARunThatWaitsForAServerSaysSo(t *testing.T) {
	f := newFake()
	sit(t, f, 80, 24, func(p *person) {
		p.press("4", "w").wait(5 * time.Second)
		f.mu.Lock()
		f.runs[0].Message = "will try again: PrestaShop: cannot connect to shop.example.test (connect)"
		f.mu.Unlock()
		p.wait(3*time.Second).seeLine("Following the shop", "waiting", "will try again").see("Will try again: PrestaShop: cannot connect to shop.example.test (connect).")
		p.press("a").see("Following the shop  waiting").press("1").to("Following shop").seeLine("Following shop", "WARNING").press("4", "w").wait(time.Second)
	})
}

func TestWhatWouldBeSentIsAskedWhileThePageIsRead(t *testing.T) {
	f := newFake()
	f.fail["Would"] = &problem.Error{Kind: problem.Unavailable, Where: "vtiger", Message: "no connection", Cure: "Check the URL."}
	sit(t, f, 80, 24, func(p *person) {
		p.press("4").to("order 812").press("enter").see("What was sent", "asking shop and CRM ...").wait(10*time.Millisecond).read("not known: vtiger: no connection. Check the URL.", "r retries it.")
		p.press("esc", "enter", "esc").wait(time.Second).see("[4 Export]").dontSee("not known") // left before the answer
	})
}

func TestARunIsNeverFurtherThanItsEnd(t *testing.T) {
	f := newFake()
	f.begin(retryKind, me)
	f.runs[0].Total, f.runs[0].Created, f.runs[0].Unchanged = 40, 6, 38
	sit(t, f, 80, 24, func(p *person) {
		p.press("4").seeLine("Retrying", "running", "by anna@shop1 (pid 4121)").see("44 / 44")
	})
}
