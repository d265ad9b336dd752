package smsc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"starhash/configs/secret"
	"starhash/smpp"
	"starhash/smpp/dialect"
)

const (
	maxConns     = 1000             // connections of ESMEs
	writeTime    = 10 * time.Second // for one write to an ESME
	unbindTime   = 2 * time.Second  // for the answer to the last unbind
	httpStopTime = 3 * time.Second  // for requests to end
)

// SMSC is a simulated message centre. Run serves; Listen before it tells the ports.
type SMSC struct {
	cfg      Config
	log      *slog.Logger
	phones   *phoneBook
	dice     *dice
	messages messageStore
	outbox   outbox
	ussd     sessions
	tap      tap
	gateway  *http.Client // for GET /gateway/steps
	accounts []*account   // the first one is the default

	smpp net.Listener
	http net.Listener

	seed   uint64
	nextID atomic.Uint64 // message ids

	serve   func(*conn) bool // runs a connection in a goroutine of Run's; false when there are enough
	serving sync.WaitGroup   // the connections

	mu      sync.Mutex
	conns   []*conn // in the order in which they came
	stopped bool    // no more of them
	rng     *rand.Rand
}

// account is what ESMEs bind to: a password, and the messages for them.
type account struct {
	Account
	password secret.Value
	serves   addressRange
	dialect  *dialect.Dialect
	queue    queue
}

// New makes a simulator of a configuration that Validate has nothing against.
func New(cfg Config, log *slog.Logger) *SMSC {
	cfg.SetDefaults()
	seed := cfg.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	s := &SMSC{
		cfg:      cfg,
		log:      log,
		phones:   newPhoneBook(cfg.Phones),
		dice:     newDice(cfg.Faults, seed),
		seed:     seed,
		messages: messageStore{byID: make(map[string]*entry)},
		outbox:   outbox{byID: make(map[string]*outgoing)},
		gateway:  &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: maxWait + dialTime}},
		ussd:     newSessions(),
		rng:      rand.New(rand.NewPCG(seed, 0)),
	}
	s.phones.alphabet, _ = smpp.DefaultAlphabet(cfg.DefaultAlphabet)
	// Another start's message ids are not this one's, unless the seed is.
	s.nextID.Store(uint64(s.rng.Uint32()) << 20)
	s.outbox.ref = uint16(s.rng.Uint32())
	for _, a := range cfg.accounts() {
		serves, _ := parseRange(a.AddressRange) // Validate has read it
		speaks, _ := dialects().Get(a.Dialect)  // or Listen finds it in dialects_dir
		s.accounts = append(s.accounts, &account{Account: a, serves: serves, dialect: speaks})
	}
	return s
}

// Seed is what is drawn from: Config.Seed, or one of this start's.
func (s *SMSC) Seed() uint64 { return s.seed }

// Listen reads the passwords and the files of dialects_dir, and opens both ports. Run has to follow: it closes them.
func (s *SMSC) Listen() error {
	speaks, err := s.cfg.dialects()
	if err != nil {
		return err
	}
	for _, a := range s.accounts {
		if a.password, err = a.Account.password(); err != nil {
			return fmt.Errorf("account %s: %w", a.SystemID, err)
		}
		var ok bool
		if a.dialect, ok = speaks.Get(a.Dialect); !ok {
			return fmt.Errorf("account %s: there is no dialect %q", a.SystemID, a.Dialect)
		}
	}
	plain, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return err
	}
	if s.smpp, err = s.cfg.TLS.wrap(plain); err != nil {
		plain.Close()
		return err
	}
	if s.http, err = net.Listen("tcp", s.cfg.HTTP); err != nil {
		s.smpp.Close()
		s.smpp = nil
		return err
	}
	return nil
}

// Addr is where SMPP is served, once Listen was called.
func (s *SMSC) Addr() string { return s.smpp.Addr().String() }

// HTTPAddr is where the management port is served, once Listen was called.
func (s *SMSC) HTTPAddr() string { return s.http.Addr().String() }

// Run serves until ctx ends, and listens first where Listen was not called. Then it
// takes no more connections, ends the requests of the management port, unbinds the
// ESMEs and waits for all of it.
func (s *SMSC) Run(ctx context.Context) error {
	if s.smpp == nil {
		if err := s.Listen(); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	web := s.httpServer(ctx)
	s.serve = func(c *conn) bool {
		if !s.add(c) {
			return false
		}
		go func() {
			defer s.serving.Done()
			c.serve(ctx)
			s.remove(c)
		}()
		return true
	}
	g.Go(func() error { return s.accept(ctx) })
	g.Go(func() error {
		if err := web.Serve(s.http); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		s.mu.Lock()
		s.stopped = true
		s.mu.Unlock()
		s.smpp.Close()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpStopTime)
		defer cancel()
		if err := web.Shutdown(stop); err != nil {
			return web.Close()
		}
		return nil
	})
	g.Go(func() error {
		tick, joins := time.NewTicker(clockTick), time.NewTicker(joinTick)
		defer tick.Stop()
		defer joins.Stop()
		for {
			select {
			case now := <-tick.C:
				s.tick(now)
				s.clockUSSD(now)
			case now := <-joins.C:
				s.phones.expire(now)
			case <-ctx.Done():
				return nil
			}
		}
	})
	s.log.Info("SMSC simulator serves", "smpp", s.Addr(), "http", s.HTTPAddr())
	s.logFaults() // with the seed, for a replay
	err := g.Wait()
	s.serving.Wait()
	s.gateway.CloseIdleConnections()
	return err
}

func (s *SMSC) accept(ctx context.Context) error {
	for {
		nc, err := s.smpp.Accept()
		if ctx.Err() != nil {
			if err == nil {
				nc.Close()
			}
			return nil
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			// Out of file descriptors, most likely: others may close theirs.
			s.log.Warn("accept", "err", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		c := newConn(s, nc)
		if !s.serve(c) {
			s.log.Warn("connection refused: there are enough", "remote", c.remote, "connections", maxConns)
			nc.Close()
		}
	}
}

func (s *SMSC) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || len(s.conns) >= maxConns {
		return false
	}
	s.serving.Add(1)
	s.conns = append(s.conns, c)
	return true
}

func (s *SMSC) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.conns {
		if s.conns[i] == c {
			s.conns = append(s.conns[:i:i], s.conns[i+1:]...)
			return
		}
	}
}

// connections are those of the moment; the slice is not changed any more.
func (s *SMSC) connections() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[:len(s.conns):len(s.conns)]
}

// Receivers is the number of bound connections that take messages.
func (s *SMSC) Receivers() int {
	n := 0
	for _, c := range s.connections() {
		if c.receives() {
			n++
		}
	}
	return n
}

func (s *SMSC) binds() []Bind {
	bound := []Bind{}
	for _, c := range s.connections() {
		if b, ok := c.describe(); ok {
			bound = append(bound, b)
		}
	}
	return bound
}

// setFaults replaces the faults.
func (s *SMSC) setFaults(f Faults) error {
	if err := f.check(); err != nil {
		return err
	}
	s.dice.set(f)
	s.logFaults()
	return nil
}

// logFaults says how the simulator misbehaves, in the form that PUT /faults takes.
func (s *SMSC) logFaults() {
	text, err := json.Marshal(s.dice.get())
	if err != nil {
		s.log.Error("faults", "err", err)
		return
	}
	s.log.Info("faults", "faults", string(text))
}

// accountOf finds an account by its system_id; without one, the first that has to in
// its own address_range, or else the first that has none, or else the first.
func (s *SMSC) accountOf(systemID, to string) (*account, error) {
	if systemID == "" {
		general := s.accounts[0]
		for _, a := range s.accounts {
			switch {
			case a.serves.everything():
				if !general.serves.everything() {
					general = a
				}
			case a.serves.has(to):
				return a, nil
			}
		}
		return general, nil
	}
	for _, a := range s.accounts {
		if a.SystemID == systemID {
			return a, nil
		}
	}
	return nil, mistakef("system_id: there is no account %q", systemID)
}

// drop cuts every connection, bound or not.
func (s *SMSC) drop() int {
	all := s.connections()
	for _, c := range all {
		c.close("cut by POST /drop")
	}
	return len(all)
}

// unbind takes leave of every bound ESME and returns how many there are.
func (s *SMSC) unbind() int {
	n := 0
	for _, c := range s.connections() {
		if c.unbind() {
			n++
		}
	}
	return n
}

// writeRaw sends bytes as they are on the first bound receiver's connection.
func (s *SMSC) writeRaw(b []byte) bool {
	for _, c := range s.connections() {
		if c.receives() && c.send(item{frame: b}) {
			return true
		}
	}
	return false
}

// alert tells every bound receiver that a phone is there (§4.12), and returns how
// many were told. esme is the address that is alerted; the receiver's own
// address_range if empty.
func (s *SMSC) alert(p Phone, esme string) int {
	n := 0
	for _, c := range s.connections() {
		if c.receives() && c.alert(p, esme) {
			n++
		}
	}
	return n
}

// temporary statuses keep a message in the queue; every other one ends it.
func temporary(status smpp.Status) bool {
	switch status {
	case smpp.StatusThrottled, smpp.StatusMsgQFul, smpp.StatusTempAppErr, smpp.StatusSysErr:
		return true
	}
	return false
}

// settle ends a delivery by an ESME's answer, or puts it back.
func (s *SMSC) settle(a *account, d *delivery, status smpp.Status) {
	switch {
	case d.copy:
	case status == smpp.StatusOK:
		d.settled(status.String(), d.tries, StateAcked)
	case temporary(status):
		s.again(a, d, status.String())
	default:
		s.log.Info("message refused", "command", d.command, "status", status)
		d.settled(status.String(), d.tries, StateRefused)
	}
}

// again puts a delivery back into its queue, to be sent after a back-off, while it
// has tries left.
func (s *SMSC) again(a *account, d *delivery, why string) {
	if d.copy {
		return
	}
	if d.ussd || d.tries >= s.cfg.MaxTries {
		s.log.Info("message expired", "command", d.command, "tries", d.tries, "last", why)
		d.settled(why, d.tries, StateExpired)
		return
	}
	d.settled(why, d.tries, StateWaiting)
	a.queue.put(d, time.Now().Add(s.backoff(d.tries)))
}

// backoff is RetryMin doubled for every try behind the first, at most RetryMax,
// give or take a fifth, so that messages that failed together do not come together.
func (s *SMSC) backoff(tries int) time.Duration {
	wait := s.cfg.RetryMin
	for ; tries > 1 && wait < s.cfg.RetryMax; tries-- {
		wait *= 2
	}
	wait = min(wait, s.cfg.RetryMax)
	s.mu.Lock()
	defer s.mu.Unlock()
	return wait*4/5 + time.Duration(s.rng.Int64N(int64(wait)*2/5+1))
}
