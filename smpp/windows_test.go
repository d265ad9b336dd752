package smpp

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bindAll grants n sessions, and returns their ends.
func (r *rig) bindAll(n int) []*peer {
	r.t.Helper()
	peers := make([]*peer, n)
	for i := range peers {
		peers[i] = r.accept()
		peers[i].grant()
		synctest.Wait() // bound before the next: submissions go to the first of equals
	}
	if err := r.esme.AwaitBound(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return peers
}

func TestWhoWaitsForAPlaceIsServedInOrderOrToldWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Window = 1 })
		p := r.bound()
		first := r.submit(mt("1", "0"))
		q := p.wantCommand(SubmitSM)
		var order []<-chan outcome
		for i := range 3 {
			order = append(order, r.submit(mt("1", fmt.Sprint(i+1))))
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp := make(chan error, 1)
		go func() {
			_, err := r.esme.Submit(ctx, mt("1", "gives up"))
			gaveUp <- err
		}()
		synctest.Wait()
		last := r.submit(mt("1", "last"))
		synctest.Wait()
		cancel()
		if err := <-gaveUp; !errors.Is(err, ErrNotSent) || !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up: %v", err)
		}
		for i := range 3 {
			p.write(PDU{Command: SubmitSMResp, Sequence: q.Sequence, Body: new(MessageResp)})
			q = p.wantCommand(SubmitSM)
			if text := string(q.Body.(*Message).Payload); text != fmt.Sprint(i+1) {
				t.Errorf("number %d in the queue was %q", i+1, text)
			}
		}
		p.close()
		if o := <-last; !errors.Is(o.err, ErrNotSent) || errors.Is(o.err, ErrOutcomeUnknown) {
			t.Errorf("who still waited when the session went: %v", o.err)
		}
		for i, c := range append(order, first) {
			if o := <-c; (o.err == nil) != (i != 2) {
				t.Errorf("%d: %v", i, o.err)
			}
		}
	})
}

func TestThroughput(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Throughput = 50; c.Sessions = 2 })
		for _, p := range r.bindAll(2) {
			go answerAll(p, nil)
		}
		var sent atomic.Int64
		for range 20 {
			go func() {
				for {
					if _, err := r.esme.Submit(t.Context(), mt("1", "a")); err != nil {
						return
					}
					sent.Add(1)
				}
			}()
		}
		time.Sleep(10 * time.Second)
		if n := sent.Load(); n < 490 || n > 505 {
			t.Errorf("%d in 10 s at 50 a second", n)
		}
		if rate := r.esme.Stats().Rate; rate != 50 {
			t.Errorf("rate %v", rate)
		}
		r.stop()
		<-r.ended
	})
}

// answerAll answers what an SMSC is asked; busy names the status of submit_sm.
func answerAll(p *peer, busy func() Status) {
	for {
		frame, err := ReadFrame(p.r, DefaultMaxPDU)
		if err != nil {
			return
		}
		q, err := Decode(frame)
		if err != nil || q.Command.IsResponse() {
			continue
		}
		a := PDU{Command: q.Command.Response(), Sequence: q.Sequence}
		if q.Command == SubmitSM && busy != nil {
			a.Status = busy()
		}
		b, err := Append(nil, a)
		if err != nil {
			return
		}
		if _, err := p.conn.Write(b); err != nil {
			return
		}
	}
}

// TestThrottlingSlowsDownAndComesBack: an SMSC that takes 100 a second, and an
// ESME that begins with 400.
func TestThrottlingSlowsDownAndComesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Throughput = 400 })
		p := r.bound()
		var limit atomic.Int64
		limit.Store(100)
		var second time.Time
		n := int64(0)
		go answerAll(p, func() Status {
			if time.Since(second) >= time.Second {
				second, n = time.Now(), 0
			}
			if n++; n > limit.Load() {
				return StatusThrottled
			}
			return StatusOK
		})
		var taken, refused atomic.Int64
		for range 50 {
			go func() {
				for {
					_, err := r.esme.Submit(t.Context(), mt("1", "a"))
					var se *StatusError
					switch {
					case err == nil:
						taken.Add(1)
					case errors.As(err, &se) && se.Temporary():
						refused.Add(1)
					default:
						return
					}
				}
			}()
		}
		time.Sleep(20 * time.Second)
		if got := taken.Load(); got < 1400 || got > 2100 {
			t.Errorf("%d taken in 20 s by an SMSC that takes 2,000", got)
		}
		if got := refused.Load(); got > taken.Load() {
			t.Errorf("%d refused, more than the %d that were taken: it does not slow down", got, taken.Load())
		}
		limit.Store(1_000_000) // the SMSC has recovered
		time.Sleep(10 * time.Second)
		if rate := r.esme.Stats().Rate; rate != 400 {
			t.Errorf("rate %v ten seconds after the last refusal, want the 400 of before", rate)
		}
		before := taken.Load()
		time.Sleep(time.Second)
		if n := taken.Load() - before; n < 390 {
			t.Errorf("%d a second after recovery, want 400", n)
		}
		r.stop()
		<-r.ended
	})
}

// TestStrayThrottlingCostsLittle: an SMSC that refuses one in fifty for reasons of
// its own, a full queue of one phone say.
func TestStrayThrottlingCostsLittle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Throughput = 400 })
		p := r.bound()
		n := 0
		go answerAll(p, func() Status {
			if n++; n%50 == 0 {
				return StatusMsgQFul
			}
			return StatusOK
		})
		var sent atomic.Int64
		for range 20 {
			go func() {
				for {
					_, err := r.esme.Submit(t.Context(), mt("1", "a"))
					if errors.Is(err, ErrNotSent) {
						return
					}
					sent.Add(1)
				}
			}()
		}
		time.Sleep(20 * time.Second)
		if got := sent.Load(); got < 6800 {
			t.Errorf("%d in 20 s, want most of the 8,000 that the throughput allows", got)
		}
		r.stop()
		<-r.ended
	})
}

func TestThrottlingWithoutALimitEndsWithoutOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		p := r.bound()
		var busy atomic.Bool
		busy.Store(true)
		go answerAll(p, func() Status {
			if busy.Load() {
				return StatusMsgQFul
			}
			return StatusOK
		})
		for range 100 {
			if _, err := r.esme.Submit(t.Context(), mt("1", "a")); err == nil {
				t.Fatal("taken by a full queue")
			}
		}
		if rate := r.esme.Stats().Rate; rate == 0 || rate > 100 {
			t.Errorf("rate %v under ESME_RMSGQFUL", rate)
		}
		busy.Store(false)
		time.Sleep(10 * time.Second)
		if rate := r.esme.Stats().Rate; rate != 0 {
			t.Errorf("rate %v ten seconds later, want no limit", rate)
		}
		r.stop()
		<-r.ended
	})
}

func TestStatusErrorTemporary(t *testing.T) {
	for status, want := range map[Status]bool{
		StatusThrottled: true, StatusMsgQFul: true, StatusSysErr: true, StatusTempAppErr: true, StatusSubmitFail: true,
		StatusInvDstAdr: false, StatusPermAppErr: false, StatusInvMsgLen: false, StatusUnknownErr: false, 0x400: false,
	} {
		if got := (&StatusError{Command: SubmitSMResp, Status: status}).Temporary(); got != want {
			t.Errorf("%s: temporary %v", status, got)
		}
	}
}
