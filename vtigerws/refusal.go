package vtigerws

import (
	"regexp"
	"strings"

	"cartiger/problem"
)

var (
	missingField = regexp.MustCompile(`^(\w+) does not have a value`)
	deniedField  = regexp.MustCompile(`access '?\.?(\w+)\.?'? attribute`)
)

// ownerField holds the owner of a record in every module.
const ownerField = "assigned_user_id"

// denied turns the server's own refusal into a problem: what it means, which field, and what to do.
func denied(q call, e wireError) error {
	words := plain(string(e.Message), 300)
	if words == "" {
		words = e.Code.Meaning()
	}
	p := &problem.Error{
		Where: where, Code: plain(string(e.Code), 60), Kind: problem.Invalid,
		Message: q.name() + ": " + words,
	}
	switch e.Code {
	case MandatoryFieldsMissing:
		p.Cure = "Give the record all its mandatory fields."
		if m := missingField.FindStringSubmatch(words); m != nil {
			p.Field = m[1]
			p.Cure = "Give the mandatory field " + m[1] + " a default."
		}
	case AccessDenied:
		denyAccess(q, words, p)
	case RecordNotFound:
		p.Kind = problem.NotFound
	case LeadAlreadyConverted:
		p.Kind = problem.Conflict
	case InvalidIDAttribute:
		if q.write && strings.Contains(words, "owner") {
			// 5.4 and later store the record first and complain then (wire/vtiger.md 1, 5).
			p.Kind, p.Field = problem.Unknown, ownerField
			p.Cure = "Choose an owner that exists in the CRM, and repair the record that was stored."
		}
	case ReferenceInvalid:
		p.Cure = "Let the reference point to a record of a module that the field allows."
	case InvalidUserCredentials, InvalidAuthToken:
		p.Kind = problem.Unauthorised
		p.Cure = "Check the user name and the access key (vtiger: My Preferences, User Advanced Options)."
	case AuthenticationRequired, AuthenticationFailure, InvalidSessionID, SessionExpired, SessionLeftIdle:
		p.Kind = problem.Unauthorised
		p.Cure = "Check that the user is active in the CRM."
	case QuerySyntaxError, OperationNotSupported:
		p.Kind = problem.Internal
	case UnknownOperation, UnknownEntity:
		p.Cure = "This CRM does not offer it: check its version, and that the module is active."
	case DatabaseQueryError, InternalServerError:
		p.Kind = q.doubt()
		p.Cure = "Look at the CRM's log."
	default:
		// A code of an add-on says nothing about when it was thrown.
		if q.write {
			p.Kind = problem.Unknown
		}
	}
	return p
}

// denyAccess reads what the catch-all ACCESS_DENIED means this time.
func denyAccess(q call, words string, p *problem.Error) {
	p.Kind = problem.Unauthorised
	field := deniedField.FindStringSubmatch(words)
	switch {
	case field != nil:
		p.Field = field[1]
		p.Cure = "The field " + field[1] + " does not exist or is hidden from the user: make it visible in the user's profile."
	case strings.Contains(words, "assign record"):
		p.Kind, p.Field = problem.Invalid, ownerField
		p.Cure = "Choose an active CRM user as owner (vtiger 5.1.0 takes no group)."
	case strings.Contains(words, "reference type"):
		p.Field = ownerField
		p.Cure = "The user may not see what the record refers to: leave the reference out, or give the right."
	case q.op == "describe":
		p.Cure = "Check that the module " + q.module + " exists and is active for the user's profile."
	case q.op == "query":
		p.Cure = "Check that the module " + q.module + " and the fields asked for are active and visible for the user's profile."
	case q.write:
		p.Cure = "Give the user's profile the right to create, edit and delete in " + q.module + "; or the record is gone."
	default:
		p.Cure = "The record is gone, or the user may not see it."
	}
}
