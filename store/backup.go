package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"cartiger/problem"
)

// Backup writes a sound copy of the state file (0600) while others go on working with it. The copy holds the keys
// too. It carries the mark that Restored reads. An existing file is never replaced.
//
// To restore one: end every Cartiger, remove state.db, state.db-wal and state.db-shm, copy the backup to state.db.
func (s *Store) Backup(ctx context.Context, path string) (err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return s.trouble(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return s.backupTrouble(path, err)
		}
		return &problem.Error{
			Kind: problem.Conflict, Where: "backup", Code: "exists", Message: fmt.Sprintf("%s exists already", path),
			Cure: "name a new file, for example with the date in its name",
		}
	}
	// Under another name until it is whole: a backup that was cut off must not look like one. CreateTemp makes it 0600.
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return s.backupTrouble(path, err)
	}
	part := file.Name()
	defer func() {
		if err != nil {
			_ = os.Remove(part)
		}
	}()
	if err := file.Close(); err != nil {
		return s.backupTrouble(path, err)
	}
	if err := s.copyTo(ctx, part); err != nil {
		return s.backupTrouble(path, err)
	}
	if err := s.markBackup(ctx, part); err != nil {
		return s.backupTrouble(path, err)
	}
	if err := os.Rename(part, path); err != nil {
		return s.backupTrouble(path, err)
	}
	return s.backupTrouble(path, syncFolder(filepath.Dir(path)))
}

// copyTo has a connection of its own: the readers may not write anywhere, and the writer must not wait for a copy.
func (s *Store) copyTo(ctx context.Context, part string) (err error) {
	db := sql.OpenDB(s.connector("deferred", false))
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", part)
	return err
}

// backupTrouble is trouble about the copy, unless the state file itself cannot be read.
func (s *Store) backupTrouble(path string, err error) error {
	if p, ok := problem.Of(s.trouble(err)); ok {
		switch p.Code {
		case "corrupt", "not-a-database", "busy", "closed":
			return p
		}
	}
	err = (&Store{path: path}).trouble(err)
	if p, ok := problem.Of(err); ok && p.Code == "read-only" {
		p.Where, p.Cure = "backup", fmt.Sprintf("name a file in a folder that exists and is writable for this user (ls -ld %s)", quote(filepath.Dir(path)))
	}
	return err
}

// markBackup writes when the copy was made, and takes the lease out of it: nobody is at work in a copy.
func (s *Store) markBackup(ctx context.Context, part string) (err error) {
	copied := &Store{path: part, options: s.options}
	db := sql.OpenDB(copied.connector("immediate", true))
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for _, statement := range []string{
		"PRAGMA query_only = OFF", "BEGIN IMMEDIATE", "DELETE FROM lease",
		"INSERT INTO facts (name, value) VALUES ('backup', '" + strconv.FormatInt(s.now().UnixMilli(), 10) + "') ON CONFLICT DO UPDATE SET value = excluded.value",
		"COMMIT",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func syncFolder(folder string) error {
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Restored says that this file is a backup put in the place of the original, and when it was made. Shop and CRM have
// gone on since, so every record after it is looked up by its key before it is created. Verified ends that state.
func (s *Store) Restored(ctx context.Context) (made time.Time, ok bool, err error) {
	value, ok, err := readOne(ctx, s, func(rows *sql.Rows, value *string) error { return rows.Scan(value) }, "SELECT value FROM facts WHERE name = 'backup'")
	if err != nil || !ok {
		return time.Time{}, false, err
	}
	ms, err := strconv.ParseInt(value, 10, 64)
	return time.UnixMilli(ms).UTC(), true, s.trouble(err)
}

// Verified says that the links of a restored file have been compared with the CRM.
func (s *Store) Verified(ctx context.Context) error {
	return s.exec(ctx, "facts", full, "DELETE FROM facts WHERE name = 'backup'")
}
