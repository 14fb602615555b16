package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"cartiger/engine"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/ui/cli"
)

// The environment of a process under test.
const (
	envJob      = "MATRIX_JOB"      // exports, watch, rebuild, or a command line of the real program
	envState    = "MATRIX_STATE"    // its state file
	envDie      = "MATRIX_DIE"      // "complete.commit#3": it kills itself at the third such moment of the state file
	envArm      = "MATRIX_ARM"      // a file: moments count only from when it is there
	envCareless = "MATRIX_CARELESS" // engine.Options.Careless
)

// TestMain lets the test program be started again as the process that is to be killed.
func TestMain(m *testing.M) {
	job := os.Getenv(envJob)
	if command, ok := strings.CutPrefix(job, "cartiger "); ok {
		os.Exit(cli.Main(append(strings.Fields(command), "--state", os.Getenv(envState))))
	}
	if job != "" {
		os.Exit(child(job))
	}
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == flag.Lookup("test.parallel").DefValue {
		_ = flag.Set("test.parallel", "8") // most of the time is spent waiting for pauses to end
	}
	os.Exit(m.Run())
}

// report is what a process says at its end.
type report struct {
	Error     string           `json:"error,omitempty"`
	Moments   map[string]int   `json:"moments"` // of the state file, how often each came
	Summaries []engine.Summary `json:"summaries,omitempty"`
	Troubled  []string         `json:"troubled,omitempty"` // held and failed records
}

// child is the process: it opens the state file, saves the settings and carries everything there is to carry. It is
// made to be started again and again.
func child(job string) int {
	moments := &counter{seen: map[string]int{}, die: os.Getenv(envDie), arm: os.Getenv(envArm)}
	said := report{}
	err := func() (err error) {
		ctx := context.Background()
		st, err := store.Open(ctx, os.Getenv(envState), store.WithFault(moments.at))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, st.Close()) }()
		e := engine.New(st, engine.Options{Who: store.Who(), Environ: os.Getenv, Careless: engine.Careless(os.Getenv(envCareless))})
		said.Summaries, err = carry(ctx, e, job)
		if err != nil {
			return err
		}
		outcomes, err := e.Records(ctx, store.Filter{})
		for _, o := range outcomes {
			said.Troubled = append(said.Troubled, fmt.Sprintf("%s %d %s: %s", o.Entity, o.ShopID, o.State, o.Detail))
		}
		return err
	}()
	said.Moments = moments.counts()
	if err != nil {
		said.Error = err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(said)
	if err != nil {
		return 1
	}
	return 0
}

// carry does a job with an engine: the three exports in their order, or one pass of watch.
func carry(ctx context.Context, e *engine.Engine, job string) ([]engine.Summary, error) {
	switch job {
	case "watch":
		return nil, e.Watch(ctx, engine.WatchOptions{Once: true})
	case "rebuild":
		s, err := e.Rebuild(ctx)
		return []engine.Summary{s}, err
	}
	var all []engine.Summary
	kinds := []string{"products", "customers", "orders"}
	if job == "exports-products" {
		kinds = kinds[:1]
	}
	for _, kind := range kinds {
		if closed, err := e.Closed(ctx, kind); err != nil || closed {
			if err != nil {
				return all, err
			}
			continue
		}
		s, err := e.Export(ctx, kind, engine.ExportOptions{})
		if err != nil {
			return all, fmt.Errorf("export of %s: %w", kind, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// counter counts the moments of the state file, and ends the process at one of them.
type counter struct {
	mu   sync.Mutex
	seen map[string]int
	die  string
	arm  string
	hits int
}

func (c *counter) at(moment string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[moment]++
	name, nth, _ := strings.Cut(c.die, "#")
	if name != moment {
		return nil
	}
	if c.arm != "" {
		if _, err := os.Stat(c.arm); err != nil {
			return nil
		}
	}
	if c.hits++; nth == "" || strconv.Itoa(c.hits) == nth {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return nil
}

func (c *counter) counts() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.seen)
}

// connection is the environment that names both servers.
func connection(shopURL, crmURL string) []string {
	return []string{
		"CARTIGER_SHOP_URL=" + shopURL, "CARTIGER_SHOP_KEY=" + psapitest.DefaultKey,
		"CARTIGER_CRM_URL=" + crmURL, "CARTIGER_CRM_USER=admin", "CARTIGER_CRM_KEY=TestAccessKey",
	}
}
