package smpp

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAppendText(t *testing.T) {
	for _, tc := range []struct {
		coding  byte
		payload string
		want    string
	}{
		{0x00, "SEND 5", "SEND 5"},
		{0x00, "\x00\x01\x02\x1b\x65", "@£$€"},
		{0x00, "a\x1b", "a "},         // an escape at the end
		{0x00, "a\x1b\x1bb", "a b"},   // an escape to a table that does not exist
		{0x00, "\x1bA", "A"},          // an escape to nothing shows the basic character
		{0x00, "\x80", "\uFFFD"},      // not a septet
		{0x00, "\x1b\x80", "\uFFFD"},  // nor behind an escape
		{0x01, "@$\x80", "@$\uFFFD"},  // IA5 is not GSM
		{0x03, "\xe9\x80", "é\u0080"}, // Latin-1, not Windows-1252
		{0x08, "\x00A\x20\xac", "A€"},
		{0x08, "\xd8\x3d\xde\x00", "😀"},
		{0x08, "\xd8\x3d\x00A", "\uFFFDA"}, // half a pair
		{0x08, "\xde\x00\x00A", "\uFFFDA"}, // the other half
		{0x08, "\x00A\xd8\x3d", "A\uFFFD"}, // half a pair at the end
		{0x08, "\x00A\x00", "A\uFFFD"},     // half a unit
		{0x10, "\x00", "@"},                // GSM, class 0
		{0x18, "\x00A", "A"},               // UCS2, class 0
		{0xF0, "\x00", "@"},                // GSM, class 0
		{0x0F, "\x00", "@"},                // USSD's "language unspecified"
		{0x48, "\x00A", "A"},               // UCS2, to be deleted, and USSD's
		{0xD0, "\x00", "@"},                // message waiting, GSM
		{0xE0, "\x00A", "A"},               // message waiting, UCS2
	} {
		got, err := AppendText([]byte("> "), tc.coding, []byte(tc.payload))
		if err != nil || string(got) != "> "+tc.want {
			t.Errorf("%02X %q: %q, %v, want %q", tc.coding, tc.payload, got, err, tc.want)
		}
	}
	for _, coding := range []byte{0x02, 0x04, 0x05, 0x06, 0x14, 0x1C, 0x20, 0x7C, 0x80, 0xC0, 0xF4, 0xFF} {
		got, err := AppendText([]byte("> "), coding, []byte("x"))
		if !errors.Is(err, ErrCoding) || string(got) != "> " {
			t.Errorf("%02X: %q, %v", coding, got, err)
		}
	}
}

func TestEncodingOf(t *testing.T) {
	udh := func(header string) *Message {
		return &Message{ESMClass: ESMClassUDHI, Payload: []byte(header + "text")}
	}
	class0 := udh("\x03\x24\x01\x01")
	class0.DataCoding = 0x10
	ucs2 := udh("\x03\x24\x01\x01")
	ucs2.DataCoding = CodingUCS2
	for _, tc := range []struct {
		name string
		m    *Message
		def  Alphabet
		want Encoding
	}{
		{"nothing said", &Message{}, 0, Encoding{Alphabet: AlphabetGSM}},
		{"GSM is the default", &Message{}, AlphabetGSM, Encoding{Alphabet: AlphabetGSM}},
		{"Latin-1 is the default", &Message{}, AlphabetLatin1, Encoding{Alphabet: AlphabetLatin1}},
		{"ASCII is the default", &Message{}, AlphabetASCII, Encoding{Alphabet: AlphabetASCII}},
		{"UCS2 whatever the default", &Message{DataCoding: CodingUCS2}, AlphabetLatin1, Encoding{Alphabet: AlphabetUCS2}},
		{"GSM with a class whatever the default", &Message{DataCoding: 0xF1}, AlphabetLatin1, Encoding{Alphabet: AlphabetGSM}},
		{"8-bit data", &Message{DataCoding: 4}, 0, Encoding{}},
		{"single shift", udh("\x03\x24\x01\x01"), 0, Encoding{AlphabetGSM, NoLanguage, Turkish}},
		{"locking shift", udh("\x03\x25\x01\x06"), 0, Encoding{AlphabetGSM, Hindi, NoLanguage}},
		{"both, behind a concatenation", udh("\x0b\x00\x03\x01\x02\x01\x25\x01\x0d\x24\x01\x03"), 0, Encoding{AlphabetGSM, Urdu, Portuguese}},
		{"with a class", class0, 0, Encoding{AlphabetGSM, NoLanguage, Turkish}},
		{"the last of two counts", udh("\x06\x24\x01\x01\x24\x01\x02"), 0, Encoding{AlphabetGSM, NoLanguage, Spanish}},
		{"an unknown language is skipped", udh("\x06\x24\x01\x01\x24\x01\x0e"), 0, Encoding{AlphabetGSM, NoLanguage, Turkish}},
		{"language 0 is skipped", udh("\x03\x25\x01\x00"), 0, Encoding{Alphabet: AlphabetGSM}},
		{"Spanish has no locking table", udh("\x03\x25\x01\x02"), 0, Encoding{Alphabet: AlphabetGSM}},
		{"two octets are no language", udh("\x04\x24\x02\x01\x02"), 0, Encoding{Alphabet: AlphabetGSM}},
		{"UCS2 has no tables", ucs2, 0, Encoding{Alphabet: AlphabetUCS2}},
		{"Latin-1 has none", udh("\x03\x24\x01\x01"), AlphabetLatin1, Encoding{Alphabet: AlphabetLatin1}},
	} {
		if got, err := EncodingOf(tc.m, tc.def); got != tc.want || err != nil {
			t.Errorf("%s: %+v, %v, want %+v", tc.name, got, err, tc.want)
		}
	}
	for _, header := range []string{"\x09\x24\x01\x01", "\x01\x24", "\x03\x24\x02\x01"} {
		if e, err := EncodingOf(&Message{ESMClass: ESMClassUDHI, Payload: []byte(header)}, 0); !errors.Is(err, ErrPart) {
			t.Errorf("%x: %+v, %v", header, e, err)
		}
	}
}

func TestUserData(t *testing.T) {
	type part struct {
		Encoding
		octets string
	}
	gsm, ucs2 := Encoding{Alphabet: AlphabetGSM}, Encoding{Alphabet: AlphabetUCS2}
	turkish, hindi := Encoding{AlphabetGSM, NoLanguage, Turkish}, Encoding{AlphabetGSM, Hindi, NoLanguage}
	for _, tc := range []struct {
		name  string
		parts []part
		want  string
	}{
		{"nothing", nil, ""},
		{"one", []part{{gsm, "a\x00"}}, "a@"},
		{"an escape cut in two", []part{{gsm, "5 \x1b"}, {gsm, "\x65"}}, "5 €"},
		{"a national escape cut in two", []part{{turkish, "\x1b"}, {turkish, "\x73"}}, "ş"},
		{"an escape and another alphabet", []part{{gsm, "5 \x1b"}, {turkish, "\x73"}}, "5  s"},
		{"a pair cut in two", []part{{ucs2, "\xd8\x3d"}, {ucs2, "\xde\x00"}}, "😀"},
		{"a pair cut in the middle of a unit", []part{{ucs2, "\xd8\x3d\xde"}, {ucs2, "\x00"}}, "😀"},
		{"half a pair and GSM", []part{{ucs2, "\xd8\x3d"}, {gsm, "\x5e"}}, "\uFFFDÜ"},
		{"each part its tables", []part{{turkish, "\x1b\x73"}, {hindi, "\x00"}, {gsm, "\x00"}, {ucs2, "\x04\x16"}, {Encoding{Alphabet: AlphabetLatin1}, "\xe7"}, {Encoding{Alphabet: AlphabetASCII}, "@"}}, "şँ@Жç@"},
		{"an empty part", []part{{ucs2, "\xd8\x3d"}, {ucs2, ""}, {ucs2, "\xde\x00"}}, "😀"},
		{"void of a locking table", []part{{Encoding{AlphabetGSM, Tamil, NoLanguage}, "\x00"}}, "\uFFFD"},
		{"void of a single shift table", []part{{Encoding{AlphabetGSM, Tamil, Tamil}, "\x1b\x7a"}}, "z"},
	} {
		var u UserData
		octets := ""
		for _, p := range tc.parts {
			u.Add(p.Encoding, []byte(p.octets))
			octets += p.octets
		}
		if got, err := u.AppendText([]byte("> ")); string(got) != "> "+tc.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", tc.name, got, err, tc.want)
		}
		if string(u.Octets()) != octets {
			t.Errorf("%s: %x", tc.name, u.Octets())
		}
		u.Wipe()
		if got := u.Octets(); strings.Trim(string(got), "\x00") != "" {
			t.Errorf("%s: %x after Wipe", tc.name, got)
		}
	}
	var u UserData
	u.Add(gsm, []byte("a"))
	u.Add(Encoding{}, []byte{1, 2})
	if _, err := u.AppendText(nil); !errors.Is(err, ErrCoding) {
		t.Errorf("8-bit data: %v", err)
	}
}

func FuzzAppendText(f *testing.F) {
	f.Add(byte(0), []byte("\x00\x1b\x65\x1b"))
	f.Add(byte(3), []byte("\xe9"))
	f.Add(byte(8), []byte("\xd8\x3d\xde\x00\xd8"))
	f.Fuzz(func(t *testing.T, coding byte, payload []byte) {
		dst := make([]byte, 0, 3*len(payload))
		out, err := AppendText(dst, coding, payload)
		if err != nil {
			return
		}
		if !utf8.Valid(out) {
			t.Fatalf("not UTF-8: %x", out)
		}
		if len(out) > 0 && &out[0] != &dst[:1][0] {
			t.Fatalf("%d octets became %d: dst has moved, and left the text behind", len(payload), len(out))
		}
	})
}

// Two parts, whatever their headers and codings say, are read in the room promised.
func FuzzUserData(f *testing.F) {
	f.Add([]byte("\x03\x24\x01\x01\x1b"), []byte("\x03\x24\x01\x01\x73"), byte(0), byte(0), byte(0))
	f.Add([]byte("\x06\x25\x01\x06\x24\x01\x06\x00"), []byte("\x00"), byte(0), byte(0), byte(0))
	f.Add([]byte("\x00\xd8\x3d"), []byte("\x00\xde\x00"), byte(8), byte(8), byte(0))
	f.Add([]byte("\x00\xe9"), []byte("\x00\x80"), byte(0), byte(1), byte(3))
	f.Fuzz(func(t *testing.T, one, two []byte, coding, other, def byte) {
		u := NewUserData(len(one) + len(two))
		for _, m := range []*Message{{ESMClass: ESMClassUDHI, DataCoding: coding, Payload: one}, {ESMClass: ESMClassUDHI, DataCoding: other, Payload: two}} {
			text, err := UserText(m)
			if err != nil {
				return
			}
			e, err := EncodingOf(m, Alphabet(def%5))
			if err != nil {
				return
			}
			u.Add(e, text)
		}
		dst := make([]byte, 0, 3*len(u.Octets()))
		out, err := u.AppendText(dst)
		if err != nil {
			return
		}
		if !utf8.Valid(out) {
			t.Fatalf("not UTF-8: %x", out)
		}
		if len(out) > 0 && &out[0] != &dst[:1][0] {
			t.Fatalf("%d octets became %d: dst has moved, and left the text behind", len(u.Octets()), len(out))
		}
	})
}
