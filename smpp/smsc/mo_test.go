package smsc

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"starhash/smpp"
)

func TestMO(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	s := r.mo(MO{Text: "SEND 5 0771000002 {x}"})
	p, m := e.message()
	if got := text(t, m); got != "SEND 5 0771000002 {x}" {
		t.Errorf("text %q", got)
	}
	want := smpp.Address{TON: 1, NPI: 1, Addr: alice}
	if m.Source != want || m.Dest.Addr != code || m.ESMClass != 0 || m.DataCoding != smpp.CodingDefault {
		t.Errorf("%v", m)
	}
	if imsi, _ := m.TLVs.Get(imsiTLV); string(imsi) != aliceIMSI {
		t.Errorf("IMSI %q", imsi)
	}
	e.ack(p, smpp.StatusOK)
	res := s.result()
	if !res.OK() || !res.Done || !slices.Equal(res.Parts, []PartResult{{1, "ESME_ROK", StateAcked, 1}}) {
		t.Errorf("%+v", res)
	}
	if again := must(r.MO(t.Context(), res.ID))(t); !again.OK() {
		t.Errorf("GET /mo/%s: %+v", res.ID, again)
	}
}

// The IMSI of an MO: the phone's, after a SIM swap the new one, and the message's own
// before either.
func TestSIMSwap(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindReceiver)
	for _, tc := range []struct {
		from, sim, own, want string
	}{
		{alice, "", "", aliceIMSI},
		{alice, "648011000000099", "", "648011000000099"},
		{"+" + alice, "", "", "648011000000099"},
		{alice, "", "648011000000007", "648011000000007"},
		{"263771000055", "", "", ""}, // a phone that nobody knew
	} {
		if tc.sim != "" {
			if err := r.SetIMSI(t.Context(), tc.from, tc.sim); err != nil {
				t.Fatal(err)
			}
		}
		s := r.mo(MO{From: tc.from, Text: "BAL", IMSI: tc.own})
		p, m := e.message()
		e.ack(p, smpp.StatusOK)
		s.result()
		if imsi, _ := m.TLVs.Get(imsiTLV); string(imsi) != tc.want {
			t.Errorf("%+v: IMSI %q", tc, imsi)
		}
	}
	all := must(r.Phones(t.Context(), ""))(t)
	if want := []Phone{{MSISDN: alice, IMSI: "648011000000099"}, {MSISDN: "263771000055"}}; !slices.Equal(all, want) {
		t.Errorf("phones %v", all)
	}
	if behind := must(r.Phones(t.Context(), alice))(t); len(behind) != 1 {
		t.Errorf("behind the first: %v", behind)
	}
}

func TestMOFields(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindReceiver)
	cbs := byte(0x0F)
	s := r.mo(MO{Text: "*700#", ServiceType: "USSD", Command: "data_sm", DataCoding: &cbs,
		TLVs: []TLV{{Tag(smpp.TagUSSDServiceOp), Hex{1}}, {Tag(smpp.TagITSSessionInfo), Hex{0, 2}}}})
	p := e.want(smpp.DataSM)
	m := p.Body.(*smpp.Message)
	op, _ := m.TLVs.Get(smpp.TagUSSDServiceOp)
	session, _ := m.TLVs.Get(smpp.TagITSSessionInfo)
	if m.ServiceType != "USSD" || m.DataCoding != cbs || !bytes.Equal(op, []byte{1}) || !bytes.Equal(session, []byte{0, 2}) || string(m.Payload) != "*700#" {
		t.Errorf("%v op %x session %x", m, op, session)
	}
	e.write(smpp.PDU{Command: smpp.DeliverSMResp, Status: smpp.StatusPermAppErr, Sequence: p.Sequence}) // of another operation: does not count
	e.ack(p, smpp.StatusOK)
	if res := s.result(); !res.OK() || res.Parts[0].Tries != 1 {
		t.Errorf("%+v", res)
	}
}

// User data as it is, of any message type: what the simulator's own parts never are.
func TestMOHex(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindReceiver)
	for _, mo := range []MO{
		{Hex: Hex("\x05\x00\x03\x01\x02\x07x"), ESMClass: smpp.ESMClassUDHI},
		{Hex: Hex{0xFF}, ESMClass: 0x10}, // manual acknowledgement
		{Text: "x", ESMClass: 0x08},
	} {
		s := r.mo(mo)
		p, m := e.message()
		e.ack(p, smpp.StatusOK)
		s.result()
		if m.ESMClass != mo.ESMClass || len(mo.Hex) > 0 && !bytes.Equal(m.Payload, mo.Hex) {
			t.Errorf("%v, want %v", m, mo.ESMClass)
		}
	}
	long := r.mo(MO{Text: strings.Repeat("x", maxText), Split: "payload"})
	p, m := e.message()
	e.ack(p, smpp.StatusOK)
	if long.result(); len(m.Payload) != maxText {
		t.Errorf("%d octets", len(m.Payload))
	}
}

// What an ESME answers, and what becomes of the message.
func TestMOAnswers(t *testing.T) {
	r := start(t, func(c *Config) { c.MaxTries = 3 })
	e := r.bound(smpp.BindTransceiver)
	const nack = 1 << 31 // generic_nack with the status below
	for _, tc := range []struct {
		name    string
		answers []smpp.Status
		want    PartResult
	}{
		{"acked", []smpp.Status{smpp.StatusOK}, PartResult{1, "ESME_ROK", StateAcked, 1}},
		{"throttled", []smpp.Status{smpp.StatusThrottled, smpp.StatusOK}, PartResult{1, "ESME_ROK", StateAcked, 2}},
		{"store away", []smpp.Status{smpp.StatusTempAppErr, smpp.StatusTempAppErr, smpp.StatusOK}, PartResult{1, "ESME_ROK", StateAcked, 3}},
		{"queue full", []smpp.Status{smpp.StatusMsgQFul, smpp.StatusOK}, PartResult{1, "ESME_ROK", StateAcked, 2}},
		{"system error", []smpp.Status{smpp.StatusSysErr, smpp.StatusOK}, PartResult{1, "ESME_ROK", StateAcked, 2}},
		{"out of tries", []smpp.Status{smpp.StatusTempAppErr, smpp.StatusTempAppErr, smpp.StatusThrottled}, PartResult{1, "ESME_RTHROTTLED", StateExpired, 3}},
		{"permanent", []smpp.Status{smpp.StatusPermAppErr}, PartResult{1, "ESME_RX_P_APPN", StateRefused, 1}},
		{"rejected", []smpp.Status{smpp.StatusThrottled, smpp.StatusRejectAppErr}, PartResult{1, "ESME_RX_R_APPN", StateRefused, 2}},
		{"vendor's", []smpp.Status{0x401}, PartResult{1, "vendor status 0x401", StateRefused, 1}},
		{"generic_nack", []smpp.Status{nack | smpp.StatusInvCmdID}, PartResult{1, "ESME_RINVCMDID", StateRefused, 1}},
		{"generic_nack for now", []smpp.Status{nack | smpp.StatusThrottled, smpp.StatusOK}, PartResult{1, "ESME_ROK", StateAcked, 2}},
		{"generic_nack with status 0", []smpp.Status{nack}, PartResult{1, "ESME_RUNKNOWNERR", StateRefused, 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := r.mo(MO{Text: tc.name})
			for _, status := range tc.answers {
				p, m := e.message()
				if got := text(t, m); got != tc.name {
					t.Fatalf("text %q", got)
				}
				if status&nack != 0 {
					e.write(smpp.PDU{Command: smpp.GenericNack, Status: status &^ nack, Sequence: p.Sequence})
				} else {
					e.ack(p, status)
				}
			}
			if res := s.result(); res.Parts[0] != tc.want {
				t.Errorf("%+v, want %+v", res.Parts[0], tc.want)
			}
		})
	}
	if h := must(r.Health(t.Context()))(t); h.Queued != 0 || h.Binds != 1 {
		t.Errorf("%+v", h)
	}
}

// A submit_sm's answer with the number of a message in flight settles nothing.
func TestMONumberAlone(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	s := r.mo(MO{Text: "x"})
	p, _ := e.message()
	e.write(smpp.PDU{Command: smpp.SubmitSMResp, Sequence: p.Sequence, Body: new(smpp.MessageResp)})
	e.write(smpp.PDU{Command: smpp.DeliverSMResp, Sequence: p.Sequence + 1})
	e.ask(smpp.EnquireLink, nil)
	select {
	case <-s.done:
		t.Fatalf("settled: %+v", s.result())
	default:
	}
	e.ack(p, smpp.StatusOK)
	if res := s.result(); !res.OK() {
		t.Errorf("%+v", res)
	}
}

func TestMONoAnswer(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.ResponseTimeout, c.Window = 250*time.Millisecond, 1 })
	e := r.bound(smpp.BindReceiver)
	s := r.mo(MO{Text: "x"})
	first, _ := e.message()
	second, _ := e.message()
	if first.Sequence == second.Sequence {
		t.Error("the same sequence number")
	}
	e.ack(first, smpp.StatusOK) // too late, and not the one in flight
	third, _ := e.message()
	e.ack(third, smpp.StatusOK)
	if res := s.result(); !res.OK() || res.Parts[0].Tries != 3 {
		t.Errorf("%+v", res)
	}
}

// A message whose connection goes comes again on the next one, with the same contents.
func TestMORedeliveredAfterLoss(t *testing.T) {
	for name, lose := range map[string]func(*rig, *esme){
		"closed by the ESME": func(_ *rig, e *esme) { e.nc.Close() },
		"unbound by the ESME": func(_ *rig, e *esme) {
			if p := e.ask(smpp.Unbind, nil); p.Command != smpp.UnbindResp {
				e.t.Error(p.Command)
			}
		},
		"POST /drop": func(r *rig, e *esme) {
			if n := must(r.Drop(e.t.Context()))(e.t); n != 1 {
				e.t.Errorf("%d connections dropped", n)
			}
			e.closed()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			e := r.bound(smpp.BindReceiver)
			s := r.mo(MO{Text: "SEND 5"})
			_, before := e.message()
			lose(r, e)
			e = r.bound(smpp.BindTransceiver)
			p, after := e.message()
			if !bytes.Equal(encoded(t, before), encoded(t, after)) {
				t.Error("another message")
			}
			e.ack(p, smpp.StatusOK)
			if res := s.result(); !res.OK() || res.Parts[0].Tries != 2 {
				t.Errorf("%+v", res)
			}
		})
	}
}

func encoded(t *testing.T, m *smpp.Message) []byte {
	t.Helper()
	return must(smpp.Append(nil, smpp.PDU{Command: smpp.DeliverSM, Sequence: 1, Body: m}))(t)
}

// drop_after_mo: the ESME reads the whole message, its answer is lost.
func TestDropAfterMO(t *testing.T) {
	r := start(t)
	r.setFaults(Faults{DropAfterMO: 1})
	e := r.bound(smpp.BindTransceiver)
	s := r.mo(MO{Text: "SEND 5"})
	p, _ := e.message()
	e.ack(p, smpp.StatusOK)
	e.closed()
	if f := must(r.Faults(t.Context()))(t); f.DropAfterMO != 0 {
		t.Errorf("left: %d", f.DropAfterMO)
	}
	e = r.bound(smpp.BindTransceiver)
	p, _ = e.message()
	e.ack(p, smpp.StatusOK)
	if res := s.result(); !res.OK() || res.Parts[0].Tries != 2 {
		t.Errorf("%+v", res)
	}
}

func TestRedeliver(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	s := r.mo(MO{Text: strings.Repeat("long ", 40)})
	var first [][]byte
	for range 2 {
		p, m := e.message()
		first = append(first, encoded(t, m))
		e.ack(p, smpp.StatusOK)
	}
	again := r.redeliver(s.result().ID)
	for i := range 2 {
		p, m := e.message()
		if !bytes.Equal(first[i], encoded(t, m)) {
			t.Errorf("part %d is another", i+1)
		}
		e.ack(p, smpp.StatusOK)
	}
	if res := again.result(); !res.OK() || res.ID != s.r.ID {
		t.Errorf("%+v", res)
	}
	if _, err := r.Redeliver(t.Context(), "mo-99"); err == nil || !strings.Contains(err.Error(), `no message "mo-99"`) {
		t.Error(err)
	}
}

// Without a receiver a message waits; the request's own wait may end before.
func TestMOWaitsForReceiver(t *testing.T) {
	r := start(t)
	r.bound(smpp.BindTransmitter)
	s := r.mo(MO{Text: "x", Wait: Duration(10 * time.Millisecond)}).result()
	if want := (PartResult{1, "", StateWaiting, 0}); s.Done || s.OK() || s.Parts[0] != want {
		t.Fatalf("%+v", s)
	}
	e := r.bound(smpp.BindReceiver)
	p, _ := e.message()
	e.ack(p, smpp.StatusOK)
	r.until(func() bool { return must(r.MO(t.Context(), s.ID))(t).OK() })
}

func TestWindow(t *testing.T) {
	r := start(t, func(c *Config) { c.Window = 2 })
	e := r.bound(smpp.BindReceiver)
	var all []*sent
	for i := range 5 {
		all = append(all, r.mo(MO{Text: fmt.Sprint(i)}))
	}
	var flight []smpp.PDU
	for range 2 {
		p, _ := e.message()
		flight = append(flight, p)
	}
	e.silent(30 * time.Millisecond)
	for range 3 { // each answer makes room for one
		e.ack(flight[0], smpp.StatusOK)
		p, _ := e.message()
		flight = append(flight[1:], p)
	}
	for _, p := range flight {
		e.ack(p, smpp.StatusOK)
	}
	for _, s := range all {
		if !s.result().OK() {
			t.Errorf("%+v", s.r)
		}
	}
}

// Two receivers share the messages; a second account has its own.
func TestAccounts(t *testing.T) {
	r := start(t, func(c *Config) {
		c.Window = 1
		c.Accounts = []Account{{SystemID: "other", Password: secretOf("pw")}}
	})
	one, two := r.bound(smpp.BindReceiver), r.bound(smpp.BindReceiver)
	other := r.connect()
	if p := other.bind(smpp.BindTransceiver, "other", password); p.Status != smpp.StatusInvPaswd {
		t.Error(p.Status)
	}
	if p := other.bind(smpp.BindTransceiver, "other", "pw"); p.Status != smpp.StatusOK {
		t.Fatal(p.Status)
	}
	all := []*sent{r.mo(MO{Text: "a"}), r.mo(MO{Text: "b"}), r.mo(MO{Text: "c", SystemID: "other"})}
	for _, e := range []*esme{one, two, other} { // each has room for one
		p, _ := e.message()
		e.ack(p, smpp.StatusOK)
	}
	for _, s := range all {
		if !s.result().OK() {
			t.Errorf("%+v", s.r)
		}
	}
	if _, err := r.SendMO(t.Context(), MO{From: alice, To: code, SystemID: "nobody"}); err == nil || !strings.Contains(err.Error(), "system_id") {
		t.Error(err)
	}
}

func TestAlert(t *testing.T) {
	r := start(t)
	one, two := r.bound(smpp.BindReceiver), r.bound(smpp.BindTransceiver)
	r.bound(smpp.BindTransmitter)
	if n := must(r.SwitchOn(t.Context(), alice))(t); n != 2 {
		t.Errorf("%d receivers told", n)
	}
	for _, e := range []*esme{one, two} {
		a := e.want(smpp.CommandAlert).Body.(*smpp.AlertNotification)
		status, _ := a.TLVs.Get(smpp.TagMSAvailabilityStatus)
		imsi, _ := a.TLVs.Get(imsiTLV)
		if a.Source.Addr != alice || a.ESME.Addr != code || !bytes.Equal(status, []byte{0}) || string(imsi) != aliceIMSI {
			t.Errorf("%+v", a)
		}
	}
}

func TestRaw(t *testing.T) {
	r := start(t)
	if err := r.Raw(t.Context(), []byte{1}); err == nil || !strings.Contains(err.Error(), "no receiver is bound") {
		t.Error(err)
	}
	e := r.bound(smpp.BindReceiver)
	frame := must(smpp.Append(nil, smpp.PDU{Command: smpp.EnquireLink, Sequence: 4242}))(t)
	if err := r.Raw(t.Context(), frame); err != nil {
		t.Fatal(err)
	}
	if p := e.want(smpp.EnquireLink); p.Sequence != 4242 {
		t.Error(p.Sequence)
	}
}

// A seed gives the same references and message ids.
func TestSeed(t *testing.T) {
	run := func() (udh, id string) {
		r := start(t, func(c *Config) { c.Seed = 42 })
		defer r.stop()
		e := r.bound(smpp.BindTransceiver)
		s := r.mo(MO{Text: strings.Repeat("x", 161)})
		for range 2 {
			p, m := e.message()
			udh += fmt.Sprintf("%x ", m.Payload[:6])
			e.ack(p, smpp.StatusOK)
		}
		s.result()
		e.nc.Close()
		return udh, fmt.Sprint(r.nextID.Load())
	}
	udh, id := run()
	if udh2, id2 := run(); udh != udh2 || id != id2 {
		t.Errorf("%s %s, then %s %s", udh, id, udh2, id2)
	}
}
