package console

import (
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// place is where a key is pressed: a screen, or what lies over it and takes the keys first.
type place uint16

const (
	// Bits, because most bindings hold in several places, and the page of keys groups them by place.
	onDetails place = 1 << iota
	onConnection
	onConfiguration
	onExport
	onActivity
	inPage    // a page of text
	inConfirm // a question that only y answers
	inText    // a value being typed
	inChoice  // a list of values to choose from
	inFilter  // the filter being typed

	anyScreen = onDetails | onConnection | onConfiguration | onExport | onActivity
	anyForm   = onConnection | onConfiguration
	anyRun    = onExport | onActivity
)

// placeName is a heading of the page of all keys.
type placeName struct {
	on   place
	name string
}

var placeNames = []placeName{
	{anyScreen, "Everywhere"},
	{onDetails, "1 Details"},
	{onConnection, "2 Connection"},
	{onConfiguration, "3 Configuration"},
	{onExport, "4 Export"},
	{onActivity, "a Activity"},
	{inPage | inConfirm, "A page or a question"},
	{inText | inChoice | inFilter, "Typing and choosing"},
}

// action is what a key does.
type action uint8

const (
	noAction action = iota
	goDetails
	goConnection
	goConfiguration
	goExport
	goActivity
	nextTab
	prevTab
	up
	down
	pageUp
	pageDown
	top
	bottom
	open // enter: show more, edit, choose
	toggle
	back
	filter
	refresh
	runTest
	nextModule
	prevModule
	save
	undo
	undoAll
	autoLink
	unlink
	export
	preview
	pause
	stop
	watch
	retry
	retryAll
	yes
	no
	help
	quit
	interrupt
)

// binding is a row of the one table that the key bar, the page of all keys and the handling of keys come from.
type binding struct {
	act  action
	on   place
	key  key.Binding // its help holds the key's name and the short word for the bar, "" = not on the bar
	long string      // the page of all keys, "" = not there
}

func bind(act action, on place, keys, shown, short, long string) binding {
	return binding{act, on, key.NewBinding(key.WithKeys(strings.Fields(keys)...), key.WithHelp(shown, short)), long}
}

// bindings in the order of the key bar. The space key is written "space" here and " " by Bubble Tea.
var bindings = []binding{
	bind(up, anyScreen, "up k", "up/dn", "line", "line up, line down (also k and j)"),
	bind(down, anyScreen, "down j", "down", "", ""),
	bind(open, onDetails, "enter", "enter", "what to do", "what the line means, what was asked and answered, what to do"),
	bind(refresh, onDetails, "r", "r", "refresh", "ask shop and CRM again"),

	bind(open, onConnection, "enter e", "enter", "edit", "edit the value (also e)"),
	bind(runTest, onConnection, "t", "t", "test", "validate and test the connection with the values as they stand here; saves nothing"),
	// h and l are left and right as in vi, except on Configuration, which has nothing to the left or right: there l
	// links.
	bind(nextModule, onConnection, "m right l", "m", "module", "mandatory fields of the next module (also right and l)"),
	bind(prevModule, onConnection, "left h", "left", "", "mandatory fields of the module before (also h)"),

	bind(open, onConfiguration, "enter e", "enter", "edit", "edit the value, or choose it from a list (also e)"),
	bind(toggle, anyForm, "space", "space", "", "switch a check box on or off"),
	bind(autoLink, onConfiguration, "l", "l", "link automatically", "link currencies by their ISO 4217 code; shown before it is done"),
	bind(unlink, onConfiguration, "x", "x", "unlink", "unlink a currency, or give an order state its default back"),
	bind(unlink, onConnection, "x", "x", "", "take the default of a mandatory field away"),

	bind(save, anyForm, "s", "s", "save", "save all unsaved changes, after showing what will change"),
	bind(undo, anyForm, "u", "u", "undo", "undo the last unsaved change"),
	bind(undoAll, anyForm, "U", "U", "", "drop all unsaved changes"),
	bind(refresh, anyForm, "r", "r", "", "read from shop and CRM again"),

	bind(open, onActivity, "enter", "enter", "detail", "the change and its writes: what was sent, answered and would be sent now"),
	bind(nextModule, onActivity, "m right l", "m", "log, held, runs", "show the log, the held and failed records, or the runs (also right and l)"),
	bind(prevModule, onActivity, "left h", "left", "", ""),

	bind(export, onExport, "e", "e", "export", "export what the cursor is on, or go on with an unfinished export"),
	bind(preview, onExport, "d", "d", "preview", "show what would be written, without writing"),
	bind(pause, anyRun, "p", "p", "pause", "pause what runs, or let it go on"),
	// x takes something away wherever it is bound: a link, a default, a run.
	bind(stop, anyRun, "x", "x", "stop", "stop what runs; nothing is lost, e goes on later"),
	bind(watch, anyRun, "w", "w", "watch", "follow the shop: carry every change over as it happens"),
	bind(open, onExport, "enter", "enter", "detail", "all about the line: the run, or what was sent, answered and would be sent now; sets the date of past orders"),
	bind(retry, anyRun, "r", "r", "retry", "retry the held or failed record under the cursor"),
	bind(retryAll, anyRun, "R", "R", "", "retry all held and failed records"),

	bind(filter, anyScreen, "/", "/", "find", "show only the lines that hold a text"),
	bind(back, anyScreen, "esc", "esc", "", "back: drops the filter, leaves the activity view"),
	bind(goDetails, anyScreen, "1", "1-4", "", "the four tabs (also tab and shift+tab)"),
	bind(goConnection, anyScreen, "2", "2", "", ""),
	bind(goConfiguration, anyScreen, "3", "3", "", ""),
	bind(goExport, anyScreen, "4", "4", "", ""),
	bind(nextTab, anyScreen, "tab", "tab", "", ""),
	bind(prevTab, anyScreen, "shift+tab", "shift+tab", "", ""),
	bind(goActivity, anyScreen, "a", "a", "", "activity: the log, held and failed records, runs"),
	bind(top, anyScreen, "g home", "g G", "", "first and last line (also home and end)"),
	bind(bottom, anyScreen, "G end", "G", "", ""),
	bind(pageUp, anyScreen|inPage|inConfirm, "pgup ctrl+b", "pgup pgdn", "", "page up, page down"),
	bind(pageDown, anyScreen|inPage|inConfirm, "pgdown ctrl+f", "pgdn", "", ""),

	bind(yes, inConfirm, "y Y", "y", "yes, do it", "does what the question says; enter never does"),
	bind(preview, inConfirm, "d", "d", "", "before an export: show what would be written"),
	bind(no, inConfirm, "n N esc q", "n", "no", "leaves things as they are (also esc)"),
	// Bound so that it can say what y and esc do: a key that seems dead is pressed again.
	bind(open, inConfirm, "enter", "enter", "", ""),
	bind(up, inPage|inConfirm, "up k", "up/dn", "scroll", "scroll"),
	bind(down, inPage|inConfirm, "down j", "down", "", ""),
	bind(top, inPage|inConfirm, "g home", "g", "", ""),
	bind(bottom, inPage|inConfirm, "G end", "G", "", ""),
	bind(retry, inPage, "r", "r", "", "on the page of a held or failed record: retry it"),
	// q leaves the page, not the program: who has read a page to its end means the page.
	bind(back, inPage, "esc enter q", "esc", "back", "back to the screen"),

	bind(open, inText|inFilter, "enter", "enter", "take", "take the value into the draft; nothing is saved yet"),
	bind(up, inText|inFilter, "up", "up/dn", "", "a date: a day later, a day earlier; a search: choose a record; find: move in the list"),
	bind(down, inText|inFilter, "down", "down", "", ""),
	bind(up, inChoice, "up k", "up/dn", "choose", "choose from the list; another letter goes to what begins with it"),
	bind(down, inChoice, "down j", "down", "", ""),
	bind(top, inChoice, "g home", "g", "", ""),
	bind(bottom, inChoice, "G end", "G", "", ""),
	bind(pageUp, inChoice, "pgup ctrl+b", "pgup", "", ""),
	bind(pageDown, inChoice, "pgdown ctrl+f", "pgdn", "", ""),
	bind(open, inChoice, "enter space", "enter", "take", ""),
	bind(back, inText|inChoice|inFilter, "esc", "esc", "leave as it was", "leave the value as it was"),

	bind(help, anyScreen|inPage|inConfirm|inChoice, "? f1", "?", "keys", "all keys (also F1)"),
	// A question mark is text where text is typed.
	bind(help, inText|inFilter, "f1", "F1", "keys", "all keys"),
	bind(quit, anyScreen, "q", "q", "quit", "quit; asks while changes are unsaved or an export runs here"),
	bind(interrupt, anyScreen|inPage|inConfirm|inText|inChoice|inFilter, "ctrl+c", "ctrl+c", "", "quit from everywhere; a second time without asking"),
}

// actionOf finds what a key does at a place.
// The first binding wins, so one key can mean different things in different places but never two in one.
func actionOf(msg tea.KeyMsg, at place) action {
	name := msg.String()
	if name == " " {
		name = "space"
	}
	for _, b := range bindings {
		if b.on&at != 0 && slices.Contains(b.key.Keys(), name) {
			return b.act
		}
	}
	return noAction
}

// elsewhere says where a key that does nothing here would do something: the place it is named after, before those
// where it is a second name of another key.
func elsewhere(msg tea.KeyMsg) string {
	for _, named := range []bool{true, false} {
		for _, b := range bindings {
			if b.on&anyScreen == 0 || b.long == "" || !slices.Contains(b.key.Keys(), msg.String()) || named != (b.key.Help().Key == msg.String()) {
				continue
			}
			var names []string
			for _, p := range placeNames {
				if p.on != anyScreen && b.on&p.on != 0 {
					names = append(names, p.name)
				}
			}
			return "Nothing to do here. On " + strings.Join(names, " and ") + ", " + msg.String() + " does this: " + b.long + "."
		}
	}
	return ""
}

// keyBar is the last row: the keys of a place, as many as fit. Help and quit stay whatever happens.
func keyBar(at place, w int) line {
	item := func(b binding) line {
		h := b.key.Help()
		return line{{h.Key, accent}, {" " + h.Desc, faint}}
	}
	var tail, l line
	for _, b := range bindings {
		if b.on&at != 0 && (b.act == help || b.act == quit) {
			tail = tail.and(span{"  ", plain}).and(item(b)...)
		}
	}
	room := w - 1 - width(tail.String())
	for _, b := range bindings {
		if b.on&at == 0 || b.act == help || b.act == quit || b.key.Help().Desc == "" {
			continue
		}
		it := item(b)
		need := width(it.String())
		if len(l) > 0 {
			need += 2
		}
		if need > room {
			continue
		}
		room -= need
		if len(l) > 0 {
			l = append(l, span{"  ", plain})
		}
		l = append(l, it...)
	}
	return line{{" ", plain}}.and(l...).and(tail...)
}

// keyPage is the page of all keys, those of the place where it was asked for first.
func keyPage(at place) []row {
	var rows []row
	var first, rest []placeName
	for _, p := range placeNames {
		if p.on != anyScreen && p.on&at != 0 {
			first = append(first, p)
		} else {
			rest = append(rest, p)
		}
	}
	for _, p := range slices.Concat(first, rest) {
		var here []row
		for _, b := range bindings {
			if b.long == "" || !belongs(b.on, p.on) {
				continue
			}
			here = append(here, row{line: line{{pad(b.key.Help().Key, 11), accent}, {b.long, plain}}, wrap: true})
		}
		if len(here) > 0 {
			rows = append(rows, row{}, row{line: toned(strong, p.name)})
			rows = append(rows, here...)
		}
	}
	return rows[1:]
}

// belongs puts a binding under one heading: keys of every screen stand only under "Everywhere".
func belongs(on, heading place) bool {
	if on&anyScreen == anyScreen {
		return heading == anyScreen
	}
	return heading != anyScreen && on&heading != 0
}
