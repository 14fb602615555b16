package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"cartiger/problem"
)

// Forgotten counts what Forget has erased.
type Forgotten struct {
	Links    int64 // links of the customer, removed
	Outcomes int64 // outcomes removed, or freed of what was sent and answered
	Entries  int64 // log entries removed
}

// Forget erases one customer, named by e-mail address (blanks and case do not count), from the state file, also from
// its free pages and its write-ahead log. The links and outcomes of the customer's orders stay, because
// without them the orders would be written again; only what was sent, answered and said about them goes.
// While one of the customer's writes is under way it is a problem.Conflict.
func (s *Store) Forget(ctx context.Context, email string) (Forgotten, error) {
	var gone Forgotten
	email = strings.ToLower(strings.TrimSpace(email))
	if email == "" {
		return Forgotten{}, &problem.Error{Kind: problem.Invalid, Where: "state file", Code: "email", Field: "email", Message: "no e-mail address is given", Cure: "name the customer's e-mail address"}
	}
	err := s.write(ctx, "forget", full, func(ctx context.Context, tx *sql.Tx) (err error) {
		gone, err = forget(ctx, tx, email)
		return err
	})
	if err != nil {
		return Forgotten{}, err
	}
	// The old pages still stand in the write-ahead log until it is written back and emptied.
	var busy, pages, moved int64
	if err := s.writer.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved); err != nil {
		return gone, s.trouble(err)
	}
	if busy != 0 {
		return gone, &problem.Error{
			Kind: problem.Unavailable, Where: "state file", Code: "busy",
			Message: "the customer is erased, but while another process reads the file its write-ahead log still holds the old text",
			Cure:    "end the other cartiger and do it again",
		}
	}
	return gone, nil
}

func forget(ctx context.Context, tx *sql.Tx, email string) (gone Forgotten, err error) {
	erase := func(query string) (n int64) {
		if err != nil {
			return 0
		}
		var args []any
		if strings.Contains(query, "?1") {
			args = []any{email}
		}
		var done sql.Result
		if done, err = tx.ExecContext(ctx, query, args...); err == nil {
			n, err = done.RowsAffected()
		}
		return n
	}
	// The customer's records: their link has the address as its key, or they are called by it.
	erase(`CREATE TEMP TABLE forgotten AS
		SELECT shop_id FROM links WHERE entity = 'customer' AND fold(trim(key)) = ?1
		UNION SELECT shop_id FROM outcomes WHERE entity = 'customer' AND mentions(label, ?1)`)
	erase(`CREATE TEMP TABLE forgotten_crm AS SELECT '"' || crm_id || '"' AS quoted FROM links
		WHERE entity = 'customer' AND shop_id IN (SELECT shop_id FROM forgotten)`)
	if err != nil {
		return gone, err
	}
	var open int64
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM intents WHERE mentions(CAST(body AS TEXT) || char(10) || link_key || char(10) || lookup_value, ?)
		OR chain IN (SELECT id FROM chains WHERE entity = 'customer' AND shop_id IN (SELECT shop_id FROM forgotten))`, email).Scan(&open); err != nil {
		return gone, err
	}
	if open > 0 {
		return gone, &problem.Error{
			Kind: problem.Conflict, Where: "state file", Code: "chain",
			Message: fmt.Sprintf("%d writes of this customer are not finished", open),
			Cure:    "let them be finished first: run the export or watch once more",
		}
	}
	gone.Outcomes = erase("DELETE FROM outcomes WHERE entity = 'customer' AND shop_id IN (SELECT shop_id FROM forgotten)")
	gone.Outcomes += erase(`UPDATE outcomes SET sent = '', answer = '',
			detail = CASE WHEN mentions(detail, ?1) THEN '' ELSE detail END,
			label = CASE WHEN mentions(label, ?1) THEN '' ELSE label END
		WHERE mentions(sent || char(10) || answer || char(10) || detail || char(10) || label, ?1)
			OR EXISTS (SELECT 1 FROM forgotten_crm WHERE instr(sent, quoted) > 0 OR instr(answer, quoted) > 0)`)
	gone.Links = erase("DELETE FROM links WHERE entity = 'customer' AND shop_id IN (SELECT shop_id FROM forgotten)")
	erase("UPDATE links SET mirrored = '' WHERE mentions(mirrored, ?1)")
	gone.Entries = erase(`DELETE FROM log WHERE entity = 'customer' AND shop_id IN (SELECT shop_id FROM forgotten)
		OR mentions(label || char(10) || message, ?1)`)
	erase("UPDATE runs SET message = '' WHERE mentions(message, ?1)")
	erase("DELETE FROM seen WHERE mentions(key, ?1)")
	erase("DROP TABLE forgotten")
	erase("DROP TABLE forgotten_crm")
	return gone, err
}

// mentions says whether an e-mail address (in lower case) stands in a text, as such or as JSON writes it, and is not
// just the end of a longer address or the beginning of a longer domain.
func mentions(text, email string) bool {
	text = strings.ToLower(text)
	quoted, err := json.Marshal(email)
	return standsIn(text, email) || err == nil && standsIn(text, string(quoted[1:len(quoted)-1]))
}

// escape is one character as JSON writes it, at the end of a text: its last letter belongs to no address.
var escape = regexp.MustCompile(`\\(u[0-9a-f]{4}|[bfnrt])$`)

func standsIn(text, email string) bool {
	for from := 0; ; {
		n := strings.Index(text[from:], email)
		if n < 0 {
			return false
		}
		before, after := text[:from+n], text[from+n+len(email):]
		last, _ := utf8.DecodeLastRuneInString(escape.ReplaceAllString(before[max(0, len(before)-6):], " "))
		next, _ := utf8.DecodeRuneInString(after)
		// A full stop may end the sentence, or go on with the domain.
		if next == '.' {
			next, _ = utf8.DecodeRuneInString(after[1:])
		}
		if !inAddress(last) && !inAddress(next) {
			return true
		}
		from += n + 1 // the next place may overlap this one
	}
}

func inAddress(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-+", r))
}
