package platform

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestKeyringForgets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if err := NewKeyring(now).Write(path); err != nil {
		t.Fatal(err)
	}
	if fi, _ := os.Stat(path); fi.Mode().Perm() != 0o600 {
		t.Errorf("the key file has mode %v", fi.Mode())
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	open := func() *Keyring {
		k, err := OpenKeyring(path)
		if err != nil {
			t.Fatal(err)
		}
		k.now = func() time.Time { return now }
		return k
	}
	a, b := open(), open()
	w, err := a.Wrap([]byte("body"), "place")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := b.Unwrap(w, "place"); err != nil || string(v.Reveal()) != "body" {
		t.Fatalf("another gateway with the same file cannot open it: %v", err)
	}
	if _, err := b.Unwrap(w, "elsewhere"); err == nil {
		t.Error("a value that was moved to another place opens")
	}
	for i := range w {
		c := bytes.Clone(w)
		c[i] ^= 1
		if _, err := b.Unwrap(c, "place"); err == nil {
			t.Fatalf("byte %d altered and it opens", i)
		}
	}

	now = now.Add(47 * time.Hour)
	if err := a.Advance(); err != nil {
		t.Fatal(err)
	}
	if _, err := open().Unwrap(w, "place"); err != nil {
		t.Errorf("47 hours later: %v", err)
	}
	now = now.Add(3 * time.Hour)
	if err := a.Advance(); err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*Keyring{"in memory": a, "from the file": open()} {
		if _, err := k.Unwrap(w, "place"); err == nil {
			t.Errorf("%s: 50 hours later it still opens", name)
		}
	}
	if later, _ := os.ReadFile(path); bytes.Equal(first, later) {
		t.Error("the file still holds the first keys")
	}
}

func TestDigestsSpanTwoDays(t *testing.T) {
	now := time.Date(2026, 3, 1, 23, 59, 0, 0, time.UTC)
	k := NewKeyring(now)
	k.now = func() time.Time { return now }
	today, _, err := k.Digests([]byte("SEND"), []byte("5"))
	if err != nil {
		t.Fatal(err)
	}
	if other, _, _ := k.Digests([]byte("SEND5"), nil); other == today {
		t.Error("the parts run into each other")
	}
	now = now.Add(2 * time.Minute)
	after, yesterday, err := k.Digests([]byte("SEND"), []byte("5"))
	if err != nil || yesterday != today || after == today {
		t.Errorf("after midnight: today %s, yesterday %s, want yesterday %s (%v)", after, yesterday, today, err)
	}
}
