package ussd

import (
	"strings"
	"testing"
)

func TestFits(t *testing.T) {
	tests := []struct {
		name, text string
		want       bool
	}{
		{"empty", "", true},
		{"182 septets", strings.Repeat("a", 182), true},
		{"183 septets", strings.Repeat("a", 183), false},
		{"91 escapes", strings.Repeat("€", 91), true},
		{"92 escapes", strings.Repeat("€", 92), false},
		{"80 of UCS2", strings.Repeat("ж", 80), true},
		{"81 of UCS2", strings.Repeat("ж", 81), false},
		{"one character that forces UCS2", "ж" + strings.Repeat("a", 80), false},
		{"40 surrogate pairs", strings.Repeat("😀", 40), true},
		{"41 surrogate pairs", strings.Repeat("😀", 41), false},
	}
	for _, tt := range tests {
		if got := Fits(tt.text); got != tt.want {
			t.Errorf("%s: Fits is %v", tt.name, got)
		}
	}
}
