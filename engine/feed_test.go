package engine_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cartiger/engine"
	"cartiger/psapi"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws"
	"cartiger/vtigerws/vtigerwstest"
)

// today is when the tests of time begin, in UTC: after every row of the shop's data.
var today = time.Date(2027, 3, 3, 9, 0, 0, 0, time.UTC)

// clocked runs a test on a clock of its own that jumps over every pause: hours of watching take moments.
func clocked(t *testing.T, at time.Time, test func(*testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(at))
		test(t)
	})
}

// shortcut is a network that is one function call long. It breaks where the server aborts, as a connection does.
type shortcut struct {
	server http.Handler
	mu     sync.Mutex
	// spy is told of every request before it is served and after.
	spy func(r *http.Request, answered bool)
}

func (l *shortcut) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	arrived := r.Clone(r.Context())
	arrived.RequestURI, arrived.RemoteAddr, arrived.Host = r.URL.RequestURI(), "127.0.0.1:1", r.URL.Host
	if arrived.Body == nil {
		arrived.Body = http.NoBody
	}
	defer func() {
		if broken := recover(); broken != nil {
			if broken != http.ErrAbortHandler {
				panic(broken)
			}
			answer, err = nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
		}
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
		}
		l.tell(r, true)
	}()
	l.tell(r, false)
	written := httptest.NewRecorder()
	l.server.ServeHTTP(written, arrived)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	answer = written.Result()
	answer.Request = r
	return answer, nil
}

func (l *shortcut) tell(r *http.Request, answered bool) {
	l.mu.Lock()
	spy := l.spy
	l.mu.Unlock()
	if spy != nil {
		spy(r, answered)
	}
}

func (l *shortcut) watch(spy func(r *http.Request, answered bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spy = spy
}

// town is a world whose servers are a function call away, for tests on a clock of their own.
type town struct {
	*world
	toShop, toCRM *shortcut
}

func newTown(t *testing.T, shopOptions psapitest.Options, crmOptions vtigerwstest.Options) *town {
	t.Helper()
	shop, err := psapitest.New(shopOptions)
	if err != nil {
		t.Fatal(err)
	}
	return townOf(t, shop, crmOptions)
}

// townOf gives a shop a new CRM and a new engine.
func townOf(t *testing.T, shop *psapitest.Shop, crmOptions vtigerwstest.Options) *town {
	t.Helper()
	crm, err := vtigerwstest.New(crmOptions)
	if err != nil {
		t.Fatal(err)
	}
	w := &town{world: &world{shop: shop, crm: crm}, toShop: &shortcut{server: shop}, toCRM: &shortcut{server: crm}}
	w.open(t, filepath.Join(t.TempDir(), "cartiger", "state.db"))
	err = w.Save(t.Context(), map[string]string{
		engine.ShopURL: "http://shop.test/", engine.ShopKey: psapitest.DefaultKey,
		engine.CRMURL: "http://crm.test/", engine.CRMUser: "admin", engine.CRMKey: "TestAccessKey",
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// open starts a process on a state file.
func (w *town) open(t *testing.T, path string, options ...store.Option) {
	t.Helper()
	st, err := store.Open(t.Context(), path, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	w.store = st
	w.Engine = engine.New(st, engine.Options{Who: "test",
		DialShop: func(s engine.Settings) (engine.Shop, error) {
			return psapi.New(psapi.Config{URL: s.Get(engine.ShopURL), Key: s.Get(engine.ShopKey), Transport: w.toShop})
		},
		DialCRM: func(s engine.Settings, opened func(string) error) (engine.CRM, error) {
			return vtigerws.New(vtigerws.Config{URL: s.Get(engine.CRMURL), User: s.Get(engine.CRMUser), AccessKey: s.Get(engine.CRMKey), Transport: w.toCRM, Opened: opened})
		},
	})
}

// follow watches until the end of the test or of the function it gives.
func (w *town) follow(t *testing.T, o engine.WatchOptions) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Watch(ctx, o) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("watch ended: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}
