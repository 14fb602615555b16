package psapi

import (
	"bytes"
	"crypto/sha1" // the server's own checksum; no secret depends on it
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of one document. A full page of the largest resource is 4 MB and 30,000 elements (wire/prestashop.md 3).
const (
	maxElements = 200_000 // and attributes
	maxDepth    = 16
	maxText     = 64 << 10 // bytes of one value
	maxTag      = 64 << 10 // bytes of one tag: the decoder keeps a whole one, forty times as large
	maxGrowth   = 8 << 20  // bytes that repairing may add
)

// document is the body of one answer, cut down to its <prestashop> element.
type document struct {
	xml   []byte // from <prestashop to </prestashop>
	noise string // what stood before or behind it, in words
	whole bool   // the end tag arrived

	body            []byte
	declared, ended int // where the web service's own output lies in body
}

// errNotXML says that a body holds no <prestashop> element.
var errNotXML = errors.New("no <prestashop> element")

// cut finds the document inside a body: files of the shop saved with a byte order mark, blank lines and PHP
// notices all come before the XML (captures 126, 129).
func cut(body []byte) (document, error) {
	start := bytes.Index(body, []byte("<prestashop xmlns")) // a script before it may speak of <prestashop>
	if start < 0 {
		start = bytes.Index(body, []byte("<prestashop"))
	}
	if start < 0 {
		return document{}, errNotXML
	}
	declared := start
	before := body[:start]
	if i := bytes.LastIndex(before, []byte("<?xml")); i >= 0 {
		if n := bytes.Index(before[i:], []byte("?>")); n >= 0 {
			declared = i
			before = append(bytes.Clone(before[:i]), before[i+n+2:]...)
		}
	}
	d := document{xml: body[start:], noise: describeNoise(before), body: body, declared: declared, ended: len(body)}
	if i := bytes.LastIndex(body, []byte("</prestashop>")); i >= start {
		d.ended, d.whole = i+len("</prestashop>"), true
		d.xml = body[start:d.ended]
		if d.noise == "" {
			d.noise = describeNoise(body[d.ended:])
		}
	}
	return d, nil
}

// printed says whether a Content-Sha1 fits. It is taken of what the web service printed, before any noise joined
// it (capture 129).
func (d document) printed(sum string) bool {
	for _, end := range []string{string(d.body[d.ended:]), "\n", ""} {
		for _, start := range []int{d.declared, 0} {
			hash := sha1.New()
			hash.Write(d.body[start:d.ended])
			io.WriteString(hash, end)
			if hex.EncodeToString(hash.Sum(nil)) == sum {
				return true
			}
		}
	}
	return false
}

func describeNoise(noise []byte) string {
	const mark = "\ufeff"
	marked := bytes.Contains(noise, []byte(mark))
	words := excerpt(strings.ReplaceAll(string(noise), mark, ""))
	switch {
	case marked && words != "":
		return "a byte order mark and: " + words
	case marked:
		return "a byte order mark"
	}
	return words
}

// node is an element of a parsed document.
type node struct {
	name string
	attr map[string]string
	text string
	raw  []byte // the text while it is read
	over bool   // the text was longer than maxText and is cut
	kids []*node
}

func (n *node) child(name string) *node {
	for _, kid := range n.kids {
		if kid.name == name {
			return kid
		}
	}
	return nil
}

// parse reads a document. It is repaired first where a "]]>" stands that no end tag follows, and else only when it
// does not parse as it is.
func parse(doc []byte) (*node, error) {
	doc = legal(doc)
	forms := []func() []byte{func() []byte { return doc }, func() []byte { return repair(doc) }}
	if bytes.Count(doc, []byte(closeCDATA)) != bytes.Count(doc, []byte(closeCDATA+"</")) {
		slices.Reverse(forms)
	}
	root, err := tree(forms[0]())
	if err != nil && !errors.Is(err, errBounds) {
		if other, again := tree(forms[1]()); again == nil {
			return other, nil
		}
	}
	return root, err
}

var errBounds = errors.New("the document is out of bounds")

func tree(doc []byte) (*node, error) {
	if longTag(doc) {
		return nil, fmt.Errorf("%w: a tag of more than %d kB", errBounds, maxTag>>10)
	}
	decoder := xml.NewDecoder(bytes.NewReader(doc))
	// shop_name goes through htmlentities(), which XML knows nothing of (capture 017).
	decoder.Entity = xml.HTMLEntity
	var root *node
	var open []*node
	for elements := 0; ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if elements += 1 + len(t.Attr); elements > maxElements || len(open) >= maxDepth {
				return nil, fmt.Errorf("%w: more than %d elements and attributes or %d levels", errBounds, maxElements, maxDepth)
			}
			n := &node{name: t.Name.Local}
			if len(t.Attr) > 0 {
				n.attr = make(map[string]string, len(t.Attr))
				for _, a := range t.Attr {
					n.attr[a.Name.Local] = a.Value
				}
			}
			if len(open) > 0 {
				parent := open[len(open)-1]
				parent.kids = append(parent.kids, n)
			} else if root == nil {
				root = n
			} else {
				return nil, errors.New("more than one root element")
			}
			open = append(open, n)
		case xml.EndElement:
			n := open[len(open)-1]
			n.text, n.raw = string(n.raw), nil
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) == 0 {
				continue
			}
			n := open[len(open)-1]
			if n.over || len(n.raw)+len(t) > maxText {
				n.over = true
				continue
			}
			n.raw = append(n.raw, t...)
		case xml.Directive:
			return nil, fmt.Errorf("%w: a document type is not allowed", errBounds)
		}
	}
	if root == nil {
		return nil, io.ErrUnexpectedEOF
	}
	return root, nil
}

// longTag says whether a tag is longer than any that a shop prints. It skips what the decoder takes for text.
func longTag(doc []byte) bool {
	for {
		start := bytes.IndexByte(doc, '<')
		if start < 0 {
			return false
		}
		doc = doc[start:]
		var end int
		switch {
		case bytes.HasPrefix(doc, []byte(openCDATA)):
			end = bytes.Index(doc, []byte(closeCDATA))
		case bytes.HasPrefix(doc, []byte("<!--")):
			end = bytes.Index(doc, []byte("-->"))
		case bytes.HasPrefix(doc, []byte("<?")):
			end = bytes.Index(doc, []byte("?>"))
		default:
			if end = tagEnd(doc); end > maxTag {
				return true
			}
		}
		if end < 0 {
			return false // the decoder will say so
		}
		doc = doc[end:]
	}
}

// legal drops what XML 1.0 forbids: PrestaShop prints control characters as they are in the database (capture 128).
func legal(doc []byte) []byte {
	if utf8.Valid(doc) && bytes.IndexFunc(doc, illegal) < 0 {
		return doc
	}
	return bytes.Map(func(r rune) rune {
		if illegal(r) {
			return -1
		}
		return r
	}, bytes.ToValidUTF8(doc, []byte("\uFFFD")))
}

func illegal(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

const (
	openCDATA  = "<![CDATA["
	closeCDATA = "]]>"
)

// repair mends the two faults that the web service prints: "]]>" inside a value, which it does not escape
// (capture 127), and ampersands that begin no entity. It relies on the web service's own layout,
// <field><![CDATA[value]]></field>: a value ends at the first "]]>" that its own end tag follows. Faults without end
// are left as they are.
func repair(doc []byte) []byte {
	if 12*bytes.Count(doc, []byte(closeCDATA))+4*bytes.Count(doc, []byte("&")) > maxGrowth {
		return doc
	}
	var out bytes.Buffer
	out.Grow(len(doc) + 64)
	tag := ""     // name of the start tag that ended just here
	searches := 0 // in vain; bounds the work that a hostile document can cause
	for len(doc) > 0 {
		i := bytes.IndexByte(doc, '<')
		if i < 0 {
			i = len(doc)
		}
		if i > 0 {
			tag = ""
			ampersands(&out, doc[:i])
			doc = doc[i:]
			continue
		}
		switch {
		case bytes.HasPrefix(doc, []byte(openCDATA)):
			value := doc[len(openCDATA):]
			end := -1
			if tag != "" && searches < 100 {
				if end = bytes.Index(value, []byte(closeCDATA+"</"+tag+">")); end < 0 {
					searches++
				}
			}
			if end < 0 {
				end = bytes.Index(value, []byte(closeCDATA))
			}
			if end < 0 {
				out.Write(doc)
				return out.Bytes()
			}
			writeCDATA(&out, value[:end])
			doc, tag = value[end+len(closeCDATA):], ""
		case bytes.HasPrefix(doc, []byte("<!--")):
			doc, tag = copyTo(&out, doc, "-->"), ""
		case bytes.HasPrefix(doc, []byte("<?")):
			doc, tag = copyTo(&out, doc, "?>"), ""
		default:
			n := tagEnd(doc)
			out.Write(doc[:n])
			tag = startTag(doc[:n])
			doc = doc[n:]
		}
	}
	return out.Bytes()
}

// writeCDATA writes a value so that no "]]>" inside it ends the section; a value that was split that way is kept.
func writeCDATA(out *bytes.Buffer, value []byte) {
	value = bytes.ReplaceAll(value, []byte(closeCDATA+openCDATA), nil)
	out.WriteString(openCDATA)
	out.Write(bytes.ReplaceAll(value, []byte(closeCDATA), []byte("]]"+closeCDATA+openCDATA+">")))
	out.WriteString(closeCDATA)
}

func copyTo(out *bytes.Buffer, doc []byte, end string) []byte {
	n := bytes.Index(doc, []byte(end))
	if n < 0 {
		out.Write(doc)
		return nil
	}
	out.Write(doc[:n+len(end)])
	return doc[n+len(end):]
}

// tagEnd is the length of the tag that doc starts with; quotes may hold a ">".
func tagEnd(doc []byte) int {
	quote := byte(0)
	for i, b := range doc {
		switch {
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '"' || b == '\'':
			quote = b
		case b == '>':
			return i + 1
		}
	}
	return len(doc)
}

// startTag is the name in a start tag, "" for any other tag.
func startTag(tag []byte) string {
	if len(tag) < 3 || tag[1] == '/' || tag[1] == '!' || tag[len(tag)-1] != '>' || tag[len(tag)-2] == '/' {
		return ""
	}
	name := tag[1 : len(tag)-1]
	if i := bytes.IndexAny(name, " \t\r\n"); i >= 0 {
		name = name[:i]
	}
	return string(name)
}

// ampersands copies character data, turning "&" into "&amp;" where it begins no reference that a parser knows.
func ampersands(out *bytes.Buffer, text []byte) {
	for {
		i := bytes.IndexByte(text, '&')
		if i < 0 {
			out.Write(text)
			return
		}
		out.Write(text[:i])
		text = text[i:]
		end := bytes.IndexByte(text[:min(len(text), 12)], ';')
		switch name := string(text[1:max(end, 1)]); {
		case end > 1 && known(name):
			out.Write(text[:end+1])
			text = text[end+1:]
		case end > 1 && name[0] == '#' && numeric(name[1:]):
			text = text[end+1:] // names a character that XML 1.0 forbids
		default:
			out.WriteString("&amp;")
			text = text[1:]
		}
	}
}

func known(entity string) bool {
	switch entity {
	case "lt", "gt", "amp", "quot", "apos":
		return true
	}
	if _, ok := xml.HTMLEntity[entity]; ok {
		return true
	}
	code, ok := strings.CutPrefix(entity, "#")
	if !ok {
		return false
	}
	base := 10
	if hex, ok := strings.CutPrefix(code, "x"); ok {
		code, base = hex, 16
	}
	n, err := strconv.ParseUint(code, base, 32)
	return err == nil && n <= unicode.MaxRune && utf8.ValidRune(rune(n)) && !illegal(rune(n))
}

func numeric(code string) bool {
	base := 10
	if hex, ok := strings.CutPrefix(code, "x"); ok {
		code, base = hex, 16
	}
	_, err := strconv.ParseUint(code, base, 64)
	return err == nil
}

// printable removes what can act on a terminal: control characters (so that an escape sequence becomes harmless
// text) and the marks that turn the writing direction of what follows. Newline and tab stay.
func printable(text string) string {
	if strings.IndexFunc(text, acts) < 0 && utf8.ValidString(text) {
		return text
	}
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case acts(r):
			return -1
		}
		return r
	}, text)
}

func acts(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return false
	case unicode.IsControl(r), r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, r == 0xFFFE, r == 0xFFFF:
		return true
	}
	return false
}

// excerpt is a short, harmless form of what a server printed: no markup, no line breaks, at most 200 characters.
func excerpt(text string) string {
	if len(text) > 4<<10 {
		text = text[:4<<10]
	}
	text = strings.Join(strings.Fields(plainText(printable(text))), " ")
	if runes := []rune(text); len(runes) > 200 {
		text = string(runes[:200]) + "…"
	}
	return text
}
