package ussd

import (
	"unicode/utf16"

	"starhash/smpp"
)

// Room on one screen: 160 octets of a USSD string, TS 24.090 §6.
const (
	ScreenSeptets = 182 // of GSM 03.38; an extension character takes two
	ScreenUCS2    = 80  // 16-bit units
)

// Fits says whether text fits one screen: 182 septets if GSM 03.38 has all its
// characters, else 80 units of UCS2 (a character beyond the BMP takes two).
func Fits(text string) bool {
	if n, ok := smpp.Septets(text); ok {
		return n <= ScreenSeptets
	}
	return len(utf16.Encode([]rune(text))) <= ScreenUCS2
}
