package smsc

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"starhash/smpp"
)

// Our own ESME bears every fault of one message: the message arrives, and the bind is
// up again in the end.
func TestOurESMEBears(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.ResponseTimeout = time.Second })
	a := &app{seen: make(map[string]int)}
	e := r.esme(t, a, func(c *smpp.BindConfig) { c.ResponseTimeout = time.Second })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for k := dropAfterMO; k < faultCount; k++ {
		text := fmt.Sprintf("fault %d", faultTable[k].magic)
		res := r.mo(MO{From: magic(faultTable[k].magic), Text: text}).result()
		if !res.OK() {
			t.Errorf("%s: %+v", text, res)
		}
		if err := e.AwaitBound(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []fault{lateResp, duplicateResp, dropAfterResp, receiptFirst, duplicateReceipt, intermediate, bareReceipt, genericNack, queueFull, throttle} {
		r.setFaults(Faults{LateBy: ms(50)})
		for accepted := false; !accepted; {
			if err := e.AwaitBound(ctx); err != nil {
				t.Fatal(err)
			}
			_, err := e.Submit(ctx, mtTo(magic(faultTable[k].magic)))
			accepted = err == nil || k <= genericNack && k >= throttle
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for k := dropAfterMO; k < faultCount; k++ {
		if text := fmt.Sprintf("fault %d", faultTable[k].magic); k != longPayload && a.seen[text] == 0 {
			t.Errorf("%s did not arrive", text)
		}
	}
}

// TLS with a client certificate, and three sessions of one bind that share the messages.
func TestOurESMEOverTLS(t *testing.T) {
	cert, key, _, _ := certificate(t, "smsc")
	clientCert, clientKey, _, _ := certificate(t, "esme")
	r := start(t, func(c *Config) {
		c.TLS = TLS{CertFile: cert, KeyFile: key, ClientCAFile: clientCert}
		c.MessageIDs, c.ReceiptIDs = "hex", "decimal"
	})
	a := &app{seen: make(map[string]int)}
	e := r.esme(t, a, func(c *smpp.BindConfig) {
		c.Sessions = 3
		c.TLS = smpp.TLSConfig{Enabled: true, CAFile: cert, CertFile: clientCert, KeyFile: clientKey, ServerName: "smsc"}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := e.AwaitBound(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 9 {
		r.waiting(3)
		if res := r.mo(MO{Text: fmt.Sprint(i)}).result(); !res.OK() {
			t.Errorf("%+v", res)
		}
	}
	if _, err := e.Submit(ctx, mt("x")); err != nil {
		t.Error(err)
	}
	r.until(func() bool { return r.delivered() == 10 }) // and a receipt
	for _, b := range r.binds() {
		if b.Delivered < 3 {
			t.Errorf("not in turn: %+v", r.binds())
		}
	}
}

// delivered counts what all binds have acknowledged.
func (r *rig) delivered() (n uint64) {
	for _, b := range r.binds() {
		n += b.Delivered
	}
	return n
}

// The simulator calls our own ESME, and serves its bind on that connection.
func TestOurESMEByOutbind(t *testing.T) {
	r := start(t)
	free := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	address := free.Addr().String()
	free.Close()
	a := &app{seen: make(map[string]int)}
	e := r.esme(t, a, func(c *smpp.BindConfig) {
		c.Address, c.Bind = "", smpp.Receiver
		c.Outbind = smpp.OutbindConfig{Listen: address, SystemID: systemID, Password: secretOf(password)}
	})
	r.until(func() bool { return r.Outbind(t.Context(), address) == nil })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := e.AwaitBound(ctx); err != nil {
		t.Fatal(err)
	}
	res := r.mo(MO{Text: "BAL"}).result()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !res.OK() || a.seen["BAL"] != 1 {
		t.Errorf("%+v %v", res, a.seen)
	}
}

// A limit of the SMSC's on messages a second: all get through in the end.
func TestOurESMEUnderThroughput(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.setFaults(Faults{Throughput: 200})
	e := r.esme(t, &app{seen: make(map[string]int)}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := e.AwaitBound(ctx); err != nil {
		t.Fatal(err)
	}
	for begin, n := time.Now(), 0; n < 60; {
		if _, err := e.Submit(ctx, mt2("263771000002")); err == nil {
			n++
		} else if ctx.Err() != nil {
			t.Fatal(err)
		}
		if n == 60 && time.Since(begin) < 100*time.Millisecond {
			t.Errorf("60 messages at 200 a second took %v", time.Since(begin))
		}
	}
}
