package load

import (
	"math/bits"
	"time"
)

// A value's bucket is its power of two and the subBits bits below the leading
// one, so that a bucket is at most 1/128 of its value wide.
const (
	subBits    = 7
	subBuckets = 1 << subBits
	// maxPower bounds what is told apart: 2^41 ns are 36 minutes.
	maxPower = 41
	buckets  = subBuckets * (maxPower - subBits + 1)
)

// histogram counts durations in log-linear buckets: percentiles are exact to
// 0.8 %, whatever the range, in a fixed 36 KiB. It is not safe for use by
// several goroutines.
type histogram struct {
	counts [buckets]uint64
	count  uint64
	sum    float64 // ns
	max    time.Duration
}

func bucketOf(ns uint64) int {
	if ns < subBuckets {
		return int(ns)
	}
	power := bits.Len64(ns) - 1
	if power >= maxPower {
		return buckets - 1
	}
	shift := power - subBits
	return shift*subBuckets + int(ns>>shift)
}

// upperEdge is the largest value in a bucket.
func upperEdge(bucket int) uint64 {
	if bucket < 2*subBuckets {
		return uint64(bucket)
	}
	shift := bucket/subBuckets - 1
	return (uint64(bucket%subBuckets+subBuckets)+1)<<shift - 1
}

// record counts d; a negative one counts as 0.
func (h *histogram) record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d))]++
	h.count++
	h.sum += float64(d)
	h.max = max(h.max, d)
}

// quantile is the duration that the share q (0 to 1) of all does not exceed;
// 0 when nothing was counted.
func (h *histogram) quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := uint64(q * float64(h.count))
	if float64(rank) < q*float64(h.count) || rank == 0 {
		rank++
	}
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			// The last bucket has no upper edge of its own.
			if i == buckets-1 {
				return h.max
			}
			return min(time.Duration(upperEdge(i)), h.max)
		}
	}
	return h.max
}

func (h *histogram) mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return time.Duration(h.sum / float64(h.count))
}
