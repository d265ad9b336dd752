package link

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// Version and Suite stand first in every message. Suite 1 is HPKE
// MLKEM768-X25519 / HKDF-SHA256 / AES-256-GCM for the epoch, HKDF-SHA256 and
// AES-256-GCM for everything else. Another suite gets another number.
const (
	Version = 1
	Suite   = 1
)

// MaxMessage is the largest message either end accepts, in bytes.
const MaxMessage = 1 << 20

// headerLen is the fixed size of a Header on the wire, in bytes.
const headerLen = 44

// Type says what a message is; it is the third byte of the header.
type Type byte

// The message types, in the order in which a conversation uses them.
const (
	TypeEpochRequest Type = 1
	TypeEpochReply   Type = 2
	TypeJoin         Type = 3
	TypeJoined       Type = 4
	TypeOpen         Type = 5
	TypeOpened       Type = 6
	TypeTransact     Type = 7
	TypeReply        Type = 8
	TypeError        Type = 9
)

// Operator names the operator at the bank: 1 to 8 ASCII letters, digits or '-'.
type Operator string

// KeyID names a static or a PIN key: 1 to 8 ASCII letters, digits or '-'.
type KeyID string

// EpochID names an epoch; the bank draws it at random.
type EpochID [8]byte

// Header is the clear, authenticated beginning of every message.
type Header struct {
	Type     Type
	Operator Operator
	KeyID    KeyID
	Epoch    EpochID
	Serial   Serial
}

func (h Header) append(dst []byte) []byte {
	dst = append(dst, Version, Suite, byte(h.Type), 0)
	dst = appendName(dst, string(h.Operator))
	dst = appendName(dst, string(h.KeyID))
	dst = append(dst, h.Epoch[:]...)
	return append(dst, h.Serial[:]...)
}

// ParseHeader reads the header of a message. Everything it returns is
// unauthenticated until the rest of the message has been opened.
func ParseHeader(msg []byte) (Header, error) {
	if len(msg) < headerLen {
		return Header{}, malformed("%d bytes, shorter than a header", len(msg))
	}
	if len(msg) > MaxMessage {
		return Header{}, malformed("%d bytes, larger than %d", len(msg), MaxMessage)
	}
	if msg[0] != Version || msg[1] != Suite || msg[3] != 0 {
		return Header{}, malformed("version %d suite %d flags %d, want 1 1 0", msg[0], msg[1], msg[3])
	}
	h := Header{Type: Type(msg[2])}
	op, err := parseName(msg[4:12])
	if err != nil {
		return Header{}, malformed("operator: %v", err)
	}
	id, err := parseName(msg[12:20])
	if err != nil {
		return Header{}, malformed("static key id: %v", err)
	}
	h.Operator, h.KeyID = Operator(op), KeyID(id)
	copy(h.Epoch[:], msg[20:28])
	copy(h.Serial[:], msg[28:44])
	return h, nil
}

// ValidName says why a string cannot be an Operator or a KeyID, or nil.
func ValidName(s string) error {
	if len(s) == 0 || len(s) > 8 {
		return fmt.Errorf("%q has %d characters, want 1 to 8", s, len(s))
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' {
			return fmt.Errorf("%q holds %q, want letters, digits or '-'", s, c)
		}
	}
	return nil
}

func appendName(dst []byte, s string) []byte {
	var b [8]byte
	copy(b[:], s)
	return append(dst, b[:]...)
}

func parseName(b []byte) (string, error) {
	s := strings.TrimRight(string(b), "\x00")
	return s, ValidName(s)
}

// reader takes fixed and length-prefixed fields off a message. The first
// failure sticks, so that a decoder reads straight down and asks once.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.b) {
		r.err = malformed("ends %d bytes early", n-len(r.b))
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) i64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// str is a string behind a one-byte length.
func (r *reader) str() string { return string(r.take(int(r.u8()))) }

// blob is bytes behind a two-byte length.
func (r *reader) blob() []byte { return r.take(int(r.u16())) }

func (r *reader) digits(field string, max int) string {
	s := r.str()
	if r.err == nil && (len(s) > max || strings.Trim(s, "0123456789") != "") {
		r.err = malformed("%s is not 0 to %d digits", field, max)
	}
	return s
}

// time is seconds since 1970-01-01 UTC; zero is the zero time.
func (r *reader) time() time.Time {
	if s := r.i64(); s != 0 {
		return time.Unix(s, 0).UTC()
	}
	return time.Time{}
}

// end accepts nothing but padding zeros.
func (r *reader) end() error {
	if r.err != nil {
		return r.err
	}
	for _, c := range r.b {
		if c != 0 {
			return malformed("%d bytes too many", len(r.b))
		}
	}
	return nil
}

// appendStr cuts at 255 bytes, the most that the length can say; every string
// of ours is far below.
func appendStr(dst []byte, s string) []byte {
	s = s[:min(len(s), 255)]
	return append(append(dst, byte(len(s))), s...)
}

func appendBlob(dst, b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(b))), b...)
}

func appendI64(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(v))
}

func appendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return appendI64(dst, 0)
	}
	return appendI64(dst, t.Unix())
}

// What plain texts are padded to multiples of, in bytes: a block holds any
// request (three PIN capsules in it), and any reply (a mini-statement of ten lines
// and two masked names in it); openings have a smaller one, for they go by the
// thousand.
const (
	padTo        = 512
	padOpeningTo = 64
)

func pad(b []byte, to int) []byte {
	if n := len(b) % to; n != 0 {
		b = append(b, make([]byte, to-n)...)
	}
	return b
}
