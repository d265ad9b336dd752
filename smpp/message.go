package smpp

import (
	"bytes"
	"encoding/binary"

	"github.com/fiorix/go-smpp/v2/smpp/pdu/pdufield"
)

// The bodies that messages come and go by, decoded without go-smpp's fields:
// these are what a busy bind spends its time on. What is accepted, what is
// refused and with which status is as in decodeFields; a test and a fuzz target
// hold the two against each other.

// cursor walks over the mandatory fields of a body.
type cursor struct {
	body []byte
	at   int
}

// text is where a C-octet string stands, without its NUL.
type text struct{ from, to int }

// cOctets steps over a C-octet string.
func (c *cursor) cOctets() (t text, ok bool) {
	n := bytes.IndexByte(c.body[c.at:], 0)
	if n < 0 {
		return text{}, false
	}
	t = text{c.at, c.at + n}
	c.at += n + 1
	return t, true
}

// octets steps over n octets.
func (c *cursor) octets(n int) (b []byte, ok bool) {
	if len(c.body)-c.at < n {
		return nil, false
	}
	b = c.body[c.at : c.at+n]
	c.at += n
	return b, true
}

const errEnds = "body ends before or in %s"

// decodeMessage reads the body of deliver_sm and submit_sm: §4.4.1, §4.6.1. It
// allocates the Message, one string for all its texts, the payload, and the
// optional parameters.
func decodeMessage(body []byte) (Body, *fault) {
	var (
		c                                               = cursor{body: body}
		serviceType, source, dest, schedule, validity   text
		sourceType, destType, class, delivery, shortLen []byte
		ok                                              bool
	)
	if serviceType, ok = c.cOctets(); !ok {
		return nil, faultf(StatusInvCmdLen, errEnds, pdufield.ServiceType)
	}
	if sourceType, ok = c.octets(2); !ok {
		return nil, faultf(StatusInvCmdLen, errEnds, pdufield.SourceAddrTON)
	}
	if source, ok = c.cOctets(); !ok {
		return nil, faultf(StatusInvCmdLen, errEnds, pdufield.SourceAddr)
	}
	if destType, ok = c.octets(2); !ok {
		return nil, faultf(StatusInvCmdLen, errEnds, pdufield.DestAddrTON)
	}
	if dest, ok = c.cOctets(); !ok {
		return nil, faultf(StatusInvCmdLen, errEnds, pdufield.DestinationAddr)
	}
	if class, ok = c.octets(3); !ok {
		return nil, faultf(StatusInvCmdLen, errEnds, pdufield.ESMClass)
	}
	if schedule, ok = c.cOctets(); !ok {
		return nil, faultf(StatusInvCmdLen, errEnds, pdufield.ScheduleDeliveryTime)
	}
	if validity, ok = c.cOctets(); !ok {
		return nil, faultf(StatusInvCmdLen, errEnds, pdufield.ValidityPeriod)
	}
	texts := c.at
	if delivery, ok = c.octets(4); !ok {
		return nil, faultf(StatusInvCmdLen, errEnds, pdufield.RegisteredDelivery)
	}
	if shortLen, ok = c.octets(1); !ok {
		return nil, faultf(StatusInvCmdLen, errEnds, pdufield.SMLength)
	}
	short, ok := c.octets(int(shortLen[0]))
	if !ok {
		return nil, faultf(StatusInvMsgLen, "sm_length %d, %d octets left", shortLen[0], len(body)-c.at)
	}
	for _, f := range [...]struct {
		name   pdufield.Name
		text   text
		max    int
		status Status
	}{
		{pdufield.ServiceType, serviceType, maxServiceType, StatusInvSerTyp},
		{pdufield.SourceAddr, source, maxAddress, StatusInvSrcAdr},
		{pdufield.DestinationAddr, dest, maxAddress, StatusInvDstAdr},
		{pdufield.ScheduleDeliveryTime, schedule, maxTime, StatusInvSched},
		{pdufield.ValidityPeriod, validity, maxTime, StatusInvExpiry},
	} {
		if n := f.text.to - f.text.from; n > f.max {
			return nil, faultf(f.status, "%s of %d characters, at most %d", f.name, n, f.max)
		}
	}
	// Nothing that a subscriber typed is among the octets up to here.
	all := string(body[:texts])
	m := &Message{
		ServiceType:        all[serviceType.from:serviceType.to],
		Source:             Address{TON: sourceType[0], NPI: sourceType[1], Addr: all[source.from:source.to]},
		Dest:               Address{TON: destType[0], NPI: destType[1], Addr: all[dest.from:dest.to]},
		ESMClass:           class[0],
		ProtocolID:         class[1],
		PriorityFlag:       class[2],
		ScheduleTime:       all[schedule.from:schedule.to],
		ValidityPeriod:     all[validity.from:validity.to],
		RegisteredDelivery: delivery[0],
		ReplaceIfPresent:   delivery[1],
		DataCoding:         delivery[2],
		SMDefaultMsgID:     delivery[3],
	}
	var fault *fault
	if m.TLVs, fault = decodeTLVs(body[c.at:]); fault == nil {
		fault = m.setPayload(short)
	}
	if fault != nil {
		m.wipe()
		return nil, fault
	}
	return m, nil
}

// setPayload takes the message_payload out of the optional parameters, or else
// a copy of the short_message.
func (m *Message) setPayload(short []byte) *fault {
	if long, ok := m.TLVs.Get(TagMessagePayload); ok {
		m.TLVs = without(m.TLVs, TagMessagePayload)
		if len(long) > 0 {
			m.Payload = long
			return nil
		}
	}
	if len(short) > maxShortMessage {
		return faultf(StatusInvMsgLen, "short_message of %d octets, at most %d", len(short), maxShortMessage)
	}
	m.Payload = bytes.Clone(short)
	return nil
}

// decodeMessageResp reads the body of submit_sm_resp, deliver_sm_resp and
// data_sm_resp, which may be missing: §4.4.2, §4.6.2, §4.7.2.
func decodeMessageResp(body []byte) (Body, *fault) {
	if len(body) == 0 || len(body) == 1 && body[0] == 0 {
		return new(MessageResp), nil
	}
	c := cursor{body: body}
	id, ok := c.cOctets()
	if !ok {
		return nil, faultf(StatusInvCmdLen, errEnds, pdufield.MessageID)
	}
	if n := id.to - id.from; n > maxMessageID {
		return nil, faultf(StatusInvMsgID, "%s of %d characters, at most %d", pdufield.MessageID, n, maxMessageID)
	}
	ts, fault := decodeTLVs(body[c.at:])
	if fault != nil {
		return nil, fault
	}
	return &MessageResp{MessageID: string(body[id.from:id.to]), TLVs: ts}, nil
}

// decodeTLVs reads what follows the mandatory fields: §5.3. Up to three NULs at
// the end are forgiven: several stacks end a PDU with one too many. The values
// share one array, but for message_payload, which gets its own.
func decodeTLVs(b []byte) (TLVs, *fault) {
	count, size := 0, 0
	for rest := b; len(rest) > 0; count++ {
		if len(rest) < 4 {
			if len(bytes.Trim(rest, "\x00")) > 0 {
				return nil, faultf(StatusInvOptParStream, "%d octets after the last parameter", len(rest))
			}
			break
		}
		tag, n := Tag(binary.BigEndian.Uint16(rest)), int(binary.BigEndian.Uint16(rest[2:]))
		if n > len(rest)-4 {
			return nil, faultf(StatusInvOptParStream, "parameter %04X of %d octets, %d left", uint16(tag), n, len(rest)-4)
		}
		if count == maxTLVs {
			return nil, faultf(StatusInvOptParStream, "more than %d optional parameters", maxTLVs)
		}
		if tag != TagMessagePayload {
			size += n
		}
		rest = rest[4+n:]
	}
	if count == 0 {
		return nil, nil
	}
	ts, values := make(TLVs, count), make([]byte, size)
	for i := range ts {
		tag, n := Tag(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint16(b[2:]))
		var value []byte
		if tag == TagMessagePayload {
			value = make([]byte, n)
		} else {
			value, values = values[:n:n], values[n:]
		}
		copy(value, b[4:])
		ts[i] = TLV{Tag: tag, Value: value}
		b = b[4+n:]
	}
	return ts, nil
}
