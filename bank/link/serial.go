package link

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
)

// crockford is Douglas Crockford's base32 alphabet: no I, L, O or U, so that a
// person can read it out over a telephone.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Serial is the serial number of an opening: operator (2 bytes, the beginning
// of the SHA-256 of its name, so that no number is good with another operator) ‖ node (2) ‖ boot (4) ‖ counter (4) ‖ random (4).
// It is free of clocks, and unique as long as no boot number is used twice by
// one node.
type Serial [16]byte

// TxID identifies a transaction from the gateway's edge to the bank's ledger.
// It has the form of a Serial and stays the same through every retry and under
// every serial, so that a transaction whose opening expired can be sent under a
// new one and is still executed at most once.
type TxID [16]byte

func (s Serial) String() string { return encode32(s[:]) }
func (t TxID) String() string   { return encode32(t[:]) }

// Boot is the boot number in a serial.
func (s Serial) Boot() uint32 { return binary.BigEndian.Uint32(s[4:8]) }

// Node is the node number in a serial.
func (s Serial) Node() uint16 { return binary.BigEndian.Uint16(s[2:4]) }

// ParseSerial reads the 26 characters that String writes. Lower case is
// accepted, and I, L as 1, O as 0.
func ParseSerial(text string) (Serial, error) {
	var s Serial
	if len(text) != 26 {
		return s, fmt.Errorf("a serial number has 26 characters, not %d", len(text))
	}
	var acc uint64
	bits, n := 0, 0
	for i, c := range []byte(text) {
		switch c {
		case 'I', 'i', 'L', 'l':
			c = '1'
		case 'O', 'o':
			c = '0'
		}
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		v := strings.IndexByte(crockford, c)
		if v < 0 {
			return Serial{}, fmt.Errorf("character %d, %q, is not Crockford base32", i+1, c)
		}
		acc, bits = acc<<5|uint64(v), bits+5
		if i == 0 {
			if v > 7 { // 26 characters hold 130 bits; the first two must be zero
				return Serial{}, fmt.Errorf("character 1, %q, is too large", c)
			}
			bits = 3
		}
		if bits >= 8 {
			bits -= 8
			s[n] = byte(acc >> bits)
			n++
		}
	}
	return s, nil
}

// encode32 writes 128 bits as 26 characters, most significant first.
func encode32(b []byte) string {
	out := make([]byte, 0, 26)
	acc, bits := uint64(0), 2 // two zero bits make 130
	for _, c := range b {
		acc, bits = acc<<8|uint64(c), bits+8
		for bits >= 5 {
			bits -= 5
			out = append(out, crockford[acc>>bits&31])
		}
	}
	return string(out)
}

// SameNumbers says whether two operators' numbers begin alike, one pair in
// 65,536: a bank cannot tell their serials apart and must not serve both.
func (op Operator) SameNumbers(other Operator) bool { return op.prefix() == other.prefix() }

// prefix begins an operator's numbers.
func (op Operator) prefix() [2]byte {
	sum := sha256.Sum256([]byte(op))
	return [2]byte(sum[:2])
}

// numbered says whether a number, of either sort, is one of the operator's.
func (op Operator) numbered(id TxID) bool {
	return [2]byte(id[:2]) == op.prefix()
}

// Numbers makes Serials and TxIDs for one boot of one node. It is safe for
// concurrent use.
type Numbers struct {
	prefix  [8]byte
	counter atomic.Uint32
}

// NewNumbers begins the numbers of a boot. boot must never have been used by
// this node before.
func NewNumbers(op Operator, node uint16, boot uint32) *Numbers {
	n := &Numbers{}
	prefix := op.prefix()
	copy(n.prefix[:], prefix[:])
	binary.BigEndian.PutUint16(n.prefix[2:4], node)
	binary.BigEndian.PutUint32(n.prefix[4:8], boot)
	return n
}

// next is unique for 2^32 calls by the counter, and past that, within one boot,
// with the random part's help.
func (n *Numbers) next() (b [16]byte) {
	copy(b[:8], n.prefix[:])
	binary.BigEndian.PutUint32(b[8:12], n.counter.Add(1))
	rand.Read(b[12:])
	return b
}

// Serial makes the number of a new opening.
func (n *Numbers) Serial() Serial { return n.next() }

// TxID makes the number of a new transaction.
func (n *Numbers) TxID() TxID { return n.next() }
