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

// ESME keeps one bind to an SMSC up: as many sessions as it has, of one role or,
// in Pair mode, of two.
type ESME struct {
	cfg     BindConfig
	log     *slog.Logger
	inbound *inbound
	windows windows
	pace    *pace
	count   counters
	quiet   quiet
	dial    func(context.Context) (net.Conn, error)
	outbind *outbindListener // nil: we dial

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
// default. Run works it. Passwords in files have to be in cfg already: they are
// not read here.
func NewESME(cfg BindConfig, log *slog.Logger, h Handler) *ESME {
	cfg.SetDefaults()
	e := &ESME{
		cfg:     cfg,
		log:     log.With("bind", cfg.Name),
		pace:    newPace(cfg.Throughput),
		changed: make(chan struct{}),
	}
	e.dial = func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", cfg.Address)
	}
	if cfg.TLS.Enabled {
		e.dial = dialTLS(cfg.Address, cfg.TLS)
	}
	if cfg.Outbind.Listen != "" {
		e.outbind = newOutbindListener(cfg, e.log)
	}
	roles := []CommandID{BindTransceiver}
	switch cfg.Bind {
	case Transmitter:
		roles = []CommandID{BindTransmitter}
	case Receiver:
		roles = []CommandID{BindReceiver}
	case Pair:
		roles = []CommandID{BindTransmitter, BindReceiver}
	}
	for range cfg.Sessions {
		for _, role := range roles {
			e.legs = append(e.legs, &leg{role: role})
		}
	}
	e.inbound = newInbound(cfg.Name, cfg.InboundQueue*cfg.Sessions, h, e.log)
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
// returns when they have. The error says that outbind.listen cannot be listened
// on, and is nil otherwise: every reason to try again is in the log.
func (e *ESME) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var legs sync.WaitGroup
	if e.outbind != nil {
		if err := e.outbind.listen(); err != nil {
			return err
		}
		legs.Go(func() { e.outbind.run(ctx) })
	}
	e.inbound.start(work)
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
			e.count.binds.Add(1)
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

// connect dials and binds, each within BindTimeout; or it waits for the SMSC to
// connect and ask for the bind.
func (e *ESME) connect(ctx context.Context, role CommandID, log *slog.Logger) (*session, error) {
	conn, r, err := e.connection(ctx)
	if err != nil {
		return nil, err
	}
	s := newSession(conn, r, role, e, log)
	if err := s.bind(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	return s, nil
}

func (e *ESME) connection(ctx context.Context) (net.Conn, *Reader, error) {
	if e.outbind != nil {
		return e.outbind.next(ctx)
	}
	dialing, cancel := context.WithTimeout(ctx, e.cfg.BindTimeout)
	defer cancel()
	conn, err := e.dial(dialing)
	if err != nil {
		return nil, nil, fmt.Errorf("dial: %w", err)
	}
	return conn, NewReader(conn, e.cfg.MaxPDU), nil
}

func (e *ESME) setSession(l *leg, s *session) {
	if s != nil && l.role != BindReceiver {
		e.windows.add(s) // end removes it
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	l.session = s
	close(e.changed)
	e.changed = make(chan struct{})
}

// CanSubmit says whether a session is up that may submit.
func (e *ESME) CanSubmit() bool { return e.windows.open() }

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

// Submit sends m as a submit_sm and returns the SMSC's message id. It waits
// while the window is full or the throughput used up; it does not wait for a
// bind (AwaitBound does). The answer is waited for until ctx ends, at most
// ResponseTimeout.
//
// Every error holds exactly one of: ErrNotSent, which is certain (with
// ErrUnencodable where trying again is useless); ErrOutcomeUnknown; or
// *StatusError, the SMSC's refusal.
//
// m is not changed. A Source with TON and NPI 0 gets those of the
// configuration, and with RequestReceipts a RegisteredDelivery of 0 becomes 1.
func (e *ESME) Submit(ctx context.Context, m *Message) (messageID string, err error) {
	return e.SubmitIf(ctx, m, nil)
}

// ErrWithdrawn comes with ErrNotSent: the message was no longer wanted when its
// turn came.
var ErrWithdrawn = errors.New("withdrawn")

// SubmitIf is Submit for a message that may be overtaken while it waits for its
// turn: wanted is asked when it could leave at once.
func (e *ESME) SubmitIf(ctx context.Context, m *Message, wanted func() bool) (messageID string, err error) {
	out := *m
	e.from(&out.Source)
	if e.cfg.RequestReceipts && out.RegisteredDelivery == 0 {
		out.RegisteredDelivery = 1
	}
	return e.send(ctx, SubmitSM, &out, wanted)
}

// Send sends m as it is, as a submit_sm or a data_sm (§4.7), without the Source and the
// receipt that the configuration gives others: for messages of a USSD session, whose
// addresses are the SMSC's. For the rest see Submit.
func (e *ESME) Send(ctx context.Context, command CommandID, m *Message) (messageID string, err error) {
	if command != SubmitSM && command != DataSM {
		return "", fmt.Errorf("%w: %w: %s submits nothing", ErrNotSent, ErrUnencodable, command)
	}
	return e.send(ctx, command, m, nil)
}

func (e *ESME) send(ctx context.Context, command CommandID, m *Message, wanted func() bool) (messageID string, err error) {
	answer, err := e.request(ctx, PDU{Command: command, Body: m}, wanted)
	if b, ok := answer.Body.(*MessageResp); ok {
		messageID = b.MessageID
	}
	return messageID, err
}

// from gives a source address the TON and NPI of the configuration.
func (e *ESME) from(a *Address) {
	if a.TON == 0 && a.NPI == 0 {
		a.TON, a.NPI = e.cfg.SourceTON, e.cfg.SourceNPI
	}
}

// request sends a request on one of the sessions that may submit, and counts how
// it went.
func (e *ESME) request(ctx context.Context, p PDU, wanted func() bool) (PDU, error) {
	answer, err := e.exchange(ctx, p, wanted)
	c := &e.count
	switch se := (*StatusError)(nil); {
	case err == nil:
		c.accepted.Add(1)
		e.pace.accepted()
	case errors.As(err, &se) && se.slowDown():
		c.throttled.Add(1)
		e.pace.throttled()
	case se != nil:
		c.rejected.Add(1)
	case errors.Is(err, ErrOutcomeUnknown):
		c.unanswered.Add(1)
	default:
		c.notSent.Add(1)
		return answer, err
	}
	c.submitted.Add(1)
	return answer, err
}

// exchange waits for a place in a window first and for the moment to leave then,
// so that those who waited for places do not leave all at once. It changes the
// place for one on another session when its own has ended meanwhile.
func (e *ESME) exchange(ctx context.Context, p PDU, wanted func() bool) (PDU, error) {
	s, err := e.windows.take(ctx)
	if err != nil {
		return PDU{}, err
	}
	if err := e.pace.wait(ctx); err != nil {
		e.windows.give(s)
		return PDU{}, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	for s.hasEnded() {
		e.windows.give(s)
		if s, err = e.windows.take(ctx); err != nil {
			return PDU{}, err
		}
	}
	defer e.windows.give(s)
	if wanted != nil && !wanted() {
		return PDU{}, fmt.Errorf("%w: %w", ErrNotSent, ErrWithdrawn)
	}
	return s.exchange(ctx, p)
}
