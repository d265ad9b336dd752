package platform

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"starhash/bank/link"
	"starhash/configs/secret"
	"starhash/smpp/smsc"
)

const sendFive = "SEND 5 0771000002 1357"

// The way that nobody disturbs, so that the other tests mean something.
func TestTransfer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	r.sms(tendai, sendFive)
	r.says(tendai, "done", "USD 5.00", "Balance USD 95.00")
	r.says(rudo, "received", "USD 5.00")
	r.nothingMore(tendai, rudo)
	r.money(9500, 5500, 500)
	tx := r.only()
	if tx.State != Done || tx.Attempts != 1 || tx.Source != link.SourceNetwork {
		t.Errorf("the record says %+v", tx)
	}
	if len(tx.sealed)+len(tx.key)+len(tx.body)+len(tx.imsi) != 0 {
		t.Error("a final record holds what could open the transaction")
	}
	if n := g.alarms(t); n != 0 {
		t.Errorf("%d alarms", n)
	}
}

// A bit of a sealed message is turned over on the way. The phone gets the true
// verdict and no other, the gateway raises an alarm, and money moves once.
func TestTamperedSeal(t *testing.T) {
	t.Parallel()
	type bank = func([]byte) ([]byte, error)
	for name, trick := range map[string]func(request []byte, bank bank) ([]byte, error){
		"request": func(request []byte, bank bank) ([]byte, error) { return bank(flipped(request)) },
		"reply": func(request []byte, bank bank) ([]byte, error) {
			answer, err := bank(request)
			return flipped(answer), err
		},
		"reply's outcome": func(request []byte, bank bank) ([]byte, error) {
			answer, err := bank(request)
			answer[len(answer)/2] ^= 1
			return answer, err
		},
		"reply cut short": func(request []byte, bank bank) ([]byte, error) {
			answer, err := bank(request)
			return answer[:len(answer)-1], err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			g := r.gateway(1, nil)
			r.middle.plays(once(trick))
			r.sms(tendai, sendFive)
			r.says(tendai, "done", "USD 5.00")
			r.nothingMore(tendai)
			r.money(9500, 5500, 500)
			if n := g.alarms(t); n != 1 {
				t.Errorf("%d alarms, want 1", n)
			}
			sent := r.middle.transacts()
			for _, x := range sent {
				if !bytes.Equal(x.request, sent[0].request) {
					t.Error("other bytes were sent under one serial")
				}
			}
		})
	}
}

// He forges the bank's refusals, which without the static key he cannot: they
// are hints and never verdicts.
func TestForgedRefusal(t *testing.T) {
	t.Parallel()
	for _, code := range []link.Code{link.UnknownSerial, link.ExpiredSerial, link.Mismatch, link.BadSeal, link.ReplayedSerial, link.UnknownStaticKey} {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			g := r.gateway(1, nil)
			other := link.NewKey()
			forger := link.NewBank(link.BankConfig{StaticKeys: func(link.Operator, link.KeyID) (secret.Value, bool) { return other, true }})
			r.middle.plays(once(func(request []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
				_, err := bank(request) // it is executed, and the gateway told that it is not
				return forger.Refuse(request, &link.Error{Code: code}), err
			}))
			r.sms(tendai, sendFive)
			r.says(tendai, "done", "USD 5.00")
			r.nothingMore(tendai)
			r.money(9500, 5500, 500)
			sent := r.middle.transacts()
			if len(sent) != 2 || !bytes.Equal(sent[0].request, sent[1].request) {
				t.Errorf("a forged refusal was followed: %d messages", len(sent))
			}
			want := 1
			if code == link.UnknownStaticKey {
				want = 0 // a bank says that so, and cannot seal it
			}
			if n := g.alarms(t); n != want {
				t.Errorf("%d alarms, want %d", n, want)
			}
		})
	}
}

// He gives each of two subscribers the other's reply.
func TestSwappedReplies(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	var mu sync.Mutex
	var answers [][]byte
	both := make(chan struct{})
	r.middle.plays(onTransact(func(request []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
		answer, err := bank(request)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		i := len(answers)
		if i < 2 {
			answers = append(answers, answer)
		}
		if i == 1 {
			close(both)
		}
		mu.Unlock()
		if i >= 2 {
			return answer, nil
		}
		waitOr(both)
		mu.Lock()
		defer mu.Unlock()
		return answers[1-i], nil
	}))
	r.sms(tendai, sendFive)
	r.sms(farai, "SEND 2 0771000002 1593")
	r.says(tendai, "USD 5.00", "Balance USD 95.00")
	r.says(farai, "USD 2.00", "USD 3.00")
	r.nothingMore(tendai, farai)
	r.money(9500, 5700, 300)
	if n := g.alarms(t); n != 2 {
		t.Errorf("%d alarms, want 2", n)
	}
}

// An old reply answers a new transaction; then an old request is sent in place
// of a new one. Neither becomes the new one's verdict.
func TestReplay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	r.sms(tendai, sendFive)
	r.says(tendai, "Balance USD 95.00")
	old := r.middle.transacts()[0]

	r.middle.plays(once(func([]byte, func([]byte) ([]byte, error)) ([]byte, error) { return old.answer, nil }))
	r.sms(tendai, "SEND 6 0771000002 1357")
	r.says(tendai, "USD 6.00", "Balance USD 89.00")

	r.middle.plays(once(func(_ []byte, bank func([]byte) ([]byte, error)) ([]byte, error) { return bank(old.request) }))
	r.sms(tendai, "SEND 7 0771000002 1357")
	r.says(tendai, "USD 7.00", "Balance USD 82.00")
	r.nothingMore(tendai)
	if n := g.alarms(t); n != 2 {
		t.Errorf("%d alarms, want 2", n)
	}

	// The request once more, on its own: the bank answers with what it answered.
	for range 3 {
		answer, err := r.middle.post(t.Context(), link.PathTransact, old.request)
		if err != nil || !bytes.Equal(answer, old.answer) {
			t.Errorf("the replayed request was answered anew: %v", err)
		}
	}
	r.money(8200, 6800, 500)
}

// The PDU says that the message comes from another SIM than the one on record:
// whether or not a key was opened before, the bank is asked under that IMSI, and
// refuses.
func TestIMSIOfAnother(t *testing.T) {
	t.Parallel()
	for _, prepared := range []bool{false, true} {
		t.Run(map[bool]string{false: "no key pending", true: "key pending"}[prepared], func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			g := r.gateway(1, nil)
			if prepared {
				r.switchOn(g, tendai)
			}
			if res := r.mo(smsc.MO{From: tendai, Text: sendFive, IMSI: imsiOf(2)}); !res.OK() {
				t.Fatalf("%+v", res)
			}
			r.says(tendai, "declined", "SIM has changed", "nothing moved")
			r.nothingMore(tendai, rudo)
			r.nothingMoved()
			if tx := r.only(); tx.State != Declined || tx.Source != link.SourceNetwork || tx.Attempts != 0 {
				t.Errorf("the record says %+v", tx)
			}
			// The true SIM still works.
			r.sms(tendai, "SEND 6 0771000002 1357")
			r.says(tendai, "done", "USD 6.00")
			r.money(9400, 5600, 500)
			if n := g.alarms(t); n != 0 {
				t.Errorf("%d alarms", n)
			}
		})
	}
}

// Without an IMSI in the PDU the registry's counts, and the record says so; with
// one that is no IMSI as well.
func TestIMSIFromRegistry(t *testing.T) {
	t.Parallel()
	r := newRig(t, withoutIMSI())
	r.gateway(1, nil)
	r.sms(tendai, sendFive)
	r.says(tendai, "done")
	if tx := r.only(); tx.Source != link.SourceRegistry {
		t.Errorf("the IMSI came from the %v", tx.Source)
	}
	res := r.mo(smsc.MO{From: tendai, Text: "SEND 6 0771000002 1357", TLVs: []smsc.TLV{{Tag: imsiTLV, Value: []byte("no IMSI: \x00\xff")}}})
	if !res.OK() {
		t.Fatalf("%+v", res)
	}
	r.says(tendai, "done")
	r.money(8900, 6100, 500)
}

// switchOn announces a phone and waits until a key is pending for it.
func (r *rig) switchOn(g *running, msisdn string) {
	r.t.Helper()
	if _, err := r.phones.SwitchOn(r.t.Context(), msisdn); err != nil {
		r.t.Fatal(err)
	}
	r.eventually("a key is pending", func() bool { return r.pending(g, msisdn) })
}

func (r *rig) pending(g *running, msisdn string) bool {
	r.t.Helper()
	n, err := r.redis.Keys(r.t.Context(), key(g.store.partition(msisdn), "pending", msisdn)+"*").Result()
	if err != nil {
		r.t.Fatal(err)
	}
	return len(n) > 0
}

// A key that was opened ahead and that the bank has meanwhile forgotten or let
// expire: the transaction goes out under a new serial, and is executed once.
func TestKeyThatEnded(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, r *rig, g *running) {
		t.Helper()
		r.sms(tendai, sendFive)
		r.says(tendai, "done", "Balance USD 95.00")
		r.nothingMore(tendai)
		r.money(9500, 5500, 500)
		sent := r.middle.transacts()
		requests := map[string]bool{}
		serials := map[link.Serial]bool{}
		for _, x := range sent {
			h, _ := link.ParseHeader(x.request)
			requests[string(x.request)], serials[h.Serial] = true, true
		}
		if len(requests) != 2 || len(serials) != 2 {
			t.Errorf("%d different messages under %d serials, want 2 and 2", len(requests), len(serials))
		}
		if n := g.alarms(t); n != 0 {
			t.Errorf("%d alarms", n)
		}
	}
	t.Run("bank restarted", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		g := r.gateway(1, nil)
		r.switchOn(g, tendai)
		r.restartBank()
		check(t, r, g)
	})
	t.Run("expired", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		g := r.gateway(1, nil)
		r.switchOn(g, tendai)
		r.middle.plays(once(func(request []byte, _ func([]byte) ([]byte, error)) ([]byte, error) {
			return r.refusal(request, link.ExpiredSerial), nil
		}))
		check(t, r, g)
	})
}

// refusal is what the bank itself answers with: it has the static key.
func (r *rig) refusal(request []byte, code link.Code) []byte {
	r.t.Helper()
	static, err := link.ReadKey(r.path("static.key"))
	if err != nil {
		r.t.Fatal(err)
	}
	b := link.NewBank(link.BankConfig{StaticKeys: func(link.Operator, link.KeyID) (secret.Value, bool) { return static, true }})
	return b.Refuse(request, &link.Error{Code: code})
}

// A bank that never knows a serial, as behind a balancer that sends every second
// message elsewhere, is asked again with pauses.
func TestSerialNeverKnown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, func(c *Config) { c.Bank.PendingAfter = 300 * time.Millisecond })
	r.middle.plays(onTransact(func(request []byte, _ func([]byte) ([]byte, error)) ([]byte, error) {
		return r.refusal(request, link.UnknownSerial), nil
	}))
	r.sms(tendai, sendFive)
	r.says(tendai, "pending")
	if n := len(r.middle.transacts()); n > 20 {
		t.Errorf("%d messages in 300 ms: it does not pause", n)
	}
	r.middle.plays(nil)
	r.says(tendai, "done")
	r.money(9500, 5500, 500)
}
