package console

import (
	"errors"
	"testing"
	"time"

	"cartiger/engine"
	"cartiger/store"
)

func TestEachCheckSaysWhatItMeansWhatWasAskedAndWhatToDo(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.seeLine("Origin value", "WARNING").seeLine("vtiger CRM", "ok")
		p.to("Origin value").see("In vtiger: Settings, Picklist Editor") // the cure, in the message row
		p.press("enter").see("What it means", "What to do", "add the value Prestashop", "What was asked and answered", "--None--, Cold Call")
		p.press("enter").see("[1 Details]", "checked 00:00")
	})
}

func TestTheTableSaysWhereTheRecordsAre(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.seeLine("Orders", "1,300", "1,226", "74").seeLine("Invoices", "?")
		p.to("1,226").press("enter").see("wait for a reason that a person can remove", "Last run: never")
	})
}

func TestRefreshAsksShopAndCRMAgain(t *testing.T) {
	f := newFake()
	sit(t, f, 80, 24, func(p *person) {
		f.checks[2] = engine.Check{ID: "shop", Title: "PrestaShop", Level: engine.Failure, Text: "the web service is switched off", Cure: "Tools, Web service: switch it on."}
		p.press("r").see("asking shop and CRM ...").press("r").see("being asked already")
		p.wait(time.Second).seeLine("PrestaShop", "FAILED", "the web service is switched off").dontSee("asking shop")
	})
}

func TestAnErrorOfTheStateFileIsToldOnceAndDoesNotEndTheConsole(t *testing.T) {
	f := newFake()
	sit(t, f, 80, 24, func(p *person) {
		f.mu.Lock()
		f.fail["LastRun"] = errGone
		f.mu.Unlock()
		p.wait(2 * time.Second).see("! Database is locked.")
		p.press("down").dontSee("locked").wait(3 * time.Second).dontSee("locked")
		f.mu.Lock()
		f.fail["LastRun"] = nil
		f.mu.Unlock()
		p.wait(2 * time.Second)
		if p.app.live.err != nil {
			t.Error("still in error:", p.app.live.err)
		}
	})
}

func TestAnErrorTooLongForTheMessageRowGetsAPage(t *testing.T) {
	f := newFake()
	f.fail["Status"] = errors.New("a very long error\nof two lines")
	sit(t, f, 60, 16, func(p *person) {
		p.see("Could not ask shop and CRM", "! A very long error", "of two lines").press("esc").see("[1 Details]")
	})
}

func TestTheTableFollowsARunningExport(t *testing.T) {
	f := newFake()
	sit(t, f, 80, 24, func(p *person) {
		p.seeLine("Following shop", "stopped")
		f.mu.Lock()
		f.begin("products", "bert@shop2 (pid 77)")
		f.entities[0].Linked = 400
		f.counts[store.Product] = store.Counts{Created: 400}
		f.mu.Unlock()
		p.wait(3*time.Second).seeLine("Products", "1,607", "400").seeLine("Following shop", "products run by bert@shop2 (pid 77)")
	})
}

func TestWhoComesBackAfterAMinuteSeesAFreshAnswer(t *testing.T) {
	f := newFake()
	sit(t, f, 80, 24, func(p *person) {
		p.press("2").wait(30 * time.Second).press("1").dontSee("asking shop").press("2").wait(time.Minute).press("1").see("asking shop and CRM ...").wait(time.Second)
	})
}
