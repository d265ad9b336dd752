package platform

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// maxAmount bounds one amount, in minor units; the bank's ledger has the same.
const maxAmount = 1_000_000_000_000_000

// exponents are the minor-unit digits of ISO 4217 list one, for the currencies
// of Africa and the ones that travel there; the bank's ledger has the same. A
// currency that is not here is refused: a guessed exponent moves money by a
// factor of a hundred.
var exponents = map[string]int{
	"AED": 2, "AOA": 2, "BIF": 0, "BWP": 2, "CDF": 2, "CNY": 2, "CVE": 2, "DJF": 0,
	"DZD": 2, "EGP": 2, "ERN": 2, "ETB": 2, "EUR": 2, "GBP": 2, "GHS": 2, "GMD": 2,
	"GNF": 0, "INR": 2, "KES": 2, "KMF": 0, "LRD": 2, "LSL": 2, "LYD": 3, "MAD": 2,
	"MGA": 2, "MRU": 2, "MUR": 2, "MWK": 2, "MZN": 2, "NAD": 2, "NGN": 2, "RWF": 0,
	"SCR": 2, "SDG": 2, "SLE": 2, "SOS": 2, "SSP": 2, "STN": 2, "SZL": 2, "TND": 3,
	"TZS": 2, "UGX": 0, "USD": 2, "XAF": 0, "XOF": 0, "ZAR": 2, "ZMW": 2, "ZWG": 2,
}

// currencyWords are what people write for a currency beside its code. A letter
// that may also mean thousand (K) or million (M) stands for a currency in front
// of an amount only, see amountRules.strip.
var currencyWords = map[string][]string{
	"AOA": {"KZ", "KWANZA", "KWANZAS"},
	"BWP": {"P", "PULA"},
	"EUR": {"€", "EURO", "EUROS"},
	"GBP": {"£", "POUND", "POUNDS"},
	"GHS": {"GHC", "GH¢", "CEDI", "CEDIS"},
	"KES": {"KSH", "KSHS", "SH", "SHS", "BOB"},
	"MWK": {"MK", "K", "KWACHA"},
	"MZN": {"MT", "MTN", "METICAL", "METICAIS"},
	"NGN": {"N", "₦", "NAIRA"},
	"RWF": {"FRW", "RF", "FRANCS"},
	"TZS": {"TSH", "TSHS", "SH", "SHS"},
	"UGX": {"USH", "USHS", "SH", "SHS"},
	"USD": {"$", "US$", "DOLLAR", "DOLLARS", "DOLA"},
	"XAF": {"FCFA", "CFA", "F", "FRANCS"},
	"XOF": {"FCFA", "CFA", "F", "FRANCS"},
	"ZAR": {"R", "RAND", "RANDS"},
	"ZMW": {"ZK", "K", "KWACHA"},
}

// FormatAmount writes minor units with the currency's code, "USD 1,234.50" or
// "UGX 1,234". A currency that is not known gets no decimal point, but a note:
// "1234 minor units of XXX".
func FormatAmount(minor int64, currency string) string {
	if _, ok := exponents[currency]; !ok {
		return fmt.Sprintf("%d minor units of %s", minor, currency)
	}
	return currency + " " + FormatNumber(minor, currency)
}

// FormatNumber writes minor units without the currency's code, "-1,234.50", for
// the lines of a statement.
func FormatNumber(minor int64, currency string) string {
	exp := exponents[currency]
	sign, digits := "", strconv.FormatInt(minor, 10)
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	if len(digits) <= exp {
		digits = strings.Repeat("0", exp+1-len(digits)) + digits
	}
	whole, decimals := digits[:len(digits)-exp], digits[len(digits)-exp:]
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if exp == 0 {
		return sign + whole
	}
	return sign + whole + "." + decimals
}

// amountRules reads what people write for an amount of one currency.
//
// Decimals are digits after a mark, never more than the currency has; thousands
// are groups of exactly three. Which is which:
//
//	1000          plain
//	1 000 1,000,000 1.000.000   one separator, repeated: thousands. A blank always is
//	1,000.50 1.000,50 1 000,50  two separators: the last is the decimal mark
//	12.5 12.50    one dot: decimals. Before three digits in a language with a
//	              decimal comma it may mean thousands: refused
//	1,000         one comma: thousands in a language with a decimal point, and
//	              refused in one with a decimal comma
//	5,50          one comma and no group of three: decimals in a language with a
//	              decimal comma, and refused in one with a decimal point, where it
//	              may be 5,500 with a digit lost
//
// Refused are also zero, signs, leading zeros (a phone number), .50, 1e3 and
// letters other than the currency's names, which stand before or behind: USD5,
// 5 usd, $5, and 500/= or 500/-.
type amountRules struct {
	code     string // ISO 4217
	exponent int
	words    map[string]bool // names of the currency, in capitals
	foreign  map[string]bool // names of others
}

func newAmountRules(currency string) (amountRules, error) {
	exp, ok := exponents[currency]
	if !ok {
		return amountRules{}, fmt.Errorf("currency %q is not known here: want an ISO 4217 code such as USD or KES", currency)
	}
	r := amountRules{code: currency, exponent: exp, words: map[string]bool{currency: true}, foreign: map[string]bool{}}
	for code := range exponents {
		r.foreign[code] = true
	}
	for code, words := range currencyWords {
		for _, w := range words {
			if code == currency {
				r.words[w] = true
			} else if len(w) > 1 { // one letter may mean anything
				r.foreign[w] = true
			}
		}
	}
	return r, nil
}

// verdict says what came of reading an amount.
type verdict int

const (
	amountRead verdict = iota
	amountBad
	amountForeign // of another currency
)

// read reads the fields of a message that make up one amount, in capitals.
func (r amountRules) read(fields [][]byte, decimalComma bool) (minor int64, v verdict) {
	fields, v = r.strip(fields)
	if v != amountRead {
		return 0, v
	}
	n, ok := numeral{}, false
	if n, ok = scan(fields); !ok || !n.decide(r.exponent, decimalComma) {
		return 0, amountBad
	}
	if minor, ok = n.minor(r.exponent); !ok || minor == 0 {
		return 0, amountBad
	}
	return minor, amountRead
}

// strip takes the currency and "/=" off both ends. It changes no field, it
// returns shorter ones.
func (r amountRules) strip(in [][]byte) (out [][]byte, v verdict) {
	out = append(out, in...)
	first := out[0]
	head := len(first) - len(bytes.TrimLeftFunc(first, notDigit))
	switch v := r.currency(first[:head]); {
	case head == 0:
	case v != amountRead:
		return nil, v
	case head == len(first):
		out = out[1:]
	default:
		out[0] = first[head:]
	}
	if len(out) == 0 {
		return nil, amountBad
	}
	last := len(out) - 1
	for _, suffix := range []string{"/=", "/-", "="} {
		out[last] = bytes.TrimSuffix(out[last], []byte(suffix))
	}
	if len(out[last]) == 0 && last > 0 {
		out, last = out[:last], last-1
	}
	tail := len(bytes.TrimRightFunc(out[last], notDigit))
	word := out[last][tail:]
	switch v := r.currency(word); {
	case len(word) == 0:
	case v != amountRead:
		return nil, v
	case len(word) == 1 && word[0] >= 'A' && word[0] <= 'Z': // 5K may be five thousand
		return nil, amountBad
	case tail == 0:
		out = out[:last]
	default:
		out[last] = out[last][:tail]
	}
	if len(out) == 0 {
		return nil, amountBad
	}
	return out, amountRead
}

// currency judges a word that should name the currency.
func (r amountRules) currency(word []byte) verdict {
	switch {
	case r.words[string(word)]: // some words are of several currencies: the own one first
		return amountRead
	case r.foreign[string(word)]:
		return amountForeign
	}
	return amountBad
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

// numeral is runs of digits with a mark between each two: ' ', ',' or '.'.
type numeral struct {
	runs     [][]byte
	marks    []byte
	decimals bool // the last run is
}

// scan takes the fields apart.
func scan(fields [][]byte) (n numeral, ok bool) {
	for i, f := range fields {
		if i > 0 {
			n.marks = append(n.marks, ' ')
		}
		for {
			end := bytes.IndexFunc(f, notDigit)
			if end < 0 {
				end = len(f)
			}
			if end == 0 {
				return n, false
			}
			n.runs = append(n.runs, f[:end])
			if end == len(f) {
				break
			}
			if f[end] != ',' && f[end] != '.' {
				return n, false
			}
			n.marks = append(n.marks, f[end])
			f = f[end+1:]
		}
	}
	return n, len(n.runs) > 0
}

// decide says whether the last mark is a decimal mark and whether everything is
// in its place; the table is at amountRules.
func (n *numeral) decide(exponent int, decimalComma bool) bool {
	first := n.runs[0]
	if len(n.marks) == 0 {
		return first[0] != '0'
	}
	mark, last := n.marks[len(n.marks)-1], n.runs[len(n.runs)-1]
	group := n.marks[0]
	switch {
	case len(n.marks) == 1 && mark == '.':
		n.decimals = true
		if decimalComma && len(last) == 3 {
			return false
		}
	case len(n.marks) == 1 && mark == ',':
		n.decimals = decimalComma
		if decimalComma && len(last) == 3 {
			return false
		}
	default:
		n.decimals = mark != group
	}
	groups := n.runs[1:]
	if n.decimals {
		if mark == ' ' || len(last) > exponent {
			return false
		}
		groups = groups[:len(groups)-1]
	}
	for i, run := range groups {
		if len(run) != 3 || n.marks[i] != group {
			return false
		}
	}
	if len(groups) > 0 {
		return len(first) <= 3 && first[0] != '0'
	}
	return first[0] != '0' || len(first) == 1
}

// minor is the value in minor units; ok is false above maxAmount.
func (n *numeral) minor(exponent int) (minor int64, ok bool) {
	left := exponent // digits to come after the point
	if n.decimals {
		left -= len(n.runs[len(n.runs)-1])
	}
	for _, run := range n.runs {
		for _, c := range run {
			if minor = minor*10 + int64(c-'0'); minor > maxAmount {
				return 0, false
			}
		}
	}
	for range left {
		if minor *= 10; minor > maxAmount {
			return 0, false
		}
	}
	return minor, true
}
