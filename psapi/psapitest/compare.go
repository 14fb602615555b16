package psapitest

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/shopspring/decimal"
	"golang.org/x/text/unicode/norm"
)

// fold brings a text to the form in which utf8_general_ci compares it: without case and accents.
func fold(s string) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] < 0x80
	}
	if plain {
		return strings.ToUpper(s)
	}
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r == 'ß':
			b.WriteByte('S')
		default:
			b.WriteRune(unicode.ToUpper(r))
		}
	}
	return b.String()
}

// padded compares like a CHAR column: trailing blanks do not count.
func padded(s string) string { return strings.TrimRight(fold(s), " ") }

// amount is a number of the database; most are small integers.
type amount struct {
	whole int64
	exact *decimal.Decimal // nil when whole says it all
}

var numeric = regexp.MustCompile(`^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?`)

// amountOf reads the number at the start of a text, 0 when there is none, as MySQL does.
func amountOf(s string) amount {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return amount{whole: n}
	}
	d, err := decimal.NewFromString(strings.TrimSpace(numeric.FindString(s)))
	if err != nil {
		return amount{}
	}
	return amount{exact: &d}
}

func (a amount) decimal() decimal.Decimal {
	if a.exact != nil {
		return *a.exact
	}
	return decimal.NewFromInt(a.whole)
}

func (a amount) compare(b amount) int {
	if a.exact == nil && b.exact == nil {
		return cmp.Compare(a.whole, b.whole)
	}
	return a.decimal().Cmp(b.decimal())
}

var day = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)

// comparer returns how a stored value of this kind compares with the literal.
func (k kind) comparer(literal string) func(stored string) int {
	switch k {
	case number:
		want := amountOf(literal)
		return func(stored string) int { return amountOf(stored).compare(want) }
	case date:
		if day.MatchString(literal) {
			literal += " 00:00:00"
		}
		return func(stored string) int {
			if day.MatchString(stored) {
				stored += " 00:00:00"
			}
			return strings.Compare(stored, literal)
		}
	default:
		want := padded(literal)
		return func(stored string) int { return strings.Compare(padded(stored), want) }
	}
}

// like matches the LIKE patterns of MySQL, blind to case and accents.
func like(pattern string) func(stored string) bool {
	var expression strings.Builder
	expression.WriteString(`(?s)^`)
	runes := []rune(fold(pattern))
	for i := 0; i < len(runes); i++ {
		switch {
		case runes[i] == '%':
			expression.WriteString(`.*`)
		case runes[i] == '_':
			expression.WriteString(`.`)
		case runes[i] == '\\' && i+1 < len(runes):
			i++
			fallthrough
		default:
			expression.WriteString(regexp.QuoteMeta(string(runes[i])))
		}
	}
	expression.WriteString(`$`)
	compiled := regexp.MustCompile(expression.String())
	return func(stored string) bool { return compiled.MatchString(fold(stored)) }
}
