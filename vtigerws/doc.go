// Package vtigerws is a client of vtiger CRM's web service (webservice.php), 5.1.0 to 6.x.
//
// A call goes down through four layers, each of which knows one thing:
//
//	find.go, describe.go, write.go, currency.go, batch.go   what is asked, in the CRM's terms
//	session.go                                              in which session, and whether to ask again
//	transport.go                                            how it travels, and what an answer, or none, means
//	json.go, refusal.go                                     what the answer says
//
// What differs by version is decided once after login, in dialect.go; everything else reads that decision.
//
// The heart is what a failed write means. Its error is of kind problem.Unknown as soon as the request may have left and
// no answer of the CRM itself says what became of it; every other kind means that it had no effect. An unknown write has
// ended when the error is returned, unless its code is CodeUnsettled (fence.go), so that looking it up is conclusive.
package vtigerws
