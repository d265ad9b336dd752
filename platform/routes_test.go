package platform

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"starhash/configs/secret"
	"starhash/smpp"
	"starhash/smpp/smsc"
)

// secondSMSC is another SMSC with the same phones.
func (r *rig) secondSMSC() (*smsc.SMSC, *smsc.Client) {
	r.t.Helper()
	cfg := smsc.Config{Listen: "127.0.0.1:0", HTTP: "127.0.0.1:0", SystemID: "gw1", Password: secret.New([]byte("pw")), Seed: 2}
	cfg.SetDefaults()
	s := smsc.New(cfg, r.logger("second smsc"))
	if err := s.Listen(); err != nil {
		r.t.Fatal(err)
	}
	r.runs(s.Run)
	return s, &smsc.Client{BaseURL: "http://" + s.HTTPAddr()}
}

func twoBinds(address string, reaches ...string) func(*Config) {
	return func(c *Config) {
		other := c.SMPP.Binds[0]
		other.Name, other.Address, other.Reaches = "other", address, reaches
		c.SMPP.Binds = append(c.SMPP.Binds, other)
	}
}

// doneWhileDown takes the first SMSC's bind away while the sender's transaction
// is at the bank, and returns when it is done.
func (r *rig) doneWhileDown(g *running, from, text string) *Transaction {
	r.t.Helper()
	before := len(r.transactions())
	held := make(chan struct{})
	r.middle.plays(once(func(request []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
		waitOr(held)
		return bank(request)
	}))
	r.sms(from, text)
	r.faults(smsc.Faults{BindStatus: "ESME_RBINDFAIL"})
	if _, err := r.phones.Drop(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.eventually("the bind is lost", func() bool { return !g.binds[0].CanSubmit() })
	close(held)
	var tx *Transaction
	r.eventually("done", func() bool {
		all := r.transactions()
		for _, t := range all {
			if t.State == Done {
				tx = t
			}
		}
		return len(all) == before+1 && tx != nil
	})
	return tx
}

// While the bind that a message came in on is down its confirmation takes
// another; when it is back, it is used again.
func TestOtherBind(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	second, phones := r.secondSMSC()
	g := r.gateway(1, twoBinds(second.Addr()))
	tx := r.doneWhileDown(g, tendai, "BAL 1357")
	ms, err := phones.Inbox(t.Context(), tendai, 0, patience)
	if err != nil || len(ms) != 1 || !strings.Contains(ms[0].Text, "Balance") {
		t.Fatalf("by the other bind: %+v, %v", ms, err)
	}
	r.settled()
	if trace := r.traceOf(g, tx.Reference); !strings.Contains(trace, "submitted on other as") {
		t.Errorf("trace:\n%s", trace)
	}
	r.faults(smsc.Faults{})
	r.bound(g)
	for range 4 {
		r.sms(rudo, "BAL 2468")
		r.says(rudo, "Balance")
	}
	if ms, err := phones.Inbox(t.Context(), rudo, 0, time.Millisecond); err != nil || len(ms) != 0 {
		t.Errorf("also by the other bind: %+v, %v", ms, err)
	}
}

// A bind whose prefixes do not reach the number is no way out. The message waits
// beside the outbox, where it holds up nobody, and leaves when its bind is back.
func TestReachesNot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	second, phones := r.secondSMSC()
	g := r.gateway(1, twoBinds(second.Addr(), "26378"))
	tx := r.doneWhileDown(g, tendai, "BAL 1357")
	later := key(g.store.partition(tendai), "later")
	r.eventually("the message makes room", func() bool {
		return r.redis.ZCard(t.Context(), later).Val() == 1 && g.inHand.len() == 0
	})
	if trace := r.traceOf(g, tx.Reference); !strings.Contains(trace, "no bind that reaches the number is up") {
		t.Errorf("trace:\n%s", trace)
	}
	r.faults(smsc.Faults{})
	r.says(tendai, "Balance")
	r.nothingMore(tendai)
	if ms, err := phones.Inbox(t.Context(), tendai, 0, time.Millisecond); err != nil || len(ms) != 0 {
		t.Errorf("by a bind that does not reach it: %+v, %v", ms, err)
	}
}

func TestPick(t *testing.T) {
	r := newRoutes([]*smpp.ESME{
		smpp.NewESME(smpp.BindConfig{Name: "a", Address: "127.0.0.1:1", Reaches: []string{"26377"}}, slog.New(slog.DiscardHandler), nil),
		smpp.NewESME(smpp.BindConfig{Name: "in", Address: "127.0.0.1:1", Bind: smpp.Receiver}, slog.New(slog.DiscardHandler), nil),
	})
	for _, tc := range []struct {
		e    outboxEntry
		able bool
	}{
		{outboxEntry{To: tendai, Purpose: "answer"}, true},
		{outboxEntry{To: "263781000001", Purpose: "answer"}, false},
		{outboxEntry{To: "263781000001", Purpose: "answer", Bind: "a"}, true},
		{outboxEntry{To: "263781000001", Purpose: "notice", Bind: "a"}, false},
		{outboxEntry{To: "263781000001", Purpose: "answer", Bind: "in"}, false},
	} {
		if way, able := r.pick(&tc.e); way != nil || able != tc.able {
			t.Errorf("%+v: %v %v", tc.e, way, able)
		}
	}
	if len(r.all) != 1 || r.each != streamInHand {
		t.Errorf("%d routes of %d places", len(r.all), r.each)
	}
}

// The SMSC takes nothing for longer than the message is worth sending.
func TestValidityOver(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]smsc.Faults{"refused for now": {SubmitStatus: "ESME_RMSGQFUL"}, "no answer": {NoResp: smsc.Always}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			g := r.gateway(1, func(c *Config) {
				c.Limits.ConfirmFor = 1500 * time.Millisecond
				c.SMPP.Binds[0].ResponseTimeout = 300 * time.Millisecond
			})
			r.faults(f)
			r.sms(tendai, "BAL 1357")
			r.eventually("it is given up", func() bool { return r.becomes(Done).Confirmed == "validity over" })
			r.settled()
			trace := r.traceOf(g, r.only().Reference)
			want := []string{"validity over", "refused"}
			if name == "no answer" {
				want = []string{"validity over", "outcome unknown", "may have it more than once"}
			}
			for _, w := range want {
				if !strings.Contains(trace, w) {
					t.Errorf("no %q in\n%s", w, trace)
				}
			}
		})
	}
}

func (r *rig) traceOf(g *running, ref string) string {
	r.t.Helper()
	ms, err := g.store.Messages(r.t.Context(), ref)
	if err != nil {
		r.t.Fatal(err)
	}
	var lines []string
	for _, m := range ms {
		lines = append(lines, m.Trace(time.Now())...)
	}
	return strings.Join(lines, "\n")
}

// submitted puts a message into the outbox and waits until the SMSC has it.
func (r *rig) submitted(g *running, e outboxEntry) *Message {
	r.t.Helper()
	fields, err := g.entry(e)
	if err != nil {
		r.t.Fatal(err)
	}
	p := g.store.partition(e.To)
	if err := r.redis.XAdd(r.t.Context(), &redis.XAddArgs{Stream: key(p, "outbox"), Values: fields}).Err(); err != nil {
		r.t.Fatal(err)
	}
	r.settled()
	_, partition, _ := referencePartition(e.Reference)
	m, err := g.store.message(r.t.Context(), partition, e.Reference, e.Purpose)
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// tell sends a receipt's text with a message type, to an account.
func (r *rig) tell(class byte, account, format string, args ...any) {
	r.t.Helper()
	if res := r.mo(smsc.MO{From: tendai, Text: fmt.Sprintf(format, args...), ESMClass: class, SystemID: account}); !res.OK() {
		r.t.Fatalf("a receipt was not acknowledged: %+v", res.Parts)
	}
}

// Receipts find their part whatever comes between: a restart, another bind,
// spelling, order, repetition.
func TestReceiptsOfParts(t *testing.T) {
	t.Parallel()
	r := newRig(t, withSMSC(func(c *smsc.Config) { c.MessageIDs = "hex" }))
	spelled := func(c *Config) {
		c.SMPP.Binds[0].ResponseIDs, c.SMPP.Binds[0].ReceiptIDs = "hex", "decimal"
		other := c.SMPP.Binds[0]
		other.Name, other.SystemID = "other", "gw2"
		c.SMPP.Binds = append(c.SMPP.Binds, other)
	}
	g := r.gateway(1, spelled)
	r.faults(smsc.Faults{NoReceipt: smsc.Always})
	p := g.store.partition(tendai)
	ref := newReference(p)
	m := r.submitted(g, outboxEntry{To: tendai, Bind: "bind", Reference: ref, Purpose: "notice", Text: strings.Repeat("0123456789", 40)})
	if len(m.Parts) != 3 || m.State != sentSubmitted || m.Attempts != 3 {
		t.Fatalf("%+v", m)
	}
	if trace := r.traceOf(g, ref); strings.Count(trace, "no receipt yet") != 3 {
		t.Errorf("trace:\n%s", trace)
	}
	decimal := func(i int) string {
		c := g.binds[0].Config()
		return "000" + c.ResponseID(m.Parts[i].ID)
	}
	r.tell(0x04, "gw1", "id:%s stat:DELIVRD err:000", decimal(0))
	g.end()
	g = r.gateway(1, spelled)
	r.tell(0x20, "gw1", "id:%s stat:ENROUTE err:011", decimal(1))
	if trace := r.traceOf(g, ref); !strings.Contains(trace, "part 2 of 3 so far ENROUTE") {
		t.Errorf("trace:\n%s", trace)
	}
	r.tell(0x04, "gw2", "id:%s stat:EXPIRED err:0x1B done date:2601021505", decimal(1))
	r.tell(0x04, "gw1", "id:%s stat:EXPIRED err:099", decimal(1))
	r.tell(0x04, "gw1", "id:%s stat:BUFFERED err:001", decimal(2))
	trace := r.traceOf(g, ref)
	for _, w := range []string{`part 1 of 3 receipt DELIVRD, err "000"`, `part 2 of 3 receipt EXPIRED, err "0x1B", done "2601021505", on other`, `part 3 of 3 receipt "BUFFERED"`} {
		if !strings.Contains(trace, w) {
			t.Errorf("no %q in\n%s", w, trace)
		}
	}
	m, _ = g.store.message(t.Context(), p, ref, "notice")
	m.Parts[2].Receipt = nil
	if late := strings.Join(m.Trace(time.Now().Add(72*time.Hour)), "\n"); !strings.Contains(late, "part 3 of 3 no receipt in time") {
		t.Errorf("trace:\n%s", late)
	}
}

// What is no ordinary message is nobody's order, whatever it says.
func TestSpecialTypes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	for _, class := range []byte{0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x20, 0x3C} {
		r.tell(class, "", sendFive)
	}
	r.nothingMore(tendai)
	if n := len(r.transactions()); n != 0 {
		t.Errorf("%d transactions", n)
	}
	if n := g.metric(t, "starhash_mo_special_total"); n != 8 {
		t.Errorf("%v counted", n)
	}
	r.nothingMoved()
}

// Receipts for messages that are not ours take bounded room.
func TestReceiptFlood(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.open(1, nil)
	defer g.store.Close()
	m := &smpp.Message{Source: smpp.Address{TON: 1, NPI: 1, Addr: tendai}}
	for i := range receiptsHeld + 50 {
		err := g.receipt(t.Context(), g.binds[0].Config(), m, smpp.Receipt{MessageID: fmt.Sprint(i), State: "DELIVRD"})
		if err != nil {
			t.Fatal(err)
		}
	}
	keys, err := r.redis.Keys(context.Background(), "{p*}:receipt:*").Result()
	if err != nil || len(keys) != receiptsHeld {
		t.Errorf("%d parked, want %d; %v", len(keys), receiptsHeld, err)
	}
}

// The SMSC is told until when a message is worth delivering: one that is not told
// goes by its own idea of it, a second here.
func TestValidityPeriodIsSent(t *testing.T) {
	t.Parallel()
	r := newRig(t, withSMSC(func(c *smsc.Config) { c.Validity = time.Second }))
	g := r.gateway(1, func(c *Config) {
		b := c.SMPP.Binds[0]
		b.Name, b.SystemID, b.ValidityPeriod = "untold", "gw2", "none"
		c.SMPP.Binds = append(c.SMPP.Binds, b)
	})
	if err := r.phones.SetOff(t.Context(), tendai, true); err != nil {
		t.Fatal(err)
	}
	r.mo(smsc.MO{From: tendai, Text: "BAL 1357", SystemID: "gw1"})
	r.mo(smsc.MO{From: tendai, Text: "MINI 1357", SystemID: "gw2"})
	confirmed := func(bind string) string {
		for _, tx := range r.transactions() {
			if m := r.confirmation(g, tx); len(m.Parts) > 0 && m.Parts[0].Bind == bind {
				return tx.Confirmed
			}
		}
		return ""
	}
	r.eventually("the one without validity_period expires", func() bool { return confirmed("untold") == "receipt EXPIRED" })
	if err := r.phones.SetOff(t.Context(), tendai, false); err != nil {
		t.Fatal(err)
	}
	r.says(tendai, "Balance")
	r.eventually("the other is delivered", func() bool { return confirmed("bind") == "receipt DELIVRD" })
	r.nothingMore(tendai)
}
