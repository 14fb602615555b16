// Package store is the connector's memory: one SQLite file with settings, links, the outbox of intents, outcomes,
// runs, currency links and the log. Several processes may open it; one at a time holds the lease to write records.
//
// What it promises to the engine:
//
//   - Intend returns when the intents are on the disk itself, so every create is known before it is sent.
//   - Complete ends intents and keeps their links, outcomes, log entries and cursor in one transaction, or none of it.
//   - A shop record never has two unfinished chains, whoever asks for the second.
//   - Whoever loses the lease cannot start another write.
//
// Keys and passwords are in the settings table and nowhere else; the file is refused when another user could read it.
// Every error is a problem.Error with its cure, or the end of the caller's context.
package store
