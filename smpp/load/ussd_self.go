package load

import (
	"context"
	"log/slog"

	"starhash/configs"
	"starhash/smpp"
	"starhash/smpp/dialect"
)

// USSDSelf is our own session as the ESME under load, in the same process, with an
// application that answers every step by its own text: what is measured then is the
// simulator, the dialect and the session.
type USSDSelf struct {
	esme    *smpp.ESME
	dialect *dialect.Dialect
	last    string // ends the session
	log     *slog.Logger
}

// NewUSSDSelf makes the ESME of a load.
func NewUSSDSelf(u *USSD, log *slog.Logger) (*USSDSelf, error) {
	all, err := dialect.Load(configs.Dialects)
	if err != nil {
		return nil, err
	}
	cfg := u.Config()
	s := &USSDSelf{last: cfg.Script[len(cfg.Script)-1], log: log}
	s.dialect, _ = all.Get(cfg.Dialect) // the simulator has it
	s.esme = smpp.NewESME(smpp.BindConfig{
		Name: "self", Address: u.Addr(), SystemID: cfg.SystemID, Password: cfg.Password, Sessions: cfg.Binds,
		Window: 1000, InboundQueue: 20_000, ReconnectMin: minReconnect, ReconnectMax: maxReconnect,
	}, log, s)
	return s, nil
}

// Run keeps the ESME bound until ctx ends and it has drained.
func (s *USSDSelf) Run(ctx context.Context) { s.esme.Run(ctx) }

// Deliver implements smpp.Handler.
func (s *USSDSelf) Deliver(ctx context.Context, d *smpp.Delivery) {
	m, err := s.dialect.Delivered(d.Message)
	d.Wipe()
	if err != nil {
		s.log.Error("not USSD", "err", err)
		d.Ack(smpp.StatusPermAppErr)
		return
	}
	d.Ack(smpp.StatusOK)
	if m.Kind != dialect.Begin && m.Kind != dialect.Reply {
		return
	}
	m.Kind = dialect.Ask
	if string(m.Text) == s.last {
		m.Kind = dialect.End
	}
	command, sm, err := s.dialect.Submit(m)
	if err == nil {
		_, err = s.esme.Send(ctx, command, sm)
	}
	if err != nil {
		s.log.Error("not answered", "err", err)
	}
}

// Alert implements smpp.Handler.
func (s *USSDSelf) Alert(context.Context, string, *smpp.AlertNotification) {}
