package smsc

import (
	"bytes"
	"encoding/binary"
	"slices"

	"starhash/smpp"
)

// What is sent to an ESME to see whether it bears it: PDUs that are wrong, and right
// ones that are seldom seen.

// unknownCommandID is a command_id that SMPP 3.4 does not have (§5.1.2.1).
const unknownCommandID = 0x00010BAD

// harass sends what the faults put before a phone's message.
func (c *conn) harass(d *delivery) {
	if c.hits(strayNack, d) {
		c.sendPDU(smpp.PDU{Command: smpp.GenericNack, Status: smpp.StatusInvCmdID}, item{})
	}
	if c.hits(strayResp, d) {
		c.sendPDU(smpp.PDU{Command: smpp.SubmitSMResp, Sequence: maxSequence, Body: &smpp.MessageResp{MessageID: "0"}}, item{})
	}
	if c.hits(unknownCommand, d) {
		c.send(item{frame: header(unknownCommandID, c.claimed(d), []byte("unknown"))})
	}
	if c.hits(badSMLength, d) {
		c.sendBroken(d, brokenSMLength)
	}
	if c.hits(badTLVLength, d) {
		c.sendBroken(d, brokenTLVLength)
	}
	if c.hits(badPart, d) {
		for _, numbers := range [][2]byte{{2, 0}, {2, 3}, {0, 1}} { // total, number
			m := empty(d.message)
			m.ESMClass = smpp.ESMClassUDHI
			m.Payload = []byte{5, 0x00, 3, 0xBA, numbers[0], numbers[1], 'x'}
			c.post(&delivery{command: smpp.DeliverSM, message: m, copy: true}, m, item{}, false, false)
		}
	}
	if c.hits(badCommandLength, d) {
		frame := header(uint32(smpp.DeliverSM), c.next(), nil)
		binary.BigEndian.PutUint32(frame, 15)
		c.send(item{frame: frame})
	}
}

// claimed is a number whose answer counts for nothing: no message may have it before
// that is there.
func (c *conn) claimed(d *delivery) uint32 {
	return c.claim(&delivery{command: d.command, message: d.message, copy: true}, false, false)
}

// header is a PDU of any command_id and any body.
func header(command, sequence uint32, body []byte) []byte {
	frame := binary.BigEndian.AppendUint32(nil, uint32(smpp.HeaderLen+len(body)))
	frame = binary.BigEndian.AppendUint32(frame, command)
	frame = binary.BigEndian.AppendUint32(frame, 0)
	frame = binary.BigEndian.AppendUint32(frame, sequence)
	return append(frame, body...)
}

// empty is a message of the same phone without what it says: what is broken is not to
// be mistaken for it.
func empty(m *smpp.Message) *smpp.Message { return &smpp.Message{Source: m.Source, Dest: m.Dest} }

// sendBroken sends a deliver_sm of the phone that breaks has broken.
func (c *conn) sendBroken(d *delivery, breaks func([]byte) []byte) {
	frame, err := smpp.Append(nil, smpp.PDU{Command: smpp.DeliverSM, Sequence: c.claimed(d), Body: empty(d.message)})
	if err != nil {
		c.log.Error("not encoded", "err", err)
		return
	}
	frame = breaks(frame)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)))
	c.send(item{frame: frame})
}

// brokenSMLength says of the empty short_message, which ends the frame, that it has 200
// octets.
func brokenSMLength(frame []byte) []byte {
	frame[len(frame)-1] = 200
	return append(frame, "x"...)
}

// brokenTLVLength adds a parameter of 500 octets that has two.
func brokenTLVLength(frame []byte) []byte {
	frame = binary.BigEndian.AppendUint16(frame, uint16(smpp.TagUserMessageReference))
	frame = binary.BigEndian.AppendUint16(frame, 500)
	return append(frame, 0, 1)
}

// withVendorTLVs is m with parameters that only a vendor knows (§5.3.2: 0x1400 to
// 0x3FFF), in forms that trip parsers: empty, long, and the same tag twice.
func withVendorTLVs(m *smpp.Message) *smpp.Message {
	out := *m
	out.TLVs = append(slices.Clone(m.TLVs),
		smpp.TLV{Tag: 0x1400},
		smpp.TLV{Tag: 0x1401, Value: bytes.Repeat([]byte{0xFF}, 300)},
		smpp.TLV{Tag: 0x3FFF, Value: []byte{0}},
		smpp.TLV{Tag: 0x3FFF, Value: []byte("twice\x00")},
	)
	return &out
}

// maxPayload is the longest message_payload (§5.3.2.32).
const maxPayload = 65535

// padded is m with blanks behind its text, so that it needs a message_payload of 64
// KiB. A message that has a message_payload of its own among its parameters stays as
// it is.
func padded(m *smpp.Message) *smpp.Message {
	if _, has := m.TLVs.Get(smpp.TagMessagePayload); has {
		return m
	}
	blank := []byte(" ")
	if m.DataCoding == smpp.CodingUCS2 {
		blank = []byte("\x00 ")
	}
	out := *m
	out.Payload = append(slices.Clone(m.Payload), bytes.Repeat(blank, (maxPayload-len(m.Payload))/len(blank))...)
	return &out
}
