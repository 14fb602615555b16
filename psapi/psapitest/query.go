package psapitest

import (
	"net/url"
	"strings"
)

// query is a query string as PHP reads it: the last of equal names wins but keeps the first one's place.
type query struct {
	plain  map[string]string
	filter []parameter
	price  []parameter // price[NAME][OPTION]=VALUE: virtual fields
}

// parameter is name[key]=value or name[key][sub]=value.
type parameter struct {
	key   string
	value string
	sub   map[string]string // nil when plain
	order []string          // of sub
}

// parseQuery keeps what the web service reads; everything else is ignored, as there.
func parseQuery(raw string) query {
	q := query{plain: map[string]string{}}
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, value = unescape(name), unescape(value)
		base, keys, nested := strings.Cut(name, "[")
		if !nested || !strings.HasSuffix(keys, "]") {
			q.plain[name] = value
			continue
		}
		key, sub, deep := strings.Cut(strings.TrimSuffix(keys, "]"), "][")
		switch base {
		case "filter":
			q.filter = put(q.filter, key, sub, deep, value)
		case "price":
			q.price = put(q.price, key, sub, deep, value)
		}
	}
	return q
}

// put sets a parameter in the place where its key was first seen.
func put(list []parameter, key, sub string, deep bool, value string) []parameter {
	at := -1
	for i := range list {
		if list[i].key == key {
			at = i
		}
	}
	if at < 0 {
		list = append(list, parameter{key: key})
		at = len(list) - 1
	}
	p := &list[at]
	if !deep {
		p.value, p.sub, p.order = value, nil, nil
		return list
	}
	if p.sub == nil {
		p.value, p.sub = "", map[string]string{}
	}
	if _, known := p.sub[sub]; !known {
		p.order = append(p.order, sub)
	}
	p.sub[sub] = value
	return list
}

// unescape decodes like PHP: what is no valid escape stays as it is.
func unescape(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b.WriteByte(' ')
		case s[i] == '%' && i+2 < len(s):
			if decoded, err := url.PathUnescape(s[i : i+3]); err == nil {
				b.WriteString(decoded)
				i += 2
				continue
			}
			fallthrough
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
