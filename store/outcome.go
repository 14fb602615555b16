package store

import (
	"context"
	"database/sql"
	"strings"
)

const selectOutcome = "SELECT entity, shop_id, state, reason, detail, label, crm, sent, answer, attempts, run, since, at FROM outcomes"

func scanOutcome(rows *sql.Rows, o *Outcome) error {
	return rows.Scan(&o.Entity, &o.ShopID, &o.State, &o.Reason, &o.Detail, &o.Label, &o.CRM, &o.Sent, &o.Answer, &o.Attempts, &o.Run,
		timeColumn{&o.Since}, timeColumn{&o.At})
}

// Outcome gives what became of one shop record.
func (s *Store) Outcome(ctx context.Context, entity Entity, shopID int64) (Outcome, bool, error) {
	return readOne(ctx, s, scanOutcome, selectOutcome+" WHERE entity = ? AND shop_id = ?", entity, shopID)
}

// Outcomes gives the outcomes that a filter leaves, by entity and shop id. Its After and Level say nothing here.
func (s *Store) Outcomes(ctx context.Context, f Filter) ([]Outcome, error) {
	var w where
	f.common(&w)
	if f.Reason != "" {
		w.and("reason = ?", f.Reason)
	}
	if f.Text != "" {
		w.and("instr(fold(label || char(10) || detail), ?) > 0", strings.ToLower(f.Text))
	}
	query := selectOutcome
	if f.Brief {
		query = strings.Replace(query, "sent, answer", "'', ''", 1)
	}
	return read(ctx, s, scanOutcome, query+w.String()+" ORDER BY entity, shop_id"+w.page(f.Limit, f.Offset), w.args...)
}

// common adds what narrows outcomes and log entries alike.
func (f Filter) common(w *where) {
	if f.Entity != "" {
		w.and("entity = ?", f.Entity)
	}
	if len(f.States) > 0 {
		given := make([]any, len(f.States))
		for i, state := range f.States {
			given[i] = state
		}
		w.and("state IN ("+marks(len(given))+")", given...)
	}
	if f.ShopID != 0 {
		w.and("shop_id = ?", f.ShopID)
	}
	if f.Run != 0 {
		w.and("run = ?", f.Run)
	}
}

// RunStates gives the state of each record of an entity that a run has left an outcome for, and nothing else of it:
// there may be hundreds of thousands.
func (s *Store) RunStates(ctx context.Context, run int64, entity Entity) (map[int64]State, error) {
	type row struct {
		id    int64
		state State
	}
	rows, err := read(ctx, s, func(rows *sql.Rows, r *row) error { return rows.Scan(&r.id, &r.state) },
		"SELECT shop_id, state FROM outcomes WHERE entity = ? AND run = ?", entity, run)
	states := make(map[int64]State, len(rows))
	for _, r := range rows {
		states[r.id] = r.state
	}
	return states, err
}

// CountOutcomes counts the outcomes by entity.
func (s *Store) CountOutcomes(ctx context.Context) (map[Entity]Counts, error) {
	return s.countOutcomes(ctx, "")
}

// CountRun counts the outcomes that a run has left, by entity: what its own counters must say after it was killed.
func (s *Store) CountRun(ctx context.Context, run int64) (map[Entity]Counts, error) {
	return s.countOutcomes(ctx, " WHERE run = ?", run)
}

func (s *Store) countOutcomes(ctx context.Context, condition string, args ...any) (map[Entity]Counts, error) {
	type row struct {
		entity Entity
		state  State
		n      int64
	}
	rows, err := read(ctx, s, func(rows *sql.Rows, r *row) error { return rows.Scan(&r.entity, &r.state, &r.n) },
		"SELECT entity, state, count(*) FROM outcomes"+condition+" GROUP BY entity, state", args...)
	if err != nil {
		return nil, err
	}
	counts := map[Entity]Counts{}
	for _, r := range rows {
		c := counts[r.entity]
		switch r.state {
		case Created:
			c.Created = r.n
		case Updated:
			c.Updated = r.n
		case Unchanged:
			c.Unchanged = r.n
		case Held:
			c.Held = r.n
		case Failed:
			c.Failed = r.n
		}
		counts[r.entity] = c
	}
	return counts, nil
}

// putOutcomes replaces outcomes. Detail, Label and Answer are cut at 16 KiB. Since stays as it was while state and reason stay; a zero At means now.
func (s *Store) putOutcomes(ctx context.Context, tx *sql.Tx, outcomes []Outcome) error {
	for _, o := range outcomes {
		at := s.orNow(o.At)
		since := at
		if !o.Since.IsZero() {
			since = millis(o.Since)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO outcomes (entity, shop_id, state, reason, detail, label, crm, sent, answer, attempts, run, since, at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET
				since = CASE WHEN state = excluded.state AND reason = excluded.reason THEN since ELSE excluded.since END,
				state = excluded.state, reason = excluded.reason, detail = excluded.detail, label = excluded.label, crm = excluded.crm,
				sent = excluded.sent, answer = excluded.answer, attempts = excluded.attempts, run = excluded.run, at = excluded.at`,
			o.Entity, o.ShopID, o.State, o.Reason, bounded(o.Detail), bounded(o.Label), o.CRM, o.Sent, bounded(o.Answer), o.Attempts, o.Run, since, at); err != nil {
			return err
		}
	}
	return nil
}
