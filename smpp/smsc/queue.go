package smsc

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"starhash/smpp"
)

// delivery is one PDU on its way to an ESME: a part of a phone's message, or a
// receipt. Whoever holds the pointer (the queue, or one connection) owns it.
type delivery struct {
	command smpp.CommandID // DeliverSM or DataSM
	message *smpp.Message
	mo      bool // of a phone; else a receipt
	held    bool // was held back once, so that others overtake it
	copy    bool // of another delivery, which alone counts
	ussd    bool // of a session: sent once, and useless later
	secret  bool // all that it says may be a PIN
	twice   bool // sent again under the same sequence number, a fault
	tries   int  // times it was sent

	// settled learns of every answer. status is what the ESME or the lack of it
	// said; it runs outside of the SMSC's locks and must not block.
	settled func(status string, tries int, state State)

	void atomic.Bool // nobody wants it any more

	due   time.Time
	order uint64
}

// queue holds an account's deliveries by the time they are due; those of the same
// time leave in the order in which they came. Several connections that wait get them
// in turn.
type queue struct {
	mu     sync.Mutex
	heap   deliveryHeap
	order  uint64
	takers []*taker // who waits, the longest first
}

// taker is a connection that waits for a delivery in its range.
type taker struct {
	serves addressRange
	got    chan *delivery // of one
	look   chan struct{}  // of one: the time of the first delivery may be another
}

// put adds d, due at a time that may be past.
func (q *queue) put(d *delivery, due time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.order++
	d.due, d.order = due, q.order
	heap.Push(&q.heap, d)
	now := time.Now()
	q.hand(now)
	if len(q.takers) > 0 && d.due.After(now) && (q.heap[0] == d || !q.heap[0].due.After(now)) {
		for _, t := range q.takers {
			select {
			case t.look <- struct{}{}:
			default:
			}
		}
	}
}

// hand gives what is due to those who wait for it. The caller holds mu.
func (q *queue) hand(now time.Time) {
	var others []*delivery // due, but in the range of nobody who waits
	for len(q.takers) > 0 && len(q.heap) > 0 && !q.heap[0].due.After(now) {
		d := heap.Pop(&q.heap).(*delivery)
		i := slices.IndexFunc(q.takers, func(t *taker) bool { return t.serves.takes(d) })
		if i < 0 {
			others = append(others, d)
			continue
		}
		q.takers[i].got <- d
		q.takers = slices.Delete(q.takers, i, i+1)
	}
	for _, d := range others {
		heap.Push(&q.heap, d)
	}
}

// take waits for the next delivery that is due and in a range, and removes it. It
// returns nil when ctx or done ends.
func (q *queue) take(ctx context.Context, done <-chan struct{}, serves addressRange) *delivery {
	now := time.Now()
	q.mu.Lock()
	if len(q.takers) == 0 && len(q.heap) > 0 && !q.heap[0].due.After(now) && serves.takes(q.heap[0]) {
		defer q.mu.Unlock()
		return heap.Pop(&q.heap).(*delivery) // nobody else waits: the usual case under load
	}
	t := &taker{serves: serves, got: make(chan *delivery, 1), look: make(chan struct{}, 1)}
	q.takers = append(q.takers, t)
	for ; ; now = time.Now() {
		q.hand(now)
		if len(t.got) > 0 {
			q.mu.Unlock()
			return <-t.got
		}
		var timer *time.Timer
		var due <-chan time.Time
		if at, ok := q.next(now); ok {
			timer = time.NewTimer(at.Sub(now))
			due = timer.C
		}
		q.mu.Unlock()
		ended := false
		select {
		case <-t.look:
		case <-due:
		case d := <-t.got:
			stop(timer)
			return d
		case <-done:
			ended = true
		case <-ctx.Done():
			ended = true
		}
		stop(timer)
		q.mu.Lock()
		if ended {
			defer q.mu.Unlock()
			q.takers = slices.DeleteFunc(q.takers, func(o *taker) bool { return o == t })
			select {
			case d := <-t.got: // handed over meanwhile
				heap.Push(&q.heap, d)
				q.hand(time.Now())
			default:
			}
			return nil
		}
	}
}

func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// next is the earliest time in the future at which something is due. The caller holds
// mu.
func (q *queue) next(now time.Time) (time.Time, bool) {
	if len(q.heap) == 0 {
		return time.Time{}, false
	}
	if at := q.heap[0].due; at.After(now) {
		return at, true
	}
	// What is due already waits for another range.
	var first time.Time
	for _, d := range q.heap {
		if d.due.After(now) && (first.IsZero() || d.due.Before(first)) {
			first = d.due
		}
	}
	return first, !first.IsZero()
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.heap)
}

type deliveryHeap []*delivery

func (h deliveryHeap) Len() int { return len(h) }
func (h deliveryHeap) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].order < h[j].order
	}
	return h[i].due.Before(h[j].due)
}
func (h deliveryHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *deliveryHeap) Push(x any)   { *h = append(*h, x.(*delivery)) }
func (h *deliveryHeap) Pop() any {
	old := *h
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return d
}
