package interop

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"starhash/configs/secret"
	"starhash/smpp"
	"starhash/smpp/smsc"
)

// captureMessages is how many messages go through TestCapture. The environment
// variable STARHASH_CAPTURE takes its place: 200000, say, with a -timeout to suit.
const captureMessages = 5000

// Mixed traffic of every kind between our ESME and our simulator, as Wireshark's
// dissector reads it: it finds nothing wrong, and as many PDUs of each operation as
// were sent.
func TestCapture(t *testing.T) {
	need(t, "tshark", "tshark")
	total := captureMessages
	if v := os.Getenv("STARHASH_CAPTURE"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		total = n
	}
	path := filepath.Join(t.TempDir(), "mixed.pcap")
	c := newCapture(t, path)
	sent := mixed(t, c, total)
	c.finish(t)

	start := time.Now()
	seen := dissect(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d packets, %d MB, dissected in %v", c.packets, info.Size()>>20, time.Since(start).Round(time.Millisecond))
	for _, f := range seen.faults {
		t.Errorf("tshark: %s", f)
	}
	if !maps.Equal(seen.pdus, c.messages) {
		t.Errorf("tshark counts %v, sent were %v", seen.pdus, c.messages)
	}
	for command, n := range sent {
		if c.messages[command] < n || n == 0 {
			t.Errorf("%s: %d in the capture, at least %d were sent", command, c.messages[command], n)
		}
	}
	for _, command := range []smpp.CommandID{
		smpp.BindTransceiver, smpp.BindTransceiverResp, smpp.BindTransmitter, smpp.BindTransmitterResp,
		smpp.BindReceiver, smpp.BindReceiverResp, smpp.SubmitSM, smpp.SubmitSMResp, smpp.DeliverSM, smpp.DeliverSMResp,
		smpp.DataSM, smpp.DataSMResp, smpp.EnquireLink, smpp.EnquireLinkResp, smpp.CommandAlert, smpp.GenericNack,
		smpp.QuerySM, smpp.QuerySMResp, smpp.ReplaceSM, smpp.ReplaceSMResp, smpp.CancelSM, smpp.CancelSMResp,
		smpp.Unbind, smpp.UnbindResp,
	} {
		if c.messages[command] == 0 {
			t.Errorf("no %s in the capture", command)
		}
		t.Logf("%-21s %d", command, c.messages[command])
	}
}

// The same filter finds what is wrong. (tshark 4.0 does not mind an optional parameter
// that ends behind its PDU: our own decoder does, and TestCapture has it at both ends.)
func TestCaptureFindsBrokenPDUs(t *testing.T) {
	need(t, "tshark", "tshark")
	good, err := smpp.Append(nil, smpp.PDU{Command: smpp.DeliverSM, Sequence: 1, Body: &smpp.Message{
		Source: smpp.Address{TON: 1, NPI: 1, Addr: phone}, Dest: smpp.Address{Addr: shortCode}, Payload: []byte("BAL"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	broken := func(at int, b byte) []byte {
		pdu := append([]byte(nil), good...)
		pdu[at] = b
		return pdu
	}
	for name, tc := range map[string]struct {
		pdu    []byte
		broken bool
	}{
		"as we write it":             {good, false},
		"sm_length behind the end":   {broken(len(good)-4, 0xf0), true},
		"an address without its end": {append([]byte{0, 0, 0, 26, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1}, "2637710"...), true},
		"a body cut short":           {append([]byte{0, 0, 0, 30}, good[4:30]...), true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "one.pcap")
			c := newCapture(t, path)
			f := c.connection()
			f.data(toESME, tc.pdu)
			c.finish(t)
			if seen := dissect(t, path); len(seen.faults) > 0 != tc.broken || seen.pdus[smpp.DeliverSM] != 1 {
				t.Errorf("tshark: %q, %v", seen.faults, seen.pdus)
			}
		})
	}
}

// dissected is what tshark says of a capture.
type dissected struct {
	pdus   map[smpp.CommandID]int
	faults []string // the first few
}

// dissect has tshark read a capture, once and from front to back.
func dissect(t *testing.T, path string) dissected {
	t.Helper()
	c := exec.Command("tshark", "-r", path, "-n", "-d", fmt.Sprintf("tcp.port==%d,smpp", smppPort),
		"-T", "fields", "-E", "occurrence=a", "-e", "frame.number", "-e", "smpp.command_id",
		"-e", "_ws.malformed", "-e", "_ws.expert.severity", "-e", "_ws.expert.message")
	endWithParent(c)
	var stderr lockedBuffer
	c.Stderr = &stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	d := dissected{pdus: make(map[smpp.CommandID]int)}
	const severe = 0x600000 // PI_WARN; PI_ERROR is 0x800000
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) < 5 {
			t.Fatalf("tshark says %q", line)
		}
		for _, id := range strings.FieldsFunc(fields[1], comma) {
			n, err := strconv.ParseUint(id, 0, 32)
			if err != nil {
				t.Fatal(err)
			}
			d.pdus[smpp.CommandID(n)]++
		}
		fault := fields[2] != ""
		for _, s := range strings.FieldsFunc(fields[3], comma) {
			n, err := strconv.ParseUint(s, 0, 32)
			if err != nil {
				t.Fatal(err)
			}
			fault = fault || n >= severe
		}
		if fault && len(d.faults) < 20 {
			d.faults = append(d.faults, "packet "+strings.Join(fields, " "))
		}
	}
	if err := c.Wait(); err != nil {
		t.Fatalf("tshark: %v\n%s", err, &stderr)
	}
	return d
}

func comma(r rune) bool { return r == ',' }

// mixed sends so many messages through a tapped simulator, and says how many
// requests of an operation that took at least.
func mixed(t *testing.T, c *capture, total int) map[smpp.CommandID]int {
	const pairCode = "7002"
	sim := startSimulator(t, func(cfg *smsc.Config) {
		cfg.AddressRange = shortCode
		cfg.Accounts = []smsc.Account{{SystemID: "pair", Password: secret.Copy([]byte(password)), AddressRange: pairCode}}
		cfg.IMSITLV = 0x1502
		cfg.Phones[0].IMSI = "648010000000001"
		cfg.EnquireLink = 700 * time.Millisecond
		cfg.MaxTries = 1000
	})
	if err := sim.SetFaults(t.Context(), smsc.Faults{
		Seed: 1, Throttle: 2, QueueFull: 1, VendorTLVs: smsc.Percent(2), BareReceipt: smsc.Percent(5),
		Intermediate: smsc.Percent(2), DuplicateMO: smsc.Percent(1), StrayNack: smsc.Percent(1), StrayResp: smsc.Percent(1),
		GenericNack: smsc.Percent(1),
	}); err != nil {
		t.Fatal(err)
	}
	port := c.tap(t, sim.port)
	one := startESME(t, port, func(b *smpp.BindConfig) {
		b.EnquireLink, b.InboundQueue, b.RequestReceipts = time.Second, 50, true
		b.Languages = []string{"tr"}
	})
	two := startESME(t, port, func(b *smpp.BindConfig) {
		b.SystemID, b.Bind, b.AddressRange, b.EnquireLink = "pair", smpp.Pair, pairCode, time.Second
	})
	one.bound()
	two.bound()
	for _, e := range []*esme{one, two} {
		drained := make(chan struct{})
		go func() { // ends below, once nothing more comes
			defer close(drained)
			for range e.sms {
			}
		}()
		defer func() {
			e.stop()
			close(e.sms)
			<-drained
		}()
	}

	long := words(400)
	mos := []smsc.MO{
		{Text: "BAL 4826"}, {Text: "SEND 5 0771000002 4826"}, {Text: "“é” 余额 😀"}, {Text: long, Split: "udh8"}, {Text: long, Split: "udh16"},
		{Text: long, Split: "sar"}, {Text: long, Split: "payload"}, {Text: "BAL", Command: "data_sm"}, {Text: "*700#", ServiceType: "USSD",
			TLVs: []smsc.TLV{{Tag: 0x0501, Value: smsc.Hex{1}}}}, {Text: words(3000), Split: "payload"},
	}
	texts := []string{"Balance USD 5.00", "ğüşıöç İĞÜŞ " + words(60), "余额 5.00", long, "é€{}", words(152), words(161), "😀" + words(150)}
	var submitted, refused atomic.Int64
	var workers sync.WaitGroup
	const each = 16
	for w := range each {
		from := fmt.Sprintf("2637710001%02d", w)
		workers.Go(func() { // phones
			for i := w; i < total/2; i += each {
				m := mos[i%len(mos)]
				m.From, m.To, m.Wait = from, shortCode, smsc.Duration(patience)
				if i%3 == 0 {
					m.To = pairCode
				}
				if res, err := sim.SendMO(t.Context(), m); err != nil || !res.OK() {
					t.Errorf("not acknowledged: %+v %v", res, err)
					return
				}
			}
		})
		workers.Go(func() { // the applications
			e := one
			if w%3 == 0 {
				e = two
			}
			for i := w; i < total/2; i += each {
				encoded := smpp.Encode(texts[i%len(texts)], e.Config().Alphabets(), byte(i))
				for _, part := range encoded.Parts {
					m := &smpp.Message{
						ServiceType: "CMT", Source: smpp.Address{Addr: shortCode}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: from},
						DataCoding: encoded.Coding, Payload: part, RegisteredDelivery: 1, ValidityPeriod: "000001000000000R",
					}
					if encoded.UDHI {
						m.ESMClass |= smpp.ESMClassUDHI
					}
					submitted.Add(1)
					_, err := e.Submit(t.Context(), m)
					if se, ok := errors.AsType[*smpp.StatusError](err); ok && se.Status == smpp.StatusThrottled {
						refused.Add(1)
					} else if err != nil && (!ok || se.Status != smpp.StatusMsgQFul && se.Command != smpp.GenericNack) {
						t.Errorf("submit_sm: %v", err)
						return
					}
				}
			}
		})
	}
	workers.Wait()
	kept := one.submit(phone, "Balance USD 5.00", 0)
	source := smpp.Address{Addr: shortCode}
	if _, err := one.Query(t.Context(), &smpp.Query{MessageID: kept[0], Source: source}); err != nil {
		t.Errorf("query_sm: %v", err)
	}
	if err := sim.SetOff(t.Context(), phone, true); err != nil {
		t.Fatal(err)
	}
	kept = one.submit(phone, "Balance USD 6.00", 0)
	if err := errors.Join(
		one.Replace(t.Context(), &smpp.Replace{MessageID: kept[0], Source: source, Payload: []byte("Balance USD 7.00"), ValidityPeriod: "000001000000000R"}),
		one.Cancel(t.Context(), &smpp.Cancel{MessageID: kept[0], Source: source, Dest: smpp.Address{TON: 1, NPI: 1, Addr: phone}}),
	); err != nil {
		t.Error(err)
	}
	if refused.Load() == 0 {
		t.Error("nothing was throttled")
	}
	if _, err := sim.SwitchOn(t.Context(), phone); err != nil {
		t.Fatal(err)
	}
	<-one.alerts
	if n, err := sim.Unbind(t.Context()); err != nil || n != 3 {
		t.Fatalf("unbound %d: %v", n, err)
	}
	for _, bind := range []smpp.CommandID{smpp.BindTransceiverResp, smpp.BindReceiverResp, smpp.BindTransmitterResp} {
		c.await(t, bind, 2)
	}
	one.bound()
	two.bound()
	// tshark takes nothing over 64 KiB for SMPP, so not quite the longest.
	sim.mo(t, smsc.MO{Text: words(65000), Split: "payload"})
	c.await(t, smpp.EnquireLink, 1)
	c.await(t, smpp.EnquireLinkResp, 1)
	for _, e := range []*esme{one, two} {
		if strings.Contains(e.log.String(), "malformed") {
			t.Error("our ESME found a malformed PDU")
		}
	}
	return map[smpp.CommandID]int{smpp.SubmitSM: int(submitted.Load()), smpp.DeliverSM: total * 9 / 20, smpp.DataSM: total / 20,
		smpp.BindTransceiver: 2, smpp.BindReceiver: 2, smpp.Unbind: 6}
}
