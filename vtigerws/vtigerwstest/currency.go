package vtigerwstest

// addBaseCurrency is currency 21x1, which the installer made.
func (c *CRM) addBaseCurrency(code string) {
	name, symbol := code, code
	switch code {
	case "EUR":
		name, symbol = "Euro", "€"
	case "USD":
		name, symbol = "USA, Dollars", "$"
	case "GBP":
		name, symbol = "United Kingdom, Pounds", "£"
	case "CHF":
		name, symbol = "Switzerland Francs", "CHF"
	}
	c.insertCurrency(c.modules["Currency"], element{
		"currency_name": name, "currency_code": code, "currency_symbol": symbol, "conversion_rate": "1",
		"currency_status": "Active", "defaultid": "-11", "deleted": "0",
	})
}

// insertCurrency stores a row of vtiger_currency_info; duplicates are welcome there. What 5.1.0 is not told is 0.
func (c *CRM) insertCurrency(m *module, e element) *row {
	c.lastActor[m.name]++
	r := &row{id: c.lastActor[m.name], values: make(map[string]string)}
	for _, f := range m.fields {
		if f.name == "id" {
			continue
		}
		v, given := e.text(f.name)
		if !given && f.name == "defaultid" {
			v = "0"
		}
		r.values[f.name] = f.column.store(v)
	}
	c.tables[m.name].add(r)
	return r
}

// createCurrency takes any name and any number of rows of one code (captures 046-048).
func (c *CRM) createCurrency(m *module, e element) (any, error) {
	return c.print(m, c.insertCurrency(m, e), nil)
}

// updateCurrency blanks what the element does not name; 5.1.0 keeps it (captures 050).
func (c *CRM) updateCurrency(t *table, r *row, e element, revise bool) (any, error) {
	keep := revise || c.release.revisesCurrencies()
	for _, f := range t.m.fields {
		v, given := e.text(f.name)
		if f.name == "id" || !given && keep {
			continue
		}
		t.set(r, f.name, f.column.store(v))
	}
	return c.print(t.m, r, nil)
}
