package platform

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"starhash/bank/link"
)

// middle is a man in the middle of the worst sort: he has a certificate that the
// gateway takes for the bank's and one that the bank takes for the gateway's. He
// reads, drops, delays, alters, swaps and repeats; what he cannot have are the
// keys of the sealed link.
type middle struct {
	t      testing.TB
	addr   string
	tls    *tls.Config
	client *http.Client
	open   atomic.Int64 // connections of gateways

	mu    sync.Mutex
	bank  string
	trick trick
	seen  []exchange
	srv   *http.Server
}

// exchange is one request and what the gateway was answered, nil if nothing.
type exchange struct {
	path            string
	request, answer []byte
}

// trick is what he does with a request. bank sends any bytes to the same path of
// the bank. An error answers nothing: the connection is cut.
type trick func(path string, request []byte, bank func([]byte) ([]byte, error)) ([]byte, error)

var errCut = errors.New("cut by the man in the middle")

func newMiddle(t testing.TB, dir string) *middle {
	t.Helper()
	m := &middle{t: t}
	client, err := link.ClientTLS(dir+"/ca.pem", dir+"/gateway.pem", dir+"/gateway-key.pem", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	m.client = &http.Client{Transport: &http.Transport{TLSClientConfig: client, DisableKeepAlives: true}}
	cert, err := tls.LoadX509KeyPair(dir+"/bank.pem", dir+"/bank-key.pem")
	if err != nil {
		t.Fatal(err)
	}
	m.tls = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}
	m.addr = "127.0.0.1:0"
	m.back()
	t.Cleanup(m.away)
	return m
}

// forward names the bank.
func (m *middle) forward(addr string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bank = "https://" + addr
}

// plays sets what he does from now on; nil is nothing.
func (m *middle) plays(t trick) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trick = t
}

// away makes the bank unreachable, in the way that is certain: nobody listens.
func (m *middle) away() {
	m.mu.Lock()
	srv := m.srv
	m.srv = nil
	m.mu.Unlock()
	if srv != nil {
		srv.Close()
	}
}

// back listens again, on the same port.
func (m *middle) back() {
	m.t.Helper()
	l, err := net.Listen("tcp", m.addr)
	if err != nil {
		m.t.Fatal(err)
	}
	srv := &http.Server{Handler: m, TLSConfig: m.tls, ErrorLog: log.New(io.Discard, "", 0)}
	srv.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			m.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			m.open.Add(-1)
		}
	}
	m.mu.Lock()
	m.addr, m.srv = l.Addr().String(), srv
	m.mu.Unlock()
	go srv.ServeTLS(l, "", "") // ended by away
}

func (m *middle) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var answer []byte
	if req.URL.Path == link.PathBundle {
		answer, err = m.bundle(body)
	} else {
		answer, err = m.one(req.URL.Path, body)
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", link.ContentType)
	w.Write(answer)
}

// bundle lets each message of a bundle go by itself; what he cuts has no answer in it.
func (m *middle) bundle(body []byte) (out []byte, err error) {
	msgs, err := link.ReadBundle(body)
	if err != nil {
		return nil, err
	}
	answers := make([][]byte, len(msgs))
	var all sync.WaitGroup
	for i, msg := range msgs {
		all.Go(func() { answers[i], _ = m.one(link.PathTransact, msg) })
	}
	all.Wait()
	for _, a := range answers {
		out = link.AppendBundle(out, a)
	}
	return out, nil
}

// one does to one message what he plays.
func (m *middle) one(path string, body []byte) ([]byte, error) {
	m.mu.Lock()
	play := m.trick
	m.mu.Unlock()
	if play == nil {
		play = honest
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience) // the bank may finish what the gateway gave up
	defer cancel()
	answer, err := play(path, bytes.Clone(body), func(b []byte) ([]byte, error) { return m.post(ctx, path, b) })
	if err != nil {
		answer = nil
	}
	m.mu.Lock()
	m.seen = append(m.seen, exchange{path, body, answer})
	m.mu.Unlock()
	return answer, err
}

func honest(_ string, request []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
	return bank(request)
}

func (m *middle) post(ctx context.Context, path string, body []byte) ([]byte, error) {
	m.mu.Lock()
	url := m.bank
	m.mu.Unlock()
	return link.Post(ctx, m.client, url, path, body)
}

// transacts are the Transact exchanges so far.
func (m *middle) transacts() (out []exchange) { return m.on(link.PathTransact) }

func (m *middle) on(path string) (out []exchange) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.seen {
		if x.path == path {
			out = append(out, x)
		}
	}
	return out
}

// flipped is b with one bit of its last byte, which is a seal's, turned over.
func flipped(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)-1] ^= 1
	return b
}

// onTransact is a trick with Transact messages only.
func onTransact(t func(request []byte, bank func([]byte) ([]byte, error)) ([]byte, error)) trick {
	return func(path string, request []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
		if path != link.PathTransact {
			return bank(request)
		}
		return t(request, bank)
	}
}

// once does t the first time, and then no more.
func once(t func(request []byte, bank func([]byte) ([]byte, error)) ([]byte, error)) trick {
	var done sync.Once
	return onTransact(func(request []byte, bank func([]byte) ([]byte, error)) (answer []byte, err error) {
		first := false
		done.Do(func() { first = true })
		if first {
			return t(request, bank)
		}
		return bank(request)
	})
}

// never receives: for handlers that shall not answer until the test ends.
func waitOr(ch <-chan struct{}) {
	select {
	case <-ch:
	case <-time.After(patience):
	}
}
