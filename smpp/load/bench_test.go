package load

import (
	"strings"
	"testing"
	"time"
)

// BenchmarkAgainstScanner is what the load generator can do by itself: the peer
// reads lengths and answers. A message is two PDUs.
func BenchmarkAgainstScanner(b *testing.B) {
	for name, text := range map[string]string{"25 characters": "SEND {amount} {peer} 1234", "140 characters": strings.Repeat("a", 140)} {
		b.Run(name, func(b *testing.B) {
			l := listen(b, Config{Messages: uint64(b.N), Window: 5000, Text: text, Drain: time.Minute})
			wait := attach(b, l, (*testESME).scan)
			b.ReportAllocs()
			b.ResetTimer()
			r, err := l.Run(b.Context())
			if err != nil || !r.OK() {
				b.Fatalf("%+v %v", r, err)
			}
			b.StopTimer()
			wait()
			b.ReportMetric(2*r.AckedRate, "PDUs/s")
		})
	}
}

// BenchmarkSelf is our own session under load, for its profile.
func BenchmarkSelf(b *testing.B) {
	b.ReportAllocs()
	r := runSelf(b, Config{Messages: uint64(b.N), Window: 1000, Drain: time.Minute})
	b.ReportMetric(r.AckedRate, "messages/s")
}

func BenchmarkAppend(b *testing.B) {
	cfg := Config{}
	cfg.SetDefaults()
	t, err := newTemplate(&cfg)
	if err != nil {
		b.Fatal(err)
	}
	var frame []byte
	n := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		frame = t.append(frame[:0], n, uint32(n))
		n++
	}
}
