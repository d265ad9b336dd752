package smpp

import (
	"context"
	"errors"
	"fmt"
)

var errNoBody = errors.New("the answer does not decode")

// Query asks for the state of a message: query_sm, §4.8. Like every request it
// takes a place in the window and in the throughput, and fails as Submit does.
// q is not changed; a Source with TON and NPI 0 gets those of the configuration,
// as it got them when the message was submitted.
//
// An SMSC can answer ESME_ROK and leave out the rest: then the state is 0.
func (e *ESME) Query(ctx context.Context, q *Query) (*QueryResp, error) {
	out := *q
	e.from(&out.Source)
	answer, err := e.request(ctx, PDU{Command: QuerySM, Body: &out}, nil)
	if err != nil {
		return nil, err
	}
	b, ok := answer.Body.(*QueryResp)
	if !ok {
		return nil, fmt.Errorf("%w: %w", ErrOutcomeUnknown, errNoBody)
	}
	return b, nil
}

// Cancel takes back a message that was not delivered yet, or several of a
// source: cancel_sm, §4.9. For addresses and errors see Query.
func (e *ESME) Cancel(ctx context.Context, c *Cancel) error {
	out := *c
	e.from(&out.Source)
	_, err := e.request(ctx, PDU{Command: CancelSM, Body: &out}, nil)
	return err
}

// Replace puts another text in the place of one that was not delivered yet:
// replace_sm, §4.10. The data_coding stays that of the message. For addresses
// and errors see Query.
func (e *ESME) Replace(ctx context.Context, r *Replace) error {
	out := *r
	e.from(&out.Source)
	_, err := e.request(ctx, PDU{Command: ReplaceSM, Body: &out}, nil)
	return err
}
