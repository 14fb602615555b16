// Package vtigerws is a client of vtiger CRM's web service (webservice.php), 5.1.0 to 6.x.
// What differs by version is decided once after login, in dialect.go; everything else reads that decision.
package vtigerws
