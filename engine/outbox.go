package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"cartiger/problem"
	"cartiger/store"
	"cartiger/vtigerws"
)

// Outbox carries chains out in the write order of rules.md 9: intents on disk, then the writes, then link and end of
// the intent in one transaction. It never guesses: a create whose answer did not arrive is looked up by its key first.
type outbox struct {
	store *store.Store
	crm   CRM
	pace  *pace
	count *counter
	run   int64
	// counts is the entity that the run's figures are about; "" = all.
	counts   store.Entity
	careless Careless

	mu      sync.Mutex
	blocked map[string]*problem.Error // "create Leads" → why the CRM refuses the whole kind until somebody acts
}

// patience is how often a write that had no effect is tried again before the run gives up and can be resumed.
const patience = 8

// codeAway is the code of a write that was tried with all patience.
const codeAway = "away"

// Carried is what became of a chain.
type carried struct {
	ids   refs
	state store.State
	why   string // it is held or has failed
}

// carry writes the chains, several at once; no two of them may be about the same CRM record. It returns when all are
// settled or the context ends: then chains in flight are finished and those not begun are taken back.
func (o *outbox) carry(ctx context.Context, chains []Chain) ([]carried, error) {
	results := make([]carried, len(chains))
	var still store.Completion
	var writing []int
	var intents [][]store.Intent
	for i, c := range chains {
		if len(c.Writes) == 0 {
			results[i].state, results[i].why = c.State, c.Detail
			o.settle(&still, c, c.Links, c.State, c.Reason, c.Detail, nil)
			continue
		}
		writing = append(writing, i)
		intents = append(intents, o.intents(c))
	}
	if err := o.store.Complete(ctx, still); err != nil {
		return results, err
	}
	o.tally(still)
	if len(writing) == 0 {
		return results, nil
	}
	ids := make([][]int64, len(intents))
	if o.careless != SendFirst {
		var err error
		if ids, err = o.store.Intend(ctx, intents); err != nil {
			return results, err
		}
	}
	var group errgroup.Group
	var taken []int64 // intents of chains that were not begun
	var stopped error
	for n, i := range writing {
		if stopped == nil {
			stopped = o.pace.acquire(ctx)
		}
		if stopped != nil {
			taken = append(taken, ids[n]...)
			continue
		}
		group.Go(func() error {
			defer o.pace.release()
			var err error
			results[i], err = o.chain(ctx, chains[i], ids[n])
			return err
		})
	}
	err := group.Wait()
	if len(taken) > 0 {
		if dropErr := o.store.Complete(context.WithoutCancel(ctx), store.Completion{Dropped: taken}); err == nil {
			err = dropErr
		}
	}
	if err == nil {
		err = stopped
	}
	return results, err
}

func (o *outbox) intents(c Chain) []store.Intent {
	out := make([]store.Intent, len(c.Writes))
	for i, w := range c.Writes {
		out[i] = store.Intent{
			Run: o.run, Entity: c.Entity, ShopID: c.ShopID, Step: i, Name: w.Name, Body: []byte(asJSON(w)), State: store.Pending,
			LookupField: w.Lookup.Field, LookupValue: w.Lookup.Value,
		}
	}
	return out
}

// chain sends the writes of one chain in order. An error it returns ends the run; trouble of the record itself
// becomes the record's outcome.
func (o *outbox) chain(ctx context.Context, c Chain, ids []int64) (carried, error) {
	known := refs{}
	var links []store.Link
	state, why, detail := c.State, c.Reason, c.Detail
	for i, w := range c.Writes {
		last := i == len(c.Writes)-1
		write := known.resolve(w.Write)
		var record vtigerws.Record
		var err error
		if ids == nil {
			record, ids, err = o.sendFirst(ctx, c, write)
		} else {
			record, err = o.send(ctx, write, w.Lookup, ids[i])
		}
		var done store.Completion
		switch {
		case err == nil:
			done.Done = []store.DoneIntent{{ID: ids[i], CRMID: record.ID()}}
		case w.Beside && problem.KindOf(err) == problem.NotFound:
			state, why = verdict(err)
			detail = refusal(write, err)
			record, done.Dropped = vtigerws.Record{"id": write.ID}, []int64{ids[i]}
		case leaseLost(err):
			return carried{}, err // who has it now settles what we leave open
		case problem.Temporary(err) || ctx.Err() != nil || problem.KindOf(err) == problem.Unknown || connection(err):
			return o.giveUp(ctx, ids[i:], err)
		default:
			return o.refuse(ctx, c, links, ids[i:], write, err)
		}
		known.add(w.Name, record)
		for _, l := range w.Links {
			if l.CRMID == "" {
				l.CRMID = idFor(l.Module, w.Write, record)
			}
			l.CRMID = known.value(l.CRMID)
			links = append(links, l)
			done.Links = append(done.Links, l)
		}
		if text := otherTotal(write, record); text != "" {
			done.Entries = append(done.Entries, store.Entry{Level: "warning", Run: o.run, Entity: c.Entity, ShopID: c.ShopID, Label: c.Label, Message: text})
		}
		if last {
			for _, l := range c.Links {
				l.CRMID = known.value(l.CRMID)
				links = append(links, l)
			}
			o.settle(&done, c, links, state, why, detail, &write)
		}
		// The answer is here: it is written down even when somebody wants us to stop.
		if err := o.store.Complete(context.WithoutCancel(ctx), done); err != nil {
			return carried{ids: known}, err
		}
		o.tally(done)
		o.pace.succeeded()
	}
	return carried{ids: known, state: state}, nil
}

// otherTotal says that the CRM came to another total than the document that was sent, to the cent; "" = it did not.
// Nothing that is sent can rule that out on 6.x (wire/vtiger.md 3b, stray taxes).
func otherTotal(w vtigerws.Write, answer vtigerws.Record) string {
	stored, err := vtigerws.Amount(answer["hdnGrandTotal"])
	if w.Document == nil || err != nil || stored.Round(2).Equal(w.Document.Total.Round(2)) {
		return ""
	}
	return fmt.Sprintf("%s %s: the CRM's total is %s, the shop's is %s; verify with repair writes it again",
		w.Module, answer.ID(), stored.StringFixed(2), w.Document.Total.StringFixed(2))
}

// send sends one write until its outcome is known.
func (o *outbox) send(ctx context.Context, w vtigerws.Write, find Lookup, intent int64) (vtigerws.Record, error) {
	if err := o.refusedKind(w); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		if err := o.store.Holding(context.WithoutCancel(ctx)); err != nil {
			return nil, err
		}
		// A write that has left us is waited for, also when somebody wants us to stop.
		record, err := o.crm.Do(context.WithoutCancel(ctx), w)
		if err == nil {
			return asRecord(w, record), nil
		}
		if w.Op == vtigerws.OpDelete && problem.KindOf(err) == problem.NotFound {
			return vtigerws.Record{"id": w.ID}, nil // by us, when the answer was lost, or by a person
		}
		if noteErr := o.store.Attempted(context.WithoutCancel(ctx), intent, err.Error()); noteErr != nil {
			return nil, noteErr
		}
		switch {
		case problem.KindOf(err) == problem.Unknown:
			if trouble, _ := problem.Of(err); trouble.Code == vtigerws.CodeUnsettled {
				return nil, err // it may still be running: a look-up could come too early
			}
			if found, lookErr := o.arrived(context.WithoutCancel(ctx), w, find); lookErr != nil {
				// Nobody can say whether it arrived: the intent stays open and is looked up before anything else.
				return nil, &problem.Error{Kind: problem.Unknown, Where: "vtiger", Message: "whether a write arrived could not be looked up: " + lookErr.Error(), Cause: lookErr}
			} else if found != nil && whole(w, found) {
				return found, nil
			} else if found != nil {
				// The save died between header and lines: from here on the same document is written over it.
				w = vtigerws.Write{Op: vtigerws.OpUpdate, Module: w.Module, ID: found.ID(), Fields: w.Fields, Document: w.Document}
			}
			if attempt >= patience {
				// The CRM answers look-ups but dies on this write: the record's trouble, not the run's.
				return nil, &problem.Error{Kind: problem.Invalid, Where: "vtiger", Code: "crash", Message: fmt.Sprintf("the CRM failed %d times while saving it, the last time: %v", attempt, err), Cure: "Look at the CRM's PHP error log, then retry this record."}
			}
		case !problem.Temporary(err):
			if !connection(err) {
				o.noteRefusal(w, err)
			}
			return nil, err
		}
		if attempt >= patience {
			return nil, &problem.Error{Kind: problem.Unavailable, Where: "vtiger", Code: codeAway, Message: fmt.Sprintf("gave up after %d tries: %v", attempt, err), Cure: "Start again later: it goes on where it stopped.", Cause: err}
		}
		o.pace.struggled(err, attempt)
		if waitErr := sleepUntil(ctx, backoff(attempt), nil); waitErr != nil {
			return nil, &problem.Error{Kind: problem.Unavailable, Where: "vtiger", Message: err.Error(), Cause: waitErr}
		}
	}
}

// whole says whether a found order or invoice has the total that it was sent with. PHP saves without a transaction: a
// fatal error or a time-out leaves a header with some lines and no total (wire/vtiger.md 3a, 7).
func whole(w vtigerws.Write, found vtigerws.Record) bool {
	if w.Document == nil {
		return true
	}
	total, err := vtigerws.Amount(found["hdnGrandTotal"])
	return err == nil && total.Round(2).Equal(w.Document.Total.Round(2))
}

// asRecord gives the answer of a conversion the form of the Contact it made.
func asRecord(w vtigerws.Write, answer vtigerws.Record) vtigerws.Record {
	if w.Op != vtigerws.OpConvert {
		return answer
	}
	return vtigerws.Record{"id": answer["contactId"], "account_id": answer["accountId"]}
}

// idFor is the id that a link of a write gets: a conversion makes an Account besides its Contact.
func idFor(module string, w vtigerws.Write, record vtigerws.Record) string {
	if w.Op == vtigerws.OpConvert && module == Accounts {
		return record["account_id"]
	}
	return record.ID()
}

// arrived looks up what a create made whose answer was lost. A found record may be half written: the order's
// planner sees that by its empty total. Updates are simply sent again: they set values.
func (o *outbox) arrived(ctx context.Context, w vtigerws.Write, find Lookup) (vtigerws.Record, error) {
	if w.Op == vtigerws.OpUpdate || w.Op == vtigerws.OpDelete || find.Field == "" || o.careless == NoLook {
		return nil, nil
	}
	found, err := look(ctx, o.crm, find.Module, find.Field, []Lookup{find})
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// look finds the records of several lookups of one module and field: one query for a hundred of them.
func look(ctx context.Context, crm CRM, module, field string, finds []Lookup) ([]vtigerws.Record, error) {
	values := make([]string, len(finds))
	wanted := map[string]bool{field: true}
	for i, f := range finds {
		values[i] = f.Value
		for name := range f.And {
			wanted[name] = true
		}
	}
	switch module {
	case SalesOrder, Invoice:
		wanted["hdnGrandTotal"] = true
	case Contacts:
		wanted["account_id"] = true
	}
	var fields []string
	for name := range wanted {
		fields = append(fields, name)
	}
	records, err := crm.Find(ctx, module, field, values, fields...)
	if err != nil {
		return nil, err
	}
	out := make([]vtigerws.Record, len(finds))
	for i, f := range finds {
		for _, r := range records {
			if out[i] == nil && f.is(r) {
				out[i] = r
			}
		}
	}
	return out, nil
}

// is says whether a record is the one that the lookup means.
func (l Lookup) is(r vtigerws.Record) bool {
	if Fold(r[l.Field]) != Fold(l.Value) {
		return false
	}
	for name, v := range l.And {
		if Fold(r[name]) != Fold(v) {
			return false
		}
	}
	return true
}

// leaseLost says that another process has the right to write by now.
func leaseLost(err error) bool {
	p, ok := problem.Of(err)
	return ok && p.Kind == problem.Conflict && p.Code == "lease"
}

// connection says that an error is about reaching a server at all, not about the record that was to be written.
func connection(err error) bool {
	p, ok := problem.Of(err)
	return ok && slices.Contains([]string{"redirect", "http", "tls", "dns", "connect"}, p.Code)
}

// giveUp ends a chain whose write could not be sent; the record stays pending and the run ends resumable.
func (o *outbox) giveUp(ctx context.Context, rest []int64, err error) (carried, error) {
	if problem.KindOf(err) == problem.Unknown {
		return carried{}, err
	}
	if dropErr := o.store.Complete(context.WithoutCancel(ctx), store.Completion{Dropped: rest}); dropErr != nil {
		return carried{}, dropErr
	}
	return carried{}, ctxErr(ctx, err)
}

// refuse ends a chain that the CRM does not accept: held when a person can remove the reason, else failed.
func (o *outbox) refuse(ctx context.Context, c Chain, links []store.Link, rest []int64, w vtigerws.Write, err error) (carried, error) {
	state, reason := verdict(err)
	done := store.Completion{Dropped: rest}
	c.Warnings = nil
	o.settle(&done, c, links, state, reason, refusal(w, err), &w)
	if dropErr := o.store.Complete(context.WithoutCancel(ctx), done); dropErr != nil {
		return carried{}, dropErr
	}
	o.tally(done)
	return carried{state: state, why: refusal(w, err)}, nil
}

// refusal tells which write the CRM refused, why, and what to do.
func refusal(w vtigerws.Write, err error) string {
	detail := fmt.Sprintf("%s %s: %v", w.Op, w.Module, err)
	if trouble, ok := problem.Of(err); ok && trouble.Cure != "" {
		detail += ". " + trouble.Cure
	}
	return detail
}

// verdict says what a refusal means for the record.
func verdict(err error) (store.State, string) {
	trouble, ok := problem.Of(err)
	switch {
	case !ok:
		return store.Failed, "internal"
	case trouble.Kind == problem.Unauthorised:
		return store.Held, "rights"
	case trouble.Field != "":
		return store.Held, "mandatory"
	case trouble.Kind == problem.NotFound:
		return store.Failed, "gone"
	case trouble.Kind == problem.Internal:
		return store.Failed, "internal"
	}
	return store.Failed, "refused"
}

// noteRefusal remembers that the CRM refuses a whole kind of write: the rest of that kind is held without being sent,
// others go on (failure-cases 23, 32).
func (o *outbox) noteRefusal(w vtigerws.Write, err error) {
	trouble, ok := problem.Of(err)
	if !ok || w.Op != vtigerws.OpCreate {
		return
	}
	_, sent := w.Fields[trouble.Field]
	if trouble.Kind == problem.Unauthorised || trouble.Field != "" && !sent {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.blocked[string(w.Op)+" "+w.Module] = trouble
	}
}

// unblock lets refused kinds be tried again.
func (o *outbox) unblock() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.blocked)
}

func (o *outbox) refusedKind(w vtigerws.Write) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if trouble, ok := o.blocked[string(w.Op)+" "+w.Module]; ok {
		return trouble
	}
	return nil
}

// settle writes the end of a chain into a completion: links, the outcome of the record and its followers, the log.
func (o *outbox) settle(done *store.Completion, c Chain, links []store.Link, state store.State, reason, detail string, sent *vtigerws.Write) {
	if len(c.Writes) == 0 || state == store.Held || state == store.Failed {
		done.Links = append(done.Links, links...)
	} else {
		done.Links = append(done.Links, c.resolved(links)...)
	}
	for _, text := range c.Warnings {
		done.Entries = append(done.Entries, store.Entry{Level: "warning", Run: o.run, Entity: c.Entity, ShopID: c.ShopID, Label: c.Label, Message: text})
	}
	if c.Quiet && state != store.Held && state != store.Failed || c.ShopID == sharedAccountID && c.Entity == store.Customer {
		return // who needs it tells
	}
	outcome := store.Outcome{Entity: c.Entity, ShopID: c.ShopID, State: state, Reason: reason, Detail: detail, Label: c.Label, CRM: located(links), Run: o.run}
	if sent != nil {
		outcome.Sent = asJSON(sent)
	}
	level := "info"
	if state == store.Failed || state == store.Held {
		level = "warning"
	}
	message := firstOf(detail, outcome.CRM)
	done.Outcomes = append(done.Outcomes, outcome)
	done.Entries = append(done.Entries, store.Entry{Level: level, Run: o.run, Entity: c.Entity, ShopID: c.ShopID, Label: c.Label, State: state, Message: message})
	for _, id := range c.Followers {
		follower := outcome
		follower.ShopID = id
		if state == store.Created || state == store.Updated {
			follower.State, follower.Detail = store.Unchanged, fmt.Sprintf("is the same as %s %d", c.Entity, c.ShopID)
		}
		done.Outcomes = append(done.Outcomes, follower)
	}
}

// resolved gives the links of the chain itself; those of its writes are on disk already.
func (c Chain) resolved(links []store.Link) []store.Link {
	return links[len(links)-len(c.Links):]
}

// located names the CRM records of links once each: "Contacts 4x12, Accounts 3x4".
func located(links []store.Link) string {
	var out []string
	seen := map[string]bool{}
	for _, l := range links {
		if text := l.Module + " " + l.CRMID; !seen[text] {
			seen[text] = true
			out = append(out, text)
		}
	}
	return strings.Join(out, ", ")
}

// tally counts the outcomes that are on disk. An export of orders also makes customers and products; it counts orders.
func (o *outbox) tally(done store.Completion) {
	for _, outcome := range done.Outcomes {
		if o.counts == "" || o.counts == outcome.Entity {
			o.count.add(outcome.State)
		}
	}
}

// recover settles what a dead process left open: it asks whether the first open write of each chain arrived, links
// what did, and takes the rest back. Planning then goes on from what is there.
func (o *outbox) recover(ctx context.Context) error {
	open, err := o.store.OpenIntents(ctx)
	if err != nil || len(open) == 0 {
		return err
	}
	type suspect struct {
		intent store.Intent
		write  PlannedWrite
	}
	byPlace := map[[2]string][]suspect{}
	var done store.Completion
	asked := map[string]bool{} // chains whose first open write is found
	for _, in := range open {
		if in.State != store.Pending {
			continue
		}
		chain := fmt.Sprintf("%s %d", in.Entity, in.ShopID)
		var w PlannedWrite
		if err := json.Unmarshal(in.Body, &w); err != nil {
			return &problem.Error{Kind: problem.Internal, Where: "state file", Message: "an open write cannot be read", Cause: err}
		}
		if o.careless == NoLook || asked[chain] || w.Write.Op == vtigerws.OpUpdate || w.Write.Op == vtigerws.OpDelete || w.Lookup.Field == "" {
			done.Dropped = append(done.Dropped, in.ID)
			asked[chain] = true
			continue
		}
		asked[chain] = true
		place := [2]string{w.Lookup.Module, w.Lookup.Field}
		byPlace[place] = append(byPlace[place], suspect{in, w})
	}
	for place, suspects := range byPlace {
		finds := make([]Lookup, len(suspects))
		for i, s := range suspects {
			finds[i] = s.write.Lookup
		}
		found, err := look(ctx, o.crm, place[0], place[1], finds)
		if err != nil {
			return err
		}
		for i, s := range suspects {
			if found[i] == nil {
				done.Dropped = append(done.Dropped, s.intent.ID)
				continue
			}
			done.Done = append(done.Done, store.DoneIntent{ID: s.intent.ID, CRMID: found[i].ID()})
			for _, l := range s.write.Links {
				if l.CRMID != "" {
					continue // of another record; its planner looks at it again
				}
				l.CRMID = idFor(l.Module, s.write.Write, found[i])
				// Whether a found order is whole is not known: its planner writes it again.
				if place[0] == SalesOrder || place[0] == Invoice {
					l.Mirrored = ""
				}
				done.Links = append(done.Links, l)
			}
			done.Entries = append(done.Entries, store.Entry{Level: "info", Run: o.run, Entity: s.intent.Entity, ShopID: s.intent.ShopID, Label: s.write.Lookup.Value, Message: "an interrupted write had arrived: " + place[0] + " " + found[i].ID()})
		}
	}
	return o.store.Complete(ctx, done)
}
