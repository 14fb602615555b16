package cli

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cartiger/engine"
	"cartiger/store"
	"cartiger/ui/text"
	"cartiger/vtigerws/vtigerwstest"
)

// completeWithin is how long a shell waits for values that shop or CRM have to be asked for. Who pressed Tab cannot go
// on typing meanwhile.
const completeWithin = 5 * time.Second

// flagValues are the words that a flag of a name takes, in whichever command.
var flagValues = map[string][]string{
	"log":         {"debug", "info", "warn", "error"},
	"level":       {"info", "warning", "error"},
	"entity":      entityNames(),
	"only":        {"held", "failed", "created", "updated", "unchanged"},
	"crm-version": vtigerwstest.Versions(),
}

// entityNames leaves invoices out: one goes with its order and has no outcome of its own.
func entityNames() []string {
	return []string{string(store.Customer), string(store.Product), string(store.Order)}
}

// checkCompletion gives flags their words, and keeps the shell from offering files where none is meant.
func checkCompletion(c *cobra.Command) {
	c.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	// The usage line is what says that an argument is a file.
	if strings.HasSuffix(c.Use, " FILE") {
		c.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveDefault)
	}
	offer := func(f *pflag.Flag) {
		words, known := flagValues[f.Name]
		if name, _ := pflag.UnquoteUsage(f); name == "FILE" || f.Name == "data" {
			_ = c.RegisterFlagCompletionFunc(f.Name, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
				return nil, cobra.ShellCompDirectiveDefault
			})
		} else if known {
			_ = c.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	c.LocalFlags().VisitAll(offer)
}

// suggest completes with what the state file, the shop or the CRM holds: "value\tmeaning". Nothing is offered where they
// cannot be asked; completing makes no state file.
func (p *Program) suggest(list func(ctx context.Context, e *engine.Engine, args []string) ([]cobra.Completion, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, done := context.WithTimeout(cmd.Context(), completeWithin)
		defer done()
		var found []cobra.Completion
		path, err := p.statePath()
		if err == nil {
			// To open a file that is not there would make it.
			_, err = os.Stat(path)
		}
		if err == nil {
			err = p.with(ctx, func(ctx context.Context, e *engine.Engine) (err error) {
				found, err = list(ctx, e, args)
				return err
			})
		}
		if err != nil {
			// Into the shell's debug file if there is one: a message would land in the line that is being typed.
			cobra.CompDebugln(err.Error(), false)
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// choice is a value and its meaning. Both may come from a server, and end on a terminal.
func choice(value, meaning string) cobra.Completion {
	return cobra.CompletionWithDesc(text.Clean(value), text.Clean(meaning))
}

// completeSettings offers names, and the values that a setting with few of them takes, in both ways to write them:
// NAME VALUE and NAME=VALUE.
func completeSettings(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var found []cobra.Completion
	name, _, assigned := strings.Cut(typed, "=")
	setting, known := engine.FindSetting(name)
	if cmd.Name() == "set" && len(args) == 1 && !strings.Contains(args[0], "=") {
		if setting, known = engine.FindSetting(args[0]); known {
			return setting.Choices, cobra.ShellCompDirectiveNoFileComp
		}
	}
	if assigned && known {
		for _, value := range setting.Choices {
			found = append(found, name+"="+value)
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	if cmd.Name() == "get" && len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, s := range engine.SettingsList() {
		found = append(found, choice(s.Name, s.Meaning))
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// completeFields offers the mandatory fields, then the values of a list.
func completeFields(ctx context.Context, e *engine.Engine, args []string) ([]cobra.Completion, error) {
	fields, err := e.Mandatory(ctx)
	var found []cobra.Completion
	for _, f := range fields {
		switch {
		case len(args) == 0:
			found = append(found, choice(f.Module+"."+f.Field, f.Label))
		case len(args) == 1 && args[0] == f.Module+"."+f.Field:
			for _, value := range f.Values {
				found = append(found, choice(value, ""))
			}
		}
	}
	return found, err
}

// completeCurrencies offers codes of the CRM's currencies, then of the shop's.
func completeCurrencies(ctx context.Context, e *engine.Engine, args []string) ([]cobra.Completion, error) {
	if len(args) > 1 {
		return nil, nil
	}
	t, err := e.Currencies(ctx)
	var found []cobra.Completion
	for _, r := range t.Rows {
		switch {
		case len(args) == 0 && r.CRMID != "":
			found = append(found, choice(r.CRMCode, r.CRMName))
		case len(args) == 1 && r.ShopID != 0:
			found = append(found, choice(r.ShopCode, r.ShopName))
		}
	}
	return found, err
}

// completeStates offers the ids of the shop's order states.
func completeStates(ctx context.Context, e *engine.Engine, args []string) ([]cobra.Completion, error) {
	if len(args) > 0 {
		return nil, nil
	}
	states, err := e.States(ctx)
	var found []cobra.Completion
	for _, s := range states {
		found = append(found, choice(strconv.FormatInt(s.ShopState, 10), s.Name))
	}
	return found, err
}

// completeRecords offers entities, then the ids of held and failed records.
func completeRecords(ctx context.Context, e *engine.Engine, args []string) ([]cobra.Completion, error) {
	if len(args) == 0 {
		return entityNames(), nil
	}
	entity, err := parseEntity(args[0])
	if err != nil || len(args) > 1 {
		return nil, err
	}
	outcomes, err := e.Records(ctx, store.Filter{Entity: entity})
	var found []cobra.Completion
	for _, o := range outcomes {
		found = append(found, choice(strconv.FormatInt(o.ShopID, 10), o.Label+", "+string(o.State)+": "+o.Detail))
	}
	return found, err
}

// completeReasons offers the reasons that records are held or failed for.
func completeReasons(ctx context.Context, e *engine.Engine, _ []string) ([]cobra.Completion, error) {
	outcomes, err := e.Records(ctx, store.Filter{})
	var found []cobra.Completion
	for _, o := range outcomes {
		if o.Reason != "" && !slices.Contains(found, o.Reason) {
			found = append(found, o.Reason)
		}
	}
	return found, err
}

// completeStatuses offers the CRM's statuses of orders, or of invoices.
func completeStatuses(ofInvoices bool) func(context.Context, *engine.Engine, []string) ([]cobra.Completion, error) {
	return func(ctx context.Context, e *engine.Engine, _ []string) ([]cobra.Completion, error) {
		statuses, invoices, err := e.StateChoices(ctx)
		if ofInvoices {
			statuses = invoices
		}
		var found []cobra.Completion
		for _, s := range statuses {
			found = append(found, choice(s, ""))
		}
		return found, err
	}
}
