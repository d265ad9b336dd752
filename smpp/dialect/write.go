package dialect

import (
	"bytes"
	"fmt"

	"starhash/smpp"
)

// NewSession is the session of number n, for the side that begins one: a simulator's
// Begin, an ESME's first Ask or Notify. Of n as many bits count as the dialect has
// room for, 8 in the plain one; a dialect without session numbers gives an empty
// Session.
func (d *Dialect) NewSession(n uint64, subscriber smpp.Address) Session {
	s := &d.session
	if s.parameter == 0 {
		return Session{}
	}
	octets := s.octets
	if octets == 0 {
		octets = 2
	}
	v := make([]byte, octets)
	for bit := range 8 * octets { // the bits of n go where the mask has ones
		if s.mask>>bit&1 == 0 {
			continue
		}
		v[octets-1-bit/8] |= byte(n&1) << (bit % 8)
		n >>= 1
	}
	return Session{Key: s.key(v, subscriber), Echo: v}
}

// Submit writes a message of an ESME. Its errors are ErrOperation, where the dialect
// cannot say this; ErrSession; and ErrTooLong. A Release where the dialect has none
// is an End. An End of a session that we began is the dialect's last Notify, where it
// has one.
func (d *Dialect) Submit(m Message) (smpp.CommandID, *smpp.Message, error) {
	out := &smpp.Message{Source: m.Code, Dest: m.Subscriber}
	if m.Kind == Release && !d.out.can(Release) {
		m.Kind = End
	}
	if m.Kind == End && m.NetworkInitiated && d.out.canLast(Notify) {
		m.Kind, m.Last = Notify, true
	}
	err := d.write(&d.out, m, out)
	return d.out.pdu, out, err
}

// Deliver writes a message of the network, for simulators. For its errors see Submit:
// ErrOperation for the Abort of a dialect that has none.
func (d *Dialect) Deliver(m Message) (smpp.CommandID, *smpp.Message, error) {
	out := &smpp.Message{Source: m.Subscriber, Dest: m.Code}
	if m.Kind == Begin {
		code := codeOf(m.Text)
		switch {
		case d.code == codeInText:
			out.Dest = smpp.Address{TON: m.Code.TON, NPI: m.Code.NPI}
		case m.Code.Addr == "":
			out.Dest.Addr = code
		}
	}
	if d.imsi != 0 && m.IMSI != "" {
		out.TLVs = append(out.TLVs, smpp.TLV{Tag: d.imsi, Value: []byte(m.IMSI)})
	}
	err := d.write(&d.in, m, out)
	return d.in.pdu, out, err
}

func (d *Dialect) write(dir *direction, m Message, out *smpp.Message) error {
	v, ok := dir.value(m)
	if !ok {
		return fmt.Errorf("%w: %s has no %s in this direction", ErrOperation, d.name, m.Kind)
	}
	if d.byService {
		out.ServiceType = v.service
	} else {
		out.ServiceType = dir.serviceTypes[0]
		out.TLVs = append(out.TLVs, smpp.TLV{Tag: smpp.TagUSSDServiceOp, Value: []byte{v.first}})
	}
	if err := d.writeSession(m, out); err != nil {
		return err
	}
	if m.Kind == Abort {
		out.DataCoding = dir.gsm
		return nil
	}
	if err := fits(m.Text); err != nil {
		return err
	}
	coding, payload := smpp.EncodeText(string(m.Text))
	out.DataCoding, out.Payload = dir.gsm, payload
	if coding == smpp.CodingUCS2 {
		out.DataCoding = dir.ucs2
	}
	return nil
}

// value is what stands for m: the operation that says that it is the last one, where
// it is and there is such an operation.
func (dir *direction) value(m Message) (v value, ok bool) {
	for _, op := range dir.operations {
		switch {
		case op.kind != m.Kind, op.last && !m.Last, ok && !op.last:
			continue
		}
		v, ok = op.values[0], true
		for _, w := range op.values {
			if m.Reason != "" && w.reason == m.Reason {
				v = w
			}
		}
	}
	return v, ok
}

func (dir *direction) can(k Kind) bool {
	_, ok := dir.value(Message{Kind: k})
	return ok
}

// canLast says whether an operation of its own is the last of this kind.
func (dir *direction) canLast(k Kind) bool {
	for _, op := range dir.operations {
		if op.kind == k && op.last {
			return true
		}
	}
	return false
}

// writeSession gives the session's parameter back, the unit number one further and
// the end bit as m demands.
func (d *Dialect) writeSession(m Message, out *smpp.Message) error {
	s := &d.session
	if s.parameter == 0 {
		return nil
	}
	v := bytes.Clone(m.Session.Echo)
	switch {
	case len(v) == 0 && s.required:
		return fmt.Errorf("%w: %s needs one for parameter %04X", ErrSession, d.name, uint16(s.parameter))
	case len(v) == 0:
		return nil
	case len(v) > maxSession, s.octets > 0 && len(v) != s.octets:
		return fmt.Errorf("%w: %s: %d octets for parameter %04X, want %s", ErrSession, d.name, len(v), uint16(s.parameter), s.length())
	}
	if s.advance {
		v[1] = v[1]&1 | (v[1]+2)&0xFE
	}
	if s.endBit != endBitNone {
		v[len(v)-1] &^= 1
		if m.Last || m.Kind == End || m.Kind == Release || m.Kind == Abort {
			v[len(v)-1] |= 1
		}
	}
	out.TLVs = append(out.TLVs, smpp.TLV{Tag: s.parameter, Value: v})
	return nil
}
