package link

import (
	"bytes"
	"crypto/hpke"
	"slices"
	"strings"

	"starhash/configs/secret"
)

// failures are messages that must be refused, each for one reason.
func (b *vectorBuilder) failures() {
	in := &b.v.Inputs
	msg := func(name string) []byte { return bytes.Clone(b.v.msg(b.t, name).Message) }
	set := func(name string, at int, bytes ...byte) []byte { m := msg(name); copy(m[at:], bytes); return m }
	flip := func(name string, at int) []byte {
		m := msg(name)
		m[(at+len(m))%len(m)] ^= 1
		return m
	}
	fail := func(f vectorFailed, c Code) {
		f.Fails = c.String()
		b.v.Failures = append(b.v.Failures, f)
	}
	bank := func(name, path string, m []byte, c Code) {
		fail(vectorFailed{Name: name, Reader: "bank", Path: path, Message: m}, c)
	}
	const transfer = "Transact, transfer"

	// The header.
	bank("wrong version", PathTransact, set(transfer, 0, 2), Malformed)
	bank("wrong suite", PathTransact, set(transfer, 1, 2), Malformed)
	bank("flags set", PathTransact, set(transfer, 3, 1), Malformed)
	bank("operator with a byte after the zeros", PathTransact, set(transfer, 11, 'x'), Malformed)
	bank("static key id with a blank", PathTransact, set(transfer, 14, ' '), Malformed)
	bank("header cut short", PathTransact, msg(transfer)[:headerLen-1], Malformed)
	bank("another type than the path's", PathTransact, msg("Open"), Malformed)
	bank("operator not known", PathTransact, set(transfer, 6, '2'), UnknownStaticKey)
	bank("epoch tampered with", PathTransact, flip(transfer, 20), BadSeal)
	bank("serial tampered with", PathTransact, flip(transfer, 43), UnknownSerial)

	// Epoch.
	bank("epoch request, seal tampered with", PathEpoch, flip("EpochRequest", -1), BadSeal)
	bank("epoch request, nonce tampered with", PathEpoch, flip("EpochRequest", headerLen), BadSeal)
	bank("epoch request cut short", PathEpoch, msg("EpochRequest")[:epochRequestLen-1], Malformed)
	other := derive(secret.New(pattern(0x99, 32)), in.RequestNonce, "starhash/1 epoch request")
	ad := msg("EpochRequest")[:headerLen+epochNonceLen]
	bank("epoch request under another static key", PathEpoch, append(ad, seal(other, nil, u16(7), ad)...), BadSeal)
	bank("join, encapsulation tampered with", PathJoin, flip("Join", headerLen), BadSeal)
	bank("join, X25519 point of low order", PathJoin, set("Join", headerLen+1088, make([]byte, 32)...), BadSeal)
	bank("join, seal tampered with", PathJoin, flip("Join", -1), BadSeal)
	bank("join cut short", PathJoin, msg("Join")[:200], Malformed)
	bank("join of another epoch", PathJoin, flip("Join", 20), UnknownEpoch)

	// Opening.
	bank("open, seal tampered with", PathOpen, flip("Open", -1), BadSeal)
	bank("open, entry tampered with", PathOpen, flip("Open", headerLen+40), BadSeal)
	bank("open in another epoch", PathOpen, flip("Open", 20), UnknownEpoch)
	fail(vectorFailed{Name: "open in an ended epoch", Reader: "bank", Path: PathOpen, Later: 61, Message: msg("Open")}, UnknownEpoch)
	fail(vectorFailed{Name: "open that came before", Reader: "bank", Path: PathOpen, After: "Open", Message: msg("Open")}, ReplayedSerial)
	sealOpen := func(body []byte) []byte {
		return append(body, b.seal("epoch_secret", sha(body), "starhash/1 open", body, nil).Sealed...)
	}
	openHead := msg("Open")[:headerLen]
	bank("open of none", PathOpen, sealOpen(slices.Concat(openHead, u16(0))), Malformed)
	bank("open of more than it holds", PathOpen, sealOpen(slices.Concat(openHead, u16(2), msg("Open")[headerLen+2:headerLen+2+98])), Malformed)
	entry := func(name string, claimed, inside Serial, alter func(key, ad, plain []byte) []byte, c Code) {
		zero := 0
		head := b.header(TypeOpen, in.EpochID, claimed[:])
		plain := Opening{Serial: inside, Identity: alice, At: vectorTime}.encode()
		s := b.seal("static_key", head, "starhash/1 initial", head, plain)
		sealed := []byte(s.Sealed)
		if alter != nil {
			sealed = alter(s.Key, head, plain)
		}
		fail(vectorFailed{Name: name, Reader: "bank", Path: PathOpen, Entry: &zero,
			Message: sealOpen(slices.Concat(openHead, u16(1), claimed[:], u16(len(sealed)), sealed))}, c)
	}
	ours, theirs := Serial(vectorNumber(in.Operator, 0x21)), Serial(vectorNumber("op2", 0x22))
	entry("opening of another serial", ours, Serial(vectorNumber(in.Operator, 0x23)), nil, Mismatch)
	entry("opening of another operator's serial", theirs, theirs, nil, Mismatch)
	entry("opening under another key", ours, ours, func(_, ad, plain []byte) []byte {
		return seal(secret.New(pattern(0x77, 32)), nil, plain, ad)
	}, BadSeal)
	entry("opening with an MSISDN that is not digits", ours, ours, func(key, ad, plain []byte) []byte {
		plain[18] = '+'
		return seal(secret.Copy(key), nil, plain, ad)
	}, Malformed)

	// Transactions.
	bank("body tampered with", PathTransact, flip(transfer, headerLen+100), BadSeal)
	bank("tag tampered with", PathTransact, flip(transfer, -1), BadSeal)
	bank("body cut short", PathTransact, msg(transfer)[:300], BadSeal)
	bank("the keys of another serial", PathTransact, slices.Concat(msg(transfer)[:headerLen], msg("Transact, balance")[headerLen:]), BadSeal)
	fail(vectorFailed{Name: "serial expired", Reader: "bank", Path: PathTransact, Later: in.KeyLife + 1, Message: msg(transfer)}, ExpiredSerial)
	refusedSerial := Serial(vectorNumber(in.Operator, 0x0F))
	bank("serial that was not opened", PathTransact, slices.Concat(b.header(TypeTransact, in.EpochID, refusedSerial[:]), msg(transfer)[headerLen:]), UnknownSerial)
	transact := func(name string, alter func(q *Request) []byte, c Code) {
		q := *vectorTransactions(b.v)[0].request
		serial := Serial(vectorNumber(in.Operator, 1))
		head := b.header(TypeTransact, in.EpochID, serial[:])
		plain := alter(&q)
		s := b.seal("epoch_secret", nil, "starhash/1 dynamic request"+dynamic(serial, alice), head, plain)
		bank(name, PathTransact, append(head, s.Sealed...), c)
	}
	transact("padding that is not zero", func(q *Request) []byte { p := q.encode(); p[len(p)-1] = 1; return p }, Malformed)
	transact("plain text cut short", func(q *Request) []byte { return q.encode()[:100] }, Malformed)
	transact("payee that is not digits", func(q *Request) []byte { q.Payee = "26377100000x"; return q.encode() }, Malformed)
	transact("biller in small letters", func(q *Request) []byte { q.Biller = "zesa"; return q.encode() }, Malformed)
	transact("biller of 21 characters", func(q *Request) []byte { q.Biller = strings.Repeat("Z", 21); return q.encode() }, Malformed)
	transact("account with a line feed", func(q *Request) []byte { q.Account = "1\n2"; return q.encode() }, Malformed)
	transact("account of 21 characters", func(q *Request) []byte { q.Account = strings.Repeat("1", 21); return q.encode() }, Malformed)
	transact("authentication that is none", func(q *Request) []byte { q.Auth = 2; return q.encode() }, Malformed)
	transact("IMSI of another subscriber", func(q *Request) []byte { q.Identity.IMSI = bob.IMSI; return q.encode() }, Mismatch)
	transact("MSISDN of another subscriber", func(q *Request) []byte { q.Identity.MSISDN = bob.MSISDN; return q.encode() }, Mismatch)
	transact("transaction of another operator", func(q *Request) []byte { q.ID = vectorNumber("op2", 0x11); return q.encode() }, Mismatch)

	// What a gateway must not take.
	gateway := func(name, path, answers string, m []byte, c Code) {
		fail(vectorFailed{Name: name, Reader: "gateway", Path: path, Answers: answers, Message: m}, c)
	}
	gateway("epoch reply, body tampered with", PathEpoch, "EpochRequest", flip("EpochReply", 100), BadSeal)
	gateway("epoch reply, random bytes tampered with", PathEpoch, "EpochRequest", flip("EpochReply", 43), BadSeal)
	gateway("epoch reply of another operator", PathEpoch, "EpochRequest", set("EpochReply", 6, '2'), Malformed)
	gateway("joined, seal tampered with", PathJoin, "Join", flip("Joined", -1), BadSeal)
	gateway("opened, result tampered with", PathOpen, "Open", flip("Opened", headerLen+2), BadSeal)
	gateway("opened, random bytes tampered with", PathOpen, "Open", flip("Opened", 28), BadSeal)
	gateway("reply, body tampered with", PathTransact, transfer, flip("Reply, transfer", headerLen), BadSeal)
	gateway("reply of another serial", PathTransact, transfer, msg("Reply, balance"), BadSeal)
	gateway("reply cut short", PathTransact, transfer, msg("Reply, transfer")[:headerLen+8], BadSeal)
	reply := func(name string, hash []byte, alter func(plain []byte), c Code) {
		serial := Serial(vectorNumber(in.Operator, 1))
		head := b.header(TypeReply, in.EpochID, serial[:])
		plain := vectorTransactions(nil)[0].reply.encode()
		alter(plain)
		s := b.seal("epoch_secret", nil, "starhash/1 dynamic reply"+dynamic(serial, alice), slices.Concat(head, hash), plain)
		gateway(name, PathTransact, transfer, append(head, s.Sealed...), c)
	}
	hash := sha(msg(transfer))
	reply("reply to another request under this serial", sha([]byte("another")), func([]byte) {}, BadSeal)
	reply("reply with an outcome that is none", hash, func(p []byte) { p[0] = 99 }, Malformed)
	reply("reply with an account that is none", hash, func(p []byte) { p[70], p[71] = 1, 0x7F }, Malformed)
	reply("reply with padding that is not zero", hash, func(p []byte) { p[len(p)-1] = 1 }, Malformed)

	// Errors: a hint without the tag.
	yes, no := true, false
	fail(vectorFailed{Name: "error with another code than was sealed", Reader: "gateway", Path: PathTransact, Answers: transfer, Authenticated: &no,
		Message: set("Error, busy", headerLen, byte(ExpiredSerial))}, ExpiredSerial)
	fail(vectorFailed{Name: "error for another request", Reader: "gateway", Path: PathTransact, Answers: "Transact, balance", Authenticated: &no,
		Message: msg("Error, unknown serial")}, UnknownSerial)
	fail(vectorFailed{Name: "error cut short", Reader: "gateway", Path: PathTransact, Answers: transfer, Authenticated: &no,
		Message: msg("Error, busy")[:headerLen+1]}, Malformed)
	head := append(bytes.Clone(msg(transfer)[:headerLen]), 200)
	head[2] = byte(TypeError)
	fail(vectorFailed{Name: "error with a code that is none", Reader: "gateway", Path: PathTransact, Answers: transfer, Authenticated: &yes,
		Message: append(head, b.seal("static_key", sha(msg(transfer), head), "starhash/1 error", head, nil).Sealed...)}, Malformed)

	b.failingCapsules(func(f vectorFailed, c Code) { f.Reader = "vault"; fail(f, c) })
}

func (b *vectorBuilder) failingCapsules(fail func(vectorFailed, Code)) {
	in := &b.v.Inputs
	byName := func(name string) vectorPIN {
		return b.v.Capsules[slices.IndexFunc(b.v.Capsules, func(c vectorPIN) bool { return c.Name == name })]
	}
	c := byName("transfer")
	flip := func(at int) []byte { m := bytes.Clone(c.Capsule); m[at] ^= 1; return m }
	one := func(name string, m []byte, code Code) {
		fail(vectorFailed{Name: name, Capsule: "transfer", Message: m}, code)
	}
	one("capsule of another transaction", byName("balance").Capsule, BadSeal)
	fail(vectorFailed{Name: "capsule of the other position", Capsule: "PIN change, new", Message: byName("PIN change, current").Capsule}, BadSeal)
	fail(vectorFailed{Name: "capsule of the new PIN as the one typed again", Capsule: "PIN change, typed twice, again",
		Message: byName("PIN change, typed twice, new").Capsule}, BadSeal)
	one("capsule under another PIN key id", flip(0), BadSeal)
	one("capsule whose point is not on the curve", flip(8+64), BadSeal)
	one("capsule, body tampered with", flip(8+p256PointLen), BadSeal)
	one("capsule cut short", c.Capsule[:capsuleLen-1], Malformed)

	key := newPINKey(in.PINKeyID, must[hpke.PrivateKey](b.t)(pinKEM().NewPrivateKey(in.PINPrivate)))
	enc := c.Capsule[8 : 8+p256PointLen]
	sealed := func(msisdn string, field []byte) []byte {
		ctx := pinContext(msisdn, TxID(c.TxID), c.Position)
		k := must[[]byte](b.t)(key.export([p256PointLen]byte(enc), ctx))
		return slices.Concat(c.Capsule[:8], enc, seal(secret.New(k), nil, field, []byte(ctx)))
	}
	field := func(at int, v byte) []byte { f := bytes.Clone(c.Field); f[at] = v; return f }
	one("capsule of another number", sealed(bob.MSISDN, c.Field), BadSeal)
	one("PIN field of another format", sealed(c.MSISDN, field(0, 0x04)), Malformed)
	one("PIN field of three digits", sealed(c.MSISDN, field(0, 0x43)), Malformed)
	one("PIN field with a digit that is none", sealed(c.MSISDN, field(1, 0x1B)), Malformed)
	one("PIN field with other fill", sealed(c.MSISDN, field(7, 0xAB)), Malformed)
}
