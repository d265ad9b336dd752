package platform

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"starhash/configs/secret"
	"starhash/smpp"
	"starhash/smpp/smsc"
)

// Redis hangs: the message is given back to the SMSC, which keeps it; when Redis
// goes on it is executed once. Nothing was acknowledged that is not stored.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	server := ownRedis(t)
	r := newRig(t, onRedis("redis://"+server.addr+"/0"), withSMSC(func(c *smsc.Config) { c.RetryMin, c.RetryMax = 100*time.Millisecond, 200*time.Millisecond }))
	g := r.gateway(1, nil)
	r.sms(rudo, "BAL 2468")
	r.says(rudo, "Balance")
	server.freeze(t)
	res := r.mo(smsc.MO{From: tendai, Text: sendFive, Wait: smsc.Duration(time.Millisecond)})
	r.eventually("the message is given back", func() bool {
		now, err := r.phones.MO(t.Context(), res.ID)
		if err != nil {
			t.Fatal(err)
		}
		if now.Done {
			t.Fatalf("done while Redis hangs: %+v", now)
		}
		return now.Parts[0].Status == smpp.StatusTempAppErr.String()
	})
	if _, ready := g.Ready(t.Context()); ready {
		t.Error("ready without a store")
	}
	server.thaw(t)
	r.says(tendai, "done", "USD 5.00")
	r.nothingMore(tendai)
	r.money(9500, 5500, 500)
	if now, err := r.phones.MO(t.Context(), res.ID); err != nil || !now.OK() {
		t.Errorf("after all: %+v, %v", now, err)
	}
}

// Every key has an end, but for the few that are said here: what a stranger
// sends must not fill Redis for good.
func TestEveryKeyEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.gateway(1, nil)
	r.sms(tendai, sendFive)
	r.says(tendai, "done")
	r.sms(tendai, sendFive)
	r.says(tendai, "reply YES")
	r.sms(tendai, "YES")
	r.says(tendai, "done")
	r.mo(smsc.MO{From: tendai, Text: "BAL 1357 and so on", Split: "udh8", PartSize: 6, Order: []int{1, 3}})
	r.mo(smsc.MO{From: rudo, Text: "BAL 2468", Split: "udh8", PartSize: 4})
	r.says(rudo, "received")
	r.says(rudo, "received")
	r.says(rudo, "Balance")
	r.mo(smsc.MO{From: "263779999999", Text: "BAL 1357"})
	r.says("263779999999", "not registered")
	r.settled()
	ctx := t.Context()
	keys, err := r.redis.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		switch {
		case k == "starhash:partitions", k == bootKey(1), strings.Contains(k, ":subscriber:"):
			continue // the registry, and two numbers
		case strings.Contains(k, ":journal"), strings.Contains(k, ":outbox"):
			if n := r.redis.XLen(ctx, k).Val(); n != 0 {
				t.Errorf("%s holds %d entries when all is done", k, n)
			}
			continue
		case strings.Contains(k, ":partial"):
			continue // its members go when they are overdue
		}
		if ttl := r.redis.TTL(ctx, k).Val(); ttl <= 0 {
			t.Errorf("%s never expires", k)
		}
	}
}

// A note on a record that is gone does not bring it back, without an end.
func TestNoteOnNothing(t *testing.T) {
	t.Parallel()
	s := newScripts(t)
	if err := noteScript.Run(t.Context(), s.redis, []string{"{p00}:tx:GONE"}, "submitted").Err(); err != nil {
		t.Fatal(err)
	}
	if n := s.redis.Exists(t.Context(), "{p00}:tx:GONE").Val(); n != 0 {
		t.Error("a record came back")
	}
}

// The embedded store lets time pass, as Redis does.
func TestEmbeddedStoreExpires(t *testing.T) {
	t.Parallel()
	s, err := OpenStore(t.Context(), secret.New([]byte(Embedded)), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.redis.Set(t.Context(), "k", "v", 300*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for s.redis.Exists(t.Context(), "k").Val() == 1 {
		if time.Now().After(deadline) {
			t.Fatal("it never expires")
		}
		time.Sleep(10 * time.Millisecond) // nothing tells when a key expires
	}
}

// The embedded store carries the whole way of a transfer too.
func TestTransferEmbedded(t *testing.T) {
	t.Parallel()
	r := newRig(t, onRedis(Embedded))
	r.gateway(1, nil)
	r.sms(tendai, sendFive)
	r.says(tendai, "done", "Balance USD 95.00")
	r.says(rudo, "received")
	r.sms(tendai, sendFive)
	r.says(tendai, "reply YES")
	r.sms(tendai, "YES")
	r.says(tendai, "done", "Balance USD 90.00")
	r.mo(smsc.MO{From: rudo, Text: "BAL 2468", Split: "sar", PartSize: 3, Order: []int{3, 1, 2}})
	r.says(rudo, "received")
	r.says(rudo, "Balance USD 60.00")
	r.money(9000, 6000, 500)
}

// A store belongs to one number of partitions; another would look for a
// subscriber's keys where they are not.
func TestPartitionsAreFixed(t *testing.T) {
	t.Parallel()
	url := secret.New([]byte(redisURL(t)))
	s, err := OpenStore(t.Context(), url, 8)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := OpenStore(t.Context(), url, 16); err == nil {
		t.Error("opened with another number of partitions")
	}
	// All 32: the streams, which block, leave connections for messages.
	s, err = OpenStore(t.Context(), secret.New([]byte(redisURL(t))), maxPartitions)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	var readers sync.WaitGroup
	for p := range maxPartitions {
		for _, name := range []string{"journal", "outbox"} {
			readers.Go(func() {
				for ctx.Err() == nil {
					s.redis.XRead(ctx, &redis.XReadArgs{Streams: []string{key(p, name), "$"}, Block: 2 * time.Second})
				}
			})
		}
	}
	for {
		p := s.redis.PoolStats()
		if p.TotalConns-p.IdleConns >= 2*maxPartitions {
			break
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%d connections are in use", p.TotalConns-p.IdleConns)
		}
	}
	began := time.Now()
	if err := s.Ping(ctx); err != nil || time.Since(began) > time.Second {
		t.Errorf("a message waits for the streams: %v, %v", time.Since(began), err)
	}
	cancel()
	readers.Wait()
}

// A boot number is drawn once, also after the store lost its counter, and
// another process of the node never lowers it.
func TestBootNumbers(t *testing.T) {
	t.Parallel()
	s, err := OpenStore(t.Context(), secret.New([]byte(redisURL(t))), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	next := func() uint32 {
		t.Helper()
		n, err := s.nextBoot(t.Context(), 3)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := next(); n != 1 {
		t.Errorf("first boot is %d", n)
	}
	for _, raise := range []uint32{7, 5} {
		if err := s.raiseBoot(t.Context(), 3, raise); err != nil {
			t.Fatal(err)
		}
	}
	if n := next(); n != 8 {
		t.Errorf("boot %d after 7", n)
	}
}

// Redis is wiped and the gateway starts anew: its boot number is one that the
// bank has seen, so it goes on behind that, and no serial is used twice.
func TestStoreLost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, nil)
	r.sms(tendai, sendFive)
	r.says(tendai, "done")
	r.settled()
	g.end()
	if err := r.redis.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	r.gateway(1, nil)
	r.sms(tendai, "BAL 1357")
	r.says(tendai, "Balance USD 95.00")
	if n, _ := r.redis.Get(t.Context(), bootKey(1)).Int(); n != 2 {
		t.Errorf("it works under boot number %d, want 2: the bank has seen 1", n)
	}
}
