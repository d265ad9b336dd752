package smsc

import (
	"encoding/binary"
	"unicode/utf16"

	"starhash/smpp"
)

// What fits into one short message of the radio interface: 140 octets, which hold
// 160 septets (3GPP TS 23.040 §9.2.3.24). In SMPP a septet takes an octet.
const (
	roomSeptets = 160
	roomOctets  = 140
)

const gsmEscape = 0x1B // of GSM 03.38's extension table

// encode turns text into the user data of a coding.
func encode(name, text string) (coding byte, payload []byte, err error) {
	switch name {
	case "", "auto":
		coding, payload = smpp.EncodeText(text)
		return coding, payload, nil
	case "gsm":
		if coding, payload = smpp.EncodeText(text); coding != smpp.CodingDefault {
			return 0, nil, mistakef("coding: the text has characters outside of GSM 03.38; try auto")
		}
		return coding, payload, nil
	case "latin1":
		for _, r := range text {
			if r > 0xFF {
				return 0, nil, mistakef("coding: the text has characters outside of Latin-1; try auto")
			}
			payload = append(payload, byte(r))
		}
		return smpp.CodingLatin1, payload, nil
	case "ucs2":
		for _, u := range utf16.Encode([]rune(text)) {
			payload = binary.BigEndian.AppendUint16(payload, u)
		}
		return smpp.CodingUCS2, payload, nil
	}
	return 0, nil, mistakef("coding: %q is none of auto, gsm, latin1, ucs2", name)
}

// part is what splitting gives each PDU.
type part struct {
	esmClass byte
	payload  []byte
	tlvs     smpp.TLVs
}

// A splitter cuts user data into parts of at most size octets of text; size 0, or
// more than fits, means what fits.
type splitter func(payload []byte, coding byte, size int, ref uint16) ([]part, error)

func splitterNamed(name string) (splitter, error) {
	switch name {
	case "", "udh8":
		return concatenated(6, func(p []byte, ref uint16, total, seq int) part {
			// UDH, element 0: concatenation, 8-bit reference (3GPP TS 23.040 §9.2.3.24.1)
			udh := []byte{5, 0x00, 3, byte(ref), byte(total), byte(seq)}
			return part{esmClass: smpp.ESMClassUDHI, payload: append(udh, p...)}
		}), nil
	case "udh16":
		return concatenated(7, func(p []byte, ref uint16, total, seq int) part {
			// UDH, element 8: concatenation, 16-bit reference (§9.2.3.24.8)
			udh := []byte{6, 0x08, 4, byte(ref >> 8), byte(ref), byte(total), byte(seq)}
			return part{esmClass: smpp.ESMClassUDHI, payload: append(udh, p...)}
		}), nil
	case "sar":
		// The message centre took the handset's UDH out and says the same by TLVs, so
		// a part holds no more than with the header (SMPP 3.4 §5.3.2.22 to 24).
		return concatenated(6, func(p []byte, ref uint16, total, seq int) part {
			return part{payload: p, tlvs: smpp.TLVs{
				{Tag: smpp.TagSARMsgRefNum, Value: []byte{byte(ref >> 8), byte(ref)}},
				{Tag: smpp.TagSARTotalSegments, Value: []byte{byte(total)}},
				{Tag: smpp.TagSARSegmentSeqnum, Value: []byte{byte(seq)}},
			}}
		}), nil
	case "payload":
		return func(payload []byte, _ byte, _ int, _ uint16) ([]part, error) {
			return []part{{tlvs: smpp.TLVs{{Tag: smpp.TagMessagePayload, Value: payload}}}}, nil
		}, nil
	}
	return nil, mistakef("split: %q is none of udh8, udh16, sar, payload", name)
}

// concatenated splits into parts that lose header octets of their 140 to a header.
func concatenated(header int, make func(p []byte, ref uint16, total, seq int) part) splitter {
	return func(payload []byte, coding byte, size int, ref uint16) ([]part, error) {
		whole, room := roomOctets, roomOctets-header
		if coding == smpp.CodingDefault {
			whole, room = roomSeptets, (roomOctets-header)*8/7
		}
		if size > 0 {
			whole, room = min(size, whole), min(size, room)
		}
		if len(payload) <= whole {
			return []part{{payload: payload}}, nil
		}
		var cut [][]byte
		for rest := payload; len(rest) > 0; {
			n := cutAt(rest, coding, room)
			if n == 0 {
				return nil, mistakef("part_size: %d octets do not hold one character", size)
			}
			cut = append(cut, rest[:n])
			rest = rest[n:]
		}
		if len(cut) > 255 {
			return nil, mistakef("text: makes %d parts, at most 255", len(cut))
		}
		parts := []part{}
		for i, p := range cut {
			parts = append(parts, make(p, ref, len(cut), i+1))
		}
		return parts, nil
	}
}

// cutAt says how many of at most room octets end on a whole character: neither an
// escape nor a surrogate pair is cut in two.
func cutAt(p []byte, coding byte, room int) int {
	n := min(len(p), room)
	if n == len(p) {
		return n
	}
	switch coding {
	case smpp.CodingDefault:
		// Escapes do not follow each other in text that encode made.
		if n > 0 && p[n-1] == gsmEscape {
			n--
		}
	case smpp.CodingUCS2:
		n -= n % 2
		if n >= 2 && p[n-2]&0xFC == 0xD8 { // a high surrogate, D800 to DBFF
			n -= 2
		}
	}
	return n
}
