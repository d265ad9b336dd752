package smpp

import (
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// Room in short messages: 3GPP TS 23.040 §9.2.3.24.1.
const (
	SeptetsAlone = 160 // septets of GSM 03.38 in a message of one part without a header
	octetsAlone  = 140 // what these are on the air, and any header with what follows it
	maxParts     = 255
)

// Alphabets is what an SMSC and the handsets behind it read.
type Alphabets struct {
	Default   Alphabet   // of data_coding 0 at the SMSC: AlphabetGSM (also 0), AlphabetLatin1 or AlphabetASCII
	Languages []Language // whose national tables the handsets have, for AlphabetGSM; in the order of preference
}

// Equal says whether what is encoded for one is right for the other.
func (a Alphabets) Equal(b Alphabets) bool {
	return a.Default == b.Default && slices.Equal(a.Languages, b.Languages)
}

// Encoded is a text as the payloads of one message or of the parts of a long one.
type Encoded struct {
	Coding byte     // data_coding
	UDHI   bool     // every part begins with a user data header: to be sent with ESMClassUDHI
	Parts  [][]byte // at most 255; nil when the text needs more, since nothing shorter would be the same text
}

// Septets counts the septets of s in GSM 03.38; a character of the extension
// table takes two. ok is false when s holds a character that the alphabet does
// not have.
func Septets(s string) (n int, ok bool) {
	locking, single := Encoding{Alphabet: AlphabetGSM}.tables()
	for _, r := range s {
		if _, basic := locking.codes[r]; basic {
			n++
		} else if _, extended := single.codes[r]; extended {
			n += 2
		} else {
			return 0, false
		}
	}
	return n, true
}

// EncodeText writes s in GSM 03.38 (one septet an octet) if the alphabet has
// every character, else in UCS2. Octets that are not UTF-8 become U+FFFD.
func EncodeText(s string) (coding byte, payload []byte) {
	w := writer{encoding: Encoding{Alphabet: AlphabetGSM}}
	if _, ok := Septets(s); !ok {
		w = writer{encoding: Encoding{Alphabet: AlphabetUCS2}, coding: CodingUCS2}
	}
	for _, r := range s {
		payload, _ = w.append(payload, r)
	}
	return w.coding, payload
}

// Encode writes text as short messages, in the fewest parts that a sees:
//
//	the SMSC's default alphabet
//	UCS2, data_coding 8
//	GSM 03.38 with a national single shift table, a locking one, or both
//	the default alphabet, then the national tables, after transliteration
//
// Of two ways with as many parts it takes the upper one. So national tables
// are used where they save a part, and nothing is transliterated (see
// transliterations) that fits as many parts as it stands. A character that no
// table has means UCS2; none is dropped or replaced by a question mark.
//
// Room is counted as the network packs: 140 octets hold the header, fill bits
// up to a septet, and septets (3GPP TS 23.040 §9.2.3.24). One part has no
// concatenation header; where there are more, each has one with the 8-bit
// reference ref. Neither the two septets of an extension character nor a
// surrogate pair is cut.
//
// Where data_coding 0 is Latin-1 or ASCII, only characters that GSM 03.38 has as
// well are written in it: the SMSC has to translate, and what it makes of others
// is not known.
func Encode(text string, a Alphabets, ref byte) Encoded {
	var best plan
	try := func(w writer, text string) (one bool) {
		if p := w.plan(text); p.parts > 0 && (best.parts == 0 || p.parts < best.parts) {
			best = p
		}
		return best.parts == 1
	}
	if a.Default == 0 {
		a.Default = AlphabetGSM
	}
	plain := writer{encoding: Encoding{Alphabet: a.Default}}
	if try(plain, text) ||
		try(writer{encoding: Encoding{Alphabet: AlphabetUCS2}, coding: CodingUCS2}, text) {
		return best.encode(ref)
	}
	national := a.nationalTables()
	for _, e := range national {
		if try(writer{encoding: e}, text) {
			return best.encode(ref)
		}
	}
	if transliterate(text, func(rune) bool { return false }) == text {
		return best.encode(ref) // it holds nothing that may be written otherwise
	}
	for _, e := range append([]Encoding{plain.encoding}, national...) {
		w := writer{encoding: e}
		if try(w, transliterate(text, w.has)) {
			break
		}
	}
	return best.encode(ref)
}

// nationalTables are the encodings that a allows beside the default alphabet,
// those with the shorter header and with less harm where a handset does not
// know the tables first: without its single shift table only the shifted
// characters go wrong.
func (a Alphabets) nationalTables() []Encoding {
	if a.Default != AlphabetGSM {
		return nil
	}
	var single, locking, both []Encoding
	for _, l := range a.Languages {
		single = append(single, Encoding{Alphabet: AlphabetGSM, Single: l})
		if lockingTables[l] == nil {
			continue
		}
		locking = append(locking, Encoding{Alphabet: AlphabetGSM, Locking: l})
		for _, s := range a.Languages {
			both = append(both, Encoding{Alphabet: AlphabetGSM, Locking: l, Single: s})
		}
	}
	return slices.Concat(single, locking, both)
}

// writer writes characters in one encoding.
type writer struct {
	encoding Encoding
	coding   byte // data_coding
}

// append appends r, which it cannot when room is 0. room is what r takes of a
// part: septets as the network packs them, or octets of UCS2.
func (w writer) append(dst []byte, r rune) (_ []byte, room int) {
	before := len(dst)
	switch w.encoding.Alphabet {
	case AlphabetUCS2:
		var units [2]uint16
		for _, v := range utf16.AppendRune(units[:0], r) {
			dst = append(dst, byte(v>>8), byte(v))
		}
		return dst, len(dst) - before
	case AlphabetLatin1, AlphabetASCII:
		if r > 0xFF || w.encoding.Alphabet == AlphabetASCII && r >= utf8.RuneSelf {
			return dst, 0
		}
		n, ok := Septets(string(r))
		if ok {
			dst = append(dst, byte(r))
		}
		return dst, n
	}
	locking, single := w.encoding.tables()
	if c, ok := locking.codes[r]; ok {
		dst = append(dst, c)
	} else if c, ok := single.codes[r]; ok {
		dst = append(dst, escape, c)
	}
	return dst, len(dst) - before
}

func (w writer) has(r rune) bool {
	var octets [4]byte
	_, room := w.append(octets[:0], r)
	return room > 0
}

// header is the user data header of part seq of total, with its length octet;
// nothing when it would be empty.
func (w writer) header(ref, total, seq byte) []byte {
	h := []byte{0}
	if total > 1 {
		h = append(h, ieConcat8, 3, ref, total, seq)
	}
	if l := w.encoding.Single; l != NoLanguage {
		h = append(h, ieSingleShift, 1, byte(l))
	}
	if l := w.encoding.Locking; l != NoLanguage {
		h = append(h, ieLockingShift, 1, byte(l))
	}
	if len(h) == 1 {
		return nil
	}
	h[0] = byte(len(h) - 1)
	return h
}

// room is what a part holds behind a header of so many octets: octets of UCS2,
// else septets, which begin on a septet's boundary.
func (w writer) room(header int) int {
	if w.encoding.Alphabet == AlphabetUCS2 {
		return octetsAlone - header
	}
	return (octetsAlone - header) * 8 / 7
}

// plan is one way to write a text. parts is 0 where it cannot be written so.
type plan struct {
	writer
	text  string
	parts int
}

func (w writer) plan(text string) plan {
	p := plan{writer: w, text: text, parts: 1}
	alone, part := w.room(len(w.header(0, 1, 1))), w.room(len(w.header(0, 2, 1)))
	total, long, used := 0, 1, 0
	var octets [4]byte
	for _, r := range text {
		_, n := w.append(octets[:0], r)
		if n == 0 {
			p.parts = 0
			return p
		}
		total += n
		if used += n; used > part {
			long, used = long+1, n
		}
	}
	if total > alone {
		p.parts = long
	}
	return p
}

func (p plan) encode(ref byte) Encoded {
	e := Encoded{Coding: p.coding}
	if p.parts > maxParts {
		return e
	}
	header := p.header(ref, byte(p.parts), 1)
	e.UDHI = header != nil
	room := p.room(len(header))
	used := 0
	begin := func() {
		part := make([]byte, 0, len(header)+room)
		e.Parts = append(e.Parts, append(part, p.header(ref, byte(p.parts), byte(len(e.Parts)+1))...))
		used = 0
	}
	begin()
	for _, r := range p.text {
		last := len(e.Parts) - 1
		octets, n := p.append(e.Parts[last], r)
		if used+n > room {
			begin()
			last++
			octets, _ = p.append(e.Parts[last], r)
		}
		e.Parts[last] = octets
		used += n
	}
	return e
}
