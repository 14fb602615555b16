package security_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cartiger/psapi/psapitest"
)

// secrets are the keys in every form in which they travel or could be quoted.
var secrets = []string{shopKey, crmKey, basicKey}

// everyCommand is what people and scripts ask of a connected program, with all that it can be made to tell.
var everyCommand = [][]string{
	{"connect", "--no-input"},
	{"test"},
	{"status"},
	{"status", "--offline"},
	{"config", "list"},
	{"config", "get", "crm.key"},
	{"config", "get", "shop.key"},
	{"currencies", "auto"},
	{"currencies", "list"},
	{"states", "list"},
	{"defaults", "list"},
	{"watch", "--once"},
	{"export", "products", "--limit", "2"},
	{"export", "orders", "--limit", "1", "--dry-run"},
	{"records", "list"},
	{"run", "show"},
	{"log"},
	{"support-bundle", "b.zip"},
	{"backup", "b.db"},
	{"man"},
	{"version"},
}

func TestPromise7KeysAreShownByNoCommand(t *testing.T) {
	t.Parallel()
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A debugging page: it quotes everything that was sent to it.
		w.WriteHeader(http.StatusInternalServerError)
		_ = r.ParseForm()
		fmt.Fprintf(w, "<title>%s %v</title><b>Fatal error</b>: %[1]s %[2]v %v", r.URL, r.Header, r.PostForm)
	})
	echoing := serve(t, echo)
	stripping := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("ws_key") {
			echo(w, r)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	shop, crm := newShop(t), newCRM(t, "5.2.1")
	other := must[*psapitest.Shop](t)(psapitest.New(psapitest.Options{}))
	good, goodCRM := serve(t, shop), serve(t, crm)
	for name, servers := range map[string][2]string{
		"good":       {good, goodCRM},
		"wrong keys": {serve(t, other), serve(t, http.HandlerFunc(refusals["the CRM's error"]))},
		"echoing":    {echoing, echoing},
		"in the URL": {stripping, goodCRM},
		"nobody":     {"http://127.0.0.1:1", "http://127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := connected(t, servers[0], servers[1])
			p.env = append(p.env, "CARTIGER_SHOP_KEY_IN_URL=on")
			commands := everyCommand
			if name != "good" {
				commands = [][]string{{"connect", "--no-input"}, {"test", "--json"}, {"watch", "--once"}, {"log", "--json"}, {"run", "show", "--json"}}
			}
			for _, args := range commands {
				r := p.run(append([]string{"--log", "debug"}, args...)...)
				holdsNone(t, strings.Join(args, " "), r.all(), secrets...)
				if name == "good" {
					if r.code != 0 {
						t.Errorf("%s: exit code %d\n%s", strings.Join(args, " "), r.code, r.all())
					}
					if args[0] != "backup" && args[0] != "support-bundle" {
						holdsNone(t, strings.Join(args, " ")+" --json", p.run(append(args, "--json")...).all(), secrets...)
					}
				}
			}
		})
	}
}

func TestKeysAreRefusedAsArguments(t *testing.T) {
	t.Parallel()
	p := install(t)
	for _, args := range [][]string{
		{"connect", "--crm-key", crmKey},
		{"connect", "--crm-key=" + crmKey},
		{"connect", "--shop-key=" + shopKey},
		{"connect", "--key", shopKey},
		{"config", "set", "crm.key", crmKey},
		{"config", "set", "crm.key=" + crmKey},
		{"config", "set", "crm.user=admin", "shop.key=" + shopKey},
		{"config", "set", "shop.url=http://127.0.0.1:1/api/?ws_key=" + shopKey},
		{"config", "set", "shop.url", "http://" + shopKey + "@127.0.0.1:1/"},
		{"connect", "--shop-url", "http://127.0.0.1:1/api/?ws_key=" + shopKey, "--no-input"},
	} {
		r := p.run(args...)
		if r.code != 2 && r.code != 4 {
			t.Errorf("%s: exit code %d, want 2\n%s", strings.Join(args, " "), r.code, r.all())
		}
		holdsNone(t, strings.Join(args, " "), r.all(), secrets...)
	}
	holdsNone(t, "the state file", folder(t, filepath.Dir(p.state)), secrets...)
	holdsNone(t, "config list", p.run("config", "list", "--json").all(), secrets...)
}

// folder is everything in a folder, one file behind the other.
func folder(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		b.Write(content)
		return err
	}))
	return b.String()
}

func TestKeysComeFromFilesAndCredentialsAndAreNotKept(t *testing.T) {
	t.Parallel()
	shop, crm := serve(t, newShop(t)), serve(t, newCRM(t, "5.2.1"))
	secret := t.TempDir()
	for name, key := range map[string]string{"shop-key": shopKey, "crm-key": crmKey} {
		check(t, os.WriteFile(filepath.Join(secret, name), []byte(key+"\n"), 0o400))
	}
	for name, env := range map[string][]string{
		"files":       {"CARTIGER_SHOP_KEY_FILE=" + secret + "/shop-key", "CARTIGER_CRM_KEY_FILE=" + secret + "/crm-key"},
		"credentials": {"CREDENTIALS_DIRECTORY=" + secret},
		"environment": {"CARTIGER_SHOP_KEY=" + shopKey, "CARTIGER_CRM_KEY=" + crmKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := install(t)
			p.env = append(append(p.env, "CARTIGER_SHOP_URL="+shop, "CARTIGER_CRM_URL="+crm, "CARTIGER_CRM_USER=admin"), env...)
			p.must(done, "test")
			p.must(done, "watch", "--once")
			holdsNone(t, "the state file", folder(t, filepath.Dir(p.state)), secrets...)
		})
	}
	p := install(t)
	p.env = append(p.env, "CARTIGER_SHOP_KEY_FILE=/dev/zero")
	if r := p.run("status"); r.code != 2 || r.rss > maxMemory || !strings.Contains(r.err, "CARTIGER_SHOP_KEY_FILE") {
		t.Errorf("a device as key file: exit code %d, %d MB\n%s", r.code, r.rss>>20, r.all())
	}
}

func TestAKeyThatIsTakenBackLeavesNoTrace(t *testing.T) {
	t.Parallel()
	p := install(t)
	if r := p.feed(crmKey+"\n", "config", "set", "crm.key"); r.code != 0 {
		t.Fatal(r.all())
	}
	if !strings.Contains(folder(t, filepath.Dir(p.state)), crmKey) {
		t.Fatal("the key was not kept: this test shows nothing")
	}
	p.must(done, "config", "unset", "crm.key")
	holdsNone(t, "the state file", folder(t, filepath.Dir(p.state)), secrets...)
}

// stuck starts a test of the connection that waits for a CRM which never answers, so that both keys are in use.
func stuck(t *testing.T, env ...string) (*program, *exec.Cmd, *strings.Builder) {
	t.Helper()
	waiting := make(chan struct{}, 16)
	crm := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		waiting <- struct{}{}
		<-r.Context().Done()
	}))
	p := connected(t, serve(t, newShop(t)), crm)
	cmd := p.command("test", "--log", "debug")
	cmd.Env = append(cmd.Env, env...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	check(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	select {
	case <-waiting:
	case <-time.After(30 * time.Second):
		t.Fatal("the CRM was never asked")
	}
	return p, cmd, &said
}

func TestACrashShowsNoKey(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV} {
		for _, level := range []string{"all", "system"} {
			t.Run(fmt.Sprintf("%v %s", signal, level), func(t *testing.T) {
				t.Parallel()
				p, cmd, said := stuck(t, "GOTRACEBACK="+level)
				check(t, cmd.Process.Signal(signal))
				_ = cmd.Wait() // it ends with the dump
				if !strings.Contains(said.String(), "goroutine ") || !strings.Contains(said.String(), "vtigerws") {
					t.Fatalf("this is no dump of the whole program:\n%s", said.String())
				}
				holdsNone(t, "the dump", said.String(), secrets...)
				if cores, _ := filepath.Glob(filepath.Join(p.dir, "*core*")); len(cores) > 0 {
					t.Errorf("it left %v", cores)
				}
			})
		}
	}
}

func TestAProcessShowsNoKeyToOthers(t *testing.T) {
	t.Parallel()
	p, cmd, _ := stuck(t)
	proc := "/proc/" + strconv.Itoa(cmd.Process.Pid)
	for _, name := range []string{"cmdline", "comm", "status", "stat"} {
		holdsNone(t, name, string(must[[]byte](t)(os.ReadFile(filepath.Join(proc, name)))), secrets...)
	}
	if info := must[os.FileInfo](t)(os.Stat(filepath.Join(proc, "environ"))); info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others can read the environment: %v", info.Mode())
	}
	for _, name := range []string{p.state, p.state + "-wal", p.state + "-shm"} {
		if info := must[os.FileInfo](t)(os.Stat(name)); info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v while it is in use", name, info.Mode())
		}
	}
}
