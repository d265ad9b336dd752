package smsc

import (
	"slices"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"starhash/smpp"
)

// Whatever is split comes together again: each part fits, is text by itself (no
// character is cut), and says rightly which part it is.
func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alphabet := rapid.SampledFrom([]string{"abc 012@\n", "a€{}[]~^|\\", "éß£ñ", "Привет", "a😀б😀"}).Draw(t, "alphabet")
		// Left to itself rapid rarely draws a text of more than one part.
		n := rapid.SampledFrom([]int{0, 1, 69, 70, 71, 134, 135, 152, 153, 154, 159, 160, 161, 307, 800}).Draw(t, "length")
		want := string(rapid.SliceOfN(rapid.SampledFrom([]rune(alphabet)), n, n).Draw(t, "text"))
		mo := MO{
			From: alice, To: code, Text: want,
			Split:    rapid.SampledFrom([]string{"", "udh8", "udh16", "sar", "payload"}).Draw(t, "split"),
			Coding:   rapid.SampledFrom([]string{"", "auto", "ucs2"}).Draw(t, "coding"),
			PartSize: rapid.SampledFrom([]int{0, 0, 23, 50, 200}).Draw(t, "part_size"),
		}
		messages, err := mo.messages(smpp.DeliverSM, uint16(rapid.IntRange(0, 65535).Draw(t, "ref")), 0)
		if err != nil {
			t.Fatal(err)
		}
		var joined []byte
		var first smpp.Part
		for i, m := range messages {
			octets := len(m.Payload)
			if m.DataCoding == smpp.CodingDefault && m.ESMClass&smpp.ESMClassUDHI != 0 {
				header := 1 + int(m.Payload[0])
				octets = (header*8+6)/7 + len(m.Payload) - header // septets, the header's filled up
			}
			if room := map[byte]int{smpp.CodingDefault: roomSeptets, smpp.CodingUCS2: roomOctets}[m.DataCoding]; octets > room {
				t.Fatalf("%d in a part, room for %d", octets, room)
			}
			p, long, err := smpp.PartOf(m)
			if err != nil {
				t.Fatal(err)
			}
			user := p.Text
			if !long {
				if user, err = smpp.UserText(m); err != nil || len(messages) > 1 {
					t.Fatal(err, len(messages))
				}
				if mo.Split == "payload" {
					user, _ = m.TLVs.Get(smpp.TagMessagePayload)
				}
			} else {
				if first.Total == 0 {
					first = p
				}
				if int(p.Seq) != i+1 || int(p.Total) != len(messages) || p.Ref != first.Ref || p.Kind != first.Kind {
					t.Fatalf("part %d: %+v", i+1, p)
				}
			}
			text, err := smpp.AppendText(nil, m.DataCoding, user)
			if err != nil || !utf8.Valid(text) || slices.Contains([]rune(string(text)), utf8.RuneError) {
				t.Fatalf("a character is cut: %q %v", text, err)
			}
			joined = append(joined, text...)
		}
		if string(joined) != want {
			t.Fatalf("%q, want %q", joined, want)
		}
	})
}

func TestSplitCounts(t *testing.T) {
	for _, tc := range []struct {
		runes int
		char  string
		mo    MO
		parts int
	}{
		{160, "x", MO{}, 1}, {161, "x", MO{}, 2}, {306, "x", MO{}, 2}, {307, "x", MO{}, 3},
		{304, "x", MO{Split: "udh16"}, 2}, {305, "x", MO{Split: "udh16"}, 3},
		{306, "x", MO{Split: "sar"}, 2}, {307, "x", MO{Split: "sar"}, 3},
		{2000, "x", MO{Split: "payload"}, 1},
		{70, "П", MO{}, 1}, {71, "П", MO{}, 2}, {134, "П", MO{}, 2}, {135, "П", MO{}, 3},
		{132, "П", MO{Split: "udh16"}, 2}, {133, "П", MO{Split: "udh16"}, 3},
		{140, "é", MO{Coding: "latin1"}, 1}, {141, "é", MO{Coding: "latin1"}, 2}, {268, "é", MO{Coding: "latin1"}, 2},
		{20, "x", MO{PartSize: 8}, 3},
	} {
		for range tc.runes {
			tc.mo.Text += tc.char
		}
		tc.mo.From, tc.mo.To = alice, code
		got, err := tc.mo.messages(smpp.DeliverSM, 1, 0)
		if err != nil || len(got) != tc.parts {
			t.Errorf("%d %s, %+v: %d parts, want %d; %v", tc.runes, tc.char, tc.mo.Split, len(got), tc.parts, err)
		}
	}
}
