package vtigerwstest

import "strings"

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

// classify names a word by the section it stands in. Keywords change the section wherever they come, "order" is
// swallowed and counts only before "by".
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

// inSelectList: everything up to FROM that is no sign is a column.
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

// inCondition: the first plain word of a condition is its column, the next its value; up to 5.1.0 a list never ends, so
// that whatever follows IN (…) is taken for a value.
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
