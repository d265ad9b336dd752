package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"starhash/configs"
	"starhash/smpp/smsc"
)

func smscCommand(log func() (*slog.Logger, error)) *cobra.Command {
	c := &cobra.Command{
		Use:   "smsc",
		Short: "Run the SMSC simulator",
		Args:  cobra.NoArgs,
	}
	file := configFlag(c, "configs/smsc.yaml")
	c.RunE = func(c *cobra.Command, _ []string) error {
		log, err := log()
		if err != nil {
			return err
		}
		var cfg smsc.Config
		if err := configs.Load(*file, &cfg); err != nil {
			return err
		}
		return smsc.New(cfg, log).Run(c.Context())
	}
	return c
}
