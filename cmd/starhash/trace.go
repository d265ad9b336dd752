package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"starhash/configs"
	"starhash/platform"
)

func traceCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "trace REFERENCE",
		Short: "Show one transaction's way, redacted",
		Args:  cobra.ExactArgs(1),
	}
	file := configFlag(c, "configs/gateway.yaml")
	c.RunE = func(c *cobra.Command, args []string) error {
		var cfg platform.Config
		if err := configs.Load(*file, &cfg); err != nil {
			return err
		}
		s, err := platform.OpenStore(c.Context(), cfg.Redis.URL, cfg.Redis.Partitions)
		if err != nil {
			return err
		}
		defer s.Close()
		tx, err := s.Transaction(c.Context(), args[0])
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		messages, err := s.Messages(c.Context(), tx.Reference)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		lines := tx.Trace()
		for _, m := range messages {
			lines = append(lines, m.Trace(time.Now())...)
		}
		for _, line := range lines {
			fmt.Fprintln(c.OutOrStdout(), line)
		}
		return nil
	}
	return c
}
