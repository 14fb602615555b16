package vtigerwstest

import (
	"fmt"
	"time"
	_ "time/tzdata" // Europe/London must exist wherever the simulator runs
)

// release is a vtiger version as a number that can be compared: 5.2.1 is 521. Every difference between versions is a
// method here, so that the rest of the package reads as one server.
type release int

const (
	v510 release = 510
	v520 release = 520
	v521 release = 521
	v530 release = 530
	v540 release = 540
	v600 release = 600
	v640 release = 640
)

var releases = map[string]release{
	"5.1.0": v510, "5.2.0": v520, "5.2.1": v521, "5.3.0": v530, "5.4.0": v540, "6.0.0": v600, "6.4.0": v640,
}

// Versions lists the vtiger versions that can be simulated, oldest first.
func Versions() []string {
	return []string{"5.1.0", "5.2.0", "5.2.1", "5.3.0", "5.4.0", "6.0.0", "6.4.0"}
}

func (r release) String() string { return fmt.Sprintf("%d.%d.%d", r/100, r/10%10, r%10) }

// api is the "version" that login answers (captures 008-login).
func (r release) api() string {
	if r == v510 {
		return "0.2"
	}
	return "0.22"
}

// described names the version whose recorded describe answers are used. 5.2.0 and 5.3.0 were seen live but not
// recorded; they have the prefixes and mandatory fields of 5.2.1 (wire/vtiger.md 2). 6.0.0 describes what 6.4.0 does, apart
// from some labels and the product's picture.
func (r release) described() string {
	switch r {
	case v520, v521, v530:
		return "5.2.1"
	case v600:
		return "6.4.0"
	}
	return r.String()
}

// contentType: 5.1.0 sends JSON as text/html (captures vtiger510).
func (r release) contentType() string {
	if r == v510 {
		return "text/html; charset=UTF-8"
	}
	return "application/json"
}

// zone is where createdtime and modifiedtime are printed: config's Europe/London up to 5.2.1, UTC later (wire/vtiger.md 5).
func (r release) zone() *time.Location {
	if r > v521 {
		return time.UTC
	}
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		return time.UTC
	}
	return london
}

func (r release) emptySatisfies() bool     { return r == v510 }              // "" passes the mandatory check
func (r release) hasRevise() bool          { return r >= v520 }              // capture 197 of 5.1.0
func (r release) reviseChecks() bool       { return r >= v540 }              // revise refuses to blank a mandatory field
func (r release) revisesCurrencies() bool  { return r == v510 }              // an update of a Currency keeps omitted fields
func (r release) queriesActors() bool      { return r >= v520 }              // Currency, Groups and Users can be queried
func (r release) comparesTwoSigns() bool   { return r >= v520 }              // !=, >= and <=
func (r release) exactModuleNames() bool   { return r >= v600 }              // "from leads" is another module
func (r release) groupsOwn() bool          { return r >= v520 }              // a group may be the owner
func (r release) storesBadOwner() bool     { return r >= v540 }              // stores the record, then fails on its owner
func (r release) crashesOnStock() bool     { return r == v510 }              // send_mail() undefined
func (r release) lineItems() bool          { return r >= v600 }              // lines inside the element
func (r release) ajaxActions() bool        { return r < v600 }               // action=SalesOrderAjax keeps the lines
func (r release) convertsAmounts() bool    { return r == v540 }              // amounts are in the user's own currency
func (r release) stripsCommas() bool       { return r == v540 }              // "1,234.56" is 1234.56 in an amount
func (r release) refusesNegative() bool    { return r == v540 }              // unit_price "-5" becomes 0
func (r release) blanksBadDates() bool     { return r >= v540 }              // earlier ones store 0000-00-00
func (r release) convertsLeads() bool      { return r == v520 || r == v521 } // later it is registered and cannot work
func (r release) keepsLeadsource() bool    { return r >= v600 }              // an update does not wipe a Contact's leadsource
func (r release) nestedDamages() bool      { return r < v600 }               // an array as value: HTML and a damaged record
func (r release) encodesText() bool        { return r == v520 || r == v521 } // a revise encodes the text that it keeps
func (r release) approvesOrders() bool     { return r < v600 }               // saving an invoice approves its order
func (r release) doublesLines() bool       { return r == v600 }              // a revise adds the lines that it kept
func (r release) taxesShipping() bool      { return r == v600 }              // a group tax counts on the shipping too
func (r release) clearsPercent() bool      { return r >= v640 }              // a discount's amount makes its percentage NULL
func (r release) hasUnreadableUsers() bool { return r == v510 }              // select from Users: DATABASE_QUERY_ERROR

// entities lists the web service entities in the order of their numbers, which are the prefixes of ids (table
// vtiger_ws_entity). The module of an id is known even where the module itself is not simulated.
func (r release) entities() []string {
	five := []string{
		"Calendar", "Leads", "Accounts", "Contacts", "Potentials", "Products", "Documents", "Emails", "HelpDesk", "Faq",
		"Vendors", "PriceBooks", "Quotes", "PurchaseOrder", "SalesOrder", "Invoice", "Campaigns", "Events", "Users", "Groups",
		"Currency", "DocumentFolders", "PBXManager", "ServiceContracts", "Services",
	}
	later := []string{
		"Campaigns", "Vendors", "Faq", "Quotes", "PurchaseOrder", "SalesOrder", "Invoice", "PriceBooks", "Calendar", "Leads",
		"Accounts", "Contacts", "Potentials", "Products", "Documents", "Emails", "HelpDesk", "Events", "Users", "Groups",
		"Currency", "DocumentFolders", "CompanyDetails", "PBXManager", "ServiceContracts", "Services",
	}
	added := []string{"ProjectMilestone", "ProjectTask", "Project", "ModComments", "SMSNotifier", "Assets"}
	switch {
	case r == v510:
		return five
	case r < v540:
		return append(five, added...)
	case r < v600:
		return append(later, added...)
	default:
		return append(append(later, added...), "LineItem", "Tax", "ProductTaxes")
	}
}
