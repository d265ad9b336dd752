package smsc

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"starhash/smpp"
)

// A fault's nth decision depends on the seed alone, not on what else was drawn.
func TestDiceStreams(t *testing.T) {
	decisions := func(seed uint64, between func(*dice)) string {
		d := newDice(Faults{Throttle: Percent(30), NoResp: Percent(50), Latency: Latency{Median: ms(5)}}, seed)
		var b strings.Builder
		for range 200 {
			between(d)
			fmt.Fprint(&b, d.hits(throttle), " ")
		}
		return b.String()
	}
	alone := decisions(7, func(*dice) {})
	if n := strings.Count(alone, "true"); n < 35 || n > 85 {
		t.Errorf("%d of 200 at 30 %%", n)
	}
	if got := decisions(7, func(d *dice) { d.hits(noResp); d.latency(); d.receiptLatency() }); got != alone {
		t.Error("other draws change a fault's")
	}
	if got := decisions(8, func(*dice) {}); got == alone {
		t.Error("another seed decides the same")
	}
	d := newDice(Faults{Throttle: Percent(30)}, 7)
	first := d.hits(throttle)
	d.hits(throttle)
	d.set(Faults{Throttle: Percent(30), Seed: 7}) // begins anew
	if d.hits(throttle) != first {
		t.Error("the seed did not begin anew")
	}
}

func TestCount(t *testing.T) {
	d := newDice(Faults{}, 1)
	for _, tc := range []struct {
		c    Count
		hits func(n int) bool // of 10000
		text string
	}{
		{0, func(n int) bool { return n == 0 }, "0"},
		{3, func(n int) bool { return n == 3 }, "3"},
		{Always, func(n int) bool { return n == 10000 }, "true"},
		{Percent(0), func(n int) bool { return n == 0 }, "0%"},
		{Percent(100), func(n int) bool { return n == 10000 }, "100%"},
		{Percent(0.5), func(n int) bool { return n > 20 && n < 90 }, "0.5%"},
	} {
		c, n := tc.c, 0
		if c.String() != tc.text {
			t.Errorf("%s, want %s", c, tc.text)
		}
		var back Count
		if err := back.UnmarshalText([]byte(tc.text)); err != nil || back != tc.c {
			t.Errorf("%s reads as %v, %v", tc.text, back, err)
		}
		for range 10000 {
			if c.take(d.streams[throttle]) {
				n++
			}
		}
		if !tc.hits(n) {
			t.Errorf("%s: %d of 10000", tc.text, n)
		}
	}
}

// The quantiles of what is drawn are those that were asked for.
func TestLatency(t *testing.T) {
	for _, l := range []Latency{
		{"constant", ms(1), ms(5), ms(5)},
		{"uniform", ms(2), ms(10), 0},
		{"normal", ms(1), ms(50), ms(90)},
		{"lognormal", ms(1), ms(5), ms(120)},
		{"", 0, ms(5), 0},
		{"pareto", ms(1), ms(5), ms(400)},
	} {
		if err := l.check(); err != nil {
			t.Errorf("%+v: %v", l, err)
			continue
		}
		d := newDice(Faults{Latency: l}, 3)
		all := make([]time.Duration, 20_000)
		for i := range all {
			all[i] = d.latency()
		}
		slices.Sort(all)
		near := func(what string, got, want time.Duration) {
			if math.Abs(float64(got-want)) > 0.12*float64(want) {
				t.Errorf("%+v: %s %v, want %v", l, what, got, want)
			}
		}
		near("median", all[len(all)/2], time.Duration(l.Median))
		p99 := l.p99()
		if l.Distribution == "uniform" {
			p99 = l.Median + Duration(0.98*float64(l.Median-l.Min))
		}
		near("p99", all[len(all)*99/100], time.Duration(p99))
		if all[0] < time.Duration(l.Min) || all[len(all)-1] > time.Duration(maxLatency) {
			t.Errorf("%+v: %v to %v", l, all[0], all[len(all)-1])
		}
	}
	for want, l := range map[string]Latency{
		"median":      {Min: ms(2), Median: ms(1)},
		"a median":    {P99: ms(2)},
		"p99 is":      {Median: ms(2), P99: ms(1)},
		"try const":   {Min: ms(2), Median: ms(2)},
		"pareto":      {"pareto", 0, ms(2), ms(4)},
		"none of":     {"gauss", 0, ms(2), ms(4)},
		"more than 1": {Median: maxLatency, P99: maxLatency + 1},
	} {
		if err := l.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", l, err, want)
		}
	}
}

// The same seed and the same events: the same decisions, seen from outside. Latencies
// are left out, because what overtakes what is up to the clock.
func TestChaosReplay(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) string {
		f := Chaos()
		f.Latency, f.ReceiptLatency, f.LateBy = Latency{}, Latency{}, ms(1)
		f.Throttle, f.NoResp, f.DuplicateResp, f.Intermediate, f.NoReceipt = Percent(10), Percent(5), Percent(5), Percent(10), Percent(5)
		f.DropAfterSubmit, f.DropAfterResp = 0, 0
		r := start(t, func(c *Config) { c.Faults, c.Seed = f, seed })
		defer r.stop()
		e := r.bound(smpp.BindTransceiver)
		seen := make([][]string, 150)
		for i := range seen {
			m := mtTo(alice)
			m.Payload = fmt.Appendf(nil, "<%d>", i)
			if seq := e.send(smpp.SubmitSM, m); int(seq) != i+2 { // 1 was the bind's
				t.Fatal(seq)
			}
		}
		e.events(func(p smpp.PDU, what string) {
			i := int(p.Sequence) - 2
			if m, ok := p.Body.(*smpp.Message); ok {
				_, after, _ := strings.Cut(text(t, m), "text:<")
				fmt.Sscanf(after, "%d>", &i)
			}
			seen[i] = append(seen[i], what)
			slices.Sort(seen[i]) // what overtakes what is up to the clock
		})
		if got := must(r.Faults(t.Context()))(t); got.Seed != seed {
			t.Errorf("seed %d is shown", got.Seed)
		}
		if !strings.Contains(r.log.String(), fmt.Sprintf(`{\"seed\":%d,`, seed)) {
			t.Error("the seed is not in the log")
		}
		e.nc.Close()
		lines := ""
		for i, words := range seen {
			lines += fmt.Sprintln(i, strings.Join(words, " "))
		}
		return lines
	}
	one := run(11)
	if two := run(11); two != one {
		t.Errorf("another run:\n%s\n%s", one, two)
	}
	if other := run(12); other == one {
		t.Error("another seed makes no difference")
	}
	for _, word := range []string{"ESME_RTHROTTLED", "receipt", "intermediate", "submit_sm_resp:ESME_ROK submit_sm_resp"} {
		if !strings.Contains(one, word) {
			t.Errorf("no %q in\n%s", word, one)
		}
	}
}

// events tells of every PDU and acknowledges receipts, until nothing comes any more.
func (e *esme) events(tell func(p smpp.PDU, what string)) {
	e.t.Helper()
	for {
		e.nc.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		frame, err := smpp.ReadFrame(e.r, smpp.DefaultMaxPDU)
		if err != nil {
			return
		}
		p := must(smpp.Decode(frame))(e.t)
		what := e.name(p)
		tell(p, what)
	}
}

func TestSetFault(t *testing.T) {
	var f Faults
	for _, pair := range []string{"throttle=5%", "no_resp=3", "drop_on_ack=true", "latency.median=20ms", "latency.p99=2s", "submit_status=ESME_RSYSERR", "write_octets=1", "chaos=false"} {
		if err := f.Set(pair); err != nil {
			t.Errorf("%s: %v", pair, err)
		}
	}
	want := Faults{Throttle: Percent(5), NoResp: 3, DropOnAck: Always, Latency: Latency{Median: ms(20), P99: ms(2000)}, SubmitStatus: "ESME_RSYSERR", WriteOctets: 1}
	if f != want {
		t.Errorf("%+v", f)
	}
	for pair, says := range map[string]string{
		"throttle": "want KEY=VALUE", "throtle=1": "unknown field", "throttle=often": "neither a number", "throttle=101%": "not between",
		"latency.mean=1s": "unknown field", "delay=soon": "not a duration", "write_octets=x": "cannot unmarshal",
	} {
		if err := f.Set(pair); err == nil || !strings.Contains(err.Error(), says) || f != want {
			t.Errorf("%s: %v", pair, err)
		}
	}
}
