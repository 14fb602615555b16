package store

import "context"

// Synchronous is the writer's current durability: 2 FULL, 1 NORMAL.
func (s *Store) Synchronous() (level int, err error) {
	err = s.writer.QueryRow("PRAGMA synchronous").Scan(&level)
	return level, err
}

// Exec runs a statement on the writer connection.
func (s *Store) Exec(query string) error {
	_, err := s.writer.ExecContext(context.Background(), query)
	return s.trouble(err)
}

// AllLinks are the links of an entity, by shop id.
func (s *Store) AllLinks(ctx context.Context, entity Entity) ([]Link, error) {
	return read(ctx, s, scanLink, selectLink+"entity = ? ORDER BY shop_id, module", entity)
}

// Waiting is how many Completes are queued behind the current transaction.
func (s *Store) Waiting() int { return len(s.queue) }

// Mentions is mentions.
func Mentions(text, email string) bool { return mentions(text, email) }

// Number reads one number with the writer connection.
func (s *Store) Number(query string) (n int64, err error) {
	err = s.writer.QueryRow(query).Scan(&n)
	return n, err
}
