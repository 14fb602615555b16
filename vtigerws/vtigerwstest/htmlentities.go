package vtigerwstest

import "strings"

// encodeTexts is what a revise of 5.2.0 and 5.2.1 does to the text that it was not given: the record is read as for a web
// page, laid under the given fields and stored whole, so that every kept text is HTML-encoded, once more each time. The
// form field submode, whatever its value, keeps it as it is (5.2.1 include/utils/utils.php to_html; seen live).
func (c *CRM) encodeTexts(t *table, r *row, e element, request form) {
	if _, given := request("submode"); given || !c.release.encodesText() {
		return
	}
	for _, f := range t.m.fields {
		if _, given := e[f.name]; given || f.column.kind != varchar && f.column.kind != text {
			continue
		}
		if v, ok := r.values[f.name]; ok {
			t.set(r, f.name, f.column.store(entities.Replace(v)))
		}
	}
}

// entities is PHP's htmlentities with ENT_QUOTES, as far as European text needs it.
var entities = func() *strings.Replacer {
	pairs := []string{
		"&", "&amp;", "'", "&#039;", `"`, "&quot;", "<", "&lt;", ">", "&gt;", "€", "&euro;", "œ", "&oelig;", "Œ", "&OElig;",
		"š", "&scaron;", "Š", "&Scaron;", "Ÿ", "&Yuml;", "–", "&ndash;", "—", "&mdash;", "…", "&hellip;",
		"‘", "&lsquo;", "’", "&rsquo;", "“", "&ldquo;", "”", "&rdquo;", "„", "&bdquo;",
	}
	latin1 := strings.Fields(`nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2
		sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring
		AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash
		Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml
		igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn
		yuml`)
	for i, name := range latin1 {
		pairs = append(pairs, string(rune(0xa0+i)), "&"+name+";")
	}
	return strings.NewReplacer(pairs...)
}()
