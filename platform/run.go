package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"starhash/bank/link"
	"starhash/configs"
	"starhash/smpp"
	"starhash/smpp/dialect"
	"starhash/ussd"
)

const (
	// drainTime is how long a stopping gateway goes on with what it has in hand.
	drainTime = 5 * time.Second
	// housekeeping is how often keys are ratcheted and overdue parts looked for.
	housekeeping = 5 * time.Second
)

// Open reads the keys and texts, connects to Redis and makes a gateway that is
// ready to Run. It fails on what an operator has to mend; a bank or an SMSC that
// is away is waited for by Run.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (_ *Gateway, err error) {
	g := &Gateway{cfg: cfg, log: log, metrics: newMetrics(), prepare: make(chan struct{}, 64)}
	if g.zone, err = time.LoadLocation(cfg.Timezone); err != nil {
		return nil, fmt.Errorf("timezone: %w", err)
	}
	g.ussdSlots = make(chan struct{}, ussdSlots)
	if g.dialects, err = OpenDialects(cfg); err != nil {
		return nil, err
	}
	if err := g.Reload(); err != nil {
		return nil, err
	}
	if g.keyring, err = OpenKeyring(cfg.KEK.File); err != nil {
		return nil, fmt.Errorf("kek.file: %w", err)
	}
	static, err := link.ReadKey(cfg.Bank.StaticKey.File)
	if err != nil {
		return nil, fmt.Errorf("bank.static_key.file: %w", err)
	}
	pinText, err := os.ReadFile(cfg.Bank.PINKey.File)
	if err != nil {
		return nil, fmt.Errorf("bank.pin_key.file: %w", err)
	}
	pinKey, err := link.ParsePINPublicKey(string(pinText))
	if err != nil {
		return nil, fmt.Errorf("bank.pin_key.file: %s: %w", cfg.Bank.PINKey.File, err)
	}
	if g.client, err = bankClient(cfg.Bank); err != nil {
		return nil, err
	}
	if g.store, err = OpenStore(ctx, cfg.Redis.URL, cfg.Redis.Partitions); err != nil {
		return nil, err
	}
	boot, err := g.store.nextBoot(ctx, cfg.Node)
	if err != nil {
		return nil, errors.Join(err, g.store.Close())
	}
	gw := &link.Gateway{Operator: link.Operator(cfg.Bank.Operator), KeyID: link.KeyID(cfg.Bank.StaticKey.ID), StaticKey: static, Node: cfg.Node}
	raise := func(ctx context.Context, n uint32) error { return g.store.raiseBoot(ctx, cfg.Node, n) }
	if g.keys, err = newKeySource(gw, g.client, cfg.Bank.URL, cfg.Bank.Timeout, pinKey, boot, raise, log); err != nil {
		return nil, errors.Join(err, g.store.Close())
	}
	g.line = newBankLine(g.keys.post)
	for _, b := range cfg.SMPP.Binds {
		g.binds = append(g.binds, smpp.NewESME(b, log, g))
	}
	g.routes = newRoutes(g.binds)
	g.metrics.registry.MustRegister(&bindMetrics{g.binds})
	return g, nil
}

// OpenTexts reads the texts from a directory, or those that are built in.
func OpenTexts(dir string) (*Texts, error) {
	if dir == "" {
		return LoadTexts(configs.Texts)
	}
	return LoadTexts(os.DirFS(dir))
}

// bankClient speaks TLS 1.3 with a certificate of ours to a bank whose CA we
// were given, and to nobody else.
func bankClient(c BankConfig) (*http.Client, error) {
	conf, err := link.ClientTLS(c.TLS.CAFile, c.TLS.CertFile, c.TLS.KeyFile, c.TLS.ServerName)
	if err != nil {
		return nil, fmt.Errorf("bank.tls: %w", err)
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: conf,
		DialContext:     (&net.Dialer{Timeout: c.Timeout}).DialContext, TLSHandshakeTimeout: c.Timeout,
		ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute,
	}}, nil
}

// Store is the gateway's store, for commands that look into it.
func (g *Gateway) Store() *Store { return g.store }

// Reload reads the texts and the menus again. A fault in either changes nothing.
func (g *Gateway) Reload() error {
	texts, err := OpenTexts(g.cfg.Texts)
	if err != nil {
		return err
	}
	grammar, err := NewGrammar(texts, g.cfg.Country, g.cfg.Currency)
	if err != nil {
		return err
	}
	menus, err := OpenMenus(g.cfg.USSD.MenusDir, grammar)
	if err != nil {
		return err
	}
	g.texts.Store(texts)
	g.grammar.Store(grammar)
	g.menus.Store(menus)
	return nil
}

// OpenMenus reads the USSD menus from a directory, or those that are built in. What
// people type in them is read as in an SMS.
func OpenMenus(dir string, grammar *Grammar) (*ussd.Menus, error) {
	menus := configs.Menus
	if dir != "" {
		menus = os.DirFS(dir)
	}
	return ussd.Load(menus, ussd.Readers{Amount: grammar.ReadAmount, Number: grammar.ReadNumber})
}

// OpenDialects reads the USSD dialects; Validate has checked that every bind's is
// among them.
func OpenDialects(cfg Config) (*dialect.Set, error) {
	dirs := []fs.FS{configs.Dialects}
	if cfg.USSD.DialectsDir != "" {
		dirs = append(dirs, os.DirFS(cfg.USSD.DialectsDir))
	}
	return dialect.Load(dirs...)
}

// dialectOf is a bind's dialect.
func (g *Gateway) dialectOf(b smpp.BindConfig) *dialect.Dialect {
	d, _ := g.dialects.Get(b.Dialect)
	return d
}

// Run serves until ctx ends, then stops reading the journal, goes on for
// drainTime with what is in hand, unbinds and closes the store. What is not
// finished by then stays in Redis for the next start.
func (g *Gateway) Run(ctx context.Context) error {
	if warn := g.store.Persistence(ctx); warn != "" {
		g.log.Warn(warn)
	}
	admin, err := g.listenAdmin()
	if err != nil {
		return errors.Join(err, g.store.Close())
	}
	// Three lives, ended in this order: reading, working, edges.
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	edges, stopEdges := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	defer stopEdges()

	var workers, outside sync.WaitGroup
	g.feed.turn(admin != nil)
	outside.Go(func() { g.keys.Run(edges) })
	for _, b := range g.binds {
		outside.Go(func() {
			if err := b.Run(edges); err != nil && edges.Err() == nil {
				g.log.Error("bind ended", "bind", b.Config().Name, "error", err)
			}
		})
	}
	if admin != nil {
		outside.Go(func() { g.serveAdmin(edges, admin) })
	}
	slots := map[string]chan struct{}{"journal": make(chan struct{}, streamInHand), "outbox": make(chan struct{}, streamInHand)}
	for p := range g.store.partitions {
		for _, name := range []string{"journal", "outbox"} {
			s := &stream{g: g, partition: p, name: name, key: key(p, name), consumer: "node-" + strconv.Itoa(int(g.cfg.Node)), slots: slots[name]}
			if name == "outbox" {
				s.line = g.addressee
			}
			s.work = func(ctx context.Context, m redis.XMessage) {
				if name == "outbox" {
					g.confirm(ctx, p, m)
					return
				}
				ref, _ := m.Values["ref"].(string)
				g.execute(ctx, p, m.ID, ref)
			}
			workers.Go(func() { s.run(ctx, working) })
		}
	}
	workers.Go(func() { g.housekeep(ctx) })
	workers.Go(func() { g.putBack(ctx) })
	g.log.Info("gateway started", "node", g.cfg.Node, "binds", len(g.binds), "partitions", g.store.partitions)

	<-ctx.Done()
	g.log.Info("gateway stops", "in_hand", g.inHand.len())
	g.drain(&workers)
	stopWorking()
	workers.Wait()
	stopEdges()
	outside.Wait()
	g.openings.Wait()
	g.line.close()
	g.client.CloseIdleConnections()
	return g.store.Close()
}

// drain waits for the work in hand, at most drainTime.
func (g *Gateway) drain(workers *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { // ends with the workers, for which Run waits
		workers.Wait()
		close(done)
	}()
	t := time.NewTimer(drainTime)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}

// housekeep ratchets the keys and looks after long messages that stay incomplete.
func (g *Gateway) housekeep(ctx context.Context) {
	t := time.NewTicker(housekeeping)
	defer t.Stop()
	for {
		if err := g.keyring.Advance(); err != nil {
			g.log.Error("old keys are gone from memory but not from the file", "file", g.cfg.KEK.File, "error", err)
		}
		for p := range g.store.partitions {
			if err := g.overdue(ctx, p); err != nil && ctx.Err() == nil {
				g.log.Warn("overdue parts not looked after", "error", err)
				break
			}
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}
