package platform

import (
	"context"
	"sync"
)

// turns keeps the messages of a subscriber's USSD sessions in the order in which they
// came: who types a PIN and hangs up has given an order, and not hung up before it. It
// is the order of one process; between gateways the dialogue's version decides.
type turns struct {
	mu   sync.Mutex
	last map[string]chan struct{} // MSISDN to the turn that was taken last; closed when it is over
}

// turn is one message's; the zero turn waits for nobody.
type turn struct {
	before <-chan struct{}
	end    func()
}

// take takes the next turn of a subscriber.
func (t *turns) take(msisdn string) turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = make(map[string]chan struct{})
	}
	mine := make(chan struct{})
	before := t.last[msisdn]
	t.last[msisdn] = mine
	return turn{before, sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		close(mine)
		if t.last[msisdn] == mine {
			delete(t.last, msisdn)
		}
	})}
}

// over lets the next one begin. It may be called again.
func (t turn) over() {
	if t.end != nil {
		t.end()
	}
}

// wait waits for the turns before, or until ctx ends.
func (t turn) wait(ctx context.Context) error {
	if t.before == nil {
		return nil
	}
	select {
	case <-t.before:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
