package smpp

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// answerSubmit reads a submit_sm and answers it.
func (p *peer) answerSubmit(id string) PDU {
	p.t.Helper()
	q := p.wantCommand(SubmitSM)
	p.write(PDU{Command: SubmitSMResp, Sequence: q.Sequence, Body: &MessageResp{MessageID: id}})
	return q
}

func TestSubmit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) {
			c.SourceTON, c.SourceNPI, c.RequestReceipts = 5, 9, true
		})
		p := r.bound()
		defer p.close()
		m := mt("263772", "you have sent 5.00")
		got := r.submit(m)
		q := p.answerSubmit("id-1").Body.(*Message)
		if o := <-got; o.id != "id-1" || o.err != nil {
			t.Errorf("Submit: %q, %v", o.id, o.err)
		}
		if string(q.Payload) != "you have sent 5.00" || q.Source != (Address{5, 9, "7001"}) || q.RegisteredDelivery != 1 {
			t.Errorf("on the wire: %v %v %d", q, q.Source, q.RegisteredDelivery)
		}
		if m.Source.TON != 0 || m.RegisteredDelivery != 0 {
			t.Error("Submit changed the caller's message")
		}
	})
}

func TestSubmitBlocksOnAFullWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Window = 2 })
		p := r.bound()
		defer p.close()
		first := r.submit(mt("1", "one"))
		a := p.wantCommand(SubmitSM)
		second := r.submit(mt("1", "two"))
		b := p.wantCommand(SubmitSM)
		third := r.submit(mt("1", "three"))
		pending(t, third, "third submission")
		p.checkAlive() // the third is not on the wire either

		// Answers in another order than the requests'.
		p.write(PDU{Command: SubmitSMResp, Sequence: b.Sequence, Body: &MessageResp{MessageID: "b"}})
		if o := <-second; o.id != "b" {
			t.Errorf("second: %+v", o)
		}
		p.answerSubmit("c")
		if o := <-third; o.id != "c" {
			t.Errorf("third: %+v", o)
		}
		p.write(PDU{Command: SubmitSMResp, Sequence: a.Sequence, Body: &MessageResp{MessageID: "a"}})
		if o := <-first; o.id != "a" {
			t.Errorf("first: %+v", o)
		}
	})
}

func TestSubmitOnAFullWindowEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Window = 1 })
		p := r.bound()
		defer p.close()
		r.submit(mt("1", "one"))
		p.wantCommand(SubmitSM)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.esme.Submit(ctx, mt("1", "two")); !errors.Is(err, ErrNotSent) || errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("got %v, want ErrNotSent", err)
		}
	})
}

func TestResponsesAreMatchedByOperationAndNumber(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		p := r.bound()
		defer p.close()
		got := r.submit(mt("1", "one"))
		n := p.wantCommand(SubmitSM).Sequence

		// The SMSC's own requests use the same number as ours that waits.
		p.deliver(n, "263771", "hello")
		p.want(DeliverSMResp, n, StatusOK)
		p.write(PDU{Command: EnquireLink, Sequence: n})
		p.want(EnquireLinkResp, n, StatusOK)
		// Responses to something else, or to another number, are not ours.
		p.write(PDU{Command: EnquireLinkResp, Sequence: n})
		p.write(PDU{Command: DataSMResp, Sequence: n, Body: &MessageResp{MessageID: "no"}})
		p.write(PDU{Command: SubmitSMResp, Sequence: n + 1, Body: &MessageResp{MessageID: "no"}})
		p.write(PDU{Command: GenericNack, Status: StatusInvCmdID, Sequence: 0})
		pending(t, got, "the submission")

		p.write(PDU{Command: SubmitSMResp, Sequence: n, Body: &MessageResp{MessageID: "yes"}})
		if o := <-got; o.id != "yes" || o.err != nil {
			t.Errorf("got %+v", o)
		}
	})
}

func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		answer PDU
		raw    []byte
		want   StatusError
	}{
		"throttled":             {answer: PDU{Command: SubmitSMResp, Status: StatusThrottled}, want: StatusError{SubmitSMResp, StatusThrottled}},
		"generic_nack":          {answer: PDU{Command: GenericNack, Status: StatusInvCmdID}, want: StatusError{GenericNack, StatusInvCmdID}},
		"generic_nack saying 0": {answer: PDU{Command: GenericNack}, want: StatusError{GenericNack, StatusUnknownErr}},
		"undecodable refusal":   {raw: append(header(SubmitSMResp, StatusMsgQFul, 0), 'x'), want: StatusError{SubmitSMResp, StatusMsgQFul}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, handlerFuncs{}, nil)
				p := r.bound()
				defer p.close()
				got := r.submit(mt("1", "one"))
				q := p.wantCommand(SubmitSM)
				if tc.raw != nil {
					tc.raw[3] = byte(len(tc.raw))
					binary.BigEndian.PutUint32(tc.raw[12:], q.Sequence)
					p.writeRaw(tc.raw)
				} else {
					tc.answer.Sequence = q.Sequence
					p.write(tc.answer)
				}
				o := <-got
				var se *StatusError
				if !errors.As(o.err, &se) || *se != tc.want {
					t.Errorf("got %v, want %v", o.err, &tc.want)
				}
				if errors.Is(o.err, ErrNotSent) || errors.Is(o.err, ErrOutcomeUnknown) {
					t.Errorf("%v says more than one thing", o.err)
				}
				p.checkAlive()
			})
		})
	}
}

func TestResponseTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Window = 1 })
		p := r.bound()
		defer p.close()
		got := r.submit(mt("1", "one"))
		q := p.wantCommand(SubmitSM)
		elapsed(t, 10*time.Second, 10*time.Second, func() {
			if o := <-got; !errors.Is(o.err, ErrOutcomeUnknown) || errors.Is(o.err, ErrNotSent) {
				t.Errorf("got %v, want ErrOutcomeUnknown", o.err)
			}
		})
		// The late answer is recorded, and is nobody else's.
		next := r.submit(mt("1", "two"))
		q2 := p.wantCommand(SubmitSM)
		if q2.Sequence == q.Sequence {
			t.Error("the number is used again at once")
		}
		p.write(PDU{Command: SubmitSMResp, Sequence: q.Sequence, Body: &MessageResp{MessageID: "late-7"}})
		pending(t, next, "the next submission")
		if !strings.Contains(r.log.String(), "late-7") {
			t.Error("the late answer is not in the log")
		}
	})
}

func TestDropMidSubmitLeavesTheOutcomeUnknown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		p := r.bound()
		got := r.submit(mt("1", "one"))
		p.wantCommand(SubmitSM)
		p.close()
		if o := <-got; !errors.Is(o.err, ErrOutcomeUnknown) || errors.Is(o.err, ErrNotSent) {
			t.Errorf("got %v, want ErrOutcomeUnknown", o.err)
		}
	})
}

func TestWhatWasNeverWrittenIsNotSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		if _, err := r.esme.Submit(t.Context(), mt("1", "zero")); !errors.Is(err, ErrNotSent) {
			t.Errorf("unbound: got %v, want ErrNotSent", err)
		}
		p := r.bound()
		// Half of the first is read: it is out; the second waits behind it.
		first := r.submit(mt("1", "one"))
		if _, err := io.ReadFull(p.conn, make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
		second := r.submit(mt("1", "two"))
		synctest.Wait()
		p.close()
		if o := <-first; !errors.Is(o.err, ErrOutcomeUnknown) || errors.Is(o.err, ErrNotSent) {
			t.Errorf("first: got %v, want ErrOutcomeUnknown", o.err)
		}
		if o := <-second; !errors.Is(o.err, ErrNotSent) || errors.Is(o.err, ErrOutcomeUnknown) {
			t.Errorf("second: got %v, want ErrNotSent", o.err)
		}
	})
}

func TestCancelledBeforeItIsWrittenNeverLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		p := r.bound()
		defer p.close()
		first := r.submit(mt("1", "one"))
		synctest.Wait() // the writer is in its write
		ctx, cancel := context.WithCancel(t.Context())
		second := make(chan error, 1)
		go func() {
			_, err := r.esme.Submit(ctx, mt("1", "two"))
			second <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-second; !errors.Is(err, ErrNotSent) {
			t.Errorf("got %v, want ErrNotSent", err)
		}
		if got := p.answerSubmit("a").Body.(*Message); string(got.Payload) != "one" {
			t.Errorf("first on the wire: %v", got)
		}
		<-first
		p.checkAlive() // and not the second
	})
}

func TestAResponseToWhatIsNotWrittenYetIsNobodys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		p := r.bound()
		defer p.close()
		first := r.submit(mt("1", "one"))
		synctest.Wait() // the writer is in its write
		second := r.submit(mt("1", "two"))
		synctest.Wait()
		s := r.session()
		s.mu.Lock()
		guess := s.sequence
		s.mu.Unlock()
		p.write(PDU{Command: SubmitSMResp, Sequence: guess, Body: &MessageResp{MessageID: "guessed"}})
		pending(t, second, "the second submission")
		p.answerSubmit("a")
		p.answerSubmit("b")
		if a, b := <-first, <-second; a.id != "a" || b.id != "b" {
			t.Errorf("got %+v and %+v", a, b)
		}
	})
}

func TestUnencodableMessageIsSaidToBeSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		p := r.bound()
		defer p.close()
		_, err := r.esme.Submit(t.Context(), mt(strings.Repeat("9", 21), "x"))
		if !errors.Is(err, ErrNotSent) || !errors.Is(err, ErrUnencodable) {
			t.Errorf("got %v, want ErrNotSent and ErrUnencodable", err)
		}
		p.checkAlive()
	})
}

func TestSequenceNumbersWrapAndAvoidTheWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, nil)
		p := r.bound()
		defer p.close()
		s := r.session()
		s.mu.Lock()
		s.sequence = maxSequence - 1
		s.mu.Unlock()
		for _, want := range []uint32{maxSequence, 1, 2} {
			r.submit(mt("1", "x"))
			if q := p.wantCommand(SubmitSM); q.Sequence != want {
				t.Errorf("number %d, want %d", q.Sequence, want)
			}
		}
		s.mu.Lock()
		s.sequence = maxSequence
		s.mu.Unlock()
		r.submit(mt("1", "x"))
		if q := p.wantCommand(SubmitSM); q.Sequence != 3 {
			t.Errorf("number %d, want 3: 1 and 2 wait for their answers", q.Sequence)
		}
	})
}

func TestPairSubmitsOnItsTransmitterAndTakesOnItsReceiver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Bind = Pair })
		byRole := make(map[CommandID]*peer)
		for range 2 {
			p := r.accept()
			defer p.close()
			byRole[p.grant()] = p
		}
		synctest.Wait()
		tx, rx := byRole[BindTransmitter], byRole[BindReceiver]
		got := r.submit(mt("1", "one"))
		tx.answerSubmit("t1")
		if o := <-got; o.id != "t1" {
			t.Errorf("got %+v", o)
		}
		rx.deliver(4, "263771", "hello")
		rx.want(DeliverSMResp, 4, StatusOK)
		tx.deliver(5, "263771", "hello")
		tx.want(DeliverSMResp, 5, StatusInvBndSts)
		rx.close()
		synctest.Wait()
		if r.esme.Bound() {
			t.Error("bound with half of the pair")
		}
	})
}
