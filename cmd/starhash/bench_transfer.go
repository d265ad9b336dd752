package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"starhash/smpp/load"
)

// transferBench is one run of bench transfer.
type transferBench struct {
	chainOptions
	load     load.Config
	profiles string // directory for CPU profiles, or empty
}

// transferReport is what it shows: the load's report, what the bank's ledger
// says, and what each process used.
type transferReport struct {
	chainReport
	Load *load.Report `json:"load"`
}

// errBenchLedger says that the bank moved money another number of times than was
// confirmed.
var errBenchLedger = errors.New("the bank's ledger and the confirmations differ")

func benchTransferCommand(log func() (*slog.Logger, error)) *cobra.Command {
	c := &cobra.Command{
		Use:   "transfer",
		Short: "Move money through the whole chain, every role a process of its own",
		Long: "Start redis-server with an append-only file, the bank with its database and the\n" +
			"gateways as processes of their own on loopback, be their SMSC, send transfers by\n" +
			"SMS, at a set rate or flat out, and wait for each confirmation. Print confirmed\n" +
			"transfers a second, latencies and what each process cost; JSON with --json.\n" +
			"Exit code 1: something acknowledged was not confirmed, something was confirmed\n" +
			"twice, or the bank's ledger does not say the same.",
		Example: `  starhash bench transfer --for 30s
  starhash bench transfer --for 30s --fsync always --rate 1000 --json transfer.json`,
		Args: cobra.NoArgs,
	}
	var b transferBench
	f := c.Flags()
	f.Float64Var(&b.load.Rate, "rate", 0, "transfers a second; 0: flat out")
	f.DurationVar(&b.load.For, "for", 10*time.Second, "how long to load")
	f.Uint64Var(&b.load.MSISDNs, "subscribers", 10_000, "senders, taken in turn; as many others are paid")
	f.IntVar(&b.load.Window, "window", 200, "deliver_sm unanswered")
	f.IntVar(&b.gateways, "gateways", 1, "gateway processes")
	f.StringVar(&b.fsync, "fsync", "everysec", "Redis' appendfsync: everysec or always")
	f.DurationVar(&b.load.Drain, "drain", 30*time.Second, "how long to wait for confirmations at the end")
	f.StringVar(&b.keep, "keep", "", "directory for keys, database, logs; kept. A temporary one if empty")
	f.StringVar(&b.profiles, "profiles", "", "directory for CPU profiles of bank and gateways, taken over the load's middle; for go tool pprof")
	output := f.String("json", "", "write the report as JSON to this file; - is standard output, without the table")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if b.fsync != "everysec" && b.fsync != "always" {
			return fmt.Errorf("%w: --fsync %q: want everysec or always", errUsage, b.fsync)
		}
		if b.gateways < 1 || b.gateways > 8 {
			return fmt.Errorf("%w: --gateways %d: want 1 to 8", errUsage, b.gateways)
		}
		log, err := log()
		if err != nil {
			return err
		}
		r, err := b.run(c.Context(), log, c.ErrOrStderr())
		if r != nil {
			if err := writeReport(r, *output, c.OutOrStdout()); err != nil {
				return err
			}
		}
		return err
	}
	return c
}

func (b *transferBench) run(ctx context.Context, log *slog.Logger, errs io.Writer) (_ *transferReport, err error) {
	b.load.Listen, b.load.Sessions, b.load.Confirm = "127.0.0.1:0", b.gateways, true
	b.load.Text = "SEND {amount} {peer} 1234"
	l, err := load.Listen(b.load)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	c, err := startChain(ctx, b.chainOptions, l.Addr(), int(b.load.MSISDNs))
	defer func() { err = errors.Join(err, c.stop()) }()
	if err != nil {
		return nil, err
	}
	type done struct {
		report *load.Report
		err    error
	}
	loaded := make(chan done, 1)
	around, stop := context.WithCancel(ctx)
	defer stop()
	go func() { // received below
		report, err := l.Run(ctx)
		loaded <- done{report, err}
	}()
	if err := c.startGateways(ctx); err != nil {
		stop()
		return nil, errors.Join(err, ignoreCancelled((<-loaded).err))
	}
	var others sync.WaitGroup
	defer others.Wait()
	defer stop() // before it waits
	others.Go(func() { watch(around, l, errs, func() {}) })
	if b.profiles != "" {
		half := b.load.For / 2
		for _, p := range c.processes[1:] {
			admin := c.BankAdmin()
			if n, ok := strings.CutPrefix(p.Name, "gateway-"); ok {
				i, _ := strconv.Atoi(n)
				admin = c.GatewayAdmin(i - 1)
			}
			others.Go(func() {
				if err := profile(around, admin, half, filepath.Join(b.profiles, p.Name+".pprof")); err != nil {
					log.Error("no profile", "of", p.Name, "error", err)
				}
			})
		}
	}
	d := <-loaded
	if d.err != nil {
		return nil, d.err
	}
	report := &transferReport{Load: d.report}
	if report.chainReport, err = c.report(ctx, d.report.Seconds, d.report.Confirmed); err != nil {
		return report, err
	}
	switch {
	case !d.report.OK():
		return report, errBench
	case report.Transfers > d.report.Confirmed:
		return report, fmt.Errorf("%w: %d transfers, %d confirmations", errBenchLedger, report.Transfers, d.report.Confirmed)
	}
	return report, nil
}

// profile writes a CPU profile of a role to a file.
func profile(ctx context.Context, admin string, length time.Duration, file string) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", admin, max(1, int(length.Seconds()))), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// Table prints the report for people.
func (r *transferReport) Table(out io.Writer) error {
	if err := r.Load.Table(out); err != nil {
		return err
	}
	return r.table(out, "transfer")
}
