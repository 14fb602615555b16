package vtigerws

import (
	"context"
	"errors"

	"cartiger/problem"
)

// CodeUnsettled is the code of a problem.Unknown whose write may still be running in the CRM: a look-up could come too
// early. Fence the session first, at the latest before the write is repeated.
const CodeUnsettled = "unsettled"

// fenceTries is how often a session is asked whether its last request has ended.
const fenceTries = 3

// Fence returns once no request of the sessions named is running any more. PHP holds a session's file for the whole of
// a request, so that the answer to a second one in the same session says that the first has ended, whatever became of
// its connection (wire/vtiger.md 1, session lock). A session that the CRM has forgotten counts as ended.
func (c *Client) Fence(ctx context.Context, sessions []string) error {
	var failed error
	for _, session := range sessions {
		failed = errors.Join(failed, c.fence(ctx, session))
	}
	return failed
}

func (c *Client) fence(ctx context.Context, session string) error {
	for tried := 1; ; tried++ {
		_, err := c.once(ctx, call{op: "listtypes"}, session)
		// Any answer of the CRM itself will do, also a refusal: it could only speak after the one before.
		p, failed := problem.Of(err)
		if !failed || Code(p.Code).Meaning() != "" {
			return nil
		}
		// Who did not answer in time would only be waited for as long again.
		if p.Code == codeTimeout || tried == fenceTries || !c.wait(ctx, call{op: "listtypes"}, err, tried) {
			return err
		}
	}
}

// settled waits for the end of a write whose answer did not arrive, so that a look-up afterwards is conclusive. It
// waits also when somebody wants to stop: what comes next depends on it.
func (c *Client) settled(ctx context.Context, session string, p *problem.Error) bool {
	err := c.fence(context.WithoutCancel(ctx), session)
	if err != nil {
		p.Code = CodeUnsettled
		c.log.DebugContext(ctx, "whether a lost write has ended is not known", "error", err)
	}
	return err == nil
}
