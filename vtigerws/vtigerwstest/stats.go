package vtigerwstest

import (
	"maps"
	"sync"
)

// Stats counts the requests since the start or the last reset. A batch counts once, and so does a request that a fault
// kept from being handled.
type Stats struct {
	Total    int            `json:"total"`
	Requests map[string]int `json:"requests"` // by operation, lower case
}

type counters struct {
	mu    sync.Mutex
	stats Stats
}

func (c *counters) count(operation string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stats.Requests == nil {
		c.stats.Requests = make(map[string]int)
	}
	c.stats.Total++
	c.stats.Requests[operation]++
}

// Stats returns the counters.
func (c *CRM) Stats() Stats {
	c.stats.mu.Lock()
	defer c.stats.mu.Unlock()
	s := Stats{Total: c.stats.stats.Total, Requests: make(map[string]int)}
	maps.Copy(s.Requests, c.stats.stats.Requests)
	return s
}

// ResetStats sets the counters to zero.
func (c *CRM) ResetStats() {
	c.stats.mu.Lock()
	defer c.stats.mu.Unlock()
	c.stats.stats = Stats{}
}
