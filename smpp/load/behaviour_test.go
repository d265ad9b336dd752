package load

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"starhash/configs/secret"
	"starhash/smpp"
)

// answer runs a load against an ESME that does with each deliver_sm what
// deliver does.
func answer(t *testing.T, cfg Config, deliver func(p *testESME, m smpp.PDU)) *Report {
	t.Helper()
	l := listen(t, cfg)
	wait := attach(t, l, func(p *testESME) { p.serve(func(m smpp.PDU) { deliver(p, m) }) })
	r, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wait()
	return r
}

// textOf is a message's text.
func textOf(m smpp.PDU) string { return string(m.Body.(*smpp.Message).Payload) }

// An ESME that acknowledges and forgets is found out, message by message.
func TestLost(t *testing.T) {
	for name, text := range map[string]string{"by order": "BAL {n}", "by token": "BAL {token}"} {
		t.Run(name, func(t *testing.T) {
			n := 0
			r := answer(t, Config{Messages: 100, Confirm: true, Text: text, Drain: 200 * time.Millisecond}, func(p *testESME, m smpp.PDU) {
				p.ack(m, smpp.StatusOK)
				if n++; n%10 != 0 {
					p.confirm(m)
				}
			})
			if r.Acked != 100 || r.Confirmed != 90 || r.Lost != 10 || r.Duplicated != 0 || r.Unanswered != 0 || r.OK() {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A confirmation too many is found out, also when it comes last of all.
func TestDuplicated(t *testing.T) {
	for name, text := range map[string]string{"by order": "BAL {n}", "by token": "BAL {token}"} {
		t.Run(name, func(t *testing.T) {
			n := 0
			r := answer(t, Config{Messages: 100, Confirm: true, Text: text}, func(p *testESME, m smpp.PDU) {
				p.ack(m, smpp.StatusOK)
				p.confirm(m)
				if n++; n%10 == 0 {
					if n == 100 {
						time.Sleep(100 * time.Millisecond) // all is confirmed by now
					}
					p.confirm(m)
				}
			})
			if r.Confirmed != 100 || r.Duplicated != 10 || r.Submits != 110 || r.Lost != 0 || r.Repeated != 0 || r.OK() {
				t.Errorf("%+v", r)
			}
		})
	}
}

// With a token a duplicate does not hide a loss of the same sender.
func TestTokenTellsMessagesApart(t *testing.T) {
	var first smpp.PDU
	r := answer(t, Config{Messages: 2, MSISDNs: 1, Confirm: true, Text: "BAL {token}", Drain: 200 * time.Millisecond}, func(p *testESME, m smpp.PDU) {
		if first.Body == nil {
			first = m
		}
		p.ack(m, smpp.StatusOK)
		p.confirm(first)
	})
	if r.Confirmed != 1 || r.Lost != 1 || r.Duplicated != 1 {
		t.Errorf("%+v", r)
	}
}

// A temporary refusal is tried again until it passes, a permanent one is not;
// neither is a loss.
func TestRefusals(t *testing.T) {
	tries := map[string]int{}
	r := answer(t, Config{Messages: 30, Text: "{n}", RetryAfter: 5 * time.Millisecond}, func(p *testESME, m smpp.PDU) {
		text := textOf(m)
		tries[text]++
		last := text[len(text)-1]
		switch {
		case last == '1' && tries[text] < 3:
			p.ack(m, smpp.StatusThrottled)
		case last == '2' && tries[text] < 2:
			p.ack(m, smpp.StatusTempAppErr)
		case last == '3':
			p.ack(m, smpp.StatusPermAppErr)
		default:
			p.ack(m, smpp.StatusOK)
		}
	})
	if r.Acked != 27 || r.Retried != 9 || r.Refused != 3 || r.Sent != 39 || !r.OK() ||
		r.Refusals["ESME_RTHROTTLED"] != 6 || r.Refusals["ESME_RX_T_APPN"] != 3 || r.Refusals["ESME_RX_P_APPN"] != 3 {
		t.Errorf("%+v", r)
	}
	for text, n := range tries {
		if want := map[byte]int{'1': 3, '2': 2}[text[len(text)-1]]; n != max(want, 1) {
			t.Errorf("message %s came %d times", text, n)
		}
	}
}

// The pause after a refusal is kept: an ESME with a full queue is not hammered.
func TestRetryAfter(t *testing.T) {
	const pause = 50 * time.Millisecond
	var refusedAt time.Time
	answer(t, Config{Messages: 1, RetryAfter: pause}, func(p *testESME, m smpp.PDU) {
		if refusedAt.IsZero() {
			refusedAt = time.Now()
			p.ack(m, smpp.StatusThrottled)
			return
		}
		if waited := time.Since(refusedAt); waited < pause {
			t.Errorf("tried again after %s", waited)
		}
		p.ack(m, smpp.StatusOK)
	})
}

// Silence and acknowledgements of what is not there are reported.
func TestUnansweredAndStray(t *testing.T) {
	r := answer(t, Config{Messages: 10, Text: "{n}", Drain: 100 * time.Millisecond}, func(p *testESME, m smpp.PDU) {
		switch textOf(m) {
		case "3":
		case "4":
			p.ack(m, smpp.StatusOK)
			p.ack(m, smpp.StatusOK)
		default:
			p.ack(m, smpp.StatusOK)
		}
	})
	if r.Acked != 9 || r.Unanswered != 1 || r.Strays != 1 || r.OK() {
		t.Errorf("%+v", r)
	}
}

// What a connection had not acknowledged when it ended comes again on the next
// one, and nothing else does.
func TestSentAgain(t *testing.T) {
	l := listen(t, Config{Messages: 20, Window: 20, Text: "{n}"})
	var acked, again []string
	wait := attach(t, l, func(p *testESME) {
		n := 0
		for n < 20 { // all of the window has come
			m, ok := p.next()
			if !ok {
				t.Error("the load hangs up")
				return
			}
			if n++; n%4 == 0 {
				p.ack(m, smpp.StatusOK)
				acked = append(acked, textOf(m))
			}
		}
		// The answer to this proves that the acknowledgements were read.
		p.send(smpp.PDU{Command: smpp.EnquireLink, Sequence: 77})
		if m, ok := p.next(); !ok || m.Command != smpp.EnquireLinkResp || m.Sequence != 77 {
			t.Errorf("enquire_link is answered with %v", m.Command)
		}
		p.conn.Close()
		second, _ := bind(t, l, smpp.BindReceiver, smpp.Bind{SystemID: "peer"})
		defer second.conn.Close()
		second.serve(func(m smpp.PDU) {
			again = append(again, textOf(m))
			second.ack(m, smpp.StatusOK)
		})
	})
	r, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wait()
	if r.Acked != 20 || r.Resent != 15 || r.Sent != 35 || r.LostSessions != 1 || r.Binds != 2 || r.Disconnects != 0 || !r.OK() {
		t.Errorf("%+v", r)
	}
	if len(again) != 15 || slices.ContainsFunc(again, func(s string) bool { return slices.Contains(acked, s) }) {
		t.Errorf("acknowledged: %v, came again: %v", acked, again)
	}
}

// Our own ESME loses nothing while its connections are cut at random.
func TestDisconnects(t *testing.T) {
	r := runSelf(t, Config{For: 1500 * time.Millisecond, Sessions: 2, Window: 100, Confirm: true, Text: "BAL {token}",
		DisconnectEvery: 60 * time.Millisecond, Seed: 1})
	if r.Disconnects < 5 || r.Resent == 0 || r.Acked != r.Messages || r.Confirmed != r.Messages || !r.OK() {
		t.Errorf("%+v", r)
	}
}

// An ESME that falls behind does not slow the schedule down: each message's
// latency counts from when it was due, also of those that could not be sent.
func TestOpenLoad(t *testing.T) {
	const stall = 400 * time.Millisecond
	stalled := false
	r := answer(t, Config{Rate: 100, For: 500 * time.Millisecond, Window: 1}, func(p *testESME, m smpp.PDU) {
		if !stalled {
			stalled = true
			time.Sleep(stall) // the ESME's own slowness
		}
		p.ack(m, smpp.StatusOK)
	})
	if r.Messages != 50 || r.Acked != 50 || r.Unsent != 0 {
		t.Errorf("%+v", r)
	}
	// 40 of 50 were due during the stall, evenly: half of all waited 150 ms and
	// more. A closed loop would show one slow message.
	if r.AckTime.P50 < 100 || r.AckTime.Max < 390 || r.SendTime.P50 < 100 {
		t.Errorf("the stall of %s is hidden: %+v", stall, r.AckTime)
	}
}

// The rate is kept: so many messages, neither earlier than the schedule has them
// nor much later.
func TestRate(t *testing.T) {
	for _, rate := range []float64{50, 3000, 20_000} {
		var mu sync.Mutex
		var arrived []time.Time
		r := answer(t, Config{Rate: rate, For: time.Second, Text: "{n}"}, func(p *testESME, m smpp.PDU) {
			mu.Lock()
			arrived = append(arrived, time.Now())
			mu.Unlock()
			p.ack(m, smpp.StatusOK)
		})
		if float64(r.Messages) != rate || r.Acked != r.Messages {
			t.Errorf("%g/s: %+v", rate, r)
		}
		took := arrived[len(arrived)-1].Sub(arrived[0])
		if low := time.Second - time.Duration(2e9/rate) - 50*time.Millisecond; took < low || took > 3*time.Second {
			t.Errorf("%g/s: from first to last in %s", rate, took)
		}
	}
}

// Who may bind, and what counts as a session to load.
func TestBind(t *testing.T) {
	l := listen(t, Config{Messages: 1, SystemID: "esme1", Password: secret.Copy([]byte("s3cret"))})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error)
	go func() {
		_, err := l.Run(ctx)
		ended <- err
	}()
	for _, c := range []struct {
		id, password string
		role         smpp.CommandID
		want         smpp.Status
	}{
		{"esme1", "s3cret", smpp.BindTransmitter, smpp.StatusOK},
		{"esme2", "s3cret", smpp.BindTransceiver, smpp.StatusInvSysID},
		{"esme1", "secret", smpp.BindReceiver, smpp.StatusInvPaswd},
	} {
		p, got := bind(t, l, c.role, smpp.Bind{SystemID: c.id, Password: secret.Copy([]byte(c.password))})
		defer p.conn.Close()
		if got != c.want {
			t.Errorf("%s %s: %s, want %s", c.role, c.id, got, c.want)
		}
	}
	stop()
	if err := <-ended; !errors.Is(err, ErrNobody) {
		t.Errorf("a transmitter alone is loaded: %v", err)
	}
}

// A receiver takes the messages, a transmitter of the same ESME confirms them.
func TestPair(t *testing.T) {
	l := listen(t, Config{Messages: 500, Confirm: true})
	messages := make(chan smpp.PDU, 500)
	transmitter := attachAs(t, l, smpp.BindTransmitter, func(p *testESME) {
		for m := range messages {
			p.confirm(m)
		}
		p.serve(func(m smpp.PDU) { t.Error("a transmitter is sent a message") })
	})
	receiver := attachAs(t, l, smpp.BindReceiver, func(p *testESME) {
		n := 0
		p.serve(func(m smpp.PDU) {
			p.ack(m, smpp.StatusOK)
			messages <- m
			if n++; n == 500 {
				close(messages)
			}
		})
	})
	r, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	receiver()
	transmitter()
	if r.Acked != 500 || r.Confirmed != 500 || !r.OK() {
		t.Errorf("%+v", r)
	}
}

// An interrupted load still says what has happened.
func TestInterrupted(t *testing.T) {
	l := listen(t, Config{For: time.Hour})
	ctx, stop := context.WithCancel(t.Context())
	wait := attach(t, l, func(p *testESME) {
		n := 0
		p.serve(func(m smpp.PDU) {
			p.ack(m, smpp.StatusOK)
			if n++; n == 100 {
				stop()
			}
		})
	})
	r, err := l.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	wait()
	if r.Acked < 100 || r.Acked != r.Messages || !r.OK() {
		t.Errorf("%+v", r)
	}
}

// Sequence numbers stay in range, and never repeat while the first may be
// answered.
func TestSequenceNumbers(t *testing.T) {
	s := session{slots: make([]slot, 3)}
	s.slots[1].turn = maxSequence/3 - 1
	for range 3 {
		n := s.next(1)
		if n < 1 || n > maxSequence || (n-1)%3 != 1 {
			t.Errorf("sequence number %d", n)
		}
	}
	if s.slots[1].turn != 2 {
		t.Errorf("did not begin again: turn %d", s.slots[1].turn)
	}
}

// With TLS too a cut loses nothing.
func TestTLS(t *testing.T) {
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	l := listen(t, Config{Rate: 1000, For: 300 * time.Millisecond, DisconnectEvery: 50 * time.Millisecond, Seed: 1,
		TLS: &tls.Config{Certificates: certified.TLS.Certificates}})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			p, status := bind(t, l, smpp.BindTransceiver, smpp.Bind{SystemID: "peer"})
			if status == smpp.StatusOK {
				p.serve(func(m smpp.PDU) { p.ack(m, smpp.StatusOK) })
			}
			p.conn.Close()
			if l.Progress().Acked == 300 {
				return
			}
		}
	}()
	r, err := l.Run(t.Context())
	stop()
	<-ended
	if err != nil {
		t.Fatal(err)
	}
	if r.Acked != 300 || r.Disconnects == 0 || !r.OK() {
		t.Errorf("%+v", r)
	}
}
