package vtigerws

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/shopspring/decimal"
)

// An amount is at most 20 digits on either side: an exponent like 1e999999999 would be accepted by the decimal package
// and eat the memory of the first addition.
var amountForm = regexp.MustCompile(`^[+-]?\d{0,20}(\.\d{0,20})?([eE][+-]?\d{1,2})?$`)

// Amount reads a number as the CRM prints it, "12.50000000" or, fresh from PHP, "1.0E+25". Everything that goes into
// arithmetic is read by it.
func Amount(text string) (decimal.Decimal, error) {
	text = strings.TrimSpace(text)
	if !amountForm.MatchString(text) {
		return decimal.Zero, fmt.Errorf("%q is no amount", plain(text, 40))
	}
	return decimal.NewFromString(text)
}
