package cli

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cartiger/fault"
	"cartiger/problem"
	"cartiger/psapi/psapitest"
	"cartiger/vtigerws/vtigerwstest"
)

// simulation is what both simulators are told. They are those of the tests: what a person tries here can be
// written down as one.
type simulation struct {
	listen  string
	path    string
	latency time.Duration
	rules   []string
	tls     bool
}

func (s *simulation) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.listen, "listen", "127.0.0.1:0", "loopback `ADDRESS` with port; port 0 picks a free one")
	f.StringVar(&s.path, "path", "", "`FOLDER` that it lives in, such as /shop")
	f.DurationVar(&s.latency, "latency", 0, "`DURATION` that every answer takes, such as 20ms")
	f.StringArrayVar(&s.rules, "fault", nil, "fault `RULE`, such as lost:op=create,nth=2 (repeatable)")
	f.BoolVar(&s.tls, "tls", false, "serve HTTPS with a self-signed certificate")
}

// check reads the fault rules and the folder.
func (s *simulation) check() ([]fault.Rule, error) {
	if s.path != "" && (!strings.HasPrefix(s.path, "/") || strings.HasSuffix(s.path, "/")) {
		return nil, misuse{&problem.Error{Kind: problem.Invalid, Where: "--path", Field: "path", Message: s.path + " is not a folder like /shop", Cure: "Start with a slash and end without one."}}
	}
	// All are read before anything listens: a rule with a slip would be a fault that never comes.
	rules := make([]fault.Rule, len(s.rules))
	for i, text := range s.rules {
		var err error
		if rules[i], err = fault.ParseRule(text); err != nil {
			return nil, misuse{err}
		}
	}
	return rules, nil
}

// run serves a simulator until it is stopped. Its first line says where: scripts wait for it and take the free port
// from it.
func (s *simulation) run(ctx context.Context, p *Program, handler http.Handler, faults *fault.Set, rules []fault.Rule) error {
	for _, r := range rules {
		faults.Add(r)
	}
	srv, err := serve(handler, s.listen, s.tls)
	if err != nil {
		return err
	}
	p.say("listening on %s%s/", srv.url, s.path)
	return srv.until(ctx)
}

// simulateCommand serves what the demo plays on, one server at a time, for trying and for tests in other languages.
// Faults can be given at the start and changed while it runs.
func (p *Program) simulateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "simulate shop|crm",
		Short: "Serve a simulated shop or CRM on a loopback port, for trying and testing",
		Long: `Serve a simulated PrestaShop 1.4.11 or vtiger CRM on a loopback port, for trying and testing.

The first line on stdout says where it listens. The shop's key is ` + psapitest.DefaultKey + `; the CRM's
user is admin with the access key TestAccessKey. Control endpoints, outside the imitated paths:
  GET  /__stats               requests since the start or the last reset, by resource or operation
  POST /__stats/reset
  GET  /__records/SalesOrder  records as JSON, also Leads, Contacts, ... and the shop's resources
  POST /__act                 shop: {"do":"register"}, or login, order, state, cancel, refund, return, product,
                              edit-product, edit-customer, edit-address, delete-customer, stock, currency; with
                              customer, order, line, product, state, quantity, email, lines ... as far as they matter:
                              what is left out is the newest that fits
  POST /__fault               fault rules, one per line; an empty body clears them

A fault rule is a kind and its options, as 503:op=query,p=0.1,seed=7 or lost:op=create,type=SalesOrder,nth=2.
Kinds: ` + strings.Join(fault.Kinds(), ", ") + `.
Options: op (operation or resource), type (module), nth, times, p (share), seed, delay, retry-after, to (URL of 301).`,
		Example: `  cartiger simulate shop --listen 127.0.0.1:8081
  cartiger simulate crm --version 5.4.0 --listen 127.0.0.1:8082`,
	}
	c.AddCommand(p.simulateShopCommand(), p.simulateCRMCommand())
	return c
}

func (p *Program) simulateShopCommand() *cobra.Command {
	var s simulation
	var o psapitest.Options
	var data string
	c := &cobra.Command{
		Use:     "shop",
		Short:   "Serve a simulated PrestaShop 1.4.11",
		Example: "  cartiger simulate shop --listen 127.0.0.1:8081 --latency 20ms --fault '503:p=0.1,seed=7'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			rules, err := s.check()
			if err != nil {
				return err
			}
			if o.Data, err = dataFolder(data); err != nil {
				return err
			}
			o.Base, o.Latency = s.path, s.latency
			shop, err := psapitest.New(o)
			if err != nil {
				return err
			}
			return s.run(cmd.Context(), p, shop, shop.Faults(), rules)
		},
	}
	s.flags(c)
	c.Flags().StringVar(&data, "data", "", "data `FOLDER` in the form RESOURCE.xml[.gz]; default: the embedded shop")
	c.Flags().StringVar(&o.Version, "version", "", "what PSWS-Version says (default 1.4.11.1)")
	c.Flags().BoolVar(&o.HideErrors, "hide-errors", false, "PHP's display_errors off: error texts are hidden, some requests become 500")
	return c
}

// dataFolder is a data set on disk, nil for the embedded one. A folder without data is refused: a shop that is empty by
// a slip looks like a connector that finds nothing.
func dataFolder(path string) (fs.FS, error) {
	if path == "" {
		return nil, nil
	}
	plain, err := fs.Glob(os.DirFS(path), "*.xml")
	packed, _ := fs.Glob(os.DirFS(path), "*.xml.gz") // the pattern is right, and so the error is nil
	if len(plain)+len(packed) == 0 {
		return nil, misuse{&problem.Error{Kind: problem.Invalid, Where: "--data", Field: "data", Message: path + " is no folder with data", Cure: "Name a folder with RESOURCE.xml or RESOURCE.xml.gz files.", Cause: err}}
	}
	return os.DirFS(path), nil
}

func (p *Program) simulateCRMCommand() *cobra.Command {
	var s simulation
	var o vtigerwstest.Options
	c := &cobra.Command{
		Use:     "crm",
		Short:   "Serve a simulated vtiger CRM",
		Example: "  cartiger simulate crm --version 5.1.0 --base USD --listen 127.0.0.1:8082",
		RunE: func(cmd *cobra.Command, _ []string) error {
			rules, err := s.check()
			if err != nil {
				return err
			}
			o.Base, o.Latency = s.path, s.latency
			crm, err := newCRM(o)
			if err != nil {
				return err
			}
			return s.run(cmd.Context(), p, crm, crm.Faults(), rules)
		},
	}
	s.flags(c)
	f := c.Flags()
	f.StringVar(&o.Version, "version", "5.2.1", "vtiger `VERSION`: "+strings.Join(vtigerwstest.Versions(), ", "))
	_ = c.RegisterFlagCompletionFunc("version", cobra.FixedCompletions(vtigerwstest.Versions(), cobra.ShellCompDirectiveNoFileComp))
	f.StringVar(&o.BaseCurrency, "base", "EUR", "ISO 4217 `CODE` of its base currency")
	f.BoolVar(&o.Noisy, "noisy", false, "PHP's display_errors on: warnings before the JSON")
	f.BoolVar(&o.Addon, "addon", false, "with the CRM-side module Prestashop installed")
	return c
}

// newCRM makes a simulated CRM; a version that cannot be simulated is wrong usage.
func newCRM(o vtigerwstest.Options) (*vtigerwstest.CRM, error) {
	if !slices.Contains(vtigerwstest.Versions(), o.Version) {
		return nil, misuse{&problem.Error{
			Kind: problem.Invalid, Where: "version", Field: "version", Message: "vtiger " + o.Version + " cannot be simulated",
			Cure: "Choose one of " + strings.Join(vtigerwstest.Versions(), ", ") + ".",
		}}
	}
	crm, err := vtigerwstest.New(o)
	if err != nil {
		return nil, misuse{err}
	}
	return crm, nil
}
