package bank

import (
	"bytes"
	"context"
	"errors"
	"time"

	"starhash/bank/ledger"
	"starhash/bank/link"
)

// statementLines is the length of a mini-statement.
const statementLines = 5

// transact answers a Transact message.
func (b *Bank) transact(ctx context.Context, msg []byte) ([]byte, error) {
	h, err := link.ParseHeader(msg)
	if err != nil {
		return nil, err
	}
	hash := link.Hash(msg)

	// The same bytes again: the bytes that were answered. This comes before the
	// decryption, because a restart has lost the dynamic key and not the reply.
	answer, err := storedReply(b.selectExchange.QueryRowContext(ctx, string(h.Operator), h.Serial[:]), h, hash)
	if answer != nil || err != nil {
		return answer, err
	}

	// Dynamic decryption.
	x, err := b.link.Transact(msg)
	if err != nil {
		return nil, err
	}
	// The PINs are opened here and not in the writer, because that is the one
	// step that costs a public-key operation (once an epoch).
	p := b.vault.open(x.Request)
	defer p.wipe()

	// From here on everything is one database transaction.
	var reply *link.Reply
	err = b.store.write(ctx, func(tx ledger.Tx) error {
		reply = nil
		// Again, for the same message may have come twice at once.
		answer, err = storedReply(tx.QueryRow(selectExchange, string(h.Operator), h.Serial[:]), h, hash)
		if answer != nil || err != nil {
			return err
		}
		// IMSI and MSISDN are those that were stored for the serial.
		id, err := opened(tx, h)
		if err != nil {
			return err
		}
		if !id.Same(x.Request.Identity) {
			return refuse(link.Mismatch, "serial %s is on record for another subscriber", h.Serial)
		}
		if reply, err = b.decide(tx, h.Operator, x.Request, p); err != nil {
			return err
		}
		// The reply key seals once: if the commit fails these bytes never leave,
		// and the next attempt may seal others.
		answer = x.Seal(reply)
		about := x.Request.ID
		if x.Request.Kind == link.KindInquire {
			about = x.Request.Target
		}
		return keepReply(tx, x, about, answer)
	})
	if err != nil {
		return nil, err
	}
	b.link.Forget(x) // from here on the store answers
	if reply != nil {
		b.log.Debug("transaction", "operator", h.Operator, "serial", h.Serial.String(), "txid", x.Request.ID.String(),
			"kind", x.Request.Kind.String(), "outcome", reply.Outcome.String(), "msisdn", maskMSISDN(x.Request.Identity.MSISDN))
	}
	return answer, nil
}

// decide finds a transaction's recorded outcome, or executes it and records one.
func (b *Bank) decide(tx ledger.Tx, op link.Operator, q *link.Request, p pins) (*link.Reply, error) {
	if q.Kind == link.KindInquire {
		return b.inquire(tx, op, q)
	}
	digest := q.Digest()
	r, err := findRecord(tx, op, q.ID)
	if err != nil {
		return nil, err
	}
	if r != nil {
		// A transaction comes again under another serial, because its first
		// opening expired or its reply was lost: nothing is executed or counted.
		same := bytes.Equal(r.digest, digest[:])
		if r.digest == nil {
			same = r.msisdn == q.Identity.MSISDN // voided: only its number and subscriber are known
		}
		if !same {
			return nil, refuse(link.ReplayedSerial, "transaction %s was another one", q.ID)
		}
		return r.reply, nil
	}
	reply, err := b.execute(tx, op, q, p)
	if err != nil {
		return nil, err
	}
	return reply, keepRecord(tx, op, q.ID, q.Identity.MSISDN, q.Kind, digest[:], reply)
}

// inquire tells what became of a transaction. One that the bank has not seen is
// voided, so that the answer stays true when its message comes late.
func (b *Bank) inquire(tx ledger.Tx, op link.Operator, q *link.Request) (*link.Reply, error) {
	r, err := findRecord(tx, op, q.Target)
	if err != nil {
		return nil, err
	}
	if r == nil {
		reply := b.decline(link.Voided)
		return reply, keepRecord(tx, op, q.Target, q.Identity.MSISDN, q.Kind, nil, reply)
	}
	if r.msisdn != q.Identity.MSISDN {
		return nil, refuse(link.Mismatch, "transaction %s is another subscriber's", q.Target)
	}
	return r.reply, nil
}

// execute authenticates the subscriber and does what the request asks.
func (b *Bank) execute(tx ledger.Tx, op link.Operator, q *link.Request, p pins) (*link.Reply, error) {
	c, err := findCustomer(tx, q.Identity.MSISDN)
	switch {
	case errors.Is(err, ErrNoCustomer):
		return b.decline(link.NotCustomer), nil
	case err != nil:
		return nil, err
	case c.imsi != q.Identity.IMSI:
		return b.decline(link.SIMChanged), nil
	case c.blocked:
		return b.decline(link.Blocked), nil
	case c.pinWrong >= b.cfg.PINTries:
		return b.decline(link.PINLocked), nil
	}
	// The PIN comes before anything else is looked at, so that without it nobody
	// learns who has an account, but for what lookup.go counts.
	switch {
	case q.Kind == link.KindLookup:
		return b.lookup(tx, q, c)
	case q.Auth == link.AuthCode:
		if !b.codeIsEnough(op, q) {
			return b.decline(link.PINNeeded), nil
		}
	default:
		if declined, err := b.verifyPIN(tx, c, p); declined != nil || err != nil {
			return declined, err
		}
	}
	switch q.Kind {
	case link.KindTransfer, link.KindAirtime, link.KindBill:
		return b.pay(tx, op, q, c)
	case link.KindBalance:
		return b.balance(tx, c)
	case link.KindMini:
		return b.statement(tx, c)
	case link.KindPINChange:
		return b.changePIN(tx, c, p)
	}
	return b.decline(link.NotOffered), nil
}

func (b *Bank) decline(o link.Outcome) *link.Reply { return &link.Reply{Outcome: o, At: b.clock()} }

// clock is the bank's time as replies carry it: whole seconds.
func (b *Bank) clock() time.Time { return b.now().UTC().Truncate(time.Second) }

// verifyPIN returns the reply that declines, or nil if the PIN is right. What it
// counts is committed with that reply.
func (b *Bank) verifyPIN(tx ledger.Tx, c *customer, p pins) (*link.Reply, error) {
	if p.currentErr != nil {
		return nil, p.currentErr // not a wrong PIN, but none at all
	}
	if b.vault.matches(c, p.current) {
		if c.pinWrong == 0 {
			return nil, nil
		}
		return nil, c.setWrong(tx, 0)
	}
	if err := c.setWrong(tx, c.pinWrong+1); err != nil {
		return nil, err
	}
	if c.pinWrong >= b.cfg.PINTries {
		return b.decline(link.PINLocked), nil
	}
	reply := b.decline(link.WrongPIN)
	reply.TriesLeft = uint8(b.cfg.PINTries - c.pinWrong)
	return reply, nil
}

func (b *Bank) balance(tx ledger.Tx, c *customer) (*link.Reply, error) {
	a, err := ledger.Get(tx, c.account)
	return &link.Reply{Outcome: link.Done, Balance: a.Balance, Currency: a.Currency, At: b.clock()}, err
}

// statement is a mini-statement: the newest lines first, a payment's fee in its
// line. The party of a transfer is a number, of a bill the biller's code; airtime
// has none, and the opening balance no kind either.
func (b *Bank) statement(tx ledger.Tx, c *customer) (*link.Reply, error) {
	reply, err := b.balance(tx, c)
	if err != nil {
		return nil, err
	}
	lines, err := ledger.Statement(tx, c.account, statementLines)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		line := link.Line{At: l.At, Amount: l.Amount}
		switch l.Kind {
		case entryTransfer:
			line.Kind, line.Party = link.KindTransfer, maskMSISDN(l.Other.Name)
		case entryAirtime:
			line.Kind = link.KindAirtime
		case entryBill:
			line.Kind, line.Party = link.KindBill, billerOf(l.Other.Name)
		}
		reply.Lines = append(reply.Lines, line)
	}
	return reply, nil
}

// changePIN stores the new PIN, the old one having been verified.
func (b *Bank) changePIN(tx ledger.Tx, c *customer, p pins) (*link.Reply, error) {
	switch {
	case p.nextErr != nil:
		return nil, p.nextErr
	case p.againErr != nil:
		return nil, p.againErr
	case p.differ:
		return b.decline(link.PINsDiffer), nil
	case checkStrength(p.next) != nil || p.next.Equal(p.current):
		return b.decline(link.WeakPIN), nil
	}
	salt, value := b.vault.enrol(c.msisdn, p.next)
	return &link.Reply{Outcome: link.Done, At: b.clock()}, c.setPIN(tx, salt, value)
}
