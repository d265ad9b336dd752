package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"starhash/smpp"
)

// Bounds of what is read.
const (
	MaxPDUs = 100_000
	MaxFile = 1 << 30 // octets
	maxLine = 1 << 18 // of hexadecimal
)

// PDU is a PDU of a capture.
type PDU struct {
	smpp.PDU
	FromSMSC bool // from the SMSC to the ESME
}

var (
	errTooMany = fmt.Errorf("more than %d PDUs: cut the capture down", MaxPDUs)
	// ErrNone says that there is no SMPP in a capture.
	ErrNone = errors.New("no SMPP PDU is in the capture")
)

// Read reads a capture. A PDU that does not decode is left out, and counted in undecoded.
//
// Of hexadecimal frames deliver_sm are from the SMSC and submit_sm from the ESME; a
// line may say so itself with "in " or "out " before the digits, which data_sm needs.
// Lines that are empty or begin with # are skipped, and the digits may have spaces or
// colons between them.
func Read(r io.Reader) (pdus []PDU, undecoded int, err error) {
	in := bufio.NewReaderSize(io.LimitReader(r, MaxFile), 1<<16)
	head, err := in.Peek(4)
	if err != nil && len(head) == 0 {
		return nil, 0, ErrNone
	}
	if isPcap(head) {
		pdus, undecoded, err = readPcap(in, head)
	} else {
		pdus, undecoded, err = readHex(in)
	}
	if err == nil && len(pdus) == 0 {
		err = ErrNone
	}
	return pdus, undecoded, err
}

func readHex(r io.Reader) (pdus []PDU, undecoded int, err error) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxLine)
	for n := 1; in.Scan(); n++ {
		line := strings.TrimSpace(in.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		direction := ""
		for _, d := range []string{"in ", "out "} {
			if digits, ok := strings.CutPrefix(line, d); ok {
				direction, line = d, digits
			}
		}
		frame, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "", "\t", "").Replace(line))
		if err != nil {
			return nil, 0, fmt.Errorf("line %d is neither hexadecimal nor a pcap file", n)
		}
		p, err := smpp.Decode(frame)
		clear(frame)
		switch {
		case err != nil:
			undecoded++
		case direction == "" && p.Command == smpp.DataSM:
			return nil, 0, fmt.Errorf(`line %d: a data_sm goes both ways; write "in " before what the SMSC sent, "out " before what the ESME did`, n)
		case len(pdus) == MaxPDUs:
			return nil, 0, errTooMany
		default:
			fromSMSC, known := sender(p.Command)
			pdus = append(pdus, PDU{PDU: p, FromSMSC: direction == "in " || direction == "" && known && fromSMSC})
		}
	}
	return pdus, undecoded, in.Err()
}

// sender says who sends an operation, where only one of them may: SMPP 3.4 §2.3.
func sender(c smpp.CommandID) (smsc, known bool) {
	switch c {
	case smpp.DeliverSM, smpp.SubmitSMResp, smpp.BindTransceiverResp, smpp.BindReceiverResp, smpp.BindTransmitterResp:
		return true, true
	case smpp.SubmitSM, smpp.DeliverSMResp, smpp.BindTransceiver, smpp.BindReceiver, smpp.BindTransmitter:
		return false, true
	}
	return false, false
}

// stream is one direction of a connection: octets in order, of which PDUs are cut.
type stream struct {
	buf    []byte
	synced bool // buf begins with a PDU, as far as is known
	lost   int  // octets skipped to find the next header
}

// maxFrame bounds a PDU, in octets.
const maxFrame = 1 << 17

// add takes more octets; gap says that some before them are missing. It calls take with
// every whole frame, which is take's until it returns.
func (s *stream) add(octets []byte, gap bool, take func(frame []byte)) {
	if gap {
		clear(s.buf)
		s.buf, s.synced = s.buf[:0], false
	}
	s.buf = append(s.buf, octets...)
	at := 0
	for {
		rest := s.buf[at:]
		if len(rest) < smpp.HeaderLen {
			break
		}
		if !header(rest) {
			s.synced = false
			s.lost++
			at++
			continue
		}
		n := int(binary.BigEndian.Uint32(rest))
		if len(rest) < n {
			break
		}
		if !s.synced && len(rest) > n && !header(rest[n:]) {
			at, s.lost = at+1, s.lost+1
			continue
		}
		s.synced = true
		take(rest[:n])
		at += n
	}
	left := copy(s.buf, s.buf[at:])
	clear(s.buf[left:])
	s.buf = s.buf[:left]
}

// header says whether octets look like the header of a PDU: §3.2. Fewer than a header
// do while they can become one.
func header(b []byte) bool {
	if len(b) < smpp.HeaderLen {
		return true
	}
	n, id, status := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	return n >= smpp.HeaderLen && n <= maxFrame && id&^0x80000000 <= 0x103 && status < 0x10000 &&
		!bytes.Equal(b[4:8], []byte{0, 0, 0, 0})
}
