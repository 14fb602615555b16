package matrix

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cartiger/fault"
)

var (
	crashKills = flag.Int("crash.kills", 0, "long form of the crash matrix: kill so many processes at random boundaries")
	crashSeed  = flag.Uint64("crash.seed", 1, "seed of the long form")
)

// point is where one process ends.
type point struct {
	die  string // a moment of the state file, see world.run
	crm  *trap
	shop *trap
}

func (p point) String() string {
	switch {
	case p.crm != nil:
		return "CRM " + p.crm.String()
	case p.shop != nil:
		return "shop " + p.shop.String()
	}
	return p.die
}

// at is the point at a step of the nth request of a name: a moment of the request itself, or one of the state file
// while it is answered.
func at(name string, nth int, step string) point {
	t := &trap{name: name, nth: nth, at: moment(step)}
	switch {
	case strings.Contains(step, "."):
		return point{die: fmt.Sprintf("after %s: %s#%d", name, step, nth)}
	case isShop(name):
		return point{shop: t}
	}
	return point{crm: t}
}

// die runs a process into a point; false = it came to its end without meeting it.
func (w *world) die(t testing.TB, job string, p point) bool {
	t.Helper()
	l := w.run(t, job, p.die, p.crm, p.shop)
	if !l.killed && l.err != nil {
		t.Fatalf("%s, to be killed at %s: %v %s %s", job, p, l.err, l.Error, l.stderr)
	}
	return l.killed
}

// twin is a world in which a job ran undisturbed: what it wrote and how it came there.
type twin struct {
	picture picture
	names   []string       // of its requests, in the order in which they first came
	times   map[string]int // how often each came
	moments map[string]int // of the state file
}

var twins sync.Map // version + job → func() twin

// twinOf gives the undisturbed twin of a job on a version, made once.
func twinOf(t *testing.T, version, job string) twin {
	t.Helper()
	make := sync.OnceValue(func() twin {
		w := newWorld(t, setup{version: version})
		w.prepare(t, job)
		l := w.finish(t, job)
		tw := twin{picture: w.picture(), moments: l.Moments}
		tw.names, tw.times = kinds(w.journal.take())
		if a := w.audit(); !a.clean() {
			t.Fatalf("the undisturbed twin is not right: %s", a)
		}
		return tw
	})
	made, _ := twins.LoadOrStore(version+job, make)
	return made.(func() twin)()
}

// prepare makes the beginning of a job: nothing for the exports, all exported and the shop changed for watch.
func (w *world) prepare(t testing.TB, job string) {
	t.Helper()
	if job == "watch" {
		w.follow(t)
		w.change(t)
		w.workers = "1" // one write after another: every boundary is met in its turn
	}
}

// boundaries are the points that the quick form kills at, in the order in which a run meets them. Each kind of write
// is met at one of its boundaries here and at others on the other versions: shift says which.
func boundaries(tw twin, job string, shift int) []point {
	var points []point
	if job == "exports" {
		points = append(points, point{die: "migrate.begin"}, point{die: "migrate.committed"}, point{die: "lease.committed"}, point{die: "runs.commit"})
	}
	points = append(points,
		point{crm: &trap{name: "getchallenge", nth: 1, at: lost}},
		point{crm: &trap{name: "login", nth: 1, at: unheard}},
		point{crm: &trap{name: "describe Products", nth: 1, at: answered}},
		point{die: "intend.begin#1"}, point{die: "intend.commit#1"}, point{die: "intend.committed#1"},
	)
	i := shift
	for _, name := range tw.names {
		var steps []string
		switch {
		case slices.Contains([]string{"GET customers", "GET order_details", "query contacts"}, name):
			steps = []string{string(lost), string(unheard)}
		case name == "create Currency": // its link is a setting
			steps = []string{string(lost), string(late), string(unheard), "settings.begin", "settings.committed"}
		case isWrite(name):
			steps = []string{string(lost), string(late), string(unheard), string(answered), "complete.begin", "complete.commit", "complete.committed"}
		default:
			continue
		}
		often := 1
		if *all {
			often = min(tw.times[name], 2)
		}
		for range often {
			i++
			points = append(points, at(name, 1, steps[i%len(steps)]))
		}
	}
	return append(points, point{die: "runs.commit#2"}, point{die: "lease.commit#2"})
}

// TestCrashAtEveryBoundary is the crash matrix in its quick form: one process after another is killed on its way, each
// a little further than the one before, and the last one finishes. The CRM then looks as if nobody had been killed.
func TestCrashAtEveryBoundary(t *testing.T) {
	var kills, records atomic.Int64
	var mu sync.Mutex
	var points []string
	hit := func(p string) {
		mu.Lock()
		defer mu.Unlock()
		points = append(points, p)
	}
	t.Run("worlds", func(t *testing.T) {
		for v, version := range versions {
			for j, job := range []string{"exports", "watch"} {
				t.Run(version+" "+job, func(t *testing.T) {
					t.Parallel()
					tw := twinOf(t, version, job)
					for left := boundaries(tw, job, 2*v+j); len(left) > 0; {
						w := newWorld(t, setup{version: version})
						w.prepare(t, job)
						met := w.walk(t, job, left)
						if met == 0 {
							t.Errorf("never met: %s", left[0])
							met = 1
						}
						for _, p := range left[:met] {
							hit(p.String())
						}
						left = left[met:]
						w.finish(t, job)
						a := w.same(t, tw.picture)
						w.journal.take()
						w.finish(t, job)
						if again := slices.DeleteFunc(w.journal.take(), func(n string) bool { return !isWrite(n) }); len(again) > 0 {
							t.Errorf("after the end something was left to write: %v", again)
						}
						kills.Add(int64(w.kills))
						records.Add(int64(a.records))
					}
				})
			}
		}
	})
	t.Logf("%d kills, %d records compared", kills.Load(), records.Load())
	if kills.Load() < 60 {
		t.Errorf("only %d kills", kills.Load())
	}
	for _, name := range []string{
		"create Leads", "create Contacts", "create Accounts", "create Products", "create SalesOrder", "create Potentials", "create Invoice", "create Currency",
		"revise SalesOrder", "update SalesOrder", "revise Invoice", "convertlead", "revise Leads",
	} {
		if !slices.ContainsFunc(points, func(p string) bool { return strings.Contains(p, name+" #") || strings.Contains(p, name+":") }) {
			t.Errorf("nobody was killed at %s", name)
		}
	}
}

// walk kills one process after another at the points and says how many were met. A process whose point had been passed
// already, because the one before it lived on for a moment, comes to its end.
func (w *world) walk(t testing.TB, job string, points []point) (met int) {
	t.Helper()
	for i, p := range points {
		if !w.die(t, job, p) {
			return i
		}
	}
	return len(points)
}

// TestAWriteThatOutlivesItsProcess kills the process while the CRM is still at work on its write; the next process is
// there before that write is done, and must not look too early.
func TestAWriteThatOutlivesItsProcess(t *testing.T) {
	for i, name := range []string{"create Products", "create Leads", "create SalesOrder", "create Invoice", "create Potentials", "create Accounts"} {
		version := versions[i%len(versions)]
		t.Run(name+" on "+version, func(t *testing.T) {
			t.Parallel()
			tw := twinOf(t, version, "exports")
			w := newWorld(t, setup{version: version, slow: true})
			w.overtake(t, name)
			w.same(t, tw.picture)
		})
	}
}

// overtake runs the exports until the CRM is at work on a write, kills the process there, and lets that write go on
// only when the next process waits for something, or has come to its end.
func (w *world) overtake(t *testing.T, name string) {
	t.Helper()
	free := make(chan struct{})
	if !w.die(t, "exports", point{crm: &trap{name: name, nth: 1, at: overtaken, free: free}}) {
		t.Fatal("never met")
	}
	var under, calls atomic.Int64
	w.crmGate.tell(func(_ string, done bool) {
		calls.Add(1)
		if under.Add(1); done {
			under.Add(-2)
		}
	})
	w.orphaned = true
	ended := make(chan life, 1)
	go func() { ended <- w.run(t, "exports", "", nil, nil) }()
	// It waits when a request of its own stays unanswered and nothing else moves.
	for seen, still := int64(0), 0; still < 12; time.Sleep(25 * time.Millisecond) {
		if n := calls.Load(); n != seen || under.Load() == 0 {
			seen, still = n, 0
		} else {
			still++
		}
		if len(ended) > 0 {
			break
		}
	}
	close(free)
	l := <-ended
	w.orphaned = false
	w.crmGate.tell(nil)
	w.crmGate.working.Wait()
	if l.err != nil {
		t.Fatalf("the next process: %v %s %s", l.err, l.Error, l.stderr)
	}
}

// TestCrashAtRandom is the long form: -crash.kills=2000 kills as many processes anywhere, several in a row in one
// world, with faults of the servers in between.
func TestCrashAtRandom(t *testing.T) {
	wanted := *crashKills
	if wanted == 0 {
		wanted = 12 // so that the long form itself stays in order
	}
	random := rand.New(rand.NewPCG(*crashSeed, 4711))
	var sum account
	kills, processes, faults, worlds := 0, 0, 0, 0
	began := time.Now()
	for kills < wanted {
		version, job := versions[worlds%len(versions)], []string{"exports", "watch"}[random.IntN(2)]
		tw := twinOf(t, version, job)
		w := newWorld(t, setup{version: version})
		w.prepare(t, job)
		faults += w.disturb(random)
		var lives []string
		for range 1 + random.IntN(12) {
			p := anywhere(tw, random)
			lives = append(lives, p.String())
			l := w.run(t, job, p.die, p.crm, p.shop)
			if !l.killed && l.err == nil {
				break // all done
			}
		}
		w.crm.Faults().Clear()
		w.shop.Faults().Clear()
		w.finish(t, job)
		a := w.same(t, tw.picture)
		if t.Failed() {
			t.Fatalf("world %d, %s %s, seed %d, killed at:\n%s", worlds, version, job, *crashSeed, strings.Join(lives, "\n"))
		}
		kills, processes, worlds = kills+w.kills, processes+w.processes, worlds+1
		sum.records += a.records
		if worlds%50 == 0 {
			t.Logf("%d worlds, %d kills, %s", worlds, kills, time.Since(began).Round(time.Second))
		}
	}
	t.Logf("%d kills, %d faults, %d processes, %d worlds, %d records compared, 0 duplicates, 0 lost, seed %d, %s",
		kills, faults, processes, worlds, sum.records, *crashSeed, time.Since(began).Round(time.Second))
}

// disturb puts up to two faults in force that strike once each.
func (w *world) disturb(random *rand.Rand) (n int) {
	if random.IntN(3) > 0 {
		return 0
	}
	kinds := []fault.Kind{fault.Lost, fault.Reset, fault.Empty500, fault.Empty200, fault.Truncated, fault.HTML, fault.Notice, fault.BOM, fault.NoSession, fault.TokenTaken}
	for range 1 + random.IntN(2) {
		rule := fault.Rule{Kind: kinds[random.IntN(len(kinds))], Nth: 1 + random.IntN(60), RetryAfter: -1}
		w.crm.Faults().Add(rule)
		n++
	}
	return n
}

// anywhere is a point taken at random: mostly at a write, sometimes at any request or any moment of the state file.
func anywhere(tw twin, random *rand.Rand) point {
	steps := []string{string(lost), string(late), string(unheard), string(answered)}
	step := steps[random.IntN(len(steps))]
	pick := func(wanted func(string) bool) (string, int) {
		names := slices.DeleteFunc(slices.Clone(tw.names), func(n string) bool { return !wanted(n) })
		name := names[random.IntN(len(names))]
		return name, 1 + random.IntN(tw.times[name])
	}
	switch random.IntN(10) {
	case 0:
		name, nth := pick(isShop)
		return at(name, nth, step)
	case 1:
		name, nth := pick(func(n string) bool { return !isShop(n) && !isWrite(n) })
		return at(name, nth, step)
	case 2, 3:
		names := slices.Sorted(maps.Keys(tw.moments))
		name := names[random.IntN(len(names))]
		return point{die: fmt.Sprintf("%s#%d", name, 1+random.IntN(tw.moments[name]))}
	case 4, 5:
		step = "complete." + []string{"begin", "commit", "committed"}[random.IntN(3)]
	}
	name, nth := pick(isWrite)
	return at(name, nth, step)
}
