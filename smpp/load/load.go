package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"starhash/smpp"
)

// phase is how far a load has come. Sessions are served in all of them but over.
type phase int

const (
	idle     phase = iota // sessions may bind, nothing is sent
	loading               // new messages are sent when due
	draining              // no new messages; answers and confirmations are waited for
	over                  // sessions are sent away
)

// maxLater bounds the messages that wait for a temporary error to pass; beyond
// it no new ones are begun.
const maxLater = 100_000

// Load is the SMSC's side of a load test.
type Load struct {
	cfg      Config
	template *template
	schedule schedule
	listener net.Listener
	ids      atomic.Uint64 // message ids given to submit_sm
	began    time.Time     // set before phase becomes loading

	mu        sync.Mutex
	phase     phase
	sessions  map[*session]struct{}
	receivers []*session    // of them, those that take messages, in the order they came
	changed   chan struct{} // closed and replaced when a session comes or goes
	begun     uint64        // messages sent at least once, or about to be
	limit     uint64        // of begun; 0: none
	again     queue         // to be sent again at once
	later     queue         // to be sent again when due
	underway  int           // slots taken in all windows
	ledger    ledger
	exhausted chan struct{} // closed when Messages have begun
	settled   chan struct{} // closed when draining and nothing is open
	counts    counts
	ackTime   histogram
	doneTime  histogram
	sendTime  histogram
	lastAck   time.Duration
	lastDone  time.Duration
}

// counts is what has happened so far.
type counts struct {
	sent, acked, strays, retried, resent, refused    uint64
	submits, others, confirmed, repeated, duplicated uint64
	disconnects, lostSessions, binds                 uint64
	statuses                                         map[smpp.Status]uint64 // of refusals
}

// Listen begins to listen; Run or Serve has to follow.
func Listen(cfg Config) (*Load, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t, err := newTemplate(&cfg)
	if err != nil { // Validate has tried
		return nil, err
	}
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, err
	}
	if cfg.TLS != nil {
		ln = tls.NewListener(ln, cfg.TLS)
	}
	l := &Load{
		cfg: cfg, template: t, schedule: newSchedule(cfg.Rate), listener: ln,
		sessions:  make(map[*session]struct{}),
		changed:   make(chan struct{}),
		exhausted: make(chan struct{}),
		settled:   make(chan struct{}),
		limit:     cfg.Messages,
		counts:    counts{statuses: make(map[smpp.Status]uint64)},
	}
	if cfg.Rate > 0 && cfg.For > 0 {
		// The schedule says how many messages these are: those that an ESME
		// was too slow for are not forgotten.
		if n := l.schedule.due(cfg.For - 1); l.limit == 0 || n < l.limit {
			l.limit = n
		}
	}
	if cfg.Confirm {
		l.ledger = newLedger(cfg.MSISDNs, t.tokens)
	}
	return l, nil
}

// Addr is where the ESME has to bind.
func (l *Load) Addr() string { return l.listener.Addr().String() }

// Config is the configuration with its defaults.
func (l *Load) Config() Config { return l.cfg }

// ErrNobody says that no ESME bound in time.
var ErrNobody = errors.New("not enough sessions bound that take messages")

// Serve takes sessions and answers what they submit until ctx ends, and sends
// nothing: the other direction's benchmark.
func (l *Load) Serve(ctx context.Context) {
	wait := l.serve()
	<-ctx.Done()
	l.close()
	wait()
}

// Run waits for the sessions, loads them, waits for what is owed, and says what
// has happened. When ctx ends it sends nothing new, and still waits and reports.
func (l *Load) Run(ctx context.Context) (*Report, error) {
	wait := l.serve()
	defer wait()
	defer l.close()
	if err := l.awaitSessions(ctx); err != nil {
		return nil, err
	}

	l.mu.Lock()
	l.began = time.Now()
	l.phase = loading
	l.wakeAll()
	l.mu.Unlock()

	loaded, stop := context.WithCancel(ctx)
	defer stop()
	if l.cfg.For > 0 {
		end := l.cfg.For
		if l.cfg.Rate > 0 {
			end += l.cfg.Drain
		}
		loaded, stop = context.WithTimeout(ctx, end)
		defer stop()
	}
	var cutter sync.WaitGroup
	if l.cfg.DisconnectEvery > 0 {
		cutter.Go(func() { l.cutSessions(loaded) })
	}
	select {
	case <-loaded.Done():
	case <-l.exhausted:
	}
	stop()
	cutter.Wait()

	l.mu.Lock()
	l.phase = draining
	elapsed := time.Since(l.began)
	l.checkSettled()
	l.mu.Unlock()
	limit := time.NewTimer(l.cfg.Drain)
	defer limit.Stop()
	select {
	case <-l.settled:
		// A confirmation too many would come now.
		limit.Reset(l.cfg.Linger)
		<-limit.C
	case <-limit.C:
	}
	return l.report(elapsed), nil
}

// serve accepts sessions until close; the function it returns waits until all
// are gone.
func (l *Load) serve() (wait func()) {
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := l.listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // of a connection that went before it was taken
				continue
			}
			sessions.Go(func() { l.accept(conn) })
		}
	})
	return sessions.Wait
}

// close unbinds all sessions, and waits a while for them to go before it hangs
// up.
func (l *Load) close() {
	l.listener.Close()
	l.mu.Lock()
	l.phase = over
	for s := range l.sessions {
		s.answers = appendHeader(s.answers, smpp.Unbind, smpp.StatusOK, maxSequence)
		s.wakeUp()
	}
	l.mu.Unlock()
	limit := time.NewTimer(2 * time.Second)
	defer limit.Stop()
	for {
		l.mu.Lock()
		left, changed := len(l.sessions), l.changed
		l.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			l.mu.Lock()
			for s := range l.sessions {
				s.conn.Close()
			}
			l.mu.Unlock()
			return
		}
	}
}

func (l *Load) awaitSessions(ctx context.Context) error {
	limit := time.NewTimer(l.cfg.BindWait)
	defer limit.Stop()
	for {
		l.mu.Lock()
		bound, changed := len(l.receivers), l.changed
		l.mu.Unlock()
		if bound >= l.cfg.Sessions {
			return nil
		}
		select {
		case <-changed:
		case <-limit.C:
			return fmt.Errorf("%w: %d of %d within %s", ErrNobody, bound, l.cfg.Sessions, l.cfg.BindWait)
		case <-ctx.Done():
			return fmt.Errorf("%w: %d of %d: %w", ErrNobody, bound, l.cfg.Sessions, context.Cause(ctx))
		}
	}
}

// join takes a bound session into the load, unless that is over.
func (l *Load) join(s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == over || len(l.sessions) >= maxSessions {
		return false
	}
	l.counts.binds++
	l.sessions[s] = struct{}{}
	if len(s.slots) > 0 {
		l.receivers = append(l.receivers, s)
	}
	l.notify()
	return true
}

// leave takes a session that has ended out of the load: what it had not
// acknowledged is sent again on another.
func (l *Load) leave(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sessions, s)
	l.receivers = slices.DeleteFunc(l.receivers, func(r *session) bool { return r == s })
	if l.phase < over && !s.cut {
		l.counts.lostSessions++
	}
	now := time.Since(l.began)
	l.ledger.forget(now)
	for i := range s.slots {
		if s.slots[i].sequence == 0 {
			continue
		}
		m := s.slots[i].message
		l.underway--
		l.again.push(m)
		if l.cfg.Confirm {
			l.ledger.sentAgain(m)
		}
	}
	for _, a := range s.lately {
		if now-a.at < recent {
			l.ledger.excuse(a.key)
		}
	}
	l.notify()
	l.wakeAll()
}

// notify tells who waits for sessions to come or go. l.mu is held.
func (l *Load) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Load) wakeAll() {
	for _, s := range l.receivers {
		s.wakeUp()
	}
}

// cutSessions cuts sessions at random, by a reset or by an orderly close.
func (l *Load) cutSessions(ctx context.Context) {
	random := rand.New(rand.NewPCG(l.cfg.Seed, 0))
	every := l.cfg.DisconnectEvery
	t := time.NewTimer(time.Hour)
	defer t.Stop()
	for {
		t.Reset(every/2 + time.Duration(random.Int64N(int64(every))))
		which, reset := random.Uint64(), random.Uint64()%2 == 0
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		l.mu.Lock()
		if len(l.receivers) > 0 {
			s := l.receivers[which%uint64(len(l.receivers))]
			s.cut = true
			l.counts.disconnects++
			conn := s.conn
			if c, ok := conn.(*tls.Conn); ok {
				conn = c.NetConn() // without a farewell, as networks do it
			}
			if tcp, ok := conn.(*net.TCPConn); ok && reset {
				tcp.SetLinger(0)
			}
			conn.Close()
		}
		l.mu.Unlock()
	}
}

// next picks what a session sends now, puts it into the session's window, and
// appends it to out. When there is nothing, wait is how long until there may be;
// negative: until the session is woken. l.mu is held.
func (l *Load) next(s *session, out []slot) (_ []slot, wait time.Duration) {
	if s.ended || s.unbound || len(s.free) == 0 || l.phase != loading && l.phase != draining {
		return out, -1
	}
	now := time.Since(l.began)
	due := uint64(0)
	fresh := l.phase == loading && l.later.len() < maxLater
	if fresh {
		if due = l.schedule.due(now); l.limit > 0 {
			due = min(due, l.limit)
		}
	}
	for len(s.free) > 0 && len(out) < batch {
		var m message
		switch {
		case l.again.len() > 0:
			m = l.again.pop()
			l.counts.resent++
		case l.later.len() > 0 && l.later.front().due <= int64(now):
			m = l.later.pop()
			l.counts.retried++
		case l.begun < due:
			m = message{n: l.begun, intended: int64(now)}
			if l.cfg.Rate > 0 {
				at := l.schedule.at(m.n)
				m.intended = int64(at)
				l.sendTime.record(now - at)
			}
			if l.begun++; l.begun == l.limit {
				close(l.exhausted)
			}
			if l.cfg.Confirm {
				l.ledger.sent(m)
			}
		default:
			if len(out) > 0 {
				return out, 0
			}
			wait = -1
			if l.later.len() > 0 {
				wait = time.Duration(l.later.front().due) - now
			}
			if fresh && l.begun >= due && l.cfg.Rate > 0 && (l.limit == 0 || l.begun < l.limit) {
				if d := l.schedule.at(l.begun) - now; wait < 0 || d < wait {
					wait = max(d, 0)
				}
			}
			return out, wait
		}
		i := s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
		s.slots[i].message = m
		s.next(i)
		out = append(out, s.slots[i])
		l.counts.sent++
		l.underway++
	}
	return out, 0
}

// take settles what the reader has found, and empties the inbox. It goes false
// when the session is unbound.
func (l *Load) take(s *session, in *inbox) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.began)
	for _, r := range in.responses {
		l.settle(s, r, now)
	}
	l.counts.submits += in.submits
	l.counts.others += in.others
	for _, c := range in.confirmations {
		if c.n >= l.begun { // a token of another load
			l.counts.others++
			continue
		}
		v, intended := l.ledger.confirm(c)
		switch v {
		case confirmed:
			l.counts.confirmed++
			l.doneTime.record(now - time.Duration(intended))
			l.lastDone = now
		case repeated:
			l.counts.repeated++
		case duplicated:
			l.counts.duplicated++
		}
		s.noteAnswered(answered{l.ledger.key(c.sender, c.n), now})
	}
	unbound := in.unbound
	s.unbound = s.unbound || in.unbind
	for len(s.answers) > 0 && len(s.answers)+len(in.answers) > maxAnswers && !s.ended {
		s.room.Wait()
	}
	s.answers = append(s.answers, in.answers...)
	*in = inbox{responses: in.responses[:0], confirmations: in.confirmations[:0], answers: in.answers[:0]}
	l.checkSettled()
	s.wakeUp()
	return !unbound
}

// settle takes the answer to a deliver_sm. l.mu is held.
func (l *Load) settle(s *session, r response, now time.Duration) {
	if r.sequence == 0 || len(s.slots) == 0 {
		l.counts.strays++
		return
	}
	i := (r.sequence - 1) % uint32(len(s.slots))
	if s.slots[i].sequence != r.sequence {
		l.counts.strays++
		return
	}
	m := s.slots[i].message
	s.slots[i].sequence = 0
	s.free = append(s.free, i)
	l.underway--
	switch {
	case r.status == smpp.StatusOK:
		l.counts.acked++
		l.ackTime.record(now - time.Duration(m.intended))
		l.lastAck = now
		if l.cfg.Confirm {
			l.ledger.acked(m.n)
		}
	case temporary(r.status):
		l.counts.statuses[r.status]++
		m.due = int64(now + l.cfg.RetryAfter)
		l.later.push(m)
	default:
		l.counts.statuses[r.status]++
		l.counts.refused++
		if l.cfg.Confirm {
			l.ledger.refused(m.n)
		}
	}
}

// temporary says whether an SMSC tries again after that status.
func temporary(s smpp.Status) bool {
	switch s {
	case smpp.StatusThrottled, smpp.StatusTempAppErr, smpp.StatusMsgQFul, smpp.StatusSysErr:
		return true
	}
	return false
}

// checkSettled closes settled once nothing is open any more. l.mu is held.
func (l *Load) checkSettled() {
	if l.phase != draining || l.open() > 0 || l.ledger.open > 0 {
		return
	}
	select {
	case <-l.settled:
	default:
		close(l.settled)
	}
}

// open is how many messages have begun and are neither acknowledged nor refused
// for good. l.mu is held.
func (l *Load) open() int { return l.underway + l.again.len() + l.later.len() }

// noteAnswered remembers that a confirmation is answered now. Load.mu is held.
func (s *session) noteAnswered(a answered) {
	if len(s.lately) < maxRecent {
		s.lately = append(s.lately, a)
		return
	}
	s.lately[s.latelyAt] = a
	s.latelyAt = (s.latelyAt + 1) % maxRecent
}
