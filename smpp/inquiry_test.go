package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"starhash/configs/secret"
)

// inquiries are PDUs of each body of inquiry.go.
func inquiries() []PDU {
	from, to := Address{0, 1, "7001"}, Address{1, 1, "263771000001"}
	multi := func(payload string) *SubmitMultiple {
		return &SubmitMultiple{
			Message: Message{ServiceType: "CMT", Source: from, ESMClass: 3, ProtocolID: 1, PriorityFlag: 2, ScheduleTime: "000000000000000R", ValidityPeriod: "000001000000000R",
				RegisteredDelivery: 1, DataCoding: 8, SMDefaultMsgID: 4, Payload: []byte(payload), TLVs: TLVs{{TagUserMessageReference, []byte{0, 7}}}},
			Dests: []Destination{{Address: to}, {DistributionList: "friends"}},
		}
	}
	return []PDU{
		{QuerySM, 0, 1, &Query{"m1", from}},
		{QuerySMResp, 0, 1, &QueryResp{"m1", "260131120000000+", StateDelivered, 9}},
		{QuerySMResp, StatusInvMsgID, 1, new(QueryResp)},
		{CancelSM, 0, 1, &Cancel{"CMT", "m1", from, to}},
		{CancelSMResp, 0, 1, nil},
		{ReplaceSM, 0, 1, &Replace{"m1", from, "", "000001000000000R", 1, 2, []byte("4815")}},
		{ReplaceSMResp, StatusReplaceFail, 1, nil},
		{SubmitMulti, 0, 1, multi("short")},
		{SubmitMulti, 0, 1, multi(strings.Repeat("long", 100))},
		{SubmitMultiResp, 0, 1, &SubmitMultipleResp{MessageID: "m1", Unsuccessful: []UnsuccessfulDelivery{{to, StatusInvDstAdr}}}},
	}
}

func TestInquiries(t *testing.T) {
	for _, p := range inquiries() {
		frame := appended(t, p)
		got, err := Decode(frame)
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%s: %+v %v", p.Command, got, err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v", p.Body, p), "4815") {
			t.Errorf("%s prints its payload", p.Command)
		}
		// Cut short anywhere: refused, or read as what it then is, never a panic.
		for n := HeaderLen; n < len(frame); n++ {
			cut := bytes.Clone(frame[:n])
			binary.BigEndian.PutUint32(cut, uint32(n))
			if got, err := Decode(cut); err == nil {
				if again := appended(t, got); !bytes.HasPrefix(again[8:], cut[8:HeaderLen]) {
					t.Errorf("%s cut at %d: %+v", p.Command, n, got)
				}
			}
		}
		p.Command = SubmitSM
		if _, err := Append(nil, p); err == nil {
			t.Errorf("%T in a submit_sm", p.Body)
		}
	}
}

func TestInquiriesRefused(t *testing.T) {
	multi := func(dests string) []byte { // service_type, source, then
		body := "\x00\x00\x00\x00" + dests
		frame := header(SubmitMulti, 0, 1)
		frame = append(frame, body...)
		binary.BigEndian.PutUint32(frame, uint32(len(frame)))
		return frame
	}
	for _, tc := range []struct {
		name  string
		frame []byte
		want  Status
		as    CommandID
	}{
		{"no destination", multi("\x00"), StatusInvNumDests, SubmitMultiResp},
		{"255 destinations", multi("\xff"), StatusInvNumDests, SubmitMultiResp},
		{"dest_flag 3", multi("\x01\x03"), StatusInvDestFlag, SubmitMultiResp},
		{"a list without a name", multi("\x01\x02\x00"), StatusInvDLName, SubmitMultiResp},
		{"a long address", multi("\x01\x01\x00\x00" + strings.Repeat("1", 21) + "\x00"), StatusInvDstAdr, SubmitMultiResp},
		{"a long name of a list", multi("\x01\x02" + strings.Repeat("l", 21) + "\x00"), StatusInvDLName, SubmitMultiResp},
		{"a text that ends early", multi("\x01\x02l\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02x"), StatusInvMsgLen, SubmitMultiResp},
		{"no body", header(QuerySM, 0, 1), StatusInvCmdLen, QuerySMResp},
	} {
		_, err := Decode(tc.frame)
		var bad *DecodeError
		if !errors.As(err, &bad) || bad.Status != tc.want {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
			continue
		}
		if answer, ok := bad.Answer(); !ok || answer.Command != tc.as {
			t.Errorf("%s: answered with %s", tc.name, answer.Command)
		}
	}
	for name, b := range map[string]Body{
		"no destination":        &SubmitMultiple{},
		"255 destinations":      &SubmitMultiple{Dests: make([]Destination, 255)},
		"a long replacement":    &Replace{Payload: make([]byte, 255)},
		"a message_id too long": &Query{MessageID: strings.Repeat("1", 65)},
	} {
		command := map[string]CommandID{"*smpp.SubmitMultiple": SubmitMulti, "*smpp.Replace": ReplaceSM, "*smpp.Query": QuerySM}[fmt.Sprintf("%T", b)]
		if _, err := Append(nil, PDU{Command: command, Body: b}); err == nil || errors.Is(err, errBody) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMessageState(t *testing.T) {
	for s, want := range map[MessageState]string{StateEnroute: "ENROUTE", StateRejected: "REJECTD", 0: "UNKNOWN", 9: "UNKNOWN"} {
		if s.String() != want {
			t.Errorf("%d: %s", s, s)
		}
	}
}

func TestWhatNobodyTakesIsWiped(t *testing.T) {
	m := mo("263771", "SEND 5 0772 4815")
	payload := func(b Body) []byte {
		switch b := b.(type) {
		case *Message:
			return b.Payload
		case *SubmitMultiple:
			return b.Payload
		case *Replace:
			return b.Payload
		case *Outbind:
			return b.Password.Reveal()
		}
		return b.(*Bind).Password.Reveal()
	}
	for c, b := range map[CommandID]Body{
		DataSM:         m,
		SubmitMulti:    &SubmitMultiple{Message: *m, Dests: make([]Destination, 1)},
		ReplaceSM:      &Replace{Payload: m.Payload},
		CommandOutbind: &Outbind{Password: secret.New([]byte("4815"))},
		BindReceiver:   &Bind{Password: secret.New([]byte("4815"))},
	} {
		p, err := Decode(appended(t, PDU{Command: c, Sequence: 1, Body: b}))
		if err != nil {
			t.Fatal(err)
		}
		octets := payload(p.Body)
		if !bytes.Contains(octets, []byte("4815")) {
			t.Fatalf("%s: decoded as %q", c, octets)
		}
		p.wipe()
		if len(bytes.Trim(octets, "\x00")) > 0 {
			t.Errorf("%s: %q is left", c, octets)
		}
	}
}
