package dialect_test

import (
	"reflect"
	"testing"

	"starhash/configs"
	"starhash/smpp"
	"starhash/smpp/dialect"
)

func load(t testing.TB) *dialect.Set {
	t.Helper()
	s, err := dialect.Load(configs.Dialects)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPlainDialogue(t *testing.T) {
	d, _ := load(t).Get("plain")
	sub, code := smpp.Address{TON: 1, NPI: 1, Addr: "263771000001"}, smpp.Address{Addr: "700"}
	s := d.NewSession(5, sub)
	for i, tt := range []struct {
		kind  dialect.Kind
		text  string
		octet byte
	}{{dialect.Begin, "*700#", 2}, {dialect.Ask, "1 Send\n2 Жук", 4}, {dialect.Reply, "1", 6}, {dialect.End, "Bye [x]", 9}} {
		m := dialect.Message{Kind: tt.kind, Subscriber: sub, Code: code, Session: s, Text: []byte(tt.text)}
		write, read := d.Deliver, d.Delivered
		if tt.kind >= dialect.Ask {
			write, read = d.Submit, d.Submitted
		}
		_, pdu, err := write(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(pdu)
		if err != nil {
			t.Fatal(err)
		}
		s = got.Session
		m.Session = dialect.Session{Key: "0500@263771000001", Echo: []byte{5, tt.octet}}
		m.Last = tt.kind == dialect.End
		if !reflect.DeepEqual(got, m) {
			t.Errorf("step %d: got %+v %q %v, want %q %v", i, got, got.Text, got.Session, m.Text, m.Session)
		}
	}
}
