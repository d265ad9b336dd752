package ledger_test

import (
	"testing"

	"pgregory.net/rapid"

	"starhash/bank/ledger"
)

func TestParseAmount(t *testing.T) {
	for _, tc := range []struct {
		text, currency string
		want           int64
		ok             bool
	}{
		{"12.50", "USD", 1250, true},
		{"12.5", "USD", 1250, true},
		{"12", "USD", 1200, true},
		{"0.01", "KES", 1, true},
		{"0", "KES", 0, true},
		{"0007.10", "EUR", 710, true},
		{"500", "UGX", 500, true},
		{"500", "XOF", 500, true},
		{"1.234", "TND", 1234, true},
		{"10000000000000.00", "USD", ledger.MaxAmount, true},
		{"10000000000000.01", "USD", 0, false},
		{"99999999999999999999", "USD", 0, false},
		{"500.0", "UGX", 0, false}, // UGX has no decimals, zero or not
		{"12.505", "USD", 0, false},
		{"12.500", "USD", 0, false},
		{"12.", "USD", 0, false},
		{".5", "USD", 0, false},
		{"", "USD", 0, false},
		{".", "USD", 0, false},
		{"1.2.3", "USD", 0, false},
		{"-1", "USD", 0, false},
		{"+1", "USD", 0, false},
		{"1e3", "USD", 0, false},
		{"1,000", "USD", 0, false},
		{" 1", "USD", 0, false},
		{"٣", "USD", 0, false},
		{"1", "usd", 0, false},
		{"1", "ABC", 0, false},
	} {
		got, err := ledger.ParseAmount(tc.text, tc.currency)
		if (err == nil) != tc.ok || got != tc.want {
			t.Errorf("ParseAmount(%q, %s) = %d, %v; want %d, ok %v", tc.text, tc.currency, got, err, tc.want, tc.ok)
		}
	}
}

func TestFormatAmount(t *testing.T) {
	for _, tc := range []struct {
		minor    int64
		currency string
		want     string
	}{
		{1250, "USD", "12.50"}, {5, "USD", "0.05"}, {0, "USD", "0.00"}, {-5, "USD", "-0.05"}, {-1250, "KES", "-12.50"},
		{500, "UGX", "500"}, {-500, "XAF", "-500"}, {1, "TND", "0.001"}, {7, "ABC", "7 minor units"},
	} {
		if got := ledger.FormatAmount(tc.minor, tc.currency); got != tc.want {
			t.Errorf("FormatAmount(%d, %s) = %q, want %q", tc.minor, tc.currency, got, tc.want)
		}
	}
}

func TestAmountRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Range(0, ledger.MaxAmount).Draw(t, "minor")
		currency := rapid.SampledFrom([]string{"USD", "UGX", "TND", "ZWG"}).Draw(t, "currency")
		got, err := ledger.ParseAmount(ledger.FormatAmount(minor, currency), currency)
		if err != nil || got != minor {
			t.Fatalf("%d %s came back as %d, %v", minor, currency, got, err)
		}
	})
}

// FuzzParseAmount: whatever comes, no panic, and what is accepted is written
// back as an amount of the same value.
func FuzzParseAmount(f *testing.F) {
	for _, s := range []string{"12.50", "500", ".", "1e3", "99999999999999999999", "0.00", "-1"} {
		f.Add(s, "USD")
		f.Add(s, "UGX")
	}
	f.Fuzz(func(t *testing.T, text, currency string) {
		minor, err := ledger.ParseAmount(text, currency)
		if err != nil {
			return
		}
		if again, err := ledger.ParseAmount(ledger.FormatAmount(minor, currency), currency); err != nil || again != minor {
			t.Errorf("%q is %d, comes back as %d, %v", text, minor, again, err)
		}
	})
}
