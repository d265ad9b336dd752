package smpp

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOverloadNamesTheStatus(t *testing.T) {
	for setting, status := range map[string]Status{"throttled": StatusThrottled, "temporary": StatusTempAppErr} {
		t.Run(setting, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				taken, h := collect()
				r := newRig(t, h, func(c *BindConfig) { c.InboundQueue, c.Overload, c.AnswerWithin = 1, setting, 3*time.Second })
				p := r.bound()
				defer p.close()
				p.deliver(1, "1", "first")
				d := <-taken
				p.deliver(2, "1", "one too many")
				p.want(DeliverSMResp, 2, status)
				// The first is late after three seconds, whatever the application does.
				elapsed(t, 3*time.Second, 3*time.Second, func() { p.want(DeliverSMResp, 1, status) })
				d.Ack(StatusOK)
				p.checkAlive() // and nothing more came of it
				if s := r.esme.Stats(); s.Received != 2 || s.Overloaded != 2 || s.Acknowledged != 0 {
					t.Errorf("Stats %+v", s)
				}
			})
		})
	}
}

// TestLateMessagesAreAnsweredEachAtItsTime has one that is late between others
// that are not.
func TestLateMessagesAreAnsweredEachAtItsTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		taken, h := collect()
		r := newRig(t, h, func(c *BindConfig) { c.AnswerWithin = 4 * time.Second })
		p := r.bound()
		defer p.close()
		start := time.Now()
		ds := map[string]*Delivery{}
		for i, text := range []string{"late 1", "quick", "late 2"} {
			p.deliver(uint32(i+1), "26377"+text, text)
			d := <-taken
			ds[text] = d
			if want := time.Now().Add(4 * time.Second); !d.Deadline().Equal(want) {
				t.Errorf("%s: deadline %s, want %s", text, d.Deadline(), want)
			}
			time.Sleep(time.Second)
		}
		ds["quick"].Ack(StatusOK)
		p.want(DeliverSMResp, 2, StatusOK)
		p.want(DeliverSMResp, 1, StatusThrottled)
		if at := time.Since(start); at != 4*time.Second {
			t.Errorf("the first late one after %s", at)
		}
		p.want(DeliverSMResp, 3, StatusThrottled)
		if at := time.Since(start); at != 6*time.Second {
			t.Errorf("the second late one after %s", at)
		}
	})
}

// TestHungApplicationNeverMeansSilence: every worker hangs, and still every
// message is answered and the link is kept.
func TestHungApplicationNeverMeansSilence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{deliver: func(ctx context.Context, d *Delivery) { <-ctx.Done() }},
			func(c *BindConfig) { c.InboundQueue = 50 })
		p := r.bound()
		defer p.close()
		for i := range 200 {
			p.deliver(uint32(i+1), "2637710000"+string(rune('a'+i%26)), "x")
		}
		answered := map[uint32]bool{}
		for range 200 {
			a := p.wantCommand(DeliverSMResp)
			if a.Status != StatusThrottled || answered[a.Sequence] {
				t.Fatalf("%d: %s, answered before: %v", a.Sequence, a.Status, answered[a.Sequence])
			}
			answered[a.Sequence] = true
		}
		p.checkAlive()
		synctest.Wait()
		if s := r.esme.Stats(); s.Waiting > 50 {
			t.Errorf("%d messages wait in memory, the queue has 50", s.Waiting)
		}
	})
}

func TestRubbishDoesNotFillTheLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		p := r.bound()
		defer p.close()
		for i := range 5000 {
			p.writeRaw(header(CommandID(0x00010BAD), 0, uint32(i+1)))
			p.want(GenericNack, uint32(i+1), StatusInvCmdID)
		}
		if n := strings.Count(r.log.String(), "malformed PDU"); n == 0 || n > quietBurst {
			t.Errorf("%d lines for 5,000 malformed PDUs", n)
		}
		time.Sleep(3 * time.Second)
		p.writeRaw(header(CommandID(0x00010BAD), 0, 9000))
		p.want(GenericNack, 9000, StatusInvCmdID)
		synctest.Wait()
		if !strings.Contains(r.log.String(), "not_logged_before=4980") {
			t.Error("the log does not say how many lines it left out")
		}
		if s := r.esme.Stats(); s.Malformed != 5001 {
			t.Errorf("%d malformed counted", s.Malformed)
		}
	})
}
