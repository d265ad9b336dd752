package smsc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"starhash/smpp"
)

const (
	maxText     = maxPayload  // octets of text that a phone may send: 255 parts, or a message_payload
	maxMOs      = 10_000      // messages kept for POST /redeliver; older ones go
	maxQueued   = 1_000_000   // deliveries an account may have waiting
	maxWait     = time.Minute // longest wait of a request to the management port
	defaultWait = 30 * time.Second
)

// MO is a message that a phone sends.
type MO struct {
	From        string   `json:"from"`                   // MSISDN; the phone is added where there is none
	To          string   `json:"to"`                     // the short code
	Text        string   `json:"text"`                   // UTF-8
	Hex         Hex      `json:"hex,omitempty"`          // user data as it is, in one PDU, in place of Text: any header, any octets
	ESMClass    byte     `json:"esm_class,omitempty"`    // bits that are set in every part: message type (§5.2.12), 64 for a header in Hex
	Coding      string   `json:"coding,omitempty"`       // auto (GSM 03.38 if it fits, else UCS2), gsm, latin1, ucs2
	DataCoding  *byte    `json:"data_coding,omitempty"`  // says this instead of what Coding says, for CBS codings
	Split       string   `json:"split,omitempty"`        // how a long text goes out: udh8, udh16, sar, payload (message_payload, also when short)
	PartSize    int      `json:"part_size,omitempty"`    // octets of text a part; less than the coding's own makes short texts long
	Order       []int    `json:"order,omitempty"`        // the parts to send, in this order: may leave parts out or repeat them
	IMSI        string   `json:"imsi,omitempty"`         // in place of the phone's own
	ServiceType string   `json:"service_type,omitempty"` // at most 5 characters
	TLVs        []TLV    `json:"tlvs,omitempty"`         // added to every part
	Command     string   `json:"command,omitempty"`      // deliver_sm or data_sm
	SystemID    string   `json:"system_id,omitempty"`    // the account; if empty, the one whose address_range has to
	Wait        Duration `json:"wait,omitempty"`         // how long the request waits for the end of it, at most 1m; 30s if empty
}

// State is where a phone's message is; see the package comment's diagram.
type State string

// States of a part of a message.
const (
	StateWaiting State = "waiting" // in the queue, first or again, or in flight
	StateAcked   State = "acked"   // ESME_ROK
	StateRefused State = "refused" // a permanent status
	StateExpired State = "expired" // out of tries
)

// PartResult is what became of one part.
type PartResult struct {
	Part   int    `json:"part"`   // 1, 2, ... in the text
	Status string `json:"status"` // the last answer: a status, "connection lost", "no answer"; empty before the first
	State  State  `json:"state"`
	Tries  int    `json:"tries"`
}

// MOResult is what became of a message so far, its parts in the order sent.
type MOResult struct {
	ID    string       `json:"id"`
	Done  bool         `json:"done"` // every part is acked, refused or expired
	Parts []PartResult `json:"parts"`
}

// OK says whether every part was acked.
func (r MOResult) OK() bool {
	return !slices.ContainsFunc(r.Parts, func(p PartResult) bool { return p.State != StateAcked })
}

// outgoing is a phone's message, kept so that it can be sent again.
type outgoing struct {
	id      string
	account *account
	command smpp.CommandID
	parts   []*smpp.Message
	order   []int // indices into parts

	mu     sync.Mutex
	latest *sending
}

// sending is one time that an outgoing message is sent.
type sending struct {
	mu    sync.Mutex
	parts []PartResult
	open  int
	done  chan struct{}
}

// outbox keeps the latest maxMOs messages.
type outbox struct {
	mu   sync.Mutex
	byID map[string]*outgoing
	ids  []string
	next uint64
	ref  uint16
}

// errBusy refuses what the simulator has no room for.
var errBusy = errors.New("the queue is full")

// mistake is an error of the caller's: status 400 of the management port.
type mistake struct{ error }

func mistakef(format string, args ...any) error { return mistake{fmt.Errorf(format, args...)} }

// send makes the PDUs of a phone's message, keeps them and queues them.
func (s *SMSC) send(mo *MO) (*outgoing, error) {
	if err := mo.check(); err != nil {
		return nil, err
	}
	a, err := s.accountOf(mo.SystemID, mo.To)
	if err != nil {
		return nil, err
	}
	p, ok := s.phones.use(mo.From)
	if !ok {
		return nil, errBusy
	}
	if mo.IMSI == "" {
		mo.IMSI = p.IMSI
	}
	s.outbox.mu.Lock()
	s.outbox.ref++
	ref := s.outbox.ref
	s.outbox.mu.Unlock()

	command := smpp.DeliverSM
	if mo.Command == "data_sm" {
		command = smpp.DataSM
	}
	parts, err := mo.messages(command, ref, s.cfg.IMSITLV)
	if err != nil {
		return nil, err
	}
	o := &outgoing{account: a, command: command, parts: parts}
	for _, n := range mo.Order {
		if n < 1 || n > len(parts) {
			return nil, mistakef("order: there is no part %d, the text makes %d", n, len(parts))
		}
		o.order = append(o.order, n-1)
	}
	if len(mo.Order) == 0 {
		for i := range parts {
			o.order = append(o.order, i)
		}
	}
	s.outbox.keep(o)
	return o, s.start(o)
}

// start queues every part of o, for the first time or again.
func (s *SMSC) start(o *outgoing) error {
	q := &o.account.queue
	if q.len()+len(o.order) > maxQueued {
		return errBusy
	}
	out := &sending{parts: make([]PartResult, len(o.order)), open: len(o.order), done: make(chan struct{})}
	for i, part := range o.order {
		out.parts[i] = PartResult{Part: part + 1, State: StateWaiting}
	}
	o.mu.Lock()
	o.latest = out
	o.mu.Unlock()
	now := time.Now()
	for i, part := range o.order {
		q.put(&delivery{
			command: o.command,
			message: o.parts[part],
			mo:      true,
			settled: func(status string, tries int, state State) { out.settle(i, status, tries, state) },
		}, now)
	}
	return nil
}

func (o *sending) settle(i int, status string, tries int, state State) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := &o.parts[i]
	p.Status, p.Tries, p.State = status, tries, state
	if state != StateWaiting {
		if o.open--; o.open == 0 {
			close(o.done)
		}
	}
}

// result waits for the end of the latest sending, at most until ctx ends, and
// returns what became of it.
func (o *outgoing) result(ctx context.Context) MOResult {
	o.mu.Lock()
	out := o.latest
	o.mu.Unlock()
	select {
	case <-out.done:
	case <-ctx.Done():
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	return MOResult{ID: o.id, Done: out.open == 0, Parts: slices.Clone(out.parts)}
}

// keep gives o its id, and forgets the oldest message where there are too many.
func (b *outbox) keep(o *outgoing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	o.id = "mo-" + strconv.FormatUint(b.next, 10)
	b.byID[o.id] = o
	b.ids = append(b.ids, o.id)
	if len(b.ids) > maxMOs {
		delete(b.byID, b.ids[0])
		b.ids = b.ids[1:]
	}
}

func (b *outbox) find(id string) (*outgoing, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.byID[id]
	return o, ok
}

func (mo *MO) check() error {
	if !isNumber(msisdn(mo.From)) {
		return mistakef("from: want an MSISDN of 1 to 20 digits")
	}
	if mo.To == "" || len(mo.To) > 20 {
		return mistakef("to: want the short code, 1 to 20 characters")
	}
	if len(mo.Text) > maxText {
		return mistakef("text: %d octets, at most %d", len(mo.Text), maxText)
	}
	if len(mo.Hex) > 0 && mo.Text != "" {
		return mistakef("hex: not beside text")
	}
	if mo.IMSI != "" && !isIMSI(mo.IMSI) {
		return mistakef("imsi: want 6 to 15 digits")
	}
	if len(mo.ServiceType) > 5 {
		return mistakef("service_type: at most 5 characters")
	}
	if mo.PartSize < 0 {
		return mistakef("part_size: want 0 or more octets")
	}
	switch mo.Command {
	case "", "deliver_sm", "data_sm":
	default:
		return mistakef("command: %q is neither deliver_sm nor data_sm", mo.Command)
	}
	return nil
}

// isNumber says whether s is 1 to 20 digits: what an SMPP address has room for.
func isNumber(s string) bool {
	return s != "" && len(s) <= 20 && !slices.ContainsFunc([]byte(s), notDigit)
}

// isIMSI says whether s has the form of an IMSI (3GPP TS 23.003 §2.2).
func isIMSI(s string) bool {
	return len(s) >= 6 && len(s) <= 15 && !slices.ContainsFunc([]byte(s), notDigit)
}

func notDigit(b byte) bool { return b < '0' || b > '9' }

// messages makes the PDU bodies of a phone's message, a part each.
func (mo *MO) messages(command smpp.CommandID, ref, imsiTLV uint16) ([]*smpp.Message, error) {
	coding, payload, err := encode(mo.Coding, mo.Text)
	if err != nil {
		return nil, err
	}
	split, err := splitterNamed(mo.Split)
	if err != nil {
		return nil, err
	}
	parts := []part{{payload: mo.Hex}}
	if len(mo.Hex) == 0 {
		parts, err = split(payload, coding, mo.PartSize, ref)
	}
	if err != nil {
		return nil, err
	}
	out := make([]*smpp.Message, len(parts))
	for i, part := range parts {
		m := &smpp.Message{
			ServiceType: mo.ServiceType,
			Source:      address(msisdn(mo.From)),
			Dest:        address(mo.To),
			ESMClass:    part.esmClass | mo.ESMClass,
			DataCoding:  coding,
			Payload:     part.payload,
			TLVs:        part.tlvs,
		}
		if mo.DataCoding != nil {
			m.DataCoding = *mo.DataCoding
		}
		if imsiTLV != 0 && mo.IMSI != "" {
			m.TLVs = append(m.TLVs, smpp.TLV{Tag: smpp.Tag(imsiTLV), Value: []byte(mo.IMSI)})
		}
		for _, t := range mo.TLVs {
			m.TLVs = append(m.TLVs, smpp.TLV{Tag: smpp.Tag(t.Tag), Value: t.Value})
		}
		if _, err := smpp.Append(nil, smpp.PDU{Command: command, Sequence: 1, Body: m}); err != nil {
			return nil, mistakef("part %d cannot be put into a PDU: %w", i+1, err)
		}
		out[i] = m
	}
	return out, nil
}

// address tells an MSISDN (international, E.164) from a short code and from a name
// by its looks, as handsets do (§5.2.5, §5.2.6).
func address(s string) smpp.Address {
	switch {
	case !isNumber(msisdn(s)):
		return smpp.Address{TON: 5, NPI: 0, Addr: s} // alphanumeric
	case len(s) < 7:
		return smpp.Address{TON: 0, NPI: 1, Addr: s}
	default:
		return smpp.Address{TON: 1, NPI: 1, Addr: msisdn(s)}
	}
}
