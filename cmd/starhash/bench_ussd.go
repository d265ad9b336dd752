package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"starhash/configs/secret"
	"starhash/smpp/load"
)

// errBenchUSSD says that a load of sessions did not go as its script says.
var errBenchUSSD = errors.New("sessions were lost or went another way than the script")

func benchUSSDCommand(log func() (*slog.Logger, error)) *cobra.Command {
	c := &cobra.Command{
		Use:   "ussd [CODE REPLY...]",
		Short: "Open USSD sessions at an ESME, walk them through a dialogue, and time each step",
		Long: "Be an SMSC that opens USSD sessions at the ESME that binds to it, all of them at once, and\n" +
			"walks them through a script, a step of every session after the other; count and time the\n" +
			"screens; print a table, and JSON with --json. Exit code 1: a screen was lost or another one\n" +
			"than expected.\n\n" +
			"The script is the arguments: a code to dial, then the replies; {peer} is the next subscriber's\n" +
			"number, {msisdn} the own one. It waits for an ESME to bind; --esme self needs none: our own\n" +
			"session, in this process, with an application that repeats what was entered.\n" +
			"docs/benchmarks/ussd.md: how to measure a gateway with its store and its bank.",
		Example: `  # what this machine does: our own session, flat out
  starhash bench ussd --esme self
  # the whole chain: Redis, bank and gateway as processes, what each costs a step
  starhash bench ussd --esme gateways --rate 1000
  # a gateway whose smpp.binds points here, 2,000 steps a second, its CPU time too
  starhash bench ussd --listen :2775 --password-file smpp.pw --rate 2000 --pid $(pgrep -f "starhash gateway") \
    --expect "1 " --expect "" --expect "" --expect PIN "*700#" 1 "{peer}" 5 1234`,
	}
	var cfg load.USSDConfig
	cfg.SetDefaults()
	f := c.Flags()
	f.StringVar(&cfg.Listen, "listen", cfg.Listen, "where the ESME binds, host:port")
	f.StringVar(&cfg.SystemID, "system-id", cfg.SystemID, "that the ESME has to bind with")
	passwordFile := f.String("password-file", "", "file with the password it has to bind with")
	f.StringVar(&cfg.Dialect, "dialect", cfg.Dialect, "USSD dialect")
	f.IntVar(&cfg.Binds, "binds", cfg.Binds, "connections that have to be bound before the load begins")
	f.DurationVar(&cfg.BindWait, "bind-wait", cfg.BindWait, "how long to wait for them")
	f.IntVar(&cfg.Sessions, "sessions", cfg.Sessions, "USSD sessions, all open at once")
	f.Uint64Var(&cfg.MSISDNBase, "msisdn-base", cfg.MSISDNBase, "the first subscriber")
	f.Uint64Var(&cfg.IMSIBase, "imsi-base", 0, "the first one's IMSI; 0: none")
	f.Uint16Var(&cfg.IMSITLV, "imsi-tlv", 0, "vendor TLV that carries it where the dialect has no place for it")
	f.StringArrayVar(&cfg.Expect, "expect", nil, "what the screen behind each step has to contain, in their order; empty: anything")
	f.BoolVar(&cfg.HangUp, "hang-up", false, "the last screen may leave the session open: it is hung up then")
	f.Float64Var(&cfg.Rate, "rate", 0, "steps a second over all sessions; 0: flat out")
	f.IntVar(&cfg.Parallel, "parallel", cfg.Parallel, "steps under way, with --rate 10,000")
	f.DurationVar(&cfg.Wait, "wait", cfg.Wait, "how long to wait for a screen")
	f.IntVar(&cfg.PID, "pid", 0, "process of the ESME, for its CPU time (Linux)")
	esme := f.String("esme", "", "self: our own ESME in this process; gateways: ours with Redis and bank, each a process that is started; otherwise one that binds")
	var chain chainOptions
	f.IntVar(&chain.gateways, "gateways", 1, "how many, with --esme gateways")
	f.StringVar(&chain.fsync, "fsync", "everysec", "Redis' appendfsync, with --esme gateways: everysec or always")
	f.StringVar(&chain.keep, "keep", "", "directory for keys, database, logs of --esme gateways; kept. A temporary one if empty")
	output := f.String("json", "", "file for the report as JSON; -: standard output, in place of the table")
	c.RunE = func(c *cobra.Command, args []string) error {
		log, err := log()
		if err != nil {
			return err
		}
		log = slog.New(levelAbove{log.Handler(), slog.LevelError})
		self, started := *esme == "self", *esme == "gateways"
		switch {
		case *esme != "" && !self && !started:
			return fmt.Errorf("%w: --esme %q: want self or gateways, or leave it out", errUsage, *esme)
		case started && (chain.gateways < 1 || chain.gateways > 8 || chain.fsync != "everysec" && chain.fsync != "always"):
			return fmt.Errorf("%w: want 1 to 8 --gateways, and --fsync everysec or always", errUsage)
		case (self || started) && !c.Flags().Changed("listen"):
			cfg.Listen = "127.0.0.1:0"
		}
		if started { // as roles has it, and the generate commands
			cfg.SystemID, cfg.Password, cfg.Binds, cfg.Hold = "starhash", secret.New([]byte("secret")), chain.gateways, true
		}
		switch {
		case *passwordFile != "":
			if cfg.Password, err = secret.ReadFile(*passwordFile); err != nil {
				return fmt.Errorf("%w: --password-file: %w", errUsage, err)
			}
		case started:
		case self:
			cfg.Password = secret.New([]byte("self"))
		default:
			return fmt.Errorf("%w: --password-file is not there: the password that the ESME binds with", errUsage)
		}
		if len(args) > 0 {
			cfg.Script = args
		}
		if cfg.Rate > 0 && !c.Flags().Changed("parallel") {
			cfg.Parallel = 10_000
		}
		if err := cfg.Validate(); err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		u, err := load.NewUSSD(cfg, log)
		if err != nil {
			return err
		}
		if started {
			r, err := benchUSSDChain(c.Context(), chain, u, c.ErrOrStderr(), log)
			if r == nil {
				return err
			}
			err = errors.Join(err, writeReport(r, *output, c.OutOrStdout()))
			if err == nil && !r.Load.OK() {
				err = errBenchUSSD
			}
			return err
		}
		r, err := benchUSSD(c.Context(), u, self, c.ErrOrStderr(), log)
		if err != nil {
			return err
		}
		if err := writeReport(r, *output, c.OutOrStdout()); err != nil {
			return err
		}
		if !r.OK() {
			return errBenchUSSD
		}
		return nil
	}
	return c
}

// benchUSSD runs the load, with progress on errs each second where that is a terminal.
func benchUSSD(ctx context.Context, u *load.USSD, self bool, errs io.Writer, log *slog.Logger) (*load.USSDReport, error) {
	var others sync.WaitGroup
	defer others.Wait()
	around, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if self {
		esme, err := load.NewUSSDSelf(u, log)
		if err != nil {
			return nil, err
		}
		others.Go(func() { esme.Run(around) })
	} else {
		fmt.Fprintf(errs, "waiting for an ESME to bind to %s\n", u.Addr())
	}
	if isTerminal(errs) {
		others.Go(func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for last := uint64(0); ; {
				select {
				case <-around.Done():
					fmt.Fprint(errs, "\r\033[K")
					return
				case <-tick.C:
				}
				done, of := u.Progress()
				fmt.Fprintf(errs, "\r\033[K%d of %d steps  %d steps/s", done, of, done-last)
				last = done
			}
		})
	}
	r, err := u.Run(ctx)
	stop()
	return r, err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// report is what a load has shown.
type report interface{ Table(io.Writer) error }

// writeReport prints the table, and the JSON where it is asked for.
func writeReport(r report, output string, out io.Writer) error {
	if output != "-" {
		if err := r.Table(out); err != nil {
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
