package link

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

// IMSISource says where the IMSI of an Identity came from.
type IMSISource byte

// The sources of an IMSI.
const (
	SourceRegistry IMSISource = 1 // the operator's subscriber registry
	SourceNetwork  IMSISource = 2 // the PDU that carried the message (vendor TLV)
)

func (s IMSISource) String() string {
	switch s {
	case SourceRegistry:
		return "registry"
	case SourceNetwork:
		return "network"
	}
	return fmt.Sprintf("source %d", byte(s))
}

// Identity is the authentication information: which SIM speaks for which
// number. Digits only, without plus; at most 15 each (ITU-T E.164, E.212).
type Identity struct {
	IMSI   string
	MSISDN string
	Source IMSISource
}

func (id Identity) append(dst []byte) []byte {
	dst = append(dst, byte(id.Source))
	return appendStr(appendStr(dst, id.IMSI), id.MSISDN)
}

func (r *reader) identity() Identity {
	id := Identity{Source: IMSISource(r.u8()), IMSI: r.digits("IMSI", 15), MSISDN: r.digits("MSISDN", 15)}
	if r.err == nil && (id.IMSI == "" || id.MSISDN == "" || (id.Source != SourceRegistry && id.Source != SourceNetwork)) {
		r.err = malformed("an identity without IMSI, MSISDN or source")
	}
	return id
}

// Same says whether both speak of one SIM and one number, wherever the IMSI
// came from.
func (id Identity) Same(other Identity) bool {
	return id.IMSI == other.IMSI && id.MSISDN == other.MSISDN
}

// Opening is the initial authentication information of one serial.
type Opening struct {
	Serial   Serial
	Identity Identity
	At       time.Time // the gateway's clock, for the record only
	// Err is set by the bank end for an entry that did not open; the others of
	// its batch stand.
	Err error
}

func (o Opening) encode() []byte {
	b := append(o.Identity.append(make([]byte, 0, padOpeningTo)), o.Serial[:]...)
	return pad(appendTime(b, o.At), padOpeningTo)
}

func decodeOpening(b []byte) (o Opening, err error) {
	r := &reader{b: b}
	o.Identity = r.identity()
	copy(o.Serial[:], r.take(16))
	o.At = r.time()
	return o, r.end()
}

// OpenResult is the bank's answer to one Opening.
type OpenResult byte

// The results of an opening.
const (
	Opened          OpenResult = 1
	OpenNotCustomer OpenResult = 2 // no customer has this MSISDN
	OpenSIMChanged  OpenResult = 3 // the IMSI is not the one on record
	OpenBlocked     OpenResult = 4 // the customer is blocked
	OpenMalformed   OpenResult = 5
	OpenSerialUsed  OpenResult = 6
)

// Kind is what a transaction asks for.
type Kind byte

// The kinds of transaction.
const (
	KindTransfer  Kind = 1
	KindBalance   Kind = 2
	KindMini      Kind = 3 // mini-statement
	KindPINChange Kind = 4
	// KindInquire asks what became of Target. If the bank has not executed it,
	// it never will: the answer Voided is final.
	KindInquire Kind = 5
	KindAirtime Kind = 6 // Amount of airtime for the number Payee, which may be the payer's own
	KindBill    Kind = 7 // Amount to Biller for Account
	// KindLookup asks how Payee, or else Biller, is called: Reply.PayeeName. It
	// moves nothing and needs no PIN, so the bank counts it by subscriber and day
	// (OverDailyLimit) and tells no more than a transfer would.
	KindLookup Kind = 8
)

var kindNames = map[Kind]string{
	KindTransfer: "transfer", KindBalance: "balance", KindMini: "mini-statement",
	KindPINChange: "PIN change", KindInquire: "inquiry", KindAirtime: "airtime", KindBill: "bill", KindLookup: "lookup",
}

func (k Kind) String() string {
	if s, ok := kindNames[k]; ok {
		return s
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// Auth says how the subscriber has shown that it is they who ask.
type Auth byte

// The ways.
const (
	AuthPIN Auth = 0 // Request.PIN
	// AuthCode: the operator has checked a code that it sent to the subscriber's
	// number, and there is no PIN. What it may move is the bank's to say (PINNeeded).
	AuthCode Auth = 1
)

// MaxBiller and MaxAccount bound Request.Biller and Request.Account, in characters.
const (
	MaxBiller  = 20
	MaxAccount = 20
)

// ValidBiller says whether a biller's code has the form of one: 1 to MaxBiller
// capital letters and digits (ASCII).
func ValidBiller(s string) bool {
	return s != "" && len(s) <= MaxBiller && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// ValidAccount says whether an account with a biller can be one at all: 1 to
// MaxAccount printable ASCII characters. What it looks like is each biller's own
// rule.
func ValidAccount(s string) bool {
	if s == "" || len(s) > MaxAccount {
		return false
	}
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// Request is what a Transact message carries inside the seal.
type Request struct {
	Identity Identity
	ID       TxID
	Kind     Kind
	Amount   int64  // minor units of Currency
	Currency string // ISO 4217, three capital letters; empty where no money is named
	Payee    string // MSISDN, digits
	PIN      Capsule
	NewPIN   Capsule
	Target   TxID      // KindInquire: the transaction asked about
	Asked    time.Time // when the subscriber's message came in

	// NewPINAgain is the new PIN as it was typed the second time, where the
	// gateway could not compare the two itself; the bank does (PINsDiffer).
	NewPINAgain Capsule
	Biller      string // KindBill and KindLookup; see ValidBiller
	Account     string // KindBill: the subscriber's account with the biller; see ValidAccount
	Auth        Auth
}

// Encode is the plain text of a Transact message, padded.
func (q *Request) encode() []byte {
	b := make([]byte, 0, padTo)
	b = q.Identity.append(b)
	b = append(b, q.ID[:]...)
	b = append(b, byte(q.Kind))
	b = appendI64(b, q.Amount)
	b = appendStr(b, q.Currency)
	b = appendStr(b, q.Payee)
	b = appendBlob(b, q.PIN)
	b = appendBlob(b, q.NewPIN)
	b = append(b, q.Target[:]...)
	b = appendTime(b, q.Asked)
	b = appendBlob(b, q.NewPINAgain)
	b = appendStr(b, q.Biller)
	b = appendStr(b, q.Account)
	b = append(b, byte(q.Auth))
	return pad(b, padTo)
}

func decodeRequest(b []byte) (*Request, error) {
	r := &reader{b: b}
	q := &Request{Identity: r.identity()}
	copy(q.ID[:], r.take(16))
	q.Kind = Kind(r.u8())
	q.Amount = r.i64()
	q.Currency = r.str()
	q.Payee = r.digits("payee", 15)
	q.PIN = bytes.Clone(r.blob())
	q.NewPIN = bytes.Clone(r.blob())
	copy(q.Target[:], r.take(16))
	q.Asked = r.time()
	q.NewPINAgain = bytes.Clone(r.blob())
	q.Biller = r.str()
	q.Account = r.str()
	q.Auth = Auth(r.u8())
	if err := r.end(); err != nil {
		return q, err
	}
	switch {
	case q.Biller != "" && !ValidBiller(q.Biller):
		return q, malformed("a biller that is not 1 to %d capital letters and digits", MaxBiller)
	case q.Account != "" && !ValidAccount(q.Account):
		return q, malformed("an account that is not 1 to %d printable characters", MaxAccount)
	case q.Auth > AuthCode:
		return q, malformed("authentication %d", q.Auth)
	}
	return q, nil
}

// Digest identifies what a request asks for, apart from the serial and the
// identity's source: a transaction that comes again under another serial must
// have the same one. The PIN capsules are part of it.
func (q *Request) Digest() [32]byte {
	c := *q
	c.Identity.Source = SourceRegistry
	return sha256.Sum256(c.encode())
}

// Outcome is what became of a transaction. All but Done and the unknown ones
// mean that no money moved and nothing changed.
type Outcome byte

// The outcomes.
const (
	Done              Outcome = 1
	InsufficientFunds Outcome = 2
	WrongPIN          Outcome = 3 // Reply.TriesLeft says how many are left
	PINLocked         Outcome = 4
	UnknownPayee      Outcome = 5
	OwnAccount        Outcome = 6
	BadAmount         Outcome = 7
	OverLimit         Outcome = 8 // of one transaction
	OverDailyLimit    Outcome = 9
	NotCustomer       Outcome = 10
	SIMChanged        Outcome = 11 // the IMSI is not the one on record
	Blocked           Outcome = 12
	WeakPIN           Outcome = 13
	CurrencyMismatch  Outcome = 14
	Voided            Outcome = 15 // inquired about before it was executed: never will be
	NotOffered        Outcome = 16
	PINsDiffer        Outcome = 17 // the new PIN was typed in two ways
	PINNeeded         Outcome = 18 // more than this operator may do by a code, or of a kind that a code is not enough for
	UnknownBiller     Outcome = 19
	BadAccount        Outcome = 20 // not an account with this biller
)

var outcomeNames = map[Outcome]string{
	Done: "done", InsufficientFunds: "insufficient funds", WrongPIN: "wrong PIN", PINLocked: "PIN locked",
	UnknownPayee: "unknown payee", OwnAccount: "own account", BadAmount: "bad amount",
	OverLimit: "over the limit", OverDailyLimit: "over the daily limit", NotCustomer: "not a customer",
	SIMChanged: "SIM changed", Blocked: "blocked", WeakPIN: "weak PIN",
	CurrencyMismatch: "currency mismatch", Voided: "voided", NotOffered: "not offered",
	PINsDiffer: "PINs differ", PINNeeded: "PIN needed", UnknownBiller: "unknown biller", BadAccount: "bad account",
}

func (o Outcome) String() string {
	if s, ok := outcomeNames[o]; ok {
		return s
	}
	return fmt.Sprintf("outcome %d", byte(o))
}

// Valid says whether o is an outcome of this version.
func (o Outcome) Valid() bool { _, ok := outcomeNames[o]; return ok }

// Line is one line of a mini-statement.
type Line struct {
	At     time.Time
	Amount int64 // minor units; negative is money out
	Kind   Kind
	Party  string // the last digits of the other side's number, or a biller's code; at most 15 bytes
}

// maxLines bounds a mini-statement.
const maxLines = 10

// Reply is what a Reply message carries inside the seal.
type Reply struct {
	Outcome   Outcome
	TriesLeft uint8
	Amount    int64 // minor units of Currency, as are Fee and Balance
	Fee       int64
	Balance   int64
	Currency  string
	Payee     string // MSISDN
	PayeeName string // masked, "T*** M***"; a biller's name is not
	PayerName string // masked
	At        time.Time
	Lines     []Line
	Account   string // KindBill: as in the request; see ValidAccount
}

func (p *Reply) encode() []byte {
	b := make([]byte, 0, padTo)
	b = append(b, byte(p.Outcome), p.TriesLeft)
	b = appendI64(b, p.Amount)
	b = appendI64(b, p.Fee)
	b = appendI64(b, p.Balance)
	b = appendStr(b, p.Currency)
	b = appendStr(b, p.Payee)
	b = appendStr(b, p.PayeeName)
	b = appendStr(b, p.PayerName)
	b = appendTime(b, p.At)
	b = append(b, byte(len(p.Lines)))
	for _, l := range p.Lines {
		b = appendTime(b, l.At)
		b = appendI64(b, l.Amount)
		b = append(b, byte(l.Kind))
		b = appendStr(b, l.Party)
	}
	b = appendStr(b, p.Account)
	return pad(b, padTo)
}

func decodeReply(b []byte) (*Reply, error) {
	r := &reader{b: b}
	p := &Reply{Outcome: Outcome(r.u8()), TriesLeft: r.u8(), Amount: r.i64(), Fee: r.i64(), Balance: r.i64(),
		Currency: r.str(), Payee: r.digits("payee", 15), PayeeName: r.str(), PayerName: r.str(), At: r.time()}
	n := int(r.u8())
	if n > maxLines {
		return nil, malformed("%d lines, more than %d", n, maxLines)
	}
	for range n {
		p.Lines = append(p.Lines, Line{At: r.time(), Amount: r.i64(), Kind: Kind(r.u8()), Party: r.str()})
	}
	p.Account = r.str()
	if err := r.end(); err != nil {
		return nil, err
	}
	if !p.Outcome.Valid() {
		return nil, malformed("unknown outcome %d", p.Outcome)
	}
	if p.Account != "" && !ValidAccount(p.Account) {
		return nil, malformed("an account that is not 1 to %d printable characters", MaxAccount)
	}
	return p, nil
}
