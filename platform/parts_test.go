package platform

import (
	"context"
	"strings"
	"testing"
	"time"

	"starhash/smpp/smsc"
)

// A long message is one message, in whatever order its parts come, however
// often, and by whatever way they are numbered.
func TestLongMessage(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]smsc.MO{
		"udh8":              {Split: "udh8"},
		"udh16, reversed":   {Split: "udh16", Order: []int{4, 3, 2, 1}},
		"sar, out of order": {Split: "sar", Order: []int{2, 4, 1, 3}},
		"parts repeated":    {Split: "udh8", Order: []int{1, 1, 3, 3, 2, 1, 4, 4, 2, 3}},
		"ucs2":              {Split: "udh8", Coding: "ucs2", PartSize: 12, Order: []int{3, 1, 2, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.gateway(1, nil)
			m := m
			m.From, m.Text = tendai, sendFive
			if m.PartSize == 0 {
				m.PartSize = 6
			}
			res := r.mo(m)
			if !res.OK() {
				t.Fatalf("%+v", res)
			}
			r.says(tendai, "done", "USD 5.00")
			r.redeliver(res) // all parts of a message that is done
			r.nothingMore(tendai)
			r.money(9500, 5500, 500)
			if n := len(r.transactions()); n != 1 {
				t.Errorf("%d transactions", n)
			}
			// In Redis nothing is left of the parts but their digests.
			for _, k := range r.redis.Keys(t.Context(), "*:parts:*").Val() {
				for field := range r.redis.HGetAll(t.Context(), k).Val() {
					if strings.HasPrefix(field, "p") {
						t.Errorf("%s still holds part %s", k, field[1:])
					}
				}
			}
		})
	}
}

// The parts go to two gateways.
func TestPartsAtTwoGateways(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	r.gateway(2, func(c *Config) { c.SMPP.Binds[0].SystemID = "gw1" })
	// The SMSC spreads its messages over the receivers of one account.
	for i := range 4 {
		res := r.mo(smsc.MO{From: tendai, Text: []string{"SEND 1 0771000002 1357", "SEND 2 0771000002 1357", "SEND 3 0771000002 1357", "SEND 4 0771000002 1357"}[i],
			Split: "udh16", PartSize: 4})
		if !res.OK() {
			t.Fatalf("%+v", res)
		}
		r.says(tendai, "done")
	}
	r.nothingMore(tendai)
	r.money(9000, 6000, 500)
}

// A part is missing: the sender is told, once, that nothing moved, also when two
// gateways look. The part that comes then moves nothing.
func TestPartMissing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	wait := func(c *Config) { c.Limits.PartsWait = time.Millisecond }
	g := r.open(1, wait)
	h := r.open(2, wait)
	defer h.store.Close()
	one := &running{Gateway: g}
	one.end = r.runs(g.Run)
	r.bound(one)
	res := r.mo(smsc.MO{From: tendai, Text: sendFive, Split: "udh8", PartSize: 6, Order: []int{1, 2, 4}})
	if !res.OK() {
		t.Fatalf("%+v", res)
	}
	p := g.store.partition(tendai)
	r.eventually("overdue", func() bool {
		for _, each := range []*Gateway{g, h} {
			if err := each.overdue(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		return r.redis.ZCard(t.Context(), key(p, "partial")).Val() == 0
	})
	r.says(tendai, "Only a part of your message arrived; nothing moved")
	r.nothingMore(tendai)
	r.nothingMoved()
	if n := len(r.transactions()); n != 0 {
		t.Errorf("%d transactions", n)
	}
}

// The last part comes just when another gateway looks for what is overdue: the
// sender is not told that nothing moved while the money moves.
func TestLastPartAtTheDeadline(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	r.mo(smsc.MO{From: tendai, Text: sendFive, Split: "udh8", PartSize: 6})
	r.says(tendai, "done")
	// It had seen the member before it was taken off.
	p := g.store.partition(tendai)
	member := ""
	for _, k := range r.redis.Keys(t.Context(), "*:parts:*").Val() {
		_, member, _ = strings.Cut(k, ":parts:")
	}
	in := mo{msisdn: tendai, shortCode: shortCode, parts: key(p, "parts", member)}
	if err := g.sayIfDue(t.Context(), &in, "en", TextPartsMissing, nil, member); err != nil {
		t.Fatal(err)
	}
	r.nothingMore(tendai)
}

// sar numbers a part.
func sar(ref, seq, total byte) []smsc.TLV {
	return []smsc.TLV{{Tag: 0x020C, Value: []byte{0, ref}}, {Tag: 0x020E, Value: []byte{total}}, {Tag: 0x020F, Value: []byte{seq}}}
}

// The handset uses a reference number again: for another message it is a new
// one, whether the old one was done or not.
func TestPartReferenceAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	part := func(n byte, text string) {
		t.Helper()
		if res := r.mo(smsc.MO{From: tendai, Text: text, TLVs: sar(9, n, 3)}); !res.OK() {
			t.Fatalf("%+v", res)
		}
	}
	part(1, "SEND 1 ")
	part(2, "0771000002 ")
	part(3, "1357")
	r.says(tendai, "USD 1.00")
	part(1, "SEND 2 ")
	part(2, "0771000002 ")
	part(3, "1357")
	r.says(tendai, "USD 2.00")
	part(1, "SEND 3 ") // its last part never comes
	part(2, "0771000003 ")
	part(1, "SEND 4 ") // and its second is no part of this one
	part(3, "1357")
	part(2, "0771000002 ")
	r.says(tendai, "USD 4.00")
	r.nothingMore(tendai, farai)
	r.money(9300, 5700, 500)
}

// A part with numbers that cannot be is answered, and the bind lives.
func TestPartImpossible(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	for _, tlvs := range [][]smsc.TLV{sar(1, 5, 2), sar(1, 0, 2), sar(1, 1, 0), sar(1, 1, 2)[:2]} {
		if res := r.mo(smsc.MO{From: tendai, Text: sendFive, TLVs: tlvs}); !res.OK() {
			t.Fatalf("%+v", res)
		}
		r.says(tendai, "cannot be read", "nothing moved")
	}
	r.sms(tendai, "BAL 1357")
	r.says(tendai, "Balance USD 100.00")
}

// A look for overdue parts ends with its context.
func TestOverdueEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.open(1, nil)
	defer g.store.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.overdue(ctx, 0); err == nil {
		t.Error("it went on")
	}
}
