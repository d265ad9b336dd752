package smpp

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// collect hands deliveries to the test, unanswered.
func collect() (chan *Delivery, handlerFuncs) {
	c := make(chan *Delivery, 100)
	return c, handlerFuncs{deliver: func(_ context.Context, d *Delivery) { c <- d }}
}

func TestAckComesLaterInAnyOrderWithAnyStatusAndOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		taken, h := collect()
		r := newRig(t, h, func(c *BindConfig) { c.AnswerWithin = time.Minute })
		p := r.bound()
		defer p.close()
		ds := make(map[string]*Delivery)
		for i, text := range []string{"a", "b", "c"} {
			p.deliver(uint32(i+1), "263771", text)
			d := <-taken
			if d.Command != DeliverSM || d.Bind != r.esme {
				t.Errorf("delivery of %s by %v", d.Command, d.Bind)
			}
			ds[string(d.Message.Payload)] = d
		}
		time.Sleep(20 * time.Second)
		ds["c"].Ack(StatusOK)
		p.want(DeliverSMResp, 3, StatusOK)
		ds["a"].Ack(StatusTempAppErr)
		p.want(DeliverSMResp, 1, StatusTempAppErr)
		ds["a"].Ack(StatusOK)
		ds["b"].Ack(StatusPermAppErr)
		p.want(DeliverSMResp, 2, StatusPermAppErr)
		p.checkAlive()
	})
}

func TestDataSMIsADelivery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		taken, h := collect()
		r := newRig(t, h, nil)
		p := r.bound()
		defer p.close()
		p.write(PDU{Command: DataSM, Sequence: 5, Body: mo("263771", strings.Repeat("long ", 2000))})
		d := <-taken
		if d.Command != DataSM || len(d.Message.Payload) != 10_000 {
			t.Errorf("%s of %d octets", d.Command, len(d.Message.Payload))
		}
		d.Ack(StatusOK)
		p.want(DataSMResp, 5, StatusOK)
	})
}

func TestAlertReachesTheApplication(t *testing.T) {
	bubble(t, func(t *testing.T) {
		alerts := make(chan string, 1)
		r := newRig(t, handlerFuncs{alert: func(bind string, a *AlertNotification) {
			alerts <- bind + " " + a.Source.Addr
		}}, nil)
		p := r.bound()
		defer p.close()
		p.write(PDU{Command: CommandAlert, Sequence: 5, Body: &AlertNotification{Source: Address{Addr: "263771"}}})
		if got := <-alerts; got != "smsc-1 263771" {
			t.Errorf("got %q", got)
		}
	})
}

func TestFullInboundQueueThrottles(t *testing.T) {
	bubble(t, func(t *testing.T) {
		taken, h := collect()
		r := newRig(t, h, func(c *BindConfig) { c.InboundQueue = 2 })
		p := r.bound()
		defer p.close()
		p.deliver(1, "1", "a")
		p.deliver(2, "2", "b")
		p.deliver(3, "3", "c")
		p.want(DeliverSMResp, 3, StatusThrottled)
		d := <-taken
		d.Ack(StatusOK)
		p.wantCommand(DeliverSMResp)
		p.deliver(4, "3", "c")
		p.checkAlive()
		<-taken
		<-taken
	})
}

func TestMessagesOfOneSourceKeepTheirOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		order := make(map[string][]string)
		r := newRig(t, handlerFuncs{deliver: func(_ context.Context, d *Delivery) {
			n := len(d.Message.Source.Addr)
			time.Sleep(time.Duration(n) * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			order[d.Message.Source.Addr] = append(order[d.Message.Source.Addr], string(d.Message.Payload))
			d.Ack(StatusOK)
		}}, nil)
		p := r.bound()
		defer p.close()
		const each = 10
		sources := []string{"1", "22", "333", "4444"}
		go func() {
			for i := range each * len(sources) {
				p.deliver(uint32(i+1), sources[i%len(sources)], fmt.Sprint(i/len(sources)))
			}
		}()
		for range each * len(sources) {
			p.wantCommand(DeliverSMResp)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, source := range sources {
			if got := strings.Join(order[source], " "); got != "0 1 2 3 4 5 6 7 8 9" {
				t.Errorf("%s: %s", source, got)
			}
		}
	})
}

func TestASlowSourceDoesNotHoldUpTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		r := newRig(t, handlerFuncs{deliver: func(_ context.Context, d *Delivery) {
			if d.Message.Source.Addr == "slow" {
				<-release
			}
			d.Ack(StatusOK)
		}}, nil)
		p := r.bound()
		defer p.close()
		p.deliver(1, "slow", "x")
		// Of the sources that do not share its worker, each gets through.
		shard := r.esme.inbound.shard
		n := uint32(1)
		for i := range 20 {
			source := fmt.Sprint("fast", i)
			if shard(source) == shard("slow") {
				continue
			}
			n++
			p.deliver(n, source, "x")
			p.want(DeliverSMResp, n, StatusOK)
		}
		close(release)
		p.want(DeliverSMResp, 1, StatusOK)
	})
}

func TestPanicOfTheApplicationIsATemporaryError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, handlerFuncs{deliver: func(_ context.Context, d *Delivery) {
			if string(d.Message.Payload) == "PIN 1234" {
				panic(string(d.Message.Payload))
			}
			d.Ack(StatusOK)
		}}, nil)
		p := r.bound()
		defer p.close()
		p.deliver(1, "1", "PIN 1234")
		p.want(DeliverSMResp, 1, StatusTempAppErr)
		p.deliver(2, "1", "fine")
		p.want(DeliverSMResp, 2, StatusOK)
		if log := r.log.String(); strings.Contains(log, "PIN 1234") || !strings.Contains(log, "panicked") {
			t.Errorf("log: %s", log)
		}
	})
}

func TestAckAfterTheConnectionIsGoneIsHarmless(t *testing.T) {
	bubble(t, func(t *testing.T) {
		taken, h := collect()
		r := newRig(t, h, nil)
		p := r.bound()
		p.deliver(1, "1", "x")
		d := <-taken
		p.close()
		p = r.bound()
		defer p.close()
		d.Ack(StatusOK)
		p.checkAlive() // the answer does not go to the next connection
	})
}

func TestQueuedMessagesOfALostConnectionAreLeftToTheSMSC(t *testing.T) {
	bubble(t, func(t *testing.T) {
		taken := make(chan string, 10)
		release := make(chan struct{})
		r := newRig(t, handlerFuncs{deliver: func(_ context.Context, d *Delivery) {
			taken <- string(d.Message.Payload)
			<-release
			d.Ack(StatusOK)
		}}, nil)
		p := r.bound()
		p.deliver(1, "1", "a")
		p.deliver(2, "1", "b")
		<-taken
		p.close()
		synctest.Wait()
		close(release)
		p = r.bound()
		defer p.close()
		p.deliver(1, "1", "b again")
		p.want(DeliverSMResp, 1, StatusOK)
		if got := <-taken; got != "b again" {
			t.Errorf("handled %q, which can no longer be acknowledged", got)
		}
	})
}

// TestPayloadLiesInOnePlace looks for the PIN in what the session keeps: the
// read buffer is zeroed as frames are taken, and Wipe zeroes the rest.
func TestPayloadLiesInOnePlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		taken, h := collect()
		r := newRig(t, h, nil)
		p := r.bound()
		defer p.close()
		p.deliver(1, "1", "SEND 5 0772 4711")
		d := <-taken
		synctest.Wait()
		s := r.session()
		if len(bytes.Trim(s.r.buf, "\x00")) > 0 {
			t.Error("octets left in the read buffer")
		}
		payload := d.Message.Payload
		if string(payload) != "SEND 5 0772 4711" {
			t.Errorf("payload %q", payload)
		}
		d.Wipe()
		if len(bytes.Trim(payload, "\x00")) > 0 {
			t.Error("Wipe leaves octets")
		}
		d.Ack(StatusOK)
		p.want(DeliverSMResp, 1, StatusOK)
	})
}

// spy is a reader that remembers the buffer it was asked to fill.
type spy struct {
	io.Reader
	buffer []byte
}

func (s *spy) Read(p []byte) (int, error) {
	s.buffer = p[:len(p):len(p)]
	return s.Reader.Read(p)
}

func TestReadFrameZeroesTheBuffer(t *testing.T) {
	const pin = "47114711"
	stream := appended(t, PDU{Command: DeliverSM, Sequence: 1, Body: mo("1", pin)})
	s := &spy{Reader: bytes.NewReader(append(stream, stream...))}
	r := bufio.NewReader(s)
	for range 2 {
		if _, err := ReadFrame(r, DefaultMaxPDU); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.buffer) == 0 || bytes.Contains(s.buffer, []byte(pin)) {
		t.Errorf("the PIN is still in the buffer of %d octets", len(s.buffer))
	}
}

func TestStopDrains(t *testing.T) {
	bubble(t, func(t *testing.T) {
		taken, h := collect()
		r := newRig(t, h, nil)
		p := r.bound()
		p.deliver(1, "1", "a")
		d := <-taken
		submitted := r.submit(mt("1", "x"))
		q := p.wantCommand(SubmitSM)
		r.stop()
		synctest.Wait()

		// No intake, either way.
		p.deliver(2, "1", "b")
		p.want(DeliverSMResp, 2, StatusTempAppErr)
		if o := <-r.submit(mt("1", "y")); !strings.Contains(o.err.Error(), ErrNotSent.Error()) {
			t.Errorf("got %v, want ErrNotSent", o.err)
		}
		// What is owed still goes.
		p.write(PDU{Command: SubmitSMResp, Sequence: q.Sequence, Body: &MessageResp{MessageID: "m"}})
		if o := <-submitted; o.id != "m" {
			t.Errorf("got %+v", o)
		}
		d.Ack(StatusOK)
		p.want(DeliverSMResp, 1, StatusOK)
		u := p.wantCommand(Unbind)
		p.write(PDU{Command: UnbindResp, Sequence: u.Sequence})
		p.wantClosed()
		elapsed(t, 0, 0, func() { <-r.ended })
	})
}

func TestStopIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		handlerEnded := make(chan struct{})
		r := newRig(t, handlerFuncs{deliver: func(ctx context.Context, d *Delivery) {
			<-ctx.Done() // an application that hangs as long as it may
			close(handlerEnded)
		}}, func(c *BindConfig) { c.AnswerWithin = time.Minute })
		p := r.bound()
		p.deliver(1, "1", "a")
		synctest.Wait()
		r.stop()
		elapsed(t, 10*time.Second, 10*time.Second, func() { p.wantCommand(Unbind) }) // no ack came
		elapsed(t, 10*time.Second, 10*time.Second, func() { <-r.ended })             // no unbind_resp
		<-handlerEnded
	})
}

// TestStopUnderFloodLeavesNothing runs on the real clock: the bubble's stands
// still as long as anybody is busy. TestMain looks for goroutines left behind.
func TestStopUnderFloodLeavesNothing(t *testing.T) {
	r := newRig(t, handlerFuncs{}, func(c *BindConfig) { c.ResponseTimeout = 2 * time.Second })
	p := r.bound()
	var flood sync.WaitGroup
	flood.Go(func() { // MO until the connection ends
		frame := appended(t, PDU{Command: DeliverSM, Sequence: 1, Body: mo("263771", "flood")})
		for {
			if _, err := p.conn.Write(frame); err != nil {
				return
			}
		}
	})
	answers := make(chan []byte, 1000)
	flood.Go(func() {
		for b := range answers {
			p.conn.Write(b) // an error shows at the reader's end
		}
	})
	flood.Go(func() { // the SMSC reads everything, answers submits, and never unbinds
		defer close(answers)
		for {
			frame, err := ReadFrame(p.r, DefaultMaxPDU)
			if err != nil {
				return
			}
			if q, err := Decode(frame); err == nil && q.Command == SubmitSM {
				answers <- appended(t, PDU{Command: SubmitSMResp, Sequence: q.Sequence, Body: &MessageResp{MessageID: "m"}})
			}
		}
	})
	for range 20 {
		flood.Go(func() { // MT until it is refused
			for {
				if _, err := r.esme.Submit(t.Context(), mt("263772", "flood")); err != nil {
					return
				}
			}
		})
	}
	for range 500 {
		if o := <-r.submit(mt("263772", "counted")); o.err != nil {
			t.Fatal(o.err)
		}
	}
	start := time.Now()
	r.stop()
	<-r.ended
	if d := time.Since(start); d > 2*r.esme.cfg.ResponseTimeout+time.Second {
		t.Errorf("stopping took %s", d)
	}
	p.close()
	flood.Wait()
}
