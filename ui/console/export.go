package console

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/store"
)

// exports is tab 4: exporting products, customers and orders of the past, following the shop, and what became of it all.
type exports struct {
	grid       grid
	unfinished map[string]store.Run
	closed     map[string]bool
	since      string // orders of the past: placed since, yyyy-mm-dd; "" = not chosen, nothing is exported
	checking   bool   // the checks before an export are being asked
	previewing context.CancelFunc
}

// ownRun is a run of this process.
type ownRun struct {
	cancel   context.CancelFunc
	stopping bool
}

// retryKind is the kind of the run that carries held and failed records again.
const retryKind = "retry"

func (x *exports) list() *grid { return &x.grid }

func (x *exports) show(a *app) tea.Cmd { return x.look(a) }

// lookEvent says which exports are unfinished and which are closed for good.
type lookEvent struct {
	unfinished map[string]store.Run
	closed     map[string]bool
	err        error
}

func (x *exports) look(a *app) tea.Cmd {
	return a.jobs.do(func(ctx context.Context) event {
		e := lookEvent{map[string]store.Run{}, map[string]bool{}, nil}
		for _, kind := range kinds[:3] {
			run, open, err := a.eng.Unfinished(ctx, kind)
			if err != nil {
				return lookEvent{err: err}
			}
			if open {
				e.unfinished[kind] = run
			}
			if e.closed[kind], err = a.eng.Closed(ctx, kind); err != nil {
				return lookEvent{err: err}
			}
		}
		return e
	})
}

func (e lookEvent) apply(a *app) tea.Cmd {
	if e.err != nil {
		a.fail("read the runs", e.err)
		return nil
	}
	a.export.unfinished, a.export.closed = e.unfinished, e.closed
	return nil
}

// entityOf is the entity that a kind of run carries.
func entityOf(kind string) store.Entity {
	return map[string]store.Entity{"products": store.Product, "customers": store.Customer, "orders": store.Order}[kind]
}

// inShop is how many records the shop has, -1 = not known.
func (a *app) inShop(kind string) int64 {
	for _, s := range a.details.status.Entities {
		if s.Entity == entityOf(kind) {
			return s.InShop
		}
	}
	return -1
}

var kindColumns = []column{{w: 18}, {w: 12}, {}}

func (x *exports) rows(a *app, w int) []row {
	var rows []row
	running, active := a.live.running()
	for _, kind := range kinds {
		state, words := x.stateOf(a, kind)
		r := row{id: "kind:" + kind, line: columns(w-2, kindColumns, span{kindTitle(kind), plain}, state, span{words, plain})}
		if a.ed != nil && a.ed.row == r.id {
			r.line = columns(32, kindColumns[:2], span{kindTitle(kind), plain}, span{"since", faint}).and(span{"  ", plain}).and(a.ed.field(&a.th, 14)...)
		}
		rows = append(rows, r)
		if active && running.Kind == kind {
			rows = append(rows, x.progress(a, running, w)...)
		} else if run, open := x.unfinished[kind]; open && a.own[kind] == nil {
			for _, s := range wrap(unfinishedSentence(run), w-4) {
				rows = append(rows, row{kids: true, line: toned(warn, " "+s)})
			}
		}
	}
	if active && slices.Contains(otherKinds, running.Kind) {
		rows = append(rows, row{line: line{{" " + pad(kindTitle(running.Kind), 18) + "  ", plain}, {"running", good}}})
		rows = append(rows, x.progress(a, running, w)...)
	}
	if levels := a.live.shownLevels(w - 15); active || slices.Max(levels) > 0 {
		rows = append(rows, row{}, row{line: line{{fmt.Sprintf("last %d s   ", len(levels)), faint}, {a.th.spark(levels), bar}}})
	}
	rows = append(rows, x.recent(a, w)...)
	rows = append(rows, row{})
	return append(rows, a.troubleRows(w)...)
}

// shownLevels is the rate of the last seconds as last drawn, at most n of them.
func (l *live) shownLevels(n int) []int64 {
	if l.levels == nil {
		return make([]int64, min(n, keptSeconds))
	}
	return l.levels[max(0, keptSeconds-n):]
}

// stateOf is a kind's state word and the sentence behind it.
func (x *exports) stateOf(a *app, kind string) (span, string) {
	running, active := a.live.running()
	last, ran := a.live.runs[kind]
	if active && running.Kind == kind {
		state := span{"running", good}
		if running.State == store.Paused {
			state = span{"paused", warn}
		}
		if own := a.own[kind]; own != nil && own.stopping {
			state = span{"stopping", warn}
		}
		words := "started " + running.Started.Local().Format("15:04:05") + " by " + running.Who
		if running.Message != "" {
			words += "; " + running.Message
		}
		return state, words
	}
	if a.own[kind] != nil {
		return span{"starting", good}, ""
	}
	if kind == "watch" {
		if ran && last.Message != "" && last.State == store.Broken {
			return span{"stopped", bad}, last.Message
		}
		return span{"stopped", plain}, "w carries over what changes in the shop"
	}
	if run, open := x.unfinished[kind]; open {
		return span{"unfinished", warn}, unfinishedWords(run)
	}
	if x.closed[kind] {
		return span{"closed", plain}, "exported " + day(last.Ended, a.opt.Now()) + "; that can be done once"
	}
	ready := span{"ready", plain}
	n := a.inShop(kind)
	switch {
	case kind == "orders" && x.since == "":
		return span{"off", plain}, "enter sets the date since when"
	case kind == "orders":
		return ready, "placed since " + x.since
	case len(a.settings.Missing()) > 0:
		return span{"not ready", warn}, "the connection is not set up: 2 Connection"
	case kind == "customers" && n >= 0:
		return ready, number(n) + " to look at; can be exported once"
	case kind == "customers":
		return ready, "can be exported once"
	case ran && last.State == store.Finished:
		return ready, day(last.Ended, a.opt.Now()) + ": " + counted(last.Counts)
	case n >= 0:
		return ready, number(n) + " to look at; known codes are left alone"
	}
	return ready, ""
}

func unfinishedWords(run store.Run) string {
	total := "?"
	if run.Total > 0 {
		total = number(run.Total)
	}
	return number(run.Sum()) + " of " + total
}

func unfinishedSentence(run store.Run) string {
	return "The previous export isn't finished yet: " + unfinishedWords(run) + ". e goes on, d shows what is left."
}

// counted says the outcomes that there are.
func counted(c store.Counts) string {
	var parts []string
	for _, p := range []struct {
		name string
		n    int64
	}{{"created", c.Created}, {"updated", c.Updated}, {"unchanged", c.Unchanged}, {"held", c.Held}, {"failed", c.Failed}} {
		if p.n > 0 {
			parts = append(parts, p.name+" "+number(p.n))
		}
	}
	if parts == nil {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}

// day is a moment as people say it: the time today, else the date.
func day(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	switch {
	case t.IsZero():
		return "before"
	case t.Format(time.DateOnly) == now.Format(time.DateOnly):
		return "today " + t.Format("15:04")
	case t.Year() == now.Year():
		return t.Format("2 Jan")
	}
	return t.Format("Jan 2006")
}

const barWidth = 54

// progress is the bar of a run and its figures.
func (x *exports) progress(a *app, run store.Run, w int) []row {
	if run.Kind == "watch" {
		return []row{{kids: true, line: line{{" " + carried(run), plain}, {"   " + requests(run), faint}}}}
	}
	done := run.Sum()
	total := "?"
	if run.Total > 0 {
		total = number(run.Total)
	}
	figures := "  " + number(done) + " / " + total
	bw := min(barWidth, w-6-width(figures))
	l := line{{" ", plain}}.and(a.th.bar(bw, done, run.Total)...).and(span{figures, strong})
	words := []string{" created " + number(run.Created)}
	if run.Updated > 0 {
		words = append(words, "updated "+number(run.Updated))
	}
	if w >= fullWidth {
		words = append(words, "unchanged "+number(run.Unchanged))
	}
	c := line{{strings.Join(words, "  "), plain}, {"  held " + number(run.Held), troubleTone(run.Held, warn)}, {"  failed " + number(run.Failed), troubleTone(run.Failed, bad)}}
	speed := a.live.speed()
	pace := ""
	if speed >= 0.05 && run.State == store.Running {
		pace = fmt.Sprintf("%.0f/s", speed)
		if speed < 10 {
			pace = fmt.Sprintf("%.1f/s", speed)
		}
	}
	if w >= fullWidth && run.Workers > 0 {
		pace = strings.TrimPrefix(pace+", "+plural(int64(run.Workers), "worker"), ", ")
	}
	if speed >= 0.05 && run.Total > done && run.State == store.Running {
		pace += "   ETA " + eta(float64(run.Total-done)/speed)
	}
	gap := max(2, w-4-width(c.String())-width(pace))
	if gap > 6 {
		gap = 4
	}
	return []row{{kids: true, line: l}, {kids: true, line: c.and(span{strings.Repeat(" ", gap) + pace, faint})}}
}

// carried is what watch has done since it was started.
func carried(run store.Run) string {
	if run.Sum() == 0 {
		return "no change yet"
	}
	return counted(run.Counts)
}

func requests(run store.Run) string {
	return fmt.Sprintf("%s shop requests, %s CRM requests", number(run.ShopRequests), number(run.CRMRequests))
}

func troubleTone(n int64, t tone) tone {
	if n == 0 {
		return plain
	}
	return t
}

// eta is a number of seconds as people say it.
func eta(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm %02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh %02dm", int(d.Hours()), int(d.Minutes())%60)
}

var entryColumns = []column{{w: 8}, {w: 24}, {w: 9}, {}}

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

// recent are the last records, at most as many as leave room for the rest.
func (x *exports) recent(a *app, w int) []row {
	n := min(max(a.bodyHeight()-15, 3), 10)
	var rows []row
	for _, e := range a.live.recent[max(0, len(a.live.recent)-n):] {
		rows = append(rows, row{line: entryLine(e, w-2)})
	}
	return rows
}

// kind is the kind under the cursor.
func (x *exports) kind() (string, bool) { return strings.CutPrefix(x.grid.cursor, "kind:") }

func (x *exports) act(a *app, act action) (tea.Cmd, string) {
	kind, onKind := x.kind()
	switch act {
	case open:
		if !onKind {
			return a.openRecord(x.grid.cursor), ""
		}
		if kind == "orders" {
			x.editSince(a, false)
			return nil, ""
		}
		run, ran := a.live.runs[kind]
		if !ran {
			return nil, kindTitle(kind) + " never ran: e starts it."
		}
		a.page(kindTitle(kind), runRows(run))
	case export:
		if !onKind {
			return nil, "e exports products, customers or orders: put the cursor on one of them. r retries a record."
		}
		return x.start(a, kind)
	case preview:
		if !onKind || kind == "watch" {
			return nil, "d shows what an export would write: put the cursor on products, customers or orders."
		}
		return x.preview(a, kind)
	case pause, stop, watch, retry, retryAll:
		return a.runKey(act, x.grid.cursor)
	}
	return nil, ""
}

// editSince sets the date since when orders of the past are exported.
func (x *exports) editSince(a *app, thenExport bool) {
	ed := dateEditor("kind:orders", x.since)
	if x.since == "" {
		ed.input.SetValue(fmt.Sprintf("%d-01-01", a.opt.Now().Year()))
		ed.input.CursorEnd()
	}
	ed.done = func(a *app, value, _ string) tea.Cmd {
		x.since = value
		if thenExport {
			cmd, why := x.start(a, "orders")
			if why != "" {
				a.say(warn, why)
			}
			return cmd
		}
		a.say(plain, "e exports the orders placed since "+value+", d shows what would be written.")
		return nil
	}
	a.ed = ed
}

// busy says who runs what, when something runs.
func (a *app) busy() string {
	if run, active := a.live.running(); active {
		if a.own[run.Kind] != nil {
			how := "x stops it, p pauses it"
			if run.Kind == "watch" {
				how = "w stops it"
			}
			return runName(run.Kind) + " runs already: " + how + "."
		}
		return fmt.Sprintf("%s runs %s since %s: p asks to pause, x to stop.", run.Who, strings.ToLower(kindTitle(run.Kind)), run.Started.Local().Format("15:04:05"))
	}
	for _, kind := range slices.Sorted(maps.Keys(a.own)) {
		return runName(kind) + " runs already."
	}
	return ""
}

// start begins an export, or goes on with an unfinished one. A new one is asked about first, with the checks.
func (x *exports) start(a *app, kind string) (tea.Cmd, string) {
	if why := a.busy(); why != "" {
		return nil, why
	}
	_, open := x.unfinished[kind]
	switch {
	case kind == "watch":
		return a.runKey(watch, "")
	case len(a.settings.Missing()) > 0:
		return nil, "The connection is not set up: " + missingWords(a) + ". 2 Connection."
	case x.closed[kind]:
		return nil, "Customers can be exported once, and were. `cartiger export customers --help` says how to reopen it."
	case kind == "orders" && x.since == "" && !open:
		x.editSince(a, true)
		return nil, ""
	case open:
		return x.run(a, kind, x.options(kind, true)), ""
	case x.checking:
		return nil, "The checks are being made."
	}
	x.checking = true
	a.say(faint, "checking shop and CRM before the export ...")
	return a.details.askThen(a, func(a *app) tea.Cmd {
		x.checking = false
		if a.at != onExport || !a.free() {
			a.say(plain, "The checks are done: e on 4 Export goes on.")
			return nil
		}
		x.confirm(a, kind)
		return nil
	}), ""
}

func (x *exports) options(kind string, resume bool) engine.ExportOptions {
	o := engine.ExportOptions{Resume: resume}
	if kind == "orders" && x.since != "" && !resume {
		o.Since, _ = time.ParseInLocation(time.DateOnly, x.since, time.Local)
	}
	return o
}

// confirm shows the checks and asks for y.
func (x *exports) confirm(a *app, kind string) {
	a.clear()
	var blocked []row
	rows := []row{}
	all := "All"
	if n := a.inShop(kind); n > 0 {
		all = number(n)
	}
	switch kind {
	case "products":
		rows = append(rows, prose(plain, all+" products of the shop are looked at. Those whose code the CRM has are left alone, the others are created."))
	case "customers":
		rows = append(
			rows, prose(plain, all+" customers of the shop are looked at. Those whose e-mail the CRM has are left alone; the others become Leads, or Contacts if they have ordered."),
			prose(plain, "Customers can be exported once."))
	case "orders":
		rows = append(rows, prose(plain, "Orders placed since "+x.since+" are written with what they need: customer, account, products."))
	}
	rows = append(rows, row{}, heading("Checks"))
	for _, c := range a.details.status.Checks {
		if c.Level == engine.OK {
			continue
		}
		w := levelWord(c.Level)
		r := row{line: line{{"  " + pad(clean(c.Title), 18), plain}, {pad(w.text, 9), w.tone}, {c.Text, plain}}}
		rows = append(rows, r)
		if c.Level == engine.Failure && slices.Contains(blocking, c.ID) {
			blocked = append(blocked, r, prose(plain, "  "+c.Cure))
		}
	}
	if blocked != nil {
		a.page(kindTitle(kind)+" cannot be exported now", blocked)
		return
	}
	if a.details.status.Worst() == engine.OK {
		rows = append(rows, row{line: toned(good, "  all ok")})
	}
	rows = append(rows, row{}, prose(faint, "Every record is saved one by one: it can be stopped or cut off at any moment and goes on later. d shows first what would be written."))
	a.ask(question{
		title: "Export " + strings.ToLower(kindTitle(kind)) + " into the CRM?",
		rows:  rows,
		run:   func(a *app) tea.Cmd { return x.run(a, kind, x.options(kind, false)) },
		also: map[action]func(a *app) tea.Cmd{preview: func(a *app) tea.Cmd {
			cmd, why := x.preview(a, kind)
			if why != "" {
				a.say(warn, why)
			}
			return cmd
		}},
	})
}

// endedEvent ends a run of this process.
type endedEvent struct {
	kind    string
	summary engine.Summary
	err     error
}

// begin runs something that holds the run, until it ends or is stopped.
func (a *app) begin(kind string, work func(ctx context.Context) (engine.Summary, error)) tea.Cmd {
	ctx, cancel := context.WithCancel(a.jobs.ctx)
	a.own[kind] = &ownRun{cancel: cancel}
	return tea.Batch(a.tick(fastPoll), a.jobs.do(func(context.Context) event {
		defer cancel()
		sum, err := work(ctx)
		return endedEvent{kind, sum, err}
	}))
}

func (x *exports) run(a *app, kind string, o engine.ExportOptions) tea.Cmd {
	a.say(plain, "Closing this window loses nothing: what is finished is saved one by one.")
	return a.begin(kind, func(ctx context.Context) (engine.Summary, error) { return a.eng.Export(ctx, kind, o) })
}

func (e endedEvent) apply(a *app) tea.Cmd {
	own := a.own[e.kind]
	delete(a.own, e.kind)
	stopped := own != nil && own.stopping
	name := runName(e.kind)
	counts := store.Counts{Created: e.summary.Created, Updated: e.summary.Updated, Unchanged: e.summary.Unchanged, Held: e.summary.Held, Failed: e.summary.Failed}
	switch {
	case a.leaving:
	case stopped && (e.err == nil || errors.Is(e.err, context.Canceled)):
		words := name + " is stopped."
		if e.kind != "watch" && e.kind != retryKind {
			words += " Nothing is lost: e goes on where it stopped."
		}
		a.say(plain, words)
	case e.err != nil:
		a.fail("finish "+strings.ToLower(name[:1])+name[1:], e.err)
	case e.kind == "watch":
		a.say(plain, name+" has ended.")
	case e.summary.State == string(store.Stopped):
		a.say(plain, name+" was stopped: e goes on where it stopped.")
	case counts.Held+counts.Failed > 0:
		a.say(warn, name+" is done: "+counted(counts)+". The list below says why.")
	default:
		a.say(good, name+" is done: "+counted(counts)+".")
	}
	return tea.Batch(a.export.look(a), a.details.read(a))
}

// previewedEvent brings what an export would write.
type previewedEvent struct {
	kind    string
	summary engine.Summary
	err     error
}

func (x *exports) preview(a *app, kind string) (tea.Cmd, string) {
	switch {
	case x.previewing != nil:
		return nil, "A preview is being made."
	case len(a.settings.Missing()) > 0:
		return nil, "The connection is not set up: " + missingWords(a) + "."
	case kind == "orders" && x.since == "":
		x.editSince(a, false)
		return nil, ""
	}
	_, open := x.unfinished[kind]
	o := x.options(kind, open)
	o.DryRun = true
	ctx, cancel := context.WithCancel(a.jobs.ctx)
	x.previewing = cancel
	a.dlg = &dialog{
		title: "Preview of " + strings.ToLower(kindTitle(kind)), at: inPage, busy: true,
		rows: []row{prose(faint, "asking shop and CRM what would be written; nothing is written. esc leaves.")},
		left: func(*app) tea.Cmd { cancel(); return nil },
	}
	return a.jobs.do(func(context.Context) event {
		defer cancel()
		sum, err := a.eng.Export(ctx, kind, o)
		return previewedEvent{kind, sum, err}
	}), ""
}

// maxPreviewed bounds the page of a preview: nobody reads further, and the command line prints all of it.
const maxPreviewed = 2000

func (e previewedEvent) apply(a *app) tea.Cmd {
	a.export.previewing = nil
	if a.dlg == nil || !strings.HasPrefix(a.dlg.title, "Preview of") {
		return nil // the person has left
	}
	if e.err != nil {
		a.dlg = nil
		if problem.KindOf(e.err) == problem.Conflict {
			a.say(warn, describe(e.err))
		} else {
			a.fail("make the preview", e.err)
		}
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
		rows = append(rows, row{line: line{{pad(clean(p.Label), 24) + "  ", plain}, {pad(string(p.State), 9), stateTone(p.State)}, {"  " + what, plain}}})
	}
	a.dlg.rows, a.dlg.top, a.dlg.busy, a.dlg.left = rows, 0, false, nil
	return nil
}

// runRows is everything about a run.
func runRows(run store.Run) []row {
	var rows []row
	fact := func(name, v string) {
		if v != "" {
			rows = append(rows, row{line: line{{pad(name, 12), faint}, {v, plain}}})
		}
	}
	moment := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Local().Format("2006-01-02 15:04:05")
	}
	fact("state", string(run.State))
	fact("by", run.Who)
	fact("started", moment(run.Started))
	fact("ended", moment(run.Ended))
	if run.Total > 0 {
		fact("records", unfinishedWords(run))
	}
	fact("outcome", counted(run.Counts))
	fact("requests", fmt.Sprintf("shop %s, CRM %s", number(run.ShopRequests), number(run.CRMRequests)))
	if run.Workers > 0 {
		fact("workers", number(int64(run.Workers)))
	}
	if run.Message != "" {
		rows = append(rows, row{}, prose(plain, run.Message))
	}
	return rows
}

func (x *exports) pane(a *app) []row {
	kind, ok := x.kind()
	if !ok {
		return a.recordPane(x.grid.cursor)
	}
	rows := []row{heading(kindTitle(kind)), {}}
	if run, ran := a.live.runs[kind]; ran {
		return append(rows, runRows(run)...)
	}
	return append(rows, prose(faint, "Never ran."))
}

func (x *exports) hint(a *app) note {
	n := x.situation(a)
	if kind, ok := x.kind(); ok && n.text == "" && a.w < fullWidth {
		_, n.text = x.stateOf(a, kind) // cut off in its row
	}
	return n
}

func (x *exports) situation(a *app) note {
	if run, active := a.live.running(); active {
		if a.own[run.Kind] == nil {
			return note{plain, "Run by " + run.Who + ": p asks it to pause, x to stop."}
		}
		if run.State == store.Paused {
			return note{warn, "Paused: p lets it go on, x stops it."}
		}
		return note{plain, "Closing this window loses nothing: what is finished is saved one by one."}
	}
	return note{}
}
