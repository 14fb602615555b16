package engine_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cartiger/engine"
	"cartiger/fault"
	"cartiger/problem"
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
	// spy is told of every request before it is served and after; it says whether the line is cut there.
	spy func(r *http.Request, answered bool) (cut bool)
}

var errCut = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

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
			answer, err = nil, errCut
		}
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
		}
		if l.tell(r, true) {
			answer, err = nil, errCut
		}
	}()
	if l.tell(r, false) {
		return nil, errCut
	}
	written := httptest.NewRecorder()
	l.server.ServeHTTP(written, arrived)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	answer = written.Result()
	answer.Request = r
	return answer, nil
}

func (l *shortcut) tell(r *http.Request, answered bool) (cut bool) {
	l.mu.Lock()
	spy := l.spy
	l.mu.Unlock()
	return spy != nil && spy(r, answered)
}

// cut lets a function look at every request and cut the line.
func (l *shortcut) cut(spy func(r *http.Request, answered bool) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spy = spy
}

// goesAway cuts the line at the answer to the nth request from now on, and every request for so long after it. It gives
// a function that says whether it came to that.
func (l *shortcut) goesAway(nth int, long time.Duration) (down func() bool) {
	var back time.Time
	l.cut(func(_ *http.Request, answered bool) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		if answered && back.IsZero() {
			if nth--; nth == 0 {
				back = time.Now().Add(long)
			}
		}
		return time.Now().Before(back)
	})
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return !back.IsZero()
	}
}

// watch lets a function look at every request.
func (l *shortcut) watch(spy func(r *http.Request, answered bool)) {
	l.cut(func(r *http.Request, answered bool) bool {
		spy(r, answered)
		return false
	})
}

// town is a world whose servers are a function call away, for tests on a clock of their own.
type town struct {
	*world
	toShop, toCRM *shortcut
	path          string // of the state file
}

// Without data of its own the shop is the small one.
func newTown(t *testing.T, shopOptions psapitest.Options, crmOptions vtigerwstest.Options) *town {
	t.Helper()
	if shopOptions.Data == nil {
		shopOptions.Data = partShop()
	}
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
	w := &town{world: &world{shop: shop, crm: crm}, toShop: &shortcut{server: shop}, toCRM: &shortcut{server: crm}, path: filepath.Join(t.TempDir(), "cartiger", "state.db")}
	w.open(t, w.path)
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
	w.Engine = engine.New(st, engine.Options{
		Who: "test",
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

// usual is an order that one of the shop's customers places: lines of one tax rate in the shop's own currency.
func (w *town) usual(state int64) psapitest.Action {
	o := w.shop.Records("orders")[0]
	return psapitest.Action{Do: "order", Customer: number(o["id_customer"]), Template: number(o["id"]), State: state}
}

// strangers are customers of the shop who are in no CRM yet, one for each e-mail.
func (w *town) strangers(t *testing.T, n int) []map[string]string {
	t.Helper()
	var out []map[string]string
	seen := map[string]bool{}
	for _, c := range w.shop.Records("customers") {
		if key := engine.Fold(c["email"]); len(out) < n && c["deleted"] == "0" && !seen[key] && key != "" {
			seen[key] = true
			out = append(out, c)
		}
	}
	if len(out) < n {
		t.Fatalf("the data has only %d strangers", len(out))
	}
	return out
}

// met fails unless each of the customers is a Lead or a Contact, and once.
func (w *town) met(t *testing.T, customers []map[string]string) {
	t.Helper()
	there := map[string]int{}
	for _, module := range []string{"Leads", "Contacts"} {
		for _, r := range w.crm.Records(module) {
			there[engine.Fold(r["email"].(string))]++
		}
	}
	for i, c := range customers {
		if n := there[engine.Fold(c["email"])]; n != 1 {
			t.Errorf("login %d: customer %s (%s) is in the CRM %d times", i, c["id"], c["email"], n)
		}
	}
}

// setZone moves the shop to a time zone.
func (w *town) setZone(t *testing.T, zone string) {
	t.Helper()
	for _, c := range w.shop.Records("configurations") {
		if c["name"] == "PS_TIMEZONE" {
			w.shop.Set("configurations", number(c["id"]), "value", zone)
			return
		}
	}
	t.Fatal("the data has no PS_TIMEZONE")
}

// tries makes a pass that may fail because the shop is broken.
func (w *town) tries(t *testing.T) {
	t.Helper()
	if err := w.Watch(t.Context(), engine.WatchOptions{Once: true}); err != nil && !problem.Temporary(err) {
		t.Fatal(err)
	}
}

// passing makes a pass every minute for as long as asked.
func (w *town) passing(t *testing.T, long time.Duration) {
	t.Helper()
	for until := time.Now().Add(long); time.Now().Before(until); time.Sleep(interval) {
		w.pass(t)
	}
}

// logins lets strangers log in one after another, which only the date of their carts shows, and watches them.
func (w *town) logins(t *testing.T, customers []map[string]string, every time.Duration, happens func(i int)) {
	t.Helper()
	w.pass(t)
	began, last, passes := time.Now(), time.Now(), 0
	for i := 0; i < len(customers); time.Sleep(time.Second) {
		if time.Since(began) >= time.Duration(i+1)*every {
			if happens != nil {
				happens(i)
			}
			w.act(t, psapitest.Action{Do: "login", Customer: number(customers[i]["id"])})
			i++
		}
		if time.Since(last) >= every*3/4 {
			w.pass(t)
			last = time.Now()
			passes++
		}
	}
	w.passing(t, 2*interval)
	w.met(t, customers)
	// No loop: what is read again and again would show in the requests.
	if most := 8*(passes+8) + 8*len(customers); w.shop.Stats().Total > most {
		t.Errorf("%d shop requests in %d passes with %d logins: %v", w.shop.Stats().Total, passes, len(customers), w.shop.Stats())
	}
}

func TestNobodyIsMissedInTheNightsOfTheClockChange(t *testing.T) {
	for _, c := range []struct {
		zone   string
		change time.Time // in UTC
	}{
		{"Europe/Paris", time.Date(2027, 3, 28, 1, 0, 0, 0, time.UTC)},
		{"Europe/Paris", time.Date(2027, 10, 31, 1, 0, 0, 0, time.UTC)},
		{"America/New_York", time.Date(2027, 3, 14, 7, 0, 0, 0, time.UTC)},
		{"America/New_York", time.Date(2027, 11, 7, 6, 0, 0, 0, time.UTC)},
		{"America/Los_Angeles", time.Date(2027, 11, 7, 9, 0, 0, 0, time.UTC)},
		{"Australia/Lord_Howe", time.Date(2027, 4, 3, 15, 0, 0, 0, time.UTC)}, // goes back by half an hour
	} {
		t.Run(c.zone+c.change.Format(" January"), func(t *testing.T) {
			clocked(t, c.change.Add(-90*time.Minute), func(t *testing.T) {
				w := newTown(t, psapitest.Options{}, vtigerwstest.Options{})
				w.setZone(t, c.zone)
				w.logins(t, w.strangers(t, 36), 367*time.Second, nil)
			})
		})
	}
}

func TestNobodyIsMissedWhenTheWatchSleptThroughTheClockChange(t *testing.T) {
	change := time.Date(2027, 10, 31, 1, 0, 0, 0, time.UTC)
	clocked(t, change.Add(-40*time.Minute), func(t *testing.T) {
		w := newTown(t, psapitest.Options{}, vtigerwstest.Options{})
		w.pass(t)
		customers := w.strangers(t, 20)
		for _, c := range customers {
			w.act(t, psapitest.Action{Do: "login", Customer: number(c["id"])})
			time.Sleep(5 * time.Minute)
		}
		w.pass(t)
		w.met(t, customers)
	})
}

func TestNobodyIsMissedWhenSomebodySetsTheShopsClock(t *testing.T) {
	clocked(t, today, func(t *testing.T) {
		var wrong atomic.Int64
		shopClock := func() time.Time { return time.Now().Add(time.Duration(wrong.Load())) }
		w := newTown(t, psapitest.Options{Now: shopClock}, vtigerwstest.Options{Now: shopClock})
		w.logins(t, w.strangers(t, 70), 23*time.Second, func(i int) {
			switch i {
			case 10, 40:
				wrong.Store(-int64(7 * time.Minute))
			case 20:
				wrong.Store(0)
			case 30:
				wrong.Store(int64(7 * time.Minute))
			case 50:
				wrong.Store(-int64(13 * time.Hour))
			case 60:
				wrong.Store(0)
			}
		})
	})
}

func TestAShopThatMovesToAnotherTimeZoneLosesNobodyForLongerThanAnHour(t *testing.T) {
	clocked(t, today, func(t *testing.T) {
		w := newTown(t, psapitest.Options{}, vtigerwstest.Options{})
		w.logins(t, w.strangers(t, 50), 4*time.Minute, func(i int) {
			if i == 20 {
				w.setZone(t, "America/New_York")
			}
		})
	})
}

func TestAnSQLErrorThatLooksLikeNothingNewLosesNobody(t *testing.T) {
	for _, resource := range []string{"carts", "orders", "order_histories", "stock_movements", "customers", "order_details", "addresses", "configurations"} {
		t.Run(resource, func(t *testing.T) {
			clocked(t, today, func(t *testing.T) {
				w := newTown(t, psapitest.Options{}, vtigerwstest.Options{})
				w.pass(t)
				var orders []int64
				customers := w.strangers(t, 40)
				for i, c := range customers {
					switch i { // the table breaks, flickers and heals
					case 5:
						w.shop.Faults().Add(fault.Rule{Kind: fault.SQLEmpty, Op: resource})
					case 15:
						w.shop.Faults().Clear()
						w.shop.Faults().Add(fault.Rule{Kind: fault.SQLEmpty, Op: resource, P: 0.2, Seed: 5})
					case 35:
						w.shop.Faults().Clear()
					}
					w.act(t, psapitest.Action{Do: "login", Customer: number(c["id"])})
					if i%3 == 0 {
						orders = append(orders, w.act(t, psapitest.Action{Do: "order", Guest: true, Email: fmt.Sprintf("guest%d@example.test", i), FirstName: "A", LastName: "Guest", State: 1}).Order)
					}
					if i%3 == 1 {
						w.act(t, psapitest.Action{Do: "state", Order: orders[len(orders)-1], State: 2})
					}
					w.tries(t)
					time.Sleep(interval)
				}
				w.passing(t, 3*interval)
				w.met(t, customers)
				w.placed(t, orders)
				for _, r := range w.crm.Records("SalesOrder") {
					if r["sostatus"] != "Approved" && r["customerno"] != engine.OrderKey(orders[len(orders)-1]) {
						t.Errorf("%v is %v", r["customerno"], r["sostatus"])
					}
					if r["contact_id"] == "" || r["bill_street"] == "" || len(r["lines"].([]vtigerwstest.Record)) == 0 {
						t.Errorf("%v was written without its customer, address or lines: %v", r["customerno"], r)
					}
				}
			})
		})
	}
}

// The first look of a slow shop takes its time; what happens meanwhile is new.
func TestAnOrderThatIsPlacedWhileFollowingBeginsIsNotMissed(t *testing.T) {
	for range 8 { // the marks are taken in any order
		clocked(t, today, func(t *testing.T) {
			w := newTown(t, psapitest.Options{}, vtigerwstest.Options{})
			var placed atomic.Int64
			w.toShop.watch(func(r *http.Request, answered bool) {
				if answered && strings.HasSuffix(r.URL.Path, "/orders") && placed.CompareAndSwap(0, 1) {
					time.Sleep(time.Second)
					done, err := w.shop.Act(w.usual(1))
					if err != nil {
						t.Error(err)
					}
					placed.Store(done.Order)
					time.Sleep(5 * time.Second)
				}
			})
			w.pass(t)
			w.passing(t, 2*interval)
			w.ordered(t, engine.OrderKey(placed.Load()))
		})
	}
}
