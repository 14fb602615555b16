package security_test

import (
	"bufio"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAUmaskOfZeroOpensNothing(t *testing.T) {
	t.Parallel()
	p := install(t)
	for _, args := range [][]string{{"config", "set", "crm.user", "admin"}, {"backup", "copy.db"}, {"support-bundle", "bundle.zip"}} {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", `umask 0; exec "$0" "$@"`, os.Args[0]}, args...)...)
		cmd.Env, cmd.Dir = p.env, p.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	for name, want := range map[string]os.FileMode{"state": 0o700 | os.ModeDir, "state/state.db": 0o600, "copy.db": 0o600, "bundle.zip": 0o600} {
		if got := must[os.FileInfo](t)(os.Stat(filepath.Join(p.dir, name))).Mode(); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// What another user of the machine can prepare where the state file shall lie, and what the program says to it.
func TestAPreparedStateFolderIsRefused(t *testing.T) {
	t.Parallel()
	root := os.Geteuid() == 0 // only root can make files of another user
	for name, trap := range map[string]struct {
		prepare func(t *testing.T, p *program, victim string)
		says    string
		asRoot  bool
	}{
		"a folder that everybody can write": {func(t *testing.T, p *program, _ string) { check(t, os.Chmod(filepath.Dir(p.state), 0o777)) }, "other users can replace files", false},
		"a folder that the group can write": {func(t *testing.T, p *program, _ string) { check(t, os.Chmod(filepath.Dir(p.state), 0o770)) }, "other users can replace files", false},
		"a folder of another user":          {func(t *testing.T, p *program, _ string) { check(t, os.Chown(filepath.Dir(p.state), 4242, 4242)) }, "belongs to user 4242", true},
		"a sticky folder of another user": {func(t *testing.T, p *program, _ string) {
			check(t, os.Chown(filepath.Dir(p.state), 4242, 4242))
			check(t, os.Chmod(filepath.Dir(p.state), 0o777|os.ModeSticky))
		}, "belongs to user 4242", true},
		"a file of another user": {func(t *testing.T, p *program, _ string) {
			check(t, os.WriteFile(p.state, nil, 0o600))
			check(t, os.Chown(p.state, 4242, 4242))
		}, "belongs to user 4242", true},
		"a file that others can read":   {func(t *testing.T, p *program, _ string) { check(t, os.WriteFile(p.state, nil, 0o644)) }, "and it holds keys", false},
		"a link to a precious file":     {func(t *testing.T, p *program, victim string) { check(t, os.Symlink(victim, p.state)) }, "state file", false},
		"a link to where nothing is":    {func(t *testing.T, p *program, victim string) { check(t, os.Symlink(victim+".new", p.state)) }, "is not a plain file", false},
		"a linked write-ahead log":      {func(t *testing.T, p *program, victim string) { check(t, os.Symlink(victim, p.state+"-wal")) }, "is not a plain file", false},
		"a linked journal":              {func(t *testing.T, p *program, victim string) { check(t, os.Symlink(victim, p.state+"-journal")) }, "is not a plain file", false},
		"a device":                      {func(t *testing.T, p *program, _ string) { check(t, os.Symlink("/dev/zero", p.state)) }, "is not a plain file", false},
		"a write-ahead log for readers": {func(t *testing.T, p *program, _ string) { check(t, os.WriteFile(p.state+"-wal", nil, 0o666)) }, "and it holds keys", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if trap.asRoot && !root {
				trap = struct {
					prepare func(t *testing.T, p *program, victim string)
					says    string
					asRoot  bool
				}{func(_ *testing.T, p *program, _ string) { p.env = append(p.env, "CARTIGER_STATE=/etc/passwd") }, "state file", false}
			}
			p := install(t)
			check(t, os.Mkdir(filepath.Dir(p.state), 0o700))
			victim := filepath.Join(p.dir, "precious")
			check(t, os.WriteFile(victim, []byte("precious"), 0o600))
			trap.prepare(t, p, victim)
			r := p.feed(crmKey+"\n", "config", "set", "crm.key")
			if r.code == 0 || !strings.Contains(r.err, trap.says) {
				t.Errorf("exit code %d, want a refusal with %q:\n%s", r.code, trap.says, r.all())
			}
			if got := must[[]byte](t)(os.ReadFile(victim)); string(got) != "precious" {
				t.Errorf("the precious file now holds %q", got)
			}
			if _, err := os.Stat(victim + ".new"); err == nil {
				t.Error("a file was made where the link leads")
			}
		})
	}
}

// A file that is written beside the state file replaces nothing and follows no link.
func TestWhatIsWrittenOutReplacesNothing(t *testing.T) {
	t.Parallel()
	p := install(t)
	p.must(done, "config", "set", "crm.user", "admin")
	victim := filepath.Join(p.dir, "precious")
	check(t, os.WriteFile(victim, []byte("precious"), 0o600))
	check(t, os.Symlink(victim, filepath.Join(p.dir, "link")))
	check(t, os.Symlink(victim+".new", filepath.Join(p.dir, "dangling")))
	for _, command := range []string{"backup", "support-bundle"} {
		for _, name := range []string{"precious", "link", "dangling"} {
			if r := p.run(command, name); r.code == 0 || !strings.Contains(r.err, "exists") {
				t.Errorf("%s %s: exit code %d\n%s", command, name, r.code, r.all())
			}
		}
	}
	if got := must[[]byte](t)(os.ReadFile(victim)); string(got) != "precious" {
		t.Errorf("the precious file now holds %q", got)
	}
	if _, err := os.Stat(victim + ".new"); err == nil {
		t.Error("a file was made where the link leads")
	}
}

func TestSimulatorsAreServedOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	p := install(t)
	for _, kind := range []string{"shop", "crm"} {
		for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.test:0", "127.0.0.1.example.test:0", "*:0", "127.0.0.1", ""} {
			if r := p.run("simulate", kind, "--listen", address); r.code != 2 || !strings.Contains(r.err, "loopback") {
				t.Errorf("simulate %s --listen %q: exit code %d\n%s", kind, address, r.code, r.all())
			}
		}
	}
}

// A simulator that listens answers on loopback, and on no other address of this machine.
func TestASimulatorAnswersNobodyElse(t *testing.T) {
	t.Parallel()
	p := install(t)
	cmd := p.command("simulate", "crm")
	out := must[io.ReadCloser](t)(cmd.StdoutPipe())
	check(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line := must[string](t)(bufio.NewReader(out).ReadString('\n'))
	at := must[*url.URL](t)(url.Parse(strings.TrimSpace(strings.TrimPrefix(line, "listening on "))))
	if ip := net.ParseIP(at.Hostname()); ip == nil || !ip.IsLoopback() {
		t.Fatalf("it listens on %s", at.Host)
	}
	conn := must[net.Conn](t)(net.Dial("tcp", at.Host))
	check(t, conn.Close())
	for _, address := range must[[]net.Addr](t)(net.InterfaceAddrs()) {
		ip, _, err := net.ParseCIDR(address.String())
		if err != nil || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
			continue
		}
		if conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip.String(), at.Port()), time.Second); err == nil {
			_ = conn.Close()
			t.Errorf("it answers on %s", ip)
		}
	}
}
