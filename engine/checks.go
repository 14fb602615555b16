package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"cartiger/problem"
	"cartiger/psapi"
	"cartiger/store"
	"cartiger/vtigerws"
)

// skewAllowed is how far a server's clock may be from ours before it is worth a warning; 5.x challenges live 300 s.
const skewAllowed = 2 * time.Minute

// shopResources are what the shop's key must be allowed to GET, with what fails without it.
var shopResources = []string{
	"customers", "addresses", "carts", "products", "orders", "order_details", "order_histories", "order_states",
	"order_discounts", "currencies", "countries", "states", "configurations", "groups", "stock_movements",
}

// lastStatus is the setting-like row that keeps the last status for screens that must not ask anybody.
const lastStatus = "status"

// Status asks both servers and checks everything (rules.md 8). Trouble is a line of it, not an error.
func (e *Engine) Status(ctx context.Context) (Status, error) {
	settings, err := e.Settings(ctx)
	if err != nil {
		return Status{}, err
	}
	if missing := settings.Missing(); len(missing) > 0 {
		s, err := e.StoredStatus(ctx)
		s.At, s.Checks = e.opts.Now(), []Check{setupCheck(missing)}
		return s, err
	}
	s, err := e.status(ctx, settings, e.probe(ctx, settings, func(Step) {}))
	if err != nil {
		return s, err
	}
	return s, e.store.SetCursor(ctx, lastStatus, asJSON(s))
}

// StoredStatus is the last status, with the figures of the state file as they are now. It asks nobody.
func (e *Engine) StoredStatus(ctx context.Context) (Status, error) {
	var s Status
	text, err := e.store.Cursor(ctx, lastStatus)
	if err != nil {
		return s, err
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			s = Status{}
		}
	}
	settings, err := e.Settings(ctx)
	if err != nil {
		return s, err
	}
	lines, err := e.stateCheck(ctx)
	if err != nil {
		return s, err
	}
	// What nobody has to be asked for is told as it is now.
	for _, c := range append([]Check{setupCheck(settings.Missing())}, lines...) {
		i := slices.IndexFunc(s.Checks, func(old Check) bool { return old.ID == c.ID })
		if i < 0 {
			s.Checks = append(s.Checks, c)
			continue
		}
		s.Checks[i] = c
	}
	s.Entities, err = e.entities(ctx)
	return s, err
}

func setupCheck(missing []string) Check {
	if len(missing) == 0 {
		return Check{ID: "setup", Title: "Set-up", Level: OK, Text: "complete"}
	}
	return Check{
		ID: "setup", Title: "Set-up", Level: Failure, Text: "not set: " + joined(missing),
		Meaning: "Without these the connector cannot reach the shop and the CRM.",
		Cure:    "Type them in Connection and press t, or run `cartiger connect`.",
	}
}

func joined(names []string) string { return strings.Join(names, ", ") }

func (e *Engine) status(ctx context.Context, settings Settings, p probed) (Status, error) {
	s := Status{At: e.opts.Now()}
	s.Checks = append(s.Checks, setupCheck(nil), exposed(crmCheck(p), settings.Get(CRMURL)), exposed(shopCheck(p), settings.Get(ShopURL)))
	if p.crmErr == nil {
		s.Checks = append(s.Checks, addonCheck(p), originCheck(p), modulesCheck(p, settings.Get(OrderKeyField)))
		defaults, err := e.store.Defaults(ctx)
		if err != nil {
			return s, err
		}
		s.Checks = append(s.Checks, mandatoryCheck(mandatoryFields(p.modules, defaults)))
		if c, ok := userCurrencyCheck(p); ok {
			s.Checks = append(s.Checks, c)
		}
	}
	if p.shopErr == nil {
		s.Checks = append(s.Checks, rightsCheck(p.shop))
	}
	if p.crmErr == nil && p.shopErr == nil {
		s.Checks = append(s.Checks, e.currencyCheck(ctx, p), clockCheck(p))
	}
	stateLine, err := e.stateCheck(ctx)
	if err != nil {
		return s, err
	}
	s.Checks = append(s.Checks, stateLine...)
	s.Entities, err = e.entities(ctx)
	return s, err
}

// trouble turns an error into a failed line with the error's own cure.
func trouble(id, title, meaning string, err error) Check {
	c := Check{ID: id, Title: title, Level: Failure, Text: err.Error(), Meaning: meaning, Asked: err.Error(), Cure: "Try again; if it stays, look at the server's error log."}
	if p, ok := problem.Of(err); ok {
		c.Text = p.Message
		if p.Cure != "" {
			c.Cure = p.Cure
		}
	}
	return c
}

func crmCheck(p probed) Check {
	const meaning = "The connector writes through the CRM's web service with the rights of the CRM user."
	if p.crmErr != nil {
		return trouble("crm", "vtiger CRM", meaning, p.crmErr)
	}
	c := Check{ID: "crm", Title: "vtiger CRM", Level: OK, Meaning: meaning, Text: fmt.Sprintf("%s, %d ms, logged in as %s", p.crm.Version, p.crm.Latency.Milliseconds(), p.crm.User)}
	if p.crm.Noise != "" {
		c.Level, c.Text = Warning, c.Text+", prints PHP warnings"
		c.Asked = p.crm.Noise
		c.Cure = "Set display_errors = Off in the CRM's php.ini: warnings in answers slow everything down and can break sessions."
	}
	return c
}

func shopCheck(p probed) Check {
	const meaning = "The connector reads through the shop's web service with the rights of its key."
	if p.shopErr != nil {
		return trouble("shop", "PrestaShop", meaning, p.shopErr)
	}
	c := Check{ID: "shop", Title: "PrestaShop", Level: OK, Meaning: meaning, Text: fmt.Sprintf("%s, %d ms, %s", p.shop.Version, p.shop.Latency.Milliseconds(), p.shop.Zone)}
	switch {
	case p.shop.KeyInURL:
		c.Level, c.Text = Warning, c.Text+", key travels in the URL"
		c.Cure = "The web server drops the Authorization header: switch on \"PS_WEBSERVICE_CGI_HOST\" (Tools, Web service, CGI mode) in the shop."
	case p.shop.Noise != "":
		c.Level, c.Text, c.Asked = Warning, c.Text+", prints text before the XML", p.shop.Noise
		c.Cure = "Some PHP file of the shop prints a blank line or a warning: look at modules and overrides changed lately."
	}
	return c
}

// exposed warns about a good connection that everybody on the way can read: plain HTTP to another machine.
func exposed(c Check, address string) Check {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || c.Level == Failure || u.Hostname() == "localhost" {
		return c
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() {
		return c
	}
	c.Level, c.Text = Warning, c.Text+", not encrypted"
	c.Cure = strings.TrimSpace(c.Cure + " Use https:// where there is a network between: keys or sessions and all data can be read on the way.")
	return c
}

func addonCheck(p probed) Check {
	c := Check{ID: "module", Title: "Module Prestashop", Level: OK, Meaning: "An optional module in the CRM that registers orders there too; nothing depends on it."}
	if p.addon == nil {
		c.Text = "not installed: orders are registered in the state file only"
		return c
	}
	c.Text = "creation " + may(p.addon.Createable) + ", update " + may(p.addon.Updateable) + ", deletion " + may(p.addon.Deleteable) + ", retrieving " + may(p.addon.Retrieveable)
	if !p.addon.Createable || !p.addon.Updateable || !p.addon.Retrieveable {
		c.Level = Warning
		c.Cure = "Give the CRM user's profile all rights on the module Prestashop."
	}
	return c
}

func may(yes bool) string {
	if yes {
		return "authorised"
	}
	return "refused"
}

func originCheck(p probed) Check {
	c := Check{ID: "origin", Title: "Origin value", Level: OK, Text: "'Prestashop' is in the Lead Source list", Meaning: "New Leads and Contacts carry Prestashop as their origin (leadsource)."}
	var lacking []string
	for _, name := range []string{Leads, Contacts, Potentials} {
		f, has := p.modules[name].Field("leadsource")
		if has && !slices.Contains(f.Values, Source) {
			lacking = append(lacking, name)
			c.Level, c.Text = Warning, "'Prestashop' is not in the Lead Source list of "+joined(lacking)
			c.Asked = name + ".leadsource has: " + joined(f.Values)
			c.Cure = "In vtiger: Settings, Picklist Editor, Lead Source: add the value Prestashop (capital P). Records are written all the same."
		}
	}
	return c
}

func modulesCheck(p probed, orderKey string) Check {
	// What records are looked up by: a query that names a field hidden from the user is denied.
	keys := map[string][]string{
		Leads: {"email"}, Contacts: {"email"}, Accounts: {"accountname", "email1"}, Products: {"productcode"}, SalesOrder: {orderKey}, Invoice: {orderKey},
	}
	c := Check{ID: "modules", Title: "Modules", Level: OK, Meaning: "The connector needs seven modules of the CRM with the rights to create, edit and read."}
	good := 0
	for _, name := range needed {
		m, active := p.modules[name]
		hidden := slices.DeleteFunc(keys[name], func(field string) bool { _, shown := m.Field(field); return shown })
		switch {
		case !active:
			c.Details = append(c.Details, name+": not active for this user ("+p.moduleErrs[name].Error()+")")
		case !m.Createable || !m.Updateable || !m.Retrieveable:
			c.Details = append(c.Details, fmt.Sprintf("%s: create %s, update %s, delete %s, retrieve %s", name, may(m.Createable), may(m.Updateable), may(m.Deleteable), may(m.Retrieveable)))
		case len(hidden) > 0:
			c.Details = append(c.Details, name+": hidden from this user: "+joined(hidden))
		default:
			good++
		}
	}
	c.Text = fmt.Sprintf("%d of %d active, create update delete retrieve", good, len(needed))
	if len(c.Details) > 0 {
		c.Level = Failure
		c.Text = fmt.Sprintf("%d of %d usable; %s", good, len(needed), c.Details[0])
		c.Asked = strings.Join(c.Details, "\n")
		c.Cure = "In vtiger: Settings, Module Manager: activate the module; Settings, Profiles: give the user's profile create, edit and view on it, and its fields; Settings, Sharing Access: Public."
	}
	return c
}

func mandatoryCheck(fields []MandatoryField) Check {
	c := Check{ID: "mandatory", Title: "Mandatory fields", Level: OK, Meaning: "The CRM refuses a record when one of these fields is empty."}
	var open []string
	without := 0
	for _, f := range fields {
		if f.Source == "" {
			without++
		}
		if f.Needed {
			open = append(open, f.Module+"."+f.Field)
		}
	}
	c.Text = fmt.Sprintf("%d without source value, all have defaults", without)
	if len(open) > 0 {
		c.Level, c.Text = Warning, fmt.Sprintf("%d without default: %s", len(open), joined(open))
		c.Cure = "Give each a default in Connection, Mandatory fields, or with `cartiger defaults set`. Records that need one are held, not lost."
	}
	return c
}

// userCurrencyCheck warns about 5.4, which converts amounts from the user's own currency (wire/vtiger.md 5).
func userCurrencyCheck(p probed) (Check, bool) {
	if !p.crm.Dialect.UserCurrency || p.crm.UserCurr == "" || p.crm.UserCurr == "21x1" {
		return Check{}, false
	}
	return Check{
		ID: "user-currency", Title: "Currency of user", Level: Failure, Text: "the CRM user counts in another currency than the CRM's base",
		Meaning: "vtiger 5.4 converts amounts of Potentials from the user's own currency: they would be stored wrong.",
		Asked:   "currency_id of the user is " + p.crm.UserCurr,
		Cure:    "In vtiger: My Preferences of that user, Currency: choose the base currency.",
	}, true
}

func rightsCheck(f psapi.Facts) Check {
	c := Check{ID: "shop-rights", Title: "Shop key", Level: OK, Meaning: "The key needs the right to GET these resources; it needs no right to change anything."}
	var missing []string
	for _, name := range shopResources {
		if !slices.Contains(f.Rights[name], "get") {
			missing = append(missing, name)
		}
	}
	c.Text = fmt.Sprintf("%d of %d resources readable", len(shopResources)-len(missing), len(shopResources))
	if len(missing) > 0 {
		c.Level = Failure
		c.Text += "; missing: " + joined(missing)
		c.Cure = "In PrestaShop: Tools, Web service, edit the key: tick View (GET) for " + joined(missing) + "."
	}
	return c
}

func (e *Engine) currencyCheck(ctx context.Context, p probed) Check {
	c := Check{ID: "currencies", Title: "Currencies", Level: OK, Meaning: "An order is written in its own currency; its currency must be linked."}
	m, err := e.readMoney(ctx, p.shopClient, p.crmClient)
	if err != nil {
		return trouble(c.ID, c.Title, c.Meaning, err)
	}
	t := tabulate(m, false)
	active := 0
	for _, s := range m.shop {
		if s.Active {
			active++
		}
	}
	c.Text = fmt.Sprintf("%d of %d shop currencies linked, base %s", active-len(t.UnlinkedShopActive), active, t.CRMBase)
	if len(t.UnlinkedShopActive) > 0 {
		c.Level = Warning
		c.Text = fmt.Sprintf("%d of %d shop currencies not linked (%s)", len(t.UnlinkedShopActive), active, joined(t.UnlinkedShopActive))
		c.Cure = "Configuration, l links automatically (`cartiger currencies auto`). Orders in an unlinked currency are held."
	}
	if !t.BasesAgree {
		c.Level, c.Text = Failure, fmt.Sprintf("the shop counts in %s, the CRM in %s", t.ShopBase, t.CRMBase)
		c.Cure = "Best give both the same base currency. Until then product prices are converted with the shop's rate for " + t.CRMBase + "."
		if _, err := m.factor(); err != nil {
			c.Cure = trouble("", "", "", err).Cure
		}
	}
	return c
}

func clockCheck(p probed) Check {
	c := Check{ID: "clock", Title: "Clocks", Level: OK, Meaning: "Changes are read by the shop's clock, so ours need not agree; a large difference points at a wrong server clock."}
	c.Text = fmt.Sprintf("shop %s, CRM %s", skew(p.shop.Skew), skew(p.crm.Skew))
	if p.shop.Skew.Abs() > skewAllowed || p.crm.Skew.Abs() > skewAllowed {
		c.Level = Warning
		c.Cure = "Let the servers set their clocks by NTP."
	}
	return c
}

func skew(d time.Duration) string { return fmt.Sprintf("%+d s", int(d.Round(time.Second).Seconds())) }

// stateCheck tells of the state file and of who is running what.
func (e *Engine) stateCheck(ctx context.Context) ([]Check, error) {
	state := Check{ID: "state", Title: "State file", Level: OK, Text: e.store.Path(), Meaning: "Settings, links and the list of every record live in this file; back it up."}
	made, restored, err := e.store.Restored(ctx)
	if err != nil {
		return nil, err
	}
	if restored {
		state.Level, state.Text = Warning, fmt.Sprintf("%s, a copy of %s put back", e.store.Path(), made.Local().Format("2 Jan 2006 15:04"))
		state.Cure = "Run `cartiger verify --repair`: it compares every link with the CRM. Until then, what is newer than the copy is looked up by its key before it is created."
	}
	running := Check{ID: "following", Title: "Following shop", Level: OK, Text: "stopped", Meaning: "watch carries the shop's changes into the CRM."}
	holder, busy, err := e.store.Holder(ctx)
	if err != nil {
		return nil, err
	}
	if busy {
		running.Text = "running: " + holder.Who + ", last sign of life " + ago(e.opts.Now().Sub(holder.Beat))
	}
	return []Check{state, running}, nil
}

func ago(d time.Duration) string { return d.Round(time.Second).String() + " ago" }

// kinds are the exports whose last run tells how many records the shop has: a web service of 1.4 cannot count, and
// listing everything for a figure would cost the shop a query per row (wire/prestashop.md 3).
var kinds = map[store.Entity]string{store.Product: "products", store.Customer: "customers", store.Order: "orders", store.Invoice: "orders"}

func (e *Engine) entities(ctx context.Context) ([]EntityStatus, error) {
	outcomes, err := e.store.CountOutcomes(ctx)
	if err != nil {
		return nil, err
	}
	links, err := e.store.CountLinks(ctx)
	if err != nil {
		return nil, err
	}
	var out []EntityStatus
	for _, entity := range []store.Entity{store.Product, store.Customer, store.Order, store.Invoice} {
		c := outcomes[entity]
		row := EntityStatus{Entity: entity, InShop: -1, LastRun: "never", Held: c.Held, Failed: c.Failed, Linked: c.Created + c.Updated + c.Unchanged}
		if entity == store.Invoice {
			row.Linked = links[entity][Invoice]
		}
		if kind := kinds[entity]; kind != "" {
			run, found, err := e.store.LastRun(ctx, kind)
			if err != nil {
				return nil, err
			}
			if found {
				row.LastRun = lastRun(run, e.opts.Now())
			}
			if found && entity != store.Invoice { // how many orders have one nobody has counted
				row.InShop = max(run.Total, c.Sum())
				row.Pending = max(row.InShop-c.Sum(), 0)
			}
		}
		out = append(out, row)
	}
	return out, nil
}

func lastRun(r store.Run, now time.Time) string {
	at := r.Started
	if !r.Ended.IsZero() {
		at = r.Ended
	}
	text := at.Local().Format("2 Jan 15:04")
	if at.Local().Format(time.DateOnly) == now.Local().Format(time.DateOnly) {
		text = "today " + at.Local().Format("15:04")
	}
	switch {
	case r.Closed:
		text += ", closed"
	case r.State != store.Finished:
		text += ", " + string(r.State)
	}
	return text
}

func parseID(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func firstErr(errs ...error) error {
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}

func sortedFields(r vtigerws.Record) []string {
	names := r.Names()
	sort.Strings(names)
	return names
}

// chunks cuts a list into pieces of n.
func chunks[T any](all []T, n int) func(func([]T) bool) { return slices.Chunk(all, n) }
