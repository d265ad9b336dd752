package platform

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/nyaruka/phonenumbers"
)

// msisdn is an international number in digits, without plus. The rest is zero,
// so that == compares numbers.
type msisdn [maxMSISDN]byte

// maxMSISDN is the most digits that an international number has: E.164 §6.
const maxMSISDN = 15

// minForeign is the fewest digits taken for a number of another country.
const minForeign = 8

// numberRules reads payees' numbers as they are written in one country.
type numberRules struct {
	country string // E.164 code
	trunk   string // in front of national numbers, "0"; may be empty
	length  int    // digits of a national mobile number, without trunk
}

func newNumberRules(country string) (numberRules, error) {
	code, err := strconv.Atoi(country)
	if err != nil || strconv.Itoa(code) != country {
		return numberRules{}, fmt.Errorf(`country %q is not an E.164 code such as "263"`, country)
	}
	region := phonenumbers.GetRegionCodeForCountryCode(code)
	example := phonenumbers.GetExampleNumberForType(region, phonenumbers.MOBILE)
	if example == nil {
		return numberRules{}, fmt.Errorf("country %q has no mobile numbers that are known", country)
	}
	return numberRules{
		country: country,
		trunk:   phonenumbers.GetNddPrefixForRegion(region, true),
		length:  len(phonenumbers.GetNationalSignificantNumber(example)),
	}, nil
}

// read reads fields that stand together as one number. It takes, for 263:
// +263771000002, 00263771000002, 263771000002, 0771000002, 771000002, with
// blanks and dashes between digits; and +27... or 0027... for other countries.
// A part of a number in blanks has two digits at least, and 00 is not a part: the
// 0 of "5 0 771000002" may belong to an amount.
//
// It looks at lengths and prefixes alone: the fields may hold a PIN by mistake,
// and the library that knows more wants strings. The lengths of other countries'
// numbers are not known here, so there a PIN behind could always be a part too.
func (r numberRules) read(fields []field) (m msisdn, foreign, ok bool) {
	texts, ok := together(fields)
	if !ok || len(texts) > 1 && bytes.Equal(texts[0], []byte("00")) {
		return m, false, false
	}
	var room [maxMSISDN + 2]byte // and 00
	defer clear(room[:])
	digits := room[:0]
	rest, international := bytes.CutPrefix(texts[0], []byte("+"))
	for i, t := range texts {
		if i == 0 {
			t = rest
		}
		if len(t) < 2 && len(texts) > 1 {
			return m, false, false
		}
		for j, c := range t {
			switch {
			case c >= '0' && c <= '9' && len(digits) < len(room):
				digits = append(digits, c)
			case c == '-' && j > 0 && j < len(t)-1 && t[j-1] != '-':
			default:
				return m, false, false
			}
		}
	}
	if !international {
		if after, ok := bytes.CutPrefix(digits, []byte("00")); ok {
			digits, international = after, true
		}
	}
	inside, home := bytes.CutPrefix(digits, []byte(r.country))
	home = home && len(inside) == r.length
	local := bytes.TrimPrefix(digits, []byte(r.trunk))
	switch {
	case home:
		copy(m[:], digits)
	case international && !bytes.HasPrefix(digits, []byte(r.country)) &&
		len(digits) >= minForeign && len(digits) <= maxMSISDN && digits[0] != '0':
		copy(m[:], digits)
		foreign = true
	case !international && len(local) == r.length:
		copy(m[copy(m[:], r.country):], local)
	default:
		return m, false, false
	}
	return m, foreign, true
}

// dialable asks the library whether a number may be a mobile phone, and returns
// it as a string. A number of the own country need only be possible, because
// numbering plans open ranges faster than libraries learn of them; one known to
// be a fixed line or a service is refused.
func (r numberRules) dialable(m msisdn) (string, bool) {
	number := string(bytes.TrimRight(m[:], "\x00"))
	n, err := phonenumbers.Parse("+"+number, "")
	if err != nil || phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
		return "", false
	}
	switch phonenumbers.GetNumberType(n) {
	case phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE:
		return number, true
	case phonenumbers.UNKNOWN:
		return number, strconv.Itoa(int(n.GetCountryCode())) == r.country
	}
	return "", false
}
