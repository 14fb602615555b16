package engine

import (
	"context"
	"time"

	"cartiger/psapi"
	"cartiger/vtigerws"
)

// Shop is what the engine needs of PrestaShop; *psapi.Client is one.
type Shop interface {
	Probe(ctx context.Context) (psapi.Facts, error)
	Configuration(ctx context.Context, names ...string) (map[string]string, error)
	Customers(ctx context.Context, q psapi.Query) (psapi.Page[psapi.Customer], error)
	Addresses(ctx context.Context, q psapi.Query) (psapi.Page[psapi.Address], error)
	Carts(ctx context.Context, q psapi.Query) (psapi.Page[psapi.Cart], error)
	Products(ctx context.Context, q psapi.Query) (psapi.Page[psapi.Product], error)
	Orders(ctx context.Context, q psapi.Query) (psapi.Page[psapi.Order], error)
	OrderDetails(ctx context.Context, q psapi.Query) (psapi.Page[psapi.OrderDetail], error)
	OrderHistories(ctx context.Context, q psapi.Query) (psapi.Page[psapi.OrderHistory], error)
	OrderStates(ctx context.Context, q psapi.Query) (psapi.Page[psapi.OrderState], error)
	OrderDiscounts(ctx context.Context, q psapi.Query) (psapi.Page[psapi.OrderDiscount], error)
	Currencies(ctx context.Context, q psapi.Query) (psapi.Page[psapi.Currency], error)
	Countries(ctx context.Context, q psapi.Query) (psapi.Page[psapi.Country], error)
	States(ctx context.Context, q psapi.Query) (psapi.Page[psapi.State], error)
	Groups(ctx context.Context, q psapi.Query) (psapi.Page[psapi.Group], error)
	StockMovements(ctx context.Context, q psapi.Query) (psapi.Page[psapi.StockMovement], error)
	// Speak tells the shop's default language as it was read lately, so that it is not asked for again.
	Speak(language int64)
	// IDs lists only the ids of a resource (minimal list, keyset), for counts and sweeps.
	IDs(ctx context.Context, resource string, after int64) (ids []int64, more bool, err error)
	// Newest is the highest id of a resource, 0 when it has no row.
	Newest(ctx context.Context, resource string) (int64, error)
	// Clock is the shop's clock minus ours as its last answer showed it.
	Clock() (skew time.Duration, known bool)
	// Requests counts what was sent since the client was made.
	Requests() int64
}

// CRM is what the engine needs of vtiger; *vtigerws.Client is one. It is safe for concurrent use:
// each call takes a session of its own from the client's pool (wire/vtiger.md 1, session lock).
type CRM interface {
	Login(ctx context.Context) (vtigerws.Facts, error)
	// Steps logs in like Login and reports each step as it ends; with modules named it also asks for their rights.
	Steps(ctx context.Context, modules []string, report func(step string, took time.Duration, err error)) (vtigerws.Facts, error)
	Describe(ctx context.Context, module string) (vtigerws.Module, error)
	// Find returns every record of a module whose field equals one of the values, the oldest first, re-compared
	// for accents and blanks (not for case); it splits the list to stay under the URL limit and pages by id.
	Find(ctx context.Context, module, field string, values []string, fields ...string) ([]vtigerws.Record, error)
	// List pages through a module by id: records after the given id, oldest first, at most 100.
	List(ctx context.Context, module, after string, fields ...string) ([]vtigerws.Record, error)
	// Search returns up to 20 records whose field contains the text, for a person to choose from.
	Search(ctx context.Context, module, field, text string, fields ...string) ([]vtigerws.Record, error)
	Count(ctx context.Context, module string) (int64, error)
	Retrieve(ctx context.Context, id string) (vtigerws.Record, error)
	Do(ctx context.Context, w vtigerws.Write) (vtigerws.Record, error)
	Currencies(ctx context.Context) ([]vtigerws.Currency, error)
	BaseCurrency(ctx context.Context) (vtigerws.Currency, error)
	CreateCurrency(ctx context.Context, c vtigerws.Currency) (vtigerws.Currency, error)
	UpdateCurrency(ctx context.Context, c vtigerws.Currency) error
	// Fence returns once no request of these sessions is running in the CRM any more: PHP serialises the requests of a
	// session, so an answer in it says that what a dead process sent has ended (wire/vtiger.md 1, session lock).
	Fence(ctx context.Context, sessions []string) error
	// Forget makes the next Describe ask again: a field may become mandatory at any time.
	Forget()
	// SetWorkers bounds how many sessions, and so how many requests, run at once.
	SetWorkers(n int)
	Requests() int64
}
