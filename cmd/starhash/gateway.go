package main

import (
	"log/slog"

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
		return g.Run(c.Context())
	}
	return c
}
