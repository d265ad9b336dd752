package bank

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"starhash/bank/ledger"
	"starhash/bank/link"
	"starhash/configs/secret"
)

// TestMain lowers rapid's 100 histories a property: each opens a database.
// -rapid.checks=1000 is for a long look.
func TestMain(m *testing.M) {
	flag.Set("rapid.checks", "30")
	flag.Parse()
	os.Exit(m.Run())
}

// Three customers, and what they have.
const (
	tendai = "263771000001" // 100.00 USD
	rudo   = "263771000002" // 50.00 USD
	farai  = "263771000003" // nothing
	juma   = "254700000004" // 1,000.00 KES
	people = AccountColumns + `
263771000001,648010000000001,Tendai Moyo,1357,100.00,USD
263771000002,648010000000002,Rudo Sibanda,2468,50.00,
263771000003,648010000000003,Farai,1593,0,USD
254700000004,639020000000004,Juma Otieno,8642,1000,KES
`
)

var pinOf = map[string]string{tendai: "1357", rudo: "2468", farai: "1593", juma: "8642"}

func identity(msisdn string) link.Identity {
	prefix := "64801000000000"
	if msisdn == juma {
		prefix = "63902000000000"
	}
	return link.Identity{MSISDN: msisdn, IMSI: prefix + msisdn[len(msisdn)-1:], Source: link.SourceRegistry}
}

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is a bank, its files and its log.
type world struct {
	*Bank
	t      testing.TB
	dir    string
	clock  *clock
	static secret.Value
	pinKey *link.PINKey
	logged *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newWorld opens a bank with the people's accounts. change may be nil.
func newWorld(t testing.TB, change func(*Config)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), clock: newClock(), static: link.NewKey(), logged: &safeBuffer{}}
	var err error
	if w.pinKey, err = link.NewPINKey("pk1"); err != nil {
		t.Fatal(err)
	}
	private, err := w.pinKey.Format()
	if err != nil {
		t.Fatal(err)
	}
	w.write("static", link.FormatKey(w.static).Reveal())
	w.write("pin", private.Reveal())
	w.write("verify", link.FormatKey(link.NewKey()).Reveal())
	p := testPKI()
	w.write("ca.pem", p.ca)
	w.write("bank.pem", p.bank.cert)
	w.write("bank.key", p.bank.key)
	w.start(change)
	w.importPeople()
	return w
}

func (w *world) importPeople() {
	w.t.Helper()
	if got, err := w.Accounts().Import(w.t.Context(), strings.NewReader(people)); err != nil || got.Created != 4 {
		w.t.Fatalf("import: %+v, %v", got, err)
	}
}

// rawDatabase opens a file without the store's checks.
func rawDatabase(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (w *world) write(name string, content []byte) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), content, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) config() Config {
	var c Config
	c.SetDefaults()
	c.Listen = "127.0.0.1:0"
	c.TLS = TLS{CertFile: w.path("bank.pem"), KeyFile: w.path("bank.key"), ClientCAFile: w.path("ca.pem")}
	c.Database = w.path("bank.db")
	c.Operators = []Operator{{Name: "op1", StaticKeys: []StaticKey{{ID: "sk1", File: w.path("static")}}}}
	c.PINKeyFile, c.PINVerifyKeyFile = w.path("pin"), w.path("verify")
	return c
}

// start opens the bank on the world's files.
func (w *world) start(change func(*Config)) {
	w.t.Helper()
	cfg := w.config()
	if change != nil {
		change(&cfg)
	}
	if problems := cfg.Validate(); len(problems) != 0 {
		w.t.Fatal(problems)
	}
	b, err := newBank(cfg, slog.New(slog.NewTextHandler(w.logged, &slog.HandlerOptions{Level: slog.LevelDebug})), w.clock.now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { b.Close() })
	w.Bank = b
}

// post is a request to the bank's handler, without the wire.
func (w *world) post(path string, msg []byte) ([]byte, error) {
	rec := httptest.NewRecorder()
	w.linkHandler().ServeHTTP(rec, httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, path, bytes.NewReader(msg)))
	if rec.Code != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d: %s", rec.Code, rec.Body)
	}
	return rec.Body.Bytes(), nil
}

func (w *world) balanceOf(msisdn string) int64 {
	w.t.Helper()
	s, err := w.Accounts().Show(w.t.Context(), msisdn)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Balance
}

// balanced fails unless the ledger is.
func (w *world) balanced() {
	w.t.Helper()
	if _, err := w.Accounts().Total(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}

// wantBalances checks what the first three customers have, in cents.
func (w *world) wantBalances(a, b, c int64) {
	w.t.Helper()
	if ga, gb, gc := w.balanceOf(tendai), w.balanceOf(rudo), w.balanceOf(farai); ga != a || gb != b || gc != c {
		w.t.Errorf("balances %d, %d, %d; want %d, %d, %d", ga, gb, gc, a, b, c)
	}
	w.balanced()
}

// internal is what the bank's own account for a purpose holds in USD, in cents.
func (w *world) internal(purpose string) int64 {
	w.t.Helper()
	a, err := ledger.Find(w.store.db, purpose+":USD")
	if err != nil && !errors.Is(err, ledger.ErrNoAccount) {
		w.t.Fatal(err)
	}
	return a.Balance
}

// wantAlarms checks how many alarms were logged.
func (w *world) wantAlarms(n int) {
	w.t.Helper()
	if got := strings.Count(w.logged.String(), "msg=alarm"); got != n {
		w.t.Errorf("%d alarms logged, want %d:\n%s", got, n, w.logged)
	}
}

// gateway is the other end: link's gateway end, a boot's numbers and an epoch.
type gateway struct {
	t       testing.TB
	send    func(path string, msg []byte) ([]byte, error)
	end     link.Gateway
	numbers *link.Numbers
	epoch   *link.Epoch
	sealer  *link.PINSealer
}

// gateway joins an epoch through the handler.
func (w *world) gateway() *gateway { return w.gatewayOver(w.post) }

func (w *world) gatewayOver(send func(string, []byte) ([]byte, error)) *gateway {
	w.t.Helper()
	g := &gateway{t: w.t, send: send, end: link.Gateway{Operator: "op1", KeyID: "sk1", StaticKey: w.static, Node: 7}}
	var err error
	if g.sealer, err = link.NewPINSealer(w.pinKey.Public()); err != nil {
		w.t.Fatal(err)
	}
	g.join()
	g.numbers = link.NewNumbers("op1", 7, g.epoch.LastBoot+1)
	return g
}

func (g *gateway) must(path string, msg []byte) []byte {
	g.t.Helper()
	out, err := g.send(path, msg)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

func (g *gateway) join() {
	g.t.Helper()
	hello := g.end.Hello()
	join, err := hello.Join(g.must(link.PathEpoch, hello.Message))
	if err != nil {
		g.t.Fatal(err)
	}
	if g.epoch, err = hello.Finish(g.must(link.PathJoin, join)); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gateway) tryOpen(ids ...link.Identity) []link.OpenedSerial {
	g.t.Helper()
	var openings []link.Opening
	for _, id := range ids {
		openings = append(openings, link.Opening{Serial: g.numbers.Serial(), Identity: id, At: time.Unix(1740830400, 0)})
	}
	batch, err := g.epoch.Open(openings)
	if err != nil {
		g.t.Fatal(err)
	}
	out, err := batch.Finish(g.must(link.PathOpen, batch.Message))
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// open opens a serial for a subscriber.
func (g *gateway) open(msisdn string) *link.DynamicKeys {
	g.t.Helper()
	o := g.tryOpen(identity(msisdn))[0]
	if o.Result != link.Opened {
		g.t.Fatalf("opening for %s: %d", msisdn, o.Result)
	}
	return o.Keys
}

func (g *gateway) pin(pin, msisdn string, id link.TxID, pos link.PINPosition) link.Capsule {
	g.t.Helper()
	c, err := g.sealer.Seal(secret.New([]byte(pin)), msisdn, id, pos)
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

// request is a request of a subscriber with a PIN.
func (g *gateway) request(kind link.Kind, msisdn, pin string) *link.Request {
	q := &link.Request{Identity: identity(msisdn), ID: g.numbers.TxID(), Kind: kind, Asked: time.Unix(1740830400, 0)}
	q.PIN = g.pin(pin, msisdn, q.ID, link.PINCurrent)
	return q
}

func (g *gateway) transfer(from, to string, amount int64) *link.Request {
	q := g.request(link.KindTransfer, from, pinOf[from])
	q.Amount, q.Currency, q.Payee = amount, "USD", to
	return q
}

func (g *gateway) pinChange(msisdn, old, new string) *link.Request {
	q := g.request(link.KindPINChange, msisdn, old)
	q.NewPIN = g.pin(new, msisdn, q.ID, link.PINNew)
	return q
}

// airtime is airtime for a number, bought by a customer.
func (g *gateway) airtime(from, number string, amount int64) *link.Request {
	q := g.request(link.KindAirtime, from, pinOf[from])
	q.Amount, q.Currency, q.Payee = amount, "USD", number
	return q
}

func (g *gateway) bill(from, biller, account string, amount int64) *link.Request {
	q := g.request(link.KindBill, from, pinOf[from])
	q.Amount, q.Currency, q.Biller, q.Account = amount, "USD", biller, account
	return q
}

func (g *gateway) lookup(from, payee string) *link.Request {
	return &link.Request{Identity: identity(from), ID: g.numbers.TxID(), Kind: link.KindLookup, Payee: payee}
}

// withCode is a request that has a one-time code in place of its PIN.
func withCode(q *link.Request) *link.Request {
	q.PIN, q.Auth = nil, link.AuthCode
	return q
}

func (g *gateway) inquiry(msisdn string, target link.TxID) *link.Request {
	return &link.Request{Identity: identity(msisdn), ID: g.numbers.TxID(), Kind: link.KindInquire, Target: target}
}

// sendSealed sends sealed bytes and opens the answer.
func (g *gateway) sendSealed(k *link.DynamicKeys, msg []byte) (*link.Reply, error) {
	g.t.Helper()
	return k.OpenReply(msg, g.must(link.PathTransact, msg), g.end.StaticKey)
}

// ask sends a request under a fresh serial.
func (g *gateway) ask(q *link.Request) (*link.Reply, error) {
	g.t.Helper()
	k := g.open(q.Identity.MSISDN)
	return g.sendSealed(k, k.SealRequest(q))
}

// want sends a request under a fresh serial and checks the outcome.
func (g *gateway) want(q *link.Request, o link.Outcome) *link.Reply {
	g.t.Helper()
	r, err := g.ask(q)
	if err != nil {
		g.t.Fatalf("%v: %v, want %v", q.Kind, err, o)
	}
	if r.Outcome != o {
		g.t.Fatalf("%v: %v, want %v", q.Kind, r.Outcome, o)
	}
	return r
}

// wantCode checks that an error is the bank's authenticated refusal.
func wantCode(t testing.TB, err error, code link.Code) {
	t.Helper()
	e, _ := err.(*link.Error)
	if e == nil || e.Code != code || !e.Authenticated {
		t.Errorf("got %v, want an authenticated %v", err, code)
	}
}

// pki is a certificate authority, a bank's certificate and two gateways' ones;
// the stranger's is of another authority.
type pki struct {
	ca                             []byte
	bank, gateway, other, stranger pair
}

type pair struct{ cert, key []byte }

var testPKI = sync.OnceValue(func() pki {
	ours, theirs := newCA("Starhash test CA"), newCA("Another CA")
	return pki{
		ca:   ours.pem,
		bank: ours.issue("bank"), gateway: ours.issue("gw-op1"), other: ours.issue("gw-op2"),
		stranger: theirs.issue("gw-op1"),
	}
})

type ca struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newCA(name string) ca {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	cert, _ := x509.ParseCertificate(der)
	return ca{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (c ca) issue(cn string) pair {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: cn},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, c.cert, &key.PublicKey, c.key)
	if err != nil {
		panic(err)
	}
	raw, _ := x509.MarshalPKCS8PrivateKey(key)
	return pair{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})}
}

func secretOf(s string) secret.Value { return secret.New([]byte(s)) }
