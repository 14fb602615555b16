package vtigerws

import "strings"

// lengths is how many characters the CRM keeps of a text field on 5.1 to 5.4; it cuts the rest without a word
// (wire/vtiger.md 5). describe does not tell them. A field that is not named here is not cut.
var lengths = map[string]map[string]int{
	"Leads": {
		"firstname": 40, "lastname": 80, "company": 100, "email": 100, "phone": 50, "mobile": 50, "fax": 50,
		"lane": 250, "city": 30, "state": 30, "code": 30, "country": 30, "pobox": 30,
		"leadsource": 200, "leadstatus": 200, "salutationtype": 200,
	},
	"Contacts": {
		"firstname": 40, "lastname": 80, "email": 100, "phone": 50, "mobile": 50, "fax": 50, "homephone": 50, "otherphone": 50,
		"mailingstreet": 250, "mailingcity": 40, "mailingstate": 30, "mailingzip": 30, "mailingcountry": 40, "mailingpobox": 30,
		"otherstreet": 250, "othercity": 40, "otherstate": 30, "otherzip": 30, "othercountry": 40, "otherpobox": 30,
		"leadsource": 200, "salutationtype": 200,
	},
	"Accounts": addressed(map[string]int{
		"accountname": 100, "email1": 100, "email2": 100, "phone": 30, "otherphone": 30, "fax": 30, "accounttype": 200, "industry": 200,
	}),
	"Potentials": {
		"potentialname": 120, "leadsource": 200, "sales_stage": 200, "opportunity_type": 200, "nextstep": 100,
	},
	"Products": {
		"productname": 50, "productcode": 40, "taxclass": 50, "mfr_part_no": 50, "vendor_part_no": 50, "serial_no": 50,
		"usageunit": 200, "manufacturer": 200, "productcategory": 200,
	},
	"Services": {
		"servicename": 50,
	},
	"SalesOrder": addressed(map[string]int{
		"subject": 100, "customerno": 100, "vtiger_purchaseorder": 50, "carrier": 200, "sostatus": 200, "invoicestatus": 200, "pending": 200,
	}),
	"Invoice": addressed(map[string]int{
		"subject": 100, "customerno": 100, "vtiger_purchaseorder": 50, "invoicestatus": 200,
	}),
	"LineItem": {"comment": 250},
}

// addressed adds the billing and shipping address that Accounts, SalesOrder and Invoice have alike.
func addressed(fields map[string]int) map[string]int {
	for _, side := range []string{"bill_", "ship_"} {
		fields[side+"street"] = 250
		for _, part := range []string{"city", "state", "code", "country", "pobox"} {
			fields[side+part] = 30
		}
	}
	return fields
}

// Fit gives a value as the CRM will keep it in a field: cleaned (see Clean) and no longer than the field, in characters.
// cut says that something was taken away or replaced. A line's comment is the field comment of the module LineItem.
// Keys that records are looked up by have to be fitted first: the CRM would not find the longer one.
func Fit(module, field, value string, d Dialect) (fitted string, cut bool) {
	fitted = Clean(value)
	limit := lengths[module][field]
	if field == "productname" && d.ProductNameLen > 0 {
		limit = d.ProductNameLen
	}
	if runes := []rune(fitted); limit > 0 && len(runes) > limit {
		fitted = string(runes[:limit])
	}
	if fitted != value {
		fitted = strings.TrimSpace(fitted) // what stood before a dropped emoji or at the cut
	}
	return fitted, fitted != value
}
