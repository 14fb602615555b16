// Package psapitest imitates the web service of PrestaShop 1.4.11.1, traps included: an http.Handler for tests, for
// `cartiger simulate shop` and for the demo. What it does is what wire/prestashop.md says and the exchanges under
// testdata/captures show; each of those is replayed against it. Its clock, rights, faults and records can be set,
// and it can act: register a customer, place an order, change a state (see Action).
package psapitest
