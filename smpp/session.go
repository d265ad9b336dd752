package smpp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxSequence = 0x7FFFFFFF // §3.2
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
	errPanicked    = errors.New("a panic of ours, see the log")
)

// session is one connection to an SMSC, from its bind to its end. Four
// goroutines belong to it, all waited for by serve: the reader, which runs no
// business code, the writer, which puts what has queued up meanwhile into one
// write, the keeper of the link, and the one that answers messages which the
// application is late with.
type session struct {
	cfg     *BindConfig
	role    CommandID // BindTransceiver, BindTransmitter or BindReceiver
	log     *slog.Logger
	conn    net.Conn
	r       *Reader
	inbound *inbound
	esme    *ESME
	taken   []*Delivery // by the reader, in this batch

	drained  chan struct{} // closed when draining and nothing is owed either way
	done     chan struct{} // closed when ended
	lastRead atomic.Int64  // when the last whole PDU came, in ns since started
	started  time.Time

	free int // places in the window; belongs to ESME.windows

	mu         sync.Mutex
	toWrite    sync.Cond // out is not empty, or ended
	room       sync.Cond // out has become shorter, or ended
	out        output
	waiting    map[uint32]*request // by sequence number
	sequence   uint32              // the last one given out
	owed       int                 // deliveries not acknowledged yet
	unanswered []*Delivery         // in the order in which they came; answered ones are left out now and then
	draining   bool
	isIdle     bool // drained is closed
	ended      bool
	flush      bool  // the writer empties the queue before the connection closes
	cause      error // why ended
}

func newSession(conn net.Conn, r *Reader, role CommandID, e *ESME, log *slog.Logger) *session {
	s := &session{
		cfg: &e.cfg, role: role, log: log, conn: conn, inbound: e.inbound, esme: e, r: r,
		free:    e.cfg.Window,
		drained: make(chan struct{}),
		done:    make(chan struct{}),
		started: time.Now(),
		waiting: make(map[uint32]*request),
	}
	s.toWrite.L, s.room.L = &s.mu, &s.mu
	return s
}

// bind sends the bind request and reads until its answer, before any goroutine
// runs. Whatever else the SMSC asks meanwhile is refused, except enquire_link.
func (s *session) bind(ctx context.Context) (err error) {
	defer recovered(s.log, func() { err = errPanicked })
	s.conn.SetDeadline(time.Now().Add(s.cfg.BindTimeout))
	stop := context.AfterFunc(ctx, func() { s.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	s.sequence = 1
	frame, err := Append(nil, PDU{Command: s.role, Sequence: s.sequence, Body: &Bind{
		SystemID:         s.cfg.SystemID,
		Password:         s.cfg.Password,
		SystemType:       s.cfg.SystemType,
		InterfaceVersion: InterfaceVersion34,
		Address:          Address{TON: s.cfg.AddressTON, NPI: s.cfg.AddressNPI, Addr: s.cfg.AddressRange},
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
			p.wipe()
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
	writer.Go(s.contained(s.write))
	all.Go(s.contained(s.read))
	all.Go(s.contained(s.keepLink))
	all.Go(s.contained(s.answerLate))
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

// contained keeps a panic to its session, which ends by it.
func (s *session) contained(f func()) func() {
	return func() {
		defer recovered(s.log, func() { s.end(errPanicked, false) })
		f()
	}
}

// recovered, deferred, logs a panic and calls then. The value may quote a
// message: its type has to do.
func recovered(log *slog.Logger, then func()) {
	if v := recover(); v != nil {
		log.Error("panicked", "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
		then()
	}
}

// shutdown drains and unbinds. It waits at most ResponseTimeout for what is
// owed either way, and as long again for the unbind_resp.
func (s *session) shutdown() {
	s.esme.windows.remove(s, errDraining)
	s.mu.Lock()
	s.draining = true
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
		if r.command != EnquireLink && r.command != Unbind {
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
	s.esme.windows.remove(s, cause) // first: the places that come back now are nobody's
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

// maxBatch is how many messages the reader takes before it hands them on, also
// when more are there.
const maxBatch = 256

// read is the reader. It takes all that the last read of the connection has
// brought, and hands the messages among it on together. What does not decode is
// answered, and the session goes on; where the stream itself cannot be followed
// the session ends.
func (s *session) read() {
	defer s.dropTaken()
	for !s.hasEnded() {
		p, err := s.r.Next()
		var (
			de *DecodeError
			fe *FrameError
		)
		switch {
		case err == nil:
			s.handle(p)
		case errors.As(err, &de):
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
		if len(s.taken) == maxBatch || !s.r.Ready() {
			s.touch()
			s.handOn()
			s.awaitRoom()
		}
	}
}

func (s *session) touch() { s.lastRead.Store(int64(time.Since(s.started))) }

func (s *session) handle(p PDU) {
	switch {
	case p.Command == EnquireLink:
		s.respond(PDU{Command: EnquireLinkResp, Sequence: p.Sequence})
	case p.Command == Unbind:
		s.handOn()
		s.respond(PDU{Command: UnbindResp, Sequence: p.Sequence})
		s.end(errPeerUnbound, true)
	case p.Command == DeliverSM, p.Command == DataSM:
		s.take(p)
	case p.Command == CommandAlert:
		a := p.Body.(*AlertNotification)
		if s.role == BindTransmitter || !s.inbound.offer(a.Source.Addr, arrivals{alert: a}) {
			s.warn("alert_notification dropped: queue full or no receiver")
		}
	case p.Command == CommandOutbind:
		p.wipe()
		s.warn("outbind on a bound session: ignored")
	case p.Command.IsResponse():
		switch {
		case !s.resolve(p):
			s.logUnmatched(p)
		case p.Command == UnbindResp:
			s.end(errUnbound, false) // before the SMSC's close looks like the reason
		}
	default:
		p.wipe()
		s.warn("request that an ESME does not take", "command", p.Command.String())
		s.respond(refusal(p, StatusInvBndSts))
	}
}

// warn logs what the peer causes, and can cause as often as it likes.
func (s *session) warn(msg string, args ...any) {
	if n, ok := s.esme.quiet.allow(); ok {
		if n > 0 {
			args = append(args, "not_logged_before", n)
		}
		s.log.Warn(msg, args...)
	}
}

// take puts a message into the reader's batch.
func (s *session) take(p PDU) {
	m := p.Body.(*Message)
	s.esme.count.received.Add(1)
	if s.role == BindTransmitter {
		m.wipe()
		s.respond(refusal(p, StatusInvBndSts))
		return
	}
	s.taken = append(s.taken, &Delivery{Command: p.Command, Message: m, Bind: s.esme, session: s, sequence: p.Sequence})
}

// dropTaken leaves a batch to the SMSC: it was never answered.
func (s *session) dropTaken() {
	for _, d := range s.taken {
		d.Message.wipe()
	}
	s.taken = nil
}

// handOn passes the reader's batch on to the application, or refuses what is
// too much of it at once: with a temporary status, since another attempt can
// succeed.
func (s *session) handOn() {
	if len(s.taken) == 0 {
		return
	}
	batch, due := s.taken, time.Since(s.started)+s.cfg.AnswerWithin
	s.taken = make([]*Delivery, 0, min(maxBatch, 2*len(batch)))
	refusal := s.cfg.overload()
	s.mu.Lock()
	room := max(0, s.cfg.InboundQueue-s.owed)
	if s.draining {
		room, refusal = 0, StatusTempAppErr
	}
	room = min(room, len(batch), s.inbound.room())
	for _, d := range batch[:room] {
		d.due = due
	}
	s.owed += room
	if len(s.unanswered) >= 1024+2*s.owed {
		s.forgetAnswered()
	}
	s.unanswered = append(s.unanswered, batch[:room]...)
	s.mu.Unlock()
	for _, d := range batch[room:] {
		d.Message.wipe()
		s.answer(d.Command, d.sequence, refusal)
		s.esme.count.overloaded.Add(1)
	}
	s.inbound.hand(batch[:room])
}

// forgetAnswered shortens unanswered. s.mu is held.
func (s *session) forgetAnswered() {
	s.unanswered = slices.DeleteFunc(s.unanswered, func(d *Delivery) bool { return d.acked.Load() })
}

// answerLate answers in the application's place what it has not answered within
// AnswerWithin, so that the SMSC never waits in vain.
func (s *session) answerLate() {
	t := time.NewTimer(s.cfg.AnswerWithin)
	defer t.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-t.C:
		}
		now, pause := time.Since(s.started), s.cfg.AnswerWithin
		s.mu.Lock()
		s.forgetAnswered()
		n := 0
		for n < len(s.unanswered) && s.unanswered[n].due <= now {
			n++
		}
		late := slices.Clone(s.unanswered[:n])
		if n < len(s.unanswered) {
			pause = s.unanswered[n].due - now
		}
		s.mu.Unlock()
		for _, d := range late {
			if d.answerOnce(s.cfg.overload()) {
				s.esme.count.overloaded.Add(1)
				s.warn("the application is late: the SMSC was told to send the message again", "answer_within", s.cfg.AnswerWithin.String())
			}
		}
		t.Reset(pause)
	}
}

// acknowledge answers a delivery that was admitted.
func (s *session) acknowledge(c CommandID, sequence uint32, status Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answerLocked(c, sequence, status)
	s.owed--
	s.checkDrained()
}

// handleMalformed answers what did not decode. A response of ours that did not
// still counts: its header names the request and says how it went.
func (s *session) handleMalformed(de *DecodeError) {
	s.esme.count.malformed.Add(1)
	s.warn("malformed PDU", "err", de)
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
	s.esme.count.unmatched.Add(1)
	s.warn("response that nobody waits for", "command", p.Command.String(), "sequence", p.Sequence,
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
