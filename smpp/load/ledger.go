package load

import (
	"slices"
	"time"
)

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

// excuseFor is how long after a connection was lost a confirmation too many is
// laid to it, at least; at most twice that.
const excuseFor = 30 * time.Second

// ledger keeps who waits for a confirmation. It is not safe for use by several
// goroutines.
type ledger struct {
	waiting [][]unconfirmed // of each sender
	open    uint64          // sum of all
	tokens  bool            // confirmations say which message they are about

	// excused is how many confirmations more than one may come, by message
	// with tokens and by sender without: an ESME whose connection broke could
	// not know whether we had had its acknowledgement or its submit_sm. What
	// nobody used is forgotten, so that it does not hide a later duplicate.
	excused, excusedBefore map[uint64]uint32
	turned                 time.Duration
}

func newLedger(senders uint64, tokens bool) ledger {
	return ledger{waiting: make([][]unconfirmed, senders), tokens: tokens, excused: make(map[uint64]uint32)}
}

// key is what a confirmation is excused by: see excused.
func (l *ledger) key(sender, n uint64) uint64 {
	if l.tokens {
		return n
	}
	return sender
}

func (l *ledger) sender(n uint64) uint64 { return n % uint64(len(l.waiting)) }

// forget makes room for the excuses of a connection that was lost now.
func (l *ledger) forget(now time.Duration) {
	if now-l.turned > excuseFor {
		l.turned = now
		l.excused, l.excusedBefore = make(map[uint64]uint32), l.excused
	}
}

func (l *ledger) excuse(key uint64) { l.excused[key]++ }

// excuses uses an excuse up, if there is one.
func (l *ledger) excuses(key uint64) bool {
	for _, m := range []map[uint64]uint32{l.excused, l.excusedBefore} {
		if m[key] > 0 {
			m[key]--
			return true
		}
	}
	return false
}

// sent notes a message that is sent for the first time.
func (l *ledger) sent(m message) {
	w := &l.waiting[l.sender(m.n)]
	*w = append(*w, unconfirmed{n: m.n, intended: m.intended})
	l.open++
}

// sentAgain notes that the ESME may have taken the message before.
func (l *ledger) sentAgain(m message) { l.excuse(l.key(l.sender(m.n), m.n)) }

// find returns where message n waits; at is negative when it does not.
func (l *ledger) find(n uint64) (w *[]unconfirmed, at int) {
	w = &l.waiting[l.sender(n)]
	return w, slices.IndexFunc(*w, func(u unconfirmed) bool { return u.n == n })
}

func (l *ledger) acked(n uint64) {
	if w, at := l.find(n); at >= 0 {
		(*w)[at].acked = true
	}
}

// refused forgets a message that the ESME will not confirm.
func (l *ledger) refused(n uint64) {
	if w, at := l.find(n); at >= 0 {
		l.remove(w, at)
	}
}

func (l *ledger) remove(w *[]unconfirmed, at int) {
	*w = slices.Delete(*w, at, at+1)
	l.open--
}

// verdict says what a confirmation was.
type verdict int

const (
	confirmed  verdict = iota // of a message that waited for it
	repeated                  // again, and the ESME is excused
	duplicated                // again
)

// confirm takes a confirmation: of the message that it names, or of the sender's
// oldest. intended is the message's, when confirmed.
func (l *ledger) confirm(c confirmation) (v verdict, intended int64) {
	w, at := &l.waiting[c.sender], -1
	switch {
	case l.tokens && l.sender(c.n) == c.sender:
		_, at = l.find(c.n)
	case !l.tokens && len(*w) > 0:
		at = 0
	}
	switch {
	case at >= 0:
		intended = (*w)[at].intended
		l.remove(w, at)
		return confirmed, intended
	case l.excuses(l.key(c.sender, c.n)):
		return repeated, 0
	}
	return duplicated, 0
}

// lost counts the messages that were acknowledged and not confirmed.
func (l *ledger) lost() (n uint64) {
	for _, w := range l.waiting {
		for _, u := range w {
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
