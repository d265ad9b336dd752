package bank

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"starhash/bank/link"
	"starhash/configs/secret"
)

const (
	// keyLife is how long an opened serial can be used.
	keyLife = 10 * time.Minute
	// stopWithin bounds how long Run waits for requests that are under way.
	stopWithin = 10 * time.Second
)

// Bank is the bank service server.
type Bank struct {
	cfg   Config
	log   *slog.Logger
	now   func() time.Time
	link  *link.Bank
	vault *vault
	store *store
	keys  map[link.Operator]map[link.KeyID]secret.Value

	billers    map[string]biller
	withoutPIN map[link.Operator]int64 // minor units of cfg.Currency; 0 is nothing

	selectExchange *sql.Stmt // on a reader's connection: the way of every repeat

	tls             *tls.Config
	clientCN        map[link.Operator]string
	listener, admin net.Listener
}

// New reads the keys and opens the database. Run, or else Close, ends what it
// began.
func New(cfg Config, log *slog.Logger) (*Bank, error) { return newBank(cfg, log, time.Now) }

func newBank(cfg Config, log *slog.Logger, now func() time.Time) (*Bank, error) {
	b := &Bank{cfg: cfg, log: log, now: now}
	b.clientCN = make(map[link.Operator]string)
	for _, o := range cfg.Operators {
		b.clientCN[link.Operator(o.Name)] = o.ClientCN
	}
	var err error
	if b.withoutPIN, err = readWithoutPIN(cfg); err != nil {
		return nil, err
	}
	if b.billers, err = readBillers(cfg.Billers); err != nil {
		return nil, err
	}
	if b.keys, err = readStaticKeys(cfg.Operators); err != nil {
		return nil, err
	}
	if b.vault, err = readVault(cfg); err != nil {
		return nil, err
	}
	if b.tls, err = serverTLS(cfg.TLS); err != nil {
		return nil, err
	}
	if b.store, err = openStore(cfg.Database, log); err != nil {
		return nil, err
	}
	if b.selectExchange, err = b.store.db.Prepare(selectExchange); err != nil {
		b.store.close()
		return nil, err
	}
	b.link = link.NewBank(link.BankConfig{StaticKeys: b.staticKey, KeyLife: keyLife, Now: now})
	return b, nil
}

func (b *Bank) staticKey(op link.Operator, id link.KeyID) (secret.Value, bool) {
	k, ok := b.keys[op][id]
	return k, ok
}

func readStaticKeys(operators []Operator) (map[link.Operator]map[link.KeyID]secret.Value, error) {
	keys := make(map[link.Operator]map[link.KeyID]secret.Value)
	for _, o := range operators {
		of := make(map[link.KeyID]secret.Value)
		for _, k := range o.StaticKeys {
			v, err := link.ReadKey(k.File)
			if err != nil {
				return nil, fmt.Errorf("operator %s: static key %s: %w", o.Name, k.ID, err)
			}
			of[link.KeyID(k.ID)] = v
		}
		keys[link.Operator(o.Name)] = of
	}
	return keys, nil
}

func readVault(cfg Config) (*vault, error) {
	verify, err := link.ReadKey(cfg.PINVerifyKeyFile)
	if err != nil {
		return nil, fmt.Errorf("PIN verification key: %w", err)
	}
	text, err := secret.ReadFile(cfg.PINKeyFile)
	if err != nil {
		return nil, fmt.Errorf("PIN key: %w", err)
	}
	defer text.Wipe()
	capsules, err := link.ParsePINKey(text)
	if err != nil {
		return nil, fmt.Errorf("PIN key: %s: %w", cfg.PINKeyFile, err)
	}
	return &vault{capsules: capsules, verify: verify}, nil
}

// serverTLS asks every client for a certificate of our authority. TLS 1.3 only:
// both ends are ours.
func serverTLS(cfg TLS) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("TLS certificate: %w", err)
	}
	pem, err := os.ReadFile(cfg.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("TLS client authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("TLS client authority: %s holds no certificate", cfg.ClientCAFile)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		ClientCAs:    pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		MinVersion:   tls.VersionTLS13,
	}, nil
}

// Listen opens the listeners, so that Addr and AdminAddr tell their ports.
func (b *Bank) Listen() error {
	l, err := net.Listen("tcp", b.cfg.Listen)
	if err != nil {
		return err
	}
	b.listener = l
	if b.cfg.Admin.Listen == "" {
		return nil
	}
	if b.admin, err = net.Listen("tcp", b.cfg.Admin.Listen); err != nil {
		l.Close()
		b.listener = nil
		return err
	}
	return nil
}

// Addr is the address of the sealed link, after Listen.
func (b *Bank) Addr() net.Addr { return b.listener.Addr() }

// AdminAddr is the address of /healthz and /readyz, nil if there is none.
func (b *Bank) AdminAddr() net.Addr {
	if b.admin == nil {
		return nil
	}
	return b.admin.Addr()
}

// Run serves until ctx ends, then lets the requests under way finish and closes
// the database. It calls Listen unless that was done.
func (b *Bank) Run(ctx context.Context) error {
	defer b.Close()
	if b.listener == nil {
		if err := b.Listen(); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	b.serve(ctx, g, b.listener, b.tls, b.linkHandler())
	if b.admin != nil {
		b.serve(ctx, g, b.admin, nil, b.adminHandler())
	}
	g.Go(func() error { b.sweep(ctx); return nil })
	b.log.Info("bank is up", "listen", b.Addr().String(), "operators", len(b.cfg.Operators))
	err := g.Wait()
	b.log.Info("bank stops")
	return err
}

// sweepEvery is how long a quiet link may keep a secret beyond its life.
const sweepEvery = 5 * time.Second

// sweep destroys the link's ended secrets until ctx ends.
func (b *Bank) sweep(ctx context.Context) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			b.link.Sweep()
		case <-ctx.Done():
			return
		}
	}
}

// serve runs an HTTP server in g until ctx ends; with TLS if there is a
// configuration for it, and then HTTP/2 for gateways that speak it.
func (b *Bank) serve(ctx context.Context, g *errgroup.Group, l net.Listener, t *tls.Config, h http.Handler) {
	srv := &http.Server{
		Handler:   h,
		TLSConfig: t,
		// Also the bound of the TLS handshake.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(b.log.Handler(), slog.LevelInfo), // handshakes that failed, mostly
	}
	g.Go(func() error {
		serve := srv.Serve
		if t != nil {
			serve = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
		}
		if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		if err := srv.Shutdown(within); err != nil {
			return srv.Close()
		}
		return nil
	})
}

// Close ends what New and Listen began, for a Bank that is not Run. It may be
// called again.
func (b *Bank) Close() error {
	for _, l := range []net.Listener{b.listener, b.admin} {
		if l != nil {
			l.Close()
		}
	}
	b.selectExchange.Close()
	return b.store.close()
}

// Accounts gives access to the accounts of a bank in this process. It ends with
// the bank; its Close does nothing.
func (b *Bank) Accounts() *Accounts {
	return &Accounts{store: b.store, vault: b.vault, currency: b.cfg.Currency, now: b.now}
}

// adminHandler tells a supervisor how the process is.
func (b *Bank) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := b.store.ready(ctx); err != nil {
			b.log.Warn("not ready", "error", err)
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	if b.cfg.Admin.Profile {
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.Handle("GET /debug/pprof/allocs", pprof.Handler("allocs"))
	}
	return mux
}
