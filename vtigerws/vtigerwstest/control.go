package vtigerwstest

import (
	"encoding/json"
	"fmt"
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
		writeControl(w, c.Stats())
	case strings.HasPrefix(path, "/__records/") && r.Method == http.MethodGet:
		module := strings.TrimPrefix(path, "/__records/")
		if !c.simulates(module) {
			refuseControl(w, http.StatusNotFound, fmt.Sprintf("module %q is not simulated", module))
			return
		}
		writeControl(w, c.Records(module))
	case path == "/__fault" && r.Method == http.MethodPost:
		rules, err := fault.ParseRules(r.Body)
		if err != nil {
			refuseControl(w, http.StatusBadRequest, err.Error())
			return
		}
		c.faults.Replace(rules)
		writeControl(w, map[string]int{"rules": len(rules)})
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

func refuseControl(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	writeControl(w, map[string]string{"error": message})
}

// writeControl answers plain JSON, without PHP's habits.
func writeControl(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	// A client that has gone away is all that can fail here.
	_ = json.NewEncoder(w).Encode(v)
}
