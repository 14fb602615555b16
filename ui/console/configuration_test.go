package console

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cartiger/engine"
	"cartiger/problem"
)

func TestTheExampleFollowsWhileTyping(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {60, 16}} {
		sit(t, newFake(), size[0], size[1], func(p *person) {
			p.press("3").to("Sales order prefix").press("enter", "ctrl+u").see("now: 1")
			p.typed("Cmd").see("now: Cmd1").typed(" #").see("now: Cmd #1", "[Cmd #_")
			p.press("enter").see("[Cmd #] *", "now: Cmd #1").press("u").see("now: Bon de commande no1")
		})
	}
}

func TestACharacterThatIsNotAllowedIsRefusedAtTheKeyWithTheRule(t *testing.T) {
	const rule = "Not allowed here. Letters a-z A-Z without accents, digits, space and # [ ] _ -"
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("3").to("Potentials prefix").press("enter")
		for _, key := range []string{"é", ".", "/", "\"", "ß", "日"} {
			p.press(key).see(rule, "now: Commande boutique no1")
		}
		p.press("ctrl+u", "space").see(rule, "now: 1").typed("A b").see("now: A b1").press("home", "space").see(rule, "now: A b1")
		p.press("end").pasted("-ça_[1]").see(rule, "now: A b-a_[1]1")
		p.press("home", "right", "backspace", "enter").see("holds a character that is not allowed") // a space is first now
		p.press("esc").see("now: Commande boutique no1").dontSee("unsaved")
	})
}

func TestCheckBoxesSayWhatTheyDo(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("3").seeLine("[x] Create Account").seeLine("[x] Create Potential", "linked to the Account, since both are on")
		p.press("space").seeLine("> [ ] Create Account", "*", "off: orders hang on the account 'Prestashop'").seeLine("Create Potential", "linked to the Contact").see("1 unsaved change *")
		p.press("down", "space").seeLine("[ ] Create Potential", "off: an order makes no Potential").press("U").see("Drop 2 unsaved changes?").press("y").dontSee("unsaved change ", "[ ]")
		p.press("enter", "s", "y").wait(time.Second).did("save order.create-potential=off")
	})
}

func TestACurrencyIsLinkedInPlaceByKeyboard(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("3").to("Swiss Franc").seeLine("Swiss Franc - CHF", "(none)", "! not linked")
		p.press("enter").see("[Franc suisse - CHF", "Dollar - USD  now linked to USA, Dollars")
		p.golden("80x24/currency-list")
		p.press("enter").seeLine("Swiss Franc", "Franc suisse - CHF", "1.204", "changed *").see("1 held order waits for a link of CHF and will go.")
		p.press("s").seeLine("Currency Swiss Franc - CHF", "(none) -> Franc suisse - CHF").see("for a link of CHF and will go").press("y").wait(time.Second)
		p.did("link 21x3=4").seeLine("Swiss Franc", "by hand")
	})
}

func TestAShopCurrencyHasOneCRMCurrency(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("3").to("Swiss Franc").press("enter", "g", "down", "down", "enter").seeLine("Swiss Franc", "Dollar - USD", "changed *").seeLine("USA, Dollars", "(none)", "unlinked *")
		p.press("s").see("CHF and USD are different currencies").press("y").wait(time.Second).did("unlink 21x2").did("link 21x3=2")
	})
}

func TestAutomaticLinkingIsShownBeforeItIsDone(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("3", "l").wait(10*time.Millisecond).see("Link automatically, by ISO 4217 code?", "link      CHF  link Swiss Franc - CHF", "Links made by hand stay")
		p.press("enter").see("y does it, esc leaves").press("esc").didNothing()
		p.press("l").wait(10*time.Millisecond).press("y").wait(time.Second).did("link currencies").seeLine("Swiss Franc", "linked").see("1 step of automatic linking")
		p.press("l").wait(10 * time.Millisecond).see("Nothing to do")
	})
}

func TestATableThatWasReadBeforeTheLinkingIsReadAgain(t *testing.T) {
	f := newFake()
	f.slowTable = time.Second
	sit(t, f, 80, 24, func(p *person) {
		p.press("3").wait(2*time.Second).seeLine("Swiss Franc", "! not linked")
		p.press("r", "l").wait(10*time.Millisecond).press("y").wait(3*time.Second).did("link currencies").seeLine("Swiss Franc", "Franc suisse", "linked").dontSee("not linked")
	})
}

func TestUnsavedLinksStandInTheWayOfAutomaticLinking(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("3").to("USA, Dollars").press("x").seeLine("USA, Dollars", "(none)", "unlinked *").press("l").see("Currency links are unsaved")
		p.press("x").see("This currency is not linked.").press("u").dontSee("unlinked *")
		p.to("Yen").press("enter").see("JPY is inactive in the shop: no order comes in it.")
	})
}

func TestOrderStatesAreMappedOneListAfterTheOther(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("3").to("Payment accepted").press("enter").see("[Approved", "> Approved").press("down", "enter").see("[Paid", "> Paid").press("up", "up", "enter")
		p.seeLine("Payment accepted", "Delivered", "Sent", "changed *").press("s").seeLine("State 2 Payment accepted", "Approved, Paid -> Delivered, Sent").press("y").wait(time.Second)
		p.did("state 2=Delivered, Sent")
		p.to("Payment accepted").press("x").see("This state has its default already.")
	})
}

func TestAStateSetByHandGetsItsDefaultBack(t *testing.T) {
	f := newFake()
	f.states[2].By = "hand"
	sit(t, f, 80, 24, func(p *person) {
		p.press("3").to("Preparation").seeLine("Preparation", "by hand").press("x", "s").seeLine("State 3", "-> the default").press("y").wait(time.Second).did("state 3=default")
	})
}

func TestOtherSettingsAreEditedByTheirKind(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("3").to("Missing product").press("enter").see("> create", "hold").press("down", "enter").seeLine("Missing product", "hold *")
		p.to("Watch interval").press("enter", "ctrl+u").typed("often").press("enter").see("is not a duration such as 10s or 5m").press("ctrl+u").typed("30s").press("enter").seeLine("Watch interval", "30s *")
		p.to("Product edits").press("space").seeLine("Product edits", "on *").press("space").seeLine("Product edits", "off").dontSee("Product edits       on")
		p.press("s").see("Save 2 changes?").press("y").wait(time.Second).did("save order.missing-product=hold").did("save watch.interval=30s")
	})
}

func TestDifferentBaseCurrenciesAreARedLine(t *testing.T) {
	f := newFake()
	f.table.BasesAgree, f.table.CRMBase, f.table.RateOfCRMBase = false, "USD", "1.325"
	sit(t, f, 80, 24, func(p *person) {
		p.press("3").see("! The CRM's base is USD, the shop's EUR: prices are converted at 1.325")
	})
}

func TestRatesStandWithTheirPointsBelowEachOther(t *testing.T) {
	got := aligned([]string{"1", "1.324717", "129.5", ""})
	if diff := cmp.Diff([]string{"1       ", "1.324717", "129.5     ", "       "}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAShopCurrencyThatTheCRMHasIsLinkedInTheCRMsLine(t *testing.T) {
	f := newFake()
	f.table.Rows[2].ShopID, f.table.Rows[2].ShopName, f.table.Rows[2].ShopCode = 0, "", "" // unlinked: a line each
	f.table.Rows = append(f.table.Rows, engine.CurrencyRow{ShopID: 4, ShopName: "Franc suisse", ShopCode: "CHF", ShopActive: true, State: "not linked"})
	sit(t, f, 80, 24, func(p *person) {
		p.press("3").to("Franc suisse").seeLine("> (none)", "Franc suisse - CHF", "! not linked").press("enter").seeLine("> Swiss Franc - CHF", "[Franc suisse - CHF")
		p.press("enter").seeLine("> Swiss Franc - CHF", "Franc suisse", "changed *")
	})
}

func TestAShopCurrencyThatTheCRMLacksIsCreatedByLinkingAutomatically(t *testing.T) {
	f := newFake()
	f.table.Rows[4].ShopActive, f.table.Rows[4].State = true, "not linked"
	sit(t, f, 80, 24, func(p *person) {
		p.press("3").to("Yen").press("enter").see("The CRM has no JPY: l creates it there and links it.")
	})
}

func TestOnlyACurrencyThatOrdersWaitForIsTrouble(t *testing.T) {
	f := newFake()
	f.table.Rows = append(f.table.Rows, engine.CurrencyRow{CRMID: "21x9", CRMName: "Rupee", CRMCode: "INR", State: "not linked"})
	sit(t, f, 120, 40, func(p *person) {
		p.press("3").to("Rupee").seeLine("Rupee - INR", "(none)", "  not linked").see("The shop sells nothing in it").press("enter").see("Rupee is inactive in the CRM: activate it there")
		p.to("Swiss Franc").seeLine("Swiss Franc", "! not linked").see("Orders in this currency are held")
	})
}

func TestWhoSavesALinkLearnsWhenHeldOrdersGo(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("3").to("Swiss Franc").press("enter", "enter", "s", "y").wait(10*time.Millisecond).read("Saved: 1 change.", "R on 4 Export retries them now.")
	})
}

func TestTheOwnerOfRecordsIsSearchedByNameOrGivenByItsID(t *testing.T) {
	f := newFake()
	f.people = []engine.Choice{{ID: "19x5", Label: "anna"}}
	sit(t, f, 80, 24, func(p *person) {
		p.press("3").to("Owner of records").press("enter").see("Users or Groups").typed("ann").press("enter").wait(10*time.Millisecond).see("> anna  19x5").press("enter").seeLine("Owner of records", "19x5 *").dontSee("Up and down choose")
		p.press("enter", "ctrl+u").typed("20x3").press("enter").seeLine("Owner of records", "20x3 *").press("enter", "ctrl+u", "enter").seeLine("Owner of records", "(empty)").dontSee("unsaved")
	})
}

func TestDetailsAreAskedAgainAfterWhatTheySayWasChanged(t *testing.T) {
	f := newFake()
	sit(t, f, 80, 24, func(p *person) {
		p.seeLine("Currencies", "WARNING").press("3", "l").wait(10 * time.Millisecond)
		f.mu.Lock()
		f.checks[8] = engine.Check{ID: "currencies", Title: "Currencies", Level: engine.OK, Text: "4 of 4 linked"}
		f.mu.Unlock()
		p.press("y").wait(time.Second).press("1").wait(time.Second).seeLine("Currencies", "ok", "4 of 4 linked")
	})
}

func TestAnErrorOfTheTablesIsReadToItsEnd(t *testing.T) {
	f := newFake()
	f.fail["Currencies"] = &problem.Error{Kind: problem.Unauthorised, Where: "vtiger", Message: "the CRM user may not read Currencies, so that no link can be shown", Cure: "Give it the right."}
	sit(t, f, 60, 24, func(p *person) {
		p.press("3").read("! vtiger: the CRM user may not read Currencies, so that no link can be shown. Give it the right. r asks again.")
	})
}

func TestAutomaticLinkingIsNotOfferedWhileSomethingRuns(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("4", "w").wait(time.Second).press("3", "l").read("Following the shop runs already: w stops it. Automatic linking waits for that; enter links by hand meanwhile.")
		p.press("4", "w").wait(time.Second)
	})
}
