package matrix

import (
	"os"
	"path/filepath"
	"testing"
)

// TestTheProgramIsKilledAndStartedAgain kills the real program, command by command, and lets the same command finish.
func TestTheProgramIsKilledAndStartedAgain(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{version: version})
			for _, command := range []struct {
				line   string
				points []point
			}{
				{"cartiger export products", []point{at("login", 1, string(unheard)), at("create Products", 2, string(late)), at("create Products", 1, string(unheard))}},
				{"cartiger export customers", []point{at("GET customers", 1, string(lost)), at("create Leads", 1, string(late)), at("create Contacts", 2, string(unheard))}},
				{"cartiger export orders", []point{at("create Currency", 2, string(late)), at("create SalesOrder", 1, string(late)), at("create Invoice", 2, string(unheard)), at("create Potentials", 1, string(answered))}},
				{"cartiger watch --once", []point{at("GET order_histories", 1, string(lost))}},
			} {
				for _, p := range command.points {
					if !w.die(t, command.line, p) {
						t.Errorf("%s: never met %s", command.line, p)
					}
				}
				if l := w.run(t, command.line, "", nil, nil); l.err != nil {
					t.Fatalf("%s: %v\n%s%s", command.line, l.err, l.Error, l.stderr)
				}
			}
			w.same(t, twinOf(t, version, "exports").picture)
		})
	}
}

// TestKilledWhileRebuilding loses the state file, kills rebuild on its way, and wants a state file that writes nothing
// a second time.
func TestKilledWhileRebuilding(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			tw := twinOf(t, version, "exports")
			w := newWorld(t, setup{version: version})
			w.finish(t, "exports")
			lose := func() {
				if err := os.RemoveAll(filepath.Dir(w.state)); err != nil {
					t.Fatal(err)
				}
			}
			lose()
			w.journal.take()
			l := w.finish(t, "rebuild")
			names, _ := kinds(w.journal.take())
			lose()
			for _, name := range names {
				if name == "GET products" || name == "GET orders" || name == "GET customers" || name == "query salesorder" || name == "query contacts" || name == "query products" {
					w.die(t, "rebuild", at(name, 1, string(unheard)))
				}
			}
			for _, moment := range []string{"links.commit", "links.committed", "complete.commit", "complete.committed", "settings.commit"} {
				if l.Moments[moment] > 0 && !w.die(t, "rebuild", point{die: moment}) {
					t.Errorf("never met: %s", moment)
				}
			}
			if w.kills < 3 {
				t.Errorf("only %d kills", w.kills)
			}
			w.finish(t, "rebuild")
			w.journal.take()
			w.finish(t, "exports")
			for _, name := range w.journal.take() {
				if isWrite(name) {
					t.Errorf("after a rebuild something was written again: %s", name)
				}
			}
			w.same(t, tw.picture)
		})
	}
}
