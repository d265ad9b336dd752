package main

import (
	"regexp"
	"testing"

	"starhash/smpp/smsc"
)

// What people send to the short code, and what they and the ledger get. Every
// role is a process; the SMSC is our simulator.
func TestMessages(t *testing.T) {
	r := newRig(t)
	r.start()
	const ref = `^([0-9A-Z]{8}) `
	for _, c := range []struct {
		name   string
		from   person
		text   string
		want   string
		notice string // what the payee, tendai's chipo or the other way round, reads
	}{
		{"transfer", tendai, "SEND 5.37 0771000002 4826", ref + `done\. USD 5\.37 sent to C\*+ N\*+ \.\.\.0002\. Balance USD 994\.63\.`,
			ref + `recu\. USD 5\.37 de T\*+ M\*+ \.\.\.0001\.`},
		{"the same text again", tendai, "SEND 5.37 0771000002 4826", `^You sent USD 5\.37 to \.\.\.0002, .* To send it again reply YES`, ""},
		{"no", tendai, "NO", `^Cancelled; nothing moved`, ""},
		{"balance", tendai, "BAL 4826", ref + `done\. Balance USD 994\.63\..*No money moved`, ""},
		{"mini-statement", tendai, "MINI 4826", ref + `done\. Balance USD 994\.63\. (?s:.*)-5\.37`, ""},
		{"airtime", tendai, "AIRTIME 1.50 4826", ref + `done\. USD 1\.50 of airtime bought\. Balance USD 993\.13\.`, ""},
		{"airtime for another", tendai, "AIRTIME 2 0771000002 4826", ref + `done\. USD 2\.00 of airtime bought for \.\.\.0002\. Balance USD 991\.13\.`,
			ref + `recu\. USD 2\.00 de crédit de T\*+ M\*+ \.\.\.0001\.`},
		{"bill", tendai, "BILL ZESA 04123456789 30 4826", ref + `done\. USD 30\.00 paid to ZESA Holdings, account 04123456789\. Balance USD 961\.13\.`, ""},
		{"bill of nobody", tendai, "BILL ZINWA 04123456789 30 4826", ref + `declined\. That biller is not known here; nothing moved`, ""},
		{"bill of no account", tendai, "BILL ZESA 0412 30 4826", ref + `declined\. That is no account of this biller; nothing moved`, ""},
		{"bill without a PIN", tendai, "BILL ZESA 04123456789 30", `^The PIN is missing; nothing moved\. Write: BILL biller account amount PIN`, ""},
		{"mini-statement of all", tendai, "MINI 4826", ref + `done\. Balance USD 961\.13\. (?s:.*)-30\.00 ZESA\n.*-2\.00 airtime`, ""},
		{"unknown keyword", tendai, "GIMME 5", `^Not understood; nothing moved\. Send: SEND`, ""},
		{"bad amount", tendai, "SEND 0 0771000002 4826", `^The amount is not valid; nothing moved`, ""},
		{"bad number", tendai, "SEND 5 077100 4826", `nothing moved`, ""},
		{"own number", tendai, "SEND 5 0771000001 4826", ref + `declined\. That is your own number; nothing moved`, ""},
		{"unknown payee", tendai, "SEND 5 0771999999 4826", ref + `declined\. The number to be paid has no account here; nothing moved`, ""},
		{"transfer in French", chipo, "ENVOYER 499 0771000001 4826", ref + `effectué\. USD 499\.00 envoyé à T\*+ M\*+ \.\.\.0001\. Solde USD 6\.37\.`, ref + `received\. USD 499\.00 from C\*+ N\*+ \.\.\.0002\.`},
		{"no funds", chipo, "ENVOYER 7 0771000001 4826", ref + `.*Solde insuffisant; aucun mouvement`, ""},
		{"over the limit", tendai, "SEND 501 0771000002 4826", ref + `declined\. The amount is over the limit for one payment; nothing moved`, ""},
		{"no PIN", tendai, "SEND 5 0771000002", `^The PIN is missing; nothing moved`, ""},
		{"wrong PIN", tendai, "BAL 9999", ref + `declined\. Wrong PIN; nothing moved\. Tries left: 2`, ""},
		{"wrong PIN again", tendai, "SEND 6 0771000002 9998", ref + `declined\. Wrong PIN; nothing moved\. Tries left: 1`, ""},
		{"locked", tendai, "BAL 9997", ref + `declined\. Your PIN is locked; nothing moved`, ""},
		{"right PIN, locked", tendai, "BAL 4826", ref + `declined\. Your PIN is locked; nothing moved`, ""},
		{"subscriber without an account", lucas, "BAL 4826", ref + `declined\. Your number has no account at the bank; nothing moved`, ""},
		{"no subscriber", amina, "BAL 4826", `^Your number is not registered for this service; nothing moved`, ""},
	} {
		r.mo(c.from, c.text)
		r.expect(c.from, c.want)
		if c.notice != "" {
			r.expect(map[person]person{tendai: chipo, chipo: tendai}[c.from], c.notice)
		}
	}
	r.quiet(tendai)
	r.ok("bank", "accounts", "total")
	own := r.ok("bank", "accounts", "own")
	for _, line := range []string{`airtime:USD +USD 3\.50`, `biller:ZESA:USD +USD 30\.00`} {
		if !regexp.MustCompile(line).MatchString(own) {
			t.Errorf("accounts own prints\n%s", own)
		}
	}
}

// A SIM swap: the network names another IMSI than the bank has on record.
func TestAnotherSIM(t *testing.T) {
	r := newRig(t)
	r.start()
	r.moWith(smsc.MO{From: tendai.msisdn, IMSI: "648010000000099", Text: "SEND 5 0771000002 4826"})
	r.expect(tendai, `declined\. Your SIM has changed, so the service is blocked; nothing moved`)
	r.quiet(tendai)
	r.moved(tendai, "1000.00", chipo, "500.00")
}
