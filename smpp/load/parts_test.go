package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"starhash/smpp"
)

var update = flag.Bool("update", false, "write the golden files again")

func TestHistogram(t *testing.T) {
	upTo := func(n int, unit time.Duration) (ds []time.Duration) {
		for i := range n {
			ds = append(ds, time.Duration(i+1)*unit)
		}
		return ds
	}
	for name, c := range map[string]struct {
		durations           []time.Duration
		p50, p90, p99, p999 time.Duration
	}{
		"nothing":             {},
		"one":                 {upTo(1, time.Millisecond), time.Millisecond, time.Millisecond, time.Millisecond, time.Millisecond},
		"1 to 100 ns":         {upTo(100, 1), 50, 90, 99, 100},
		"1 to 1000 µs":        {upTo(1000, time.Microsecond), 500 * time.Microsecond, 900 * time.Microsecond, 990 * time.Microsecond, 999 * time.Microsecond},
		"1 to 10,000 ms":      {upTo(10_000, time.Millisecond), 5 * time.Second, 9 * time.Second, 9900 * time.Millisecond, 9990 * time.Millisecond},
		"one outlier of 1000": {append(slices.Repeat([]time.Duration{time.Microsecond}, 999), time.Second), time.Microsecond, time.Microsecond, time.Microsecond, time.Microsecond},
		"two of 1000":         {append(slices.Repeat([]time.Duration{time.Microsecond}, 998), time.Second, time.Second), time.Microsecond, time.Microsecond, time.Microsecond, time.Second},
		"negative":            {[]time.Duration{-5}, 0, 0, 0, 0},
		"beyond the range":    {[]time.Duration{time.Hour}, time.Hour, time.Hour, time.Hour, time.Hour},
	} {
		var h histogram
		rand.Shuffle(len(c.durations), func(i, j int) { c.durations[i], c.durations[j] = c.durations[j], c.durations[i] })
		for _, d := range c.durations {
			h.record(d)
		}
		for q, want := range map[float64]time.Duration{0.5: c.p50, 0.9: c.p90, 0.99: c.p99, 0.999: c.p999} {
			if got := h.quantile(q); got < want || float64(got) > float64(want)*1.008+1 {
				t.Errorf("%s: quantile %g is %s, want %s", name, q, got, want)
			}
		}
		if len(c.durations) > 0 && c.durations[0] >= 0 && h.max != slices.Max(c.durations) {
			t.Errorf("%s: max %s", name, h.max)
		}
	}
	// Every bucket's upper edge lies in it, and the next value does not.
	for i := range buckets - 1 {
		if edge := upperEdge(i); bucketOf(edge) != i || bucketOf(edge+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, which is in %d; the next in %d", i, edge, bucketOf(edge), bucketOf(edge+1))
		}
	}
}

func TestSchedule(t *testing.T) {
	for _, rate := range []float64{0.5, 1, 7, 999, 1000, 1001, 4999.5, 33_333, 1e6} {
		s := newSchedule(rate)
		for _, at := range []time.Duration{0, 1, time.Millisecond - 1, time.Millisecond, 333 * time.Millisecond, time.Second - 1, time.Second, 9_999_999_999} {
			n := s.due(at)
			if n > 0 && s.at(n-1) > at || s.at(n) <= at {
				t.Errorf("%g/s: %d due at %s, but %d at %s and %d at %s", rate, n, at, n-1, s.at(n-1), n, s.at(n))
			}
		}
		if n := s.due(10*time.Second - 1); math.Abs(float64(n)-10*rate) > 1 {
			t.Errorf("%g/s: %d in 10 s", rate, n)
		}
	}
	if s := newSchedule(0); s.due(0) != math.MaxUint64 || s.at(1e9) != 0 {
		t.Error("flat out is not at once")
	}
}

func TestTemplate(t *testing.T) {
	for _, c := range []struct {
		text string
		n    uint64
		from string
		want string
	}{
		{"BAL 1234", 0, "263771000001", "BAL 1234"},
		{"", 3, "263771000004", ""},
		{"{n}", 12345, "263771000046", "12345"},
		{"BAL {token}.", 12, "263771000013", "BAL #12."},
		{"SEND {amount} {peer} 1234", 7, "263771000008", "SEND 1.00 263771000108 1234"},
		{"SEND {amount} {peer} 1234", 107, "263771000008", "SEND 1.01 263771000108 1234"},
		{"SEND {amount} {peer} 1234", 90_007, "263771000008", "SEND 1.00 263771000108 1234"},
		{"{amount}", 89_999, "263771000100", "9.99"},
		{"{msisdn}: 5 € [ok]", 1, "263771000002", "263771000002: 5 € [ok]"},
		{"Баланс {msisdn} {token} 😀", 1, "263771000002", "Баланс 263771000002 #1 😀"},
	} {
		cfg := Config{Text: c.text, MSISDNs: 100}
		cfg.SetDefaults()
		cfg.Text = c.text
		tm, err := newTemplate(&cfg)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		// Behind something else, as in a batch.
		frame := tm.append([]byte("before"), c.n, 77)[len("before"):]
		p, err := smpp.Decode(bytes.Clone(frame))
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		m, ok := p.Body.(*smpp.Message)
		if !ok || p.Command != smpp.DeliverSM || p.Sequence != 77 || p.Status != smpp.StatusOK {
			t.Errorf("%q: %+v", c.text, p)
			continue
		}
		coding, octets := smpp.EncodeText(c.want)
		if m.Source != (smpp.Address{TON: 1, NPI: 1, Addr: c.from}) || m.Dest.Addr != "7001" || m.DataCoding != byte(coding) || !bytes.Equal(m.Payload, octets) {
			t.Errorf("%q of message %d: %v %q, want %q", c.text, c.n, m, m.Payload, octets)
		}
		if sender, ok := tm.sender([]byte(m.Source.Addr)); !ok || sender != c.n%100 {
			t.Errorf("%q: sender %d %v of %s", c.text, sender, ok, m.Source.Addr)
		}
		if n, ok := tokenIn(m.Payload); ok != tm.tokens || ok && n != c.n {
			t.Errorf("%q: token %d %v of message %d", c.text, n, ok, c.n)
		}
	}
	for _, text := range []string{"{pin}", "{}", strings.Repeat("a", 161), strings.Repeat("я", 71), strings.Repeat("a", 150) + "{token}"} {
		cfg := Config{Text: text}
		cfg.SetDefaults()
		if _, err := newTemplate(&cfg); err == nil {
			t.Errorf("%q is taken for a text", text)
		}
	}
}

func TestSender(t *testing.T) {
	tm := &template{base: 263771000001, msisdns: 10, digits: 12}
	for addr, want := range map[string]int{
		"263771000001": 0, "263771000010": 9, "+263771000003": 2,
		"263771000000": -1, "263771000011": -1, "63771000001": -1, "2637710000010": -1, "26377100000a": -1, "": -1,
	} {
		if got, ok := tm.sender([]byte(addr)); ok != (want >= 0) || ok && got != uint64(want) {
			t.Errorf("%q: %d %v, want %d", addr, got, ok, want)
		}
	}
}

// submitBody is a submit_sm as the codec writes it, without its header.
func submitBody(t testing.TB, m smpp.Message) []byte {
	t.Helper()
	frame, err := smpp.Append(nil, smpp.PDU{Command: smpp.SubmitSM, Sequence: 1, Body: &m})
	if err != nil {
		t.Fatal(err)
	}
	return frame[smpp.HeaderLen:]
}

func TestParseSubmit(t *testing.T) {
	l := &Load{template: &template{base: 263771000001, msisdns: 10, digits: 12, tokens: true}}
	to := func(addr, text string, class byte) []byte {
		return submitBody(t, smpp.Message{ServiceType: "X", Source: smpp.Address{Addr: "7001"}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: addr}, ESMClass: class, Payload: []byte(text)})
	}
	const known = "263771000003"
	for _, c := range []struct {
		name            string
		body            []byte
		first, toSender bool
		n               uint64
		token           bool
	}{
		{"token", to(known, "done #42.", 0), true, true, 42, true},
		{"no token", to(known, "done", 0), false, false, 0, false},
		{"# alone", to(known, "dial *123# now", 0), false, false, 0, false},
		{"second #", to(known, "dial *123# now, #7", 0), true, true, 7, true},
		{"UCS2", to(known, "\x04\x14\x00#\x001\x002\x00 ", 0), true, true, 12, true},
		{"in message_payload", to(known, strings.Repeat("x", 300)+"#9", 0), true, true, 9, true},
		{"somebody else", to("263771000099", "#1", 0), false, false, 0, false},
		{"first part", to(known, "\x05\x00\x03\x07\x02\x01#5", smpp.ESMClassUDHI), true, true, 5, true},
		{"second part", to(known, "\x05\x00\x03\x07\x02\x02#5", smpp.ESMClassUDHI), false, true, 5, true},
		{"second part, 16 bits", to(known, "\x06\x08\x04\x00\x07\x02\x02#5", smpp.ESMClassUDHI), false, true, 5, true},
		{"other header", to(known, "\x03\x24\x01\x01#5", smpp.ESMClassUDHI), true, true, 5, true},
		{"header too long", to(known, "\xff\x00#5", smpp.ESMClassUDHI), true, true, 5, true},
		{"empty", nil, false, false, 0, false},
		{"cut", to(known, "", 0)[:20], false, false, 0, false},
	} {
		got, first, toSender := l.parseSubmit(smpp.SubmitSM, c.body)
		if first != c.first || toSender != c.toSender || toSender && (got.sender != 2 || got.known != c.token || got.n != c.n) {
			t.Errorf("%s: %+v first %v, to a sender %v", c.name, got, first, toSender)
		}
	}
}

func FuzzParseSubmit(f *testing.F) {
	for _, text := range []string{"#1", "\x05\x00\x03\x07\x02\x02#5", "\x06\x08\x04\x00\x07\x02\x02", "\xff", strings.Repeat("#", 200)} {
		f.Add(submitBody(f, smpp.Message{Dest: smpp.Address{Addr: "263771000003"}, ESMClass: smpp.ESMClassUDHI, Payload: []byte(text)}))
	}
	l := &Load{template: &template{base: 263771000001, msisdns: 10, digits: 12, tokens: true}}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, c := range []smpp.CommandID{smpp.SubmitSM, smpp.DataSM} {
			if got, _, ok := l.parseSubmit(c, body); ok && got.sender >= 10 {
				t.Errorf("sender %d of 10", got.sender)
			}
		}
	})
}

// FuzzFrames cuts any stream at any places into the same PDUs.
func FuzzFrames(f *testing.F) {
	two := appendHeader(appendSubmitResp(nil, smpp.SubmitSMResp, 1, 2), smpp.EnquireLink, smpp.StatusOK, 2)
	f.Add(two, 5)
	f.Add(two[:len(two)-1], 17)
	f.Add([]byte{0, 0, 0, 15}, 2)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, 1)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		collect := func(buf []byte) (fs [][]byte, rest []byte, ok bool) {
			rest, ok = frames(buf, func(f []byte) { fs = append(fs, f) })
			return fs, rest, ok
		}
		whole, rest, ok := collect(stream)
		if cut < 0 || cut > len(stream) {
			return
		}
		first, left, ok1 := collect(stream[:cut])
		if !ok1 {
			if ok {
				t.Fatal("a part is refused, the whole is not")
			}
			return
		}
		second, left, ok2 := collect(append(bytes.Clone(left), stream[cut:]...))
		if ok != ok2 || len(whole) != len(first)+len(second) || ok && !bytes.Equal(rest, left) {
			t.Fatalf("whole: %d, rest %d, %v; cut: %d and %d, rest %d, %v", len(whole), len(rest), ok, len(first), len(second), len(left), ok2)
		}
	})
}

func TestQueue(t *testing.T) {
	var q queue
	next, want := uint64(0), uint64(0)
	for round := range 50 {
		for range round % 7 {
			q.push(message{n: next})
			next++
		}
		for range min(round%5, q.len()) {
			if q.front().n != want {
				t.Fatalf("front is %d, want %d", q.front().n, want)
			}
			if m := q.pop(); m.n != want {
				t.Fatalf("got %d, want %d", m.n, want)
			}
			want++
		}
		if uint64(q.len()) != next-want {
			t.Fatalf("%d in the queue, want %d", q.len(), next-want)
		}
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"neither a time nor a number": func(c *Config) { c.For, c.Messages = 0, 0 },
		"rate -1":                     func(c *Config) { c.Rate = -1 },
		"100 sessions":                func(c *Config) { c.Sessions = 100 },
		"window 0":                    func(c *Config) { c.Window = 0 },
		"one length":                  func(c *Config) { c.MSISDNBase = 999_999_999_999 },
		"0 MSISDNs":                   func(c *Config) { c.MSISDNs = 0 },
		"short code":                  func(c *Config) { c.ShortCode = "" },
		"every 1ms":                   func(c *Config) { c.DisconnectEvery = time.Millisecond },
	} {
		cfg := Config{For: time.Second}
		cfg.SetDefaults()
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// What scripts read of a report stays as it is.
func TestReportGolden(t *testing.T) {
	l := Latency{Count: 119_000, Mean: 2.5, P50: 1.25, P90: 4, P99: 20.125, P999: 80, Max: 1234.567}
	r := &Report{
		Seconds: 60, Sessions: 2, Window: 500, MSISDNs: 10_000, Seed: 7, RateWanted: 2000,
		Messages: 120_000, Unsent: 10, Sent: 121_500, Retried: 1000, Resent: 500,
		Acked: 119_000, AckedRate: 1983.3, AckTime: l, SendTime: &l, Refused: 990,
		Refusals:   map[string]uint64{"ESME_RTHROTTLED": 1000, "ESME_RX_P_APPN": 990},
		Unanswered: 10, Strays: 1, Confirm: true, Confirmed: 118_990, ConfirmedRate: 1983, ConfirmTime: &l,
		Lost: 10, Duplicated: 3, Repeated: 2, Submits: 119_100, Others: 105,
		Disconnects: 30, LostSessions: 1, Binds: 33, Memory: &Memory{At10: 30, At50: 31, End: 31, Max: 33},
	}
	var text, table bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetIndent("", "  ")
	if err := errors.Join(e.Encode(r), r.Table(&table)); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{"report.json": text.Bytes(), "report.txt": table.Bytes()} {
		name = filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(name, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// A lost connection excuses as many repetitions as it explains, of the messages
// that it is about, and not for ever.
func TestExcuses(t *testing.T) {
	for _, tokens := range []bool{false, true} {
		l := newLedger(10, tokens)
		for n := range uint64(3) {
			l.sent(message{n: n})
			l.acked(n)
		}
		l.forget(0)
		l.sentAgain(message{n: 1})
		c := func(n uint64) verdict {
			v, _ := l.confirm(confirmation{sender: n % 10, n: n, known: tokens})
			return v
		}
		var got []verdict
		for _, n := range []uint64{0, 0, 1, 1, 1} {
			got = append(got, c(n))
		}
		if want := []verdict{confirmed, duplicated, confirmed, repeated, duplicated}; !slices.Equal(got, want) {
			t.Errorf("tokens %v: %v, want %v", tokens, got, want)
		}
		l.sentAgain(message{n: 0})
		l.sentAgain(message{n: 1})
		l.forget(excuseFor + 1)
		if v := c(0); v != repeated {
			t.Errorf("tokens %v: half a minute later %v", tokens, v)
		}
		l.forget(2*excuseFor + 2)
		if v := c(1); v != duplicated {
			t.Errorf("tokens %v: after a minute %v", tokens, v)
		}
		if l.open != 1 || l.lost() != 1 {
			t.Errorf("tokens %v: %d open, %d lost", tokens, l.open, l.lost())
		}
	}
}
