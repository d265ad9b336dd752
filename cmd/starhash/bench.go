package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"starhash/configs/secret"
	"starhash/smpp/load"
)

func benchCommand(log func() (*slog.Logger, error)) *cobra.Command {
	c := &cobra.Command{Use: "bench", Short: "Measure under load"}
	c.AddCommand(benchSMPPCommand(log), benchUSSDCommand(log), benchTransferCommand(log))
	return c
}

// errBench says that a load found something lost.
var errBench = errors.New("messages were lost, duplicated or left unanswered")

func benchSMPPCommand(log func() (*slog.Logger, error)) *cobra.Command {
	c := &cobra.Command{
		Use:   "smpp",
		Short: "Load an ESME with MO messages, and time what comes back",
		Long: "Be an SMSC that loads the ESME that binds to it, at a set rate or flat out; count\n" +
			"and time its acknowledgements and, with --confirm, its confirmations; print a\n" +
			"table, and JSON with --json. Exit code 1: something acknowledged was not confirmed,\n" +
			"something was confirmed twice, or never answered.\n\n" +
			"It waits for an ESME to bind; --esme self needs none: our own session, in this\n" +
			"process, with an application that only acknowledges.\n\n" +
			"Placeholders of --text:\n" + load.Placeholders,
		Example: `  # what this machine does: our own session, flat out
  starhash bench smpp --esme self --for 10s
  # ten minutes with connections cut at random, each message confirmed
  starhash bench smpp --esme self --confirm --text "BAL {token}" --for 10m --disconnect-every 2s
  # a gateway whose smpp.binds points here, 500 orders a second, answers awaited
  starhash bench smpp --listen :2775 --rate 500 --for 1m --confirm --msisdns 100000
  # another ESME: Kannel's bearerbox, docs/benchmarks/kannel.conf
  starhash bench smpp --listen 127.0.0.1:2775 --window 100 --for 30s --json kannel.json`,
		Args: cobra.NoArgs,
	}
	var cfg load.Config
	cfg.SetDefaults()
	f := c.Flags()
	f.StringVar(&cfg.Listen, "listen", cfg.Listen, "where the ESME binds, host:port")
	f.StringVar(&cfg.SystemID, "system-id", "", "that the ESME has to bind with (any)")
	passwordFile := f.String("password-file", "", "file with the password it has to bind with (any)")
	cert := f.String("tls-cert", "", "certificate, to listen with TLS")
	key := f.String("tls-key", "", "its key")
	f.IntVar(&cfg.Sessions, "sessions", cfg.Sessions, "sessions that have to be bound before the load begins")
	f.DurationVar(&cfg.BindWait, "wait", cfg.BindWait, "how long to wait for them")
	f.IntVar(&cfg.Window, "window", cfg.Window, "deliver_sm unanswered, each session")
	f.Float64Var(&cfg.Rate, "rate", 0, "messages a second over all sessions; 0: flat out")
	f.DurationVar(&cfg.For, "for", 0, "how long to load (10s, unless --messages ends it)")
	f.Uint64Var(&cfg.Messages, "messages", 0, "how many messages; 0: until --for ends it")
	f.Uint64Var(&cfg.MSISDNs, "msisdns", cfg.MSISDNs, "senders, taken in turn")
	f.Uint64Var(&cfg.MSISDNBase, "msisdn-base", cfg.MSISDNBase, "the first of them")
	f.StringVar(&cfg.ShortCode, "to", cfg.ShortCode, "destination")
	f.StringVar(&cfg.Text, "text", cfg.Text, "message, with placeholders")
	f.BoolVar(&cfg.Confirm, "confirm", false, "expect one submit_sm to the sender for each acknowledged message")
	f.DurationVar(&cfg.RetryAfter, "retry-after", cfg.RetryAfter, "pause after a temporary refusal")
	f.DurationVar(&cfg.Drain, "drain", cfg.Drain, "how long to wait for answers at the end")
	f.DurationVar(&cfg.DisconnectEvery, "disconnect-every", 0, "cut a random session about that often; 0: never")
	f.Uint64Var(&cfg.Seed, "seed", 0, "of the random choices; 0: a new one")
	output := f.String("json", "", "write the report as JSON to this file; - is standard output, without the table")
	esme := f.String("esme", "bound", "bound: whoever binds; self: our own session in this process")
	c.RunE = func(c *cobra.Command, _ []string) error {
		log, err := log()
		if err != nil {
			return err
		}
		self := *esme == "self"
		if !self && *esme != "bound" {
			return fmt.Errorf("%w: --esme %q: want bound or self", errUsage, *esme)
		}
		if cfg.For == 0 && cfg.Messages == 0 {
			cfg.For = 10 * time.Second
		}
		if cfg.Seed == 0 {
			cfg.Seed = rand.Uint64()
		}
		if self && !f.Changed("listen") {
			cfg.Listen = "127.0.0.1:0"
		}
		if *passwordFile != "" {
			if cfg.Password, err = secret.ReadFile(*passwordFile); err != nil {
				return fmt.Errorf("%w: --password-file: %w", errUsage, err)
			}
		}
		if *cert != "" || *key != "" {
			pair, err := tls.LoadX509KeyPair(*cert, *key)
			if err != nil {
				return fmt.Errorf("%w: --tls-cert and --tls-key: %w", errUsage, err)
			}
			if self {
				return fmt.Errorf("%w: --esme self binds without TLS", errUsage)
			}
			cfg.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		}
		// Before SetDefaults could hide a mistake behind a default.
		if err := cfg.Validate(); err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		l, err := load.Listen(cfg)
		if err != nil {
			return err
		}
		r, err := benchSMPP(c.Context(), l, self, c.ErrOrStderr(), log)
		if err != nil {
			return err
		}
		if err := writeReport(r, *output, c.OutOrStdout()); err != nil {
			return err
		}
		if !r.OK() {
			return errBench
		}
		return nil
	}
	return c
}

// benchSMPP runs the load, with progress on errs each second where that is a
// terminal.
func benchSMPP(ctx context.Context, l *load.Load, self bool, errs io.Writer, log *slog.Logger) (*load.Report, error) {
	cfg := l.Config()
	var others sync.WaitGroup
	defer others.Wait()
	around, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if self {
		esme := load.NewSelf(l, slog.New(levelAbove{log.Handler(), slog.LevelError}))
		others.Go(func() { esme.Run(around) })
	} else {
		log.Info("waiting for an ESME to bind", "listen", l.Addr(), "sessions", cfg.Sessions)
	}
	if cfg.DisconnectEvery > 0 {
		log.Info("connections will be cut", "every", cfg.DisconnectEvery, "seed", cfg.Seed)
	}
	var samples []float64
	sampled := make(chan struct{})
	others.Go(func() {
		defer close(sampled)
		watch(around, l, errs, func() { samples = append(samples, load.Resident()) })
	})
	r, err := l.Run(ctx)
	stop()
	<-sampled
	if err == nil && self {
		r.Memory = load.MemoryOf(samples)
	}
	return r, err
}

// watch calls sample and shows the progress each second until ctx ends.
func watch(ctx context.Context, l *load.Load, errs io.Writer, sample func()) {
	terminal := isTerminal(errs)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := l.Progress()
	for {
		select {
		case <-ctx.Done():
			if terminal {
				fmt.Fprint(errs, "\r\033[K")
			}
			return
		case <-tick.C:
		}
		p := l.Progress()
		if p.Elapsed > 0 {
			sample()
		}
		if terminal {
			fmt.Fprintf(errs, "\r\033[K%4.0f s  %d session(s)  %d acked/s  %d submit_sm/s  %d open  %d refusals",
				p.Elapsed.Seconds(), p.Sessions, p.Acked-last.Acked, p.Submits-last.Submits, p.Open, p.Refusals)
		}
		last = p
	}
}

// levelAbove is a log that drops what is below a level: that connections are
// lost is what a load with disconnections is about.
type levelAbove struct {
	slog.Handler
	level slog.Level
}

func (h levelAbove) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

func (h levelAbove) WithAttrs(as []slog.Attr) slog.Handler {
	return levelAbove{h.Handler.WithAttrs(as), h.level}
}

func (h levelAbove) WithGroup(name string) slog.Handler {
	return levelAbove{h.Handler.WithGroup(name), h.level}
}
