package platform

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds of what goes to Redis in one write. groupWriters connections carry the
// groups: while Redis works on the group of one, that of another is on its way.
const (
	groupWriters = 2
	groupCalls   = 256  // calls a group takes at most
	groupQueue   = 4096 // calls that wait; more wait to be among them
)

// grouped makes one write of the commands that are asked for at the same time,
// which is what a round trip costs most, at both ends. Nobody waits for company: an
// idle store sends one command at a time, and a busy one what has come meanwhile.
// It is a hook of the client that callers use, so that none of them knows.
//
// A call is bounded twice: it waits at most storeTimeout to be sent, and its group
// takes at most storeTimeout. While it waits it ends with its context, and is not
// sent; then it has to see its group through, because its results are written into
// the caller's commands.
type grouped struct {
	client  redis.UniversalClient // sends the groups
	calls   chan *groupedCall
	stop    chan struct{}
	writers sync.WaitGroup
}

// groupedCall is one command, or the commands of one pipeline.
type groupedCall struct {
	cmds   []redis.Cmder
	since  time.Time
	taken  atomic.Bool // by a writer, or by the caller who leaves
	err    error       // of the call as a whole
	answer chan struct{}
}

func newGrouped(client redis.UniversalClient) *grouped {
	g := &grouped{client: client, calls: make(chan *groupedCall, groupQueue), stop: make(chan struct{})}
	for range groupWriters {
		g.writers.Go(g.write)
	}
	return g
}

// close ends the writers; what is called later fails.
func (g *grouped) close() {
	close(g.stop)
	g.writers.Wait()
}

func (g *grouped) DialHook(next redis.DialHook) redis.DialHook { return next }

func (g *grouped) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if alone(cmd) {
			return next(ctx, cmd)
		}
		if err := g.call(ctx, []redis.Cmder{cmd}); err != nil {
			cmd.SetErr(err)
		}
		return cmd.Err()
	}
}

func (g *grouped) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if len(cmds) > groupCalls || alone(cmds[0]) {
			return next(ctx, cmds)
		}
		err := g.call(ctx, cmds)
		for _, cmd := range cmds {
			if err != nil {
				cmd.SetErr(err)
			}
			if cmd.Err() != nil {
				return cmd.Err()
			}
		}
		return nil
	}
}

// alone says whether a command needs a connection of its own: it may wait at the
// server and hold up others, or it is about the connection that it came on, as
// those are that the client begins each with.
func alone(cmd redis.Cmder) bool {
	switch cmd.Name() {
	case "xreadgroup", "xread", "hello", "auth", "select", "client", "readonly", "multi":
		return true
	}
	return false
}

// call hands commands to the writers and waits for them. An error means that
// they were not sent; what became of those that were is in each of them.
func (g *grouped) call(ctx context.Context, cmds []redis.Cmder) error {
	c := &groupedCall{cmds: cmds, since: time.Now(), answer: make(chan struct{})}
	select {
	case g.calls <- c:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.stop:
		return redis.ErrClosed
	}
	select {
	case <-c.answer:
		return c.err
	case <-ctx.Done():
	case <-g.stop:
	}
	if c.taken.CompareAndSwap(false, true) {
		if err := ctx.Err(); err != nil {
			return err
		}
		return redis.ErrClosed
	}
	<-c.answer
	return c.err
}

// write is a writer: it sends what waits, group by group.
func (g *grouped) write() {
	calls := make([]*groupedCall, 0, groupCalls)
	for {
		calls = calls[:0]
		select {
		case c := <-g.calls:
			calls = g.take(calls, c)
		case <-g.stop:
			return
		}
	more:
		for len(calls) < groupCalls {
			select {
			case c := <-g.calls:
				calls = g.take(calls, c)
			default:
				break more
			}
		}
		g.send(calls)
	}
}

// take puts a call into a group, unless its caller has left or it has waited too
// long: Redis hangs then, and nobody is served by waiting on.
func (g *grouped) take(calls []*groupedCall, c *groupedCall) []*groupedCall {
	if !c.taken.CompareAndSwap(false, true) {
		return calls
	}
	if time.Since(c.since) > storeTimeout {
		c.err = context.DeadlineExceeded
		close(c.answer)
		return calls
	}
	return append(calls, c)
}

func (g *grouped) send(calls []*groupedCall) {
	if len(calls) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	p := g.client.Pipeline()
	for _, c := range calls {
		for _, cmd := range c.cmds {
			_ = p.Process(ctx, cmd) // adds it to the pipeline, and cannot fail
		}
	}
	_, _ = p.Exec(ctx) // each command has its own error
	for _, c := range calls {
		close(c.answer)
	}
}
