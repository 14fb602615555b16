package vtigerwstest

// convertLead makes an Account and a Contact of a Lead (5.2.0 and 5.2.1). An Account that already has the name is taken,
// whoever it belongs to. From 5.4 on the operation is registered and cannot work (wire/vtiger.md 1).
func (c *CRM) convertLead(s *session, q *request) (any, error) {
	if !c.release.convertsLeads() {
		return nil, denied("id")
	}
	return c.convert(s.user, q.post)
}

// convert does the work of convertlead with its five parameters.
func (c *CRM) convert(u *user, params map[string]string) (any, error) {
	t, lead, err := c.locate(u, params["leadId"])
	if err != nil {
		return nil, err
	}
	if t.m.name != "Leads" {
		return nil, errID
	}
	if lead.converted {
		return nil, errConverted
	}
	owner := params["assignedTo"]
	if owner == "" {
		owner = c.modifier(u)
	}
	name := params["accountName"]
	if name == "" {
		name = lead.values["company"]
	}
	account, err := c.accountNamed(u, name, owner, lead)
	if err != nil {
		return nil, err
	}
	contact, err := c.createRecord(u, "Contacts", contactOf(lead, owner, account), noForm)
	if err != nil {
		return nil, err
	}
	potential := ""
	if params["avoidPotential"] == "" || params["avoidPotential"] == "0" {
		if potential, err = c.potentialOf(u, lead, owner, account, params["potential"]); err != nil {
			return nil, err
		}
	}
	lead.converted = true
	return object{
		{"leadId", params["leadId"]}, {"accountId", account}, {"contactId", contact.(object).get("id")}, {"potentialId", potential},
	}, nil
}

// noForm: a record made by the server itself comes without form fields.
func noForm(string) (string, bool) { return "", false }

// accountNamed finds the oldest Account of that name, compared without case and accents, or makes one.
func (c *CRM) accountNamed(u *user, name, owner string, lead *row) (string, error) {
	accounts := c.tables["Accounts"]
	if ids := accounts.index("accountname")[fold(name)]; len(ids) > 0 {
		return accounts.m.id(ids[0]), nil
	}
	e := element{"accountname": name, "assigned_user_id": owner, "email1": lead.values["email"], "phone": lead.values["phone"]}
	for _, same := range []string{"industry", "fax", "rating", "website", "description"} {
		e[same] = lead.values[same]
	}
	for to, from := range map[string]string{"street": "lane", "city": "city", "code": "code", "country": "country", "state": "state", "pobox": "pobox"} {
		e["bill_"+to], e["ship_"+to] = lead.values[from], lead.values[from]
	}
	made, err := c.createRecord(u, "Accounts", e, noForm)
	if err != nil {
		return "", err
	}
	return made.(object).get("id").(string), nil
}

// contactOf moves the Lead's person and address over.
func contactOf(lead *row, owner, account string) element {
	e := element{"assigned_user_id": owner, "account_id": account, "title": lead.values["designation"]}
	for _, same := range []string{
		"description", "salutationtype", "firstname", "lastname", "email", "phone", "mobile", "fax", "yahooid", "leadsource",
	} {
		e[same] = lead.values[same]
	}
	for to, from := range map[string]string{"street": "lane", "city": "city", "zip": "code", "country": "country", "state": "state", "pobox": "pobox"} {
		e["mailing"+to] = lead.values[from]
	}
	return e
}

// potentialOf makes the Potential that avoidPotential did not forbid.
func (c *CRM) potentialOf(u *user, lead *row, owner, account, potential string) (string, error) {
	e := decodeElement(potential)
	if len(e) == 0 {
		return "", &wsError{"INVALID_POTENTIAL_FOR_CONVERT_LEAD", "Invalid lead information given for potential"}
	}
	e["assigned_user_id"], e["related_to"] = owner, account
	e["leadsource"], e["description"] = lead.values["leadsource"], lead.values["description"]
	made, err := c.createRecord(u, "Potentials", e, noForm)
	if err != nil {
		return "", err
	}
	return made.(object).get("id").(string), nil
}
