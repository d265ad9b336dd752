package load

import (
	"math"
	"time"
)

// burst is how long messages are gathered that are due at nearly the same time:
// timers are not much finer.
const burst = time.Millisecond

// schedule says when each message of an open load is due, whatever the ESME
// does. Times count from the load's begin.
type schedule struct {
	interval float64 // ns between two messages; 0: all are due at once
}

func newSchedule(rate float64) schedule {
	if rate == 0 {
		return schedule{}
	}
	return schedule{interval: 1e9 / rate}
}

// at is when message n is due.
func (s schedule) at(n uint64) time.Duration {
	t := time.Duration(s.interval * float64(n))
	if s.interval < float64(burst) {
		t = t.Truncate(burst)
	}
	return t
}

// due is how many messages are due by t.
func (s schedule) due(t time.Duration) uint64 {
	switch {
	case t < 0:
		return 0
	case s.interval == 0:
		return math.MaxUint64
	case s.interval < float64(burst):
		t = t.Truncate(burst) + burst - 1
	}
	n := uint64(float64(t)/s.interval) + 1
	// Rounding must not make a message due before its time.
	for n > 0 && s.at(n-1) > t {
		n--
	}
	return n
}
