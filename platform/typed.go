package platform

import (
	"strconv"
)

// ReadAmount reads an amount that stands alone, as a screen asks for it: its minor
// units, how it is shown, and the key of the menus' reason when it is none. The
// text is the caller's to wipe.
func (g *Grammar) ReadAmount(language string, text []byte) (minor, shown, reason string) {
	buf := normalize(text)
	defer clear(buf)
	p := &parser{g: g, own: g.texts.language(language), english: g.texts.languages[English]}
	n, v := p.amount(split(buf))
	if v != amountRead {
		return "", "", "bad_amount"
	}
	return strconv.FormatInt(n, 10), FormatAmount(n, g.amounts.code), ""
}

// ReadNumber reads a number to be paid or topped up that stands alone: the MSISDN,
// how it is shown, and the key of the menus' reason when it is none.
func (g *Grammar) ReadNumber(text []byte) (number, shown, reason string) {
	buf := normalize(text)
	defer clear(buf)
	m, _, ok := g.numbers.read(split(buf))
	if ok {
		number, ok = g.numbers.dialable(m)
	}
	if !ok {
		return "", "", "bad_number"
	}
	return number, "", ""
}
