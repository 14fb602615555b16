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

// token is what the server's lexer makes of a word: its kind depends on where in the query it stands.
type token struct {
	kind tokenKind
	text string
}

type tokenKind string

const (
	tokEnd      tokenKind = "End of Input"
	tokSelect   tokenKind = "SELECT"
	tokFrom     tokenKind = "FRM"
	tokColumn   tokenKind = "COLUMNNAME"
	tokAsterisk tokenKind = "ASTERISK"
	tokCount    tokenKind = "COUNT"
	tokOpen     tokenKind = "PARENOPEN"
	tokClose    tokenKind = "PARENCLOSE"
	tokComma    tokenKind = "COMMA"
	tokTable    tokenKind = "TABLENAME"
	tokWhere    tokenKind = "WHERE"
	tokAnd      tokenKind = "LOGICAL_AND"
	tokOr       tokenKind = "LOGICAL_OR"
	tokValue    tokenKind = "VALUE"
	tokOrderBy  tokenKind = "ORDERBY"
	tokAsc      tokenKind = "ASC"
	tokDesc     tokenKind = "DESC"
	tokLimit    tokenKind = "LIMIT"
	tokSemi     tokenKind = "SEMICOLON"
	tokIn       tokenKind = "IN"
	tokLike     tokenKind = "LIKE"
)

var comparisons = map[string]tokenKind{"=": "EQ", "<": "LT", ">": "GT", "<=": "LTE", ">=": "GTE", "!=": "NE"}

// lexer is the server's: it keeps a section (select list, where, order by, limit) and in where it expects a column and
// a value in turn, which is all the grammar it has.
type lexer struct {
	rest     string
	old      bool // 5.1.0: no != <= >=, and a list does not end the value
	section  section
	counting bool
	column   bool // where: the column of this condition has been seen
	list     bool // where: inside IN
	byWanted bool
}

type section int

const (
	inSelect section = iota
	inColumns
	inTable
	inWhere
	inOrder
	inLimit
)

// word cuts the next word off; false where no rule of the lexer matches.
func (l *lexer) word() (string, bool) {
	l.rest = strings.TrimLeft(l.rest, " \t\r\n")
	s := l.rest
	if s == "" {
		return "", true
	}
	n := 0
	switch ch := s[0]; {
	case isWord(ch):
		for n < len(s) && isWord(s[n]) {
			n++
		}
	case ch == '\'':
		n = quotedLength(s)
	case (ch == '+' || ch == '-') && len(s) > 1 && s[1] >= '0' && s[1] <= '9':
		for n = 1; n < len(s) && s[n] >= '0' && s[n] <= '9'; n++ {
		}
	case (ch == '<' || ch == '>' || ch == '!') && strings.HasPrefix(s[1:], "=") && !l.old:
		n = 2
	case strings.IndexByte("(),*=<>;", ch) >= 0:
		n = 1
	}
	if n == 0 {
		return "", false
	}
	l.rest = s[n:]
	return s[:n], true
}

func isWord(ch byte) bool {
	return ch == '_' || ch >= '0' && ch <= '9' || ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z'
}

// quotedLength is the length of a string with doubled quotes at the start of s; an empty one does not match.
func quotedLength(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			i++
			continue
		}
		if i == 1 {
			return 0
		}
		return i + 1
	}
	return 0
}

// next gives the next token; an error where the lexer itself gives up.
func (l *lexer) next() (token, error) {
	for {
		w, ok := l.word()
		if !ok {
			return token{}, errInternal
		}
		if w == "" {
			return token{kind: tokEnd}, nil
		}
		kind, skip := l.classify(w)
		if !skip {
			return token{kind, w}, nil
		}
	}
}

func (l *lexer) classify(w string) (kind tokenKind, skip bool) {
	switch l.section {
	case inSelect:
		if strings.EqualFold(w, "select") {
			l.section = inColumns
			return tokSelect, false
		}
		return tokValue, false
	case inColumns:
		return l.inSelectList(w), false
	case inTable:
		l.section = inWhere
		return tokTable, false
	}
	lower := strings.ToLower(w)
	switch {
	case w == ";":
		return tokSemi, false
	case lower == "order":
		l.byWanted = true
		return "", true
	case lower == "by" && l.byWanted:
		l.byWanted, l.section = false, inOrder
		return tokOrderBy, false
	case lower == "where":
		l.section = inWhere
		return tokWhere, false
	case lower == "limit":
		l.section = inLimit
		return tokLimit, false
	}
	switch l.section {
	case inWhere:
		return l.inCondition(w, lower), false
	case inOrder:
		switch lower {
		case ",":
			return tokComma, false
		case "asc":
			return tokAsc, false
		case "desc":
			return tokDesc, false
		}
		return tokColumn, false
	}
	switch w {
	case "(":
		return tokOpen, false
	case ")":
		return tokClose, false
	case ",":
		return tokComma, false
	}
	return tokValue, false
}

func (l *lexer) inSelectList(w string) tokenKind {
	switch {
	case strings.EqualFold(w, "from"):
		l.section = inTable
		return tokFrom
	case w == "*":
		return tokAsterisk
	case w == "(":
		return tokOpen
	case w == ")":
		return tokClose
	case w == ",":
		return tokComma
	case strings.EqualFold(w, "count"):
		l.counting = true
		return tokCount
	}
	return tokColumn
}

func (l *lexer) inCondition(w, lower string) tokenKind {
	if kind, ok := comparisons[w]; ok {
		return kind
	}
	switch {
	case w == "(":
		return tokOpen
	case w == ")":
		if l.list && !l.old {
			l.list, l.column = false, false
		}
		return tokClose
	case lower == "and":
		return tokAnd
	case lower == "or":
		return tokOr
	case !l.column:
		l.column = true
		return tokColumn
	case lower == "in":
		l.list = true
		return tokIn
	case w == ",":
		return tokComma
	case lower == "like":
		return tokLike
	}
	if !l.list {
		l.column = false
	}
	return tokValue
}

// parser follows the grammar and words its refusals as the server's generated parser does.
type parser struct {
	lex  *lexer
	tok  token
	last string // text of the last token: the end of input is reported at it
}

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
