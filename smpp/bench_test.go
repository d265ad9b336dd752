package smpp

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
)

func BenchmarkDecode(b *testing.B) {
	m := mo("263771000001", strings.Repeat("a", 140))
	m.TLVs = TLVs{{TagUserMessageReference, []byte{0, 1}}, {0x1502, []byte("640012345678901")}}
	frame := appended(b, PDU{Command: DeliverSM, Sequence: 1, Body: m})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	p := PDU{Command: SubmitSM, Sequence: 1, Body: mt("263771000001", strings.Repeat("a", 140))}
	var frame []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if frame, err = Append(frame[:0], p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDeliver is the whole way of an MO message over TCP, from the SMSC's
// write to the acknowledgement in its hands, with 1,000 under way.
func BenchmarkDeliver(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	e := NewESME(BindConfig{Name: "b", Address: l.Addr().String(), SystemID: "s", InboundQueue: 2000},
		slog.New(slog.DiscardHandler), handlerFuncs{})
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
	r := bufio.NewReaderSize(conn, 64<<10)
	read := func() PDU {
		frame, err := ReadFrame(r, DefaultMaxPDU)
		if err != nil {
			b.Fatal(err)
		}
		p, err := Decode(frame)
		if err != nil {
			b.Fatal(err)
		}
		return p
	}
	bind := read()
	conn.Write(appended(b, PDU{Command: bind.Command.Response(), Sequence: bind.Sequence, Body: new(BindResp)}))

	frame := appended(b, PDU{Command: DeliverSM, Sequence: 1, Body: mo("263771000001", strings.Repeat("a", 140))})
	const window = 1000
	slots := make(chan struct{}, window)
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		w := bufio.NewWriterSize(conn, 64<<10)
		for i := range b.N {
			select {
			case slots <- struct{}{}:
			default:
				w.Flush()
				slots <- struct{}{}
			}
			f := append([]byte(nil), frame...)
			f[len(mo("263771000001", "").Source.Addr)+HeaderLen+2] = byte('0' + i%10) // ten sources
			w.Write(f)
		}
		w.Flush()
	}()
	for range b.N {
		if p := read(); p.Command != DeliverSMResp || p.Status != StatusOK {
			b.Fatalf("%s %s", p.Command, p.Status)
		}
		<-slots
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	conn.Close()
	stop()
	<-ended
}
