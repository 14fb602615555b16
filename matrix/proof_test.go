package matrix

import (
	"testing"

	"cartiger/engine"
	"cartiger/fault"
)

// These are tests of the tests: with one safeguard of the engine off, the matrix finds duplicates.

// clumsy runs the exports into a trouble with a safeguard off and gives what shop and CRM look like then.
func clumsy(t *testing.T, version string, how engine.Careless, trouble func(*testing.T, *world)) account {
	t.Helper()
	w := newWorld(t, setup{version: version, slow: true})
	w.careless = string(how)
	trouble(t, w)
	return w.audit()
}

func TestWithoutLookingBeforeARetryTheMatrixFindsDuplicates(t *testing.T) {
	for i, name := range []string{"Products", "Leads", "Contacts", "SalesOrder", "Invoice"} {
		version := versions[i%len(versions)]
		t.Run(name+" on "+version, func(t *testing.T) {
			t.Parallel()
			lose := func(t *testing.T, w *world) {
				w.crm.Faults().Add(fault.Rule{Kind: fault.Lost, Op: "create", Type: name, Nth: 1})
				w.finish(t, "exports")
			}
			if a := clumsy(t, version, engine.NoLook, lose); len(a.duplicates) != 1 {
				t.Errorf("an answer was lost and nobody looked, yet: %s", a)
			}
			if a := clumsy(t, version, "", lose); !a.clean() {
				t.Errorf("with the look: %s", a)
			}
		})
	}
}

func TestWithTheIntentAfterTheCreateTheMatrixFindsDuplicates(t *testing.T) {
	for i, name := range []string{"create Potentials", "create Products", "create Leads"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overtake := func(t *testing.T, w *world) { w.overtake(t, name) }
			if a := clumsy(t, versions[i], engine.SendFirst, overtake); len(a.duplicates) == 0 {
				t.Errorf("a create without an intent was overtaken, yet: %s", a)
			}
			if a := clumsy(t, versions[i], "", overtake); !a.clean() {
				t.Errorf("with the intent first: %s", a)
			}
		})
	}
}

// TestAProcessThatIsNotKilledIsNotCounted keeps the harness honest: a trap that nothing meets kills nobody.
func TestAProcessThatIsNotKilledIsNotCounted(t *testing.T) {
	w := newWorld(t, setup{version: versions[1]})
	if w.die(t, "exports", at("create Nothing", 1, string(lost))) || w.kills != 0 {
		t.Error("a kill is counted that never was")
	}
}
