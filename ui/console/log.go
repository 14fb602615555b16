package console

import (
	"fmt"

	"cartiger/store"
)

var entryColumns = []column{{w: 8}, {w: 24}, {w: 9}, {}}

// entryLine is a line of the log.
func entryLine(e store.Entry, w int) line {
	label, state := e.Label, span{string(e.State), stateTone(e.State)}
	if e.State == "" && e.Level != "info" {
		state = span{e.Level, map[string]tone{"warning": warn, "error": bad}[e.Level]}
	}
	if label == "" && e.ShopID != 0 {
		label = fmt.Sprintf("%s %d", e.Entity, e.ShopID)
	}
	if label == "" && state.text == "" {
		return columns(w, []column{{w: 8}, {}}, span{e.At.Local().Format("15:04:05"), faint}, span{e.Message, plain})
	}
	return columns(w, entryColumns, span{e.At.Local().Format("15:04:05"), faint}, span{label, plain}, state, span{e.Message, plain})
}

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

// recent are the last records, at most as many as leave room for the rest.
func (x *exports) recent(a *app, w int) []row {
	n := min(max(a.bodyHeight()-15, 3), 10)
	var rows []row
	for _, e := range a.live.recent[max(0, len(a.live.recent)-n):] {
		rows = append(rows, row{line: entryLine(e, w-2)})
	}
	return rows
}
