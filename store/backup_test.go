package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"cartiger/problem"
	"cartiger/store"
)

func TestARestoredBackupOpensAndSaysSo(t *testing.T) {
	old := syscall.Umask(0)
	t.Cleanup(func() { syscall.Umask(old) })
	path, clock := file(t), newClock()
	s := open(t, path, store.WithClock(clock.now))
	check(t, s.SaveSettings(t.Context(), map[string]string{"crm_key": "K"}, nil))
	ids := must[[][]int64](t)(s.Intend(t.Context(), [][]store.Intent{chain(store.Order, 1), chain(store.Order, 2)}))
	check(t, s.Complete(t.Context(), store.Completion{
		Done: []store.DoneIntent{{ID: ids[0][0], CRMID: "4x1"}}, Links: []store.Link{{Entity: store.Customer, ShopID: 1, Module: "Contacts", CRMID: "4x1"}},
	}))
	check(t, s.Acquire(t.Context(), "alice", ttl))
	if _, ok, err := s.Restored(t.Context()); ok || err != nil {
		t.Errorf("the original takes itself for a backup, %v", err)
	}
	backup := filepath.Join(t.TempDir(), "backup.db")
	check(t, s.Backup(t.Context(), backup))
	info, err := os.Stat(backup)
	check(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("the backup has mode %v", info.Mode())
	}
	if names, err := filepath.Glob(filepath.Join(filepath.Dir(backup), "*")); err != nil || len(names) != 1 {
		t.Errorf("beside the backup lie %v, %v", names, err)
	}
	want := must[[]store.Intent](t)(s.OpenIntents(t.Context()))

	restored := file(t)
	check(t, os.MkdirAll(filepath.Dir(restored), 0o700))
	check(t, os.Rename(backup, restored))
	r := open(t, restored, store.WithClock(clock.now))
	check(t, r.Check(t.Context()))
	same(t, must[[]store.Intent](t)(r.OpenIntents(t.Context())), want)
	same(t, must[map[string]string](t)(r.Settings(t.Context())), map[string]string{"crm_key": "K"})
	if links := must[[]store.Link](t)(r.AllLinks(t.Context(), store.Customer)); len(links) != 1 {
		t.Errorf("links %+v", links)
	}
	if made, ok, err := r.Restored(t.Context()); !ok || !made.Equal(clock.at) || err != nil {
		t.Errorf("restored from %v, %v, %v", made, ok, err)
	}
	check(t, r.Acquire(t.Context(), "bob", ttl)) // alice works in the original, not here
	check(t, r.Verified(t.Context()))
	if _, ok, err := r.Restored(t.Context()); ok || err != nil {
		t.Errorf("verified, yet still restored, %v", err)
	}
}

func TestABackupNeverReplacesAFile(t *testing.T) {
	path := file(t)
	s := open(t, path)
	other := filepath.Join(t.TempDir(), "letter.txt")
	check(t, os.WriteFile(other, []byte("keep me"), 0o600))
	for _, target := range []string{other, path, filepath.Dir(path)} {
		wantProblem(t, s.Backup(t.Context(), target), problem.Conflict, "exists", target)
	}
	if got := must[[]byte](t)(os.ReadFile(other)); string(got) != "keep me" {
		t.Errorf("the file holds %q", got)
	}
	if err := s.Backup(t.Context(), filepath.Join(t.TempDir(), "no", "such", "folder")); err == nil {
		t.Error("backup into a folder that is not there")
	}
	check(t, s.SetCursor(t.Context(), "orders", "1"))
}

func TestACutOffBackupLooksLikeNone(t *testing.T) {
	s := open(t, file(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	target := filepath.Join(t.TempDir(), "backup.db")
	if err := s.Backup(ctx, target); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if names, err := filepath.Glob(target + "*"); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
	check(t, s.Backup(t.Context(), target))
}

func TestABackupWhileWorkersWriteIsSound(t *testing.T) {
	s := open(t, file(t))
	var workers sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan struct{})
	workers.Go(func() {
		for id := int64(1); ctx.Err() == nil; id++ {
			c := outcome(id)
			c.Links = []store.Link{{Entity: store.Product, ShopID: id, Module: "Products", CRMID: "6x1"}}
			if err := s.Complete(t.Context(), c); err != nil {
				t.Error(err)
			}
			if id == 50 {
				close(written)
			}
		}
	})
	<-written
	target := filepath.Join(t.TempDir(), "backup.db")
	err := s.Backup(t.Context(), target)
	stop()
	workers.Wait()
	check(t, err)
	b := open(t, target)
	check(t, b.Check(t.Context()))
	links := must[map[store.Entity]map[string]int64](t)(b.CountLinks(t.Context()))[store.Product]["Products"]
	outcomes := must[map[store.Entity]store.Counts](t)(b.CountOutcomes(t.Context()))[store.Product].Created
	if links < 50 || links != outcomes {
		t.Errorf("the backup holds %d links and %d outcomes, want as many of both", links, outcomes)
	}
}
