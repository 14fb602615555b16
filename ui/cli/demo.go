package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/psapi/psapitest"
	"cartiger/store"
	"cartiger/vtigerws/vtigerwstest"
)

// demoCommand needs no shop, no CRM and no settings. It goes the whole way over HTTP, as with real servers: what it
// shows is the program itself.
func (p *Program) demoCommand() *cobra.Command {
	var version string
	var latency time.Duration
	c := &cobra.Command{
		Use:   "demo",
		Short: "Try everything with a built-in shop and CRM",
		Long: `Try everything with a built-in shop (the data of a real PrestaShop 1.4.11) and an empty simulated CRM, both on
loopback ports, and a temporary state file that is removed at the end.

On a terminal the console opens over them. Without a terminal the demo connects, links currencies, exports products,
customers and orders, compares every total with the shop's to the cent, and prints one summary per entity.`,
		Example: `  cartiger demo
  cartiger demo --crm-version 6.4.0 --latency 20ms
  cartiger demo < /dev/null`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.demo(cmd.Context(), version, latency)
		},
	}
	c.Flags().StringVar(&version, "crm-version", "5.2.1", "vtiger `VERSION`: "+strings.Join(vtigerwstest.Versions(), ", "))
	c.Flags().DurationVar(&latency, "latency", 0, "`DURATION` that every answer of both servers takes, such as 20ms")
	c.Flags().BoolVar(&p.plain, "plain", false, plainUsage)
	return c
}

// stage is what a demo plays on: two simulators and the settings that lead to them.
type stage struct {
	shop    *psapitest.Shop
	crm     *vtigerwstest.CRM
	servers []*server
}

// newStage serves the CRM first and the shop second. The ports are free ones, so that demos can run side by side.
func newStage(version string, latency time.Duration) (_ *stage, err error) {
	s := &stage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.crm, err = newCRM(vtigerwstest.Options{Version: version, Latency: latency}); err != nil {
		return s, err
	}
	if s.shop, err = psapitest.New(psapitest.Options{Latency: latency}); err != nil {
		return s, err
	}
	crm, err := serve(s.crm, "127.0.0.1:0", false)
	if err != nil {
		return s, err
	}
	s.servers = append(s.servers, crm)
	shop, err := serve(s.shop, "127.0.0.1:0", false)
	if err != nil {
		return s, err
	}
	s.servers = append(s.servers, shop)
	return s, nil
}

func (s *stage) close() error {
	var errs []error
	for _, srv := range s.servers {
		errs = append(errs, srv.close())
	}
	return errors.Join(errs...)
}

func (s *stage) settings() map[string]string {
	return map[string]string{
		engine.CRMURL: s.servers[0].url + "/", engine.CRMUser: "admin", engine.CRMKey: "TestAccessKey",
		engine.ShopURL: s.servers[1].url + "/", engine.ShopKey: psapitest.DefaultKey,
	}
}

func (p *Program) demo(ctx context.Context, version string, latency time.Duration) (err error) {
	// Not CARTIGER_STATE: that is the file of a real shop, which a demo must not touch.
	path := p.state
	if path == "" {
		folder, err := os.MkdirTemp("", "cartiger-demo-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(folder) }() // what is left of it is the system's to clean
		path = filepath.Join(folder, "state.db")
	} else if _, err := os.Stat(path); err == nil {
		return misuse{&problem.Error{Kind: problem.Invalid, Where: "--state", Field: "state", Message: path + " exists already", Cure: "The demo's CRM starts empty, so it needs a state file of its own: name a new one."}}
	}
	s, err := newStage(version, latency)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	// The environment speaks of a real shop and CRM: it must not reach the demo.
	environ := func(name string) string {
		if strings.HasPrefix(name, "CARTIGER_") {
			return ""
		}
		return p.Environ(name)
	}
	return p.over(ctx, path, environ, func(ctx context.Context, e *engine.Engine) error {
		if p.interactive() {
			if err := e.Save(ctx, s.settings()); err != nil {
				return err
			}
			return p.console(ctx, e)
		}
		return p.play(ctx, e, s)
	})
}

// play is the demo without a terminal. It takes the way of connect and export, so it fails where they would.
func (p *Program) play(ctx context.Context, e *engine.Engine, s *stage) error {
	if _, err := p.join(ctx, e, s.settings()); err != nil {
		return err
	}
	var all []summaryLine
	var failure error
	for _, kind := range []string{"products", "customers", "orders"} {
		summaries, err := p.export(ctx, e, kind, engine.ExportOptions{}, false)
		all = append(all, summaries...)
		if err == nil && len(summaries) > 0 && summaries[0].State == string(store.Stopped) {
			err = stoppedOr(ctx, summaries, kind)
		}
		if err != nil {
			failure = err
			break
		}
	}
	if failure == nil {
		all = s.compare(all)
	}
	for _, summary := range all {
		// Explanations first: the summaries are the last lines (docs/json.md).
		if err := p.explain(ctx, e, summary); failure == nil {
			failure = err
		}
	}
	for _, summary := range all {
		if err := p.tellSummary(summary); failure == nil {
			failure = err
		}
	}
	if failure != nil {
		return failure
	}
	for _, summary := range all {
		if summary.Totals != nil && summary.Totals.Different > 0 {
			// A wrong total is a broken promise (rules.md 9.6), not a record that waits.
			return ended(exitFailed)
		}
	}
	return verdict(all...)
}

// halfCent: totals that differ by less are equal.
var halfCent = decimal.New(5, -3)

// compare holds every order and invoice of the CRM against the shop's total_paid. It reads the simulators' own records,
// not the state file: what the connector believes would prove nothing.
func (s *stage) compare(all []summaryLine) []summaryLine {
	paid := map[string]decimal.Decimal{}
	invoiced := int64(0)
	for _, o := range s.shop.Records("orders") {
		id, idErr := strconv.ParseInt(o["id"], 10, 64)
		total, err := decimal.NewFromString(o["total_paid"])
		if idErr != nil || err != nil {
			continue // no such order comes with the data
		}
		paid[engine.OrderKey(id)] = total
		if n, err := strconv.ParseInt(o["invoice_number"], 10, 64); err == nil && n > 0 {
			invoiced++
		}
	}
	check := func(module string) *totals {
		t := &totals{}
		for _, r := range s.crm.Records(module) {
			key := fmt.Sprint(r["customerno"])
			total, err := decimal.NewFromString(fmt.Sprint(r["hdnGrandTotal"]))
			t.Compared++
			if want, known := paid[key]; !known || err != nil || total.Sub(want).Abs().GreaterThanOrEqual(halfCent) {
				t.Different++
				if len(t.Examples) < 5 {
					t.Examples = append(t.Examples, fmt.Sprintf("%s: CRM %v, shop %s", key, r["hdnGrandTotal"], paid[key]))
				}
			}
		}
		return t
	}
	for i := range all {
		switch all[i].Entity {
		case store.Order:
			all[i].Totals = check(engine.SalesOrder)
		case store.Invoice:
			// What there is to look at, as with the other entities: the shop's count, not the CRM's.
			all[i].Total = invoiced
			all[i].Totals = check(engine.Invoice)
		}
	}
	return all
}
