package smpp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"starhash/configs/secret"
)

// OutbindConfig has the SMSC connect to us, instead of us to it: it says
// outbind, and we bind on its connection: §2.2.1, §4.1.7.
type OutbindConfig struct {
	Listen       string       `mapstructure:"listen"`        // host:port to listen on; empty: no outbind
	SystemID     string       `mapstructure:"system_id"`     // the SMSC's, at most 15 characters
	Password     secret.Value `mapstructure:"password"`      // the SMSC's
	PasswordFile string       `mapstructure:"password_file"` // instead of Password, into which configs.Load reads it
}

// maxOutbinds bounds the connections that have not said outbind yet.
const maxOutbinds = 16

// outbindListener takes connections of the SMSC, and hands on those that have
// said outbind with the right name and password.
type outbindListener struct {
	cfg   BindConfig
	log   *slog.Logger
	quiet quiet // anybody can connect
	l     net.Listener
	told  chan outbound // unbuffered: a connection that no session waits for is closed
}

// outbound is a connection that has said outbind.
type outbound struct {
	conn net.Conn
	r    *Reader
}

func newOutbindListener(cfg BindConfig, log *slog.Logger) *outbindListener {
	return &outbindListener{cfg: cfg, log: log, told: make(chan outbound)}
}

func (o *outbindListener) listen() (err error) {
	if o.l, err = net.Listen("tcp", o.cfg.Outbind.Listen); err != nil {
		return fmt.Errorf("outbind.listen: %w", err)
	}
	o.log.Info("waiting for the SMSC's outbind", "listen", o.l.Addr().String())
	return nil
}

// next waits for a connection that has said outbind.
func (o *outbindListener) next(ctx context.Context) (net.Conn, *Reader, error) {
	select {
	case c := <-o.told:
		return c.conn, c.r, nil
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
}

// run accepts until ctx ends.
func (o *outbindListener) run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	defer context.AfterFunc(ctx, func() { o.l.Close() })()
	slots := make(chan struct{}, maxOutbinds)
	for {
		conn, err := o.l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			o.warn("outbind: accept", "err", err)
			select {
			case <-time.After(100 * time.Millisecond): // of file descriptors there may be some later
			case <-ctx.Done():
			}
			continue
		}
		select {
		case slots <- struct{}{}:
			all.Go(func() {
				defer func() { <-slots }()
				o.greet(ctx, conn)
			})
		default:
			conn.Close()
			o.warn("outbind refused", "from", conn.RemoteAddr().String(), "err", errOutbinds)
		}
	}
}

// greet reads the outbind and hands the connection to a session that waits, all
// within BindTimeout.
func (o *outbindListener) greet(ctx context.Context, conn net.Conn) {
	greeting, cancel := context.WithTimeout(ctx, o.cfg.BindTimeout)
	defer cancel()
	stop := context.AfterFunc(greeting, func() { conn.SetDeadline(time.Unix(1, 0)) })
	r := NewReader(conn, o.cfg.MaxPDU)
	err := o.admit(r)
	if !stop() && err == nil {
		err = context.Cause(greeting)
	}
	if err == nil {
		conn.SetDeadline(time.Time{})
		select {
		case o.told <- outbound{conn, r}:
			return
		case <-greeting.Done():
			err = errors.New("every session is bound")
		}
	}
	r.Wipe()
	conn.Close()
	o.warn("outbind refused", "from", conn.RemoteAddr().String(), "err", err)
}

func (o *outbindListener) warn(msg string, args ...any) {
	if n, ok := o.quiet.allow(); ok {
		o.log.Warn(msg, append(args, "not_logged_before", n)...)
	}
}

var (
	errOutbind  = errors.New("wrong system_id or password")
	errOutbinds = errors.New("too many connections have not said outbind yet")
)

func (o *outbindListener) admit(r *Reader) (err error) {
	defer recovered(o.log, func() { err = errPanicked })
	p, err := r.Next()
	if err != nil {
		return err
	}
	b, ok := p.Body.(*Outbind)
	if !ok {
		p.wipe()
		return fmt.Errorf("%s in place of an outbind", p.Command)
	}
	defer b.Password.Wipe()
	if !b.Password.Equal(o.cfg.Outbind.Password) || b.SystemID != o.cfg.Outbind.SystemID {
		return errOutbind
	}
	return nil
}
