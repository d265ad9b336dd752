package smsc

import (
	"bufio"
	"context"
	"log/slog"
	"maps"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"starhash/smpp"
)

const (
	outSize    = 256                    // PDUs that wait to be written
	lateSize   = 8192                   // answers that Faults.Delay holds back; more stop the reading
	lingerTime = 300 * time.Millisecond // for an ESME to close a connection of which we closed our half
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
	late  chan item     // to be written when due; in order
	done  chan struct{} // closed by close
	once  sync.Once
	group sync.WaitGroup

	deaf atomic.Bool  // what comes in is not looked at any more, nothing new goes out
	read atomic.Int64 // time of the latest PDU, Unix nanoseconds

	slots     chan struct{} // one for each delivery in flight
	submitted atomic.Uint64
	acked     atomic.Uint64

	mu       sync.Mutex
	account  *account // nil until bound
	bind     smpp.CommandID
	esme     smpp.Address // address_range of the bind
	sequence uint32
	inFlight map[uint32]inFlight
}

// inFlight is a delivery that its ESME has not answered.
type inFlight struct {
	*delivery
	sent time.Time
	slot bool // holds one of slots
}

// item is a PDU to be written.
type item struct {
	frame []byte
	due   time.Time // in late only
	end   ending
	after func() // runs once the frame was written, or cannot be any more
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
		late:     make(chan item, lateSize),
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

// write is the only writer: what is there together leaves in one packet.
func (c *conn) write() {
	w := bufio.NewWriterSize(c.nc, 16<<10)
	var held *item // the first of late
	var batch []func()
	flushed := func() {
		for _, f := range batch {
			f()
		}
		batch = batch[:0]
	}
	defer func() {
		flushed()
		if held != nil && held.after != nil {
			held.after()
		}
	}()
	for {
		late := c.late
		var due <-chan time.Time
		var timer *time.Timer
		if held != nil {
			late = nil
			timer = time.NewTimer(time.Until(held.due))
			due = timer.C
		}
		var it item
		ready := true
		select {
		case it = <-c.out:
		case next := <-late:
			held, ready = &next, false
		case <-due:
			it, held = *held, nil
		case <-c.done:
			return
		}
		if timer != nil {
			timer.Stop()
		}
		if !ready {
			continue
		}
		if it.after != nil {
			batch = append(batch, it.after)
		}
		c.nc.SetWriteDeadline(time.Now().Add(writeTime))
		_, err := w.Write(it.frame)
		if err == nil && (len(c.out) == 0 || it.end != endNone) {
			if err = w.Flush(); err == nil {
				flushed()
			}
		}
		switch {
		case err != nil:
			c.close("write: " + err.Error())
			return
		case it.end == endClose:
			c.close("unbound")
			return
		case it.end == endHalf:
			c.half()
		}
	}
}

// half closes our half of the connection: the ESME reads what was written, then the
// end. An immediate close could reset the connection and take that from it.
func (c *conn) half() {
	tcp, ok := c.nc.(*net.TCPConn)
	if !ok || tcp.CloseWrite() != nil {
		c.close("cut by the fault drop_after_mo")
		return
	}
	c.nc.SetReadDeadline(time.Now().Add(lingerTime))
}

// listen reads PDUs and handles them one by one.
func (c *conn) listen(ctx context.Context) {
	r := bufio.NewReaderSize(c.nc, 32<<10)
	for {
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
		frame, err := smpp.ReadFrame(r, c.s.cfg.MaxPDU)
		if err != nil {
			c.unreadable(err)
			return
		}
		if c.deaf.Load() {
			continue
		}
		c.read.Store(time.Now().UnixNano())
		c.handle(ctx, frame)
	}
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
	if c.boundAs() == nil || !c.sendPDU(smpp.PDU{Command: smpp.Unbind, Sequence: c.next()}, item{}) {
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
		c.s.again(a, d, "no answer")
	}
}

// release ends a delivery's flight. The caller holds mu.
func (c *conn) release(sequence uint32, f inFlight) {
	delete(c.inFlight, sequence)
	if f.slot {
		<-c.slots
	}
}

// pump sends the account's deliveries while there are slots.
func (c *conn) pump(ctx context.Context, a *account) {
	for {
		select {
		case c.slots <- struct{}{}:
		case <-c.done:
			return
		case <-ctx.Done():
			return
		}
		d := a.queue.take(ctx, c.done)
		if d == nil {
			return
		}
		if c.deaf.Load() {
			a.queue.put(d, d.due)
			return
		}
		c.deliver(d, true)
	}
}

// deliver sends a delivery; its answer, or the lack of one, settles it.
func (c *conn) deliver(d *delivery, slot bool) {
	d.tries++
	it := item{}
	if d.mo && c.s.faults.take(func(f *Faults) *Count { return &f.DropAfterMO }) {
		it.end = endHalf
		c.deaf.Store(true)
	}
	sequence := c.next()
	c.mu.Lock()
	c.inFlight[sequence] = inFlight{delivery: d, sent: time.Now(), slot: slot}
	c.mu.Unlock()
	c.sendPDU(smpp.PDU{Command: d.command, Sequence: sequence, Body: d.message}, it)
}

// answered settles the delivery that a response is for.
func (c *conn) answered(p smpp.PDU) {
	c.mu.Lock()
	f, ok := c.inFlight[p.Sequence]
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
	if c.sequence++; c.sequence > 0x7FFFFFFF {
		c.sequence = 1
	}
	return c.sequence
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
	return c.account != nil && c.bind != smpp.BindTransmitter && !c.deaf.Load()
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
