package link

import (
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"starhash/configs/secret"
)

// An epoch ends after EpochLife or EpochKeys serials, whichever comes first.
const (
	EpochLife = 60 * time.Second
	EpochKeys = 65536
)

const (
	epochNonceLen  = 32
	epochPublicLen = 1216 // MLKEM768-X25519 encapsulation key, bytes
	epochEncLen    = 1120 // and its encapsulated secret

	epochRequestLen = headerLen + epochNonceLen + 2 + tagLen
)

func epochKEM() hpke.KEM { return hpke.MLKEM768X25519() }

// epochInfo is HPKE's info, made of the SHA-256 of the messages: both ends must
// have seen the same request and reply.
func epochInfo(request, reply [32]byte) []byte {
	return append(append([]byte("starhash/1 epoch"), request[:]...), reply[:]...)
}

// epochSecret mixes the static key into what HPKE exports, because HPKE base
// mode authenticates nobody: without SK, a man in the middle who ran HPKE
// himself still does not know ES. The transcript is the SHA-256 of each message,
// so that no two transcripts run together to the same bytes; join is what comes
// before its tag.
func epochSecret(export, sk secret.Value, request, reply, join [32]byte) secret.Value {
	return derive(export, sk.Reveal(), "starhash/1 epoch secret"+string(request[:])+string(reply[:])+string(join[:]))
}

const exportLabel = "starhash/1 epoch export"

// Gateway is the gateway's end of the link towards one bank.
type Gateway struct {
	Operator  Operator
	KeyID     KeyID
	StaticKey secret.Value
	Node      uint16
}

func (g *Gateway) header(t Type) Header { return Header{Type: t, Operator: g.Operator, KeyID: g.KeyID} }

// expect checks that an answer is of type t and returns its header and body; an
// Error message comes back as *Error.
func (g *Gateway) expect(t Type, request, answer []byte) (Header, []byte, error) {
	if err := checkError(request, answer, g.StaticKey); err != nil {
		return Header{}, nil, err
	}
	h, err := ParseHeader(answer)
	if err != nil {
		return Header{}, nil, err
	}
	if h.Type != t || h.Operator != g.Operator || h.KeyID != g.KeyID {
		return Header{}, nil, malformed("answer of type %d for %s/%s, want type %d for %s/%s", h.Type, h.Operator, h.KeyID, t, g.Operator, g.KeyID)
	}
	return h, answer[headerLen:], nil
}

// Hello is an epoch that the gateway has asked for.
type Hello struct {
	g       *Gateway
	Message []byte // EpochRequest, to be sent
	join    []byte
	header  Header
	es      secret.Value
	life    time.Duration
	keys    uint32
	boot    uint32
}

// Hello begins an epoch.
func (g *Gateway) Hello() *Hello {
	h := g.header(TypeEpochRequest)
	nonce := make([]byte, epochNonceLen)
	rand.Read(nonce)
	msg := append(h.append(nil), nonce...)
	msg = sealOnce(derive(g.StaticKey, nonce, "starhash/1 epoch request"), msg, binary.BigEndian.AppendUint16(nil, g.Node), msg)
	return &Hello{g: g, Message: msg}
}

// Join reads the bank's EpochReply and returns the Join message to be sent.
func (e *Hello) Join(reply []byte) ([]byte, error) {
	h, body, err := e.g.expect(TypeEpochReply, e.Message, reply)
	if err != nil {
		return nil, err
	}
	head := reply[:headerLen]
	plain, err := openOnce(answerKey(e.g.StaticKey, labelEpochReply, e.Message, head), body, head)
	if err != nil {
		return nil, err
	}
	r := &reader{b: plain}
	pub := r.take(epochPublicLen)
	e.life = time.Duration(r.u32()) * time.Second
	e.keys = r.u32()
	e.boot = r.u32()
	if err := r.end(); err != nil {
		return nil, err
	}
	pk, err := epochKEM().NewPublicKey(pub)
	if err != nil {
		return nil, malformed("epoch key: %v", err)
	}
	asked, replied := sha256.Sum256(e.Message), sha256.Sum256(reply)
	enc, sender, err := hpke.NewSender(pk, hpke.HKDFSHA256(), hpke.AES256GCM(), epochInfo(asked, replied))
	if err != nil {
		return nil, malformed("epoch key: %v", err)
	}
	export, err := sender.Export(exportLabel, keyLen)
	if err != nil {
		return nil, malformed("epoch key: %v", err)
	}
	h.Type, h.Serial = TypeJoin, Serial{}
	msg := append(h.append(nil), enc...)
	x := secret.New(export)
	defer x.Wipe()
	e.es = epochSecret(x, e.g.StaticKey, asked, replied, sha256.Sum256(msg))
	e.header = h
	e.join = sealOnce(derive(e.es, nil, "starhash/1 join"), msg, nil, msg)
	return e.join, nil
}

// Finish reads the bank's Joined; from then on serials can be opened.
func (e *Hello) Finish(joined []byte) (*Epoch, error) {
	h, body, err := e.g.expect(TypeJoined, e.join, joined)
	if err != nil {
		return nil, err
	}
	if h.Epoch != e.header.Epoch {
		return nil, malformed("joined another epoch")
	}
	head := joined[:headerLen]
	if _, err := openOnce(answerKey(e.es, labelJoined, e.join, head), body, head); err != nil {
		return nil, err
	}
	return &Epoch{g: e.g, ID: h.Epoch, Life: e.life, Keys: e.keys, LastBoot: e.boot, es: e.es}, nil
}

// Epoch is a joined epoch at the gateway.
type Epoch struct {
	g  *Gateway
	ID EpochID
	// Life and Keys bound the epoch: after Life, or when Keys serials have been
	// opened, the bank refuses more.
	Life time.Duration
	Keys uint32
	// LastBoot is the largest boot number that the bank has seen of this node,
	// for a gateway whose store was lost.
	LastBoot uint32
	es       secret.Value
}

// Wipe destroys the epoch secret.
func (e *Epoch) Wipe() { e.es.Wipe() }

// MaxBatch is the largest number of openings in one Open message.
const MaxBatch = 1024

// Batch is a set of openings under way.
type Batch struct {
	e        *Epoch
	Openings []Opening
	Message  []byte // Open, to be sent
}

// Open encrypts the initial authentication information of 1 to MaxBatch serials
// under the static key. A serial goes into one Open of an epoch; one whose
// answer was lost is given up, and a new one opened.
func (e *Epoch) Open(openings []Opening) (*Batch, error) {
	if len(openings) == 0 || len(openings) > MaxBatch {
		return nil, malformed("%d openings, want 1 to %d", len(openings), MaxBatch)
	}
	h := e.g.header(TypeOpen)
	h.Epoch = e.ID
	msg := h.append(nil)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(openings)))
	for _, o := range openings {
		h.Serial = o.Serial
		msg = append(msg, o.Serial[:]...)
		msg = appendBlob(msg, sealOnce(initialKey(e.g.StaticKey, h), nil, o.encode(), h.append(nil)))
	}
	msg = sealOnce(openKey(e.es, msg), msg, nil, msg)
	return &Batch{e: e, Openings: openings, Message: msg}, nil
}

// openKey is of one batch: it seals nothing but the body that it is made of.
func openKey(es secret.Value, body []byte) secret.Value {
	sum := sha256.Sum256(body)
	return derive(es, sum[:], "starhash/1 open")
}

// OpenedSerial is the bank's answer to one opening, with the dynamic keys if it
// was opened.
type OpenedSerial struct {
	Opening Opening
	Result  OpenResult
	Life    time.Duration // of the opening, from when the bank answered
	Keys    *DynamicKeys  // nil unless Result is Opened
}

// Finish reads the bank's Opened.
func (b *Batch) Finish(opened []byte) ([]OpenedSerial, error) {
	h, body, err := b.e.g.expect(TypeOpened, b.Message, opened)
	if err != nil {
		return nil, err
	}
	if h.Epoch != b.e.ID {
		return nil, malformed("opened in another epoch")
	}
	head := opened[:headerLen]
	plain, err := openOnce(answerKey(b.e.es, labelOpened, b.Message, head), body, head)
	if err != nil {
		return nil, err
	}
	r := &reader{b: plain}
	if n := int(r.u16()); n != len(b.Openings) {
		return nil, malformed("%d results for %d openings", n, len(b.Openings))
	}
	out := make([]OpenedSerial, len(b.Openings))
	for i, o := range b.Openings {
		out[i] = OpenedSerial{Opening: o, Result: OpenResult(r.u8()), Life: time.Duration(r.u32()) * time.Second}
		if out[i].Result == Opened {
			kh := Header{Type: TypeTransact, Operator: h.Operator, KeyID: h.KeyID, Epoch: h.Epoch, Serial: o.Serial}
			out[i].Keys = dynamicKeys(b.e.es, kh, o.Identity)
		}
	}
	return out, r.end()
}
