package engine

import (
	"context"
	"maps"
	"strconv"
	"time"

	"cartiger/problem"
	"cartiger/psapi"
	"cartiger/vtigerws"
)

// Settings gives what is in force: environment over state file over default. Key files are read by the command line,
// which puts their content into Options.Environ.
func (e *Engine) Settings(ctx context.Context) (Settings, error) {
	saved, err := e.store.Settings(ctx)
	if err != nil {
		return nil, err
	}
	out := Settings{}
	for _, s := range SettingsList() {
		if v, ok := saved[s.Name]; ok {
			out[s.Name] = v
		}
		if e.opts.Environ == nil || s.Env == "" {
			continue
		}
		if v := e.opts.Environ(s.Env); v != "" {
			if err := s.Check(v); err != nil {
				return nil, fromEnviron(s, err)
			}
			out[s.Name] = v
		}
	}
	return out, nil
}

// fromEnviron makes a problem with a value name the variable that it comes from: who set that may never have heard of
// the setting. A key's variable may stand for a file.
func fromEnviron(s Setting, err error) error {
	if wrong, ok := problem.Of(err); ok {
		variable := s.Env
		if s.Secret {
			variable += " or its file"
		}
		wrong.Where += " (" + variable + ")"
	}
	return err
}

// Int is a setting that is a number; what is not one counts as 0.
func (s Settings) Int(name string) int {
	n, err := strconv.Atoi(s.Get(name))
	if err != nil {
		return 0
	}
	return n
}

// Save writes settings, all or none; a problem names the setting, its rule and the cure. An empty value takes the
// setting back to its default.
func (e *Engine) Save(ctx context.Context, set map[string]string) error {
	keep := map[string]string{}
	var unset []string
	for name, value := range set {
		setting, known := FindSetting(name)
		if !known {
			return &problem.Error{Kind: problem.Invalid, Where: "settings", Field: name, Message: "no setting is called " + strconv.Quote(name), Cure: "`cartiger config list` shows them all."}
		}
		if value == "" && setting.check == nil && setting.Choices != nil {
			unset = append(unset, name)
			continue
		}
		if err := setting.Check(value); err != nil {
			return err
		}
		keep[name] = value
	}
	return e.store.SaveSettings(ctx, keep, unset)
}

func (e *Engine) dialShop(s Settings) (Shop, error) {
	return psapi.New(psapi.Config{URL: s.Get(ShopURL), Key: s.Get(ShopKey), CAFile: s.Get(ShopCA), AllowPlainKey: s.On(ShopPlainKey), Log: e.opts.Log})
}

func (e *Engine) dialCRM(s Settings, opened func(string) error) (CRM, error) {
	return vtigerws.New(vtigerws.Config{URL: s.Get(CRMURL), User: s.Get(CRMUser), AccessKey: s.Get(CRMKey), CAFile: s.Get(CRMCA), Log: e.opts.Log, Opened: opened})
}

// unwatched is for clients that only read: nothing of theirs has to be waited for.
func unwatched(string) error { return nil }

// TestConnection is Validate and test: it tries draft values over the saved ones, saves nothing, and tells each step
// as it happens. The status it gives is the whole of Details for those values.
func (e *Engine) TestConnection(ctx context.Context, draft map[string]string, tell func(Step)) (Status, error) {
	settings, err := e.Settings(ctx)
	if err != nil {
		return Status{}, err
	}
	maps.Copy(settings, draft)
	for name, v := range draft {
		if s, known := FindSetting(name); known {
			if err := s.Check(v); err != nil {
				return Status{}, err
			}
		}
	}
	if missing := settings.Missing(); len(missing) > 0 {
		return Status{}, missingSettings(missing)
	}
	probe := e.probe(ctx, settings, tell)
	return e.status(ctx, settings, probe)
}

// probed is what one look at both servers found.
type probed struct {
	shopErr, crmErr error
	shop            psapi.Facts
	crm             vtigerws.Facts
	modules         map[string]vtigerws.Module
	moduleErrs      map[string]error
	addon           *vtigerws.Module
	shopClient      Shop
	crmClient       CRM
}

// needed are the CRM modules that the connector writes to.
var needed = []string{Leads, Contacts, Accounts, Products, Potentials, SalesOrder, Invoice}

// AddonModule is the optional CRM-side module.
const AddonModule = "Prestashop"

// probe looks at the CRM step by step, then at the shop. Trouble is part of what it finds.
func (e *Engine) probe(ctx context.Context, settings Settings, tell func(Step)) probed {
	p := probed{modules: map[string]vtigerws.Module{}, moduleErrs: map[string]error{}}
	step := func(name string, do func() error) error {
		began := time.Now()
		err := do()
		tell(Step{Name: name, Took: time.Since(began), Err: err})
		return err
	}
	p.crmClient, p.crmErr = e.opts.DialCRM(settings, unwatched)
	if p.crmErr == nil {
		p.crm, p.crmErr = p.crmClient.Steps(ctx, nil, func(name string, took time.Duration, err error) {
			tell(Step{Name: name, Took: took, Err: err})
		})
	} else {
		tell(Step{Name: vtigerws.StepChallenge, Err: p.crmErr})
	}
	if p.crmErr == nil {
		_ = step(vtigerws.StepRights, func() error {
			for _, name := range needed {
				m, err := p.crmClient.Describe(ctx, name)
				if err != nil {
					p.moduleErrs[name] = err
					continue
				}
				p.modules[name] = m
			}
			for _, name := range p.crm.Modules {
				if name == AddonModule {
					if m, err := p.crmClient.Describe(ctx, name); err == nil {
						p.addon = &m
					}
				}
			}
			for _, err := range p.moduleErrs {
				return err
			}
			return nil
		})
	}
	p.shopClient, p.shopErr = e.opts.DialShop(settings)
	_ = step("shop", func() error {
		if p.shopErr == nil {
			p.shop, p.shopErr = p.shopClient.Probe(ctx)
		}
		return p.shopErr
	})
	return p
}
