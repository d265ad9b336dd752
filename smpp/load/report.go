package load

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what a load has shown.
type Report struct {
	Seconds  float64 `json:"seconds"` // from the first message to the end of sending
	Sessions int     `json:"sessions"`
	Window   int     `json:"window"`
	MSISDNs  uint64  `json:"msisdns"`
	Seed     uint64  `json:"seed"`

	RateWanted float64 `json:"rate_wanted"` // messages a second; 0: flat out
	Messages   uint64  `json:"messages"`    // begun
	Unsent     uint64  `json:"unsent"`      // due by the rate, not begun because windows were full
	Sent       uint64  `json:"sent"`        // deliver_sm written: messages, retried and resent
	Retried    uint64  `json:"retried"`     // sent again after a temporary refusal
	Resent     uint64  `json:"resent"`      // sent again after a connection was lost

	Acked      uint64            `json:"acked"`
	AckedRate  float64           `json:"acked_per_second"`
	AckTime    Latency           `json:"ack_ms"`
	SendTime   *Latency          `json:"send_ms,omitempty"` // of AckTime, until written; only with a rate
	Refused    uint64            `json:"refused"`           // for good
	Refusals   map[string]uint64 `json:"refusals"`          // by command_status, temporary ones too
	Unanswered uint64            `json:"unanswered"`        // sent, neither acknowledged nor refused in the end
	Strays     uint64            `json:"stray_responses"`   // to no message under way

	Confirm       bool     `json:"confirm"`
	Confirmed     uint64   `json:"confirmed"`
	ConfirmedRate float64  `json:"confirmed_per_second"`
	ConfirmTime   *Latency `json:"confirm_ms,omitempty"`
	Lost          uint64   `json:"lost"`       // acknowledged and not confirmed
	Duplicated    uint64   `json:"duplicated"` // confirmed more than once
	Repeated      uint64   `json:"repeated"`   // the same, where a lost connection excuses it
	Submits       uint64   `json:"submits"`    // submit_sm and data_sm taken
	Others        uint64   `json:"others"`     // of them, to nobody of the senders or without a token

	Disconnects  uint64 `json:"disconnects"`   // sessions that we cut
	LostSessions uint64 `json:"lost_sessions"` // sessions that ended otherwise
	Binds        uint64 `json:"binds"`

	Memory *Memory `json:"memory,omitempty"` // of this process, with --esme self
}

// Latency is a distribution in milliseconds.
type Latency struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p99_9"`
	Max   float64 `json:"max"`
}

// Memory is the resident set of this process in MiB, sampled each second.
type Memory struct {
	At10 float64 `json:"at_10_percent"`
	At50 float64 `json:"at_50_percent"`
	End  float64 `json:"at_end"`
	Max  float64 `json:"max"`
}

// MemoryOf condenses samples of Resident, taken at equal intervals over the
// whole load; nil when there are none.
func MemoryOf(samples []float64) *Memory {
	if len(samples) == 0 {
		return nil
	}
	n := len(samples)
	return &Memory{At10: samples[n/10], At50: samples[n/2], End: samples[n-1], Max: slices.Max(samples)}
}

// OK says whether all that was sent was answered, and all that was acknowledged
// confirmed once.
func (r *Report) OK() bool { return r.Lost == 0 && r.Duplicated == 0 && r.Unanswered == 0 }

func latencyOf(h *histogram) Latency {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Latency{
		Count: h.count, Mean: ms(h.mean()), Max: ms(h.max),
		P50: ms(h.quantile(0.5)), P90: ms(h.quantile(0.9)), P99: ms(h.quantile(0.99)), P999: ms(h.quantile(0.999)),
	}
}

func (l *Load) report(elapsed time.Duration) *Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.counts
	r := &Report{
		Seconds: elapsed.Seconds(), Sessions: l.cfg.Sessions, Window: l.cfg.Window, MSISDNs: l.cfg.MSISDNs, Seed: l.cfg.Seed,
		RateWanted: l.cfg.Rate, Messages: l.begun, Sent: c.sent, Retried: c.retried, Resent: c.resent,
		Acked: c.acked, AckTime: latencyOf(&l.ackTime), Refused: c.refused, Refusals: make(map[string]uint64),
		Unanswered: uint64(l.open()), Strays: c.strays,
		Confirm: l.cfg.Confirm, Confirmed: c.confirmed, Lost: l.ledger.lost(), Duplicated: c.duplicated, Repeated: c.repeated,
		Submits: c.submits, Others: c.others,
		Disconnects: c.disconnects, LostSessions: c.lostSessions, Binds: c.binds,
	}
	if l.cfg.Rate > 0 {
		due := l.schedule.due(elapsed - 1)
		if l.limit > 0 {
			due = min(due, l.limit)
		}
		r.Unsent = due - min(due, l.begun)
		send := latencyOf(&l.sendTime)
		r.SendTime = &send
	}
	for s, n := range c.statuses {
		r.Refusals[s.String()] = n
	}
	if l.lastAck > 0 {
		r.AckedRate = float64(c.acked) / l.lastAck.Seconds()
	}
	if l.cfg.Confirm {
		done := latencyOf(&l.doneTime)
		r.ConfirmTime = &done
		if l.lastDone > 0 {
			r.ConfirmedRate = float64(c.confirmed) / l.lastDone.Seconds()
		}
	}
	return r
}

// Progress is how far a load has come.
type Progress struct {
	Elapsed   time.Duration // since the first message; 0 before
	Sessions  int           // bound that take messages
	Messages  uint64
	Acked     uint64
	Confirmed uint64
	Submits   uint64
	Refusals  uint64
	Open      int // begun and not acknowledged
}

// Progress may be asked at any time.
func (l *Load) Progress() Progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := Progress{
		Sessions: len(l.receivers), Messages: l.begun, Acked: l.counts.acked,
		Confirmed: l.counts.confirmed, Submits: l.counts.submits, Open: l.open(),
	}
	for _, n := range l.counts.statuses {
		p.Refusals += n
	}
	if l.phase != idle && !l.began.IsZero() {
		p.Elapsed = time.Since(l.began)
	}
	return p
}

// Table prints the report for people.
func (r *Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	wanted := "flat out"
	if r.RateWanted > 0 {
		wanted = fmt.Sprintf("%s messages/s wanted", grouped(uint64(r.RateWanted)))
	}
	row("load", "%.1f s, %s, %d session(s), window %s, %s senders", r.Seconds, wanted, r.Sessions, grouped(uint64(r.Window)), grouped(r.MSISDNs))
	row("messages", "%s", grouped(r.Messages))
	if r.Unsent > 0 {
		row("unsent", "%s, due but the windows were full", grouped(r.Unsent))
	}
	row("acknowledged", "%s, %s/s", grouped(r.Acked), grouped(uint64(r.AckedRate)))
	if r.Confirm {
		row("confirmed", "%s, %s/s", grouped(r.Confirmed), grouped(uint64(r.ConfirmedRate)))
	}
	if n := r.Retried + r.Resent; n > 0 {
		row("sent again", "%s after a temporary refusal, %s after a lost connection", grouped(r.Retried), grouped(r.Resent))
	}
	if len(r.Refusals) > 0 {
		var each []string
		for s, n := range r.Refusals {
			each = append(each, grouped(n)+" "+s)
		}
		slices.Sort(each)
		row("refusals", "%s; %s for good", strings.Join(each, ", "), grouped(r.Refused))
	}
	row("unanswered", "%s", grouped(r.Unanswered))
	if r.Confirm {
		row("lost", "%s acknowledged, never confirmed", grouped(r.Lost))
		row("duplicated", "%s confirmed twice", grouped(r.Duplicated))
		if r.Repeated > 0 {
			row("repeated", "%s confirmed twice across a lost connection", grouped(r.Repeated))
		}
	}
	if r.Others > 0 {
		row("other submit_sm", "%s, which confirm nothing of this load", grouped(r.Others))
	}
	if r.Strays > 0 {
		row("stray responses", "%s, to no message under way", grouped(r.Strays))
	}
	if r.Disconnects+r.LostSessions > 0 {
		row("connections", "%d cut by us (seed %d), %d lost otherwise, %d binds", r.Disconnects, r.Seed, r.LostSessions, r.Binds)
	}
	if m := r.Memory; m != nil {
		row("memory", "%.0f MiB at 10 %% of the time, %.0f at 50 %%, %.0f at the end, %.0f at most", m.At10, m.At50, m.End, m.Max)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	fmt.Fprintf(w, "%-20s %9s %9s %9s %9s %9s %9s\n", "ms", "p50", "p90", "p99", "p99.9", "max", "mean")
	latency := func(name string, l *Latency) {
		if l != nil && l.Count > 0 {
			fmt.Fprintf(w, "%-20s %9.2f %9.2f %9.2f %9.2f %9.2f %9.2f\n", name, l.P50, l.P90, l.P99, l.P999, l.Max, l.Mean)
		}
	}
	latency("due to sent", r.SendTime)
	latency("due to acknowledged", &r.AckTime)
	latency("due to confirmed", r.ConfirmTime)
	return nil
}

// grouped writes n with a comma between thousands.
func grouped(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
