// Package matrix proves the promises of docs/reliability.md: nothing is ever twice, nothing is lost. It holds tests
// only. They run the program as a process, kill it at every boundary, spoil every answer of both servers, damage its
// state file, and compare shop and CRM afterwards; with a twin that nobody disturbed, field by field.
package matrix
