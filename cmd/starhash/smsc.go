package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"starhash/configs"
	"starhash/smpp/smsc"
)

func smscCommand(log func() (*slog.Logger, error)) *cobra.Command {
	c := &cobra.Command{
		Use:   "smsc",
		Short: "Run the SMSC simulator",
		Long: "Run a simulated SMSC with phones behind it, for trying an ESME; never for subscribers.\n" +
			"It is steered over HTTP (key http, no authentication), and misbehaves when asked to:\n" +
			"by --fault or the section faults, by PUT /faults while it runs, and by magic numbers.\n" +
			"All faults and numbers: docs/smsc-simulator.md.",
		Example: `  starhash smsc -c configs/smsc.yaml
  starhash smsc --chaos                    a little of everything; the seed is printed
  starhash smsc --chaos --seed 4711        the same decisions again
  starhash smsc --fault throttle=5% --fault no_resp=3 --fault latency.median=20ms --fault latency.p99=2s
  curl -X PUT localhost:8080/faults -d '{"drop_after_mo":1}'
  starhash phone sms --from 999354771 BAL  its deliver_sm comes twice: 999 and 354, duplicate_mo`,
		Args: cobra.NoArgs,
	}
	file := configFlag(c, "configs/smsc.yaml")
	chaos := c.Flags().Bool("chaos", false, "misbehave a little: the mix of faults that the key faults.chaos stands for")
	seed := c.Flags().Uint64("seed", 0, "of everything that is drawn; 0: the file's, or another one each start")
	faults := c.Flags().StringArray("fault", nil, "KEY=VALUE of the section faults, again and again: a number of times, true, a percentage, a time span")
	c.RunE = func(c *cobra.Command, _ []string) error {
		log, err := log()
		if err != nil {
			return err
		}
		var cfg smsc.Config
		if err := configs.Load(*file, &cfg); err != nil {
			return err
		}
		for _, f := range *faults {
			if err := cfg.Faults.Set(f); err != nil {
				return fmt.Errorf("%w: --fault %s: %w", errUsage, f, err)
			}
		}
		if ps := cfg.Validate(); len(ps) > 0 { // the file was good
			return fmt.Errorf("%w: --fault: %s", errUsage, ps[0])
		}
		if *chaos {
			cfg.Faults.Chaos = true
		}
		if *seed != 0 {
			cfg.Seed, cfg.Faults.Seed = *seed, 0
		}
		s := smsc.New(cfg, log)
		if cfg.Faults.Chaos {
			fmt.Fprintf(c.OutOrStdout(), "chaos with seed %d; again: starhash smsc --chaos --seed %[1]d\n", s.Seed())
		}
		return s.Run(c.Context())
	}
	return c
}
