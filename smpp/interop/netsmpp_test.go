package interop

import (
	"encoding/hex"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"starhash/smpp"
	"starhash/smpp/smsc"
)

const netSMPPPackage = "libnet-smpp-perl"

// startNetSMPP starts testdata/netsmpp.pl, with a port as an ESME.
func startNetSMPP(t *testing.T, args ...string) *peer {
	t.Helper()
	need(t, netSMPPPackage, "perl")
	if err := exec.Command("perl", "-MNet::SMPP", "-MJSON::PP", "-e1").Run(); err != nil {
		t.Skipf("Net::SMPP is not here: apt-get install %s", netSMPPPackage)
	}
	return startPeer(t, "testdata", "perl", append([]string{"netsmpp.pl"}, args...)...)
}

// message is the order for a message of a phone: pairs behind the usual ones.
func message(operation string, with ...any) order {
	return order{Do: operation, Session: 1, With: append([]any{
		"source_addr_ton", 1, "source_addr_npi", 1, "source_addr", phone, "destination_addr", shortCode}, with...)}
}

// Perl's Net::SMPP as the SMSC of our ESME.
func TestNetSMPPAsSMSC(t *testing.T) {
	p := startNetSMPP(t)
	port := p.await("listening").Port
	p.order(order{Do: "refuse", Status: smpp.StatusInvPaswd}) // the first bind; ours tries again
	e := startESME(t, port, func(c *smpp.BindConfig) { c.AddressRange, c.SourceTON = "700", 3 })
	for _, n := range []int{1, 2} {
		if b := p.await("bind_transceiver"); b.SystemID != systemID || b.Password != password || b.AddressRange != "700" || b.InterfaceVersion != 0x34 || b.Session != n {
			t.Errorf("bound with %+v", b)
		}
	}
	e.bound()
	if log := e.log.String(); !strings.Contains(log, "ESME_RINVPASWD") {
		t.Errorf("the refused bind is not in the log:\n%s", log)
	}
	// Its first session ended with the refusal: orders go to the second.
	say := func(o order) {
		o.Session = 2
		p.order(o)
	}
	acked := func() {
		t.Helper()
		if r := p.await("deliver_sm_resp"); r.Status != smpp.StatusOK || r.Session != 2 || r.MessageID != "" {
			t.Errorf("deliver_sm was answered with %+v", r)
		}
	}

	t.Run("SMS from a phone", func(t *testing.T) {
		say(message("deliver_sm", "short_message", "BAL 4826"))
		if s := e.next(); s.text != "BAL 4826" || s.from != phone || s.to != shortCode || s.command != smpp.DeliverSM {
			t.Errorf("got %+v", s)
		}
		acked()
		say(message("deliver_sm", "data_coding", 8, "short_message", octets{"00e90062d83dde00"}))
		if s := e.next(); s.text != "éb😀" {
			t.Errorf("got %q", s.text)
		}
		acked()
	})
	t.Run("SMS to a phone", func(t *testing.T) {
		ids := e.submit(phone, "Balance USD 5.00 @ 15:04 {€}", 1)
		s := p.await("submit_sm")
		const gsm = "42616c616e636520555344 20352e3030 20 00 2031353a3034 20 1b28 1b65 1b29"
		if s.Source != shortCode || s.SourceTON != 3 || s.SourceNPI != 0 || s.Dest != phone || s.DestTON != 1 || s.DestNPI != 1 || s.RegisteredDelivery != 1 || s.DataCoding != 0 ||
			s.ShortMessage != strings.ReplaceAll(gsm, " ", "") || len(ids) != 1 || s.MessageID != ids[0] {
			t.Errorf("submitted %+v, ids %v", s, ids)
		}
		e.submit(phone, "余额", 0)
		if s := p.await("submit_sm"); s.DataCoding != 8 || s.ShortMessage != "4f59989d" || s.RegisteredDelivery != 0 {
			t.Errorf("submitted %+v", s)
		}
	})
	long := words(400)
	t.Run("long SMS from a phone", func(t *testing.T) {
		parts := []string{long[:150], long[150:300], long[300:]}
		for _, c := range []struct {
			kind smpp.PartKind
			send func(i int, part string) order
		}{
			{smpp.UDH8, func(i int, part string) order {
				return message("deliver_sm", "esm_class", 0x40, "short_message", octets{fmt.Sprintf("0500034d03%02x%x", i, part)})
			}},
			{smpp.UDH16, func(i int, part string) order {
				return message("deliver_sm", "esm_class", 0x40, "short_message", octets{fmt.Sprintf("060804beef03%02x%x", i, part)})
			}},
			{smpp.SAR, func(i int, part string) order {
				return message("deliver_sm", "short_message", part, "sar_msg_ref_num", octets{"0102"},
					"sar_total_segments", octets{"03"}, "sar_segment_seqnum", octets{fmt.Sprintf("%02x", i)})
			}},
		} {
			for _, i := range []int{2, 3, 1} {
				say(c.send(i, parts[i-1]))
				acked()
			}
			if s := e.next(); s.text != long || s.kind != c.kind || s.parts != 3 {
				t.Errorf("%s: got %+v", c.kind, s)
			}
		}
		say(message("deliver_sm", "short_message", "", "message_payload", long))
		if s := e.next(); s.text != long {
			t.Errorf("message_payload: got %+v", s)
		}
		acked()
	})
	t.Run("long SMS to a phone", func(t *testing.T) {
		ids := e.submit(phone, long, 0)
		var joined strings.Builder
		for i, id := range ids {
			s := p.await("submit_sm")
			b, err := hex.DecodeString(s.ShortMessage)
			if want := []byte{5, 0, 3, 77, byte(len(ids)), byte(i + 1)}; err != nil || s.ESMClass != 0x40 || s.MessageID != id || string(b[:6]) != string(want) {
				t.Fatalf("part %d: %+v", i+1, s)
			}
			joined.Write(b[6:])
		}
		if joined.String() != long || len(ids) != 3 {
			t.Errorf("%d parts of %q", len(ids), joined.String())
		}
		id, err := e.Submit(t.Context(), &smpp.Message{Source: smpp.Address{Addr: shortCode}, Dest: smpp.Address{Addr: phone}, Payload: []byte(long)})
		if s := p.await("submit_sm"); err != nil || s.MessagePayload != hex.EncodeToString([]byte(long)) || s.ShortMessage != "" || s.MessageID != id {
			t.Errorf("message_payload: %v, %+v", err, s)
		}
	})
	t.Run("receipts", func(t *testing.T) {
		say(message("deliver_sm", "esm_class", 4, "short_message",
			"id:p1 sub:001 dlvrd:001 submit date:2601021504 done date:2601021505 stat:DELIVRD err:000 text:Balance"))
		if s := e.next(); s.receipt == nil || s.receipt.MessageID != "p1" || s.receipt.State != "DELIVRD" || s.receipt.Err != "000" || s.receipt.Done != "2601021505" {
			t.Errorf("in text: %+v", s.receipt)
		}
		acked()
		say(message("deliver_sm", "esm_class", 4, "receipted_message_id", octets{hex.EncodeToString([]byte("p2\x00"))}, "message_state", octets{"05"}))
		if s := e.next(); s.receipt == nil || s.receipt.MessageID != "p2" || s.receipt.State != "UNDELIV" {
			t.Errorf("in optional parameters: %+v", s.receipt)
		}
		acked()
	})
	t.Run("data_sm", func(t *testing.T) {
		say(message("data_sm", "message_payload", "BAL"))
		if s := e.next(); s.text != "BAL" || s.command != smpp.DataSM {
			t.Errorf("got %+v", s)
		}
		if r := p.await("data_sm_resp"); r.Status != smpp.StatusOK {
			t.Errorf("answered with %+v", r)
		}
	})
	t.Run("alert_notification", func(t *testing.T) {
		say(order{Do: "alert_notification", With: []any{"source_addr", phone, "esme_addr", shortCode}})
		if from := <-e.alerts; from != phone {
			t.Errorf("alert from %q", from)
		}
	})
	t.Run("query, cancel, replace", func(t *testing.T) { inquire(t, e) })
	t.Run("refused", func(t *testing.T) {
		e.mu.Lock()
		e.refuse = smpp.StatusTempAppErr
		e.mu.Unlock()
		say(message("deliver_sm", "short_message", "x"))
		if r := p.await("deliver_sm_resp"); r.Status != smpp.StatusTempAppErr {
			t.Errorf("answered with %+v", r)
		}
	})
	t.Run("enquire_link", func(t *testing.T) {
		say(order{Do: "enquire_link"})
		p.await("enquire_link_resp")
	})
	t.Run("unbind", func(t *testing.T) {
		say(order{Do: "unbind"})
		p.await("unbind_resp")
		if b := p.await("bind_transceiver"); b.Session != 3 {
			t.Errorf("bound again with %+v", b)
		}
		e.bound()
		e.stop()
		if u := p.await("unbind"); u.Session != 3 {
			t.Errorf("unbound with %+v", u)
		}
	})
	p.none("submit_sm", "generic_nack", "deliver_sm_resp")
}

// The other way round: Net::SMPP as an ESME of our simulator.
func TestNetSMPPAsESME(t *testing.T) {
	sim := startSimulator(t, nil)
	p := startNetSMPP(t, strconv.Itoa(sim.port))
	say := func(operation string, with ...any) { p.order(order{Do: operation, Session: 1, With: with}) }
	say("bind_transceiver", "system_id", systemID, "password", password, "address_range", shortCode)
	if b := p.await("bind_transceiver_resp"); b.Status != smpp.StatusOK || b.SystemID == "" {
		t.Fatalf("bound: %+v", b)
	}
	submit := func(with ...any) string {
		t.Helper()
		say("submit_sm", append([]any{"source_addr", shortCode, "dest_addr_ton", 1, "dest_addr_npi", 1, "destination_addr", phone}, with...)...)
		r := p.await("submit_sm_resp")
		if r.Status != smpp.StatusOK || r.MessageID == "" {
			t.Fatalf("submit_sm: %+v", r)
		}
		return r.MessageID
	}
	var read uint64
	received := func() smsc.InboxMessage {
		t.Helper()
		ms, err := sim.Inbox(t.Context(), phone, read, patience)
		if err != nil || len(ms) == 0 {
			t.Fatalf("no message: %v", err)
		}
		read = ms[0].N
		return ms[0]
	}

	id := submit("registered_delivery", 1, "short_message", octets{"4869001b65"})
	if m := received(); m.Text != "Hi@€" || m.From != shortCode {
		t.Errorf("received %+v", m)
	}
	r := p.await("deliver_sm")
	text, err := hex.DecodeString(r.ShortMessage)
	if err != nil || r.ESMClass != 4 || !strings.HasPrefix(string(text), "id:"+id+" sub:001 dlvrd:001 submit date:") ||
		!strings.Contains(string(text), " stat:DELIVRD err:000 text:") || r.ReceiptedMessageID != hex.EncodeToString([]byte(id+"\x00")) || r.MessageState != 2 {
		t.Errorf("receipt %q in %+v", text, r)
	}
	long := words(400)
	for i, part := range []string{long[:150], long[150:300], long[300:]} {
		submit("esm_class", 0x40, "short_message", octets{fmt.Sprintf("0500034d03%02x%x", i+1, part)})
	}
	if m := received(); m.Text != long || m.Parts != 3 {
		t.Errorf("received %+v", m)
	}
	submit("short_message", "", "message_payload", long)
	if m := received(); m.Text != long {
		t.Errorf("received %+v", m)
	}
	sim.mo(t, smsc.MO{Text: "BAL"})
	if d := p.await("deliver_sm"); d.ShortMessage != hex.EncodeToString([]byte("BAL")) || d.Source != phone || d.Dest != shortCode {
		t.Errorf("delivered %+v", d)
	}
	for _, split := range []string{"udh8", "udh16", "sar"} {
		sim.mo(t, smsc.MO{Text: long, Split: split})
		var joined strings.Builder
		for range 3 {
			d := p.await("deliver_sm")
			b, err := hex.DecodeString(d.ShortMessage)
			if err != nil {
				t.Fatal(err)
			}
			if d.ESMClass&0x40 != 0 {
				b = b[1+b[0]:]
			}
			joined.Write(b)
		}
		if joined.String() != long {
			t.Errorf("%s: %q", split, joined.String())
		}
	}
	say("enquire_link")
	p.await("enquire_link_resp")
	say("unbind")
	p.await("unbind_resp")
	p.none("deliver_sm", "generic_nack")
}
