package platform

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// feedSize is how many steps are kept, in memory only.
const feedSize = 1000

// Step is one event on the way of a message, for people who watch: no number, no
// amount, no text.
type Step struct {
	N          uint64    `json:"n"`
	At         time.Time `json:"at"`
	Ref        string    `json:"ref,omitempty"`
	Subscriber string    `json:"subscriber,omitempty"` // the last digits
	Step       string    `json:"step"`                 // dialogue, journal, key, sealed, bank, verdict, confirmation, receipt
	Detail     string    `json:"detail,omitempty"`
}

// feed is the ring of the latest steps.
type feed struct {
	mu      sync.Mutex
	on      bool
	steps   []Step
	next    uint64
	changed chan struct{}
}

// turn turns the feed on, where somebody can look at it.
func (f *feed) turn(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = on
}

// note adds a step, where there is an admin port to show it.
func (g *Gateway) note(msisdn, ref, step, detail string) {
	f := &g.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.on {
		return
	}
	f.next++
	s := Step{N: f.next, At: time.Now(), Ref: ref, Step: step, Detail: detail}
	if msisdn != "" {
		s.Subscriber = "…" + lastDigits(msisdn)
	}
	if len(f.steps) >= feedSize {
		f.steps = append(f.steps[:0], f.steps[len(f.steps)-feedSize+feedSize/4:]...)
	}
	f.steps = append(f.steps, s)
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// after gives the steps behind a number, and waits for one until ctx ends.
func (f *feed) after(ctx context.Context, n uint64) []Step {
	for {
		f.mu.Lock()
		for i := range f.steps {
			if f.steps[i].N > n {
				out := append([]Step(nil), f.steps[i:]...)
				f.mu.Unlock()
				return out
			}
		}
		if f.changed == nil {
			f.changed = make(chan struct{})
		}
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return []Step{}
		}
	}
}

// stepsWait bounds how long a request may wait for a step.
const stepsWait = 30 * time.Second

func (g *Gateway) serveSteps(w http.ResponseWriter, r *http.Request) {
	n, err1 := strconv.ParseUint(cmp.Or(r.FormValue("after"), "0"), 10, 64)
	wait, err2 := time.ParseDuration(cmp.Or(r.FormValue("wait"), "0s"))
	if err1 != nil || err2 != nil {
		http.Error(w, "want after=NUMBER and wait=DURATION, as in /steps?after=7&wait=20s", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), min(wait, stepsWait))
	defer cancel()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct { // the peer left: nothing to do about it
		Steps []Step `json:"steps"`
	}{g.feed.after(ctx, n)})
}
