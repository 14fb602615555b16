// Package engine holds the connector's rules: what a change in the shop does to the CRM, and how it is done
// so that one shop record never becomes two. It knows no HTTP, no SQL and no terminal.
package engine
