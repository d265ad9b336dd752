package smpp

import (
	"math/rand/v2"
	"time"
)

// backoff is the pause before the next attempt to connect: it doubles from min
// to max, and half of it is chance, so that the gateways of one operator do not
// come back to a restarted SMSC all at once.
type backoff struct {
	min, max time.Duration
	next     time.Duration
}

func (b *backoff) pause() time.Duration {
	d := min(max(b.next, b.min), b.max)
	b.next = min(2*d, b.max)
	return d/2 + rand.N(d/2+1)
}

func (b *backoff) reset() { b.next = 0 }
