package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"starhash/smpp/smsc"
)

// The end-to-end tests run every role as a process of its own, from the files of
// configs as they are shipped and a real Redis. What differs (ports, short times)
// comes by environment.

// patience bounds every wait for something that has to happen.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	// Processes with the race detector sleep a second before they end, to let
	// others of their goroutines report; ours have ended theirs.
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	code := m.Run()
	if buildDir != "" {
		os.RemoveAll(buildDir)
	}
	os.Exit(code)
}

var buildDir string

// buildBinary builds the program under test once, with the race detector if the test
// itself has it.
var buildBinary = sync.OnceValues(func() (path string, err error) {
	if buildDir, err = os.MkdirTemp("", "starhash-e2e-"); err != nil {
		return "", err
	}
	path = filepath.Join(buildDir, "starhash")
	args := []string{"build", "-o", path}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// processes begins a test that starts processes, which -short leaves out.
func processes(t *testing.T, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts processes")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%s is not here; install it (Debian: apt-get install redis-server nodejs npm), or leave these tests out with: go test -short", p)
		}
	}
}

// person is a customer of the bank, and a subscriber if there is a language.
type person struct{ msisdn, imsi, name, language, balance string }

const shortCode = "7001"

// The people of the tests. Their PIN is the rig's.
var (
	tendai = person{"263771000001", "648010000000001", "Tendai Moyo", "en", "1000.00"}
	chipo  = person{"263771000002", "648010000000002", "Chipo Ncube", "fr", "500.00"}
	amina  = person{"263771000003", "648010000000003", "Amina Juma", "", "50.00"} // of another operator
	lucas  = person{"263771000004", "648010000000004", "Lucas Silva", "en", ""}   // no customer
)

// rig is the roles of one test and what they work with.
type rig struct {
	t        *testing.T
	dir      string // configs/, keys/, redis/, bank.db
	pin      string
	loglevel string
	env      map[string][]string // of each role, and of commands that use its file

	redisAddr               string
	gatewayAdmin, bankAdmin string
	smscHTTP                string

	redis, bank, smsc, gateway *process
	phones                     *smsc.Client
	read                       map[string]uint64 // messages read of each phone
}

// newRig makes the files, and starts Redis, into which the subscribers go, as
// the accounts go into the bank's database. The roles are started one by one.
func newRig(t *testing.T) *rig {
	processes(t, "redis-server")
	r := &rig{t: t, dir: t.TempDir(), pin: "4826", loglevel: "info", read: map[string]uint64{}}
	for _, file := range []string{"gateway.yaml", "bank.yaml", "smsc.yaml"} {
		text, err := os.ReadFile("../../configs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		r.write("configs/"+file, string(text))
	}
	r.redisAddr, r.gatewayAdmin, r.bankAdmin, r.smscHTTP = freeAddr(t), freeAddr(t), freeAddr(t), freeAddr(t)
	smscAddr, bankAddr := freeAddr(t), freeAddr(t)
	r.env = map[string][]string{
		"gateway": {
			"STARHASH_REDIS_URL=redis://" + r.redisAddr + "/0", "STARHASH_ADMIN_LISTEN=" + r.gatewayAdmin,
			"STARHASH_BANK_URL=https://" + bankAddr, "STARHASH_SMPP_BINDS_0_ADDRESS=" + smscAddr,
			"STARHASH_SMPP_BINDS_0_RECONNECT_MIN=50ms", "STARHASH_SMPP_BINDS_0_RECONNECT_MAX=200ms",
		},
		"bank": {"STARHASH_LISTEN=" + bankAddr, "STARHASH_ADMIN_LISTEN=" + r.bankAdmin},
		"smsc": {
			"STARHASH_LISTEN=" + smscAddr, "STARHASH_HTTP=" + r.smscHTTP,
			"STARHASH_RETRY_MIN=100ms", "STARHASH_RETRY_MAX=500ms", "STARHASH_MAX_TRIES=1000",
		},
	}
	r.phones = &smsc.Client{BaseURL: "http://" + r.smscHTTP}
	r.ok("", "keys", "all", "--dir", filepath.Join(r.dir, "keys"), "--operator", "op1", "--host", "127.0.0.1")
	r.startRedis()
	return r
}

// people fills the bank and the registry.
func (r *rig) people(all ...person) {
	accounts, subscribers := "msisdn,imsi,name,pin,balance,currency\n", "msisdn,imsi,bank,language,status\n"
	for _, p := range all {
		if p.balance != "" {
			accounts += strings.Join([]string{p.msisdn, p.imsi, p.name, r.pin, p.balance, "USD"}, ",") + "\n"
		}
		if p.language != "" {
			subscribers += strings.Join([]string{p.msisdn, p.imsi, "bank", p.language, "active"}, ",") + "\n"
		}
	}
	r.ok("bank", "accounts", "import", r.write("accounts.csv", accounts))
	r.ok("gateway", "subscribers", "import", r.write("subscribers.csv", subscribers))
}

// start fills in everybody and starts bank, SMSC simulator and gateway.
func (r *rig) start() {
	r.people(tendai, chipo, amina, lucas)
	r.startBank()
	r.startSMSC()
	r.startGateway()
}

func (r *rig) startRedis() {
	r.t.Helper()
	_, port, _ := net.SplitHostPort(r.redisAddr)
	dir := filepath.Join(r.dir, "redis")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		r.t.Fatal(err)
	}
	// always: what a killed process has answered is on the disk.
	r.redis = r.run("redis", "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "always")
	r.until("redis answers", func() bool {
		if r.redis.hasEnded() {
			r.t.Fatalf("redis-server ended:\n%s", r.redis.log.text())
		}
		c, err := net.DialTimeout("tcp", r.redisAddr, time.Second)
		if err != nil {
			return false
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Second))
		fmt.Fprint(c, "PING\r\n")
		var b [7]byte
		n, _ := c.Read(b[:])
		return string(b[:n]) == "+PONG\r\n" // not while it loads
	})
}

func (r *rig) startBank() {
	r.t.Helper()
	r.bank = r.role("bank")
	r.ready(r.bank, r.bankAdmin, "/readyz")
}

func (r *rig) startSMSC() {
	r.t.Helper()
	r.smsc = r.role("smsc")
	r.ready(r.smsc, r.smscHTTP, "/healthz")
}

func (r *rig) startGateway() {
	r.t.Helper()
	r.gateway = r.role("gateway")
	r.ready(r.gateway, r.gatewayAdmin, "/readyz")
}

func (r *rig) role(name string) *process {
	r.t.Helper()
	return r.run(name, program(r.t), name, "-c", r.config(name), "--log-level", r.loglevel)
}

func (r *rig) config(role string) string { return filepath.Join(r.dir, "configs", role+".yaml") }

// set adds environment to a role, before it is started.
func (r *rig) set(role string, env ...string) { r.env[role] = append(r.env[role], env...) }

// ready waits until a role says that it is.
func (r *rig) ready(p *process, addr, path string) {
	r.t.Helper()
	r.until(p.name+" is ready", func() bool {
		if p.hasEnded() {
			r.t.Fatalf("%s ended: %v", p.name, p.cmd.ProcessState)
		}
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// until asks a foreign process again and again, because nothing tells us.
func (r *rig) until(what string, done func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// cli runs a command; role says whose environment and file it uses, if any.
func (r *rig) cli(role string, args ...string) (out, errs string, code int) {
	r.t.Helper()
	if role != "" {
		args = append(args, "-c", r.config(role))
	}
	return command(r.t, r.env[role], args...)
}

// ok is cli for commands that have to succeed.
func (r *rig) ok(role string, args ...string) string {
	r.t.Helper()
	out, errs, code := r.cli(role, args...)
	if code != 0 {
		r.t.Fatalf("starhash %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// command runs starhash to its end.
func command(t *testing.T, env []string, args ...string) (out, errs string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, program(t), args...)
	c.Env = append(os.Environ(), env...)
	var o, e bytes.Buffer
	c.Stdout, c.Stderr = &o, &e
	err := c.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	return o.String(), e.String(), c.ProcessState.ExitCode()
}

func program(t *testing.T) string {
	t.Helper()
	path, err := buildBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func (r *rig) write(name, text string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// mo sends an SMS from a phone and waits until the gateway has acknowledged it,
// however often the SMSC has to send it.
func (r *rig) mo(from person, text string) smsc.MOResult {
	r.t.Helper()
	return r.moWith(smsc.MO{From: from.msisdn, Text: text})
}

func (r *rig) moWith(m smsc.MO) smsc.MOResult {
	r.t.Helper()
	m.To, m.Wait = shortCode, smsc.Duration(patience)
	res, err := r.phones.SendMO(r.t.Context(), m)
	if err != nil || !res.OK() {
		r.t.Fatalf("the message was not acknowledged: %+v %v", res, err)
	}
	return res
}

// next is the next message that a phone receives.
func (r *rig) next(p person) string {
	r.t.Helper()
	ms, err := r.phones.Inbox(r.t.Context(), p.msisdn, r.read[p.msisdn], patience)
	if err != nil || len(ms) == 0 {
		r.t.Fatalf("%s received nothing: %v", p.name, err)
	}
	r.read[p.msisdn] = ms[0].N
	return ms[0].Text
}

// expect is next for a message that matches.
func (r *rig) expect(p person, pattern string) []string {
	r.t.Helper()
	text := r.next(p)
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		r.t.Fatalf("%s received %q, want %q", p.name, text, pattern)
	}
	return m
}

// quiet makes sure that nothing else went to a phone: the answer to HELP, which
// goes through the same outbox, is the next message.
func (r *rig) quiet(p person) {
	r.t.Helper()
	r.mo(p, "HELP")
	r.expect(p, `^(SEND|ENVOYER) `)
}

var balanceLine = regexp.MustCompile(`(?m)^balance +USD ([0-9.,]+)$`)

// balance is what the bank's ledger holds for a customer.
func (r *rig) balance(p person) string {
	r.t.Helper()
	out := r.ok("bank", "accounts", "show", p.msisdn)
	m := balanceLine.FindStringSubmatch(out)
	if m == nil {
		r.t.Fatalf("no balance in:\n%s", out)
	}
	return m[1]
}

// moved makes sure that the ledger says this and sums to zero.
func (r *rig) moved(from person, left string, to person, held string) {
	r.t.Helper()
	if a, b := r.balance(from), r.balance(to); a != left || b != held {
		r.t.Fatalf("%s has %s and %s has %s, want %s and %s", from.name, a, to.name, b, left, held)
	}
	r.ok("bank", "accounts", "total")
}

// process is one that the test started.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   *logBuffer // what it wrote to both its outputs
	ended chan struct{}
}

// run starts a process that ends with the test.
func (r *rig) run(name, path string, args ...string) *process {
	r.t.Helper()
	p := &process{name: name, cmd: exec.Command(path, args...), log: new(logBuffer), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), r.env[name]...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	endWithParent(p.cmd)
	if err := p.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() { // ends with the process, which stop ends
		_ = p.cmd.Wait() // ProcessState says how it ended
		close(p.ended)
	}()
	r.t.Cleanup(func() {
		p.stop(r.t)
		if r.t.Failed() {
			r.t.Logf("--- %s wrote:\n%s", name, p.log.text())
		}
		if strings.Contains(p.log.text(), "DATA RACE") {
			r.t.Errorf("%s has a data race:\n%s", name, p.log.text())
		}
	})
	return p
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("%s: %v", p.name, err)
	}
}

// kill ends it without a chance to tidy up, and waits until it is gone.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	<-p.ended
}

// stop asks it to end, and insists when it does not; it gives the exit code.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	if !p.hasEnded() {
		p.signal(t, syscall.SIGCONT)
		p.signal(t, syscall.SIGTERM)
		limit := time.NewTimer(patience)
		defer limit.Stop()
		select {
		case <-p.ended:
		case <-limit.C:
			t.Errorf("%s did not end on SIGTERM within %v", p.name, patience)
			p.kill(t)
		}
	}
	return p.cmd.ProcessState.ExitCode()
}

// logBuffer keeps what a process writes.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// freeAddr is an address that nobody listens on, below the ports that outgoing
// connections get, and given out once.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 1000 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))
		if _, used := addresses.LoadOrStore(addr, true); used {
			continue
		}
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

var addresses sync.Map
