package smpp

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// Values of data_coding: SMPP 3.4 §5.2.19.
const (
	CodingDefault byte = 0x00 // the SMSC's default alphabet: GSM 03.38 unless default_alphabet says otherwise
	CodingIA5     byte = 0x01
	CodingLatin1  byte = 0x03
	CodingUCS2    byte = 0x08 // UTF-16BE; surrogate pairs are read and written
)

// ErrCoding says that text cannot be read in this data_coding: 8-bit data, or
// an alphabet that is not implemented.
var ErrCoding = errors.New("data_coding is not text")

// Encoding is what it takes to read the octets of a text: the alphabet, and
// for AlphabetGSM the national tables.
type Encoding struct {
	Alphabet Alphabet
	Locking  Language // of the locking shift table, which takes the default alphabet's place
	Single   Language // of the single shift table, which takes the extension table's place
}

// EncodingOf says how the user data of m is encoded: by its data_coding, by what
// data_coding 0 means at the SMSC (AlphabetGSM when def is 0), and by the
// national language elements of its user data header, which count where the
// alphabet is GSM: 3GPP TS 23.040 §9.2.3.24.15 and 16. Every part of a long
// message has an Encoding of its own.
//
// The error wraps ErrPart: a header that cannot be read. A data_coding that is
// not text is no error here but AlphabetNone.
func EncodingOf(m *Message, def Alphabet) (Encoding, error) {
	header, _, err := cutUDH(m)
	if err != nil {
		return Encoding{}, err
	}
	e := Encoding{Alphabet: alphabetOf(m.DataCoding)}
	if m.DataCoding == CodingDefault && def != 0 {
		e.Alphabet = def
	}
	if e.Alphabet != AlphabetGSM {
		return e, nil
	}
	for len(header) > 0 {
		id, data, rest, err := cutElement(header)
		if err != nil {
			return Encoding{}, err
		}
		header = rest
		// An identifier that 3GPP TS 23.038 does not describe is skipped, the last
		// of several counts.
		if len(data) != 1 || data[0] == 0 || int(data[0]) >= len(languageCodes) {
			continue
		}
		switch l := Language(data[0]); {
		case id == ieSingleShift:
			e.Single = l
		case id == ieLockingShift && lockingTables[l] != nil:
			e.Locking = l
		}
	}
	return e, nil
}

// alphabetOf is what a data_coding means where data_coding 0 is GSM 03.38: the
// values of SMPP 3.4 §5.2.19, and those of 3GPP TS 23.038 §4, which SMSCs hand
// through. 0x0F is §5's "language unspecified" of USSD.
func alphabetOf(coding byte) Alphabet {
	switch {
	case coding == CodingDefault, coding == CodingCBS:
		return AlphabetGSM
	case coding == CodingIA5:
		return AlphabetASCII
	case coding == CodingLatin1:
		return AlphabetLatin1
	case coding == CodingUCS2:
		return AlphabetUCS2
	case coding < 0x10: // octets, JIS, Cyrillic, Hebrew and others: SMPP
		return AlphabetNone
	case coding < 0x80: // general, or marked for deletion: TS 23.038 §4, 00xx and 01xx
		if coding&0x20 != 0 {
			return AlphabetNone // compressed
		}
		return alphabetOfBits(coding)
	case coding&0xF0 == 0xD0: // message waiting, the text is kept: 1101
		return AlphabetGSM
	case coding&0xF0 == 0xE0: // the same: 1110
		return AlphabetUCS2
	case coding&0xF4 == 0xF0: // with a message class: 1111
		return AlphabetGSM
	}
	return AlphabetNone
}

// alphabetOfBits reads bits 3 and 2 of a general data coding: TS 23.038 §4 and §5.
func alphabetOfBits(coding byte) Alphabet {
	switch coding >> 2 & 3 {
	case 0:
		return AlphabetGSM
	case 2:
		return AlphabetUCS2
	}
	return AlphabetNone
}

// AppendText decodes payload (user data without its header) to UTF-8 behind
// dst, so that the caller owns, and can zero, the one place where the text
// lies. It grows dst only where cap(dst) is short: 3*len(payload) octets are
// always enough, in every alphabet: an Indic character is one septet here and
// three octets there, and no octet becomes more.
//
// It reads the data_coding alone, for texts without a user data header from an
// SMSC whose data_coding 0 is GSM 03.38; others take EncodingOf and UserData.
// What the alphabet does not have becomes U+FFFD, so that a parser sees
// that something was there; ErrCoding is the only error.
func AppendText(dst []byte, coding byte, payload []byte) ([]byte, error) {
	dst, ok := Encoding{Alphabet: alphabetOf(coding)}.appendText(dst, payload)
	if !ok {
		return dst, fmt.Errorf("%w: 0x%02X", ErrCoding, coding)
	}
	return dst, nil
}

func (e Encoding) appendText(dst, payload []byte) (text []byte, ok bool) {
	switch e.Alphabet {
	case AlphabetGSM:
		return e.appendGSM(dst, payload), true
	case AlphabetASCII:
		for _, b := range payload {
			if b >= utf8.RuneSelf {
				dst = utf8.AppendRune(dst, utf8.RuneError)
			} else {
				dst = append(dst, b)
			}
		}
		return dst, true
	case AlphabetLatin1:
		for _, b := range payload {
			dst = utf8.AppendRune(dst, rune(b))
		}
		return dst, true
	case AlphabetUCS2:
		return appendUCS2(dst, payload), true
	}
	return dst, false
}

func (e Encoding) appendGSM(dst, payload []byte) []byte {
	locking, single := e.tables()
	for i := 0; i < len(payload); i++ {
		b := payload[i]
		switch {
		case b >= 128:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		case b != escape:
			dst = utf8.AppendRune(dst, locking.runes[b])
		case i+1 == len(payload) || payload[i+1] == escape:
			// An escape that escapes nothing, or to a table that does not
			// exist yet, shows as a blank: §6.2.1.1 note 1.
			dst = append(dst, ' ')
			i++
		default:
			i++
			r := utf8.RuneError
			if c := payload[i]; c < 128 {
				if r = single.runes[c]; r == utf8.RuneError { // shows as the unshifted character: §6.2.1.1
					r = locking.runes[c]
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

// UserData is the user data of a message, its parts put together, each in the
// encoding that it came in. The zero value is empty. The octets lie in one
// place, and may be a PIN: see Wipe.
type UserData struct {
	octets []byte
	runs   []run
}

// run is user data in one encoding, up to the octet end.
type run struct {
	encoding Encoding
	end      int
}

// NewUserData makes room for size octets: as long as no more are added, no copy
// of them is left behind.
func NewUserData(size int) *UserData { return &UserData{octets: make([]byte, 0, size)} }

// Add appends a copy of the next part's user data. Neighbours in the same
// encoding are read as one, so that an escape and what it escapes, or two
// surrogates, come together though their sender put them into two parts.
func (u *UserData) Add(e Encoding, octets []byte) {
	u.octets = append(u.octets, octets...)
	if last := len(u.runs) - 1; last >= 0 && u.runs[last].encoding == e {
		u.runs[last].end = len(u.octets)
		return
	}
	u.runs = append(u.runs, run{e, len(u.octets)})
}

// Octets are the user data of all parts. They are u's.
func (u *UserData) Octets() []byte { return u.octets }

// AppendText decodes to UTF-8 as the function AppendText does, with the same
// promise: 3*len(u.Octets()) octets behind dst are always enough. ErrCoding: a part
// is not text.
func (u *UserData) AppendText(dst []byte) ([]byte, error) {
	from := 0
	for _, r := range u.runs {
		var ok bool
		if dst, ok = r.encoding.appendText(dst, u.octets[from:r.end]); !ok {
			return dst, ErrCoding
		}
		from = r.end
	}
	return dst, nil
}

// Wipe zeroes the octets.
func (u *UserData) Wipe() { clear(u.octets) }
