package console

import (
	"context"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
	"cartiger/ui/term"
)

// The smallest screen that still shows everything, the width from which names are written in full, and the one from
// which a detail pane stands beside the list.
const (
	minWidth, minHeight = 60, 16
	fullWidth           = 80
	paneWidth           = 110
	fixedRows           = 5 // tabs, rule, body, rule, message, keys: all but the body
)

// screen is one of the four tabs or the activity view.
type screen interface {
	// rows are the whole body, laid out for w columns.
	rows(a *app, w int) []row
	// pane is the detail of the row under the cursor, shown beside the list on wide terminals.
	pane(a *app) []row
	// act does what a key asks. The answer says why it cannot be done, "" when it can.
	act(a *app, act action) (cmd tea.Cmd, why string)
	// show is called whenever the screen comes into view: it asks for what it lacks.
	show(a *app) tea.Cmd
	// hint is the message row while there is nothing else to say.
	hint(a *app) note
	list() *grid
}

// app is the whole state of the console. It changes only in Update.
type app struct {
	eng     Engine
	opt     Options
	jobs    *jobs
	traffic *traffic
	th      theme
	w, h    int

	at     place // the screen in view
	came   place // the tab that esc leads back to from the activity view
	ed     *editor
	dlg    *dialog
	find   *editor // the filter while it is typed
	note   note
	draft  draft
	saving bool

	details       details
	connection    connection
	configuration configuration
	export        exports
	activity      activity

	settings engine.Settings // secrets are replaced by a mark that they are set
	ready    bool            // settings have been read
	live     live
	ticks    int                // planned looks at the state file
	own      map[string]*ownRun // runs of this process, by kind
	leaving  bool               // quits as soon as the own runs have ended
	quitting bool
}

func newApp(e Engine, o Options, j *jobs, facts term.Facts) *app {
	a := &app{
		eng: e, opt: o, jobs: j, th: newTheme(facts), traffic: &traffic{},
		at: onDetails, came: onDetails,
		own: map[string]*ownRun{},
	}
	a.connection.module = 0
	a.live.init()
	return a
}

// Init reads the settings and the state file; what needs shop and CRM comes after, when it is clear that they are set.
func (a *app) Init() tea.Cmd {
	return tea.Batch(a.readSettings(), a.poll())
}

// Update is the only place where the state changes.
func (a *app) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		a.w, a.h = msg.Width, msg.Height
		a.traffic.free = true
	case tea.KeyMsg:
		a.traffic.free = true
		cmd = a.keys(msg)
	case event:
		cmd = msg.apply(a)
	}
	if a.leaving && len(a.own) == 0 && !a.quitting {
		a.quitting = true
		cmd = tea.Quit
	}
	a.follow()
	return a, cmd
}

// keys handles what one read of the terminal brought: keys typed fast, or over a slow line, arrive as one message.
func (a *app) keys(msg tea.KeyMsg) tea.Cmd {
	if msg.Type != tea.KeyRunes || msg.Paste || len(msg.Runes) < 2 {
		return a.key(msg)
	}
	var cmds []tea.Cmd
	for _, r := range msg.Runes {
		cmds = append(cmds, a.key(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: msg.Alt}))
		a.follow()
	}
	return tea.Batch(cmds...)
}

// follow keeps the cursor of the screen in view on a row that is there.
func (a *app) follow() {
	if a.w > 0 {
		s := a.screen()
		s.list().follow(s.rows(a, a.listWidth()), a.bodyHeight())
	}
}

func (a *app) screen() screen {
	switch a.at {
	case onConnection:
		return &a.connection
	case onConfiguration:
		return &a.configuration
	case onExport:
		return &a.export
	case onActivity:
		return &a.activity
	}
	return &a.details
}

// key gives a key to whoever has the right to it: a dialog, then an editor, then the filter, then the screen.
func (a *app) key(msg tea.KeyMsg) tea.Cmd {
	if actionOf(msg, inPage) == interrupt {
		return a.interrupt()
	}
	if a.w > 0 && !a.fits() {
		if actionOf(msg, anyScreen) == quit {
			return a.quit()
		}
		return nil
	}
	switch {
	case a.dlg != nil:
		act := actionOf(msg, a.dlg.at)
		if act == noAction && a.dlg.at == inConfirm {
			a.say(plain, "y does it, esc leaves things as they are.")
			return nil
		}
		return a.dlg.key(a, act)
	case a.ed != nil:
		ed := a.ed
		cmd, message, closed := ed.key(a, msg)
		if closed && a.ed == ed {
			a.ed = nil
			if cmd == nil && message == "" {
				return nil
			}
		}
		if message != "" {
			a.say(warn, message)
		} else if cmd == nil && !closed {
			a.clear()
		}
		return cmd
	case a.find != nil:
		return a.findKey(msg)
	}
	a.clear()
	return a.screenKey(msg)
}

func (a *app) screenKey(msg tea.KeyMsg) tea.Cmd {
	s := a.screen()
	act := actionOf(msg, a.at)
	rows := func() []row { return s.rows(a, a.listWidth()) }
	page := max(1, a.bodyHeight()-2)
	switch act {
	case noAction:
		if text := elsewhere(msg); text != "" {
			a.say(plain, text)
		}
		return nil
	case up:
		s.list().move(rows(), -1)
	case down:
		s.list().move(rows(), 1)
	case pageUp:
		s.list().move(rows(), -page)
	case pageDown:
		s.list().move(rows(), page)
	case top:
		s.list().move(rows(), -1<<20)
	case bottom:
		s.list().move(rows(), 1<<20)
	case goDetails:
		return a.go_(onDetails)
	case goConnection:
		return a.go_(onConnection)
	case goConfiguration:
		return a.go_(onConfiguration)
	case goExport:
		return a.go_(onExport)
	case goActivity:
		return a.go_(onActivity)
	case nextTab, prevTab:
		return a.go_(neighbour(a.at, act == nextTab))
	case back:
		if s.list().filter != "" {
			s.list().filter = ""
			return nil
		}
		if a.at == onActivity {
			return a.go_(a.came)
		}
	case filter:
		a.find = typing("", s.list().filter, false)
		a.find.done = func(*app, string, string) tea.Cmd { return nil }
	case help:
		a.page("All keys", keyPage())
	case quit:
		return a.quit()
	case save, undo, undoAll:
		return a.draftKey(act)
	default:
		cmd, why := s.act(a, act)
		if why != "" {
			a.say(warn, why)
		}
		return cmd
	}
	return nil
}

// go_ brings a screen into view.
func (a *app) go_(to place) tea.Cmd {
	if to == a.at {
		return nil
	}
	if a.at != onActivity {
		a.came = a.at
	}
	a.at = to
	return a.screen().show(a)
}

// neighbour is the tab beside a tab; the activity view counts as the last one.
func neighbour(at place, next bool) place {
	order := []place{onDetails, onConnection, onConfiguration, onExport, onActivity}
	for i, p := range order {
		if p == at && next {
			return order[(i+1)%len(order)]
		}
		if p == at {
			return order[(i+len(order)-1)%len(order)]
		}
	}
	return onDetails
}

func (a *app) draftKey(act action) tea.Cmd {
	n := len(a.draft.changes)
	if n == 0 {
		a.say(plain, "Nothing is unsaved.")
		return nil
	}
	switch act {
	case save:
		a.draft.ask(a)
	case undo:
		last := a.draft.changes[n-1]
		a.draft.drop(last.row)
		a.say(plain, fmt.Sprintf("%s is as it was saved. Unsaved changes left: %d.", last.label, n-1))
	case undoAll:
		a.ask(question{
			title: "Drop " + plural(int64(n), "unsaved change") + "?",
			rows:  []row{prose(plain, "What was typed is gone then; what is saved stays as it is.")},
			run: func(a *app) tea.Cmd {
				a.draft.changes = nil
				a.say(plain, "All unsaved changes are dropped.")
				return nil
			},
		})
	}
	return nil
}

func (e savedEvent) apply(a *app) tea.Cmd {
	reconnect, first := false, len(a.settings.Missing()) > 0
	for _, id := range e.rows {
		c, ok := a.draft.of(id)
		reconnect = reconnect || ok && c.on == onConnection && c.setting != ""
		a.draft.drop(id)
	}
	if e.err != nil {
		a.fail("save everything", e.err)
	} else {
		a.say(good, "Saved: "+plural(int64(len(e.rows)), "change")+".")
	}
	a.connection.stale, a.configuration.stale = true, true
	// What the screens show depends on the settings: they are read first.
	return a.readSettingsThen(func(a *app) tea.Cmd {
		a.saving = false
		cmds := []tea.Cmd{a.screen().show(a)}
		if reconnect {
			cmds = append(cmds, a.details.askThen(a, func(a *app) tea.Cmd {
				if !first || len(a.settings.Missing()) > 0 || a.details.broken() {
					return nil
				}
				// At the first connection the currencies are linked (rules.md 5), after showing how.
				return a.configuration.proposal(a, false)
			}))
		}
		return tea.Batch(cmds...)
	})
}

func (a *app) findKey(msg tea.KeyMsg) tea.Cmd {
	g := a.screen().list()
	switch actionOf(msg, inFilter) {
	case back:
		g.filter, a.find = "", nil
		return nil
	case open:
		a.find = nil
		if g.filter != "" {
			a.say(plain, "Shown: lines with \""+g.filter+"\". esc shows all.")
		}
		return nil
	}
	a.find.input, _ = a.find.input.Update(msg)
	g.filter = a.find.value()
	return nil
}

// quit ends the console, after asking where something would be lost or stopped.
func (a *app) quit() tea.Cmd {
	var rows []row
	if n := len(a.draft.changes); n > 0 {
		rows = append(rows, prose(plain, "Not saved: "+plural(int64(n), "change")+". Quitting drops what was typed; esc, then s, saves it."))
	}
	for _, kind := range kinds {
		if a.own[kind] != nil {
			rows = append(rows, prose(plain, runName(kind)+" runs in this window. Quitting stops it cleanly: records in flight are finished, what is done is saved, and it can go on later."))
		}
	}
	if len(rows) == 0 {
		a.quitting = true
		return tea.Quit
	}
	a.ask(question{title: "Quit?", rows: rows, run: (*app).leave})
	return nil
}

// leave stops the own runs and quits when they have ended.
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
	a.ed, a.find, a.dlg = nil, nil, nil
	return a.quit()
}

// stoppingEvent says that the context has ended: Run stops everything itself.
type stoppingEvent struct{}

func (stoppingEvent) apply(a *app) tea.Cmd {
	a.dlg, a.ed, a.find = nil, nil, nil
	a.say(warn, "Stopping: records in flight are being finished ...")
	return nil
}

// settingsEvent brings the settings, the secrets already taken out.
type settingsEvent struct {
	settings engine.Settings
	err      error
	then     func(a *app) tea.Cmd
}

// isSet stands for the value of a secret: the console never needs the value itself.
const isSet = "set"

func (a *app) readSettings() tea.Cmd { return a.readSettingsThen((*app).open) }

func (a *app) readSettingsThen(then func(a *app) tea.Cmd) tea.Cmd {
	return a.jobs.do(func(ctx context.Context) event {
		all, err := a.eng.Settings(ctx)
		shown := make(engine.Settings, len(all))
		for name, v := range all {
			if s, _ := engine.FindSetting(name); s.Secret && v != "" {
				v = isSet
			}
			shown[name] = v
		}
		return settingsEvent{shown, err, then}
	})
}

func (e settingsEvent) apply(a *app) tea.Cmd {
	if e.err != nil {
		a.saving = false
		a.fail("read the settings", e.err)
		return nil
	}
	a.settings, a.ready = e.settings, true
	return e.then(a)
}

// open chooses the first screen: where nothing is set up yet, the one on which that is done.
func (a *app) open() tea.Cmd {
	if len(a.settings.Missing()) == 0 {
		return a.details.ask(a)
	}
	return tea.Batch(a.go_(onConnection), a.details.ask(a))
}

// value is a setting as it stands on the screen: the draft before what is saved.
func (a *app) value(name string) string {
	if c, ok := a.draft.of("setting:" + name); ok {
		return c.value
	}
	return a.settings.Get(name)
}

// fits says whether the window is large enough.
func (a *app) fits() bool { return a.w >= minWidth && a.h >= minHeight }

// free says that nothing lies over the screen: what a person waits for may open then. A question that opens over
// something being typed could take a letter for its answer.
func (a *app) free() bool { return a.dlg == nil && a.ed == nil && a.find == nil }

func (a *app) bodyHeight() int { return max(1, a.h-fixedRows) }

// listWidth is the width of the list: all of it, or what the detail pane leaves.
func (a *app) listWidth() int {
	if a.w < paneWidth {
		return a.w
	}
	return max(fullWidth, a.w*55/100)
}

// place is where keys go now.
func (a *app) place() place {
	switch {
	case a.dlg != nil:
		return a.dlg.at
	case a.ed != nil:
		return a.ed.place()
	case a.find != nil:
		return inFilter
	}
	return a.at
}

// View draws the screen: tabs, rule, body, rule, message, keys, always in the same rows.
func (a *app) View() string {
	if a.w == 0 {
		return ""
	}
	if !a.fits() {
		return cut(fmt.Sprintf("cartiger needs %dx%d, this is %dx%d. q quits.", minWidth, minHeight, a.w, a.h), a.w)
	}
	h := a.bodyHeight()
	body, above, below := a.body(h)
	for len(body) < h {
		body = append(body, "")
	}
	lines := append([]string{a.tabs(), a.th.rule(a.w, more(above, "above"))}, body[:h]...)
	lines = append(lines, a.th.rule(a.w, more(below, "below")), a.message(), keyBar(a.place(), a.w).draw(&a.th, a.w))
	return strings.Join(lines, "\n")
}

func more(n int, where string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d more %s", n, where)
}

func (a *app) body(h int) (lines []string, above, below int) {
	if a.dlg != nil {
		return a.dlg.view(a, h)
	}
	s := a.screen()
	lw := a.listWidth()
	lines, above, below = s.list().view(&a.th, s.rows(a, lw), lw, h)
	if a.w < paneWidth {
		return lines, above, below
	}
	const gap = 3
	pw := a.w - lw - gap
	for i, r := range layout(s.pane(a), pw) {
		if i >= h {
			break
		}
		for len(lines) <= i {
			lines = append(lines, "")
		}
		fill := strings.Repeat(" ", max(0, lw+gap-width(lines[i])))
		if side := r.line.draw(&a.th, pw); side != "" {
			lines[i] += fill + side
		}
	}
	return lines, above, below
}

// tabs is the first row. The tab in view stands in brackets; one with unsaved changes has a star.
func (a *app) tabs() string {
	names := []struct {
		on          place
		full, short string
	}{
		{onDetails, "1 Details", "1 Details"},
		{onConnection, "2 Connection", "2 Connect"},
		{onConfiguration, "3 Configuration", "3 Config"},
		{onExport, "4 Export", "4 Export"},
		{onActivity, "a Activity", "a Activity"},
	}
	l := line{{" ", plain}}
	if a.w >= fullWidth {
		l = line{{" cartiger ", strong}}
	}
	for _, n := range names {
		name := n.full
		if a.w < fullWidth {
			name = n.short
		}
		star := " "
		if n.on != onActivity && a.draft.count(n.on) > 0 {
			star = "*"
		}
		switch {
		case n.on == a.at:
			l = l.and(span{"[" + name, accent}, span{strings.TrimSpace(star), warn}, span{"]", accent}, span{strings.Repeat(" ", 1-len(strings.TrimSpace(star))), plain})
		default:
			l = l.and(span{" " + name, plain}, span{star, warn}, span{" ", plain})
		}
	}
	return l.draw(&a.th, a.w)
}

// message is the row above the keys: an answer to the last key, else what the person is doing, else a hint.
func (a *app) message() string {
	n := a.note
	switch {
	case n.text != "":
	case a.dlg != nil:
	case a.find != nil:
		return line{{" find: ", plain}}.and(a.find.field(&a.th, 30)...).and(span{"  enter keeps it, esc drops it", faint}).draw(&a.th, a.w)
	case a.ed != nil:
		n = note{plain, a.ed.hint}
	default:
		n = a.screen().hint(a)
	}
	return line{{" ", plain}, {n.text, n.tone}}.draw(&a.th, a.w)
}
