package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"cartiger/problem"
)

// realPath makes the path absolute and follows symbolic links, because SQLite puts its side files beside the real file.
func realPath(path string) (string, error) {
	if path == "" {
		return DefaultPath()
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return path, err
	}
	switch real, err := filepath.EvalSymlinks(path); {
	case err == nil:
		return real, nil
	case errors.Is(err, fs.ErrNotExist):
		return path, nil
	default:
		return path, err
	}
}

// guardFolder makes the folder (0700) where it is missing, refuses one in which others could swap the file, and
// locks it against other processes that open a state file in it, until the returned function is called.
func guardFolder(ctx context.Context, folder string) (unlock func(), err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(folder)
	if err != nil {
		return nil, err
	}
	switch mode := info.Mode(); {
	case owner(info) != os.Geteuid() && owner(info) != 0:
		return nil, &problem.Error{
			Kind: problem.Invalid, Where: "state file", Code: "owner",
			Message: fmt.Sprintf("the folder %s belongs to user %d, who can replace files in it; Cartiger runs as user %d", folder, owner(info), os.Geteuid()),
			Cure:    "run Cartiger as the folder's owner, or name another file with --state FILE",
		}
	case mode.Perm()&0o022 != 0 && mode&fs.ModeSticky == 0:
		return nil, &problem.Error{
			Kind: problem.Invalid, Where: "state file", Code: "permissions",
			Message: fmt.Sprintf("other users can replace files in the folder %s (mode %04o)", folder, mode.Perm()),
			Cure:    fmt.Sprintf("chmod 700 %s", quote(folder)),
		}
	case mode.Perm()&0o300 != 0o300 && owner(info) == os.Geteuid():
		return nil, &problem.Error{
			Kind: problem.Invalid, Where: "state file", Code: "read-only",
			Message: fmt.Sprintf("nothing can be written in the folder %s (mode %04o)", folder, mode.Perm()),
			Cure:    fmt.Sprintf("chmod 700 %s", quote(folder)),
		}
	}
	dir, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	// The lock lies on the folder, not on the file: closing any descriptor of the file would drop SQLite's own locks
	// on it in the whole process. Asking again and again, because a waiting flock cannot be called off.
	for tries := 0; ; tries++ {
		err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = dir.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) || tries == 1500 {
			_ = dir.Close()
			return nil, &problem.Error{
				Kind: problem.Unavailable, Where: "state file", Code: "busy", Cause: err,
				Message: fmt.Sprintf("the folder %s stays locked by another process", folder),
				Cure:    "wait until the other cartiger has started, or end it",
			}
		}
		select {
		case <-ctx.Done():
			_ = dir.Close()
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// guardFile makes the file (0600) where it is missing and refuses it, or one of SQLite's side files, when anybody
// but the owner could read it: it holds the shop's and the CRM's keys.
func guardFile(path string) error {
	for _, name := range []string{path, path + "-wal", path + "-shm", path + "-journal"} {
		info, err := os.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && name == path:
			file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
			if err != nil {
				return err
			}
			if err := file.Close(); err != nil {
				return err
			}
			continue
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		}
		trouble := problem.Error{Kind: problem.Invalid, Where: "state file"}
		switch mode := info.Mode(); {
		case !mode.IsRegular():
			trouble.Code = "not-a-file"
			trouble.Message = fmt.Sprintf("%s is not a plain file", name)
			trouble.Cure = "name a file with --state FILE"
		case owner(info) != os.Geteuid():
			trouble.Code = "owner"
			trouble.Message = fmt.Sprintf("%s belongs to user %d, Cartiger runs as user %d", name, owner(info), os.Geteuid())
			trouble.Cure = fmt.Sprintf("run Cartiger as the file's owner, or: chown %d %s", os.Geteuid(), quote(name))
		case mode.Perm()&0o077 != 0:
			trouble.Code = "permissions"
			trouble.Message = fmt.Sprintf("other users can read or change %s (mode %04o), and it holds keys", name, mode.Perm())
			trouble.Cure = fmt.Sprintf("chmod 600 %s (and change the keys if somebody may have read them)", quote(name))
		case mode.Perm()&0o600 != 0o600:
			trouble.Code = "read-only"
			trouble.Message = fmt.Sprintf("%s cannot be written (mode %04o)", name, mode.Perm())
			trouble.Cure = fmt.Sprintf("chmod 600 %s", quote(name))
		default:
			continue
		}
		return &trouble
	}
	return nil
}

func owner(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}
