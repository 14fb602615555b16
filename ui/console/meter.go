package console

import (
	"io"
	"os"
	"sync/atomic"
	"time"
)

// traffic counts what is written to the terminal and decides whether progress may be drawn now. Over a slow SSH
// line a wide screen that repaints four times a second would be felt in the typing: the allowance bounds it,
// while what a person asked for is always drawn at once.
type traffic struct {
	written atomic.Int64
	seen    int64     // of written, already charged
	free    bool      // a person has pressed a key: what was drawn since the last look is theirs
	credit  int64     // bytes that progress may still cost
	at      time.Time // of the last refill
}

const (
	allowance = 1300 // bytes a second for progress; with the keys of a person it stays at about 1.5 kB/s
	burst     = 600  // credit never grows beyond
)

// allow says whether progress may be drawn now.
func (t *traffic) allow(now time.Time) bool {
	written := t.written.Load()
	// What was written since the last look is charged afterwards: only the renderer knows how much of a screen it
	// sends.
	if !t.free {
		t.credit -= written - t.seen
	}
	t.seen, t.free = written, false
	if !t.at.IsZero() {
		t.credit += int64(now.Sub(t.at).Seconds() * allowance)
	}
	t.at = now
	t.credit = min(t.credit, burst)
	return t.credit >= 0
}

// meter is the output with its bytes counted.
type meter struct {
	io.Writer
	t *traffic
}

func (m meter) Write(p []byte) (int, error) {
	n, err := m.Writer.Write(p)
	m.t.written.Add(int64(n))
	return n, err
}

// fileMeter is a meter over a file: Bubble Tea asks a terminal's file for its size.
type fileMeter struct {
	*os.File
	t *traffic
}

func (m fileMeter) Write(p []byte) (int, error) {
	n, err := m.File.Write(p)
	m.t.written.Add(int64(n))
	return n, err
}

// WriteString keeps io.WriteString from going past the count.
func (m fileMeter) WriteString(s string) (int, error) { return m.Write([]byte(s)) }

// meterOf keeps a file a file: hidden behind a plain writer it would be no terminal to Bubble Tea.
func meterOf(w io.Writer, t *traffic) io.Writer {
	if f, ok := w.(*os.File); ok {
		return fileMeter{f, t}
	}
	return meter{w, t}
}
