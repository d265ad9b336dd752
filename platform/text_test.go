package platform

import (
	"errors"
	"strings"
	"testing"

	"starhash/smpp"
	"starhash/smpp/smsc"
)

// The parts of a message have alphabets of their own, and are read so when they
// are put together from the store; a sender who cut a character in two is forgiven
// where both halves have the same one.
func TestPartsEncodings(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.open(1, nil)
	defer g.store.Close()
	type part struct {
		coding byte
		header string // elements of the user data header
		text   string
	}
	const turkish, hindi = "\x24\x01\x01", "\x25\x01\x06"
	for ref, tc := range []struct {
		name  string
		def   smpp.Alphabet
		parts []part
		want  string
	}{
		{"tables of their own", 0, []part{{0, turkish, "\x1b\x73"}, {0, hindi, "\x05"}, {0, "", "\x05"}, {8, "", "\x04\x16"}}, "şइéЖ"},
		{"an escape cut in two", 0, []part{{0, turkish, "5\x1b"}, {0, turkish, "\x73"}}, "5ş"},
		{"an escape in front of another alphabet", 0, []part{{0, turkish, "5\x1b"}, {0, "", "\x73"}}, "5 s"},
		{"a pair cut in two", 0, []part{{8, "", "\xd8\x3d"}, {8, "", "\xde\x00"}}, "😀"},
		{"Latin-1 is the SMSC's", smpp.AlphabetLatin1, []part{{0, "", "\xe9@"}, {8, "", "\x04\x16"}}, "é@Ж"},
	} {
		for i, p := range tc.parts {
			header := "\x00\x03" + string([]byte{byte(ref), byte(len(tc.parts)), byte(i + 1)}) + p.header
			m := &smpp.Message{ESMClass: smpp.ESMClassUDHI, DataCoding: p.coding,
				Payload: []byte(string([]byte{byte(len(header))}) + header + p.text)}
			user, err := g.assemble(t.Context(), m, tc.def, &mo{msisdn: tendai, shortCode: shortCode})
			if i < len(tc.parts)-1 {
				if !errors.Is(err, errIncomplete) {
					t.Fatalf("%s: part %d: %v", tc.name, i+1, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
			if got, err := user.AppendText(nil); string(got) != tc.want || err != nil {
				t.Errorf("%s: %q, %v, want %q", tc.name, got, err, tc.want)
			}
		}
	}
}

// An SMSC whose data_coding 0 is Latin-1 is spoken to and understood in it.
func TestDefaultAlphabet(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *rigConfig) { c.smsc.DefaultAlphabet = "latin1" })
	r.gateway(1, func(c *Config) { c.SMPP.Binds[0].DefaultAlphabet = "latin1" })
	zero := byte(smpp.CodingDefault)
	// A no-break space is a blank between words in Latin-1, and nothing in GSM 03.38.
	if res := r.mo(smsc.MO{From: farai, Text: "AIDE\u00A0", Coding: "latin1", DataCoding: &zero}); !res.OK() {
		t.Fatalf("%+v", res)
	}
	m, _ := r.inbox(farai, patience)
	if !strings.Contains(m.Text, "PIN à taire") || m.DataCoding != smpp.CodingDefault || m.Parts != 1 {
		t.Errorf("%+v", m)
	}
}

// An answer is written for the SMSC that it goes to, whichever the message came from.
func TestEncodingFollowsTheBind(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *rigConfig) { c.smsc.DefaultAlphabet = "latin1" })
	r.gateway(1, func(c *Config) {
		out := c.SMPP.Binds[0]
		c.SMPP.Binds[0].Bind = smpp.Receiver
		out.Name, out.SystemID, out.Bind, out.DefaultAlphabet = "out", "gw2", smpp.Transmitter, "latin1"
		c.SMPP.Binds = append(c.SMPP.Binds, out)
	})
	r.sms(farai, "AIDE")
	r.says(farai, "PIN à taire")
}
