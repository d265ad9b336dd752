package smpp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// How a submission can fail. Exactly one of ErrNotSent, ErrOutcomeUnknown and
// *StatusError is found in every error of Submit.
var (
	// ErrNotSent: no octet of the message has left; it is safe to send it again.
	ErrNotSent = errors.New("not sent")
	// ErrOutcomeUnknown: the message has left, at least in part, and was not
	// answered. The SMSC may or may not have it.
	ErrOutcomeUnknown = errors.New("sent, outcome unknown")
	// ErrUnencodable comes with ErrNotSent: the message breaks a limit of the
	// protocol and can never be sent as it is.
	ErrUnencodable = errors.New("message cannot be encoded")
)

// StatusError is a refusal by the SMSC.
type StatusError struct {
	Command CommandID // what answered: the operation's response or generic_nack
	Status  Status
}

func (e *StatusError) Error() string { return e.Command.String() + " " + e.Status.String() }

// Temporary says whether the same message can be taken at another attempt.
// ESME_RSUBMITFAIL and ESME_RSYSERR are counted in: they name no reason, and
// SMSCs use them for a lack of their own.
func (e *StatusError) Temporary() bool {
	switch e.Status {
	case StatusThrottled, StatusMsgQFul, StatusSysErr, StatusTempAppErr, StatusSubmitFail:
		return true
	}
	return false
}

// slowDown says whether the SMSC wants fewer messages a second.
func (e *StatusError) slowDown() bool {
	return e.Status == StatusThrottled || e.Status == StatusMsgQFul
}

// requestState is how far a request of ours has come:
//
//	queued ──> handed ──> answered
//	   └──────────┴─────> abandoned (nobody waits any more, or the session ended)
type requestState byte

const (
	queued    requestState = iota
	handed                 // to the connection, whole or in part
	answered               // in answer
	abandoned              // the writer skips it
)

// request waits for one response. Its fields belong to session.mu until done
// is closed.
type request struct {
	command  CommandID
	sequence uint32
	state    requestState
	done     chan struct{}
	answer   PDU
	err      error // of a session that ended first
}

// errTimeout says that ResponseTimeout has passed.
var errTimeout = errors.New("no response in time")

// errDraining refuses new requests of a session that is about to unbind.
var errDraining = errors.New("the bind is being closed")

// send queues a request and enters it into the table of those that wait.
// p.Sequence is chosen here: unique among the waiting ones, 1 to 0x7FFFFFFF
// (§3.2), counted per connection.
func (s *session) send(p PDU) (*request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, fmt.Errorf("%w: %w", ErrNotSent, s.cause)
	}
	if s.draining && p.Command != EnquireLink && p.Command != Unbind {
		return nil, fmt.Errorf("%w: %w", ErrNotSent, errDraining)
	}
	sequence := s.sequence
	for {
		sequence = sequence%maxSequence + 1
		if s.waiting[sequence] == nil {
			break
		}
	}
	p.Sequence = sequence
	r := &request{command: p.Command, sequence: sequence, done: make(chan struct{})}
	if err := s.out.put(p, r); err != nil {
		return nil, fmt.Errorf("%w: %w: %w", ErrNotSent, ErrUnencodable, err)
	}
	s.sequence, s.waiting[sequence] = sequence, r
	s.toWrite.Signal()
	return r, nil
}

// await waits for the response to r; a refusal is a response too.
func (s *session) await(ctx context.Context, r *request, timeout time.Duration) (PDU, error) {
	t := time.NewTimer(timeout)
	defer t.Stop()
	cause := errTimeout
	select {
	case <-r.done:
		return r.answer, r.err
	case <-ctx.Done():
		cause = context.Cause(ctx)
	case <-t.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.state == answered || r.err != nil {
		return r.answer, r.err
	}
	s.abandon(r, cause)
	return PDU{}, r.err
}

// abandon ends the wait for r. s.mu is held.
func (s *session) abandon(r *request, cause error) {
	outcome := ErrOutcomeUnknown
	if r.state == queued {
		outcome = ErrNotSent
	}
	r.state, r.err = abandoned, fmt.Errorf("%w: %w", outcome, cause)
	delete(s.waiting, r.sequence)
	close(r.done)
	s.checkDrained()
}

// resolve gives a response to the request that waits for it: the one of the
// same sequence number whose operation it answers. Sequence numbers of the two
// directions are independent, so that one alone says nothing. It returns false
// when nobody waits.
func (s *session) resolve(p PDU) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.waiting[p.Sequence]
	if r == nil || r.state != handed || p.Command != r.command.Response() && p.Command != GenericNack {
		return false
	}
	if p.Command == GenericNack && p.Status == StatusOK {
		p.Status = StatusUnknownErr // a nack refuses, whatever it says
	}
	r.state, r.answer = answered, p
	delete(s.waiting, p.Sequence)
	close(r.done)
	s.checkDrained()
	return true
}

// exchange sends a request that has a place in the window, and waits for the
// answer; a refusal is a *StatusError.
func (s *session) exchange(ctx context.Context, p PDU) (PDU, error) {
	r, err := s.send(p)
	if err != nil {
		return PDU{}, err
	}
	answer, err := s.await(ctx, r, s.cfg.ResponseTimeout)
	if err != nil {
		return PDU{}, err
	}
	if answer.Status != StatusOK {
		return PDU{}, &StatusError{Command: answer.Command, Status: answer.Status}
	}
	return answer, nil
}
