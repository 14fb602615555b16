package vtigerwstest

import "errors"

// wsError is an error that the web service answers inside its envelope, with HTTP 200 (wire/vtiger.md 1).
type wsError struct{ code, message string }

func (e *wsError) Error() string { return e.code + ": " + e.message }

func (e *wsError) object() object {
	return object{{"code", e.code}, {"message", e.message}}
}

// worded is an error in the words of a release.
func (r release) worded(e *wsError) *wsError {
	switch {
	case e != errDatabase || r < v530:
		return e
	case r == v600:
		return &wsError{e.code, "LBL_DATABASE_QUERY_ERROR"} // its language file is not found
	}
	return &wsError{e.code, "Database error while performing requested operation"}
}

// errFatal is an uncaught PHP error: HTTP 500 with an empty body, or 200 with HTML where display_errors is on.
var errFatal = errors.New("PHP fatal error")

// pageError is an answer in HTML although everything was meant to be JSON.
type pageError string

func (e pageError) Error() string { return string(e) }

const (
	pageNotFound   pageError = "<br><br><center>Record you are trying to access is not found. <a href='javascript:window.history.back()'>Go Back.</a></center>"
	pageRestricted pageError = "Sorry! Attempt to access restricted file."
)

// denied is the catch-all of the server: not found, not allowed, malformed and unknown all sound alike.
func denied(suffix string) error {
	message := "Permission to perform the operation is denied"
	if suffix != "" {
		message += " for " + suffix
	}
	return &wsError{"ACCESS_DENIED", message}
}

func accessDenied(message string) error { return &wsError{"ACCESS_DENIED", message} }

// missing names a mandatory field; invalid JSON ends here too.
func missing(field string) error {
	return &wsError{"MANDATORY_FIELDS_MISSING", field + " does not have a value"}
}

var (
	errAuthentication = &wsError{"AUTHENTICATION_REQUIRED", "Authencation required"}
	errSession        = &wsError{"INVALID_SESSIONID", "Session Identifier provided is Invalid"}
	errToken          = &wsError{"INVALID_AUTH_TOKEN", "Specified token is invalid or expired"}
	errCredentials    = &wsError{"INVALID_USER_CREDENTIALS", "Invalid username or password"}
	errExtend         = &wsError{"AUTHENTICATION_FAILURE", "Authencation Failed"}
	errID             = &wsError{"INVALID_ID_ATTRIBUTE", "Id specified is incorrect"}
	errOwner          = &wsError{"INVALID_ID_ATTRIBUTE", "Invalid owner of the record"}
	errInternal       = &wsError{"INTERNAL_SERVER_ERROR", "Unknown Error while processing request"}
	errDatabase       = &wsError{"DATABASE_QUERY_ERROR", "Database error while performing required operation"}
	errUnsupported    = &wsError{"OPERATION_NOT_SUPPORTED", "Operation query is not supported for this entity"}
	errConverted      = &wsError{"LEAD_ALREADY_CONVERTED", "Lead is already converted"}
)
