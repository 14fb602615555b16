package term

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cartiger/ui/term/termtest"
)

func TestTheEnvironmentSaysWhatATerminalCanShow(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		want Facts
	}{
		{"nothing is said", nil, Facts{Dumb: true}},
		{"a pipe has no colour", map[string]string{"TERM": "xterm"}, Facts{}},
		{"LC_ALL wins over LANG", map[string]string{"TERM": "xterm", "LC_ALL": "C", "LANG": "fr_FR.UTF-8"}, Facts{}},
		{"a UTF-8 locale", map[string]string{"TERM": "xterm", "LANG": "fr_FR.UTF-8"}, Facts{UTF8: true}},
		{"dumb", map[string]string{"TERM": "dumb"}, Facts{Dumb: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, err := os.Create(filepath.Join(t.TempDir(), "out"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = file.Close() }()
			got := Of(file, func(name string) string { return c.env[name] })
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheBackgroundIsReadFromTheEnvironmentOnly(t *testing.T) {
	for value, dark := range map[string]bool{"": true, "15;0": true, "0;15": false, "0;default;15": false, "15;default;8": true, "x": true} {
		if got := darkBackground(value); got != dark {
			t.Errorf("COLORFGBG=%q: dark %v, want %v", value, got, dark)
		}
	}
}

// Without the init of this package Bubble Tea's own would wait five seconds here: the pseudo-terminal answers nothing.
func TestAProgramThatImportsTheConsoleStartsAtOnceInASilentTerminal(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "start")
	if out, err := exec.Command("go", "build", "-o", binary, "cartiger/ui/term/testdata/start").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	began := time.Now()
	x := termtest.Start(t, 80, 24, exec.Command(binary))
	if code := x.Ends(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, x.Screen())
	}
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("started in %s, want under 0.5 s", took)
	}
	if got := x.Raw(); got != "started\r\n" {
		t.Errorf("the terminal got %q: something was asked of it", got)
	}
}
