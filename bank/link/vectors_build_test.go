package link

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"starhash/configs/secret"
)

// pattern is what stands for random bytes: n of them, counting up from first.
func pattern(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

var vectorTime = time.Unix(1_767_225_600, 0).UTC() // 2026-01-01

// vectorNumber is the n-th serial or transaction number of the file.
func vectorNumber(op Operator, n byte) [16]byte {
	b := NewNumbers(op, 7, 42).next()
	copy(b[8:], []byte{0, 0, 0, n, 0xE0 + n, n, n, n})
	return b
}

var stranger = Identity{IMSI: "648010000000099", MSISDN: "263771000099", Source: SourceNetwork}

// vectorOpenings are one for each transaction, and one of nobody's.
func vectorOpenings(in vectorInputs) (out []Opening) {
	for i := range vectorTransactions(nil) {
		out = append(out, Opening{Serial: vectorNumber(in.Operator, byte(i+1)), Identity: alice, At: vectorTime})
	}
	return append(out, Opening{Serial: vectorNumber(in.Operator, 0x0F), Identity: stranger, At: vectorTime})
}

func vectorResults() []OpenResult {
	return append(slices.Repeat([]OpenResult{Opened}, len(vectorTransactions(nil))), OpenNotCustomer)
}

type vectorTransaction struct {
	name    string
	request *Request
	reply   *Reply
}

// vectorTransactions are the requests and replies of the file; v has the PIN
// capsules, and may be nil where they do not matter.
func vectorTransactions(v *vectors) []vectorTransaction {
	capsule := func(name string) Capsule {
		if v != nil {
			for _, c := range v.Capsules {
				if c.Name == name {
					return Capsule(c.Capsule)
				}
			}
		}
		return nil
	}
	network := alice
	network.Source = SourceNetwork
	id := func(n byte) TxID { return vectorNumber("op1", n) }
	return []vectorTransaction{
		{"transfer",
			&Request{Identity: network, ID: id(0x11), Kind: KindTransfer, Amount: 12_345, Currency: "USD", Payee: bob.MSISDN,
				PIN: capsule("transfer"), Asked: vectorTime},
			&Reply{Outcome: Done, Amount: 12_345, Fee: 10, Balance: 987_645, Currency: "USD", Payee: bob.MSISDN,
				PayeeName: "T*** M***", PayerName: "Zoë***", At: vectorTime}},
		{"balance",
			&Request{Identity: alice, ID: id(0x12), Kind: KindBalance, PIN: capsule("balance"), Asked: vectorTime},
			&Reply{Outcome: WrongPIN, TriesLeft: 2, At: vectorTime}},
		{"mini-statement",
			&Request{Identity: alice, ID: id(0x13), Kind: KindMini, PIN: capsule("mini-statement"), Asked: vectorTime},
			&Reply{Outcome: Done, Balance: 987_645, Currency: "USD", At: vectorTime, Lines: []Line{
				{At: vectorTime, Amount: -12_355, Kind: KindTransfer, Party: "0002"},
				{At: vectorTime.Add(-time.Hour), Amount: 1_000_000}}}},
		{"PIN change",
			&Request{Identity: alice, ID: id(0x14), Kind: KindPINChange, PIN: capsule("PIN change, current"),
				NewPIN: capsule("PIN change, new"), Asked: vectorTime},
			&Reply{Outcome: Done, At: vectorTime}},
		{"inquiry",
			&Request{Identity: alice, ID: id(0x15), Kind: KindInquire, Target: id(0x1F), Asked: vectorTime},
			&Reply{Outcome: Voided, At: vectorTime}},
		{"airtime",
			&Request{Identity: network, ID: id(0x16), Kind: KindAirtime, Amount: 500, Currency: "USD", Payee: alice.MSISDN,
				Auth: AuthCode, Asked: vectorTime},
			&Reply{Outcome: Done, Amount: 500, Balance: 987_145, Currency: "USD", Payee: alice.MSISDN, PayerName: "Zoë***", At: vectorTime}},
		{"bill",
			&Request{Identity: alice, ID: id(0x17), Kind: KindBill, Amount: 2_000, Currency: "USD", PIN: capsule("bill"),
				Biller: "ZESA", Account: "0412-33 118/7", Asked: vectorTime},
			&Reply{Outcome: Done, Amount: 2_000, Fee: 10, Balance: 985_135, Currency: "USD", PayeeName: "ZESA Holdings", PayerName: "Zoë***",
				At: vectorTime, Account: "0412-33 118/7"}},
		{"lookup",
			&Request{Identity: alice, ID: id(0x18), Kind: KindLookup, Currency: "USD", Payee: bob.MSISDN, Asked: vectorTime},
			&Reply{Outcome: Done, Currency: "USD", Payee: bob.MSISDN, PayeeName: "T*** M***", At: vectorTime}},
		{"PIN change, typed twice",
			&Request{Identity: alice, ID: id(0x19), Kind: KindPINChange, PIN: capsule("PIN change, typed twice, current"),
				NewPIN: capsule("PIN change, typed twice, new"), NewPINAgain: capsule("PIN change, typed twice, again"), Asked: vectorTime},
			&Reply{Outcome: PINsDiffer, At: vectorTime}},
	}
}

func vectorRequest(t *testing.T, v *vectors, message string) *Request {
	for _, x := range vectorTransactions(v) {
		if message == "Transact, "+x.name {
			return x.request
		}
	}
	t.Fatalf("no request for %s", message)
	return nil
}

func vectorReply(t *testing.T, message string) *Reply {
	for _, x := range vectorTransactions(nil) {
		if message == "Reply, "+x.name {
			return x.reply
		}
	}
	t.Fatalf("no reply for %s", message)
	return nil
}

// vectorBuilder makes the file. It writes layouts and labels out by itself, so
// that a change of them in the code shows as a difference.
type vectorBuilder struct {
	t  testing.TB
	v  *vectors
	sk secret.Value
	es secret.Value
}

func buildVectors(t testing.TB) *vectors {
	v := &vectors{About: []string{
		"Test vectors of the sealed link, version 1, suite 1; see sealed-link.md.",
		"Byte strings are hexadecimal. Keys and random numbers are fixed patterns and secret to nobody.",
		"key = HKDF-SHA256(ikm, salt, info), 32 bytes; sealed = AES-256-GCM(key, nonce 0, associated_data, plain), tag last.",
		"failures must be refused by their reader, in the state after Opened, with the code named.",
		"Checked by go test ./bank/link and by check.mjs; made by go test ./bank/link -update.",
	}}
	v.Inputs = vectorInputs{
		Operator: "op1", StaticKeyID: "sk1", StaticKey: pattern(0x00, 32), Node: 7, RequestNonce: pattern(0x20, 32),
		EpochID: pattern(0x40, 8), EpochRandom: pattern(0x50, 16), EpochPrivate: pattern(0x60, 32),
		EncapsulationPQ: pattern(0x80, 32), EncapsulationKey: pattern(0xA0, 32), OpenedRandom: pattern(0xC0, 16),
		LastBoot: 41, OpenedAt: vectorTime.Unix(), KeyLife: 600,
		PINKeyID: "pin1", PINPrivate: pattern(0x11, 32), PINEphemeral: pattern(0x31, 32),
	}
	b := &vectorBuilder{t: t, v: v, sk: secret.Copy(v.Inputs.StaticKey)}
	v.Inputs.CheckValue = CheckValue(b.sk)
	b.epoch()
	b.openings()
	b.capsules()
	b.transactions()
	b.errors()
	b.failures()
	return v
}

// header is the 44 bytes, field by field.
func (b *vectorBuilder) header(typ Type, epoch, serial []byte) []byte {
	h := []byte{1, 1, byte(typ), 0}
	h = append(h, "op1\x00\x00\x00\x00\x00sk1\x00\x00\x00\x00\x00"...)
	h = append(h, append(make([]byte, 8), epoch...)[len(epoch):]...)
	return append(h, append(make([]byte, 16), serial...)[len(serial):]...)
}

// seal encrypts and notes how.
func (b *vectorBuilder) seal(ikm string, salt []byte, info string, ad, plain []byte) vectorSeal {
	from := b.sk
	if ikm == "epoch_secret" {
		from = b.es
	}
	key := derive(from, salt, info)
	return vectorSeal{IKM: ikm, Salt: salt, Info: []byte(info), Key: key.Reveal(), AD: ad, Plain: plain, Sealed: seal(key, nil, plain, ad)}
}

func (b *vectorBuilder) add(m vectorMsg) []byte {
	b.v.Messages = append(b.v.Messages, m)
	return m.Message
}

func sha(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return sum[:]
}

func zeros(b []byte, block int) []byte {
	return append(slices.Clip(b), make([]byte, (block-len(b)%block)%block)...)
}

func u16(n int) []byte    { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func (b *vectorBuilder) epoch() {
	in := &b.v.Inputs
	private := must[hpke.PrivateKey](b.t)(epochKEM().NewPrivateKey(in.EpochPrivate))
	in.EpochPublic = private.PublicKey().Bytes()

	ad := append(b.header(TypeEpochRequest, nil, nil), in.RequestNonce...)
	s := b.seal("static_key", in.RequestNonce, "starhash/1 epoch request", ad, u16(int(in.Node)))
	request := b.add(vectorMsg{Name: "EpochRequest", Type: TypeEpochRequest, Path: PathEpoch,
		Fields: struct {
			Node uint16 `json:"node"`
		}{in.Node}, Seals: []vectorSeal{s}, Message: append(ad, s.Sealed...)})

	head := b.header(TypeEpochReply, in.EpochID, in.EpochRandom)
	plain := slices.Concat(in.EpochPublic, u32(60), u32(65536), u32(in.LastBoot))
	s = b.seal("static_key", sha(request, head), "starhash/1 epoch reply", head, zeros(plain, 512))
	reply := b.add(vectorMsg{Name: "EpochReply", Type: TypeEpochReply, Path: PathEpoch, Answers: "EpochRequest",
		Fields: struct {
			Public hexBytes `json:"epoch_public_key"`
			Life   int      `json:"life_seconds"`
			Keys   int      `json:"keys"`
			Boot   uint32   `json:"last_boot"`
		}{in.EpochPublic, 60, 65536, in.LastBoot}, Seals: []vectorSeal{s}, Message: append(head, s.Sealed...)})

	b.agree(request, reply)
	ad = append(b.header(TypeJoin, in.EpochID, nil), b.v.HPKE.Encapsulation...)
	b.v.HPKE.SecretInfo = slices.Concat([]byte("starhash/1 epoch secret"), sha(request), sha(reply), sha(ad))
	b.es = derive(secret.New(b.v.HPKE.Export), b.sk.Reveal(), string(b.v.HPKE.SecretInfo))
	b.v.HPKE.EpochSecret = b.es.Reveal()

	s = b.seal("epoch_secret", nil, "starhash/1 join", ad, nil)
	join := b.add(vectorMsg{Name: "Join", Type: TypeJoin, Path: PathJoin, Seals: []vectorSeal{s}, Message: append(ad, s.Sealed...)})
	head = b.header(TypeJoined, in.EpochID, nil)
	s = b.seal("epoch_secret", sha(join, head), "starhash/1 joined", head, nil)
	b.add(vectorMsg{Name: "Joined", Type: TypeJoined, Path: PathJoin, Answers: "Join", Seals: []vectorSeal{s}, Message: append(head, s.Sealed...)})
}

// agree does HPKE's KEM by hand, from ML-KEM, X25519 and SHA-3, and checks the
// package's result against it.
func (b *vectorBuilder) agree(request, reply []byte) {
	in, k := &b.v.Inputs, &b.v.HPKE
	expanded := sha3.SumSHAKE256(in.EpochPrivate, 96)
	pq := must[*mlkem.DecapsulationKey768](b.t)(mlkem.NewDecapsulationKey768(expanded[:64]))
	x := must[*ecdh.PrivateKey](b.t)(ecdh.X25519().NewPrivateKey(expanded[64:]))
	ephemeral := must[*ecdh.PrivateKey](b.t)(ecdh.X25519().NewPrivateKey(in.EncapsulationKey))
	if !bytes.Equal(in.EpochPublic, slices.Concat(pq.EncapsulationKey().Bytes(), x.PublicKey().Bytes())) {
		b.t.Fatal("the epoch's public key is another than ML-KEM's and X25519's")
	}

	sharedPQ, ct, err := mlkemtest.Encapsulate768(pq.EncapsulationKey(), in.EncapsulationPQ)
	if err != nil {
		b.t.Fatal(err)
	}
	k.SharedPQ, k.SharedX25519 = sharedPQ, must[[]byte](b.t)(ephemeral.ECDH(x.PublicKey()))
	k.Encapsulation = slices.Concat(ct, ephemeral.PublicKey().Bytes())
	combined := sha3.Sum256(slices.Concat(k.SharedPQ, k.SharedX25519, ephemeral.PublicKey().Bytes(), x.PublicKey().Bytes(), []byte(`\.//^\`)))
	k.Shared = combined[:]
	k.Info = slices.Concat([]byte("starhash/1 epoch"), sha(request), sha(reply))
	k.ExportContext = "starhash/1 epoch export"
	k.Export = b.export(0x647A, k.Shared, k.Info, []byte(k.ExportContext))

	private := must[hpke.PrivateKey](b.t)(epochKEM().NewPrivateKey(in.EpochPrivate))
	r := must[*hpke.Recipient](b.t)(hpke.NewRecipient(k.Encapsulation, private, hpke.HKDFSHA256(), hpke.AES256GCM(), k.Info))
	if !bytes.Equal(k.Export, must[[]byte](b.t)(r.Export(k.ExportContext, keyLen))) {
		b.t.Fatal("HPKE by hand exports something else than the package")
	}
}

// export is RFC 9180 §5.1 (mode base) and §5.3 with HKDF-SHA256 and AES-256-GCM.
func (b *vectorBuilder) export(kem int, shared, info, context []byte) []byte {
	suite := slices.Concat([]byte("HPKE"), u16(kem), u16(1), u16(2))
	extract := func(salt []byte, label string, ikm []byte) []byte {
		return must[[]byte](b.t)(hkdf.Extract(sha256.New, slices.Concat([]byte("HPKE-v1"), suite, []byte(label), ikm), salt))
	}
	expand := func(prk []byte, label string, info []byte) []byte {
		return must[[]byte](b.t)(hkdf.Expand(sha256.New, prk, string(slices.Concat(u16(32), []byte("HPKE-v1"), suite, []byte(label), info)), 32))
	}
	schedule := slices.Concat([]byte{0}, extract(nil, "psk_id_hash", nil), extract(nil, "info_hash", info))
	return expand(expand(extract(shared, "secret", nil), "exp", schedule), "sec", context)
}

type vectorIdentity struct {
	Source IMSISource `json:"source"`
	IMSI   string     `json:"imsi"`
	MSISDN string     `json:"msisdn"`
}

func (b *vectorBuilder) openings() {
	in := &b.v.Inputs
	type opening struct {
		vectorIdentity
		Serial hexBytes `json:"serial"`
		Text   string   `json:"serial_text"`
		At     int64    `json:"at"`
	}
	var fields struct {
		Openings []opening `json:"openings"`
	}
	var results struct {
		Results []int `json:"results"`
		Life    int64 `json:"life_seconds"`
	}
	openings := vectorOpenings(*in)
	body := append(b.header(TypeOpen, in.EpochID, nil), u16(len(openings))...)
	plain := u16(len(openings))
	var seals []vectorSeal
	for i, o := range openings {
		id := o.Identity
		p := slices.Concat([]byte{byte(id.Source), byte(len(id.IMSI))}, []byte(id.IMSI), []byte{byte(len(id.MSISDN))}, []byte(id.MSISDN),
			o.Serial[:], binary.BigEndian.AppendUint64(nil, uint64(o.At.Unix())))
		head := b.header(TypeOpen, in.EpochID, o.Serial[:])
		s := b.seal("static_key", head, "starhash/1 initial", head, zeros(p, 64))
		seals = append(seals, s)
		body = slices.Concat(body, o.Serial[:], u16(len(s.Sealed)), s.Sealed)
		fields.Openings = append(fields.Openings, opening{vectorIdentity{id.Source, id.IMSI, id.MSISDN}, o.Serial[:], o.Serial.String(), o.At.Unix()})
		results.Results = append(results.Results, int(vectorResults()[i]))
		plain = append(append(plain, byte(vectorResults()[i])), u32(uint32(in.KeyLife))...)
	}
	results.Life = in.KeyLife
	s := b.seal("epoch_secret", sha(body), "starhash/1 open", body, nil)
	open := b.add(vectorMsg{Name: "Open", Type: TypeOpen, Path: PathOpen, Fields: fields, Seals: append(seals, s), Message: append(body, s.Sealed...)})

	head := b.header(TypeOpened, in.EpochID, in.OpenedRandom)
	s = b.seal("epoch_secret", sha(open, head), "starhash/1 opened", head, zeros(plain, 512))
	b.add(vectorMsg{Name: "Opened", Type: TypeOpened, Path: PathOpen, Answers: "Open", Fields: results, Seals: []vectorSeal{s}, Message: append(head, s.Sealed...)})
}

func (b *vectorBuilder) capsules() {
	in := &b.v.Inputs
	key := newPINKey(in.PINKeyID, must[hpke.PrivateKey](b.t)(pinKEM().NewPrivateKey(in.PINPrivate)))
	in.PINPublic = key.key.PublicKey().Bytes()
	enc := must[*ecdh.PrivateKey](b.t)(ecdh.P256().NewPrivateKey(in.PINEphemeral)).PublicKey().Bytes()
	for i, c := range []struct {
		name, pin, field string
		tx               byte
		pos              PINPosition
	}{
		{"transfer", "1234", "\x44\x12\x34\xAA\xAA\xAA\xAA\xAA", 0x11, PINCurrent},
		{"balance", "54321", "\x45\x54\x32\x1A\xAA\xAA\xAA\xAA", 0x12, PINCurrent},
		{"mini-statement", "1234", "\x44\x12\x34\xAA\xAA\xAA\xAA\xAA", 0x13, PINCurrent},
		{"PIN change, current", "1234", "\x44\x12\x34\xAA\xAA\xAA\xAA\xAA", 0x14, PINCurrent},
		{"PIN change, new", "907856", "\x46\x90\x78\x56\xAA\xAA\xAA\xAA", 0x14, PINNew},
		{"bill", "1234", "\x44\x12\x34\xAA\xAA\xAA\xAA\xAA", 0x17, PINCurrent},
		{"PIN change, typed twice, current", "1234", "\x44\x12\x34\xAA\xAA\xAA\xAA\xAA", 0x19, PINCurrent},
		{"PIN change, typed twice, new", "907856", "\x46\x90\x78\x56\xAA\xAA\xAA\xAA", 0x19, PINNew},
		{"PIN change, typed twice, again", "907865", "\x46\x90\x78\x65\xAA\xAA\xAA\xAA", 0x19, PINAgain},
	} {
		id := vectorNumber(in.Operator, c.tx)
		context := slices.Concat([]byte("starhash/1 pin"), id[:], []byte{byte(c.pos)}, []byte(alice.MSISDN))
		k := must[[]byte](b.t)(key.export([p256PointLen]byte(enc), string(context)))
		field := append([]byte(c.field), pattern(0xF0-byte(i), 8)...)
		b.v.Capsules = append(b.v.Capsules, vectorPIN{Name: c.name, PIN: c.pin, MSISDN: alice.MSISDN, TxID: id[:], Position: c.pos,
			Context: context, Key: k, Field: field,
			Capsule: slices.Concat([]byte("pin1\x00\x00\x00\x00"), enc, seal(secret.Copy(k), nil, field, context))})
	}
}

type vectorRequestFields struct {
	vectorIdentity
	ID       hexBytes `json:"txid"`
	Kind     Kind     `json:"kind"`
	Amount   int64    `json:"amount"`
	Currency string   `json:"currency"`
	Payee    string   `json:"payee"`
	PIN      hexBytes `json:"pin"`
	NewPIN   hexBytes `json:"new_pin"`
	Target   hexBytes `json:"target"`
	Asked    int64    `json:"asked"`
	Again    hexBytes `json:"new_pin_again"`
	Biller   string   `json:"biller"`
	Account  string   `json:"account"`
	Auth     Auth     `json:"auth"`
}

type vectorReplyFields struct {
	Outcome   Outcome      `json:"outcome"`
	TriesLeft uint8        `json:"tries_left"`
	Amount    int64        `json:"amount"`
	Fee       int64        `json:"fee"`
	Balance   int64        `json:"balance"`
	Currency  string       `json:"currency"`
	Payee     string       `json:"payee"`
	PayeeName string       `json:"payee_name"`
	PayerName string       `json:"payer_name"`
	At        int64        `json:"at"`
	Lines     []vectorLine `json:"lines"`
	Account   string       `json:"account"`
}

type vectorLine struct {
	At     int64  `json:"at"`
	Amount int64  `json:"amount"`
	Kind   Kind   `json:"kind"`
	Party  string `json:"party"`
}

// dynamic is what goes into the info of a serial's keys, after the label.
func dynamic(serial Serial, id Identity) string {
	sum := sha([]byte{byte(len(id.IMSI))}, []byte(id.IMSI), []byte{byte(len(id.MSISDN))}, []byte(id.MSISDN))
	return string(serial[:]) + string(sum)
}

func (b *vectorBuilder) transactions() {
	in := &b.v.Inputs
	for i, x := range vectorTransactions(b.v) {
		q, p := x.request, x.reply
		serial := Serial(vectorNumber(in.Operator, byte(i+1)))
		head := b.header(TypeTransact, in.EpochID, serial[:])
		s := b.seal("epoch_secret", nil, "starhash/1 dynamic request"+dynamic(serial, q.Identity), head, q.encode())
		request := b.add(vectorMsg{Name: "Transact, " + x.name, Type: TypeTransact, Path: PathTransact,
			Fields: vectorRequestFields{vectorIdentity{q.Identity.Source, q.Identity.IMSI, q.Identity.MSISDN}, q.ID[:], q.Kind, q.Amount,
				q.Currency, q.Payee, hexBytes(q.PIN), hexBytes(q.NewPIN), q.Target[:], q.Asked.Unix(),
				hexBytes(q.NewPINAgain), q.Biller, q.Account, q.Auth},
			Seals: []vectorSeal{s}, Message: append(head, s.Sealed...)})

		head = b.header(TypeReply, in.EpochID, serial[:])
		ad := slices.Concat(head, sha(request))
		s = b.seal("epoch_secret", nil, "starhash/1 dynamic reply"+dynamic(serial, q.Identity), ad, p.encode())
		fields := vectorReplyFields{p.Outcome, p.TriesLeft, p.Amount, p.Fee, p.Balance, p.Currency, p.Payee, p.PayeeName, p.PayerName, p.At.Unix(), []vectorLine{}, p.Account}
		for _, l := range p.Lines {
			fields.Lines = append(fields.Lines, vectorLine{l.At.Unix(), l.Amount, l.Kind, l.Party})
		}
		b.add(vectorMsg{Name: "Reply, " + x.name, Type: TypeReply, Path: PathTransact, Answers: "Transact, " + x.name,
			Fields: fields, Seals: []vectorSeal{s}, Message: append(head, s.Sealed...)})
	}
}

type vectorErrorFields struct {
	Code          Code   `json:"code"`
	Name          string `json:"code_name"`
	Authenticated bool   `json:"authenticated"`
}

func (b *vectorBuilder) errors() {
	for c := Malformed; c <= Busy; c++ {
		to := "Transact, transfer"
		switch c {
		case UnknownStaticKey:
			to = "EpochRequest"
		case UnknownEpoch:
			to = "Open"
		}
		sent := b.v.msg(b.t, to)
		head := append(bytes.Clone(sent.Message[:headerLen]), byte(c))
		head[2] = byte(TypeError)
		m := vectorMsg{Name: "Error, " + c.String(), Type: TypeError, Path: sent.Path, Answers: to,
			Fields: vectorErrorFields{c, c.String(), c != UnknownStaticKey}}
		if c == UnknownStaticKey {
			m.Message = append(head, make([]byte, 16)...)
		} else {
			s := b.seal("static_key", sha(sent.Message, head), "starhash/1 error", head, nil)
			m.Seals, m.Message = []vectorSeal{s}, append(head, s.Sealed...)
		}
		b.add(m)
	}
}
