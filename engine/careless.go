package engine

import (
	"context"

	"cartiger/store"
	"cartiger/vtigerws"
)

// Careless is a safeguard of the write order (rules.md 9.3) to do without, "" = none. Tests set it to prove that the
// crash matrix would notice; nothing else does.
type Careless string

// The two orders that everything hangs on.
const (
	NoLook    Careless = "no-look"    // a write whose outcome is unknown is sent again without looking it up
	SendFirst Careless = "send-first" // the intents of a chain are put on disk after its first write was answered
)

// sendFirst is the wrong way round.
func (o *outbox) sendFirst(ctx context.Context, c Chain, w vtigerws.Write) (vtigerws.Record, []int64, error) {
	record, err := o.crm.Do(ctx, w)
	if err != nil {
		return nil, nil, err
	}
	ids, err := o.store.Intend(ctx, [][]store.Intent{o.intents(c)})
	if err != nil {
		return nil, nil, err
	}
	return asRecord(w, record), ids[0], nil
}
