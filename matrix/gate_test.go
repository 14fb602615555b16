package matrix

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// moment is when, seen from a server, the process is killed.
type moment string

const (
	lost      moment = "lost on the way"       // the request had left, the server never handles it
	late      moment = "handled after death"   // the process was dead before the server handled it
	unheard   moment = "handled, not answered" // the server has committed, the answer never arrives
	answered  moment = "answered"              // the answer is on the wire
	overtaken moment = "handled after restart" // the server handles it while the next process is at work already
	hungUp    moment = "asked to stop"         // the process gets a signal that it may obey, and its answer
)

// trap kills the process at the nth request of a name.
type trap struct {
	name string // "create Leads", "GET orders"
	nth  int
	at   moment
	kill func()        // ends the process and waits for its death
	stop func()        // sends the process its signal
	free chan struct{} // closed to let an overtaken request go on

	signal syscall.Signal // for hungUp
}

func (t trap) String() string { return fmt.Sprintf("%s #%d %s", t.name, t.nth, t.at) }

// gate stands before a simulated server: it names and counts the requests, and springs the trap.
type gate struct {
	next http.Handler
	name func(*http.Request) string

	journal *journal

	mu      sync.Mutex
	seen    map[string]int // since the process under test was started
	trap    *trap
	sprung  bool
	onName  func(name string, done bool) // told of each request before and after it is handled
	stuck   map[string]time.Duration     // by name: the next one takes so long, with its session locked (world: slow)
	working sync.WaitGroup
}

func newGate(next http.Handler, name func(*http.Request) string, j *journal) *gate {
	return &gate{next: next, name: name, seen: map[string]int{}, journal: j}
}

// journal is the names of the requests to both servers in their order.
type journal struct {
	mu    sync.Mutex
	names []string
}

func (j *journal) note(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.names = append(j.names, name)
}

// take gives the names since the last call.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	names := j.names
	j.names = nil
	return names
}

// kinds are the names of requests in the order in which they first came, with how often.
func kinds(names []string) (order []string, n map[string]int) {
	n = map[string]int{}
	for _, name := range names {
		if n[name] == 0 {
			order = append(order, name)
		}
		n[name]++
	}
	return order, n
}

// isWrite says that a request changes the CRM.
func isWrite(name string) bool {
	op, _, _ := strings.Cut(name, " ")
	return slices.Contains([]string{"create", "update", "revise", "delete", "convertlead"}, op)
}

// isShop says that a request goes to the shop.
func isShop(name string) bool { return strings.HasPrefix(name, "GET ") }

// set begins a new life: counting starts again, with a trap or without.
func (g *gate) set(t *trap) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen, g.trap, g.sprung = map[string]int{}, t, false
}

func (g *gate) tell(f func(string, bool)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.onName = f
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := g.name(r)
	g.mu.Lock()
	g.seen[name]++
	g.journal.note(name)
	tell := g.onName
	var t *trap
	if g.trap != nil && !g.sprung && g.trap.name == name && g.trap.nth == g.seen[name] {
		g.sprung, t = true, g.trap
	}
	stuck := g.stuck[name]
	delete(g.stuck, name)
	g.working.Add(1)
	g.mu.Unlock()
	defer g.working.Done()
	if tell != nil {
		tell(name, false)
		defer tell(name, true)
	}
	// A server goes on with what it has begun when its client is gone.
	r = r.WithContext(context.WithoutCancel(r.Context()))
	switch {
	case stuck > 0:
		held, cancel := context.WithTimeout(r.Context(), stuck)
		defer cancel()
		g.next.ServeHTTP(w, r.WithContext(context.WithValue(held, heldKey{}, true)))
		return
	case t == nil:
		g.next.ServeHTTP(w, r)
		return
	}
	switch t.at {
	case hungUp:
		t.stop()
		g.next.ServeHTTP(w, r)
		return
	case lost:
		t.kill()
	case late:
		t.kill()
		g.next.ServeHTTP(httptest.NewRecorder(), r)
	case unheard:
		g.next.ServeHTTP(httptest.NewRecorder(), r)
		t.kill()
	case answered:
		g.next.ServeHTTP(w, r)
		_ = http.NewResponseController(w).Flush()
		t.kill()
		return
	case overtaken:
		// The server is at work on it, with the session locked, until the test lets it go on (see world.slow).
		held, cancel := context.WithCancel(r.Context())
		go func() {
			<-t.free
			cancel()
		}()
		go t.kill()
		g.next.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithValue(held, heldKey{}, true)))
	}
	panic(http.ErrAbortHandler)
}

// heldKey marks the one request that a slow server takes its time for.
type heldKey struct{}

// hurry makes a server with a latency answer at once: its latency ends with the request's context. Only a held request
// takes as long as the test wants.
func hurry(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(heldKey{}) == nil {
			gone, cancel := context.WithCancel(r.Context())
			cancel()
			r = r.WithContext(gone)
		}
		next.ServeHTTP(w, r)
	})
}

// shopName names a request to the shop: "GET orders".
func shopName(r *http.Request) string {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) < 2 {
		return r.Method + " api"
	}
	return r.Method + " " + parts[1]
}

var idOf = regexp.MustCompile(`"id"\s*:\s*"(\d+)x`)

// crmName names a request to the CRM: "create Leads", "revise SalesOrder", "login".
func crmName(module func(prefix string) string) func(*http.Request) string {
	return func(r *http.Request) string {
		form := r.URL.Query()
		if r.Method == http.MethodPost {
			body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
			if err != nil {
				return "unreadable"
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			if form, err = url.ParseQuery(string(body)); err != nil {
				return "unreadable"
			}
		}
		op := strings.ToLower(form.Get("operation"))
		switch op {
		case "create", "describe":
			return op + " " + form.Get("elementType")
		case "query":
			_, rest, _ := strings.Cut(strings.ToLower(form.Get("query")), " from ")
			name, _, _ := strings.Cut(rest, " ")
			return op + " " + strings.TrimSuffix(name, ";")
		case "update", "revise":
			if m := idOf.FindStringSubmatch(form.Get("element")); m != nil {
				return op + " " + module(m[1])
			}
		case "retrieve", "delete":
			prefix, _, _ := strings.Cut(form.Get("id"), "x")
			return op + " " + module(prefix)
		}
		return op
	}
}
