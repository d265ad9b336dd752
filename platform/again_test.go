package platform

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"starhash/smpp/smsc"
)

// The same PDU comes again: while the first is under way, after it is done,
// after a restart, and to another gateway. Money moves once.
func TestRedelivered(t *testing.T) {
	t.Parallel()
	for name, marks := range map[string]smsc.MO{
		"user_message_reference": {TLVs: umr(7)},
		"no identity":            {},
		"long":                   {Split: "udh8", PartSize: 12},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			g := r.gateway(1, nil)
			held := make(chan struct{})
			r.middle.plays(once(func(request []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
				waitOr(held)
				return bank(request)
			}))
			m := marks
			m.From, m.Text, m.SystemID = tendai, sendFive, "gw1"
			first := r.mo(m)
			if !first.OK() {
				t.Fatalf("%+v", first)
			}
			r.becomes(Sent)
			r.redeliver(first) // in flight
			close(held)
			r.says(tendai, "done", "Balance USD 95.00")
			r.redeliver(first) // done
			g.end()
			g = r.gateway(1, nil)
			r.redeliver(first) // after a restart
			g.end()
			second := r.gateway(2, func(c *Config) { c.SMPP.Binds[0].SystemID = "gw1" })
			r.redeliver(first) // to another gateway
			r.settled()
			if n := len(r.transactions()); n != 1 {
				t.Errorf("%d transactions, want 1", n)
			}
			r.money(9500, 5500, 500)
			if name == "no identity" { // it may be a person: asked, each time
				for range 3 {
					r.says(tendai, "reply YES")
				}
			}
			r.nothingMore(tendai)
			if n := second.alarms(t); n != 0 {
				t.Errorf("%d alarms", n)
			}
		})
	}
}

// A person types the same text again: they are asked, and YES moves money once.
func TestSameTextAgain(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]struct{ first, second smsc.MO }{
		"another user_message_reference": {smsc.MO{TLVs: umr(1)}, smsc.MO{TLVs: umr(2)}},
		"another part reference":         {smsc.MO{Split: "udh8", PartSize: 12}, smsc.MO{Split: "udh8", PartSize: 12}},
		"no identity":                    {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.gateway(1, nil)
			send := func(m smsc.MO) smsc.MOResult {
				t.Helper()
				m.From, m.Text = tendai, sendFive
				res := r.mo(m)
				if !res.OK() {
					t.Fatalf("%+v", res)
				}
				return res
			}
			send(again.first)
			r.says(tendai, "done", "Balance USD 95.00")
			send(again.second)
			r.says(tendai, "Nothing more has moved", "reply YES")
			r.settled()
			r.money(9500, 5500, 500)

			yes := r.mo(smsc.MO{From: tendai, Text: "YES", TLVs: umr(3)})
			r.says(tendai, "done", "Balance USD 90.00")
			r.mo(smsc.MO{From: tendai, Text: "yes", TLVs: umr(4)}) // twice in a hurry: one answer is enough
			r.redeliver(yes)
			r.settled()
			r.money(9000, 6000, 500)
			r.sms(tendai, "NO") // too late
			r.says(tendai, "done: the money moved")

			// Asked once more. The old YES, delivered again, is no answer to that.
			third := again.second
			if third.TLVs != nil {
				third.TLVs = umr(6)
			}
			send(third)
			r.says(tendai, "reply YES")
			r.redeliver(yes)
			r.settled()
			r.money(9000, 6000, 500)

			r.sms(tendai, "NO")
			r.says(tendai, "Cancelled")
			r.mo(smsc.MO{From: tendai, Text: "YES", TLVs: umr(5)})
			r.settled()
			r.money(9000, 6000, 500)
		})
	}
}

// The first one was declined: what is asked does not say that money was sent.
func TestSameTextAfterDecline(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	const tooMuch = "SEND 5000 0771000002 1357"
	r.sms(tendai, tooMuch)
	r.says(tendai, "declined", "nothing moved")
	r.sms(tendai, tooMuch)
	r.says(tendai, "was declined; nothing moved", "reply YES")
	r.sms(tendai, "YES")
	r.says(tendai, "declined", "not enough money")
	r.settled()
	r.money(10000, 5000, 500)
}

// A YES that comes after the question's time, one to nothing, and a NO to nothing.
func TestQuestionOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, func(c *Config) { c.Limits.QuestionWait = 50 * time.Millisecond })
	r.sms(tendai, "YES")
	r.says(tendai, "nothing to confirm")
	r.sms(tendai, "NO")
	r.says(tendai, "nothing to confirm")
	r.sms(tendai, sendFive)
	r.says(tendai, "done")
	r.sms(tendai, sendFive)
	r.says(tendai, "reply YES")
	r.eventually("the question is over", func() bool {
		n, err := r.redis.Keys(t.Context(), "*:question:*").Result()
		return err == nil && len(n) == 0
	})
	r.sms(tendai, "YES")
	r.says(tendai, "nothing to confirm")
	r.nothingMore(tendai)
	r.money(9500, 5500, 500)
}

// YES is to the question that was read, not to one that took its place.
func TestYesToAnotherQuestion(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	r.sms(tendai, sendFive)
	r.says(tendai, "done")
	r.sms(tendai, sendFive)
	r.says(tendai, "reply YES")
	place := key(g.store.partition(tendai), "question", tendai)
	asked, err := r.redis.Get(t.Context(), place).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.redis.Set(t.Context(), place, "another", redis.KeepTTL).Err(); err != nil {
		t.Fatal(err)
	}
	in := &mo{msisdn: tendai, shortCode: shortCode, parts: key(g.store.partition(tendai), "parts", "none"), at: time.Now()}
	tx := &Transaction{ID: g.keys.TxID(), MSISDN: tendai, State: Accepted, imsi: imsiOf(1)}
	verdict, _, err := g.journal(t.Context(), in, tx, &body{}, []byte("YES"), "answer", asked)
	if err != nil || verdict != "gone" {
		t.Errorf("the journal said %q, %v; want gone", verdict, err)
	}
	if r.redis.Exists(t.Context(), place).Val() != 1 {
		t.Error("the question that nobody answered is gone")
	}
}

// A question about the same transfer while the first is in doubt is not asked:
// the subscriber is told to wait.
func TestSameTextInDoubt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, func(c *Config) { c.Bank.PendingAfter = 50 * time.Millisecond })
	r.middle.plays(onTransact(func(request []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
		_, _ = bank(request)
		return nil, errCut
	}))
	r.sms(tendai, sendFive)
	r.says(tendai, "pending")
	r.sms(tendai, sendFive)
	r.says(tendai, "still pending")
	r.middle.plays(nil)
	r.says(tendai, "done")
	r.nothingMore(tendai)
	r.money(9500, 5500, 500)
}

// A balance is told as often as it is asked for; a wrong PIN counts once for one
// message, however often it is delivered.
func TestBalanceAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	for range 2 {
		r.sms(tendai, "BAL 1357")
		r.says(tendai, "Balance USD 100.00")
	}
	marked := r.mo(smsc.MO{From: tendai, Text: "BAL 9999", TLVs: umr(9)})
	r.says(tendai, "Wrong PIN", "Tries left: 2")
	r.redeliver(marked)
	plain := r.sms(rudo, "BAL 9999")
	r.says(rudo, "Wrong PIN", "Tries left: 2")
	r.redeliver(plain)
	r.nothingMore(tendai, rudo)
	r.sms(tendai, "BAL 8888")
	r.says(tendai, "Tries left: 1")
	r.sms(rudo, "BAL 8888")
	r.says(rudo, "Tries left: 1")
}

// A PIN change that comes again is not done again; its answer is.
func TestPINChangeAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	res := r.sms(tendai, "PIN 1357 8642 8642")
	r.says(tendai, "Your PIN is changed")
	r.redeliver(res)
	r.says(tendai, "done", "no money was to move")
	r.nothingMore(tendai)
	if n := len(r.transactions()); n != 1 {
		t.Errorf("%d transactions, want 1", n)
	}
	r.sms(tendai, "BAL 8642")
	r.says(tendai, "Balance")
}

// Days change at midnight UTC, and with them the digest key.
func TestAgainTheDayAfter(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	marked := r.mo(smsc.MO{From: tendai, Text: sendFive, TLVs: umr(1)})
	r.says(tendai, "done")
	// Of the long message one part comes again after midnight, of the other all.
	long := r.mo(smsc.MO{From: rudo, Text: "SEND 1 0771000001 2468", Split: "udh8", PartSize: 12})
	r.mo(smsc.MO{From: farai, Text: "BAL ", TLVs: sar(5, 1, 2)})
	last := r.mo(smsc.MO{From: farai, Text: "1593", TLVs: sar(5, 2, 2)})
	r.says(farai, "Solde")
	r.says(rudo, "received")
	r.says(rudo, "done")
	r.says(tendai, "received")
	r.settled()
	g.keyring.mu.Lock()
	g.keyring.now = func() time.Time { return time.Now().Add(24 * time.Hour) }
	g.keyring.mu.Unlock()
	r.redeliver(marked)
	r.redeliver(long)
	r.redeliver(last)
	r.nothingMore(tendai, rudo, farai)
	if n := len(r.transactions()); n != 3 {
		t.Errorf("%d transactions, want 3", n)
	}
	if n := r.redis.ZCard(t.Context(), key(g.store.partition(farai), "partial")).Val(); n != 0 {
		t.Error("a part of a message that is done is taken for a new message, whose sender will be told that nothing moved")
	}
	r.money(9600, 5400, 500)
}

// A record that is gone before its digest would let a message be executed again:
// such a configuration is refused.
func TestRecordsOutliveDigests(t *testing.T) {
	var c Config
	c.SetDefaults()
	c.Limits.Keep, c.Limits.DedupeWindow = time.Hour, 2*time.Hour
	for _, p := range c.Validate() {
		if strings.Contains(p.Key, "limits.keep") {
			return
		}
	}
	t.Error("limits.keep below limits.dedupe_window is accepted")
}
