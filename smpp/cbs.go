package smpp

import "fmt"

// Values of the cell broadcast data coding scheme, 3GPP TS 23.038 §5, which is
// also that of USSD (3GPP TS 24.090). Some gateways put it into data_coding of USSD
// messages, where it is not the scheme of SMS: 0x01 is English in GSM 03.38 and not
// IA5, 0x11 is UCS2 behind a language and not GSM 03.38 of class 1.
const (
	CodingCBS             byte = 0x0F // GSM 03.38, language unspecified
	CodingCBSLanguage     byte = 0x10 // GSM 03.38 behind a language: two letters and CR
	CodingCBSUCS2Language byte = 0x11 // UCS2 behind a language: two septets, packed, in two octets
	CodingCBSUCS2         byte = 0x48 // UCS2
)

// cbsLanguages are those of coding groups 0000 and 0010, as ISO 639-1 codes: all
// are in GSM 03.38, Turkish and Russian too.
var cbsLanguages = map[byte]string{
	0x00: "de", 0x01: "en", 0x02: "it", 0x03: "fr", 0x04: "es", 0x05: "nl", 0x06: "sv", 0x07: "da",
	0x08: "pt", 0x09: "fi", 0x0A: "no", 0x0B: "el", 0x0C: "tr", 0x0D: "hu", 0x0E: "pl",
	0x20: "cs", 0x21: "he", 0x22: "ar", 0x23: "ru", 0x24: "is",
}

// CBSAlphabet is the alphabet of a data coding of §5. Reserved codings are GSM
// 03.38, as the clause demands; AlphabetNone are 8-bit data, compressed text and
// WAP's.
func CBSAlphabet(coding byte) Alphabet {
	switch group := coding >> 4; {
	case coding == CodingCBSUCS2Language:
		return AlphabetUCS2
	case group >= 4 && group <= 7, group == 9: // general, and the same with a user data header
		if group != 9 && coding&0x20 != 0 {
			return AlphabetNone // compressed
		}
		if coding>>2&3 == 3 {
			return AlphabetGSM // reserved
		}
		return alphabetOfBits(coding)
	case group == 0xE, group == 0xF && coding&0x04 != 0:
		return AlphabetNone
	}
	return AlphabetGSM
}

// AppendCBSText decodes a USSD string as AppendText does, in a data coding of §5.
// language is the ISO 639-1 code that the coding or the text's first characters
// name, or empty; what names it is not part of the text. Septets come one an
// octet: where a gateway packs them, UnpackSeptets first.
func AppendCBSText(dst []byte, coding byte, payload []byte) (text []byte, language string, err error) {
	alphabet := CBSAlphabet(coding)
	language = cbsLanguages[coding]
	switch {
	case coding == CodingCBSLanguage && len(payload) >= 3 && payload[2] == '\r':
		language, payload = isoCode(payload[0], payload[1]), payload[3:]
	case coding == CodingCBSUCS2Language && len(payload) >= 2:
		language, payload = isoCode(payload[0]&0x7F, payload[0]>>7|payload[1]<<1&0x7F), payload[2:]
	}
	text, ok := Encoding{Alphabet: alphabet}.appendText(dst, payload)
	if !ok {
		return dst, "", fmt.Errorf("%w: 0x%02X", ErrCoding, coding)
	}
	return text, language, nil
}

// isoCode is a language's code in small letters, empty when it is not two letters.
// GSM 03.38 has letters where ASCII has them.
func isoCode(a, b byte) string {
	code := []byte{a | 0x20, b | 0x20}
	for _, c := range code {
		if c < 'a' || c > 'z' {
			return ""
		}
	}
	return string(code)
}

// EncodeCBS writes a USSD string in GSM 03.38 (CodingCBS, one septet an octet) if
// the alphabet has every character, else in UCS2 (CodingCBSUCS2).
func EncodeCBS(text string) (coding byte, payload []byte) {
	if coding, payload = EncodeText(text); coding == CodingUCS2 {
		return CodingCBSUCS2, payload
	}
	return CodingCBS, payload
}

// PackSeptets appends septets (one an octet, bit 8 is ignored) to dst as USSD
// strings are packed: 3GPP TS 23.038 §6.1.2.3. Seven bits that are left over
// would read as '@', so they are a CR; a text that ends with a CR on an octet's
// boundary gets a second one, because the reader takes the last away.
func PackSeptets(dst, septets []byte) []byte {
	var bits, n uint
	put := func(septet byte) {
		bits |= uint(septet&0x7F) << n
		for n += 7; n >= 8; n -= 8 {
			dst = append(dst, byte(bits))
			bits >>= 8
		}
	}
	for _, s := range septets {
		put(s)
	}
	if n == 1 || n == 0 && len(septets) > 0 && septets[len(septets)-1]&0x7F == '\r' {
		put('\r')
	}
	if n > 0 {
		dst = append(dst, byte(bits))
	}
	return dst
}

// UnpackSeptets appends the septets of a packed USSD string to dst, one an octet:
// at most 8*len(packed)/7. It takes away a CR that ends on an octet's boundary
// (§6.1.2.3). Every input means something; there is no error.
func UnpackSeptets(dst, packed []byte) []byte {
	var bits, n uint
	for _, b := range packed {
		bits |= uint(b) << n
		for n += 8; n >= 7; n -= 7 {
			dst = append(dst, byte(bits&0x7F))
			bits >>= 7
		}
	}
	if len(packed) > 0 && n == 0 && dst[len(dst)-1] == '\r' {
		dst = dst[:len(dst)-1]
	}
	return dst
}
