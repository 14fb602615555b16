package vtigerws

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// capture is one recorded exchange of testdata: the request and the response as they went over the wire.
type capture struct {
	params map[string]string // of the request, from the URL or the form
	answer answer
}

// recorded reads testdata/<version>/<name>*.http.
func recorded(t testing.TB, version, name string) capture {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", version, name+"*.http"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s/%s: %d files, %v", version, name, len(files), err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	request, response, ok := bytes.Cut(raw, []byte("### RESPONSE\n"))
	if !ok {
		t.Fatalf("%s has no response", files[0])
	}
	request = bytes.TrimPrefix(request, []byte("### REQUEST\n"))
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.ParseForm(); err != nil {
		t.Fatal(err)
	}
	c := capture{params: map[string]string{}}
	for key := range r.Form {
		c.params[key] = r.Form.Get(key)
	}
	head, body, _ := bytes.Cut(response, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	status, err := http.ReadResponse(bufio.NewReader(strings.NewReader(lines[0]+"\r\n\r\n")), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, status.Body)
	_ = status.Body.Close()
	c.answer = answer{status: status.StatusCode, header: http.Header{}, body: bytes.TrimSuffix(body, []byte("\n"))}
	for _, line := range lines[1:] {
		if name, value, ok := strings.Cut(line, ": "); ok {
			c.answer.header.Set(name, value)
		}
	}
	return c
}
