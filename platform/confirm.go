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
	switch {
	case tx.Kind == link.KindBalance:
		return texts.Format(tx.Language, TextBalance, args)
	case tx.Kind == link.KindPINChange:
		return texts.Format(tx.Language, TextPINChanged, args)
	case tx.Kind == link.KindMini:
		lines := make([]Args, len(r.Lines))
		for i, l := range r.Lines {
			lines[i] = Args{"date": l.At.In(g.zone).Format("02/01"), "amount": FormatNumber(l.Amount, r.Currency), "last4": l.Party}
		}
		return texts.Statement(tx.Language, args, lines)
	case r.Fee > 0:
		return texts.Format(tx.Language, TextTransferDoneFee, args)
	}
	return texts.Format(tx.Language, TextTransferDone, args)
}

// notice tells the payee of a transfer, in their own language.
func (g *Gateway) notice(language string, tx *Transaction, r *link.Reply) string {
	return g.texts.Load().Format(language, TextReceived, Args{
		"ref": tx.Reference, "amount": FormatAmount(r.Amount, r.Currency), "name": r.PayerName,
		"last4": lastDigits(tx.MSISDN), "at": g.clock(r.At),
	})
}

// clock writes a time as confirmations show it.
func (g *Gateway) clock(t time.Time) string { return t.In(g.zone).Format("02/01/2006 15:04") }

func lastDigits(msisdn string) string {
	return msisdn[max(0, len(msisdn)-4):]
}
