package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"starhash/smpp"
)

// A receipt names its message by the id of the submit_sm_resp. Ids are the
// SMSC's: they are kept by SMSC, not by bind, so that a receipt may come on
// another bind to it, on another session, at another gateway; two SMSCs may
// give the same id. A receipt can be quicker than the submit_sm_resp: it is
// parked for a while.
const (
	receiptPark  = 10 * time.Minute
	receiptsHeld = 1000 // parked ones of a partition at most
)

// parked marks a receipt that came early. lua/receipt.lua knows it.
const parked = "early "

func (s *Store) receiptKey(msisdn, smsc, id string) string {
	return key(s.partition(msisdn), "receipt", smsc, id)
}

func (s *Store) parkedKey(msisdn string) string { return key(s.partition(msisdn), "parked") }

// await notes the part that was submitted last, leaves word of what its message
// id stands for, and applies the receipt that came before it.
func (g *Gateway) await(ctx context.Context, partition int, way *route, d *dispatch) error {
	id := way.cfg.ResponseID(d.record.Parts[d.parts-1].ID)
	var early *redis.Cmd
	err := g.insist(ctx, func(ctx context.Context) error {
		_, err := g.store.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
			d.note(ctx, p)
			if way.cfg.RequestReceipts && id != "" {
				k := g.store.receiptKey(d.e.To, way.cfg.SMSC, id)
				early = awaitScript.Eval(ctx, p, []string{k, g.store.parkedKey(d.e.To), k + ":early"},
					d.stands(), g.cfg.Limits.ReceiptFor.Milliseconds(), receiptPark.Milliseconds())
			}
			return nil
		})
		return err
	})
	if err != nil || early == nil {
		return err
	}
	text, _ := early.Text()
	if note, ok := strings.CutPrefix(text, parked); ok {
		var n receiptNote
		if err := json.Unmarshal([]byte(note), &n); err != nil {
			return err
		}
		return g.applyReceipt(ctx, d.stands(), n)
	}
	return nil
}

// stands is what the id of the part that was submitted last stands for: the
// reference, what the message is for, the part, and the number of its parts,
// since a message that was cut up anew has others.
func (d *dispatch) stands() string {
	return fmt.Sprintf("%s %s %d %d", d.e.Reference, d.e.Purpose, d.parts, d.record.number)
}

// receipt notes a delivery receipt on the record of the message that it is about.
// It changes what is known of the message, never a transaction's state. One that
// nothing waits for is kept for a while.
func (g *Gateway) receipt(ctx context.Context, bind smpp.BindConfig, m *smpp.Message, r smpp.Receipt) error {
	msisdn, ok := g.receiptFrom(m)
	if !ok || r.MessageID == "" {
		g.metrics.receipts.WithLabelValues("unreadable").Inc()
		return nil
	}
	n := receiptNote{State: r.State, Err: r.Err, Network: r.Network, Done: r.Done, Bind: bind.Name, At: time.Now(), Intermediate: r.Intermediate}
	note, err := json.Marshal(&n)
	if err != nil {
		return err
	}
	final := "0"
	if receiptRank(n) >= rankFailed {
		final = "1"
	}
	k := g.store.receiptKey(msisdn, bind.SMSC, bind.ReceiptID(r))
	stands, err := receiptScript.Run(ctx, g.store.redis, []string{k, g.store.parkedKey(msisdn)},
		parked+string(note), receiptPark.Milliseconds(), time.Now().UnixMilli(), receiptsHeld, final).Text()
	if errors.Is(err, redis.Nil) {
		g.metrics.receipts.WithLabelValues("parked").Inc()
		return nil
	}
	if err != nil {
		return storeError(err)
	}
	return g.applyReceipt(ctx, stands, n)
}

// receiptFrom is the subscriber whom a receipt is about: its source, or its
// destination where the SMSC leaves the addresses as they were submitted.
func (g *Gateway) receiptFrom(m *smpp.Message) (string, bool) {
	if m.Source.Addr != g.cfg.ShortCode {
		if msisdn, ok := g.number(m.Source); ok {
			return msisdn, true
		}
	}
	return g.number(m.Dest)
}

// receiptState keeps an SMSC's own inventions out of the metrics' labels.
func receiptState(s string) string {
	switch s {
	case "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD", "ENROUTE":
		return s
	}
	return "other"
}

// Ranks of receipts: one of a higher rank replaces one of a lower.
const (
	rankUnderWay  = 1 // another will follow
	rankUnclear   = 2 // ACCEPTD, UNKNOWN and inventions: SMSCs send others after them
	rankFailed    = 3
	rankDelivered = 4
)

func receiptRank(n receiptNote) int {
	switch {
	case n.Intermediate || n.State == "ENROUTE":
		return rankUnderWay
	case n.State == "DELIVRD":
		return rankDelivered
	case n.State == "EXPIRED" || n.State == "DELETED" || n.State == "UNDELIV" || n.State == "REJECTD":
		return rankFailed
	}
	return rankUnclear
}

// applyReceipt notes a receipt where it belongs: on part of a purpose's message
// of a reference, if it has one.
func (g *Gateway) applyReceipt(ctx context.Context, stands string, n receiptNote) error {
	g.metrics.receipts.WithLabelValues(receiptState(n.State)).Inc()
	f := strings.Split(stands, " ")
	if len(f) != 4 || f[0] == "" {
		return nil // an answer: nothing is kept of it
	}
	ref, partition, ok := referencePartition(f[0])
	if !ok {
		return nil
	}
	confirmation := "0"
	if f[1] == "confirmation" {
		confirmation = "1"
	}
	g.note("", ref, "receipt", f[1]+" "+receiptState(n.State))
	rank := receiptRank(n)
	if receiptState(n.State) == "other" {
		n.State = strconv.Quote(n.State)
	}
	note, err := json.Marshal(&n)
	if err != nil {
		return err
	}
	return storeError(receivedScript.Run(ctx, g.store.redis, []string{messageKey(partition, ref, f[1]), key(partition, "tx", ref)},
		f[2], rank, receiptState(n.State), note, confirmation, f[3]).Err())
}

// special takes a message whose type (SMPP 3.4 §5.2.12) says that it is no
// ordinary one. Whatever it says, it is nobody's order. It is acknowledged when
// it is noted; what cannot be read would not be better the next time.
func (g *Gateway) special(ctx context.Context, bind smpp.BindConfig, m *smpp.Message) error {
	kind, label := m.ESMClass&smpp.ESMClassTypeMask, "reserved"
	switch kind {
	case smpp.ESMClassReceipt, smpp.ESMClassIntermediate:
		r, ok := smpp.ParseReceipt(m)
		if ok {
			return g.receipt(ctx, bind, m, r)
		}
		label = "unreadable receipt"
	case smpp.ESMClassDeliveryAck, smpp.ESMClassManualAck:
		label = "delivery acknowledgement"
		if kind == smpp.ESMClassManualAck {
			label = "manual acknowledgement"
		}
		if err := g.acknowledged(ctx, bind, m, label); err != nil {
			return err
		}
	case smpp.ESMClassConversationAbort:
		label = "conversation abort"
	}
	g.metrics.special.WithLabelValues(label).Inc()
	g.log.Info("message of a special type", "bind", bind.Name, "type", label, "esm_class", m.ESMClass)
	return nil
}

// acknowledged notes a handset's or its user's acknowledgement on the message
// that it names, where it names one.
func (g *Gateway) acknowledged(ctx context.Context, bind smpp.BindConfig, m *smpp.Message, label string) error {
	msisdn, ok := g.receiptFrom(m)
	v, named := m.TLVs.Get(smpp.TagReceiptedMessageID)
	if !ok || !named {
		return nil
	}
	id := bind.ResponseID(strings.TrimRight(string(v[:min(len(v), 65)]), "\x00"))
	stands, err := g.store.redis.Get(ctx, g.store.receiptKey(msisdn, bind.SMSC, id)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return storeError(err)
	}
	f := strings.Split(stands, " ")
	ref, partition, ok := referencePartition(f[0])
	if len(f) != 4 || !ok {
		return nil
	}
	note, err := json.Marshal(&receiptNote{State: label, Bind: bind.Name, At: time.Now()})
	if err != nil {
		return err
	}
	k := messageKey(partition, ref, f[1])
	if n, err := g.store.redis.Exists(ctx, k).Result(); err != nil || n == 0 {
		return storeError(err)
	}
	return storeError(g.store.redis.HSet(ctx, k, "a"+f[2]+"."+f[3], note).Err())
}
