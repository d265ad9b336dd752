package smsc

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"starhash/smpp"
)

// from is a magic source, to a magic destination.
func magic(n int) string { return fmt.Sprintf("%s%03d771", magicPrefix, n) }

func mtTo(number string) *smpp.Message {
	m := mt("hello")
	m.Dest.Addr, m.RegisteredDelivery = number, 1
	return m
}

// Every fault of one message has a magic number, and no two the same.
func TestMagicTable(t *testing.T) {
	seen := map[int]fault{}
	for k := range faultCount {
		n := faultTable[k].magic
		if k == noResp {
			continue // 0 is its number
		}
		if other, twice := seen[n]; twice && n != 0 {
			t.Errorf("faults %d and %d have the number %d", k, other, n)
		}
		seen[n] = k
		if (n == 0) != (k <= noEnquireResp) {
			t.Errorf("fault %d has the number %d", k, n)
		}
	}
	for number, want := range map[string]int{"999088771": 88, "+999000": 0, "99908": noMagic, "263999088": noMagic, "999xyz": noMagic, "": noMagic} {
		if got := magicOf(number); got != want {
			t.Errorf("%q: %d, want %d", number, got, want)
		}
	}
}

// options are the two ways to call up a fault: the numbers in use, and what is set.
func options(k fault, count Count) map[string]struct {
	faults Faults
	number string
} {
	var f Faults
	*faultTable[k].count(&f) = count
	return map[string]struct {
		faults Faults
		number string
	}{"option": {f, alice}, "magic": {Faults{}, magic(faultTable[k].magic)}}
}

// What becomes of a submit_sm and its receipt.
func TestMTFaults(t *testing.T) {
	for _, tc := range []struct {
		fault fault
		more  Faults
		want  string // what the ESME sees: see watch
	}{
		{lateResp, Faults{LateBy: ms(100)}, "enquire_link_resp submit_sm_resp:ESME_ROK receipt:DELIVRD"},
		{noResp, Faults{}, "receipt:DELIVRD enquire_link_resp"},
		{duplicateResp, Faults{}, "submit_sm_resp:ESME_ROK submit_sm_resp:ESME_ROK receipt:DELIVRD enquire_link_resp"},
		{throttle, Faults{}, "submit_sm_resp:ESME_RTHROTTLED enquire_link_resp"},
		{queueFull, Faults{}, "submit_sm_resp:ESME_RMSGQFUL enquire_link_resp"},
		{genericNack, Faults{}, "generic_nack:ESME_RINVCMDID enquire_link_resp"},
		{dropAfterSubmit, Faults{}, "closed"},
		{dropAfterResp, Faults{}, "submit_sm_resp:ESME_ROK closed"},
		{receiptFirst, Faults{}, "receipt:DELIVRD submit_sm_resp:ESME_ROK enquire_link_resp"},
		{lateReceipt, Faults{LateBy: ms(100)}, "submit_sm_resp:ESME_ROK enquire_link_resp receipt:DELIVRD"},
		{noReceipt, Faults{}, "submit_sm_resp:ESME_ROK enquire_link_resp"},
		{duplicateReceipt, Faults{}, "submit_sm_resp:ESME_ROK receipt:DELIVRD receipt:DELIVRD enquire_link_resp"},
		{intermediate, Faults{}, "submit_sm_resp:ESME_ROK intermediate:ENROUTE receipt:DELIVRD enquire_link_resp"},
		{bareReceipt, Faults{}, "submit_sm_resp:ESME_ROK bare:DELIVRD enquire_link_resp"},
	} {
		for name, o := range options(tc.fault, 1) {
			t.Run(fmt.Sprint(tc.want, " ", name), func(t *testing.T) {
				t.Parallel()
				r := start(t)
				o.faults.LateBy = tc.more.LateBy
				r.setFaults(o.faults)
				e := r.bound(smpp.BindTransceiver)
				e.send(smpp.SubmitSM, mtTo(o.number))
				words := strings.Fields(tc.want)
				got := e.watch(len(words), func() { e.send(smpp.EnquireLink, nil) }, slices.Index(words, "enquire_link_resp"))
				if got != tc.want {
					t.Errorf("%s", got)
				}
				if name == "option" && tc.want != "closed" && !strings.Contains(tc.want, "closed") {
					e.submit(mtTo(alice)) // it was one
				}
			})
		}
	}
}

// watch names the next n PDUs and acknowledges receipts. Once at of them are there it
// asks.
func (e *esme) watch(n int, asks func(), at int) string {
	e.t.Helper()
	var seen []string
	for i := range n {
		if i == at {
			asks()
		}
		e.nc.SetReadDeadline(time.Now().Add(patience))
		frame, err := smpp.ReadFrame(e.r, smpp.DefaultMaxPDU)
		if err != nil {
			seen = append(seen, "closed")
			break
		}
		p := must(smpp.Decode(frame))(e.t)
		seen = append(seen, e.name(p))
	}
	return strings.Join(seen, " ")
}

// name says in a word what a PDU is, and acknowledges a receipt.
func (e *esme) name(p smpp.PDU) string {
	e.t.Helper()
	m, ok := p.Body.(*smpp.Message)
	switch {
	case ok:
		what := map[byte]string{smpp.ESMClassReceipt: "receipt", smpp.ESMClassIntermediate: "intermediate"}[m.ESMClass]
		if len(m.TLVs) == 0 {
			what = "bare"
		}
		_, state, _ := strings.Cut(text(e.t, m), "stat:")
		e.ack(p, smpp.StatusOK)
		return what + ":" + state[:7]
	case p.Command == smpp.EnquireLinkResp:
		return p.Command.String()
	}
	return p.Command.String() + ":" + p.Status.String()
}

// The states that a magic destination brings about.
func TestMagicStates(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	for n, want := range magicStates {
		e.submit(mtTo(magic(n)))
		p, m := e.message()
		e.ack(p, smpp.StatusOK)
		if got := text(t, m); !strings.Contains(got, "dlvrd:000") || !strings.Contains(got, "stat:"+want) {
			t.Errorf("%d: %q", n, got)
		}
		if got := must(r.Inbox(t.Context(), magic(n), 0, 0))(t); len(got) > 0 {
			t.Errorf("%d: delivered", n)
		}
	}
}

// What an ESME sees instead of, or before, a phone's message, which arrives in the end.
func TestMOFaults(t *testing.T) {
	for _, tc := range []struct {
		fault fault
		does  func(t *testing.T, r *rig, e *esme, first *smpp.Message)
		tries int
	}{
		{dropAfterMO, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) {
			p, _ := e.message()
			e.ack(p, smpp.StatusOK)
			e.closed()
			r.takeOn(t)
		}, 2},
		{dropOnAck, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) {
			p, _ := e.message()
			e.ack(p, smpp.StatusOK)
			e.closed()
			r.takeOn(t)
		}, 2},
		{unbindAfterMO, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) {
			p, _ := e.message()
			u := e.want(smpp.Unbind)
			e.ack(p, smpp.StatusOK) // in time
			e.write(smpp.PDU{Command: smpp.UnbindResp, Sequence: u.Sequence})
			e.closed()
		}, 1},
		{duplicateMO, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) {
			one, m := e.message()
			two, n := e.message()
			if one.Sequence == two.Sequence || !bytes.Equal(encoded(t, m), encoded(t, n)) {
				t.Errorf("%d %v, %d %v", one.Sequence, m, two.Sequence, n)
			}
			e.ack(two, smpp.StatusPermAppErr) // does not count
			e.ack(one, smpp.StatusOK)
		}, 1},
		{reorderMO, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) {
			s := r.mo(MO{Text: "later"})
			p, m := e.message()
			e.ack(p, smpp.StatusOK)
			if got := text(t, m); got != "later" {
				t.Errorf("%q came first", got)
			}
			s.result()
			e.takes(t)
		}, 1},
		{longPayload, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) {
			p, m := e.message()
			e.ack(p, smpp.StatusOK)
			if len(m.Payload) != 65535 || strings.TrimRight(text(t, m), " ") != "BAL" {
				t.Errorf("%d octets", len(m.Payload))
			}
		}, 1},
		{vendorTLVs, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) {
			p, m := e.message()
			e.ack(p, smpp.StatusOK)
			if n := len(m.TLVs); n != 4 {
				t.Errorf("%d TLVs", n)
			}
		}, 1},
		{singleOctets, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) { e.takes(t) }, 1},
		{badCommandLength, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) {
			e.nc.SetReadDeadline(time.Now().Add(patience))
			if _, err := smpp.ReadFrame(e.r, 1000); err == nil || !strings.Contains(err.Error(), "command_length 15") {
				t.Error(err)
			}
			e.nc.Close()
			r.takeOn(t)
		}, 2},
		{badSMLength, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) {
			e.broken(t, smpp.StatusInvMsgLen, smpp.StatusInvCmdLen)
		}, 1},
		{badTLVLength, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) { e.broken(t, smpp.StatusInvOptParStream) }, 1},
		{badPart, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) {
			for range 3 {
				p, m := e.message()
				if _, _, err := smpp.PartOf(m); err == nil {
					t.Errorf("%x is a good part", m.Payload)
				}
				e.ack(p, smpp.StatusInvMsgLen)
			}
			e.takes(t)
		}, 1},
		{unknownCommand, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) { e.broken(t, smpp.StatusInvCmdID) }, 1},
		{strayNack, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) {
			if p := e.want(smpp.GenericNack); p.Sequence != 0 {
				t.Error(p.Sequence)
			}
			e.takes(t)
		}, 1},
		{strayResp, func(t *testing.T, r *rig, e *esme, _ *smpp.Message) {
			e.want(smpp.SubmitSMResp)
			e.takes(t)
		}, 1},
	} {
		for name, o := range options(tc.fault, 1) {
			t.Run(fmt.Sprint(faultTable[tc.fault].magic, " ", name), func(t *testing.T) {
				t.Parallel()
				r := start(t, func(c *Config) { c.IMSITLV = 0 })
				r.setFaults(o.faults)
				e := r.bound(smpp.BindTransceiver)
				s := r.mo(MO{From: o.number, Text: "BAL"})
				if tc.fault == reorderMO { // is held back once both are there
					r.until(func() bool { return r.accounts[0].queue.len() == 1 })
				}
				tc.does(t, r, e, nil)
				if res := s.result(); !res.OK() || res.Parts[0].Tries != tc.tries {
					t.Errorf("%+v, want %d tries", res, tc.tries)
				}
			})
		}
	}
}

// takes takes the whole message that comes next.
func (e *esme) takes(t *testing.T) {
	t.Helper()
	p, m := e.message()
	if got := text(t, m); got != "BAL" {
		t.Errorf("%q came", got)
	}
	e.ack(p, smpp.StatusOK)
}

// takeOn takes the message on another connection.
func (r *rig) takeOn(t *testing.T) {
	t.Helper()
	r.bound(smpp.BindTransceiver).takes(t)
}

// broken reads a PDU that does not decode, for one of these reasons, and the message.
func (e *esme) broken(t *testing.T, want ...smpp.Status) {
	t.Helper()
	e.nc.SetReadDeadline(time.Now().Add(patience))
	frame, err := smpp.ReadFrame(e.r, smpp.DefaultMaxPDU)
	if err != nil {
		t.Fatal(err)
	}
	var bad *smpp.DecodeError
	if _, err := smpp.Decode(frame); !errors.As(err, &bad) || !slices.Contains(want, bad.Status) {
		t.Errorf("%v", err)
	}
	e.takes(t)
}

// A deliver_sm takes the number of a submit_sm that is unanswered, or of the next.
func TestSequenceCollision(t *testing.T) {
	t.Parallel()
	for name, o := range options(sequenceCollision, 2) {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			o.faults.Delay = Duration(800 * time.Millisecond)
			r.setFaults(o.faults)
			e := r.bound(smpp.BindTransceiver)
			e.seq = 4000
			one, two := e.send(smpp.SubmitSM, mt("x")), e.send(smpp.SubmitSM, mt("y"))
			e.ask(smpp.EnquireLink, nil)
			first, second := r.mo(MO{From: o.number, Text: "BAL"}), r.mo(MO{From: o.number, Text: "BAL"})
			for _, want := range []uint32{one, two} {
				p, _ := e.message()
				if p.Sequence != want {
					t.Errorf("number %d, want %d", p.Sequence, want)
				}
			}
			for _, seq := range []uint32{one, two} {
				if p := e.want(smpp.SubmitSMResp); p.Sequence != seq {
					t.Error(p.Sequence)
				}
				e.write(smpp.PDU{Command: smpp.DeliverSMResp, Sequence: seq, Body: new(smpp.MessageResp)})
			}
			if !first.result().OK() || !second.result().OK() {
				t.Error("not settled")
			}
			if name == "option" {
				r.setFaults(Faults{SequenceCollision: 1})
			}
			r.until(func() bool { // the answers count as written
				c := r.connections()[0]
				c.mu.Lock()
				defer c.mu.Unlock()
				return len(c.owed) == 0
			})
			third := r.mo(MO{From: o.number, Text: "BAL"})
			p, _ := e.message()
			if p.Sequence != e.seq+1 {
				t.Errorf("number %d, want that of the ESME's next request, %d", p.Sequence, e.seq+1)
			}
			e.ack(p, smpp.StatusOK)
			third.result()
		})
	}
}

func TestNoBindResp(t *testing.T) {
	r := start(t, func(c *Config) { c.BindTimeout = 200 * time.Millisecond })
	r.setFaults(Faults{NoBindResp: 1})
	e := r.connect()
	e.send(smpp.BindTransceiver, &smpp.Bind{SystemID: systemID, Password: secretOf(password)})
	e.closed()
	r.bound(smpp.BindTransceiver)
}

func TestNoUnbindResp(t *testing.T) {
	r := start(t)
	r.setFaults(Faults{NoUnbindResp: 1})
	e := r.bound(smpp.BindTransceiver)
	e.send(smpp.Unbind, nil)
	e.ask(smpp.EnquireLink, nil)
	if p := e.ask(smpp.Unbind, nil); p.Command != smpp.UnbindResp {
		t.Error(p.Command)
	}
	e.closed()
}

func TestUnbind(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	r.connect()
	if n := must(r.Client.Unbind(t.Context()))(t); n != 1 {
		t.Errorf("%d were bound", n)
	}
	s := r.mo(MO{Text: "BAL"}) // for the next bind
	p := e.want(smpp.Unbind)
	e.ask(smpp.EnquireLink, nil)
	e.write(smpp.PDU{Command: smpp.UnbindResp, Sequence: p.Sequence})
	e.closed()
	r.takeOn(t)
	s.result()
}

// A peer that stops reading: what is written to it blocks in the end, and goes on when
// it reads again.
func TestStopReading(t *testing.T) {
	t.Parallel()
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	e.ask(smpp.EnquireLink, nil)
	r.setFaults(Faults{StopReading: true})
	m := mt(strings.Repeat("x", 60_000))
	frame := must(smpp.Append(nil, smpp.PDU{Command: smpp.SubmitSM, Sequence: 7, Body: m}))(t)
	e.nc.(*net.TCPConn).SetWriteBuffer(4096)
	e.nc.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	sent := 0
	for err := error(nil); err == nil; {
		var n int
		n, err = e.nc.Write(frame)
		sent += n
		if sent > 256<<20 {
			t.Fatal("it reads on and on")
		}
	}
	e.silent(20 * time.Millisecond)
	r.setFaults(Faults{})
	e.bytes(frame[sent%len(frame):]) // the rest of the one that was cut
	for range sent/len(frame) + 1 {
		e.want(smpp.SubmitSMResp)
	}
}

// PDUs in single octets, and PDUs glued together: what one read takes.
func TestWriteOctetsAndGlue(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	r.setFaults(Faults{WriteOctets: 1})
	if p := e.ask(smpp.EnquireLink, nil); p.Command != smpp.EnquireLinkResp {
		t.Error(p.Command)
	}
	r.setFaults(Faults{Glue: Duration(100 * time.Millisecond)})
	e.send(smpp.EnquireLink, nil)
	e.silent(20 * time.Millisecond)
	e.send(smpp.EnquireLink, nil)
	b := make([]byte, 1000)
	e.nc.SetReadDeadline(time.Now().Add(patience))
	if n, err := e.r.Read(b); n != 2*smpp.HeaderLen || err != nil {
		t.Errorf("one read takes %d octets, %v", n, err)
	}
}

// Who does not read is not surprised that nothing comes.
func TestStopReadingIsNotSilence(t *testing.T) {
	r := start(t, func(c *Config) { c.EnquireLink, c.ResponseTimeout = 100*time.Millisecond, 100*time.Millisecond })
	r.setFaults(Faults{StopReading: true})
	e := r.connect()
	e.send(smpp.BindTransceiver, &smpp.Bind{SystemID: systemID, Password: secretOf(password)})
	r.setFaults(Faults{})
	e.want(smpp.BindTransceiverResp)
	r.setFaults(Faults{StopReading: true})
	e.silent(500 * time.Millisecond)
}

// A message does not take the number of a broken PDU whose answer is still to come.
func TestCollisionWithBroken(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	e.ask(smpp.EnquireLink, nil) // its request 2; the next is 3
	for range 2 {                // our requests 1 and 2
		s := r.mo(MO{Text: "BAL"})
		e.takes(t)
		s.result()
	}
	r.setFaults(Faults{UnknownCommand: 1, SequenceCollision: 1})
	s := r.mo(MO{Text: "BAL"})
	e.nc.SetReadDeadline(time.Now().Add(patience))
	if frame, err := smpp.ReadFrame(e.r, 1000); err != nil || binary.BigEndian.Uint32(frame[12:]) != 3 {
		t.Fatalf("%x %v", frame, err)
	}
	p, _ := e.message()
	if p.Sequence == 3 {
		t.Error("both have number 3")
	}
	e.ack(p, smpp.StatusOK)
	s.result()
}

// segments does what WriteOctets says; TCP may put segments together again.
func TestSegments(t *testing.T) {
	r := start(t)
	r.setFaults(Faults{WriteOctets: 3})
	near, far := net.Pipe() // a write of it is a read
	defer far.Close()
	go func() {
		(&segments{newConn(r.SMSC, near)}).Write([]byte("12345678"))
		near.Close()
	}()
	var got []string
	for b := make([]byte, 100); ; {
		n, err := far.Read(b)
		if err == io.EOF {
			break
		}
		got = append(got, string(b[:n]))
	}
	if want := []string{"123", "456", "78"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestThroughput(t *testing.T) {
	r := start(t)
	r.setFaults(Faults{Throughput: 50})
	e := r.bound(smpp.BindTransceiver)
	statuses := map[smpp.Status]int{}
	for range 50 {
		statuses[e.ask(smpp.SubmitSM, mt("x")).Status]++
	}
	if ok := statuses[smpp.StatusOK]; ok < 5 || ok > 40 || ok+statuses[smpp.StatusThrottled] != 50 {
		t.Errorf("%v", statuses)
	}
	time.Sleep(25 * time.Millisecond) // a 50th of a second is the event
	e.submit(mt("x"))
}

// Vendor status, unknown magic: nothing happens to it.
func TestMagicUnknown(t *testing.T) {
	r := start(t)
	r.setFaults(Faults{Throttle: Always})
	e := r.bound(smpp.BindTransceiver)
	e.submit(mtTo(magic(777))) // and the faults leave magic numbers alone
}

// The operator's list has every key, and every magic number beside its key.
func TestFaultsDocumented(t *testing.T) {
	page := string(must(os.ReadFile("../../docs/smsc-simulator.md"))(t))
	of := reflect.TypeFor[Faults]()
	for i := range of.NumField() {
		key, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		if key != "seed" && key != "chaos" && !strings.Contains(page, "| `"+key+"` | ") {
			t.Errorf("%s is not there", key)
		}
	}
	for k := range faultCount {
		var f Faults
		count := faultTable[k].count(&f)
		*count = 1
		var set map[string]int
		if err := json.Unmarshal(must(json.Marshal(f))(t), &set); err != nil || len(set) != 1 {
			t.Fatal(set, err)
		}
		for key := range set {
			number := fmt.Sprintf(" | count | `999%03d` | ", faultTable[k].magic)
			if k <= noEnquireResp {
				number = " | count |  | "
			}
			if !strings.Contains(page, "| `"+key+"`"+number) {
				t.Errorf("%s: not with%s", key, number)
			}
		}
	}
	for n, state := range magicStates {
		if !strings.Contains(page, fmt.Sprintf("`999%d`", n)) || !strings.Contains(page, state) {
			t.Errorf("%d, %s is not there", n, state)
		}
	}
}

func TestHeader(t *testing.T) {
	b := header(unknownCommandID, 9, []byte("xy"))
	if binary.BigEndian.Uint32(b) != 18 || len(b) != 18 || binary.BigEndian.Uint32(b[12:]) != 9 {
		t.Errorf("%x", b)
	}
}
