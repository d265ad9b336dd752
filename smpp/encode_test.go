package smpp

import (
	"bytes"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

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

func TestEncode(t *testing.T) {
	turkish := Alphabets{Languages: []Language{Turkish}}
	hindi := Alphabets{Languages: []Language{Hindi}}
	latin := Alphabets{Default: AlphabetLatin1}
	const plain = ""
	for _, tc := range []struct {
		name, text string
		to         Alphabets
		coding     byte
		header     string // of the national tables, in hexadecimal without its length
		sizes      []int  // octets of each part behind its header
	}{
		{"nothing", "", Alphabets{}, 0, plain, []int{0}},
		{"160 septets", strings.Repeat("a", 160), Alphabets{}, 0, plain, []int{160}},
		{"161 septets", strings.Repeat("a", 161), Alphabets{}, 0, plain, []int{153, 8}},
		{"80 euros", strings.Repeat("€", 80), Alphabets{}, 0, plain, []int{160}},
		{"81 euros: no pair is cut", strings.Repeat("€", 81), Alphabets{}, 0, plain, []int{152, 10}},
		{"an escape at the edge", strings.Repeat("a", 152) + "€" + strings.Repeat("a", 10), Alphabets{}, 0, plain, []int{152, 12}},
		{"306 septets", strings.Repeat("a", 306), Alphabets{}, 0, plain, []int{153, 153}},
		{"70 units", strings.Repeat("ж", 70), Alphabets{}, 8, plain, []int{140}},
		{"71 units", strings.Repeat("ж", 71), Alphabets{}, 8, plain, []int{134, 8}},
		{"36 pairs: none is cut", strings.Repeat("😀", 36), Alphabets{}, 8, plain, []int{132, 12}},
		{"255 parts", strings.Repeat("a", 255*153), Alphabets{}, 0, plain, slices.Repeat([]int{153}, 255)},
		{"256 parts", strings.Repeat("a", 255*153+1), Alphabets{}, 0, plain, nil},

		// 140 octets less 4 of header: 155 septets. With a concatenation less 9: 149.
		{"UCS2 does as well", strings.Repeat("ş", 70), turkish, 8, plain, []int{140}},
		{"UCS2 would take two", strings.Repeat("ş", 71), turkish, 0, "240101", []int{142}},
		{"155 septets and the header", strings.Repeat("a", 153) + "ş", turkish, 0, "240101", []int{155}},
		{"156 septets: the locking table", strings.Repeat("a", 154) + "ş", turkish, 0, "250101", []int{155}},
		{"two parts", strings.Repeat("a", 260) + "ş", turkish, 0, "240101", []int{149, 113}},
		{"a pair at the edge", strings.Repeat("a", 148) + "ş" + strings.Repeat("a", 100), turkish, 0, "240101", []int{148, 102}},
		{"no table has it", strings.Repeat("ş", 71) + "ж", turkish, 8, plain, []int{134, 10}},
		{"a locking table only", strings.Repeat("न", 155), hindi, 0, "250106", []int{155}},
		{"both: 140 octets less 7, 152 septets", strings.Repeat("न", 150) + "१", hindi, 0, "240106250106", []int{152}},
		{"both, two parts: less 12, 146 septets", strings.Repeat("न", 152) + "१", hindi, 0, "240106250106", []int{146, 8}},

		{"Latin-1", "é @", latin, 0, plain, []int{3}},
		{"Latin-1, counted as the network will pack it", strings.Repeat("[", 81), latin, 0, plain, []int{76, 5}},
		{"Latin-1 that GSM 03.38 does not have", "ç", latin, 8, plain, []int{2}},
		{"not Latin-1", "€", latin, 8, plain, []int{2}},
		{"ASCII", "a@", Alphabets{Default: AlphabetASCII}, 0, plain, []int{2}},
		{"not ASCII", "é", Alphabets{Default: AlphabetASCII}, 8, plain, []int{2}},

		{"fits as it is", "“It’s here”", Alphabets{}, 8, plain, []int{22}},
		{"would cost a part", strings.Repeat("a", 100) + "“It’s here…”", Alphabets{}, 0, plain, []int{114}},
		{"would cost a part, with a cedilla", strings.Repeat("a", 100) + "“ça”", Alphabets{}, 8, plain, []int{134, 74}},
		{"would cost a part, decomposed", strings.Repeat("a", 100) + "e\u0301", Alphabets{}, 0, plain, []int{101}},
		{"a national table and other quotes", strings.Repeat("a", 100) + "’ş", turkish, 0, "240101", []int{103}},
	} {
		e := Encode(tc.text, tc.to, 0x2A)
		if e.Coding != tc.coding || len(e.Parts) != len(tc.sizes) {
			t.Errorf("%s: coding %d, %d parts", tc.name, e.Coding, len(e.Parts))
			continue
		}
		national, _ := hex.DecodeString(tc.header)
		if e.UDHI != (len(national) > 0 || len(e.Parts) > 1) {
			t.Errorf("%s: UDHI %v", tc.name, e.UDHI)
		}
		for i, p := range e.Parts {
			var want []byte
			if len(e.Parts) > 1 {
				want = []byte{0, 3, 0x2A, byte(len(e.Parts)), byte(i + 1)}
			}
			if want = append(want, national...); len(want) > 0 {
				want = append([]byte{byte(len(want))}, want...)
			}
			if !bytes.HasPrefix(p, want) {
				t.Errorf("%s: part %d begins %x, want %x", tc.name, i+1, p[:min(len(p), len(want))], want)
			} else if len(p)-len(want) != tc.sizes[i] {
				t.Errorf("%s: part %d has %d octets, want %d", tc.name, i+1, len(p)-len(want), tc.sizes[i])
			}
		}
	}
}

// join reads the parts of Encode each by itself, as a handset that shows them one
// by one would, and puts them together. It fails for a part that the network
// cannot carry.
func join(t interface{ Fatalf(string, ...any) }, e Encoded, a Alphabets) string {
	var text []byte
	for i, payload := range e.Parts {
		m := &Message{DataCoding: e.Coding, Payload: payload}
		if e.UDHI {
			m.ESMClass = ESMClassUDHI
		}
		p, ok, err := PartOf(m)
		if err != nil || ok != (len(e.Parts) > 1) || ok && (int(p.Seq) != i+1 || int(p.Total) != len(e.Parts)) {
			t.Fatalf("part %d of %d: %+v %v %v", i+1, len(e.Parts), p, ok, err)
		}
		user, err := UserText(m)
		if err != nil {
			t.Fatalf("part %d: %v", i+1, err)
		}
		encoding, err := EncodingOf(m, a.Default)
		if err != nil {
			t.Fatalf("part %d: %v", i+1, err)
		}
		u := NewUserData(len(user))
		u.Add(encoding, user)
		from := len(text)
		if text, err = u.AppendText(text); err != nil {
			t.Fatalf("part %d: %v", i+1, err)
		}
		bits := 8 * len(user)
		switch encoding.Alphabet {
		case AlphabetGSM:
			bits = 7 * len(user)
		case AlphabetLatin1, AlphabetASCII: // the SMSC makes GSM 03.38 of it
			n, ok := Septets(string(text[from:]))
			if !ok {
				t.Fatalf("part %d: %q is not in the network's alphabet", i+1, text[from:])
			}
			bits = 7 * n
		}
		header := 8 * (len(payload) - len(user))
		if encoding.Alphabet != AlphabetUCS2 {
			header = (header + 6) / 7 * 7 // with its fill bits
		}
		if header+bits > 8*140 {
			t.Fatalf("part %d has %d bits, %d of them header", i+1, header+bits, header)
		}
	}
	return string(text)
}

func checkRoundTrip(t interface{ Fatalf(string, ...any) }, text string, a Alphabets, ref byte) {
	e := Encode(text, a, ref)
	if e.Parts == nil {
		if utf8.RuneCountInString(text) < 255*33 {
			t.Fatalf("%d characters do not fit", utf8.RuneCountInString(text))
		}
		return
	}
	got, want := join(t, e, a), string([]rune(text)) // each stray octet becomes one U+FFFD
	if got == want {
		return
	}
	if transliterate(text, func(r rune) bool { return strings.ContainsRune(got, r) }) != got {
		t.Fatalf("%q came back as %q", want, got)
	}
	// Other characters that mean the same are there to save a part.
	ucs2 := writer{encoding: Encoding{Alphabet: AlphabetUCS2}}.plan(text)
	if ucs2.parts <= len(e.Parts) {
		t.Fatalf("%q came back as %q, for %d parts in place of %d", want, got, len(e.Parts), ucs2.parts)
	}
}

var allLanguages = []Language{Turkish, Spanish, Portuguese, Bengali, Gujarati, Hindi, Kannada, Malayalam, Oriya, Punjabi, Tamil, Telugu, Urdu}

// someAlphabets draws what a bind may say.
func someAlphabets(t *rapid.T) Alphabets {
	return Alphabets{
		Default:   rapid.SampledFrom([]Alphabet{0, AlphabetGSM, AlphabetGSM, AlphabetLatin1, AlphabetASCII}).Draw(t, "default"),
		Languages: rapid.SliceOfNDistinct(rapid.SampledFrom(allLanguages), 0, 3, rapid.ID).Draw(t, "languages"),
	}
}

func TestEncodeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := someAlphabets(t)
		generators := []*rapid.Generator[rune]{
			rapid.RuneFrom([]rune("abc €{}@\n")),
			rapid.RuneFrom([]rune("aж😀€’…")),
			rapid.RuneFrom([]rune("aé–“”\u00A0ﬁ")),
			rapid.Rune(),
		}
		for _, l := range a.Languages {
			generators = append(generators, rapid.OneOf(charactersOf(l), charactersOf(l), rapid.RuneFrom([]rune("ae ’"))))
		}
		g := rapid.SampledFrom(generators).Draw(t, "characters")
		checkRoundTrip(t, rapid.StringOfN(g, 0, 500, -1).Draw(t, "text"), a, rapid.Byte().Draw(t, "ref"))
	})
}

// charactersOf draws from both tables of a language.
func charactersOf(l Language) *rapid.Generator[rune] {
	var rs []rune
	for _, t := range []*table{lockingTables[l], singleTables[l]} {
		if t != nil {
			rs = slices.AppendSeq(rs, maps.Keys(t.codes))
		}
	}
	slices.Sort(rs)
	return rapid.SampledFrom(slices.Compact(rs))
}

func FuzzEncode(f *testing.F) {
	f.Add("SEND 5 0772000002 1234", byte(1), byte(0), byte(0))
	f.Add(strings.Repeat("€", 81), byte(0), byte(1), byte(2))
	f.Add(strings.Repeat("😀", 36), byte(255), byte(3), byte(0))
	f.Add(strings.Repeat("न", 152)+"१ ’", byte(7), byte(6), byte(1))
	f.Fuzz(func(t *testing.T, text string, ref, one, other byte) {
		a := Alphabets{Languages: []Language{Language(one%13 + 1), Language(other%13 + 1)}}
		checkRoundTrip(t, text, a, ref)
	})
}
