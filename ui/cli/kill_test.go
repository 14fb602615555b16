package cli

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cartiger/psapi/psapitest"
	"cartiger/vtigerws/vtigerwstest"
)

// killer stands before a simulator and kills the program at one of its requests: before it is handled, or after it
// was handled and before the answer leaves.
type killer struct {
	next http.Handler

	mu     sync.Mutex
	victim *os.Process
	left   int // requests until the shot
	after  bool
}

func (k *killer) aim(victim *os.Process, requests int, after bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.victim, k.left, k.after = victim, requests, after
}

// due says that this request is the one.
func (k *killer) due() (victim *os.Process, after bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.victim == nil {
		return nil, false
	}
	if k.left--; k.left > 0 {
		return nil, false
	}
	victim, k.victim = k.victim, nil
	return victim, k.after
}

func (k *killer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	victim, after := k.due()
	if victim != nil && !after {
		_ = victim.Kill()
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices the end of the connection
		<-r.Context().Done()
		return
	}
	if victim != nil {
		answer := httptest.NewRecorder()
		k.next.ServeHTTP(answer, r)
		_ = victim.Kill()
		<-r.Context().Done()
		return
	}
	k.next.ServeHTTP(w, r)
}

// Twenty times the export dies without warning at a random moment and is started again. In the end every shop record
// is in the CRM once (rules.md 9.1, 9.2).
func TestKilledExportsLoseAndDoubleNothing(t *testing.T) {
	const kills = 20
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	shop, err := psapitest.New(psapitest.Options{Data: os.DirFS(smallShop(t))})
	if err != nil {
		t.Fatal(err)
	}
	crm, err := vtigerwstest.New(vtigerwstest.Options{Version: "5.2.1", Latency: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	gun := &killer{next: crm}
	shopServer, crmServer := httptest.NewServer(shop), httptest.NewServer(gun)
	defer shopServer.Close()
	defer crmServer.Close()
	program := func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.Command("cartiger", args...)
		cmd.Env = append(os.Environ(),
			"CARTIGER_STATE="+filepath.Join(t.TempDir(), "..", "state", "state.db"),
			"CARTIGER_SHOP_URL="+shopServer.URL, "CARTIGER_SHOP_KEY="+psapitest.DefaultKey,
			"CARTIGER_CRM_URL="+crmServer.URL, "CARTIGER_CRM_USER=admin", "CARTIGER_CRM_KEY=TestAccessKey")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		return cmd, &out
	}
	kinds := []string{"products", "customers", "orders"}
	done := 0
	for killed := 0; killed < kills; {
		kind := kinds[done%len(kinds)]
		cmd, out := program("export", kind)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		gun.aim(cmd.Process, 1+random.IntN(70), random.IntN(2) == 0)
		switch err := cmd.Wait(); {
		case err == nil:
			done++ // it was over before the shot
		case cmd.ProcessState.Sys() != nil && !cmd.ProcessState.Exited():
			killed++
		case kind == "customers" && strings.Contains(out.String(), "exported only once"):
			done++
		default:
			t.Fatalf("export %s after %d kills: %v\n%s", kind, killed, err, out)
		}
	}
	gun.aim(nil, 0, false)
	for _, kind := range kinds {
		cmd, out := program("export", kind)
		if err := cmd.Run(); err != nil && !strings.Contains(out.String(), "exported only once") {
			t.Fatalf("export %s: %v\n%s", kind, err, out)
		}
	}
	once(t, crm, shop)
}

// once holds shop and CRM against each other: nothing twice, nothing missing.
func once(t *testing.T, crm *vtigerwstest.CRM, shop *psapitest.Shop) {
	t.Helper()
	codes := map[string]int{}
	for _, r := range crm.Records("Products") {
		codes[fmt.Sprint(r["productcode"])]++
	}
	for _, p := range shop.Records("products") {
		code := p["reference"]
		if code == "" {
			code = "#presta_" + p["id"]
		}
		if codes[code] != 1 {
			t.Errorf("product %s (%s) is %d times in the CRM", p["id"], code, codes[code])
		}
	}
	people := map[string]int{}
	for _, r := range append(crm.Records("Leads"), crm.Records("Contacts")...) {
		people[strings.ToLower(fmt.Sprint(r["email"]))]++
	}
	for _, c := range shop.Records("customers") {
		if email := strings.ToLower(c["email"]); c["deleted"] == "0" && people[email] != 1 {
			t.Errorf("customer %s (%s) is %d times in the CRM", c["id"], email, people[email])
		}
	}
	for _, module := range []string{"SalesOrder", "Potentials"} {
		orders := map[string]int{}
		for _, r := range crm.Records(module) {
			orders[fmt.Sprint(r["subject"], r["potentialname"])]++
		}
		if len(orders) != len(shop.Records("orders")) {
			t.Errorf("the CRM has %d %s, the shop %d orders", len(orders), module, len(shop.Records("orders")))
		}
		for subject, n := range orders {
			if n != 1 {
				t.Errorf("%s %s is %d times in the CRM", module, subject, n)
			}
		}
	}
}
