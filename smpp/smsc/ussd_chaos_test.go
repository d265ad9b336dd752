package smsc

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"starhash/smpp"
	"starhash/smpp/dialect"
)

// repeats is an application that answers what was entered by saying it, and ends a
// session when told to.
type repeats struct{ d *dialect.Dialect }

func (repeats) Alert(context.Context, string, *smpp.AlertNotification) {}

func (a repeats) Deliver(ctx context.Context, d *smpp.Delivery) {
	m, err := a.d.Delivered(d.Message)
	d.Ack(smpp.StatusOK)
	if err != nil || m.Kind != dialect.Begin && m.Kind != dialect.Reply {
		return
	}
	m.Kind = dialect.Ask
	if strings.HasPrefix(string(m.Text), "end") {
		m.Kind = dialect.End
	}
	m.Text = append([]byte("you said "), m.Text...)
	if command, sm, err := a.d.Submit(m); err == nil {
		_, _ = d.Bind.Send(ctx, command, sm) // refused, or lost: the network's timers are there for it
	}
}

// Under chaos every session ends: with its last screen or by the network, whatever came
// twice, late or never, and nothing is left open.
func TestUSSDUnderChaos(t *testing.T) {
	t.Parallel()
	f := Chaos()
	f.LateBy = ms(300)
	for _, k := range []fault{noResp, lateResp, duplicateMO, ussdReplyTwice, ussdSameSequence, ussdGarbage, ussdLost} {
		*faultTable[k].count(&f) = Percent(2)
	}
	r := start(t, func(c *Config) {
		c.Faults, c.ResponseTimeout, c.USSDAnswer, c.USSDIdle = f, 300*time.Millisecond, 500*time.Millisecond, 2*time.Second
	})
	d, _ := dialects().Get("plain")
	cfg := smpp.BindConfig{Name: "chaos", Address: r.Addr(), SystemID: systemID, Password: secretOf(password), Sessions: 2,
		ReconnectMin: 10 * time.Millisecond, ReconnectMax: 50 * time.Millisecond, ResponseTimeout: 500 * time.Millisecond}
	e := smpp.NewESME(cfg, discard(), repeats{d})
	ctx, cancel := context.WithCancel(context.Background())
	var app sync.WaitGroup
	app.Go(func() { e.Run(ctx) })
	defer app.Wait()
	defer cancel()
	if err := e.AwaitBound(ctx); err != nil {
		t.Fatal(err)
	}
	var good, lost atomic.Int64
	var phones sync.WaitGroup
	for i := range 100 {
		phones.Go(func() {
			from := fmt.Sprintf("26377%07d", i)
			for n := range 3 {
				if walkChaos(t, r, from, n) {
					good.Add(1)
				} else {
					lost.Add(1)
				}
			}
		})
	}
	phones.Wait()
	t.Logf("%d sessions to their end, %d lost", good.Load(), lost.Load())
	if good.Load() < 100 || lost.Load() == 0 {
		t.Errorf("%d sessions to their end, %d lost", good.Load(), lost.Load())
	}
	r.until(func() bool { return r.ussd.count() == 0 })
}

// walkChaos says whether a session came to its last screen.
func walkChaos(t *testing.T, r *rig, from string, n int) bool {
	// The answer to what came twice counts as the answer to what came behind it: a screen
	// may be one step late, so the end is asked for until it is there.
	end := fmt.Sprint("end ", n)
	for _, text := range []string{"*700#", fmt.Sprint("one ", n), end, end, end, end} {
		sc, err := r.SMSC.Enter(t.Context(), from, USSD{Text: text, Wait: Duration(patience)})
		switch {
		case err != nil:
			t.Errorf("%s: %v behind %q", from, err, text)
			return false
		case sc.Kind == "":
			t.Errorf("%s: nothing behind %q", from, text)
			return false
		case sc.Kind == screenAbort:
			return false
		case !strings.HasPrefix(sc.Text, "you said "):
			t.Errorf("%s: %q behind %q", from, sc.Text, text)
		}
		if !sc.Open {
			return true
		}
	}
	t.Errorf("%s: a session without an end", from)
	return false
}
