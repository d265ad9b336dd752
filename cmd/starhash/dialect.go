package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"starhash/configs"
	"starhash/smpp"
	"starhash/smpp/capture"
	"starhash/smpp/dialect"
)

func dialectCommand() *cobra.Command {
	c := &cobra.Command{Use: "dialect", Short: "The USSD dialects of SMSCs: list them, show one, find out which one an SMSC speaks"}
	dir := c.PersistentFlags().String("dialects-dir", "", "a directory of the operator's own dialects, besides those of Starhash")
	load := func() (*dialect.Set, error) {
		set, err := dialect.Load(dialectDirs(*dir)...)
		if err != nil && *dir != "" {
			err = fmt.Errorf("%s: %w", *dir, err)
		}
		return set, err
	}
	list := &cobra.Command{Use: "list", Short: "Name every dialect, with a line about it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			set, err := load()
			if err != nil {
				return err
			}
			for _, name := range set.Names() {
				d, _ := set.Get(name)
				fmt.Fprintf(c.OutOrStdout(), "%-20s %s\n", name, d.About())
			}
			return nil
		}}
	show := &cobra.Command{Use: "show NAME", Short: "Print a dialect's file, to copy and change", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			set, err := load()
			if err != nil {
				return err
			}
			if _, ok := set.Get(args[0]); !ok {
				return fmt.Errorf("%w: no dialect %q: want one of %s", errUsage, args[0], strings.Join(set.Names(), ", "))
			}
			dirs := dialectDirs(*dir)
			for i := len(dirs) - 1; i >= 0; i-- {
				text, err := fs.ReadFile(dirs[i], args[0]+".yaml")
				if errors.Is(err, fs.ErrNotExist) {
					continue
				} else if err != nil {
					return err
				}
				_, err = c.OutOrStdout().Write(text)
				return err
			}
			return nil
		}}
	c.AddCommand(list, show, dialectDetectCommand(load))
	return c
}

// dialectDirs are the shipped dialects and then the operator's, which go first.
func dialectDirs(dir string) []fs.FS {
	dirs := []fs.FS{configs.Dialects}
	if dir != "" {
		dirs = append(dirs, os.DirFS(dir))
	}
	return dirs
}

func dialectDetectCommand(load func() (*dialect.Set, error)) *cobra.Command {
	c := &cobra.Command{
		Use:   "detect [FILE]",
		Short: "Say which dialect a capture of the SMSC's connection is in, and why",
		Long: "Say which dialect a capture of the SMSC's connection is in, with what speaks for and\n" +
			"against each. FILE (or - for standard input) is what tcpdump or tshark has written, pcap\n" +
			"or pcapng; or PDUs in hexadecimal, one a line, with \"in \" before what the SMSC sent and\n" +
			"\"out \" before what the ESME did. No text of a message is printed.\n" +
			"A good capture has a whole dialogue and one that the subscriber hung up.\n" +
			"Exit code 0: a dialect fits; 1: none does.",
		Example: "  tcpdump -i any -w ussd.pcap port 2775    # dial, then Ctrl-C\n" +
			"  starhash dialect detect ussd.pcap\n" +
			"  tcpdump -i any -w - port 2775 | starhash dialect detect -    # dial, then Ctrl-C",
		Args: cobra.MaximumNArgs(1),
	}
	all := c.Flags().Bool("all", false, "the reasons for and against every dialect, also those that do not fit")
	c.RunE = func(c *cobra.Command, args []string) error {
		set, err := load()
		if err != nil {
			return err
		}
		in := c.InOrStdin()
		if len(args) == 1 && args[0] != "-" {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			in = f
		}
		pdus, undecoded, err := capture.Read(in)
		if err != nil {
			return err
		}
		var seen []dialect.Seen
		for _, p := range pdus {
			if m, ok := p.Body.(*smpp.Message); ok {
				seen = append(seen, dialect.Seen{Command: p.Command, Message: m, FromSMSC: p.FromSMSC})
			}
		}
		findings, messages := set.Detect(seen)
		for _, s := range seen {
			clear(s.Message.Payload)
		}
		out := c.OutOrStdout()
		fmt.Fprintf(out, "%d PDUs, %d of them USSD, %d that do not decode\n", len(pdus), messages, undecoded)
		return printFindings(out, findings, messages, *all)
	}
	return c
}

// printFindings prints those that fit, and of the others why not.
func printFindings(out io.Writer, findings []dialect.Finding, messages int, all bool) error {
	if messages == 0 {
		return errors.New("no message has ussd_service_op, or a service_type of USSD that a dialect knows")
	}
	for _, f := range findings {
		if f.Fits {
			fmt.Fprintf(out, "\n%s fits, score %d\n", f.Name, f.Score)
		} else {
			fmt.Fprintf(out, "\n%s does not fit\n", f.Name)
		}
		if f.Fits || all {
			for _, why := range f.For {
				fmt.Fprintf(out, "  + %s\n", why)
			}
		}
		for _, why := range f.Against {
			fmt.Fprintf(out, "  - %s\n", why)
		}
	}
	best := findings[0]
	switch {
	case !best.Fits:
		return errors.New("no dialect fits: see what speaks against the nearest, and write a file of your own that is like it")
	case len(findings) > 1 && findings[1].Fits && findings[1].Score == best.Score:
		fmt.Fprintf(out, "\n%s and %s fit alike: capture more, an abort and a last screen above all\n", best.Name, findings[1].Name)
	default:
		fmt.Fprintf(out, "\nBest: dialect: %s\n", best.Name)
	}
	return nil
}
