package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"cartiger/store"
)

// The demo without a terminal carries the whole embedded shop, and accounts for every record to the cent.
func TestTheDemoCarriesTheWholeShop(t *testing.T) {
	folder := t.TempDir()
	cmd := exec.Command("cartiger", "demo", "--json")
	cmd.Env = append(os.Environ(), "TMPDIR="+folder, "CARTIGER_CRM_URL=http://real.example.test/", "CARTIGER_LOG=warn")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if took := time.Since(began); took > time.Minute && !raceDetector {
		t.Errorf("it took %s, want under a minute", took)
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr says:\n%s", stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	records := map[store.Entity]int64{}
	var summaries []summaryLine
	for _, line := range lines {
		var s summaryLine
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		switch s.Type {
		case "record":
			records[s.Entity]++
		case "summary":
			summaries = append(summaries, s)
		}
	}
	if len(summaries) != 4 {
		t.Fatalf("%d summaries, want 4", len(summaries))
	}
	want := []struct {
		entity   store.Entity
		total    int64
		requests int64 // most that the CRM may get
		compared bool
	}{
		{store.Product, 1607, 1600 + 17 + 10, false},
		{store.Customer, 2285, 2286 + 3*23 + 15, false},
		{store.Order, 1300, 1 << 30, true},
		{store.Invoice, 1120, 0, true},
	}
	for i, w := range want {
		s := summaries[i]
		if s.Entity != w.entity || s.Total != w.total || s.State != string(store.Finished) {
			t.Errorf("summary %d is about %d %ss, %s; want %d %ss, finished", i, s.Total, s.Entity, s.State, w.total, w.entity)
		}
		if s.Held != 0 || s.Failed != 0 || s.Created+s.Updated+s.Unchanged != s.Total {
			t.Errorf("%s: not everything is accounted for: %+v", s.Entity, s)
		}
		if s.CRMRequests > w.requests {
			t.Errorf("%s: %d CRM requests, at most %d", s.Entity, s.CRMRequests, w.requests)
		}
		if w.compared && (s.Totals == nil || int64(s.Totals.Compared) != w.total || s.Totals.Different != 0) {
			t.Errorf("%s: totals %+v", s.Entity, s.Totals)
		}
		if s.Entity != store.Invoice && records[s.Entity] < s.Total {
			t.Errorf("%s: %d lines for %d records", s.Entity, records[s.Entity], s.Total)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// For people the last lines are the summaries.
func TestTheDemoEndsWithALinePerEntity(t *testing.T) {
	all := []summaryLine{
		{Entity: store.Product, Total: 3, Created: 2, Unchanged: 1, ShopRequests: 4, CRMRequests: 5, Seconds: 1.26, State: "finished"},
		{Entity: store.Order, Total: 2, Created: 1, Held: 1, ShopRequests: 1, CRMRequests: 1, State: "stopped", Totals: &totals{Compared: 2}},
		{Entity: store.Invoice, Total: 1, Created: 1, State: "finished", Totals: &totals{Compared: 1, Different: 1}},
	}
	var out bytes.Buffer
	p := &Program{Out: &output{w: &out}}
	for _, s := range all {
		if err := p.tellSummary(s); err != nil {
			t.Fatal(err)
		}
	}
	want := regexp.MustCompile(`^products: 3 total, 2 created, 0 updated, 1 unchanged, 0 held, 0 failed; 4 shop and 5 CRM requests in 1\.3 s
orders: 2 total, 1 created, 0 updated, 0 unchanged, 1 held, 0 failed; 1 shop and 1 CRM requests in 0\.0 s; stopped; all 2 totals equal the shop's to the cent
invoices: 1 total, 1 created, 0 updated, 0 unchanged, 0 held, 0 failed; 1 of 1 totals differ from the shop's
$`)
	if !want.MatchString(out.String()) {
		t.Errorf("got\n%s", out.String())
	}
}
