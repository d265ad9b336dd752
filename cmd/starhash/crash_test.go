package main

import (
	"bytes"
	"slices"
	"strings"
	"syscall"
	"testing"

	"starhash/bank/link"
	"starhash/smpp/smsc"
)

// Whatever dies, and whenever: an acknowledged transfer is executed once and its
// sender gets a true answer.

const (
	order5   = "SEND 5.37 0771000003 4826" // tendai to amina, who gets no notice
	done5    = `^[0-9A-Z]{8} done\. USD 5\.37 sent to A\*+ J\*+ \.\.\.0003\. Balance USD 994\.63\.`
	pending5 = `^([0-9A-Z]{8}) pending\. The bank has not answered yet, .* Do not send it again`
)

// movedOnce makes sure that order5 was executed once.
func (r *rig) movedOnce() {
	r.t.Helper()
	r.moved(tendai, "994.63", amina, "55.37")
}

func (r *rig) notMoved() {
	r.t.Helper()
	r.moved(tendai, "1000.00", amina, "50.00")
}

// The gateway dies between the acknowledgement and the bank's answer.
func TestGatewayKilled(t *testing.T) {
	for name, w := range map[string]way{"before the bank has it": there, "after the bank has executed it": back} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := r.startBankProxy()
			r.start()
			h := p.hold(w)
			sent := r.mo(tendai, order5) // acknowledged
			h.await(t)
			r.gateway.kill(t)
			if w == there {
				r.notMoved()
			} else {
				r.movedOnce()
			}
			p.lose(w)
			r.startGateway()
			r.expect(tendai, done5)
			r.movedOnce()

			// What was sent again is what was recorded before the first sending.
			first := p.recorded(link.PathTransact)[0].request
			for _, e := range p.recorded(link.PathTransact) {
				if !bytes.Equal(e.request, first) {
					t.Error("other bytes were sent for the same transaction")
				}
			}

			// The SMSC delivers the message once more.
			if res, err := r.phones.Redeliver(t.Context(), sent.ID); err != nil || !res.OK() {
				t.Fatalf("redelivered: %+v %v", res, err)
			}
			r.expect(tendai, `^You sent USD 5\.37 to \.\.\.0003, .*Nothing more has moved`)
			r.quiet(tendai)
			r.movedOnce()
		})
	}
}

// Of two gateways one dies: the other takes its work over when the lease is up,
// and does not wait for it to come back.
func TestTakeover(t *testing.T) {
	r := newRig(t)
	p := r.startBankProxy()
	r.set("gateway", "STARHASH_LIMITS_LEASE=1s")
	r.start()
	h := p.hold(back)
	r.mo(tendai, order5)
	h.await(t)
	admin := freeAddr(t)
	r.env["gateway-2"] = append(slices.Clone(r.env["gateway"]), "STARHASH_NODE=2", "STARHASH_ADMIN_LISTEN="+admin)
	second := r.run("gateway-2", program(t), "gateway", "-c", r.config("gateway"))
	r.ready(second, admin, "/readyz")
	r.gateway.kill(t)
	p.lose(back)
	r.expect(tendai, done5)
	r.movedOnce()
	r.startGateway() // finds nothing left to do
	r.quiet(tendai)
	r.movedOnce()
}

// The SMSC did not read the acknowledgement of a message, so it delivers it again
// while the first is under way: nothing is executed or said twice.
func TestDeliveredAgainMeanwhile(t *testing.T) {
	r := newRig(t)
	p := r.startBankProxy()
	r.start()
	h := p.hold(back)
	sent := r.mo(tendai, order5)
	h.await(t)
	r.gateway.kill(t)
	r.startGateway()
	if res, err := r.phones.Redeliver(t.Context(), sent.ID); err != nil || !res.OK() {
		t.Fatalf("redelivered: %+v %v", res, err)
	}
	p.lose(back)
	r.expect(tendai, done5)
	r.quiet(tendai)
	r.movedOnce()
}

// The bank dies after the opening, before the transaction: it has forgotten the
// dynamic key, so the transaction goes under a new serial.
func TestBankKilledBefore(t *testing.T) {
	r := newRig(t)
	p := r.startBankProxy()
	r.start()
	h := p.hold(there)
	r.mo(tendai, order5)
	h.await(t)
	r.bank.kill(t)
	r.startBank()
	p.lose(there)
	r.expect(tendai, done5)
	r.quiet(tendai)
	r.movedOnce()
	serials := map[link.Serial]bool{}
	for _, e := range p.recorded(link.PathTransact) {
		head, err := link.ParseHeader(e.request)
		if err != nil {
			t.Fatal(err)
		}
		serials[head.Serial] = true
	}
	if len(serials) != 2 {
		t.Errorf("sent under %d serials, want 2", len(serials))
	}
}

// The bank dies after it has executed, its answer is lost: the sender is told
// that it is not known, and the verdict when it is.
func TestBankKilledAfter(t *testing.T) {
	r := newRig(t)
	p := r.startBankProxy()
	r.set("gateway", "STARHASH_BANK_PENDING_AFTER=1s", "STARHASH_BANK_GIVE_UP=1s")
	r.start()
	h := p.hold(back)
	r.mo(tendai, order5)
	h.await(t)
	r.bank.kill(t)
	p.lose(back)
	ref := r.expect(tendai, pending5)[1]
	if out := r.ok("gateway", "trace", ref); !strings.Contains(out, "state       in_doubt") {
		t.Errorf("trace says\n%s", out)
	}
	r.mo(tendai, "STATUS "+ref)
	r.expect(tendai, pending5)
	r.startBank()
	if text := r.expect(tendai, done5)[0]; !strings.HasPrefix(text, ref) {
		t.Errorf("the verdict %q is not about %s", text, ref)
	}
	r.quiet(tendai)
	r.movedOnce()
}

// A bank that was never reached has moved nothing, and the sender is told so.
func TestBankAway(t *testing.T) {
	r := newRig(t)
	r.set("gateway", "STARHASH_BANK_GIVE_UP=1s", "STARHASH_BANK_PENDING_AFTER=1s")
	r.people(tendai, chipo, amina)
	r.startSMSC()
	r.startGateway()
	r.mo(tendai, order5)
	ref := r.expect(tendai, `^([0-9A-Z]{8}) declined\. The bank cannot be reached; nothing moved`)[1]
	r.startBank()
	r.mo(tendai, "STATUS "+ref)
	r.expect(tendai, ref+` declined: nothing moved`)
	r.mo(tendai, "BAL 4826")
	r.expect(tendai, `Balance USD 1,000\.00`)
	r.quiet(tendai)
	r.notMoved()
}

// Redis is away: the SMSC keeps the message and delivers it again.
func TestRedisAway(t *testing.T) {
	for name, c := range map[string]struct{ away, again func(*rig) }{
		"killed": {func(r *rig) { r.redis.kill(r.t) }, func(r *rig) { r.startRedis() }},
		// It takes what was sent to it meanwhile when it goes on: a message
		// that the gateway has refused is executed, and then delivered again.
		"stopped": {func(r *rig) { r.redis.signal(r.t, syscall.SIGSTOP) }, func(r *rig) { r.redis.signal(r.t, syscall.SIGCONT) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.start()
			c.away(r)
			res, err := r.phones.SendMO(t.Context(), smsc.MO{From: tendai.msisdn, To: shortCode, Text: order5, Wait: 1})
			if err != nil {
				t.Fatal(err)
			}
			r.until("ESME_RX_T_APPN", func() bool {
				now, err := r.phones.MO(t.Context(), res.ID)
				if err != nil || now.Done {
					t.Fatalf("%+v %v", now, err)
				}
				return now.Parts[0].Status == "ESME_RX_T_APPN"
			})
			c.again(r)
			r.until("the message is acknowledged", func() bool {
				now, err := r.phones.MO(t.Context(), res.ID)
				if err != nil {
					t.Fatal(err)
				}
				return now.OK()
			})
			r.until("the confirmation is there", func() bool { return strings.Contains(r.next(tendai), " done. USD 5.37") })
			r.movedOnce()
		})
	}
}

// SIGTERM: the gateway finishes what it has in hand, unbinds and ends well; what
// it could not tell any more is told after the next start.
func TestDrain(t *testing.T) {
	r := newRig(t)
	p := r.startBankProxy()
	r.start()
	h := p.hold(back)
	r.mo(tendai, order5)
	h.await(t)
	r.gateway.signal(t, syscall.SIGTERM)
	r.until("the gateway stops", func() bool { return strings.Contains(r.gateway.log.text(), "gateway stops") })
	p.lose(back) // it asks again
	if code := r.gateway.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if binds, err := r.phones.Binds(t.Context()); err != nil || len(binds) != 0 {
		t.Errorf("still bound: %+v %v", binds, err)
	}
	if !strings.Contains(r.smsc.log.text(), "why=unbound") || !strings.Contains(r.gateway.log.text(), "reason=unbound") {
		t.Error("the gateway did not unbind")
	}
	r.movedOnce()
	n := len(p.recorded(link.PathTransact))
	r.startGateway()
	r.expect(tendai, done5)
	r.quiet(tendai)
	r.movedOnce()
	if now := len(p.recorded(link.PathTransact)); now != n || n != 2 {
		t.Errorf("%d sendings before SIGTERM ended it and %d after, want 2 and no more: what was drained was final", n, now)
	}
}
