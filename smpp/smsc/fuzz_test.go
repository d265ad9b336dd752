package smsc

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"regexp"
	"testing"
	"time"

	"starhash/smpp"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// nobody is the other end of a connection that is not read.
type nobody struct{}

func (nobody) Read([]byte) (int, error)         { return 0, io.EOF }
func (nobody) Write(b []byte) (int, error)      { return len(b), nil }
func (nobody) Close() error                     { return nil }
func (nobody) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (nobody) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (nobody) SetDeadline(time.Time) error      { return nil }
func (nobody) SetReadDeadline(time.Time) error  { return nil }
func (nobody) SetWriteDeadline(time.Time) error { return nil }

// FuzzHandle feeds one PDU of an ESME, of any contents, to a bound and to an
// unbound connection: it may be refused, but never brings the simulator down.
func FuzzHandle(f *testing.F) {
	for _, p := range []smpp.PDU{
		{Command: smpp.EnquireLink},
		{Command: smpp.Unbind},
		{Command: smpp.BindTransceiver, Body: &smpp.Bind{SystemID: systemID, Password: secretOf(password)}},
		{Command: smpp.SubmitSM, Body: mt("x")},
		{Command: smpp.DataSM, Body: mt("x")},
		{Command: smpp.SubmitSM, Body: &smpp.Message{ESMClass: smpp.ESMClassUDHI, RegisteredDelivery: 1, Payload: []byte("\x05\x00\x03\x01\x02\x02abc")}},
		{Command: smpp.DeliverSMResp, Body: new(smpp.MessageResp)},
		{Command: smpp.GenericNack},
		{Command: smpp.QuerySM, Body: &smpp.Query{MessageID: "1"}},
		{Command: smpp.CancelSM, Body: &smpp.Cancel{Source: smpp.Address{Addr: code}}},
		{Command: smpp.ReplaceSM, Body: &smpp.Replace{MessageID: "1", ScheduleTime: soon}},
		{Command: smpp.SubmitMulti, Body: &smpp.SubmitMultiple{Dests: []smpp.Destination{{DistributionList: "x"}, {}}}},
		{Command: smpp.SubmitSM, Body: &smpp.Message{Dest: smpp.Address{Addr: magic(315)}, RegisteredDelivery: 0x11, ValidityPeriod: soon}},
		{Command: smpp.SubmitSM, Body: ussdTo(2, menu)}, // a network-initiated question
		{Command: smpp.SubmitSM, Body: ussdTo(3, menu)},
		{Command: smpp.DataSM, Body: ussdTo(17, "")},
	} {
		p.Sequence = 1
		frame, err := smpp.Append(nil, p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame[4:], true)
		f.Add(frame[4:], false)
	}
	s := New(Config{Password: secretOf(password)}, discard())
	s.tap.open.Store(true)
	f.Fuzz(func(t *testing.T, b []byte, bound bool) {
		c := newConn(s, nobody{})
		if bound {
			c.account, c.bind = s.accounts[0], smpp.BindTransceiver
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nothing is pumped
		p, err := smpp.Decode(append(binary.BigEndian.AppendUint32(nil, uint32(len(b)+4)), b...))
		if bad := (*smpp.DecodeError)(nil); errors.As(err, &bad) {
			c.heardPDU(p, bad, len(b)+4)
			c.refuseBroken(bad)
		} else {
			c.heardPDU(p, nil, len(b)+4)
			c.handle(ctx, p)
		}
		c.close("end")
		c.group.Wait()
		for len(c.out) > 0 { // what is answered is a PDU
			it := <-c.out
			if p, err := smpp.Decode(it.frame); err != nil {
				t.Errorf("%v: %v", p.Command, err)
			}
			c.wrote(it.frame, false)
			if it.after != nil {
				it.after()
			}
		}
		s.clockUSSD(time.Now().Add(time.Hour)) // no session outlives it
		if n := s.ussd.count(); n != 0 {
			t.Errorf("%d sessions are open", n)
		}
	})
}

// ussdTo is a USSD message to alice: an operation and a text.
func ussdTo(op byte, text string) *smpp.Message {
	return &smpp.Message{
		ServiceType: "USSD", Source: smpp.Address{Addr: "*700#"}, Dest: address(alice), Payload: []byte(text),
		TLVs: smpp.TLVs{{Tag: smpp.TagUSSDServiceOp, Value: []byte{op}}, {Tag: smpp.TagITSSessionInfo, Value: []byte{7, 0}}},
	}
}

// What could be a PIN is in no view of the wire, whatever is around it.
func FuzzMaskPINs(f *testing.F) {
	for _, text := range []string{"BAL 1234", "1234", "0771000002", "12 34", "*700*1*4826#", "\u0661\u0662\u0663\u0664", "\xff1234\xff"} {
		f.Add(text, true)
		f.Add(text, false)
	}
	run := regexp.MustCompile(`\p{Nd}+`)
	f.Fuzz(func(t *testing.T, text string, part bool) {
		for _, seen := range []string{maskPINs(text, part), maskDialled("*700*" + text)} {
			for _, digits := range run.FindAllString(seen, -1) {
				if n := len([]rune(digits)); n >= 4 && n <= 6 {
					t.Errorf("%q is left of %q", digits, text)
				}
			}
		}
	})
}
