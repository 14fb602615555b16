package matrix

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"cartiger/engine"
	"cartiger/fault"
	"cartiger/psapi/psapitest"
)

var soakMinutes = flag.Float64("soak.minutes", 0, "long form of the soak: on each version the real program follows a busy shop for so long, one answer in ten spoilt")

// sample is what a process holds of the machine at a moment.
type sample struct{ kilobytes, files int }

// look reads a process's memory and open files from /proc.
func look(pid int) (s sample, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(string(status)) {
		if name, rest, _ := strings.Cut(line, ":"); name == "VmRSS" {
			s.kilobytes = int(number(strings.Fields(rest)[0]))
		}
	}
	files, err := os.ReadDir(filepath.Join("/proc", fmt.Sprint(pid), "fd"))
	s.files = len(files)
	return s, err
}

// TestWatchUnderStress lets the real program follow a shop in which something happens all the time while one answer in
// ten is spoilt. At the end nothing is missing or twice, and the process has not grown.
func TestWatchUnderStress(t *testing.T) {
	took := 3 * time.Second
	if *soakMinutes > 0 {
		took = time.Duration(*soakMinutes * float64(time.Minute))
	}
	for i, version := range versions {
		if *soakMinutes == 0 && i > 0 {
			break
		}
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			soak(t, version, took)
		})
	}
}

func soak(t *testing.T, version string, took time.Duration) {
	random := rand.New(rand.NewPCG(uint64(took), 99))
	w := newWorld(t, setup{version: version})
	w.follow(t)
	for _, kind := range []fault.Kind{fault.Lost, fault.Reset, fault.Empty500, fault.HTML, fault.Truncated, fault.Notice, fault.NoSession, fault.TooMany, fault.BOM} {
		w.crm.Faults().Add(fault.Rule{Kind: kind, P: 0.1 / 9, Seed: random.Uint64(), RetryAfter: -1})
		w.shop.Faults().Add(fault.Rule{Kind: kind, P: 0.1 / 9, Seed: random.Uint64(), RetryAfter: -1})
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), connection(w.shopURL, w.crmURL)...), envJob+"=cartiger watch --interval 1s", envState+"="+w.state)
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var samples []sample
	changes, next := 0, time.Now()
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(took); time.Now().Before(end); <-tick.C {
		if w.happens(random) {
			changes++
		}
		if time.Now().After(next) {
			next = time.Now().Add(min(5*time.Second, took/8))
			s, err := look(cmd.Process.Pid)
			if err != nil {
				t.Fatalf("watch has ended: %v %s", err, errs.String())
			}
			samples = append(samples, s)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || err.Error() != "exit status 143" {
		t.Errorf("watch ended with %v: %s", err, errs.String())
	}
	shop, crm := w.shop.Stats().Total, w.crm.Stats().Total
	w.mend()
	e := w.here(t)
	for range 2 {
		w.settle(t, e, "watch")
	}
	a := w.audit()
	w.auditStatuses(&a)
	if !a.clean() {
		t.Errorf("shop and CRM disagree: %s", a)
	}
	// Flat: the last third holds hardly more than the second one.
	third := len(samples) / 3
	middle, last := peak(samples[third:2*third]), peak(samples[2*third:])
	if *soakMinutes > 0 && (last.files > middle.files+8 || last.kilobytes > middle.kilobytes*3/2) {
		t.Errorf("the process grows: from %+v to %+v", middle, last)
	}
	t.Logf("vtiger %s, %s: %d changes in the shop, %d shop and %d CRM requests, a tenth of them spoilt; %d records compared, %d duplicates, %d lost, %d wrong; at most %d kB and %d open files in the second third, %d kB and %d in the last",
		version, took.Round(time.Second), changes, shop, crm, a.records, len(a.duplicates), len(a.lost), len(a.wrong), middle.kilobytes, middle.files, last.kilobytes, last.files)
}

func peak(samples []sample) (most sample) {
	for _, s := range samples {
		most.kilobytes, most.files = max(most.kilobytes, s.kilobytes), max(most.files, s.files)
	}
	return most
}

// happens lets one thing happen in the shop; false = it was not possible at the moment.
func (w *world) happens(random *rand.Rand) bool {
	pick := func(resource string) int64 {
		rows := w.shop.Records(resource)
		return number(rows[random.IntN(len(rows))]["id"])
	}
	a := psapitest.Action{}
	switch n := random.Uint32(); random.IntN(9) {
	case 0, 1:
		a = psapitest.Action{Do: "register", Email: fmt.Sprintf("someone%d@example.test", n), FirstName: "Some", LastName: fmt.Sprintf("One%c", 'A'+rune(n%26)), Company: []string{"", "", fmt.Sprintf("Firm %d", n%50)}[n%3]}
	case 2, 3:
		rate := decimal.RequireFromString([]string{"19.6", "5.5", "0"}[n%3])
		a = psapitest.Action{Do: "order", Customer: pick("customers"), Currency: int64(1 + n%4), State: int64(1 + n%3), Lines: []psapitest.Line{
			{Product: pick("products"), Quantity: int64(1 + n%4), TaxRate: &rate},
			{Product: pick("products"), Quantity: int64(1 + n%2), TaxRate: &rate},
		}}
	case 4, 5:
		a = psapitest.Action{Do: "state", Order: pick("orders"), State: []int64{2, 3, 4, 5}[n%4]}
	case 6:
		a = psapitest.Action{Do: "login", Customer: pick("customers")}
	case 7:
		price := decimal.New(int64(n%100000), -2)
		a = psapitest.Action{Do: "product", Reference: fmt.Sprintf("soak-%d", n), Name: "Soak", Price: &price, Quantity: 3}
	case 8:
		lines := w.shop.Records("order_details")
		line := lines[random.IntN(len(lines))]
		a = psapitest.Action{Do: "cancel", Order: number(line["id_order"]), Line: number(line["id"]), Quantity: int64(n % 2)} // 0 = all of it
		if _, err := w.shop.Act(a); err == nil {
			return true
		}
		a.Do = "refund" // it was paid
	}
	_, err := w.shop.Act(a)
	return err == nil
}

// sold are the statuses of the default mapping (rules.md 4).
var sold = map[string]string{
	"1": "Created", "8": "Created", "9": "Created", "10": "Created", "11": "Created",
	"2": "Approved", "3": "Approved", "12": "Approved", "4": "Delivered", "5": "Delivered", "6": "Cancelled", "7": "Cancelled",
}

// auditStatuses compares each order's status with the latest row of its history.
func (w *world) auditStatuses(a *account) {
	latest := map[string]string{}
	for _, h := range w.shop.Records("order_histories") { // by id, the newest last
		latest[engine.OrderKey(number(h["id_order"]))] = h["id_order_state"]
	}
	for _, r := range w.crm.Records("SalesOrder") {
		key := text(r, "customerno")
		if want := sold[latest[key]]; text(r, "sostatus") != want {
			a.wrong = append(a.wrong, fmt.Sprintf("order %s is %s, not %s", key, text(r, "sostatus"), want))
		}
	}
}
