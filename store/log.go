package store

import (
	"context"
	"database/sql"
	"strings"
)

// Log appends entries; a zero At means now, a message is cut at 16 KiB. The oldest beyond the bound (WithLogBound) are dropped from time to time.
func (s *Store) Log(ctx context.Context, entries ...Entry) error {
	return s.write(ctx, "log", normal, func(ctx context.Context, tx *sql.Tx) error { return s.putEntries(ctx, tx, entries) })
}

// trimEvery is how many entries pass between two trims: the log may exceed its bound by so many.
const trimEvery = 256

func (s *Store) putEntries(ctx context.Context, tx *sql.Tx, entries []Entry) error {
	for _, e := range entries {
		made, err := tx.ExecContext(ctx, "INSERT INTO log (at, level, run, entity, shop_id, label, state, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			s.orNow(e.At), e.Level, e.Run, e.Entity, e.ShopID, bounded(e.Label), e.State, bounded(e.Message))
		if err != nil {
			return err
		}
		if id, err := made.LastInsertId(); err != nil {
			return err
		} else if id%trimEvery == 0 {
			if err := trimLog(ctx, tx, s.options.logBound); err != nil {
				return err
			}
		}
	}
	return nil
}

// trimLog drops all but the newest entries.
func trimLog(ctx context.Context, tx *sql.Tx, keep int64) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM log WHERE id <= (SELECT id FROM log ORDER BY id DESC LIMIT 1 OFFSET ?)", max(keep, 0))
	return err
}

// Entries gives the log entries that a filter leaves, the newest first; with After set the oldest first, for
// following the log (After -1: from its beginning). Level means that level and worse.
func (s *Store) Entries(ctx context.Context, f Filter) ([]Entry, error) {
	var w where
	f.common(&w)
	switch f.Level {
	case "", "info":
	case "warning":
		w.and("level IN ('warning', 'error')")
	default:
		w.and("level = ?", f.Level)
	}
	if f.Text != "" {
		w.and("instr(fold(label || char(10) || message), ?) > 0", strings.ToLower(f.Text))
	}
	order := " ORDER BY id DESC"
	if f.After != 0 {
		w.and("id > ?", f.After)
		order = " ORDER BY id"
	}
	return read(ctx, s, func(rows *sql.Rows, e *Entry) error {
		return rows.Scan(&e.ID, timeColumn{&e.At}, &e.Level, &e.Run, &e.Entity, &e.ShopID, &e.Label, &e.State, &e.Message)
	}, "SELECT id, at, level, run, entity, shop_id, label, state, message FROM log"+w.String()+order+w.page(f.Limit, f.Offset), w.args...)
}
