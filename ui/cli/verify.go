package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"cartiger/engine"
)

// verifyCommand does not trust what was written at the time: it reads both sides again. A difference left is 3, so that
// a timer hears of it.
func (p *Program) verifyCommand() *cobra.Command {
	var repair bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "Compare shop and CRM: links, counts, sums, totals and statuses",
		Long: `Compare what shop and CRM hold of the same records: links, counts, sums per currency, totals, lines and statuses, and
explain each difference. With --repair what is safe is repaired; nothing is deleted or merged. The exit code is 3 when
differences are left.`,
		Example: "  cartiger verify\n  cartiger verify --repair\n  cartiger verify --json | jq '.differences[]'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error { return p.verify(ctx, e, repair) })
		},
	}
	c.Flags().BoolVar(&repair, "repair", false, "repair what is safe")
	return c
}

func (p *Program) verify(ctx context.Context, e *engine.Engine, repair bool) error {
	var found []engine.Difference
	// Only a repair is a run; comparing alone has nothing to follow.
	err := p.follow(ctx, e, "verify", nil, func(ctx context.Context) (err error) {
		found, err = e.Verify(ctx, repair)
		return err
	})
	if err == nil {
		// Half a comparison that found nothing must not end with "agree".
		err = context.Cause(ctx)
	}
	if err != nil && len(found) == 0 {
		return err // an empty list would look like a finding
	}
	left := 0
	rows := make([][]string, len(found))
	for i, d := range found {
		what := d.Repair
		switch {
		case d.Done:
			what = "repaired: " + d.Repair
		case d.Repair == "":
			what = "a person decides"
		}
		// Without --repair all are left, also those that could be repaired.
		if !d.Done {
			left++
		}
		rows[i] = []string{string(d.Entity), fmt.Sprint(d.ShopID), d.CRMID, d.What, d.Text, what}
	}
	// Also with an error: what was repaired by then is repaired, and somebody must be told.
	if p.json {
		if docErr := p.document(map[string]any{"differences": append([]engine.Difference{}, found...), "left": left}); err == nil {
			err = docErr
		}
	} else if len(rows) > 0 {
		p.table([]column{"ENTITY", ">ID", "CRM", "WHAT", "DIFFERENCE", "REPAIR"}, rows)
	}
	switch {
	case err != nil:
		return err
	case left > 0:
		if !p.json {
			p.note("%d differences, %d left.", len(found), left)
		}
		return ended(exitTroubled)
	case !p.json:
		p.say("Shop and CRM agree.")
	}
	return nil
}
