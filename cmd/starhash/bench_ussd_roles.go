package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"starhash/cmd/starhash/roles"
	"starhash/smpp/load"
)

// ussdRoles is a run of bench ussd through the whole chain, every role a process of
// its own.
type ussdRoles struct {
	gateways int
	fsync    string
	keep     string
}

// ussdRolesReport is what it shows.
type ussdRolesReport struct {
	Machine   string           `json:"machine"`
	Fsync     string           `json:"appendfsync"`
	Load      *load.USSDReport `json:"load"`
	Transfers uint64           `json:"transfers"` // entries that the bank's ledger gained
	Processes []stepCost       `json:"processes"`
}

type stepCost struct {
	Name       string  `json:"name"`
	CPUPerStep float64 `json:"cpu_us_per_step"`
	Cores      float64 `json:"cores"` // processors busy on average
	Resident   float64 `json:"resident_mib"`
}

// run starts Redis, the bank and the gateways, and walks the load's sessions.
func (b *ussdRoles) run(ctx context.Context, u *load.USSD, errs io.Writer, log *slog.Logger) (_ *ussdRolesReport, err error) {
	dir := b.keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "starhash-bench-"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
	}
	r, err := roles.New(ctx, roles.Options{Dir: dir, SMSC: u.Addr(), Fsync: b.fsync, Subscribers: u.Config().Sessions, Nodes: b.gateways, Window: 1000})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Stop()) }()
	redis, err := r.StartRedis(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.Fill(ctx); err != nil {
		return nil, err
	}
	bank, err := r.StartBank(ctx)
	if err != nil {
		return nil, err
	}
	processes := []*roles.Process{redis, bank}
	before, err := postings(ctx, r)
	if err != nil {
		return nil, err
	}
	type done struct {
		report *load.USSDReport
		err    error
	}
	walked := make(chan done, 1)
	walking, stop := context.WithCancel(ctx)
	go func() { // received below
		report, err := benchUSSD(walking, u, false, errs, log)
		walked <- done{report, err}
	}()
	for i := range b.gateways {
		p, err := r.StartGateway(ctx, i)
		if err != nil {
			stop()
			return nil, errors.Join(err, ignoreCancelled((<-walked).err))
		}
		processes = append(processes, p)
	}
	defer stop()
	used := make([]time.Duration, len(processes))
	for i, p := range processes {
		used[i] = p.CPU()
	}
	u.Begin()
	d := <-walked
	if d.err != nil {
		return nil, d.err
	}
	report := &ussdRolesReport{Machine: machine(), Fsync: b.fsync, Load: d.report}
	for i, p := range processes {
		cpu := p.CPU() - used[i]
		cost := stepCost{Name: p.Name, Resident: p.Resident(), Cores: cpu.Seconds() / d.report.Seconds}
		if d.report.Steps > 0 {
			cost.CPUPerStep = float64(cpu.Microseconds()) / float64(d.report.Steps)
		}
		report.Processes = append(report.Processes, cost)
	}
	after, err := postings(ctx, r)
	report.Transfers = (after - before) / 2 // no fee: two postings each
	return report, err
}

// Table prints the report for people.
func (r *ussdRolesReport) Table(out io.Writer) error {
	if err := r.Load.Table(out); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 8, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nprocess\tCPU µs/step\tcores\tMiB\t\n")
	for _, p := range r.Processes {
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.0f\t\n", p.Name, p.CPUPerStep, p.Cores, p.Resident)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\ntransfers in the bank's ledger: %d; appendfsync %s; %s\n", r.Transfers, r.Fsync, r.Machine)
	return err
}
