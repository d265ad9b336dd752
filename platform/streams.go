package platform

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// group is the consumer group of every journal and outbox; a consumer is a node.
const group = "gateways"

// streamBatch is how many entries are read at once, and streamInHand how many of
// one kind a gateway has in hand; beyond it the rest waits in Redis, and nobody
// tells those subscribers that their transaction is pending. So it has room for a
// bank that is silent for a while: an entry that waits costs a goroutine, some
// 10 KiB.
const (
	streamBatch  = 64
	streamInHand = 8192
	streamBlock  = time.Second
)

// entries is the set of stream entries that this process has in hand, so that
// none is worked on twice when it comes by a second way.
type entries struct {
	mu  sync.Mutex
	set map[string]bool
}

func (e *entries) take(k string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.set[k] {
		return false
	}
	if e.set == nil {
		e.set = make(map[string]bool)
	}
	e.set[k] = true
	return true
}

func (e *entries) drop(k string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.set, k)
}

// with lists the entries of one stream.
func (e *entries) with(stream string) (ids []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for k := range e.set {
		if id, ok := strings.CutPrefix(k, stream+" "); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func (e *entries) len() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.set)
}

// stream is one partition's journal or outbox, as one gateway consumes it: first
// what this node had in hand when it last stopped, then what comes, and now and
// then what another gateway left lying.
type stream struct {
	g         *Gateway
	partition int
	name      string // "journal" or "outbox"
	key       string
	consumer  string
	slots     chan struct{} // shared by all streams of the name
	work      func(context.Context, redis.XMessage)
	line      func(redis.XMessage) string // entries of one line are worked on one after the other; nil or "": at once
	running   sync.WaitGroup

	mu    sync.Mutex
	lines map[string]chan struct{} // by line, closed when its last entry is done
}

// run consumes until reading ends, then waits for the work in hand, which has
// until working ends.
func (s *stream) run(reading, working context.Context) {
	defer s.running.Wait()
	wait := newPause(100*time.Millisecond, 5*time.Second)
	for reading.Err() == nil {
		began := time.Now()
		err := s.consume(reading, working)
		if err == nil || reading.Err() != nil {
			return
		}
		s.g.log.Warn("stream not readable", "stream", s.key, "error", err)
		if time.Since(began) > wait.max {
			wait.reset()
		}
		if wait.next(reading) != nil {
			return
		}
	}
}

func (s *stream) consume(reading, working context.Context) error {
	err := s.g.store.redis.XGroupCreateMkStream(reading, s.key, group, "0").Err()
	if err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return storeError(err)
	}
	if err := s.leftovers(reading, working); err != nil {
		return err
	}
	lease := s.g.cfg.Limits.Lease
	next := time.Now().Add(lease / 3)
	for reading.Err() == nil {
		got, err := s.g.store.redis.XReadGroup(reading, &redis.XReadGroupArgs{
			Group: group, Consumer: s.consumer, Streams: []string{s.key, ">"}, Count: streamBatch, Block: min(streamBlock, lease/3),
		}).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return storeError(err)
		}
		for _, st := range got {
			for _, m := range st.Messages {
				if !s.begin(reading, working, m) {
					return nil
				}
			}
		}
		if time.Now().After(next) {
			next = time.Now().Add(lease / 3)
			if err := s.renew(reading); err != nil {
				return err
			}
			if err := s.reclaim(reading, working); err != nil {
				return err
			}
		}
	}
	return nil
}

// leftovers begins what this node had in hand when it last stopped.
func (s *stream) leftovers(reading, working context.Context) error {
	after := "0"
	for {
		got, err := s.g.store.redis.XReadGroup(reading, &redis.XReadGroupArgs{
			Group: group, Consumer: s.consumer, Streams: []string{s.key, after}, Count: streamBatch, Block: -1,
		}).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return storeError(err)
		}
		if len(got) == 0 || len(got[0].Messages) == 0 {
			return nil
		}
		for _, m := range got[0].Messages {
			after = m.ID
			if !s.begin(reading, working, m) {
				return nil
			}
		}
	}
}

// renew tells the other gateways that what is in hand here is not left lying.
func (s *stream) renew(ctx context.Context) error {
	ids := s.g.inHand.with(s.key)
	if len(ids) == 0 {
		return nil
	}
	return storeError(s.g.store.redis.XClaimJustID(ctx, &redis.XClaimArgs{
		Stream: s.key, Group: group, Consumer: s.consumer, Messages: ids,
	}).Err())
}

// reclaim takes over what a gateway that died left lying.
func (s *stream) reclaim(reading, working context.Context) error {
	start := "0-0"
	for {
		got, next, err := s.g.store.redis.XAutoClaim(reading, &redis.XAutoClaimArgs{
			Stream: s.key, Group: group, Consumer: s.consumer, MinIdle: s.g.cfg.Limits.Lease, Start: start, Count: streamBatch,
		}).Result()
		if err != nil {
			return storeError(err)
		}
		for _, m := range got {
			if !s.begin(reading, working, m) {
				return nil
			}
		}
		if next == "0-0" || next == "" {
			return nil
		}
		start = next
	}
}

// begin works on an entry in a goroutine of its own, as soon as a slot is free.
// It gives false when reading ended first; the entry stays pending in Redis.
func (s *stream) begin(reading, working context.Context, m redis.XMessage) bool {
	k := s.key + " " + m.ID
	if !s.g.inHand.take(k) {
		return true
	}
	if !s.slot(reading) {
		s.g.inHand.drop(k)
		return false
	}
	before, done := s.queue(m)
	s.running.Go(func() {
		defer done()
		defer func() {
			if r := recover(); r != nil {
				// One poisonous entry must not end the process that carries
				// all the others; it stays in Redis for a person to see.
				s.g.log.Error("ALARM: work on a stream entry panicked", "stream", s.key, "entry", m.ID, "panic", fmt.Sprintf("%T", r))
				s.g.metrics.alarms.Inc()
			}
			<-s.slots
			s.g.inHand.drop(k)
		}()
		select {
		case <-before:
		case <-working.Done():
			return // it stays in Redis, and behind the one before
		}
		s.work(working, m)
	})
	return true
}

// queue puts an entry behind the last one of its line: before is closed when it
// may begin, and done lets the next one begin.
func (s *stream) queue(m redis.XMessage) (before <-chan struct{}, done func()) {
	free := make(chan struct{})
	line := ""
	if s.line != nil {
		line = s.line(m)
	}
	if line == "" {
		close(free)
		return free, func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.lines[line]
	if last == nil {
		close(free)
		last = free
	}
	if s.lines == nil {
		s.lines = make(map[string]chan struct{})
	}
	mine := make(chan struct{})
	s.lines[line] = mine
	return last, func() {
		close(mine)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.lines[line] == mine {
			delete(s.lines, line)
		}
	}
}

// slot waits for a free slot, or until reading ends. What is in hand meanwhile
// is not left lying.
func (s *stream) slot(reading context.Context) bool {
	select {
	case s.slots <- struct{}{}:
		return true // also when reading has ended: what was read is not left lying
	default:
	}
	t := time.NewTicker(s.g.cfg.Limits.Lease / 3)
	defer t.Stop()
	for {
		select {
		case s.slots <- struct{}{}:
			return true
		case <-t.C:
			if err := s.renew(reading); err != nil && reading.Err() == nil {
				s.g.log.Warn("work in hand not renewed", "stream", s.key, "error", err)
			}
		case <-reading.Done():
			return false
		}
	}
}

// pause is a back-off with full jitter.
type pause struct{ first, max, now time.Duration }

func newPause(first, max time.Duration) *pause { return &pause{first: first, max: max, now: first} }

func (p *pause) reset() { p.now = p.first }

// next waits, or returns ctx's error.
func (p *pause) next(ctx context.Context) error {
	d := p.now/2 + rand.N(p.now/2+1)
	p.now = min(2*p.now, p.max)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
