package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"starhash/configs"
	"starhash/platform"
)

func subscribersCommand() *cobra.Command {
	c := &cobra.Command{Use: "subscribers", Short: "The operator's registry: which SIM has which number"}
	file := configFlag(c, "configs/gateway.yaml")
	// open gives the registry of the configured gateway, and its texts' languages.
	open := func(ctx context.Context, use func(platform.Config, *platform.Store, []string) error) error {
		var cfg platform.Config
		if err := configs.Load(*file, &cfg); err != nil {
			return err
		}
		texts, err := platform.OpenTexts(cfg.Texts)
		if err != nil {
			return err
		}
		if string(cfg.Redis.URL.Reveal()) == platform.Embedded {
			return fmt.Errorf("%w: redis.url is embedded: that store lives inside its gateway and cannot be reached from here", errUsage)
		}
		s, err := platform.OpenStore(ctx, cfg.Redis.URL, cfg.Redis.Partitions)
		if err != nil {
			return err
		}
		defer s.Close()
		return use(cfg, s, texts.Languages())
	}

	generate := &cobra.Command{
		Use: "generate", Short: "Write a CSV of subscribers for trying things out", Args: cobra.NoArgs,
	}
	n := generate.Flags().Int("count", 10, "how many")
	country := generate.Flags().String("country", "263", "country code")
	bankName := generate.Flags().String("bank", "bank", "their bank")
	generate.RunE = func(c *cobra.Command, _ []string) error {
		texts, err := platform.OpenTexts("")
		if err != nil {
			return err
		}
		return platform.GenerateSubscribers(c.OutOrStdout(), *n, *country, *bankName, texts.Languages())
	}

	imports := &cobra.Command{
		Use: "import FILE", Short: "Read a CSV (msisdn,imsi,bank,language,status) into the registry; - is standard input", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := input(c, args[0])
			if err != nil {
				return err
			}
			defer r.Close()
			return open(c.Context(), func(cfg platform.Config, s *platform.Store, languages []string) error {
				n, err := platform.ReadSubscribers(r, cfg.Bank.Name, languages, func(rows []platform.Subscriber) error {
					return s.PutSubscribers(c.Context(), rows)
				})
				if err != nil {
					return fmt.Errorf("%s: %w (%d rows before it were imported)", args[0], err, n)
				}
				fmt.Fprintf(c.OutOrStdout(), "%d subscribers\n", n)
				return nil
			})
		},
	}

	show := &cobra.Command{
		Use: "show MSISDN", Short: "Show a subscriber", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return open(c.Context(), func(_ platform.Config, s *platform.Store, _ []string) error {
				sub, err := s.Subscriber(c.Context(), args[0])
				if err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				fmt.Fprintf(c.OutOrStdout(), "msisdn   %s\nimsi     %s\nbank     %s\nlanguage %s\nstatus   %s\nnotices  %v\n",
					sub.MSISDN, sub.IMSI, sub.Bank, sub.Language, sub.Status, !sub.Quiet)
				return nil
			})
		},
	}
	status := func(name, short string, st platform.SubscriberStatus) *cobra.Command {
		return &cobra.Command{
			Use: name + " MSISDN", Short: short, Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				return open(c.Context(), func(_ platform.Config, s *platform.Store, _ []string) error {
					if err := s.SetStatus(c.Context(), args[0], st); err != nil {
						return fmt.Errorf("%s: %w", args[0], err)
					}
					fmt.Fprintf(c.OutOrStdout(), "%s is %s\n", args[0], st)
					return nil
				})
			},
		}
	}
	c.AddCommand(generate, imports, show,
		status("block", "Refuse a subscriber's transactions", platform.Blocked),
		status("unblock", "Take a subscriber's transactions again", platform.Active))
	return c
}

// input opens a file, or standard input for "-".
func input(c *cobra.Command, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(c.InOrStdin()), nil
	}
	return os.Open(name)
}
