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
	"cartiger/store"
)

// ownRun is a run of this process.
type ownRun struct {
	cancel   context.CancelFunc
	stopping bool
}

// retryKind is the kind of the run that carries held and failed records again.
const retryKind = "retry"

// busy says who runs what, when something runs.
func (a *app) busy() string {
	if run, active := a.live.running(); active {
		// One run at a time: the lease of the state file (rules.md 9.1) would refuse a second. Said here, the answer has
		// the keys that end the first.
		if a.own[run.Kind] != nil {
			how := "x stops it, p pauses it"
			if run.Kind == "watch" {
				how = "w stops it"
			}
			return runName(run.Kind) + " runs already: " + how + "."
		}
		return fmt.Sprintf("%s runs %s since %s: p asks to pause, x to stop.", run.Who, strings.ToLower(kindTitle(run.Kind)), run.Started.Local().Format("15:04:05"))
	}
	// Started a moment ago, and its row is not there yet.
	for _, kind := range slices.Sorted(maps.Keys(a.own)) {
		return runName(kind) + " runs already."
	}
	return ""
}

// begin runs something that holds the run, until it ends or is stopped.
func (a *app) begin(kind string, work func(ctx context.Context) endedEvent) tea.Cmd {
	// A context of its own, under that of all jobs: x ends the run alone, quitting ends everything.
	ctx, cancel := context.WithCancel(a.jobs.ctx)
	a.own[kind] = &ownRun{cancel: cancel}
	return tea.Batch(a.tick(fastPoll), a.jobs.do(func(context.Context) event {
		defer cancel()
		e := work(ctx)
		e.kind = kind
		return e
	}))
}

// endedEvent ends a run of this process.
type endedEvent struct {
	kind    string
	summary engine.Summary
	err     error
	outcome store.Outcome // of the one record that was retried
}

func (e endedEvent) apply(a *app) tea.Cmd {
	// The end comes from the run itself, not from the state file: only here its error is known.
	own := a.own[e.kind]
	delete(a.own, e.kind)
	stopped := own != nil && own.stopping
	name := runName(e.kind)
	counts := store.Counts{Created: e.summary.Created, Updated: e.summary.Updated, Unchanged: e.summary.Unchanged, Held: e.summary.Held, Failed: e.summary.Failed}
	switch {
	// Nobody reads it any more.
	case a.leaving:
	case stopped && (e.err == nil || errors.Is(e.err, context.Canceled)):
		// Only an export is resumed; a retry and watch begin anew, and find what is left by themselves.
		words := name + " is stopped."
		if e.kind != "watch" && e.kind != retryKind {
			words += " Nothing is lost: e goes on where it stopped."
		}
		a.sayOf(tillRun, plain, words)
	// Who has retried one record asks what became of it, not for a sum.
	case e.outcome.State != "":
		o := e.outcome
		is, what := " is ", o.CRM
		if o.State == store.Held || o.State == store.Failed {
			is, what = " is still ", why(o)
		}
		a.sayOf(tillRun, stateTone(o.State), sentence(strings.TrimSuffix(labelOf(o)+is+string(o.State)+": "+what, ": ")))
	case e.err != nil:
		a.fail("finish "+strings.ToLower(name[:1])+name[1:], e.err)
	case e.kind == "watch":
		a.sayOf(tillRun, plain, name+" has ended.")
	// Somebody in another process has asked for it.
	case e.summary.State == string(store.Stopped):
		a.sayOf(tillRun, plain, name+" was stopped: e goes on where it stopped.")
	case counts.Held+counts.Failed > 0:
		a.sayOf(tillRun, warn, name+" is done: "+counted(counts)+". The list below says why.")
	default:
		a.sayOf(tillRun, good, name+" is done: "+counted(counts)+".")
	}
	return tea.Batch(a.export.look(a), a.details.read(a))
}

// unfinishedWords is how far a run has come.
func unfinishedWords(run store.Run) string {
	return number(run.Sum()) + " of " + totalOf(run)
}

// totalOf is how many records a run has to look at; what they bring along may make it more than it set out with.
func totalOf(run store.Run) string {
	// A 1.4 web service cannot count: the total is known once the run has listed what there is.
	if run.Total == 0 {
		return "?"
	}
	return number(max(run.Total, run.Sum()))
}

// unfinishedSentence begins with the words of the manual, which people know.
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

// watched is what watch has done since it was started, and when it last looked at the shop.
func (l *live) watched(run store.Run) string {
	words := "no change yet"
	if run.Sum() > 0 {
		words = counted(run.Counts)
	}
	if run.Message != "" {
		return words + "; " + run.Message
	}
	if !l.looked.IsZero() {
		words += "; last look " + l.looked.Local().Format(time.TimeOnly)
	}
	return words
}

// requests is what a run has cost the servers: watch may run for weeks beside a shop that sells.
func requests(run store.Run) string {
	return fmt.Sprintf("%s shop requests, %s CRM requests", number(run.ShopRequests), number(run.CRMRequests))
}

// runRows is everything about a run.
func runRows(run store.Run) []row {
	moment := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Local().Format("2006-01-02 15:04:05")
	}
	records, outcome, workers := "", counted(run.Counts), ""
	if run.Total > 0 {
		records = unfinishedWords(run)
	}
	if run.Sum() == 0 && (run.State == store.Running || run.State == store.Paused) {
		outcome = "nothing yet"
	}
	if run.Workers > 0 {
		workers = number(int64(run.Workers))
	}
	rows := facts("state", string(run.State), "by", run.Who, "started", moment(run.Started), "ended", moment(run.Ended),
		"records", records, "outcome", outcome, "requests", fmt.Sprintf("shop %s, CRM %s", number(run.ShopRequests), number(run.CRMRequests)), "workers", workers)
	if run.Message != "" {
		rows = append(rows, row{}, prose(plain, run.Message))
	}
	return rows
}

// runKey does what a key asks of runs, on Export and in the activity view alike.
func (a *app) runKey(act action, cursor string) (tea.Cmd, string) {
	run, active := a.live.running()
	switch act {
	case pause:
		if !active {
			return nil, "Nothing runs that could be paused."
		}
		// Our own runs are asked the same way as others': the engine has one door for it, the lease's request.
		request, words := "pause", "asked to pause: what is on its way is finished first."
		if run.State == store.Paused {
			request, words = "resume", "asked to go on."
		}
		return a.request(request, runName(run.Kind)+" is "+words), ""
	case stop:
		// Our own need no question and no request: the context ends it after the records in flight.
		if len(a.own) > 0 {
			for kind, own := range a.own {
				own.stopping = true
				own.cancel()
				a.sayOf(tillTurn, plain, runName(kind)+" is stopping: records in flight are being finished.")
			}
			return nil, ""
		}
		if !active {
			return nil, "Nothing runs that could be stopped."
		}
		a.ask(question{
			title: "Stop what another process runs?",
			rows:  []row{prose(plain, runName(run.Kind)+" is run by "+run.Who+" since "+run.Started.Local().Format("15:04:05")+". It finishes what is on its way and stops; nothing is lost.")},
			run: func(a *app) tea.Cmd {
				return a.request("stop", runName(run.Kind)+" is asked to stop.")
			},
		})
		return nil, ""
	case watch:
		return a.toggleWatch()
	case retry:
		entity, id, ok := recordOf(cursor)
		if !ok {
			return nil, "r retries a held or failed record: put the cursor on one."
		}
		if why := a.busy(); why != "" {
			return nil, why
		}
		a.say(faint, "retrying ...")
		return a.retry(store.Filter{Entity: entity, ShopID: id, States: []store.State{store.Held, store.Failed}}), ""
	case retryAll:
		if a.live.trouble == 0 {
			return nil, "No record is held or failed."
		}
		if why := a.busy(); why != "" {
			return nil, why
		}
		a.ask(question{
			title: "Retry " + plural(a.live.trouble, "record") + "?",
			rows:  []row{prose(plain, "Each held and failed record is planned and sent again. Those whose reason is still there stay as they are; none is written twice.")},
			run: func(a *app) tea.Cmd {
				return a.retry(store.Filter{States: []store.State{store.Held, store.Failed}})
			},
		})
	}
	return nil, ""
}

// retry carries held and failed records again, as a run of its own kind: it holds the lease and may take long.
func (a *app) retry(f store.Filter) tea.Cmd {
	return a.begin(retryKind, func(ctx context.Context) endedEvent {
		sum, err := a.eng.Retry(ctx, f)
		e := endedEvent{summary: sum, err: err}
		if err == nil && f.ShopID != 0 {
			if view, err := a.eng.Record(ctx, f.Entity, f.ShopID); err == nil {
				e.outcome = view.Outcome // with the record's customer and products the sum says less
			}
		}
		return e
	})
}

// toggleWatch follows the shop from here, or stops doing so.
func (a *app) toggleWatch() (tea.Cmd, string) {
	if own := a.own["watch"]; own != nil {
		own.stopping = true
		own.cancel()
		a.sayOf(tillTurn, plain, "Following the shop stops: what is on its way is finished.")
		return nil, ""
	}
	if why := a.busy(); why != "" {
		return nil, why
	}
	if len(a.settings.Missing()) > 0 {
		return nil, "The connection is not set up: " + missingWords(a) + ". 2 Connection."
	}
	interval, err := time.ParseDuration(a.settings.Get(engine.WatchInterval))
	if err != nil {
		return nil, "The watch interval is no duration: 3 Configuration, Other settings."
	}
	a.clear()
	return a.begin("watch", func(ctx context.Context) endedEvent {
		return endedEvent{err: a.eng.Watch(ctx, engine.WatchOptions{Interval: interval})}
	}), ""
}

// request asks whoever holds the lease, through the state file. That it was asked is all that can be said at once:
// the holder answers by what its run does.
func (a *app) request(what, words string) tea.Cmd {
	return a.jobs.do(func(ctx context.Context) event {
		return askedEvent{words, a.eng.Ask(ctx, what)}
	})
}

// askedEvent says whether a request to the holder of the run is on its way.
type askedEvent struct {
	words string
	err   error
}

func (e askedEvent) apply(a *app) tea.Cmd {
	if e.err != nil {
		a.fail("ask the running export", e.err)
		return nil
	}
	a.sayOf(tillTurn, plain, e.words)
	return nil
}

// kindTitle is how people read a kind. The kinds themselves are the words of the state file and of the command line.
func kindTitle(kind string) string {
	switch kind {
	case "products":
		return "Products"
	case "customers":
		return "Customers"
	case "orders":
		return "Orders of the past"
	case "watch":
		return "Following the shop"
	case retryKind:
		return "Retrying"
	case "verify":
		return "Verifying"
	}
	return kind
}

// runName is how a kind is spoken of at the beginning of a sentence: "Customers is done" would be read as a name.
func runName(kind string) string {
	switch kind {
	case "products", "customers":
		return "The export of " + kind
	case "orders":
		return "The export of past orders"
	case retryKind:
		return "The retry"
	}
	return kindTitle(kind)
}
