package console

import (
	"fmt"
	"time"

	"cartiger/store"
)

// entryColumns are: time, record, state, message.
func entryColumns(w int) []column {
	if w < fullWidth-2 {
		return []column{{w: 8}, {w: 16}, {w: 9}, {}}
	}
	return []column{{w: 8}, {w: 24}, {w: 9}, {}}
}

// timeOf is when an entry of the log was written: the time today, else the day.
func timeOf(e store.Entry, now time.Time) string {
	if at := e.At.Local(); at.Format(time.DateOnly) != now.Local().Format(time.DateOnly) {
		return at.Format("2 Jan")
	}
	return e.At.Local().Format(time.TimeOnly)
}

// entryLine is a line of the log.
func entryLine(e store.Entry, at string, w int) line {
	label, state := e.Label, span{string(e.State), stateTone(e.State)}
	// A line without a state tells its level in its place; the common one is left out.
	if e.State == "" && e.Level != "info" {
		state = span{e.Level, map[string]tone{"warning": warn, "error": bad}[e.Level]}
	}
	if label == "" && e.ShopID != 0 {
		label = fmt.Sprintf("%s %d", e.Entity, e.ShopID)
	}
	if label == "" && state.text == "" {
		return columns(w, []column{{w: 8}, {}}, span{at, faint}, span{e.Message, plain})
	}
	return columns(w, entryColumns(w), span{at, faint}, span{label, plain}, state, span{e.Message, plain})
}

// stateTone is good only for what has changed the CRM: unchanged is most of an export and must not drown the rest.
func stateTone(s store.State) tone {
	switch s {
	case store.Created, store.Updated:
		return good
	case store.Held:
		return warn
	case store.Failed:
		return bad
	}
	return faint
}

// lastRecords are the newest lines of the log, at most n.
func (l *live) lastRecords(n int) []store.Entry { return l.recent[max(0, len(l.recent)-n):] }
