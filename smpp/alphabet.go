package smpp

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"starhash/configs"
)

// Alphabet is how the octets of a text stand for characters.
type Alphabet byte

// The values are stored with the parts of long messages: they stay what they are.
const (
	AlphabetNone   Alphabet = iota // not text, or an alphabet that is not implemented
	AlphabetGSM                    // 3GPP TS 23.038 §6.2.1, one septet an octet, with national tables if an Encoding names any
	AlphabetASCII                  // IA5
	AlphabetLatin1                 // ISO 8859-1
	AlphabetUCS2                   // UTF-16BE: surrogate pairs are read and written
)

// defaultAlphabets are the values of default_alphabet.
var defaultAlphabets = map[string]Alphabet{"gsm": AlphabetGSM, "latin1": AlphabetLatin1, "ascii": AlphabetASCII}

// DefaultAlphabet is what a value of default_alphabet says: gsm, latin1 or ascii.
func DefaultAlphabet(name string) (a Alphabet, ok bool) {
	a, ok = defaultAlphabets[name]
	return a, ok
}

// Language is a national language identifier of 3GPP TS 23.038 §6.2.1.2.4: it
// names a locking shift table (but for Spanish) and a single shift table.
type Language byte

const (
	NoLanguage Language = iota // the default alphabet and its extension table
	Turkish
	Spanish
	Portuguese
	Bengali // and Assamese
	Gujarati
	Hindi
	Kannada
	Malayalam
	Oriya
	Punjabi
	Tamil
	Telugu
	Urdu
)

// languageCodes are the values of languages: ISO 639-1.
var languageCodes = [...]string{"", "tr", "es", "pt", "bn", "gu", "hi", "kn", "ml", "or", "pa", "ta", "te", "ur"}

// String is the code of ISO 639-1, tr say, or "-" for NoLanguage.
func (l Language) String() string {
	switch {
	case l == NoLanguage:
		return "-"
	case int(l) < len(languageCodes):
		return languageCodes[l]
	}
	return fmt.Sprintf("Language(%d)", byte(l))
}

// languageOf is the Language of an ISO 639-1 code.
func languageOf(code string) (l Language, ok bool) {
	i := slices.Index(languageCodes[:], code)
	return Language(max(i, 0)), i > 0
}

// escape leads to the extension table or to a single shift table.
const escape = 0x1B

// table is one alphabet of 128 characters; what is void stands as U+FFFD.
type table struct {
	runes [128]rune
	codes map[rune]byte // the lowest where a character stands twice
}

//go:embed alphabets.txt
var alphabetsText string

// lockingTables and singleTables stand by language; Spanish has no locking one.
var lockingTables, singleTables = mustTables(alphabetsText)

// mustTables reads alphabets.txt, which tells its format itself.
func mustTables(text string) (locking, single [len(languageCodes)]*table) {
	names := map[string]rune{"LF": '\n', "FF": '\f', "CR": '\r', "SP": ' ', "ESC": utf8.RuneError, "..": utf8.RuneError}
	var t *table
	row := 0
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0, f[0] == "#":
			continue
		case len(f) == 2:
			language, err := strconv.Atoi(f[1])
			if err != nil || t != nil && row != 8 {
				panic("smpp: alphabets.txt: " + line)
			}
			t, row = &table{codes: make(map[rune]byte, 128)}, 0
			if f[0] == "locking" {
				locking[language] = t
			} else {
				single[language] = t
			}
			continue
		case len(f) != 17, row == 8, f[0] != fmt.Sprintf("%d0", row):
			panic("smpp: alphabets.txt: " + line)
		}
		for i, s := range f[1:] {
			r, known := names[s]
			if !known {
				if r, _ = utf8.DecodeRuneInString(s); len(s) > 1 {
					code, err := strconv.ParseUint(s, 16, 16)
					if err != nil {
						panic("smpp: alphabets.txt: " + line)
					}
					r = rune(code)
				}
			}
			code := byte(row<<4 + i)
			t.runes[code] = r
			if _, twice := t.codes[r]; r != utf8.RuneError && !twice {
				t.codes[r] = code
			}
		}
		row++
	}
	return locking, single
}

// tables are the ones that an Encoding of AlphabetGSM is read and written with. A
// language that has none, or is not known, means the default ones: 3GPP TS
// 23.040 §9.2.3.24.15.
func (e Encoding) tables() (locking, single *table) {
	locking, single = lockingTables[NoLanguage], singleTables[NoLanguage]
	if int(e.Locking) < len(lockingTables) && lockingTables[e.Locking] != nil {
		locking = lockingTables[e.Locking]
	}
	if int(e.Single) < len(singleTables) {
		single = singleTables[e.Single]
	}
	return locking, single
}

// Alphabets are those of the bind. It is for a configuration that is valid.
func (c BindConfig) Alphabets() Alphabets {
	a := Alphabets{Default: defaultAlphabets[c.DefaultAlphabet]}
	for _, code := range c.Languages {
		if l, ok := languageOf(code); ok {
			a.Languages = append(a.Languages, l)
		}
	}
	return a
}

// languageNames are what people write in place of the code.
var languageNames = map[string]string{
	"turkish": "tr", "spanish": "es", "portuguese": "pt", "bengali": "bn", "bangla": "bn", "assamese": "bn", "gujarati": "gu",
	"hindi": "hi", "kannada": "kn", "malayalam": "ml", "oriya": "or", "odia": "or", "punjabi": "pa", "tamil": "ta",
	"telugu": "te", "urdu": "ur", "tur": "tr", "spa": "es", "por": "pt", "ben": "bn", "as": "bn", "hin": "hi",
}

func (c *BindConfig) validateAlphabets() (ps []configs.Problem) {
	if _, ok := DefaultAlphabet(c.DefaultAlphabet); !ok {
		want := "gsm, latin1 or ascii"
		switch s := strings.ToLower(c.DefaultAlphabet); {
		case strings.Contains(s, "8859"), strings.Contains(s, "latin"), strings.Contains(s, "1252"):
			want = "latin1"
		case strings.Contains(s, "ascii"), strings.Contains(s, "ia5"):
			want = "ascii"
		case strings.Contains(s, "gsm"), strings.Contains(s, "03.38"), strings.Contains(s, "23.038"):
			want = "gsm"
		}
		ps = append(ps, configs.Problem{Key: "default_alphabet", Message: fmt.Sprintf("is %q", c.DefaultAlphabet), Want: want})
	}
	for i, code := range c.Languages {
		if _, ok := languageOf(code); !ok {
			want := languageNames[strings.ToLower(code)]
			if lower, _, _ := strings.Cut(strings.ToLower(code), "-"); want == "" {
				if _, ok := languageOf(lower); ok { // TR, pt-BR
					want = lower
				}
			}
			if want == "" {
				want = "a language with tables in 3GPP TS 23.038: " + strings.Join(languageCodes[1:], ", ")
			}
			ps = append(ps, configs.Problem{Key: fmt.Sprintf("languages[%d]", i), Message: fmt.Sprintf("is %q", code), Want: want})
		}
	}
	if len(c.Languages) > 0 && (c.DefaultAlphabet == "latin1" || c.DefaultAlphabet == "ascii") {
		ps = append(ps, configs.Problem{Key: "languages", Message: "has no use with default_alphabet " + c.DefaultAlphabet,
			Want: "nothing, or default_alphabet gsm: national tables are GSM's"})
	}
	return ps
}
