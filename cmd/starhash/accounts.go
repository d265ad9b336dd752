package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"

	"github.com/spf13/cobra"

	"starhash/bank"
	"starhash/bank/ledger"
	"starhash/configs"
	"starhash/configs/secret"
)

func accountsCommand(log func() (*slog.Logger, error)) *cobra.Command {
	c := &cobra.Command{Use: "accounts", Short: "The bank's accounts"}
	file := configFlag(c, "configs/bank.yaml")
	open := func(use func(bank.Config, *bank.Accounts) error) error {
		log, err := log()
		if err != nil {
			return err
		}
		var cfg bank.Config
		if err := configs.Load(*file, &cfg); err != nil {
			return err
		}
		a, err := bank.OpenAccounts(cfg, log)
		if err != nil {
			return err
		}
		defer a.Close()
		return use(cfg, a)
	}

	generate := &cobra.Command{
		Use: "generate", Short: "Write a CSV of accounts that match: subscribers generate (PIN 1234)", Args: cobra.NoArgs,
	}
	n := generate.Flags().Int("count", 10, "how many")
	country := generate.Flags().String("country", "263", "country code")
	currency := generate.Flags().String("currency", "USD", "ISO 4217 code")
	generate.RunE = func(c *cobra.Command, _ []string) error {
		first, err := strconv.ParseUint(*country+"771000001", 10, 64)
		if err != nil {
			return fmt.Errorf("%w: --country %q: want digits", errUsage, *country)
		}
		return bank.Generate(c.OutOrStdout(), *n, first, 648010000000001, *currency)
	}

	imports := &cobra.Command{
		Use: "import FILE", Short: "Read a CSV (" + bank.AccountColumns + "), all of it or nothing; - is standard input", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := input(c, args[0])
			if err != nil {
				return err
			}
			defer r.Close()
			return open(func(_ bank.Config, a *bank.Accounts) error {
				done, err := a.Import(c.Context(), r)
				if err != nil {
					return fmt.Errorf("%s: nothing was imported:\n%w", args[0], err)
				}
				fmt.Fprintf(c.OutOrStdout(), "%d accounts opened, %d updated\n", done.Created, done.Updated)
				return nil
			})
		},
	}

	show := &cobra.Command{
		Use: "show MSISDN", Short: "Show an account and its last lines", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return open(func(_ bank.Config, a *bank.Accounts) error {
				s, err := a.Show(c.Context(), args[0])
				if err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				out := c.OutOrStdout()
				fmt.Fprintf(out, "msisdn     %s\nname       %s\nbalance    %s %s\nblocked    %v\nwrong PINs %d\n",
					s.MSISDN, s.Name, s.Currency, ledger.FormatAmount(s.Balance, s.Currency), s.Blocked, s.WrongPINs)
				for _, l := range s.Lines {
					fmt.Fprintf(out, "%s  %12s  %s\n", l.At.Format("2006-01-02 15:04:05"), ledger.FormatAmount(l.Amount, s.Currency), l.Kind)
				}
				return nil
			})
		},
	}

	own := &cobra.Command{
		Use: "own", Short: "Show the bank's own accounts: fees, and what is owed for airtime and to each biller", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return open(func(_ bank.Config, a *bank.Accounts) error {
				own, err := a.Own(c.Context())
				for _, o := range own {
					fmt.Fprintf(c.OutOrStdout(), "%-32s %s %s\n", o.Name, o.Currency, ledger.FormatAmount(o.Balance, o.Currency))
				}
				return err
			})
		},
	}
	total := &cobra.Command{
		Use: "total", Short: "Prove that the ledger sums to zero; exit code 1 if it does not", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return open(func(_ bank.Config, a *bank.Accounts) error {
				totals, err := a.Total(c.Context())
				for _, t := range totals {
					fmt.Fprintf(c.OutOrStdout(), "%s  customers %d holding %s, internal accounts %s, %d postings summing to %s\n", t.Currency, t.Customers,
						ledger.FormatAmount(t.Held, t.Currency), ledger.FormatAmount(t.Internal, t.Currency), t.Postings, ledger.FormatAmount(t.Sum, t.Currency))
				}
				return err
			})
		},
	}
	block := func(name, short string, blocked bool) *cobra.Command {
		return &cobra.Command{
			Use: name + " MSISDN", Short: short, Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				return open(func(_ bank.Config, a *bank.Accounts) error {
					if err := a.SetBlocked(c.Context(), args[0], blocked); err != nil {
						return fmt.Errorf("%s: %w", args[0], err)
					}
					fmt.Fprintf(c.OutOrStdout(), "%s blocked: %v\n", args[0], blocked)
					return nil
				})
			},
		}
	}
	resetPIN := &cobra.Command{
		Use: "reset-pin MSISDN", Short: "Give an account a new PIN, read from standard input, and unlock it", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			b := make([]byte, 16)
			n, err := io.ReadFull(c.InOrStdin(), b)
			if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				return fmt.Errorf("%w: the new PIN is read from standard input: %w", errUsage, err)
			}
			pin := secret.New(bytes.TrimSpace(b[:n]))
			defer pin.Wipe()
			return open(func(_ bank.Config, a *bank.Accounts) error {
				if err := a.ResetPIN(c.Context(), args[0], pin); err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				fmt.Fprintf(c.OutOrStdout(), "%s has a new PIN\n", args[0])
				return nil
			})
		},
	}
	c.AddCommand(generate, imports, show, own, total,
		block("block", "Refuse an account's transactions", true),
		block("unblock", "Take an account's transactions again", false), resetPIN)
	return c
}
