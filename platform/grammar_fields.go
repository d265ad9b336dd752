package platform

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// field is a piece of a message between blanks, in capitals without accents and
// with ASCII digits.
type field struct {
	text []byte
	// apart says that more than blanks stands before it (a '*', a comma, a
	// word), so that it cannot be the next part of the same number.
	apart bool
}

// together returns the texts of fields if only blanks stand between them.
func together(fields []field) ([][]byte, bool) {
	texts := make([][]byte, len(fields))
	for i, f := range fields {
		if i > 0 && f.apart {
			return nil, false
		}
		texts[i] = f.text
	}
	return texts, len(texts) > 0
}

// normalize copies a message and makes one of what is the same to people:
// capitals, letters without accents, ASCII digits, a blank for every kind of
// blank and quotation, '*' for what separates fields. It does not grow while it
// is written, so that the caller can zero the one place where the text lies.
func normalize(text []byte) []byte {
	out := make([]byte, 0, utf8.UTFMax*len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch {
		case r >= 'a' && r <= 'z':
			out = append(out, byte(r)-'a'+'A')
		case r >= '٠' && r <= '٩': // Arabic-Indic
			out = append(out, byte(r-'٠')+'0')
		case r >= '۰' && r <= '۹': // Extended Arabic-Indic
			out = append(out, byte(r-'۰')+'0')
		case r >= '０' && r <= '９': // full width
			out = append(out, byte(r-'０')+'0')
		case r == '٫': // Arabic decimal separator
			out = append(out, '.')
		case r == '٬', r == '،', r == '，': // Arabic thousands separator and commas
			out = append(out, ',')
		case r == '*', r == '#', r == ';', r == ':', r == '|':
			out = append(out, '*')
		case r >= '‐' && r <= '―', r == '−', r == '﹣', r == '－': // hyphens, dashes, minus
			out = append(out, '-')
		case unicode.IsSpace(r), unicode.Is(unicode.Zs, r), unicode.IsControl(r),
			bytes.ContainsRune([]byte("\"'()[]<>“”„‘’«»"), r):
			out = append(out, ' ')
		case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Mn, r):
			// marks of direction, joiners, and accents that follow their letter
		case r < utf8.RuneSelf:
			out = append(out, byte(r))
		default:
			out = utf8.AppendRune(out, unicode.ToUpper(unaccent(r)))
		}
	}
	return out
}

// split cuts a normalized message into its fields, without punctuation behind.
// What stands before is kept: the dot of .50 and the minus of -5 change it.
func split(text []byte) (fields []field) {
	apart := true
	for len(text) > 0 {
		end := bytes.IndexAny(text, " *")
		if end < 0 {
			end = len(text)
		}
		piece := text[:end]
		if trimmed := bytes.TrimRight(piece, ".,!?"); len(trimmed) > 0 {
			fields = append(fields, field{trimmed, apart})
			apart = len(trimmed) < len(piece)
		} else if len(piece) > 0 {
			apart = true
		}
		if end == len(text) {
			break
		}
		apart = apart || text[end] == '*'
		text = text[end+1:]
	}
	return fields
}

// unaccent is the letter without its accents, if it is one with accents.
func unaccent(r rune) rune {
	var b [utf8.UTFMax]byte
	d := norm.NFD.Properties(b[:utf8.EncodeRune(b[:], r)]).Decomposition()
	if base, size := utf8.DecodeRune(d); size > 0 {
		return base
	}
	return r
}

// fold is a word of a text file as split makes it of a message.
func fold(word string) string { return string(normalize([]byte(word))) }
