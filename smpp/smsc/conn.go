package smsc

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"starhash/smpp"
)

const (
	outSize     = 256                    // PDUs that wait to be written
	lateSize    = 8192                   // answers that are held back; more stop the reading
	lingerTime  = 300 * time.Millisecond // for an ESME to close a connection of which we closed our half
	reorderTime = 100 * time.Millisecond // that Faults.ReorderMO holds a message back
	maxOwed     = 1024                   // numbers of an ESME's requests that are known to be unanswered
)

// conn is one connection of an ESME. Four goroutines serve it: read (which decodes
// and answers), write, keep (timers) and, once a receiver is bound, pump (the
// queue). serve starts and awaits them. done is closed as the first step of the end.
type conn struct {
	s      *SMSC
	nc     net.Conn
	log    *slog.Logger
	remote string
	since  time.Time

	out   chan item     // to be written now
	late  chan item     // to be written when due
	done  chan struct{} // closed by close
	once  sync.Once
	group sync.WaitGroup

	deaf      atomic.Bool  // what comes in is not looked at any more, nothing new goes out
	read      atomic.Int64 // time of the latest PDU, Unix nanoseconds
	unbinding atomic.Int64 // time of our unbind; 0: none

	slots     chan struct{} // one for each delivery in flight
	submitted atomic.Uint64
	acked     atomic.Uint64

	mu       sync.Mutex
	account  *account // nil until bound
	bind     smpp.CommandID
	esme     smpp.Address // address_range of the bind
	serves   addressRange // the same, read
	sequence uint32
	inFlight map[uint32]inFlight
	owed     []uint32 // numbers of the ESME's submissions without an answer, the oldest first
	heard    uint32   // number of the ESME's latest request
}

// inFlight is a delivery that its ESME has not answered.
type inFlight struct {
	*delivery
	sent time.Time
	slot bool // holds one of slots
}

// item is a PDU to be written.
type item struct {
	frame  []byte
	due    time.Time // in late only
	order  uint64    // in late only: of those due at the same time
	end    ending
	octets bool   // written octet by octet
	secret bool   // the tap masks all of its text
	after  func() // runs once the frame was written, or cannot be any more
}

// ending is what happens to the connection once an item is written.
type ending byte

const (
	endNone  ending = iota
	endClose        // closed
	endHalf         // our half is closed, so that the ESME still reads what was written
)

func newConn(s *SMSC, nc net.Conn) *conn {
	remote := nc.RemoteAddr().String()
	c := &conn{
		s:        s,
		nc:       nc,
		log:      s.log.With("remote", remote),
		remote:   remote,
		since:    time.Now(),
		out:      make(chan item, outSize),
		late:     make(chan item),
		done:     make(chan struct{}),
		slots:    make(chan struct{}, s.cfg.Window),
		inFlight: make(map[uint32]inFlight),
	}
	c.read.Store(c.since.UnixNano())
	return c
}

// serve runs the connection until it is closed or ctx ends, and gives back to the
// queue what was not answered.
func (c *conn) serve(ctx context.Context) {
	c.spawn(c.write)
	c.spawn(func() { c.keep(ctx) })
	c.spawn(func() { c.listen(ctx) })
	c.group.Wait()

	// Nobody sends any more. Answers that were not written still happened.
	for _, waiting := range []chan item{c.out, c.late} {
		for len(waiting) > 0 {
			if it := <-waiting; it.after != nil {
				it.after()
			}
		}
	}
	for _, sequence := range slices.Sorted(maps.Keys(c.inFlight)) {
		c.s.again(c.account, c.inFlight[sequence].delivery, "connection lost")
	}
}

// spawn runs f as one of the connection's goroutines. A panic ends the connection,
// not the process; its value is not logged, because it may quote a message.
func (c *conn) spawn(f func()) {
	c.group.Go(func() {
		defer func() {
			if recover() != nil {
				c.log.Error("panic", "stack", string(debug.Stack()))
				c.close("panic")
			}
		}()
		f()
	})
}

// close ends the connection; the first reason counts. Any goroutine may call it.
func (c *conn) close(why string) {
	c.once.Do(func() {
		close(c.done)
		c.nc.Close()
		c.log.Info("connection closed", "why", why)
	})
}

// send hands an item to the writer; false when the connection is at its end.
func (c *conn) send(it item) bool {
	to := c.out
	if !it.due.IsZero() {
		to = c.late
	}
	select {
	case to <- it:
		return true
	case <-c.done:
		if it.after != nil {
			it.after()
		}
		return false
	}
}

// sendPDU is send for a PDU of a body that we made. One that cannot be encoded is
// an error of ours.
func (c *conn) sendPDU(p smpp.PDU, it item) bool {
	frame, err := smpp.Append(nil, p)
	if err != nil {
		c.log.Error("not encoded", "command", p.Command, "err", err)
		if it.after != nil {
			it.after()
		}
		return false
	}
	it.frame = frame
	return c.send(it)
}

// listen reads PDUs and handles them one by one.
func (c *conn) listen(ctx context.Context) {
	r := smpp.NewReader(c.nc, c.s.cfg.MaxPDU)
	for {
		c.attend(ctx)
		// keep looks after silence; this deadline is for a PDU that stops half-way,
		// and for a connection that does not bind.
		deadline := c.since.Add(c.s.cfg.BindTimeout)
		if c.boundAs() != nil {
			deadline = time.Now().Add(c.s.cfg.EnquireLink + 2*c.s.cfg.ResponseTimeout)
		}
		c.nc.SetReadDeadline(deadline)
		if c.deaf.Load() {
			c.nc.SetReadDeadline(time.Now().Add(lingerTime))
		}
		p, err := r.Next()
		var bad *smpp.DecodeError
		if stopped, _ := c.s.dice.stopped(); stopped && errors.Is(err, os.ErrDeadlineExceeded) {
			continue // nobody was looking
		}
		if err != nil && !errors.As(err, &bad) {
			c.unreadable(err)
			return
		}
		c.attend(ctx)
		if c.deaf.Load() {
			continue
		}
		c.read.Store(time.Now().UnixNano())
		c.heardPDU(p, bad, r.Taken())
		if bad != nil {
			c.refuseBroken(bad)
		} else {
			c.handle(ctx, p)
		}
	}
}

// attend waits while the fault stop_reading holds.
func (c *conn) attend(ctx context.Context) {
	for {
		stopped, changed := c.s.dice.stopped()
		if !stopped {
			return
		}
		if tcp, ok := c.tcp(); ok {
			tcp.SetReadBuffer(4096) // so that the ESME feels it soon
		}
		select {
		case <-changed:
			c.read.Store(time.Now().UnixNano())
		case <-c.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// tcp is the connection below TLS.
func (c *conn) tcp() (*net.TCPConn, bool) {
	nc := c.nc
	if secure, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = secure.NetConn()
	}
	tcp, ok := nc.(*net.TCPConn)
	return tcp, ok
}

// keep looks after silence: that of the ESME as a whole, and that in answer to a
// delivery. When ctx ends it takes leave.
func (c *conn) keep(ctx context.Context) {
	cfg := &c.s.cfg
	tick := time.NewTicker(max(min(cfg.EnquireLink, cfg.ResponseTimeout, 4*time.Second)/4, time.Millisecond))
	defer tick.Stop()
	var asked time.Time
	for {
		select {
		case <-c.done:
			return
		case <-ctx.Done():
			c.leave()
			return
		case <-tick.C:
		}
		now := time.Now()
		c.overdue(now)
		heard := time.Unix(0, c.read.Load())
		if stopped, _ := c.s.dice.stopped(); stopped {
			heard, asked = now, time.Time{}
		}
		if at := c.unbinding.Load(); at != 0 && now.UnixNano()-at >= int64(unbindTime) {
			c.close("no answer to unbind")
		}
		switch {
		case c.boundAs() == nil || c.deaf.Load():
		case !asked.IsZero() && heard.After(asked):
			asked = time.Time{}
		case !asked.IsZero() && now.Sub(asked) >= cfg.ResponseTimeout:
			c.close("no answer to enquire_link")
		case asked.IsZero() && now.Sub(heard) >= cfg.EnquireLink:
			asked = now
			c.sendPDU(smpp.PDU{Command: smpp.EnquireLink, Sequence: c.next()}, item{})
		}
	}
}

// leave unbinds an ESME at the end of Run, and waits for its answer for a while.
func (c *conn) leave() {
	if !c.unbind() {
		c.close("the simulator stops")
		return
	}
	timer := time.NewTimer(unbindTime)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		c.close("no answer to unbind")
	}
}

// unbind takes leave of an ESME (§4.2): nothing new is delivered, and its answer, or
// keep when there is none, closes the connection. False where nobody is bound.
func (c *conn) unbind() bool {
	if c.boundAs() == nil {
		return false
	}
	if !c.unbinding.CompareAndSwap(0, time.Now().UnixNano()) {
		return true // again
	}
	return c.sendPDU(smpp.PDU{Command: smpp.Unbind, Sequence: c.next()}, item{})
}

// overdue takes back the deliveries that were not answered in time. An answer that
// comes later is logged and changes nothing, as with a real message centre.
func (c *conn) overdue(now time.Time) {
	var late []*delivery
	c.mu.Lock()
	for sequence, f := range c.inFlight {
		if now.Sub(f.sent) >= c.s.cfg.ResponseTimeout {
			c.release(sequence, f)
			late = append(late, f.delivery)
		}
	}
	a := c.account
	c.mu.Unlock()
	for _, d := range late {
		c.s.again(a, d, noAnswer)
	}
}

// noAnswer is the status of a delivery whose response did not come in time.
const noAnswer = "no answer"

// release ends a delivery's flight. The caller holds mu.
func (c *conn) release(sequence uint32, f inFlight) {
	delete(c.inFlight, sequence)
	if f.slot {
		<-c.slots
	}
}

// pump sends the account's deliveries while there are slots.
func (c *conn) pump(ctx context.Context, a *account, serves addressRange) {
	for {
		select {
		case c.slots <- struct{}{}:
		case <-c.done:
			return
		case <-ctx.Done():
			return
		}
		d := a.queue.take(ctx, c.done, serves)
		if d == nil {
			return
		}
		if d.void.Load() {
			<-c.slots
			continue
		}
		if c.deaf.Load() || c.unbinding.Load() != 0 {
			a.queue.put(d, d.due)
			return
		}
		c.deliver(d, true)
	}
}

// deliver sends a delivery; its answer, or the lack of one, settles it.
func (c *conn) deliver(d *delivery, slot bool) {
	if d.mo && !d.held && c.hits(reorderMO, d) {
		d.held = true
		if slot {
			<-c.slots
		}
		c.boundAs().queue.put(d, time.Now().Add(reorderTime))
		return
	}
	d.tries++
	if !d.mo {
		c.post(d, d.message, item{}, slot, false)
		return
	}
	c.harass(d)
	m := d.message
	if c.hits(vendorTLVs, d) {
		m = withVendorTLVs(m)
	}
	if c.hits(longPayload, d) {
		m = padded(m)
	}
	it := item{octets: c.hits(singleOctets, d)}
	if c.hits(dropAfterMO, d) {
		it.end = endHalf
		c.deaf.Store(true)
	}
	collide := c.hits(sequenceCollision, d)
	again := c.hits(duplicateMO, d)
	c.post(d, m, it, slot, collide)
	if again {
		c.post(&delivery{command: d.command, message: m, copy: true, secret: d.secret}, m, item{}, false, false)
	}
	if c.hits(unbindAfterMO, d) {
		c.unbind()
	}
}

// hits says whether a fault hits a phone's message. Its source's magic works the first
// time only: the message is to arrive in the end.
func (c *conn) hits(k fault, d *delivery) bool {
	if magicOf(d.message.Source.Addr) != noMagic && d.tries > 1 {
		return false
	}
	return c.s.dice.hitsNumber(k, d.message.Source.Addr)
}

// post puts a delivery in flight.
func (c *conn) post(d *delivery, m *smpp.Message, it item, slot, collide bool) {
	it.secret = d.secret
	p := smpp.PDU{Command: d.command, Sequence: c.claim(d, slot, collide), Body: m}
	c.sendPDU(p, it)
	if d.twice {
		c.sendPDU(p, it)
	}
}

// claim takes the number that the answer to d will have.
func (c *conn) claim(d *delivery, slot, collide bool) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	sequence := c.number(collide)
	c.inFlight[sequence] = inFlight{delivery: d, sent: time.Now(), slot: slot}
	return sequence
}

// answered settles the delivery that a response is for.
func (c *conn) answered(p smpp.PDU) {
	c.mu.Lock()
	f, ok := c.inFlight[p.Sequence]
	if ok && f.mo && p.Status == smpp.StatusOK && c.hits(dropOnAck, f.delivery) {
		c.mu.Unlock()
		c.close("cut by the fault drop_on_ack") // still in flight: it comes again
		return
	}
	if ok && (p.Command == f.command.Response() || p.Command == smpp.GenericNack) {
		c.release(p.Sequence, f)
	} else {
		ok = false
	}
	a := c.account
	c.mu.Unlock()
	if !ok {
		c.log.Info("a response to nothing in flight, or too late", "command", p.Command, "sequence", p.Sequence, "status", p.Status)
		return
	}
	status := p.Status
	if p.Command == smpp.GenericNack && status == smpp.StatusOK {
		status = smpp.StatusUnknownErr // a negative acknowledgement by its command
	}
	if status == smpp.StatusOK {
		c.acked.Add(1)
	}
	c.s.settle(a, f.delivery, status)
}

// next is the next sequence number of this connection (§5.1.4).
func (c *conn) next() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.number(false)
}

// number is next for a caller that holds mu. With collide it is, where there is one,
// the number of a submission of the ESME's that has no answer yet.
func (c *conn) number(collide bool) uint32 {
	if collide {
		for _, n := range append(c.owed[:len(c.owed):len(c.owed)], c.heard+1) {
			if _, busy := c.inFlight[n]; !busy && n > 0 && n <= maxSequence {
				return n
			}
		}
	}
	for {
		if c.sequence++; c.sequence > maxSequence {
			c.sequence = 1
		}
		if _, busy := c.inFlight[c.sequence]; !busy {
			return c.sequence
		}
	}
}

// maxSequence is the last sequence number before 1 follows (§5.1.4).
const maxSequence = 0x7FFFFFFF

// hears notes the number of a request and says whether the ESME is bound.
func (c *conn) hears(sequence uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = sequence
	return c.account != nil
}

// owe remembers a submission that is to be answered, paid forgets it.
func (c *conn) owe(sequence uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.owed) == maxOwed {
		c.owed = c.owed[1:]
	}
	c.owed = append(c.owed, sequence)
}

func (c *conn) paid(sequence uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.owed, sequence); i >= 0 {
		c.owed = slices.Delete(c.owed, i, i+1)
	}
}

// boundAs is the account that the ESME is bound to, or nil.
func (c *conn) boundAs() *account {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.account
}

// receives says whether deliver_sm and the like may go to the ESME.
func (c *conn) receives() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.account != nil && c.bind != smpp.BindTransmitter && !c.deaf.Load() && c.unbinding.Load() == 0
}

// serving says whether a delivery of an account may go to the ESME.
func (c *conn) serving(a *account, d *delivery) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.account == a && c.serves.takes(d)
}

// describe is the connection as GET /binds shows it; false while unbound.
func (c *conn) describe() (Bind, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.account == nil {
		return Bind{}, false
	}
	return Bind{
		SystemID:  c.account.SystemID,
		Mode:      bindModes[c.bind],
		Remote:    c.remote,
		Since:     c.since,
		InFlight:  len(c.inFlight),
		Submitted: c.submitted.Load(),
		Delivered: c.acked.Load(),
	}, true
}

var bindModes = map[smpp.CommandID]string{
	smpp.BindTransmitter: "transmitter",
	smpp.BindReceiver:    "receiver",
	smpp.BindTransceiver: "transceiver",
}
