package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"starhash/configs"
	"starhash/ussd"
)

func menuCommand() *cobra.Command {
	c := &cobra.Command{Use: "menu", Short: "The USSD menus: check them, try dialogues on them, show them"}
	country := c.PersistentFlags().String("country", "263", "country code that local numbers are read with")
	currency := c.PersistentFlags().String("currency", "USD", "currency of amounts")
	load := func(dir string) (*ussd.Menus, error) {
		files := configs.Menus
		if dir != "" {
			files = os.DirFS(dir)
		}
		m, err := ussd.Load(files, ussd.PlainReaders(*country, *currency))
		var wrong *configs.Error
		if errors.As(err, &wrong) {
			return nil, found(c, dir, wrong.Problems)
		}
		return m, err
	}
	lint := &cobra.Command{
		Use:   "lint [DIR]",
		Short: "Say what is wrong with menus: file, line, what would be right; without DIR the shipped ones",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			m, err := load(strings.Join(args, ""))
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), "good menus:", m.Summary())
			}
			return err
		},
	}
	test := &cobra.Command{
		Use:   "test [DIR] FILE...",
		Short: "Go through the dialogues of files and say where the menus show something else",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := ""
			if info, err := os.Stat(args[0]); err == nil && info.IsDir() {
				dir, args = args[0], args[1:]
			}
			if len(args) == 0 {
				return fmt.Errorf("%w: no FILE of dialogues", errUsage)
			}
			m, err := load(dir)
			if err != nil {
				return err
			}
			return tryDialogues(c, m, args)
		},
	}
	show := &cobra.Command{
		Use:   "show [DIR]",
		Short: "Print the menus as a tree",
		Args:  cobra.MaximumNArgs(1),
	}
	language := show.Flags().String("language", "en", "language of the texts")
	show.RunE = func(c *cobra.Command, args []string) error {
		m, err := load(strings.Join(args, ""))
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(c.OutOrStdout(), m.Tree(*language))
		return err
	}
	c.AddCommand(lint, test, show)
	return c
}

// found prints problems, and returns the error that says how many.
func found(c *cobra.Command, dir string, problems []configs.Located) error {
	for _, p := range problems {
		p.File = filepath.Join(dir, p.File)
		fmt.Fprintln(c.OutOrStdout(), p)
	}
	if len(problems) == 1 {
		return errors.New("1 problem")
	}
	return fmt.Errorf("%d problems", len(problems))
}

func tryDialogues(c *cobra.Command, m *ussd.Menus, files []string) error {
	var problems []configs.Located
	for _, file := range files {
		content, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %w", errUsage, err)
		} else if err != nil {
			return err
		}
		d, err := ussd.ReadDialogues(file, content)
		if err != nil {
			return err
		}
		wrong := d.Try(m)
		fmt.Fprintf(c.OutOrStdout(), "%s: %d of %d dialogues are as meant\n", file, d.Len()-len(wrong), d.Len())
		problems = append(problems, wrong...)
	}
	if len(problems) > 0 {
		return found(c, "", problems)
	}
	return nil
}
