package vtigerwstest

import (
	"strconv"

	"cartiger/fault"
)

func (c *CRM) create(s *session, q *request) (any, error) {
	return c.createRecord(s.user, q.post["elementType"], decodeElement(q.post["element"]), q.either)
}

// createRecord checks in the order of the server: module, right to create, references, mandatory fields, owner.
func (c *CRM) createRecord(u *user, name string, e element, request form) (any, error) {
	m := c.modules[name]
	if m == nil || !c.listed(u, name) || name == "Users" || name == "Groups" {
		return nil, denied("")
	}
	if _, refused := c.faults.Hit("create", name, fault.Denied); refused || !c.rightsIn(name).Create {
		return nil, accessDenied("Permission to write is denied")
	}
	if e == nil {
		e = element{}
	}
	if err := c.checkReferences(u, m, e, ""); err != nil {
		return nil, err
	}
	if err := c.checkMandatory(m, e); err != nil {
		return nil, err
	}
	if name == "Currency" {
		return c.createCurrency(m, e)
	}
	if e.nested() && c.release.nestedDamages() {
		c.nextNumber(m)
		c.lastID++
		return nil, pageNotFound
	}
	if err := c.checkOwner(m, e, true); err != nil {
		return nil, err
	}
	if c.release.lineItems() && isInventory(name) && len(lineItems(e)) == 0 {
		return nil, &wsError{"MANDATORY_FIELDS_MISSING", "Mandatory Fields Missing.."}
	}
	r := c.newRow(m)
	now := c.stamp()
	r.values["createdtime"], r.values["modifiedtime"] = now, now
	c.fill(u, m, r, e, nil)
	t := c.tables[name]
	t.add(r)
	return c.save(u, t, r, e, request, "create")
}

// newRow takes the next number of the sequence and the next record number.
func (c *CRM) newRow(m *module) *row {
	c.lastID++
	r := &row{id: c.lastID, values: make(map[string]string, len(m.fields))}
	if number := c.nextNumber(m); number != "" {
		r.values[m.numberOf] = number
	}
	return r
}

// nextNumber is the next record number, "LEA12"; "" where the module has none.
func (c *CRM) nextNumber(m *module) string {
	if m.numbers == "" {
		return ""
	}
	c.lastNumber[m.name]++
	return m.numbers + strconv.Itoa(c.lastNumber[m.name])
}

// save does what a module's own save adds to the plain columns, and answers the record.
func (c *CRM) save(u *user, t *table, r *row, e element, request form, op string) (any, error) {
	switch t.m.name {
	case "SalesOrder", "Invoice":
		return c.saveInventory(t, r, e, request, op)
	case "Products", "Services":
		c.saveProductTaxes(t, r, request)
	}
	return c.print(t.m, r, nil)
}

func (c *CRM) update(s *session, q *request) (any, error) {
	return c.updateRecord(s.user, decodeElement(q.post["element"]), q.either, false)
}

// updateRecord changes a record: revise only what the element names, update everything it does not name becomes empty.
func (c *CRM) updateRecord(u *user, e element, request form, revise bool) (any, error) {
	id, _ := e.text("id")
	t, r, err := c.locate(u, id)
	if err != nil {
		return nil, err
	}
	m := t.m
	op := "update"
	if revise {
		op = "revise"
	}
	if _, refused := c.faults.Hit(op, m.name, fault.Denied); refused || !c.rightsIn(m.name).Update || m.name == "Users" || m.name == "Groups" {
		return nil, accessDenied("Permission to read given object is denied")
	}
	if err := c.checkReferences(u, m, e, " "); err != nil {
		return nil, err
	}
	if revise {
		err = c.checkBlanked(m, e)
	} else {
		err = c.checkMandatory(m, e)
	}
	if err != nil {
		return nil, err
	}
	if m.name == "Currency" {
		return c.updateCurrency(t, r, e, revise)
	}
	if e.nested() && c.release.nestedDamages() {
		return nil, pageNotFound
	}
	if err := c.checkOwner(m, e, false); err != nil {
		return nil, err
	}
	kept := func(f *field) bool {
		return !f.editable || c.release.keepsLeadsource() && m.name == "Contacts" && f.name == "leadsource"
	}
	if revise {
		kept = func(*field) bool { return true }
	}
	if c.release.lineItems() && isInventory(m.name) {
		return c.updateInventory(u, t, r, e, request, kept, op)
	}
	c.fill(u, m, r, e, kept)
	if revise {
		c.encodeTexts(t, r, e, request)
	}
	t.set(r, "modifiedtime", c.stamp())
	return c.save(u, t, r, e, request, op)
}

// remove puts a record into the recycle bin; a Currency is gone for good.
func (c *CRM) remove(s *session, q *request) (any, error) {
	return c.removeID(s.user, q.post["id"])
}

// removeID: the second time the record is as unknown as one that never was.
func (c *CRM) removeID(u *user, id string) (any, error) {
	t, r, err := c.locate(u, id)
	if err != nil {
		return nil, err
	}
	if _, refused := c.faults.Hit("delete", t.m.name, fault.Denied); refused || !c.rightsIn(t.m.name).Delete || t.m.name == "Users" || t.m.name == "Groups" {
		return nil, accessDenied("Permission to read given object is denied")
	}
	t.remove(r, t.m.isEntity)
	return object{{"status", "successful"}}, nil
}
