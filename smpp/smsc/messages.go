package smsc

import (
	"cmp"
	"container/heap"
	"slices"
	"sync"
	"time"

	"starhash/smpp"
)

const (
	maxRecords = 200_000               // submitted messages of which the state is known; older ones are forgotten
	maxWaiting = 100_000               // of them, those that wait for their phone or their time
	clockTick  = 50 * time.Millisecond // how often their times are looked at
)

// entry is a message that an ESME submitted: what query_sm tells. The store's mutex
// guards it.
type entry struct {
	number    uint64
	id        string // number, as Config.MessageIDs spells it
	account   *account
	message   *smpp.Message // without its user data once it is final and reported
	state     string        // enroute, or one of messageStates
	submitted time.Time
	due       time.Time // schedule_delivery_time, or when it was submitted
	expires   time.Time
	final     time.Time

	at    time.Time // when the clock has to look at it
	index int       // in waiting; -1: not there
}

// messageStore holds the submitted messages. Its mutex comes before the phone book's.
type messageStore struct {
	mu      sync.Mutex
	byID    map[string]*entry
	ids     []string // the oldest first
	waiting waitingHeap
}

// take takes a message: delivers it, or keeps it until its phone is on and its
// schedule_delivery_time is there, at the longest until its validity_period is over.
// The status is the one to refuse it with, or StatusOK. The further destinations of a
// submit_multi share the first one's id, and query_sm tells of that one.
func (s *SMSC) take(a *account, m *smpp.Message, now time.Time, first *entry) (*entry, smpp.Status, error) {
	e := &entry{account: a, message: m, state: enroute, submitted: now, due: now, expires: now.Add(s.cfg.Validity), index: -1}
	if status, err := e.readTimes(now); err != nil {
		return nil, status, err
	}
	if status, err := s.phones.readable(m); err != nil {
		return nil, status, err
	}
	s.messages.mu.Lock()
	defer s.messages.mu.Unlock()
	if first != nil {
		e.number, e.id = first.number, first.id
	} else {
		e.number = s.nextID.Add(1)
		e.id = s.spell(e.number, s.cfg.MessageIDs)
	}
	if m.ReplaceIfPresent == 1 { // §5.2.18
		if old := s.messages.find(func(old *entry) bool { return old.isReplacedBy(e) }); old != nil {
			s.messages.finish(old, "DELETED", now)
		}
	}
	switch state, magic := magicStates[magicOf(m.Dest.Addr)]; {
	case magic:
		s.messages.finish(e, state, now)
	case !e.due.After(now) && s.phones.isOn(m.Dest.Addr):
		if status, err := s.phones.receive(m, e.id, now); err != nil {
			return nil, status, err
		}
		s.messages.finish(e, delivered, now)
	default:
		if len(s.messages.waiting) >= maxWaiting {
			return nil, smpp.StatusMsgQFul, errBusy
		}
		heap.Push(&s.messages.waiting, e)
		s.messages.watch(e, now)
	}
	if first == nil {
		s.messages.keep(e)
	}
	return e, smpp.StatusOK, nil
}

// isReplacedBy says whether a new message replaces e by replace_if_present_flag.
func (e *entry) isReplacedBy(by *entry) bool {
	o, n := e.message, by.message
	return e.account == by.account && o.Source == n.Source && o.Dest == n.Dest && o.ServiceType == n.ServiceType
}

// keep remembers e, and forgets the oldest message that is final where there are too
// many. The caller holds mu.
func (b *messageStore) keep(e *entry) {
	b.byID[e.id] = e
	b.ids = append(b.ids, e.id)
	for len(b.ids) > maxRecords {
		id := b.ids[0]
		b.ids = b.ids[1:]
		if b.byID[id].index < 0 {
			delete(b.byID, id)
			break
		}
		b.ids = append(b.ids, id) // waits; there are fewer of these
	}
}

// watch has the clock look at e, which waits, when it is due or else when it expires.
// The caller holds mu.
func (b *messageStore) watch(e *entry, now time.Time) {
	if e.at = e.due; !e.due.After(now) {
		e.at = e.expires
	}
	heap.Fix(&b.waiting, e.index)
}

// finish gives e its final state. The caller holds mu and reports it.
func (b *messageStore) finish(e *entry, state string, now time.Time) {
	if e.index >= 0 {
		heap.Remove(&b.waiting, e.index)
	}
	e.state, e.final = state, now
}

// forget lets go of what a final message said.
func (b *messageStore) forget(e *entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := *e.message
	m.Payload, m.TLVs = nil, nil
	e.message = &m
}

// find is the oldest waiting message that fits, or nil. The caller holds mu.
func (b *messageStore) find(fits func(*entry) bool) *entry {
	var oldest *entry
	for _, e := range b.waiting {
		if fits(e) && (oldest == nil || e.number < oldest.number) {
			oldest = e
		}
	}
	return oldest
}

// tick ends what has expired and delivers what is due.
func (s *SMSC) tick(now time.Time) {
	s.messages.mu.Lock()
	var over []*entry
	for w := &s.messages.waiting; len(*w) > 0 && !(*w)[0].at.After(now); {
		e := (*w)[0]
		switch {
		case !e.expires.After(now):
			s.messages.finish(e, "EXPIRED", now)
			over = append(over, e)
		case s.phones.isOn(e.message.Dest.Addr):
			s.hand(e, now)
			over = append(over, e)
		default: // was scheduled for now
			s.messages.watch(e, now)
		}
	}
	s.messages.mu.Unlock()
	s.tell(over)
}

// release delivers what waits for a phone that is on now.
func (s *SMSC) release(number string, now time.Time) {
	s.messages.mu.Lock()
	var all []*entry
	for _, e := range s.messages.waiting {
		if msisdn(e.message.Dest.Addr) == number && !e.due.After(now) {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(a.number, b.number) })
	for _, e := range all {
		s.hand(e, now)
	}
	s.messages.mu.Unlock()
	s.tell(all)
}

// hand gives a message that waited to its phone. The caller holds messages.mu.
func (s *SMSC) hand(e *entry, now time.Time) {
	state := delivered
	if _, err := s.phones.receive(e.message, e.id, now); err != nil {
		s.log.Info("message not delivered", "err", err)
		state = "UNDELIV"
	}
	s.messages.finish(e, state, now)
}

// tell queues the receipts of messages that have come to their end.
func (s *SMSC) tell(over []*entry) {
	for _, e := range over {
		e.account.tell(s.reports(e))
	}
}

// readable says whether a message can be shown on a phone.
func (b *phoneBook) readable(m *smpp.Message) (smpp.Status, error) {
	_, long, err := smpp.PartOf(m)
	if err == nil {
		_, err = smpp.EncodingOf(m, b.alphabet)
	}
	if err == nil && !long {
		_, err = smpp.UserText(m)
	}
	if err != nil {
		return smpp.StatusSubmitFail, err
	}
	return smpp.StatusOK, nil
}

// waitingHeap holds messages by the time at which the clock looks at them.
type waitingHeap []*entry

func (h waitingHeap) Len() int { return len(h) }
func (h waitingHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].number < h[j].number
	}
	return h[i].at.Before(h[j].at)
}
func (h waitingHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *waitingHeap) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}
func (h *waitingHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.index = -1
	return e
}
