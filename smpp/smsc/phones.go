package smsc

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"starhash/smpp"
)

const (
	maxPhones  = 1_000_000       // beyond it an unknown number is refused
	maxInbox   = 1_000           // messages kept a phone; older ones go
	maxJoins   = 10_000          // long messages whose parts are still coming, all phones
	joinTime   = time.Minute     // how long the missing parts may take
	joinTick   = 5 * time.Second // how often that is looked at
	inboxBatch = 100             // messages an answer
)

// Phone is a subscriber's terminal. A new IMSI under the same MSISDN is a SIM swap.
type Phone struct {
	MSISDN string   `json:"msisdn" mapstructure:"msisdn"`                 // digits, without "+"
	IMSI   string   `json:"imsi,omitempty" mapstructure:"imsi,omitempty"` // 6 to 15 digits, or unknown
	Off    bool     `json:"off,omitempty" mapstructure:"off,omitempty"`   // switched off or out of coverage: messages for it wait
	Slow   Duration `json:"slow,omitempty" mapstructure:"slow,omitempty"` // that a text of USSD takes between the phone and its network
}

// InboxMessage is what a phone received: one message, whatever number of parts
// brought it.
type InboxMessage struct {
	N           uint64    `json:"n"`          // 1, 2, ... of this phone
	MessageID   string    `json:"message_id"` // of the part that came first
	From        string    `json:"from"`
	Text        string    `json:"text"`
	Hex         Hex       `json:"hex,omitempty"` // user data that data_coding says is not text
	DataCoding  byte      `json:"data_coding"`
	ESMClass    byte      `json:"esm_class,omitempty"`
	ServiceType string    `json:"service_type,omitempty"`
	Parts       int       `json:"parts"`
	Missing     []int     `json:"missing,omitempty"` // parts that did not come in time
	TLVs        []TLV     `json:"tlvs,omitempty"`    // of the part that came first
	At          time.Time `json:"at"`
}

// phoneBook holds the phones and what they received.
type phoneBook struct {
	alphabet smpp.Alphabet // of data_coding 0

	mu     sync.Mutex
	phones map[string]*phone
	joins  map[joinKey]*join
	added  chan struct{} // closed when a phone is added
}

type phone struct {
	Phone
	inbox   []InboxMessage
	next    uint64        // number of the next message
	changed chan struct{} // closed when a message is added
}

// joinKey tells long messages apart (3GPP TS 23.040 §9.2.3.24.1): a reference alone
// is a sender's, and wraps.
type joinKey struct {
	from, to string
	kind     smpp.PartKind
	ref      uint16
	total    uint8
}

type join struct {
	first InboxMessage
	parts []*joinPart // by number, nil: not yet here
	began time.Time
}

type joinPart struct {
	encoding smpp.Encoding // a part has national tables of its own
	user     []byte
}

func newPhoneBook(phones []Phone) *phoneBook {
	b := &phoneBook{phones: make(map[string]*phone), joins: make(map[joinKey]*join), added: make(chan struct{})}
	for _, p := range phones {
		b.set(p)
	}
	return b
}

// msisdn is the number that phones are known by.
func msisdn(s string) string { return strings.TrimPrefix(s, "+") }

// get returns the phone of a number, a new one where there is none, and false when
// there are too many. The caller holds mu.
func (b *phoneBook) get(number string) (*phone, bool) {
	number = msisdn(number)
	p, ok := b.phones[number]
	if !ok {
		if len(b.phones) >= maxPhones {
			return nil, false
		}
		p = &phone{Phone: Phone{MSISDN: number}, next: 1, changed: make(chan struct{})}
		b.phones[number] = p
		close(b.added)
		b.added = make(chan struct{})
	}
	return p, true
}

// set adds a phone.
func (b *phoneBook) set(p Phone) bool {
	_, ok := b.change(p.MSISDN, func(have *Phone) { have.IMSI, have.Off = p.IMSI, p.Off })
	return ok
}

// change changes a phone, one that is added where there is none, and returns it.
func (b *phoneBook) change(number string, f func(*Phone)) (Phone, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.get(number)
	if !ok {
		return Phone{}, false
	}
	f(&p.Phone)
	return p.Phone, true
}

// isOn says whether a phone takes messages now. One that nobody knows does.
func (b *phoneBook) isOn(number string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.phones[msisdn(number)]
	return p == nil || !p.Off
}

// use returns the phone of a number, added where there is none.
func (b *phoneBook) use(number string) (Phone, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.get(number)
	if !ok {
		return Phone{}, false
	}
	return p.Phone, true
}

// list returns at most limit phones behind the number after, in order.
func (b *phoneBook) list(after string, limit int) []Phone {
	b.mu.Lock()
	numbers := make([]Phone, 0, len(b.phones))
	for number, p := range b.phones {
		if number > after {
			numbers = append(numbers, p.Phone)
		}
	}
	b.mu.Unlock()
	slices.SortFunc(numbers, func(p, q Phone) int { return strings.Compare(p.MSISDN, q.MSISDN) })
	return numbers[:min(limit, len(numbers))]
}

// inbox returns the messages of a phone behind number after; when there are none it
// waits for one until ctx ends, also for a phone that is not there yet.
func (b *phoneBook) inbox(ctx context.Context, number string, after uint64) []InboxMessage {
	number = msisdn(number)
	for {
		b.mu.Lock()
		changed := b.added
		if p := b.phones[number]; p != nil {
			i := sort.Search(len(p.inbox), func(i int) bool { return p.inbox[i].N > after })
			if found := p.inbox[i:]; len(found) > 0 {
				found = slices.Clone(found[:min(inboxBatch, len(found))])
				b.mu.Unlock()
				return found
			}
			changed = p.changed
		}
		b.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// receive puts a submitted message, or its part, into the inbox of its destination.
// The status is the one to refuse it with, or StatusOK.
func (b *phoneBook) receive(m *smpp.Message, id string, now time.Time) (smpp.Status, error) {
	part, long, err := smpp.PartOf(m)
	if err != nil {
		return smpp.StatusSubmitFail, err
	}
	encoding, err := smpp.EncodingOf(m, b.alphabet)
	if err != nil {
		return smpp.StatusSubmitFail, err
	}
	first := describe(m, id, now)
	var user []byte
	if long {
		user = part.Text
	} else if user, err = smpp.UserText(m); err != nil {
		return smpp.StatusSubmitFail, err
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.get(m.Dest.Addr)
	if !ok {
		return smpp.StatusMsgQFul, fmt.Errorf("%d phones are enough", maxPhones)
	}
	if !long {
		u := smpp.NewUserData(len(user))
		u.Add(encoding, user)
		p.add(first, u)
		return smpp.StatusOK, nil
	}
	key := joinKey{m.Source.Addr, p.MSISDN, part.Kind, part.Ref, part.Total}
	j := b.joins[key]
	if j == nil {
		if len(b.joins) >= maxJoins {
			return smpp.StatusMsgQFul, fmt.Errorf("%d long messages lack parts", maxJoins)
		}
		j = &join{first: first, parts: make([]*joinPart, part.Total), began: now}
		b.joins[key] = j
	}
	j.parts[part.Seq-1] = &joinPart{encoding, slices.Clone(part.Text)}
	if !slices.Contains(j.parts, nil) {
		delete(b.joins, key)
		p.addJoined(j, now)
	}
	return smpp.StatusOK, nil
}

// expire gives up on parts that did not come in time; what came is shown.
func (b *phoneBook) expire(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, j := range b.joins {
		if now.Sub(j.began) < joinTime {
			continue
		}
		delete(b.joins, key)
		b.phones[key.to].addJoined(j, now)
	}
}

func (p *phone) addJoined(j *join, now time.Time) {
	m := j.first
	m.Parts, m.At = 0, now
	var user smpp.UserData
	for i, part := range j.parts {
		if part == nil {
			m.Missing = append(m.Missing, i+1)
			continue
		}
		m.Parts++
		user.Add(part.encoding, part.user)
	}
	p.add(m, &user)
}

func (p *phone) add(m InboxMessage, user *smpp.UserData) {
	if text, err := user.AppendText(nil); err == nil {
		m.Text = string(text)
	} else {
		m.Hex = slices.Clone(user.Octets())
	}
	m.N = p.next
	p.next++
	if len(p.inbox) >= maxInbox {
		p.inbox[0] = InboxMessage{}
		p.inbox = p.inbox[1:] // append moves the rest now and then, not every time
	}
	p.inbox = append(p.inbox, m)
	close(p.changed)
	p.changed = make(chan struct{})
}

// describe says everything about a message but its text.
func describe(m *smpp.Message, id string, now time.Time) InboxMessage {
	d := InboxMessage{
		MessageID:   id,
		From:        m.Source.Addr,
		DataCoding:  m.DataCoding,
		ESMClass:    m.ESMClass,
		ServiceType: m.ServiceType,
		Parts:       1,
		At:          now,
	}
	for _, t := range m.TLVs {
		d.TLVs = append(d.TLVs, TLV{Tag: Tag(t.Tag), Value: slices.Clone(t.Value)})
	}
	return d
}
