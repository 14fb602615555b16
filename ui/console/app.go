package console

import (
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
// Each screen is a part of it and not a model of its own, because they share most of what they show: the draft, the
// settings and what runs.
type app struct {
	eng     Engine
	opt     Options
	jobs    *jobs
	traffic *traffic
	th      theme
	w, h    int

	// What is in view, and what lies over it. The draft is kept here and not with a tab: edits of two tabs are one
	// thing to save, and looking something up on another tab must not cost what was typed.
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

	// What is known of the settings and of the state file; see live for why it is looked at and nobody tells.
	settings engine.Settings // secrets are replaced by a mark that they are set
	ready    bool            // settings have been read
	live     live
	ticks    int                // planned looks at the state file
	own      map[string]*ownRun // runs of this process, by kind
	leaving  bool               // quits as soon as the own runs have ended
	quitting bool
	unread   error // the settings could not be read at the start: the console ends with it
}

func newApp(e Engine, o Options, j *jobs, facts term.Facts) *app {
	a := &app{
		eng: e, opt: o, jobs: j, th: newTheme(facts), traffic: &traffic{},
		at: onDetails, came: onDetails,
		own: map[string]*ownRun{},
	}
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
		if a.w <= 0 || a.h <= 0 { // a serial line does not know its size
			a.w, a.h = a.opt.Width, a.opt.Height
		}
		a.traffic.free = true
	case tea.KeyMsg:
		a.traffic.free = true
		cmd = a.keys(msg)
	case event:
		cmd = msg.apply(a)
	}
	// Here and not where a run ends: whichever message was the last to hold the console up, it goes now.
	if a.leaving && len(a.own) == 0 && !a.quitting {
		a.quitting = true
		cmd = tea.Quit
	}
	a.follow()
	return a, cmd
}

// keys handles what one read of the terminal brought: keys typed fast, or over a slow line, arrive as one message, and
// esc with the key after it as alt and that key.
func (a *app) keys(msg tea.KeyMsg) tea.Cmd {
	switch typing := a.place()&(inText|inFilter) != 0; {
	case msg.Paste && !typing:
		a.say(warn, "Nothing is being typed: enter opens the line under the cursor, then paste.")
		return nil
	case msg.Paste: // what was copied brings line ends and colours along
		msg.Runes = []rune(clean(strings.Trim(string(msg.Runes), "\r\n\t")))
	case msg.Alt && !typing:
		esc := a.key(tea.KeyMsg{Type: tea.KeyEsc})
		msg.Alt = false
		return tea.Batch(esc, a.keys(msg))
	}
	if msg.Type != tea.KeyRunes || msg.Paste || len(msg.Runes) < 2 {
		return a.key(msg)
	}
	var cmds []tea.Cmd
	// The cursor follows after each: the next key acts on the row that the one before has led to.
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
	// Before everything else: ctrl+c is the way out of any state, also of one that nobody has thought of.
	if actionOf(msg, inPage) == interrupt {
		return a.interrupt()
	}
	// Keys act on what is seen. Under the message that the window is too small nothing is, except how to quit.
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
		a.clear()
		cmd, message, closed := ed.key(a, msg)
		// Taking a value may have opened the next editor (an order state has two lists): only the one that took the
		// key goes.
		if closed && a.ed == ed {
			a.ed = nil
		}
		if message != "" {
			a.say(warn, message)
		}
		return cmd
	case a.find != nil:
		return a.findKey(msg)
	}
	a.clear()
	return a.screenKey(msg)
}

// screenKey does what is the same on every screen, and gives the rest to the screen. A letter with nothing on it says
// so, or where it would do something: nobody should have to guess whether it was heard.
func (a *app) screenKey(msg tea.KeyMsg) tea.Cmd {
	s := a.screen()
	act := actionOf(msg, a.at)
	rows := func() []row { return s.rows(a, a.listWidth()) }
	page := max(1, a.bodyHeight()-2)
	switch act {
	case noAction:
		if text := elsewhere(msg); text != "" {
			a.say(plain, text)
		} else if msg.Type == tea.KeyRunes {
			a.say(plain, "Nothing is on the key "+string(msg.Runes)+": ? lists them all.")
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
	case help:
		a.help()
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

// findKey handles a key while the filter is typed. The list narrows with each letter; enter keeps the filter, so that
// keys can then act on what it has left, and esc drops it.
func (a *app) findKey(msg tea.KeyMsg) tea.Cmd {
	g := a.screen().list()
	switch act := actionOf(msg, inFilter); act {
	case help:
		a.help()
		return nil
	case up, down:
		g.move(a.screen().rows(a, a.listWidth()), map[action]int{up: -1, down: 1}[act])
		return nil
	case back:
		g.filter, a.find = "", nil
		return nil
	case open:
		a.find = nil
		if g.filter != "" {
			a.say(plain, "Only lines with \""+g.filter+"\" are shown. esc shows all.")
		}
		return nil
	}
	a.find.input, _ = a.find.input.Update(msg)
	g.filter = a.find.value()
	return nil
}

// open chooses the first screen: where nothing is set up yet, the one on which that is done.
func (a *app) open() tea.Cmd {
	if len(a.settings.Missing()) == 0 {
		return a.details.ask(a)
	}
	return tea.Batch(a.go_(onConnection), a.details.ask(a))
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
