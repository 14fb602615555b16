package cli

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cartiger/store"
)

func TestProgressInOneLine(t *testing.T) {
	for _, c := range []struct {
		run   store.Run
		speed float64
		want  string
	}{
		{store.Run{Kind: "products"}, 0, "products 0 / ?"},
		{store.Run{Kind: "watch", Counts: store.Counts{Created: 3}}, 0, "watch 3  created 3"},
		{
			store.Run{Kind: "products", Total: 1607, Counts: store.Counts{Created: 1102, Unchanged: 46}},
			86,
			"products 1,148 / 1,607  created 1,102  unchanged 46  86/s  5s left",
		},
		{
			store.Run{Kind: "orders", Total: 10, State: store.Paused, Counts: store.Counts{Created: 1, Held: 2, Failed: 3}},
			5,
			"orders 6 / 10  created 1  held 2  failed 3  paused",
		},
		{
			store.Run{Kind: "customers", Total: 10, Counts: store.Counts{Created: 10}, Message: "CRM asks to \x1b[31mslow down"},
			1,
			"customers 10 / 10  created 10  1/s  CRM asks to slow down",
		},
	} {
		if got := progressText(c.run, c.speed); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}

// Outcomes are results; what is said besides them is not, and must not stand between them.
func TestOutcomesGoToStdoutAndMessagesToStderr(t *testing.T) {
	var out, stderr bytes.Buffer
	p := &Program{Out: &output{w: &out}, Err: &stderr}
	at := time.Date(2026, 1, 31, 9, 30, 0, 0, time.Local)
	for _, e := range []store.Entry{
		{At: at, Level: "info", Entity: store.Order, Label: "order 7", State: store.Created, Message: "SalesOrder 15x9"},
		{At: at, Level: "warning", Message: "will try again: vtiger: \x1b[31mno answer"},
	} {
		if err := p.entry(e); err != nil {
			t.Fatal(err)
		}
	}
	if want := "09:30:00  order      created    order 7  SalesOrder 15x9\n"; out.String() != want {
		t.Errorf("stdout has %q, want %q", out.String(), want)
	}
	if want := "warning      will try again: vtiger: no answer\n"; !strings.HasSuffix(stderr.String(), want) {
		t.Errorf("stderr has %q, want %q at its end", stderr.String(), want)
	}
}

// A state file that is gone takes the end of the run with it.
func TestARunWhoseEndCouldNotBeWrittenIsBroken(t *testing.T) {
	for _, s := range summarise(store.Run{State: store.Running, Started: time.Now()}, nil) {
		if s.State != "broken" || s.Seconds < 0 || s.Seconds > 60 {
			t.Errorf("%+v", s)
		}
	}
}

// Where the line of progress cannot be overwritten, a run that prints a line per record has none: a watch would fill
// the journal with it.
func TestALinePerRecordNeedsNoLineOfProgress(t *testing.T) {
	state, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = state.Close() }()
	run, err := state.StartRun(t.Context(), store.Run{Kind: "watch", State: store.Running, Who: store.Who(), Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		each func(store.Entry) error
		want string
	}{
		{func(store.Entry) error { return nil }, ""},
		{nil, "watch 0\n"},
	} {
		var stderr bytes.Buffer
		p := &Program{Out: &output{w: io.Discard}, Err: &stderr, Environ: func(string) string { return "" }}
		f := &follower{p: p, state: state, kind: "watch", run: run.ID, each: c.each, last: -1, told: map[told]bool{}, bar: progress{p: p, at: time.Now().Add(-time.Hour)}}
		if err := f.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if stderr.String() != c.want {
			t.Errorf("stderr has %q, want %q", stderr.String(), c.want)
		}
	}
}
