package smpp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/warthog618/sms/encoding/gsm7"
	"pgregory.net/rapid"
)

func TestAppendCBSText(t *testing.T) {
	for _, tc := range []struct {
		coding   byte
		payload  string
		want     string
		language string
	}{
		{0x0F, "1\x1b\x65 \x00", "1€ @", ""},
		{0x00, "gr\x7En", "grün", "de"},
		{0x01, "\x02", "$", "en"}, // not IA5
		{0x03, "\x04", "è", "fr"}, // not Latin-1
		{0x08, "\x00\x31", "@1", "pt"},
		{0x0C, "a", "a", "tr"},
		{0x10, "pt\r1. Saldo", "1. Saldo", "pt"},
		{0x10, "EN\rBalance", "Balance", "en"},
		{0x10, "Balance", "Balance", ""}, // the language is not there
		{0x10, "en", "en", ""},
		{0x10, "12\rx", "x", ""},
		{0x11, "\x65\x37\x00A\x20\xAC", "A€", "en"}, // e, n: 65, 6E packed
		{0x11, "\x65", "\uFFFD", ""},
		{0x20, "a", "a", "cs"},
		{0x24, "a", "a", "is"},
		{0x2F, "a", "a", ""}, // reserved
		{0x3A, "a", "a", ""},
		{0x40, "\x00", "@", ""},
		{0x48, "\x04\x16\xd8\x3d\xde\x00", "Ж😀", ""},
		{0x4C, "\x00", "@", ""}, // reserved
		{0x58, "\x04\x16", "Ж", ""},
		{0x80, "\x00", "@", ""},
		{0x98, "\x04\x16", "Ж", ""},
		{0xA0, "\x00", "@", ""},
		{0xF0, "\x00", "@", ""},
	} {
		got, language, err := AppendCBSText([]byte("> "), tc.coding, []byte(tc.payload))
		if err != nil || string(got) != "> "+tc.want || language != tc.language {
			t.Errorf("%02X %q: %q %q %v, want %q %q", tc.coding, tc.payload, got, language, err, tc.want, tc.language)
		}
	}
	for _, coding := range []byte{0x44, 0x60, 0x68, 0x94, 0xE0, 0xEF, 0xF4, 0xFC} {
		if got, _, err := AppendCBSText([]byte("> "), coding, []byte("x")); !errors.Is(err, ErrCoding) || string(got) != "> " {
			t.Errorf("%02X: %q, %v", coding, got, err)
		}
	}
}

func TestEncodeCBS(t *testing.T) {
	for _, tc := range []struct {
		text    string
		coding  byte
		payload string
	}{{"1. Solde €", 0x0F, "1. Solde \x1b\x65"}, {"Баланс", 0x48, "\x04\x11\x04\x30\x04\x3b\x04\x30\x04\x3d\x04\x41"}} {
		coding, payload := EncodeCBS(tc.text)
		if coding != tc.coding || string(payload) != tc.payload {
			t.Errorf("%q: %02X %q", tc.text, coding, payload)
		}
		if text, _, err := AppendCBSText(nil, coding, payload); err != nil || string(text) != tc.text {
			t.Errorf("%q came back as %q, %v", tc.text, text, err)
		}
	}
}

// The vectors are as handsets send them: "hellohello" and "*100#" are in many
// manuals.
func TestPackSeptets(t *testing.T) {
	for _, tc := range []struct{ septets, packed, back string }{
		{"", "", ""},
		{"a", "61", "a"},
		{"hellohello", "e8329bfd4697d9ec37", "hellohello"},
		{"*100#", "aa180c3602", "*100#"},
		{"*700#", "aa1b0c3602", "*700#"},
		{"1234567", "31d98c56b3dd1a", "1234567"},         // 7 bits left over: a CR, or it would read 1234567@
		{"12345678", "31d98c56b3dd70", "12345678"},       // no bit left over
		{"123456\r", "31d98c56b3351a", "123456\r"},       // the CR is text, the next one is not
		{"1234567\r", "31d98c56b3dd1a0d", "1234567\r\r"}, // two CR do what one does: §6.1.2.3
		{"123456@", "31d98c56b3011a", "123456\x00"},
	} {
		septets := []byte(tc.septets)
		if tc.septets == "123456@" {
			septets[6] = 0 // '@' of GSM 03.38, before the CR that fills up
		}
		packed := PackSeptets([]byte{0xFF}, septets)
		if hex.EncodeToString(packed) != "ff"+tc.packed {
			t.Errorf("%q: %x, want %s", tc.septets, packed[1:], tc.packed)
		}
		if back := UnpackSeptets([]byte("> "), packed[1:]); string(back) != "> "+tc.back {
			t.Errorf("%q came back as %q, want %q", tc.septets, back, tc.back)
		}
	}
}

func checkPacked(t interface{ Fatalf(string, ...any) }, septets []byte) {
	packed := PackSeptets(nil, septets)
	want := bytes.Clone(septets)
	for i := range want {
		want[i] &= 0x7F
	}
	if n := len(want); n > 0 && n%8 == 0 && want[n-1] == '\r' {
		want = append(want, '\r')
	}
	if got := UnpackSeptets(nil, packed); !bytes.Equal(got, want) {
		t.Fatalf("%x packed to %x, unpacked to %x", septets, packed, got)
	}
	if len(packed) > (7*len(want)+14)/8 {
		t.Fatalf("%d septets became %d octets", len(want), len(packed))
	}
}

func TestPackSeptetsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		septets := rapid.SliceOfN(rapid.OneOf(rapid.ByteMax(127), rapid.Just(byte('\r')), rapid.Just(byte(0))), 0, 200).Draw(t, "septets")
		checkPacked(t, septets)
		// Another implementation's bits; its own rule for the CR forgets that '@' and
		// '£' are almost all zeros.
		filled := septets
		if n := len(septets); n%8 == 7 || n > 0 && n%8 == 0 && septets[n-1] == '\r' {
			filled = append(bytes.Clone(septets), '\r')
		}
		if packed, theirs := PackSeptets(nil, septets), gsm7.Pack7Bit(filled, 0); !bytes.Equal(packed, theirs) {
			t.Fatalf("%x packed to %x, by others to %x", septets, packed, theirs)
		}
	})
}

func FuzzUnpackSeptets(f *testing.F) {
	f.Add([]byte("\xaa\x18\x0c\x36\x02"))
	f.Add([]byte("\x31\xd9\x8c\x56\xb3\xdd\x1a"))
	f.Add([]byte("\x1a"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		septets := UnpackSeptets(make([]byte, 0, 8*len(packed)/7), packed)
		if len(septets) > 8*len(packed)/7 {
			t.Fatalf("%d octets became %d septets", len(packed), len(septets))
		}
		checkPacked(t, septets)
		checkPacked(t, packed)
	})
}

func FuzzAppendCBSText(f *testing.F) {
	f.Add(byte(0x0F), []byte("1\x1b\x65"))
	f.Add(byte(0x10), []byte("pt\r1. Saldo"))
	f.Add(byte(0x11), []byte("\x65\x37\x00A"))
	f.Add(byte(0x48), []byte("\xd8\x3d"))
	f.Fuzz(func(t *testing.T, coding byte, payload []byte) {
		text, language, err := AppendCBSText(make([]byte, 0, 3*len(payload)), coding, payload)
		if err != nil && len(text) > 0 || len(text) > 3*len(payload) {
			t.Fatalf("%d octets became %d, %v", len(payload), len(text), err)
		}
		if len(language) != 0 && len(language) != 2 {
			t.Fatalf("language %q", language)
		}
	})
}
