package load

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"starhash/configs/secret"
	"starhash/smpp"
)

// ussd runs a load against an ESME that is made for it.
func ussd(t *testing.T, cfg USSDConfig, esme func(*USSD, *slog.Logger) interface{ Run(context.Context) }) *USSDReport {
	t.Helper()
	cfg.Listen, cfg.Password = "127.0.0.1:0", secret.New([]byte("pw"))
	cfg.SetDefaults()
	log := slog.New(slog.DiscardHandler)
	u, err := NewUSSD(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var other sync.WaitGroup
	e := esme(u, log)
	other.Go(func() { e.Run(ctx) })
	r, err := u.Run(ctx)
	stop()
	other.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func selfUSSD(u *USSD, log *slog.Logger) interface{ Run(context.Context) } {
	s, err := NewUSSDSelf(u, log)
	if err != nil {
		panic(err)
	}
	return s
}

// All sessions are open at once, and each gets its own screens.
func TestUSSDLoad(t *testing.T) {
	r := ussd(t, USSDConfig{
		Sessions: 300, PID: os.Getpid(), Rate: 3000, Parallel: 300,
		Script: []string{"*700#", "I am {msisdn}", "to {peer}", "end"},
		Expect: []string{"*700#", "I am {msisdn}", "to {peer}"},
	}, selfUSSD)
	if !r.OK() || r.Steps != 1200 || r.Lost+r.Wrong+r.Skipped != 0 || len(r.Each) != 4 || r.Each[3].Time.Count != 300 {
		t.Errorf("%+v", r)
	}
	if r.Seconds < 0.35 || r.StepRate > 3500 {
		t.Errorf("1,200 steps at 3,000/s took %.2f s", r.Seconds)
	}
	var table strings.Builder
	if err := r.Table(&table); err != nil || !strings.Contains(table.String(), "300 sessions open, 3,000 steps/s wanted") {
		t.Errorf("%v\n%s", err, table.String())
	}
}

// An application that acknowledges and says nothing loses every session.
func TestUSSDLoadFindsLoss(t *testing.T) {
	r := ussd(t, USSDConfig{Sessions: 20, Wait: 100 * time.Millisecond}, func(u *USSD, log *slog.Logger) interface{ Run(context.Context) } {
		cfg := u.Config()
		return esmeRunner{smpp.NewESME(smpp.BindConfig{Name: "mute", Address: u.Addr(), SystemID: cfg.SystemID, Password: cfg.Password}, log, &Self{})}
	})
	if r.OK() || r.Lost != 20 || r.Failed != 20 || r.Skipped != 80 || r.Steps != 0 || len(r.Examples) == 0 {
		t.Errorf("%+v", r)
	}
}

// esmeRunner is an ESME whose Run's error does not matter.
type esmeRunner struct{ *smpp.ESME }

func (e esmeRunner) Run(ctx context.Context) { e.ESME.Run(ctx) }
