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
	ZoneAt     time.Time // when the zone was last asked for; an idle watch needs nothing else
	Zone       string    // PS_TIMEZONE
	RoundMode  int       // PS_PRICE_ROUND_MODE
	Base       int64     // PS_CURRENCY_DEFAULT
	Language   int64     // PS_LANG_DEFAULT
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
		if stale, forgetErr := w.forgetAtlas(ctx, a.shop); stale {
			return w.readAtlas(ctx)
		} else if forgetErr != nil {
			return nil, forgetErr
		}
		return nil, err
	}
	if a.maps, err = w.store.StateMaps(ctx); err != nil {
		return nil, err
	}
	w.atlas = a
	return a, nil
}

// forgetAtlas drops what is kept of the shop if it is from before this run: somebody may have given the shop the rate
// that was missing.
func (w *work) forgetAtlas(ctx context.Context, kept shopAtlas) (stale bool, err error) {
	if !kept.ReadAt.Before(w.began) {
		return false, nil
	}
	err = w.store.SetCursor(ctx, atlasCursor, "")
	return err == nil, err
}

// keptAtlas gives the shop's side as the state file has it, read anew when that is old.
func (w *work) keptAtlas(ctx context.Context) (shopAtlas, error) {
	kept, err := w.savedAtlas(ctx)
	if err != nil || w.opts.Now().Sub(kept.ReadAt) < atlasKeeps {
		return kept, err
	}
	if kept, err = w.surveyShop(ctx); err != nil {
		return kept, err
	}
	return kept, w.store.SetCursor(ctx, atlasCursor, asJSON(kept))
}

// savedAtlas gives what the state file has, nothing where that cannot be read.
func (w *work) savedAtlas(ctx context.Context) (shopAtlas, error) {
	text, err := w.store.Cursor(ctx, atlasCursor)
	if err != nil {
		return shopAtlas{}, err
	}
	var kept shopAtlas
	if json.Unmarshal([]byte(text), &kept) != nil {
		return shopAtlas{}, nil
	}
	return kept, nil
}

// zone is the shop's time zone, never older than an hour. It costs one request at most: the rest of the atlas is read
// when there is something to carry.
func (w *work) zone(ctx context.Context) (*time.Location, error) {
	kept, err := w.savedAtlas(ctx)
	if err == nil && kept.Zone == "" {
		kept, err = w.keptAtlas(ctx)
	}
	if err != nil {
		return nil, err
	}
	w.shop.Speak(kept.Language)
	if now := w.opts.Now(); now.Sub(kept.ZoneAt) >= atlasKeeps {
		names, err := w.shop.Configuration(ctx, "PS_TIMEZONE")
		if err != nil {
			return nil, err
		}
		if names["PS_TIMEZONE"] == "" {
			return loadZone(kept.Zone) // an SQL error answers nothing at all; the next pass asks again
		}
		kept.Zone, kept.ZoneAt = names["PS_TIMEZONE"], now
		if err := w.store.SetCursor(ctx, atlasCursor, asJSON(kept)); err != nil {
			return nil, err
		}
	}
	return loadZone(kept.Zone)
}

func (w *work) surveyShop(ctx context.Context) (shopAtlas, error) {
	now := w.opts.Now()
	a := shopAtlas{ReadAt: now, ZoneAt: now, Countries: map[int64]string{}, Provinces: map[int64]string{}, States: map[int64]psapi.OrderState{}, Excluded: map[int64]bool{}}
	names, err := w.shop.Configuration(ctx, "PS_TIMEZONE", "PS_PRICE_ROUND_MODE", "PS_CURRENCY_DEFAULT", "PS_LANG_DEFAULT")
	if err != nil {
		return a, err
	}
	if len(names) == 0 {
		return a, noRows("configurations")
	}
	a.Zone, a.RoundMode = names["PS_TIMEZONE"], 2
	a.Base, a.Language = parseID(names["PS_CURRENCY_DEFAULT"]), parseID(names["PS_LANG_DEFAULT"])
	if mode, err := strconv.Atoi(names["PS_PRICE_ROUND_MODE"]); err == nil {
		a.RoundMode = mode
	}
	countries, err := surveyed(ctx, w, "countries", w.shop.Countries)
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
	states, err := surveyed(ctx, w, "order_states", w.shop.OrderStates)
	if err != nil {
		return a, err
	}
	for _, s := range states {
		a.States[s.ID] = s
	}
	groups, err := surveyed(ctx, w, "groups", w.shop.Groups)
	if err != nil {
		return a, err
	}
	for _, g := range groups {
		a.Excluded[g.ID] = g.TaxExcluded
	}
	currencies, err := surveyed(ctx, w, "currencies", w.shop.Currencies)
	if err != nil {
		return a, err
	}
	a.Currencies = retired(currencies)
	return a, nil
}

// surveyed reads what every shop has. None of it means that the shop could not look: an SQL error answers an empty list.
func surveyed[T any](ctx context.Context, w *work, name string, read func(context.Context, psapi.Query) (psapi.Page[T], error)) ([]T, error) {
	rows, err := readAll(ctx, w, read, psapi.Query{})
	if err == nil && len(rows) == 0 {
		err = noRows(name)
	}
	return rows, err
}

func noRows(resource string) error {
	return &problem.Error{Kind: problem.Unavailable, Where: "PrestaShop", Code: "no-rows", Message: "the shop shows no " + resource + " at all", Cure: "If it stays, look into the error log of the shop's database."}
}

// knows says whether everything that the orders refer to is in the atlas; a currency without link, which may be one
// that has been added or deleted since, and a new state make it stale.
func (a *atlas) knows(orders []psapi.Order) bool {
	for _, o := range orders {
		_, currency := a.money.linked(o.Currency)
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
// process had begun there is finished: the links it made do not make the others somebody's choice. It says whether it did.
// A preview goes on as if it had.
func (w *work) linkMissingCurrencies(ctx context.Context) (linked bool, err error) {
	a, err := w.readAtlas(ctx)
	if err != nil {
		return false, err
	}
	if w.out == nil {
		if len(a.money.links) == 0 {
			a.money.pretend()
		}
		return false, nil
	}
	begun, err := w.store.Cursor(ctx, linkingCursor)
	if err != nil || len(a.money.links) > 0 && begun == "" {
		return false, err
	}
	if err := w.store.SetCursor(ctx, linkingCursor, "begun"); err != nil {
		return false, err
	}
	if _, err := w.linkCurrencies(ctx, a.money, w.crm); err != nil {
		return false, err
	}
	if err := w.store.SetCursor(ctx, linkingCursor, ""); err != nil {
		return false, err
	}
	w.atlas = nil
	_, err = w.readAtlas(ctx)
	return true, err
}

func loadZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if name == "" || err != nil {
		return nil, &problem.Error{Kind: problem.Invalid, Where: "PrestaShop", Field: "PS_TIMEZONE", Message: "the shop's time zone " + strconv.Quote(name) + " is not known", Cure: "Choose a time zone in the shop: Preferences, General.", Cause: err}
	}
	return zone, nil
}
