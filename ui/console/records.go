package console

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
	"cartiger/store"
)

// recordRow is the id of a shop record's row.
func recordRow(e store.Entity, shopID int64) string { return fmt.Sprintf("record:%s:%d", e, shopID) }

// recordOf reads the shop record out of a row's id: a record's own row, or a line of the log about it.
func recordOf(row string) (store.Entity, int64, bool) {
	rest, ok := strings.CutPrefix(row, "record:")
	if !ok {
		return "", 0, false
	}
	// A line of the log has its own number behind the record's.
	parts := strings.Split(rest, ":")
	if len(parts) < 2 {
		return "", 0, false
	}
	id, err := strconv.ParseInt(parts[1], 10, 64)
	return store.Entity(parts[0]), id, err == nil && id != 0
}

// troubleColumns are: record, state, reason, since when. The reason has what short names leave.
func troubleColumns(troubles []store.Outcome) []column {
	label := 9
	for _, o := range troubles {
		label = max(label, min(width(clean(labelOf(o))), 20))
	}
	return []column{{w: label}, {w: 6}, {}, {w: 14, right: true, from: 70}}
}

// troubleRows list the held and failed records with their reasons.
func (a *app) troubleRows(w int) []row {
	n := a.live.trouble
	if n == 0 {
		return []row{{line: line{{"Held and failed  ", strong}, {"none", faint}}}}
	}
	rows := []row{{line: spread(line{{"Held and failed (" + number(n) + ")", strong}}, "r retry  R retry all", w-2)}}
	cols := troubleColumns(a.live.troubles)
	for _, o := range a.live.troubles {
		rows = append(rows, row{id: recordRow(o.Entity, o.ShopID), line: columns(w-2, cols,
			span{labelOf(o), plain}, span{string(o.State), stateTone(o.State)}, span{why(o), plain}, span{"since " + shortDay(o.Since, a.opt.Now()), faint})})
	}
	if shown := int64(len(a.live.troubles)); n > shown {
		rows = append(rows, row{line: toned(faint, "... and "+number(n-shown)+" more: `cartiger records list` prints all")})
	}
	return rows
}

// shortDay is the time today, else the date.
func shortDay(t, now time.Time) string {
	return strings.TrimPrefix(day(t, now), "today ")
}

// openRecord asks for everything about the record of a row.
func (a *app) openRecord(row string) tea.Cmd {
	entity, id, ok := recordOf(row)
	if !ok {
		a.say(plain, "There is no record to show here.")
		return nil
	}
	a.say(faint, "reading what was sent and answered ...")
	return a.jobs.do(func(ctx context.Context) event {
		view, err := a.eng.Record(ctx, entity, id)
		return recordEvent{entity, id, view, err}
	})
}

// recordEvent brings everything known of a record.
type recordEvent struct {
	entity store.Entity
	shopID int64
	view   engine.RecordView
	err    error
}

func (e recordEvent) apply(a *app) tea.Cmd {
	a.clear()
	if e.err != nil {
		a.fail("read the record", e.err)
		return nil
	}
	if !a.free() {
		return nil // the person has gone on
	}
	o := e.view.Outcome
	title := fmt.Sprintf("%s %d", e.entity, e.shopID)
	if o.Label != "" && o.Label != title {
		title = o.Label + "  (" + title + " of the shop)"
	}
	a.page(title, recordPage(e.view))
	if o.State != store.Held && o.State != store.Failed {
		return nil
	}
	page := a.dlg
	// What the page has told is why one retries: it must not have to be found again in the list.
	page.also = map[action]func(a *app) tea.Cmd{retry: func(a *app) tea.Cmd {
		cmd, why := a.runKey(retry, recordRow(e.entity, e.shopID))
		if why != "" {
			a.say(warn, why)
		}
		return cmd
	}}
	page.rows = append(page.rows, row{}, heading(wouldTitle), prose(faint, "  asking shop and CRM ..."))
	// What would be sent costs questions to both servers; what was sent is read from the state file, and shown at
	// once.
	page.busy = true
	ctx, cancel := context.WithCancel(a.jobs.ctx)
	// Nobody waits for the answer of a page that was left.
	page.left = func(*app) tea.Cmd { cancel(); return nil }
	return a.jobs.do(func(context.Context) event {
		defer cancel()
		would, err := a.eng.Would(ctx, e.entity, e.shopID)
		return wouldEvent{page, would, err}
	})
}

const wouldTitle = "What would be sent now"

// wouldEvent brings what would be sent of the record that a page shows.
type wouldEvent struct {
	page  *dialog
	would engine.Planned
	err   error
}

// It goes into the page that asked, in view or not: it may lie under the page of keys.
func (e wouldEvent) apply(*app) tea.Cmd {
	p := e.page
	p.busy, p.left = false, nil
	// Without the row that said that it was being asked.
	rows := p.rows[:len(p.rows)-1]
	switch {
	case e.err != nil:
		rows = append(rows, prose(bad, "  not known: "+describe(e.err)))
	case len(e.would.Writes) == 0 && e.would.Detail == "":
		rows = append(rows, prose(plain, "  nothing"))
	}
	for _, s := range e.would.Writes {
		rows = append(rows, prose(plain, "  "+s))
	}
	if e.would.Detail != "" {
		rows = append(rows, row{line: line{{"  " + string(e.would.State) + "  ", stateTone(e.would.State)}, {e.would.Detail, plain}}, wrap: true})
	}
	p.rows = append(rows, row{}, prose(faint, "r retries it."))
	return nil
}

// recordPage says what became of a record: what was sent, what came back.
func recordPage(v engine.RecordView) []row {
	o := v.Outcome
	rows := []row{{line: line{{string(o.State), stateTone(o.State)}, {"  " + o.CRM, plain}}}}
	if o.Detail != "" {
		rows = append(rows, prose(plain, o.Detail))
	}
	if o.Attempts > 1 {
		rows = append(rows, prose(faint, fmt.Sprintf("%d attempts, last %s", o.Attempts, o.At.Local().Format("2006-01-02 15:04:05"))))
	}
	if len(v.Links) > 0 {
		rows = append(rows, row{}, heading("Linked to"))
		for _, l := range v.Links {
			rows = append(rows, row{line: line{{"  " + pad(clean(l.Module), 12), plain}, {pad(l.CRMID, 10), strong}, {l.Key, faint}}})
		}
	}
	if len(v.Open) > 0 {
		rows = append(rows, row{}, heading("Being written"))
		for _, i := range v.Open {
			rows = append(rows, prose(plain, fmt.Sprintf("  step %d %s, %d attempts. %s", i.Step, i.Name, i.Attempts, i.LastError)))
		}
	}
	if o.Sent != "" {
		rows = append(rows, row{}, heading("What was sent"))
		rows = append(rows, document(o.Sent)...)
	}
	if o.Answer != "" {
		rows = append(rows, row{}, heading("What was answered"), prose(plain, "  "+o.Answer))
	}
	return rows
}

// document shows JSON as one row per field, so that it can be read in a narrow window.
func document(text string) []row {
	var v any
	// What is no JSON is shown as it is: it is there to be looked at.
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return []row{prose(plain, "  "+text)}
	}
	type field struct{ name, value string }
	var fields []field
	widest := 0
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				walk(strings.TrimPrefix(prefix+"."+name, "."), v[name])
			}
		case []any:
			for i, item := range v {
				walk(prefix+"["+strconv.Itoa(i)+"]", item)
			}
		default:
			fields = append(fields, field{"  " + prefix, fmt.Sprint(v)})
			widest = max(widest, width(clean(prefix))+2)
		}
	}
	walk("", v)
	var rows []row
	for _, f := range fields {
		rows = append(rows, fact(f.name, min(widest, 40)+1, f.value))
	}
	return rows
}

// recordHint is why the record of a row is held or failed: its row may cut that off.
func (a *app) recordHint(cursor string) note {
	if o, ok := a.troubleAt(cursor); ok {
		return hintOf(plain, sentence(why(o)))
	}
	return note{}
}

// troubleAt is the held or failed record of a row.
func (a *app) troubleAt(cursor string) (store.Outcome, bool) {
	entity, id, ok := recordOf(cursor)
	i := slices.IndexFunc(a.live.troubles, func(o store.Outcome) bool { return ok && o.Entity == entity && o.ShopID == id })
	if i < 0 {
		return store.Outcome{}, false
	}
	return a.live.troubles[i], true
}

// why is the detail, a sentence; the reason is one word for programs.
func why(o store.Outcome) string {
	if o.Detail == "" {
		return o.Reason
	}
	return o.Detail
}

// labelOf names a record, by its id where the shop gave it no name.
func labelOf(o store.Outcome) string {
	if o.Label == "" {
		return fmt.Sprintf("%s %d", o.Entity, o.ShopID)
	}
	return o.Label
}

// recordPane is the short form of a record beside the list.
func (a *app) recordPane(row_ string) []row {
	entity, id, ok := recordOf(row_)
	if !ok {
		return nil
	}
	o, ok := a.troubleAt(row_)
	if !ok {
		return []row{heading(fmt.Sprintf("%s %d", entity, id)), {}, prose(faint, "enter shows what was sent and answered.")}
	}
	rows := []row{heading(labelOf(o)), {}}
	rows = append(rows, recordPage(engine.RecordView{Outcome: o})...)
	return append(rows, row{}, prose(faint, "enter shows also what would be sent now."))
}
