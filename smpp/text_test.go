package smpp

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fiorix/go-smpp/v2/smpp/pdu/pdutext"
	"pgregory.net/rapid"
)

func TestSeptets(t *testing.T) {
	for _, tc := range []struct {
		text string
		n    int
		ok   bool
	}{
		{"", 0, true},
		{"hello", 5, true},
		{"@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ", 29, true},
		{"€", 2, true},
		{"^{}\\[~]|€\f", 20, true},
		{"ç", 0, false}, // only the capital is in the alphabet
		{"Ναι", 0, false},
		{"\x1b", 0, false},
		{"\uFFFD", 0, false},
		{"a\xffb", 0, false},
	} {
		if n, ok := Septets(tc.text); n != tc.n || ok != tc.ok {
			t.Errorf("%q: %d %v, want %d %v", tc.text, n, ok, tc.n, tc.ok)
		}
	}
}

// TestAlphabetAgainstGoSMPP compares the table with one that somebody else typed.
func TestAlphabetAgainstGoSMPP(t *testing.T) {
	for i := range 128 {
		for _, octets := range [][]byte{{byte(i)}, {escape, byte(i)}} {
			r, known := gsmExtension[byte(i)]
			if len(octets) == 1 {
				r, known = gsmBasic[i], i != escape
			}
			if !known {
				continue
			}
			got, err := AppendText(nil, CodingDefault, octets)
			if want := string(pdutext.GSM7(octets).Decode()); err != nil || string(got) != want || want != string(r) {
				t.Errorf("%X: %q, %v; go-smpp has %q", octets, got, err, want)
			}
		}
	}
}

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
	for _, coding := range []byte{0x02, 0x04, 0x05, 0x06, 0x14, 0x1C, 0x20, 0xC0, 0xF4, 0xFF} {
		got, err := AppendText([]byte("> "), coding, []byte("x"))
		if !errors.Is(err, ErrCoding) || string(got) != "> " {
			t.Errorf("%02X: %q, %v", coding, got, err)
		}
	}
}

func TestEncodeText(t *testing.T) {
	for _, tc := range []struct {
		text    string
		coding  byte
		payload string
	}{
		{"", 0, ""},
		{"@ 5€", 0, "\x00 5\x1b\x65"},
		{"ç", 8, "\x00\xe7"},
		{"😀", 8, "\xd8\x3d\xde\x00"},
		{"\xff", 8, "\xff\xfd"},
	} {
		if coding, payload := EncodeText(tc.text); coding != tc.coding || string(payload) != tc.payload {
			t.Errorf("%q: %d %q, want %d %q", tc.text, coding, payload, tc.coding, tc.payload)
		}
	}
}

func TestSplitText(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		coding     byte
		sizes      []int // octets of each part behind its header
	}{
		{"nothing", "", 0, []int{0}},
		{"160 septets", strings.Repeat("a", 160), 0, []int{160}},
		{"161 septets", strings.Repeat("a", 161), 0, []int{153, 8}},
		{"80 euros", strings.Repeat("€", 80), 0, []int{160}},
		{"81 euros: no pair is cut", strings.Repeat("€", 81), 0, []int{152, 10}},
		{"an escape at the edge", strings.Repeat("a", 152) + "€" + strings.Repeat("a", 10), 0, []int{152, 12}},
		{"306 septets", strings.Repeat("a", 306), 0, []int{153, 153}},
		{"70 units", strings.Repeat("ж", 70), 8, []int{140}},
		{"71 units", strings.Repeat("ж", 71), 8, []int{134, 8}},
		{"36 pairs: none is cut", strings.Repeat("😀", 36), 8, []int{132, 12}},
		{"255 parts", strings.Repeat("a", 255*153), 0, slicesRepeat(153, 255)},
		{"256 parts", strings.Repeat("a", 255*153+1), 0, nil},
	} {
		coding, parts := SplitText(tc.text, 0x2A)
		if coding != tc.coding || len(parts) != len(tc.sizes) {
			t.Errorf("%s: coding %d, %d parts", tc.name, coding, len(parts))
			continue
		}
		for i, p := range parts {
			head := 0
			if len(parts) > 1 {
				head = 6
				if want := []byte{5, 0, 3, 0x2A, byte(len(parts)), byte(i + 1)}; !bytes.Equal(p[:6], want) {
					t.Errorf("%s: part %d begins %x, want %x", tc.name, i+1, p[:6], want)
				}
			}
			if len(p)-head != tc.sizes[i] {
				t.Errorf("%s: part %d has %d octets, want %d", tc.name, i+1, len(p)-head, tc.sizes[i])
			}
		}
	}
}

func slicesRepeat(v, n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = v
	}
	return s
}

// join decodes the parts of SplitText each by itself, as a handset that shows
// them one by one would, and puts them together.
func join(t interface{ Fatalf(string, ...any) }, coding byte, parts [][]byte) string {
	var text []byte
	for i, payload := range parts {
		m := &Message{DataCoding: coding, Payload: payload}
		if len(parts) > 1 {
			m.ESMClass = ESMClassUDHI
		}
		p, ok, err := PartOf(m)
		if err != nil || ok != (len(parts) > 1) || ok && (int(p.Seq) != i+1 || int(p.Total) != len(parts)) {
			t.Fatalf("part %d of %d: %+v %v %v", i+1, len(parts), p, ok, err)
		}
		user, err := UserText(m)
		if err != nil {
			t.Fatalf("part %d: %v", i+1, err)
		}
		if text, err = AppendText(text, coding, user); err != nil {
			t.Fatalf("part %d: %v", i+1, err)
		}
	}
	return string(text)
}

func checkRoundTrip(t interface{ Fatalf(string, ...any) }, text string, ref byte) {
	coding, parts := SplitText(text, ref)
	if parts == nil {
		if utf8.RuneCountInString(text) < 255*33 {
			t.Fatalf("%d characters do not fit", utf8.RuneCountInString(text))
		}
		return
	}
	want := strings.ToValidUTF8(text, "\uFFFD")
	if !utf8.ValidString(text) {
		want = string([]rune(text)) // each stray octet becomes one U+FFFD
	}
	if got := join(t, coding, parts); got != want {
		t.Fatalf("%q came back as %q", want, got)
	}
}

func TestSplitTextRoundTrip(t *testing.T) {
	alphabets := []*rapid.Generator[rune]{
		rapid.RuneFrom([]rune("abc €{}@\n")),
		rapid.RuneFrom([]rune("aж😀€")),
		rapid.Rune(),
	}
	rapid.Check(t, func(t *rapid.T) {
		g := rapid.SampledFrom(alphabets).Draw(t, "alphabet")
		checkRoundTrip(t, rapid.StringOfN(g, 0, 500, -1).Draw(t, "text"), rapid.Byte().Draw(t, "ref"))
	})
}

func FuzzSplitText(f *testing.F) {
	f.Add("SEND 5 0772000002 1234", byte(1))
	f.Add(strings.Repeat("€", 81), byte(0))
	f.Add(strings.Repeat("😀", 36), byte(255))
	f.Fuzz(func(t *testing.T, text string, ref byte) { checkRoundTrip(t, text, ref) })
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
