package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/problem"
)

// statesCommand is the mapping of rules.md 4. It goes by the id of a state: names are in several languages, and people
// change them.
func (p *Program) statesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "states",
		Short: "Map the shop's order states to the CRM's statuses",
		Long: `Each order state of the shop becomes a status of the SalesOrder and, once there is one, of the Invoice. The statuses are
values of the CRM's own lists. With the setting states.names = shop the shop's name of the state is taken instead.`,
		Example: "  cartiger states list\n  cartiger states set 3 --order Approved --invoice Paid\n  cartiger states reset 3",
	}
	list := &cobra.Command{
		Use: "list", Short: "Print the mapping", Example: "  cartiger states list --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return p.with(cmd.Context(), p.listStates) },
	}
	var order, invoice string
	set := &cobra.Command{
		Use: "set STATE", Short: "Map a state, given by its id, by hand", ValidArgsFunction: p.suggest(completeStates),
		Example: "  cartiger states set 3 --order Approved\n  cartiger states set 3 --order Approved --invoice Sent",
		RunE: func(cmd *cobra.Command, args []string) error {
			// An empty mapping would mean the default: that has a command of its own.
			if order == "" && invoice == "" {
				return wrong(cmd, "order", "give --order or --invoice; to go back to the default use `cartiger states reset %s`", args[0])
			}
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				row, err := p.stateRow(ctx, e, args[0])
				if err != nil {
					return err
				}
				hand, err := e.Store().StateMaps(ctx)
				if err != nil {
					return err
				}
				// What is not given stays what a person made it, or goes on following the default.
				row.SOStatus, row.InvoiceStatus = order, invoice
				for _, m := range hand {
					if m.ShopState == row.ShopState {
						row.SOStatus, row.InvoiceStatus = nonEmpty(order, m.SOStatus), nonEmpty(invoice, m.InvoiceStatus)
					}
				}
				return typed(e.SetState(ctx, row))
			})
		},
	}
	set.Flags().StringVar(&order, "order", "", "`STATUS` of the SalesOrder")
	set.Flags().StringVar(&invoice, "invoice", "", "`STATUS` of the Invoice")
	_ = set.RegisterFlagCompletionFunc("order", p.suggest(completeStatuses(false)))
	_ = set.RegisterFlagCompletionFunc("invoice", p.suggest(completeStatuses(true)))
	reset := &cobra.Command{
		Use: "reset STATE", Short: "Take a state, given by its id, back to the default", ValidArgsFunction: p.suggest(completeStates),
		Example: "  cartiger states reset 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				row, err := p.stateRow(ctx, e, args[0])
				if err != nil {
					return err
				}
				return e.ResetState(ctx, row.ShopState)
			})
		},
	}
	c.AddCommand(list, set, reset)
	return c
}

// stateRow finds an order state by its id. The shop is asked, because a mapping of a state that it does not have would
// never be used and never be missed.
func (p *Program) stateRow(ctx context.Context, e *engine.Engine, name string) (engine.StateRow, error) {
	rows, err := e.States(ctx)
	if err != nil {
		return engine.StateRow{}, err
	}
	for _, r := range rows {
		if strconv.FormatInt(r.ShopState, 10) == name {
			return r, nil
		}
	}
	return engine.StateRow{}, misuse{&problem.Error{Kind: problem.NotFound, Where: "states", Field: "state", Message: "the shop has no order state " + name, Cure: "`cartiger states list` shows their ids."}}
}

// listStates shows what is in force: by hand or the default, which goes by id and flags of the state (rules.md 4).
func (p *Program) listStates(ctx context.Context, e *engine.Engine) error {
	states, err := e.States(ctx)
	if err != nil {
		return err
	}
	if p.json {
		// A copy that is never nil: the contract has a list here, not null.
		return p.document(map[string]any{"states": append([]engine.StateRow{}, states...)})
	}
	rows := make([][]string, len(states))
	for i, s := range states {
		makes := ""
		if s.Invoice {
			makes = "yes"
		}
		rows[i] = []string{strconv.FormatInt(s.ShopState, 10), s.Name, s.SOStatus, s.InvoiceStatus, makes, s.By}
	}
	p.table([]column{">ID", "SHOP STATE", "SALESORDER", "INVOICE", "INVOICED", "BY"}, rows)
	return nil
}
