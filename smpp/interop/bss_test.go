package interop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// What stands around an MSC so that a phone can attach to it and exchange SMS: an HLR
// over GSUP and a BSC over SCCP, both in IPA frames over TCP, with one phone. It does
// that and nothing else.

// Protocols of an IPA frame, and messages of its connection management.
const (
	ipaCCM  = 0xFE
	ipaSCCP = 0xFD
	ipaOsmo = 0xEE
	ipaGSUP = 0x05 // extension of ipaOsmo

	ccmPing  = 0x00
	ccmPong  = 0x01
	ccmIDGet = 0x04
	ccmIDAck = 0x06
)

// ipa is one IPA connection that the MSC has made to us.
type ipa struct {
	conn  net.Conn
	write sync.Mutex
}

// ipaServer takes connections until the test ends, one after the other, and hands
// each to serve, which returns at its end.
func ipaServer(t *testing.T, serve func(*ipa)) (port int) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var now net.Conn
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			mu.Lock()
			now = conn
			mu.Unlock()
			serve(&ipa{conn: conn})
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		if now != nil {
			now.Close()
		}
		mu.Unlock()
		<-ended
	})
	return l.Addr().(*net.TCPAddr).Port
}

func (c *ipa) send(protocol byte, payload ...byte) {
	c.write.Lock()
	defer c.write.Unlock()
	b := binary.BigEndian.AppendUint16(nil, uint16(len(payload)))
	_, _ = c.conn.Write(append(append(b, protocol), payload...)) // a lost connection shows in read
}

// each calls f with every frame that is not connection management, until the end.
func (c *ipa) each(f func(protocol byte, payload []byte)) {
	for {
		var header [3]byte
		if _, err := io.ReadFull(c.conn, header[:]); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint16(header[:]))
		if _, err := io.ReadFull(c.conn, payload); err != nil {
			return
		}
		if header[2] != ipaCCM {
			f(header[2], payload)
		} else if len(payload) > 0 && payload[0] == ccmPing {
			c.send(ipaCCM, ccmPong)
		}
	}
}

// Messages and elements of GSUP.
const (
	gsupUpdateLocation       = 0x04
	gsupUpdateLocationResult = 0x06
	gsupInsertData           = 0x10
	gsupInsertDataResult     = 0x12
	gsupIMSI                 = 0x01
	gsupMSISDN               = 0x08
	gsupCNDomain             = 0x28
)

// serveHLR lets everybody in, as the phone's number.
func serveHLR(number string) func(*ipa) {
	return func(c *ipa) {
		c.send(ipaCCM, ccmIDGet, 1, 8)
		c.send(ipaCCM, ccmIDAck)
		msisdn := bcd(number)
		c.each(func(protocol byte, b []byte) {
			if protocol != ipaOsmo || len(b) < 4 || b[0] != ipaGSUP || b[2] != gsupIMSI {
				return
			}
			imsi := b[2 : 4+b[3]]
			switch b[1] {
			case gsupUpdateLocation:
				m := append([]byte{ipaGSUP, gsupInsertData}, imsi...)
				m = append(m, gsupMSISDN, byte(1+len(msisdn)), byte(len(msisdn)))
				c.send(ipaOsmo, append(append(m, msisdn...), gsupCNDomain, 1, 2)...)
			case gsupInsertDataResult:
				c.send(ipaOsmo, append([]byte{ipaGSUP, gsupUpdateLocationResult}, imsi...)...)
			}
		})
	}
}

// bcd is digits as the network writes them, two an octet, the first one low.
func bcd(digits string) []byte {
	var b []byte
	for i := 0; i < len(digits); i += 2 {
		high := byte(0xF0)
		if i+1 < len(digits) {
			high = digits[i+1] << 4
		}
		b = append(b, high|digits[i]&0x0F)
	}
	return b
}

// bss is a BSC with a phone.
type bss struct {
	t    *testing.T
	imsi string
	got  chan []byte // BSSAP from the MSC: connectionless, and on the phone's connection

	passed [][]byte // come, and not awaited yet: a discriminator and the message

	mu     sync.Mutex
	link   *ipa
	up     chan struct{} // closed when link is there
	ref    uint32        // the phone's connection at our end
	theirs [3]byte       // and at the MSC's
}

func newBSS(t *testing.T, imsi string) *bss {
	return &bss{t: t, imsi: imsi, got: make(chan []byte, 100), up: make(chan struct{})}
}

// Messages of SCCP: ITU-T Q.713.
const (
	sccpCR   = 0x01
	sccpCC   = 0x02
	sccpCREF = 0x03
	sccpRLSD = 0x04
	sccpRLC  = 0x05
	sccpDT1  = 0x06
	sccpUDT  = 0x09
)

// Addresses of SCCP: a point code and the subsystem number of BSSAP.
var (
	sccpMSC = []byte{0x43, 185, 0, 254} // 0.23.1
	sccpBSC = []byte{0x43, 1, 0, 254}   // 0.0.1
)

func (b *bss) serve(c *ipa) {
	b.mu.Lock()
	if b.link == nil {
		close(b.up)
	}
	b.link = c
	b.mu.Unlock()
	c.send(ipaCCM, ccmIDGet, 1, 8)
	c.send(ipaCCM, ccmIDAck)
	c.each(func(protocol byte, m []byte) {
		if protocol != ipaSCCP || len(m) < 5 {
			return
		}
		switch m[0] {
		case sccpUDT:
			at := 4 + int(m[4])
			b.got <- m[at+1 : at+1+int(m[at])]
		case sccpCC:
			b.mu.Lock()
			copy(b.theirs[:], m[4:7])
			b.mu.Unlock()
		case sccpCREF:
			b.t.Error("the MSC refuses an SCCP connection")
		case sccpRLSD:
			c.send(ipaSCCP, append(append([]byte{sccpRLC}, m[4:7]...), m[1:4]...)...)
			b.got <- nil // the connection's end
		case sccpDT1:
			b.got <- m[7 : 7+int(m[6])]
		}
	})
}

// sccp sends a message of SCCP on the connection that is there.
func (b *bss) sccp(m ...byte) {
	b.mu.Lock()
	link := b.link
	b.mu.Unlock()
	link.send(ipaSCCP, m...)
}

// udt sends BSSAP without a connection.
func (b *bss) udt(data ...byte) {
	m := []byte{sccpUDT, 0, 3, byte(3 + len(sccpMSC)), byte(3 + len(sccpMSC) + len(sccpBSC))}
	for _, part := range [][]byte{sccpMSC, sccpBSC, data} {
		m = append(append(m, byte(len(part))), part...)
	}
	b.sccp(m...)
}

// connect begins the phone's connection with its first message of layer 3.
func (b *bss) connect(l3 ...byte) {
	b.ref++
	data := append([]byte{0x57, 0x05, 8, 0x00, 0x00, 0xF1, 0x10, 0, 23, 0, 1, 0x17, byte(len(l3))}, l3...) // COMPLETE LAYER 3 INFORMATION
	data = append([]byte{0, byte(len(data))}, data...)
	m := []byte{sccpCR, 0, 0, byte(b.ref), 2, 2, byte(2 + len(sccpMSC)), byte(len(sccpMSC))}
	m = append(m, sccpMSC...)
	m = append(append(m, 0x04, byte(len(sccpBSC))), sccpBSC...)
	m = append(append(m, 0x0F, byte(len(data))), data...)
	b.sccp(append(m, 0)...)
}

// dt1 sends BSSAP on the phone's connection.
func (b *bss) dt1(data ...byte) {
	b.mu.Lock()
	m := append(append([]byte{sccpDT1}, b.theirs[:]...), 0, 1, byte(len(data)))
	b.mu.Unlock()
	b.sccp(append(m, data...)...)
}

// dtap sends a message of the phone, with SAPI 3 for SMS.
func (b *bss) dtap(sapi byte, l3 ...byte) { b.dt1(append([]byte{1, sapi, byte(len(l3))}, l3...)...) }

// await is the first BSSAP that was not awaited yet and is wanted: of discriminator 0 a
// BSSMAP message, of discriminator 1 a message of layer 3. It is nil when the MSC has
// released the connection before.
func (b *bss) await(what string, wanted func(discriminator byte, m []byte) bool) []byte {
	b.t.Helper()
	for i, m := range b.passed {
		if wanted(m[0], m[1:]) {
			b.passed = slices.Delete(b.passed, i, i+1)
			return m[1:]
		}
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		select {
		case m := <-b.got:
			switch {
			case m == nil:
				b.passed = nil
				return nil
			case len(m) > 3 && m[0] == 1:
				m = append([]byte{1}, m[3:]...) // without SAPI and length
			case len(m) > 2 && m[0] == 0 && m[2] == 0x20: // CLEAR COMMAND
				b.dt1(0, 1, 0x21)
				continue
			case len(m) > 2 && m[0] == 0:
				m = append([]byte{0}, m[2:]...)
			default:
				continue
			}
			if wanted(m[0], m[1:]) {
				return m[1:]
			}
			b.passed = append(b.passed, m)
		case <-limit.C:
			b.t.Fatalf("the MSC sends no %s, but % x", what, b.passed)
		}
	}
}

func (b *bss) awaitL3(what string, l3 ...byte) []byte {
	b.t.Helper()
	m := b.await(what, func(d byte, m []byte) bool { return d == 1 && bytes.HasPrefix(m, l3) })
	if m == nil {
		b.t.Fatalf("the MSC releases the connection and sends no %s", what)
	}
	return m
}

func (b *bss) awaitRelease() {
	b.t.Helper()
	b.await("release", func(byte, []byte) bool { return false })
}

func (b *bss) identity() []byte {
	id := append([]byte{b.imsi[0]<<4 | 0x09}, bcd(b.imsi[1:])...)
	return append([]byte{byte(len(id))}, id...)
}

// attach makes the BSC known to the MSC and registers the phone there: 3GPP TS
// 24.008 §9.2.15.
func (b *bss) attach() {
	b.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-b.up:
	case <-limit.C:
		b.t.Fatal("the MSC does not connect to its BSC")
	}
	for acked := false; !acked; { // the MSC's routing is up a moment after its connection
		b.udt(0, 4, 0x30, 0x04, 1, 0x20) // RESET
		select {
		case m := <-b.got:
			acked = len(m) > 2 && m[0] == 0 && m[2] == 0x31
		case <-time.After(200 * time.Millisecond):
		case <-limit.C:
			b.t.Fatal("the MSC does not acknowledge a RESET")
		}
	}
	b.connect(append([]byte{0x05, 0x08, 0x72, 0x00, 0xF1, 0x10, 0, 23, 0x33}, b.identity()...)...)
	b.awaitL3("LOCATION UPDATING ACCEPT", 0x05, 0x02)
	b.awaitRelease()
}

var classmark2 = []byte{3, 0x33, 0x19, 0xA2}

// Messages of the SMS layers: 3GPP TS 24.011 §8.1.3 and §8.2.2.
const (
	cpData = 0x01
	cpAck  = 0x04

	rpDataToNetwork = 0x00
	rpDataToPhone   = 0x01
	rpAckToNetwork  = 0x02
	rpAckToPhone    = 0x03
)

// receive answers pages until it has taken so many SMSs: their TPDUs.
func (b *bss) receive(n int) (tpdus [][]byte) {
	b.t.Helper()
	for len(tpdus) < n {
		b.await("PAGING", func(d byte, m []byte) bool { return d == 0 && m[0] == 0x52 })
		b.connect(append(append([]byte{0x06, 0x27, 0x07}, classmark2...), b.identity()...)...)
		for { // as many as it sends on this connection
			m := b.await("CP-DATA", func(d byte, m []byte) bool { return d == 1 && len(m) > 5 && m[0]&0x8F == 0x09 && m[1] == cpData })
			if m == nil {
				break
			}
			answer := m[0] | 0x80
			b.dtap(3, answer, cpAck)
			rp := m[3:]
			if rp[0] != rpDataToPhone {
				b.t.Fatalf("RP message % x", rp)
			}
			at := 2
			at += 1 + int(rp[at]) // originator
			at += 1 + int(rp[at]) // destination
			tpdus = append(tpdus, rp[at+1:at+1+int(rp[at])])
			b.dtap(3, answer, cpData, 2, rpAckToNetwork, rp[1])
			b.awaitL3("CP-ACK", m[0], cpAck)
		}
	}
	return tpdus
}

// send sends an SMS; the error is the MSC's refusal.
func (b *bss) send(tpdu []byte) error {
	b.t.Helper()
	b.connect(append(append([]byte{0x05, 0x24, 0x74}, classmark2...), b.identity()...)...)
	b.awaitL3("CM SERVICE ACCEPT", 0x05, 0x21)
	rp := append([]byte{rpDataToNetwork, 0, 0, 4, 0x91, 0x99, 0x99, 0xF9, byte(len(tpdu))}, tpdu...)
	b.dtap(3, append([]byte{0x09, cpData, byte(len(rp))}, rp...)...)
	m := b.awaitL3("CP-DATA", 0x89, cpData)
	b.dtap(3, 0x09, cpAck)
	b.awaitRelease()
	if m[3] != rpAckToPhone {
		return fmt.Errorf("RP message % x", m[3:])
	}
	return nil
}

// Bits of a TPDU's first octet: 3GPP TS 23.040 §9.2.3.
const (
	tpSubmit = 0x01
	tpUDHI   = 0x40
)

// submitTPDU is an SMS-SUBMIT in the default alphabet, whose characters here are
// ASCII's: §9.2.2.2.
func submitTPDU(to string, header []byte, text string) []byte {
	first := byte(tpSubmit)
	if header != nil {
		first |= tpUDHI
	}
	b := append([]byte{first, 1, byte(len(to)), 0x81}, bcd(to)...)
	bits := len(header) * 8
	fill := (7 - bits%7) % 7
	septets := (bits+fill)/7 + len(text)
	b = append(b, 0, 0, byte(septets))
	ud := make([]byte, (septets*7+7)/8)
	copy(ud, header)
	for i := range len(text) {
		at := bits + fill + 7*i
		ud[at/8] |= text[i] << (at % 8)
		if at%8 > 1 {
			ud[at/8+1] |= text[i] >> (8 - at%8)
		}
	}
	return append(b, ud...)
}

// deliverTPDU reads an SMS-DELIVER: §9.2.2.1. Its text is septets, or octets where the
// data coding scheme says so.
func deliverTPDU(b []byte) (from string, dcs byte, header, text []byte, err error) {
	if len(b) < 3 || b[0]&0x03 != 0 {
		return "", 0, nil, nil, errors.New("not an SMS-DELIVER")
	}
	digits := int(b[1])
	at := 3 + (digits+1)/2
	for i := range digits {
		from += string('0' + b[3+i/2]>>(4*(i%2))&0x0F)
	}
	dcs = b[at+1]
	at += 2 + 7 // scheme, protocol and time stamp
	n, ud := int(b[at]), b[at+1:]
	octets := 0
	if b[0]&tpUDHI != 0 {
		octets = 1 + int(ud[0])
		header = ud[:octets]
	}
	if dcs != 0 {
		return from, dcs, header, ud[octets:n], nil
	}
	for i := (octets*8 + 6) / 7; i < n; i++ {
		v := uint16(ud[i*7/8])
		if i*7/8+1 < len(ud) {
			v |= uint16(ud[i*7/8+1]) << 8
		}
		text = append(text, byte(v>>(i*7%8))&0x7F)
	}
	return from, dcs, header, text, nil
}
