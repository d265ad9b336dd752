package smsc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"starhash/configs/secret"
	"starhash/smpp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 5 * time.Second // for what should come at once

// rig is a simulator that serves on real ports, and its client.
type rig struct {
	*SMSC
	*Client
	t    *testing.T
	log  *logBuffer
	stop func() // ends Run and waits for it
}

// logBuffer keeps what was logged, at every level.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const (
	systemID  = "starhash"
	password  = "s3cret"
	alice     = "263771000001"
	aliceIMSI = "648011000000001"
	code      = "7001"
	imsiTLV   = 0x1502
)

// start runs a simulator until the test ends.
func start(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	cfg := Config{
		Listen: "127.0.0.1:0", HTTP: "127.0.0.1:0",
		SystemID: systemID, Password: secretOf(password),
		Phones:   []Phone{{MSISDN: alice, IMSI: aliceIMSI}},
		IMSITLV:  imsiTLV,
		Seed:     1,
		RetryMin: 5 * time.Millisecond, RetryMax: 20 * time.Millisecond,
	}
	for _, f := range change {
		f(&cfg)
	}
	cfg.SetDefaults()
	if ps := cfg.Validate(); len(ps) > 0 {
		t.Fatal(ps)
	}
	log := new(logBuffer)
	s := New(cfg, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	transport := &http.Transport{}
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("Run does not end")
		}
		transport.CloseIdleConnections()
	})
	r := &rig{SMSC: s, t: t, log: log, stop: stop, Client: &Client{
		BaseURL: "http://" + s.HTTPAddr(),
		HTTP:    &http.Client{Transport: transport, Timeout: 20 * time.Second},
	}}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Log(log)
		}
	})
	return r
}

// esme is a raw SMPP client: it sends what it is told and answers nothing by itself.
type esme struct {
	t   *testing.T
	nc  net.Conn
	r   *bufio.Reader
	seq uint32
}

func (r *rig) connect() *esme {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.Addr())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	return &esme{t: r.t, nc: nc, r: bufio.NewReader(nc)}
}

// bound is a bound client.
func (r *rig) bound(mode smpp.CommandID) *esme {
	r.t.Helper()
	e := r.connect()
	if got := e.bind(mode, systemID, password); got.Status != smpp.StatusOK {
		r.t.Fatalf("%s: %s", mode, got.Status)
	}
	return e
}

func (e *esme) bind(mode smpp.CommandID, id, word string) smpp.PDU {
	e.t.Helper()
	return e.ask(mode, &smpp.Bind{SystemID: id, Password: secretOf(word), InterfaceVersion: smpp.InterfaceVersion34,
		Address: smpp.Address{Addr: code}})
}

// send sends a request and returns its sequence number.
func (e *esme) send(c smpp.CommandID, body smpp.Body) uint32 {
	e.t.Helper()
	e.seq++
	e.write(smpp.PDU{Command: c, Sequence: e.seq, Body: body})
	return e.seq
}

func (e *esme) write(p smpp.PDU) {
	e.t.Helper()
	frame, err := smpp.Append(nil, p)
	if err != nil {
		e.t.Fatal(err)
	}
	e.bytes(frame)
}

func (e *esme) bytes(b []byte) {
	e.t.Helper()
	e.nc.SetWriteDeadline(time.Now().Add(patience))
	if _, err := e.nc.Write(b); err != nil {
		e.t.Fatal(err)
	}
}

// ask sends a request and returns its answer, which has to come next.
func (e *esme) ask(c smpp.CommandID, body smpp.Body) smpp.PDU {
	e.t.Helper()
	seq := e.send(c, body)
	p := e.next()
	if p.Sequence != seq || !p.Command.IsResponse() {
		e.t.Fatalf("%s %d came as the answer to %s %d", p.Command, p.Sequence, c, seq)
	}
	return p
}

// next is the next PDU.
func (e *esme) next() smpp.PDU {
	e.t.Helper()
	e.nc.SetReadDeadline(time.Now().Add(patience))
	frame, err := smpp.ReadFrame(e.r, smpp.DefaultMaxPDU)
	if err != nil {
		e.t.Fatalf("no PDU: %v", err)
	}
	p, err := smpp.Decode(frame)
	if err != nil {
		e.t.Fatal(err)
	}
	return p
}

// want is next, which has to be that operation.
func (e *esme) want(c smpp.CommandID) smpp.PDU {
	e.t.Helper()
	p := e.next()
	if p.Command != c {
		e.t.Fatalf("%s came, want %s", p.Command, c)
	}
	return p
}

// message is next, which has to be a message to us.
func (e *esme) message() (smpp.PDU, *smpp.Message) {
	e.t.Helper()
	p := e.want(smpp.DeliverSM)
	return p, p.Body.(*smpp.Message)
}

// ack answers a message.
func (e *esme) ack(p smpp.PDU, status smpp.Status) {
	e.t.Helper()
	e.write(smpp.PDU{Command: p.Command.Response(), Status: status, Sequence: p.Sequence, Body: new(smpp.MessageResp)})
}

// closed waits for the simulator to close the connection, whatever comes before.
func (e *esme) closed() {
	e.t.Helper()
	e.nc.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, e.r); errors.Is(err, os.ErrDeadlineExceeded) {
		e.t.Fatal("the connection is open")
	}
}

// silent makes sure that nothing comes for a while.
func (e *esme) silent(d time.Duration) {
	e.t.Helper()
	e.nc.SetReadDeadline(time.Now().Add(d))
	if _, err := e.r.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		e.t.Fatalf("something came, err %v", err)
	}
}

// text is a message's text.
func text(t *testing.T, m *smpp.Message) string {
	t.Helper()
	user, err := smpp.UserText(m)
	if err != nil {
		t.Fatal(err)
	}
	b, err := smpp.AppendText(nil, m.DataCoding, user)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sent is an MO on its way: the request to the management port that waits for it.
type sent struct {
	t    *testing.T
	done chan struct{}
	r    MOResult
	err  error
}

// mo sends a phone's message in the background.
func (r *rig) mo(mo MO) *sent {
	s := &sent{t: r.t, done: make(chan struct{})}
	if mo.From == "" {
		mo.From = alice
	}
	if mo.To == "" {
		mo.To = code
	}
	go func() {
		defer close(s.done)
		s.r, s.err = r.SendMO(r.t.Context(), mo)
	}()
	return s
}

func (r *rig) redeliver(id string) *sent {
	s := &sent{t: r.t, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.r, s.err = r.Redeliver(r.t.Context(), id)
	}()
	return s
}

// result waits for the answer.
func (s *sent) result() MOResult {
	s.t.Helper()
	<-s.done // bounded by the client's time-out
	if s.err != nil {
		s.t.Fatal(s.err)
	}
	return s.r
}

// must ends the test on an error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (r *rig) setFaults(f Faults) {
	r.t.Helper()
	if err := r.Client.SetFaults(r.t.Context(), f); err != nil {
		r.t.Fatal(err)
	}
}

func secretOf(s string) secret.Value { return secret.New([]byte(s)) }
