package platform

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"starhash/bank/link"
)

// State is where a transaction stands.
//
//	accepted ──▶ sent ──▶ done
//	   │          │  ╲──▶ declined
//	   │          ▼         ▲
//	   │       in_doubt ────┤
//	   │          ╰───────▶ done
//	   ╰──────────────────▶ declined   (nothing ever reached the bank)
type State string

// The states. Once a transaction is final, Redis keeps its reference, state,
// kind, outcome, amount class and times, and nothing else of it.
const (
	Accepted State = "accepted" // journaled and acknowledged to the SMSC
	Sent     State = "sent"     // its sealed bytes are recorded and may have reached the bank
	InDoubt  State = "in_doubt" // sent, and the subscriber has been told that it is pending
	Done     State = "done"     // the bank executed it
	Declined State = "declined" // it is certain that the bank did not and will not
)

// transitions is the whole of it; lua/send.lua, doubt.lua and finish.lua keep to
// it, and a test walks it through them.
var transitions = map[State][]State{
	Accepted: {Sent, Declined},
	Sent:     {InDoubt, Done, Declined},
	InDoubt:  {Done, Declined},
}

// movesMoney says whether a kind of transaction, once done, has.
func movesMoney(k link.Kind) bool {
	return k == link.KindTransfer || k == link.KindAirtime || k == link.KindBill
}

// Final says whether nothing can change any more.
func (s State) Final() bool { return len(transitions[s]) == 0 }

// Local outcomes stand in a transaction's record beside those of link.Outcome
// when the bank was not asked or could not be.
const (
	outcomeUnreachable = "bank unreachable"
	outcomeLost        = "record damaged"
)

// Transaction is a transaction's record in Redis.
type Transaction struct {
	Reference string
	ID        link.TxID
	MSISDN    string
	State     State
	Kind      link.Kind
	Class     string // amount class: how many digits the amount in minor units has
	Outcome   string
	Language  string
	Bind      string // the bind that the message came in on
	ShortCode string // the number that it was sent to
	Source    link.IMSISource
	Serial    string
	Attempts  int // sendings that may have reached the bank
	Accepted  time.Time
	SentAt    time.Time
	FinalAt   time.Time
	Confirmed string // what became of the confirmation SMS

	imsi   string
	body   []byte // wrapped; until sent
	key    []byte // wrapped dynamic keys
	sealed []byte // the Transact message; from sent until final
}

// bodyPlace and keyPlace are the associated data of what a record wraps,
// outboxPlace that of an outbox entry.
func bodyPlace(ref string) string   { return "body " + ref }
func outboxPlace(ref string) string { return "outbox " + ref }
func keyPlace(msisdn string) string { return "key " + msisdn }

// newReference is what the subscriber sees of a transaction: the partition and
// 35 random bits, 8 characters of Crockford base32.
func newReference(partition int) string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	var b [8]byte
	rand.Read(b[:])
	out := []byte{alphabet[partition]}
	for _, c := range b[1:] {
		out = append(out, alphabet[c&31])
	}
	return string(out)
}

// referencePartition reads the partition out of a reference, as a person may
// have typed it.
func referencePartition(text string) (ref string, partition int, ok bool) {
	ref = strings.NewReplacer("I", "1", "L", "1", "O", "0").Replace(strings.ToUpper(strings.TrimSpace(text)))
	if len(ref) != 8 {
		return ref, 0, false
	}
	for _, c := range []byte(ref) {
		if strings.IndexByte("0123456789ABCDEFGHJKMNPQRSTVWXYZ", c) < 0 {
			return ref, 0, false
		}
	}
	return ref, strings.IndexByte("0123456789ABCDEFGHJKMNPQRSTVWXYZ", ref[0]), true
}

// fields is the record as accept.lua stores it.
func (t *Transaction) fields() []any {
	return []any{
		"id", t.ID[:], "msisdn", t.MSISDN, "state", string(t.State), "kind", int(t.Kind), "class", t.Class,
		"language", t.Language, "bind", t.Bind, "short_code", t.ShortCode, "source", int(t.Source),
		"imsi", t.imsi, "body", t.body, "accepted_at", t.Accepted.UnixMilli(),
	}
}

func parseTransaction(ref string, m map[string]string) (*Transaction, error) {
	if len(m) == 0 {
		return nil, ErrNoTransaction
	}
	t := &Transaction{
		Reference: ref, MSISDN: m["msisdn"], State: State(m["state"]), Class: m["class"], Outcome: m["outcome"],
		Language: m["language"], Bind: m["bind"], ShortCode: m["short_code"], Serial: m["serial"],
		Confirmed: m["confirmed"], imsi: m["imsi"],
		body: []byte(m["body"]), key: []byte(m["key"]), sealed: []byte(m["sealed"]),
	}
	if len(m["id"]) != len(t.ID) {
		return nil, fmt.Errorf("transaction %s: its id has %d bytes", ref, len(m["id"]))
	}
	copy(t.ID[:], m["id"])
	number := func(field string) int64 { n, _ := strconv.ParseInt(m[field], 10, 64); return n }
	at := func(field string) time.Time {
		if n := number(field); n != 0 {
			return time.UnixMilli(n)
		}
		return time.Time{}
	}
	t.Kind, t.Source = link.Kind(number("kind")), link.IMSISource(number("source"))
	t.Attempts = int(number("attempts"))
	t.Accepted, t.SentAt, t.FinalAt = at("accepted_at"), at("sent_at"), at("final_at")
	return t, nil
}

// amountClass keeps an amount's order of magnitude for the record.
func amountClass(minor int64) string {
	if minor == 0 {
		return "-"
	}
	return fmt.Sprintf("%d digits", len(strconv.FormatInt(minor, 10)))
}
