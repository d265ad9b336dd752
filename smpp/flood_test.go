package smpp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	floodWindow   = 1000 // deliver_sm under way on a connection
	floodSessions = 2
	floodSlots    = 2 * floodWindow * floodSessions
	floodCutEvery = 30_000 // messages of a connection, on average
	floodText     = "SEND "
)

// flood is an SMSC that sends MO messages flat out over as many connections as
// come, cuts them at random, and sends again what was not acknowledged.
//
// A message is a slot and its generation: the next generation of a slot is sent
// when this one was acknowledged. So what is known of all the messages there
// ever were fits into two arrays, and memory that grows is the session's.
type flood struct {
	t     *testing.T
	frame []byte // of a deliver_sm
	id    int    // where its 16 hexadecimal digits are
	from  int    // where the last three digits of its source are

	mu      sync.Mutex
	changed sync.Cond // of everything below
	rng     *rand.Rand
	free    []int // slots that wait to be sent
	sending [floodSlots]uint64
	stopped bool
	ours    []net.Conn // the ESME's ends

	taken   [floodSlots]atomic.Uint64 // by the application: the generation it has acknowledged last
	acked   atomic.Int64
	refused atomic.Int64
	again   atomic.Int64
	cuts    [len(floodCuts)]atomic.Int64
	conns   sync.WaitGroup
}

// How a connection ends.
var floodCuts = [...]string{"closed", "reset", "in a PDU", "unbind", "half closed", "not read, then closed", "by our end", "rubbish"}

func newFlood(t *testing.T, seed uint64) *flood {
	f := &flood{t: t, rng: rand.New(rand.NewPCG(seed, 0))}
	f.changed.L = &f.mu
	const digits = "0123456789abcdef"
	f.frame = appended(t, PDU{Command: DeliverSM, Sequence: 1, Body: mo("263771000000", floodText+digits+strings.Repeat(" x", 60))})
	f.id = bytes.Index(f.frame, []byte(digits))
	f.from = bytes.Index(f.frame, []byte("263771000000")) + 9
	for i := range floodSlots {
		f.free, f.sending[i] = append(f.free, i), 1
	}
	return f
}

// floodConn is the SMSC's end of a connection.
type floodConn struct {
	*flood
	conn *net.TCPConn
	// These belong to flood.mu.
	under   map[int]bool // slots not answered yet
	answers []byte       // to what the ESME asks
	dead    bool
	deaf    bool // reads no more
}

func (f *flood) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		f.conns.Go(func() { f.serve(conn.(*net.TCPConn)) })
	}
}

func (f *flood) serve(conn *net.TCPConn) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 64<<10)
	bind, err := readHeader(r)
	if err != nil {
		return
	}
	conn.Write(appended(f.t, PDU{Command: bind.Command.Response(), Sequence: bind.Sequence, Body: new(BindResp)}))
	c := &floodConn{flood: f, conn: conn, under: make(map[int]bool)}
	var writer sync.WaitGroup
	writer.Go(c.write)
	c.read(r)
	f.mu.Lock()
	c.dead = true
	for slot := range c.under {
		f.free = append(f.free, slot)
	}
	f.again.Add(int64(len(c.under)))
	clear(c.under)
	f.changed.Broadcast()
	f.mu.Unlock()
	conn.Close()
	writer.Wait()
}

// readHeader reads a PDU of which the header says all.
func readHeader(r *bufio.Reader) (PDU, error) {
	head, err := r.Peek(HeaderLen)
	if err != nil {
		return PDU{}, err
	}
	p := PDU{
		Command:  CommandID(binary.BigEndian.Uint32(head[4:])),
		Status:   Status(binary.BigEndian.Uint32(head[8:])),
		Sequence: binary.BigEndian.Uint32(head[12:]),
	}
	_, err = r.Discard(int(binary.BigEndian.Uint32(head)))
	return p, err
}

func (c *floodConn) read(r *bufio.Reader) {
	for {
		if r.Buffered() < HeaderLen {
			if _, err := r.Peek(HeaderLen); err != nil {
				return
			}
		}
		c.mu.Lock()
		for r.Buffered() >= HeaderLen && !c.deaf {
			p, err := readHeader(r)
			if err != nil {
				break // the next Peek says so
			}
			c.take(p)
		}
		deaf := c.deaf
		c.changed.Broadcast()
		c.mu.Unlock()
		if deaf {
			time.Sleep(10 * time.Millisecond) // acknowledgements pile up unread
			return
		}
	}
}

// take looks at one PDU of the ESME. c.mu is held.
func (c *floodConn) take(p PDU) {
	switch p.Command {
	case DeliverSMResp:
		slot := int(p.Sequence) - 1
		switch {
		case !c.under[slot]:
			c.t.Errorf("an answer to %d, which is not under way on this connection", p.Sequence)
			return
		case p.Status == StatusOK:
			if taken := c.taken[slot].Load(); taken != c.sending[slot] {
				c.t.Errorf("slot %d: %d acknowledged, of which the application has %d", slot, c.sending[slot], taken)
			}
			c.sending[slot]++
			c.acked.Add(1)
		default:
			c.refused.Add(1)
		}
		delete(c.under, slot)
		c.free = append(c.free, slot)
	case SubmitSM:
		c.answers = append(c.answers, appended(c.t, PDU{Command: SubmitSMResp, Sequence: p.Sequence, Body: &MessageResp{MessageID: "m"}})...)
	case EnquireLink, Unbind:
		c.answers = append(c.answers, appended(c.t, PDU{Command: p.Command.Response(), Sequence: p.Sequence})...)
	case UnbindResp, GenericNack:
	default:
		c.t.Errorf("got %s", p.Command)
	}
}

func (c *floodConn) write() {
	c.mu.Lock()
	left, cut := int(c.rng.ExpFloat64()*floodCutEvery)+1, c.rng.IntN(len(floodCuts))
	c.mu.Unlock()
	var batch []byte
	for {
		c.mu.Lock()
		for !c.dead && len(c.answers) == 0 && (c.stopped || len(c.under) >= floodWindow || len(c.free) == 0) {
			c.changed.Wait()
		}
		if c.dead {
			c.mu.Unlock()
			return
		}
		batch = append(batch[:0], c.answers...)
		c.answers = c.answers[:0]
		n := min(256, floodWindow-len(c.under), len(c.free), left)
		if c.stopped {
			n = 0
		}
		for _, slot := range c.free[:n] {
			batch = c.message(batch, slot)
			c.under[slot] = true
		}
		c.free = append(c.free[:0], c.free[n:]...)
		c.mu.Unlock()
		if _, err := c.conn.Write(batch); err != nil {
			c.conn.Close() // what was under way comes again on another one
			return
		}
		if left -= n; left == 0 && n > 0 {
			c.cuts[cut].Add(1)
			c.cut(floodCuts[cut])
			c.answer() // it may live on for a while
			return
		}
	}
}

// answer goes on answering what the ESME asks until the connection ends.
func (c *floodConn) answer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.dead {
		if len(c.answers) > 0 {
			answers := bytes.Clone(c.answers)
			c.answers = c.answers[:0]
			c.mu.Unlock()
			c.conn.Write(answers)
			c.mu.Lock()
			continue
		}
		c.changed.Wait()
	}
}

func (c *floodConn) message(b []byte, slot int) []byte {
	at := len(b)
	b = append(b, c.frame...)
	m := b[at:]
	binary.BigEndian.PutUint32(m[12:], uint32(slot+1))
	copy(m[c.from:], fmt.Sprintf("%03d", slot%1000))
	copy(m[c.id:], fmt.Sprintf("%04x%012x", slot, c.sending[slot]))
	return b
}

func (c *floodConn) cut(how string) {
	switch how {
	case "closed":
		c.conn.Close()
	case "reset":
		c.conn.SetLinger(0)
		c.conn.Close()
	case "in a PDU":
		c.conn.Write(c.frame[:len(c.frame)/2])
		c.conn.Close()
	case "unbind":
		c.conn.Write(header(Unbind, 0, 1))
	case "half closed": // all that was acknowledged is still read
		c.conn.CloseWrite()
	case "not read, then closed":
		c.mu.Lock()
		c.deaf = true
		c.mu.Unlock()
		c.conn.CloseWrite()
	case "by our end":
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, ours := range c.ours {
			if ours.LocalAddr().String() == c.conn.RemoteAddr().String() {
				ours.Close()
			}
		}
	case "rubbish":
		c.conn.Write([]byte{0, 0, 0, 3, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1})
	}
}

// deliver is the application: it takes most messages at once, some later in
// another goroutine, refuses some, and forgets a few.
func (f *flood) deliver(_ context.Context, d *Delivery) {
	text := string(d.Message.Payload)
	d.Wipe()
	slot, err := strconv.ParseUint(text[len(floodText):][:4], 16, 64)
	if err != nil {
		f.t.Error(err)
	}
	generation, err := strconv.ParseUint(text[len(floodText)+4:][:12], 16, 64)
	if err != nil {
		f.t.Error(err)
	}
	take := func() {
		// One that comes again on a new connection may meet its old self here.
		for old := f.taken[slot].Load(); old < generation && !f.taken[slot].CompareAndSwap(old, generation); {
			old = f.taken[slot].Load()
		}
		d.Ack(StatusOK)
	}
	switch n := rand.N(100_000); {
	case n < 2: // the session has to answer
	case n < 20:
		d.Ack(StatusTempAppErr)
	case n < 200:
		f.conns.Go(func() {
			time.Sleep(rand.N(2 * time.Millisecond))
			take()
			d.Ack(StatusPermAppErr) // nothing happens
		})
	default:
		take()
	}
}

// TestFlood is a flood with disconnections on both sides of the acknowledgement:
//
//	STARHASH_FLOOD=10m go test ./smpp -run TestFlood -v -timeout 20m
//
// STARHASH_FLOOD_SEED repeats the way in which connections are cut, as far as
// the scheduler allows.
func TestFlood(t *testing.T) {
	span, seed := 3*time.Second, rand.Uint64()
	if s := os.Getenv("STARHASH_FLOOD"); s != "" {
		var err error
		if span, err = time.ParseDuration(s); err != nil {
			t.Fatalf("STARHASH_FLOOD: %v", err)
		}
	}
	if s := os.Getenv("STARHASH_FLOOD_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("STARHASH_FLOOD_SEED: %v", err)
		}
	}
	t.Logf("STARHASH_FLOOD_SEED=%d", seed)
	f := newFlood(t, seed)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var smsc sync.WaitGroup
	smsc.Go(func() { f.accept(l) })

	e := NewESME(BindConfig{
		Name: "flood", Address: l.Addr().String(), SystemID: "starhash", Sessions: floodSessions, InboundQueue: 2 * floodWindow,
		AnswerWithin: 200 * time.Millisecond, ResponseTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second,
		ReconnectMin: 10 * time.Millisecond, ReconnectMax: 50 * time.Millisecond,
	}, slog.New(slog.DiscardHandler), handlerFuncs{deliver: f.deliver})
	dial := e.dial
	e.dial = func(ctx context.Context) (net.Conn, error) {
		conn, err := dial(ctx)
		if err == nil {
			f.mu.Lock()
			f.ours = append(f.ours, conn)
			if len(f.ours) > 2*floodSessions { // the older ones have ended
				f.ours = append([]net.Conn(nil), f.ours[1:]...)
			}
			f.mu.Unlock()
		}
		return conn, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	var submitters sync.WaitGroup
	var submitted atomic.Int64
	for range 4 {
		submitters.Go(func() {
			for ctx.Err() == nil {
				_, err := e.Submit(ctx, mt("263771", "flood"))
				notSent, unknown := errors.Is(err, ErrNotSent), errors.Is(err, ErrOutcomeUnknown)
				switch {
				case err == nil:
					submitted.Add(1)
				case notSent == unknown:
					t.Errorf("Submit: %v", err)
				default:
					time.Sleep(time.Millisecond)
				}
			}
		})
	}

	start := time.Now()
	const phases = 4
	var heap [phases]uint64
	var goroutines [phases]int
	for i := range phases {
		before := f.acked.Load()
		time.Sleep(span / phases)
		if f.acked.Load() == before {
			t.Error("nothing is acknowledged any more")
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		heap[i], goroutines[i] = m.HeapAlloc, runtime.NumGoroutine()
	}
	took := time.Since(start)
	cancel() // in the middle of it
	if err := <-ended; err != nil {
		t.Error(err)
	}
	submitters.Wait()
	f.mu.Lock()
	f.stopped = true
	f.changed.Broadcast()
	f.mu.Unlock()
	l.Close()
	smsc.Wait()
	f.conns.Wait()

	cuts := ""
	for i, how := range floodCuts {
		cuts += fmt.Sprintf("; %s %d", how, f.cuts[i].Load())
	}
	acked := f.acked.Load()
	t.Logf("%d acknowledged in %s, %.0f a second; %d sent again, %d refused, %d submitted%s",
		acked, took.Round(time.Millisecond), float64(acked)/took.Seconds(), f.again.Load(), f.refused.Load(), submitted.Load(), cuts)
	t.Logf("heap %d, goroutines %d; %+v", heap, goroutines, e.Stats())
	for i := 1; i < phases; i++ {
		if heap[i] > heap[0]+heap[0]/2+8<<20 {
			t.Errorf("the heap grows: %d", heap)
		}
		if goroutines[i] > goroutines[0]+40 {
			t.Errorf("goroutines grow: %d", goroutines)
		}
	}
	if s := e.Stats(); s.UnderWay != 0 || s.Waiting != 0 || s.Bound != 0 {
		t.Errorf("at the end: %+v", s)
	}
}
