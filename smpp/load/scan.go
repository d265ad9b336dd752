package load

import (
	"bytes"

	"starhash/smpp"
)

// fields walks over the mandatory fields of a body; ok goes false where they
// end early.
type fields struct {
	rest []byte
	ok   bool
}

// text takes a C-octet string: §3.1.
func (f *fields) text() []byte {
	n := bytes.IndexByte(f.rest, 0)
	if n < 0 {
		f.ok = false
		return nil
	}
	s := f.rest[:n]
	f.rest = f.rest[n+1:]
	return s
}

// octets takes n octets.
func (f *fields) octets(n int) []byte {
	if len(f.rest) < n {
		f.ok = false
		return make([]byte, n)
	}
	s := f.rest[:n]
	f.rest = f.rest[n:]
	return s
}

// parseSubmit reads what matters of a submit_sm (§4.4.1) or data_sm (§4.7.1):
// whom it goes to, and which message it confirms. first says that it is the
// first or only part of its text; toSender, that it goes to one of the senders
// and has a token where there are any.
func (l *Load) parseSubmit(command smpp.CommandID, body []byte) (c confirmation, first, toSender bool) {
	f := fields{rest: body, ok: true}
	f.text()    // service_type
	f.octets(2) // source_addr_ton, _npi
	f.text()    // source_addr
	f.octets(2) // dest_addr_ton, _npi
	dest := f.text()
	class := f.octets(1)[0]
	if !f.ok {
		return c, false, false
	}
	if c.sender, toSender = l.template.sender(dest); !toSender {
		return c, false, false
	}
	rest := f.rest
	if l.template.tokens {
		// It stands in short_message or message_payload: no matter where.
		if c.n, c.known = tokenIn(rest); !c.known {
			return c, false, false
		}
	}
	if class&smpp.ESMClassUDHI == 0 || command != smpp.SubmitSM {
		return c, true, true
	}
	f.octets(2) // protocol_id, priority_flag
	f.text()    // schedule_delivery_time
	f.text()    // validity_period
	f.octets(4) // registered_delivery, replace_if_present, data_coding, sm_default_msg_id
	short := f.octets(int(f.octets(1)[0]))
	return c, !f.ok || firstPart(short), true
}

// firstPart says whether the text behind a user data header is not a later part
// of a long message: 3GPP TS 23.040 §9.2.3.24.
func firstPart(short []byte) bool {
	if len(short) == 0 || int(short[0]) >= len(short) {
		return true
	}
	for h := short[1 : 1+int(short[0])]; len(h) >= 2 && len(h) >= 2+int(h[1]); h = h[2+int(h[1]):] {
		switch {
		case h[0] == 0x00 && h[1] == 3: // 8-bit reference
			return h[4] == 1
		case h[0] == 0x08 && h[1] == 4: // 16-bit reference
			return h[5] == 1
		}
	}
	return true
}
