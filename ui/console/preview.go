package console

import (
	"context"
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
	"cartiger/store"
)

// preview runs the export without its writes (rules.md 7). It needs no lease, so it is no run of ours: leaving its
// page ends it, and nothing asks at q.
func (x *exports) preview(a *app, kind string) (tea.Cmd, string) {
	_, open := x.unfinished[kind]
	switch {
	case x.page != nil:
		return nil, "A preview is being made."
	case len(a.settings.Missing()) > 0:
		return nil, "The connection is not set up: " + missingWords(a) + "."
	case kind == "orders" && x.since == "" && !open:
		x.editSince(a, false)
		return nil, ""
	}
	o := x.options(kind, open)
	o.DryRun = true
	ctx, cancel := context.WithCancel(a.jobs.ctx)
	x.page = &dialog{
		title: "Preview of " + strings.ToLower(kindTitle(kind)), at: inPage, busy: true,
		rows: []row{prose(faint, "asking shop and CRM what would be written; nothing is written. esc leaves.")},
		left: func(*app) tea.Cmd { cancel(); return nil },
	}
	a.dlg = x.page
	return a.jobs.do(func(context.Context) event {
		defer cancel()
		sum, err := a.eng.Export(ctx, kind, o)
		return previewedEvent{kind, sum, err}
	}), ""
}

// previewedEvent brings what an export would write.
type previewedEvent struct {
	kind    string
	summary engine.Summary
	err     error
}

// maxPreviewed bounds the page of a preview: nobody reads further, and the command line prints all of it.
const maxPreviewed = 2000

func (e previewedEvent) apply(a *app) tea.Cmd {
	page := a.export.page
	a.export.page = nil
	// The page of all keys may lie over it.
	if a.dlg != page && (a.dlg == nil || a.dlg.under != page) {
		return nil // the person has left
	}
	if e.err != nil {
		a.dlg = nil
		a.fail("make the preview", e.err)
		return nil
	}
	s := e.summary
	rows := []row{
		{line: line{{"Would be: ", plain}, {counted(store.Counts{Created: s.Created, Updated: s.Updated, Unchanged: s.Unchanged, Held: s.Held, Failed: s.Failed}), strong}, {fmt.Sprintf(" of %s", number(s.Total)), plain}}},
		{line: toned(faint, "Nothing was written.")},
	}
	for _, warning := range s.Warnings {
		rows = append(rows, prose(warn, "! "+warning))
	}
	rows = append(rows, row{})
	// What would be written comes before what stays as it is.
	shown := slices.Clone(s.Planned)
	order := []store.State{store.Failed, store.Held, store.Created, store.Updated, store.Unchanged}
	slices.SortStableFunc(shown, func(x, y engine.Planned) int { return slices.Index(order, x.State) - slices.Index(order, y.State) })
	for i, p := range shown {
		if i == maxPreviewed {
			rows = append(rows, row{line: toned(faint, "... and "+number(int64(len(shown)-i))+" more")})
			break
		}
		what := strings.Join(p.Writes, ", ")
		if p.Detail != "" {
			what = strings.TrimPrefix(what+"; "+p.Detail, "; ")
		}
		rows = append(rows, row{line: line{{pad(clean(p.Label), 24) + "  ", plain}, {pad(string(p.State), 9) + "  ", stateTone(p.State)}, {what, plain}}, wrap: true})
	}
	page.rows, page.busy, page.left = rows, false, nil
	return nil
}
