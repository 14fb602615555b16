package fault

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// Identify names the operation (or resource) and the module of a request, for matching rules.
// It may read the form; it must leave the request usable.
type Identify func(*http.Request) (op, module string)

const (
	page = "<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"
	down = "<html><body><h1>Down for maintenance</h1></body></html>"
)

// Handler puts the transport faults of a Set in front of a server. Faults that only the server itself can
// play (SQLEmpty, NoSession, TokenTaken, HalfOrder, Denied, RowsOver) are asked for there with Set.Hit.
func Handler(set *Set, identify Identify, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op, module := identify(r)
		rule, struck := set.Hit(op, module, Reset, HTML, Down, TooMany, Redirect, Stripped, Lost, Empty500, Empty200, Truncated, BOM, Notice, Slow, WrongSha1)
		if !struck {
			next.ServeHTTP(w, r)
			return
		}
		switch rule.Kind {
		case Reset:
			panic(http.ErrAbortHandler)
		case HTML:
			answer(w, http.StatusOK, page)
			return
		case Down, TooMany:
			if rule.RetryAfter >= 0 {
				w.Header().Set("Retry-After", strconv.Itoa(rule.RetryAfter))
			}
			status := http.StatusServiceUnavailable
			if rule.Kind == TooMany {
				status = http.StatusTooManyRequests
			}
			answer(w, status, down)
			return
		case Redirect:
			w.Header().Set("Location", rule.To+r.URL.RequestURI())
			answer(w, http.StatusMovedPermanently, "")
			return
		case Stripped:
			r.Header.Del("Authorization")
			next.ServeHTTP(w, r)
			return
		case Slow:
			select {
			case <-time.After(rule.Delay):
			case <-r.Context().Done():
			}
			next.ServeHTTP(w, r)
			return
		}
		// The rest happens after the server has done its work: record the answer, then spoil it.
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		body := rec.Body.Bytes()
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.Header().Del("Content-Length")
		switch rule.Kind {
		case Lost:
			panic(http.ErrAbortHandler)
		case Empty500:
			w.WriteHeader(http.StatusInternalServerError)
			return
		case Empty200:
			body = nil
		case Truncated:
			body = body[:len(body)/2]
		case BOM:
			body = append([]byte("\xef\xbb\xbf\n"), body...)
		case Notice:
			body = append([]byte("<br />\n<b>Notice</b>:  Undefined index: x in <b>/var/www/f.php</b> on line <b>7</b><br />\n"), body...)
		case WrongSha1:
			w.Header().Set("Content-Sha1", fmt.Sprintf("%040x", len(body)))
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(bytes.Clone(body))
	})
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}
