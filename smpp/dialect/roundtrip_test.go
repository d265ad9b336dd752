package dialect_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"starhash/smpp"
	"starhash/smpp/dialect"
)

// What one side writes the other reads, in every dialect, over a whole dialogue.
func TestRoundTrip(t *testing.T) {
	set := load(t)
	rapid.Check(t, func(t *rapid.T) {
		d, _ := set.Get(rapid.SampledFrom(set.Names()).Draw(t, "dialect"))
		subscriber := smpp.Address{TON: 1, NPI: 1, Addr: rapid.StringMatching(`263[0-9]{9}`).Draw(t, "subscriber")}
		session := d.NewSession(rapid.Uint64().Draw(t, "number"), subscriber)
		key := session.Key
		for range rapid.IntRange(1, 200).Draw(t, "messages") {
			m := dialect.Message{
				Kind:       dialect.Kind(rapid.IntRange(int(dialect.Begin), int(dialect.Release)).Draw(t, "kind")),
				Subscriber: subscriber, Code: smpp.Address{NPI: 1, Addr: "700"}, Session: session,
				Text: []byte(rapid.OneOf(
					rapid.StringOfN(rapid.RuneFrom([]rune("abc €[]\n@éàΔ019")), 0, 90, -1),
					rapid.StringOfN(rapid.RuneFrom([]rune("Жяü😀ab ")), 0, 40, -1)).Draw(t, "text")),
			}
			write, read := d.Submit, d.Submitted
			if m.Kind < dialect.Ask {
				write, read = d.Deliver, d.Delivered
			}
			if m.Kind == dialect.Begin {
				m.Text = []byte(rapid.StringMatching(`\*700(\*[0-9]{1,10}){0,3}#`).Draw(t, "dialled"))
			}
			command, pdu, err := write(m)
			if errors.Is(err, dialect.ErrOperation) && m.Kind == dialect.Abort {
				continue // a dialect without it
			} else if err != nil {
				t.Fatalf("%s: %s is not written: %v", d.Name(), m.Kind, err)
			}
			// Over the wire, so that what the codec refuses is seen.
			octets, err := smpp.Append(nil, smpp.PDU{Command: command, Sequence: 1, Body: pdu})
			if err != nil {
				t.Fatal(err)
			}
			p, err := smpp.Decode(octets)
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(p.Body.(*smpp.Message))
			if err != nil {
				t.Fatalf("%s: %s is not read: %v", d.Name(), m.Kind, err)
			}
			if got.Session.Key != key {
				t.Fatalf("%s: the session was %q and is %q", d.Name(), key, got.Session.Key)
			}
			session = got.Session
			want := m
			want.Session = session
			switch m.Kind {
			case dialect.Abort:
				want.Text, want.Reason, want.Last = nil, got.Reason, true
			case dialect.Release:
				want.Last = true
				if got.Kind == dialect.End {
					want.Kind = dialect.End // where the dialect has no release
				}
			case dialect.End:
				want.Last = true
			case dialect.Acknowledge:
				want.NetworkInitiated = true
			}
			if len(got.Text) == 0 && len(want.Text) == 0 {
				got.Text, want.Text = nil, nil
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: read %s, want %s", d.Name(), show(got), show(want))
			}
		}
	})
}

// What a dialect does not have is said in another way, or not at all.
func TestWhatDialectsLack(t *testing.T) {
	set := load(t)
	for _, tt := range []struct {
		name   string
		m      dialect.Message
		op     byte
		wrong  error
		onAir  dialect.Kind // as the network reads it
		isLast bool
	}{
		{"plain", dialect.Message{Kind: dialect.End, NetworkInitiated: true}, 17, nil, dialect.End, true},
		{"comverse", dialect.Message{Kind: dialect.End, NetworkInitiated: true}, 131, nil, dialect.Notify, true},
		{"comverse", dialect.Message{Kind: dialect.End}, 17, nil, dialect.End, true},
		{"mica", dialect.Message{Kind: dialect.Release}, 17, nil, dialect.End, true},
		{"tata", dialect.Message{Kind: dialect.Release}, 2, nil, dialect.End, true},
		{"plain", dialect.Message{Kind: dialect.Release}, 128, nil, dialect.Release, true},
		{"plain", dialect.Message{Kind: dialect.Reply}, 0, dialect.ErrOperation, 0, false},
		{"plain", dialect.Message{}, 0, dialect.ErrOperation, 0, false},
	} {
		d, _ := set.Get(tt.name)
		tt.m.Session = d.NewSession(7, smpp.Address{})
		_, pdu, err := d.Submit(tt.m)
		if !errors.Is(err, tt.wrong) {
			t.Errorf("%s, %s: %v", tt.name, tt.m.Kind, err)
		}
		if err != nil {
			continue
		}
		op, _ := pdu.TLVs.Get(smpp.TagUSSDServiceOp)
		got, err := d.Submitted(pdu)
		if len(op) != 1 || op[0] != tt.op || err != nil || got.Kind != tt.onAir || got.Last != tt.isLast {
			t.Errorf("%s, %s: operation %d is %s, %v", tt.name, tt.m.Kind, op, got.Kind, err)
		}
	}
	// A session number that the dialect demands, and one of another dialect.
	comverse, _ := set.Get("comverse")
	for _, echo := range [][]byte{nil, {1, 2}, make([]byte, 9)} {
		if _, _, err := comverse.Submit(dialect.Message{Kind: dialect.Ask, Session: dialect.Session{Echo: echo}}); !errors.Is(err, dialect.ErrSession) {
			t.Errorf("%d octets: %v", len(echo), err)
		}
	}
	// The reason of an abort chooses its value.
	data, _ := set.Get("data-sm")
	_, pdu, err := data.Deliver(dialect.Message{Kind: dialect.Abort, Reason: "the network failed"})
	if op, _ := pdu.TLVs.Get(smpp.TagUSSDServiceOp); err != nil || len(op) != 1 || op[0] != 66 {
		t.Errorf("operation %d, %v", op, err)
	}
	umr, _ := set.Get("comverse-umr")
	if _, _, err := umr.Deliver(dialect.Message{Kind: dialect.Abort, Session: umr.NewSession(1, smpp.Address{})}); !errors.Is(err, dialect.ErrOperation) {
		t.Errorf("an abort where there is none: %v", err)
	}
}

// A screen is 160 octets.
func TestScreens(t *testing.T) {
	set := load(t)
	for _, name := range set.Names() {
		d, _ := set.Get(name)
		m := dialect.Message{Kind: dialect.Ask, Session: d.NewSession(1, smpp.Address{})}
		for text, fits := range map[string]bool{
			strings.Repeat("a", 182): true, strings.Repeat("a", 183): false,
			strings.Repeat("€", 91): true, strings.Repeat("€", 91) + "a": false,
			strings.Repeat("ж", 80): true, strings.Repeat("ж", 81): false,
			strings.Repeat("😀", 40): true, strings.Repeat("😀", 40) + "ж": false,
		} {
			m.Text = []byte(text)
			if _, _, err := d.Submit(m); (err == nil) != fits || err != nil && !errors.Is(err, dialect.ErrTooLong) {
				t.Errorf("%s: %d characters: %v", name, utf8.RuneCountInString(text), err)
			}
		}
	}
}

// Neither a print nor an error holds what a subscriber typed.
func TestTextsDoNotShow(t *testing.T) {
	set := load(t)
	const pin = "zyxw4826"
	for _, name := range set.Names() {
		d, _ := set.Get(name)
		s := d.NewSession(1, smpp.Address{})
		m := dialect.Message{Kind: dialect.Reply, Session: s, Text: []byte(pin)}
		_, pdu, err := d.Deliver(m)
		if err != nil {
			t.Fatal(err)
		}
		said := fmt.Sprintf("%v %+v %#v %s %q", m, m, m, m, &m)
		for _, coding := range []byte{pdu.DataCoding, 0x08, 0x48, 0xF4, 0x04} {
			pdu.DataCoding, pdu.Payload = coding, append([]byte(pin), 0xFF)
			_, err := d.Delivered(pdu)
			said += fmt.Sprint(err)
		}
		if strings.Contains(said, pin) {
			t.Errorf("%s: %s", name, said)
		}
		m.Wipe()
		if bytes.Contains(m.Text, []byte("4")) {
			t.Error("Wipe leaves the text")
		}
	}
}

// Whatever a peer writes, every dialect has an answer, and what it reads it can write.
func FuzzRead(f *testing.F) {
	set := load(f)
	for _, name := range set.Names() {
		for _, steps := range golden(f, name) {
			for _, s := range steps {
				octets, err := smpp.Append(nil, s.pdu)
				if err != nil {
					f.Fatal(err)
				}
				f.Add(octets)
			}
		}
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		p, err := smpp.Decode(octets)
		m, ok := p.Body.(*smpp.Message)
		if err != nil || !ok {
			return
		}
		for _, name := range set.Names() {
			d, _ := set.Get(name)
			for _, way := range []struct {
				read  func(*smpp.Message) (dialect.Message, error)
				write func(dialect.Message) (smpp.CommandID, *smpp.Message, error)
			}{{d.Delivered, d.Deliver}, {d.Submitted, d.Submit}} {
				got, err := way.read(m)
				if err != nil {
					continue
				}
				if !utf8.Valid(got.Text) || bytes.ContainsRune(got.Text, utf8.RuneError) || len(got.IMSI) > 15 {
					t.Fatalf("%s reads %s", name, show(got))
				}
				if got.Kind == dialect.Begin && (len(got.Text) == 0 || got.Text[len(got.Text)-1] != '#') {
					t.Fatalf("%s: dialled %q", name, got.Text)
				}
				if _, _, err := way.write(got); err != nil && !errors.Is(err, dialect.ErrTooLong) {
					t.Fatalf("%s reads %s and does not write it: %v", name, show(got), err)
				}
			}
		}
	})
}
