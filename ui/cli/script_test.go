package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"cartiger/psapi/psapitest"
)

// The scripts in testdata are what a user types, with what he gets. Besides testscript's own commands they use:
//
//	serve NAME simulate ...   starts a simulator in a process of its own and sets $NAME to its address
//	exits CODE cartiger ...   runs the program and wants that exit code
//	summary ENTITY K=V ...    wants these figures in the entity's last summary line of stdout (K<=V bounds)
//	count NAME MODULE N       wants N live records in a simulator
//	request METHOD URL [BODY] asks a simulator's control endpoint; the answer is the new stdout
//	start NAME cartiger ...   runs the program in the background; `ended NAME CODE` waits for it and takes its output
//	shows NAME REGEXP         waits until a background program has printed that
//	reaches URL OPERATION N   waits until a simulator was asked for an operation that often
//	send SIGNAL NAME          sends a signal to a background program
//	secretless [FILE ...]     wants no key in what was printed, nor in the files
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"serve": serveCommand, "exits": exitsCommand, "summary": summaryCommand, "count": countCommand, "request": requestCommand,
	"start": startCommand, "send": sendCommand, "ended": endedCommand, "reaches": reachesCommand, "shows": showsCommand, "secretless": secretlessCommand,
}

// scripts runs a folder of scripts with a small shop in $SHOPDATA.
func scripts(t *testing.T, dir string, more ...string) {
	t.Helper()
	data := smallShop(t)
	testscript.Run(t, testscript.Params{
		Dir: dir, Cmds: scriptCommands, RequireExplicitExec: true, ContinueOnError: false,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, "SHOPDATA="+data, "CARTIGER_STATE="+e.WorkDir+"/state/state.db", "TZ=UTC",
				"SHOPKEY="+psapitest.DefaultKey, "CRMKEY=TestAccessKey")
			e.Vars = append(e.Vars, more...)
			e.Values[processesKey{}] = map[string]*process{}
			return nil
		},
	})
}

func TestCommandLine(t *testing.T) { scripts(t, "testdata/script") }

func TestCommandLineOnEachVersion(t *testing.T) {
	for _, version := range []string{"5.1.0", "5.2.1", "5.4.0", "6.4.0"} {
		t.Run(version, func(t *testing.T) { scripts(t, "testdata/version", "VERSION="+version) })
	}
}

// process is a program in the background.
type process struct {
	cmd      *exec.Cmd
	out, err screen
	result   error         // once ended is closed
	ended    chan struct{} //
}

// screen keeps what a program prints and lets others wait for it.
type screen struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until the text matches, or the program has ended.
func (s *screen) await(pattern *regexp.Regexp, ended <-chan struct{}) bool {
	for {
		s.mu.Lock()
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed, found := s.changed, pattern.Match(s.text.Bytes())
		s.mu.Unlock()
		if found {
			return true
		}
		select {
		case <-changed:
		case <-ended:
			return pattern.MatchString(s.String())
		}
	}
}

// background are the processes of one script, by name.
func background(ts *testscript.TestScript) map[string]*process {
	return ts.Value(processesKey{}).(map[string]*process)
}

type processesKey struct{}

func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TZ", "SHOPDATA", "CARTIGER_STATE", "CARTIGER_SHOP_URL", "CARTIGER_SHOP_KEY", "CARTIGER_CRM_URL", "CARTIGER_CRM_USER", "CARTIGER_CRM_KEY", "TMPDIR"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	return cmd
}

func serveCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: serve NAME simulate shop|crm ...")
	}
	cmd := command(ts, append([]string{"cartiger"}, args[1:]...))
	cmd.Stderr = ts.Stderr()
	pipe, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it ends with 143
	})
	line, err := bufio.NewReader(pipe).ReadString('\n')
	ts.Check(err)
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		ts.Fatalf("the first line is %q", line)
	}
	ts.Setenv(args[0], url)
}

func exitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE cartiger ...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := codeOf(ts, ts.Exec(args[1], args[2:]...))
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func codeOf(ts *testscript.TestScript, err error) int {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Check(err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

func startCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME cartiger ...")
	}
	p := &process{cmd: command(ts, args[1:]), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	ts.Check(p.cmd.Start())
	go func() {
		p.result = p.cmd.Wait()
		close(p.ended)
	}()
	ts.Defer(func() {
		_ = p.cmd.Process.Kill() // nothing happens when it has ended
		<-p.ended
	})
	background(ts)[args[0]] = p
}

func sendCommand(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"SIGHUP": syscall.SIGHUP, "SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM, "SIGKILL": syscall.SIGKILL}
	if neg || len(args) != 2 || signals[args[0]] == 0 || background(ts)[args[1]] == nil {
		ts.Fatalf("usage: send SIGNAL NAME")
	}
	ts.Check(background(ts)[args[1]].cmd.Process.Signal(signals[args[0]]))
}

// endedCommand waits for a background program, wants its exit code and shows its output as if it had just run.
func endedCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || background(ts)[args[0]] == nil {
		ts.Fatalf("usage: ended NAME CODE")
	}
	p := background(ts)[args[0]]
	<-p.ended
	got := codeOf(ts, p.result)
	_, _ = io.WriteString(ts.Stdout(), p.out.String())
	_, _ = io.WriteString(ts.Stderr(), p.err.String())
	if strconv.Itoa(got) != args[1] {
		ts.Fatalf("%s ended with %d, want %s\n%s%s", args[0], got, args[1], p.out.String(), p.err.String())
	}
}

// showsCommand waits until a background program has printed a text.
func showsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || background(ts)[args[0]] == nil {
		ts.Fatalf("usage: shows NAME REGEXP")
	}
	p := background(ts)[args[0]]
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	if !p.out.await(pattern, p.ended) {
		ts.Fatalf("%s ended without printing %s:\n%s%s", args[0], args[1], p.out.String(), p.err.String())
	}
}

// reachesCommand waits until a simulator has been asked for an operation that often.
func reachesCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: reaches URL OPERATION N")
	}
	want, err := strconv.Atoi(args[2])
	ts.Check(err)
	for {
		var stats struct{ Requests map[string]int }
		ts.Check(json.Unmarshal(fetch(ts, http.MethodGet, args[0]+"__stats", ""), &stats))
		if stats.Requests[args[1]] >= want {
			return
		}
	}
}

func summaryCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: summary ENTITY FIELD=VALUE ...")
	}
	var found map[string]any
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		var m map[string]any
		if json.Unmarshal([]byte(line), &m) != nil {
			ts.Fatalf("a line of stdout is no JSON: %s", line)
		}
		if m["type"] == "summary" && m["entity"] == args[0] {
			found = m
		}
	}
	if found == nil {
		ts.Fatalf("stdout has no summary of %s", args[0])
	}
	for _, want := range args[1:] {
		name, value, bounded := strings.Cut(want, "<=")
		if bounded {
			bound, err := strconv.ParseFloat(value, 64)
			ts.Check(err)
			if got, ok := found[name].(float64); !ok || got > bound {
				ts.Fatalf("%s: %s is %v, more than %s", args[0], name, found[name], value)
			}
			continue
		}
		name, value, _ = strings.Cut(want, "=")
		if got := fmt.Sprint(found[name]); got != value {
			ts.Fatalf("%s: %s is %s, want %s", args[0], name, got, value)
		}
	}
}

func countCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: count URL MODULE N")
	}
	var records []map[string]any
	ts.Check(json.Unmarshal(fetch(ts, http.MethodGet, args[0]+"__records/"+args[1], ""), &records))
	if got := strconv.Itoa(len(records)); got != args[2] {
		ts.Fatalf("%s has %s records, want %s", args[1], got, args[2])
	}
}

func requestCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: request METHOD URL [BODY]")
	}
	body := ""
	if len(args) == 3 {
		body = args[2]
	}
	_, _ = ts.Stdout().Write(fetch(ts, args[0], args[1], body))
}

func fetch(ts *testscript.TestScript, method, url, body string) []byte {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	ts.Check(err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	ts.Check(err)
	answer, err := io.ReadAll(res.Body)
	ts.Check(err)
	ts.Check(res.Body.Close())
	if res.StatusCode >= 300 {
		ts.Fatalf("%s %s: %s %s", method, url, res.Status, answer)
	}
	return answer
}

// secretlessCommand wants none of the keys in what the last command printed, nor in the files named.
func secretlessCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: secretless [FILE ...]")
	}
	for _, name := range append([]string{"stdout", "stderr"}, args...) {
		content := ts.ReadFile(name)
		for _, secret := range []string{"SHOPKEY", "CRMKEY", "WRONGKEY"} {
			if value := ts.Getenv(secret); value != "" && strings.Contains(content, value) {
				ts.Fatalf("%s holds the secret %s", name, secret)
			}
		}
	}
}
