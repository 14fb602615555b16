package security_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cartiger/psapi/psapitest"
	"cartiger/ui/cli"
	"cartiger/vtigerws/vtigerwstest"
)

// underTest makes this test program be cartiger itself.
const underTest = "CARTIGER_UNDER_TEST"

// peakFile names the file into which the program under test writes at its end what the kernel knows about it.
const peakFile = "SECURITY_PEAK"

var peakForm = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

func TestMain(m *testing.M) {
	if os.Getenv(underTest) != "" {
		code := cli.Main(os.Args[1:])
		if file := os.Getenv(peakFile); file != "" {
			// What wait4 tells of a child's memory begins with its parent's.
			status, _ := os.ReadFile("/proc/self/status")
			_ = os.WriteFile(file, status, 0o600)
		}
		os.Exit(code)
	}
	flag.Parse()
	for name, value := range map[string]string{
		"rapid.checks":  "1", // each check runs the program five times
		"test.parallel": "8", // most of the time is a program's pause before it asks a refusing server again
	} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// The keys that must never be seen anywhere. Neither stands in any other text by chance.
const (
	shopKey = "SHOPKEYx7Qw9ZrT2LmN4VbX6CyD8EfG1"
	crmKey  = "CRMKEYp5HsJk3Wd"
)

// program is cartiger as somebody installed it: a state file, and an environment of its own.
type program struct {
	t     testing.TB
	dir   string
	state string
	env   []string
}

// result is what a command left.
type result struct {
	out, err string
	code     int
	rss      int64 // bytes of memory that it took at its peak
}

func (r result) all() string { return r.out + r.err }

// install gives a program that knows no server yet.
func install(t testing.TB) *program {
	t.Helper()
	dir := t.TempDir()
	p := &program{t: t, dir: dir, state: filepath.Join(dir, "state", "state.db")}
	p.env = []string{
		underTest + "=1", "HOME=" + dir, "TZ=UTC", "PATH=" + os.Getenv("PATH"), "TERM=xterm-256color", "CARTIGER_STATE=" + p.state,
	}
	return p
}

// connected gives a program whose environment names a shop and a CRM.
func connected(t testing.TB, shopURL, crmURL string) *program {
	t.Helper()
	p := install(t)
	p.env = append(p.env, "CARTIGER_SHOP_URL="+shopURL+"/", "CARTIGER_CRM_URL="+crmURL+"/", "CARTIGER_CRM_USER=admin",
		"CARTIGER_SHOP_KEY="+shopKey, "CARTIGER_CRM_KEY="+crmKey)
	return p
}

func (p *program) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(p.t.Context(), os.Args[0], args...)
	cmd.Env, cmd.Dir = p.env, p.dir
	return cmd
}

// run runs a command to its end.
func (p *program) run(args ...string) result { return p.feed("", args...) }

// feed is run with something on stdin.
func (p *program) feed(input string, args ...string) result {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env, cmd.Dir, cmd.Stdin = append(slices.Clone(p.env), peakFile+"="+p.dir+"/peak"), p.dir, strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		p.t.Fatalf("cartiger %s: %v %v\n%s%s", strings.Join(args, " "), err, ctx.Err(), out.String(), errs.String())
	}
	r := result{out: out.String(), err: errs.String(), code: cmd.ProcessState.ExitCode()}
	status, _ := os.ReadFile(p.dir + "/peak")
	if m := peakForm.FindSubmatch(status); m != nil {
		kilobytes := must[int64](p.t)(strconv.ParseInt(string(m[1]), 10, 64))
		r.rss = kilobytes << 10
	}
	return r
}

// must runs a command that has to end with one of the codes.
func (p *program) must(codes []int, args ...string) result {
	p.t.Helper()
	r := p.run(args...)
	for _, code := range codes {
		if r.code == code {
			return r
		}
	}
	p.t.Fatalf("cartiger %s: exit code %d, want one of %v\n%s%s", strings.Join(args, " "), r.code, codes, r.out, r.err)
	return r
}

var done = []int{0}

// newShop and newCRM are simulators with our keys.
func newShop(t testing.TB) *psapitest.Shop {
	t.Helper()
	return must[*psapitest.Shop](t)(psapitest.New(psapitest.Options{Key: shopKey}))
}

func newCRM(t testing.TB, version string) *vtigerwstest.CRM {
	t.Helper()
	return must[*vtigerwstest.CRM](t)(vtigerwstest.New(vtigerwstest.Options{Version: version, AccessKey: crmKey}))
}

// serve serves a handler on a loopback port and gives its address.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = quiet
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// quiet hides what servers say about connections that were cut on purpose.
var quiet = log.New(io.Discard, "", 0)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// holdsNone fails for every text that a place holds although it must not.
func holdsNone(t testing.TB, place, content string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if i := strings.Index(strings.ToLower(content), strings.ToLower(secret)); secret != "" && i >= 0 {
			t.Errorf("%s holds %q: …%q…", place, secret, content[max(0, i-80):min(len(content), i+len(secret)+80)])
		}
	}
}
