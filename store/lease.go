package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"cartiger/problem"
)

// What another process may ask of the lease's holder.
const (
	AskPause  = "pause"
	AskResume = "resume"
	AskStop   = "stop"
)

// Who names this process for people: "alice@host (pid 4711)".
func Who() string {
	name := strconv.Itoa(os.Geteuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return fmt.Sprintf("%s@%s (pid %d)", name, host, os.Getpid())
}

// machine names what process ids belong to: the host and, in a container, its process space.
func machine() string {
	host, _ := os.Hostname()
	space, _ := os.Readlink("/proc/self/ns/pid")
	return host + " " + space
}

type holder struct {
	Lease
	machine string
	pid     int
	token   string
	ttl     time.Duration
}

func scanHolder(rows *sql.Rows, h *holder) error {
	var ttl int64
	err := rows.Scan(&h.Who, &h.machine, &h.pid, &h.token, &ttl, &h.Run, timeColumn{&h.Beat}, &h.Request)
	h.ttl = time.Duration(ttl) * time.Millisecond
	return err
}

const selectHolder = "SELECT who, machine, pid, token, ttl, run, beat, request FROM lease"

// alive says whether the holder may still be at work: its process exists (where that can be seen) and it has given a
// sign of life within its ttl. A clock that was set back counts like one that was set forward.
func (h holder) alive(now time.Time) bool {
	if age := now.Sub(h.Beat); age > h.ttl || age < -h.ttl {
		return false
	}
	return h.machine != machine() || !errors.Is(syscall.Kill(h.pid, 0), syscall.ESRCH)
}

func (h holder) conflict(now time.Time) error {
	return &problem.Error{
		Kind: problem.Conflict, Where: "state file", Code: "lease",
		Message: fmt.Sprintf("%s is at work here, last sign of life %s ago", h.Who, max(now.Sub(h.Beat), 0).Round(time.Second)),
		Cure:    fmt.Sprintf("watch it with `cartiger status`, or stop it; if it has died it is taken over %s after its last sign of life", h.ttl),
	}
}

// Acquire takes the lease, for as long as Beat is called at least once per ttl. Who is shown to people. It is a
// problem.Conflict with code "lease", naming the holder, while another holder is alive; one whose process is gone
// (on this machine) or that was silent for longer than its own ttl is taken over. Runs that a former holder left
// running or paused become Interrupted. This Store itself is no exception: one process does one thing at a time.
func (s *Store) Acquire(ctx context.Context, who string, ttl time.Duration) error {
	token := rand.Text()
	err := s.write(ctx, "lease", full, func(ctx context.Context, tx *sql.Tx) error {
		now := s.now()
		found, err := all(ctx, tx, scanHolder, selectHolder)
		if err != nil {
			return err
		}
		if len(found) > 0 && found[0].alive(now) {
			return found[0].conflict(now)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO lease (only, who, machine, pid, token, ttl, run, beat, request) VALUES (1, ?, ?, ?, ?, ?, 0, ?, '')
			ON CONFLICT DO UPDATE SET who = excluded.who, machine = excluded.machine, pid = excluded.pid, token = excluded.token, ttl = excluded.ttl,
			run = 0, beat = excluded.beat, request = ''`, who, machine(), os.Getpid(), token, ttl.Milliseconds(), millis(now)); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE runs SET state = 'interrupted' WHERE state IN ('running', 'paused')")
		return err
	})
	if err == nil {
		s.token.Store(token)
	}
	return err
}

// Beat is the holder's sign of life, with the run it works on (0: none). It hands over what another process has asked
// for since the last Beat ("pause", "resume", "stop" or ""), each request once. A lost lease is a problem.Conflict
// with code "lease": stop at once.
func (s *Store) Beat(ctx context.Context, who string, run int64) (request string, err error) {
	err = s.write(ctx, "lease", normal, func(ctx context.Context, tx *sql.Tx) error {
		h, err := s.own(ctx, tx)
		if err != nil {
			return err
		}
		request = h.Request
		now := millis(s.now())
		if _, err := tx.ExecContext(ctx, "UPDATE lease SET who = ?, run = ?, beat = ?, request = ''", who, run, now); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE runs SET beat = ? WHERE id = ?", now, run)
		return err
	})
	if err != nil {
		return "", err
	}
	return request, nil
}

// own gives this Store's lease row, or the problem that it is not ours (any more).
func (s *Store) own(ctx context.Context, tx *sql.Tx) (holder, error) {
	found, err := all(ctx, tx, scanHolder, selectHolder)
	switch {
	case err != nil:
		return holder{}, err
	case len(found) == 0:
		return holder{}, notHeld()
	case found[0].token != s.token.Load():
		return holder{}, found[0].conflict(s.now())
	}
	return found[0], nil
}

func notHeld() error {
	return &problem.Error{
		Kind: problem.Conflict, Where: "state file", Code: "lease",
		Message: "the right to write records is not held by this process", Cure: "start again: unfinished writes are looked up first",
	}
}

// fence stops a Store that has lost its lease (a process that was asleep for longer than its ttl) from starting
// writes beside its successor. A Store that never took a lease is not asked.
func (s *Store) fence(ctx context.Context, tx *sql.Tx) error {
	if s.token.Load() == "" {
		return nil
	}
	_, err := s.own(ctx, tx)
	return err
}

// Holding is nil while this Store has the lease that it took; else it is a problem.Conflict with code "lease". To be
// asked before every write to the CRM: a process that was asleep for longer than its ttl has a successor, which
// looks its unfinished writes up and sends them itself. A Store that never took a lease is not asked.
func (s *Store) Holding(ctx context.Context) error {
	token := s.token.Load()
	if token == "" {
		return nil
	}
	h, found, err := readOne(ctx, s, scanHolder, selectHolder)
	switch {
	case err != nil:
		return err
	case !found:
		return notHeld()
	case h.token != token:
		return h.conflict(s.now())
	}
	return nil
}

// Release gives the lease back; where this Store does not hold it nothing happens.
func (s *Store) Release(ctx context.Context, who string) error {
	err := s.exec(ctx, "lease", full, "DELETE FROM lease WHERE token = ?", s.token.Load())
	if err == nil {
		s.token.Store("")
	}
	return err
}

// Holder gives the lease; ok says that its holder is alive. A dead holder's lease comes with ok false, none at all
// with an empty Who besides.
func (s *Store) Holder(ctx context.Context) (l Lease, ok bool, err error) {
	h, found, err := readOne(ctx, s, scanHolder, selectHolder)
	if err != nil || !found {
		return Lease{}, false, err
	}
	return h.Lease, h.alive(s.now()), nil
}

// Ask asks the lease's holder to pause, resume or stop; it hears of it with its next Beat. The latest request counts.
func (s *Store) Ask(ctx context.Context, request string) error {
	if request != AskPause && request != AskResume && request != AskStop {
		return &problem.Error{
			Kind: problem.Invalid, Where: "state file", Code: "request", Message: fmt.Sprintf("nobody can be asked to %q", request),
			Cure: "ask to pause, resume or stop",
		}
	}
	return s.write(ctx, "lease", normal, func(ctx context.Context, tx *sql.Tx) error {
		found, err := all(ctx, tx, scanHolder, selectHolder)
		if err != nil {
			return err
		}
		if len(found) == 0 || !found[0].alive(s.now()) {
			return &problem.Error{Kind: problem.NotFound, Where: "state file", Code: "lease", Message: "nothing is running that could " + request}
		}
		_, err = tx.ExecContext(ctx, "UPDATE lease SET request = ?", request)
		return err
	})
}
