package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cartiger/engine"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws/vtigerwstest"
)

// versions are the CRM versions of the matrix: the poorest, the richest of the old ones, the new way of lines.
var versions = []string{"5.1.0", "5.2.1", "6.4.0"}

// world is a shop and a CRM on loopback, a state file, and one process after another between them.
type world struct {
	shop             *psapitest.Shop
	crm              *vtigerwstest.CRM
	shopGate         *gate
	journal          journal
	crmGate          *gate
	shopURL, crmURL  string
	state, arm       string
	careless         string
	orphaned         bool   // a request of a dead process is under way and stays so until the test lets it go on
	workers          string // CRM sessions side by side; "" adapts
	prefixes         sync.Map
	kills, processes int
}

// setup is what a world is like.
type setup struct {
	version string
	slow    bool // the CRM takes its time for a held request, with the session locked (gate: overtaken)
	shop    psapitest.Options
	crm     vtigerwstest.Options
}

func newWorld(t testing.TB, s setup) *world {
	t.Helper()
	data, err := small()
	if err != nil {
		t.Fatal(err)
	}
	if s.shop.Data == nil {
		s.shop.Data = data
	}
	s.crm.Version = s.version
	if s.slow {
		s.crm.Latency = time.Hour
	}
	w := &world{}
	if w.shop, err = psapitest.New(s.shop); err != nil {
		t.Fatal(err)
	}
	if w.crm, err = vtigerwstest.New(s.crm); err != nil {
		t.Fatal(err)
	}
	w.shopGate = newGate(w.shop, shopName, &w.journal)
	crm := http.Handler(w.crm)
	if s.slow {
		crm = hurry(crm)
	}
	w.crmGate = newGate(crm, crmName(w.moduleOf), &w.journal)
	w.shopURL, w.crmURL = serve(t, w.shopGate), serve(t, w.crmGate)
	dir := t.TempDir()
	w.state, w.arm = filepath.Join(dir, "cartiger", "state.db"), filepath.Join(dir, "armed")
	return w
}

func serve(t testing.TB, h http.Handler) string {
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = quiet
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// moduleOf names the module that an id's prefix belongs to.
func (w *world) moduleOf(prefix string) string {
	if name, ok := w.prefixes.Load(prefix); ok {
		return name.(string)
	}
	for _, module := range modules {
		for _, r := range w.crm.Records(module) {
			id, _ := r["id"].(string)
			known, _, _ := strings.Cut(id, "x")
			w.prefixes.Store(known, module)
			break
		}
	}
	if name, ok := w.prefixes.Load(prefix); ok {
		return name.(string)
	}
	return prefix
}

// modules are what the connector writes to.
var modules = []string{"Currency", "Leads", "Contacts", "Accounts", "Products", "Potentials", "SalesOrder", "Invoice", "Prestashop"}

// life is one process from its start to its end.
type life struct {
	report
	killed bool
	stderr string
	err    error
}

// run starts a process for a job and waits for its end. die is a moment of the state file ("" = none), crm and shop
// are traps (nil = none).
func (w *world) run(t testing.TB, job, die string, crm, shop *trap) life {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(append(os.Environ(), connection(w.shopURL, w.crmURL)...),
		envJob+"="+job, envState+"="+w.state, envDie+"="+die, envCareless+"="+w.careless, "CARTIGER_CRM_WORKERS="+w.workers)
	if strings.HasPrefix(die, "after ") {
		// "after create Leads: complete.commit": the moment counts once that request is being answered.
		name, point, _ := strings.Cut(strings.TrimPrefix(die, "after "), ": ")
		_ = os.Remove(w.arm)
		cmd.Env = append(cmd.Env, envDie+"="+point, envArm+"="+w.arm)
		w.crmGate.tell(func(seen string, done bool) {
			if seen == name && !done {
				_ = os.WriteFile(w.arm, nil, 0o600)
			}
		})
		defer w.crmGate.tell(nil)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	dead := make(chan struct{})
	kill := func() {
		_ = cmd.Process.Kill()
		<-dead
	}
	started := make(chan struct{})
	for _, tr := range []*trap{crm, shop} {
		if tr != nil {
			tr.kill = func() { <-started; kill() }
			tr.stop = func() { <-started; _ = cmd.Process.Signal(tr.signal) }
		}
	}
	w.crmGate.set(crm)
	w.shopGate.set(shop)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	w.processes++
	err := cmd.Wait()
	close(dead)
	l := life{stderr: errs.String(), err: err}
	var exit *exec.ExitError
	if errors.As(err, &exit) && !exit.Exited() {
		l.killed = true
		w.kills++
	} else if strings.HasPrefix(job, "cartiger ") {
		l.Error = out.String()
	} else if jsonErr := json.Unmarshal(out.Bytes(), &l.report); jsonErr != nil {
		t.Fatalf("%s says %q, %q: %v", job, out.String(), errs.String(), jsonErr)
	}
	// What the dead process has sent is over before the next one starts; only an overtaken request is not.
	if !w.orphaned && (crm == nil || crm.at != overtaken) {
		w.crmGate.working.Wait()
	}
	return l
}

// finish runs a job undisturbed until its end.
func (w *world) finish(t testing.TB, job string) life {
	t.Helper()
	l := w.run(t, job, "", nil, nil)
	if l.killed || l.err != nil {
		t.Fatalf("%s did not end well: %v %s %s", job, l.err, l.Error, l.stderr)
	}
	if len(l.Troubled) > 0 {
		t.Errorf("%s left held or failed records:\n%s", job, strings.Join(l.Troubled, "\n"))
	}
	return l
}

// here gives an engine of this process on the world's state file.
func (w *world) here(t testing.TB, opts ...store.Option) *engine.Engine {
	t.Helper()
	st, err := store.Open(t.Context(), w.state, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return engine.New(st, engine.Options{Who: "test", Environ: w.environ})
}

func (w *world) environ(name string) string {
	for _, pair := range connection(w.shopURL, w.crmURL) {
		if v, ok := strings.CutPrefix(pair, name+"="); ok {
			return v
		}
	}
	return ""
}

func (w *world) act(t testing.TB, a psapitest.Action) psapitest.Acted {
	t.Helper()
	done, err := w.shop.Act(a)
	if err != nil {
		t.Fatalf("%s: %v", a.Do, err)
	}
	return done
}
