package store

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"time"

	"cartiger/problem"
)

// durability is SQLite's synchronous setting of one transaction.
type durability string

const (
	// full is on the disk itself when the write returns: it survives power loss.
	full durability = "FULL"
	// normal survives the end of the process at once and power loss after the next full write or checkpoint. Order is
	// kept: power loss takes the latest transactions only, never one and not its successor.
	normal durability = "NORMAL"
)

// write runs fn in one transaction on the only writer connection; an error of fn undoes everything. Once it has
// begun it ignores the end of ctx: a transaction takes milliseconds, and half of one helps nobody.
func (s *Store) write(ctx context.Context, op string, d durability, fn func(context.Context, *sql.Tx) error) error {
	return s.trouble(s.transact(ctx, op, d, fn))
}

func (s *Store) transact(ctx context.Context, op string, d durability, fn func(context.Context, *sql.Tx) error) error {
	if err := s.options.fault(op + ".begin"); err != nil {
		return err
	}
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := s.inPlace(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if _, err := conn.ExecContext(ctx, "PRAGMA synchronous = "+string(d)); err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if err := s.options.fault(op + ".commit"); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return s.options.fault(op + ".committed")
}

// inPlace makes sure that the open file still is the one that its path names: a write into a file that was removed or
// replaced (a backup moved over it) would be lost with the process.
func (s *Store) inPlace() error {
	info, err := os.Stat(s.path)
	if err == nil && os.SameFile(info, s.identity) {
		return nil
	}
	return &problem.Error{
		Kind: problem.Invalid, Where: "state file", Code: "replaced", Cause: err,
		Message: fmt.Sprintf("%s was removed or replaced while it was in use", s.path), Cure: "end every Cartiger that uses it, then start again",
	}
}

// exec is a write of one statement.
func (s *Store) exec(ctx context.Context, op string, d durability, query string, args ...any) error {
	return s.write(ctx, op, d, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}

type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// all reads every row of a query.
func all[T any](ctx context.Context, q queryer, scan func(*sql.Rows, *T) error, query string, args ...any) (found []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var row T
		if err := scan(rows, &row); err != nil {
			return nil, err
		}
		found = append(found, row)
	}
	return found, rows.Err()
}

// read is all on the reader connections.
func read[T any](ctx context.Context, s *Store, scan func(*sql.Rows, *T) error, query string, args ...any) ([]T, error) {
	found, err := all(ctx, s.reader, scan, query, args...)
	return found, s.trouble(err)
}

// readOne is read for at most one row.
func readOne[T any](ctx context.Context, s *Store, scan func(*sql.Rows, *T) error, query string, args ...any) (row T, ok bool, err error) {
	found, err := read(ctx, s, scan, query, args...)
	if err != nil || len(found) == 0 {
		return row, false, err
	}
	return found[0], true, nil
}

// readIn reads a query that ends in "IN (%s)" for a list of any length, in pieces that SQLite takes.
func readIn[T, V any](ctx context.Context, s *Store, scan func(*sql.Rows, *T) error, query string, args []any, list []V) ([]T, error) {
	const piece = 500
	var found []T
	for len(list) > 0 {
		n := min(len(list), piece)
		given := args[:len(args):len(args)]
		for _, v := range list[:n] {
			given = append(given, v)
		}
		list = list[n:]
		some, err := read(ctx, s, scan, fmt.Sprintf(query, marks(n)), given...)
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	return found, nil
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

// where collects the conditions of a query.
type where struct {
	conditions []string
	args       []any
}

func (w *where) and(condition string, args ...any) {
	w.conditions = append(w.conditions, condition)
	w.args = append(w.args, args...)
}

func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

// page is the query's end; a limit of 0 is none.
func (w *where) page(limit, offset int) string {
	if limit <= 0 {
		limit = -1
	}
	return fmt.Sprintf(" LIMIT %d OFFSET %d", limit, max(offset, 0))
}

// maxText bounds a text that a server had a part in, in bytes. An HTML page instead of an answer, once for each of
// 50,000 records, must not fill the disk.
const maxText = 16 << 10

// bounded cuts a text that is too long, between two characters.
func bounded(text string) string {
	if len(text) <= maxText {
		return text
	}
	const rest = "…"
	return strings.ToValidUTF8(text[:maxText-len(rest)], "") + rest
}

func (s *Store) now() time.Time { return s.options.clock().UTC() }

// millis is how a time is kept: UTC, unix milliseconds, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// orNow is t in milliseconds, or now for the zero time.
func (s *Store) orNow(t time.Time) int64 {
	if t.IsZero() {
		t = s.now()
	}
	return t.UnixMilli()
}

// timeColumn scans millis back.
type timeColumn struct{ t *time.Time }

func (c timeColumn) Scan(v any) error {
	ms, ok := v.(int64)
	if !ok {
		return fmt.Errorf("time is kept as %T", v)
	}
	if ms == 0 {
		*c.t = time.Time{}
		return nil
	}
	*c.t = time.UnixMilli(ms).UTC()
	return nil
}
