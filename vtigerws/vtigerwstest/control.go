package vtigerwstest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"cartiger/fault"
)

// control answers what no CRM has: GET /__stats, POST /__stats/reset, GET /__records/<Module> and POST /__fault.
func (c *CRM) control(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case path == "/__stats" && r.Method == http.MethodGet:
		writeControl(w, c.Stats())
	case path == "/__stats/reset" && r.Method == http.MethodPost:
		c.ResetStats()
		w.WriteHeader(http.StatusNoContent)
	case strings.HasPrefix(path, "/__records/") && r.Method == http.MethodGet:
		module := strings.TrimPrefix(path, "/__records/")
		if !c.simulates(module) {
			http.Error(w, fmt.Sprintf("module %q is not simulated", module), http.StatusNotFound)
			return
		}
		writeControl(w, c.Records(module))
	case path == "/__fault" && r.Method == http.MethodPost:
		if err := c.setFaults(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		http.NotFound(w, r)
	}
}

// simulates says whether Records knows the module. Prestashop is always asked for; without the add-on it has no records.
func (c *CRM) simulates(module string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.modules[module] != nil || module == "Prestashop"
}

// setFaults replaces the rules in force: one per line, or JSON {"rules":[…]}; an empty body clears them.
func (c *CRM) setFaults(body io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(body, 1<<20))
	if err != nil {
		return err
	}
	lines := strings.Split(string(data), "\n")
	if strings.HasPrefix(strings.TrimSpace(string(data)), "{") {
		var list struct{ Rules []string }
		if err := json.Unmarshal(data, &list); err != nil {
			return fmt.Errorf("fault rules: %w", err)
		}
		lines = list.Rules
	}
	var rules []fault.Rule
	for _, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		rule, err := fault.ParseRule(line)
		if err != nil {
			return err
		}
		rules = append(rules, rule)
	}
	c.faults.Clear()
	for _, rule := range rules {
		c.faults.Add(rule)
	}
	return nil
}

// writeControl answers plain JSON, without PHP's habits.
func writeControl(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	// A client that has gone away is all that can fail here.
	_ = json.NewEncoder(w).Encode(v)
}
