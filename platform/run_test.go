package platform

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"starhash/configs/secret"
)

// Run ends with its context and leaves no goroutine behind, also when neither
// bank nor SMSC was ever there, and with work in hand. (Not parallel: it looks
// at all goroutines.)
func TestRunLeavesNothing(t *testing.T) {
	url := redisURL(t)
	t.Run("everything there", func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		t.Run("work", func(t *testing.T) {
			r := newRig(t, onRedis(url))
			g := r.gateway(1, func(c *Config) { c.Admin.Listen = "127.0.0.1:0" })
			r.sms(tendai, sendFive)
			r.says(tendai, "done")
			r.settled()
			g.end()
			r.eventually("no connection to the bank is left", func() bool { return r.middle.open.Load() == 0 })
		}) // the rig and the gateway end here
		http.DefaultClient.CloseIdleConnections() // the test's own
		goleak.VerifyNone(t, before)
	})
	t.Run("nobody there", func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		t.Run("work", func(t *testing.T) {
			r := newRig(t, onRedis(redisURL(t)))
			g := r.open(1, func(c *Config) {
				c.SMPP.Binds[0].Address = "127.0.0.1:1"
				c.Bank.URL = "https://127.0.0.1:1"
			})
			in := &mo{bind: "bind", msisdn: tendai, shortCode: shortCode, parts: key(g.store.partition(tendai), "parts", "none"), at: time.Now()}
			in.text = []byte(sendFive)
			if err := g.obey(t.Context(), in, []byte(sendFive)); err != nil {
				t.Fatal(err)
			}
			r.runs(g.Run)
			r.eventually("it is tried", func() bool { return g.inHand.len() > 0 })
		})
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t, before)
	})
}

// A gateway whose admin port is taken does not start, and holds nothing.
func TestRunAdminTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.open(1, func(c *Config) { c.Admin.Listen = r.smsc.Addr() })
	if err := g.Run(t.Context()); err == nil {
		t.Error("it ran")
	}
}

// Open says what an operator has to mend.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, change := range map[string]func(*Config){
		"timezone":       func(c *Config) { c.Timezone = "Nowhere/Atall" },
		"texts":          func(c *Config) { c.Texts = t.TempDir() },
		"kek":            func(c *Config) { c.KEK.File = r.path("none") },
		"static key":     func(c *Config) { c.Bank.StaticKey.File = r.path("none") },
		"PIN key":        func(c *Config) { c.Bank.PINKey.File = r.path("static.key") },
		"TLS":            func(c *Config) { c.Bank.TLS.CAFile = r.path("static.key") },
		"Redis":          func(c *Config) { c.Redis.URL = secret.New([]byte("redis://127.0.0.1:1/0")) },
		"not a URL":      func(c *Config) { c.Redis.URL = secret.New([]byte("http://user:hunter2@host")) },
		"private as pin": func(c *Config) { c.Bank.PINKey.File = filepath.Join(r.dir, "pin.key") },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := r.gatewayConfig(1)
			change(&cfg)
			g, err := Open(t.Context(), cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
			if err == nil {
				g.store.Close()
				t.Fatal("it opened")
			}
		})
	}
}

// Work that panics is one entry's trouble: an alarm, and the rest goes on. The
// entry stays, and is done once what ailed it is mended.
func TestPanicIsContained(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.gateway(1, func(c *Config) { c.Limits.Lease = 300 * time.Millisecond })
	texts := g.texts.Load()
	r.middle.plays(once(func(request []byte, bank func([]byte) ([]byte, error)) ([]byte, error) {
		g.texts.Store(nil) // the confirmation cannot be written
		return bank(request)
	}))
	r.sms(tendai, sendFive)
	r.eventually("it panics", func() bool { return g.alarms(t) > 0 })
	g.texts.Store(texts)
	r.says(tendai, "done")
	r.says(rudo, "received")
	r.nothingMore(tendai, rudo)
	r.money(9500, 5500, 500)
}

// What a gateway works on for long is not taken over by another, also while the
// reader waits for a free slot.
func TestInHandIsRenewed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lease := 300 * time.Millisecond
	g := r.open(1, func(c *Config) { c.Limits.Lease = lease })
	defer g.store.Close()
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	k := key(0, "work")
	seen := make(chan string, 10)
	s := &stream{g: g, name: "work", key: k, consumer: "node-1", slots: make(chan struct{}, 1),
		work: func(_ context.Context, m redis.XMessage) { seen <- m.ID; waitOr(release) }}
	done := make(chan struct{})
	go func() { defer close(done); s.run(ctx, ctx) }()
	for i := range 3 {
		if err := r.redis.XAdd(ctx, &redis.XAddArgs{Stream: k, Values: []any{"n", i}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	<-seen // in hand; the reader waits for a slot for the next
	began := time.Now()
	r.eventually("three leases are over", func() bool {
		p, err := r.redis.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: k, Group: group, Start: "-", End: "+", Count: 10}).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p {
			if e.Idle > lease && slices.Contains(g.inHand.with(k), e.ID) {
				t.Fatalf("%s lay still for %v", e.ID, e.Idle)
			}
		}
		return time.Since(began) > 3*lease
	})
	close(release)
	<-seen
	<-seen
	cancel()
	<-done
}
