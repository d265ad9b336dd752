package smsc

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// maxLatency bounds what is drawn and what can be asked for.
const maxLatency = Duration(10 * time.Minute)

// Latency is a distribution of time spans, told by what is known of real ones: the
// least, the median and the 99th percentile.
type Latency struct {
	// Distribution is constant (always Median), uniform (Min to as far above Median),
	// normal, lognormal (the usual shape of response times; also when empty), or pareto
	// (a heavy tail: P99 is more than 6.7 times as far above Min as Median).
	Distribution string   `json:"distribution,omitempty" mapstructure:"distribution"`
	Min          Duration `json:"min,omitempty" mapstructure:"min"`
	Median       Duration `json:"median,omitempty" mapstructure:"median"`
	P99          Duration `json:"p99,omitempty" mapstructure:"p99"` // 10 times Median if not set
}

const (
	z99         = 2.3263 // the standard normal's 99th percentile
	paretoLeast = 6.7    // ln 100 / ln 2 = 6.64, which is the exponential distribution's
)

func ms(n int) Duration { return Duration(time.Duration(n) * time.Millisecond) }

func (l *Latency) p99() Duration {
	if l.P99 == 0 {
		return 10 * l.Median
	}
	return l.P99
}

func (l *Latency) check() error {
	if *l == (Latency{}) {
		return nil
	}
	switch {
	case l.Median < l.Min || l.Median == 0:
		return errors.New("want a median, and not below min")
	case l.p99() < l.Median:
		return errors.New("p99 is below the median")
	case l.Min > maxLatency || l.p99() > maxLatency:
		return fmt.Errorf("more than %v", maxLatency)
	}
	switch l.Distribution {
	case "constant", "uniform", "normal":
	case "", "lognormal":
		if l.Median == l.Min {
			return errors.New("lognormal: the median is min; try constant")
		}
	case "pareto":
		if l.Median == l.Min || float64(l.p99()-l.Min) < paretoLeast*float64(l.Median-l.Min) {
			return fmt.Errorf("pareto: p99 is less than %v times as far above min as the median; try lognormal", paretoLeast)
		}
	default:
		return fmt.Errorf("%q is none of constant, uniform, normal, lognormal, pareto", l.Distribution)
	}
	return nil
}

// draw is the next time span; one draw of r whatever the distribution, none without.
func (l *Latency) draw(r *rand.Rand) time.Duration {
	if *l == (Latency{}) {
		return 0
	}
	// The upper tail's share, never 0.
	u := 1 - r.Float64()
	low, mid, high := float64(l.Min), float64(l.Median-l.Min), float64(l.p99()-l.Min)
	var v float64
	switch l.Distribution {
	case "constant":
		v = mid
	case "uniform":
		v = 2 * mid * u
	case "normal":
		v = mid + normal(u)*(high-mid)/z99
	case "pareto":
		b := tail(high / mid)
		v = mid * (math.Pow(u, -b) - 1) / (math.Pow(2, b) - 1)
	default:
		v = mid * math.Exp(normal(u)*math.Log(high/mid)/z99)
	}
	return time.Duration(min(max(low+v, low), float64(maxLatency)))
}

// normal is the standard normal value that a share u of them exceeds.
func normal(u float64) float64 { return math.Sqrt2 * math.Erfinv(1-2*u) }

// tail is the b with (100^b - 1) / (2^b - 1) = ratio: the shape of the Pareto (Lomax)
// distribution whose 99th percentile is ratio times its median.
func tail(ratio float64) float64 {
	low, high := 1e-6, 64.0
	for range 60 {
		b := (low + high) / 2
		if (math.Pow(100, b)-1)/(math.Pow(2, b)-1) < ratio {
			low = b
		} else {
			high = b
		}
	}
	return low
}
