package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/store"
)

// activity is the view that every tab reaches with a: the log, the held and failed records, the runs, and what watch does.
type activity struct {
	grid grid
	view int // index in activityViews
	runs []store.Run
}

var activityViews = []string{"log", "held and failed", "runs"}

const maxRuns = 50

func (v *activity) list() *grid { return &v.grid }

// runsEvent brings the last runs of all kinds.
type runsEvent struct {
	runs []store.Run
	err  error
}

// show reads the runs of the past; what runs now is in live and needs no asking.
func (v *activity) show(a *app) tea.Cmd {
	return a.jobs.do(func(ctx context.Context) event {
		runs, err := a.opt.State.Runs(ctx, maxRuns)
		return runsEvent{runs, err}
	})
}

func (e runsEvent) apply(a *app) tea.Cmd {
	if e.err != nil {
		a.fail("read the runs", e.err)
		return nil
	}
	a.activity.runs = e.runs
	return nil
}

func (v *activity) rows(a *app, w int) []row {
	state, words := a.export.stateOf(a, "watch")
	// What follows from the shop's changes is told here wherever they are carried from.
	if run, active := a.live.running(); active && run.Kind == "watch" {
		words = a.live.watched(run)
		if a.own["watch"] == nil {
			words += "; by " + run.Who
		}
	}
	rows := []row{
		{line: line{{"Following the shop  ", strong}, state, {"  " + words, faint}}},
		{line: line{{"Show  < ", faint}, {activityViews[v.view], accent}, {" >", faint}}},
		{},
	}
	switch activityViews[v.view] {
	case "log":
		rows = append(rows, v.logRows(a, w)...)
	case "runs":
		rows = append(rows, v.runRows(a, w)...)
	default:
		rows = append(rows, a.troubleRows(w)...)
	}
	return rows
}

// logRows are the lines of the log, the newest first.
func (v *activity) logRows(a *app, w int) []row {
	entries := a.live.recent
	if len(entries) == 0 {
		return []row{{line: toned(faint, "The log is empty.")}}
	}
	rows := make([]row, 0, len(entries))
	// Lines have a time only, to leave the room to the message; other days are headings.
	last := a.opt.Now().Local().Format(time.DateOnly)
	for _, e := range slices.Backward(entries) {
		if day := e.At.Local().Format(time.DateOnly); day != last {
			rows = append(rows, heading(e.At.Local().Format("Monday, 2 January 2006")))
			last = day
		}
		// The id begins with the record, so that enter and r work on a line of the log too, and ends with the entry:
		// a record has several lines, and each is a stop of its own.
		id := fmt.Sprintf("%s:%d", recordRow(e.Entity, e.ShopID), e.ID)
		rows = append(rows, row{id: id, line: entryLine(e, e.At.Local().Format(time.TimeOnly), w-2)})
	}
	if len(entries) == keptEntries {
		rows = append(rows, row{line: toned(faint, "Older lines are printed by `cartiger log`.")})
	}
	return rows
}

// Who ran it is the longest and the least asked for: it shows where there is room.
var runColumns = []column{{w: 18}, {w: 16}, {w: 11}, {}, {w: 24, from: paneWidth}}

func (v *activity) runRows(a *app, w int) []row {
	if len(v.runs) == 0 {
		return []row{{line: toned(faint, "Nothing has run yet.")}}
	}
	var rows []row
	for _, r := range v.runs {
		// The list was read when it came into view: of what runs now the last look knows more.
		if now, ok := a.live.runs[r.Kind]; ok && now.ID == r.ID {
			r = now
		}
		t := plain
		switch r.State {
		case store.Broken:
			t = bad
		case store.Running, store.Finished:
			t = good
		case store.Paused, store.Stopped, store.Interrupted:
			t = warn
		}
		rows = append(rows, row{id: fmt.Sprintf("run:%d", r.ID), line: columns(w-2, runColumns,
			span{kindTitle(r.Kind), plain}, span{r.Started.Local().Format("2006-01-02 15:04"), faint}, span{string(r.State), t}, span{counted(r.Counts), plain}, span{r.Who, faint})})
	}
	return rows
}

// run is the run under the cursor.
func (v *activity) run() (store.Run, bool) {
	for _, r := range v.runs {
		if fmt.Sprintf("run:%d", r.ID) == v.grid.cursor {
			return r, true
		}
	}
	return store.Run{}, false
}

// entry is the line of the log under the cursor.
func (v *activity) entry(a *app) (store.Entry, bool) {
	for _, e := range a.live.recent {
		if strings.HasSuffix(v.grid.cursor, fmt.Sprintf(":%d", e.ID)) && strings.HasPrefix(v.grid.cursor, recordRow(e.Entity, e.ShopID)+":") {
			return e, true
		}
	}
	return store.Entry{}, false
}

func (v *activity) act(a *app, act action) (tea.Cmd, string) {
	switch act {
	case open:
		if r, ok := v.run(); ok {
			a.page(kindTitle(r.Kind), runRows(r))
			return nil, ""
		}
		// A line about no record has only its message, which its row may cut off.
		if e, ok := v.entry(a); ok && e.ShopID == 0 {
			a.page("Log", []row{prose(plain, e.At.Local().Format("2006-01-02 15:04:05")+"  "+e.Message)})
			return nil, ""
		}
		return a.openRecord(v.grid.cursor), ""
	case nextModule, prevModule:
		n := len(activityViews)
		v.view = (v.view + map[action]int{nextModule: 1, prevModule: n - 1}[act]) % n
		// Another list begins at its top. The filter stays: the same customer is looked for in the log and in the
		// troubles.
		v.grid = grid{filter: v.grid.filter}
		return v.show(a), ""
	case pause, stop, watch, retry, retryAll:
		return a.runKey(act, v.grid.cursor)
	}
	return nil, ""
}

func (v *activity) pane(a *app) []row {
	if r, ok := v.run(); ok {
		return append([]row{heading(kindTitle(r.Kind)), {}}, runRows(r)...)
	}
	if e, ok := v.entry(a); ok {
		return []row{
			heading(e.At.Local().Format("2006-01-02 15:04:05")),
			{},
			{line: line{{e.Label, strong}, {"  " + string(e.State), stateTone(e.State)}}},
			prose(plain, e.Message),
			{},
			prose(faint, "enter shows all of it: what was sent and answered."),
		}
	}
	return a.recordPane(v.grid.cursor)
}

func (v *activity) hint(a *app) note {
	if e, ok := v.entry(a); ok {
		if cols := entryColumns(a.listWidth() - 2); width(clean(e.Message)) > a.listWidth()-2-cols[0].w-cols[1].w-cols[2].w-6 {
			return hintOf(plain, e.Message) // cut off in its row
		}
		return hintOf(faint, "esc goes back, enter shows what was sent and answered.")
	}
	if n := a.recordHint(v.grid.cursor); n.text != "" {
		return n
	}
	if r, ok := v.run(); ok {
		return hintOf(plain, runName(r.Kind)+": "+counted(r.Counts)+", by "+r.Who+".")
	}
	return hintOf(faint, "esc goes back.")
}
