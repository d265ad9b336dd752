package platform

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"starhash/bank/link"
	"starhash/smpp/smsc"
)

// dial enters texts into a phone one after the other, and gives the screen that
// each was answered with.
func (r *rig) dial(phone string, texts ...string) (last smsc.USSDScreen) {
	r.t.Helper()
	for _, text := range texts {
		sc, err := r.phones.Enter(r.t.Context(), phone, smsc.USSD{Text: text, Wait: smsc.Duration(patience)})
		if err != nil {
			r.t.Fatalf("%q: %v", text, err)
		}
		last = sc
	}
	return last
}

// shows is dial for a last screen that has all these texts.
func (r *rig) shows(sc smsc.USSDScreen, kind string, want ...string) smsc.USSDScreen {
	r.t.Helper()
	if sc.Kind != kind {
		r.t.Fatalf("%s %q, want %s", sc.Kind, sc.Text, kind)
	}
	for _, w := range want {
		if !strings.Contains(sc.Text, w) {
			r.t.Fatalf("the screen is\n%s\nand has no %q", sc.Text, w)
		}
	}
	return sc
}

func TestUSSDTransfer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	r.shows(r.dial(tendai, "*700#"), "ask", "Send money", "Balance")
	r.shows(r.dial(tendai, "1", "0771000002"), "ask", "R*** ", "Type the amount")
	r.shows(r.dial(tendai, "7.50"), "ask", "USD 7.50", "PIN")
	done := r.shows(r.dial(tendai, "1357"), "ask", "done. USD 7.50 sent to R***", "Balance USD 92.50", "Save this number")
	// The same goes out as SMS, to both.
	ref, _, _ := strings.Cut(done.Text, " ")
	r.says(tendai, ref+" done. USD 7.50 sent")
	r.says(rudo, "received. USD 7.50")
	r.money(9250, 5750, 500)
	if tx := r.only(); tx.Kind != link.KindTransfer || tx.Source != link.SourceNetwork || tx.ShortCode != shortCode {
		t.Errorf("%+v", tx)
	}
	// The number is kept, and offered the next time.
	r.shows(r.dial(tendai, "1", "Rudo"), "end", "0002", "favourites")
	r.shows(r.dial(tendai, "*700*1*1#"), "ask", "1 Rudo ...0002")
	r.shows(r.dial(tendai, "1", "1", "1357"), "end", "USD 1.00 sent") // nothing to save: it is the last screen
	r.money(9150, 5850, 500)
}

// Dialled in one string the menus are walked up to the PIN, and what is behind is
// not used.
func TestUSSDDirect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	r.shows(r.dial(tendai, "*700*1*0771000002*5*1357#"), "ask", "Send USD 5.00 to R***", "PIN")
	r.nothingMoved()
	r.shows(r.dial(tendai, "1357"), "ask", "USD 5.00 sent")
	r.money(9500, 5500, 500)
}

func TestUSSDKinds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, func(c *Config) { c.USSD.Billers = []Biller{{Code: "ZESA", Name: "Zesa power"}} })
	r.shows(r.dial(tendai, "*700*2#", "1357"), "end", "Balance USD 100.00")
	r.says(tendai, "Balance USD 100.00")
	r.shows(r.dial(tendai, "*700*4*1*3#", "1357"), "end", "USD 3.00 of airtime")
	r.says(tendai, "USD 3.00")
	r.shows(r.dial(tendai, "*700*5#"), "ask", "1 Zesa power")
	r.shows(r.dial(tendai, "1", "04123456789", "2"), "ask", "Pay USD 2.00 to Zesa power", "PIN")
	r.shows(r.dial(tendai, "1357"), "end", "USD 2.00 paid to ZESA Holdings, account 04123456789")
	r.says(tendai, "USD 2.00")
	r.shows(r.dial(tendai, "*700*3#", "1357"), "end", "Balance USD 95.00")
	r.says(tendai, "Balance USD 95.00")
	// The PIN twice over three screens; the bank compares what was typed.
	r.shows(r.dial(tendai, "*700*8#", "1357", "2468", "8642"), "end", "differ")
	r.says(tendai, "differ")
	r.shows(r.dial(tendai, "*700*8#", "1357", "2469", "2469"), "end", "PIN is changed")
	r.says(tendai, "PIN is changed")
	r.shows(r.dial(tendai, "*700*2#", "1357"), "end", "Wrong PIN", "Tries left: 2")
	r.says(tendai, "Wrong PIN")
	// The orders are listed, the newest first, and tell their state.
	list := r.shows(r.dial(tendai, "*700*6#"), "ask", "1 ", "2 ")
	ref := regexp.MustCompile(`1 \S+ \S+ (\w{8}) declined`).FindStringSubmatch(list.Text)
	if ref == nil {
		t.Fatalf("%q", list.Text)
	}
	r.shows(r.dial(tendai, "1"), "end", ref[1]+" declined")
	r.shows(r.dial(tendai, "*700*9#"), "ask", "1 English")
}

func TestUSSDWhoMayNot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	r.shows(r.dial("263779999999", "*700#"), "end", "not registered", "bank")
	if err := g.store.setSubscriber(t.Context(), tendai, "status", string(Blocked)); err != nil {
		t.Fatal(err)
	}
	r.shows(r.dial(tendai, "*700#"), "end", "blocked")
	r.shows(r.dial(tendai, "*700*1*0771000002*5#"), "end", "blocked")
	// Also who is blocked while the dialogue is open.
	r.shows(r.dial(rudo, "*700*1*0771000001*5#"), "ask", "PIN")
	if err := g.store.setSubscriber(t.Context(), rudo, "status", string(Blocked)); err != nil {
		t.Fatal(err)
	}
	if sc := r.dial(rudo, "2468"); !strings.Contains(sc.Text, "blocked; nothing moved") {
		t.Errorf("%+v", sc)
	}
	r.nothingMoved()
}

// Another SIM in the phone is refused by the bank, and one that is swapped within
// the session ends it.
func TestUSSDAnotherSIM(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	r.shows(r.dial(tendai, "*700*1*0771000002*5#"), "ask", "PIN")
	if err := r.phones.SetIMSI(t.Context(), tendai, imsiOf(77)); err != nil {
		t.Fatal(err)
	}
	sc := r.dial(tendai, "1357")
	r.shows(sc, "end", "SIM")
	r.shows(r.dial(tendai, "*700*2#", "1357"), "end", "SIM has changed")
	r.nothingMoved()
}

// The session is lost when the PIN is sent: the money moves once, and the outcome
// comes as SMS.
func TestUSSDLostAfterThePIN(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	held := make(chan struct{})
	arrived := make(chan struct{}, 8)
	r.dial(tendai, "*700*1*0771000002*5#")
	r.middle.plays(once(func(q []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
		arrived <- struct{}{}
		waitOr(held)
		return bank(q)
	}))
	answered := make(chan smsc.USSDScreen, 1)
	go func() {
		sc, _ := r.phones.Enter(t.Context(), tendai, smsc.USSD{Text: "1357", Wait: smsc.Duration(patience)})
		answered <- sc
	}()
	await(t, arrived)
	if err := r.phones.SetOff(t.Context(), tendai, true); err != nil { // out of coverage
		t.Fatal(err)
	}
	close(held)
	if sc := <-answered; sc.Open || strings.Contains(sc.Text, "USD") {
		t.Errorf("the lost session shows %+v", sc)
	}
	r.becomes(Done)
	r.money(9500, 5500, 500)
	if err := r.phones.SetOff(t.Context(), tendai, false); err != nil {
		t.Fatal(err)
	}
	r.says(tendai, "done. USD 5.00 sent")
	// A redial begins anew: there is no order to go on with.
	r.shows(r.dial(tendai, "*700#"), "ask", "Send money")
	r.money(9500, 5500, 500)
}

func await(t *testing.T, ch <-chan struct{}) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-ch:
	case <-limit.C:
		t.Fatal("in vain")
	}
}

// The bank is silent while the screen waits: the subscriber reads that it is
// pending, and the verdict comes by SMS.
func TestUSSDBankSlow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, func(c *Config) { c.USSD.Verdict = 300 * time.Millisecond })
	held := make(chan struct{})
	r.dial(tendai, "*700*1*0771000002*5#")
	r.middle.plays(onTransact(func(q []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
		waitOr(held)
		return bank(q)
	}))
	sc := r.shows(r.dial(tendai, "1357"), "ask", "pending")
	ref, _, _ := strings.Cut(sc.Text, " ")
	close(held)
	r.middle.plays(nil)
	r.says(tendai, ref+" done. USD 5.00 sent")
	r.money(9500, 5500, 500)
}

// A dialogue that was dropped can be gone on with, but not past its PIN.
func TestUSSDRedial(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	r.dial(tendai, "*700#", "1", "0771000002", "5")
	if err := r.phones.HangUp(t.Context(), tendai); err != nil {
		t.Fatal(err)
	}
	r.shows(r.dial(tendai, "*700#"), "ask", "1 Go on", "2 Start again")
	r.shows(r.dial(tendai, "1"), "ask", "Send USD 5.00", "PIN")
	r.shows(r.dial(tendai, "1357"), "ask", "USD 5.00 sent")
	r.money(9500, 5500, 500)
	// A PIN typed before the drop is gone.
	r.dial(tendai, "99", "*700*8#", "1357")
	if err := r.phones.HangUp(t.Context(), tendai); err != nil {
		t.Fatal(err)
	}
	r.dial(tendai, "*700#")
	r.shows(r.dial(tendai, "1"), "ask", "present PIN")
}

// Any gateway takes the next step.
func TestUSSDTwoGateways(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := r.gateway(1, nil)
	r.dial(tendai, "*700#", "1", "0771000002", "5")
	two := r.gateway(2, func(c *Config) { c.SMPP.Binds[0].SystemID = "gw1" })
	one.end()
	r.bound(two)
	r.shows(r.dial(tendai, "1357"), "ask", "USD 5.00 sent")
	r.money(9500, 5500, 500)
}

// A reply that the network delivers twice is one reply.
func TestUSSDReplyTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	for _, in := range []smsc.USSD{{Text: "*700#"}, {Text: "1", Fault: "ussd_reply_twice"}, {Text: "0771000002", Fault: "ussd_reply_twice"},
		{Text: "5", Fault: "ussd_reply_twice"}, {Text: "1357", Fault: "ussd_reply_twice"}} {
		in.Wait = smsc.Duration(patience)
		if _, err := r.phones.Enter(t.Context(), tendai, in); err != nil {
			t.Fatalf("%q: %v", in.Text, err)
		}
	}
	r.says(tendai, "USD 5.00 sent")
	r.settled()
	r.money(9500, 5500, 500)
	r.only()
}

// A reply to a session that is over is answered, and moves nothing.
func TestUSSDExpired(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	r.dial(tendai, "*700*1*0771000002*5#")
	if err := g.store.redis.Del(t.Context(), g.dialogueKey(tendai)).Err(); err != nil {
		t.Fatal(err)
	}
	r.shows(r.dial(tendai, "1357"), "end", "session is over", "*700#")
	r.nothingMoved()
}

// Whoever goes back among the PIN screens types all of them again, under another
// order number: a capsule's key seals once.
func TestUSSDPINAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	order := func() link.TxID {
		t.Helper()
		d, err := g.loadDialogue(t.Context(), tendai)
		if err != nil || d == nil {
			t.Fatal(d, err)
		}
		return d.Order
	}
	seen := map[link.TxID]bool{}
	fresh := func() {
		t.Helper()
		if o := order(); seen[o] || o == (link.TxID{}) {
			t.Errorf("order %s is used again", o)
		} else {
			seen[o] = true
		}
	}
	r.shows(r.dial(tendai, "*700*8#", "1357"), "ask", "new PIN")
	fresh()
	r.shows(r.dial(tendai, "0"), "ask", "present PIN")
	r.dial(tendai, "1357")
	fresh()
	r.shows(r.dial(tendai, "2469"), "ask", "again")
	r.shows(r.dial(tendai, "0"), "ask", "present PIN") // not the new one alone
	r.dial(tendai, "1357")
	fresh()
	r.shows(r.dial(tendai, "00", "2"), "ask", "Balance") // home, and another order
	r.shows(r.dial(tendai, "1357"), "end", "Balance USD 100.00")
	r.says(tendai, "Balance USD 100.00")
	r.shows(r.dial(tendai, "*700*8#", "1357", "2469", "0", "1357", "2469", "2469"), "end", "PIN is changed")
	r.says(tendai, "PIN is changed")
	r.shows(r.dial(tendai, "*700*2#", "2469"), "end", "Balance")
}
