package smpp

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"starhash/configs/secret"
)

// startOutbind runs an ESME that waits for the SMSC at an address of its own.
// Nobody may dial what it has as address.
func startOutbind(t *testing.T, h Handler, change func(*BindConfig)) (e *ESME, log *lockedBuffer, stop func()) {
	t.Helper()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	cfg := BindConfig{
		Name: "smsc-1", Address: nobody.Addr().String(), SystemID: "starhash", Password: secret.Copy([]byte(testPassword)),
		Bind: Receiver, Outbind: OutbindConfig{Listen: free.Addr().String(), SystemID: "SMSC", Password: secret.Copy([]byte("0utb1nd"))},
		ReconnectMin: 10 * time.Millisecond, ReconnectMax: 20 * time.Millisecond, ResponseTimeout: 200 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	log = new(lockedBuffer)
	e = NewESME(cfg, slog.New(slog.NewTextHandler(log, nil)), h)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stop = func() {
		cancel()
		if err, ok := <-ended; ok && err != nil {
			t.Errorf("Run: %v", err)
		}
		close(ended)
		nobody.(*net.TCPListener).SetDeadline(time.Now())
		if c, err := nobody.Accept(); err == nil {
			c.Close()
			t.Error("a bind with outbind dials")
		}
		nobody.Close()
	}
	return e, log, stop
}

// calls connects as the SMSC would.
func calls(t *testing.T, e *ESME) *peer {
	t.Helper()
	for {
		conn, err := net.Dial("tcp", e.Config().Outbind.Listen)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			return &peer{t: t, conn: conn, r: bufio.NewReader(conn)}
		}
		select { // until Run listens
		case <-t.Context().Done():
			t.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}
}

func (p *peer) outbind(systemID, password string) {
	p.t.Helper()
	p.write(PDU{Command: CommandOutbind, Sequence: 7, Body: &Outbind{SystemID: systemID, Password: secret.Copy([]byte(password))}})
}

// wantHungUp waits for the end of a connection on which nothing is said.
func (p *peer) wantHungUp() {
	p.t.Helper()
	if b, err := io.ReadAll(p.r); len(b) > 0 || err != nil && strings.Contains(err.Error(), "timeout") {
		p.t.Errorf("%d octets, %v; want the end of the connection", len(b), err)
	}
}

func TestOutbindIsAnsweredByABindOnItsConnection(t *testing.T) {
	for mode, command := range map[Mode]CommandID{Receiver: BindReceiver, Transceiver: BindTransceiver} {
		t.Run(string(mode), func(t *testing.T) {
			e, _, stop := startOutbind(t, handlerFuncs{}, func(c *BindConfig) { c.Bind = mode })
			defer stop()
			for range 2 { // the second time because the first was lost
				p := calls(t, e)
				p.outbind("SMSC", "0utb1nd")
				bind := p.read()
				if b, ok := bind.Body.(*Bind); bind.Command != command || !ok || b.SystemID != "starhash" || !b.Password.Equal(secret.Copy([]byte(testPassword))) {
					t.Fatalf("got %s %+v", bind.Command, bind.Body)
				}
				p.write(PDU{Command: command.Response(), Sequence: bind.Sequence, Body: new(BindResp)})
				p.deliver(1, "263771", "hello")
				p.want(DeliverSMResp, 1, StatusOK)
				if got, want := e.CanSubmit(), mode == Transceiver; got != want {
					t.Errorf("CanSubmit %v, want %v", got, want)
				}
				p.close()
			}
		})
	}
}

func TestOutbindOfAStranger(t *testing.T) {
	for name, say := range map[string]func(p *peer){
		"wrong password":    func(p *peer) { p.outbind("SMSC", "0utb1ne") },
		"no password":       func(p *peer) { p.outbind("SMSC", "") },
		"wrong system_id":   func(p *peer) { p.outbind("smsc", "0utb1nd") },
		"another operation": func(p *peer) { p.write(PDU{Command: EnquireLink, Sequence: 1}) },
		"a message":         func(p *peer) { p.deliver(1, "1", "PIN 1234") },
		"rubbish":           func(p *peer) { p.writeRaw([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")) },
		"half an outbind":   func(p *peer) { p.writeRaw([]byte{0, 0, 0, 30, 0, 0, 0, 11}); p.conn.(*net.TCPConn).CloseWrite() },
		"nothing, and goes": func(p *peer) { p.conn.(*net.TCPConn).CloseWrite() },
		"nothing":           func(p *peer) {},
	} {
		t.Run(name, func(t *testing.T) {
			e, log, stop := startOutbind(t, handlerFuncs{}, func(c *BindConfig) {
				if name == "nothing" {
					c.BindTimeout = time.Second
				}
			})
			p := calls(t, e)
			say(p)
			p.wantHungUp()
			// The SMSC itself still gets through.
			p = calls(t, e)
			p.outbind("SMSC", "0utb1nd")
			p.wantCommand(BindReceiver)
			p.close()
			stop()
			text := log.String()
			if !strings.Contains(text, "outbind refused") || strings.Contains(text, "0utb1n") || strings.Contains(text, "1234") {
				t.Errorf("log: %s", text)
			}
		})
	}
}

func TestOutbindUnderAFloodOfConnections(t *testing.T) {
	e, log, stop := startOutbind(t, handlerFuncs{}, func(c *BindConfig) { c.BindTimeout = time.Second })
	const n = 200
	ps := make([]*peer, n)
	for i := range ps {
		ps[i] = calls(t, e)
	}
	atOnce := 0
	for _, p := range ps {
		start := time.Now()
		p.wantHungUp()
		if time.Since(start) < 10*time.Millisecond {
			atOnce++
		}
	}
	if atOnce < n-2*maxOutbinds {
		t.Errorf("%d of %d were hung up on at once", atOnce, n)
	}
	p := calls(t, e)
	p.outbind("SMSC", "0utb1nd")
	p.wantCommand(BindReceiver)
	p.close()
	stop()
	if lines := strings.Count(log.String(), "outbind refused"); lines > quietBurst+10 {
		t.Errorf("%d lines in the log", lines)
	}
}

// A connection that no session waits for is not kept.
func TestOutbindWhileBound(t *testing.T) {
	e, _, stop := startOutbind(t, handlerFuncs{}, func(c *BindConfig) { c.BindTimeout = time.Second })
	defer stop()
	first := calls(t, e)
	first.outbind("SMSC", "0utb1nd")
	first.grant()
	second := calls(t, e)
	second.outbind("SMSC", "0utb1nd")
	second.wantHungUp()
	first.checkAlive()
	first.close()
}

func TestOutbindThatCannotListen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e := NewESME(BindConfig{Name: "b", SystemID: "s", Bind: Receiver, Outbind: OutbindConfig{Listen: l.Addr().String(), SystemID: "SMSC"}},
		slog.New(slog.DiscardHandler), handlerFuncs{})
	if err := e.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "outbind.listen") {
		t.Errorf("got %v", err)
	}
}
