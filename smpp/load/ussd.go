package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"starhash/configs/secret"
	"starhash/smpp/smsc"
)

// USSDConfig is a load of USSD sessions: who may bind, and what every subscriber
// enters.
type USSDConfig struct {
	Listen   string       // host:port; port 0 takes a free one (127.0.0.1:2775)
	SystemID string       // that the ESME has to bind with (starhash)
	Password secret.Value // the same; required
	Dialect  string       // of USSD (plain)
	Binds    int          // connections that have to be bound before the load begins (1)
	BindWait time.Duration

	// Sessions is how many subscribers there are (10,000). Every one dials before
	// the first of them answers, so all are open at once; then step follows step,
	// one subscriber after the other.
	Sessions   int
	MSISDNBase uint64 // the first of them (263771000001)
	IMSIBase   uint64 // the first one's IMSI; 0: none
	IMSITLV    uint16 // vendor TLV that carries it where the dialect has no place; 0: none
	// Script is what each enters: a dialled string, then replies. {msisdn} and {peer}
	// are the subscriber's own number and the next one's.
	Script []string
	// Expect is what the screen behind each step has to contain; "" anything. The last
	// screen has to end the session, the others have to go on.
	Expect []string
	// HangUp lets the last screen be any: a session that it leaves open is hung up.
	HangUp bool

	// Rate is steps a second over all sessions, whatever the ESME does, and latencies
	// count from the scheduled time; 0: as fast as Parallel steps at once allow.
	Rate     float64
	Parallel int           // steps under way; with a rate, at most (100, with a rate 10,000)
	Wait     time.Duration // for a screen; longer is lost (15s)
	Hold     bool          // do not begin before Begin, though enough is bound
	PID      int           // of the ESME, for its CPU time; 0: not known
}

// SetDefaults fills in what is zero.
func (c *USSDConfig) SetDefaults() {
	setDefault(&c.Listen, "127.0.0.1:2775")
	setDefault(&c.SystemID, "starhash")
	setDefault(&c.Dialect, "plain")
	setDefault(&c.Binds, 1)
	setDefault(&c.BindWait, time.Minute)
	setDefault(&c.Sessions, 10_000)
	setDefault(&c.MSISDNBase, 263771000001)
	if len(c.Script) == 0 {
		c.Script = []string{"*700#", "1", "{peer}", "5", "1234"}
	}
	setDefault(&c.Parallel, 100)
	setDefault(&c.Wait, 15*time.Second)
}

// Validate says what is wrong with c, after SetDefaults.
func (c *USSDConfig) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Sessions < 1 || c.Sessions > 100_000 {
		bad("%d sessions: want 1 to 100,000", c.Sessions)
	}
	if c.Rate < 0 || c.Rate > 1e6 {
		bad("rate %g: want 0 (flat out) to 1,000,000 steps a second", c.Rate)
	}
	if c.Parallel < 1 || c.Parallel > 100_000 {
		bad("%d steps at once: want 1 to 100,000", c.Parallel)
	}
	if len(c.Script) < 1 || len(c.Script) > 100 {
		bad("a script of %d steps: want 1 to 100", len(c.Script))
	}
	if len(c.Expect) > len(c.Script) {
		bad("%d screens expected behind %d steps", len(c.Expect), len(c.Script))
	}
	if c.MSISDNBase < 1e9 || c.MSISDNBase > 999_999_999_999_999-uint64(c.Sessions) {
		bad("MSISDNs from %d: want 10 to 15 digits", c.MSISDNBase)
	}
	if c.IMSIBase != 0 && (c.IMSIBase < 1e13 || c.IMSIBase > 999_999_999_999_999-uint64(c.Sessions)) {
		bad("IMSIs from %d: want 14 or 15 digits", c.IMSIBase)
	}
	if c.Binds < 1 {
		bad("%d binds: want 1 or more", c.Binds)
	}
	return errors.Join(errs...)
}

// USSD is a load of USSD sessions, through the simulator's network side.
type USSD struct {
	cfg      USSDConfig
	network  *smsc.SMSC
	sessions []subscriber
	ready    chan struct{} // closed when the load may begin
	begun    atomic.Uint64 // steps
	done     atomic.Uint64

	mu     sync.Mutex
	steps  []stepResult // by their place in the script
	all    histogram
	wrong  []string // the first few, in words
	failed uint64   // sessions
}

// subscriber is one of them; mu is held for the time of a step.
type subscriber struct {
	mu     sync.Mutex
	failed bool
}

// stepResult is what became of one step of all sessions.
type stepResult struct {
	time        histogram
	lost, wrong uint64
	skipped     uint64
}

// NewUSSD opens the port. Run has to follow.
func NewUSSD(cfg USSDConfig, log *slog.Logger) (*USSD, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	network := smsc.Config{
		Listen: cfg.Listen, HTTP: "127.0.0.1:0", SystemID: cfg.SystemID, Password: cfg.Password,
		Dialect: cfg.Dialect, IMSITLV: cfg.IMSITLV, Window: 10_000,
		USSDAnswer: cfg.Wait, USSDIdle: time.Hour, USSDMax: time.Hour, // the ESME's own timers are what counts
	}
	for i := range cfg.Sessions {
		p := smsc.Phone{MSISDN: nth(cfg.MSISDNBase, i)}
		if cfg.IMSIBase != 0 {
			p.IMSI = nth(cfg.IMSIBase, i)
		}
		network.Phones = append(network.Phones, p)
	}
	network.SetDefaults()
	if ps := network.Validate(); len(ps) > 0 {
		return nil, fmt.Errorf("%s", ps[0])
	}
	u := &USSD{
		cfg: cfg, network: smsc.New(network, log),
		sessions: make([]subscriber, cfg.Sessions), steps: make([]stepResult, len(cfg.Script)), ready: make(chan struct{}),
	}
	if !cfg.Hold {
		close(u.ready)
	}
	return u, u.network.Listen()
}

// Begin lets a load that was held begin. It is called once.
func (u *USSD) Begin() { close(u.ready) }

// nth is the ith one from a base.
func nth(base uint64, i int) string { return strconv.FormatUint(base+uint64(i), 10) }

// Addr is where the ESME binds; Config what was asked for, with its defaults.
func (u *USSD) Addr() string       { return u.network.Addr() }
func (u *USSD) Config() USSDConfig { return u.cfg }

// Progress is how many steps are done, and of how many. It may be asked at any time.
func (u *USSD) Progress() (steps, of uint64) {
	return u.done.Load(), uint64(len(u.cfg.Script)) * uint64(u.cfg.Sessions)
}

// Run waits for the ESME, walks all sessions through the script and says how it went.
func (u *USSD) Run(ctx context.Context) (*USSDReport, error) {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- u.network.Run(serving) }() // received below
	r, err := u.run(ctx)
	stop()
	return r, errors.Join(err, <-served)
}

func (u *USSD) run(ctx context.Context) (*USSDReport, error) {
	if err := u.bound(ctx); err != nil {
		return nil, err
	}
	select {
	case <-u.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	own, theirs := cpuTime(0), cpuTime(u.cfg.PID)
	began := time.Now()
	workers := u.cfg.Parallel
	plan := newSchedule(u.cfg.Rate)
	var all sync.WaitGroup
	for range min(workers, u.cfg.Sessions) {
		all.Go(func() { u.work(ctx, began, plan) })
	}
	all.Wait()
	elapsed := time.Since(began)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r := u.report(elapsed)
	r.OwnCPU = perStep(cpuTime(0)-own, r.Steps)
	if u.cfg.PID != 0 {
		r.ESMECPU = perStep(cpuTime(u.cfg.PID)-theirs, r.Steps)
	}
	return r, nil
}

// bound waits for the ESME.
func (u *USSD) bound(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, u.cfg.BindWait)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if u.network.Receivers() >= u.cfg.Binds {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d binds within %s", u.network.Receivers(), u.cfg.Binds, u.cfg.BindWait)
		}
	}
}

// work takes one step after the other: all sessions' first, then all their second.
func (u *USSD) work(ctx context.Context, began time.Time, plan schedule) {
	for ctx.Err() == nil {
		n := u.begun.Add(1) - 1
		step, i := int(n/uint64(u.cfg.Sessions)), int(n%uint64(u.cfg.Sessions))
		if step >= len(u.cfg.Script) {
			return
		}
		due := time.Now()
		if plan.interval > 0 {
			due = began.Add(plan.at(n))
			wait(ctx, time.Until(due))
		}
		u.step(ctx, step, i, due)
		u.done.Add(1)
	}
}

func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// step enters one text at one phone and looks at the screen.
func (u *USSD) step(ctx context.Context, step, i int, due time.Time) {
	s := &u.sessions[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &u.steps[step]
	if s.failed {
		u.mu.Lock()
		r.skipped++
		u.mu.Unlock()
		return
	}
	msisdn := nth(u.cfg.MSISDNBase, i)
	fill := strings.NewReplacer("{msisdn}", msisdn, "{peer}", nth(u.cfg.MSISDNBase, (i+1)%u.cfg.Sessions))
	// The network's own limit is Wait; what is later than that never comes.
	sc, err := u.network.Enter(ctx, msisdn, smsc.USSD{Text: fill.Replace(u.cfg.Script[step]), Wait: smsc.Duration(u.cfg.Wait + time.Second)})
	took := time.Since(due)
	if ctx.Err() != nil {
		return
	}
	expect := ""
	if step < len(u.cfg.Expect) {
		expect = fill.Replace(u.cfg.Expect[step])
	}
	last := step == len(u.cfg.Script)-1
	good := err == nil && sc.Kind != "" && sc.Kind != "abort" && strings.Contains(sc.Text, expect)
	if last && u.cfg.HangUp && sc.Open {
		if _, gone := u.network.HangUp(msisdn); gone != nil { // it is over already
			good = false
		}
	} else {
		good = good && sc.Open != last && (sc.Kind == "ask") != last
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if good {
		r.time.record(took)
		u.all.record(took)
		return
	}
	s.failed = true
	u.failed++
	why := fmt.Sprintf("%s %q %s", sc.Kind, sc.Text, sc.Error)
	switch {
	case err != nil:
		r.wrong++
		why = err.Error()
	case sc.Kind == "" || sc.Kind == "abort" && took >= u.cfg.Wait:
		r.lost++
		why = "no screen"
	default:
		r.wrong++
	}
	if len(u.wrong) < 5 {
		u.wrong = append(u.wrong, fmt.Sprintf("step %d of %s: %s", step+1, msisdn, why))
	}
}
