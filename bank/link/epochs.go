package link

import (
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"starhash/configs/secret"
)

// Bounds of the epochs alive at once. Those that were asked for and not joined
// are bounded for each node, the oldest making way: an EpochRequest carries
// nothing fresh of the bank's, so that somebody who recorded some can send them
// again, and must not thereby keep a gateway out. All are bounded for each
// operator, so that one cannot crowd out another; past that it is told Busy.
const (
	maxWaiting = 16
	maxEpochs  = 4096
)

// epochNode is who asks for epochs.
type epochNode struct {
	operator Operator
	node     uint16
}

type bankEpoch struct {
	id      EpochID
	keyID   KeyID
	asker   epochNode
	asked   [32]byte // SHA-256 of the EpochRequest
	reply   []byte   // the EpochReply
	private hpke.PrivateKey
	join    []byte // the Join that was accepted: a repeat gets the same answer
	es      secret.Value
	ends    time.Time
	left    int                   // serials
	opens   map[[32]byte]struct{} // SHA-256 of the Open messages that were counted
}

// epochTable holds the epochs of a Bank, whose lock guards it.
type epochTable struct {
	byID    map[EpochID]*bankEpoch
	asked   map[[32]byte]*bankEpoch    // by the request, joined or not
	waiting map[epochNode][]*bankEpoch // not joined yet, oldest first
	alive   map[Operator]int
	oldest  []*bankEpoch // in order of making, which is the order of ending
}

func newEpochTable() epochTable {
	return epochTable{byID: make(map[EpochID]*bankEpoch), asked: make(map[[32]byte]*bankEpoch),
		waiting: make(map[epochNode][]*bankEpoch), alive: make(map[Operator]int)}
}

func (t *epochTable) add(e *bankEpoch) {
	if w := t.waiting[e.asker]; len(w) >= maxWaiting {
		t.drop(w[0])
	}
	t.byID[e.id], t.asked[e.asked] = e, e
	t.waiting[e.asker] = append(t.waiting[e.asker], e)
	t.oldest = append(t.oldest, e)
	t.alive[e.asker.operator]++
}

// take removes an epoch's private key: it is used once, whatever comes of it.
func (t *epochTable) take(e *bankEpoch) hpke.PrivateKey {
	private := e.private
	e.private = nil
	w := slices.DeleteFunc(t.waiting[e.asker], func(o *bankEpoch) bool { return o == e })
	if t.waiting[e.asker] = w; len(w) == 0 {
		delete(t.waiting, e.asker)
	}
	return private
}

func (t *epochTable) drop(e *bankEpoch) {
	if t.byID[e.id] != e {
		return
	}
	t.take(e)
	e.es.Wipe()
	delete(t.byID, e.id)
	delete(t.asked, e.asked)
	if t.alive[e.asker.operator]--; t.alive[e.asker.operator] == 0 {
		delete(t.alive, e.asker.operator)
	}
}

func (t *epochTable) sweep(now time.Time) {
	for len(t.oldest) > 0 && now.After(t.oldest[0].ends) {
		t.drop(t.oldest[0])
		t.oldest[0] = nil
		t.oldest = t.oldest[1:]
	}
}

// find returns the epoch that a header names, if it is that operator's and key's.
func (t *epochTable) find(h Header, now time.Time) (*bankEpoch, error) {
	e := t.byID[h.Epoch]
	if e == nil || now.After(e.ends) || e.asker.operator != h.Operator || e.keyID != h.KeyID {
		return nil, refuse(UnknownEpoch, "%x", h.Epoch)
	}
	return e, nil
}

func (t *epochTable) joined(h Header, now time.Time) (*bankEpoch, error) {
	e, err := t.find(h, now)
	if err == nil && e.join == nil {
		return nil, refuse(UnknownEpoch, "not joined")
	}
	return e, err
}

// Node reads which node asks for an epoch, so that the bank can look up its
// largest boot number.
func (b *Bank) Node(msg []byte) (Operator, uint16, error) {
	_, h, node, err := b.hello(msg)
	return h.Operator, node, err
}

// hello opens an EpochRequest.
func (b *Bank) hello(msg []byte) (sk secret.Value, h Header, node uint16, err error) {
	if h, sk, err = b.header(TypeEpochRequest, msg); err != nil {
		return sk, h, 0, err
	}
	if len(msg) != epochRequestLen {
		return sk, h, 0, malformed("epoch request of %d bytes, want %d", len(msg), epochRequestLen)
	}
	ad := msg[:headerLen+epochNonceLen]
	plain, err := openOnce(derive(sk, ad[headerLen:], "starhash/1 epoch request"), msg[len(ad):], ad)
	if err != nil {
		return sk, h, 0, err
	}
	return sk, h, binary.BigEndian.Uint16(plain), nil
}

// Epoch answers an EpochRequest with a fresh key pair's public half; the same
// request again, while that epoch lives, with the same bytes. lastBoot is the
// largest boot number that the bank has stored for the node, 0 if none.
func (b *Bank) Epoch(msg []byte, lastBoot uint32) ([]byte, error) {
	sk, h, node, err := b.hello(msg)
	if err != nil {
		return nil, err
	}
	asked := sha256.Sum256(msg)
	if reply, err := b.replied(asked, h.Operator); reply != nil || err != nil {
		return reply, err
	}
	private, err := epochKEM().GenerateKey()
	if err != nil {
		return nil, refuse(Busy, "epoch key: %v", err)
	}
	h.Type = TypeEpochReply
	rand.Read(h.Epoch[:])
	rand.Read(h.Serial[:]) // no serial here: what makes the answer's key its own
	reply := h.append(nil)
	plain := append([]byte(nil), private.PublicKey().Bytes()...)
	plain = binary.BigEndian.AppendUint32(plain, uint32(EpochLife/time.Second))
	plain = binary.BigEndian.AppendUint32(plain, EpochKeys)
	plain = binary.BigEndian.AppendUint32(plain, lastBoot)
	reply = sealOnce(answerKey(sk, labelEpochReply, msg, reply), reply, pad(plain, padTo), reply)

	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.epochs.asked[asked]; e != nil { // the same request came twice at once
		return e.reply, nil
	}
	b.epochs.add(&bankEpoch{id: h.Epoch, keyID: h.KeyID, asker: epochNode{h.Operator, node}, asked: asked, reply: reply,
		private: private, ends: b.cfg.Now().Add(EpochLife), left: EpochKeys, opens: make(map[[32]byte]struct{})})
	return reply, nil
}

// replied is the reply that a live epoch's request got, nil if it is new.
func (b *Bank) replied(asked [32]byte, op Operator) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(b.cfg.Now())
	if e := b.epochs.asked[asked]; e != nil {
		return e.reply, nil
	}
	if n := b.epochs.alive[op]; n >= maxEpochs {
		return nil, refuse(Busy, "%d epochs of operator %s", n, op)
	}
	return nil, nil
}

// Join takes the gateway's encapsulation and derives the epoch secret. It
// destroys the private key whether the Join is good or not, so that a key pair
// answers one guess and no more; after a bad one the epoch is gone.
func (b *Bank) Join(msg []byte) ([]byte, error) {
	h, sk, err := b.header(TypeJoin, msg)
	if err != nil {
		return nil, err
	}
	if len(msg) != headerLen+epochEncLen+tagLen {
		return nil, malformed("join of %d bytes", len(msg))
	}
	e, private, again, err := b.beginJoin(h, msg)
	if again != nil || err != nil {
		return again, err
	}
	es, err := joinSecret(private, sk, e, msg) // the slow step, outside the lock

	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil && b.epochs.byID[h.Epoch] != e {
		err = refuse(UnknownEpoch, "ended while it was joined")
	}
	if err != nil {
		es.Wipe()
		b.epochs.drop(e)
		return nil, err
	}
	e.es, e.join = es, append([]byte(nil), msg...)
	return joined(h, e), nil
}

// beginJoin takes the private key of the epoch that is to be joined; a repeat of
// the Join that was accepted gets its answer at once.
func (b *Bank) beginJoin(h Header, msg []byte) (e *bankEpoch, private hpke.PrivateKey, again []byte, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, err = b.epochs.find(h, b.cfg.Now())
	switch {
	case err != nil:
		return nil, nil, nil, err
	case e.private != nil:
		return e, b.epochs.take(e), nil, nil
	case e.join == nil:
		return nil, nil, nil, refuse(Busy, "the epoch is being joined")
	case string(e.join) != string(msg):
		return nil, nil, nil, refuse(UnknownEpoch, "joined already")
	}
	return e, nil, joined(h, e), nil
}

// joinSecret derives ES and checks that the gateway has it.
func joinSecret(private hpke.PrivateKey, sk secret.Value, e *bankEpoch, msg []byte) (secret.Value, error) {
	ad := msg[:headerLen+epochEncLen]
	r, err := hpke.NewRecipient(ad[headerLen:], private, hpke.HKDFSHA256(), hpke.AES256GCM(), epochInfo(e.asked, sha256.Sum256(e.reply)))
	if err != nil {
		return secret.Value{}, refuse(BadSeal, "encapsulation: %v", err)
	}
	x, err := r.Export(exportLabel, keyLen)
	if err != nil {
		return secret.Value{}, refuse(BadSeal, "encapsulation: %v", err)
	}
	export := secret.New(x)
	defer export.Wipe()
	es := epochSecret(export, sk, e.asked, sha256.Sum256(e.reply), sha256.Sum256(ad))
	_, err = openOnce(derive(es, nil, "starhash/1 join"), msg[len(ad):], ad)
	return es, err
}

func joined(h Header, e *bankEpoch) []byte {
	h.Type = TypeJoined
	head := h.append(nil)
	return sealOnce(answerKey(e.es, labelJoined, e.join, head), head, nil, head)
}
