package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"text/tabwriter"
	"time"

	"starhash/cmd/starhash/roles"
)

// chainOptions are what the benchmarks of the whole chain are asked for alike.
type chainOptions struct {
	gateways int
	fsync    string // Redis' appendfsync
	keep     string // directory for keys, database, logs; a temporary one if empty
}

// chain is Redis, the bank and gateways, each a process of its own, while a
// benchmark loads them.
type chain struct {
	*roles.Roles
	opt       chainOptions
	processes []*roles.Process
	used      []time.Duration // processor time until the load began
	before    uint64          // postings in the ledger
}

// chainReport is what a chain adds to a load's report.
type chainReport struct {
	Machine   string     `json:"machine"`
	Fsync     string     `json:"appendfsync"`
	Transfers uint64     `json:"transfers"` // entries that the bank's ledger gained
	Processes []roleCost `json:"processes"`
}

// roleCost is what one process used.
type roleCost struct {
	Name     string  `json:"name"`
	CPU      float64 `json:"cpu_us_each"` // microseconds a step, or a transfer
	Cores    float64 `json:"cores"`       // processors busy on average
	Resident float64 `json:"resident_mib"`
}

// startChain starts all but the gateways, which bind to smsc. The caller stops it,
// also after an error.
func startChain(ctx context.Context, opt chainOptions, smsc string, subscribers int) (*chain, error) {
	c := &chain{opt: opt}
	dir := opt.keep
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "starhash-bench-"); err != nil {
			return c, err
		}
	}
	r, err := roles.New(ctx, roles.Options{Dir: dir, SMSC: smsc, Fsync: opt.fsync, Subscribers: subscribers, Nodes: opt.gateways, Window: 1000})
	if err != nil {
		return c, err
	}
	c.Roles = r
	redis, err := r.StartRedis(ctx)
	if err != nil {
		return c, err
	}
	if err := r.Fill(ctx); err != nil {
		return c, err
	}
	bank, err := r.StartBank(ctx)
	if err != nil {
		return c, err
	}
	c.processes = []*roles.Process{redis, bank}
	c.before, err = c.postings(ctx)
	return c, err
}

// startGateways starts them one after the other; from here on cost counts.
func (c *chain) startGateways(ctx context.Context) error {
	for i := range c.opt.gateways {
		p, err := c.StartGateway(ctx, i)
		if err != nil {
			return err
		}
		c.processes = append(c.processes, p)
	}
	for _, p := range c.processes {
		c.used = append(c.used, p.CPU())
	}
	return nil
}

// stop ends the processes, and removes what is not to be kept.
func (c *chain) stop() error {
	if c.Roles == nil {
		return nil
	}
	err := c.Stop()
	if c.opt.keep == "" {
		err = errors.Join(err, os.RemoveAll(c.Dir()))
	}
	return err
}

// report is what the chain used for n steps, or transfers, in a time.
func (c *chain) report(ctx context.Context, seconds float64, n uint64) (chainReport, error) {
	r := chainReport{Machine: fmt.Sprintf("%d processors, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()), Fsync: c.opt.fsync}
	for i, p := range c.processes {
		cpu := p.CPU() - c.used[i]
		cost := roleCost{Name: p.Name, Resident: p.Resident(), Cores: cpu.Seconds() / seconds}
		if n > 0 {
			cost.CPU = float64(cpu.Microseconds()) / float64(n)
		}
		r.Processes = append(r.Processes, cost)
	}
	after, err := c.postings(ctx)
	r.Transfers = (after - c.before) / 2 // no fee: two postings each
	return r, err
}

var postingsLine = regexp.MustCompile(`(\d+) postings summing to 0\.00`)

// postings is how many postings the bank's ledger holds; their sum is zero, or
// this is an error.
func (c *chain) postings(ctx context.Context) (uint64, error) {
	out, err := c.Bank(ctx, "accounts", "total")
	if err != nil {
		return 0, err
	}
	m := postingsLine.FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("accounts total: %q", out)
	}
	return strconv.ParseUint(m[1], 10, 64)
}

// table prints what stands below a load's table; each is what CPU time counts by.
func (r *chainReport) table(out io.Writer, each string) error {
	w := tabwriter.NewWriter(out, 0, 8, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nprocess\tCPU µs/%s\tcores\tMiB\t\n", each)
	for _, p := range r.Processes {
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.0f\t\n", p.Name, p.CPU, p.Cores, p.Resident)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\ntransfers in the bank's ledger: %d; appendfsync %s; %s\n", r.Transfers, r.Fsync, r.Machine)
	return err
}
