package smpp

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// chunks reads its source in pieces of the sizes given, in turn.
type chunks struct {
	src   io.Reader
	sizes []byte
	at    int
}

func (c *chunks) Read(p []byte) (int, error) {
	n := len(p)
	if len(c.sizes) > 0 {
		n = min(n, 1+int(c.sizes[c.at%len(c.sizes)])*7)
		c.at++
	}
	return c.src.Read(p[:n])
}

// outside says whether all of a Reader's buffer is zero but what it still holds.
func outside(r *Reader) bool {
	return len(bytes.Trim(r.buf[:r.from], "\x00"))+len(bytes.Trim(r.buf[r.to:], "\x00")) == 0
}

func TestReaderTakesWhatIsGluedAndCut(t *testing.T) {
	var stream []byte
	var want []PDU
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		p := PDU{Command: DeliverSM, Sequence: uint32(i + 1), Body: mo("263771000001", strings.Repeat("x", 1+rng.IntN(200)))}
		if i%100 == 50 {
			p.Body.(*Message).Payload = bytes.Repeat([]byte("y"), 65_535) // longer than the buffer
		}
		if i%3 == 0 {
			p = PDU{Command: EnquireLink, Sequence: uint32(i + 1)}
		}
		stream = append(stream, appended(t, p)...)
		want = append(want, p)
	}
	for name, src := range map[string]io.Reader{
		"glued":         bytes.NewReader(stream),
		"single octets": iotest.OneByteReader(bytes.NewReader(stream)),
		"halves":        iotest.HalfReader(bytes.NewReader(stream)),
		"any sizes":     &chunks{src: bytes.NewReader(stream), sizes: []byte{0, 255, 3, 17, 90, 1, 200}},
		"with the EOF":  iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(src, DefaultMaxPDU)
			for i, w := range want {
				p, err := r.Next()
				if err != nil {
					t.Fatalf("PDU %d: %v", i, err)
				}
				if m, ok := w.Body.(*Message); ok {
					got := p.Body.(*Message)
					if !bytes.Equal(got.Payload, m.Payload) || got.Source != m.Source {
						t.Fatalf("PDU %d differs", i)
					}
				} else if !reflect.DeepEqual(p, w) {
					t.Fatalf("PDU %d: %v, want %v", i, p, w)
				}
				if i%97 == 0 && !outside(r) {
					t.Fatalf("after PDU %d octets are left in the buffer", i)
				}
			}
			if _, err := r.Next(); err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
			if !outside(r) || r.from != r.to {
				t.Error("octets left in the buffer")
			}
		})
	}
}

// TestReaderMovesLeaveNothing has a buffer so small that what is held is moved
// all the time, and a source that covers none of it.
func TestReaderMovesLeaveNothing(t *testing.T) {
	var stream []byte
	for i := range 50 {
		stream = append(stream, appended(t, PDU{Command: DeliverSM, Sequence: uint32(i + 1), Body: mo("263771000001", "PIN 4711 4711 4711")})...)
	}
	r := NewReader(iotest.OneByteReader(bytes.NewReader(stream)), DefaultMaxPDU)
	r.buf = make([]byte, 100)
	// As a busy source leaves it: a PDU and the beginning of the next.
	r.to = copy(r.buf, stream[:100])
	r.src = iotest.OneByteReader(bytes.NewReader(stream[100:]))
	for i := range 50 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if !outside(r) {
			t.Fatalf("after PDU %d octets are left in the buffer", i)
		}
		if held := r.to - r.from; held < 60 && i < 40 { // let it read on into the next one
			if err := r.fill(60); err != nil {
				t.Fatal(err)
			}
			if !outside(r) {
				t.Fatalf("moving what follows PDU %d leaves octets", i)
			}
		}
	}
}

func TestReaderReady(t *testing.T) {
	one := appended(t, PDU{Command: EnquireLink, Sequence: 1})
	pipe, feed := io.Pipe()
	defer feed.Close()
	r := NewReader(pipe, DefaultMaxPDU)
	if r.Ready() {
		t.Error("ready before anything was read")
	}
	go feed.Write(append(append(append([]byte(nil), one...), one...), one[:5]...))
	for i, ready := range []bool{true, false} {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if r.Ready() != ready {
			t.Errorf("after PDU %d Ready is %v", i+1, !ready)
		}
	}
}

func TestReaderFaults(t *testing.T) {
	whole := appended(t, PDU{Command: DeliverSM, Sequence: 7, Body: mo("1", "PIN 4711")})
	broken := bytes.Clone(whole[:len(whole)-1])
	broken[3]--
	short := []byte{0, 0, 0, 15, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9}
	long := []byte{0x7F, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9}
	var (
		fe *FrameError
		de *DecodeError
	)
	r := NewReader(bytes.NewReader(append(broken, whole...)), DefaultMaxPDU)
	if _, err := r.Next(); !errors.As(err, &de) || de.Sequence != 7 || !outside(r) {
		t.Errorf("a broken PDU: %v", err)
	}
	if p, err := r.Next(); err != nil || string(p.Body.(*Message).Payload) != "PIN 4711" {
		t.Errorf("the PDU behind a broken one: %v %v", p, err)
	}
	if _, err := NewReader(bytes.NewReader(whole[:len(whole)-1]), DefaultMaxPDU).Next(); err != io.ErrUnexpectedEOF {
		t.Errorf("a PDU that ends early: %v", err)
	}
	if _, err := NewReader(bytes.NewReader(whole[:2]), DefaultMaxPDU).Next(); err != io.ErrUnexpectedEOF {
		t.Errorf("a length that ends early: %v", err)
	}
	if _, err := NewReader(bytes.NewReader(short), DefaultMaxPDU).Next(); !errors.As(err, &fe) || fe.Length != 15 {
		t.Errorf("command_length 15: %v", err)
	}
	if _, err := NewReader(bytes.NewReader(long), DefaultMaxPDU).Next(); !errors.As(err, &fe) || fe.Sequence != 9 {
		t.Errorf("a huge command_length: %v", err)
	}
	if _, err := NewReader(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(whole))), DefaultMaxPDU).Next(); err != iotest.ErrTimeout {
		t.Errorf("a time-out: %v", err)
	}
}

// FuzzReader holds the Reader against ReadFrame and Decode on any stream in any
// pieces.
func FuzzReader(f *testing.F) {
	one := appended(f, PDU{Command: EnquireLink, Sequence: 1})
	two := appended(f, PDU{Command: DeliverSM, Sequence: 2, Body: mo("1", "BAL")})
	f.Add(append(bytes.Clone(one), two...), []byte{0})
	f.Add(append(bytes.Clone(two), one[:9]...), []byte{255, 1})
	f.Fuzz(func(t *testing.T, stream, sizes []byte) {
		const limit = 2048
		r := NewReader(&chunks{src: bytes.NewReader(stream), sizes: sizes}, limit)
		rest := stream
		for {
			p, err := r.Next()
			if len(rest) < 4 {
				if err != io.EOF && err != io.ErrUnexpectedEOF {
					t.Fatalf("%d octets left: %v", len(rest), err)
				}
				return
			}
			n := int(uint32(rest[0])<<24 | uint32(rest[1])<<16 | uint32(rest[2])<<8 | uint32(rest[3]))
			var fe *FrameError
			if n < HeaderLen || n > limit {
				if !errors.As(err, &fe) {
					t.Fatalf("command_length %d: %v", n, err)
				}
				return
			}
			if n > len(rest) {
				if err != io.ErrUnexpectedEOF {
					t.Fatalf("%d of %d octets: %v", len(rest), n, err)
				}
				return
			}
			want, wantErr := Decode(bytes.Clone(rest[:n]))
			if !reflect.DeepEqual(p, want) || (err == nil) != (wantErr == nil) {
				t.Fatalf("%v %v, want %v %v", p, err, want, wantErr)
			}
			if !outside(r) {
				t.Fatal("octets are left in the buffer")
			}
			rest = rest[n:]
		}
	})
}
