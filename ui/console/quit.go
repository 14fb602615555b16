package console

import (
	"maps"
	"slices"

	tea "github.com/charmbracelet/bubbletea"
)

// quit ends the console, after asking where something would be lost or stopped.
func (a *app) quit() tea.Cmd {
	var rows []row
	if n := len(a.draft.changes); n > 0 {
		rows = append(rows, prose(plain, "Not saved: "+plural(int64(n), "change")+". Quitting drops what was typed; esc, then s, saves it."))
	}
	for _, kind := range slices.Sorted(maps.Keys(a.own)) {
		rows = append(rows, prose(plain, runName(kind)+" runs in this window. Quitting stops it cleanly: records in flight are finished, what is done is saved, and it can go on later."))
	}
	if len(rows) == 0 {
		a.quitting = true
		return tea.Quit
	}
	a.ask(question{title: "Quit?", rows: rows, run: (*app).leave})
	return nil
}

// leave stops the own runs and quits when they have ended.
// Update quits then: a run may end before this returns, or long after.
func (a *app) leave() tea.Cmd {
	a.leaving = true
	for _, run := range a.own {
		run.cancel()
	}
	if len(a.own) > 0 {
		a.say(plain, "Stopping: records in flight are being finished ...")
	}
	return nil
}

// interrupt is ctrl+c: it asks like q, and a second time it does not ask.
func (a *app) interrupt() tea.Cmd {
	if a.leaving || a.dlg != nil && a.dlg.title == "Quit?" {
		a.dlg = nil
		return a.leave()
	}
	// Without what lies over the screen, or its keys would answer the question.
	a.ed, a.find, a.dlg = nil, nil, nil
	return a.quit()
}

// stoppingEvent says that the context has ended: Run stops everything itself.
type stoppingEvent struct{}

func (stoppingEvent) apply(a *app) tea.Cmd {
	// Nothing can be answered any more; what stands there would hide that it ends.
	a.dlg, a.ed, a.find = nil, nil, nil
	a.say(warn, "Stopping: records in flight are being finished ...")
	return nil
}
