package console

import (
	"slices"
	"strings"
)

// row is one row of a screen's body. A row with an id can hold the cursor.
type row struct {
	id   string
	line line
	kids bool // belongs to the row above it: shown and hidden with it
	wrap bool // a paragraph: broken into as many rows as it needs, see layout
}

// prose is a paragraph.
func prose(t tone, s string) row { return row{line: toned(t, s), wrap: true} }

// heading is a row of its own above others.
func heading(s string) row { return row{line: toned(strong, s)} }

// layout breaks paragraphs into rows of at most w cells; the indent of the first row is kept.
func layout(rows []row, w int) []row {
	var out []row
	for _, r := range rows {
		if !r.wrap || len(r.line) == 0 {
			out = append(out, r)
			continue
		}
		t := r.line[len(r.line)-1].tone
		s := r.line.String()
		indent := s[:len(s)-len(strings.TrimLeft(s, " "))]
		for l := range strings.SplitSeq(r.line[0].text, "\n") {
			for _, part := range wrap(strings.TrimLeft(l, " "), w-len(indent)-1) {
				out = append(out, row{line: line{{indent + part, t}}})
			}
		}
	}
	return out
}

// grid is a list of rows with a cursor, a filter and a scroll position. The cursor is kept by the row's id, so it
// stays on its record while the list changes under it.
type grid struct {
	cursor string
	moved  bool // by the person: until then the cursor is on the first row
	at     int  // where the cursor was last, for when its row disappears
	top    int  // first row shown
	filter string
}

// matching applies the filter: rows with an id must hold its text, headings stay.
func (g *grid) matching(rows []row) []row {
	if g.filter == "" {
		return rows
	}
	want := strings.ToLower(g.filter)
	var out []row
	keep := false
	for _, r := range rows {
		if !r.kids {
			keep = r.id == "" || strings.Contains(strings.ToLower(r.line.String()), want)
		}
		if keep {
			out = append(out, r)
		}
	}
	return out
}

// stops are the rows the cursor can stand on.
func stops(rows []row) []string {
	var ids []string
	for _, r := range rows {
		if r.id != "" {
			ids = append(ids, r.id)
		}
	}
	return ids
}

// follow puts the cursor on a row that exists and scrolls so that it is seen, with what belongs to it.
func (g *grid) follow(rows []row, h int) {
	rows = g.matching(rows)
	ids := stops(rows)
	if len(ids) == 0 {
		g.at, g.top = 0, 0
		return
	}
	if i := slices.Index(ids, g.cursor); i >= 0 && g.moved {
		g.at = i
	} else {
		if !g.moved {
			g.at = 0
		}
		g.at = min(max(g.at, 0), len(ids)-1)
		g.cursor = ids[g.at]
	}
	first := slices.IndexFunc(rows, func(r row) bool { return r.id == g.cursor })
	last := first
	for last+1 < len(rows) && rows[last+1].kids {
		last++
	}
	// The first and the last row bring the headings beyond them into view.
	if g.at == 0 {
		first = 0
	}
	if g.at == len(ids)-1 {
		last = len(rows) - 1
	}
	g.top = min(g.top, max(0, len(rows)-h))
	if last >= g.top+h {
		g.top = last - h + 1
	}
	cursorRow := slices.IndexFunc(rows, func(r row) bool { return r.id == g.cursor })
	switch {
	case first < g.top && cursorRow-first < h:
		g.top = first
	case cursorRow < g.top:
		g.top = cursorRow
	case cursorRow >= g.top+h:
		g.top = cursorRow - h + 1
	}
}

// move takes the cursor by so many stops.
func (g *grid) move(rows []row, by int) {
	ids := stops(g.matching(rows))
	if len(ids) == 0 {
		return
	}
	g.at = min(max(g.at+by, 0), len(ids)-1)
	g.cursor, g.moved = ids[g.at], true
}

// view draws h rows, and says how many lie above and below.
func (g *grid) view(th *theme, rows []row, w, h int) (lines []string, above, below int) {
	rows = g.matching(rows)
	start := min(g.top, max(0, len(rows)-1))
	end := min(len(rows), start+h)
	for _, r := range rows[start:end] {
		mark := span{"  ", plain}
		l := r.line
		if r.id != "" && r.id == g.cursor {
			mark = span{"> ", accent}
			l = slices.Clone(l)
			for i := range l {
				if l[i].tone == plain {
					l[i].tone = strong
				}
			}
		}
		if r.id == "" && !r.kids {
			mark = span{" ", plain}
		}
		lines = append(lines, line{mark}.and(l...).draw(th, w))
	}
	return lines, start, len(rows) - end
}
