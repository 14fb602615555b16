package vtigerwstest

import (
	"slices"
	"strconv"
	"strings"
)

// user is a login of the CRM.
type user struct {
	id        int
	name      string
	accessKey string
	admin     bool
	currency  string // id of the currency the user works in, "21x1"
}

// group owns records together; stock vtiger has these three (capture query-Groups).
type group struct {
	id                int
	name, description string
}

var stockGroups = []group{
	{2, "Team Selling", "Group Related to Sales"},
	{3, "Marketing Group", "Group Related to Marketing Activities"},
	{4, "Support Group", "Group Related to providing Support to Customers"},
}

// Rights is what the user's profile allows in a module. Start from AllRights.
type Rights struct {
	Create, Update, Delete, Retrieve bool
	// Admits makes describe say createable:false where Create is denied. The recorded servers do not: there a client
	// learns it from the first create (wire/vtiger.md 2).
	Admits bool
	// Off switches the module off: gone from listtypes, everything else ACCESS_DENIED.
	Off bool
	// Hidden fields are absent from describe and from records, and a query that names one is denied.
	Hidden []string
}

// AllRights is what an administrator has.
var AllRights = Rights{Create: true, Update: true, Delete: true, Retrieve: true}

func (r Rights) hides(field string) bool {
	return len(r.Hidden) > 0 && slices.Contains(r.Hidden, field)
}

// SetRights changes what everybody may do in a module from now on.
func (c *CRM) SetRights(module string, rights Rights) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rights[module] = rights
}

// rightsIn are the rights in force; nothing set means all.
func (c *CRM) rightsIn(module string) Rights {
	if rights, ok := c.rights[module]; ok {
		return rights
	}
	return AllRights
}

// AddUser adds a login. currencyID is the currency he works in ("21x2"; "" is the base): 5.4 converts amounts from it.
func (c *CRM) AddUser(name, key string, admin bool, currencyID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addUser(name, key, admin, currencyID)
}

func (c *CRM) addUser(name, key string, admin bool, currencyID string) {
	if currencyID == "" {
		currencyID = c.modules["Currency"].id(1)
	}
	id := 1
	if n := len(c.users); n > 0 {
		id = n + 4 // the stock groups have the numbers between
	}
	c.users = append(c.users, &user{id, name, key, admin, currencyID})
}

// userByName ignores case, like MySQL.
func (c *CRM) userByName(name string) *user {
	for _, u := range c.users {
		if strings.EqualFold(u.name, name) {
			return u
		}
	}
	return nil
}

// ownerExists says whether an id such as "19x1" or "20x2" names a user or a group.
func (c *CRM) ownerExists(id string) bool {
	name, number, err := c.entityOfID(id)
	if err != nil {
		return false
	}
	switch name {
	case "Users":
		return slices.ContainsFunc(c.users, func(u *user) bool { return u.id == number })
	case "Groups":
		return slices.ContainsFunc(stockGroups, func(g group) bool { return g.id == number })
	}
	return false
}

// seesUsers: only administrators see the module Users (wire/vtiger.md 2).
func (u *user) sees(module string) bool { return u.admin || module != "Users" }

// userRow is a user as the web service prints him: what matters to a client, the rest empty.
func (c *CRM) userRow(u *user) *row {
	values := map[string]string{
		"user_name": u.name, "last_name": u.name, "email1": u.name + "@example.com", "currency_id": u.currency,
		"date_format": "yyyy-mm-dd", "status": "Active", "is_admin": "off", "roleid": "H2", "internal_mailer": "1",
	}
	if u.admin {
		values["is_admin"] = "on"
	}
	if u.id != 1 {
		values["date_format"] = "dd-mm-yyyy"
	}
	return &row{id: u.id, values: values}
}

func groupRow(g group) *row {
	return &row{id: g.id, values: map[string]string{"groupname": g.name, "description": g.description}}
}

// modifier is the id of the user who saves a record, "19x1".
func (c *CRM) modifier(u *user) string {
	return strconv.Itoa(c.modules["Users"].prefix) + "x" + strconv.Itoa(u.id)
}
