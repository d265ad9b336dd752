package link

import (
	"bytes"
	"testing"
)

func TestBundle(t *testing.T) {
	msgs := [][]byte{[]byte("one"), {}, bytes.Repeat([]byte{7}, 70_000)}
	var b []byte
	for _, m := range msgs {
		b = AppendBundle(b, m)
	}
	got, err := ReadBundle(b)
	if err != nil || len(got) != len(msgs) {
		t.Fatalf("%d messages, %v", len(got), err)
	}
	for i := range msgs {
		if !bytes.Equal(got[i], msgs[i]) {
			t.Errorf("message %d is another", i)
		}
	}
	if got, err := ReadBundle(nil); len(got) != 0 || err != nil {
		t.Errorf("an empty bundle: %v, %v", got, err)
	}
	var many []byte
	for range MaxBundle + 1 {
		many = AppendBundle(many, nil)
	}
	for name, bad := range map[string][]byte{
		"too many": many, "too large": make([]byte, MaxMessage+1), "cut in a length": b[:len("one")+4+2],
		"cut in a message": b[:len(b)-1], "a length beyond all": {0xFF, 0xFF, 0xFF, 0xFF, 0},
	} {
		if _, err := ReadBundle(bad); CodeOf(err) != Malformed {
			t.Errorf("%s: %v, want Malformed", name, err)
		}
	}
	if !FitsBundle(0, MaxMessage-4) || FitsBundle(0, MaxMessage-3) || FitsBundle(MaxMessage-10, 7) {
		t.Error("FitsBundle does not count to MaxMessage")
	}
}

// What is read is written back as it was, and shares no room with what follows.
func FuzzReadBundle(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 1, 'a', 0, 0, 0, 2, 'b', 'c'})
	f.Add([]byte{0, 0, 0, 9, 'a'})
	f.Add([]byte{0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, b []byte) {
		msgs, err := ReadBundle(bytes.Clone(b))
		if err != nil {
			return
		}
		var again []byte
		for _, m := range msgs {
			again = AppendBundle(again, m)
			_ = append(m, 0xEE)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}
