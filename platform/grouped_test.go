package platform

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"starhash/configs/secret"
)

// writes counts the groups of a store and the commands in them.
type writes struct{ groups, commands atomic.Int64 }

func (w *writes) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (w *writes) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (w *writes) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if !alone(cmds[0]) { // not what a connection begins with
			w.commands.Add(int64(len(cmds)))
			w.groups.Add(1)
		}
		return next(ctx, cmds)
	}
}

// groupedStore is a store whose connections are open, and what its writers do.
func groupedStore(t *testing.T) (*redisServer, *Store, *writes) {
	t.Helper()
	server := ownRedis(t)
	s, err := OpenStore(t.Context(), secret.New([]byte("redis://"+server.addr+"/0")), 1)
	if err != nil {
		t.Fatal(err)
	}
	w := new(writes)
	s.groups.client.AddHook(w)
	return server, s, w
}

// awaitGroups waits until so many groups are with Redis.
func (w *writes) awaitGroups(t *testing.T, n int64) {
	t.Helper()
	for end := time.Now().Add(patience); w.groups.Load() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d groups went to Redis, want %d", w.groups.Load(), n)
		}
	}
}

func TestCommandsShareWrites(t *testing.T) {
	server, s, w := groupedStore(t)
	defer s.Close()
	const callers = 500
	server.freeze(t) // so that they wait for each other
	thaw := time.AfterFunc(200*time.Millisecond, func() { server.thaw(t) })
	defer thaw.Stop()
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			if i%2 == 0 {
				if err := s.redis.Incr(t.Context(), "n").Err(); err != nil {
					t.Error(err)
				}
				return
			}
			// A pipeline, whose second command fails: its own error and no other's.
			var n *redis.IntCmd
			_, err := s.redis.Pipelined(t.Context(), func(p redis.Pipeliner) error {
				n = p.Incr(t.Context(), "n")
				p.HGet(t.Context(), "n", "field")
				return nil
			})
			if err == nil || errors.Is(err, redis.Nil) || n.Err() != nil {
				t.Errorf("the pipeline gives %v, INCR %v", err, n.Err())
			}
		})
	}
	all.Wait()
	if n, err := s.redis.Get(t.Context(), "n").Int(); n != callers || err != nil {
		t.Errorf("n is %d, %v; want %d", n, err, callers)
	}
	if g, c := w.groups.Load(), w.commands.Load(); c != callers*3/2+1 || g > callers/10 { // and GET
		t.Errorf("%d commands went in %d writes", c, g)
	}
}

// Who leaves while waiting is gone at once, and the command is not sent after all.
func TestCommandsOfThoseWhoLeft(t *testing.T) {
	server, s, w := groupedStore(t)
	defer s.Close()
	server.freeze(t)
	var busy sync.WaitGroup
	for i := range int64(groupWriters) { // each writer has a group under way
		busy.Go(func() {
			if err := s.redis.Incr(t.Context(), "n").Err(); err != nil {
				t.Error(err)
			}
		})
		w.awaitGroups(t, i+1)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.redis.Set(ctx, "late", 1, 0).Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	server.thaw(t)
	busy.Wait()
	if n, err := s.redis.Exists(t.Context(), "late").Result(); n != 0 || err != nil {
		t.Errorf("the command was sent: %d, %v", n, err)
	}
}

func TestCommandsAfterClose(t *testing.T) {
	_, s, _ := groupedStore(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.redis.Incr(t.Context(), "n").Err(); !errors.Is(err, errBatchesClosed) {
		t.Errorf("got %v", err)
	}
}
