package ussd

import (
	"bytes"
	"strconv"
	"strings"
)

// PlainReaders read figures with at most two decimals as an amount of currency,
// and as numbers those of nine digits behind 0 or country. They are for menus that
// are tried out without a gateway, which reads more and better.
func PlainReaders(country, currency string) Readers {
	return Readers{
		Amount: func(_ string, text []byte) (minor, shown, reason string) {
			whole, cents, _ := strings.Cut(string(text), ".")
			n, err := strconv.ParseUint(whole, 10, 40)
			c, err2 := strconv.ParseUint((cents + "00")[:2], 10, 8)
			if err != nil || err2 != nil || len(cents) > 2 || n*100+c == 0 || whole[0] == '0' && len(whole) > 1 {
				return "", "", reasonBadAmount
			}
			minor = strconv.FormatUint(n*100+c, 10)
			return minor, currency + " " + strconv.FormatUint(n, 10) + "." + (cents + "00")[:2], ""
		},
		Number: func(text []byte) (msisdn, shown, reason string) {
			text = bytes.TrimPrefix(text, []byte("+"))
			if rest, ok := bytes.CutPrefix(text, []byte("0")); ok {
				text = append([]byte(country), rest...)
			}
			if len(text) != len(country)+9 || !bytes.HasPrefix(text, []byte(country)) {
				return "", "", reasonBadNumber
			}
			for _, c := range text {
				if c < '0' || c > '9' {
					return "", "", reasonBadNumber
				}
			}
			return string(text), "", ""
		},
	}
}
