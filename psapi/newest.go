package psapi

import "context"

// Newest is the highest id of a resource, 0 when it has no row: the mark from which only new rows count.
func (c *Client) Newest(ctx context.Context, resource string) (int64, error) {
	s, ok := shapes[resource]
	if !ok {
		return 0, shape{name: resource}.invalid("id", "Cartiger does not read this resource")
	}
	if resource == orderDiscounts.name && c.since15() {
		s = orderCartRules.shape
	}
	// An empty table is asked for twice: an SQL error answers the same, and a mark of 0 would take all old rows for new.
	for range 2 {
		r, err := c.get(ctx, s.name, params{{"sort", "[id_DESC]"}, {"limit", "1"}}, true)
		if err != nil {
			return 0, plain(err)
		}
		rows, err := rowsOf(r.root, s.name, 0)
		if err != nil {
			return 0, unavailable(CodeMalformed, err.Error(), "").problem
		}
		if len(rows) > 0 {
			return rows[0].id, nil
		}
	}
	return 0, nil
}
