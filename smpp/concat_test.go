package smpp

import (
	"errors"
	"testing"
)

func TestPartOf(t *testing.T) {
	udh := func(payload string) *Message {
		return &Message{ESMClass: ESMClassUDHI, Payload: []byte(payload)}
	}
	sar := func(ts ...TLV) *Message { return &Message{Payload: []byte("text"), TLVs: ts} }
	ref, total, seq := TLV{TagSARMsgRefNum, []byte{1, 2}}, TLV{TagSARTotalSegments, []byte{3}}, TLV{TagSARSegmentSeqnum, []byte{2}}
	for _, tc := range []struct {
		name string
		m    *Message
		want Part // Kind 0: a message of one part
		text string
		bad  bool
	}{
		{name: "no header", m: &Message{Payload: []byte("text")}, text: "text"},
		{name: "octets like a header without the bit", m: &Message{Payload: []byte("\x05\x00\x03\x2a\x02\x01x")}, text: "\x05\x00\x03\x2a\x02\x01x"},
		{name: "8-bit reference", m: udh("\x05\x00\x03\x2a\x03\x02text"), want: Part{Ref: 0x2A, Total: 3, Seq: 2, Kind: UDH8}, text: "text"},
		{name: "16-bit reference", m: udh("\x06\x08\x04\x01\x2a\x03\x02text"), want: Part{Ref: 0x12A, Total: 3, Seq: 2, Kind: UDH16}, text: "text"},
		{name: "behind another element", m: udh("\x09\x24\x02\x01\x02\x00\x03\x2a\x03\x02text"), want: Part{Ref: 0x2A, Total: 3, Seq: 2, Kind: UDH8}, text: "text"},
		{name: "the last of two counts", m: udh("\x0a\x00\x03\x2a\x03\x02\x00\x03\x2b\x02\x01text"), want: Part{Ref: 0x2B, Total: 2, Seq: 1, Kind: UDH8}, text: "text"},
		{name: "another element only", m: udh("\x04\x24\x02\x01\x02text"), text: "text"},
		{name: "an empty header", m: udh("\x00text"), text: "text"},
		{name: "an empty part", m: udh("\x05\x00\x03\x2a\x03\x02"), want: Part{Ref: 0x2A, Total: 3, Seq: 2, Kind: UDH8}},
		{name: "1 of 1", m: udh("\x05\x00\x03\x2a\x01\x01text"), text: "text"},
		{name: "SAR", m: sar(ref, total, seq), want: Part{Ref: 0x0102, Total: 3, Seq: 2, Kind: SAR}, text: "text"},
		{name: "SAR, 1 of 1", m: sar(ref, TLV{TagSARTotalSegments, []byte{1}}, TLV{TagSARSegmentSeqnum, []byte{1}}), text: "text"},

		{name: "no payload", m: udh(""), bad: true},
		{name: "a header longer than the payload", m: udh("\x05\x00\x03\x2a"), bad: true},
		{name: "an element longer than the header", m: udh("\x05\x00\x04\x2a\x03\x02text"), bad: true},
		{name: "half an element", m: udh("\x01\x00text"), bad: true},
		{name: "a concatenation of two octets", m: udh("\x04\x00\x02\x2a\x03text"), bad: true},
		{name: "part 5 of 1", m: udh("\x05\x00\x03\x2a\x01\x05text"), bad: true},
		{name: "part 0", m: udh("\x05\x00\x03\x2a\x03\x00text"), bad: true},
		{name: "of 0", m: udh("\x05\x00\x03\x2a\x00\x01text"), bad: true},
		{name: "0 of 0", m: udh("\x05\x00\x03\x2a\x00\x00text"), bad: true},
		{name: "SAR without a number", m: sar(ref, total), bad: true},
		{name: "SAR with a short reference", m: sar(TLV{TagSARMsgRefNum, []byte{1}}, total, seq), bad: true},
		{name: "SAR, part 4 of 3", m: sar(ref, total, TLV{TagSARSegmentSeqnum, []byte{4}}), bad: true},
	} {
		p, ok, err := PartOf(tc.m)
		if tc.bad {
			if !errors.Is(err, ErrPart) || ok {
				t.Errorf("%s: %+v, %v, %v, want an error", tc.name, p, ok, err)
			}
			continue
		}
		if err != nil || ok != (tc.want.Kind != 0) {
			t.Errorf("%s: %v, %v", tc.name, ok, err)
			continue
		}
		if ok {
			if string(p.Text) != tc.text {
				t.Errorf("%s: text %q", tc.name, p.Text)
			}
			p.Text = nil
			if p.Ref != tc.want.Ref || p.Total != tc.want.Total || p.Seq != tc.want.Seq || p.Kind != tc.want.Kind {
				t.Errorf("%s: %+v, want %+v", tc.name, p, tc.want)
			}
		}
		if text, err := UserText(tc.m); err != nil || string(text) != tc.text {
			t.Errorf("%s: UserText %q, %v", tc.name, text, err)
		}
	}
}

func FuzzPartOf(f *testing.F) {
	f.Add([]byte("\x05\x00\x03\x2a\x03\x02text"), []byte(nil), true)
	f.Add([]byte("\x06\x08\x04\x01\x2a\x03\x02text"), []byte(nil), true)
	f.Add([]byte("text"), []byte{1, 2, 3, 2}, false)
	f.Fuzz(func(t *testing.T, payload, sar []byte, udhi bool) {
		m := &Message{Payload: payload}
		if udhi {
			m.ESMClass = ESMClassUDHI
		}
		if len(sar) > 3 {
			m.TLVs = TLVs{{TagSARMsgRefNum, sar[:2]}, {TagSARTotalSegments, sar[2:3]}, {TagSARSegmentSeqnum, sar[3:]}}
		}
		p, ok, err := PartOf(m)
		if err != nil && (ok || !errors.Is(err, ErrPart)) {
			t.Fatalf("%v with %v", ok, err)
		}
		if ok && (p.Total < 2 || p.Seq < 1 || p.Seq > p.Total || len(p.Text) > len(payload)) {
			t.Fatalf("%+v", p)
		}
		if text, err := UserText(m); ok && (err != nil || string(text) != string(p.Text)) {
			t.Fatalf("UserText %q, %v; part %q", text, err, p.Text)
		}
	})
}
