package cli

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"

	"cartiger/problem"
)

// server is a simulator on a loopback port.
type server struct {
	url  string // without a path
	http *http.Server
	done chan error
}

// serve starts a simulator. Only loopback addresses are served: a simulator has no password worth the name.
func serve(handler http.Handler, listen string, selfSigned bool) (*server, error) {
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, misuse{&problem.Error{
			Kind: problem.Invalid, Where: "--listen", Field: "listen", Message: listen + " is not a loopback address with a port",
			Cure: "Use 127.0.0.1:0 for a free port, or 127.0.0.1:8080.", Cause: err,
		}}
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, &problem.Error{
			Kind: problem.Conflict, Where: "--listen", Field: "listen", Message: "nothing can be served on " + listen + ": " + err.Error(),
			Cure: "Use another port, or 127.0.0.1:0 for a free one.", Cause: err,
		}
	}
	s := &server{
		url: "http://" + listener.Addr().String(), done: make(chan error, 1),
		// Broken connections are part of what a simulator is for: its server says nothing about them.
		http: &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)},
	}
	if selfSigned {
		certificate, err := selfSign()
		if err != nil {
			return nil, errors.Join(err, listener.Close())
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
		s.url = "https://" + listener.Addr().String()
	}
	go func() { s.done <- s.http.Serve(listener) }()
	return s, nil
}

// close ends the server at once: nobody waits for a simulator.
func (s *server) close() error {
	err := s.http.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// until serves until the context ends or the server fails. It takes the server's last word itself, so close is not
// called after a failure: it would wait for a second one.
func (s *server) until(ctx context.Context) error {
	select {
	case <-ctx.Done():
		if err := s.close(); err != nil {
			return err
		}
		return context.Cause(ctx)
	case err := <-s.done:
		return err
	}
}

// selfSign makes a certificate that nobody trusts, so that what the connector says to one can be tried.
func selfSign() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		// From an hour ago: the clock of whoever checks it may be behind.
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "Cartiger simulator"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
