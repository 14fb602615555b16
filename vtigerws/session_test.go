package vtigerws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cartiger/problem"
)

// echo answers every operation with a record.
func echo(_ string, _ url.Values, w http.ResponseWriter) { fmt.Fprint(w, leadMade) }

func TestALostSessionIsReplacedAndTheCallRepeatedAlsoAWrite(t *testing.T) {
	for _, code := range []Code{InvalidSessionID, AuthenticationRequired, SessionExpired, SessionLeftIdle} {
		t.Run(string(code), func(t *testing.T) {
			refusals := 0
			crm := serve(t, "5.2.1", func(_ string, _ url.Values, w http.ResponseWriter) {
				if refusals--; refusals >= 0 {
					fmt.Fprintf(w, `{"success":false,"error":{"code":%q,"message":"x"}}`, code)
					return
				}
				fmt.Fprint(w, leadMade)
			})
			c := crm.client(t)
			if _, err := c.Login(t.Context()); err != nil {
				t.Fatal(err)
			}
			crm.ops()
			refusals = 1
			if _, err := c.Do(t.Context(), lead); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"create", "getchallenge", "login", "create"}, crm.ops()); diff != "" {
				t.Error(diff)
			}
			refusals = 100
			if _, err := c.Do(t.Context(), lead); err == nil {
				t.Fatal("a CRM that forgets every session must be a problem")
			} else if p := trouble(t, err, problem.Unavailable); !strings.Contains(p.Cure, "session.save_path") {
				t.Errorf("cure %q", p.Cure)
			}
			if n := count(crm.ops(), "create"); n != 1+renewals {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

// Two workers need two sessions: four requests, and never two challenges of one user at once.
func TestEachWorkerHasASessionOfItsOwn(t *testing.T) {
	const workers = 4
	var mu sync.Mutex
	running, most, used := map[string]int{}, 0, map[string]bool{}
	var together sync.WaitGroup
	together.Add(workers)
	crm := serve(t, "5.2.1", func(_ string, form url.Values, w http.ResponseWriter) {
		session := form.Get("sessionName")
		mu.Lock()
		running[session]++
		used[session] = true
		if running[session] > 1 {
			t.Errorf("session %s runs %d requests at once", session, running[session])
		}
		most = max(most, len(running))
		mu.Unlock()
		together.Done()
		together.Wait() // all of them are here at the same time
		mu.Lock()
		delete(running, session)
		mu.Unlock()
		fmt.Fprint(w, leadMade)
	})
	c := crm.client(t)
	c.SetWorkers(workers)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			if _, err := c.Do(t.Context(), lead); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	ops := crm.ops()
	if len(used) != workers || most != workers || count(ops, "login") != workers || count(ops, "listtypes") != 1 {
		t.Errorf("%d sessions, %d at once, %v", len(used), most, ops)
	}
	// A challenge is answered by its login before the next one is taken.
	var entering []string
	for _, op := range ops {
		if op == "getchallenge" || op == "login" {
			entering = append(entering, op)
		}
	}
	for i, op := range entering {
		if want := []string{"getchallenge", "login"}[i%2]; op != want {
			t.Fatalf("logins overlap: %v", entering)
		}
	}
}

func TestWorkersBoundHowManyRequestsRun(t *testing.T) {
	var running, most atomic.Int64
	entered, leave := make(chan struct{}, 8), make(chan struct{})
	crm := serve(t, "5.2.1", func(_ string, _ url.Values, w http.ResponseWriter) {
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		entered <- struct{}{}
		<-leave
		running.Add(-1)
		fmt.Fprint(w, leadMade)
	})
	c := crm.client(t, func(cfg *Config) { cfg.Workers = 1 })
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if _, err := c.Do(t.Context(), lead); err != nil {
				t.Error(err)
			}
		})
	}
	<-entered
	if n := most.Load(); n != 1 {
		t.Errorf("%d at once with one worker", n)
	}
	c.SetWorkers(2)
	<-entered // a second one enters while the first is still there
	close(leave)
	all.Wait()
	if n := most.Load(); n != 2 {
		t.Errorf("%d at once with two workers", n)
	}
}

func TestWaitingForAPlaceEndsWithTheContext(t *testing.T) {
	p := newPool(1)
	if _, err := p.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.take(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// stealing lets another login spoil the first so many challenges.
func stealing(t *testing.T, times int) (*Client, *[]string) {
	t.Helper()
	crm := serve(t, "5.2.1", echo)
	var log []string
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		op := r.Form.Get("operation")
		log = append(log, op)
		crm.ServeHTTP(w, r)
		if op == "getchallenge" {
			if times--; times >= 0 {
				crm.mu.Lock()
				crm.token++ // somebody else asked for a challenge
				crm.mu.Unlock()
			}
		}
	}))
	t.Cleanup(thief.Close)
	c := crm.client(t, func(cfg *Config) { cfg.URL = thief.URL + "/crm/webservice.php" })
	return c, &log
}

func TestAStolenChallengeIsTakenAnew(t *testing.T) {
	c, log := stealing(t, 2)
	if _, err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"getchallenge", "login", "getchallenge", "login", "getchallenge", "login", "listtypes"}
	if diff := cmp.Diff(want, *log); diff != "" {
		t.Error(diff)
	}
}

func TestAWrongKeyIsToldAfterAFewTries(t *testing.T) {
	crm := serve(t, "5.2.1", echo)
	c := crm.client(t, func(cfg *Config) { cfg.AccessKey = "WrongAccessKey" })
	p := trouble(t, second(c.Login(t.Context())), problem.Unauthorised)
	if p.Code != "INVALID_USER_CREDENTIALS" || !strings.Contains(p.Cure, "access key") {
		t.Errorf("%v; %s", p, p.Cure)
	}
	if n := count(crm.ops(), "login"); n != loginTries {
		t.Errorf("%d logins", n)
	}
}

func TestStepsAreReportedOneByOneUpToTheFirstFailure(t *testing.T) {
	leads := string(recorded(t, "521", "030").answer.body)
	restricted := string(recorded(t, "521", "218").answer.body)
	cases := []struct {
		name   string
		change func(*Config)
		body   string
		want   []string
		kind   problem.Kind
	}{
		{"all well", func(*Config) {}, leads, []string{"challenge ok", "login ok", "module list ok", "rights ok"}, ""},
		{"wrong URL", func(cfg *Config) { cfg.URL += "else/" }, leads, []string{"challenge failed"}, problem.Invalid},
		{"wrong key", func(cfg *Config) { cfg.AccessKey = "x" }, leads, []string{"challenge ok", "login failed"}, problem.Unauthorised},
		{"rights missing", func(*Config) {}, restricted, []string{"challenge ok", "login ok", "module list ok", "rights failed"}, problem.Unauthorised},
		{"module off", func(*Config) {}, `{"success":false,"error":{"code":"ACCESS_DENIED","message":"Permission to perform the operation is denied for name"}}`, []string{"challenge ok", "login ok", "module list ok", "rights failed"}, problem.Unauthorised},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			crm := serve(t, "5.2.1", func(_ string, _ url.Values, w http.ResponseWriter) { fmt.Fprint(w, k.body) })
			c := crm.client(t, k.change)
			var got []string
			_, err := c.Steps(t.Context(), []string{"Leads"}, func(step string, took time.Duration, err error) {
				word := "ok"
				if err != nil {
					word = "failed"
				}
				if took <= 0 {
					t.Errorf("%s took %v", step, took)
				}
				got = append(got, step+" "+word)
			})
			if problem.KindOf(err) != k.kind {
				t.Errorf("kind %q, want %q: %v", problem.KindOf(err), k.kind, err)
			}
			if diff := cmp.Diff(k.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheCallBeforeLoginLogsInByItself(t *testing.T) {
	crm := serve(t, "5.2.1", echo)
	c := crm.client(t)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			if _, err := c.Do(t.Context(), lead); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := count(crm.ops(), "listtypes"); n != 1 {
		t.Errorf("the facts were gathered %d times", n)
	}
}

func TestLogoutEndsTheIdleSessions(t *testing.T) {
	crm := serve(t, "5.2.1", echo)
	c := crm.client(t)
	if _, err := c.Do(t.Context(), lead); err != nil {
		t.Fatal(err)
	}
	crm.ops()
	for range 2 {
		if err := c.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"logout"}, crm.ops()); diff != "" {
		t.Error(diff)
	}
	if _, err := c.Do(t.Context(), lead); err != nil {
		t.Errorf("after logout: %v", err)
	}
}

func TestForgettingAsksAgain(t *testing.T) {
	crm := serve(t, "5.2.1", func(_ string, _ url.Values, w http.ResponseWriter) {
		_, _ = w.Write(recorded(t, "521", "030").answer.body)
	})
	c := crm.client(t)
	for range 2 {
		if _, err := c.Describe(t.Context(), "Leads"); err != nil {
			t.Fatal(err)
		}
	}
	c.Forget()
	if _, err := c.Describe(t.Context(), "Leads"); err != nil {
		t.Fatal(err)
	}
	if n := count(crm.ops(), "describe"); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

// After an upgrade of the CRM under our feet everything is asked anew.
func TestAnotherVersionAfterANewLoginIsNoticed(t *testing.T) {
	crm := serve(t, "5.2.1", echo)
	c := crm.client(t)
	if _, err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	crm.mu.Lock()
	crm.version = "5.4.0"
	crm.mu.Unlock()
	crm.dropSessions()
	if _, err := c.Do(t.Context(), lead); err != nil {
		t.Fatal(err)
	}
	facts, err := c.ready(t.Context())
	if err != nil || facts.Version != "5.4.0" || !facts.Dialect.RefusesBlank {
		t.Errorf("%+v, %v", facts, err)
	}
}

// A look-up after a lost answer is conclusive only once the lost write has ended: the client waits for that.
func TestALostWriteIsWaitedForInItsOwnSession(t *testing.T) {
	dies := false
	var crm *scripted
	crm = serve(t, "5.2.1", func(string, url.Values, http.ResponseWriter) {
		if dies {
			_ = crm.Listener.Close()
		}
		panic(http.ErrAbortHandler)
	})
	c := crm.client(t)
	if _, err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	crm.ops()
	p := trouble(t, second(c.Do(t.Context(), lead)), problem.Unknown)
	if p.Code != codeCut {
		t.Errorf("code %q", p.Code)
	}
	if diff := cmp.Diff([]string{"create", "listtypes"}, crm.ops()); diff != "" {
		t.Error(diff)
	}
	dies = true
	p = trouble(t, second(c.Do(t.Context(), lead)), problem.Unknown)
	if p.Code != CodeUnsettled {
		t.Errorf("a CRM that is gone cannot say that the write has ended: code %q", p.Code)
	}
}

// slow is a CRM whose create goes on, whatever becomes of its caller, until somebody else asks in its session.
func slow(t *testing.T) (crm *scripted, begun <-chan struct{}, stored *atomic.Bool) {
	t.Helper()
	started, asked := make(chan struct{}), make(chan struct{})
	stored = &atomic.Bool{}
	crm = serve(t, "5.2.1", func(_ string, _ url.Values, w http.ResponseWriter) {
		close(started)
		select {
		case <-asked:
			stored.Store(true)
		case <-crm.ctx().Done():
		}
		fmt.Fprint(w, leadMade)
	})
	lists := 0
	crm.arrived = func(op string) {
		if op == "listtypes" {
			if lists++; lists == 2 {
				close(asked)
			}
		}
	}
	return crm, started, stored
}

// A write that was given up is waited for: once Do returns, a look-up is conclusive.
func TestAWriteThatWasGivenUpHasEndedWhenDoReturns(t *testing.T) {
	crm, begun, stored := slow(t)
	c := crm.client(t)
	if _, err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	p := trouble(t, second(c.Do(ctx, lead)), problem.Unknown)
	if p.Code != codeCancelled || !stored.Load() {
		t.Errorf("code %q, stored %v", p.Code, stored.Load())
	}
}

// The same for another process that takes over: it knows the sessions of the dead one.
func TestAFenceWaitsForWhatAnotherProcessLeftRunning(t *testing.T) {
	crm, begun, stored := slow(t)
	var sessions []string
	dead := crm.client(t, func(cfg *Config) {
		cfg.Opened = func(session string) error { sessions = append(sessions, session); return nil }
	})
	if _, err := dead.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	written := make(chan error)
	go func() { written <- second(dead.Do(t.Context(), lead)) }()
	<-begun
	if err := crm.client(t).Fence(t.Context(), sessions); err != nil {
		t.Fatal(err)
	}
	if !stored.Load() {
		t.Error("the write had not ended behind the fence")
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestAForgottenSessionCountsAsEnded(t *testing.T) {
	crm := serve(t, "5.2.1", echo)
	c := crm.client(t)
	if err := c.Fence(t.Context(), []string{"long-gone", "another"}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"listtypes", "listtypes"}, crm.ops()); diff != "" {
		t.Error(diff)
	}
	crm.Server.Close()
	c.Close()
	trouble(t, c.Fence(t.Context(), []string{"long-gone"}), problem.Unavailable)
}

func TestASessionIsToldBeforeItIsUsed(t *testing.T) {
	crm := serve(t, "5.2.1", echo)
	var told []string
	c := crm.client(t, func(cfg *Config) {
		cfg.Opened = func(session string) error { told = append(told, session); return nil }
	})
	if _, err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"s1"}, told); diff != "" {
		t.Error(diff)
	}
	full := errors.New("disk full")
	c = crm.client(t, func(cfg *Config) { cfg.Opened = func(string) error { return full } })
	crm.ops()
	if _, err := c.Login(t.Context()); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{"getchallenge", "login"}, crm.ops()); diff != "" {
		t.Error(diff)
	}
}

// Neither the key, nor what it is hashed to, nor a session may appear in an error or a log line.
func TestNoSecretIsShown(t *testing.T) {
	var lines strings.Builder
	var mu sync.Mutex
	logged := slog.New(slog.NewTextHandler(writer(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return lines.Write(b)
	}), &slog.HandlerOptions{Level: slog.LevelDebug}))
	crm := serve(t, "5.2.1", func(string, url.Values, http.ResponseWriter) { panic(http.ErrAbortHandler) })
	c := crm.client(t, func(cfg *Config) { cfg.Log = logged })
	if _, err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, err := range []error{
		second(c.Do(t.Context(), lead)),
		second(c.Retrieve(t.Context(), "2x1")),
		second(c.Find(t.Context(), "Leads", "email", []string{"a@example.com"})),
	} {
		for ; err != nil; err = errors.Unwrap(err) {
			shown = append(shown, err.Error(), fmt.Sprintf("%+v", err))
		}
	}
	mu.Lock()
	shown = append(shown, lines.String())
	mu.Unlock()
	for _, text := range shown {
		for _, secret := range []string{key, "accessKey", "sessionName", "=s1", "webservice.php?"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is shown in: %s", secret, text)
			}
		}
	}
	if !strings.Contains(shown[len(shown)-1], "create Leads") {
		t.Error("the log is empty: this test proves nothing")
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func TestURLsAreTakenAsPeopleTypeThem(t *testing.T) {
	good := map[string]string{
		"https://crm.example.com":                                "https://crm.example.com/webservice.php",
		" https://crm.example.com/ ":                             "https://crm.example.com/webservice.php",
		"http://example.com:8080/vtigercrm":                      "http://example.com:8080/vtigercrm/webservice.php",
		"https://example.com/vtigercrm//":                        "https://example.com/vtigercrm/webservice.php",
		"https://example.com/crm/webservice.php":                 "https://example.com/crm/webservice.php",
		"https://example.com/crm/index.php?module=Home&action=x": "https://example.com/crm/webservice.php",
	}
	for typed, want := range good {
		c, err := New(Config{URL: typed, User: "admin", AccessKey: key})
		if err != nil || c.URL() != want {
			t.Errorf("%q: %v, %v", typed, c, err)
		}
	}
	bad := []Config{
		{URL: "", User: "u", AccessKey: "k"},
		{URL: "crm.example.com", User: "u", AccessKey: "k"},
		{URL: "ftp://example.com", User: "u", AccessKey: "k"},
		{URL: "https:///crm", User: "u", AccessKey: "k"},
		{URL: "https://u:secret@example.com", User: "u", AccessKey: "k"},
		{URL: "https://exa mple.com", User: "u", AccessKey: "k"},
		{URL: "https://example.com", User: " ", AccessKey: "k"},
		{URL: "https://example.com", User: "u", AccessKey: ""},
		{URL: "https://example.com", User: "u", AccessKey: "k", CAFile: "testdata/nothing.pem"},
		{URL: "https://example.com", User: "u", AccessKey: "k", CAFile: "testdata/521/001-getchallenge.http"},
	}
	fields := make([]string, 0, len(bad))
	for _, cfg := range bad {
		_, err := New(cfg)
		p := trouble(t, err, problem.Invalid)
		if p.Cure == "" || p.Field == "" || strings.Contains(p.Error()+p.Cure, "secret") {
			t.Errorf("%+v: %+v", cfg, p)
		}
		fields = append(fields, p.Field)
	}
	if want := []string{"URL", "URL", "URL", "URL", "URL", "URL", "user name", "access key", "CA file", "CA file"}; !slices.Equal(fields, want) {
		t.Errorf("fields %v", fields)
	}
}
