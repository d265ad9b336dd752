package smpp

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stats is what a bind is doing, and what it has done since it was made.
type Stats struct {
	Sessions, Bound int     // sessions wanted, and up
	UnderWay        int     // requests that have a place in a window
	Waiting         int     // messages that the application has not begun
	Rate            float64 // submissions a second that are allowed now; 0: no limit

	Binds        uint64 // sessions that were bound
	Received     uint64 // messages of the SMSC
	Acknowledged uint64 // of them answered ESME_ROK by the application
	Refused      uint64 // answered with another status by the application
	Overloaded   uint64 // answered by the session: too many, or the application too late
	Malformed    uint64 // PDUs that did not decode

	Submitted  uint64 // requests
	Accepted   uint64 // answered ESME_ROK
	Throttled  uint64 // answered ESME_RTHROTTLED or ESME_RMSGQFUL
	Rejected   uint64 // answered with another status
	NotSent    uint64 // ErrNotSent
	Unanswered uint64 // ErrOutcomeUnknown
	Unmatched  uint64 // responses that nobody waited for, late ones most of them
}

// counters are the counts of Stats.
type counters struct {
	binds, received, acknowledged, refused, overloaded, malformed            atomic.Uint64
	submitted, accepted, throttled, rejected, notSent, unanswered, unmatched atomic.Uint64
}

func (c *counters) answered(s Status) {
	if s == StatusOK {
		c.acknowledged.Add(1)
	} else {
		c.refused.Add(1)
	}
}

// Stats is a snapshot; its numbers are not all of the same instant.
func (e *ESME) Stats() Stats {
	c := &e.count
	s := Stats{
		UnderWay: e.windows.underWay(), Waiting: int(max(0, e.inbound.waiting.Load())), Rate: e.pace.current(),
		Binds: c.binds.Load(), Received: c.received.Load(), Acknowledged: c.acknowledged.Load(), Refused: c.refused.Load(),
		Overloaded: c.overloaded.Load(), Malformed: c.malformed.Load(),
		Submitted: c.submitted.Load(), Accepted: c.accepted.Load(), Throttled: c.throttled.Load(), Rejected: c.rejected.Load(),
		NotSent: c.notSent.Load(), Unanswered: c.unanswered.Load(), Unmatched: c.unmatched.Load(),
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Sessions = len(e.legs)
	for _, l := range e.legs {
		if l.session != nil {
			s.Bound++
		}
	}
	return s
}

// quiet bounds the log lines that a peer can cause: a burst, then one a second.
type quiet struct {
	mu      sync.Mutex
	left    int
	at      time.Time
	skipped int
}

const quietBurst = 20

// allow says whether a line may be logged, and how many were not since the last
// one that was.
func (q *quiet) allow() (skipped int, ok bool) {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.at.IsZero() {
		q.left, q.at = quietBurst, now
	}
	if n := int(now.Sub(q.at) / time.Second); n > 0 {
		q.left, q.at = min(quietBurst, q.left+n), q.at.Add(time.Duration(n)*time.Second)
	}
	if q.left == 0 {
		q.skipped++
		return 0, false
	}
	q.left--
	skipped, q.skipped = q.skipped, 0
	return skipped, true
}
