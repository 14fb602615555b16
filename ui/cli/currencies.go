package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/ui/text"
)

// currencyLine is a row of `currencies list --json`: a CRM currency, a shop currency, or both; the side that is not
// there is null.
type currencyLine struct {
	CRM   *crmSide  `json:"crm"`
	Shop  *shopSide `json:"shop"`
	State string    `json:"state"`
	By    string    `json:"by,omitempty"`
}

// crmSide is the CRM's half of a row. An inactive currency takes no orders until it is activated; base is the one that
// the CRM's rates count from.
type crmSide struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Code   string `json:"code"`
	Active bool   `json:"active"`
	Base   bool   `json:"base"`
}

// shopSide is the shop's half of a row; its rates count from the default currency.
type shopSide struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	Code    string `json:"code"`
	Active  bool   `json:"active"`
	Default bool   `json:"default"`
	Rate    string `json:"rate"` // decimal digits as the shop has them: money is no JSON number
}

// currenciesCommand is the table of rules.md 5. Hand-made links are there because two sides may write one currency
// differently; they survive the automatic ones.
func (p *Program) currenciesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "currencies",
		Short:   "Link the CRM's currencies to the shop's",
		Long:    "An order is written in its own currency, so the shop's currencies must be linked to the CRM's. Orders in an unlinked one are held.",
		Example: "  cartiger currencies list\n  cartiger currencies auto\n  cartiger currencies link CHF CHF",
	}
	list := &cobra.Command{
		Use: "list", Short: "Print the currency table", Example: "  cartiger currencies list --json",
		RunE: func(cmd *cobra.Command, _ []string) error { return p.with(cmd.Context(), p.listCurrencies) },
	}
	var dry bool
	auto := &cobra.Command{
		Use: "auto", Short: "Link by ISO code; create or activate in the CRM what is missing there",
		Long:    "Link by ISO 4217 code. Shop currencies that the CRM lacks are created there, inactive ones activated. Links made by hand stay.",
		Example: "  cartiger currencies auto --dry-run\n  cartiger currencies auto",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error { return p.linkCurrencies(ctx, e, dry) })
		},
	}
	auto.Flags().BoolVar(&dry, "dry-run", false, "show what would be done, do nothing")
	link := &cobra.Command{
		Use: "link CRM-CURRENCY SHOP-CURRENCY", Short: "Link two currencies by hand, by code or id", ValidArgsFunction: p.suggest(completeCurrencies),
		Example: "  cartiger currencies link USD USD\n  cartiger currencies link 21x3 2",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				t, crmID, err := crmCurrency(ctx, e, args[0])
				if err != nil {
					return err
				}
				shopID, err := shopCurrencyID(t, args[1])
				if err != nil {
					return err
				}
				return typed(e.SetCurrencyLink(ctx, crmID, shopID))
			})
		},
	}
	unlink := &cobra.Command{
		Use: "unlink CRM-CURRENCY", Short: "Take a link away, by code or id", ValidArgsFunction: p.suggest(completeCurrencies),
		Example: "  cartiger currencies unlink USD",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				_, crmID, err := crmCurrency(ctx, e, args[0])
				if err != nil {
					return err
				}
				return typed(e.RemoveCurrencyLink(ctx, crmID))
			})
		},
	}
	c.AddCommand(list, auto, link, unlink)
	return c
}

// crmCurrency finds a CRM currency in the table by id or code; a code that two have needs the id.
func crmCurrency(ctx context.Context, e *engine.Engine, name string) (engine.CurrencyTable, string, error) {
	t, err := e.Currencies(ctx)
	if err != nil {
		return t, "", err
	}
	var ids []string
	for _, r := range t.Rows {
		if r.CRMID != "" && (r.CRMID == name || strings.EqualFold(r.CRMCode, name)) && !slices.Contains(ids, r.CRMID) {
			ids = append(ids, r.CRMID)
		}
	}
	id, err := theOne(ids, "CRM currency", name)
	return t, id, err
}

// shopCurrencyID does the same for the shop's side, deleted currencies that orders wait for included (rules.md 3.7).
func shopCurrencyID(t engine.CurrencyTable, name string) (int64, error) {
	var ids []string
	for _, r := range t.Rows {
		id := strconv.FormatInt(r.ShopID, 10)
		if r.ShopID != 0 && (id == name || strings.EqualFold(r.ShopCode, name)) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	id, err := theOne(ids, "shop currency", name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(id, 10, 64)
}

// theOne does not guess between two of one code: a wrong link writes orders in the wrong currency.
func theOne(ids []string, what, name string) (string, error) {
	switch len(ids) {
	case 1:
		return ids[0], nil
	case 0:
		return "", misuse{&problem.Error{Kind: problem.NotFound, Where: "currencies", Field: what, Message: fmt.Sprintf("there is no %s %s", what, name), Cure: "`cartiger currencies list` shows them."}}
	}
	return "", misuse{&problem.Error{Kind: problem.Invalid, Where: "currencies", Field: what, Message: fmt.Sprintf("%s is the code of several: %s", name, strings.Join(ids, ", ")), Cure: "Give the id."}}
}

// listCurrencies asks both servers every time: people edit both lists, and a table of yesterday hides what was added.
func (p *Program) listCurrencies(ctx context.Context, e *engine.Engine) error {
	t, err := e.Currencies(ctx)
	if err != nil {
		return err
	}
	lines := make([]currencyLine, len(t.Rows))
	rows := make([][]string, len(t.Rows))
	for i, r := range t.Rows {
		lines[i] = currencyLine{State: r.State, By: r.By}
		left, right := "(none)", "(none)"
		if r.CRMID != "" {
			lines[i].CRM = &crmSide{r.CRMID, r.CRMName, r.CRMCode, r.CRMActive, r.CRMBase}
			left = r.CRMName + " - " + r.CRMCode
		}
		if r.ShopID != 0 {
			lines[i].Shop = &shopSide{r.ShopID, r.ShopName, r.ShopCode, r.ShopActive, r.ShopDefault, r.Rate}
			right = r.ShopName + " - " + r.ShopCode
		}
		rows[i] = []string{r.CRMID, left, "=>", right, r.Rate, r.State, r.By}
	}
	if p.json {
		return p.document(map[string]any{
			"currencies": lines, "shop_base": t.ShopBase, "crm_base": t.CRMBase, "bases_agree": t.BasesAgree,
			// A copy that is never nil: the contract has a list here, not null.
			"unlinked": append([]string{}, t.UnlinkedShopActive...), "held_orders": t.HeldByLinks,
		})
	}
	p.table([]column{"ID", "CURRENCY IN CRM", "", "CURRENCY IN SHOP", ">RATE", "STATE", "BY"}, rows)
	if !t.BasesAgree {
		p.note("The shop counts in %s, the CRM in %s: they should be the same.", text.Clean(t.ShopBase), text.Clean(t.CRMBase))
	}
	if t.HeldByLinks > 0 {
		p.note("%d orders wait for a link.", t.HeldByLinks)
	}
	return nil
}

func (p *Program) linkCurrencies(ctx context.Context, e *engine.Engine, dry bool) error {
	// Both give the same steps; only one takes them.
	do := e.LinkCurrencies
	if dry {
		do = e.ProposeCurrencies
	}
	steps, err := do(ctx)
	if p.json {
		if err == nil {
			err = p.document(map[string]any{"steps": append([]engine.CurrencyStep{}, steps...), "dry_run": dry})
		}
		return err
	}
	// Also with an error: what was done before it is done.
	for _, s := range steps {
		p.say("%s", text.Clean(s.Text))
	}
	if err == nil && len(steps) == 0 {
		p.note("All active shop currencies are linked already.")
	}
	return err
}
