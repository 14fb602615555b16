package cli

import (
	"context"

	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/ui/text"
)

// rebuildCommand is the way back without a backup: shop and CRM hold the keys of every record (rules.md 1). It
// changes no link that is there, so a damaged file has to go away first: what it says would be believed.
func (p *Program) rebuildCommand() *cobra.Command {
	var verbose bool
	c := &cobra.Command{
		Use:   "rebuild",
		Short: "Find the links of a lost state file again in shop and CRM",
		Long: `Find the links of a lost state file again: customers by e-mail address, products by code, orders and invoices by their
key, currencies by code. Nothing is written into the CRM and no link that is there is changed.

Move the damaged file away first, or name a new one with --state; then connect, then rebuild. What only the lost file
knew has to be set again: settings, defaults, hand-made currency links and order states.`,
		Example: "  cartiger connect && cartiger rebuild\n  cartiger rebuild --state /var/lib/cartiger/new.db",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error { return p.rebuild(ctx, e, verbose) })
		},
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, verboseUsage)
	return c
}

func (p *Program) rebuild(ctx context.Context, e *engine.Engine, verbose bool) error {
	var s engine.Summary
	_, summaries, err := p.mixed(ctx, e, "rebuild", p.perRecord(verbose), func(ctx context.Context) (err error) {
		s, err = e.Rebuild(ctx)
		return err
	})
	// Before an error as well: it broke off, and what it found by then stands.
	for _, w := range s.Warnings {
		p.note("Warning: %s", text.Clean(w))
	}
	if err != nil {
		return err
	}
	return stoppedOr(ctx, summaries, "rebuild")
}
