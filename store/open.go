package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/pressly/goose/v3"

	"cartiger/problem"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID is "CTGR", the mark of our files (migrations/00001_state.sql).
const applicationID = 0x43544752

// Store is an open state file. It is safe for concurrent use; Close it once.
type Store struct {
	path     string
	identity fs.FileInfo // of the file that was opened
	options  options
	writer   *sql.DB // exactly one connection: SQLite has one writer at a time anyway
	reader   *sql.DB
	token    atomic.Value // string: the lease this Store holds, "" for none

	gate   sync.RWMutex // closed and the queue's end
	closed bool
	queue  chan *pending
	idle   chan struct{} // closed when the committer has ended
}

type options struct {
	clock    func() time.Time
	fault    func(op string) error
	busy     time.Duration
	logBound int64
}

// Option changes how a Store works.
type Option func(*options)

// WithClock sets the clock, time.Now by default.
func WithClock(now func() time.Time) Option { return func(o *options) { o.clock = now } }

// WithFault lets a test break or end any write. The function is asked with "<op>.begin" before the transaction,
// "<op>.commit" when it is complete but not yet committed, and "<op>.committed" when it is on disk; an error of the first
// two rolls it back, an error of the last is a lost answer. Ops: intend, complete, attempted, settings, links, runs,
// cursors, lease, log, seen, forget, facts, migrate. Complete asks once per shared transaction.
func WithFault(fault func(op string) error) Option { return func(o *options) { o.fault = fault } }

// WithBusyTimeout says how long a write waits for another process's transaction, 5 s by default.
func WithBusyTimeout(d time.Duration) Option { return func(o *options) { o.busy = d } }

// WithLogBound says how many log entries are kept, 20,000 by default.
func WithLogBound(n int) Option { return func(o *options) { o.logBound = int64(n) } }

// DefaultPath is where the state file lies when nobody says otherwise: $XDG_STATE_HOME/cartiger/state.db.
func DefaultPath() (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) { // the XDG specification has relative values ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return "", &problem.Error{
				Kind: problem.Invalid, Where: "state file", Code: "no-home", Message: "neither XDG_STATE_HOME nor HOME is set",
				Cure: "name the file with --state FILE or CARTIGER_STATE", Cause: err,
			}
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "cartiger", "state.db"), nil
}

// Open opens the state file, makes it where there is none (0600, in a 0700 folder) and brings its schema up to date.
// It refuses a file that others can read, that belongs to another user or program, or that a newer Cartiger wrote.
func Open(ctx context.Context, path string, opts ...Option) (_ *Store, err error) {
	s := &Store{
		options: options{clock: time.Now, fault: func(string) error { return nil }, busy: 5 * time.Second, logBound: 20_000},
		queue:   make(chan *pending, groupSize),
		idle:    make(chan struct{}),
	}
	for _, opt := range opts {
		opt(&s.options)
	}
	s.token.Store("")
	if s.path, err = realPath(path); err != nil {
		return nil, s.trouble(err)
	}
	// One process at a time gets past here: two that make or migrate the same file at once would stumble over each other.
	unlock, err := guardFolder(ctx, filepath.Dir(s.path))
	if err != nil {
		return nil, s.trouble(err)
	}
	defer unlock()
	if err := guardFile(s.path); err != nil {
		return nil, s.trouble(err)
	}
	if err := s.connect(ctx); err != nil {
		return nil, s.trouble(errors.Join(err, s.disconnect()))
	}
	go s.commitGroups()
	return s, nil
}

// Path is the file's absolute path, links resolved.
func (s *Store) Path() string { return s.path }

// Close ends the Store after every Complete that was called before it is on disk. It does not release the lease.
func (s *Store) Close() error {
	s.gate.Lock()
	if s.closed {
		s.gate.Unlock()
		return nil
	}
	s.closed = true
	close(s.queue)
	s.gate.Unlock()
	<-s.idle
	return s.trouble(s.disconnect())
}

func (s *Store) connect(ctx context.Context) error {
	s.writer = sql.OpenDB(s.connector("immediate", false))
	s.writer.SetMaxOpenConns(1)
	s.reader = sql.OpenDB(s.connector("deferred", true))
	s.reader.SetMaxOpenConns(4)
	s.reader.SetMaxIdleConns(4)
	if err := s.recognise(ctx); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		// A damaged list of versions looks like a missing one.
		if _, known := problem.Of(err); !known {
			if bad := s.Check(ctx); bad != nil {
				return bad
			}
		}
		return err
	}
	var mode string
	if err := s.writer.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return &problem.Error{
			Kind: problem.Invalid, Where: "state file", Code: "no-wal",
			Message: fmt.Sprintf("%s lies on a file system that several processes cannot share", s.path),
			Cure:    "put the state file on a local disk: --state FILE",
		}
	}
	// SQLite gives -wal and -shm the mode of the file; a stranger may have been faster in a shared folder.
	if err := guardFile(s.path); err != nil {
		return err
	}
	var err error
	s.identity, err = os.Stat(s.path)
	return err
}

func (s *Store) disconnect() error {
	if s.writer == nil {
		return nil
	}
	return errors.Join(s.reader.Close(), s.writer.Close())
}

// connector opens connections to the file. The driver sets busy_timeout before anything else, so that not even the
// switch to WAL fails because another process is at work. mode=rw: SQLite must not make a file with the umask's mode.
func (s *Store) connector(txlock string, readOnly bool) driver.Connector {
	query := url.Values{
		"mode":             {"rw"},
		"_busy_timeout":    {fmt.Sprint(s.options.busy.Milliseconds())},
		"_txlock":          {txlock},
		"_foreign_keys":    {"on"},
		"_secure_delete":   {"on"}, // what is erased (keys, Forget) leaves no trace in free pages
		"_synchronous":     {"FULL"},
		"_stmt_cache_size": {"64"},
	}
	if readOnly {
		query.Set("_query_only", "on")
	} else {
		query.Set("_journal_mode", "WAL")
	}
	name := url.URL{Scheme: "file", Path: s.path, RawQuery: query.Encode()}
	return connector{name: name.String(), driver: &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		// SQLite folds a-z only; people search for É as well.
		if err := c.RegisterFunc("fold", strings.ToLower, true); err != nil {
			return err
		}
		if err := c.RegisterFunc("mentions", mentions, true); err != nil {
			return err
		}
		_, err := c.Exec("PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF", nil)
		return err
	}}}
}

type connector struct {
	name   string
	driver *sqlite3.SQLiteDriver
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.name) }
func (c connector) Driver() driver.Driver                        { return c.driver }

// recognise refuses an SQLite file that is not ours.
func (s *Store) recognise(ctx context.Context) error {
	var id, tables int64
	if err := s.writer.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if err := s.writer.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%'").Scan(&tables); err != nil {
		return err
	}
	if id == applicationID || id == 0 && tables == 0 {
		return nil
	}
	return &problem.Error{
		Kind: problem.Invalid, Where: "state file", Code: "foreign",
		Message: fmt.Sprintf("%s is another program's database", s.path),
		Cure:    "name Cartiger's own file with --state FILE",
	}
}

// migrate brings the schema up to date, each step in a transaction of its own together with its version, so that a
// program killed in the middle leaves the old or the new schema.
func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, s.writer, files,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	has, knows, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if has > knows {
		return &problem.Error{
			Kind: problem.Invalid, Where: "state file", Code: "newer-schema",
			Message: fmt.Sprintf("%s was written by a newer Cartiger: its schema is version %d, this program knows up to version %d", s.path, has, knows),
			Cure:    "run the newer Cartiger, or name another file with --state FILE",
		}
	}
	for ; has < knows; has++ {
		if err := s.options.fault("migrate.begin"); err != nil {
			return err
		}
		if _, err := provider.UpByOne(ctx); err != nil {
			return err
		}
		if err := s.options.fault("migrate.committed"); err != nil {
			return err
		}
	}
	return nil
}

// Check reads the whole file and says whether it is sound.
func (s *Store) Check(ctx context.Context) error {
	var verdict string
	if err := s.reader.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return s.trouble(err)
	}
	if verdict != "ok" {
		return s.trouble(sqlite3.Error{Code: sqlite3.ErrCorrupt})
	}
	return nil
}
