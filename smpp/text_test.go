package smpp

import (
	"errors"
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
