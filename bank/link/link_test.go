package link

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
	"starhash/configs/secret"
)

var (
	alice = Identity{IMSI: "648010000000001", MSISDN: "263771000001", Source: SourceRegistry}
	bob   = Identity{IMSI: "648010000000002", MSISDN: "263771000002", Source: SourceRegistry}
)

// pair is a gateway and a bank that share a static key, and a clock to turn.
type pair struct {
	gw   *Gateway
	bank *Bank
	now  time.Time
	nums *Numbers
}

func newPair(t testing.TB) *pair {
	sk := NewKey()
	p := &pair{now: time.Unix(1_700_000_000, 0), nums: NewNumbers("op1", 7, 1)}
	p.gw = &Gateway{Operator: "op1", KeyID: "sk1", StaticKey: sk, Node: 7}
	p.bank = NewBank(BankConfig{
		StaticKeys: func(op Operator, id KeyID) (secret.Value, bool) {
			return sk, op == "op1" && id == "sk1"
		},
		Now: func() time.Time { return p.now },
	})
	return p
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (p *pair) epoch(t testing.TB) *Epoch {
	t.Helper()
	b := must[[]byte](t)
	hello := p.gw.Hello()
	join := b(hello.Join(b(p.bank.Epoch(hello.Message, 41))))
	return must[*Epoch](t)(hello.Finish(b(p.bank.Join(join))))
}

func (p *pair) open(t testing.TB, e *Epoch, id Identity) *DynamicKeys {
	t.Helper()
	batch := must[*Batch](t)(e.Open([]Opening{{Serial: p.nums.Serial(), Identity: id, At: p.now}}))
	ob := must[*OpenBatch](t)(p.bank.Open(batch.Message))
	if ob.Entries[0].Err != nil || ob.Entries[0].Identity != id {
		t.Fatalf("the bank read %+v, want %+v", ob.Entries[0], id)
	}
	answer := must[[]byte](t)(p.bank.Finish(ob, []OpenResult{Opened}))
	return must[[]OpenedSerial](t)(batch.Finish(answer))[0].Keys
}

func (p *pair) request(id Identity) *Request {
	return &Request{Identity: id, ID: p.nums.TxID(), Kind: KindTransfer, Amount: 500, Currency: "USD",
		Payee: bob.MSISDN, Asked: p.now.UTC()}
}

func TestWholeConversation(t *testing.T) {
	p := newPair(t)
	e := p.epoch(t)
	if e.LastBoot != 41 || e.Life != EpochLife || e.Keys != EpochKeys {
		t.Fatalf("epoch says boot %d life %v keys %d", e.LastBoot, e.Life, e.Keys)
	}
	k := p.open(t, e, alice)
	k = must[*DynamicKeys](t)(UnmarshalDynamicKeys(k.Marshal())) // as a store would give them back

	q := p.request(alice)
	msg := k.SealRequest(q)
	x := must[*Exchange](t)(p.bank.Transact(msg))
	if fmt.Sprint(x.Request) != fmt.Sprint(q) {
		t.Fatalf("the bank read %+v, want %+v", x.Request, q)
	}
	back := must[*Request](t)(k.OpenRequest(msg))
	if back.Digest() != q.Digest() {
		t.Fatal("the gateway reads back another request than it sealed")
	}
	want := &Reply{Outcome: Done, Amount: 500, Fee: 10, Balance: 9490, Currency: "USD", Payee: bob.MSISDN,
		PayeeName: "T*** M***", PayerName: "A*** B***", At: p.now.UTC(),
		Lines: []Line{{At: p.now.UTC(), Amount: -500, Kind: KindTransfer, Party: "0002"}}}
	got := must[*Reply](t)(k.OpenReply(msg, x.Seal(want), p.gw.StaticKey))
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Fatalf("reply %+v, want %+v", got, want)
	}
}

// Every bit of every message counts: no altered message may be taken for the
// original by either end.
func TestTamperedMessagesAreRefused(t *testing.T) {
	p := newPair(t)
	hello := p.gw.Hello()
	reply := must[[]byte](t)(p.bank.Epoch(hello.Message, 0))
	join := must[[]byte](t)(hello.Join(reply))
	joined := must[[]byte](t)(p.bank.Join(join))
	e := must[*Epoch](t)(hello.Finish(joined))
	batch := must[*Batch](t)(e.Open([]Opening{{Serial: p.nums.Serial(), Identity: alice, At: p.now}}))
	ob := must[*OpenBatch](t)(p.bank.Open(batch.Message))
	opened := must[[]byte](t)(p.bank.Finish(ob, []OpenResult{Opened}))
	k := must[[]OpenedSerial](t)(batch.Finish(opened))[0].Keys
	msg := k.SealRequest(p.request(alice))
	x := must[*Exchange](t)(p.bank.Transact(msg))
	answer := x.Seal(&Reply{Outcome: Done})

	for _, c := range []struct {
		name  string
		msg   []byte
		step  int // flipping every byte of the large ones costs a key agreement each
		taken func([]byte) error
	}{
		{"epoch request", hello.Message, 1, func(b []byte) error { _, err := p.bank.Epoch(b, 0); return err }},
		{"epoch reply", reply, 31, func(b []byte) error { h := *hello; _, err := h.Join(b); return err }},
		{"joined", joined, 1, func(b []byte) error { h := *hello; _, err := h.Finish(b); return err }},
		{"join", join, 31, func(b []byte) error { _, err := p.bank.Join(b); return err }},
		{"open", batch.Message, 1, func(b []byte) error { _, err := p.bank.Open(b); return err }},
		{"opened", opened, 1, func(b []byte) error { _, err := batch.Finish(b); return err }},
		{"transact", msg, 1, func(b []byte) error { _, err := p.bank.Transact(b); return err }},
		{"reply", answer, 1, func(b []byte) error { _, err := k.OpenReply(msg, b, p.gw.StaticKey); return err }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := 0; i < len(c.msg); i += c.step {
				for _, bit := range []byte{0x01, 0x80} {
					b := bytes.Clone(c.msg)
					b[i] ^= bit
					if err := c.taken(b); err == nil {
						t.Fatalf("byte %d with bits %#x flipped was taken", i, bit)
					}
				}
			}
			for _, b := range [][]byte{nil, c.msg[:headerLen], c.msg[:len(c.msg)-1], append(bytes.Clone(c.msg), 0)} {
				if err := c.taken(b); err == nil {
					t.Fatalf("cut or grown to %d bytes was taken", len(b))
				}
			}
		})
	}
}

func TestReplyOfAnotherRequestIsRefused(t *testing.T) {
	p := newPair(t)
	e := p.epoch(t)
	ka, kb := p.open(t, e, alice), p.open(t, e, bob)
	ma, mb := ka.SealRequest(p.request(alice)), kb.SealRequest(p.request(bob))
	xa := must[*Exchange](t)(p.bank.Transact(ma))
	ra := xa.Seal(&Reply{Outcome: Done, Balance: 1})
	if _, err := kb.OpenReply(mb, ra, p.gw.StaticKey); CodeOf(err) != BadSeal {
		t.Fatalf("bob's key took alice's reply: %v", err)
	}
	// The same serial and key, but the reply answers other bytes than were sent.
	other := bytes.Clone(ma)
	other[len(other)-1] ^= 1
	if _, err := ka.OpenReply(other, ra, p.gw.StaticKey); CodeOf(err) != BadSeal {
		t.Fatalf("a reply was taken for a request that it does not answer: %v", err)
	}
}

func TestIdentityOfAnotherSubscriberIsRefused(t *testing.T) {
	p := newPair(t)
	k := p.open(t, p.epoch(t), alice)
	for _, id := range []Identity{bob, {IMSI: bob.IMSI, MSISDN: alice.MSISDN, Source: SourceNetwork}} {
		if _, err := p.bank.Transact(k.SealRequest(p.request(id))); CodeOf(err) != Mismatch {
			t.Errorf("%+v under alice's serial: %v, want %v", id, err, Mismatch)
		}
	}
}

func TestEndsOfLives(t *testing.T) {
	p := newPair(t)
	e := p.epoch(t)
	k := p.open(t, e, alice)
	p.now = p.now.Add(EpochLife + time.Second)
	batch := must[*Batch](t)(e.Open([]Opening{{Serial: p.nums.Serial(), Identity: alice}}))
	if _, err := p.bank.Open(batch.Message); CodeOf(err) != UnknownEpoch {
		t.Fatalf("an ended epoch opened a serial: %v", err)
	}
	msg := k.SealRequest(p.request(alice))
	if _, err := p.bank.Transact(msg); err != nil {
		t.Fatalf("a serial opened in an ended epoch is still good: %v", err)
	}
	p.now = p.now.Add(10 * time.Minute)
	if _, err := p.bank.Transact(msg); CodeOf(err) != ExpiredSerial {
		t.Fatalf("an expired serial: %v, want %v", err, ExpiredSerial)
	}
	p.now = p.now.Add(10 * time.Minute)
	p.epoch(t) // sweeps
	if _, err := p.bank.Transact(msg); CodeOf(err) != UnknownSerial {
		t.Fatalf("a forgotten serial: %v, want %v", err, UnknownSerial)
	}
}

func TestJoinRepeatedGetsTheSameAnswer(t *testing.T) {
	p := newPair(t)
	hello := p.gw.Hello()
	join := must[[]byte](t)(hello.Join(must[[]byte](t)(p.bank.Epoch(hello.Message, 0))))
	first := must[[]byte](t)(p.bank.Join(join))
	if again := must[[]byte](t)(p.bank.Join(join)); !bytes.Equal(first, again) {
		t.Fatal("a repeated join was answered differently")
	}
	// A second gateway process cannot join an epoch that is not its own.
	other := p.gw.Hello()
	if _, err := other.Join(must[[]byte](t)(p.bank.Epoch(hello.Message, 0))); CodeOf(err) != BadSeal {
		t.Fatalf("a reply to another request was taken: %v", err)
	}
}

func TestErrorsAreAuthenticated(t *testing.T) {
	p := newPair(t)
	k := p.open(t, p.epoch(t), alice)
	msg := k.SealRequest(p.request(alice))
	answer := p.bank.Refuse(msg, refuse(UnknownSerial, ""))
	var e *Error
	if _, err := k.OpenReply(msg, answer, p.gw.StaticKey); !errors.As(err, &e) || e.Code != UnknownSerial || !e.Authenticated {
		t.Fatalf("got %v, want an authenticated %v", err, UnknownSerial)
	}
	forged := bytes.Clone(answer)
	forged[headerLen] = byte(ExpiredSerial)
	if _, err := k.OpenReply(msg, forged, p.gw.StaticKey); !errors.As(err, &e) || e.Authenticated {
		t.Fatalf("a forged error passes as the bank's: %v", err)
	}
	// The answer to one request says nothing about another.
	if _, err := k.OpenReply(append(msg, 1), answer, p.gw.StaticKey); !errors.As(err, &e) || e.Authenticated {
		t.Fatalf("an error for another request passes as the bank's: %v", err)
	}
	stranger := &Gateway{Operator: "op2", KeyID: "sk1", StaticKey: NewKey()}
	hello := stranger.Hello()
	_, err := p.bank.Epoch(hello.Message, 0)
	if _, err := hello.Join(p.bank.Refuse(hello.Message, err)); !errors.As(err, &e) || e.Code != UnknownStaticKey || e.Authenticated {
		t.Fatalf("got %v, want an unauthenticated %v", err, UnknownStaticKey)
	}
}

func TestOneBadEntryLeavesTheOthers(t *testing.T) {
	p := newPair(t)
	e := p.epoch(t)
	s1, s2 := p.nums.Serial(), p.nums.Serial()
	batch := must[*Batch](t)(e.Open([]Opening{
		{Serial: s1, Identity: Identity{IMSI: "not digits", MSISDN: "1", Source: SourceRegistry}},
		{Serial: s2, Identity: bob}}))
	ob := must[*OpenBatch](t)(p.bank.Open(batch.Message))
	if ob.Entries[0].Err == nil || ob.Entries[1].Err != nil {
		t.Fatalf("entries %+v", ob.Entries)
	}
	res := must[[]OpenedSerial](t)(batch.Finish(must[[]byte](t)(p.bank.Finish(ob, []OpenResult{Opened, Opened}))))
	if res[0].Result != OpenMalformed || res[0].Keys != nil || res[1].Result != Opened || res[1].Keys == nil {
		t.Fatalf("results %+v", res)
	}
	// A serial is opened once.
	again := must[*Batch](t)(e.Open([]Opening{{Serial: s2, Identity: bob, At: time.Unix(9, 0)}}))
	ob = must[*OpenBatch](t)(p.bank.Open(again.Message))
	res = must[[]OpenedSerial](t)(again.Finish(must[[]byte](t)(p.bank.Finish(ob, []OpenResult{Opened}))))
	if res[0].Result != OpenSerialUsed || res[0].Keys != nil {
		t.Fatalf("a serial was opened twice: %+v", res[0])
	}
}

func TestSizesTellNothing(t *testing.T) {
	p := newPair(t)
	k := p.open(t, p.epoch(t), alice)
	pin := make(Capsule, capsuleLen)
	transfer := p.request(alice)
	transfer.PIN, transfer.Amount = pin, 99_999_999
	for _, q := range []*Request{
		{Identity: alice, ID: p.nums.TxID(), Kind: KindBalance, PIN: pin},
		{Identity: alice, ID: p.nums.TxID(), Kind: KindPINChange, PIN: pin, NewPIN: pin},
		{Identity: alice, ID: p.nums.TxID(), Kind: KindInquire, Target: p.nums.TxID()},
		{Identity: Identity{IMSI: strings.Repeat("1", 15), MSISDN: strings.Repeat("1", 15), Source: SourceNetwork}, ID: p.nums.TxID(),
			Kind: KindBill, Amount: 1 << 60, Currency: "USD", Payee: strings.Repeat("1", 15), PIN: pin, NewPIN: pin, NewPINAgain: pin,
			Target: p.nums.TxID(), Asked: p.now, Biller: strings.Repeat("Z", MaxBiller), Account: strings.Repeat("1", MaxAccount), Auth: AuthCode},
	} {
		if a, b := len(k.SealRequest(q)), len(k.SealRequest(transfer)); a != b {
			t.Errorf("a %v has %d bytes, a transfer %d", q.Kind, a, b)
		}
	}
	long := &Reply{Outcome: Done, Currency: "USD", Payee: bob.MSISDN, PayeeName: strings.Repeat("é", 20), PayerName: strings.Repeat("é", 20),
		Lines: slices.Repeat([]Line{{At: p.now, Amount: -1, Kind: KindBill, Party: strings.Repeat("Z", 15)}}, maxLines), Account: strings.Repeat("1", MaxAccount)}
	if a, b := len(long.encode()), len((&Reply{Outcome: WrongPIN}).encode()); a != b {
		t.Errorf("a mini-statement has %d bytes, a refusal %d", a, b)
	}
	kenya := Opening{Identity: Identity{IMSI: "639020000000004", MSISDN: "254700000004", Source: SourceRegistry}, At: p.now}
	if a, b := len(kenya.encode()), len(Opening{Identity: Identity{IMSI: "1", MSISDN: "1"}}.encode()); a != b {
		t.Errorf("an opening has %d bytes, another %d", a, b)
	}
}

// A transaction that comes again with another biller, say, is another one.
func TestDigestCoversEveryField(t *testing.T) {
	q := Request{Identity: alice, ID: TxID{1}, Kind: KindBill, PIN: make(Capsule, capsuleLen)}
	for name, alter := range map[string]func(*Request){
		"kind":          func(q *Request) { q.Kind = KindAirtime },
		"amount":        func(q *Request) { q.Amount++ },
		"currency":      func(q *Request) { q.Currency = "KES" },
		"payee":         func(q *Request) { q.Payee = bob.MSISDN },
		"PIN":           func(q *Request) { q.PIN = nil },
		"new PIN":       func(q *Request) { q.NewPIN = q.PIN },
		"new PIN again": func(q *Request) { q.NewPINAgain = q.PIN },
		"biller":        func(q *Request) { q.Biller = "ZESA" },
		"account":       func(q *Request) { q.Account = "1" },
		"auth":          func(q *Request) { q.Auth = AuthCode },
		"target":        func(q *Request) { q.Target = TxID{2} },
		"asked":         func(q *Request) { q.Asked = vectorTime },
		"number":        func(q *Request) { q.ID = TxID{2} },
		"subscriber":    func(q *Request) { q.Identity = bob },
	} {
		other := q
		if alter(&other); other.Digest() == q.Digest() {
			t.Errorf("another %s has the same digest", name)
		}
	}
	network := q
	network.Identity.Source = SourceNetwork
	if network.Digest() != q.Digest() {
		t.Error("the digest tells where the IMSI came from")
	}
}

func TestPINCapsule(t *testing.T) {
	key := must[*PINKey](t)(NewPINKey("pin1"))
	key = must[*PINKey](t)(ParsePINKey(must[secret.Value](t)(key.Format())))
	pub := must[PINPublicKey](t)(ParsePINPublicKey(FormatPINPublicKey(key.Public())))
	sealer := must[*PINSealer](t)(NewPINSealer(pub))
	id := NewNumbers("op1", 1, 1).TxID()
	for _, pin := range []string{"1234", "00000", "987654"} {
		c := must[Capsule](t)(sealer.Seal(secret.New([]byte(pin)), alice.MSISDN, id, PINCurrent))
		got := must[secret.Value](t)(key.Open(c, alice.MSISDN, id, PINCurrent))
		if string(got.Reveal()) != pin {
			t.Errorf("opened %q, sealed %q", got.Reveal(), pin)
		}
		other := id
		other[15] ^= 1
		for name, err := range map[string]error{
			"another number":      second(key.Open(c, bob.MSISDN, id, PINCurrent)),
			"another transaction": second(key.Open(c, alice.MSISDN, other, PINCurrent)),
			"another position":    second(key.Open(c, alice.MSISDN, id, PINNew)),
		} {
			if CodeOf(err) != BadSeal {
				t.Errorf("opens for %s: %v", name, err)
			}
		}
		for i := range c {
			d := bytes.Clone(c)
			d[i] ^= 1
			if _, err := key.Open(d, alice.MSISDN, id, PINCurrent); err == nil {
				t.Fatalf("byte %d altered and still opened", i)
			}
		}
	}
	for _, bad := range []string{"", "123", "1234567", "12a4", "12 34"} {
		if _, err := sealer.Seal(secret.New([]byte(bad)), alice.MSISDN, id, PINCurrent); err == nil {
			t.Errorf("%q was sealed as a PIN", bad)
		} else if bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("the error repeats the PIN: %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestSerialText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Serial
		copy(s[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "serial"))
		back, err := ParseSerial(strings.ToLower(s.String()))
		if err != nil || back != s {
			t.Fatalf("%s came back as %s, %v", s, back, err)
		}
	})
	for _, bad := range []string{"", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "0000000000000000000000000U",
		"000000000000000000000000\u0131", "\u017f000000000000000000000000"} { // dotless i, long s: capitals of one byte
		if _, err := ParseSerial(bad); err == nil {
			t.Errorf("%q was read as a serial", bad)
		}
	}
	n := NewNumbers("op1", 300, 7)
	seen := map[Serial]bool{}
	for range 1000 {
		s := n.Serial()
		if seen[s] || s.Node() != 300 || s.Boot() != 7 {
			t.Fatalf("serial %s: node %d boot %d, seen %v", s, s.Node(), s.Boot(), seen[s])
		}
		seen[s] = true
	}
}

func TestKeyFile(t *testing.T) {
	k := NewKey()
	back := must[secret.Value](t)(ParseKey(FormatKey(k)))
	if !back.Equal(k) || CheckValue(back) != CheckValue(k) || len(CheckValue(k)) != 6 {
		t.Fatal("a key does not survive its file")
	}
	for _, bad := range []string{"", "12", strings.Repeat("g", 64), strings.Repeat("0", 65)} {
		if _, err := ParseKey(secret.New([]byte(bad))); err == nil {
			t.Errorf("%q was read as a key", bad)
		}
	}
}

// FuzzBank feeds the bank's end foreign bytes; it may only refuse them.
func FuzzBank(f *testing.F) {
	p := newPair(f)
	hello := p.gw.Hello()
	f.Add(hello.Message)
	e := p.epoch(f)
	k := p.open(f, e, alice)
	f.Add(k.SealRequest(p.request(alice)))
	batch, _ := e.Open([]Opening{{Serial: p.nums.Serial(), Identity: alice}})
	f.Add(batch.Message)
	f.Fuzz(func(t *testing.T, msg []byte) {
		_, _ = p.bank.Epoch(msg, 0)
		_, _ = p.bank.Join(msg)
		_, _ = p.bank.Open(msg)
		_, err := p.bank.Transact(msg)
		if err != nil && CodeOf(err) == 0 {
			t.Fatalf("an error without a code: %v", err)
		}
		if len(p.bank.Refuse(msg, err)) != headerLen+1+tagLen {
			t.Fatal("no error message")
		}
	})
}

// FuzzPlain feeds the decoders of opened plain texts: a peer with the right key
// may still be broken.
func FuzzPlain(f *testing.F) {
	p := newPair(f)
	f.Add(p.request(alice).encode())
	for _, x := range vectorTransactions(nil) {
		f.Add(x.request.encode())
		f.Add(x.reply.encode())
	}
	f.Add(Opening{Identity: alice}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := decodeRequest(b); err == nil {
			if r, err := decodeRequest(q.encode()); err != nil || r.Digest() != q.Digest() {
				t.Fatalf("a request does not survive: %v", err)
			}
		}
		if r, err := decodeReply(b); err == nil {
			if _, err := decodeReply(r.encode()); err != nil {
				t.Fatalf("a reply does not survive: %v", err)
			}
		}
		_, _ = decodeOpening(b)
	})
}

func BenchmarkTransact(b *testing.B) {
	p := newPair(b)
	k := p.open(b, p.epoch(b), alice)
	q := p.request(alice)
	b.ReportAllocs()
	for b.Loop() {
		msg := k.SealRequest(q)
		x, err := p.bank.Transact(msg)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.OpenReply(msg, x.Seal(&Reply{Outcome: Done}), p.gw.StaticKey); err != nil {
			b.Fatal(err)
		}
	}
}
