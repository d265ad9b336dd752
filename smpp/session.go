package smpp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxSequence = 0x7FFFFFFF // §3.2
	// writeBatch is about how many octets go out in one write.
	writeBatch = 64 << 10
	// answersQueued is how many PDUs may wait to be written, beyond the window
	// and the acknowledgements owed, before we stop reading: a peer that asks
	// without taking answers finds its own connection full.
	answersQueued = 1024
)

// Why a session ended.
var (
	errSilent      = errors.New("the SMSC does not answer enquire_link")
	errUnbound     = errors.New("unbound")
	errPeerUnbound = errors.New("unbound by the SMSC")
)

// session is one connection to an SMSC, from its bind to its end. Three
// goroutines belong to it, all waited for by serve: the reader, which runs no
// business code, the writer, which puts what has queued up meanwhile into one
// write, and the keeper of the link.
type session struct {
	cfg     *BindConfig
	role    CommandID // BindTransceiver, BindTransmitter or BindReceiver
	log     *slog.Logger
	conn    net.Conn
	r       *Reader
	inbound *inbound
	esme    *ESME

	window       chan struct{} // a slot for every submit_sm under way
	intakeClosed chan struct{} // closed when draining begins
	drained      chan struct{} // closed when draining and nothing is owed either way
	done         chan struct{} // closed when ended
	lastRead     atomic.Int64  // when the last whole PDU came, in ns since started
	started      time.Time

	mu       sync.Mutex
	toWrite  sync.Cond // the queue is not empty, or ended
	room     sync.Cond // the queue has become shorter, or ended
	queue    []outgoing
	waiting  map[uint32]*request // by sequence number
	sequence uint32              // the last one given out
	owed     int                 // deliveries not acknowledged yet
	draining bool
	isIdle   bool // drained is closed
	ended    bool
	flush    bool  // the writer empties the queue before the connection closes
	cause    error // why ended
}

// outgoing is a PDU that waits to be written.
type outgoing struct {
	frame   []byte
	request *request // nil for answers
}

func newSession(conn net.Conn, role CommandID, e *ESME, log *slog.Logger) *session {
	s := &session{
		cfg: &e.cfg, role: role, log: log, conn: conn, inbound: e.inbound, esme: e,
		r:            NewReader(conn, e.cfg.MaxPDU),
		window:       make(chan struct{}, e.cfg.Window),
		intakeClosed: make(chan struct{}),
		drained:      make(chan struct{}),
		done:         make(chan struct{}),
		started:      time.Now(),
		waiting:      make(map[uint32]*request),
	}
	s.toWrite.L, s.room.L = &s.mu, &s.mu
	return s
}

// bind sends the bind request and reads until its answer, before any goroutine
// runs. Whatever else the SMSC asks meanwhile is refused, except enquire_link.
func (s *session) bind(ctx context.Context) error {
	s.conn.SetDeadline(time.Now().Add(s.cfg.BindTimeout))
	stop := context.AfterFunc(ctx, func() { s.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	s.sequence = 1
	frame, err := Append(nil, PDU{Command: s.role, Sequence: s.sequence, Body: &Bind{
		SystemID:         s.cfg.SystemID,
		Password:         s.cfg.Password,
		SystemType:       s.cfg.SystemType,
		InterfaceVersion: InterfaceVersion34,
		Address:          Address{Addr: s.cfg.AddressRange},
	}})
	if err != nil {
		return err
	}
	_, err = s.conn.Write(frame)
	clear(frame)
	if err != nil {
		return err
	}
	for {
		p, err := s.r.Next()
		var de *DecodeError
		if errors.As(err, &de) {
			if answer, ok := de.Answer(); ok {
				if err := s.writeNow(answer); err != nil {
					return err
				}
				continue
			}
			// The header of a response says enough.
			p, err = PDU{Command: de.Command, Status: de.PeerStatus, Sequence: de.Sequence}, nil
		}
		if err != nil {
			return err
		}
		switch {
		case p.Sequence == s.sequence && p.Command == s.role.Response():
			if p.Status != StatusOK {
				return &StatusError{Command: p.Command, Status: p.Status}
			}
			if !stop() {
				return context.Cause(ctx)
			}
			s.conn.SetDeadline(time.Time{})
			smsc := ""
			if b, ok := p.Body.(*BindResp); ok {
				smsc = b.SystemID
			}
			s.log.Info("bound", "smsc", smsc)
			return nil
		case p.Sequence == s.sequence && p.Command == GenericNack:
			return &StatusError{Command: p.Command, Status: p.Status}
		case p.Command.IsResponse():
		case p.Command == EnquireLink:
			err = s.writeNow(PDU{Command: EnquireLinkResp, Sequence: p.Sequence})
		case p.Command == Unbind:
			s.writeNow(PDU{Command: UnbindResp, Sequence: p.Sequence})
			return errPeerUnbound
		default:
			if m, ok := p.Body.(*Message); ok {
				m.wipe()
			}
			err = s.writeNow(refusal(p, StatusInvBndSts))
		}
		if err != nil {
			return err
		}
	}
}

// writeNow writes past the queue, before the writer runs.
func (s *session) writeNow(p PDU) error {
	frame, err := Append(nil, p)
	if err != nil {
		return err
	}
	_, err = s.conn.Write(frame)
	return err
}

// refusal answers a request with a status.
func refusal(p PDU, status Status) PDU {
	answer, _ := (&DecodeError{Command: p.Command, Sequence: p.Sequence, Status: status}).Answer()
	return answer
}

// serve works the bound session until it ends, and returns why. When ctx ends,
// it stops the intake, waits for what is owed, and unbinds.
func (s *session) serve(ctx context.Context) error {
	var all, writer sync.WaitGroup
	writer.Go(s.write)
	all.Go(s.read)
	all.Go(s.keepLink)
	select {
	case <-s.done:
	case <-ctx.Done():
		s.shutdown()
	}
	if s.flush {
		writer.Wait() // bounded by its own deadline
	}
	s.conn.Close()
	writer.Wait()
	all.Wait()
	s.r.Wipe()
	return s.cause
}

// shutdown drains and unbinds. It waits at most ResponseTimeout for what is
// owed either way, and as long again for the unbind_resp.
func (s *session) shutdown() {
	s.mu.Lock()
	s.draining = true
	close(s.intakeClosed)
	s.checkDrained()
	s.mu.Unlock()

	limit := time.NewTimer(s.cfg.ResponseTimeout)
	defer limit.Stop()
	select {
	case <-s.drained:
	case <-limit.C:
		s.mu.Lock()
		s.log.Warn("unbinding before all is answered", "acks_owed", s.owed, "requests", len(s.waiting))
		s.mu.Unlock()
	case <-s.done:
		return
	}
	r, err := s.send(PDU{Command: Unbind})
	if err == nil {
		_, err = s.await(context.Background(), r, s.cfg.ResponseTimeout)
	}
	if err != nil {
		err = fmt.Errorf("unbind: %w", err)
	} else {
		err = errUnbound
	}
	s.end(err, false)
}

// checkDrained closes drained once nothing is owed. s.mu is held.
func (s *session) checkDrained() {
	if !s.draining || s.isIdle || s.owed > 0 {
		return
	}
	for _, r := range s.waiting {
		if r.command == SubmitSM {
			return
		}
	}
	s.isIdle = true
	close(s.drained)
}

// end ends the session, once. With flush the writer writes what is queued,
// within its deadline, before the connection closes.
func (s *session) end(cause error, flush bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended, s.flush, s.cause = true, flush, cause
	for _, r := range s.waiting {
		s.abandon(r, cause)
	}
	close(s.done)
	s.toWrite.Broadcast()
	s.room.Broadcast()
}

func (s *session) hasEnded() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// enqueue hands a PDU to the writer. s.mu is held.
func (s *session) enqueue(o outgoing) {
	s.queue = append(s.queue, o)
	s.toWrite.Signal()
}

// respond queues an answer; after the end it does nothing.
func (s *session) respond(p PDU) {
	frame, err := Append(nil, p)
	if err != nil { // answers are made here, of parts that always encode
		s.log.Error("answer does not encode", "err", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.enqueue(outgoing{frame: frame})
	}
}

// write is the writer: it takes all that is queued, up to a batch, and writes
// it at once. A request is handed from the moment its octets go to the
// connection: from there on nobody can say that it was not sent.
func (s *session) write() {
	buf := make([]byte, 0, writeBatch)
	for {
		buf = buf[:0]
		s.mu.Lock()
		for len(s.queue) == 0 && !s.ended {
			s.toWrite.Wait()
		}
		if s.ended && (len(s.queue) == 0 || !s.flush) {
			s.mu.Unlock()
			return
		}
		n := 0
		for ; n < len(s.queue) && len(buf) < writeBatch; n++ {
			o := s.queue[n]
			if o.request != nil {
				if o.request.state != queued {
					continue
				}
				o.request.state = handed
			}
			buf = append(buf, o.frame...)
		}
		clear(s.queue[:n])
		if s.queue = s.queue[n:]; len(s.queue) == 0 {
			s.queue = s.queue[:0:0]
		}
		s.room.Broadcast()
		s.mu.Unlock()
		if len(buf) == 0 {
			continue
		}
		s.conn.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
		if _, err := s.conn.Write(buf); err != nil {
			s.end(fmt.Errorf("write: %w", err), false)
			return
		}
	}
}

// awaitRoom holds the reader back while too much waits to be written.
func (s *session) awaitRoom() {
	limit := answersQueued + s.cfg.Window + s.cfg.InboundQueue
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > limit && !s.ended {
		s.room.Wait()
	}
}

// read is the reader. What does not decode is answered, and the session goes
// on; where the stream itself cannot be followed the session ends.
func (s *session) read() {
	for !s.hasEnded() {
		p, err := s.r.Next()
		var (
			de *DecodeError
			fe *FrameError
		)
		switch {
		case err == nil:
			s.touch()
			s.handle(p)
		case errors.As(err, &de):
			s.touch()
			s.handleMalformed(de)
		case errors.As(err, &fe):
			s.respond(PDU{Command: GenericNack, Status: StatusInvCmdLen, Sequence: fe.Sequence})
			s.end(err, true)
		default:
			if err == io.EOF {
				err = errors.New("the SMSC closed the connection")
			}
			s.end(err, false)
		}
		s.awaitRoom()
	}
}

func (s *session) touch() { s.lastRead.Store(int64(time.Since(s.started))) }

func (s *session) handle(p PDU) {
	switch {
	case p.Command == EnquireLink:
		s.respond(PDU{Command: EnquireLinkResp, Sequence: p.Sequence})
	case p.Command == Unbind:
		s.respond(PDU{Command: UnbindResp, Sequence: p.Sequence})
		s.end(errPeerUnbound, true)
	case p.Command == DeliverSM, p.Command == DataSM:
		s.handleMessage(p)
	case p.Command == CommandAlert:
		a := p.Body.(*AlertNotification)
		if s.role == BindTransmitter || !s.inbound.offer(a.Source.Addr, arrival{session: s, alert: a}) {
			s.log.Warn("alert_notification dropped: queue full or no receiver")
		}
	case p.Command == CommandOutbind:
		s.log.Warn("outbind on a bound session: ignored")
	case p.Command.IsResponse():
		switch {
		case !s.resolve(p):
			s.logUnmatched(p)
		case p.Command == UnbindResp:
			s.end(errUnbound, false) // before the SMSC's close looks like the reason
		}
	default:
		if m, ok := p.Body.(*Message); ok {
			m.wipe()
		}
		s.log.Warn("request that an ESME does not take", "command", p.Command.String())
		s.respond(refusal(p, StatusInvBndSts))
	}
}

// handleMessage passes a message on to the application, or refuses it at once:
// with a temporary status where another attempt can succeed.
func (s *session) handleMessage(p PDU) {
	m := p.Body.(*Message)
	refuse := func(status Status) {
		m.wipe()
		s.respond(refusal(p, status))
	}
	if s.role == BindTransmitter {
		refuse(StatusInvBndSts)
		return
	}
	s.mu.Lock()
	full, draining := s.owed >= s.cfg.InboundQueue, s.draining
	if !full && !draining {
		s.owed++
	}
	s.mu.Unlock()
	switch {
	case draining:
		refuse(StatusTempAppErr)
		return
	case full:
		refuse(StatusThrottled)
		return
	}
	d := NewDelivery(s.esme, p.Command, m, func(status Status) { s.acknowledge(p.Command, p.Sequence, status) })
	if !s.inbound.offer(m.Source.Addr, arrival{session: s, delivery: d}) {
		m.wipe()
		d.Ack(StatusThrottled)
	}
}

func (s *session) acknowledge(c CommandID, sequence uint32, status Status) {
	s.respond(PDU{Command: c.Response(), Status: status, Sequence: sequence, Body: new(MessageResp)})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed--
	s.checkDrained()
}

// handleMalformed answers what did not decode. A response of ours that did not
// still counts: its header names the request and says how it went.
func (s *session) handleMalformed(de *DecodeError) {
	s.log.Warn("malformed PDU", "err", de)
	if answer, ok := de.Answer(); ok {
		s.respond(answer)
		return
	}
	s.resolve(PDU{Command: de.Command, Status: de.PeerStatus, Sequence: de.Sequence})
}

// logUnmatched records a response that nobody waits for. One that comes too
// late settles what ErrOutcomeUnknown left open, for whoever reads the log.
func (s *session) logUnmatched(p PDU) {
	id := ""
	if b, ok := p.Body.(*MessageResp); ok {
		id = b.MessageID
	}
	s.log.Warn("response that nobody waits for", "command", p.Command.String(), "sequence", p.Sequence,
		"status", p.Status.String(), "message_id", id)
}

// keepLink asks a silent SMSC whether it is there: §4.11. Any whole PDU counts
// as a sign of life, the answer or another.
func (s *session) keepLink() {
	t := time.NewTimer(s.cfg.EnquireLink)
	defer t.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-t.C:
		}
		last := s.lastRead.Load()
		if idle := time.Since(s.started) - time.Duration(last); idle < s.cfg.EnquireLink {
			t.Reset(s.cfg.EnquireLink - idle)
			continue
		}
		r, err := s.send(PDU{Command: EnquireLink})
		if err != nil {
			return
		}
		if _, err := s.await(context.Background(), r, s.cfg.ResponseTimeout); err != nil && s.lastRead.Load() == last {
			s.end(errSilent, false)
			return
		}
		t.Reset(s.cfg.EnquireLink)
	}
}

func putSequence(frame []byte, n uint32) { binary.BigEndian.PutUint32(frame[12:], n) }
