package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"starhash/bank/link"
	"starhash/configs/secret"
	"starhash/platform"
)

// The files of a key directory, as configs/*.yaml name them.
const (
	fileStatic    = "static.key"     // both ends: the static key
	filePINPublic = "pin.pub"        // gateway: seals PINs
	filePIN       = "pin.key"        // bank: opens them
	filePINVerify = "pin-verify.key" // bank: makes PIN verification values
	fileKEK       = "gateway.kek"    // gateway: wraps what it keeps in Redis
)

func keysCommand() *cobra.Command {
	c := &cobra.Command{Use: "keys", Short: "Make the keys of the sealed link, the gateway and the bank",
		Long: "Make keys. Every file is new: none is ever overwritten, and private ones can be read by their owner alone.\n" +
			"Check values let people compare two copies of a key without showing it."}

	sub := func(use, short string, make func(c *cobra.Command) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return make(c) }}
	}

	var out, id, pub, dir, operator string
	var hosts []string
	var ifMissing bool
	static := sub("static", "A static key, for both ends", func(c *cobra.Command) error {
		return writeSymmetric(c, "static key", out)
	})
	static.Flags().StringVar(&out, "out", fileStatic, "file to write")

	kek := sub("kek", "A gateway's key-encryption key", func(c *cobra.Command) error {
		return writeKEK(c, out)
	})
	kek.Flags().StringVar(&out, "out", fileKEK, "file to write")

	pin := sub("pin", "The bank's PIN key, private and public half, and its verification key", func(c *cobra.Command) error {
		return writePIN(c, id, out, pub, filepath.Join(filepath.Dir(out), filePINVerify))
	})
	pin.Flags().StringVar(&out, "out", filePIN, "file for the private half; the verification key goes beside it")
	pin.Flags().StringVar(&pub, "public", filePINPublic, "file for the public half, for gateways")
	pin.Flags().StringVar(&id, "id", "pin1", "id of the key, 1 to 8 letters or digits")

	certs := sub("tls", "An authority and certificates for the link's mutual TLS", func(c *cobra.Command) error {
		return link.WriteCertificates(dir, operator, hosts)
	})
	all := sub("all", "Everything that configs/*.yaml name, in one directory", func(c *cobra.Command) error {
		if _, err := os.Stat(filepath.Join(dir, "gateway-key.pem")); ifMissing && err == nil {
			fmt.Fprintf(c.OutOrStdout(), "%s: the keys are there already\n", dir)
			return nil
		}
		return writeAllKeys(c, dir, operator, hosts)
	})
	for _, s := range []*cobra.Command{certs, all} {
		s.Flags().StringVar(&dir, "dir", "keys", "directory to write into")
		s.Flags().StringVar(&operator, "operator", "op1", "the operator's name, for the gateway's certificate")
		s.Flags().StringSliceVar(&hosts, "host", []string{"127.0.0.1", "localhost", "bank"}, "names and addresses of the bank's server")
	}
	all.Flags().BoolVar(&ifMissing, "if-missing", false, "do nothing where the keys are there already")
	c.AddCommand(static, kek, pin, certs, all)
	return c
}

// writeAllKeys fills a directory for trying things out on one machine. In
// earnest, each side makes its own private keys.
func writeAllKeys(c *cobra.Command, dir, operator string, hosts []string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := writeSymmetric(c, "static key", at(fileStatic)); err != nil {
		return err
	}
	if err := writePIN(c, "pin1", at(filePIN), at(filePINPublic), at(filePINVerify)); err != nil {
		return err
	}
	if err := writeKEK(c, at(fileKEK)); err != nil {
		return err
	}
	return link.WriteCertificates(dir, operator, hosts)
}

func writeSymmetric(c *cobra.Command, what, path string) error {
	k := link.NewKey()
	defer k.Wipe()
	text := link.FormatKey(k)
	defer text.Wipe()
	if err := writeNew(path, text, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: %s, check value %s\n", path, what, link.CheckValue(k))
	return nil
}

func writePIN(c *cobra.Command, id, private, public, verify string) error {
	k, err := link.NewPINKey(link.KeyID(id))
	if err != nil {
		return fmt.Errorf("%w: --id: %w", errUsage, err)
	}
	text, err := k.Format()
	if err != nil {
		return err
	}
	defer text.Wipe()
	if err := writeNew(private, text, 0o600); err != nil {
		return err
	}
	if err := writeNew(public, secret.New([]byte(link.FormatPINPublicKey(k.Public()))), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "%s, %s: PIN key %s, private and public\n", private, public, id)
	return writeSymmetric(c, "PIN verification key", verify)
}

func writeKEK(c *cobra.Command, path string) error {
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: a file is there already", path)
	}
	if err := platform.NewKeyring(time.Now()).Write(path); err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: key-encryption key\n", path)
	return nil
}

// writeNew writes a file that must not exist yet.
func writeNew(path string, text secret.Value, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text.Reveal())
	return errors.Join(err, f.Sync(), f.Close())
}
