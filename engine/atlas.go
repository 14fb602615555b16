package engine

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"cartiger/problem"
	"cartiger/psapi"
	"cartiger/store"
)

// atlas is what customers and orders refer to, of both sides.
type atlas struct {
	shop   shopAtlas
	zone   *time.Location
	money  money
	factor decimal.Decimal // CRM base units per shop default unit
	maps   []store.StateMap
}

// shopAtlas is what hardly ever changes in a shop. It is kept in the state file, so that a pass need not ask for it.
type shopAtlas struct {
	ReadAt     time.Time
	Zone       string // PS_TIMEZONE
	RoundMode  int    // PS_PRICE_ROUND_MODE
	Base       int64  // PS_CURRENCY_DEFAULT
	Countries  map[int64]string
	Provinces  map[int64]string
	States     map[int64]psapi.OrderState
	Excluded   map[int64]bool // groups whose prices were rounded without tax
	Currencies []psapi.Currency
}

const (
	atlasCursor = "shop.atlas"
	// atlasKeeps bounds how old a new country, state or rate may stay unseen.
	atlasKeeps = time.Hour
)

// readAtlas gives the atlas of this run, from the state file where it is fresh enough.
func (w *work) readAtlas(ctx context.Context) (*atlas, error) {
	if w.atlas != nil && w.opts.Now().Sub(w.atlas.shop.ReadAt) < atlasKeeps {
		return w.atlas, nil
	}
	a := &atlas{}
	var err error
	if a.shop, err = w.keptAtlas(ctx); err != nil {
		return nil, err
	}
	if a.zone, err = loadZone(a.shop.Zone); err != nil {
		return nil, err
	}
	a.money = money{shop: a.shop.Currencies, shopBase: a.shop.Base}
	if a.money.crm, err = w.crm.Currencies(ctx); err != nil {
		return nil, err
	}
	if a.money.links, err = w.store.CurrencyLinks(ctx); err != nil {
		return nil, err
	}
	if a.factor, err = a.money.factor(); err != nil {
		return nil, err
	}
	if a.maps, err = w.store.StateMaps(ctx); err != nil {
		return nil, err
	}
	w.atlas = a
	return a, nil
}

func (w *work) keptAtlas(ctx context.Context) (shopAtlas, error) {
	text, err := w.store.Cursor(ctx, atlasCursor)
	if err != nil {
		return shopAtlas{}, err
	}
	var kept shopAtlas
	if json.Unmarshal([]byte(text), &kept) == nil && w.opts.Now().Sub(kept.ReadAt) < atlasKeeps {
		return kept, nil
	}
	if kept, err = w.surveyShop(ctx); err != nil {
		return kept, err
	}
	return kept, w.store.SetCursor(ctx, atlasCursor, asJSON(kept))
}

func (w *work) surveyShop(ctx context.Context) (shopAtlas, error) {
	a := shopAtlas{ReadAt: w.opts.Now(), Countries: map[int64]string{}, Provinces: map[int64]string{}, States: map[int64]psapi.OrderState{}, Excluded: map[int64]bool{}}
	names, err := w.shop.Configuration(ctx, "PS_TIMEZONE", "PS_PRICE_ROUND_MODE", "PS_CURRENCY_DEFAULT", "PS_LANG_DEFAULT")
	if err != nil {
		return a, err
	}
	a.Zone, a.Base, a.RoundMode = names["PS_TIMEZONE"], parseID(names["PS_CURRENCY_DEFAULT"]), 2
	if mode, err := strconv.Atoi(names["PS_PRICE_ROUND_MODE"]); err == nil {
		a.RoundMode = mode
	}
	countries, err := readAll(ctx, w, w.shop.Countries, psapi.Query{})
	if err != nil {
		return a, err
	}
	for _, c := range countries {
		a.Countries[c.ID] = c.Name
	}
	provinces, err := readAll(ctx, w, w.shop.States, psapi.Query{})
	if err != nil {
		return a, err
	}
	for _, p := range provinces {
		a.Provinces[p.ID] = p.Name
	}
	states, err := readAll(ctx, w, w.shop.OrderStates, psapi.Query{})
	if err != nil {
		return a, err
	}
	for _, s := range states {
		a.States[s.ID] = s
	}
	groups, err := readAll(ctx, w, w.shop.Groups, psapi.Query{})
	if err != nil {
		return a, err
	}
	for _, g := range groups {
		a.Excluded[g.ID] = g.TaxExcluded
	}
	currencies, err := readAll(ctx, w, w.shop.Currencies, psapi.Query{})
	if err != nil {
		return a, err
	}
	for _, c := range currencies {
		if !c.Deleted {
			a.Currencies = append(a.Currencies, c)
		}
	}
	return a, nil
}

// knows says whether everything that the orders refer to is in the atlas; a new currency or state makes it stale.
func (a *atlas) knows(orders []psapi.Order) bool {
	for _, o := range orders {
		_, currency := a.money.shopByID(o.Currency)
		if _, state := a.shop.States[o.CurrentState]; !currency || !state && o.CurrentState > 0 {
			return false
		}
	}
	return true
}

// atlasFor is the atlas that knows what the orders refer to, read anew once when it does not.
func (w *work) atlasFor(ctx context.Context, orders []psapi.Order) (*atlas, error) {
	a, err := w.readAtlas(ctx)
	if err != nil || a.knows(orders) || w.opts.Now().Sub(a.shop.ReadAt) < time.Minute {
		return a, err
	}
	w.atlas = nil
	if err := w.store.SetCursor(ctx, atlasCursor, ""); err != nil {
		return nil, err
	}
	return w.readAtlas(ctx)
}

func (a *atlas) state(id int64) psapi.OrderState {
	if s, known := a.shop.States[id]; known {
		return s
	}
	return psapi.OrderState{ID: id}
}

// linkingCursor says that the automatic linking of the first connection has begun and not come to its end.
const linkingCursor = "currencies.linking"

// linkMissingCurrencies links by code when nothing is linked yet: the first connection (rules.md 5). What a dead
// process had begun there is finished: the links it made do not make the others somebody's choice.
func (w *work) linkMissingCurrencies(ctx context.Context) error {
	a, err := w.readAtlas(ctx)
	if err != nil || w.out == nil {
		return err
	}
	begun, err := w.store.Cursor(ctx, linkingCursor)
	if err != nil || len(a.money.links) > 0 && begun == "" {
		return err
	}
	if err := w.store.SetCursor(ctx, linkingCursor, "begun"); err != nil {
		return err
	}
	if _, err := w.linkCurrencies(ctx, a.money, w.crm); err != nil {
		return err
	}
	if err := w.store.SetCursor(ctx, linkingCursor, ""); err != nil {
		return err
	}
	w.atlas = nil
	_, err = w.readAtlas(ctx)
	return err
}

func loadZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if name == "" || err != nil {
		return nil, &problem.Error{Kind: problem.Invalid, Where: "PrestaShop", Field: "PS_TIMEZONE", Message: "the shop's time zone " + strconv.Quote(name) + " is not known", Cure: "Choose a time zone in the shop: Preferences, General.", Cause: err}
	}
	return zone, nil
}
