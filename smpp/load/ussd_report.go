package load

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// USSDReport is what a load of USSD sessions has shown.
type USSDReport struct {
	Seconds    float64 `json:"seconds"`
	Sessions   int     `json:"sessions"` // open at once
	Binds      int     `json:"binds"`
	RateWanted float64 `json:"rate_wanted"` // steps a second; 0: flat out
	Parallel   int     `json:"parallel"`    // steps under way, at most

	Steps    uint64  `json:"steps"` // answered as expected
	StepRate float64 `json:"steps_per_second"`
	StepTime Latency `json:"step_ms"`
	Lost     uint64  `json:"lost"`    // no screen in time
	Wrong    uint64  `json:"wrong"`   // another screen than expected, or the network's own
	Skipped  uint64  `json:"skipped"` // steps of sessions that had failed before
	Failed   uint64  `json:"failed"`  // sessions

	Each     []USSDStep `json:"each"`               // by the script's steps
	Examples []string   `json:"examples,omitempty"` // of what went wrong, the first few

	OwnCPU  float64 `json:"own_cpu_us,omitempty"`  // microseconds a step, of this process
	ESMECPU float64 `json:"esme_cpu_us,omitempty"` // the same of the process that was named
}

// USSDStep is one step of the script, over all sessions.
type USSDStep struct {
	Enter string  `json:"enter"`
	Time  Latency `json:"ms"`
	Lost  uint64  `json:"lost"`
	Wrong uint64  `json:"wrong"`
}

// OK says whether every step of every session was answered as expected.
func (r *USSDReport) OK() bool { return r.Failed == 0 }

func (u *USSD) report(elapsed time.Duration) *USSDReport {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := &USSDReport{
		Seconds: elapsed.Seconds(), Sessions: u.cfg.Sessions, Binds: u.network.Receivers(), RateWanted: u.cfg.Rate, Parallel: u.cfg.Parallel,
		Steps: u.all.count, StepRate: float64(u.all.count) / elapsed.Seconds(), StepTime: latencyOf(&u.all),
		Failed: u.failed, Examples: u.wrong,
	}
	for i := range u.steps {
		s := &u.steps[i]
		r.Lost += s.lost
		r.Wrong += s.wrong
		r.Skipped += s.skipped
		r.Each = append(r.Each, USSDStep{Enter: u.cfg.Script[i], Time: latencyOf(&s.time), Lost: s.lost, Wrong: s.wrong})
	}
	return r
}

// perStep is CPU time in microseconds a step; 0 where it is not known.
func perStep(d time.Duration, steps uint64) float64 {
	if steps == 0 || d <= 0 {
		return 0
	}
	return float64(d.Microseconds()) / float64(steps)
}

// Table prints the report for people.
func (r *USSDReport) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	wanted := fmt.Sprintf("flat out, %s steps at once", grouped(uint64(r.Parallel)))
	if r.RateWanted > 0 {
		wanted = grouped(uint64(r.RateWanted)) + " steps/s wanted"
	}
	row("load", "%.1f s, %s sessions open, %s, %d bind(s)", r.Seconds, grouped(uint64(r.Sessions)), wanted, r.Binds)
	row("steps", "%s, %s/s", grouped(r.Steps), grouped(uint64(r.StepRate)))
	row("lost", "%s without a screen", grouped(r.Lost))
	row("wrong", "%s with another screen; %s sessions failed, %s steps left out", grouped(r.Wrong), grouped(r.Failed), grouped(r.Skipped))
	for _, e := range r.Examples {
		row("", "%s", e)
	}
	if r.OwnCPU > 0 {
		row("CPU", "%.1f µs a step here", r.OwnCPU)
	}
	if r.ESMECPU > 0 {
		row("", "%.1f µs a step in the ESME", r.ESMECPU)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	fmt.Fprintf(w, "%-28s %9s %9s %9s %9s %9s %9s\n", "ms", "p50", "p90", "p99", "p99.9", "max", "mean")
	latency := func(name string, l Latency) {
		fmt.Fprintf(w, "%-28s %9.2f %9.2f %9.2f %9.2f %9.2f %9.2f\n", name, l.P50, l.P90, l.P99, l.P999, l.Max, l.Mean)
	}
	for i, e := range r.Each {
		latency(fmt.Sprintf("%d: %s", i+1, e.Enter), e.Time)
	}
	latency("all", r.StepTime)
	return nil
}
