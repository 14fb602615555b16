package console

import (
	"context"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/dustin/go-humanize"

	"cartiger/engine"
	"cartiger/store"
)

// details is tab 1: the checks with their cures, and what became of the shop's records.
type details struct {
	grid      grid
	status    engine.Status
	known     bool // a status is there, asked or remembered
	asked     bool // shop and CRM were asked by this console
	asking    bool
	old       bool                          // what was changed since makes the last answer untrue
	counts    map[store.Entity]store.Counts // of the table as it is shown
	countedAt time.Time
}

// statusEvent brings a status: from the state file, or asked of shop and CRM.
type statusEvent struct {
	status engine.Status
	asked  bool
	err    error
	then   func(a *app) tea.Cmd
}

// read takes the last known status from the state file.
func (d *details) read(a *app) tea.Cmd {
	return a.jobs.do(func(ctx context.Context) event {
		st, err := a.eng.StoredStatus(ctx)
		return statusEvent{status: st, err: err}
	})
}

// ask shows what the state file remembers, and asks shop and CRM.
func (d *details) ask(a *app) tea.Cmd { return d.askThen(a, nil) }

// askThen goes on with what depends on the answer. The state file's memory is shown meanwhile: two servers may take
// seconds, and an empty screen looks like a fault.
func (d *details) askThen(a *app, then func(a *app) tea.Cmd) tea.Cmd {
	d.asking, d.old = true, false
	return a.jobs.stream(func(ctx context.Context, tell func(event)) {
		if st, err := a.eng.StoredStatus(ctx); err == nil {
			tell(statusEvent{status: st})
		}
		st, err := a.eng.Status(ctx)
		tell(statusEvent{st, true, err, then})
	})
}

func (e statusEvent) apply(a *app) tea.Cmd {
	d := &a.details
	if e.asked {
		d.asking = false
	}
	switch {
	case e.err != nil:
		a.export.checking = false
		a.fail("ask shop and CRM", e.err)
		return nil
	case e.asked || !d.asked:
		d.status, d.known = e.status, true
		d.asked = d.asked || e.asked
	default:
		// What the state file remembers is no newer than what was asked, except for the counts.
		d.status.Entities = e.status.Entities
	}
	if e.then != nil {
		return e.then(a)
	}
	return nil
}

func (d *details) list() *grid { return &d.grid }

func (d *details) show(a *app) tea.Cmd {
	if !a.ready {
		return nil
	}
	// Shop and CRM are asked when a person looks, not by the clock: an open console costs the servers nothing.
	stale := !d.asked || d.old || a.opt.Now().Sub(d.status.At) > freshFor
	if stale && !d.asking && len(a.settings.Missing()) == 0 {
		return d.ask(a)
	}
	return d.read(a)
}

// freshFor is how long an answer of shop and CRM is shown without asking again when a person comes back to it.
const freshFor = time.Minute

// outdated says that shop and CRM must be asked again: at once where it is seen.
func (d *details) outdated(a *app) tea.Cmd {
	d.old = true
	if a.at == onDetails {
		return d.show(a)
	}
	return d.read(a)
}

// levelWord is how a check's level is written: trouble in capitals, so that it is seen without colours.
func levelWord(l engine.Level) span {
	switch l {
	case engine.Warning:
		return span{"WARNING", warn}
	case engine.Failure:
		return span{"FAILED", bad}
	}
	return span{"ok", good}
}

// entityTitle is the plural that people read.
func entityTitle(e store.Entity) string {
	switch e {
	case store.Product:
		return "Products"
	case store.Customer:
		return "Customers"
	case store.Order:
		return "Orders"
	case store.Invoice:
		return "Invoices"
	case store.Currency:
		return "Currencies"
	}
	return string(e)
}

// number has its thousands apart; what is not known is no zero.
func number(n int64) string {
	if n < 0 {
		return "?"
	}
	return humanize.Comma(n)
}

const checkIndent = 29 // cells before a check's text

var (
	checkColumns  = []column{{w: 18}, {w: 7}, {}}
	entityColumns = []column{
		{w: 11},
		{w: 8, right: true},
		{w: 8, right: true},
		{w: 8, right: true, from: fullWidth - 2},
		{w: 6, right: true},
		{w: 6, right: true},
		{from: fullWidth - 2},
	}
)

func (d *details) rows(a *app, w int) []row {
	var rows []row
	head := line{{"Nothing is connected yet", strong}}
	if url := a.settings.Get(engine.CRMURL); url != "" {
		head = line{{"Connection to ", plain}, {url, strong}, {" (" + a.settings.Get(engine.CRMUser) + ")", plain}}
	}
	when := ""
	switch {
	case d.asking:
		when = "asking shop and CRM ..."
	case d.known && !d.status.At.IsZero():
		when = "checked " + d.status.At.Local().Format("15:04:05")
	}
	rows = append(rows, row{line: spread(head, when, w-2)})
	if !d.known {
		return append(rows, row{line: toned(faint, "  reading the state file ...")})
	}
	for _, c := range d.status.Checks {
		c = current(a, c)
		rows = append(rows, row{id: "check:" + c.ID, line: columns(w-2, checkColumns, span{c.Title, plain}, levelWord(c.Level), span{c.Text, plain})})
	}
	heads := []span{{"", faint}, {"in shop", faint}, {"linked", faint}, {"pending", faint}, {"held", faint}, {"failed", faint}, {"last run", faint}}
	rows = append(rows, row{}, row{line: line{{" ", plain}}.and(columns(w-2, entityColumns, heads...)...)})
	for _, s := range d.status.Entities {
		rows = append(rows, row{id: "entity:" + string(s.Entity), line: columns(w-2, entityColumns,
			span{entityTitle(s.Entity), plain}, span{number(s.InShop), plain}, span{number(s.Linked), plain}, span{number(s.Pending), plain},
			trouble(s.Held, warn), trouble(s.Failed, bad), span{s.LastRun, faint})})
	}
	return rows
}

// current is a check as it is now. Who runs what is known better than at the last question.
func current(a *app, c engine.Check) engine.Check {
	if c.ID != "following" {
		return c
	}
	run, active := a.live.running()
	switch {
	case !active:
		c.Text = "stopped"
	case run.Kind == "watch":
		c.Text = "running by " + run.Who + "; " + a.live.watched(run)
	default:
		c.Text = "stopped; " + strings.ToLower(kindTitle(run.Kind)) + " run by " + run.Who
	}
	if active && run.Message != "" {
		c.Level, c.Cure = engine.Warning, sentence(run.Message)
	}
	return c
}

// trouble shows a count that should be zero.
func trouble(n int64, t tone) span {
	if n == 0 {
		t = plain
	}
	return span{number(n), t}
}

// spread puts a faint word at the right end of a line of w cells.
func spread(l line, right string, w int) line {
	if right == "" {
		return l
	}
	gap := w - width(l.String()) - width(clean(right))
	if gap < 2 {
		return l
	}
	return l.and(span{strings.Repeat(" ", gap), plain}, span{right, faint})
}

// blocking are the checks without which no record can be carried.
var blocking = []string{"setup", "crm", "shop"}

// broken says that shop or CRM cannot be reached.
func (d *details) broken() bool {
	return slices.ContainsFunc(d.status.Checks, func(c engine.Check) bool {
		return c.Level == engine.Failure && slices.Contains(blocking, c.ID)
	})
}

// check is the check under the cursor.
func (d *details) check() (engine.Check, bool) {
	i := slices.IndexFunc(d.status.Checks, func(c engine.Check) bool { return "check:"+c.ID == d.grid.cursor })
	if i < 0 {
		return engine.Check{}, false
	}
	return d.status.Checks[i], true
}

// entity is the row of the table under the cursor.
func (d *details) entity() (engine.EntityStatus, bool) {
	i := slices.IndexFunc(d.status.Entities, func(s engine.EntityStatus) bool { return "entity:"+string(s.Entity) == d.grid.cursor })
	if i < 0 {
		return engine.EntityStatus{}, false
	}
	return d.status.Entities[i], true
}

// explain is everything about a check: what it means, what was asked and answered, what to do.
func explain(c engine.Check) []row {
	word := levelWord(c.Level)
	rows := []row{prose(word.tone, word.text+": "+c.Text)}
	part := func(title, s string) {
		if s != "" {
			rows = append(rows, row{}, heading(title), prose(plain, s))
		}
	}
	part("What it means", c.Meaning)
	part("What to do", c.Cure)
	part("What was asked and answered", c.Asked)
	if len(c.Details) > 0 {
		rows = append(rows, row{}, heading("In detail"))
		for _, s := range c.Details {
			rows = append(rows, prose(plain, s))
		}
	}
	return rows
}

// account says where the records of one kind are.
func account(s engine.EntityStatus) []row {
	rows := []row{}
	add := func(name, n, meaning string) {
		rows = append(rows, row{line: line{{pad(name, 9), plain}, {padLeft(n, 9), strong}}}, prose(faint, "  "+meaning))
	}
	add("in shop", number(s.InShop), "as the last export has counted them; ? = none has yet")
	add("linked", number(s.Linked), "known to be a record of the CRM")
	add("pending", number(s.Pending), "left of an export that has not come to its end")
	add("held", number(s.Held), "wait for a reason that a person can remove, and go by themselves then")
	add("failed", number(s.Failed), "need a person: a lists them, r retries")
	return append(rows, row{}, prose(plain, "Last run: "+s.LastRun))
}

func (d *details) pane(a *app) []row {
	if c, ok := d.check(); ok {
		c = current(a, c)
		return append([]row{heading(c.Title), {}}, explain(c)...)
	}
	if s, ok := d.entity(); ok {
		return append([]row{heading(entityTitle(s.Entity)), {}}, account(s)...)
	}
	return nil
}

func (d *details) act(a *app, act action) (tea.Cmd, string) {
	switch act {
	case open:
		if c, ok := d.check(); ok {
			c = current(a, c)
			a.page(c.Title, explain(c))
		} else if s, ok := d.entity(); ok {
			a.page(entityTitle(s.Entity), account(s))
		}
	case refresh:
		if d.asking {
			return nil, "Shop and CRM are being asked already."
		}
		return d.ask(a), ""
	}
	return nil, ""
}

func (d *details) hint(a *app) note {
	if c, ok := d.check(); ok {
		c = current(a, c)
		// The cure of what is wrong, or the whole of a text that its row cuts off.
		if c.Level != engine.OK && c.Cure != "" {
			return hintOf(plain, c.Cure)
		}
		if width(clean(c.Text)) > a.listWidth()-2-checkIndent {
			return hintOf(plain, c.Text)
		}
	}
	var parts []string
	for _, l := range []struct {
		level engine.Level
		word  string
	}{{engine.Failure, "failure"}, {engine.Warning, "warning"}} {
		n := 0
		for _, c := range d.status.Checks {
			if c.Level == l.level {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, plural(int64(n), l.word))
		}
	}
	if parts == nil {
		return note{}
	}
	return hintOf(plain, sentence(strings.Join(parts, ", ")+": enter on the line says what to do"))
}
