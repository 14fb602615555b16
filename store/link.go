package store

import (
	"context"
	"database/sql"
)

const selectLink = "SELECT entity, shop_id, module, crm_id, key, mirrored, at FROM links WHERE "

func scanLink(rows *sql.Rows, l *Link) error {
	return rows.Scan(&l.Entity, &l.ShopID, &l.Module, &l.CRMID, &l.Key, &l.Mirrored, timeColumn{&l.At})
}

// Link gives one shop record's link in one CRM module.
func (s *Store) Link(ctx context.Context, entity Entity, shopID int64, module string) (Link, bool, error) {
	return readOne(ctx, s, scanLink, selectLink+"entity = ? AND shop_id = ? AND module = ?", entity, shopID, module)
}

// Links gives the links of shop records in all modules, by shop id.
func (s *Store) Links(ctx context.Context, entity Entity, shopIDs ...int64) ([]Link, error) {
	return readIn(ctx, s, scanLink, selectLink+"entity = ? AND shop_id IN (%s) ORDER BY shop_id, module", []any{entity}, shopIDs)
}

// LinksByCRM gives every link to one of the CRM records. Several shop customers may share one.
func (s *Store) LinksByCRM(ctx context.Context, crmIDs ...string) ([]Link, error) {
	return readIn(ctx, s, scanLink, selectLink+"crm_id IN (%s) ORDER BY crm_id, entity, shop_id", nil, crmIDs)
}

// EachLink gives the next links of one module after a shop id, at most limit (0: all), by shop id.
func (s *Store) EachLink(ctx context.Context, entity Entity, module string, after int64, limit int) ([]Link, error) {
	if limit <= 0 {
		limit = -1
	}
	return read(ctx, s, scanLink, selectLink+"entity = ? AND module = ? AND shop_id > ? ORDER BY shop_id LIMIT ?", entity, module, after, limit)
}

// CountLinks counts the links by entity and module.
func (s *Store) CountLinks(ctx context.Context) (map[Entity]map[string]int64, error) {
	type row struct {
		entity Entity
		module string
		n      int64
	}
	rows, err := read(ctx, s, func(rows *sql.Rows, r *row) error { return rows.Scan(&r.entity, &r.module, &r.n) },
		"SELECT entity, module, count(*) FROM links GROUP BY entity, module")
	if err != nil {
		return nil, err
	}
	counts := map[Entity]map[string]int64{}
	for _, r := range rows {
		if counts[r.entity] == nil {
			counts[r.entity] = map[string]int64{}
		}
		counts[r.entity][r.module] = r.n
	}
	return counts, nil
}

// SaveLinks sets links, replacing those of the same shop record and module. A zero At means now; an empty Key
// keeps what is there, an empty Mirrored too while the link leads to the same CRM record.
func (s *Store) SaveLinks(ctx context.Context, links []Link) error {
	return s.write(ctx, "links", full, func(ctx context.Context, tx *sql.Tx) error { return s.putLinks(ctx, tx, links) })
}

func (s *Store) putLinks(ctx context.Context, tx *sql.Tx, links []Link) error {
	for _, l := range links {
		if _, err := tx.ExecContext(ctx, `INSERT INTO links (entity, shop_id, module, crm_id, key, mirrored, at) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET crm_id = excluded.crm_id, at = excluded.at,
			key = CASE WHEN excluded.key = '' THEN key ELSE excluded.key END, mirrored = CASE WHEN excluded.mirrored = '' AND crm_id = excluded.crm_id THEN mirrored ELSE excluded.mirrored END`,
			l.Entity, l.ShopID, l.Module, l.CRMID, l.Key, l.Mirrored, s.orNow(l.At)); err != nil {
			return err
		}
	}
	return nil
}

// RemoveLinks takes links away, found by entity, shop id and module.
func (s *Store) RemoveLinks(ctx context.Context, links []Link) error {
	return s.write(ctx, "links", full, func(ctx context.Context, tx *sql.Tx) error {
		for _, l := range links {
			if _, err := tx.ExecContext(ctx, "DELETE FROM links WHERE entity = ? AND shop_id = ? AND module = ?", l.Entity, l.ShopID, l.Module); err != nil {
				return err
			}
		}
		return nil
	})
}
