package platform

import (
	"slices"
	"strings"
	"testing"
	"time"

	"starhash/bank/link"
	"starhash/smpp/smsc"
)

// Airtime and bills by SMS: the confirmation, whom it is for hears of it, and
// the mini-statement and STATUS know it.
func TestAirtimeAndBill(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	ref := func(text string) string { first, _, _ := strings.Cut(text, " "); return first }

	r.sms(tendai, "AIRTIME 5 1357")
	own := r.says(tendai, "done. USD 5.00 of airtime bought. Balance USD 95.00")
	r.nothingMore(tendai, rudo, farai)
	r.sms(tendai, "AIRTIME 2 0771000003 1357")
	r.says(tendai, "done. USD 2.00 of airtime bought for ...0003. Balance USD 93.00")
	r.says(farai, "recu. USD 2.00 de crédit de T*** M*** ...0001")
	r.sms(tendai, "AIRTIME 1 0779999999 1357") // no customer and no subscriber
	r.says(tendai, "done. USD 1.00 of airtime bought for ...9999. Balance USD 92.00")
	r.sms(tendai, "bill zesa 04123456789 25 1357")
	bill := r.says(tendai, "done. USD 25.00 paid to ZESA Holdings, account 04123456789. Balance USD 67.00")
	r.sms(tendai, "MINI 1357")
	r.says(tendai, "-25.00 ZESA", "-1.00 airtime", "-2.00 airtime", "-5.00 airtime")
	for _, text := range []string{own, bill} {
		r.sms(tendai, "STATUS "+ref(text))
		r.says(tendai, "done: the money moved")
	}
	r.nothingMore(tendai, rudo, farai)
	r.money(6700, 5000, 500)
	for reference, kind := range map[string]link.Kind{ref(own): link.KindAirtime, ref(bill): link.KindBill} {
		tx, err := g.store.Transaction(t.Context(), reference)
		if err != nil || tx.Kind != kind {
			t.Fatalf("%+v, %v; want a %v", tx, err, kind)
		}
		if trace := strings.Join(tx.Trace(), "\n"); !strings.Contains(trace, kind.String()) || strings.Contains(trace, "04123456789") {
			t.Errorf("trace:\n%s", trace)
		}
	}
}

func TestAirtimeIsQuietAfterStop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	r.sms(farai, "STOP")
	r.says(farai, "Avis")
	r.sms(tendai, "AIRTIME 2 0771000003 1357")
	r.says(tendai, "done")
	r.nothingMore(farai)
}

// Every language has its own words for it.
func TestPaymentsInEveryLanguage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	for _, c := range []struct{ lang, airtime, says, bill, paid string }{
		{"en", "AIRTIME 1 1357", "USD 1.00 of airtime bought", "BILL ZESA 04123456789 1 1357", "USD 1.00 paid to ZESA Holdings, account 04123456789"},
		{"fr", "CREDIT 1 1357", "USD 1.00 de crédit acheté", "FACTURE ZESA 04123456789 1 1357", "USD 1.00 payé à ZESA Holdings, compte 04123456789"},
		{"pt", "RECARGA 1 1357", "USD 1.00 de recarga comprada", "FATURA ZESA 04123456789 1 1357", "USD 1.00 pago a ZESA Holdings, conta 04123456789"},
		{"sw", "MUDA 1 1357", "Muda wa maongezi wa USD 1.00 umenunuliwa", "BILI ZESA 04123456789 1 1357", "USD 1.00 kwa ZESA Holdings, 04123456789"},
	} {
		r.sms(tendai, "LANG "+c.lang)
		r.next(tendai)
		r.sms(tendai, c.airtime)
		r.says(tendai, c.says)
		r.sms(tendai, c.bill)
		r.says(tendai, c.paid)
	}
	r.money(9200, 5000, 500)
}

// The same order typed again asks first, as a transfer does, and YES pays once;
// the same PDU delivered again pays nothing.
func TestSamePaymentAgain(t *testing.T) {
	t.Parallel()
	for text, last4 := range map[string]string{
		"BILL ZESA 04123456789 5 1357": "6789", "AIRTIME 5 1357": "0001", "AIRTIME 5 0771000003 1357": "0003",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.gateway(1, nil)
			send := func(n byte) smsc.MOResult {
				t.Helper()
				return r.mo(smsc.MO{From: tendai, Text: text, TLVs: umr(n)})
			}
			first := send(1)
			r.says(tendai, "done", "Balance USD 95.00")
			r.redeliver(first)
			send(2)
			r.says(tendai, "You sent USD 5.00 to ..."+last4, "Nothing more has moved", "reply YES")
			r.settled()
			r.money(9500, 5000, 500)
			yes := r.mo(smsc.MO{From: tendai, Text: "YES", TLVs: umr(3)})
			r.says(tendai, "done", "Balance USD 90.00")
			r.redeliver(yes)
			r.nothingMore(tendai)
			r.money(9000, 5000, 500)
		})
	}
}

// While one is in doubt the same text is not used.
func TestSamePaymentInDoubt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, func(c *Config) { c.Bank.PendingAfter = 50 * time.Millisecond })
	held := make(chan struct{})
	r.middle.plays(onTransact(func(request []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
		waitOr(held)
		return bank(request)
	}))
	r.mo(smsc.MO{From: tendai, Text: "BILL ZESA 04123456789 5 1357", TLVs: umr(1)})
	r.says(tendai, "pending")
	r.mo(smsc.MO{From: tendai, Text: "BILL ZESA 04123456789 5 1357", TLVs: umr(2)})
	r.says(tendai, "USD 5.00 to ...6789", "still pending", "not used")
	close(held)
	r.says(tendai, "done", "Balance USD 95.00")
	r.nothingMore(tendai)
	r.money(9500, 5000, 500)
}

// A fee is said where there is one.
func TestPaid(t *testing.T) {
	for _, c := range []struct {
		kind        link.Kind
		payee       string
		plain, fees TextKey
	}{
		{link.KindTransfer, rudo, TextTransferDone, TextTransferDoneFee},
		{link.KindAirtime, tendai, TextAirtimeDone, TextAirtimeDoneFee},
		{link.KindAirtime, rudo, TextAirtimeDoneFor, TextAirtimeDoneForFee},
		{link.KindBill, "", TextBillDone, TextBillDoneFee},
	} {
		tx := &Transaction{Kind: c.kind, MSISDN: tendai}
		got := []TextKey{paid(tx, &link.Reply{Payee: c.payee}), paid(tx, &link.Reply{Payee: c.payee, Fee: 1})}
		if !slices.Equal(got, []TextKey{c.plain, c.fees}) {
			t.Errorf("%v to %q: %v", c.kind, c.payee, got)
		}
	}
}
