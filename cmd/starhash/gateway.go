package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"starhash/configs"
	"starhash/platform"
)

func gatewayCommand(log func() (*slog.Logger, error)) *cobra.Command {
	c := &cobra.Command{
		Use:   "gateway",
		Short: "Run the gateway between the SMSC and the bank",
		Args:  cobra.NoArgs,
	}
	file := configFlag(c, "configs/gateway.yaml")
	c.RunE = func(c *cobra.Command, _ []string) error {
		log, err := log()
		if err != nil {
			return err
		}
		if err := harden(); err != nil {
			return err
		}
		var cfg platform.Config
		if err := configs.Load(*file, &cfg); err != nil {
			return err
		}
		g, err := platform.Open(c.Context(), cfg, log)
		if err != nil {
			return err
		}
		stop := onHangup(func() {
			if err := g.Reload(); err != nil {
				log.Error("texts not reloaded; the old ones stay", "error", err)
				return
			}
			log.Info("texts reloaded")
		})
		defer stop()
		return g.Run(c.Context())
	}
	return c
}

// onHangup calls f for every SIGHUP until the function that it returns is called.
func onHangup(f func()) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() { // ends when hangups is closed; stop waits for it
		defer close(done)
		for range hangups {
			f()
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}
