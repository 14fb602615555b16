// Package store is the connector's memory: one SQLite file with settings, links, the outbox of intents, outcomes,
// runs, currency links and the log. Several processes may open it; one at a time holds the lease to write records.
package store
