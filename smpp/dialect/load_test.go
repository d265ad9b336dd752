package dialect_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"starhash/configs"
	"starhash/smpp"
	"starhash/smpp/dialect"
)

// plain is the shipped file, with one line of it changed.
func plain(t *testing.T, old, new string) string {
	t.Helper()
	text, err := fs.ReadFile(configs.Dialects, "plain.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), old) != 1 {
		t.Fatalf("%q is in plain.yaml %d times", old, strings.Count(string(text), old))
	}
	return strings.Replace(string(text), old, new, 1)
}

// What is wrong in a file is said with its line and what would be right.
func TestProblems(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"unknown key":     {"like: plain\nsesion: none\n", `x.yaml:2: sesion: unknown key; want one of about, told_by, in, out, session, code, imsi, others, like`},
		"unknown below":   {"like: plain\nin:\n  begins: 1\n", `x.yaml:3: in.begins: unknown key; want one of pdu, service_type, coding, gsm, ucs2, begin, reply, reply_last, acknowledge, abort`},
		"twice":           {"like: plain\ncode: either\ncode: either\n", `x.yaml:3: code: is already set in line 2; want one of the two`},
		"missing":         {plain(t, "  acknowledge: 19", "  # acknowledge: 19"), "x.yaml:10: in.acknowledge: is missing"},
		"missing section": {plain(t, "\nsession: ", "\nsessions: "), "x.yaml: session.end_bit: is missing"},
		"no section":      {"like: plain\nin: 5\n", "x.yaml:2: in: is no section; want the keys pdu, service_type"},
		"no begin":        {"like: plain\nin: {begin: none}\n", "x.yaml:2: in.begin: is none; want a value: no dialogue goes without it"},
		"one meaning":     {"like: plain\nin:\n  reply: [18, 1]\n", "x.yaml:3: in.reply: 1 is in.begin already, in plain.yaml:15; want another value"},
		"ask and end":     {"like: plain\nout:\n  end: 2\n", "x.yaml:3: out.end: 2 is out.ask already, in plain.yaml:27; want another value, or session.end_bit: ends"},
		"in the range":    {"like: plain\nin:\n  acknowledge: 33\n", "x.yaml:3: in.acknowledge: 33 is in.abort already, in plain.yaml:19; want another value"},
		"octal":           {"like: plain\nout: {end: 017}\n", `x.yaml:2: out.end: is "017"; want a ussd_service_op from 0 to 255, decimal or 0x…, or a range such as 32-255`},
		"too large":       {"like: plain\nout: {end: 256}\n", `x.yaml:2: out.end: is "256"`},
		"backwards":       {"like: plain\nout: {release: 9-4}\n", `x.yaml:2: out.release: is "9-4"`},
		"word":            {"like: plain\ncode: somewhere\n", `x.yaml:2: code: is "somewhere"; want one of destination_addr, short_message, either`},
		"pdu":             {"like: plain\nin: {pdu: submit_sm}\n", `x.yaml:2: in.pdu: is "submit_sm"; want one of deliver_sm, data_sm`},
		"mask":            {"like: plain\nsession: {mask: 0x1FF00}\n", "x.yaml:2: session.mask: has bits outside the octets; want at most 0xFFFF"},
		"unit in the key": {"like: plain\nsession: {mask: 0xFFFF}\n", "session.unit: is advance, and mask has bits 7 to 1 of octet 2; want a mask without them such as 0xFF00"},
		"unit of four":    {"like: plain\nsession: {octets: 4}\n", "session.unit: is advance; want echo, because the unit number is in the second of two octets"},
		"tag":             {"like: plain\nimsi: 0x15020\n", `x.yaml:2: imsi: is "0x15020"; want a parameter's tag such as 0x1502, or none`},
		"alphabets":       {"like: plain\nin: {gsm: 8}\n", "in.ucs2: is that of gsm too; want another: nobody could tell the alphabets apart"},
		"service type":    {"like: plain\nin: {service_type: LONGER}\n", `x.yaml:2: in.service_type: is "LONGER"; want a service type: 0 to 5 letters and digits`},
		"no service type": {"like: plain\nin: {service_type: none}\n", `x.yaml:2: in.service_type: is none; want a service type such as USSD, or ""`},
		"both":            {"like: huawei-service-type\nin: {service_type: USSD}\n", "x.yaml:2: in.service_type: is set, and told_by is service_type; want none"},
		"like nothing":    {"like: nobody\n", `x.yaml:1: like: there is no dialect "nobody"; want one of 6d, comverse, comverse-umr, `},
		"like itself":     {"like: x\n", "x.yaml:1: like: goes round in a circle; want a dialect that has all keys, such as plain, at its end"},
		"not YAML":        {"like: [\n", "x.yaml:1: not YAML: "},
		"a list":          {"- 1\n", "x.yaml: is no dialect; want the keys of plain.yaml"},
		"empty":           {"", "x.yaml: is no dialect"},
		"large":           {"#" + strings.Repeat(" ", 64<<10), "x.yaml: is too large; want at most 65536 octets"},
		"about":           {"like: plain\nabout: []\n", "x.yaml:2: about: is no text; want one line for people"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dialect.Load(configs.Dialects, fstest.MapFS{"x.yaml": {Data: []byte(tt.text)}})
			var e *configs.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want a *configs.Error", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got\n%s\nwant\n%s", err, tt.want)
			}
		})
	}
	if _, err := dialect.Load(fstest.MapFS{}); err == nil {
		t.Error("a directory without dialects is loaded")
	}
}

// An operator's file changes a few keys of a shipped one, and may take its place.
func TestLike(t *testing.T) {
	set, err := dialect.Load(configs.Dialects, fstest.MapFS{
		"ours.yaml": {Data: []byte("like: plain\nabout: ours\nsession: none\nout: {end: 0x1F}\nin: {service_type: \"\"}\n")},
		"mica.yaml": {Data: []byte("like: plain\nabout: another Mica\n")},
		"them.yaml": {Data: []byte("like: no-session\nabout: theirs\nin: {service_type: [P3, P2]}\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	ours, ok := set.Get("ours")
	if !ok || ours.Name() != "ours" || ours.About() != "ours" {
		t.Fatalf("%v", set.Names())
	}
	_, pdu, err := ours.Submit(dialect.Message{Kind: dialect.End, Session: dialect.Session{Echo: []byte{1, 2}}, Text: []byte("Bye")})
	if err != nil {
		t.Fatal(err)
	}
	if op, _ := pdu.TLVs.Get(smpp.TagUSSDServiceOp); len(pdu.TLVs) != 1 || len(op) != 1 || op[0] != 31 {
		t.Errorf("%v", pdu.TLVs)
	}
	// Like one that is like plain: its keys are nearer than plain's.
	them, _ := set.Get("them")
	_, pdu, err = them.Deliver(dialect.Message{Kind: dialect.Begin, Text: []byte("*700#")})
	if err != nil || pdu.ServiceType != "P3" || pdu.DataCoding != 0x0F || len(pdu.TLVs) != 1 {
		t.Errorf("%v %v", pdu, err)
	}
	if m, _ := set.Get("mica"); m.About() != "another Mica" {
		t.Error("the operator's file does not take the place of ours")
	}
}

// Whatever an operator writes, Load answers; and what it takes, it can speak.
func FuzzLoad(f *testing.F) {
	files, err := fs.Glob(configs.Dialects, "*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := fs.ReadFile(configs.Dialects, name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := dialect.Load(configs.Dialects, fstest.MapFS{"x.yaml": {Data: text}})
		if err != nil {
			if e := (*configs.Error)(nil); !errors.As(err, &e) {
				t.Fatalf("%v is no *configs.Error", err)
			}
			return
		}
		d, _ := set.Get("x")
		to := smpp.Address{Addr: "263771000001"}
		m := dialect.Message{Kind: dialect.Begin, Subscriber: to, Code: smpp.Address{Addr: "700"}, Session: d.NewSession(7, to), Text: []byte("*700#")}
		_, pdu, err := d.Deliver(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Delivered(pdu)
		if err != nil || got.Kind != dialect.Begin || string(got.Text) != "*700#" || got.Session.Key != m.Session.Key || !d.Is(pdu) {
			t.Fatalf("%s %v", show(got), err)
		}
		got.Kind, got.Text = dialect.End, []byte("Bye")
		if _, pdu, err = d.Submit(got); err != nil {
			t.Fatal(err)
		}
		if back, err := d.Submitted(pdu); err != nil || back.Kind != dialect.End || back.Session.Key != m.Session.Key {
			t.Fatalf("%s %v", show(back), err)
		}
	})
}
