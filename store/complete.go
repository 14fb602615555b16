package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"cartiger/problem"
)

// Completion is what becomes known together and is kept together: all of it or nothing.
type Completion struct {
	Done     []DoneIntent
	Dropped  []int64 // intents known to have had no effect, given up
	Links    []Link
	Outcomes []Outcome
	Entries  []Entry
	Seen     []Seen
	Cursor   *CursorMove // nil: no cursor moves
}

// DoneIntent is an intent whose record is in the CRM, with the record's web service id ("4x12").
type DoneIntent struct {
	ID    int64
	CRMID string
}

// CursorMove moves a run's cursor (Run set, Value a shop id; it never goes back) or a named one.
type CursorMove struct {
	Run   int64
	Name  string
	Value string
}

// groupSize bounds how many Completes share one transaction.
const groupSize = 64

type pending struct {
	what   Completion
	answer chan error
}

// Complete keeps what the CRM has answered, in one transaction: intents are done, links, outcomes, log entries and the
// cursor are there, or none of it. A chain without open intents is finished and leaves the outbox.
//
// Callers at the same time share a transaction. It does not wait for the disk: what power loss takes (the latest
// Completes, never an earlier one without the later) is an open intent again, and costs one look-up in the CRM. Once
// it has been taken up the end of ctx changes nothing, because what the CRM has done must be kept.
func (s *Store) Complete(ctx context.Context, c Completion) error {
	if c.empty() {
		return nil
	}
	p := &pending{what: c, answer: make(chan error, 1)}
	if err := s.enqueue(ctx, p); err != nil {
		return err
	}
	return <-p.answer
}

func (c Completion) empty() bool {
	return len(c.Done)+len(c.Dropped)+len(c.Links)+len(c.Outcomes)+len(c.Entries)+len(c.Seen) == 0 && c.Cursor == nil
}

func (s *Store) enqueue(ctx context.Context, p *pending) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return s.trouble(sql.ErrConnDone)
	}
	select {
	case s.queue <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commitGroups serves the queue until Close ends it: while one group is being committed the next one gathers.
func (s *Store) commitGroups() {
	defer close(s.idle)
	for first := range s.queue {
		group := []*pending{first}
		for len(group) < groupSize {
			select {
			case p, more := <-s.queue:
				if more {
					group = append(group, p)
					continue
				}
			default:
			}
			break
		}
		s.commit(group)
	}
}

func (s *Store) commit(group []*pending) {
	var refused error // one of the group cannot be kept, whatever the state of the file
	err := s.write(context.Background(), "complete", normal, func(ctx context.Context, tx *sql.Tx) error {
		for _, p := range group {
			if err := s.complete(ctx, tx, p.what); err != nil {
				refused = s.trouble(err)
				return refused
			}
		}
		return nil
	})
	// It must not take its neighbours with it. When the file is at fault all share the error.
	if refused != nil && len(group) > 1 && !problem.Temporary(refused) {
		for _, p := range group {
			s.commit([]*pending{p})
		}
		return
	}
	for _, p := range group {
		p.answer <- err
	}
}

func (s *Store) complete(ctx context.Context, tx *sql.Tx, c Completion) error {
	for _, d := range c.Done {
		if err := s.endIntent(ctx, tx, d.ID, Done, d.CRMID); err != nil {
			return err
		}
	}
	for _, id := range c.Dropped {
		if err := s.endIntent(ctx, tx, id, Dropped, ""); err != nil {
			return err
		}
	}
	// Only now: a chain whose last two intents end together needs both.
	for _, d := range c.Done {
		if err := endChain(ctx, tx, d.ID); err != nil {
			return err
		}
	}
	for _, id := range c.Dropped {
		if err := endChain(ctx, tx, id); err != nil {
			return err
		}
	}
	if err := s.putLinks(ctx, tx, c.Links); err != nil {
		return err
	}
	if err := s.putOutcomes(ctx, tx, c.Outcomes); err != nil {
		return err
	}
	if err := s.putEntries(ctx, tx, c.Entries); err != nil {
		return err
	}
	if err := s.putSeen(ctx, tx, c.Seen); err != nil {
		return err
	}
	if c.Cursor == nil {
		return nil
	}
	return moveCursor(ctx, tx, *c.Cursor)
}

// endIntent ends an open intent. Ending it a second time in the same way is no error while its chain is unfinished.
func (s *Store) endIntent(ctx context.Context, tx *sql.Tx, id int64, state IntentState, crmID string) error {
	ended, err := tx.ExecContext(ctx, "UPDATE intents SET state = ?, crm_id = ? WHERE id = ? AND (state = 'open' OR state = ? AND crm_id = ?)", state, crmID, id, state, crmID)
	if err != nil {
		return err
	}
	if n, err := ended.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return notOpen(id)
}

func endChain(ctx context.Context, tx *sql.Tx, intentID int64) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM chains WHERE id = (SELECT chain FROM intents WHERE id = ?)
		AND NOT EXISTS (SELECT 1 FROM intents WHERE chain = chains.id AND state = 'open')`, intentID)
	return err
}

func moveCursor(ctx context.Context, tx *sql.Tx, m CursorMove) error {
	if m.Run == 0 {
		return putCursor(ctx, tx, m.Name, m.Value)
	}
	shopID, err := strconv.ParseInt(m.Value, 10, 64)
	if err != nil {
		return &problem.Error{
			Kind: problem.Internal, Where: "state file", Code: "cursor", Cause: err,
			Message: fmt.Sprintf("the cursor of run %d cannot be %q", m.Run, m.Value),
		}
	}
	_, err = tx.ExecContext(ctx, "UPDATE runs SET cursor = max(cursor, ?) WHERE id = ?", shopID, m.Run)
	return err
}
