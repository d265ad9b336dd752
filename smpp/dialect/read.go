package dialect

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"unicode/utf8"

	"starhash/smpp"
)

// Is says whether a message belongs to USSD rather than being an SMS: whether it has
// ussd_service_op, of whatever value, or where service_type tells the operation, one of
// the dialect's, in either direction.
func (d *Dialect) Is(m *smpp.Message) bool {
	if !d.byService {
		_, ok := m.TLVs.Get(smpp.TagUSSDServiceOp)
		return ok
	}
	_, in := d.in.find(value{service: m.ServiceType})
	_, out := d.out.find(value{service: m.ServiceType})
	return in || out
}

// Delivered reads a deliver_sm or data_sm of the SMSC, for an ESME. Its errors are
// ErrOperation, ErrSession, ErrText and ErrTooLong; with the last two, what is not
// text is there all the same. They hold nothing of the text. The octets of m stay
// its owner's; the caller wipes the Message.
func (d *Dialect) Delivered(m *smpp.Message) (Message, error) {
	out := Message{Subscriber: m.Source, Code: m.Dest}
	if d.imsi != 0 {
		if v, ok := m.TLVs.Get(d.imsi); ok {
			out.IMSI = imsiOf(v)
		}
	}
	err := d.read(&d.in, m, &out)
	return out, err
}

// Submitted reads a submit_sm or data_sm of an ESME, for a simulator of the network.
// For its errors see Delivered.
func (d *Dialect) Submitted(m *smpp.Message) (Message, error) {
	out := Message{Subscriber: m.Dest, Code: m.Source}
	err := d.read(&d.out, m, &out)
	return out, err
}

func (d *Dialect) read(dir *direction, m *smpp.Message, out *Message) error {
	op, v, err := d.operation(dir, m)
	if err != nil {
		return err
	}
	out.Kind, out.Last = op.kind, op.last
	if err := d.readSession(m, out); err != nil {
		return err
	}
	switch out.Kind {
	case Abort:
		out.Last = true
		out.Reason = v.reason
		if out.Reason == "" {
			out.Reason = "ended by the network, " + describe(m)
		}
		return nil
	case Acknowledge:
		out.NetworkInitiated = true
	case End, Release:
		out.Last = true
	}
	text, err := dir.text(m)
	if err != nil {
		return err
	}
	out.Text = text
	if out.Kind == Begin {
		d.readDialled(out)
	}
	return nil
}

// operation finds what m says by its ussd_service_op or its service_type.
func (d *Dialect) operation(dir *direction, m *smpp.Message) (operation, value, error) {
	want := value{service: m.ServiceType}
	if !d.byService {
		op, ok := m.TLVs.Get(smpp.TagUSSDServiceOp)
		switch {
		case !ok:
			return operation{}, value{}, fmt.Errorf("%w: %s: the message has no ussd_service_op", ErrOperation, d.name)
		case len(op) != 1:
			return operation{}, value{}, fmt.Errorf("%w: %s: ussd_service_op has %d octets, want 1", ErrOperation, d.name, len(op))
		}
		want = value{first: op[0], last: op[0]}
	}
	op, ok := dir.find(want)
	if !ok {
		return operation{}, value{}, fmt.Errorf("%w: %s: %s", ErrOperation, d.name, describe(m))
	}
	i := slices.IndexFunc(op.values, func(v value) bool { return v.has(want) })
	return op, op.values[i], nil
}

// find returns the operation that a value stands for.
func (dir *direction) find(want value) (operation, bool) {
	for _, op := range dir.operations {
		if slices.ContainsFunc(op.values, func(v value) bool { return v.has(want) }) {
			return op, true
		}
	}
	return operation{}, false
}

func (v value) has(w value) bool {
	return v.service == w.service && v.first <= w.first && w.last <= v.last
}

// describe names the operation of a message as the wire has it.
func describe(m *smpp.Message) string {
	if op, ok := m.TLVs.Get(smpp.TagUSSDServiceOp); ok && len(op) == 1 {
		return fmt.Sprintf("ussd_service_op %d", op[0])
	}
	return fmt.Sprintf("service_type %q", m.ServiceType)
}

// readSession reads the session's number and the end bit beside it.
func (d *Dialect) readSession(m *smpp.Message, out *Message) error {
	s := &d.session
	if s.parameter == 0 {
		return nil
	}
	v, ok := m.TLVs.Get(s.parameter)
	switch {
	case !ok && s.required:
		return fmt.Errorf("%w: %s: parameter %04X is not there", ErrSession, d.name, uint16(s.parameter))
	case !ok:
		return nil
	case len(v) == 0, len(v) > maxSession, s.octets > 0 && len(v) != s.octets:
		return fmt.Errorf("%w: %s: parameter %04X has %d octets, want %s", ErrSession, d.name, uint16(s.parameter), len(v), s.length())
	}
	out.Session = Session{Key: s.key(v, out.Subscriber), Echo: bytes.Clone(v)}
	if s.endBit == endBitNone || v[len(v)-1]&1 == 0 {
		return nil
	}
	out.Last = true
	if s.endBit == endBitEnds {
		switch out.Kind {
		case Reply:
			out.Kind = Abort
		case Ask:
			out.Kind = End
		}
	}
	return nil
}

// key is the session's number, unit number and end bit masked.
func (s *session) key(v []byte, subscriber smpp.Address) string {
	masked := bytes.Clone(v)
	for i := range masked {
		masked[len(masked)-1-i] &= byte(s.mask >> (8 * i))
	}
	key := hex.EncodeToString(masked)
	if s.msisdn {
		key += "@" + subscriber.Addr
	}
	return key
}

func (s *session) length() string {
	if s.octets > 0 {
		return fmt.Sprint(s.octets)
	}
	return fmt.Sprintf("1 to %d", maxSession)
}

// text decodes the text of a message into one new place.
func (dir *direction) text(m *smpp.Message) ([]byte, error) {
	room := screenSeptets
	if dir.alphabet(m.DataCoding) == smpp.AlphabetUCS2 {
		room = 2 * screenUCS2
	}
	if len(m.Payload) > room {
		return nil, fmt.Errorf("%w: %d octets of data_coding 0x%02X, at most %d", ErrTooLong, len(m.Payload), m.DataCoding, room)
	}
	if m.ESMClass&smpp.ESMClassUDHI != 0 {
		return nil, fmt.Errorf("%w: it has a user data header", ErrText)
	}
	dst := make([]byte, 0, 3*len(m.Payload))
	var err error
	switch {
	case m.DataCoding == dir.gsm:
		dst, _, err = smpp.AppendCBSText(dst, smpp.CodingCBS, m.Payload)
	case m.DataCoding == dir.ucs2:
		dst, err = smpp.AppendText(dst, smpp.CodingUCS2, m.Payload)
	case dir.cbs:
		dst, _, err = smpp.AppendCBSText(dst, m.DataCoding, m.Payload)
	default:
		dst, err = smpp.AppendText(dst, m.DataCoding, m.Payload)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrText, err)
	}
	if bytes.ContainsRune(dst, utf8.RuneError) {
		clear(dst)
		return nil, fmt.Errorf("%w: octets that data_coding 0x%02X does not have", ErrText, m.DataCoding)
	}
	return dst, nil
}

func (dir *direction) alphabet(coding byte) smpp.Alphabet {
	switch {
	case coding == dir.gsm:
		return smpp.AlphabetGSM
	case coding == dir.ucs2:
		return smpp.AlphabetUCS2
	case dir.cbs:
		return smpp.CBSAlphabet(coding)
	}
	e, _ := smpp.EncodingOf(&smpp.Message{DataCoding: coding}, 0) // fails on a header only
	return e.Alphabet
}

// imsiOf is the IMSI of a parameter, which may be padded with NULs, or nothing when
// it is none (ITU-T E.212: at most 15 digits).
func imsiOf(v []byte) string {
	v = bytes.TrimRight(v, "\x00")
	if len(v) < 6 || len(v) > 15 || len(bytes.Trim(v, "0123456789")) > 0 {
		return ""
	}
	return string(v)
}
