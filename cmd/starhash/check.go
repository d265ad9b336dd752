package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"starhash/bank"
	"starhash/configs"
	"starhash/platform"
	"starhash/smpp/smsc"
)

func checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Say which key of a configuration file is wrong, on which line, and what would be right",
		Args:  cobra.NoArgs,
	}
	file := configFlag(c, "configs/gateway.yaml")
	kind := c.Flags().String("kind", "", "gateway, bank or smsc; found out from the file's keys if not given")
	c.RunE = func(c *cobra.Command, _ []string) error {
		roles := map[string]any{"gateway": &platform.Config{}, "bank": &bank.Config{}, "smsc": &smsc.Config{}}
		if *kind == "" {
			*kind = kindOf(*file)
		}
		role, ok := roles[*kind]
		if !ok {
			return fmt.Errorf("%w: --kind %q: want gateway, bank or smsc", errUsage, *kind)
		}
		if err := configs.Load(*file, role); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "%s: a good %s configuration\n", *file, *kind)
		return nil
	}
	return c
}

// kindOf guesses a file's role by keys that only one role has. What it cannot
// read is a gateway's, for Load to complain about.
func kindOf(file string) string {
	var keys map[string]any
	if b, err := os.ReadFile(file); err == nil && yaml.Unmarshal(b, &keys) == nil {
		for _, k := range []struct{ key, kind string }{
			{"smpp", "gateway"}, {"kek", "gateway"}, {"redis", "gateway"},
			{"operators", "bank"}, {"database", "bank"}, {"pin_key_file", "bank"},
			{"system_id", "smsc"}, {"phones", "smsc"}, {"accounts", "smsc"},
		} {
			if _, ok := keys[k.key]; ok {
				return k.kind
			}
		}
	}
	return "gateway"
}
