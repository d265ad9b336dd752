package link

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"starhash/configs/secret"
)

// A key that seals two different plain texts with one nonce gives away their
// difference, and lets whoever saw both forge a third. These tests answer one
// request twice and look whether the cipher texts differ by what the plain
// texts differ by.

func xor(a, b []byte) []byte {
	out := make([]byte, min(len(a), len(b)))
	subtle.XORBytes(out, a, b)
	return out
}

func TestRepeatedRequestsAreAnsweredUnderOtherKeys(t *testing.T) {
	p := newPair(t)

	t.Run("epoch", func(t *testing.T) {
		hello := p.gw.Hello()
		first := must[[]byte](t)(p.bank.Epoch(hello.Message, 0))
		p.now = p.now.Add(2 * EpochLife) // a live epoch's request gets the same bytes
		second := must[[]byte](t)(p.bank.Epoch(hello.Message, 0))
		// Life, keys and boot are the same in both, after the public key.
		tail := headerLen + epochPublicLen
		if bytes.Equal(first[tail:tail+12], second[tail:tail+12]) {
			t.Fatal("two answers to one epoch request are sealed under one key")
		}
	})

	t.Run("open", func(t *testing.T) {
		e := p.epoch(t)
		batch := must[*Batch](t)(e.Open([]Opening{{Serial: p.nums.Serial(), Identity: alice}}))
		ob := must[*OpenBatch](t)(p.bank.Open(batch.Message))
		again := *ob
		again.es = e.es
		first := must[[]byte](t)(p.bank.Finish(ob, []OpenResult{Opened}))
		second := must[[]byte](t)(p.bank.Finish(&again, []OpenResult{Opened})) // says OpenSerialUsed
		want := make([]byte, 7)
		want[2] = byte(Opened) ^ byte(OpenSerialUsed)
		if bytes.Equal(xor(first[headerLen:headerLen+7], second[headerLen:headerLen+7]), want) {
			t.Fatal("two answers to one Open are sealed under one key")
		}
	})

	t.Run("error", func(t *testing.T) {
		// An error seals nothing, so look at the key itself.
		request, sk := p.gw.Hello().Message, p.gw.StaticKey
		a, b := errorMessage(request, Busy, sk), errorMessage(request, UnknownEpoch, sk)
		ka := answerKey(sk, labelError, request, a[:headerLen+1])
		kb := answerKey(sk, labelError, request, b[:headerLen+1])
		if ka.Equal(kb) {
			t.Fatal("two errors for one request are sealed under one key")
		}
		for _, c := range []struct{ msg, head []byte }{{a, a[:headerLen+1]}, {b, b[:headerLen+1]}} {
			if _, err := open(answerKey(sk, labelError, request, c.head), c.msg[headerLen+1:], c.head); err != nil {
				t.Fatal("an error is not sealed under its own key")
			}
		}
	})
}

// A gateway that is told UnknownEpoch may open the same serial in the next
// epoch, with another time in it.
func TestSerialInTwoEpochsHasTwoInitialKeys(t *testing.T) {
	p := newPair(t)
	e1, e2 := p.epoch(t), p.epoch(t)
	s := p.nums.Serial()
	b1 := must[*Batch](t)(e1.Open([]Opening{{Serial: s, Identity: alice}}))
	b2 := must[*Batch](t)(e2.Open([]Opening{{Serial: s, Identity: alice}}))
	entry := headerLen + 2 + 16 + 2
	if bytes.Equal(b1.Message[entry:entry+32], b2.Message[entry:entry+32]) {
		t.Fatal("one serial's opening is sealed under one key in two epochs")
	}
}

// An EpochRequest that comes again makes no second key pair.
func TestRepeatedEpochRequestGetsTheSameReply(t *testing.T) {
	p := newPair(t)
	hello := p.gw.Hello()
	first := must[[]byte](t)(p.bank.Epoch(hello.Message, 0))
	if again := must[[]byte](t)(p.bank.Epoch(hello.Message, 0)); !bytes.Equal(first, again) {
		t.Fatal("a repeated epoch request was answered differently")
	}
}

// Somebody without the static key sends recorded epoch requests again, each
// once: they cost a bounded number of key pairs and keep nobody out.
func TestRecordedEpochRequestsKeepNobodyOut(t *testing.T) {
	p := newPair(t)
	for range 10 * maxWaiting {
		must[[]byte](t)(p.bank.Epoch(p.gw.Hello().Message, 0))
	}
	if n := len(p.bank.epochs.byID); n > maxWaiting {
		t.Errorf("%d epochs wait for their Join, want at most %d", n, maxWaiting)
	}
	p.epoch(t) // the gateway itself
	p.now = p.now.Add(2 * EpochLife)
	p.bank.sweep(p.now)
	if e := p.bank.epochs; len(e.byID)+len(e.asked)+len(e.waiting)+len(e.alive)+len(e.oldest) != 0 {
		t.Errorf("ended epochs are kept: %+v", e)
	}
}

func TestOneOperatorsEpochsLeaveRoomForAnother(t *testing.T) {
	p := newPair(t)
	sk := p.gw.StaticKey
	p.bank.cfg.StaticKeys = func(Operator, KeyID) (secret.Value, bool) { return sk, true }
	p.bank.epochs.alive["op1"] = maxEpochs
	if _, err := p.bank.Epoch(p.gw.Hello().Message, 0); CodeOf(err) != Busy {
		t.Errorf("past its bound an operator gets %v, want %v", err, Busy)
	}
	p.gw = &Gateway{Operator: "op2", KeyID: "sk1", StaticKey: sk}
	p.epoch(t)
}

// A key pair is used for one Join, good or bad: nobody gets to try two.
func TestJoinIsTriedOnce(t *testing.T) {
	p := newPair(t)
	hello := p.gw.Hello()
	join := must[[]byte](t)(hello.Join(must[[]byte](t)(p.bank.Epoch(hello.Message, 0))))
	bad := bytes.Clone(join)
	bad[len(bad)-1] ^= 1
	if _, err := p.bank.Join(bad); CodeOf(err) != BadSeal {
		t.Fatalf("a bad join: %v, want %v", err, BadSeal)
	}
	if _, err := p.bank.Join(join); CodeOf(err) != UnknownEpoch {
		t.Fatalf("a join after a bad one: %v, want %v", err, UnknownEpoch)
	}

	// Nor does a second good one take the place of the first.
	hello = p.gw.Hello()
	reply := must[[]byte](t)(p.bank.Epoch(hello.Message, 0))
	must[[]byte](t)(p.bank.Join(must[[]byte](t)(hello.Join(reply))))
	if _, err := p.bank.Join(must[[]byte](t)(hello.Join(reply))); CodeOf(err) != UnknownEpoch {
		t.Fatalf("a second join: %v, want %v", err, UnknownEpoch)
	}
}

func TestJoinsAtOnceAgree(t *testing.T) {
	p := newPair(t)
	hello := p.gw.Hello()
	join := must[[]byte](t)(hello.Join(must[[]byte](t)(p.bank.Epoch(hello.Message, 0))))
	answers := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			a, err := p.bank.Join(join)
			if err != nil && CodeOf(err) != Busy {
				t.Errorf("join: %v, want an answer or %v", err, Busy)
			}
			answers[i] = a
		})
	}
	wg.Wait()
	want := must[[]byte](t)(p.bank.Join(join))
	for _, a := range answers {
		if a != nil && !bytes.Equal(a, want) {
			t.Error("one join was answered in two ways")
		}
	}
}

// A recorded Open that comes again uses up nothing.
func TestRepeatedOpenIsRefused(t *testing.T) {
	p := newPair(t)
	e := p.epoch(t)
	openings := make([]Opening, MaxBatch)
	for i := range openings {
		openings[i] = Opening{Serial: p.nums.Serial(), Identity: alice}
	}
	batch := must[*Batch](t)(e.Open(openings))
	must[*OpenBatch](t)(p.bank.Open(batch.Message))
	for range EpochKeys/MaxBatch + 1 {
		if _, err := p.bank.Open(batch.Message); CodeOf(err) != ReplayedSerial {
			t.Fatalf("a repeated Open: %v, want %v", err, ReplayedSerial)
		}
	}
	p.open(t, e, bob)
}

// An operator whose key is missing has no key, and not the empty one that
// everybody knows.
func TestEmptyStaticKeyIsNone(t *testing.T) {
	p := newPair(t)
	p.bank.cfg.StaticKeys = func(Operator, KeyID) (secret.Value, bool) { return secret.Value{}, true }
	p.gw.StaticKey = secret.Value{}
	if _, err := p.bank.Epoch(p.gw.Hello().Message, 0); CodeOf(err) != UnknownStaticKey {
		t.Errorf("under an empty static key: %v, want %v", err, UnknownStaticKey)
	}
	// A lookup that says "no" and hands out a key all the same.
	sk := NewKey()
	p.bank.cfg.StaticKeys = func(Operator, KeyID) (secret.Value, bool) { return sk, false }
	p.gw.StaticKey = sk
	hello := p.gw.Hello()
	var e *Error
	if _, err := hello.Join(p.bank.Refuse(hello.Message, refuse(Busy, ""))); !errors.As(err, &e) || e.Authenticated {
		t.Errorf("an error is authenticated under a key that is not in use: %v", err)
	}
}

// A number of another operator's is refused: a PIN capsule is bound to its
// transaction's number, and so to the operator.
func TestNumbersOfAnotherOperatorAreRefused(t *testing.T) {
	p := newPair(t)
	e := p.epoch(t)
	theirs := NewNumbers("op2", 7, 1)
	batch := must[*Batch](t)(e.Open([]Opening{{Serial: theirs.Serial(), Identity: alice}}))
	ob := must[*OpenBatch](t)(p.bank.Open(batch.Message))
	if CodeOf(ob.Entries[0].Err) != Mismatch {
		t.Errorf("another operator's serial: %v, want %v", ob.Entries[0].Err, Mismatch)
	}
	q := p.request(alice)
	q.ID = theirs.TxID()
	if _, err := p.bank.Transact(p.open(t, e, alice).SealRequest(q)); CodeOf(err) != Mismatch {
		t.Errorf("another operator's transaction: %v, want %v", err, Mismatch)
	}
	q = &Request{Identity: alice, ID: p.nums.TxID(), Kind: KindInquire, Target: theirs.TxID()}
	if _, err := p.bank.Transact(p.open(t, e, alice).SealRequest(q)); CodeOf(err) != Mismatch {
		t.Errorf("an inquiry about another operator's transaction: %v, want %v", err, Mismatch)
	}
}

// Keys go when their exchange is over, and not under the feet of one under way.
func TestForget(t *testing.T) {
	p := newPair(t)
	k := p.open(t, p.epoch(t), alice)
	msg := k.SealRequest(p.request(alice))
	x, other := must[*Exchange](t)(p.bank.Transact(msg)), must[*Exchange](t)(p.bank.Transact(msg))
	kept := p.bank.serial[serialKey{"op1", k.Header.Serial}].keys
	p.bank.Forget(x)
	if zero := make([]byte, keyLen); !bytes.Equal(kept.request.Reveal(), zero) || !bytes.Equal(kept.reply.Reveal(), zero) || !bytes.Equal(x.reply.Reveal(), zero) {
		t.Error("a forgotten serial's keys are still there")
	}
	if _, err := p.bank.Transact(msg); CodeOf(err) != UnknownSerial {
		t.Errorf("a forgotten serial: %v, want %v", err, UnknownSerial)
	}
	if _, err := k.OpenReply(msg, other.Seal(&Reply{Outcome: Done}), p.gw.StaticKey); err != nil {
		t.Errorf("an exchange under way lost its key: %v", err)
	}
}

func TestSweepDestroysWhatHasEnded(t *testing.T) {
	p := newPair(t)
	e := p.epoch(t)
	k := p.open(t, e, alice)
	es := p.bank.epochs.byID[e.ID].es
	keys := p.bank.serial[serialKey{"op1", k.Header.Serial}].keys
	p.now = p.now.Add(EpochLife + time.Second)
	p.bank.Sweep()
	if !bytes.Equal(es.Reveal(), make([]byte, keyLen)) {
		t.Error("the epoch secret outlives its epoch")
	}
	p.now = p.now.Add(20 * time.Minute)
	p.bank.Sweep()
	if !bytes.Equal(keys.request.Reveal(), make([]byte, keyLen)) {
		t.Error("a dynamic key outlives its serial")
	}
}

// An error of a code that this version does not know is malformed, and never
// "no error of the link", which is how a missing code reads.
func TestUnknownErrorCodeIsMalformed(t *testing.T) {
	p := newPair(t)
	hello := p.gw.Hello()
	for _, c := range []Code{0, 10, 255} {
		var e *Error
		_, err := hello.Join(errorMessage(hello.Message, c, p.gw.StaticKey))
		if !errors.As(err, &e) || e.Code != Malformed || !e.FromPeer {
			t.Errorf("code %d reads as %v, want %v", byte(c), err, Malformed)
		}
	}
}

func TestPostFollowsNoRedirect(t *testing.T) {
	var elsewhere atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			elsewhere.Store(true)
			return
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	if _, err := Post(t.Context(), s.Client(), s.URL, PathOpen, []byte("x")); err == nil || elsewhere.Load() {
		t.Errorf("a redirect was followed: %v", err)
	}
}
