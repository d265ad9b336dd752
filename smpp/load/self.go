package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"starhash/smpp"
)

// How soon an ESME comes back: a cut is part of the load.
const (
	minReconnect = 10 * time.Millisecond
	maxReconnect = 200 * time.Millisecond
)

// Self is our own session as the ESME under load, in the same process: it is
// what an application costs that only acknowledges.
type Self struct {
	confirm bool
	esmes   []*smpp.ESME
}

// NewSelf makes as many ESMEs as the load wants sessions. They acknowledge each
// message; with the load's Confirm they then submit its text back to its sender,
// until it is certain that the SMSC has it.
func NewSelf(l *Load, log *slog.Logger) *Self {
	cfg := l.Config()
	s := &Self{confirm: cfg.Confirm}
	id := cfg.SystemID
	if id == "" {
		id = "starhash"
	}
	for i := range cfg.Sessions {
		s.esmes = append(s.esmes, smpp.NewESME(smpp.BindConfig{
			Name: fmt.Sprintf("self-%d", i+1), Address: l.Addr(), SystemID: id, Password: cfg.Password,
			Window: 1000,
			// An acknowledgement is on its way before it is off our books.
			InboundQueue: min(2*cfg.Window+1000, 100_000),
			ReconnectMin: minReconnect, ReconnectMax: maxReconnect,
		}, log, s))
	}
	return s
}

// Run keeps the ESMEs bound until ctx ends and they have drained.
func (s *Self) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, e := range s.esmes {
		all.Go(func() { e.Run(ctx) })
	}
	all.Wait()
}

// Deliver implements smpp.Handler.
func (s *Self) Deliver(ctx context.Context, d *smpp.Delivery) {
	if !s.confirm {
		d.Wipe()
		d.Ack(smpp.StatusOK)
		return
	}
	d.Ack(smpp.StatusOK)
	m := smpp.Message{
		Source: d.Message.Dest, Dest: d.Message.Source,
		DataCoding: d.Message.DataCoding, Payload: d.Message.Payload,
	}
	for ctx.Err() == nil {
		_, err := d.Bind.Submit(ctx, &m)
		var refused *smpp.StatusError
		if err == nil || errors.As(err, &refused) || errors.Is(err, smpp.ErrUnencodable) {
			break
		}
		if d.Bind.AwaitBound(ctx) != nil {
			break
		}
	}
	d.Wipe()
}

// Alert implements smpp.Handler.
func (s *Self) Alert(context.Context, string, *smpp.AlertNotification) {}
