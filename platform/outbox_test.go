package platform

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"starhash/smpp/smsc"
)

func (r *rig) faults(f smsc.Faults) {
	r.t.Helper()
	if err := r.phones.SetFaults(r.t.Context(), f); err != nil {
		r.t.Fatal(err)
	}
}

// The confirmation reaches the phone whatever the SMSC does to it for a while.
func TestConfirmationKept(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]smsc.Faults{
		"throttled":             {Throttle: 3},
		"cut, outcome unknown":  {DropAfterSubmit: 1},
		"no answer":             {NoResp: 1},
		"cut after the message": {DropAfterMO: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.gateway(1, func(c *Config) { c.SMPP.Binds[0].ResponseTimeout = 300 * time.Millisecond })
			r.faults(f)
			r.sms(tendai, sendFive)
			r.says(tendai, "done", "USD 5.00")
			r.settled()
			// Twice it may come, when nobody knows whether it came.
			if m, ok := r.inbox(tendai, time.Millisecond); ok && !strings.Contains(m.Text, "done") {
				t.Errorf("and then %q", m.Text)
			}
			r.money(9500, 5500, 500)
		})
	}
}

// A status that lasts: the message waits in the outbox, also over a restart, and
// goes when the SMSC takes it.
func TestConfirmationWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	r.faults(smsc.Faults{SubmitStatus: "ESME_RMSGQFUL"})
	r.sms(tendai, sendFive)
	r.becomes(Done)
	g.end() // it drains in vain, and leaves it
	if m, ok := r.inbox(tendai, time.Millisecond); ok {
		t.Fatalf("%q came through", m.Text)
	}
	r.faults(smsc.Faults{})
	r.gateway(1, nil)
	r.says(tendai, "done", "USD 5.00")
	r.says(rudo, "received")
	r.nothingMore(tendai, rudo)
	r.money(9500, 5500, 500)
}

// No bind: the same.
func TestConfirmationWithoutBind(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	held := make(chan struct{})
	r.middle.plays(once(func(request []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
		waitOr(held)
		return bank(request)
	}))
	r.sms(tendai, sendFive)
	r.faults(smsc.Faults{BindStatus: "ESME_RBINDFAIL"})
	if _, err := r.phones.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(held)
	r.becomes(Done)
	r.faults(smsc.Faults{})
	r.says(tendai, "done", "USD 5.00")
	r.nothingMore(tendai)
}

// A refusal for good ends the confirmation and not the transaction, and says so.
func TestConfirmationRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	r.faults(smsc.Faults{SubmitStatus: "ESME_RINVDSTADR"})
	r.sms(tendai, sendFive)
	r.becomes(Done)
	r.settled()
	if tx := r.only(); tx.Confirmed != "refused by the SMSC" || tx.State != Done {
		t.Errorf("the record says %q, %s", tx.Confirmed, tx.State)
	}
	if n := g.metric(t, "starhash_mt_messages_total"); n != 2 {
		t.Errorf("%v messages counted, want confirmation and notice", n)
	}
	// STATUS tells what the confirmation did not.
	r.faults(smsc.Faults{})
	ref := r.only().Reference
	r.sms(tendai, "STATUS "+ref)
	r.says(tendai, ref, "done: the money moved")
}

// A receipt says what became of the confirmation; of the transaction it says
// nothing. It may come before the answer that names its message.
func TestReceipts(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]smsc.Faults{
		"DELIVRD": {},
		"UNDELIV": {ReceiptState: "UNDELIV"},
		"REJECTD": {ReceiptState: "REJECTD", ReceiptFirst: smsc.Always},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.gateway(1, nil)
			r.faults(f)
			r.sms(tendai, sendFive)
			r.says(tendai, "done")
			r.eventually("the receipt is noted", func() bool { return r.only().Confirmed == "receipt "+name })
			if tx := r.only(); tx.State != Done || tx.Outcome != "done" {
				t.Errorf("the transaction is now %s, %s", tx.State, tx.Outcome)
			}
			r.money(9500, 5500, 500)
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.gateway(1, nil)
		r.faults(smsc.Faults{NoReceipt: smsc.Always})
		r.sms(tendai, sendFive)
		r.says(tendai, "done")
		r.settled()
		if tx := r.only(); tx.Confirmed != "submitted" {
			t.Errorf("confirmed: %q", tx.Confirmed)
		}
	})
}

// "Pending" waits for the SMSC while the verdict comes: it is no longer true and
// is not sent after it.
func TestPendingOvertaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, short)
	r.middle.plays(silent)
	r.faults(smsc.Faults{SubmitStatus: "ESME_RMSGQFUL"})
	r.sms(tendai, sendFive)
	r.becomes(InDoubt)
	r.middle.plays(nil)
	r.becomes(Done)
	r.faults(smsc.Faults{})
	r.says(tendai, "done")
	r.nothingMore(tendai)
}

// The SMSC has the message just as the gateway is told to end: the entry goes
// all the same, and is not sent again by the next.
func TestSentAtTheEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.open(1, nil)
	defer g.store.Close()
	outbox := key(2, "outbox")
	id, err := r.redis.XAdd(t.Context(), &redis.XAddArgs{Stream: outbox, Values: []any{"purpose", "answer"}}).Result()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.sent(ctx, 2, id, outboxEntry{Purpose: "answer"}, "submitted", nil)
	if n := r.redis.XLen(t.Context(), outbox).Val(); n != 0 {
		t.Error("the entry is still there")
	}
}

// A damaged entry is set aside; the next one goes out.
func TestOutboxDamaged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	p := g.store.partition(tendai)
	for _, values := range [][]any{{"nonsense", "1"}, {"to", tendai, "purpose", "answer", "ref", "", "message", "not wrapped"}} {
		if err := r.redis.Do(t.Context(), append([]any{"XADD", key(p, "outbox"), "*"}, values...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.redis.Do(t.Context(), "XADD", key(p, "journal"), "*", "ref", "NOSUCH00").Err(); err != nil {
		t.Fatal(err)
	}
	r.sms(tendai, "BAL 1357")
	r.says(tendai, "Balance")
	r.nothingMore(tendai)
}

// loses takes the first SMSC away from its binds, and gives it back.
func (r *rig) loses(g *running) (back func()) {
	r.t.Helper()
	r.faults(smsc.Faults{BindStatus: "ESME_RBINDFAIL"})
	if _, err := r.phones.Drop(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.eventually("the first bind is down", func() bool { return !g.binds[0].CanSubmit() })
	return func() {
		r.t.Helper()
		r.faults(smsc.Faults{})
		r.bound(g)
	}
}

// writes puts an answer into the outbox.
func (r *rig) writes(g *running, to, text string) {
	r.t.Helper()
	entry, err := g.entry(outboxEntry{To: to, Purpose: "answer", Bind: "bind", Text: text})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.redis.XAdd(r.t.Context(), &redis.XAddArgs{Stream: key(g.store.partition(to), "outbox"), Values: entry}).Err(); err != nil {
		r.t.Fatal(err)
	}
}

// The messages of one subscriber arrive in the order in which they were written,
// whatever happens to them on the way.
func TestOrderOfOneSubscriber(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	r.faults(smsc.Faults{SubmitStatus: "ESME_RTHROTTLED"})
	words := []string{"first", "second", "third", "fourth", "fifth"}
	for _, w := range words {
		r.writes(g, tendai, w)
	}
	r.eventually("all are in hand, or beside", func() bool {
		p := g.store.partition(tendai)
		later := r.redis.ZCard(t.Context(), key(p, "later")).Val()
		return g.inHand.len()+int(later) == len(words)
	})
	r.faults(smsc.Faults{})
	for _, w := range words {
		r.says(tendai, w)
	}
}

// Messages that get nowhere make room for those that can leave, and go when they
// can.
func TestACrowdForADeadBindDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	second, phones := r.secondSMSC()
	g := r.gateway(1, func(c *Config) {
		twoBinds(second.Addr(), "263772")(c)
		c.SMPP.Binds[0].Reaches = []string{"263771"}
	})
	back := r.loses(g)
	crowd := []string{tendai, rudo, farai, "263771000011", "263771000012", "263771000013", "263771000014", "263771000015"}
	for _, to := range crowd {
		r.writes(g, to, "waits for the first")
	}
	r.eventually("nothing is in hand", func() bool {
		n := 0
		for p := range 4 {
			n += int(r.redis.ZCard(t.Context(), key(p, "later")).Val())
		}
		return n == len(crowd) && g.inHand.len() == 0
	})
	r.writes(g, "263772000001", "leaves by the second")
	ms, err := phones.Inbox(t.Context(), "263772000001", 0, patience)
	if err != nil || len(ms) != 1 || ms[0].Text != "leaves by the second" {
		t.Fatalf("at the second SMSC: %+v, %v", ms, err)
	}
	back()
	for _, to := range crowd {
		r.says(to, "waits for the first")
	}
}

// What a gateway has read when it is told to stop is worked on while it drains:
// in Redis nobody else would take it before the lease ends.
func TestReadAtTheEnd(t *testing.T) {
	t.Parallel()
	worked := make(chan string, 100)
	s := &stream{g: &Gateway{}, key: "k", slots: make(chan struct{}, 100), work: func(_ context.Context, m redis.XMessage) { worked <- m.ID }}
	reading, stop := context.WithCancel(t.Context())
	stop()
	s.g.cfg.Limits.Lease = time.Minute
	for i := range 100 {
		if !s.begin(reading, t.Context(), redis.XMessage{ID: strconv.Itoa(i)}) {
			t.Fatal("left lying, with a free place")
		}
	}
	s.running.Wait()
	if len(worked) != 100 {
		t.Errorf("%d of 100 worked on", len(worked))
	}
}
