package vtigerwstest

import (
	"fmt"
	"strings"
)

// statement is a parsed VTQL query.
type statement struct {
	columns []string // nil for *
	count   bool
	module  string
	where   []condition
	order   []string
	desc    bool // of the last order column; the others always ascend
	limit   []string
}

// condition is "field operator value"; or joins it to the one before with OR, which binds looser than AND.
type condition struct {
	or       bool
	field    string
	operator string   // = != < > <= >= in like
	values   []string // as written, quotes included
}

// literal is a value as SQL sees it.
type literal struct {
	text   string
	quoted bool
}

// parser follows the grammar and words its refusals as the server's generated parser does.
type parser struct {
	lex  *lexer
	tok  token
	last string // text of the last token: the end of input is reported at it
}

// parse reads a query as the given version does.
func parse(query string, r release) (*statement, error) {
	p := &parser{lex: &lexer{rest: query, old: !r.comparesTwoSigns()}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	return p.statement()
}

func (p *parser) advance() error {
	tok, err := p.lex.next()
	if err != nil {
		return err
	}
	if tok.kind == tokEnd {
		tok.text = "0"
	} else {
		p.last = tok.text
	}
	p.tok = tok
	return nil
}

func (p *parser) unexpected(expected ...tokenKind) error {
	names := make([]string, len(expected))
	for i, kind := range expected {
		names[i] = string(kind)
	}
	return &wsError{"QUERY_SYNTAX_ERROR", fmt.Sprintf("Syntax Error on line 1: token '%s' Unexpected %s(%s), expected one of: %s",
		p.last, p.tok.kind, p.tok.text, strings.Join(names, ","))}
}

// take moves past a token of the kind.
func (p *parser) take(kind tokenKind) (string, error) {
	if p.tok.kind != kind {
		return "", p.unexpected(kind)
	}
	text := p.tok.text
	return text, p.advance()
}

// statement parses the one statement a query may hold, final semicolon included.
func (p *parser) statement() (*statement, error) {
	st := &statement{}
	if _, err := p.take(tokSelect); err != nil {
		return nil, err
	}
	if err := p.columns(st); err != nil {
		return nil, err
	}
	if p.tok.kind != tokFrom {
		return nil, p.unexpected(tokFrom, tokComma)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	var err error
	if st.module, err = p.take(tokTable); err != nil {
		return nil, err
	}
	for _, clause := range []func(*statement) error{p.conditions, p.orderBy, p.limits} {
		if err := clause(st); err != nil {
			return nil, err
		}
	}
	if _, err := p.take(tokSemi); err != nil {
		return nil, err
	}
	if p.tok.kind != tokEnd {
		return nil, p.unexpected()
	}
	return st, nil
}

func (p *parser) columns(st *statement) error {
	switch p.tok.kind {
	case tokAsterisk:
		return p.advance()
	case tokCount:
		st.count = true
		for _, kind := range []tokenKind{tokCount, tokOpen, tokAsterisk, tokClose} {
			if _, err := p.take(kind); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		name, err := p.take(tokColumn)
		if err != nil {
			return err
		}
		st.columns = append(st.columns, name)
		if p.tok.kind != tokComma {
			return nil
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
}

// conditions parses WHERE; there are no brackets, no NOT and no IS NULL.
func (p *parser) conditions(st *statement) error {
	if p.tok.kind != tokWhere {
		return nil
	}
	or := false
	for {
		if err := p.advance(); err != nil {
			return err
		}
		cond, err := p.condition()
		if err != nil {
			return err
		}
		cond.or = or
		st.where = append(st.where, cond)
		switch p.tok.kind {
		case tokAnd:
			or = false
		case tokOr:
			or = true
		default:
			return nil
		}
	}
}

func (p *parser) condition() (cond condition, err error) {
	if cond.field, err = p.take(tokColumn); err != nil {
		return cond, err
	}
	switch p.tok.kind {
	case "EQ", "LT", "GT", "LTE", "GTE", "NE", tokIn, tokLike:
		cond.operator = strings.ToLower(p.tok.text)
	default:
		return cond, p.unexpected("EQ", "LT", "GT", "LTE", "GTE", "NE", tokIn, tokLike)
	}
	if err := p.advance(); err != nil {
		return cond, err
	}
	list := p.tok.kind == tokOpen
	if list {
		if err := p.advance(); err != nil {
			return cond, err
		}
	}
	for {
		text, err := p.take(tokValue)
		if err != nil {
			return cond, err
		}
		cond.values = append(cond.values, text)
		if p.tok.kind != tokComma {
			break
		}
		if err := p.advance(); err != nil {
			return cond, err
		}
	}
	if list {
		_, err = p.take(tokClose)
	}
	return cond, err
}

// orderBy parses ORDER BY; one ASC or DESC may follow the last column.
func (p *parser) orderBy(st *statement) error {
	if p.tok.kind != tokOrderBy {
		return nil
	}
	for {
		if err := p.advance(); err != nil {
			return err
		}
		name, err := p.take(tokColumn)
		if err != nil {
			return err
		}
		st.order = append(st.order, name)
		if p.tok.kind != tokComma {
			break
		}
	}
	switch p.tok.kind {
	case tokDesc:
		st.desc = true
		return p.advance()
	case tokAsc:
		return p.advance()
	}
	return nil
}

// limits parses LIMIT; the numbers are read later, because to the grammar any value will do.
func (p *parser) limits(st *statement) error {
	if p.tok.kind != tokLimit {
		return nil
	}
	for {
		if err := p.advance(); err != nil {
			return err
		}
		text, err := p.take(tokValue)
		if err != nil {
			return err
		}
		st.limit = append(st.limit, text)
		if p.tok.kind != tokComma || len(st.limit) == 2 {
			return nil
		}
	}
}

// readLiteral reads a value as MySQL does: ” is a quote, a backslash takes the next sign. A backslash before the
// closing quote leaves the string open, and the whole SQL statement fails.
func readLiteral(text string) (literal, error) {
	if text[0] != '\'' {
		return literal{text: text}, nil
	}
	inner := text[1 : len(text)-1]
	if !strings.ContainsAny(inner, `\'`) {
		return literal{inner, true}, nil
	}
	var b strings.Builder
	for i := 0; i < len(inner); i++ {
		ch := inner[i]
		switch {
		case ch == '\'':
			if i++; i == len(inner) || inner[i] != '\'' {
				return literal{}, errDatabase
			}
		case ch == '\\':
			if i++; i == len(inner) {
				return literal{}, errDatabase
			}
			ch = unescaped(inner[i])
			if inner[i] == '%' || inner[i] == '_' {
				b.WriteByte('\\') // kept, so that LIKE takes the sign as it is
			}
		}
		b.WriteByte(ch)
	}
	return literal{b.String(), true}, nil
}

func unescaped(ch byte) byte {
	switch ch {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'b':
		return '\b'
	case '0':
		return 0
	case 'Z':
		return 26
	}
	return ch
}
