package platform

import (
	"sync/atomic"

	"starhash/smpp"
)

// route is a bind as the outbox sees it.
type route struct {
	esme   *smpp.ESME
	cfg    smpp.BindConfig
	inHand atomic.Int64 // outbox entries that wait for its window or its answer
}

// routes are the binds that may submit.
type routes struct {
	all  []*route
	each int64         // entries that one of them has in hand at most
	next atomic.Uint64 // where the next look begins
}

func newRoutes(binds []*smpp.ESME) *routes {
	r := &routes{}
	for _, b := range binds {
		if cfg := b.Config(); cfg.Bind != smpp.Receiver {
			r.all = append(r.all, &route{esme: b, cfg: cfg})
		}
	}
	// One bind whose SMSC does not answer must not have every slot of the outbox.
	r.each = int64(streamInHand / max(1, len(r.all)))
	return r
}

// pick is the way for a message: the bind that the subscriber's own message came
// in on, while that can submit; otherwise of those that reach the number the one
// that is least busy, in turn where several are. It gives nil where none can
// submit now, and able says whether one ever will.
func (r *routes) pick(e *outboxEntry) (way *route, able bool) {
	first := int(r.next.Add(1) % uint64(max(1, len(r.all))))
	for i := range r.all {
		b := r.all[(first+i)%len(r.all)]
		own := b.cfg.Name == e.Bind
		// What came in on a bind can be answered there, whatever its prefixes.
		// A payee's notice prefers the payer's bind, which proves nothing.
		if !b.cfg.CanReach(e.To) && (!own || e.Purpose == "notice") {
			continue
		}
		able = true
		if !b.esme.CanSubmit() {
			continue
		}
		if own {
			return b, true
		}
		if way == nil || b.inHand.Load() < way.inHand.Load() {
			way = b
		}
	}
	return way, able
}

// enter takes one of a bind's places, and says whether there was one.
func (r *routes) enter(b *route) bool {
	if b.inHand.Add(1) > r.each {
		b.inHand.Add(-1)
		return false
	}
	return true
}

func (b *route) leave() { b.inHand.Add(-1) }
