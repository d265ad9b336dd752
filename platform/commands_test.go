package platform

import (
	"strings"
	"testing"

	"starhash/smpp/smsc"
)

// What the gateway answers by itself, each time saying that nothing moved.
func TestAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	for _, c := range []struct {
		from, text string
		want       []string
	}{
		{"263779999999", sendFive, []string{"not registered", "nothing moved"}},
		{tendai, "HELP", []string{"SEND amount number PIN"}},
		{tendai, "buy bananas", []string{"Not understood", "nothing moved"}},
		{tendai, "SEND 5 0771000001 1357", []string{"declined", "your own number", "nothing moved"}},
		{tendai, "SEND 5 0771000009 1357", []string{"declined", "no account", "nothing moved"}},
		{tendai, "SEND 5000 0771000002 1357", []string{"declined", "not enough money", "nothing moved"}},
		{tendai, "SEND 5 0771000002 1111", []string{"declined", "Wrong PIN", "nothing moved", "Tries left: 2"}},
		{tendai, "SEND 5 0771000002", []string{"PIN is missing", "nothing moved"}},
		{tendai, "SEND 0 0771000002 1357", []string{"amount is not valid", "nothing moved"}},
		{tendai, "BAL", []string{"PIN is missing", "nothing moved", "BAL PIN"}},
		{tendai, "AIRTIME 5", []string{"PIN is missing", "nothing moved", "AIRTIME amount number PIN"}},
		{tendai, "AIRTIME 5 0771000002", []string{"PIN is missing", "nothing moved", "AIRTIME amount number PIN"}},
		{tendai, "BILL ZESA 04123456789 25", []string{"PIN is missing", "nothing moved", "BILL biller account amount PIN"}},
		{tendai, "BILL Z-SA 04123456789 25 1357", []string{"biller is not known", "nothing moved"}},
		{tendai, "BILL ZESA 041234567890412345678 25 1357", []string{"no account of this biller", "nothing moved"}},
		{tendai, "BILL ZINWA 04123456789 25 1357", []string{"declined", "biller is not known", "nothing moved"}},
		{tendai, "BILL ZESA 04123 25 1357", []string{"declined", "no account of this biller", "nothing moved"}},
		{tendai, "BILL ZESA 04123456789 2500 1357", []string{"declined", "not enough money", "nothing moved"}},
		{tendai, "AIRTIME 5000 1357", []string{"declined", "not enough money", "nothing moved"}},
		{tendai, "STATUS 0ABCDEFG", []string{"no order 0ABCDEFG of yours"}},
		{tendai, "STATUS ZZZZZZZZ", []string{"no order"}},
		{farai, "BAL 1593", []string{"Solde USD 5.00"}},
	} {
		r.sms(c.from, c.text)
		r.says(c.from, c.want...)
	}
	r.nothingMore(tendai, rudo, farai)
	r.nothingMoved()
}

// The bank declines for reasons of its own, at the opening.
func TestBankDeclines(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	if err := r.bank.Accounts().SetBlocked(t.Context(), tendai, true); err != nil {
		t.Fatal(err)
	}
	r.sms(tendai, sendFive)
	r.says(tendai, "declined", "blocked", "nothing moved")
	if err := g.store.PutSubscribers(t.Context(), []Subscriber{{MSISDN: "263771000008", IMSI: imsiOf(8), Bank: "bank", Language: "en", Status: Active}}); err != nil {
		t.Fatal(err)
	}
	r.sms("263771000008", sendFive)
	r.says("263771000008", "declined", "no account at the bank", "nothing moved")
	r.nothingMoved()
	if n := len(r.middle.transacts()); n != 0 {
		t.Errorf("%d transactions were sent for nothing", n)
	}
}

// A subscriber blocked in the registry may ask and not move.
func TestBlocked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	if err := g.store.SetStatus(t.Context(), tendai, Blocked); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{sendFive, "BAL 1357", "YES"} {
		r.sms(tendai, text)
		r.says(tendai, "blocked", "nothing moved")
	}
	r.sms(tendai, "HELP")
	r.says(tendai, "SEND amount number PIN")
	r.nothingMoved()
	if n := len(r.transactions()); n != 0 {
		t.Errorf("%d transactions", n)
	}
	if err := g.store.SetStatus(t.Context(), "263779999999", Blocked); err == nil {
		t.Error("a subscriber that does not exist was blocked")
	}
}

// STOP ends notices of money received, not answers.
func TestStop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	r.sms(rudo, "STOP")
	r.says(rudo, "Notices are off")
	r.sms(tendai, sendFive)
	r.says(tendai, "done")
	r.nothingMore(rudo)
	r.sms(rudo, "BAL 2468")
	r.says(rudo, "Balance USD 55.00")
	r.sms(rudo, "START")
	r.says(rudo, "Notices are on")
	r.sms(tendai, "SEND 6 0771000002 1357")
	r.says(rudo, "received", "USD 6.00")
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	r.sms(tendai, "LANG fr")
	r.says(tendai, "Francais")
	r.sms(tendai, "BAL 1357")
	r.says(tendai, "Solde")
	if s, err := g.store.Subscriber(t.Context(), tendai); err != nil || s.Language != "fr" || s.IMSI != imsiOf(1) {
		t.Errorf("%+v, %v", s, err)
	}
	r.sms(tendai, "LANG elvish")
	r.next(tendai)
	r.sms(tendai, "BAL 1357")
	r.says(tendai, "Solde")
}

// STATUS tells a subscriber about their own transactions only.
func TestStatus(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	r.sms(tendai, sendFive)
	text := r.says(tendai, "done")
	r.says(rudo, "received")
	ref, _, _ := strings.Cut(text, " ")
	r.sms(tendai, "status "+strings.ToLower(ref))
	r.says(tendai, ref, "done: the money moved")
	r.sms(rudo, "STATUS "+ref)
	r.says(rudo, "no order "+ref+" of yours")
	r.sms(tendai, "BAL 1357")
	text = r.says(tendai, "Balance")
	ref, _, _ = strings.Cut(text, " ")
	r.sms(tendai, "STATUS "+ref)
	r.says(tendai, "no money was to move")
	r.sms(tendai, "SEND 5000 0771000002 1357")
	text = r.says(tendai, "declined")
	ref, _, _ = strings.Cut(text, " ")
	r.sms(tendai, "STATUS "+ref)
	r.says(tendai, "declined: nothing moved")
}

// From an address that is no number there is nobody to answer: it is refused,
// for good, and nothing is kept.
func TestSourceNoNumber(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	res := r.mo(smsc.MO{From: "1234", Text: sendFive})
	if res.OK() || res.Parts[0].State != smsc.StateRefused {
		t.Errorf("%+v", res)
	}
	r.nothingMoved()
}

// A message that cannot be read is answered, and says nothing of itself.
func TestNotReadable(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	coding := byte(0xF5) // 8-bit data, class 1
	res := r.mo(smsc.MO{From: tendai, Text: sendFive, DataCoding: &coding})
	if !res.OK() {
		t.Fatalf("%+v", res)
	}
	r.says(tendai, "nothing moved")
	r.nothingMoved()
}
