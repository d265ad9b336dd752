package bank

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"starhash/bank/link"
)

// run runs the bank until the test ends, and checks that it stops in order and
// leaves no goroutine behind.
func (w *world) run() {
	w.t.Helper()
	if err := w.Listen(); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Run: %v", err)
		}
		goleak.VerifyNone(w.t)
	})
}

// client is a gateway's HTTPS client; a nil pair is one without a certificate.
func (w *world) client(p *pair, change func(*tls.Config)) *http.Client {
	w.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(testPKI().ca)
	c := &tls.Config{RootCAs: roots, ServerName: "localhost"}
	if p != nil {
		cert, err := tls.X509KeyPair(p.cert, p.key)
		if err != nil {
			w.t.Fatal(err)
		}
		// A Go client keeps back a certificate that the server says it would not
		// take; an attacker's shows it.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	if change != nil {
		change(c)
	}
	tr := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true}
	w.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

func (w *world) url() string { return "https://" + w.Addr().String() }

func TestHTTPS(t *testing.T) {
	p := testPKI()
	w := newWorld(t, func(c *Config) { c.Admin.Listen = "127.0.0.1:0" })
	w.run()
	c := w.client(&p.gateway, nil)
	g := w.gatewayOver(func(path string, msg []byte) ([]byte, error) { return link.Post(t.Context(), c, w.url(), path, msg) })
	g.want(g.transfer(tendai, rudo, 1250), link.Done)
	w.wantBalances(8750, 6250, 0)

	for _, path := range []string{"/healthz", "/readyz"} {
		r, err := http.Get("http://" + w.AdminAddr().String() + path)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Errorf("%s: %v, %v", path, r, err)
			continue
		}
		r.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestWrongCertificate(t *testing.T) {
	p := testPKI()
	w := newWorld(t, nil)
	w.run()
	hello := (&link.Gateway{Operator: "op1", KeyID: "sk1", StaticKey: w.static}).Hello().Message
	for name, client := range map[string]*http.Client{
		"none":                 w.client(nil, nil),
		"of another authority": w.client(&p.stranger, nil),
		"over TLS 1.2":         w.client(&p.gateway, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }),
	} {
		if out, err := link.Post(t.Context(), client, w.url(), link.PathEpoch, hello); err == nil {
			t.Errorf("certificate %s: answered %d bytes", name, len(out))
		}
	}
	if _, err := link.Post(t.Context(), w.client(&p.gateway, nil), w.url(), link.PathEpoch, hello); err != nil {
		t.Errorf("the right certificate: %v", err)
	}
}

// An operator with a client_cn is spoken for by that certificate alone.
func TestCertificateOfAnotherOperator(t *testing.T) {
	p := testPKI()
	w := newWorld(t, func(c *Config) { c.Operators[0].ClientCN = "gw-op1" })
	w.run()
	hello := (&link.Gateway{Operator: "op1", KeyID: "sk1", StaticKey: w.static}).Hello().Message
	if _, err := link.Post(t.Context(), w.client(&p.gateway, nil), w.url(), link.PathEpoch, hello); err != nil {
		t.Errorf("gw-op1: %v", err)
	}
	if _, err := link.Post(t.Context(), w.client(&p.other, nil), w.url(), link.PathEpoch, hello); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("gw-op2: %v, want HTTP 403", err)
	}
	w.wantAlarms(1)
}

func TestNotALinkMessage(t *testing.T) {
	p := testPKI()
	w := newWorld(t, nil)
	w.run()
	c := w.client(&p.gateway, nil)
	for _, tc := range []struct {
		method, path string
		body         []byte
		want         int
	}{
		{http.MethodGet, link.PathTransact, nil, http.StatusMethodNotAllowed},
		{http.MethodPost, "/link/v2/transact", nil, http.StatusNotFound},
		{http.MethodPost, link.PathTransact, nil, http.StatusBadRequest},
		{http.MethodPost, link.PathTransact, []byte(strings.Repeat("x", 100)), http.StatusBadRequest},
		{http.MethodPost, link.PathTransact, make([]byte, link.MaxMessage+1), http.StatusRequestEntityTooLarge},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, w.url()+tc.path, bytes.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Do(req)
		if err != nil {
			t.Errorf("%s %s: %v", tc.method, tc.path, err)
			continue
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
		if r.StatusCode != tc.want {
			t.Errorf("%s %s, %d bytes: %d, want %d", tc.method, tc.path, len(tc.body), r.StatusCode, tc.want)
		}
	}
}

// A message of the protocol that is refused is answered in the protocol.
func TestRefusalsAreMessages(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	msg := g.open(tendai).SealRequest(g.transfer(tendai, rudo, 1))
	for path, name := range map[string]string{link.PathEpoch: "epoch", link.PathJoin: "join", link.PathOpen: "open"} {
		if out, err := w.post(path, msg); err != nil || len(out) == 0 {
			t.Errorf("a transaction sent to %s: %v", name, err)
		}
	}
	other := link.Gateway{Operator: "op9", KeyID: "sk1", StaticKey: w.static}
	hello := other.Hello()
	_, err := hello.Join(g.must(link.PathEpoch, hello.Message))
	if link.CodeOf(err) != link.UnknownStaticKey {
		t.Errorf("unknown operator: %v", err)
	}
	wrong := link.Gateway{Operator: "op1", KeyID: "sk1", StaticKey: link.NewKey()}
	hello = wrong.Hello()
	_, err = hello.Join(g.must(link.PathEpoch, hello.Message))
	if link.CodeOf(err) != link.BadSeal {
		t.Errorf("wrong static key: %v", err)
	}
}

// When the commit fails there is no verdict: HTTP 500, and the next attempt
// finds nothing executed.
func TestNoVerdictWhenTheDatabaseFails(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	k := g.open(tendai)
	msg := k.SealRequest(g.transfer(tendai, rudo, 500))
	if _, err := w.store.db.Exec(`CREATE TRIGGER full BEFORE INSERT ON exchanges BEGIN SELECT RAISE (ABORT, 'disk full'); END`); err != nil {
		t.Fatal(err)
	}
	if _, err := w.post(link.PathTransact, msg); err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("got %v, want HTTP 500", err)
	}
	w.wantBalances(10000, 5000, 0)
	if _, err := w.store.db.Exec(`DROP TRIGGER full`); err != nil {
		t.Fatal(err)
	}
	if r, err := g.sendSealed(k, msg); err != nil || r.Outcome != link.Done {
		t.Errorf("%+v, %v", r, err)
	}
	w.wantBalances(9500, 5500, 0)
}

func TestReadyzTellsTheDatabase(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Admin.Listen = "127.0.0.1:0" })
	w.run()
	w.store.broken.Store(true)
	r, err := http.Get("http://" + w.AdminAddr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestBusyWhenClosed(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	k := g.open(tendai)
	msg := k.SealRequest(g.transfer(tendai, rudo, 500))
	close(w.store.closing) // what close does first
	_, err := g.sendSealed(k, msg)
	wantCode(t, err, link.Busy)
	<-w.store.done
	w.store.once.Do(func() {})
	w.store.db.Close()
}
