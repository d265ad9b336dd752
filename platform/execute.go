package platform

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"starhash/bank/link"
)

// execute carries one journal entry on from wherever its record says it stands
// until it is final. It returns early only when ctx ends; the entry then waits
// for whoever starts next.
func (g *Gateway) execute(ctx context.Context, partition int, entry, ref string) {
	wait := newPause(50*time.Millisecond, 15*time.Second)
	for tried := false; ; tried = true {
		final, err := g.step(ctx, partition, entry, ref, tried)
		if final {
			return
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			g.log.Warn("transaction not final yet", "ref", ref, "error", err)
		}
		if wait.next(ctx) != nil {
			return
		}
	}
}

// step tries once to bring a transaction to its end. No error of it is ever
// taken for the bank's verdict. tried says that it was tried here before.
func (g *Gateway) step(ctx context.Context, partition int, entry, ref string, tried bool) (final bool, err error) {
	tx, err := g.store.transaction(ctx, partition, ref)
	if errors.Is(err, ErrNoTransaction) {
		g.log.Error("journal entry without a transaction set aside", "ref", ref, "entry", entry)
		return true, g.end(ctx, partition, entry, &Transaction{Reference: ref}, Declined, outcomeLost, "")
	}
	if err != nil {
		return false, err
	}
	age := time.Since(tx.Accepted)
	switch {
	case tx.State.Final():
		return true, g.end(ctx, partition, entry, tx, tx.State, tx.Outcome, "")
	case tx.Attempts <= 0 && (tried && age > g.cfg.Bank.GiveUp || age > g.cfg.Bank.Fresh):
		// Not untried for being old: the gateway may have been away, or its
		// clock be ahead of the one that accepted it. What is no longer fresh
		// has lost its purpose.
		return g.unreachable(ctx, partition, entry, tx)
	case tx.State == Sent && tx.Attempts > 0 && age > g.cfg.Bank.PendingAfter:
		if err := g.pendingNotice(ctx, partition, tx); err != nil {
			return false, err
		}
	}
	var reply *link.Reply
	switch {
	case tx.State == Accepted:
		reply, err = g.first(ctx, partition, tx)
	case age > g.cfg.Bank.Fresh:
		// Too late to execute: find out whether it was, and if not, make sure
		// that it never will be.
		if reply, err = g.inquire(ctx, tx); errors.Is(err, errNoInquiry) {
			// The bank opens no serial for a subscriber who was blocked or
			// changed SIM meanwhile; nor will it execute anything for them. So
			// the bytes once more: their stored reply, or a refusal that says
			// that they never were and never will be executed.
			reply, err = g.resend(ctx, partition, tx)
		}
	default:
		reply, err = g.resend(ctx, partition, tx)
	}
	if err != nil {
		return false, err
	}
	return g.finish(ctx, partition, entry, tx, reply)
}

// openVerdicts are results of an opening that settle the transaction it was for:
// nothing was sent, and the bank knows why not.
var openVerdicts = map[link.OpenResult]link.Outcome{
	link.OpenNotCustomer: link.NotCustomer,
	link.OpenSIMChanged:  link.SIMChanged,
	link.OpenBlocked:     link.Blocked,
}

// open gets dynamic keys for the transaction's subscriber, or the verdict that
// the bank gives instead.
func (g *Gateway) open(ctx context.Context, tx *Transaction) (*link.DynamicKeys, *link.Reply, error) {
	start := time.Now()
	o, err := g.keys.Open(ctx, link.Identity{IMSI: tx.imsi, MSISDN: tx.MSISDN, Source: tx.Source})
	if err != nil {
		return nil, nil, err
	}
	g.metrics.keyWait.WithLabelValues("opened").Observe(time.Since(start).Seconds())
	g.note(tx.MSISDN, tx.Reference, "key", "opened in "+time.Since(start).Round(time.Millisecond).String())
	if verdict, ok := openVerdicts[o.Result]; ok {
		return nil, &link.Reply{Outcome: verdict, At: time.Now()}, nil
	}
	if o.Result != link.Opened {
		return nil, nil, fmt.Errorf("%w: result %d", errOpening, o.Result)
	}
	return o.Keys, nil, nil
}

// first seals an accepted transaction, records the bytes and sends them.
func (g *Gateway) first(ctx context.Context, partition int, tx *Transaction) (*link.Reply, error) {
	keys := g.taken(tx)
	if keys == nil {
		var verdict *link.Reply
		var err error
		if keys, verdict, err = g.open(ctx, tx); err != nil || verdict != nil {
			return verdict, err
		}
	}
	defer keys.Wipe()
	if len(tx.key) > 0 {
		g.metrics.keyWait.WithLabelValues("pending").Observe(0)
		g.note(tx.MSISDN, tx.Reference, "key", "taken: it was opened ahead")
	}
	plain, err := g.keyring.Unwrap(tx.body, bodyPlace(tx.Reference))
	if err != nil {
		// Nothing was ever sent, so it is certain that nothing moves.
		g.alarm("a transaction's record does not open", tx, err)
		return &link.Reply{Outcome: link.Voided, At: time.Now()}, nil
	}
	defer plain.Wipe()
	var b body
	if err := json.Unmarshal(plain.Reveal(), &b); err != nil {
		g.alarm("a transaction's record is damaged", tx, err)
		return &link.Reply{Outcome: link.Voided, At: time.Now()}, nil
	}
	q := &link.Request{
		Identity: link.Identity{IMSI: tx.imsi, MSISDN: tx.MSISDN, Source: tx.Source},
		ID:       tx.ID, Kind: tx.Kind, Amount: b.Amount, Currency: b.Currency, Payee: b.Payee,
		Biller: b.Biller, Account: b.Account, Auth: b.Auth,
		PIN: b.PIN, NewPIN: b.NewPIN, NewPINAgain: b.NewPINAgain, Asked: tx.Accepted,
	}
	return g.record(ctx, partition, tx, "seal", keys, keys.SealRequest(q), nil)
}

// taken gives the dynamic keys that the journal took from the pending ones.
func (g *Gateway) taken(tx *Transaction) *link.DynamicKeys {
	if len(tx.key) == 0 {
		return nil
	}
	v, err := g.keyring.Unwrap(tx.key, keyPlace(tx.MSISDN))
	if err != nil {
		g.alarm("a pending key does not open", tx, err)
		return nil
	}
	defer v.Wipe()
	keys, err := link.UnmarshalDynamicKeys(v)
	if err != nil {
		g.alarm("a pending key is damaged", tx, err)
		return nil
	}
	return keys
}

// record stores the sealed bytes, or finds those that another gateway stored
// first, counts the sending and sends what is stored.
func (g *Gateway) record(ctx context.Context, partition int, tx *Transaction, mode string, keys *link.DynamicKeys, sealed, replaced []byte) (*link.Reply, error) {
	m := keys.Marshal()
	wrapped, err := g.keyring.Wrap(m.Reveal(), keyPlace(tx.MSISDN))
	m.Wipe()
	if err != nil {
		return nil, err
	}
	return g.send(ctx, partition, tx, mode, sealed, wrapped, keys.Header.Serial.String(), replaced)
}

// resend sends the recorded bytes again. The bank answers a serial that it has
// executed with the reply that it stored.
func (g *Gateway) resend(ctx context.Context, partition int, tx *Transaction) (*link.Reply, error) {
	return g.send(ctx, partition, tx, "again", nil, nil, "", nil)
}

var errFinal = errors.New("another gateway has finished it")

func (g *Gateway) send(ctx context.Context, partition int, tx *Transaction, mode string, sealed, wrapped []byte, serial string, replaced []byte) (*link.Reply, error) {
	k := []string{key(partition, "tx", tx.Reference)}
	sending := rand.Text()
	r, err := sendScript.Run(ctx, g.store.redis, k, mode, sealed, wrapped, serial, time.Now().UnixMilli(), replaced, sending).StringSlice()
	if err != nil {
		return nil, storeError(err)
	}
	if r[0] == "final" {
		return nil, errFinal
	}
	tx.State, tx.sealed, tx.key = State(r[0]), []byte(r[1]), []byte(r[2])
	keys := g.taken(tx)
	if keys == nil {
		return g.inquire(ctx, tx)
	}
	defer keys.Wipe()
	g.note(tx.MSISDN, tx.Reference, "sealed", fmt.Sprintf("%d octets under serial %s, recorded", len(tx.sealed), keys.Header.Serial))
	sent := time.Now()
	reply, err := g.exchange(ctx, keys, tx.sealed)
	if err == nil {
		g.note(tx.MSISDN, tx.Reference, "bank", "answered in "+time.Since(sent).Round(time.Millisecond).String())
	}
	switch code := link.CodeOf(err); {
	case err == nil:
		return reply, nil
	case errors.Is(err, link.ErrNotSent):
		// Certain: take the count back. Redis failing here leaves it standing,
		// which only makes us more careful.
		return nil, errors.Join(err, unsendScript.Run(ctx, g.store.redis, k, sending).Err())
	case !authenticated(err):
		return nil, err
	case code == link.Busy || mode == "reseal":
		return nil, err // a serial refused at once is no reason to open the next at once
	case code == link.UnknownSerial || code == link.ExpiredSerial || code == link.UnknownEpoch:
		return g.reseal(ctx, partition, tx, keys)
	default:
		g.alarm("the bank refuses the transaction's message", tx, err)
		return g.inquire(ctx, tx)
	}
}

// authenticated says whether err is a refusal that the bank itself has made.
func authenticated(err error) bool {
	e, ok := errors.AsType[*link.Error](err)
	return ok && e.Authenticated && e.FromPeer
}

func (g *Gateway) exchange(ctx context.Context, keys *link.DynamicKeys, sealed []byte) (*link.Reply, error) {
	answer, err := g.line.transact(ctx, sealed)
	if err != nil {
		return nil, err
	}
	reply, err := keys.OpenReply(sealed, answer, g.keys.gateway.StaticKey)
	// A bank that has our static key authenticates what it refuses; one that
	// has not can say only that.
	if e, ok := errors.AsType[*link.Error](err); ok && (!e.FromPeer || (!e.Authenticated && e.Code != link.UnknownStaticKey)) {
		g.log.Error("ALARM: an answer that is not the bank's to this transaction", "serial", keys.Header.Serial.String(), "error", err)
		g.metrics.alarms.Inc()
	}
	return reply, err
}

// reseal puts the same transaction under a new serial, because the bank has
// forgotten the old one or let it expire: nothing was, or can be, executed under
// it. The transaction's own number keeps the bank from executing it twice.
func (g *Gateway) reseal(ctx context.Context, partition int, tx *Transaction, old *link.DynamicKeys) (*link.Reply, error) {
	q, err := old.OpenRequest(tx.sealed)
	if err != nil {
		g.alarm("recorded bytes do not open", tx, err)
		return g.inquire(ctx, tx)
	}
	keys, verdict, err := g.open(ctx, tx)
	if err != nil || verdict != nil {
		return verdict, err
	}
	defer keys.Wipe()
	return g.record(ctx, partition, tx, "reseal", keys, keys.SealRequest(q), tx.sealed)
}

var errNoInquiry = errors.New("the bank opens no serial to inquire")

// inquire asks the bank under a fresh serial what became of the transaction. If
// it was not executed, the bank makes sure that it never will be and says so.
func (g *Gateway) inquire(ctx context.Context, tx *Transaction) (*link.Reply, error) {
	keys, verdict, err := g.open(ctx, tx)
	if err != nil {
		return nil, err
	}
	if verdict != nil {
		return nil, fmt.Errorf("%w: %v", errNoInquiry, verdict.Outcome) // says nothing about the transaction
	}
	defer keys.Wipe()
	return g.exchange(ctx, keys, keys.SealRequest(&link.Request{
		Identity: link.Identity{IMSI: tx.imsi, MSISDN: tx.MSISDN, Source: tx.Source},
		ID:       g.keys.TxID(), Kind: link.KindInquire, Target: tx.ID, Asked: time.Now(),
	}))
}

// finish records the bank's reply as the transaction's end.
func (g *Gateway) finish(ctx context.Context, partition int, entry string, tx *Transaction, r *link.Reply) (bool, error) {
	state := Declined
	if r.Outcome == link.Done {
		state = Done
	}
	out := []outboxEntry{{To: tx.MSISDN, From: tx.ShortCode, Bind: tx.Bind, Reference: tx.Reference, Purpose: "confirmation",
		Text: g.confirmation(tx, r)}}
	if state == Done && (tx.Kind == link.KindTransfer || tx.Kind == link.KindAirtime && r.Payee != tx.MSISDN) {
		payee, err := g.store.Subscriber(ctx, r.Payee)
		switch {
		case err == nil && !payee.Quiet:
			out = append(out, outboxEntry{To: r.Payee, From: tx.ShortCode, Bind: tx.Bind, Reference: tx.Reference, Purpose: "notice",
				Text: g.notice(payee.Language, tx, r)})
		case err != nil && !errors.Is(err, ErrUnknownSubscriber):
			return false, err
		}
	}
	if err := g.end(ctx, partition, entry, tx, state, r.Outcome.String(), "", out...); err != nil {
		return false, err
	}
	g.verdicts.tell(tx.ID, out[0].Text)
	for _, notice := range out[1:] {
		g.notify(ctx, notice.Bind, notice.To, notice.Text)
	}
	g.note(tx.MSISDN, tx.Reference, "verdict", r.Outcome.String())
	g.metrics.transactions.WithLabelValues(tx.Kind.String(), r.Outcome.String()).Inc()
	g.metrics.duration.Observe(time.Since(tx.Accepted).Seconds())
	if r.Outcome == link.Done || r.Outcome == link.WrongPIN {
		g.prepareKey(ctx, link.Identity{IMSI: tx.imsi, MSISDN: tx.MSISDN, Source: tx.Source})
	}
	return true, nil
}

// unreachable ends a transaction that never reached the bank.
func (g *Gateway) unreachable(ctx context.Context, partition int, entry string, tx *Transaction) (bool, error) {
	err := g.end(ctx, partition, entry, tx, Declined, outcomeUnreachable, "unsent",
		outboxEntry{To: tx.MSISDN, From: tx.ShortCode, Bind: tx.Bind, Reference: tx.Reference, Purpose: "confirmation",
			Text: g.texts.Load().Declined(tx.Language, tx.Reference, TextBankUnreachable, nil)})
	if errors.Is(err, errMaybeSent) {
		return false, nil // another gateway has sent it meanwhile
	}
	if err != nil {
		return false, err
	}
	g.metrics.transactions.WithLabelValues(tx.Kind.String(), outcomeUnreachable).Inc()
	return true, nil
}

// pendingNotice puts a transaction in doubt and tells its subscriber, once.
func (g *Gateway) pendingNotice(ctx context.Context, partition int, tx *Transaction) error {
	e, err := g.entry(outboxEntry{To: tx.MSISDN, From: tx.ShortCode, Bind: tx.Bind, Reference: tx.Reference, Purpose: "pending",
		Text: g.texts.Load().Format(tx.Language, TextPending, Args{"ref": tx.Reference})})
	if err != nil {
		return err
	}
	return storeError(doubtScript.Run(ctx, g.store.redis,
		[]string{key(partition, "tx", tx.Reference), key(partition, "outbox")}, e...).Err())
}

var errMaybeSent = errors.New("it may have reached the bank")

// end writes a transaction's end and its messages in one step, and takes its
// entry off the journal. Ending what has ended changes nothing.
func (g *Gateway) end(ctx context.Context, partition int, entry string, tx *Transaction, state State, outcome, guard string, out ...outboxEntry) error {
	args := []any{string(state), outcome, time.Now().UnixMilli(), g.cfg.Limits.Keep.Milliseconds(), entry, guard}
	for _, o := range out {
		e, err := g.entry(o)
		if err != nil {
			return err
		}
		args = append(append(args, len(e)), e...)
	}
	n, err := finishScript.Run(ctx, g.store.redis,
		[]string{key(partition, "tx", tx.Reference), key(partition, "journal"), key(partition, "outbox")}, args...).Int()
	if err != nil {
		return storeError(err)
	}
	if n < 0 {
		return errMaybeSent
	}
	return nil
}

func (g *Gateway) alarm(what string, tx *Transaction, err error) {
	g.log.Error("ALARM: "+what, "ref", tx.Reference, "error", err)
	g.metrics.alarms.Inc()
}
