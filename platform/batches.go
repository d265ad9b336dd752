package platform

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// batches lets what is asked for at the same time be done together, which is what
// an exchange over a network costs most, at both ends. Nobody waits for company:
// an idle one does one call at a time, and a busy one what has come meanwhile.
//
// A call is bounded: it waits at most patience until it is taken, and do bounds
// itself. While it waits it ends with its context, and nothing is done; once taken
// it has to see do through, which writes into it, or says errLeft.
type batches[T any] struct {
	calls    chan *batched[T]
	stop     chan struct{}
	workers  sync.WaitGroup
	most     int
	patience time.Duration
	do       func([]T)

	// slow, if set, is after how long a worker leaves a batch to itself and goes
	// on, so that one call that hangs does not hold up those behind it; slots
	// bounds the batches that are under way then.
	slow  time.Duration
	slots chan struct{}

	// leave lets callers leave with their context when their call has been taken:
	// what is done for them is theirs alone.
	leave bool
}

type batched[T any] struct {
	what  T
	since time.Time
	taken atomic.Bool // by a worker, or by the caller who leaves
	err   error
	end   chan struct{}
}

// batchQueue is how many calls wait; more wait to be among them.
const batchQueue = 4096

var (
	errLeft          = errors.New("left while it was being done")
	errBatchesClosed = errors.New("it is being closed")
	errNeverItsTurn  = errors.New("its turn did not come in time")
)

// newBatches makes batches of at most so many calls each.
func newBatches[T any](most int, patience time.Duration, do func([]T)) *batches[T] {
	return &batches[T]{calls: make(chan *batched[T], batchQueue), stop: make(chan struct{}), most: most, patience: patience, do: do}
}

// start starts the workers; close ends them.
func (b *batches[T]) start(workers int) {
	for range workers {
		b.workers.Go(b.work)
	}
}

// leaveSlow lets workers leave batches to themselves, at most so many. It is
// called before start.
func (b *batches[T]) leaveSlow(after time.Duration, most int) {
	b.slow, b.slots = after, make(chan struct{}, most)
}

// close ends the workers; what is called later fails.
func (b *batches[T]) close() {
	close(b.stop)
	b.workers.Wait()
}

// call has what done with others. An error but errLeft means that it was not begun;
// what came of it otherwise is what do left in it.
func (b *batches[T]) call(ctx context.Context, what T) error {
	c := &batched[T]{what: what, since: time.Now(), end: make(chan struct{})}
	select {
	case b.calls <- c:
	case <-ctx.Done():
		return ctx.Err()
	case <-b.stop:
		return errBatchesClosed
	}
	select {
	case <-c.end:
		return c.err
	case <-ctx.Done():
	case <-b.stop:
	}
	if c.taken.CompareAndSwap(false, true) {
		if err := ctx.Err(); err != nil {
			return err
		}
		return errBatchesClosed
	}
	if b.leave && ctx.Err() != nil {
		return errors.Join(errLeft, ctx.Err())
	}
	<-c.end
	return c.err
}

func (b *batches[T]) work() {
	for {
		var taken []*batched[T]
		select {
		case c := <-b.calls:
			taken = b.take(taken, c)
		case <-b.stop:
			return
		}
	more:
		for len(taken) < b.most {
			select {
			case c := <-b.calls:
				taken = b.take(taken, c)
			default:
				break more
			}
		}
		switch {
		case len(taken) == 0:
		case b.slots == nil:
			b.batch(taken)
		default:
			b.batchOrLeave(taken)
		}
	}
}

// batchOrLeave is batch, at most until it is slow.
func (b *batches[T]) batchOrLeave(taken []*batched[T]) {
	b.slots <- struct{}{} // do is bounded, and so is this
	end := make(chan struct{})
	b.workers.Go(func() {
		defer func() { <-b.slots }()
		b.batch(taken)
		close(end)
	})
	t := time.NewTimer(b.slow)
	defer t.Stop()
	select {
	case <-end:
	case <-t.C:
	}
}

// take puts a call into a batch, unless its caller has left or it has waited too
// long: the other end hangs then, and nobody is served by waiting on.
func (b *batches[T]) take(taken []*batched[T], c *batched[T]) []*batched[T] {
	if !c.taken.CompareAndSwap(false, true) {
		return taken
	}
	if time.Since(c.since) > b.patience {
		c.err = errNeverItsTurn
		close(c.end)
		return taken
	}
	return append(taken, c)
}

func (b *batches[T]) batch(taken []*batched[T]) {
	all := make([]T, len(taken))
	for i, c := range taken {
		all[i] = c.what
	}
	b.do(all)
	for _, c := range taken {
		close(c.end)
	}
}
