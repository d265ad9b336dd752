package smsc

import (
	"math/rand/v2"
	"sync"
	"time"
)

// dice holds the current Faults and draws what they leave to chance. Every fault and
// every latency has a stream of its own, so that its nth draw depends on the seed
// alone, whatever else happens meanwhile: the same seed and the same sequence of
// events meet the same decisions.
type dice struct {
	mu      sync.Mutex
	f       Faults
	streams [streamCount]*rand.Rand
	changed chan struct{} // closed and replaced by set

	tokens map[*account]bucket
}

// The streams: one a fault, and these.
const (
	latencyStream = int(faultCount) + iota
	receiptStream
	streamCount
)

// bucket is what an account may still submit.
type bucket struct {
	left float64
	at   time.Time
}

func newDice(f Faults, seed uint64) *dice {
	d := &dice{changed: make(chan struct{}), tokens: make(map[*account]bucket)}
	if f.Seed == 0 {
		f.Seed = seed
	}
	d.set(f)
	return d
}

// set replaces the faults. With a seed the draws begin anew; without one they go on.
func (d *dice) set(f Faults) {
	f.expand()
	d.mu.Lock()
	defer d.mu.Unlock()
	if f.Seed == 0 {
		f.Seed = d.f.Seed
	} else {
		for i := range d.streams {
			d.streams[i] = rand.New(rand.NewPCG(f.Seed, uint64(i)+1))
		}
	}
	d.f = f
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *dice) get() Faults {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.f
}

// stopped is Faults.StopReading, and a channel that is closed when that may be another.
func (d *dice) stopped() (bool, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.f.StopReading, d.changed
}

// hits says whether a fault hits now, and counts it.
func (d *dice) hits(k fault) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return faultTable[k].count(&d.f).take(d.streams[k])
}

// hitsNumber is hits for a message from or to a number: its magic comes first, and is
// neither drawn nor counted.
func (d *dice) hitsNumber(k fault, number string) bool {
	if n := magicOf(number); n != noMagic {
		return n == faultTable[k].magic
	}
	return d.hits(k)
}

// latency draws how late a response is.
func (d *dice) latency() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.f.Latency.draw(d.streams[latencyStream]) + time.Duration(d.f.Delay)
}

// receiptLatency draws how late a receipt is.
func (d *dice) receiptLatency() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.f.ReceiptLatency.draw(d.streams[receiptStream])
}

// over says whether an account submits more than Faults.Throughput lets it. A tenth of
// a second's worth may come at once.
func (d *dice) over(a *account, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.f.Throughput == 0 {
		return false
	}
	rate := float64(d.f.Throughput)
	most := max(1, rate/10)
	b, ok := d.tokens[a]
	if !ok {
		b = bucket{left: most, at: now}
	}
	b.left = min(most, b.left+rate*now.Sub(b.at).Seconds())
	b.at = now
	over := b.left < 1
	if !over {
		b.left--
	}
	d.tokens[a] = b
	return over
}

// glue and writeOctets are those faults; the writers ask often.
func (d *dice) glue() Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.f.Glue
}

func (d *dice) writeOctets() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.f.WriteOctets
}
