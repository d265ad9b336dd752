package platform

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"starhash/bank/link"
)

// bankOf answers each message with itself in capitals, after a while, and notes
// how the messages came.
type bankOf struct {
	bundles bool
	hang    []byte // a message that is never answered
	mu      sync.Mutex
	singles int
	sizes   []int
}

func (b *bankOf) one(msg []byte) []byte {
	if bytes.Equal(msg, b.hang) {
		return nil
	}
	return bytes.ToUpper(msg)
}

func (b *bankOf) post(_ context.Context, path string, body []byte) ([]byte, error) {
	b.mu.Lock()
	if path == link.PathTransact {
		b.singles++
	}
	b.mu.Unlock()
	if path == link.PathTransact && b.hang != nil && bytes.Equal(body, b.hang) {
		time.Sleep(5 * time.Second) // as long as Bank.Timeout
		return nil, context.DeadlineExceeded
	}
	time.Sleep(10 * time.Millisecond)
	if path == link.PathTransact {
		return b.one(body), nil
	}
	if !b.bundles {
		return nil, &link.StatusError{Status: http.StatusNotFound}
	}
	msgs, err := link.ReadBundle(body)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.sizes = append(b.sizes, len(msgs))
	b.mu.Unlock()
	var out []byte
	for _, m := range msgs {
		out = link.AppendBundle(out, b.one(m))
	}
	return out, nil
}

// crowd sends n messages at once and gives what each got.
func crowd(l *bankLine, n int) (answers []string, errs []error) {
	answers, errs = make([]string, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			a, err := l.transact(context.Background(), []byte{'a' + byte(i%26), 'a' + byte(i/26)})
			answers[i], errs[i] = string(a), err
		})
	}
	all.Wait()
	return answers, errs
}

func TestBundlesKeepMessagesApart(t *testing.T) {
	for name, bundles := range map[string]bool{"a bank that has bundles": true, "one that has not": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bankOf{bundles: bundles}
				l := newBankLine(b.post)
				defer l.close()
				const n = 300
				answers, errs := crowd(l, n)
				for i := range n {
					if want := string([]byte{'A' + byte(i%26), 'A' + byte(i/26)}); answers[i] != want || errs[i] != nil {
						t.Errorf("message %d: %q, %v; want %q", i, answers[i], errs[i], want)
					}
				}
				// The first find the workers idle and go alone.
				if bundles && (b.singles > bundleWriters || len(b.sizes) < n/bundleSize) {
					t.Errorf("%d messages alone, bundles of %v", b.singles, b.sizes)
				}
				if !bundles && b.singles != n {
					t.Errorf("%d messages alone, want all", b.singles)
				}
			})
		})
	}
}

// A message that hangs holds up nobody for long, and one without a verdict is
// told so.
func TestBundleThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bankOf{bundles: true, hang: []byte("hangs")}
		l := newBankLine(b.post)
		defer l.close()
		var hanging sync.WaitGroup
		for range bundleWriters {
			hanging.Go(func() {
				if _, err := l.transact(t.Context(), b.hang); err == nil {
					t.Error("a message that hangs was answered")
				}
			})
			synctest.Wait()
		}
		began := time.Now()
		_, errs := crowd(l, 10)
		if d := time.Since(began); d > time.Second || errors.Join(errs...) != nil {
			t.Errorf("the others took %v, %v", d, errors.Join(errs...))
		}
		hanging.Wait()
	})
}

// Who leaves before the message went knows that the bank does not have it.
func TestBundleLeftInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bankOf{bundles: true}
		l := newBankLine(b.post)
		ctx, cancel := context.WithCancel(t.Context())
		var busy sync.WaitGroup
		for range bundleWriters {
			busy.Go(func() { _, _ = l.transact(context.Background(), []byte("first")) })
			synctest.Wait()
		}
		left := make(chan error)
		go func() {
			_, err := l.transact(ctx, []byte("late"))
			left <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, link.ErrNotSent) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		busy.Wait()
		l.close()
		if b.singles != bundleWriters || len(b.sizes) != 0 {
			t.Errorf("%d messages alone, bundles of %v: the one that was left went", b.singles, b.sizes)
		}
		if _, err := l.transact(t.Context(), []byte("after")); !errors.Is(err, link.ErrNotSent) {
			t.Errorf("after close: %v", err)
		}
	})
}
