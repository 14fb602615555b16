package vtigerws

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"cartiger/problem"
)

// catalogue keeps what describe said, by version and user, for the client's life.
type catalogue struct {
	turn    chan struct{} // held while describing: two workers do not ask for the same module
	mu      sync.Mutex
	modules map[place]Module
}

type place struct{ version, user, module string }

func (k *catalogue) find(at place) (Module, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, ok := k.modules[at]
	return m, ok
}

func (k *catalogue) keep(at place, m Module) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.modules == nil {
		k.modules = map[place]Module{}
	}
	k.modules[at] = m
}

// byPrefix finds the module whose ids start like this one, among those already described.
func (k *catalogue) byPrefix(id string) (string, bool) {
	prefix, _, _ := strings.Cut(id, "x")
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range k.modules {
		if m.IDPrefix == prefix {
			return m.Name, true
		}
	}
	return "", false
}

// Forget drops what describe said, so that the next Describe asks again: a field may have become mandatory, a right
// may have gone.
func (c *Client) Forget() {
	c.modules.mu.Lock()
	defer c.modules.mu.Unlock()
	c.modules.modules = nil
}

// Describe tells a module's rights, fields and id prefix; asked once and remembered until Forget. A module that is
// switched off, hidden or unknown is problem.Unauthorised with code ACCESS_DENIED. The module's name is case sensitive.
func (c *Client) Describe(ctx context.Context, module string) (Module, error) {
	facts, err := c.ready(ctx)
	if err != nil {
		return Module{}, err
	}
	at := place{facts.Version, facts.UserID, module}
	if m, ok := c.modules.find(at); ok {
		return m, nil
	}
	q := call{op: "describe", module: plain(module, 60), params: form{{"elementType", module}}}
	select {
	case c.modules.turn <- struct{}{}:
	case <-ctx.Done():
		return Module{}, missing(q, false, ctx.Err())
	}
	defer func() { <-c.modules.turn }()
	if m, ok := c.modules.find(at); ok {
		return m, nil
	}
	raw, err := c.inSession(ctx, q)
	if err != nil {
		return Module{}, err
	}
	m, ok := readModule(raw)
	if !ok || m.Name != module {
		return Module{}, misshapen(q)
	}
	c.modules.keep(at, m)
	return m, nil
}

// rights checks that a module allows all four operations.
func (c *Client) rights(ctx context.Context, module string) error {
	m, err := c.Describe(ctx, module)
	if err != nil {
		return err
	}
	var lacking []string
	for _, right := range []struct {
		name  string
		given bool
	}{{"create", m.Createable}, {"update", m.Updateable}, {"delete", m.Deleteable}, {"retrieve", m.Retrieveable}} {
		if !right.given {
			lacking = append(lacking, right.name)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	return &problem.Error{
		Kind: problem.Unauthorised, Where: where, Code: string(AccessDenied), Field: module,
		Message: "the user may not " + strings.Join(lacking, ", ") + " in " + module,
		Cure:    "Give the user's profile these rights in vtiger: Settings, Profiles.",
	}
}

// readModule reads the answer of describe.
func readModule(raw json.RawMessage) (Module, bool) {
	var wire struct {
		Name         scalar `json:"name"`
		Label        scalar `json:"label"`
		IDPrefix     scalar `json:"idPrefix"`
		Createable   flag   `json:"createable"`
		Updateable   flag   `json:"updateable"`
		Deleteable   flag   `json:"deleteable"`
		Retrieveable flag   `json:"retrieveable"`
		Fields       list[struct {
			Name      scalar `json:"name"`
			Label     scalar `json:"label"`
			Mandatory flag   `json:"mandatory"`
			Nullable  flag   `json:"nullable"`
			Editable  flag   `json:"editable"`
			Default   scalar `json:"default"`
			Type      struct {
				Name     scalar       `json:"name"`
				RefersTo list[scalar] `json:"refersTo"`
				Values   list[struct {
					Value scalar `json:"value"`
				}] `json:"picklistValues"`
			} `json:"type"`
		}] `json:"fields"`
	}
	if json.Unmarshal(raw, &wire) != nil || wire.Name == "" || wire.IDPrefix == "" {
		return Module{}, false
	}
	m := Module{
		Name: string(wire.Name), Label: plain(string(wire.Label), 120), IDPrefix: string(wire.IDPrefix),
		Createable: bool(wire.Createable), Updateable: bool(wire.Updateable),
		Deleteable: bool(wire.Deleteable), Retrieveable: bool(wire.Retrieveable),
	}
	for _, w := range wire.Fields {
		f := Field{
			Name: plain(string(w.Name), 80), Label: plain(string(w.Label), 120), Type: plain(string(w.Type.Name), 40), Default: string(w.Default),
			Mandatory: bool(w.Mandatory), Nullable: bool(w.Nullable), Editable: bool(w.Editable),
		}
		for _, v := range w.Type.Values {
			f.Values = append(f.Values, string(v.Value))
		}
		for _, module := range w.Type.RefersTo {
			f.RefersTo = append(f.RefersTo, string(module))
		}
		m.Fields = append(m.Fields, f)
	}
	return m, true
}
