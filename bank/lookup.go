package bank

import (
	"time"

	"starhash/bank/ledger"
	"starhash/bank/link"
)

// lookup tells how a payee or a biller is called, before the subscriber types a
// PIN. What it says a payment would say too, which needs a PIN; so payees are
// counted by customer and day, found or not: a list of numbers must not become a
// list of customers. Billers are public and not counted.
func (b *Bank) lookup(tx ledger.Tx, q *link.Request, c *customer) (*link.Reply, error) {
	own, err := ledger.Get(tx, c.account)
	if err != nil {
		return nil, err
	}
	reply := &link.Reply{Outcome: link.Done, Currency: own.Currency, Payee: q.Payee, Account: q.Account, At: b.clock()}
	if q.Biller == "" {
		if reply.Outcome, err = b.countLookup(tx, c); err != nil || reply.Outcome != link.Done {
			return reply, err
		}
	}
	to, declined, err := b.receiverOf(tx, q, c, own.Currency)
	if err != nil {
		return nil, err
	}
	if declined != 0 {
		reply.Outcome = declined
		return reply, nil
	}
	reply.PayeeName = to.name
	return reply, nil
}

// countLookup says Done if the customer may look one more payee up today.
func (b *Bank) countLookup(tx ledger.Tx, c *customer) (link.Outcome, error) {
	if b.cfg.Limits.Lookups == 0 {
		return link.NotOffered, nil
	}
	day := b.now().Format(time.DateOnly)
	n := 1
	if c.lookedOn == day {
		n += c.lookups
	}
	if n > b.cfg.Limits.Lookups {
		return link.OverDailyLimit, nil
	}
	return link.Done, c.setLookups(tx, day, n)
}
