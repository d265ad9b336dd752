package smpp

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func sessions(n int) func(*BindConfig) { return func(c *BindConfig) { c.Sessions = n } }

func TestSubmissionsSpreadOverTheSessions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Sessions, c.Window = 3, 4 })
		ps := r.bindAll(3)
		var got []<-chan outcome
		for range 12 {
			got = append(got, r.submit(mt("1", "x")))
			synctest.Wait()
		}
		waits := r.submit(mt("1", "the one too many"))
		pending(t, waits, "a submission into full windows")
		for i, p := range ps {
			seen := make(map[uint32]bool)
			for range 4 {
				q := p.wantCommand(SubmitSM)
				seen[q.Sequence] = true
				defer p.close()
			}
			if len(seen) != 4 {
				t.Errorf("session %d: numbers %v", i, seen)
			}
		}
		if s := r.esme.Stats(); s.Sessions != 3 || s.Bound != 3 || s.UnderWay != 12 {
			t.Errorf("%+v", s)
		}
		// The place that any of them gives back goes to the one that waits.
		ps[1].write(PDU{Command: SubmitSMResp, Sequence: 2, Body: &MessageResp{MessageID: "a"}})
		q := ps[1].wantCommand(SubmitSM)
		if string(q.Body.(*Message).Payload) != "the one too many" {
			t.Errorf("payload %q", q.Body.(*Message).Payload)
		}
		// Equal numbers of different sessions are different submissions.
		for _, p := range ps {
			for n := uint32(2); n <= 5; n++ {
				if p != ps[1] || n != 2 {
					p.write(PDU{Command: SubmitSMResp, Sequence: n, Body: &MessageResp{MessageID: "b"}})
				}
			}
		}
		ps[1].write(PDU{Command: SubmitSMResp, Sequence: q.Sequence, Body: &MessageResp{MessageID: "c"}})
		if o := <-waits; o.id != "c" {
			t.Errorf("got %+v", o)
		}
		ids := make(map[string]int)
		for _, c := range got {
			ids[(<-c).id]++
		}
		if ids["a"] != 1 || ids["b"] != 11 {
			t.Errorf("answers %v", ids)
		}
	})
}

func TestALostSessionLeavesTheOthersWorking(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Sessions, c.Window = 2, 1 })
		ps := r.bindAll(2)
		defer ps[1].close()
		onFirst := r.submit(mt("1", "x"))
		synctest.Wait()
		onSecond := r.submit(mt("1", "x"))
		ps[0].wantCommand(SubmitSM)
		q := ps[1].wantCommand(SubmitSM)
		waits := r.submit(mt("1", "waits"))
		pending(t, waits, "a submission into full windows")

		ps[0].close()
		if o := <-onFirst; !errors.Is(o.err, ErrOutcomeUnknown) {
			t.Errorf("on the lost session: %v, want ErrOutcomeUnknown", o.err)
		}
		pending(t, onSecond, "what is under way on the other session")
		pending(t, waits, "what waits for a place")
		if r.esme.Bound() || !r.esme.CanSubmit() {
			t.Errorf("Bound %v, CanSubmit %v; want false, true", r.esme.Bound(), r.esme.CanSubmit())
		}
		ps[1].deliver(9, "263771", "still taken")
		ps[1].want(DeliverSMResp, 9, StatusOK)
		ps[1].write(PDU{Command: SubmitSMResp, Sequence: q.Sequence, Body: &MessageResp{MessageID: "b"}})
		if o := <-onSecond; o.id != "b" {
			t.Errorf("got %+v", o)
		}
		ps[1].answerSubmit("c")
		if o := <-waits; o.id != "c" {
			t.Errorf("got %+v", o)
		}

		ps[0] = r.bound() // it comes back
		defer ps[0].close()
		if s := r.esme.Stats(); s.Bound != 2 || s.Binds != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// A session that has ended and still tries to get its last words through to a
// peer that does not read has all its window free: it must not draw
// submissions on itself.
func TestASessionThatIsEndingTakesNoSubmissions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, sessions(2))
		ps := r.bindAll(2)
		defer ps[1].close()
		ps[0].writeRaw([]byte{0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1}) // and reads nothing
		synctest.Wait()
		for range 10 {
			got := r.submit(mt("1", "x"))
			synctest.Wait()
			select {
			case o := <-got:
				t.Fatalf("got %v, while another session is up", o.err)
			default:
			}
			ps[1].answerSubmit("b")
			if o := <-got; o.id != "b" {
				t.Fatalf("got %+v", o)
			}
		}
	})
}

func TestWithoutASessionSubmissionsAreNotSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Sessions, c.Window = 2, 1 })
		ps := r.bindAll(2)
		for range ps {
			r.submit(mt("1", "x"))
			synctest.Wait()
		}
		waits := r.submit(mt("1", "waits"))
		pending(t, waits, "a submission into full windows")
		ps[0].close()
		pending(t, waits, "what waits for a place")
		ps[1].close()
		if o := <-waits; !errors.Is(o.err, ErrNotSent) || errors.Is(o.err, ErrOutcomeUnknown) {
			t.Errorf("got %v, want ErrNotSent", o.err)
		}
		if _, err := r.esme.Submit(t.Context(), mt("1", "x")); !errors.Is(err, ErrNotSent) {
			t.Errorf("got %v, want ErrNotSent", err)
		}
		if r.esme.CanSubmit() {
			t.Error("CanSubmit without a session")
		}
	})
}

// Places in a window are not lost, whichever way a submission ends.
func TestPlacesOfAWindowComeBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.Sessions, c.Window, c.ResponseTimeout = 2, 2, time.Second })
		ps := r.bindAll(2)
		defer ps[0].close()
		defer ps[1].close()
		for _, p := range ps {
			go func() {
				for n := 0; ; n++ {
					frame, err := ReadFrame(p.r, DefaultMaxPDU)
					if err != nil {
						return
					}
					q, err := Decode(frame)
					if err != nil || q.Command != SubmitSM {
						continue
					}
					answer := PDU{Command: SubmitSMResp, Sequence: q.Sequence, Body: &MessageResp{MessageID: "m"}}
					switch n % 3 {
					case 1:
						answer.Status = StatusThrottled
					case 2:
						continue // silence
					}
					frame, _ = Append(nil, answer)
					p.conn.Write(frame)
				}
			}()
		}
		var all []<-chan error
		for i := range 100 {
			c := make(chan error, 1)
			all = append(all, c)
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*200*time.Millisecond)
				defer cancel()
				_, err := r.esme.Submit(ctx, mt("1", "x"))
				c <- err
			}()
		}
		for _, c := range all {
			<-c
		}
		if s := r.esme.Stats(); s.UnderWay != 0 {
			t.Errorf("%d places are still taken", s.UnderWay)
		}
	})
}

// Each direction of each session has numbers of its own: §3.2.
func TestEqualNumbersInBothDirectionsAndOnEverySession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		taken, h := collect()
		r := newRig(t, h, sessions(2))
		ps := r.bindAll(2)
		var got []<-chan outcome
		var numbers []uint32
		for _, p := range ps {
			defer p.close()
			got = append(got, r.submit(mt("1", "x"))) // on the emptier session: the first, then the second
			numbers = append(numbers, p.wantCommand(SubmitSM).Sequence)
		}
		if numbers[0] != numbers[1] {
			t.Fatalf("numbers %v: the test needs equal ones", numbers)
		}
		for i, p := range ps {
			p.deliver(numbers[i], strings.Repeat("1", i+1), "y")
		}
		synctest.Wait()
		for _, c := range got {
			pending(t, c, "a submission whose number the SMSC used for its own")
		}
		byPeer := map[string]*peer{"1": ps[0], "11": ps[1]}
		for range ps {
			d := <-taken
			d.Ack(StatusOK)
			byPeer[d.Message.Source.Addr].want(DeliverSMResp, numbers[0], StatusOK)
		}
		for i, p := range ps {
			p.write(PDU{Command: SubmitSMResp, Sequence: numbers[i], Body: &MessageResp{MessageID: strings.Repeat("m", i+1)}})
			if o := <-got[i]; len(o.id) != i+1 {
				t.Errorf("session %d: %+v", i, o)
			}
		}
	})
}

// panicking is a connection whose reads panic from the n-th PDU on: what a fault
// of our own decoder looks like.
type panicking struct {
	net.Conn
	after int
}

func (c *panicking) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.after--; c.after < 0 {
		panic("PIN 1234")
	}
	return n, err
}

func TestAPanicOfOursCostsItsSessionOnly(t *testing.T) {
	for name, after := range map[string]int{"while it binds": 0, "bound": 1} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.ReconnectMin = time.Second })
				before := r.accept() // the ESME dials no more until it is closed
				dial, first := r.esme.dial, true
				r.esme.dial = func(ctx context.Context) (net.Conn, error) {
					conn, err := dial(ctx)
					if first && err == nil {
						first, conn = false, &panicking{conn, after}
					}
					return conn, err
				}
				before.close()
				p := r.accept()
				p.grant()
				if after > 0 {
					synctest.Wait()
					p.write(PDU{Command: EnquireLink, Sequence: 1})
				}
				p.wantClosed()
				r.bound().close()
				if log := r.log.String(); strings.Contains(log, "PIN 1234") || !strings.Contains(log, "panicked") {
					t.Errorf("log: %s", log)
				}
			})
		})
	}
}

// Over real TCP a peer that does not read shows late: the kernel takes a few
// megabytes first.
func TestPeerThatStopsReadingTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e := NewESME(BindConfig{
		Name: "smsc-1", Address: l.Addr().String(), SystemID: "starhash", Window: 1000,
		WriteTimeout: 200 * time.Millisecond, ResponseTimeout: time.Minute, ReconnectMin: 10 * time.Millisecond,
	}, slog.New(slog.DiscardHandler), handlerFuncs{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	connect := func() *peer {
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		p := &peer{t: t, conn: conn, r: bufio.NewReader(conn)}
		p.grant()
		return p
	}
	first := connect()
	defer first.close()
	if err := e.AwaitBound(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := mt("1", strings.Repeat("0123456789abcde.", 3750)) // 60,000 octets
	errs := make(chan error, 1000)
	for range cap(errs) {
		go func() {
			_, err := e.Submit(t.Context(), m)
			errs <- err
		}()
	}
	second := connect() // long before the answers are due
	notSent := 0
	for range cap(errs) {
		err := <-errs
		if errors.Is(err, ErrNotSent) == errors.Is(err, ErrOutcomeUnknown) {
			t.Fatalf("got %v, want one of ErrNotSent and ErrOutcomeUnknown", err)
		}
		if errors.Is(err, ErrNotSent) {
			notSent++
		}
	}
	if notSent == cap(errs) {
		t.Error("nothing was handed to the connection")
	}
	second.checkAlive()
	second.close()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
