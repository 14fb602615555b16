package console

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"cartiger/engine"
)

// testRows show the steps of Validate and test as they come, with their times.
func (c *connection) testRows(a *app, w int) []row {
	const indent = 20
	words := make([]span, 0, len(c.steps)+1)
	for i, s := range c.steps {
		// The times tell a slow CRM from a slow shop, which no other screen does.
		sp := span{fmt.Sprintf("%d %s ok %s", i+1, s.Name, took(s.Took)), good}
		if s.Err != nil {
			sp = span{fmt.Sprintf("%d %s FAILED", i+1, s.Name), bad}
		}
		words = append(words, sp)
	}
	switch {
	case c.testing:
		words = append(words, span{"...", faint})
	case c.result != "" && c.failed:
		words = append(words, span{c.result, bad})
	case c.result != "" && c.untested(&a.draft):
		words = append(words, span{"changed since: t tests again", warn})
	case c.result != "":
		words = append(words, span{c.result, good})
	case len(words) == 0:
		words = append(words, span{"t asks shop and CRM with the values above; saves nothing", faint})
	}
	rows := []row{}
	l := line{{pad("Validate and test", indent), plain}}
	used := indent
	for _, s := range words {
		n := width(clean(s.text))
		// A step is never broken or cut off: its word is the result.
		if used+3+n > w-2 && used > indent {
			rows = append(rows, testRow(rows, l))
			l, used = line{{strings.Repeat(" ", indent), plain}}, indent
		}
		if used > indent {
			l = l.and(span{"   ", plain})
			used += 3
		}
		l = l.and(s)
		used += n
	}
	return append(rows, testRow(rows, l))
}

// testRow gives the id to the first row alone: the cursor has one stop for the whole test.
func testRow(before []row, l line) row {
	if len(before) == 0 {
		return row{id: "test", line: l}
	}
	return row{line: l, kids: true}
}

func took(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// test runs Validate and test on the values as they stand on the screen.
func (c *connection) test(a *app) (tea.Cmd, string) {
	if c.testing {
		return nil, "The test is running."
	}
	// What is typed counts, saved or not: a first connection is tested before it is saved.
	for _, name := range a.settings.Missing() {
		if a.value(name) == "" {
			return nil, "Cannot test yet: " + missingWords(a) + "."
		}
	}
	draft := connectionOf(&a.draft)
	c.steps, c.testing, c.result, c.failed = nil, true, "", false
	return a.jobs.stream(func(ctx context.Context, tell func(event)) {
		_, err := a.eng.TestConnection(ctx, draft, func(s engine.Step) { tell(stepEvent{s}) })
		// What was tested goes along: the draft may be another by then.
		tell(testedEvent{draft, err})
	}), ""
}

// stepEvent is one step of the test.
type stepEvent struct{ step engine.Step }

func (e stepEvent) apply(a *app) tea.Cmd {
	a.connection.steps = append(a.connection.steps, e.step)
	return nil
}

// testedEvent ends the test.
type testedEvent struct {
	draft map[string]string
	err   error
}

func (e testedEvent) apply(a *app) tea.Cmd {
	c := &a.connection
	c.testing = false
	var failed []error
	for _, s := range c.steps {
		if s.Err != nil {
			failed = append(failed, s.Err)
		}
	}
	if len(failed) == 0 && e.err != nil {
		failed, c.result = []error{e.err}, "FAILED" // else the steps say it
	}
	if c.failed = len(failed) > 0; c.failed {
		a.fail("connect", failed...)
		return nil
	}
	c.result, c.tested = "test ok", e.draft
	if len(e.draft) > 0 {
		a.say(good, "Test ok: shop and CRM answer. s saves the connection.")
	} else {
		a.say(good, "Test ok: shop and CRM answer.")
	}
	return nil
}

// untested says whether the connection as a draft would make it is another than the last good test's; an edit that was
// undone since makes it another too.
func (c *connection) untested(d *draft) bool {
	now := connectionOf(d)
	return len(now) > 0 && !maps.Equal(now, c.tested)
}

// connectionOf is what a draft changes of the connection.
func connectionOf(d *draft) map[string]string {
	set := d.settings()
	maps.DeleteFunc(set, func(name, _ string) bool { return !isConnection(name) })
	return set
}

func isConnection(setting string) bool {
	return slices.Contains(seldomRows, setting) || slices.ContainsFunc(connectionRows, func(r struct{ group, title, help, setting string }) bool { return r.setting == setting })
}
