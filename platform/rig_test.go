package platform

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"starhash/bank"
	"starhash/bank/link"
	"starhash/configs/secret"
	"starhash/smpp"
	"starhash/smpp/smsc"
)

// The tests of this package run a gateway, or two, against a real Redis, the
// real bank and the simulated SMSC, each over its own sockets, with a man in the
// middle (middle_test.go) between gateway and bank.

// patience bounds every wait for something that has to happen.
const patience = 20 * time.Second

// TestMain lets tests overlap, for they mostly wait, and ends the shared Redis.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", "6")
	flag.Set("rapid.checks", "60")
	flag.Parse()
	code := m.Run()
	if shared.server != nil {
		shared.server.stop()
	}
	os.Exit(code)
}

// redisServer is a redis-server process.
type redisServer struct {
	addr string
	pid  int
	dir  string
	cmd  *exec.Cmd
	life io.Closer // closed, or this process gone: the server is killed
}

// startRedis runs Debian's redis-server on a free port.
func startRedis() (*redisServer, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New("these tests need redis-server: apt-get install redis-server (or go test -short)")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	dir, err := os.MkdirTemp("", "starhash-redis-")
	if err != nil {
		return nil, err
	}
	// The shell outlives nobody: when the pipe ends, so does the server.
	cmd := exec.Command("sh", "-c", `"$@" </dev/null >/dev/null & p=$!; read _; kill -9 $p; wait`, "sh",
		path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir, "--databases", "512")
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &redisServer{addr: addr, dir: dir, cmd: cmd, life: life}
	c := redis.NewClient(&redis.Options{Addr: addr})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		info, err := c.Info(ctx, "server").Result()
		if err == nil {
			_, rest, _ := strings.Cut(info, "process_id:")
			rest, _, _ = strings.Cut(rest, "\r\n")
			s.pid, err = strconv.Atoi(rest)
			return s, err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			s.stop()
			return nil, fmt.Errorf("redis-server does not answer: %w", err)
		}
	}
}

func (s *redisServer) stop() {
	s.life.Close()
	_ = s.cmd.Wait() // killed: its status says nothing
	os.RemoveAll(s.dir)
}

// freeze stops the process as a machine that hangs would; thaw lets it go on.
func (s *redisServer) freeze(t testing.TB) { s.signal(t, syscall.SIGSTOP) }
func (s *redisServer) thaw(t testing.TB)   { s.signal(t, syscall.SIGCONT) }

func (s *redisServer) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(s.pid, sig); err != nil {
		t.Fatal(err)
	}
}

// shared is the Redis of all tests that do not hurt it; each has a database.
var shared struct {
	once   sync.Once
	server *redisServer
	err    error
	last   atomic.Int64
}

// redisURL gives a database of its own in the shared Redis.
func redisURL(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs redis-server")
	}
	shared.once.Do(func() { shared.server, shared.err = startRedis() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return fmt.Sprintf("redis://%s/%d", shared.server.addr, shared.last.Add(1))
}

// ownRedis gives a Redis that the test may hurt.
func ownRedis(t testing.TB) *redisServer {
	t.Helper()
	if testing.Short() {
		t.Skip("runs redis-server")
	}
	s, err := startRedis()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

// The people of the tests.
const (
	tendai = "263771000001" // 100.00 USD, English
	rudo   = "263771000002" // 50.00 USD, English
	farai  = "263771000003" // 5.00 USD, French
	people = bank.AccountColumns + `
263771000001,648010000000001,Tendai Moyo,1357,100.00,USD
263771000002,648010000000002,Rudo Sibanda,2468,50.00,USD
263771000003,648010000000003,Farai Ncube,1593,5.00,USD
`
	shortCode = "7001"
	imsiTLV   = 0x1502
)

// rig is a bank, the man in the middle, an SMSC and a Redis, for gateways.
type rig struct {
	t        *testing.T
	dir      string
	redisURL string
	redis    *redis.Client
	bank     *bank.Bank
	endBank  func()
	middle   *middle
	smsc     *smsc.SMSC
	phones   *smsc.Client
	log      *logBuffer

	mu   sync.Mutex
	read map[string]uint64 // last message seen, by phone
}

// rigOption changes a rig before it starts.
type rigOption func(*rigConfig)

type rigConfig struct {
	redisURL string
	smsc     smsc.Config
	noIMSI   bool
}

func onRedis(url string) rigOption { return func(c *rigConfig) { c.redisURL = url } }

// withoutIMSI makes the SMSC send no IMSI, so that the registry's counts.
func withoutIMSI() rigOption { return func(c *rigConfig) { c.noIMSI = true } }

func withSMSC(change func(*smsc.Config)) rigOption {
	return func(c *rigConfig) { change(&c.smsc) }
}

func newRig(t *testing.T, options ...rigOption) *rig {
	t.Helper()
	var cfg rigConfig
	cfg.smsc = smsc.Config{Listen: "127.0.0.1:0", HTTP: "127.0.0.1:0", SystemID: "gw1", Password: secret.New([]byte("pw")),
		Accounts: []smsc.Account{{SystemID: "gw2", Password: secret.New([]byte("pw"))}},
		RetryMin: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond, MaxTries: 1000, IMSITLV: imsiTLV, Seed: 1}
	for _, o := range options {
		o(&cfg)
	}
	if cfg.redisURL == "" {
		cfg.redisURL = redisURL(t)
	}
	r := &rig{t: t, dir: t.TempDir(), redisURL: cfg.redisURL, log: &logBuffer{}, read: map[string]uint64{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what was logged:\n%s", r.log)
		}
	})
	if cfg.redisURL != Embedded {
		o, err := redis.ParseURL(cfg.redisURL)
		if err != nil {
			t.Fatal(err)
		}
		r.redis = redis.NewClient(o)
		t.Cleanup(func() { r.redis.Close() })
	}
	r.writeKeys()
	r.startBank()
	b, err := r.bank.Accounts().Import(t.Context(), strings.NewReader(people))
	if err != nil || b.Created != 3 {
		t.Fatalf("accounts: %+v, %v", b, err)
	}
	r.middle = newMiddle(t, r.dir)
	r.middle.forward(r.bank.Addr().String())

	for i, msisdn := range []string{tendai, rudo, farai} {
		p := smsc.Phone{MSISDN: msisdn}
		if !cfg.noIMSI {
			p.IMSI = imsiOf(i + 1)
		}
		cfg.smsc.Phones = append(cfg.smsc.Phones, p)
	}
	cfg.smsc.SetDefaults()
	r.smsc = smsc.New(cfg.smsc, r.logger("smsc"))
	if err := r.smsc.Listen(); err != nil {
		t.Fatal(err)
	}
	r.phones = &smsc.Client{BaseURL: "http://" + r.smsc.HTTPAddr()}
	r.runs(r.smsc.Run)
	return r
}

func imsiOf(n int) string { return fmt.Sprintf("64801%010d", n) }

func (r *rig) logger(role string) *slog.Logger {
	return slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelInfo})).With("role", role)
}

// runs runs a role until the test ends, or until end is called.
func (r *rig) runs(run func(context.Context) error) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil && !errors.Is(err, redis.ErrClosed) { // closed by a test that kills
				r.t.Errorf("a role ended with %v", err)
			}
		case <-time.After(2 * patience):
			r.t.Error("a role did not end")
		}
	})
	r.t.Cleanup(end)
	return end
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) writeKeys() {
	r.t.Helper()
	pin, err := link.NewPINKey("pin1")
	if err != nil {
		r.t.Fatal(err)
	}
	private, err := pin.Format()
	if err != nil {
		r.t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"static.key": link.FormatKey(link.NewKey()).Reveal(), "verify.key": link.FormatKey(link.NewKey()).Reveal(),
		"pin.key": private.Reveal(), "pin.pub": []byte(link.FormatPINPublicKey(pin.Public())),
	} {
		if err := os.WriteFile(r.path(name), content, 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := NewKeyring(time.Now()).Write(r.path("gateway.kek")); err != nil {
		r.t.Fatal(err)
	}
	if err := link.WriteCertificates(r.dir, "op1", []string{"127.0.0.1"}); err != nil {
		r.t.Fatal(err)
	}
}

// startBank opens the bank on its database; after endBank it is a bank that was
// restarted and has lost the keys that it keeps in memory.
func (r *rig) startBank() {
	r.t.Helper()
	var cfg bank.Config
	cfg.SetDefaults()
	cfg.Listen, cfg.Database = "127.0.0.1:0", r.path("bank.db")
	cfg.TLS = bank.TLS{CertFile: r.path("bank.pem"), KeyFile: r.path("bank-key.pem"), ClientCAFile: r.path("ca.pem")}
	cfg.Operators = []bank.Operator{{Name: "op1", StaticKeys: []bank.StaticKey{{ID: "sk1", File: r.path("static.key")}}, ClientCN: "op1", WithoutPIN: "20.00"}}
	cfg.Limits.Daily = 100_000_000
	cfg.PINKeyFile, cfg.PINVerifyKeyFile = r.path("pin.key"), r.path("verify.key")
	cfg.Airtime = true
	cfg.Billers = []bank.Biller{{Code: "ZESA", Name: "ZESA Holdings", Account: "[0-9]{11}"}}
	b, err := bank.New(cfg, r.logger("bank"))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := b.Listen(); err != nil {
		r.t.Fatal(err)
	}
	r.bank = b
	r.endBank = r.runs(b.Run)
}

// restartBank is a bank that comes back without the keys in its memory.
func (r *rig) restartBank() {
	r.t.Helper()
	r.endBank()
	r.startBank()
	r.middle.forward(r.bank.Addr().String())
}

// gatewayConfig is a gateway's configuration; node 1 binds as gw1, node 2 as gw2.
func (r *rig) gatewayConfig(node uint16) Config {
	var cfg Config
	cfg.SMPP.Binds = []smpp.BindConfig{{Name: "bind", Address: r.smsc.Addr(), SystemID: fmt.Sprintf("gw%d", node), Password: secret.New([]byte("pw")),
		Bind: smpp.Transceiver, IMSITLV: imsiTLV, RequestReceipts: true, ReconnectMin: 20 * time.Millisecond, ReconnectMax: 100 * time.Millisecond}}
	cfg.ShortCode, cfg.ServiceCode, cfg.Country, cfg.Currency = shortCode, "*700#", "263", "USD"
	cfg.Node = node
	cfg.Redis.URL = secret.New([]byte(r.redisURL))
	cfg.Redis.Partitions = 4
	cfg.Bank.URL, cfg.Bank.Operator = "https://"+r.middle.addr, "op1"
	cfg.Bank.StaticKey.ID, cfg.Bank.StaticKey.File, cfg.Bank.PINKey.File = "sk1", r.path("static.key"), r.path("pin.pub")
	cfg.Bank.TLS.CAFile, cfg.Bank.TLS.CertFile, cfg.Bank.TLS.KeyFile = r.path("ca.pem"), r.path("gateway.pem"), r.path("gateway-key.pem")
	cfg.KEK.File = r.path("gateway.kek")
	cfg.SetDefaults()
	return cfg
}

// open makes a gateway that is not run yet, with the people as its subscribers.
func (r *rig) open(node uint16, change func(*Config)) *Gateway {
	r.t.Helper()
	cfg := r.gatewayConfig(node)
	if change != nil {
		change(&cfg)
	}
	g, err := Open(r.t.Context(), cfg, r.logger(fmt.Sprintf("gateway %d", node)))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := g.store.PutSubscribers(r.t.Context(), []Subscriber{
		{MSISDN: tendai, IMSI: imsiOf(1), Bank: "bank", Language: "en", Status: Active},
		{MSISDN: rudo, IMSI: imsiOf(2), Bank: "bank", Language: "en", Status: Active},
		{MSISDN: farai, IMSI: imsiOf(3), Bank: "bank", Language: "fr", Status: Active},
	}); err != nil {
		r.t.Fatal(err)
	}
	return g
}

// running is a gateway at work.
type running struct {
	*Gateway
	end func()
}

// gateway opens and runs a gateway and waits until it is bound.
func (r *rig) gateway(node uint16, change func(*Config)) *running {
	r.t.Helper()
	g := &running{Gateway: r.open(node, change)}
	g.end = r.runs(g.Run)
	r.bound(g)
	return g
}

func (r *rig) bound(g *running) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for _, b := range g.binds {
		if err := b.AwaitBound(ctx); err != nil {
			r.t.Fatalf("not bound: %v", err)
		}
	}
}

// mo sends a phone's message and waits until the SMSC is done with it.
func (r *rig) mo(m smsc.MO) smsc.MOResult {
	r.t.Helper()
	m.To = shortCode
	res, err := r.phones.SendMO(r.t.Context(), m)
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

// sms sends a phone's message, which has to be acknowledged.
func (r *rig) sms(from, text string) smsc.MOResult {
	r.t.Helper()
	res := r.mo(smsc.MO{From: from, Text: text})
	if !res.OK() {
		r.t.Fatalf("%q was not acknowledged: %+v", text, res.Parts)
	}
	return res
}

// umr marks a message with a user_message_reference, as many handsets do.
func umr(n byte) []smsc.TLV {
	return []smsc.TLV{{Tag: smsc.Tag(smpp.TagUserMessageReference), Value: []byte{0, n}}}
}

// redeliver makes the SMSC send the same PDUs again.
func (r *rig) redeliver(m smsc.MOResult) smsc.MOResult {
	r.t.Helper()
	res, err := r.phones.Redeliver(r.t.Context(), m.ID)
	if err != nil || !res.OK() {
		r.t.Fatalf("redelivered: %+v, %v", res, err)
	}
	return res
}

// next is the next message that a phone receives.
func (r *rig) next(phone string) string {
	r.t.Helper()
	m, ok := r.inbox(phone, patience)
	if !ok {
		r.t.Fatalf("nothing came to %s", phone)
	}
	return m.Text
}

func (r *rig) inbox(phone string, wait time.Duration) (smsc.InboxMessage, bool) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	ms, err := r.phones.Inbox(r.t.Context(), phone, r.read[phone], wait)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(ms) == 0 {
		return smsc.InboxMessage{}, false
	}
	r.read[phone] = ms[0].N
	return ms[0], true
}

// says checks that the phone's next message holds all of want, and returns it.
func (r *rig) says(phone string, want ...string) string {
	r.t.Helper()
	text := r.next(phone)
	for _, w := range want {
		if !strings.Contains(text, w) {
			r.t.Fatalf("%s reads %q, want %q in it", phone, text, w)
		}
	}
	return text
}

// eventually waits until ok holds.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			r.t.Fatalf("in vain: %s", what)
		}
		time.Sleep(5 * time.Millisecond) // a state of Redis tells nobody when it changes
	}
}

// settled waits until journal and outbox are empty: all that was to be done is done.
func (r *rig) settled() {
	r.t.Helper()
	r.eventually("journal and outbox empty", func() bool {
		for p := range 4 {
			for _, name := range []string{"journal", "outbox"} {
				if n, err := r.redis.XLen(r.t.Context(), key(p, name)).Result(); err != nil || n > 0 {
					return false
				}
			}
			if n, err := r.redis.ZCard(r.t.Context(), key(p, "later")).Result(); err != nil || n > 0 {
				return false
			}
		}
		return true
	})
}

// nothingMore checks that all is done and that a phone was sent no more than it
// has read.
func (r *rig) nothingMore(phones ...string) {
	r.t.Helper()
	r.settled()
	for _, p := range phones {
		if m, ok := r.inbox(p, time.Millisecond); ok {
			r.t.Errorf("%s also reads %q", p, m.Text)
		}
	}
}

// money checks what the people have, in cents, and that none was made or lost.
func (r *rig) money(a, b, c int64) {
	r.t.Helper()
	acc := r.bank.Accounts()
	for i, want := range []int64{a, b, c} {
		s, err := acc.Show(r.t.Context(), []string{tendai, rudo, farai}[i])
		if err != nil {
			r.t.Fatal(err)
		}
		if s.Balance != want {
			r.t.Errorf("%s has %d, want %d", s.MSISDN, s.Balance, want)
		}
	}
	if _, err := acc.Total(r.t.Context()); err != nil {
		r.t.Error(err)
	}
}

// start is what the people have at first.
func (r *rig) nothingMoved() { r.t.Helper(); r.money(10000, 5000, 500) }

// transactions are the records in Redis, by reference.
func (r *rig) transactions() map[string]*Transaction {
	r.t.Helper()
	out := map[string]*Transaction{}
	keys, err := r.redis.Keys(r.t.Context(), "{p*}:tx:*").Result()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, k := range keys {
		m, err := r.redis.HGetAll(r.t.Context(), k).Result()
		if err != nil {
			r.t.Fatal(err)
		}
		ref := k[strings.LastIndex(k, ":")+1:]
		tx, err := parseTransaction(ref, m)
		if err != nil {
			r.t.Errorf("%s: %v", k, err)
			continue
		}
		out[ref] = tx
	}
	return out
}

// only is the one transaction that there is.
func (r *rig) only() *Transaction {
	r.t.Helper()
	all := r.transactions()
	if len(all) != 1 {
		r.t.Fatalf("%d transactions, want 1", len(all))
	}
	for _, tx := range all {
		return tx
	}
	return nil
}

// becomes waits until the one transaction is in a state.
func (r *rig) becomes(s State) *Transaction {
	r.t.Helper()
	var tx *Transaction
	r.eventually("transaction "+string(s), func() bool {
		for _, t := range r.transactions() {
			tx = t
		}
		return tx != nil && tx.State == s
	})
	return tx
}

// metric sums a counter over its labels.
func (g *running) metric(t testing.TB, name string) float64 {
	t.Helper()
	families, err := g.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func (g *running) alarms(t testing.TB) int { return int(g.metric(t, "starhash_alarms_total")) }

// logBuffer collects what all roles log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
