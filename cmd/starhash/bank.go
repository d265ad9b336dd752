package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"starhash/bank"
	"starhash/configs"
)

func bankCommand(log func() (*slog.Logger, error)) *cobra.Command {
	c := &cobra.Command{
		Use:   "bank",
		Short: "Run the bank service server",
		Args:  cobra.NoArgs,
	}
	file := configFlag(c, "configs/bank.yaml")
	c.RunE = func(c *cobra.Command, _ []string) error {
		log, err := log()
		if err != nil {
			return err
		}
		if err := harden(); err != nil {
			return err
		}
		var cfg bank.Config
		if err := configs.Load(*file, &cfg); err != nil {
			return err
		}
		b, err := bank.New(cfg, log)
		if err != nil {
			return err
		}
		return b.Run(c.Context())
	}
	return c
}
