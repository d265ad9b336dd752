package smsc

import (
	"encoding/binary"
	"testing"
	"time"

	"starhash/smpp"
)

func TestBind(t *testing.T) {
	r := start(t)
	for _, tc := range []struct {
		name      string
		mode      smpp.CommandID
		id, word  string
		want      smpp.Status
		wantShown string
	}{
		{"transceiver", smpp.BindTransceiver, systemID, password, smpp.StatusOK, "transceiver"},
		{"transmitter", smpp.BindTransmitter, systemID, password, smpp.StatusOK, "transmitter"},
		{"receiver", smpp.BindReceiver, systemID, password, smpp.StatusOK, "receiver"},
		{"wrong password", smpp.BindReceiver, systemID, "guess", smpp.StatusInvPaswd, ""},
		{"no password", smpp.BindReceiver, systemID, "", smpp.StatusInvPaswd, ""},
		{"wrong system_id", smpp.BindTransceiver, "who", password, smpp.StatusInvSysID, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := r.connect()
			p := e.bind(tc.mode, tc.id, tc.word)
			if p.Command != tc.mode.Response() || p.Status != tc.want {
				t.Fatalf("%s %s, want %s", p.Command, p.Status, tc.want)
			}
			shown := ""
			if all := must(r.Binds(t.Context()))(t); len(all) == 1 {
				shown = all[0].Mode
			}
			if shown != tc.wantShown {
				t.Errorf("GET /binds has %q", shown)
			}
			if tc.want == smpp.StatusOK {
				if v, _ := p.Body.(*smpp.BindResp).TLVs.Get(smpp.TagSCInterfaceVersion); len(v) != 1 || v[0] != 0x34 {
					t.Errorf("sc_interface_version %x", v)
				}
				if p = e.ask(smpp.Unbind, nil); p.Command != smpp.UnbindResp || p.Status != smpp.StatusOK {
					t.Errorf("%s %s after unbind", p.Command, p.Status)
				}
				e.closed()
				r.until(func() bool { return len(r.binds()) == 0 })
				return
			}
			if p = e.bind(tc.mode, systemID, password); p.Status != smpp.StatusOK {
				t.Errorf("the second attempt gets %s", p.Status)
			}
			e.nc.Close()
			r.until(func() bool { return len(r.binds()) == 0 })
		})
	}
}

func TestBindTwice(t *testing.T) {
	e := start(t).bound(smpp.BindTransmitter)
	if p := e.bind(smpp.BindReceiver, systemID, password); p.Command != smpp.BindReceiverResp || p.Status != smpp.StatusAlreadyBound {
		t.Fatalf("%s %s", p.Command, p.Status)
	}
	if p := e.ask(smpp.EnquireLink, nil); p.Status != smpp.StatusOK {
		t.Fatalf("the first bind is gone: %s", p.Status)
	}
}

// An ESME of SMPP 3.3 knows no optional parameters.
func TestBindVersion33(t *testing.T) {
	e := start(t).connect()
	p := e.ask(smpp.BindReceiver, &smpp.Bind{SystemID: systemID, Password: secretOf(password), InterfaceVersion: 0x33})
	if b := p.Body.(*smpp.BindResp); p.Status != smpp.StatusOK || len(b.TLVs) != 0 {
		t.Fatalf("%s, %d TLVs", p.Status, len(b.TLVs))
	}
}

func TestRefused(t *testing.T) {
	r := start(t)
	header := func(command uint32) []byte {
		b := binary.BigEndian.AppendUint32(nil, 16)
		b = binary.BigEndian.AppendUint32(b, command)
		b = binary.BigEndian.AppendUint32(b, 0)
		return binary.BigEndian.AppendUint32(b, 77)
	}
	text := &smpp.Message{Source: smpp.Address{Addr: code}, Dest: smpp.Address{Addr: alice}, Payload: []byte("x")}
	for _, tc := range []struct {
		name    string
		bind    smpp.CommandID // 0: none
		frame   []byte
		command smpp.CommandID // with text, where there is no frame
		want    smpp.CommandID
		status  smpp.Status
	}{
		{"submit_sm before bind", 0, nil, smpp.SubmitSM, smpp.SubmitSMResp, smpp.StatusInvBndSts},
		{"enquire_link before bind", 0, header(0x15), 0, smpp.EnquireLinkResp, smpp.StatusInvBndSts},
		{"unbind before bind", 0, header(0x06), 0, smpp.UnbindResp, smpp.StatusInvBndSts},
		{"submit_sm of a receiver", smpp.BindReceiver, nil, smpp.SubmitSM, smpp.SubmitSMResp, smpp.StatusInvBndSts},
		{"deliver_sm of an ESME", smpp.BindTransceiver, nil, smpp.DeliverSM, smpp.GenericNack, smpp.StatusInvCmdID},
		{"unknown operation", smpp.BindTransceiver, header(0x0BAD), 0, smpp.GenericNack, smpp.StatusInvCmdID},
		{"query_sm without a body", smpp.BindTransceiver, header(0x03), 0, smpp.QuerySMResp, smpp.StatusInvCmdLen},
		{"cancel_sm without a body", smpp.BindTransceiver, header(0x08), 0, smpp.CancelSMResp, smpp.StatusInvCmdLen},
		{"replace_sm without a body", smpp.BindTransceiver, header(0x07), 0, smpp.ReplaceSMResp, smpp.StatusInvCmdLen},
		{"submit_multi without a body", smpp.BindTransceiver, header(0x21), 0, smpp.SubmitMultiResp, smpp.StatusInvCmdLen},
		{"submit_sm without a body", smpp.BindTransceiver, header(0x04), 0, smpp.SubmitSMResp, smpp.StatusInvCmdLen},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := r.connect()
			if tc.bind != 0 {
				e.bind(tc.bind, systemID, password)
			}
			seq := uint32(77)
			if tc.frame != nil {
				e.bytes(tc.frame)
			} else {
				seq = e.send(tc.command, text)
			}
			if p := e.next(); p.Command != tc.want || p.Status != tc.status || p.Sequence != seq {
				t.Fatalf("%s %s %d, want %s %s %d", p.Command, p.Status, p.Sequence, tc.want, tc.status, seq)
			}
			if tc.bind == 0 { // it lives
				if p := e.bind(smpp.BindTransceiver, systemID, password); p.Status != smpp.StatusOK {
					t.Error(p.Status)
				}
			} else if p := e.ask(smpp.EnquireLink, nil); p.Status != smpp.StatusOK {
				t.Error(p.Status)
			}
		})
	}
}

func TestUnfollowableStream(t *testing.T) {
	r := start(t)
	for name, head := range map[string][]byte{
		"too long":  {0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9},
		"too short": {0, 0, 0, 5, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9},
	} {
		t.Run(name, func(t *testing.T) {
			e := r.bound(smpp.BindTransceiver)
			e.bytes(head)
			if p := e.want(smpp.GenericNack); p.Status != smpp.StatusInvCmdLen {
				t.Error(p.Status)
			}
			e.closed()
		})
	}
}

func TestNoBind(t *testing.T) {
	start(t, func(c *Config) { c.BindTimeout = 50 * time.Millisecond }).connect().closed()
}

// A connection that asks and asks without binding is closed all the same.
func TestNeverBinds(t *testing.T) {
	e := start(t, func(c *Config) { c.BindTimeout = 300 * time.Millisecond }).connect()
	for range 3 {
		e.ask(smpp.EnquireLink, nil)
	}
	e.closed()
}

func TestEnquireLink(t *testing.T) {
	r := start(t, func(c *Config) { c.EnquireLink, c.ResponseTimeout = 20*time.Millisecond, 300*time.Millisecond })
	e := r.bound(smpp.BindTransmitter)
	for range 3 {
		p := e.want(smpp.EnquireLink)
		e.write(smpp.PDU{Command: smpp.EnquireLinkResp, Sequence: p.Sequence})
	}
	e.want(smpp.EnquireLink)
	e.closed() // not answered
}

func TestStopUnbinds(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindReceiver)
	unbound := r.connect()
	go r.stop()
	p := e.want(smpp.Unbind)
	e.write(smpp.PDU{Command: smpp.UnbindResp, Sequence: p.Sequence})
	e.closed()
	unbound.closed()
	r.stop()
}

func TestBindFault(t *testing.T) {
	r := start(t)
	r.setFaults(Faults{BindStatus: "ESME_RBINDFAIL", NoEnquireResp: Always})
	if p := r.connect().bind(smpp.BindReceiver, systemID, password); p.Status != smpp.StatusBindFail {
		t.Fatal(p.Status)
	}
	r.setFaults(Faults{NoEnquireResp: Always})
	e := r.bound(smpp.BindReceiver)
	e.send(smpp.EnquireLink, nil)
	if p := e.ask(smpp.Unbind, nil); p.Command != smpp.UnbindResp {
		t.Fatal(p.Command)
	}
}

// until waits for a condition that no event tells.
func (r *rig) until(is func() bool) {
	r.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !is(); <-tick.C {
		if time.Now().After(end) {
			r.t.Fatal("waited in vain")
		}
	}
}
