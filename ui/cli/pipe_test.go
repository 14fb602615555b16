package cli

import (
	"bufio"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"cartiger/psapi/psapitest"
	"cartiger/vtigerws/vtigerwstest"
)

// `cartiger export products --json | head -1`: nobody reads any more, so the run stops like one that a signal stops.
func TestAReaderThatGoesAwayStopsTheRunCleanly(t *testing.T) {
	shop, err := psapitest.New(psapitest.Options{Data: os.DirFS(smallShop(t))})
	if err != nil {
		t.Fatal(err)
	}
	crm, err := vtigerwstest.New(vtigerwstest.Options{Version: "5.2.1", Latency: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	shopServer, crmServer := httptest.NewServer(shop), httptest.NewServer(crm)
	defer shopServer.Close()
	defer crmServer.Close()
	state := t.TempDir() + "/state.db"
	program := func(args ...string) *exec.Cmd {
		cmd := exec.Command("cartiger", args...)
		cmd.Env = append(os.Environ(), "CARTIGER_STATE="+state, "CARTIGER_SHOP_URL="+shopServer.URL, "CARTIGER_SHOP_KEY="+psapitest.DefaultKey,
			"CARTIGER_CRM_URL="+crmServer.URL, "CARTIGER_CRM_USER=admin", "CARTIGER_CRM_KEY=TestAccessKey")
		return cmd
	}
	cmd := program("export", "products", "--json")
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(pipe).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = pipe.Close()
	_ = cmd.Wait()
	if code, want := cmd.ProcessState.ExitCode(), exitSignal+int(syscall.SIGPIPE); code != want {
		t.Errorf("it ends with %v, want exit code %d", cmd.ProcessState, want)
	}
	runs, err := program("run", "show").Output()
	if err != nil || !strings.Contains(string(runs), "products  stopped") {
		t.Errorf("run show: %v\n%s", err, runs)
	}
	if out, err := program("export", "products", "--resume").CombinedOutput(); err != nil {
		t.Errorf("the export does not go on: %v\n%s", err, out)
	}
}
