package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/ui/text"
)

// statusCommand is Details of rules.md 8 for scripts: monitoring goes by its exit code. A warning is 0, because it is
// about something that works.
func (p *Program) statusCommand() *cobra.Command {
	var offline bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Check the shop, the CRM and everything between them",
		Long: `Check the shop, the CRM and everything between them, and count what is linked, held and failed.

Each line says ok, WARNING or FAILED; below it stands what it means and what to do. The exit code is 4 when settings
are missing, 5 when the shop or the CRM cannot be used, 1 when another check failed, and 0 with warnings.`,
		Example: `  cartiger status
  cartiger status --offline
  cartiger status --json | jq '.checks[] | select(.level != "ok")'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.printStatus(cmd.Context(), offline)
			if err != nil {
				return err
			}
			return judge(s.Checks)
		},
	}
	c.Flags().BoolVar(&offline, "offline", false, "ask nobody: the last known results, and the figures of the state file")
	return c
}

// testCommand differs from status in telling each step as it happens: a server that hangs is seen to hang.
func (p *Program) testCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "test",
		Short:   "Test the connection step by step",
		Long:    "Log in to the CRM, look at its modules and rights, ask the shop, then run all checks. Nothing is saved.",
		Example: "  cartiger test\n  CARTIGER_CRM_URL=https://crm.example.test/ cartiger test",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				s, err := e.TestConnection(ctx, nil, p.tellStep)
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					return err
				}
				if err := p.showStatus(s); err != nil {
					return err
				}
				return judge(s.Checks)
			})
		},
	}
}

// tellStep tells a step of a test as it happens. The result is the status, so steps are messages, and programs need
// none.
func (p *Program) tellStep(s engine.Step) {
	if p.json {
		return
	}
	took := s.Took.Round(time.Millisecond).String()
	if s.Err != nil {
		p.note("%-22s failed  %s", s.Name, took)
		return
	}
	p.note("%-22s ok      %s", s.Name, took)
}

// judge is the exit code that checks speak of. The nearest cause wins, whatever the order of the checks: what is not
// set up cannot be connected, and what is not connected cannot be judged further.
func judge(checks []engine.Check) error {
	code := exitDone
	for _, c := range checks {
		if c.Level != engine.Failure {
			continue
		}
		switch c.ID {
		case "setup":
			return ended(exitIncomplete)
		case "crm", "shop":
			code = exitConnect
		default:
			if code == exitDone {
				code = exitFailed
			}
		}
	}
	if code == exitDone {
		return nil
	}
	return ended(code)
}

// printStatus asks shop and CRM, or with offline only the state file: that one answers at once and beside any run.
func (p *Program) printStatus(ctx context.Context, offline bool) (engine.Status, error) {
	var s engine.Status
	err := p.with(ctx, func(ctx context.Context, e *engine.Engine) (err error) {
		if offline {
			s, err = e.StoredStatus(ctx)
		} else {
			s, err = e.Status(ctx)
		}
		if err == nil {
			err = ctx.Err() // checks cut short by a signal say nothing about the servers
		}
		if err != nil {
			return err
		}
		return p.showStatus(s)
	})
	return s, err
}

// statusDocument is `status --json`. Worst spares programs the order of the levels.
type statusDocument struct {
	engine.Status
	At    *time.Time   `json:"at"` // null when nobody was asked yet
	Worst engine.Level `json:"worst"`
}

// documentOf makes the time of asking null where nobody was asked: year 1 would pass for an answer.
func documentOf(s engine.Status) statusDocument {
	doc := statusDocument{Status: s, Worst: s.Worst()}
	if !s.At.IsZero() {
		at := s.At.UTC()
		doc.At = &at
	}
	return doc
}

// levelWord is in capitals where something is to be done: there is no colour in a log or a mail.
var levelWord = map[engine.Level]string{engine.OK: "ok", engine.Warning: "WARNING", engine.Failure: "FAILED"}

func (p *Program) showStatus(s engine.Status) error {
	if p.json {
		return p.document(documentOf(s))
	}
	if s.At.IsZero() {
		p.say("Shop and CRM were not asked yet: `cartiger status` does it.")
	} else {
		p.say("Checked %s", s.At.Local().Format(time.DateTime))
	}
	for _, c := range s.Checks {
		p.say("  %s  %s  %s", text.Pad(text.Clean(c.Title), 18), text.Pad(levelWord[c.Level], 7), text.Clean(c.Text))
		// What is well needs no explanation; the rest is read from top to bottom.
		if c.Level == engine.OK {
			continue
		}
		for _, part := range []string{c.Meaning, strings.Join(c.Details, "\n"), c.Cure} {
			if part == "" {
				continue
			}
			for _, line := range text.Wrap(part, 96) {
				p.say("      %s", line)
			}
		}
	}
	rows := make([][]string, len(s.Entities))
	for i, e := range s.Entities {
		inShop := "-"
		// -1 is not known yet: 0 would say that the shop is empty.
		if e.InShop >= 0 {
			inShop = humanize.Comma(e.InShop)
		}
		rows[i] = []string{"  " + string(e.Entity) + "s", inShop, humanize.Comma(e.Linked), humanize.Comma(e.Pending), strconv.FormatInt(e.Held, 10), strconv.FormatInt(e.Failed, 10), e.LastRun}
	}
	p.say("")
	p.table([]column{"", ">in shop", ">linked", ">pending", ">held", ">failed", "last run"}, rows)
	return nil
}
