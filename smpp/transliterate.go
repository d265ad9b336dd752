package smpp

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// transliterations are the characters that may be written as others which mean
// the same: another drawing of the same punctuation mark, blank or sign; letters
// that are joined for print only; marks that show nothing. A letter never
// becomes another letter: ç does not lose its cedilla, œ is not oe, Greek Α is not
// Latin A; and what has a meaning of its own (joiners, direction marks, ×, ², ½)
// stays. What does not stand here switches the coding: see Encode.
var transliterations = map[rune]string{
	// Blanks: Unicode's Zs, and line ends.
	'\t': " ", '\u00A0': " ", '\u2000': " ", '\u2001': " ", '\u2002': " ", '\u2003': " ", '\u2004': " ", '\u2005': " ",
	'\u2006': " ", '\u2007': " ", '\u2008': " ", '\u2009': " ", '\u200A': " ", '\u202F': " ", '\u205F': " ", '\u3000': " ",
	'\u0085': "\n", '\u2028': "\n", '\u2029': "\n",
	// Nothing to see: soft hyphen, places where a line may or may not break, byte order mark.
	'\u00AD': "", '\u200B': "", '\u2060': "", '\uFEFF': "",
	// Single quotation marks, which are apostrophes too, and feet.
	'\u2018': "'", '\u2019': "'", '\u201A': "'", '\u201B': "'", '\u2039': "'", '\u203A': "'", '\u02BC': "'", '\u2032': "'",
	'`': "'", '\u00B4': "'",
	// Double quotation marks, and inches.
	'\u201C': `"`, '\u201D': `"`, '\u201E': `"`, '\u201F': `"`, '\u00AB': `"`, '\u00BB': `"`, '\u2033': `"`,
	// Hyphens, dashes, the minus sign.
	'\u2010': "-", '\u2011': "-", '\u2012': "-", '\u2013': "-", '\u2014': "-", '\u2015': "-", '\u2212': "-",
	// Other signs.
	'\u2026': "...", '\u2024': ".", '\u2025': "..", '\u2044': "/", '\u2215': "/", '\u2236': ":", '\u203C': "!!", '\u2047': "??",
	// Ligatures.
	'\uFB00': "ff", '\uFB01': "fi", '\uFB02': "fl", '\uFB03': "ffi", '\uFB04': "ffl", '\uFB06': "st",
}

// transliterate writes text with the characters that an alphabet has, where
// transliterations or composition (e and its accent become é: Unicode's NFC, which
// is the same text) allow it. What is left over stays as it is.
func transliterate(text string, has func(rune) bool) string {
	var b strings.Builder
	for _, r := range norm.NFC.String(text) {
		if s, ok := transliterations[r]; ok && !has(r) {
			b.WriteString(s)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
