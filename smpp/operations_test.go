package smpp

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
)

func TestQueryCancelReplace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Window, c.SourceTON, c.SourceNPI = 1, 5, 0 })
		p := r.bound()
		defer p.close()
		type result struct {
			state *QueryResp
			err   error
		}
		start := func(f func(ctx context.Context) (*QueryResp, error)) chan result {
			c := make(chan result, 1)
			go func() {
				state, err := f(t.Context())
				c <- result{state, err}
			}()
			return c
		}
		ours := Address{TON: 5, Addr: "7001"}
		query := &Query{MessageID: "1", Source: Address{Addr: "7001"}}
		for _, tc := range []struct {
			name    string
			request func(context.Context) (*QueryResp, error)
			want    func(Body) bool
			answer  PDU
			check   func(*QueryResp, error) bool
		}{
			{"query",
				func(ctx context.Context) (*QueryResp, error) { return r.esme.Query(ctx, query) },
				func(b Body) bool { q, ok := b.(*Query); return ok && *q == Query{"1", ours} },
				PDU{Command: QuerySMResp, Body: &QueryResp{MessageID: "1", State: StateDelivered, FinalDate: "261123221500000+"}},
				func(s *QueryResp, err error) bool { return err == nil && s.State == StateDelivered }},
			{"query of a message that the SMSC does not know",
				func(ctx context.Context) (*QueryResp, error) { return r.esme.Query(ctx, query) },
				func(b Body) bool { return true },
				PDU{Command: QuerySMResp, Status: StatusQueryFail},
				func(s *QueryResp, err error) bool {
					var se *StatusError
					return s == nil && errors.As(err, &se) && se.Status == StatusQueryFail
				}},
			{"cancel",
				func(ctx context.Context) (*QueryResp, error) {
					return nil, r.esme.Cancel(ctx, &Cancel{MessageID: "1", Source: Address{Addr: "7001"}, Dest: Address{Addr: "263771"}})
				},
				func(b Body) bool {
					c, ok := b.(*Cancel)
					return ok && *c == Cancel{MessageID: "1", Source: ours, Dest: Address{Addr: "263771"}}
				},
				PDU{Command: CancelSMResp},
				func(_ *QueryResp, err error) bool { return err == nil }},
			{"cancel that comes too late",
				func(ctx context.Context) (*QueryResp, error) {
					return nil, r.esme.Cancel(ctx, &Cancel{MessageID: "1"})
				},
				func(b Body) bool { return true },
				PDU{Command: CancelSMResp, Status: StatusCancelFail},
				func(_ *QueryResp, err error) bool {
					var se *StatusError
					return errors.As(err, &se) && se.Command == CancelSMResp
				}},
			{"replace, to an SMSC that does not have it",
				func(ctx context.Context) (*QueryResp, error) {
					return nil, r.esme.Replace(ctx, &Replace{MessageID: "1", Source: Address{Addr: "7001"}, Payload: []byte("new")})
				},
				func(b Body) bool {
					q, ok := b.(*Replace)
					return ok && q.Source == ours && string(q.Payload) == "new"
				},
				PDU{Command: GenericNack, Status: StatusInvCmdID},
				func(_ *QueryResp, err error) bool {
					var se *StatusError
					return errors.As(err, &se) && se.Command == GenericNack
				}},
			{"replace",
				func(ctx context.Context) (*QueryResp, error) {
					return nil, r.esme.Replace(ctx, &Replace{MessageID: "1", Payload: []byte("new")})
				},
				func(b Body) bool { return true },
				PDU{Command: ReplaceSMResp},
				func(_ *QueryResp, err error) bool { return err == nil }},
		} {
			got := start(tc.request)
			q := p.read()
			if !tc.want(q.Body) {
				t.Errorf("%s: the SMSC gets %s %+v", tc.name, q.Command, q.Body)
			}
			// One of another operation with this number is not the answer.
			p.write(PDU{Command: SubmitSMResp, Sequence: q.Sequence, Body: new(MessageResp)})
			// Nor does anything else find a place in the window.
			next := r.submit(mt("1", "waits"))
			pending(t, next, "a submission into the full window")
			pending(t, got, tc.name)
			tc.answer.Sequence = q.Sequence
			p.write(tc.answer)
			if o := <-got; !tc.check(o.state, o.err) {
				t.Errorf("%s: got %+v, %v", tc.name, o.state, o.err)
			}
			p.answerSubmit("m")
			<-next
		}

		// A state that cannot be read is not a state.
		got := start(func(ctx context.Context) (*QueryResp, error) { return r.esme.Query(ctx, query) })
		q := p.wantCommand(QuerySM)
		broken := appended(t, PDU{Command: QuerySMResp, Sequence: q.Sequence, Body: &QueryResp{MessageID: "1"}})
		broken = broken[:len(broken)-2]
		broken[3] = byte(len(broken))
		p.writeRaw(broken)
		if o := <-got; !errors.Is(o.err, ErrOutcomeUnknown) {
			t.Errorf("got %+v, %v; want ErrOutcomeUnknown", o.state, o.err)
		}

		if err := r.esme.Cancel(t.Context(), &Cancel{MessageID: strings.Repeat("9", 65)}); !errors.Is(err, ErrUnencodable) {
			t.Errorf("got %v, want ErrUnencodable", err)
		}
		if query.Source.TON != 0 {
			t.Error("the caller's request is changed")
		}
		p.close()
		synctest.Wait()
		if err := r.esme.Cancel(t.Context(), &Cancel{MessageID: "1"}); !errors.Is(err, ErrNotSent) {
			t.Errorf("got %v, want ErrNotSent", err)
		}
	})
}

// A message of a USSD session goes as it is, in the operation that its dialect has.
func TestSend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.SourceTON, c.SourceNPI, c.RequestReceipts = 5, 1, true })
		p := r.bound()
		defer p.close()
		for _, command := range []CommandID{SubmitSM, DataSM} {
			m := &Message{Source: Address{Addr: "700"}, Dest: Address{Addr: "263771"}, Payload: []byte("Menu"), TLVs: TLVs{{Tag: TagUSSDServiceOp, Value: []byte{2}}}}
			id := make(chan string, 1)
			go func() {
				got, err := r.esme.Send(t.Context(), command, m)
				if err != nil {
					t.Error(err)
				}
				id <- got
			}()
			pdu := p.wantCommand(command)
			if got := pdu.Body.(*Message); got.Source != m.Source || got.RegisteredDelivery != 0 || string(got.Payload) != "Menu" || len(got.TLVs) != 1 {
				t.Errorf("%s: %v", command, got)
			}
			p.write(PDU{Command: command.Response(), Sequence: pdu.Sequence, Body: &MessageResp{MessageID: "x1"}})
			if got := <-id; got != "x1" {
				t.Errorf("%s: message id %q", command, got)
			}
		}
		if _, err := r.esme.Send(t.Context(), DeliverSM, &Message{}); !errors.Is(err, ErrNotSent) || !errors.Is(err, ErrUnencodable) {
			t.Errorf("deliver_sm: %v", err)
		}
	})
}
