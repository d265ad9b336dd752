package bank

import (
	"bytes"
	"testing"

	"starhash/bank/link"
)

func TestPINTries(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	left := func(want uint8) {
		t.Helper()
		if r := g.want(g.request(link.KindBalance, tendai, "0000"), link.WrongPIN); r.TriesLeft != want {
			t.Errorf("%d tries left, want %d", r.TriesLeft, want)
		}
	}
	left(2)
	left(1)
	g.want(g.request(link.KindBalance, tendai, "1357"), link.Done)
	left(2)
	left(1)
	g.want(g.request(link.KindBalance, tendai, "0000"), link.PINLocked)
	g.want(g.request(link.KindBalance, tendai, "1357"), link.PINLocked)
	g.want(g.transfer(tendai, rudo, 5), link.PINLocked)
	g.want(g.request(link.KindBalance, rudo, "2468"), link.Done)
	if err := w.Accounts().ResetPIN(t.Context(), tendai, secretOf("9753")); err != nil {
		t.Fatal(err)
	}
	g.want(g.request(link.KindBalance, tendai, "9753"), link.Done)
	w.wantBalances(10000, 5000, 0)
}

// A wrong PIN that comes again, as the same bytes or under another serial, is
// the same try.
func TestPINTryCountsOnce(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	q := g.request(link.KindBalance, tendai, "0000")
	k := g.open(tendai)
	msg := k.SealRequest(q)
	for range 5 {
		if r, err := g.sendSealed(k, msg); err != nil || r.Outcome != link.WrongPIN || r.TriesLeft != 2 {
			t.Fatalf("%+v, %v", r, err)
		}
		if r := g.want(q, link.WrongPIN); r.TriesLeft != 2 {
			t.Fatalf("%d left", r.TriesLeft)
		}
	}
	if s, _ := w.Accounts().Show(t.Context(), tendai); s.WrongPINs != 1 {
		t.Errorf("%d wrong PINs counted, want 1", s.WrongPINs)
	}
}

func TestPINChange(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	g.want(g.pinChange(tendai, "0000", "2580"), link.WrongPIN)
	for _, weak := range []string{"1111", "000000", "1234", "4321", "987654", "7890", "0987", "1357"} {
		g.want(g.pinChange(tendai, "1357", weak), link.WeakPIN)
	}
	g.want(g.request(link.KindBalance, tendai, "1357"), link.Done)
	g.want(g.pinChange(tendai, "1357", "258013"), link.Done)
	g.want(g.request(link.KindBalance, tendai, "1357"), link.WrongPIN)
	g.want(g.request(link.KindBalance, tendai, "258013"), link.Done)
}

// A capsule of another transaction, number or position is not a wrong PIN: it
// is refused, and counts as no try.
func TestCapsuleElsewhere(t *testing.T) {
	w := newWorld(t, nil)
	g := w.gateway()
	spare := g.transfer(tendai, rudo, 500)
	for name, capsule := range map[string]func(q *link.Request) link.Capsule{
		"transaction": func(*link.Request) link.Capsule { return spare.PIN },
		"number":      func(q *link.Request) link.Capsule { return g.pin("1357", rudo, q.ID, link.PINCurrent) },
		"position":    func(q *link.Request) link.Capsule { return g.pin("1357", tendai, q.ID, link.PINNew) },
	} {
		q := g.transfer(tendai, rudo, 500)
		q.PIN = capsule(q)
		if _, err := g.ask(q); link.CodeOf(err) != link.BadSeal {
			t.Errorf("capsule of another %s: %v", name, err)
		}
	}
	q := g.transfer(tendai, rudo, 500)
	q.PIN = nil
	if _, err := g.ask(q); link.CodeOf(err) != link.Malformed {
		t.Errorf("no capsule: %v", err)
	}
	q = g.pinChange(tendai, "1357", "2580")
	q.NewPIN = nil
	if _, err := g.ask(q); link.CodeOf(err) != link.Malformed {
		t.Errorf("no new PIN: %v", err)
	}
	if s, _ := w.Accounts().Show(t.Context(), tendai); s.WrongPINs != 0 {
		t.Errorf("%d wrong PINs counted", s.WrongPINs)
	}
	w.wantBalances(10000, 5000, 0)
}

// A verification value is of one customer and one enrolment: it cannot be
// copied to another row, and a PIN set again does not show as the same.
func TestVerificationValues(t *testing.T) {
	w := newWorld(t, nil)
	v, pin := w.vault, secretOf("1357")
	salt, value := v.enrol(tendai, pin)
	if !v.matches(&customer{msisdn: tendai, pinSalt: salt, pinValue: value}, pin) {
		t.Error("the right PIN does not match")
	}
	if v.matches(&customer{msisdn: rudo, pinSalt: salt, pinValue: value}, pin) {
		t.Error("a value serves another customer")
	}
	if v.matches(&customer{msisdn: tendai, pinSalt: salt, pinValue: value}, secretOf("1358")) {
		t.Error("a wrong PIN matches")
	}
	if _, again := v.enrol(tendai, pin); bytes.Equal(again, value) {
		t.Error("the same PIN has the same value twice")
	}
	other := vault{verify: link.NewKey()}
	if other.matches(&customer{msisdn: tendai, pinSalt: salt, pinValue: value}, pin) {
		t.Error("a value is verified under another key")
	}
}

func TestCheckStrength(t *testing.T) {
	for pin, ok := range map[string]bool{
		"1357": true, "1123": true, "112233": true, "9081": true, "0246": true,
		"1111": false, "1234": false, "9876": false, "8901": false, "1098": false, "123": false, "1234567": false, "12a4": false, "": false,
	} {
		if err := checkStrength(secretOf(pin)); (err == nil) != ok {
			t.Errorf("checkStrength(%s) = %v", pin, err)
		}
	}
}
