package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mattn/go-sqlite3"

	"cartiger/problem"
)

// trouble turns what SQLite and the file system say into a problem with its cure. Problems and the end of a context
// pass unchanged. No value of a row ever stands in an error of SQLite, so no secret does.
func (s *Store) trouble(err error) error {
	if _, known := problem.Of(err); err == nil || known || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	p := &problem.Error{Kind: problem.Internal, Where: "state file", Cause: err}
	var lite sqlite3.Error
	isLite := errors.As(err, &lite)
	switch {
	case isLite && lite.Code == sqlite3.ErrFull, says(err, lite, syscall.ENOSPC), says(err, lite, syscall.EDQUOT):
		p.Kind, p.Code = problem.Unavailable, "disk-full"
		p.Message = fmt.Sprintf("no room left for %s", s.path)
		p.Cure = fmt.Sprintf("free space on the disk of %s and start again: what was written so far is kept", filepath.Dir(s.path))
	case isLite && (lite.Code == sqlite3.ErrBusy || lite.Code == sqlite3.ErrLocked || lite.Code == sqlite3.ErrProtocol):
		p.Kind, p.Code = problem.Unavailable, "busy"
		p.Message = fmt.Sprintf("another process keeps %s locked", s.path)
		p.Cure = "try again; if it stays, end the other cartiger (or backup program) that has the file open"
	case isLite && lite.Code == sqlite3.ErrNotADB:
		p.Kind, p.Code = problem.Invalid, "not-a-database"
		p.Message = fmt.Sprintf("%s is not a state file, or its beginning is destroyed", s.path)
		p.Cure = fmt.Sprintf("name the right file with --state FILE; if it was one: mv %s aside (with -wal and -shm), then restore a backup or run `cartiger rebuild`", quote(s.path))
	case isLite && lite.Code == sqlite3.ErrCorrupt:
		p.Kind, p.Code = problem.Invalid, "corrupt"
		p.Message = fmt.Sprintf("%s is damaged", s.path)
		p.Cure = fmt.Sprintf("mv %s aside (with -wal and -shm), then restore a backup or run `cartiger rebuild`, which makes a new one from shop and CRM", quote(s.path))
	case isLite && (lite.Code == sqlite3.ErrReadonly || lite.Code == sqlite3.ErrPerm || lite.Code == sqlite3.ErrCantOpen || lite.Code == sqlite3.ErrAuth),
		errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR):
		p.Kind, p.Code = problem.Invalid, "read-only"
		p.Message = fmt.Sprintf("%s cannot be opened for writing", s.path)
		p.Cure = fmt.Sprintf("make the file and its folder writable for this user (ls -ld %s), or name another file with --state FILE", quote(filepath.Dir(s.path)))
	case isLite && lite.Code == sqlite3.ErrIoErr:
		p.Kind, p.Code = problem.Unavailable, "io"
		p.Message = fmt.Sprintf("reading or writing %s failed: %s", s.path, lite.Error())
		p.Cure = "look at the disk (dmesg), then start again: an unfinished write is looked up before it is repeated"
	case errors.Is(err, sql.ErrConnDone), strings.Contains(err.Error(), "database is closed"):
		p.Code, p.Message = "closed", "used after it was closed"
	default:
		p.Code, p.Message = "state", err.Error()
	}
	return p
}

// says tells whether the operating system's own error stands behind err.
func says(err error, lite sqlite3.Error, errno syscall.Errno) bool {
	return lite.SystemErrno == errno && lite.Code == sqlite3.ErrIoErr || errors.Is(err, errno)
}

// unique tells whether err is the violation of a unique index or primary key.
func unique(err error) bool {
	var lite sqlite3.Error
	return errors.As(err, &lite) && lite.Code == sqlite3.ErrConstraint &&
		(lite.ExtendedCode == sqlite3.ErrConstraintUnique || lite.ExtendedCode == sqlite3.ErrConstraintPrimaryKey)
}

// quote makes a path that a shell takes as one word.
func quote(path string) string {
	if strings.IndexFunc(path, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+@", r))
	}) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
