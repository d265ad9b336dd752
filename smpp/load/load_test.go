package load

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *sideBySide { // others' goroutines are not ours to judge
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m)
}

// listen begins a load on a free port.
func listen(t testing.TB, cfg Config) *Load {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	if cfg.BindWait == 0 {
		cfg.BindWait = 10 * time.Second
	}
	l, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// runSelf runs a load against our own ESME.
func runSelf(t testing.TB, cfg Config) *Report {
	t.Helper()
	l := listen(t, cfg)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	self := NewSelf(l, slog.New(slog.DiscardHandler))
	go func() {
		defer close(ended)
		self.Run(ctx)
	}()
	r, err := l.Run(t.Context())
	stop()
	<-ended
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSelf(t *testing.T) {
	for name, cfg := range map[string]Config{
		"acknowledgements":                {Messages: 20_000},
		"acknowledgements, four sessions": {Messages: 20_000, Sessions: 4, Window: 50},
		"confirmations by order":          {Messages: 5000, Confirm: true},
		"confirmations by token":          {Messages: 5000, Confirm: true, Text: "BAL {token}", MSISDNs: 7},
		"confirmations by token, UCS2":    {Messages: 2000, Confirm: true, Text: "Баланс {token}", MSISDNs: 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runSelf(t, cfg)
			want := cfg.Messages
			if r.Messages != want || r.Sent != want || r.Acked != want || r.AckTime.Count != want || !r.OK() {
				t.Errorf("want %d sent and acknowledged once: %+v", want, r)
			}
			if cfg.Confirm && (r.Confirmed != want || r.ConfirmTime.Count != want || r.Submits != want) {
				t.Errorf("want %d confirmed once: %+v", want, r)
			}
		})
	}
}
