package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
	"cartiger/store"
)

// exports is tab 4: exporting products, customers and orders of the past, following the shop, and what became of it all.
type exports struct {
	grid       grid
	unfinished map[string]store.Run
	closed     map[string]bool
	since      string  // orders of the past: placed since, yyyy-mm-dd; "" = not chosen, nothing is exported
	checking   bool    // the checks before an export are being asked
	page       *dialog // of the preview that is being made
}

func (x *exports) list() *grid { return &x.grid }

func (x *exports) show(a *app) tea.Cmd { return x.look(a) }

// lookEvent says which exports are unfinished and which are closed for good.
type lookEvent struct {
	unfinished map[string]store.Run
	closed     map[string]bool
	err        error
}

// look asks the engine and not the last runs: what makes an export unfinished or closed for good is its rule
// (rules.md 7).
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
		// The only value of this tab that is typed. It is no draft: it is for the next export and is saved nowhere.
		if a.ed != nil && a.ed.row == r.id {
			r.line = columns(32, kindColumns[:2], span{kindTitle(kind), plain}, span{"since", faint}).and(span{"  ", plain}).and(a.ed.field(&a.th, 14)...)
		}
		rows = append(rows, r)
		if active && running.Kind == kind {
			rows = append(rows, x.progress(a, running, w)...)
		} else if run, open := x.unfinished[kind]; open && a.own[kind] == nil {
			for _, r := range paragraph(toned(warn, " "+unfinishedSentence(run)), w-2) {
				r.kids = true
				rows = append(rows, r)
			}
		}
	}
	// Retrying and verifying have no row to start them from, but hold the run: what stands in the way must be seen.
	if active && slices.Contains(otherKinds, running.Kind) {
		state, words := x.stateOf(a, running.Kind)
		l := columns(w-3, kindColumns, span{kindTitle(running.Kind), plain}, state, span{words, plain})
		rows = append(rows, row{line: line{{" ", plain}}.and(l...)})
		rows = append(rows, x.progress(a, running, w)...)
	}
	rows = append(rows, row{})
	if levels := a.live.shownLevels(w - 15); active || slices.Max(levels) > 0 {
		rows = append(rows, row{line: line{{fmt.Sprintf("last %d s   ", len(levels)), faint}, {a.th.spark(levels), bar}}})
	}
	// The last records have what the other rows leave, and the first of those that need a person stay in view.
	troubles := a.troubleRows(w)
	room := a.bodyHeight() - len(rows) - 1 - min(len(troubles), 4)
	if last := a.live.lastRecords(min(max(room, 3), 10)); len(last) > 0 {
		for _, e := range last {
			rows = append(rows, row{line: entryLine(e, timeOf(e, a.opt.Now()), w-2)})
		}
		rows = append(rows, row{})
	}
	return append(rows, troubles...)
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
		// A running run has a message only while it waits, for a server that is away or asks to slow down.
		if running.Message != "" {
			if state.text == "running" {
				state = span{"waiting", warn}
			}
			return state, running.Message
		}
		return state, "started " + running.Started.Local().Format("15:04:05") + " by " + running.Who
	}
	if a.own[kind] != nil {
		return span{"starting", good}, "logging in and reading the CRM's fields ..."
	}
	if kind == "watch" {
		// Why watch broke off stays until it runs again: nobody may have looked when it did.
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
	// That it can be done once is said before it is done.
	case kind == "customers" && n >= 0:
		return ready, number(n) + " to look at; can be exported once"
	case kind == "customers":
		return ready, "can be exported once"
	case ran && last.State == store.Finished:
		return ready, day(last.Ended, a.opt.Now()) + ": " + counted(last.Counts)
	case n >= 0:
		return ready, number(n) + " to look at; known codes are left alone"
	}
	return ready, "known codes are left alone"
}

// does says what a kind of run does, and to how many or which records.
func does(kind, which string) string {
	switch kind {
	case "products":
		return which + " products of the shop are looked at, without combinations. Those whose code the CRM has are left alone, the others are created."
	case "customers":
		return which + " customers of the shop are looked at. Those whose e-mail the CRM has are left alone; the others become Leads, or Contacts if they have ordered. Customers can be exported once."
	case "orders":
		return which + " are written with what they need: customer, account, products. Those that are in the CRM stay as they are."
	}
	return "Carries over what changes in the shop: registrations, logins, orders, their states and lines, new products."
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

// kind is the kind under the cursor.
func (x *exports) kind() (string, bool) { return strings.CutPrefix(x.grid.cursor, "kind:") }

func (x *exports) act(a *app, act action) (tea.Cmd, string) {
	kind, onKind := x.kind()
	switch act {
	case open:
		if !onKind {
			return a.openRecord(x.grid.cursor), ""
		}
		// An unfinished export has its date: another one would be another export.
		if _, open := x.unfinished[kind]; kind == "orders" && !open {
			x.editSince(a, false)
			return nil, ""
		}
		run, ran := a.live.runs[kind]
		if !ran {
			return nil, kindTitle(kind) + " never ran: " + map[bool]string{true: "w", false: "e"}[kind == "watch"] + " starts it."
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
	// Enter must take something: the beginning of the year is the usual wish, and up and down start from a date.
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
	// Orders of the past are off by default (rules.md 7): without a date nothing is exported, and all is not offered.
	case kind == "orders" && x.since == "" && !open:
		x.editSince(a, true)
		return nil, ""
	// No question and no checks: both came when it began, and it goes on with what it was started with.
	case open:
		return x.run(a, kind, x.options(kind, true)), ""
	case x.checking:
		return nil, "The checks are being made."
	}
	// Asked anew and not taken from Details: the answer there may be from before somebody changed the CRM.
	x.checking = true
	a.say(faint, "checking shop and CRM before the export ...")
	return a.details.askThen(a, func(a *app) tea.Cmd {
		x.checking = false
		// The checks take seconds, in which a person goes on. A question may not open over what is being done there.
		if a.at != onExport || !a.free() {
			a.say(plain, "The checks are done: e on 4 Export goes on.")
			return nil
		}
		x.confirm(a, kind)
		return nil
	}), ""
}

// options are those of the kind. A day begins at midnight where the console runs; what is resumed keeps the date of
// its beginning.
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
	which := "All"
	if n := a.inShop(kind); n > 0 {
		which = number(n)
	}
	if kind == "orders" {
		which = "Orders placed since " + x.since
	}
	rows = append(rows, prose(plain, does(kind, which)))
	rows = append(rows, row{}, heading("Checks"))
	for _, c := range a.details.status.Checks {
		if c.Level == engine.OK {
			continue
		}
		w := levelWord(c.Level)
		r := row{line: line{{"  " + pad(clean(c.Title), 18), plain}, {pad(w.text, 9), w.tone}, {c.Text, plain}}, wrap: true}
		rows = append(rows, r)
		// Other failures stop some records, which are held with their reason; these would stop all.
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

func (x *exports) run(a *app, kind string, o engine.ExportOptions) tea.Cmd {
	a.clear()
	return a.begin(kind, func(ctx context.Context) endedEvent {
		sum, err := a.eng.Export(ctx, kind, o)
		return endedEvent{summary: sum, err: err}
	})
}

func (x *exports) pane(a *app) []row {
	kind, ok := x.kind()
	if !ok {
		return a.recordPane(x.grid.cursor)
	}
	which := "All"
	if kind == "orders" {
		which = kindTitle(kind)
	}
	rows := []row{heading(kindTitle(kind)), {}, prose(faint, does(kind, which)), {}}
	if run, ran := a.live.runs[kind]; ran {
		return append(rows, runRows(run)...)
	}
	return append(rows, prose(faint, "Never ran."))
}

func (x *exports) hint(a *app) note {
	kind, ok := x.kind()
	if !ok {
		return a.recordHint(x.grid.cursor)
	}
	if run, active := a.live.running(); active {
		switch {
		case a.own[run.Kind] == nil && run.State == store.Paused:
			return hintOf(warn, "Paused; run by "+run.Who+": p lets it go on, x stops it.")
		case a.own[run.Kind] == nil && run.Message == "":
			return hintOf(plain, "Run by "+run.Who+": p asks it to pause, x to stop.")
		case run.State == store.Paused:
			return hintOf(warn, "Paused: p lets it go on, x stops it.")
		case run.Message != "":
			return hintOf(warn, sentence(run.Message))
		case run.Kind == "watch":
			return hintOf(plain, "The shop is followed while this window is open; `cartiger watch` needs none.")
		}
		return hintOf(plain, "Closing this window loses nothing: what is finished is saved one by one.")
	}
	_, words := x.stateOf(a, kind)
	_, open := x.unfinished[kind]
	switch {
	case width(clean(words)) > a.listWidth()-2-wordsIndent:
		return hintOf(plain, words)
	case kind == "watch":
		return hintOf(plain, "w follows the shop while this window is open; `cartiger watch` does it without.")
	case open || x.closed[kind] || len(a.settings.Missing()) > 0:
		return note{}
	case kind == "orders" && x.since == "":
		return hintOf(plain, "enter sets since when orders are exported; new ones come by following the shop.")
	}
	return hintOf(plain, "e exports after a question, d shows first what would be written.")
}

const wordsIndent = 34 // cells before the words of a kind
