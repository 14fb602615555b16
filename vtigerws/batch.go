package vtigerws

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"cartiger/problem"
)

// batchOperation is the operation that the CRM-side module registers (wire/vtiger.md 3e).
const batchOperation = "prestashop.batch"

// MaxBatch is how many writes one batch takes; a hundred creates keep the CRM busy for one to two seconds.
const MaxBatch = 100

// reference is how a write of a batch names the record of an earlier one: "@0.id".
var reference = regexp.MustCompile(`^@[0-9]+\.id$`)

// Result is what became of one write of a batch: its record, or its error with the same meaning as in Do.
type Result struct {
	Record Record
	Err    error
}

// Batch sends several creates, updates and deletes in one request, in order; each stands for itself, one that fails does
// not stop the others. A field value, an id or a line's product may be "@N.id", the id of what the N-th write (from 0)
// made. It needs Dialect.Batch; on 5.1.0 updates cannot be batched. An error means that no write ran, or, of kind
// problem.Unknown, that each of them may have.
func (c *Client) Batch(ctx context.Context, writes []Write) ([]Result, error) {
	facts, err := c.ready(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case len(writes) == 0:
		return nil, nil
	case !facts.Dialect.Batch:
		return nil, rule("this CRM has no " + batchOperation)
	case len(writes) > MaxBatch:
		return nil, rule(fmt.Sprintf("%d writes in one batch; at most %d", len(writes), MaxBatch))
	}
	for _, w := range writes {
		if err := c.checkOwner(ctx, w, facts); err != nil {
			return nil, err
		}
	}
	q, single, err := composeBatch(writes, facts)
	if err != nil {
		return nil, err
	}
	raw, err := c.inSession(ctx, q)
	if err != nil {
		return nil, err
	}
	return readBatch(writes, q, single, raw)
}

// composeBatch packs the requests of the writes into the calls of one.
func composeBatch(writes []Write, facts Facts) (q call, single []call, err error) {
	q = call{op: batchOperation, post: true, write: true}
	type packed struct {
		Op          string            `json:"op"`
		ElementType string            `json:"elementType,omitempty"`
		ID          string            `json:"id,omitempty"`
		Element     json.RawMessage   `json:"element,omitempty"`
		Form        map[string]string `json:"form,omitempty"`
	}
	calls := make([]packed, 0, len(writes))
	for _, w := range writes {
		if w.Op == OpConvert || w.Op == OpUpdate && !facts.Dialect.Revise {
			return q, nil, rule(string(w.Op) + " cannot be batched on this CRM")
		}
		one, err := compose(w, facts)
		if err != nil {
			return q, nil, err
		}
		single = append(single, one)
		p := packed{Op: one.op, ElementType: w.Module}
		for _, param := range one.params {
			switch param.name {
			case "elementType":
			case "id":
				p.ID = param.value
			case "element":
				p.Element = json.RawMessage(param.value)
			default:
				if p.Form == nil {
					p.Form = map[string]string{}
				}
				p.Form[param.name] = param.value
			}
		}
		calls = append(calls, p)
	}
	text, err := encode(calls)
	if err != nil {
		return q, nil, rule("the batch cannot be written as JSON: " + plain(err.Error(), 160))
	}
	q.params = form{{"calls", text}}
	return q, single, nil
}

// readBatch reads one envelope per write. What the answer does not tell is unknown.
func readBatch(writes []Write, q call, single []call, raw json.RawMessage) ([]Result, error) {
	var answers list[envelope]
	if json.Unmarshal(raw, &answers) != nil {
		return nil, misshapen(q)
	}
	results := make([]Result, len(writes))
	for i, w := range writes {
		switch {
		case i >= len(answers) || !answers[i].whole():
			results[i].Err = misshapen(single[i])
		case *answers[i].Success:
			results[i].Record, results[i].Err = readWritten(w, single[i], answers[i].Result)
		default:
			results[i].Err = denied(single[i], *answers[i].Error)
		}
	}
	return results, nil
}

// hasBatch asks whether the CRM-side module also brings its operation: an empty batch changes nothing, and a CRM that
// does not know the operation dies on it.
func (c *Client) hasBatch(ctx context.Context) bool {
	raw, err := c.inSession(ctx, call{op: batchOperation, post: true, write: true, params: form{{"calls", "[]"}}})
	var answers list[envelope]
	if err != nil && problem.KindOf(err) != problem.Unknown {
		c.log.DebugContext(ctx, "cannot tell whether the CRM takes batches", "error", err)
	}
	return err == nil && json.Unmarshal(raw, &answers) == nil && len(answers) == 0
}
