// Package vtigerwstest simulates the webservice.php of vtiger CRM 5.1.0, 5.2.0, 5.2.1, 5.3.0, 5.4.0 and 6.4.0 as an
// http.Handler: the demo, "cartiger simulate crm" and the tests talk to it instead of a server.
//
// It keeps everything in memory and behaves like the recorded servers, traps included: one challenge per user, requests
// of one session one after another, lines as form fields that a plain update deletes, stock that moves twice, values cut
// without a word, ACCESS_DENIED for nearly everything. The facts and their numbers are in wire/vtiger.md; the recorded
// exchanges themselves are replayed against it in its tests.
package vtigerwstest
