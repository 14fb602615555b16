package store_test

import (
	"fmt"
	"testing"

	"cartiger/store"
)

func messages(t *testing.T, s *store.Store, f store.Filter) (found []string) {
	t.Helper()
	for _, e := range must[[]store.Entry](t)(s.Entries(t.Context(), f)) {
		found = append(found, e.Message)
	}
	return found
}

func TestTheLogIsReadFromEitherEnd(t *testing.T) {
	path, clock := file(t), newClock()
	s := open(t, path, store.WithClock(clock.now))
	check(t, s.Log(t.Context(),
		store.Entry{Level: "info", Message: "one", Run: 1, Entity: store.Order, ShopID: 812, Label: "ÉTÉ", State: store.Created},
		store.Entry{Level: "warning", Message: "two", Run: 1},
		store.Entry{Level: "error", Message: "three", Run: 2, Entity: store.Customer, ShopID: 3, State: store.Failed},
		store.Entry{Level: "info", Message: "four", Run: 2},
	))
	all := must[[]store.Entry](t)(open(t, path).Entries(t.Context(), store.Filter{}))
	same(t, all[3], store.Entry{ID: 1, At: clock.at, Level: "info", Message: "one", Run: 1, Entity: store.Order, ShopID: 812, Label: "ÉTÉ", State: store.Created})
	for name, c := range map[string]struct {
		filter store.Filter
		want   []string
	}{
		"newest first":       {store.Filter{}, []string{"four", "three", "two", "one"}},
		"the last two":       {store.Filter{Limit: 2}, []string{"four", "three"}},
		"following":          {store.Filter{After: 2}, []string{"three", "four"}},
		"from the beginning": {store.Filter{After: -1, Limit: 3}, []string{"one", "two", "three"}},
		"nothing new":        {store.Filter{After: 4}, nil},
		"info and worse":     {store.Filter{Level: "info"}, []string{"four", "three", "two", "one"}},
		"warnings and worse": {store.Filter{Level: "warning"}, []string{"three", "two"}},
		"errors":             {store.Filter{Level: "error"}, []string{"three"}},
		"of a run":           {store.Filter{Run: 1}, []string{"two", "one"}},
		"of a record":        {store.Filter{Entity: store.Order, ShopID: 812}, []string{"one"}},
		"of a state":         {store.Filter{States: []store.State{store.Failed}}, []string{"three"}},
		"text in label":      {store.Filter{Text: "été"}, []string{"one"}},
		"text in message":    {store.Filter{Text: "TW"}, []string{"two"}},
	} {
		t.Run(name, func(t *testing.T) { same(t, messages(t, s, c.filter), c.want) })
	}
}

func TestTheLogStaysBounded(t *testing.T) {
	const bound, slack = 100, 256
	s := open(t, file(t), store.WithLogBound(bound))
	for i := range 40 {
		entries := make([]store.Entry, 25)
		for j := range entries {
			entries[j] = store.Entry{Level: "info", Message: fmt.Sprint(i*25 + j)}
		}
		check(t, s.Complete(t.Context(), store.Completion{Entries: entries}))
		if n := must[int64](t)(s.Number("SELECT count(*) FROM log")); n > bound+slack {
			t.Fatalf("%d entries with a bound of %d", n, bound)
		}
	}
	same(t, messages(t, s, store.Filter{Limit: 2}), []string{"999", "998"})
}
