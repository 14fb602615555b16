package matrix

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/mattn/go-sqlite3"

	"cartiger/problem"
	"cartiger/psapi/psapitest"
	"cartiger/store"
)

// TestTwoProcessesAtOnce starts the program while another one is at work: it is told who that is and exits with 11; the
// first one ends as if it had been alone.
func TestTwoProcessesAtOnce(t *testing.T) {
	w := newWorld(t, setup{version: versions[1]})
	var second atomic.Pointer[life]
	w.when("create Products", func() {
		l := w.beside(t, "cartiger export customers")
		second.Store(&l)
	})
	w.finish(t, "exports")
	l := second.Load()
	var exit *exec.ExitError
	if l == nil || !errors.As(l.err, &exit) || exit.ExitCode() != 11 || !strings.Contains(l.stderr, "is at work here") {
		t.Errorf("the second process says %+v", l)
	}
	w.same(t, twinOf(t, versions[1], "exports").picture)
}

// beside runs a command while another process is under way: no gate is set, nothing is counted.
func (w *world) beside(t testing.TB, job string) life {
	var out, errs strings.Builder
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), connection(w.shopURL, w.crmURL)...), envJob+"="+job, envState+"="+w.state)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	return life{err: err, stderr: errs.String(), report: report{Error: out.String()}}
}

// TestOneIsKilledWhileItHoldsTheLease has another process take over at once, because on one machine the dead are seen.
func TestOneIsKilledWhileItHoldsTheLease(t *testing.T) {
	w := newWorld(t, setup{version: versions[2]})
	if !w.die(t, "exports", at("create Contacts", 2, string(unheard))) {
		t.Fatal("never met")
	}
	e := w.here(t)
	holder, alive, err := e.Store().Holder(t.Context())
	if err != nil || alive || holder.Who == "" {
		t.Errorf("holder %+v, alive %v, %v", holder, alive, err)
	}
	w.settle(t, e, "exports")
	w.same(t, twinOf(t, versions[2], "exports").picture)
}

// TestTheDiskFailsAtEveryWrite lets each kind of write to the state file fail in turn, with a full disk or a broken one:
// the error names the file and the cure, nothing is lost, nothing comes twice.
func TestTheDiskFailsAtEveryWrite(t *testing.T) {
	full := sqlite3.Error{Code: sqlite3.ErrFull}
	broken := sqlite3.Error{Code: sqlite3.ErrIoErr}
	for i, c := range []struct {
		moment string
		nth    int64
		fails  sqlite3.Error
		code   string
	}{
		{"intend.begin", 1, full, "disk-full"},
		{"intend.commit", 2, broken, "io"},
		{"complete.begin", 3, full, "disk-full"},
		{"complete.commit", 12, broken, "io"},
		{"complete.commit", 30, full, "disk-full"},
		{"complete.committed", 20, broken, "io"},
		{"settings.commit", 1, full, "disk-full"},
		{"cursors.commit", 2, broken, "io"},
		{"runs.commit", 1, full, "disk-full"},
		{"lease.commit", 1, broken, "io"},
	} {
		version := versions[i%len(versions)]
		t.Run(c.moment+" "+c.code, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{version: version})
			var seen atomic.Int64
			failing := w.here(t, store.WithFault(func(moment string) error {
				if moment == c.moment && seen.Add(1) >= c.nth {
					return c.fails
				}
				return nil
			}))
			_, err := carry(t.Context(), failing, "exports")
			if p, ok := problem.Of(err); !ok || p.Code != c.code || p.Where != "state file" || p.Cure == "" {
				t.Errorf("says %v", err)
			}
			if err := failing.Store().Close(); err != nil {
				t.Fatal(err)
			}
			e := w.here(t)
			w.settle(t, e, "exports")
			w.same(t, twinOf(t, version, "exports").picture)
		})
	}
}

// TestAReadOnlyStateFile is refused before anything is sent.
func TestAReadOnlyStateFile(t *testing.T) {
	w := newWorld(t, setup{version: versions[0]})
	w.finish(t, "exports")
	if err := os.Chmod(w.state, 0o400); err != nil {
		t.Fatal(err)
	}
	w.journal.take()
	l := w.run(t, "cartiger watch --once", "", nil, nil)
	if l.err == nil || !strings.Contains(l.stderr, "chmod 600") || len(w.journal.take()) > 0 {
		t.Errorf("%v: %s", l.err, l.stderr)
	}
}

// TestAnOldBackupIsRestored puts a copy back that knows nothing of the latest orders, people and products: everything
// is found again in the CRM and nothing is made twice.
func TestAnOldBackupIsRestored(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{version: version})
			w.follow(t)
			backup := w.state + ".old"
			if l := w.run(t, "cartiger backup "+backup, "", nil, nil); l.err != nil {
				t.Fatalf("backup: %v %s", l.err, l.stderr)
			}
			w.change(t)
			w.finish(t, "watch")
			before := w.picture()
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if err := os.Remove(w.state + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			}
			if err := os.Rename(backup, w.state); err != nil {
				t.Fatal(err)
			}
			w.finish(t, "watch")
			w.same(t, before)
			// And it goes on from there.
			w.act(t, psapitest.Action{Do: "state", Order: 319, State: 3})
			w.finish(t, "watch")
			if a := w.audit(); !a.clean() {
				t.Errorf("after the next change: %s", a)
			}
		})
	}
}

// TestADamagedStateFile is named, rebuild is offered, and rebuild makes one that writes nothing a second time.
func TestADamagedStateFile(t *testing.T) {
	w := newWorld(t, setup{version: versions[2]})
	w.finish(t, "exports")
	damage, err := os.OpenFile(w.state, os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = damage.WriteAt([]byte(strings.Repeat("rubbish ", 64)), 0)
	if err = errors.Join(err, damage.Close()); err != nil {
		t.Fatal(err)
	}
	w.journal.take()
	l := w.run(t, "cartiger watch --once", "", nil, nil)
	if l.err == nil || !strings.Contains(l.stderr, "cartiger rebuild") || len(w.journal.take()) > 0 {
		t.Errorf("%v: %s", l.err, l.stderr)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(w.state + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	w.finish(t, "rebuild")
	w.journal.take()
	w.finish(t, "exports")
	if again := slices.DeleteFunc(w.journal.take(), func(n string) bool { return !isWrite(n) }); len(again) > 0 {
		t.Errorf("written again: %v", again)
	}
	w.same(t, twinOf(t, versions[2], "exports").picture)
}

// TestStopSignalsKeepTheWork ends the program as a lost SSH connection does: what is under way ends, the rest goes on
// with the next start.
func TestStopSignalsKeepTheWork(t *testing.T) {
	for i, signal := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT} {
		version := versions[i]
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{version: version})
			w.finish(t, "exports-products")
			var code int
			tr := at("create Leads", 1, string(hungUp))
			tr.crm.signal = signal
			l := w.run(t, "cartiger export customers", "", tr.crm, nil)
			var exit *exec.ExitError
			if errors.As(l.err, &exit) {
				code = exit.ExitCode()
			}
			if code != 128+int(signal) {
				t.Errorf("exit code %d: %s", code, l.stderr)
			}
			w.finish(t, "exports")
			w.same(t, twinOf(t, version, "exports").picture)
		})
	}
}
