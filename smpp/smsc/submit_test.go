package smsc

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"starhash/smpp"
)

// mt is a message to alice.
func mt(payload string) *smpp.Message {
	return &smpp.Message{
		Source:  smpp.Address{NPI: 1, Addr: code},
		Dest:    smpp.Address{TON: 1, NPI: 1, Addr: alice},
		Payload: []byte(payload),
	}
}

// submit sends a message and returns its id.
func (e *esme) submit(m *smpp.Message) string {
	e.t.Helper()
	p := e.ask(smpp.SubmitSM, m)
	if p.Command != smpp.SubmitSMResp || p.Status != smpp.StatusOK {
		e.t.Fatalf("%s %s", p.Command, p.Status)
	}
	return p.Body.(*smpp.MessageResp).MessageID
}

func TestInbox(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	if got := must(r.Inbox(t.Context(), alice, 0, 0))(t); len(got) != 0 {
		t.Fatalf("%+v", got)
	}
	one := mt("Sent 5.00 USD \x1b\x65")
	one.ServiceType = "CMT"
	one.TLVs = smpp.TLVs{{Tag: smpp.TagUserMessageReference, Value: []byte{0, 17}}}
	id := e.submit(one)
	two := mt("\x00\xe9\xd8\x3d\xde\x00") // é and a character of two units
	two.DataCoding = smpp.CodingUCS2
	e.submit(two)
	binary := mt("\x01\x02")
	binary.DataCoding = 4
	p := e.ask(smpp.DataSM, binary)
	if p.Command != smpp.DataSMResp || p.Body.(*smpp.MessageResp).MessageID == "" {
		t.Errorf("%s %+v", p.Command, p.Body)
	}

	got := must(r.Inbox(t.Context(), "+"+alice, 0, 0))(t)
	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	if m := got[0]; m.N != 1 || m.MessageID != id || m.From != code || m.Text != "Sent 5.00 USD €" || m.Parts != 1 ||
		m.ServiceType != "CMT" || len(m.TLVs) != 1 || m.At.IsZero() {
		t.Errorf("%+v", m)
	}
	if m := got[1]; m.N != 2 || m.Text != "é😀" || m.DataCoding != 8 {
		t.Errorf("%+v", m)
	}
	if m := got[2]; m.N != 3 || m.Text != "" || hex.EncodeToString(m.Hex) != "0102" || m.DataCoding != 4 {
		t.Errorf("%+v", m)
	}
	if got = must(r.Inbox(t.Context(), alice, 2, 0))(t); len(got) != 1 || got[0].N != 3 {
		t.Errorf("%+v", got)
	}
}

func TestInboxWaits(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransmitter)
	const stranger = "263771000077"
	got := make(chan []InboxMessage, 1)
	go func() {
		ms, _ := r.Inbox(t.Context(), stranger, 0, 10*time.Second)
		got <- ms
	}()
	m := mt("hello")
	e.submit(m) // to another phone: does not end the wait
	m.Dest.Addr = stranger
	e.submit(m)
	if ms := <-got; len(ms) != 1 || ms[0].Text != "hello" {
		t.Errorf("%+v", ms)
	}
	if ms := must(r.Inbox(t.Context(), alice, 1, 20*time.Millisecond))(t); len(ms) != 0 {
		t.Errorf("%+v", ms)
	}
	// A stop ends a wait.
	go func() {
		ms, _ := r.Inbox(t.Context(), stranger, 1, time.Minute)
		got <- ms
	}()
	e.nc.Close()
	r.stop()
	if ms := <-got; len(ms) != 0 {
		t.Errorf("%+v", ms)
	}
}

// A phone has the national tables, and reads each part by its own header.
func TestNationalTables(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransmitter)
	texts := map[smpp.Language]string{
		smpp.Turkish: strings.Repeat("Şifreniz değişti, işlem sizin değilse ulaşın. ", 5),
		smpp.Hindi:   strings.Repeat("आपके खाते में ५०० रुपये जमा हुए हैं। ", 7),
	}
	after := uint64(0)
	for language, want := range texts {
		encoded := smpp.Encode(want, smpp.Alphabets{Languages: []smpp.Language{language}}, 9)
		if encoded.Coding != smpp.CodingDefault || len(encoded.Parts) < 2 {
			t.Fatalf("%v: coding %d, %d parts", language, encoded.Coding, len(encoded.Parts))
		}
		for _, part := range encoded.Parts {
			m := mt(string(part))
			m.ESMClass = smpp.ESMClassUDHI
			e.submit(m)
		}
		got := must(r.Inbox(t.Context(), alice, after, 0))(t)
		if len(got) != 1 || got[0].Text != want {
			t.Fatalf("%v: %+v", language, got)
		}
		after++
	}
	for i, part := range []string{"\x24\x01\x01\x1b\x73", "\x25\x01\x06\x05", "\x24\x01\x00\x05"} { // ş in Turkish, इ in Hindi, é
		m := mt("\x08\x00\x03\x0a\x03" + string(rune(i+1)) + part)
		m.ESMClass = smpp.ESMClassUDHI
		e.submit(m)
	}
	if got := must(r.Inbox(t.Context(), alice, after, 0))(t); len(got) != 1 || got[0].Text != "şइé" {
		t.Errorf("%+v", got)
	}
	m := mt("\x04\x24\x01\x01")
	m.ESMClass = smpp.ESMClassUDHI
	if p := e.ask(smpp.SubmitSM, m); p.Status == smpp.StatusOK {
		t.Error("a header beyond its payload was taken")
	}
}

// What data_coding 0 means is the message centre's.
func TestDefaultAlphabet(t *testing.T) {
	r := start(t, func(c *Config) { c.DefaultAlphabet = "latin1" })
	e := r.bound(smpp.BindTransmitter)
	e.submit(mt("\xe9 @"))
	if got := must(r.Inbox(t.Context(), alice, 0, 0))(t); len(got) != 1 || got[0].Text != "é @" {
		t.Errorf("%+v", got)
	}
}

// Long messages are joined however they are split and whatever their parts' order.
func TestLongMT(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransmitter)
	gsm := strings.Repeat("0123456789€", 40)
	ucs2 := strings.Repeat("Привет 😀 ", 30)
	after := uint64(0)
	for _, split := range []string{"udh8", "udh16", "sar", "payload"} {
		for _, want := range []string{gsm, ucs2} {
			for _, backwards := range []bool{false, true} {
				mo := MO{From: code, To: alice, Text: want, Split: split}
				parts := must(mo.messages(smpp.SubmitSM, uint16(after), 0))(t)
				n := len(parts)
				if backwards {
					slices.Reverse(parts)
				}
				for i, m := range parts {
					if i == n-1 && n > 1 { // one part is missing: nothing is shown
						if got := must(r.Inbox(t.Context(), alice, after, 0))(t); len(got) > 0 {
							t.Fatalf("%+v", got)
						}
						e.submit(parts[0]) // the same part again
					}
					e.submit(m)
				}
				got := must(r.Inbox(t.Context(), alice, after, 0))(t)
				if len(got) != 1 || got[0].Text != want || got[0].Parts != n || got[0].Missing != nil {
					t.Fatalf("%s: %+v", split, got)
				}
				if after++; split == "payload" != (n == 1) {
					t.Errorf("%s: %d parts", split, n)
				}
			}
		}
	}
}

// Two senders' parts with one reference are two messages; missing parts are named
// when their time is up.
func TestLongMTMixed(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransmitter)
	for _, from := range []string{code, "7002"} {
		mo := MO{From: from, To: alice, Text: strings.Repeat(from, 100), Split: "udh8"}
		parts := must(mo.messages(smpp.SubmitSM, 7, 0))(t)
		for _, i := range []int{0, 2}[:1+len(from)%4] {
			e.submit(parts[i])
		}
	}
	if got := must(r.Inbox(t.Context(), alice, 0, 0))(t); len(got) > 0 {
		t.Fatalf("%+v", got)
	}
	r.phones.expire(time.Now().Add(joinTime))
	got := must(r.Inbox(t.Context(), alice, 0, 0))(t)
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	for _, m := range got {
		if m.Parts != 1 || !slices.Equal(m.Missing, []int{2, 3}) || m.Text != strings.Repeat(m.From, 100)[:153] {
			t.Errorf("%+v", m)
		}
	}
}

func TestSubmitRefused(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	five := mt("\x05\x00\x03\x01\x01\x05text") // part 5 of 1
	five.ESMClass = smpp.ESMClassUDHI
	nobody := mt("x")
	nobody.Dest.Addr = ""
	magic := mt("x")
	magic.Dest.Addr = "999088771"
	for name, tc := range map[string]struct {
		m    *smpp.Message
		want smpp.Status
	}{
		"part 5 of 1":       {five, smpp.StatusSubmitFail},
		"no destination":    {nobody, smpp.StatusInvDstAdr},
		"magic destination": {magic, smpp.StatusThrottled},
	} {
		if p := e.ask(smpp.SubmitSM, tc.m); p.Command != smpp.SubmitSMResp || p.Status != tc.want {
			t.Errorf("%s: %s", name, p.Status)
		}
	}
	magic.Dest.Addr = "999000771"
	e.send(smpp.SubmitSM, magic)
	e.ask(smpp.EnquireLink, nil) // answered first
	if got := must(r.Inbox(t.Context(), "999000771", 0, 0))(t); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestSubmitFaults(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	inbox := func() int { return len(must(r.Inbox(t.Context(), alice, 0, 0))(t)) }

	r.setFaults(Faults{Throttle: 2})
	for i, want := range []smpp.Status{smpp.StatusThrottled, smpp.StatusThrottled, smpp.StatusOK} {
		if p := e.ask(smpp.SubmitSM, mt("x")); p.Status != want {
			t.Errorf("throttle, %d: %s", i, p.Status)
		}
	}
	r.setFaults(Faults{SubmitStatus: "ESME_RSYSERR"})
	if p := e.ask(smpp.SubmitSM, mt("x")); p.Status != smpp.StatusSysErr {
		t.Error(p.Status)
	}
	if p := e.ask(smpp.DataSM, mt("x")); p.Command != smpp.DataSMResp || p.Status != smpp.StatusSysErr {
		t.Error(p.Command, p.Status)
	}
	if n := inbox(); n != 1 {
		t.Errorf("%d messages in the inbox", n)
	}

	r.setFaults(Faults{NoResp: 1})
	e.send(smpp.SubmitSM, mt("x"))
	e.submit(mt("y"))
	if n := inbox(); n != 3 {
		t.Errorf("%d messages in the inbox", n)
	}

	r.setFaults(Faults{Delay: Duration(200 * time.Millisecond)})
	begin := time.Now()
	first, second := e.send(smpp.SubmitSM, mt("x")), e.send(smpp.SubmitSM, mt("y"))
	e.ask(smpp.EnquireLink, nil) // not held back
	for _, seq := range []uint32{first, second} {
		if p := e.want(smpp.SubmitSMResp); p.Sequence != seq {
			t.Errorf("%d came before %d", p.Sequence, seq)
		}
	}
	if took := time.Since(begin); took < 200*time.Millisecond {
		t.Errorf("answered after %v", took)
	}

	r.setFaults(Faults{DropAfterSubmit: Always})
	e.send(smpp.SubmitSM, mt("x"))
	e.closed()
	if n := inbox(); n != 6 {
		t.Errorf("%d messages in the inbox", n)
	}
	if f := must(r.Faults(t.Context()))(t); f.DropAfterSubmit != Always {
		t.Errorf("%+v", f)
	}
}

func TestReceipt(t *testing.T) {
	r := start(t)
	e := r.bound(smpp.BindTransceiver)
	for _, tc := range []struct {
		name       string
		registered byte
		faults     Faults
		want       string // in the text; empty: no receipt
		state      byte
	}{
		{"none asked", 0, Faults{}, "", 0},
		{"asked", 1, Faults{}, "sub:001 dlvrd:001", 2},
		{"slow answer", 1, Faults{Delay: Duration(20 * time.Millisecond)}, "sub:001 dlvrd:001", 2},
		{"failure", 1, Faults{ReceiptState: "UNDELIV"}, "sub:001 dlvrd:000", 5},
		{"rejected", 1, Faults{ReceiptState: "REJECTD"}, "sub:001 dlvrd:000", 8},
		{"failures only, none", 2, Faults{}, "", 0},
		{"failures only", 2, Faults{ReceiptState: "EXPIRED"}, "sub:001 dlvrd:000", 3},
		{"lost", 1, Faults{NoReceipt: 1}, "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.setFaults(tc.faults)
			m := mt("Transfer of 5.00 USD done")
			m.RegisteredDelivery = tc.registered
			id := e.submit(m) // the answer comes before the receipt
			if tc.want == "" {
				e.ask(smpp.EnquireLink, nil)
				e.silent(20 * time.Millisecond)
				return
			}
			p, rec := e.message()
			e.ack(p, smpp.StatusOK)
			state := tc.faults.ReceiptState
			if state == "" {
				state = "DELIVRD"
			}
			got := text(t, rec)
			if rec.ESMClass != smpp.ESMClassReceipt || rec.Source != m.Dest || rec.Dest != m.Source {
				t.Errorf("%v", rec)
			}
			if !strings.HasPrefix(got, "id:"+id+" "+tc.want+" submit date:") || !strings.Contains(got, " done date:") ||
				!strings.HasSuffix(got, " stat:"+state+" err:000 text:Transfer of 5.00 USD") {
				t.Errorf("text %q", got)
			}
			tlvID, _ := rec.TLVs.Get(smpp.TagReceiptedMessageID)
			tlvState, _ := rec.TLVs.Get(smpp.TagMessageState)
			if string(tlvID) != id+"\x00" || len(tlvState) != 1 || tlvState[0] != tc.state {
				t.Errorf("TLVs %q %x", tlvID, tlvState)
			}
		})
	}
}

// A receipt that is refused for now comes again; one that is late comes later.
func TestReceiptRedelivered(t *testing.T) {
	r := start(t, func(c *Config) { c.ReceiptDelay = 50 * time.Millisecond })
	e := r.bound(smpp.BindTransmitter)
	rx := r.bound(smpp.BindReceiver)
	m := mt("x")
	m.RegisteredDelivery = 1
	begin := time.Now()
	id := e.submit(m)
	for _, status := range []smpp.Status{smpp.StatusTempAppErr, smpp.StatusOK} {
		p, rec := rx.message()
		if !strings.HasPrefix(text(t, rec), "id:"+id+" ") {
			t.Errorf("%q", text(t, rec))
		}
		rx.ack(p, status)
	}
	if took := time.Since(begin); took < 50*time.Millisecond {
		t.Errorf("after %v", took)
	}
}

func TestReceiptFirst(t *testing.T) {
	r := start(t)
	r.setFaults(Faults{ReceiptFirst: Always})
	e := r.bound(smpp.BindTransceiver)
	m := mt("x")
	m.RegisteredDelivery = 1
	e.send(smpp.SubmitSM, m)
	p, rec := e.message()
	id := e.want(smpp.SubmitSMResp).Body.(*smpp.MessageResp).MessageID
	e.ack(p, smpp.StatusOK)
	if !strings.HasPrefix(text(t, rec), "id:"+id+" ") {
		t.Errorf("%q", text(t, rec))
	}
	r.until(func() bool {
		b := must(r.Binds(t.Context()))(t)[0]
		return b.InFlight == 0 && b.Delivered == 1 && b.Submitted == 1
	})
}

// A receipt is owed also when the submit_sm_resp was lost with its connection.
func TestReceiptWithoutResp(t *testing.T) {
	r := start(t)
	r.setFaults(Faults{DropAfterSubmit: 1})
	e := r.bound(smpp.BindTransceiver)
	m := mt("x")
	m.RegisteredDelivery = 1
	e.send(smpp.SubmitSM, m)
	e.closed()
	e = r.bound(smpp.BindTransceiver)
	if _, rec := e.message(); rec.ESMClass != smpp.ESMClassReceipt {
		t.Errorf("%v", rec)
	}
}

// A busy inbox keeps its latest messages and their numbers.
func TestInboxBounded(t *testing.T) {
	b := newPhoneBook(nil)
	for i := range maxInbox + 5 {
		if status, err := b.receive(mt(fmt.Sprint(i)), "id", time.Now()); status != smpp.StatusOK {
			t.Fatal(status, err)
		}
	}
	got := b.inbox(t.Context(), alice, 0)
	if len(got) != inboxBatch || got[0].N != 6 || got[0].Text != "5" {
		t.Errorf("%d, first %+v", len(got), got[0])
	}
	if n := len(b.phones[alice].inbox); n != maxInbox {
		t.Errorf("%d kept", n)
	}
}
