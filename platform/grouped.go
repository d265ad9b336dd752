package platform

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// groupWriters connections carry the groups: while Redis works on the group of
// one, that of another is on its way. A group takes at most groupCalls calls.
const (
	groupWriters = 2
	groupCalls   = 256
)

// grouped makes one write of the commands that are asked for at the same time. It
// is a hook of the client that callers use, so that none of them knows. A group
// takes at most storeTimeout, and waits as long at most; an error of batches'
// means that the commands were not sent.
type grouped struct {
	client                  redis.UniversalClient // sends the groups
	*batches[[]redis.Cmder]                       // a call is one command, or those of one pipeline
}

func newGrouped(client redis.UniversalClient) *grouped {
	g := &grouped{client: client}
	g.batches = newBatches(groupCalls, storeTimeout, g.send)
	g.start(groupWriters)
	return g
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

func (g *grouped) send(calls [][]redis.Cmder) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	p := g.client.Pipeline()
	for _, cmds := range calls {
		for _, cmd := range cmds {
			_ = p.Process(ctx, cmd) // adds it to the pipeline, and cannot fail
		}
	}
	_, _ = p.Exec(ctx) // each command has its own error
}
