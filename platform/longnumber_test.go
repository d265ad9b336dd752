package platform

import (
	"log/slog"
	"strings"
	"testing"

	"starhash/smpp"
)

// Parts in other alphabets have another number, also when the entry has waited
// in between: handsets would join them with the parts of the first bind.
func TestNumberInOtherAlphabets(t *testing.T) {
	way := func(alphabet string) *route {
		cfg := smpp.BindConfig{Name: alphabet, DefaultAlphabet: alphabet}
		return &route{esme: smpp.NewESME(cfg, slog.New(slog.DiscardHandler), nil), cfg: cfg}
	}
	parts := func(d *dispatch, w *route) string {
		t.Helper()
		if !d.encode(t.Context(), w) || len(d.text.Parts) < 2 {
			t.Fatalf("%d parts", len(d.text.Parts))
		}
		return string(d.text.Parts[0][:6])
	}
	e := outboxEntry{Text: strings.Repeat("balance é ", 40), Origin: "1-1"}
	d := &dispatch{e: e, record: &Message{}}
	gsm := parts(d, way("gsm"))
	latin1 := parts(d, way("latin1"))
	later := &dispatch{e: e, record: d.record}
	if again := parts(later, way("latin1")); again != latin1 || again == gsm {
		t.Errorf("%x for one bind, %x for the other, %x after it waited", gsm, latin1, again)
	}
}
