package interop

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"starhash/smpp"
)

// smppPort is the SMSC's port in a capture, whatever it was.
const smppPort = 2775

// capture is a pcap file of SMPP connections. The packets are made of what a proxy
// read, so that it takes no privileges and loses nothing.
type capture struct {
	mu       sync.Mutex
	f        *os.File
	w        *bufio.Writer
	err      error
	clients  uint16                 // ports given to them
	messages map[smpp.CommandID]int // PDUs in it
	packets  int
	changed  chan struct{} // holds one while messages has grown
	taps     []func()      // each waits until its connections have ended
}

func newCapture(t *testing.T, path string) *capture {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	c := &capture{f: f, w: bufio.NewWriterSize(f, 1<<20), clients: 32768, messages: make(map[smpp.CommandID]int), changed: make(chan struct{}, 1)}
	header := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	header = binary.LittleEndian.AppendUint16(header, 2)
	header = binary.LittleEndian.AppendUint16(header, 4)
	header = append(header, make([]byte, 8)...)
	header = binary.LittleEndian.AppendUint32(header, 1<<18) // longest packet
	header = binary.LittleEndian.AppendUint32(header, 101)   // LINKTYPE_RAW: IP without a link layer
	_, c.err = c.w.Write(header)
	t.Cleanup(func() { f.Close() })
	return c
}

// finish waits until both sides of every connection have closed it, and writes what
// is left.
func (c *capture) finish(t *testing.T) {
	t.Helper()
	for _, end := range c.taps {
		end()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := errors.Join(c.err, c.w.Flush(), c.f.Close()); err != nil {
		t.Fatal(err)
	}
}

// await waits until so many PDUs of an operation are there. One may wait at a time.
func (c *capture) await(t *testing.T, command smpp.CommandID, n int) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		c.mu.Lock()
		got := c.messages[command]
		c.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-c.changed:
		case <-limit.C:
			t.Fatalf("%d %s within %v, want %d", got, command, patience, n)
		}
	}
}

// TCP flags.
const (
	fin = 0x01
	syn = 0x02
	ack = 0x10
	psh = 0x08
)

// flow is one connection in a capture.
type flow struct {
	c    *capture
	port uint16 // the client's
	next [2]uint32
	pdus [2]pduCounter
}

// connection begins one, with its handshake.
func (c *capture) connection() *flow {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clients++
	f := &flow{c: c, port: c.clients}
	f.packet(toSMSC, syn, nil)
	f.packet(toESME, syn|ack, nil)
	f.next = [2]uint32{1, 1}
	f.packet(toSMSC, ack, nil)
	return f
}

// Directions of a flow.
const (
	toSMSC = iota
	toESME
)

// data adds octets that one side wrote. No packet holds octets of two PDUs, for
// tshark 4.0 reads the message_payload of a data_sm as if it began with a user data
// header when a PDU that has one stands before it in the same packet.
func (f *flow) data(direction int, b []byte) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	for len(b) > 0 {
		n := f.pdus[direction].take(b, f.c.messages)
		f.packet(direction, psh|ack, b[:n])
		f.next[direction] += uint32(n)
		b = b[n:]
	}
	select {
	case f.c.changed <- struct{}{}:
	default:
	}
}

// end closes one direction.
func (f *flow) end(direction int) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.packet(direction, fin|ack, nil)
	f.next[direction]++
}

// packet writes one IPv4 packet. c.mu is held. The checksums are left 0.
func (f *flow) packet(direction int, flags byte, payload []byte) {
	ports, hosts := [2]uint16{f.port, smppPort}, [2]byte{1, 2}
	from, to := 0, 1
	if direction == toESME {
		from, to = 1, 0
	}
	n := 40 + len(payload)
	now := time.Now()
	b := binary.LittleEndian.AppendUint32(nil, uint32(now.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(now.Nanosecond()/1000))
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	b = append(b, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, hosts[from], 10, 0, 0, hosts[to])
	b = binary.BigEndian.AppendUint16(b, ports[from])
	b = binary.BigEndian.AppendUint16(b, ports[to])
	b = binary.BigEndian.AppendUint32(b, f.next[from])
	b = binary.BigEndian.AppendUint32(b, f.next[to])
	b = append(b, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0)
	_, err := f.c.w.Write(append(b, payload...))
	f.c.err = errors.Join(f.c.err, err)
	f.c.packets++
}

// pduCounter counts the PDUs of a stream by their command_id, which it finds by
// command_length alone.
type pduCounter struct {
	header []byte
	body   int // octets of it that are still to come
}

// take says how many octets of b belong to the PDU that they begin or go on with.
func (p *pduCounter) take(b []byte, into map[smpp.CommandID]int) (n int) {
	if p.body == 0 {
		n = min(smpp.HeaderLen-len(p.header), len(b))
		p.header = append(p.header, b[:n]...)
		if len(p.header) < smpp.HeaderLen {
			return n
		}
		into[smpp.CommandID(binary.BigEndian.Uint32(p.header[4:]))]++
		p.body = int(binary.BigEndian.Uint32(p.header)) - smpp.HeaderLen
		p.header = p.header[:0]
	}
	body := min(p.body, len(b)-n)
	p.body -= body
	return n + body
}

// tap is a proxy in front of an SMSC that captures what goes through.
func (c *capture) tap(t *testing.T, smscPort int) (port int) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []*net.TCPConn
	all.Go(func() {
		for {
			esme, err := l.AcceptTCP()
			if err != nil {
				return // closed
			}
			smsc, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: smscPort})
			if err != nil {
				esme.Close()
				continue
			}
			mu.Lock()
			open = append(open, esme, smsc)
			mu.Unlock()
			f := c.connection()
			all.Go(func() { f.copy(toSMSC, smsc, esme) })
			all.Go(func() { f.copy(toESME, esme, smsc) })
		}
	})
	end := sync.OnceFunc(func() {
		l.Close()
		hung := time.AfterFunc(patience, func() {
			mu.Lock()
			defer mu.Unlock()
			for _, conn := range open {
				conn.Close()
			}
		})
		defer hung.Stop()
		all.Wait()
	})
	c.taps = append(c.taps, end)
	t.Cleanup(end)
	return l.Addr().(*net.TCPAddr).Port
}

// copy captures octets before it passes them on, so that no answer stands in front
// of what it answers.
func (f *flow) copy(direction int, to, from *net.TCPConn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			f.data(direction, buf[:n])
			if _, err := to.Write(buf[:n]); err != nil {
				break
			}
		}
		if err != nil {
			if err == io.EOF {
				f.end(direction)
			}
			break
		}
	}
	to.CloseWrite()
	from.CloseRead()
}
