package ussd

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"starhash/smpp"
)

func TestFits(t *testing.T) {
	tests := []struct {
		name, text string
		want       bool
	}{
		{"empty", "", true},
		{"182 septets", strings.Repeat("a", 182), true},
		{"183 septets", strings.Repeat("a", 183), false},
		{"91 escapes", strings.Repeat("€", 91), true},
		{"92 escapes", strings.Repeat("€", 92), false},
		{"80 of UCS2", strings.Repeat("ж", 80), true},
		{"81 of UCS2", strings.Repeat("ж", 81), false},
		{"one character that forces UCS2", "ж" + strings.Repeat("a", 80), false},
		{"40 surrogate pairs", strings.Repeat("😀", 40), true},
		{"41 surrogate pairs", strings.Repeat("😀", 41), false},
	}
	for _, tt := range tests {
		if got := Fits(tt.text); got != tt.want {
			t.Errorf("%s: Fits is %v", tt.name, got)
		}
	}
}

func request(op ...byte) *smpp.Message {
	return &smpp.Message{
		ServiceType: "USSD",
		Source:      smpp.Address{TON: 1, NPI: 1, Addr: "263771000001"},
		Dest:        smpp.Address{Addr: "700"},
		Payload:     []byte("*700#"),
		TLVs: smpp.TLVs{
			{Tag: smpp.TagITSSessionInfo, Value: []byte{7, 0x10}},
			{Tag: smpp.TagUSSDServiceOp, Value: op},
			{Tag: 0x1502, Value: []byte("648010000000001")}, // IMSI: not ours to send back
			{Tag: 0x1501, Value: []byte{1, 2, 3, 4}},
			{Tag: smpp.TagUserMessageReference, Value: []byte{0, 9}},
		},
	}
}

func TestFinalScreen(t *testing.T) {
	for _, op := range []byte{1, 18} {
		in := request(op)
		out, err := FinalScreen(in, "Send HELP to 7001")
		if err != nil {
			t.Fatalf("operation %d: %v", op, err)
		}
		want := &smpp.Message{
			ServiceType: "USSD",
			Source:      smpp.Address{Addr: "700"},
			Dest:        smpp.Address{TON: 1, NPI: 1, Addr: "263771000001"},
			Payload:     []byte("Send HELP to 7001"),
			TLVs: smpp.TLVs{
				{Tag: smpp.TagUSSDServiceOp, Value: []byte{0x11}}, // 17 decimal
				{Tag: smpp.TagITSSessionInfo, Value: []byte{7, 0x10}},
				{Tag: 0x1501, Value: []byte{1, 2, 3, 4}},
				{Tag: smpp.TagUserMessageReference, Value: []byte{0, 9}},
			},
		}
		if !reflect.DeepEqual(out, want) {
			t.Errorf("operation %d: got %v, want %v", op, out, want)
		}
		in.TLVs[0].Value[0] = 0 // a delivery is wiped once it is answered
		if out.TLVs[1].Value[0] != 7 {
			t.Error("the answer shares memory with the request")
		}
	}
}

func TestFinalScreenRefuses(t *testing.T) {
	noAnswer := []byte{2, 16, 17, 19, 33, 129}
	for _, op := range noAnswer {
		if _, err := FinalScreen(request(op), "x"); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("operation %d: %v, want ErrNoAnswer", op, err)
		}
	}
	if _, err := FinalScreen(request(1), strings.Repeat("a", 183)); !errors.Is(err, ErrTooLong) {
		t.Errorf("183 septets: %v, want ErrTooLong", err)
	}
	for _, op := range [][]byte{{}, {1, 1}} {
		if _, err := FinalScreen(request(op...), "x"); err == nil {
			t.Errorf("ussd_service_op of %d octets was answered", len(op))
		}
	}
	if _, err := FinalScreen(&smpp.Message{}, "x"); err == nil {
		t.Error("an SMS was answered as USSD")
	}
}

func TestIsRequest(t *testing.T) {
	if !IsRequest(request(1)) || !IsRequest(request(129)) {
		t.Error("a message of a USSD session was taken for an SMS")
	}
	if IsRequest(&smpp.Message{TLVs: smpp.TLVs{{Tag: smpp.TagITSSessionInfo, Value: []byte{1, 2}}}}) {
		t.Error("an SMS was taken for a USSD request")
	}
}
