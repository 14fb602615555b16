package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf16"

	"cartiger/ui/text"
)

// output is stdout. It keeps the first error, so that a full disk behind a redirection is not taken for success.
type output struct {
	w    io.Writer
	gone func() // called when nobody reads any more, nil = nothing
	err  error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("stdout: %w", err)
		if o.gone != nil && errors.Is(err, syscall.EPIPE) {
			o.gone()
		}
	}
	return n, err
}

// say writes a line of results. The arguments are cleaned by whoever formats them: see table, or text.Clean.
func (p *Program) say(format string, args ...any) {
	_, _ = fmt.Fprintf(p.Out, format+"\n", args...) // Out keeps the error
}

// note writes a message that is no result. Where stderr is gone there is nobody left to tell.
func (p *Program) note(format string, args ...any) {
	_, _ = fmt.Fprintf(p.Err, format+"\n", args...)
}

// document writes the one JSON document of a query, indented, because people look at it as well.
func (p *Program) document(v any) error { return p.print(v, "  ") }

// line writes one JSON line of a run. It stays one line whatever it holds: its readers split at line feeds.
func (p *Program) line(v any) error { return p.print(v, "") }

func (p *Program) print(v any, indent string) error {
	b, err := encode(v, indent)
	if err != nil {
		return err
	}
	_, _ = p.Out.Write(b) // Out keeps the error
	return nil
}

// encode makes JSON, with a line feed at its end, that is safe to print.
func encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	// No web page is made of it, and & in an address should stay readable.
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return harmless(b.Bytes()), nil
}

// harmless escapes what JSON may hold as it is but a terminal could obey: C1 controls, DEL, and marks that reorder or
// hide text (rules.md 9.8). They can only stand inside strings.
func harmless(document []byte) []byte {
	special := func(r rune) bool { return r >= 0x7f && !unicode.IsGraphic(r) }
	if !bytes.ContainsFunc(document, special) {
		return document
	}
	var b bytes.Buffer
	for _, r := range string(document) {
		switch {
		case !special(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}

// column is the head of a table's column; a name that starts with > aligns to the right.
type column string

// table prints rows in columns as wide as their widest cell. Every cell is cleaned: most come from shop or CRM, and one
// place that cleans them all cannot be forgotten. Cleaning goes before measuring, because what is removed has no width.
func (p *Program) table(head []column, rows [][]string) {
	p.tableTo(p.Out, head, rows)
}

func (p *Program) tableTo(w io.Writer, head []column, rows [][]string) {
	widths := make([]int, len(head))
	titles := make([]string, len(head))
	for i, h := range head {
		titles[i] = strings.TrimPrefix(string(h), ">")
		widths[i] = text.Width(titles[i])
	}
	clean := make([][]string, len(rows))
	for n, row := range rows {
		clean[n] = make([]string, len(row))
		for i, cell := range row {
			clean[n][i] = text.Clean(cell)
			widths[i] = max(widths[i], text.Width(clean[n][i]))
		}
	}
	for _, row := range append([][]string{titles}, clean...) {
		var b strings.Builder
		for i, cell := range row {
			if strings.HasPrefix(string(head[i]), ">") {
				b.WriteString(text.PadLeft(cell, widths[i]))
			} else {
				b.WriteString(text.Pad(cell, widths[i]))
			}
			b.WriteString("  ")
		}
		// Blanks at the end would wrap a row that just fits.
		_, _ = fmt.Fprintln(w, strings.TrimRight(b.String(), " ")) // Out keeps the error
	}
}
