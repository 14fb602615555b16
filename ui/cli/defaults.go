package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/ui/text"
)

// defaultLine is a mandatory field of `defaults list --json`.
type defaultLine struct {
	Module       string   `json:"module"`
	Field        string   `json:"field"`
	Label        string   `json:"label"`
	Type         string   `json:"type"`
	Values       []string `json:"values,omitempty"`
	RefersTo     []string `json:"refers_to,omitempty"`
	Source       string   `json:"source,omitempty"` // what the connector fills it with
	Default      string   `json:"default"`
	DefaultLabel string   `json:"default_label,omitempty"` // what a record was chosen by: 3x14 says nothing to people
	Needed       bool     `json:"needed"`                  // nothing fills it: records of the module are held (rules.md 6)
}

// defaultsCommand goes by what the CRM demands now (rules.md 6): a field that an administrator makes mandatory tomorrow
// shows up by itself.
func (p *Program) defaultsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "defaults",
		Short:   "Give mandatory CRM fields a value for when the shop has none",
		Long:    "The CRM refuses a record when a mandatory field is empty. A default is used whenever the shop's value is empty; text fields have --None-- at first.",
		Example: "  cartiger defaults list\n  cartiger defaults set SalesOrder.bill_street 'no address'",
	}
	var needed bool
	list := &cobra.Command{
		Use: "list", Short: "Print the mandatory fields, what fills each and its default",
		Example: "  cartiger defaults list --needed",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error { return p.listDefaults(ctx, e, needed) })
		},
	}
	list.Flags().BoolVar(&needed, "needed", false, "only those that nothing fills and that have no default")
	var search string
	set := &cobra.Command{
		Use: "set MODULE.FIELD [VALUE]", Short: "Set the default of a field", ValidArgsFunction: p.suggest(completeFields),
		Long: "Set the default of a field: text, a date 2026-12-31, a number, 0 or 1, a value of the list, or a record. A record is given by its id, or found by name with --search.",
		Example: `  cartiger defaults set SalesOrder.bill_street 'no street'
  cartiger defaults set Invoice.account_id 3x14
  cartiger defaults set Invoice.account_id --search 'Acme'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			module, field, err := splitField(args[0])
			if err != nil {
				return err
			}
			// With neither nothing would be set; with both it is open which one counts.
			if (search == "") == (len(args) == 1) {
				return wrong(cmd, args[0], "give %s a value or --search, one of the two", args[0])
			}
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				if search == "" {
					return typed(e.SetDefault(ctx, module, field, args[1], ""))
				}
				found, err := p.findReference(ctx, e, module, field, search)
				if err != nil {
					return err
				}
				// Part of a name was typed: whom it found has to be said.
				p.note("%s.%s = %s (%s)", module, field, found.ID, text.Clean(found.Label))
				return typed(e.SetDefault(ctx, module, field, found.ID, found.Label))
			})
		},
	}
	set.Flags().StringVar(&search, "search", "", "of a record: the one with `TEXT` in its name")
	unset := &cobra.Command{
		Use: "unset MODULE.FIELD", Short: "Take the default of a field away", ValidArgsFunction: p.suggest(completeFields),
		Example: "  cartiger defaults unset SalesOrder.bill_street",
		RunE: func(cmd *cobra.Command, args []string) error {
			module, field, err := splitField(args[0])
			if err != nil {
				return err
			}
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				return typed(e.UnsetDefault(ctx, module, field))
			})
		},
	}
	c.AddCommand(list, set, unset)
	return c
}

// splitField demands the module too: one field name, such as account_id, is in several.
func splitField(name string) (module, field string, err error) {
	module, field, ok := strings.Cut(name, ".")
	if !ok || module == "" || field == "" {
		return "", "", misuse{&problem.Error{Kind: problem.Invalid, Where: "defaults", Field: name, Message: name + " is not MODULE.FIELD", Cure: "Write it as SalesOrder.bill_street; `cartiger defaults list` shows them."}}
	}
	return module, field, nil
}

func (p *Program) listDefaults(ctx context.Context, e *engine.Engine, needed bool) error {
	fields, err := e.Mandatory(ctx)
	if err != nil {
		return err
	}
	// Not nil: the contract has a list here, not null.
	lines := []defaultLine{}
	var rows [][]string
	for _, f := range fields {
		if needed && !f.Needed {
			continue
		}
		lines = append(lines, defaultLine{f.Module, f.Field, f.Label, f.Type, f.Values, f.RefersTo, f.Source, f.Default, f.DefaultFor, f.Needed})
		value := nonEmpty(f.Default, f.Source)
		switch {
		case f.Needed:
			value = "NEEDED"
		case f.DefaultFor != "":
			value += " (" + f.DefaultFor + ")"
		}
		rows = append(rows, []string{f.Module + "." + f.Field, f.Label, f.Type, nonEmpty(f.Source, "-"), value})
	}
	if p.json {
		return p.document(map[string]any{"fields": lines})
	}
	if len(rows) == 0 {
		p.note("No field needs a default.")
		return nil
	}
	p.table([]column{"FIELD", "LABEL", "TYPE", "FILLED BY", "DEFAULT"}, rows)
	return nil
}

// findReference finds the one record that a text names. Of several it takes none: the default would put a stranger's
// record on every order that lacks one. They are shown on stderr, because they are no result.
func (p *Program) findReference(ctx context.Context, e *engine.Engine, module, field, search string) (engine.Choice, error) {
	fields, err := e.Mandatory(ctx)
	if err != nil {
		return engine.Choice{}, err
	}
	var found []engine.Choice
	known := false
	for _, f := range fields {
		if f.Module != module || f.Field != field {
			continue
		}
		known = true
		for _, target := range f.RefersTo {
			choices, err := e.SearchReference(ctx, target, search)
			if err != nil {
				return engine.Choice{}, typed(err)
			}
			found = append(found, choices...)
		}
	}
	switch {
	case !known:
		return engine.Choice{}, misuse{&problem.Error{Kind: problem.NotFound, Where: "defaults", Field: field, Message: module + "." + field + " is no mandatory field", Cure: "`cartiger defaults list` shows them."}}
	case len(found) == 0:
		return engine.Choice{}, misuse{&problem.Error{Kind: problem.NotFound, Where: "defaults", Field: field, Message: "the CRM has no record with " + search + " in its name", Cure: "Create it in the CRM, or search for another text."}}
	case len(found) == 1:
		return found[0], nil
	}
	rows := make([][]string, len(found))
	for i, f := range found {
		rows[i] = []string{f.ID, f.Label}
	}
	p.tableTo(p.Err, []column{"ID", "NAME"}, rows)
	return engine.Choice{}, misuse{&problem.Error{Kind: problem.Invalid, Where: "defaults", Field: field, Message: fmt.Sprintf("%d records have %s in their name", len(found), search), Cure: "Give the id of one of them."}}
}
