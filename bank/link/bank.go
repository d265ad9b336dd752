package link

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"starhash/configs/secret"
)

// BankConfig is what the bank's end needs.
type BankConfig struct {
	// StaticKeys finds an operator's static key. Two ids may be valid during a
	// rotation.
	StaticKeys func(Operator, KeyID) (secret.Value, bool)
	// KeyLife is how long a serial can be used after it was opened. Default 10 minutes.
	KeyLife time.Duration
	// MaxOpen bounds the serials open at once; beyond it Open answers Busy.
	// Default 1,048,576, about 300 bytes each.
	MaxOpen int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Bank is the bank's end of the link. Epoch secrets and dynamic keys live in
// its memory only: a restart loses them, gateways are told UnknownEpoch or
// UnknownSerial and open again, and a theft of the disk opens nothing. It is
// safe for concurrent use.
type Bank struct {
	cfg BankConfig

	mu     sync.Mutex
	epochs epochTable
	serial map[serialKey]*bankSerial
	oldest []serialKey // in order of opening, which is the order of expiry
}

type serialKey struct {
	op     Operator
	serial Serial
}

type bankSerial struct {
	keys     *DynamicKeys
	identity Identity
	expires  time.Time
}

// NewBank makes the bank's end.
func NewBank(cfg BankConfig) *Bank {
	if cfg.KeyLife == 0 {
		cfg.KeyLife = 10 * time.Minute
	}
	if cfg.MaxOpen == 0 {
		cfg.MaxOpen = 1 << 20
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Bank{cfg: cfg, epochs: newEpochTable(), serial: make(map[serialKey]*bankSerial)}
}

// staticKey finds the static key that a header names. One that is not a key is
// none: HKDF would take an empty one, and so would everybody else's.
func (b *Bank) staticKey(h Header) (secret.Value, bool) {
	sk, ok := b.cfg.StaticKeys(h.Operator, h.KeyID)
	if !ok || sk.Len() != keyLen {
		return secret.Value{}, false
	}
	return sk, true
}

// header reads a message's header, checks its type and finds the static key.
func (b *Bank) header(t Type, msg []byte) (Header, secret.Value, error) {
	h, err := ParseHeader(msg)
	if err != nil {
		return h, secret.Value{}, err
	}
	sk, ok := b.staticKey(h)
	if !ok {
		return h, secret.Value{}, refuse(UnknownStaticKey, "operator %s, key %s", h.Operator, h.KeyID)
	}
	if h.Type != t {
		return h, sk, malformed("type %d, want %d", h.Type, t)
	}
	return h, sk, nil
}

// sweep forgets what has ended. The caller holds b.mu.
func (b *Bank) sweep(now time.Time) {
	b.epochs.sweep(now)
	for len(b.oldest) > 0 {
		k := b.oldest[0]
		// An expired serial stays for one more life, so that the answer is
		// "expired" rather than "unknown" for as long as a gateway may ask.
		if s := b.serial[k]; s != nil {
			if !now.After(s.expires.Add(b.cfg.KeyLife)) {
				break
			}
			s.keys.Wipe()
			delete(b.serial, k)
		}
		b.oldest = b.oldest[1:]
	}
}

// OpenBatch is an Open message that has been decrypted.
type OpenBatch struct {
	Header Header
	// Entries are in the message's order; one whose Err is set did not decrypt
	// or holds another serial than it claims.
	Entries []Opening
	message []byte
	es      secret.Value
}

// Wipe destroys the batch's secret, for a caller that does not get to Finish.
func (o *OpenBatch) Wipe() { o.es.Wipe() }

// Open decrypts the initial authentication information with the static key. The
// caller stores what it accepts and calls Finish.
func (b *Bank) Open(msg []byte) (*OpenBatch, error) {
	h, sk, err := b.header(TypeOpen, msg)
	if err != nil {
		return nil, err
	}
	if len(msg) < headerLen+2+tagLen {
		return nil, malformed("open of %d bytes", len(msg))
	}
	b.mu.Lock()
	now := b.cfg.Now()
	b.sweep(now)
	e, err := b.epochs.joined(h, now)
	var es secret.Value
	if err == nil {
		es = secret.Copy(e.es.Reveal())
	}
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	batch, err := b.openBatch(h, sk, es, msg)
	if err != nil {
		es.Wipe()
	}
	return batch, err
}

func (b *Bank) openBatch(h Header, sk, es secret.Value, msg []byte) (*OpenBatch, error) {
	body := msg[:len(msg)-tagLen]
	if _, err := openOnce(openKey(es, body), msg[len(body):], body); err != nil {
		return nil, err
	}
	r := &reader{b: body[headerLen:]}
	n := int(r.u16())
	if n == 0 || n > MaxBatch {
		return nil, malformed("%d openings, want 1 to %d", n, MaxBatch)
	}
	if err := b.count(h, sha256.Sum256(msg), n); err != nil {
		return nil, err
	}
	batch := &OpenBatch{Header: h, Entries: make([]Opening, n), message: msg, es: es}
	for i := range batch.Entries {
		var s Serial
		copy(s[:], r.take(16))
		sealed := r.blob()
		if r.err != nil {
			return nil, r.err
		}
		batch.Entries[i] = openInitial(sk, h, s, sealed)
	}
	return batch, r.end()
}

// count takes n serials off an epoch, once for each Open message: whoever
// repeats a recorded one must not use up the epoch, nor make the bank decrypt
// and look up its entries again.
func (b *Bank) count(h Header, hash [32]byte, n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, err := b.epochs.joined(h, b.cfg.Now())
	if err != nil {
		return err
	}
	if _, again := e.opens[hash]; again {
		return refuse(ReplayedSerial, "an Open message came twice")
	}
	if e.left < n {
		return refuse(UnknownEpoch, "used up")
	}
	if len(b.serial)+n > b.cfg.MaxOpen {
		return refuse(Busy, "%d serials open", len(b.serial))
	}
	e.opens[hash] = struct{}{}
	e.left -= n
	return nil
}

func openInitial(sk secret.Value, h Header, s Serial, sealed []byte) Opening {
	h.Serial = s
	plain, err := openOnce(initialKey(sk, h), sealed, h.append(nil))
	if err != nil {
		return Opening{Serial: s, Err: err}
	}
	o, err := decodeOpening(plain)
	switch {
	case err != nil:
	case o.Serial != s:
		err = refuse(Mismatch, "the opening of another serial")
	case !h.Operator.numbered(TxID(s)):
		err = refuse(Mismatch, "serial %s is not of operator %s", s, h.Operator)
	}
	o.Serial, o.Err = s, err
	return o
}

// Finish derives and keeps the dynamic keys of the opened serials and makes the
// Opened message. results are in the order of batch.Entries; an entry with an
// Err is never opened.
func (b *Bank) Finish(batch *OpenBatch, results []OpenResult) ([]byte, error) {
	defer batch.Wipe()
	if len(results) != len(batch.Entries) {
		return nil, malformed("%d results for %d openings", len(results), len(batch.Entries))
	}
	h := batch.Header
	plain := binary.BigEndian.AppendUint16(nil, uint16(len(results)))
	b.mu.Lock()
	expires := b.cfg.Now().Add(b.cfg.KeyLife)
	for i, o := range batch.Entries {
		result := results[i]
		k := serialKey{h.Operator, o.Serial}
		if o.Err != nil {
			result = OpenMalformed
		} else if result == Opened && b.serial[k] != nil {
			result = OpenSerialUsed
		}
		if result == Opened {
			kh := Header{Type: TypeTransact, Operator: h.Operator, KeyID: h.KeyID, Epoch: h.Epoch, Serial: o.Serial}
			b.serial[k] = &bankSerial{keys: dynamicKeys(batch.es, kh, o.Identity), identity: o.Identity, expires: expires}
			b.oldest = append(b.oldest, k)
		}
		plain = append(plain, byte(result))
		plain = binary.BigEndian.AppendUint32(plain, uint32(b.cfg.KeyLife/time.Second))
	}
	b.mu.Unlock()
	h.Type = TypeOpened
	rand.Read(h.Serial[:]) // no serial here: what makes the answer's key its own
	head := h.append(nil)
	return sealOnce(answerKey(batch.es, labelOpened, batch.message, head), head, pad(plain, padTo), head), nil
}

// Exchange is a Transact message that has been decrypted.
type Exchange struct {
	Header  Header
	Hash    [32]byte // SHA-256 of the message; the reply is bound to it
	Request *Request
	Opened  Identity // as it was opened under this serial
	reply   secret.Value
}

// Hash is what a stored reply is looked up by, beside operator and serial: the
// SHA-256 of a Transact message.
func Hash(msg []byte) [32]byte { return sha256.Sum256(msg) }

// Transact decrypts a transaction with the dynamic key of its serial. It does
// not remember that it did: the caller stores the sealed reply by operator,
// serial and hash in the same step as it executes, and looks there first.
func (b *Bank) Transact(msg []byte) (*Exchange, error) {
	h, _, err := b.header(TypeTransact, msg)
	if err != nil {
		return nil, err
	}
	keys, identity, err := b.dynamic(h)
	if err != nil {
		return nil, err
	}
	defer keys.request.Wipe()
	_, q, err := openRequest(keys.request, msg)
	switch {
	case err != nil:
	case !q.Identity.Same(identity):
		err = refuse(Mismatch, "serial %s was opened for another subscriber", h.Serial)
	case !h.Operator.numbered(q.ID) || q.Kind == KindInquire && !h.Operator.numbered(q.Target):
		err = refuse(Mismatch, "transaction %s or %s is not of operator %s", q.ID, q.Target, h.Operator)
	}
	if err != nil {
		keys.reply.Wipe()
		return nil, err
	}
	return &Exchange{Header: h, Hash: sha256.Sum256(msg), Request: q, Opened: identity, reply: keys.reply}, nil
}

// dynamic returns a copy of a serial's keys, because the serial may be forgotten
// and its keys wiped while the transaction is under way.
func (b *Bank) dynamic(h Header) (DynamicKeys, Identity, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.cfg.Now()
	b.sweep(now)
	s := b.serial[serialKey{h.Operator, h.Serial}]
	switch {
	case s == nil:
		return DynamicKeys{}, Identity{}, refuse(UnknownSerial, "%s", h.Serial)
	case now.After(s.expires):
		return DynamicKeys{}, Identity{}, refuse(ExpiredSerial, "%s", h.Serial)
	case h != s.keys.Header:
		return DynamicKeys{}, Identity{}, refuse(BadSeal, "serial %s was opened in another epoch or under another key", h.Serial)
	}
	k := s.keys
	return DynamicKeys{Header: k.Header, request: secret.Copy(k.request.Reveal()), reply: secret.Copy(k.reply.Reveal())}, s.identity, nil
}

// Seal makes the Reply message. Call it once: the reply key seals one message.
func (x *Exchange) Seal(p *Reply) []byte { return sealReply(x.reply, x.Header, x.Hash, p) }

// Forget destroys the dynamic keys of an exchange whose sealed reply is safely
// stored: a recording of it no longer opens with anything that the bank has, and
// its place is free. A repeat is answered from the store; a caller that does not
// look there first must not call Forget.
func (b *Bank) Forget(x *Exchange) {
	x.reply.Wipe()
	b.mu.Lock()
	defer b.mu.Unlock()
	k := serialKey{x.Header.Operator, x.Header.Serial}
	if s := b.serial[k]; s != nil {
		s.keys.Wipe()
		delete(b.serial, k)
	}
}

// Sweep destroys the keys of what has ended. Every message does so too; the
// bank's owner calls it now and then, so that a quiet link keeps no secret
// beyond its life.
func (b *Bank) Sweep() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(b.cfg.Now())
}

// Refuse makes the Error message that answers msg with err, authenticated where
// the bank has the static key that msg names. An err that is no *Error is Busy.
func (b *Bank) Refuse(msg []byte, err error) []byte {
	code := CodeOf(err)
	if code == 0 {
		code = Busy
	}
	var sk secret.Value
	if h, herr := ParseHeader(msg); herr == nil && code != UnknownStaticKey {
		sk, _ = b.staticKey(h)
	}
	return errorMessage(msg, code, sk)
}
