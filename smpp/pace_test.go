package smpp

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// leave waits for n moments to leave, one after the other.
func leave(t *testing.T, p *pace, n int) {
	t.Helper()
	for range n {
		if err := p.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPaceKeepsItsRate(t *testing.T) {
	for _, tc := range []struct {
		limit, n  int
		low, high time.Duration
	}{
		{1, 11, 9950 * time.Millisecond, 10 * time.Second},
		{10, 101, 9950 * time.Millisecond, 10 * time.Second},
		{100, 1001, 9950 * time.Millisecond, 10 * time.Second},
		{1000, 10_001, 9950 * time.Millisecond, 10 * time.Second},
		{0, 100_000, 0, 0},
	} {
		bubble(t, func(t *testing.T) {
			p := newPace(tc.limit)
			elapsed(t, tc.low, tc.high, func() { leave(t, p, tc.n) })
		})
	}
}

func TestPaceLetsTheFirstAfterAPauseLeaveAtOnce(t *testing.T) {
	for _, limit := range []int{1, 5, 20, 1000} {
		bubble(t, func(t *testing.T) {
			p := newPace(limit)
			for range 3 {
				elapsed(t, 0, 0, func() { leave(t, p, 1) })
				time.Sleep(time.Minute)
			}
		})
	}
}

// What was given up while it waited has not left, and costs the others nothing.
func TestPaceForgetsWhoeverGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPace(10)
		leave(t, p, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
		defer cancel()
		given := make(chan error, 1000)
		for range cap(given) {
			go func() { given <- p.wait(ctx) }()
		}
		for range cap(given) {
			if err := <-given; !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("got %v, want the context's end", err)
			}
		}
		elapsed(t, 0, 100*time.Millisecond, func() { leave(t, p, 1) })
	})
}

func TestPaceFallsAndComesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPace(1000)
		p.throttled()
		if r := p.current(); r != 500 {
			t.Errorf("rate %v after ESME_RTHROTTLED, want 500", r)
		}
		p.throttled() // the answers to what had left already
		if r := p.current(); r != 500 {
			t.Errorf("rate %v, halved twice at once", r)
		}
		time.Sleep(time.Second)
		if r := p.current(); r != 600 {
			t.Errorf("rate %v after a second, want 600", r)
		}
		p.throttled()
		if r := p.current(); r != 300 {
			t.Errorf("rate %v, want 300", r)
		}
		time.Sleep(6900 * time.Millisecond)
		if r := p.current(); r < 980 || r > 991 {
			t.Errorf("rate %v just before the end", r)
		}
		time.Sleep(200 * time.Millisecond)
		if r := p.current(); r != 1000 {
			t.Errorf("rate %v, not back at 1000", r)
		}
	})
}

// Without a limit the pace falls from what was sent, and the limit goes again.
func TestPaceWithoutALimitFallsFromWhatWasSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPace(0)
		for range 200 {
			leave(t, p, 1)
			time.Sleep(10 * time.Millisecond) // 100 a second
		}
		p.throttled()
		if r := p.current(); r < 45 || r > 55 {
			t.Errorf("rate %v, want about 50", r)
		}
		time.Sleep(5100 * time.Millisecond)
		if r := p.current(); r != 0 {
			t.Errorf("rate %v, want none", r)
		}
	})
}

func TestPaceNeverStandsStill(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPace(100)
		for range 50 {
			p.throttled()
			time.Sleep(paceHold)
		}
		if r := p.current(); r < minRate {
			t.Errorf("rate %v", r)
		}
	})
}

// Whoever began to wait at a low rate gets the benefit when it rises.
func TestPaceThatComesBackTakesTheWaitingAlong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPace(1000)
		for range 12 { // down to a few a second
			p.throttled()
			time.Sleep(paceHold)
		}
		low := p.current()
		const n = 5000
		left := make(chan error, n)
		for range n {
			go func() { left <- p.wait(t.Context()) }()
		}
		synctest.Wait()
		elapsed(t, time.Second, 20*time.Second, func() {
			for range n {
				<-left
			}
		})
		if low > 400 {
			t.Errorf("the rate fell to %v only", low)
		}
	})
}

// Those who waited for a place in the window do not make up for it all at once.
func TestThroughputHoldsAfterAStall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Window, c.Throughput, c.ResponseTimeout = 10, 100, time.Minute })
		p := r.bound()
		defer p.close()
		const n = 500
		var all []<-chan outcome
		for range n {
			all = append(all, r.submit(mt("1", "x")))
		}
		var held []PDU
		for range 10 {
			held = append(held, p.wantCommand(SubmitSM))
		}
		time.Sleep(20 * time.Second) // of silence
		start := time.Now()
		go func() {
			for _, q := range held {
				p.write(PDU{Command: SubmitSMResp, Sequence: q.Sequence, Body: new(MessageResp)})
			}
		}()
		for range n - len(held) {
			p.answerSubmit("m")
		}
		if d := time.Since(start); d < 4800*time.Millisecond || d > 5*time.Second {
			t.Errorf("%d left in %s at 100 a second", n-len(held), d)
		}
		for _, c := range all {
			if o := <-c; o.err != nil {
				t.Error(o.err)
			}
		}
	})
}

// A place on a session that is lost meanwhile is changed for one on another.
func TestWaitingForTheirMomentOutlivesASession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Sessions, c.Throughput = 2, 1 })
		ps := r.bindAll(2)
		defer ps[1].close()
		for _, p := range ps {
			go func() {
				for {
					frame, err := ReadFrame(p.r, DefaultMaxPDU)
					if err != nil {
						return
					}
					if q, err := Decode(frame); err == nil && q.Command == SubmitSM {
						frame, _ = Append(nil, PDU{Command: SubmitSMResp, Sequence: q.Sequence, Body: &MessageResp{MessageID: "m"}})
						p.conn.Write(frame)
					}
				}
			}()
		}
		var all []<-chan outcome
		for range 6 {
			all = append(all, r.submit(mt("1", "x")))
		}
		time.Sleep(1500 * time.Millisecond)
		ps[0].close()
		for _, c := range all {
			if o := <-c; o.err != nil && !errors.Is(o.err, ErrOutcomeUnknown) {
				t.Errorf("got %v, while another session is up", o.err)
			}
		}
	})
}
