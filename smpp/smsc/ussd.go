package smsc

import (
	"container/heap"
	"context"
	"slices"
	"sort"
	"sync"
	"time"

	"starhash/smpp"
	"starhash/smpp/dialect"
)

const (
	maxScreens  = 100    // screens kept a phone; older ones go
	maxSessions = 100000 // USSD sessions at once
	maxOver     = 8      // sessions that are over, of which a phone's network still knows
	ussdSeptets = 182    // a USSD string of GSM 03.38: 160 octets (3GPP TS 24.090, 23.038 §5)
	ussdUCS2    = 80     // one of UCS2
)

// What handset and network say of themselves.
const (
	textProblem   = "Connection problem or invalid MMI code"
	textEnded     = "Session ended"
	textTimedOut  = "Session timed out"
	textNoNetwork = "No network"
)

// Reasons of an abort, in the words of the dialects that tell them apart.
const (
	reasonHungUp = "the subscriber hung up"
	reasonFailed = "the network failed"
)

// USSD is what a person at a phone enters: a string to dial when no session is open,
// *700# or *700*1*0771000002#, and otherwise the answer to the screen.
type USSD struct {
	Text  string   `json:"text"`            // UTF-8
	Code  string   `json:"code,omitempty"`  // service code of a dialled string; if empty, what it begins with
	Wait  Duration `json:"wait,omitempty"`  // how long the request waits for the next screen, at most 1m; 20s if empty
	Fault string   `json:"fault,omitempty"` // one of the faults of USSD, for this text alone: ussd_reply_twice
}

// USSDScreen is what a phone showed: what an ESME wrote, or the network of itself.
type USSDScreen struct {
	N       uint64    `json:"n"`                // 1, 2, ... of this phone
	Session uint64    `json:"session"`          // 1, 2, ... of this simulator
	Open    bool      `json:"open"`             // the session goes on
	Kind    string    `json:"kind"`             // ask, end, notify, or abort: of the network itself; "" in an answer to POST: nothing yet
	Text    string    `json:"text"`             // what the person reads
	Secret  bool      `json:"secret,omitempty"` // it asks for a PIN, as far as its words tell
	Error   string    `json:"error,omitempty"`  // why the network ended it, for the operator
	At      time.Time `json:"at"`
}

// Kinds of screens.
const (
	screenAsk    = "ask"
	screenEnd    = "end"
	screenNotify = "notify"
	screenAbort  = "abort"
)

// turn is whose step is next in a session.
//
//	     dial
//	      │
//	      v         Ask            shown
//	┌── esme ──────────────> air ─────────> phone
//	│     ^  └─End, Release──> air ──> over   │ │
//	│     └───────────────reply───────────────┘ │
//	└─no answer─> over <─hung up, idle, off─────┘
//
// A session that the ESME begins starts in air.
type turn byte

const (
	turnESME  turn = iota // the subscriber waits for the application
	turnAir               // a screen is on its way to the phone
	turnPhone             // the network waits for the subscriber
)

// session is a USSD dialogue of a phone (3GPP TS 22.090, 24.090). The table's mutex
// guards it.
type session struct {
	n       uint64
	handset *handset
	account *account
	code    smpp.Address
	wire    dialect.Session
	network bool // the ESME began it (network-initiated)
	notice  bool // with a notification, and nothing else has come
	turn    turn
	secret  bool // its last screen asks for a PIN
	air     USSDScreen
	due     time.Time // of the turn: air lands, or the wait is over
	ends    time.Time // the longest that a session may take
	pending *delivery // sent last; its refusal ends the session
	index   int       // in the heap
}

// handset is what USSD knows of a phone.
type handset struct {
	msisdn  string
	session *session // nil: none is open
	screens []USSDScreen
	next    uint64
	over    []string      // keys of sessions that it began and that are over, the latest last
	changed chan struct{} // closed when a screen is added
}

// sessions are all USSD sessions. Its mutex comes before those of the queues and the
// phone book.
type sessions struct {
	mu       sync.Mutex
	handsets map[string]*handset
	added    chan struct{} // closed when a handset is added
	open     sessionHeap
	next     uint64
}

func newSessions() sessions {
	return sessions{handsets: make(map[string]*handset), added: make(chan struct{})}
}

// handset is a phone's, made where there is none: the phone book bounds how many. The
// caller holds mu.
func (t *sessions) handset(number string) *handset {
	h := t.handsets[number]
	if h == nil {
		h = &handset{msisdn: number, changed: make(chan struct{})}
		t.handsets[number] = h
		close(t.added)
		t.added = make(chan struct{})
	}
	return h
}

// count is the number of open sessions.
func (t *sessions) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// show adds a screen to what the phone showed. The caller holds mu.
func (h *handset) show(sc USSDScreen) USSDScreen {
	h.next++
	sc.N, sc.At = h.next, time.Now()
	if len(h.screens) >= maxScreens {
		h.screens = slices.Delete(h.screens, 0, 1)
	}
	h.screens = append(h.screens, sc)
	close(h.changed)
	h.changed = make(chan struct{})
	return sc
}

// screens returns what a phone showed behind number after; when there is nothing it
// waits for something until ctx ends, also for a phone that is not there yet.
func (t *sessions) screens(ctx context.Context, number string, after uint64) []USSDScreen {
	for {
		t.mu.Lock()
		var found []USSDScreen
		changed := t.added
		if h := t.handsets[number]; h != nil {
			i := sort.Search(len(h.screens), func(i int) bool { return h.screens[i].N > after })
			found, changed = slices.Clone(h.screens[i:]), h.changed
		}
		t.mu.Unlock()
		if len(found) > 0 {
			return found
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// begin opens a session. The caller holds mu.
func (s *SMSC) begin(h *handset, a *account, code smpp.Address, now time.Time) (*session, error) {
	if len(s.ussd.open) >= maxSessions {
		return nil, errBusy
	}
	s.ussd.next++
	u := &session{n: s.ussd.next, handset: h, account: a, code: code, ends: now.Add(s.cfg.USSDMax)}
	h.session = u
	heap.Push(&s.ussd.open, u)
	return u, nil
}

// wait gives the turn to somebody, for some time. The caller holds mu.
func (s *SMSC) wait(u *session, t turn, long time.Duration, now time.Time) {
	u.turn, u.due = t, now.Add(long)
	if t != turnAir && u.ends.Before(u.due) {
		u.due = u.ends
	}
	heap.Fix(&s.ussd.open, u.index)
}

// finish ends a session; what of it still waits to be sent is not. The caller holds
// mu.
func (s *SMSC) finish(u *session) {
	h := u.handset
	if h.session != u {
		return
	}
	h.session = nil
	heap.Remove(&s.ussd.open, u.index)
	if !u.network {
		if h.over = append(h.over, u.wire.Key); len(h.over) > maxOver {
			h.over = slices.Delete(h.over, 0, 1)
		}
	}
	if u.pending != nil {
		u.pending.void.Store(true)
	}
}

// fail ends a session by the network: the phone shows text, the ESME gets an abort
// where told says so. The caller holds mu.
func (s *SMSC) fail(u *session, text, why string, told bool) USSDScreen {
	s.finish(u)
	if told {
		// Not every dialect has an abort, and nobody may be bound: then the ESME's own
		// timers tell it.
		reason := reasonFailed
		if why == reasonHungUp {
			reason = why
		}
		if d, err := s.toESME(u, dialect.Abort, "", reason); err == nil {
			u.account.queue.put(d, time.Now().Add(s.slow(u.handset.msisdn))) // behind what was typed
		}
	}
	s.log.Info("USSD session aborted", "session", u.n, "why", why)
	return u.handset.show(USSDScreen{Session: u.n, Kind: screenAbort, Text: text, Error: why})
}

// toESME queues a message of a session. The caller holds mu.
func (s *SMSC) toESME(u *session, kind dialect.Kind, text, reason string) (*delivery, error) {
	p, _ := s.phones.use(u.handset.msisdn)
	m := dialect.Message{
		Kind: kind, Subscriber: address(u.handset.msisdn), Code: u.code, Session: u.wire,
		Text: []byte(text), IMSI: p.IMSI, Reason: reason, NetworkInitiated: u.network,
	}
	command, body, err := u.account.dialect.Deliver(m)
	m.Wipe()
	if err != nil {
		return nil, mistakef("%w", err)
	}
	if _, there := body.TLVs.Get(smpp.Tag(s.cfg.IMSITLV)); s.cfg.IMSITLV != 0 && p.IMSI != "" && !there {
		body.TLVs = append(body.TLVs, smpp.TLV{Tag: smpp.Tag(s.cfg.IMSITLV), Value: []byte(p.IMSI)})
	}
	d := &delivery{command: command, message: body, mo: true, ussd: true, secret: u.secret && kind == dialect.Reply}
	d.settled = func(status string, _ int, state State) {
		if state != StateAcked && kind != dialect.Abort {
			s.refused(u, d, status)
		}
	}
	if !s.reachable(u.account, d) {
		return nil, errNoESME
	}
	return d, nil
}

// put sends a delivery, as late as a slow network does. The caller holds mu.
func (s *SMSC) put(u *session, d *delivery, now time.Time) {
	u.pending = d
	u.account.queue.put(d, now.Add(s.slow(u.handset.msisdn)))
}

// slow is how long a text takes between a phone and its network.
func (s *SMSC) slow(number string) time.Duration {
	p, _ := s.phones.use(number)
	f := s.dice.get()
	return time.Duration(p.Slow) + time.Duration(f.USSDSlow)
}

// reachable says whether an ESME is bound that a delivery may go to.
func (s *SMSC) reachable(a *account, d *delivery) bool {
	return slices.ContainsFunc(s.connections(), func(c *conn) bool { return c.receives() && c.serving(a, d) })
}

// refused ends a session whose message an ESME refused or did not answer.
func (s *SMSC) refused(u *session, d *delivery, status string) {
	s.ussd.mu.Lock()
	defer s.ussd.mu.Unlock()
	if u.handset.session == u && u.pending == d {
		s.fail(u, textProblem, "the ESME did not take it: "+status, d.tries > 0 && status == noAnswer)
	}
}

// sessionHeap holds the open sessions by the time at which the clock looks at them.
type sessionHeap []*session

func (h sessionHeap) Len() int           { return len(h) }
func (h sessionHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h sessionHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *sessionHeap) Push(x any) {
	u := x.(*session)
	u.index = len(*h)
	*h = append(*h, u)
}
func (h *sessionHeap) Pop() any {
	old := *h
	u := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	u.index = -1
	return u
}
