package platform

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"starhash/bank/link"
)

// Transact messages go to the bank in bundles: what is ready at the same time goes
// in one request, and its answers come in one. bundleWriters are under way at a
// time, and more when they are slow; a bank that hangs holds bundleMost of them, and
// the rest waits for its turn.
const (
	bundleWriters = 3
	bundleSize    = 64
	bundleSlow    = 100 * time.Millisecond
	bundleMost    = 64
	// noBundles is how long a bank that has no bundles is not asked again.
	noBundles = 10 * time.Minute
)

// bankLine is the way of Transact messages to the bank.
type bankLine struct {
	post    func(ctx context.Context, path string, msg []byte) ([]byte, error) // bounded
	batches *batches[*transact]
	plain   atomic.Int64 // until when messages go one by one, Unix ms
}

// transact is one message on its way, and what came of it.
type transact struct {
	msg, answer []byte
	err         error
}

func newBankLine(post func(context.Context, string, []byte) ([]byte, error)) *bankLine {
	l := &bankLine{post: post}
	l.batches = newBatches(bundleSize, bundlePatience, l.send)
	l.batches.leaveSlow(bundleSlow, bundleMost)
	l.batches.leave = true
	l.batches.start(bundleWriters)
	return l
}

// bundlePatience is how long a message waits for its turn before it is tried again
// from the start.
const bundlePatience = 30 * time.Second

func (l *bankLine) close() { l.batches.close() }

var errNoAnswer = errors.New("the bank gave no verdict about this message")

// transact sends a message and gives the answer to it. An error that is
// link.ErrNotSent, or one of batches', says that the bank does not have it; any
// other leaves that open.
func (l *bankLine) transact(ctx context.Context, msg []byte) ([]byte, error) {
	t := &transact{msg: msg}
	switch err := l.batches.call(ctx, t); {
	case errors.Is(err, errLeft):
		return nil, err
	case err != nil:
		return nil, errors.Join(link.ErrNotSent, err)
	}
	return t.answer, t.err
}

func (l *bankLine) send(all []*transact) {
	ctx := context.Background() // post bounds itself, and its callers have to see it through
	if len(all) > 1 && time.Now().UnixMilli() > l.plain.Load() && l.bundle(ctx, all) {
		return
	}
	var each sync.WaitGroup
	for _, t := range all[1:] {
		each.Go(func() { t.answer, t.err = l.post(ctx, link.PathTransact, t.msg) })
	}
	all[0].answer, all[0].err = l.post(ctx, link.PathTransact, all[0].msg)
	each.Wait()
}

// bundle sends messages together. It gives false when the bank has no bundles, and
// so has none of them.
func (l *bankLine) bundle(ctx context.Context, all []*transact) bool {
	var body []byte
	for _, t := range all {
		if !link.FitsBundle(len(body), len(t.msg)) {
			return false
		}
		body = link.AppendBundle(body, t.msg)
	}
	answer, err := l.post(ctx, link.PathBundle, body)
	if s, ok := errors.AsType[*link.StatusError](err); ok && s.Status == http.StatusNotFound {
		l.plain.Store(time.Now().Add(noBundles).UnixMilli())
		return false
	}
	var answers [][]byte
	if err == nil {
		answers, err = link.ReadBundle(answer)
	}
	if err == nil && len(answers) != len(all) {
		err = errNoAnswer
	}
	for i, t := range all {
		switch {
		case err != nil:
			t.err = err
		case len(answers[i]) == 0:
			t.err = errNoAnswer
		default:
			t.answer = answers[i]
		}
	}
	return true
}
