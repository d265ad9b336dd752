package interop

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"starhash/configs/secret"
	"starhash/smpp/smsc"
)

// simulator is ours, in the test's own process.
type simulator struct {
	*smsc.Client
	port int
	log  lockedBuffer
}

// startSimulator runs a simulator until the test ends; change may be nil.
func startSimulator(t *testing.T, change func(*smsc.Config)) *simulator {
	t.Helper()
	cfg := smsc.Config{
		Listen: "127.0.0.1:0", HTTP: "127.0.0.1:0", SystemID: systemID, Password: secret.Copy([]byte(password)),
		Phones: []smsc.Phone{{MSISDN: phone}}, Seed: 1,
		RetryMin: 5 * time.Millisecond, RetryMax: 20 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	cfg.SetDefaults()
	if ps := cfg.Validate(); len(ps) > 0 {
		t.Fatal(ps)
	}
	sim := new(simulator)
	s := smsc.New(cfg, slog.New(slog.NewTextHandler(&sim.log, nil)))
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if sim.port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	transport := new(http.Transport)
	sim.Client = &smsc.Client{BaseURL: "http://" + s.HTTPAddr(), HTTP: &http.Client{Transport: transport, Timeout: 2 * patience}}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the simulator: %v", err)
		}
		transport.CloseIdleConnections()
		if t.Failed() {
			t.Logf("the simulator wrote:\n%s", &sim.log)
		}
	})
	return sim
}

// mo sends a message from the phone, and waits until the ESME has taken it.
func (s *simulator) mo(t *testing.T, m smsc.MO) {
	t.Helper()
	m.From, m.To, m.Wait = phone, shortCode, smsc.Duration(patience)
	if res, err := s.SendMO(t.Context(), m); err != nil || !res.OK() {
		t.Fatalf("not acknowledged: %+v %v", res, err)
	}
}
