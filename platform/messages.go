package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Message is what is known of an MT message that has to do with a transaction: no
// text, and not to whom it goes.
type Message struct {
	Purpose string // confirmation, pending, notice
	State   string // waiting, submitted, or why it ended
	Written time.Time
	Until   time.Time // the end of its validity

	Attempts int // submissions of it or of a part
	NotSent  int // of them, those of which no octet left
	Unknown  int // of which nobody knows whether the SMSC took them: it may have come twice
	Refused  int // that the SMSC refused
	Last     string
	LastAt   time.Time

	Parts         []MessagePart
	ReceiptsUntil time.Time // zero: none were asked for

	encoding string // of the parts that were submitted
	number   byte   // under which reference number; receipts are kept by it
}

// MessagePart is a part that the SMSC has taken.
type MessagePart struct {
	Bind string    `json:"bind"`
	ID   string    `json:"id"` // as in the submit_sm_resp
	At   time.Time `json:"at"`

	Receipt *receiptNote `json:"-"`
	Ack     *receiptNote `json:"-"` // of the handset or its user
}

// receiptNote is what is kept of a receipt.
type receiptNote struct {
	State        string    `json:"state"`
	Err          string    `json:"err,omitempty"`
	Network      string    `json:"network,omitempty"`
	Done         string    `json:"done,omitempty"` // as the SMSC wrote it
	Bind         string    `json:"bind"`           // that it came on
	At           time.Time `json:"at"`
	Intermediate bool      `json:"intermediate,omitempty"`
}

// messagePurposes are those of the messages that have a record.
var messagePurposes = []string{"pending", "confirmation", "notice"}

func messageKey(partition int, ref, purpose string) string {
	return key(partition, "mt", ref, purpose)
}

// Messages are those of a transaction, in the order in which they are written.
func (s *Store) Messages(ctx context.Context, reference string) ([]*Message, error) {
	ref, partition, ok := referencePartition(reference)
	if !ok || partition >= s.partitions {
		return nil, ErrNoTransaction
	}
	var out []*Message
	for _, purpose := range messagePurposes {
		m, err := s.message(ctx, partition, ref, purpose)
		if err != nil {
			return nil, err
		}
		if m.State != "" {
			out = append(out, m)
		}
	}
	return out, nil
}

// message reads a record; one that is not there is empty.
func (s *Store) message(ctx context.Context, partition int, ref, purpose string) (*Message, error) {
	f, err := s.redis.HGetAll(ctx, messageKey(partition, ref, purpose)).Result()
	if err != nil {
		return nil, storeError(err)
	}
	number := func(k string) int { n, _ := strconv.Atoi(f[k]); return n }
	at := func(k string) (t time.Time) {
		if n, _ := strconv.ParseInt(f[k], 10, 64); n != 0 {
			t = time.UnixMilli(n)
		}
		return t
	}
	m := &Message{
		Purpose: purpose, State: f["state"], Written: at("written"), Until: at("until"),
		Attempts: number("attempts"), NotSent: number("not_sent"), Unknown: number("unknown"), Refused: number("refused"),
		Last: f["last"], LastAt: at("last_at"), ReceiptsUntil: at("receipts_until"), encoding: f["encoding"], number: byte(number("number")),
	}
	for i := range min(number("parts"), 255) {
		var p MessagePart
		n := strconv.Itoa(i + 1)
		_ = json.Unmarshal([]byte(f["p"+n]), &p) // not there: not submitted yet
		for field, into := range map[string]**receiptNote{"r": &p.Receipt, "a": &p.Ack} {
			var note receiptNote
			if json.Unmarshal([]byte(f[field+n+"."+f["number"]]), &note) == nil {
				*into = &note
			}
		}
		m.Parts = append(m.Parts, p)
	}
	return m, nil
}

// write adds a record's head to a pipeline. Writing it again changes nothing.
func (m *Message) write(ctx context.Context, p redis.Pipeliner, k string, keep time.Duration) {
	f := []any{
		"state", m.State, "written", m.Written.UnixMilli(), "until", m.Until.UnixMilli(),
		"attempts", m.Attempts, "not_sent", m.NotSent, "unknown", m.Unknown, "refused", m.Refused,
		"parts", len(m.Parts), "encoding", m.encoding, "number", m.number,
	}
	if m.Last != "" {
		f = append(f, "last", m.Last, "last_at", m.LastAt.UnixMilli())
	}
	if !m.ReceiptsUntil.IsZero() {
		f = append(f, "receipts_until", m.ReceiptsUntil.UnixMilli())
	}
	for i := range m.Parts {
		if m.Parts[i].ID != "" || !m.Parts[i].At.IsZero() {
			b, _ := json.Marshal(&m.Parts[i]) // strings and a time
			f = append(f, "p"+strconv.Itoa(i+1), b)
		}
	}
	p.HSet(ctx, k, f...)
	p.PExpire(ctx, k, keep)
}

// Trace tells what became of the message, line by line.
func (m *Message) Trace(now time.Time) []string {
	at := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	lines := []string{fmt.Sprintf("%-12s %s  written, valid until %s; %s, %d attempt(s)", m.Purpose, at(m.Written), at(m.Until), m.State, m.Attempts)}
	add := func(format string, args ...any) { lines = append(lines, "             "+fmt.Sprintf(format, args...)) }
	if m.Last != "" {
		add("%s  last failure: %s (not sent %d, outcome unknown %d, refused %d)", at(m.LastAt), m.Last, m.NotSent, m.Unknown, m.Refused)
	}
	if m.Unknown > 0 {
		add("the subscriber may have it more than once: what may not have arrived is sent again")
	}
	for i, p := range m.Parts {
		part := fmt.Sprintf("part %d of %d", i+1, len(m.Parts))
		if p.At.IsZero() {
			add("%s not submitted", part)
			continue
		}
		add("%s  %s submitted on %s as %q", at(p.At), part, p.Bind, p.ID)
		switch r := p.Receipt; {
		case r != nil:
			line := fmt.Sprintf("%s  %s receipt %s", at(r.At), part, r.State)
			if r.Intermediate {
				line = fmt.Sprintf("%s  %s so far %s", at(r.At), part, r.State)
			}
			for _, f := range [][2]string{{"err", r.Err}, {"network error", r.Network}} {
				if f[1] != "" {
					line += fmt.Sprintf(", %s %q", f[0], f[1])
				}
			}
			if r.Done != "" {
				line += fmt.Sprintf(", done %q", r.Done)
			}
			if r.Bind != p.Bind {
				line += ", on " + r.Bind
			}
			add("%s", line)
		case m.ReceiptsUntil.IsZero():
		case now.After(m.ReceiptsUntil):
			add("%s no receipt in time, until %s", part, at(m.ReceiptsUntil))
		default:
			add("%s no receipt yet", part)
		}
		if p.Ack != nil {
			add("%s  %s %s", at(p.Ack.At), part, p.Ack.State)
		}
	}
	return lines
}
