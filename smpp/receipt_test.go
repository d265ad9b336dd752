package smpp

import (
	"strings"
	"testing"
	"time"
)

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
		{"a vendor's spelling inside other words", receipt("id:77 network_error:003 substatus:X stat:DELIVRD err:000"), Receipt{MessageID: "77", TextID: "77", State: "DELIVRD", Err: "000"}, true},
		{"empty fields before a vendor's spelling", receipt("id: status:DELIVRD submit_date: done_date: error:001"), Receipt{State: "DELIVRD", Err: "001"}, true},
		{"a vendor's state", receipt("id:77 stat:BUFFERD"), Receipt{MessageID: "77", State: "BUFFERD"}, true},
		{"parameters alone", receipt("", id, TLV{TagMessageState, []byte{5}}), Receipt{MessageID: "ABC", ParameterID: "ABC", State: "UNDELIV"}, true},
		{"parameters go first", receipt(usual, id, TLV{TagMessageState, []byte{3}}), Receipt{MessageID: "ABC", ParameterID: "ABC", TextID: "0123456789", State: "EXPIRED", Err: "000", Done: "2601021505"}, true},
		{"senseless parameters", receipt(usual, TLV{TagReceiptedMessageID, []byte{0}}, TLV{TagMessageState, []byte{99}}), Receipt{MessageID: "0123456789", State: "DELIVRD", Err: "000", Done: "2601021505"}, true},
		{"intermediate", &Message{ESMClass: ESMClassIntermediate, Payload: []byte("id:77 stat:ENROUTE")}, Receipt{MessageID: "77", State: "ENROUTE", Intermediate: true}, true},
		{"UCS2", &Message{ESMClass: ESMClassReceipt, DataCoding: CodingUCS2, Payload: []byte("\x00i\x00d\x00:\x007")}, Receipt{MessageID: "7"}, true},
		{"behind a user data header", &Message{ESMClass: ESMClassReceipt | ESMClassUDHI, Payload: []byte("\x00id:7")}, Receipt{MessageID: "7"}, true},
		{"Kannel", receipt("id:a1b2c3d4-0001 sub:001 dlvrd:001 submit date:2601021504 done date:2601021505 stat:DELIVRD err:000 text:Your PIN  "), Receipt{MessageID: "a1b2c3d4-0001", State: "DELIVRD", Err: "000", Done: "2601021505"}, true},
		{"Jasmin", receipt("id:3ba0e1bd-cf9d-4d9a-9d8e-2c1a4f7b8c11 submit date:2601021504 done date:2601021505 stat:UNDELIV err:99"), Receipt{MessageID: "3ba0e1bd-cf9d-4d9a-9d8e-2c1a4f7b8c11", State: "UNDELIV", Err: "99", Done: "2601021505"}, true},
		{"seconds and a hexadecimal error", receipt("id:00000000A1 sub:001 dlvrd:000 submit date:260102150405 done date:260102150506 stat:EXPIRED err:0x1B Text:x"), Receipt{MessageID: "00000000A1", State: "EXPIRED", Err: "0x1B", Done: "260102150506"}, true},
		{"underscores", receipt("id:77 submit_date:2601021504 done_date:2601021505 status:DELIVRD error:000"), Receipt{MessageID: "77", State: "DELIVRD", Err: "000", Done: "2601021505"}, true},
		{"quoted", receipt(`id:"77" stat:"DELIVRD" err:'001'`), Receipt{MessageID: "77", State: "DELIVRD", Err: "001"}, true},
		{"lines", receipt("id:77\r\nstat:REJECTD\r\nerr:042\r\ntext:"), Receipt{MessageID: "77", State: "REJECTD", Err: "042"}, true},
		{"commas", receipt("id:77,stat:DELETED,err:042,text:stat:DELIVRD"), Receipt{MessageID: "77", State: "DELETED", Err: "042"}, true},
		{"no blank after the last field", receipt("id:77 stat:ACCEPTD err:"), Receipt{MessageID: "77", State: "ACCEPTD"}, true},
		{"an id without end", receipt("id:" + strings.Repeat("7", 5000)), Receipt{MessageID: strings.Repeat("7", 64)}, true},
		{"network_error_code", receipt("id:77 stat:UNDELIV err:005", TLV{TagNetworkErrorCode, []byte{3, 0, 27}}), Receipt{MessageID: "77", State: "UNDELIV", Err: "005", Network: "GSM 0x001B"}, true},
		{"a network_error_code of none", receipt("id:77 stat:DELIVRD", TLV{TagNetworkErrorCode, []byte{3, 0, 0}}), Receipt{MessageID: "77", State: "DELIVRD"}, true},
		{"a network_error_code of the wrong length", receipt("id:77 stat:DELIVRD", TLV{TagNetworkErrorCode, []byte{3, 1}}), Receipt{MessageID: "77", State: "DELIVRD"}, true},

		{"typed by a subscriber", &Message{Payload: []byte(usual)}, Receipt{}, false},
		{"nothing in it", receipt("hello"), Receipt{}, false},
		{"empty", receipt(""), Receipt{}, false},
		{"a broken header", &Message{ESMClass: ESMClassReceipt | ESMClassUDHI, Payload: []byte("\xffid:7")}, Receipt{}, false},
	} {
		if tc.want.TextID == "" && tc.want.ParameterID == "" {
			tc.want.TextID = tc.want.MessageID
		}
		if got, ok := ParseReceipt(tc.m); got != tc.want || ok != tc.ok {
			t.Errorf("%s: %+v %v, want %+v %v", tc.name, got, ok, tc.want, tc.ok)
		}
	}
}

func FuzzParseReceipt(f *testing.F) {
	f.Add(byte(ESMClassReceipt), byte(0), []byte("id:0123 sub:001 dlvrd:001 submit date:2601021504 done date:2601021505 stat:DELIVRD err:000 text:x"))
	f.Add(byte(ESMClassReceipt|ESMClassUDHI), byte(8), []byte("\x00\x00i\x00d"))
	f.Add(byte(ESMClassReceipt), byte(0), []byte("id:\"0x1F\",status:DELIVRD|error:0x1B\r\ndone_date:260102150405"))
	f.Fuzz(func(t *testing.T, esmClass, coding byte, payload []byte) {
		r, ok := ParseReceipt(&Message{ESMClass: esmClass, DataCoding: coding, Payload: payload})
		if ok && r.MessageID == "" && r.State == "" {
			t.Fatal("a receipt that says nothing")
		}
		if kind := esmClass & ESMClassTypeMask; ok && kind != ESMClassReceipt && kind != ESMClassIntermediate {
			t.Fatal("a receipt that does not say it is one")
		}
		for _, field := range []string{r.MessageID, r.State, r.Err, r.Done} {
			if len(field) > 3*maxReceiptField || strings.ContainsAny(field, " \n") {
				t.Fatalf("a field %q", field)
			}
		}
		for _, spelling := range []string{idText, idDecimal, idHex} {
			c := BindConfig{ResponseIDs: spelling, ReceiptIDs: spelling}
			if id := c.ReceiptID(r); id != c.ResponseID(r.MessageID) {
				t.Fatalf("%s: %q of a receipt, %q of a response", spelling, id, c.ResponseID(r.MessageID))
			}
		}
	})
}

// The id of a submit_sm_resp and that of its receipt meet, however each is
// spelled, and those of two messages do not.
func TestMessageIDs(t *testing.T) {
	for _, tc := range []struct {
		name, responses, receipts string
		response                  string
		receipt                   Receipt
		same                      bool
	}{
		{"as it stands", "text", "text", "a_B-7", Receipt{MessageID: "a_B-7"}, true},
		{"text has case", "text", "text", "ab", Receipt{MessageID: "AB"}, false},
		{"text has leading zeros", "text", "text", "007", Receipt{MessageID: "7"}, false},
		{"hexadecimal there, decimal here", "hex", "decimal", "1F", Receipt{MessageID: "31"}, true},
		{"decimal there, hexadecimal here", "decimal", "hex", "31", Receipt{MessageID: "1f"}, true},
		{"leading zeros", "hex", "decimal", "0000001f", Receipt{MessageID: "0000000031"}, true},
		{"case", "hex", "hex", "ABCDEF", Receipt{MessageID: "0xabcdef"}, true},
		{"not the same number", "hex", "decimal", "31", Receipt{MessageID: "31"}, false},
		{"more than 64 bits", "hex", "decimal", "ffffffffffffffffff", Receipt{MessageID: "4722366482869645213695"}, true},
		{"no number", "decimal", "decimal", "SM-31", Receipt{MessageID: "SM-31"}, true},
		{"the parameter as in the response", "hex", "decimal", "1F", Receipt{MessageID: "1F", ParameterID: "1F", TextID: "31"}, true},
		{"the parameter as in the text", "hex", "decimal", "1F", Receipt{MessageID: "31", ParameterID: "31", TextID: "31"}, true},
		{"the parameter alone", "hex", "decimal", "31", Receipt{MessageID: "31", ParameterID: "31"}, true},
	} {
		c := BindConfig{ResponseIDs: tc.responses, ReceiptIDs: tc.receipts}
		if a, b := c.ResponseID(tc.response), c.ReceiptID(tc.receipt); (a == b) != tc.same {
			t.Errorf("%s: %q and %q", tc.name, a, b)
		}
	}
}

func TestValidityPeriod(t *testing.T) {
	now := time.Date(2026, 1, 2, 15, 4, 5, 0, time.FixedZone("", 7200))
	for _, tc := range []struct {
		form string
		left time.Duration
		want string
	}{
		{"relative", 24 * time.Hour, "000001000000000R"},
		{"relative", 90*time.Minute + 500*time.Millisecond, "000000013001000R"},
		{"relative", time.Second, "000000000100000R"},
		{"relative", -time.Hour, "000000000100000R"},
		{"absolute", 24 * time.Hour, "260103130405000+"},
		{"none", time.Hour, ""},
	} {
		c := BindConfig{ValidityPeriod: tc.form}
		if got := c.Validity(now.Add(tc.left), now); got != tc.want {
			t.Errorf("%s, %v left: %q, want %q", tc.form, tc.left, got, tc.want)
		}
	}
}

func TestReaches(t *testing.T) {
	c := BindConfig{Reaches: []string{"26377", "26378"}}
	for msisdn, want := range map[string]bool{"263771000001": true, "263781000001": true, "263711000001": false, "2637": false} {
		if c.CanReach(msisdn) != want {
			t.Errorf("%s: %v", msisdn, !want)
		}
	}
	if all := (BindConfig{}); !all.CanReach("263711000001") {
		t.Error("a bind without prefixes reaches nobody")
	}
}

func TestOutboundConfig(t *testing.T) {
	good := func(change func(*BindConfig)) []string {
		c := BindConfig{Name: "b", Address: "127.0.0.1:2775", SystemID: "x"}
		change(&c)
		c.SetDefaults()
		var keys []string
		for _, p := range c.Validate() {
			keys = append(keys, p.Key)
		}
		return keys
	}
	for want, change := range map[string]func(*BindConfig){
		"":                func(c *BindConfig) { c.Reaches, c.ReceiptIDs = []string{"263", "2637"}, "hex" },
		"response_ids":    func(c *BindConfig) { c.ResponseIDs = "octal" },
		"receipt_ids":     func(c *BindConfig) { c.ReceiptIDs = "Hex" },
		"validity_period": func(c *BindConfig) { c.ValidityPeriod = "never" },
		"smsc":            func(c *BindConfig) { c.SMSC = "a b" },
		"reaches[1]":      func(c *BindConfig) { c.Reaches = []string{"263", "+263"} },
		"reaches[0]":      func(c *BindConfig) { c.Reaches = []string{"0771"} },
	} {
		if got := strings.Join(good(change), " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
