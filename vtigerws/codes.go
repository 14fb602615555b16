package vtigerws

// Code is an error code of webservice.php, as it stands in {"success":false,"error":{"code":…}}
// (wire/vtiger.md, "Error codes and what triggers them").
type Code string

// The codes that vtiger 5.1 to 6.x send.
const (
	InvalidUserCredentials Code = "INVALID_USER_CREDENTIALS" // wrong key, or another login replaced the challenge
	InvalidAuthToken       Code = "INVALID_AUTH_TOKEN"       // no live challenge; also an unknown user
	AuthenticationRequired Code = "AUTHENTICATION_REQUIRED"  // no session; at login an inactive user
	AuthenticationFailure  Code = "AUTHENTICATION_FAILURE"   // extendsession without a browser session
	InvalidSessionID       Code = "INVALID_SESSIONID"        // the session is gone
	SessionExpired         Code = "SESSION_EXPIRED"          // in the source, never seen
	SessionLeftIdle        Code = "SESSION_LEFT_IDLE"        // in the source, never seen
	AccessDenied           Code = "ACCESS_DENIED"            // the catch-all: not found, not allowed, not known
	RecordNotFound         Code = "RECORD_NOT_FOUND"         // never seen on 5.x
	InvalidIDAttribute     Code = "INVALID_ID_ATTRIBUTE"     // id of another module; 5.4 and later: unknown owner
	ReferenceInvalid       Code = "REFERENCE_INVALID"        // reference of a wrong type
	MandatoryFieldsMissing Code = "MANDATORY_FIELDS_MISSING" // also what an unreadable element gives
	QuerySyntaxError       Code = "QUERY_SYNTAX_ERROR"       // VTQL grammar
	DatabaseQueryError     Code = "DATABASE_QUERY_ERROR"     // SQL failed
	InternalServerError    Code = "INTERNAL_SERVER_ERROR"    // VTQL lexer, and whatever else was thrown
	OperationNotSupported  Code = "OPERATION_NOT_SUPPORTED"  // 5.1.0: query on Currency and Groups
	UnknownOperation       Code = "UNKNOWN_OPERATION"        // stock vtiger dies instead
	UnknownEntity          Code = "UNKNOWN_ENTITY"           // module without a web service
	LeadAlreadyConverted   Code = "LEAD_ALREADY_CONVERTED"
)

// Codes of this package for what the server did not put into words; they stand in problem.Error.Code.
const (
	codeTLS       = "tls"       // certificate or handshake
	codeDNS       = "dns"       // host name not found
	codeConnect   = "connect"   // no connection
	codeTimeout   = "timeout"   // no answer in time
	codeCut       = "cut"       // connection ended before the answer did
	codeCancelled = "cancelled" // by the caller
	codeTooLarge  = "too-large" // answer over Config.MaxBytes
	codeRedirect  = "redirect"  // 3xx
	codeHTTP      = "http"      // any other HTTP status
	codeEmpty     = "empty"     // 200 without a body
	codeHTML      = "html"      // 200 with a web page
	codeNoSession = "session"   // PHP printed before vtiger could start its session
	codeNotJSON   = "not-json"  // 200 with something else
	codeShape     = "shape"     // JSON that is not what the operation answers
	codePaging    = "paging"    // a page that does not go on
	codeSetting   = "setting"   // Config
	codeValue     = "value"     // a value that cannot be sent
	codeRule      = "rule"      // a write that would do harm
	codeLines     = "lines"     // more lines than PHP takes
)

// Meaning says in one sentence what a code tells, "" for a code that is not vtiger's own.
func (c Code) Meaning() string { return meanings[c] }

var meanings = map[Code]string{
	InvalidUserCredentials: "user name or access key is wrong, or another login of the same user came in between",
	InvalidAuthToken:       "the user is unknown, or the challenge ran out",
	AuthenticationRequired: "not logged in, or the user is inactive",
	AuthenticationFailure:  "no browser session to adopt",
	InvalidSessionID:       "the session has ended",
	SessionExpired:         "the session has ended",
	SessionLeftIdle:        "the session was idle too long",
	AccessDenied:           "not allowed, not there, or not known",
	RecordNotFound:         "no such record",
	InvalidIDAttribute:     "an id belongs to another module or to nobody",
	ReferenceInvalid:       "a reference points to a record of a wrong module",
	MandatoryFieldsMissing: "a mandatory field has no value",
	QuerySyntaxError:       "the query is not VTQL",
	DatabaseQueryError:     "the CRM's database refused the query",
	InternalServerError:    "the CRM failed while processing the request",
	OperationNotSupported:  "this CRM version cannot do that",
	UnknownOperation:       "this CRM does not know the operation",
	UnknownEntity:          "this CRM does not know the module",
	LeadAlreadyConverted:   "the Lead was converted before",
}

// sessionLost says that the operation did not run because its session is gone: log in again and repeat.
func (c Code) sessionLost() bool {
	switch c {
	case InvalidSessionID, AuthenticationRequired, SessionExpired, SessionLeftIdle:
		return true
	}
	return false
}
