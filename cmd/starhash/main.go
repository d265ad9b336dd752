// Command starhash is an SMS and USSD banking gateway and everything that is
// needed to try it: the gateway, the bank's side, an SMSC simulator and its
// phones. Each file here is one subcommand, and wires packages together.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // a static binary in an empty image has no zone files

	"github.com/spf13/cobra"

	"starhash/configs"
)

// Exit codes: 0 done, 1 failed, 2 wrong use or configuration.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process around it, for the tests.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	began := false
	root := &cobra.Command{
		Use:           "starhash",
		Short:         "SMS and USSD banking gateway",
		Long:          "Starhash carries money orders of feature phones from the operator's SMSC to the bank.\nStart with: starhash demo",
		SilenceUsage:  true,
		SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{
			HiddenDefaultCmd: true,
		},
		PersistentPreRun: func(*cobra.Command, []string) { began = true },
	}
	level := root.PersistentFlags().String("log-level", "info", "debug, info, warn or error")
	format := root.PersistentFlags().String("log-format", "text", "text or json")
	log := func() (*slog.Logger, error) { return newLogger(errs, *level, *format) }
	root.AddCommand(
		demoCommand(log), gatewayCommand(log), bankCommand(log), smscCommand(log), phoneCommand(), dialectCommand(), menuCommand(),
		subscribersCommand(), accountsCommand(log), keysCommand(), traceCommand(), checkCommand(), healthCommand(), benchCommand(log),
	)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(errs, "starhash: %v\n", err)
	var wrong *configs.Error
	if !began || errors.As(err, &wrong) || errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}

// errUsage marks a mistake in how a command was called.
var errUsage = errors.New("wrong use")

func newLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("%w: --log-level %q: want debug, info, warn or error", errUsage, level)
	}
	opts := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return nil, fmt.Errorf("%w: --log-format %q: want text or json", errUsage, format)
}

// configFlag adds the -c flag of the commands that read a configuration file.
func configFlag(c *cobra.Command, def string) *string {
	return c.PersistentFlags().StringP("config", "c", def, "configuration file")
}
