package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"cartiger/problem"
	"cartiger/store"
)

func TestOnlyTheOwnerCanReadTheStateFile(t *testing.T) {
	old := syscall.Umask(0) // the careless one
	t.Cleanup(func() { syscall.Umask(old) })
	path := file(t)
	s := open(t, path)
	check(t, s.SaveSettings(t.Context(), map[string]string{"crm_key": "secret"}, nil))
	want := map[string]os.FileMode{filepath.Dir(path): 0o700 | os.ModeDir, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600}
	for name, mode := range want {
		info, err := os.Stat(name)
		check(t, err)
		if info.Mode() != mode {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), mode)
		}
	}
}

func TestAFileThatOthersCanReachIsRefusedWithItsCure(t *testing.T) {
	for _, c := range []struct {
		name string
		mode os.FileMode
		code string
		cure string
	}{
		{"state.db", 0o604, "permissions", "chmod 600 "},
		{"state.db", 0o640, "permissions", "chmod 600 "},
		{"state.db", 0o620, "permissions", "chmod 600 "},
		{"state.db-wal", 0o644, "permissions", "chmod 600 "},
		{"state.db-shm", 0o666, "permissions", "chmod 600 "},
		{".", 0o777, "permissions", "chmod 700 "},
		{".", 0o770, "permissions", "chmod 700 "},
		{"state.db", 0o400, "read-only", "chmod 600 "},
		{".", 0o500, "read-only", "chmod 700 "},
	} {
		t.Run(fmt.Sprintf("%s %o", c.name, c.mode), func(t *testing.T) {
			path := file(t)
			check(t, must[*store.Store](t)(store.Open(t.Context(), path)).Close())
			bad := filepath.Join(filepath.Dir(path), c.name)
			if _, err := os.Stat(bad); err != nil {
				check(t, os.WriteFile(bad, nil, 0o600))
			}
			check(t, os.Chmod(bad, c.mode))
			_, err := store.Open(t.Context(), path)
			wantProblem(t, err, problem.Invalid, c.code, bad, c.cure+bad)
			p, _ := problem.Of(err)
			cure, _, _ := strings.Cut(p.Cure, " (")
			if out, err := exec.CommandContext(t.Context(), "sh", "-c", cure).CombinedOutput(); err != nil {
				t.Fatalf("the cure %q fails: %s", cure, out)
			}
			check(t, must[*store.Store](t)(store.Open(t.Context(), path)).Close())
		})
	}
}

func TestASharedFolderWithStickyBitIsNoTrouble(t *testing.T) {
	folder := t.TempDir()
	check(t, os.Chmod(folder, 0o777|os.ModeSticky))
	open(t, filepath.Join(folder, "state.db"))
}

func TestAFileOfAnotherUserIsRefused(t *testing.T) {
	path := "/etc/passwd" // belongs to root, who may be running this test
	if os.Geteuid() == 0 {
		path = file(t)
		check(t, must[*store.Store](t)(store.Open(t.Context(), path)).Close())
		check(t, os.Chown(path, 1, 1))
	}
	_, err := store.Open(t.Context(), path)
	wantProblem(t, err, problem.Invalid, "owner", path, fmt.Sprintf("chown %d %s", os.Geteuid(), path))
}

func TestANewerSchemaIsRefusedNamingBothVersions(t *testing.T) {
	path := file(t)
	s := open(t, path)
	known := must[int64](t)(s.Number("SELECT max(version_id) FROM goose_db_version"))
	check(t, s.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (4711, 1)"))
	check(t, s.Close())
	before := must[[]byte](t)(os.ReadFile(path))
	_, err := store.Open(t.Context(), path)
	wantProblem(t, err, problem.Invalid, "newer-schema", path, "version 4711", fmt.Sprintf("version %d", known))
	if string(must[[]byte](t)(os.ReadFile(path))) != string(before) {
		t.Error("the newer file was changed")
	}
}

func TestWhatIsNoStateFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	check(t, os.WriteFile(path, []byte(strings.Repeat("Dear diary, this is not a database. ", 200)), 0o600))
	_, err := store.Open(t.Context(), path)
	wantProblem(t, err, problem.Invalid, "not-a-database", path, "--state", "cartiger rebuild")

	path = filepath.Join(t.TempDir(), "other.db")
	db := must[*sql.DB](t)(sql.Open("sqlite3", path))
	_, err = db.ExecContext(t.Context(), "CREATE TABLE bookmarks (url TEXT)")
	check(t, err)
	check(t, db.Close())
	check(t, os.Chmod(path, 0o600))
	_, err = store.Open(t.Context(), path)
	wantProblem(t, err, problem.Invalid, "foreign", path, "--state")

	path = t.TempDir()
	_, err = store.Open(t.Context(), path)
	wantProblem(t, err, problem.Invalid, "not-a-file", path)

	path = filepath.Join(t.TempDir(), "file", "state.db")
	check(t, os.WriteFile(filepath.Dir(path), nil, 0o600))
	_, err = store.Open(t.Context(), path)
	wantProblem(t, err, problem.Invalid, "read-only", path, "--state")
}

func TestADamagedFileIsNamedAndRebuildOffered(t *testing.T) {
	path := file(t)
	s := open(t, path)
	links := make([]store.Link, 5000)
	for i := range links {
		links[i] = store.Link{Entity: store.Customer, ShopID: int64(i), Module: "Leads", CRMID: fmt.Sprint("2x", i), Key: fmt.Sprint(i, "@example.com")}
	}
	check(t, s.SaveLinks(t.Context(), links))
	check(t, s.Check(t.Context()))
	check(t, s.Close())
	data := must[[]byte](t)(os.ReadFile(path))
	for i := len(data) / 2; i < len(data)*3/4; i++ {
		data[i] = byte(i * 7)
	}
	check(t, os.WriteFile(path, data, 0o600))

	s = open(t, path)
	wantProblem(t, s.Check(t.Context()), problem.Invalid, "corrupt", path, "cartiger rebuild")
	_, err := s.AllLinks(t.Context(), store.Customer)
	wantProblem(t, err, problem.Invalid, "corrupt", path, "cartiger rebuild")
	backup := filepath.Join(t.TempDir(), "backup.db")
	wantProblem(t, s.Backup(t.Context(), backup), problem.Invalid, "corrupt", path, "cartiger rebuild")
	if names, err := filepath.Glob(backup + "*"); err != nil || len(names) > 0 {
		t.Errorf("a backup of the damaged file is left: %v, %v", names, err)
	}

	// The list of schema versions destroyed: it must not pass for a file without one.
	data = must[[]byte](t)(os.ReadFile(path))
	for i := 4096; i < 4*4096; i++ {
		data[i] = byte(i * 7)
	}
	check(t, os.WriteFile(path, data, 0o600))
	_, err = store.Open(t.Context(), path)
	wantProblem(t, err, problem.Invalid, "corrupt", path, "cartiger rebuild")

	// The schema itself destroyed: not even opened.
	for i := 100; i < 4096; i++ {
		data[i] = 0xff
	}
	bad := file(t)
	check(t, os.MkdirAll(filepath.Dir(bad), 0o700))
	check(t, os.WriteFile(bad, data, 0o600))
	_, err = store.Open(t.Context(), bad)
	wantProblem(t, err, problem.Invalid, "corrupt", bad, "cartiger rebuild")
}

func TestAFullDiskIsNamedAndLosesNothing(t *testing.T) {
	path := file(t)
	s := open(t, path)
	ids := must[[][]int64](t)(s.Intend(t.Context(), [][]store.Intent{chain(store.Order, 1)}))
	check(t, s.Exec("PRAGMA max_page_count = 1")) // clipped to the present size: the file cannot grow
	big := store.Completion{
		Done:     []store.DoneIntent{{ID: ids[0][0], CRMID: "4x1"}},
		Outcomes: []store.Outcome{{Entity: store.Order, ShopID: 1, State: store.Created, Sent: strings.Repeat("x", 1<<20)}},
	}
	err := s.Complete(t.Context(), big)
	wantProblem(t, err, problem.Unavailable, "disk-full", path, "free space")
	if in := must[[]store.Intent](t)(s.OpenIntents(t.Context())); len(in) != 2 || in[0].State != store.Pending {
		t.Fatalf("the intent that could not end is %+v", in)
	}
	check(t, s.Exec("PRAGMA max_page_count = 1000000"))
	check(t, s.Complete(t.Context(), big))
	check(t, s.Check(t.Context()))
}

func TestAnInjectedDiskErrorBecomesAProblem(t *testing.T) {
	var injected error
	path := file(t)
	s := open(t, path, store.WithFault(func(string) error { return injected }))
	for errno, code := range map[syscall.Errno]string{syscall.ENOSPC: "disk-full", syscall.EDQUOT: "disk-full", syscall.EROFS: "read-only", syscall.EACCES: "read-only"} {
		injected = fmt.Errorf("write %s: %w", path, errno)
		err := s.Log(t.Context(), store.Entry{Message: "x"})
		p, ok := problem.Of(err)
		if !ok || p.Code != code || p.Cure == "" {
			t.Errorf("%v became %v, want code %q with a cure", errno, err, code)
		}
	}
}

func TestAnotherProcessesLongTransactionIsNamed(t *testing.T) {
	path := file(t)
	one, two := open(t, path), open(t, path, store.WithBusyTimeout(20*time.Millisecond))
	check(t, one.Exec("BEGIN IMMEDIATE"))
	err := two.SetCursor(t.Context(), "orders", "1")
	wantProblem(t, err, problem.Unavailable, "busy", path)
	if !problem.Temporary(err) {
		t.Error("a busy file must be worth another try")
	}
	_, err = two.Settings(t.Context()) // readers are never held up
	check(t, err)
	check(t, one.Exec("COMMIT"))
	check(t, two.SetCursor(t.Context(), "orders", "1"))
}

func TestAFileRemovedOrReplacedWhileInUseTakesNoWrite(t *testing.T) {
	path := file(t)
	s := open(t, path)
	check(t, s.SetCursor(t.Context(), "orders", "1"))
	backup := filepath.Join(t.TempDir(), "backup.db")
	check(t, s.Backup(t.Context(), backup))
	check(t, os.Rename(backup, path))
	wantProblem(t, s.SetCursor(t.Context(), "orders", "2"), problem.Invalid, "replaced", path)
	check(t, os.Remove(path))
	wantProblem(t, s.SetCursor(t.Context(), "orders", "3"), problem.Invalid, "replaced", path)
}

func TestManyProcessesMayMakeOneFileAtOnce(t *testing.T) {
	path := file(t)
	const processes = 6
	started, said := make([]*exec.Cmd, processes), make([]strings.Builder, processes)
	for i := range started {
		started[i] = child(t, "intend", path, "")
		started[i].Stdout, started[i].Stderr = &said[i], &said[i]
		check(t, started[i].Start())
	}
	// All of them want to write the same order; exactly one may.
	won := 0
	for i, cmd := range started {
		if err := cmd.Wait(); err == nil {
			won++
		} else if !strings.Contains(said[i].String(), "order 812 already has writes") {
			t.Errorf("%v: %s", err, said[i].String())
		}
	}
	if won != 1 {
		t.Errorf("%d processes opened a chain for one order, want 1", won)
	}
	if in := must[[]store.Intent](t)(open(t, path).OpenIntents(t.Context())); len(in) != 2 {
		t.Errorf("%d intents, want 2", len(in))
	}
}

func TestAProgramKilledWhileItMakesTheFileIsNoTrouble(t *testing.T) {
	for _, point := range []string{"migrate.begin", "migrate.committed"} {
		path := file(t)
		killed(t, "open", path, point)
		s := open(t, path)
		check(t, s.SetCursor(t.Context(), "orders", "1"))
		check(t, s.Check(t.Context()))
	}
}

func TestAProgramKilledAnywhereInItsStartIsNoTrouble(t *testing.T) {
	for delay := range 15 {
		path := file(t)
		cmd := child(t, "open", path, "")
		check(t, cmd.Start())
		time.Sleep(time.Duration(delay) * 2 * time.Millisecond) // wherever that falls: before, in the middle of, after a migration
		check(t, cmd.Process.Kill())
		_ = cmd.Wait() // it may have ended before
		s := open(t, path)
		check(t, s.SetCursor(t.Context(), "orders", "1"))
		check(t, s.Check(t.Context()))
	}
}

func TestOpeningPrintsNothing(t *testing.T) {
	if out, err := child(t, "open", file(t), "").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v, printed %q", err, out)
	}
}

func TestAnyPathIsAPath(t *testing.T) {
	for _, name := range []string{"a b", "what?mode=memory", "50%20#1", "naïve 'quoted' \"é\"", "file:x"} {
		path := filepath.Join(t.TempDir(), name, "state.db")
		s := open(t, path)
		check(t, s.SetCursor(t.Context(), "orders", name))
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s is not there: %v", path, err)
		}
		check(t, s.Backup(t.Context(), path+".bak"))
		if got := must[string](t)(open(t, path+".bak").Cursor(t.Context(), "orders")); got != name {
			t.Errorf("cursor %q, want %q", got, name)
		}
	}
}

func TestALinkLeadsToTheRealFile(t *testing.T) {
	path := file(t)
	check(t, open(t, path).SetCursor(t.Context(), "orders", "7"))
	link := filepath.Join(t.TempDir(), "link.db")
	check(t, os.Symlink(path, link))
	s := open(t, link)
	if s.Path() != path {
		t.Errorf("path %s, want %s", s.Path(), path)
	}
	if got := must[string](t)(s.Cursor(t.Context(), "orders")); got != "7" {
		t.Errorf("cursor %q", got)
	}
}

func TestTheDefaultPathFollowsXDG(t *testing.T) {
	t.Setenv("HOME", "/home/alice")
	t.Setenv("XDG_STATE_HOME", "/var/state")
	if got := must[string](t)(store.DefaultPath()); got != "/var/state/cartiger/state.db" {
		t.Error(got)
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	if got := must[string](t)(store.DefaultPath()); got != "/home/alice/.local/state/cartiger/state.db" {
		t.Error(got)
	}
	t.Setenv("HOME", "")
	_, err := store.DefaultPath()
	wantProblem(t, err, problem.Invalid, "no-home", "--state")
}

func TestAfterCloseEveryCallSaysSo(t *testing.T) {
	s := must[*store.Store](t)(store.Open(t.Context(), file(t)))
	check(t, s.Close())
	check(t, s.Close())
	_, err := s.Settings(t.Context())
	wantProblem(t, err, problem.Internal, "closed")
	wantProblem(t, s.SetCursor(t.Context(), "a", "b"), problem.Internal, "closed")
	wantProblem(t, s.Complete(t.Context(), store.Completion{Dropped: []int64{1}}), problem.Internal, "closed")
}
