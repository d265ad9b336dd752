package smpp

import "testing"

func TestParseReceipt(t *testing.T) {
	const usual = "id:0123456789 sub:001 dlvrd:001 submit date:2601021504 done date:2601021505 stat:DELIVRD err:000 text:you have sent"
	receipt := func(text string, ts ...TLV) *Message {
		return &Message{ESMClass: ESMClassReceipt, Payload: []byte(text), TLVs: ts}
	}
	id := TLV{TagReceiptedMessageID, []byte("ABC\x00")}
	for _, tc := range []struct {
		name string
		m    *Message
		want Receipt
		ok   bool
	}{
		{"as in appendix B", receipt(usual), Receipt{MessageID: "0123456789", State: "DELIVRD", Err: "000", Done: "2601021505"}, true},
		{"other order and case, no text", receipt("Stat:undeliv Err:0A1 ID:a_b-C"), Receipt{MessageID: "a_b-C", State: "UNDELIV", Err: "0A1"}, true},
		{"blanks behind the colons", receipt("id: 77 stat: EXPIRED err: 001"), Receipt{MessageID: "77", State: "EXPIRED", Err: "001"}, true},
		{"empty fields", receipt("id:77 submit date: done date: stat:ACCEPTD err: text:"), Receipt{MessageID: "77", State: "ACCEPTD"}, true},
		{"the text quotes a receipt", receipt("id:77 stat:REJECTD text:id:88 stat:DELIVRD err:111"), Receipt{MessageID: "77", State: "REJECTD"}, true},
		{"keys inside other words", receipt("xid:88 id:77 mystat:X stat:DELIVRD"), Receipt{MessageID: "77", State: "DELIVRD"}, true},
		{"a vendor's state", receipt("id:77 stat:BUFFERD"), Receipt{MessageID: "77", State: "BUFFERD"}, true},
		{"parameters alone", receipt("", id, TLV{TagMessageState, []byte{5}}), Receipt{MessageID: "ABC", State: "UNDELIV"}, true},
		{"parameters go first", receipt(usual, id, TLV{TagMessageState, []byte{3}}), Receipt{MessageID: "ABC", State: "EXPIRED", Err: "000", Done: "2601021505"}, true},
		{"senseless parameters", receipt(usual, TLV{TagReceiptedMessageID, []byte{0}}, TLV{TagMessageState, []byte{99}}), Receipt{MessageID: "0123456789", State: "DELIVRD", Err: "000", Done: "2601021505"}, true},
		{"intermediate", &Message{ESMClass: ESMClassIntermediate, Payload: []byte("id:77 stat:ENROUTE")}, Receipt{MessageID: "77", State: "ENROUTE", Intermediate: true}, true},
		{"UCS2", &Message{ESMClass: ESMClassReceipt, DataCoding: CodingUCS2, Payload: []byte("\x00i\x00d\x00:\x007")}, Receipt{MessageID: "7"}, true},
		{"behind a user data header", &Message{ESMClass: ESMClassReceipt | ESMClassUDHI, Payload: []byte("\x00id:7")}, Receipt{MessageID: "7"}, true},

		{"typed by a subscriber", &Message{Payload: []byte(usual)}, Receipt{}, false},
		{"nothing in it", receipt("hello"), Receipt{}, false},
		{"empty", receipt(""), Receipt{}, false},
		{"a broken header", &Message{ESMClass: ESMClassReceipt | ESMClassUDHI, Payload: []byte("\xffid:7")}, Receipt{}, false},
	} {
		if got, ok := ParseReceipt(tc.m); got != tc.want || ok != tc.ok {
			t.Errorf("%s: %+v %v, want %+v %v", tc.name, got, ok, tc.want, tc.ok)
		}
	}
}

func FuzzParseReceipt(f *testing.F) {
	f.Add(byte(ESMClassReceipt), byte(0), []byte("id:0123 sub:001 dlvrd:001 submit date:2601021504 done date:2601021505 stat:DELIVRD err:000 text:x"))
	f.Add(byte(ESMClassReceipt|ESMClassUDHI), byte(8), []byte("\x00\x00i\x00d"))
	f.Fuzz(func(t *testing.T, esmClass, coding byte, payload []byte) {
		r, ok := ParseReceipt(&Message{ESMClass: esmClass, DataCoding: coding, Payload: payload})
		if ok && r.MessageID == "" && r.State == "" {
			t.Fatal("a receipt that says nothing")
		}
		if kind := esmClass & ESMClassTypeMask; ok && kind != ESMClassReceipt && kind != ESMClassIntermediate {
			t.Fatal("a receipt that does not say it is one")
		}
	})
}
