package platform

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A subscriber's messages are worked on in the order in which they came; others do not
// wait for them, and who has waited long enough gives up.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			ts    turns
			mu    sync.Mutex
			order []string
			all   sync.WaitGroup
		)
		message := func(who, name string, work time.Duration) {
			turn := ts.take(who)
			all.Go(func() {
				defer turn.over()
				if err := turn.wait(t.Context()); err != nil {
					t.Error(err)
				}
				time.Sleep(work)
				mu.Lock()
				order = append(order, name)
				mu.Unlock()
				turn.over() // early, as an order does
				time.Sleep(time.Minute)
			})
		}
		message("a", "PIN", 3*time.Second)
		message("a", "hung up", 0)
		message("b", "another's", time.Second)
		message("a", "dialled", 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		impatient := ts.take("a")
		if err := impatient.wait(ctx); err == nil {
			t.Error("it waited for nobody")
		}
		impatient.over()
		all.Wait()
		if want := []string{"another's", "PIN", "hung up", "dialled"}; !slices.Equal(order, want) {
			t.Errorf("the order was %q, want %q", order, want)
		}
		if len(ts.last) != 0 {
			t.Errorf("%d subscribers are left", len(ts.last))
		}
	})
}
