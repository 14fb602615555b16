package vtigerwstest

import (
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// batch is the operation of the CRM-side module: several calls in one request, each answered by itself. A string
// "@0.id" stands for the id that call 0 made, "@0.num" for its bare number (captures addon-batch). A PHP fatal in one
// call is the end of all, and what the calls before it wrote stays.
func (c *CRM) batch(s *session, q *request) (any, error) {
	var calls []map[string]any
	d := json.NewDecoder(strings.NewReader(q.post["calls"]))
	d.UseNumber()
	if err := d.Decode(&calls); err != nil && !errors.Is(err, io.EOF) {
		return nil, &wsError{"INVALID_CALLS", "calls is not a JSON list"}
	}
	answers := make([]object, 0, len(calls))
	for _, raw := range calls {
		result, err := c.call(s.user, resolve(asElement(raw), answers))
		var refusal *wsError
		switch {
		case err == nil:
			answers = append(answers, object{{"success", true}, {"result", result}})
		case errors.As(err, &refusal):
			answers = append(answers, object{{"success", false}, {"error", c.release.worded(refusal).object()}})
		default:
			return nil, err
		}
	}
	return answers, nil
}

// call runs one entry of a batch; form stands for the further form fields of a request of its own.
func (c *CRM) call(u *user, call element) (any, error) {
	op, _ := call.text("op")
	id, _ := call.text("id")
	e, _ := call["element"].(element)
	fields, _ := call["form"].(element)
	switch strings.ToLower(op) {
	case "create":
		module, _ := call.text("elementType")
		return c.createRecord(u, module, e, fields.text)
	case "update":
		return c.updateRecord(u, e, fields.text, false)
	case "revise":
		if c.release.hasRevise() {
			return c.updateRecord(u, e, fields.text, true)
		}
	case "delete":
		return c.removeID(u, id)
	case "retrieve":
		return c.retrieveID(u, id)
	case "query":
		query, _ := call.text("query")
		return c.queryText(u, query)
	}
	return nil, denied("")
}

var backReference = regexp.MustCompile(`^@(\d+)\.(\w+)$`)

// resolve puts the results of earlier calls where a call refers to them. A reference to a call that failed stays as it
// is, so that the server refuses it as an id.
func resolve(e element, answers []object) element {
	resolved, _ := replaceReferences(e, answers).(element)
	return resolved
}

func replaceReferences(v any, answers []object) any {
	switch v := v.(type) {
	case string:
		m := backReference.FindStringSubmatch(v)
		if m == nil {
			return v
		}
		i, err := strconv.Atoi(m[1])
		if err != nil || i >= len(answers) {
			return v
		}
		result, _ := answers[i].get("result").(object)
		if m[2] == "num" {
			id, _ := result.get("id").(string)
			_, bare, _ := strings.Cut(id, "x")
			return bare
		}
		if text, ok := result.get(m[2]).(string); ok {
			return text
		}
		return v
	case element:
		for name := range v {
			v[name] = replaceReferences(v[name], answers)
		}
		return v
	case []any:
		for i := range v {
			v[i] = replaceReferences(v[i], answers)
		}
		return slices.Clip(v)
	}
	return v
}
