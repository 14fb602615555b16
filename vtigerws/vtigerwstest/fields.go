package vtigerwstest

import (
	"strconv"
)

// Require makes a field mandatory, or optional again. A field that the module does not have is added as a custom text field.
func (c *CRM) Require(module, name string, on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.fieldOf(module, name); f != nil {
		f.mandatory = on
	}
}

// SetPicklist replaces the values of a picklist; a field that is none becomes one.
func (c *CRM) SetPicklist(module, name string, values []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fieldOf(module, name)
	if f == nil {
		return
	}
	f.kind, f.values, f.first = "picklist", []option{}, ""
	for _, v := range values {
		f.values = append(f.values, option{v, v})
	}
	if len(values) > 0 {
		f.first = values[0]
	}
	f.column = columnOf(c.release, module, f)
}

// fieldOf finds a field, adding a custom one where the module has none of that name.
func (c *CRM) fieldOf(module, name string) *field {
	m := c.modules[module]
	if m == nil {
		return nil
	}
	if f := m.byName[name]; f != nil {
		return f
	}
	c.customs++
	f := &field{name: name, label: "Custom field " + strconv.Itoa(c.customs), nullable: true, editable: true, kind: "string"}
	if c.release >= v540 {
		f.byDefault = new(string)
	}
	m.add(c.release, f)
	// The id stays last, as describe prints it.
	n := len(m.fields)
	if n > 1 && m.fields[n-2].name == "id" {
		m.fields[n-2], m.fields[n-1] = m.fields[n-1], m.fields[n-2]
	}
	return f
}
