package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cartiger/engine"
	"cartiger/problem"
	"cartiger/store"
	"cartiger/ui/text"
)

// outcomeLine is what became of a shop record, in `records --json`. What was sent and answered is only in `records
// show`: it is long, and of use for one record at a time.
type outcomeLine struct {
	Entity   store.Entity    `json:"entity"`
	ShopID   int64           `json:"shop_id"`
	Label    string          `json:"label"`
	State    store.State     `json:"state"`
	Reason   string          `json:"reason,omitempty"`
	Detail   string          `json:"detail,omitempty"`
	CRM      string          `json:"crm,omitempty"`
	Attempts int             `json:"attempts"`
	Run      int64           `json:"run,omitempty"`
	Since    time.Time       `json:"since"` // when this state began; At is the last look
	At       time.Time       `json:"at"`
	Sent     json.RawMessage `json:"sent,omitempty"`
	Answer   string          `json:"answer,omitempty"`
}

// outcomeOf has times in UTC, as all JSON has: a reader elsewhere does not know this computer's clock.
func outcomeOf(o store.Outcome) outcomeLine {
	return outcomeLine{
		Entity: o.Entity, ShopID: o.ShopID, Label: o.Label, State: o.State, Reason: o.Reason, Detail: o.Detail, CRM: o.CRM,
		Attempts: o.Attempts, Run: o.Run, Since: o.Since.UTC(), At: o.At.UTC(),
	}
}

// selection is the flags that narrow records, the same for list and retry: what a list has shown can be retried.
type selection struct {
	entity string
	states []string
	filter store.Filter
}

func (s *selection) flags(p *Program, c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.entity, "entity", "", "only `ENTITY`: customer, product or order")
	f.StringSliceVar(&s.states, "only", nil, "only `OUTCOME`: held, failed, created, updated, unchanged (default held and failed)")
	f.StringVar(&s.filter.Reason, "reason", "", "only with this `REASON`, such as currency, mandatory or rights")
	_ = c.RegisterFlagCompletionFunc("reason", p.suggest(completeReasons))
	f.StringVar(&s.filter.Text, "text", "", "only with `TEXT` in their name or reason")
	f.Int64Var(&s.filter.ShopID, "id", 0, "only this shop `ID`")
}

// In the order of the summaries, and of what --only takes.
var (
	entities = []store.Entity{store.Customer, store.Product, store.Order, store.Invoice}
	states   = []store.State{store.Held, store.Failed, store.Created, store.Updated, store.Unchanged}
)

// parseEntity takes the plural too, because people write both.
func parseEntity(name string) (store.Entity, error) {
	entity := store.Entity(strings.TrimSuffix(name, "s"))
	if entity == store.Invoice || !slices.Contains(entities, entity) {
		return "", misuse{&problem.Error{Kind: problem.Invalid, Field: "entity", Message: "there is no entity " + name, Cure: "Use customer, product or order; an invoice goes with its order."}}
	}
	return entity, nil
}

// read checks the words before anything is asked: an outcome with a slip would match nothing, and "No such records"
// would be taken for good news.
func (s *selection) read() (store.Filter, error) {
	f := s.filter
	if s.entity != "" {
		var err error
		if f.Entity, err = parseEntity(s.entity); err != nil {
			return f, err
		}
	}
	for _, name := range s.states {
		if !slices.Contains(states, store.State(name)) {
			return f, misuse{&problem.Error{Kind: problem.Invalid, Where: "records", Field: "only", Message: "there is no outcome " + name, Cure: "Use held, failed, created, updated or unchanged."}}
		}
		f.States = append(f.States, store.State(name))
	}
	return f, nil
}

func (p *Program) recordsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "records",
		Short:   "List, show and retry held and failed records",
		Long:    "Every shop record ends as created, updated, unchanged, held or failed. A held one goes by itself once its reason is gone; a failed one needs a person and a retry.",
		Example: "  cartiger records list\n  cartiger records show order 812\n  cartiger records retry --reason currency",
	}
	c.AddCommand(p.recordsListCommand(), p.recordsShowCommand(), p.recordsRetryCommand())
	return c
}

func (p *Program) recordsListCommand() *cobra.Command {
	var s selection
	c := &cobra.Command{
		Use: "list", Short: "Print every held and failed record with its reason",
		Example: "  cartiger records list --entity order\n  cartiger records list --only created --limit 20 --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := s.read()
			if err != nil {
				return err
			}
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				outcomes, err := e.Records(ctx, f)
				if err != nil {
					return err
				}
				if p.json {
					lines := make([]outcomeLine, len(outcomes))
					for i, o := range outcomes {
						lines[i] = outcomeOf(o)
					}
					return p.document(map[string]any{"records": lines})
				}
				if len(outcomes) == 0 {
					p.note("No such records.")
					return nil
				}
				rows := make([][]string, len(outcomes))
				for i, o := range outcomes {
					rows[i] = []string{string(o.Entity), fmt.Sprint(o.ShopID), o.Label, string(o.State), o.Since.Local().Format(time.DateTime), nonEmpty(o.Detail, o.CRM)}
				}
				p.table([]column{"ENTITY", ">ID", "RECORD", "STATE", "SINCE", "REASON"}, rows)
				return nil
			})
		},
	}
	s.flags(p, c)
	c.Flags().IntVar(&s.filter.Limit, "limit", 0, "at most `N`; 0 = all")
	return c
}

// nonEmpty is the first value that says something.
func nonEmpty(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// recordDocument is `records show --json`. Links and open writes are lists even when there are none.
type recordDocument struct {
	outcomeLine
	Links   []linkLine      `json:"links"`
	Open    []openLine      `json:"open"`
	WouldDo *engine.Planned `json:"would_do,omitempty"`
}

// linkLine is a CRM record that this shop record is; Key finds it again without the state file.
type linkLine struct {
	Module string    `json:"module"`
	CRMID  string    `json:"crm_id"`
	Key    string    `json:"key"`
	At     time.Time `json:"at"`
}

// openLine is a write whose answer is not on disk: it may have reached the CRM, which is looked up before it is sent
// again.
type openLine struct {
	Name      string            `json:"name"`
	State     store.IntentState `json:"state"`
	Attempts  int               `json:"attempts"`
	LastError string            `json:"last_error,omitempty"`
	Write     json.RawMessage   `json:"write,omitempty"`
}

func (p *Program) recordsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ENTITY ID", Short: "Print one record: what was sent and answered, its links, what would be sent now", ValidArgsFunction: p.suggest(completeRecords),
		Example: "  cartiger records show order 812\n  cartiger records show customer 7 --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			entity, err := parseEntity(args[0])
			if err != nil {
				return err
			}
			id, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return wrong(cmd, "id", "%q is not the id of a shop record", args[1])
			}
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error {
				view, err := e.Record(ctx, entity, id)
				if err != nil {
					return err
				}
				// What is written has nothing left to do; only of the others it is asked.
				var would *engine.Planned
				if s := view.Outcome.State; s == store.Held || s == store.Failed {
					// The servers are asked, and may be away: what the file knows is told all the same.
					if now, err := e.Would(ctx, entity, id); err != nil {
						p.note("What would be sent now is not known: %s", text.Clean(complaintOf(err).Message))
					} else {
						would = &now
					}
				}
				return p.showRecord(entity, id, view, would)
			})
		},
	}
}

// raw is stored JSON as it is; what is none is shown as a string. One record that is stored badly must not make the
// whole document unreadable.
func raw(stored string) json.RawMessage {
	if stored == "" {
		return nil
	}
	if json.Valid([]byte(stored)) {
		return json.RawMessage(stored)
	}
	quoted, err := json.Marshal(stored)
	if err != nil {
		return nil // a string always has a JSON form
	}
	return quoted
}

func (p *Program) showRecord(entity store.Entity, id int64, v engine.RecordView, would *engine.Planned) error {
	doc := recordDocument{outcomeLine: outcomeOf(v.Outcome), Links: []linkLine{}, Open: []openLine{}, WouldDo: would}
	doc.Entity, doc.ShopID = entity, id // a record may have links and no outcome
	doc.Sent, doc.Answer = raw(v.Outcome.Sent), v.Outcome.Answer
	for _, l := range v.Links {
		doc.Links = append(doc.Links, linkLine{l.Module, l.CRMID, l.Key, l.At.UTC()})
	}
	for _, in := range v.Open {
		doc.Open = append(doc.Open, openLine{in.Name, in.State, in.Attempts, in.LastError, raw(string(in.Body))})
	}
	if p.json {
		return p.document(doc)
	}
	var rows [][]string
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("record", fmt.Sprintf("%s %d  %s", entity, id, doc.Label))
	add("state", string(doc.State))
	add("reason", doc.Reason)
	if !v.Outcome.Since.IsZero() {
		add("since", v.Outcome.Since.Local().Format(time.DateTime))
	}
	add("why", doc.Detail)
	add("written", doc.CRM)
	for _, l := range doc.Links {
		add("link", l.Module+" "+l.CRMID+"  "+l.Key)
	}
	for _, o := range doc.Open {
		add("open write", fmt.Sprintf("%s, %d tries %s", o.Name, o.Attempts, o.LastError))
	}
	add("last sent", v.Outcome.Sent)
	add("answer", v.Outcome.Answer)
	if doc.WouldDo != nil {
		add("would now", string(doc.WouldDo.State)+": "+strings.TrimPrefix(strings.Join(doc.WouldDo.Writes, ", ")+". "+doc.WouldDo.Detail, ". "))
	}
	for _, row := range rows {
		// What was sent is a long line of JSON: under the names it would be lost.
		for i, line := range text.Wrap(row[1], 96) {
			name := row[0]
			if i > 0 {
				name = ""
			}
			p.say("%s  %s", text.Pad(name, 10), line)
		}
	}
	return nil
}

// recordsRetryCommand is for failed records, and for people who will not wait until watch looks at held ones again.
func (p *Program) recordsRetryCommand() *cobra.Command {
	var s selection
	c := &cobra.Command{
		Use: "retry", Short: "Try held and failed records again, all or those selected",
		Example: "  cartiger records retry\n  cartiger records retry --entity order --reason currency\n  cartiger records retry --entity order --id 812",
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := s.read()
			if err != nil {
				return err
			}
			return p.with(cmd.Context(), func(ctx context.Context, e *engine.Engine) error { return p.retry(ctx, e, f) })
		},
	}
	s.flags(p, c)
	return c
}

func (p *Program) retry(ctx context.Context, e *engine.Engine, f store.Filter) error {
	run, summaries, err := p.mixed(ctx, e, "retry", p.entry, func(ctx context.Context) error {
		_, err := e.Retry(ctx, f)
		return err
	})
	if err != nil {
		return err
	}
	// Nothing to retry is no run, but a program waits for the last line (docs/json.md).
	if run.ID == 0 {
		if p.json {
			return p.line(summaryLine{Type: "summary", Entity: "all", State: string(store.Finished)})
		}
		p.note("No such records.")
		return nil
	}
	return stoppedOr(ctx, summaries, "retry")
}
