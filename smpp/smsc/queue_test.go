package smsc

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"starhash/smpp"
)

// Deliveries leave when they are due, those of the same time in the order in which
// they came, also while somebody waits already.
func TestQueueOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dues := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 30).Draw(rt, "seconds")
		synctest.Test(t, func(t *testing.T) {
			var q queue
			begin := time.Now()
			var got []*delivery
			taken := make(chan struct{})
			go func() {
				defer close(taken)
				for range dues {
					d := q.take(context.Background(), nil, addressRange{})
					if now := time.Now(); now.Before(d.due) || now.After(d.due) && d.due.After(begin) {
						t.Errorf("due at %v, taken at %v", d.due.Sub(begin), now.Sub(begin))
					}
					got = append(got, d)
				}
			}()
			synctest.Wait() // it waits with nothing there
			for i, s := range dues {
				q.put(&delivery{tries: i}, begin.Add(time.Duration(s)*time.Second))
			}
			<-taken
			for i := 1; i < len(got); i++ {
				a, b := got[i-1], got[i]
				if b.due.Before(a.due) || b.due.Equal(a.due) && b.tries < a.tries {
					t.Errorf("%d came before %d", a.tries, b.tries)
				}
			}
			if q.len() != 0 {
				t.Errorf("%d are left", q.len())
			}
		})
	})
}

func TestQueueTakeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		q.put(&delivery{}, time.Now().Add(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if d := q.take(ctx, nil, addressRange{}); d != nil {
			t.Error("taken before it was due")
		}
		done := make(chan struct{})
		close(done)
		if d := q.take(t.Context(), done, addressRange{}); d != nil {
			t.Error("taken before it was due")
		}
		if q.len() != 1 {
			t.Error("lost")
		}
	})
}

func TestBackoff(t *testing.T) {
	s := New(Config{RetryMin: time.Second, RetryMax: 10 * time.Second, Seed: 1}, discard())
	for tries, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 5: 10 * time.Second, 1000: 10 * time.Second} {
		for range 50 {
			if got := s.backoff(tries); got < want*4/5 || got > want*6/5 {
				t.Errorf("try %d: %v", tries, got)
			}
		}
	}
}

// What is handed to a connection that ends at that moment goes to the next that waits.
func TestQueueHandedTooLate(t *testing.T) {
	for range 300 {
		var q queue
		done := make(chan struct{})
		one, two := make(chan *delivery, 1), make(chan *delivery, 1)
		ctx, cancel := context.WithCancel(t.Context())
		wait := func(n int) {
			for waiting := 0; waiting < n; {
				q.mu.Lock()
				waiting = len(q.takers)
				q.mu.Unlock()
			}
		}
		go func() { one <- q.take(ctx, done, addressRange{}) }()
		wait(1)
		go func() { two <- q.take(ctx, nil, addressRange{}) }()
		wait(2)
		close(done)
		q.put(&delivery{}, time.Now())
		if d := <-one; d == nil {
			select {
			case <-two:
			case <-time.After(patience):
				t.Fatal("nobody has it")
			}
		}
		cancel()
	}
}

// One that is not yet due wakes who waits for its range, though another, for a range
// that nobody serves, is due before it.
func TestQueueBehindAnotherRange(t *testing.T) {
	to := func(address string) *delivery {
		return &delivery{mo: true, message: &smpp.Message{Dest: smpp.Address{Addr: address}}}
	}
	var q queue
	q.put(to("8000"), time.Now())
	got := make(chan *delivery, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() { got <- q.take(ctx, nil, addressRange{prefix: "7001"}) }()
	for waiting := 0; waiting == 0; {
		q.mu.Lock()
		waiting = len(q.takers)
		q.mu.Unlock()
	}
	q.put(to("7001"), time.Now().Add(50*time.Millisecond))
	if d := <-got; d == nil {
		t.Error("waited in vain")
	}
}
