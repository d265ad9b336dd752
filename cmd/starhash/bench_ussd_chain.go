package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"starhash/smpp/load"
)

// ussdChainReport is what bench ussd shows of the whole chain.
type ussdChainReport struct {
	chainReport
	Load *load.USSDReport `json:"load"`
}

// benchUSSDChain starts Redis, the bank and the gateways, and walks the load's
// sessions.
func benchUSSDChain(ctx context.Context, opt chainOptions, u *load.USSD, errs io.Writer, log *slog.Logger) (_ *ussdChainReport, err error) {
	c, err := startChain(ctx, opt, u.Addr(), u.Config().Sessions)
	defer func() { err = errors.Join(err, c.stop()) }()
	if err != nil {
		return nil, err
	}
	type done struct {
		report *load.USSDReport
		err    error
	}
	walked := make(chan done, 1)
	walking, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // received below
		report, err := benchUSSD(walking, u, false, errs, log)
		walked <- done{report, err}
	}()
	if err := c.startGateways(ctx); err != nil {
		stop()
		return nil, errors.Join(err, ignoreCancelled((<-walked).err))
	}
	u.Begin()
	d := <-walked
	if d.err != nil {
		return nil, d.err
	}
	report := &ussdChainReport{Load: d.report}
	report.chainReport, err = c.report(ctx, d.report.Seconds, uint64(d.report.Steps))
	return report, err
}

// Table prints the report for people.
func (r *ussdChainReport) Table(out io.Writer) error {
	if err := r.Load.Table(out); err != nil {
		return err
	}
	return r.table(out, "step")
}
