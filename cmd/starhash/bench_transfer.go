package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"starhash/cmd/starhash/roles"
	"starhash/smpp/load"
)

// transferBench is one run of bench transfer.
type transferBench struct {
	load     load.Config
	gateways int
	fsync    string
	keep     string
	profiles string
}

// transferReport is what it shows: the load's report, what the bank's ledger
// says, and what each process used.
type transferReport struct {
	Machine   string        `json:"machine"`
	Fsync     string        `json:"appendfsync"`
	Load      *load.Report  `json:"load"`
	Transfers uint64        `json:"transfers"` // entries that the bank's ledger gained
	Processes []processCost `json:"processes"`
}

type processCost struct {
	Name           string  `json:"name"`
	CPUPerTransfer float64 `json:"cpu_us_per_transaction"`
	Cores          float64 `json:"cores"` // processors busy on average
	Resident       float64 `json:"resident_mib"`
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
			if err := r.write(*output, c.OutOrStdout()); err != nil {
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
	dir := b.keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "starhash-bench-"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
	}
	r, err := roles.New(ctx, roles.Options{Dir: dir, SMSC: l.Addr(), Fsync: b.fsync, Subscribers: int(b.load.MSISDNs), Nodes: b.gateways, Window: 1000})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Stop()) }()
	log.Info("starting the roles", "dir", dir, "subscribers", b.load.MSISDNs)
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
	starting := make(chan error, b.gateways)
	for i := range b.gateways {
		p, err := r.StartGateway(ctx, i)
		if err != nil {
			starting <- err
			break
		}
		processes = append(processes, p)
	}
	used := make([]time.Duration, len(processes))
	for i, p := range processes {
		used[i] = p.CPU()
	}
	var others sync.WaitGroup
	defer others.Wait()
	defer stop() // before it waits
	others.Go(func() { watch(around, l, errs, func() {}) })
	if b.profiles != "" {
		half := b.load.For / 2
		for _, p := range processes[1:] {
			admin := r.BankAdmin()
			if n, ok := strings.CutPrefix(p.Name, "gateway-"); ok {
				i, _ := strconv.Atoi(n)
				admin = r.GatewayAdmin(i - 1)
			}
			others.Go(func() {
				if err := profile(around, admin, half, filepath.Join(b.profiles, p.Name+".pprof")); err != nil {
					log.Error("no profile", "of", p.Name, "error", err)
				}
			})
		}
	}
	var d done
	select {
	case d = <-loaded:
	case err := <-starting:
		return nil, err
	}
	if d.err != nil {
		return nil, d.err
	}
	report := &transferReport{Machine: machine(), Fsync: b.fsync, Load: d.report}
	for i, p := range processes {
		cpu := p.CPU() - used[i]
		cost := processCost{Name: p.Name, Resident: p.Resident(), Cores: cpu.Seconds() / d.report.Seconds}
		if d.report.Confirmed > 0 {
			cost.CPUPerTransfer = float64(cpu.Microseconds()) / float64(d.report.Confirmed)
		}
		report.Processes = append(report.Processes, cost)
	}
	after, err := postings(ctx, r)
	if err != nil {
		return report, err
	}
	report.Transfers = (after - before) / 2 // no fee: two postings each
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

var postingsLine = regexp.MustCompile(`(\d+) postings summing to 0\.00`)

// postings is how many postings the bank's ledger holds; their sum is zero, or
// this is an error.
func postings(ctx context.Context, r *roles.Roles) (uint64, error) {
	out, err := r.Bank(ctx, "accounts", "total")
	if err != nil {
		return 0, err
	}
	m := postingsLine.FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("accounts total: %q", out)
	}
	return strconv.ParseUint(m[1], 10, 64)
}

func machine() string {
	return fmt.Sprintf("%d processors, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

func (r *transferReport) write(output string, out io.Writer) error {
	if output != "-" {
		if err := r.table(out); err != nil {
			return err
		}
	}
	if output == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if output == "-" {
		_, err = out.Write(text)
		return err
	}
	return os.WriteFile(output, text, 0o644)
}

func (r *transferReport) table(out io.Writer) error {
	if err := r.Load.Table(out); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 8, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nprocess\tCPU µs/transaction\tcores\tMiB\t\n")
	for _, p := range r.Processes {
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.0f\t\n", p.Name, p.CPUPerTransfer, p.Cores, p.Resident)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\ntransfers in the bank's ledger: %d; appendfsync %s; %s\n", r.Transfers, r.Fsync, strings.TrimSpace(r.Machine))
	return err
}
