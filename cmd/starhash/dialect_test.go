package main

import (
	"bufio"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"starhash/smpp"
)

// goldenFrames are the dialogues of a dialect's golden PDUs as detect reads them, but
// for those that are refused.
func goldenFrames(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "smpp", "dialect", "testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var frames strings.Builder
	in := bufio.NewScanner(f)
	direction := ""
	for in.Scan() {
		word, _, _ := strings.Cut(in.Text(), " ")
		switch {
		case in.Text() == "dialogue what else is read":
			return frames.String()
		case word == "in", word == "out":
			direction = word
		case len(word) > 32 && word[0] == '0':
			frames.WriteString(direction + " " + word + "\n")
		}
	}
	t.Fatalf("%s: %v", f.Name(), in.Err())
	return ""
}

func TestDialectCommand(t *testing.T) {
	processes(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	own := filepath.Join(dir, "own")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	file("own/ours.yaml", "like: nobody\nabout: ours\n")
	good := filepath.Join(dir, "good")
	if err := os.Mkdir(good, 0o700); err != nil {
		t.Fatal(err)
	}
	file("good/ours.yaml", "like: plain\nabout: as ours is\nin: {begin: 5}\n")
	tata := file("tata.hex", goldenFrames(t, "tata"))
	octets, err := smpp.Append(nil, smpp.PDU{Command: smpp.DeliverSM, Sequence: 1, Body: &smpp.Message{ServiceType: "USSD", Payload: []byte("HELP")}})
	if err != nil {
		t.Fatal(err)
	}
	sms := file("sms.hex", hex.EncodeToString(octets))
	strange := file("strange.hex", strings.ReplaceAll(goldenFrames(t, "plain"), "0501000101", "0501000104"))
	for _, tt := range []struct {
		name      string
		args      []string
		code      int
		out, errs string
	}{
		{"list", []string{"list"}, 0, `(?s)^6d .*\ncomverse +Comverse SMPP\+.*\nplain +SMPP 3\.4.*tata `, `^$`},
		{"list with the operator's", []string{"list", "--dialects-dir", good}, 0, `\nours +as ours is\n`, `^$`},
		{"show", []string{"show", "tata"}, 0, `(?s)^# Tata.*like: plain.*reply: \[2, 18\]`, `^$`},
		{"show the operator's", []string{"show", "ours", "--dialects-dir", good}, 0, `as ours is`, `^$`},
		{"show nothing", []string{"show", "nobody"}, 2, `^$`, `no dialect "nobody": want one of 6d, comverse`},
		{"wrong file", []string{"list", "--dialects-dir", own}, 2, `^$`, `own: ours\.yaml:1: like: there is no dialect "nobody"; want one of 6d`},
		{"detect", []string{"detect", tata}, 0, `(?s)^\d+ PDUs, \d+ of them USSD, 0 that do not decode\n\ntata fits, score \d+\n  \+ in: ussd_service_op 1 is begin.*plain does not fit\n.*\nBest: dialect: tata\n$`, `^$`},
		{"detect, none fits", []string{"detect", "--all", strange}, 1, `does not fit`, `^starhash: no dialect fits`},
		{"detect, no USSD", []string{"detect", sms}, 1, `^1 PDUs, 0 of them USSD`, `no message has ussd_service_op`},
		{"detect, no capture", []string{"detect", file("words", "hello\n")}, 1, `^$`, `line 1 is neither hexadecimal nor a pcap file`},
		{"detect, no file", []string{"detect", filepath.Join(dir, "none")}, 1, `^$`, `no such file`},
	} {
		out, errs, code := command(t, nil, append([]string{"dialect"}, tt.args...)...)
		if code != tt.code || !regexp.MustCompile(tt.out).MatchString(out) || !regexp.MustCompile(tt.errs).MatchString(errs) {
			t.Errorf("%s: exit code %d, want %d\n%s\n%s", tt.name, code, tt.code, out, errs)
		}
	}
}
