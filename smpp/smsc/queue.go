package smsc

import (
	"container/heap"
	"context"
	"sync"
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
	tries   int  // times it was sent

	// settled learns of every answer. status is what the ESME or the lack of it
	// said; it runs outside of the SMSC's locks and must not block.
	settled func(status string, tries int, state State)

	due   time.Time
	order uint64
}

// queue holds an account's deliveries by the time they are due; those of the same
// time leave in the order in which they came.
type queue struct {
	mu      sync.Mutex
	heap    deliveryHeap
	order   uint64
	changed chan struct{} // closed when an earlier head is there; nil while nobody waits
}

// put adds d, due at a time that may be past.
func (q *queue) put(d *delivery, due time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.order++
	d.due, d.order = due, q.order
	heap.Push(&q.heap, d)
	if q.changed != nil {
		close(q.changed)
		q.changed = nil
	}
}

// take waits for the next delivery that is due and removes it. It returns nil when
// ctx or done ends.
func (q *queue) take(ctx context.Context, done <-chan struct{}) *delivery {
	for {
		q.mu.Lock()
		var wait time.Duration = -1
		if len(q.heap) > 0 {
			if wait = time.Until(q.heap[0].due); wait <= 0 {
				d := heap.Pop(&q.heap).(*delivery)
				q.mu.Unlock()
				return d
			}
		}
		if q.changed == nil {
			q.changed = make(chan struct{})
		}
		changed := q.changed
		q.mu.Unlock()

		var timer *time.Timer
		var due <-chan time.Time
		if wait > 0 {
			timer = time.NewTimer(wait)
			due = timer.C
		}
		select {
		case <-changed:
		case <-due:
		case <-done:
		case <-ctx.Done():
		}
		if timer != nil {
			timer.Stop()
		}
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return nil
		default:
		}
	}
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
