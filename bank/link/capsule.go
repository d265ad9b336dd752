package link

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	"starhash/configs/secret"
)

// A Capsule is a PIN sealed towards the bank's PIN key at the gateway's edge:
// key id (8) ‖ HPKE encapsulation (65) ‖ AES-256-GCM of the 16-byte plain PIN
// field of ISO 9564-1 format 4. HPKE is base mode, DHKEM(P-256, HKDF-SHA256),
// because a token can hold a P-256 key; the gateway runs it once an epoch, and
// each capsule has a key of its own, exported for the transaction, the number
// and the position of the PIN in it. It opens for nothing else.
type Capsule []byte

// PINPosition tells a transaction's capsules apart.
type PINPosition byte

// The positions.
const (
	PINCurrent PINPosition = 0
	PINNew     PINPosition = 1
	PINAgain   PINPosition = 2 // the new PIN as it was typed the second time
)

const (
	p256PointLen = 65
	pinFieldLen  = 16
	capsuleLen   = 8 + p256PointLen + pinFieldLen + tagLen
)

// PIN lengths that the system accepts, in digits. ISO 9564 allows 12; nobody
// types those on a feature phone.
const (
	MinPIN = 4
	MaxPIN = 6
)

func pinKEM() hpke.KEM { return hpke.DHKEM(ecdh.P256()) }

func pinInfo(id KeyID) []byte { return []byte("starhash/1 pin key " + string(id)) }

// pinContext binds a capsule to its place.
func pinContext(msisdn string, id TxID, pos PINPosition) string {
	return "starhash/1 pin" + string(id[:]) + string(byte(pos)) + msisdn
}

// PINPublicKey is the half of the PIN key that a gateway has.
type PINPublicKey struct {
	ID  KeyID
	key hpke.PublicKey
}

// FormatPINPublicKey writes "id base64", one line.
func FormatPINPublicKey(k PINPublicKey) string {
	return string(k.ID) + " " + base64.StdEncoding.EncodeToString(k.key.Bytes()) + "\n"
}

// ParsePINPublicKey reads what FormatPINPublicKey writes.
func ParsePINPublicKey(text string) (PINPublicKey, error) {
	id, enc, ok := strings.Cut(strings.TrimSpace(text), " ")
	if !ok {
		return PINPublicKey{}, fmt.Errorf("want one line: key id, blank, base64")
	}
	if err := ValidName(id); err != nil {
		return PINPublicKey{}, fmt.Errorf("key id: %w", err)
	}
	raw, err := base64.StdEncoding.DecodeString(enc)
	if err != nil {
		return PINPublicKey{}, fmt.Errorf("base64: %w", err)
	}
	key, err := pinKEM().NewPublicKey(raw)
	if err != nil {
		return PINPublicKey{}, fmt.Errorf("not a point of P-256: %w", err)
	}
	return PINPublicKey{ID: KeyID(id), key: key}, nil
}

// PINSealer seals PINs under one HPKE context. It is safe for concurrent use;
// a gateway makes a new one every epoch.
type PINSealer struct {
	id     KeyID
	enc    []byte
	mu     sync.Mutex // hpke does not promise that Export is safe for concurrent use
	sender *hpke.Sender
}

// NewPINSealer runs HPKE towards the PIN key.
func NewPINSealer(k PINPublicKey) (*PINSealer, error) {
	enc, s, err := hpke.NewSender(k.key, hpke.HKDFSHA256(), hpke.AES256GCM(), pinInfo(k.ID))
	if err != nil {
		return nil, fmt.Errorf("PIN key: %w", err)
	}
	return &PINSealer{id: k.ID, enc: enc, sender: s}, nil
}

// Seal seals 4 to 6 ASCII digits. One TxID and position must be sealed once:
// the key is theirs alone. The caller wipes pin.
func (s *PINSealer) Seal(pin secret.Value, msisdn string, id TxID, pos PINPosition) (Capsule, error) {
	field, err := pinField(pin)
	if err != nil {
		return nil, err
	}
	defer clear(field)
	ctx := pinContext(msisdn, id, pos)
	s.mu.Lock()
	k, err := s.sender.Export(ctx, keyLen)
	s.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("PIN key: %w", err)
	}
	key := secret.New(k)
	defer key.Wipe()
	c := make([]byte, 0, capsuleLen)
	c = appendName(c, string(s.id))
	c = append(c, s.enc...)
	return seal(key, c, field, []byte(ctx)), nil
}

// pinField is the plain text PIN field of ISO 9564-1 format 4: control 4,
// length, digits, fill A to 16 nibbles, then 8 random bytes.
func pinField(pin secret.Value) ([]byte, error) {
	d := pin.Reveal()
	if len(d) < MinPIN || len(d) > MaxPIN {
		return nil, fmt.Errorf("a PIN of %d digits, want %d to %d", len(d), MinPIN, MaxPIN)
	}
	f := bytes.Repeat([]byte{0xAA}, pinFieldLen)
	f[0] = 0x40 | byte(len(d))
	for i, c := range d {
		if c < '0' || c > '9' {
			clear(f)
			return nil, fmt.Errorf("a PIN holds digits only")
		}
		if i%2 == 0 {
			f[1+i/2] = (c-'0')<<4 | 0x0A
		} else {
			f[1+i/2] = f[1+i/2]&0xF0 | (c - '0')
		}
	}
	rand.Read(f[8:])
	return f, nil
}

func parsePINField(f []byte) (secret.Value, error) {
	n := int(f[0] & 0x0F)
	if f[0]>>4 != 4 || n < MinPIN || n > MaxPIN {
		return secret.Value{}, malformed("not an ISO 9564 format 4 PIN field")
	}
	pin := make([]byte, n)
	bad := false
	for i := range 14 {
		nibble := f[1+i/2] >> (4 * (1 - i%2)) & 0x0F
		switch {
		case i < n && nibble <= 9:
			pin[i] = '0' + nibble
		case i >= n && nibble == 0x0A:
		default:
			bad = true
		}
	}
	if bad {
		clear(pin)
		return secret.Value{}, malformed("not an ISO 9564 format 4 PIN field")
	}
	return secret.New(pin), nil
}

// PINKey is the bank's private PIN key. It is safe for concurrent use.
type PINKey struct {
	ID  KeyID
	key hpke.PrivateKey

	mu       sync.Mutex
	contexts map[[p256PointLen]byte]*hpke.Recipient
}

// maxPINContexts bounds the contexts kept: a gateway makes one an epoch, and a
// context that was dropped costs one key agreement more.
const maxPINContexts = 64

// NewPINKey draws a PIN key.
func NewPINKey(id KeyID) (*PINKey, error) {
	if err := ValidName(string(id)); err != nil {
		return nil, fmt.Errorf("key id: %w", err)
	}
	k, err := pinKEM().GenerateKey()
	if err != nil {
		return nil, err
	}
	return newPINKey(id, k), nil
}

func newPINKey(id KeyID, k hpke.PrivateKey) *PINKey {
	return &PINKey{ID: id, key: k, contexts: make(map[[p256PointLen]byte]*hpke.Recipient)}
}

// ParsePINKey reads what Format writes.
func ParsePINKey(text secret.Value) (*PINKey, error) {
	id, enc, ok := strings.Cut(strings.TrimSpace(string(text.Reveal())), " ")
	if !ok {
		return nil, fmt.Errorf("want one line: key id, blank, hexadecimal private key")
	}
	if err := ValidName(id); err != nil {
		return nil, fmt.Errorf("key id: %w", err)
	}
	raw, err := hex.DecodeString(enc)
	if err != nil {
		return nil, fmt.Errorf("private key: not hexadecimal")
	}
	defer clear(raw)
	k, err := pinKEM().NewPrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("private key: not one of P-256")
	}
	return newPINKey(KeyID(id), k), nil
}

// Format is the content of the private key's file.
func (k *PINKey) Format() (secret.Value, error) {
	raw, err := k.key.Bytes()
	if err != nil {
		return secret.Value{}, err
	}
	defer clear(raw)
	return secret.New(fmt.Appendf(nil, "%s %x\n", k.ID, raw)), nil
}

// Public is the half for gateways.
func (k *PINKey) Public() PINPublicKey { return PINPublicKey{ID: k.ID, key: k.key.PublicKey()} }

// Open returns the PIN's ASCII digits, which the caller wipes. It fails with
// BadSeal unless the capsule was made for this number, transaction and position.
func (k *PINKey) Open(c Capsule, msisdn string, id TxID, pos PINPosition) (secret.Value, error) {
	if len(c) != capsuleLen {
		return secret.Value{}, malformed("a PIN capsule of %d bytes, want %d", len(c), capsuleLen)
	}
	name, err := parseName(c[:8])
	if err != nil || KeyID(name) != k.ID {
		return secret.Value{}, refuse(BadSeal, "the PIN is sealed under key %q, this is %q", name, k.ID)
	}
	ctx := pinContext(msisdn, id, pos)
	raw, err := k.export([p256PointLen]byte(c[8:8+p256PointLen]), ctx)
	if err != nil {
		return secret.Value{}, refuse(BadSeal, "PIN capsule: %v", err)
	}
	key := secret.New(raw)
	defer key.Wipe()
	field, err := open(key, c[8+p256PointLen:], []byte(ctx))
	if err != nil {
		return secret.Value{}, err
	}
	defer clear(field)
	return parsePINField(field)
}

func (k *PINKey) export(enc [p256PointLen]byte, ctx string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, ok := k.contexts[enc]
	if !ok {
		var err error
		r, err = hpke.NewRecipient(enc[:], k.key, hpke.HKDFSHA256(), hpke.AES256GCM(), pinInfo(k.ID))
		if err != nil {
			return nil, err
		}
		if len(k.contexts) >= maxPINContexts {
			for old := range k.contexts { // any one: see maxPINContexts
				delete(k.contexts, old)
				break
			}
		}
		k.contexts[enc] = r
	}
	return r.Export(ctx, keyLen)
}
