package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"starhash/bank"
	"starhash/bank/ledger"
	"starhash/configs/secret"
	"starhash/platform"
	"starhash/smpp"
	"starhash/smpp/smsc"
)

// demoPhones are the subscribers and customers of the demo; all PINs are 1234.
var demoPhones = []struct{ msisdn, imsi, name, language, balance string }{
	{"263771000001", "648010000000001", "Tendai Moyo", "en", "100.00"},
	{"263771000002", "648010000000002", "Chipo Ncube", "fr", "20.00"},
	{"263771000003", "648010000000003", "Amina Juma", "sw", "50.00"},
	{"263771000004", "648010000000004", "Lucas Silva", "pt", "5.00"},
}

const demoShortCode = "7001"

func demoCommand(log func() (*slog.Logger, error)) *cobra.Command {
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run SMSC, phones, gateway, bank and store together and move money",
		Long: "Run every role in this process, over real TCP, SMPP, TLS and HTTP, with a store that keeps nothing.\n" +
			"It makes its own keys, four subscribers and their accounts, sends a transfer SMS and shows what comes back;\n" +
			"then what you type is sent as an SMS.",
		Args: cobra.NoArgs,
	}
	headless := c.Flags().Bool("headless", false, "keep running without a terminal, until SIGTERM")
	http := c.Flags().String("http", "127.0.0.1:8080", "management port of the SMSC simulator, for: starhash phone sms")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if !c.Flags().Changed("log-level") { // the screen is for messages
			if err := c.Flags().Set("log-level", "error"); err != nil {
				return err
			}
		}
		log, err := log()
		if err != nil {
			return err
		}
		dir, err := os.MkdirTemp("", "starhash-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		d, err := newDemo(c, dir, *http, log)
		if err != nil {
			return err
		}
		return d.run(c.Context(), c.InOrStdin(), *headless)
	}
	return c
}

// demo is every role in one process. They share no memory: the gateway reaches
// the SMSC, the bank and the store through their sockets.
type demo struct {
	bank    *bank.Bank
	smsc    *smsc.SMSC
	gateway *platform.Gateway
	phones  *smsc.Client
	screen  *screen
	admin   string // the gateway's admin address
}

func newDemo(c *cobra.Command, dir, http string, log *slog.Logger) (*demo, error) {
	d := &demo{screen: &screen{w: c.OutOrStdout()}}
	quiet := &cobra.Command{}
	quiet.SetOut(io.Discard)
	if err := writeAllKeys(quiet, dir, "op1", []string{"127.0.0.1"}); err != nil {
		return nil, err
	}
	if err := d.chooseAdmin(); err != nil {
		return nil, err
	}
	for _, start := range []func() error{
		func() error { return d.openBank(c.Context(), dir, log) },
		func() error { return d.openSMSC(http, log) },
		func() error { return d.openGateway(c.Context(), dir, log) },
	} {
		if err := start(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// chooseAdmin finds a port for the gateway's admin listener, which the page of the
// phones looks at. Somebody else may take it before the gateway does.
func (d *demo) chooseAdmin() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d.admin = l.Addr().String()
	return l.Close()
}

// demoBillers are the bank's, with the form of an account at each.
var demoBillers = []bank.Biller{
	{Code: "ZESA", Name: "ZESA Holdings", Account: "[0-9]{11}"},
	{Code: "SCHOOL", Name: "Highfield Primary", Account: "[A-Z]{2}[0-9]{4}"},
}

func (d *demo) openBank(ctx context.Context, dir string, log *slog.Logger) (err error) {
	at := func(name string) string { return filepath.Join(dir, name) }
	var cfg bank.Config
	cfg.SetDefaults()
	cfg.Listen, cfg.Database = "127.0.0.1:0", at("bank.db")
	cfg.TLS = bank.TLS{CertFile: at("bank.pem"), KeyFile: at("bank-key.pem"), ClientCAFile: at("ca.pem")}
	cfg.Operators = []bank.Operator{{Name: "op1", StaticKeys: []bank.StaticKey{{ID: "sk1", File: at(fileStatic)}}, ClientCN: "op1"}}
	cfg.PINKeyFile, cfg.PINVerifyKeyFile = at(filePIN), at(filePINVerify)
	cfg.Airtime = true
	cfg.Billers = demoBillers
	if d.bank, err = bank.New(cfg, log.With("role", "bank")); err != nil {
		return err
	}
	rows := bank.AccountColumns + "\n"
	for _, p := range demoPhones {
		rows += strings.Join([]string{p.msisdn, p.imsi, p.name, "1234", p.balance, "USD"}, ",") + "\n"
	}
	if _, err := d.bank.Accounts().Import(ctx, strings.NewReader(rows)); err != nil {
		return err
	}
	return d.bank.Listen()
}

func (d *demo) openSMSC(http string, log *slog.Logger) error {
	cfg := smsc.Config{Listen: "127.0.0.1:0", HTTP: http, SystemID: "starhash", Password: secret.New([]byte("demo")), IMSITLV: demoIMSITLV,
		GatewayAdmin: "http://" + d.admin}
	for _, p := range demoPhones {
		cfg.Phones = append(cfg.Phones, smsc.Phone{MSISDN: p.msisdn, IMSI: p.imsi})
	}
	cfg.SetDefaults()
	d.smsc = smsc.New(cfg, log.With("role", "smsc"))
	if err := d.smsc.Listen(); err != nil {
		return fmt.Errorf("%w (another port: --http 127.0.0.1:8081)", err)
	}
	d.phones = &smsc.Client{BaseURL: "http://" + d.smsc.HTTPAddr()}
	return nil
}

// demoIMSITLV is the vendor TLV in which the demo's SMSC names the SIM.
const demoIMSITLV = 0x1502

func (d *demo) openGateway(ctx context.Context, dir string, log *slog.Logger) (err error) {
	at := func(name string) string { return filepath.Join(dir, name) }
	var cfg platform.Config
	cfg.SMPP.Binds = []smpp.BindConfig{{Name: "demo", Address: d.smsc.Addr(), SystemID: "starhash", Password: secret.New([]byte("demo")),
		Bind: smpp.Transceiver, IMSITLV: demoIMSITLV, RequestReceipts: true}}
	cfg.ShortCode, cfg.ServiceCode, cfg.Country, cfg.Currency, cfg.Timezone = demoShortCode, "*700#", "263", "USD", "Local"
	cfg.Redis.URL = secret.New([]byte(platform.Embedded))
	cfg.Bank.URL, cfg.Bank.Operator = "https://"+d.bank.Addr().String(), "op1"
	cfg.Bank.StaticKey.ID, cfg.Bank.StaticKey.File, cfg.Bank.PINKey.File = "sk1", at(fileStatic), at(filePINPublic)
	cfg.Bank.TLS.CAFile, cfg.Bank.TLS.CertFile, cfg.Bank.TLS.KeyFile = at("ca.pem"), at("gateway.pem"), at("gateway-key.pem")
	cfg.KEK.File = at(fileKEK)
	for _, b := range demoBillers {
		cfg.USSD.Billers = append(cfg.USSD.Billers, platform.Biller{Code: b.Code, Name: b.Name})
	}
	cfg.Admin.Listen = d.admin
	cfg.SetDefaults()
	if d.gateway, err = platform.Open(ctx, cfg, log.With("role", "gateway")); err != nil {
		return err
	}
	var rows []platform.Subscriber
	for _, p := range demoPhones {
		rows = append(rows, platform.Subscriber{MSISDN: p.msisdn, IMSI: p.imsi, Bank: cfg.Bank.Name, Language: p.language, Status: platform.Active})
	}
	return d.gateway.Store().PutSubscribers(ctx, rows)
}

// run serves all roles until the person is done, or ctx ends.
func (d *demo) run(ctx context.Context, in io.Reader, headless bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// The gateway goes first, while SMSC and bank still answer.
	edges, stopEdges := context.WithCancel(context.WithoutCancel(ctx))
	var roles, phones errgroup.Group
	roles.Go(func() error { return d.bank.Run(edges) })
	roles.Go(func() error { return d.smsc.Run(edges) })
	gateway := make(chan error, 1)
	go func() { gateway <- d.gateway.Run(ctx) }() // received below

	err := d.show(ctx, &phones, in, headless)
	if ctx.Err() != nil {
		err = nil // asked to stop
	}
	stop()
	err = errors.Join(err, <-gateway)
	stopEdges()
	return errors.Join(err, roles.Wait(), ignoreCancelled(phones.Wait()))
}

func ignoreCancelled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (d *demo) show(ctx context.Context, phones *errgroup.Group, in io.Reader, headless bool) error {
	d.screen.print("Starhash demo: SMSC simulator, phones, gateway and bank, over real TCP, SMPP, TLS and HTTP.")
	d.screen.print("The store is inside this process: NOTHING IS KEPT when it ends.")
	d.screen.print("")
	bound, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := d.awaitBind(bound); err != nil {
		return err
	}
	for _, p := range demoPhones { // the terminals start: alert_notification
		if _, err := d.phones.SwitchOn(ctx, p.msisdn); err != nil {
			return err
		}
		phones.Go(func() error { return d.watch(ctx, p.msisdn) })
	}
	if err := d.accounts(ctx, "Accounts before:"); err != nil {
		return err
	}
	const first = "SEND 5 0771000002 1234"
	d.screen.expect(2) // the confirmation, and the payee's notice
	if err := d.send(ctx, demoPhones[0].msisdn, first); err != nil {
		return err
	}
	if err := d.screen.await(ctx, 30*time.Second); err != nil {
		return err
	}
	if err := d.accounts(ctx, "Accounts after:"); err != nil {
		return err
	}
	d.screen.print("Phones to dial and write on: http://%s", d.smsc.HTTPAddr())
	d.screen.print("Phones are steered over HTTP at http://%s; from another terminal:", d.smsc.HTTPAddr())
	d.screen.print("  starhash phone sms --smsc http://%s --from 263771000001 --to %s \"BAL 1234\"", d.smsc.HTTPAddr(), demoShortCode)
	d.screen.print("  starhash phone ussd --smsc http://%s --from 263771000001 \"*700#\"", d.smsc.HTTPAddr())
	if headless {
		<-ctx.Done()
		return nil
	}
	d.screen.print("Type an SMS, such as:  SEND 7.50 0771000003 1234   BAL 1234   MINI 1234   PIN 1234 4826 4826   HELP")
	d.screen.print("3: in front sends it from phone 3; trace REFERENCE, accounts and quit are not sent.")
	return d.converse(ctx, in)
}

func (d *demo) awaitBind(ctx context.Context) error {
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for {
		binds, err := d.phones.Binds(ctx)
		if err != nil {
			return err
		}
		if len(binds) > 0 {
			return nil
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return fmt.Errorf("the gateway did not bind: %w", ctx.Err())
		}
	}
}

// send sends an SMS from a phone and waits for its acknowledgement.
func (d *demo) send(ctx context.Context, msisdn, text string) error {
	d.screen.print("%s > SMS to %s: %s", msisdn, demoShortCode, text)
	r, err := d.phones.SendMO(ctx, smsc.MO{From: msisdn, To: demoShortCode, Text: text})
	if err == nil && !r.OK() {
		err = fmt.Errorf("the gateway did not acknowledge the message: %s", r.Parts[0].Status)
	}
	return err
}

// watch prints what a phone receives.
func (d *demo) watch(ctx context.Context, msisdn string) error {
	var after uint64
	for {
		ms, err := d.phones.Inbox(ctx, msisdn, after, 20*time.Second)
		if err != nil {
			return err
		}
		for _, m := range ms {
			after = m.N
			d.screen.message("%s < SMS from %s: %s", msisdn, m.From, strings.ReplaceAll(m.Text, "\n", "\n"+strings.Repeat(" ", 16)))
		}
	}
}

func (d *demo) accounts(ctx context.Context, title string) error {
	a := d.bank.Accounts()
	d.screen.print("%s", title)
	for _, p := range demoPhones {
		s, err := a.Show(ctx, p.msisdn)
		if err != nil {
			return err
		}
		d.screen.print("  %s  %-12s %s %10s", s.MSISDN, s.Name, s.Currency, ledger.FormatAmount(s.Balance, s.Currency))
	}
	totals, err := a.Total(ctx)
	for _, t := range totals {
		d.screen.print("  sum of all %d postings: %s %s", t.Postings, t.Currency, ledger.FormatAmount(t.Sum, t.Currency))
	}
	d.screen.print("")
	return err
}

// converse sends each line of in as an SMS.
func (d *demo) converse(ctx context.Context, in io.Reader) error {
	lines := make(chan string)
	go func() { // ends with in, or when the process does: a read cannot be called off
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	from := demoPhones[0].msisdn
	for {
		var line string
		var ok bool
		select {
		case line, ok = <-lines:
		case <-ctx.Done():
			return nil
		}
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case !ok || line == "quit" || line == "exit":
			return nil
		case line == "":
		case line == "accounts":
			if err := d.accounts(ctx, "Accounts:"); err != nil {
				return err
			}
		case word == "trace":
			tx, err := d.gateway.Store().Transaction(ctx, rest)
			if err != nil {
				d.screen.print("%v", err)
				continue
			}
			d.screen.print("%s", strings.Join(tx.Trace(), "\n"))
		default:
			if n := len(word); n == 2 && word[1] == ':' && word[0] >= '1' && int(word[0]-'1') < len(demoPhones) {
				from, line = demoPhones[word[0]-'1'].msisdn, rest
			}
			d.screen.expect(1)
			if err := d.send(ctx, from, line); err != nil {
				return err
			}
			if err := d.screen.await(ctx, 30*time.Second); err != nil {
				d.screen.print("%v", err)
			}
		}
	}
}

// screen is what the person sees; messages come in from several phones.
type screen struct {
	mu       sync.Mutex
	w        io.Writer
	expected int
	arrived  chan struct{}
}

func (s *screen) print(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.w, format+"\n", args...)
}

// expect arms await for n messages.
func (s *screen) expect(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expected, s.arrived = n, make(chan struct{})
}

func (s *screen) message(format string, args ...any) {
	s.print(format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expected--; s.expected == 0 && s.arrived != nil {
		close(s.arrived)
	}
}

func (s *screen) await(ctx context.Context, limit time.Duration) error {
	s.mu.Lock()
	arrived := s.arrived
	s.mu.Unlock()
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-arrived:
		return nil
	case <-t.C:
		return fmt.Errorf("no answer within %v", limit)
	case <-ctx.Done():
		return ctx.Err()
	}
}
