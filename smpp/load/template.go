package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf16"

	"starhash/smpp"
)

// Placeholders are what a text may hold, and what takes their place.
const Placeholders = `{n}       the message's number, from 0
{token}   # and the number: a confirmation that repeats it confirms this message
{msisdn}  the sender
{peer}    another subscriber's number, beyond those of the senders
{amount}  1.00 to 9.99, another one each time a sender's turn comes`

type placeholder byte

const (
	literal placeholder = iota
	number
	token
	msisdn
	peer
	amount
)

var placeholders = map[string]placeholder{"{n}": number, "{token}": token, "{msisdn}": msisdn, "{peer}": peer, "{amount}": amount}

// segment is a piece of the text: octets as they are, or a placeholder.
type segment struct {
	kind   placeholder
	octets []byte
}

// template writes the deliver_sm of message n: all that is the same in every
// message is encoded once.
type template struct {
	prefix   []byte // up to and with sm_length
	base     uint64
	msisdns  uint64
	digits   int
	segments []segment
	wide     bool // UCS2: a digit takes two octets
	tokens   bool // there is a {token}
}

// sourceAt is where the source address begins: behind the header, an empty
// service_type, TON and NPI (§4.6.1).
const sourceAt = smpp.HeaderLen + 3

var braces = regexp.MustCompile(`\{[^{}]*\}`)

func newTemplate(c *Config) (*template, error) {
	t := &template{base: c.MSISDNBase, msisdns: c.MSISDNs, digits: len(strconv.FormatUint(c.MSISDNBase, 10))}
	// The whole text decides on the coding, placeholders being ASCII.
	coding, _ := smpp.EncodeText(braces.ReplaceAllString(c.Text, ""))
	t.wide = coding != 0
	rest := c.Text
	add := func(s string) {
		if s == "" {
			return
		}
		var octets []byte
		if t.wide {
			octets = ucs2(s)
		} else {
			_, octets = smpp.EncodeText(s)
		}
		t.segments = append(t.segments, segment{octets: octets})
	}
	for rest != "" {
		at := braces.FindStringIndex(rest)
		if at == nil {
			break
		}
		kind, ok := placeholders[rest[at[0]:at[1]]]
		if !ok {
			return nil, fmt.Errorf("text: %s is no placeholder; there are\n%s", rest[at[0]:at[1]], Placeholders)
		}
		add(rest[:at[0]])
		t.segments = append(t.segments, segment{kind: kind})
		t.tokens = t.tokens || kind == token
		rest = rest[at[1]:]
	}
	add(rest)
	// All that is asked of the codec: a deliver_sm with no text yet.
	prefix, err := smpp.Append(nil, smpp.PDU{Command: smpp.DeliverSM, Sequence: 1, Body: &smpp.Message{
		Source:     smpp.Address{TON: 1, NPI: 1, Addr: strconv.FormatUint(c.MSISDNBase, 10)},
		Dest:       smpp.Address{Addr: c.ShortCode},
		DataCoding: byte(coding),
	}})
	if err != nil {
		return nil, err
	}
	t.prefix = prefix
	longest := t.append(nil, ^uint64(0)>>1, 1)
	limit := 160
	if t.wide {
		limit = 140
	}
	if n := len(longest) - len(t.prefix); n > limit {
		return nil, fmt.Errorf("text: up to %d octets, more than fit one message (%d)", n, limit)
	}
	return t, nil
}

func ucs2(s string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = binary.BigEndian.AppendUint16(b, unit)
	}
	return b
}

// append appends the deliver_sm of message n.
func (t *template) append(b []byte, n uint64, sequence uint32) []byte {
	at := len(b)
	b = append(b, t.prefix...)
	sender := n % t.msisdns
	putDigits(b[at+sourceAt:at+sourceAt+t.digits], t.base+sender)
	text := len(b)
	for i := range t.segments {
		s := &t.segments[i]
		switch s.kind {
		case literal:
			b = append(b, s.octets...)
		case number:
			b = t.appendNumber(b, n)
		case token:
			b = t.appendASCII(b, '#')
			b = t.appendNumber(b, n)
		case msisdn:
			b = t.appendNumber(b, t.base+sender)
		case peer:
			b = t.appendNumber(b, t.base+t.msisdns+sender)
		case amount:
			cents := n / t.msisdns % 900
			b = t.appendASCII(b, byte('1'+cents/100), '.', byte('0'+cents/10%10), byte('0'+cents%10))
		}
	}
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at))
	binary.BigEndian.PutUint32(b[at+12:], sequence)
	b[text-1] = byte(len(b) - text)
	return b
}

func (t *template) appendNumber(b []byte, n uint64) []byte {
	if !t.wide {
		return strconv.AppendUint(b, n, 10)
	}
	var digits [20]byte
	return t.appendASCII(b, strconv.AppendUint(digits[:0], n, 10)...)
}

func (t *template) appendASCII(b []byte, s ...byte) []byte {
	if !t.wide {
		return append(b, s...)
	}
	for _, c := range s {
		b = append(b, 0, c)
	}
	return b
}

// putDigits writes n into the whole of b, which it fits.
func putDigits(b []byte, n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

// sender is the index of the sender with that address.
func (t *template) sender(addr []byte) (uint64, bool) {
	addr = bytes.TrimPrefix(addr, []byte("+"))
	if len(addr) != t.digits {
		return 0, false
	}
	var n uint64
	for _, c := range addr {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	if n < t.base || n-t.base >= t.msisdns {
		return 0, false
	}
	return n - t.base, true
}

// tokenIn finds the number behind a # in octets, GSM 03.38 or UCS2. The # of
// both is 0x23.
func tokenIn(octets []byte) (n uint64, ok bool) {
	for {
		at := bytes.IndexByte(octets, '#')
		if at < 0 {
			return 0, false
		}
		octets = octets[at+1:]
		n, seen := uint64(0), 0
		for rest := octets; seen < 19; seen++ {
			if len(rest) > 1 && rest[0] == 0 {
				rest = rest[1:]
			}
			if len(rest) == 0 || rest[0] < '0' || rest[0] > '9' {
				break
			}
			n = n*10 + uint64(rest[0]-'0')
			rest = rest[1:]
		}
		if seen > 0 {
			return n, true
		}
	}
}
