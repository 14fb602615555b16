package console

import (
	"context"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
)

// propose asks what automatic linking would do; it is shown before it is done.
func (c *configuration) propose(a *app) (tea.Cmd, string) {
	switch {
	case len(a.settings.Missing()) > 0:
		return nil, "Currencies are linked once shop and CRM are connected: " + missingWords(a) + "."
	// Linking may create currencies and takes the lease for it (rules.md 9.1), which the run holds.
	case a.busy() != "":
		return nil, a.busy() + " Automatic linking waits for that; enter links by hand meanwhile."
	case c.linking:
		return nil, "Shop and CRM are being asked already."
	// The proposal is made from what is saved: with unsaved links it would show one thing and do another.
	case slices.ContainsFunc(a.draft.changes, func(ch change) bool { return strings.HasPrefix(ch.row, "link:") }):
		return nil, "Currency links are unsaved: s saves them or u undoes them first."
	}
	a.say(faint, "comparing the currencies of shop and CRM ...")
	return c.proposal(a, true), ""
}

// proposal asks for the steps; asked says that a person waits for the answer. It writes nothing, so it needs no
// lease.
func (c *configuration) proposal(a *app, asked bool) tea.Cmd {
	c.linking = true
	return a.jobs.do(func(ctx context.Context) event {
		steps, err := a.eng.ProposeCurrencies(ctx)
		return proposedEvent{steps, asked, err}
	})
}

// proposedEvent brings what automatic linking would do.
type proposedEvent struct {
	steps []engine.CurrencyStep
	asked bool // the person has asked for it
	err   error
}

func stepRows(steps []engine.CurrencyStep) []row {
	var rows []row
	for _, s := range steps {
		rows = append(rows, row{line: line{{"  " + pad(clean(s.Action), 9), accent}, {" " + pad(clean(s.Code), 4), strong}, {" " + s.Text, plain}}})
	}
	return rows
}

func (e proposedEvent) apply(a *app) tea.Cmd {
	a.configuration.linking = false
	switch {
	case !e.asked && (e.err != nil || len(e.steps) == 0) || !a.free():
		return nil // Details shows it, and l asks again
	case e.err != nil:
		a.fail("compare the currencies", e.err)
		return nil
	case len(e.steps) == 0:
		a.say(good, "Nothing to do: every currency of the shop is in the CRM and linked.")
		return nil
	}
	rows := append(stepRows(e.steps), row{}, prose(faint, "Links made by hand stay as they are. Nothing is created twice."))
	a.ask(question{
		title: "Link automatically, by ISO 4217 code?",
		rows:  rows,
		run: func(a *app) tea.Cmd {
			a.configuration.linking = true
			a.say(faint, "linking ...")
			return a.jobs.do(func(ctx context.Context) event {
				// The steps are worked out anew and not those of the question: both servers may have changed while it
				// was read.
				steps, err := a.eng.LinkCurrencies(ctx)
				return linkedEvent{steps, err}
			})
		},
	})
	return nil
}

// linkedEvent says what automatic linking did.
type linkedEvent struct {
	steps []engine.CurrencyStep
	err   error
}

func (e linkedEvent) apply(a *app) tea.Cmd {
	c := &a.configuration
	c.linking, c.stale = false, true
	if e.err != nil {
		a.fail("link the currencies", e.err)
	} else {
		a.say(good, "Done: "+plural(int64(len(e.steps)), "step")+" of automatic linking.")
	}
	return tea.Batch(c.show(a), a.details.outdated(a))
}
