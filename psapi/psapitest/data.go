package psapitest

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"
	"sync"
)

//go:embed data
var embedded embed.FS

// Data is the embedded data set: 2,303 customers, 1,607 products in five languages and 1,300 orders made by the shop's
// own checkout code. One gzip-compressed document per resource, plus its schema-RESOURCE; root is GET /api/,
// products-net carries the stored price of each product. The long texts of most products are left empty.
var Data = sub(embedded, "data")

func sub(f fs.FS, dir string) fs.FS {
	s, err := fs.Sub(f, dir)
	if err != nil {
		panic(err) // only an invalid name does that, and this one is constant
	}
	return s
}

// maxDocument bounds one decompressed document of a data set.
const maxDocument = 256 << 20

// resource is one line of the root document.
type resource struct {
	name        string
	description string
	schema      bool // images and search have none
}

// dataset is a parsed folder. Documents are parsed when first needed, once, and shared.
type dataset struct {
	resources []resource
	specs     map[string]*spec
	rows      map[string]func() ([]*row, error)
}

var standard = sync.OnceValues(func() (*dataset, error) { return open(Data, nil) })

// open reads the root document and the schemas. What the folder lacks comes from the base.
func open(folder fs.FS, base *dataset) (*dataset, error) {
	d := &dataset{specs: map[string]*spec{}, rows: map[string]func() ([]*row, error){}}
	root, err := document(folder, "root")
	switch {
	case err == nil:
		d.resources = parseRoot(root)
	case errors.Is(err, fs.ErrNotExist) && base != nil:
		d.resources = base.resources
	default:
		return nil, err
	}
	for _, r := range d.resources {
		synopsis, err := document(folder, "schema-"+r.name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && base != nil && base.specs[r.name] != nil:
			d.specs[r.name] = base.specs[r.name]
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		default:
			if d.specs[r.name], err = parseSpec(r.name, synopsis); err != nil {
				return nil, err
			}
		}
		s := d.specs[r.name]
		d.rows[r.name] = sync.OnceValues(func() ([]*row, error) { return load(folder, s) })
	}
	return d, nil
}

// load reads the rows of one resource; a resource without a document has none.
func load(folder fs.FS, s *spec) ([]*row, error) {
	doc, err := document(folder, s.resource)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rows, err := parseRows(s, doc)
	if err != nil || s.resource != "products" {
		return rows, err
	}
	return rows, addNet(folder, s, rows)
}

// addNet gives products their stored price, which the web service never prints as `price` (wire/prestashop.md 4).
func addNet(folder fs.FS, s *spec, rows []*row) error {
	price, net := s.fields[s.places["price"]].at, s.fields[s.places["net"]].at
	for _, r := range rows {
		r.values[net] = r.values[price]
	}
	doc, err := document(folder, "products-net")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	nets, err := parseRows(s, doc)
	if err != nil {
		return err
	}
	t := newTable(s, rows)
	for _, n := range nets {
		if r := t.get(n.id); r != nil {
			r.values[net] = n.values[net]
		}
	}
	return nil
}

// document reads NAME.xml.gz or NAME.xml.
func document(folder fs.FS, name string) (string, error) {
	raw, err := fs.ReadFile(folder, name+".xml.gz")
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = fs.ReadFile(folder, name+".xml")
		if err != nil {
			return "", fmt.Errorf("shop data: %w", err)
		}
		return string(raw), nil
	}
	if err != nil {
		return "", fmt.Errorf("shop data: %w", err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return "", fmt.Errorf("shop data: %s.xml.gz: %w", name, err)
	}
	var b strings.Builder
	if _, err := io.Copy(&b, io.LimitReader(unpacked, maxDocument)); err != nil {
		return "", fmt.Errorf("shop data: %s.xml.gz: %w", name, err)
	}
	return b.String(), nil
}

var rootEntry = regexp.MustCompile(`(?m)^<(\w+) xlink:href="[^"]*"[^>]*>\n<description [^>]*>\n([^<]*)</description>\n(<schema)?`)

func parseRoot(doc string) []resource {
	var found []resource
	for _, m := range rootEntry.FindAllStringSubmatch(doc, -1) {
		found = append(found, resource{name: m[1], description: m[2], schema: m[3] != ""})
	}
	return found
}

// entities maps characters to the HTML entities that PHP's htmlentities() makes of them.
var entities = sync.OnceValue(func() map[string]string {
	names := map[string]string{"&": "&amp;", `"`: "&quot;", "<": "&lt;", ">": "&gt;"}
	for name, character := range xml.HTMLEntity {
		names[character] = "&" + name + ";"
	}
	return names
})
