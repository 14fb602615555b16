package store_test

import (
	"context"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"cartiger/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a state file that closes with the test.
func open(t testing.TB, path string, opts ...store.Option) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "cartiger", "state.db") }

func TestSettingsAreKept(t *testing.T) {
	path := file(t)
	s := open(t, path)
	if err := s.SaveSettings(t.Context(), map[string]string{"a": "1", "b": "2"}, nil); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, path).Settings(t.Context())
	if err != nil || got["a"] != "1" || got["b"] != "2" {
		t.Fatalf("settings %v, %v", got, err)
	}
}
