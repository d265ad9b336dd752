package load

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"testing"

	"starhash/smpp"
)

// testESME is an ESME in the test's hands.
type testESME struct {
	t    testing.TB
	conn net.Conn
	buf  []byte
	n    int // octets of buf that are not taken yet
}

// attach runs an ESME beside the load: it connects, binds as a transceiver and
// does work. The function that it returns waits for its end.
func attach(t testing.TB, l *Load, work func(*testESME)) (wait func()) {
	t.Helper()
	return attachAs(t, l, smpp.BindTransceiver, work)
}

func attachAs(t testing.TB, l *Load, role smpp.CommandID, work func(*testESME)) (wait func()) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p, status := bind(t, l, role, smpp.Bind{SystemID: "peer"})
		defer p.conn.Close()
		if status != smpp.StatusOK {
			t.Errorf("bind: %s", status)
			return
		}
		work(p)
	}()
	return func() { <-ended }
}

// bind connects and asks to bind; ESME_RUNKNOWNERR stands for no answer.
func bind(t testing.TB, l *Load, role smpp.CommandID, b smpp.Bind) (*testESME, smpp.Status) {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr())
	if err != nil { // the load is over: as good as a connection cut
		conn, _ = net.Pipe()
		conn.Close()
	}
	if l.cfg.TLS != nil {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // whom it trusts is the ESME's matter
	}
	p := &testESME{t: t, conn: conn, buf: make([]byte, readBuffer)}
	b.InterfaceVersion = smpp.InterfaceVersion34
	p.send(smpp.PDU{Command: role, Sequence: 1, Body: &b})
	answer, ok := p.next()
	if !ok || answer.Command != role.Response() {
		return p, smpp.StatusUnknownErr
	}
	return p, answer.Status
}

func (p *testESME) send(pdu smpp.PDU) {
	p.t.Helper()
	frame, err := smpp.Append(nil, pdu)
	if err != nil {
		p.t.Fatal(err)
	}
	p.conn.Write(frame) // next notices
}

// next reads a PDU; ok is false at the end of the connection.
func (p *testESME) next() (pdu smpp.PDU, ok bool) {
	p.t.Helper()
	for {
		if p.n >= 4 {
			if length := int(binary.BigEndian.Uint32(p.buf)); length <= p.n {
				pdu, err := smpp.Decode(append([]byte(nil), p.buf[:length]...))
				if err != nil {
					p.t.Errorf("the load sends: %v", err)
					return smpp.PDU{}, false
				}
				p.n = copy(p.buf, p.buf[length:p.n])
				return pdu, true
			}
		}
		n, err := p.conn.Read(p.buf[p.n:])
		if err != nil {
			return smpp.PDU{}, false
		}
		p.n += n
	}
}

// ack answers a deliver_sm.
func (p *testESME) ack(m smpp.PDU, s smpp.Status) {
	p.t.Helper()
	p.send(smpp.PDU{Command: smpp.DeliverSMResp, Status: s, Sequence: m.Sequence, Body: new(smpp.MessageResp)})
}

// confirm submits the text of a deliver_sm to its sender.
func (p *testESME) confirm(m smpp.PDU) {
	p.t.Helper()
	b := m.Body.(*smpp.Message)
	p.send(smpp.PDU{Command: smpp.SubmitSM, Sequence: m.Sequence, Body: &smpp.Message{
		Source: b.Dest, Dest: b.Source, DataCoding: b.DataCoding, Payload: b.Payload,
	}})
}

// serve hands each deliver_sm to deliver until the load unbinds or hangs up.
func (p *testESME) serve(deliver func(m smpp.PDU)) {
	for {
		m, ok := p.next()
		switch {
		case !ok:
			return
		case m.Command == smpp.DeliverSM:
			deliver(m)
		case m.Command == smpp.Unbind:
			p.send(smpp.PDU{Command: smpp.UnbindResp, Sequence: m.Sequence})
		}
	}
}

// scan acknowledges as cheaply as one can: of a deliver_sm it looks at length
// and sequence number.
func (p *testESME) scan() {
	var out []byte
	for {
		out = out[:0]
		rest, _ := frames(p.buf[:p.n], func(f []byte) {
			command := smpp.CommandID(binary.BigEndian.Uint32(f[4:]))
			at := len(out)
			out = appendHeader(out, command|0x80000000, smpp.StatusOK, binary.BigEndian.Uint32(f[12:]))
			if command == smpp.DeliverSM { // message_id, unused: §4.6.2
				out = append(out, 0)
				out[at+3]++
			}
		})
		p.n = copy(p.buf, rest)
		if _, err := p.conn.Write(out); err != nil {
			return
		}
		n, err := p.conn.Read(p.buf[p.n:])
		if err != nil {
			return
		}
		p.n += n
	}
}
