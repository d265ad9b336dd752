package platform

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"starhash/bank/link"
	"starhash/smpp/smsc"
)

// short are times in which a test can see a gateway give up.
func short(c *Config) {
	c.Bank.Timeout = 500 * time.Millisecond
	c.Bank.GiveUp, c.Bank.PendingAfter, c.Bank.Fresh = 400*time.Millisecond, 300*time.Millisecond, time.Minute
}

// silent executes and says nothing.
var silent = onTransact(func(request []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
	_, _ = bank(request)
	return nil, errCut
})

// deaf cuts the connection before the bank hears of the transaction.
var deaf = onTransact(func([]byte, func([]byte) ([]byte, error)) ([]byte, error) { return nil, errCut })

// Nobody listens where the bank should be: nothing moved, which is certain, and
// nothing is executed later.
func TestBankAway(t *testing.T) {
	t.Parallel()
	for _, prepared := range []bool{false, true} {
		t.Run(map[bool]string{false: "no key pending", true: "key pending"}[prepared], func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			g := r.gateway(1, short)
			if prepared {
				r.switchOn(g, tendai)
			}
			r.middle.away()
			r.sms(tendai, sendFive)
			r.says(tendai, "declined", "cannot be reached", "nothing moved")
			if tx := r.only(); tx.State != Declined || tx.Outcome != outcomeUnreachable || tx.Attempts != 0 {
				t.Errorf("the record says %+v", tx)
			}
			r.middle.back()
			r.sms(rudo, "BAL 2468") // the bank is reached again
			r.says(rudo, "Balance")
			r.nothingMore(tendai)
			r.nothingMoved()
			if n := len(r.middle.transacts()); n != 1 {
				t.Errorf("%d transactions reached the bank, want the balance alone", n)
			}
		})
	}
}

// The gateway was away for longer than it tries: what it finds in its journal it
// tries all the same, unless it is no longer fresh.
func TestGatewayWasAway(t *testing.T) {
	t.Parallel()
	for name, fresh := range map[string]time.Duration{"fresh": time.Minute, "old": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			g := r.open(1, nil)
			in := &mo{bind: "bind", msisdn: tendai, shortCode: shortCode, imsi: imsiOf(1), text: []byte(sendFive),
				parts: key(g.store.partition(tendai), "parts", "none"), at: time.Now()}
			if err := g.obey(t.Context(), in, []byte(sendFive)); err != nil {
				t.Fatal(err)
			}
			accepted := r.only().Accepted
			if err := g.store.Close(); err != nil { // killed
				t.Fatal(err)
			}
			r.eventually("the transaction is old", func() bool { return time.Since(accepted) > 60*time.Millisecond })
			r.gateway(1, func(c *Config) { c.Bank.GiveUp, c.Bank.Fresh = 50*time.Millisecond, fresh })
			if name == "old" {
				r.says(tendai, "declined", "nothing moved")
				r.nothingMoved()
				return
			}
			r.says(tendai, "done")
			r.money(9500, 5500, 500)
		})
	}
}

// The bank executes and its answers are lost: the subscriber reads "pending",
// once, and the verdict when it comes; never that nothing moved.
func TestBankSilent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, short)
	r.middle.plays(silent)
	r.sms(tendai, sendFive)
	text := r.says(tendai, "pending", "may or may not be done")
	ref, _, _ := strings.Cut(text, " ")
	r.becomes(InDoubt)
	n := len(r.middle.transacts())
	r.eventually("more is tried", func() bool { return len(r.middle.transacts()) > n+2 })
	r.sms(tendai, "STATUS "+ref)
	r.says(tendai, "pending")
	r.middle.plays(nil)
	r.says(tendai, "done", "USD 5.00")
	r.nothingMore(tendai)
	r.money(9500, 5500, 500)
	first := r.middle.transacts()[0].request
	for _, x := range r.middle.transacts() {
		if string(x.request) != string(first) {
			t.Fatal("other bytes under one serial")
		}
	}
}

// The bank was reached once and is then away for certain: that says nothing
// about the first time.
func TestSilentThenAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, short)
	r.middle.plays(silent)
	r.sms(tendai, sendFive)
	r.becomes(Sent)
	r.eventually("the bank has it", func() bool { return len(r.middle.transacts()) > 0 })
	r.middle.away()
	r.says(tendai, "pending")
	tx := r.becomes(InDoubt)
	r.eventually("longer than it gives up after", func() bool { return time.Since(tx.Accepted) > 3*400*time.Millisecond })
	if tx := r.only(); tx.State != InDoubt || tx.Attempts < 1 {
		t.Fatalf("silence was taken for an answer: %+v", tx)
	}
	r.middle.back()
	r.middle.plays(nil)
	r.says(tendai, "done")
	r.nothingMore(tendai)
	r.money(9500, 5500, 500)
}

// Older than fresh: it is no longer sent but asked about, which settles it for
// ever, one way or the other.
func TestInquiry(t *testing.T) {
	t.Parallel()
	old := func(c *Config) { short(c); c.Bank.Fresh = 600 * time.Millisecond }
	t.Run("never heard of", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.gateway(1, old)
		r.middle.plays(deaf)
		r.sms(tendai, sendFive)
		r.says(tendai, "pending")
		tx := r.becomes(InDoubt)
		r.eventually("no longer fresh", func() bool { return time.Since(tx.Accepted) > 700*time.Millisecond })
		late := r.middle.transacts()[0].request
		r.middle.plays(nil)
		r.says(tendai, "declined", "It was not done and will not be")
		r.nothingMore(tendai)
		// Its first message turns up at the bank after all.
		if _, err := r.middle.post(t.Context(), link.PathTransact, late); err != nil {
			t.Fatal(err)
		}
		r.nothingMoved()
	})
	t.Run("executed", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.gateway(1, old)
		r.middle.plays(silent)
		r.sms(tendai, sendFive)
		r.says(tendai, "pending")
		tx := r.becomes(InDoubt)
		r.eventually("no longer fresh", func() bool { return time.Since(tx.Accepted) > 700*time.Millisecond })
		r.middle.plays(nil)
		r.says(tendai, "done", "USD 5.00")
		r.nothingMore(tendai)
		r.money(9500, 5500, 500)
	})
}

// Asked about when the bank opens nothing more for its subscriber: the verdict
// comes all the same, and it is the true one.
func TestInquiryForBlocked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trick trick
		want  []string
		moved int64
	}{
		"executed":       {silent, []string{"done", "USD 5.00"}, 500},
		"never heard of": {deaf, []string{"declined", "blocked", "nothing moved"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.gateway(1, func(c *Config) { short(c); c.Bank.Fresh = 600 * time.Millisecond })
			r.middle.plays(c.trick)
			r.sms(tendai, sendFive)
			r.says(tendai, "pending")
			tx := r.becomes(InDoubt)
			if err := r.bank.Accounts().SetBlocked(t.Context(), tendai, true); err != nil {
				t.Fatal(err)
			}
			r.eventually("no longer fresh", func() bool { return time.Since(tx.Accepted) > 700*time.Millisecond })
			r.middle.plays(nil)
			r.says(tendai, c.want...)
			r.nothingMore(tendai)
			r.money(10000-c.moved, 5000+c.moved, 500)
		})
	}
}

// The bank's own refusal of the message: it did not execute it, but whether an
// earlier sending was executed only an inquiry tells.
func TestRefusedMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	r.middle.plays(once(func(request []byte, _ func([]byte) ([]byte, error)) ([]byte, error) {
		return r.refusal(request, link.BadSeal), nil
	}))
	r.sms(tendai, sendFive)
	r.says(tendai, "declined", "nothing moved")
	r.nothingMore(tendai)
	r.nothingMoved()
	if n := g.alarms(t); n != 1 {
		t.Errorf("%d alarms, want 1", n)
	}
}

// Whatever else an answer is, it is no verdict: the same bytes again.
func TestNoVerdict(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	answers := [][]byte{nil, {}, []byte("<html>welcome to the hotel</html>"), make([]byte, 600)}
	n := 0
	r.middle.plays(onTransact(func(request []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
		n++ // the gateway sends one after the other
		switch {
		case n <= len(answers):
			return answers[n-1], nil
		case n == len(answers)+1:
			return r.refusal(request, link.Busy), nil
		}
		return bank(request)
	}))
	r.sms(tendai, sendFive)
	r.says(tendai, "done")
	r.nothingMore(tendai)
	r.money(9500, 5500, 500)
}

// Two gateways share a Redis. One dies with a transaction in hand; the other
// takes it over and ends it.
func TestGatewayDies(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	quick := func(c *Config) { short(c); c.Bank.PendingAfter = time.Minute; c.Limits.Lease = 600 * time.Millisecond }
	first := r.gateway(1, quick)
	r.middle.plays(silent)
	if res := r.mo(smsc.MO{From: tendai, Text: sendFive, SystemID: "gw1"}); !res.OK() {
		t.Fatalf("%+v", res)
	}
	r.eventually("the bank has it", func() bool { return len(r.middle.transacts()) > 0 })
	first.store.redis.Close() // no more than a process that is gone can it renew
	r.middle.plays(nil)
	r.gateway(2, quick)
	r.says(tendai, "done")
	r.nothingMore(tendai)
	r.money(9500, 5500, 500)
}

// A pause grows, has a bound, and ends with its context.
func TestPause(t *testing.T) {
	p := newPause(time.Millisecond, 4*time.Millisecond)
	for _, want := range []time.Duration{2, 4, 4} {
		if err := p.next(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p.now != want*time.Millisecond {
			t.Errorf("the next pause is %v, want %v ms", p.now, int(want))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newPause(time.Hour, time.Hour).next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
