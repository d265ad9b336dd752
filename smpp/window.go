package smpp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// errNotBound: there is no session to submit on.
var errNotBound = errors.New("not bound as a transmitter")

// windows are the windows of a bind's sessions that may submit. A request takes
// a place in the one with most room; when all are full, whoever has waited
// longest gets the next place that is given back.
type windows struct {
	mu       sync.Mutex
	sessions []*session
	waiting  []*waiter
	closing  bool // the last session went because the bind is being closed
}

// waiter waits for a place. It gets a session, or nil and the reason why there
// is none any more.
type waiter struct {
	got   chan struct{}
	on    *session
	cause error
}

// take gives a place in a window, or ErrNotSent.
func (w *windows) take(ctx context.Context) (*session, error) {
	w.mu.Lock()
	if len(w.sessions) == 0 {
		w.mu.Unlock()
		return nil, fmt.Errorf("%w: %w", ErrNotSent, w.reason())
	}
	if best := w.best(); best != nil {
		best.free--
		w.mu.Unlock()
		return best, nil
	}
	me := &waiter{got: make(chan struct{})}
	w.waiting = append(w.waiting, me)
	w.mu.Unlock()
	select {
	case <-me.got:
	case <-ctx.Done():
		if w.leave(me) {
			return nil, fmt.Errorf("%w: %w", ErrNotSent, context.Cause(ctx))
		}
		// The place came at the same moment: it goes to the next one.
		<-me.got
		if me.on != nil {
			w.give(me.on)
		}
		return nil, fmt.Errorf("%w: %w", ErrNotSent, context.Cause(ctx))
	}
	if me.on == nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSent, me.cause)
	}
	return me.on, nil
}

// best is the session with most room; nil when there is none. w.mu is held.
func (w *windows) best() (best *session) {
	for _, s := range w.sessions {
		if s.free > 0 && (best == nil || s.free > best.free) {
			best = s
		}
	}
	return best
}

// leave takes a waiter out of the queue; false when it has been served.
func (w *windows) leave(me *waiter) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.waiting, me)
	if i >= 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
	}
	return i >= 0
}

// give gives a place back.
func (w *windows) give(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.free++
	w.serve()
}

// serve hands free places to those who wait. w.mu is held.
func (w *windows) serve() {
	for len(w.waiting) > 0 {
		s := w.best()
		if s == nil {
			return
		}
		s.free--
		w.next(s, nil)
	}
}

// next ends the longest wait. w.mu is held.
func (w *windows) next(on *session, cause error) {
	me := w.waiting[0]
	w.waiting = slices.Delete(w.waiting, 0, 1)
	me.on, me.cause = on, cause
	close(me.got)
}

// add opens the window of a session that was bound.
func (w *windows) add(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions = append(w.sessions, s)
	w.serve()
}

// remove closes the window of a session, once or more often. Whoever waits goes
// on waiting for another session's, where there is one.
func (w *windows) remove(s *session, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.sessions, s)
	if i < 0 {
		return
	}
	w.sessions = slices.Delete(w.sessions, i, i+1)
	if len(w.sessions) > 0 {
		return
	}
	w.closing = cause == errDraining
	for len(w.waiting) > 0 {
		w.next(nil, cause)
	}
}

// reason says why there is no session.
func (w *windows) reason() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return errDraining
	}
	return errNotBound
}

// open says whether there is a session to submit on.
func (w *windows) open() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sessions) > 0
}

// underWay counts the requests that have a place.
func (w *windows) underWay() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, s := range w.sessions {
		n += s.cfg.Window - s.free
	}
	return n
}
