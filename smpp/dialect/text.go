package dialect

import (
	"bytes"
	"fmt"
	"unicode/utf16"

	"starhash/smpp"
)

// Room on a screen: 160 octets of a USSD string, TS 24.090 §6.
const (
	screenSeptets = 182 // of GSM 03.38; an extension character takes two
	screenUCS2    = 80  // 16-bit units
)

// fits is nil or ErrTooLong with the numbers.
func fits(text []byte) error {
	if n, ok := smpp.Septets(string(text)); ok {
		if n > screenSeptets {
			return fmt.Errorf("%w: %d septets, at most %d", ErrTooLong, n, screenSeptets)
		}
		return nil
	}
	n := 0
	for _, r := range string(text) {
		n += utf16.RuneLen(r)
	}
	if n > screenUCS2 {
		return fmt.Errorf("%w: %d units of UCS2, at most %d", ErrTooLong, n, screenUCS2)
	}
	return nil
}

// readDialled makes the text of a Begin the dialled string, and finds the code where
// destination_addr does not have it.
func (d *Dialect) readDialled(m *Message) {
	if d.code == codeInText || d.code == codeInEither && !dialable(m.Code.Addr) {
		m.Code.Addr = codeOf(m.Text)
	}
	text := dialled(m.Code.Addr, m.Text)
	clear(m.Text)
	m.Text = text
}

// dialled writes what a subscriber dialled as "*code*…#". SMSCs hand it over whole,
// or without its star and hash, or without the code, which destination_addr then
// has; or as the destination_addr, and the text is empty.
func dialled(code string, text []byte) []byte {
	text = bytes.TrimSpace(text)
	out := make([]byte, 0, len(code)+len(text)+3)
	if len(text) > 0 && (text[0] == '*' || text[0] == '#') {
		out = append(out, text...)
	} else {
		var base []byte
		if dialable(code) {
			base = bytes.Trim([]byte(code), "*#")
		}
		inner := bytes.TrimRight(text, "#")
		out = append(out, '*')
		if inside, ok := bytes.CutPrefix(inner, base); !ok || len(inside) > 0 && inside[0] != '*' {
			out = append(out, base...)
			if len(base) > 0 && len(inner) > 0 {
				out = append(out, '*')
			}
		}
		out = append(out, inner...)
	}
	if out[len(out)-1] != '#' {
		out = append(out, '#')
	}
	return out
}

// codeOf is the code of a dialled string: 700 of "*700*1#", "700*1" and "700".
func codeOf(text []byte) string {
	text = bytes.TrimLeft(bytes.TrimSpace(text), "*#")
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return string(text[:min(n, 20)])
}

// dialable says whether an address could be a code: digits, stars and hashes.
func dialable(addr string) bool {
	return addr != "" && len(bytes.Trim([]byte(addr), "0123456789*#")) == 0
}
