package dialect_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"starhash/smpp"
	"starhash/smpp/dialect"
)

// step is a line of testdata and the PDU under it.
type step struct {
	line    int
	in      bool
	message dialect.Message // what it says
	number  uint64          // of the session that it begins; 0: it goes on
	wrong   string          // what is wrong with it
	read    bool            // not written so
	pdu     smpp.PDU
}

var errorsByName = map[string]error{
	"operation": dialect.ErrOperation, "session": dialect.ErrSession, "text": dialect.ErrText, "long": dialect.ErrTooLong,
}

// golden reads a dialect's file: its dialogues.
func golden(t testing.TB, name string) [][]step {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var dialogues [][]step
	var words string
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		line := in.Text()
		switch {
		case line == "", strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "dialogue "):
			dialogues = append(dialogues, nil)
		case words == "":
			words = line
		default:
			s := parse(t, words, line)
			s.line = n
			words = ""
			dialogues[len(dialogues)-1] = append(dialogues[len(dialogues)-1], s)
		}
	}
	if in.Err() != nil || words != "" || len(dialogues) == 0 {
		t.Fatalf("%s: %v, left over: %q", f.Name(), in.Err(), words)
	}
	return dialogues
}

func parse(t testing.TB, words, octets string) step {
	t.Helper()
	frame, err := hex.DecodeString(octets)
	if err != nil {
		t.Fatalf("%s: %v", words, err)
	}
	s := step{}
	if s.pdu, err = smpp.Decode(frame); err != nil {
		t.Fatalf("%s: %v", words, err)
	}
	direction, rest, _ := strings.Cut(words, " ")
	s.in = direction == "in"
	for rest != "" {
		key, after, _ := strings.Cut(rest, " ")
		key, value, _ := strings.Cut(key, "=")
		if strings.HasPrefix(value, `"`) {
			quoted, err := strconv.QuotedPrefix(rest[len(key)+1:])
			if err != nil {
				t.Fatalf("%s: %v", words, err)
			}
			after = strings.TrimPrefix(rest[len(key)+1+len(quoted):], " ")
			value, _ = strconv.Unquote(quoted)
		}
		rest = after
		m := &s.message
		switch key {
		case "text":
			m.Text = []byte(value)
		case "key":
			m.Session.Key = value
		case "number":
			s.number, _ = strconv.ParseUint(value, 10, 64)
		case "imsi":
			m.IMSI = value
		case "reason":
			m.Reason = value
		case "last":
			m.Last = true
		case "pushed":
			m.NetworkInitiated = true
		case "read":
			s.read = true
		case "error":
			s.wrong = value
		default:
			for k := dialect.Begin; k <= dialect.Release; k++ {
				if k.String() == key {
					m.Kind = k
				}
			}
			if m.Kind == 0 {
				t.Fatalf("%s: what is %s?", words, key)
			}
		}
	}
	return s
}

func TestGoldenPDUs(t *testing.T) {
	set := load(t)
	for _, name := range set.Names() {
		t.Run(name, func(t *testing.T) {
			d, _ := set.Get(name)
			for _, steps := range golden(t, name) {
				var session dialect.Session
				for _, s := range steps {
					if s.number != 0 {
						session = d.NewSession(s.number, smpp.Address{Addr: "263771000001"})
					}
					got := s.reads(t, d)
					if s.wrong == "" && !s.read {
						s.writes(t, d, session)
					}
					session = got.Session
				}
			}
		})
	}
}

func (s step) reads(t *testing.T, d *dialect.Dialect) dialect.Message {
	t.Helper()
	body := s.pdu.Body.(*smpp.Message)
	read, want := d.Submitted, s.message
	want.Code, want.Subscriber = body.Source, body.Dest
	if s.in {
		read = d.Delivered
		want.Code, want.Subscriber = body.Dest, body.Source
		if want.Code.Addr == "" {
			want.Code.Addr = "700"
		}
	}
	got, err := read(body)
	if s.wrong != "" {
		if !errors.Is(err, errorsByName[s.wrong]) || got.Text != nil {
			t.Errorf("line %d: error %v, want %s", s.line, err, s.wrong)
		}
		return got
	}
	if err != nil {
		t.Errorf("line %d: %v", s.line, err)
		return got
	}
	if !d.Is(body) {
		t.Errorf("line %d: not taken for USSD", s.line)
	}
	want.Session.Echo = got.Session.Echo                          // its octets are those of the PDU that writes compares
	want.NetworkInitiated = s.message.Kind == dialect.Acknowledge // no other operation says so
	if len(got.Text) == 0 {
		got.Text = nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("line %d: read\n%s, want\n%s", s.line, show(got), show(want))
	}
	return got
}

// writes compares what the dialect writes, without regard to the order of the
// optional parameters.
func (s step) writes(t *testing.T, d *dialect.Dialect, session dialect.Session) {
	t.Helper()
	body := s.pdu.Body.(*smpp.Message)
	write, m := d.Submit, s.message
	m.Session, m.Code, m.Subscriber = session, body.Source, body.Dest
	if s.in {
		write, m.Code, m.Subscriber = d.Deliver, body.Dest, body.Source
	}
	command, out, err := write(m)
	if err != nil {
		t.Errorf("line %d: %v", s.line, err)
		return
	}
	if octets := frame(t, command, out); !bytes.Equal(octets, frame(t, s.pdu.Command, body)) {
		t.Errorf("line %d: written\n%x, want\n%x", s.line, octets, frame(t, s.pdu.Command, body))
	}
}

func frame(t testing.TB, command smpp.CommandID, m *smpp.Message) []byte {
	t.Helper()
	sorted := *m
	sorted.TLVs = slices.Clone(m.TLVs)
	slices.SortFunc(sorted.TLVs, func(a, b smpp.TLV) int { return cmp.Compare(a.Tag, b.Tag) })
	octets, err := smpp.Append(nil, smpp.PDU{Command: command, Sequence: 1, Body: &sorted})
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

func show(m dialect.Message) string {
	return fmt.Sprintf("%s %q session %q echo %x code %v subscriber %v imsi %q reason %q last %v pushed %v",
		m.Kind, m.Text, m.Session.Key, m.Session.Echo, m.Code, m.Subscriber, m.IMSI, m.Reason, m.Last, m.NetworkInitiated)
}
