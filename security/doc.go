// Package security proves docs/security.md: what a hostile shop, CRM, network, customer or fellow user of the machine
// can do to the program. It holds tests only. They run the real program as a process, against servers that attack it,
// and look at everything that it prints, sends and leaves behind.
package security
