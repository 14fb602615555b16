package store_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cartiger/problem"
	"cartiger/store"
)

// TestMain lets the test program be started again as another process that uses a state file (see child).
func TestMain(m *testing.M) {
	if job := os.Getenv("STORE_CHILD"); job != "" {
		os.Exit(work(job, os.Getenv("STORE_PATH"), os.Getenv("STORE_DIE_AT")))
	}
	goleak.VerifyTestMain(m)
}

// work is what a child process does; it kills itself with SIGKILL when a write reaches the point dieAt.
func work(job, path, dieAt string) int {
	ctx := context.Background()
	s, err := store.Open(ctx, path, store.WithFault(func(op string) error {
		if op == dieAt {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}))
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	switch job {
	case "open":
	case "complete":
		err = completeOrder(ctx, s)
	case "intend":
		_, err = s.Intend(ctx, [][]store.Intent{chain(store.Order, 812)})
	case "lease":
		if err = s.Acquire(ctx, "first", time.Hour); err == nil {
			_, err = s.StartRun(ctx, store.Run{Kind: "products"})
		}
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin) // holds the lease until the parent lets go or kills
	case "backup":
		err = s.Backup(ctx, path+".bak")
	}
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	if err := s.Close(); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

// child prepares a process that does a job.
func child(t testing.TB, job, path, dieAt string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_CHILD="+job, "STORE_PATH="+path, "STORE_DIE_AT="+dieAt)
	return cmd
}

// killed runs a job until it kills itself at a point.
func killed(t testing.TB, job, path, dieAt string) {
	t.Helper()
	out, err := child(t, job, path, dieAt).CombinedOutput()
	if err == nil || err.Error() != "signal: killed" {
		t.Fatalf("%s was to be killed at %s: %v\n%s", job, dieAt, err, out)
	}
}

// leaseHolder starts a process that holds the lease and waits until it does.
func leaseHolder(t testing.TB, path string) *exec.Cmd {
	t.Helper()
	cmd := child(t, "lease", path, "")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	return cmd
}

// open opens a state file that closes with the test.
func open(t testing.TB, path string, opts ...store.Option) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "cartiger", "state.db") }

// clock is a hand-turned one.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newClock() *clock { return &clock{time.Date(2026, 3, 29, 1, 59, 59, 0, time.UTC)} }

// fatal is what *testing.T and *rapid.T share.
type fatal interface {
	Helper()
	Fatal(args ...any)
}

func must[T any](t fatal) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t fatal, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantProblem demands a problem of a kind and code whose words and cure hold the given texts.
func wantProblem(t testing.TB, err error, kind problem.Kind, code string, words ...string) {
	t.Helper()
	p, ok := problem.Of(err)
	if !ok || p.Kind != kind || p.Code != code {
		t.Fatalf("got %v (%+v), want a problem %q with code %q", err, p, kind, code)
	}
	for _, word := range words {
		if !strings.Contains(p.Message+"\n"+p.Cure, word) {
			t.Errorf("%q does not stand in %q, cure %q", word, p.Message, p.Cure)
		}
	}
}

func same[T any](t testing.TB, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
