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

// fact is a name and what it stands for, the value hanging beside the name.
func fact(name string, w int, value string) row {
	return row{line: line{{pad(clean(name), w) + " ", faint}, {value, plain}}, wrap: true}
}

// facts are names with their values, given in pairs; those without a value are left out.
func facts(pairs ...string) []row {
	var rows []row
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			rows = append(rows, fact(pairs[i], 11, pairs[i+1]))
		}
	}
	return rows
}

// minHanging is the room that a paragraph needs beside a name; where there is less it stands below the name.
const minHanging = 24

// layout breaks paragraphs into rows of at most w cells. The last piece of a paragraph is its text; what stands
// before it (a name, a mark) or its indent stays to its left.
func layout(rows []row, w int) []row {
	var out []row
	for _, r := range rows {
		if !r.wrap || len(r.line) == 0 {
			out = append(out, r)
			continue
		}
		last := len(r.line) - 1
		before, text := r.line[:last], r.line[last]
		bare := strings.TrimLeft(text.text, " ")
		if n := len(text.text) - len(bare); n > 0 {
			before = before.and(span{strings.Repeat(" ", n), plain})
		}
		indent := width(before.String())
		if last > 0 && w-indent < minHanging && w-indent <= width(clean(bare)) {
			out = append(out, row{line: before})
			indent = 4
			before = line{{strings.Repeat(" ", indent), plain}}
		}
		for _, part := range wrap(bare, w-indent-1) {
			out = append(out, row{line: before.and(span{part, text.tone})})
			before = line{{strings.Repeat(" ", indent), plain}}
		}
	}
	return out
}

// paragraph is a piece of text in a list, broken into the rows that it needs.
func paragraph(l line, w int) []row { return layout([]row{{line: l, wrap: true}}, w) }

// grid is a list of rows with a cursor, a filter and a scroll position. The cursor is kept by the row's id, so it
// stays on its record while the list changes under it.
type grid struct {
	cursor string
	moved  bool // by the person: until then the cursor is on the first row
	at     int  // where the cursor was last, for when its row disappears
	top    int  // first row shown
	filter string
}

// matching applies the filter: rows with an id must hold its text, and headings stay above those that do.
func (g *grid) matching(rows []row) []row {
	if g.filter == "" {
		return rows
	}
	want := strings.ToLower(g.filter)
	var out, heads []row
	keep, seen := false, false
	for i, r := range rows {
		switch {
		// Kept or dropped with the row above.
		case r.kids:
		case r.id == "":
			// A heading waits in heads until a row below it matches; one whose rows all fail is dropped by the next.
			keep = false
			if seen && (len(r.line) == 0 || rows[i-1].id != "" || rows[i-1].kids) {
				heads = nil // of the lines above
			}
			heads = append(heads, r)
			continue
		default:
			seen = true
			if keep = strings.Contains(strings.ToLower(r.line.String()), want); keep {
				out, heads = append(out, heads...), nil
			}
		}
		if keep {
			out = append(out, r)
		}
	}
	if len(out) > 0 && len(out[0].line) == 0 {
		out = out[1:]
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
		g.cursor, g.at, g.top = "", 0, 0
		return
	}
	// Until a person has moved it the cursor stays on the first row, whatever comes in above: lists fill one answer
	// after the other. Later, where its row is gone, it stays at that height of the list.
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
	// Rows that belong to the cursor's (an open list, a bar) come into view with it.
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
	// The cursor's row wins where it does not fit together with what belongs to it.
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
	if rows = g.matching(rows); len(rows) == 0 && g.filter != "" {
		rows = []row{{line: toned(faint, "No line here holds \""+g.filter+"\". esc shows all.")}}
	}
	start := min(g.top, max(0, len(rows)-1))
	end := min(len(rows), start+h)
	for _, r := range rows[start:end] {
		mark := span{"  ", plain}
		l := r.line
		if r.id != "" && r.id == g.cursor {
			mark = span{"> ", accent}
			// A copy: drawing changes nothing that it was given.
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
