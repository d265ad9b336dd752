package smpp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// ESME keeps one bind to an SMSC up: one session, or a transmitter and a
// receiver session in Pair mode.
type ESME struct {
	cfg     BindConfig
	log     *slog.Logger
	inbound *inbound
	dial    func(context.Context) (net.Conn, error)

	mu      sync.Mutex
	legs    []*leg
	changed chan struct{} // closed and replaced when a leg is bound or lost
}

// leg is the place of one session, which comes and goes.
type leg struct {
	role    CommandID
	session *session // nil while not bound; ESME.mu
}

// NewESME makes the bind that cfg describes; what is zero there gets its
// default. Run works it. PasswordFile has to be in cfg.Password already: it is
// not read here.
func NewESME(cfg BindConfig, log *slog.Logger, h Handler) *ESME {
	cfg.SetDefaults()
	e := &ESME{
		cfg:     cfg,
		log:     log.With("bind", cfg.Name),
		changed: make(chan struct{}),
	}
	e.dial = func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", cfg.Address)
	}
	e.inbound = newInbound(cfg.Name, cfg.InboundQueue, h, e.log)
	roles := []CommandID{BindTransceiver}
	switch cfg.Bind {
	case Transmitter:
		roles = []CommandID{BindTransmitter}
	case Receiver:
		roles = []CommandID{BindReceiver}
	case Pair:
		roles = []CommandID{BindTransmitter, BindReceiver}
	}
	for _, role := range roles {
		e.legs = append(e.legs, &leg{role: role})
	}
	return e
}

// Config is the configuration with its defaults.
func (e *ESME) Config() BindConfig { return e.cfg }

// Run dials, binds, and keeps the bind up until ctx ends: after every loss it
// tries again with a jittered, growing pause. It is called once.
//
// When ctx ends, new messages are refused with ESME_RX_T_APPN and new
// submissions with ErrNotSent; Run waits at most ResponseTimeout for the
// acknowledgements owed and the submissions under way, unbinds, waits as long
// again for the unbind_resp, closes, cancels the context of the handlers and
// returns when they have. The error is nil: every reason to try again is in
// the log.
func (e *ESME) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	e.inbound.start(work)
	var legs sync.WaitGroup
	for _, l := range e.legs {
		legs.Go(func() { e.keepUp(ctx, l) })
	}
	legs.Wait()
	cancel()
	e.inbound.stop()
	return nil
}

// keepUp runs one session after the other on a leg.
func (e *ESME) keepUp(ctx context.Context, l *leg) {
	log := e.log.With("role", l.role.String(), "smsc_address", e.cfg.Address)
	pause := backoff{min: e.cfg.ReconnectMin, max: e.cfg.ReconnectMax}
	for ctx.Err() == nil {
		s, err := e.connect(ctx, l.role, log)
		if err == nil {
			bound := time.Now()
			e.setSession(l, s)
			err = s.serve(ctx)
			e.setSession(l, nil)
			// A bind that the SMSC grants and drops at once is a failure too.
			if time.Since(bound) >= e.cfg.ReconnectMin {
				pause.reset()
			}
		}
		if ctx.Err() != nil {
			if s != nil {
				log.Info("closed", "reason", err)
			}
			return
		}
		d := pause.pause()
		log.Warn("not bound", "err", err, "retry_in", d.Round(time.Millisecond).String())
		t := time.NewTimer(d)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// connect dials and binds, each within BindTimeout.
func (e *ESME) connect(ctx context.Context, role CommandID, log *slog.Logger) (*session, error) {
	dialing, cancel := context.WithTimeout(ctx, e.cfg.BindTimeout)
	defer cancel()
	conn, err := e.dial(dialing)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	s := newSession(conn, role, e, log)
	if err := s.bind(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	return s, nil
}

func (e *ESME) setSession(l *leg, s *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l.session = s
	close(e.changed)
	e.changed = make(chan struct{})
}

// Bound says whether every session of the bind is up.
func (e *ESME) Bound() bool {
	bound, _ := e.state()
	return bound
}

// AwaitBound waits until Bound, or returns ctx's error.
func (e *ESME) AwaitBound(ctx context.Context) error {
	for {
		bound, changed := e.state()
		if bound {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (e *ESME) state() (bound bool, changed <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.legs {
		if l.session == nil {
			return false, e.changed
		}
	}
	return true, e.changed
}

// errNotBound: there is no session to submit on.
var errNotBound = errors.New("not bound as a transmitter")

// Submit sends m as a submit_sm and returns the SMSC's message id. It waits
// while the window is full; it does not wait for a bind (AwaitBound does). The
// answer is waited for until ctx ends, at most ResponseTimeout.
//
// Every error holds exactly one of: ErrNotSent, which is certain (with
// ErrUnencodable where trying again is useless); ErrOutcomeUnknown; or
// *StatusError, the SMSC's refusal.
//
// m is not changed. A Source with TON and NPI 0 gets those of the
// configuration, and with RequestReceipts a RegisteredDelivery of 0 becomes 1.
func (e *ESME) Submit(ctx context.Context, m *Message) (messageID string, err error) {
	s := e.transmitter()
	if s == nil {
		return "", fmt.Errorf("%w: %w", ErrNotSent, errNotBound)
	}
	out := *m
	if out.Source.TON == 0 && out.Source.NPI == 0 {
		out.Source.TON, out.Source.NPI = e.cfg.SourceTON, e.cfg.SourceNPI
	}
	if e.cfg.RequestReceipts && out.RegisteredDelivery == 0 {
		out.RegisteredDelivery = 1
	}
	return s.submit(ctx, &out)
}

// transmitter is a session that may submit, or nil.
func (e *ESME) transmitter() *session {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.legs {
		if l.session != nil && l.role != BindReceiver {
			return l.session
		}
	}
	return nil
}
