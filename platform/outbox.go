package platform

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"io"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"starhash/smpp"
)

// outboxEntry is an MT message on its way to the SMSC. In Redis it is wrapped:
// the text, and also to whom it goes, because the notice of a transfer names its
// payee.
type outboxEntry struct {
	To        string
	From      string // the short code
	Bind      string // the bind to prefer: the one that the subscriber's message came in on
	Reference string `json:"-"` // of the transaction that it confirms, or empty; in clear
	Purpose   string `json:"-"` // answer, confirmation, pending, notice; in clear
	Text      string
}

// entry gives the stream fields of e.
func (g *Gateway) entry(e outboxEntry) ([]any, error) {
	if e.From == "" {
		e.From = g.cfg.ShortCode
	}
	plain, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	w, err := g.keyring.Wrap(plain, outboxPlace(e.Reference))
	if err != nil {
		return nil, err
	}
	return []any{"ref", e.Reference, "purpose", e.Purpose, "message", w}, nil
}

// readEntry is the reverse of entry. What is in clear it gives with an error too.
func (g *Gateway) readEntry(m redis.XMessage) (e outboxEntry, err error) {
	field := func(k string) string { s, _ := m.Values[k].(string); return s }
	e.Reference, e.Purpose = field("ref"), field("purpose")
	plain, err := g.keyring.Unwrap([]byte(field("message")), outboxPlace(e.Reference))
	if err != nil {
		return e, err
	}
	defer plain.Wipe()
	return e, json.Unmarshal(plain.Reveal(), &e)
}

// confirm sends one outbox entry and takes it off the stream when the SMSC has
// it, or has refused it for good. It returns only when that is done or ctx ends;
// the entry then waits for the next gateway.
func (g *Gateway) confirm(ctx context.Context, partition int, m redis.XMessage) {
	e, err := g.readEntry(m)
	if err != nil {
		g.log.Error("outbox entry set aside", "purpose", e.Purpose, "ref", e.Reference, "error", err)
		g.metrics.outbox.WithLabelValues(e.Purpose, "damaged").Inc()
		g.sent(ctx, partition, m.ID, e, "damaged")
		return
	}
	// The reference number of a long message differs from the last one's, lest
	// the handset joins parts of two.
	ref := fnv.New32a()
	io.WriteString(ref, m.ID)
	number := byte(ref.Sum32())
	wait := newPause(200*time.Millisecond, 10*time.Second)
	var (
		ids       []string
		esme      *smpp.ESME
		text      smpp.Encoded
		alphabets smpp.Alphabets
	)
	for text.Parts == nil || len(ids) < len(text.Parts) {
		if e.Purpose == "pending" && len(ids) == 0 && g.ended(ctx, partition, e.Reference) {
			g.metrics.outbox.WithLabelValues(e.Purpose, "overtaken").Inc()
			g.sent(ctx, partition, m.ID, e, "overtaken")
			return
		}
		if esme = g.bindFor(e.Bind); esme == nil {
			if wait.next(ctx) != nil {
				return
			}
			continue
		}
		if a := esme.Config().Alphabets(); text.Parts == nil || !a.Equal(alphabets) {
			// Octets for one SMSC may be other characters at another: all parts
			// again, under another number, lest they are joined with what left.
			text, alphabets, ids = smpp.Encode(e.Text, a, number), a, nil
			number++
			if text.Parts == nil {
				g.log.Error("message too long for 255 parts", "purpose", e.Purpose, "ref", e.Reference)
				g.metrics.outbox.WithLabelValues(e.Purpose, "too long").Inc()
				g.sent(ctx, partition, m.ID, e, "too long")
				return
			}
		}
		id, err := esme.Submit(ctx, submitSM(e, text, len(ids)))
		if err == nil {
			ids = append(ids, id)
			continue
		}
		if permanent(err) {
			g.log.Error("message refused by the SMSC", "purpose", e.Purpose, "ref", e.Reference, "error", err)
			g.metrics.outbox.WithLabelValues(e.Purpose, "refused").Inc()
			g.sent(ctx, partition, m.ID, e, "refused by the SMSC")
			return
		}
		// Not sent, or outcome unknown: a subscriber who reads a confirmation
		// twice is better off than one who never reads it.
		g.log.Warn("message not yet with the SMSC", "purpose", e.Purpose, "ref", e.Reference, "error", err)
		if wait.next(ctx) != nil {
			return
		}
	}
	g.metrics.outbox.WithLabelValues(e.Purpose, "submitted").Inc()
	g.sent(ctx, partition, m.ID, e, "submitted")
	if e.Reference != "" && e.Purpose == "confirmation" && esme.Config().RequestReceipts {
		if err := g.awaitReceipt(ctx, esme.Config().Name, ids[len(ids)-1], e); err != nil {
			g.log.Warn("a delivery receipt will not be matched", "ref", e.Reference, "error", err)
		}
	}
}

// ended says whether a transaction is final: "pending" is then no longer true,
// and may not be read after the verdict.
func (g *Gateway) ended(ctx context.Context, partition int, ref string) bool {
	tx, err := g.store.transaction(ctx, partition, ref)
	return err == nil && tx.State.Final()
}

func submitSM(e outboxEntry, text smpp.Encoded, part int) *smpp.Message {
	const (
		tonInternational = 1 // SMPP 3.4 §5.2.5
		npiISDN          = 1 // §5.2.6
	)
	m := &smpp.Message{
		Source:     smpp.Address{Addr: e.From}, // TON and NPI are the bind's
		Dest:       smpp.Address{TON: tonInternational, NPI: npiISDN, Addr: e.To},
		DataCoding: text.Coding, Payload: text.Parts[part],
	}
	if text.UDHI {
		m.ESMClass = smpp.ESMClassUDHI
	}
	return m
}

// permanent says whether sending the same message again cannot help.
func permanent(err error) bool {
	if errors.Is(err, smpp.ErrUnencodable) {
		return true
	}
	se, ok := errors.AsType[*smpp.StatusError](err)
	if !ok {
		return false
	}
	switch se.Status {
	case smpp.StatusThrottled, smpp.StatusMsgQFul, smpp.StatusSysErr, smpp.StatusTempAppErr, smpp.StatusSubmitFail:
		return false
	}
	return true
}

// bindFor is the preferred bind if it is up, else any that is and can send.
func (g *Gateway) bindFor(name string) *smpp.ESME {
	var other *smpp.ESME
	for _, b := range g.binds {
		if !b.Bound() || b.Config().Bind == smpp.Receiver {
			continue
		}
		if b.Config().Name == name {
			return b
		}
		if other == nil {
			other = b
		}
	}
	return other
}

// sent takes an entry off the outbox and notes on its transaction what became of
// the confirmation, also when ctx ends just then: the SMSC has the message.
func (g *Gateway) sent(ctx context.Context, partition int, id string, e outboxEntry, what string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	_, err := g.store.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		if e.Reference != "" && e.Purpose == "confirmation" {
			noteScript.Eval(ctx, p, []string{key(partition, "tx", e.Reference)}, what)
		}
		p.XAck(ctx, key(partition, "outbox"), group, id)
		p.XDel(ctx, key(partition, "outbox"), id)
		return nil
	})
	if err != nil {
		// The entry stays and is sent again: see confirm.
		g.log.Error("outbox entry not finished", "error", storeError(err))
	}
}

// receiptKeep is how long a delivery receipt is waited for, and receiptPark how
// long one that comes before the submit_sm_resp that names it is kept.
const (
	receiptKeep = 48 * time.Hour
	receiptPark = 10 * time.Minute
)

// parked marks a receipt that came early; references hold no blank.
const parked = "early "

func (s *Store) receiptKey(msisdn, bind, id string) string {
	return key(s.partition(msisdn), "receipt", bind, id)
}

// awaitReceipt leaves word of what a message id confirms, or applies the receipt
// that came before it.
func (g *Gateway) awaitReceipt(ctx context.Context, bind, id string, e outboxEntry) error {
	before, err := g.store.redis.SetArgs(ctx, g.store.receiptKey(e.To, bind, id), e.Reference, redis.SetArgs{TTL: receiptKeep, Get: true}).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return storeError(err)
	}
	if state, early := strings.CutPrefix(before, parked); early {
		return g.applyReceipt(ctx, e.To, e.Reference, state)
	}
	return nil
}

// receipt notes a delivery receipt on the transaction whose confirmation it is
// about. It changes the confirmation's state, never the transaction's. One that
// nothing waits for is kept for a while, because SMSCs send receipts before the
// submit_sm_resp that names them.
func (g *Gateway) receipt(ctx context.Context, bind string, from smpp.Address, r smpp.Receipt) error {
	msisdn, ok := g.number(from)
	if !ok {
		return nil
	}
	k := g.store.receiptKey(msisdn, bind, r.MessageID)
	before, err := g.store.redis.SetArgs(ctx, k, parked+r.State, redis.SetArgs{Mode: "NX", TTL: receiptPark, Get: true}).Result()
	if errors.Is(err, redis.Nil) || (err == nil && strings.HasPrefix(before, parked)) {
		g.metrics.receipts.WithLabelValues("parked").Inc()
		return nil
	}
	if err != nil {
		return storeError(err)
	}
	g.metrics.receipts.WithLabelValues(receiptState(r.State)).Inc()
	return g.applyReceipt(ctx, msisdn, before, r.State)
}

// receiptState keeps an SMSC's own inventions out of the metrics' labels.
func receiptState(s string) string {
	switch s {
	case "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD", "ENROUTE":
		return s
	}
	return "other"
}

func (g *Gateway) applyReceipt(ctx context.Context, msisdn, ref, state string) error {
	tx := key(g.store.partition(msisdn), "tx", ref)
	return storeError(noteScript.Run(ctx, g.store.redis, []string{tx}, "receipt "+receiptState(state)).Err())
}
