package bank

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"starhash/bank/ledger"
	"starhash/bank/link"
)

// Kinds of ledger entries.
const (
	entryTransfer = "transfer"
	entryAirtime  = "airtime"
	entryBill     = "bill"
	entryOpening  = "opening"
)

// The bank's own accounts that take payments, one a currency: what the bank owes
// the operator for airtime, and each biller.
const (
	accountAirtime = "airtime"
	accountBiller  = "biller:" // and its code
)

// billerOf reads a biller's code out of the name of its account, cut to what a
// statement's line has room for.
func billerOf(account string) string {
	code, _, _ := strings.Cut(strings.TrimPrefix(account, accountBiller), ":")
	return code[:min(len(code), maxParty)]
}

// maxParty bounds link.Line.Party, in bytes.
const maxParty = 15

// biller is a Biller that was read.
type biller struct {
	name    string
	account *regexp.Regexp
}

// wholly compiles an expression that has to match the whole of a text.
func wholly(expression string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(expression); err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + expression + `)\z`)
}

func readBillers(billers []Biller) (map[string]biller, error) {
	out := make(map[string]biller)
	for _, o := range billers {
		account, err := wholly(o.Account)
		if err != nil {
			return nil, fmt.Errorf("biller %s: account: %w", o.Code, err)
		}
		out[o.Code] = biller{o.Name, account}
	}
	return out, nil
}

func (o Operator) withoutPIN(currency string) (int64, error) {
	if o.WithoutPIN == "" {
		return 0, nil
	}
	return ledger.ParseAmount(o.WithoutPIN, currency)
}

func readWithoutPIN(cfg Config) (map[link.Operator]int64, error) {
	out := make(map[link.Operator]int64)
	for _, o := range cfg.Operators {
		limit, err := o.withoutPIN(cfg.Currency)
		if err != nil {
			return nil, fmt.Errorf("operator %s: without_pin: %w", o.Name, err)
		}
		out[link.Operator(o.Name)] = limit
	}
	return out, nil
}

// codeIsEnough says whether a request may be executed without a PIN, on the
// operator's word that a one-time code came back: payments up to the operator's
// limit, in the currency that the limit is in.
func (b *Bank) codeIsEnough(op link.Operator, q *link.Request) bool {
	switch q.Kind {
	case link.KindTransfer, link.KindAirtime, link.KindBill:
		return q.Currency == b.cfg.Currency && q.Amount <= b.withoutPIN[op]
	}
	return false
}

// receiver is where a payment goes.
type receiver struct {
	customer ledger.AccountID // of a customer, or else
	internal string           // purpose of an account of the bank's own
	entry    string           // kind of ledger entry
	name     string           // as a reply says it
}

// account is the receiver's account, opened if it is the first payment to it.
func (r receiver) account(tx ledger.Tx, currency string) (ledger.AccountID, error) {
	if r.internal != "" {
		return ledger.Internal(tx, r.internal, currency)
	}
	return r.customer, nil
}

// receiverOf finds where the payment of c that a request asks for goes, or the
// outcome that declines it. A lookup asks for the same, so that it is told
// neither more nor less than a payment would be.
func (b *Bank) receiverOf(tx ledger.Tx, q *link.Request, c *customer, currency string) (r receiver, declined link.Outcome, err error) {
	switch {
	case q.Kind == link.KindAirtime && !b.cfg.Airtime, q.Kind == link.KindBill && len(b.billers) == 0:
		return r, link.NotOffered, nil
	case q.Kind == link.KindAirtime:
		if len(q.Payee) < minMSISDN {
			return r, link.UnknownPayee, nil
		}
		return receiver{internal: accountAirtime, entry: entryAirtime}, 0, nil
	case q.Kind == link.KindBill, q.Kind == link.KindLookup && q.Biller != "":
		to, ok := b.billers[q.Biller]
		switch {
		case !ok:
			return r, link.UnknownBiller, nil
		case !to.account.MatchString(q.Account) && (q.Kind == link.KindBill || q.Account != ""):
			return r, link.BadAccount, nil
		}
		return receiver{internal: accountBiller + q.Biller, entry: entryBill, name: to.name}, 0, nil
	case q.Payee == c.msisdn:
		return r, link.OwnAccount, nil
	}
	payee, err := findCustomer(tx, q.Payee)
	if errors.Is(err, ErrNoCustomer) || (err == nil && payee.blocked) {
		return r, link.UnknownPayee, nil
	}
	if err != nil {
		return r, 0, err
	}
	to, err := ledger.Get(tx, payee.account)
	if err == nil && to.Currency != currency {
		declined = link.CurrencyMismatch
	}
	return receiver{customer: to.ID, entry: entryTransfer, name: maskName(payee.name)}, declined, err
}

// minMSISDN is the fewest digits of an international number (ITU-T E.164 has no
// lower bound; no country's are shorter).
const minMSISDN = 7

// pay moves money from c: a transfer, airtime or a bill, with the same limits
// and the same fee.
func (b *Bank) pay(tx ledger.Tx, op link.Operator, q *link.Request, c *customer) (*link.Reply, error) {
	from, err := ledger.Get(tx, c.account)
	if err != nil {
		return nil, err
	}
	reply := &link.Reply{Amount: q.Amount, Currency: from.Currency, Balance: from.Balance, Payee: q.Payee, Account: q.Account, At: b.clock()}
	declined := func(o link.Outcome) (*link.Reply, error) { reply.Outcome = o; return reply, nil }

	switch {
	case q.Currency != from.Currency:
		return declined(link.CurrencyMismatch)
	case q.Amount <= 0 || q.Amount > ledger.MaxAmount-b.cfg.Fee:
		return declined(link.BadAmount)
	}
	to, outcome, err := b.receiverOf(tx, q, c, from.Currency)
	if err != nil {
		return nil, err
	}
	if outcome != 0 {
		return declined(outcome)
	}

	day := b.now().Format(time.DateOnly)
	spent := q.Amount
	if c.spentOn == day {
		spent += c.spent
	}
	switch {
	case b.cfg.Limits.Single > 0 && q.Amount > b.cfg.Limits.Single:
		return declined(link.OverLimit)
	case b.cfg.Limits.Daily > 0 && spent > b.cfg.Limits.Daily:
		return declined(link.OverDailyLimit)
	}

	account, err := to.account(tx, from.Currency)
	if err != nil {
		return nil, err
	}
	e := ledger.Entry{
		Ref:  string(op) + "/" + q.ID.String(),
		Kind: to.entry,
		At:   reply.At,
		Postings: []ledger.Posting{
			{Account: from.ID, Amount: -(q.Amount + b.cfg.Fee), Other: account},
			{Account: account, Amount: q.Amount, Other: from.ID},
		},
	}
	if b.cfg.Fee > 0 {
		fees, err := ledger.Internal(tx, "fees", from.Currency)
		if err != nil {
			return nil, err
		}
		e.Postings = append(e.Postings, ledger.Posting{Account: fees, Amount: b.cfg.Fee, Other: from.ID})
	}
	switch err := ledger.Post(tx, e); {
	case errors.Is(err, ledger.ErrFunds):
		return declined(link.InsufficientFunds)
	case err != nil:
		return nil, err
	}
	if err := c.setSpent(tx, day, spent); err != nil {
		return nil, err
	}
	reply.Outcome = link.Done
	reply.Fee = b.cfg.Fee
	reply.Balance = from.Balance - q.Amount - b.cfg.Fee
	reply.PayeeName, reply.PayerName = to.name, maskName(c.name)
	return reply, nil
}
