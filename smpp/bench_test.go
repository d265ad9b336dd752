package smpp

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// benchWindow is how many requests the benchmarks have under way.
const benchWindow = 1000

// benchESME runs an ESME and returns the SMSC's end of its connection, bound.
func benchESME(b *testing.B, cfg BindConfig) (*ESME, net.Conn) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	cfg.Name, cfg.SystemID, cfg.Address = "b", "s", l.Addr().String()
	e := NewESME(cfg, slog.New(slog.DiscardHandler), handlerFuncs{})
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.Run(ctx)
	}()
	conn, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		conn.Close()
		stop()
		<-ended
	})
	r := bufio.NewReader(conn)
	bind, err := readHeader(r)
	if err != nil {
		b.Fatal(err)
	}
	conn.Write(appended(b, PDU{Command: bind.Command.Response(), Sequence: bind.Sequence, Body: new(BindResp)}))
	if err := e.AwaitBound(b.Context()); err != nil {
		b.Fatal(err)
	}
	return e, conn
}

// BenchmarkDeliver is the whole way of an MO message over TCP, from the SMSC's
// write to the acknowledgement in its hands, with 1,000 under way. The SMSC's
// end costs as little as it can: frames are made ahead, and of the answers only
// the header is looked at.
func BenchmarkDeliver(b *testing.B) {
	_, conn := benchESME(b, BindConfig{InboundQueue: 2 * benchWindow})
	var frames []byte // of ten sources
	size := 0
	for i := range benchWindow {
		f := appended(b, PDU{Command: DeliverSM, Sequence: uint32(i + 1), Body: mo(fmt.Sprint(263771000000+i%10), strings.Repeat("a", 140))})
		frames, size = append(frames, f...), len(f)
	}
	answered := make(chan int, benchWindow) // messages a read
	b.ReportAllocs()
	b.ResetTimer()
	go func() { // the next ones as soon as there is room for them, all that there is at once
		room, at := benchWindow, 0
		for left := b.N; left > 0; {
			for more := true; more; {
				select {
				case n := <-answered:
					room += n
				default:
					more = false
				}
			}
			if room == 0 {
				room += <-answered
			}
			n := min(room, left, benchWindow-at)
			if _, err := conn.Write(frames[at*size:][:n*size]); err != nil {
				return
			}
			room, left, at = room-n, left-n, (at+n)%benchWindow
		}
	}()
	buf, held := make([]byte, 64<<10), 0
	const answerLen = HeaderLen + 1
	for left := b.N; left > 0; {
		n, err := conn.Read(buf[held:])
		if err != nil {
			b.Fatal(err)
		}
		held += n
		whole := held / answerLen
		for p := buf[:whole*answerLen]; len(p) > 0; p = p[answerLen:] {
			if binary.BigEndian.Uint64(p) != answerLen<<32|uint64(DeliverSMResp) || binary.BigEndian.Uint32(p[8:]) != uint32(StatusOK) {
				b.Fatalf("got % x", p[:answerLen])
			}
		}
		held = copy(buf, buf[whole*answerLen:held])
		left -= whole
		answered <- whole
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkSubmit is the whole way of an MT message over TCP, from Submit to the
// message id, by as many callers as the window has places.
func BenchmarkSubmit(b *testing.B) {
	e, conn := benchESME(b, BindConfig{Window: benchWindow})
	go func() {
		r := bufio.NewReaderSize(conn, 64<<10)
		answer := appended(b, PDU{Command: SubmitSMResp, Body: &MessageResp{MessageID: "12345678"}})
		var out []byte
		for {
			q, err := readHeader(r)
			if err != nil {
				return
			}
			if q.Command == SubmitSM {
				out = append(out, answer...)
				binary.BigEndian.PutUint32(out[len(out)-len(answer)+12:], q.Sequence)
			}
			if r.Buffered() < HeaderLen {
				conn.Write(out)
				out = out[:0]
			}
		}
	}()
	m := mt("263771000001", strings.Repeat("a", 140))
	b.ReportAllocs()
	b.ResetTimer()
	var callers sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	for range benchWindow {
		callers.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := e.Submit(b.Context(), m); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
