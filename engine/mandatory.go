package engine

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"cartiger/problem"
	"cartiger/store"
	"cartiger/vtigerws"
)

// filled says what always fills a mandatory field; such fields need no default (rules.md 6). "" = only the default does.
var filled = map[string]string{
	"Leads.lastname": "from the customer", "Leads.company": "from the customer",
	"Contacts.lastname":        "from the customer",
	"Accounts.accountname":     "from the customer",
	"Products.productname":     "from the product",
	"Potentials.potentialname": "from the order", "Potentials.related_to": "from the order", "Potentials.closingdate": "from the order",
	"Potentials.sales_stage": "from the order",
	"SalesOrder.subject":     "from the order", "SalesOrder.sostatus": "from the order", "SalesOrder.account_id": "from the order",
	"SalesOrder.invoicestatus": "from the order", "SalesOrder.productid": "from the order",
	"Invoice.subject": "from the order", "Invoice.account_id": "from the order", "Invoice.invoicestatus": "from the order",
	"Invoice.productid": "from the order",
}

// Mandatory lists the fields that the CRM refuses to leave empty, with what fills them. A field that becomes
// mandatory later shows up by itself, because describe is asked each time.
func (e *Engine) Mandatory(ctx context.Context) ([]MandatoryField, error) {
	_, crm, err := e.dialCRMOnly(ctx)
	if err != nil {
		return nil, err
	}
	modules := map[string]vtigerws.Module{}
	for _, name := range needed {
		m, err := crm.Describe(ctx, name)
		if problem.KindOf(err) == problem.Unauthorised {
			continue // the check of the modules tells
		} else if err != nil {
			return nil, err
		}
		modules[name] = m
	}
	defaults, err := e.store.Defaults(ctx)
	if err != nil {
		return nil, err
	}
	return mandatoryFields(modules, defaults), nil
}

func mandatoryFields(modules map[string]vtigerws.Module, defaults []store.Default) []MandatoryField {
	var out []MandatoryField
	for _, name := range needed {
		for _, f := range modules[name].Fields {
			if !f.Mandatory || f.Name == "assigned_user_id" {
				continue
			}
			field := MandatoryField{
				Module: name, Field: f.Name, Label: f.Label, Type: fieldKind(f.Type), Values: f.Values, RefersTo: f.RefersTo,
				Source: filled[name+"."+f.Name],
			}
			if field.Type == "text" && field.Source == "" {
				field.Default = None
			}
			for _, d := range defaults {
				if d.Module == name && d.Field == f.Name {
					field.Default, field.DefaultFor = d.Value, d.Label
				}
			}
			field.Needed = field.Source == "" && field.Default == ""
			out = append(out, field)
		}
	}
	return out
}

// fieldKind names a describe type by what a person types into it.
func fieldKind(name string) string {
	switch name {
	case "string", "text", "email", "phone", "url":
		return "text"
	case "integer", "double", "currency", "decimal":
		return "number"
	case "datetime":
		return "date"
	}
	return name
}

var recordID = regexp.MustCompile(`^[0-9]+x[0-9]+$`)

// SetDefault gives a mandatory field the value that is used whenever the shop's is empty. The value must be one that
// the CRM would take: it is checked against the field's type.
func (e *Engine) SetDefault(ctx context.Context, module, field, value, label string) error {
	fields, err := e.Mandatory(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(fields, func(f MandatoryField) bool { return f.Module == module && f.Field == field })
	if at < 0 {
		return &problem.Error{Kind: problem.NotFound, Where: "defaults", Field: module + "." + field, Message: "the CRM does not demand such a field", Cure: "`cartiger defaults list` shows the mandatory ones."}
	}
	if wrong := wrongDefault(fields[at], value); wrong != "" {
		return &problem.Error{Kind: problem.Invalid, Where: "defaults", Field: module + "." + field, Message: fmt.Sprintf("%q %s", value, wrong), Cure: "Give a value that the CRM takes for " + firstOf(fields[at].Label, field) + "."}
	}
	return e.store.SetDefault(ctx, store.Default{Module: module, Field: field, Value: value, Label: label})
}

func wrongDefault(f MandatoryField, value string) string {
	if strings.TrimSpace(value) == "" {
		return "is empty, and the CRM refuses empty values here"
	}
	switch f.Type {
	case "date":
		if _, err := time.Parse(time.DateOnly, value); err != nil {
			return "is not a date like 2026-12-31"
		}
	case "number":
		if !regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`).MatchString(value) {
			return "is not a number like 12.5 (a point, no thousands sign)"
		}
	case "boolean":
		if value != "0" && value != "1" {
			return "is neither 0 (no) nor 1 (yes)"
		}
	case "picklist":
		if !slices.Contains(f.Values, value) {
			return "is not in the CRM's list: " + strings.Join(f.Values, ", ")
		}
	case "reference", "owner":
		if !recordID.MatchString(value) {
			return "is not a record id like 3x14"
		}
	}
	return ""
}

// UnsetDefault takes a default back.
func (e *Engine) UnsetDefault(ctx context.Context, module, field string) error {
	return e.store.UnsetDefault(ctx, module, field)
}

// nameField is the field by which people know the records of a module.
var nameField = map[string]string{
	Leads: "lastname", Contacts: "lastname", Accounts: "accountname", Products: "productname", Potentials: "potentialname",
	SalesOrder: "subject", Invoice: "subject", "Services": "servicename", "Users": "user_name", "Groups": "groupname", "Vendors": "vendorname", "Campaigns": "campaignname",
}

// SearchReference finds records that a reference field may point at, by the beginning or a part of their name.
func (e *Engine) SearchReference(ctx context.Context, module, text string) ([]Choice, error) {
	field, known := nameField[module]
	if !known {
		return nil, &problem.Error{Kind: problem.Invalid, Where: "defaults", Field: module, Message: "records of " + module + " cannot be searched by name", Cure: "Give the record's id, such as 3x14."}
	}
	_, crm, err := e.dialCRMOnly(ctx)
	if err != nil {
		return nil, err
	}
	records, err := crm.Search(ctx, module, field, text, field)
	if err != nil {
		return nil, err
	}
	out := make([]Choice, len(records))
	for i, r := range records {
		out[i] = Choice{ID: r.ID(), Label: r[field]}
	}
	return out, nil
}

func (e *Engine) dialCRMOnly(ctx context.Context) (Settings, CRM, error) {
	settings, err := e.Settings(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range []string{CRMURL, CRMUser, CRMKey} {
		if settings.Get(name) == "" {
			return nil, nil, missingSettings([]string{name})
		}
	}
	crm, err := e.opts.DialCRM(settings, unwatched)
	if err != nil {
		return nil, nil, err
	}
	_, err = crm.Login(ctx)
	return settings, crm, err
}
