package store

import (
	"context"
	"database/sql"
	"fmt"

	"cartiger/problem"
)

// Intend puts the writes of a page on disk, before any of them is sent: it returns after they would survive power
// loss. Each inner slice is the chain of one shop record: same Entity, ShopID and Run, steps rising (all 0: numbered
// here, from 1). It returns the intents' ids in the same shape.
//
// All or nothing: a shop record that has an unfinished chain makes it a problem.Conflict with code "chain"; so does a
// lease that this Store had and lost, with code "lease".
func (s *Store) Intend(ctx context.Context, chains [][]Intent) ([][]int64, error) {
	for _, chain := range chains {
		if err := checkChain(chain); err != nil {
			return nil, err
		}
	}
	ids := make([][]int64, len(chains))
	err := s.write(ctx, "intend", full, func(ctx context.Context, tx *sql.Tx) error {
		if err := s.fence(ctx, tx); err != nil {
			return err
		}
		for i, chain := range chains {
			var err error
			if ids[i], err = s.putChain(ctx, tx, chain); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

func (s *Store) putChain(ctx context.Context, tx *sql.Tx, chain []Intent) ([]int64, error) {
	first := chain[0]
	made, err := tx.ExecContext(ctx, "INSERT INTO chains (entity, shop_id, run, created) VALUES (?, ?, ?, ?)",
		first.Entity, first.ShopID, first.Run, s.orNow(first.Created))
	if unique(err) {
		return nil, &problem.Error{
			Kind: problem.Conflict, Where: "state file", Code: "chain", Cause: err,
			Message: fmt.Sprintf("%s %d already has writes whose outcome is not known yet", first.Entity, first.ShopID),
			Cure:    "let them be finished first: the next run looks each one up",
		}
	}
	if err != nil {
		return nil, err
	}
	chainID, err := made.LastInsertId()
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(chain))
	for i, in := range chain {
		step := in.Step
		if unnumbered(chain) {
			step = i + 1
		}
		made, err := tx.ExecContext(ctx, `INSERT INTO intents (chain, step, name, body, state, attempts, last_error, created, link_entity, link_shop_id,
			link_module, link_key, lookup_field, lookup_value) VALUES (?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			chainID, step, in.Name, append([]byte{}, in.Body...), in.Attempts, bounded(in.LastError), s.orNow(in.Created),
			in.LinkEntity, in.LinkShopID, in.LinkModule, in.LinkKey, in.LookupField, in.LookupValue)
		if err != nil {
			return nil, err
		}
		if ids[i], err = made.LastInsertId(); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func unnumbered(chain []Intent) bool {
	for _, in := range chain {
		if in.Step != 0 {
			return false
		}
	}
	return true
}

func checkChain(chain []Intent) error {
	if len(chain) == 0 {
		return &problem.Error{Kind: problem.Internal, Where: "state file", Code: "chain", Message: "a chain without intents"}
	}
	first := chain[0]
	for i, in := range chain {
		switch {
		case in.Entity != first.Entity || in.ShopID != first.ShopID || in.Run != first.Run:
			return &problem.Error{
				Kind: problem.Internal, Where: "state file", Code: "chain",
				Message: fmt.Sprintf("one chain holds %s %d and %s %d", first.Entity, first.ShopID, in.Entity, in.ShopID),
			}
		case i > 0 && in.Step <= chain[i-1].Step && !unnumbered(chain):
			return &problem.Error{
				Kind: problem.Internal, Where: "state file", Code: "chain",
				Message: fmt.Sprintf("the steps of %s %d are not in order", first.Entity, first.ShopID),
			}
		}
	}
	return nil
}

// Attempted counts one more try of an open intent and keeps what went wrong (cut at 16 KiB).
func (s *Store) Attempted(ctx context.Context, intentID int64, lastError string) error {
	return s.write(ctx, "attempted", normal, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "UPDATE intents SET attempts = attempts + 1, last_error = ? WHERE id = ? AND state = 'open'", bounded(lastError), intentID)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return notOpen(intentID)
	})
}

func notOpen(id int64) error {
	return &problem.Error{Kind: problem.NotFound, Where: "state file", Code: "intent", Message: fmt.Sprintf("intent %d is not open", id)}
}

// OpenIntents gives every unfinished chain, the oldest first and each in step order. The done steps of an unfinished
// chain are among them, so that later steps can refer to their CRM ids; an intent's Chain says which belong together.
func (s *Store) OpenIntents(ctx context.Context) ([]Intent, error) {
	return read(ctx, s, func(rows *sql.Rows, in *Intent) error {
		return rows.Scan(&in.ID, &in.Chain, &in.Run, &in.Entity, &in.ShopID, &in.Step, &in.Name, &in.Body, &in.State, &in.CRMID, &in.Attempts,
			&in.LastError, timeColumn{&in.Created}, &in.LinkEntity, &in.LinkShopID, &in.LinkModule, &in.LinkKey, &in.LookupField, &in.LookupValue)
	}, `SELECT i.id, c.id, c.run, c.entity, c.shop_id, i.step, i.name, i.body, i.state, i.crm_id, i.attempts, i.last_error, i.created,
		i.link_entity, i.link_shop_id, i.link_module, i.link_key, i.lookup_field, i.lookup_value
		FROM chains c JOIN intents i ON i.chain = c.id ORDER BY c.id, i.step`)
}
