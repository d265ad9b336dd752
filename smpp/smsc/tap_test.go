package smsc

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"starhash/smpp"
	"starhash/smpp/dialect"
)

// wire is what GET /wire says, and the same read.
func (r *rig) wire(after uint64) (string, []WirePDU) {
	r.t.Helper()
	resp := must(r.Client.HTTP.Get(fmt.Sprintf("%s/wire?after=%d", r.BaseURL, after)))(r.t)
	defer resp.Body.Close()
	body := must(io.ReadAll(resp.Body))(r.t)
	var b wireBody
	if err := json.Unmarshal(body, &b); err != nil {
		r.t.Fatalf("%s: %v", body, err)
	}
	return string(body), b.PDUs
}

// A PIN reaches the wire's view in no form, whichever way a phone sends it.
func TestWireRedacted(t *testing.T) {
	const pin = "4826"
	forms := []string{pin, hex.EncodeToString([]byte(pin)), "0034003800320036", password, hex.EncodeToString([]byte(password))}
	r := start(t)
	r.wire(0) // opens it
	e := r.talking("plain")
	take := func(n int) {
		for range n {
			p, _ := e.message()
			e.ack(p, smpp.StatusOK)
		}
	}
	for _, tc := range []struct {
		mo    MO
		parts int
	}{
		{MO{Text: "BAL " + pin}, 1},
		{MO{Text: "BAL " + pin, Coding: "ucs2"}, 1},
		{MO{Text: "BAL " + pin, Split: "payload"}, 1},
		{MO{Text: "BAL 48" + "26 now", PartSize: 6}, 2},
		{MO{Text: "BAL 48" + "26 now", PartSize: 6, Split: "sar"}, 2},
		{MO{Text: "BAL", TLVs: []TLV{{0x1400, Hex(pin)}}}, 1},
		{MO{Text: "x", To: "*700*1*" + pin + "#"}, 1},
		{MO{Hex: Hex(pin), DataCoding: new(byte(4))}, 1},
		{MO{Text: "PIN" + pin + "."}, 1},
	} {
		s := r.mo(tc.mo)
		take(tc.parts)
		s.result()
	}
	dialled := r.enter(alice, "*700*1*0771000002*5*"+pin+"#")
	m := e.hear(dialect.Begin)
	e.ok(m, dialect.Ask, askPIN)
	dialled.screen()
	reply := r.enter(alice, "1234567 or "+pin+" or one two", func(in *USSD) { in.Fault = "ussd_reply_twice" })
	e.hear(dialect.Reply)
	e.hear(dialect.Reply)
	e.ok(m, dialect.End, "Done, ref AB12CD34")
	reply.screen()

	text, pdus := r.wire(0)
	for _, form := range forms {
		if strings.Contains(text, form) {
			t.Errorf("%q is there:\n%s", form, text)
		}
	}
	for _, gone := range []string{"1234567", "one two", `"BAL 48"`} {
		if strings.Contains(text, gone) {
			t.Errorf("%q is there", gone)
		}
	}
	var said []string
	for _, p := range pdus {
		if p.Text != "" {
			said = append(said, p.Direction+" "+p.USSD+" "+p.Text)
		}
	}
	want := []string{
		"out  BAL ••••", "out  BAL ••••", "out  BAL ••••",
		"out  BAL ••••", "out  •••• now", "out  BAL ••••", "out  •••• now",
		"out  BAL", "out  x", "out  PIN••••.",
		"out begin *700*1*0771000002*5*••••#", "in ask " + askPIN, "out reply ••••", "out reply ••••", "in end Done, ref AB12CD34",
	}
	if !slices.Equal(said, want) {
		t.Errorf("%q\nwant %q", said, want)
	}
}

// What a PDU looks like, in which order they come, and what is kept of them.
func TestWire(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	e.submit(mt("before anybody asks"))
	waiting := make(chan []WirePDU, 1)
	go func() {
		got, err := r.Wire(t.Context(), 0, patience)
		if err != nil {
			t.Error(err)
		}
		waiting <- got
	}()
	r.until(func() bool { return r.tap.open.Load() })
	id := e.submit(mt("hello 1234")) // to the phone: it is for its reader
	got := <-waiting
	for len(got) < 2 {
		got = append(got, must(r.Wire(t.Context(), got[len(got)-1].N, patience))(t)...)
	}
	in, out := got[0], got[1]
	if in.N != 1 || in.Direction != "in" || in.Command != "submit_sm" || in.Bind != systemID || in.Status != "ESME_ROK" ||
		in.Text != "hello 1234" || in.Source != code || in.Dest != alice || in.Octets < 40 || in.At.IsZero() {
		t.Errorf("%+v", in)
	}
	if out.N != 2 || out.Direction != "out" || out.Command != "submit_sm_resp" || out.MessageID != id || out.Sequence != in.Sequence {
		t.Errorf("%+v", out)
	}
	// Broken ones have what could be read.
	e.bytes(header(uint32(smpp.SubmitSM), 99, []byte{0}))
	e.next()
	_, got = r.wire(2)
	if got[0].Command != "submit_sm" || got[0].Sequence != 99 || got[0].Octets != 17 {
		t.Errorf("%+v", got)
	}
	for range maxTapped {
		e.send(smpp.EnquireLink, nil)
		e.next()
	}
	if _, got = r.wire(0); got[0].N < 2000 || len(got) != tapBatch {
		t.Errorf("%d from %d", len(got), got[0].N)
	}
}

func TestMaskPINs(t *testing.T) {
	for _, tc := range []struct {
		text string
		part bool
		want string
	}{
		{"", false, ""},
		{"BAL", false, "BAL"},
		{"1234", false, masked},
		{"123", false, "123"},
		{"123456", false, masked},
		{"1234567", false, "1234567"},
		{"SEND 5 0771000002 1234", false, "SEND 5 0771000002 " + masked},
		{"PIN 1234 4826 4826", false, "PIN " + masked + " " + masked + " " + masked},
		{"pin1234x", false, "pin" + masked + "x"},
		{"١٢٣٤", false, masked},
		{"1 BAL 12", true, masked + " BAL " + masked},
		{"1 BAL 12", false, "1 BAL 12"},
	} {
		if got := maskPINs(tc.text, tc.part); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
		}
	}
	for dialled, want := range map[string]string{
		"*7001#": "*7001#", "*700*1234#": "*700*" + masked + "#", "7001": "7001", "*7001*1*4826#": "*7001*1*" + masked + "#", "*#4826#": "*#4826#",
	} {
		if got := maskDialled(dialled); got != want {
			t.Errorf("%q: %q, want %q", dialled, got, want)
		}
	}
}

func TestAsksForPIN(t *testing.T) {
	for screen, want := range map[string]bool{
		"Balance. Type your PIN:\n0 Back 00 Home": true,
		"Enter your PIN": true,
		"A PIN has 4 to 6 digits. Type your PIN:":                  true,
		"Type the new PIN, 4 to 6 digits:":                         true,
		"Send USD 5.00 to C. N...\nEnter your PIN":                 true,
		"Solde. Tapez votre code secret:":                          true,
		"Saldo. Digite a sua senha:":                               true,
		"Weka PIN yako:":                                           true,
		"Mobile banking\n1 Send money\n8 Change PIN\n99 Quit":      false,
		"1. Change PIN":                                            false,
		"It also works by SMS. Tell nobody your PIN, not even us.": false,
		"Done. Your PIN is changed.\n1 Home":                       false,
		"Type the amount:":                                         false,
		"":                                                         false,
	} {
		if got := asksForPIN(screen); got != want {
			t.Errorf("%q: %v", screen, got)
		}
	}
}

// The gateway's own steps come through, and what is wrong with them is said.
func TestGatewaySteps(t *testing.T) {
	asked := make(chan string, 1)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		asked <- q.URL.String()
		w.Write([]byte(`{"steps":[{"n":4}]}`))
	}))
	defer gateway.Close()
	r := start(t, func(c *Config) { c.GatewayAdmin = gateway.URL })
	got := must(r.GatewaySteps(t.Context(), 3, 2*time.Second))(t)
	if !bytes.Contains(got, []byte(`{"n":4}`)) {
		t.Errorf("%s", got)
	}
	if q := <-asked; q != "/steps?after=3&wait=2s" {
		t.Errorf("asked %s", q)
	}
	gateway.Close()
	if _, err := r.GatewaySteps(t.Context(), 3, 0); err == nil || !strings.Contains(err.Error(), "not reached") {
		t.Error(err)
	}
	alone := start(t)
	if _, err := alone.GatewaySteps(t.Context(), 3, 0); err == nil || !strings.Contains(err.Error(), "gateway_admin") {
		t.Error(err)
	}
}

// What the tap costs a PDU: next to nothing while nobody has asked, a decoding after.
func BenchmarkTap(b *testing.B) {
	for _, open := range []bool{false, true} {
		b.Run(fmt.Sprintf("open=%v", open), func(b *testing.B) {
			s := New(Config{Password: secretOf(password)}, discard())
			s.tap.open.Store(open)
			c := newConn(s, nobody{})
			frame, err := smpp.Append(nil, smpp.PDU{Command: smpp.DeliverSM, Sequence: 1, Body: ussdTo(18, "4826")})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				c.wrote(frame, false)
			}
		})
	}
}
