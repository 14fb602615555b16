package console

import (
	"strings"
	"testing"
	"time"

	"cartiger/engine"
	"cartiger/problem"
)

func TestTheFirstStartOpensOnConnectionAndSaysWhatToDo(t *testing.T) {
	sit(t, emptyFake(), 80, 24, func(p *person) {
		p.see("[2 Connection]", "Nothing is set up yet", "t tests, s saves")
		p.golden("80x24/first-start")
	})
}

func TestAConnectionIsTypedTestedSavedAndThenCurrenciesAreProposed(t *testing.T) {
	sit(t, emptyFake(), 80, 24, func(p *person) {
		p.press("enter").typed("https://crm.example.test/").press("enter").seeLine("URL", "https://crm.example.test/ *")
		p.press("t").see("Cannot test yet", "PrestaShop URL, PrestaShop key and 2 more are still empty").didNothing()
		p.press("down", "e").typed("admin").press("enter", "down", "enter").typed("s3cr3t")
		p.seeLine("Access key", "[******_").dontSee("s3cr3t")
		p.press("enter").seeLine("Access key", "****** *").dontSee("s3cr3t")
		p.press("down", "enter").typed("https://shop.example.test/").press("enter", "down", "enter")
		p.typed("tooshort").press("enter").see("has 8 characters; a PrestaShop web service key has 32").dontSee("tooshort")
		p.press("ctrl+u").typed(strings.Repeat("K", 32)).press("enter").dontSee("KKKK")
		p.see("5 unsaved changes *", "All filled in: t tests, s saves.", "2 Connection*]"[1:])

		p.press("t").wait(100 * time.Millisecond).see("1 CRM login ok 84 ms").dontSee("2 CRM modules")
		p.wait(320 * time.Millisecond).see("2 CRM modules and rights ok 310 ms").dontSee("3 shop")
		p.wait(150*time.Millisecond).see("3 shop ok 132 ms", "Test ok: shop and CRM answer. s saves the connection.")
		p.did("test with [crm.key crm.url crm.user shop.key shop.url]")

		p.press("s").see("Save 5 changes?", "(none) -> https://crm.example.test/", "CRM access key", "a new value, not shown").dontSee("s3cr3t", "KKKK", "not tested")
		p.press("enter").see("Save 5 changes?").didNothing() // enter never confirms
		p.press("y").did("save crm.key=s3cr3t").see("Saved: 5 changes.").dontSee("unsaved")
		p.wait(time.Second).see("Link automatically, by ISO 4217 code?", "link      CHF")
		p.press("y").did("link currencies")
	})
}

func TestKeysAreNeverDrawnAndNeverKept(t *testing.T) {
	f := newFake()
	sit(t, f, 120, 40, func(p *person) {
		secrets := []string{f.saved[engine.CRMKey], f.saved[engine.ShopKey]}
		for _, key := range []string{"1", "2", "3", "4", "a"} {
			p.press(key)
			for range 30 {
				p.dontSee(secrets...).press("down")
			}
		}
		for _, s := range secrets {
			for name, v := range p.app.settings {
				if v == s {
					t.Errorf("the console keeps the value of %s", name)
				}
			}
		}
	})
}

func TestASavedKeyIsReplacedButNotErasedByAnEmptyLine(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("2").to("Access key").press("enter").seeLine("Access key", "[____").press("enter").see("the key stays as it is").dontSee("unsaved")
		p.press("enter").typed("new").press("enter", "s").seeLine("CRM access key", "set -> a new value, not shown").see("was not tested with these values")
		p.press("esc").see("1 unsaved change *")
	})
}

func TestAValueFromTheEnvironmentSaysSoAndCannotBeEdited(t *testing.T) {
	s := setup{cols: 80, rows: 24, env: map[string]string{"CARTIGER_CRM_URL": "x", "CARTIGER_SHOP_KEY_FILE": "/run/key"}}
	sitWith(t, newFake(), s, func(p *person) {
		p.press("2").seeLine("URL", "from CARTIGER_CRM_URL").seeLine("Key", "from CARTIGER_SHOP_KEY_FILE")
		p.press("enter").see("comes from the environment (CARTIGER_CRM_URL)")
	})
}

func TestAFailedTestNamesTheStepAndTheCure(t *testing.T) {
	f := newFake()
	refused := &problem.Error{Kind: problem.Unauthorised, Where: "vtiger", Code: "INVALID_AUTH_TOKEN", Message: "the user name or the access key is wrong", Cure: "Copy the access key again from My Preferences, User Advanced Options."}
	f.testSteps = []engine.Step{{Name: "CRM login", Took: 40 * time.Millisecond, Err: refused}, {Name: "shop", Took: 30 * time.Millisecond}}
	sit(t, f, 80, 24, func(p *person) {
		p.press("2", "t").wait(time.Second)
		p.see("Could not connect", "the user name or the access key is wrong (INVALID_AUTH_TOKEN)", "What to do", "Copy the access key again")
		p.press("esc").seeLine("Validate and test", "1 CRM login FAILED", "2 shop ok 30 ms")
	})
}

func TestWhereShopAndCRMBothFailBothAreTold(t *testing.T) {
	f := newFake()
	f.testSteps = []engine.Step{
		{Name: "CRM login", Err: &problem.Error{Kind: problem.Unauthorised, Where: "vtiger", Message: "the access key is wrong", Cure: "Copy the access key again."}},
		{Name: "shop", Err: &problem.Error{Kind: problem.Unavailable, Where: "PrestaShop", Message: "no answer", Cure: "Is the shop up?"}},
	}
	sit(t, f, 80, 24, func(p *person) {
		p.press("2", "t").wait(time.Second).see("! vtiger: the access key is wrong.", "Copy the access key again.", "! PrestaShop: no answer.", "Is the shop up?")
		p.press("esc").seeLine("Validate and test", "1 CRM login FAILED   2 shop FAILED").dontSee("FAILED   FAILED")
	})
}

func TestTheStepsOfATestAreNotCutOff(t *testing.T) {
	f := newFake()
	f.testSteps = nil
	for _, name := range []string{"challenge", "login", "module list", "rights", "shop"} {
		f.testSteps = append(f.testSteps, engine.Step{Name: name, Took: 158 * time.Millisecond})
	}
	for w := 60; w <= 110; w++ {
		sit(t, f, w, 24, func(p *person) {
			p.press("2", "t").wait(time.Second).see("1 challenge ok 158 ms", "4 rights ok 158 ms", "5 shop ok 158 ms", "test ok")
		})
	}
}

func TestATestIsOldWhenItsValuesHaveChanged(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("2", "t").wait(time.Second).see("test ok").to("User name").press("enter").typed("2").press("enter").see("changed since: t tests again").dontSee("test ok")
	})
}

func TestATestIsOldWhenOneOfItsEditsWasUndone(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("2").to("User name").press("enter").typed("2").press("enter").to("Access key").press("enter").typed("AnotherKey").press("enter")
		p.press("t").wait(time.Second).see("test ok").press("u").see("changed since: t tests again").press("s").read("The connection was not tested with these values")
	})
}

func TestAReferenceIsAlsoGivenByItsID(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("2").to("Vendor Name").press("enter").read("An id such as 3x14 is taken as it is.").typed("31x7").press("enter").seeLine("vendor_id", "31x7 *").didNothing()
	})
}

func TestAMandatoryFieldSaysWhatBecomesOfARecordWithoutIt(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("2").see("! no default: Products").to("Vendor Name").see("! Nothing fills it for certain: give it a default, or such records are held.")
		p.press("m").see("Filled from the order; a default is used when that has no value.", "! no default: Products").to("Billing Address").see("The default is used whenever the shop has no value for it.")
	})
}

func TestThePaneTellsAllAboutAMandatoryField(t *testing.T) {
	sit(t, newFake(), 120, 40, func(p *person) {
		p.press("2").to("Vendor Name").see("a record of Vendors", "without a default such records are").press("m").to("Status").see("filled      from the order", "one of      Created, Approved,", "default     (none)")
		p.press("enter", "G", "enter").see("Unsaved: (none) -> Cancelled")
	})
}

func TestAnotherModuleIsSeenInASmallWindow(t *testing.T) {
	sit(t, newFake(), 60, 16, func(p *person) {
		p.press("2", "m").see("module < SalesOrder >", "> Subject")
	})
}

func TestMandatoryFieldsAreEditedByTheirType(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("2").see("module < Products >  2 of 3", "! no default") // the first module that needs one
		p.press("m").see("module < SalesOrder >").seeLine("Billing Address", "bill_street", "text", "--None--").seeLine("Subject", "from the order")
		p.press("m").see("module < Leads >").press("left").see("module < SalesOrder >").press("left").see("module < Products >")

		p.to("Sales Start Date").press("enter").typed("2026-02-30x").see("Not allowed here. A date is written year-month-day")
		p.press("enter").see(`"2026-02-30" is no date`).press("ctrl+u").typed("2026-02-28").press("up").see("[2026-03-01").press("enter").seeLine("start_date", "2026-03-01 *")
		p.to("Commission Rate").press("enter").typed("1,").see("Not allowed here. A number: digits").typed("5").press("enter").seeLine("commissionrate", "15 *")
		p.press("enter", "ctrl+u").typed("-").press("enter").see("is not a number").press("esc").seeLine("commissionrate", "15 *")
		p.to("Product Active").press("enter", "down", "enter").seeLine("discontinued", "no *")
		p.to("Vendor Name").press("enter").typed("dup").press("enter").wait(10*time.Millisecond).see("> Atelier Dupont", "Dupuis & fils")
		p.press("down", "enter").seeLine("vendor_id", "Dupuis & fils *").did(`search Vendors "dup"`)
		p.to("Handler").press("enter").see("Users or Groups").typed("nobody").press("enter").wait(10 * time.Millisecond).see("The CRM has no record by that name.").press("esc")
		p.press("m").to("Status").press("enter", "G", "enter").seeLine("sostatus", "Cancelled *")

		p.press("s").seeLine("Products Vendor Name", "(none) -> Dupuis & fils").press("y").wait(time.Second)
		p.did("default Products.start_date=2026-03-01 ()").did("default Products.commissionrate=15 ()").did("default Products.discontinued=0 (no)").
			did("default Products.vendor_id=2x9 (Dupuis & fils)").did("default SalesOrder.sostatus=Cancelled (Cancelled)")
	})
}

func TestADefaultIsTakenAway(t *testing.T) {
	sit(t, newFake(), 80, 24, func(p *person) {
		p.press("2").to("Vendor Name").press("x").see("this line has none")
		p.press("m").to("Billing Address").press("x").seeLine("bill_street", "no default *").press("s", "y").wait(time.Second)
		p.did("no default SalesOrder.bill_street").to("Shipping Address").press("enter", "ctrl+u", "enter").seeLine("ship_street", "no default *").press("enter").see("[__").press("esc")
		p.press("s", "y").wait(time.Second).did("no default SalesOrder.ship_street")
	})
}

func TestWhatCannotBeSavedStaysADraft(t *testing.T) {
	f := newFake()
	f.fail["SetDefault"] = &problem.Error{Kind: problem.Unavailable, Where: "vtiger", Message: "does not answer", Cure: "Try again."}
	sit(t, f, 80, 24, func(p *person) {
		p.press("2").to("User name").press("enter").typed("2").press("enter")
		p.to("Commission Rate").press("enter").typed("7").press("enter", "s", "y").wait(time.Second)
		p.did("save crm.user=admin2").see("! Vtiger: does not answer. Try again."[3:], "1 unsaved change *").seeLine("commissionrate", "7 *").dontSee("admin2 *")
	})
}
