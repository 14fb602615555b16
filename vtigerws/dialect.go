package vtigerws

import (
	"slices"
	"strconv"
	"strings"
)

// AddOn is the name of the optional CRM-side module.
const AddOn = "Prestashop"

// decide tells the dialect from the version that login names and the modules that listtypes names. This is the only
// place that looks at version numbers; a version nobody has seen is judged by what it offers.
func decide(version string, modules []string) Dialect {
	offers := func(module string) bool { return slices.Contains(modules, module) }
	v, known := parseRelease(version)
	if !known {
		v = release{5, 4}
		if offers("LineItem") {
			v = release{6, 0}
		}
	}
	d := Dialect{
		Revise:         v.from(5, 2),
		CurrencyQuery:  v.from(5, 2),
		ConvertLead:    v == release{5, 2},
		LineItems:      offers("LineItem"),
		InLast:         !v.from(5, 2),
		GroupOwner:     v.from(5, 2),
		StockCrash:     !v.from(5, 2),
		UserCurrency:   v == release{5, 4},
		RefusesBlank:   v.from(5, 4),
		ApprovesOrders: !v.from(6, 0),
		EncodesText:    v == release{5, 2},
		TaxesShipping:  v == release{6, 0},
		WholeUpdates:   v == release{6, 0},
		Batch:          offers(AddOn),
		PotentialToAcc: v.from(6, 0),
		ProductNameLen: 50,
	}
	if v.from(6, 0) {
		d.ProductNameLen = 100
	}
	return d
}

// release is the part of a version that dialects hang on: 5.2 of 5.2.1.
type release struct{ major, minor int }

func parseRelease(version string) (release, bool) {
	parts := strings.SplitN(strings.TrimSpace(version), ".", 3)
	if len(parts) < 2 {
		return release{}, false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return release{major, minor}, err1 == nil && err2 == nil
}

func (r release) from(major, minor int) bool {
	return r.major > major || r.major == major && r.minor >= minor
}
