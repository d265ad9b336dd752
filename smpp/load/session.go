package load

import (
	"encoding/binary"
	"net"
	"sync"
	"time"

	"starhash/smpp"
)

const (
	maxSessions = 64
	readBuffer  = 256 << 10
	// maxPDU is the longest PDU of an ESME that is read: a submit_sm with a
	// message_payload of 65,535 octets.
	maxPDU = smpp.DefaultMaxPDU
	// batch is how many messages go out in one write at most, so that the
	// first of them do not wait for the last.
	batch = 256
	// maxAnswers is how many octets of answers may wait before we stop
	// reading.
	maxAnswers = 1 << 20
	bindTime   = 10 * time.Second
	writeTime  = 30 * time.Second
	// recent is how long after a submit_sm was answered a broken connection
	// excuses the ESME for sending it again, and maxRecent how many of them: no
	// ESME has more under way.
	recent    = 2 * time.Second
	maxRecent = 4096
)

// session is one bound connection of the ESME's. Its reader and its writer take
// Load.mu once a batch, not once a message.
type session struct {
	load     *Load
	conn     net.Conn
	role     smpp.CommandID
	wake     chan struct{} // there may be something to write
	room     sync.Cond     // answers were taken, or ended
	slots    []slot        // messages under way, Load.mu
	free     []uint32      // indexes of slots; Load.mu
	answers  []byte        // to be written; Load.mu
	lately   []answered    // a ring of confirmations answered; Load.mu
	latelyAt int
	unbound  bool // unbind_resp is the last thing to write; Load.mu
	ended    bool // Load.mu
	cut      bool // by us; Load.mu
}

// slot is the place of an unanswered deliver_sm in the window. Its sequence
// number holds the slot's index, so that the response is found without a search.
type slot struct {
	message  message
	sequence uint32 // 0: free
	turn     uint32
}

// answered is a confirmation whose submit_sm_resp the ESME may not have read.
type answered struct {
	key uint64 // ledger.key
	at  time.Duration
}

const maxSequence = 0x7FFFFFFF // §3.2

// next gives the slot its next sequence number.
func (s *session) next(i uint32) uint32 {
	sl := &s.slots[i]
	sequence := uint64(sl.turn)*uint64(len(s.slots)) + uint64(i) + 1
	if sequence > maxSequence {
		sl.turn, sequence = 0, uint64(i)+1
	}
	sl.turn++
	sl.sequence = uint32(sequence)
	return sl.sequence
}

// wakeUp makes the writer look.
func (s *session) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// frames cuts buf into PDUs and calls f with each; rest is what is not whole yet.
// ok goes false at a command_length that cannot be.
func frames(buf []byte, f func(frame []byte)) (rest []byte, ok bool) {
	for len(buf) >= 4 {
		n := binary.BigEndian.Uint32(buf)
		if n < smpp.HeaderLen || n > maxPDU {
			return nil, false
		}
		if uint64(len(buf)) < uint64(n) {
			break
		}
		f(buf[:n])
		buf = buf[n:]
	}
	return buf, true
}

// accept lets an ESME bind, and works the session until it ends.
func (l *Load) accept(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, readBuffer)
	conn.SetReadDeadline(time.Now().Add(bindTime))
	n := 0
	for n < 4 || n < int(min(binary.BigEndian.Uint32(buf), readBuffer)) {
		m, err := conn.Read(buf[n:])
		if err != nil {
			return
		}
		n += m
	}
	length := binary.BigEndian.Uint32(buf)
	if length < smpp.HeaderLen || int(length) > n {
		return
	}
	p, err := smpp.Decode(buf[:length])
	if err != nil {
		return
	}
	b, ok := p.Body.(*smpp.Bind)
	if !ok {
		return
	}
	status := smpp.StatusOK
	switch {
	case l.cfg.SystemID != "" && b.SystemID != l.cfg.SystemID:
		status = smpp.StatusInvSysID
	case !l.cfg.Password.Empty() && !l.cfg.Password.Equal(b.Password):
		status = smpp.StatusInvPaswd
	}
	clear(buf[:length])
	answer := smpp.PDU{Command: p.Command.Response(), Sequence: p.Sequence, Status: status}
	if status == smpp.StatusOK {
		answer.Body = &smpp.BindResp{SystemID: "starhash-load"}
	}
	frame, err := smpp.Append(nil, answer)
	if err != nil {
		return
	}
	conn.SetReadDeadline(time.Time{})
	conn.SetWriteDeadline(time.Now().Add(bindTime))
	if _, err := conn.Write(frame); err != nil || status != smpp.StatusOK {
		return
	}

	s := &session{load: l, conn: conn, role: p.Command, wake: make(chan struct{}, 1)}
	s.room.L = &l.mu
	if p.Command != smpp.BindTransmitter {
		s.slots = make([]slot, l.cfg.Window)
		s.free = make([]uint32, l.cfg.Window)
		for i := range s.free {
			s.free[i] = uint32(len(s.free) - 1 - i)
		}
	}
	if !l.join(s) {
		return
	}
	var writer sync.WaitGroup
	writer.Go(s.write)
	s.read(buf, int(length), n)
	s.stop()
	s.wakeUp()
	writer.Wait()
	l.leave(s)
}

// response is what a batch holds of a deliver_sm_resp.
type response struct {
	sequence uint32
	status   smpp.Status
}

// confirmation is what it holds of a submit_sm.
type confirmation struct {
	sender uint64
	n      uint64
	known  bool // n was in it: with tokens
}

// inbox is what the reader found in one read.
type inbox struct {
	responses     []response
	confirmations []confirmation
	answers       []byte
	submits       uint64 // submit_sm and data_sm
	others        uint64 // of those, to nobody of the senders
	unbind        bool
	unbound       bool // unbind_resp
}

// read reads until the session ends. buf[from:to] is what came with the bind.
func (s *session) read(buf []byte, from, to int) {
	l := s.load
	var in inbox
	for {
		rest, ok := frames(buf[from:to], func(frame []byte) { s.scan(&in, frame) })
		if !l.take(s, &in) || !ok {
			return
		}
		from, to = 0, copy(buf, rest)
		n, err := s.conn.Read(buf[to:])
		if err != nil {
			return
		}
		to += n
	}
}

// scan sorts one PDU into the inbox. Of a response it looks at the header alone.
func (s *session) scan(in *inbox, frame []byte) {
	command := smpp.CommandID(binary.BigEndian.Uint32(frame[4:]))
	status := smpp.Status(binary.BigEndian.Uint32(frame[8:]))
	sequence := binary.BigEndian.Uint32(frame[12:])
	switch command {
	case smpp.DeliverSMResp:
		in.responses = append(in.responses, response{sequence, status})
	case smpp.GenericNack:
		if status == smpp.StatusOK { // it refuses whatever its status
			status = smpp.StatusUnknownErr
		}
		in.responses = append(in.responses, response{sequence, status})
	case smpp.SubmitSM, smpp.DataSM:
		in.submits++
		if s.load.cfg.Confirm {
			c, first, toSender := s.load.parseSubmit(command, frame[smpp.HeaderLen:])
			switch {
			case !toSender:
				in.others++
			case first:
				in.confirmations = append(in.confirmations, c)
			}
		}
		in.answers = appendSubmitResp(in.answers, command.Response(), sequence, s.load.ids.Add(1))
	case smpp.EnquireLink:
		in.answers = appendHeader(in.answers, smpp.EnquireLinkResp, smpp.StatusOK, sequence)
	case smpp.Unbind:
		in.answers = appendHeader(in.answers, smpp.UnbindResp, smpp.StatusOK, sequence)
		in.unbind = true
	case smpp.UnbindResp:
		in.unbound = true
	default:
		if !command.IsResponse() {
			in.answers = appendHeader(in.answers, smpp.GenericNack, smpp.StatusInvCmdID, sequence)
		}
	}
}

func appendHeader(b []byte, c smpp.CommandID, s smpp.Status, sequence uint32) []byte {
	b = binary.BigEndian.AppendUint32(b, smpp.HeaderLen)
	b = binary.BigEndian.AppendUint32(b, uint32(c))
	b = binary.BigEndian.AppendUint32(b, uint32(s))
	return binary.BigEndian.AppendUint32(b, sequence)
}

// appendSubmitResp appends a submit_sm_resp or data_sm_resp with a message id of
// 16 hexadecimal digits (§4.4.2).
func appendSubmitResp(b []byte, c smpp.CommandID, sequence uint32, id uint64) []byte {
	at := len(b)
	b = appendHeader(b, c, smpp.StatusOK, sequence)
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, "0123456789ABCDEF"[id>>shift&0xF])
	}
	b = append(b, 0)
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at))
	return b
}

// write is the writer: answers first, then as many messages as are due and have
// a place in the window, in one write.
func (s *session) write() {
	l := s.load
	var (
		buf     []byte
		sending []slot
	)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		l.mu.Lock()
		buf, s.answers = s.answers, buf[:0]
		s.room.Signal()
		last, ended := s.unbound, s.ended
		var wait time.Duration
		sending, wait = l.next(s, sending[:0])
		l.mu.Unlock()
		if ended {
			return
		}
		for i := range sending {
			buf = l.template.append(buf, sending[i].message.n, sending[i].sequence)
		}
		if len(buf) > 0 {
			s.conn.SetWriteDeadline(time.Now().Add(writeTime))
			if _, err := s.conn.Write(buf); err != nil || last {
				s.stop()
				return
			}
			continue
		}
		if wait < 0 {
			<-s.wake
			continue
		}
		timer.Reset(wait)
		select {
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// stop hangs up, so that the reader ends.
func (s *session) stop() {
	s.load.mu.Lock()
	s.ended = true
	s.room.Broadcast()
	s.load.mu.Unlock()
	s.conn.Close()
}
