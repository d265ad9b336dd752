package load

import "slices"

// message is one MO message on its way.
type message struct {
	n        uint64
	intended int64 // when it was due, in ns since the load began
	due      int64 // when it may be sent again
}

// unconfirmed is a message whose confirmation has not come.
type unconfirmed struct {
	n        uint64
	intended int64
	acked    bool
}

// subscriber is what the ledger knows of a sender.
type subscriber struct {
	waiting []unconfirmed
	// excused is how many confirmations more than one a message may come: the
	// ESME could not know, when a connection broke, whether we have had its
	// acknowledgement or its submit_sm.
	excused uint32
}

// ledger keeps who waits for a confirmation. It is not safe for use by several
// goroutines.
type ledger struct {
	subscribers []subscriber
	waiting     uint64 // sum of all
}

func (l *ledger) of(n uint64) (*subscriber, uint64) {
	i := n % uint64(len(l.subscribers))
	return &l.subscribers[i], i
}

// sent notes a message that is sent for the first time.
func (l *ledger) sent(m message) {
	s, _ := l.of(m.n)
	s.waiting = append(s.waiting, unconfirmed{n: m.n, intended: m.intended})
	l.waiting++
}

// sentAgain notes that the ESME may have taken the message before.
func (l *ledger) sentAgain(m message) {
	s, _ := l.of(m.n)
	s.excused++
}

func (l *ledger) find(n uint64) (*subscriber, int) {
	s, _ := l.of(n)
	return s, slices.IndexFunc(s.waiting, func(u unconfirmed) bool { return u.n == n })
}

func (l *ledger) acked(n uint64) {
	if s, i := l.find(n); i >= 0 {
		s.waiting[i].acked = true
	}
}

// refused forgets a message that the ESME will not confirm.
func (l *ledger) refused(n uint64) {
	if s, i := l.find(n); i >= 0 {
		l.remove(s, i)
	}
}

func (l *ledger) remove(s *subscriber, i int) {
	s.waiting = slices.Delete(s.waiting, i, i+1)
	l.waiting--
}

// verdict says what a confirmation was.
type verdict int

const (
	confirmed  verdict = iota // of a message that waited for it
	repeated                  // again, and the ESME is excused
	duplicated                // again
)

// confirm takes a confirmation to sender i: of message n where that is known,
// else of the sender's oldest. intended is the message's, when confirmed.
func (l *ledger) confirm(i, n uint64, known bool) (v verdict, intended int64) {
	s := &l.subscribers[i]
	at := -1
	switch {
	case known && n%uint64(len(l.subscribers)) == i:
		_, at = l.find(n)
	case len(s.waiting) > 0:
		at = 0
	}
	switch {
	case at >= 0:
		intended = s.waiting[at].intended
		l.remove(s, at)
		return confirmed, intended
	case s.excused > 0:
		s.excused--
		return repeated, 0
	}
	return duplicated, 0
}

// lost counts the messages that were acknowledged and not confirmed.
func (l *ledger) lost() (n uint64) {
	for i := range l.subscribers {
		for _, u := range l.subscribers[i].waiting {
			if u.acked {
				n++
			}
		}
	}
	return n
}

// queue is a first-in-first-out of messages that forgets what it has given out.
type queue struct {
	messages []message
	head     int
}

func (q *queue) len() int { return len(q.messages) - q.head }

func (q *queue) push(m message) { q.messages = append(q.messages, m) }

func (q *queue) front() message { return q.messages[q.head] }

func (q *queue) pop() message {
	m := q.messages[q.head]
	if q.head++; q.head > len(q.messages)/2 {
		q.messages = q.messages[:copy(q.messages, q.messages[q.head:])]
		q.head = 0
	}
	return m
}
