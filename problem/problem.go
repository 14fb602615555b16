// Package problem is the one vocabulary of errors that every layer shares: what kind of trouble it is, what a
// person can do about it, and what may be retried. The clients make problems, the engine asks them what they
// allow, main turns them into exit codes and the console into words.
package problem

import (
	"errors"
	"time"
)

// Kind is the nature of a problem.
type Kind string

// The kinds, with what they allow.
const (
	Invalid      Kind = "invalid"         // the data or a setting is wrong: a person changes it, then retry
	NotFound     Kind = "not found"       // it is not there (any more)
	Conflict     Kind = "conflict"        // somebody else holds or changed it
	Unauthorised Kind = "unauthorised"    // wrong key, missing right
	Unavailable  Kind = "unavailable"     // cannot be reached or answers nonsense; the request had no effect: retry
	RateLimited  Kind = "rate limited"    // slow down, then retry
	Unknown      Kind = "unknown outcome" // a write whose answer did not arrive: look it up before any retry
	Internal     Kind = "internal"        // a defect of ours
)

// Error is a problem with its cure.
type Error struct {
	Kind       Kind
	Where      string        // "PrestaShop", "vtiger", "state file", a setting's name
	Code       string        // the server's own code, e.g. "ACCESS_DENIED" or "27"; a stable word for ours
	Message    string        // what happened; holds no secret and no terminal escape
	Cure       string        // what to do, one sentence, "" where nothing helps
	Field      string        // the field at fault, "" where none is
	RetryAfter time.Duration // asked for by the server, 0 = not
	Cause      error
}

// Error gives the problem in one line.
func (e *Error) Error() string {
	text := e.Message
	if e.Where != "" {
		text = e.Where + ": " + text
	}
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	return text
}

// Words gives the problem to people, in one line. A server's code stays, because it can be looked up; ours, which begin
// with a small letter, are for programs.
func (e *Error) Words() string {
	plain := *e
	if e.Code != "" && e.Code[0] >= 'a' && e.Code[0] <= 'z' {
		plain.Code = ""
	}
	return plain.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Of finds the problem inside an error.
func Of(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// KindOf is the kind of an error; Internal for an error that is no problem, "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := Of(err); ok {
		return e.Kind
	}
	return Internal
}

// Temporary says that the same request may be sent again without looking first.
func Temporary(err error) bool {
	kind := KindOf(err)
	return kind == Unavailable || kind == RateLimited
}
