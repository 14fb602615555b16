package vtigerws

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

// envelope is what every answer is wrapped in.
type envelope struct {
	Success *bool           `json:"success"`
	Result  json.RawMessage `json:"result"`
	Error   *wireError      `json:"error"`
}

// wireError is the server's own account of a failure.
type wireError struct {
	Code    Code   `json:"code"`
	Message scalar `json:"message"`
}

var opening = []byte(`{"success":`)

// attempts bounds how many openings are tried, so that a hostile body cannot make digging quadratic.
const attempts = 8

var errNoEnvelope = errors.New("no answer of webservice.php in the body")

// dig finds the envelope in a body: PHP with display_errors on prints warnings before (and at shutdown behind) the JSON
// (wire/vtiger.md 1, captures 224 to 230 of 5.2.1). noise is everything around it.
func dig(body []byte) (e envelope, noise []byte, err error) {
	rest, start := body, 0
	for range attempts {
		i := bytes.Index(rest, opening)
		if i < 0 {
			break
		}
		start += i
		rest = rest[i:]
		decoder := json.NewDecoder(bytes.NewReader(rest))
		var found envelope
		if decoder.Decode(&found) == nil && found.whole() {
			end := start + int(decoder.InputOffset())
			return found, around(body, start, end), nil
		}
		rest, start = rest[len(opening):], start+len(opening)
	}
	// Somebody in between may have set the JSON anew, with blanks or in another order.
	trimmed := bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\xef\xbb\xbf"))
	var found envelope
	if json.Unmarshal(trimmed, &found) == nil && found.whole() {
		return found, nil, nil
	}
	return envelope{}, nil, errNoEnvelope
}

// maxParts bounds how many values an answer may hold: each takes a hundred times its bytes once it is understood. A
// hundred records of a hundred columns are 10,000.
const maxParts = 200_000

// crowded says that a JSON text holds more values than any answer of a CRM.
func crowded(text []byte) bool {
	parts, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case !quoted && (b == ',' || b == '{' || b == '['):
			parts++
		}
	}
	return parts > maxParts
}

// whole says that the envelope carries what its success promises.
func (e envelope) whole() bool {
	return e.Success != nil && (*e.Success && e.Result != nil || !*e.Success && e.Error != nil)
}

func around(body []byte, start, end int) []byte {
	noise := make([]byte, 0, start+len(body)-end)
	noise = append(noise, bytes.TrimSpace(body[:start])...)
	return append(noise, bytes.TrimSpace(body[end:])...)
}

// scalar is a JSON scalar as vtiger means it: all are strings, 6.x prints fresh totals as numbers and booleans are
// "1" and "0" elsewhere. Arrays and objects (LineItems) are kept as their JSON text.
type scalar string

// UnmarshalJSON reads any JSON value.
func (s *scalar) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case "null", "false":
		*s = ""
		if data[0] == 'f' {
			*s = "0"
		}
		return nil
	case "true":
		*s = "1"
		return nil
	}
	if data[0] == '"' {
		var text string
		err := json.Unmarshal(data, &text)
		*s = scalar(text)
		return err
	}
	*s = scalar(data)
	return nil
}

// flag is a boolean that may come as true, "1" or 1.
type flag bool

// UnmarshalJSON reads a boolean in any dress.
func (f *flag) UnmarshalJSON(data []byte) error {
	var s scalar
	if err := s.UnmarshalJSON(data); err != nil {
		return err
	}
	on, err := strconv.ParseBool(string(s))
	*f = flag(err == nil && on)
	return nil
}

// list is a JSON array; PHP turns one with gaps into an object, which is read in its own order.
type list[T any] []T

// UnmarshalJSON reads an array, or the values of an object.
func (l *list[T]) UnmarshalJSON(data []byte) error {
	*l = nil
	if len(data) == 0 || data[0] != '{' {
		return json.Unmarshal(data, (*[]T)(l))
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		if _, err := decoder.Token(); err != nil {
			return err
		}
		var value T
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		*l = append(*l, value)
	}
	_, err := decoder.Token()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// UnmarshalJSON reads a record with every value a string; nested values keep their JSON text.
func (r *Record) UnmarshalJSON(data []byte) error {
	if bytes.Equal(bytes.TrimSpace(data), []byte("[]")) { // PHP's empty array
		*r = Record{}
		return nil
	}
	var fields map[string]scalar
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	*r = make(Record, len(fields))
	for name, value := range fields {
		(*r)[name] = string(value)
	}
	return nil
}
