package psapitest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"cartiger/fault"
)

// maxBody bounds what a request may send.
const maxBody = 4 << 20

// Stats counts the requests that reached the API, spoiled ones too.
type Stats struct {
	Total int `json:"total"`
	// Requests is by resource; the root document is "api", a resource that does not exist is "unknown".
	Requests map[string]int `json:"requests"`
}

// Stats are the counts since the start or the last ResetStats.
func (s *Shop) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := Stats{Requests: maps.Clone(s.stats)}
	for _, n := range s.stats {
		stats.Total += n
	}
	return stats
}

// ResetStats sets all counts to zero.
func (s *Shop) ResetStats() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.stats)
}

// ServeHTTP answers the web service below Base and, beside it, the control endpoints /__stats, /__stats/reset,
// /__act, /__fault and /__records/RESOURCE.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// routes puts the faults before the API, the counting before the faults, and the control endpoints beside them.
func (s *Shop) routes() http.Handler {
	api := fault.Handler(&s.faults, func(r *http.Request) (string, string) { return s.resourceOf(r), "" }, http.HandlerFunc(s.api))
	control := http.NewServeMux()
	control.HandleFunc("GET /__stats", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Stats()) })
	control.HandleFunc("POST /__stats/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetStats()
		writeJSON(w, s.Stats())
	})
	control.HandleFunc("POST /__act", s.serveAct)
	control.HandleFunc("POST /__fault", s.serveFault)
	control.HandleFunc("GET /__records/{resource}", s.serveRecords)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/__") {
			control.ServeHTTP(w, r)
			return
		}
		name := s.resourceOf(r)
		if name == "" { // the shop's own pages
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if r.URL.Path != s.options.Base+"/" {
				w.WriteHeader(http.StatusNotFound)
			}
			_, _ = io.WriteString(w, "<!DOCTYPE html><html><head><title>Shop</title></head><body></body></html>\n")
			return
		}
		s.mu.Lock()
		s.stats[name]++
		s.mu.Unlock()
		api.ServeHTTP(w, r)
	})
}

func (s *Shop) serveAct(w http.ResponseWriter, r *http.Request) {
	var action Action
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&action); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("action: %w", err))
		return
	}
	acted, err := s.Act(s.invented(action))
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, acted)
}

// serveFault replaces the fault rules: one per line, or {"rules": […]}; none clears them.
func (s *Shop) serveFault(w http.ResponseWriter, r *http.Request) {
	rules, err := fault.ParseRules(r.Body)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	s.faults.Replace(rules)
	writeJSON(w, map[string]int{"rules": len(rules)})
}

func (s *Shop) serveRecords(w http.ResponseWriter, r *http.Request) {
	records, err := s.records(r.PathValue("resource"))
	if err != nil {
		refuse(w, http.StatusNotFound, err)
		return
	}
	writeJSON(w, records)
}

func refuse(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	writeJSON(w, map[string]string{"error": err.Error()})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the reader has gone when this fails
}

var errNoResource = errors.New("the data set has no such resource")

// Record is a stored object as text by field name, false when there is none. A translated field stands under its name
// in the shop's default language and under NAME[ID] in each; orders also have their current_state, products their
// stored price as net. Empty id_* fields are "0".
func (s *Shop) Record(resource string, id int64) (map[string]string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table(resource)
	if t == nil {
		return nil, false
	}
	r := t.get(id)
	if r == nil {
		return nil, false
	}
	return s.record(t, r), true
}

// Records are all stored objects of a resource in id order.
func (s *Shop) Records(resource string) []map[string]string {
	records, _ := s.records(resource)
	return records
}

func (s *Shop) records(resource string) ([]map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table(resource)
	if t == nil {
		return nil, fmt.Errorf("records of %q: %w", resource, errNoResource)
	}
	records := make([]map[string]string, 0, len(t.rows))
	for _, r := range t.rows {
		records = append(records, s.record(t, r))
	}
	return records, nil
}

// record is what Record promises, of a row. s.mu is held.
func (s *Shop) record(t *table, r *row) map[string]string {
	record := make(map[string]string, len(t.fields))
	standard := castID(s.configuration("PS_LANG_DEFAULT"))
	for _, f := range t.fields {
		switch {
		case f.i18n:
			for _, text := range r.texts[f.at] {
				record[f.name+"["+strconv.FormatInt(text.language, 10)+"]"] = text.value
				if text.language == standard {
					record[f.name] = text.value
				}
			}
		case f.dynamic && t.resource == "orders":
			record[f.name] = s.currentState(r.id)
		default:
			record[f.name] = t.value(r, f.name)
		}
	}
	return record
}

// Set changes one stored value behind the shop's back: no date is touched. A translated field changes in all
// languages, in one of them as "name[2]". It panics when the object or the field does not exist: that is a mistake in the test.
func (s *Shop) Set(resource string, id int64, name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.mustTable(resource)
	r := t.get(id)
	if r == nil {
		panic(fmt.Sprintf("set %s: there is no %s %d", name, resource, id))
	}
	s.set(t, id, map[string]string{name: value})
}

// Insert stores a new object; what is missing gets what an empty row has: 0, the zero date, "". Without an id it takes
// the next one. It returns the id. It panics when a field does not exist.
func (s *Shop) Insert(resource string, values map[string]string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.insert(s.mustTable(resource), values)
}

// Delete removes an object without a trace, as the shop's physical deletions do.
func (s *Shop) Delete(resource string, id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mustTable(resource).remove(id)
}

func (s *Shop) mustTable(resource string) *table {
	t := s.table(resource)
	if t == nil {
		panic(fmt.Sprintf("%s: %v", resource, errNoResource))
	}
	return t
}

// set puts a changed copy of a row in its place.
func (s *Shop) set(t *table, id int64, values map[string]string) *row {
	r := t.get(id).copy()
	s.assign(t, r, values)
	t.put(r)
	return r
}

// assign writes values into a row that is in no table yet.
func (s *Shop) assign(t *table, r *row, values map[string]string) {
	for name, value := range values {
		name, language, one := strings.Cut(strings.TrimSuffix(name, "]"), "[")
		f, ok := t.field(name)
		if !ok || one && !f.i18n {
			panic(fmt.Sprintf("%s has no field %q", t.resource, name))
		}
		if !f.i18n {
			r.values[f.at] = value
			continue
		}
		if one {
			r.texts[f.at] = slices.Clone(r.texts[f.at])
			for i, text := range r.texts[f.at] {
				if id(text.language) == language {
					r.texts[f.at][i].value = value
				}
			}
			continue
		}
		var texts []translation
		for _, l := range s.table("languages").rows {
			texts = append(texts, translation{language: l.id, value: value})
		}
		r.texts[f.at] = texts
	}
}

const zeroDate = "0000-00-00 00:00:00"

// insert is Insert without the lock. A customer belongs to the default group.
func (s *Shop) insert(t *table, values map[string]string) int64 {
	r := &row{values: make([]string, t.values), texts: make([][]translation, t.texts), assocs: map[string][]row{}}
	blank := map[string]string{}
	for _, f := range t.fields {
		switch {
		case f.kind == date && f.name != "birthday":
			blank[f.name] = zeroDate
		case f.kind == number && !strings.HasPrefix(f.name, "id"):
			blank[f.name] = "0"
		case f.i18n:
			blank[f.name] = ""
		}
	}
	s.assign(t, r, blank)
	s.assign(t, r, values)
	if t.resource == "customers" {
		r.assocs["groups"] = []row{{values: []string{t.value(r, "id_default_group")}}}
	}
	r.id = castID(values["id"])
	return t.put(r)
}

// now is a moment of the shop's wall clock; an action may set it.
func (s *Shop) now(at string) string {
	if at != "" {
		return at
	}
	return s.options.Now().In(s.zone()).Format(stampLayout)
}
