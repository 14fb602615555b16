// Package termtest runs a program in a real pseudo-terminal and reads its screen as a person would, so that a test is
// a list of sentences: Press, Type, See. It needs no tmux and no display.
package termtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// Patience is how long See and Ends wait before they fail the test.
const Patience = 20 * time.Second

// Terminal is a program and the pseudo-terminal it runs in.
type Terminal struct {
	t    testing.TB
	cmd  *exec.Cmd
	file *os.File
	vt   vt10x.Terminal

	mu      sync.Mutex
	changed chan struct{} // closed and renewed whenever the screen may have changed
	written int64
	raw     []byte
	closed  bool
	ended   chan error
}

// Start runs a command in a new pseudo-terminal of the given size. When cmd.Env is nil the command gets the test's
// environment; TERM is set to xterm-256color unless cmd.Env names one. The program is killed when the test ends.
func Start(t testing.TB, cols, rows int, cmd *exec.Cmd) *Terminal {
	t.Helper()
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	if !hasTerm(cmd.Env) {
		cmd.Env = append(cmd.Env, "TERM=xterm-256color")
	}
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(cols), Rows: uint16(rows)})
	if err != nil {
		t.Fatalf("start %s in a pseudo-terminal: %v", cmd.Path, err)
	}
	x := &Terminal{
		t: t, cmd: cmd, file: file,
		vt:      vt10x.New(vt10x.WithSize(cols, rows)),
		changed: make(chan struct{}),
		ended:   make(chan error, 1),
	}
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		x.read()
	}()
	go func() {
		err := cmd.Wait()
		<-reading // the last words of a program arrive before its end is told
		x.ended <- err
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = file.Close()
		<-reading
	})
	return x
}

// hasTerm finds a TERM that the test has chosen itself.
func hasTerm(env []string) bool {
	inherited := "TERM=" + os.Getenv("TERM")
	for _, v := range env {
		if strings.HasPrefix(v, "TERM=") && v != inherited {
			return true
		}
	}
	return false
}

// read keeps the screen in step with what the program writes, until the pseudo-terminal closes.
func (x *Terminal) read() {
	buf := make([]byte, 32<<10)
	for {
		n, err := x.file.Read(buf)
		x.mu.Lock()
		if n > 0 {
			_, _ = x.vt.Write(buf[:n])
			x.written += int64(n)
			x.raw = append(x.raw, buf[:n]...)
		}
		x.closed = x.closed || err != nil
		close(x.changed)
		x.changed = make(chan struct{})
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

var keys = map[string]string{
	"enter": "\r", "esc": "\x1b", "tab": "\t", "shift+tab": "\x1b[Z", "space": " ", "backspace": "\x7f",
	"up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "home": "\x1b[H", "end": "\x1b[F",
	"pgup": "\x1b[5~", "pgdown": "\x1b[6~", "delete": "\x1b[3~",
	"ctrl+c": "\x03", "ctrl+d": "\x04", "ctrl+u": "\x15", "ctrl+w": "\x17",
}

// Press sends keys by name ("enter", "down", "q"); a name that is no special key is sent as it is.
func (x *Terminal) Press(names ...string) *Terminal {
	x.t.Helper()
	for _, name := range names {
		text, special := keys[name]
		if !special {
			text = name
		}
		x.send(text)
	}
	return x
}

// Type sends text as a person types it.
func (x *Terminal) Type(text string) *Terminal {
	x.t.Helper()
	x.send(text)
	return x
}

func (x *Terminal) send(text string) {
	x.t.Helper()
	if _, err := x.file.WriteString(text); err != nil {
		x.t.Fatalf("type %q: %v\n%s", text, err, x.Screen())
	}
}

// See waits until the screen shows all the texts at once and fails the test with the screen if it never does.
func (x *Terminal) See(texts ...string) *Terminal {
	x.t.Helper()
	return x.await("see", texts, func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

// SeeTimes waits until the screen shows a text at least n times: the second prompt of a dialogue of lines.
func (x *Terminal) SeeTimes(n int, text string) *Terminal {
	x.t.Helper()
	return x.await(fmt.Sprintf("%d times see", n), []string{text}, func(screen string) bool {
		return strings.Count(screen, text) >= n
	})
}

// Gone waits until none of the texts is on the screen any more.
func (x *Terminal) Gone(texts ...string) *Terminal {
	x.t.Helper()
	return x.await("no longer see", texts, func(screen string) bool {
		for _, text := range texts {
			if strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

// SeeLine waits until one line of the screen holds all the texts.
func (x *Terminal) SeeLine(texts ...string) *Terminal {
	x.t.Helper()
	return x.await("see in one line", texts, func(screen string) bool {
		for line := range strings.SplitSeq(screen, "\n") {
			all := true
			for _, text := range texts {
				all = all && strings.Contains(line, text)
			}
			if all {
				return true
			}
		}
		return false
	})
}

func (x *Terminal) await(verb string, texts []string, holds func(screen string) bool) *Terminal {
	x.t.Helper()
	limit := time.After(Patience)
	for {
		x.mu.Lock()
		screen, changed, closed := x.screen(), x.changed, x.closed
		x.mu.Unlock()
		if holds(screen) {
			return x
		}
		if closed {
			x.t.Fatalf("the program ended; did not %s %q on the screen:\n%s", verb, texts, screen)
		}
		select {
		case <-changed:
		case <-limit:
			x.t.Fatalf("did not %s %q within %s on the screen:\n%s", verb, texts, Patience, screen)
		}
	}
}

// Screen is what a person sees now, blanks at the ends of lines removed.
func (x *Terminal) Screen() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.screen()
}

func (x *Terminal) screen() string {
	lines := strings.Split(x.vt.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \x00")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// Written is how many bytes the program has sent to the terminal since its start.
func (x *Terminal) Written() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.written
}

// Raw is every byte the program has sent, escapes and all.
func (x *Terminal) Raw() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return string(x.raw)
}

// Resize changes the size of the terminal; the program gets SIGWINCH.
func (x *Terminal) Resize(cols, rows int) *Terminal {
	x.t.Helper()
	x.mu.Lock()
	x.vt.Resize(cols, rows)
	x.mu.Unlock()
	if err := pty.Setsize(x.file, &pty.Winsize{Cols: uint16(cols), Rows: uint16(rows)}); err != nil {
		x.t.Fatalf("resize to %dx%d: %v", cols, rows, err)
	}
	return x
}

// Signal sends a signal to the program.
func (x *Terminal) Signal(s syscall.Signal) *Terminal {
	x.t.Helper()
	if err := x.cmd.Process.Signal(s); err != nil {
		x.t.Fatalf("signal %s: %v", s, err)
	}
	return x
}

// HangUp closes the terminal's other end, as a dropped SSH connection does.
func (x *Terminal) HangUp() *Terminal {
	_ = x.file.Close()
	return x
}

// Ends waits for the program's end and gives its exit code; 128 + n for one that a signal killed.
func (x *Terminal) Ends() int {
	x.t.Helper()
	select {
	case err := <-x.ended:
		x.ended <- err
		var exit *exec.ExitError
		switch {
		case err == nil:
			return 0
		case !errors.As(err, &exit):
			x.t.Fatalf("wait for the program: %v", err)
		}
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal())
		}
		return exit.ExitCode()
	case <-time.After(Patience):
		x.t.Fatalf("the program did not end within %s:\n%s", Patience, x.Screen())
	}
	return -1
}
