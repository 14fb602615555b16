package engine

import (
	"context"
	"fmt"
	"slices"

	"cartiger/problem"
	"cartiger/psapi"
	"cartiger/store"
	"cartiger/vtigerws"
)

// defaultStatus are the statuses that a shop state maps to unless a person said otherwise (rules.md 4): by the ids of
// the states PrestaShop installs, and by flags for a shop's own states.
func defaultStatus(s psapi.OrderState) (order, invoice string) {
	switch s.ID {
	case 1, 8, 9, 10, 11:
		return "Created", "Created"
	case 2, 3, 12:
		return "Approved", "Paid"
	case 4, 5:
		return "Delivered", "Paid"
	case 6, 7:
		return "Cancelled", "Cancel"
	}
	switch {
	case s.Delivery:
		return "Delivered", "Paid"
	case s.Invoice, s.Logable:
		return "Approved", "Paid"
	}
	return "Created", "Created"
}

// statusOf is the status of an order or invoice in a shop state.
func statusOf(s psapi.OrderState, maps []store.StateMap, names string) (order, invoice string) {
	order, invoice = defaultStatus(s)
	if names == "shop" && s.Name != "" {
		order, invoice = s.Name, s.Name
	}
	for _, m := range maps {
		if m.ShopState != s.ID {
			continue
		}
		order, invoice = firstOf(m.SOStatus, order), firstOf(m.InvoiceStatus, invoice)
	}
	return order, invoice
}

// States is the mapping of the shop's order states to the CRM's statuses, those of invoices as the CRM's list has them
// while the CRM can be asked.
func (e *Engine) States(ctx context.Context) ([]StateRow, error) {
	settings, err := e.Settings(ctx)
	if err != nil {
		return nil, err
	}
	if settings.Get(ShopURL) == "" || settings.Get(ShopKey) == "" {
		return nil, missingSettings([]string{ShopURL, ShopKey})
	}
	shop, err := e.opts.DialShop(settings)
	if err != nil {
		return nil, err
	}
	page, err := shop.OrderStates(ctx, psapi.Query{})
	if err != nil {
		return nil, err
	}
	maps, err := e.store.StateMaps(ctx)
	if err != nil {
		return nil, err
	}
	var bills vtigerws.Module
	if _, crm, err := e.dialCRMOnly(ctx); err == nil {
		if m, err := crm.Describe(ctx, Invoice); err == nil {
			bills = m
		}
	}
	rows := make([]StateRow, len(page.Items))
	for i, s := range page.Items {
		order, invoice := statusOf(s, maps, settings.Get(StatusNames))
		rows[i] = StateRow{ShopState: s.ID, Name: s.Name, SOStatus: order, InvoiceStatus: listed(bills, invoice), Invoice: s.Invoice, By: "default"}
		if slices.ContainsFunc(maps, func(m store.StateMap) bool { return m.ShopState == s.ID }) {
			rows[i].By = "hand"
		}
	}
	return rows, nil
}

// SetState maps a shop state by hand. The values should be in the CRM's lists: StateChoices names them.
func (e *Engine) SetState(ctx context.Context, row StateRow) error {
	order, invoice, err := e.StateChoices(ctx)
	if err != nil {
		return err
	}
	for _, v := range []struct {
		field, value string
		choices      []string
	}{{"sostatus", row.SOStatus, order}, {"invoicestatus", row.InvoiceStatus, invoice}} {
		if v.value != "" && !slices.Contains(v.choices, v.value) {
			return &problem.Error{
				Kind: problem.Invalid, Where: "states", Field: v.field, Message: fmt.Sprintf("%q is not in the CRM's list", v.value),
				Cure: "Choose one of " + joined(v.choices) + ", or add it in vtiger's Picklist Editor.",
			}
		}
	}
	return e.store.SaveStateMaps(ctx, []store.StateMap{{ShopState: row.ShopState, SOStatus: row.SOStatus, InvoiceStatus: row.InvoiceStatus}})
}

// ResetState takes a hand-made mapping back to the default.
func (e *Engine) ResetState(ctx context.Context, shopState int64) error {
	return e.store.SaveStateMaps(ctx, []store.StateMap{{ShopState: shopState}})
}

// StateChoices are the values of the CRM's lists for orders and invoices.
func (e *Engine) StateChoices(ctx context.Context) (order, invoice []string, err error) {
	_, crm, err := e.dialCRMOnly(ctx)
	if err != nil {
		return nil, nil, err
	}
	so, err := crm.Describe(ctx, SalesOrder)
	if err != nil {
		return nil, nil, err
	}
	inv, err := crm.Describe(ctx, Invoice)
	if err != nil {
		return nil, nil, err
	}
	a, _ := so.Field("sostatus")
	b, _ := inv.Field("invoicestatus")
	return a.Values, b.Values, nil
}
