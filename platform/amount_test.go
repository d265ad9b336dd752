package platform

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"

	"starhash/bank/ledger"
)

func TestFormatAmount(t *testing.T) {
	for _, tt := range []struct {
		minor    int64
		currency string
		want     string
	}{
		{123450, "USD", "USD 1,234.50"},
		{5, "USD", "USD 0.05"},
		{0, "USD", "USD 0.00"},
		{-123, "USD", "USD -1.23"},
		{100000000, "KES", "KES 1,000,000.00"},
		{1234567, "UGX", "UGX 1,234,567"},
		{999, "XOF", "XOF 999"},
		{1500, "TND", "TND 1.500"},
		{math.MinInt64, "UGX", "UGX -9,223,372,036,854,775,808"},
		{1234, "XXX", "1234 minor units of XXX"},
	} {
		if got := FormatAmount(tt.minor, tt.currency); got != tt.want {
			t.Errorf("FormatAmount(%d, %s) is %q, want %q", tt.minor, tt.currency, got, tt.want)
		}
	}
	if got := FormatNumber(-123450, "USD"); got != "-1,234.50" {
		t.Errorf("FormatNumber: %q", got)
	}
}

// Both sides of the link must put the point in the same place.
func TestExponentsAreTheBanks(t *testing.T) {
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			for c := 'A'; c <= 'Z'; c++ {
				code := string([]rune{a, b, c})
				ours, known := exponents[code]
				theirs, err := ledger.Exponent(code)
				if known != (err == nil) || ours != theirs {
					t.Errorf("%s: %d digits here (known %v), %d there (%v)", code, ours, known, theirs, err)
				}
			}
		}
	}
	if maxAmount != ledger.MaxAmount {
		t.Errorf("at most %d here, %d there", int64(maxAmount), int64(ledger.MaxAmount))
	}
	for code := range currencyWords {
		if _, ok := exponents[code]; !ok {
			t.Errorf("words for %s, which is not known", code)
		}
	}
}

func TestReadAmount(t *testing.T) {
	const bad, foreign = -1, -2
	tests := []struct {
		text     string // normalized
		currency string
		point    int64 // read in a language with a decimal point
		comma    int64 // and in one with a decimal comma
	}{
		{"500", "USD", 50000, 50000},
		{"12.5", "USD", 1250, 1250},
		{"12.50", "USD", 1250, 1250},
		{"0.05", "USD", 5, 5},
		{"12.505", "USD", bad, bad},
		{"1.000", "USD", bad, bad},
		{"1,000", "USD", 100000, bad},
		{"5,50", "USD", bad, 550},
		{"5,5", "USD", bad, 550},
		{"0,05", "USD", bad, 5},
		{"1,000.50", "USD", 100050, 100050},
		{"1.000,50", "USD", 100050, 100050},
		{"1 000", "USD", 100000, 100000},
		{"1 000.50", "USD", 100050, 100050},
		{"1 000,50", "USD", 100050, 100050},
		{"1 000 000", "USD", 100000000, 100000000},
		{"1,000,000", "USD", 100000000, 100000000},
		{"1.000.000", "USD", 100000000, 100000000},
		{"1.000.000,5", "USD", 100000050, 100000050},
		{"1,000 000", "USD", bad, bad},
		{"1 00", "USD", bad, bad},
		{"1 0000", "USD", bad, bad},
		{"1000 000", "USD", bad, bad},
		{"0 500", "USD", bad, bad},
		{"1,00,000", "USD", bad, bad},
		{"1,000,00", "USD", bad, bad},
		{"0", "USD", bad, bad},
		{"0.00", "USD", bad, bad},
		{"00.5", "USD", bad, bad},
		{"007", "USD", bad, bad},
		{"-5", "USD", bad, bad},
		{"5-", "USD", bad, bad},
		{"+5", "USD", bad, bad},
		{".50", "USD", bad, bad},
		{"5.", "USD", bad, bad}, // split takes the dot
		{"1E3", "USD", bad, bad},
		{"5K", "USD", bad, bad},
		{"5K", "ZMW", bad, bad}, // kwacha or thousand
		{"K5", "ZMW", 500, 500},
		{"FIVE", "USD", bad, bad},
		{"USD", "USD", bad, bad},
		{"/=", "USD", bad, bad},
		{"USD5", "USD", 500, 500},
		{"USD 5", "USD", 500, 500},
		{"5USD", "USD", 500, 500},
		{"5 USD", "USD", 500, 500},
		{"$5", "USD", 500, 500},
		{"US$5.50", "USD", 550, 550},
		{"5 DOLLARS", "USD", 500, 500},
		{"500/=", "KES", 50000, 50000},
		{"500 /=", "KES", 50000, 50000},
		{"500/-", "KES", 50000, 50000},
		{"KES500/=", "KES", 50000, 50000},
		{"KSH 1,000/=", "KES", 100000, bad},
		{"SHS 5", "UGX", 5, 5},
		{"5.5", "UGX", bad, bad},
		{"5,000", "UGX", 5000, bad},
		{"5 000 FCFA", "XOF", 5000, 5000},
		{"1.5", "TND", 1500, 1500},
		{"1.500", "TND", 1500, bad},
		{"1,500", "TND", 1500000, bad},
		{"EUR5", "USD", foreign, foreign},
		{"5 KSH", "USD", foreign, foreign},
		{"€5", "USD", foreign, foreign},
		{"10000000000000", "USD", 1_000_000_000_000_000, 1_000_000_000_000_000},
		{"10000000000000.01", "USD", bad, bad},
		{"99999999999999999999999999", "USD", bad, bad},
	}
	for _, tt := range tests {
		rules, err := newAmountRules(tt.currency)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []int64{tt.point, tt.comma} {
			minor, v := rules.read(bytes.Split([]byte(tt.text), []byte(" ")), i == 1)
			got := map[verdict]int64{amountRead: minor, amountBad: bad, amountForeign: foreign}[v]
			if got != want {
				t.Errorf("%q of %s, decimal comma %v: %d, want %d", tt.text, tt.currency, i == 1, got, want)
			}
		}
	}
	if _, err := newAmountRules("XXX"); err == nil {
		t.Error("an unknown currency was taken")
	}
}

// What the gateway writes, a person may type.
func TestFormattedAmountsAreRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		currency := rapid.SampledFrom([]string{"USD", "KES", "UGX", "XOF", "TND"}).Draw(t, "currency")
		minor := rapid.Int64Range(1, maxAmount).Draw(t, "minor")
		rules, err := newAmountRules(currency)
		if err != nil {
			t.Fatal(err)
		}
		text := FormatAmount(minor, currency)
		if got, v := rules.read(bytes.Split([]byte(text), []byte(" ")), false); v != amountRead || got != minor {
			t.Fatalf("%q is read as %d (%d)", text, got, v)
		}
	})
}
