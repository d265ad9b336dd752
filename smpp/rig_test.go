package smpp

import (
	"bufio"
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"starhash/configs/secret"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testPassword = "pa55w0rd"

// rig is an ESME whose connections end in the test's hands. It lives inside a
// synctest bubble, so that its timers are exact and goroutines left behind fail
// the test.
type rig struct {
	t     *testing.T
	esme  *ESME
	log   *lockedBuffer
	dials chan net.Conn // our end of every connection
	stop  context.CancelFunc
	ended chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// handlerFuncs is a Handler made of functions; nil acks everything.
type handlerFuncs struct {
	deliver func(context.Context, *Delivery)
	alert   func(string, *AlertNotification)
}

func (h handlerFuncs) Deliver(ctx context.Context, d *Delivery) {
	if h.deliver != nil {
		h.deliver(ctx, d)
		return
	}
	d.Wipe()
	d.Ack(StatusOK)
}

func (h handlerFuncs) Alert(_ context.Context, bind string, a *AlertNotification) {
	if h.alert != nil {
		h.alert(bind, a)
	}
}

// bubble runs f in a synctest bubble.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// newRig starts an ESME; change may be nil.
func newRig(t *testing.T, h handlerFuncs, change func(*BindConfig)) *rig {
	t.Helper()
	cfg := BindConfig{
		Name: "smsc-1", Address: "smsc.invalid:2775", SystemID: "starhash",
		Password: secret.Copy([]byte(testPassword)),
	}
	if change != nil {
		change(&cfg)
	}
	r := &rig{t: t, log: new(lockedBuffer), dials: make(chan net.Conn), ended: make(chan struct{})}
	r.esme = NewESME(cfg, slog.New(slog.NewTextHandler(r.log, nil)), h)
	r.esme.dial = func(ctx context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case r.dials <- theirs:
			return ours, nil
		case <-ctx.Done():
			ours.Close()
			theirs.Close()
			return nil, ctx.Err()
		}
	}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(t.Context())
	go func() {
		defer close(r.ended)
		if err := r.esme.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() {
		r.stop()
		<-r.ended
	})
	return r
}

// session is the one session of the bind.
func (r *rig) session() *session {
	r.esme.mu.Lock()
	defer r.esme.mu.Unlock()
	return r.esme.legs[0].session
}

// peer is the SMSC's end of one connection.
type peer struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

// accept takes the next connection, without answering its bind.
func (r *rig) accept() *peer {
	r.t.Helper()
	conn := <-r.dials
	r.t.Cleanup(func() { conn.Close() })
	return &peer{t: r.t, conn: conn, r: bufio.NewReader(conn)}
}

// bound takes the next connection and grants its bind.
func (r *rig) bound() *peer {
	r.t.Helper()
	p := r.accept()
	p.grant()
	if err := r.esme.AwaitBound(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return p
}

// grant answers the bind, and returns the operation that asked for it.
func (p *peer) grant() CommandID {
	p.t.Helper()
	bind := p.read()
	if _, ok := bind.Body.(*Bind); !ok {
		p.t.Fatalf("got %s, want a bind", bind.Command)
	}
	p.write(PDU{Command: bind.Command.Response(), Sequence: bind.Sequence, Body: &BindResp{SystemID: "SMSC"}})
	return bind.Command
}

// close hangs up; also for cleanup, so that a session that would drain for a
// test that is over finds nobody there.
func (p *peer) close() { p.conn.Close() }

func (p *peer) read() PDU {
	p.t.Helper()
	frame, err := ReadFrame(p.r, DefaultMaxPDU)
	if err != nil {
		p.t.Fatalf("the SMSC's end reads: %v", err)
	}
	pdu, err := Decode(frame)
	if err != nil {
		p.t.Fatalf("the SMSC's end decodes: %v", err)
	}
	return pdu
}

// want reads one PDU and checks its header.
func (p *peer) want(c CommandID, sequence uint32, s Status) PDU {
	p.t.Helper()
	got := p.read()
	if got.Command != c || got.Status != s || got.Sequence != sequence {
		p.t.Fatalf("got %s %d %s, want %s %d %s", got.Command, got.Sequence, got.Status, c, sequence, s)
	}
	return got
}

// wantCommand reads one PDU of an operation whose number the ESME has chosen.
func (p *peer) wantCommand(c CommandID) PDU {
	p.t.Helper()
	got := p.read()
	if got.Command != c {
		p.t.Fatalf("got %s, want %s", got.Command, c)
	}
	return got
}

// wantClosed reads until the ESME has hung up, and fails on a PDU.
func (p *peer) wantClosed() {
	p.t.Helper()
	if frame, err := ReadFrame(p.r, DefaultMaxPDU); err == nil {
		got, _ := Decode(frame)
		p.t.Fatalf("got %s, want the end of the connection", got.Command)
	}
}

func (p *peer) write(pdu PDU) {
	p.t.Helper()
	frame, err := Append(nil, pdu)
	if err != nil {
		p.t.Fatal(err)
	}
	p.writeRaw(frame)
}

func (p *peer) writeRaw(frame []byte) {
	p.t.Helper()
	if _, err := p.conn.Write(frame); err != nil {
		p.t.Fatalf("the SMSC's end writes: %v", err)
	}
}

// deliver sends a deliver_sm.
func (p *peer) deliver(sequence uint32, from, text string) {
	p.t.Helper()
	p.write(PDU{Command: DeliverSM, Sequence: sequence, Body: mo(from, text)})
}

// checkAlive asks with enquire_link, and checks that nothing else comes first.
func (p *peer) checkAlive() {
	p.t.Helper()
	const sequence = 0x7ABCDEF0
	p.write(PDU{Command: EnquireLink, Sequence: sequence})
	p.want(EnquireLinkResp, sequence, StatusOK)
}

func mo(from, text string) *Message {
	coding, payload := EncodeText(text)
	return &Message{Source: Address{TON: 1, NPI: 1, Addr: from}, Dest: Address{Addr: "7001"},
		DataCoding: coding, Payload: payload}
}

func mt(to, text string) *Message {
	coding, payload := EncodeText(text)
	return &Message{Source: Address{Addr: "7001"}, Dest: Address{TON: 1, NPI: 1, Addr: to},
		DataCoding: coding, Payload: payload}
}

// outcome is what one Submit has returned.
type outcome struct {
	id  string
	err error
}

// submit runs Submit in the background.
func (r *rig) submit(m *Message) <-chan outcome {
	c := make(chan outcome, 1)
	go func() {
		id, err := r.esme.Submit(r.t.Context(), m)
		c <- outcome{id, err}
	}()
	return c
}

// pending says that nothing has come yet, once every goroutine is at rest.
func pending[T any](t *testing.T, c <-chan T, what string) {
	t.Helper()
	synctest.Wait()
	select {
	case v := <-c:
		t.Fatalf("%s: already %v", what, v)
	default:
	}
}

// elapsed checks how long f takes on the bubble's clock.
func elapsed(t *testing.T, low, high time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if d := time.Since(start); d < low || d > high {
		t.Errorf("took %s, want %s to %s", d, low, high)
	}
}

// appended is Append where it cannot fail.
func appended(t testing.TB, p PDU) []byte {
	t.Helper()
	b, err := Append(nil, p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
