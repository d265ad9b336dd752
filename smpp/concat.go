package smpp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Information elements of a user data header: 3GPP TS 23.040 §9.2.3.24.
const (
	ieConcat8  = 0x00 // concatenation, 8-bit reference: §9.2.3.24.1
	ieConcat16 = 0x08 // concatenation, 16-bit reference: §9.2.3.24.8

	ieSingleShift  = 0x24 // national language single shift: §9.2.3.24.15
	ieLockingShift = 0x25 // national language locking shift: §9.2.3.24.16
)

// ErrPart is wrapped by every error of PartOf, UserText and EncodingOf.
var ErrPart = errors.New("malformed long message")

// PartKind says how a message says that it is one part of a longer one. Parts
// of different kinds never belong together, even with the same reference.
type PartKind byte

const (
	UDH8  PartKind = iota + 1 // concatenation header with an 8-bit reference
	UDH16                     // concatenation header with a 16-bit reference
	SAR                       // sar_msg_ref_num, sar_total_segments, sar_segment_seqnum
)

// String is the kind's name in logs.
func (k PartKind) String() string {
	switch k {
	case UDH8:
		return "udh8"
	case UDH16:
		return "udh16"
	case SAR:
		return "sar"
	}
	return fmt.Sprintf("PartKind(%d)", byte(k))
}

// Part is one part of a long message. Which parts belong together is told by
// source, destination, Kind, Ref and Total; the reference alone is shared by
// every 256th message of every sender.
type Part struct {
	Ref   uint16
	Total uint8 // 2 to 255
	Seq   uint8 // 1 to Total
	Kind  PartKind
	Text  []byte // user data without its header; shares memory with the message
}

// PartOf reads how m is part of a long message: from its user data header,
// where it has one that says so, else from the SAR parameters (SMPP 3.4
// §5.3.2.22 to 24). ok is false for a message of one part, also for one that
// says "1 of 1".
//
// The error wraps ErrPart: a header that is longer than the payload, "part 5 of
// 1", part 0, or SAR parameters that are incomplete or of the wrong length.
// Sending the same octets again will not help the SMSC.
func PartOf(m *Message) (p Part, ok bool, err error) {
	header, text, err := cutUDH(m)
	if err != nil {
		return Part{}, false, err
	}
	p, err = partOfUDH(header)
	if err == nil && p.Kind == 0 {
		p, err = partOfSAR(m.TLVs)
	}
	if err != nil || p.Kind == 0 {
		return Part{}, false, err
	}
	if p.Total == 0 || p.Seq == 0 || p.Seq > p.Total {
		return Part{}, false, fmt.Errorf("%w: part %d of %d (%s)", ErrPart, p.Seq, p.Total, p.Kind)
	}
	if p.Total == 1 {
		return Part{}, false, nil
	}
	p.Text = text
	return p, true, nil
}

// UserText is the payload behind the user data header, or the whole payload
// where there is none. It shares memory with the message.
func UserText(m *Message) ([]byte, error) {
	_, text, err := cutUDH(m)
	return text, err
}

// cutUDH cuts the payload behind its header; header is without its own length
// octet. GSM text comes one septet an octet over SMPP, so no fill bits follow.
func cutUDH(m *Message) (header, text []byte, err error) {
	if m.ESMClass&ESMClassUDHI == 0 {
		return nil, m.Payload, nil
	}
	if len(m.Payload) == 0 {
		return nil, nil, fmt.Errorf("%w: no user data header where esm_class announces one", ErrPart)
	}
	n := 1 + int(m.Payload[0])
	if n > len(m.Payload) {
		return nil, nil, fmt.Errorf("%w: user data header of %d octets in %d", ErrPart, n, len(m.Payload))
	}
	return m.Payload[1:n], m.Payload[n:], nil
}

// cutElement cuts the first information element off a header.
func cutElement(header []byte) (id byte, data, rest []byte, err error) {
	if len(header) < 2 || 2+int(header[1]) > len(header) {
		return 0, nil, nil, fmt.Errorf("%w: information element beyond its header", ErrPart)
	}
	end := 2 + int(header[1])
	return header[0], header[2:end], header[end:], nil
}

// partOfUDH finds the concatenation among the elements of a header; where there
// are several the last one counts: 3GPP TS 23.040 §9.2.3.24. Kind 0: none.
func partOfUDH(header []byte) (p Part, err error) {
	for len(header) > 0 {
		id, data, rest, err := cutElement(header)
		if err != nil {
			return Part{}, err
		}
		header = rest
		switch {
		case id == ieConcat8 && len(data) == 3:
			p = Part{Kind: UDH8, Ref: uint16(data[0]), Total: data[1], Seq: data[2]}
		case id == ieConcat16 && len(data) == 4:
			p = Part{Kind: UDH16, Ref: binary.BigEndian.Uint16(data), Total: data[2], Seq: data[3]}
		case id == ieConcat8, id == ieConcat16:
			return Part{}, fmt.Errorf("%w: concatenation element %02X of %d octets", ErrPart, id, len(data))
		}
	}
	return p, nil
}

// partOfSAR reads the three SAR parameters. Kind 0: none of them is there.
func partOfSAR(ts TLVs) (Part, error) {
	ref, hasRef := ts.Get(TagSARMsgRefNum)
	total, hasTotal := ts.Get(TagSARTotalSegments)
	seq, hasSeq := ts.Get(TagSARSegmentSeqnum)
	if !hasRef && !hasTotal && !hasSeq {
		return Part{}, nil
	}
	if len(ref) != 2 || len(total) != 1 || len(seq) != 1 {
		return Part{}, fmt.Errorf("%w: SAR parameters of %d, %d and %d octets", ErrPart, len(ref), len(total), len(seq))
	}
	return Part{Kind: SAR, Ref: binary.BigEndian.Uint16(ref), Total: total[0], Seq: seq[0]}, nil
}
