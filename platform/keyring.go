package platform

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"starhash/configs/secret"
)

// A Keyring holds the two keys that only gateways have: the key-encryption key
// (KEK) that wraps everything confidential in Redis, and the digest key under
// which repeated messages are recognised. Both are hash ratchets: the key of a
// period is HKDF of the one before, the file keeps only the oldest that is
// still needed, so a file stolen today opens nothing older than Retention.
//
// Several gateways share one key file's content; each ratchets its own copy.
// It is safe for concurrent use.
type Keyring struct {
	path string
	now  func() time.Time

	// book wraps number books, which live as long as their subscribers. It is
	// never destroyed, and wraps nothing else.
	book secret.Value

	mu     sync.Mutex
	kek    ratchet
	digest ratchet
}

const (
	kekPeriod    = time.Hour
	digestPeriod = 24 * time.Hour
	// Retention is how far back a wrapped value can still be opened, and the
	// longest time for which a repeated message is recognised.
	Retention = 48 * time.Hour
)

// ratchet is a chain of keys, one a period of time.
type ratchet struct {
	label  string
	period time.Duration
	oldest uint32 // periods since 1970
	keys   []secret.Value
}

func (r *ratchet) periodOf(t time.Time) uint32 { return uint32(t.Unix() / int64(r.period/time.Second)) }

// at returns the key of period p, deriving forward as needed.
func (r *ratchet) at(p uint32) (secret.Value, error) {
	if p < r.oldest {
		return secret.Value{}, fmt.Errorf("the %s key of that time is destroyed", r.label)
	}
	if n := p - r.oldest; n > 24*366*50 {
		return secret.Value{}, fmt.Errorf("the %s key is asked for a time %d periods ahead", r.label, n)
	}
	for uint32(len(r.keys)) <= p-r.oldest {
		r.keys = append(r.keys, ratchetStep(r.label, r.keys[len(r.keys)-1]))
	}
	return r.keys[p-r.oldest], nil
}

func ratchetStep(label string, k secret.Value) secret.Value {
	next, err := hkdf.Key(sha256.New, k.Reveal(), nil, "starhash "+label+" next", 32)
	if err != nil {
		panic("platform: " + err.Error()) // 32 bytes of HKDF-SHA256 cannot fail
	}
	return secret.New(next)
}

// forget destroys the keys of periods before p, and says whether it did.
func (r *ratchet) forget(p uint32) bool {
	if p <= r.oldest {
		return false
	}
	if _, err := r.at(p); err != nil {
		return false
	}
	n := p - r.oldest
	for _, k := range r.keys[:n] {
		k.Wipe()
	}
	r.keys, r.oldest = append([]secret.Value(nil), r.keys[n:]...), p
	return true
}

// NewKeyring draws fresh keys whose first period is that of now.
func NewKeyring(now time.Time) *Keyring {
	k := &Keyring{now: time.Now}
	k.kek = ratchet{label: "kek", period: kekPeriod}
	k.digest = ratchet{label: "digest", period: digestPeriod}
	for _, r := range []*ratchet{&k.kek, &k.digest} {
		b := make([]byte, 32)
		rand.Read(b)
		r.oldest, r.keys = r.periodOf(now), []secret.Value{secret.New(b)}
	}
	b := make([]byte, 32)
	rand.Read(b)
	k.book = secret.New(b)
	return k
}

// OpenKeyring reads a key file, as Write leaves it.
func OpenKeyring(path string) (*Keyring, error) {
	text, err := secret.ReadFile(path)
	if err != nil {
		return nil, err
	}
	defer text.Wipe()
	k := &Keyring{path: path, now: time.Now}
	for line := range bytes.Lines(text.Reveal()) {
		f := strings.Fields(string(line))
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		if len(f) != 3 {
			return nil, fmt.Errorf("%s: want lines of label, period and 64 hexadecimal digits", path)
		}
		period, err := strconv.ParseUint(f[1], 10, 32)
		raw, herr := hex.DecodeString(f[2])
		if err != nil || herr != nil || len(raw) != 32 {
			return nil, fmt.Errorf("%s: the %s line is damaged", path, f[0])
		}
		r := ratchet{label: f[0], oldest: uint32(period), keys: []secret.Value{secret.New(raw)}}
		switch f[0] {
		case "kek":
			r.period = kekPeriod
			k.kek = r
		case "digest":
			r.period = digestPeriod
			k.digest = r
		case "book":
			k.book = r.keys[0]
		default:
			return nil, fmt.Errorf("%s: unknown label %q", path, f[0])
		}
	}
	if k.kek.keys == nil || k.digest.keys == nil || k.book.Empty() {
		return nil, fmt.Errorf("%s: want a kek line, a digest line and a book line; make the file with: starhash keys kek", path)
	}
	return k, nil
}

// Write puts the oldest keys into a file that only the owner can read. It
// replaces the file in one step.
func (k *Keyring) Write(path string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.write(path)
}

func (k *Keyring) write(path string) error {
	var b bytes.Buffer
	b.WriteString("# Key-encryption key of Starhash gateways. Secret. Rewritten as old keys are destroyed.\n")
	for _, r := range []*ratchet{&k.kek, &k.digest} {
		fmt.Fprintf(&b, "%s %d %x\n", r.label, r.oldest, r.keys[0].Reveal())
	}
	fmt.Fprintf(&b, "book 0 %x\n", k.book.Reveal())
	defer clear(b.Bytes())
	tmp, err := os.CreateTemp(filepath.Dir(path), ".kek-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(b.Bytes())
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	k.path = path
	return err
}

// Advance destroys the keys that are older than Retention, in memory and, where
// the keyring came from a file, in the file. The gateway calls it on a timer; an
// error means that the file could not be rewritten.
func (k *Keyring) Advance() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.now().Add(-Retention)
	a := k.kek.forget(k.kek.periodOf(t))
	b := k.digest.forget(k.digest.periodOf(t))
	if (a || b) && k.path != "" {
		return k.write(k.path)
	}
	return nil
}

// Wrap encrypts under the KEK of this hour: period (4) ‖ nonce (12) ‖
// AES-256-GCM. ad names the place in Redis that the value is for; it opens
// nowhere else.
func (k *Keyring) Wrap(plain []byte, ad string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.kek.periodOf(k.now())
	aead, err := k.aead(p)
	if err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint32(make([]byte, 0, 16+len(plain)+16), p)
	var nonce [12]byte
	rand.Read(nonce[:])
	out = append(out, nonce[:]...)
	return aead.Seal(out, nonce[:], plain, []byte(ad)), nil
}

var errUnwrap = errors.New("a stored value does not open: it was altered, moved, or wrapped under another KEK")

// Unwrap opens what Wrap made for the same place. The caller wipes it.
func (k *Keyring) Unwrap(wrapped []byte, ad string) (secret.Value, error) {
	if len(wrapped) < 16+16 {
		return secret.Value{}, errUnwrap
	}
	k.mu.Lock()
	aead, err := k.aead(binary.BigEndian.Uint32(wrapped))
	k.mu.Unlock()
	if err != nil {
		return secret.Value{}, err
	}
	plain, err := aead.Open(nil, wrapped[4:16], wrapped[16:], []byte(ad))
	if err != nil {
		return secret.Value{}, errUnwrap
	}
	return secret.New(plain), nil
}

func (k *Keyring) aead(period uint32) (cipher.AEAD, error) {
	key, err := k.kek.at(period)
	if err != nil {
		return nil, err
	}
	return gcm(key)
}

func gcm(key secret.Value) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key.Reveal())
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// WrapLasting is Wrap for what outlives the KEK's periods: nonce (12) ‖ AES-256-GCM
// under the book key.
func (k *Keyring) WrapLasting(plain []byte, ad string) ([]byte, error) {
	aead, err := gcm(k.book)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, 12, 12+len(plain)+16)
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, plain, []byte(ad)), nil
}

// UnwrapLasting opens what WrapLasting made for the same place. The caller wipes it.
func (k *Keyring) UnwrapLasting(wrapped []byte, ad string) (secret.Value, error) {
	aead, err := gcm(k.book)
	if err != nil {
		return secret.Value{}, err
	}
	if len(wrapped) < 12 {
		return secret.Value{}, errUnwrap
	}
	plain, err := aead.Open(nil, wrapped[:12], wrapped[12:], []byte(ad))
	if err != nil {
		return secret.Value{}, errUnwrap
	}
	return secret.New(plain), nil
}

// Name is a keyed digest that stands for a value for good, where the value itself
// shall not be read: a field of a number book.
func (k *Keyring) Name(parts ...string) string {
	m := hmac.New(sha256.New, k.book.Reveal())
	for _, p := range parts {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		m.Write(n[:])
		m.Write([]byte(p))
	}
	return hex.EncodeToString(m.Sum(nil)[:16])
}

// Digests recognises a text without keeping it: its HMAC-SHA256 under the
// digest keys of today and of yesterday. Keyed, because a text that ends in a
// PIN would otherwise be found by trying ten thousand of them.
func (k *Keyring) Digests(parts ...[]byte) (today, yesterday string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.digest.periodOf(k.now())
	sum := func(p uint32) (string, error) {
		key, err := k.digest.at(p)
		if err != nil {
			return "", err
		}
		m := hmac.New(sha256.New, key.Reveal())
		var n [4]byte
		for _, b := range parts {
			binary.BigEndian.PutUint32(n[:], uint32(len(b)))
			m.Write(n[:])
			m.Write(b)
		}
		return hex.EncodeToString(m.Sum(nil)[:16]), nil
	}
	if today, err = sum(p); err != nil {
		return "", "", err
	}
	if yesterday, err = sum(p - 1); err != nil {
		yesterday = today // the ring was made today
	}
	return today, yesterday, nil
}
