package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"starhash/bank/link"
)

// bankProxy stands between gateway and bank. It ends TLS on both sides, with a
// certificate that the test made the gateway trust and with the gateway's own
// client certificate, so that it sees what the link itself protects. It can hold
// transactions on their way there or back.
type bankProxy struct {
	url    string // base URL for the gateway
	bank   string // base URL of the bank
	client *http.Client
	wire   *logBuffer // what goes over the gateway's connections, TLS

	mu        sync.Mutex
	exchanges []exchange
	held      map[way]*hold
}

// exchange is an HTTP exchange of the link, decrypted.
type exchange struct {
	path            string
	request, answer []byte // answer is nil if the bank gave none
}

// way is where a transaction is held: before the bank has seen it, or after the
// bank has answered.
type way int

const (
	there way = iota
	back
)

// hold holds every transact message until it is let go; those that it holds are
// lost then.
type hold struct {
	arrived chan struct{} // closed when it holds one
	once    sync.Once
	over    chan struct{} // closed by lose
}

// startBankProxy puts a proxy between the gateway and the bank.
func (r *rig) startBankProxy() *bankProxy {
	t := r.t
	t.Helper()
	keys := filepath.Join(r.dir, "keys")
	own := filepath.Join(r.dir, "proxy-keys")
	if err := os.MkdirAll(own, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := link.WriteCertificates(own, "op1", []string{"127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	towards, err := link.ClientTLS(filepath.Join(keys, "ca.pem"), filepath.Join(keys, "gateway.pem"), filepath.Join(keys, "gateway-key.pem"), "")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(own, "bank.pem"), filepath.Join(own, "bank-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &bankProxy{url: "https://" + l.Addr().String(), wire: new(logBuffer), held: map[way]*hold{}}
	for _, e := range r.env["gateway"] {
		if url, ok := strings.CutPrefix(e, "STARHASH_BANK_URL="); ok {
			p.bank = url
		}
	}
	transport := &http.Transport{TLSClientConfig: towards, ForceAttemptHTTP2: true}
	p.client = &http.Client{Transport: transport, Timeout: patience}
	srv := &http.Server{Handler: p, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.ServeTLS(recorded{l, p.wire}, "", "") // ends with Close below
	}()
	t.Cleanup(func() {
		p.mu.Lock()
		for _, h := range p.held {
			close(h.over)
		}
		p.held = nil
		p.mu.Unlock()
		srv.Close()
		transport.CloseIdleConnections()
		<-done
	})
	r.set("gateway", "STARHASH_BANK_URL="+p.url, "STARHASH_BANK_TLS_CA_FILE="+filepath.Join(own, "ca.pem"))
	return p
}

func (p *bankProxy) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	n := p.record(exchange{path: req.URL.Path, request: body})
	p.pass(req, there)
	// The gateway may be gone meanwhile: what left here goes on to the bank.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(req.Context()), patience)
	defer cancel()
	answer, status, err := p.forward(ctx, req, body)
	if err != nil {
		panic(http.ErrAbortHandler) // no answer: the stream is cut
	}
	p.mu.Lock()
	p.exchanges[n].answer = answer
	p.mu.Unlock()
	p.pass(req, back)
	w.Header().Set("Content-Type", link.ContentType)
	w.WriteHeader(status)
	_, _ = w.Write(answer) // the gateway may be gone
}

func (p *bankProxy) forward(ctx context.Context, req *http.Request, body []byte) (answer []byte, status int, err error) {
	out, err := http.NewRequestWithContext(ctx, req.Method, p.bank+req.URL.Path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	out.Header.Set("Content-Type", req.Header.Get("Content-Type"))
	resp, err := p.client.Do(out)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return answer, resp.StatusCode, err
}

func (p *bankProxy) record(e exchange) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exchanges = append(p.exchanges, e)
	return len(p.exchanges) - 1
}

// recorded are the exchanges so far, of one path or of all.
func (p *bankProxy) recorded(path string) (es []exchange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.exchanges {
		if path == "" || e.path == path {
			es = append(es, e)
		}
	}
	return es
}

// hold holds the transactions from now on.
func (p *bankProxy) hold(w way) *hold {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := &hold{arrived: make(chan struct{}), over: make(chan struct{})}
	p.held[w] = h
	return h
}

// lose lets the transactions pass again; those that were held never arrive.
func (p *bankProxy) lose(w way) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.held[w].over)
	delete(p.held, w)
}

// await waits until a transaction is held.
func (h *hold) await(t *testing.T) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-h.arrived:
	case <-limit.C:
		t.Fatal("no transaction came by")
	}
}

// pass holds a transaction, if that is asked for, and then loses it.
func (p *bankProxy) pass(req *http.Request, w way) {
	p.mu.Lock()
	h := p.held[w]
	p.mu.Unlock()
	if h == nil || req.URL.Path != link.PathTransact {
		return
	}
	h.once.Do(func() { close(h.arrived) })
	<-h.over
	panic(http.ErrAbortHandler)
}

// recorded is a listener whose connections' bytes are kept, both ways.
type recorded struct {
	net.Listener
	to *logBuffer
}

func (l recorded) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return recordedConn{c, l.to}, nil
}

type recordedConn struct {
	net.Conn
	to *logBuffer
}

func (c recordedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.to.Write(b[:n])
	return n, err
}

func (c recordedConn) Write(b []byte) (int, error) {
	c.to.Write(b)
	return c.Conn.Write(b)
}
