package store

import (
	"context"
	"database/sql"
	"time"
)

// Seen is a change that a feed has carried, so that reading it again changes nothing.
type Seen struct {
	Feed string // kind of change: orders, carts, …
	Key  string // identifies the change: id, date and content
	At   time.Time
}

// Remember keeps keys as carried.
func (s *Store) Remember(ctx context.Context, feed string, keys []string, at time.Time) error {
	seen := make([]Seen, len(keys))
	for i, key := range keys {
		seen[i] = Seen{Feed: feed, Key: key, At: at}
	}
	return s.write(ctx, "seen", normal, func(ctx context.Context, tx *sql.Tx) error { return s.putSeen(ctx, tx, seen) })
}

func (s *Store) putSeen(ctx context.Context, tx *sql.Tx, seen []Seen) error {
	for _, one := range seen {
		if _, err := tx.ExecContext(ctx, "INSERT INTO seen (feed, key, at) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)",
			one.Feed, one.Key, s.orNow(one.At)); err != nil {
			return err
		}
	}
	return nil
}

// Known says which of the keys a feed has carried.
func (s *Store) Known(ctx context.Context, feed string, keys []string) (map[string]bool, error) {
	found, err := readIn(ctx, s, func(rows *sql.Rows, key *string) error { return rows.Scan(key) },
		"SELECT key FROM seen WHERE feed = ? AND key IN (%s)", []any{feed}, keys)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(found))
	for _, key := range found {
		known[key] = true
	}
	return known, nil
}

// ForgetSeen drops the keys remembered before a time: older ones cannot be read again.
func (s *Store) ForgetSeen(ctx context.Context, before time.Time) error {
	return s.exec(ctx, "seen", normal, "DELETE FROM seen WHERE at < ?", millis(before))
}
