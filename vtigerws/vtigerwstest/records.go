package vtigerwstest

func (c *CRM) revise(s *session, q *request) (any, error) {
	return c.updateRecord(s.user, decodeElement(q.post["element"]), q.either, true)
}

// Record is a stored record as JSON shows it: strings, and for orders and products the rows behind them.
type Record = map[string]any

// Records returns the live records of a module in the order of their numbers, without converted Leads. An order or
// invoice has "lines" (product id, quantity, listprice, discount_amount, discount_percent, comment, description and
// tax1 to tax3, decimals as stored, nil for NULL) and shtax1 to shtax3; a product has "taxes", the rates assigned to it
// by tax name. The slice is never nil, so that JSON shows a list.
func (c *CRM) Records(module string) []Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tables[module]
	if t == nil {
		return []Record{}
	}
	rows := c.liveRows(t)
	records := make([]Record, 0, len(rows))
	for _, r := range rows {
		rec := make(Record, len(t.m.fields)+1)
		for _, f := range t.m.fields {
			if f.kind != "password" {
				rec[f.name] = r.values[f.name]
			}
			if f.column.kind == reference && !c.exists(r.values[f.name]) {
				rec[f.name] = ""
			}
		}
		rec["id"] = t.m.id(r.id)
		switch module {
		case "SalesOrder", "Invoice":
			rec["lines"] = c.lineRecords(r)
			rec["hdnS_H_Amount"] = r.values["hdnS_H_Amount"] // an Invoice of 5.x has the column without a field
			for _, sh := range shippingTaxes {
				rec[sh.name] = nil
				if rate, ok := r.shipping[sh.name]; ok {
					rec[sh.name] = rate.StringFixed(3)
				}
			}
		case "Products":
			taxes := make(map[string]string, len(r.taxes))
			for name, rate := range r.taxes {
				taxes[name] = rate.StringFixed(3)
			}
			rec["taxes"] = taxes
		}
		records = append(records, rec)
	}
	return records
}

// liveRows are the rows a query sees.
func (c *CRM) liveRows(t *table) []*row {
	switch t.m.name {
	case "Users":
		var rows []*row
		for _, u := range c.users {
			rows = append(rows, c.userRow(u))
		}
		return rows
	case "Groups":
		var rows []*row
		for _, g := range stockGroups {
			rows = append(rows, groupRow(g))
		}
		return rows
	}
	rows := make([]*row, 0, len(t.ids))
	for _, id := range t.ids {
		if r := t.rows[id]; !r.converted {
			rows = append(rows, r)
		}
	}
	return rows
}

// Insert stores a record as a person at the CRM's own screen would, without the checks of the web service, and returns
// its id. Unknown fields are ignored; an absent owner is the administrator.
func (c *CRM) Insert(module string, fields map[string]string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.modules[module]
	if m == nil {
		return ""
	}
	e := make(element, len(fields)+1)
	for name, v := range fields {
		e[name] = v
	}
	if module == "Currency" {
		return m.id(c.insertCurrency(m, e).id)
	}
	if _, given := e["assigned_user_id"]; !given {
		e["assigned_user_id"] = c.modifier(c.users[0])
	}
	r := c.newRow(m)
	r.values["createdtime"], r.values["modifiedtime"] = c.stamp(), c.stamp()
	c.fill(c.users[0], m, r, e, nil)
	c.tables[module].add(r)
	return m.id(r.id)
}

// Set changes one field of a record as a person would; it says whether the record is there.
func (c *CRM) Set(id, name, value string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, r := c.rowOf(id)
	if r == nil || t.m.byName[name] == nil {
		return false
	}
	c.put(c.users[0], t, r, t.m.byName[name], value)
	if t.m.byName["modifiedtime"] != nil && name != "modifiedtime" {
		t.set(r, "modifiedtime", c.stamp())
	}
	return true
}

// Delete puts a record into the recycle bin as a person would; it says whether the record was there.
func (c *CRM) Delete(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, r := c.rowOf(id)
	if r == nil {
		return false
	}
	t.remove(r, t.m.isEntity)
	return true
}

func (c *CRM) rowOf(id string) (*table, *row) {
	name, number, err := c.entityOfID(id)
	if err != nil || c.tables[name] == nil {
		return nil, nil
	}
	return c.tables[name], c.tables[name].rows[number]
}
