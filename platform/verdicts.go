package platform

import (
	"context"
	"sync"
	"time"

	"starhash/bank/link"
)

// verdicts tells those who wait for the end of a transaction, in this process,
// what its subscriber is told.
type verdicts struct {
	mu      sync.Mutex
	waiting map[link.TxID]chan string
}

// expect begins to wait; the wait is over with forget.
func (v *verdicts) expect(id link.TxID) <-chan string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.waiting == nil {
		v.waiting = make(map[link.TxID]chan string)
	}
	ch := make(chan string, 1)
	v.waiting[id] = ch
	return ch
}

func (v *verdicts) forget(id link.TxID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.waiting, id)
}

// tell hands a verdict to who waits for it, if anybody does.
func (v *verdicts) tell(id link.TxID, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if ch := v.waiting[id]; ch != nil {
		select {
		case ch <- text:
		default: // told before
		}
	}
}

// verdictLook is how often the record is looked at: another gateway may have
// taken the transaction over.
const verdictLook = 500 * time.Millisecond

// awaitVerdict waits for what a transaction's subscriber is told, at most for d.
// An empty text says that it is not known yet.
func (g *Gateway) awaitVerdict(ctx context.Context, tx *Transaction, told <-chan string, d time.Duration) string {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	look := time.NewTicker(verdictLook)
	defer look.Stop()
	for {
		select {
		case text := <-told:
			return text
		case <-look.C:
			now, err := g.store.transaction(ctx, g.store.partition(tx.MSISDN), tx.Reference)
			if err != nil || !now.State.Final() {
				continue
			}
			select { // it may have been told while we looked
			case text := <-told:
				return text
			default:
			}
			text, args := g.statusOfTransaction(now)
			return g.texts.Load().Format(tx.Language, text, args)
		case <-ctx.Done():
			return ""
		}
	}
}
