package platform

import (
	"strconv"
	"time"

	"starhash/bank/link"
)

// confirmation is what a subscriber reads of the bank's reply.
func (g *Gateway) confirmation(tx *Transaction, r *link.Reply) string {
	texts := g.texts.Load()
	args := Args{
		"ref": tx.Reference, "amount": FormatAmount(r.Amount, r.Currency), "fee": FormatAmount(r.Fee, r.Currency),
		"balance": FormatAmount(r.Balance, r.Currency), "name": r.PayeeName, "last4": lastDigits(r.Payee),
		"biller": r.PayeeName, "account": r.Account,
		"at": g.clock(r.At), "tries": strconv.Itoa(int(r.TriesLeft)),
		"form": texts.Form(tx.Language, KindPINChange), // what PINsDiffer is about
	}
	if r.Outcome != link.Done {
		reason, ok := Reason(r.Outcome)
		if !ok {
			reason = TextVoided // no outcome of this version gets here: see link.Outcome.Valid
		}
		return texts.Declined(tx.Language, tx.Reference, reason, args)
	}
	switch tx.Kind {
	case link.KindBalance:
		return texts.Format(tx.Language, TextBalance, args)
	case link.KindPINChange:
		return texts.Format(tx.Language, TextPINChanged, args)
	case link.KindMini:
		lines := make([]Args, len(r.Lines))
		for i, l := range r.Lines {
			party := l.Party
			if l.Kind == link.KindAirtime {
				party = texts.Format(tx.Language, TextMiniAirtime, nil)
			}
			lines[i] = Args{"date": l.At.In(g.zone).Format("02/01"), "amount": FormatNumber(l.Amount, r.Currency), "last4": party}
		}
		return texts.Statement(tx.Language, args, lines)
	}
	return texts.Format(tx.Language, paid(tx, r), args)
}

// paid is the text for a payment that was made.
func paid(tx *Transaction, r *link.Reply) TextKey {
	plain, withFee := TextTransferDone, TextTransferDoneFee
	switch {
	case tx.Kind == link.KindBill:
		plain, withFee = TextBillDone, TextBillDoneFee
	case tx.Kind == link.KindAirtime && r.Payee == tx.MSISDN:
		plain, withFee = TextAirtimeDone, TextAirtimeDoneFee
	case tx.Kind == link.KindAirtime:
		plain, withFee = TextAirtimeDoneFor, TextAirtimeDoneForFee
	}
	if r.Fee > 0 {
		return withFee
	}
	return plain
}

// notice tells the payee of a transfer, or whom airtime was bought for, in their
// own language.
func (g *Gateway) notice(language string, tx *Transaction, r *link.Reply) string {
	text := TextReceived
	if tx.Kind == link.KindAirtime {
		text = TextAirtimeReceived
	}
	return g.texts.Load().Format(language, text, Args{
		"ref": tx.Reference, "amount": FormatAmount(r.Amount, r.Currency), "name": r.PayerName,
		"last4": lastDigits(tx.MSISDN), "at": g.clock(r.At),
	})
}

// clock writes a time as confirmations show it.
func (g *Gateway) clock(t time.Time) string { return t.In(g.zone).Format("02/01/2006 15:04") }

func lastDigits(msisdn string) string {
	return msisdn[max(0, len(msisdn)-4):]
}
