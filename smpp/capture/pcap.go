package capture

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/gopacket/gopacket/tcpassembly"

	"starhash/smpp"
)

// isPcap knows the magic numbers of pcap, of either byte order and with microseconds or
// nanoseconds, and of pcapng.
func isPcap(head []byte) bool {
	switch string(head) {
	case "\xa1\xb2\xc3\xd4", "\xd4\xc3\xb2\xa1", "\xa1\xb2\x3c\x4d", "\x4d\x3c\xb2\xa1", pcapng:
		return true
	}
	return false
}

const pcapng = "\x0a\x0d\x0d\x0a"

// packets is a file of packets.
type packets interface {
	gopacket.PacketDataSource
	LinkType() layers.LinkType
}

func readPcap(r io.Reader, head []byte) ([]PDU, int, error) {
	var file packets
	var err error
	if string(head) == pcapng {
		file, err = pcapgo.NewNgReader(r, pcapgo.DefaultNgReaderOptions)
	} else {
		file, err = pcapgo.NewReader(r)
	}
	if isEnd(err) {
		return nil, 0, nil // in its header
	} else if err != nil {
		return nil, 0, fmt.Errorf("pcap: %w", err)
	}
	c := &connections{ends: map[flow]*end{}}
	assembler := tcpassembly.NewAssembler(tcpassembly.NewStreamPool(c))
	assembler.MaxBufferedPagesTotal, assembler.MaxBufferedPagesPerConnection = 20_000, 1_000
	for c.err == nil {
		data, info, err := file.ReadPacketData()
		if isEnd(err) { // also in the middle of a packet, where tcpdump was stopped
			break
		} else if err != nil {
			return nil, 0, fmt.Errorf("pcap: %w", err)
		}
		p := gopacket.NewPacket(data, file.LinkType(), gopacket.DecodeOptions{Lazy: true, NoCopy: true})
		if tcp, ok := p.TransportLayer().(*layers.TCP); ok && p.NetworkLayer() != nil {
			assembler.AssembleWithTimestamp(p.NetworkLayer().NetworkFlow(), tcp, info.Timestamp)
		}
	}
	assembler.FlushAll()
	return c.pdus(), c.undecoded, c.err
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// flow is one direction of a connection.
type flow struct{ network, transport gopacket.Flow }

// connections are those of a capture.
type connections struct {
	ends      map[flow]*end
	all       []captured
	undecoded int
	err       error
}

// captured is a PDU, who sent it, and when it was whole: the assembler keeps back what
// comes behind something missing.
type captured struct {
	pdu smpp.PDU
	end *end
	at  time.Time
}

// end is what one side of a connection sent. Its operations tell whether it is the SMSC.
type end struct {
	of     *connections
	from   flow
	stream stream
	votes  int // for the SMSC, or below zero, for the ESME
}

// New is called by the assembler for each direction.
func (c *connections) New(network, transport gopacket.Flow) tcpassembly.Stream {
	e := &end{of: c, from: flow{network, transport}}
	c.ends[e.from] = e
	return e
}

// Reassembled is called by the assembler with octets in order.
func (e *end) Reassembled(parts []tcpassembly.Reassembly) {
	for _, p := range parts {
		if e.of.err != nil {
			return
		}
		e.stream.add(p.Bytes, p.Skip != 0, func(frame []byte) { e.take(frame, p.Seen) })
	}
}

// ReassemblyComplete is called by the assembler at the end.
func (e *end) ReassemblyComplete() { clear(e.stream.buf) }

func (e *end) take(frame []byte, at time.Time) {
	p, err := smpp.Decode(frame)
	if err != nil {
		e.of.undecoded++
		return
	}
	if smsc, known := sender(p.Command); known && smsc {
		e.votes++
	} else if known {
		e.votes--
	}
	if len(e.of.all) == MaxPDUs {
		e.of.err = errTooMany
		return
	}
	e.of.all = append(e.of.all, captured{p, e, at})
}

// pdus says of each PDU who sent it: by what its sender sent elsewhere, or else by what
// the other side did.
func (c *connections) pdus() []PDU {
	slices.SortStableFunc(c.all, func(a, b captured) int { return a.at.Compare(b.at) })
	pdus := make([]PDU, len(c.all))
	for i, p := range c.all {
		votes := p.end.votes
		if other := c.ends[flow{p.end.from.network.Reverse(), p.end.from.transport.Reverse()}]; other != nil {
			votes -= other.votes
		}
		pdus[i] = PDU{p.pdu, votes > 0}
	}
	return pdus
}
