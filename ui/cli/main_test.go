package cli

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// The test binary is the program as well: run under the name cartiger it is what a user runs.
func TestMain(m *testing.M) {
	testscript.Main(leakless{m}, map[string]func(){"cartiger": func() { os.Exit(Main(os.Args[1:])) }})
}

// leakless fails the tests when one of them leaves a goroutine behind.
type leakless struct{ m *testing.M }

func (l leakless) Run() int {
	code := l.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
