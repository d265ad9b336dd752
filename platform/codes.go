package platform

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"math/big"
	"strconv"

	"starhash/bank/link"
	"starhash/configs/secret"
)

// codeTries is how many wrong codes end a question.
const codeTries = 3

// askCode asks for a one-time code, which goes to the subscriber's own number: the
// gateway's word to the bank that whoever orders has that SIM. The bank says up to
// which amount it takes that word in place of a PIN.
func (g *Gateway) askCode(ctx context.Context, in *mo, sub Subscriber, cmd *Command) error {
	tx, b, err := g.transaction(in, sub, cmd)
	if err != nil {
		return err
	}
	b.Auth = link.AuthCode
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return err
	}
	code := strconv.FormatInt(1_000_000+n.Int64(), 10)[1:] // six digits
	q := question{Tx: tx.ID, Kind: tx.Kind, Class: tx.Class, IMSI: tx.imsi, Source: tx.Source, Body: *b, Tries: codeTries}
	if q.Code, err = g.codeDigest(in.msisdn, tx.ID, []byte(code)); err != nil {
		return err
	}
	if _, err := g.ask(ctx, in.msisdn, &q); err != nil {
		return err
	}
	to := b.Payee
	if tx.Kind == link.KindBill {
		to = b.Account
	}
	return g.say(ctx, in, sub.Language, TextCode, Args{"amount": FormatAmount(b.Amount, b.Currency), "last4": lastDigits(to), "otp": code})
}

// ask stores a question, wrapped, and gives what stands in Redis then.
func (g *Gateway) ask(ctx context.Context, msisdn string, q *question) ([]byte, error) {
	plain, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	w, err := g.keyring.Wrap(plain, questionPlace(msisdn))
	if err != nil {
		return nil, err
	}
	return w, storeError(g.store.redis.Set(ctx, g.questionKey(msisdn), w, g.cfg.Limits.QuestionWait).Err())
}

func (g *Gateway) codeDigest(msisdn string, id link.TxID, code []byte) (string, error) {
	today, _, err := g.keyring.Digests([]byte("code"), []byte(msisdn), id[:], code)
	return today, err
}

// codeRight checks the code of a YES. A question without one takes any. A wrong code
// costs a try, counted against the question that was read, so that two at once
// cannot cost one; then the subscriber is told, and refused is true.
func (g *Gateway) codeRight(ctx context.Context, in *mo, sub Subscriber, asked []byte, q *question, code secret.Value) (refused bool, err error) {
	if q.Code == "" {
		return false, nil
	}
	given, err := g.codeDigest(in.msisdn, q.Tx, code.Reveal())
	if err != nil {
		return true, err
	}
	if subtle.ConstantTimeCompare([]byte(given), []byte(q.Code)) == 1 {
		return false, nil
	}
	if q.Tries--; q.Tries <= 0 {
		if _, err := cancelScript.Run(ctx, g.store.redis, []string{g.questionKey(in.msisdn)}).Text(); err != nil {
			return true, storeError(err)
		}
		return true, g.say(ctx, in, sub.Language, TextCodeEnd, nil)
	}
	plain, err := json.Marshal(q)
	if err != nil {
		return true, err
	}
	defer clear(plain)
	w, err := g.keyring.Wrap(plain, questionPlace(in.msisdn))
	if err != nil {
		return true, err
	}
	n, err := replaceScript.Run(ctx, g.store.redis, []string{g.questionKey(in.msisdn)}, asked, w).Int()
	if err != nil {
		return true, storeError(err)
	}
	if n == 0 { // another answer was first
		return true, g.yesToNothing(ctx, in, sub)
	}
	return true, g.say(ctx, in, sub.Language, TextCodeWrong, Args{"tries": strconv.Itoa(q.Tries)})
}
