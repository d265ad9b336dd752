package ledger

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxAmount bounds one amount, in minor units: large enough for any transfer
// in any currency, and small enough that nine thousand of them fit an int64.
const MaxAmount = 1_000_000_000_000_000

// exponents are the minor-unit digits of ISO 4217, list one, for the
// currencies of Africa and the ones that travel there. A currency that is not
// here is refused: a guessed exponent moves money by a factor of a hundred.
var exponents = map[string]int{
	"AED": 2, "AOA": 2, "BIF": 0, "BWP": 2, "CDF": 2, "CNY": 2, "CVE": 2, "DJF": 0,
	"DZD": 2, "EGP": 2, "ERN": 2, "ETB": 2, "EUR": 2, "GBP": 2, "GHS": 2, "GMD": 2,
	"GNF": 0, "INR": 2, "KES": 2, "KMF": 0, "LRD": 2, "LSL": 2, "LYD": 3, "MAD": 2,
	"MGA": 2, "MRU": 2, "MUR": 2, "MWK": 2, "MZN": 2, "NAD": 2, "NGN": 2, "RWF": 0,
	"SCR": 2, "SDG": 2, "SLE": 2, "SOS": 2, "SSP": 2, "STN": 2, "SZL": 2, "TND": 3,
	"TZS": 2, "UGX": 0, "USD": 2, "XAF": 0, "XOF": 0, "ZAR": 2, "ZMW": 2, "ZWG": 2,
}

// Exponent is the number of decimal digits of a currency's minor unit.
func Exponent(currency string) (int, error) {
	e, ok := exponents[currency]
	if !ok {
		return 0, fmt.Errorf("currency %q is not known here: want an ISO 4217 code such as USD or KES", currency)
	}
	return e, nil
}

// ParseAmount reads a decimal amount, "12", "12.5" or "12.50", as minor units.
// It takes digits and one point, no sign, no grouping, nothing around them, and
// never rounds: more decimals than the currency has are an error.
func ParseAmount(text, currency string) (int64, error) {
	exp, err := Exponent(currency)
	if err != nil {
		return 0, err
	}
	whole, frac, point := strings.Cut(text, ".")
	if whole == "" || (point && frac == "") || !digits(whole) || !digits(frac) {
		return 0, fmt.Errorf("amount %q: want digits with at most one point, such as 12.50", text)
	}
	if len(frac) > exp {
		return 0, fmt.Errorf("amount %q: %s has %d decimals, not %d", text, currency, exp, len(frac))
	}
	minor, err := strconv.ParseInt(whole+frac+strings.Repeat("0", exp-len(frac)), 10, 64)
	if err != nil || minor > MaxAmount {
		return 0, fmt.Errorf("amount %q is too large: at most %s %s", text, FormatAmount(MaxAmount, currency), currency)
	}
	return minor, nil
}

// FormatAmount writes minor units as a decimal, without the currency's name:
// FormatAmount(1250, "USD") is "12.50". An unknown currency is written with a
// note in place of a guessed point.
func FormatAmount(minor int64, currency string) string {
	exp, err := Exponent(currency)
	if err != nil {
		return fmt.Sprintf("%d minor units", minor)
	}
	s := strconv.FormatInt(minor, 10)
	if exp == 0 {
		return s
	}
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	if len(s) <= exp {
		s = strings.Repeat("0", exp+1-len(s)) + s
	}
	return sign + s[:len(s)-exp] + "." + s[len(s)-exp:]
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }
