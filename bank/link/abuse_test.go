package link

import (
	"bytes"
	"crypto/subtle"
	"testing"
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
