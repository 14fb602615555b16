package vtigerwstest

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// recorded holds, per version, the answer to listtypes and the describe answer of each simulated module, as an
// administrator got them. Modules of a version without a recording are made from the nearest recorded version, with the
// field order of that version's own create answers.
//
//go:embed describe/*.json
var recorded embed.FS

// module is a web service entity: what describe says of it, and how its columns store values.
type module struct {
	name     string
	label    string
	prefix   int
	isEntity bool
	labels   string // labelFields
	fields   []*field
	byName   map[string]*field
	numbers  string // prefix of record numbers, "LEA"; "" where the module has none
	numberOf string // field that holds the record number
}

type field struct {
	name      string
	label     string
	mandatory bool
	nullable  bool
	editable  bool
	kind      string // type.name
	refersTo  []string
	values    []option // of a picklist
	first     string   // type.defaultValue of a picklist
	format    string   // type.format of a date
	byDefault *string  // nil: describe shows no default
	column    column
}

type option struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

type recordedModule struct {
	Label       string
	Name        string
	IDPrefix    string
	IsEntity    bool
	LabelFields string
	Fields      []struct {
		Name, Label                   string
		Mandatory, Nullable, Editable bool
		Default                       *string
		Type                          struct {
			Name, DefaultValue, Format string
			RefersTo                   []string
			PicklistValues             []option
		}
	}
}

// entityType is a line of the information part of listtypes.
type entityType struct {
	name, label, singular string
	isEntity              bool
}

// recordNumbers: module, the field that carries the number, and its prefix (wire/vtiger.md 5).
var recordNumbers = map[string][2]string{
	"Leads": {"lead_no", "LEA"}, "Accounts": {"account_no", "ACC"}, "Contacts": {"contact_no", "CON"},
	"Potentials": {"potential_no", "POT"}, "Products": {"product_no", "PRO"}, "Services": {"service_no", "SER"},
	"SalesOrder": {"salesorder_no", "SO"}, "Invoice": {"invoice_no", "INV"},
}

// loadModules reads the recorded modules of a version and adapts them to it.
func loadModules(r release, addon bool) (map[string]*module, []entityType, error) {
	data, err := recorded.ReadFile("describe/" + r.described() + ".json")
	if err != nil {
		return nil, nil, err
	}
	var file struct {
		ListTypes struct {
			Types       []string
			Information map[string]struct {
				IsEntity        bool
				Label, Singular string
			}
		}
		Modules []recordedModule
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, nil, fmt.Errorf("describe of %s: %w", r, err)
	}
	var types []entityType
	for _, name := range file.ListTypes.Types {
		info := file.ListTypes.Information[name]
		types = append(types, entityType{name, info.Label, info.Singular, info.IsEntity})
	}
	modules := make(map[string]*module)
	for _, rec := range file.Modules {
		if rec.Name == "Prestashop" {
			if !addon {
				continue
			}
			// Entities come before actors in listtypes; the module is the newest entity.
			at := slices.IndexFunc(types, func(t entityType) bool { return !t.isEntity })
			types = slices.Insert(types, at, entityType{"Prestashop", "Prestashop", "Prestashop", true})
		}
		m, err := newModule(r, rec)
		if err != nil {
			return nil, nil, err
		}
		if addon {
			if source := m.byName["leadsource"]; source != nil {
				source.values = append(source.values, option{"Prestashop", "Prestashop"})
			}
		}
		modules[m.name] = m
	}
	return modules, types, nil
}

// newModule builds a module from its recording.
func newModule(r release, rec recordedModule) (*module, error) {
	prefix, err := strconv.Atoi(rec.IDPrefix)
	if err != nil {
		return nil, fmt.Errorf("describe of %s %s: idPrefix: %w", r, rec.Name, err)
	}
	m := &module{
		name: rec.Name, label: rec.Label, prefix: prefix, isEntity: rec.IsEntity, labels: rec.LabelFields,
		byName: make(map[string]*field),
	}
	if number, ok := recordNumbers[rec.Name]; ok {
		m.numberOf, m.numbers = number[0], number[1]
	}
	for _, f := range rec.Fields {
		kind := f.Type.Name
		if r == v530 && kind == "double" && isAmount(f.Name) { // wire/vtiger.md 2
			kind = "currency"
		}
		m.add(r, &field{
			name: f.Name, label: f.Label, mandatory: f.Mandatory, nullable: f.Nullable, editable: f.Editable,
			kind: kind, refersTo: f.Type.RefersTo, values: slices.Clone(f.Type.PicklistValues),
			first: f.Type.DefaultValue, format: f.Type.Format, byDefault: f.Default,
		})
	}
	return m, nil
}

// isAmount: the fields that 5.3 calls currency where 5.2.1 says double.
func isAmount(name string) bool {
	switch name {
	case "unit_price", "amount", "txtAdjustment", "hdnGrandTotal", "hdnSubTotal", "hdnDiscountAmount", "hdnS_H_Amount":
		return true
	}
	return false
}

// add appends a field and works out its column.
func (m *module) add(r release, f *field) {
	f.column = columnOf(r, m.name, f)
	m.fields = append(m.fields, f)
	m.byName[f.name] = f
}

func (m *module) id(number int) string { return strconv.Itoa(m.prefix) + "x" + strconv.Itoa(number) }

// describe answers the operation of that name. A right that is denied shows as false, except the right to create: the
// recorded server went on saying createable (wire/vtiger.md 2).
func (m *module) describe(rights Rights) object {
	fields := make([]object, 0, len(m.fields))
	for _, f := range m.fields {
		if !rights.hides(f.name) {
			fields = append(fields, f.describe())
		}
	}
	return object{
		{"label", m.label},
		{"name", m.name},
		{"createable", rights.Create || !rights.Admits},
		{"updateable", rights.Update},
		{"deleteable", rights.Delete},
		{"retrieveable", rights.Retrieve},
		{"fields", fields},
		{"idPrefix", strconv.Itoa(m.prefix)},
		{"isEntity", m.isEntity},
		{"labelFields", m.labels},
	}
}

func (f *field) describe() object {
	var kind object
	if f.refersTo != nil {
		kind = append(kind, pair{"refersTo", f.refersTo})
	}
	if f.values != nil {
		values := make([]object, len(f.values))
		for i, v := range f.values {
			values[i] = object{{"label", v.Label}, {"value", v.Value}}
		}
		kind = append(kind, pair{"picklistValues", values}, pair{"defaultValue", f.first})
	}
	if f.format != "" {
		kind = append(kind, pair{"format", f.format})
	}
	kind = append(kind, pair{"name", f.kind})
	o := object{
		{"name", f.name},
		{"label", f.label},
		{"mandatory", f.mandatory},
		{"type", kind},
		{"nullable", f.nullable},
		{"editable", f.editable},
	}
	if f.byDefault != nil {
		o = append(o, pair{"default", *f.byDefault})
	}
	return o
}

// entityByName finds the module of an elementType. MySQL compares entity names without case up to 5.4, so a wrong case
// gets one step further and another message (captures 042).
func (c *CRM) entityByName(name string) (*module, error) {
	for _, known := range c.entityNames {
		if known == name || !c.release.exactModuleNames() && strings.EqualFold(known, name) {
			return c.modules[known], nil // nil where the module exists but is not simulated
		}
	}
	return nil, denied("name")
}

// entityOfID finds the module that the prefix of an id names.
func (c *CRM) entityOfID(id string) (name string, number int, err error) {
	prefix, rest, _ := strings.Cut(id, "x")
	n, bad := strconv.Atoi(prefix)
	if bad != nil || c.prefixes[n] == "" {
		return "", 0, denied("id")
	}
	number, bad = strconv.Atoi(rest)
	if bad != nil {
		number = 0
	}
	return c.prefixes[n], number, nil
}
