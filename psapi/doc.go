// Package psapi is a client of the PrestaShop web service, 1.4 first. It reads; it never writes to the shop.
// What it knows about the server is in wire/prestashop.md; the recorded exchanges under psapitest/testdata are its truth.
package psapi
