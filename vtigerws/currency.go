package vtigerws

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"cartiger/problem"
)

const (
	currencyPrefix = "21"  // the same on every version seen (wire/vtiger.md 2)
	currencyBase   = "-11" // defaultid of the base currency
	missesToEnd    = 3     // ids in a row without a currency that end the walk on 5.1.0
	lastCurrency   = 1000  // no CRM has more
)

// Currencies lists the CRM's currencies that are not deleted, active and inactive ones, by id. 5.1.0 cannot be queried
// for them: there they are retrieved one by one (wire/vtiger.md 4).
func (c *Client) Currencies(ctx context.Context) ([]Currency, error) {
	facts, err := c.ready(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := c.currencyRows(ctx, facts.Dialect, func(Record) bool { return false })
	if err != nil {
		return nil, err
	}
	var currencies []Currency
	for _, row := range rows {
		if row["deleted"] != "" && row["deleted"] != "0" {
			continue
		}
		currency, err := readCurrency(row)
		if err != nil {
			return nil, err
		}
		currencies = append(currencies, currency)
	}
	return currencies, nil
}

// BaseCurrency is the currency that the CRM counts in. It costs 5.1.0 one request, not one for each currency it has.
func (c *Client) BaseCurrency(ctx context.Context) (Currency, error) {
	facts, err := c.ready(ctx)
	if err != nil {
		return Currency{}, err
	}
	rows, err := c.currencyRows(ctx, facts.Dialect, func(row Record) bool { return row["defaultid"] == currencyBase })
	if err != nil {
		return Currency{}, err
	}
	for _, row := range rows {
		if row["defaultid"] == currencyBase {
			return readCurrency(row)
		}
	}
	return Currency{}, &problem.Error{
		Kind: problem.Invalid, Where: where, Code: "base-currency", Message: "the CRM names no base currency",
		Cure: "Give the CRM user the right to see currencies.",
	}
}

// currencyRows reads the rows of all currencies, or on 5.1.0 up to the one that is enough.
func (c *Client) currencyRows(ctx context.Context, d Dialect, enough func(Record) bool) ([]Record, error) {
	if d.CurrencyQuery {
		return c.pages(ctx, selection{module: moduleCurrency, columns: []string{"*"}})
	}
	var rows []Record
	for n, misses := 1, 0; misses < missesToEnd && n <= lastCurrency; n++ {
		row, err := c.retrieve(ctx, currencyPrefix+"x"+strconv.Itoa(n))
		switch p, _ := problem.Of(err); {
		case err == nil:
			if rows, misses = append(rows, row), 0; enough(row) {
				return rows, nil
			}
		case p != nil && Code(p.Code) == AccessDenied:
			misses++
		default:
			return nil, err
		}
	}
	return rows, nil
}

func readCurrency(row Record) (Currency, error) {
	rate, err := Amount(row["conversion_rate"])
	if err != nil {
		return Currency{}, &problem.Error{
			Kind: problem.Invalid, Where: where, Code: codeShape, Field: "conversion_rate",
			Message: "the currency " + plain(row["currency_name"], 60) + " has no rate: " + strconv.Quote(plain(row["conversion_rate"], 40)),
			Cure:    "Correct it in vtiger: Settings, Currencies.",
		}
	}
	return Currency{
		ID: row.ID(), Name: row["currency_name"], Code: strings.ToUpper(strings.TrimSpace(row["currency_code"])), Symbol: row["currency_symbol"],
		Rate: rate, Active: strings.EqualFold(row["currency_status"], "Active"), Base: row["defaultid"] == currencyBase,
	}, nil
}

// CreateCurrency makes a currency and gives it back as the CRM stored it: rates have three decimals, on 6.x five. The CRM
// accepts a second currency of the same code: look before.
func (c *Client) CreateCurrency(ctx context.Context, currency Currency) (Currency, error) {
	if err := currency.check(); err != nil {
		return Currency{}, err
	}
	row, err := c.Do(ctx, Write{Op: OpCreate, Module: moduleCurrency, Fields: currency.fields()})
	if err != nil {
		return Currency{}, err
	}
	return readCurrency(row)
}

// UpdateCurrency sets name, code, symbol, rate and state of a currency. 5.1.0 takes only a whole row.
func (c *Client) UpdateCurrency(ctx context.Context, currency Currency) error {
	if err := currency.check(); err != nil {
		return err
	}
	fields := currency.fields()
	facts, err := c.ready(ctx)
	if err != nil {
		return err
	}
	if facts.Dialect.Revise {
		delete(fields, "defaultid")
		delete(fields, "deleted")
	}
	_, err = c.Do(ctx, Write{Op: OpUpdate, Module: moduleCurrency, ID: currency.ID, Fields: fields})
	return err
}

// fields are the currency's columns; defaultid and deleted are mandatory on create (wire/vtiger.md 2).
func (c Currency) fields() Record {
	row := Record{
		"currency_name": c.Name, "currency_code": c.Code, "currency_symbol": c.Symbol,
		"conversion_rate": c.Rate.String(), "currency_status": "Inactive", "defaultid": "0", "deleted": "0",
	}
	if c.Active {
		row["currency_status"] = "Active"
	}
	if c.Base {
		row["defaultid"] = currencyBase
	}
	return row
}

func (c Currency) check() error {
	switch {
	case c.Name == "" || c.Code == "":
		return worthless("currency", "a currency needs a name and a code", "Give the shop's currency a name and its ISO 4217 code.")
	case !c.Rate.IsPositive():
		return worthless("conversion_rate", fmt.Sprintf("the rate of %s must be above 0, not %s", plain(c.Code, 10), c.Rate), "Correct the rate in the shop.")
	}
	return nil
}
