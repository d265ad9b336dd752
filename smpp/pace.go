package smpp

import (
	"context"
	"sync"
	"time"
)

// How the pace follows an SMSC that says ESME_RTHROTTLED or ESME_RMSGQFUL:
// at most once in paceHold it falls by twice the share that was refused since it
// fell last, by half at most; and then a paceStep of the rate at which it
// happened first more every paceTick, until that rate is reached again. So a
// stray refusal, for a phone whose queue is full say, costs the others little.
const (
	paceHold = 500 * time.Millisecond
	paceTick = 100 * time.Millisecond
	paceStep = 0.01 // so that it is back five seconds after one refusal, ten at most after the last of many
	// paceBurst is how far behind its rate a submission may be and still leave
	// at once.
	paceBurst = 50 * time.Millisecond
	minRate   = 1.0 // submissions a second
)

// pace spaces the submissions of a bind out to at most so many a second. Whoever
// waits has no moment of their own yet: one after the other gets the turn, and
// its moment from the rate of then. So who gives up costs the others nothing, and
// a rate that rises again serves those who waited through its fall.
type pace struct {
	limit float64       // configured; 0: none
	turn  chan struct{} // held by the one who waits for their moment

	mu     sync.Mutex
	rate   float64   // of now; 0: none
	target float64   // to come back to
	next   time.Time // the next submission's moment
	cut    time.Time // when the rate fell last
	raised time.Time // when it was raised last

	taken, refused float64 // since the rate fell last

	second time.Time // of the count, which says how fast we are without a limit
	count  int
	before float64
}

func newPace(limit int) *pace {
	return &pace{limit: float64(limit), rate: float64(limit), turn: make(chan struct{}, 1)}
}

// wait returns when the next submission may leave, or the context's end.
func (p *pace) wait(ctx context.Context) error {
	if p.unlimited() {
		return nil
	}
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.turn }()
	for {
		d := p.leave(time.Now())
		if d <= 0 {
			return nil
		}
		t := time.NewTimer(d)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		}
	}
}

// unlimited lets a submission leave that needs no turn.
func (p *pace) unlimited() bool {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recover(now)
	if p.rate > 0 {
		return false
	}
	p.left(now)
	return true
}

// leave lets the submission leave whose turn it is, or says how far away its
// moment is.
func (p *pace) leave(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recover(now)
	if p.rate > 0 {
		if d := p.next.Sub(now); d > 0 {
			return d
		}
		if early := now.Add(-paceBurst); p.next.Before(early) {
			p.next = early
		}
		p.next = p.next.Add(time.Duration(float64(time.Second) / p.rate))
	}
	p.left(now)
	return 0
}

// left counts a submission. p.mu is held.
func (p *pace) left(now time.Time) {
	if now.Sub(p.second) >= time.Second {
		p.before = float64(p.count) / max(1, now.Sub(p.second).Seconds())
		p.second, p.count = now, 0
	}
	p.count++
}

// recover raises a rate that was cut. p.mu is held.
func (p *pace) recover(now time.Time) {
	if p.target == 0 {
		return
	}
	ticks := now.Sub(p.raised) / paceTick
	p.raised = p.raised.Add(ticks * paceTick)
	p.rate += float64(ticks) * paceStep * p.target
	if p.rate >= p.target {
		p.rate, p.target = p.limit, 0
	}
}

// accepted takes note of a submission that the SMSC took.
func (p *pace) accepted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken++
}

// throttled takes note that the SMSC wants fewer.
func (p *pace) throttled() {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused++
	if now.Sub(p.cut) < paceHold {
		return
	}
	p.recover(now)
	if p.target == 0 {
		p.target = p.rate
		if p.rate == 0 {
			p.target = max(2*minRate, p.before, float64(p.count))
		}
		p.rate = p.target
	}
	share := p.refused / (p.taken + p.refused)
	p.rate = max(minRate, p.rate*(1-min(0.5, 2*share)))
	p.cut, p.raised, p.taken, p.refused = now, now, 0, 0
}

// current is the rate of now, in submissions a second; 0: no limit.
func (p *pace) current() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recover(time.Now())
	return p.rate
}
