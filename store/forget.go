package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

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
func (s *Store) Forget(ctx context.Context, email string) (gone Forgotten, err error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if email == "" {
		return Forgotten{}, &problem.Error{Kind: problem.Invalid, Where: "state file", Code: "email", Field: "email", Message: "no e-mail address is given", Cure: "name the customer's e-mail address"}
	}
	err = s.write(ctx, "forget", full, func(ctx context.Context, tx *sql.Tx) error {
		gone = Forgotten{}
		if err := s.forgetUnderWay(ctx, tx, email); err != nil {
			return err
		}
		for _, statement := range []struct {
			count *int64
			query string
			args  []any
		}{
			// "a customer's record" is one whose link has the address as its key, or that is called by it.
			{nil, `CREATE TEMP TABLE forgotten AS
				SELECT shop_id FROM links WHERE entity = 'customer' AND fold(trim(key)) = ?1
				UNION SELECT shop_id FROM outcomes WHERE entity = 'customer' AND fold(trim(label)) = ?1`, []any{email}},
			{nil, `CREATE TEMP TABLE forgotten_crm AS SELECT '"' || crm_id || '"' AS quoted FROM links
				WHERE entity = 'customer' AND shop_id IN (SELECT shop_id FROM forgotten)`, nil},
			{&gone.Outcomes, "DELETE FROM outcomes WHERE entity = 'customer' AND shop_id IN (SELECT shop_id FROM forgotten)", nil},
			{&gone.Outcomes, `UPDATE outcomes SET sent = '', answer = '',
					detail = CASE WHEN instr(fold(detail), ?1) > 0 THEN '' ELSE detail END,
					label = CASE WHEN instr(fold(label), ?1) > 0 THEN '' ELSE label END
				WHERE instr(fold(sent || char(10) || answer || char(10) || detail || char(10) || label), ?1) > 0
					OR EXISTS (SELECT 1 FROM forgotten_crm WHERE instr(sent, quoted) > 0 OR instr(answer, quoted) > 0)`, []any{email}},
			{&gone.Links, "DELETE FROM links WHERE entity = 'customer' AND shop_id IN (SELECT shop_id FROM forgotten)", nil},
			{nil, "UPDATE links SET mirrored = '' WHERE instr(fold(mirrored), ?1) > 0", []any{email}},
			{&gone.Entries, `DELETE FROM log WHERE entity = 'customer' AND shop_id IN (SELECT shop_id FROM forgotten)
				OR instr(fold(label || char(10) || message), ?1) > 0`, []any{email}},
			{nil, "DELETE FROM seen WHERE instr(fold(key), ?1) > 0", []any{email}},
			{nil, "DROP TABLE forgotten", nil},
			{nil, "DROP TABLE forgotten_crm", nil},
		} {
			done, err := tx.ExecContext(ctx, statement.query, statement.args...)
			if err != nil {
				return err
			}
			if statement.count == nil {
				continue
			}
			n, err := done.RowsAffected()
			if err != nil {
				return err
			}
			*statement.count += n
		}
		return nil
	})
	if err != nil {
		return Forgotten{}, err
	}
	// The old pages still stand in the write-ahead log until it is written back and emptied.
	_, err = s.writer.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return gone, s.trouble(err)
}

func (s *Store) forgetUnderWay(ctx context.Context, tx *sql.Tx, email string) error {
	var open int64
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM intents WHERE instr(fold(link_key || char(10) || lookup_value || char(10) || CAST(body AS TEXT)), ?) > 0`,
		email).Scan(&open); err != nil || open == 0 {
		return err
	}
	return &problem.Error{
		Kind: problem.Conflict, Where: "state file", Code: "chain",
		Message: fmt.Sprintf("%d writes of this customer are not finished", open),
		Cure:    "let them finish first: run the export or watch once more",
	}
}
