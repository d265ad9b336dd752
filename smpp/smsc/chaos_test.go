package smsc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"starhash/smpp"
)

// app is an application behind our own ESME: it acknowledges what comes and remembers
// the phones' texts.
type app struct {
	mu   sync.Mutex
	seen map[string]int
	got  chan struct{} // told of each message
}

func (a *app) Deliver(_ context.Context, d *smpp.Delivery) {
	if d.Message.ESMClass&smpp.ESMClassTypeMask == 0 {
		if user, err := smpp.UserText(d.Message); err == nil {
			text, _ := smpp.AppendText(nil, d.Message.DataCoding, user)
			a.mu.Lock()
			a.seen[string(text)]++
			a.mu.Unlock()
		}
	}
	d.Ack(smpp.StatusOK)
	d.Wipe()
	if a.got != nil {
		a.got <- struct{}{}
	}
}

func (*app) Alert(context.Context, string, *smpp.AlertNotification) {}

// esme runs our own ESME until the test ends.
func (r *rig) esme(t testing.TB, a *app, change func(*smpp.BindConfig)) *smpp.ESME {
	t.Helper()
	cfg := smpp.BindConfig{Name: "test", Address: r.Addr(), SystemID: systemID, Password: secretOf(password), Bind: smpp.Transceiver,
		RequestReceipts: true, ReconnectMin: 10 * time.Millisecond, ReconnectMax: 50 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	e := smpp.NewESME(cfg, slog.New(slog.NewTextHandler(r.log, nil)), a)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return e
}

// Our own ESME under chaos, stronger than the default mix: every message of a phone arrives
// and is acknowledged in the end, and every one of the ESME's that was answered
// ESME_ROK is in its phone's inbox once for each time that it was sent.
func TestChaosWithESME(t *testing.T) {
	t.Parallel()
	f := Chaos()
	f.LateBy = ms(300)
	for _, k := range []fault{dropAfterMO, dropOnAck, unbindAfterMO, dropAfterSubmit, dropAfterResp, noResp, lateResp, badSMLength, badTLVLength, unknownCommand, strayNack, strayResp, duplicateMO} {
		*faultTable[k].count(&f) = Percent(1)
	}
	r := start(t, func(c *Config) { c.Faults, c.MaxTries, c.ResponseTimeout = f, 100, time.Second })
	a := &app{seen: make(map[string]int)}
	e := r.esme(t, a, func(c *smpp.BindConfig) { c.ResponseTimeout = 500 * time.Millisecond })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	const messages = 200
	payee := func(i int) string { return fmt.Sprintf("2637720%05d", i) }
	var all []*sent
	var mts sync.WaitGroup
	outcomes := make([]struct{ accepted, unknown int }, messages)
	for i := range messages {
		all = append(all, r.mo(MO{From: fmt.Sprintf("2637710%05d", i%10), Text: fmt.Sprintf("message %d", i)}))
		mts.Go(func() {
			m := mt("confirmation")
			m.Dest.Addr = payee(i)
			for outcomes[i].accepted == 0 && ctx.Err() == nil {
				if e.AwaitBound(ctx) != nil {
					return
				}
				switch _, err := e.Submit(ctx, m); {
				case err == nil:
					outcomes[i].accepted++
				case errors.Is(err, smpp.ErrOutcomeUnknown):
					outcomes[i].unknown++
				default:
					time.Sleep(5 * time.Millisecond) // a session that has ended counts as bound for a moment
				}
			}
		})
	}
	for i, s := range all {
		res := s.result()
		for !res.Done && ctx.Err() == nil {
			res = must(r.MO(ctx, res.ID))(t)
			time.Sleep(10 * time.Millisecond) // there is no event to wait for
		}
		if !res.OK() {
			t.Errorf("message %d: %+v", i, res)
		}
		a.mu.Lock()
		if a.seen[fmt.Sprintf("message %d", i)] == 0 {
			t.Errorf("message %d was acknowledged by nobody who has it", i)
		}
		a.mu.Unlock()
	}
	mts.Wait()
	for i, o := range outcomes {
		n := len(must(r.Inbox(t.Context(), payee(i), 0, 0))(t))
		if o.accepted != 1 || n < 1 || n > 1+o.unknown {
			t.Errorf("confirmation %d: accepted %d times, unknown %d times, %d in the inbox", i, o.accepted, o.unknown, n)
		}
	}
	if strings.Contains(r.log.String(), "panic") {
		t.Error("a panic")
	}
}

// The default mix loses no phone's message.
func TestChaosExpands(t *testing.T) {
	r := start(t, func(c *Config) { c.Faults = Faults{Chaos: true, Throttle: 3, Seed: 99} })
	f := must(r.Faults(t.Context()))(t)
	if want := Chaos(); f.Chaos || f.Throttle != 3 || f.Seed != 99 || f.NoResp != want.NoResp || f.Latency != want.Latency {
		t.Errorf("%+v", f)
	}
	if f.BadCommandLength != 0 || f.BadPart != 0 || f.NoBindResp != 0 {
		t.Errorf("not mild: %+v", f)
	}
	all := Chaos()
	if err := all.check(); err != nil {
		t.Error(err)
	}
}

// BenchmarkMO is phones' messages a second to one ESME that acknowledges each.
func BenchmarkMO(b *testing.B) {
	s := New(Config{Listen: "127.0.0.1:0", HTTP: "127.0.0.1:0", SystemID: systemID, Password: secretOf(password), Window: 500}, discard())
	if err := s.Listen(); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() { cancel(); <-done }()
	r := &rig{SMSC: s, log: new(logBuffer)}
	a := &app{seen: make(map[string]int), got: make(chan struct{}, 1000)}
	e := r.esme(b, a, nil)
	if err := e.AwaitBound(ctx); err != nil {
		b.Fatal(err)
	}
	froms := slices.Collect(func(yield func(string) bool) {
		for i := range 1000 {
			if !yield(fmt.Sprintf("2637710%05d", i)) {
				return
			}
		}
	})
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for i := range b.N {
			if _, err := s.send(&MO{From: froms[i%len(froms)], To: code, Text: "SEND 5 0771000002 1234"}); err != nil {
				b.Error(err)
			}
		}
	}()
	for range b.N {
		<-a.got
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "MO/s")
}
