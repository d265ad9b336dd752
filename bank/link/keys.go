package link

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"starhash/configs/secret"
)

const (
	keyLen = 32 // AES-256 and HKDF-SHA256 keys, bytes
	tagLen = 16 // AES-GCM tag, bytes
)

// NewKey draws 32 random bytes: a static key, or any other symmetric key of the
// system.
func NewKey() secret.Value {
	b := make([]byte, keyLen)
	rand.Read(b) // never fails: crypto/rand aborts the process instead
	return secret.New(b)
}

// ParseKey reads a key file's content: 64 hexadecimal digits.
func ParseKey(text secret.Value) (secret.Value, error) {
	b := make([]byte, keyLen)
	t := strings.TrimSpace(string(text.Reveal()))
	if n, err := hex.Decode(b, []byte(t)); len(t) != 2*keyLen || err != nil || n != keyLen {
		clear(b)
		return secret.Value{}, fmt.Errorf("want %d hexadecimal digits", 2*keyLen)
	}
	return secret.New(b), nil
}

// ReadKey reads a key file. The error names the file, never its content.
func ReadKey(path string) (secret.Value, error) {
	text, err := secret.ReadFile(path)
	if err != nil {
		return secret.Value{}, err
	}
	defer text.Wipe()
	k, err := ParseKey(text)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// FormatKey is the content of a key file, for ParseKey.
func FormatKey(k secret.Value) secret.Value {
	return secret.New(append(hex.AppendEncode(nil, k.Reveal()), '\n'))
}

// CheckValue identifies a key to people who compare both sides' copies without
// showing them: the first 3 bytes of an HMAC-like derivation, in hexadecimal.
func CheckValue(k secret.Value) string {
	return strings.ToUpper(hex.EncodeToString(derive(k, nil, "starhash/1 check value").Reveal()[:3]))
}

// derive is HKDF-SHA256 (RFC 5869), extract and expand, 32 bytes out.
func derive(ikm secret.Value, salt []byte, info string) secret.Value {
	k, err := hkdf.Key(sha256.New, ikm.Reveal(), salt, info, keyLen)
	if err != nil {
		// Only an output length above 255 hashes, or a short key under
		// FIPS-only mode, gets here: both are constants of this package.
		panic("link: " + err.Error())
	}
	return secret.New(k)
}

func gcm(key secret.Value) cipher.AEAD {
	block, err := aes.NewCipher(key.Reveal())
	if err != nil {
		panic("link: " + err.Error()) // a key that is not 32 bytes is a bug here
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		panic("link: " + err.Error())
	}
	return a
}

// zeroNonce is right because every key that seal and open get encrypts exactly
// one message; a nonce would say nothing new. What a key must be derived from,
// so that this is true even when a message comes twice, is said at each key.
var zeroNonce [12]byte

// seal appends AES-256-GCM of plain to dst.
func seal(key secret.Value, dst, plain, ad []byte) []byte {
	return gcm(key).Seal(dst, zeroNonce[:], plain, ad)
}

func open(key secret.Value, sealed, ad []byte) ([]byte, error) {
	plain, err := gcm(key).Open(nil, zeroNonce[:], sealed, ad)
	if err != nil {
		return nil, refuse(BadSeal, "does not open")
	}
	return plain, nil
}

// sealOnce and openOnce are seal and open for a key that nobody needs again.
func sealOnce(key secret.Value, dst, plain, ad []byte) []byte {
	defer key.Wipe()
	return seal(key, dst, plain, ad)
}

func openOnce(key secret.Value, sealed, ad []byte) ([]byte, error) {
	defer key.Wipe()
	return open(key, sealed, ad)
}

// answerKey seals one answer to one request. The same request may be answered
// twice, and differently (a repeated Open, an error that was Busy before), so
// the beginning of the answer goes in too: it holds what tells answers apart,
// the bank's random bytes or the error code. request comes first and head has
// one length for each label, so that the two cannot run into each other.
func answerKey(ikm secret.Value, label string, request, head []byte) secret.Value {
	h := sha256.New()
	h.Write(request)
	h.Write(head)
	return derive(ikm, h.Sum(nil), label)
}

// The labels of the answers.
const (
	labelEpochReply = "starhash/1 epoch reply" // under SK
	labelJoined     = "starhash/1 joined"      // under ES
	labelOpened     = "starhash/1 opened"      // under ES
	labelError      = "starhash/1 error"       // under SK
)

// initialKey protects the initial authentication information of one serial. h
// names the epoch as well as the serial, so that a gateway that opens a serial
// again in another epoch does not use a key twice.
func initialKey(sk secret.Value, h Header) secret.Value {
	return derive(sk, h.append(nil), "starhash/1 initial")
}

// DynamicKeys are the two keys of one opened serial. They seal one request and
// one reply.
type DynamicKeys struct {
	Header  Header // of the opening's messages: operator, static key id, epoch, serial
	request secret.Value
	reply   secret.Value
}

func dynamicKeys(es secret.Value, h Header, id Identity) *DynamicKeys {
	sum := sha256.Sum256(appendStr(appendStr(nil, id.IMSI), id.MSISDN))
	ctx := string(h.Serial[:]) + string(sum[:])
	return &DynamicKeys{
		Header:  h,
		request: derive(es, nil, "starhash/1 dynamic request"+ctx),
		reply:   derive(es, nil, "starhash/1 dynamic reply"+ctx),
	}
}

// Wipe destroys the keys.
func (k *DynamicKeys) Wipe() { k.request.Wipe(); k.reply.Wipe() }

// dynamicKeysLen is the size of marshalled DynamicKeys, in bytes.
const dynamicKeysLen = headerLen + 2*keyLen

// Marshal is how pending keys go into a session store; the caller wraps them.
func (k *DynamicKeys) Marshal() secret.Value {
	b := k.Header.append(make([]byte, 0, dynamicKeysLen))
	b = append(b, k.request.Reveal()...)
	return secret.New(append(b, k.reply.Reveal()...))
}

// UnmarshalDynamicKeys is the reverse of Marshal.
func UnmarshalDynamicKeys(v secret.Value) (*DynamicKeys, error) {
	b := v.Reveal()
	if len(b) != dynamicKeysLen {
		return nil, malformed("dynamic keys of %d bytes", len(b))
	}
	h, err := ParseHeader(b)
	if err != nil {
		return nil, err
	}
	return &DynamicKeys{
		Header:  h,
		request: secret.Copy(b[headerLen : headerLen+keyLen]),
		reply:   secret.Copy(b[headerLen+keyLen:]),
	}, nil
}
