// Package roles runs the roles of a whole installation, each as a process of
// its own on loopback: redis-server, the bank, gateways. It is for benchmarks and
// fault tests that need the real things with as little set up by hand as
// possible; everything lies in one directory and ends with Stop.
//
// The processes are started by the files that this package writes, through the
// commands that an operator would use (keys all, accounts import, subscribers
// import), so that what is measured is what is shipped.
package roles

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options say how the installation differs from the usual one.
type Options struct {
	Dir         string // where everything lies; made if it is not there
	Binary      string // starhash; the running program if empty
	SMSC        string // host:port that the gateways bind to
	Fsync       string // Redis' appendfsync: everysec or always
	Subscribers int    // numbered as the generate commands do; as many customers again are payees only
	Nodes       int    // gateways
	Window      int    // submit_sm a gateway may leave unanswered
	LogLevel    string // of the roles' logs, which go to files in Dir
	Environment []string
}

// Roles are the processes of one installation.
type Roles struct {
	opt   Options
	bank  string // its addresses
	admin string
	redis string
	nodes []string // the gateways' admin addresses

	mu        sync.Mutex
	processes []*Process
}

// startTime bounds how long a process may take until it is ready, and stopTime
// how long one may take to end after SIGTERM.
const (
	startTime = 60 * time.Second
	stopTime  = 20 * time.Second
)

// ShortCode is where the subscribers' messages go.
const ShortCode = "7001"

// New writes keys and configuration. Nothing runs yet.
func New(ctx context.Context, opt Options) (*Roles, error) {
	if opt.Binary == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		opt.Binary = self
	}
	if opt.LogLevel == "" {
		opt.LogLevel = "warn"
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, errors.New("redis-server is not here; on Debian: apt-get install redis-server")
	}
	if err := os.MkdirAll(filepath.Join(opt.Dir, "redis"), 0o700); err != nil {
		return nil, err
	}
	r := &Roles{opt: opt}
	addresses, err := freeAddresses(3 + opt.Nodes)
	if err != nil {
		return nil, err
	}
	r.bank, r.admin, r.redis, r.nodes = addresses[0], addresses[1], addresses[2], addresses[3:]
	if _, err := r.Command(ctx, nil, "keys", "all", "--dir", r.at("keys"), "--operator", "op1", "--host", "127.0.0.1", "--if-missing"); err != nil {
		return nil, err
	}
	files := map[string]string{"bank.yaml": r.bankFile()}
	for i := range r.nodes {
		files[gatewayFile(i)] = r.gatewayFile(i)
	}
	for name, text := range files {
		if err := os.WriteFile(r.at(name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func gatewayFile(i int) string { return fmt.Sprintf("gateway-%d.yaml", i+1) }

func (r *Roles) at(name string) string { return filepath.Join(r.opt.Dir, name) }

// Dir is where everything lies.
func (r *Roles) Dir() string { return r.opt.Dir }

// GatewayAdmin is the admin address of a gateway, from 0.
func (r *Roles) GatewayAdmin(i int) string { return r.nodes[i] }

// BankAdmin is the bank's admin address.
func (r *Roles) BankAdmin() string { return r.admin }

func (r *Roles) bankFile() string {
	return fmt.Sprintf(`listen: %s
tls: { cert_file: keys/bank.pem, key_file: keys/bank-key.pem, client_ca_file: keys/ca.pem }
database: bank.db
operators:
  - name: op1
    client_cn: op1
    static_keys: [{ id: sk1, file: keys/static.key }]
pin_key_file: keys/pin.key
pin_verify_key_file: keys/pin-verify.key
admin: { listen: "%s", profile: true }
`, r.bank, r.admin)
}

func (r *Roles) gatewayFile(i int) string {
	return fmt.Sprintf(`smpp:
  binds:
    - { name: smsc-1, address: "%s", system_id: starhash, password: secret, bind: transceiver, window: %d, reconnect_min: 50ms, reconnect_max: 500ms }
short_code: "%s"
country: "263"
currency: USD
node: %d
redis: { url: "redis://%s/0" }
bank:
  url: "https://%s"
  operator: op1
  static_key: { id: sk1, file: keys/static.key }
  pin_key: { file: keys/pin.pub }
  tls: { ca_file: keys/ca.pem, cert_file: keys/gateway.pem, key_file: keys/gateway-key.pem }
kek: { file: keys/gateway.kek }
admin: { listen: "%s", profile: true }
`, r.opt.SMSC, r.opt.Window, ShortCode, i+1, r.redis, r.bank, r.nodes[i])
}

// Command runs starhash to its end, with in as its standard input, and gives
// what it printed.
func (r *Roles) Command(ctx context.Context, in []byte, args ...string) (string, error) {
	c := exec.CommandContext(ctx, r.opt.Binary, args...)
	c.Stdin = strings.NewReader(string(in))
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("starhash %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return string(out), nil
}

// Bank runs a command of the bank's administration.
func (r *Roles) Bank(ctx context.Context, args ...string) (string, error) {
	return r.Command(ctx, nil, append(args, "-c", r.at("bank.yaml"))...)
}

// Fill makes the subscribers, and twice as many customers. Redis has to run, the
// bank need not.
func (r *Roles) Fill(ctx context.Context) error {
	accounts, err := r.Command(ctx, nil, "accounts", "generate", "--count", fmt.Sprint(2*r.opt.Subscribers))
	if err != nil {
		return err
	}
	if _, err := r.Command(ctx, []byte(accounts), "accounts", "import", "-", "-c", r.at("bank.yaml")); err != nil {
		return err
	}
	subscribers, err := r.Command(ctx, nil, "subscribers", "generate", "--count", fmt.Sprint(r.opt.Subscribers))
	if err != nil {
		return err
	}
	_, err = r.Command(ctx, []byte(subscribers), "subscribers", "import", "-", "-c", r.at(gatewayFile(0)))
	return err
}

// StartRedis starts redis-server with an append-only file.
func (r *Roles) StartRedis(ctx context.Context) (*Process, error) {
	_, port, err := net.SplitHostPort(r.redis)
	if err != nil {
		return nil, err
	}
	p, err := r.start("redis", "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", r.at("redis"),
		"--save", "", "--appendonly", "yes", "--appendfsync", r.opt.Fsync, "--maxmemory-policy", "noeviction")
	if err != nil {
		return nil, err
	}
	return p, r.await(ctx, p, r.redisAnswers)
}

func (r *Roles) redisAnswers(ctx context.Context) bool {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", r.redis)
	if err != nil {
		return false
	}
	defer c.Close()
	if c.SetDeadline(time.Now().Add(time.Second)) != nil {
		return false
	}
	if _, err := fmt.Fprint(c, "PING\r\n"); err != nil {
		return false
	}
	var b [7]byte
	n, _ := c.Read(b[:])                // an error leaves too few octets
	return string(b[:n]) == "+PONG\r\n" // not while it loads
}

// StartBank starts the bank.
func (r *Roles) StartBank(ctx context.Context) (*Process, error) {
	p, err := r.start("bank", r.opt.Binary, "bank", "-c", r.at("bank.yaml"), "--log-level", r.opt.LogLevel)
	if err != nil {
		return nil, err
	}
	return p, r.await(ctx, p, answers("http://"+r.admin+"/readyz"))
}

// StartGateway starts gateway i, from 0. It is ready when it is bound.
func (r *Roles) StartGateway(ctx context.Context, i int) (*Process, error) {
	p, err := r.start(fmt.Sprintf("gateway-%d", i+1), r.opt.Binary, "gateway", "-c", r.at(gatewayFile(i)), "--log-level", r.opt.LogLevel)
	if err != nil {
		return nil, err
	}
	return p, r.await(ctx, p, answers("http://"+r.nodes[i]+"/readyz"))
}

func answers(url string) func(context.Context) bool {
	return func(ctx context.Context) bool {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
}

// await asks a process again and again whether it is ready, because nothing
// tells us.
func (r *Roles) await(ctx context.Context, p *Process, ready func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for !ready(ctx) {
		select {
		case <-t.C:
		case <-p.Ended():
			return fmt.Errorf("%s ended: %v\n%s", p.Name, p.State(), p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.Name, ctx.Err(), p.tail())
		}
	}
	return nil
}

// Stop ends all processes that still run, the youngest first.
func (r *Roles) Stop() error {
	r.mu.Lock()
	all := r.processes
	r.processes = nil
	r.mu.Unlock()
	var errs []error
	for i := len(all) - 1; i >= 0; i-- {
		errs = append(errs, all[i].Stop())
	}
	return errors.Join(errs...)
}

// freeAddresses are loopback addresses that nobody listened on just now. Another
// process may take one before it is used; the role then says so and ends.
func freeAddresses(n int) (free []string, err error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held = append(held, l)
		free = append(free, l.Addr().String())
	}
	return free, nil
}
