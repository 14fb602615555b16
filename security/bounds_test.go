package security_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cartiger/problem"
	"cartiger/psapi"
	"cartiger/psapi/psapitest"
	"cartiger/vtigerws"
)

// maxMemory is what the program may take at its peak, whatever a server answers. A good connection takes about 30 MB.
const maxMemory = 300 << 20

// sent counts the bytes that a server got rid of.
type sent struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (s sent) Write(b []byte) (int, error) {
	n, err := s.ResponseWriter.Write(b)
	s.n.Add(int64(n))
	return n, err
}

// gigabytes sends a text again and again, up to 4 GB, until nobody listens.
func gigabytes(w io.Writer, text string) {
	block := []byte(strings.Repeat(text, 1+(64<<10)/len(text)))
	for range (4 << 30) / len(block) {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// packed is gigabytes behind gzip: a thousandth of them travels.
func packed(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Encoding", "gzip")
	gigabytes(gzip.NewWriter(w), text)
}

// floods are answers that would fill the memory of a careless reader.
var floods = map[string]http.HandlerFunc{
	"endless page": func(w http.ResponseWriter, _ *http.Request) { gigabytes(w, "<p>more</p>") },
	"gzip bomb":    func(w http.ResponseWriter, _ *http.Request) { packed(w, "\x00") },
	"endless header": func(w http.ResponseWriter, _ *http.Request) {
		conn, buffer, err := w.(http.Hijacker).Hijack()
		if err == nil {
			defer conn.Close()
			_, _ = buffer.WriteString("HTTP/1.1 200 OK\r\n")
			gigabytes(sentTo{buffer.Writer}, "X-More: "+strings.Repeat("x", 1000)+"\r\n")
		}
	},
	"many interim answers": func(w http.ResponseWriter, _ *http.Request) {
		conn, buffer, err := w.(http.Hijacker).Hijack()
		if err == nil {
			defer conn.Close()
			gigabytes(sentTo{buffer.Writer}, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
		}
	},
}

type sentTo struct{ *bufio.Writer }

// bombs are small enough to be read whole, and grow when they are understood.
var bombs = map[string]func() string{
	"entities": func() string {
		return `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "` + strings.Repeat("lol", 1000) + `"><!ENTITY b "` + strings.Repeat("&a;", 1000) + `"><!ENTITY c "` + strings.Repeat("&b;", 1000) + `">]><prestashop><x>&c;</x></prestashop>`
	},
	"external entity": func() string {
		return `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><prestashop><api>&a;</api></prestashop>`
	},
	"deep XML":                      func() string { return "<prestashop>" + strings.Repeat("<a>", 1<<20) },
	"many elements":                 func() string { return "<prestashop>" + strings.Repeat("<a/>", 2<<20) + "</prestashop>" },
	"one attribute again and again": func() string { return "<prestashop><a" + strings.Repeat(" a=''", 6<<20) + "/></prestashop>" },
	"attributes in long tags": func() string {
		var tag strings.Builder
		for i := range 6000 {
			fmt.Fprintf(&tag, " a%d=''", i)
		}
		return "<prestashop><api>" + strings.Repeat("<a"+tag.String()+"/>", 450) + "</api></prestashop>"
	},
	"attributes everywhere": func() string {
		return "<prestashop><api>" + strings.Repeat(`<a b="1" c="2" d="3" e="4" f="5" g="6" h="7" i="8"/>`, 150_000) + "</api></prestashop>"
	},
	"long values": func() string {
		return "<prestashop><api>" + strings.Repeat("<a>"+strings.Repeat("&amp;", 6000)+"</a>", 200) + "</api></prestashop>"
	},
	"ampersands": func() string { return "<prestashop><api><a>" + strings.Repeat("&", 16<<20) + "</a></api></prestashop>" },
	"ends of CDATA": func() string {
		return "<prestashop><api><![CDATA[" + strings.Repeat("]]>", 5<<20) + "</api></prestashop>"
	},
	"openings of CDATA": func() string { return "<prestashop><api>" + strings.Repeat("<![CDATA[", 1<<18) + "</api></prestashop>" },
	"many declarations": func() string { return strings.Repeat("<?xml ?>", 1<<18) + "<prestashop/>" },
	"titles":            func() string { return strings.Repeat("<title", 1<<18) },
	"deep JSON":         func() string { return `{"success":true,"result":` + strings.Repeat("[", 1<<20) },
	"many JSON members": func() string {
		var b strings.Builder
		b.WriteString(`{"success":true,"result":{"token":"t"`)
		for i := range 300_000 {
			fmt.Fprintf(&b, `,"a%d":1`, i)
		}
		return b.String() + "}}"
	},
	"many envelopes": func() string { return strings.Repeat(`{"success":`, 1<<17) },
}

// insideBombs are answers of a CRM that lets us log in first. Every bracket becomes a record, a field or a value.
var insideBombs = map[string]struct{ op, before, again, behind string }{
	"many modules":      {"listtypes", `{"types":["Leads"`, `,""`, `]}`},
	"many fields":       {"describe", `{"name":"Leads","idPrefix":"2","fields":[{}`, `,{}`, `]}`},
	"many values":       {"describe", `{"name":"Leads","idPrefix":"2","fields":[{"type":{"picklistValues":[{}`, `,{}`, `]}}]}`},
	"many records":      {"query", `[{}`, `,{}`, `]`},
	"records by number": {"query", `{"0":{}`, `,"1":{}`, `}`},
}

// The real program, asked to test its connection, stays within its memory and ends.
func TestFloodsAndBombsTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	quietly := connected(t, serve(t, newShop(t)), serve(t, newCRM(t, "5.2.1"))).must(done, "test")
	t.Logf("a good connection: %d MB", quietly.rss>>20)
	attack := func(name string, h http.HandlerFunc) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int64
			address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, raw := w.(http.Hijacker); raw && (name == "endless header" || name == "many interim answers") {
					h(w, r)
					return
				}
				h(sent{w, &n}, r)
			}))
			p := connected(t, address, address)
			begin := time.Now()
			r := p.must([]int{1, 5}, "test")
			t.Logf("%d MB of memory, %.1f s, %d MB sent", r.rss>>20, time.Since(begin).Seconds(), n.Load()>>20)
			if r.rss == 0 || r.rss > maxMemory {
				t.Errorf("it took %d MB", r.rss>>20)
			}
			if n.Load() > 1<<30 {
				t.Errorf("it listened to %d MB", n.Load()>>20)
			}
			if strings.Contains(r.all(), "root:") {
				t.Errorf("a file was read:\n%s", r.all())
			}
		})
	}
	for name, h := range floods {
		attack(name, h)
	}
	crm := newCRM(t, "5.2.1")
	for name, bomb := range insideBombs {
		attack(name, rewritten(crm, func(r *http.Request, _ http.Header, body []byte) []byte {
			if r.URL.Query().Get("operation") == bomb.op {
				return []byte(`{"success":true,"result":` + bomb.before + strings.Repeat(bomb.again, (5<<20)/len(bomb.again)) + bomb.behind + "}")
			}
			return body
		}).ServeHTTP)
	}
	for name, bomb := range bombs {
		text := []byte(bomb())
		attack(name, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, bytes.NewReader(text)) })
	}
}

// numbers are the members of the CRM's JSON and of the shop's XML that we calculate with.
var numbers = regexp.MustCompile(`("(?:hdnGrandTotal|conversion_rate|qtyinstock|reorderlevel|unit_price|tax1)":\s*")[^"]*"|(<(?:price|product_price|total_paid|total_products|conversion_rate|tax_rate|net|gross)>(?:<!\[CDATA\[)?)[^<\]]*`)

// A number of eleven characters can have a thousand million digits.
func TestNumbersWithHugeExponentsAreNoNumbers(t *testing.T) {
	t.Parallel()
	for version, bomb := range map[string]string{"5.1.0": "1e999999999", "6.4.0": "1e-999999999"} {
		t.Run(bomb, func(t *testing.T) {
			t.Parallel()
			var armed atomic.Int64 // 1: the CRM, 2: the shop
			spoil := func(mine int64) func(*http.Request, http.Header, []byte) []byte {
				return func(_ *http.Request, _ http.Header, body []byte) []byte {
					if armed.Load() != mine {
						return body
					}
					return numbers.ReplaceAllFunc(body, func(m []byte) []byte {
						parts := numbers.FindSubmatch(m)
						if len(parts[1]) > 0 {
							return append(append(bytes.Clone(parts[1]), bomb...), '"')
						}
						return append(bytes.Clone(parts[2]), bomb...)
					})
				}
			}
			shop, crm := newShop(t), newCRM(t, version)
			p := connected(t, serve(t, rewritten(shop, spoil(2))), serve(t, rewritten(crm, spoil(1))))
			p.must(done, "connect", "--no-input")
			p.must(done, "watch", "--once")
			order := psapitest.Action{Do: "order", Guest: true, Email: "ann@x.test", FirstName: "Ann", LastName: "Roe", Template: 31}
			for who := range int64(2) {
				armed.Store(who + 1)
				must[psapitest.Acted](t)(shop.Act(order))
				for _, args := range [][]string{{"watch", "--once"}, {"currencies", "list"}, {"status"}} {
					if r := p.run(args...); r.rss == 0 || r.rss > maxMemory {
						t.Errorf("%s took %d MB\n%s", args[0], r.rss>>20, r.all())
					}
				}
			}
		})
	}
}

// drip sends a byte now and then, so that no read ever times out.
func drip(w http.ResponseWriter, r *http.Request) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	}
}

func TestAnAnswerThatDripsEndsByTimeOut(t *testing.T) {
	t.Parallel()
	address := serve(t, http.HandlerFunc(drip))
	for name, ask := range map[string]func() error{
		"CRM": func() error {
			c, err := vtigerws.New(vtigerws.Config{URL: address, User: "admin", AccessKey: crmKey, Timeout: 100 * time.Millisecond})
			if err != nil {
				return err
			}
			_, err = c.Login(t.Context())
			return err
		},
		"shop": func() error {
			c, err := psapi.New(psapi.Config{URL: address, Key: shopKey, Timeout: 100 * time.Millisecond})
			if err != nil {
				return err
			}
			_, err = c.Probe(t.Context())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			p, _ := problem.Of(ask())
			if p == nil || p.Code != "timeout" || p.Kind != problem.Unavailable {
				t.Errorf("%+v", p)
			}
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}
