package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strconv"
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

	// What follows is not in the wrapped part.
	Origin string `json:"-"` // the id under which it was first in the stream
	Tries  int    `json:"-"`
	sealed []byte // the wrapped part
}

// laterEntry is an entry that waits beside the stream until it is due.
type laterEntry struct {
	Reference string `json:"ref"`
	Purpose   string `json:"purpose"`
	Message   []byte `json:"message"`
	Origin    string `json:"origin"`
	Tries     int    `json:"tries"`
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
	l := laterEntry{Reference: field("ref"), Purpose: field("purpose"), Message: []byte(field("message")), Origin: m.ID}
	if again := field("later"); again != "" {
		if err := json.Unmarshal([]byte(again), &l); err != nil {
			return e, err
		}
	}
	e = outboxEntry{Reference: l.Reference, Purpose: l.Purpose, Origin: l.Origin, Tries: l.Tries, sealed: l.Message}
	plain, err := g.keyring.Unwrap(e.sealed, outboxPlace(e.Reference))
	if err != nil {
		return e, err
	}
	defer plain.Wipe()
	return e, json.Unmarshal(plain.Reveal(), &e)
}

// addressee is whom an entry goes to: a subscriber's messages leave in the order
// in which they were written, as far as they leave at once.
func (g *Gateway) addressee(m redis.XMessage) string {
	e, err := g.readEntry(m)
	if err != nil {
		return "" // confirm sets it aside
	}
	return e.To
}

// written is when the entry was put into the outbox, by Redis' clock.
func (e *outboxEntry) written() time.Time {
	ms, _, _ := strings.Cut(e.Origin, "-")
	n, _ := strconv.ParseInt(ms, 10, 64)
	return time.UnixMilli(n)
}

// validity is how long a message is worth sending.
func (g *Gateway) validity(purpose string) time.Duration {
	if purpose == "pending" {
		return g.cfg.Limits.PendingFor
	}
	return g.cfg.Limits.ConfirmFor
}

// An entry is tried outboxHere times with short pauses where it is, then it makes
// room for others and comes back when it is due.
const (
	outboxHere     = 3
	outboxFirst    = 200 * time.Millisecond
	outboxLongest  = 15 * time.Second
	outboxTick     = 500 * time.Millisecond // how often what is due is looked for
	outboxDueBatch = 256
)

// dispatch is the work on one outbox entry.
type dispatch struct {
	g         *Gateway
	partition int
	id        string // in the stream
	e         outboxEntry
	until     time.Time
	here      int // tries since it came

	record    *Message
	loaded    bool
	text      smpp.Encoded
	alphabets smpp.Alphabets
	parts     int // of them submitted
}

// What becomes of an entry, in metrics and records.
const (
	sentSubmitted   = "submitted"
	sentRefused     = "refused by the SMSC"
	sentOverdue     = "validity over"
	sentTooLong     = "too long"
	sentOvertaken   = "overtaken"
	sentDamaged     = "damaged"
	sentUnreachable = "no bind reaches the number"
	sentWaiting     = "waiting"
)

// confirm sends one outbox entry and takes it off the stream when the SMSC has
// it, has refused it for good, or its validity is over. Where it cannot leave now
// it waits beside the stream, so that it holds up nobody. When ctx ends the entry
// waits for the next gateway.
func (g *Gateway) confirm(ctx context.Context, partition int, m redis.XMessage) {
	e, err := g.readEntry(m)
	if err != nil {
		g.log.Error("outbox entry set aside", "purpose", e.Purpose, "ref", e.Reference, "error", err)
		g.metrics.outbox.WithLabelValues(e.Purpose, sentDamaged).Inc()
		g.sent(ctx, partition, m.ID, e, sentDamaged, nil)
		return
	}
	d := &dispatch{g: g, partition: partition, id: m.ID, e: e, until: e.written().Add(g.validity(e.Purpose))}
	d.record = &Message{Purpose: e.Purpose, State: sentWaiting, Written: e.written(), Until: d.until}
	if e.Tries > 0 {
		d.load(ctx)
	}
	for d.step(ctx) {
	}
}

// load reads what this gateway, or another, has noted of the message before.
func (d *dispatch) load(ctx context.Context) {
	if d.loaded || d.e.Reference == "" {
		return
	}
	m, err := d.g.store.message(ctx, d.partition, d.e.Reference, d.e.Purpose)
	if err != nil {
		return // it is noted anew, and a part may go twice
	}
	d.loaded = true
	if m.State == "" {
		return
	}
	r := d.record
	r.Attempts, r.NotSent, r.Unknown, r.Refused = r.Attempts+m.Attempts, r.NotSent+m.NotSent, r.Unknown+m.Unknown, r.Refused+m.Refused
	if r.Last == "" {
		r.Last, r.LastAt = m.Last, m.LastAt
	}
	if r.encoding == "" {
		r.encoding, r.number, r.Parts, r.ReceiptsUntil = m.encoding, m.number, m.Parts, m.ReceiptsUntil
	}
}

// step does one thing about the entry and says whether there is more to do now.
func (d *dispatch) step(ctx context.Context) bool {
	g, e := d.g, &d.e
	if ctx.Err() != nil {
		return false
	}
	if d.parts == 0 && e.Purpose == "pending" && g.ended(ctx, d.partition, e.Reference) {
		return d.end(ctx, sentOvertaken, nil)
	}
	if !time.Now().Before(d.until) {
		return d.end(ctx, sentOverdue, errors.New("the SMSC did not take it in time"))
	}
	way, able := g.routes.pick(e)
	switch {
	case !able:
		return d.end(ctx, sentUnreachable, errors.New("its prefix is in no bind's reaches"))
	case way == nil:
		return d.again(ctx, errNoBind)
	case !g.routes.enter(way):
		return d.later(ctx)
	}
	if !d.encode(ctx, way) {
		way.leave()
		return d.end(ctx, sentTooLong, errors.New("more than 255 parts"))
	}
	if d.parts == len(d.text.Parts) {
		way.leave() // all parts left before a restart
	} else {
		var wanted func() bool
		if d.parts == 0 && e.Purpose == "pending" {
			wanted = func() bool { return !g.ended(ctx, d.partition, e.Reference) }
		}
		id, err := way.esme.SubmitIf(ctx, submitSM(e, way.cfg.Validity(d.until, time.Now()), d.text, d.parts), wanted)
		way.leave()
		if errors.Is(err, smpp.ErrWithdrawn) {
			return d.end(ctx, sentOvertaken, nil)
		}
		if !d.tried(ctx, way, id, err) {
			if refusedForGood(err) {
				return d.end(ctx, sentRefused, err)
			}
			// Not sent, or outcome unknown: a subscriber who reads a confirmation
			// twice is better off than one who never reads it.
			return d.again(ctx, err)
		}
	}
	if d.parts < len(d.text.Parts) {
		return true
	}
	return d.end(ctx, sentSubmitted, nil)
}

var errNoBind = fmt.Errorf("%w: no bind that reaches the number is up", smpp.ErrNotSent)

// encode makes the parts for a bind. Octets for one SMSC may be other characters
// at another: then it is all parts again, under another number, lest they are
// joined with what left.
func (d *dispatch) encode(ctx context.Context, way *route) bool {
	a := way.esme.Config().Alphabets()
	if d.text.Parts != nil && a.Equal(d.alphabets) {
		return true
	}
	number := longNumber(d.e.Origin, a)
	d.text, d.alphabets, d.parts = smpp.Encode(d.e.Text, a, number), a, 0
	if len(d.text.Parts) > 1 {
		d.load(ctx)
	}
	// Parts that left before a restart need not leave again.
	encoding := fmt.Sprintf("%v", a)
	if d.record.encoding == encoding && d.record.number == number && len(d.record.Parts) == len(d.text.Parts) {
		for d.parts < len(d.record.Parts) && !d.record.Parts[d.parts].At.IsZero() {
			d.parts++
		}
		return d.text.Parts != nil
	}
	d.record.encoding, d.record.number, d.record.Parts = encoding, number, make([]MessagePart, len(d.text.Parts))
	return d.text.Parts != nil
}

// longNumber is the reference number of a long message's parts. It differs from
// the last message's, lest the handset joins parts of two; and from that of the
// same message in other alphabets, also when that was before the entry waited or
// at another gateway: so it follows from nothing that is counted here.
func longNumber(origin string, a smpp.Alphabets) byte {
	h := fnv.New32a()
	io.WriteString(h, origin)
	message := byte(h.Sum32())
	h.Reset()
	fmt.Fprint(h, a)
	return message + byte(h.Sum32())
}

// tried notes a submission, and says whether the SMSC has the part.
func (d *dispatch) tried(ctx context.Context, way *route, id string, err error) bool {
	g, r := d.g, d.record
	if err != nil {
		d.load(ctx)
	}
	r.Attempts++
	result := "accepted"
	switch {
	case err == nil:
		r.Parts[d.parts] = MessagePart{Bind: way.cfg.Name, ID: id, At: time.Now()}
		d.parts++
		if way.cfg.RequestReceipts {
			r.ReceiptsUntil = time.Now().Add(g.cfg.Limits.ReceiptFor)
		}
	case errors.Is(err, smpp.ErrOutcomeUnknown):
		r.Unknown++
		result = "unknown"
	case errors.Is(err, smpp.ErrNotSent):
		r.NotSent++
		result = "not sent"
	case refusedForGood(err):
		r.Refused++
		result = "refused"
	default:
		r.Refused++
		result = "refused for now"
	}
	g.metrics.attempts.WithLabelValues(way.cfg.Name, result).Inc()
	if err != nil {
		r.Last, r.LastAt = reason(err), time.Now()
		return false
	}
	if err := g.await(ctx, d.partition, way, d); err != nil {
		g.log.Warn("a submission is not noted; its receipt will not be matched", "ref", d.e.Reference, "error", err)
	}
	return true
}

// reason is an error as a record keeps it.
func reason(err error) string {
	s := err.Error()
	return s[:min(len(s), 200)]
}

// again waits, here or beside the stream, until the next try.
func (d *dispatch) again(ctx context.Context, err error) bool {
	if errors.Is(err, errNoBind) {
		d.load(ctx)
		d.record.Last, d.record.LastAt = reason(err), time.Now()
	}
	if d.here == 0 && d.e.Tries == 0 {
		d.g.log.Warn("message not yet with the SMSC", "purpose", d.e.Purpose, "ref", d.e.Reference, "error", err)
	}
	if d.here++; d.here >= outboxHere {
		return d.later(ctx)
	}
	wait := newPause(outboxFirst<<(d.here-1), outboxLongest)
	return wait.next(ctx) == nil
}

// later puts the entry beside the stream. Where that fails it stays in it, and is
// tried again here.
func (d *dispatch) later(ctx context.Context) bool {
	g := d.g
	d.e.Tries++
	pause := min(outboxFirst<<min(d.e.Tries+1, 10), outboxLongest)
	pause = pause/2 + rand.N(pause/2)
	due := time.Now().Add(min(pause, max(time.Until(d.until), 0)))
	entry, err := json.Marshal(laterEntry{Reference: d.e.Reference, Purpose: d.e.Purpose, Message: d.e.sealed, Origin: d.e.Origin, Tries: d.e.Tries})
	if err == nil {
		store, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
		_, err = g.store.redis.Pipelined(store, func(p redis.Pipeliner) error {
			d.note(store, p)
			laterScript.Eval(store, p, laterKeys(d.partition), d.id, entry, due.UnixMilli())
			return nil
		})
	}
	if err != nil {
		g.log.Warn("message waits in the outbox itself", "ref", d.e.Reference, "error", storeError(err))
		return newPause(time.Second, time.Second).next(ctx) == nil
	}
	return false
}

func laterKeys(partition int) []string {
	return []string{key(partition, "outbox"), key(partition, "later"), key(partition, "later", "entries")}
}

// note adds the record to a pipeline, for messages that have one.
func (d *dispatch) note(ctx context.Context, p redis.Pipeliner) {
	if d.e.Reference != "" {
		d.record.write(ctx, p, messageKey(d.partition, d.e.Reference, d.e.Purpose), d.g.cfg.Limits.Keep)
	}
}

// end is the end of an entry. It gives false: there is nothing more to do.
func (d *dispatch) end(ctx context.Context, what string, why error) bool {
	g, e := d.g, &d.e
	if what != sentSubmitted && what != sentOvertaken {
		d.load(ctx)
		d.record.LastAt = time.Now()
		if d.record.Last == "" || what != sentOverdue {
			d.record.Last = reason(why)
		}
		g.log.Error("message not sent: "+what, "purpose", e.Purpose, "ref", e.Reference, "reason", d.record.Last)
	}
	label := what
	if what == sentRefused {
		label = "refused"
	}
	g.metrics.outbox.WithLabelValues(e.Purpose, label).Inc()
	if e.Reference != "" {
		g.note("", e.Reference, "confirmation", e.Purpose+" "+what)
	}
	if what == sentSubmitted {
		g.metrics.outboxTime.Observe(time.Since(e.written()).Seconds())
	}
	d.record.State = what
	g.sent(ctx, d.partition, d.id, *e, what, d)
	return false
}

// ended says whether a transaction is final: "pending" is then no longer true,
// and may not be read after the verdict.
func (g *Gateway) ended(ctx context.Context, partition int, ref string) bool {
	tx, err := g.store.transaction(ctx, partition, ref)
	return err == nil && tx.State.Final()
}

func submitSM(e *outboxEntry, validity string, text smpp.Encoded, part int) *smpp.Message {
	const (
		tonInternational = 1 // SMPP 3.4 §5.2.5
		npiISDN          = 1 // §5.2.6
	)
	m := &smpp.Message{
		Source:     smpp.Address{Addr: e.From}, // TON and NPI are the bind's
		Dest:       smpp.Address{TON: tonInternational, NPI: npiISDN, Addr: e.To},
		DataCoding: text.Coding, Payload: text.Parts[part],
		ValidityPeriod: validity,
	}
	if text.UDHI {
		m.ESMClass = smpp.ESMClassUDHI
	}
	return m
}

// refusedForGood says whether sending the same message again cannot help.
func refusedForGood(err error) bool {
	if se, ok := errors.AsType[*smpp.StatusError](err); ok {
		return !se.Temporary()
	}
	return errors.Is(err, smpp.ErrUnencodable)
}

// sent takes an entry off the outbox and notes on its transaction what became of
// the confirmation, also when ctx ends just then: the SMSC has the message.
func (g *Gateway) sent(ctx context.Context, partition int, id string, e outboxEntry, what string, d *dispatch) {
	err := g.insist(ctx, func(ctx context.Context) error {
		_, err := g.store.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
			if d != nil {
				d.note(ctx, p)
			}
			if e.Reference != "" && e.Purpose == "confirmation" {
				noteScript.Eval(ctx, p, []string{key(partition, "tx", e.Reference)}, what)
			}
			p.XAck(ctx, key(partition, "outbox"), group, id)
			p.XDel(ctx, key(partition, "outbox"), id)
			return nil
		})
		return err
	})
	if err != nil {
		// The entry stays and is sent again: see confirm.
		g.log.Error("outbox entry not finished", "error", err)
	}
}

// insist repeats what has to be written because the SMSC has taken a message:
// until the store takes it, and once more where ctx has ended.
func (g *Gateway) insist(ctx context.Context, write func(context.Context) error) error {
	wait := newPause(100*time.Millisecond, 2*time.Second)
	for {
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		err := write(once)
		cancel()
		if err == nil || errors.Is(err, redis.Nil) {
			return nil
		}
		if wait.next(ctx) != nil {
			return storeError(err)
		}
	}
}

// putBack returns what is due into the outboxes, and everything as soon as a bind
// can submit again, until ctx ends.
func (g *Gateway) putBack(ctx context.Context) {
	t := time.NewTicker(outboxTick)
	defer t.Stop()
	up := map[*route]bool{}
	for {
		now := strconv.FormatInt(time.Now().UnixMilli(), 10)
		for _, r := range g.routes.all {
			can := r.esme.CanSubmit()
			if can && !up[r] {
				now = "+inf"
			}
			up[r] = can
		}
		if waiting, err := g.dueEntries(ctx, now); err == nil {
			g.metrics.outboxLater.Set(float64(waiting))
		} else if ctx.Err() == nil {
			g.log.Warn("messages that are due wait on", "error", err)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// dueEntries puts what is due by now back, and says how many entries are left.
func (g *Gateway) dueEntries(ctx context.Context, now string) (left int64, err error) {
	for p := range g.store.partitions {
		n, err := dueScript.Run(ctx, g.store.redis, laterKeys(p), now, outboxDueBatch).Int64Slice()
		if err != nil {
			return left, storeError(err)
		}
		left += n[1]
	}
	return left, nil
}
