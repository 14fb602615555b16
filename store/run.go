package store

import (
	"context"
	"database/sql"
	"fmt"

	"cartiger/problem"
)

const selectRun = `SELECT id, kind, state, who, started, beat, ended, total, created, updated, unchanged, held, failed, cursor, options, message,
	workers, shop_requests, crm_requests, closed FROM runs`

func scanRun(rows *sql.Rows, r *Run) error {
	return rows.Scan(&r.ID, &r.Kind, &r.State, &r.Who, timeColumn{&r.Started}, timeColumn{&r.Beat}, timeColumn{&r.Ended}, &r.Total,
		&r.Created, &r.Updated, &r.Unchanged, &r.Held, &r.Failed, &r.Cursor, &r.Options, &r.Message, &r.Workers, &r.ShopRequests, &r.CRMRequests, &r.Closed)
}

// StartRun makes a run and gives it back with its id. State Running, Started and Beat now, unless they are set.
// A run that has an id goes on: its row is kept and takes the given values.
func (s *Store) StartRun(ctx context.Context, r Run) (Run, error) {
	if r.State == "" {
		r.State = Running
	}
	if r.Started.IsZero() {
		r.Started = s.now()
	}
	if r.ID != 0 {
		r.Beat = s.now()
		return r, s.write(ctx, "runs", full, func(ctx context.Context, tx *sql.Tx) error { return s.putRun(ctx, tx, r) })
	}
	if r.Beat.IsZero() {
		r.Beat = r.Started
	}
	err := s.write(ctx, "runs", full, func(ctx context.Context, tx *sql.Tx) error {
		made, err := tx.ExecContext(ctx, "INSERT INTO runs (kind, state, who, started, beat, ended, total, created, updated, unchanged, held, failed, cursor, "+
			"options, message, workers, shop_requests, crm_requests, closed) VALUES ("+marks(19)+")", r.columns()...)
		if err != nil {
			return err
		}
		r.ID, err = made.LastInsertId()
		return err
	})
	return r, err
}

// columns are the values of a run's row behind its id.
func (r Run) columns() []any {
	return []any{
		r.Kind, r.State, r.Who, millis(r.Started), millis(r.Beat), millis(r.Ended), r.Total, r.Created, r.Updated, r.Unchanged, r.Held, r.Failed,
		r.Cursor, r.Options, bounded(r.Message), r.Workers, r.ShopRequests, r.CRMRequests, r.Closed,
	}
}

// SaveRun keeps a run's progress; a zero Beat means now. Its cursor never goes back: a Complete may have moved it
// further meanwhile.
func (s *Store) SaveRun(ctx context.Context, r Run) error {
	d := normal
	if r.State != Running {
		d = full // how it ended must not be forgotten
	}
	if r.Beat.IsZero() {
		r.Beat = s.now()
	}
	return s.write(ctx, "runs", d, func(ctx context.Context, tx *sql.Tx) error { return s.putRun(ctx, tx, r) })
}

func (s *Store) putRun(ctx context.Context, tx *sql.Tx, r Run) error {
	if err := s.fence(ctx, tx); err != nil { // its successor may go on with the same row
		return err
	}
	saved, err := tx.ExecContext(ctx, `UPDATE runs SET kind = ?, state = ?, who = ?, started = ?, beat = ?, ended = ?, total = ?, created = ?, updated = ?,
		unchanged = ?, held = ?, failed = ?, cursor = max(cursor, ?), options = ?, message = ?, workers = ?, shop_requests = ?, crm_requests = ?,
		closed = ? WHERE id = ?`, append(r.columns(), r.ID)...)
	if err != nil {
		return err
	}
	if n, err := saved.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return &problem.Error{Kind: problem.NotFound, Where: "state file", Code: "run", Message: fmt.Sprintf("there is no run %d", r.ID)}
}

// LastRun gives the latest run of a kind.
func (s *Store) LastRun(ctx context.Context, kind string) (Run, bool, error) {
	return readOne(ctx, s, scanRun, selectRun+" WHERE kind = ? ORDER BY id DESC LIMIT 1", kind)
}

// OpenRun gives the latest run of a kind if it has not finished, whatever stopped it: it can go on.
func (s *Store) OpenRun(ctx context.Context, kind string) (Run, bool, error) {
	r, ok, err := s.LastRun(ctx, kind)
	if !ok || r.State == Finished {
		return Run{}, false, err
	}
	return r, true, nil
}

// ClosedRun says whether a run of a kind has closed it for good.
func (s *Store) ClosedRun(ctx context.Context, kind string) (bool, error) {
	_, closed, err := readOne(ctx, s, func(rows *sql.Rows, id *int64) error { return rows.Scan(id) },
		"SELECT id FROM runs WHERE kind = ? AND closed LIMIT 1", kind)
	return closed, err
}

// Runs gives the latest runs of all kinds, the newest first, at most limit (0: all).
func (s *Store) Runs(ctx context.Context, limit int) ([]Run, error) {
	if limit <= 0 {
		limit = -1
	}
	return read(ctx, s, scanRun, selectRun+" ORDER BY id DESC LIMIT ?", limit)
}

// Cursor gives a named cursor, "" where there is none.
func (s *Store) Cursor(ctx context.Context, name string) (string, error) {
	value, _, err := readOne(ctx, s, func(rows *sql.Rows, value *string) error { return rows.Scan(value) }, "SELECT value FROM cursors WHERE name = ?", name)
	return value, err
}

// SetCursor sets a named cursor.
func (s *Store) SetCursor(ctx context.Context, name, value string) error {
	return s.write(ctx, "cursors", full, func(ctx context.Context, tx *sql.Tx) error { return putCursor(ctx, tx, name, value) })
}

func putCursor(ctx context.Context, tx *sql.Tx, name, value string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO cursors (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", name, value)
	return err
}
