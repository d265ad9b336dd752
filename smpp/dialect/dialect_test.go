package dialect

import (
	"errors"
	"strings"
	"testing"

	"starhash/configs"
	"starhash/smpp"
)

// What one side writes the other reads, and the session stays the same while its unit
// number counts.
func TestPlain(t *testing.T) {
	all, err := Load(configs.Dialects)
	if err != nil {
		t.Fatal(err)
	}
	d, ok := all.Get("plain")
	if !ok {
		t.Fatal(all.Names())
	}
	phone, code := smpp.Address{TON: 1, NPI: 1, Addr: "263771000001"}, smpp.Address{NPI: 1, Addr: "*700#"}
	m := Message{Kind: Begin, Subscriber: phone, Code: code, Session: d.NewSession(513), Text: []byte("*700#")}
	command, sm, err := d.Deliver(m)
	if err != nil || command != smpp.DeliverSM || !d.Is(sm) || sm.Source != phone || sm.Dest != code {
		t.Fatal(command, sm, err)
	}
	heard, err := d.Delivered(sm)
	if err != nil || heard.Kind != Begin || string(heard.Text) != "*700#" || heard.Session.Key != "1" || heard.Subscriber != phone {
		t.Fatalf("%+v %v", heard, err)
	}
	heard.Kind, heard.Text = End, []byte("Merci, à bientôt €")
	if _, sm, err = d.Submit(heard); err != nil || sm.Dest != phone || sm.Source != code {
		t.Fatal(sm, err)
	}
	if info, _ := sm.TLVs.Get(smpp.TagITSSessionInfo); len(info) != 2 || info[0] != 1 || info[1] != 1<<1|1 {
		t.Errorf("its_session_info %x", info)
	}
	back, err := d.Submitted(sm)
	if err != nil || back.Kind != End || !back.Last || string(back.Text) != "Merci, à bientôt €" || back.Session.Key != "1" {
		t.Errorf("%+v %v", back, err)
	}
	if _, err := d.Delivered(sm); err == nil {
		t.Error("an ESME is sent what it sends itself")
	}
	heard.Text = []byte(strings.Repeat("x", 183))
	if _, _, err := d.Submit(heard); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
}
