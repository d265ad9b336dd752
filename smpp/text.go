package smpp

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// Values of data_coding: SMPP 3.4 §5.2.19.
const (
	CodingDefault byte = 0x00 // here: GSM 03.38, one septet an octet
	CodingIA5     byte = 0x01
	CodingLatin1  byte = 0x03
	CodingUCS2    byte = 0x08 // UTF-16BE; surrogate pairs are read and written
)

// Room in one short message of 140 octets: 3GPP TS 23.040 §9.2.3.24.1.
const (
	SeptetsAlone   = 160 // septets of GSM 03.38 in a message of one part
	SeptetsPart    = 153 // in a part that carries a concatenation header
	UCS2UnitsAlone = 70  // 16-bit units
	UCS2UnitsPart  = 67
	maxParts       = 255
)

// ErrCoding says that text cannot be read in this data_coding: 8-bit data, or
// an alphabet that is not implemented.
var ErrCoding = errors.New("data_coding is not text")

const escape = 0x1B // to the extension table

// gsmBasic is the basic character set of 3GPP TS 23.038 §6.2.1. The escape
// itself stands as U+FFFD.
var gsmBasic = [128]rune{
	'@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
	'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', utf8.RuneError, 'Æ', 'æ', 'ß', 'É',
	' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
	'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
	'¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
	'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
	'¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
	'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
}

// gsmExtension is the extension table of §6.2.1.1.
var gsmExtension = map[byte]rune{
	0x0A: '\f', 0x14: '^', 0x28: '{', 0x29: '}', 0x2F: '\\',
	0x3C: '[', 0x3D: '~', 0x3E: ']', 0x40: '|', 0x65: '€',
}

// gsmOctets holds the octets of every character: one, or two with the escape.
var gsmOctets = func() map[rune][]byte {
	m := make(map[rune][]byte, len(gsmBasic)+len(gsmExtension))
	for i, r := range gsmBasic {
		if i != escape {
			m[r] = []byte{byte(i)}
		}
	}
	for b, r := range gsmExtension {
		m[r] = []byte{escape, b}
	}
	return m
}()

// Septets counts the septets of s in GSM 03.38; a character of the extension
// table takes two. ok is false when s holds a character that the alphabet does
// not have.
func Septets(s string) (n int, ok bool) {
	for _, r := range s {
		b := gsmOctets[r]
		if b == nil {
			return 0, false
		}
		n += len(b)
	}
	return n, true
}

// EncodeText writes s in GSM 03.38 (one septet an octet) if the alphabet has
// every character, else in UCS2. Octets that are not UTF-8 become U+FFFD.
func EncodeText(s string) (coding byte, payload []byte) {
	coding, units := unitsOf(s)
	for _, u := range units {
		payload = append(payload, u...)
	}
	return coding, payload
}

// unitsOf cuts s into what must not be cut further: the one or two octets of a
// GSM character, or the one or two 16-bit units of a UCS2 one.
func unitsOf(s string) (coding byte, units [][]byte) {
	if _, ok := Septets(s); ok {
		for _, r := range s {
			units = append(units, gsmOctets[r])
		}
		return CodingDefault, units
	}
	for _, r := range s {
		u := make([]byte, 0, 4)
		for _, v := range utf16.AppendRune(nil, r) {
			u = append(u, byte(v>>8), byte(v))
		}
		units = append(units, u)
	}
	return CodingUCS2, units
}

// AppendText decodes payload (user data without its header) to UTF-8 behind
// dst, so that the caller owns, and can zero, the one place where the text
// lies. It grows dst only where cap(dst) is short: 3*len(payload) octets are
// always enough.
//
// Codings: 0 GSM 03.38; 1 IA5; 3 Latin-1; 8 UCS2; and those of 3GPP TS 23.038
// §4 with a message class, 0x10 to 0x1F and 0xF0 to 0xFF, in so far as they are
// text. What the alphabet does not have becomes U+FFFD, so that a parser sees
// that something was there; ErrCoding is the only error.
func AppendText(dst []byte, coding byte, payload []byte) ([]byte, error) {
	switch alphabetOf(coding) {
	case CodingDefault:
		return appendGSM(dst, payload), nil
	case CodingIA5:
		for _, b := range payload {
			if b >= utf8.RuneSelf {
				dst = utf8.AppendRune(dst, utf8.RuneError)
			} else {
				dst = append(dst, b)
			}
		}
		return dst, nil
	case CodingLatin1:
		for _, b := range payload {
			dst = utf8.AppendRune(dst, rune(b))
		}
		return dst, nil
	case CodingUCS2:
		return appendUCS2(dst, payload), nil
	}
	return dst, fmt.Errorf("%w: 0x%02X", ErrCoding, coding)
}

const notText = 0xFF

// alphabetOf reduces a data_coding to the CodingX constant whose alphabet it
// has, or notText.
func alphabetOf(coding byte) byte {
	switch {
	case coding == CodingDefault, coding == CodingIA5, coding == CodingLatin1, coding == CodingUCS2:
		return coding
	case coding&0xF0 == 0x10: // general data coding, uncompressed, with a class
		switch coding >> 2 & 3 {
		case 0:
			return CodingDefault
		case 2:
			return CodingUCS2
		}
	case coding&0xF4 == 0xF0: // data coding/message class, 7-bit
		return CodingDefault
	}
	return notText
}

func appendGSM(dst, payload []byte) []byte {
	for i := 0; i < len(payload); i++ {
		b := payload[i]
		switch {
		case b >= 128:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		case b != escape:
			dst = utf8.AppendRune(dst, gsmBasic[b])
		case i+1 == len(payload) || payload[i+1] == escape:
			// An escape that escapes nothing, or to a table that does not
			// exist yet, shows as a blank: §6.2.1.1 note 1.
			dst = append(dst, ' ')
			i++
		default:
			i++
			r, ok := gsmExtension[payload[i]]
			if !ok { // shows as the basic character: §6.2.1.1
				r = utf8.RuneError
				if payload[i] < 128 {
					r = gsmBasic[payload[i]]
				}
			}
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

func appendUCS2(dst, payload []byte) []byte {
	i := 0
	for ; i+1 < len(payload); i += 2 {
		r := rune(payload[i])<<8 | rune(payload[i+1])
		if utf16.IsSurrogate(r) {
			var low rune
			if i+3 < len(payload) {
				low = rune(payload[i+2])<<8 | rune(payload[i+3])
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				i += 2
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	if i < len(payload) {
		dst = utf8.AppendRune(dst, utf8.RuneError)
	}
	return dst
}

// SplitText encodes text as EncodeText does and cuts it to the room of short
// messages: one part without a header where it fits, else parts that begin
// with a concatenation header (8-bit reference ref, 3GPP TS 23.040
// §9.2.3.24.1), to be sent with ESMClassUDHI. Neither the two septets of an
// extension character nor a surrogate pair is cut.
//
// parts is nil when the text needs more than 255 parts: nothing shorter would
// be the same text.
func SplitText(text string, ref byte) (coding byte, parts [][]byte) {
	coding, units := unitsOf(text)
	alone, part := SeptetsAlone, SeptetsPart
	if coding == CodingUCS2 {
		alone, part = 2*UCS2UnitsAlone, 2*UCS2UnitsPart
	}
	total := 0
	for _, u := range units {
		total += len(u)
	}
	if total <= alone {
		payload := make([]byte, 0, total)
		for _, u := range units {
			payload = append(payload, u...)
		}
		return coding, [][]byte{payload}
	}
	const header = 6
	for _, u := range units {
		last := len(parts) - 1
		if last < 0 || len(parts[last])-header+len(u) > part {
			if len(parts) == maxParts {
				return coding, nil
			}
			parts = append(parts, append(make([]byte, 0, header+part),
				header-1, ieConcat8, 3, ref, 0, byte(len(parts)+1)))
			last++
		}
		parts[last] = append(parts[last], u...)
	}
	for _, p := range parts {
		p[4] = byte(len(parts))
	}
	return coding, parts
}
