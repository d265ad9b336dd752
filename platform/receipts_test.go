package platform

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"starhash/smpp"
	"starhash/smpp/smsc"
)

// confirmation is what is known of a transaction's confirmation.
func (r *rig) confirmation(g *running, tx *Transaction) *Message {
	r.t.Helper()
	_, partition, _ := referencePartition(tx.Reference)
	m, err := g.store.message(r.t.Context(), partition, tx.Reference, "confirmation")
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// A receipt finds its confirmation however the SMSC spells the id, late, twice,
// by another bind, and after a restart.
func TestReceiptsFindTheirConfirmation(t *testing.T) {
	t.Parallel()
	spelled := func(c *Config) {
		c.SMPP.Binds[0].ResponseIDs, c.SMPP.Binds[0].ReceiptIDs = "hex", "decimal"
	}
	hex := withSMSC(func(c *smsc.Config) { c.MessageIDs, c.ReceiptIDs = "hex", "decimal" })
	for _, tc := range []struct {
		name   string
		smsc   rigOption
		change func(*Config)
		faults smsc.Faults
	}{
		{"hex in the response, decimal in the text alone", hex, spelled, smsc.Faults{BareReceipt: smsc.Always}},
		{"hex in the response and the parameter, decimal in the text", hex, spelled, smsc.Faults{}},
		{"twice", nil, nil, smsc.Faults{DuplicateReceipt: smsc.Always}},
		{"before its answer, in another spelling", hex, spelled, smsc.Faults{ReceiptFirst: smsc.Always, BareReceipt: smsc.Always}},
		{"after an intermediate notification", nil, nil, smsc.Faults{Intermediate: smsc.Always}},
		{"by the other bind to the same SMSC", nil, func(c *Config) {
			b := c.SMPP.Binds[0]
			c.SMPP.Binds[0].Bind = smpp.Transmitter
			b.Name, b.Bind = "receives", smpp.Receiver
			c.SMPP.Binds = append(c.SMPP.Binds, b)
		}, smsc.Faults{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var options []rigOption
			if tc.smsc != nil {
				options = append(options, tc.smsc)
			}
			r := newRig(t, options...)
			g := r.gateway(1, tc.change)
			r.faults(tc.faults)
			r.sms(tendai, sendFive)
			r.says(tendai, "done")
			r.eventually("the receipt is noted", func() bool { return r.only().Confirmed == "receipt DELIVRD" })
			if trace := r.traceOf(g, r.only().Reference); !strings.Contains(trace, "part 1 of 1 receipt DELIVRD") {
				t.Errorf("the trace does not show it:\n%s", trace)
			}
		})
	}
}

func TestReceiptAfterARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, withSMSC(func(c *smsc.Config) { c.ReceiptDelay = 1500 * time.Millisecond }))
	g := r.gateway(1, nil)
	r.sms(tendai, sendFive)
	r.says(tendai, "done")
	r.settled()
	tx := r.only()
	if trace := r.traceOf(g, tx.Reference); tx.Confirmed != "submitted" || !strings.Contains(trace, "no receipt yet") {
		t.Errorf("before the receipt: %q\n%s", tx.Confirmed, trace)
	}
	g.end()
	r.gateway(1, nil)
	r.eventually("the receipt is noted", func() bool { return r.only().Confirmed == "receipt DELIVRD" })
}

// What was sent again, because nobody knew whether the SMSC had it, is said to
// have been.
func TestUnknownOutcomeIsTraced(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, func(c *Config) { c.SMPP.Binds[0].ResponseTimeout = 300 * time.Millisecond })
	r.faults(smsc.Faults{NoResp: 1})
	r.sms(tendai, "BAL 1357") // one message, so that the fault hits its confirmation
	r.says(tendai, "Balance")
	r.settled()
	tx := r.only()
	if m, trace := r.confirmation(g, tx), r.traceOf(g, tx.Reference); m.Unknown != 1 || m.Attempts != 2 || !strings.Contains(trace, "may have it more than once") ||
		!strings.Contains(trace, "outcome unknown 1") {
		t.Errorf("%+v\n%s", m, trace)
	}
}

// Receipts that name nothing, and those of a stranger, are taken and forgotten.
func TestReceiptsOfNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	bind, m := g.binds[0].Config(), &smpp.Message{Source: smpp.Address{TON: 1, NPI: 1, Addr: tendai}}
	for _, rec := range []smpp.Receipt{{State: "DELIVRD"}, {MessageID: "77", TextID: "77", State: "DELIVRD"}, {MessageID: strings.Repeat("9", 64), State: "x y\nz"}} {
		if err := g.receipt(t.Context(), bind, m, rec); err != nil {
			t.Errorf("%+v: %v", rec, err)
		}
	}
	ttl, err := r.redis.TTL(t.Context(), g.store.receiptKey(tendai, bind.SMSC, "77")).Result()
	if err != nil || ttl <= 0 || ttl > receiptPark {
		t.Errorf("a stranger's receipt is kept for %s, %v", ttl, err)
	}
}

// A message that was cut up anew has other parts: receipts of those before say
// nothing of it.
func TestReceiptsOfPartsThatWereReplaced(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	r.faults(smsc.Faults{NoReceipt: smsc.Always})
	r.sms(tendai, sendFive)
	r.says(tendai, "done")
	r.settled()
	ref := r.only().Reference
	_, partition, _ := referencePartition(ref)
	record := &Message{Purpose: "confirmation", State: sentSubmitted, number: 7, Parts: []MessagePart{{ID: "a1", At: time.Now()}, {ID: "a2", At: time.Now()}}}
	note := func() {
		t.Helper()
		if _, err := r.redis.Pipelined(t.Context(), func(p redis.Pipeliner) error {
			record.write(t.Context(), p, messageKey(partition, ref, "confirmation"), time.Hour)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	delivered := func(part, number int) string {
		t.Helper()
		if err := g.applyReceipt(t.Context(), fmt.Sprintf("%s confirmation %d %d", ref, part, number), receiptNote{State: "DELIVRD"}); err != nil {
			t.Fatal(err)
		}
		return r.only().Confirmed
	}
	note()
	delivered(1, 7)
	record.number = 8 // by another bind, in other alphabets
	note()
	for _, step := range []struct {
		part, number int
		want         string
	}{{2, 8, "submitted"}, {2, 7, "submitted"}, {1, 8, "receipt DELIVRD"}} {
		if got := delivered(step.part, step.number); got != step.want {
			t.Errorf("after part %d of number %d: %q, want %q", step.part, step.number, got, step.want)
		}
	}
}

// The word about a message id is left again where the first answer of Redis was
// lost: the receipt that came before it is not.
func TestEarlyReceiptOutlivesARepeatedCommand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.open(1, nil)
	defer g.store.Close()
	bind := g.cfg.SMPP.Binds[0]
	m := &smpp.Message{Source: smpp.Address{TON: 1, NPI: 1, Addr: tendai}}
	if err := g.receipt(t.Context(), bind, m, smpp.Receipt{MessageID: "77", TextID: "77", State: "DELIVRD"}); err != nil {
		t.Fatal(err)
	}
	k := g.store.receiptKey(tendai, bind.SMSC, "77")
	for i := range 2 {
		got, err := awaitScript.Run(t.Context(), r.redis, []string{k, g.store.parkedKey(tendai), k + ":early"}, "REF confirmation 1 7", 60_000, 60_000).Text()
		if err != nil || !strings.Contains(got, "DELIVRD") {
			t.Errorf("call %d gives %q, %v", i+1, got, err)
		}
	}
}
